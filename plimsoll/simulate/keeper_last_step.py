"""Deleveraging in a stress run, and the proof that its loss found its payers (P23, P24).

Changes with what the last step moves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from plimsoll.evm.errors import Reverted
from plimsoll.simulate.book import MARKETS
from plimsoll.simulate.desks import Desk
from plimsoll.simulate.keeper_watch import NANO, Watch
from plimsoll.simulate.tally import Breach, Loss

TOUCH = 10**9  # qu by which an account's closing differs from its equity: floors of its legs


class Sheet(NamedTuple):
    """What a deleveraging may move: qu, lots by market, ticks per lot charged to either side."""

    fund: int
    interest: tuple[int, ...]
    charges: tuple[tuple[int, int], ...]
    owed: int


class LastStep(Watch):
    """What nobody took is closed at mark."""

    def _deleverage(self, now: int, account: int) -> bool:
        standing = self.views.standing(account)
        buyer = max(self.bidders, key=Desk.room) if standing.collateral else None
        lots = [self.views.position(account, market).lots for market in MARKETS]
        before = self._sheet()
        backend: Any = self.house.evm.backend
        backend.record = standing.equity < 0
        try:
            receipt = self.house.auction.deleverage(
                account, buyer.account if buyer else 0, sender=buyer.actor if buyer else self.me
            )
        except Reverted as refused:
            self.tally.refused[f"deleverage: {refused.name}"] += 1
            return False
        finally:
            backend.record = False
        self.check_under(account, "deleverage")
        after = self._sheet()
        for mine, was, left in zip(lots, before.interest, after.interest, strict=True):
            if abs(mine) != was - left:
                raise Breach(f"P24: {was - left} lots closed of a bankrupt's {abs(mine)}")
        self.tally.deleveraged += float(sum(abs(one) for one in self.book.notional(account)))
        insolvent = standing.equity < 0
        self.tally.counts["deleveragings" if insolvent else "solvent deleveragings"] += 1
        if insolvent:
            self._recognise(now, account, standing, receipt, before, after)
        self._shrunk(account, buyer)
        if after.owed != before.owed:  # everybody's cash was socialised on
            self.book.everyone()
        return True

    def _sheet(self) -> Sheet:
        books = [self.views.market(market) for market in MARKETS]
        return Sheet(
            self.views.fund_balance(),
            tuple(one.open_interest for one in books),
            tuple((one.charge_long, one.charge_short) for one in books),
            self.views.solvency().owed,
        )

    def _shrunk(self, account: int, buyer: Desk | None) -> None:
        """Everybody on the other side holds less now."""
        self.book.touch((account, buyer.account) if buyer else (account,))
        self.book.stale = True
        for desk in (*self.bidders, *self.pledged, *self.makers):
            for market in MARKETS:
                desk.reread(market, int(self.book.mark[market] * NANO))

    def _recognise(
        self, now: int, account: int, standing: Any, receipt: Any, before: Sheet, after: Sheet
    ) -> None:
        """P24: fund, charge and socialised loss are the deficit, to the unit.

        Where neither a side's charge nor what is owed to cash has moved, the fund bore it alone.
        """
        paid = before.fund - after.fund
        if (before.charges, before.owed) == (after.charges, after.owed):
            if not standing.collateral and abs(paid + standing.equity) > TOUCH:
                raise Breach(f"P24: the fund paid {paid} qu for an equity of {standing.equity}")
            found = Loss(now, account, "deleveraged", paid, 0, paid, 0, 0)
        else:
            told = next(one for one in receipt.events if one.name == "Deleveraged")
            if told.deficit != told.from_fund + told.charged + told.socialised:
                raise Breach(f"P24: a deficit of {told.deficit} qu and {told.args}")
            if paid > told.from_fund:
                raise Breach(f"P23: the fund paid {told.from_fund} qu and lost {paid}")
            found = Loss(
                now, account, "deleveraged", told.deficit, 0, told.from_fund, told.charged,
                told.socialised,
            )  # fmt: skip
        if found.deficit:
            self.tally.losses.append(found)
