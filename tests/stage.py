"""One deployed protocol with its usual people, shared by the engine, security and scenario tests.

Money: trader and rival 10,000 USD, maker and liquidator 1,000,000 USD each, in their account 0.
ETH is at 2,000 USD, BTC at 40,000; every call that changes the chain is undone after a test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from plimsoll.deployment.abi import artifact
from plimsoll.deployment.house import Actor, House, account_id, deploy_house
from plimsoll.evm.storage import slot_of
from plimsoll.risk_parameters import STARTING
from plimsoll.units import Number, lots, ticks

USD = 10**15  # quote units
TOKEN = 10**6  # token units of one USD
TOK = 10**9  # quote units of one token unit
ONE = 10**18  # a whole account
ETH, BTC = 0, 1
TAKER_BUYS, BUYER_REDUCES, SELLER_REDUCES = 1, 2, 4
FOREVER = 2**40 - 1
PEOPLE = {"trader": 10_000, "rival": 10_000, "maker": 1_000_000, "liquidator": 1_000_000}
# An engine market like the shipped ones, in the order of its struct.
MARKET_CONFIG = (2**40, 2**36, 10, 0, 500, 500, 0)


def staged(**options: Any) -> House:
    """The house with its people."""
    house = deploy_house(**options)
    for name, quote in PEOPLE.items():
        house.actor(name, quote=quote)
    for name in ("stranger", "keeper", "operator"):
        house.actor(name)
    house.advance(3_600, refresh=True)  # the collateral's cap has opened
    return house


@contextmanager
def undone(house: House) -> Iterator[House]:
    """The house, put back afterwards."""
    before, actors = house.evm.snapshot(), dict(house.actors)
    try:
        yield house
    finally:
        house.evm.revert(before)
        house.actors = actors


def person(name: str) -> Any:
    """A fixture of this name: one of the staged house's people."""

    @pytest.fixture(name=name)
    def found(house: House) -> Actor:
        return house.actors[name]

    return found


def fill(
    house: House,
    buyer: Any,
    seller: Any,
    size: Number = 1,
    price: Number = 2_000,
    *,
    market: int = ETH,
    flags: int = 0,
) -> tuple[int, int, int, int, int, int]:
    """A fill in struct order; sizes in underlying units, prices in USD."""
    sides = [one if type(one) is int else account_id(one) for one in (buyer, seller)]
    return (market, *sides, lots(size), ticks(price), flags)


def move_price(house: House, usd: Number, feed: str = "ETH") -> None:
    """A new price, in force at once: the clock moves first."""
    house.evm.advance(15)
    house.set_price(feed, usd)


def cash(house: House, account: int) -> int:
    """An account's cash, quote units."""
    return int(house.engine.cash_of(account)[0])


def fresh(house: House, account: int) -> int:
    """Its fresh profit, quote units."""
    return int(house.engine.cash_of(account)[1])


def equity(house: House, account: int) -> int:
    """Its equity, quote units."""
    return int(house.engine.margin(account).equity)


def lots_of(house: House, account: int, market: int = ETH) -> int:
    """Its signed lots in a market."""
    return int(house.engine.position(account, market).lots)


def usd(amount: int) -> Decimal:
    """Quote units in USD."""
    return Decimal(amount) / USD


def conserves(house: House) -> None:
    """P1 and P2: the identity is exact and custody covers what the engine counts."""
    assert house.engine.solvency().gap == 0
    assert house.quote.balanceOf(house.vault.address) >= house.engine.buckets() % 2**64


def list_markets(house: House, count: int, feed: int = 1) -> list[int]:
    """Lists further markets on a feed; returns their ids."""
    first = house.engine.market_count()
    for market in range(first, first + count):
        house.govern(
            "StandardMargin", "list_market", market, feed, STARTING["ETH"].to_chain().astuple()
        )
        house.govern("MarginEngine", "list_market", MARKET_CONFIG)
    return list(range(first, first + count))


def give_residual(house: House, size: Number, market: int = ETH) -> None:
    """The fund owns so much of each side, bought at the mark: written, not deleveraged."""
    found, base = house.engine.market(market), "residuals"
    entry = artifact("MarginEngine").storage_layout["storage_layout"][base]["words"]
    shares = lots(size) << 24
    for key, charge in ((2 * market, found.charge_long), (2 * market + 1, found.charge_short)):
        cost = shares * (found.mark - found.funding - charge)
        slot = slot_of(entry["slot"], entry["type"], key)
        house.evm.set_storage(house.engine.address, slot, (cost << 104 | shares << 16) % 2**256)


def ruin(house: House, size: Number = 50, price: Number = 1_700) -> int:
    """The trader goes long with all it has, the price falls through it; its (negative) equity."""
    house.trade("ETH-PERP", house.actors["trader"], house.actors["maker"], size, 2_000)
    move_price(house, price)
    return equity(house, house.actors["trader"].id)


def run_auction(house: House, account: int, seconds: int) -> None:
    """Lets an auction's clock run; feeds stay fresh, the clock is synced at every step."""
    while seconds > 0:
        step = min(60, seconds)
        house.advance(step, refresh=True)
        house.auction.sync(account)
        seconds -= step
