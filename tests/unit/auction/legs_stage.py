"""The house in which single legs are sold, its people, and the account in auction they bid for.

The fixtures reach the tests through conftest.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from plimsoll.deployment.house import House
from tests.stage import (
    ETH,
    FOREVER,
    fill,
    list_markets,
    move_price,
    person,
    staged,
    undone,
)

ANY = 2**256 - 1
LOT = 10**6  # lots of one unit of the underlying
SIZES = (20, 10, 6, 2, 1, "0.5", "0.01")


@pytest.fixture(scope="session")
def legs_house() -> House:
    return staged()


@pytest.fixture
def house(legs_house: House) -> Iterator[House]:
    with undone(legs_house) as one:
        yield one


trader, maker, liquidator = person("trader"), person("maker"), person("liquidator")
keeper, stranger, rival = person("keeper"), person("stranger"), person("rival")


def sink(house: House, account: int, percent: int = 90, *, up: bool = False) -> None:
    """Moves ETH until E is just under so many per cent of R."""
    near, far = 2_000, 4_000 if up else 500
    while abs(near - far) > 1:
        middle = (near + far) // 2
        with undone(house):
            move_price(house, middle)
            margin = house.engine.margin(account)
        if margin.equity * 100 < margin.requirement * percent:
            far = middle
        else:
            near = middle
    move_price(house, far)


def short_of_margin(house: House, percent: int = 90, *, eths: int = 25, btc: str = "1.25") -> int:
    """The trader long of both markets, ETH falls, its auction starts; its account."""
    who, other = house.actors["trader"], house.actors["maker"]
    house.trade("ETH-PERP", who, other, eths, 2_000)
    if btc != "0":
        house.trade("BTC-PERP", who, other, btc, 40_000)
    sink(house, who.id, percent)
    house.auction.start(who.id, sender=house.actors["keeper"])
    return int(who.id)


def of_eight(house: House) -> int:
    """The trader's auction with eight legs, of several sizes, on one feed."""
    who, other = house.actors["trader"], house.actors["maker"]
    markets = [ETH, *list_markets(house, 6)]
    house.settle(
        [fill(house, who, other, n, 2_000, market=m) for m, n in zip(markets, SIZES, strict=True)]
    )
    house.trade("BTC-PERP", other, who, "0.1", 40_000)
    sink(house, who.id)
    house.auction.start(who.id, sender=house.actors["keeper"])
    return int(who.id)


def take(house: House, market: int, lots: int, **changed: Any) -> Any:
    asked: dict[str, Any] = {
        "account": house.actors["trader"].id,
        "bidder": house.actors["liquidator"].id,
        "auction_id": 0,
        "market": market,
        "lots": lots,
        "cost_limit": 0,
        "deadline": FOREVER,
        "sender": house.actors["liquidator"],
    }
    asked.update(changed)
    sender = asked.pop("sender")
    return house.auction.bid_leg(*asked.values(), sender=sender)


def requirement(house: House, account: int) -> int:
    return int(house.engine.margin(account).requirement)


def most(house: House, market: int = ETH) -> int:
    return int(house.auction.leg_quote(house.actors["trader"].id, market).lots)
