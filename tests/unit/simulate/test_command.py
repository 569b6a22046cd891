"""`ape run stress` between its options and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plimsoll.simulate.command import Options, _absences, run
from plimsoll.simulate.table import BEGIN, END, write

SHORT = Options(crashes=("synthetic",), outages=(0,), accounts=20, hours=1, quiet=True)


def test_run__bad_numbers__exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Options(crashes=("synthetic",), outages=(-1,))) == 2
    assert run(Options(crashes=("synthetic",), outages=(0,), accounts=3)) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "--accounts" in told.err


def test_run__no_price_files__exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Options(crashes=("2020-03",), outages=(0,))) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert "--data" in told.err


def test_run__synthetic__json_and_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options(**{**SHORT.__dict__, "as_json": True, "out": tmp_path})
    assert run(options) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["passed"]
    (one,) = told["runs"]
    assert one["crash"] == "synthetic"
    assert one["beyond_fund_usd"] == 0
    for feed in ("ETH", "BTC"):
        margins = told["margins_at_median_volatility"][feed]
        assert margins["mm"] <= 0.05
        assert margins["im"] <= 0.10
    page = (tmp_path / "stress.html").read_text()
    assert "Crashes replayed" in page
    assert (tmp_path / "stress.json").exists()


def test_absences__both__no_outage_only_once() -> None:
    options = Options(outages=(0, 5), outage_at="both")
    assert _absences(options) == [(0, "crowd"), (5, "crowd"), (5, "fall")]
    assert _absences(Options(outages=(0, 5), outage_at="fall")) == [(0, "fall"), (5, "fall")]


def test_write__between_the_marks__and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nstale words\n{END}\nafter\n")
    write(page, [], [])
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n| ")
    assert text.endswith(f"{END}\nafter\n")
    assert "stale words" not in text
    page.write_text("nothing")
    with pytest.raises(ValueError, match="expected the marks"):
        write(page, [], [])
