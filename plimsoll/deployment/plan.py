"""The ordered list of steps of a deployment, built from the configuration and predicted addresses.

Nothing here talks to a chain. Every step knows how to see that it is done already (code at an
address, a value read back), so a plan that was cut off anywhere goes on where it stopped.

Who owns what on the way. Every contract is created with the deploying account as owner, configured
by plain calls, and offered to the timelock (`transfer_ownership`, two-step). The last transaction
is one timelock batch: accept the ownership of every contract, take the proposer and canceller roles
away from the deployer, raise the delay from its floor to the configured one. Why this way and not
the timelock as owner from the start with all configuration in batches: a batch takes 32 calls of
1,024 bytes (a feed with four sources is longer), is all or none within one transaction's gas, and a
failed one can only be proposed anew; plain calls resume singly. And handing over is atomic: before
the batch the deployer owns everything and nothing is in use, after it the deployer holds nothing;
no state between the two exists. `verify` reads every role afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_utils.crypto import keccak

from plimsoll.deployment.abi import FACTORY, creation_code
from plimsoll.deployment.config import Deployment
from plimsoll.deployment.config_types import ZERO
from plimsoll.deployment.configure import configure
from plimsoll.deployment.handover import OWNED, hand_over, operation_id, role
from plimsoll.deployment.steps import CONTRACTS, Check, PlanError, Step, Steps

__all__ = [
    "CONTRACTS",
    "OWNED",
    "Check",
    "Plan",
    "PlanError",
    "Step",
    "build_plan",
    "operation_id",
    "role",
]


@dataclass(frozen=True)
class Plan:
    """All steps. `addresses` has every contract by name, the factory included."""

    name: str
    chain_id: int
    account: str
    factory: str
    config: Deployment
    addresses: Mapping[str, str]
    steps: tuple[Step, ...]
    sealed: Check  # holds once the hand-over is done: from then on nothing is left to do
    operation: bytes  # id of the timelock batch
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        body = b"".join(step.digest() for step in self.steps)
        head = f"{self.name}|{self.chain_id}|{self.account}".encode()
        object.__setattr__(self, "hash", "0x" + keccak(head + body).hex())


def build_plan(config: Deployment, account: str, factory: str) -> Plan:
    """The plan for `account` with the factory at (or soon at) `factory`. Raises `PlanError`."""
    _refuse_deployer_roles(config, account)
    steps = Steps(config.name, factory)
    initcode = creation_code(FACTORY)
    steps.listed.append(
        Step("factory", FACTORY, "create the factory", data=initcode, address=factory)
    )
    for name, args in _constructors(config, steps.at, account).items():
        steps.create(name, args)
    configure(steps, config)
    sealed, operation = hand_over(steps, config, account)
    return Plan(
        name=config.name,
        chain_id=config.chain_id,
        account=account,
        factory=factory,
        config=config,
        addresses={FACTORY: factory, **steps.at},
        steps=tuple(steps.listed),
        sealed=sealed,
        operation=operation,
    )


def _refuse_deployer_roles(config: Deployment, account: str) -> None:
    roles, timelock = config.roles, config.timelock
    named = {
        "roles.guardian": [roles.guardian],
        "roles.treasury": [roles.treasury],
        "roles.matchers": roles.matchers,
        "timelock.proposers": timelock.proposers,
        "timelock.executors": timelock.executors,
        "timelock.cancellers": timelock.cancellers,
    }
    for path, holders in named.items():
        if account in holders:
            raise PlanError(
                f"{path}: expected anybody but the deployer {account}, which must "
                "hold nothing in the end; name another address or deploy from another account"
            )


def _constructors(
    config: Deployment, at: Mapping[str, str], owner: str
) -> dict[str, dict[str, Any]]:
    """Arguments of every constructor by parameter name (without a trailing underscore)."""
    timelock = config.timelock
    # Anybody may execute where no executor is named; else the deployer must too, until the end.
    executors = [*timelock.executors, owner] if timelock.executors else [ZERO]
    vault, engine = at["CollateralVault"], at["MarginEngine"]
    quote, guardian = config.quote_token, config.roles.guardian
    return {
        "Timelock": {
            "minimum_delay": timelock.delay_floor_seconds,  # raised by the hand-over
            "delay_floor": timelock.delay_floor_seconds,
            "grace_period": timelock.grace_seconds,
            "proposers": [*timelock.proposers, owner],
            "executors": executors,
            "cancellers": timelock.cancellers,
        },
        "OracleAdmin": {},
        "OracleAdapter": {"owner": owner, "guardian": guardian, "admin": at["OracleAdmin"]},
        "ImpliedSurfaces": {"oracle": at["OracleAdapter"], "owner": owner, "guardian": guardian},
        "StandardMargin": {"oracle": at["OracleAdapter"], "engine": engine, "owner": owner},
        "CollateralVault": {"engine": engine, "quote_token": quote, "owner": owner},
        "MarginEngineLegs": {"vault": vault},
        "MarginEngineDeleveraging": {"vault": vault, "legs": at["MarginEngineLegs"]},
        "MarginEngineAdmin": {"vault": vault, "deleveraging": at["MarginEngineDeleveraging"]},
        "MarginEngineLiquidation": {"vault": vault, "admin": at["MarginEngineAdmin"]},
        "MarginEngine": {
            "vault": vault,
            "liquidation": at["MarginEngineLiquidation"],
            "venue": at["SignedOrders"],
            "owner": owner,
            "guardian": guardian,
        },
        "InsuranceFund": {
            "engine": engine,
            "quote_token": quote,
            "auction": at["LiquidationAuction"],
            "owner": owner,
        },
        "LiquidationAuctionOffers": {"engine": engine, "fund": at["InsuranceFund"]},
        "LiquidationAuction": {
            "engine": engine,
            "fund": at["InsuranceFund"],
            "offers": at["LiquidationAuctionOffers"],
            "governance": owner,
            "first": config.auction.struct(),
        },
        "SignedOrders": {
            "engine": engine,
            "oracle": at["OracleAdapter"],
            "governance": owner,
        },
    }
