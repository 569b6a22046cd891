"""Recoveries: later income refills a loss before the fund or the treasury takes any of it."""

from __future__ import annotations

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.deployment.house import TEST_CONTRACTS, account_id
from tests.stage import (
    ONE,
    TOK,
    TOKEN,
    USD,
    cash,
    conserves,
    fill,
    move_price,
    ruin,
    run_auction,
)

DAY = 86_400
RECOVERING = 1 << 191


@pytest.fixture
def burnt(house):
    """A loss was socialised, nobody has a position or a loan; the amount."""
    ruin(house, 50, 1_600)
    trader = house.actors["trader"]
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_260)
    receipt = house.auction.deleverage(trader.id, 0)
    amount = receipt.event("Deleveraged").socialised
    assert amount > 0
    assert house.engine.solvency().owed == amount
    if house.engine.market(0).fees:
        house.engine.collect_fees(0)  # the trade's own
    move_price(house, 2_000)
    return amount


def earn(house, size=10):
    """A round trip's fees wait in the market; their sum."""
    one, other = house.actors["liquidator"], house.actors["maker"]
    house.settle([fill(house, one, other, size, flags=1), fill(house, other, one, size)])
    return house.engine.market(0).fees


def wealth(house):
    """All positive cash, quote units."""
    return house.engine.solvency().supplied


def test_collect_fees__while_a_loss_waits__fills_the_pot_before_fund_and_treasury(house, burnt):
    fund, sheet = house.engine.fund_balance(), house.engine.solvency()
    treasury = cash(house, house.engine.fee_split() % 2**160 << 96)
    fees = earn(house)
    receipt = house.engine.collect_fees(0)
    after = house.engine.solvency()
    assert (sheet.owed - after.owed, after.pot - sheet.pot) == (fees, fees)
    assert house.engine.fund_balance() == fund
    assert cash(house, house.engine.fee_split() % 2**160 << 96) == treasury
    assert receipt.event("FeesCollected").treasury == 0
    conserves(house)


def test_recover__over_the_week__pays_the_pot_into_positive_cash(house, burnt, stranger):
    earn(house, 100)
    house.engine.collect_fees(0)
    house.engine.recover(sender=stranger)
    pot, before = house.engine.solvency().pot, wealth(house)
    house.engine.recover(sender=stranger)
    assert wealth(house) - before <= 2 * 10**12  # a second's crumb at most
    pot, before = house.engine.solvency().pot, wealth(house)
    paid = 0
    for _ in range(3):
        house.advance(DAY)
        house.engine.recover(sender=stranger)
        left = house.engine.solvency().pot
        assert left < pot - paid
        paid = pot - left
        assert -1 <= paid - (wealth(house) - before) <= 200  # what no share took is dust
        conserves(house)
    house.advance(7 * DAY)
    house.engine.recover(sender=stranger)
    assert house.engine.solvency().pot == 0


def test_deposit__in_front_of_a_recovery__takes_none_of_what_is_due(house, burnt, stranger):
    earn(house)
    house.engine.collect_fees(0)
    house.advance(3 * DAY)
    house.mint(stranger, 100_000_000)
    house.engine.deposit(stranger.id, 100_000_000 * TOKEN, sender=stranger)
    house.engine.recover(sender=stranger)
    assert cash(house, stranger.id) <= 100_000_000 * USD
    house.engine.withdraw(stranger.id, cash(house, stranger.id) // TOK, stranger, sender=stranger)
    assert house.quote.balanceOf(stranger) <= 100_000_000 * TOKEN
    conserves(house)


def test_transfer__borrowed_in_front_of_a_recovery__takes_none_of_what_is_due(house, burnt):
    """Cash lent out of one account into another of its owner is bought like deposited cash."""
    borrower = house.actor("borrower")
    house.deposit_collateral(borrower, 400)
    earn(house, 100)
    house.engine.collect_fees(0)
    house.advance(3 * DAY, refresh=True)
    assert house.engine.solvency().pot > 10 * USD
    house.engine.transfer(borrower.id, borrower.id + 1, 400_000 * USD, sender=borrower)
    house.engine.recover()
    house.engine.transfer(
        borrower.id + 1, borrower.id, cash(house, borrower.id + 1), sender=borrower
    )
    assert cash(house, borrower.id) <= 0
    conserves(house)


def test_callback__brings_cash_in_front_of_a_recovery__takes_none_of_what_is_due(house, burnt):
    """What a bidder's contract brings in the middle of its bid is a deposit like any other."""
    taker = house.evm.deploy(compile_contract("SliceTaker", contracts=TEST_CONTRACTS))
    mine, rival = account_id(taker.address), house.actors["rival"]
    house.trade("ETH-PERP", rival, house.actors["maker"], 50, 2_000)
    earn(house, 100)
    house.engine.collect_fees(0)
    house.advance(3 * DAY, refresh=True)
    assert house.engine.solvency().pot > 10 * USD
    move_price(house, 1_840)
    house.auction.start(rival.id)
    house.mint(taker.address, 10_000_000)
    taker.allow(house.tokens["usd"].address, house.vault.address)
    taker.bring(10_000_000 * TOKEN, False)
    taker.take(house.auction.address, rival.id, mine, ONE // 10)
    before = cash(house, mine)
    house.engine.recover()
    assert cash(house, mine) <= before + USD // 1_000  # a second's crumb
    conserves(house)


def test_recover__all_of_it__makes_every_share_whole_and_no_more(house, burnt):
    before = house.engine.indices() % 2**96
    for _ in range(60):
        if house.engine.indices() & RECOVERING == 0:
            break
        earn(house, 300)
        house.engine.collect_fees(0)
        house.advance(15 * DAY, refresh=True)
        house.engine.recover()
        conserves(house)
    index, whole = house.engine.indices() % 2**96, house.engine.indices() >> 96 & (2**95 - 1)
    assert house.engine.indices() & RECOVERING == 0
    assert before < index <= whole
    sheet = house.engine.solvency()
    assert sheet.owed == sheet.pot == house.engine.recovery() == 0
    fund, fees = house.engine.fund_balance(), earn(house)
    house.engine.collect_fees(0)
    assert house.engine.fund_balance() > fund  # the fund's turn again
    assert fees


def test_recover__nothing_waits__does_nothing(house, stranger):
    words = house.engine.indices(), house.engine.totals(), house.engine.recovery()
    house.engine.recover(sender=stranger)
    assert (house.engine.indices(), house.engine.totals(), house.engine.recovery()) == words


def test_fund_deposit__while_a_loss_waits__stays_the_depositors(house, burnt):
    owed = house.engine.solvency().owed
    house.insure(1_000)
    assert house.engine.fund_balance() >= 1_000 * USD
    assert house.engine.solvency().owed == owed


def test_release__after_a_long_wait__pays_no_interest_on_money_already_advanced(house):
    """The shares in escrow go on earning; what they earn beyond what was asked is income."""
    borrower = house.actor("borrower")
    house.deposit_collateral(borrower, 100)
    house.engine.withdraw(borrower.id, 100_000 * TOKEN, borrower, sender=borrower)
    ruin(house)
    trader, rival = house.actors["trader"], house.actors["rival"]
    house.auction.start(trader.id)
    asked = cash(house, rival.id) // TOK
    house.engine.withdraw(rival.id, asked, rival, sender=rival)
    advance = house.quote.balanceOf(rival)
    house.advance(90 * DAY, refresh=True)
    house.deposit(trader, 100_000)
    house.auction.end(trader.id)
    fund = house.engine.fund_balance()
    receipt = house.engine.release(rival.id)
    assert receipt.event("Released").paid == (asked - advance) * TOK
    assert house.engine.fund_balance() - fund > USD  # what ninety days earned
    conserves(house)
