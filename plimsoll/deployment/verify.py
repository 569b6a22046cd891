"""Reads a deployment back from its chain: code with immutables, every role, every setting.

Independent of how it got there: only the plan's addresses and configuration are believed.
A finding that is not `ok` says what was expected and what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak

from plimsoll.deployment.abi import FACTORY, artifact, calldata, decoder
from plimsoll.deployment.chain import CallReverted, Chain, checksummed
from plimsoll.deployment.config_types import ZERO
from plimsoll.deployment.create3 import proxy_address, salt_of
from plimsoll.deployment.plan import CONTRACTS, OWNED, Plan, Step, role
from plimsoll.evm.abi import to_address

ROLES = ("PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE")
ADMIN = bytes(32)  # DEFAULT_ADMIN_ROLE
# EIP-712 domains (name, version) and share token of the contracts that have them.
DOMAINS = {
    "OracleAdapter": ("Plimsoll Oracle", "1"),
    "ImpliedSurfaces": ("Plimsoll Surfaces", "1"),
    "SignedOrders": ("Plimsoll SignedOrders", "1"),
    "InsuranceFund": ("Plimsoll Insurance Fund", "1"),
}
SHARE = {"name": "Plimsoll Insurance Fund", "symbol": "plINS", "decimals": 12}
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
# Immutable -> constructor argument, where their names differ.
ARGUMENTS = {
    ("OracleAdapter", "NEXT"): "admin",
    ("MarginEngine", "NEXT"): "liquidation",
    ("MarginEngineLiquidation", "NEXT"): "admin",
    ("MarginEngineAdmin", "NEXT"): "deleveraging",
    ("MarginEngineDeleveraging", "NEXT"): "legs",
    ("LiquidationAuction", "NEXT"): "offers",
    ("InsuranceFund", "asset"): "quote_token",
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `what` names it; `expected` and `got` are for people."""

    what: str
    ok: bool
    expected: str = ""
    got: str = ""

    def __str__(self) -> str:
        if self.ok:
            return f"ok   {self.what}"
        return f"FAIL {self.what}: expected {self.expected}, got {self.got}"


def verify(plan: Plan, chain: Chain, first_block: int = 0) -> list[Finding]:
    """Every finding. `first_block`: from where logs are read, where the chain gives any."""
    checker = _Verifier(plan, chain, first_block)
    findings = list(checker.code())
    if all(finding.ok for finding in findings):
        findings += [*checker.owners(), *checker.roles(), *checker.history(), *checker.settings()]
    return findings


def failures(findings: list[Finding]) -> list[Finding]:
    """Those that are not ok."""
    return [finding for finding in findings if not finding.ok]


class _Verifier:
    def __init__(self, plan: Plan, chain: Chain, first_block: int) -> None:
        self.plan = plan
        self.chain = chain
        self.first_block = first_block
        self.timelock = plan.addresses["Timelock"]

    def _read(self, contract: str, function: str, *args: Any) -> Any:
        data = calldata(contract, function, *args)
        return decoder(contract, function)(self.chain.call(self.plan.addresses[contract], data))

    def _same(self, what: str, expected: Any, got: Any) -> Finding:
        return Finding(what, expected == got, str(expected), str(got))

    # -- code

    def code(self) -> Iterator[Finding]:
        """Every contract's code is what the sources build, with the immutables of the plan."""
        for step in self.plan.steps:
            if step.address is not None:
                yield from self._code_of(step)

    def _code_of(self, step: Step) -> Iterator[Finding]:
        assert step.address is not None
        built, code = artifact(step.contract), self.chain.code(step.address)
        what = f"{step.contract} at {step.address}"
        if not code:
            yield Finding(f"{what}: code", False, f"{built.runtime_size} bytes", "no code")
            return
        leaves = list(_leaves(built.storage_layout.get("code_layout", {})))
        fixed = built.runtime_size - sum(size for _, _, size in leaves)
        same = len(code) == built.runtime_size and code[:fixed] in built.initcode
        yield Finding(
            f"{what}: code",
            same,
            f"the {built.runtime_size} bytes that the sources build",
            f"{len(code)} other bytes",
        )
        if same:
            yield from self._immutables(step, leaves, code[fixed:])

    def _immutables(
        self, step: Step, leaves: list[tuple[str, int, int]], words: bytes
    ) -> Iterator[Finding]:
        expected = self._expected(step)
        for name, offset, size in leaves:
            got = words[offset : offset + size]
            what = f"{step.contract}.{name} (immutable)"
            if name not in expected:
                yield Finding(what, False, "a name that plimsoll.deployment.verify knows", name)
                continue
            wanted = _packed(expected[name])
            padded = wanted.ljust(size, b"\0")
            yield Finding(what, got == padded, "0x" + padded.hex(), "0x" + got.hex())

    def _expected(self, step: Step) -> dict[str, Any]:
        """Immutable's name -> value."""
        values: dict[str, Any] = {name.lower(): value for name, value in step.args}
        found: dict[str, Any] = {}
        for name, _, _ in _leaves(artifact(step.contract).storage_layout.get("code_layout", {})):
            argument = ARGUMENTS.get((step.contract, name), name.lower())
            if argument in values:
                found[name] = values[argument]
        if step.contract == FACTORY:
            found["creator"] = self.plan.account
        if step.contract in DOMAINS:
            assert step.address is not None
            found |= _domain(*DOMAINS[step.contract], self.plan.chain_id, step.address)
        if step.contract == "InsuranceFund":
            found |= SHARE
        return found

    # -- who may what

    def owners(self) -> Iterator[Finding]:
        """The timelock owns every contract that has an owner, and no other owner waits."""
        for name in OWNED:
            yield self._same(f"{name}.owner", self.timelock, self._read(name, "owner"))
            yield self._same(f"{name}.pending_owner", ZERO, self._read(name, "pending_owner"))

    def roles(self) -> Iterator[Finding]:
        """The timelock's roles, guardian, treasury, matchers; nothing for who deployed."""
        settings, chain = self.plan.config, self.chain
        timelock = settings.timelock
        wanted: dict[str, list[str]] = {
            "PROPOSER_ROLE": timelock.proposers,
            "CANCELLER_ROLE": [*timelock.proposers, *timelock.cancellers],
            "EXECUTOR_ROLE": timelock.executors or [ZERO],
        }
        for name, holders in wanted.items():
            for holder in holders:
                has = self._read("Timelock", "hasRole", role(name), holder)
                kind = "contract" if chain.code(holder) else "account"
                yield self._same(f"Timelock: {kind} {holder} has {name}", True, has)
        own = self._read("Timelock", "hasRole", ADMIN, self.timelock)
        yield self._same("Timelock: administers itself", True, own)
        yield from self._nothing_left()
        delays = {
            "get_minimum_delay": timelock.delay_seconds,
            "delay_floor": timelock.delay_floor_seconds,
            "grace_period": timelock.grace_seconds,
        }
        for name, seconds in delays.items():
            yield self._same(f"Timelock.{name}", seconds, self._read("Timelock", name))
        for name in ("MarginEngine", "OracleAdapter", "ImpliedSurfaces"):
            guardian = settings.roles.guardian
            yield self._same(f"{name}.guardian", guardian, self._read(name, "guardian"))
        treasury = checksummed(f"0x{self._read('MarginEngine', 'fee_split') % 2**160:040x}")
        yield self._same("MarginEngine: treasury", settings.roles.treasury, treasury)
        venue = self._read("MarginEngine", "house_venue")
        yield self._same("MarginEngine.house_venue", self.plan.addresses["SignedOrders"], venue)
        for matcher in settings.roles.matchers:
            has = self._read("SignedOrders", "matchers", matcher)
            yield self._same(f"SignedOrders: {matcher} is a matcher", True, has)

    def _nothing_left(self) -> Iterator[Finding]:
        """Neither the deployer, nor the factory, nor any creation proxy holds anything."""
        plan = self.plan
        leftovers = {"the deployer": plan.account, "the factory": plan.factory}
        for name in CONTRACTS:
            proxy = proxy_address(plan.factory, salt_of(plan.name, name))
            leftovers[f"the proxy of {name}"] = proxy
        for who, address in leftovers.items():
            held = [
                name
                for name, role_id in (("ADMIN", ADMIN), *((one, role(one)) for one in ROLES))
                if self._read("Timelock", "hasRole", role_id, address)
            ]
            if self._read("SignedOrders", "matchers", address):
                held.append("matcher")
            if self._read("MarginEngine", "venues", address):
                held.append("venue")
            yield self._same(f"{who} holds nothing", [], held)

    def history(self) -> Iterator[Finding]:
        """From the logs: no other operation waits, and nobody else holds a role."""
        scheduled = keccak(
            text="CallScheduled(bytes32,uint256,address,uint256,bytes,bytes32,uint256)"
        )
        logs = self.chain.logs(self.timelock, [scheduled], self.first_block)
        if logs is not None:
            ids = {"0x" + bytes(log["topics"][1]).hex() for log in logs}
            state = calldata("Timelock", "get_operation_state", b"".ljust(32, b"\0"))[:4]
            open_ids = sorted(
                one
                for one in ids - {"0x" + self.plan.operation.hex()}
                if int.from_bytes(
                    self.chain.call(self.timelock, state + bytes.fromhex(one[2:])), "big"
                )
                in (2, 4)
            )
            yield self._same("Timelock: no other operation waits", [], open_ids)
        yield from self._role_history()

    def _role_history(self) -> Iterator[Finding]:
        granted = keccak(text="RoleGranted(bytes32,address,address)")
        revoked = keccak(text="RoleRevoked(bytes32,address,address)")
        logs = self.chain.logs(self.timelock, [granted, revoked], self.first_block)
        if logs is None:
            return
        held: set[tuple[bytes, str]] = set()
        for log in logs:
            topics = [bytes(topic) for topic in log["topics"]]
            pair = (topics[1], checksummed("0x" + topics[2][12:].hex()))
            (held.add if topics[0] == granted else held.discard)(pair)
        timelock = self.plan.config.timelock
        wanted = {(role("PROPOSER_ROLE"), who) for who in timelock.proposers}
        both = [*timelock.proposers, *timelock.cancellers]
        wanted |= {(role("CANCELLER_ROLE"), who) for who in both}
        wanted |= {(role("EXECUTOR_ROLE"), who) for who in timelock.executors or [ZERO]}
        wanted.add((ADMIN, self.timelock))
        extra = sorted(who for _, who in held ^ wanted)
        yield self._same("Timelock: role holders are exactly those configured", [], extra)

    # -- settings

    def settings(self) -> Iterator[Finding]:
        """Everything that the plan set reads back as set."""
        for step in self.plan.steps:
            if step.kind != "call" or step.contract == "Timelock":
                continue
            if step.text.startswith("offer "):
                continue
            for check in step.done:
                try:
                    got = str(check.read(self.chain))
                except CallReverted as exc:
                    got = exc.text
                wanted = str(dict(check.expected))
                yield Finding(
                    f"{step.text}: {check.function}", check.holds(self.chain), wanted, got
                )


def _leaves(layout: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    """(name, offset, bytes) of every immutable; modules nest."""
    for name, entry in layout.items():
        if isinstance(entry, dict) and isinstance(entry.get("length"), int) and "offset" in entry:
            yield name, int(entry["offset"]), int(entry["length"])
        elif isinstance(entry, dict):
            yield from _leaves(entry)


def _packed(value: Any) -> bytes:
    """One immutable as Vyper lays it out: a word, or length and text."""
    if isinstance(value, bytes):
        return value.rjust(32, b"\0")
    if isinstance(value, str) and value.startswith("0x"):
        return to_address(value).rjust(32, b"\0")
    if isinstance(value, str):
        return len(value).to_bytes(32, "big") + value.encode()
    return int(value).to_bytes(32, "big")


def _domain(name: str, version: str, chain_id: int, address: str) -> dict[str, Any]:
    """Immutables of snekmate's eip712_domain_separator."""
    hashed, version_hash = keccak(text=name), keccak(text=version)
    separator = keccak(
        abi_encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [keccak(text=DOMAIN_TYPE), hashed, version_hash, chain_id, address],
        )
    )
    return {
        "_CACHED_DOMAIN_SEPARATOR": separator,
        "_CACHED_CHAIN_ID": chain_id,
        "_CACHED_SELF": address,
        "_NAME": name,
        "_HASHED_NAME": hashed,
        "_VERSION": version,
        "_HASHED_VERSION": version_hash,
    }
