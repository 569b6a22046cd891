"""The liquidation auction as a state machine on the engine's and the fund's models.

`Liquidations` has the auction's calls under the same names and refuses with the same error names
(`ModelError.name`), all or nothing each; curve, sizing and terms are those of auction.py, intents
and consents those of intents.py and pre_liquidation.py. Bit for bit what `contracts/liquidation/`
does; properties P15-P25 of docs/properties.md. State is in liquidation_state.py, the fund's calls
in fund_ports.py, one sale in auction_sale.py, pre-liquidations and intents in auction_offers.py:
this file changes with the life of an auction, LiquidationAuction.vy.

Callers are addresses as integers; who may trade for an account is its owner here (operators are the
engine's business). Money in quote units (qu), fractions 1e-18, times unix seconds.
"""

from __future__ import annotations

from typing import Any

from plimsoll.model import auction, leg_sale, single_leg
from plimsoll.model.accounts import owner_of
from plimsoll.model.auction import ONE, TOK, Standing
from plimsoll.model.auction_offers import AuctionOffers
from plimsoll.model.auction_sale import bare, exhausted
from plimsoll.model.engine_types import DeleverageResult, LegResult
from plimsoll.model.leg_sale import LegQuote
from plimsoll.model.liquidation_state import FOREVER, NOBODY, Quote, transaction
from plimsoll.model.rounding import require


class Liquidations(AuctionOffers):
    """The auction's calls from start to end, and what its views tell."""

    @transaction
    def start(self, account: int, caller: int) -> None:
        """Freeze an account with E < R and start, or go on with, its auction."""
        run = self.run_of(account)
        require(not (run.running and self.house.account(account).frozen), "AuctionRunning")
        standing = Standing(*self.house.freeze(account))
        require(not standing.stopped, "ClockStopped")
        require(standing.counted < standing.requirement, "Healthy")
        now = self.house.now
        if run.elapsed == 0 or now > run.seen + self.curve_of(run).resume:
            run = run.restarted()._replace(version=len(self.curves))
        run = run._replace(
            number=run.number + 1,
            running=True,
            stopped=False,
            seen=now,
            starter=caller,
            noted=self._note(account, run.noted, standing.equity),
        )
        self.intents.pop(account, None)
        if bare(standing):
            run = self._recognise(account, run, standing, caller)
        self.runs[account] = run

    @transaction
    def bid(
        self,
        account: int,
        bidder: int,
        caller: int,
        max_fraction: int = ONE,
        cost_limit: int = FOREVER,
        deadline: int = FOREVER,
        seen_id: Any = None,
    ) -> int:
        """Sell a slice; `seen_id` is an `id_of`, None to rely on the limits alone.

        Returns the qu that the bidder paid, negative: was paid by the fund.
        """
        return self._bid(account, bidder, caller, max_fraction, cost_limit, deadline, seen_id, 0)

    @transaction
    def bid_with_callback(
        self, account: int, bidder: int, caller: int, max_fraction: int, brought: int
    ) -> int:
        """As `bid`, by a contract that brings `brought` token units between slice and check."""
        self.house.recover()
        return self._bid(account, bidder, caller, max_fraction, FOREVER, FOREVER, None, brought)

    def _bid(
        self,
        account: int,
        bidder: int,
        caller: int,
        max_fraction: int,
        cost_limit: int,
        deadline: int,
        seen_id: Any,
        brought: int,
    ) -> int:
        require(self.house.now <= deadline, "Expired")
        require(0 < max_fraction <= ONE, "BadFraction")
        require(account != bidder, "BadArgument")
        require(owner_of(bidder) == caller, "NotOwner")
        run = self._running(account)
        require(seen_id is None or seen_id == self.id_of(account), "WrongAuction")
        standing, curve = self.standing(account), self.curve_of(run)
        run = self._advance(run, standing.stopped, standing.pace)
        require(run.elapsed >= curve.priority, "PriorityWindow")
        self._check_sale(standing, run, curve)
        require(standing.room != 0, "Throttled")
        most = min(max_fraction, standing.room)
        offer = auction.slice_terms(standing, curve, run.offered, most)
        run, net, _ = self._sell(account, bidder, caller, run, standing, offer, brought, False)
        require(net <= cost_limit, "CostLimit")
        self.runs[account] = run
        return net

    @transaction
    def bid_leg(
        self,
        account: int,
        bidder: int,
        caller: int,
        market: int,
        lots: int,
        cost_limit: int = FOREVER,
        deadline: int = FOREVER,
        seen_id: Any = None,
    ) -> int:
        """Sell lots of one leg at mark; returns minus the qu that the bidder was paid."""
        require(self.house.now <= deadline, "Expired")
        require(account != bidder, "BadArgument")
        require(owner_of(bidder) == caller, "NotOwner")
        run = self._running(account)
        require(seen_id is None or seen_id == self.id_of(account), "WrongAuction")
        standing, curve = self.standing(account), self.curve_of(run)
        run = self._advance(run, standing.stopped, standing.pace)
        require(run.elapsed >= curve.priority, "PriorityWindow")
        error = leg_sale.refused(standing, curve, run.offered)
        require(not error, error)
        pay = self._flat(run.starter, caller, curve)
        terms = leg_sale.terms(standing, curve, run.offered, market, lots)._replace(
            pay=pay,
            executor_share=curve.exec_share,
            starter_share=curve.start_share if pay.starter else 0,
            least=curve.min_requirement * TOK,
        )
        result = self.house.sell_leg(account, bidder, terms)
        error = leg_sale.fault(standing, result, curve, run.offered)
        require(not error, error)
        require(-result.paid <= cost_limit, "CostLimit")
        run = run._replace(starter=run.starter if result.started == 0 else NOBODY)
        if leg_sale.cured(result, curve):
            run = self._finish(account, run)
        else:
            run = run._replace(noted=self._note(account, run.noted, result.equity))
        self.runs[account] = run
        return -result.paid

    def leg_quote(self, account: int, market: int) -> tuple[LegQuote, int, bool]:
        """The most lots of a leg on sale and their terms; the priority left; stopped."""
        run, standing = self._running(account), self.standing(account)
        stopped = standing.stopped or self._paused()
        run, curve = self._advance(run, stopped, standing.pace), self.curve_of(run)
        priority = max(0, curve.priority - run.elapsed)
        if stopped:
            return LegQuote(auction.x_at(curve, run.offered)), priority, stopped
        house = self.house.accrued()

        def after(lots: int) -> LegResult:
            return single_leg.leg_after(house, account, market, lots)

        return leg_sale.quote(standing, curve, run.offered, after), priority, stopped

    @transaction
    def end(self, account: int) -> None:
        """End the auction of an account that meets R again."""
        run = self.run_of(account)
        standing = self.standing(account)
        healthy = standing.counted >= standing.requirement
        if not run.running:
            require(account not in self.intents, "NoAuction")
            require(self.house.account(account).frozen, "NoAuction")
            require(healthy, "NothingToDo")
            self.house.thaw(account)
            self._observe()
            return
        if not self.house.account(account).frozen:  # a replacement of this auction ended it
            noted = self._note(account, run.noted, 0)
            self.runs[account] = run._replace(noted=noted, running=False)
            return
        require(healthy, "NothingToDo")
        run = self._advance(run, standing.stopped or self._paused(), standing.pace)
        self.runs[account] = self._finish(account, run)

    @transaction
    def deleverage(self, account: int, buyer: int, caller: int) -> DeleverageResult:
        """Close an account nobody took at mark against the whole opposite side.

        Returns what the engine's event Deleveraged tells.
        """
        require(account != buyer, "BadArgument")
        require(buyer == 0 or owner_of(buyer) == caller, "NotOwner")
        run = self._running(account)
        standing, curve = self.standing(account), self.curve_of(run)
        run = self._advance(run, standing.stopped, standing.pace)
        require(not standing.stopped, "ClockStopped")
        require(standing.counted < standing.requirement, "Healthy")
        require(exhausted(standing, curve, run.elapsed), "AuctionNotOver")
        run, result = self._close(account, buyer, run, standing, caller)
        if standing.collateral == 0 or result.deficit:
            run = self._finish(account, run.restarted())
        else:
            run = self._settle(account, run, 0, caller)
        self.runs[account] = run
        return result

    @transaction
    def sync(self, account: int) -> None:
        """Bring an auction's clock and its noted deficit to now."""
        run = self._running(account)
        standing = self.standing(account)
        if standing.equity >= 0 and run.elapsed >= self.curve_of(run).t_end:
            run = run._replace(seen=self.house.now)  # what its collateral is sold for fades later
        run = self._advance(run, standing.stopped or self._paused(), standing.pace)
        # Asked for even where this auction has noted none: a replaced one may have.
        self.runs[account] = run._replace(noted=self._note(account, True, standing.equity))
        self.house.claim_flow(account, standing.equity, standing.requirement)

    def cost(self, account: int) -> Quote:
        """What a bid for all that is on sale would cost now."""
        run = self._running(account)
        standing = self.standing(account)
        stopped = standing.stopped or self._paused()
        run, curve = self._advance(run, stopped, standing.pace), self.curve_of(run)
        insolvent = standing.equity < 0
        quote = Quote(
            x=auction.x_at(curve, run.offered),
            equity=standing.counted,
            requirement=standing.requirement,
            fraction=0,
            cost=0,
            fee=0,
            elapsed=run.elapsed,
            held=run.elapsed - run.offered,
            stopped=stopped,
            over=insolvent and run.elapsed > curve.t_end,
            priority=max(0, curve.priority - run.elapsed),
            room=standing.room,
            wait=0,
        )
        if stopped or quote.over or standing.counted >= standing.requirement:
            return quote
        offer = auction.slice_terms(standing, curve, run.offered)
        room = standing.room
        if room < offer.fraction:
            house = self.house
            wait = house.limiter.wait(account, house.legs(account), offer.fraction, house.now)
            quote, least = quote._replace(wait=wait), curve.min_lots
            dust = standing.smallest >= least and auction.leaves_dust(standing, room, least)
            if room == 0 or dust:
                return quote
            offer = auction.slice_terms(standing, curve, run.offered, room)
        cost = auction.expected_cost(standing.equity, offer)
        return quote._replace(fraction=offer.fraction, cost=cost, fee=offer.fee)

    def auction_of(self, account: int) -> tuple[bool, bool, int, int, int, int, int, int, int]:
        """A run as told, its clock at now; fields as in ILiquidationAuction, starter as integer."""
        run = self.run_of(account)
        seen, stopped, x = run.seen, run.stopped, 0
        if run.running:
            run = self._advance(run, stopped, ONE)
        if run.version:
            x = auction.x_at(self.curve_of(run), run.offered)
        on = run.running and self.house.account(account).frozen
        return (
            on,
            stopped,
            run.number,
            run.version,
            run.elapsed,
            run.elapsed - run.offered,
            seen,
            run.starter,
            x,
        )
