"""Numbers, times and hashes as a reader wants them. Nothing here is rounded silently twice."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal

from plimsoll.report.model import Cell, Column, Kind, Number

MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"
_WIDE = Context(prec=120)


def number(value: Number, digits: int | None = None) -> str:
    """Grouped in thousands, with a true minus sign; `digits` after the point, half to even.

    Without `digits` every digit of the value is shown, trailing zeros of a fraction cut off.
    """
    exact = Decimal(value)
    if digits is not None:
        exact = exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN, context=_WIDE)
    text = f"{exact:f}"
    if digits is None and "." in text:
        text = text.rstrip("0").rstrip(".")
    sign, text = (MINUS, text[1:]) if text.startswith("-") else ("", text)
    whole, point, rest = text.partition(".")
    if not text.strip("0."):
        sign = ""
    return f"{sign}{int(whole):,}{point}{rest}"


def percent(fraction: Number, digits: int | None = None) -> str:
    """A fraction as percent, two digits where none are asked for."""
    shown = number(_WIDE.multiply(Decimal(fraction), Decimal(100)), 2 if digits is None else digits)
    return f"{shown}{THIN}%"


def time(ts: int) -> str:
    """`2020-03-12 10:45:00`; the column or caption says UTC."""
    return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: Number) -> str:
    """`8.4 s`, `2 min 05 s`, `1 h 02 min`."""
    exact = Decimal(seconds)
    whole = int(exact)
    if whole < 60:
        return f"{number(exact, 1)} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02d} min"


def shortened(text: str, head: int = 8, tail: int = 6) -> str:
    """Head and tail of a hash with an ellipsis between, or all of it where that is no longer."""
    return text if len(text) <= head + tail + 1 else f"{text[:head]}…{text[-tail:]}"


def cell(value: Cell, column: Column) -> str:
    """A cell's text, without its unit (which the column's head carries)."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "passed" if value else "failed"
    if isinstance(value, str):
        return shortened(value) if column.kind is Kind.HASH else value
    if column.kind is Kind.PERCENT:
        return percent(value, column.digits)
    if column.kind is Kind.TIME:
        return time(int(value))
    return number(value, 0 if column.kind is Kind.INTEGER else column.digits)
