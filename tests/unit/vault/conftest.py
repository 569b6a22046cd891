"""A vault behind a mock engine, with tokens of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plimsoll.compiler import Artifact, compile_contract
from plimsoll.evm import Contract, Evm

MOCKS = Path(__file__).parents[2] / "contracts"
LARGEST = 2**256 - 1
HOUR, DAY = 3_600, 86_400
FEED, MAINTENANCE, INITIAL = 7, 1_000, 2_000
CAP = 10**24


def mock(name: str) -> Artifact:
    """Compile one of the test contracts."""
    return compile_contract(name, contracts=MOCKS)


@dataclass
class World:
    """A deployed vault and its actors. `account` ids belong to `trader` unless built otherwise."""

    evm: Evm
    vault: Contract
    engine: Contract
    quote: Contract
    token: Contract
    governance: str
    trader: str
    stranger: str
    maker: str

    def account(self, owner: str, index: int = 0) -> int:
        """An account id."""
        return int(owner, 16) << 96 | index

    def new_token(self, kind: str = "MintableToken", decimals: int = 18) -> Contract:
        """A token that every actor holds and has approved the vault for."""
        token = self.evm.deploy(mock(kind), decimals)
        for actor in (self.trader, self.stranger, self.maker):
            token.mint(actor, 10**27)
            token.approve(self.vault.address, LARGEST, sender=actor)
        return token

    def list(self, token: Contract, cap: int = CAP, ramp: int = HOUR, wait: bool = True) -> int:
        """List a token and wait until its cap is open; returns its id."""
        receipt = self.vault.list_asset(
            token.address, FEED, MAINTENANCE, INITIAL, cap, ramp, sender=self.governance
        )
        if wait:
            self.evm.advance(ramp)
        return int(receipt.value)

    def listed(self, kind: str = "MintableToken", decimals: int = 18) -> Contract:
        """A new listed token."""
        token = self.new_token(kind, decimals)
        self.list(token)
        return token

    def deposit(self, token: Contract, amount: int, owner: str | None = None) -> Any:
        """The owner deposits into account 0."""
        owner = owner or self.trader
        return self.vault.deposit(self.account(owner), token.address, amount, sender=owner)

    def withdraw(self, token: Contract, amount: int, owner: str | None = None) -> Any:
        """The owner withdraws from account 0 to itself."""
        owner = owner or self.trader
        return self.vault.withdraw(self.account(owner), token.address, amount, owner, sender=owner)

    def with_quote(self, kind: str) -> tuple[Contract, Contract, Contract]:
        """Another vault whose quote token is of `kind`; returns token, engine, vault."""
        quote = self.evm.deploy(mock(kind), 6)
        engine = self.evm.deploy(mock("MockVaultEngine"))
        vault = self.evm.deploy(
            compile_contract("CollateralVault"), engine.address, quote.address, self.governance
        )
        engine.set_vault(vault.address)
        return quote, engine, vault

    def kept(self, token: Contract) -> int:
        """What the vault answers for."""
        return int(self.vault.limiter(token.address)[0])


def build() -> World:
    """Deploy everything."""
    evm = Evm()
    governance, trader, stranger, maker = (evm.account() for _ in range(4))
    quote = evm.deploy(mock("MintableToken"), 6)
    engine = evm.deploy(mock("MockVaultEngine"))
    vault = evm.deploy(
        compile_contract("CollateralVault"), engine.address, quote.address, governance
    )
    engine.set_vault(vault.address)
    world = World(evm, vault, engine, quote, quote, governance, trader, stranger, maker)
    for actor in (trader, stranger, maker):
        quote.mint(actor, 10**18)
        quote.approve(vault.address, LARGEST, sender=actor)
    world.token = world.listed()
    return world


@pytest.fixture(scope="session")
def shared_world() -> World:
    return build()


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    handle = shared_world.evm.snapshot()
    yield shared_world
    shared_world.evm.revert(handle)


@pytest.fixture
def listed(world: World) -> Callable[..., Contract]:
    return world.listed
