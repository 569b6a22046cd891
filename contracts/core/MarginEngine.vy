# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title MarginEngine
@license AGPL-3.0-only
@notice Accounts, cash, perpetual positions, the one health check. Venues bring fills, the auction sells and
        deleverages, the insurance fund moves its bucket; everybody else acts on their own accounts.
        Trusts: the vault (immutable) for custody, the risk model and its oracle for prices and margin.
        Units: lot 1e-6 underlying, tick 1e-9 USD, quote unit (qu) 1e-15 USD, token unit 1e9 qu.
        One contract in five bytecodes, because one is too small: what is not here is forwarded by delegate call to
        MarginEngineLiquidation, from there to MarginEngineAdmin, MarginEngineDeleveraging and MarginEngineLegs,
        on one storage layout (a test compares).
@custom:kill `set_pause(4)` by guardian or owner stops all but exits; a market ends by `wind_down`.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import engine_state
from contracts.core import health
from contracts.core import ledger
from contracts.core import residuals
from contracts.core import sale_limiter
from contracts.core import socialised_loss
from contracts.core import withdrawal_escrow
from contracts.interfaces import ICollateralVault
from contracts.interfaces import IMarginEngine
from contracts.interfaces import IRiskModel
from contracts.modules import errors
from contracts.modules import quote_word
from snekmate.auth import ownable
from snekmate.auth import ownable_2step

# One storage layout for all five bytecodes of the engine: this order is the layout.
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: accounts
initializes: cash
initializes: ledger
initializes: health[accounts := accounts, cash := cash, ledger := ledger]
initializes: engine_state
initializes: sale_limiter
initializes: residuals[ledger := ledger]
# These keep nothing.
initializes: cash_interest[cash := cash]
initializes: socialised_loss[cash := cash]
initializes: withdrawal_escrow[cash := cash, socialised_loss := socialised_loss]

STALE_BIT: constant(uint256) = 1 << 161  # of a quote word

NEXT: immutable(address)  # MarginEngineLiquidation
VENUE: immutable(address)  # the house's own venue, SignedOrders


@deploy
def __init__(
    vault: address, liquidation: address, venue: address, owner: address, guardian: address
):
    """
    @notice Starts with both indices at one and no market.
    @param vault The collateral vault; fixed for good.
    @param liquidation The second bytecode, deployed for the same vault; fixed for good.
    @param venue The house's own venue, trusted until `set_venue` switches it off; others are registered.
    @param owner Two-step owner; the timelock after deployment.
    @param guardian May only make things stricter.
    """
    errors._require(liquidation != empty(address) and owner != empty(address), errors.NULL_ADDRESS)
    ownable.__init__()
    ownable_2step.__init__()
    ownable._transfer_ownership(owner)
    cash.__init__()
    health.__init__(vault)
    engine_state.guardian = guardian
    NEXT = liquidation
    VENUE = venue
    engine_state.house_venue = venue


# ---------------------------------------------------------------- cash


@external
def deposit(account: uint256, amount: uint256):
    """
    @notice Adds quote tokens to an account's cash. Anyone may, to any account, frozen ones included (a deposit
            cures); repays debt first by nature. The payer approves the vault.
    @param account Account id.
    @param amount Token units.
    """
    errors._require(amount != 0, errors.ZERO_AMOUNT)
    errors._require(account >> 96 != 0, errors.NULL_ADDRESS)
    extcall ICollateralVault(health.VAULT).pull_quote(msg.sender, amount)
    w: uint256 = socialised_loss._drip(cash_interest._accrue())
    cash._move_vault(convert(amount, int256))
    accounts.head[account] = cash._credit(
        accounts.head[account], w, convert(amount * cash.TOK, int256)
    )
    cash_interest._reprice()
    log IMarginEngine.Deposited(account=account, payer=msg.sender, amount=amount)


@external
def withdraw(account: uint256, amount: uint256, receiver: address):
    """
    @notice Takes quote tokens out of an account; beyond its cash it borrows against its other collateral.
            Fresh and open profit cannot leave. While pending deficits exceed half of the fund it gets an advance
            less its share of the excess, and its shares stay in escrow until that resolves.
    @param account Account id; only its owner may call.
    @param amount Token units.
    @param receiver Where the tokens go.
    """
    errors._require(msg.sender == accounts._owner(account), errors.NOT_OWNER)
    errors._require(amount != 0, errors.ZERO_AMOUNT)
    errors._require(receiver != empty(address), errors.NULL_ADDRESS)
    w: uint256 = cash_interest._accrue()
    h: int256 = accounts.head[account]
    errors._require(h & accounts.FROZEN_BIT == 0, errors.FROZEN)
    errors._require(cash.escrow[account] == 0, errors.ESCROW_LOCKED)
    paid: uint256 = amount
    excess: uint256 = withdrawal_escrow._excess()
    if excess == 0:
        borrowing: bool = accounts._shares(h) <= 0
        h = cash._credit(h, w, -convert(amount * cash.TOK, int256))
        if borrowing or accounts._shares(h) < 0:
            cash_interest._require_cap(w)
    else:
        h, paid = withdrawal_escrow._escrow(account, h, w, amount, excess)
    errors._require(paid <= cash.buckets & (2**64 - 1), errors.VAULT_SHORT)
    cash._move_vault(-convert(paid, int256))
    accounts.head[account] = h
    cash_interest._reprice()
    health._require_initial(account, h, w, True)
    log IMarginEngine.Withdrawn(account=account, receiver=receiver, amount=paid)
    extcall ICollateralVault(health.VAULT).push_quote(receiver, paid, True)


@external
def transfer(sender: uint256, receiver: uint256, amount: uint256):
    """
    @notice Moves cash between two accounts of one owner, under the rule of a withdrawal.
    @param sender Account id; the caller owns it or is an operator with the move scope.
    @param receiver Account id of the same owner.
    @param amount Quote units.
    """
    errors._require(accounts._may(sender, msg.sender, accounts.SCOPE_MOVE), errors.NOT_OWNER)
    errors._require(accounts._owner(sender) == accounts._owner(receiver), errors.NOT_OWNER)
    errors._require(amount != 0, errors.ZERO_AMOUNT)
    errors._require(sender != receiver, errors.SELF_TRADE)
    w: uint256 = socialised_loss._drip(cash_interest._accrue())  # what the sender borrows the receiver deposits
    h: int256 = accounts.head[sender]
    errors._require(h & accounts.FROZEN_BIT == 0, errors.FROZEN)
    h = cash._credit(h, w, -convert(amount, int256))
    if accounts._shares(h) < 0:
        cash_interest._require_cap(w)
    accounts.head[sender] = h
    accounts.head[receiver] = cash._credit(accounts.head[receiver], w, convert(amount, int256))
    cash_interest._reprice()
    health._require_initial(sender, h, w, True)
    log IMarginEngine.CashMoved(sender=sender, receiver=receiver, amount=amount)


@external
def set_operator(operator: address, expiry: uint256, scope: uint256, budget: uint256):
    """
    @notice Lets an operator act for all accounts of the caller. It can never withdraw.
    @param operator The delegate.
    @param expiry Unix seconds after which it may nothing; 0 revokes.
    @param scope Bits: 1 sign fills, 2 move cash between the caller's accounts.
    @param budget Loss it may cause against the mark, quote units, over its life.
    """
    errors._require(expiry < 2**40 and scope < 4 and budget < 2**96, errors.BAD_ARGUMENT)
    errors._require(operator != empty(address), errors.NULL_ADDRESS)
    accounts.operators[msg.sender][operator] = expiry | (scope << 40) | (budget << 48)
    log IMarginEngine.OperatorSet(
        owner=msg.sender, operator=operator, expiry=expiry, scope=scope, budget=budget
    )


@external
def set_mode(account: uint256, mode: uint256):
    """
    @notice Chooses the margin mode; ends in the health check. Isolated accounts hold one market at most.
    @param account Account id; only its owner may call.
    @param mode 0 cross, 1 isolated. 2, portfolio, waits for its risk model.
    """
    errors._require(msg.sender == accounts._owner(account), errors.NOT_OWNER)
    errors._require(mode < 2, errors.WRONG_MODE)
    w: uint256 = cash_interest._accrue()
    h: int256 = accounts.head[account]
    errors._require(h & accounts.FROZEN_BIT == 0, errors.FROZEN)
    errors._require(mode == 0 or accounts._perps(h) <= 1, errors.WRONG_MODE)
    h = (h & ((3 << 224) ^ -1)) | (convert(mode, int256) << 224)
    accounts.head[account] = h
    health._require_initial(account, h, w, False)
    log IMarginEngine.ModeSet(account=account, mode=mode)


@external
@view
@reentrant
def may_trade(account: uint256, signer: address) -> bool:
    """
    @notice True where the signer owns the account or is an unexpired operator with the trade scope.
    @param account Account id.
    @param signer Address.
    """
    return accounts._may(account, signer, accounts.SCOPE_TRADE)


# ---------------------------------------------------------------- venues


@external
def settle(fills: DynArray[IMarginEngine.Fill, 32]):
    """
    @notice Applies fills at agreed prices; each leaves both its accounts healthy by the one rule. All or none.
    @param fills Up to 32 fills (units in IMarginEngine). Only a registered venue may call; it vouches for the
           owners' consent, the engine for everything else.
    """
    self._only_venue()
    # Interest is computed for reading and stored only where cash moves: balances under the grown indices are the
    # same, the next accrual covers the longer step.
    w: uint256 = 0
    interest: uint256 = 0
    kept: uint256 = 0
    w, interest, kept = cash_interest._grown()
    last: uint256 = 0
    q: uint256 = 0
    moved: bool = False
    for f: IMarginEngine.Fill in fills:
        if q == 0 or f.market != last:
            last = f.market
            errors._require(last < health.NO_MARKET, errors.UNKNOWN_MARKET)
            q = extcall IRiskModel(health._risk()).quote(last, ledger._root(ledger.hot[last]))
        if self._fill(f, q, w):
            moved = True
    if moved:
        if interest != 0:
            cash_interest._keep(w, kept)
        cash_interest._reprice()


@internal
@view
def _only_venue():
    """
    @notice Reverts unless a registered venue calls. The house's own venue is known without a storage read until
            it is switched off.
    """
    if msg.sender == VENUE and (health.core >> 216) & 1 == 0:
        return
    errors._require(engine_state.venues[msg.sender] != 0, errors.NOT_VENUE)


@internal
@pure
def _fees(c: uint256, notional: int256, taker_buys: bool) -> (int256, int256):
    """
    @notice Fees of the buyer and the seller, rounded up; a maker's rebate is rounded down.
    @param c The market's configuration word.
    @param notional Quote units, < 2^110.
    @param taker_buys Whether the buyer is the taker.
    @return Quote units each, negative for a rebate.
    """
    # Proof: rates are below 2^16, so products stay below 2^126; 999,999 makes the division a ceiling.
    taker: int256 = unsafe_div(
        unsafe_add(unsafe_mul(notional, convert((c >> 136) & 65535, int256)), 999999), 10**6
    )
    maker: int256 = unsafe_mul(notional, convert(convert(c << 120, bytes32), int256) >> 240)
    if maker > 0:
        maker = unsafe_add(maker, 999999)
    maker = unsafe_div(maker, 10**6)
    if taker_buys:
        return taker, maker
    return maker, taker


@internal
def _fill(f: IMarginEngine.Fill, q: uint256, w: uint256) -> bool:
    """
    @notice One fill: book it on both sides, then check both sides.
    @param f The fill.
    @param q The market's quote word.
    @param w Indices word, brought to now.
    @return Whether cash moved.
    """
    c: uint256 = engine_state.config[f.market]
    errors._require((c >> 176) & 1 != 0, errors.UNKNOWN_MARKET)
    errors._require(f.buyer != f.seller, errors.SELF_TRADE)
    errors._require(f.lots != 0, errors.ZERO_AMOUNT)
    errors._require(f.lots < 2**55 and f.price < 2**55, errors.OUT_OF_RANGE)
    mark: int256 = convert(quote_word._mark(q), int256)
    funding: int256 = quote_word._funding(q)
    lots: int256 = convert(f.lots, int256)
    price: int256 = convert(f.price, int256)
    # Proof for the unsafe steps here: lots and price < 2^55, mark < 2^56, |funding| and |X| < 2^55, so every
    # sum of prices is below 2^58 and its product with lots below 2^113.
    errors._require(
        unsafe_mul(abs(unsafe_sub(price, mark)), 10000)
        <= unsafe_mul(convert((c >> 152) & 65535, int256), mark),
        errors.PRICE_BAND,
    )
    buyer_fee: int256 = 0
    seller_fee: int256 = 0
    buyer_fee, seller_fee = self._fees(c, unsafe_mul(lots, price), f.flags & 1 != 0)
    hot: int256 = ledger.hot[f.market]
    basis: int256 = unsafe_sub(mark, funding)
    over: int256 = unsafe_sub(funding, price)
    # Lots at a price carry g = lots * (F - price) - fee, F = C + X of their side.
    b: Side = self._book_side(
        f.buyer,
        f.market,
        lots,
        unsafe_sub(unsafe_mul(lots, unsafe_add(over, ledger._x_long(hot))), buyer_fee),
        hot,
        basis,
    )
    s: Side = self._book_side(
        f.seller,
        f.market,
        unsafe_sub(0, lots),
        unsafe_sub(
            unsafe_mul(lots, unsafe_sub(0, unsafe_add(over, ledger._x_short(hot)))), seller_fee
        ),
        hot,
        basis,
    )
    fee: int256 = unsafe_add(buyer_fee, seller_fee)
    ledger._book(f.market, b.dg + s.dg + fee)
    if fee != 0:
        # A rebate never exceeds the taker fee: fee >= 0.
        held: uint256 = (c >> 177) + convert(fee, uint256)
        errors._require(held < 2**79, errors.OUT_OF_RANGE)
        engine_state.config[f.market] = (c & (engine_state.FEES_ONE - 1)) | (held << 177)
    oi: int256 = ledger._oi(hot)
    # Proof: oi < 2^56 and what closes was part of it.
    after: int256 = unsafe_sub(unsafe_sub(unsafe_add(oi, lots), b.closed), s.closed)
    if after != oi:
        ledger.hot[f.market] = ledger._with_oi(hot, after)
    self._require_allowed(c, f.flags, oi, after, mark, b, s)
    # STALE and HALTED share bit 161: at a price that is not live both positions get smaller, and neither turns round.
    errors._require(q & STALE_BIT == 0 or (b.reduced and s.reduced), errors.STALE_PRICE)
    self._finish_side(f.buyer, f.market, q, b, w)
    self._finish_side(f.seller, f.market, q, s, w)
    log IMarginEngine.Filled(
        market=f.market,
        buyer=f.buyer,
        seller=f.seller,
        lots=f.lots,
        price=f.price,
        buyer_fee=buyer_fee,
        seller_fee=seller_fee,
    )
    return b.earned != 0 or s.earned != 0


@internal
@view
def _require_allowed(
    c: uint256, flags: uint256, oi: int256, after: int256, mark: int256, b: Side, s: Side
):
    """
    @notice The market's limits on a fill: pause level, caps, reduce-only orders, no dust.
    @param c Configuration word.
    @param flags The fill's flags.
    @param oi Open interest before, lots.
    @param after Open interest after, lots.
    @param mark Ticks.
    @param b The buyer's side.
    @param s The seller's side.
    """
    # Proof: lots < 2^56 and mark < 2^56; caps in USD < 2^40 times 10^15.
    status: uint256 = (c >> 168) & 255
    house: uint256 = (health.core >> 160) & 255
    if after > oi:
        errors._require(status | house == 0, errors.MARKET_PAUSED)
        errors._require(
            after <= convert(c & (2**56 - 1), int256)
            and unsafe_mul(after, mark)
            <= unsafe_mul(convert((c >> 56) & (2**40 - 1), int256), engine_state.USD),
            errors.OPEN_INTEREST_CAP,
        )
    if status | house != 0:
        errors._require(status != engine_state.CLOSED, errors.MARKET_CLOSED)
        errors._require(house < engine_state.EXITS_ONLY, errors.MARKET_PAUSED)
        errors._require(
            max(status, house) < engine_state.REDUCE_ONLY or (b.reduced and s.reduced),
            errors.MARKET_REDUCE_ONLY,
        )
    if flags > 1:
        errors._require(
            (b.reduced or flags & 2 == 0) and (s.reduced or flags & 4 == 0),
            errors.ORDER_REDUCE_ONLY,
        )
    least: int256 = unsafe_mul(convert((c >> 96) & (2**24 - 1), int256), engine_state.USD)
    errors._require(
        (b.now.lots == 0 or unsafe_mul(abs(b.now.lots), mark) >= least)
        and (s.now.lots == 0 or unsafe_mul(abs(s.now.lots), mark) >= least),
        errors.DUST_POSITION,
    )


struct Side:
    old: int256  # the account's head before
    had: bool  # the account held lots here
    was: health.Leg  # the position before, touched
    now: health.Leg  # the position after
    spill: int256  # cash from a position that lost its last lot
    earned: int256  # cash from that and from lots that closed
    dg: int256  # change of G
    closed: int256  # lots that closed
    reduced: bool  # lots fell and kept their sign


@internal
def _book_side(
    account: uint256, market: uint256, add: int256, g_in: int256, hot: int256, basis: int256
) -> Side:
    """
    @notice Books one side of a fill into its position.
    """
    s: Side = empty(Side)
    s.old = accounts.head[account]
    errors._require(s.old & accounts.FROZEN_BIT == 0, errors.FROZEN)
    s.was.lots, s.was.g, s.spill = residuals._touch(account, market, hot, basis)
    s.had = s.was.lots != 0 or ledger.positions[account][market] != 0
    s.now.lots, s.now.g, s.earned, s.dg, s.closed = ledger._join(
        s.was.lots, s.was.g, add, g_in, hot
    )
    s.dg -= s.spill
    s.earned += s.spill
    s.reduced = s.closed == abs(add)
    ledger._store(account, market, s.now.lots, s.now.g, hot)
    return s


@internal
def _finish_side(account: uint256, market: uint256, q: uint256, s: Side, w: uint256):
    """
    @notice Books what a side earned in cash, keeps the bitmap, and checks its health.
    """
    h: int256 = accounts._set_held(account, s.old, market, s.had, s.now.lots != 0)
    if s.now.lots != 0 and not s.had:
        count: uint256 = accounts._perps(h)
        errors._require(count <= accounts.MAX_PERPS, errors.TOO_MANY_POSITIONS)
        errors._require(count == 1 or accounts._mode(h) != accounts.ISOLATED, errors.WRONG_MODE)
    if s.earned != 0:
        h = cash._credit(accounts._with_fresh(h, s.earned, health._period()), w, s.earned)
    if h != s.old:
        accounts.head[account] = h
    health._require_health(account, h, w, market, q, s.now, s.was, s.spill, s.old)


@external
def use_operator(account: uint256, signer: address, market: uint256, lots: int256, price: uint256):
    """
    @notice Charges an operator's loss budget for a fill it signed: loss against the mark plus the taker fee.
    @param account Account id.
    @param signer The signer; an owner passes free.
    @param market Market id.
    @param lots Signed lots.
    @param price Ticks.
    """
    self._only_venue()
    errors._require(accounts._may(account, signer, accounts.SCOPE_TRADE), errors.NOT_OWNER)
    owner: address = accounts._owner(account)
    if signer == owner:
        return
    errors._require(
        market < health.NO_MARKET and abs(lots) < 2**55 and price < 2**55, errors.OUT_OF_RANGE
    )
    mark: uint256 = quote_word._mark(staticcall IRiskModel(health._risk()).peek(market))
    p: int256 = convert(price, int256)
    loss: int256 = max(lots * (p - convert(mark, int256)), 0)
    rate: int256 = convert((engine_state.config[market] >> 136) & 65535, int256)
    loss += (abs(lots) * p * rate + 999999) // 10**6
    word: uint256 = accounts.operators[owner][signer]
    budget: uint256 = (word >> 48) & (2**96 - 1)
    errors._require(convert(loss, uint256) <= budget, errors.LOSS_BUDGET)
    accounts.operators[owner][signer] = (word & (2**48 - 1)) | (
        (budget - convert(loss, uint256)) << 48
    )


# ---------------------------------------------------------------- vault


@external
def collateral_changed(account: uint256, caller: address, count: uint256, lowered: bool):
    """
    @notice The vault tells of a change of an account's collateral.
    @param account Account id.
    @param caller Who asked the vault.
    @param count Assets held now.
    @param lowered True on a withdrawal: the caller must own the account, which must be healthy afterwards.
    """
    errors._require(msg.sender == health.VAULT, errors.NOT_VAULT)
    h: int256 = accounts.head[account]
    old: int256 = h
    h = accounts._with_collateral(h, count)
    if h != old:
        accounts.head[account] = h
    if lowered:
        errors._require(caller == accounts._owner(account), errors.NOT_OWNER)
        errors._require(h & accounts.FROZEN_BIT == 0, errors.FROZEN)
        w: uint256 = cash_interest._accrue()
        health._require_initial(account, h, w, True)
    elif h != old:
        # NoPrice for a new asset that has never had a price: no assessment, so no liquidation either, could pass it.
        a: IRiskModel.Assessment = staticcall IRiskModel(health._risk()).assess(
            [], staticcall ICollateralVault(health.VAULT).holdings(account)
        )


@external
def note_deficit(account: uint256, deficit: uint256):
    """
    @notice Keeps an auctioned account's negative equity as last observed. Only the auction may call.
    @param account Account id.
    @param deficit Quote units.
    """
    errors._require(msg.sender == engine_state.auction, errors.NOT_AUCTION)
    withdrawal_escrow._note(account, deficit)


@external
@reentrant
@raw_return
def __default__() -> Bytes[2400]:
    """
    @notice Every other function lives in the next bytecode and runs there on this contract's storage. The lock is
            taken by the function itself, in the transient slot all five share; this door only forwards.
    """
    return raw_call(NEXT, msg.data, max_outsize=2400, is_delegate_call=True)
