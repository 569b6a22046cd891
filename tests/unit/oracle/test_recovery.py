"""After a gap, a halt or a restart no liquidation goes on for the grace time; the slow average."""

import pytest

from plimsoll.testing import reverts

FEED, USD = 7, 10**9
OK, DEGRADED, STALE, HALTED = range(4)
GRACE = 60
RECOVERING = 7  # cause


def recovering(world):
    """Bit 162 of the quote word."""
    return bool(world.oracle.word(FEED) >> 162 & 1)


def refresh(world, seconds, trio, price=2_000):
    world.evm.advance(seconds)
    for aggregator in trio:
        aggregator.set_answer(price * 10**8)
    return world.poke()


@pytest.fixture
def trio(world):
    """Three aggregators whose data count for ten minutes; a minute of grace."""
    aggregators = [world.aggregator() for _ in range(3)]
    world.list(aggregators, max_age=600, grace=GRACE)
    return aggregators


def test_poke__first_price_of_all__is_no_recovery(world, trio):
    assert (world.state(), recovering(world)) == (OK, False)


@pytest.mark.parametrize(("gap", "expected"), [(600, False), (601, True)])
def test_poke__after_a_gap__recovers(world, trio, gap, expected):
    world.evm.advance(gap)
    assert (world.state() == STALE) == expected
    receipt = refresh(world, 0, trio)
    assert (world.state(), recovering(world)) == ((DEGRADED, True) if expected else (OK, False))
    changes = [e.args for e in receipt.events if e.name == "StateChanged"]
    assert [(c["old_state"], c["new_state"], c["cause"]) for c in changes] == (
        [(STALE, DEGRADED, RECOVERING)] if expected else []
    )


@pytest.mark.parametrize(("seconds", "expected"), [(59, True), (60, False), (61, False)])
def test_poke__grace_at_its_end__over(world, trio, seconds, expected):
    refresh(world, 601, trio)
    refresh(world, seconds, trio)
    assert recovering(world) == expected
    assert world.state() == (DEGRADED if expected else OK)


def test_poke__often_within_grace__neither_shortens_nor_lengthens_it(world, trio):
    refresh(world, 601, trio)
    for _ in range(5):
        refresh(world, 10, trio)
        assert recovering(world)
    refresh(world, 10, trio)
    assert not recovering(world)


def test_word__nobody_pokes_after_the_grace__goes_on_until_a_poke(world, trio):
    refresh(world, 601, trio)
    world.evm.advance(300)
    assert recovering(world)
    world.poke()
    assert not recovering(world)


def test_word__stale_again_within_grace__stale(world, trio):
    refresh(world, 601, trio)
    world.evm.advance(601)
    assert (world.state(), recovering(world)) == (STALE, False)
    refresh(world, 0, trio)
    refresh(world, GRACE - 1, trio)
    assert recovering(world)  # the grace began anew


def test_poke__halt_released__recovers(world, trio):
    world.oracle.halt(FEED, 90, sender=world.guardian)
    world.feeds[FEED].force_halt(world.now, 90)
    refresh(world, 90, trio)
    assert (world.state(), recovering(world)) == (DEGRADED, True)
    refresh(world, GRACE, trio)
    assert (world.state(), recovering(world)) == (OK, False)


def test_words__recovering_and_plain_feeds_together__each_its_own(world, trio):
    world.list([world.aggregator()], feed=8, quorum=1)
    refresh(world, 601, trio)
    one, two, three = world.oracle.words([FEED, 8, FEED])
    assert (one >> 162 & 1, two >> 162 & 1, three >> 162 & 1) == (1, 0, 1)


# -- the slow average


def drift(world, trio, end, steps=10, seconds=300):
    """The price goes to `end` in steps that the jump rule allows."""
    start = world.price() // USD
    for step in range(1, steps + 1):
        refresh(world, seconds, trio, start + (end - start) * step // steps)


@pytest.mark.parametrize(("offset", "state"), [(0, OK), (1, HALTED)])
def test_poke__distance_to_the_slow_average_at_its_band_and_past(world, offset, state):
    aggregator = world.aggregator()
    world.list([aggregator], quorum=1, jump_base=9_999, ema_band=300)
    slow = world.feeds[FEED].settlement.slow
    limit = (slow + slow * 300 // 1_000) // 10  # ticks to the aggregator's 1e-8
    world.evm.advance(15)
    aggregator.set_answer(limit + offset)
    world.poke()
    assert world.state() == state
    assert world.oracle.feed_words(FEED)[5] >> 152 & 15 == (6 if state else 0)


def test_poke__slow_drift_beyond_the_band__halts_and_starts_anew_from_the_confirmed(world, trio):
    start = world.now
    while world.state() == OK:
        refresh(world, 60, trio, world.price() // USD + 20)
        assert world.now < start + 86_400, "no halt in a day"
    assert world.state() == HALTED
    level = world.feeds[FEED].halt.candidate // USD
    halted = world.now
    while world.state() == HALTED:
        refresh(world, 15, trio, level)
    assert world.now - halted == 60  # confirm
    assert world.feeds[FEED].settlement.slow == pytest.approx(level * USD, rel=1e-4)


def test_poke__single_wild_hour__barely_moves_the_slow_average(world, trio):
    before = world.feeds[FEED].settlement.slow
    drift(world, trio, 2_300, steps=6, seconds=600)
    after = world.feeds[FEED].settlement.slow
    assert before < after < before * 102 // 100


# -- the sequencer


@pytest.fixture
def rollup(world):
    """A feed on a rollup whose sequencer has run for an hour; two minutes of grace."""
    status = world.run_sequencer(120)
    aggregators = [world.aggregator() for _ in range(3)]
    world.list(aggregators, grace=GRACE, sequenced=True)
    return status, aggregators


def test_word__sequencer_down__halted_until_it_is_back(world, rollup):
    status, _ = rollup
    assert world.state() == OK
    world.tell_sequencer(status, 1, world.now)
    world.check()
    assert world.state() == HALTED
    assert world.oracle.read(FEED).state == HALTED


def test_word__sequencer_back__stale_until_poked_then_recovering_for_its_grace(world, rollup):
    status, trio = rollup
    world.tell_sequencer(status, 1, world.now)
    world.evm.advance(300)
    restart = world.now
    world.tell_sequencer(status, 0, restart)
    world.check()
    assert world.state() == STALE  # the price is from before
    world.evm.advance(15)
    refresh(world, 0, trio)
    assert (world.state(), recovering(world)) == (DEGRADED, True)
    world.evm.advance(restart + 119 - world.now)
    assert (world.state(), recovering(world)) == (DEGRADED, True)
    world.evm.advance(1)
    assert (world.state(), recovering(world)) == (OK, False)


@pytest.mark.parametrize(
    "words",
    [
        lambda now: [1, 2, now - 3_600, now, 1],
        lambda now: [1, 2**256 - 1, now - 3_600, now, 1],
        lambda now: [1, 0, 0, now, 1],  # not initialised
        lambda now: [1, 0, now + 1, now, 1],
    ],
)
def test_word__sequencer_feed_unsound__halted(world, rollup, words):
    rollup[0].set_words(words(world.now))
    assert world.state() == HALTED


@pytest.mark.parametrize("mode", range(1, 8))
def test_word__sequencer_feed_misbehaves__halted(world, rollup, mode):
    rollup[0].set_mode(mode)
    assert world.state() == HALTED


def test_settlement_price__sequencer_stood_still__half_hour_has_no_price(world, rollup):
    status, trio = rollup
    refresh(world, 1_800 - world.now % 1_800, trio)
    begun = world.now
    world.evm.advance(600)
    world.tell_sequencer(status, 0, world.now)  # restarted unseen
    refresh(world, 600, trio)
    refresh(world, 600, trio)
    refresh(world, 1_800, trio)
    with reverts("NoPrice"):
        world.oracle.settlement_price_at(FEED, begun + 1_800)
    assert world.oracle.settlement_price_at(FEED, begun + 3_600) == 2_000 * USD


def test_set_sequencer__cannot_work__refused(world):
    down = world.deploy_mock("HostileAggregator", 0, [1, 1, world.now, world.now, 1])
    up = world.deploy_mock("HostileAggregator", 0, [1, 0, world.now, world.now, 1])
    nobody = "0x" + "00" * 20
    for name, feed, grace in [
        ("BadSource", down.address, 60),
        ("BadSource", world.stranger, 60),
        ("BadParameter", up.address, 0),
        ("BadParameter", up.address, 65_536),
        ("BadParameter", nobody, 60),
    ]:
        with reverts(name):
            world.oracle.set_sequencer(feed, grace, sender=world.governance)
    with reverts("NotGovernance"):
        world.oracle.set_sequencer(up.address, 60, sender=world.stranger)
    with reverts("BadParameter"):  # a feed under a sequencer where there is none
        world.list_only([world.aggregator()], quorum=1, sequenced=True)
    world.oracle.set_sequencer(up.address, 60, sender=world.governance)
    assert world.oracle.sequencer_words()[0] == int(up.address, 16) | 60 << 160
    world.oracle.set_sequencer(nobody, 0, sender=world.governance)
    assert world.oracle.sequencer_words() == [0, 0]
