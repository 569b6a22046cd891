"""`ape run fuzz`: random waterfalls on the real contracts against the model, word by word.

Only click is imported here, so that --help is quick; the work is in plimsoll.fuzz.
"""

from __future__ import annotations

from pathlib import Path

import click

import plimsoll  # noqa: F401  # ape has the root on its path only while it loads this file

EPILOG = """
\b
Exit codes: 0 model and chain agree and enough was reached, 1 they differ or too little was reached,
2 usage, 3 no machine to run on, or no such file.
"""


@click.command(name="fuzz", epilog=EPILOG, context_settings={"max_content_width": 100})
@click.option(
    "--count", type=click.IntRange(1), default=2_000, show_default=True, help="Of waterfalls."
)
@click.option("--seed", type=int, default=20200312, show_default=True, help="Of the campaign.")
@click.option(
    "--first", type=click.IntRange(0), default=0, show_default=True, help="Number to begin with."
)
@click.option(
    "--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out/fuzz"),
    show_default=True,
    help="Folder for a waterfall that fails.",
)
@click.option(
    "--replay",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Run the calls of this file instead.",
)
@click.option("--anvil", is_flag=True, help="On Anvil over raw RPC; many times slower.")
@click.option("--json", "as_json", is_flag=True, help="The counts as JSON on stdout.")
def cli(
    count: int,
    seed: int,
    first: int,
    workers: int,
    out: Path,
    replay: Path | None,
    anvil: bool,
    as_json: bool,
) -> None:
    """Random houses, prices that gap, the whole waterfall: contracts and model side by side."""
    from plimsoll.fuzz.command import Options, run

    raise SystemExit(
        run(
            Options(
                count=count,
                seed=seed,
                first=first,
                workers=workers,
                out=out,
                replay=replay,
                as_json=as_json,
                anvil=anvil,
            )
        )
    )
