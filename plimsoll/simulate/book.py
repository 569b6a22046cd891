"""All accounts at once, in floating point: who is near its requirement at this second's prices.

Lots, P&L, cash and ether of each account are read from the contracts when something touched it and
kept; between two touches only prices, volatility and the slow open interest move E and R, and those
are read from the contracts every time. The arithmetic is that of plimsoll.model.standard_margin in
doubles, good to 1e-7; nothing is decided on it alone: whoever is within `MARGIN` of its requirement
is looked at with the contracts' own integers. Money here is USD.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from plimsoll.deployment.house import House
from plimsoll.model.standard_margin import value
from plimsoll.simulate.reads import Views, reader
from plimsoll.simulate.venue import BTC, ETH

MARKETS = (ETH, BTC)
USD = 10**15  # quote units
LOT = 10**6
MARGIN = 0.01  # of R: within it the contracts are asked
ROOT_EVERY = 240  # s between two reads of the slow open interest
Floats = NDArray[np.float64]


class Book:
    """Cached positions of a fixed list of accounts; rows in their order."""

    def __init__(self, house: House, accounts: Sequence[int]) -> None:
        self.house, self.accounts = house, list(accounts)
        self.views = Views(house.engine, house.vault, house.auction)
        self.row = {account: i for i, account in enumerate(self.accounts)}
        count = len(self.accounts)
        self.lots: Floats = np.zeros((count, 2))
        self.offset: Floats = np.zeros((count, 2))  # USD: P&L less lots x mark
        self.cash: Floats = np.zeros(count)
        self.ether: Floats = np.zeros(count)
        self.mark: Floats = np.zeros(2)
        self.equity: Floats = np.zeros(count)
        self.requirement: Floats = np.zeros(count)
        self._rate: Floats = np.zeros(2)
        self._size: Floats = np.zeros(2)
        self._age: Floats = np.ones(2)
        self._cut = 0.0
        self._roots = [0, 0]
        self._values = [0, 0]  # hot words with the values in force
        self._word = reader(house.oracle, "word")
        self._slow_root = reader(house.risk, "slow_root_of")
        self._roots_read = -ROOT_EVERY
        self._feeds = [house.feed_id(house.market(market).feed) for market in MARKETS]
        self._token = house.tokens["weth"].address
        asset = house.config.collateral[0]
        self._haircut = asset.maintenance_haircut_bps / 10_000
        self.states = [0, 0]
        self.stale = False  # legs have changed by a deleveraging since they were read
        self.sigma = [0.0, 0.0]

    def touch(self, accounts: Iterable[int]) -> None:
        """Reads these accounts again, at the prices of now."""
        views = self.views
        marks = [views.market(market).mark for market in MARKETS]
        for account in accounts:
            row = self.row[account]
            self.cash[row] = views.cash_of(account)[0] / USD
            self.ether[row] = views.balance_of(account, self._token) / 10**18
            for market in MARKETS:
                held = views.position(account, market)
                self.lots[row, market] = held.lots / LOT
                self.offset[row, market] = (held.value - held.lots * marks[market]) / USD

    def shrunk(self) -> None:
        """Reads the legs of everybody who has some again: a deleveraging changed them all."""
        self.stale = False
        marks = [self.views.market(market).mark for market in MARKETS]
        for row, market in np.argwhere(self.lots != 0):
            held = self.views.position(self.accounts[row], int(market))
            self.lots[row, market] = held.lots / LOT
            self.offset[row, market] = (held.value - held.lots * marks[market]) / USD

    def everyone(self) -> None:
        """Reads all accounts again: after a deleveraging, and now and then for interest."""
        self.touch(self.accounts)

    def look(self) -> None:
        """E and R of everybody at this second."""
        now = self.house.evm.timestamp
        if self.stale:
            self.shrunk()
        if now - self._roots_read >= ROOT_EVERY:
            self.read_roots()
        for market in MARKETS:
            self._terms(market)
        mark = self.mark
        held = self.ether * mark[ETH]
        self.equity = self.cash + (self.offset + self.lots * mark).sum(axis=1) + held
        size = np.abs(self.lots)
        notional = size * mark * self._age
        rate = self._rate + self._size * np.sqrt(size * LOT * 2**24)
        self.requirement = (notional * rate).sum(axis=1) + held * self._haircut

    def near(self) -> list[int]:
        """Accounts that may be under their requirement, the most exposed first."""
        rows = np.flatnonzero(
            (self.equity < self.requirement * (1 + MARGIN)) & (self.requirement > 0)
            | (self.equity < 0)
        )
        order = rows[np.argsort(-self.requirement[rows])]
        return [self.accounts[row] for row in order]

    def notional(self, account: int) -> Floats:
        """Signed USD by market."""
        row = self.row[account]
        found: Floats = self.lots[row] * self.mark
        return found

    def leg_requirement(self, market: int, lots: float) -> float:
        """R of so many units of one market alone, USD."""
        size = abs(lots)
        rate = self._rate[market] + self._size[market] * float(np.sqrt(size * LOT * 2**24))
        return float(size * self.mark[market] * self._age[market] * rate)

    def ether_value(self, account: int) -> float:
        """USD of ether held as collateral."""
        return float(self.ether[self.row[account]] * self.mark[ETH])

    # -- what the contracts say of a market

    def read_roots(self) -> None:
        """The slow open interest and the terms in force now."""
        self._roots_read = self.house.evm.timestamp
        for market in MARKETS:
            live = isqrt(self.views.market(market).open_interest << 24)
            self._roots[market] = self._slow_root(market, live)
            self._values[market] = self.house.risk.market_words(market)[1]

    def _terms(self, market: int) -> None:
        word, values = self._word(self._feeds[market]), self._values[market]
        mark, sigma, age = word & (2**56 - 1), word >> 231, word >> 112 & 0xFFFF
        base = max(
            value(values, "a") * sigma,
            value(values, "b") * sigma + value(values, "s") * 10**6,
            value(values, "floor") * 10**6,
        )
        base = min(base, value(values, "cap") * 10**7)
        crowd = value(values, "concentration") * self._roots[market] / 2**32
        self._rate[market] = (base + crowd) * 1e-11
        self._size[market] = value(values, "size") / 2**32 * 1e-11
        self._age[market] = 1 + min(1.0, value(values, "slope") * age / 10**6)
        self.mark[market] = mark / 10**9
        self.states[market] = int(word >> 160 & 3) + (4 if word >> 162 & 1 else 0)
        self.sigma[market] = sigma / 10**6

    def rates(self) -> list[float]:
        """MM of a small position by market, as a fraction of notional."""
        return [float(rate * age) for rate, age in zip(self._rate, self._age, strict=True)]
