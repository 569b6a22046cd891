"""Where the gas of one transaction goes: by contract and by kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from plimsoll.bench.house import House

INTRINSIC = 21_000
COLD_LOAD = 2_100
CALLS = ("CALL", "STATICCALL", "DELEGATECALL")
# Only what costs more than a warm access counts as a cold one; the rest is compute.
KINDS = (
    "intrinsic",
    "calldata",
    "cold accounts",
    "cold loads",
    "stores",
    "precompiles",
    "logs",
    "compute",
)


@dataclass(frozen=True)
class Breakdown:
    """Gas by (contract, kind); the transaction itself is the contract called "transaction"."""

    parts: dict[tuple[str, str], int]

    @property
    def total(self) -> int:
        """Gas of all parts."""
        return sum(self.parts.values())

    def contracts(self) -> list[str]:
        """Contracts by their gas, most first."""
        sums: Counter[str] = Counter()
        for (contract, _), gas in self.parts.items():
            sums[contract] += gas
        return [name for name, _ in sums.most_common()]

    def row(self, contract: str) -> list[int]:
        """Gas of each of `KINDS` in one contract."""
        return [self.parts.get((contract, kind), 0) for kind in KINDS]


def break_down(house: House, sender: str, contract: str, data: bytes) -> Breakdown:
    """Traces a call as it would run in the next block; nothing changes."""
    to = house.addresses[contract]
    trace = house.chain.steps(sender, to, data)
    names = {address.lower(): name for name, address in house.addresses.items()}
    parts: Counter[tuple[str, str]] = Counter()
    parts["transaction", "intrinsic"] = INTRINSIC
    parts["transaction", "calldata"] = sum(16 if byte else 4 for byte in data)
    _walk(trace["structLogs"], names, to.lower(), parts)
    return Breakdown(dict(parts))


def _walk(
    steps: list[dict[str, Any]], names: dict[str, str], first: str, parts: Counter[tuple[str, str]]
) -> None:
    """Adds each step's own gas, without that of calls below it, to the contract it runs in."""
    where = [first]
    called: list[int] = []  # steps that opened the frames above the first
    inside = [0]  # gas spent below each open frame's current call
    for number, (step, following) in enumerate(pairwise([*steps, {"depth": 0}])):
        contract = names.get(where[-1], where[-1])
        depth = step["depth"]
        if following["depth"] == depth + 1:
            called.append(number)
            where.append(_target(step))
            inside.append(0)
            continue
        cost = int(step["gasCost"])
        if following["depth"] == depth:
            cost = int(step["gas"]) - int(following["gas"])
        _add(parts, contract, step, cost)
        inside[-1] += cost
        if 0 < following["depth"] < depth:
            opener = steps[called.pop()]
            spent = inside.pop()
            where.pop()
            own = int(opener["gas"]) - int(following["gas"]) - spent
            _add(parts, names.get(where[-1], where[-1]), opener, own)
            inside[-1] += own + spent


def _target(step: dict[str, Any]) -> str:
    return "0x" + str(step["stack"][-2])[2:].rjust(40, "0")[-40:].lower()


def _add(parts: Counter[tuple[str, str]], contract: str, step: dict[str, Any], cost: int) -> None:
    """Splits one step's cost; what an access costs beyond being cold is compute."""
    op = step["op"]
    if op == "SSTORE":
        kind = "stores"
    elif op == "SLOAD" and cost >= COLD_LOAD:
        kind = "cold loads"
    elif op.startswith("LOG"):
        kind = "logs"
    elif op in CALLS and 0 < int(_target(step), 16) < 256:
        kind = "precompiles"
    elif op in (*CALLS, "EXTCODESIZE") and cost >= 2_600:
        kind = "cold accounts"
    else:
        kind = "compute"
    parts[contract, kind] += cost
