"""Random slices, orders, times and faults: the contract equals the model bit for bit."""

import random
from dataclasses import replace
from decimal import Decimal, localcontext

import pytest

from plimsoll.model import surfaces as model
from plimsoll.signed_surfaces import SliceReport
from tests.unit.surfaces.conftest import DAY, EXPIRIES, FEED, INDEX, START, flat

ONE = 10**12


def any_slice(rng: random.Random, expiry: int) -> SliceReport:
    """Parameters over their whole fields, most of them unsound."""
    size = 10.0 ** rng.uniform(-6, 1)
    return SliceReport(
        expiry=expiry,
        forward=max(1, int(INDEX * (1 + rng.gauss(0, 0.01)))),
        a=int(rng.gauss(0, size) * ONE),
        b=int(abs(rng.gauss(0, size)) * ONE),
        rho=int(rng.uniform(-1.01, 1.01) * ONE),
        m=int(rng.gauss(0, 0.5) * ONE),
        sigma=int(abs(rng.gauss(0, size)) * ONE),
    )


def likely_slice(rng: random.Random, expiry: int, now: int, level: float) -> SliceReport:
    """A smile about a level, now and then bent a little too far."""
    one = flat(expiry, level * (1 + rng.gauss(0, 0.01)), now)
    bent = rng.choice([1, 1, 1, 1, 3, 9])
    return replace(
        one,
        forward=int(INDEX * (1 + rng.gauss(0, 0.005))),
        b=int(one.b * rng.uniform(0.9, 1.1) * bent),
        rho=int(rng.uniform(-0.9, 0.9) * ONE),
        m=int(rng.gauss(0, 0.02) * ONE),
    )


@pytest.mark.parametrize("seed", range(6))
def test_submit__random_reports__equal_model(world, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    twin = world.open(expiries=[START + n * DAY for n in (1, 2, 3, 7, 14, 30, 60, 90)])
    refusals, level = [], 0.6
    for _ in range(40):
        world.evm.advance(rng.choice([0, 1, 60, 600, 4_000]))
        level = min(max(level * (1 + rng.gauss(0, 0.05)), 0.1), 3.0)
        count = rng.choice([1, 1, 2, 3, 8])
        chosen = sorted(rng.sample(twin.listed, min(count, len(twin.listed))))
        slices = [likely_slice(rng, expiry, world.now, level) for expiry in chosen]
        if rng.random() < 0.1:
            slices[-1] = any_slice(rng, chosen[-1])
        if rng.random() < 0.05:
            slices.reverse()
        world.set_index(int(INDEX * (1 + rng.gauss(0, 0.003))), rng.choice([0, 0, 0, 0, 0, 1, 2]))
        changes = {"time": world.now - rng.choice([0, 0, 0, 5, 3_599, 3_601, -1])}
        if rng.random() < 0.1:
            changes["sequence"] = max(world.sequence - rng.choice([0, 1, 2]), 0)
        if rng.random() < 0.03:
            world.surfaces.halt(FEED, 500, sender=world.guardian)
            twin.halt(500, world.now)
        refusals.append(world.attempt(world.report(*slices, **changes)))
    assert refusals.count(None) >= 5
    assert len(set(refusals)) >= 4, refusals


@pytest.mark.parametrize("seed", range(8))
def test_submit__any_slice__equals_model(world, seed):
    """One slice at a time over the whole range of every field, with terms that let much through."""
    print(f"seed {seed}")
    rng = random.Random(1_000 + seed)
    world.open(forward_band=5_000, forward_rate=20_000, min_volatility=0, max_volatility=100_000)
    for _ in range(60):
        expiry = rng.choice(EXPIRIES)
        world.attempt(world.report(any_slice(rng, expiry)))


@pytest.mark.parametrize("seed", range(4))
def test_total_variance__random_slices__floor_of_the_exact_formula(seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    with localcontext() as context:
        context.prec = 60
        for _ in range(2_000):
            one = any_slice(rng, 1)
            k = rng.randint(-model.MAX_LOG_MONEYNESS, model.MAX_LOG_MONEYNESS)
            a, b, rho, y, sigma = (
                Decimal(x) / ONE for x in (one.a, one.b, one.rho, k - one.m, one.sigma)
            )
            if abs(rho) >= 1 or sigma == 0:
                continue
            exact = a + b * (rho * y + (y * y + sigma * sigma).sqrt())
            error = exact * ONE - model.total_variance(one, k)
            assert Decimal(-10) ** -15 <= error < 1 + Decimal(10) ** -11


@pytest.mark.parametrize("seed", range(3))
def test_density__random_slices__sign_of_the_exact_formula(seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    seen = set()
    with localcontext() as context:
        context.prec = 60
        for _ in range(2_000):
            one = any_slice(rng, 1)
            k = rng.choice(model.STRIKES)
            if abs(one.rho) >= ONE or one.sigma == 0 or model.total_variance(one, k) < 10**4:
                continue
            a, b, rho, y, sigma, x = (
                Decimal(n) / ONE for n in (one.a, one.b, one.rho, k - one.m, one.sigma, k)
            )
            root = (y * y + sigma * sigma).sqrt()
            w, slope = a + b * (rho * y + root), b * (rho + y / root)
            bend = b * sigma * sigma / root**3
            g = (1 - x * slope / (2 * w)) ** 2 - slope**2 / 4 * (1 / w + Decimal("0.25")) + bend / 2
            scale = 1 + abs(x * slope / w) ** 2 + slope**2 / w + bend
            if abs(g) > scale / 1_000:
                assert model.density_is_sound(one, k) == (g > 0)
                seen.add(g > 0)
    assert seen == {True, False}


@pytest.mark.parametrize("volatility", ["0.05", "0.6", "2.5"])
@pytest.mark.parametrize("expiry", EXPIRIES)
def test_implied_at_the_money__flat_smile__just_above_its_volatility(world, expiry, volatility):
    world.open()
    variance = round(float(volatility) ** 2 * (expiry - START) / 31_536_000 * ONE)
    world.submit(SliceReport(expiry, INDEX, variance, 0, 0, 0, 1))
    implied = world.surfaces.implied_at_the_money(FEED, expiry)
    assert 0 <= implied - round(float(volatility) * 10**6) <= 3
    assert world.surfaces.total_variance(FEED, expiry, 10**12) == variance
