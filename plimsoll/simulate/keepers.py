"""Keepers of a stress run: they start, buy what pays, hedge it, and hand it on to market makers.

A keeper bids where the discount it gets, x times the R it takes, covers what hedging costs in the
thin market, the gas and `MIN_PROFIT`; it takes as much as leaves it the most and as its margin
bears. Where a single leg leaves more than the slice (plimsoll.simulate.single_legs) it takes that.
Its capital is finite, and so is what makers take off it per minute. Two of them have committed
intents. While `away` nobody starts, bids, syncs or deleverages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from plimsoll.deployment.house import House
from plimsoll.evm.errors import Reverted
from plimsoll.simulate.book import MARKETS, USD, Book
from plimsoll.simulate.crowd import BUYER_REDUCES, SELLER_REDUCES, TAKER_BUYS
from plimsoll.simulate.desks import Desk
from plimsoll.simulate.market_impact import Impact
from plimsoll.simulate.single_legs import Leg, best_leg
from plimsoll.simulate.tally import Breach, Loss, Run, Tally
from plimsoll.simulate.venue import ETH
from plimsoll.simulate.windows import STEP

ONE = 10**18
NANO = 10**9
FOREVER = 2**63
TOUCH = 10**9  # qu by which an account's closing differs from its equity: floors of its legs
MIN_PROFIT = 5.0  # USD
GAS = {
    "start": 200_000,
    "bid": 300_000,
    "bid_leg": 320_000,
    "sync": 80_000,
    "end": 120_000,
    "deleverage": 350_000,
}
GAS_PRICE = 20e-9  # ether
SYNC_AFTER = 45  # s
LEAST_ROOM = 500.0  # USD of free margin under which a keeper does not look at auctions
LEAST_SHARE = 0.02  # of what is on sale: less is not worth a transaction
FULLER = 1.05  # a refused keeper tries again when its free margin has grown so much
MARGIN_SHARE = 0.9  # of its free margin that a keeper commits to one bid
HALVINGS = 4
PASS_ON = 120.0  # s in which makers would take the whole thin depth off the keepers
INTENT_PREMIUMS = (0.05, 0.10)  # x of the intents
INTENT_LIFE = 6 * 3_600
REST = 60  # s that an intent without margin is left alone, or a stopped account
INTENT_PAUSE = 600  # s between two commitments of one account


class Sheet(NamedTuple):
    """What a deleveraging may move: qu, lots by market, ticks per lot charged to either side."""

    fund: int
    interest: tuple[int, ...]
    charges: tuple[tuple[int, int], ...]
    owed: int


@dataclass
class Offer:
    """What an auction sells now, in USD for the whole account."""

    account: int
    quote: Any
    fraction: float
    gain: float  # per whole account
    flows: list[float]  # signed notional by market, per whole account
    initial: float  # R_init of the whole account


@dataclass
class Keepers:
    """All of them. `away`: the outage, [from, to)."""

    house: House
    book: Book
    bidders: list[Desk]
    pledged: list[Desk]
    makers: list[Desk]
    impact: Impact
    tally: Tally
    away: tuple[int, int] | None = None
    legs: bool = True  # whether single legs are taken where they pay more
    live: dict[int, Run] = field(default_factory=dict)
    below: dict[int, int] = field(default_factory=dict)
    _synced: dict[int, int] = field(default_factory=dict)
    _resting: dict[int, int] = field(default_factory=dict)
    _rooms: dict[int, float] = field(default_factory=dict)
    _full: dict[int, float] = field(default_factory=dict)
    _tried: dict[int, int] = field(default_factory=dict)
    _curve: Any = None
    _blocked: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._curve = self.house.auction.curve()
        self.views = self.book.views
        self.me = self.house.actor("keeper")

    # -- one pass

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

    def _room(self, desk: Desk) -> float:
        """Its free margin in this block, read again once it has bought."""
        found = self._rooms.get(desk.account)
        if found is None:
            found = self._rooms[desk.account] = desk.room()
        return found

    def _urgency(self, account: int) -> float:
        row = self.book.row[account]
        return float(self.book.equity[row] - self.book.requirement[row])

    # -- starting and ending

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

    def _reread(self, account: int) -> None:
        """What may have changed since the book read it: legs that others shrank, a debt grown."""
        if self.book.stale or self.book.cash[self.book.row[account]] < 0:
            self.book.touch((account,))

    def check_under(self, account: int, what: str) -> None:
        """P15, by the second opinion of the book: nothing befalls who meets its requirement."""
        equity, need = self._judged(account)
        if equity > need * 1.000001 + 0.001:  # the slow open interest is read now and then
            self.book.read_roots()
            self.book.look()
            equity, need = self._judged(account)
        if equity > need * 1.000001 + 0.001:
            raise Breach(f"P15: {what} of {account:#x} with E {equity:.6f} and R {need:.6f} USD")
        self.tally.counts["P15 checked"] += 1

    def _judged(self, account: int) -> tuple[float, float]:
        """E and R as auctions count them: legs on a stopped feed lose their R, ether there all."""
        book, row = self.book, self.book.row[account]
        dead = [market for market in MARKETS if book.states[market] & 3 > 1]
        off = sum(book.leg_requirement(m, float(book.lots[row, m])) for m in dead)
        off += book.ether_value(account) if ETH in dead else 0.0
        return float(book.equity[row]) - off, float(book.requirement[row])

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

    # -- buying

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

    # -- single legs

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

    def _gas_cost(self, kind: str) -> float:
        return float(GAS[kind] * GAS_PRICE * self.book.mark[ETH])

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

    # -- intents

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

    # -- the last step

    def _deleverage(self, now: int, account: int) -> bool:
        standing = self.views.standing(account)
        buyer = max(self.bidders, key=Desk.room) if standing.collateral else None
        lots = [self.views.position(account, market).lots for market in MARKETS]
        before = self._sheet()
        backend: Any = self.house.evm.backend
        backend.record = standing.equity < 0
        try:
            receipt = self.house.auction.deleverage(
                account, buyer.account if buyer else 0, sender=buyer.actor if buyer else self.me
            )
        except Reverted as refused:
            self.tally.refused[f"deleverage: {refused.name}"] += 1
            return False
        finally:
            backend.record = False
        self.check_under(account, "deleverage")
        after = self._sheet()
        for mine, was, left in zip(lots, before.interest, after.interest, strict=True):
            if abs(mine) != was - left:
                raise Breach(f"P24: {was - left} lots closed of a bankrupt's {abs(mine)}")
        self.tally.deleveraged += float(sum(abs(one) for one in self.book.notional(account)))
        insolvent = standing.equity < 0
        self.tally.counts["deleveragings" if insolvent else "solvent deleveragings"] += 1
        if insolvent:
            self._recognise(now, account, standing, receipt, before, after)
        self._shrunk(account, buyer)
        if after.owed != before.owed:  # everybody's cash was socialised on
            self.book.everyone()
        return True

    def _sheet(self) -> Sheet:
        books = [self.views.market(market) for market in MARKETS]
        return Sheet(
            self.views.fund_balance(),
            tuple(one.open_interest for one in books),
            tuple((one.charge_long, one.charge_short) for one in books),
            self.views.solvency().owed,
        )

    def _shrunk(self, account: int, buyer: Desk | None) -> None:
        """Everybody on the other side holds less now."""
        self.book.touch((account, buyer.account) if buyer else (account,))
        self.book.stale = True
        for desk in (*self.bidders, *self.pledged, *self.makers):
            for market in MARKETS:
                desk.reread(market, int(self.book.mark[market] * NANO))

    def _recognise(
        self, now: int, account: int, standing: Any, receipt: Any, before: Sheet, after: Sheet
    ) -> None:
        """P24: fund, charge and socialised loss are the deficit, to the unit.

        Where neither a side's charge nor what is owed to cash has moved, the fund bore it alone.
        """
        paid = before.fund - after.fund
        if (before.charges, before.owed) == (after.charges, after.owed):
            if not standing.collateral and abs(paid + standing.equity) > TOUCH:
                raise Breach(f"P24: the fund paid {paid} qu for an equity of {standing.equity}")
            found = Loss(now, account, "deleveraged", paid, 0, paid, 0, 0)
        else:
            told = next(one for one in receipt.events if one.name == "Deleveraged")
            if told.deficit != told.from_fund + told.charged + told.socialised:
                raise Breach(f"P24: a deficit of {told.deficit} qu and {told.args}")
            if paid > told.from_fund:
                raise Breach(f"P23: the fund paid {told.from_fund} qu and lost {paid}")
            found = Loss(
                now, account, "deleveraged", told.deficit, 0, told.from_fund, told.charged,
                told.socialised,
            )  # fmt: skip
        if found.deficit:
            self.tally.losses.append(found)

    # -- getting rid of it

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

    def _send(self, kind: str, account: int) -> bool:
        try:
            self.house.auction.method(kind).transact(account, sender=self.me)
        except Reverted as refused:
            self.tally.refused[f"{kind}: {refused.name}"] += 1
            return False
        self.tally.gas += self._gas_cost(kind) if kind in GAS else 0.0
        return True
