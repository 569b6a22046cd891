"""Executable specification of StandardMargin: the same integers, bit for bit, without any I/O.

Units: lot 1e-6 of the underlying, tick 1e-9 USD, quote unit (qu) lot x tick = 1e-15 USD; "nano" is
1e-9; RATE is 1e-11 of notional; a root is isqrt(lots << 24). Words are laid out as in
contracts/risk/risk_parameters.vy (hot word, ramp word) and contracts/modules/quote_word.vy.
Formulas: docs/margin.md. A refusal raises `Refused` with the contract's error name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field, fields
from functools import lru_cache
from math import isqrt

NANO = 10**9
YEAR = 365 * 86_400

STATE_BITS = 96  # feed, slow root, its time, flags
STATE_MASK = (1 << STATE_BITS) - 1
RAMP_FLAG = 1 << 88
CLOSED_FLAG = 1 << 89

# name -> (position, width) in hot and ramp words
LAYOUT = {
    "a": (96, 16),
    "b": (112, 16),
    "s": (128, 16),
    "floor": (144, 16),
    "cap": (160, 14),
    "size": (174, 20),
    "concentration": (194, 20),
    "multiple": (214, 12),
    "initial_floor": (226, 14),
    "slope": (240, 12),
}
FLOATS = ("size", "concentration")
RATES = ("a", "b", "s", "floor", "cap", "size", "concentration")

GRACE = 3600
RAISE_PER_HOUR = 200_000_000
LOWER_PER_DAY = 200_000_000
MAX_RAMP = 30 * 86_400
MIN_BASE = 8

TAU = 86_400
RISE_PER_DAY = 500_000_000

AGE_ONE = 10**6
MM_SCALE = 10**17 << 32
IM_SCALE = 10**20 << 32
INITIAL_FLOOR_UNIT = 10**10 << 32

MAX_LEGS = 72
MAX_HOLDINGS = 16


class Refused(ValueError):
    """A call that the contract reverts; the message is the error's name."""


def div_up(a: int, b: int) -> int:
    """a / b rounded up, for a >= 0 and b > 0."""
    return -(-a // b)


# --- parameters -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class MarketParameters:
    """A market's values as stored on chain; field order is that of the contract's struct."""

    tail: int  # nano, multiple of sigma (k)
    horizon: int  # seconds (h)
    floor: int  # nano of notional
    cap: int  # nano of notional
    size: int  # nano of notional at |size| = depth (c_s)
    concentration: int  # nano of notional at open interest = depth (c_o)
    depth: int  # lots (D)
    stressed: int  # nano, annualised sigma
    blend: int  # nano, weight of the stressed sigma
    forecast: int  # nano, annualised sigma; 0: none
    initial_multiple: int  # nano
    initial_floor: int  # nano of notional
    stale_slope: int  # nano per second

    def astuple(self) -> tuple[int, ...]:
        """The struct as the ABI takes it."""
        return astuple(self)


# Hard bounds of each field, both ends allowed.
BOUNDS: dict[str, tuple[int, int]] = {
    "tail": (NANO // 2, 20 * NANO),
    "horizon": (60, 7 * 86_400),
    "floor": (NANO // 1000, 6 * NANO // 10),
    "cap": (NANO // 1000, 3 * NANO // 2),
    "size": (0, 2 * NANO),
    "concentration": (0, 2 * NANO),
    "depth": (2**20, 2**63 - 1),
    "stressed": (NANO // 100, 16 * NANO),
    "blend": (0, NANO),
    "forecast": (0, 16 * NANO),
    "initial_multiple": (NANO, 4 * NANO),
    "initial_floor": (NANO // 1000, 3 * NANO // 2),
    "stale_slope": (0, 4_000_000),
}


def check(p: MarketParameters) -> None:
    """Raise Refused: BadParameter out of bounds, JointBound where two values contradict."""
    for item in fields(p):
        low, high = BOUNDS[item.name]
        if not low <= getattr(p, item.name) <= high:
            raise Refused("BadParameter")
    if p.cap < p.floor or p.initial_floor < p.floor:
        raise Refused("JointBound")


def pack_float_up(x: int) -> int:
    """Smallest float (14-bit mantissa | 6-bit exponent << 14) at or above `x`."""
    exponent = 0
    while x > 2**14 - 1:
        x = (x + 1) >> 1
        exponent += 1
        if exponent > 63:
            raise Refused("JointBound")
    return x | exponent << 14


def unpack_float(f: int) -> int:
    """Value of a float."""
    return (f & (2**14 - 1)) << (f >> 14)


def value(word: int, name: str) -> int:
    """One value of a hot or ramp word, floats unpacked."""
    return _values(word >> STATE_BITS)[name]


@lru_cache(maxsize=4_096)
def _values(packed: int) -> dict[str, int]:
    """All values of a word without its state bits; markets change theirs seldom."""
    found = {}
    for name, (shift, width) in LAYOUT.items():
        raw = (packed >> (shift - STATE_BITS)) & ((1 << width) - 1)
        found[name] = unpack_float(raw) if name in FLOATS else raw
    return found


def packed_up(amount: int, name: str) -> int:
    """A value shifted into its place, floats rounded up; Refused where it does not fit."""
    shift, width = LAYOUT[name]
    raw = pack_float_up(amount) if name in FLOATS else amount
    if raw >> width:
        raise Refused("JointBound")
    return raw << shift


def root_coefficient_up(rate: int, depth: int) -> int:
    """rate (nano at lots = depth) / sqrt(depth), in 2^-32 RATE per root unit."""
    return div_up((rate * 100) << 52, isqrt(depth << 64))


def encode(p: MarketParameters) -> int:
    """Bits 96-251 of the hot word. Raises Refused as the setter does."""
    check(p)
    root = isqrt(div_up(p.horizon * 10**18, YEAR)) + 1
    slope = p.tail * root
    lowest = max(p.floor * 10**18, slope * p.forecast)
    amounts = {
        "a": div_up(slope, 10**13),
        "b": div_up(slope * (NANO - p.blend), 10**22),
        "s": div_up(slope * p.blend * p.stressed, 10**31),
        "floor": div_up(lowest, 10**22),
        "cap": div_up(p.cap, 10**5),
        "size": root_coefficient_up(p.size, p.depth),
        "concentration": root_coefficient_up(p.concentration, p.depth),
        "multiple": div_up(p.initial_multiple, 10**6),
        "initial_floor": div_up(p.initial_floor, 10**5),
        "slope": div_up(p.stale_slope, 10**3),
    }
    word = 0
    for name, amount in amounts.items():
        word |= packed_up(amount, name)
    return word


# --- ramps ----------------------------------------------------------------------------------------


def between_up(old: int, new: int, elapsed: int, duration: int) -> int:
    """The point on the line from old to new after elapsed of duration, rounded up."""
    if new >= old:
        return old + div_up((new - old) * elapsed, duration)
    return new + div_up((old - new) * (duration - elapsed), duration)


def ramp_over(ramp: int, now: int) -> bool:
    """Whether a ramp has reached its target."""
    return now >= (ramp & (2**32 - 1)) + ((ramp >> 32) & (2**24 - 1))


def in_force(target: int, ramp: int, now: int) -> int:
    """Hot word with the values in force for maintenance margin."""
    if ramp_over(ramp, now):
        return target
    elapsed = max(0, now - (ramp & (2**32 - 1)))
    duration = (ramp >> 32) & (2**24 - 1)
    word = target & STATE_MASK
    for name in LAYOUT:
        amount = between_up(value(ramp, name), value(target, name), elapsed, duration)
        word |= packed_up(amount, name)
    return word


def stricter(a: int, b: int) -> int:
    """The larger of each pair of values; state bits of `a`."""
    if a >> STATE_BITS == b >> STATE_BITS:
        return a
    word = a & STATE_MASK
    for name, (shift, width) in LAYOUT.items():
        chosen = b if value(a, name) < value(b, name) else a
        word |= chosen & (((1 << width) - 1) << shift)
    return word


def _rise(old: int, new: int) -> int:
    return 0 if new <= old else div_up((new - old) * NANO, max(old, div_up(new, MIN_BASE)))


def _fall(old: int, new: int) -> int:
    return 0 if new >= old else div_up((old - new) * NANO, old)


def ramp_seconds(old: int, new: int) -> int:
    """Length of the ramp from one set of values to another, seconds."""
    rise = max(_rise(value(old, n), value(new, n)) for n in RATES)
    fall = max(_fall(value(old, n), value(new, n)) for n in RATES)
    before, after = value(old, "slope"), value(new, "slope")
    if after > before:
        age = min(NANO, (after - before) * 65_535_000)
        rise = (rise * (NANO + age) + age * (NANO + rise)) // NANO
    else:
        fall += min(NANO // 2, (before - after) * 65_535_000)
    fall += _fall(value(old, "multiple"), value(new, "multiple"))
    fall = max(fall, _fall(value(old, "initial_floor"), value(new, "initial_floor")))
    up = div_up(rise * 3600, RAISE_PER_HOUR)
    down = div_up(fall * 86_400, LOWER_PER_DAY)
    return min(max(up, down), MAX_RAMP)


# --- slow root ------------------------------------------------------------------------------------


def accrued_up(slow: int, live: int, elapsed: int, coefficient: int) -> int:
    """The slow root after `elapsed` seconds at an unchanged live root (slow_root.vy)."""
    if live <= slow:
        return slow - (slow - live) * elapsed // (elapsed + TAU)
    rise = div_up((live - slow) * elapsed, elapsed + TAU)
    if coefficient:
        rise = min(rise, div_up((RISE_PER_DAY << 32) * elapsed, 86_400 * coefficient))
    return slow + rise


def slow_root(hot: int, live: int, now: int) -> int:
    """The slow root of a hot word brought to now."""
    elapsed = now - ((hot >> 56) & (2**32 - 1))
    return accrued_up((hot >> 16) & (2**40 - 1), live, elapsed, value(hot, "concentration"))


# --- quote words ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quote:
    """The fields of a quote word (contracts/modules/quote_word.vy)."""

    mark: int  # ticks
    funding: int = 0  # ticks, signed
    age: int = 0  # s
    low: int = 0  # 1e-5
    high: int = 0  # 1e-5
    state: int = 0
    sigma: int = 0  # 1e-6, annualised, an upper bound
    recovering: bool = False

    def pack(self) -> int:
        """The word."""
        return (
            self.mark
            | (self.funding & (2**56 - 1)) << 56
            | min(self.age, 2**16 - 1) << 112
            | self.low << 128
            | self.high << 144
            | self.state << 160
            | self.recovering << 162
            | min(self.sigma, 2**25 - 1) << 231
        )

    @classmethod
    def unpack(cls, word: int) -> Quote:
        """The fields of a word."""
        funding = (word >> 56) & (2**56 - 1)
        return cls(
            mark=word & (2**56 - 1),
            funding=funding - (funding >> 55 << 56),
            age=(word >> 112) & 65_535,
            low=(word >> 128) & 65_535,
            high=(word >> 144) & 65_535,
            state=(word >> 160) & 3,
            sigma=word >> 231,
            recovering=bool(word >> 162 & 1),
        )


# --- assessment -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Leg:
    """A position: market id, live root of open interest, signed lots, and g in qu."""

    market: int
    root: int
    lots: int
    g: int

    def pack(self) -> int:
        """The position word, signed, as the ABI takes it."""
        return self.g << 128 | self.lots % 2**64 << 64 | self.root << 16 | self.market


@dataclass(frozen=True)
class Holding:
    """Collateral: token units, feed id, haircuts in 1e-4, token decimals, asset id."""

    amount: int
    feed: int
    maintenance_haircut: int
    initial_haircut: int
    decimals: int
    asset: int = 0

    def pack(self) -> int:
        """The word that the vault returns."""
        return (
            self.amount
            | self.feed << 128
            | self.maintenance_haircut << 144
            | self.initial_haircut << 160
            | self.decimals << 176
            | self.asset << 184
        )


@dataclass(frozen=True)
class Assessment:
    """One account's margin, qu unless said; see IRiskModel.Assessment."""

    unrealised: int = 0
    collateral: int = 0
    linear: int = 0
    superlinear: int = 0
    initial_value: int = 0
    initial: int = 0
    state: int = 0
    stale_requirement: int = 0
    stale_value: int = 0

    @property
    def requirement(self) -> int:
        """R."""
        return self.linear + self.superlinear


@dataclass(frozen=True)
class LegMargin:
    """A leg's share of the sums: MM parts in qu x MM_SCALE, IM in qu x IM_SCALE."""

    linear: int
    superlinear: int
    initial: int


def size_root_up(lots: int) -> int:
    """An upper bound of sqrt(lots << 24): a guess on a line and four Newton steps from it."""
    rest, half = lots, 0
    for bits in (32, 16, 8):
        if rest >> bits:
            rest, half = rest >> bits, half + bits // 2
    root = (rest + 16) * 351 << half
    for _ in range(4):
        root = (root + (lots << 24) // root) >> 1
    return root + 1


def _rates(word: int, sigma: int, lots: int) -> tuple[int, int]:
    """(base, size add-on), in RATE x 2^-32."""
    blended = value(word, "b") * sigma + value(word, "s") * 10**6
    base = max(value(word, "a") * sigma, blended, value(word, "floor") * 10**6)
    base = min(base, value(word, "cap") * 10**7)
    return base << 32, value(word, "size") * size_root_up(lots)


def _age(word: int, seconds: int) -> int:
    """The stale-age multiplier, 1e-6, from 1 to 2."""
    return AGE_ONE + min(AGE_ONE, value(word, "slope") * seconds)


def leg_margin(hot: int, ramp: int, leg: Leg, quote: Quote, now: int) -> LegMargin:
    """Margin of one leg in an open market."""
    lots = abs(leg.lots)
    notional = lots * quote.mark
    slow = slow_root(hot, leg.root, now)
    word = in_force(hot, ramp, now) if hot & RAMP_FLAG else hot
    base, growth = _rates(word, quote.sigma, lots)
    scaled = notional * _age(word, quote.age)
    linear = scaled * (base + value(word, "concentration") * slow)
    superlinear = scaled * growth
    strict = stricter(word, hot)
    base, growth = _rates(strict, quote.sigma, lots)
    rate = base + growth + value(strict, "concentration") * max(leg.root, slow)
    lowest = value(strict, "initial_floor") * INITIAL_FLOOR_UNIT
    rate = max(value(strict, "multiple") * rate, lowest)
    return LegMargin(linear, superlinear, notional * _age(strict, quote.age) * rate)


@dataclass
class StandardMargin:
    """The contract's state and calls.

    `word_of(feed)` and `settlement_of(feed)` stand for the oracle. Times are passed in, in seconds.
    Callers are not checked: the contract's roles are not modelled.
    """

    word_of: Callable[[int], int]
    settlement_of: Callable[[int], int]
    hot: dict[int, int] = field(default_factory=dict)
    ramps: dict[int, int] = field(default_factory=dict)
    parameters: dict[int, MarketParameters] = field(default_factory=dict)
    closed_words: dict[int, int] = field(default_factory=dict)

    def list_market(self, market: int, feed: int, p: MarketParameters, now: int) -> None:
        """First parameters of a market."""
        if not (0 <= market < 2**16 and 1 <= feed < 2**16):
            raise Refused("BadParameter")
        if market in self.hot:
            raise Refused("AlreadyListed")
        word = feed | now << 56 | encode(p)
        if Quote.unpack(self.word_of(feed)).mark == 0:
            raise Refused("NoPrice")
        self.hot[market] = word
        self.parameters[market] = p

    def set_parameters(self, market: int, p: MarketParameters, now: int) -> None:
        """New target values; the ramp starts from the values in force."""
        word = self._hot(market)
        if word & CLOSED_FLAG:
            raise Refused("MarketClosed")
        new = encode(p)
        old = self.maintenance_word(market, now)
        duration = ramp_seconds(old, new)
        word = word & STATE_MASK & ~RAMP_FLAG | new
        if duration:
            word |= RAMP_FLAG
            self.ramps[market] = old >> STATE_BITS << STATE_BITS | now + GRACE | duration << 32
        self.hot[market] = word
        self.parameters[market] = p

    def maintenance_word(self, market: int, now: int) -> int:
        """Hot word with the values in force."""
        word = self._hot(market)
        return in_force(word, self.ramps[market], now) if word & RAMP_FLAG else word

    def quote(self, market: int, root: int, now: int) -> int:
        """Accrue the slow root with the root that held until now; the market's quote word."""
        word = self._hot(market)
        if word & CLOSED_FLAG:
            return self.closed_words[market]
        if (word >> 56) & (2**32 - 1) != now:
            if root >= 2**40:
                raise Refused("OutOfRange")
            fresh = word & ~((2**72 - 1) << 16) | slow_root(word, root, now) << 16 | now << 56
            if word & RAMP_FLAG and ramp_over(self.ramps[market], now):
                fresh &= ~RAMP_FLAG
            self.hot[market] = fresh
        return self.word_of(word & 65_535)

    def peek(self, market: int) -> int:
        """The market's quote word."""
        word = self._hot(market)
        return self.closed_words[market] if word & CLOSED_FLAG else self.word_of(word & 65_535)

    def close(self, market: int) -> None:
        """Fix mark and funding index for ever."""
        word = self._hot(market)
        if word & CLOSED_FLAG:
            raise Refused("MarketClosed")
        mark = self.settlement_of(word & 65_535)
        if not 0 < mark < 2**56:
            raise Refused("NoPrice")
        funding = Quote.unpack(self.word_of(word & 65_535)).funding
        self.closed_words[market] = Quote(mark, funding).pack()
        self.hot[market] = word | CLOSED_FLAG

    def assess(self, legs: Sequence[Leg], holdings: Sequence[Holding], now: int) -> Assessment:
        """Margin of one account."""
        words = {leg.market: self.peek(leg.market) for leg in legs}
        return self._assess(legs, holdings, now, words)

    def assess_one(self, leg: Leg, word: int, now: int) -> Assessment:
        """`assess` of one leg and no holding at a given quote word; a closed market ignores it."""
        closed = self._hot(leg.market) & CLOSED_FLAG
        return self._assess([leg], [], now, {leg.market: self.peek(leg.market) if closed else word})

    def _assess(
        self, legs: Sequence[Leg], holdings: Sequence[Holding], now: int, words: dict[int, int]
    ) -> Assessment:
        quotes = {market: Quote.unpack(word) for market, word in words.items()}
        unrealised = linear = superlinear = initial = stale = recovering = edge = state = 0
        for leg in legs:
            quote = quotes[leg.market]
            unrealised += leg.lots * (quote.mark - quote.funding) + leg.g
            hot = self.hot[leg.market]
            if hot & CLOSED_FLAG:
                continue
            edge += abs(leg.lots) * quote.mark * (quote.low if leg.lots >= 0 else quote.high)
            margin = leg_margin(hot, self.ramps.get(leg.market, 0), leg, quote, now)
            linear += margin.linear
            superlinear += margin.superlinear
            initial += margin.initial
            state = max(state, quote.state)
            if quote.state >= 2:
                stale += margin.linear + margin.superlinear
            elif quote.recovering:
                recovering += margin.linear + margin.superlinear
        collateral = haircut = initial_haircut = stale_haircut = stale_value = 0
        recovering_value = 0
        for holding in holdings:
            quote = Quote.unpack(self.word_of(holding.feed))
            worth = holding.amount * quote.mark * 10**6 // 10**holding.decimals
            cut = holding.maintenance_haircut
            collateral += worth
            haircut += worth * cut
            initial_haircut += worth * max(cut, holding.initial_haircut)
            edge += worth * quote.low
            state = max(state, quote.state)
            if quote.state >= 2:
                stale_haircut += worth * cut
                stale_value += worth
            elif quote.recovering:
                recovering_value += worth
        flat = div_up(linear, MM_SCALE) + div_up(haircut, 10**4)
        grown = div_up(superlinear, MM_SCALE)
        opening = div_up(initial, IM_SCALE) + div_up(initial_haircut, 10**4)
        waiting = div_up(stale + recovering, MM_SCALE) + recovering_value
        return Assessment(
            unrealised=unrealised,
            collateral=collateral,
            linear=flat,
            superlinear=grown,
            initial_value=unrealised + collateral - div_up(edge, 10**5),
            initial=max(opening, flat + grown),
            state=state,
            stale_requirement=waiting + div_up(stale_haircut, 10**4),
            stale_value=div_up(stale, MM_SCALE) + stale_value,
        )

    def _hot(self, market: int) -> int:
        if market not in self.hot:
            raise Refused("UnknownMarket")
        return self.hot[market]
