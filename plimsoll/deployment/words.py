"""The contracts' packed words, as the deployment expects to read them back.

Some words hold more than what was set (a newest datum, a count that moves while the house runs):
for those there are values that are equal to every word with the right part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


def market_word(values: Mapping[str, int]) -> int:
    """The engine's configuration word of a market, as `_configure` packs it."""
    return (
        values["cap_lots"]
        | values["cap_usd"] << 56
        | values["min_notional"] << 96
        | (values["maker_fee"] & 0xFFFF) << 120
        | values["taker_fee"] << 136
        | values["band"] << 152
        | values["status"] << 168
        | 1 << 176
    )


def rates_word(values: Mapping[str, int]) -> int:
    """The engine's interest word, as `set_rates` packs it."""
    return (
        values["base"]
        | values["slope"] << 24
        | values["slope_above"] << 48
        | values["kink"] << 72
        | values["fund_share"] << 88
        | values["borrow_cap"] << 104
    )


@dataclass(frozen=True)
class SourceWord:
    """Equal to the stored words of this source, whatever its decimals and newest datum."""

    kind: int
    target: str
    signer_set: int
    max_age: int

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | tuple):
            return NotImplemented
        word = int(other[0])
        target = int(self.target, 16) if self.kind == 1 else self.signer_set
        return (word & (1 << 160) - 1, (word >> 160) & 255, (word >> 176) & 0xFFFFFF) == (
            target,
            self.kind,
            self.max_age,
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.target, self.signer_set, self.max_age))


@dataclass(frozen=True)
class Priced:
    """Equal to the words of a feed that has had a price."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list | tuple) and int(other[0]) != 0

    def __hash__(self) -> int:
        return 1


@dataclass(frozen=True)
class Low:
    """Equal to a word with these low bits; what lies above them moves while the house runs."""

    value: int
    bits: int

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Low):
            return (self.value, self.bits) == (other.value, other.bits)
        return isinstance(other, int) and other % 2**self.bits == self.value

    def __hash__(self) -> int:
        return hash((self.value, self.bits))


@dataclass(frozen=True)
class NotZero:
    """Equal to every number but zero."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and other != 0

    def __hash__(self) -> int:
        return 2
