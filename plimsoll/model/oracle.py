"""Executable specification of the oracle adapter: aggregation, states, breaker, funding, variance.

Pure integers, no I/O; bit for bit what contracts/oracle/OracleAdapter.vy stores and returns.
Units: prices ticks (1e-9 USD per underlying), times s, premium 1e-6 of price, bands 1e-4,
variance 1e-12 annualised (1e-16 inside), volatility (sigma) 1e-6. A `Feed` is one listed feed;
`Feed.poke` is one poke with what the on-chain sources answered and, at most, one verified report.
Signature checks are not part of the model: a report given to it counts as signed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from math import isqrt

from plimsoll.model.fixed_point import Q, div_trunc, exp_neg, ln_ratio

WINDOW = 1800
YEAR_SCALE = 365 * 86_400 * 10**16
FUNDING_LIMIT = 2**51 - 1
FUNDING_SCALE = 8 * 3600 * 1_000_000
MAX_TTL = 2**16 - 1
PREMIUM_UNIT = 1_000_000


class State(IntEnum):
    """What a price is good for."""

    OK = 0
    DEGRADED = 1
    STALE = 2
    HALTED = 3


class Refused(ValueError):
    """A report that the contract reverts on; the message is the error's name."""


@dataclass(frozen=True)
class Terms:
    """A feed's rules, in the contract's order and units (contracts/oracle/feed_terms.vy)."""

    quorum: int
    half_band: int  # 1e-4
    band: int  # 1e-4
    halt_band: int  # 1e-4
    jump_base: int  # 1e-4
    jump_rate: int  # 1e-8 per s
    confirm: int  # s
    premium_clamp: int  # 1e-6
    premium_tau: int  # minutes
    variance_tau: int  # minutes
    spacing: int  # s
    sigma_cap: int  # 1e-2
    min_price: int  # ticks
    max_price: int  # ticks

    def in_bounds(self, price: int) -> bool:
        """Whether a datum's price is inside the absolute bounds, as stored."""
        low, high = float_floor(self.min_price), float_floor(self.max_price)
        return low <= price <= high

    def jump_allowed(self, old_price: int, price: int, age: int) -> bool:
        """Whether the move from a price observed `age` seconds ago is within the allowance."""
        allowance = self.jump_base * 10_000 + self.jump_rate * age
        return abs(price - old_price) * 10**8 <= old_price * allowance


@dataclass(frozen=True)
class Source:
    """One source: an aggregator of `decimals`, or signed reports; data count up to `max_age` s."""

    signed: bool
    max_age: int
    decimals: int = 0


@dataclass(frozen=True)
class Datum:
    """A source's newest accepted observation."""

    price: int
    time: int
    round: int
    premium: int = 0


@dataclass(frozen=True)
class Answer:
    """What an aggregator answered; a failed read is None in its place."""

    round: int
    answer: int
    time: int


@dataclass(frozen=True)
class Report:
    """A signed report for the source at `source`."""

    source: int
    price: int
    time: int
    sequence: int
    premium: int = 0


@dataclass(frozen=True)
class Hot:
    """The hot word's fields (contracts/oracle/feed_word.vy)."""

    price: int
    funding: int
    time: int
    delay: int
    ttl: int
    low: int
    high: int
    state: State
    premium: int
    sigma: int

    def accrued(self, now: int) -> int:
        """The funding index at `now`, ticks."""
        if self.premium == 0:
            return self.funding
        elapsed = min(now - self.time, self.ttl)
        step = div_trunc(self.price * elapsed * self.premium, FUNDING_SCALE)
        return max(min(self.funding + step, FUNDING_LIMIT), -FUNDING_LIMIT)

    def state_at(self, now: int) -> State:
        """The state at `now`: HALTED stays, STALE past the ttl."""
        if self.state != State.HALTED and now - self.time > self.ttl:
            return State.STALE
        return self.state

    def word(self, now: int) -> int:
        """The quote word (contracts/modules/quote_word.vy) at `now`."""
        return (
            self.price * (1_000_000 + self.premium) // 1_000_000
            | (self.accrued(now) % 2**56) << 56
            | min(now - self.time + self.delay, 65_535) << 112
            | self.low * 10 << 128
            | self.high * 10 << 144
            | self.state_at(now) << 160
            | self.sigma << 231
        )

    def halted(self) -> Hot:
        """The same price, HALTED."""
        return Hot(**{**self.__dict__, "state": State.HALTED})


@dataclass(frozen=True)
class Variance:
    """The history word's low bits: variance 1e-16; price and time of the last sample."""

    variance: int
    price: int = 0
    time: int = 0

    def sample(self, terms: Terms, price: int, now: int) -> Variance:
        """After an accepted price; the same object within `spacing` of the last sample."""
        if self.price == 0:
            return Variance(self.variance, price, now)
        elapsed = now - self.time
        if elapsed < terms.spacing:
            return self
        weight = exp_neg((elapsed << 96) // (terms.variance_tau * 60))
        square = abs(ln_ratio(price, self.price)) ** 2 >> 96
        sampled = min(square * YEAR_SCALE // (elapsed << 96), terms.sigma_cap**2 * 10**12)
        mean = self.variance * weight + sampled * (Q - weight) >> 96
        return Variance(mean, price, now)


@dataclass(frozen=True)
class Settlement:
    """The running half hour's sum (0: not whole), the last complete one, slow premium (1e-12)."""

    total: int = 0
    last: int = 0
    price: int = 0
    premium: int = 0

    def held(self, price: int, start: int, end: int) -> Settlement:
        """After the feed was OK at one price over [start, end)."""
        first, final = start // WINDOW, end // WINDOW
        total, last, average = self.total, self.last, self.price
        whole = start % WINDOW == 0 or total > 0
        if first != final:
            if whole:
                last, average = first, (total + price * (WINDOW - start % WINDOW)) // WINDOW
            if final - first > 1:
                last, average = final - 1, price
            start, total, whole = final * WINDOW, 0, True
        total = total + price * (end - start) if whole else 0
        return Settlement(total, last, average, self.premium)

    def held_until(self, hot: Hot, now: int) -> Settlement:
        """After `hot` was in force until `now`; only OK time counts."""
        if hot.state != State.OK:
            return self.broken()
        end = min(now, hot.time + hot.ttl)
        held = self.held(hot.price, hot.time, end)
        return held if end == now else held.broken()

    def broken(self) -> Settlement:
        """After seconds in which the feed was not OK: the running half hour is lost."""
        return Settlement(0, self.last, self.price, self.premium)


@dataclass(frozen=True)
class Halt:
    """The halt word: calm since `start`, last aggregate and its time, the guardian's end."""

    start: int
    candidate: int
    time: int
    forced: int = 0


@dataclass(frozen=True)
class Aggregate:
    """One price from the data within their age limits."""

    valid: int
    median: int
    low: int
    high: int
    oldest: int
    stale_at: int

    def spread_above(self, limit: int) -> bool:
        """Whether max - min exceeds `limit` (1e-4) of the median."""
        return (self.high - self.low) * 10_000 > self.median * limit


def float_floor(value: int) -> int:
    """Rounded down to 32 significant bits, as prices' bounds are stored."""
    shift = max(0, value.bit_length() - 32)
    return value >> shift << shift


def to_ticks_floor(answer: int, decimals: int) -> int:
    """An aggregator's answer in ticks; 0 if it is negative or 2**128 or more."""
    if not 0 <= answer < 2**128:
        return 0
    if decimals <= 9:
        return answer * int(10 ** (9 - decimals))
    return answer // int(10 ** (decimals - 9))


def take_answer(
    source: Source, kept: Datum | None, answer: Answer | None, terms: Terms, now: int
) -> Datum | None:
    """The aggregator's newest datum: the answer's if it is sound and newer, else `kept`."""
    if answer is None or not 0 <= answer.round < 2**80 or not 0 < answer.time <= now:
        return kept
    if kept and (answer.round < kept.round or answer.time < kept.time):
        return kept
    if kept and (answer.round, answer.time) == (kept.round, kept.time):
        return kept
    price = to_ticks_floor(answer.answer, source.decimals)
    return Datum(price, answer.time, answer.round) if terms.in_bounds(price) else kept


def take_report(
    source: Source, kept: Datum | None, report: Report, terms: Terms, now: int
) -> Datum:
    """A verified report's datum. Raises `Refused` by the contract's error names."""
    if report.time > now:
        raise Refused("FutureReport")
    old_round, old_time = (kept.round, kept.time) if kept else (0, 0)
    newer = report.sequence > old_round and report.time >= old_time
    if not newer or report.time + source.max_age < now:
        raise Refused("OldReport")
    if not terms.in_bounds(report.price):
        raise Refused("OutOfRange")
    clamp = terms.premium_clamp
    premium = max(min(report.premium, clamp), -clamp)
    return Datum(report.price, report.time, report.sequence, premium)


def aggregate(
    sources: list[Source], data: list[Datum | None], terms: Terms, now: int
) -> Aggregate | None:
    """Median, range, oldest time and end of the quorum; None below the quorum."""
    pairs = [
        (datum, datum.time + source.max_age)
        for source, datum in zip(sources, data, strict=True)
        if datum is not None and now - datum.time <= source.max_age
    ]
    if len(pairs) < terms.quorum:
        return None
    prices = sorted(datum.price for datum, _ in pairs)
    half = len(prices) // 2
    median = prices[half] if len(prices) % 2 else (prices[half - 1] + prices[half]) // 2
    return Aggregate(
        valid=len(pairs),
        median=median,
        low=prices[0],
        high=prices[-1],
        oldest=min(datum.time for datum, _ in pairs),
        stale_at=sorted((expiry for _, expiry in pairs), reverse=True)[terms.quorum - 1],
    )


@dataclass
class Feed:
    """One listed feed, with its whole state. `data` are the sources' newest accepted datums."""

    terms: Terms
    sources: list[Source]
    variance: Variance
    data: list[Datum | None] = field(default_factory=list)
    hot: Hot | None = None
    newer: Hot | None = None  # a later poke of the hot word's second
    halt: Halt = field(default_factory=lambda: Halt(0, 0, 0))
    settlement: Settlement = field(default_factory=Settlement)

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

    def settlement_price(self, now: int) -> int | None:
        """Average of the last complete OK half hour, ticks; None if there is none."""
        hot = self.in_force(now)
        if hot is None:
            return None
        return self.settlement.held_until(hot, now).price or None

    def force_halt(self, now: int, duration: int) -> None:
        """The guardian halts a priced feed for at least `duration` s."""
        hot = self.in_force(now)
        if hot is None:
            raise Refused("NoPrice")
        self.halt = Halt(now, hot.price, now, max(self.halt.forced, now + duration))
        self._halt(now)

    def poke(self, now: int, answers: list[Answer | None], report: Report | None = None) -> None:
        """One poke. `answers[i]` is what source i's aggregator says (None for a failed read)."""
        target = self._premium_in_force(now)
        taken: Datum | None = None
        if report is not None:
            source = self.sources[report.source]
            taken = take_report(source, self.data[report.source], report, self.terms, now)
        for i, source in enumerate(self.sources):
            if not source.signed:
                self.data[i] = take_answer(source, self.data[i], answers[i], self.terms, now)
            elif report is not None and report.source == i:
                self.data[i] = taken
        result = aggregate(self.sources, self.data, self.terms, now)
        if result is None:
            return
        if not self._breached(result, now):
            self._accept(result, target, now)
        elif self.hot is not None:
            self._halt(now)

    def _premium_in_force(self, now: int) -> int:
        """Premium of the first signed source's datum before this poke, while within its age."""
        for source, datum in zip(self.sources, self.data, strict=True):
            if source.signed and datum and now - datum.time <= source.max_age:
                return datum.premium
        return 0

    def _breached(self, result: Aggregate, now: int) -> bool:
        """Run the breaker; True while the price may not be accepted."""
        base, terms = self.newest(), self.terms
        wide = result.spread_above(terms.halt_band)
        if base is not None and base.state == State.HALTED:
            old = self.halt
            moved = not terms.jump_allowed(old.candidate, result.median, now - old.time)
            start = now if wide or moved else old.start
            self.halt = Halt(start, result.median, now, old.forced)
            return now - start < terms.confirm or now < old.forced
        if base is not None and not wide:
            age = now - (base.time - base.delay)
            wide = not terms.jump_allowed(base.price, result.median, age)
        if wide:
            self.halt = Halt(now, result.median, now)
        return wide

    def _halt(self, now: int) -> None:
        """Set the newest word HALTED; a price fixed this very second stays."""
        newest = self.newest()
        assert self.hot is not None
        assert newest is not None
        if self.newer is not None and self.hot.time == now:
            self.newer, self.hot = self.newer.halted(), self.hot.halted()
            return
        self.settlement = self.settlement.held_until(newest, now)
        self.hot, self.newer = newest.halted(), None

    def _accept(self, result: Aggregate, target: int, now: int) -> None:
        """Store an accepted price."""
        base, terms = self.newest(), self.terms
        state = State.OK
        if result.valid < len(self.sources) or result.spread_above(terms.band):
            state = State.DEGRADED
        funding, premium = 0, 0
        later = base is not None and base.time == now
        if base is not None:
            funding = base.accrued(now)
            premium = base.premium if later else self._close_interval(base, target, now)
        if later and base is not None:
            sigma = base.sigma
        else:
            self.variance = self.variance.sample(terms, result.median, now)
            sigma = isqrt(self.variance.variance // 10_000) + 1
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
        )
        if later:
            self.newer = hot
        else:
            self.hot, self.newer = hot, None

    def _offset_up(self, distance: int, median: int) -> int:
        """A band offset, 1e-4 rounded up, at least the half band."""
        return max(self.terms.half_band, -(-distance * 10_000 // median))

    def _close_interval(self, base: Hot, target: int, now: int) -> int:
        """End the interval in which `base` was in force; the new slow premium, 1e-6."""
        settled = self.settlement.held_until(base, now)
        clamp = self.terms.premium_clamp
        aim = max(min(target, clamp), -clamp) * PREMIUM_UNIT
        slow = settled.premium
        if slow != aim:
            weight = exp_neg(((now - base.time) << 96) // (self.terms.premium_tau * 60))
            slow += (aim - slow) * (Q - weight) >> 96
        self.settlement = Settlement(**{**settled.__dict__, "premium": slow})
        return max(min(div_trunc(slow, PREMIUM_UNIT), clamp), -clamp)
