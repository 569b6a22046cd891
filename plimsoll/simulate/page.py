"""Stress runs as a report: the table, and for each run what prices, accounts and money did."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal

from plimsoll.report.model import (
    Amount,
    Band,
    Column,
    Figure,
    FigureKind,
    Headline,
    Line,
    LossFigure,
    Paragraph,
    Report,
    RunFacts,
    Section,
    Table,
    Threshold,
    Tone,
    Verdict,
)
from plimsoll.simulate.measure import Effective
from plimsoll.simulate.replay import Outcome
from plimsoll.simulate.table import HEAD, moment, row
from plimsoll.simulate.windows import FEEDS

USD = 10**15
EVERY = 3  # samples between two points of a figure
CHAIN = 1  # of the in-process machine


def make_report(
    outcomes: Sequence[Outcome],
    margins: Sequence[Effective],
    problems: Sequence[str],
    commit: str,
) -> Report:
    """The report of some runs, passed or failed."""
    first = outcomes[0]
    return Report(
        title="Crashes replayed",
        subtitle=f"{first.setup.accounts} accounts, two perpetual markets, depth at "
        f"{first.setup.thin:.0%} of normal, the deployed bytecode on an in-process EVM.",
        verdict=Verdict(not problems, _sentence(outcomes, problems)),
        headlines=_headlines(outcomes, margins),
        facts=RunFacts(
            chain_id=CHAIN,
            first_block=1,
            last_block=max(1, *(one.blocks for one in outcomes)),
            git_commit=commit or "none",
            seed=first.setup.seed,
            duration=Decimal(f"{sum(one.seconds for one in outcomes):.1f}"),
            finished=int(time.time()),
            extra=(("Runs", str(len(outcomes))),),
        ),
        sections=(
            Section("All runs", (_table(outcomes), *_losses(outcomes))),
            *(_section(one) for one in outcomes),
        ),
    )


def name_of(one: Outcome) -> str:
    """A run's name."""
    where = {"crowd": "from the first crowd", "fall": "from the worst fall"}[one.setup.outage_at]
    outage = f"{one.setup.outage} min of outage {where}" if one.setup.outage else "no outage"
    return f"{one.window.name}, {outage}"


def short_name(one: Outcome) -> str:
    """A run's name on an axis."""
    where = " (fall)" if one.setup.outage_at == "fall" else ""
    return f"{one.window.name} {one.setup.outage}{where}"


def _sentence(outcomes: Sequence[Outcome], problems: Sequence[str]) -> str:
    if problems:
        return "; ".join(problems)
    checked = sum(sum(one.checks.values()) for one in outcomes)
    late = [name_of(one) for one in outcomes if one.tally.beyond_fund]
    but = f" but in {', '.join(late)}" if late else ""
    return (
        f"Nobody but the insurance fund bore a loss in {len(outcomes)} runs{but}; {checked:,} "
        "checks of conservation, sizes and claims held, and every deficit equals what its payers "
        "paid."
    )


def _headlines(outcomes: Sequence[Outcome], margins: Sequence[Effective]) -> tuple[Headline, ...]:
    beyond = sum(one.tally.beyond_fund for one in outcomes)
    most = max(outcomes, key=lambda one: one.tally.total("from_fund") / max(1, one.fund_before))
    share = most.tally.total("from_fund") / max(1, most.fund_before)
    sold = sum(one.tally.sold + one.tally.deleveraged for one in outcomes)
    rates = ", ".join(f"{one.feed} {one.maintenance:.2%} and {one.initial:.2%}" for one in margins)
    highest = max((one.maintenance for one in margins), default=0.0)
    return (
        Headline(
            "Loss beyond the fund", _usd(beyond), "USD", "charged and socialised, all runs",
            Tone.BAD if beyond else Tone.GOOD, 0,
        ),
        Headline("Most of the fund used", f"{share:.1%}", "", name_of(most)),
        Headline("Liquidated notional", Decimal(round(sold)), "USD", "all runs", digits=0),
        Headline("Highest MM at median volatility", f"{highest:.2%}", "", f"MM and IM: {rates}"),
        Headline(
            "Hedge error", f"{max(map(_hedge_error, outcomes)):.1%}", "",
            "of hedged books' notional, worst run", Tone.WARN,
        ),
    )  # fmt: skip


def _hedge_error(one: Outcome) -> float:
    return one.hedge_error / one.hedged if one.hedged else 0.0


def _table(outcomes: Sequence[Outcome]) -> Table:
    return Table(
        "Runs",
        tuple(Column(name) for name in HEAD),
        tuple(row(one) for one in outcomes),
        "Money in USD. Time to clear: the longest stretch with anybody under R or in auction, of "
        "the time from the first account liquidatable to the last auction ended.",
    )


def _losses(outcomes: Sequence[Outcome]) -> tuple[LossFigure, ...]:
    if not any(one.tally.losses for one in outcomes):
        return ()
    parts = (
        ("insurance fund", "from_fund"),
        ("charged to the other side", "charged"),
        ("socialised", "socialised"),
    )
    return (
        LossFigure(
            "Who paid",
            "USD",
            tuple(short_name(one) for one in outcomes),
            tuple(
                Amount(name, tuple(_usd(one.tally.total(field)) for one in outcomes))
                for name, field in parts
            ),
        ),
    )


def _section(one: Outcome) -> Section:
    window, counts = one.window, one.tally.counts
    waited = f"Keepers away from {moment(one.outage[0])} UTC." if one.outage else ""
    text = (
        f"{moment(window.start)} to {moment(window.end)} UTC, bars of {window.bars}. "
        f"{counts['auctions']:,} auctions, {counts['bids']:,} bids, {counts['legs']:,} legs, "
        f"{counts['intents']:,} intents "
        f"filled. {waited if one.setup.outage else ''}"
    )
    return Section(name_of(one), (Paragraph(text), *_figures(one)))


def _figures(one: Outcome) -> tuple[Figure, ...]:
    kept = one.samples[::EVERY]
    if not kept:
        return ()
    times = tuple(sample.time for sample in kept)
    bands: tuple[Band, ...] = ()
    if one.outage and one.setup.outage:
        bands = (Band("keepers away", one.outage[0], one.outage[1], Tone.BAD),)
    first = kept[0].prices

    def line(name: str, values: Sequence[float], digits: int = 2, step: bool = False) -> Line:
        return Line(name, times, tuple(Decimal(f"{v:.{digits}f}") for v in values), step)

    return (
        Figure(
            "Prices",
            "% of the first",
            tuple(
                line(feed, [100 * s.prices[m] / first[m] for s in kept])
                for m, feed in enumerate(FEEDS)
            ),
            FigureKind.PRICE,
            bands=bands,
        ),
        Figure(
            "Maintenance margin of a small position",
            "% of notional",
            tuple(line(feed, [100 * s.rates[m] for s in kept]) for m, feed in enumerate(FEEDS)),
            bands=bands,
        ),
        Figure(
            "Accounts",
            "accounts",
            (
                line("liquidatable", [s.liquidatable for s in kept], 0, step=True),
                line("under water", [s.insolvent for s in kept], 0, step=True),
                line("in auction", [s.auctions for s in kept], 0, step=True),
            ),
            bands=bands,
        ),
        Figure(
            "Fund and deficits",
            "USD",
            (
                line("insurance fund", [s.fund / USD for s in kept], 0, step=True),
                line("negative equities", [s.below_zero for s in kept], 0, step=True),
                line("noted deficits", [s.pending / USD for s in kept], 0, step=True),
            ),
            FigureKind.FUND,
            "The fund covers what is known as long as the first line is the highest.",
            bands=bands,
            thresholds=(Threshold("empty", 0),),
        ),
    )


def _usd(amount: int) -> Decimal:
    return Decimal(amount) / USD
