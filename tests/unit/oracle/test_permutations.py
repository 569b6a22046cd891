"""The same updates of one second in any order: the same state and price from the next on (P28).

On the model, which the contract equals (test_differential.py and, for some of them, here). One
thing may depend on the order, and is asserted as it is: while a feed is HALTED, which of the
second's sound prices stands. And one limit: the jump and average rules measure a second's later
prices from its first, so with `jump_base` under the spread that halts, two small steps may pass
where one large would not.
"""

from __future__ import annotations

import copy
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from plimsoll.model import oracle as model
from plimsoll.model.oracle import Cause, State
from plimsoll.signed_reports import PriceReport
from tests.unit.oracle.conftest import FEED, KEYS, TERMS, USD

START = 1_700_000_000
AGE = 600
SOURCES = 3


@dataclass
class Case:
    """A feed and one second's updates: None is a poke that reads the aggregators."""

    feed: model.Feed
    now: int
    answers: list[model.Answer | None]
    updates: list[model.Report | None]
    calm: bool  # no source moved by more than `band`

    def after(self, order: tuple[int, ...]) -> model.Feed:
        """The feed once these have come in this order."""
        feed = copy.deepcopy(self.feed)
        for index in order:
            feed.poke(self.now, self.answers, self.updates[index])
        return feed


def case(seed: int) -> Case:
    """Three sources at 2,000 USD, some of them signed; OK, STALE or HALTED before; all move."""
    rng = random.Random(seed)
    terms = replace(
        TERMS, grace=rng.choice([0, 60]), jump_base=rng.choice([1_000, 9_999]), ema_band=4_000
    )
    on_chain = rng.choice([0, 0, 1, 2])
    sources = [model.Source(i >= on_chain, AGE, 8 if i < on_chain else 0) for i in range(SOURCES)]
    feed = model.Feed(terms, sources, model.Variance(25 * 10**14))
    now = START
    answers: list[model.Answer | None] = [
        model.Answer(1, 2_000 * 10**8, now) if i < on_chain else None for i in range(SOURCES)
    ]
    for i in range(on_chain, SOURCES):
        feed.poke(now, answers, model.Report(i, 2_000 * USD, now, 1))
    before = rng.choice(["ok", "ok", "stale", "halt"])
    now += rng.choice([1, 30, 300]) + (AGE if before == "stale" else 0)
    if before == "halt":
        feed.force_halt(now, 30)
        now += rng.choice([10, 30, 59, 60, 61])
    move = 1 + rng.choice([0.0, 0.001, 0.01, 0.03, 0.06, 0.12, -0.04, -0.09])
    wide = rng.choice([0.0003, 0.004, 0.02])
    prices = [round(2_000 * move * (1 + rng.gauss(0, wide)) * 10**8) for _ in range(SOURCES)]
    answers = [model.Answer(2, prices[i], now) if i < on_chain else None for i in range(SOURCES)]
    updates: list[model.Report | None] = [None] if on_chain else []
    updates += [model.Report(i, prices[i] * 10, now, 2) for i in range(on_chain, SOURCES)]
    limit = 2_000 * 10**8 * terms.band // 20_000  # half of `band`: any two lie within it
    calm = all(abs(price - 2_000 * 10**8) <= limit for price in prices)
    return Case(feed, now, answers, updates, calm)


def shape(feed: model.Feed, now: int) -> tuple[int, bool, int]:
    """State, recovery and price from the second after on; of a HALTED one the price aside."""
    hot = feed.in_force(now + 1)
    assert hot is not None
    state = hot.state_at(now + 1)
    return int(state), hot.recovering, 0 if state == State.HALTED else hot.price


def cases(count: int) -> Iterator[tuple[int, Case]]:
    for seed in range(count):
        yield seed, case(seed)


def test_updates_of_a_second__any_order__same_state_and_price() -> None:
    seen: Counter[tuple[int, int]] = Counter()
    for seed, one in cases(1_500):
        orders = list(itertools.permutations(range(len(one.updates))))
        found = {shape(one.after(order), one.now) for order in orders}
        assert len(found) == 1, f"seed {seed}: {found}"
        halted_on_the_way = 0
        for order in orders:
            states = {shape(one.after(order[:n]), one.now)[0] for n in range(1, len(order))}
            halted_on_the_way += int(State.HALTED) in states
        seen[next(iter(found))[0], min(halted_on_the_way, 1)] += 1
    print(dict(seen))
    assert all(seen[state, 1] for state in (State.OK, State.DEGRADED, State.HALTED)), seen


def test_updates_of_a_second__any_order__halted_at_a_sound_price() -> None:
    for seed, one in cases(500):
        old = one.feed.in_force(one.now)
        assert old is not None
        for order in itertools.permutations(range(len(one.updates))):
            taken = {old.price}
            for n in range(1, len(order) + 1):
                hot = one.after(order[:n]).newest()
                assert hot is not None
                if hot.state == State.HALTED:
                    assert hot.price in taken, f"seed {seed}, {order[:n]}"
                taken.add(hot.price)


def test_update_left_out__never_worse_than_its_sources_disagree() -> None:
    """Without an update its source's older datum counts as long as it is valid: nothing is missing
    or STALE for it, and only a difference of the data themselves makes it stricter."""
    stricter = 0
    for seed, one in cases(1_000):
        indices = range(len(one.updates))
        whole = shape(one.after(tuple(indices)), one.now)
        for left in indices:
            feed = one.after(tuple(i for i in indices if i != left))
            got = shape(feed, one.now)
            fresh = all(d and one.now - d.time <= AGE for d in feed.data)
            if got[0] <= whole[0] or not fresh:
                continue
            stricter += 1
            assert not one.calm, f"seed {seed}: {whole} -> {got}"
            assert got[0] != State.STALE, f"seed {seed}"
            if feed.cause != Cause.RECOVERING:
                assert feed.cause in (Cause.SPREAD, Cause.HALTING_SPREAD, Cause.GUARDIAN), (
                    f"seed {seed}: {feed.cause!r}"
                )
    assert stricter


def test_update_left_out__calm__same_state() -> None:
    met = 0
    for _, one in cases(3_000):
        if not one.calm or one.feed.hot is None or one.feed.hot.state_at(one.now) != State.OK:
            continue
        met += 1
        indices = range(len(one.updates))
        whole = shape(one.after(tuple(indices)), one.now)[0]
        for left in indices:
            assert shape(one.after(tuple(i for i in indices if i != left)), one.now)[0] <= whole
    assert met > 25


def test_guardian_halt__same_second__no_poke_takes_it_back() -> None:
    for _, one in cases(400):
        if one.feed.in_force(one.now) is None:
            continue
        for cut in range(len(one.updates) + 1):
            feed = one.after(tuple(range(cut)))
            feed.force_halt(one.now, 600)
            for index in range(cut, len(one.updates)):
                feed.poke(one.now, one.answers, one.updates[index])
            assert shape(feed, one.now)[0] == State.HALTED


@pytest.mark.parametrize("seed", range(6))
def test_contract__any_order__equals_model(world, seed: int) -> None:
    """Two aggregators and a signer set, every order of three pokes in one second."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    pair = [world.aggregator(2_000 * 10**8) for _ in range(2)]
    signed = world.signer_set(KEYS[:1], 1)
    world.list([*pair, signed], ema_band=4_000, grace=rng.choice([0, 60]), max_age=AGE)
    price = 2_000 * USD
    world.poke(report=PriceReport(FEED, 2, price, world.now, 1))
    world.evm.advance(AGE + 1 if seed == 4 else 30)
    if seed == 5:
        world.oracle.halt(FEED, 30, sender=world.guardian)
        world.feeds[FEED].force_halt(world.now, 30)
        world.evm.advance(61)
    moved = 1 + rng.choice([0.06, 0.09, -0.07])
    targets = [round(2_000 * moved * (1 + rng.gauss(0, 0.002)) * 10**8) for _ in range(3)]
    steps: list[Callable[[], object]] = [
        lambda: (pair[0].set_round(2, targets[0], world.now), world.poke()),
        lambda: (pair[1].set_round(2, targets[1], world.now), world.poke()),
        lambda: world.poke(report=PriceReport(FEED, 2, targets[2] * 10, world.now, 2)),
    ]
    start, twin = world.evm.snapshot(), world.feeds[FEED]
    found, states = set(), set()
    for order in itertools.permutations(steps):
        world.evm.revert(start)
        start = world.evm.snapshot()
        world.feeds[FEED] = copy.deepcopy(twin)
        for step in order:
            step()
            states.add(world.state())
        world.evm.advance(1)
        world.check()
        found.add((world.state(), world.price(), world.oracle.word(FEED) >> 162 & 1))
    assert len(found) == 1
    if seed != 4:  # after a gap there is nothing left to differ from
        assert State.HALTED in states  # on the way: one source had moved and the others had not
    assert next(iter(found))[0] in (State.OK, State.DEGRADED)


def test_half_hour__halt_taken_back_within_its_second__average_as_without(world) -> None:
    """The books of the price before are closed once, by the poke that halted."""
    pair = [world.aggregator(2_000 * 10**8) for _ in range(2)]
    world.list([*pair, world.signer_set(KEYS[:1], 1)], ema_band=4_000)
    start = world.now // 1_800 * 1_800 + 1_800
    world.evm.advance(start - world.now)
    for aggregator in pair:
        aggregator.set_answer(2_000 * 10**8)
    world.poke(report=PriceReport(FEED, 2, 2_000 * USD, world.now, 1))
    world.evm.advance(600)
    report = PriceReport(FEED, 2, 2_150 * USD, world.now, 2)
    averages, before, twin = set(), world.evm.snapshot(), world.feeds[FEED]
    for halting_first in (False, True):
        world.evm.revert(before)
        before, world.feeds[FEED] = world.evm.snapshot(), copy.deepcopy(twin)
        pair[0].set_answer(2_150 * 10**8)
        if halting_first:
            world.poke()
            assert world.state() == State.HALTED
        pair[1].set_answer(2_150 * 10**8)
        world.poke(report=report)
        assert (world.state(), world.price()) == (State.OK, 2_150 * USD)
        world.evm.advance(1_200)
        averages.add(world.oracle.settlement_price_at(FEED, start + 1_800))
    assert averages == {(2_000 * 600 + 2_150 * 1_200) * USD // 1_800}
