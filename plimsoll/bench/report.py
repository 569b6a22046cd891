"""The bench's output: tables for a terminal, docs/gas.md, the baseline that CI compares with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from plimsoll.bench.breakdown import KINDS, Breakdown
from plimsoll.bench.sizes import contract_sizes
from plimsoll.bench.table import BARS, EXTRA, Operation
from plimsoll.compiler import PROJECT_ROOT

BASELINE = PROJECT_ROOT / "tests" / "bench" / "baseline.json"
PAGE = PROJECT_ROOT / "docs" / "gas.md"
NOT_BUILT = "not built yet"

HOW = """# Gas

Written by `ape run bench --write`; do not edit.

| operation | ours | bar | Derive v2 measured | others measured |
|---|---:|---:|---|---|
{rows}

In gas, the last row in bytes. Not part of a bar:

| operation | gas |
|---|---:|
{extra}

## How it is measured

`gasUsed` of receipts on Anvil (Prague rules), so whole transactions: intrinsic gas, calldata and
refunds included. Vyper's legacy code generator, optimised for gas. The house is deployed by the
same plan as any other (`plimsoll.deployment`), with 32 markets of one Chainlink-shaped feed each.
Blocks come 12 s apart and what is measured is alone in its block.

- Trades go through `SignedOrders` (`fill_pair`, `fill` for batches), both orders signed with keys,
  both accounts checked. Steady state: positions are open, accounts hold one market unless said
  otherwise, their nonce rings have gone round once, feeds were poked in an earlier block, and 12 s
  of slow open interest are accrued. Orders leave matching to registered matchers (one more cold
  load than orders that name theirs). A batch is 16 pairs of 32 different accounts. Nobody owes
  cash, so no interest accrues; the rows `..._with_debt` have it.
- `perp_held_marginal` is the slope between an account with 1 and one with 32 perps in the same
  trade.
- Auctions and deleveraging: the second alike is measured, so the fund, the keepers and the side's
  words are not new. The bidder holds every instrument already. `auction_bid_*` is sized to the
  target and ends the auction.
- `deleverage_1` is the dearest way: an insolvent account, a fund that may pay part, the opposite
  side charged, the rest socialised; the account has a third of its side. It is the largest of the
  runs with 10, 100 and 1,000 holders, which must not differ but by the bytes of numbers.
- Theirs: public sources, compiled unmodified, each call its own transaction. Derive v2
  (derivexyz/v2-core at 7736900d) in Foundry, without its order-matching layer, hence no signatures,
  one side loaded; P1 (dYdX Perpetual V1) and Velar on py-evm with tokens and feeds mocked.

Every number repeats exactly: genesis time, keys and nonces are fixed.

## Where the gas of `perp_trade` goes

{breakdown}

Cold loads are `SLOAD` at 2,100 and cold accounts are calls at 2,600; warm ones count as compute.
Precompiles are `ecrecover` with its call. A store to a word that was read before costs 2,900.

## Sizes

Bytes on chain, immutables counted; 23,000 allowed here, 24,576 by EIP-170.

{sizes}
"""


def number(value: int) -> str:
    """Digits in groups of three."""
    return f"{value:,}"


def baseline() -> dict[str, int]:
    """Gas on file by operation."""
    return {str(name): int(gas) for name, gas in json.loads(BASELINE.read_text()).items()}


def write(measured: dict[str, int], parts: Breakdown) -> list[Path]:
    """Refreshes docs/gas.md, the baseline and the golden layouts; returns what was written."""
    from plimsoll.bench.layout import GOLDEN, write_golden

    PAGE.write_text(page(measured, parts))
    BASELINE.write_text(json.dumps(dict(sorted(measured.items())), indent=1) + "\n")
    write_golden()
    return [PAGE, BASELINE, GOLDEN]


def page(measured: dict[str, int], parts: Breakdown) -> str:
    """The text of docs/gas.md."""
    rows = [
        f"| `{row.name}`: {row.what} | {_ours(row, measured)} | {number(row.bar)} | {row.derive} "
        f"| {row.others} |"
        for row in BARS
    ]
    extra = [f"| `{row.name}`: {row.what} | {number(measured[row.name])} |" for row in EXTRA]
    return HOW.format(
        rows="\n".join(rows),
        extra="\n".join(extra),
        breakdown=_breakdown(parts),
        sizes=_sizes(),
    )


def _ours(row: Operation, measured: dict[str, int]) -> str:
    if not row.built:
        return NOT_BUILT
    text = f"**{number(measured[row.name])}**"
    return f"{text} (over)" if measured[row.name] > row.bar else text


def _breakdown(parts: Breakdown) -> str:
    lines = [f"| | {' | '.join(KINDS)} | total |", f"|---|{'---:|' * (len(KINDS) + 1)}"]
    table = [(name, parts.row(name)) for name in parts.contracts()]
    table.append(("total", [sum(row[i] for _, row in table) for i in range(len(KINDS))]))
    for name, row in table:
        cells = " | ".join(number(gas) if gas else "" for gas in row)
        lines.append(f"| {name} | {cells} | {number(sum(row))} |")
    return "\n".join(lines)


def _sizes() -> str:
    lines = ["| contract | bytes |", "|---|---:|"]
    lines += [f"| {name} | {number(size)} |" for name, size in contract_sizes().items()]
    return "\n".join(lines)


def show(measured: dict[str, int], parts: Breakdown) -> None:
    """Prints everything to the terminal."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(_bars_table(measured))
    console.print(_extra_table(measured))
    console.print(_parts_table(parts))


def _bars_table(measured: dict[str, int]) -> Any:
    from rich.table import Table

    table = Table(title="Gas of whole transactions, Anvil receipts")
    for name in ("operation", "ours", "bar", "of bar", "Derive v2", "others"):
        table.add_column(name, justify="right" if name in ("ours", "bar", "of bar") else "left")
    for row in BARS:
        if not row.built:
            table.add_row(
                row.name, NOT_BUILT, number(row.bar), "", row.derive, row.others, style="dim"
            )
            continue
        gas = measured[row.name]
        share = f"{100 * gas / row.bar:.0f} %"
        style = "red" if gas > row.bar else ""
        cells = (row.name, number(gas), number(row.bar), share, row.derive, row.others)
        table.add_row(*cells, style=style)
    return table


def _extra_table(measured: dict[str, int]) -> Any:
    from rich.table import Table

    table = Table("operation", title="For information")
    table.add_column("gas", justify="right")
    table.add_column("what")
    for row in EXTRA:
        table.add_row(row.name, number(measured[row.name]), row.what)
    return table


def _parts_table(parts: Breakdown) -> Any:
    from rich.table import Table

    table = Table("contract", title="Where the gas of perp_trade goes")
    for kind in (*KINDS, "total"):
        table.add_column(kind, justify="right")
    for name in parts.contracts():
        row = parts.row(name)
        table.add_row(name, *(number(gas) if gas else "" for gas in row), number(sum(row)))
    return table
