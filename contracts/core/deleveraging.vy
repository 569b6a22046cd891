# pragma version 0.4.3
"""
@title deleveraging
@license AGPL-3.0-only
@notice The deleveraging of what nobody took: legs closed at mark against the whole opposite sides, and the
        loss's way down: fund, capped charge on the opposite side, socialised cash up to a share, uncapped
        charge.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import engine_state
from contracts.core import health
from contracts.core import keeper_pay
from contracts.core import ledger
from contracts.core import residuals
from contracts.core import sale
from contracts.core import socialised_loss
from contracts.core import withdrawal_escrow
from contracts.interfaces import ICollateralVault
from contracts.interfaces import IMarginEngine
from contracts.modules import errors

uses: accounts
uses: cash
uses: cash_interest
uses: engine_state
uses: health
uses: keeper_pay
uses: ledger
uses: residuals
uses: sale
uses: socialised_loss
uses: withdrawal_escrow

ONE: constant(uint256) = 10**18  # a whole account
# ticks per lot of one uncapped charge; what is above, or beyond the width of a side's index, is socialised
MAX_CHARGE: constant(uint256) = 2**50

# A leg closed by deleveraging, kept in one word until its opposite side is charged and shrunk:
# lots int64 << 192 (signed, what the account held) | basis int64 << 128 (ticks, mark minus funding index)
# | mark uint64 << 64 (ticks) | market


@internal
def _close_legs(account: uint256, head: int256, w: uint256) -> (int256, DynArray[int256, 72]):
    """
    @notice Closes every leg of an account at mark into its cash. The opposite sides are shrunk by `_settle_legs`.
    """
    legs: DynArray[int256, 72] = []
    h: int256 = head
    bits: uint256 = accounts.held[account]
    for _: uint256 in range(72):
        if bits == 0:
            break
        m: uint256 = health._lowest(bits)
        bits &= unsafe_sub(bits, 1)  # bits != 0
        hot: int256 = ledger.hot[m]
        basis: int256 = 0
        mark: uint256 = 0
        basis, mark = sale._quote(m, hot)
        lots: int256 = 0
        g: int256 = 0
        spill: int256 = 0
        lots, g, spill = residuals._touch(account, m, hot, basis)
        x: int256 = ledger._x_long(hot)
        if lots < 0:
            x = ledger._x_short(hot)
        h = accounts._set_held(account, h, m, True, False)
        # Proof: lots < 2^56, basis and x < 2^57, |g| and |spill| < 2^126.
        value: int256 = unsafe_add(unsafe_add(unsafe_mul(lots, unsafe_sub(basis, x)), g), spill)
        h = cash._credit(accounts._with_fresh(h, value, health._period()), w, value)
        ledger._store(account, m, 0, 0, hot)
        if (engine_state.config[m] >> 168) & 255 == engine_state.CLOSED:
            # Wound down: the fund's residual takes the lots over at the final mark. Nobody to charge, nothing to shrink.
            ledger._book(m, -value)
            continue
        ledger._book(m, -g - spill)
        if lots != 0:
            legs.append(
                (lots << 192)
                | ((basis & (2**64 - 1)) << 128)
                | (convert(mark, int256) << 64)
                | convert(m, int256)
            )
    return h, legs


@internal
def _settle_legs(
    legs: DynArray[int256, 72], rest: uint256, room: uint256, t: IMarginEngine.DeleverageTerms
) -> uint256:
    """
    @notice Charges the opposite sides and then shrinks them.
    @param legs The closed legs.
    @param rest Loss the fund did not pay, quote units.
    @param room The most that may be socialised, quote units; what exceeds it is charged without the cap.
    @param t Terms.
    @return What was charged, quote units.
    """
    charged: uint256 = 0
    per_lot: DynArray[uint256, 72] = []
    for leg: int256 in legs:
        m: uint256 = convert(leg & 255, uint256)
        hot: int256 = ledger.hot[m]
        of: uint256 = convert(ledger._oi(hot), uint256)
        key: uint256 = m * 2
        if leg > 0:
            key += 1
        c: uint256 = 0
        # Cap and charge round down: what that leaves goes on down the waterfall.
        if rest > charged:
            cap: uint256 = convert((leg >> 64) & (2**64 - 1), uint256) * t.charge_cap // 10**9
            c = min(
                min(ledger._charge_room(key, cap, t.window), ledger._charge_left(hot, leg < 0)),
                (rest - charged) // of,
            )
            if c != 0:
                ledger._charge_note(key, c, t.window)
                charged += c * of
        per_lot.append(c)
    left: uint256 = len(legs)
    for leg: int256 in legs:
        c: uint256 = per_lot[len(legs) - left]
        m: uint256 = convert(leg & 255, uint256)
        mark: uint256 = convert((leg >> 64) & (2**64 - 1), uint256)
        hot: int256 = ledger.hot[m]
        of: int256 = ledger._oi(hot)
        if rest > charged + room:
            # The last step: an equal part for each leg still to come.
            more: uint256 = min(
                (rest - charged - room) // left // convert(of, uint256),
                min(MAX_CHARGE, ledger._charge_left(hot, leg < 0) - c),
            )
            charged += more * convert(of, uint256)
            c += more
        left -= 1
        long_side: bool = leg < 0
        if c != 0:
            hot = ledger._charged(hot, long_side, convert(c, int256))
            log IMarginEngine.Charged(
                market=m, long_side=long_side, per_lot=c, lots=convert(of, uint256)
            )
        q: int256 = abs(leg >> 192)
        dg: int256 = 0
        hot, dg = ledger._shrink(m, long_side, q, of, hot, (leg << 64) >> 192)
        ledger.hot[m] = ledger._with_oi(hot, of - q)
        ledger._book(m, dg)
        log IMarginEngine.Shrunk(
            market=m,
            long_side=long_side,
            lots=convert(q, uint256),
            of=convert(of, uint256),
            price=mark,
        )
    return charged


@internal
def _sell_collateral(
    account: uint256, buyer: uint256, head: int256, worth: uint256, w: uint256
) -> int256:
    """
    @notice Sells all collateral of an account to a buyer.
    @param worth What the buyer pays, quote units.
    @return The account's head.
    """
    errors._require(buyer != 0 and buyer != account, errors.COLLATERAL_LEFT)
    hb: int256 = accounts.head[buyer]
    errors._require(hb & accounts.FROZEN_BIT == 0, errors.FROZEN)
    left: uint256 = 0
    got: uint256 = 0
    left, got = extcall ICollateralVault(health.VAULT).move_share(account, buyer, ONE)
    hb = cash._credit(accounts._with_collateral(hb, got), w, -convert(worth, int256))
    accounts.head[buyer] = hb
    h: int256 = cash._credit(accounts._with_collateral(head, left), w, convert(worth, int256))
    sale._require_bidder(buyer, hb, w)
    return h


@internal
def _deleverage(
    account: uint256, buyer: uint256, t: IMarginEngine.DeleverageTerms
) -> IMarginEngine.DeleverageResult:
    """
    @notice Closes a frozen account against the opposite sides, recognises its loss, finds its payers.
    @param account Account id, frozen.
    @param buyer Account id that buys the collateral where E < 0.
    @param t Terms.
    """
    w: uint256 = cash_interest._accrue()
    h: int256 = accounts.head[account]
    errors._require(h & accounts.FROZEN_BIT != 0, errors.NOT_FROZEN)
    legs: DynArray[int256, 72] = []
    h, legs = self._close_legs(account, h, w)
    if accounts._collateral(h) != 0:
        value: uint256 = 0
        worth: uint256 = 0
        value, worth = sale._collateral_value(account, h)
        # Only where E < 0: a solvent loan is never sold at its haircut, which would make a loss out of none.
        if cash._value(h, w) + convert(value, int256) < 0:
            # The price rounds down: the buyer takes an account that nobody wanted.
            h = self._sell_collateral(account, buyer, h, worth * t.collateral_price // 10000, w)
    r: IMarginEngine.DeleverageResult = empty(IMarginEngine.DeleverageResult)
    balance: int256 = cash._value(h, w)
    if balance < 0 and accounts._collateral(h) == 0:
        r.deficit = convert(-balance, uint256)
        r.from_fund = min(r.deficit, min(t.fund_limit, cash._fund()))
        cash._set_fund(cash._fund() - r.from_fund)
    rest: uint256 = r.deficit - r.from_fund
    # Rounded down: what does not fit is charged to the opposite side.
    room: uint256 = cash._supplied(w) * t.social_share // 10000
    r.charged = self._settle_legs(legs, rest, room, t)
    if r.deficit != 0:
        h = cash._credit(h, w, convert(r.deficit, int256))
        r.socialised = rest - r.charged
    accounts.head[account] = h
    w = socialised_loss._socialise(w, r.socialised)
    withdrawal_escrow._note(account, 0)
    r.executed, r.started = keeper_pay._pay(t.pay, max_value(uint256), w)
    cash_interest._reprice()
    log IMarginEngine.Deleveraged(
        account=account,
        deficit=r.deficit,
        from_fund=r.from_fund,
        charged=r.charged,
        socialised=r.socialised,
    )
    return r
