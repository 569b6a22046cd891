"""ImpliedSurfaces in integers, bit for bit: SVI slices, their checks, reports, states.

Parameters, log-moneyness and total variance are 1e-12, square roots 1e-24, forwards ticks, times
seconds. Refusals are `ModelError`s with the contract's name, in the contract's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import isqrt

from plimsoll.model.rounding import div_trunc, require
from plimsoll.signed_surfaces import SliceReport, SurfaceReport

ONE = 10**12
ROOT_ONE = 10**24
MAX_LOG_MONEYNESS = 8 * 10**12
STRIKES = tuple(n * 10**10 for n in (-150, -75, -35, -15, 0, 15, 35, 75, 150))
AT_THE_MONEY = 4
YEAR = 31_536_000
CAPACITY = 12
GRID = 1_800
MAX_TENOR = 750 * 86_400
MAX_HALT = 3 * 86_400
OK, STALE, HALTED, ABSENT = 0, 2, 3, 4


@dataclass(frozen=True)
class SurfaceTerms:
    """A feed's rules, as contracts/oracle/surface_terms.vy documents and bounds them."""

    signer_set: int
    max_age: int
    forward_band: int  # 1e-4
    forward_rate: int  # 1e-4 per year
    min_volatility: int  # 1e-4
    max_volatility: int  # 1e-4
    max_slope: int  # 1e-4

    def check(self) -> None:
        """Raise BadParameter where a value is out of its bounds."""
        bounds = (
            (self.signer_set, 1, 2**32 - 1),
            (self.max_age, 1, 86_400),
            (self.forward_band, 1, 5_000),
            (self.forward_rate, 0, 20_000),
            (self.max_volatility, 1, 100_000),
            (self.min_volatility, 0, self.max_volatility),
            (self.max_slope, 1, 20_000),
        )
        require(all(low <= x <= high for x, low, high in bounds), "BadParameter")


# -- one slice


def total_variance(s: SliceReport, k: int) -> int:
    """w(k), rounded down; may be -1 where the lowest total variance is 0."""
    y = k - s.m
    rise = s.rho * y + isqrt((y * y + s.sigma * s.sigma) * ROOT_ONE)
    return s.a + s.b * rise // ROOT_ONE


def lowest_variance(s: SliceReport) -> int:
    """a + b sigma sqrt(1 - rho^2), rounded down."""
    return s.a + s.b * s.sigma * isqrt(ROOT_ONE - s.rho * s.rho) // ROOT_ONE


def grid(s: SliceReport) -> tuple[int, ...]:
    """w at STRIKES."""
    return tuple(total_variance(s, k) for k in STRIKES)


def density_is_sound(s: SliceReport, k: int) -> bool:
    """Whether the density of the price at the expiry is not negative at k; w(k) must be > 0."""
    y, w = k - s.m, total_variance(s, k)
    square = y * y + s.sigma * s.sigma
    root = isqrt(square * ROOT_ONE)
    slope = div_trunc(s.b * (s.rho * ONE + div_trunc(y * 10**36, root)), ONE)
    curvature = s.b * s.sigma * s.sigma * 10**36 // (square * root)
    side = ROOT_ONE - div_trunc(k * slope, 2 * w)
    squared = slope * slope
    minus = squared * ONE // (4 * w) + squared // 16
    return side * side + curvature * (ROOT_ONE // 2) >= minus


def check_slice(s: SliceReport, terms: SurfaceTerms, index: int, time: int) -> None:
    """Everything that is asked of one slice alone, in the contract's order."""
    require(0 < s.forward < 2**56, "OutOfRange")
    fits = abs(s.a) < 2**47 and s.b < 2**42 and abs(s.m) < 2**43 and s.sigma < 2**43
    require(fits, "OutOfRange")
    require(abs(s.rho) < ONE and s.sigma > 0, "BadSlice")
    require(s.b * (ONE + abs(s.rho)) <= terms.max_slope * 10**20, "WingSlope")
    tenor = s.expiry - time
    allowance = terms.forward_band * YEAR + terms.forward_rate * tenor
    require(abs(index - s.forward) * 10_000 * YEAR <= index * allowance, "ForwardBand")
    for k in STRIKES:
        require(total_variance(s, k) >= 1, "VarianceBounds")
        require(density_is_sound(s, k), "ButterflyArbitrage")
    least, most = (v * v * 10_000 * tenor for v in (terms.min_volatility, terms.max_volatility))
    within = lowest_variance(s) * YEAR >= least and total_variance(s, 0) * YEAR <= most
    require(within, "VarianceBounds")


def check_calendar(near: SliceReport, far: SliceReport) -> None:
    """Raise CalendarArbitrage where total variance falls at one of STRIKES."""
    require(all(a <= b for a, b in zip(grid(near), grid(far), strict=True)), "CalendarArbitrage")


# -- the contract


@dataclass
class Stored:
    """What is kept of an expiry: the slice in force, and what was taken last."""

    slice: SliceReport | None = None
    sequence: int = 0
    time: int = 0


@dataclass
class Surface:
    """One feed's surface. Signatures are the contract's affair: reports here are signed."""

    feed: int
    terms: SurfaceTerms
    listed: list[int] = field(default_factory=list)  # ascending, past ones included
    kept: dict[int, Stored] = field(default_factory=dict)
    halted_until: int = 0

    # -- governance and guardian

    def list_expiries(self, expiries: Iterable[int], now: int) -> None:
        """Free the places of past expiries, then list these."""
        for passed in [one for one in self.listed if one <= now]:
            self.kept.pop(passed, None)
        listed = [one for one in self.listed if one > now]
        for expiry in expiries:
            require(expiry % GRID == 0 and expiry <= now + MAX_TENOR, "BadArgument")
            require(expiry > now, "Expired")
            require(len(listed) < CAPACITY, "TooMany")
            require(expiry not in listed, "AlreadyListed")
            listed = sorted([*listed, expiry])
        self.listed = listed

    def unlist_expiry(self, expiry: int) -> None:
        """Take an expiry and its slice off; what was taken last is remembered."""
        require(expiry in self.listed, "UnknownExpiry")
        self.listed.remove(expiry)
        if expiry in self.kept:
            self.kept[expiry].slice = None

    def halt(self, duration: int, now: int) -> None:
        """Halt for this long; only ever longer."""
        require(1 <= duration <= MAX_HALT, "BadArgument")
        self.halted_until = max(self.halted_until, now + duration)

    # -- reports

    def submit(self, report: SurfaceReport, read_index: Callable[[], int], now: int) -> None:
        """Take a report, all or nothing. `read_index` gives ticks or raises as the oracle does."""
        require(self.halted_until <= now, "SurfaceHalted")
        require(len(report.slices) > 0, "BadArgument")
        require(report.time <= now, "FutureReport")
        require(report.time + self.terms.max_age >= now, "OldReport")
        require(report.sequence < 2**64, "OutOfRange")
        index = read_index()
        before = {expiry: replace(one) for expiry, one in self.kept.items()}
        try:
            self._take_all(report, index, now)
        except Exception:
            self.kept = before
            raise

    def _take_all(self, report: SurfaceReport, index: int, now: int) -> None:
        last = 0
        for place, one in enumerate(report.slices):
            require(one.expiry > last, "BadArgument")
            require(one.expiry > now, "Expired")
            require(one.expiry in self.listed, "UnknownExpiry")
            kept = self.kept.get(one.expiry, Stored())
            newer = report.sequence > kept.sequence and report.time >= kept.time
            require(newer, "OldReport")
            check_slice(one, self.terms, index, report.time)
            self.kept[one.expiry] = Stored(one, report.sequence, report.time)
            self._check_neighbours(one, report.slices[place + 1 :], now)
            last = one.expiry

    def _check_neighbours(self, one: SliceReport, later: Sequence[SliceReport], now: int) -> None:
        position = self.listed.index(one.expiry)
        for expiry in reversed(self.listed[:position]):
            if (near := self._fresh(expiry, now)) is not None:
                check_calendar(near, one)
                break
        for expiry in self.listed[position + 1 :]:
            if later and expiry == later[0].expiry:
                break
            if (far := self._fresh(expiry, now)) is not None:
                check_calendar(one, far)
                break

    def _fresh(self, expiry: int, now: int) -> SliceReport | None:
        kept = self.kept.get(expiry)
        if expiry <= now or kept is None or kept.time + self.terms.max_age < now:
            return None
        return kept.slice

    # -- views

    def expiries(self, now: int) -> list[int]:
        """Listed and to come."""
        return [one for one in self.listed if one > now]

    def state(self, expiry: int, now: int) -> int:
        """OK, STALE, HALTED or ABSENT."""
        kept = self.kept.get(expiry)
        if kept is None or kept.slice is None or expiry <= now:
            return ABSENT
        if self.halted_until > now:
            return HALTED
        return STALE if self._fresh(expiry, now) is None else OK

    def surface(self, expiry: int, now: int) -> tuple[int, ...]:
        """The fields of the contract's `Slice`."""
        kept, state = self.kept.get(expiry, Stored()), self.state(expiry, now)
        if state == ABSENT or kept.slice is None:
            return (0, 0, 0, 0, 0, 0, 0, kept.sequence, ABSENT)
        s = kept.slice
        return (s.forward, s.a, s.b, s.rho, s.m, s.sigma, kept.time, kept.sequence, state)

    def total_variance(self, expiry: int, k: int, now: int) -> int:
        """w(k) of the slice in force, rounded down, not negative."""
        require(abs(k) <= MAX_LOG_MONEYNESS, "OutOfRange")
        return max(total_variance(self._existing(expiry, now), k), 0)

    def implied_at_the_money(self, expiry: int, now: int) -> int:
        """1e-6, annualised over the time that was left at the report, rounded up."""
        w = total_variance(self._existing(expiry, now), 0)
        return isqrt((w + 2) * YEAR // (expiry - self.kept[expiry].time) + 1) + 1

    def _existing(self, expiry: int, now: int) -> SliceReport:
        require(self.state(expiry, now) != ABSENT, "NoSurface")
        found = self.kept[expiry].slice
        assert found is not None
        return found
