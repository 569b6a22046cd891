"""What the report's parts share: the steps of a waterfall, sums over a run, money as text."""

from __future__ import annotations

from decimal import Decimal

from plimsoll.demo.cast import Actor
from plimsoll.demo.checks import Sample
from plimsoll.demo.crash import Happening, Story
from plimsoll.demo.prices import FEEDS
from plimsoll.report.model import (
    Band,
    Tone,
)
from plimsoll.units import from_lots, from_quote_units, from_ticks, from_token_units

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
LIMITED = "sale limited"  # a step without money
# Steps of the waterfall that the default run has to walk, in the order a loss meets them.
STEPS = {
    "pre-liquidation": "R <= E < 1.1 R, and the owner asked for it: small slices, small premium",
    "intent filled": "committed margin takes a slice while nobody else may bid yet",
    "solvent slice": "a slice of a solvent account sold, sized to its target",
    "flash slice": "a bidder without money: its contract sells the slice's ether and pays with "
    "the proceeds, in one transaction",
    LIMITED: "more is on sale than may be sold in ten minutes: the slice shrinks, the rest waits",
    "single leg": "one perpetual alone at mark, for x of the R it frees; the other stays",
    "free slice": "0 <= E < x R: the account's taker pays nothing, the fund pays nothing",
    "cured": "a deposit cures an account in auction",
    "insolvent slice": "E < 0: the fund pays the taker -E and the bonus",
    "deleveraged": "nobody bid: closed at mark against the opposite side",
    "divided by market": "what the fund is asked is divided by exposure, each market capped",
    "fund pays a deficit": "the insurance fund pays first",
    "charge": "what the fund may not pay is charged per lot to the opposite side, up to its cap",
    "socialised": "what the cap leaves lowers all cash in proportion",
    "escrowed": "a withdrawal ahead of known losses gets an advance, the rest waits",
    "released": "the losses are settled, the escrow pays out",
}
# Steps that are part of a deleveraging, and the field of its event that says so.
PAYERS = {"fund pays a deficit": "from_fund", "charge": "charged", "socialised": "socialised"}
MARKS = {
    "pre-liquidation": ("pre-liquidated", Tone.GOOD),
    "intent filled": ("intent filled", Tone.GOOD),
    "single leg": ("leg taken", Tone.NEUTRAL),
    "solvent slice": ("slice sold", Tone.NEUTRAL),
    "flash slice": ("taken in a flash", Tone.NEUTRAL),
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
    counts[LIMITED] = len({account for _, account, _ in story.waits})
    for one in story.happenings:
        for step in steps_of(one):
            counts[step] += 1
    return counts


def steps_of(one: Happening) -> list[str]:
    """The steps of the waterfall that a happening walked."""
    steps = [one.kind]
    if len(one.fields.get("draws", ())) > 1:
        steps.append("divided by market")
    if one.kind == "deleveraged":
        steps += [step for step, field in PAYERS.items() if one.fields[field] > 0]
    return steps


def money(one: Happening) -> str:
    """What a happening moved, in words."""
    fields = one.fields
    if one.kind == "deleveraged":
        return (
            f"deficit {cents(fields['deficit']):,}: fund {cents(fields['from_fund']):,}, charged "
            f"{cents(fields['charged']):,}, socialised {cents(fields['socialised']):,}"
        )
    if one.kind == "single leg":
        lots = from_lots(fields["lots"])
        x = Decimal(fields["x"]).scaleb(-9)
        feed = FEEDS[fields["market"]]
        return f"{lots:,.3f} {feed} at mark, x = {x:.2f}, bidder gets {cents(-fields['cost']):,}"
    if "sold" in fields:
        ether = Decimal(fields["sold"]).scaleb(-18)
        brought, kept = (from_token_units(fields[one]) for one in ("brought", "kept"))
        return f"{ether:,.3f} ETH to a desk, {brought:,.2f} to the engine, {kept:,.2f} kept"
    if "cost" in fields:
        share = Decimal(fields["fraction"]).scaleb(-16)
        at = f" at x = {Decimal(fields['x']).scaleb(-9):.2f}" if "x" in fields else ""
        paid = f"taker pays {cents(fields['cost']):,}"
        if fields.get("from_fund"):
            paid = f"fund pays {cents(fields['from_fund']):,}"
        return f"{share:.1f} %{at}, {paid}"
    if one.kind == "escrowed":
        return f"advance {cents(fields['advance']):,}, the shares wait"
    return STEPS.get(one.kind, "")


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
