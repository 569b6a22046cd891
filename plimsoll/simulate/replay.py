"""One stress run: the house, the crowd, the keepers and a crash, second by second.

The steps of a block: sources speak and feeds are poked, desks follow their hedges, whoever arrives
opens, everybody is looked at, keepers act. Every minute a sample is kept; every `CHECK_EVERY` the
identities are checked, see `Checks`.
"""

from __future__ import annotations

import math
import resource
import time as clock
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from plimsoll.deployment.house import House
from plimsoll.simulate.book import MARKETS, USD, Book
from plimsoll.simulate.crowd import Crowd
from plimsoll.simulate.desks import Desk
from plimsoll.simulate.keeper_intents import INTENT_PREMIUMS
from plimsoll.simulate.keepers import Keepers
from plimsoll.simulate.market_impact import Impact
from plimsoll.simulate.population import Kind, make_population
from plimsoll.simulate.reads import Views
from plimsoll.simulate.tally import Breach, Tally
from plimsoll.simulate.venue import BTC, ETH, LEAD, Prices, block, open_house
from plimsoll.simulate.windows import FEEDS, STEP, Window

SAMPLE_EVERY = 60  # s
CHECK_EVERY = 300  # s
COUNT_EVERY = 3_600  # s between two sums over all accounts
TOP_UP_EVERY = 300  # s
ETHER_EVERY = 60  # s
REREAD_EVERY = 3_600  # s
SETTLING = 3_600  # s after the window in which auctions still running may end
TRADES = (MARKETS, (ETH,), (BTC,))  # what bidders take, in turn
PROBE = 1_000  # USD
Say = Callable[[str], None]


@dataclass(frozen=True)
class Setup:
    """What a run is made of. Money in USD; shares are of the open interest aimed at."""

    outage: int = 0  # minutes
    outage_at: str = "crowd"  # or "fall"
    accounts: int = 500
    seed: int = 1
    open_interest: int = 25_000_000  # USD, both markets, one side, of the first wave
    depth_share: float = 1.0  # of the open interest trades within 2 % in normal times
    thin: float = 0.2  # of normal depth while it crashes
    fund_share: float = 0.01
    bidders: int = 6
    bidder_share: float = 0.05  # of the open interest: capital of all bidders, intents included
    legs: bool = True  # whether keepers take single legs too
    crowd_share: float = 0.1  # of accounts liquidatable at once: the moment keepers drop out


@dataclass
class Sample:
    """A minute. Prices in USD, money in quote units unless told."""

    time: int
    prices: tuple[float, ...]
    sigma: tuple[float, ...]
    rates: tuple[float, ...]  # MM of a small position
    liquidatable: int
    insolvent: int
    auctions: int
    fund: int
    pending: int
    below_zero: float  # USD, sum of negative equities
    open_interest: float  # USD, both markets


@dataclass
class Outcome:
    """A run, looked at whole."""

    setup: Setup
    window: Window
    tally: Tally
    samples: list[Sample]
    outage: tuple[int, int] | None
    fund_before: int
    fund_after: int
    open_interest: float  # USD, the most there was
    interest_first: float  # USD, after the first wave
    first_below: int
    last_ended: int
    longest_wave: int  # s
    slowest: int  # s, from liquidatable to the auction's end, of the slowest account
    stopped: tuple[int, ...]  # s in which each feed let nothing be liquidated
    depth: dict[str, int]  # units by feed, normal times
    hedge_error: float  # USD of notional by which hedged books are off, none of them in auction
    hedged: float  # USD of notional of those books
    turned_away: int
    checks: dict[str, int]
    worst_slack: int  # qu: fund less negative equities, at its lowest
    blocks: int
    seconds: float
    processor: float  # s
    memory: int  # bytes, the process's peak so far
    breach: str = ""

    @property
    def peak_pending(self) -> int:
        """The largest noted deficit at a sample, qu."""
        return max((one.pending for one in self.samples), default=0)

    @property
    def adl_share(self) -> float:
        """Notional closed against the other side, of all notional liquidated."""
        all_of_it = self.tally.sold + self.tally.deleveraged
        return self.tally.deleveraged / all_of_it if all_of_it else 0.0


def play(window: Window, setup: Setup, say: Say = lambda text: None) -> Outcome:
    """Deploys, populates and replays. A broken property ends the run: see `Outcome.breach`."""
    return _Play(window, setup, say).run()


class _Play:
    def __init__(self, window: Window, setup: Setup, say: Say) -> None:
        self.window, self.setup, self.say = window, setup, say
        self.began, self.worked = clock.monotonic(), clock.process_time()
        first = {feed: window.price(feed, window.start) for feed in FEEDS}
        depth_usd = setup.open_interest * setup.depth_share / len(FEEDS)
        self.depth = {feed: max(2, round(depth_usd * 10**9 / first[feed])) for feed in FEEDS}
        self.house = open_house(first, self.depth, window.volatility, window.start - LEAD)
        self.tally = Tally()
        self.samples: list[Sample] = []
        self.views = Views(self.house.engine, self.house.vault, self.house.auction)
        self.checks = Checks(self.house)
        self.outage: tuple[int, int] | None = None
        self.worst_slack = 0
        self.interest = 0.0
        self.blocks = 0
        self.stopped = [0] * len(FEEDS)
        self.waves: list[tuple[int, int]] = []
        self._people()

    # -- before the window

    def _people(self) -> None:
        setup, house = self.setup, self.house
        people = make_population(
            setup.accounts, setup.seed, setup.open_interest, self._most_leverage()
        )
        self.makers = [
            Desk(house, self.views, house.actor(one.name, quote=one.equity))
            for one in people
            if one.kind is Kind.MAKER
        ]
        each = round(setup.open_interest * setup.bidder_share / setup.bidders)
        desks = [
            Desk(
                house,
                self.views,
                house.actor(f"bidder {number}", quote=each),
                trades=TRADES[number % len(TRADES)],
            )
            for number in range(setup.bidders)
        ]
        spare = min(len(INTENT_PREMIUMS), max(0, len(desks) - 1))
        self.bidders, self.pledged = desks[: len(desks) - spare], desks[len(desks) - spare :]
        self.desks = [*self.makers, *desks]
        block(house, self.window.start - STEP)
        self.crowd = Crowd(house, self.views, people, self.makers)
        self.crowd.expect(self.window.start, min(self.window.lows.values()))
        accounts = [one.account for one in self.crowd.members]
        self.book = Book(house, accounts + [one.account for one in self.desks])
        depth = tuple(float(self.depth[feed]) for feed in FEEDS)
        self.keepers = Keepers(
            house,
            self.book,
            self.bidders,
            self.pledged,
            self.makers,
            Impact(depth, setup.thin),
            self.tally,
            legs=setup.legs,
        )
        self.prices = Prices(house, self.window)

    def _most_leverage(self) -> float:
        """What the initial margin of a small position allows at the open interest aimed at."""
        probe = self.house.actor("probe", quote=PROBE)
        crowd = float(self.house.config.markets[ETH].risk.concentration_percent) / 100
        crowd *= math.sqrt(1 / self.setup.depth_share)
        need = 0.0
        for market in MARKETS:
            price = self.views.market(market).mark
            size = PROBE * 10**15 // price
            after = self.views.margin_after(probe.id, (market, size, price))
            need += after.initial_requirement / (size * price) / len(MARKETS)
        multiple = float(self.house.config.markets[ETH].risk.initial_multiple)
        return 1 / (need + multiple * crowd)

    def _first_wave(self) -> int:
        """Who is there from the start, once every feed is OK; returns when that was."""
        start = self.window.start
        self._tell(start)
        self.book.look()
        while any(self.book.states) and start < self.window.end:
            start += STEP
            self._tell(start)
            self.book.look()
        self._arrivals(start)
        self.book.everyone()
        self.book.look()
        self.interest_first = self._interest()
        self.house.insure(round(self.interest_first * self.setup.fund_share))
        self.fund_before = int(self.views.fund_balance())
        for desk, premium in zip(self.pledged, INTENT_PREMIUMS, strict=False):
            self.keepers.commit(start, desk, premium)
        return start

    # -- the window

    def run(self) -> Outcome:
        breach = ""
        try:
            self._replay(self._first_wave())
        except Breach as broken:
            breach = str(broken)
        return self._outcome(breach)

    def _replay(self, start: int) -> None:
        now, told = start, clock.monotonic()
        while now < self.window.end or (self.keepers.live and now < self.window.end + SETTLING):
            now += STEP
            self._block(now)
            if clock.monotonic() - told > 5:
                told = clock.monotonic()
                self._progress(now)
        self.checks.all(self.book)

    def _progress(self, now: int) -> None:
        done = (now - self.window.start) / (self.window.end - self.window.start)
        self.say(
            f"{self.window.name}, {self.setup.outage} min: {min(done, 1):.0%}, "
            f"{self.tally.counts['auctions']} auctions, {self.tally.counts['bids']} bids, "
            f"{len(self.keepers.live)} running"
        )

    def _tell(self, now: int) -> None:
        block(self.house, now)
        self.prices.tell(now)

    def _block(self, now: int) -> None:
        self._tell(now)
        self.blocks += 1
        if now % REREAD_EVERY < STEP:
            self.book.everyone()
        self.book.look()
        self._arrivals(now)
        for market in MARKETS:
            self.stopped[market] += STEP * (self.book.states[market] > 1)
        marks = [int(one * 10**9) for one in self.book.mark]
        for desk in self.desks:
            desk.follow(now, marks)
        if now % TOP_UP_EVERY < STEP:
            for desk in self.desks:
                if desk.top_up(now):
                    self.book.touch((desk.account,))
            self.book.look()
        if now % ETHER_EVERY < STEP:
            self.keepers.sell_ether()
        self._drop_out(now)
        self.keepers.turn(now)
        self._wave(now)
        if now % SAMPLE_EVERY < STEP:
            self._sample(now)
        if now % CHECK_EVERY < STEP:
            self.checks.quick()
        if now % COUNT_EVERY < STEP:
            self.checks.all(self.book)

    def _arrivals(self, now: int) -> None:
        came = self.crowd.arrive(now, self.book.states)
        if came:
            self.book.touch([one.account for one in came])
            self.book.touch([one.account for one in self.makers])
            self.book.look()
            self.interest = max(self.interest, self._interest())

    def _interest(self) -> float:
        books = [self.views.market(market) for market in MARKETS]
        return float(sum(one.open_interest * one.mark for one in books)) / USD

    def _drop_out(self, now: int) -> None:
        """The outage begins: when a crowd is liquidatable at once, or as the worst fall begins."""
        if self.outage is not None:
            return
        if self.setup.outage_at == "fall":
            begins = now >= self._worst_fall()
        else:
            under = int((self.book.equity < self.book.requirement).sum())
            begins = under >= max(2, math.ceil(self.setup.crowd_share * self.setup.accounts))
        if begins:
            self.outage = (now, now + 60 * self.setup.outage)
            self.keepers.away = self.outage

    def _worst_fall(self) -> int:
        """When the outage's minutes lose the most, both feeds weighed alike; at least a minute."""
        if not hasattr(self, "_fall"):
            span = 60 * max(1, self.setup.outage)
            times = range(self.window.start + 3_600, self.window.end - span, 60)
            self._fall = min(times, key=lambda time: self._change(time, span))
        return self._fall

    def _change(self, time: int, span: int) -> float:
        return sum(
            math.log(self.window.price(feed, time + span) / self.window.price(feed, time))
            for feed in FEEDS
        )

    def _wave(self, now: int) -> None:
        """Stretches of time in which somebody was under its requirement or in auction."""
        if not self.keepers.below and not self.keepers.live:
            return
        if self.waves and self.waves[-1][1] >= now - 2 * STEP:
            self.waves[-1] = (self.waves[-1][0], now)
        else:
            self.waves.append((now, now))

    def _sample(self, now: int) -> None:
        book, engine = self.book, self.house.engine
        below = float(-book.equity[book.equity < 0].sum())
        fund = int(self.views.fund_balance())
        self.worst_slack = min(self.worst_slack, fund - int(below * USD))
        self.samples.append(
            Sample(
                now,
                tuple(float(one) for one in book.mark),
                tuple(book.sigma),
                tuple(book.rates()),
                int((book.equity < book.requirement).sum()),
                int((book.equity < -0.01).sum()),
                len(self.keepers.live),
                fund,
                int(engine.pending_deficit()),
                below,
                self._interest(),
            )
        )

    # -- afterwards

    def _outcome(self, breach: str) -> Outcome:
        runs = self.tally.runs
        error, hedged = self._hedges()
        return Outcome(
            self.setup,
            self.window,
            self.tally,
            self.samples,
            self.outage,
            self.fund_before,
            int(self.views.fund_balance()),
            self.interest,
            self.interest_first,
            min((one.below for one in runs), default=0),
            max((one.ended for one in runs), default=0),
            max((end - start for start, end in self.waves), default=0),
            max((one.ended - one.below for one in runs), default=0),
            tuple(self.stopped),
            self.depth,
            error,
            hedged,
            self.crowd.turned_away,
            dict(self.checks.held),
            self.worst_slack,
            self.blocks,
            clock.monotonic() - self.began,
            clock.process_time() - self.worked,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            breach,
        )

    def _hedges(self) -> tuple[float, float]:
        """What deleveraging of others took off hedged books, and how large those are, USD."""
        sold = {one.account for one in self.tally.runs} | set(self.keepers.live)
        error = size = 0.0
        for one in self.crowd.members:
            if not one.person.hedged or one.account in sold:
                continue
            for market, lots in one.opened.items():
                now = self.views.position(one.account, market).lots
                price = float(self.book.mark[market])
                error += abs(now - lots) * price / 10**6
                size += abs(lots) * price / 10**6
        return error, size


@dataclass
class Checks:
    """Identities of the deployed house. A breach raises."""

    house: House
    held: dict[str, int] = field(default_factory=dict)

    def _hold(self, name: str, fine: bool, told: Any) -> None:
        if not fine:
            raise Breach(f"{name} at {self.house.evm.timestamp}: {told}")
        self.held[name] = self.held.get(name, 0) + 1

    def quick(self) -> None:
        """P1, P2, and that no loss is without a payer."""
        sheet = self.house.engine.solvency()
        held = self.house.quote.balanceOf(self.house.vault.address) * 10**9
        self._hold("conservation (P2)", sheet.gap == 0, sheet)
        self._hold("custody (P1)", held >= sheet.vault, (held, sheet.vault))
        self._hold("every loss has a payer (P25)", sheet.hole == 0, sheet)

    def all(self, book: Book) -> None:
        """Sums over every account: sizes (P3); what is owed against what is held (P25)."""
        self.quick()
        engine = self.house.engine
        owed = 0
        sides = {(market, sign): 0 for market in MARKETS for sign in (1, -1)}
        for account in book.accounts:
            owed += book.views.cash_of(account)[0]
            for market in MARKETS:
                held = book.views.position(account, market)
                owed += held.value
                sides[market, 1 if held.lots > 0 else -1] += abs(held.lots)
        for market in MARKETS:
            told = engine.market(market)
            for sign in (1, -1):
                left = told.open_interest - sides[market, sign]
                room = 2 * len(book.accounts) * 60
                self._hold("sizes (P3)", 0 <= left <= room, (market, sign, left))
        sheet = engine.solvency()
        claims = owed + sheet.fund + sheet.keeper + sheet.fees + sheet.pot
        left = sheet.vault + sheet.hole - claims
        # Lots that floors left to the fund, and interest not yet booked.
        room = 10**6 * 10**9
        self._hold("claims within what is held (P25)", -room < left, left)
