"""`ape run propose`: parameter changes as a timelock operation. See docs/proposals.md.

Only click is imported here, so that --help is quick; the work is in plimsoll.governance.command.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import plimsoll  # noqa: F401  # ape has the root on its path only while it loads this file

EPILOG = """
\b
Exit codes: 0 ok, 1 nothing changes, or the rehearsal or verification failed, 2 usage or file,
3 the node or Anvil is not available, 4 refused: an old value is not the chain's.
"""


@click.command(name="propose", epilog=EPILOG, context_settings={"max_content_width": 100})
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--manifest", required=True, type=click.Path(path_type=Path), help="Of the deployment."
)
@click.option("--rpc", help="The node's URL (or PLIMSOLL_RPC_URL).")
@click.option("--proposer", help="Who will schedule it; else the manifest's first proposer.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the files to sign.")
@click.option("--verify", is_flag=True, help="After execution: are the new values in force?")
@click.option("--simulate/--no-simulate", default=True, help="Rehearse on an Anvil fork.")
@click.option(
    "--max-newly", type=int, default=0, show_default=True, help="Accounts it may make liquidatable."
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON on stdout.")
def cli(**options: Any) -> None:
    """Turn FILE (a YAML of changes) into timelock calldata and Safe files, checked on a fork."""
    from plimsoll.governance.command import Options, run

    raise SystemExit(run(Options(**options)))
