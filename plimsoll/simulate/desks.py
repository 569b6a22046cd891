"""Professionals who are hedged elsewhere: market makers, and the keepers' own accounts.

A desk's positions at the venue are offset outside, so what it loses here it gains there. It brings
gains over after `DELAY` seconds when its margin here runs low, and never more than it gained: its
capital is finite. What hedging costs is the keepers' business (`plimsoll.simulate.market_impact`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from plimsoll.deployment.house import Actor, House
from plimsoll.evm.errors import Reverted
from plimsoll.simulate.reads import Views

USD = 10**15
DELAY = 1_800  # s until a gain elsewhere is here
TOP_UP_BELOW = 2.0  # E over R_init
TOP_UP_TO = 3.0


@dataclass
class Desk:
    """One account of a professional. Money in USD, prices in ticks, lots signed."""

    house: House
    views: Views
    actor: Actor
    outside: float = 0.0  # gains elsewhere less what was brought over
    brought: float = 0.0
    trades: tuple[int, ...] = (0, 1)  # markets it deals in
    lots: dict[int, int] = field(default_factory=dict)
    _marks: dict[int, int] = field(default_factory=dict)
    _known: deque[tuple[int, float]] = field(default_factory=deque)

    @property
    def account(self) -> int:
        """Account id."""
        return self.actor.id

    def room(self) -> float:
        """Free initial margin, USD."""
        margin = self.views.margin(self.account)
        return float(margin.initial_equity - margin.initial_requirement) / USD

    def traded(self, market: int, lots: int, price: int) -> None:
        """It has `lots` more here and so many fewer elsewhere, at `price`."""
        self._mark(market, price)
        self.lots[market] = self.lots.get(market, 0) + lots

    def reread(self, market: int, price: int) -> None:
        """Its lots here were changed by others: the hedge follows."""
        self._mark(market, price)
        self.lots[market] = self.views.position(self.account, market).lots

    def pays(self, amount: float) -> None:
        """Something paid for elsewhere."""
        self.outside -= amount

    def follow(self, now: int, marks: list[int]) -> None:
        """The hedge's gain up to now."""
        for market, mark in enumerate(marks):
            self._mark(market, mark)
        self._known.append((now, self.outside + self.brought))
        while len(self._known) > 1 and self._known[1][0] <= now - DELAY:
            self._known.popleft()

    def top_up(self, now: int) -> float:
        """Brings over what margin asks for, of gains that have arrived; returns USD."""
        if not self._known or self._known[0][0] > now - DELAY:
            return 0.0
        margin = self.views.margin(self.account)
        equity, need = margin.equity / USD, margin.initial_requirement / USD
        if equity >= TOP_UP_BELOW * need:
            return 0.0
        have = min(self._known[0][1] - self.brought, self.outside)
        amount = min(TOP_UP_TO * need - equity, have)
        if amount < 100:
            return 0.0
        try:
            self.house.deposit(self.actor, int(amount))
        except Reverted:
            return 0.0
        self.outside -= int(amount)
        self.brought += int(amount)
        return float(int(amount))

    def _mark(self, market: int, price: int) -> None:
        last = self._marks.get(market, price)
        self.outside -= self.lots.get(market, 0) * (price - last) / USD
        self._marks[market] = price
