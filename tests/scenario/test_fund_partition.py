"""The fund's payouts by market: who answers for a deficit, and how far a junk market reaches."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from plimsoll.deployment.house import House
from plimsoll.evm import Reverted
from tests.stage import (
    BTC,
    ETH,
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

LOANS = 256
MASK = 2**128 - 1
CAPS = (5_000, 8_000, 1_000, 86_400)  # a tenth of the fund for one market


@pytest.fixture
def insured(house: House) -> House:
    """A fund of 100,000 USD, of which one market gets 10,000 a day; room for the attacker."""
    house.insure(100_000)
    house.govern("InsuranceFund", "set_caps", CAPS)
    return house


def weights(house, account):
    return {word >> 128: word & MASK for word in house.engine.exposures(account)}


def close_out(house, account):
    """Starts an insolvent account's auction, waits it out, deleverages; what the fund paid."""
    house.auction.start(account)
    run_auction(house, account, 1_260)
    fund = house.engine.fund_balance()
    receipt = house.auction.deleverage(account, 0)
    draws = {one.market: one for one in receipt.events if one.name == "Draw"}
    return fund - house.engine.fund_balance(), draws


def test_exposures__legs__notional_and_open_loss(house, trader, maker):
    assert list(house.engine.exposures(trader.id)) == []
    house.settle([fill(house, trader, maker, 2), fill(house, maker, trader, 1, 40_000, market=BTC)])
    found = weights(house, trader.id)
    assert found == {ETH: 4_000 * USD, BTC: 40_020 * USD}  # the taker's fee is a loss
    move_price(house, 2_200)  # the long gains
    assert weights(house, trader.id)[ETH] == 4_400 * USD
    move_price(house, 1_800)  # and loses
    assert house.engine.position(trader.id, ETH).value == -400 * USD
    assert weights(house, trader.id)[ETH] == (3_600 + 400) * USD
    assert weights(house, maker.id)[ETH] == 3_600 * USD  # the short gains


def test_exposures__debt__counts_beyond_the_collateral(house):
    borrower = house.actor("borrower")
    house.deposit_collateral(borrower, 1)
    house.engine.withdraw(borrower.id, 1_000 * TOKEN, borrower, sender=borrower)
    assert weights(house, borrower.id) == {}
    move_price(house, 900)
    owed = -house.engine.cash_of(borrower.id)[0]
    assert weights(house, borrower.id) == {LOANS: owed - 900 * USD}


def test_exposures__realised_loss__is_owed(house, trader, maker):
    house.settle([fill(house, trader, maker, 50)])
    move_price(house, 1_700)
    held, short = weights(house, trader.id), -equity(house, trader.id)
    assert list(held) == [ETH]
    assert held[ETH] >= 50 * 1_700 * USD + short
    house.engine.realise(trader.id, ETH, sender=maker)
    after = weights(house, trader.id)
    assert after == {ETH: 50 * 1_700 * USD, LOANS: short}


def test_exposures__legs_shrunk_by_deleveraging__as_a_touch_now_leaves_them(house, maker, rival):
    """Half of every short is closed when the trader is deleveraged; the rest is what counts."""
    trader = house.actors["trader"]
    house.settle([fill(house, trader, maker, 50), fill(house, rival, maker, 1)])
    house.settle([fill(house, house.actors["liquidator"], maker, 49)])
    move_price(house, 1_700)
    close_out(house, trader.id)
    lots, mark = lots_of(house, maker.id), house.engine.market(ETH).mark
    assert -51 * 10**6 < lots < -49 * 10**6
    assert weights(house, maker.id)[ETH] == -lots * mark


@pytest.mark.parametrize("seed", range(3))
def test_exposures__random_insolvent_accounts__sum_up_to_the_deficit_at_least(house, maker, seed):
    """So no market answers for more than what is open there and what is being lost there."""
    rng, found = random.Random(seed), 0
    markets = [ETH, *list_markets(house, 3)]
    people = [house.actor(f"who{number}", quote=rng.randrange(200, 5_000)) for number in range(12)]
    for who in people:
        for market in rng.sample(markets, rng.randint(1, 3)):
            pair = (who, maker) if rng.random() < 0.6 else (maker, who)
            with suppress(Reverted):  # beyond its margin
                house.settle([fill(house, *pair, rng.randint(1, 8), market=market)])
    for price in (1_500, 700, 3_000):
        move_price(house, price)
        for who in people:
            short = -equity(house, who.id)
            if short > 0:
                found += 1
                assert sum(weights(house, who.id).values()) >= short
            with suppress(Reverted):  # nothing there, or a profit without a debt
                house.engine.realise(who.id, rng.choice(markets), sender=who)
    assert found > 3


def test_junk_market__deficit_after_deficit__takes_its_own_cap_and_no_more(insured, maker):
    """The attacker's accounts go bankrupt in a junk market, each with a dust leg in ETH."""
    house = insured
    (junk,) = list_markets(house, 1)
    paid, pumped = 0, house.actor("pumped", quote=1_000_000)
    debtors = [house.actor(f"debtor{number}", quote=4_000) for number in range(4)]
    for debtor in debtors:
        house.settle([fill(house, pumped, debtor, 20, market=junk)])
        house.settle([fill(house, debtor, maker, "0.01")])
    move_price(house, 2_450)  # pumped: each of them is short of 5,000 USD or so
    deficits = [-equity(house, debtor.id) for debtor in debtors]
    assert sum(deficits) > 15_000 * USD
    draws = {}
    for debtor in debtors:
        got, draws = close_out(house, debtor.id)
        paid += got
    cap = 10_000 * USD
    dust = 4 * 30 * USD  # a hundredth of an ETH each, and its loss
    assert cap - USD <= paid <= cap + dust
    assert draws[junk].granted_qu == 0 < draws[junk].asked_qu
    assert house.fund.drawable(junk) == 0
    assert house.fund.drawable(ETH) >= cap - dust
    # An honest market's deficit is paid in full the same day.
    honest = house.actor("honest", quote=4_000)
    house.settle([fill(house, honest, maker, 20, 2_450)])
    move_price(house, 2_000)
    short = -equity(house, honest.id)
    assert 0 < short < cap - dust
    got, _ = close_out(house, honest.id)
    assert got >= short
    conserves(house)


def test_junk_market__collapsed_to_nothing__its_loss_still_answers(insured, maker):
    """Long a market that falls to a fiftieth: its notional is dust by then, its loss is not."""
    house = insured
    (junk,) = list_markets(house, 1)
    house.settle([fill(house, house.actors["liquidator"], maker, 20, market=junk)])
    debtor = house.actor("debtor", quote=8_000)
    house.settle([fill(house, debtor, maker, 40, market=junk)])
    house.settle([fill(house, debtor, maker, "0.001", 40_000, market=BTC)])
    move_price(house, 40)
    found = weights(house, debtor.id)
    assert found[junk] == 40 * 2_000 * USD  # 1,600 of it are left
    assert found[BTC] < 41 * USD
    got, draws = close_out(house, debtor.id)
    assert draws[junk].granted_qu == 10_000 * USD
    assert got - 10_000 * USD == draws[BTC].granted_qu < 40 * USD
    conserves(house)
