"""Helpers for tests against `plimsoll.evm`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from plimsoll.evm.errors import Reverted


@contextmanager
def reverts(name: str, *args: Any) -> Iterator[None]:
    """The block must fail with exactly this error.

    `name` is the error's name in the table; `args`, where given, its decoded arguments. Two
    special names: "" for a revert without data, "halt" for execution that stopped on an invalid
    opcode or a limit. A `raise "text"` is ("Error", "text").
    """
    expected = f"{name}({', '.join(map(repr, args))})" if args else repr(name)
    try:
        yield
    except Reverted as exc:
        got = "halt" if exc.halt else exc.name
        if got != name or (args and exc.args != args):
            raise AssertionError(f"expected a revert with {expected}, got: {exc}") from exc
    else:
        raise AssertionError(f"expected a revert with {expected}, got success")
