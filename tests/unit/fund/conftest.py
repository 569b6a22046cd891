"""A fund over a mock engine's bucket, the money in a real vault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.evm import Contract, Evm
from plimsoll.model.fund import exposure_words

MOCKS = Path(__file__).parents[2] / "contracts"
LARGEST = 2**256 - 1
ZERO = "0x" + "00" * 20
DAY = 86_400
TOKEN = 10**9  # qu of one token unit
USD = 10**6  # token units
USD_QU = 10**15


@dataclass
class World:
    """The fund and its actors; `auction` draws."""

    evm: Evm
    fund: Contract
    engine: Contract
    vault: Contract
    quote: Contract
    governance: str
    auction: str
    staker: str
    other: str
    attacker: str

    def income(self, units: int) -> None:
        """Fees or penalties, token units: the vault has the tokens, the claim grows."""
        self.engine.pull(self.other, units)
        self.engine.add_income(units * TOKEN)

    def payout(self, market: int, qu: int) -> int:
        """Draw and let the engine move the money; returns what was granted."""
        return self.pay_out([(market, 1)], qu)

    def pay_out(self, parts: Sequence[tuple[int, int]], qu: int) -> int:
        """The same over (market, weight) pairs."""
        granted = int(self.fund.draw(exposure_words(parts), qu, sender=self.auction).value)
        self.engine.pay_out(granted)
        return granted

    def deposit(self, usd: float, owner: str | None = None) -> int:
        """Deposit; returns the shares."""
        owner = owner or self.staker
        return int(self.fund.deposit(int(usd * USD), owner, sender=owner).value)

    def request(self, shares: int, owner: str | None = None, wait: bool = True) -> None:
        """Request a redemption and wait for its window."""
        self.fund.request_redeem(shares, sender=owner or self.staker)
        if wait:
            self.evm.advance(self.fund.cooldown())

    def redeem(self, shares: int, owner: str | None = None) -> int:
        """Redeem to oneself; returns the assets."""
        owner = owner or self.staker
        return int(self.fund.redeem(shares, owner, owner, sender=owner).value)

    def price(self) -> float:
        """Assets of one whole share, in token units."""
        return self.fund.convertToAssets(10**30) / 10**18


def build() -> World:
    """Deploy everything."""
    evm = Evm()
    governance, auction, staker, other, attacker = (evm.account() for _ in range(5))
    quote = evm.deploy(compile_contract("MintableToken", contracts=MOCKS), 6)
    engine = evm.deploy(compile_contract("MockVaultEngine", contracts=MOCKS))
    vault = evm.deploy(
        compile_contract("CollateralVault"), engine.address, quote.address, governance
    )
    engine.set_vault(vault.address)
    fund = evm.deploy(
        compile_contract("InsuranceFund"), engine.address, quote.address, auction, governance
    )
    for actor in (staker, other, attacker):
        quote.mint(actor, 10**20)
        quote.approve(vault.address, LARGEST, sender=actor)
    return World(evm, fund, engine, vault, quote, governance, auction, staker, other, attacker)


@pytest.fixture(scope="session")
def shared_fund_world() -> World:
    return build()


@pytest.fixture
def world(shared_fund_world: World) -> Iterator[World]:
    handle = shared_fund_world.evm.snapshot()
    yield shared_fund_world
    shared_fund_world.evm.revert(handle)
