"""What `ape run status` does between its options and its exit code."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from plimsoll.console import FAILED, OK, REFUSED, UNAVAILABLE, USAGE, fail, note
from plimsoll.keepers.access import Usage, reader
from plimsoll.keepers.index import Journal, JournalBusy
from plimsoll.localnet.errors import RpcError, RpcUnavailable
from plimsoll.status import NoDeployment, read_history, read_status, record, show
from plimsoll.status.verdicts import errands, identities

WIDTH = 160  # columns where no terminal tells


@dataclass(frozen=True)
class Options:
    """The command's options, see scripts/status.py."""

    manifest: Path
    rpc: str | None = None
    network: str | None = None
    worst: int = 10
    blocks: int = 7_200
    journal: Path | None = None
    check: bool = False
    as_json: bool = False


def run(options: Options) -> int:
    """The whole command; every expected failure becomes a line on stderr and an exit code."""
    from plimsoll.deployment.manifest import ManifestError

    try:
        return _run(options)
    except (ManifestError, Usage, NoDeployment) as exc:
        return fail(USAGE, exc)
    except (RpcUnavailable, RpcError) as exc:
        return fail(UNAVAILABLE, exc)
    except JournalBusy as exc:
        return fail(REFUSED, exc)


def _run(options: Options) -> int:
    from plimsoll.deployment.manifest import Manifest

    if options.worst < 0 or options.blocks < 1:
        raise Usage("--worst, --blocks: expected no negative number, and a block at least")
    manifest = Manifest.load(options.manifest)
    names = [market.name for market in manifest.settings().markets]
    with reader(manifest, options.rpc, options.network) as node:
        engine = manifest.addresses().get("MarginEngine", "")
        journal = Journal(options.journal, engine, manifest.block)
        try:
            block, now = node.head()
            for name in node.follow_engine(block):
                note(f"the engine has another {name} than the manifest: {node.addresses[name]}")
            history = read_history(node, journal, block, options.blocks, note)
            snapshot = read_status(node, history, names, block, now)
        finally:
            journal.close()
    if options.as_json:
        print(json.dumps(record(snapshot, options.worst), indent=2))
    else:
        from rich.console import Console

        show(snapshot, Console(width=None if sys.stdout.isatty() else WIDTH), options.worst)
    broken = [one for one in identities(snapshot) if not one.holds]
    return FAILED if broken or (options.check and errands(snapshot)) else OK
