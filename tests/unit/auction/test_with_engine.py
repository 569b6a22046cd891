"""The auction over the real engine, vault, risk model and fund; oracle words are set by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_utils.crypto import keccak

from plimsoll.compiler import compile_contract, compile_path
from plimsoll.deployment.abi import abi_of
from plimsoll.evm import Evm
from plimsoll.evm.abi import to_address
from plimsoll.model import standard_margin as sm
from plimsoll.model.auction import NANO, ONE
from plimsoll.risk_parameters import STARTING
from plimsoll.testing import reverts

from .conftest import CURVE, FOREVER, MOCKS, USD, account_of
from .test_pre_liquidation import TERMS

DOLLAR = 10**6  # token units
BIG = 10**12 * DOLLAR
MARKETS = 8
ORACLE = Path(__file__).parents[1] / "risk" / "mocks" / "QuoteSource.vy"
CONFIG = {
    "cap_lots": 2**50,
    "cap_usd": 2**36,
    "min_notional": 10,
    "maker_fee": 0,
    "taker_fee": 500,
    "band": 500,
    "status": 0,
}


@dataclass
class House:
    """A deployed protocol with `MARKETS` markets at 3,000 USD, and people with cash."""

    evm: Evm
    engine: Any  # all three ABIs at the engine's address
    vault: Any
    risk: Any
    oracle: Any
    auction: Any
    fund: Any
    token: Any
    collateral: Any
    governance: str
    venue: str
    people: dict[str, str]

    def account(self, name: str, index: int = 0) -> int:
        return account_of(self.people[name], index)

    def price(self, market: int, usd: float, **changed: Any) -> None:
        quote = sm.Quote(int(usd * NANO), sigma=500_000, low=0, high=0, age=1)
        self.oracle.set_word(market + 1, replace(quote, **changed).pack())

    def prices(self, usd: float, **changed: Any) -> None:
        for market in range(MARKETS):
            self.price(market, usd, **changed)

    def trade(self, market: int, lots: int, usd: float = 3_000) -> None:
        """The trader buys from the maker."""
        fill = (market, self.account("trader"), self.account("maker"), lots, int(usd * NANO), 1)
        self.engine.settle([fill], sender=self.venue)

    def run(self, seconds: int) -> None:
        while seconds > 0:
            self.evm.advance(min(seconds, CURVE.max_step))
            self.auction.sync(self.account("trader"))
            seconds -= min(seconds, CURVE.max_step)

    def bid(self, fraction: int = ONE, limit: int = 2**200, auction_id: int = 0) -> Any:
        return self.auction.bid(
            self.account("trader"),
            self.account("liquidator"),
            auction_id,
            fraction,
            limit,
            FOREVER,
            sender=self.people["liquidator"],
        )

    def check(self) -> None:
        assert self.engine.solvency().gap == 0


def create_address(sender: str, nonce: int) -> str:
    return "0x" + keccak(rlp.encode([to_address(sender), nonce]))[12:].hex()


class Engine:
    """One address, several ABIs."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts
        self.address = parts[0].address

    def __getattr__(self, name: str) -> Any:
        for part in self.parts:
            if name in part._groups:
                return part.method(name)
        raise AttributeError(name)


def build() -> House:
    evm = Evm()
    deployer, governance, venue = evm.account(), evm.account(), evm.account()
    people = {name: evm.account() for name in "trader maker liquidator keeper".split()}
    token = evm.deploy(compile_contract("MintableToken", contracts=MOCKS), 6)
    collateral = evm.deploy(compile_contract("MintableToken", contracts=MOCKS), 18)
    oracle = evm.deploy(compile_path(ORACLE))
    where = [create_address(deployer, nonce) for nonce in range(10)]
    (
        vault_at,
        legs_at,
        last_at,
        admin_at,
        selling_at,
        engine_at,
        _,
        fund_at,
        offers_at,
        auction_at,
    ) = where

    def deploy(name: str, *args: Any) -> Any:
        return evm.deploy(compile_contract(name), *args, sender=deployer)

    vault = deploy("CollateralVault", engine_at, token.address, governance)
    deploy("MarginEngineLegs", vault_at)
    deploy("MarginEngineDeleveraging", vault_at, legs_at)
    deploy("MarginEngineAdmin", vault_at, last_at)
    deploy("MarginEngineLiquidation", vault_at, admin_at)
    core = deploy("MarginEngine", vault_at, selling_at, venue, governance, governance)
    risk = deploy("StandardMargin", oracle.address, engine_at, governance)
    fund = deploy("InsuranceFund", engine_at, token.address, auction_at, governance)
    deploy("LiquidationAuctionOffers", engine_at, fund_at)
    front = deploy("LiquidationAuction", engine_at, fund_at, offers_at, governance, asdict(CURVE))
    auction = evm.at(abi_of("LiquidationAuction"), front.address)
    assert [c.address.lower() for c in (vault, core, fund, auction)] == [
        vault_at,
        engine_at,
        fund_at,
        auction_at,
    ]
    parts = [compile_contract(f"MarginEngine{part}") for part in ("Liquidation", "Admin")]
    engine = Engine(core, *(evm.at(part, engine_at) for part in parts))
    house = House(
        evm,
        engine,
        vault,
        risk,
        oracle,
        auction,
        fund,
        token,
        collateral,
        governance,
        venue,
        people,
    )
    house.prices(3_000)
    engine.set_core(risk.address, 5_000, 3_600, sender=governance)
    engine.set_module(1, auction_at, sender=governance)
    engine.set_module(2, fund_at, sender=governance)
    engine.set_fee_split(governance, 10_000, sender=governance)
    for market in range(MARKETS):
        parameters = STARTING["ETH"].to_chain()
        risk.list_market(market, market + 1, parameters.astuple(), sender=governance)
        engine.list_market(CONFIG, sender=governance)
    for name, cash in {"trader": 5_000, "maker": 10**7, "liquidator": 10**6}.items():
        token.mint(people[name], BIG)
        token.approve(vault_at, 2**256 - 1, sender=people[name])
        engine.deposit(house.account(name), cash * DOLLAR, sender=people[name])
    token.mint(governance, BIG)
    token.approve(vault_at, 2**256 - 1, sender=governance)
    fund.deposit(10**5 * DOLLAR, governance, sender=governance)
    return house


@pytest.fixture(scope="module")
def _house() -> House:
    return build()


@pytest.fixture
def house(_house: House) -> Iterator[House]:
    before = _house.evm.snapshot()
    yield _house
    _house.evm.revert(before)


def fall(house: House, markets: int, health: float) -> None:
    """Long in `markets` markets, then all prices fall until E is `health` of R."""
    for market in range(markets):
        house.trade(market, 8 * 10**6 // markets)
    low, high = 1_000.0, 3_000.0
    for _ in range(40):
        usd = (low + high) / 2
        house.prices(usd)
        margin = house.engine.margin(house.account("trader"))
        if margin.equity < health * margin.requirement:
            low = usd
        else:
            high = usd


@pytest.mark.parametrize("markets", [1, MARKETS])
def test_auction__solvent_account__sized_to_its_target(house: House, markets: int) -> None:
    trader = house.account("trader")
    fall(house, markets, 0.9)
    started = house.auction.start(trader, sender=house.people["keeper"])
    house.run(60)
    quote = house.auction.cost(trader)
    assert 0 < quote.fraction < ONE
    # Lots are rounded, so the price is that of a fraction of a lot more of each leg.
    near = quote.cost // 10**4
    receipt = house.bid(auction_id=quote.id, limit=quote.cost + near)
    assert abs(receipt.value - quote.cost) <= near
    margin = house.engine.margin(trader)
    goal = margin.requirement * (NANO + CURVE.buffer)
    assert goal <= margin.equity * NANO <= goal * 1_002 // 1_000
    assert not house.auction.auction(trader).running
    house.check()
    # Once more, with a bidder who holds the instruments.
    fall(house, 0, 0.9)
    again = house.auction.start(trader, sender=house.people["keeper"])
    steady = house.bid()
    print(f"markets {markets}, gas: start {started.gas_used}, bid {receipt.gas_used}, then")
    print(f"start {again.gas_used}, bid {steady.gas_used}")


@pytest.mark.parametrize("markets", [1, MARKETS])
def test_auction__insolvent_account__fund_pays_and_account_is_empty(
    house: House, markets: int
) -> None:
    trader = house.account("trader")
    fall(house, markets, -0.2)
    house.auction.start(trader, sender=house.people["keeper"])
    deficit = -house.engine.margin(trader).equity
    assert abs(house.engine.pending_deficit() - deficit) <= 2
    house.run(CURVE.t_one)
    before = house.engine.fund_balance()
    half = house.bid(fraction=ONE // 2)
    rest = house.bid()
    assert 0 <= before - house.engine.fund_balance() - deficit <= 100
    assert max(half.value, rest.value) < 0
    assert house.engine.margin(trader).equity == 0
    assert house.engine.held(trader) == 0
    assert house.engine.pending_deficit() == 0
    house.check()


@pytest.mark.parametrize("health", [0.9, -0.5])
def test_auction__nobody_bids__deleveraged(house: House, health: float) -> None:
    trader = house.account("trader")
    fall(house, 2, health)
    equity = house.engine.margin(trader).equity
    house.auction.start(trader, sender=house.people["keeper"])
    house.run(CURVE.t_one - 1)
    with reverts("AuctionNotOver"):
        house.auction.deleverage(trader, 0)
    house.run(1 if health > 0 else CURVE.t_end - CURVE.t_one + 1)
    house.auction.deleverage(trader, 0, sender=house.people["keeper"])
    left = house.engine.margin(trader)
    assert left.requirement == 0
    assert abs(left.equity - max(0, equity)) <= 5
    assert house.engine.held(trader) == 0
    assert not house.auction.auction(trader).running
    house.check()


def test_auction__deposit_cures__ends(house: House) -> None:
    trader = house.account("trader")
    fall(house, 1, 0.9)
    house.auction.start(trader)
    with reverts("Frozen"):
        house.engine.withdraw(trader, 1, house.people["trader"], sender=house.people["trader"])
    house.engine.deposit(trader, 1_000 * DOLLAR, sender=house.people["trader"])
    house.auction.end(trader)
    with reverts("NoAuction"):
        house.bid()
    assert house.engine.margin(trader).equity > 0
    house.check()


def test_auction__bidder_too_poor__underwater(house: House) -> None:
    fall(house, 1, 0.9)
    house.auction.start(house.account("trader"))
    poor = account_of(house.people["keeper"], 5)
    with reverts("Underwater"):
        house.auction.bid(
            house.account("trader"), poor, 0, ONE, 2**200, FOREVER, sender=house.people["keeper"]
        )


def test_auction__keeper_budget__pays_starter_and_bidder(house: House) -> None:
    trader = house.account("trader")
    for market in range(MARKETS):
        house.trade(market, 10**6)
    fall(house, 0, 0.3)
    house.auction.start(trader, sender=house.people["keeper"])
    receipt = house.bid()
    paid = [e for e in receipt.events if e.name == "KeeperPaid"]
    cash, _ = house.engine.cash_of(house.account("keeper"))
    print([(e.args["keeper"], e.args["amount"] / USD) for e in paid], cash)
    assert len(paid) == 2
    assert cash >= paid[1].args["amount"] - 1 > 0
    house.check()


def lend(house: House, worth: float) -> None:
    """The trader borrows 1,000 USD against a coin that then is worth `worth`; no cash, no legs."""
    who, feed = house.people["trader"], 99
    coin = house.collateral
    house.oracle.set_word(feed, sm.Quote(2_000 * NANO, age=1).pack())
    house.vault.list_asset(coin.address, feed, 2_000, 3_000, 10**24, 3_600, sender=house.governance)
    house.engine.set_rates((0, 0, 0, 8_000, 1_000, 10**12), sender=house.governance)
    house.evm.advance(3_600)
    coin.mint(who, 10**18)
    coin.approve(house.vault.address, 2**256 - 1, sender=who)
    trader = house.account("trader")
    house.vault.deposit(trader, coin.address, 10**18, sender=who)
    house.engine.withdraw(trader, 6_000 * DOLLAR, who, sender=who)
    house.oracle.set_word(feed, sm.Quote(int(worth * NANO), age=1).pack())


def test_auction__collateral_loan__slice_sold_to_target(house: House) -> None:
    trader = house.account("trader")
    lend(house, 1_200)  # E = 200, R = 240
    house.auction.start(trader)
    house.bid()
    margin = house.engine.margin(trader)
    goal = margin.requirement * (NANO + CURVE.buffer)
    assert goal <= margin.equity * NANO <= goal * 1_002 // 1_000
    assert house.vault.balance_of(house.account("liquidator"), house.collateral.address) > 0
    assert not house.auction.auction(trader).running
    house.check()


@pytest.mark.parametrize(("units", "waits"), [(10**18, True), (10**15, False)])
def test_start__recovering_collateral__waits_however_small_its_haircut(
    house: House, units: int, waits: bool
) -> None:
    """A gap in its feed is followed by the grace time, though the haircut is a small part of R."""
    trader, who, feed = house.account("trader"), house.people["trader"], 99
    back = sm.Quote(500 * NANO, state=1, recovering=True)
    house.oracle.set_word(feed, back.pack())
    house.vault.list_asset(
        house.collateral.address, feed, 100, 3_000, 10**24, 3_600, sender=house.governance
    )
    house.evm.advance(3_600)  # the supply cap grows
    house.collateral.mint(who, units)
    house.collateral.approve(house.vault.address, 2**256 - 1, sender=who)
    house.vault.deposit(trader, house.collateral.address, units, sender=who)
    fall(house, 1, 0.5)
    standing = house.engine.standing(trader)
    assert standing.collateral // 100 < (standing.linear + standing.superlinear) // 20
    if waits:
        with reverts("ClockStopped"):
            house.auction.start(trader)
        house.oracle.set_word(feed, replace(back, recovering=False).pack())
    house.auction.start(trader)


@pytest.mark.parametrize("late", [0, CURVE.fade // 2, CURVE.fade])
def test_auction__insolvent_loan__completes_at_any_price(house: House, late: int) -> None:
    trader = house.account("trader")
    lend(house, 900)
    house.auction.start(trader)
    house.run(CURVE.t_end + late)
    with reverts("CollateralLeft"):
        house.auction.deleverage(trader, 0)
    receipt = house.auction.deleverage(
        trader, house.account("liquidator"), sender=house.people["liquidator"]
    )
    share = {0: 1, CURVE.fade // 2: 0.5, CURVE.fade: 0}[late]
    deficit = next(e for e in receipt.events if e.name == "Deleveraged").args["deficit"]
    assert abs(deficit / USD - (1_000 - 720 * share)) < 0.001
    assert not house.auction.auction(trader).running
    assert house.engine.margin(trader).equity == 0
    house.check()


def test_auction__solvent_loan__bid_for_nothing_before_others_pay(house: House) -> None:
    # E = 100 < R = 220: until t_end the account is on sale for nothing, not closed at others' cost.
    trader = house.account("trader")
    lend(house, 1_100)
    house.auction.start(trader)
    house.run(CURVE.t_one)
    with reverts("AuctionNotOver"):
        house.auction.deleverage(
            trader, house.account("liquidator"), sender=house.people["liquidator"]
        )
    assert house.bid().value == 0
    assert house.engine.margin(trader).equity == 0
    house.check()


# -- pre-liquidation


def open_to_pre(house: House, markets: int, health: float) -> int:
    """The trader at `health` of R, opted in to pre-liquidation."""
    trader = house.account("trader")
    house.auction.set_curve(asdict(replace(CURVE, **TERMS)), sender=house.governance)
    fall(house, markets, health)
    house.auction.set_pre_liquidation(trader, True, sender=house.people["trader"])
    return trader


def pre(house: House, **changed: Any) -> Any:
    asked = {"fraction": ONE, "limit": 2**200, "sender": house.people["liquidator"]} | changed
    return house.auction.pre_liquidate(
        house.account("trader"),
        house.account("liquidator"),
        asked["fraction"],
        asked["limit"],
        FOREVER,
        sender=asked["sender"],
    )


@pytest.mark.parametrize("markets", [1, MARKETS])
def test_pre_liquidation__thin_account__back_to_its_band(house: House, markets: int) -> None:
    trader = open_to_pre(house, markets, 1.03)
    quote, before = house.auction.pre_quote(trader), house.engine.margin(trader)
    receipt = pre(house)
    assert abs(receipt.value - quote.cost) <= quote.cost // 10**4
    after = house.engine.margin(trader)
    goal = after.requirement * (NANO + TERMS["pre_band"])
    assert goal <= after.equity * NANO <= goal * 1_002 // 1_000
    # Never worse than the auction's first bid: the owner loses premium and fee of what was sold.
    sold = before.requirement * quote.fraction // ONE
    terms = (TERMS["pre_premium"] + TERMS["pre_fee"]) * sold // NANO
    assert 0 < before.equity - after.equity <= terms
    assert not house.engine.head(trader) >> 226 & 1
    print(f"markets {markets}, pre-liquidation {receipt.gas_used} gas")
    house.check()


def test_pre_liquidation__cheaper_for_the_owner_than_the_auction_a_tick_lower(
    house: House,
) -> None:
    trader = open_to_pre(house, 1, 1.0005)
    before = house.evm.snapshot()
    equity = house.engine.margin(trader).equity
    pre(house)
    lost_before = equity - house.engine.margin(trader).equity
    house.evm.revert(before)
    usd = house.engine.market(0).mark / NANO
    house.price(0, usd - 0.5)
    equity = house.engine.margin(trader).equity
    house.auction.start(trader)
    house.bid()
    lost_in_auction = equity - house.engine.margin(trader).equity
    print(f"lost {lost_before / USD:.2f} before, {lost_in_auction / USD:.2f} in auction")
    assert 0 < lost_before < lost_in_auction


def test_pre_liquidation__auctions_stopped__market_paused(house: House) -> None:
    open_to_pre(house, 1, 1.03)
    house.engine.set_pause(3, sender=house.governance)
    with reverts("MarketPaused"):
        pre(house)


def test_pre_liquidation__stale_feed__refused(house: House) -> None:
    trader = open_to_pre(house, 2, 1.03)
    usd = house.engine.market(1).mark / NANO
    house.price(1, usd, state=2)
    assert house.auction.pre_quote(trader).fraction == 0
    with reverts("StalePrice"):
        pre(house)
