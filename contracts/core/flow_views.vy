# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title flow_views
@license AGPL-3.0-only
@notice What the sale limiter lets be sold, and how long until it lets more.
"""
from contracts.core import accounts
from contracts.core import ledger
from contracts.core import sale_limiter
from contracts.modules import rounding

uses: accounts
uses: ledger
uses: sale_limiter


struct Flow:
    limit: uint256  # lots that may be sold in a window; 0: no limit
    used: uint256  # lots used of it, rounded up
    price: uint256  # ticks, the mark at the last refresh


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
        longest = max(longest, self._until(need, sale_limiter._used(claims >> 136, span), limit))
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
