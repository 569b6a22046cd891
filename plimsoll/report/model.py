"""What a report shows, as plain data: no HTML, no plotting library, no chain.

A `Report` is filled by whoever ran something, then written by `plimsoll.report.html.write` as one
HTML file and one JSON file beside it. Conventions:

- a time is a whole Unix second (UTC);
- a number is an `int` or a `Decimal` in human units, its unit named beside it, never a float;
- text is plain text: the renderer escapes it, markup in it is shown and not obeyed.

A report that contradicts itself is refused with `ReportError` when it is made: a verdict of
"passed" over money that is not conserved, a row of the wrong width, a figure with uneven lists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from itertools import pairwise
from typing import TypeAlias

Number: TypeAlias = int | Decimal
Cell: TypeAlias = str | int | Decimal | bool | None

HEADLINES = 5
"""How many numbers the front page shows."""


class ReportError(ValueError):
    """A report that contradicts itself; the message says expected, got and what to do."""


class Tone(Enum):
    """How a number or a message is meant."""

    NEUTRAL = "neutral"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


class Kind(Enum):
    """What a table's column holds; decides alignment, digits and the types it accepts."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    PERCENT = "percent"
    """A fraction: 0.25 is shown as 25 %."""
    TIME = "time"
    HASH = "hash"
    """An address or a hash: monospaced and shortened, the whole of it on hover and in the JSON."""
    CHECK = "check"
    """True or False, shown as passed or failed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Passed or failed, and one sentence that says why."""

    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Headline:
    """One of the numbers on the front page. `value` is shown as it is given, when it is text."""

    label: str
    value: Cell
    unit: str = ""
    note: str = ""
    tone: Tone = Tone.NEUTRAL
    digits: int | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Where and how the run took place. `finished` is a Unix second, `duration` in seconds."""

    chain_id: int
    first_block: int
    last_block: int
    git_commit: str
    seed: int
    duration: Decimal
    finished: int
    extra: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.last_block < self.first_block or self.duration < 0:
            raise ReportError(
                f"expected first_block <= last_block and duration >= 0, got {self}; correct them"
            )


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence that must not be overlooked."""

    text: str
    tone: Tone = Tone.WARN


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `digits` after the point; as many as the value has where `None`."""

    name: str
    kind: Kind = Kind.TEXT
    unit: str = ""
    digits: int | None = None


_ACCEPTS: dict[Kind, tuple[type, ...]] = {
    Kind.TEXT: (str,),
    Kind.INTEGER: (int,),
    Kind.NUMBER: (int, Decimal),
    Kind.PERCENT: (int, Decimal),
    Kind.TIME: (int,),
    Kind.HASH: (str,),
    Kind.CHECK: (bool,),
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of typed cells; `None` is an empty cell."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows, start=1):
            if len(row) != len(self.columns):
                raise ReportError(
                    f"table {self.title!r}, row {number}: expected {len(self.columns)} cells, got "
                    f"{len(row)}; fill the row"
                )
            for column, cell in zip(self.columns, row, strict=True):
                self._check(number, column, cell)

    def _check(self, number: int, column: Column, cell: Cell) -> None:
        allowed = _ACCEPTS[column.kind]
        wrong_bool = isinstance(cell, bool) and bool not in allowed
        if cell is not None and (wrong_bool or not isinstance(cell, allowed)):
            names = " or ".join(kind.__name__ for kind in allowed)
            raise ReportError(
                f"table {self.title!r}, row {number}, column {column.name!r}: expected {names}, "
                f"got {type(cell).__name__} {cell!r}; convert it"
            )
        if isinstance(cell, Decimal) and not cell.is_finite():
            raise ReportError(
                f"table {self.title!r}, row {number}, column {column.name!r}: expected a finite "
                f"number, got {cell}; use None for an empty cell"
            )


@dataclass(frozen=True, slots=True)
class WaterfallStep:
    """A step that moves money: what it did, and every purse's content after it."""

    name: str
    after: tuple[Number, ...]
    note: str = ""
    block: int | None = None
    transaction: str = ""


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Money in named purses, before and after each step. Every step must conserve the sum.

    All purses add up, so whoever pays or receives (the bidder, the counterparties) is a purse too.
    """

    title: str
    unit: str
    purses: tuple[str, ...]
    start: tuple[Number, ...]
    steps: tuple[WaterfallStep, ...]
    digits: int = 2
    caption: str = ""

    def __post_init__(self) -> None:
        for name, values in [("start", self.start), *((s.name, s.after) for s in self.steps)]:
            if len(values) != len(self.purses):
                raise ReportError(
                    f"waterfall {self.title!r}, {name!r}: expected {len(self.purses)} purses, got "
                    f"{len(values)}; give one amount for each"
                )

    def before(self, index: int) -> tuple[Number, ...]:
        """The purses before step `index`."""
        return self.steps[index - 1].after if index else self.start

    def drift(self, index: int) -> Decimal:
        """What step `index` created (positive) or destroyed (negative)."""
        return total(self.steps[index].after) - total(self.before(index))

    @property
    def conserved(self) -> bool:
        """Whether no step created or destroyed anything, to the last digit."""
        return all(self.drift(i) == 0 for i in range(len(self.steps)))


def total(values: Sequence[Number]) -> Decimal:
    """The exact sum, whatever the digits (never rounded to the context's precision)."""
    exponents = [Decimal(v).as_tuple().exponent for v in values]
    scale = max((-e for e in exponents if isinstance(e, int)), default=0)
    scale = max(scale, 0)
    whole = sum(_scaled(Decimal(v), scale) for v in values)
    digits = tuple(int(c) for c in str(abs(whole)))
    return Decimal((int(whole < 0), digits, -scale))


def _scaled(value: Decimal, scale: int) -> int:
    """value * 10^scale as an integer; `scale` is at least the digits after its point."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise ReportError(f"expected a finite amount, got {value}; correct it")
    whole: int = int("".join(map(str, digits)) or "0") * 10 ** (exponent + scale)
    return -whole if sign else whole


@dataclass(frozen=True, slots=True)
class Line:
    """A named series of numbers over time; `None` is a hole in the line."""

    name: str
    times: tuple[int, ...]
    values: tuple[Number | None, ...]
    step: bool = False
    """Held until the next point, instead of joined by straight lines."""

    def __post_init__(self) -> None:
        if len(self.times) != len(self.values):
            raise ReportError(
                f"line {self.name!r}: expected as many values as times, got {len(self.values)} and "
                f"{len(self.times)}; give pairs"
            )
        if any(b < a for a, b in zip(self.times, self.times[1:], strict=False)):
            raise ReportError(f"line {self.name!r}: expected times in order, got others; sort them")


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time in a state, shaded: an oracle DEGRADED, an auction running."""

    state: str
    start: int
    end: int
    tone: Tone = Tone.WARN


@dataclass(frozen=True, slots=True)
class Marker:
    """An event: a short label at a time, and at a height of its own where it has one."""

    label: str
    time: int
    value: Number | None = None
    tone: Tone = Tone.NEUTRAL
    note: str = ""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A level that means something: health 1, slack 0."""

    label: str
    value: Number
    tone: Tone = Tone.BAD


@dataclass(frozen=True, slots=True)
class Amount:
    """A part of a stacked bar."""

    name: str
    values: tuple[Number, ...]


class FigureKind(Enum):
    """Which builder in `plimsoll.report.figures` draws a figure."""

    PRICE = "price"
    HEALTH = "health"
    FUND = "fund"
    SLACK = "slack"
    LINES = "lines"
    LOSS = "loss"
    STATES = "states"


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot over time: lines in one unit, states shaded behind them, events marked on them."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    kind: FigureKind = FigureKind.LINES
    caption: str = ""
    bands: tuple[Band, ...] = ()
    markers: tuple[Marker, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class LossFigure:
    """Who bore a loss: stacked bars, one per case (an account, a market, a run).

    `parts` in the order of the waterfall, bottom first; each has one amount per case.
    """

    title: str
    unit: str
    cases: tuple[str, ...]
    parts: tuple[Amount, ...]
    caption: str = ""
    kind: FigureKind = FigureKind.LOSS

    def __post_init__(self) -> None:
        for part in self.parts:
            if len(part.values) != len(self.cases):
                raise ReportError(
                    f"figure {self.title!r}, {part.name!r}: expected {len(self.cases)} amounts, "
                    f"got {len(part.values)}; give one for each case"
                )


@dataclass(frozen=True, slots=True)
class Strip:
    """One thing's states over time, and what is to be marked on them."""

    name: str
    bands: tuple[Band, ...]
    markers: tuple[Marker, ...] = ()

    def __post_init__(self) -> None:
        ends = [(band.start, band.end) for band in self.bands]
        if any(b < a for a, b in ends) or any(
            after[0] < before[1] for before, after in pairwise(ends)
        ):
            raise ReportError(
                f"strip {self.name!r}: expected states one after another, got some that overlap or "
                "end before they begin; cut them"
            )


@dataclass(frozen=True, slots=True)
class StateFigure:
    """A strip of coloured states for each of some things, one above another."""

    title: str
    strips: tuple[Strip, ...]
    caption: str = ""
    kind: FigureKind = FigureKind.STATES


Block: TypeAlias = Paragraph | Notice | Table | Waterfall | Figure | LossFigure | StateFigure


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it, in order."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole of it."""

    title: str
    verdict: Verdict
    headlines: tuple[Headline, ...]
    facts: RunFacts
    sections: tuple[Section, ...]
    subtitle: str = ""

    def __post_init__(self) -> None:
        if len(self.headlines) != HEADLINES:
            raise ReportError(
                f"expected {HEADLINES} headline numbers, got {len(self.headlines)}; choose them"
            )
        for waterfall in self.waterfalls:
            if self.verdict.passed and not waterfall.conserved:
                raise ReportError(
                    f"expected a failed verdict, got a passed one over waterfall "
                    f"{waterfall.title!r}, whose steps do not conserve the sum; correct one"
                )

    @property
    def waterfalls(self) -> tuple[Waterfall, ...]:
        """Every money table of the report."""
        return tuple(b for s in self.sections for b in s.blocks if isinstance(b, Waterfall))


def slug(text: str) -> str:
    """Letters, digits and hyphens only, for anchors and file names; never empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "part"


def unique_slugs(texts: Sequence[str]) -> list[str]:
    """Slugs in order, repeated ones numbered."""
    seen: dict[str, int] = {}
    out = []
    for text in texts:
        base = slug(text)
        name = base
        while name in seen:
            seen[base] += 1
            name = f"{base}-{seen[base]}"
        seen[name] = 1
        out.append(name)
    return out
