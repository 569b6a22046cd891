"""The house on a chain that ape is connected to, spoken to through ape: handles, accounts, events.

Deployed by `plimsoll.deployment` with an account of ape; everything after that is ape's own way of
calling. `reverts` names the custom errors that ape hands on as raw hex.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from ape import Contract, accounts, chain, project
from ape.contracts import ContractContainer
from ape.exceptions import ContractLogicError
from eth_account.messages import encode_typed_data
from ethpm_types import ContractType

from plimsoll.compiler import PROJECT_ROOT, Artifact, compile_contract
from plimsoll.deployment.abi import abi_of, artifact
from plimsoll.deployment.config import Deployment, load_config
from plimsoll.deployment.manifest import Manifest
from plimsoll.deployment.rpc import ApeSigner, IdleChain, Patience, Watcher, Web3Chain
from plimsoll.deployment.session import prepare
from plimsoll.deployment.verify import failures
from plimsoll.errors import decode, describe
from plimsoll.orders import Domain, Order, SignedOrder, attach
from plimsoll.protocol import Protocol, account_id
from plimsoll.units import Number, to_units

# Accounts of ape's test mnemonic by what they do.
ROLES = ("deployer", "council", "guardian", "treasury", "matcher")
PEOPLE = ("trader", "maker", "liquidator", "insurer", "stranger")
FEEDS = {"ETH": (1, 2_000), "BTC": (2, 40_000)}  # id, first answer in USD
AGGREGATOR_DECIMALS = 8
MAX_STEP = 60  # seconds of an auction's clock that one silent interval may add
FOREVER = 2**256 - 1
HEX = re.compile(r"0x[0-9a-fA-F]{8,}")


# -- builds


def initcode(contract_type: Any) -> bytes:
    """Creation code of one of ape's builds; empty where it has none."""
    code = contract_type.deployment_bytecode
    text = code.bytecode if code is not None and code.bytecode else ""
    return bytes.fromhex(text.removeprefix("0x"))


def stale_builds(builds: Mapping[str, Any]) -> list[str]:
    """Names whose build in ape's cache is not what the sources say now.

    Ape looks at a contract's own file and not at what it imports; `plimsoll.compiler` looks at the
    whole import closure, so its builds are the measure.
    """
    return [
        name
        for name, container in builds.items()
        if initcode(container.contract_type) != artifact(name).initcode
    ]


def fresh_builds() -> dict[str, Any]:
    """Ape's builds of all deployables, those compiled again that its cache had wrong."""
    builds = dict(project.load_contracts())
    stale = [project.path / builds[name].contract_type.source_id for name in stale_builds(builds)]
    if stale:
        builds |= project.load_contracts(*stale, use_cache=False)
    return builds


def container(built: Artifact) -> ContractContainer:
    """A build of `plimsoll.compiler` as something that ape's accounts deploy."""
    code = {"bytecode": "0x" + built.initcode.hex()}
    fields = {"contractName": built.name, "abi": built.abi, "deploymentBytecode": code}
    return ContractContainer(ContractType.model_validate(fields))


@cache
def helper(name: str) -> ContractContainer:
    """A contract of the test folder."""
    return container(compile_contract(name, contracts=PROJECT_ROOT / "tests" / "contracts"))


def merged_type(name: str) -> ContractType:
    """What clients see at an address: for the engine, the functions of its three bytecodes."""
    return ContractType.model_validate({"contractName": name, "abi": list(abi_of(name))})


# -- reverts


def revert_bytes(error: ContractLogicError) -> bytes:
    """The revert data in one of ape's errors, wherever this kind of call left it."""
    base = getattr(error, "base_err", None)
    places = (error.revert_message, getattr(base, "data", None), getattr(base, "message", None))
    for place in places:
        found = HEX.search(str(place or ""))
        if found is not None:
            return bytes.fromhex(found.group(0)[2:])
    return b""


@contextmanager
def reverts(name: str) -> Iterator[None]:
    """The block must fail with exactly this error of the table."""
    try:
        yield
    except ContractLogicError as error:
        data = revert_bytes(error)
        info = decode(data)
        if info is None or info.name != name:
            told = describe(data) if data else str(error)
            raise AssertionError(f"expected a revert with {name}, got {told}") from error
    else:
        raise AssertionError(f"expected a revert with {name}, got success")


# -- the house


@dataclass
class ApeHouse:
    """A deployment and ape's handles on it; `tokens` by name, `aggregators` by feed."""

    config: Deployment
    manifest: Path
    addresses: dict[str, str]
    contracts: dict[str, Any]
    tokens: dict[str, Any]
    aggregators: dict[str, Any]
    height: int  # block at which it stood, untouched

    @property
    def engine(self) -> Any:
        """MarginEngine with all that its address answers."""
        return self.contracts["MarginEngine"]

    @property
    def auction(self) -> Any:
        """LiquidationAuction."""
        return self.contracts["LiquidationAuction"]

    @property
    def vault(self) -> Any:
        """CollateralVault."""
        return self.contracts["CollateralVault"]

    @property
    def protocol(self) -> Protocol:
        """The client's own handle, reading through the same node."""
        return Protocol(self.addresses, self.config, Web3Chain(chain.provider.web3, Watcher()))

    # -- people and money

    def person(self, name: str) -> Any:
        """Ape's account of that role."""
        return accounts.test_accounts[(ROLES + PEOPLE).index(name)]

    def account(self, name: str, index: int = 0) -> int:
        """Account id."""
        return account_id(self.person(name).address, index)

    def deposit(self, name: str, usd: int) -> Any:
        """Approves and deposits dollars; mints what the person lacks. Returns the receipt."""
        person, token = self.person(name), self.tokens["usd"]
        short = usd * 10**6 - token.balanceOf(person)
        if short > 0:
            token.mint(person, short, sender=person)
        token.approve(self.vault, FOREVER, sender=person)
        return self.engine.deposit(self.account(name), usd * 10**6, sender=person)

    # -- prices and time

    def price(self, feed: str, usd: Number) -> Any:
        """Publishes a price, pokes, and lets a second pass so that it serves."""
        stranger = self.person("stranger")
        answer = to_units(usd, -AGGREGATOR_DECIMALS)
        self.aggregators[feed].set_answer(answer, sender=stranger)
        receipt = self.contracts["OracleAdapter"].poke(FEEDS[feed][0], b"", sender=stranger)
        chain.mine(deltatime=1)
        return receipt

    def wait(self, account: int, seconds: int) -> None:
        """Runs an auction's clock, synced as a keeper would."""
        while seconds > 0:
            step = min(seconds, MAX_STEP)
            chain.mine(deltatime=step)
            self.auction.sync(account, sender=self.person("stranger"))
            seconds -= step

    # -- trades

    def sign(
        self, name: str, *, buy: bool, size: Number, price: Number, market: int = 0
    ) -> SignedOrder:
        """An order signed by a person's wallet, through the typed data."""
        contract = self.addresses["SignedOrders"]
        order = Order(
            account=self.account(name),
            market=market,
            buy=buy,
            size=Decimal(size),
            limit_price=Decimal(price),
            expiry=chain.pending_timestamp + 3_600,
            nonce=chain.pending_timestamp * 10**6,
        )
        typed = order.typed_data(Domain(chain.chain_id, contract))
        signature = self.person(name).sign_message(encode_typed_data(full_message=typed))
        return attach(order, bytes(signature.encode_rsv()))

    def trade(self, buyer: str, seller: str, size: Number, price: Number, market: int = 0) -> Any:
        """Matches two signed orders; the seller is the maker. Returns the receipt."""
        maker = self.sign(seller, buy=False, size=size, price=price, market=market)
        taker = self.sign(buyer, buy=True, size=size, price=price, market=market)
        venue, amount = self.contracts["SignedOrders"], to_units(size, -6)
        return venue.fill_pair(tuple(maker), tuple(taker), amount, sender=self.person("matcher"))

    def check(self) -> None:
        """The books balance to the last unit, and the vault holds what they say."""
        assert self.engine.solvency().gap == 0
        assert self.tokens["usd"].balanceOf(self.vault) * 10**9 == self.engine.solvency().vault


def build_house(
    folder: Path,
    tokens: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> ApeHouse:
    """Deploys on the chain ape is connected to. `tokens`: usd and weth, else our own."""
    everyone = dict(zip(ROLES + PEOPLE, accounts.test_accounts, strict=True))
    deployer = everyone["deployer"]
    held = dict(tokens or {})
    for name, decimals in (("usd", 6), ("weth", 18)):
        held.setdefault(name, None)
        if held[name] is None:
            held[name] = deployer.deploy(helper("MintableToken"), decimals)
    feeds = {
        feed: deployer.deploy(
            helper("ChainlinkAggregator"), AGGREGATOR_DECIMALS, f"{feed} / USD", usd * 10**8
        )
        for feed, (_, usd) in FEEDS.items()
    }
    names = {name: str(token.address) for name, token in held.items()}
    names |= {f"{feed.lower()}_usd": str(one.address) for feed, one in feeds.items()}
    names |= {name: str(person.address) for name, person in everyone.items()}
    config = load_config("house", names, {"chain_id": chain.chain_id, **(overrides or {})})
    patience = Patience(mined=20, poll=0.02)
    node = IdleChain(chain.provider.web3, ApeSigner(deployer), patience=patience)
    path = folder / "manifest.json"
    session = prepare(config, node, path).run(node)
    assert failures(session.check(node)) == []
    addresses = Manifest.load(path).addresses()
    contracts = {
        name: Contract(address, contract_type=merged_type(name))
        for name, address in addresses.items()
    }
    for one in feeds.values():
        one.set_answer(one.latestRoundData()[1], sender=deployer)
    chain.mine(deltatime=1)
    return ApeHouse(config, path, addresses, contracts, held, feeds, chain.blocks.height)
