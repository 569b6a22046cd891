"""Regressions by name of what broke others (docs/testing.md): one venue's prices, or two that moved
together, and who would have been liquidated by them. Three sources a feed, a quorum of two.
"""

from __future__ import annotations

import pytest

from plimsoll.evm import Reverted
from tests.security.oracle_stage import CONFIRM, GRACE, answer, three_sources
from tests.stage import ETH, conserves, equity, lots_of, person, run_auction, staged, undone

HALTED = 3
SIZE = 40  # ETH, on 10,000 USD of margin


@pytest.fixture(scope="module")
def venues(tmp_path_factory):
    return staged(config=three_sources(tmp_path_factory.mktemp("venues") / "three.yaml"))


@pytest.fixture
def house(venues):
    """A long and a short, either sunk by a price 15 % away."""
    with undone(venues) as one:
        maker = one.actors["maker"]
        one.trade("ETH-PERP", one.actors["trader"], maker, SIZE, 2_000)
        one.trade("ETH-PERP", maker, one.actors["rival"], SIZE, 2_000)
        yield one


trader, rival = person("trader"), person("rival")


def nobody_is_liquidated(house, *refusals):
    """Neither the long nor the short, in the second of the print and for minutes after it."""
    for _ in range(5):
        for name in ("trader", "rival"):
            with pytest.raises(Reverted) as refused:
                house.auction.start(house.actors[name].id)
            assert refused.value.name in refusals
        house.evm.advance(15)
        house.poke("ETH")


@pytest.mark.parametrize(
    ("incident", "print_"),
    [
        ("compound_dai_2020", 2_600),  # 1.30 for a dollar
        ("pyth_btc_2021", 251),  # 5,400 for 43,000
        ("ezeth_2024", 444),  # 700 for 3,150
        ("xpl_2025", 5_000),  # two and a half times, on its own thin book
        ("usde_2025", 1_300),  # 0.65 for a dollar
    ],
)
def test_one_venue_prints__the_others_agree__nobody_is_liquidated(house, incident, print_):
    """The median stands where the other two are, whichever venue it is."""
    for venue in range(3):
        with undone(house):
            house.evm.advance(15)
            prices = [2_000, 2_000, 2_000]
            prices[venue] = print_
            answer(house, *prices)
            nobody_is_liquidated(house, "Healthy", "ClockStopped")
            assert house.engine.market(ETH).mark == 2_000 * 10**9
            assert lots_of(house, house.actors["trader"].id) == SIZE * 10**6
            conserves(house)


@pytest.mark.parametrize("print_", [2_600, 1_300])
def test_compound_dai_2020__anchor_moved_too__halts_and_liquidates_nobody(house, print_):
    """Two venues go the same way and the third does not: nobody can say who is right. Nothing is
    sold until they agree; back where they were, all is as before."""
    house.evm.advance(15)
    answer(house, print_, print_, 2_000)
    assert house.oracle.read(1).state == HALTED
    nobody_is_liquidated(house, "ClockStopped")
    answer(house, 2_000)
    house.advance(CONFIRM + GRACE, refresh=True)
    house.advance(GRACE + 15, refresh=True)
    nobody_is_liquidated(house, "Healthy")
    conserves(house)


def test_ezeth_2024__a_true_fall_on_every_venue__sells_down_to_the_target_and_no_further(
    house, trader
):
    """When all of them agree and go on agreeing the long is liquidated, in part."""
    house.evm.advance(15)
    answer(house, 1_780)
    house.advance(CONFIRM + GRACE, refresh=True)
    house.advance(GRACE + 15, refresh=True)
    house.auction.start(trader.id)
    run_auction(house, trader.id, 15)
    buyer = house.actors["liquidator"]
    before = equity(house, trader.id)
    house.auction.bid(trader.id, buyer.id, 0, 10**18, 10**30, house.evm.timestamp, sender=buyer)
    margin = house.engine.margin(trader.id)
    target = margin.requirement * 11 // 10
    assert 0 <= margin.equity - target < target // 100
    assert 0 < lots_of(house, trader.id) < SIZE * 10**6
    assert before - margin.equity < before // 4
