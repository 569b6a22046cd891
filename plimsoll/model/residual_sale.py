"""The way back of the fund's residual: sold to orders of the venues, or netted (residuals.py)."""

from __future__ import annotations

from plimsoll.model.accounts import DEGRADED, Accounts
from plimsoll.model.engine_types import ISOLATED, OPEN
from plimsoll.model.residuals import lots_of, part
from plimsoll.model.rounding import div_up, require
from plimsoll.model.sale import receive, require_bidder
from plimsoll.model.standard_margin import Quote

BAND = 100_000  # 1e-5
MAX_PERPS = 64
USD = 10**15  # qu


def edge(quote: Quote, buys: bool) -> int:
    """The edge of the band that is good for the fund, ticks."""
    if buys:
        return div_up(quote.mark * (BAND + quote.high), BAND)
    return quote.mark * (BAND - min(quote.low, BAND)) // BAND


def fill_residual(house: Accounts, account: int, market: int, lots: int, limit: int) -> int:
    """Sell signed lots of the residual to an account that meets R_init afterwards; the price."""
    book = house.book(market)
    config, cash = house.configs[market], house.cash
    require(config.status == OPEN and house.pause == 0, "MarketPaused")
    require(lots != 0, "ZeroAmount")
    cash.accrue(house.now)
    a = house.account(account)
    require(not a.frozen, "Frozen")
    basis, quote = house.quote(market)
    require(quote.state <= DEGRADED, "StalePrice")
    price = edge(quote, lots > 0)
    require(price <= limit if lots > 0 else price >= limit, "OrderPrice")
    side, funding = book.side(lots), quote.mark - basis
    earned = part(side, abs(lots), price - funding)
    fee = div_up(abs(lots) * price * config.taker_fee, 10**6)
    g_in = lots * (funding + side.x - price) - fee
    a, dg = receive(house, account, a, market, lots, g_in, basis)
    side.oi -= abs(lots)
    house.accounts[account] = a
    book.book(dg - g_in - earned - fee)
    cash.fund_bears(earned + fee)
    left = abs(house.position(account, market).lots)
    require(left == 0 or left * quote.mark >= config.min_notional * USD, "DustPosition")
    require(len(a.markets) <= MAX_PERPS, "TooManyPositions")
    require(len(a.markets) < 2 or a.mode != ISOLATED, "WrongMode")
    require_bidder(house, account)
    cash.reprice()
    return price


def net_residual(house: Accounts, market: int) -> int:
    """Close the fund's lots of both sides against each other; lots closed of either."""
    book = house.book(market)
    house.cash.accrue(house.now)
    longs, shorts = book.sides[1], book.sides[-1]
    lots = min(lots_of(longs), lots_of(shorts))
    require(lots != 0, "NothingToDo")
    basis, _ = house.peek(market)
    earned = part(longs, lots, basis) + part(shorts, lots, basis)
    book.book(lots * (shorts.x - longs.x) - earned)
    longs.oi -= lots
    shorts.oi -= lots
    book.check_oi()
    house.cash.fund_bears(earned)
    house.cash.reprice()
    return lots
