"""What can go wrong in the in-process EVM, and the table that names four-byte errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plimsoll.evm.abi import decode_error_arguments

_BUILTIN = {
    bytes.fromhex("08c379a0"): "Error(string)",
    bytes.fromhex("4e487b71"): "Panic(uint256)",
}
_table: dict[bytes, str] | None = None


def set_error_table(table: Mapping[bytes | str | int, str] | None) -> None:
    """Name custom errors: selector (4 bytes, hex or int) -> "Name(type,type)".

    None puts the project's own table back (`plimsoll.errors`), which is also the default.
    """
    global _table
    _table = None if table is None else {_selector(k): v for k, v in table.items()}


def _selector(value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        value = value.to_bytes(4, "big")
    raw = bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else bytes(value)
    if len(raw) != 4:
        raise ValueError(f"expected a 4-byte selector, got {value!r}")
    return raw


def _lookup(selector: bytes) -> str | None:
    if selector in _BUILTIN:
        return _BUILTIN[selector]
    if _table is not None:
        return _table.get(selector)
    from plimsoll.errors import by_selector

    known = by_selector().get(selector)
    return f"{known.name}()" if known else None


class Reverted(Exception):
    """A call failed. `data` is the raw revert data (empty for a bare revert or a halt).

    `name` is the error's name from the table, the raw selector as "0x........" where the table
    does not know it, or "" for empty data; `args` its decoded arguments. `halt` is the machine's
    reason where execution stopped without reverting (invalid opcode, out of gas), else None.
    """

    def __init__(self, data: bytes = b"", halt: str | None = None) -> None:
        name, args = _describe(data)
        super().__init__()
        self.data = data
        self.halt = halt
        self.name = name
        self.args = args

    def __reduce__(self) -> tuple[Any, ...]:
        return (Reverted, (self.data, self.halt))

    def __str__(self) -> str:
        if self.halt:
            return f"execution halted: {self.halt}"
        if not self.data:
            return "reverted without data"
        shown = ", ".join(map(repr, self.args))
        return f"reverted with {self.name}({shown}) [0x{self.data.hex()}]"


def _describe(data: bytes) -> tuple[str, tuple[Any, ...]]:
    if len(data) < 4:
        return ("0x" + data.hex() if data else ""), ()
    found = _lookup(data[:4])
    if found is None:
        return "0x" + data[:4].hex(), ((data[4:],) if len(data) > 4 else ())
    name, _, types = found.partition("(")
    kinds = _split_types(types.removesuffix(")"))
    return name, decode_error_arguments(kinds, data[4:])


def _split_types(text: str) -> list[str]:
    """Split at top-level commas (tuples keep theirs)."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]] if text else []


class Unsupported(RuntimeError):
    """The chosen backend cannot do this; the message names one that can."""


class StateLost(RuntimeError):
    """The backend dropped its state; only a snapshot brings it back."""


class BackendsDisagree(AssertionError):
    """A transaction replayed on the reference machine gave another result."""
