"""`ape run oracle`: what the price feeds say and why. See docs/operations.md.

Only click is imported here, so that --help is quick; the work is in plimsoll.oracle_command.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import plimsoll  # noqa: F401  # ape has the root on its path only while it loads this file

EPILOG = """
\b
Exit codes: 0 ok, 1 with --check: a feed has no price, is stale or halted, 2 usage or an unknown
deployment, 3 the node does not answer.
"""


@click.group(name="oracle", epilog=EPILOG)
def cli() -> None:
    """Price feeds: what they say, what they are made of, and why they are in their state."""


@cli.command(name="status", epilog=EPILOG, context_settings={"max_content_width": 100})
@click.option(
    "--manifest", required=True, type=click.Path(path_type=Path), help="Of the deployment."
)
@click.option("--rpc", help="The node's URL (or PLIMSOLL_RPC_URL).")
@click.option("--network", help="In place of --rpc: a network of ape, e.g. ethereum:sepolia:node.")
@click.option(
    "--feed", "feeds", multiple=True, help="Name or id, repeatable; all of the manifest otherwise."
)
@click.option("--check", is_flag=True, help="Exit 1 where a feed has no price, is stale or halted.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def status(**options: Any) -> None:
    """State, price, sources and their ages, halts: of every feed, at one block."""
    from plimsoll.oracle_command import Options, run

    raise SystemExit(run(Options(**options)))


@cli.command(name="replay", context_settings={"max_content_width": 100})
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--config", default="local", show_default=True, help="A shipped default, or a file.")
@click.option("--feed", default="ETH", show_default=True, help="Whose rules of it.")
@click.option("--page", type=click.Path(path_type=Path), help="Write the table into this page.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list on stdout.")
def replay(**options: Any) -> None:
    """Replay OHLC files through a feed of three honest sources: how often would it have halted?

    Exit codes: 0 ok, 2 usage, 3 a file cannot be read. See docs/oracle.md.
    """
    from plimsoll.market.false_halts import Options, run

    raise SystemExit(run(Options(**options)))
