"""`ape run demo` end to end: a short run, other networks, and what goes wrong from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from plimsoll.compiler import PROJECT_ROOT
from plimsoll.localnet.anvil import Anvil, AnvilOptions

ENTRY = "import sys; from ape._cli import cli; sys.exit(cli())"
DEAD = "http://127.0.0.1:9"  # the discard port: nobody answers


def demo(
    out: Path, *options: str, settings: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; FORK_URL and PRICES only as given."""
    kept = {k: v for k, v in os.environ.items() if k not in ("FORK_URL", "PRICES")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return subprocess.run(
        [sys.executable, "-c", ENTRY, "run", "demo", "--out", str(out), *options],
        cwd=PROJECT_ROOT,
        env={**kept, "PATH": path, **(settings or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_demo__short_run__passes_and_writes_a_report(tmp_path: Path) -> None:
    run = demo(tmp_path, "--hours", "6", "--json", "--seed", "20200312")
    assert run.returncode == 0, run.stderr
    facts = json.loads(run.stdout)
    assert facts["passed"]
    assert facts["problems"] == []
    assert facts["blocks_proved"] > 50
    assert facts["deployment"]["checks"] > 100
    for step in (
        "insolvent slice", "flash slice", "sale limited", "deleveraged", "divided by market",
        "charge", "socialised", "escrowed", "released",
    ):  # fmt: skip
        assert facts["walked"][step] > 0, step
    page = (tmp_path / "demo.html").read_text()
    assert "<script" in page
    assert "http-equiv" in page
    report = json.loads((tmp_path / "demo.json").read_text())
    assert report["verdict"]["passed"]
    assert len(report["headlines"]) == 5
    tables = {one.get("title"): one for part in report["sections"] for one in part["blocks"]}
    for title, place in (("Each step's money, in all", 2), ("Each step's money, in one case", -1)):
        held = {row[place] for row in tables[title]["rows"]} - {None}
        assert held == {True}, title
    assert json.loads((tmp_path / "demo-deployment.json").read_text())["complete"]
    assert "blocks proved" in run.stderr


@pytest.mark.slow
def test_demo__another_network__own_parts_where_none_is_listed(tmp_path: Path) -> None:
    with Anvil(AnvilOptions(chain_id=4_242, timestamp=1_700_000_000)).start() as network:
        settings = {"FORK_URL": network.url}
        run = demo(tmp_path, "--hours", "4", "--json", "--no-report", "--quiet", settings=settings)
    assert run.returncode == 0, run.stderr
    facts = json.loads(run.stdout)
    assert facts["chain_id"] == 4_242
    assert "FORK_URL" in facts["forked"]
    assert facts["report"] is None
    assert not (tmp_path / "demo.html").exists()


def test_demo__dead_rpc__exit_3(tmp_path: Path) -> None:
    run = demo(tmp_path, settings={"FORK_URL": DEAD})
    assert run.returncode == 3, run.stderr
    assert "no answer from http://127.0.0.1:9" in run.stderr
    assert "Traceback" not in run.stderr


def test_demo__secret_in_a_dead_rpc__is_not_shown(tmp_path: Path) -> None:
    run = demo(tmp_path, settings={"FORK_URL": f"{DEAD}/v3/sesame"})
    assert run.returncode == 3
    assert "sesame" not in run.stderr + run.stdout


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("60,10,9,11,10", "data row 1 (line 2): expected high >= low"),
        ("60,10,11,9,10\n60,10,11,9,10", "data row 2 (line 3): expected ts after 60"),
        ("60,10,11,9,nan\n120,10,11,9,10", "data row 1 (line 2): expected close as a number"),
        (
            "60,10,11,9,10\n120,10,11,9,10\n180,10,11,9,10\n360,10,11,9,10",
            "data row 4 (line 5): expected 60 s between bars",
        ),
    ],
)
def test_demo__bad_price_file__names_the_row_and_exits_3(
    tmp_path: Path, rows: str, complaint: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(f"ts,open,high,low,close\n{rows}\n")
    run = demo(tmp_path, settings={"PRICES": str(path)})
    assert run.returncode == 3, run.stderr
    assert complaint in run.stderr
    assert "Traceback" not in run.stderr


def test_demo__hours_too_few__exit_2(tmp_path: Path) -> None:
    run = demo(tmp_path, "--hours", "1")
    assert run.returncode == 2
    assert "--hours: expected at least 4, got 1" in run.stderr
