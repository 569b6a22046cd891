"""Quick reads of views whose results are plain words: a replay makes millions of them.

The general decoder takes a third of a millisecond for a struct; these results are static, one word
for each field, so the words are cut and named here. Field names and signs come from the ABI.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import Any

from plimsoll.evm import Contract

SIGN = 1 << 255
FULL = 1 << 256


class NotPlain(TypeError):
    """A result that is not a row of words."""


def reader(contract: Contract, function: str) -> Callable[..., Any]:
    """A function of the view's arguments that returns one word, or a named tuple of several."""
    entry = next(
        one for one in contract.abi if one["type"] == "function" and one["name"] == function
    )
    fields = _fields(entry["outputs"])
    pack, evm, to = contract.method(function).pack, contract.evm, contract.raw_address
    signed = [kind.startswith("int") for _, kind in fields]
    size = 32 * len(fields)
    make = namedtuple(function, [name for name, _ in fields], rename=True)  # type: ignore[misc]

    def read(*args: Any) -> Any:
        raw = evm.view(to, pack(*args))
        if len(raw) != size:
            raise NotPlain(f"{function}: expected {size} bytes, got {len(raw)}")
        words = [_word(raw[i * 32 : i * 32 + 32], sign) for i, sign in enumerate(signed)]
        return words[0] if len(words) == 1 else make(*words)

    return read


def _fields(outputs: list[Mapping[str, Any]]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for place, one in enumerate(outputs):
        kind = str(one["type"])
        if kind == "tuple":
            found += _fields(one["components"])
        elif kind.startswith(("uint", "int", "bool", "address")) and "[" not in kind:
            found.append((str(one.get("name") or f"_{place}"), kind))
        else:
            raise NotPlain(f"expected words, got {kind}")
    return found


def _word(raw: bytes, signed: bool) -> int:
    word = int.from_bytes(raw, "big")
    return word - FULL if signed and word >= SIGN else word


class Views:
    """The views a replay reads all the time, by name: `views.margin(account)`."""

    def __init__(self, engine: Contract, vault: Contract, auction: Contract) -> None:
        self.margin = reader(engine, "margin")
        self.margin_after = reader(engine, "margin_after")
        self.standing = reader(engine, "standing")
        self.position = reader(engine, "position")
        self.market = reader(engine, "market")
        self.cash_of = reader(engine, "cash_of")
        self.solvency = reader(engine, "solvency")
        self.fund_balance = reader(engine, "fund_balance")
        self.balance_of = reader(vault, "balance_of")
        self.cost = reader(auction, "cost")
        self.leg_quote = reader(auction, "leg_quote")
        self.auction = reader(auction, "auction")
        self.intent = reader(auction, "intent")
