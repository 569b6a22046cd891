"""Executable specification of the oracle adapter: aggregation, states, breaker, funding, variance.

Pure integers, no I/O; bit for bit what contracts/oracle/OracleAdapter.vy stores and returns. The
words it stores and serves are in feed_words.py, what becomes of its sources' answers in
source_answers.py, what it keeps of past prices in feed_books.py, what its on-chain sources compute
in price_sources.py.
Units: prices ticks (1e-9 USD per underlying), times s, premium 1e-6 of price, bands 1e-4,
variance 1e-12 annualised (1e-16 inside), volatility (sigma) 1e-6. A `Feed` is one listed feed;
`Feed.poke` is one poke with what the on-chain sources answered and, at most, one verified report.
Signature checks are not part of the model: a report given to it counts as signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isqrt

from plimsoll.model.feed_books import WINDOW, Passage, Settlement, Variance, passage, slow_floor
from plimsoll.model.feed_words import (
    RECOVERING_FLAG,
    Cause,
    Datum,
    Halt,
    Hot,
    Leg,
    Sequencer,
    Source,
    State,
    Terms,
    float_floor,
)
from plimsoll.model.fixed_point import Q, div_trunc, exp_neg
from plimsoll.model.source_answers import (
    Aggregate,
    Answer,
    Refused,
    Report,
    aggregate,
    take_answer,
    take_report,
)

MAX_TTL = 2**16 - 1
PREMIUM_UNIT = 1_000_000

# The vocabulary of a feed, for those who build and poke one.
__all__ = [
    "RECOVERING_FLAG",
    "Aggregate",
    "Answer",
    "Cause",
    "Datum",
    "Feed",
    "Halt",
    "Hot",
    "Leg",
    "Refused",
    "Report",
    "Sequencer",
    "Settlement",
    "Source",
    "State",
    "Terms",
    "Variance",
    "aggregate",
    "float_floor",
    "take_answer",
    "take_report",
]


@dataclass
class Feed:
    """One listed feed, with its whole state. `data` are the sources' newest accepted datums."""

    terms: Terms
    sources: list[Source]
    variance: Variance
    data: list[Datum | None] = field(default_factory=list)
    hot: Hot | None = None
    newer: Hot | None = None  # a later poke of the hot word's second
    before: Hot | Halt | None = None  # of a halted feed: what the second of its last poke found
    halt: Halt = field(default_factory=lambda: Halt(0, 0, 0))
    settlement: Settlement = field(default_factory=Settlement)
    sequencer: Sequencer | None = None
    cause: Cause = Cause.NONE  # of the state the last poke that met the quorum left

    def __post_init__(self) -> None:
        """Start without data unless told."""
        self.data = self.data or [None] * len(self.sources)

    def in_force(self, now: int) -> Hot | None:
        """What prices this second."""
        if self.newer and self.hot and self.hot.time != now:
            return self.newer
        return self.hot

    def newest(self) -> Hot | None:
        """What the newest poke left."""
        return self.newer or self.hot

    def leg(self, now: int) -> Leg | None:
        """What a source of another feed that goes via this one takes of it."""
        hot = self.in_force(now)
        if hot is None or hot.state_at(now) >= State.STALE:
            return None
        return Leg(hot.price, hot.time - hot.delay, 2 * hot.time + (hot is not self.hot))

    def served(self, hot: Hot, now: int) -> int:
        """A quote word as the sequencer lets it be served."""
        word = hot.word(now)
        if self.sequencer is None or hot.plain or not self.terms.sequenced:
            return word
        return self.sequencer.applied(word, hot.time, now)

    def settlement_price(self, now: int) -> int | None:
        """Average of the last complete OK half hour, ticks; None if there is none."""
        hot = self.in_force(now)
        if hot is None:
            return None
        price = self.settlement.price
        if self._is_open(hot):
            p = self._passage(hot, now)
            price = hot.price if p.further else p.price or price
        return price or None

    def settlement_price_at(self, end: int, now: int) -> int | None:
        """Average of the half hour that ended at `end`, ticks; None where there is none."""
        hot = self.in_force(now)
        if hot is None or end > now:
            return None
        number = end // WINDOW - 1
        if number < hot.time // WINDOW or not self._is_open(hot):
            return self.settlement.stored_price(number) or None
        p = self._passage(hot, now)
        if number == p.number:
            return p.price or None
        return hot.price if number <= p.number + p.further else None

    def force_halt(self, now: int, duration: int) -> None:
        """The guardian halts a priced feed for at least `duration` s."""
        hot = self.in_force(now)
        if hot is None:
            raise Refused("NoPrice")
        forced = max(self.halt.forced, now + duration)
        self.halt = Halt(now, hot.price, now, forced, Cause.GUARDIAN, self.halt.resumed)
        self.before = self.halt
        self._halt(now)

    def poke(
        self,
        now: int,
        answers: list[Answer | None],
        report: Report | None = None,
        legs: Mapping[int, Leg | None] | None = None,
    ) -> None:
        """One poke. `answers[i]` is what source i says on chain (None for a failed read); `legs`
        are the prices of the feeds that sources go via.
        """
        target = self._premium_in_force(now)
        self.gather(now, answers, report, legs)
        result = aggregate(self.sources, self.data, self.terms, now)
        if result is None:
            return
        base, redone = self.newest(), False
        halted = base is not None and base.state == State.HALTED
        if halted and self.halt.time == now and isinstance(self.before, Hot):
            base, redone = self.before, True
        self.cause = self._breach(result, base, now)
        if self.cause == Cause.NONE:
            self._accept(result, target, base, redone, now)
        elif self.hot is not None and not redone:
            self._halt(now)

    def gather(
        self,
        now: int,
        answers: list[Answer | None],
        report: Report | None = None,
        legs: Mapping[int, Leg | None] | None = None,
    ) -> None:
        """Keep every source's newest datum: the first half of a poke, and what a listing does."""
        taken: Datum | None = None
        if report is not None:
            source = self.sources[report.source]
            taken = take_report(source, self.data[report.source], report, self.terms, now)
        for i, source in enumerate(self.sources):
            if not source.signed:
                leg = (legs or {}).get(source.via)
                kept = self.data[i]
                self.data[i] = take_answer(source, kept, answers[i], self.terms, now, leg)
            elif report is not None and report.source == i:
                self.data[i] = taken

    def _premium_in_force(self, now: int) -> tuple[int, int]:
        """Premium and time of the first signed source's datum in force before this poke."""
        for source, datum in zip(self.sources, self.data, strict=True):
            fresh = datum is not None and datum.price and now - datum.time <= source.max_age
            if source.signed and datum is not None and fresh:
                return datum.premium, datum.time
        return 0, 0

    def _breach(self, result: Aggregate, base: Hot | None, now: int) -> Cause:
        """Run the breaker; NONE: the price may be accepted."""
        terms, old = self.terms, self.halt
        wide = result.spread_above(terms.halt_band)
        if base is not None and base.state == State.HALTED:
            if old.time == now and isinstance(self.before, Halt):
                old = self.before
            self.before = old
            moved = not terms.jump_allowed(old.candidate, result.median, now - old.time)
            start = now if wide or moved else old.start
            self.halt = replace(old, start=start, candidate=result.median, time=now, by_rule=False)
            held = now - start < terms.confirm or now < old.forced
            return Cause(old.cause) if held else Cause.NONE
        cause = Cause.NONE
        if wide:
            cause = Cause.HALTING_SPREAD
        elif base is not None:
            age = now - (base.time - base.delay)
            if not terms.jump_allowed(base.price, result.median, age):
                cause = Cause.JUMP
            elif not terms.near_average(self.settlement.slow, result.median):
                cause = Cause.AVERAGE
        if cause != Cause.NONE:
            self.before = base
            self.halt = Halt(now, result.median, now, 0, cause, old.resumed, True)
        return cause

    def _halt(self, now: int) -> None:
        """Set the newest word HALTED; a price fixed this very second stays."""
        newest = self.newest()
        assert self.hot is not None
        assert newest is not None
        if self.newer is not None and self.hot.time == now:
            self.newer, self.hot = self.newer.halted(), self.hot.halted()
            return
        self._close(newest, now)
        self.hot, self.newer = newest.halted(), None

    def _accept(
        self, result: Aggregate, target: tuple[int, int], base: Hot | None, redone: bool, now: int
    ) -> None:
        """Store an accepted price; `redone`: a halt of this very second is taken back."""
        terms = self.terms
        later = base is not None and base.time == now
        state = self._state(result, base, now)
        funding, premium = 0, 0
        if base is not None:
            funding = base.accrued(now)
            premium = base.premium if later else self._close_interval(base, target, redone, now)
        if later and base is not None:
            sigma = base.sigma
        else:
            if base is None or base.state == State.HALTED:
                self.settlement = replace(self.settlement, slow=slow_floor(result.median))
            self.variance = self.variance.sample(terms, result.median, now)
            sigma = isqrt(self.variance.variance // 10_000) + 1
        recovering = self.cause == Cause.RECOVERING
        hot = Hot(
            price=result.median,
            funding=funding,
            time=now,
            delay=now - result.oldest,
            ttl=min(result.stale_at - now, MAX_TTL),
            low=self._offset_up(result.median - result.low, result.median),
            high=self._offset_up(result.high - result.median, result.median),
            state=state,
            premium=premium,
            sigma=sigma,
            recovering=recovering,
            plain=not (terms.sequenced or recovering),
        )
        if later and base is not None and self.hot is not None:
            self.newer = hot
            if redone:
                self.hot = replace(self.hot, state=base.state, recovering=base.recovering)
        else:
            self.hot, self.newer = hot, None

    def _state(self, result: Aggregate, base: Hot | None, now: int) -> State:
        """State of an accepted price; leaves its cause."""
        if result.valid < len(self.sources):
            self.cause = Cause.MISSING
        elif result.spread_above(self.terms.band):
            self.cause = Cause.SPREAD
        if base is None:
            return State.DEGRADED if self.cause else State.OK
        if base.state_at(now) >= State.STALE:
            self.halt = replace(self.halt, resumed=now)
            if self.terms.grace:
                self.cause = Cause.RECOVERING
        elif base.recovering and now - self.halt.resumed < self.terms.grace:
            self.cause = Cause.RECOVERING
        return State.DEGRADED if self.cause else State.OK

    def _offset_up(self, distance: int, median: int) -> int:
        """A band offset, 1e-4 rounded up, at least the half band."""
        return max(self.terms.half_band, -(-distance * 10_000 // median))

    def _is_open(self, hot: Hot) -> bool:
        """Whether half hours since the price was fixed are not stored yet and yet certain."""
        return hot.state != State.HALTED and (hot.plain or not self.terms.sequenced)

    def _passage(self, base: Hot, now: int) -> Passage:
        """What comes of `base` having been in force until now; only OK time counts."""
        ok = base.state == State.OK
        if ok and not base.plain and self.terms.sequenced and self.sequencer is not None:
            ok = not self.sequencer.down(now) and self.sequencer.started <= base.time
        if not ok:
            return Passage(0, 0, base.time // WINDOW, 0)
        end = min(now, base.time + base.ttl)
        return passage(self.settlement.total, base.price, base.time, end, now)

    def _close(self, base: Hot, now: int) -> None:
        """End the interval in which `base` was in force: its half hours and the slow average."""
        if base.state == State.HALTED:
            self.settlement = self.settlement.broken()
            return
        p = self._passage(base, now)
        self.settlement = self.settlement.leave(p, base.price, self.terms.ema_tau * 60, now)

    def _close_interval(self, base: Hot, target: tuple[int, int], closed: bool, now: int) -> int:
        """Close the books of `base` unless they are; the new slow premium, 1e-6."""
        if not closed:
            self._close(base, now)
        clamp = self.terms.premium_clamp
        premium, observed = target
        # A report observed after the base was fixed has not been followed by a price yet.
        aim = max(min(premium, clamp), -clamp) * PREMIUM_UNIT if observed <= base.time else 0
        slow = self.settlement.premium
        if slow != aim:
            weight = exp_neg(((now - base.time) << 96) // (self.terms.premium_tau * 60))
            slow += (aim - slow) * (Q - weight) >> 96
        self.settlement = replace(self.settlement, premium=slow)
        return max(min(div_trunc(slow, PREMIUM_UNIT), clamp), -clamp)
