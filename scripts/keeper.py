"""`ape run keeper`: programs that keep the house going. See docs/keepers.md.

Only click is imported here, so that --help is quick; the work is in plimsoll.keepers.command.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

import plimsoll  # noqa: F401  # ape has the root on its path only while it loads this file

EPILOG = """
\b
Exit codes: 0 ok, 1 a transaction was refused, 2 usage, 3 the node does not answer, 4 another keeper
holds the journal, 130 interrupted.

The account is an alias of `ape accounts` (with --network), or the private key in
PLIMSOLL_KEEPER_KEY. stdout: one line per decision, with why; with --json one object per pass.
"""


class Number(click.ParamType):
    """A decimal number, kept exact."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> Decimal:
        """The number; click reports anything else."""
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            self.fail(f"expected a number, got {value!r}", param, ctx)
        if not number.is_finite():
            self.fail(f"expected a finite number, got {value!r}", param, ctx)
        return number


@click.group(name="keeper")
def cli() -> None:
    """Keepers: programs that anybody may run, on state read anew each time."""


@cli.command(name="liquidate", epilog=EPILOG, context_settings={"max_content_width": 100})
@click.option(
    "--manifest", required=True, type=click.Path(path_type=Path), help="Of the deployment."
)
@click.option("--rpc", help="The node's URL (or PLIMSOLL_RPC_URL).")
@click.option("--network", help="In place of --rpc: a network of ape, e.g. ethereum:sepolia:node.")
@click.option("--account", help="Alias of the sending account; else PLIMSOLL_KEEPER_KEY.")
@click.option(
    "--bidder", help="Account that takes slices, OWNER:INDEX; else the sender's account 0."
)
@click.option("--once", is_flag=True, help="One pass instead of a loop.")
@click.option("--interval", type=float, default=12.0, show_default=True, help="Seconds per pass.")
@click.option("--min-profit", type=Number(), default="1", show_default=True, help="USD per bid.")
@click.option(
    "--max-unpaid",
    type=Number(),
    default="50",
    show_default=True,
    help="USD of gas, at most, for a move that earns nothing by itself (start, end, sync).",
)
@click.option(
    "--max-fraction", type=Number(), default="1", show_default=True, help="Of an account, per bid."
)
@click.option(
    "--hedge-bps", type=int, default=5, show_default=True, help="Cost of hedging, of the notional."
)
@click.option(
    "--impact-bps",
    type=int,
    default=5,
    show_default=True,
    help="More of it for each million USD of one market.",
)
@click.option("--legs/--no-legs", default=True, help="Whether to bid for single legs too.")
@click.option(
    "--flow-bps",
    type=int,
    default=200,
    show_default=True,
    help="Renew the sale limiter's price of a market when the mark is so far from it; 0: never.",
)
@click.option("--native-usd", type=Number(), help="USD per gas token; else the ETH feed's price.")
@click.option(
    "--max-fee-gwei", type=float, default=500.0, show_default=True, help="Per gas, at most."
)
@click.option(
    "--timeout",
    type=float,
    default=90.0,
    show_default=True,
    help="Seconds per transaction; after half of them it is replaced with higher fees.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    help="Where account ids and transactions in flight are kept.",
)
@click.option("--dry-run", is_flag=True, help="Decide and print, send nothing; needs no key.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per pass on stdout.")
@click.option("--quiet", is_flag=True, help="No lines per decision.")
def liquidate(**options: Any) -> None:
    """Start auctions of accounts under their requirement, bid where it pays, end cured ones."""
    from plimsoll.keepers.command import Options, run

    raise SystemExit(run(Options(**options)))


PRICES_EPILOG = """
\b
Exit codes: 0 ok, 1 a report or transaction was refused, 2 usage, 3 the node does not answer or the
input gives no prices, 4 another price keeper sends from this account, 130 interrupted.

The sender is an alias of `ape accounts` (with --network), or the private key in
PLIMSOLL_KEEPER_KEY; it needs no role. Reports are signed by --signer aliases, unlocked by
APE_ACCOUNTS_<alias>_PASSPHRASE, or by the keys in PLIMSOLL_REPORT_KEYS. Without signers feeds are
only poked. stdout: one line per thing done; with --json one object per pass.
"""


@cli.command(name="prices", epilog=PRICES_EPILOG, context_settings={"max_content_width": 100})
@click.option(
    "--manifest", required=True, type=click.Path(path_type=Path), help="Of the deployment."
)
@click.option("--rpc", help="The node's URL (or PLIMSOLL_RPC_URL).")
@click.option("--network", help="In place of --rpc: a network of ape, e.g. ethereum:sepolia:node.")
@click.option("--account", help="Alias of the sending account; else PLIMSOLL_KEEPER_KEY.")
@click.option(
    "--signer", "signers", multiple=True, help="Alias that signs reports, repeatable (N of M)."
)
@click.option(
    "--feed", "feeds", multiple=True, help="Name or id, repeatable; all of the manifest otherwise."
)
@click.option(
    "--prices", help="CSV file (feed,price[,time,premium]) read anew each pass; - : JSON lines."
)
@click.option(
    "--from-feed",
    multiple=True,
    metavar="FEED=ORIGIN",
    help="Sign what an aggregator at an address, or another feed, says on this chain.",
)
@click.option(
    "--pyth-updates",
    metavar="FILE",
    help='JSON lines {"feed": ..., "data": "0x.."} for Pyth sources; - : stdin.',
)
@click.option(
    "--deviation-bps",
    type=Number(),
    default="25",
    show_default=True,
    help="Bring up to date when the price is this far from the chain's; 0: any newer price.",
)
@click.option(
    "--heartbeat", type=int, default=1800, show_default=True, help="Seconds, in any case."
)
@click.option(
    "--jitter",
    type=int,
    default=5,
    show_default=True,
    help="Seconds, at most, by which pushers differ.",
)
@click.option("--pokes/--no-pokes", default=True, help="Whether to poke feeds without a report.")
@click.option("--once", is_flag=True, help="One pass instead of a loop.")
@click.option("--interval", type=float, default=6.0, show_default=True, help="Seconds per pass.")
@click.option(
    "--max-fee-gwei", type=float, default=500.0, show_default=True, help="Per gas, at most."
)
@click.option(
    "--timeout",
    type=float,
    default=90.0,
    show_default=True,
    help="Seconds per transaction; after half of them it is replaced with higher fees.",
)
@click.option("--dry-run", is_flag=True, help="Decide and print, send nothing; needs no sender.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per pass on stdout.")
@click.option("--quiet", is_flag=True, help="No lines per decision.")
def prices(**options: Any) -> None:
    """Push signed price reports, and poke feeds when the chain should know more."""
    from plimsoll.keepers.prices_command import Options, run

    raise SystemExit(run(Options(**options)))
