# pragma version 0.4.3
"""
@title feed_word
@license AGPL-3.0-only
@notice The adapter's stored words, packed and unpacked. Pure: the storage is in feed_state.vy.

        hot word, one per feed: all that a reader needs
        bits    field     unit
        0-55    price     ticks: the index, fixed by the first poke of second `time`
        56-107  funding   ticks, int52: integral of price * premium dt / 8 h up to `time`
        108-139 time      s: when the price was fixed
        140-156 delay     s: age of the oldest datum in the price at `time`
        157-173 ttl       s after `time` for which a quorum of the data stays within its age limit
        174-185 low       1e-4 of price, rounded up
        186-197 high      1e-4 of price, rounded up
        198-199 state     OK 0, DEGRADED 1, HALTED 3 (STALE follows from ttl)
        200     newer     1: a later poke of the same second waits in the newer word
        201-218 premium   1e-6 of price, int18: slow, clamped
        219-223 shift     variance = mantissa << shift, 1e-12 annualised
        224-255 mantissa

        datum word, newest accepted of each source
        0-55    price     ticks
        56-87   time      s: the source's own time of observation
        88-167  round     the source's round id or report sequence
        168-185 premium   1e-6 of price, int18
"""

from contracts.modules import quote_word

MASK_12: constant(uint256) = 2**12 - 1
MASK_17: constant(uint256) = 2**17 - 1
MASK_18: constant(uint256) = 2**18 - 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_52: constant(uint256) = 2**52 - 1
MASK_56: constant(uint256) = 2**56 - 1
MASK_80: constant(uint256) = 2**80 - 1

STATE_MASK: constant(uint256) = 3 << 198
NEWER_FLAG: constant(uint256) = 1 << 200
PREMIUM_MASK: constant(uint256) = (2**18 - 1) << 201
# funding, time, premium, variance: what a later poke of the same second leaves as it is
CARRIED_MASK: constant(uint256) = ((2**84 - 1) << 56) | ((2**55 - 1) << 201)
FUNDING_LIMIT: constant(int256) = 2**51 - 1  # ticks; the index stays here once it arrives
FUNDING_SCALE: constant(int256) = 8 * 3600 * 1_000_000  # premium is per 8 h, in 1e-6
PREMIUM_SCALE: constant(int256) = 1_000_000


@internal
@pure
def _price(hot: uint256) -> uint256:
    """
    @notice Ticks.
    """
    return hot & MASK_56


@internal
@pure
def _funding(hot: uint256) -> int256:
    """
    @notice Ticks, signed, up to `_time`.
    """
    # Proof: the field's sign bit (107) goes to bit 255, the arithmetic shift extends it.
    return convert(convert(hot << 148, bytes32), int256) >> 204


@internal
@pure
def _time(hot: uint256) -> uint256:
    """
    @notice Second in which the price was fixed.
    """
    return (hot >> 108) & MASK_32


@internal
@pure
def _delay(hot: uint256) -> uint256:
    """
    @notice Age of the oldest datum when the price was fixed, s.
    """
    return (hot >> 140) & MASK_17


@internal
@pure
def _low(hot: uint256) -> uint256:
    """
    @notice 1e-4 of price.
    """
    return (hot >> 174) & MASK_12


@internal
@pure
def _high(hot: uint256) -> uint256:
    """
    @notice 1e-4 of price.
    """
    return (hot >> 186) & MASK_12


@internal
@pure
def _premium(hot: uint256) -> int256:
    """
    @notice 1e-6 of price, signed.
    """
    # Proof: the field's sign bit (218) goes to bit 255, the arithmetic shift extends it.
    return convert(convert(hot << 37, bytes32), int256) >> 238


@internal
@pure
def _variance(hot: uint256) -> uint256:
    """
    @notice 1e-12, annualised.
    """
    return (hot >> 224) << ((hot >> 219) & 31)


@internal
@pure
def _halted(hot: uint256) -> uint256:
    """
    @notice The same word in state HALTED.
    """
    return hot | STATE_MASK


@internal
@pure
def _pack_rest(funding: int256, time: uint256, premium: int256, variance: uint256) -> uint256:
    """
    @notice The hot word's fields funding, time, premium and variance at their places; the caller
            adds the others. Newer flag clear.
    @param funding Ticks, |funding| <= FUNDING_LIMIT.
    @param time Seconds, < 2**32.
    @param premium 1e-6, |premium| < 2**17.
    @param variance 1e-12, annualised; stored rounded down to 32 significant bits.
    """
    return (
        ((convert(convert(funding, bytes32), uint256) & MASK_52) << 56)
        | (time << 108)
        | ((convert(convert(premium, bytes32), uint256) & MASK_18) << 201)
        | (self._to_float_floor(variance) << 219)
    )


@internal
@pure
def _to_float_floor(x: uint256) -> uint256:
    """
    @notice x rounded down to 32 significant bits, as shift | mantissa << 5.
    @param x Below 2**63; larger saturates.
    """
    if x >= 2**63:
        return 2**37 - 1
    bits: uint256 = 0
    head: uint256 = x >> 32
    # Proof: head < 2**31, so the five steps add up to its bit length, at most 31.
    if head >= 2**16:
        bits = 16
    if (head >> bits) >= 2**8:
        bits = unsafe_add(bits, 8)
    if (head >> bits) >= 2**4:
        bits = unsafe_add(bits, 4)
    if (head >> bits) >= 2**2:
        bits = unsafe_add(bits, 2)
    if (head >> bits) >= 2:
        bits = unsafe_add(bits, 1)
    if (head >> bits) >= 1:
        bits = unsafe_add(bits, 1)
    return bits | ((x >> bits) << 5)


@internal
@pure
def _accrued(hot: uint256, now: uint256) -> int256:
    """
    @notice The funding index brought to `now`: no accrual past the ttl, each step rounded to zero,
            saturating at FUNDING_LIMIT.
    @param hot The word in force since its `_time`.
    @param now Seconds, >= `_time`.
    @return Ticks, signed.
    """
    # Proof: as in _funding and _premium, in place.
    funding: int256 = convert(convert(hot << 148, bytes32), int256) >> 204
    if hot & PREMIUM_MASK == 0:
        return funding
    premium: int256 = convert(convert(hot << 37, bytes32), int256) >> 238
    # Proof: time <= now because it was a past block's timestamp. price < 2**56, |premium| < 2**17,
    # elapsed <= ttl < 2**17, so the product is < 2**90 and the sum with |funding| < 2**51 fits.
    elapsed: uint256 = min(
        unsafe_sub(now, (hot >> 108) & MASK_32), (hot >> 157) & MASK_17
    )
    step: int256 = unsafe_mul(convert(unsafe_mul(hot & MASK_56, elapsed), int256), premium)
    funding = unsafe_add(funding, unsafe_div(step, FUNDING_SCALE))
    return max(min(funding, FUNDING_LIMIT), -FUNDING_LIMIT)


@internal
@pure
def _state_at(hot: uint256, now: uint256) -> uint256:
    """
    @notice The state at `now`: HALTED stays, else STALE past the ttl, else as stored.
    @param hot The word in force.
    @param now Seconds, >= `_time`.
    """
    state: uint256 = (hot >> 198) & 3
    # Proof: time <= now, see _accrued.
    elapsed: uint256 = unsafe_sub(now, (hot >> 108) & MASK_32)
    if elapsed > (hot >> 157) & MASK_17 and state != quote_word.HALTED:
        return quote_word.STALE
    return state


@internal
@pure
def _quote(hot: uint256, now: uint256) -> uint256:
    """
    @notice The quote word (modules/quote_word.vy) at `now`. Written out in one piece, because it is
            the reader's whole cost; it is _accrued, _state_at and quote_word._pack together.
    @param hot The word in force.
    @param now Seconds, >= `_time`.
    """
    price: uint256 = hot & MASK_56
    ttl: uint256 = (hot >> 157) & MASK_17
    # Proof: now >= time, see _accrued.
    elapsed: uint256 = unsafe_sub(now, (hot >> 108) & MASK_32)
    # Proof: as in _funding; the mask below keeps 56 of the extended sign's bits.
    funding: int256 = convert(convert(hot << 148, bytes32), int256) >> 204
    mark: uint256 = price
    if hot & PREMIUM_MASK != 0:
        # Proof: premium > -2**17 > -PREMIUM_SCALE, so the factor is positive and < 2**21; price is
        # < 2**55 (the terms' bound), so mark <= price * 1.131072 < 2**56. For the funding's step
        # and sum see _accrued.
        premium: int256 = convert(convert(hot << 37, bytes32), int256) >> 238
        factor: uint256 = convert(unsafe_add(PREMIUM_SCALE, premium), uint256)
        mark = unsafe_div(unsafe_mul(price, factor), 1_000_000)
        held: int256 = convert(unsafe_mul(price, min(elapsed, ttl)), int256)
        funding = unsafe_add(funding, unsafe_div(unsafe_mul(held, premium), FUNDING_SCALE))
        funding = max(min(funding, FUNDING_LIMIT), -FUNDING_LIMIT)
    state: uint256 = (hot >> 198) & 3
    if elapsed > ttl and state != quote_word.HALTED:
        state = quote_word.STALE
    # Proof: elapsed < 2**32 and delay < 2**17; offsets are < 2**12, so times ten they fit 16 bits.
    return (
        mark
        | ((convert(convert(funding, bytes32), uint256) & MASK_56) << 56)
        | (min(unsafe_add(elapsed, (hot >> 140) & MASK_17), 65_535) << 112)
        | (unsafe_mul((hot >> 174) & MASK_12, 10) << 128)
        | (unsafe_mul((hot >> 186) & MASK_12, 10) << 144)
        | (state << 160)
        | (((hot >> 224) << ((hot >> 219) & 31)) << 168)
    )


@internal
@pure
def _datum(price: uint256, time: uint256, round: uint256, premium: int256) -> uint256:
    """
    @notice The datum word of these fields; callers have checked that they fit.
    @param price Ticks.
    @param time Seconds.
    @param round Round id or sequence.
    @param premium 1e-6.
    """
    bits: uint256 = convert(convert(premium, bytes32), uint256) & MASK_18
    return price | (time << 56) | (round << 88) | (bits << 168)


@internal
@pure
def _datum_time(datum: uint256) -> uint256:
    """
    @notice Time of observation, s.
    """
    return (datum >> 56) & MASK_32


@internal
@pure
def _datum_round(datum: uint256) -> uint256:
    """
    @notice Round id or sequence.
    """
    return (datum >> 88) & MASK_80


@internal
@pure
def _datum_premium(datum: uint256) -> int256:
    """
    @notice 1e-6 of price, signed.
    """
    # Proof: the field's sign bit (185) goes to bit 255, the arithmetic shift extends it.
    return convert(convert(datum << 70, bytes32), int256) >> 238
