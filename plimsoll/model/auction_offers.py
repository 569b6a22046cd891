"""Offers made before an auction needs them: pre-liquidations opted in to, intents committed.

The calls of contracts/liquidation/LiquidationAuctionOffers.vy; the rules are those of
pre_liquidation.py and intents.py. Units as in liquidation.py.
"""

from __future__ import annotations

from plimsoll.model import auction, intents, pre_liquidation
from plimsoll.model.accounts import owner_of
from plimsoll.model.auction import ONE, Standing
from plimsoll.model.auction_sale import AuctionSale
from plimsoll.model.intents import Intent
from plimsoll.model.liquidation_state import FOREVER, NOBODY, transaction
from plimsoll.model.pre_liquidation import Consent
from plimsoll.model.rounding import require

NO_CONSENT = Consent()


class AuctionOffers(AuctionSale):
    """What owners commit to, and the sales that rest on it."""

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
        run = self._advance(run, standing.stopped, standing.pace)
        held = sum(1 << market for market in self.house.account(account).markets)
        offer = intents.fill(
            intent, standing, held, curve, run.elapsed, now, run.elapsed - run.offered
        )
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
