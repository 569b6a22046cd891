# pragma version 0.4.3
"""
@title waterfall
@license AGPL-3.0-only
@notice What the liquidation auction does to the ledger: a pro-rata slice sold to a bidder, and the
        deleveraging of what nobody took, with the loss's way down: fund, capped charge on the opposite
        side, socialised cash up to a share, uncapped charge.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import engine_state
from contracts.core import health
from contracts.core import ledger
from contracts.core import socialised_loss
from contracts.core import withdrawal_escrow
from contracts.interfaces import ICollateralVault
from contracts.interfaces import IMarginEngine
from contracts.interfaces import IRiskModel
from contracts.interfaces import ISliceTaker
from contracts.modules import errors
from contracts.modules import quote_word
from contracts.modules import rounding

uses: accounts
uses: cash
uses: cash_interest
uses: engine_state
uses: health
uses: ledger
uses: socialised_loss
uses: withdrawal_escrow

ONE: constant(uint256) = 10**18  # a whole account
# ticks per lot of one uncapped charge; what is above, or beyond the width of a side's index, is socialised
MAX_CHARGE: constant(uint256) = 2**50
# quote units on top of a price: two floors of cash and one of the slice
SLACK: constant(uint256) = 3


# A leg closed by deleveraging, kept in one word until its opposite side is charged and shrunk:
# lots int64 << 192 (signed, what the account held) | basis int64 << 128 (ticks, mark minus funding index)
# | mark uint64 << 64 (ticks) | market


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
    return IMarginEngine.Standing(
        equity=cash._value(head, w) + a.unrealised + convert(a.collateral, int256),
        linear=a.linear,
        superlinear=a.superlinear,
        stale_requirement=a.stale_requirement,
        stale_value=a.stale_value,
        collateral=a.collateral,
        perps=accounts._perps(head),
        smallest=self._smallest(account),
        state=a.state,
    )


@internal
@view
def _smallest(account: uint256) -> uint256:
    """
    @notice Lots of an account's smallest leg as a touch now leaves it, 0 without legs.
    """
    least: uint256 = 0
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
        size: uint256 = convert(abs(lots), uint256)
        if size != 0 and (least == 0 or size < least):
            least = size
    return least


@internal
def _quote(market: uint256, hot: int256) -> (int256, uint256):
    """
    @notice Basis and mark of a market; accrues its slow open interest.
    @return Mark minus funding index (ticks); mark (ticks).
    """
    q: uint256 = extcall IRiskModel(health._risk()).quote(market, ledger._root(hot))
    mark: uint256 = quote_word._mark(q)
    return convert(mark, int256) - quote_word._funding(q), mark


@internal
@view
def _collateral_value(account: uint256, head: int256) -> (uint256, uint256):
    """
    @notice An account's collateral at mark and at its maintenance haircut, quote units.
    """
    if accounts._collateral(head) == 0:
        return 0, 0
    a: IRiskModel.Assessment = staticcall IRiskModel(health._risk()).assess(
        [], staticcall ICollateralVault(health.VAULT).holdings(account)
    )
    return a.collateral, a.collateral - min(a.linear, a.collateral)


@internal
def _slice_leg(
    account: uint256,
    bidder: uint256,
    market: uint256,
    fraction: uint256,
    ha: int256,
    hb: int256,
    w: uint256,
) -> (int256, int256, int256):
    """
    @notice Moves one leg's slice: lots rounded up, g in proportion to the lots.
    @return Heads of account and bidder; value moved at mark.
    """
    hot: int256 = ledger.hot[market]
    basis: int256 = 0
    mark: uint256 = 0
    basis, mark = self._quote(market, hot)
    lots: int256 = 0
    g: int256 = 0
    spill: int256 = 0
    lots, g, spill = ledger._load(account, market, hot, basis)
    sold: int256 = 0
    gm: int256 = 0
    if lots != 0:
        # Proof: lots < 2^56 and the fraction < 2^60.
        n: uint256 = rounding._div_up(unsafe_mul(convert(abs(lots), uint256), fraction), ONE)
        sold, gm = ledger._part(lots, g, convert(n, int256))
    a: int256 = accounts._set_held(account, ha, market, True, lots != sold)
    a = cash._credit(accounts._with_fresh(a, spill, health._period()), w, spill)
    # Proof: sold and gm are parts of lots and g.
    ledger._store(account, market, unsafe_sub(lots, sold), unsafe_sub(g, gm), hot)
    dg: int256 = unsafe_sub(0, unsafe_add(gm, spill))
    b: int256 = hb
    if sold != 0:
        lots_b: int256 = 0
        g_b: int256 = 0
        earned: int256 = 0
        change: int256 = 0
        closed: int256 = 0
        had: bool = ledger.positions[bidder][market] != 0
        lots_b, g_b, spill = ledger._load(bidder, market, hot, basis)
        lots_b, g_b, earned, change, closed = ledger._join(lots_b, g_b, sold, gm, hot)
        b = accounts._set_held(bidder, b, market, had, lots_b != 0)
        dg += change - spill
        earned += spill
        if earned != 0:
            b = cash._credit(accounts._with_fresh(b, earned, health._period()), w, earned)
        ledger._store(bidder, market, lots_b, g_b, hot)
        if closed != 0:
            ledger.hot[market] = ledger._with_oi(hot, ledger._oi(hot) - closed)
    ledger._book(market, dg)
    x: int256 = ledger._x_long(hot)
    if sold < 0:
        x = ledger._x_short(hot)
    # Proof: sold < 2^56, basis and x < 2^57, |g| < 2^126.
    return a, b, unsafe_add(unsafe_mul(sold, unsafe_sub(basis, x)), gm)


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
    bits: uint256 = accounts.held[account]
    for _: uint256 in range(72):
        if bits == 0:
            break
        value: int256 = 0
        m: uint256 = health._lowest(bits)
        bits &= unsafe_sub(bits, 1)  # bits != 0
        ha, hb, value = self._slice_leg(account, bidder, m, t.fraction, ha, hb, w)
        moved += value
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
        before, cut = self._collateral_value(account, ha)
        left: uint256 = 0
        got: uint256 = 0
        left, got = extcall ICollateralVault(health.VAULT).move_share(account, bidder, t.fraction)
        ha = accounts._with_collateral(ha, left)
        hb = accounts._with_collateral(hb, got)
        after, cut = self._collateral_value(account, ha)
        moved += convert(before, int256) - convert(after, int256)
    r: IMarginEngine.SliceResult = IMarginEngine.SliceResult(
        moved=moved, paid=0, fee=0, from_fund=0
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
    if r.paid != 0:
        r.fee = min(t.fee, r.paid)
        hb = cash._credit(hb, w, -convert(r.paid, int256))
        ha = cash._credit(ha, w, convert(r.paid - r.fee, int256))
        kept: uint256 = r.fee * t.keeper_share // 10000  # rounded down: the rest is the fund's
        cash._set_keeper(cash._keeper() + kept)
        cash._to_fund(r.fee - kept)
    accounts.head[account] = ha
    accounts.head[bidder] = hb
    if t.callback != empty(address):
        hb = self._call_back(account, bidder, t, r, w)
    cash_interest._reprice()
    errors._require(
        accounts._mode(hb) != accounts.ISOLATED or accounts._perps(hb) < 2, errors.WRONG_MODE
    )
    self._require_bidder(bidder, hb, w)
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


@internal
@view
def _require_bidder(bidder: uint256, head: int256, w: uint256):
    """
    @notice The initial requirement after a liquidation fill. Stale feeds that carry at most a tenth of R are
            taken at their worst instead of shielding the account that was sold.
    """
    a: IRiskModel.Assessment = health._assess(bidder, head, health.NO_MARKET, 0, 0)
    balance: int256 = cash._value(head, w)
    if a.state <= health.DEGRADED:
        errors._require(health._strong(head, balance, a), errors.UNDERWATER)
        return
    errors._require(a.stale_requirement * 10 <= a.linear + a.superlinear, errors.STALE_PRICE)
    e: int256 = health._initial(head, balance, a, False) - convert(a.stale_value, int256)
    errors._require(e >= convert(a.initial, int256), errors.UNDERWATER)


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
        basis, mark = self._quote(m, hot)
        lots: int256 = 0
        g: int256 = 0
        spill: int256 = 0
        lots, g, spill = ledger._load(account, m, hot, basis)
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
    self._require_bidder(buyer, hb, w)
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
        value, worth = self._collateral_value(account, h)
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
    cash_interest._reprice()
    log IMarginEngine.Deleveraged(
        account=account,
        deficit=r.deficit,
        from_fund=r.from_fund,
        charged=r.charged,
        socialised=r.socialised,
    )
    return r
