"""What a price did inside a bar, by declaration: four knots, straight lines between them.

A bar does not say whether its low or its high came first. `Order` does, so that a replay in finer
steps than the bars is the same for everyone and visits both extremes:

- `BY_DIRECTION` (default): open, low, high, close in a bar that closes at or above its open;
  open, high, low, close in one that closes below.
- `LOW_FIRST` and `HIGH_FIRST`: always that extreme first.

With n >= 4 points in a bar the knots stand at the points 0, (n-1)//3, 2(n-1)//3 and n-1, point k
at second k * spacing // n after the opening. Between two knots the price is interpolated in
integers, rounded towards the earlier knot, so no point lies outside [low, high].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from plimsoll.market.bars import Bar, Series

MIN_POINTS = 4


class Order(Enum):
    """Which extreme a bar is taken to visit first."""

    BY_DIRECTION = "by_direction"
    LOW_FIRST = "low_first"
    HIGH_FIRST = "high_first"


@dataclass(frozen=True, slots=True)
class PricePoint:
    """A price in ticks at a Unix second."""

    ts: int
    price: int


def knots(bar: Bar, order: Order = Order.BY_DIRECTION) -> tuple[int, int, int, int]:
    """The four prices (ticks) in the order in which the bar is taken to visit them."""
    low_first = order is Order.LOW_FIRST or (order is Order.BY_DIRECTION and bar.close >= bar.open)
    extremes = (bar.low, bar.high) if low_first else (bar.high, bar.low)
    return (bar.open, *extremes, bar.close)


def bar_points(
    bar: Bar, spacing: int, points: int = MIN_POINTS, order: Order = Order.BY_DIRECTION
) -> tuple[PricePoint, ...]:
    """`points` prices inside one bar of `spacing` seconds.

    Raises `ValueError` with fewer than four points, or more points than seconds.
    """
    if not MIN_POINTS <= points <= spacing:
        raise ValueError(
            f"expected {MIN_POINTS} to {spacing} points in a bar of {spacing} s, got {points}; "
            "use coarser steps or wider bars"
        )
    last = points - 1
    at = (0, last // 3, 2 * last // 3, last)
    prices = knots(bar, order)
    out = [PricePoint(bar.ts, prices[0])]
    for leg in range(3):
        width = at[leg + 1] - at[leg]
        rise = prices[leg + 1] - prices[leg]
        for k in range(1, width + 1):
            moved = abs(rise) * k // width
            price = prices[leg] + (moved if rise >= 0 else -moved)
            out.append(PricePoint(bar.ts + (at[leg] + k) * spacing // points, price))
    return tuple(out)


def replay(
    series: Series, points: int = MIN_POINTS, order: Order = Order.BY_DIRECTION
) -> Iterator[PricePoint]:
    """The points of every bar in turn; gaps are jumped over."""
    for bar in series:
        yield from bar_points(bar, series.spacing, points, order)
