"""What status says of gaps, halts and the sequencer: cause, and end to the second."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from plimsoll.oracle_status import record, show
from tests.unit.oracle.conftest import FEED, World
from tests.unit.oracle_status.conftest import read, refresh, told, trio


def test_status__stale_then_recovering_then_ok__ends_in_the_second_it_says(world: World) -> None:
    aggregators = trio(world)
    world.evm.advance(601)
    for one in aggregators:
        one.set_answer(2_000 * 10**8)
    feed = told(world)
    assert (feed["state"], feed["recovering_until"]) == ("STALE", None)
    assert feed["poke"]["state"] == "RECOVERING"
    refresh(world, 0, aggregators)
    begun = world.now
    feed = told(world)
    assert (feed["state"], feed["cause"]) == ("RECOVERING", "recovering")
    assert (feed["recovering"], feed["recovering_until"]) == (True, begun + 60)
    assert feed["why"] == "back from a gap or a halt, in its grace time"
    world.evm.advance(30)
    refresh(world, 29, aggregators)
    feed = told(world)  # the last second: a poke has not helped, and would not
    assert (feed["recovering_until"], feed["poke"]["state"]) == (world.now + 1, "RECOVERING")
    world.evm.advance(1)
    feed = told(world)
    assert feed["why"] == "back from a gap or a halt; its grace time is over, a poke ends it"
    assert (feed["state"], feed["poke"]["state"]) == ("RECOVERING", "OK")
    world.oracle.poke(FEED, b"", sender=world.stranger)
    feed = told(world)
    assert (feed["state"], feed["cause"], feed["recovering_until"]) == ("OK", "none", None)


@pytest.mark.parametrize(
    ("cause", "answers", "changes", "reason"),
    [
        (
            "halting_spread",
            (1_900, 2_000, 2_100),
            {},
            "the sources are too far apart: now 10 %, limit 5 %",
        ),
        ("jump", (2_300,) * 3, {}, "the price moved faster than allowed"),
        (
            "slow_average",
            (2_300,) * 3,
            {"jump_base": 9_999, "ema_band": 100},
            "the price is too far from its slow average",
        ),
    ],
)
def test_status__halted_by_the_breaker__its_cause_and_its_end_to_the_second(
    world: World, cause: str, answers: tuple[int, ...], changes: dict[str, int], reason: str
) -> None:
    aggregators = trio(world, **changes)
    world.evm.advance(30)
    for one, usd in zip(aggregators, answers, strict=True):
        one.set_answer(usd * 10**8)
    assert told(world)["poke"]["state"] == "HALTED"
    world.oracle.poke(FEED, b"", sender=world.stranger)
    begun = world.now
    feed = told(world)
    assert (feed["state"], feed["cause"], feed["why"]) == ("HALTED", cause, reason)
    assert (feed["halt"]["cause"], feed["halt"]["may_end_at"]) == (cause, begun + 60)
    assert feed["halt"]["candidate_usd"] == str(answers[1])
    for one in aggregators:
        one.set_answer(answers[1] * 10**8)
    world.evm.advance(59)
    assert told(world)["poke"]["state"] == "HALTED"
    world.evm.advance(1)
    assert told(world)["poke"]["state"] == "RECOVERING"
    world.oracle.poke(FEED, b"", sender=world.stranger)
    feed = told(world)
    assert (feed["state"], feed["halt"]) == ("RECOVERING", None)
    assert feed["recovering_until"] == world.now + 60
    assert feed["slow_average_usd"] is not None


# -- the sequencer --------------------------------------------------------------------------------


def test_status__sequencer_down_and_back__halted_stale_recovering_ok(world: World) -> None:
    sequencer = world.run_sequencer(120)
    aggregators = trio(world, sequenced=True)
    world.list_only([world.aggregator()], 9, quorum=1)  # not under it
    assert told(world)["state"] == "OK"
    world.tell_sequencer(sequencer, 1, world.now)
    snapshot, _ = read(world, {FEED: "ETH", 9: "BTC"})
    all_told = record(snapshot)
    assert all_told["sequencer"] == {
        "feed": sequencer.address,
        "up": False,
        "since": None,
        "grace_s": 120,
        "recovering_until": None,
    }
    feed, other = all_told["feeds"]
    assert (feed["state"], feed["cause"], feed["halt"]) == ("HALTED", "sequencer", None)
    assert feed["why"] == "the sequencer is down, or its feed gives no sound answer"
    assert (other["state"], other["cause"]) == ("OK", "none")
    out = io.StringIO()
    show(snapshot, Console(file=out, width=160))
    assert "sequencer DOWN" in out.getvalue()
    world.evm.advance(300)
    restart = world.now
    world.tell_sequencer(sequencer, 0, restart)
    feed = told(world)
    assert (feed["state"], feed["cause"]) == ("STALE", "sequencer")
    assert feed["why"].startswith("the price is from before the sequencer's restart")
    assert feed["poke"]["state"] == "RECOVERING"
    refresh(world, 15, aggregators)
    feed = told(world)
    assert (feed["state"], feed["cause"]) == ("RECOVERING", "sequencer")
    assert feed["recovering_until"] == restart + 120
    world.evm.advance(restart + 119 - world.now)
    assert told(world)["state"] == "RECOVERING"
    world.evm.advance(1)  # ends by itself
    feed = told(world)
    assert (feed["state"], feed["cause"], feed["recovering_until"]) == ("OK", "none", None)


def test_status__guardian_halt_under_a_dead_sequencer__the_halt_is_the_cause(world: World) -> None:
    sequencer = world.run_sequencer(120)
    trio(world, sequenced=True)
    world.oracle.halt(FEED, 600, sender=world.guardian)
    world.tell_sequencer(sequencer, 1, world.now)
    assert told(world)["cause"] == "guardian"


def test_status__terms_just_put_under_the_sequencer__served_so_from_the_next_poke(
    world: World,
) -> None:
    aggregators = trio(world)
    sequencer = world.run_sequencer(120)
    terms = world.terms(grace=60, sequenced=True)
    world.oracle.set_terms(FEED, terms, sender=world.governance)
    world.tell_sequencer(sequencer, 1, world.now)
    assert (told(world)["state"], told(world)["cause"]) == ("OK", "none")
    world.evm.advance(601)
    assert (told(world)["state"], told(world)["cause"]) == ("STALE", "missing_source")
    refresh(world, 0, aggregators)
    assert (told(world)["state"], told(world)["cause"]) == ("HALTED", "sequencer")
    world.evm.advance(601)
    assert (told(world)["state"], told(world)["cause"]) == ("HALTED", "sequencer")


def test_status__both_grace_times_run__the_later_end_is_told(world: World) -> None:
    sequencer = world.run_sequencer(600)
    aggregators = trio(world, sequenced=True, grace=60)
    world.evm.advance(700)
    restart = world.now
    world.tell_sequencer(sequencer, 0, restart)
    refresh(world, 100, aggregators)
    feed = told(world)
    assert (feed["state"], feed["recovering_until"]) == ("RECOVERING", restart + 600)
    world.evm.advance(59)
    refresh(world, 1, aggregators)
    feed = told(world)  # its own is over
    assert (feed["cause"], feed["recovering_until"]) == ("sequencer", restart + 600)
    assert feed["why"] == "the sequencer has just restarted; its grace time runs"
