"""Reads a user's own price file: `ts,open,high,low,close[,volume]`, as .csv or .csv.gz.

`ts` is the opening second of the bar (Unix, UTC), prices are in quote currency, volume in units
of the base asset. Column names are matched without regard to case; other columns are ignored;
prices finer than the tick (1e-9) are rounded to the nearest one. Nothing is repaired, sorted or
filled: whatever is wrong raises its own `MarketDataError` at the first row where it is seen.

Gap rule: the spacing of a file is the commonest step between neighbouring bars (the smallest of
them on a tie), and a gap is any other step, longer or shorter. Gaps are an error unless
`allow_gaps`; then they are listed in `Series.gaps` and a replay simply jumps over them.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from plimsoll.market.bars import Bar, Series, modal_spacing, price_to_ticks, ticks_to_price
from plimsoll.market.errors import (
    BadTimestampError,
    BadVolumeError,
    DuplicateColumnError,
    DuplicateTimestampError,
    EmptyFileError,
    FileMissingError,
    GapError,
    HighBelowLowError,
    InfiniteNumberError,
    MalformedRowError,
    MarketDataError,
    MissingColumnError,
    NonPositivePriceError,
    NotANumberError,
    PriceOutsideRangeError,
    PriceTooLargeError,
    TooFewBarsError,
    UnreadableFileError,
    UnsortedError,
    UnsupportedFileError,
)

REQUIRED = ("ts", "open", "high", "low", "close")
PRICES = REQUIRED[1:]
HEADER = "ts,open,high,low,close[,volume]"
LATEST_TS = 10**11
"""Above it (the year 5138) a time is taken for milliseconds and refused."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)
_WHOLE = re.compile(r"([0-9]{1,20})(?:\.0*)?", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_SHOWN_GAPS = 3


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in which file the reader stands."""

    path: Path
    row: int | None = None
    line: int | None = None

    def fail(
        self, kind: type[MarketDataError], expected: str, got: str, action: str
    ) -> MarketDataError:
        return kind(
            self.path, expected=expected, got=got, action=action, row=self.row, line=self.line
        )


def load_ohlc(path: Path | str, *, symbol: str = "", allow_gaps: bool = False) -> Series:
    """The file's bars as a `Series` (symbol: the file's name up to its first dot by default).

    Raises a `MarketDataError` that names path, row, line, expectation and remedy.
    """
    source = Path(path)
    with _opened(source) as stream:
        rows = list(_bars(source, stream))
    if not rows:
        raise _Place(source).fail(
            EmptyFileError, "at least two bars", "a header and nothing else", "add the bars"
        )
    if len(rows) < 2:
        raise _Place(source).fail(
            TooFewBarsError, "at least two bars", "one", "add bars: one has no known width"
        )
    series = Series(
        symbol or source.name.split(".")[0],
        modal_spacing(bar.ts for _, bar in rows),
        tuple(bar for _, bar in rows),
    )
    if not allow_gaps:
        _refuse_gaps(series, [place for place, _ in rows])
    return series


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """The text of the file; turns whatever reading raises into a named error."""
    place = _Place(path)
    if not path.name.lower().endswith((".csv", ".csv.gz")) or path.is_dir():
        got = "a folder" if path.is_dir() else f"the name {path.name!r}"
        raise place.fail(
            UnsupportedFileError, "a .csv or .csv.gz file", got, "convert or rename the file"
        )
    if not path.exists():
        raise place.fail(FileMissingError, "a file", "no such file", "check the path")
    packed = path.name.lower().endswith(".gz")
    try:
        with (gzip.open if packed else open)(
            path, "rt", encoding="utf-8-sig", newline=""
        ) as stream:
            yield stream
    except UnicodeDecodeError as cause:
        got = f"byte {cause.object[cause.start]:#04x}"
        raise place.fail(
            UnreadableFileError, "UTF-8 text", got, "save as UTF-8, or name a packed file .csv.gz"
        ) from cause
    except (OSError, EOFError, zlib.error) as cause:
        want = "a whole gzip file" if packed else "a readable file"
        raise place.fail(
            UnreadableFileError, want, str(cause) or type(cause).__name__, "fetch or pack it again"
        ) from cause


def _bars(path: Path, stream: TextIO) -> Iterator[tuple[_Place, Bar]]:
    """Each data row as a checked bar, with the place it came from."""
    reader = csv.reader(stream, strict=True)
    row = 0
    width, columns = 0, None
    previous: int | None = None
    try:
        for fields in reader:
            if not fields or not any(field.strip() for field in fields):
                continue
            if columns is None:
                width, columns = len(fields), _columns(_Place(path, line=reader.line_num), fields)
                continue
            row += 1
            place = _Place(path, row, reader.line_num)
            if len(fields) != width:
                raise place.fail(
                    MalformedRowError, f"{width} fields", f"{len(fields)}", "correct the row"
                )
            bar = _bar(place, {name: fields[index].strip() for name, index in columns.items()})
            _check_order(place, previous, bar.ts)
            previous = bar.ts
            yield place, bar
    except csv.Error as cause:
        raise _Place(path, row + 1 if columns else None, reader.line_num).fail(
            MalformedRowError, "comma-separated text", str(cause), "correct the quoting"
        ) from cause
    if columns is None:
        raise _Place(path).fail(
            EmptyFileError, f"the header {HEADER}", "an empty file", "add header and bars"
        )


def _columns(place: _Place, header: list[str]) -> dict[str, int]:
    """Position of each needed column; `volume` only where the file has it."""
    names = [name.strip().lower() for name in header]
    shown = ",".join(header)[:120]
    for name in REQUIRED:
        if name not in names:
            raise place.fail(
                MissingColumnError,
                f"the columns {HEADER}",
                f"{shown!r} without {name!r}",
                "add or rename the column",
            )
    wanted = [name for name in (*REQUIRED, "volume") if name in names]
    for name in wanted:
        if names.count(name) > 1:
            raise place.fail(
                DuplicateColumnError, f"one column {name!r}", repr(shown), "drop or rename one"
            )
    return {name: names.index(name) for name in wanted}


def _bar(place: _Place, text: dict[str, str]) -> Bar:
    """One row's texts as a bar."""
    ts = _timestamp(place, text["ts"])
    prices = {name: _price(place, name, text[name]) for name in PRICES}
    low, high = prices["low"], prices["high"]
    if high < low:
        raise place.fail(
            HighBelowLowError,
            "high >= low",
            f"high {text['high']} and low {text['low']}",
            "correct the row; are the columns in the order of the header?",
        )
    for name in ("open", "close"):
        if not low <= prices[name] <= high:
            raise place.fail(
                PriceOutsideRangeError,
                f"{name} within [{text['low']}, {text['high']}]",
                text[name],
                "correct the row",
            )
    volume = _volume(place, text["volume"]) if "volume" in text else None
    return Bar(ts, prices["open"], high, low, prices["close"], volume)


def _timestamp(place: _Place, text: str) -> int:
    match = _WHOLE.fullmatch(text)
    if match is None:
        raise place.fail(
            BadTimestampError,
            "ts as whole Unix seconds (UTC)",
            repr(text[:40]),
            "convert the time, for example 2020-03-12 00:00 UTC is 1583971200",
        )
    ts = int(match[1])
    if ts >= LATEST_TS:
        raise place.fail(
            BadTimestampError,
            "ts in seconds",
            text,
            "divide by 1,000 (milliseconds), 1,000,000 or 1,000,000,000",
        )
    return ts


def _number(place: _Place, name: str, text: str) -> Decimal:
    if _INFINITE.fullmatch(text):
        raise place.fail(
            InfiniteNumberError, f"{name} as a finite number", repr(text), "correct the row"
        )
    if not _NUMBER.fullmatch(text):
        got = repr(text[:40]) if text else "an empty field"
        raise place.fail(
            NotANumberError,
            f"{name} as a number like 194.61",
            got,
            "drop the row or fill it from your source",
        )
    return Decimal(text)


def _price(place: _Place, name: str, text: str) -> int:
    value = _number(place, name, text)
    if value <= 0:
        raise place.fail(NonPositivePriceError, f"{name} > 0", text, "correct or drop the row")
    try:
        ticks = price_to_ticks(value)
    except ValueError as cause:
        raise place.fail(
            PriceTooLargeError, f"{name} <= 1e12", text[:40], "check the unit of the prices"
        ) from cause
    if ticks == 0:
        raise place.fail(
            NonPositivePriceError,
            f"{name} of at least one tick ({ticks_to_price(1):f})",
            text[:40],
            "quote the asset in a larger lot",
        )
    return ticks


def _volume(place: _Place, text: str) -> Decimal:
    value = _number(place, "volume", text)
    if value < 0 or (value != 0 and value.adjusted() > 30):
        raise place.fail(
            BadVolumeError, "volume within [0, 1e30]", text[:40], "correct the row or the unit"
        )
    return value


def _check_order(place: _Place, previous: int | None, ts: int) -> None:
    if previous is None or ts > previous:
        return
    if ts == previous:
        raise place.fail(
            DuplicateTimestampError,
            f"ts after {previous}",
            f"{ts} again",
            "keep one bar of each time",
        )
    raise place.fail(UnsortedError, f"ts after {previous}", str(ts), "sort the file by ts")


def _refuse_gaps(series: Series, places: list[_Place]) -> None:
    """Raises for the first gap, telling how many there are and where the next ones stand."""
    gaps = series.gaps
    if not gaps:
        return
    index = next(i for i, bar in enumerate(series.bars) if bar.ts == gaps[0].before_ts)
    shown = ", ".join(f"{_utc(g.after_ts)} -> {_utc(g.before_ts)}" for g in gaps[:_SHOWN_GAPS])
    more = f" and {len(gaps) - _SHOWN_GAPS} more" if len(gaps) > _SHOWN_GAPS else ""
    raise places[index].fail(
        GapError,
        f"{series.spacing} s between bars (the commonest step of the file)",
        f"{gaps[0].seconds} s ({len(gaps)} gap(s): {shown}{more})",
        "fill the missing bars, cut a window without them, or allow gaps",
    )


def _utc(ts: int) -> str:
    return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
