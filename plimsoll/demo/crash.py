"""The replay: prices block by block, keepers in between, every block looked at and checked."""

from __future__ import annotations

import time as clock
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from plimsoll.demo.cast import Actor, Cast, make_cast
from plimsoll.demo.checks import Checker, Sample
from plimsoll.demo.feeds import REPORT_SOURCE, PriceOperator, Silence
from plimsoll.demo.govern import execute, propose
from plimsoll.demo.keeper import Keeper
from plimsoll.demo.prices import FEEDS, Tape
from plimsoll.demo.stage import LEAD, Stage
from plimsoll.demo.trading import USD, lend, open_wave, promise, seat, take_back
from plimsoll.demo.world import FLASH_BIDDER, Events, Outcome, Refused, act, must
from plimsoll.keepers.decisions import Decision
from plimsoll.units import from_ticks

GRACE = 60  # seconds that a feed recovers from a gap, as configured
HEARTBEAT = 900  # seconds: sources answer at least so often
DEVIATION = 100  # 1e-4: and whenever a price has moved this far
DIP_BEFORE = 900  # seconds before the steep fall at which the dip is bought
OUTAGE_BEFORE = 240  # seconds before its peak at which keepers drop out
DEGRADED = 1  # feed state; above it auctions wait
# Seconds after the low at which BTC's aggregator b stops answering, its signers stop too, they are
# back, and it is: quorum with one missing, no quorum, the grace time, one missing, all well.
SILENT = (1_800, 2_700, 5_100, 6_600)
NOTICE = 3_660  # seconds: an intent that is revoked ends after an hour
RAMP = 4_000  # seconds after the deployment at which collateral may come in
CURE = 25_000  # USD that the depositor brings when its account is in auction
RUN = 120_000  # USD that the saver wants out while losses are open

NEAR = Decimal("1.25")  # E/R of an opted-in account under which sources answer every minute
KINDS = {
    "LiquidationAuction.PreLiquidated": "pre-liquidation",
    "LiquidationAuction.LegBid": "single leg",
    "MarginEngine.Deleveraged": "deleveraged",
    "MarginEngine.Escrowed": "escrowed",
}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Happening:
    """Something that moved money: its block's sample and the one before it."""

    kind: str
    account: int
    time: int
    block: int
    hash: str
    fields: dict[str, Any]
    before: Sample
    after: Sample


@dataclass(frozen=True)
class Turn:
    """A feed's state changed at a poke, and why; states and causes as in the adapter's events."""

    feed: str
    time: int
    old_state: int
    new_state: int
    cause: int


@dataclass
class Story:
    """All that is kept of a run, for the report and the summary."""

    stage: Stage
    cast: Cast
    tape: Tape
    seed: int
    checker: Checker
    peak: int  # times of the steepest fall
    low: int
    samples: list[Sample] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    decisions: list[tuple[int, Decision]] = field(default_factory=list)
    waits: list[tuple[int, int, int]] = field(default_factory=list)  # second, account, seconds
    gas: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    turns: list[Turn] = field(default_factory=list)
    silences: tuple[Silence, ...] = ()
    outage: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    breach: str = ""
    notes: list[str] = field(default_factory=list)

    def kinds(self) -> set[str]:
        """Kinds of happenings seen."""
        return {one.kind for one in self.happenings}


def play(stage: Stage, tape: Tape, seed: int, say: Say) -> Story:
    """Everything after the deployment: funding, trades, the crash, the recovery.

    A breached identity ends the run and is told in `Story.breach`; anything else raises.
    """
    return _Play(stage, tape, seed, say).run()


def _silences(low: int) -> tuple[Silence, ...]:
    """What befalls BTC's sources once the fall is over."""
    dies, mute, speaks, back = (low + after for after in SILENT)
    return (Silence("BTC", 1, dies, back), Silence("BTC", REPORT_SOURCE, mute, speaks))


class _Play:
    def __init__(self, stage: Stage, tape: Tape, seed: int, say: Say) -> None:
        self.stage, self.world, self.tape, self.say = stage, stage.world, tape, say
        self.cast = make_cast(
            seed, from_ticks(tape.at(tape.start)["ETH"]), stage.world.addresses[FLASH_BIDDER]
        )
        self.checker = Checker(stage, self.cast)
        self.operator = PriceOperator(stage, seed)
        self.events = Events(stage.world.addresses)
        peak, low = tape.worst_fall()
        self.story = Story(
            stage, self.cast, tape, seed, self.checker, tape.times[peak], tape.times[low]
        )
        self.story.outage = (self.story.peak - OUTAGE_BEFORE, self.story.low)
        self.story.silences = self.operator.silences = _silences(self.story.low)
        self._feeds = {stage.feed_id(feed): feed for feed in FEEDS}
        self.keeper = Keeper(stage, self.cast, self.mined)
        self.sample: Sample | None = None
        self.done: set[str] = set()

    def run(self) -> Story:
        from plimsoll.demo.checks import Breach

        began = clock.monotonic()
        try:
            self._open()
            self._crash()
            self._recover()
        except Breach as broken:
            self.story.breach = str(broken)
        self.story.decisions, self.story.waits = self.keeper.decisions, self.keeper.waits
        self.story.seconds = clock.monotonic() - began
        return self.story

    # -- blocks

    def mined(self, outcomes: list[Outcome]) -> Sample:
        """Takes note of a block: gas, its sample and checks, and what happened in it."""
        must(outcomes)
        for one in outcomes:
            if one.ok:
                self.story.gas[one.call.label].append(one.gas)
        before, after = self.sample, self.checker.look()
        self.sample = after
        self.story.samples.append(after)
        if before is not None:
            for one in outcomes:
                self._note(one, before, after)
        return after

    def _note(self, outcome: Outcome, before: Sample, after: Sample) -> None:
        events = self.events.of(outcome)
        names = {name for name, _ in events}
        draws = tuple(
            tuple(fields[key] for key in ("market", "asked_qu", "granted_qu"))
            for name, fields in events
            if name == "InsuranceFund.Draw"
        )
        flash = next((fields for name, fields in events if name == f"{FLASH_BIDDER}.Flashed"), {})
        for name, fields in events:
            if name == "OracleAdapter.StateChanged":
                told = (fields[key] for key in ("old_state", "new_state", "cause"))
                self.story.turns.append(Turn(self._feeds[fields["feed"]], outcome.time, *told))
            kind = self._kind(name, fields, names)
            if kind:
                self.story.happenings.append(
                    Happening(
                        kind,
                        fields["account"],
                        outcome.time,
                        outcome.block,
                        outcome.hash,
                        {**fields, **flash, "draws": draws},
                        before,
                        after,
                    )
                )

    @staticmethod
    def _kind(name: str, fields: dict[str, Any], names: set[str]) -> str:
        """What an event is in the waterfall; `names` are those of its transaction's events."""
        if name == "LiquidationAuction.Bid":
            if "LiquidationAuction.IntentFilled" in names:
                return "intent filled"
            if f"{FLASH_BIDDER}.Flashed" in names:
                return "flash slice"
            if fields["from_fund"]:
                return "insolvent slice"
            return "solvent slice" if fields["cost"] > 0 else "free slice"
        return KINDS.get(name, "")

    # -- before

    def _open(self) -> None:
        """Money in, first prices, loans and the first wave of trades."""
        self.say("funding accounts, insurance fund and keeper budget")
        world, start = self.world, self.tape.start
        opening = start - LEAD + RAMP
        opening = max(opening, world.now + 1)
        for time in (opening, opening + GRACE):  # back from the gap since the deployment
            self.operator.publish(self.tape.at(start), time)
        self.mined(seat(self.stage, self.cast))
        self.mined(lend(self.stage, self.cast))
        self.mined(open_wave(self.stage, self.cast, 0))
        self.mined(promise(self.stage, self.cast, self.tape.times[-1]))
        self.mined(self.operator.publish(self.tape.at(start), start - GRACE))  # back from a gap
        eth, btc = (self._now().books[m].open_interest / 10**6 for m in (0, 1))
        self.say(f"opened {eth:,.0f} ETH and {btc:,.1f} BTC of open interest")

    # -- the crash

    def _crash(self) -> None:
        tape, told = self.tape, 0
        last, shown = 0, tape.at(tape.start)
        for place, time in enumerate(tape.times):
            prices = {feed: line[place] for feed, line in tape.prices.items()}
            if not self._due(time, last, prices, shown):
                continue
            last, shown = time, prices
            self._step(time, prices)
            share = (place + 1) * 10 // len(tape.times)
            if share > told:
                told = share
                self._tell(share, prices)

    def _due(self, time: int, last: int, prices: dict[str, int], shown: dict[str, int]) -> bool:
        """Whether sources answer now: heartbeat, deviation, or an auction whose clock must run."""
        now = self.sample
        lively = now and (now.in_auction or now.recovering or self._close_call(now))
        if lively and time >= last + 60:
            return True
        moved = any(
            abs(prices[feed] - shown[feed]) * 10_000 >= DEVIATION * shown[feed] for feed in prices
        )
        return moved or time >= last + HEARTBEAT

    def _close_call(self, now: Sample) -> bool:
        """An opted-in account is close to its line: its slices are worth a price a minute."""
        margins = (now.margins[one.account] for one in self.cast.role("careful"))
        return any(m.requirement <= m.equity < m.requirement * NEAR for m in margins)

    def _step(self, time: int, prices: dict[str, int]) -> None:
        begin, end = self.story.outage
        self.operator.lagging = self.story.peak <= time <= self.story.low + 1_800
        sample = self.mined(self.operator.publish(prices, time))
        if time >= begin - DIP_BEFORE + OUTAGE_BEFORE and self._once("dip"):
            sample = self.mined(open_wave(self.stage, self.cast, 1))
        if begin <= time < end:
            return
        self._cure(sample)
        sample = self.keeper.turn(self._now())
        if not sample.recovering and all(one.state <= DEGRADED for one in sample.prices.values()):
            # Right after its syncs: a second later debts have grown. Where a feed is halted or
            # recovering nothing may start.
            self.checker.settled(sample)
        self._cure(sample)
        self._run_on_the_house(self._now())

    def _now(self) -> Sample:
        assert self.sample is not None
        return self.sample

    def _once(self, what: str) -> bool:
        first = what not in self.done
        self.done.add(what)
        return first

    def _cure(self, sample: Sample) -> None:
        """The depositor's account is in auction: it pays in, and the keeper ends the auction."""
        one = self.cast.role("curer")[0]
        if one.account not in sample.in_auction or not self._once("cure"):
            return
        before = sample
        deposit = act(
            self.world,
            one.address,
            "MarginEngine",
            "deposit",
            one.account,
            one.usd * USD,
            label="deposit that cures",
        )
        outcomes = self.world.block([deposit])
        after = self.mined(outcomes)
        self._record("cured", one, outcomes[0], before, after)

    def _record(
        self, kind: str, actor: Actor, outcome: Outcome, before: Sample, after: Sample
    ) -> None:
        self.story.happenings.append(
            Happening(
                kind, actor.account, outcome.time, outcome.block, outcome.hash, {}, before, after
            )
        )

    def _run_on_the_house(self, sample: Sample) -> None:
        """While known losses exceed the fund, the saver wants out; later the escrow is released."""
        saver = self.cast.one("saver")
        if sample.sheet.pending > sample.sheet.fund and self._once("run"):
            call = act(
                self.world,
                saver.address,
                "MarginEngine",
                "withdraw",
                saver.account,
                RUN * USD,
                saver.address,
                label="withdraw into escrow",
            )
            if not isinstance(self.world.trial(call), Refused):
                self.mined(self.world.block([call]))
        elif "run" in self.done and sample.sheet.pending <= sample.sheet.fund:
            call = act(
                self.world,
                saver.address,
                "MarginEngine",
                "release",
                saver.account,
                label="release escrow",
            )
            if not isinstance(self.world.trial(call), Refused) and self._once("release"):
                outcomes, before = self.world.block([call]), sample
                self._record("released", saver, outcomes[0], before, self.mined(outcomes))

    def _tell(self, share: int, prices: dict[str, int]) -> None:
        eth, auctions = prices["ETH"] / 10**9, len(self._now().in_auction)
        fund = self._now().sheet.fund / 10**15
        self.say(
            f"replay {share * 10} %: ETH {eth:,.2f} USD, {auctions} auctions running, "
            f"fund {fund:,.0f} USD, {self.checker.tally.blocks} blocks proved"
        )

    # -- after

    def _recover(self) -> None:
        """What is still open is finished; fees are split; people take their money home."""
        self._finish()
        self._fees()
        for name in ("saver", "hedged"):
            self._withdraw_some(self.cast.one(name))
        for call in take_back(self.stage, self.cast, self._now().committed):
            self.mined(self.world.block([call]))
            self._step(self.world.now + NOTICE, self.tape.at(self.tape.times[-1]))
        if self.stage.owners:
            self._govern()

    def _finish(self) -> None:
        """Keepers go on at the last price until no auction is left (an hour at most)."""
        for _ in range(60):
            if not self._now().in_auction:
                return
            prices = self.tape.at(self.tape.times[-1])
            self._step(self.world.now + 60, prices)

    def _fees(self) -> None:
        sample = self._now()
        calls = [
            act(self.world, self.keeper.me, "MarginEngine", "collect_fees", market)
            for market, book in sample.books.items()
            if book.fees
        ]
        if calls:
            self.mined(self.world.block(calls))

    def _govern(self) -> None:
        """The Safe proposes a stricter margin; after the timelock's delay anybody executes it."""
        self.say("the Safe proposes, the timelock waits two days")
        terms = propose(self.stage)
        prices = self.tape.at(self.tape.times[-1])
        self._step(terms["proposed"] + terms["delay"] + 60, prices)
        cap = execute(self.stage, self.keeper.me, terms)
        self._step(self.world.now + 60, prices)
        self._finish()
        self.story.notes.append(
            f"Governance: two of the Safe's three owners proposed a cap of the ETH margin rate of "
            f"{cap / 10**7:g} % instead of {terms['old'] / 10**7:g} %; the timelock held it for "
            f"{terms['delay'] / 86_400:g} days, then anybody could execute it and somebody did. "
            "Open positions meet it along a ramp."
        )

    def _withdraw_some(self, actor: Actor) -> None:
        cash = self._now().cash[actor.account]
        units = max(cash, 0) // 10**9 // 10
        call = act(
            self.world,
            actor.address,
            "MarginEngine",
            "withdraw",
            actor.account,
            units,
            actor.address,
            label="withdraw cash",
        )
        if units and not isinstance(self.world.trial(call), Refused):
            self.mined(self.world.block([call]))
