# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title flow_settings
@license AGPL-3.0-only
@notice What governance sets of the sale limiter, what brings a market's limit in line with its depth, and what
        anybody reads of it. Trusts the risk model for depth and mark.
"""
from contracts.core import accounts
from contracts.core import engine_state
from contracts.core import health
from contracts.core import ledger
from contracts.core import sale_limiter
from contracts.interfaces import IMarginEngine
from contracts.interfaces import IRiskModel
from contracts.modules import errors
from contracts.modules import quote_word
from contracts.modules import rounding
from snekmate.auth import ownable

uses: ownable
uses: accounts
uses: engine_state
uses: health
uses: ledger
uses: sale_limiter


struct FlowTerms:
    share: uint256  # 1e-2 of a market's depth that may be sold in a window
    window: uint256  # seconds, 60 .. 65535; 0: nothing is limited
    reserve: uint256  # 1/256 of each limit kept for the claimant, at most 192
    sum: uint256  # whole USD that may be sold in a window in all markets; 0: no such limit


struct Flow:
    limit: uint256  # lots that may be sold in a window; 0: no limit
    used: uint256  # lots used of it, rounded up
    price: uint256  # ticks, the mark at the last refresh


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


@external
@view
@reentrant  # reads words, of no use to a re-entrant caller
def flow_of(market: uint256) -> Flow:
    """
    @notice What of a market may be sold in a window, and what is used of it now.
    @param market Market id.
    @return Units in Flow.
    """
    word: uint256 = sale_limiter.lanes[market >> 2]
    lane: uint256 = (word >> ((market & 3) << 6)) & sale_limiter.M64
    limit: uint256 = sale_limiter._wide((lane >> 32) & sale_limiter.M16)
    span: uint256 = sale_limiter._span(sale_limiter.claims)
    if span == 0:
        return empty(Flow)
    return Flow(
        limit=limit,
        used=rounding._div_up(limit * sale_limiter._used(lane, span), span),
        price=sale_limiter._wide(lane >> 48),
    )


@external
@view
@reentrant  # reads words, of no use to a re-entrant caller
def flow_wait(account: uint256, fraction: uint256) -> uint256:
    """
    @notice How long until a fraction of an account may be sold in one slice, where nobody else sells; more than a
            limit holds is waited for until all of it is free.
    @param account Account id.
    @param fraction 1e18.
    @return Seconds, rounded up.
    """
    claims: uint256 = sale_limiter.claims
    if not sale_limiter._on(claims):
        return 0
    span: uint256 = sale_limiter._span(claims)
    limit: uint256 = sale_limiter._limit(account, claims)
    longest: uint256 = 0
    worth: uint256 = 0
    held: uint256 = accounts.held[account]
    for m: uint256 in range(256):
        lane: uint256 = (sale_limiter.lanes[m >> 2] >> ((m & 3) << 6)) & sale_limiter.M64
        if (held >> m) & 1 == 0 or lane >> 32 == 0:
            continue
        lots: int256 = 0
        g: int256 = 0
        spill: int256 = 0
        lots, g, spill = ledger._load(account, m, ledger.hot[m], 0)
        size: uint256 = convert(abs(lots), uint256) * fraction // sale_limiter.ONE
        worth += size * sale_limiter._wide(lane >> 48)
        need: uint256 = rounding._div_up(
            size * span, sale_limiter._wide((lane >> 32) & sale_limiter.M16)
        )
        longest = max(longest, self._until(need, sale_limiter._used(lane, span), limit))
    sum: uint256 = ((claims >> 184) & sale_limiter.M36) * sale_limiter.USD
    if sum != 0:
        need: uint256 = rounding._div_up(worth * span, sum)
        longest = max(
            longest, self._until(need, sale_limiter._used(claims >> 136, span), limit)
        )
    return longest


@internal
@pure
def _until(need: uint256, used: uint256, limit: uint256) -> uint256:
    """
    @notice Seconds until a part of a limit is free, rounded up; all of it where more is needed.
    @param need, used, limit 1/16 s of a window.
    """
    taken: uint256 = used + min(need, limit)
    if taken <= limit:
        return 0
    return rounding._div_up(taken - limit, sale_limiter.TICK)


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
