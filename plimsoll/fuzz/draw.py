"""What a drawn waterfall is made of: the generator, the calls so far, who there is and how much.

Everything is drawn from one generator and from the model's state, so that a seed and a number are
the waterfall. What was called is kept in `calls`, as lists that run again without a generator.
This file changes with how accounts, buyers and sizes are looked up and picked.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from plimsoll.fuzz.calls import Call
from plimsoll.fuzz.marks import Marks
from plimsoll.fuzz.stand import KEEPERS, TRADERS
from plimsoll.fuzz.twin import Twin
from plimsoll.model.auction import ONE, Standing

USD = 10**6  # token units


class Draw:
    """A waterfall as it is drawn: `do` plays a call; `seen` counts what was met."""

    # -- looking

    def __init__(self, twin: Twin, rnd: Random) -> None:
        self.twin, self.rnd = twin, rnd
        self.calls: list[Call] = []
        self.seen: Counter[str] = Counter()
        self.number = rnd.randrange(2, TRADERS + 1)  # of accounts
        count = rnd.choices((1, 2, 3, 4), (4, 4, 2, 2))[0]
        self.markets = rnd.sample(range(4), count)

    def do(self, *call: Any) -> tuple[str, Any]:
        """One call on both sides, kept."""
        self.calls.append(list(call))
        before = Marks(self.twin, call)
        error, value = self.twin.apply(self.calls[-1])
        name = call[0]
        self.seen[f"{name} {error}" if error else name] += 1
        if not error:
            for step in before.met(value):
                self.seen[f"= {step}"] += 1
        return error, value

    def _standing(self, number: int) -> Standing:
        return self.twin.model.standing(self.twin.stand.ids[number])

    def _below(self) -> list[int]:
        found = []
        for number in range(self.number):
            account = self.twin.stand.ids[number]
            a = self.twin.house.account(account)
            if not (a.markets or a.collateral or a.cash.shares < 0):
                continue
            standing = self._standing(number)
            if standing.counted < standing.requirement:
                found.append(number)
        return found

    def _running(self) -> list[int]:
        ids, runs = self.twin.stand.ids, self.twin.model.runs
        return [i for i in range(self.number) if ids[i] in runs and runs[ids[i]].running]

    def _worth(self, number: int) -> int:
        house, account = self.twin.house, self.twin.stand.ids[number]
        margin = house.margin(account)
        return max(0, margin.initial_equity - margin.initial_requirement)

    def _exposures(self, number: int) -> dict[int, int]:
        """What an account gains as a feed's price doubles, qu: legs and collateral."""
        house, account = self.twin.house, self.twin.stand.ids[number]
        found: Counter[int] = Counter()
        for market in sorted(house.account(account).markets):
            position = house.position(account, market)
            lots = house.book(market).touch(position, self.twin.basis(market)).lots
            if not self._closed(market):
                found[market + 1] += lots * self.twin.quotes[market + 1].mark
        for asset, terms in self.twin.stand.facts.assets.items():
            held = self._held(number, asset)
            if held:
                mark = self.twin.quotes[terms.feed].mark
                found[terms.feed] += held * mark * 10**6 // 10**terms.decimals
        return dict(found)

    def _held(self, number: int, asset: int) -> int:
        ledger = self.twin.house.custody.ledger  # type: ignore[attr-defined]
        held: int = ledger.balance(self.twin.stand.ids[number], asset)
        return held

    def _closed(self, market: int) -> bool:
        return self.twin.house.configs[market].status == 3

    # -- picks

    def _one(self, numbers: list[int]) -> int:
        """One of these, or where there is none anybody: the refusal is worth a look too."""
        return self.rnd.choice(numbers) if numbers else self._account()

    def _account(self) -> int:
        return self.rnd.randrange(self.number)

    def _anybody(self) -> int:
        return self.rnd.choice((self._account(), TRADERS + 1, TRADERS + KEEPERS))

    def _taker(self, number: int) -> int:
        """Who buys of an account: mostly the first that may."""
        if self.rnd.random() < 0.1:
            return self._account()
        house, ids = self.twin.house, self.twin.stand.ids
        free = [i for i in range(self.number) if i != number and not house.account(ids[i]).frozen]
        return self.rnd.choice(free[:1] * 3 + free) if free else self._account()

    def _fraction(self) -> int:
        rnd = self.rnd
        kinds = (ONE, ONE, ONE, rnd.randrange(1, ONE), ONE // rnd.randrange(2, 50), 1, ONE + 1)
        return rnd.choices(kinds, (6, 6, 6, 6, 4, 1, 1))[0]

    def _dollars(self, low: float, high: float) -> int:
        """Token units, evenly over the powers of ten from `low` to `high`."""
        return int(10 ** self.rnd.uniform(low, high) * USD)
