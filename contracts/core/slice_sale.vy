# pragma version 0.4.3
"""
@title slice_sale
@license AGPL-3.0-only
@notice A pro-rata slice of a frozen account sold to a bidder: legs, cash, fresh profit, collateral; what
        moves and what stays add up to the unit.
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
from contracts.core import withdrawal_escrow
from contracts.interfaces import ICollateralVault
from contracts.interfaces import IMarginEngine
from contracts.interfaces import ISliceTaker
from contracts.modules import errors
from contracts.modules import rounding

uses: accounts
uses: cash
uses: cash_interest
uses: health
uses: keeper_pay
uses: ledger
uses: residuals
uses: sale
uses: sale_limiter
uses: withdrawal_escrow

ONE: constant(uint256) = 10**18  # a whole account
# quote units on top of a price: two floors of cash and one of the slice
SLACK: constant(uint256) = 3


@internal
def _slice_leg(
    account: uint256,
    bidder: uint256,
    market: uint256,
    fraction: uint256,
    ha: int256,
    hb: int256,
    w: uint256,
    span: uint256,
) -> (int256, int256, int256, uint256):
    """
    @notice Moves one leg's slice: lots rounded up, g in proportion to the lots.
    @param span The sale limiter's window, 0 where it is off.
    @return Heads of account and bidder; value moved at mark; worth of the lots for the limiter's sum.
    """
    hot: int256 = ledger.hot[market]
    basis: int256 = 0
    mark: uint256 = 0
    basis, mark = sale._quote(market, hot)
    lots: int256 = 0
    g: int256 = 0
    spill: int256 = 0
    lots, g, spill = residuals._touch(account, market, hot, basis)
    sold: int256 = 0
    gm: int256 = 0
    worth: uint256 = 0
    if lots != 0:
        # Proof: lots < 2^56 and the fraction < 2^60.
        n: uint256 = rounding._div_up(unsafe_mul(convert(abs(lots), uint256), fraction), ONE)
        sold, gm = ledger._part(lots, g, convert(n, int256))
        if span != 0:
            worth = sale_limiter._consume(market, n, span)
    a: int256 = ha
    if lots == sold:
        a = accounts._set_held(account, ha, market, True, False)
    if spill != 0:
        a = cash._credit(accounts._with_fresh(a, spill, health._period()), w, spill)
    # Proof: sold and gm are parts of lots and g.
    ledger._store(account, market, unsafe_sub(lots, sold), unsafe_sub(g, gm), hot)
    dg: int256 = unsafe_sub(0, unsafe_add(gm, spill))
    b: int256 = hb
    if sold != 0:
        change: int256 = 0
        b, change = sale._receive(bidder, b, market, sold, gm, hot, basis, w)
        dg += change
    if dg != 0:
        ledger._book(market, dg)
    x: int256 = ledger._x_long(hot)
    if sold < 0:
        x = ledger._x_short(hot)
    # Proof: sold < 2^56, basis and x < 2^57, |g| < 2^126.
    return a, b, unsafe_add(unsafe_mul(sold, unsafe_sub(basis, x)), gm), worth


@internal
def _slice(
    account: uint256, bidder: uint256, t: IMarginEngine.SliceTerms
) -> IMarginEngine.SliceResult:
    """
    @notice Sells a pro-rata slice of a frozen account to a bidder and checks the bidder.
    @param account Account id, frozen.
    @param bidder Account id that pays and receives.
    @param t Terms, computed by the auction on this call's standing.
    """
    w: uint256 = cash_interest._accrue()
    ha: int256 = accounts.head[account]
    hb: int256 = accounts.head[bidder]
    errors._require(ha & accounts.FROZEN_BIT != 0, errors.NOT_FROZEN)
    errors._require((hb & accounts.FROZEN_BIT != 0) == t.locked, errors.FROZEN)
    errors._require(account != bidder, errors.SELF_TRADE)
    errors._require(t.fraction != 0 and t.fraction <= ONE, errors.BAD_FRACTION)
    moved: int256 = 0
    worth: uint256 = 0
    claims: uint256 = sale_limiter.claims
    span: uint256 = sale_limiter._span(claims)
    bits: uint256 = accounts.held[account]
    for _: uint256 in range(72):
        if bits == 0:
            break
        value: int256 = 0
        each: uint256 = 0
        m: uint256 = health._lowest(bits)
        bits &= unsafe_sub(bits, 1)  # bits != 0
        ha, hb, value, each = self._slice_leg(account, bidder, m, t.fraction, ha, hb, w, span)
        moved += value
        worth = unsafe_add(worth, each)  # 72 of them, each below 2^56 by 2^73
    # Cash rounds down: a debt's slice is rounded against the bidder's pay, a balance's for the account.
    # Proof: |cash| < 2^100, fresh profit < 2^80 and the fraction is at most 10^18 < 2^60.
    f: int256 = convert(t.fraction, int256)
    c: int256 = rounding._div_floor(unsafe_mul(cash._value(ha, w), f), 10**18)
    ha = cash._credit(ha, w, -c)
    hb = cash._credit(hb, w, c)
    moved += c
    # Fresh profit stays fresh with whoever takes it.
    period: uint256 = health._period()
    fresh: int256 = unsafe_div(unsafe_mul(accounts._fresh(ha, period), f), 10**18)  # rounded down
    ha = accounts._with_fresh(ha, unsafe_sub(0, fresh), period)
    hb = accounts._with_fresh(hb, fresh, period)
    if accounts._collateral(ha) != 0:
        before: uint256 = 0
        after: uint256 = 0
        cut: uint256 = 0
        before, cut = sale._collateral_value(account, ha)
        left: uint256 = 0
        got: uint256 = 0
        left, got = extcall ICollateralVault(health.VAULT).move_share(account, bidder, t.fraction)
        ha = accounts._with_collateral(ha, left)
        hb = accounts._with_collateral(hb, got)
        after, cut = sale._collateral_value(account, ha)
        moved += convert(before, int256) - convert(after, int256)
    r: IMarginEngine.SliceResult = IMarginEngine.SliceResult(
        moved=moved, paid=0, fee=0, from_fund=0, executed=0, started=0
    )
    if t.insolvent:
        r.from_fund = convert(max(-moved, 0), uint256) + t.bonus
        errors._require(r.from_fund <= min(t.fund_limit, cash._fund()), errors.FUND_EMPTY)
        cash._set_fund(cash._fund() - r.from_fund)
        hb = cash._credit(hb, w, convert(r.from_fund, int256))
        # Lots round up: a slice thinner than a lot can be worth something though the account is not.
        r.paid = convert(max(moved, 0), uint256)
    else:
        # For the same reason a slice for nothing costs what it is worth beyond the discount.
        r.paid = convert(max(moved - convert(t.discount, int256), 0), uint256)
        if not t.free:
            r.paid += SLACK
    kept: uint256 = 0
    if r.paid != 0:
        r.fee = min(t.fee, r.paid)
        hb = cash._credit(hb, w, -convert(r.paid, int256))
        ha = cash._credit(ha, w, convert(r.paid - r.fee, int256))
        kept = r.fee * t.keeper_share // 10000  # rounded down: the rest is the fund's
        cash._set_keeper(cash._keeper() + kept)
        cash._to_fund(r.fee - kept)
    accounts.head[account] = ha
    accounts.head[bidder] = hb
    if t.callback != empty(address):
        hb = self._call_back(account, bidder, t, r, w)
    errors._require(
        accounts._mode(hb) != accounts.ISOLATED or accounts._perps(hb) < 2, errors.WRONG_MODE
    )
    sale._require_bidder(bidder, hb, w)
    # Whoever sells to himself pays more than he earns: the pay is bounded by the keepers' part of his fee.
    ceiling: uint256 = max_value(uint256)
    if not (t.insolvent or t.free):
        ceiling = kept
    r.executed, r.started = keeper_pay._pay(t.pay, ceiling, w)
    counted: uint256 = sale_limiter._consumed(worth, claims)
    if t.thaw:
        counted = sale_limiter._waived(account, counted)
        accounts.head[account] ^= accounts.FROZEN_BIT  # set: checked above
        if t.noted:
            withdrawal_escrow._note(account, 0)
        log IMarginEngine.FrozenSet(account=account, frozen=False)
    if counted != claims:
        sale_limiter.claims = counted
    cash_interest._reprice()
    log IMarginEngine.Sliced(
        account=account,
        bidder=bidder,
        fraction=t.fraction,
        moved=moved,
        paid=r.paid,
        from_fund=r.from_fund,
    )
    return r


@internal
def _call_back(
    account: uint256,
    bidder: uint256,
    t: IMarginEngine.SliceTerms,
    r: IMarginEngine.SliceResult,
    w: uint256,
) -> int256:
    """
    @notice Lets the bidder's contract act between the slice and its check, and takes what it brings.
    @dev Everything but the rate is stored before, so that views are true in between. The engine's lock is
         held: nothing that touches an account, the fund's or the keepers' money can be called, through
         whatever contract, since all of it ends here. What stays open writes only what anybody could
         have written in the transaction before: a price poked here is in force for the check only.
    @return The bidder's head.
    """
    amount: uint256 = extcall ISliceTaker(t.callback).on_slice(
        account, bidder, t.fraction, r.moved, r.paid, r.from_fund
    )
    h: int256 = accounts.head[bidder]
    if amount == 0:
        return h
    extcall ICollateralVault(health.VAULT).pull_quote(t.callback, amount)
    cash._move_vault(convert(amount, int256))
    h = cash._credit(h, w, convert(amount * cash.TOK, int256))
    accounts.head[bidder] = h
    log IMarginEngine.Deposited(account=bidder, payer=t.callback, amount=amount)
    return h
