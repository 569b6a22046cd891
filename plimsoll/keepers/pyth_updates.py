"""Update blobs for Pyth sources, fetched by somebody else: lines of a file read anew, or of stdin.

A line is a JSON object {"feed": name or id, "data": "0x..."}; a feed's last line counts. What is in
a blob is not looked at: a rehearsal of the poke tells what it would do.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Protocol

from plimsoll.keepers.price_input import InputError

MIN_BYTES, MAX_BYTES = 31, 2_047  # with the source's index before it, what `poke` takes

Say = Callable[[str], None]


class Updates(Protocol):
    """A source of update blobs."""

    def read(self) -> Mapping[int, bytes]:
        """The newest blob of each feed by id."""

    @property
    def ended(self) -> bool:
        """Whether nothing new can come."""


def parse(line: str, ids: Mapping[str, int]) -> tuple[int, bytes]:
    """One line. Raises `InputError`."""
    try:
        entry = json.loads(line)
    except ValueError as exc:
        raise InputError(f"expected a JSON object, {exc}") from exc
    if not isinstance(entry, dict):
        raise InputError("expected a JSON object")
    name = str(entry.get("feed", "")).strip()
    feed = ids.get(name, int(name) if name.isdecimal() else 0)
    if feed not in ids.values():
        raise InputError(f"expected one of the feeds {', '.join(sorted(ids))}, got {name!r}")
    text = str(entry.get("data", ""))
    try:
        blob = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as exc:
        raise InputError(f'{name}: expected "data" in hex, got {text[:40]!r}') from exc
    if not MIN_BYTES <= len(blob) <= MAX_BYTES:
        raise InputError(f"{name}: expected {MIN_BYTES} to {MAX_BYTES} bytes, got {len(blob)}")
    return feed, blob


class UpdateLines:
    """Lines of a stream, as they come."""

    def __init__(self, stream: IO[str], ids: Mapping[str, int], say: Say) -> None:
        self._ids = dict(ids)
        self._say = say
        self._newest: dict[int, bytes] = {}
        self._ended = False
        self._lock = threading.Lock()
        threading.Thread(target=self._drain, args=(stream,), daemon=True).start()

    def read(self) -> Mapping[int, bytes]:
        """See `Updates`."""
        with self._lock:
            return dict(self._newest)

    @property
    def ended(self) -> bool:
        """Whether the stream is at its end."""
        return self._ended

    def wait(self, seconds: float) -> None:
        """Until there is a blob, the stream ends, or the time is over."""
        deadline = time.monotonic() + seconds
        while not self.read() and not self._ended and time.monotonic() < deadline:
            time.sleep(0.02)

    def _drain(self, stream: IO[str]) -> None:
        try:
            for line in stream:
                found = _taken([line], self._ids, self._say, "Pyth updates")
                with self._lock:
                    self._newest.update(found)
        except (OSError, ValueError) as exc:
            self._say(f"Pyth updates: {exc}")
        self._ended = True


class UpdateFile:
    """Lines of a file, read anew when it has changed; unreadable, it leaves what was there."""

    def __init__(self, path: Path, ids: Mapping[str, int], say: Say) -> None:
        self._path = path
        self._ids = dict(ids)
        self._say = say
        self._newest: dict[int, bytes] = {}
        self._read: tuple[int, int] | None = None
        if not path.is_file():
            raise InputError(f"--pyth-updates: expected a file of JSON lines, got {path}")

    @property
    def ended(self) -> bool:
        """A file may always change."""
        return False

    def read(self) -> Mapping[int, bytes]:
        """See `Updates`."""
        try:
            stat = self._path.stat()
            mark = (stat.st_mtime_ns, stat.st_size)
            if mark != self._read:
                lines = self._path.read_text().splitlines()
                self._newest.update(_taken(lines, self._ids, self._say, str(self._path)))
                self._read = mark
        except (OSError, UnicodeDecodeError) as exc:
            self._say(f"{self._path}: {exc}")
        return dict(self._newest)


def _taken(lines: Iterable[str], ids: Mapping[str, int], say: Say, name: str) -> dict[int, bytes]:
    found = {}
    for line in lines:
        if not line.strip():
            continue
        try:
            feed, blob = parse(line, ids)
        except InputError as exc:
            say(f"{name}: line ignored, {exc}")
            continue
        found[feed] = blob
    return found
