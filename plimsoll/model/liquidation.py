"""The liquidation auction as a state machine on the engine's and the fund's models.

`Liquidations` has the auction's calls under the same names and refuses with the same error names
(`ModelError.name`), all or nothing each; curve, sizing and terms are those of auction.py, intents
and consents those of intents.py and pre_liquidation.py. Bit for bit what `contracts/liquidation/`
does; properties P15-P25 of docs/properties.md.

Callers are addresses as integers; who may trade for an account is its owner here (operators are the
engine's business). Money in quote units (qu), fractions 1e-18, times unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from plimsoll.model import auction, intents, leg_sale, pre_liquidation, single_leg
from plimsoll.model.accounts import owner_of
from plimsoll.model.auction import MAX_ELAPSED, NANO, ONE, TOK, Curve, Slice, Standing
from plimsoll.model.engine import House
from plimsoll.model.engine_types import (
    DeleverageResult,
    DeleverageTerms,
    KeeperPay,
    LegResult,
    SliceResult,
    SliceTerms,
)
from plimsoll.model.fund import Fund
from plimsoll.model.intents import Intent
from plimsoll.model.leg_sale import LegQuote
from plimsoll.model.pre_liquidation import Consent
from plimsoll.model.rounding import ModelError, require
from plimsoll.model.vault import Refused as FundRefused

AUCTIONS_STOPPED = 3
FOREVER = 2**256 - 1
NOBODY = 0

P = ParamSpec("P")
R = TypeVar("R")


class Run(NamedTuple):
    """An account's auction; `starter` is the address still to be paid, 0 for none."""

    elapsed: int = 0
    seen: int = 0
    version: int = 0
    number: int = 0
    running: bool = False
    stopped: bool = False
    noted: bool = False
    starter: int = NOBODY

    def advance(self, now: int, stopped: bool, step: int) -> Run:
        """With its clock at `now`; an interval adds at most `step` seconds, a stopped one none."""
        elapsed = self.elapsed
        if not (self.stopped or stopped):
            elapsed = min(MAX_ELAPSED, elapsed + min(step, now - self.seen))
        return self._replace(elapsed=elapsed, seen=now, stopped=stopped)


class Quote(NamedTuple):
    """What `cost` says; fields as in ILiquidationAuction, without the id."""

    x: int
    equity: int
    requirement: int
    fraction: int
    cost: int
    fee: int
    elapsed: int
    stopped: bool
    over: bool
    priority: int
    room: int
    wait: int


IDLE = Run()
NO_CONSENT = Consent()


def transaction(
    call: Callable[Concatenate[Liquidations, P], R],
) -> Callable[Concatenate[Liquidations, P], R]:
    """All or nothing over engine, fund and auction; every refusal becomes a `ModelError`."""

    @wraps(call)
    def run(self: Liquidations, /, *args: P.args, **kwargs: P.kwargs) -> R:
        saved = self.save()
        try:
            return call(self, *args, **kwargs)
        except ModelError:
            self.restore(saved)
            raise
        except (intents.Refused, pre_liquidation.Refused, FundRefused) as refused:
            self.restore(saved)
            raise ModelError(str(refused)) from None
        except auction.BadFraction:
            self.restore(saved)
            raise ModelError("BadFraction") from None

    return run


@dataclass
class Liquidations:
    """Runs, consents and intents by account; the curves set, version 1 first."""

    house: House
    fund: Fund
    curves: list[Curve]
    runs: dict[int, Run] = field(default_factory=dict)
    consents: dict[int, Consent] = field(default_factory=dict)
    intents: dict[int, Intent] = field(default_factory=dict)

    # -- state

    def save(self) -> Any:
        """A copy for `restore`."""
        return (
            self.house.save(),
            self.fund.copy(),
            list(self.curves),
            dict(self.runs),
            dict(self.consents),
            dict(self.intents),
        )

    def restore(self, saved: Any) -> None:
        """Go back to a saved state; a save serves one restore."""
        self.house.restore(saved[0])
        self.fund, self.curves, self.runs, self.consents, self.intents = saved[1:]

    def run_of(self, account: int) -> Run:
        """An account's run as stored."""
        return self.runs.get(account, IDLE)

    def curve_of(self, run: Run) -> Curve:
        """The curve a run keeps."""
        return self.curves[run.version - 1]

    def standing(self, account: int) -> Standing:
        """An account's standing with interest brought to now, as the auction reads it."""
        return Standing(*self.house.accrued().standing(account))

    def version_of(self, account: int) -> Any:
        """All that the engine's `account_version` is a hash of."""
        house, a = self.house, self.house.account(account)
        legs = []
        for market in sorted(a.markets):
            longs, shorts = house.book(market).sides[1], house.book(market).sides[-1]
            sides = (longs.x, shorts.x, longs.epoch, shorts.epoch)
            legs.append((house.position(account, market), sides))
        holdings = tuple(house.custody.holdings(account)) if a.collateral else ()
        return account, a, tuple(legs), holdings

    def id_of(self, account: int) -> Any:
        """What an auction's id is a hash of: it changes with all that changes the account."""
        return account, self.run_of(account).number, self.version_of(account)

    # -- auctions

    @transaction
    def set_curve(self, curve: Curve) -> None:
        """The curve of auctions started from now on."""
        try:
            auction.check(curve)
        except auction.BadCurve:
            raise ModelError("BadCurve") from None
        self.curves.append(curve)

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
            run = run._replace(elapsed=0, version=len(self.curves))
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
        run = run.advance(self.house.now, standing.stopped, curve.max_step)
        require(run.elapsed >= curve.priority, "PriorityWindow")
        self._check_sale(standing, run, curve)
        require(standing.room != 0, "Throttled")
        most = min(max_fraction, standing.room)
        offer = auction.slice_terms(standing, curve, run.elapsed, most)
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
        run = run.advance(self.house.now, standing.stopped, curve.max_step)
        require(run.elapsed >= curve.priority, "PriorityWindow")
        error = leg_sale.refused(standing, curve, run.elapsed)
        require(not error, error)
        pay = self._flat(run.starter, caller, curve)
        terms = leg_sale.terms(standing, curve, run.elapsed, market, lots)._replace(
            pay=pay,
            executor_share=curve.exec_share,
            starter_share=curve.start_share if pay.starter else 0,
            least=curve.min_requirement * TOK,
        )
        result = self.house.sell_leg(account, bidder, terms)
        error = leg_sale.fault(standing, result, curve, run.elapsed)
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
        run, curve = self._advance(run, stopped), self.curve_of(run)
        priority = max(0, curve.priority - run.elapsed)
        if stopped:
            return LegQuote(auction.x_at(curve, run.elapsed)), priority, stopped
        house = self.house.accrued()

        def after(lots: int) -> LegResult:
            return single_leg.leg_after(house, account, market, lots)

        return leg_sale.quote(standing, curve, run.elapsed, after), priority, stopped

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
        run = self._advance(run, standing.stopped or self._paused())
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
        run = run.advance(self.house.now, standing.stopped, curve.max_step)
        require(not standing.stopped, "ClockStopped")
        require(standing.counted < standing.requirement, "Healthy")
        require(exhausted(standing, curve, run.elapsed), "AuctionNotOver")
        run, result = self._close(account, buyer, run, standing, caller)
        if standing.collateral == 0 or result.deficit:
            run = self._finish(account, run._replace(elapsed=0))
        else:
            run = self._settle(account, run, 0, caller)
        self.runs[account] = run
        return result

    def _close(
        self, account: int, buyer: int, run: Run, standing: Standing, caller: int
    ) -> tuple[Run, DeleverageResult]:
        curve = self.curve_of(run)
        price, limit = auction.collateral_price(curve, run.elapsed), 0
        if standing.equity < 0:
            limit = self._draw(account, worst_deficit(standing, price))
        result = self.house.deleverage(
            account,
            buyer,
            DeleverageTerms(
                limit,
                curve.charge_cap,
                curve.charge_window,
                curve.social_share,
                price,
                self._due(run.starter, caller, curve, standing.requirement),
            ),
        )
        return run._replace(starter=run.starter if result.started == 0 else NOBODY), result

    def _recognise(self, account: int, run: Run, standing: Standing, caller: int) -> Run:
        """P22: a debt with nothing behind it is closed in the call that finds it."""
        run, _ = self._close(account, 0, run, standing, caller)
        return self._finish(account, run._replace(elapsed=0))

    @transaction
    def sync(self, account: int) -> None:
        """Bring an auction's clock and its noted deficit to now."""
        run = self._running(account)
        standing = self.standing(account)
        run = self._advance(run, standing.stopped or self._paused())
        # Asked for even where this auction has noted none: a replaced one may have.
        self.runs[account] = run._replace(noted=self._note(account, True, standing.equity))
        self.house.claim_flow(account, standing.equity, standing.requirement)

    def cost(self, account: int) -> Quote:
        """What a bid for all that is on sale would cost now."""
        run = self._running(account)
        standing = self.standing(account)
        stopped = standing.stopped or self._paused()
        run, curve = self._advance(run, stopped), self.curve_of(run)
        insolvent = standing.equity < 0
        quote = Quote(
            x=auction.x_at(curve, run.elapsed),
            equity=standing.counted,
            requirement=standing.requirement,
            fraction=0,
            cost=0,
            fee=0,
            elapsed=run.elapsed,
            stopped=stopped,
            over=insolvent and run.elapsed > curve.t_end,
            priority=max(0, curve.priority - run.elapsed),
            room=standing.room,
            wait=0,
        )
        if stopped or quote.over or standing.counted >= standing.requirement:
            return quote
        offer = auction.slice_terms(standing, curve, run.elapsed)
        room = standing.room
        if room < offer.fraction:
            house = self.house
            wait = house.limiter.wait(account, house.legs(account), offer.fraction, house.now)
            quote, least = quote._replace(wait=wait), curve.min_lots
            dust = standing.smallest >= least and auction.leaves_dust(standing, room, least)
            if room == 0 or dust:
                return quote
            offer = auction.slice_terms(standing, curve, run.elapsed, room)
        cost = auction.expected_cost(standing.equity, offer)
        return quote._replace(fraction=offer.fraction, cost=cost, fee=offer.fee)

    def auction_of(self, account: int) -> tuple[bool, bool, int, int, int, int, int, int]:
        """A run as told, its clock at now; fields as in ILiquidationAuction, starter as integer."""
        run = self.run_of(account)
        seen, stopped, x = run.seen, run.stopped, 0
        if run.running:
            run = self._advance(run, stopped)
        if run.version:
            x = auction.x_at(self.curve_of(run), run.elapsed)
        on = run.running and self.house.account(account).frozen
        return on, stopped, run.number, run.version, run.elapsed, seen, run.starter, x

    # -- before the auction

    @transaction
    def set_pre_liquidation(self, account: int, on: bool, caller: int) -> None:
        """Opt an account in or out."""
        require(owner_of(account) == caller, "NotOwner")
        consent = self.consents.get(account, NO_CONSENT)
        standing = self.standing(account)
        self.consents[account] = consent.set(on, standing, self.curves[-1], self.house.now)

    @transaction
    def pre_liquidate(
        self,
        account: int,
        bidder: int,
        caller: int,
        max_fraction: int = ONE,
        cost_limit: int = FOREVER,
        deadline: int = FOREVER,
    ) -> int:
        """Sell a slice of an opted-in account that meets R by little; returns the qu paid."""
        now, curve = self.house.now, self.curves[-1]
        require(now <= deadline, "Expired")
        require(0 < max_fraction <= ONE, "BadFraction")
        require(account != bidder, "BadArgument")
        require(owner_of(bidder) == caller, "NotOwner")
        consent = self.consents.get(account, NO_CONSENT)
        require(consent.at(now).until != 0, "NotOptedIn")
        require(not self.run_of(account).running, "AuctionRunning")
        require(account not in self.intents, "Frozen")
        standing = Standing(*self.house.freeze(account))
        offer = pre_liquidation.slice_of(consent, standing, curve, now, max_fraction)
        pay = self._due(NOBODY, caller, curve, standing.requirement * offer.fraction // ONE)
        result = self._sell_slice(account, bidder, curve, offer, pay, thaw=True)
        require(result.paid <= cost_limit, "CostLimit")
        self.consents[account] = consent.sold(offer.fraction, now)
        return result.paid

    def pre_quote(self, account: int) -> tuple[int, int, int, int, int, int, int]:
        """What a pre-liquidation of all on sale would be; fields as in ILiquidationAuction."""
        now, curve = self.house.now, self.curves[-1]
        consent = self.consents.get(account, NO_CONSENT).at(now)
        standing = self.standing(account)
        used = sum(consent.lanes) * pre_liquidation.SHARE
        told = (consent.until, used, standing.equity, standing.requirement)
        busy = self.run_of(account).running or account in self.intents
        room = min(consent.room(curve, now), standing.room)
        within = pre_liquidation.meets(standing, 0) and not pre_liquidation.meets(
            standing, curve.pre_band
        )
        if consent.until == 0 or busy or standing.state != 0 or room == 0 or not within:
            return (*told, 0, 0, 0)
        offer = pre_liquidation.offer(standing, curve, room)
        return (*told, offer.fraction, auction.expected_cost(standing.equity, offer), offer.fee)

    # -- intents

    @transaction
    def commit_intent(self, account: int, intent: Intent, caller: int) -> None:
        """Freeze an account and commit it to take slices."""
        require(owner_of(account) == caller, "NotOwner")
        curve, now = self.curves[-1], self.house.now
        intents.check_terms(intent, curve, now)
        require(account not in self.intents, "Frozen")
        require(not self.run_of(account).running, "AuctionRunning")
        standing = self.house.freeze(account)
        require(standing.state == 0, "StalePrice")
        margin = self.house.margin(account)
        intents.check_margin(intent, margin.initial_equity - margin.initial_requirement, curve)
        self.intents[account] = intent

    @transaction
    def revoke_intent(self, account: int, caller: int) -> None:
        """Let an intent expire in an hour."""
        require(owner_of(account) == caller, "NotOwner")
        require(account in self.intents, "NoIntent")
        self.intents[account] = self.intents[account].revoked(self.house.now)

    @transaction
    def release_intent(self, account: int) -> None:
        """Strike out an expired intent and thaw its account."""
        require(account in self.intents, "NoIntent")
        require(self.house.now > self.intents[account].expiry, "IntentOpen")
        del self.intents[account]
        if self.house.account(account).frozen:
            self.house.thaw(account)

    @transaction
    def fill_intent(self, account: int, taker: int, caller: int, deadline: int = FOREVER) -> int:
        """Sell to an intent's account what is on sale; returns the qu it paid."""
        now = self.house.now
        require(now <= deadline, "Expired")
        run = self._running(account)
        intent = self.intents.get(taker)
        standing, curve = self.standing(account), self.curve_of(run)
        run = run.advance(now, standing.stopped, curve.max_step)
        held = sum(1 << market for market in self.house.account(account).markets)
        offer = intents.fill(intent, standing, held, curve, run.elapsed, now)
        assert intent is not None
        run, net, sold = self._sell(account, taker, caller, run, standing, offer, 0, True)
        self.runs[account] = run
        left = intents.left_after(intent, sold)
        if left is None:
            del self.intents[taker]
            self.house.thaw(taker)
        else:
            self.intents[taker] = left
        return net

    # -- the fund, on the engine's bucket

    @transaction
    def insure(self, owner: str, assets: int) -> int:
        """A deposit into the fund; returns the shares."""
        shares = self._of_fund().deposit(owner, assets, self.house.now)
        self.house.fund_deposit(assets)
        return shares

    @transaction
    def sponsor(self, assets: int) -> None:
        """Income given to the fund."""
        self._of_fund().sponsor(assets, self.house.now)
        self.house.fund_deposit(assets)

    @transaction
    def fund_budget(self, amount: int) -> int:
        """Undripped income to the keepers' budget; returns the qu moved."""
        moved = self._of_fund().fund_budget(amount, self.house.now)
        self.house.budget_move(moved)
        return moved

    @transaction
    def request_redeem(self, owner: str, shares: int) -> None:
        """Ask for a redemption."""
        self._of_fund().request(owner, shares, self.house.now)

    @transaction
    def redeem(self, owner: str, shares: int) -> int:
        """Redeem shares; returns the token units paid."""
        assets = self._of_fund().redeem(owner, shares, self.house.now)
        self.house.fund_withdraw(assets)
        return assets

    @transaction
    def fund_sync(self) -> None:
        """Book the bucket's changes."""
        self._of_fund().sync(self.house.now)

    def drawable(self, market: int) -> int:
        """The most that one draw for one market would grant, qu."""
        return self._of_fund().drawable(market, self.house.now)

    def _of_fund(self) -> Fund:
        """The fund, told what lies in the engine's buckets."""
        fund, cash = self.fund, self.house.cash
        fund.bucket_qu, fund.keeper_qu, fund.deficit_qu = cash.fund, cash.keeper, cash.pending
        return fund

    def _draw(self, account: int, amount: int) -> int:
        parts = self.house.accrued().exposures(account)
        return sum(one.granted for one in self._of_fund().draw(parts, amount, self.house.now))

    # -- parts of the calls

    def _running(self, account: int) -> Run:
        run = self.run_of(account)
        require(run.running, "NoAuction")
        return run

    def _advance(self, run: Run, stopped: bool) -> Run:
        return run.advance(self.house.now, stopped, self.curve_of(run).max_step)

    def _paused(self) -> bool:
        return self.house.pause >= AUCTIONS_STOPPED

    @staticmethod
    def _check_sale(standing: Standing, run: Run, curve: Curve) -> None:
        require(not standing.stopped, "ClockStopped")
        require(standing.counted < standing.requirement, "Healthy")
        require(standing.equity >= 0 or run.elapsed <= curve.t_end, "AuctionOver")

    def _sell(
        self,
        account: int,
        bidder: int,
        caller: int,
        run: Run,
        standing: Standing,
        offer: Slice,
        brought: int,
        locked: bool,
    ) -> tuple[Run, int, int]:
        """One sale and what becomes of the auction: the run, the bidder's net cost, R sold; qu."""
        curve, limit = self.curve_of(run), 0
        if offer.insolvent:
            limit = self._draw(account, sum(auction.draw_request(standing, offer)))
            granted = auction.funded(standing, offer, limit)
            if granted is None:
                raise ModelError("FundEmpty")
            offer = granted
        sold = standing.requirement * offer.fraction // ONE
        pay = self._due(run.starter, caller, curve, sold)
        done = offer.fraction == ONE or not offer.capped
        result = self._sell_slice(
            account, bidder, curve, offer, pay, limit, brought, locked, done, run.noted
        )
        run = run._replace(starter=run.starter if result.started == 0 else NOBODY)
        if offer.fraction == ONE:
            run = run._replace(elapsed=0)
        if done:
            run = self._finish(account, run, thawed=True)
        else:
            run = self._settle(account, run, curve.buffer, caller)
        return run, result.paid - result.from_fund, sold

    def _sell_slice(
        self,
        account: int,
        bidder: int,
        curve: Curve,
        offer: Slice,
        pay: KeeperPay,
        limit: int = 0,
        brought: int = 0,
        locked: bool = False,
        thaw: bool = False,
        noted: bool = False,
    ) -> SliceResult:
        terms = SliceTerms(
            offer.fraction,
            offer.discount,
            offer.fee,
            curve.keeper_share,
            offer.bonus,
            limit,
            offer.insolvent,
            offer.free,
            locked=locked,
            pay=pay,
            thaw=thaw,
            noted=noted,
        )
        return self.house.sell_slice(account, bidder, terms, brought)

    def _settle(self, account: int, run: Run, buffer: int, caller: int) -> Run:
        """End where the account is back at (1 + buffer) R or empty; else note its deficit."""
        standing = self.standing(account)
        if bare(standing):
            return self._recognise(account, run, standing, caller)
        if standing.counted * NANO >= standing.requirement * (NANO + buffer):
            if standing.perps == 0 and standing.collateral == 0:
                run = run._replace(elapsed=0)
            return self._finish(account, run)
        return run._replace(noted=self._note(account, run.noted, standing.equity))

    def _finish(self, account: int, run: Run, thawed: bool = False) -> Run:
        if not thawed:
            self.house.thaw(account)
        if run.noted:
            self._observe()
        return run._replace(running=False, stopped=False, seen=self.house.now, noted=False)

    def _note(self, account: int, noted: bool, equity: int) -> bool:
        deficit = max(-equity, 0)
        if noted or deficit:
            self.house.note_deficit(account, deficit)
            self._observe()
        return deficit > 0

    def _observe(self) -> None:
        """The fund sees whether deficits hold redemptions up."""
        self._of_fund().observe(self.house.now)

    # -- keepers

    @staticmethod
    def _due(starter: int, caller: int, curve: Curve, sold: int) -> KeeperPay:
        """What executor and starter of a sale of R `sold` are due, into their accounts 0."""
        if sold < curve.min_requirement * TOK:
            return KeeperPay()
        pay = Liquidations._flat(starter, caller, curve)
        pay = pay._replace(executor_due=pay.executor_due + sold * curve.exec_share // NANO)
        if starter == NOBODY:
            return pay
        return pay._replace(starter_due=pay.starter_due + sold * curve.start_share // NANO)

    @staticmethod
    def _flat(starter: int, caller: int, curve: Curve) -> KeeperPay:
        """The part of it that does not grow with the R sold."""
        pay = KeeperPay(caller << 96, curve.exec_flat * TOK)
        if starter == NOBODY:
            return pay
        return pay._replace(starter=starter << 96, starter_due=curve.start_flat * TOK)


def bare(standing: Standing) -> bool:
    """Whether nothing is left but a debt."""
    return standing.perps == 0 and standing.collateral == 0 and standing.equity < 0


def exhausted(standing: Standing, curve: Curve, elapsed: int) -> bool:
    """Whether only deleveraging is left."""
    if standing.perps == 0 and (standing.collateral == 0 or standing.equity >= 0):
        return standing.collateral == 0
    if standing.equity >= 0 and standing.collateral * 100 <= standing.requirement:
        return elapsed >= curve.t_one
    return elapsed >= curve.t_end


def worst_deficit(standing: Standing, price: int) -> int:
    """The most an insolvent account can be short of once closed, qu; `price` of collateral 1e-4."""
    worth = standing.collateral - min(standing.linear, standing.collateral)
    return -standing.equity + standing.collateral - worth * price // 10_000 + TOK
