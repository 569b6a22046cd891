"""What the report's parts share: the steps of a waterfall, sums over a run, money as text."""

from __future__ import annotations

from decimal import Decimal

from plimsoll.demo.cast import Actor
from plimsoll.demo.checks import Sample
from plimsoll.demo.crash import Story
from plimsoll.report.model import (
    Band,
    Tone,
)
from plimsoll.units import from_quote_units, from_ticks

STATES = {0: "OK", 1: "DEGRADED", 2: "STALE", 3: "HALTED", 4: "RECOVERING"}
RECOVERING = 4  # beside the adapter's four: DEGRADED, and no liquidation for the grace time
TONES = {0: Tone.GOOD, 1: Tone.WARN, 2: Tone.BAD, 3: Tone.BAD, 4: Tone.NEUTRAL}
CAUSES = {
    0: "",
    1: "a source is missing",
    2: "sources apart",
    3: "sources too far apart",
    4: "jump",
    5: "guardian",
    6: "too far from the slow average",
    7: "back from a gap or a halt",
    8: "sequencer",
}
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


def crash_samples(story: Story) -> list[Sample]:
    """Those up to the end of the tape: what governance did days later would stretch every axis."""
    end = story.tape.times[-1] + 3_600
    return [one for one in story.samples if one.time <= end]


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


def brought(actor: Actor, story: Story) -> Decimal:
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


def outage(story: Story) -> Band:
    """The time in which keepers were down."""
    return Band("KEEPERS DOWN", *story.outage, Tone.NEUTRAL)
