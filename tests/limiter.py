"""A staged house with a sale limiter: who sells, who buys, what may be sold."""

from __future__ import annotations

from typing import Any

from plimsoll.deployment.house import Actor, House
from plimsoll.units import Number
from tests.stage import BTC, ETH, FOREVER, ONE

LOT = 10**6  # lots of one underlying unit


def limited(
    house: House, *, percent: int = 1, window: int = 600, reserve: int = 128, total: int = 0
) -> None:
    """Sets the flow and brings both markets in line with it."""
    house.govern("MarginEngine", "set_flow", (percent, window, reserve, total))
    for market in (ETH, BTC):
        house.engine.refresh_flow(market)


def sink(house: House, name: str, size: Number, *, price: int = 2_000) -> Actor:
    """A new account that goes long in ETH with a ninth of its notional."""
    account = house.actor(name, quote=int(size * price) // 9)
    house.trade("ETH-PERP", account, house.actors["maker"], size, price)
    return account


def bid(house: House, account: Actor, fraction: int = ONE, buyer: Actor | None = None) -> Any:
    """All of an account that may be sold, or so much of it."""
    who = buyer or house.actors["liquidator"]
    return house.auction.bid(account.id, who.id, 0, fraction, 2**200, FOREVER, sender=who)


def enrich(house: House) -> House:
    """A full fund; maker and liquidator able to take anything."""
    house.insure(500_000)
    for name in ("maker", "liquidator"):
        house.deposit(house.actors[name], 20_000_000)
    return house
