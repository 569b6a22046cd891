"""Random pokes, answers, reports, halts and time: the contract equals the model bit for bit."""

import random

import pytest

from plimsoll.model import oracle as model
from plimsoll.signed_reports import PriceReport
from plimsoll.testing import reverts

FEED = 7
USD = 10**9
KEYS = [f"0x{n:064x}" for n in range(1_001, 1_010)]


def step_price(rng: random.Random, price: float) -> float:
    """Mostly small moves, now and then a jump."""
    scale = rng.choice([0.0005, 0.002, 0.002, 0.01, 0.03, 0.2])
    return min(max(price * (1 + rng.gauss(0, scale)), 1.0), 900_000.0)


@pytest.mark.parametrize("seed", range(6))
def test_poke__random_input__equals_model(world, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    aggregators = [world.aggregator() for _ in range(rng.choice([2, 3, 4]))]
    sources = [*aggregators, world.signer_set(KEYS[:2], 1)]
    ages = [rng.choice([300, 900, 3_600]) for _ in sources]
    quorum = rng.choice([1, 2, len(aggregators)])
    twin = world.list(sources, ages=ages, quorum=quorum, confirm=rng.choice([1, 30, 60]))
    price, sequence, seen = 2_000.0, 0, set()
    for _ in range(120):
        if rng.random() < 0.8:
            world.evm.advance(rng.choice([1, 12, 15, 61, 200, 1_000, 2_500]))
        price = step_price(rng, price)
        for aggregator in aggregators:
            if rng.random() < 0.6:
                wide = rng.choice([0.0002, 0.0002, 0.004, 0.02])
                aggregator.set_answer(int(price * (1 + rng.gauss(0, wide)) * 10**8))
        if rng.random() < 0.05:
            world.oracle.halt(FEED, 90, sender=world.guardian)
            twin.force_halt(world.now, 90)
        report = None
        if rng.random() < 0.5:
            sequence += rng.choice([0, 1, 1, 2])
            report = PriceReport(
                feed=FEED,
                source=len(aggregators),
                price=int(price * USD),
                time=world.now - rng.choice([0, 0, 3, 400]),
                sequence=sequence,
                premium=rng.randint(-80_000, 80_000),
            )
            old = twin.data[report.source]
            told = model.Report(report.source, report.price, report.time, sequence, report.premium)
            try:
                model.take_report(twin.sources[-1], old, told, twin.terms, world.now)
            except model.Refused as refusal:
                with reverts(str(refusal)):
                    world.oracle.poke(FEED, world.signed(report))
                report = None
        world.poke(report=report)
        seen.add(world.state())
        world.evm.advance(rng.choice([0, 1, 700]))
        world.check()
        expected = twin.settlement_price(world.now)
        if expected is None:
            with reverts("NoPrice"):
                world.oracle.settlement_price(FEED)
        else:
            assert world.oracle.settlement_price(FEED) == expected
    assert len(seen) >= 3
