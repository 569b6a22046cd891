"""A desk: the contract and its model side by side, compared at every call."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plimsoll.compiler import compile_contract, compile_path
from plimsoll.evm import Evm
from plimsoll.model import standard_margin as sm
from plimsoll.risk_parameters import STARTING

MOCKS = Path(__file__).parent / "mocks"


class Desk:
    """Contract `margin`, model `model`, an oracle double and the neighbours' addresses."""

    def __init__(self) -> None:
        self.evm = Evm()
        self.governance = self.evm.account()
        self.engine = self.evm.account()
        self.stranger = self.evm.account()
        self.oracle = self.evm.deploy(compile_path(MOCKS / "QuoteSource.vy"))
        self.margin = self.evm.deploy(
            compile_contract("StandardMargin"), self.oracle.address, self.engine, self.governance
        )
        self.quotes: dict[int, int] = {}
        self.settlements: dict[int, int] = {}
        self.model = sm.StandardMargin(
            lambda feed: self.quotes.get(feed, 0), lambda feed: self.settlements.get(feed, 0)
        )

    @property
    def now(self) -> int:
        return self.evm.timestamp

    def set_quote(self, feed: int, quote: sm.Quote) -> None:
        self.quotes[feed] = quote.pack()
        self.oracle.set_word(feed, quote.pack())

    def set_settlement(self, feed: int, price: int) -> None:
        self.settlements[feed] = price
        self.oracle.set_settlement(feed, price)

    def list_market(self, market: int, feed: int, p: sm.MarketParameters) -> Any:
        receipt = self.margin.list_market(market, feed, p.astuple(), sender=self.governance)
        self.model.list_market(market, feed, p, self.now)
        return receipt

    def set_parameters(self, market: int, p: sm.MarketParameters) -> Any:
        receipt = self.margin.set_parameters(market, p.astuple(), sender=self.governance)
        self.model.set_parameters(market, p, self.now)
        self.check_words(market)
        return receipt

    def check_words(self, market: int) -> None:
        hot, now, ramp = self.margin.market_words(market)
        assert hot == self.model.hot[market]
        assert now == self.model.maintenance_word(market, self.now)
        assert ramp == self.model.ramps.get(market, 0)

    def quote(self, market: int, root: int) -> int:
        word = self.margin.quote(market, root, sender=self.engine).value
        assert word == self.model.quote(market, root, self.now)
        assert self.margin.peek(market) == self.model.peek(market) == word
        self.check_words(market)
        return int(word)

    def close(self, market: int) -> Any:
        receipt = self.margin.close(market, sender=self.engine)
        self.model.close(market)
        return receipt

    def assess(self, legs: list[sm.Leg], holdings: list[sm.Holding] | None = None) -> sm.Assessment:
        holdings = holdings or []
        got = self.margin.assess([leg.pack() for leg in legs], [h.pack() for h in holdings])
        expected = self.model.assess(legs, holdings, self.now)
        assert sm.Assessment(*got) == expected
        return expected

    def assess_one(self, leg: sm.Leg, word: int) -> sm.Assessment:
        expected = self.model.assess_one(leg, word, self.now)
        assert sm.Assessment(*self.margin.assess_one(leg.pack(), word)) == expected
        return expected


@pytest.fixture(scope="module")
def fresh_desk() -> Desk:
    return Desk()


@pytest.fixture
def desk(fresh_desk: Desk) -> Any:
    """A desk with nothing listed; everything a test does is undone."""
    snapshot = fresh_desk.evm.snapshot()
    yield fresh_desk
    fresh_desk.evm.revert(snapshot)
    fresh_desk.quotes.clear()
    fresh_desk.settlements.clear()
    for book in (
        fresh_desk.model.hot,
        fresh_desk.model.ramps,
        fresh_desk.model.parameters,
        fresh_desk.model.closed_words,
    ):
        book.clear()


@pytest.fixture
def bitcoin() -> sm.MarketParameters:
    return STARTING["BTC"].to_chain()


@pytest.fixture
def traded(desk: Desk, bitcoin: sm.MarketParameters) -> Desk:
    """A desk with market 0 on feed 1, listed a day ago, at 60,000 USD and 50 % volatility."""
    desk.set_quote(1, sm.Quote(60_000 * 10**9, sigma=500_000, low=20, high=30, age=5))
    desk.list_market(0, 1, bitcoin)
    desk.evm.advance(86_400)
    return desk


def draw_parameters(rng: random.Random) -> sm.MarketParameters:
    """Parameters within the hard bounds, most of them at sizes that matter."""
    nano = sm.NANO
    floor = rng.choice([nano // 1000, rng.randrange(nano // 1000, nano // 10), nano // 2])
    return sm.MarketParameters(
        tail=rng.choice([nano // 2, rng.randrange(nano // 2, 8 * nano)]),
        horizon=rng.choice([60, rng.randrange(60, 20_000)]),
        floor=floor,
        cap=rng.choice([floor, rng.randrange(floor, 3 * nano // 2 + 1)]),
        size=rng.choice([0, rng.randrange(nano), 2 * nano]),
        concentration=rng.choice([0, rng.randrange(nano), 2 * nano]),
        depth=rng.choice([2**20, rng.randrange(2**20, 2**40), 2**63 - 1]),
        stressed=rng.randrange(nano // 100, 4 * nano),
        blend=rng.choice([0, nano // 4, rng.randrange(nano + 1), nano]),
        forecast=rng.choice([0, rng.randrange(4 * nano)]),
        initial_multiple=rng.randrange(nano, 4 * nano + 1),
        initial_floor=rng.randrange(floor, 3 * nano // 2 + 1),
        stale_slope=rng.choice([0, rng.randrange(4_000_001)]),
    )


def draw_valid(rng: random.Random) -> sm.MarketParameters:
    """Parameters that the contract accepts."""
    while True:
        p = draw_parameters(rng)
        try:
            sm.encode(p)
        except sm.Refused:
            continue
        return p


def draw_quote(rng: random.Random) -> sm.Quote:
    """A quote word over the whole range of each field; a recovering feed is DEGRADED at least."""
    state = rng.choice([0, 0, 0, 1, 1, 2, 3])
    return sm.Quote(
        mark=rng.choice([1, 2**56 - 1, rng.randrange(1, 2 ** rng.randrange(1, 57))]),
        funding=rng.choice([0, -(2**55), 2**55 - 1, rng.randrange(-(2**40), 2**40)]),
        age=rng.choice([0, 65_535, rng.randrange(4000)]),
        low=rng.choice([0, 65_535, rng.randrange(500)]),
        high=rng.choice([0, 65_535, rng.randrange(500)]),
        state=state,
        sigma=rng.choice([0, 2**25 - 1, rng.randrange(2 ** rng.randrange(1, 26))]),
        recovering=state > 0 and rng.random() < 0.5,
    )


def draw_leg(rng: random.Random, market: int) -> sm.Leg:
    """A leg over the whole range of each field."""
    lots = rng.choice([-(2**63), 2**63 - 1, 1, -1, *[rng.randrange(1, 2**45)] * 6])
    return sm.Leg(
        market,
        rng.choice([0, 2**40 - 1, rng.randrange(2 ** rng.randrange(1, 41))]),
        lots * rng.choice([1, -1]) if abs(lots) < 2**63 - 1 else lots,
        rng.randrange(-(2**127), 2**127),
    )


def draw_holding(rng: random.Random, feed: int) -> sm.Holding:
    """A holding over the whole range of each field that the vault accepts."""
    return sm.Holding(
        amount=rng.choice([0, 2**128 - 1, rng.randrange(2 ** rng.randrange(1, 100))]),
        feed=feed,
        maintenance_haircut=rng.randrange(10_001),
        initial_haircut=rng.randrange(10_001),
        decimals=rng.choice([0, 6, 8, 18, rng.randrange(37)]),
        asset=rng.randrange(256),
    )


class Draw:
    """The generators above, for tests (which cannot import this file)."""

    parameters = staticmethod(draw_parameters)
    valid = staticmethod(draw_valid)
    quote = staticmethod(draw_quote)
    leg = staticmethod(draw_leg)
    holding = staticmethod(draw_holding)
    change = staticmethod(replace)


@pytest.fixture(scope="session")
def draw() -> type[Draw]:
    return Draw
