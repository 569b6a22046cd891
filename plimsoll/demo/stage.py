"""Puts the house on its stage: origin chain, fork, tokens, feeds, and the real deploy plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.compiler import compile_contract, compile_path
from plimsoll.demo.prices import FEEDS
from plimsoll.demo.world import (
    BATCH,
    FLASH_BIDDER,
    AnvilWorld,
    DemoError,
    EvmWorld,
    World,
)
from plimsoll.deployment.chain import EvmChain
from plimsoll.deployment.config import Deployment, load_config
from plimsoll.deployment.execute import Done, execute, predict_factory
from plimsoll.deployment.plan import Plan, build_plan
from plimsoll.deployment.session import prepare
from plimsoll.deployment.verify import failures
from plimsoll.evm import Evm
from plimsoll.evm.abi import make_encoder
from plimsoll.localnet.anvil import Anvil, AnvilOptions
from plimsoll.localnet.fork import fork_chain
from plimsoll.localnet.origin import SAFE_OWNERS, Origin, start_origin
from plimsoll.localnet.tx import Account, Sender, dev_accounts

HERE = Path(__file__).parent
CONFIG = HERE / "demo.yaml"
NETWORKS = HERE / "networks.yaml"
AGGREGATORS = ("a", "b")
DECIMALS = 8  # of the aggregators' answers
TICKS_PER_ANSWER = 10  # 1e-8 USD
REPORTERS = 3
LEAD = 7_200  # seconds between the deployment and the tape's first point
ROLES = ("guardian", "matcher", "treasury")
BUILDER, TREASURER, DEPLOYER = 0, 4, 5  # which development account is what
ACCOUNTS = 10

Say = Callable[[str], None]


@dataclass
class Key:
    """Somebody with a private key, found from a name: the same in every run."""

    name: str
    secret: bytes = field(repr=False)
    address: str

    @classmethod
    def of(cls, name: str) -> Key:
        """The key of a name."""
        from eth_account import Account as EthAccount

        secret = keccak(text=f"plimsoll demonstration: {name}")
        return cls(name, secret, to_checksum_address(EthAccount.from_key(secret).address))


@dataclass
class Stage:
    """A deployed house, empty. `facts` are for the report; `council` is the timelock's proposer."""

    world: World
    config: Deployment
    plan: Plan
    outcomes: list[Done]
    checks: int  # of the deployment's verification, all ok
    reporters: tuple[Key, ...]
    roles: Mapping[str, Key]
    council: str
    owners: tuple[Account, ...]  # of the council's Safe; empty where it is a plain address
    first_block: int
    facts: list[tuple[str, str]] = field(default_factory=list)
    chain_seconds: float = 0.0
    deploy_seconds: float = 0.0
    closers: list[Callable[[], None]] = field(default_factory=list)

    def close(self) -> None:
        """Stops what was started, the fork before what it forks."""
        for close in reversed(self.closers):
            close()

    def feed_id(self, feed: str) -> int:
        """Id of a feed."""
        return self.config.feed_id(feed)


def aggregator_name(feed: str, which: str) -> str:
    """Its name among a world's addresses."""
    return f"{feed}/USD {which}"


def flash_bidder_code(at: Mapping[str, str]) -> bytes:
    """Creation code of the bidder with callback, the keeper's; `at`: addresses by name."""
    built = compile_contract(FLASH_BIDDER)
    inputs = next(entry["inputs"] for entry in built.abi if entry["type"] == "constructor")
    parts = (at[one] for one in ("MarginEngine", "LiquidationAuction", "CollateralVault"))
    owner = Key.of("keeper").address
    return make_encoder(inputs, built.initcode)(owner, *parts, at["usd"], at["weth"])


def reporters() -> tuple[Key, ...]:
    """The three keys that sign reports."""
    return tuple(Key.of(f"reporter {number}") for number in range(1, REPORTERS + 1))


def aggregator_code(feed: str, answer: int) -> bytes:
    """Creation code of an aggregator with its first answer."""
    built = compile_path(BATCH.parent / "ChainlinkAggregator.vy")
    inputs = next(entry["inputs"] for entry in built.abi if entry["type"] == "constructor")
    return make_encoder(inputs, built.initcode)(DECIMALS, f"{feed} / USD", answer)


# -- a fork


def fork_stage(
    first: Mapping[str, int], start: int | None, fork_url: str | None, out: Path, say: Say
) -> Stage:
    """The house on a fork of the origin chain, or of the network at `fork_url`.

    `first`: prices in ticks at the beginning. `start`: when the tape begins; the deployment takes
    place LEAD seconds before. None: right after the forked block.
    Errors: LocalnetError (with an exit code), ChainError, StepFailed, DemoError.
    """
    closers: list[Callable[[], None]] = []
    began = time.monotonic()
    try:
        if fork_url is None:
            origin = start_origin(progress=say)
            closers.append(origin.close)
            how = "reloaded from the cache" if origin.from_cache else "built"
            say(f"origin chain {origin.chain_id} {how}, block {origin.block}")
            fork = _fork(origin.url, origin.block)
        else:
            fork = _fork(fork_url, None)
            origin = None
        closers.append(fork.stop)
        stage = _on_fork(fork, origin, first, start, out, say, began)
        stage.closers = closers
        return stage
    except BaseException:
        for close in reversed(closers):
            close()
        raise


def _fork(url: str, block: int | None) -> Anvil:
    options = AnvilOptions(
        accounts=ACCOUNTS,
        auto_impersonate=True,
        gas_limit=2_000_000_000,
        base_fee=0,
        extra_args=("--order", "fifo"),
    )
    return fork_chain(url, block, options)


def _on_fork(
    fork: Anvil,
    origin: Origin | None,
    first: Mapping[str, int],
    start: int | None,
    out: Path,
    say: Say,
    began: float,
) -> Stage:
    rpc, accounts = fork.rpc, dev_accounts(ACCOUNTS)
    head, now = rpc.block_number(), rpc.timestamp()
    begin = max(now + 12, (start or 0) - LEAD)
    rpc.call("anvil_setBlockTimestampInterval", 1)
    fork.mine(1, begin)
    parts = dict(origin.addresses) if origin is not None else _own_parts(fork, accounts, say)
    say(f"fork at block {head} of chain {rpc.chain_id()}")
    names, extra = _feeds_on(fork, accounts[BUILDER], first)
    keys, roles = reporters(), {role: Key.of(role) for role in ROLES}
    names |= {"usd": parts["usd"], "weth": parts["weth"], "council": parts["safe"]}
    names |= _names(keys, roles)
    for key in roles.values():
        rpc.call("anvil_setBalance", key.address, hex(10**24))
    config = load_config(CONFIG, names, _with_reporters(keys, rpc.chain_id()))
    chain_seconds, began = time.monotonic() - began, time.monotonic()
    plan, outcomes, checks = _deploy(fork, accounts[DEPLOYER], config, out, say)
    addresses = {**plan.addresses, **extra, "usd": parts["usd"], "weth": parts["weth"]}
    sender = Sender(rpc, accounts[BUILDER])
    addresses[FLASH_BIDDER] = sender.deploy(flash_bidder_code(addresses), what="example bidder")
    rpc.call("anvil_removeBlockTimestampInterval")
    rpc.call("evm_setAutomine", False)
    world = AnvilWorld(fork, addresses, accounts[TREASURER].address)
    kind = "the local origin chain" if origin is not None else "the network at FORK_URL"
    return Stage(
        world,
        config,
        plan,
        outcomes,
        checks,
        keys,
        roles,
        parts["safe"],
        accounts[1 : 1 + SAFE_OWNERS],
        head + 1,
        facts=[("Forked", f"{kind}, block {head:,}"), ("Anvil", "two processes, prague rules")],
        chain_seconds=chain_seconds,
        deploy_seconds=time.monotonic() - began,
    )


def _own_parts(fork: Anvil, accounts: tuple[Account, ...], say: Say) -> dict[str, str]:
    """Listed parts of the forked network, our own for the rest."""
    import yaml

    from plimsoll.localnet.artifacts import node_modules
    from plimsoll.localnet.builder import Surroundings, build_surroundings

    tables = yaml.safe_load(NETWORKS.read_text())
    listed = tables.get(str(fork.rpc.chain_id()), {})
    plan = Surroundings(
        safe_owners=tuple(one.address for one in accounts[1 : 1 + SAFE_OWNERS]),
        fund=(accounts[TREASURER].address,),
    )
    sender = Sender(fork.rpc, accounts[BUILDER])
    return build_surroundings(sender, node_modules(), plan, listed, say)


def _feeds_on(
    fork: Anvil, builder: Account, first: Mapping[str, int]
) -> tuple[dict[str, str], dict[str, str]]:
    """Aggregators and the batch reader: names for the configuration, and for the world."""
    sender = Sender(fork.rpc, builder)
    names, extra = {}, {}
    for feed in FEEDS:
        for which in AGGREGATORS:
            code = aggregator_code(feed, first[feed] // TICKS_PER_ANSWER)
            address = sender.deploy(code, what=f"{feed} aggregator {which}")
            names[f"{feed.lower()}_usd_{which}"] = address
            extra[aggregator_name(feed, which)] = address
    extra["ViewBatch"] = sender.deploy(compile_path(BATCH).initcode, what="batch reader")
    return names, extra


def _names(keys: tuple[Key, ...], roles: Mapping[str, Key]) -> dict[str, str]:
    named = {f"reporter_{number}": key.address for number, key in enumerate(keys, 1)}
    return named | {role: key.address for role, key in roles.items()}


def _with_reporters(keys: tuple[Key, ...], chain_id: int) -> dict[str, Any]:
    return {
        "chain_id": chain_id,
        "oracle.signer_sets.reporters.signers": [key.address for key in keys],
    }


def _deploy(
    fork: Anvil, deployer: Account, config: Deployment, out: Path, say: Say
) -> tuple[Plan, list[Done], int]:
    """The real plan from a signing account, then the real verification of code and every role."""
    from plimsoll.deployment.rpc import IdleChain, LocalSigner, Patience, connect

    patience = Patience(mined=30, poll=0.002)
    chain = IdleChain(connect(fork.url), LocalSigner(deployer.key), patience=patience)
    path = out / "demo-deployment.json"
    path.unlink(missing_ok=True)
    session = prepare(config, chain, path)
    done: list[Done] = []
    total = len(session.plan.steps)

    def progress(number: int, one: Done) -> None:
        done.append(one)
        if number % 10 == 9 or number + 1 == total:
            say(f"deploying: {number + 1} of {total} steps")

    session = session.run(chain, progress)
    findings = session.check(chain)
    wrong = failures(findings)
    if wrong:
        raise DemoError("the deployment does not verify: " + "; ".join(map(str, wrong[:5])))
    return session.plan, done, len(findings)


# -- the in-process machine


def evm_stage(first: Mapping[str, int], start: int) -> Stage:
    """The same house in this process, for quick replays; tokens are mintable stand-ins."""
    began = time.monotonic()
    evm = Evm(timestamp=start - LEAD)
    tokens = BATCH.parent / "MintableToken.vy"
    usd, weth = evm.deploy(compile_path(tokens), 6), evm.deploy(compile_path(tokens), 18)
    names = {"usd": usd.address, "weth": weth.address}
    extra = dict(names)
    for feed in FEEDS:
        for which in AGGREGATORS:
            built = compile_path(BATCH.parent / "ChainlinkAggregator.vy")
            answer = first[feed] // TICKS_PER_ANSWER
            made = evm.deploy(built, DECIMALS, f"{feed} / USD", answer).address
            names[f"{feed.lower()}_usd_{which}"] = extra[aggregator_name(feed, which)] = made
    keys, roles = reporters(), {role: Key.of(role) for role in ROLES}
    council, deployer = evm.account(), evm.account()
    for key in roles.values():
        evm.set_balance(key.address, 10**24)
    names |= {"council": council, **_names(keys, roles)}
    config = load_config(CONFIG, names, _with_reporters(keys, evm.chain_id))
    chain = EvmChain(evm, deployer)
    plan = build_plan(config, deployer, predict_factory(chain))
    outcomes = execute(plan, chain)
    addresses = {**plan.addresses, **extra}
    built, owner = compile_contract(FLASH_BIDDER), Key.of("keeper").address
    parts = (addresses[one] for one in ("MarginEngine", "LiquidationAuction", "CollateralVault"))
    bidder = evm.deploy(built, owner, *parts, usd.address, weth.address)
    addresses[FLASH_BIDDER] = bidder.address
    return Stage(
        EvmWorld(evm, addresses),
        config,
        plan,
        outcomes,
        0,
        keys,
        roles,
        council,
        (),
        evm.number,
        facts=[("Machine", "in-process EVM")],
        deploy_seconds=time.monotonic() - began,
    )
