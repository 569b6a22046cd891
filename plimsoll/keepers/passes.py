"""What one pass of the liquidator saw and did, in JSON and in lines for people."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from plimsoll.keepers.decisions import Decision, Facts, name_of
from plimsoll.keepers.outbox import Landed


@dataclass
class Pass:
    """What one pass saw and did."""

    block: int
    accounts: int
    new_accounts: int
    scan_seconds: float
    decisions: list[Decision] = field(default_factory=list)
    outcomes: list[Landed] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether something needs a person: a transaction refused by the node itself."""
        return any(one.status == "refused" for one in self.outcomes)

    def record(self) -> dict[str, Any]:
        """In JSON types."""
        return {
            "schema": 1,
            "block": self.block,
            "accounts": self.accounts,
            "new_accounts": self.new_accounts,
            "scan_seconds": round(self.scan_seconds, 3),
            "decisions": [one.record() for one in self.decisions],
            "transactions": [
                {
                    "account": hex(one.job.key[0]) if one.job is not None else None,
                    "move": one.job.label if one.job is not None else None,
                    "status": one.status,
                    "hash": one.hash,
                    "gas_used": one.gas_used,
                    "text": one.text,
                }
                for one in self.outcomes
            ],
        }


def worked(outcome: Landed, kind: str) -> bool:
    """Whether it is a transaction of this kind that was mined and worked."""
    return outcome.job is not None and outcome.job.label == kind and outcome.status == "mined"


def told(outcome: Landed) -> str:
    """One line for people."""
    assert outcome.job is not None
    account = outcome.job.key[0]
    who = f"account {name_of(account)}" if account else "house"
    text = f"{who} {outcome.job.label}: {outcome.status}"
    if outcome.hash:
        text += f" {outcome.hash}"
    if outcome.gas_used:
        text += f" in block {outcome.block}, {outcome.gas_used:,} gas"
    return f"{text}: {outcome.text}" if outcome.text else text


def outdone(decision: Decision) -> Decision:
    """The same, not made: something else pays more."""
    return replace(decision, go=False, reason="skipped: another move pays more")


def unreadable(account: int, text: str = "its margin cannot be read") -> Decision:
    """An account that nothing is known about."""
    return Decision(account, "wait", False, text, 0, 0)


def in_flight(facts: Facts) -> Decision:
    """An account left alone until its transaction has landed."""
    reason = "a transaction for it is still in flight"
    return Decision(facts.account, "wait", False, reason, facts.equity, facts.requirement)
