"""The price of any past half hour: the same for ever, from nobody's choice, exact to the tick."""

import random

import pytest

from plimsoll.evm import Reverted
from plimsoll.testing import reverts

FEED, USD, HALF_HOUR = 7, 10**9, 1_800
HALTED = 3


def price_at(world, end):
    """The half hour's price, None where there is none."""
    try:
        return int(world.oracle.settlement_price_at(FEED, end))
    except Reverted as refusal:
        if refusal.name == "NoPrice":
            return None
        raise


def next_half_hour(world):
    return world.now - world.now % HALF_HOUR + HALF_HOUR


@pytest.mark.parametrize("seed", range(8))
def test_settlement_price_at__random_pokes__equals_the_sum_over_seconds(world, seed):
    """Against the price of every single second, written down as it went."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    age = rng.choice([1_000, 3_600, 20_000])
    aggregator = world.aggregator()
    world.list_only([aggregator], quorum=1, max_age=age, grace=0, variance=10**12)
    begin = world.now
    seconds = []  # price of each second since the start, None while not OK
    for _ in range(150):
        wait = rng.choice([15, 60, 300, 700, rng.choice([1_200, 1_800, 4_000, 9_000])])
        read = world.now
        hot = world.oracle.feed_words(FEED)[0]
        price, state, ttl = hot & 2**56 - 1, hot >> 160 & 3, hot >> 112 & 65_535
        if len(seconds) < read - begin:
            raise AssertionError("a second was left out")
        for second in range(wait):
            fine = state == 0 and second < ttl
            seconds.append(price if fine else None)
        world.evm.advance(wait)
        aggregator.set_answer(int(2_000 * 10**8 * (1 + rng.uniform(-0.02, 0.02))))
        world.oracle.poke(FEED, b"")
    checked = {True: 0, False: 0}
    first = begin - begin % HALF_HOUR + HALF_HOUR
    for end in range(first + HALF_HOUR, world.now + 1, HALF_HOUR):
        window = seconds[end - HALF_HOUR - begin : end - begin]
        whole = len(window) == HALF_HOUR and None not in window
        expected = sum(window) // HALF_HOUR if whole else None
        assert price_at(world, end) == expected, (end - begin) / HALF_HOUR
        checked[whole] += 1
    print(checked)
    assert checked[True] > 3


def test_settlement_price_at__read_before_and_after_further_pokes__the_same(world):
    aggregator = world.aggregator()
    world.list_only([aggregator], quorum=1, max_age=20_000)
    end = next_half_hour(world) + HALF_HOUR
    world.evm.advance(end - HALF_HOUR - world.now + 600)
    aggregator.set_answer(2_030 * 10**8)
    world.oracle.poke(FEED, b"")
    world.evm.advance(end - world.now)
    first = price_at(world, end)
    assert first == (2_000 * 600 + 2_030 * 1_200) * USD // HALF_HOUR
    for later in (1, 5_000, 80_000):
        world.evm.advance(later)
        assert price_at(world, end) == first
        aggregator.set_answer(2_000 * 10**8)
        world.oracle.poke(FEED, b"")
        assert price_at(world, end) == first


@pytest.mark.parametrize(("early", "known"), [(1, False), (0, True)])
def test_settlement_price_at__not_over_yet__none(world, early, known):
    world.list_only([world.aggregator()], quorum=1, max_age=20_000)
    end = next_half_hour(world) + HALF_HOUR
    world.evm.advance(end - early - world.now)
    assert (price_at(world, end) is not None) == known


def test_settlement_price_at__half_hour_it_was_listed_in__none(world):
    world.list_only([world.aggregator()], quorum=1, max_age=20_000)
    end = next_half_hour(world)
    world.evm.advance(end - world.now)
    assert price_at(world, end) is None


def test_settlement_price_at__halted_within__none_and_the_next_whole_one_has(world):
    aggregator = world.aggregator()
    world.list_only([aggregator], quorum=1, max_age=20_000)
    world.evm.advance(next_half_hour(world) + 10 - world.now)
    world.oracle.poke(FEED, b"")
    end = next_half_hour(world)
    world.oracle.halt(FEED, 60, sender=world.guardian)
    world.evm.advance(61)
    world.oracle.poke(FEED, b"")
    world.evm.advance(end + HALF_HOUR - world.now)
    assert price_at(world, end) is None
    assert price_at(world, end + HALF_HOUR) == 2_000 * USD


def test_settlement_price_at__halted_later__the_half_hour_before_keeps_its_price(world):
    aggregator = world.aggregator()
    world.list([aggregator], quorum=1, max_age=20_000)
    world.evm.advance(next_half_hour(world) - world.now)
    world.poke()
    end = next_half_hour(world)
    world.evm.advance(2 * HALF_HOUR + 100)
    seen = [price_at(world, end), price_at(world, end + HALF_HOUR)]
    world.oracle.halt(FEED, 60, sender=world.guardian)
    world.feeds[FEED].force_halt(world.now, 60)
    for wait in (0, 61, 61, HALF_HOUR):
        world.evm.advance(wait)
        assert [price_at(world, end), price_at(world, end + HALF_HOUR)] == seen
        assert seen == [world.feeds[FEED].settlement_price_at(end, world.now)] * 2
        world.poke()
    assert seen == [2_000 * USD] * 2


def test_settlement_price_at__under_a_sequencer__none_until_a_poke_has_shown_that_it_ran(world):
    """What was read once stays: a restart voids the half hours since the last price."""
    status = world.run_sequencer(120)
    world.list([world.aggregator()], quorum=1, max_age=20_000, sequenced=True)
    world.evm.advance(next_half_hour(world) - world.now)
    world.poke()
    end = next_half_hour(world)
    world.evm.advance(HALF_HOUR + 100)
    assert price_at(world, end) is None
    handle = world.evm.snapshot()
    world.oracle.poke(FEED, b"")
    assert price_at(world, end) == 2_000 * USD
    world.tell_sequencer(status, 0, world.now)
    assert price_at(world, end) == world.oracle.settlement_price(FEED) == 2_000 * USD
    world.evm.revert(handle)
    world.tell_sequencer(status, 0, world.now)
    for _ in range(3):
        assert price_at(world, end) is None
        assert world.feeds[FEED].settlement_price_at(end, world.now) is None
        world.poke()
        world.evm.advance(60)


@pytest.mark.parametrize("end", [0, 1, 1_799, 1_801])
def test_settlement_price_at__no_half_hours_end__refused(world, end):
    world.list_only([world.aggregator()], quorum=1)
    with reverts("BadArgument"):
        world.oracle.settlement_price_at(FEED, end)


def test_settlement_price_at__before_the_listing__none(world):
    world.list_only([world.aggregator()], quorum=1, max_age=20_000)
    for end in (1_800, world.now - world.now % HALF_HOUR - 36 * HALF_HOUR):
        assert price_at(world, end) is None


def test_settlement_price_at__unlisted_or_unpriced__refused(world):
    with reverts("UnknownFeed"):
        world.oracle.settlement_price_at(9, 1_800)
    with reverts("UnknownFeed"):
        world.oracle.settlement_price_at(2**16, 1_800)
    world.list_only([world.signer_set([f"0x{1_001:064x}"], 1)], quorum=1)
    with reverts("NoPrice"):
        world.oracle.settlement_price_at(FEED, 1_800)
