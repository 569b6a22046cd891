"""`ape run status`: the liquidation waterfall of a deployment. See docs/operations.md.

Only click is imported here, so that --help is quick; the work is in plimsoll.status.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import plimsoll  # noqa: F401  # ape has the root on its path only while it loads this file

EPILOG = """
\b
Exit codes: 0 ok, 1 the books do not balance, or with --check something waits for a keeper, 2 usage
or an unknown deployment, 3 the node does not answer, 4 a keeper holds the journal.
"""


@click.command(name="status", epilog=EPILOG, context_settings={"max_content_width": 100})
@click.option(
    "--manifest", required=True, type=click.Path(path_type=Path), help="Of the deployment."
)
@click.option("--rpc", help="The node's URL (or PLIMSOLL_RPC_URL).")
@click.option("--network", help="In place of --rpc: a network of ape, e.g. ethereum:sepolia:node.")
@click.option("--worst", default=10, show_default=True, help="Accounts shown one by one.")
@click.option(
    "--blocks", default=7_200, show_default=True, help="Newest blocks whose last steps are told."
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    help="Keep account ids here, so that events are read once; else anew each time.",
)
@click.option("--check", is_flag=True, help="Exit 1 where something waits for a keeper.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def cli(**options: Any) -> None:
    """Accounts by health, auctions, intents, fund, deficits, deleveraging: at one block."""
    from plimsoll.status.command import Options, run

    raise SystemExit(run(Options(**options)))
