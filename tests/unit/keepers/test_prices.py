"""The price keeper against the real adapter in process: triggers, races, stuck transactions."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from plimsoll.deployment.rpc import LocalSigner
from plimsoll.keepers.outbox import Outbox
from plimsoll.keepers.price_input import (
    ChainInput,
    FileInput,
    InputError,
    LineInput,
    Observation,
    parse,
)
from plimsoll.keepers.prices import PriceKeeper, Triggers, early, judge_push, sequence_of
from plimsoll.keepers.pyth_updates import UpdateFile, UpdateLines, Updates
from plimsoll.keepers.rehearsal import Step, build, rehearse
from plimsoll.keepers.report_signers import AccountSigner, KeySigner, Panel, choose
from plimsoll.oracle_status import SourceView, read_oracle
from plimsoll.oracle_words import DatumWord, SourceWord
from plimsoll.signed_reports import PriceReport
from tests.unit.keepers.fake_chain import FakeChain
from tests.unit.keepers.oracle_house import oracle_world
from tests.unit.oracle.conftest import KEYS, START, USD, World

FEED = 7
SENDER, OTHER = "0x" + "51" * 32, "0x" + "52" * 32
IDS = {"ETH": FEED}


@dataclass
class Told:
    """An input that says what the test says."""

    seen: dict[int, Observation] = field(default_factory=dict)
    ended: bool = False

    def read(self, now: int) -> Mapping[int, Observation]:
        return self.seen


@dataclass
class Scene:
    """A world behind a fake node, and a clock that only the test moves."""

    world: World
    chain: FakeChain
    told: Told
    clock: float = 0.0

    def outbox(self, key: str = SENDER) -> Outbox:
        node = self.chain.node(self.world.oracle.address)
        return Outbox(node, LocalSigner(key), patience=40, clock=lambda: self.clock)

    def keeper(
        self, key: str = SENDER, keys: int = 1, told: Told | None = None, **changes: Any
    ) -> PriceKeeper:
        """A keeper that has just been started."""
        node = self.chain.node(self.world.oracle.address)
        signers = sorted((KeySigner(one) for one in KEYS[:keys]), key=lambda s: int(s.address, 16))
        keeper = PriceKeeper(
            node,
            {FEED: "ETH"},
            Triggers(**{"jitter": 0, **changes}),
            {(FEED, 0): Panel(tuple(signers))},
            told or self.told,
            self.outbox(key),
        )
        keeper.adopt()
        return keeper

    def poker(
        self,
        names: dict[int, str] | None = None,
        updates: Updates | None = None,
        **changes: Any,
    ) -> PriceKeeper:
        """A keeper without signers."""
        node = self.chain.node(self.world.oracle.address)
        triggers = Triggers(**{"jitter": 0, **changes})
        return PriceKeeper(
            node, names or {FEED: "ETH"}, triggers, outbox=self.outbox(), updates=updates
        )

    def see(self, usd: str, time: float | None = None) -> None:
        """What the input says now."""
        price = int(Decimal(usd) * USD)
        self.told.seen[FEED] = Observation(price, self.world.now if time is None else time)

    def datum(self) -> DatumWord:
        """The chain's newest datum."""
        datum = DatumWord.of(self.world.oracle.source_words(FEED, 0)[1])
        assert datum is not None
        return datum

    def state(self) -> int:
        return self.world.state(FEED)


@pytest.fixture(scope="module")
def shared() -> World:
    return oracle_world()


@pytest.fixture
def scene(shared: World) -> Iterator[Scene]:
    handle = shared.evm.snapshot()
    yield Scene(shared, FakeChain(shared.evm), Told())
    shared.evm.revert(handle)


@pytest.fixture
def signed(scene: Scene) -> Scene:
    """A feed of one source of reports, one signer."""
    number = scene.world.signer_set(KEYS[:3], 1)
    scene.world.list_only([number], FEED, quorum=1)
    return scene


def moves(done: Any) -> list[tuple[str, str]]:
    """What a pass did: action and fate, in order."""
    return [(one["action"], one["status"]) for one in done.record()["transactions"]]


# -- rehearsals -----------------------------------------------------------------------------------


def test_rehearse__write_then_read__later_steps_see_it_and_the_chain_does_not(
    scene: Scene,
) -> None:
    token = scene.world.deploy_mock("ChainlinkAggregator", 8, "ETH / USD", 5)
    steps = [
        Step(token.address, token.pack("latestRoundData")),
        Step(token.address, token.pack("set_answer", 9)),
        Step(token.address, token.pack("latestRoundData")),
        Step(token.address, b"\xde\xad\xbe\xef"),
    ]
    (done,) = rehearse(scene.chain, [steps])  # type: ignore[arg-type]
    assert done is not None
    assert [reply.ok for reply in done.replies] == [True, True, True, False]
    answers = [int.from_bytes(done.replies[i].data[32:64], "big") for i in (0, 2)]
    assert answers == [5, 9]
    assert token.latestRoundData()[1] == 5
    assert done.timestamp == scene.world.now


def test_build__too_much_data__refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        build([Step("0x" + "11" * 20, bytes(49_152))])


# -- rules ----------------------------------------------------------------------------------------


def source_of(datum: DatumWord | None, max_age: int = 3_600) -> SourceView:
    return SourceView(0, SourceWord(1, 2, 0, max_age, 1, 0, False, 0), datum)


@pytest.mark.parametrize(
    ("observed", "kept", "expected"),
    [
        (1_000.25, None, 1_000_250),
        (1_000.25, DatumWord(5, 990, 990_000, 0), 1_000_250),
        (1_000.25, DatumWord(5, 1_000, 1_000_250, 0), None),  # the very same
        (1_000.25, DatumWord(5, 1_000, 1_000_900, 0), None),  # a later one of the same second
        (1_000.25, DatumWord(5, 990, 10**12, 0), 10**12 + 1),  # somebody counts otherwise
        (1_000.25, DatumWord(5, 990, 2**64 - 1, 0), None),  # no number is left
        (1_060.0, None, 1_000_999),  # a clock ahead of the chain's
    ],
)
def test_sequence_of__kept_datum__time_in_milliseconds_above_it(
    observed: float, kept: DatumWord | None, expected: int | None
) -> None:
    assert sequence_of(observed, 1_000, source_of(kept)) == expected


def test_early__same_salt_same_wait__within_the_jitter() -> None:
    waits = [early(bytes([number]), 7) for number in range(100)]
    assert set(waits) == set(range(8))
    assert early(b"\x05", 7) == waits[5]
    assert early(b"\x05", 0) == 0


@pytest.mark.parametrize(
    ("usd", "later", "kind"),
    [
        ("2000", 0, "known"),
        ("2000", 60, "calm"),
        ("2004.99", 60, "calm"),
        ("2005", 60, "deviation"),  # 25 bps
        ("1995", 60, "deviation"),
        ("2000", 1_799, "calm"),
        ("2000", 1_800, "heartbeat"),
        ("2000", 3_541, "expiry"),
        ("2000", 9_000, "expiry"),
    ],
)
def test_judge_push__after_a_report_of_2000__by_deviation_and_heartbeat(
    signed: Scene, usd: str, later: int, kind: str
) -> None:
    signed.see("2000")
    signed.keeper().run_once()
    signed.world.evm.advance(later)
    signed.see(usd)
    triggers = Triggers(heartbeat=1_800 if later < 3_000 else 10_000, jitter=0)
    feed = read_oracle(signed.chain.node(signed.world.oracle.address), {FEED: "ETH"}).feeds[0]
    verdict, report = judge_push(feed, feed.sources[0], signed.told.seen[FEED], triggers)
    assert verdict.kind == kind
    assert verdict.go is (kind not in ("calm", "known"))
    assert (report is not None) is verdict.go


def test_judge_push__input_without_news__waits_and_never_repeats_the_old(signed: Scene) -> None:
    signed.see("2000")
    keeper = signed.keeper()
    keeper.run_once()
    keeper.settle()
    signed.world.evm.advance(3_590)  # past the heartbeat: but the input has nothing newer
    done = keeper.run_once()
    assert [one.kind for one in done.decisions if one.action == "push"] == ["known"]
    assert moves(done) == []
    signed.world.evm.advance(11)
    done = keeper.run_once()
    assert [one.kind for one in done.decisions if one.action == "push"] == ["old"]
    assert done.unfed


# -- reports --------------------------------------------------------------------------------------


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


# -- stuck, dropped, restarted --------------------------------------------------------------------


@pytest.fixture
def stuck(signed: Scene) -> tuple[Scene, PriceKeeper]:
    """A report in the pool of a chain that mines nothing."""
    signed.chain.automine = False
    signed.see("2000")
    keeper = signed.keeper()
    assert moves(keeper.run_once()) == [("push", "sent")]
    return signed, keeper


def test_outbox__in_flight__nothing_is_sent_beside_it(
    stuck: tuple[Scene, PriceKeeper],
) -> None:
    scene, keeper = stuck
    scene.world.evm.advance(5)
    scene.see("2050")
    assert moves(keeper.run_once()) == []
    assert len(scene.chain.sent) == 1


def test_outbox__stuck__replaced_at_the_same_nonce_with_more_and_the_newest_price(
    stuck: tuple[Scene, PriceKeeper],
) -> None:
    scene, keeper = stuck
    scene.clock = 41
    scene.world.evm.advance(41)
    scene.see("2050")
    assert moves(keeper.run_once()) == [("push", "replaced")]
    first, second = scene.chain.sent
    assert first["nonce"] == second["nonce"] == "0x0"
    assert int(second["maxFeePerGas"], 16) >= int(first["maxFeePerGas"], 16) * 110 // 100
    scene.chain.mine(1)
    assert moves(keeper.run_once()) == [("push", "mined")]
    assert scene.datum().price == 2_050 * USD
    assert keeper.outbox is not None
    assert keeper.outbox.flights == []


def test_outbox__stuck_and_the_chain_is_newer__abandoned_and_the_nonce_freed(
    stuck: tuple[Scene, PriceKeeper],
) -> None:
    scene, keeper = stuck
    scene.world.evm.advance(2)
    newer = PriceReport(FEED, 0, 2_001 * USD, scene.world.now, scene.world.now * 1_000)
    scene.world.oracle.poke(FEED, scene.world.signed(newer), sender=scene.world.stranger)
    scene.clock = 41
    assert moves(keeper.run_once()) == [("push", "abandoned")]
    cancel = scene.chain.sent[-1]
    assert cancel["input"] == "0x"
    assert cancel["to"] == LocalSigner(SENDER).address.lower()
    scene.chain.mine(1)
    assert moves(keeper.run_once()) == []
    assert keeper.outbox is not None
    assert keeper.outbox.flights == []
    assert scene.datum().price == 2_001 * USD


def test_outbox__dropped_by_the_node__sent_again_under_the_same_nonce(
    stuck: tuple[Scene, PriceKeeper],
) -> None:
    scene, keeper = stuck
    scene.chain.drop()
    scene.world.evm.advance(1)
    scene.see("2002")
    assert moves(keeper.run_once()) == [("push", "replaced")]
    scene.chain.mine()
    assert moves(keeper.run_once()) == [("push", "mined")]
    assert [one["nonce"] for one in scene.chain.sent] == ["0x0", "0x0"]
    assert scene.datum().price == 2_002 * USD


def test_restart__transaction_still_pending__found_in_the_pool_and_waited_for(
    stuck: tuple[Scene, PriceKeeper],
) -> None:
    scene, _ = stuck
    again = scene.keeper()
    assert again.outbox is not None
    assert [one.job.key for one in again.outbox.flights if one.job] == [(FEED, 0)]
    assert moves(again.run_once()) == []
    scene.chain.mine(1)
    assert moves(again.run_once()) == [("push", "mined")]
    assert len(scene.chain.sent) == 1


def test_restart__node_hides_its_pool__replaced_once_it_is_stuck(
    stuck: tuple[Scene, PriceKeeper],
) -> None:
    scene, _ = stuck
    scene.chain.shows_pool = False
    again = scene.keeper()
    scene.see("2003")
    assert moves(again.run_once()) == []  # it may be this very report
    scene.clock = 41
    scene.world.evm.advance(1)
    scene.see("2003")
    assert moves(again.run_once()) == [("push", "replaced")]  # offers more until the node takes it
    assert [one["nonce"] for one in scene.chain.sent] == ["0x0", "0x0"]
    scene.chain.mine(1)
    assert moves(again.run_once()) == [("push", "mined")]
    assert scene.datum().price == 2_003 * USD


def test_restart__after_it_was_mined__nothing_to_do(signed: Scene) -> None:
    signed.see("2000")
    signed.keeper().run_once()  # killed before it saw the receipt
    again = signed.keeper()
    assert moves(again.run_once()) == []
    assert len(signed.chain.sent) == 1


def test_outbox__receipt_comes_after_the_count__mined_and_not_lost(
    stuck: tuple[Scene, PriceKeeper],
) -> None:
    scene, keeper = stuck
    scene.chain.mine(1)
    receipts, scene.chain.receipts = scene.chain.receipts, {}
    assert moves(keeper.run_once()) == []
    assert len(scene.chain.sent) == 1
    scene.chain.receipts = receipts
    assert moves(keeper.run_once()) == [("push", "mined")]


def test_outbox__no_receipt_for_ten_seconds__lost(stuck: tuple[Scene, PriceKeeper]) -> None:
    scene, keeper = stuck
    scene.chain.mine(1)
    scene.chain.receipts = {}
    assert moves(keeper.run_once()) == []
    scene.clock = 10.0
    assert moves(keeper.run_once()) == [("push", "lost")]


def test_outbox__fees_above_the_ceiling__refused_and_nothing_sent(signed: Scene) -> None:
    signed.see("2000")
    keeper = signed.keeper()
    assert keeper.outbox is not None
    keeper.outbox.ceiling_gwei = 1.0
    done = keeper.run_once()
    assert moves(done) == [("push", "refused")]
    assert done.failed
    assert signed.chain.sent == []


# -- pokes ----------------------------------------------------------------------------------------


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


# -- Pyth updates ---------------------------------------------------------------------------------


@dataclass
class Blobs:
    """Updates that the test puts there."""

    newest: dict[int, bytes] = field(default_factory=dict)
    ended: bool = False

    def read(self) -> Mapping[int, bytes]:
        return self.newest


FEE = 12_345


@dataclass
class Pyth:
    """A feed of an aggregator and a Pyth source whose updates cost FEE wei."""

    scene: Scene
    contract: Any
    blobs: Blobs

    def fetched(self, usd: int, age: int = 0, confidence: int = 1) -> None:
        """Somebody has fetched this update."""
        words = [usd * 10**8, confidence * 10**8, 2**256 - 8, self.scene.world.now - age]
        self.blobs.newest[FEED] = b"".join(word.to_bytes(32, "big") for word in words)


@pytest.fixture
def pyth(scene: Scene) -> Pyth:
    world = scene.world
    words = [2_000 * 10**8, 10**8, 2**256 - 8, world.now]
    contract = world.deploy_mock("PythFeeds", FEE, words)
    terms = {"kind": 3, "max_conf": 50, "extra": 0xE7}
    world.list_only([world.aggregator(), contract], FEED, max_age=600, twists={1: terms})
    world.evm.set_balance(LocalSigner(SENDER).address, 10**18)
    return Pyth(scene, contract, Blobs())


def test_updates__pyth_moved__sent_with_exactly_the_fee(pyth: Pyth) -> None:
    world = pyth.scene.world
    keeper = pyth.scene.poker(updates=pyth.blobs)
    world.evm.advance(30)
    pyth.fetched(2_004)
    assert moves(keeper.run_once()) == []  # 20 bps
    pyth.fetched(2_006)
    done = keeper.run_once()
    assert moves(done) == [("push", "sent")]
    (sent,) = pyth.scene.chain.sent
    assert int(sent["value"], 16) == FEE
    assert world.evm.balance(pyth.contract.address) == FEE
    assert world.evm.balance(world.oracle.address) == 0
    assert world.oracle.source_words(FEED, 1)[1] & 2**56 - 1 == 2_006 * USD
    assert world.price(FEED) == 2_003 * USD
    world.evm.advance(15)
    done = keeper.run_once()
    assert moves(done) == [("push", "mined")]
    assert done.record()["transactions"][0]["value_wei"] == FEE
    assert [one.kind for one in done.decisions if one.action == "push"] == ["known"]


def test_updates__none_of_use__nothing_is_paid(pyth: Pyth) -> None:
    world = pyth.scene.world
    keeper = pyth.scene.poker(updates=pyth.blobs)
    world.evm.advance(30)
    pyth.fetched(2_100, age=31)  # older than what the contract holds
    done = keeper.run_once()
    assert [one.kind for one in done.decisions if one.action == "push"] == ["known"]
    pyth.fetched(2_100, confidence=30)
    done = keeper.run_once()
    assert [one.kind for one in done.decisions if one.action == "push"] == ["known"]
    assert pyth.scene.chain.sent == []


@pytest.mark.parametrize(
    ("fee", "blob", "reason"),
    [
        (10**16 + 1, b"", "the update would fail, its fee is 10000000000000001 wei"),
        (FEE, bytes(40), "the update would fail, "),
    ],
)
def test_updates__too_dear_or_refused_by_the_contract__told_and_nothing_sent(
    pyth: Pyth, fee: int, blob: bytes, reason: str
) -> None:
    keeper = pyth.scene.poker(updates=pyth.blobs)
    pyth.scene.world.evm.advance(30)
    pyth.contract.set_fee(fee)
    pyth.fetched(2_100)
    pyth.blobs.newest[FEED] = blob or pyth.blobs.newest[FEED]
    done = keeper.run_once()
    (verdict,) = [one for one in done.decisions if one.action == "push"]
    assert verdict.reason.startswith(reason)
    assert done.failed
    assert pyth.scene.chain.sent == []


def test_updates__stale_behind_an_idle_aggregator__brought_back(pyth: Pyth) -> None:
    world = pyth.scene.world
    world.oracle.set_terms(FEED, world.terms(quorum=1), sender=world.governance)
    keeper = pyth.scene.poker(updates=pyth.blobs)
    world.evm.advance(700)
    pyth.fetched(2_000, age=3)
    done = keeper.run_once()
    assert done.decisions[0].reason == "STALE becomes DEGRADED"
    assert moves(done) == [("push", "sent")]
    assert pyth.scene.state() == 1


def test_updates__restarted_with_one_in_flight__found_with_its_value(pyth: Pyth) -> None:
    pyth.scene.chain.automine = False
    pyth.scene.world.evm.advance(30)
    pyth.fetched(2_006)
    assert moves(pyth.scene.poker(updates=pyth.blobs).run_once()) == [("push", "sent")]
    again = pyth.scene.poker(updates=pyth.blobs)
    assert again.adopt() == 1
    assert again.outbox is not None
    (flight,) = again.outbox.flights
    assert flight.job is not None
    assert (flight.job.key, flight.job.value) == ((FEED, 1), FEE)
    assert moves(again.run_once()) == []


def test_update_file__good_and_bad_lines__the_last_of_a_feed_counts(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "updates.jsonl"
    blobs = [bytes([number]) * 40 for number in range(3)]
    lines = [json.dumps({"feed": "ETH", "data": "0x" + blob.hex()}) for blob in blobs[:2]]
    lines += ["{half", "7", json.dumps({"feed": "BTC", "data": "0x" + "00" * 40})]
    lines += [json.dumps({"feed": "ETH", "data": text}) for text in ("0xzz", "0x00", "")]
    lines += [json.dumps({"feed": "ETH", "data": "0x" + "00" * 2_048})]
    path.write_text("\n".join(lines) + "\n\n")
    source = UpdateFile(path, IDS, said.append)
    assert source.read() == {FEED: blobs[1]}
    assert len(said) == 7
    path.write_text(json.dumps({"feed": "7", "data": blobs[2].hex()}))
    assert source.read() == {FEED: blobs[2]}
    path.unlink()
    assert source.read() == {FEED: blobs[2]}
    with pytest.raises(InputError, match="expected a file"):
        UpdateFile(path, IDS, said.append)


def test_update_lines__stream__the_last_and_its_end() -> None:
    said: list[str] = []
    text = json.dumps({"feed": "ETH", "data": "0x" + "01" * 40}) + "\n7\n"
    source = UpdateLines(io.StringIO(text), IDS, said.append)
    deadline = time.monotonic() + 5
    while not source.ended and time.monotonic() < deadline:
        time.sleep(0.01)
    assert source.ended
    assert source.read() == {FEED: b"\x01" * 40}
    assert len(said) == 1


# -- signers --------------------------------------------------------------------------------------


def test_choose__more_members_than_needed__as_many_as_needed_ascending() -> None:
    signers = [KeySigner(key) for key in KEYS[:4]]
    panel = choose(signers, [True, False, True, True], 2)
    assert panel is not None
    assert {one.address for one in panel.signers} == {signers[0].address, signers[2].address}
    assert choose(signers, [True, False, False, False], 2) is None


def test_account_signer__ape_account__same_signature_as_the_key(shared: World) -> None:
    from eth_account import Account
    from eth_account.messages import SignableMessage

    class Fake:
        address = Account.from_key(KEYS[0]).address

        def sign_message(self, message: SignableMessage) -> Any:
            done = Account.from_key(KEYS[0]).sign_message(message)

            class Signed:
                v = done.v
                r = done.r.to_bytes(32, "big").lstrip(b"\x00")
                s = done.s.to_bytes(32, "big").lstrip(b"\x00")

            return Signed()

    for sequence in range(1, 40):  # some have a leading zero byte
        report = PriceReport(FEED, 0, 2_000 * USD, START, sequence)
        expected = KeySigner(KEYS[0]).sign(report, 1, shared.oracle.address)
        assert AccountSigner(Fake()).sign(report, 1, shared.oracle.address) == expected


# -- inputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"feed": "BTC", "price": "1"}, "one of the feeds ETH"),
        ({"feed": "ETH", "price": "-1"}, "above 0"),
        ({"feed": "ETH", "price": "nan"}, "finite"),
        ({"feed": "ETH", "price": ""}, "a number"),
        ({"feed": "ETH"}, "a number"),
        ({"feed": "ETH", "price": "1", "premium": "0.2"}, "under 0.131"),
        ({"feed": "ETH", "price": "1", "time": "soon"}, "time: expected a number"),
    ],
)
def test_parse__bad_entry__refused_with_what_was_expected(entry: dict[str, str], why: str) -> None:
    with pytest.raises(InputError, match=why):
        parse(entry, IDS, 0.0)


def test_parse__all_fields__exact(tmp_path: Path) -> None:
    entry = {"feed": "7", "price": "2000.123456789", "time": "1700000000.5", "premium": "-0.00025"}
    assert parse(entry, IDS, 0.0) == (7, Observation(2_000_123_456_789, 1_700_000_000.5, -250))


def test_line_input__good_and_bad_lines__the_newest_by_time_counts() -> None:
    said: list[str] = []
    lines = [
        {"feed": "ETH", "price": "2000", "time": 100},
        {"feed": "ETH", "price": "2001", "time": 102},
        {"feed": "ETH", "price": "1999", "time": 101},
    ]
    text = "\n".join([json.dumps(lines[0]), "{half", *map(json.dumps, lines[1:]), "", "7"])
    source = LineInput(io.StringIO(text), IDS, said.append, clock=lambda: 5.0)
    source.wait({99}, 5)
    assert source.ended
    assert source.read(0) == {FEED: Observation(2_001 * USD, 102.0)}
    assert len(said) == 2


def test_file_input__rewritten_and_torn__read_anew_and_the_last_good_kept(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "prices.csv"
    path.write_text("feed,price,time\nETH,2000,100\nETH,2001,100\nETH,1,99\n")
    source = FileInput(path, IDS, said.append)
    assert source.read(0) == {FEED: Observation(2_001 * USD, 100.0)}
    path.write_text("feed,price,time\nETH,")
    assert source.read(0) == {FEED: Observation(2_001 * USD, 100.0)}
    assert "row ignored" in said[0]
    path.unlink()
    assert source.read(0) == {FEED: Observation(2_001 * USD, 100.0)}
    path.write_text("feed,price\nETH,2002\n")
    assert source.read(0)[FEED] == Observation(2_002 * USD, path.stat().st_mtime)
    with pytest.raises(InputError, match="which is none"):
        FileInput(tmp_path / "missing.csv", IDS, said.append)


def test_chain_input__aggregator_and_other_feed__their_own_times(scene: Scene) -> None:
    world = scene.world
    origin = world.aggregator(2_000 * 10**8)
    started = world.now
    world.list_only([origin], 3, quorum=1)
    world.evm.advance(50)
    node = scene.chain.node(world.oracle.address)
    said: list[str] = []
    source = ChainInput(node, {FEED: origin.address, 8: 3, 9: world.stranger}, said.append)
    expected = Observation(2_000 * USD, float(started))
    assert source.read(world.now) == {FEED: expected, 8: expected}
    assert said == [f"--from-feed: {world.stranger} gives no sound price"]
    with pytest.raises(InputError, match="another feed"):
        ChainInput(node, {3: 3}, said.append)
