"""A run as a row: for people, for programs and for docs/replays.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plimsoll.simulate.measure import Effective
from plimsoll.simulate.replay import Outcome
from plimsoll.simulate.windows import FEEDS

USD = 10**15
HORIZON = 30  # minutes within which keepers are to act
BEGIN, END = "<!-- runs -->", "<!-- /runs -->"
HEAD = (
    "crash", "outage", "deficits", "bonuses", "fund paid", "of fund", "charged", "socialised",
    "sold", "deleveraged", "time to clear", "peak pending deficit", "auctions", "bids", "legs",
    "intents", "deleveragings (of them insolvent)", "hedge error", "CPU, memory",
)  # fmt: skip


def within_horizon(one: Outcome) -> bool:
    """Whether keepers came back before the horizon was over."""
    return one.setup.outage < HORIZON


def failures(outcomes: Sequence[Outcome]) -> list[str]:
    """What makes the command fail: a property that broke, a loss beyond the fund."""
    found = []
    for one in outcomes:
        name = f"{one.window.name}, {one.setup.outage} min of outage ({one.setup.outage_at})"
        if one.breach:
            found.append(f"{name}: {one.breach}")
        elif one.tally.beyond_fund and within_horizon(one):
            found.append(
                f"{name}: expected no loss beyond the fund, got "
                f"{one.tally.beyond_fund / USD:,.2f} USD"
            )
    return found


def facts(one: Outcome) -> dict[str, Any]:
    """A run for programs. Money in USD, times in seconds."""
    tally = one.tally
    return {
        "crash": one.window.name,
        "outage_minutes": one.setup.outage,
        "outage_at": one.setup.outage_at,
        "within_horizon": within_horizon(one),
        "outage_from": one.outage[0] if one.outage else None,
        "accounts": one.setup.accounts,
        "seed": one.setup.seed,
        "breach": one.breach,
        "open_interest_usd": round(one.interest_first),
        "open_interest_most_usd": round(one.open_interest),
        "fund_usd": one.fund_before / USD,
        "fund_after_usd": one.fund_after / USD,
        "deficit_usd": tally.total("deficit") / USD,
        "bonus_usd": tally.total("bonus") / USD,
        "fund_paid_usd": tally.total("from_fund") / USD,
        "charged_usd": tally.total("charged") / USD,
        "socialised_usd": tally.total("socialised") / USD,
        "beyond_fund_usd": tally.beyond_fund / USD,
        "sold_notional_usd": round(tally.sold),
        "deleveraged_notional_usd": round(tally.deleveraged),
        "deleveraged_share": round(one.adl_share, 4),
        "first_liquidatable": one.first_below,
        "last_ended": one.last_ended,
        "time_to_clear_s": one.last_ended - one.first_below,
        "longest_wave_s": one.longest_wave,
        "slowest_account_s": one.slowest,
        "peak_pending_usd": one.peak_pending / USD,
        "least_fund_less_negative_equity_usd": one.worst_slack / USD,
        "longest_held_s": tally.longest_held,
        "counts": dict(sorted(tally.counts.items())),
        "refused": dict(tally.refused.most_common()),
        "discounts_usd": round(tally.gains),
        "hedging_usd": round(tally.hedging),
        "gas_usd": round(tally.gas),
        "hedge_error_usd": round(one.hedge_error),
        "hedged_usd": round(one.hedged),
        "stopped_seconds": dict(zip(FEEDS, one.stopped, strict=True)),
        "checks": one.checks,
        "blocks": one.blocks,
        "seconds": round(one.seconds, 1),
        "processor_seconds": round(one.processor, 1),
        "memory_mb": one.memory >> 20,
    }


def row(one: Outcome) -> tuple[str, ...]:
    """A run in the columns of `HEAD`."""
    tally = one.tally
    paid = tally.total("from_fund")
    every = tally.counts["deleveragings"] + tally.counts["solvent deleveragings"]
    return (
        one.window.name,
        f"{one.setup.outage} min" + (f", {one.setup.outage_at}" if one.setup.outage else ""),
        _usd(tally.total("deficit")),
        _usd(tally.total("bonus")),
        _usd(paid),
        f"{paid / one.fund_before:.1%}" if one.fund_before else "-",
        _usd(tally.total("charged")),
        _usd(tally.total("socialised")),
        f"{tally.sold / 1e6:.1f} M",
        f"{one.adl_share:.1%}",
        f"{_span(one.longest_wave)} of {_span(one.last_ended - one.first_below)}",
        _usd(one.peak_pending),
        f"{tally.counts['auctions']:,}",
        f"{tally.counts['bids']:,}",
        f"{tally.counts['legs']:,}",
        f"{tally.counts['intents']:,}",
        f"{every} ({tally.counts['deleveragings']})",
        f"{one.hedge_error / one.hedged:.1%}" if one.hedged else "-",
        f"{one.processor:.0f} s, {one.memory >> 20} MB",
    )


def markdown(outcomes: Sequence[Outcome], margins: Sequence[Effective]) -> str:
    """The generated part of docs/replays.md."""
    lines = [
        "| | volatility | MM | IM |",
        "|---|---:|---:|---:|",
        *(
            f"| {one.feed} | {one.sigma:.1%} | {one.maintenance:.2%} | {one.initial:.2%} |"
            for one in margins
        ),
        "",
        "| crash | window (UTC) | bars | open interest | fund | volatility at the start |",
        "|---|---|---|---:|---:|---|",
        *_windows(outcomes),
        "",
        f"| {' | '.join(HEAD)} |",
        "|---|---|" + "---:|" * (len(HEAD) - 2),
        *(f"| {' | '.join(row(one))} |" for one in outcomes),
    ]
    return "\n".join(lines)


def _windows(outcomes: Sequence[Outcome]) -> list[str]:
    lines, seen = [], set()
    for one in outcomes:
        window = one.window
        if window.name in seen:
            continue
        seen.add(window.name)
        volatility = ", ".join(f"{feed} {window.volatility[feed]:.0%}" for feed in FEEDS)
        lines.append(
            f"| {window.name} | {moment(window.start)} to {moment(window.end)} | {window.bars} | "
            f"{one.interest_first / 1e6:.1f} M, at most {one.open_interest / 1e6:.1f} M | "
            f"{_usd(one.fund_before)} | {volatility} |"
        )
    return lines


def write(page: Path, outcomes: Sequence[Outcome], margins: Sequence[Effective]) -> None:
    """Puts the generated part into the page, between its two marks."""
    text = page.read_text()
    head, mark, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{page}: expected the marks {BEGIN} and {END}; put them back")
    page.write_text(f"{head}{BEGIN}\n{markdown(outcomes, margins)}\n{END}{tail}")


def moment(time: int) -> str:
    """Day and minute, UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time, UTC).strftime("%d %b %Y %H:%M")


def _usd(amount: int) -> str:
    return f"{amount / USD:,.0f}"


def _span(seconds: int) -> str:
    if seconds < 3_600:
        return f"{seconds // 60} min"
    return f"{seconds // 3_600} h {seconds % 3_600 // 60:02d}"
