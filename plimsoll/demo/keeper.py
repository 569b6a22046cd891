"""A small liquidator: starts, bids by a profit rule, ends, deleverages what nobody takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from plimsoll.demo.cast import Actor, Cast
from plimsoll.demo.checks import Sample
from plimsoll.demo.stage import Stage
from plimsoll.demo.trading import Wish, trade_all
from plimsoll.demo.world import Call, Outcome, Refused, View, act

ONE = 10**18
NANO = 10**9
FOREVER = 2**63
SYNC_AFTER = 45  # seconds without a sync after which the clock is brought up
INSOLVENT_AT = Decimal("1.05")  # x at which a bidder takes an insolvent account: above 1 it is paid
LEAST = 5 * 10**15  # quote units: no bidder gets up for less profit than five dollars
SIZES = (1, 2, 4, 8)  # parts of the offer tried when the bidder's margin is short


@dataclass(frozen=True)
class Decision:
    """What the keeper did about an account and why. Money in quote units."""

    time: int
    account: int
    action: str
    reason: str
    x: int = 0  # nano
    equity: int = 0
    requirement: int = 0
    cost: int = 0
    profit: int = 0


Mined = Callable[[list[Outcome]], Sample]


@dataclass
class Keeper:
    """Acts for the cast's keeper and bidders. `mined` is told of every block it makes."""

    stage: Stage
    cast: Cast
    mined: Mined
    decisions: list[Decision] = field(default_factory=list)
    running: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.world = self.stage.world
        self.me = self.cast.one("keeper").address
        self.bidders = self.cast.role("bidder")
        self.actors = self.cast.by_account()
        self.skip = {actor.account for actor in self.bidders + self.cast.role("maker")}

    def turn(self, sample: Sample) -> Sample:
        """One pass over everybody: starts first, then every running auction. The last sample."""
        fresh = [
            account
            for account, margin in sample.margins.items()
            if margin.equity < margin.requirement
            and account not in sample.in_auction
            and account not in self.skip
        ]
        calls = []
        for account in fresh:
            call = self._call("start", account)
            if isinstance(self.world.trial(call), Refused):
                continue
            margin = sample.margins[account]
            reason = f"E is {100 * margin.equity // max(margin.requirement, 1)} % of R"
            self._note(sample, account, "start", reason, margin.equity, margin.requirement)
            calls.append(call)
        if calls:
            sample = self.mined(self.world.block(calls))
        self.running = set(sample.in_auction)
        for account in sorted(self.running, key=lambda one: self._order(sample, one)):
            sample = self._attend(sample, account)
        return self._sync(sample)

    def _order(self, sample: Sample, account: int) -> tuple[int, int]:
        """Small ones first, so that the fund's window is walked through from the start."""
        return (sample.margins[account].requirement, account)

    def _attend(self, sample: Sample, account: int) -> Sample:
        (quote,) = self.world.read([View("LiquidationAuction", "cost", (account,))])
        if isinstance(quote, Refused) or quote.stopped:
            return sample
        actor = self.actors[account]
        if quote.equity >= quote.requirement:
            call = self._call("end", account)
            if isinstance(self.world.trial(call), Refused):
                return sample
            self._note(sample, account, "end", "E meets R again", quote.equity, quote.requirement)
            return self.mined(self.world.block([call]))
        if actor.wants is not None and quote.fraction and self._pays(actor, quote):
            done = self._bid(sample, account, quote)
            if done is not None:
                return done
        return self._deleverage(sample, account, quote)

    def _pays(self, actor: Actor, quote: Any) -> bool:
        """The profit rule: x covers what hedging this account costs."""
        wanted = max(actor.wants or Decimal(0), INSOLVENT_AT if quote.equity < 0 else Decimal(0))
        return bool(Decimal(quote.x) / NANO >= wanted)

    def _bid(self, sample: Sample, account: int, quote: Any) -> Sample | None:
        """A bid by the first bidder whose margin carries it; None where nobody's does."""
        bidders = sorted(self.bidders, key=lambda b: -sample.margins[b.account].initial_equity)
        for bidder in bidders:
            for part in SIZES:
                call = self._offer(account, bidder, quote, part)
                reply = self.world.trial(call)
                if isinstance(reply, Refused):
                    continue
                cost = int.from_bytes(reply, "big", signed=True)
                profit = quote.equity * quote.fraction // ONE // part - cost
                if profit < LEAST and quote.equity >= 0:
                    return None
                self._note(
                    sample, account, "bid", f"{bidder.name}, x {Decimal(quote.x) / NANO:.2f}",
                    quote.equity, quote.requirement, quote.x, cost, profit,
                )
                sample = self.mined(self.world.block([call]))
                return self._hand_on(sample, bidder)
        return None

    def _offer(self, account: int, bidder: Actor, quote: Any, part: int) -> Call:
        limit = max(quote.cost // part, 0) + quote.requirement // 100
        fraction = ONE if part == 1 else max(quote.fraction // part, 1)
        return act(
            self.world, bidder.address, "LiquidationAuction", "bid", account, bidder.account,
            quote.id, fraction, limit, FOREVER, label=f"liquidation: bid{self._legs(account)}",
        )

    def _legs(self, account: int) -> str:
        return " on ether loans" if self.actors[account].role == "borrower" else ""

    def _hand_on(self, sample: Sample, bidder: Actor) -> Sample:
        """The bidder sells what it took to a maker at mark: it does not want the position."""
        wishes = []
        for market, book in sample.books.items():
            lots = sample.lots[bidder.account, market]
            if lots and abs(lots) * book.mark > 20 * 10**15:
                wishes.append(Wish(bidder, market, lots < 0, abs(lots), book.mark))
        if not wishes:
            return sample
        return self.mined(trade_all(self.stage, self.cast, wishes, may_fail=True))

    def _deleverage(self, sample: Sample, account: int, quote: Any) -> Sample:
        bidder = self.bidders[0]
        buyer = bidder.account if sample.weth[account] else 0
        call = act(
            self.world, bidder.address if buyer else self.me, "LiquidationAuction", "deleverage",
            account, buyer, label="liquidation: deleverage",
        )
        if isinstance(self.world.trial(call), Refused):
            return sample
        self._note(
            sample, account, "deleverage", f"nobody bid by x {Decimal(quote.x) / NANO:.2f}",
            quote.equity, quote.requirement, quote.x,
        )
        return self.mined(self.world.block([call]))

    def _sync(self, sample: Sample) -> Sample:
        """Clocks of auctions still running, and the notes of their deficits, brought to now."""
        calls = [self._call("sync", account) for account in sorted(sample.in_auction)]
        if not calls:
            return sample
        return self.mined(self.world.block(calls))

    def _call(self, function: str, account: int) -> Call:
        label = f"liquidation: {function}"
        return act(self.world, self.me, "LiquidationAuction", function, account, label=label)

    def _note(
        self, sample: Sample, account: int, action: str, reason: str, equity: int,
        requirement: int, x: int = 0, cost: int = 0, profit: int = 0,
    ) -> None:
        self.decisions.append(
            Decision(sample.time, account, action, reason, x, equity, requirement, cost, profit)
        )
