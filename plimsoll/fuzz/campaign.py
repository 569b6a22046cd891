"""Many waterfalls: by number, on several processes, with what they reached counted.

A waterfall is a seed and a number and nothing else, so a campaign gives the same counts on any
number of processes. One that fails stops it; its calls are cut to the shortest prefix that fails
and then thinned, and written to a file that runs again.
"""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

from plimsoll.fuzz.calls import Call
from plimsoll.fuzz.play import Play
from plimsoll.fuzz.stand import Stand
from plimsoll.fuzz.twin import Mismatch, Twin

BATCH = 25  # waterfalls a process takes at a time
THINNINGS = 300  # replays at most to thin a failure out
REACHED = {"insurance": 0.1, "deleveraged": 0.05, "socialised": 0.015}  # least shares of a campaign


@dataclass(frozen=True)
class Failure:
    """A waterfall whose last call differs."""

    seed: int
    number: int
    calls: list[Call]
    message: str


@dataclass
class Tally:
    """What waterfalls met: `calls` by name and refusal, `reached` by how many of them did."""

    waterfalls: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    failure: Failure | None = None

    def add(self, other: Tally) -> None:
        """Another share's counts; the failure with the lowest number stays."""
        self.waterfalls += other.waterfalls
        self.calls.update(other.calls)
        self.reached.update(other.reached)
        found = [one for one in (self.failure, other.failure) if one is not None]
        self.failure = min(found, key=lambda one: one.number, default=None)

    def short(self) -> list[str]:
        """Steps of the waterfall that too few reached, each with what was expected and got."""
        wrong = []
        for name, share in REACHED.items():
            least = int(self.waterfalls * share)
            if self.reached[name] < least:
                wrong.append(
                    f"expected {least} waterfalls or more {name}, got {self.reached[name]}"
                )
        return wrong


@cache
def twin_here() -> Twin:
    """This process's house and model; garbage is collected by count from here on, not by walks."""
    twin = Twin(Stand())
    gc.collect()
    gc.freeze()
    return twin


def play(twin: Twin, seed: int, number: int) -> tuple[Play, str]:
    """One waterfall; what differed, "" for nothing."""
    twin.reset()
    game = Play(twin, Random(f"{seed}/{number}"))
    try:
        game.run()
    except Mismatch as wrong:
        return game, str(wrong)
    return game, ""


def share(task: tuple[int, range]) -> Tally:
    """Some waterfalls of a seed, one after the other, up to the first that fails."""
    seed, numbers = task
    tally, twin = Tally(), twin_here()
    gc.disable()  # the model makes no cycles; a walk over all it holds costs more than a call
    try:
        for number in numbers:
            game, message = play(twin, seed, number)
            tally.waterfalls += 1
            for name, times in game.seen.items():
                if name.startswith("= "):
                    tally.reached[name.removeprefix("= ")] += 1
                else:
                    tally.calls[name] += times
            if message:
                tally.failure = Failure(seed, number, game.calls, message)
                break
    finally:
        gc.enable()
    return tally


def shares(seed: int, numbers: range, workers: int) -> Iterator[Tally]:
    """A seed's waterfalls in shares, as they are done."""
    tasks = [(seed, numbers[at : at + BATCH]) for at in range(0, len(numbers), BATCH)]
    if workers == 1:
        yield from map(share, tasks)
        return
    twin_here()  # compiled once, inherited by every process
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        yield from pool.imap_unordered(share, tasks)


def campaign(
    seed: int, numbers: range, workers: int = 1, told: Callable[[Tally, float], None] | None = None
) -> tuple[Tally, float]:
    """Play them all or up to a failure; returns the counts and the seconds it took.

    `told` hears of the counts so far.
    """
    began, total = time.monotonic(), Tally()
    for part in shares(seed, numbers, workers):
        total.add(part)
        if told is not None:
            told(total, time.monotonic() - began)
        if total.failure is not None:
            break
    return total, time.monotonic() - began


# -- a failure, made small


def replay(twin: Twin, calls: list[Call]) -> tuple[int, str]:
    """Run calls as they were; the number of the one that differs and how, (-1, "") for none."""
    twin.reset()
    for at, call in enumerate(calls):
        try:
            twin.apply(call)
        except Mismatch as wrong:
            return at, str(wrong)
    try:
        twin.check()
    except Mismatch as wrong:
        return len(calls), str(wrong)
    return -1, ""


def shrink(twin: Twin, calls: list[Call]) -> tuple[list[Call], str]:
    """The shortest prefix that fails, less what it fails without; and how it fails."""
    at, message = replay(twin, calls)
    if at < 0:
        return calls, ""
    kept, left = calls[: at + 1], THINNINGS
    size = max(1, len(kept) // 2)
    while size and left:
        cut = max(0, len(kept) - 1 - size)
        while left:
            left -= 1
            fewer = kept[:cut] + kept[cut + size :]
            found, said = _tried(twin, fewer)
            if 0 <= found < len(fewer) and _same(said, message):
                kept = fewer[: found + 1]
            if cut == 0:
                break
            cut = max(0, min(cut, len(kept) - 1) - size)
        size //= 2
    return kept, replay(twin, kept)[1]


def _tried(twin: Twin, calls: list[Call]) -> tuple[int, str]:
    """A replay that may make no sense any more."""
    try:
        return replay(twin, calls)
    except Exception as nonsense:
        return -1, repr(nonsense)


def _same(said: str, message: str) -> bool:
    """Whether two failures are of a kind: the same words before the first number."""
    return said.split(" 0x")[0].split(":")[0] == message.split(" 0x")[0].split(":")[0]


def described(tally: Tally, seconds: float, seed: int) -> dict[str, Any]:
    """A campaign's result in plain types."""
    count = sum(tally.calls.values())
    return {
        "seed": seed,
        "waterfalls": tally.waterfalls,
        "reached": {name: tally.reached[name] for name in sorted(tally.reached)},
        "least": {name: int(tally.waterfalls * part) for name, part in REACHED.items()},
        "calls": count,
        "seconds": round(seconds, 1),
        "waterfalls_per_second": round(tally.waterfalls / max(seconds, 1e-9), 1),
        "calls_per_second": round(count / max(seconds, 1e-9)),
        "by_call": dict(sorted(tally.calls.items())),
    }
