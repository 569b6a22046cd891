"""What the price keeper decides: rehearsals on the node, and the rules by deviation and age."""

from __future__ import annotations

import pytest

from plimsoll.keepers.price_rules import Triggers, early, judge_push, sequence_of
from plimsoll.keepers.rehearsal import Step, build, rehearse
from plimsoll.oracle_status import SourceView, read_oracle
from plimsoll.oracle_words import DatumWord, SourceWord
from tests.unit.keepers.price_scene import FEED, Scene, moves

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
