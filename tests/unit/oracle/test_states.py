"""Aggregation, age and spread limits at their edges, the breaker, one price per second (P28)."""

import itertools

import pytest

from plimsoll.testing import reverts

FEED, USD = 7, 10**9
OK, DEGRADED, STALE, HALTED = range(4)


def usd(price):
    return price * 10**8


def publish(world, aggregators, *prices):
    for aggregator, price in zip(aggregators, prices, strict=True):
        aggregator.set_answer(usd(price))


@pytest.fixture
def trio(world):
    aggregators = [world.aggregator() for _ in range(3)]
    world.list(aggregators, max_age=3_600)
    return aggregators


@pytest.mark.parametrize("order", itertools.permutations([1_990, 2_000, 2_013]))
def test_poke__three_sources__median_whatever_the_order(world, trio, order):
    world.evm.advance(15)
    publish(world, trio, *order)
    world.poke()
    reading = world.oracle.read(FEED)
    assert reading.price == 2_000 * USD
    assert reading.low <= 1_990 * USD
    assert reading.high >= 2_013 * USD


def test_poke__two_of_two__mean_rounded_down(world):
    pair = [world.aggregator(), world.aggregator()]
    world.list(pair)
    world.evm.advance(15)
    pair[0].set_answer(usd(2_000) + 1)
    pair[1].set_answer(usd(2_000))
    world.poke()
    assert world.price() == 2_000 * USD + 5
    assert world.oracle.read(FEED).low == 2_000 * USD * 999 // 1_000 + 4


def test_read__age_at_limit_and_past__ok_then_stale(world, trio):
    world.evm.advance(3_600)
    assert world.state() == OK
    world.evm.advance(1)
    assert world.state() == STALE
    assert world.price() == 2_000 * USD


def test_poke__datum_at_limit_and_past__counted_then_not(world, trio):
    world.evm.advance(3_600)
    publish(world, trio[:2], 2_000, 2_002)
    world.poke()
    assert (world.state(), world.price()) == (OK, 2_000 * USD)
    assert world.oracle.read(FEED).timestamp == world.now - 3_600
    world.evm.advance(1)
    world.poke()
    assert (world.state(), world.price()) == (DEGRADED, 2_001 * USD)
    assert world.oracle.read(FEED).timestamp == world.now - 1


def test_read__quorum_outlives_one_source__stale_only_with_the_quorum(world, trio):
    world.evm.advance(1_000)
    publish(world, trio[:1], 2_000)
    world.poke()
    world.evm.advance(600)
    publish(world, trio[1:2], 2_000)
    world.poke()
    # expiries 4,600 | 5,200 | 3,600 after the start: the second largest ends the quorum of two
    world.evm.advance(3_000)
    assert world.state() == OK
    world.evm.advance(1)
    assert world.state() == STALE


def test_poke__quorum_lost__price_stands_then_stale(world, trio):
    world.evm.advance(3_601)
    publish(world, trio[:1], 2_500)
    world.poke()
    assert (world.state(), world.price()) == (STALE, 2_000 * USD)


@pytest.mark.parametrize(("extra", "state"), [(0, OK), (1, DEGRADED)])
def test_poke__spread_at_band_and_past__ok_then_degraded(world, trio, extra, state):
    world.evm.advance(15)
    publish(world, trio, 2_000, 2_000, 2_020)
    trio[2].set_answer(usd(2_020) + extra)
    world.poke()
    assert world.state() == state


@pytest.mark.parametrize(("extra", "state"), [(0, DEGRADED), (1, HALTED)])
def test_poke__spread_at_halt_band_and_past__degraded_then_halted(world, trio, extra, state):
    world.evm.advance(15)
    publish(world, trio, 2_000, 2_000, 2_100)
    trio[2].set_answer(usd(2_100) + extra)
    world.poke()
    assert (world.state(), world.price()) == (state, 2_000 * USD)


@pytest.mark.parametrize(("extra", "state"), [(0, OK), (1, HALTED)])
def test_poke__jump_at_allowance_and_past__ok_then_halted(world, trio, extra, state):
    world.evm.advance(100)  # allowance 10 % + 100 s * 2e-4 = 12 %
    for aggregator in trio:
        aggregator.set_answer(usd(2_240) + extra)
    world.poke()
    assert world.state() == state
    assert world.price() == (2_240 * USD if state == OK else 2_000 * USD)


def test_poke__often__does_not_narrow_the_allowance(world, trio):
    for _ in range(9):
        world.evm.advance(10)
        world.poke()
    world.evm.advance(10)
    publish(world, trio, 2_240, 2_240, 2_240)
    world.poke()
    assert (world.state(), world.price()) == (OK, 2_240 * USD)


def test_poke__halt_confirmed__released_after_confirm_seconds(world, trio):
    world.evm.advance(15)
    publish(world, trio, 1_000, 1_000, 1_000)
    world.poke()
    assert (world.state(), world.price()) == (HALTED, 2_000 * USD)
    world.evm.advance(59)
    world.poke()
    assert world.state() == HALTED
    world.evm.advance(1)
    world.poke()
    assert (world.state(), world.price()) == (OK, 1_000 * USD)


def test_poke__breach_during_halt__clock_restarts(world, trio):
    world.evm.advance(15)
    publish(world, trio, 1_000, 1_000, 1_000)
    world.poke()
    world.evm.advance(50)
    publish(world, trio, 500, 500, 500)
    world.poke()
    world.evm.advance(59)
    world.poke()
    assert world.state() == HALTED
    world.evm.advance(1)
    world.poke()
    assert (world.state(), world.price()) == (OK, 500 * USD)


def test_halt__guardian__lasts_and_then_follows_the_rule(world, trio):
    twin = world.feeds[FEED]
    world.oracle.halt(FEED, 600, sender=world.guardian)
    twin.force_halt(world.now, 600)
    assert world.state() == HALTED
    for wait, state in [(599, HALTED), (1, OK)]:
        world.evm.advance(wait)
        publish(world, trio, 2_000, 2_000, 2_000)
        world.poke()
        assert world.state() == state


def test_halt__shorter_call__cannot_shorten(world, trio):
    world.oracle.halt(FEED, 600, sender=world.guardian)
    world.oracle.halt(FEED, 1, sender=world.guardian)
    assert world.oracle.feed_words(FEED)[5] >> 120 & 2**32 - 1 == world.now + 600


def test_halt__by_whom_and_how_long(world, trio):
    with reverts("NotGuardian"):
        world.oracle.halt(FEED, 1, sender=world.stranger)
    for duration in (0, 3 * 86_400 + 1):
        with reverts("BadArgument"):
            world.oracle.halt(FEED, duration, sender=world.guardian)
    with reverts("UnknownFeed"):
        world.oracle.halt(FEED + 1, 1, sender=world.guardian)
    world.oracle.halt(FEED, 3 * 86_400, sender=world.governance)


def test_poke__twice_in_a_second__first_price_serves_second_waits(world, trio):
    world.evm.advance(15)
    publish(world, trio, 2_010, 2_010, 2_010)
    world.poke()
    for trick, price in enumerate((2_020, 2_030)):
        publish(world, trio, price, price, price)
        for aggregator in trio:
            aggregator.set_round(100 + trick, usd(price), world.now)
        world.poke()
        assert world.price() == 2_010 * USD
        assert world.oracle.word(FEED) & (2**56 - 1) == 2_010 * USD
        assert world.oracle.latest(FEED) & (2**56 - 1) == price * USD
    world.evm.advance(1)
    assert world.price() == 2_030 * USD
    world.check()
    world.poke()
    assert world.price() == 2_030 * USD


def test_poke__halt_in_the_same_second__price_stays_state_at_once(world, trio):
    world.evm.advance(15)
    publish(world, trio, 2_010, 2_010, 2_010)
    world.poke()
    for number, price in ((100, 2_011), (101, 1_000)):
        for aggregator in trio:
            aggregator.set_round(number, usd(price), world.now)
        world.poke()
    assert (world.state(), world.price()) == (HALTED, 2_010 * USD)
    world.evm.advance(1)
    assert (world.state(), world.price()) == (HALTED, 2_011 * USD)


def test_poke__unknown_feed_or_value__refused(world, trio):
    for feed in (0, FEED + 1, 65_536, 2**255):
        with reverts("UnknownFeed"):
            world.oracle.poke(feed, b"")
        with reverts("UnknownFeed"):
            world.oracle.word(feed)
        with reverts("UnknownFeed"):
            world.oracle.words([FEED, feed])
    with reverts("BadArgument"):
        world.oracle.poke(FEED, b"", value=1)


def test_words__bound_and_past__served_then_refused(world, trio):
    assert len(world.oracle.words([FEED] * 88)) == 88
    with reverts(""):
        world.oracle.words([FEED] * 89)


def test_poke__events__rebuild_the_words(world, trio):
    world.evm.advance(15)
    publish(world, trio, 2_000, 2_000, 2_021)
    receipt = world.poke()
    poked = receipt.event("Poked")
    assert poked.word == world.oracle.feed_words(FEED)[0]
    assert list(poked.data[:3]) == [world.oracle.source_words(FEED, i)[1] for i in range(3)]
    change = receipt.event("StateChanged")
    assert (change.old_state, change.new_state, change.cause) == (OK, DEGRADED, 2)


def test_poke__sole_source__event_has_its_datum(world):
    aggregator = world.aggregator()
    world.list([aggregator], quorum=1)
    world.evm.advance(15)
    aggregator.set_answer(usd(2_001))
    poked = world.poke().event("SoleSourcePoked")
    assert poked.word == world.oracle.feed_words(FEED)[0]
    assert poked.datum == world.oracle.source_words(FEED, 0)[1]
