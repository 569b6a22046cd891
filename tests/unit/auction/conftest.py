"""The auction over a mock engine that doubles as the fund, and people around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.evm import Evm
from plimsoll.model.auction import ONE, Curve, Standing
from tests.house import deploy_auction

from .legs_stage import house as house
from .legs_stage import keeper as keeper
from .legs_stage import legs_house as legs_house
from .legs_stage import liquidator as liquidator
from .legs_stage import maker as maker
from .legs_stage import rival as rival
from .legs_stage import stranger as stranger
from .legs_stage import trader as trader

MOCKS = Path(__file__).parents[2] / "contracts"
USD = 10**15  # quote units
FOREVER = 2**40

CURVE = Curve(
    x_start=50_000_000,
    x_mid=400_000_000,
    x_max=1_500_000_000,
    t_mid=300,
    t_one=1_200,
    t_end=1_800,
    resume=3_600,
    max_step=300,
    fade=600,
    min_lots=1_000,
    buffer=150_000_000,
    fee=30_000_000,
    keeper_share=5_000,
    start_flat=250_000,
    start_share=1_000_000,
    exec_flat=250_000,
    exec_share=1_000_000,
    min_requirement=200 * 10**6,
    charge_cap=5_000_000,
    charge_window=3_600,
    social_share=2_000,
)

# A worked example in thousands: R = 2, E = 1.9.
SOLVENT = Standing(
    equity=1_900 * USD, linear=1_600 * USD, superlinear=400 * USD, perps=8, smallest=10**7
)
INSOLVENT = replace(SOLVENT, equity=-300 * USD)


def account_of(address: str, index: int = 0) -> int:
    return int(address, 16) << 96 | index


@dataclass
class World:
    """The contracts, an account in trouble, and shorthands."""

    evm: Evm
    engine: Any
    auction: Any
    governance: str
    owner: str
    starter: str
    liquidator: str
    stranger: str
    backer: int = 0  # an account with an intent, in the tests about them

    @property
    def account(self) -> int:
        return account_of(self.owner, 7)

    @property
    def bidder(self) -> int:
        return account_of(self.liquidator, 3)

    def stand(self, standing: Standing, account: int | None = None) -> None:
        """Set what the engine says; prices only, so the account's version stays."""
        self.engine.set_prices(self.account if account is None else account, asdict(standing))

    def standing(self, account: int | None = None) -> Standing:
        found = self.engine.standing(self.account if account is None else account)
        return Standing(**found._asdict())

    def begin(self, standing: Standing = SOLVENT, after: int = 0) -> None:
        """Start an auction and let its clock run `after` seconds, synced often enough."""
        self.stand(standing)
        self.auction.start(self.account, sender=self.starter)
        self.run(after)

    def begin_again(self) -> None:
        """Another auction of the same account, SOLVENT."""
        self.stand(SOLVENT)
        if not self.auction.auction(self.account).running:
            self.auction.start(self.account, sender=self.starter)

    def run(self, seconds: int) -> None:
        while seconds > 0:
            step = min(seconds, CURVE.max_step)
            self.evm.advance(step)
            self.auction.sync(self.account, sender=self.stranger)
            seconds -= step

    def bid(self, **changed: Any) -> Any:
        asked: dict[str, Any] = {
            "account": self.account,
            "bidder": self.bidder,
            "auction_id": 0,
            "max_fraction": ONE,
            "cost_limit": 2**200,
            "deadline": FOREVER,
            "sender": self.liquidator,
        }
        asked.update(changed)
        sender = asked.pop("sender")
        return self.auction.bid(*asked.values(), sender=sender)

    def set_curve(self, **changed: int) -> Any:
        curve = asdict(replace(CURVE, **changed))
        return self.auction.set_curve(curve, sender=self.governance)

    def paid(self, who: str) -> int:
        """Keeper pay so far, qu."""
        return int(self.engine.paid(account_of(who)))


@pytest.fixture(scope="session")
def _built() -> World:
    evm = Evm()
    governance, owner, starter, liquidator, stranger = (evm.account() for _ in range(5))
    engine = evm.deploy(compile_contract("MockLiquidationEngine", contracts=MOCKS))
    auction = deploy_auction(evm, engine.address, engine.address, governance, asdict(CURVE))
    return World(evm, engine, auction, governance, owner, starter, liquidator, stranger)


@pytest.fixture
def world(_built: World) -> Iterator[World]:
    before = _built.evm.snapshot()
    yield _built
    _built.evm.revert(before)
