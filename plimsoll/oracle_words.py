"""The oracle adapter's words, unpacked. Layouts: contracts/oracle/{feed_word,feed_terms,breaker,
realised_variance,settlement_window,sequencer,*_source}.vy and contracts/modules/quote_word.vy.

Prices are ticks (1e-9 USD), times seconds, bands 1e-4 or 1e-5 as said, premium 1e-6 of price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

MAX_SOURCES = 5
MAX_SEQUENCE = 2**64 - 1  # what a report has room for
HALF_HOUR = 1_800  # s


class State(IntEnum):
    """What a price is good for, as served."""

    OK = 0
    DEGRADED = 1
    STALE = 2
    HALTED = 3


STORED_RECOVERING = 2  # in the hot word, where STALE is never stored


class Kind(IntEnum):
    """Where a source's prices come from."""

    CHAINLINK = 1
    SIGNED = 2
    PYTH = 3
    UNISWAP_V3 = 4
    CURVE = 5
    ERC4626 = 6


class Cause(IntEnum):
    """Why a feed is in its state, as in the adapter's events."""

    NONE = 0
    MISSING_SOURCE = 1
    SPREAD = 2
    HALTING_SPREAD = 3
    JUMP = 4
    GUARDIAN = 5
    SLOW_AVERAGE = 6
    RECOVERING = 7
    SEQUENCER = 8  # told by status, in no event: nobody pokes while it is down


CAUSE_TEXT = {
    Cause.NONE: "",
    Cause.MISSING_SOURCE: "a source is missing",
    Cause.SPREAD: "the sources are apart",
    Cause.HALTING_SPREAD: "the sources are too far apart",
    Cause.JUMP: "the price moved faster than allowed",
    Cause.GUARDIAN: "halted by the guardian",
    Cause.SLOW_AVERAGE: "the price is too far from its slow average",
    Cause.RECOVERING: "back from a gap or a halt, in its grace time",
    Cause.SEQUENCER: "the sequencer is down or has just restarted",
}

E = TypeVar("E", bound=IntEnum)


def _known(kind: type[E], value: int, otherwise: E) -> E:
    try:
        return kind(value)
    except ValueError:
        return otherwise


def bits(word: int, first: int, last: int) -> int:
    """Bits `first` to `last`, both included."""
    return word >> first & ((1 << last - first + 1) - 1)


def signed_bits(word: int, first: int, last: int) -> int:
    """The same as a two's complement."""
    value, size = bits(word, first, last), last - first + 1
    return value - (1 << size) if value >> (size - 1) else value


@dataclass(frozen=True)
class HotWord:
    """A feed's price. `low`, `high` 1e-5; `sigma` 1e-6; `state` as stored (2: recovering)."""

    price: int
    funding: int
    ttl: int
    low: int
    high: int
    state: int
    time: int
    delay: int
    premium: int
    plain: bool
    waiting: bool
    sigma: int

    @classmethod
    def of(cls, word: int) -> HotWord | None:
        """None for an empty word: no price yet."""
        if word == 0:
            return None
        return cls(
            price=bits(word, 0, 55),
            funding=signed_bits(word, 56, 111),
            ttl=bits(word, 112, 127),
            low=bits(word, 128, 143),
            high=bits(word, 144, 159),
            state=bits(word, 160, 161),
            time=bits(word, 162, 193),
            delay=bits(word, 194, 210),
            premium=signed_bits(word, 211, 228),
            plain=bool(bits(word, 229, 229)),
            waiting=bool(bits(word, 230, 230)),
            sigma=bits(word, 231, 255),
        )

    @property
    def halted(self) -> bool:
        """Whether the breaker or the guardian stopped it."""
        return self.state == State.HALTED

    @property
    def recovering(self) -> bool:
        """Whether it is back for less than its grace time, as far as the last poke knew."""
        return self.state == STORED_RECOVERING

    @property
    def stale_after(self) -> int:
        """The last second in which it is not STALE."""
        return self.time + self.ttl

    @property
    def observed(self) -> int:
        """Time of the oldest datum in the price, s."""
        return self.time - self.delay

    def state_at(self, now: int) -> State:
        """The state as served at `now`, but for a sequencer."""
        if self.halted:
            return State.HALTED
        if now > self.stale_after:
            return State.STALE
        return State.DEGRADED if self.recovering else State(self.state)

    def band(self) -> tuple[int, int]:
        """Lowest (rounded down) and highest (rounded up) price, ticks."""
        low = self.price * (100_000 - self.low) // 100_000
        return low, -(-self.price * (100_000 + self.high) // 100_000)


@dataclass(frozen=True)
class QuoteWord:
    """What readers are served. `price` includes the premium; `low`, `high` 1e-5; `sigma` 1e-6."""

    price: int
    funding: int
    age: int
    low: int
    high: int
    state: State
    recovering: bool
    sigma: int

    @classmethod
    def of(cls, word: int) -> QuoteWord:
        """The word's fields."""
        return cls(
            price=bits(word, 0, 55),
            funding=signed_bits(word, 56, 111),
            age=bits(word, 112, 127),
            low=bits(word, 128, 143),
            high=bits(word, 144, 159),
            state=State(bits(word, 160, 161)),
            recovering=bool(bits(word, 162, 162)),
            sigma=bits(word, 231, 255),
        )

    @property
    def label(self) -> str:
        """The state by name, RECOVERING where that is what keeps liquidations away."""
        return "RECOVERING" if self.recovering and self.state < State.STALE else self.state.name


@dataclass(frozen=True)
class DatumWord:
    """A source's newest accepted observation. From `max_age` on: of signed reports only."""

    price: int
    time: int
    round: int
    premium: int
    max_age: int = 0
    threshold: int = 0
    signer_set: int = 0
    signed: bool = False

    @classmethod
    def of(cls, word: int) -> DatumWord | None:
        """None where there is no price, though a signed source's terms may be there."""
        if bits(word, 0, 55) == 0:
            return None
        return cls(
            price=bits(word, 0, 55),
            time=bits(word, 56, 87),
            round=bits(word, 88, 167),
            premium=signed_bits(word, 168, 185),
            max_age=bits(word, 186, 202),
            threshold=bits(word, 203, 206),
            signer_set=bits(word, 207, 238),
            signed=bool(bits(word, 239, 239)),
        )


@dataclass(frozen=True)
class SourceWord:
    """One source. `target`: an address as a number, or the signer set's id; `max_conf` 1e-4."""

    target: int
    kind: int
    decimals: int
    max_age: int
    threshold: int
    max_conf: int
    inverse: bool
    via: int

    @classmethod
    def of(cls, word: int) -> SourceWord:
        """The word's fields."""
        return cls(
            target=bits(word, 0, 159),
            kind=bits(word, 160, 167),
            decimals=bits(word, 168, 175),
            max_age=bits(word, 176, 199),
            threshold=bits(word, 200, 207),
            max_conf=bits(word, 208, 219),
            inverse=bool(bits(word, 220, 220)),
            via=bits(word, 221, 236),
        )

    @property
    def signed(self) -> bool:
        """Whether it takes signed reports."""
        return self.kind == Kind.SIGNED

    @property
    def kind_name(self) -> str:
        """The kind in lower case; its number where it is unknown."""
        try:
            return Kind(self.kind).name.lower()
        except ValueError:
            return f"kind {self.kind}"

    @property
    def address(self) -> str:
        """The target's address, "" for a signer set."""
        return "" if self.signed else address_of(self.target)


@dataclass(frozen=True)
class TermsWord:
    """A feed's rules, units as in contracts/oracle/feed_terms.vy."""

    quorum: int
    count: int
    half_band: int
    band: int
    halt_band: int
    jump_base: int
    jump_rate: int
    confirm: int
    premium_clamp: int
    premium_tau: int
    variance_tau: int
    spacing: int
    sigma_cap: int
    min_price: int
    max_price: int
    ema_band: int
    ema_tau: int
    grace: int
    sequenced: bool

    @classmethod
    def of(cls, word: int) -> TermsWord | None:
        """None for an empty word: not listed."""
        if word == 0:
            return None
        return cls(
            quorum=bits(word, 0, 2),
            count=bits(word, 3, 5),
            half_band=bits(word, 6, 17),
            band=bits(word, 18, 29),
            halt_band=bits(word, 30, 41),
            jump_base=bits(word, 42, 55),
            jump_rate=bits(word, 56, 75),
            confirm=bits(word, 76, 87),
            premium_clamp=bits(word, 88, 104),
            premium_tau=bits(word, 105, 118),
            variance_tau=bits(word, 119, 132),
            spacing=bits(word, 133, 144),
            sigma_cap=bits(word, 145, 155),
            min_price=bits(word, 162, 181) << bits(word, 156, 161),
            max_price=bits(word, 188, 207) << bits(word, 182, 187),
            ema_band=bits(word, 208, 219),
            ema_tau=bits(word, 220, 233),
            grace=bits(word, 234, 245),
            sequenced=bool(bits(word, 246, 246)),
        )


@dataclass(frozen=True)
class HaltWord:
    """The record of the halt, or of the last one. `resumed`: first price after the last gap."""

    start: int
    candidate: int
    time: int
    forced: int
    cause: Cause
    resumed: int

    @classmethod
    def of(cls, word: int) -> HaltWord:
        """The word's fields."""
        return cls(
            start=bits(word, 0, 31),
            candidate=bits(word, 32, 87),
            time=bits(word, 88, 119),
            forced=bits(word, 120, 151),
            cause=_known(Cause, bits(word, 152, 155), Cause.NONE),
            resumed=bits(word, 156, 187),
        )

    def ends(self, terms: TermsWord) -> int:
        """The first second in which a poke may end the halt if it stays calm."""
        return max(self.start + terms.confirm, self.forced)


@dataclass(frozen=True)
class HistoryWord:
    """Variance (1e-16, annualised) with its last sample, the running half hour's sum, averages."""

    variance: int
    price: int
    lag: int  # s, of the last sample before the price in force
    total: int  # ticks * s; 0: the half hour is not whole
    premium: int  # 1e-12
    slow: int  # ticks, 0: none yet

    @classmethod
    def of(cls, word: int) -> HistoryWord:
        """The word's fields."""
        return cls(
            variance=bits(word, 0, 61),
            price=bits(word, 62, 117),
            lag=bits(word, 118, 129),
            total=bits(word, 130, 196),
            premium=signed_bits(word, 197, 234),
            slow=bits(word, 241, 255) << bits(word, 235, 240),
        )


@dataclass(frozen=True)
class SettlementWord:
    """The last complete OK half hour (0: none) as of the last poke, with its price in ticks."""

    number: int
    price: int

    @classmethod
    def of(cls, word: int) -> SettlementWord:
        """The word's fields."""
        return cls(bits(word, 0, 21), bits(word, 22, 77))


@dataclass(frozen=True)
class SequencerWord:
    """A rollup's sequencer feed and the grace time after its restart, s."""

    feed: str
    grace: int

    @classmethod
    def of(cls, word: int) -> SequencerWord | None:
        """None for an empty word: no sequencer on this chain."""
        return None if word == 0 else cls(address_of(bits(word, 0, 159)), bits(word, 160, 175))


@dataclass(frozen=True)
class SequencerStatus:
    """What the sequencer feed says. `since`: s, of its last restart; 0 while it is down."""

    since: int
    in_grace: bool
    down: bool

    @classmethod
    def of(cls, word: int) -> SequencerStatus:
        """The word's fields."""
        return cls(bits(word, 0, 31), bool(bits(word, 32, 32)), bool(bits(word, 33, 33)))


@dataclass(frozen=True)
class ExtraWord:
    """A source's further terms, by its kind; what the kind has not is 0 or False.

    `window`: s; `min_liquidity`: the pool's own unit; `decimals`: of token0 and token1, or of share
    and asset; `index`: of a Curve pool's price, None in the shape without an argument.
    """

    price_id: int = 0
    window: int = 0
    min_liquidity: int = 0
    decimals: tuple[int, int] = (0, 0)
    index: int | None = None

    @classmethod
    def of(cls, kind: int, word: int) -> ExtraWord:
        """The word's fields as this kind of source has them."""
        if kind == Kind.PYTH:
            return cls(price_id=word)
        if kind == Kind.UNISWAP_V3:
            return cls(
                window=bits(word, 0, 31),
                min_liquidity=bits(word, 32, 159),
                decimals=(bits(word, 160, 167), bits(word, 168, 175)),
            )
        if kind == Kind.CURVE:
            return cls(index=bits(word, 0, 7) if bits(word, 8, 8) else None)
        if kind == Kind.ERC4626:
            return cls(decimals=(bits(word, 0, 7), bits(word, 8, 15)))
        return cls()


@dataclass(frozen=True)
class FeedWords:
    """A feed's stored words, in the order of the adapter's view `feed_words`."""

    hot: HotWord | None
    newer: HotWord | None
    terms: TermsWord | None
    history: HistoryWord
    settlement: SettlementWord
    halt: HaltWord

    @classmethod
    def of(cls, words: Sequence[int]) -> FeedWords:
        """Six words or more; what follows the halt word is ignored."""
        return cls(
            hot=HotWord.of(words[0]),
            newer=HotWord.of(words[1]),
            terms=TermsWord.of(words[2]),
            history=HistoryWord.of(words[3]),
            settlement=SettlementWord.of(words[4]),
            halt=HaltWord.of(words[5]),
        )

    @property
    def newest(self) -> HotWord | None:
        """The word of the newest poke."""
        return self.newer if self.hot is not None and self.hot.waiting else self.hot

    def in_force(self, now: int) -> HotWord | None:
        """The word that prices second `now`."""
        if self.hot is not None and self.hot.waiting and self.hot.time != now:
            return self.newer
        return self.hot


def address_of(number: int) -> str:
    """Checksummed address of its 160 bits."""
    from eth_utils.address import to_checksum_address

    return str(to_checksum_address(f"0x{number:040x}"))
