"""The hand-over: every contract to the timelock, the deployer's roles taken away, in one batch."""

from __future__ import annotations

from collections.abc import Sequence

from eth_utils.crypto import keccak

from plimsoll.deployment.abi import calldata
from plimsoll.deployment.config import Deployment
from plimsoll.deployment.steps import Check, Step, Steps
from plimsoll.deployment.words import NotZero

# Contracts with an owner; all end with the timelock.
OWNED = (
    "OracleAdapter",
    "ImpliedSurfaces",
    "StandardMargin",
    "CollateralVault",
    "MarginEngine",
    "InsuranceFund",
    "LiquidationAuction",
    "SignedOrders",
)
DONE = 8  # a timelock operation's state
NO_PREDECESSOR = bytes(32)


def role(name: str) -> bytes:
    """Id of one of the timelock's roles."""
    return keccak(text=name)


def hand_over(steps: Steps, config: Deployment, account: str) -> tuple[Check, bytes]:
    """The last steps; returns the check that holds once all is done, and the batch's id."""
    timelock = steps.at["Timelock"]
    for name in OWNED:
        steps.call(
            name,
            "transfer_ownership",
            timelock,
            read=("pending_owner", ()),
            value=timelock,
            text=f"offer {name} to the timelock",
        )
    batch = _batch(steps, config, account)
    delay = config.timelock.delay_floor_seconds
    operation = operation_id(*batch)
    done = steps.check("Timelock", "get_operation_state", (operation,), whole=DONE)
    steps.listed.append(
        Step(
            "call",
            "Timelock",
            "propose the hand-over",
            to=timelock,
            data=calldata("Timelock", "schedule_batch", *batch, delay),
            done=(steps.check("Timelock", "get_timestamp", (operation,), whole=NotZero()),),
        )
    )
    steps.listed.append(
        Step(
            "execute",
            "Timelock",
            "execute the hand-over",
            to=timelock,
            data=calldata("Timelock", "execute_batch", *batch),
            done=(done,),
            ready=steps.check("Timelock", "get_timestamp", (operation,)),
        )
    )
    return done, operation


def _batch(
    steps: Steps, config: Deployment, account: str
) -> tuple[list[str], list[int], list[bytes], bytes, bytes]:
    timelock = steps.at["Timelock"]
    calls = [(steps.at[name], calldata(name, "accept_ownership")) for name in OWNED]
    held = ["PROPOSER_ROLE", "CANCELLER_ROLE"]
    if config.timelock.executors:
        held.append("EXECUTOR_ROLE")
    calls += [(timelock, calldata("Timelock", "revokeRole", role(name), account)) for name in held]
    delay = config.timelock.delay_seconds
    if delay != config.timelock.delay_floor_seconds:
        calls.append((timelock, calldata("Timelock", "update_delay", delay)))
    targets, payloads = [to for to, _ in calls], [data for _, data in calls]
    return targets, [0] * len(calls), payloads, NO_PREDECESSOR, steps.salt("hand-over")


def operation_id(
    targets: Sequence[str],
    amounts: Sequence[int],
    payloads: Sequence[bytes],
    predecessor: bytes,
    salt: bytes,
) -> bytes:
    """Id of a timelock batch: keccak256 of its ABI-encoded arguments."""
    packed = calldata(
        "Timelock", "hash_operation_batch", targets, amounts, payloads, predecessor, salt
    )
    return keccak(packed[4:])
