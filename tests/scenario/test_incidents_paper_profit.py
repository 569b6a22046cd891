"""Regressions by name of what broke others (docs/testing.md): open profit carried off or
built upon, by those who make it with and against themselves.
"""

from __future__ import annotations

import pytest

from plimsoll.evm import Reverted
from tests.scenario.attempts import settles, take_all
from tests.stage import (
    ETH,
    TOKEN,
    USD,
    cash,
    conserves,
    equity,
    fill,
    move_price,
)


def test_mango_2022__self_matched_and_pumped__nothing_leaves_on_paper(house, trader, rival):
    """Two colluding accounts trade with each other, the price doubles: together they get out at
    most what they put in, however long the profit stands open."""
    house.settle([fill(house, trader, rival, 40)])
    for price in (2_500, 3_200, 4_000):
        move_price(house, price)
    taken = take_all(house, trader)
    with pytest.raises(Reverted):
        house.engine.withdraw(rival.id, TOKEN, rival, sender=rival)
    house.advance(7 * 86_400, refresh=True)
    taken += take_all(house, trader)
    assert taken <= 10_000 * TOKEN
    conserves(house)


def test_mango_2022__own_fills__move_no_mark(house, trader, rival):
    mark = house.engine.market(ETH).mark
    house.settle([fill(house, trader, rival, 1, 2_099), fill(house, trader, rival, 1, 1_901)])
    house.advance(15)
    assert house.engine.market(ETH).mark == mark


def test_dydx_yfi_2023__profit_recycled_into_size__is_bounded_by_half_of_it(house, trader, maker):
    """Pyramiding on open profit: every further lot is carried by cash and half of the profit at
    most."""
    price, added = 2_000, True
    house.settle([fill(house, trader, maker, 40)])
    for _ in range(6):
        price = price * 103 // 100
        move_price(house, price)
        added = True
        while added:
            added = settles(house, fill(house, trader, maker, 5, price))
    margin = house.engine.margin(trader.id)
    profit = margin.equity - cash(house, trader.id)
    assert margin.initial_equity <= margin.equity - profit // 2
    assert margin.initial_equity >= margin.initial_requirement
    # A fall of the last step's size leaves it above its maintenance requirement.
    move_price(house, price * 98 // 100)
    after = house.engine.margin(trader.id)
    assert after.equity > after.requirement


def test_dydx_yfi_2023__crowded_market__asks_more_of_everyone(house, trader, maker, liquidator):
    """Margin grows with the market's open interest, for positions that did not change."""
    house.settle([fill(house, trader, maker, 10)])
    before = house.engine.margin(trader.id).initial_requirement
    house.settle([fill(house, liquidator, maker, 2_000)])
    assert house.engine.margin(trader.id).initial_requirement > before * 105 // 100


def test_hyperliquid_eth_whale_2025__withdrawal_against_open_profit__leaves_the_initial_margin(
    house, maker
):
    whale = house.actor("whale", quote=400_000)
    house.settle([fill(house, whale, maker, 1_500)])
    move_price(house, 2_150)
    take_all(house, whale)
    margin = house.engine.margin(whale.id)
    profit = margin.equity - cash(house, whale.id)
    assert cash(house, whale.id) >= 0
    assert margin.equity - profit >= margin.initial_requirement
    # Unwound 5 % under the mark, far past what the depth asks, nobody is owed anything.
    move_price(house, 2_042)
    assert equity(house, whale.id) > 0


def test_perp_v2__fills_off_the_mark_between_two_accounts__make_no_bad_debt(house, trader, rival):
    """Value handed over at the band's edge: the giver must afford it, the taker cannot carry it
    off."""
    house.settle([fill(house, trader, rival, 20, 2_100)])
    assert equity(house, trader.id) + equity(house, rival.id) <= 20_000 * USD
    for who in (trader, rival):
        margin = house.engine.margin(who.id)
        assert margin.initial_equity >= margin.initial_requirement
    given = [settles(house, fill(house, trader, rival, 20, 2_100)) for _ in range(4)]
    assert not all(given), "an account gave itself away"
    assert take_all(house, rival) <= 10_000 * TOKEN
    conserves(house)
