# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title residual_sale
@license AGPL-3.0-only
@notice The way back of what deleveraging left the insurance fund of each side: sold to orders of the venues, at the
        edge of the oracle's band that is good for the fund. What it earns is the fund's income, what it loses the fund
        pays.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import engine_state
from contracts.core import health
from contracts.core import ledger
from contracts.core import residuals
from contracts.core import sale
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
uses: residuals
uses: sale


@external
def fill_residual(account: uint256, market: uint256, lots: int256, limit: uint256) -> uint256:
    """
    @notice Sells lots that are the fund's residual of a side to an account, which pays the taker's rate to the fund as
            well and meets its initial requirement afterwards. Open interest does not rise. Only a registered venue may
            call; it vouches for the owner's consent.
    @param account Account id.
    @param market Market id, open.
    @param lots Signed lots the account receives: of the longs' residual, or, negative, of the shorts'.
    @param limit The worst price the account takes, ticks.
    @return The price, ticks: the upper edge of the band for longs, the lower one for shorts.
            Errors: NotVenue, UnknownMarket, MarketPaused, ZeroAmount, Frozen, StalePrice, OrderPrice, NoResidual (more
            than `residual_of` tells), DustPosition, TooManyPositions, WrongMode, Underwater, FundEmpty (it could not pay
            its loss).
    """
    errors._require(
        engine_state.venues[msg.sender] != 0
        or (msg.sender == engine_state.house_venue and (health.core >> 216) & 1 == 0),
        errors.NOT_VENUE,
    )
    errors._require(market < engine_state.market_count, errors.UNKNOWN_MARKET)
    c: uint256 = engine_state.config[market]
    errors._require(((c >> 168) | (health.core >> 160)) & 255 == 0, errors.MARKET_PAUSED)
    errors._require(lots != 0, errors.ZERO_AMOUNT)
    w: uint256 = cash_interest._accrue()
    h: int256 = accounts.head[account]
    errors._require(h & accounts.FROZEN_BIT == 0, errors.FROZEN)
    hot: int256 = ledger.hot[market]
    q: uint256 = extcall IRiskModel(health._risk()).quote(market, ledger._root(hot))
    errors._require(quote_word._state(q) <= health.DEGRADED, errors.STALE_PRICE)
    price: uint256 = quote_word._high_edge_ceil(q)
    if lots < 0:
        price = quote_word._low_edge_floor(q)
    errors._require(price == limit or (price < limit) == (lots > 0), errors.ORDER_PRICE)
    funding: int256 = quote_word._funding(q)
    side: residuals.Side = residuals._side(market, lots > 0, hot)
    earned: int256 = residuals._part(
        side, convert(abs(lots), uint256), convert(price, int256) - funding
    )
    # Proof for the unsafe steps: `_part` found the lots, so they are below 2^56, as prices are; a rate is below 2^16.
    fee: int256 = unsafe_div(
        unsafe_add(
            unsafe_mul(
                unsafe_mul(abs(lots), convert(price, int256)), convert((c >> 136) & 65535, int256)
            ),
            999999,
        ),
        10**6,
    )
    g_in: int256 = lots * (funding + side.x - convert(price, int256)) - fee
    dg: int256 = 0
    mark: int256 = convert(quote_word._mark(q), int256)
    h, dg = sale._receive(account, h, market, lots, g_in, hot, mark - funding, w)
    accounts.head[account] = h
    # The g of what was sold stood for the account's now, and for what the fund earns.
    ledger._book(market, dg - g_in - earned - fee)
    cash._fund_bears(earned + fee)
    least: int256 = convert((c >> 96) & (2**24 - 1), int256) * engine_state.USD
    left: int256 = abs(ledger.positions[account][market] >> 192)
    errors._require(left == 0 or left * mark >= least, errors.DUST_POSITION)
    errors._require(accounts._perps(h) <= accounts.MAX_PERPS, errors.TOO_MANY_POSITIONS)
    errors._require(
        accounts._perps(h) < 2 or accounts._mode(h) != accounts.ISOLATED, errors.WRONG_MODE
    )
    sale._require_bidder(account, h, w)
    cash_interest._reprice()
    log IMarginEngine.ResidualSold(
        market=market, account=account, lots=lots, price=price, earned=earned + fee
    )
    return price
