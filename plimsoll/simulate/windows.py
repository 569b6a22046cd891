"""The crashes a stress run replays: which files, which days, and the path of each feed.

A window lasts from a day before the first of the two lows to a day after the last. The path inside
a bar is the declared one of `plimsoll.market.intrabar`, in steps of `STEP` seconds whatever the
width of the bars. A feed may have several files: the first that has the time counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from plimsoll.console import UNAVAILABLE, USAGE
from plimsoll.market import PricePoint, Series, load_ohlc, march_2020
from plimsoll.market.errors import MarketDataError
from plimsoll.market.feed_replay import MarketPath, points_of
from plimsoll.market.stats import worst_window

STEP = 15  # s between two points, and between two blocks
DAY = 86_400
YEAR = 365 * DAY
FEEDS = ("ETH", "BTC")  # by market id
SYNTHETIC = "synthetic"
VARIANCE_TAU = DAY  # s, of the oracle's realised volatility


class WindowError(Exception):
    """A crash that cannot be replayed. `exit_code` as in `plimsoll.console`."""

    def __init__(self, text: str, exit_code: int = UNAVAILABLE) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Crash:
    """A named crash. `files` per feed, best first, without .csv.gz; `days` that hold its lows."""

    name: str
    files: tuple[tuple[str, ...], ...]
    days: tuple[str, str]


CRASHES = {
    one.name: one
    for one in (
        Crash(
            "2020-03",
            (
                ("2020-03_ethusdt_spot_5m",),
                ("2020-03_btcusdt_spot_5m_to_12Mar2110", "2020-03_btcusdt_spot_30m"),
            ),
            ("2020-03-12", "2020-03-14"),
        ),
        Crash(
            "2021-05",
            (("2021-05_ethusdt_spot_1m",), ("2021-05_btcusdt_spot_1m",)),
            ("2021-05-19", "2021-05-20"),
        ),
        Crash(
            "2024-08",
            (("2024-08_ethusdt_spot_1m",), ("2024-08_btcusdt_spot_1m",)),
            ("2024-08-05", "2024-08-06"),
        ),
    )
}
NAMES = (*CRASHES, SYNTHETIC)


@dataclass(frozen=True)
class Window:
    """What is replayed. Times in Unix seconds; `paths` and `volatility` by feed.

    `volatility` is the realised one before the window as the oracle averages it, a fraction a year.
    `fall` is when the steepest hour of ETH ended, `lows` when each feed was lowest.
    """

    name: str
    start: int
    end: int
    paths: dict[str, MarketPath]
    volatility: dict[str, float]
    lows: dict[str, int]
    fall: int
    bars: str

    def price(self, feed: str, time: int) -> int:
        """Ticks."""
        return self.paths[feed].at(time)

    def cut(self, before: int, after: int) -> Window:
        """The part around the end of the steepest hour, seconds before and after it."""
        start, end = max(self.start, self.fall - before), min(self.end, self.fall + after)
        return Window(
            self.name,
            start,
            end,
            self.paths,
            {feed: seen_volatility(path, start) or 0.01 for feed, path in self.paths.items()},
            {feed: min(max(low, start), end) for feed, low in self.lows.items()},
            self.fall,
            self.bars,
        )


def load_window(name: str, folder: Path | None) -> Window:
    """The window of a crash, from the price files in `folder`/crash; the synthetic needs none."""
    if name == SYNTHETIC:
        return _window(name, {feed: [series] for feed, series in march_2020().items()}, None)
    crash = CRASHES.get(name)
    if crash is None:
        raise WindowError(f"expected a crash of {', '.join(NAMES)}, got {name!r}", USAGE)
    if folder is None:
        raise WindowError(
            f"the bars of {name} are not shipped: name the folder that holds them with --data, or "
            f"replay --crash {SYNTHETIC}"
        )
    series: dict[str, list[Series]] = {}
    for feed, files in zip(FEEDS, crash.files, strict=True):
        try:
            series[feed] = [
                load_ohlc(folder / "crash" / f"{file}.csv.gz", allow_gaps=True) for file in files
            ]
        except MarketDataError as error:
            raise WindowError(str(error)) from error
    return _window(name, series, crash.days)


def _window(name: str, found: dict[str, list[Series]], days: tuple[str, str] | None) -> Window:
    paths, lows = {}, {}
    for feed, series in found.items():
        points = _points(series)
        paths[feed] = MarketPath(points)
        first, last = (_unix(day) for day in days) if days else (points[0].ts, points[-1].ts)
        lows[feed] = min((one for one in points if first <= one.ts < last), key=_price).ts
    begin = max(path.times[0] for path in paths.values())
    end = min(path.times[-1] for path in paths.values())
    start = max(begin, min(lows.values()) - DAY)
    stop = min(end, max(lows.values()) + DAY)
    around = found["ETH"][0].window(start, stop)
    return Window(
        name,
        start,
        stop,
        paths,
        {feed: seen_volatility(path, start) or 0.8 for feed, path in paths.items()},
        lows,
        worst_window(around, 3_600).to_ts,
        ", ".join(f"{feed} {_widths(series)}" for feed, series in found.items()),
    )


def _price(point: PricePoint) -> int:
    return point.price


def _widths(series: list[Series]) -> str:
    return " and ".join(f"{one.spacing // 60} min" for one in series)


def _points(series: list[Series]) -> list[PricePoint]:
    """One path out of several files: a coarser one only where the finer ones have ended."""
    points: list[PricePoint] = []
    for one in series:
        last = points[-1].ts if points else 0
        points += [point for point in points_of(one, STEP) if point.ts > last]
    return points


def _unix(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def seen_volatility(path: MarketPath, until: int, spacing: int = 60) -> float:
    """Volatility a year of the two days before, averaged as the oracle does; 0: unknown."""
    start = max(path.times[0], until - 2 * DAY)
    variance, weight = 0.0, 0.0
    keep = math.exp(-spacing / VARIANCE_TAU)
    before = path.at(start)
    for time in range(start + spacing, until + 1, spacing):
        price = path.at(time)
        step = math.log(price / before)
        variance = variance * keep + step * step / spacing * YEAR * (1 - keep)
        weight = weight * keep + (1 - keep)
        before = price
    return math.sqrt(variance / weight) if weight else 0.0
