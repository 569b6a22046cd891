"""Sizing to health: the solver's two bounds, and the contract bit for bit on the model."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

import pytest

from plimsoll.model import auction as model
from plimsoll.model.auction import DUST_EQUITY, NANO, ONE, TOK, Standing

from .conftest import CURVE, USD, World

Draw = tuple[int, int, int, int, int]


def draw(rng: random.Random) -> Draw:
    """Equity, linear and superlinear R, price of the whole (qu), buffer (nano)."""
    requirement = int(10 ** rng.uniform(13, 26))
    superlinear = int(requirement * rng.choice([0, 1, rng.random(), rng.random()]))
    equity = int(requirement * rng.choice([rng.random(), 1 - 10 ** rng.uniform(-9, -1)]))
    equity = min(max(equity, DUST_EQUITY), requirement - 1)
    price = int(equity * rng.choice([rng.random(), rng.random(), 10 ** rng.uniform(-9, 0)]))
    buffer = rng.choice([model.MIN_BUFFER, 150_000_000, rng.randrange(10**7, 10**9)])
    return equity, requirement - superlinear, superlinear, max(price, TOK), buffer


def health(drawn: Draw, fraction: int) -> Decimal:
    """E / ((1 + b) R) of what is left, in 60 digits."""
    equity, linear, superlinear, price, buffer = drawn
    with localcontext() as context:
        context.prec = 60
        left = Decimal(ONE - fraction) / ONE
        requirement = linear * left + superlinear * left * left.sqrt()
        goal = requirement * (NANO + buffer) / NANO
        return (equity * left + price * (1 - left)) / goal


def test_size__random_accounts__on_target_or_whole() -> None:
    seed, turns, whole = 20_200_312, Counter[int](), 0
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(20_000):
        drawn = draw(rng)
        fraction, moved = model.size_in_turns(*drawn)
        turns[moved] += 1
        assert 0 < fraction <= ONE
        if fraction == ONE:
            whole += 1
            # Only where next to nothing would be left: a slice of 90 % stays short of the target.
            assert health(drawn, ONE * 90 // 100) < 1, drawn
        else:  # with a lot of rounding in a thousand that is still within 0.2 %
            assert 1 <= health(drawn, fraction) <= Decimal("1.001"), drawn
    assert whole < 1_000
    print(f"turns {sorted(turns.items())}, whole accounts {whole}")
    assert sum(turns[n] for n in range(4)) > 15_000


def test_size__worked_example__nineteen_per_cent() -> None:
    # R = 2, E = 1.9, x = 0.1, no fee, b = 0.15, R linear: f = 0.4 / 2.1.
    fraction = model.size(1_900 * USD, 2_000 * USD, 0, 1_700 * USD, 150_000_000)
    assert abs(fraction - 4 * ONE // 21) < ONE // 10_000


def test_size__superlinear_requirement__less_than_the_closed_form() -> None:
    linear = model.size(1_900 * USD, 2_000 * USD, 0, 1_700 * USD, 150_000_000)
    mixed = model.size(1_900 * USD, 1_000 * USD, 1_000 * USD, 1_700 * USD, 150_000_000)
    assert mixed < linear


def random_standing(rng: random.Random) -> Standing:
    equity, linear, superlinear, _, _ = draw(rng)
    region = rng.randrange(8)
    if region == 0:
        equity = -int(equity * rng.random() * 2)
    elif region == 1:
        equity = rng.randrange(0, 2 * DUST_EQUITY)
    stale = int((linear + superlinear) * rng.choice([0, 0, 0.05, 0.1, 0.11]))
    return Standing(
        equity=equity,
        linear=linear,
        superlinear=superlinear,
        stale_requirement=stale,
        stale_value=stale * 2,
        collateral=rng.choice([0, linear]),
        perps=rng.choice([0, 1, 8]),
        smallest=rng.choice([10**12, 10**6, 1_500, 999]),
    )


def compare(world: World, standing: Standing, elapsed: int, quote: Any) -> str:
    stopped = standing.stopped
    over = standing.equity < 0 and elapsed > CURVE.t_end
    assert (quote.stopped, quote.over) == (stopped, over)
    assert quote.equity == standing.counted
    assert quote.x == model.x_at(CURVE, elapsed)
    if stopped or over or standing.counted >= standing.requirement:
        assert (quote.fraction, quote.cost, quote.fee) == (0, 0, 0)
        return "none"
    offer = model.slice_terms(standing, CURVE, elapsed)
    assert quote.fraction == offer.fraction, standing
    assert quote.fee == offer.fee, standing
    assert quote.cost == model.expected_cost(standing.equity, offer), standing
    if offer.insolvent:
        return "insolvent"
    if offer.free:
        return "free"
    return "whole" if offer.fraction == ONE else "sized"


def test_cost__random_accounts__equals_the_model(world: World) -> None:
    seed = 1_905
    print(f"seed {seed}")
    rng = random.Random(seed)
    world.begin()
    seen = Counter[str]()
    for number in range(5_000):
        if number % 50 == 0:
            world.evm.advance(rng.randrange(1, 20))
            world.stand(Standing(0, 1, 0))
            world.auction.sync(world.account)
        standing = random_standing(rng)
        world.stand(standing)
        quote = world.auction.cost(world.account)
        seen[compare(world, standing, quote.elapsed, quote)] += 1
    print(seen)
    assert min(seen[region] for region in "sized whole free insolvent none".split()) > 100
    assert seen["sized"] > 1_000


@pytest.mark.parametrize("smallest", [1_300, 10**6, 10**9])
def test_bid__sized_slice__lands_on_target(world: World, smallest: int) -> None:
    world.begin(replace(Standing(1_900 * USD, 1_600 * USD, 400 * USD), smallest=smallest))
    world.bid()
    left = world.standing()
    goal = left.requirement * (NANO + CURVE.buffer)
    assert goal <= left.equity * NANO <= goal * 1_002 // 1_000
    assert not world.auction.auction(world.account).running
