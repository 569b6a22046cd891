"""Moves of money: deposits that cure, withdrawals, coins, loans, fees and the insurance fund.

Changes with the ways cash and collateral come in and go out.
"""

from __future__ import annotations

from plimsoll.fuzz.draw import Draw
from plimsoll.fuzz.stand import TRADERS
from plimsoll.model.cash import TOK


class MoneyMoves(Draw):
    """What is paid in and out."""

    # -- cash

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

    # -- collateral

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

    # -- the fund

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
