"""The price keeper pokes feeds without a report: deviation, heartbeat, halts, recovery."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.unit.keepers.price_scene import FEED, Scene, moves
from tests.unit.oracle.conftest import USD


def test_poke__aggregators_move__only_at_the_deviation(scene: Scene) -> None:
    world = scene.world
    first = world.aggregator(2_000 * 10**8)
    second = world.aggregator(2_000 * 10**8)
    world.list_only([first, second], FEED)
    keeper = scene.poker()
    assert moves(keeper.run_once()) == []
    world.evm.advance(30)
    for one in (first, second):
        one.set_answer(2_004 * 10**8)
    assert moves(keeper.run_once()) == []
    for one in (first, second):
        one.set_answer(2_006 * 10**8)
    assert moves(keeper.run_once()) == [("poke", "sent")]
    assert world.price(FEED) == 2_006 * USD


def test_poke__heartbeat__only_where_it_makes_the_price_fresher(scene: Scene) -> None:
    world = scene.world
    feeds = [world.aggregator(), world.aggregator()]
    world.list_only(feeds, FEED)
    keeper = scene.poker(heartbeat=900)
    world.evm.advance(1_000)
    assert moves(keeper.run_once()) == []  # the aggregators have nothing newer
    for one in feeds:
        one.set_answer(2_000 * 10**8)
    done = keeper.run_once()
    assert [one.kind for one in done.decisions] == ["heartbeat"]
    assert moves(done) == [("poke", "sent")]


def test_poke__stale_and_then_an_answer__back_at_once(scene: Scene) -> None:
    world = scene.world
    feeds = [world.aggregator(), world.aggregator()]
    world.list_only(feeds, FEED)
    keeper = scene.poker(heartbeat=100_000)
    world.evm.advance(4_000)
    assert scene.state() == 2
    assert moves(keeper.run_once()) == []
    for one in feeds:
        one.set_answer(2_000 * 10**8)
    done = keeper.run_once()
    assert done.decisions[0].reason.startswith("STALE becomes ")
    assert scene.state() < 2


def test_poke__halted_by_a_jump__halt_begun_and_ended_by_rule(scene: Scene) -> None:
    world = scene.world
    feeds = [world.aggregator(), world.aggregator()]
    world.list_only(feeds, FEED)
    keeper = scene.poker()
    world.evm.advance(1)
    for one in feeds:
        one.set_answer(3_000 * 10**8)
    assert moves(keeper.run_once()) == [("poke", "sent")]
    assert scene.state() == 3
    # The first poke of the halt took the jump as its candidate; calm counts from there.
    for _ in range(30):
        world.evm.advance(6)
        keeper.run_once()
        if scene.state() != 3:
            break
    assert scene.state() < 3
    assert len(scene.chain.sent) <= 4


def test_poke__guardian_halt__waits_for_its_end(scene: Scene) -> None:
    world = scene.world
    feeds = [world.aggregator(), world.aggregator()]
    world.list_only(feeds, FEED)
    world.oracle.halt(FEED, 600, sender=world.guardian)
    keeper = scene.poker()
    world.evm.advance(300)
    done = keeper.run_once()
    assert "may end in 300 s" in done.decisions[0].reason
    assert moves(done) == []
    world.evm.advance(300)
    assert moves(keeper.run_once()) == [("poke", "sent")]
    assert scene.state() < 3


def test_poke__node_without_programs__said_and_nothing_done(scene: Scene) -> None:
    world = scene.world
    world.list_only([world.aggregator(), world.aggregator()], FEED)
    scene.chain.runs_programs = False
    done = scene.poker().run_once()
    assert "no rehearsal" in done.decisions[0].reason
    assert moves(done) == []


def test_poke__recovering__ended_in_the_first_second_it_can_be(scene: Scene) -> None:
    world = scene.world
    feeds = [world.aggregator(), world.aggregator()]
    world.list_only(feeds, FEED, max_age=600, grace=60)
    keeper = scene.poker(heartbeat=100_000, deviation_bps=Decimal(10_000))
    world.evm.advance(601)
    for one in feeds:
        one.set_answer(2_000 * 10**8)
    done = keeper.run_once()
    assert done.decisions[0].reason == "STALE becomes RECOVERING"
    back = world.now
    for passed in (6, 30, 59):
        world.evm.set_timestamp(back + passed)
        assert [one.kind for one in keeper.run_once().decisions] == ["calm"]
    world.evm.set_timestamp(back + 60)
    done = keeper.run_once()
    assert done.decisions[0].reason == "RECOVERING becomes OK"
    assert scene.state() == 0
    assert len(scene.chain.sent) == 2


@pytest.mark.parametrize("cause", [3, 4, 6])
def test_poke__halted_by_the_breaker__noted_and_ended_in_the_first_second_it_can_be(
    scene: Scene, cause: int
) -> None:
    world = scene.world
    feeds = [world.aggregator(), world.aggregator()]
    changes = {"jump_base": 9_999, "ema_band": 100} if cause == 6 else {}
    world.list_only(feeds, FEED, grace=60, **changes)
    keeper = scene.poker()
    world.evm.advance(30)
    for one, usd in zip(feeds, (1_900, 2_100) if cause == 3 else (2_300, 2_300), strict=True):
        one.set_answer(usd * 10**8)
    done = keeper.run_once()
    assert done.decisions[0].reason == "OK becomes HALTED"
    assert world.oracle.feed_words(FEED)[5] >> 152 & 15 == cause
    halted = world.now
    for one in feeds:
        one.set_answer((2_000 if cause == 3 else 2_300) * 10**8)
    world.evm.set_timestamp(halted + 59)
    done = keeper.run_once()
    assert [one.reason for one in done.decisions] == ["halted; may end in 1 s"]
    world.evm.set_timestamp(halted + 60)
    assert keeper.run_once().decisions[0].reason == "HALTED becomes RECOVERING"
    world.evm.set_timestamp(halted + 119)
    assert [one.kind for one in keeper.run_once().decisions] == ["calm"]
    world.evm.set_timestamp(halted + 120)
    assert keeper.run_once().decisions[0].reason == "RECOVERING becomes OK"
    assert scene.state() == 0
    assert len(scene.chain.sent) == 3


def test_poke__sequencer_back__fresh_price_at_once(scene: Scene) -> None:
    world = scene.world
    sequencer = world.run_sequencer(120)
    world.list_only([world.aggregator(), world.aggregator()], FEED, sequenced=True)
    keeper = scene.poker()
    world.tell_sequencer(sequencer, 1, world.now)
    world.evm.advance(300)
    assert moves(keeper.run_once()) == []
    world.tell_sequencer(sequencer, 0, world.now)
    world.evm.advance(15)
    done = keeper.run_once()
    assert done.decisions[0].reason == "STALE becomes RECOVERING"
    assert moves(done) == [("poke", "sent")]
    world.evm.advance(105)  # the grace time ends by itself
    assert scene.state() == 0
    assert moves(keeper.run_once()) == [("poke", "mined")]  # the one from before


def test_poke__feed_through_another__both_back_after_the_leg(scene: Scene) -> None:
    world = scene.world
    leg, rate = world.aggregator(), world.aggregator(105 * 10**6)
    world.list_only([leg], 5, max_age=600, quorum=1)
    world.list_only([rate], FEED, max_age=600, quorum=1, twists={0: {"via": 5}})
    keeper = scene.poker({5: "BTC", FEED: "ETH"}, heartbeat=100_000)
    world.evm.advance(601)
    for one, answer in ((leg, 2_000 * 10**8), (rate, 106 * 10**6)):
        one.set_answer(answer)
    done = keeper.run_once()
    assert [one.key for one in done.decisions if one.go] == [(5, -1)]
    keeper.run_once()
    assert world.price(FEED) == 2_120 * USD
    assert (world.state(5), scene.state()) == (0, 0)
