"""What `ape run bench` does between its options and its exit code."""

from __future__ import annotations

import json
import sys

from plimsoll.bench.report import show, write
from plimsoll.bench.run import measure
from plimsoll.bench.table import BY_NAME, as_json, over
from plimsoll.console import FAILED, OK, UNAVAILABLE, fail, note
from plimsoll.localnet.errors import AnvilNotFound


def run(as_text: bool, refresh: bool) -> int:
    """Measures and prints everything; `as_text`: as JSON, `refresh`: rewrites what is on file."""
    try:
        measured, parts = measure(note if sys.stderr.isatty() else None)
    except AnvilNotFound as exc:
        return fail(UNAVAILABLE, exc)
    if as_text:
        print(json.dumps(as_json(measured), indent=2))
    else:
        show(measured, parts)
    if refresh:
        for path in write(measured, parts):
            note(f"wrote {path}")
    exceeded = over(measured)
    for name in exceeded:
        row = BY_NAME[name]
        note(
            f"over its bar: {name}: expected {row.bar:,} {row.unit} at most, got {measured[name]:,}"
        )
    return FAILED if exceeded else OK
