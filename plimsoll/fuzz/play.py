"""One random waterfall: a house, prices that gap, and whoever comes down the waterfall.

Changes with which move comes when, and how often.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from random import Random
from typing import Any

from plimsoll.fuzz.auction_moves import AuctionMoves
from plimsoll.fuzz.calls import TAKER
from plimsoll.fuzz.curves import random_curve
from plimsoll.fuzz.money_moves import MoneyMoves
from plimsoll.fuzz.twin import Twin

# What somebody does next, once prices have gapped. The first part needs an auction; where none is
# on, it is tried now and then all the same. `_rush` waits for the end of the curve.
SALES = {
    "bid": 16,
    "rush": 8,
    "deleverage": 4,
    "intent": 6,
    "flash": 4,
    "leg": 8,
    "sync": 2,
    "end": 2,
    "cost": 2,
    "look": 2,
    "cure": 2,
}
OTHERS = {
    "start": 5,
    "wait": 4,
    "withdraw": 4,
    "release": 3,
    "recover": 2,
    "fees": 2,
    "realise": 2,
    "pre": 8,
    "opt": 1,
    "commit": 3,
    "revoke": 0.5,
    "unlock": 0.5,
    "jitter": 3,
    "feed": 2,
    "trade": 3,
    "coin": 1,
    "insure": 1,
    "leave": 1,
    "budget": 1,
    "residual": 3,
    "pause": 0.5,
    "flow": 0.5,
    "wind": 0.5,
}
IDLE_SALES = 0.05


class Play(AuctionMoves, MoneyMoves):
    """A waterfall from first to last: `run` plays it."""

    def __init__(self, twin: Twin, rnd: Random) -> None:
        super().__init__(twin, rnd)
        self.moves: dict[str, Callable[[], Any]] = {
            name: getattr(self, "_" + name) for name in (*SALES, *OTHERS)
        }

    def run(self) -> None:
        """From an empty house to the last identity."""
        self._house()
        for _ in range(self.rnd.choice((1, 1, 2, 3))):
            self._gap()
            for account in self._below():
                if self.rnd.random() < 0.9:
                    self.do("start", account, self._anybody())
            for _ in range(self.rnd.randrange(2, 10)):
                self._move()
        if self.seen["= deleveraged"]:
            self._residual()
        if self.seen["= deleveraged"] > 1:
            self.seen["= deleveraged again"] += 1
        self.twin.check()

    def _move(self) -> None:
        cash, rnd = self.twin.house.cash, self.rnd
        if cash.excess() and rnd.random() < 0.15:  # a loss is known: who is first out?
            self._withdraw()
        elif cash.escrows and rnd.random() < 0.2:
            self._release()
        chance = 0.75 if self._running() else IDLE_SALES
        table = SALES if rnd.random() < chance else OTHERS
        self.moves[rnd.choices(list(table), list(table.values()))[0]]()

    def _house(self) -> None:
        rnd = self.rnd
        for market in self.markets:
            start = self.twin.stand.facts.quotes[market + 1].mark
            self._set(market + 1, int(start * 2 ** rnd.uniform(-2, 2)), fresh=True)
        if rnd.random() < 0.85:
            self.do("curve", *astuple(random_curve(rnd)))
        if rnd.random() < 0.5:
            self._caps()
        if rnd.random() < 0.4:
            self._flow()
        if rnd.random() < 0.75:
            self.do("insure", self._dollars(1.5, 6.5))
        if rnd.random() < 0.6:
            self.do("sponsor", self._dollars(2, 5))
            self.do("budget", 10**21)
        # Mostly somebody is rich; where nobody is, a loss may be more than all the cash there is.
        rich = rnd.random() < 0.85
        self.do("deposit", 0, self._dollars(5, 8) if rich else self._dollars(2.5, 4), 0)
        for number in range(1, self.number):
            self.do("deposit", number, self._dollars(2, 5.5), number)
        if rnd.random() < 0.2:
            self.do("deposit", TAKER, self._dollars(2, 5), 0)
        for number in range(1, self.number):
            if rnd.random() < 0.2:
                self._coin_of(number)
            if rnd.random() < 0.08:
                self._loan(number)
            if rnd.random() < 0.15:
                self.do("mode", number, 1)
            if rnd.random() < 0.2:
                self.do("opt", number, 1, number)
        self._books()
        if rnd.random() < 0.3:
            self._commit()
