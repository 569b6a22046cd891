"""What `ape run propose` does between its options and its exit code."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plimsoll.console import FAILED, OK, REFUSED, UNAVAILABLE, USAGE, fail, note
from plimsoll.governance.document import DocumentError, load_document
from plimsoll.governance.proposal import Drifted, Proposal, build, current
from plimsoll.keepers.access import URL_VARIABLE
from plimsoll.localnet.errors import AnvilFailed, AnvilNotFound, RpcError, RpcUnavailable

STATES = {1: "unset", 2: "waiting", 4: "ready", 8: "done", 16: "expired", 32: "cancelled"}


class Usage(ValueError):
    """The options do not make sense."""


@dataclass(frozen=True)
class Options:
    """The command's options, see scripts/propose.py."""

    file: Path
    manifest: Path
    rpc: str | None = None
    proposer: str | None = None
    out: Path | None = None
    verify: bool = False
    simulate: bool = True
    max_newly: int = 0
    as_json: bool = False


def run(options: Options) -> int:
    """The whole command; every expected failure becomes a line on stderr and an exit code."""
    from plimsoll.deployment.manifest import ManifestError

    try:
        return _run(options)
    except (DocumentError, ManifestError, Usage) as exc:
        return fail(USAGE, exc)
    except (RpcUnavailable, RpcError, AnvilFailed, AnvilNotFound) as exc:
        return fail(UNAVAILABLE, exc)
    except Drifted as exc:
        return fail(REFUSED, exc)


def _run(options: Options) -> int:
    from plimsoll.deployment.manifest import Manifest
    from plimsoll.governance import render
    from plimsoll.keepers.node import Node
    from plimsoll.localnet.rpc import Rpc

    document = load_document(options.file)
    manifest = Manifest.load(options.manifest)
    url = options.rpc or os.environ.get(URL_VARIABLE)
    if not url:
        raise Usage(f"no node: pass --rpc URL or set {URL_VARIABLE}")
    rpc = Rpc(url)
    if (found := rpc.chain_id()) != manifest.chain_id:
        raise Usage(f"expected chain {manifest.chain_id} as in the manifest, got {found}")
    node, settings = Node(rpc, manifest.addresses()), manifest.settings()
    if options.verify:
        return _verify(options, document, node, settings)
    proposer = options.proposer or settings.timelock.proposers[0]
    proposal = build(document, node, settings, proposer)
    if proposal.unchanged:
        print(render.NO_CHANGE)
        return FAILED
    state = STATES[node.view("Timelock", "get_operation_state", proposal.operation)]
    rehearsal = None
    if options.simulate:
        from plimsoll.governance.simulate import rehearse

        note("rehearsing on a fork")
        rehearsal = rehearse(proposal, url, manifest.addresses(), settings, manifest.block)
        if len(rehearsal.newly) > options.max_newly:
            rehearsal.problems.append(
                f"{len(rehearsal.newly)} accounts become liquidatable, at most "
                f"{options.max_newly} are allowed (--max-newly)"
            )
    if options.out is not None:
        _write(options.out, proposal, rehearsal)
    record = {
        "digest": proposal.digest(),
        "operation_state": state,
        "proposal": proposal.record(),
        "rehearsal": rehearsal.record() if rehearsal is not None else None,
    }
    if options.as_json:
        print(json.dumps(record, indent=2))
    else:
        print(render.text(proposal, rehearsal, state))
    return FAILED if rehearsal is not None and rehearsal.problems else OK


def _write(folder: Path, proposal: Proposal, rehearsal: Any) -> None:
    """The files to hand around; the rehearsal apart, since it depends on the block."""
    from plimsoll.governance import render

    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "proposal.json": {**proposal.record(), "digest": proposal.digest()},
        "schedule.safe.json": proposal.safe_file("schedule"),
        "execute.safe.json": proposal.safe_file("execute"),
    }
    if rehearsal is not None:
        files["rehearsal.json"] = rehearsal.record()
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    (folder / "diff.md").write_text(render.markdown(proposal))
    note(f"written to {folder}: {', '.join(sorted([*files, 'diff.md']))}")


def _verify(options: Options, document: Any, node: Any, settings: Any) -> int:
    """After execution: does the chain have the new values?"""
    flipped = document.model_copy(
        update={
            "changes": [
                change.model_copy(update={"old": change.new}) for change in document.changes
            ]
        }
    )
    try:
        proposal = build(flipped, node, settings, settings.timelock.proposers[0])
    except Drifted as exc:
        for line in str(exc).splitlines():
            print(line.replace("; look again before proposing", ""))
        print("NOT IN FORCE: the chain does not have the new values")
        return FAILED
    for item, (_, text) in zip(
        proposal.items, current(proposal.items, proposal.calls, node), strict=True
    ):
        print(f"{item.path}: {text}")
    print("in force: every new value is on chain")
    return OK
