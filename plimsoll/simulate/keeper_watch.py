"""What the keepers of a stress run share: what they know, what they have, and the second opinion.

Changes with what a keeper can see: the book, its free margin, gas, and the check that nothing
befalls an account that meets its requirement (P15).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from plimsoll.deployment.house import House
from plimsoll.evm.errors import Reverted
from plimsoll.simulate.book import MARKETS, Book
from plimsoll.simulate.desks import Desk
from plimsoll.simulate.market_impact import Impact
from plimsoll.simulate.tally import Breach, Run, Tally
from plimsoll.simulate.venue import ETH

ONE = 10**18
NANO = 10**9
FOREVER = 2**63
MIN_PROFIT = 5.0  # USD
GAS = {
    "start": 200_000,
    "bid": 300_000,
    "bid_leg": 320_000,
    "sync": 80_000,
    "end": 120_000,
    "deleverage": 350_000,
}
GAS_PRICE = 20e-9  # ether
LEAST_ROOM = 500.0  # USD of free margin under which a keeper does not look at auctions
FULLER = 1.05  # a refused keeper tries again when its free margin has grown so much
MARGIN_SHARE = 0.9  # of its free margin that a keeper commits to one bid
REST = 60  # s that an intent without margin is left alone, or a stopped account


@dataclass
class Watch:
    """All of them. `away`: the outage, [from, to)."""

    house: House
    book: Book
    bidders: list[Desk]
    pledged: list[Desk]
    makers: list[Desk]
    impact: Impact
    tally: Tally
    away: tuple[int, int] | None = None
    legs: bool = True  # whether single legs are taken where they pay more
    live: dict[int, Run] = field(default_factory=dict)
    below: dict[int, int] = field(default_factory=dict)
    _synced: dict[int, int] = field(default_factory=dict)
    _resting: dict[int, int] = field(default_factory=dict)
    _rooms: dict[int, float] = field(default_factory=dict)
    _full: dict[int, float] = field(default_factory=dict)
    _tried: dict[int, int] = field(default_factory=dict)
    _curve: Any = None
    _blocked: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._curve = self.house.auction.curve()
        self.views = self.book.views
        self.me = self.house.actor("keeper")

    def _room(self, desk: Desk) -> float:
        """Its free margin in this block, read again once it has bought."""
        found = self._rooms.get(desk.account)
        if found is None:
            found = self._rooms[desk.account] = desk.room()
        return found

    def _reread(self, account: int) -> None:
        """What may have changed since the book read it: legs that others shrank, a debt grown."""
        if self.book.stale or self.book.cash[self.book.row[account]] < 0:
            self.book.touch((account,))

    def check_under(self, account: int, what: str) -> None:
        """P15, by the second opinion of the book: nothing befalls who meets its requirement."""
        equity, need = self._judged(account)
        if equity > need * 1.000001 + 0.001:  # the slow open interest is read now and then
            self.book.read_roots()
            self.book.look()
            equity, need = self._judged(account)
        if equity > need * 1.000001 + 0.001:
            raise Breach(f"P15: {what} of {account:#x} with E {equity:.6f} and R {need:.6f} USD")
        self.tally.counts["P15 checked"] += 1

    def _judged(self, account: int) -> tuple[float, float]:
        """E and R as auctions count them: legs on a stopped feed lose their R, ether there all."""
        book, row = self.book, self.book.row[account]
        dead = [market for market in MARKETS if book.states[market] & 3 > 1]
        off = sum(book.leg_requirement(m, float(book.lots[row, m])) for m in dead)
        off += book.ether_value(account) if ETH in dead else 0.0
        return float(book.equity[row]) - off, float(book.requirement[row])

    def _gas_cost(self, kind: str) -> float:
        return float(GAS[kind] * GAS_PRICE * self.book.mark[ETH])

    def _send(self, kind: str, account: int) -> bool:
        try:
            self.house.auction.method(kind).transact(account, sender=self.me)
        except Reverted as refused:
            self.tally.refused[f"{kind}: {refused.name}"] += 1
            return False
        self.tally.gas += self._gas_cost(kind) if kind in GAS else 0.0
        return True
