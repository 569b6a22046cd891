"""Redemptions of the fund around a real deficit: the auction stops and starts their clock."""

from __future__ import annotations

import pytest

from plimsoll.testing import reverts
from tests.stage import FOREVER, ONE, TOKEN, USD, conserves, equity, move_price, ruin, run_auction

DAY, HOUR = 86_400, 3_600


def insurers(house, *names):
    """Equal holders of a fund of 300,000 USD."""
    found = {}
    for name in names:
        who = house.actor(name)
        assets = house.mint(who, 300_000 // len(names))
        house.fund.deposit(assets, who, sender=who)
        found[name] = who
    return found


def ask(house, who):
    house.fund.request_redeem(house.fund.balanceOf(who), sender=who)


def leave(house, who):
    """Redeems all; the assets paid."""
    shares = house.fund.request_of(who).shares
    return house.fund.redeem(shares, who, who, sender=who).value


@pytest.mark.parametrize("way", ["bid", "deleverage", "cure"])
def test_redemptions__deficit_within_their_windows__same_order_same_price(house, way):
    """Nobody asks again and nobody has to have the fund look: the auction does."""
    people = insurers(house, "first", "second", "late")
    first, second, late = people.values()
    ask(house, first)
    house.advance(DAY, refresh=True)
    ask(house, second)
    house.advance(6 * DAY + HOUR, refresh=True)
    ruin(house, 50, 1_700)
    trader = house.actors["trader"]
    house.auction.start(trader.id)
    begun = house.evm.timestamp
    assert tuple(house.fund.clock()) == (0, begun)
    run_auction(house, trader.id, 600)
    ask(house, late)
    with reverts("DeficitOpen"):
        leave(house, first)
    if way == "bid":
        who = house.actors["liquidator"]
        receipt = house.auction.bid(trader.id, who.id, 0, ONE, 10**30, FOREVER, sender=who)
    elif way == "deleverage":
        run_auction(house, trader.id, 660)
        receipt = house.auction.deleverage(trader.id, 0)
    else:
        house.deposit(trader, 100_000)
        receipt = house.auction.end(trader.id)
    stood = house.evm.timestamp - begun
    assert house.engine.pending_deficit() == 0
    event = receipt.event("RedemptionClockSet")
    assert (event.stands, event.stood) == (False, stood)
    assert tuple(house.fund.clock()) == (stood, 0)
    with reverts("Cooldown"):
        leave(house, second)  # her window opens in its turn
    got = leave(house, first)
    house.advance(DAY, refresh=True)
    assert abs(leave(house, second) - got) <= 1
    with reverts("Cooldown"):
        leave(house, late)
    house.advance(6 * DAY, refresh=True)
    assert abs(leave(house, late) - got) <= 1
    lost = way != "cure"
    assert (got < 100_000 * TOKEN - TOKEN) == lost
    conserves(house)


def test_redemptions__part_of_a_deficit_sold__clock_stands_on(house):
    insurers(house, "first")
    ruin(house, 50, 1_700)
    trader, who = house.actors["trader"], house.actors["liquidator"]
    house.auction.start(trader.id)
    begun = house.evm.timestamp
    run_auction(house, trader.id, 120)
    house.auction.bid(trader.id, who.id, 0, ONE // 2, 10**30, FOREVER, sender=who)
    assert tuple(house.fund.clock()) == (120, begun)
    move_price(house, 2_000)  # prices are back: what is left is solvent
    house.auction.sync(trader.id)
    assert tuple(house.fund.clock()) == (house.evm.timestamp - begun, 0)


def test_redemptions__griefer_opens_and_cures_at_once__moves_nothing(house):
    """A deficit of one's own, started, shown to the fund and cured in one block."""
    first = insurers(house, "first")["first"]
    ask(house, first)
    ready = house.fund.request_of(first).ready
    ruin(house, 50, 1_700)
    trader = house.actors["trader"]
    owed = -equity(house, trader.id)
    assert owed > 300_000 * USD // 200
    house.auction.start(trader.id)
    house.fund.sync(sender=trader)
    assert house.fund.clock().since == house.evm.timestamp
    house.deposit(trader, 20_000)
    house.auction.end(trader.id)
    house.advance(DAY, refresh=True)
    assert tuple(house.fund.clock()) == (0, 0)
    assert house.fund.request_of(first).ready == ready
