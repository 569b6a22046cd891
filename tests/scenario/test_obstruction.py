"""What an owner does to keep keepers and bidders off its account, and why it does not help."""

from __future__ import annotations

import pytest

from plimsoll.testing import reverts
from tests.stage import (
    FOREVER,
    ONE,
    TOKEN,
    USD,
    conserves,
    equity,
    fill,
    list_markets,
    lots_of,
    move_price,
    run_auction,
)

ANY = 2**256 - 1


def whale_in_auction(house, maker, *, dust):
    """Two thousand ETH long, under its requirement; with `dust` a leg of forty dollars beside."""
    whale = house.actor("whale", quote=500_000)
    house.trade("ETH-PERP", whale, maker, 2_000, 2_000)
    if dust:
        house.trade("BTC-PERP", whale, maker, dust, 40_000)
    move_price(house, 1_830)
    house.auction.start(whale.id, sender=house.actors["keeper"])
    return whale


@pytest.mark.parametrize("dust", ["0.001", "0.0012"])
def test_dust_leg__beside_a_whale__does_not_ask_for_a_bidder_of_the_whole(house, maker, dust):
    """A leg of exactly the least size would be left under it by any partial sale. Were those
    refused, nobody of ordinary means could bid, and the whale would leave at mark, unpunished, at
    x = 1."""
    whale = whale_in_auction(house, maker, dust=dust)
    small = house.actor("small", quote=100_000)
    with reverts("Underwater"):
        house.auction.bid(whale.id, small.id, 0, ONE, 10**30, FOREVER, sender=small)
    size, before = lots_of(house, whale.id), equity(house, whale.id)
    house.auction.bid(whale.id, small.id, 0, ONE // 10, 10**30, FOREVER, sender=small)
    assert lots_of(house, small.id) == size // 10
    assert before * 85 // 100 < equity(house, whale.id) < before
    assert equity(house, small.id) > 100_000 * USD
    conserves(house)


def test_dust_legs__in_64_markets__a_fresh_account_takes_the_whole(house, maker, liquidator):
    """All the legs an account may open, sixty-two of them dust: one bid takes them."""
    owner = house.actor("hedgehog", quote=12_000)
    dust = list_markets(house, 62)
    house.trade("ETH-PERP", owner, maker, 50, 2_000)
    house.trade("BTC-PERP", owner, maker, "0.001", 40_000)
    for first in range(0, 62, 31):
        house.settle(
            [fill(house, owner, maker, "0.005", market=m) for m in dust[first : first + 31]]
        )
    move_price(house, 1_810)
    house.auction.start(owner.id)
    receipt = house.auction.bid(owner.id, liquidator.id, 0, ONE, 10**30, FOREVER, sender=liquidator)
    assert receipt.gas_used < 10_000_000
    assert house.engine.held(owner.id) == 0
    conserves(house)


def test_dust_collateral__added_when_the_auction_starts__keeps_no_intent_out(
    house, trader, maker, liquidator
):
    """An intent without collateral takes an account with a cent of it, and deleveraging at x = 1
    does not wait for t_end either."""
    until = house.evm.timestamp + 86_400
    house.auction.commit_intent(
        liquidator.id, (5_000 * TOKEN, 10**12, 0, until, False, ANY), sender=liquidator
    )
    house.trade("ETH-PERP", trader, maker, 50, 2_000)
    move_price(house, 1_830)
    house.auction.start(trader.id)
    house.deposit_collateral(trader, "0.000005")
    before = house.evm.snapshot()
    house.auction.fill_intent(trader.id, liquidator.id, FOREVER)
    assert lots_of(house, liquidator.id) > 0
    house.evm.revert(before)
    run_auction(house, trader.id, 600)
    assert house.engine.standing(trader.id).equity > 0
    house.auction.deleverage(trader.id, 0)
    assert not house.auction.auction(trader.id).running
    assert lots_of(house, trader.id) == 0
    conserves(house)


def test_last_lots_taken_by_deleveraging__rest_is_debt__recognised_at_once(house, maker):
    """P22. A short left with a debt of another market, its own lots closed by a long's
    deleveraging: nothing is left to sell, nobody need wait for the curve."""
    long, short = house.actor("long", quote=10_000), house.actor("short", quote=14_000)
    house.trade("ETH-PERP", long, short, 50, 2_000)
    house.trade("BTC-PERP", short, maker, 1, 40_000)
    move_price(house, 1_780)
    move_price(house, 10_000, "BTC")
    house.trade("BTC-PERP", maker, short, 1, 10_000, 1)
    assert equity(house, short.id) < 0
    house.auction.start(long.id)
    run_auction(house, long.id, 1_260)
    house.auction.deleverage(long.id, 0)
    house.auction.start(short.id)
    assert not house.auction.auction(short.id).running
    assert equity(house, short.id) == 0
    assert house.engine.pending_deficit() == 0
    conserves(house)
