"""A whole house on an in-process EVM, deployed by the same plan as on any chain.

    house = deploy_house()
    trader = house.actor("trader", quote=10_000)           # minted, approved, deposited
    house.set_price("ETH", 2_000)                          # aggregator and poke
    house.trade("ETH-PERP", buyer=trader, seller=maker, size="1", price=2_000)
    house.engine.margin(account_id(trader))

Contracts are `plimsoll.evm.Contract` handles (`house.engine`, `.vault`, `.oracle`, `.risk`,
`.auction`, `.fund`, `.orders`, `.timelock`, and `house.contracts[name]`); `house.engine` answers
the merged ABI of its five bytecodes. Governance is the timelock: `house.govern(contract, function,
*args)` sends a call from its address. Amounts in helpers are human (Decimal, int or str), on
contracts they are integers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from plimsoll.compiler import PROJECT_ROOT, Artifact, compile_contract
from plimsoll.deployment.abi import abi_of
from plimsoll.deployment.chain import EvmChain
from plimsoll.deployment.config import Deployment, Market, load_config
from plimsoll.deployment.execute import Done, execute, predict_factory
from plimsoll.deployment.plan import CONTRACTS, Plan, build_plan
from plimsoll.evm import Contract, Evm, Receipt
from plimsoll.units import Number, lots, ticks, to_units, token_units

TEST_CONTRACTS = PROJECT_ROOT / "tests" / "contracts"
AGGREGATOR_DECIMALS = 8
# Names in a configuration that a house fills in by itself.
ACTORS = ("council", "guardian", "treasury", "matcher")
PRICES: dict[str, Number] = {
    "ETH": 2_000,
    "BTC": 40_000,
    "SOL": 100,
    "USD": 1,
}  # first answers, USD


def account_id(owner: Any, index: int = 0) -> int:
    """Account id of an owner's account: owner << 96 | index."""
    address = getattr(owner, "address", owner)
    return int(address, 16) << 96 | index


@cache
def _test_contract(name: str) -> Artifact:
    return compile_contract(name, contracts=TEST_CONTRACTS)


class Actor(str):
    """An address with a name; its account 0 is `id`, further ones `account(i)`."""

    name: str

    def __new__(cls, address: str, name: str) -> Actor:
        """The address itself is the text."""
        made = super().__new__(cls, address)
        made.name = name
        return made

    @property
    def address(self) -> str:
        """The plain address."""
        return str(self)

    @property
    def id(self) -> int:
        """Account id of index 0."""
        return account_id(str(self))

    def account(self, index: int) -> int:
        """Account id of the given index."""
        return account_id(str(self), index)


@dataclass
class House:
    """Everything deployed. `feeds`: aggregators by feed name; `tokens`: by name."""

    evm: Evm
    config: Deployment
    plan: Plan
    outcomes: list[Done]
    contracts: dict[str, Contract]
    tokens: dict[str, Contract]
    feeds: dict[str, list[Contract]]
    actors: dict[str, Actor]
    venue: str  # a plain address that is registered as a venue: settles fills without signatures
    _fresh: Any = field(default_factory=itertools.count, repr=False)

    # -- contracts

    @property
    def engine(self) -> Contract:
        """MarginEngine, with the ABI of all five bytecodes."""
        return self.contracts["MarginEngine"]

    @property
    def vault(self) -> Contract:
        """CollateralVault."""
        return self.contracts["CollateralVault"]

    @property
    def oracle(self) -> Contract:
        """OracleAdapter."""
        return self.contracts["OracleAdapter"]

    @property
    def risk(self) -> Contract:
        """StandardMargin."""
        return self.contracts["StandardMargin"]

    @property
    def auction(self) -> Contract:
        """LiquidationAuction."""
        return self.contracts["LiquidationAuction"]

    @property
    def fund(self) -> Contract:
        """InsuranceFund."""
        return self.contracts["InsuranceFund"]

    @property
    def surfaces(self) -> Contract:
        """ImpliedSurfaces."""
        return self.contracts["ImpliedSurfaces"]

    @property
    def orders(self) -> Contract:
        """SignedOrders."""
        return self.contracts["SignedOrders"]

    @property
    def timelock(self) -> Contract:
        """Timelock."""
        return self.contracts["Timelock"]

    @property
    def quote(self) -> Contract:
        """The quote token, mintable by anyone."""
        return self.tokens["usd"]

    @property
    def guardian(self) -> Actor:
        """The guardian."""
        return self.actors["guardian"]

    @property
    def treasury(self) -> Actor:
        """The treasury."""
        return self.actors["treasury"]

    @property
    def matcher(self) -> Actor:
        """A registered matcher of SignedOrders."""
        return self.actors["matcher"]

    # -- names

    def market_id(self, market: str | int) -> int:
        """A market's id by its name."""
        if isinstance(market, int):
            return market
        return [one.name for one in self.config.markets].index(market)

    def market(self, market: str | int) -> Market:
        """A market's configuration."""
        return self.config.markets[self.market_id(market)]

    def feed_id(self, feed: str | int) -> int:
        """A feed's id by its name."""
        return feed if isinstance(feed, int) else self.config.feed_id(feed)

    # -- actors and money

    def actor(self, name: str = "", *, quote: Number = 0, index: int = 0) -> Actor:
        """A fresh actor with ether and approvals to the vault; `quote` USD are deposited."""
        made = Actor(self.evm.account(), name or f"actor{next(self._fresh)}")
        if name:
            self.actors[name] = made
        for token in self.tokens.values():
            token.approve(self.vault.address, 2**256 - 1, sender=made)
        if quote:
            self.deposit(made, quote, index)
        return made

    def mint(self, owner: Any, amount: Number, token: str = "usd") -> int:
        """Mints tokens to an address; returns the token units."""
        units = token_units(amount, None, self.tokens[token].decimals())
        self.tokens[token].mint(owner, units)
        return units

    def deposit(self, owner: Any, amount: Number, index: int = 0) -> Receipt:
        """Mints quote tokens to the owner and deposits them in its account."""
        units = self.mint(owner, amount)
        receipt: Receipt = self.engine.deposit(account_id(owner, index), units, sender=owner)
        return receipt

    def deposit_collateral(
        self, owner: Any, amount: Number, token: str = "weth", index: int = 0
    ) -> Receipt:
        """Mints collateral tokens to the owner and deposits them in its account."""
        units = self.mint(owner, amount, token)
        receipt: Receipt = self.vault.deposit(
            account_id(owner, index), self.tokens[token].address, units, sender=owner
        )
        return receipt

    def insure(self, amount: Number) -> Actor:
        """Somebody deposits USD into the insurance fund; returns who holds the shares."""
        insurer = self.actors.get("insurer") or self.actor("insurer")
        self.fund.deposit(self.mint(insurer, amount), insurer, sender=insurer)
        return insurer

    # -- prices and trades

    def set_price(self, feed: str | int, usd: Number, *, poke: bool = True) -> int:
        """Publishes a price on every aggregator of a feed and pokes it; returns the ticks.

        A poke in the second of another accepted one serves from the next second on: advance first.
        """
        name = feed if isinstance(feed, str) else self._feed_name(feed)
        answer = to_units(usd, -AGGREGATOR_DECIMALS)
        for aggregator in self.feeds[name]:
            aggregator.set_answer(answer)
        if poke:
            self.poke(name)
        return ticks(usd)

    def poke(self, *feeds: str | int) -> None:
        """Pokes these feeds, or all."""
        for feed in feeds or [one.name for one in self.config.oracle.feeds]:
            self.oracle.poke(self.feed_id(feed), b"")

    def refresh(self) -> None:
        """Every aggregator repeats its price now, and all feeds are poked."""
        for aggregators in self.feeds.values():
            for aggregator in aggregators:
                aggregator.set_answer(aggregator.latestRoundData()[1])
        self.poke()

    def _feed_name(self, feed: int) -> str:
        return next(one.name for one in self.config.oracle.feeds if one.id == feed)

    def settle(self, fills: Iterable[Any]) -> Receipt:
        """Settles fills (struct order of IMarginEngine.Fill) as a registered venue."""
        receipt: Receipt = self.engine.settle(list(fills), sender=self.venue)
        return receipt

    def trade(
        self,
        market: str | int,
        buyer: Any,
        seller: Any,
        size: Number,
        price: Number,
        flags: int = 0,
    ) -> Receipt:
        """One fill between two accounts (ids or actors): size in underlying units, price in USD."""
        fill = (
            self.market_id(market),
            buyer if type(buyer) is int else account_id(buyer),
            seller if type(seller) is int else account_id(seller),
            lots(size),
            ticks(price),
            flags,
        )
        return self.settle([fill])

    # -- time and governance

    def advance(self, seconds: int, *, refresh: bool = False) -> None:
        """Moves the clock; with `refresh` all feeds answer anew."""
        self.evm.advance(seconds)
        if refresh:
            self.refresh()

    def govern(self, contract: str | Contract, function: str, *args: Any) -> Receipt:
        """A governance call, sent from the timelock's address without its delay."""
        target = self.contracts[contract] if isinstance(contract, str) else contract
        return target.method(function).transact(*args, sender=self.timelock.address)


def house_config(
    evm: Evm,
    addresses: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    config: str | Path = "house",
) -> Deployment:
    """The small test configuration (`defaults/house.yaml`) for this EVM."""
    return load_config(config, addresses, {"chain_id": evm.chain_id, **(overrides or {})})


def deploy_house(
    evm: Evm | None = None,
    config: str | Path = "house",
    overrides: Mapping[str, Any] | None = None,
    *,
    prices: Mapping[str, Number] | None = None,
    plain_venue: bool = True,
) -> House:
    """Tokens, aggregators and the protocol on `evm`, handed over to the timelock.

    `config`: a shipped default or a YAML file; `$usd`, `$weth` (any collateral name in lower case),
    `$<feed>_usd`, `$council`, `$guardian`, `$treasury`, `$matcher` in it are made here. `overrides`
    maps key paths to values. `prices`: first answers in USD by feed name. `plain_venue` registers a
    plain address as venue, so that tests can settle fills without signatures.
    """
    import yaml

    from plimsoll.deployment.config import DEFAULTS

    evm = evm or Evm()
    path = Path(config) if Path(config).suffix else DEFAULTS / f"{config}.yaml"
    raw = yaml.safe_load(path.read_text())
    deployer = evm.account()
    actors = {name: Actor(evm.account(), name) for name in ACTORS}
    answers = {**PRICES, **(prices or {})}
    feeds: dict[str, list[Contract]] = {}
    tokens = {"usd": evm.deploy(_test_contract("MintableToken"), 6)}
    names: dict[str, str] = {name: str(actor) for name, actor in actors.items()}
    for entry in raw["oracle"]["feeds"]:
        feed = str(entry["name"])
        made = []
        for number, source in enumerate(
            one for one in entry["sources"] if one["kind"] == "chainlink"
        ):
            answer = to_units(answers[feed], -AGGREGATOR_DECIMALS)
            aggregator = evm.deploy(
                _test_contract("ChainlinkAggregator"), AGGREGATOR_DECIMALS, f"{feed} / USD", answer
            )
            made.append(aggregator)
            reference = str(source["aggregator"])
            if reference.startswith("$"):
                names[reference[1:]] = aggregator.address
            assert number < 5
        feeds[feed] = made
    for entry in raw.get("collateral") or []:
        name = str(entry["token"]).removeprefix("$")
        tokens[name] = evm.deploy(_test_contract("MintableToken"), int(entry["decimals"]))
    names |= {name: token.address for name, token in tokens.items()}
    settings = house_config(evm, names, overrides, path)
    chain = EvmChain(evm, deployer)
    plan = build_plan(settings, deployer, predict_factory(chain))
    outcomes = execute(plan, chain)
    contracts = {name: evm.at(abi_of(name), address) for name, address in plan.addresses.items()}
    house = House(
        evm=evm,
        config=settings,
        plan=plan,
        outcomes=outcomes,
        contracts=contracts,
        tokens=tokens,
        feeds=feeds,
        actors=actors,
        venue="",
    )
    house.actors["deployer"] = Actor(deployer, "deployer")
    if plain_venue:
        house.venue = _plain_venue(house)
    return house


def _plain_venue(house: House) -> str:
    """A registered venue that the process can send from: an address with a byte of code."""
    venue = house.evm.account()
    house.evm.set_code(venue, b"\x00")
    house.govern("MarginEngine", "set_venue", venue, True)
    return venue


__all__ = [
    "CONTRACTS",
    "Actor",
    "Decimal",
    "House",
    "account_id",
    "deploy_house",
    "house_config",
]
