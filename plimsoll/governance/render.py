"""A proposal for people."""

from __future__ import annotations

from typing import Any

from plimsoll.governance.proposal import Proposal

NO_CHANGE = (
    "NO CHANGE: every value named is on chain already; there is nothing to propose.\n"
    "Nothing was written."
)
HEADERS = ("parameter", "old", "new", "change")


def _rows(proposal: Proposal) -> list[tuple[str, ...]]:
    return [
        (
            item.path,
            item.old_text,
            item.new_text,
            item.percent if item.old != item.new else "NO CHANGE",
        )
        for item in proposal.items
    ]


def text(proposal: Proposal, rehearsal: Any, state: str) -> str:
    """The table, the calls, the identifiers and the rehearsal."""
    rows = [HEADERS, *_rows(proposal)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADERS))]
    lines = [proposal.document.title, ""]
    for row in rows:
        lines.append("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    lines += ["", "calls, decoded from their calldata:"]
    lines += [f"  {n}. {call.text()}" for n, call in enumerate(proposal.calls, 1)]
    lines += [
        "",
        f"timelock   {proposal.timelock}, delay {proposal.delay} s",
        f"proposer   {proposal.proposer}",
        f"operation  0x{proposal.operation.hex()} ({state})",
        f"salt       0x{proposal.salt.hex()}",
        f"digest     {proposal.digest()}",
    ]
    if rehearsal is not None:
        lines += ["", *_rehearsed(rehearsal)]
    return "\n".join(lines)


def _rehearsed(rehearsal: Any) -> list[str]:
    before, after = rehearsal.before, rehearsal.after
    lines = [
        f"rehearsed on a fork at block {rehearsal.block}, {rehearsal.accounts} accounts:",
        f"  liquidatable before {before.count} ({before.notional_usd} USD), "
        f"after, ramps over, {after.count} ({after.notional_usd} USD)",
        f"  gas: schedule {rehearsal.gas_schedule:,}, execute {rehearsal.gas_execute:,}",
    ]
    lines += [f"  newly liquidatable: {one}" for one in rehearsal.newly[:20]]
    lines += [
        f"  on the fork: {one['path']} {one['old']} -> {one['new']}" for one in rehearsal.state
    ]
    lines += [f"  PROBLEM: {one}" for one in rehearsal.problems]
    return lines


def markdown(proposal: Proposal) -> str:
    """diff.md: the table with reasons; the same bytes for the same inputs."""
    lines = [f"# {proposal.document.title}", ""]
    if proposal.document.description:
        lines += [proposal.document.description, ""]
    lines += ["| parameter | old | new | change | why |", "|---|---|---|---|---|"]
    for row, item in zip(_rows(proposal), proposal.items, strict=True):
        lines.append(f"| `{row[0]}` | {row[1]} | {row[2]} | {row[3]} | {item.rationale} |")
    lines += ["", "Calls:", ""]
    lines += [f"- `{call.text()}`" for call in proposal.calls]
    lines += [
        "",
        f"Operation `0x{proposal.operation.hex()}`, digest `{proposal.digest()}`.",
        "",
    ]
    return "\n".join(lines)
