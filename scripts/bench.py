"""`ape run bench`: gas of every operation with a bar, from Anvil receipts. See docs/gas.md.

Only click is imported here, so that --help is quick; the work is in plimsoll.bench.
"""

from __future__ import annotations

import click

import plimsoll  # noqa: F401  # ape has the root on its path only while it loads this file

EPILOG = """
\b
Exit codes: 0 all within their bars, 1 something is over, 2 usage, 3 no anvil.
"""


@click.command(name="bench", epilog=EPILOG, context_settings={"max_content_width": 100})
@click.option("--json", "as_json", is_flag=True, help="Gas and bar by operation, as JSON.")
@click.option("--write", is_flag=True, help="Refresh docs/gas.md, the baseline and golden layouts.")
def cli(as_json: bool, write: bool) -> None:
    """Deploy the house on a local Anvil, measure every operation, compare with the bars."""
    from plimsoll.bench.command import run

    raise SystemExit(run(as_json, write))
