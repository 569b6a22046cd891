"""Single legs are within the sale limiter too: their market's limit, the sum, the reserve."""

from __future__ import annotations

import pytest

from plimsoll.model.sale_limiter import wide
from plimsoll.testing import reverts
from tests.limiter import LOT, bid, enrich, limited, sink
from tests.stage import BTC, ETH, FOREVER, ONE, USD, conserves, move_price


@pytest.fixture
def rich(house):
    return enrich(house)


def bid_leg(house, account, lots, market=ETH):
    buyer = house.actors["liquidator"]
    call = (account.id, buyer.id, 0, market, lots, 2**200, FOREVER)
    return house.auction.bid_leg(*call, sender=buyer)


def whale_in_auction(house, name="whale", size=400):
    """Long ETH and one BTC, started."""
    whale = sink(house, name, size)
    house.deposit(whale, 4_500)
    house.trade("BTC-PERP", whale, house.actors["maker"], 1, 40_000)
    return whale


def test_bid_leg__one_lot_beyond_its_markets_limit__throttled(rich):
    limited(rich, reserve=0)
    whale = whale_in_auction(rich)
    move_price(rich, 1_780)
    rich.auction.start(whale.id)
    limit = rich.engine.flow_of(ETH).limit
    with reverts("Throttled"):
        bid_leg(rich, whale, limit + 1)
    assert rich.auction.leg_quote(whale.id, ETH).lots <= limit
    bid_leg(rich, whale, limit)
    assert rich.engine.flow_of(ETH).used == limit
    with reverts("Throttled"):
        bid_leg(rich, whale, 10**4)
    assert rich.engine.flow_of(BTC).used == 0
    with reverts("Throttled"):
        bid(rich, whale)
    conserves(rich)


def test_bid_leg__of_another_than_the_claimant__leaves_the_reserve(rich):
    limited(rich, reserve=128)
    other, whale = whale_in_auction(rich, "other", 300), whale_in_auction(rich)
    move_price(rich, 1_780)
    for account in (other, whale):
        rich.auction.start(account.id)
    half = rich.engine.flow_of(ETH).limit // 2
    with reverts("Throttled"):
        bid_leg(rich, other, half + 1)
    bid_leg(rich, other, half)
    bid_leg(rich, whale, half - 1)
    conserves(rich)


def test_bid_leg__its_worth__counts_in_the_sum_and_is_bounded_by_it(rich):
    limited(rich, percent=4_000, reserve=0, total=100_000)
    whale = whale_in_auction(rich)
    move_price(rich, 1_780)
    rich.auction.start(whale.id)
    most = 100_000 * USD // wide(2_000 * 10**9)
    with reverts("Throttled"):
        bid_leg(rich, whale, most + 2)
    bid_leg(rich, whale, most * 9 // 10)
    room = rich.engine.standing(whale.id).room
    worth = (400 * LOT - most * 9 // 10) * wide(2_000 * 10**9) + LOT * wide(40_000 * 10**9)
    assert abs(room - 10_000 * USD * ONE // worth) <= room // 100
    with reverts("Throttled"):
        bid_leg(rich, whale, most // 5)
    conserves(rich)


def test_bid_leg__x_held_by_the_limit_of_another_market__at_the_x_that_stands(rich):
    """ETH is used up and stays; the BTC leg is sold and told at the account's x."""
    limited(rich, reserve=0)
    whale = whale_in_auction(rich)
    move_price(rich, 1_780)
    rich.auction.start(whale.id)
    bid_leg(rich, whale, rich.engine.flow_of(ETH).limit)
    rich.advance(60, refresh=True)
    quote = rich.auction.cost(whale.id)
    assert quote.held > 50
    assert rich.auction.leg_quote(whale.id, BTC).x == quote.x
    assert bid_leg(rich, whale, LOT // 2, BTC).event("LegBid").x == quote.x
    conserves(rich)
