"""What `ape run fuzz` does between its options and its exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plimsoll.console import FAILED, OK, UNAVAILABLE, USAGE, fail, note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plimsoll.fuzz.campaign import Failure, Tally

Told = Callable[["Tally", float], None]


@dataclass(frozen=True)
class Options:
    """Of a campaign: numbers `first` .. `first + count - 1` of `seed`."""

    count: int
    seed: int
    first: int
    workers: int
    out: Path
    replay: Path | None
    as_json: bool
    anvil: bool = False


def run(options: Options) -> int:
    """The campaign, or the replay of a waterfall on file."""
    from plimsoll.evm import Unsupported
    from plimsoll.localnet.errors import AnvilFailed, AnvilNotFound, RpcUnavailable

    if options.anvil and options.workers > 1:
        return fail(USAGE, ValueError("expected one process with --anvil; leave --workers out"))
    play = _replayed if options.replay else _campaign
    try:
        if not options.anvil:
            return play(options)
        from plimsoll.fuzz.campaign import twin_here

        with twin_here().stand.on_anvil():
            return play(options)
    except (OSError, Unsupported, AnvilFailed, AnvilNotFound, RpcUnavailable) as missing:
        return fail(UNAVAILABLE, missing)


def _campaign(options: Options) -> int:
    from plimsoll.fuzz.campaign import campaign, described

    numbers = range(options.first, options.first + options.count)
    with _progress(options.count) as told:
        tally, seconds = campaign(options.seed, numbers, options.workers, told)
    result = described(tally, seconds, options.seed)
    short = [] if tally.failure else tally.short()
    if tally.failure:
        result["failure"] = _failed(tally.failure, options.out)
    if options.as_json:
        print(json.dumps(result, indent=2))
    else:
        _show(result)
    for line in short:
        note(f"error: {line}")
    return FAILED if tally.failure or short else OK


def _show(result: dict[str, Any]) -> None:
    print(f"seed {result['seed']}: {result['waterfalls']:,} waterfalls, {result['calls']:,} calls")
    print(
        f"{result['seconds']:,} s: {result['waterfalls_per_second']:,} waterfalls and "
        f"{result['calls_per_second']:,} calls a second, every word compared after each"
    )
    for name, times in result["reached"].items():
        least = result["least"].get(name)
        print(
            f"  {name:<14} {times:>7,}" + (f"  (at least {least:,})" if least is not None else "")
        )


def _failed(failure: Failure, out: Path) -> dict[str, Any]:
    """Makes a failure small and keeps it; what to run to see it again."""
    from plimsoll.fuzz.campaign import shrink, twin_here

    where = f"seed {failure.seed}, waterfall {failure.number}, call {len(failure.calls)}"
    note(f"error: {where}: {failure.calls[-1]}")
    for line in failure.message.splitlines():
        note(f"  {line}")
    note("making it smaller ...")
    calls, message = shrink(twin_here(), failure.calls)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"waterfall-{failure.seed}-{failure.number}.json"
    path.write_text(json.dumps({"message": message, "calls": calls}, indent=1))
    again = f"ape run fuzz --seed {failure.seed} --first {failure.number} --count 1"
    note(f"{len(failure.calls)} calls, {len(calls)} are enough: ape run fuzz --replay {path}")
    note(f"the whole waterfall: {again}")
    return {
        "seed": failure.seed,
        "number": failure.number,
        "message": failure.message,
        "calls": len(failure.calls),
        "enough": len(calls),
        "file": str(path),
    }


def _replayed(options: Options) -> int:
    """A waterfall from its file."""
    from plimsoll.fuzz.campaign import replay, twin_here

    assert options.replay is not None
    calls = json.loads(options.replay.read_text())["calls"]
    at, message = replay(twin_here(), calls)
    if options.as_json:
        print(json.dumps({"calls": len(calls), "differs": at, "message": message}, indent=2))
    elif at < 0:
        print(f"{len(calls)} calls: model and chain agree")
    else:
        print(
            f"call {at + 1} of {len(calls)}: {calls[at] if at < len(calls) else 'the identities'}"
        )
        print(message)
    return OK if at < 0 else FAILED


@contextmanager
def _progress(count: int) -> Iterator[Told]:
    """A bar on a terminal, else a line now and then; on stderr."""
    if not sys.stderr.isatty():
        yield _lines(count)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    parts = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[at]}"),
    )
    with Progress(*parts, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=count, at="")
        yield lambda tally, _: bar.update(task, completed=tally.waterfalls, at=_reached(tally))


def _lines(count: int, every: float = 30.0) -> Told:
    due = every

    def told(tally: Tally, seconds: float) -> None:
        nonlocal due
        if seconds >= due:
            due = seconds + every
            note(f"{tally.waterfalls:,} of {count:,}, {seconds:.0f} s: {_reached(tally)}")

    return told


def _reached(tally: Tally) -> str:
    return ", ".join(f"{name} {tally.reached[name]:,}" for name in sorted(tally.reached))
