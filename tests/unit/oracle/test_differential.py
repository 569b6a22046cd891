"""Random pokes, answers, reports, halts and time: the contract equals the model bit for bit."""

import random

import pytest

from plimsoll.model import oracle as model
from plimsoll.signed_reports import PriceReport
from plimsoll.testing import reverts

FEED = 7
USD = 10**9
KEYS = [f"0x{n:064x}" for n in range(1_001, 1_010)]


def step_price(rng: random.Random, price: float, calm: bool) -> float:
    """Mostly small moves, now and then a jump."""
    scale = 0.001 if calm else rng.choice([0.0005, 0.002, 0.002, 0.01, 0.03, 0.2])
    return min(max(price * (1 + rng.gauss(0, scale)), 1.0), 900_000.0)


@pytest.mark.parametrize("seed", range(12))
def test_poke__random_input__equals_model(world, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    aggregators = [world.aggregator() for _ in range(rng.choice([2, 3, 4]))]
    status = world.run_sequencer() if seed % 3 == 2 else None
    twists, legs = composites(world, rng, aggregators)
    calm = seed % 2 == 0  # whole half hours OK, so without reports, which come and go
    sources = [*aggregators, *([] if calm else [world.signer_set(KEYS[:2], 1)])]
    ages = [3_600 if calm else rng.choice([300, 900, 3_600]) for _ in sources]
    quorum = rng.choice([1, 2, len(aggregators)])
    twin = world.list(
        sources,
        ages=ages,
        quorum=quorum,
        confirm=rng.choice([1, 30, 60]),
        grace=rng.choice([0, 60, 300]),
        ema_band=rng.choice([100, 300]),
        sequenced=status is not None,
        twists=twists,
    )
    price, sequence, seen, windows = 2_000.0, 0, set(), set()
    for _ in range(120):
        if rng.random() < 0.8:
            world.evm.advance(rng.choice([1, 12, 15, 61, 200, 1_000, 2_500]))
        if status is not None and rng.random() < 0.1:
            answer = rng.choice([0, 0, 1])
            world.tell_sequencer(status, answer, world.now - rng.choice([0, 60, 3_600]))
        price = step_price(rng, price, calm)
        for leg in legs:
            if rng.random() < 0.5:
                world.targets[leg][0].set_answer(rng.randint(99_000_000, 101_000_000))
                world.poke(leg)
        for i, aggregator in enumerate(aggregators):
            if rng.random() < 0.6:
                wide = 0.0002 if calm else rng.choice([0.0002, 0.0002, 0.004, 0.02])
                quoted = price * (1 + rng.gauss(0, wide))
                quoted = 1 / quoted if "inverse" in twists.get(i, {}) else quoted
                aggregator.set_answer(int(quoted * 10 ** aggregator.decimals()))
        if rng.random() < 0.02:
            world.oracle.halt(FEED, 90, sender=world.guardian)
            twin.force_halt(world.now, 90)
        report = None
        if not calm and rng.random() < 0.5:
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
        seen.add((world.state(), twin.cause))
        world.evm.advance(rng.choice([0, 1, 700]))
        world.check()
        windows.add(check_window(world, rng, twin))
        expected = twin.settlement_price(world.now)
        if expected is None:
            with reverts("NoPrice"):
                world.oracle.settlement_price(FEED)
        else:
            assert world.oracle.settlement_price(FEED) == expected
    print(sorted(seen))
    assert len(seen) >= 3
    assert windows == {True, False} or not calm


def composites(world, rng, aggregators):
    """Terms of single sources, some inverted, some via a stable feed; the ids of those feeds."""
    twists, legs = {}, []
    if rng.random() < 0.5:
        world.list([world.aggregator(10**8)], feed=3, quorum=1, ages=[rng.choice([600, 3_600])])
        twists[0], legs = {"via": 3}, [3]
    if rng.random() < 0.5:
        aggregators[-1] = world.aggregator(10**18 // 2_000, 18)
        twists[len(aggregators) - 1] = {"inverse": True}
    return twists, legs


def check_window(world, rng, twin):
    """A half hour of the last day has the model's price; returns whether it has one."""
    end = (world.now // 1_800 - rng.randint(-1, 20)) * 1_800
    expected = twin.settlement_price_at(end, world.now)
    if expected is None:
        with reverts("NoPrice"):
            world.oracle.settlement_price_at(FEED, end)
    else:
        assert world.oracle.settlement_price_at(FEED, end) == expected
    return expected is not None
