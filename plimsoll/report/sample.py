"""A made-up report that uses every kind of block, to look at the renderer and to test it.

`python -m plimsoll.report.sample out.html` writes it. No figure in it was measured.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

from plimsoll.market import march_2020, ticks_to_price
from plimsoll.report.html import write
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

HOUR = 3_600


def sample_report() -> Report:
    """The same report every time."""
    return Report(
        title="A crash survived: 12 March 2020",
        subtitle="Made-up sample. ETH and BTC perpetuals, 12 accounts, one insurance fund.",
        verdict=Verdict(
            True,
            "Every identity held at each of 577 blocks; four accounts were liquidated, one of them "
            "insolvent, and no withdrawal was refused to an account without positions.",
        ),
        headlines=(
            Headline("Worst solvency slack", Decimal("0.000001"), "USD", "never below zero"),
            Headline("Liquidated notional", Decimal("1284300"), "USD", "4 accounts, 9 bids"),
            Headline(
                "Insurance fund, after", Decimal("41200.5"), "USD", "of 100,000", Tone.WARN, 2
            ),
            Headline("Charged to the winning side", Decimal("3110"), "USD", "0.24 % of notional"),
            Headline("Socialised loss", 0, "USD", "nothing left to share", Tone.GOOD),
        ),
        facts=RunFacts(
            chain_id=31337,
            first_block=1_042,
            last_block=1_619,
            git_commit="3f6c1d2e9ab04c7d8e5f60718293a4b5c6d7e8f9",
            seed=20200312,
            duration=Decimal("83.4"),
            finished=1_763_720_000,
            extra=(("Forked at block", "1,041"), ("Price path", "shipped crash")),
        ),
        sections=(
            Section("Prices and states", (_prices(), _oracle_note(), _states())),
            Section("Accounts", (_health(), _accounts())),
            Section("Who bore the loss", (_loss(), _waterfall(), _fund())),
            Section("Solvency", (_slack(), _checks(), _stand_in())),
        ),
    )


def _path(symbol: str, spacing: int = 900) -> tuple[tuple[int, ...], tuple[Number, ...]]:
    bars = march_2020(spacing=spacing)[symbol].bars
    return tuple(b.ts + spacing for b in bars), tuple(ticks_to_price(b.close) for b in bars)


def _prices() -> Figure:
    times, index = _path("ETH")
    t0 = times[0]
    twap = tuple(sum(index[max(0, i - 7) : i + 1], Decimal(0)) / min(i + 1, 8) for i in range(192))
    return Figure(
        title="ETH index and mark",
        unit="USD",
        kind=FigureKind.PRICE,
        caption="Median of three feeds at every block. Shaded: the state that the adapter reports.",
        lines=(
            Line("index", times, index),
            Line("mark", times, tuple(Decimal(x).quantize(Decimal("0.01")) for x in twap)),
        ),
        bands=(
            Band("DEGRADED", t0 + 10 * HOUR, t0 + 12 * HOUR, Tone.WARN),
            Band("HALTED", t0 + 26 * HOUR, t0 + 26 * HOUR + 1_500, Tone.BAD),
            Band("DEGRADED", t0 + 23 * HOUR, t0 + 26 * HOUR, Tone.WARN),
        ),
        markers=(
            Marker("liquidation", t0 + 10 * HOUR + 1_800, None, Tone.BAD, "account 7: start"),
            Marker("liquidation", t0 + 26 * HOUR, None, Tone.BAD, "account 3: start, insolvent"),
            Marker("deposit cures", t0 + 24 * HOUR, None, Tone.GOOD, "account 5: 12,000 USD"),
            Marker("deleveraging", t0 + 27 * HOUR, None, Tone.WARN, "38 ETH against longs"),
        ),
    )


def _oracle_note() -> Paragraph:
    return Paragraph(
        "An action names the states it accepts. While a feed was HALTED nothing that needs its "
        "price could raise risk; reducing, repaying and adding collateral stayed possible."
    )


def _states() -> Table:
    return Table(
        "Feeds",
        (
            Column("Feed"),
            Column("Address", Kind.HASH),
            Column("Updates", Kind.INTEGER),
            Column("Low", Kind.NUMBER, "USD", 2),
            Column("Widest deviation", Kind.PERCENT),
            Column("Last update", Kind.TIME),
            Column("Accepted", Kind.CHECK),
        ),
        (
            (
                "ETH / USD",
                "0x" + "5f" * 20,
                577,
                Decimal("86"),
                Decimal("0.0314"),
                1584143700,
                True,
            ),
            (
                "BTC / USD",
                "0x" + "a1" * 20,
                577,
                Decimal("3780"),
                Decimal("0.021"),
                1584143700,
                True,
            ),
            ("stale <b>feed</b>", "0x" + "0c" * 20, 12, None, None, 1584003300, False),
        ),
        "The third feed stopped on purpose: the median of the other two went on.",
    )


def _health() -> Figure:
    times, index = _path("ETH")
    names = ("account 3", "account 5", "account 7", "account 9")
    lines = []
    for number, name in enumerate(names):
        values: list[Number | None] = []
        closed = False
        for price in index:
            health = 1 + (Decimal(price) / 194 - 1) * (6 - number) / 2 + Decimal("1.2")
            closed = closed or (number in (0, 2) and health < Decimal("0.9"))
            values.append(
                None if closed else max(health, Decimal("-0.5")).quantize(Decimal("0.001"))
            )
        lines.append(Line(name, times, tuple(values)))
    return Figure(
        title="Health of accounts",
        unit="E / R",
        kind=FigureKind.HEALTH,
        caption="Equity over requirement. Under 1 an account can be liquidated, under 0 it is "
        "insolvent. A line ends where its account was closed.",
        lines=tuple(lines),
        thresholds=(Threshold("liquidatable below 1", 1),),
    )


def _accounts() -> Table:
    return Table(
        "Accounts after the crash",
        (
            Column("Account", Kind.HASH),
            Column("Role"),
            Column("Equity", Kind.NUMBER, "USD", 2),
            Column("Requirement", Kind.NUMBER, "USD", 2),
            Column("Health", Kind.NUMBER, "", 3),
            Column("Change", Kind.PERCENT),
        ),
        (
            (
                "0x" + "11" * 32,
                "maker",
                Decimal("812350.127"),
                Decimal("40110.5"),
                Decimal("20.253"),
                Decimal("0.128"),
            ),
            (
                "0x" + "22" * 32,
                "hedger",
                Decimal("49980"),
                Decimal("12000"),
                Decimal("4.165"),
                Decimal("-0.0004"),
            ),
            (
                "0x" + "33" * 32,
                "long 12x",
                Decimal("-1520.25"),
                Decimal("0"),
                None,
                Decimal("-1.04"),
            ),
        ),
    )


def _loss() -> LossFigure:
    return LossFigure(
        title="Loss by bearer",
        unit="USD",
        cases=("account 3", "account 5", "account 7", "account 9"),
        parts=(
            Amount(
                "own equity", (Decimal(31_000), Decimal(8_200), Decimal(22_400), Decimal(4_100))
            ),
            Amount("insurance fund", (Decimal(56_300), 0, Decimal("2499.5"), 0)),
            Amount("charge on the other side", (Decimal(3_110), 0, 0, 0)),
            Amount("socialised", (0, 0, 0, 0)),
        ),
        caption="Stacked in the order of the waterfall: the account first, everybody last.",
    )


def _waterfall() -> Waterfall:
    d = Decimal
    return Waterfall(
        title="Account 3, step by step",
        unit="USD",
        purses=("Account 3", "Bidder", "Fund", "Longs", "Keeper"),
        start=(d("31000"), d("250000"), d("100000"), d("740000"), d("0")),
        steps=(
            WaterfallStep(
                "Price falls to 96.20",
                (d("-28410"), d("250000"), d("100000"), d("799410"), d("0")),
                "the loss of one side is the profit of the other",
                1_354,
            ),
            WaterfallStep(
                "Auction started",
                (d("-28410"), d("250000"), d("99988"), d("799410"), d("12")),
                "starter paid from the keeper budget",
                1_355,
                "0x" + "be" * 32,
            ),
            WaterfallStep(
                "Slice of 61 % sold",
                (d("-11080"), d("253180"), d("79478"), d("799410"), d("12")),
                "x = 1.04; the fund pays for negative equity only",
                1_358,
                "0x" + "ad" * 32,
            ),
            WaterfallStep(
                "Rest deleveraged",
                (d("0"), d("253180"), d("71508"), d("796300"), d("12")),
                "fund up to its cap, then the opposite side per lot",
                1_361,
                "0x" + "ef" * 32,
            ),
        ),
        caption="Every amount is read from the chain after the step; the sum must not move.",
    )


def _fund() -> Figure:
    times, _ = _path("ETH")
    paid = (0, 0, 12, 20_510, 7_970, 2_499, 27_810)
    at = (0, 40, 42, 60, 104, 110, 140)
    fund = []
    left = Decimal(100_000)
    for number in range(192):
        left -= sum(p for p, i in zip(paid, at, strict=True) if i == number)
        fund.append(left)
    charged = [Decimal(0) if number < 104 else Decimal(3_110) for number in range(192)]
    return Figure(
        title="Insurance fund and what others bore",
        unit="USD",
        kind=FigureKind.FUND,
        lines=(
            Line("insurance fund", times, tuple(fund), True),
            Line("charged to the other side, total", times, tuple(charged), True),
            Line("socialised, total", times, tuple([0] * 192), True),
        ),
    )


def _slack() -> Figure:
    times, _ = _path("BTC")
    slack = tuple(Decimal(1 + (i * 7) % 5 + i // 6).scaleb(-6) for i in range(192))
    return Figure(
        title="Solvency slack at every block",
        unit="USD",
        kind=FigureKind.SLACK,
        caption="Tokens held less everything owed. It grows by rounding in the house's favour.",
        lines=(Line("slack", times, slack, True),),
    )


def _stand_in() -> Notice:
    return Notice("The chain was forked from a stand-in, not from a public network.")


def _checks() -> Table:
    return Table(
        "Identities",
        (Column("Identity"), Column("Blocks", Kind.INTEGER), Column("Held", Kind.CHECK)),
        (
            ("tokens held = cash + collateral + fund + slack", 577, True),
            ("long lots = short lots, every market", 577, True),
            ("no account below R_init grew its risk", 577, True),
        ),
    )


if __name__ == "__main__":
    page, data = write(sample_report(), Path(sys.argv[1] if len(sys.argv) > 1 else "sample.html"))
    print(page, data)
