"""How keepers get rid of what they took: handed on to market makers, ether sold for dollars.

Changes with how fast and to whom they pass it on.
"""

from __future__ import annotations

from plimsoll.evm.errors import Reverted
from plimsoll.simulate.book import MARKETS, USD
from plimsoll.simulate.crowd import BUYER_REDUCES, SELLER_REDUCES, TAKER_BUYS
from plimsoll.simulate.desks import Desk
from plimsoll.simulate.keeper_watch import NANO, Watch
from plimsoll.simulate.venue import ETH
from plimsoll.simulate.windows import STEP

PASS_ON = 120.0  # s in which makers would take the whole thin depth off the keepers


class Exits(Watch):
    """Positions and ether leave the desks."""

    def _pass_on(self) -> None:
        """Bidders hand positions on to makers at the mark, as fast as those take them."""
        if any(self.book.states):
            return
        for market in MARKETS:
            price = float(self.book.mark[market])
            depth = self.impact.share * self.impact.depth_units[market] * price
            left = depth * STEP / PASS_ON
            for desk in (*self.bidders, *self.pledged):
                lots = desk.lots.get(market, 0)
                if not lots or left <= 0 or self._committed(desk):
                    continue
                wanted = min(abs(lots), int(left / price * 10**6))
                left -= self._hand_over(desk, market, wanted if lots > 0 else -wanted) * price / 1e6

    def _committed(self, desk: Desk) -> bool:
        """Frozen for its intent."""
        return desk in self.pledged and bool(self.views.intent(desk.account).capacity)

    def _hand_over(self, desk: Desk, market: int, lots: int) -> int:
        """Sells `lots` (negative: buys) to the maker that holds the most of the other side."""
        price = int(self.book.mark[market] * NANO)
        sign = 1 if lots > 0 else -1
        maker = min(self.makers, key=lambda one: sign * one.lots.get(market, 0))
        if lots * price < 50 * USD and -lots * price < 50 * USD:
            return 0
        if lots > 0:
            fill = (market, maker.account, desk.account, lots, price, SELLER_REDUCES)
        else:
            fill = (market, desk.account, maker.account, -lots, price, TAKER_BUYS | BUYER_REDUCES)
        try:
            self.house.settle([fill])
        except Reverted as refused:
            self.tally.refused[f"hand over: {refused.name}"] += 1
            return 0
        desk.traded(market, -lots, price)
        maker.traded(market, lots, price)
        self.book.touch((desk.account, maker.account))
        self.tally.counts["handed on"] += 1
        return abs(lots)

    def sell_ether(self) -> None:
        """Ether that came with slices is taken out, sold and brought back as dollars."""
        token = self.house.tokens["weth"].address
        price = float(self.book.mark[ETH])
        for desk in self.bidders:
            held = self.views.balance_of(desk.account, token)
            if held < 10**16:
                continue
            try:
                self.house.vault.withdraw(desk.account, token, held, desk.actor, sender=desk.actor)
            except Reverted as refused:
                self.tally.refused[f"ether: {refused.name}"] += 1
                continue
            worth = held / 10**18 * price
            cost = self.impact.cost([worth, 0.0], [float(one) for one in self.book.mark])
            self.impact.add([worth, 0.0])
            self.house.deposit(desk.actor, max(1, int(worth - cost)))
            self.tally.hedging += cost
            self.book.touch((desk.account,))
