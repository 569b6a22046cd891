"""A seeded run of the twin: fast, for volume. Longer: `pytest ... --machine-steps 20000`."""

from __future__ import annotations

import random

import pytest

from tests.invariant.driver import Driver, quiet


def jump(rng: random.Random) -> int:
    """A price move in 1e-4: mostly small, one in six a crash or a squeeze."""
    if rng.random() < 0.17:
        return rng.choice((-1, 1)) * rng.randrange(800, 3_000)
    return round(rng.gauss(0, 200))


PATIENCE = 40  # steps after which stale feeds come back
STEPS = {
    "trade": (
        24,
        lambda r: (
            r.randrange(9),
            r.randrange(2),
            r.choice((1, 10, 20, 40, 60, 80)),
            r.random() < 0.5,
            r.randrange(-60, 61),
            r.choice((0, 1, 1, 0, 2, 4)),
        ),
    ),
    "close": (8, lambda r: (r.randrange(9), r.randrange(2), r.randrange(3), r.randrange(9))),
    "batch": (3, lambda r: (r.randrange(9), r.randrange(9), r.randrange(2), r.randrange(1, 10**7))),
    "split": (2, lambda r: (r.randrange(9), r.randrange(2), r.randrange(1, 10**7))),
    "deposit": (5, lambda r: (r.randrange(9), r.choice((1, 7, r.randrange(10**6, 10**10))))),
    "withdraw": (8, lambda r: (r.randrange(9), r.choice((1, 20, 50, 99, 100, 130)))),
    "transfer": (2, lambda r: (r.randrange(1, 10**19), r.random() < 0.5)),
    "coin_in": (4, lambda r: (r.randrange(9), r.randrange(1, 2 * 10**19))),
    "coin_out": (3, lambda r: (r.randrange(9), r.choice((10, 50, 100, 101)))),
    "release": (3, lambda r: (r.randrange(9),)),
    "recover": (2, lambda r: ()),
    "realise": (4, lambda r: (r.randrange(9), r.randrange(2), r.randrange(9))),
    "donate": (1, lambda r: (r.randrange(1, 10**9),)),
    "fund_in": (1, lambda r: (r.randrange(1, 10**10),)),
    "fund_out": (2, lambda r: (r.choice((5, 40, 101)),)),
    "budget": (1, lambda r: (r.choice((1, 10)),)),
    "fees": (2, lambda r: (r.randrange(2),)),
    "price": (14, lambda r: (r.randrange(1, 3), jump(r))),
    "funding": (4, lambda r: (r.randrange(1, 3), r.randrange(-800, 800))),
    "feed": (
        2,
        lambda r: (
            r.choice((1, 2, 100)),
            r.choice((0, 0, 0, 1, 1, 2, 3)),
            r.randrange(300),
            r.randrange(300),
            r.randrange(120),
        ),
    ),
    "flow": (
        1,
        lambda r: (
            r.choice((1, 5, 100, 4_095)),
            r.choice((0, 60, 600, 65_535)),
            r.choice((0, 128, 192)),
            r.choice((0, 0, 1_000, 200_000)),
        ),
    ),
    "pause": (1, lambda r: (r.choice((0, 0, 0, 0, 1, 2, 3, 4)),)),
    "time": (10, lambda r: (r.choice((15, 15, 15, 15, 1, 600, 3_600, 86_400)),)),
    "cure": (1, lambda r: (r.randrange(9),)),
    "sell": (
        7,
        lambda r: (
            r.randrange(9),
            r.choice((1, 2, 2, r.randrange(9))),
            r.randrange(4_000),
            r.choice((100, 100, 30)),
        ),
    ),
    "leg": (
        5,
        lambda r: (
            r.randrange(9),
            r.randrange(2),
            r.choice((1, 2, 2, r.randrange(9))),
            r.choice((0, 300, r.randrange(4_000))),
            r.choice((100, 100, 100, 40, 130)),
        ),
    ),
    "residual": (3, lambda r: (r.randrange(9), r.randrange(2), r.choice((100, 100, 50, 200)))),
    "net": (1, lambda r: (r.randrange(2),)),
    "deleverage": (5, lambda r: (r.randrange(9), r.choice((1, 2)), r.choice((0, 50, 100)))),
}


def run(driver: Driver, seed: int, steps: int) -> None:
    """`steps` random steps; the seed and the step's number are in every failure."""
    rng = random.Random(seed)
    names, weights = list(STEPS), [weight for weight, _ in STEPS.values()]
    for number in range(steps):
        if number == steps * 9 // 10:
            driver.wind_down(1)
        name = rng.choices(names, weights)[0]
        arguments = STEPS[name][1](rng)
        try:
            getattr(driver, name)(*arguments)
            if number % PATIENCE == 0:
                quiet(driver)
                driver.pause(0)
        except AssertionError as wrong:
            raise AssertionError(
                f"seed {seed}, step {number}, {name}{arguments}: {wrong}"
            ) from wrong


@pytest.mark.parametrize("offset", [0, 1])
def test_twin__random_use__model_equals_chain(machine_steps: int, offset: int, seed: int) -> None:
    steps = machine_steps or 2_500
    print(f"seed {seed + offset}, steps {steps}: --machine-seed {seed} repeats this run")
    driver = Driver()
    run(driver, seed + offset, steps)
    print(dict(sorted(driver.events.items())))
