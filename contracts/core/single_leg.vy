# pragma version 0.4.3
"""
@title single_leg
@license AGPL-3.0-only
@notice Lots of one leg of a frozen account sold to a bidder at mark: what they have earned becomes the
        account's cash, the bidder holds them from the mark on. For taking risk off the account the bidder gets
        a premium out of the account's cash, measured in the requirement R that the sale removes.
@dev Trusts the auction for the terms and for what it makes of the result; the risk model for R, asked on
     what is stored after the sale.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import health
from contracts.core import keeper_pay
from contracts.core import ledger
from contracts.core import residuals
from contracts.core import sale
from contracts.core import sale_limiter
from contracts.interfaces import IMarginEngine
from contracts.interfaces import IRiskModel
from contracts.modules import errors
from contracts.modules import quote_word

uses: accounts
uses: cash
uses: cash_interest
uses: health
uses: keeper_pay
uses: ledger
uses: residuals
uses: sale
uses: sale_limiter

NANO: constant(uint256) = 10**9


@internal
@pure
def _live(word: uint256) -> bool:
    """
    @notice Whether a single leg may be priced by a quote word: OK or DEGRADED, and not just back from a gap.
            A slice takes such a leg with all the rest; picked alone it would be the price that is picked.
    """
    return quote_word._state(word) <= health.DEGRADED and word & quote_word.RECOVERING_FLAG == 0


@internal
@pure
def _gap(hot: int256, lots: int256, basis: int256) -> int256:
    """
    @notice Mark minus the index of the lots' side, ticks.
    """
    x: int256 = ledger._x_long(hot)
    if lots < 0:
        x = ledger._x_short(hot)
    return basis - x


@internal
@view
def _room(account: uint256, market: uint256, lots: uint256, claims: uint256) -> uint256:
    """
    @notice How many of so many lots of a leg the sale limiter lets be sold now, rounded down.
    @param lots Lots, not 0.
    @param claims Its word.
    """
    span: uint256 = sale_limiter._span(claims)
    lane: uint256 = (sale_limiter.lanes[market >> 2] >> ((market & 3) << 6)) & sale_limiter.M64
    if span == 0 or lane >> 32 == 0:
        return lots
    limit: uint256 = sale_limiter._limit(account, claims)
    room: uint256 = min(
        sale_limiter._room(lane, lots, span, sale_limiter._free(lane, span, limit)),
        sale_limiter._room_of_sum(
            lots * sale_limiter._wide(lane >> 48),
            claims,
            span,
            sale_limiter._free(claims >> 136, span, limit),
        ),
    )
    return lots * room // sale_limiter.ONE


@internal
def _sell_leg(
    account: uint256, bidder: uint256, t: IMarginEngine.LegTerms
) -> IMarginEngine.LegResult:
    """
    @notice Sells lots of a leg of a frozen account to a bidder and checks the bidder.
    @param account Account id, frozen.
    @param bidder Account id that receives the lots and the premium; not frozen.
    @param t Terms, computed by the auction on this call's standing.
    """
    w: uint256 = cash_interest._accrue()
    ha: int256 = accounts.head[account]
    errors._require(ha & accounts.FROZEN_BIT != 0, errors.NOT_FROZEN)
    errors._require(accounts.head[bidder] & accounts.FROZEN_BIT == 0, errors.FROZEN)
    errors._require(account != bidder, errors.SELF_TRADE)
    # A shift by 256 or more leaves 0.
    errors._require((accounts.held[account] >> t.market) & 1 != 0, errors.BAD_FRACTION)
    hot: int256 = ledger.hot[t.market]
    word: uint256 = extcall IRiskModel(health._risk()).quote(t.market, ledger._root(hot))
    errors._require(self._live(word), errors.STALE_PRICE)
    basis: int256 = convert(quote_word._mark(word), int256) - quote_word._funding(word)
    lots: int256 = 0
    g: int256 = 0
    spill: int256 = 0
    lots, g, spill = residuals._touch(account, t.market, hot, basis)
    # No lots, no sale: what a leg without a whole lot is worth goes with a slice.
    errors._require(t.lots != 0 and t.lots <= convert(abs(lots), uint256), errors.BAD_FRACTION)
    claims: uint256 = sale_limiter.claims
    span: uint256 = sale_limiter._span(claims)
    if span != 0:
        errors._require(t.lots <= self._room(account, t.market, t.lots, claims), errors.THROTTLED)
        counted: uint256 = sale_limiter._consumed(
            sale_limiter._consume(t.market, t.lots, span), claims
        )
        if counted != claims:
            sale_limiter.claims = counted
    sold: int256 = 0
    gm: int256 = 0
    sold, gm = ledger._part(lots, g, convert(t.lots, int256))
    gap: int256 = self._gap(hot, sold, basis)
    # g of the part is rounded down; what that leaves stays in what stays.
    value: int256 = sold * gap + gm
    lots -= sold
    ha = accounts._set_held(account, ha, t.market, True, lots != 0)
    ledger._store(account, t.market, lots, g - gm, hot)
    period: uint256 = health._period()
    ha = cash._credit(accounts._with_fresh(ha, value, period), w, value)
    # The bidder's are worth nothing at mark.
    hb: int256 = accounts.head[bidder]
    dg: int256 = 0
    hb, dg = sale._receive(bidder, hb, t.market, sold, gm - value, hot, basis, w)
    ledger._book(t.market, dg - gm)

    a: IRiskModel.Assessment = health._assess(account, ha, health.NO_MARKET, 0, 0)
    requirement: uint256 = a.linear + a.superlinear
    errors._require(requirement < t.requirement, errors.LEG_REFUSED)
    # Both rounded down: R is measured, not sized, so many small sales take no more than one large.
    paid: uint256 = (t.requirement - requirement) * t.premium // NANO
    fee: uint256 = (t.requirement - requirement) * t.fee // NANO
    # Fresh profit is what leaves first: a premium must not be a way to withdraw it.
    fresh: int256 = min(accounts._fresh(ha, period), convert(paid, int256))
    ha = accounts._with_fresh(ha, -fresh, period)
    hb = accounts._with_fresh(hb, fresh, period)
    ha = cash._credit(ha, w, -convert(paid + fee, int256))
    hb = cash._credit(hb, w, convert(paid, int256))
    kept: uint256 = fee * t.keeper_share // 10000  # rounded down: the rest is the fund's
    cash._set_keeper(cash._keeper() + kept)
    cash._to_fund(fee - kept)
    accounts.head[account] = ha
    accounts.head[bidder] = hb
    errors._require(
        accounts._mode(hb) != accounts.ISOLATED or accounts._perps(hb) < 2, errors.WRONG_MODE
    )
    sale._require_bidder(bidder, hb, w)
    executed: uint256 = 0
    started: uint256 = 0
    if t.requirement - requirement >= t.least:
        pay: IMarginEngine.KeeperPay = t.pay
        pay.executor_due += (t.requirement - requirement) * t.executor_share // NANO
        pay.starter_due += (t.requirement - requirement) * t.starter_share // NANO
        executed, started = keeper_pay._pay(pay, kept, w)
    cash_interest._reprice()
    log IMarginEngine.LegSold(
        account=account,
        bidder=bidder,
        market=t.market,
        lots=sold,
        price=quote_word._mark(word),
        value=value,
        paid=paid,
    )
    return IMarginEngine.LegResult(
        left=convert(abs(lots), uint256),
        paid=paid,
        fee=fee,
        equity=cash._value(ha, w) + a.unrealised + convert(a.collateral, int256),
        requirement=requirement,
        stale_requirement=a.stale_requirement,
        stale_value=a.stale_value,
        executed=executed,
        started=started,
        room=0,
    )


@internal
@view
def _leg_after(account: uint256, market: uint256, sold: uint256) -> IMarginEngine.LegResult:
    """
    @notice What `_sell_leg` of so many lots would leave, before premium and fee: R to the unit, E but for two
            floors of cash.
    @param sold Lots, at most the leg's; 0 tells how many there are.
    """
    w: uint256 = 0
    interest: uint256 = 0
    kept: uint256 = 0
    w, interest, kept = cash_interest._grown()
    r: IMarginEngine.LegResult = empty(IMarginEngine.LegResult)
    if (accounts.held[account] >> market) & 1 == 0:
        return r
    hot: int256 = ledger.hot[market]
    word: uint256 = staticcall IRiskModel(health._risk()).peek(market)
    basis: int256 = convert(quote_word._mark(word), int256) - quote_word._funding(word)
    lots: int256 = 0
    g: int256 = 0
    spill: int256 = 0
    lots, g, spill = ledger._load(account, market, hot, basis)
    if sold > convert(abs(lots), uint256) or lots == 0 or not self._live(word):
        return r
    part: int256 = 0
    gm: int256 = 0
    part, gm = ledger._part(lots, g, convert(sold, int256))
    head: int256 = accounts.head[account]
    a: IRiskModel.Assessment = health._assess(account, head, market, lots - part, g - gm)
    r.left = convert(abs(lots - part), uint256)
    r.room = self._room(account, market, convert(abs(lots), uint256), sale_limiter.claims)
    r.equity = (
        cash._value(head, w)
        + part * self._gap(hot, lots, basis)
        + gm
        + a.unrealised
        + convert(a.collateral, int256)
    )
    r.requirement = a.linear + a.superlinear
    r.stale_requirement = a.stale_requirement
    r.stale_value = a.stale_value
    return r
