"""What hedging costs: linear book, fading, never a gain."""

from __future__ import annotations

import math

import pytest

from plimsoll.simulate.market_impact import FADE, WITHIN, Impact

PRICES = [2_000.0, 40_000.0]


@pytest.fixture
def impact() -> Impact:
    """10 M USD of ETH and 8 M of BTC within 2 % in normal times, a fifth of it left."""
    made = Impact((5_000.0, 200.0), 0.2)
    made.now(1_000)
    return made


def test_cost__the_whole_thin_depth__is_half_its_width(impact: Impact) -> None:
    assert impact.cost([2e6, 0.0], PRICES) == pytest.approx(2e6 * WITHIN / 2)
    assert impact.cost([0.0, -1.6e6], PRICES) == pytest.approx(1.6e6 * WITHIN / 2)


def test_cost__after_others_sold__is_more_and_fades(impact: Impact) -> None:
    alone = impact.cost([1e6, 0.0], PRICES)
    impact.add([1e6, 0.0])
    assert impact.cost([1e6, 0.0], PRICES) == pytest.approx(3 * alone)
    impact.now(1_000 + int(FADE))
    assert impact.felt[0] == pytest.approx(1e6 / math.e)


def test_cost__against_the_flow__is_never_a_gain(impact: Impact) -> None:
    impact.add([2e6, 0.0])
    assert impact.cost([-1e6, 0.0], PRICES) == 0


def test_best__linear_gain__where_the_next_dollar_costs_what_it_brings(impact: Impact) -> None:
    gain, flow = 20_000.0, 4e6
    best = impact.best(gain, [flow, 0.0], PRICES)
    assert 0 < best < 1
    left = gain * best - impact.cost([flow * best, 0.0], PRICES)
    for other in (best * 0.9, best * 1.1):
        assert gain * other - impact.cost([flow * other, 0.0], PRICES) < left


def test_best__cheap_or_nothing_to_hedge__all_of_it(impact: Impact) -> None:
    assert impact.best(1e6, [1e6, 0.0], PRICES) == 1
    assert impact.best(1.0, [0.0, 0.0], PRICES) == 1


def test_best__the_market_is_full__nothing(impact: Impact) -> None:
    impact.add([5e6, 0.0])
    assert impact.best(10_000.0, [1e6, 0.0], PRICES) == 0
