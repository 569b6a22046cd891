"""Steps of a deployment, and how each is seen to be done already.

Nothing here talks to a chain unless asked to: a step says what it sends, a check what to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from plimsoll.compiler import MAX_RUNTIME_BYTES
from plimsoll.deployment.abi import (
    FACTORY,
    artifact,
    calldata,
    constructor_names,
    creation_code,
    decoder,
)
from plimsoll.deployment.chain import CallReverted, Chain
from plimsoll.deployment.create3 import create3_address, salt_of
from plimsoll.evm import MAX_INITCODE_BYTES

# In the order of their creation; each name is also its salt.
CONTRACTS = (
    "Timelock",
    "OracleAdmin",
    "OracleAdapter",
    "ImpliedSurfaces",
    "StandardMargin",
    "CollateralVault",
    "MarginEngineLegs",
    "MarginEngineDeleveraging",
    "MarginEngineAdmin",
    "MarginEngineLiquidation",
    "MarginEngine",
    "InsuranceFund",
    "LiquidationAuctionOffers",
    "LiquidationAuction",
    "SignedOrders",
)


class PlanError(ValueError):
    """The configuration cannot be deployed as it is."""


@dataclass(frozen=True)
class Check:
    """A view and what it must return for the step to be done.

    `expected` maps field names (or "" for the whole value) to values; an address may be given as
    text. A revert means that it is not.
    """

    contract: str
    to: str
    function: str
    args: tuple[Any, ...]
    expected: Mapping[str, Any]

    def read(self, chain: Chain) -> Any:
        """The decoded value; raises `CallReverted`."""
        reply = chain.call(self.to, calldata(self.contract, self.function, *self.args))
        if not reply:
            raise CallReverted(b"")  # no contract there yet
        return decoder(self.contract, self.function)(reply)

    def holds(self, chain: Chain) -> bool:
        """Whether the chain says so."""
        try:
            value = self.read(chain)
        except CallReverted:
            return False
        return all(
            (getattr(value, name) if name else value) == wanted
            for name, wanted in self.expected.items()
        )


@dataclass(frozen=True)
class Step:
    """One transaction (or, for `await`, a condition that somebody else must bring about).

    kind: `factory` (create the factory), `create` (a contract through it), `call`, `await`,
    `execute` (the timelock operation; waits for `ready` first).
    `text` says it for people; `contract` and `args` are what it is about.
    """

    kind: str
    contract: str
    text: str
    to: str | None = None
    data: bytes = b""
    address: str | None = None  # of what is created
    initcode: bytes = b""
    args: tuple[tuple[str, Any], ...] = ()
    done: tuple[Check, ...] = ()
    ready: Check | None = None

    def is_done(self, chain: Chain) -> bool:
        """Whether the chain shows the step's outcome already."""
        if self.address is not None:
            return chain.code(self.address) != b""
        return all(check.holds(chain) for check in self.done)

    def digest(self) -> bytes:
        """Hash of everything that the step sends."""
        to = bytes.fromhex((self.to or "").removeprefix("0x"))
        return keccak(self.kind.encode() + b"|" + to + b"|" + keccak(self.data + self.initcode))


class Steps:
    """Collects steps, in order. `at`: the address every contract has or will have, by name."""

    def __init__(self, name: str, factory: str) -> None:
        self.name = name
        self.factory = factory
        self.at = {one: create3_address(factory, self.salt(one)) for one in CONTRACTS}
        self.listed: list[Step] = []

    def salt(self, name: str) -> bytes:
        """What makes an address of the factory this deployment's."""
        return salt_of(self.name, name)

    def create(self, name: str, named: Mapping[str, Any]) -> None:
        """A contract through the factory; `named`: constructor arguments. Raises `PlanError`."""
        wanted = constructor_names(name)
        if set(wanted) != set(named):
            raise PlanError(f"{name}: expected constructor arguments {wanted}, got {list(named)}")
        args = tuple((key, named[key]) for key in wanted)
        initcode = creation_code(name, *(value for _, value in args))
        size = artifact(name).runtime_size
        if size > MAX_RUNTIME_BYTES or len(initcode) > MAX_INITCODE_BYTES:
            raise PlanError(
                f"{name}: expected at most {MAX_RUNTIME_BYTES} bytes of code and "
                f"{MAX_INITCODE_BYTES} of creation code, got {size} and {len(initcode)}"
            )
        self.listed.append(
            Step(
                "create",
                name,
                f"create {name}",
                to=self.factory,
                data=calldata(FACTORY, "deploy", self.salt(name), initcode),
                address=self.at[name],
                initcode=initcode,
                args=args,
            )
        )

    def check(self, contract: str, function: str, args: Sequence[Any], **expected: Any) -> Check:
        """A view and its expected fields; `whole=` for the value itself."""
        wanted = {"" if name == "whole" else name: value for name, value in expected.items()}
        return Check(contract, self.at[contract], function, tuple(args), wanted)

    def call(
        self,
        contract: str,
        function: str,
        *args: Any,
        read: tuple[str, tuple[Any, ...]] | None = None,
        value: Any = True,
        done: Sequence[Check] = (),
        text: str | None = None,
    ) -> None:
        """A call, done when the view in `read` returns `value`, or when all of `done` hold."""
        checks = tuple(done)
        if read is not None:
            checks = (self.check(contract, read[0], read[1], whole=value),)
        self.listed.append(
            Step(
                "call",
                contract,
                text or f"{contract}.{function}",
                to=self.at[contract],
                data=calldata(contract, function, *args),
                args=tuple((str(i), arg) for i, arg in enumerate(args)),
                done=checks,
            )
        )
