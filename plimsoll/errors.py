"""Revert reasons: one table, its Vyper module, its documentation page and its decoder.

The table is ``errors.yaml`` beside this file. Contracts revert with the bare four-byte selector
of ``Name()``; :func:`decode` turns such data back into a :class:`ErrorInfo`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("errors.yaml")
ROOT = TABLE.parent.parent
MODULE = ROOT / "contracts" / "modules" / "errors.vy"
PAGE = ROOT / "docs" / "errors.md"

# Selectors that are not ours but that a revert may carry.
FOREIGN = {
    bytes.fromhex("08c379a0"): "Error",
    bytes.fromhex("4e487b71"): "Panic",
}


@dataclass(frozen=True)
class ErrorInfo:
    """One revert reason: its name, four-byte selector, section of the table and meaning."""

    name: str
    selector: bytes
    section: str
    meaning: str

    @property
    def constant(self) -> str:
        """The constant's name in the Vyper module, e.g. ``NOT_OWNER``."""
        out = "".join(f"_{c}" if c.isupper() else c.upper() for c in self.name)
        return out.lstrip("_")


def _selector(name: str) -> bytes:
    from eth_utils.crypto import keccak

    return keccak(text=f"{name}()")[:4]


@cache
def table() -> tuple[ErrorInfo, ...]:
    """All reasons in the table's order. Raises ValueError where a line or a selector clashes."""
    found: list[ErrorInfo] = []
    section = ""
    for number, line in enumerate(TABLE.read_text().splitlines(), 1):
        if line.startswith("# --"):
            section = line.strip("# -")
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, meaning = line.partition(": ")
        if not colon or not name.isidentifier():
            raise ValueError(f"{TABLE.name}:{number}: expected `Name: meaning`, got {line!r}")
        found.append(ErrorInfo(name, _selector(name), section, meaning.strip()))
    if len({e.selector for e in found}) != len(found):
        raise ValueError(f"{TABLE.name}: two lines share a name or a selector; rename one")
    return tuple(found)


@cache
def by_selector() -> dict[bytes, ErrorInfo]:
    """Four-byte selector -> reason."""
    return {e.selector: e for e in table()}


def decode(data: bytes) -> ErrorInfo | None:
    """The reason that revert data carries, or None where it is not one of ours."""
    return by_selector().get(bytes(data[:4])) if len(data) >= 4 else None


def describe(data: bytes) -> str:
    """A line for people: name and meaning, a foreign reason's text, or the raw hex."""
    info = decode(data)
    if info is not None:
        return f"{info.name}: {info.meaning}"
    if data[:4] == bytes.fromhex("08c379a0") and len(data) >= 68:
        size = int.from_bytes(data[36:68], "big")
        return f"Error: {data[68 : 68 + size].decode(errors='replace')}"
    if not data:
        return "reverted without a reason (an arithmetic or bounds check, or a call without code)"
    return f"unknown revert data 0x{data.hex()}"


def vyper_module() -> str:
    """The text of contracts/modules/errors.vy."""
    lines = [
        "# pragma version 0.4.3",
        '"""',
        "@title errors",
        "@license AGPL-3.0-only",
        "@notice Revert reasons as bare four-byte selectors, written from plimsoll/errors.yaml by",
        "        `python -m plimsoll.errors`: edit that table, not this file.",
        '"""',
    ]
    section = None
    for e in table():
        if e.section != section:
            section = e.section
            lines.append(f"\n# {section}")
        number = int.from_bytes(e.selector, "big")
        lines.append(f"{e.constant}: constant(uint256) = {number}  # {e.name}()")
    lines += [
        "",
        "",
        "@internal",
        "@pure",
        "def _require(ok: bool, selector: uint256):",
        '    """',
        "    @notice Reverts with the four bytes of `selector` unless `ok`.",
        "    @param ok The condition.",
        "    @param selector One of the constants above.",
        '    """',
        "    if not ok:",
        "        raw_revert(slice(convert(selector << 224, bytes32), 0, 4))",
        "",
        "",
        "@internal",
        "@pure",
        "def _fail(selector: uint256):",
        '    """',
        "    @notice Always reverts with the four bytes of `selector`.",
        "    @param selector One of the constants above.",
        '    """',
        "    raw_revert(slice(convert(selector << 224, bytes32), 0, 4))",
        "",
    ]
    return "\n".join(lines)


def page() -> str:
    """The text of docs/errors.md."""
    lines = [
        "# Errors",
        "",
        "Every revert of a Plimsoll contract carries four bytes, the selector of `Name()`.",
        "This page is written by `python -m plimsoll.errors` from `plimsoll/errors.yaml`.",
    ]
    section = None
    for e in table():
        if e.section != section:
            section = e.section
            lines += ["", f"## {section}", "", "| name | selector | meaning |", "|---|---|---|"]
        lines.append(f"| `{e.name}` | `0x{e.selector.hex()}` | {e.meaning} |")
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Write the generated files, or with ``--check`` say which differ (exit 1)."""
    parser = argparse.ArgumentParser(description="write the error module and its page")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    check = parser.parse_args(argv).check
    stale = False
    for path, text in ((MODULE, vyper_module()), (PAGE, page())):
        if path.exists() and path.read_text() == text:
            continue
        stale = True
        print(f"{'stale' if check else 'wrote'}: {path.relative_to(ROOT)}", file=sys.stderr)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
