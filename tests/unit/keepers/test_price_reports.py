"""The price keeper pushes signed reports: quorum, bounds, races of two pushers, jitter."""

from __future__ import annotations

from plimsoll.keepers.price_input import Observation
from plimsoll.keepers.price_rules import Triggers
from tests.unit.keepers.fake_chain import FakeChain
from tests.unit.keepers.price_scene import FEED, OTHER, SENDER, Scene, Told, moves
from tests.unit.oracle.conftest import KEYS, USD


def test_push__first_then_calm_then_deviation__one_transaction_each(signed: Scene) -> None:
    keeper = signed.keeper()
    signed.see("2000")
    done = keeper.run_once()
    assert moves(done) == [("push", "sent")]
    assert signed.world.price(FEED) == 2_000 * USD
    assert signed.datum().round == signed.world.now * 1_000
    done = keeper.run_once()
    assert moves(done) == [("push", "mined")]  # the one from before
    signed.world.evm.advance(30)
    signed.see("2000.5")
    assert moves(keeper.run_once()) == []
    signed.see("2010")
    assert moves(keeper.run_once()) == [("push", "sent")]
    assert signed.datum().price == 2_010 * USD
    assert len(signed.chain.sent) == 2


def test_push__two_of_three_signatures__ascending_and_accepted(scene: Scene) -> None:
    number = scene.world.signer_set(KEYS[:3], 2)
    scene.world.list_only([number], FEED, quorum=1)
    scene.see("2000")
    done = scene.keeper(keys=2).run_once()
    assert moves(done) == [("push", "sent")]
    assert scene.datum().price == 2_000 * USD


def test_push__outside_the_feeds_bounds__refused_before_it_is_sent(signed: Scene) -> None:
    signed.see("10000001")
    done = signed.keeper().run_once()
    assert done.failed
    assert "OutOfRange" in done.decisions[0].reason
    assert signed.chain.sent == []


def test_push__two_pushers_at_once__the_later_observation_wins_and_the_other_is_no_failure(
    signed: Scene,
) -> None:
    signed.chain.automine = False
    ours, theirs = Told(), Told()
    ours.seen[FEED] = Observation(2_000 * USD, signed.world.now - 2)
    theirs.seen[FEED] = Observation(2_001 * USD, signed.world.now - 1)
    slow = signed.keeper(SENDER, told=ours)
    other = FakeChain(signed.world.evm, automine=False)
    quick = Scene(signed.world, other, theirs).keeper(OTHER)
    assert moves(slow.run_once()) == [("push", "sent")]
    assert moves(quick.run_once()) == [("push", "sent")]
    other.mine()  # theirs first
    signed.chain.mine(1)
    done = slow.run_once()
    (one,) = done.record()["transactions"]
    assert (one["status"], one["late"]) == ("reverted", True)
    assert not done.failed
    assert signed.datum().price == 2_001 * USD


def test_push__deviation_in_a_loop__waits_its_jitter_first(signed: Scene) -> None:
    keeper = signed.keeper(jitter=10_000)
    signed.see("2000")
    keeper.run_once()
    keeper.hurry = False
    signed.world.evm.advance(60)
    signed.see("2100")
    done = keeper.run_once()
    assert [one.kind for one in done.decisions if one.action == "push"] == ["held"]
    keeper.triggers = Triggers(jitter=10_000, heartbeat=20_000, lead=3_000)
    signed.world.evm.advance(1_000)  # the wait is over, or the datum is about to expire
    signed.see("2100")
    held = keeper._held[FEED, 0]
    signed.world.evm.set_timestamp(max(signed.world.now, held[1]))
    signed.see("2100")
    assert moves(keeper.run_once())[-1] == ("push", "sent")
