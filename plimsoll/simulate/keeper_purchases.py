"""What a purchase of the keepers comes to: what moved, its hedge, what the fund paid for it.

Changes with what is read from the contracts after a purchase, and how it is hedged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plimsoll.simulate.book import MARKETS, USD
from plimsoll.simulate.desks import Desk
from plimsoll.simulate.keeper_watch import NANO, ONE, Watch
from plimsoll.simulate.tally import Breach, Loss


@dataclass
class Offer:
    """What an auction sells now, in USD for the whole account."""

    account: int
    quote: Any
    fraction: float
    gain: float  # per whole account
    flows: list[float]  # signed notional by market, per whole account
    initial: float  # R_init of the whole account


class Purchases(Watch):
    """After a slice, a leg or an intent."""

    def _offer(self, quote: Any, account: int) -> Offer:
        share = quote.fraction / ONE
        worth = quote.equity / USD * share - quote.cost / USD
        return Offer(
            account,
            quote,
            share,
            worth / share,
            [float(one) for one in self.book.notional(account)],
            self.views.margin(account).initial_requirement / USD,
        )

    def _bought(self, offer: Offer, desk: Desk, fund: int, paid: int) -> None:
        """What a slice moved, read from the contracts; hedges it."""
        equity, whole = offer.quote.equity, sum(abs(one) for one in offer.flows)
        moved = self._hedged(offer.account, desk, 0.0, "bid")
        self.tally.gains += offer.gain * (moved / whole if whole else 1.0)
        self._fund_paid(offer.account, equity, fund, paid)

    def _hedged(self, account: int, desk: Desk, gain: float, kind: str) -> float:
        """What a purchase moved, read from the contracts, and sold elsewhere; USD of notional."""
        self.check_under(account, "bid")
        self._rooms.pop(desk.account, None)
        row, prices = self.book.row[account], [float(one) for one in self.book.mark]
        lots = self.book.lots[row].copy()
        self.book.touch((account, desk.account))
        moved = [float(one) for one in (lots - self.book.lots[row]) * self.book.mark]
        for market in MARKETS:
            desk.reread(market, int(prices[market] * NANO))
        cost = self.impact.cost(moved, prices)
        self.impact.add(moved)
        desk.pays(cost + self._gas_cost(kind))
        whole = sum(abs(one) for one in moved)
        self.tally.sold += whole
        self.tally.gains += gain
        self.tally.hedging += cost
        self.tally.gas += self._gas_cost(kind)
        return whole

    def _fund_paid(self, account: int, equity: int, before: int, paid: int) -> None:
        """P23: the fund pays for negative equity alone, and what it paid left its balance."""
        left = before - self.views.fund_balance()
        if equity >= 0:
            if left > 0:
                raise Breach(f"P23: the fund lost {left} qu to a slice of a solvent account")
            return
        from_fund = max(left, 0)
        deficit = min(from_fund, -equity)
        self.tally.counts["insolvent slices"] += 1
        self.tally.losses.append(
            Loss(
                self.house.evm.timestamp, account, "slice", deficit, from_fund - deficit, from_fund,
                0, 0,
            )
        )  # fmt: skip
