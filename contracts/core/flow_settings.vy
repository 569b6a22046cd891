# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title flow_settings
@license AGPL-3.0-only
@notice What governance sets of the sale limiter, and what brings a market's limit in line with its depth. Trusts the
        risk model for depth and mark.
"""
from contracts.core import engine_state
from contracts.core import health
from contracts.core import sale_limiter
from contracts.interfaces import IMarginEngine
from contracts.interfaces import IRiskModel
from contracts.modules import errors
from contracts.modules import quote_word
from snekmate.auth import ownable

uses: ownable
uses: engine_state
uses: health
uses: sale_limiter


struct FlowTerms:
    share: uint256  # 1e-2 of a market's depth that may be sold in a window
    window: uint256  # seconds, 60 .. 65535; 0: nothing is limited
    reserve: uint256  # 1/256 of each limit kept for the claimant, at most 192
    sum: uint256  # whole USD that may be sold in a window in all markets; 0: no such limit


MAX_RESERVE: constant(uint256) = 192  # of 256: a quarter of the flow is always anybody's
MIN_WINDOW: constant(uint256) = 60
STATE: constant(uint256) = 2**184 - 1  # the claim and what is used of the sum


@external
def set_flow(terms: FlowTerms):
    """
    @notice Sets what may be sold per time. Owner only. A changed share is in force in a market from its next
            `refresh_flow` on; what is used up stays so, as a share,
            but where the window gets shorter than it: then all of it is back.
    @param terms Units in FlowTerms. BadParameter: share 1 .. 4095, sum below 2^36, window and reserve as there.
    """
    ownable._check_owner()
    errors._require(
        terms.share != 0
        and terms.share < 4096
        and terms.window <= sale_limiter.M16
        and (terms.window == 0 or terms.window >= MIN_WINDOW)
        and terms.reserve <= MAX_RESERVE
        and terms.sum <= sale_limiter.M36,
        errors.BAD_PARAMETER,
    )
    old: uint256 = sale_limiter.claims
    sale_limiter.claims = (
        (old & STATE)
        | (terms.sum << 184)
        | (terms.window << 220)
        | (terms.reserve << 236)
        | (terms.share << 244)
    )
    log IMarginEngine.FlowSet(old=old, new=sale_limiter.claims)


@external
def refresh_flow(market: uint256):
    """
    @notice Brings a market's limit in line with its depth, its price with the mark. Anyone may call.
    @param market Market id.
    @dev Errors: UnknownMarket, BadParameter where `set_flow` never was called, StalePrice.
    """
    errors._require(market < engine_state.market_count, errors.UNKNOWN_MARKET)
    share: uint256 = sale_limiter.claims >> 244
    errors._require(share != 0, errors.BAD_PARAMETER)
    q: uint256 = staticcall IRiskModel(health._risk()).peek(market)
    errors._require(quote_word._state(q) <= health.DEGRADED, errors.STALE_PRICE)
    limit: uint256 = staticcall IRiskModel(health._risk()).depth(market) * share // 100
    i: uint256 = (market & 3) << 6
    word: uint256 = sale_limiter.lanes[market >> 2]
    # What is used stays so, as a share of the limit, whichever it is.
    lane: uint256 = (
        ((word >> i) & sale_limiter.M32)
        | (self._float_down(limit) << 32)
        | (self._float_down(quote_word._mark(q)) << 48)
    )
    sale_limiter.lanes[market >> 2] = (word & ~(sale_limiter.M64 << i)) | (lane << i)
    log IMarginEngine.FlowRefreshed(market=market, limit=limit, price=quote_word._mark(q))


@internal
@pure
def _float_down(x: uint256) -> uint256:
    """
    @notice Largest float at or below `x`.
    @return Mantissa | exponent << 10.
    """
    mantissa: uint256 = x
    exponent: uint256 = 0
    for i: uint256 in range(63):
        if mantissa <= sale_limiter.M10:
            break
        mantissa >>= 1
        exponent += 1
    errors._require(mantissa <= sale_limiter.M10, errors.OUT_OF_RANGE)
    return mantissa | (exponent << 10)
