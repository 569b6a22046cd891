"""Price bars in integer units, and series of them.

Units: a time is a whole Unix second (UTC) and names the *opening* of a bar; a price is a whole
number of ticks, `TICKS_PER_UNIT` of them to one unit of the quote currency (1e-9, the ledger's
tick). `Decimal` appears only at the border: `price_to_ticks` on the way in, `ticks_to_price` on
the way out. Nothing here imports numpy or pandas.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise

TICK_DECIMALS = 9
TICKS_PER_UNIT = 10**TICK_DECIMALS
MAX_PRICE_TICKS = 10**12 * TICKS_PER_UNIT
"""One million million quote units: above it a price is a typing error, not a market."""

_TICK = Decimal(1).scaleb(-TICK_DECIMALS)
_BAR_WIDTH = re.compile(r"^([1-9][0-9]*)(s|m|h|d)$")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def price_to_ticks(price: Decimal) -> int:
    """The nearest tick (half to even) of a finite price in quote currency.

    Rounding is monotone, so low <= open, close <= high survives it. Raises `ValueError` for a
    number that is not finite or beyond `MAX_PRICE_TICKS`.
    """
    if not price.is_finite() or (price != 0 and price.adjusted() > 12):
        raise ValueError(f"expected a finite price of at most 1e12, got {price}; check the unit")
    ticks = int(price.quantize(_TICK, rounding=ROUND_HALF_EVEN).scaleb(TICK_DECIMALS))
    if abs(ticks) > MAX_PRICE_TICKS:
        raise ValueError(f"expected a price of at most 1e12, got {price}; check the unit")
    return ticks


def ticks_to_price(ticks: int) -> Decimal:
    """Ticks back to quote currency, exactly."""
    return Decimal(ticks).scaleb(-TICK_DECIMALS)


def bar_width(text: str) -> int:
    """Seconds of a bar width such as `30s`, `5m`, `1h`, `1d`; `ValueError` otherwise."""
    match = _BAR_WIDTH.match(text)
    if match is None:
        raise ValueError(f"expected a bar width like 30s, 5m, 1h or 1d, got {text!r}; correct it")
    return int(match[1]) * _SECONDS[match[2]]


@dataclass(frozen=True, slots=True)
class Bar:
    """One open-high-low-close bar. Prices in ticks, `ts` the opening second (Unix, UTC).

    `volume` is in units of the base asset, `None` where the source has none. The constructor
    checks low <= open, close <= high and low > 0 and raises `ValueError`.
    """

    ts: int
    open: int
    high: int
    low: int
    close: int
    volume: Decimal | None = None

    def __post_init__(self) -> None:
        body_low, body_high = sorted((self.open, self.close))
        if not 0 < self.low <= body_low <= body_high <= self.high:
            raise ValueError(
                f"expected 0 < low <= open, close <= high, got open {self.open}, high {self.high}, "
                f"low {self.low}, close {self.close} ticks at {self.ts}; correct the bar"
            )


@dataclass(frozen=True, slots=True)
class Gap:
    """A step between two neighbouring bars that is not the series' spacing (seconds)."""

    after_ts: int
    before_ts: int
    spacing: int

    @property
    def seconds(self) -> int:
        """The step found, in seconds."""
        return self.before_ts - self.after_ts

    @property
    def missing(self) -> int:
        """How many whole bars are absent (0 where bars stand too close together)."""
        return max(self.seconds // self.spacing - 1, 0)


def modal_spacing(times: Iterable[int]) -> int:
    """The commonest step between neighbours, in seconds; the smallest one on a tie.

    Needs two times or more, strictly increasing, else `ValueError`.
    """
    ordered = list(times)
    steps = Counter(b - a for a, b in pairwise(ordered))
    if not steps or min(steps) <= 0:
        raise ValueError("expected two or more strictly increasing times; sort and deduplicate")
    most = max(steps.values())
    return min(step for step, count in steps.items() if count == most)


@dataclass(frozen=True, slots=True)
class Series:
    """Bars of one symbol, strictly increasing in time; `spacing` is the width of a bar, seconds."""

    symbol: str
    spacing: int
    bars: tuple[Bar, ...]

    def __post_init__(self) -> None:
        if self.spacing <= 0 or not self.bars:
            raise ValueError("expected a positive spacing and at least one bar; got neither or one")
        for before, after in pairwise(self.bars):
            if after.ts <= before.ts:
                raise ValueError(
                    f"expected strictly increasing times, got {after.ts} after {before.ts}; sort"
                )

    def __len__(self) -> int:
        return len(self.bars)

    def __iter__(self) -> Iterator[Bar]:
        return iter(self.bars)

    @property
    def start(self) -> int:
        """Opening second of the first bar."""
        return self.bars[0].ts

    @property
    def end(self) -> int:
        """The second at which the last bar closes."""
        return self.bars[-1].ts + self.spacing

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Every step that differs from `spacing`, in order."""
        return tuple(
            Gap(a.ts, b.ts, self.spacing)
            for a, b in pairwise(self.bars)
            if b.ts - a.ts != self.spacing
        )

    @property
    def lowest(self) -> Bar:
        """The first bar that holds the lowest low."""
        return min(self.bars, key=lambda bar: bar.low)

    @property
    def highest(self) -> Bar:
        """The first bar that holds the highest high."""
        return max(self.bars, key=lambda bar: bar.high)

    def window(self, start: int, end: int) -> Series:
        """The bars that open in [start, end), Unix seconds; `ValueError` where there is none."""
        chosen = tuple(bar for bar in self.bars if start <= bar.ts < end)
        if not chosen:
            raise ValueError(
                f"expected bars of {self.symbol} in [{start}, {end}), got none; the series covers "
                f"[{self.start}, {self.end})"
            )
        return replace(self, bars=chosen)

    def shifted_to(self, start: int) -> Series:
        """The same bars, moved in time so that the first opens at `start` (Unix seconds)."""
        delta = start - self.start
        return replace(self, bars=tuple(replace(bar, ts=bar.ts + delta) for bar in self.bars))

    def resampled(self, spacing: int) -> Series:
        """Coarser bars of `spacing` seconds, aligned to multiples of it (UTC).

        `spacing` must be a multiple of the present one. A coarse bar is made from whatever bars
        fall inside it, so a gap shorter than `spacing` disappears and a longer one stays.
        """
        if spacing <= 0 or spacing % self.spacing:
            raise ValueError(
                f"expected a multiple of {self.spacing} s, got {spacing} s; choose a coarser width"
            )
        groups: dict[int, list[Bar]] = {}
        for bar in self.bars:
            groups.setdefault(bar.ts - bar.ts % spacing, []).append(bar)
        return Series(self.symbol, spacing, tuple(_merge(ts, g) for ts, g in groups.items()))


def _merge(ts: int, group: list[Bar]) -> Bar:
    """One bar over neighbouring bars; volume only where every one of them has it."""
    volumes = [bar.volume for bar in group if bar.volume is not None]
    return Bar(
        ts=ts,
        open=group[0].open,
        high=max(bar.high for bar in group),
        low=min(bar.low for bar in group),
        close=group[-1].close,
        volume=sum(volumes, Decimal(0)) if len(volumes) == len(group) else None,
    )
