"""Keepers of a stress run: they start, buy what pays, hedge it, and hand it on to market makers.

A keeper bids where the discount it gets, x times the R it takes, covers what hedging costs in the
thin market, the gas and `MIN_PROFIT`; it takes as much as leaves it the most and as its margin
bears. Where a single leg leaves more than the slice (plimsoll.simulate.single_legs) it takes that.
Its capital is finite, and so is what makers take off it per minute. Two of them have committed
intents. While `away` nobody starts, bids, syncs or deleverages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plimsoll.simulate.book import MARKETS
from plimsoll.simulate.keeper_exits import Exits
from plimsoll.simulate.keeper_intents import Pledges
from plimsoll.simulate.keeper_last_step import LastStep
from plimsoll.simulate.keeper_legs import LegBids
from plimsoll.simulate.keeper_slices import SliceBids
from plimsoll.simulate.keeper_watch import LEAST_ROOM, ONE, REST
from plimsoll.simulate.tally import Run
from plimsoll.simulate.venue import ETH
from plimsoll.simulate.windows import STEP

SYNC_AFTER = 45  # s


class Keepers(SliceBids, LegBids, Pledges, LastStep, Exits):
    """All of them, block by block: `turn`."""

    def turn(self, now: int) -> None:
        """Everything the keepers do in one block. The book is as of now."""
        near = self.book.near()
        self._note_below(now, near)
        self.impact.now(now)
        if self.away and self.away[0] <= now < self.away[1]:
            return
        self._blocked = {m for m in MARKETS if self.book.states[m] > 1}
        for account in near:
            if account not in self.live and self._tradable(now, account):
                self._start(now, account)
        self._rooms.clear()
        for account in sorted(self.live, key=self._urgency):
            if self._due(now, account):
                self._handle(now, account)
        self._pass_on()
        self._recommit(now)

    def _tradable(self, now: int, account: int) -> bool:
        """Whether its feeds let it be sold; where one is stopped it is tried once a minute."""
        if not self._blocked:
            return True
        row = self.book.row[account]
        held = any(self.book.lots[row, m] for m in self._blocked)
        held = held or (ETH in self._blocked and bool(self.book.ether[row]))
        return not held or now % REST < STEP

    def _note_below(self, now: int, near: Sequence[int]) -> None:
        rows = [self.book.row[account] for account in near]
        under = {
            account
            for account, row in zip(near, rows, strict=True)
            if self.book.equity[row] < self.book.requirement[row]
        }
        self.below = {account: self.below.get(account, now) for account in under | set(self.live)}

    def _due(self, now: int, account: int) -> bool:
        """Whether to look at an auction: someone could buy, or its clock wants to be synced."""
        if now - self._synced.get(account, 0) >= SYNC_AFTER:
            return True
        if not self._tradable(now, account):
            return False
        return any(self._room(one) > LEAST_ROOM for one in self.bidders) or any(
            self._resting.get(one.account, 0) <= now for one in self.pledged
        )

    def _urgency(self, account: int) -> float:
        row = self.book.row[account]
        return float(self.book.equity[row] - self.book.requirement[row])

    def _start(self, now: int, account: int) -> None:
        standing = self.views.standing(account)
        requirement = standing.linear + standing.superlinear
        if standing.equity - standing.stale_value >= requirement:
            return
        self._reread(account)
        if not self._send("start", account):
            return
        self.check_under(account, "start")
        self.live[account] = Run(account, self.below.get(account, now), now)
        self._synced[account] = now
        self.tally.counts["auctions"] += 1

    def _over(self, now: int, account: int) -> None:
        run = self.live.pop(account)
        run.ended = now
        self.tally.runs.append(run)
        self.below.pop(account, None)

    def _handle(self, now: int, account: int) -> None:
        self._reread(account)
        quote = self.views.cost(account)
        self._note_limiter(quote)
        if quote.stopped:
            self._sync(now, account)
            return
        if quote.equity >= quote.requirement:
            if self._send("end", account):
                self.tally.counts["cured"] += 1
                self._over(now, account)
            return
        sold = not quote.over and (self._intents(quote, account) or self._buy(quote, account))
        if not sold and self._exhausted(quote, account) and self._deleverage(now, account):
            sold = True
        if not sold:
            self._sync(now, account)
        elif not self.views.auction(account).running:
            self._over(now, account)

    def _note_limiter(self, quote: Any) -> None:
        """How often the sale limiter lets less than the account go, and how long x has stood."""
        self.tally.counts["quotes"] += 1
        self.tally.counts["quotes limited"] += quote.room < ONE
        self.tally.longest_held = max(self.tally.longest_held, quote.held)

    def _sync(self, now: int, account: int) -> None:
        if now - self._synced.get(account, 0) >= SYNC_AFTER and self._send("sync", account):
            self._synced[account] = now

    def _exhausted(self, quote: Any, account: int) -> bool:
        """As the auction has it: a covered loan has nothing to close."""
        bare, solvent = self.book.ether_value(account) == 0, quote.equity >= 0
        if not self.book.lots[self.book.row[account]].any() and (bare or solvent):
            return bare
        return bool(quote.elapsed >= (self._curve.t_one if solvent and bare else self._curve.t_end))

    def _buy(self, quote: Any, account: int) -> bool:
        """The slice or a single leg, whichever leaves a keeper more, else the other one."""
        if quote.priority:
            return False
        slice_, leg = self._slice(quote, account), self._leg(quote, account)
        if leg is None:
            return slice_ is not None and self._bid(*slice_)
        if slice_ is None or self._left_of(*slice_) < leg[1].profit:
            return self._bid_leg(quote, account, *leg) or (
                slice_ is not None and self._bid(*slice_)
            )
        return self._bid(*slice_) or self._bid_leg(quote, account, *leg)
