"""Who bore the losses, every liquidation, and the proof of solvency, for the report."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from plimsoll.demo.checks import IDENTITIES, Sample
from plimsoll.demo.crash import Happening, Story
from plimsoll.demo.story_money import by_market, division, examples, sums
from plimsoll.demo.story_terms import (
    PURSES,
    STEPS,
    brought,
    cents,
    crash_samples,
    money,
    usd,
)
from plimsoll.report.model import (
    Amount,
    Column,
    Figure,
    FigureKind,
    Kind,
    Line,
    LossFigure,
    Notice,
    Table,
    Tone,
    Waterfall,
    WaterfallStep,
)


def losses(story: Story) -> tuple[Any, ...]:
    """Loss by bearer, the waterfall step by step, the buckets over time."""
    tables = (sums(story), examples(story), by_market(story), division(story))
    return (_bearers(story), *tables, _waterfall(story), _buckets(story))


def _bearers(story: Story) -> LossFigure:
    names = story.checker.names
    cases: dict[int, list[int]] = {}
    for one in story.happenings:
        if not any(one.fields.get(name) for name in ("from_fund", "charged", "socialised")):
            continue
        row = cases.setdefault(one.account, [0, 0, 0])
        row[0] += one.fields["from_fund"]
        row[1] += one.fields.get("charged", 0)
        row[2] += one.fields.get("socialised", 0)
    biggest = sorted(cases, key=lambda account: -sum(cases[account]))[:8]
    actors = story.cast.by_account()
    own = tuple(brought(actors[account], story) for account in biggest)
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
                money(one),
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
        "the chain after the step; 'Fees, rounding' also has recoveries, interest not booked yet, "
        "the fund's residual lots and remainders of rounding, each checked against its bound. "
        "Deposits and withdrawals show in the tokens held. The sum is zero after every step.",
    )


def _chosen(story: Story) -> list[Happening]:
    """The first of each kind, the largest deficits and insolvent slice; in order of time."""
    found: list[Happening] = []
    for kind in STEPS:
        found += [one for one in story.happenings if one.kind == kind][:1]
    paid = [one for one in story.happenings if one.kind == "insolvent slice"]
    found += sorted(paid, key=lambda one: -one.fields["from_fund"])[:1]
    closed = [one for one in story.happenings if one.fields.get("deficit")]
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
        sample.sheet.fees + sample.sheet.pot + sample.remainder + sample.leftover,
    ]
    amounts.append(-sample.sheet.vault)
    return tuple(usd(amount) for amount in amounts)


def _buckets(story: Story) -> Figure:
    samples = crash_samples(story)
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


def liquidations(story: Story) -> Table:
    """Every slice, deleveraging and cure."""
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
                _paid(one),
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
            Column("Taker paid", Kind.NUMBER, "USD", 2),
            Column("Fund paid", Kind.NUMBER, "USD", 2),
            Column("Charged", Kind.NUMBER, "USD", 2),
            Column("Socialised", Kind.NUMBER, "USD", 2),
            Column("Transaction", Kind.HASH),
        ),
        tuple(rows),
        "E and R as of the block before. Who takes a single leg gets its lots at mark and is paid, "
        "out of the account's cash. Small amounts: accounts near their line are brought back "
        "to it a slice at a time.",
    )


def waits(story: Story) -> Table:
    """Who had to wait for the sale limiter."""
    found: dict[int, list[tuple[int, int]]] = {}
    for time, account, wait in story.waits:
        found.setdefault(account, []).append((time, wait))
    rows = tuple(
        (seen[0][0], story.checker.names[account], len(seen), max(wait for _, wait in seen))
        for account, seen in found.items()
    )
    return Table(
        "Waiting for the sale limiter",
        (
            Column("First", Kind.TIME),
            Column("Account"),
            Column("Keepers' passes", Kind.INTEGER),
            Column("Longest wait quoted", Kind.INTEGER, "s"),
        ),
        rows,
        "In each market a share of its depth may be sold per ten minutes, half of it kept for the "
        "account with the largest shortfall. The wait is what the auction's quote says until all "
        "that is on sale may go at once; slices shrink to what may go now.",
    )


def _paid(one: Happening) -> Decimal | None:
    """What the taker paid; for a leg, what it got, as a negative number."""
    if "cost" not in one.fields:
        return None
    cost = int(one.fields["cost"])
    return cents(cost if one.kind == "single leg" else max(cost, 0))


def solvency(story: Story) -> tuple[Any, ...]:
    """What was checked how often, and what the tokens held leave over all claims."""
    tally, samples = story.checker.tally, crash_samples(story)
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
        "left is the fund's share of interest due and not yet booked, and rounding; it may not "
        "fall below zero.",
    )
    breach = (Notice(story.breach, Tone.BAD),) if story.breach else ()
    return (*breach, table, slack)


def _broken(story: Story, name: str) -> bool:
    return any(f", {name}:" in text for text in story.checker.tally.breaches)
