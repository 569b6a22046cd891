# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title engine_settings
@license AGPL-3.0-only
@notice What governance sets of the margin engine: markets, pause, risk model, modules, venues, fee
        split, interest. The owner may set all of it, the guardian only make things stricter. Each
        setter tells old and new.
"""
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import engine_state
from contracts.core import health
from contracts.interfaces import IMarginEngine
from contracts.interfaces import IRiskModel
from contracts.modules import errors
from contracts.modules import quote_word
from snekmate.auth import ownable

uses: ownable
uses: cash
uses: cash_interest
uses: engine_state
uses: health


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


MAX_BAND: constant(
    uint256
) = 2000  # 20 %: beyond it a fill could hand an account to its counterparty
MAX_FEE: constant(uint256) = 10000  # 1 %
MAX_HAIRCUT: constant(uint256) = 10000
MAX_PERIOD: constant(uint256) = 30 * 86400


@external
def list_market(config: MarketConfig) -> uint256:
    """
    @notice Lists the next market id. Owner only. The risk model must know the id already: its
            quote is read.
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
    @notice Changes a market's caps, fees, band and status. Owner only; a wound-down market stays
            so.
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
    @notice Ends a market that is reduce-only: its mark is fixed by the risk model at the oracle's
            settlement price, and from then on anyone settles any position into cash with `realise`.
            Owner only, for good.
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
    @notice Sets the level of the whole house: 0 open, 1 no new risk, 2 reduce only, 3 auctions
            stopped too, 4 all stopped but exits. The guardian may only raise it, the owner may set
            any.
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
    @notice Sets the interest line and the borrow cap. Owner only; interest so far accrues at the
            old line.
    @param r Units in Rates.
    """
    ownable._check_owner()
    errors._require(
        r.base < 2**24 and r.slope < 2**24 and r.slope_above < 2**24, errors.BAD_PARAMETER
    )
    errors._require(r.kink <= 10000 and r.fund_share <= 5000, errors.BAD_PARAMETER)
    # 1e24 quote units of debt at most: debt shares stay below 2^80.
    errors._require(r.borrow_cap <= cash.MAX_SUPPLY, errors.BAD_PARAMETER)
    w: uint256 = cash_interest._accrue()
    old: uint256 = cash.rates
    cash.rates = (
        r.base
        | (r.slope << 24)
        | (r.slope_above << 48)
        | (r.kink << 72)
        | (r.fund_share << 88)
        | (r.borrow_cap << 104)
    )
    cash_interest._reprice()
    log IMarginEngine.RatesSet(old=old, new=cash.rates)
