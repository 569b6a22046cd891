"""Regressions by name of what broke others (docs/testing.md): exits, donations, shares and sums;
that all is there that is owed, and shared alike.
"""

from __future__ import annotations

from itertools import permutations

import pytest

from tests.scenario.attempts import take_all
from tests.stage import (
    ETH,
    TAKER_BUYS,
    TOKEN,
    USD,
    cash,
    conserves,
    equity,
    fill,
    lots_of,
    move_price,
    ruin,
    run_auction,
)

# -- exits


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_drift_v1_2022__first_out__gets_no_more_than_the_last(house, order):
    """A known loss without a payer: every order of exits pays everyone the same share."""
    people = [house.actor(f"exit{i}", quote=20_000) for i in range(3)]
    trader = house.actors["trader"]
    ruin(house)
    house.auction.start(trader.id)
    for i in order:
        house.engine.withdraw(people[i].id, 20_000 * TOKEN, people[i], sender=people[i])
    paid = [house.quote.balanceOf(one) for one in people]
    assert max(paid) - min(paid) <= 1
    assert max(paid) < 20_000 * TOKEN
    conserves(house)


def test_drift_v1_2022__winners__leave_the_losers_collateral_behind(house, trader, rival, maker):
    """Winner and loser both open: what may leave is never more than the vault holds, nor than the
    winner's own deposit while the loser has not paid."""
    house.settle([fill(house, trader, rival, 40)])
    move_price(house, 2_200)
    assert take_all(house, trader) <= 10_000 * TOKEN
    conserves(house)
    assert house.engine.solvency().supplied <= house.engine.solvency().vault + USD


def test_perennial_2023__bad_debt__is_recognised_in_the_call_that_finds_it(house):
    """P22: no debt stays on the books of an account with nothing left."""
    ruin(house)
    trader = house.actors["trader"]
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_260)
    house.auction.deleverage(trader.id, 0)
    assert cash(house, trader.id) == 0
    assert house.engine.deficit_of(trader.id) == 0
    assert house.engine.hole() == 0


# -- donations, shares, sums


def test_cream_2021__donation__doubles_no_share(house, trader):
    house.insure(1_000)
    share = house.fund.convertToAssets(10**12)
    house.deposit_collateral(trader, 1)
    held = equity(house, trader.id)
    for target in (house.vault, house.engine, house.fund):
        house.mint(target.address, 10_000_000)
        house.mint(target.address, 10_000, "weth")
    assert house.fund.convertToAssets(10**12) == share
    assert equity(house, trader.id) == held
    conserves(house)


def test_sonne_2024__first_deposit_into_an_empty_fund__is_not_diluted_away(house, trader, rival):
    """Inflation attack: raising the price of a first share costs far more than it takes from the
    next."""
    house.mint(trader, 20_000)
    house.mint(rival, 1_000)
    house.fund.deposit(1, trader, sender=trader)
    house.fund.sponsor(10_000 * TOKEN, sender=trader)
    house.advance(8 * 86_400, refresh=True)
    shares = house.fund.deposit(1_000 * TOKEN, rival, sender=rival).value
    assert house.fund.convertToAssets(shares) >= 1_000 * TOKEN * 99 // 100


def test_gmx_2025__aggregate__is_the_sum_of_positions_after_every_call(house, trader, rival, maker):
    """The O(1) sum of profits never drifts from the positions: P4 after opens, closes, flips, a
    shrink."""
    people = [trader, rival, maker, house.actors["liquidator"]]

    def agrees():
        values = sum(house.engine.position(who.id, ETH).value for who in people)
        assert abs(values - house.engine.market(ETH).unrealised) <= len(people)
        assert sum(lots_of(house, who.id) for who in people) == 0
        conserves(house)

    for buyer, seller, size, price in (
        (trader, maker, 30, 2_000),
        (rival, maker, 7, 2_013),
        (maker, rival, 12, 1_990),
        (maker, trader, 5, 2_001),
    ):
        house.settle([fill(house, buyer, seller, size, price, flags=TAKER_BUYS)])
        agrees()
    move_price(house, 1_600)
    agrees()
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_260)
    house.auction.deleverage(trader.id, 0)
    values = sum(house.engine.position(who.id, ETH).value for who in people)
    # A fraction of a lot each may lie with the fund until the next touch.
    assert abs(values - house.engine.market(ETH).unrealised) < USD
    conserves(house)


def test_velar__round_trip__pays_its_fees_and_gets_none_back(house, trader, rival):
    before = equity(house, trader.id), equity(house, rival.id)
    house.settle([fill(house, trader, rival, 10, flags=TAKER_BUYS)])
    house.settle([fill(house, rival, trader, 10)])
    after = equity(house, trader.id), equity(house, rival.id)
    assert after == (before[0] - 20 * USD, before[1])
    assert house.engine.market(ETH).fees == 20 * USD
    house.engine.collect_fees(ETH)
    assert (equity(house, trader.id), equity(house, rival.id)) == after
    conserves(house)


def test_velar__any_position__can_be_closed(house, trader, maker):
    """Down to the lot, whatever was opened, caps, dust bound and pauses short of a stop aside."""
    for size in ("0.005", "0.005001", "7.654321", "40"):
        house.settle([fill(house, trader, maker, size)])
        house.govern("MarginEngine", "set_pause", 2)
        house.settle([fill(house, maker, trader, size)])
        house.govern("MarginEngine", "set_pause", 0)
        assert lots_of(house, trader.id) == 0


def test_balancer_2025__65_tiny_fills_in_a_batch__gain_nothing(house, trader, maker):
    house.settle([fill(house, trader, maker, 1, 1_999)])
    total = equity(house, trader.id) + equity(house, maker.id)
    tiny = [(ETH, maker.id, trader.id, 1, 2_000 * 10**9 + i, 0) for i in range(16)] + [
        (ETH, trader.id, maker.id, 1, 2_000 * 10**9 + i, 0) for i in range(16)
    ]
    for _ in range(3):
        house.settle(tiny)
    assert equity(house, trader.id) + equity(house, maker.id) <= total
    conserves(house)
