"""The campaign's waterfalls on Anvil: the same calls, the same words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plimsoll.fuzz import command
from plimsoll.fuzz.campaign import Tally, campaign, replay, twin_here

SEED = 11


def test_campaign__on_anvil__counts_what_it_does_in_process() -> None:
    def run() -> Tally:
        return campaign(SEED, range(3))[0]

    here = run()
    assert here.failure is None
    with twin_here().stand.on_anvil():
        there = run()
    assert there == here
    assert run() == here  # and back again


def test_run__file_replayed_on_anvil__agrees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "waterfall.json"
    calls = [["deposit", 1, 10**9, 1], ["wait", 7], ["insure", 10**8], ["withdraw", 1, 1]]
    assert replay(twin_here(), calls) == (-1, "")
    kept.write_text(json.dumps({"calls": calls}))
    options = command.Options(1, SEED, 0, 1, tmp_path, kept, as_json=False, anvil=True)
    assert command.run(options) == 0
    assert capsys.readouterr().out == "4 calls: model and chain agree\n"
