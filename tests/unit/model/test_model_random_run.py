"""The ledger laboratory's random run on the model: identities after every step, eras forced too."""

from __future__ import annotations

import os
import random

import pytest

from plimsoll.model.identities import check_house
from tests.unit.model.random_world import RandomWorld

STEPS = int(os.environ.get("MODEL_STEPS", "6000"))
SEED = int(os.environ.get("MODEL_SEED", "1"))


def run(seed: int, p_bits: int) -> RandomWorld:
    print(f"seed {seed}, p_bits {p_bits}, steps {STEPS}: MODEL_SEED={seed} repeats this run")
    world = RandomWorld(seed, p_bits)
    for number in range(STEPS):
        try:
            world.step()
        except AssertionError as wrong:
            raise AssertionError(f"step {number} of seed {seed}: {wrong}") from wrong
    print(dict(world.events))
    return world


def eras(world: RandomWorld) -> int:
    return sum(s.era for m in world.house.markets.values() for s in m.sides.values())


@pytest.mark.parametrize("p_bits", [127, 24])
def test_house__random_use__identities_hold(p_bits: int) -> None:
    world = run(SEED + p_bits, p_bits)
    for event in (
        "trade",
        "sliced",
        "sized",
        "leg sold",
        "deleveraged",
        "charged",
        "socialised",
        "release",
        "paid back",
    ):
        assert world.events[event] > 0, f"the run never met: {event}"
    assert p_bits == 127 or eras(world) >= 2, "no era ended: the small multiplier has no effect"


def test_touch__any_order__same_result() -> None:
    world = run(SEED, 64)
    house, outcomes = world.house, set()
    order = list(house.positions)
    for _ in range(6):
        random.Random(SEED).shuffle(order)
        saved = house.save()
        for account, market in order:
            book = house.markets[market]
            basis = world.risk.basis(market)
            lots, g, spill, _ = book.touch(house.position(account, market), basis)
            a = house.account(account)
            house.accounts[account] = house.credit(house.hold(a, market, lots != 0), spill)
            house.store(account, market, lots, g)
            book.book(-spill)
        check_house(house, world.risk.basis)
        cash = {a: house.cash.value(h.cash) for a, h in house.accounts.items()}
        outcomes.add((tuple(sorted(cash.items())), tuple(sorted(house.positions.items()))))
        house.restore(saved)
    assert len(outcomes) == 1
