"""Prices, feed states and accounts, for the report."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from plimsoll.demo.checks import Sample
from plimsoll.demo.crash import Story
from plimsoll.demo.prices import FEEDS
from plimsoll.demo.story_terms import (
    HEALTH_SHOWN,
    MARKS,
    STATES,
    STEPS,
    TONES,
    brought,
    crash_samples,
    outage,
    usd,
)
from plimsoll.report.model import (
    Band,
    Column,
    Figure,
    FigureKind,
    Kind,
    Line,
    Marker,
    Number,
    Table,
    Threshold,
)
from plimsoll.units import from_ticks


def prices(story: Story) -> tuple[Any, ...]:
    """A figure for each feed, and their table."""
    samples = _oracle_blocks(crash_samples(story))
    figures = []
    for market, feed in enumerate(FEEDS):
        times = tuple(one.time for one in samples)
        figures.append(
            Figure(
                title=f"{feed}: the price that accounts were valued at",
                unit="USD",
                kind=FigureKind.PRICE,
                lines=(
                    Line("index", times, tuple(from_ticks(s.prices[feed].price) for s in samples)),
                ),
                bands=(*_bands(samples, feed), outage(story)),
                markers=_markers(story, market),
                caption="Median of two aggregators and a signed report. Shaded: the feed's state, "
                "and the time in which keepers were down.",
            )
        )
    return (*figures, _feed_table(samples))


def _oracle_blocks(samples: Sequence[Sample]) -> list[Sample]:
    """One sample for each new price."""
    kept: list[Sample] = []
    for one in samples:
        if not kept or any(
            one.prices[f].timestamp != kept[-1].prices[f].timestamp
            or one.prices[f].state != kept[-1].prices[f].state
            for f in FEEDS
        ):
            kept.append(one)
    return kept


def _bands(samples: Sequence[Sample], feed: str) -> list[Band]:
    bands: list[Band] = []
    state, since = 0, 0
    for one in [*samples, samples[-1]]:
        now = one.prices[feed].state if one is not samples[-1] else 0
        if now != state:
            if state:
                bands.append(Band(STATES[state], since, one.time, TONES[state]))
            state, since = now, one.time
    return bands


def _markers(story: Story, market: int) -> tuple[Marker, ...]:
    names = story.checker.names
    return tuple(
        Marker(
            MARKS[one.kind][0],
            one.time,
            from_ticks(one.after.books[market].mark),
            MARKS[one.kind][1],
            f"{names[one.account]}: {STEPS[one.kind]}",
        )
        for one in story.happenings
        if one.kind in MARKS
        and (one.before.lots[one.account, market] or one.after.lots[one.account, market])
    )


def _feed_table(samples: Sequence[Sample]) -> Table:
    rows = []
    for feed in FEEDS:
        readings = [one.prices[feed] for one in samples]
        spread = max(Decimal(one.high - one.low) / one.price for one in readings)
        rows.append(
            (
                f"{feed} / USD",
                len(readings),
                from_ticks(min(one.price for one in readings)),
                from_ticks(max(one.price for one in readings)),
                spread,
                sum(one.state == 1 for one in readings),
                sum(one.state > 1 for one in readings),
                Decimal(readings[-1].variance).scaleb(-12).sqrt(),
            )
        )
    return Table(
        "Feeds",
        (
            Column("Feed"),
            Column("Prices", Kind.INTEGER),
            Column("Lowest", Kind.NUMBER, "USD", 2),
            Column("Highest", Kind.NUMBER, "USD", 2),
            Column("Widest band", Kind.PERCENT),
            Column("Degraded", Kind.INTEGER, "prices"),
            Column("Stale or halted", Kind.INTEGER, "prices"),
            Column("Realised volatility, end", Kind.PERCENT, "a year", 0),
        ),
        tuple(rows),
        "Aggregator b lags one price behind in the steep fall: DEGRADED where the sources are more "
        "than 1 % apart, HALTED by the breaker where they are more than 5 % apart, for at least a "
        "minute; the last good price stands meanwhile.",
    )


# -- accounts


def health(story: Story) -> Figure:
    """Health of a few accounts over time."""
    chosen = _telling(story)
    samples = crash_samples(story)[::2]
    lines = []
    for account in chosen:
        values: list[Number | None] = []
        for one in samples:
            margin = one.margins[account]
            if margin.requirement == 0:
                values.append(None)
                continue
            health = Decimal(margin.equity) / Decimal(margin.requirement)
            shown = max(min(health, HEALTH_SHOWN), -HEALTH_SHOWN)
            values.append(shown.quantize(Decimal("0.001")))
        times = tuple(one.time for one in samples)
        lines.append(Line(story.checker.names[account], times, tuple(values)))
    return Figure(
        title="Health of some accounts",
        unit="E / R",
        kind=FigureKind.HEALTH,
        lines=tuple(lines),
        bands=(outage(story),),
        thresholds=(Threshold("liquidatable below 1", 1),),
        caption=f"Equity over requirement, drawn up to {HEALTH_SHOWN}. Under 1 an account may be "
        "liquidated, under 0 it owes more than it has. A line ends where its account is empty.",
    )


def _telling(story: Story) -> list[int]:
    """At most eight accounts: one of each fate, and the hedged one."""
    chosen: list[int] = []
    for kind in MARKS:
        chosen += [one.account for one in story.happenings if one.kind == kind][:2]
    chosen += [one.account for one in story.cast.role("shunned")][-1:]
    chosen += [story.cast.one(name).account for name in ("hedged", "borrower 1")]
    return list(dict.fromkeys(chosen))[:8]


def accounts(story: Story, last: Sample) -> Table:
    """Everybody: what they brought, what they have, how it went."""
    fates: dict[int, list[str]] = {}
    for one in story.happenings:
        fates.setdefault(one.account, []).append(one.kind)
    rows = []
    for actor in story.cast:
        lowest = min(
            (
                Decimal(m.equity) / Decimal(m.requirement)
                for m in (one.margins[actor.account] for one in story.samples)
                if m.requirement
            ),
            default=None,
        )
        rows.append(
            (
                actor.name,
                "0x" + f"{actor.account:064x}",
                brought(actor, story),
                usd(last.margins[actor.account].equity),
                None if lowest is None or lowest > 100 else lowest.quantize(Decimal("0.001")),
                _fate(fates.get(actor.account, [])),
            )
        )
    return Table(
        "Everybody",
        (
            Column("Account"),
            Column("Id", Kind.HASH),
            Column("Brought", Kind.NUMBER, "USD", 0),
            Column("Equity, last", Kind.NUMBER, "USD", 2),
            Column("Lowest health", Kind.NUMBER, "E / R", 3),
            Column("Fate"),
        ),
        tuple(rows),
        "Brought: dollars and ether less the loan, at the first price; deposits that cure and "
        "withdrawals are not in it. Health is left out where it never came under 100.",
    )


def _fate(kinds: Sequence[str]) -> str:
    counted = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    return ", ".join(f"{kind} × {n}" if n > 1 else kind for kind, n in counted.items())
