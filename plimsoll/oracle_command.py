"""What `ape run oracle status` does between its options and its exit code."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plimsoll.console import FAILED, OK, UNAVAILABLE, USAGE, fail
from plimsoll.keepers.access import Usage, reader
from plimsoll.localnet.errors import RpcError, RpcUnavailable

if TYPE_CHECKING:
    from plimsoll.deployment.manifest import Manifest

UNHEALTHY = ("STALE", "HALTED", "NO PRICE", "UNLISTED")


@dataclass(frozen=True)
class Options:
    """The command's options, see scripts/oracle.py."""

    manifest: Path
    rpc: str | None = None
    network: str | None = None
    feeds: tuple[str, ...] = ()
    check: bool = False
    as_json: bool = False


def run(options: Options) -> int:
    """The whole command; every expected failure becomes a line on stderr and an exit code."""
    from plimsoll.deployment.manifest import ManifestError
    from plimsoll.oracle_status import NoAdapter

    try:
        return _run(options)
    except (ManifestError, Usage, NoAdapter) as exc:
        return fail(USAGE, exc)
    except (RpcUnavailable, RpcError) as exc:
        return fail(UNAVAILABLE, exc)


def _run(options: Options) -> int:
    from plimsoll.deployment.manifest import Manifest
    from plimsoll.oracle_status import read_oracle, record, show

    manifest = Manifest.load(options.manifest)
    names = feed_names(manifest, options.feeds)
    with reader(manifest, options.rpc, options.network) as node:
        snapshot = read_oracle(node, names, reasons=True)
    told = record(snapshot)
    if options.as_json:
        print(json.dumps(told, indent=2))
    else:
        from rich.console import Console

        show(snapshot, Console(width=None if sys.stdout.isatty() else 160))
    bad = [one for one in told["feeds"] if one["state"] in UNHEALTHY]
    return FAILED if options.check and bad else OK


def feed_names(manifest: Manifest, wanted: tuple[str, ...]) -> dict[int, str]:
    """Names by id of the feeds wanted, by name or id; without any all of the configuration."""
    known = {feed.id: feed.name for feed in manifest.settings().oracle.feeds}
    if not wanted:
        return known
    by_name = {name: number for number, name in known.items()}
    found: dict[int, str] = {}
    for text in wanted:
        number = by_name.get(text, int(text) if text.isdecimal() else 0)
        if not 1 <= number <= 65_535:
            names = ", ".join(sorted(by_name))
            raise Usage(f"--feed: expected an id or one of the feeds {names}, got {text!r}")
        found[number] = known.get(number, str(number))
    return found
