"""The whole protocol as deployed, real auction and insurance fund, under seeded random use.

The twin compares the engine with its model; here nothing stands in for a neighbour, and what is
asserted is read from the chain alone: conservation, P10, P15-P17, P19, P20, P22-P25 of
docs/properties.md.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from plimsoll.deployment.house import Actor, House, account_id, deploy_house
from plimsoll.evm import Evm, Reverted

ONE = 10**18
NANO = 10**9
MARKETS = ("ETH", "BTC")
STARTS = {"ETH": 2_000, "BTC": 40_000}
DOLLAR = 10**15
WEIGHTS = {
    "trade": 24,
    "close": 5,
    "price": 14,
    "time": 12,
    "deposit": 4,
    "withdraw": 6,
    "coins": 3,
    "insure": 2,
    "leave_fund": 2,
    "start": 8,
    "bid": 14,
    "leg": 8,
    "end": 3,
    "deleverage": 8,
    "sync": 4,
    "wait": 3,
    "week": 1,
    "opt": 3,
    "pre": 8,
    "commit": 2,
    "intent": 8,
    "release": 2,
}


class Protocol:
    """Traders, a maker, a liquidator and insurers on one deployment."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.house: House = deploy_house(Evm(record=False))
        self.engine: Any = self.house.engine
        self.auction: Any = self.house.auction
        self.fund: Any = self.house.fund
        self.curve = self.auction.curve()
        self.events: Counter[str] = Counter()
        self.prices = dict(STARTS)
        self.maker = self.house.actor("maker", quote=2_000_000)
        self.liquidator = self.house.actor("liquidator", quote=2_000_000)
        self.traders = [self.house.actor(f"trader{i}", quote=3_000 * (i + 1)) for i in range(6)]
        self.ids = [a.id for a in (self.maker, self.liquidator, *self.traders)]
        self.backers = [self.house.actor(f"backer{i}", quote=60_000) for i in range(2)]
        self.ids += [one.id for one in self.backers]
        self.house.insure(50_000)
        self.house.evm.advance(15)

    # -- looking

    def standing(self, account: int) -> Any:
        return self.engine.standing(account)

    def most_drawn(self, account: int) -> int:
        """The most the fund would grant for an account now, its markets' caps counted."""
        parts = self.engine.exposures(account)
        return int(self.fund.draw.call(list(parts), 2**256 - 1, sender=self.auction.address))

    def requirement(self, s: Any) -> int:
        return int(s.linear + s.superlinear)

    def is_below(self, trader: Actor) -> bool:
        s = self.standing(trader.id)
        return bool(s.equity < self.requirement(s))

    def counted(self, s: Any) -> int:
        """E as the auction counts it: small stale parts taken off."""
        stopped = s.stale_requirement * 10 > self.requirement(s)
        return int(s.equity if stopped else s.equity - s.stale_value)

    def running(self) -> list[Actor]:
        return [t for t in self.traders if self.auction.auction(t.id).running]

    def try_(self, name: str, call: Any) -> str:
        """Runs a call; returns "" or the error's name, which is counted."""
        try:
            call()
        except Reverted as refused:
            self.events[f"{name} {refused.name}"] += 1
            return refused.name or "Panic"
        self.events[name] += 1
        return ""

    def step(self) -> None:
        name = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        getattr(self, name)()
        gap = self.engine.solvency().gap
        assert gap == 0, f"P2: {name} left a gap of {gap}"

    def check(self) -> None:
        """P1 and P10, on everybody."""
        solvency = self.engine.solvency()
        vault = self.house.vault.address
        assert self.house.quote.balanceOf(vault) * NANO >= solvency.vault, "P1: custody"
        for account in self.ids:
            m = self.engine.margin(account)
            assert m.initial_equity <= m.equity, f"P10: {m}"
            assert m.initial_requirement >= m.requirement, f"P10: {m}"

    # -- traders

    def trade(self) -> None:
        rnd, trader = self.random, self.random.choice(self.traders)
        name = rnd.choice(MARKETS)
        market = self.house.market_id(f"{name}-PERP")
        equity = max(self.engine.margin(trader.id).equity, 0)
        mark = self.engine.market(market).mark
        lots = max(1, equity * rnd.choice((10, 30, 50, 70)) // (10 * mark))
        pair = (trader.id, self.maker.id) if rnd.random() < 0.5 else (self.maker.id, trader.id)
        fill = (market, *pair, lots, mark, rnd.randrange(2))
        self.try_("trade", lambda: self.house.settle([fill]))

    def close(self) -> None:
        trader, market = self.random.choice(self.traders), self.random.randrange(2)
        lots = self.engine.position(trader.id, market).lots
        if lots == 0:
            return
        pair = (self.maker.id, trader.id) if lots > 0 else (trader.id, self.maker.id)
        fill = (market, *pair, abs(lots), self.engine.market(market).mark, 0)
        self.try_("close", lambda: self.house.settle([fill]))

    def deposit(self) -> None:
        """P21: a deposit of what is missing cures."""
        trader = self.random.choice(self.traders)
        s = self.standing(trader.id)
        missing = self.requirement(s) - s.equity
        if missing > 0 and self.random.random() < 0.15:
            self.house.deposit(trader, missing // DOLLAR + 1)
            s = self.standing(trader.id)
            assert s.equity >= self.requirement(s), "P21: a deposit did not cure"
            self.events["cure"] += 1
        elif missing <= 0:
            self.house.deposit(trader, self.random.randrange(1, 3_000))

    def withdraw(self) -> None:
        trader = self.random.choice(self.traders)
        cash = max(self.engine.cash_of(trader.id)[0], 0) // NANO
        amount = max(1, cash * self.random.choice((10, 50, 100)) // 100)
        name = "withdraw"
        refused = self.try_(
            name, lambda: self.engine.withdraw(trader.id, amount, trader, sender=trader)
        )
        if not refused:
            m = self.engine.margin(trader.id)
            assert m.equity >= m.requirement, f"P8: a withdrawal sank its account: {m}"

    def coins(self) -> None:
        trader = self.random.choice(self.traders)
        if self.random.random() < 0.6:
            coins = self.random.randrange(1, 4)
            self.try_("coins", lambda: self.house.deposit_collateral(trader, coins))
            return
        token = self.house.tokens["weth"].address
        held = self.house.vault.balance_of(trader.id, token)
        self.try_(
            "coins out",
            lambda: self.house.vault.withdraw(trader.id, token, held, trader, sender=trader),
        )

    # -- weather

    def price(self) -> None:
        name = self.random.choice(MARKETS)
        change = self.random.gauss(0, 0.02)
        if self.random.random() < 0.2:
            change = self.random.choice((-1, 1)) * self.random.uniform(0.08, 0.25)
        usd = round(self.prices[name] * (1 + change))
        if not STARTS[name] // 4 < usd < STARTS[name] * 4:
            usd = STARTS[name]
        self.prices[name] = usd
        self.house.evm.advance(15)
        self.house.set_price(name, usd)
        self.house.evm.advance(15)

    def time(self) -> None:
        self.house.evm.advance(self.random.choice((15, 15, 60, 60, 300)))
        for trader in self.running():
            self.watch_clock(trader)

    def wait(self) -> None:
        """Auctions that run out: the clock moves a step a sync."""
        if not self.running():
            return
        for _ in range(self.curve.t_end // self.curve.max_step + 1):
            self.house.evm.advance(self.curve.max_step)
            for trader in self.running():
                self.auction.sync(trader.id, sender=self.liquidator)

    def week(self) -> None:
        """Long enough for a redemption's cooldown; feeds answer again afterwards."""
        self.house.evm.advance(7 * 86_400 + 60)
        self.house.refresh()
        self.house.evm.advance(15)

    def watch_clock(self, trader: Actor) -> None:
        """P17: x only rises and ends at x_max; the whole account never costs more than E."""
        before = self.auction.cost(trader.id)
        self.house.evm.advance(15)
        after = self.auction.cost(trader.id)
        assert before.x <= after.x <= self.curve.x_max, f"P17: {before} -> {after}"
        assert after.cost <= max(after.equity, 0) + 16, f"P17: {after}"

    # -- insurers

    def insure(self) -> None:
        self.try_("insure", lambda: self.house.insure(self.random.randrange(1, 20_000)))

    def leave_fund(self) -> None:
        insurer = self.house.actors["insurer"]
        shares = self.fund.balanceOf(insurer)
        if self.random.random() < 0.5:
            self.try_("ask", lambda: self.fund.request_redeem(shares // 4, sender=insurer))
        else:
            pending, bucket = self.engine.pending_deficit(), self.engine.fund_balance()
            dust = bucket * self.fund.deficit_tolerance() // 10_000
            refused = self.try_(
                "leave", lambda: self.fund.redeem(shares // 8, insurer, insurer, sender=insurer)
            )
            assert refused or pending <= dust, "P23: the fund was left while a deficit was open"

    # -- liquidator

    def start(self) -> None:
        trader = self.random.choice(self.traders)
        weak = [t for t in self.traders if self.is_below(t)]
        if weak and self.random.random() < 0.8:
            trader = self.random.choice(weak)
        s = self.standing(trader.id)
        healthy = self.counted(s) >= self.requirement(s)
        refused = self.try_("start", lambda: self.auction.start(trader.id, sender=self.liquidator))
        assert refused or not healthy, f"P15: an auction of a healthy account: {s}"

    def end(self) -> None:
        for trader in self.running():
            s = self.standing(trader.id)
            healthy = self.counted(s) >= self.requirement(s)
            refused = self.try_("end", lambda t=trader: self.auction.end(t.id, sender=t))
            assert bool(refused) != healthy, f"end of {s}: {refused!r}"

    def sync(self) -> None:
        for trader in self.running():
            self.try_("sync", lambda t=trader: self.auction.sync(t.id, sender=self.liquidator))
            short = max(0, -self.standing(trader.id).equity)
            noted = self.engine.pending_deficit()
            assert noted >= short, "P25: a known deficit was not noted"

    def bid(self) -> None:
        running = self.running()
        if not running:
            return
        trader = self.random.choice(running)
        share = self.random.choice((ONE, ONE, ONE // 3))
        before, fund = self.standing(trader.id), self.engine.fund_balance()
        quote, limit = self.auction.cost(trader.id), self.most_drawn(trader.id)
        before_budget = self.engine.keeper_budget()
        refused = self.try_(
            "bid",
            lambda: self.auction.bid(
                trader.id,
                self.liquidator.id,
                0,
                share,
                2**200,
                self.house.evm.timestamp,
                sender=self.liquidator,
            ),
        )
        if self.counted(before) >= self.requirement(before):
            assert refused, f"P15: a fill of a healthy account: {before}"
        if refused:
            return
        after, paid = self.standing(trader.id), fund - self.engine.fund_balance()
        if before.equity >= 0:
            self.check_solvent_sale(before, after, paid, quote.cost)
        else:
            bonus = max(quote.x - NANO, 0) * self.requirement(before) // NANO
            slack = 20 * self.requirement(before) // max(before.smallest, 1) + 2_000
            assert paid <= -before.equity + bonus + slack, f"P19: {paid} for {before}"
            assert paid <= limit, f"P23: {paid} over the cap {limit}"
            self.events["paid by the fund"] += paid > 0
        spent = before_budget - self.engine.keeper_budget()
        assert spent <= before_budget, "P20: more than the budget"
        if quote.fee:
            assert spent <= 0, f"P20: keepers took {spent} beyond the fee's part"

    def check_solvent_sale(self, before: Any, after: Any, paid: int, cost: int) -> None:
        """P16, P19 of a slice of a solvent account, whoever took it; a slice for nothing may lose
        its rounding."""
        assert paid <= 0, f"P19: the fund paid {paid} for a solvent account"
        lost = 40 if cost == 0 else 0
        kept = after.equity * self.requirement(before)
        floor = (before.equity - lost) * self.requirement(after)
        assert kept >= floor, f"P16: {before} -> {after}"

    def leg(self) -> None:
        """P15, P16, P18-P20 of a single leg: what its quote says, or whatever lots."""
        running = self.running()
        if not running:
            return
        offers = [(t, m) for t in running for m in range(2)]
        sold = [(t, m) for t, m in offers if self.auction.leg_quote(t.id, m).lots]
        trader, market = self.random.choice(sold or offers)
        taker = self.liquidator
        quote, before = self.auction.leg_quote(trader.id, market), self.standing(trader.id)
        whole = abs(self.engine.position(trader.id, market).lots)
        lots = self.random.choice((quote.lots, quote.lots, quote.lots // 3, whole))
        fund, budget = self.engine.fund_balance(), self.engine.keeper_budget()
        both = sum(self.engine.position(one.id, market).lots for one in (trader, taker))
        call = (trader.id, taker.id, quote.id, market, lots, 0, 2**40)
        refused = self.try_("leg", lambda: self.auction.bid_leg(*call, sender=taker))
        if self.counted(before) >= self.requirement(before) or lots > quote.lots:
            assert refused, f"P15, P16: {lots} lots of {quote} of {before}"
        if quote.lots and lots == quote.lots and not quote.priority:
            assert refused in ("", "Underwater"), f"{refused}: {quote} of {before}"
        if refused:
            return
        after = self.standing(trader.id)
        kept = after.equity * self.requirement(before)
        assert kept > before.equity * self.requirement(after), f"P16: {before} -> {after}"
        now = sum(self.engine.position(one.id, market).lots for one in (trader, taker))
        assert now == both, "P18: lots came or went"
        assert self.engine.fund_balance() >= fund, "P19: the fund paid for a solvent account"
        assert self.engine.keeper_budget() >= budget, "P20: keepers took more than the fee's part"

    def opt(self) -> None:
        trader = self.random.choice(self.traders)
        on = self.random.random() < 0.8
        self.auction.set_pre_liquidation(trader.id, on, sender=trader)

    def pre(self) -> None:
        """P15, P16, P19, P20 before the auction: a slice of a thin account that asked for it."""
        weak = [t for t in self.traders if self.is_below(t) and t not in self.running()]
        if weak and self.random.random() < 0.3:  # its owner steps in, by a little
            s = self.standing(weak[0].id)
            missing = self.requirement(s) * self.random.randrange(100, 106) // 100 - s.equity
            self.house.deposit(weak[0], missing // DOLLAR + 1)
            self.auction.set_pre_liquidation(weak[0].id, True, sender=weak[0])
        open_to = [t for t in self.traders if self.auction.pre_quote(t.id).fraction]
        trader = self.random.choice(open_to or self.traders)
        quote, before = self.auction.pre_quote(trader.id), self.standing(trader.id)
        fund, budget = self.engine.fund_balance(), self.engine.keeper_budget()
        share = self.random.choice((ONE, ONE // 10))
        refused = self.try_(
            "pre_liquidate",
            lambda: self.auction.pre_liquidate(
                trader.id, self.liquidator.id, share, 2**200, 2**40, sender=self.liquidator
            ),
        )
        if quote.fraction == 0:
            assert refused, f"P15: pre-liquidated outside its terms: {quote}"
        if refused:
            return
        after = self.standing(trader.id)
        need = self.requirement(before)
        assert need <= before.equity, f"P15: the auction's, not pre-liquidation's: {before}"
        assert before.equity * NANO < need * (NANO + self.curve.pre_band), f"P15: {before}"
        kept = after.equity * need
        assert kept >= before.equity * self.requirement(after), f"P16: {before} -> {after}"
        lost = before.equity - after.equity
        rate = self.curve.x_start + self.curve.fee
        # Lots round up and a slice may cost its bidder a few units: never the owner more than this.
        assert lost * NANO <= need * rate * quote.fraction // ONE, f"P19: {lost} of {before}"
        assert self.engine.fund_balance() >= fund, "P19: the fund paid for a solvent account"
        assert self.engine.keeper_budget() >= budget, "P20: keepers took more than the fee's part"
        used = self.auction.pre_quote(trader.id).used
        assert used <= self.curve.pre_cap * ONE // 10_000, f"over the hour's cap: {used}"
        assert not self.engine.head(trader.id) >> 226 & 1, "left frozen"

    def commit(self) -> None:
        """An intent; the account is frozen for it, and for nothing else."""
        backer, rnd = self.random.choice(self.backers), self.random
        terms = (
            rnd.choice((100, 2_000, 15_000)) * 10**6,
            10**12,
            rnd.choice((0, 100_000_000, NANO)),
            self.house.evm.timestamp + rnd.choice((3_600, 86_400)),
            True,
            rnd.choice((1, 3)),
        )
        self.try_("commit", lambda: self.auction.commit_intent(backer.id, terms, sender=backer))

    def release(self) -> None:
        backer = self.random.choice(self.backers)
        if self.random.random() < 0.5:
            self.try_("revoke", lambda: self.auction.revoke_intent(backer.id, sender=backer))
        self.try_("release", lambda: self.auction.release_intent(backer.id, sender=backer))
        frozen = bool(self.engine.head(backer.id) >> 226 & 1)
        standing = self.auction.intent(backer.id).expiry != 0
        assert frozen == standing or self.auction.auction(backer.id).running

    def intent(self) -> None:
        """P15, P16, P19 of a fill: what an intent takes, at a price within its premium."""
        running = self.running()
        if not running:
            return
        trader, backer = self.random.choice(running), self.random.choice(self.backers)
        before, fund = self.standing(trader.id), self.engine.fund_balance()
        quote, made = self.auction.cost(trader.id), self.auction.intent(backer.id)
        refused = self.try_(
            "fill_intent",
            lambda: self.auction.fill_intent(trader.id, backer.id, 2**40, sender=self.liquidator),
        )
        if self.counted(before) >= self.requirement(before) or quote.x < made.premium:
            assert refused, f"P15: {before}, x {quote.x} of an intent from {made.premium} on"
        if refused:
            return
        after, paid = self.standing(trader.id), fund - self.engine.fund_balance()
        if before.equity >= 0:
            self.check_solvent_sale(before, after, paid, quote.cost)
        left = self.auction.intent(backer.id).capacity
        assert left < made.capacity, "capacity used twice"
        frozen = bool(self.engine.head(backer.id) >> 226 & 1)
        assert frozen == (left > 0), "the lock follows the intent"

    def deleverage(self) -> None:
        running = self.running()
        if not running:
            return
        trader = self.random.choice(running)
        before, limit = self.standing(trader.id), self.most_drawn(trader.id)
        fund = self.engine.fund_balance()
        oi = [self.engine.market(m).open_interest for m in range(2)]
        lots = [abs(self.engine.position(trader.id, m).lots) for m in range(2)]
        refused = self.try_(
            "deleverage",
            lambda: self.auction.deleverage(trader.id, self.liquidator.id, sender=self.liquidator),
        )
        if self.counted(before) >= self.requirement(before):
            assert refused, f"P15: a healthy account was deleveraged: {before}"
        if refused:
            return
        after = self.standing(trader.id)
        assert after.equity >= 0 or after.collateral, f"P22: {before} -> {after}"
        for m in range(2):
            closed = oi[m] - self.engine.market(m).open_interest
            assert closed == lots[m], f"P24: market {m} closed {closed}, not {lots[m]}"
        paid = fund - self.engine.fund_balance()
        assert paid <= limit, f"P23: {paid} over the cap {limit}"
        assert self.engine.solvency().hole == 0, "P25: a loss found no payer"


def use(people: Protocol, seed: int, steps: int, checked: int) -> None:
    """So many random steps, all that must hold asserted after every `checked`-th."""
    print(f"seed {seed}, steps {steps}: --machine-seed {seed} repeats this run")
    for number in range(steps):
        try:
            people.step()
            if number % checked == 0:
                people.check()
        except AssertionError as wrong:
            raise AssertionError(f"seed {seed}, step {number}: {wrong}") from wrong


def test_protocol__random_use__properties_hold(machine_steps: int, seed: int) -> None:
    protocol = Protocol(seed)
    use(protocol, seed, machine_steps or 1_500, checked=10)
    print(dict(sorted(protocol.events.items())))
    for event in (
        "start",
        "bid",
        "end",
        "deleverage",
        "withdraw",
        "insure",
        "pre_liquidate",
        "commit",
        "leg",
    ):
        assert protocol.events[event] > 0, f"the run never met: {event}"


assert account_id("0x1") == 1 << 96
