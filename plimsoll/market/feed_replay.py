"""Price sources made out of a market's path, and a feed of the oracle's model stepped through them.

The path is the declared one of `plimsoll.market.intrabar`, straight lines between its points. A
`SourceRule` says how a source tells of it: from which move on, how often at least, how late, where
it is wrong, and when it falls silent. `Replay` pokes a `plimsoll.model.oracle.Feed` with what the
sources say at each point, as an aggregator's answers of eight decimals. Everything is exact.

Units: seconds (Unix), prices in ticks, deviations 1e-4.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from plimsoll.market.bars import Series
from plimsoll.market.intrabar import MIN_POINTS, PricePoint, replay
from plimsoll.model import oracle

DECIMALS = 8  # of the answers
TICKS_PER_ANSWER = 10
HOUR = 3_600
FIRST_ROUND = 1


@dataclass(frozen=True)
class Spike:
    """In [start, end) a source says `scale` times the price, or exactly `price` where given."""

    start: int
    end: int
    scale: Fraction = Fraction(1)
    price: int | None = None

    def of(self, truth: int) -> int:
        """What the source says where the market is at `truth`."""
        return int(truth * self.scale) if self.price is None else self.price


@dataclass(frozen=True)
class SourceRule:
    """How one source tells of the market.

    It answers anew when what it sees differs by `deviation` from its last answer (0: with every
    point) and at least every `heartbeat` s. What it sees is `lag` s old and its answer does not
    say so. From `dies` on it says nothing new. Its data count up to `max_age` s.
    """

    name: str
    max_age: int
    deviation: int = 0
    heartbeat: int = HOUR
    lag: int = 0
    spikes: tuple[Spike, ...] = ()
    dies: int | None = None

    def spiking(self, time: int) -> bool:
        """Whether its answer at `time` is a wrong one."""
        return any(one.start <= time < one.end for one in self.spikes)

    def sees(self, path: MarketPath, time: int) -> int:
        """The answer it would publish at `time`."""
        truth = path.at(time - self.lag)
        for one in self.spikes:
            if one.start <= time < one.end:
                return one.of(truth) // TICKS_PER_ANSWER
        return truth // TICKS_PER_ANSWER

    def alive(self, time: int) -> bool:
        """Whether it still answers at `time`."""
        return self.dies is None or time < self.dies

    def tells(
        self, path: MarketPath, time: int, last: oracle.Answer | None
    ) -> oracle.Answer | None:
        """Its newest answer at `time`, given the one before."""
        if last is not None and not self.alive(time):
            return last
        seen = self.sees(path, time)
        number = FIRST_ROUND
        if last is not None:
            moved = abs(seen - last.answer) * 10_000 >= self.deviation * last.answer
            if not moved and time - last.time < self.heartbeat:
                return last
            number = last.round + 1
        return oracle.Answer(number, seen, time)


class MarketPath:
    """A market's path: points in order, straight lines between them, held beyond its ends."""

    def __init__(self, points: Sequence[PricePoint]) -> None:
        if not points:
            raise ValueError("expected at least one point of a path, got none")
        self.times = [one.ts for one in points]
        self.prices = [one.price for one in points]

    def at(self, time: int) -> int:
        """The price at a second, rounded towards the point before."""
        place = bisect_right(self.times, time) - 1
        if place < 0:
            return self.prices[0]
        if place == len(self.times) - 1 or self.times[place] == time:
            return self.prices[place]
        before, after = self.prices[place], self.prices[place + 1]
        width, gone = self.times[place + 1] - self.times[place], time - self.times[place]
        moved = abs(after - before) * gone // width
        return before + (moved if after >= before else -moved)


@dataclass(frozen=True)
class Moment:
    """A poke: where the market was, what the feed keeps of its sources and what it serves."""

    time: int
    market: int
    data: tuple[oracle.Datum | None, ...]
    price: int  # ticks in force, 0: none yet
    fixed: int  # s: when it was fixed
    state: oracle.State
    cause: oracle.Cause
    recovering: bool


@dataclass
class Replay:
    """A feed under its rules, poked at each point of a path."""

    terms: oracle.Terms
    rules: tuple[SourceRule, ...]
    volatility: Fraction = Fraction(7, 10)  # that the feed starts from
    feed: oracle.Feed = field(init=False)

    def __post_init__(self) -> None:
        self.feed = oracle.Feed(
            self.terms,
            [oracle.Source(False, rule.max_age, DECIMALS) for rule in self.rules],
            oracle.Variance(int(self.volatility**2 * 10**16)),
        )

    def over(self, points: Iterable[PricePoint], *, keep: bool = True) -> Iterator[Moment]:
        """The feed after each point's poke. `keep` False forgets half hours that are closed."""
        path, feed = MarketPath(list(points)), self.feed
        last: list[oracle.Answer | None] = [None] * len(self.rules)
        for time, market in zip(path.times, path.prices, strict=True):
            last = [rule.tells(path, time, one) for rule, one in zip(self.rules, last, strict=True)]
            feed.poke(time, last)
            if not keep and feed.settlement.windows:
                feed.settlement = replace(feed.settlement, windows={})
            yield self._moment(time, market)

    def _moment(self, time: int, market: int) -> Moment:
        hot, data = self.feed.in_force(time), tuple(self.feed.data)
        if hot is None:
            nothing = oracle.State.STALE, oracle.Cause.MISSING
            return Moment(time, market, data, 0, 0, *nothing, recovering=False)
        state = hot.state_at(time)
        cause = oracle.Cause.MISSING if state == oracle.State.STALE else self.feed.cause
        recovering = hot.recovering and state == oracle.State.DEGRADED
        return Moment(time, market, data, hot.price, hot.time, state, cause, recovering)


@dataclass(frozen=True)
class Stretch:
    """A time in one state for one cause, [start, end)."""

    state: oracle.State
    cause: oracle.Cause
    start: int
    end: int

    @property
    def seconds(self) -> int:
        """How long it lasted."""
        return self.end - self.start


def timeline(moments: Iterable[Moment]) -> list[Stretch]:
    """The states one after another; each lasts until the poke that ended it."""
    found: list[Stretch] = []
    for one in moments:
        if found:
            last = found[-1]
            found[-1] = replace(last, end=one.time)
            if (last.state, last.cause) == (one.state, one.cause):
                continue
        found.append(Stretch(one.state, one.cause, one.time, one.time))
    return found


def unbroken(series: Series) -> list[Series]:
    """The series cut at its gaps: what a venue did not say is not a source's silence."""
    starts = [0, *(i for i in range(1, len(series)) if _gap(series, i)), len(series)]
    return [replace(series, bars=series.bars[a:b]) for a, b in pairwise(starts)]


def _gap(series: Series, place: int) -> bool:
    bars = series.bars
    return bars[place].ts - bars[place - 1].ts != series.spacing


def points_of(series: Series, step: int) -> Iterator[PricePoint]:
    """The declared path in steps of about `step` seconds, at least four a bar."""
    points = min(max(MIN_POINTS, series.spacing // step), series.spacing)
    return replay(series, points)


def shipped_terms(config: str | Path = "local", feed: str = "ETH", **changes: Any) -> oracle.Terms:
    """A feed's rules in a shipped default or a file, `changes` made; addresses do not matter."""
    import yaml

    from plimsoll.deployment.config import DEFAULTS
    from plimsoll.deployment.oracle_config import Feed

    path = Path(config) if Path(config).suffix else DEFAULTS / f"{config}.yaml"
    feeds = yaml.safe_load(path.read_text())["oracle"]["feeds"]
    entry = next((one for one in feeds if one["name"] == feed), None)
    if entry is None:
        names = ", ".join(one["name"] for one in feeds)
        raise ValueError(f"{path}: expected a feed called {feed!r}, it has {names}")
    anything = {"kind": "chainlink", "aggregator": "0x" + "11" * 20, "max_age_seconds": 60}
    listed = Feed.model_validate({**entry, "sources": [anything]})
    rules: dict[str, Any] = {**listed.terms()}
    return oracle.Terms(**(rules | changes))


HONEST = (
    SourceRule("reports", max_age=1_800, heartbeat=60),
    SourceRule("aggregator", max_age=7_200, deviation=50),
    SourceRule("late aggregator", max_age=7_200, deviation=50, lag=60),
)
"""Three sources that never lie: every minute; at 0.5 % or hourly; the same a minute late."""

__all__ = [
    "HONEST",
    "Moment",
    "Replay",
    "SourceRule",
    "Spike",
    "Stretch",
    "points_of",
    "shipped_terms",
    "timeline",
    "unbroken",
]
