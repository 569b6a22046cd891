"""The typed handle's part on liquidation: the same numbers as the contracts', in people's units."""

from __future__ import annotations

from decimal import Decimal

import pytest

from plimsoll.deployment.house import House
from plimsoll.protocol import Protocol, ProtocolError
from tests.stage import move_price, ruin, run_auction

DAY = 86_400
LATER = 2**40


@pytest.fixture
def desk(house: House) -> Protocol:
    """A handle that sends as the liquidator; the trader is under its requirement."""
    for name, quote in {"trader": 10_000, "maker": 1_000_000, "liquidator": 1_000_000}.items():
        house.actor(name, quote=quote)
    return Protocol.of_house(house, house.actors["liquidator"])


def test_auction__started_quoted_and_sold__as_the_contract_says(
    house: House, desk: Protocol
) -> None:
    account, bidder = house.actors["trader"].id, house.actors["liquidator"].id
    assert not desk.auction(account).running
    with pytest.raises(ProtocolError, match="NoAuction"):
        desk.auction_quote(account)
    ruin(house, price=1_830)
    desk.start_auction(account)
    run_auction(house, account, 60)
    desk.sync_auction(account)
    run, quote = desk.auction(account), desk.auction_quote(account)
    assert (run.running, run.number, run.elapsed) == (True, 1, 60)
    assert run.starter == house.actors["liquidator"].address
    assert run.x == quote.x == Decimal("0.175")
    assert quote.cost * 10**15 == house.auction.cost(account).cost
    assert (quote.priority, quote.wait) == (0, 0)
    leg = desk.leg_quote(account, "ETH-PERP")
    assert 0 < leg.size < 50
    assert leg.cost < 0
    desk.bid_leg(account, bidder, "ETH-PERP", leg.size, leg.cost, LATER, auction_id=leg.id)
    assert desk.position(bidder, "ETH-PERP").size == leg.size
    assert not desk.auction(account).running


def test_pre_liquidation__asked_for__quoted_and_taken(house: House, desk: Protocol) -> None:
    trader, bidder = house.actors["trader"], house.actors["liquidator"].id
    house.trade("ETH-PERP", trader, house.actors["maker"], 50, 2_000)
    owner = Protocol.of_house(house, trader)
    assert desk.pre_quote(trader.id).until == 0
    owner.set_pre_liquidation(trader.id, True)
    move_price(house, 1_838)
    margin = desk.margin(trader.id)
    house.deposit(trader, round(margin.requirement * Decimal("1.02") - margin.equity, 2))
    quote = desk.pre_quote(trader.id)
    assert 0 < quote.fraction <= Decimal("0.2")
    desk.pre_liquidate(trader.id, bidder, quote.cost + 1, LATER, max_fraction="0.01")
    assert desk.position(bidder, "ETH-PERP").size == Decimal("0.5")
    assert desk.pre_quote(trader.id).used == Decimal("0.01")


def test_intent__committed_filled_and_released(house: House, desk: Protocol) -> None:
    trader, backer = house.actors["trader"].id, house.actors["liquidator"].id
    assert desk.intent(backer) is None
    expiry = house.evm.timestamp + DAY
    desk.commit_intent(
        backer, 50_000, "0.05", expiry, largest_usd=90_000, markets=["ETH-PERP"], collateral=True
    )
    one = desk.intent(backer)
    assert one is not None
    assert (one.capacity, one.largest, one.premium) == (50_000, 90_000, Decimal("0.05"))
    assert (one.markets, one.collateral, one.expiry) == (("ETH-PERP",), True, expiry)
    ruin(house, price=1_830)
    desk.start_auction(trader)
    desk.fill_intent(trader, backer)
    left = desk.intent(backer)
    assert left is not None
    assert left.capacity < 50_000
    desk.revoke_intent(backer)
    house.advance(3_601, refresh=True)
    desk.release_intent(backer)
    assert desk.intent(backer) is None


def test_deficits__insolvent_account__pending_then_paid_or_owed(
    house: House, desk: Protocol
) -> None:
    account = house.actors["trader"].id
    house.insure(1_000)
    assert desk.drawable("ETH-PERP") == 500
    assert desk.drawable(256) <= 500
    deficit = Decimal(-ruin(house)) / 10**15
    desk.start_auction(account)
    assert desk.deficits().pending == deficit
    assert desk.deficits().excess == deficit - 500
    run_auction(house, account, 1_200)
    desk.deleverage(account)
    after = desk.deficits()
    assert (after.pending, after.excess, after.socialisations) == (0, 0, 1)
    assert after.owed > 0
