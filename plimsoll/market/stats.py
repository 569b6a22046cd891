"""What a series did: its worst window, its drawdown, its realised volatility.

All results are fractions in `Decimal` (-0.25 = a quarter lost), rounded to six places.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from plimsoll.market.bars import Series
from plimsoll.market.generator import SECONDS_PER_YEAR

_PLACES = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Move:
    """A fall: its size as a fraction of the earlier price, and the bars it began and ended in."""

    change: Decimal
    from_ts: int
    to_ts: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """The figures a crash is known by. `worst_hour` is `None` where bars are wider than that."""

    worst_hour: Move | None
    drawdown: Move
    realised_volatility: Decimal
    rebound: Decimal
    """The highest high after the trough, over the trough, less one."""


def statistics(series: Series) -> Statistics:
    """All of them at once."""
    fall = drawdown(series)
    after = [bar for bar in series if bar.ts >= fall.to_ts]
    trough = after[0].low
    peak = max((bar.high for bar in after[1:]), default=trough)
    return Statistics(
        worst_hour=worst_window(series, 3_600) if series.spacing <= 3_600 else None,
        drawdown=fall,
        realised_volatility=realised_volatility(series),
        rebound=_ratio(peak, trough),
    )


def worst_window(series: Series, seconds: int) -> Move:
    """The largest fall from a bar's open to a low within `seconds` of it, over every start.

    Bars that open before start + seconds count whole, so `seconds` should be a multiple of the
    spacing; below one spacing it is refused with `ValueError`. Linear in the number of bars.
    """
    if seconds < series.spacing:
        raise ValueError(
            f"expected a window of at least one bar ({series.spacing} s), got {seconds} s; widen it"
        )
    bars = series.bars
    candidates: deque[int] = deque()
    worst = Move(Decimal(1), series.start, series.start)
    ahead = 0
    for i, bar in enumerate(bars):
        while ahead < len(bars) and bars[ahead].ts < bar.ts + seconds:
            while candidates and bars[candidates[-1]].low >= bars[ahead].low:
                candidates.pop()
            candidates.append(ahead)
            ahead += 1
        while candidates[0] < i:
            candidates.popleft()
        lowest = bars[candidates[0]]
        change = _ratio(lowest.low, bar.open)
        if change < worst.change:
            worst = Move(change, bar.ts, lowest.ts)
    return worst


def drawdown(series: Series) -> Move:
    """The largest fall from a peak to a later low.

    Inside one bar only its open counts as earlier than its low: a bar does not tell whether its
    high came first.
    """
    peak, peak_ts = series.bars[0].open, series.start
    worst = Move(Decimal(0), series.start, series.start)
    for bar in series:
        if bar.open > peak:
            peak, peak_ts = bar.open, bar.ts
        change = _ratio(bar.low, peak)
        if change < worst.change:
            worst = Move(change, peak_ts, bar.ts)
        if bar.high > peak:
            peak, peak_ts = bar.high, bar.ts
    return worst


def realised_volatility(series: Series) -> Decimal:
    """Square root of the mean squared close-to-close log return, per year of 365 days.

    Steps across a gap are left out. Zero for fewer than two neighbouring bars.
    """
    squares = [
        math.log(after.close / before.close) ** 2
        for before, after in pairwise(series.bars)
        if after.ts - before.ts == series.spacing
    ]
    if not squares:
        return Decimal(0)
    variance = math.fsum(squares) / len(squares) * SECONDS_PER_YEAR / series.spacing
    return Decimal(math.sqrt(variance)).quantize(_PLACES)


def return_correlation(one: Series, other: Series) -> Decimal:
    """Correlation of close-to-close log returns over the steps that both series have.

    Raises `ValueError` where they share fewer than three bars or one of them never moves.
    """
    closes = {bar.ts: bar.close for bar in other}
    pairs = [(bar.ts, bar.close, closes[bar.ts]) for bar in one if bar.ts in closes]
    moves = [
        (math.log(a1 / a0), math.log(b1 / b0))
        for (t0, a0, b0), (t1, a1, b1) in pairwise(pairs)
        if t1 - t0 == one.spacing
    ]
    if len(moves) < 2:
        raise ValueError("expected at least three common bars; choose overlapping series")
    mean_a = math.fsum(a for a, _ in moves) / len(moves)
    mean_b = math.fsum(b for _, b in moves) / len(moves)
    cross = math.fsum((a - mean_a) * (b - mean_b) for a, b in moves)
    square_a = math.fsum((a - mean_a) ** 2 for a, _ in moves)
    square_b = math.fsum((b - mean_b) ** 2 for _, b in moves)
    if square_a == 0 or square_b == 0:
        raise ValueError("expected two series that move, got a flat one; choose others")
    return Decimal(cross / math.sqrt(square_a * square_b)).quantize(_PLACES)


def _ratio(price: int, reference: int) -> Decimal:
    """price / reference - 1."""
    return (Decimal(price) / Decimal(reference) - 1).quantize(_PLACES)
