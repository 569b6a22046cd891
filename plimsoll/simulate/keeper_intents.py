"""Intents of the pledged desks: executed where the clock has reached them, committed again.

Changes with what a pledged desk promises.
"""

from __future__ import annotations

from typing import Any

from plimsoll.evm.errors import Reverted
from plimsoll.simulate.book import MARKETS
from plimsoll.simulate.desks import Desk
from plimsoll.simulate.keeper_purchases import Purchases
from plimsoll.simulate.keeper_watch import FOREVER, NANO, REST

INTENT_PREMIUMS = (0.05, 0.10)  # x of the intents
INTENT_LIFE = 6 * 3_600
INTENT_PAUSE = 600  # s between two commitments of one account


class Pledges(Purchases):
    """Standing promises to take slices."""

    def _intents(self, quote: Any, account: int) -> bool:
        """Executes the cheapest intent whose premium the clock has reached."""
        sold = False
        for desk in self.pledged:
            if self._resting.get(desk.account, 0) > self.house.evm.timestamp:
                continue
            intent = self.views.intent(desk.account)
            need = intent.largest * NANO
            if not intent.capacity:
                self._resting[desk.account] = self.house.evm.timestamp + REST
            if not intent.capacity or quote.x < intent.premium or quote.requirement > need:
                continue
            if self.book.ether_value(account) and not intent.collateral:
                continue
            if not quote.fraction:
                return sold
            offer = self._offer(quote, account)
            before = self.views.fund_balance()
            try:
                paid = self.house.auction.fill_intent(
                    account, desk.account, FOREVER, sender=self.me
                ).value
            except Reverted as refused:
                self.tally.refused[f"intent: {refused.name}"] += 1
                self._resting[desk.account] = self.house.evm.timestamp + REST
                continue
            self.tally.counts["intents"] += 1
            self._bought(offer, desk, before, paid)
            sold = True
            if not self.views.auction(account).running:
                return sold
            quote = self.views.cost(account)
        return sold

    def _recommit(self, now: int) -> None:
        """Pledged accounts without an intent hand on what they hold and commit again."""
        for desk, premium in zip(self.pledged, INTENT_PREMIUMS, strict=False):
            if now - self._tried.get(desk.account, 0) < INTENT_PAUSE:
                continue
            intent = self.views.intent(desk.account)
            if intent.capacity:
                if intent.expiry < now:
                    self._send("release_intent", desk.account)
                continue
            self._tried[desk.account] = now
            self.commit(now, desk, premium)

    def commit(self, now: int, desk: Desk, premium: float) -> None:
        """Pledges a share of the free margin."""
        capacity = int(desk.room() * 0.9 / (self._curve.intent_margin / NANO))
        if capacity < 1_000:
            return
        intent = (
            capacity * 10**6, 2**64 - 1, int(premium * NANO), now + INTENT_LIFE, False,
            1 << MARKETS[0] | 1 << MARKETS[1],
        )  # fmt: skip
        try:
            self.house.auction.commit_intent(desk.account, intent, sender=desk.actor)
        except Reverted as refused:
            self.tally.refused[f"commit: {refused.name}"] += 1
            return
        self._resting.pop(desk.account, None)
        self.tally.counts["commitments"] += 1
