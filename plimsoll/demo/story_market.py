"""Prices, feed states and accounts, for the report."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from plimsoll.demo.checks import Sample
from plimsoll.demo.crash import Story
from plimsoll.demo.prices import FEEDS
from plimsoll.demo.story_terms import (
    CAUSES,
    HEALTH_SHOWN,
    MARKS,
    RECOVERING,
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
    StateFigure,
    Strip,
    Table,
    Threshold,
    Tone,
)
from plimsoll.units import from_ticks

STALE, HALTED = 2, 3
AROUND = 1_800  # s before and after the fall in the closer figure


def prices(story: Story) -> tuple[Any, ...]:
    """The states of all feeds, a figure for each, and their tables."""
    opened = [one for one in crash_samples(story) if one.time >= story.tape.start]
    samples = _oracle_blocks(opened)
    figures = []
    for market, feed in enumerate(FEEDS):
        times = tuple(one.time for one in samples)
        bands = [band for band in _bands(samples, feed) if band.state != STATES[0]]
        figures.append(
            Figure(
                title=f"{feed}: the price that accounts were valued at",
                unit="USD",
                kind=FigureKind.PRICE,
                lines=(
                    Line("index", times, tuple(from_ticks(s.prices[feed].price) for s in samples)),
                ),
                bands=(*bands, outage(story)),
                markers=_markers(story, market),
                caption="Median of two aggregators and a signed report. Shaded: the feed's state, "
                "and the time in which keepers were down.",
            )
        )
    strips = (_strips(story, samples), *_closer(story, samples))
    return (*strips, *figures, _feed_table(samples), _stops(story, samples))


def _oracle_blocks(samples: Sequence[Sample]) -> list[Sample]:
    """One sample for each new price or state."""
    kept: list[Sample] = []
    for one in samples:
        if not kept or any(
            one.prices[f].timestamp != kept[-1].prices[f].timestamp
            or _state(one, f) != _state(kept[-1], f)
            for f in FEEDS
        ):
            kept.append(one)
    return [*kept, samples[-1]] if samples[-1] is not kept[-1] else kept


def _state(sample: Sample, feed: str) -> int:
    """The feed's state, RECOVERING told apart from DEGRADED."""
    return RECOVERING if feed in sample.recovering else int(sample.prices[feed].state)


def _bands(samples: Sequence[Sample], feed: str) -> list[Band]:
    """One after another, the last to the last sample."""
    bands: list[Band] = []
    state, since = _state(samples[0], feed), samples[0].time
    for one in samples[1:]:
        now = _state(one, feed)
        if now != state or one is samples[-1]:
            bands.append(Band(STATES[state], since, one.time, TONES[state]))
            state, since = now, one.time
    return bands


def _strips(story: Story, samples: Sequence[Sample]) -> StateFigure:
    """Each feed's states, with halts and recoveries marked: most of them are too short to see."""
    silent = {one.feed for one in story.silences}
    named = " and ".join(sorted(silent))
    return StateFigure(
        title="What state each feed was in",
        strips=tuple(
            Strip(f"{feed}/USD", tuple(_bands(samples, feed)), _turns(story, samples, feed))
            for feed in FEEDS
        ),
        caption="OK: all sources agree. DEGRADED: one is missing, or they are apart; whoever takes "
        "risk is priced at the worse edge. STALE: no quorum of fresh answers. HALTED: the breaker "
        "holds the last good price. RECOVERING: a price is back, and for a minute no liquidation "
        f"goes on. Arranged for {named}: an aggregator falls silent after the fall, then the "
        "signers do too, and come back in that order.",
    )


def _closer(story: Story, samples: Sequence[Sample]) -> tuple[StateFigure, ...]:
    """The hours of the fall and of the failing sources, where the run is much longer than they."""
    begin = story.outage[0] - AROUND
    end = max([story.outage[1], *(one.end for one in story.silences)]) + AROUND
    seen = [one for one in samples if begin <= one.time <= end]
    if len(seen) < 2 or samples[-1].time - samples[0].time < 2 * (end - begin):
        return ()
    strips = tuple(
        Strip(f"{feed}/USD", tuple(_bands(seen, feed)), _turns(story, seen, feed)) for feed in FEEDS
    )
    caption = "From the beginning of the fall until all sources are back."
    return (StateFigure("The hours of the fall, closer", strips, caption),)


def _turns(story: Story, samples: Sequence[Sample], feed: str) -> tuple[Marker, ...]:
    """Halts and recoveries of one feed, from the adapter's events."""
    marks = []
    for one in story.turns:
        if one.feed != feed or not samples[0].time <= one.time <= samples[-1].time:
            continue
        why = CAUSES.get(one.cause, "")
        if one.new_state == HALTED != one.old_state:
            marks.append(Marker("halted", one.time, None, Tone.BAD, f"{feed} halted: {why}"))
        elif one.old_state in (STALE, HALTED) and one.new_state not in (STALE, HALTED):
            said = f"{feed} back from {STATES[one.old_state]}"
            marks.append(Marker("back", one.time, None, Tone.GOOD, said))
    return tuple(marks)


def _stops(story: Story, samples: Sequence[Sample]) -> Table:
    """Every time a feed was not there to liquidate on, how long and why."""
    rows = []
    for feed in FEEDS:
        for band in _bands(samples, feed):
            if band.state not in (STATES[STALE], STATES[HALTED]):
                continue
            cause = next(
                (
                    CAUSES.get(one.cause, "")
                    for one in story.turns
                    if one.feed == feed and one.time == band.start and one.new_state == HALTED
                ),
                "too few fresh answers",
            )
            rows.append((band.start, f"{feed}/USD", band.state, band.end - band.start, cause))
    return Table(
        "Times without a live price",
        (
            Column("From", Kind.TIME),
            Column("Feed"),
            Column("State"),
            Column("Lasted", Kind.INTEGER, "s"),
            Column("Why"),
        ),
        tuple(sorted(rows)),
        "A halt ends by itself after a minute of calm, at the next poke; here sources and pokes "
        "come when the price has moved by 1 %, while an auction runs every minute, else every "
        "quarter of an hour.",
    )


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
                f"{feed}/USD",
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
