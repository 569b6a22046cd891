"""What is replayed: the shipped crash or a user's bars, as prices at declared seconds.

A `Tape` is a list of seconds and, per feed, the price at each in ticks. Inside a bar the path is
the declared one of `plimsoll.market.intrabar` (open, first extreme, second extreme, close).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from plimsoll.market import Series, load_ohlc, march_2020, replay
from plimsoll.market.crashes import MARCH_2020
from plimsoll.market.intrabar import MIN_POINTS

FEEDS = ("ETH", "BTC")
STEP = 60  # seconds between points where bars are wider
HOUR = 3_600
DEFAULT_HOURS = 48
REFERENCE = {"ETH": 194 * 10**9, "BTC": 7_930 * 10**9}  # ticks, where only the other is given


@dataclass(frozen=True)
class Tape:
    """Prices in ticks at rising seconds; `source` says where they are from."""

    times: tuple[int, ...]
    prices: Mapping[str, tuple[int, ...]]
    source: str
    notes: tuple[str, ...] = ()

    @property
    def start(self) -> int:
        """First second."""
        return self.times[0]

    def at(self, time: int) -> dict[str, int]:
        """The last price of each feed at or before `time`, else the first."""
        place = max(bisect_right(self.times, time) - 1, 0)
        return {feed: line[place] for feed, line in self.prices.items()}

    def shifted_to(self, start: int) -> Tape:
        """The same path, its first point at `start`."""
        delta = start - self.start
        return replace(self, times=tuple(time + delta for time in self.times))

    def worst_fall(self, feed: str = FEEDS[0], within: int = HOUR) -> tuple[int, int]:
        """Places of the peak and the low of the largest fall inside `within` seconds."""
        line, first, worst = self.prices[feed], 0, (1.0, 0, 0)
        for low, price in enumerate(line):
            while self.times[low] - self.times[first] > within:
                first += 1
            peak = max(range(first, low + 1), key=line.__getitem__)
            worst = min(worst, (price / line[peak], peak, low))
        return worst[1], worst[2]

    def window(self, hours: int) -> Tape:
        """At most `hours` of the tape, the worst fall at two fifths of them."""
        peak, _ = self.worst_fall()
        begin = max(self.times[peak] - hours * HOUR * 2 // 5, self.start)
        begin = min(begin, max(self.times[-1] - hours * HOUR, self.start))
        keep = [i for i, time in enumerate(self.times) if begin <= time <= begin + hours * HOUR]
        if len(keep) == len(self.times):
            return self
        return replace(
            self,
            times=tuple(self.times[i] for i in keep),
            prices={feed: tuple(line[i] for i in keep) for feed, line in self.prices.items()},
            notes=(*self.notes, f"the {hours} hours around the steepest fall were replayed"),
        )


def shipped(seed: int, spacing: int = 300) -> Tape:
    """The synthetic crash of 12 and 13 March 2020 that comes with the library."""
    return _tape(march_2020(seed=seed, spacing=spacing), "shipped synthetic crash, 2020-03-12")


def from_files(text: str, hours: int, *, allow_gaps: bool = False) -> Tape:
    """A user's file, or two separated by a comma, cut to `hours` around the steepest bar.

    One is BTC where its name holds "btc" or "xbt", else ETH; the other market follows it in
    proportion when only one is given. Raises `MarketDataError`.
    """
    found: dict[str, Series] = {}
    for part in text.split(","):
        path = Path(part.strip()).expanduser()
        name = path.name.lower()
        feed = "BTC" if "btc" in name or "xbt" in name else "ETH"
        feed = feed if feed not in found else next(one for one in FEEDS if one != feed)
        found[feed] = load_ohlc(path, symbol=feed, allow_gaps=allow_gaps)
    names = ", ".join(Path(part.strip()).name for part in text.split(",")[:2])
    cut = _cut(found, hours)
    tape = _tape(cut, names)
    if any(len(cut[feed]) < len(found[feed]) for feed in found):
        note = f"the {hours} hours around the steepest fall were replayed"
        tape = replace(tape, notes=(*tape.notes, note))
    return tape


def _cut(series: Mapping[str, Series], hours: int) -> dict[str, Series]:
    """Each series' bars in the hours around the steepest fall of the first."""
    first = next(iter(series.values()))
    bars = first.bars
    steepest = min(
        range(len(bars)), key=lambda i: bars[i].low / max(bars[i].open, bars[max(i - 1, 0)].high)
    )
    last = max(first.end - hours * HOUR, first.start)
    begin = min(max(bars[steepest].ts - hours * HOUR * 2 // 5, first.start), last)
    return {feed: one.window(begin, begin + hours * HOUR) for feed, one in series.items()}


def _tape(series: Mapping[str, Series], source: str) -> Tape:
    lines: dict[str, dict[int, int]] = {}
    for feed, bars in series.items():
        points = max(MIN_POINTS, bars.spacing // STEP)
        points = min(points, bars.spacing)
        lines[feed] = {one.ts: one.price for one in replay(bars, points)}
    begin = max(min(line) for line in lines.values())
    end = min(max(line) for line in lines.values())
    times = sorted({t for line in lines.values() for t in line if begin <= t <= end})
    if len(times) < 2:
        raise ValueError("expected price files that overlap in time, got none in common")
    prices = {feed: _held(line, times) for feed, line in lines.items()}
    notes: tuple[str, ...] = ()
    for feed in FEEDS:
        if feed not in prices:
            other = next(iter(series))
            prices[feed] = _scaled(prices[other], REFERENCE[feed])
            notes = (f"{feed} follows {other} in proportion: no file of its own was given",)
    return Tape(tuple(times), prices, source, notes)


def _held(line: Mapping[int, int], times: list[int]) -> tuple[int, ...]:
    """The line at each time, the last value held between its own points."""
    own = sorted(line)
    return tuple(line[own[max(bisect_right(own, time) - 1, 0)]] for time in times)


def _scaled(line: tuple[int, ...], first: int) -> tuple[int, ...]:
    return tuple(max(price * first // line[0], 1) for price in line)


assert set(MARCH_2020) == set(FEEDS)
