"""The campaign itself: waterfalls by number, defects found, made small and run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plimsoll.fuzz import campaign, command
from plimsoll.fuzz.campaign import Tally, play, replay, shares, shrink, twin_here
from plimsoll.model import auction, auction_sale, waterfall

SEED = 5


def options(tmp_path: Path, **changes: Any) -> command.Options:
    given: dict[str, Any] = {"count": 20, "seed": SEED, "first": 0, "workers": 1}
    given |= {"out": tmp_path, "replay": None, "as_json": True, **changes}
    return command.Options(**given)


def test_play__same_seed_and_number__same_calls() -> None:
    twin = twin_here()
    first, wrong = play(twin, SEED, 3)
    assert wrong == ""
    assert play(twin, SEED, 3)[0].calls == first.calls
    assert play(twin, SEED, 4)[0].calls != first.calls


def test_replay__calls_alone__run_as_they_were_drawn() -> None:
    twin = twin_here()
    game, _ = play(twin, SEED, 6)
    assert replay(twin, json.loads(json.dumps(game.calls))) == (-1, "")


def test_shares__two_processes__count_what_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "BATCH", 5)
    counts = []
    for workers in (1, 2):
        total = Tally()
        for part in shares(SEED, range(10), workers):
            total.add(part)
        counts.append((total.waterfalls, total.calls, total.reached))
    assert counts[0] == counts[1]


def off_by_one(function: Any) -> Any:
    return lambda *args: function(*args) + 1


# What the model does otherwise, and the call that shows it.
DEFECTS = {
    "slack of a price": (waterfall, "SLACK", 4, {"bid", "fill", "flash", "pre"}),
    "share of collateral": (
        auction,
        "collateral_price",
        off_by_one(auction.collateral_price),
        {"deleverage"},
    ),
    "worst deficit": (
        auction_sale,
        "worst_deficit",
        off_by_one(auction_sale.worst_deficit),
        {"deleverage"},
    ),
    "x of the clock": (auction, "x_at", off_by_one(auction.x_at), {"bid", "flash", "cost", "fill"}),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_campaign__model_off_by_one__found_and_made_small(
    defect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name, wrong, calls = DEFECTS[defect]
    monkeypatch.setattr(module, name, wrong)
    tally, _ = campaign.campaign(SEED, range(200))
    assert tally.failure is not None
    assert tally.failure.calls[-1][0] in calls
    small, message = shrink(twin_here(), tally.failure.calls)
    assert message
    assert len(small) < len(tally.failure.calls)
    assert small[-1][0] in calls
    monkeypatch.undo()
    assert replay(twin_here(), small) == (-1, "")


def test_short__a_step_hardly_reached__named() -> None:
    tally = Tally(waterfalls=1_000)
    tally.reached.update(insurance=100, deleveraged=49, socialised=15)
    assert tally.short() == ["expected 50 waterfalls or more deleveraged, got 49"]


def test_run__model_and_chain_agree__counts_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(options(tmp_path)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["waterfalls"] == 20
    assert told["seed"] == SEED
    assert told["reached"]["insurance"] >= told["least"]["insurance"] == 2
    assert list(tmp_path.iterdir()) == []


def test_run__they_differ__exit_1_and_a_file_that_runs_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auction, "x_at", off_by_one(auction.x_at))
    assert command.run(options(tmp_path, count=200)) == 1
    printed = capsys.readouterr()
    failure = json.loads(printed.out)["failure"]
    assert failure["enough"] <= failure["calls"]
    assert f"--first {failure['number']} --count 1" in printed.err
    kept = Path(failure["file"])
    assert command.run(options(tmp_path, replay=kept)) == 1
    monkeypatch.undo()
    assert command.run(options(tmp_path, replay=kept)) == 0


def test_run__too_little_reached__exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "REACHED", {"insurance": 2.0})
    assert command.run(options(tmp_path, count=2)) == 1
    assert "expected 4 waterfalls or more insurance" in capsys.readouterr().err


def test_run__on_anvil_with_many_processes__exit_2(tmp_path: Path) -> None:
    assert command.run(options(tmp_path, anvil=True, workers=2)) == 2


def test_run__no_such_file__exit_3(tmp_path: Path) -> None:
    assert command.run(options(tmp_path, replay=tmp_path / "none.json")) == 3
