"""One random waterfall: a house, prices that gap, and whoever comes down the waterfall.

Everything is drawn from one generator and from the model's state, so that a seed and a number are
the waterfall. What was called is kept in `calls`, as lists that run again without a generator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import astuple
from random import Random
from typing import Any

from plimsoll.fuzz.calls import NO_LIMIT, TAKER, Call
from plimsoll.fuzz.curves import random_curve
from plimsoll.fuzz.marks import Marks
from plimsoll.fuzz.stand import KEEPERS, TRADERS
from plimsoll.fuzz.twin import Twin
from plimsoll.model.accounts import root_of
from plimsoll.model.auction import NANO, ONE, Standing
from plimsoll.model.cash import TOK
from plimsoll.model.liquidation import exhausted
from plimsoll.model.standard_margin import IM_SCALE, Leg, leg_margin

USD = 10**6  # token units
STEPS = 40  # at most so many clock steps in one rush
OK, STALE, HALTED = 0, 2, 3
LOWEST = 1_000  # prices fall to a part of the first ones, that collateral stays within its cap

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
    "pause": 0.5,
    "flow": 0.5,
    "wind": 0.5,
}
IDLE_SALES = 0.05


class Play:
    """A waterfall as it is drawn: `run` plays it; `seen` counts what it met."""

    def __init__(self, twin: Twin, rnd: Random) -> None:
        self.twin, self.rnd = twin, rnd
        self.calls: list[Call] = []
        self.seen: Counter[str] = Counter()
        self.number = rnd.randrange(2, TRADERS + 1)  # of accounts
        count = rnd.choices((1, 2, 3, 4), (4, 4, 2, 2))[0]
        self.markets = rnd.sample(range(4), count)
        self.moves: dict[str, Callable[[], Any]] = {
            name: getattr(self, "_" + name) for name in (*SALES, *OTHERS)
        }

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

    # -- looking

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

    # -- the house

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

    def _caps(self) -> None:
        rnd = self.rnd
        window = rnd.randrange(100, 9_001)
        event, market = rnd.randrange(1, window + 1), rnd.randrange(1, window + 1)
        self.do("caps", event, window, market, rnd.choice((3_600, 86_400)))

    def _flow(self) -> None:
        """What may be sold per time: a share of depth, mostly too little for everybody at once."""
        rnd = self.rnd
        self.do(
            "flow",
            rnd.choices((1, 5, 100, 4_095), (8, 2, 1, 1))[0],
            rnd.choices((0, 60, 600, 65_535), (1, 3, 6, 3))[0],
            rnd.choice((0, 128, 192)),
            rnd.choice((0, 1_000, 20_000, 200_000, rnd.randrange(2**36))),
        )
        for market in self.markets:
            if rnd.random() < 0.9:
                self.do("refresh", market)

    def _set(self, feed: int, mark: int, steady: bool = False, fresh: bool = False) -> None:
        """A new word of a feed: its band, age and funding drawn anew unless `steady`.

        `fresh`: sigma too.
        """
        rnd, old = self.rnd, self.twin.quotes[feed]
        mark = max(mark, self.twin.stand.facts.quotes[feed].mark // LOWEST)
        if steady:
            self.do("quote", feed, max(1, mark), old.funding, 0, 0, 0, OK, old.sigma, 0)
            return
        sigma = rnd.randrange(100_000, 2_000_000) if fresh else old.sigma
        drift = mark // 1_000
        funding = old.funding + (rnd.randrange(-drift - 1, drift + 1) if rnd.random() < 0.3 else 0)
        low, high = (rnd.randrange(0, 200), rnd.randrange(0, 200)) if rnd.random() < 0.3 else (0, 0)
        age = rnd.choice((0, 0, 0, 15, 600))
        self.do("quote", feed, max(1, mark), funding, age, low, high, OK, sigma, 0)

    def _books(self) -> None:
        """Positions of everybody but the first against it or each other."""
        room = {
            number: self.rnd.uniform(0.3, 0.97) * self._worth(number)
            for number in range(self.number)
        }
        fills = []
        for number in range(1, self.number):
            isolated = self.twin.house.account(self.twin.stand.ids[number]).mode == 1
            count = 1 if isolated else self.rnd.randrange(1, len(self.markets) + 1)
            for market in self.rnd.sample(self.markets, count):
                other = self.rnd.randrange(1, self.number) if self.rnd.random() < 0.25 else 0
                fill = self._fill(number, other, market, room[number] / count, room)
                if fill is not None:
                    fills.append(fill)
        if fills and self.do("settle", *fills)[0]:
            for fill in fills:
                self.do("settle", fill)

    def _worth(self, number: int) -> int:
        house, account = self.twin.house, self.twin.stand.ids[number]
        margin = house.margin(account)
        return max(0, margin.initial_equity - margin.initial_requirement)

    def _fill(
        self, number: int, other: int, market: int, budget: float, room: dict[int, float]
    ) -> list[int] | None:
        """A fill that takes about `budget` of initial margin."""
        quote = self.twin.quotes[market + 1]
        lots = int(budget * 10 / quote.mark)
        for _ in range(2):
            if lots == 0:
                return None
            lots = int(lots * budget / max(1, self._initial(market, lots)))
        least = self.twin.house.configs[market].min_notional * 10**15
        if lots * quote.mark < least or other == number:
            return None
        if other and room[other] < budget:
            other = 0
        room[number] -= budget
        room[other] -= budget
        pair = [number, other] if self.rnd.random() < 0.5 else [other, number]
        skew = self.rnd.choice((0, 0, self.rnd.randrange(-20, 21)))
        price = quote.mark * (10_000 + skew) // 10_000
        return [market, *pair, lots, price, self.rnd.randrange(2)]

    def _initial(self, market: int, lots: int) -> int:
        """Initial margin of a leg, qu."""
        house, quote = self.twin.house, self.twin.quotes[market + 1]
        hot = self.twin.risk.margin.hot[market]
        root = root_of(house.book(market).oi + lots)
        return leg_margin(hot, 0, Leg(market, root, lots, 0), quote, house.now).initial // IM_SCALE

    # -- prices

    def _gap(self) -> None:
        """Prices move against somebody until E is some multiple of R, from over 1 far below 0."""
        rnd, house, ids = self.rnd, self.twin.house, self.twin.stand.ids
        heads = [house.account(ids[i]) for i in range(self.number)]
        holders = [i for i, a in enumerate(heads) if a.markets or a.collateral]
        if holders:
            deep = -(10 ** rnd.uniform(-0.5, 1.7))
            goals = (rnd.uniform(0.9, 1.06), rnd.uniform(-0.5, 0.95), deep)
            self._press(rnd.choice(holders), rnd.choices(goals, (2, 4, 5))[0])
        if rnd.random() < 0.5:
            self.do("wait", rnd.choice((15, 60, 600, 7_200, rnd.randrange(1, 100_000))))

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

    def _press(self, number: int, goal: float, steady: bool = False) -> None:
        """Prices of all an account holds move alike, for or against it, until about E = goal R."""
        standing, held = self._standing(number), self._exposures(number)
        size, net = sum(map(abs, held.values())), sum(held.values())
        wanted = goal * standing.requirement
        span = size - wanted * net / max(1, size)  # R moves with the notional
        if size == 0 or span <= 0:
            return
        shock = (standing.equity - wanted) / span
        for feed, exposure in held.items():
            change = min(max(-shock if exposure > 0 else shock, -0.97), 20)
            self._set(feed, int(self.twin.quotes[feed].mark * (1 + change)), steady)

    def _closed(self, market: int) -> bool:
        return self.twin.house.configs[market].status == 3

    def _jitter(self) -> None:
        market = self.rnd.choice(self.markets)
        mark = self.twin.quotes[market + 1].mark
        self._set(market + 1, int(mark * (1 + self.rnd.gauss(0, 0.03))))

    def _feed(self) -> None:
        """A feed goes stale, halts, recovers, is degraded, or is well again."""
        rnd = self.rnd
        if rnd.random() < 0.4:
            for feed, quote in list(self.twin.quotes.items()):
                if quote.state or quote.recovering:
                    self._word(feed, OK, 0)
            return
        state = rnd.choice((1, 1, STALE, STALE, HALTED))  # a recovering feed is DEGRADED at least
        self._word(rnd.choice(self.markets) + 1, state, rnd.randrange(2))

    def _word(self, feed: int, state: int, recovering: int) -> None:
        q = self.twin.quotes[feed]
        self.do("quote", feed, q.mark, q.funding, q.age, q.low, q.high, state, q.sigma, recovering)

    # -- down the waterfall

    def _start(self) -> None:
        running = set(self._running())
        weak = [number for number in self._below() if number not in running]
        self.do("start", self._one(weak), self._anybody())

    def _bid(self) -> None:
        rnd, number = self.rnd, self._one(self._running())
        taker = self._taker(number)
        self._pass_window(number)
        who = taker if rnd.random() < 0.97 else self._anybody()
        limit = NO_LIMIT if rnd.random() < 0.9 else rnd.choice((0, -1, 10**15))
        late, seen = int(rnd.random() < 0.02), rnd.choices((0, 1, 2), (6, 2, 2))[0]
        self.do("bid", number, taker, who, self._fraction(), limit, late, seen)

    def _leg(self) -> None:
        """Lots of one leg: as many as are on sale, or some."""
        rnd, number = self.rnd, self._one(self._running())
        account, model = self.twin.stand.ids[number], self.twin.model
        taker = self._taker(number)
        if model.run_of(account).running and rnd.random() < 0.6:
            self._press(number, rnd.uniform(0.4, 0.98))  # single legs are for the nearly solvent
        self._pass_window(number)
        held = sorted(self.twin.house.account(account).markets)
        market = rnd.choice(held) if held and rnd.random() < 0.97 else rnd.randrange(5)
        lots = 1
        if market in held:
            position = self.twin.house.position(account, market)
            book = self.twin.house.book(market)
            lots = abs(book.touch(position, self.twin.basis(market)).lots)
        if rnd.random() < 0.5 and model.run_of(account).running and market < 4:
            if rnd.random() < 0.2:
                self.do("leg_quote", number, market)
            lots = model.leg_quote(account, market)[0].lots or lots
        lots = rnd.choices((lots, lots + 1, lots // rnd.randrange(2, 20)), (6, 1, 4))[0]
        limit = NO_LIMIT if rnd.random() < 0.9 else rnd.choice((0, -(10**15)))
        late, seen = int(rnd.random() < 0.02), rnd.choices((0, 1, 2), (6, 2, 2))[0]
        self.do("leg", number, taker, taker, market, lots, limit, late, seen)

    def _flash(self) -> None:
        number = self._one(self._running())
        self._pass_window(number)
        brings = self.rnd.choice((0, self._dollars(1, 5), self._dollars(3, 7)))
        self.do("flash", number, self._fraction(), brings)

    def _pass_window(self, number: int) -> None:
        """Time up to where bids are open, but for one in ten."""
        model, account = self.twin.model, self.twin.stand.ids[number]
        run = model.run_of(account)
        if not run.running or self.rnd.random() < 0.1:
            return
        curve = model.curve_of(run)
        missing = curve.priority - run.elapsed - (model.house.now - run.seen)
        if 0 < missing <= curve.max_step:
            self.do("wait", missing)

    def _rush(self) -> None:
        """The clock runs to its end, and what is left is closed."""
        number = self._one(self._running())
        account, model = self.twin.stand.ids[number], self.twin.model
        for _ in range(STEPS):
            run = model.run_of(account)
            if not run.running:
                break
            curve, standing = model.curve_of(run), self._standing(number)
            if standing.stopped or model.house.pause or exhausted(standing, curve, run.elapsed):
                break
            self.do("wait", curve.max_step)
            if self.do("sync", number)[0]:
                break
        if self.rnd.random() < 0.2:
            self.do("wait", self.rnd.randrange(1, 400))
        self._deleverage(number)

    def _deleverage(self, number: int | None = None) -> None:
        if number is None:
            number = self._one(self._running())
        rnd = self.rnd
        coins = self.twin.house.account(self.twin.stand.ids[number]).collateral
        buyer = 0 if coins or rnd.random() < 0.1 else -1
        if rnd.random() < 0.1:
            buyer = self._account()
        who = max(buyer, 0) if rnd.random() < 0.9 else self._anybody()
        self.do("deleverage", number, buyer, who)

    def _sync(self) -> None:
        self.do("sync", self._one(self._running()))

    def _end(self) -> None:
        self.do("end", self._one(self._running()))

    def _cost(self) -> None:
        self.do("cost", self._one(self._running()))

    def _look(self) -> None:
        self.do("look", self._one(self._running() + self._committed()))

    def _wait(self) -> None:
        self.do("wait", self.rnd.choice((1, 12, 15, 60, 300, 3_600, 86_400, 7 * 86_400)))

    def _cure(self) -> None:
        """A deposit of about what is missing."""
        number = self._one(self._running())
        standing = self._standing(number)
        missing = max(10**15, standing.requirement - standing.equity)
        part = self.rnd.choice((1, 10, 10, 11, 12))
        self.do("deposit", number, missing * part // (10 * TOK) + 1, self.rnd.randrange(TRADERS))

    def _withdraw(self) -> None:
        number = self.rnd.choice((0, self._account()))
        account = self.twin.house.account(self.twin.stand.ids[number])
        cash = max(self.twin.house.accrued().cash.value(account.cash), 0) // TOK
        self.do("withdraw", number, max(1, cash * self.rnd.choice((1, 10, 50, 100)) // 100))

    def _release(self) -> None:
        waiting = list(self.twin.house.cash.escrows)
        number = self._account()
        if waiting:
            number = self.twin.stand.ids.index(self.rnd.choice(waiting))
        self.do("release", number)

    def _recover(self) -> None:
        self.do("recover")

    def _fees(self) -> None:
        self.do("fees", self.rnd.choice(self.markets))

    def _realise(self) -> None:
        number = self._account()
        who = number if self.rnd.random() < 0.5 else self._anybody()
        self.do("realise", number, self.rnd.choice(self.markets), who)

    def _pre(self) -> None:
        """A pre-liquidation, of an account brought into its band first."""
        rnd, number = self.rnd, self.rnd.randrange(1, self.number)
        account, model = self.twin.stand.ids[number], self.twin.model
        if rnd.random() < 0.8:
            if model.run_of(account).running:
                return
            if account not in model.consents:
                self.do("opt", number, 1, number)
            band = model.curves[-1].pre_band / NANO
            for _ in range(2):
                self._press(number, 1 + rnd.uniform(0.1, 1.0) * band, steady=True)
        limit = NO_LIMIT if rnd.random() < 0.9 else 0
        late, taker = int(rnd.random() < 0.02), self._taker(number)
        if rnd.random() < 0.3:
            self.do("look", number)
        self.do("pre", number, taker, taker, self._fraction(), limit, late)

    def _opt(self) -> None:
        number = self._account()
        who = number if self.rnd.random() < 0.95 else self._anybody()
        self.do("opt", number, self.rnd.randrange(2), who)

    def _commit(self) -> None:
        rnd, number = self.rnd, self.rnd.choice((self.number - 1, self._account()))
        standing = self._standing(number)
        if rnd.random() < 0.5:
            self.do("deposit", number, self._dollars(4, 7), 0)
        sizes = (self._dollars(1, 6), standing.equity // TOK // 10, 1)
        capacity = rnd.choices(sizes, (4, 8, 1))[0]
        now = self.twin.house.now
        self.do(
            "commit",
            number,
            number if rnd.random() < 0.97 else self._anybody(),
            max(0, capacity),
            rnd.choice((10**15, 10**15, self._dollars(2, 4))),
            rnd.choices((0, rnd.randrange(0, NANO), 3 * NANO), (12, 6, 1))[0],
            now + rnd.choices((0, 60, 3_600, 86_400, 31 * 86_400), (1, 4, 4, 12, 1))[0],
            int(rnd.random() < 0.8),
            rnd.choice((15, 15, 15, rnd.randrange(16))),
        )

    def _committed(self) -> list[int]:
        return [self.twin.stand.ids.index(account) for account in self.twin.model.intents]

    def _revoke(self) -> None:
        number = self._one(self._committed())
        self.do("revoke", number, number if self.rnd.random() < 0.9 else self._anybody())

    def _unlock(self) -> None:
        self.do("unlock", self._one(self._committed()))

    def _intent(self) -> None:
        committed = self._committed()
        if not committed:
            self._commit()
            committed = self._committed()
            if not committed and self.rnd.random() < 0.8:
                return
        late = int(self.rnd.random() < 0.02)
        number = self._one(self._running())
        self.do("fill", number, self._one(committed), self._anybody(), late)

    def _trade(self) -> None:
        """Somebody trades on, as far as margin lets."""
        number = self._account()
        if number == 0:
            return
        budget = self._worth(number) * self.rnd.uniform(0.1, 0.9)
        room = {number: budget, 0: 1e30}
        fill = self._fill(number, 0, self.rnd.choice(self.markets), budget, room)
        if fill is not None:
            self.do("settle", fill)

    def _coin(self) -> None:
        self._coin_of(self._account())

    def _coin_of(self, number: int) -> None:
        rnd, asset = self.rnd, self.rnd.choice((1, 2))
        held = self._held(number, asset)
        if held and rnd.random() < 0.5:
            self.do("coin_out", number, asset, rnd.choice((held, held // 2, held + 1)))
            return
        self._pledge(number, asset, self._dollars(2, 5.5))

    def _pledge(self, number: int, asset: int, worth: int) -> None:
        """Collateral worth so many 1e-6 USD."""
        terms = self.twin.stand.facts.assets[asset]
        mark = self.twin.quotes[terms.feed].mark
        self.do("coin_in", number, asset, max(1, worth * 1_000 * 10**terms.decimals // mark))

    def _loan(self, number: int) -> None:
        """Collateral, and cash out on its strength."""
        worth = self._dollars(3, 6)
        self._pledge(number, self.rnd.choice((1, 2)), worth)
        account = self.twin.house.account(self.twin.stand.ids[number])
        cash = max(self.twin.house.cash.value(account.cash), 0) // TOK
        self.do("withdraw", number, cash + int(worth * self.rnd.uniform(0.2, 0.74)))

    def _insure(self) -> None:
        self.do(self.rnd.choice(("insure", "sponsor")), self._dollars(2, 5))

    def _leave(self) -> None:
        """The fund's depositor asks, and leaves."""
        who = str(self.twin.stand.insurer)
        shares = self.twin.model.fund.shares.get(who, 0)
        if self.rnd.random() < 0.6:
            self.do("ask", shares // self.rnd.choice((1, 3)))
            if self.rnd.random() < 0.5:
                return
            self.do("wait", 7 * 86_400)
        request = self.twin.model.fund.requests.get(who)
        self.do("redeem", (request.shares if request else shares) // self.rnd.choice((1, 2)))

    def _budget(self) -> None:
        if self.rnd.random() < 0.5:
            self.do("budget", 10**21)
        else:
            self.do("fund_sync")

    def _pause(self) -> None:
        self.do("pause", self.rnd.choice((0, 0, 0, 1, 3, 4)))

    def _wind(self) -> None:
        """A market is wound down."""
        market = self.rnd.choice(self.markets)
        if self.do("status", market, 2)[0]:
            return
        self.do("wind_down", market, self.twin.quotes[market + 1].mark)
