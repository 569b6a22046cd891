"""`ape run demo`: a whole house on a forked chain, a crash replayed, every identity checked.

Only click is imported here, so that --help is quick; the work is in plimsoll.demo.
"""

from __future__ import annotations

from pathlib import Path

import click

import plimsoll  # noqa: F401  # ape has the root on its path only while it loads this file

EPILOG = """
\b
Exit codes: 0 passed, 1 an identity broke or a step of the shipped crash was not walked, 2 usage,
3 data or RPC unavailable.

PRICES has columns ts,open,high,low,close[,volume]; two files (ETH, BTC) are joined by a comma.
"""


@click.command(name="demo", epilog=EPILOG, context_settings={"max_content_width": 100})
@click.option("--seed", type=int, default=20200312, show_default=True, help="Of cast and prices.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out"),
    show_default=True,
    help="Folder for the report.",
)
@click.option("--prices", envvar="PRICES", help="Replay this .csv or .csv.gz.  [env: PRICES]")
@click.option("--fork-url", envvar="FORK_URL", help="Fork this network instead.  [env: FORK_URL]")
@click.option("--hours", type=int, default=48, show_default=True, help="Replay at most so many.")
@click.option("--allow-gaps", is_flag=True, help="Jump over missing bars of a price file.")
@click.option("--no-report", is_flag=True, help="Write no HTML and JSON report.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON on stdout.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def cli(
    seed: int,
    out: Path,
    prices: str | None,
    fork_url: str | None,
    hours: int,
    allow_gaps: bool,
    no_report: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fork a chain, deploy everything, trade through a crash, prove solvency at every block."""
    from plimsoll.demo.command import Options, run

    raise SystemExit(
        run(
            Options(
                seed=seed,
                out=out,
                prices=prices or None,
                fork_url=fork_url or None,
                hours=hours,
                allow_gaps=allow_gaps,
                report=not no_report,
                as_json=as_json,
                quiet=quiet,
            )
        )
    )
