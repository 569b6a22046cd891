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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
from plimsoll.deployment.config import ZERO, Chainlink, Collateral, Deployment, Feed, Limiter
from plimsoll.deployment.create3 import create3_address, salt_of
from plimsoll.evm import MAX_INITCODE_BYTES

# In the order of their creation; each name is also its salt.
CONTRACTS = (
    "Timelock",
    "OracleAdapter",
    "StandardMargin",
    "CollateralVault",
    "MarginEngineAdmin",
    "MarginEngineLiquidation",
    "MarginEngine",
    "InsuranceFund",
    "LiquidationAuction",
    "SignedOrders",
)
# Contracts with an owner; all end with the timelock.
OWNED = (
    "OracleAdapter",
    "StandardMargin",
    "CollateralVault",
    "MarginEngine",
    "InsuranceFund",
    "LiquidationAuction",
    "SignedOrders",
)
AUCTION, FUND = 1, 2  # kinds of `MarginEngine.set_module`
DONE, READY, UNSET = 8, 4, 1  # timelock operation states
NO_PREDECESSOR = bytes(32)


class PlanError(ValueError):
    """The configuration cannot be deployed as it is."""


def role(name: str) -> bytes:
    """Id of one of the timelock's roles."""
    return keccak(text=name)


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
    return _Builder(config, account, factory).build()


class _Builder:
    def __init__(self, config: Deployment, account: str, factory: str) -> None:
        self.config = config
        self.account = account
        self.factory = factory
        self.at = {name: create3_address(factory, self._salt(name)) for name in CONTRACTS}
        self.steps: list[Step] = []

    def _salt(self, name: str) -> bytes:
        return salt_of(self.config.name, name)

    def build(self) -> Plan:
        self._refuse_deployer_roles()
        initcode = creation_code(FACTORY)
        self.steps.append(
            Step("factory", FACTORY, "create the factory", data=initcode, address=self.factory)
        )
        for name, args in self._constructors().items():
            self._create(name, args)
        self._oracle()
        self._margin()
        self._engine()
        self._vault()
        self._fund()
        for matcher in self.config.roles.matchers:
            self._call("SignedOrders", "set_matcher", matcher, True, read=("matchers", (matcher,)))
        sealed, operation = self._hand_over()
        return Plan(
            name=self.config.name,
            chain_id=self.config.chain_id,
            account=self.account,
            factory=self.factory,
            config=self.config,
            addresses={FACTORY: self.factory, **self.at},
            steps=tuple(self.steps),
            sealed=sealed,
            operation=operation,
        )

    # -- pieces

    def _refuse_deployer_roles(self) -> None:
        roles, timelock = self.config.roles, self.config.timelock
        named = {
            "roles.guardian": [roles.guardian],
            "roles.treasury": [roles.treasury],
            "roles.matchers": roles.matchers,
            "timelock.proposers": timelock.proposers,
            "timelock.executors": timelock.executors,
            "timelock.cancellers": timelock.cancellers,
        }
        for path, holders in named.items():
            if self.account in holders:
                raise PlanError(
                    f"{path}: expected anybody but the deployer {self.account}, which must "
                    "hold nothing in the end; name another address or deploy from another account"
                )

    def _constructors(self) -> dict[str, dict[str, Any]]:
        """Arguments of every constructor by parameter name (without a trailing underscore)."""
        at, config, owner = self.at, self.config, self.account
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
            "OracleAdapter": {"owner": owner, "guardian": guardian},
            "StandardMargin": {"oracle": at["OracleAdapter"], "engine": engine, "owner": owner},
            "CollateralVault": {"engine": engine, "quote_token": quote, "owner": owner},
            "MarginEngineAdmin": {"vault": vault},
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
            "LiquidationAuction": {
                "engine": engine,
                "fund": at["InsuranceFund"],
                "governance": owner,
                "first": config.auction.struct(),
            },
            "SignedOrders": {
                "engine": engine,
                "oracle": at["OracleAdapter"],
                "governance": owner,
            },
        }

    def _create(self, name: str, named: dict[str, Any]) -> None:
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
        self.steps.append(
            Step(
                "create",
                name,
                f"create {name}",
                to=self.factory,
                data=calldata(FACTORY, "deploy", self._salt(name), initcode),
                address=self.at[name],
                initcode=initcode,
                args=args,
            )
        )

    def _check(self, contract: str, function: str, args: Sequence[Any], **expected: Any) -> Check:
        """A view and its expected fields; `whole=` for the value itself."""
        wanted = {"" if name == "whole" else name: value for name, value in expected.items()}
        return Check(contract, self.at[contract], function, tuple(args), wanted)

    def _call(
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
            checks = (self._check(contract, read[0], read[1], whole=value),)
        self.steps.append(
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

    # -- configuration

    def _oracle(self) -> None:
        for number, (name, signers) in enumerate(self.config.oracle.signer_sets.items(), 1):
            listed = signers.ascending()
            checks = [self._check("OracleAdapter", "threshold", (number,), whole=signers.threshold)]
            checks += [
                self._check("OracleAdapter", "is_signer", (number, who), whole=True)
                for who in listed
            ]
            self._call(
                "OracleAdapter",
                "add_signer_set",
                listed,
                signers.threshold,
                done=checks,
                text=f"list signer set {name} as {number}",
            )
        for feed in self.config.oracle.feeds:
            self._feed(feed)

    def _feed(self, feed: Feed) -> None:
        sources = []
        for source in feed.sources:
            if isinstance(source, Chainlink):
                sources.append((1, source.aggregator, 0, source.max_age_seconds))
            else:
                number = self.config.signer_set_id(source.signer_set)
                sources.append((2, ZERO, number, source.max_age_seconds))
        listed = [
            self._check(
                "OracleAdapter",
                "source_words",
                (feed.id, index),
                whole=_SourceWord(kind, target, number, age),
            )
            for index, (kind, target, number, age) in enumerate(sources)
        ]
        self._call(
            "OracleAdapter",
            "list_feed",
            feed.id,
            feed.terms(),
            sources,
            feed.variance(),
            done=listed,
            text=f"list feed {feed.name} as {feed.id}",
        )
        self.steps.append(
            Step(
                "await",
                "OracleAdapter",
                f"feed {feed.name} has a price",
                to=self.at["OracleAdapter"],
                data=calldata("OracleAdapter", "word", feed.id),
                done=(self._check("OracleAdapter", "feed_words", (feed.id,), whole=_Priced()),),
            )
        )

    def _margin(self) -> None:
        for number, market in enumerate(self.config.markets):
            values = market.risk.struct()
            self._call(
                "StandardMargin",
                "list_market",
                number,
                self.config.feed_id(market.feed),
                values,
                done=(self._check("StandardMargin", "parameters", (number,), **values),),
                text=f"list margin of {market.name} as market {number}",
            )

    def _engine(self) -> None:
        at, config = self.at, self.config
        profit = config.profit
        core = (
            int(at["StandardMargin"], 16)
            | profit.fresh_haircut_bps << 168
            | profit.fresh_period_seconds << 184
        )
        self._call(
            "MarginEngine",
            "set_core",
            at["StandardMargin"],
            profit.fresh_haircut_bps,
            profit.fresh_period_seconds,
            read=("core", ()),
            value=core,
        )
        for number, market in enumerate(config.markets):
            values = market.struct()
            self._call(
                "MarginEngine",
                "list_market",
                values,
                read=("config", (number,)),
                value=_Low(_market_word(values), 177),
                text=f"list market {market.name} as {number}",
            )
        for kind, name, getter in (
            (AUCTION, "LiquidationAuction", "auction"),
            (FUND, "InsuranceFund", "fund"),
        ):
            self._call(
                "MarginEngine",
                "set_module",
                kind,
                at[name],
                read=(getter, ()),
                value=at[name],
                text=f"tell the engine its {getter}",
            )
        share = config.fund.fee_share_bps
        self._call(
            "MarginEngine",
            "set_fee_split",
            config.roles.treasury,
            share,
            read=("fee_split", ()),
            value=int(config.roles.treasury, 16) | share << 160,
        )
        rates = config.interest.struct()
        self._call(
            "MarginEngine",
            "set_rates",
            rates,
            read=("rates", ()),
            value=_rates_word(rates),
        )

    def _vault(self) -> None:
        if self.config.quote_limiter is not None:
            self._limiter("the quote token", self.config.quote_token, 6, self.config.quote_limiter)
        for number, asset in enumerate(self.config.collateral, 1):
            self._asset(number, asset)

    def _asset(self, number: int, asset: Collateral) -> None:
        units = int(asset.cap_tokens * 10**asset.decimals)
        feed = self.config.feed_id(asset.feed)
        cuts = (asset.maintenance_haircut_bps, asset.initial_haircut_bps)
        terms = self._check(
            "CollateralVault",
            "terms",
            (asset.token,),
            asset_id=number,
            feed=feed,
            maintenance=cuts[0],
            initial=cuts[1],
            decimals=asset.decimals,
            cap=units,
        )
        self._call(
            "CollateralVault",
            "list_asset",
            asset.token,
            feed,
            *cuts,
            units,
            asset.cap_ramp_seconds,
            done=(terms,),
            text=f"list collateral {asset.name}",
        )
        if asset.limiter is not None:
            self._limiter(asset.name, asset.token, asset.decimals, asset.limiter)

    def _limiter(self, name: str, token: str, decimals: int, limiter: Limiter) -> None:
        minimum = int(limiter.minimum_tokens * 10**decimals)
        values = (limiter.share_bps, limiter.window_seconds, minimum)
        self._call(
            "CollateralVault",
            "set_limiter",
            token,
            *values,
            done=(
                self._check(
                    "CollateralVault",
                    "limiter",
                    (token,),
                    share=values[0],
                    window=values[1],
                    minimum=minimum,
                ),
            ),
            text=f"limit the outflow of {name}",
        )

    def _fund(self) -> None:
        fund = self.config.fund
        caps = fund.caps()
        self._call(
            "InsuranceFund",
            "set_caps",
            caps,
            done=(self._check("InsuranceFund", "caps", (), **caps),),
        )
        target, share = int(fund.keeper_budget_usd * 10**15), fund.keeper_budget_bps_per_day
        self._call(
            "InsuranceFund",
            "set_budget",
            target,
            share,
            done=(
                self._check("InsuranceFund", "budget_target", (), whole=target),
                self._check("InsuranceFund", "budget_share", (), whole=share),
            ),
        )
        drip = fund.drip_seconds
        self._call("InsuranceFund", "set_drip", drip, read=("drip_period", ()), value=drip)
        times = (fund.cooldown_seconds, fund.exit_window_seconds)
        self._call(
            "InsuranceFund",
            "set_cooldown",
            *times,
            done=(
                self._check("InsuranceFund", "cooldown", (), whole=times[0]),
                self._check("InsuranceFund", "exit_window", (), whole=times[1]),
            ),
        )

    # -- hand-over

    def _hand_over(self) -> tuple[Check, bytes]:
        timelock = self.at["Timelock"]
        for name in OWNED:
            self._call(
                name,
                "transfer_ownership",
                timelock,
                read=("pending_owner", ()),
                value=timelock,
                text=f"offer {name} to the timelock",
            )
        batch = self._batch()
        delay = self.config.timelock.delay_floor_seconds
        operation = operation_id(*batch)
        done = self._check("Timelock", "get_operation_state", (operation,), whole=DONE)
        self.steps.append(
            Step(
                "call",
                "Timelock",
                "propose the hand-over",
                to=timelock,
                data=calldata("Timelock", "schedule_batch", *batch, delay),
                done=(self._check("Timelock", "get_timestamp", (operation,), whole=_NotZero()),),
            )
        )
        self.steps.append(
            Step(
                "execute",
                "Timelock",
                "execute the hand-over",
                to=timelock,
                data=calldata("Timelock", "execute_batch", *batch),
                done=(done,),
                ready=self._check("Timelock", "get_timestamp", (operation,)),
            )
        )
        return done, operation

    def _batch(self) -> tuple[list[str], list[int], list[bytes], bytes, bytes]:
        timelock = self.at["Timelock"]
        calls = [(self.at[name], calldata(name, "accept_ownership")) for name in OWNED]
        held = ["PROPOSER_ROLE", "CANCELLER_ROLE"]
        if self.config.timelock.executors:
            held.append("EXECUTOR_ROLE")
        calls += [
            (timelock, calldata("Timelock", "revokeRole", role(name), self.account))
            for name in held
        ]
        delay = self.config.timelock.delay_seconds
        if delay != self.config.timelock.delay_floor_seconds:
            calls.append((timelock, calldata("Timelock", "update_delay", delay)))
        targets, payloads = [to for to, _ in calls], [data for _, data in calls]
        return targets, [0] * len(calls), payloads, NO_PREDECESSOR, self._salt("hand-over")


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


def _market_word(values: Mapping[str, int]) -> int:
    """The engine's configuration word of a market, as `_configure` packs it."""
    return (
        values["cap_lots"]
        | values["cap_usd"] << 56
        | values["min_notional"] << 96
        | (values["maker_fee"] & 0xFFFF) << 120
        | values["taker_fee"] << 136
        | values["band"] << 152
        | values["status"] << 168
        | 1 << 176
    )


def _rates_word(values: Mapping[str, int]) -> int:
    """The engine's interest word, as `set_rates` packs it."""
    return (
        values["base"]
        | values["slope"] << 24
        | values["slope_above"] << 48
        | values["kink"] << 72
        | values["fund_share"] << 88
        | values["borrow_cap"] << 104
    )


@dataclass(frozen=True)
class _SourceWord:
    """Equal to the stored words of this source, whatever its decimals and newest datum."""

    kind: int
    target: str
    signer_set: int
    max_age: int

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | tuple):
            return NotImplemented
        word = int(other[0])
        target = int(self.target, 16) if self.kind == 1 else self.signer_set
        return (word & (1 << 160) - 1, (word >> 160) & 255, (word >> 176) & 0xFFFFFF) == (
            target,
            self.kind,
            self.max_age,
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.target, self.signer_set, self.max_age))


@dataclass(frozen=True)
class _Priced:
    """Equal to the words of a feed that has had a price."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list | tuple) and int(other[0]) != 0

    def __hash__(self) -> int:
        return 1


@dataclass(frozen=True)
class _Low:
    """Equal to a word with these low bits; what lies above them moves while the house runs."""

    value: int
    bits: int

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Low):
            return (self.value, self.bits) == (other.value, other.bits)
        return isinstance(other, int) and other % 2**self.bits == self.value

    def __hash__(self) -> int:
        return hash((self.value, self.bits))


@dataclass(frozen=True)
class _NotZero:
    """Equal to every number but zero."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and other != 0

    def __hash__(self) -> int:
        return 2


def contract_names() -> tuple[str, ...]:
    """All contracts of a deployment, the factory first."""
    return (FACTORY, *CONTRACTS)


def runtime_sizes() -> dict[str, int]:
    """Bytes on chain of every contract, immutables included."""
    return {name: artifact(name).runtime_size for name in contract_names()}
