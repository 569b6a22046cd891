"""What `ape run bench` does between its options and its exit code."""

from __future__ import annotations

import json
import sys

from plimsoll.bench.report import show, write
from plimsoll.bench.run import measure
from plimsoll.bench.table import BY_NAME, as_json, over
from plimsoll.localnet.errors import AnvilNotFound

OK, OVER, UNAVAILABLE = 0, 1, 3


def run(as_text: bool, refresh: bool) -> int:
    """Measures and prints everything; `as_text`: as JSON, `refresh`: rewrites what is on file."""
    try:
        measured, parts = measure(_note if sys.stderr.isatty() else None)
    except AnvilNotFound as exc:
        print(f"error: {exc}", file=sys.stderr)
        return UNAVAILABLE
    if as_text:
        print(json.dumps(as_json(measured), indent=2))
    else:
        show(measured, parts)
    if refresh:
        for path in write(measured, parts):
            _note(f"wrote {path}")
    exceeded = over(measured)
    for name in exceeded:
        row = BY_NAME[name]
        _note(
            f"over its bar: {name}: expected {row.bar:,} {row.unit} at most, got {measured[name]:,}"
        )
    return OVER if exceeded else OK


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
