"""The contracts' packed words, as the deployment expects to read them back.

Some words hold more than what was set (a newest datum, a count that moves while the house runs):
for those there are values that are equal to every word with the right part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Where the fields of a feed's terms word begin; its price bounds are floats, see `Listed`.
TERMS = {
    "quorum": 0, "half_band": 6, "band": 18, "halt_band": 30, "jump_base": 42, "jump_rate": 56,
    "confirm": 76, "premium_clamp": 88, "premium_tau": 105, "variance_tau": 119, "spacing": 133,
    "sigma_cap": 145, "ema_band": 208, "ema_tau": 220, "grace": 234,
    "sequenced": 246,
}  # fmt: skip


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
class SourceWords:
    """Equal to the stored words of this source, whatever its newest datum.

    `source`: the source word without what the adapter itself finds out, an aggregator's decimals
    and a signer set's threshold.
    """

    source: int
    extra: int

    FOUND_OUT = 255 << 168 | 255 << 200

    @classmethod
    def of(cls, terms: Mapping[str, Any]) -> SourceWords:
        """Of a `SourceTerms` struct."""
        target = int(terms["target"], 16) or terms["signer_set"]
        word = target | terms["kind"] << 160 | terms["max_age"] << 176 | terms["max_conf"] << 208
        return cls(word | int(terms["inverse"]) << 220 | terms["via"] << 221, terms["extra"])

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SourceWords):
            return (self.source, self.extra) == (other.source, other.extra)
        if not isinstance(other, list | tuple):
            return NotImplemented
        return (int(other[0]) & ~self.FOUND_OUT, other[2]) == (self.source, self.extra)

    def __hash__(self) -> int:
        return hash((self.source, self.extra))


def _float(price: int) -> int:
    """A price rounded down to 20 significant bits, as places | mantissa << 6."""
    places = max(price.bit_length() - 20, 0)
    return places | price >> places << 6


@dataclass(frozen=True)
class Listed:
    """Equal to the words of a feed with these rules, whatever its prices."""

    terms: int

    @classmethod
    def of(cls, terms: Mapping[str, int], sources: int) -> Listed:
        """Of a `FeedTerms` struct and the number of sources."""
        word = sources << 3 | _float(terms["min_price"]) << 156 | _float(terms["max_price"]) << 182
        for name, low in TERMS.items():
            word |= terms[name] << low
        return cls(word)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Listed):
            return self.terms == other.terms
        return isinstance(other, list | tuple) and other[2] == self.terms

    def __hash__(self) -> int:
        return hash(self.terms)


@dataclass(frozen=True)
class First:
    """Equal to words of which the first is this; the others move while the house runs."""

    value: int

    def __eq__(self, other: object) -> bool:
        if isinstance(other, First):
            return self.value == other.value
        return isinstance(other, list | tuple) and other[0] == self.value

    def __hash__(self) -> int:
        return hash(self.value)


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
class High:
    """Equal to a word that is this from a bit on; what lies below moves while the house runs."""

    value: int
    bit: int

    def __eq__(self, other: object) -> bool:
        if isinstance(other, High):
            return (self.value, self.bit) == (other.value, other.bit)
        return isinstance(other, int) and other >> self.bit == self.value

    def __hash__(self) -> int:
        return hash((self.value, self.bit))


@dataclass(frozen=True)
class NotZero:
    """Equal to every number but zero."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and other != 0

    def __hash__(self) -> int:
        return 2


def flow_word(values: Mapping[str, int]) -> High:
    """The sale limiter's word as `set_flow` leaves it, whatever is used or claimed."""
    return High(
        values["sum"] | values["window"] << 36 | values["reserve"] << 52 | values["share"] << 60,
        184,
    )
