# pragma version 0.4.3
"""
@title price_sources
@license AGPL-3.0-only
@notice The on-chain sources behind one shape: whatever the kind, a read gives the source's newest
        sound datum or the one kept before; it never reverts but for a starved caller, so no source
        bricks a feed and nobody can make a sound one look broken.

        A source's answer may be inverted, and multiplied with the price of another feed of this
        adapter (A/B x B/USD, an ERC-4626 rate x its asset). Such a datum's time is the older leg's,
        and without a leg there is no datum. Its round is the source's own time << 33 | twice the
        second in which the other feed's price was fixed (one more for a later poke of that second),
        so that it is new when either leg is, however old a part of the other, and neither goes back.
"""

from contracts.oracle import chainlink_source
from contracts.oracle import curve_source
from contracts.oracle import erc4626_source
from contracts.oracle import feed_state
from contracts.oracle import feed_terms
from contracts.oracle import feed_word
from contracts.oracle import pyth_source
from contracts.oracle import scale
from contracts.oracle import uniswap_source
from contracts.modules import quote_word

uses: feed_state

MASK_56: constant(uint256) = 2**56 - 1


@internal
@view
def _read(slot: uint256, source: uint256, kept: uint256, terms: uint256, now: uint256) -> uint256:
    """
    @notice The source's newest datum, or `kept` when it has nothing newer that is sound. Reverts
            StarvedCall.
    @param slot The source's place: feed * 8 + index.
    @param source The source word.
    @param kept The datum word accepted last; 0 if none.
    @param terms The feed's terms word.
    @param now Seconds.
    """
    mantissa: uint256 = 0
    exponent: int256 = 0
    time: uint256 = 0
    round: uint256 = 0
    kind: uint256 = (source >> 160) & 255
    if kind == feed_terms.CHAINLINK:
        mantissa, time, round = chainlink_source._observe(source)
    else:
        mantissa, exponent, time, round = self._observe(source, feed_state.extras[slot], now)
    # A negative answer has the top bit set: too large for a price like any other such number.
    if mantissa == 0 or time == 0 or time > now or round >> 80 != 0:
        return kept
    via_price: uint256 = 0
    via: uint256 = feed_terms._via(source)
    if via != 0:
        leg: uint256 = feed_state._in_force(via, now)
        if leg == 0 or feed_word._state_at(leg, now) >= quote_word.STALE:
            return kept
        via_price = leg & MASK_56
        # Proof: delay <= time because it was measured from a datum's time >= 0.
        via_time: uint256 = unsafe_sub(feed_word._time(leg), feed_word._delay(leg))
        # Proof: times are < 2**32, so this is < 2**65 and fits the datum's 80 bits.
        round = (time << 33) | (feed_word._time(leg) << 1)
        if leg != feed_state.hot[via]:
            round |= 1
        time = min(time, via_time)
    # Layout of the kept datum: feed_word.vy. One of the same time and round is the one kept,
    # whatever the source says now.
    kept_round: uint256 = (kept >> 88) & (2**80 - 1)
    kept_time: uint256 = (kept >> 56) & (2**32 - 1)
    if round < kept_round or time < kept_time or (round == kept_round and time == kept_time):
        return kept
    price: uint256 = 0
    if kind == feed_terms.CHAINLINK:
        decimals: uint256 = (source >> 168) & 255
        if source & feed_terms.DIRECT == 0:
            price = chainlink_source._ticks_floor(mantissa, decimals)
        else:
            exponent = -convert(decimals, int256)
            price = scale._ticks_floor(
                mantissa, exponent, source & feed_terms.INVERSE != 0, via_price
            )
        if not feed_terms._price_in_bounds(terms, price):
            return kept
        if chainlink_source._decimals(chainlink_source._target(source)) != decimals:
            return kept
    else:
        price = scale._ticks_floor(mantissa, exponent, source & feed_terms.INVERSE != 0, via_price)
        if not feed_terms._price_in_bounds(terms, price):
            return kept
    return price | (time << 56) | (round << 88)


@internal
@view
def _observe(
    source: uint256, extra: uint256, now: uint256
) -> (uint256, int256, uint256, uint256):
    """
    @notice What a source of the kinds beyond aggregators says.
    @param source The source word.
    @param extra Its extra word.
    @param now Seconds.
    @return Mantissa, 0 for no sound answer · decimal exponent · time, s · round.
    """
    kind: uint256 = (source >> 160) & 255
    if kind == feed_terms.PYTH:
        return pyth_source._observe(source, extra, now)
    if kind == feed_terms.UNISWAP:
        return uniswap_source._observe(source, extra, now)
    if kind == feed_terms.CURVE:
        return curve_source._observe(source, extra, now)
    return erc4626_source._observe(source, extra, now)
