# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title engine_views
@license AGPL-3.0-only
@notice What anybody reads of the margin engine beside the stored words: margin, positions, markets,
        the balance sheet.
@dev Every function is readable mid-call: it writes nothing, and every flow of this house leaves the
     engine's words consistent before it calls out. Trusts the risk model and its oracle for prices
     and margin.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import engine_state
from contracts.core import health
from contracts.core import ledger
from contracts.interfaces import ICollateralVault
from contracts.interfaces import IMarginEngine
from contracts.interfaces import IRiskModel
from contracts.modules import errors
from contracts.modules import quote_word

uses: accounts
uses: cash
uses: cash_interest
uses: engine_state
uses: health
uses: ledger


struct Solvency:
    vault: uint256  # quote tokens the vault holds for the engine, qu
    supplied: uint256  # positive cash, qu, rounded down
    borrowed: uint256  # cash loans, qu, rounded up
    unrealised: int256  # sum over markets of all holders' unrealised P&L, qu
    fund: uint256  # qu
    keeper: uint256  # qu
    fees: uint256  # qu, not yet split
    advances: uint256  # qu, paid against escrowed shares
    pending: uint256  # qu, deficits of accounts in auction as last observed
    hole: uint256  # qu, loss that found no payer yet
    owed: uint256  # qu, what income still owes for socialised losses and the hole
    pot: uint256  # qu, income set aside for both, paid in over a week
    gap: int256  # qu scaled by 2^72: assets minus claims; 0 always


# What deleveraging has done to a position since it was last touched.
struct PendingEvent:
    stored: int256  # signed lots at the last touch
    lots: int256  # signed lots a touch now would leave
    shrinks: uint256  # times its side was shrunk since
    settled: int256  # qu, worth of the lots closed, each at its mark less index, fractions at the mark now


@internal
@view
def _margin(
    account: uint256, head: int256, swap: uint256, lots: int256, g: int256, extra: int256
) -> IMarginEngine.Margin:
    """
    @notice An account's margin, with one position replaced and some cash added.
    """
    w: uint256 = self._now()
    a: IRiskModel.Assessment = health._assess(account, head, swap, lots, g)
    balance: int256 = cash._value(head, w) + extra
    return IMarginEngine.Margin(
        equity=balance + a.unrealised + convert(a.collateral, int256),
        requirement=a.linear + a.superlinear,
        initial_equity=health._initial(head, balance, a, False),
        initial_requirement=a.initial,
    )


@internal
@view
def _now() -> uint256:
    """
    @notice The indices word brought to now, not stored.
    """
    w: uint256 = 0
    interest: uint256 = 0
    kept: uint256 = 0
    w, interest, kept = cash_interest._grown()
    return w


@external
@view
@reentrant
def margin(account: uint256) -> IMarginEngine.Margin:
    """
    @notice Equity and requirement of an account, maintenance and initial.
    @param account Account id.
    @return Quote units.
    """
    return self._margin(account, accounts.head[account], health.NO_MARKET, 0, 0, 0)


@external
@view
@reentrant
def margin_after(account: uint256, trial: IMarginEngine.Trial) -> IMarginEngine.Margin:
    """
    @notice The same after a hypothetical fill, fees aside.
    @param account Account id.
    @param trial Signed lots at a price, in one market.
    @return Quote units.
    """
    m: uint256 = trial.market
    errors._require(m < engine_state.market_count, errors.UNKNOWN_MARKET)
    errors._require(abs(trial.lots) < 2**55 and trial.price < 2**55, errors.OUT_OF_RANGE)
    hot: int256 = ledger.hot[m]
    q: uint256 = staticcall IRiskModel(health._risk()).peek(m)
    funding: int256 = quote_word._funding(q)
    lots: int256 = 0
    g: int256 = 0
    spill: int256 = 0
    earned: int256 = 0
    dg: int256 = 0
    closed: int256 = 0
    lots, g, spill = ledger._load(account, m, hot, convert(quote_word._mark(q), int256) - funding)
    x: int256 = ledger._x_long(hot)
    if trial.lots < 0:
        x = ledger._x_short(hot)
    g_in: int256 = trial.lots * (funding + x - convert(trial.price, int256))
    lots, g, earned, dg, closed = ledger._join(lots, g, trial.lots, g_in, hot)
    head: int256 = accounts._with_fresh(accounts.head[account], earned, health._period())
    held: bool = (accounts.held[account] >> m) & 1 != 0
    if held and lots == 0:
        head -= accounts.ONE_PERP
    elif lots != 0 and not held:
        head += accounts.ONE_PERP
    return self._margin(account, head, m, lots, g, earned + spill)


@external
@view
@reentrant
def position(account: uint256, market: uint256) -> IMarginEngine.Position:
    """
    @notice A position as a touch now would leave it.
    @param account Account id.
    @param market Market id.
    @return Units in IMarginEngine.
    """
    errors._require(market < engine_state.market_count, errors.UNKNOWN_MARKET)
    hot: int256 = ledger.hot[market]
    q: uint256 = staticcall IRiskModel(health._risk()).peek(market)
    basis: int256 = convert(quote_word._mark(q), int256) - quote_word._funding(q)
    p: IMarginEngine.Position = empty(IMarginEngine.Position)
    g: int256 = 0
    spill: int256 = 0
    p.lots, g, spill = ledger._load(account, market, hot, basis)
    x: int256 = ledger._x_long(hot)
    if p.lots < 0:
        x = ledger._x_short(hot)
    p.quote = g - p.lots * (quote_word._funding(q) + x)
    p.value = p.lots * (basis - x) + g + spill
    p.epoch = convert(ledger.positions[account][market] & (2**24 - 1), uint256)
    return p


@external
@view
@reentrant
def pending_event(account: uint256, market: uint256) -> PendingEvent:
    """
    @notice What deleveraging has done to a position since it was last touched, however often: who was not looking
            sees it here before anything is stored. Charges are in the market's indices, `charge_long` and
            `charge_short`, and in the value that `position` tells.
    @param account Account id.
    @param market Market id.
    @return Units in PendingEvent; nothing happened where `shrinks` is 0.
    """
    errors._require(market < engine_state.market_count, errors.UNKNOWN_MARKET)
    hot: int256 = ledger.hot[market]
    stored: int256 = ledger.positions[account][market]
    e: PendingEvent = empty(PendingEvent)
    e.stored = stored >> 192
    epoch: int256 = hot >> 24
    if e.stored < 0:
        epoch = hot
    if e.stored == 0:
        return e
    g: int256 = 0
    spill: int256 = 0
    e.lots, g, spill = ledger._load(account, market, hot, health._basis(market))
    # Epochs only count up; a position is never written under one to come.
    e.shrinks = convert((epoch & (2**24 - 1)) - (stored & (2**24 - 1)), uint256)
    e.settled = g + spill - ((stored << 64) >> 128)
    return e


@external
@view
@reentrant
def market(id: uint256) -> IMarginEngine.Market:
    """
    @notice A market's aggregates.
    @param id Market id.
    @return Units in IMarginEngine.
    """
    errors._require(id < engine_state.market_count, errors.UNKNOWN_MARKET)
    hot: int256 = ledger.hot[id]
    q: uint256 = staticcall IRiskModel(health._risk()).peek(id)
    return IMarginEngine.Market(
        open_interest=convert(ledger._oi(hot), uint256),
        mark=quote_word._mark(q),
        funding=quote_word._funding(q),
        charge_long=ledger._x_long(hot),
        charge_short=ledger._x_short(hot),
        unrealised=ledger._unrealised(id) - convert(engine_state.config[id] >> 177, int256),
        fees=engine_state.config[id] >> 177,
        status=(engine_state.config[id] >> 168) & 255,
        state=quote_word._state(q),
    )


@external
@view
@reentrant
def words(
    account: uint256, market: uint256
) -> (int256, int256, int256, uint256, int256, uint256, int256):
    """
    @notice The ledger's words as stored, for a second opinion to check against.
    @param account Account id.
    @param market Market id.
    @return Position; market's hot and book words; the longs' side word and record now; the shorts'
            the same.
    """
    hot: int256 = ledger.hot[market]
    longs: uint256 = (market << 25) | convert((hot >> 24) & (2**24 - 1), uint256)
    shorts: uint256 = (((market << 1) | 1) << 24) | convert(hot & (2**24 - 1), uint256)
    return (
        ledger.positions[account][market],
        hot,
        ledger.book[market],
        ledger.side[market * 2],
        ledger.record[longs],
        ledger.side[market * 2 + 1],
        ledger.record[shorts],
    )


@external
@view
@reentrant
def solvency() -> Solvency:
    """
    @notice The house's balance sheet, in O(markets): assets minus claims is 0, exactly.
    @return Units in Solvency.
    """
    w: uint256 = cash.indices
    t: uint256 = cash.totals
    b: uint256 = cash.buckets
    d: uint256 = cash.deficits
    s: Solvency = empty(Solvency)
    s.vault = (b & (2**64 - 1)) * cash.TOK
    s.supplied = cash._supplied(w)
    s.borrowed = cash_interest._debt(w)
    s.fund = cash._fund()
    s.keeper = cash._keeper()
    s.advances = (d >> 96) & (2**96 - 1)
    s.pending = d & (2**96 - 1)
    s.hole = cash.hole
    s.owed = cash.recovery & (2**96 - 1)
    s.pot = (cash.recovery >> 96) & (2**96 - 1)
    for m: uint256 in range(engine_state.market_count, bound=256):
        fees: uint256 = engine_state.config[m] >> 177
        s.unrealised += ledger._unrealised(m) - convert(fees, int256)
        s.fees += fees
    claims: int256 = (
        s.unrealised
        + convert(s.fund + s.keeper + s.fees + s.pot, int256)
        - convert(s.advances + s.hole + s.vault, int256)
    )
    scaled: int256 = convert((t & (2**96 - 1)) * (w & (2**96 - 1)) + (t >> 176), int256)
    scaled -= convert(((t >> 96) & (2**80 - 1)) * ((w >> 96) & (2**95 - 1)), int256)
    s.gap = -(claims * 2**72 + scaled)
    return s


@external
@view
@reentrant
def cash_of(account: uint256) -> (int256, uint256):
    """
    @notice An account's cash now and the fresh profit in it.
    @param account Account id.
    @return Quote units, both; supply rounded down, debt and fresh profit up.
    """
    h: int256 = accounts.head[account]
    return cash._value(h, self._now()), convert(accounts._fresh(h, health._period()), uint256)


@external
@view
@reentrant
def fund_balance() -> uint256:
    """
    @notice The insurance fund's bucket, quote units.
    """
    return cash._fund()


@external
@view
@reentrant
def keeper_budget() -> uint256:
    """
    @notice The keeper budget, quote units.
    """
    return cash._keeper()


@external
@view
@reentrant
def pending_deficit() -> uint256:
    """
    @notice Negative equity last observed of accounts in auction, quote units.
    """
    return cash.deficits & (2**96 - 1)


@external
@view
@reentrant
def vault() -> address:
    """
    @notice The collateral vault.
    """
    return health.VAULT


@external
@view
@reentrant
def account_version(account: uint256) -> uint256:
    """
    @notice A hash of all an account holds and of what deleveraging did to it; prices and accrual do not enter.
            Readable mid-call: a hash of words, of no use to a re-entrant caller.
    @param account Account id.
    """
    h: int256 = accounts.head[account]
    version: bytes32 = keccak256(abi_encode(account, h))
    bits: uint256 = accounts.held[account]
    for _: uint256 in range(72):
        if bits == 0:
            break
        m: uint256 = health._lowest(bits)
        bits &= unsafe_sub(bits, 1)  # bits != 0
        # Charges and epochs of the market, without its open interest, which strangers move.
        sides: int256 = ledger.hot[m] & ((((1 << 96) - 1) << 48) ^ -1)
        version = keccak256(abi_encode(version, ledger.positions[account][m], sides))
    if accounts._collateral(h) != 0:
        version = keccak256(
            abi_encode(version, staticcall ICollateralVault(health.VAULT).holdings(account))
        )
    return convert(version, uint256)
