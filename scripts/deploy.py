"""`ape run deploy`: plan, confirm, execute, verify. See docs/operations.md.

Only click is imported here, so that --help is quick; the work is in plimsoll.deployment.command.
"""

from __future__ import annotations

from pathlib import Path

import click

import plimsoll  # noqa: F401  # ape has the root on its path only while it loads this file

EPILOG = """
\b
Exit codes: 0 deployed and verified, 1 a step or the verification failed, 2 usage or configuration,
3 the network does not answer or something must come first (run again), 4 refused by a guard.

The account is an alias of `ape accounts`, or the private key in PLIMSOLL_DEPLOYER_KEY. Keys and
URLs never go into files or output.
"""


@click.command(name="deploy", epilog=EPILOG, context_settings={"max_content_width": 100})
@click.argument("config", default="local")
@click.option(
    "--network", help="As in ape: ethereum:sepolia:node, ethereum:sepolia:https://..., ..."
)
@click.option("--account", help="Alias of the deploying account; else PLIMSOLL_DEPLOYER_KEY.")
@click.option("--manifest", type=click.Path(path_type=Path), help="Where the manifest is kept.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key by its path (fund.drip_seconds=3600), or give an address ($name=0x...).",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and its hash, send nothing.")
@click.option("--verify-only", is_flag=True, help="Check what the manifest says against the chain.")
@click.option("--yes", is_flag=True, help="Do not ask before sending.")
@click.option("--i-know-this-is-mainnet", "mainnet", is_flag=True, help="Allow real networks.")
@click.option(
    "--max-fee-gwei", type=float, default=500.0, show_default=True, help="Per gas, at most."
)
@click.option("--tip-gwei", type=float, help="Priority fee; the node's suggestion unless given.")
@click.option(
    "--timeout", type=float, default=120.0, show_default=True, help="Seconds per receipt."
)
@click.option("--confirmations", type=int, default=1, show_default=True, help="Blocks per step.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON on stdout.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def cli(
    config: str,
    network: str | None,
    account: str | None,
    manifest: Path | None,
    overrides: tuple[str, ...],
    dry_run: bool,
    verify_only: bool,
    yes: bool,
    mainnet: bool,
    max_fee_gwei: float,
    tip_gwei: float | None,
    timeout: float,
    confirmations: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Deploy everything that CONFIG describes (a YAML file, or a shipped one by name).

    Prints the plan, asks, executes what the chain does not show as done already, verifies code and
    every role, and keeps a manifest. Cut off anywhere, run it again: it goes on where it stopped.
    """
    from plimsoll.deployment.command import Options, run

    raise SystemExit(
        run(
            Options(
                config=config,
                network=network,
                account=account,
                manifest=manifest,
                overrides=overrides,
                dry_run=dry_run,
                verify_only=verify_only,
                yes=yes,
                mainnet=mainnet,
                max_fee_gwei=max_fee_gwei,
                tip_gwei=tip_gwei,
                timeout=timeout,
                confirmations=confirmations,
                as_json=as_json,
                quiet=quiet,
            )
        )
    )
