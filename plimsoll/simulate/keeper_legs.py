"""Single legs: which desk takes the one that leaves the most (single_legs.py), and how much of it.

Changes with how a keeper decides on a leg.
"""

from __future__ import annotations

from typing import Any

from plimsoll.evm.errors import Reverted
from plimsoll.simulate.book import MARKETS, USD
from plimsoll.simulate.desks import Desk
from plimsoll.simulate.keeper_purchases import Purchases
from plimsoll.simulate.keeper_watch import (
    FOREVER,
    FULLER,
    LEAST_ROOM,
    MARGIN_SHARE,
    MIN_PROFIT,
    NANO,
)
from plimsoll.simulate.single_legs import Leg, best_leg


class LegBids(Purchases):
    """Bids for a part of one leg."""

    def _leg(self, quote: Any, account: int) -> tuple[Desk, Leg] | None:
        """The leg that leaves the most, gas and `MIN_PROFIT` covered, and who takes it."""
        if not self.legs:
            return None
        free = {market: self._leg_desk(market) for market in MARKETS}
        markets = {market for market, desk in free.items() if desk is not None}
        leg = best_leg(self.book, self.impact, account, quote, self._curve, markets)
        if leg is None or leg.profit < self._gas_cost("bid_leg") + MIN_PROFIT:
            return None
        desk = free[leg.market]
        return (desk, leg) if desk is not None else None

    def _leg_desk(self, market: int) -> Desk | None:
        """Who has the most room of those that deal in a market, none of theirs stopped."""
        free = [
            one
            for one in self.bidders
            if market in one.trades
            and market not in self._blocked
            and not any(one.lots.get(m) for m in self._blocked)
            and self._room(one) > max(LEAST_ROOM, FULLER * self._full.get(one.account, 0.0))
        ]
        return max(free, key=self._room) if free else None

    def _bid_leg(self, quote: Any, account: int, desk: Desk, leg: Leg) -> bool:
        """Takes so much of a leg, or what is on sale of it and the desk's margin bears."""
        told = self.views.leg_quote(account, leg.market)
        held = self.views.position(account, leg.market).lots
        lots = min(told.lots, int(abs(held) * leg.share))
        if lots <= 0:
            return False
        trade = (leg.market, lots if held > 0 else -lots, int(self.book.mark[leg.market] * NANO))
        after = self.views.margin_after(desk.account, trade)
        need = self._room(desk) - (after.initial_equity - after.initial_requirement) / USD
        if need > 0:
            lots = min(lots, int(lots * MARGIN_SHARE * self._room(desk) / need))
        if not self._leg_pays(leg, lots / abs(held)):
            return False
        args = (account, desk.account, told.id, leg.market, lots, FOREVER, FOREVER)
        try:
            paid = self.house.auction.bid_leg(*args, sender=desk.actor).value
        except Reverted as refused:
            self.tally.refused[f"leg: {refused.name}"] += 1
            if refused.name == "Underwater":
                self._full[desk.account] = desk.room()
            return False
        self.tally.counts["legs"] += 1
        self._hedged(account, desk, -paid / USD, "bid_leg")
        return True

    def _leg_pays(self, leg: Leg, share: float) -> bool:
        """Whether a smaller part still does; its premium is at least in proportion."""
        part = min(1.0, share / leg.share)
        flows = [leg.notional * part if one == leg.market else 0.0 for one in MARKETS]
        cost = self.impact.cost(flows, [float(one) for one in self.book.mark])
        return leg.premium * part - cost - self._gas_cost("bid_leg") >= MIN_PROFIT
