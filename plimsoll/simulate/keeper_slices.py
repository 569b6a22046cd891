"""Slices of whole accounts: which desk takes one, how much of it, and whether it pays.

Changes with how a keeper decides on a slice.
"""

from __future__ import annotations

from typing import Any

from plimsoll.evm.errors import Reverted
from plimsoll.simulate.book import MARKETS
from plimsoll.simulate.desks import Desk
from plimsoll.simulate.keeper_purchases import Offer, Purchases
from plimsoll.simulate.keeper_watch import (
    FOREVER,
    FULLER,
    LEAST_ROOM,
    MARGIN_SHARE,
    MIN_PROFIT,
    ONE,
)
from plimsoll.simulate.venue import ETH

LEAST_SHARE = 0.02  # of what is on sale: less is not worth a transaction
HALVINGS = 4


class SliceBids(Purchases):
    """Bids for what is on sale of an account."""

    def _slice(self, quote: Any, account: int) -> tuple[Offer, Desk, float] | None:
        """What is on sale of the whole account, who takes it, and how much of it."""
        if quote.fraction == 0:
            return None
        offer = self._offer(quote, account)
        prices = [float(one) for one in self.book.mark]
        share = min(offer.fraction, self.impact.best(offer.gain, offer.flows, prices))
        desk = self._desk(offer)
        if desk is None or self._room(desk) < LEAST_ROOM:
            return None
        need = offer.initial - offer.gain
        if need > 0:
            share = min(share, MARGIN_SHARE * self._room(desk) / need)
        return offer, desk, share

    def _left_of(self, offer: Offer, desk: Desk, share: float) -> float:
        """USD that a slice leaves before gas, its ether sold too."""
        prices = [float(one) for one in self.book.mark]
        flows = [flow * share for flow in offer.flows]
        flows[ETH] += share * self.book.ether_value(offer.account)
        return offer.gain * share - self.impact.cost(flows, prices)

    def _bid(self, offer: Offer, desk: Desk, share: float) -> bool:
        prices = [float(one) for one in self.book.mark]
        for _ in range(HALVINGS):
            if share < LEAST_SHARE * offer.fraction or not self._pays(offer, share, prices):
                return False
            refusal = self._take(offer, desk, share)
            if refusal == "":
                return True
            if refusal == "BadFraction" and share < offer.fraction:
                share = offer.fraction
            elif refusal == "Underwater":
                share /= 2
                self._full[desk.account] = desk.room()
            else:
                return False
        return False

    def _desk(self, offer: Offer) -> Desk | None:
        """Who has the most room of those that deal in all it holds and hold no stopped feed."""
        held = {m for m in MARKETS if offer.flows[m]}
        if self.book.ether_value(offer.account):
            held.add(ETH)
        free = [
            one
            for one in self.bidders
            if held <= set(one.trades)
            and not any(one.lots.get(m) for m in self._blocked)
            and self._room(one) > FULLER * self._full.get(one.account, 0.0)
        ]
        return max(free, key=self._room) if free else None

    def _pays(self, offer: Offer, share: float, prices: list[float]) -> bool:
        flows = [flow * share for flow in offer.flows]
        cost = self.impact.cost(flows, prices) + self._gas_cost("bid")
        return offer.gain * share - cost >= MIN_PROFIT

    def _take(self, offer: Offer, desk: Desk, share: float) -> str:
        """Bids; returns the refusal's name, nothing where the slice was taken."""
        most = min(offer.quote.fraction, int(share * ONE))
        before = self.views.fund_balance()
        call = self.house.auction.bid
        args = (offer.account, desk.account, offer.quote.id, max(1, most), FOREVER, FOREVER)
        try:
            paid = call(*args, sender=desk.actor).value
        except Reverted as refused:
            self.tally.refused[f"bid: {refused.name}"] += 1
            return refused.name or "halt"
        self.tally.counts["bids"] += 1
        self._bought(offer, desk, before, paid)
        return ""
