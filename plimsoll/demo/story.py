"""The run as a report: what happened, who paid, and that it was proved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from statistics import median
from typing import Any

from plimsoll.demo.cast import Actor
from plimsoll.demo.checks import IDENTITIES, Sample
from plimsoll.demo.crash import Happening, Story
from plimsoll.demo.prices import FEEDS
from plimsoll.report.model import (
    Amount,
    Band,
    Column,
    Figure,
    FigureKind,
    Headline,
    Kind,
    Line,
    LossFigure,
    Marker,
    Notice,
    Number,
    Paragraph,
    Report,
    RunFacts,
    Section,
    Table,
    Threshold,
    Tone,
    Verdict,
    Waterfall,
    WaterfallStep,
)
from plimsoll.units import from_quote_units, from_ticks

STATES = {1: "DEGRADED", 2: "STALE", 3: "HALTED"}
TONES = {1: Tone.WARN, 2: Tone.BAD, 3: Tone.BAD}
HEALTH_SHOWN = Decimal(4)
# Steps of the waterfall that the default run has to walk, in the order a loss meets them.
STEPS = {
    "solvent slice": "a slice of a solvent account sold, sized to its target",
    "free slice": "0 <= E < x R: the account's taker pays nothing, the fund pays nothing",
    "cured": "a deposit cures an account in auction",
    "insolvent slice": "E < 0: the fund pays the taker -E and the bonus",
    "deleveraged": "nobody bid: closed at mark against the opposite side",
    "fund pays a deficit": "the insurance fund pays first",
    "charge": "what the fund may not pay is charged per lot to the opposite side, up to its cap",
    "socialised": "what the cap leaves lowers all cash in proportion",
    "escrowed": "a withdrawal ahead of known losses gets an advance, the rest waits",
    "released": "the losses are settled, the escrow pays out",
}
MARKS = {
    "solvent slice": ("slice sold", Tone.NEUTRAL),
    "free slice": ("taken for nothing", Tone.WARN),
    "insolvent slice": ("fund pays", Tone.BAD),
    "deleveraged": ("deleveraged", Tone.BAD),
    "cured": ("deposit cures", Tone.GOOD),
}


def usd(quote_units: int) -> Decimal:
    """Quote units as USD, exact."""
    return from_quote_units(quote_units)


def cents(quote_units: int) -> Decimal:
    """Quote units as USD, to the cent."""
    return usd(quote_units).quantize(Decimal("0.01"))


def walked(story: Story) -> dict[str, int]:
    """How often each step of the waterfall was walked."""
    counts = dict.fromkeys(STEPS, 0)
    for one in story.happenings:
        counts[one.kind] += 1
        if one.kind == "deleveraged":
            counts["fund pays a deficit"] += one.fields["from_fund"] > 0
            counts["charge"] += one.fields["charged"] > 0
            counts["socialised"] += one.fields["socialised"] > 0
    return counts


def missing(story: Story) -> list[str]:
    """Steps that were not walked."""
    return [step for step, count in walked(story).items() if not count]


def total(story: Story, field: str) -> int:
    """Sum of a field over bids and deleveragings, quote units."""
    return sum(int(one.fields.get(field, 0)) for one in story.happenings)


def sold_notional(story: Story) -> int:
    """Notional that left accounts by slices and deleveraging, at the mark of its block, qu."""
    moved = 0
    for one in story.happenings:
        for market, book in one.after.books.items():
            key = (one.account, market)
            if "account" in one.fields and one.kind not in ("escrowed",):
                moved += abs(one.before.lots[key] - one.after.lots[key]) * book.mark
    return moved


def make_report(story: Story, commit: str, seconds: float) -> Report:
    """The report of a run, passed or failed."""
    stage, tally = story.stage, story.checker.tally
    last = story.samples[-1]
    passed = not story.breach
    return Report(
        title="A crash on a forked chain",
        subtitle=f"{story.tape.source}. {len(story.cast.actors)} accounts, two perpetual markets, "
        "dollar and ether collateral, one insurance fund.",
        verdict=Verdict(passed, _sentence(story)),
        headlines=_headlines(story),
        facts=RunFacts(
            chain_id=stage.world.chain_id,
            first_block=stage.first_block,
            last_block=last.block,
            git_commit=commit or "none",
            seed=story.seed,
            duration=Decimal(f"{seconds:.1f}"),
            finished=int(time.time()),
            extra=(
                *stage.facts,
                ("Prices", story.tape.source),
                ("Deployment", f"{len(stage.outcomes)} steps, {stage.checks} checks"),
                ("Blocks proved", f"{tally.blocks:,}"),
            ),
        ),
        sections=(
            _what_happened(story),
            Section("Prices and feed states", _prices(story)),
            Section("Accounts", (_health(story), _accounts(story, last))),
            Section("Who bore the loss", _losses(story)),
            Section("Liquidations", (_liquidations(story),)),
            Section("Solvency, block by block", _solvency(story)),
            Section("Gas", _gas(story)),
            Section("The deployment", _deployment(story)),
        ),
    )


def _sentence(story: Story) -> str:
    tally = story.checker.tally
    if story.breach:
        return f"Stopped at a breach: {story.breach}"
    fate = len({one.account for one in story.happenings if one.kind != "escrowed"})
    return (
        f"{len(IDENTITIES)} identities held at each of {tally.blocks:,} blocks while "
        f"{fate} accounts were liquidated or cured; every loss was known, found its payer, and "
        "nothing is owed that is not held."
    )


def _headlines(story: Story) -> tuple[Headline, ...]:
    first, last = story.samples[0].sheet, story.samples[-1].sheet
    cash = max(first.supplied, 1)
    social, charged = total(story, "socialised"), total(story, "charged")
    bids = sum(one.kind.endswith("slice") for one in story.happenings)
    closed = sum(one.kind == "deleveraged" for one in story.happenings)
    worst = max((one.remainder for one in story.samples), default=0)
    share = Decimal(social) / Decimal(cash) * 100
    return (
        Headline(
            "Blocks proved solvent",
            story.checker.tally.blocks,
            "",
            f"largest remainder {usd(worst):.9f} USD, never below zero",
            Tone.BAD if story.breach else Tone.GOOD,
        ),
        Headline(
            "Liquidated notional",
            usd(sold_notional(story)),
            "USD",
            f"{bids} bids, {closed} deleveraged",
            digits=0,
        ),
        Headline(
            "Insurance fund, after",
            usd(last.fund),
            "USD",
            f"of {usd(first.fund):,.0f}",
            Tone.WARN,
            0,
        ),
        Headline(
            "Charged to the other side",
            usd(charged),
            "USD",
            "per lot, up to the cap",
            Tone.WARN if charged else Tone.GOOD,
            0,
        ),
        Headline(
            "Socialised loss",
            usd(social),
            "USD",
            f"{share:.2f} % of all cash",
            Tone.BAD if social else Tone.GOOD,
            0,
        ),
    )


def _what_happened(story: Story) -> Section:
    start, end = story.outage
    steps = walked(story)
    firsts = {step: _first(story, step) for step in STEPS}
    rows = tuple(
        (step, meaning, steps[step], firsts[step].time if firsts[step] else None, steps[step] > 0)
        for step, meaning in STEPS.items()
    )
    return Section(
        "What happened",
        (
            Paragraph(
                "An origin chain of parts nobody here wrote (wrapped ether, a six-decimal dollar, "
                "Uniswap v3, a 2-of-3 Safe) was forked by a second Anvil. The protocol was deployed "
                "on the fork by the same plan as on any network: the timelock owns everything, the "
                "Safe proposes to it, the deploying account holds nothing. Accounts were funded, "
                "positions opened through signed orders filled in batches, and the prices replayed."
                if story.stage.world.gas_is_real
                else "The same contracts and the same deploy plan on an in-process EVM."
            ),
            Notice(_arranged(story, start, end)),
            *(Notice(note, Tone.NEUTRAL) for note in (*story.tape.notes, *story.notes)),
            Table(
                "Steps of the waterfall",
                (
                    Column("Step"),
                    Column("What it means"),
                    Column("Times", Kind.INTEGER),
                    Column("First", Kind.TIME),
                    Column("Walked", Kind.CHECK),
                ),
                rows,
                "In the order in which a loss meets them.",
            ),
        ),
    )


def _arranged(story: Story, start: int, end: int) -> str:
    names = ", ".join(one.name for one in story.cast.role("shunned"))
    return (
        "Arranged, so that every step is walked: margin rates are capped at 8 % where the starting "
        "values allow 30 %, and the initial requirement is 1.5 times the maintenance one instead of "
        "2; the insurance fund is thin (100,000 USD and 14,000 USD of undripped income); keepers "
        f"are down for {(end - start) // 60} minutes around the steepest fall; shortly before it "
        "some accounts buy the dip with all the leverage they can get; no bidder ever touches "
        f"{names}. With none of this the same crash is over before the fund is asked."
    )


def _first(story: Story, step: str) -> Happening | None:
    field = {"fund pays a deficit": "from_fund", "charge": "charged", "socialised": "socialised"}
    for one in story.happenings:
        if step in field:
            if one.kind == "deleveraged" and one.fields[field[step]]:
                return one
        elif one.kind == step:
            return one
    return None


# -- prices


def _prices(story: Story) -> tuple[Any, ...]:
    samples = _oracle_blocks(story.samples)
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
                bands=(*_bands(samples, feed), _outage(story)),
                markers=_markers(story, market),
                caption="Median of two aggregators and a signed report. Shaded: the feed's state, and the "
                "time in which keepers were down.",
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


def _outage(story: Story) -> Band:
    return Band("KEEPERS DOWN", *story.outage, Tone.NEUTRAL)


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


def _health(story: Story) -> Figure:
    chosen = _telling(story)
    samples = [one for i, one in enumerate(story.samples) if i % 2 == 0]
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
        bands=(_outage(story),),
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


def _accounts(story: Story, last: Sample) -> Table:
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
                _brought(actor, story),
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


# -- losses


def _losses(story: Story) -> tuple[Any, ...]:
    return (_bearers(story), _waterfall(story), _buckets(story))


def _bearers(story: Story) -> LossFigure:
    names = story.checker.names
    cases: dict[int, list[int]] = {}
    for one in story.happenings:
        if one.kind not in ("insolvent slice", "deleveraged"):
            continue
        row = cases.setdefault(one.account, [0, 0, 0])
        row[0] += one.fields["from_fund"]
        row[1] += one.fields.get("charged", 0)
        row[2] += one.fields.get("socialised", 0)
    biggest = sorted(cases, key=lambda account: -sum(cases[account]))[:8]
    actors = story.cast.by_account()
    own = tuple(_brought(actors[account], story) for account in biggest)
    parts = [Amount("own money", own)] + [
        Amount(name, tuple(cents(cases[account][i]) for account in biggest))
        for i, name in enumerate(("insurance fund", "charge on the other side", "socialised"))
    ]
    return LossFigure(
        title="Loss by bearer",
        unit="USD",
        cases=tuple(names[account] for account in biggest),
        parts=tuple(parts),
        caption="Accounts that ended under water, the largest first. Stacked in the order of the "
        "waterfall: what the owner had brought, then the fund, the charge, and everybody.",
    )


def _brought(actor: Actor, story: Story) -> Decimal:
    """USD that an owner had brought, ether at the first price, less the loan taken."""
    ether = from_ticks(story.samples[0].prices["ETH"].price)
    return (actor.usd + actor.weth * ether - actor.loan).quantize(Decimal(1))


PURSES = (
    "Liquidated",
    "Bidders",
    "Makers",
    "Other accounts",
    "Insurance fund",
    "Keeper budget",
    "Fees, rounding",
    "Less: tokens held",
)


def _waterfall(story: Story) -> Waterfall:
    chosen = _chosen(story)
    groups = _groups(story)
    start = _purses(chosen[0].before if chosen else story.samples[0], groups)
    steps: list[WaterfallStep] = []
    at: Sample | None = None
    for one in chosen:
        if at is not None and one.before is not at:
            steps.append(
                WaterfallStep(
                    "Prices move, trades go on", _purses(one.before, groups), "", one.before.block
                )
            )
        steps.append(
            WaterfallStep(
                f"{story.checker.names[one.account]}: {one.kind}",
                _purses(one.after, groups),
                _money(one),
                one.block,
                one.hash,
            )
        )
        at = one.after
    return Waterfall(
        title="The waterfall, step by step",
        unit="USD",
        purses=PURSES,
        start=start,
        steps=tuple(steps),
        caption="Quote money only: cash and P&L at mark, ether left out. Every purse is read from "
        "the chain after the step; 'Fees, rounding' also holds interest not booked yet, the fund's "
        "residual lots and remainders of rounding, each checked against its bound. Deposits "
        "and withdrawals show in the tokens held. The sum is zero after every step.",
    )


def _chosen(story: Story) -> list[Happening]:
    """The first of each kind, every deleveraging, the largest insolvent slice; in order of time."""
    found: list[Happening] = []
    for kind in ("solvent slice", "free slice", "insolvent slice", "cured", "escrowed", "released"):
        found += [one for one in story.happenings if one.kind == kind][:1]
    paid = [one for one in story.happenings if one.kind == "insolvent slice"]
    found += sorted(paid, key=lambda one: -one.fields["from_fund"])[:1]
    closed = [one for one in story.happenings if one.kind == "deleveraged"]
    found += sorted(closed, key=lambda one: -one.fields["deficit"])[:5]
    unique = {(one.block, one.account, one.kind): one for one in found}
    return sorted(unique.values(), key=lambda one: one.block)


def _groups(story: Story) -> dict[str, list[int]]:
    sold = {one.account for one in story.happenings if one.kind not in ("escrowed", "released")}
    groups: dict[str, list[int]] = {name: [] for name in PURSES[:4]}
    for actor in story.cast:
        if actor.account in sold:
            groups["Liquidated"].append(actor.account)
        elif actor.role == "bidder":
            groups["Bidders"].append(actor.account)
        elif actor.role == "maker":
            groups["Makers"].append(actor.account)
        else:
            groups["Other accounts"].append(actor.account)
    return groups


def _purses(sample: Sample, groups: dict[str, list[int]]) -> tuple[Decimal, ...]:
    amounts = [sum(sample.quote_part[a] for a in accounts) for accounts in groups.values()]
    amounts += [
        sample.sheet.fund,
        sample.sheet.keeper,
        sample.sheet.fees + sample.remainder + sample.leftover,
    ]
    amounts.append(-sample.sheet.vault)
    return tuple(usd(amount) for amount in amounts)


def _money(one: Happening) -> str:
    fields = one.fields
    if one.kind == "deleveraged":
        return (
            f"deficit {cents(fields['deficit']):,}: fund {cents(fields['from_fund']):,}, charged "
            f"{cents(fields['charged']):,}, socialised {cents(fields['socialised']):,}"
        )
    if "cost" in fields:
        share = Decimal(fields["fraction"]).scaleb(-16)
        x = Decimal(fields["x"]).scaleb(-9)
        paid = f"bidder pays {cents(fields['cost']):,}"
        if fields["from_fund"]:
            paid = f"fund pays {cents(fields['from_fund']):,}"
        return f"{share:.1f} % at x = {x:.2f}, {paid}"
    if one.kind == "escrowed":
        return f"advance {cents(fields['advance']):,}, the shares wait"
    return STEPS.get(one.kind, "")


def _buckets(story: Story) -> Figure:
    samples = story.samples
    times = tuple(one.time for one in samples)
    social, charged, rows = 0, 0, iter(story.happenings)
    done, sums = next(rows, None), []
    for one in samples:
        while done is not None and done.block <= one.block:
            social += done.fields.get("socialised", 0)
            charged += done.fields.get("charged", 0)
            done = next(rows, None)
        sums.append((charged, social))
    return Figure(
        title="Insurance fund, known deficits, and what others bore",
        unit="USD",
        kind=FigureKind.FUND,
        lines=(
            Line("insurance fund", times, tuple(cents(s.sheet.fund) for s in samples), True),
            Line(
                "deficits in auction", times, tuple(cents(s.sheet.pending) for s in samples), True
            ),
            Line("charged, total", times, tuple(cents(c) for c, _ in sums), True),
            Line("socialised, total", times, tuple(cents(s) for _, s in sums), True),
        ),
        caption="While known deficits exceed the fund, withdrawals get an advance less their share "
        "of the excess, so nobody leaves ahead of the loss.",
    )


def _liquidations(story: Story) -> Table:
    names = story.checker.names
    rows = []
    for one in story.happenings:
        if one.kind in ("escrowed", "released"):
            continue
        f = one.fields
        rows.append(
            (
                one.time,
                one.block,
                names[one.account],
                one.kind,
                Decimal(f["x"]).scaleb(-9) if "x" in f else None,
                Decimal(f["fraction"]).scaleb(-18) if "fraction" in f else None,
                cents(one.before.margins[one.account].equity),
                cents(one.before.margins[one.account].requirement),
                cents(max(f["cost"], 0)) if "cost" in f else None,
                cents(f.get("from_fund", 0)),
                cents(f.get("charged", 0)),
                cents(f.get("socialised", 0)),
                one.hash or None,
            )
        )
    return Table(
        "Every slice, deleveraging and cure",
        (
            Column("Time", Kind.TIME),
            Column("Block", Kind.INTEGER),
            Column("Account"),
            Column("Kind"),
            Column("x", Kind.NUMBER, "", 2),
            Column("Share sold", Kind.PERCENT, "", 1),
            Column("E before", Kind.NUMBER, "USD", 2),
            Column("R before", Kind.NUMBER, "USD", 2),
            Column("Bidder paid", Kind.NUMBER, "USD", 2),
            Column("Fund paid", Kind.NUMBER, "USD", 2),
            Column("Charged", Kind.NUMBER, "USD", 2),
            Column("Socialised", Kind.NUMBER, "USD", 2),
            Column("Transaction", Kind.HASH),
        ),
        tuple(rows),
        "E and R as of the block before. Small amounts: accounts near their line are brought back "
        "to it a slice at a time.",
    )


# -- solvency, gas, deployment


def _solvency(story: Story) -> tuple[Any, ...]:
    tally, samples = story.checker.tally, story.samples
    times = tuple(one.time for one in samples)
    table = Table(
        "Identities",
        (Column("Identity"), Column("Checked", Kind.INTEGER, "blocks"), Column("Held", Kind.CHECK)),
        tuple(
            (text, tally.held[name], tally.held[name] > 0 and not _broken(story, name))
            for name, text in IDENTITIES.items()
        ),
        f"The largest floor of an untouched position was {float(tally.worst_floor):.6f} of a quote "
        "unit (1e-15 USD); less than one is documented. Positions are valued a second time by the "
        "executable specification from the engine's raw words.",
    )
    slack = Figure(
        title="Tokens held less every claim",
        unit="USD",
        kind=FigureKind.SLACK,
        lines=(Line("remainder", times, tuple(usd(one.remainder) for one in samples), True),),
        caption="Every account's claim added up one by one, the fund's residual lots too. What is "
        "left is the fund's share of interest due and not yet booked, and rounding; it may not fall "
        "below zero.",
    )
    breach = (Notice(story.breach, Tone.BAD),) if story.breach else ()
    return (*breach, table, slack)


def _broken(story: Story, name: str) -> bool:
    return any(f", {name}:" in text for text in story.checker.tally.breaches)


def _gas(story: Story) -> tuple[Any, ...]:
    rows = tuple(
        (name, len(used), min(used), int(median(used)), max(used))
        for name, used in sorted(story.gas.items())
    )
    columns = ("Times", "Least", "Median", "Most")
    table = Table(
        "Gas by operation",
        (Column("Operation"), *(Column(name, Kind.INTEGER) for name in columns)),
        rows,
        "Whole transactions, from receipts. First uses of storage are in: `ape run bench` measures "
        "steady state against its bars.",
    )
    if story.stage.world.gas_is_real:
        return (table,)
    return (Notice("Not from receipts: this run used the in-process EVM."), table)


def _deployment(story: Story) -> tuple[Any, ...]:
    stage = story.stage
    made = {done.step.contract: done for done in stage.outcomes if done.step.address}
    rows = tuple(
        (name, address, made[name].gas_used if name in made else None)
        for name, address in stage.plan.addresses.items()
    )
    return (
        Paragraph(
            f"{len(stage.outcomes)} steps in {stage.deploy_seconds:.1f} s, then {stage.checks} "
            "checks of code, immutables, owners, roles and settings. The timelock "
            f"{stage.plan.addresses['Timelock']} owns every contract; its proposer is "
            f"{stage.council}, the Safe."
        ),
        Table(
            "Contracts",
            (Column("Contract"), Column("Address", Kind.HASH), Column("Gas", Kind.INTEGER)),
            rows,
        ),
    )
