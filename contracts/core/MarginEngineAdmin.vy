# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title MarginEngineAdmin
@license AGPL-3.0-only
@notice Third bytecode of the margin engine: settings, the fund's doors, rarer account calls and views. Runs by
        delegate call on MarginEngine's storage; called directly it sees only its own empty one.
@custom:kill `set_pause(4)` by guardian or owner stops all but exits; a market ends by `wind_down`.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import engine_state
from contracts.core import health
from contracts.core import ledger
from contracts.interfaces import ICollateralVault
from contracts.interfaces import IMarginEngine
from contracts.interfaces import IRiskModel
from contracts.modules import errors
from contracts.modules import quote_word
from contracts.modules import rounding
from snekmate.auth import ownable
from snekmate.auth import ownable_2step

# One storage layout for all three bytecodes of the engine: this order is the layout.
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: accounts
initializes: cash
initializes: ledger
initializes: health[accounts := accounts, cash := cash, ledger := ledger]
initializes: engine_state

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    # words, as stored: layouts in the modules
    accounts.head,
    accounts.held,
    accounts.operators,
    cash.indices,
    cash.totals,
    cash.buckets,
    cash.deficits,
    cash.hole,
    cash.deficit_of,
    cash.escrow,
    cash.era_end,
    cash.rates,
    health.core,
    engine_state.auction,
    engine_state.fund,
    engine_state.guardian,
    engine_state.fee_split,
    engine_state.venues,
    engine_state.house_venue,
    engine_state.config,
    engine_state.market_count,
)


struct MarketConfig:
    cap_lots: uint256  # lots of either side, < 2^55
    cap_usd: uint256  # whole USD of either side at mark, < 2^40
    min_notional: uint256  # whole USD, 1 .. 2^24 - 1
    maker_fee: int256  # 1e-6 of notional, negative: a rebate, never above the taker fee
    taker_fee: uint256  # 1e-6 of notional, at most 1 %
    band: uint256  # 1e-4 of mark, the furthest a fill price may lie from it, 1 .. 2000
    status: uint256  # 0 open, 1 no new risk, 2 reduce only


struct Rates:
    base: uint256  # per second, 1e-13
    slope: uint256  # per second at full utilisation below the kink, 1e-13
    slope_above: uint256  # per second at full utilisation above the kink, 1e-13
    kink: uint256  # utilisation, 1e-4
    fund_share: uint256  # of interest, 1e-4, at most half
    borrow_cap: uint256  # token units


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
    hole: uint256  # qu, loss that found no payer
    gap: int256  # qu scaled by 2^72: assets minus claims; 0 always


MAX_BAND: constant(
    uint256
) = 2000  # 20 %: beyond it a fill could hand an account to its counterparty
MAX_FEE: constant(uint256) = 10000  # 1 %
MAX_HAIRCUT: constant(uint256) = 10000
MAX_PERIOD: constant(uint256) = 30 * 86400


@deploy
def __init__(vault: address):
    """
    @notice Fixes what the code needs; the storage here is never used.
    @param vault The collateral vault, the same as MarginEngine's.
    """
    ownable.__init__()
    ownable_2step.__init__()
    cash.__init__()
    health.__init__(vault)


# ---------------------------------------------------------------- accounts


@external
def release(account: uint256):
    """
    @notice Settles an account's escrow once the fund covers all pending deficits. Anyone may call.
    @param account Account id.
    """
    w: uint256 = cash._accrue()
    accounts.head[account] = cash._release(account, accounts.head[account], w)
    cash._reprice()


# ---------------------------------------------------------------- fund and fees


@external
def fund_deposit(payer: address, amount: uint256):
    """
    @notice Adds tokens to the fund's bucket. Only the insurance fund may call.
    @param payer Who pays; approved the vault.
    @param amount Token units.
    """
    errors._require(msg.sender == engine_state.fund, errors.NOT_FUND)
    extcall ICollateralVault(health.VAULT).pull_quote(payer, amount)
    cash._move_vault(convert(amount, int256))
    cash._to_fund(amount * cash.TOK)


@external
def fund_withdraw(receiver: address, amount: uint256):
    """
    @notice Pays a redemption out of the fund's bucket. Only the insurance fund may call.
    @param receiver Who receives.
    @param amount Token units.
    """
    errors._require(msg.sender == engine_state.fund, errors.NOT_FUND)
    has: uint256 = cash._fund()
    errors._require(amount * cash.TOK <= has, errors.FUND_EMPTY)
    errors._require(amount <= cash.buckets & (2**64 - 1), errors.VAULT_SHORT)
    cash._set_fund(has - amount * cash.TOK)
    cash._move_vault(-convert(amount, int256))
    extcall ICollateralVault(health.VAULT).push_quote(receiver, amount, True)


@external
def budget_move(amount: uint256):
    """
    @notice Moves part of the fund to the keeper budget. Only the insurance fund may call.
    @param amount Quote units.
    """
    errors._require(msg.sender == engine_state.fund, errors.NOT_FUND)
    has: uint256 = cash._fund()
    errors._require(amount <= has, errors.FUND_EMPTY)
    cash._set_fund(has - amount)
    cash._set_keeper(cash._keeper() + amount)


@external
def collect_fees(market: uint256):
    """
    @notice Splits a market's fees between the fund and the treasury's account. Anyone may call.
    @param market Market id.
    """
    c: uint256 = engine_state.config[market]
    fees: uint256 = c >> 177
    errors._require(fees != 0, errors.NOTHING_TO_DO)
    w: uint256 = cash._accrue()
    split: uint256 = engine_state.fee_split
    treasury: uint256 = fees * (10000 - ((split >> 160) & 65535)) // 10000
    engine_state.config[market] = c & (engine_state.FEES_ONE - 1)
    ledger._book(market, -convert(fees, int256))
    cash._to_fund(fees - treasury)
    account: uint256 = (split & (2**160 - 1)) << 96
    accounts.head[account] = cash._credit(accounts.head[account], w, convert(treasury, int256))
    cash._reprice()
    log IMarginEngine.FeesCollected(market=market, fees=fees, treasury=treasury)


# ---------------------------------------------------------------- settings


@external
def list_market(config: MarketConfig) -> uint256:
    """
    @notice Lists the next market id. Owner only. The risk model must know the id already: its quote is read.
    @param config Units in MarketConfig.
    @return The market id.
    """
    ownable._check_owner()
    market: uint256 = engine_state.market_count
    errors._require(market < health.NO_MARKET, errors.TOO_MANY)
    q: uint256 = staticcall IRiskModel(health._risk()).peek(market)
    errors._require(quote_word._mark(q) != 0, errors.NO_PRICE)
    engine_state.market_count = market + 1
    self._configure(market, config)
    return market


@external
def set_market(market: uint256, config: MarketConfig):
    """
    @notice Changes a market's caps, fees, band and status. Owner only; a wound-down market stays so.
    @param market Market id.
    @param config Units in MarketConfig.
    """
    ownable._check_owner()
    self._require_live(market)
    self._configure(market, config)


@internal
@view
def _require_live(market: uint256):
    """
    @notice Reverts unless the market is listed and not wound down.
    """
    errors._require(market < engine_state.market_count, errors.UNKNOWN_MARKET)
    errors._require(
        (engine_state.config[market] >> 168) & 255 != engine_state.CLOSED, errors.MARKET_CLOSED
    )


@internal
def _configure(market: uint256, c: MarketConfig):
    """
    @notice Checks and stores a market's configuration.
    """
    errors._require(c.cap_lots != 0 and c.cap_lots < 2**55, errors.BAD_PARAMETER)
    errors._require(c.cap_usd != 0 and c.cap_usd < 2**40, errors.BAD_PARAMETER)
    errors._require(c.min_notional != 0 and c.min_notional < 2**24, errors.BAD_PARAMETER)
    errors._require(
        c.taker_fee <= MAX_FEE and c.band != 0 and c.band <= MAX_BAND, errors.BAD_PARAMETER
    )
    errors._require(c.status < 3, errors.BAD_PARAMETER)
    taker: int256 = convert(c.taker_fee, int256)
    errors._require(
        c.maker_fee <= convert(MAX_FEE, int256) and c.maker_fee >= -taker, errors.JOINT_BOUND
    )
    new: uint256 = (
        c.cap_lots
        | (c.cap_usd << 56)
        | (c.min_notional << 96)
        | (convert(c.maker_fee & 65535, uint256) << 120)
        | (c.taker_fee << 136)
        | (c.band << 152)
        | (c.status << 168)
        | (1 << 176)
    )
    held: uint256 = (engine_state.config[market] >> 177) << 177
    self._log_config(market, new | held)


@internal
def _log_config(market: uint256, new: uint256):
    """
    @notice Stores a market's word and tells old and new.
    """
    old: uint256 = engine_state.config[market]
    engine_state.config[market] = new
    log IMarginEngine.MarketSet(market=market, old=old, new=new)


@external
def set_status(market: uint256, status: uint256):
    """
    @notice Makes a market stricter. Guardian or owner.
    @param market Market id.
    @param status Above the present one: 1 no new risk, 2 reduce only.
    """
    self._only_guardian()
    self._require_live(market)
    old: uint256 = engine_state.config[market]
    errors._require(status < 3, errors.BAD_PARAMETER)
    errors._require(status > (old >> 168) & 255, errors.BAD_PARAMETER)
    self._log_config(market, (old & (max_value(uint256) ^ (255 << 168))) | (status << 168))


@external
def wind_down(market: uint256):
    """
    @notice Ends a market that is reduce-only: its mark is fixed by the risk model at the oracle's settlement price,
            and from then on anyone settles any position into cash with `realise`. Owner only, for good.
    @param market Market id.
    """
    ownable._check_owner()
    self._require_live(market)
    old: uint256 = engine_state.config[market]
    errors._require((old >> 168) & 255 == engine_state.REDUCE_ONLY, errors.MARKET_OPEN)
    extcall IRiskModel(health._risk()).close(market)
    self._log_config(market, old | (engine_state.CLOSED << 168))


@external
def set_pause(level: uint256):
    """
    @notice Sets the level of the whole house: 0 open, 1 no new risk, 2 reduce only, 3 auctions stopped too,
            4 all stopped but exits. The guardian may only raise it, the owner may set any.
    @param level The level.
    """
    self._only_guardian()
    errors._require(level < 5, errors.BAD_PARAMETER)
    old: uint256 = health.core
    errors._require(
        level > (old >> 160) & 255 or msg.sender == ownable.owner, errors.NOT_GOVERNANCE
    )
    health.core = (old & (max_value(uint256) ^ (255 << 160))) | (level << 160)
    log IMarginEngine.CoreSet(old=old, new=health.core)


@internal
@view
def _only_guardian():
    """
    @notice Reverts unless guardian or owner calls.
    """
    errors._require(
        msg.sender == engine_state.guardian or msg.sender == ownable.owner, errors.NOT_GUARDIAN
    )


@external
def set_core(risk: address, haircut: uint256, period: uint256):
    """
    @notice Sets the risk model and the rule of fresh profit. Owner only.
    @param risk The risk model; has code.
    @param haircut Of fresh profit in E_init, 1e-4, at most 10,000.
    @param period Over which fresh profit decays, seconds, 60 .. 30 days.
    """
    ownable._check_owner()
    errors._require(risk.is_contract, errors.BAD_ARGUMENT)
    errors._require(
        haircut <= MAX_HAIRCUT and period >= 60 and period <= MAX_PERIOD, errors.BAD_PARAMETER
    )
    old: uint256 = health.core
    health.core = (
        convert(risk, uint256)
        | (old & ((255 << 160) | (1 << 216)))
        | (haircut << 168)
        | (period << 184)
    )
    log IMarginEngine.CoreSet(old=old, new=health.core)


@external
def set_module(kind: uint256, module: address):
    """
    @notice Sets a module. Owner only.
    @param kind 1 auction, 2 insurance fund, 3 guardian.
    @param module Its address; has code, but for the guardian.
    """
    ownable._check_owner()
    errors._require(
        module.is_contract or (kind == 3 and module != empty(address)), errors.BAD_ARGUMENT
    )
    old: address = empty(address)
    if kind == 1:
        old = engine_state.auction
        engine_state.auction = module
    elif kind == 2:
        old = engine_state.fund
        engine_state.fund = module
    else:
        errors._require(kind == 3, errors.BAD_ARGUMENT)
        old = engine_state.guardian
        engine_state.guardian = module
    log IMarginEngine.ModuleSet(kind=kind, old=old, new=module)


@external
def set_venue(venue: address, allowed: bool):
    """
    @notice Registers or removes a venue. Owner only.
    @param venue Its address; has code.
    @param allowed True to register.
    """
    ownable._check_owner()
    errors._require(venue.is_contract, errors.BAD_ARGUMENT)
    if venue == engine_state.house_venue:
        core: uint256 = health.core
        health.core = (core & (max_value(uint256) ^ (1 << 216))) | (
            convert(not allowed, uint256) << 216
        )
    else:
        engine_state.venues[venue] = convert(allowed, uint256)
    log IMarginEngine.VenueSet(venue=venue, allowed=allowed)


@external
def set_fee_split(treasury: address, fund_share: uint256):
    """
    @notice Sets who gets trading fees. Owner only.
    @param treasury Owner of the account that takes the rest; may take fees and nothing else.
    @param fund_share The insurance fund's share, 1e-4, at most 10,000.
    """
    ownable._check_owner()
    errors._require(treasury != empty(address), errors.NULL_ADDRESS)
    errors._require(fund_share <= 10000, errors.BAD_PARAMETER)
    old: uint256 = engine_state.fee_split
    engine_state.fee_split = convert(treasury, uint256) | (fund_share << 160)
    log IMarginEngine.FeeSplitSet(old=old, new=engine_state.fee_split)


@external
def set_rates(r: Rates):
    """
    @notice Sets the interest line and the borrow cap. Owner only; interest so far accrues at the old line.
    @param r Units in Rates.
    """
    ownable._check_owner()
    errors._require(
        r.base < 2**24 and r.slope < 2**24 and r.slope_above < 2**24, errors.BAD_PARAMETER
    )
    errors._require(r.kink <= 10000 and r.fund_share <= 5000, errors.BAD_PARAMETER)
    # 1e24 quote units of debt at most: debt shares stay below 2^80.
    errors._require(r.borrow_cap <= cash.MAX_SUPPLY, errors.BAD_PARAMETER)
    w: uint256 = cash._accrue()
    old: uint256 = cash.rates
    cash.rates = (
        r.base
        | (r.slope << 24)
        | (r.slope_above << 48)
        | (r.kink << 72)
        | (r.fund_share << 88)
        | (r.borrow_cap << 104)
    )
    cash._reprice()
    log IMarginEngine.RatesSet(old=old, new=cash.rates)


# ---------------------------------------------------------------- views: readable mid-call, they write nothing and
# every flow of this house leaves its words consistent before it calls out


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
    w, interest, kept = cash._grown()
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
    @return Position; market's hot and book words; the longs' side word and record now; the shorts' the same.
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
    s.borrowed = cash._debt(w)
    s.fund = cash._fund()
    s.keeper = cash._keeper()
    s.advances = (d >> 96) & (2**96 - 1)
    s.pending = d & (2**96 - 1)
    s.hole = cash.hole
    for m: uint256 in range(engine_state.market_count, bound=256):
        fees: uint256 = engine_state.config[m] >> 177
        s.unrealised += ledger._unrealised(m) - convert(fees, int256)
        s.fees += fees
    claims: int256 = (
        s.unrealised
        + convert(s.fund + s.keeper + s.fees, int256)
        - convert(s.advances + s.hole + s.vault, int256)
    )
    scaled: int256 = convert((t & (2**96 - 1)) * (w & (2**96 - 1)) + (t >> 176), int256)
    scaled -= convert(((t >> 96) & (2**80 - 1)) * ((w >> 96) & (2**96 - 1)), int256)
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
