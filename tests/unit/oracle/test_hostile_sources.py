"""No invalid answer becomes a price, bricks the feed, or takes a datum away early (P26, P27)."""

import pytest

from plimsoll.evm import Reverted
from plimsoll.testing import reverts

FEED, USD = 7, 10**9
OK, DEGRADED, STALE, HALTED = range(4)
REVERT, EMPTY, BYTES_31, HUGE, BURN, LONG, PANIC, SLOW = range(1, 9)
PRICE = 2_000 * 10**8
INT_MAX, INT_MIN = 2**255 - 1, -(2**255)


def as_word(value):
    return value % 2**256


def round_words(number, answer, time):
    return [number, as_word(answer), time, time, number]


@pytest.fixture
def trio(world):
    """Two honest aggregators and one that can misbehave, listed with a quorum of two."""
    bad = world.deploy_mock("HostileAggregator", 8, round_words(10, PRICE + 2 * 10**8, world.now))
    honest = [world.aggregator(PRICE), world.aggregator(PRICE + 10**8)]
    world.list_only([*honest, bad], max_age=3_600)
    return honest, bad


def refresh(world, honest):
    world.evm.advance(60)
    for number, aggregator in enumerate(honest):
        aggregator.set_answer(PRICE + number * 10**8)


@pytest.mark.parametrize("mode", [REVERT, EMPTY, BYTES_31, HUGE, BURN, LONG, PANIC])
def test_poke__source_misbehaves__datum_kept_then_degraded(world, trio, mode):
    honest, bad = trio
    kept = world.oracle.source_words(FEED, 2)[1]
    bad.set_mode(mode)
    refresh(world, honest)
    world.oracle.poke(FEED, b"")
    assert world.oracle.source_words(FEED, 2)[1] == kept
    assert world.price() == 2_001 * USD
    assert world.state() == OK  # the old datum counts until its own expiry
    world.evm.advance(3_600)
    refresh(world, honest)
    world.oracle.poke(FEED, b"")
    assert world.price() == 2_000 * USD + USD // 2
    assert world.state() == DEGRADED


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("zero", lambda now: round_words(11, 0, now)),
        ("negative", lambda now: round_words(11, -PRICE, now)),
        ("int max", lambda now: round_words(11, INT_MAX, now)),
        ("int min", lambda now: round_words(11, INT_MIN, now)),
        ("under 2**128", lambda now: round_words(11, 2**128 - 1, now)),
        ("wick to 0.0001", lambda now: round_words(11, 10**4, now)),
        ("above bound", lambda now: round_words(11, 10**6 * 10**8 + 1_000, now)),
        ("future", lambda now: round_words(11, PRICE, now + 1)),
        ("no time", lambda now: round_words(11, PRICE, 0)),
        ("huge time", lambda now: round_words(11, PRICE, 2**255)),
        ("time back", lambda now: round_words(11, PRICE, now - 61)),
        ("round back", lambda now: round_words(9, PRICE, now)),
        ("round over 80 bits", lambda now: round_words(2**80, PRICE, now)),
        ("same round, other answer", lambda now: round_words(10, 2 * PRICE, now - 60)),
    ],
)
def test_poke__invalid_answer__ignored(world, trio, name, words):
    honest, bad = trio
    kept = world.oracle.source_words(FEED, 2)[1]
    refresh(world, honest)
    bad.set_words(words(world.now))
    world.oracle.poke(FEED, b"")
    assert world.oracle.source_words(FEED, 2)[1] == kept
    assert world.price() == 2_001 * USD
    assert world.state() == OK


def test_poke__answer_now__accepted(world, trio):
    honest, bad = trio
    refresh(world, honest)
    bad.set_words(round_words(11, PRICE + 3 * 10**8, world.now))
    world.oracle.poke(FEED, b"")
    assert world.oracle.source_words(FEED, 2)[1] & (2**56 - 1) == 2_003 * USD


@pytest.mark.parametrize(
    ("mode", "decimals"),
    [(0, 18), (0, 9), (0, 0), (0, 2**255), (REVERT, 8), (EMPTY, 8), (BYTES_31, 8), (BURN, 8)],
)
def test_poke__decimals_changed__ignored(world, trio, mode, decimals):
    honest, bad = trio
    kept = world.oracle.source_words(FEED, 2)[1]
    refresh(world, honest)
    bad.set_words(round_words(11, PRICE + 3 * 10**8, world.now))
    bad.set_decimals(mode, decimals)
    world.oracle.poke(FEED, b"")
    assert world.oracle.source_words(FEED, 2)[1] == kept


def test_poke__code_gone__datum_kept(world, trio):
    honest, bad = trio
    kept = world.oracle.source_words(FEED, 2)[1]
    world.evm.set_code(bad.address, b"")
    refresh(world, honest)
    world.oracle.poke(FEED, b"")
    assert world.oracle.source_words(FEED, 2)[1] == kept
    assert world.state() == OK


@pytest.mark.parametrize("factor", [0.5, 0.97, 1.03, 2])
def test_poke__one_bad_of_three__median_within_the_others(world, trio, factor):
    honest, bad = trio
    refresh(world, honest)
    bad.set_words(round_words(11, int(PRICE * factor), world.now))
    world.oracle.poke(FEED, b"")
    assert 2_000 * USD <= world.price() <= 2_002 * USD


def test_poke__starved_at_any_gas__never_loses_a_sound_answer(world, trio):
    honest, bad = trio
    bad.set_mode(SLOW)
    caller = world.deploy_mock("GasCaller")
    payload = world.oracle.pack("poke", FEED, b"")
    outcomes = set()
    for gas in [*range(20_000, 300_000, 4_000)]:
        handle = world.evm.snapshot()
        refresh(world, honest)
        bad.set_words(round_words(11, PRICE + 3 * 10**8, world.now))
        try:
            caller.forward(world.oracle.address, payload, gas)
        except Reverted as refusal:
            outcomes.add(refusal.name)
        else:
            outcomes.add("done")
            assert world.oracle.source_words(FEED, 2)[1] & (2**56 - 1) == 2_003 * USD
        world.evm.revert(handle)
    assert outcomes == {"", "done", "StarvedCall"}


def test_list_feed__hostile_source__refused(world):
    honest = [world.aggregator(PRICE), world.aggregator(PRICE)]
    for mode in (REVERT, EMPTY, BYTES_31, HUGE, BURN, LONG):
        bad = world.deploy_mock("HostileAggregator", 8, round_words(10, PRICE, world.now))
        bad.set_mode(mode)
        with reverts("NoSoundAnswer"):
            world.list_only([*honest, bad])
    for decimals in (28, 255, 2**200):
        bad = world.deploy_mock("HostileAggregator", decimals, round_words(1, PRICE, world.now))
        with reverts("BadDecimals"):
            world.list_only([*honest, bad])
