"""Auctions whose surroundings change under them: the auction contract, the fund running dry."""

from __future__ import annotations

from plimsoll.compiler import compile_contract
from plimsoll.testing import reverts
from tests.stage import FOREVER, ONE, USD, conserves, equity, move_price, ruin


def replaced(house):
    """Governance puts another auction in the place of the present one."""
    other = house.evm.deploy(
        compile_contract("LiquidationAuction"),
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
