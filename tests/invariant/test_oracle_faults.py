"""P26-P28 on the whole protocol: its oracle's faults are actors, and after every step nothing that
is wrong has become a price, moved the median past the sound sources, or sold anybody.

ETH has two aggregators and a signer; one of the three at a time may lag, spike, answer what is no
price, die or disagree, its reports be replayed or withheld. The guardian halts, the rollup's
sequencer restarts, anybody pokes any number of times in one second. `--machine-steps` and
`--machine-seed` as for the other runs.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plimsoll.compiler import compile_contract
from plimsoll.deployment.house import TEST_CONTRACTS, Actor, House
from plimsoll.evm import Contract, Reverted
from plimsoll.signed_reports import PriceReport, encode_update, sign
from tests.security.arena import address_of, key_of
from tests.security.oracle_stage import FEED, HALT_BAND, MAX_AGE, ZERO, three_sources
from tests.stage import FOREVER, ONE, TOKEN, staged

Q = 2  # quorum
OK, DEGRADED, STALE, HALTED = range(4)
SIGNED = 2  # index of the source of reports
TICKS_PER_ANSWER = 10  # an aggregator's 1e-8 in ticks
SPIKES = (1_000.0, 0.97, 1.03, 0.8, 1.25, 1.004, 0.996)
WEIGHTS = {
    "time": 14, "true_price": 10, "answer": 18, "spike": 7, "invalid": 7, "die": 2, "revive": 3,
    "report": 10, "replay": 4, "poke": 14, "burst": 8, "halt": 1, "sequencer": 3, "trade": 12,
    "start": 10, "bid": 8, "end": 3, "deposit": 6, "calm": 6, "crash": 5,
}  # fmt: skip


class Faults:
    """The house, what the sources said in sound form, and which of them is the bad one."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = random.Random(seed)
        self.house: House = staged(config=three_sources(folder / "faults.yaml"))
        self.oracle: Any = self.house.oracle
        self.events: Counter[str] = Counter()
        self.price = 2_000.0
        self.bad = -1  # the one source that may be wrong, -1 none
        self.tainted: set[int] = set()  # sources whose kept datum came from their bad time
        self.sequence = 0
        self.blobs: list[bytes] = []
        self.fixed: tuple[int, int] = (0, 0)  # second, price that serves it
        self.published: list[set[tuple[int, int]]] = [set(), set(), set()]
        self._wire()
        people = [(f"trader{i}", 2_000 * (i + 1)) for i in range(5)]
        self.traders: list[Actor] = [self.house.actor(name, quote=usd) for name, usd in people]
        self.maker = self.house.actors["maker"]
        self.liquidator = self.house.actors["liquidator"]
        self.house.insure(50_000)
        self.calm()

    def _wire(self) -> None:
        """ETH: two aggregators and alice's reports, under a sequencer."""
        house, now = self.house, self.house.evm.timestamp
        mock = compile_contract("HostileAggregator", contracts=TEST_CONTRACTS)
        self.status = house.evm.deploy(mock, 0, [1, 0, now - 3_600, now, 1])
        house.govern("OracleAdapter", "set_sequencer", self.status.address, 120)
        listed = house.govern("OracleAdapter", "add_signer_set", [address_of("alice")], 1).value
        self.feeds: list[Contract] = []
        for _ in range(2):
            words = [1, 2_000 * 10**8, now, now, 1]
            self.feeds.append(house.evm.deploy(mock, 8, words))
        sources = [(1, feed.address, 0, MAX_AGE, 0, False, 0, 0, ZERO) for feed in self.feeds] + [
            (2, ZERO, listed, MAX_AGE, 0, False, 0, 0, ZERO)
        ]
        terms = house.config.oracle.feeds[0].terms(sequenced=True)
        house.govern("OracleAdapter", "set_sources", FEED, tuple(terms.values()), sources)
        for index in range(2):
            self.published[index].add((2_000 * 10**9, now))
        self.round = 1

    # -- looking

    @property
    def now(self) -> int:
        return self.house.evm.timestamp

    def word(self) -> int:
        return int(self.oracle.word(FEED))

    def state(self) -> tuple[int, int]:
        word = self.word()
        return word >> 160 & 3, word >> 162 & 1

    def data(self) -> list[tuple[int, int]]:
        """(price, time) of each source's newest datum."""
        words = [self.oracle.source_words(FEED, i)[1] for i in range(3)]
        return [(word % 2**56, word >> 56 & 2**32 - 1) for word in words]

    def try_(self, name: str, call: Callable[[], Any]) -> str:
        """Runs a call; "" or the error's name."""
        try:
            call()
        except Reverted as refused:
            if refused.halt or not refused.name:
                raise AssertionError(f"{name}: {refused}") from refused
            self.events[f"{name} {refused.name}"] += 1
            return refused.name
        self.events[name] += 1
        return ""

    # -- sources

    def publish(self, index: int, price: float) -> None:
        """A sound round or report of this price, now."""
        if index == SIGNED:
            self.send(self.signed(price))
            return
        self.round += 1
        answer = round(price * 10**8)
        self.feeds[index].set_words([self.round, answer, self.now, self.now, self.round])
        self.published[index].add((answer * TICKS_PER_ANSWER, self.now))

    def signed(self, price: float) -> bytes:
        """A new report's update."""
        self.sequence += 1
        ticks = round(price * 10**8) * TICKS_PER_ANSWER
        report = PriceReport(FEED, SIGNED, ticks, self.now, self.sequence)
        key = "0x" + key_of("alice").hex()
        self.published[SIGNED].add((ticks, self.now))
        made = encode_update(
            report, sign(report, [key], self.house.evm.chain_id, self.oracle.address)
        )
        self.blobs.append(made)
        return made

    def send(self, update: bytes) -> str:
        name = "report" if update else "poke"
        before = self.data()
        refused = self.try_(name, lambda: self.oracle.poke(FEED, update))
        assert refused in ("", "OldReport", "OutOfRange"), refused
        if refused:
            assert self.data() == before, "a refused report was half applied"
        else:
            self.after_poke()
        return refused

    def sound(self, index: int) -> None:
        """The source tells the truth; once that is kept it is no longer the bad one's."""
        self.publish(index, self.price * (1 + self.random.gauss(0, 0.0005)))
        self.tainted.discard(index)
        if index == self.bad:
            self.bad = -1

    def pick_bad(self) -> int | None:
        """The source that may misbehave: never a second one while another's lie is kept."""
        if self.bad < 0 and not self.tainted:
            self.bad = self.random.randrange(3)
        return self.bad if self.bad >= 0 else None

    def answer(self) -> None:
        index = self.random.randrange(3)
        if index != self.bad and index not in self.tainted:
            self.sound(index)

    def revive(self) -> None:
        """The bad one repents: it lives, and its newest is the truth."""
        for index in {self.bad, *self.tainted} - {-1}:
            if index != SIGNED:
                self.feeds[index].set_mode(0)
                self.feeds[index].set_decimals(0, 8)
            self.sound(index)
            self.send(b"")

    def spike(self) -> None:
        """A price in sound form that is not true."""
        index = self.pick_bad()
        if index is not None:
            self.tainted.add(index)
            self.publish(index, self.price * self.random.choice(SPIKES))

    def invalid(self) -> None:
        """An answer that must not become a datum."""
        index = self.pick_bad()
        if index is None:
            return
        if index == SIGNED:
            self.replay()
            return
        now, price = self.now, round(self.price * 10**8)
        self.round += 1
        answer, time, number = self.random.choice(
            [
                (0, now, self.round),
                (2**256 - price, now, self.round),
                (2**255 - 1, now, self.round),
                (10_000, now, self.round),  # 0.0001
                (price * 10**4, now, self.round),
                (price, now + 10**8, self.round),
                (price, 0, self.round),
                (price, now, 0),
                (price, now, 2**80),
            ]
        )
        self.feeds[index].set_words([number, answer, time, time, number])

    def die(self) -> None:
        """Reverts, says nothing, burns its gas, or has other decimals."""
        index = self.pick_bad()
        if index is None or index == SIGNED:
            return
        mode = self.random.choice([1, 2, 3, 4, 5, 6, 7, 0])
        self.feeds[index].set_mode(mode)
        if mode == 0:
            self.feeds[index].set_decimals(0, 18)

    def report(self) -> None:
        if self.bad != SIGNED and SIGNED not in self.tainted:
            self.sound(SIGNED)

    def replay(self) -> None:
        """Any report that was ever signed, again."""
        if self.blobs:
            refused = self.send(self.random.choice(self.blobs))
            assert refused == "OldReport", f"a replayed report met {refused!r}"

    # -- pokers, guardian, sequencer, time

    def poke(self) -> None:
        self.send(b"")

    def burst(self) -> None:
        """The same updates of one second in two orders; the second is what stays."""
        steps = [b""]
        if self.bad != SIGNED and SIGNED not in self.tainted:
            steps.append(self.signed(self.price * (1 + self.random.gauss(0, 0.01))))
        for index in {0, 1} - {self.bad} - self.tainted:
            self.publish(index, self.price * (1 + self.random.gauss(0, 0.01)))
        self.house.evm.advance(1)
        found = []
        for order in (steps, steps[::-1]):
            handle = self.house.evm.snapshot()
            for update in order:
                self.try_("burst", lambda update=update: self.oracle.poke(FEED, update))
            self.house.evm.advance(1)
            word = self.word()
            state = word >> 160 & 3
            found.append((state, word >> 162 & 1, word % 2**56 if state < HALTED else 0))
            if order is steps:
                self.house.evm.revert(handle)
        assert found[0] == found[1], f"P28: the order of a second's pokes decides: {found}"
        self.fixed = (0, 0)

    def halt(self) -> None:
        """The guardian stops the feed for a minute."""
        self.oracle.halt(FEED, 60, sender=self.house.guardian)
        assert self.state()[0] == HALTED

    def sequencer(self) -> None:
        """Stands still, or runs again."""
        self.down = 1 - self.down
        self.restarted = self.now
        self.status.set_words([self.round, self.down, self.now, self.now, self.round])
        self.events["sequencer down" if self.down else "sequencer back"] += 1

    down, restarted = 0, 0

    def time(self) -> None:
        """Time passes; the last second's price ceases to be the second's only one."""
        self.house.evm.advance(self.random.choice([1, 1, 15, 15, 60, 60, 600, 2_000]))
        for aggregator in self.house.feeds["BTC"]:
            aggregator.set_answer(40_000 * 10**8)
        self.house.poke("BTC")

    def true_price(self) -> None:
        """The market moves: mostly little, at times a crash."""
        if self.random.random() < 0.1:
            self.price *= 1 + self.random.choice((-1, 1)) * self.random.uniform(0.02, 0.12)
        else:
            self.price *= 1 + self.random.gauss(0, 0.004)
        self.price = min(max(self.price, 1_000.0), 4_000.0)

    def calm(self) -> None:
        """Everything sound again, long enough for every halt and grace time to be over."""
        if self.down:
            self.sequencer()
        self.revive()
        for _ in range(4):
            self.house.evm.advance(65)
            for index in (0, 1, SIGNED):
                self.sound(index)
            self.send(b"")
        for aggregator in self.house.feeds["BTC"]:
            aggregator.set_answer(40_000 * 10**8)
        self.house.poke("BTC")
        self.house.evm.advance(1)

    def crash(self) -> None:
        """A fall that every source follows, or a climb back."""
        self.price = self.price * 0.91 if self.price > 1_400 else 2_200.0
        self.calm()

    def weak(self) -> Actor:
        """Somebody, rather below the requirement."""
        engine = self.house.engine
        below = []
        for trader in self.traders:
            margin = engine.margin(trader.id)
            if margin.equity < margin.requirement:
                below.append(trader)
        if below and self.random.random() < 0.8:
            return self.random.choice(below)
        return self.random.choice(self.traders)

    # -- users

    def trade(self) -> None:
        """Opens at up to the limit, or closes."""
        trader = self.random.choice(self.traders)
        lots = self.house.engine.position(trader.id, 0).lots
        mark, margin = self.house.engine.market(0).mark, self.house.engine.margin(trader.id)
        buy = self.random.random() < 0.6
        size = max(1, max(margin.equity, 0) * self.random.choice((40, 80, 110)) // (10 * mark))
        if lots and self.random.random() < 0.4:
            buy, size = lots < 0, abs(lots)
        pair = (trader.id, self.maker.id) if buy else (self.maker.id, trader.id)
        state, _ = self.state()
        before = [abs(self.house.engine.position(one, 0).lots) for one in pair]
        refused = self.try_("trade", lambda: self.house.settle([(0, *pair, size, mark, 1)]))
        if state >= STALE and not refused:
            after = [abs(self.house.engine.position(one, 0).lots) for one in pair]
            assert all(a <= b for a, b in zip(after, before, strict=True)), "opened without a price"

    def deposit(self) -> None:
        self.house.deposit(self.random.choice(self.traders), self.random.randrange(1, 3_000))

    def sold(self, name: str, account: int, call: Callable[[], Any]) -> None:
        """A liquidation step: never on a feed that is not live or is back for too short a time."""
        state, recovering = self.state()
        standing = self.house.engine.standing(account)
        lots = self.house.engine.position(account, 0).lots
        refused = self.try_(name, call)
        if refused:
            return
        if lots:  # ETH is all there is: a whole R, not a tenth, is on the feed
            assert (state, recovering) in ((OK, 0), (DEGRADED, 0)), f"P27: {name} at {state}"
            assert not self.down
        required = standing.linear + standing.superlinear
        assert standing.stale_requirement * 10 <= required, f"{name}: {standing}"
        assert standing.equity < required, f"P15: {name} of a healthy account"
        time = self.oracle.feed_words(FEED)[0] >> 162 & 2**32 - 1
        assert not self.restarted or time >= self.restarted, f"{name} on a price before the restart"

    def start(self) -> None:
        account = self.weak().id
        self.sold(
            "start", account, lambda: self.house.auction.start(account, sender=self.liquidator)
        )

    def bid(self) -> None:
        account, bidder = self.weak().id, self.liquidator
        share = self.random.choice((ONE, ONE // 4))
        self.sold(
            "bid",
            account,
            lambda: self.house.auction.bid(
                account, bidder.id, 0, share, 10**30, FOREVER, sender=bidder
            ),
        )

    def end(self) -> None:
        account = self.random.choice(self.traders).id
        self.try_("end", lambda: self.house.auction.end(account, sender=self.liquidator))

    # -- properties

    def after_poke(self) -> None:
        """P26 where the price was fixed by it, and no state worse than the data give."""
        hot = self.oracle.feed_words(FEED)[1 if self.oracle.feed_words(FEED)[0] >> 230 & 1 else 0]
        data = self.data()
        valid = [i for i, (price, time) in enumerate(data) if price and self.now - time <= MAX_AGE]
        stored = hot >> 160 & 3
        if not self.down and hot >> 162 & 2**32 - 1 == self.now and stored != HALTED:
            liars = self.tainted & set(valid)
            assert len(liars) <= 1
            others = [data[i][0] for i in valid if i not in liars]
            price = hot % 2**56
            if len(others) >= 2:
                assert min(others) <= price <= max(others), f"P26: {price} of {data}, bad {liars}"
            elif others:
                off = abs(price - others[0]) * 10_000
                assert off <= HALT_BAND * max(price, others[0]), f"P26: {price} of {data}"
            self.events["liar in the price"] += len(liars)
        if len(valid) >= Q:
            late = self.now - (hot >> 162 & 2**32 - 1) > (hot >> 112 & 65_535)
            assert stored == HALTED or not late, "P28: STALE though a quorum is within its age"

    def check(self) -> None:
        """After every step."""
        for index, datum in enumerate(self.data()):
            assert datum[0] == 0 or datum in self.published[index], (
                f"P27: source {index} kept {datum}, which it never said in sound form"
            )
        time = self.oracle.feed_words(FEED)[0] >> 162 & 2**32 - 1
        price = self.word() % 2**56
        if time == self.now:
            if self.fixed[0] == time:
                assert self.fixed[1] == price, f"P28: two prices in second {time}"
            self.fixed = (time, price)
            assert self.house.engine.market(0).mark == price
        assert self.house.engine.solvency().gap == 0

    def step(self) -> str:
        name = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        getattr(self, name)()
        return name


def test_oracle__faults_as_actors__properties_hold(
    machine_steps: int, seed: int, tmp_path: Path
) -> None:
    steps = machine_steps or 2_500
    print(f"seed {seed}, steps {steps}: --machine-seed {seed} repeats this run")
    faults = Faults(seed, tmp_path)
    seen: Counter[tuple[int, int]] = Counter()
    for number in range(steps):
        name = ""
        try:
            name = faults.step()
            faults.check()
        except AssertionError as wrong:
            raise AssertionError(f"seed {seed}, step {number} {name}: {wrong}") from wrong
        seen[faults.state()] += 1
    print(dict(sorted(faults.events.items())), dict(seen))
    for met in ((OK, 0), (DEGRADED, 0), (DEGRADED, 1), (STALE, 0), (HALTED, 0)):
        assert seen[met], f"the run never was in {met}"
    for event in (
        "start",
        "bid",
        "trade",
        "liar in the price",
        "report OldReport",
        "sequencer back",
    ):
        assert faults.events[event], f"the run never met: {event}"
    for event in ("start ClockStopped", "bid ClockStopped"):
        assert faults.events[event], f"nobody tried: {event}"


assert TOKEN == 10**6
