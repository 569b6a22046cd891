"""Feeds that go through one another, poked again and again within seconds, halted, with a restart:
the contract equals the model, and a half hour's price once read never changes."""

import random

import pytest

from plimsoll.evm import Reverted
from plimsoll.signed_reports import PriceReport

BOTTOM, MIDDLE, TOP, HALF_HOUR = 3, 5, 7, 1_800
FEEDS = (BOTTOM, MIDDLE, TOP)
ONE = 10**8
KEYS = [f"0x{n:064x}" for n in range(1_001, 1_003)]


def list_chain(world, rng, sequenced):
    """Three aggregators; a feed of one that goes through them and one that does not; a third that
    goes through that one, beside signed reports."""

    def rules():
        return {"grace": rng.choice([0, 60]), "confirm": rng.choice([1, 60])}

    def ages(*choices):
        return [rng.choice([choice, 20_000]) for choice in choices]

    trio, pair, last = ([world.aggregator(ONE) for _ in range(n)] for n in (3, 2, 1))
    reports = world.signer_set(KEYS[:1], 1)
    twist = {"via": MIDDLE, "inverse": rng.random() < 0.3}
    for feed, sources, limits, twists, quorum in (
        (BOTTOM, trio, ages(600, 3_600, 3_600), {}, rng.choice([1, 2])),
        (MIDDLE, pair, ages(900, 3_600), {0: {"via": BOTTOM}}, 1),
        (TOP, [*last, reports], ages(3_600, 900), {0: twist}, 1),
    ):
        world.list(
            sources,
            feed=feed,
            ages=limits,
            twists=twists,
            quorum=quorum,
            sequenced=sequenced,
            **rules(),
        )


def move(world, rng, feed):
    """New answers, now and then one that goes back in round or time, and a halt."""
    for target in world.targets[feed]:
        if target is None or rng.random() < 0.7:
            continue
        if rng.random() < 0.1:
            target.set_round(rng.randrange(1, 60), ONE, world.now - rng.choice([0, 5, 900]))
        else:
            wide = rng.choice([0.0005, 0.0005, 0.01])
            target.set_answer(int(ONE * (1 + rng.gauss(0, wide))))
    if rng.random() < 0.05:
        world.oracle.halt(feed, 90, sender=world.guardian)
        world.feeds[feed].force_halt(world.now, 90)


def report_of(world, rng, sequence):
    price = int(world.price(TOP) * (1 + rng.gauss(0, 0.003)))
    premium = rng.randint(-80_000, 80_000)
    return PriceReport(TOP, 1, price, world.now, sequence, premium)


def price_at(world, feed, end):
    try:
        return int(world.oracle.settlement_price_at(feed, end))
    except Reverted as refusal:
        if refusal.name == "NoPrice":
            return None
        raise


def read_past(world, rng, known):
    """Half hours of the last day: as the model has them, and as they were read before."""
    for feed in FEEDS:
        world.check(feed)
        for back in (0, 1, 2, rng.randint(3, 12)):
            end = (world.now // HALF_HOUR - back) * HALF_HOUR
            found = price_at(world, feed, end)
            assert found == world.feeds[feed].settlement_price_at(end, world.now)
            assert known.get((feed, end), found) == found
            if found is not None:
                known[feed, end] = found


@pytest.mark.parametrize("seed", range(8))
def test_poke__chain_of_feeds__equals_model_and_past_half_hours_stay(world, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    status = world.run_sequencer(120) if seed % 4 == 3 else None
    list_chain(world, rng, status is not None)
    known = {}
    for step in range(150):
        if rng.random() < 0.6:
            rest = HALF_HOUR - world.now % HALF_HOUR
            world.evm.advance(rng.choice([1, 1, 12, 60, 300, 1_000, HALF_HOUR, rest, 4_000]))
        if status is not None and rng.random() < 0.04:
            started = world.now - rng.choice([0, 60])
            world.tell_sequencer(status, rng.choice([0, 0, 1]), started)
        read_past(world, rng, known)
        for feed in FEEDS:
            move(world, rng, feed)
            told = feed == TOP and rng.random() < 0.3
            report = report_of(world, rng, step + 1) if told else None
            for _ in range(rng.choice([0, 1, 1, 2])):
                world.poke(feed, report=report)
                report = None
        read_past(world, rng, known)
    print(len(known), "half hours")
    assert known
