"""x(t), what may be stored, and who may store it."""

from __future__ import annotations

import random
from dataclasses import asdict, fields, replace
from itertools import pairwise
from typing import Any

import pytest

from plimsoll.model import auction as model
from plimsoll.model.auction import NANO, Curve, Standing
from plimsoll.testing import reverts

from .conftest import CURVE, INSOLVENT, SOLVENT, USD, World

# One bad field each, and why.
BAD: list[dict[str, int]] = [
    {"x_start": NANO},  # starts at or over 1
    {"x_start": CURVE.x_mid},  # does not rise
    {"x_start": CURVE.x_mid + 1},  # falls
    {"x_mid": NANO},
    {"x_max": NANO - 1},
    {"x_max": 2 * NANO + 1},
    {"x_max": NANO + 1},  # rises by less than a nano a second
    {"t_mid": 0},
    {"t_mid": CURVE.t_one},
    {"t_mid": 10},  # too steep
    {"t_one": CURVE.t_end},
    {"t_one": CURVE.t_mid},
    {"t_end": 86_401},
    {"t_end": CURVE.t_one + 10},  # too steep
    {"resume": 59},
    {"resume": 604_801},
    {"max_step": 11},
    {"max_step": CURVE.t_one // 4 + 1},
    {"fade": 59},
    {"fade": 86_401},
    {"min_lots": 999},
    {"min_lots": 2**24},
    {"buffer": model.MIN_BUFFER - 1},
    {"buffer": NANO + 1},
    {"fee": model.MAX_FEE + 1},
    {"x_start": 100, "x_mid": 880_000_000, "x_max": 2 * NANO + 1},
    {"keeper_share": 10_001},
    {"start_flat": 2**40},
    {"exec_flat": 2**40},
    {"start_share": 2**24},
    {"exec_share": 2**24},
    {"min_requirement": 2**40},
    {"priority": 256},
    {"priority": CURVE.t_mid + 1},
    {"intent_margin": NANO - 1},
    {"intent_margin": 4 * NANO + 1},
    {"min_requirement": 0},  # flat pay on dust
    {"fee": 0},  # pay without a penalty
    {"keeper_share": 0},
    {"start_flat": 3_000_000},  # pay over the penalty at the smallest size
    {"exec_share": 5_000_000},  # pay over half a per cent of R
    {"charge_cap": 0},
    {"charge_cap": model.MAX_CHARGE + 1},
    {"charge_window": 59},
    {"charge_window": 604_801},
    {"social_share": 9_001},
]

# On the bound, still good.
GOOD: list[dict[str, int]] = [
    {},
    {"x_start": 0},
    {"x_max": NANO},  # no bonus: the last piece is flat
    {"x_max": NANO + 600},
    {"t_mid": 18},
    {"t_end": 86_400},
    {"resume": 60},
    {"resume": 604_800},
    {"max_step": 12},
    {"fade": 60},
    {"fade": 86_400},
    {"min_lots": 2**24 - 1},
    {"buffer": model.MIN_BUFFER},
    {"buffer": NANO},
    {"fee": model.MAX_FEE},
    {"keeper_share": 10_000},
    {"charge_cap": 1},
    {"social_share": 0},
    {"start_flat": 0, "exec_flat": 0, "start_share": 0, "exec_share": 0, "min_requirement": 0},
    {"start_flat": 0, "exec_flat": 0, "start_share": 0, "exec_share": 0, "fee": 0},
]


@pytest.mark.parametrize("changed", BAD, ids=str)
def test_set_curve__out_of_bounds__bad_curve(world: World, changed: dict[str, int]) -> None:
    with reverts("BadCurve"):
        world.set_curve(**changed)
    with pytest.raises(model.BadCurve):
        model.check(replace(CURVE, **changed))


@pytest.mark.parametrize("changed", GOOD, ids=str)
def test_set_curve__on_a_bound__stored_as_given(world: World, changed: dict[str, int]) -> None:
    model.check(replace(CURVE, **changed))
    receipt = world.set_curve(**changed)
    wanted = asdict(replace(CURVE, **changed))
    assert world.auction.curve()._asdict() == wanted
    assert world.auction.version() == 2
    assert world.auction.curve_of(2)._asdict() == wanted
    event = receipt.event("CurveSet")
    assert event.version == 2
    assert list(event.old) == list(asdict(CURVE).values())
    assert list(event.new) == list(wanted.values())


def test_set_curve__random_fields__same_verdict_as_the_model(world: World) -> None:
    seed = 77
    print(f"seed {seed}")
    rng, verdicts = random.Random(seed), {True: 0, False: 0}
    names = [field.name for field in fields(Curve)]
    for _ in range(600):
        changed = {
            name: max(0, int(getattr(CURVE, name) * rng.choice([0.2, 0.8, 1.2, 4])))
            for name in rng.sample(names, rng.randrange(1, 4))
        }
        try:
            model.check(replace(CURVE, **changed))
            good = True
        except model.BadCurve:
            good = False
        verdicts[good] += 1
        if good:
            world.set_curve(**changed)
        else:
            with reverts("BadCurve"):
                world.set_curve(**changed)
    print(verdicts)
    assert min(verdicts.values()) > 50


def test_set_curve__stranger__not_governance(world: World) -> None:
    with reverts("NotGovernance"):
        world.auction.set_curve(asdict(CURVE), sender=world.stranger)


def test_deploy__null_addresses__refused(world: World) -> None:
    from plimsoll.compiler import compile_contract

    built: Any = compile_contract("LiquidationAuction")
    null = "0x" + "00" * 20
    for wired in ((null, *"abc"), ("a", null, *"bc"), (*"ab", null, "c"), (*"abc", null)):
        names = [world.engine.address if name != null else null for name in wired]
        with reverts("NullAddress"):
            world.evm.deploy(built, *names, asdict(CURVE))


def test_set_curve__auction_running__keeps_its_snapshot(world: World) -> None:
    world.begin(after=600)
    before = world.auction.cost(world.account)
    world.set_curve(
        x_start=0, x_mid=100_000_000, fee=0, start_flat=0, exec_flat=0, start_share=0, exec_share=0
    )
    assert world.auction.cost(world.account) == before
    other = world.account + 1
    world.stand(SOLVENT, other)
    world.auction.start(other)
    assert world.auction.auction(other).version == 2
    assert world.auction.cost(other).x == 0


def test_x__every_second__rises_within_its_slope_and_hits_its_knots(world: World) -> None:
    steps = [model.x_at(CURVE, t) for t in range(CURVE.t_end + 100)]
    assert steps[0] == CURVE.x_start
    assert steps[CURVE.t_mid] == CURVE.x_mid
    assert steps[CURVE.t_one] == NANO
    assert steps[CURVE.t_end] == steps[-1] == CURVE.x_max
    rises = [b - a for a, b in pairwise(steps)]
    assert all(0 < rise <= model.MAX_SLOPE + 1 for rise in rises[: CURVE.t_end])


@pytest.mark.parametrize("elapsed", [0, 1, 299, 300, 301, 1_199, 1_200, 1_201, 1_799, 1_800])
def test_x__around_the_knots__equals_the_model(world: World, elapsed: int) -> None:
    world.begin(after=elapsed)
    quote = world.auction.cost(world.account)
    assert (quote.elapsed, quote.x) == (elapsed, model.x_at(CURVE, elapsed))


@pytest.mark.parametrize("standing", [SOLVENT, INSOLVENT], ids=["solvent", "insolvent"])
def test_cost__time_passes__monotone_and_bounded_below(world: World, standing: Standing) -> None:
    world.begin(standing)
    last, floor = 2**255, min(0, standing.equity) - standing.requirement
    for _ in range(60):
        quote = world.auction.cost(world.account)
        if quote.over:
            break
        whole = model.cost_of_all(standing, quote.x)
        assert floor <= whole <= last
        if quote.fraction == model.ONE:  # the contract's own price of the whole account
            assert 0 <= quote.cost - whole <= 3
        last = whole
        world.run(30)
    assert last <= 0


def test_cost__requirement_beyond_equity__nothing_and_never_less(world: World) -> None:
    world.begin(replace(SOLVENT, equity=1 * USD), after=1_800)
    assert world.auction.cost(world.account).cost == 0
