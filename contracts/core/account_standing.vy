# pragma version 0.4.3
"""
@title account_standing
@license AGPL-3.0-only
@notice An account's equity and the two parts of its requirement, as the auction prices and sizes by.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import health
from contracts.core import ledger
from contracts.core import sale_limiter
from contracts.interfaces import IMarginEngine
from contracts.interfaces import IRiskModel

uses: accounts
uses: cash
uses: health
uses: ledger
uses: sale_limiter


@internal
@view
def _standing(account: uint256, head: int256, w: uint256) -> IMarginEngine.Standing:
    """
    @notice An account's equity and the two parts of its requirement.
    @param account Account id.
    @param head Its head.
    @param w Indices word, brought to now.
    """
    a: IRiskModel.Assessment = health._assess(account, head, health.NO_MARKET, 0, 0)
    smallest: uint256 = 0
    room: uint256 = 0
    pace: uint256 = 0
    smallest, room, pace = self._legs(account)
    perps: uint256 = 0
    if smallest != 0:  # no market counts whose last lots deleveraging took
        perps = accounts._perps(head)
    return IMarginEngine.Standing(
        equity=cash._value(head, w) + a.unrealised + convert(a.collateral, int256),
        linear=a.linear,
        superlinear=a.superlinear,
        stale_requirement=a.stale_requirement,
        stale_value=a.stale_value,
        collateral=a.collateral,
        perps=perps,
        smallest=smallest,
        state=a.state,
        room=room,
        pace=pace,
    )


@internal
@view
def _legs(account: uint256) -> (uint256, uint256, uint256):
    """
    @notice Lots of an account's smallest leg as a touch now leaves it, 0 without legs; the largest fraction of the
            account that may be sold now, 1e18; and the pace of its price, 1e18: the square of the part of its tightest
            limit that is free, or of that fraction where it is more. What comes back of a limit comes back evenly, so
            over the time it took a square is nearer to the mean than the part itself.
    """
    least: uint256 = 0
    room: uint256 = sale_limiter.ONE
    worth: uint256 = 0
    claims: uint256 = sale_limiter.claims
    span: uint256 = sale_limiter._span(claims)
    limit: uint256 = 0
    if span != 0:
        limit = sale_limiter._limit(account, claims)
    free: uint256 = limit
    bits: uint256 = accounts.held[account]
    for _: uint256 in range(72):
        if bits == 0:
            break
        m: uint256 = health._lowest(bits)
        bits &= unsafe_sub(bits, 1)  # bits != 0
        lots: int256 = 0
        g: int256 = 0
        spill: int256 = 0
        lots, g, spill = ledger._load(account, m, ledger.hot[m], 0)  # no price enters the lots
        if lots == 0:
            continue
        size: uint256 = convert(abs(lots), uint256)
        if least == 0 or size < least:
            least = size
        if span != 0:
            lane: uint256 = (sale_limiter.lanes[m >> 2] >> ((m & 3) << 6)) & sale_limiter.M64
            if lane >> 32 != 0:
                left: uint256 = sale_limiter._free(lane, span, limit)
                free = min(free, left)
                room = min(room, sale_limiter._room(lane, size, span, left))
                # Proof: 72 of them, each below 2^56 by 2^73.
                worth = unsafe_add(worth, unsafe_mul(size, sale_limiter._wide(lane >> 48)))
    if span == 0:
        return least, room, room
    left: uint256 = sale_limiter._free(claims >> 136, span, limit)
    of_sum: uint256 = sale_limiter._room_of_sum(worth, claims, span, left)
    if of_sum != sale_limiter.ONE:
        free = min(free, left)
        room = min(room, of_sum)
    if room == sale_limiter.ONE:
        return least, room, room
    # Proof: free <= limit, and a limit is a quarter of a span of 960 or more; both parts are at most ONE.
    part: uint256 = max(room, unsafe_div(unsafe_mul(free, sale_limiter.ONE), limit))
    return least, room, unsafe_div(unsafe_mul(part, part), sale_limiter.ONE)
