"""Real crashes replayed on the in-process EVM with the demonstration's cast, proved at every block.

The bars are real exchange data that is not ours to ship: the tests skip where the folder is absent.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plimsoll.compiler import PROJECT_ROOT
from plimsoll.demo import command
from plimsoll.demo.checks import IDENTITIES
from plimsoll.demo.crash import Story, play
from plimsoll.demo.prices import Tape, from_files, shipped
from plimsoll.demo.stage import Stage, evm_stage
from plimsoll.demo.story import make_report
from plimsoll.demo.story_money import conserves
from plimsoll.demo.story_terms import STEPS, total, walked
from plimsoll.deployment.abi import artifact

DATA = PROJECT_ROOT.parent / "shared" / "data" / "market" / "crash"
SEED = 20200312
EARLY = {"pre-liquidation", "intent filled", "single leg"}  # before the fall, not in a short run


def files(*names: str) -> str:
    paths = [DATA / name for name in names]
    for path in paths:
        if not path.exists():
            pytest.skip(f"no real bars here: {path.name} is not in ../shared/data/market/crash")
    return ",".join(map(str, paths))


def replayed(tape: Tape, seed: int = SEED) -> Story:
    print(f"seed {seed}")
    stage = evm_stage(tape.at(tape.start), tape.start)
    return play(stage, tape, seed, lambda text: None)


def assert_proved(story: Story) -> None:
    assert story.breach == ""
    held = story.checker.tally.held
    assert set(held) == set(IDENTITIES)
    for name in set(IDENTITIES) - {"known losses"}:
        assert held[name] == story.checker.tally.blocks, name
    last = story.samples[-1]
    assert last.sheet.pending == 0
    assert not last.in_auction
    assert min(margin.equity for margin in last.margins.values()) >= 0


def test_march_2020__real_bars__every_block_proved() -> None:
    names = files("2020-03_ethusdt_spot_5m.csv.gz", "2020-03_btcusdt_spot_30m.csv.gz")
    story = replayed(from_files(names, 10, allow_gaps=True))
    assert_proved(story)
    assert min(one.prices["ETH"].price for one in story.samples) < 130 * 10**9
    assert walked(story)["insolvent slice"] > 0
    assert total(story, "from_fund") > 0


def test_may_2021__real_bars__every_block_proved() -> None:
    names = files("2021-05_ethusdt_spot_1m.csv.gz", "2021-05_btcusdt_spot_1m.csv.gz")
    story = replayed(from_files(names, 6, allow_gaps=True))
    assert_proved(story)
    assert min(one.prices["BTC"].price for one in story.samples) < 31_000 * 10**9
    assert walked(story)["solvent slice"] > 0


def test_shipped_crash__every_step_of_the_waterfall_walked(tmp_path: Path) -> None:
    story = replayed(shipped(SEED).window(8))
    assert_proved(story)
    steps = walked(story)
    needed = set(STEPS) - EARLY
    assert all(steps[step] for step in needed), steps
    assert all(conserves(one, story) for one in story.happenings)
    report = make_report(story, "", 1.0)
    assert report.verdict.passed
    assert report.waterfalls[0].conserved


def test_same_seed__same_run() -> None:
    tape = shipped(SEED).window(4)
    first, second = replayed(tape), replayed(tape)
    assert first.samples == second.samples
    assert [one.kind for one in first.happenings] == [one.kind for one in second.happenings]


@pytest.mark.parametrize(
    ("module", "word", "identity"),
    [
        ("cash", "buckets", "balance sheet"),
        ("cash", "totals", "balance sheet"),
        ("cash", "deficits", "deficits"),
        ("cash", "hole", "balance sheet"),
    ],
)
def test_checker__tampered_word__breach(module: str, word: str, identity: str) -> None:
    """The proof itself is tested: one unit more in a stored word is seen at the next block."""
    tape = shipped(SEED).window(4)
    stage = evm_stage(tape.at(tape.start), tape.start)
    tampered: list[int] = []

    def say(text: str) -> None:
        if text.startswith("replay") and not tampered:
            tampered.append(_add_one(stage, module, word))

    story = play(stage, tape, SEED, say)
    assert tampered
    assert f", {identity}:" in story.breach


@pytest.mark.parametrize("tamper", [False, True])
def test_command__breach__exit_1(
    tamper: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def quick(first: dict[str, int], start: int, url: None, out: Path, say: object) -> Stage:
        stage = evm_stage(first, start)
        if tamper:
            _add_one(stage, "cash", "hole")
        return stage

    monkeypatch.setattr("plimsoll.demo.stage.fork_stage", quick)
    code = command.run(command.Options(hours=4, quiet=True, out=tmp_path, as_json=True))
    facts = json.loads(capsys.readouterr().out)
    assert code == (1 if tamper else 0)
    assert facts["passed"] is not tamper
    assert len(facts["problems"]) == int(tamper)


def _add_one(stage: Stage, module: str, word: str) -> int:
    layout = artifact("MarginEngine").storage_layout["storage_layout"]
    slot, engine = int(layout[module][word]["slot"]), stage.world.addresses["MarginEngine"]
    evm = stage.world.evm  # type: ignore[attr-defined]
    evm.set_storage(engine, slot, stage.world.storage(engine, slot) + 1)
    return slot
