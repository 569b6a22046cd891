"""The price operator: two aggregators and a signed report a feed, poked in the same block."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from plimsoll.demo.prices import FEEDS
from plimsoll.demo.stage import AGGREGATORS, TICKS_PER_ANSWER, Key, Stage, aggregator_name
from plimsoll.demo.world import Call, Outcome, act, call_text, must
from plimsoll.signed_reports import PriceReport, encode_update, sign

NOISE = 6  # 1e-4: how far the sources are apart in calm hours
REPORT_SOURCE = len(AGGREGATORS)
THRESHOLD = 2  # signatures


@dataclass(frozen=True)
class Silence:
    """A source of a feed says nothing in [start, end), unix seconds."""

    feed: str
    source: int
    start: int
    end: int


class PriceOperator:
    """Publishes prices. While `lagging`, aggregator b answers with the price before."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.key = Key.of("price operator")
        self.lagging = False
        self.silences: tuple[Silence, ...] = ()
        self._dice = random.Random(f"sources {seed}")
        self._before: Mapping[str, int] = {}
        self._sequence = 0
        stage.world.endow(self.key.address, 0, 0)

    def publish(self, prices: Mapping[str, int], at: int) -> list[Outcome]:
        """One block at `at`: every source answers, then each feed is poked with its report."""
        world, calls = self.stage.world, []
        when = max(at, world.now + 1)
        for feed in FEEDS:
            calls += self._answers(feed, prices[feed], when)
        for feed in FEEDS:
            calls.append(self._poke(feed, prices[feed], when))
        self._before = dict(prices)
        return must(world.block(calls, when))

    def _silent(self, feed: str, source: int, time: int) -> bool:
        return any(
            (one.feed, one.source) == (feed, source) and one.start <= time < one.end
            for one in self.silences
        )

    def _answers(self, feed: str, price: int, time: int) -> list[Call]:
        late = self._before.get(feed, price) if self.lagging else self._near(price)
        return [
            call_text(
                self.stage.world,
                self.key.address,
                aggregator_name(feed, which),
                "set_answer(int256)",
                value // TICKS_PER_ANSWER,
                label="aggregator answer",
            )
            for source, (which, value) in enumerate(zip(AGGREGATORS, (price, late), strict=True))
            if not self._silent(feed, source, time)
        ]

    def _near(self, price: int) -> int:
        return price * (10_000 + self._dice.randint(-NOISE, NOISE)) // 10_000

    def _poke(self, feed: str, price: int, time: int) -> Call:
        world, number = self.stage.world, self.stage.feed_id(feed)
        if self._silent(feed, REPORT_SOURCE, time):
            return act(world, self.key.address, "OracleAdapter", "poke", number, b"", label="poke")
        self._sequence += 1
        report = PriceReport(number, REPORT_SOURCE, self._near(price), time, self._sequence)
        keys = ["0x" + key.secret.hex() for key in self.stage.reporters[:THRESHOLD]]
        adapter = world.addresses["OracleAdapter"]
        update = encode_update(report, sign(report, keys, world.chain_id, adapter))
        return act(
            world,
            self.key.address,
            "OracleAdapter",
            "poke",
            number,
            update,
            label="poke with report",
        )
