"""The random use of the whole protocol with people in it who mean it ill, and helpers who fail: a
whale with dust legs, a pair that colludes, one who liquidates himself, a spammer of dust, a bidder
that reverts, keepers that stop, an oracle that stops in the middle of auctions.

Asserted after each of their steps is what they were after (P15, P17, P19, P20, P25 of
docs/properties.md), beside all that `test_protocol_run` asserts; and at the end that strangers
alone bring every loss to its payers.
"""

from __future__ import annotations

from typing import Any

from plimsoll.compiler import compile_contract
from plimsoll.deployment.house import TEST_CONTRACTS, Actor, account_id
from plimsoll.evm import Reverted
from tests.invariant.test_protocol_run import DOLLAR, MARKETS, NANO, ONE, WEIGHTS, Protocol, use
from tests.stage import list_markets

STALE = 2
ILL = {
    "whale_trades": 8,
    "pair_trades": 8,
    "takes_own": 10,
    "spams": 8,
    "reverting_bid": 4,
    "outage": 3,
    "blackout": 2,
    "light": 4,
}


class Adversaries(Protocol):
    """The protocol's people and these. Whale, pair and self-liquidator are traders as well."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        house = self.house
        self.dust = list_markets(house, 6)
        self.whale = house.actor("whale", quote=400_000)
        self.pair = [house.actor(f"pair{i}", quote=20_000) for i in range(2)]
        self.schemer = house.actor("schemer", quote=8_000)
        house.deposit(self.schemer, 80_000, 1)  # the sibling that takes its owner's account
        self.spammer = house.actor("spammer", quote=1_000)
        self.poor = house.actor("stopped keeper")
        house.deposit(self.maker, 4_000_000)
        house.deposit(self.liquidator, 4_000_000)
        self.taker: Any = house.evm.deploy(compile_contract("SliceTaker", contracts=TEST_CONTRACTS))
        self.taker.bring(0, True)
        house.mint(self.taker.address, 50_000)
        self.taker.allow(house.quote.address, house.vault.address)
        self.traders += [self.whale, *self.pair, self.schemer]
        self.ids += [one.id for one in (*self.traders[-4:], self.spammer)]
        self.ids.append(self.schemer.account(1))
        self.dark: str = ""  # the feed that answers no more

    def names(self) -> dict[str, int]:
        return WEIGHTS | ILL

    def step(self) -> None:
        weights = self.names()
        name = self.random.choices(list(weights), list(weights.values()))[0]
        if self.dark and name in ("week", "price", "wait", "time", "leg"):
            return  # what these assert is of a house with all its feeds
        getattr(self, name)()
        gap = self.engine.solvency().gap
        assert gap == 0, f"P2: {name} left a gap of {gap}"

    # -- looking

    def worth(self, *accounts: int) -> int:
        return sum(int(self.standing(one).equity) for one in accounts)

    def mark(self, market: int) -> int:
        return int(self.engine.market(market).mark)

    # -- the whale: large, and hedged about with dust

    def whale_trades(self) -> None:
        rnd, side = self.random, self.random.random() < 0.7
        market = rnd.randrange(2)
        if rnd.random() < 0.4:
            market = rnd.choice(self.dust)
        notional = rnd.choice((50_000, 400_000, 1_500_000)) if market < 2 else rnd.choice((11, 40))
        lots = max(1_000, notional * DOLLAR // self.mark(market))
        pair = (self.whale.id, self.maker.id) if side else (self.maker.id, self.whale.id)
        fill = (market, *pair, lots, self.mark(market), 0)
        self.try_("whale", lambda: self.house.settle([fill]))

    # -- the pair: off the mark with each other, as far as the band goes

    def pair_trades(self) -> None:
        """P5, P19: at one price the two together gain nothing by it, nor take out what neither
        had."""
        one, other = self.random.sample(self.pair, 2)
        market = self.random.randrange(2)
        mark = self.mark(market)
        lots = max(1, self.random.choice((5_000, 40_000)) * DOLLAR // mark)
        price = mark * self.random.choice((9_501, 9_990, 10_010, 10_499)) // 10_000
        before = self.worth(one.id, other.id)
        fill = (market, one.id, other.id, lots, price, self.random.randrange(2))
        if not self.try_("pair", lambda: self.house.settle([fill])):
            gained = self.worth(one.id, other.id) - before
            assert gained <= 2, f"P19: a pair gained {gained} by trading with itself"
        taker = self.random.choice(self.pair)
        balance = max(self.engine.cash_of(taker.id)[0], 0) // NANO
        self.try_("pair out", lambda: self.engine.withdraw(taker.id, balance, taker, sender=taker))

    # -- the self-liquidator

    def takes_own(self) -> None:
        """P19, P20: it starts, bids and executes for itself. All its accounts together are no
        richer but by what the fund paid of a hole, and by pay out of the keepers' budget that is
        less than the fee it paid."""
        owner, rnd = self.schemer, self.random
        victim = owner.id
        if not self.running_of(owner) and not self.dark:
            self.sinks_itself(rnd.randrange(2))
            self.try_("own start", lambda: self.auction.start(victim, sender=owner))
        for _ in range(3):
            if self.running_of(owner):
                self.house.evm.advance(rnd.choice((0, 15, 45)))
                self.bids_for_itself(rnd.choice((ONE, ONE // 2, 10**12)))

    def sinks_itself(self, market: int) -> None:
        """As large a long as its money carries, and a fall that puts it under R, or under water."""
        name, victim = MARKETS[market], self.schemer.id
        if self.standing(victim).equity < 1_000 * DOLLAR:
            self.house.deposit(self.schemer, 8_000)
            self.house.deposit(self.schemer, 30_000, 1)
        lots = max(0, self.standing(victim).equity) * 9 // self.mark(market)
        fill = (market, victim, self.maker.id, lots, self.mark(market), 1)
        self.try_("schemes", lambda: self.house.settle([fill]))
        self.prices[name] = round(self.prices[name] * self.random.choice((0.93, 0.9, 0.86)))
        self.house.evm.advance(15)
        self.house.set_price(name, self.prices[name])
        self.house.evm.advance(15)

    def bids_for_itself(self, share: int) -> None:
        owner, victim, mine = self.schemer, self.schemer.id, self.schemer.account(1)
        before, paid = self.worth(victim, mine), []
        solvent, budget = self.standing(victim).equity >= 0, self.engine.keeper_budget()
        bid = (victim, mine, 0, share, 2**200, 2**40)
        refused = self.try_(
            "own bid", lambda: paid.append(self.auction.bid(*bid, sender=owner).value)
        )
        if refused:
            return
        gained, of_fund = self.worth(victim, mine) - before, max(0, -paid[0])
        pay = max(0, budget - self.engine.keeper_budget())
        assert gained <= of_fund + pay + 100, f"P19: gained {gained} with {of_fund} of the fund"
        assert not solvent or of_fund == 0, f"P19: the fund paid {of_fund} for the solvent"

    def running_of(self, owner: Actor) -> bool:
        return bool(self.auction.auction(owner.id).running)

    # -- the spammer

    def spams(self) -> None:
        """P12, P16: units deposited to others, slivers bid for, starts and syncs of anything:
        nobody loses a unit by it, no auction gets cheaper or younger."""
        rnd, target = self.random, self.random.choice(self.running() or self.traders)
        run = self.auction.auction(target.id)
        before = {one.id: self.standing(one.id).equity for one in self.traders}
        kind = rnd.choice((0, 1, 1, 1, 2, 3))
        if kind == 0:
            self.house.quote.mint(self.spammer, 1)
            self.try_("crumb", lambda: self.engine.deposit(target.id, 1, sender=self.spammer))
        elif kind == 1:
            bid = (target.id, self.spammer.id, 0, rnd.choice((1, 10**6, 10**12)), 2**200, 2**40)
            self.try_("sliver", lambda: self.auction.bid(*bid, sender=self.spammer))
        elif kind == 2:
            self.try_("spam sync", lambda: self.auction.sync(target.id, sender=self.spammer))
        else:
            self.try_("spam end", lambda: self.auction.end(target.id, sender=self.spammer))
        after = self.auction.auction(target.id)
        if run.running and after.running and not after.stopped:  # seen to have stopped earlier
            assert after.elapsed >= run.elapsed, f"spam put a clock back: {run} -> {after}"
        # A sliver is rounded up to a lot of each leg and is paid for; nobody else is touched.
        for one in self.traders:
            lost = before[one.id] - self.standing(one.id).equity
            due = 10**12 if one is target and kind == 1 else 0
            assert lost <= due, f"P12: {one.name} lost {lost} to spam of kind {kind}"

    # -- the bidder that reverts

    def reverting_bid(self) -> None:
        """A bid that fails in its callback leaves auction, account and fund as they were."""
        running = self.running()
        if not running:
            return
        target = self.random.choice(running)
        mine = account_id(self.taker.address)
        before = (
            self.standing(target.id),
            self.engine.fund_balance(),
            self.engine.account_version(target.id),
            self.auction.auction(target.id).running,
        )
        try:
            self.taker.take(self.auction.address, target.id, mine, ONE)
        except Reverted:
            self.events["reverting bid"] += 1
        else:
            raise AssertionError("a bid went through whose callback fails")
        after = (
            self.standing(target.id),
            self.engine.fund_balance(),
            self.engine.account_version(target.id),
            self.auction.auction(target.id).running,
        )
        assert before == after, "a failed bid left something"

    # -- helpers that fail

    def outage(self) -> None:
        """Keepers stop for up to an hour while prices walk: no clock moves by more than a step."""
        if self.dark:
            return
        clocks = {t.id: self.auction.auction(t.id).elapsed for t in self.running()}
        for _ in range(self.random.randrange(2, 8)):
            self.house.evm.advance(self.random.choice((60, 300, 600)))
            for name in MARKETS:
                usd = round(self.prices[name] * (1 + self.random.gauss(0, 0.015)))
                self.prices[name] = usd
                self.house.set_price(name, usd)
        self.house.evm.advance(15)
        for account, elapsed in clocks.items():
            now = self.auction.auction(account).elapsed
            assert now <= elapsed + self.curve.max_step, f"P17: {elapsed} -> {now} unseen"
        self.events["outage"] += 1

    def blackout(self) -> None:
        """One feed answers no more; the other does. Accounts it carries a tenth of R of are left
        alone, whoever calls."""
        if self.dark:
            return
        self.dark = self.random.choice(MARKETS)
        other = next(name for name in MARKETS if name != self.dark)
        while self.house.oracle.read(self.house.feed_id(self.dark)).state < STALE:
            self.house.advance(7_200)
            self.house.set_price(other, self.prices[other])
        self.house.evm.advance(15)
        for trader in self.traders:
            s = self.standing(trader.id)
            if s.stale_requirement * 10 <= self.requirement(s):
                continue
            calls = [
                lambda t=trader: self.auction.start(t.id),
                lambda t=trader: self.auction.deleverage(t.id, 0),
                lambda t=trader: self.auction.bid(
                    t.id, self.liquidator.id, 0, ONE, 2**200, 2**40, sender=self.liquidator
                ),
            ]
            for call in calls:
                refused = self.try_("in the dark", call)
                standstill = ("ClockStopped", "AuctionRunning", "NoAuction")
                assert refused in standstill, f"P15: {refused or 'sold'} without a price: {s}"
        self.events["blackout"] += 1

    def light(self) -> None:
        """The feed answers again."""
        if self.dark:
            self.house.refresh()
            self.house.evm.advance(15)
            self.dark = ""

    # -- the end

    def settle_all(self) -> None:
        """Strangers' calls alone: everything under R is started, run out and closed; then nobody
        owes anything, nobody is frozen but for a promise that stands, no loss is without payer."""
        self.light()
        self.house.refresh()
        self.house.evm.advance(15)
        clean = self.house.actor("buyer", quote=10_000_000)
        for _ in range(4):
            everybody = [*self.traders, *self.backers, self.spammer, self.liquidator, self.maker]
            accounts = [t.id for t in everybody] + [self.schemer.account(1)]
            for account in accounts:
                s = self.standing(account)
                if s.equity < self.requirement(s):
                    self.try_("last start", lambda a=account: self.auction.start(a))
                elif self.auction.auction(account).running:
                    self.try_("last end", lambda a=account: self.auction.end(a))
            open_now = [one for one in accounts if self.auction.auction(one).running]
            if not open_now:
                break
            for _ in range((self.curve.t_end + self.curve.fade) // self.curve.max_step + 2):
                self.house.advance(self.curve.max_step, refresh=True)
                for one in open_now:
                    self.auction.sync(one)
            for account in open_now:
                self.close_last(account, clean)
        for account in accounts:
            s = self.standing(account)
            assert s.equity >= 0, f"P22: {account:#x} still owes {s}"
            frozen = bool(self.engine.head(account) >> 226 & 1)
            assert not frozen or self.auction.intent(account).expiry, "frozen for ever"
        solvency = self.engine.solvency()
        assert solvency.pending == 0, f"P25: {solvency}"
        assert solvency.hole == 0, f"P25: {solvency}"

    def close_last(self, account: int, buyer: Actor) -> None:
        """One account whose curve has run out: ended, taken for nothing, or deleveraged."""
        s = self.standing(account)
        if s.equity >= self.requirement(s):
            self.try_("last end", lambda: self.auction.end(account))
            return
        refused = self.try_(
            "last deleverage", lambda: self.auction.deleverage(account, buyer.id, sender=buyer)
        )
        if refused:
            bid = (account, buyer.id, 0, ONE, 2**200, 2**40)
            self.try_("last bid", lambda: self.auction.bid(*bid, sender=buyer))


def test_adversaries__random_use__gain_nothing_and_break_nothing(
    machine_steps: int, seed: int
) -> None:
    people = Adversaries(seed)
    use(people, seed, machine_steps or 1_200, checked=20)
    people.settle_all()
    print(dict(sorted(people.events.items())))
    for event in ("whale", "pair", "own bid", "sliver", "reverting bid", "outage", "blackout"):
        met = sum(count for name, count in people.events.items() if name.startswith(event))
        assert met > 0, f"the run never met: {event}"
