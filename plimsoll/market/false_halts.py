"""How often a feed's breaker stops a market that nobody lied about: `ape run oracle replay FILE`.

A file's declared path is told by three honest sources (`feed_replay.HONEST`) to the oracle's model
under a configuration's rules. As no source is ever wrong, every halt counted is a false one: the
price of the protection. A gap in a file ends a feed and begins another.

The path is stepped through in 15 s (bars of a minute), 60 s (up to five minutes) or 300 s (wider).
An hourly bar tells nothing of the jumps inside it, only of the distance to the slow average; what
the spread and the jump rule do is told by the fine files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from plimsoll.market.bars import Series
from plimsoll.market.errors import MarketDataError
from plimsoll.market.feed_replay import (
    HONEST,
    Replay,
    Stretch,
    points_of,
    shipped_terms,
    timeline,
    unbroken,
)
from plimsoll.market.loader import load_ohlc
from plimsoll.model.oracle import Cause, State, Terms

DAY = 86_400
YEAR = 365 * DAY
CALM = Fraction(1, 10)  # of the day's open: the widest range of a calm day
FINE, COARSE = 60, 300  # s between points of bars up to five minutes, and of wider ones
QUORUM = 2  # of the three sources
BOUNDS = 10  # times under the lowest and over the highest price: absolute bounds out of the way
BEGIN, END = "<!-- false halts: begin -->", "<!-- false halts: end -->"
CAUSES = (Cause.HALTING_SPREAD, Cause.JUMP, Cause.AVERAGE)


@dataclass
class Rate:
    """What was counted over some time. `seconds` by state; OK and DEGRADED without recovering."""

    name: str
    seconds: Counter[str] = field(default_factory=Counter)
    halts: Counter[Cause] = field(default_factory=Counter)
    longest: int = 0  # s, of a halt

    @property
    def total(self) -> int:
        """Seconds looked at."""
        return sum(self.seconds.values())

    def per_year(self, cause: Cause | None = None) -> Fraction:
        """Halts a year, of one cause or of all."""
        count = sum(self.halts.values()) if cause is None else self.halts[cause]
        return Fraction(count * YEAR, max(self.total, 1))

    def share(self, state: str) -> Fraction:
        """Share of the time in a state."""
        return Fraction(self.seconds[state], max(self.total, 1))

    def add(self, stretch: Stretch) -> None:
        """Counts a time in one state."""
        name = stretch.state.name
        if stretch.cause == Cause.RECOVERING:
            name = "RECOVERING"
        self.seconds[name] += stretch.seconds
        if stretch.state == State.HALTED:
            self.halts[stretch.cause] += 1
            self.longest = max(self.longest, stretch.seconds)

    def record(self) -> dict[str, object]:
        """For programs: numbers rounded to six digits."""
        return {
            "name": self.name,
            "days": round(self.total / DAY, 1),
            "halts": {cause.name.lower(): self.halts[cause] for cause in CAUSES},
            "halts_per_year": round(float(self.per_year()), 2),
            "longest_halt_s": self.longest,
            "share": {
                name.lower(): round(float(self.share(name)), 8)
                for name in ("OK", "DEGRADED", "RECOVERING", "STALE", "HALTED")
            },
        }


def stretches(series: Series, terms: Terms) -> list[Stretch]:
    """The states of a feed that three honest sources tell of the series, gaps left out."""
    low, high = series.lowest.low, series.highest.high
    rules = replace(
        terms,
        quorum=QUORUM,
        min_price=max(low // BOUNDS, 1),
        max_price=min(high * BOUNDS, 2**55),
    )
    step = FINE if series.spacing <= COARSE else COARSE
    found: list[Stretch] = []
    for part in unbroken(series):
        moments = Replay(rules, HONEST).over(points_of(part, step), keep=False)
        found += timeline(moments)
    return found


def calm_days(series: Series) -> set[int]:
    """Days (s // 86,400) whose range is within `CALM` of the first open."""
    days: dict[int, tuple[int, int, int]] = {}
    for bar in series:
        day = bar.ts // DAY
        first, low, high = days.get(day, (bar.open, bar.low, bar.high))
        days[day] = (first, min(low, bar.low), max(high, bar.high))
    return {day for day, (first, low, high) in days.items() if high - low <= CALM * first}


def rates(series: Series, terms: Terms) -> tuple[Rate, Rate]:
    """Of the whole series, and of its calm days."""
    whole, calm = Rate(series.symbol), Rate(f"{series.symbol}, calm days")
    quiet = calm_days(series)
    for one in stretches(series, terms):
        whole.add(one)
        for piece in _by_day(one):
            if piece.start // DAY in quiet:
                calm.add(piece)
    return whole, calm


def _by_day(stretch: Stretch) -> Iterable[Stretch]:
    """Cut at midnight; a halt counts for the day it began in."""
    if stretch.state == State.HALTED:
        yield stretch
        return
    start = stretch.start
    while start < stretch.end:
        end = min(stretch.end, (start // DAY + 1) * DAY)
        yield replace(stretch, start=start, end=end)
        start = end


def markdown(found: Sequence[Rate]) -> str:
    """A table of the rates."""
    lines = [
        "| file | days | halts | spread | jump | average | a year | longest, s "
        "| OK | DEGRADED | recovering | HALTED |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in found:
        counts = " | ".join(str(one.halts[cause]) for cause in CAUSES)
        shares = " | ".join(
            f"{float(one.share(name)) * 100:.3f} %"
            for name in ("OK", "DEGRADED", "RECOVERING", "HALTED")
        )
        lines.append(
            f"| {one.name} | {one.total / DAY:,.0f} | {sum(one.halts.values())} | {counts} "
            f"| {float(one.per_year()):.1f} | {one.longest} | {shares} |"
        )
    return "\n".join(lines)


def written(page: str, table: str) -> str:
    """The page with the table between its marks. Raises `ValueError` where it has none."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"expected the marks {BEGIN} and {END} once each; add them to the page")
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


@dataclass(frozen=True)
class Options:
    """The command's options, see scripts/oracle.py."""

    files: tuple[Path, ...]
    config: str = "local"
    feed: str = "ETH"
    page: Path | None = None
    as_json: bool = False


def run(options: Options) -> int:
    """The whole command; every expected failure becomes a line on stderr and an exit code."""
    from plimsoll.console import OK, UNAVAILABLE, USAGE, fail, note

    try:
        terms = shipped_terms(options.config, options.feed)
        page = options.page.read_text() if options.page else ""
        if options.page:
            written(page, "")
    except (ValueError, OSError) as exc:
        return fail(USAGE, exc)
    found: list[Rate] = []
    for path in options.files:
        try:
            series = load_ohlc(path, allow_gaps=True)
        except MarketDataError as exc:
            return fail(UNAVAILABLE, exc)
        note(f"replaying {path.name}: {len(series):,} bars of {series.spacing} s")
        whole, calm = rates(series, terms)
        found += [whole, calm] if series.spacing <= COARSE else [whole]
    if options.as_json:
        print(json.dumps([one.record() for one in found], indent=2))
    elif options.page:
        options.page.write_text(written(page, markdown(found)))
    else:
        print(markdown(found))
    return OK
