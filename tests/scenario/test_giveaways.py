"""What could be carried away for nothing, and the property that stands in the way of each."""

from __future__ import annotations

import pytest

from plimsoll.deployment.house import deploy_house
from plimsoll.testing import reverts
from tests.stage import FOREVER, TOKEN, USD, conserves, equity, move_price, run_auction

STALE = 2


def quiet(house, feed, others):
    """Lets a feed go stale while the others go on."""
    while house.oracle.read(house.feed_id(feed)).state < STALE:
        house.advance(3_600)
        for other in others:
            house.set_price(other, house.feeds[other][0].latestRoundData()[1] // 10**8)


def test_stale_collateral__account_healthy_at_the_last_prices__not_on_sale(
    house, maker, liquidator
):
    """P15. Collateral with a haircut of 5 % is a small part of R and most of E: the account's
    requirement does not come from it, but nobody may take it because its feed is late."""
    owner = house.actor("owner", quote=4_500)
    house.deposit_collateral(owner, 4, "weth")
    house.trade("BTC-PERP", owner, maker, "4.2", 40_000)
    quiet(house, "ETH", ["BTC"])
    standing = house.engine.standing(owner.id)
    requirement = standing.linear + standing.superlinear
    assert standing.stale_requirement * 10 <= requirement  # small by what it requires
    assert standing.equity - standing.stale_value < requirement < standing.equity
    with reverts("ClockStopped"):
        house.auction.start(owner.id, sender=liquidator)


def test_stale_collateral__account_short_at_the_last_prices__shields_nobody(
    house, maker, liquidator
):
    """The same account once BTC has fallen: what it is short of does not hang on the late feed."""
    owner = house.actor("owner", quote=4_500)
    house.deposit_collateral(owner, 4, "weth")
    house.trade("BTC-PERP", owner, maker, "4.2", 40_000)
    quiet(house, "ETH", ["BTC"])
    move_price(house, 37_900, "BTC")
    house.auction.start(owner.id, sender=liquidator)
    house.auction.bid(owner.id, liquidator.id, 0, 10**18, 10**30, FOREVER, sender=liquidator)
    conserves(house)


@pytest.mark.parametrize("left", [300, -300])
def test_bid__slice_thinner_than_a_lot__pays_for_the_lots_it_rounds_up_to(
    house, maker, liquidator, left
):
    """P16. One leg far ahead, one far behind: a slice of 1e-18 takes one lot of each, which is
    worth something though the account is not."""
    owner = house.actor("owner", quote=22_000)
    house.insure(1_000_000)
    house.trade("BTC-PERP", owner, maker, "3", 40_000)
    house.trade("ETH-PERP", owner, maker, "60", 2_000)
    move_price(house, 50_000, "BTC")
    move_price(house, 2_000 - (equity(house, owner.id) // USD - left) // 60, "ETH")
    house.auction.start(owner.id, sender=liquidator)
    run_auction(house, owner.id, 300)
    assert house.auction.cost(owner.id).cost <= 0
    before, had = house.engine.standing(owner.id), equity(house, liquidator.id)
    house.auction.bid(owner.id, liquidator.id, 0, 1, 10**30, FOREVER, sender=liquidator)
    after = house.engine.standing(owner.id)
    assert abs(equity(house, liquidator.id) - had) < 1_000  # quote units
    assert after.equity >= before.equity - 1_000
    assert after.linear + after.superlinear < before.linear + before.superlinear
    conserves(house)


def test_interest__one_unit_supplied_against_a_loan__leaves_the_index_alone():
    """A crumb that is all the cash there is takes no more interest than it lends: the supply index
    cannot be run to the end of its field, where nobody would ever earn again."""
    bare = deploy_house()
    bare.advance(3_600, refresh=True)
    owner = bare.actor("owner")
    long, short, crumb = owner.id, owner.account(1), owner.account(2)
    bare.deposit_collateral(owner, 1, "weth")
    bare.deposit_collateral(owner, 1, "weth", 1)
    bare.trade("ETH-PERP", long, short, 1, 2_050)
    bare.engine.realise(long, 0, sender=owner)  # a loan; its counterpart is paper profit
    bare.mint(owner, 1)
    bare.engine.deposit(crumb, 1, sender=owner)
    bare.engine.transfer(crumb, long, 10**9 - 1, sender=owner)
    bare.engine.withdraw(long, 1, owner, sender=owner)
    assert bare.engine.solvency().supplied == 1
    bare.advance(12)
    bare.engine.deposit(crumb, 1, sender=owner)
    indices = bare.engine.indices()
    assert 2**72 <= indices % 2**96 <= (indices >> 96) % 2**96
    supplier, borrower = bare.actor("supplier", quote=100_000), bare.actor("borrower")
    bare.deposit_collateral(borrower, 100, "weth")
    bare.engine.withdraw(borrower.id, 90_000 * TOKEN, borrower, sender=borrower)
    bare.advance(86_400 * 30, refresh=True)
    assert equity(bare, supplier.id) > 100_500 * USD
    conserves(bare)
