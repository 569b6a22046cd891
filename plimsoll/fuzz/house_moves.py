"""Moves of the house: caps, flow, books and trades, and the prices that gap.

Changes with what a house may set, and with how its books and prices are drawn.
"""

from __future__ import annotations

from plimsoll.fuzz.draw import Draw
from plimsoll.model.accounts import root_of
from plimsoll.model.residuals import residual_of
from plimsoll.model.standard_margin import IM_SCALE, Leg, leg_margin

OK, STALE, HALTED = 0, 2, 3
LOWEST = 1_000  # prices fall to a part of the first ones, that collateral stays within its cap


class HouseMoves(Draw):
    """What is set, traded and quoted."""

    # -- what is set and traded

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

    def _residual(self) -> None:
        """What deleveraging left the fund is told, taken by somebody, or netted."""
        rnd, house = self.rnd, self.twin.house
        shrunk = [m for m in self.markets if any(s.epoch for s in house.book(m).sides.values())]
        market = rnd.choice(shrunk or self.markets)
        if rnd.random() < 0.7:
            self._follow(market)
        self.do("residual_of", market)
        there = residual_of(house.book(market), self.twin.basis(market))
        if (min(there.longs, there.shorts) and rnd.random() < 0.6) or rnd.random() < 0.05:
            self.do("net", market)
            return
        lots = there.longs or -there.shorts or rnd.choice((-1, 1))
        lots = rnd.choices((lots, 1 if lots > 0 else -1, 2 * lots), (6, 3, 1))[0]
        mark = self.twin.quotes[market + 1].mark
        limit = rnd.choices((mark * 2 if lots > 0 else 1, mark), (5, 1))[0]
        for number in rnd.sample(range(self.number), self.number):
            if not self.do("residual", number, market, lots, limit)[0] or rnd.random() < 0.3:
                return

    def _follow(self, market: int) -> None:
        """Holders trade a lot with each other, which carries them over the last shrinks."""
        house, ids, mark = self.twin.house, self.twin.stand.ids, self.twin.quotes[market + 1].mark
        holders = [i for i in range(self.number) if house.position(ids[i], market).lots]
        self.rnd.shuffle(holders)
        for buyer, seller in zip(holders[::2], holders[1::2], strict=False):
            self.do("settle", [market, buyer, seller, 1, mark, 0])

    def _wind(self) -> None:
        """A market is wound down."""
        market = self.rnd.choice(self.markets)
        if self.do("status", market, 2)[0]:
            return
        self.do("wind_down", market, self.twin.quotes[market + 1].mark)

    def _pause(self) -> None:
        self.do("pause", self.rnd.choice((0, 0, 0, 1, 3, 4)))

    # -- prices and time

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

    def _wait(self) -> None:
        self.do("wait", self.rnd.choice((1, 12, 15, 60, 300, 3_600, 86_400, 7 * 86_400)))
