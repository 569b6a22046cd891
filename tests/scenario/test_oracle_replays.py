"""Real crashes told by sources of which one is late, one spikes and one dies: no bad price is ever
in force, no halt is longer than the rule says, nobody is liquidated on what the healthy deny.

The finest files of each window, the path inside a bar as plimsoll.market.intrabar declares it. The
bars are real exchange data that is not ours to ship: the tests skip where the folder is absent.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Any

import pytest

from plimsoll.compiler import PROJECT_ROOT
from plimsoll.deployment.abi import artifact
from plimsoll.deployment.house import House, deploy_house
from plimsoll.evm.errors import Reverted
from plimsoll.market import Series, load_ohlc
from plimsoll.market.feed_replay import (
    HONEST,
    TICKS_PER_ANSWER,
    MarketPath,
    Moment,
    Replay,
    SourceRule,
    Spike,
    points_of,
    shipped_terms,
    timeline,
)
from plimsoll.market.stats import worst_window
from plimsoll.model.oracle import Answer, Cause, Datum, State, Terms
from plimsoll.units import from_ticks
from tests.stage import list_markets
from tests.unit.oracle.conftest import World

CRASH = PROJECT_ROOT.parent / "shared" / "data" / "market" / "crash"
FILES = {
    "2020-03_ethusdt_spot_5m": "ETH",
    "2020-03_btcusdt_spot_30m": "BTC",
    "2020-03_btcusdt_spot_5m_to_12Mar2110": "BTC",
    "2021-05_ethusdt_spot_1m": "ETH",
    "2021-05_btcusdt_spot_1m": "BTC",
    "2024-08_ethusdt_spot_1m": "ETH",
    "2024-08_btcusdt_spot_1m": "BTC",
}
DAY = 86_400
LATE = 120  # s that the late source is behind, and does not say
STEP = 60  # s between points, 15 in bars of a minute
SEED = 20200312
# What a source says for a minute: LINK's wick of 2020-03-12, nothing, a thousand times, half.
LIES = (
    {"price": 10**5},
    {"price": 0},
    {"scale": Fraction(1_000)},
    {"scale": Fraction(1, 2)},
)


def real(name: str) -> Series:
    path = CRASH / f"{name}.csv.gz"
    if not path.exists():
        pytest.skip(f"no real bars here: {path.name} is not in ../shared/data/market/crash")
    return load_ohlc(path, allow_gaps=True)


def around_the_fall(name: str, each_side: int = DAY) -> Series:
    """The bars around the low of the steepest hour."""
    series = real(name)
    low = worst_window(series, 3_600).to_ts
    return series.window(low - each_side, low + each_side)


def spikes(series: Series, rng: random.Random) -> tuple[Spike, ...]:
    """A lie of each kind now and then, one of them as the low is printed."""
    low = series.lowest.ts
    starts = sorted({low, *rng.sample(range(series.start + 600, series.end - 600, 600), 40)})
    return tuple(
        Spike(start, start + 60, **LIES[i % len(LIES)])  # type: ignore[arg-type]
        for i, start in enumerate(starts)
    )


def three(series: Series, rng: random.Random, dies: int | None) -> tuple[SourceRule, ...]:
    """One late, with the deviation and heartbeat of an aggregator; one spikes; one may die."""
    return (
        SourceRule("late", max_age=7_200, deviation=50, lag=LATE),
        SourceRule("spiking", max_age=1_800, heartbeat=60, spikes=spikes(series, rng)),
        SourceRule("dying", max_age=1_800, heartbeat=60, dies=dies),
    )


@dataclass
class Run:
    """A replay, looked at whole."""

    terms: Terms
    rules: tuple[SourceRule, ...]
    path: MarketPath
    moments: list[Moment]

    def valid(self, one: Moment) -> list[tuple[SourceRule, Datum]]:
        """The data that count."""
        return valid(self.rules, one.data, one.time)

    def healthy(self, one: Moment) -> list[int]:
        """Prices of the sources that neither lie nor are dead."""
        return healthy(self.rules, one.data, one.time)


def valid(
    rules: Sequence[SourceRule], data: Sequence[Datum | None], time: int
) -> list[tuple[SourceRule, Datum]]:
    pairs = zip(rules, data, strict=True)
    return [(r, d) for r, d in pairs if d is not None and time - d.time <= r.max_age]


def healthy(rules: Sequence[SourceRule], data: Sequence[Datum | None], time: int) -> list[int]:
    return [
        datum.price
        for rule, datum in valid(rules, data, time)
        if rule.alive(time) and not rule.spiking(datum.time)
    ]


def replayed(name: str, dies: int | None, feed: str, seed: int = SEED) -> Run:
    print(f"seed {seed}")
    series = around_the_fall(name)
    rules = three(series, random.Random(seed), dies and series.start + dies)
    terms = shipped_terms("local", feed, quorum=2)
    points = list(points_of(series, STEP))
    return Run(terms, rules, MarketPath(points), list(Replay(terms, rules).over(points)))


@pytest.fixture(scope="module", params=[None, DAY - 600], ids=["all alive", "one dies"])
def dies(request: Any) -> int | None:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module", params=FILES)
def run(request: Any, dies: int | None) -> Run:
    return replayed(request.param, dies, FILES[request.param])


# -- prices


def test_price_in_force__when_fixed__within_the_healthy_sources_range(run: Run) -> None:
    fixed = [one for one in run.moments if one.fixed == one.time]
    assert len(fixed) > len(run.moments) // 2
    for one in fixed:
        healthy = run.healthy(one)
        assert min(healthy) <= one.price <= max(healthy), one


def test_price_in_force__when_fixed__within_the_market_of_the_last_minutes(run: Run) -> None:
    """The declared lag, an answer kept from before a lie, and an aggregator's deviation."""
    gone = LATE + 60 + 60
    for one in run.moments:
        if one.fixed == one.time:
            seen = [run.path.at(one.time - back) for back in range(0, gone + 1, 15)]
            low, high = min(seen) * 995 // 1_000, max(seen) * 1_005 // 1_000
            assert low <= one.price <= high, one


# -- halts


def calm_since(run: Run) -> Iterator[tuple[Moment, int | None]]:
    """A second opinion on the breaker, in fractions: each poke, and since when it was calm."""
    begun: int | None = None
    candidate, told = Fraction(0), 0
    for one in run.moments:
        prices = [datum.price for _, datum in run.valid(one)]
        if len(prices) < run.terms.quorum:
            yield one, begun
            continue
        middle = Fraction(median(map(Fraction, prices)))
        wide = max(prices) - min(prices) > middle * Fraction(run.terms.halt_band, 10_000)
        if begun is not None:
            allowed = Fraction(run.terms.jump_base, 10_000)
            allowed += Fraction(run.terms.jump_rate * (one.time - told), 10**8)
            if wide or abs(middle - candidate) > candidate * allowed:
                begun = one.time
        elif one.state == State.HALTED:
            begun = one.time
        else:
            assert not wide, f"not halted at {one.time}"
        candidate, told = middle, one.time
        yield one, begun
        if begun is not None and one.time - begun >= run.terms.confirm:
            begun = None


def test_halt__ends_with_the_first_poke_after_confirm_seconds_of_calm(run: Run) -> None:
    halted = 0
    for one, begun in calm_since(run):
        holds = begun is not None and one.time - begun < run.terms.confirm
        assert (one.state == State.HALTED) == holds, one
        halted += holds
    assert halted


def test_halt__over__liquidation_waits_for_the_grace_time(run: Run) -> None:
    ends = [b.time for a, b in pairwise(run.moments) if a.state == State.HALTED > b.state]
    assert ends
    for one in run.moments:
        within = any(0 <= one.time - end < run.terms.grace for end in ends)
        assert one.recovering == (within and one.state != State.HALTED)


def test_states__over_the_window__what_the_faults_explain(run: Run) -> None:
    parts = timeline(run.moments)
    seconds: Counter[State] = Counter()
    for part in parts:
        seconds[part.state] += part.seconds
    print({state.name: spent for state, spent in seconds.items()})
    assert seconds[State.STALE] == 0
    assert {part.cause for part in parts if part.state == State.HALTED} <= {
        Cause.HALTING_SPREAD,
        Cause.AVERAGE,
    }
    dying = run.rules[2]
    gone = run.moments[-1].time if dying.dies is None else dying.dies + dying.max_age
    for one in run.moments:
        if one.state == State.OK:
            assert one.time <= gone
        if one.time > gone:
            assert one.state in (State.DEGRADED, State.HALTED)
    if dying.dies is None:
        assert seconds[State.OK] > 0.6 * sum(seconds.values())
        assert seconds[State.HALTED] < 0.05 * sum(seconds.values())


def test_dead_source__its_last_price_far_off__halts_until_its_age_limit_and_no_longer() -> None:
    """What a frozen source costs: while it counts and the market has left it, the feed halts."""
    run = replayed("2021-05_ethusdt_spot_1m", DAY - 600, "ETH")
    dying = run.rules[2]
    assert dying.dies is not None
    uncounted = dying.dies + dying.max_age
    spans = [part for part in timeline(run.moments) if part.state == State.HALTED]
    after = [part.seconds for part in spans if part.start > uncounted + run.terms.confirm]
    during = [part for part in spans if dying.dies < part.end and part.start <= uncounted]
    assert max(part.seconds for part in during) > 1_200
    assert max(part.end for part in during) <= uncounted + run.terms.confirm + 60 + STEP
    assert max(after) <= 300


@pytest.mark.parametrize("name", FILES)
def test_honest_sources__crash__halts_of_minutes(name: str) -> None:
    series = around_the_fall(name)
    terms = shipped_terms("local", FILES[name], quorum=2)
    parts = timeline(Replay(terms, HONEST).over(points_of(series, STEP)))
    halts = [part.seconds for part in parts if part.state == State.HALTED]
    print(len(halts), max(halts, default=0))
    assert sum(halts) < 0.03 * 2 * DAY
    assert max(halts, default=0) <= 600


# -- the contracts


FEED, MARKET = 9, 2
HALF = 1_500  # s before and after the low, in the sampled comparison
LEVERAGE = (2, 3, 4, 5, 6, 8, 10)
MONEY = 10_000  # USD of each account


@dataclass
class Stand:
    """A house with one more feed, a market on it, leveraged accounts, and the model's twin."""

    house: House
    world: World
    rules: Sequence[SourceRule]
    path: MarketPath
    aggregators: list[Any]
    accounts: list[int]

    def moments(self) -> Iterator[int]:
        """Pokes at each point; contract and model are compared word for word at each."""
        last: list[Answer | None] = [Answer(1, a.latestRoundData()[1], self.path.times[0])
                                     for a in self.aggregators]  # fmt: skip
        for time in self.path.times[1:]:
            self.house.evm.set_timestamp(time)
            for i, (rule, aggregator) in enumerate(zip(self.rules, self.aggregators, strict=True)):
                one = rule.tells(self.path, time, last[i])
                assert one is not None
                if one != last[i]:
                    aggregator.set_round(one.round, one.answer, one.time)
                    last[i] = one
            self.world.poke(FEED)
            yield time

    def healthy_at(self, account: int, price: int) -> bool:
        """Whether the account met its requirement if this were the price in force."""
        evm, oracle = self.house.evm, self.house.oracle.address
        layout = artifact("OracleAdapter").storage_layout["storage_layout"]["feed_state"]
        slot = int(layout["hot"]["slot"]) + FEED
        before = evm.snapshot()
        evm.set_storage(oracle, slot, evm.storage(oracle, slot) >> 56 << 56 | price)
        margin = self.house.engine.margin(account)
        evm.revert(before)
        return bool(margin.equity >= margin.requirement)

    def liquidatable(self, account: int) -> bool:
        """Whether an auction would start now."""
        before = self.house.evm.snapshot()
        try:
            self.house.auction.start(account, sender=self.house.actors["keeper"])
        except Reverted:
            return False
        finally:
            self.house.evm.revert(before)
        return True

    def counted(self) -> Counter[str]:
        """How often accounts were liquidatable, and how often against the healthy sources."""
        found: Counter[str] = Counter()
        twin, good = self.world.feeds[FEED], [self.path.prices[0]]
        for time in self.moments():
            hot = twin.in_force(time)
            assert hot is not None
            if hot.time == time:
                good = healthy(self.rules, twin.data, time) or good
            for account in self.accounts:
                if not self.liquidatable(account):
                    continue
                found["liquidatable"] += 1
                if all(self.healthy_at(account, price) for price in (min(good), max(good))):
                    found["wrongly"] += 1
        return found


def stand(name: str, terms: Terms, pick: slice) -> Stand:
    """Long and short accounts at several leverages, opened as the window begins."""
    series = around_the_fall(name, HALF)
    house = deploy_house(config="local")
    maker = house.actor("maker", quote=5_000_000)
    house.actor("keeper")
    begin = -(-house.evm.timestamp // 1_800) * 1_800 + series.start % 1_800
    series = series.shifted_to(begin)
    low = series.lowest.ts
    lies = [
        Spike(low + back, low + back + 60, **LIES[i % len(LIES)])  # type: ignore[arg-type]
        for i, back in enumerate(range(-1_200, 1_300, 300))
    ]
    rules = (
        SourceRule("late", max_age=7_200, deviation=50, lag=LATE),
        SourceRule("spiking", max_age=1_800, heartbeat=60, spikes=tuple(lies)),
        SourceRule("dying", max_age=1_800, heartbeat=60, dies=low - 120),
    )[pick]
    path = MarketPath(list(points_of(series, STEP)))
    house.evm.set_timestamp(begin)
    world = World(house.evm, house.oracle, house.timelock.address, house.guardian, maker)
    first = path.prices[0] // TICKS_PER_ANSWER
    aggregators = [world.aggregator(first) for _ in rules]
    ages = [rule.max_age for rule in rules]
    world.list(aggregators, feed=FEED, ages=ages, **asdict(terms))
    assert list_markets(house, 1, FEED) == [MARKET]
    made = Stand(house, world, rules, path, aggregators, [])
    price = from_ticks(path.prices[0])
    for leverage in LEVERAGE:
        for sign in (1, -1):
            one = house.actor(f"account {leverage * sign}", quote=MONEY)
            size = round(MONEY * leverage / price, 3)
            sides = (one, maker) if sign > 0 else (maker, one)
            with suppress(Reverted):  # more leverage than the requirement allows
                house.trade(MARKET, *sides, size, price)
                made.accounts.append(one.id)
    assert len(made.accounts) >= 6
    return made


ETHER = [name for name, feed in FILES.items() if feed == "ETH"]


@pytest.mark.parametrize("name", ETHER)
def test_contracts__around_the_low__equal_the_model_and_liquidate_nobody_healthy(name: str) -> None:
    found = stand(name, shipped_terms("local", "ETH", quorum=2), slice(0, 3)).counted()
    print(found)
    assert found["wrongly"] == 0


def test_contracts__one_spiking_source_alone__does_liquidate_the_healthy() -> None:
    """The count has teeth: without quorum and breaker the same lies do harm."""
    terms = shipped_terms("local", "ETH", quorum=1)
    bare = replace(terms, jump_base=9_999, jump_rate=10**6, ema_band=4_000, grace=0)
    found = stand("2024-08_ethusdt_spot_1m", bare, slice(1, 2)).counted()
    print(found)
    assert found["wrongly"] > 0
