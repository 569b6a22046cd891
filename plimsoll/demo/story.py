"""The run as a report: what happened, who paid, and that it was proved."""

from __future__ import annotations

import time
from decimal import Decimal
from statistics import median
from typing import Any

from plimsoll.demo.checks import IDENTITIES
from plimsoll.demo.crash import Story
from plimsoll.demo.story_losses import liquidations, losses, solvency, waits
from plimsoll.demo.story_market import accounts, health, prices
from plimsoll.demo.story_terms import (
    LIMITED,
    STEPS,
    sold_notional,
    steps_of,
    total,
    usd,
    walked,
)
from plimsoll.report.model import (
    Column,
    Headline,
    Kind,
    Notice,
    Paragraph,
    Report,
    RunFacts,
    Section,
    Table,
    Tone,
    Verdict,
)


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
            Section("Prices and feed states", prices(story)),
            Section("Accounts", (health(story), accounts(story, last))),
            Section("Who bore the loss", losses(story)),
            Section("Liquidations", (waits(story), liquidations(story))),
            Section("Solvency, block by block", solvency(story)),
            Section("Gas", _gas(story)),
            Section("The deployment", _deployment(story)),
        ),
    )


def _sentence(story: Story) -> str:
    tally = story.checker.tally
    if story.breach:
        return f"Stopped at a breach: {story.breach}"
    fate = len(
        {one.account for one in story.happenings if one.kind not in ("escrowed", "released")}
    )
    return (
        f"{len(IDENTITIES)} identities held at each of {tally.blocks:,} blocks while "
        f"{fate} accounts were liquidated or cured; every loss was known, found its payer, and "
        "nothing is owed that is not held."
    )


def _headlines(story: Story) -> tuple[Headline, ...]:
    first, last = story.samples[0].sheet, story.samples[-1].sheet
    cash = max(first.supplied, 1)
    social, charged = total(story, "socialised"), total(story, "charged")
    bids = sum("cost" in one.fields for one in story.happenings)
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
            f"{bids} sales, {closed} deleveraged",
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
    rows = tuple(
        (step, meaning, steps[step], _first(story, step), steps[step] > 0)
        for step, meaning in STEPS.items()
    )
    return Section(
        "What happened",
        (
            Paragraph(
                "An origin chain of parts nobody here wrote (wrapped ether, a six-decimal dollar, "
                "Uniswap v3, a 2-of-3 Safe) was forked by a second Anvil. The protocol was put on "
                "the fork by the same plan as on any network: the timelock owns everything, the "
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
        "values allow 30 %, and the initial requirement is 1.5 times the maintenance one in place "
        "of 2; the insurance fund is thin (100,000 USD, and 14,000 of undripped income); "
        "a tenth of the depth may be sold in ten minutes in place of all of it; accounts that "
        "opted in to pre-liquidation are sold from 10 % above their line on in place of 5 %; "
        f"keepers are down for {(end - start) // 60} minutes around the steepest fall; shortly "
        "before it some accounts buy the dip with all the leverage they can get; a desk buys the "
        "ether that a bidder without money takes, a tenth of a percent under the mark; no bidder "
        f"ever touches {names}. {_silence(story)}"
    )


def _silence(story: Story) -> str:
    """What was done to the feeds' sources."""
    one = next(iter(story.silences), None)
    if one is None:
        return ""
    return (
        "Sources fail too: aggregator b of both feeds lags one price behind during the fall; when "
        f"it is over, {one.feed}'s falls silent, and then its signers, so that its price misses a "
        "source, then is STALE, and comes back."
    )


def _first(story: Story, step: str) -> int | None:
    """When a step was first walked."""
    if step == LIMITED:
        return story.waits[0][0] if story.waits else None
    return next((one.time for one in story.happenings if step in steps_of(one)), None)


# -- solvency, gas, deployment


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
