"""`ape run <verb>` as a user types it, away from any chain: found, refused, quiet on stdout.

tests/unit/test_scripts.py covers the rest without ape's start of two seconds a command.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plimsoll.compiler import PROJECT_ROOT

ABSENT = [
    ["deploy", "no-such-config", "--json"],
    ["keeper", "liquidate", "--manifest", "missing.json", "--once", "--dry-run", "--json"],
    ["propose", "missing.yaml", "--manifest", "missing.json", "--json"],
]


@pytest.mark.parametrize("words", ABSENT, ids=lambda words: words[0])
def test_run__a_file_that_is_not_there__exit_2_and_nothing_on_stdout(words: list[str]) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ape")), "run", *words],
        cwd=PROJECT_ROOT,
        env={**os.environ, "NO_COLOR": "1", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "no-such-config" in done.stderr or "missing." in done.stderr
