"""What a holder who was not looking is told of deleveraging, before and after a touch."""

from __future__ import annotations

import pytest

from plimsoll.protocol import Protocol
from plimsoll.testing import reverts
from tests.stage import BTC, ETH, USD, lots_of, move_price, run_auction

LOT = 10**6  # lots of one underlying unit


def bankrupt(house, name, size, price):
    """Somebody goes long with a tenth of the notional, the price falls through it, nobody bids."""
    house.mint(house.actors["maker"], 1_000_000)
    loser = house.actor(name, quote=size * price // 10)
    house.trade("ETH-PERP", loser, house.actors["maker"], size, price)
    fallen = price * 85 // 100
    move_price(house, fallen)
    house.auction.start(loser.id)
    run_auction(house, loser.id, 1_260)
    house.auction.deleverage(loser.id, 0)
    return fallen


def test_pending_event__nothing_happened__is_what_is_stored(house, trader, maker):
    house.trade("ETH-PERP", trader, maker, 3, 2_000)
    for who, sign in ((trader, 1), (maker, -1)):
        event = house.engine.pending_event(who.id, ETH)
        assert event == (sign * 3 * LOT, sign * 3 * LOT, 0, 0)
    assert house.engine.pending_event(trader.id, BTC) == (0, 0, 0, 0)
    with reverts("UnknownMarket"):
        house.engine.pending_event(trader.id, 99)


@pytest.mark.parametrize("times", [1, 2])
def test_pending_event__several_events__told_before_the_touch_that_stores_them(
    house, trader, maker, times
):
    """A rival holds the same and is touched in between; the trader looks only at the end."""
    house.insure(1_000)
    rival = house.actors["rival"]
    for holder in (trader, rival):
        house.trade("ETH-PERP", maker, holder, 10, 2_000)
    marks = []
    price = 2_000
    for number in range(times):
        fallen = bankrupt(house, f"loser{number}", 6, price)
        marks.append(fallen)
        price = fallen
        house.trade("ETH-PERP", maker, rival, "0.1", price)
    event = house.engine.pending_event(trader.id, ETH)
    assert event.stored == -10 * LOT
    assert event.shrinks == times
    assert event.lots == lots_of(house, trader.id)
    assert -10 * LOT < event.lots < 0
    closed = -10 * LOT - event.lots
    # Each short lot was worth minus (mark less index) where it closed; charges moved the index.
    most, least = (closed * mark * 10**9 for mark in (max(marks), min(marks)))
    assert most * 105 // 100 <= event.settled <= least * 95 // 100
    value = house.engine.position(trader.id, ETH).value
    house.trade("ETH-PERP", maker, trader, "0.1", price)
    after = house.engine.pending_event(trader.id, ETH)
    assert (after.shrinks, after.settled) == (0, 0)
    assert after.stored == after.lots == event.lots - LOT // 10
    assert abs(house.engine.position(trader.id, ETH).value - value) < 10**15


def test_pending_event__whole_side_closed__settles_every_lot(house, trader, maker):
    house.insure(1_000)
    house.trade("ETH-PERP", maker, trader, 10, 2_000)
    mark = bankrupt(house, "loser", 10, 2_000)
    event = house.engine.pending_event(trader.id, ETH)
    assert (event.stored, event.lots, event.shrinks) == (-10 * LOT, 0, 1)
    worth = -10 * LOT * mark * 10**9
    assert worth * 105 // 100 <= event.settled <= worth * 95 // 100
    told = Protocol.of_house(house, trader).pending_event(trader.id, "ETH-PERP")
    assert (told.stored, told.size, told.shrinks) == (-10, 0, 1)
    assert told.settled * USD == event.settled
