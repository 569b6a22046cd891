"""Auctions whose surroundings change under them: the auction contract, the fund running dry."""

from __future__ import annotations

from plimsoll.testing import reverts
from tests.house import deploy_auction
from tests.stage import FOREVER, ONE, TOKEN, USD, conserves, equity, move_price, ruin, run_auction


def replaced(house):
    """Governance puts another auction in the place of the present one."""
    other = deploy_auction(
        house.evm,
        house.engine.address,
        house.fund.address,
        house.timelock.address,
        house.auction.curve(),
    )
    house.govern("MarginEngine", "set_module", 1, other.address)
    house.govern("InsuranceFund", "set_auction", other.address)
    return other


def frozen_at(house, trader, maker, price):
    """The trader under its requirement, in auction at the given price."""
    house.trade("ETH-PERP", trader, maker, 50, 2_000)
    move_price(house, price)
    house.auction.start(trader.id, sender=house.actors["keeper"])


def test_replaced_auction__account_healthy_again__anyone_ends_it(house, trader, maker):
    frozen_at(house, trader, maker, 1_840)
    move_price(house, 2_000)
    auction = replaced(house)
    with reverts("Frozen"):
        house.engine.withdraw(trader.id, 1, trader, sender=trader)
    auction.end(trader.id, sender=house.actors["stranger"])
    house.engine.withdraw(trader.id, 1, trader, sender=trader)
    with reverts("NoAuction"):
        auction.end(trader.id, sender=house.actors["stranger"])


def test_replaced_auction__account_still_short__started_not_ended(house, trader, maker):
    frozen_at(house, trader, maker, 1_840)
    auction = replaced(house)
    with reverts("NothingToDo"):
        auction.end(trader.id, sender=house.actors["stranger"])
    auction.start(trader.id, sender=house.actors["stranger"])
    assert auction.auction(trader.id).running


def test_bid__fund_covers_a_part_of_a_whole_account__sells_that_part(house, trader, liquidator):
    """A part of an account rounds to lots, a whole does not: a shrunk slice leaves it room."""
    house.insure(1_000)
    assert ruin(house) == -5_000 * USD
    house.auction.start(trader.id, sender=liquidator)
    got = house.auction.bid(
        trader.id, liquidator.id, 0, ONE, 10**30, FOREVER, sender=liquidator
    ).value
    assert -500 * USD <= got < -499 * USD  # half the fund an event
    assert -4_501 * USD < equity(house, trader.id) < -4_500 * USD
    conserves(house)


def test_deleverage__solvent_loan_without_positions__nothing_to_close_nothing_paid(
    house,
):
    """P20. A loan that is still covered has no legs to close and no loss to recognise: calls
    made again and again are not paid again and again. It stays on sale for nothing."""
    house.fund.sponsor(house.mint(house.actor("sponsor"), 10_000), sender=house.actors["sponsor"])
    house.insure(1_000_000)
    house.fund.fund_budget(10**30, sender=house.actors["keeper"])
    owner, keeper = house.actor("owner"), house.actors["keeper"]
    house.deposit_collateral(owner, 100, "weth")
    house.engine.withdraw(owner.id, 178_000 * TOKEN, owner, sender=owner)
    move_price(house, 1_850)
    house.auction.start(owner.id, sender=keeper)
    run_auction(house, owner.id, 1_260)
    budget = house.engine.keeper_budget()
    assert budget > 0
    assert equity(house, owner.id) > 0
    for _ in range(3):
        with reverts("AuctionNotOver"):
            house.auction.deleverage(owner.id, 0, sender=keeper)
    assert house.engine.keeper_budget() == budget
    liquidator = house.actors["liquidator"]
    house.auction.bid(owner.id, liquidator.id, 0, ONE, 0, FOREVER, sender=liquidator)
    assert house.engine.head(owner.id) == 0
