"""Moves down the waterfall: pre-liquidation, auction, takeover by intents, deleveraging.

Changes with what anybody may call on an account that is short of margin.
"""

from __future__ import annotations

from plimsoll.fuzz.calls import NO_LIMIT
from plimsoll.fuzz.house_moves import HouseMoves
from plimsoll.model.auction import NANO
from plimsoll.model.auction_sale import exhausted
from plimsoll.model.cash import TOK

STEPS = 40  # at most so many clock steps in one rush


class AuctionMoves(HouseMoves):
    """Who comes down the waterfall, and with which bid."""

    # -- an account that is short

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

    # -- intents

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
