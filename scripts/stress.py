"""`ape run stress`: real crashes through the real bytecode, with a crowd and keepers that fail.

Only click is imported here, so that --help is quick; the work is in plimsoll.simulate.
"""

from __future__ import annotations

from pathlib import Path

import click

import plimsoll  # noqa: F401  # ape has the root on its path only while it loads this file

EPILOG = """
\b
Exit codes: 0 ok, 1 a property broke, or a loss went beyond the insurance fund though keepers were
away for less than the horizon of 30 minutes, 2 usage, 3 no price files.

The bars of the real crashes are not shipped. DATA is a folder with crash/*.csv.gz as named in
plimsoll/simulate/windows.py; the synthetic crash needs none. See docs/replays.md.
"""
CRASHES = ("2020-03", "2021-05", "2024-08", "synthetic")
REAL = CRASHES[:3]


@click.command(name="stress", epilog=EPILOG, context_settings={"max_content_width": 100})
@click.option(
    "--crash",
    "crashes",
    multiple=True,
    type=click.Choice(CRASHES),
    help="Repeatable. All three real ones unless told.",
)
@click.option(
    "--outage",
    "outages",
    multiple=True,
    type=int,
    help="Minutes that keepers are away, repeatable. 0, 1, 5 and 30 unless told.",
)
@click.option(
    "--outage-at",
    type=click.Choice(("crowd", "fall", "both")),
    default="crowd",
    show_default=True,
    help="Away from when a tenth of all accounts is liquidatable at once, or from the beginning of "
    "the worst fall of that length, or first the one and then the other.",
)
@click.option("--accounts", type=int, default=500, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the accounts.")
@click.option("--legs/--no-legs", default=True, help="Whether keepers take single legs too.")
@click.option("--hours", type=int, default=0, help="Only so many around the steepest fall.")
@click.option(
    "--data",
    envvar="MARKET_DATA",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the price files.  [env: MARKET_DATA]",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder: a report.")
@click.option("--write", is_flag=True, help="Refresh the table in docs/replays.md.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON on stdout.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def cli(
    crashes: tuple[str, ...],
    outages: tuple[int, ...],
    outage_at: str,
    accounts: int,
    seed: int,
    legs: bool,
    hours: int,
    data: Path | None,
    out: Path | None,
    write: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Replay crashes with a crowd of accounts: who loses what when keepers are late?"""
    from plimsoll.simulate.command import Options, run

    raise SystemExit(
        run(
            Options(
                crashes=crashes or REAL,
                outages=outages or (0, 1, 5, 30),
                outage_at=outage_at,
                accounts=accounts,
                seed=seed,
                legs=legs,
                hours=hours,
                data=data,
                out=out,
                write=write,
                as_json=as_json,
                quiet=quiet,
            )
        )
    )
