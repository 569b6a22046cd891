"""The population at the venue: money in, positions opened as each account arrives.

Whoever opens trades with a market maker at the mark and pays the taker's fee. Nobody opens under
the initial requirement: sizes come from `margin_after`, and the contract refuses the rest.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from plimsoll.deployment.house import Actor, House
from plimsoll.evm.errors import Reverted
from plimsoll.simulate.desks import Desk
from plimsoll.simulate.population import Kind, Person
from plimsoll.simulate.reads import Views
from plimsoll.simulate.venue import ETH

LOT_STEP = 1_000
BISECTIONS = 12
TRIES = (100, 98, 95, 90)  # per cent of the size: fee and its own open interest count as well
TAKER_BUYS = 1
BUYER_REDUCES, SELLER_REDUCES = 2, 4
USD = 10**15
SMALLEST = 20.0  # USD of notional


@dataclass
class Member:
    """A person at the venue. `opened`: signed lots by market as first opened."""

    person: Person
    actor: Actor
    opened: dict[int, int]
    at: int = 0  # when

    @property
    def account(self) -> int:
        """Account id."""
        return self.actor.id


class Crowd:
    """Everybody but desks. Prices in ticks."""

    def __init__(
        self, house: House, views: Views, people: Sequence[Person], makers: Sequence[Desk]
    ) -> None:
        self.house, self.views, self.makers = house, views, list(makers)
        self.members = [
            Member(person, house.actor(person.name), {})
            for person in people
            if person.kind is not Kind.MAKER
        ]
        self.waiting: list[tuple[int, Member]] = []
        random.Random(f"crowd {len(people)}").shuffle(self.members)  # nobody is first by kind
        self.turned_away = 0
        self.short_of_makers = 0

    def expect(self, start: int, low: int) -> None:
        """Fixes when each comes: the first wave at `start`, the rest up to `low`."""
        times = [(start + round(m.person.arrives * (low - start)), m) for m in self.members]
        self.waiting = sorted(times, key=lambda pair: pair[0], reverse=True)

    def arrive(self, now: int, states: Sequence[int]) -> list[Member]:
        """Those whose time has come and whose feeds let them open; returns who did."""
        came: list[Member] = []
        if any(states):
            return came
        while self.waiting and self.waiting[-1][0] <= now:
            member = self.waiting.pop()[1]
            self._fund(member)
            self._open(member)
            member.at = now
            came.append(member)
        return came

    def _fund(self, member: Member) -> None:
        person = member.person
        ether = person.equity * person.ether
        if ether:
            price = self.views.market(ETH).mark / 10**9
            self.house.deposit_collateral(member.actor, f"{ether / price:.6f}")
        if person.equity - ether >= 1:
            self.house.deposit(member.actor, round(person.equity - ether))

    def _open(self, member: Member) -> None:
        marks = {m: self.views.market(m).mark for m, _ in member.person.legs}
        gross = self._gross(member, marks)
        for market, share in member.person.legs:
            size = int(gross * abs(share) * 10**15 / marks[market]) // LOT_STEP * LOT_STEP
            if size * marks[market] < SMALLEST * USD:
                continue
            sign = 1 if share > 0 else -1
            for percent in TRIES:
                lots = sign * (size * percent // 100 // LOT_STEP * LOT_STEP)
                if self._trade(member, market, lots, marks[market]):
                    member.opened[market] = lots
                    break
        if not member.opened:
            self.turned_away += 1

    def _gross(self, member: Member, marks: dict[int, int]) -> float:
        """Notional to open, USD: what its leverage asks for, at most what the venue allows."""
        person = member.person
        wanted = person.equity * (100.0 if person.leverage is None else person.leverage)
        if self._allowed(member, marks, wanted):
            return wanted
        low, high = 0.0, wanted
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            if self._allowed(member, marks, middle):
                low = middle
            else:
                high = middle
        return low

    def _allowed(self, member: Member, marks: dict[int, int], gross: float) -> bool:
        """Whether E_init would cover R_init: both are sums over the legs of an empty account."""
        engine = self.views
        bare = engine.margin(member.account)
        slack = bare.initial_equity - bare.initial_requirement
        for market, share in member.person.legs:
            lots = int(gross * share * 10**15 / marks[market])
            if not lots:
                continue
            after = engine.margin_after(member.account, (market, lots, marks[market]))
            slack += after.initial_equity - bare.initial_equity
            slack -= after.initial_requirement - bare.initial_requirement
        return bool(slack >= 0)

    def _trade(self, member: Member, market: int, lots: int, price: int) -> bool:
        """A fill against the maker with the most room; False where none takes it."""
        for maker in sorted(self.makers, key=lambda one: -one.room()):
            sides = (member.account, maker.account) if lots > 0 else (maker.account, member.account)
            flags = TAKER_BUYS if lots > 0 else 0
            try:
                self.house.settle([(market, *sides, abs(lots), price, flags)])
            except Reverted as refused:
                if refused.name != "Underwater":
                    return False
                self.short_of_makers += 1
                continue
            maker.traded(market, -lots, price)
            return True
        return False
