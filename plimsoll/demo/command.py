"""What `ape run demo` does between its options and its exit code.

Exit codes: 0 the run passed, 1 an identity broke or a step of the shipped crash was not walked,
2 usage, 3 data or RPC unavailable, 4 refused. stdout is the summary, stderr the progress.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plimsoll.console import FAILED, INTERRUPTED, OK, UNAVAILABLE, USAGE, fail, note
from plimsoll.demo.prices import DEFAULT_HOURS, HOUR, Tape, from_files, shipped

DEFAULT_SEED = 20200312
LEAST_HOURS = 4
NAME = "demo.html"


@dataclass(frozen=True)
class Options:
    """The command's options, see scripts/demo.py. `fork_url` is secret: it may hold a key."""

    seed: int = DEFAULT_SEED
    out: Path = Path("out")
    prices: str | None = None
    fork_url: str | None = None
    hours: int = DEFAULT_HOURS
    allow_gaps: bool = False
    report: bool = True
    as_json: bool = False
    quiet: bool = False


def run(options: Options) -> int:
    """The whole command; every expected failure becomes a line on stderr and an exit code."""
    try:
        return _run(options)
    except KeyboardInterrupt:
        note("interrupted")
        return INTERRUPTED
    except Exception as error:
        code = _code_of(error)
        if code is None:
            raise
        return fail(code, error)


def _code_of(error: Exception) -> int | None:
    """The exit code of an expected failure; None for a fault of ours."""
    from plimsoll.deployment.chain import CallReverted, ChainError
    from plimsoll.deployment.config import ConfigError
    from plimsoll.deployment.execute import NotReady, StepFailed
    from plimsoll.deployment.plan import PlanError

    known = getattr(error, "exit_code", None)
    if isinstance(known, int):
        return known
    if isinstance(error, ChainError | NotReady):
        return UNAVAILABLE
    if isinstance(error, ConfigError | PlanError):
        return USAGE
    return FAILED if isinstance(error, StepFailed | CallReverted) else None


def _run(options: Options) -> int:
    if options.hours < LEAST_HOURS:
        note(f"error: --hours: expected at least {LEAST_HOURS}, got {options.hours}")
        return USAGE
    began = time.monotonic()
    tape = _tape(options)
    with _progress(options) as say:
        story = _play(options, tape, say)
    seconds = time.monotonic() - began
    if not story.samples:
        return _stillborn(options, story)
    page = _write(options, story, seconds)
    facts = _summary(options, story, seconds, page)
    if options.as_json:
        print(json.dumps(facts, indent=2))
    else:
        print("\n".join(_lines(facts)))
    return FAILED if facts["problems"] else OK


def _stillborn(options: Options, story: Any) -> int:
    """An identity broke before the first block was through: there is nothing to report on."""
    if options.as_json:
        print(json.dumps({"schema": 1, "passed": False, "problems": [story.breach]}, indent=2))
    else:
        print(f"FAILED: {story.breach}")
    return FAILED


def _tape(options: Options) -> Tape:
    if options.prices:
        return from_files(options.prices, options.hours, allow_gaps=options.allow_gaps)
    return shipped(options.seed).window(options.hours)


def _play(options: Options, tape: Tape, say: Callable[[str], None]) -> Any:
    from plimsoll.demo.crash import play
    from plimsoll.demo.stage import LEAD, fork_stage

    options.out.mkdir(parents=True, exist_ok=True)
    first = tape.at(tape.start)
    start = None if options.fork_url else tape.start
    stage = fork_stage(first, start, options.fork_url, options.out, say)
    try:
        if options.fork_url or stage.world.now > tape.start - LEAD + HOUR:
            # A real network's clock cannot be turned back: the same path, later.
            tape = tape.shifted_to(stage.world.now + LEAD)
        return play(stage, tape, options.seed, say)
    finally:
        stage.close()


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

    console = Console(stderr=True)
    with console.status("starting") as status:

        def say(text: str) -> None:
            console.log(text, highlight=False)
            status.update(text)

        yield say


def _write(options: Options, story: Any, seconds: float) -> Path | None:
    if not options.report:
        return None
    from plimsoll.demo.story import make_report
    from plimsoll.deployment.manifest import git_commit
    from plimsoll.report import write

    page, _ = write(make_report(story, git_commit(), seconds), options.out / NAME)
    return page


def _problems(options: Options, story: Any) -> list[str]:
    from plimsoll.demo.story_terms import missing

    problems = [story.breach] if story.breach else []
    shipped_run = not options.prices and options.seed == DEFAULT_SEED
    if shipped_run and options.hours >= DEFAULT_HOURS and not story.breach:
        problems += [f"the shipped crash did not walk: {step}" for step in missing(story)]
    return problems


def _summary(options: Options, story: Any, seconds: float, page: Path | None) -> dict[str, Any]:
    """The result for programs; amounts in USD as text."""
    from plimsoll.demo.story_terms import cents, missing, sold_notional, total, walked

    sheets = [one.sheet for one in story.samples]
    return {
        "schema": 1,
        "passed": not _problems(options, story),
        "problems": _problems(options, story),
        "prices": story.tape.source,
        "seed": story.seed,
        "chain_id": story.stage.world.chain_id,
        "forked": dict(story.stage.facts).get("Forked", ""),
        "deployment": {
            "steps": len(story.stage.outcomes),
            "checks": story.stage.checks,
            "seconds": round(story.stage.deploy_seconds, 1),
        },
        "accounts": len(story.cast.actors),
        "blocks_proved": story.checker.tally.blocks,
        "identities": dict(story.checker.tally.held),
        "low_usd": {
            feed: str(min(one.prices[feed].price for one in story.samples) / 10**9)
            for feed in story.tape.prices
        },
        "liquidated_notional_usd": str(cents(sold_notional(story))),
        "fund_before_usd": str(cents(sheets[0].fund)),
        "fund_after_usd": str(cents(sheets[-1].fund)),
        "fund_paid_usd": str(cents(total(story, "from_fund"))),
        "charged_usd": str(cents(total(story, "charged"))),
        "socialised_usd": str(cents(total(story, "socialised"))),
        "walked": walked(story),
        "not_walked": missing(story),
        "seconds": round(seconds, 1),
        "report": str(page) if page else None,
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    from plimsoll.demo.story_terms import LIMITED

    walked = facts["walked"]
    deployed = facts["deployment"]
    lows = ", ".join(f"{feed} {float(low):,.2f}" for feed, low in facts["low_usd"].items())

    def money(name: str) -> str:
        return f"{float(facts[name + '_usd']):,.2f} USD"

    lines = [
        f"{'PASSED' if facts['passed'] else 'FAILED'}: {facts['prices']}, seed {facts['seed']}",
        f"  chain        id {facts['chain_id']}, forked from {facts['forked']}",
        f"  deployed     {deployed['steps']} steps, {deployed['checks']} checks of code, roles and "
        f"settings, {deployed['seconds']} s",
        f"  accounts     {facts['accounts']}, lows {lows} USD",
        f"  liquidated   {money('liquidated_notional')} of notional: "
        f"{walked['solvent slice']} solvent, {walked['free slice']} free and "
        f"{walked['insolvent slice']} insolvent slices, {walked['deleveraged']} deleveraged",
        f"  besides      {walked['pre-liquidation']} pre-liquidations, {walked['intent filled']} "
        f"fills of intents, {walked['single leg']} single legs, {walked[LIMITED]} accounts held "
        "by the sale limiter",
        f"  fund         {money('fund_before')} before, {money('fund_after')} after, "
        f"paid {money('fund_paid')}",
        f"  charged      {money('charged')} to the opposite side",
        f"  socialised   {money('socialised')}",
        f"  cured        {walked['cured']} by deposit; withdrawals escrowed {walked['escrowed']}, "
        f"released {walked['released']}",
        f"  proved       {len(facts['identities'])} identities, {facts['blocks_proved']:,} blocks",
        f"  took         {facts['seconds']} s",
    ]
    lines += [f"  not walked   {step}" for step in facts["not_walked"]]
    lines += [f"  problem      {problem}" for problem in facts["problems"]]
    if facts["report"]:
        lines.append(f"  report       {facts['report']} (and .json)")
    return lines
