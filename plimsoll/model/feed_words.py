"""What a feed stores and serves: its rules, its sources' data, the hot, halt and quote words.

Changes with the words of contracts/oracle/feed_word.vy, feed_terms.vy, breaker.vy and sequencer.vy;
units as in oracle.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from plimsoll.model.fixed_point import div_trunc

FUNDING_LIMIT = 2**51 - 1
FUNDING_SCALE = 8 * 3600 * 1_000_000
RECOVERING_FLAG = 1 << 162


class State(IntEnum):
    """What a price is good for."""

    OK = 0
    DEGRADED = 1
    STALE = 2
    HALTED = 3


class Cause(IntEnum):
    """Why a feed is in its state."""

    NONE = 0
    MISSING = 1
    SPREAD = 2
    HALTING_SPREAD = 3
    JUMP = 4
    GUARDIAN = 5
    AVERAGE = 6
    RECOVERING = 7


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
    ema_band: int  # 1e-3
    ema_tau: int  # minutes
    grace: int  # s
    sequenced: bool
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

    def near_average(self, average: int, price: int) -> bool:
        """Whether the price is within the band around the slow average; 0 is none yet."""
        return average == 0 or abs(price - average) * 1_000 <= average * self.ema_band


@dataclass(frozen=True)
class Source:
    """One source: an aggregator of `decimals`, another on-chain source, or signed reports.

    Data count up to `max_age` s. `inverse`: the price is one over the answer; `via`: times the
    price of that feed, 0 for none.
    """

    signed: bool
    max_age: int
    decimals: int = 0
    inverse: bool = False
    via: int = 0


@dataclass(frozen=True)
class Datum:
    """A source's newest accepted observation; without a price only its time counts."""

    price: int
    time: int
    round: int
    premium: int = 0


@dataclass(frozen=True)
class Leg:
    """Another feed's price in force, that a source is multiplied with: ticks, oldest time in s.

    `fixed` is twice the second in which it was fixed, one more for a later poke of that second.
    """

    price: int
    time: int
    fixed: int


@dataclass(frozen=True)
class Sequencer:
    """What a rollup's sequencer feed says; `answer` 0 while it runs since `started`."""

    answer: int
    started: int
    grace: int

    def down(self, now: int) -> bool:
        """Whether it stands still or says nothing sound."""
        return self.answer != 0 or not 0 < self.started <= now

    def applied(self, word: int, time: int, now: int) -> int:
        """The quote word of a price fixed at `time`, as it may be served."""
        if self.down(now):
            return word | State.HALTED << 160
        state = word >> 160 & 3
        if time < self.started:
            state = max(state, State.STALE)
        elif now - self.started < self.grace:
            state = max(state, State.DEGRADED)
            word |= RECOVERING_FLAG
        return word & ~(3 << 160) | state << 160


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
    recovering: bool = False  # state DEGRADED then
    plain: bool = True  # neither recovering nor under a sequencer

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
        state = self.state_at(now)
        return (
            self.price * (1_000_000 + self.premium) // 1_000_000
            | (self.accrued(now) % 2**56) << 56
            | min(now - self.time + self.delay, 65_535) << 112
            | self.low * 10 << 128
            | self.high * 10 << 144
            | state << 160
            | (RECOVERING_FLAG if self.recovering and state == State.DEGRADED else 0)
            | self.sigma << 231
        )

    def halted(self) -> Hot:
        """The same price, HALTED."""
        return replace(self, state=State.HALTED, recovering=False)


@dataclass(frozen=True)
class Halt:
    """The halt word: calm since `start`, last aggregate and its time, the guardian's end, the
    cause, and the first price after the last halt or gap.
    """

    start: int
    candidate: int
    time: int
    forced: int = 0
    cause: int = 0
    resumed: int = 0
    by_rule: bool = False  # the last poke began it

    def word(self) -> int:
        """As stored."""
        fields = ((self.candidate, 32), (self.time, 88), (self.forced, 120), (self.cause, 152))
        word = self.start | sum(value << at for value, at in fields)
        return word | self.resumed << 156 | self.by_rule << 188


def float_floor(value: int) -> int:
    """Rounded down to 20 significant bits, as prices' bounds are stored."""
    shift = max(0, value.bit_length() - 20)
    return value >> shift << shift
