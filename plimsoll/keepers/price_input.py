"""Where the prices that are signed come from: lines on stdin, a file read anew, or the chain.

Every observation has the time at which it was made, and that time is what gets signed: an input
that stops is seen to age, and is never passed off as fresh.
"""

from __future__ import annotations

import csv
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Any, Protocol

from plimsoll.keepers.node import Node, Refusal, View
from plimsoll.localnet.errors import RpcError
from plimsoll.units import Rounding, ticks, to_units

Say = Callable[[str], None]
MAX_PREMIUM = 131_071  # 1e-6; what a report's field is clamped to at most
DECIMALS, ROUND = "0x313ce567", "0xfeaf968c"


class InputError(ValueError):
    """The input can never work; the message says what was expected."""


@dataclass(frozen=True)
class Observation:
    """A price in ticks, seen at `time` (unix s, fractions count); premium 1e-6 of it."""

    price: int
    time: float
    premium: int = 0


class Input(Protocol):
    """A source of prices."""

    def read(self, now: int) -> Mapping[int, Observation]:
        """The newest observation of each feed by id. `now`: the chain's time, s."""

    @property
    def ended(self) -> bool:
        """Whether nothing new can come."""


def parse(entry: Mapping[str, Any], ids: Mapping[str, int], seen: float) -> tuple[int, Observation]:
    """One entry: feed (name or id), price (USD), optionally time (s) and premium (a fraction).

    Raises `InputError`. Prices are rounded down to ticks, premiums towards zero.
    """
    name = str(entry.get("feed", "")).strip()
    feed = ids.get(name, int(name) if name.isdecimal() else 0)
    if feed not in ids.values():
        raise InputError(f"expected one of the feeds {', '.join(sorted(ids))}, got {name!r}")
    price = ticks(_number(entry, "price"), Rounding.DOWN)
    if price <= 0:
        raise InputError(f"{name}: expected a price above 0, got {entry.get('price')!r}")
    moment = float(_number(entry, "time")) if _given(entry, "time") else seen
    premium = 0
    if _given(entry, "premium"):
        premium = to_units(_number(entry, "premium"), -6, Rounding.DOWN)
        if abs(premium) > MAX_PREMIUM:
            raise InputError(f"{name}: expected a premium under 0.131, got {entry['premium']!r}")
    return feed, Observation(price, moment, premium)


def _given(entry: Mapping[str, Any], key: str) -> bool:
    return entry.get(key) is not None and str(entry[key]).strip() != ""


def _number(entry: Mapping[str, Any], key: str) -> Decimal:
    try:
        number = Decimal(str(entry.get(key, "")).strip())
    except InvalidOperation as exc:
        raise InputError(f"{key}: expected a number, got {entry.get(key)!r}") from exc
    if not number.is_finite():
        raise InputError(f"{key}: expected a finite number, got {entry.get(key)!r}")
    return number


class LineInput:
    """JSON objects, one per line; each without a time counts as of its arrival."""

    def __init__(
        self,
        stream: IO[str],
        ids: Mapping[str, int],
        say: Say,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ids = dict(ids)
        self._say = say
        self._clock = clock
        self._newest: dict[int, Observation] = {}
        self._ended = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._drain, args=(stream,), daemon=True)
        self._thread.start()

    def read(self, now: int) -> Mapping[int, Observation]:
        """See `Input`."""
        with self._lock:
            return dict(self._newest)

    @property
    def ended(self) -> bool:
        """Whether the stream is at its end."""
        return self._ended

    def wait(self, feeds: set[int], seconds: float) -> None:
        """Until each of these feeds has a price, the stream ends, or the time is over."""
        deadline = time.monotonic() + seconds
        while not feeds <= set(self.read(0)) and time.monotonic() < deadline and not self._ended:
            time.sleep(0.02)

    def _drain(self, stream: IO[str]) -> None:
        try:
            for line in stream:
                if line.strip():
                    self._take(line)
        except (OSError, ValueError) as exc:
            self._say(f"price input: {exc}")
        self._ended = True

    def _take(self, line: str) -> None:
        try:
            entry = json.loads(line, parse_float=Decimal)
            if not isinstance(entry, dict):
                raise InputError("expected a JSON object")
            feed, seen = parse(entry, self._ids, self._clock())
        except ValueError as exc:
            self._say(f"price input: line ignored, {exc}: {line.strip()[:120]}")
            return
        with self._lock:
            known = self._newest.get(feed)
            if known is None or seen.time >= known.time:
                self._newest[feed] = seen


class FileInput:
    """A CSV file with the columns feed, price and optionally time and premium, read in each pass.

    A row without a time counts as of the file's modification; of several rows of a feed the newest
    counts, the last of those of one time. A file that is being written is read at the next pass.
    """

    def __init__(self, path: Path, ids: Mapping[str, int], say: Say) -> None:
        self._path = path
        self._ids = dict(ids)
        self._say = say
        self._newest: dict[int, Observation] = {}
        self._read: tuple[int, int] | None = None
        if not path.is_file():
            raise InputError(f"--prices: expected a CSV file, got {path}, which is none")

    @property
    def ended(self) -> bool:
        """A file may always change."""
        return False

    def read(self, now: int) -> Mapping[int, Observation]:
        """See `Input`. A file that cannot be read leaves the last prices, which age."""
        try:
            stat = self._path.stat()
            mark = (stat.st_mtime_ns, stat.st_size)
            if mark == self._read:
                return dict(self._newest)
            with self._path.open(newline="") as stream:
                rows = list(csv.DictReader(stream, skipinitialspace=True))
        except (OSError, csv.Error, UnicodeDecodeError) as exc:
            self._say(f"{self._path}: {exc}")
            return dict(self._newest)
        found: dict[int, Observation] = {}
        for number, row in enumerate(rows, 2):
            try:
                feed, seen = parse(row, self._ids, stat.st_mtime)
            except ValueError as exc:
                self._say(f"{self._path}:{number}: row ignored, {exc}")
                continue
            if feed not in found or seen.time >= found[feed].time:
                found[feed] = seen
        self._newest.update(found)
        self._read = mark
        return dict(self._newest)


class ChainInput:
    """Prices that are on the same chain already: an aggregator's, or another feed's of the adapter.

    `origins`: feed id -> aggregator address, or the other feed's id. Times are the origin's own; a
    feed that is not OK gives nothing.
    """

    def __init__(self, node: Node, origins: Mapping[int, str | int], say: Say) -> None:
        self._node = node
        self._origins = dict(origins)
        self._say = say
        self._decimals: dict[str, int] = {}
        for feed, origin in self._origins.items():
            if feed == origin:
                raise InputError("--from-feed: expected another feed, got the feed itself")

    @property
    def ended(self) -> bool:
        """The chain goes on."""
        return False

    def read(self, now: int) -> Mapping[int, Observation]:
        """See `Input`."""
        found: dict[int, Observation] = {}
        for feed, origin in self._origins.items():
            seen = self._adapter(origin) if isinstance(origin, int) else self._aggregator(origin)
            if seen is None:
                self._say(f"--from-feed: {origin} gives no sound price")
            else:
                found[feed] = seen
        return found

    def _adapter(self, feed: int) -> Observation | None:
        (value,) = self._node.try_views([View("OracleAdapter", "read", (feed,))])
        if isinstance(value, Refusal) or value.state != 0:
            return None
        return Observation(value.price, float(value.timestamp))

    def _aggregator(self, address: str) -> Observation | None:
        rpc = self._node.rpc
        try:
            if address not in self._decimals:
                raw = rpc.call("eth_call", {"to": address, "data": DECIMALS}, "latest")
                self._decimals[address] = int(raw, 16)
            reply = rpc.call("eth_call", {"to": address, "data": ROUND}, "latest")
        except (RpcError, ValueError):
            return None
        raw_words = bytes.fromhex(reply[2:])
        answer, updated = (int.from_bytes(raw_words[i : i + 32], "big") for i in (32, 96))
        if len(raw_words) != 160 or not 0 < answer < 2**128 or updated == 0:
            return None
        power = 9 - self._decimals[address]
        price = answer * 10**power if power >= 0 else answer // 10**-power
        return Observation(price, float(updated)) if price > 0 else None
