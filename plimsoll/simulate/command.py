"""What `ape run stress` does between its options and its exit code.

Exit codes: 0 ok, 1 a property broke, or a loss went beyond the fund though keepers were away for
less than the horizon, 2 usage, 3 no price files.
stdout is the result, stderr the progress.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plimsoll.compiler import PROJECT_ROOT
from plimsoll.console import FAILED, INTERRUPTED, OK, UNAVAILABLE, USAGE, fail, note

PAGE = PROJECT_ROOT / "docs" / "replays.md"
LEAST_ACCOUNTS = 20
REPORT = "stress.html"


@dataclass(frozen=True)
class Options:
    """The command's options, see scripts/stress.py."""

    crashes: tuple[str, ...] = ()
    outages: tuple[int, ...] = ()
    outage_at: str = "crowd"
    accounts: int = 500
    seed: int = 1
    hours: int = 0
    legs: bool = True
    data: Path | None = None
    out: Path | None = None
    write: bool = False
    as_json: bool = False
    quiet: bool = False


def run(options: Options) -> int:
    """The whole command; every expected failure becomes a line on stderr and an exit code."""
    from plimsoll.simulate.windows import WindowError

    if options.accounts < LEAST_ACCOUNTS or options.hours < 0 or min(options.outages) < 0:
        note(
            f"error: expected --accounts of {LEAST_ACCOUNTS} or more, --hours and --outage of 0 or "
            f"more, got {options.accounts}, {options.hours} and {list(options.outages)}"
        )
        return USAGE
    try:
        return _run(options)
    except KeyboardInterrupt:
        note("interrupted")
        return INTERRUPTED
    except WindowError as error:
        return fail(error.exit_code, error)
    except OSError as error:
        return fail(UNAVAILABLE, error)


def _run(options: Options) -> int:
    from plimsoll.simulate.table import failures, write
    from plimsoll.simulate.windows import load_window

    windows = [load_window(name, options.data) for name in options.crashes]
    if options.hours:
        windows = [one.cut(options.hours * 1_800, options.hours * 1_800) for one in windows]
    with _progress(options) as say:
        outcomes = _play(options, windows, say)
        margins = _margins(outcomes)
    problems = failures(outcomes)
    _show(options, outcomes, margins, problems)
    if options.write:
        write(PAGE, outcomes, margins)
        note(f"wrote {PAGE}")
    if options.out:
        note(f"wrote {_report(options.out, outcomes, margins, problems)}")
    return FAILED if problems else OK


def _play(options: Options, windows: list[Any], say: Callable[[str], None]) -> list[Any]:
    from plimsoll.simulate.replay import Setup, play

    outcomes = []
    for window in windows:
        for outage, outage_at in _absences(options):
            setup = Setup(
                outage=outage,
                outage_at=outage_at,
                accounts=options.accounts,
                seed=options.seed,
                legs=options.legs,
            )
            one = play(window, setup, say)
            say(
                f"{window.name}, {outage} min of outage ({outage_at}): {one.seconds:.0f} s "
                f"({one.processor:.0f} s of processor), peak {one.memory >> 20} MB"
            )
            outcomes.append(one)
    return outcomes


def _absences(options: Options) -> list[tuple[int, str]]:
    """Minutes and beginning of each outage; one of no minutes has no beginning to choose."""
    if options.outage_at != "both":
        return [(outage, options.outage_at) for outage in options.outages]
    return [(outage, "crowd") for outage in options.outages] + [
        (outage, "fall") for outage in options.outages if outage
    ]


def _margins(outcomes: list[Any]) -> list[Any]:
    """MM and IM at median volatility, at the first run's prices, depth and open interest."""
    from plimsoll.simulate.measure import effective_margins
    from plimsoll.simulate.windows import FEEDS

    first = outcomes[0]
    prices = {feed: first.window.price(feed, first.window.start) for feed in FEEDS}
    return effective_margins(prices, first.depth, first.interest_first)


def _show(options: Options, outcomes: list[Any], margins: list[Any], problems: list[str]) -> None:
    from plimsoll.simulate.table import HEAD, facts, row

    if options.as_json:
        terms = {
            one.feed: {"sigma": one.sigma, "mm": one.maintenance, "im": one.initial}
            for one in margins
        }
        told = {
            "schema": 1,
            "passed": not problems,
            "problems": problems,
            "margins_at_median_volatility": terms,
            "runs": [facts(one) for one in outcomes],
        }
        print(json.dumps(told, indent=2))
        return
    for one in margins:
        print(
            f"{one.feed} at {one.sigma:.1%} volatility: MM {one.maintenance:.2%}, "
            f"IM {one.initial:.2%}"
        )
    for outcome in outcomes:
        cells = row(outcome)
        print(f"\n{cells[0]}, {cells[1]} of outage")
        for name, cell in zip(HEAD[2:], cells[2:], strict=True):
            print(f"  {name:34} {cell}")
    for problem in problems:
        print(f"\nproblem: {problem}")


def _report(out: Path, outcomes: list[Any], margins: list[Any], problems: list[str]) -> Path:
    from plimsoll.deployment.manifest import git_commit
    from plimsoll.report import write
    from plimsoll.simulate.page import make_report

    page, _ = write(make_report(outcomes, margins, problems, git_commit()), out / REPORT)
    return page


@contextmanager
def _progress(options: Options) -> Iterator[Callable[[str], None]]:
    """A speaker: one moving line on a terminal, a line each otherwise."""
    if options.quiet:
        yield lambda text: None
        return
    if not sys.stderr.isatty():
        yield note
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda text: status.update(text)
