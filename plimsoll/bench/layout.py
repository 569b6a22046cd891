"""Storage layouts of the deployables, in a form that reviews well, and their golden files.

One line per variable: where it starts, how many slots it takes, its name with the modules it is in,
its type. Line breaks in a diff are then exactly the variables that moved.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from plimsoll.bench.sizes import deployables
from plimsoll.compiler import PROJECT_ROOT, compile_contract

GOLDEN = PROJECT_ROOT / "tests" / "bench" / "layouts"


def storage_layout(name: str) -> list[str]:
    """The contract's variables in order of slot, transient ones marked."""
    layout = compile_contract(name).storage_layout
    rows = [
        (kind != "storage_layout", slot, f"{path}: {type_}", slots)
        for kind in ("storage_layout", "transient_storage_layout")
        for slot, slots, path, type_ in _variables(layout.get(kind, {}), "")
    ]
    return [
        f"{'transient ' if transient else ''}{slot} +{slots} {text}"
        for transient, slot, text, slots in sorted(rows)
    ]


def _variables(node: dict[str, Any], path: str) -> list[tuple[int, int, str, str]]:
    found = []
    for key, value in node.items():
        name = f"{path}.{key}".lstrip(".")
        if isinstance(value.get("slot"), int):
            found.append((value["slot"], value.get("n_slots", 1), name, value["type"]))
        else:
            found += _variables(value, name)
    return found


def golden_path(name: str) -> Path:
    """Where a contract's golden layout lies."""
    return GOLDEN / f"{name}.json"


def golden(name: str) -> list[str] | None:
    """The layout on file, None where there is none."""
    try:
        return list(json.loads(golden_path(name).read_text()))
    except FileNotFoundError:
        return None


def write_golden() -> None:
    """Writes every contract's layout, and removes files of contracts that are gone."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    names = deployables()
    for path in GOLDEN.glob("*.json"):
        if path.stem not in names:
            path.unlink()
    for name in names:
        golden_path(name).write_text(json.dumps(storage_layout(name), indent=1) + "\n")
