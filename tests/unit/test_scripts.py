"""The scripts of `ape run`, without ape: quick help, usage errors, the repository on the path."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from plimsoll.compiler import PROJECT_ROOT

SCRIPTS = sorted(path.stem for path in (PROJECT_ROOT / "scripts").glob("[a-z]*.py"))
GROUPS = {"keeper": ["liquidate", "prices"], "oracle": ["status", "replay"]}
COMMANDS = [
    [name, *([part] if part else [])] for name in SCRIPTS for part in GROUPS.get(name, [""])
]
HEAVY = ("ape", "web3", "pydantic", "eth_account", "vyper", "pandas", "numpy", "plotly")

# Loads a script as ape does (by its path, the root on sys.path only meanwhile), runs its command,
# and tells which modules that took.
RUN = """
import importlib.util, json, sys
sys.path.insert(0, ROOT)
spec = importlib.util.spec_from_file_location("script", PATH)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
sys.path = [one for one in sys.path if one != ROOT]
loaded = {name for name in sys.modules if name.startswith("plimsoll.")}
assert not loaded, loaded
try:
    module.cli(ARGS, prog_name="run")
finally:
    top = sorted({name.split(".")[0] for name in sys.modules})
    print("MODULES " + json.dumps(top), file=sys.stderr)
"""


def run(folder: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """The script's outcome in a bare interpreter started elsewhere, and the modules it took."""
    path = PROJECT_ROOT / "scripts" / f"{words[0]}.py"
    settings = {"PATH": str(path), "ROOT": str(PROJECT_ROOT), "ARGS": list(words[1:])}
    lines = [f"{name} = {value!r}" for name, value in settings.items()]
    clean = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONPATH" and not name.startswith("PLIMSOLL_")
    }
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*lines, RUN])],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    told = [line for line in done.stderr.splitlines() if line.startswith("MODULES ")]
    return done, set(json.loads(told[0].removeprefix("MODULES "))) if told else set()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help__any_script__loads_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    done, modules = run(tmp_path, *words, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: run")
    assert "Exit codes" in done.stdout
    assert "click" in modules
    assert not modules & set(HEAVY)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_usage__unknown_option__exit_2_and_nothing_on_stdout(
    words: list[str], tmp_path: Path
) -> None:
    done, _ = run(tmp_path, *words, "--no-such-option")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "No such option" in done.stderr


def commands(one: click.Command) -> Iterator[click.Command]:
    """A command, or all of a group's."""
    if isinstance(one, click.Group):
        for part in one.commands.values():
            yield from commands(part)
    else:
        yield one


@pytest.mark.parametrize("name", SCRIPTS)
def test_options__any_script__each_is_a_parameter_of_its_function(name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, PROJECT_ROOT / "scripts" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for one in commands(module.cli):
        assert one.callback
        taken = inspect.signature(one.callback).parameters
        given = {option.name for option in one.params if option.expose_value}
        if any(part.kind is part.VAR_KEYWORD for part in taken.values()):
            continue
        assert given == set(taken), one.name


@pytest.mark.parametrize(
    "words",
    [
        ["deploy", "no-such-config", "--json"],
        ["keeper", "liquidate", "--manifest", "missing.json", "--once", "--dry-run", "--json"],
        ["keeper", "prices", "--manifest", "missing.json", "--once", "--dry-run", "--json"],
        ["oracle", "status", "--manifest", "missing.json", "--json"],
        ["status", "--manifest", "missing.json", "--json"],
        ["propose", "missing.yaml", "--manifest", "missing.json", "--json"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_usage__a_file_that_is_not_there__exit_2_and_nothing_on_stdout(
    words: list[str], tmp_path: Path
) -> None:
    """Past the options: the package is found though its root is no longer on the path."""
    done, _ = run(tmp_path, *words)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "ModuleNotFoundError" not in done.stderr
