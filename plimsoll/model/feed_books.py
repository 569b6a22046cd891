"""What the oracle adapter keeps of past prices: variance, half hours, slow average and premium.

Pure integers; bit for bit contracts/oracle/realised_variance.vy and settlement_window.vy. Units:
prices ticks, times s, variance 1e-16 annualised, premium 1e-12 of price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from plimsoll.model.fixed_point import Q, exp_neg, ln_ratio

WINDOW = 1800
MAX_FURTHER = 36
YEAR_SCALE = 365 * 86_400 * 10**16


class VarianceTerms(Protocol):
    """What of a feed's terms the variance needs."""

    @property
    def variance_tau(self) -> int:
        """Minutes."""

    @property
    def spacing(self) -> int:
        """Seconds."""

    @property
    def sigma_cap(self) -> int:
        """1e-2, annualised."""


@dataclass(frozen=True)
class Variance:
    """The history word's low bits: variance 1e-16; price and time of the last sample."""

    variance: int
    price: int = 0
    time: int = 0

    def sample(self, terms: VarianceTerms, price: int, now: int) -> Variance:
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


class Window(NamedTuple):
    """A half hour in which a price was replaced by one of a later half hour."""

    average: int  # ticks, rounded down; 0: not OK throughout
    held: int  # ticks at its end
    further: int  # whole half hours after it at that price

    def word(self) -> int:
        """As stored."""
        return self.average | self.held << 56 | self.further << 112


class Passage(NamedTuple):
    """What comes of a price having been in force: the running sum, and the half hours it ended."""

    total: int
    price: int  # average of half hour `number`; 0: not whole or not at its end
    number: int
    further: int  # whole half hours after it


def passage(total: int, price: int, start: int, end: int, now: int) -> Passage:
    """OK at one price over [start, end), not OK over [end, now); `total` is the sum at `start`."""
    number, last = start // WINDOW, end // WINDOW
    whole = start % WINDOW == 0 or total > 0
    average, further = 0, 0
    if number == last:
        total = total + price * (end - start) if whole else 0
    else:
        if whole:
            average = (total + price * (WINDOW - start % WINDOW)) // WINDOW
        further = last - number - 1
        total = price * (end - last * WINDOW)
    return Passage(total if end == now else 0, average, number, further)


def slow_floor(value: int) -> int:
    """Rounded down to 15 significant bits, as the slow average is kept."""
    shift = max(0, value.bit_length() - 15)
    return value >> shift << shift


def follow_floor(slow: int, price: int, elapsed: int, tau: int) -> int:
    """The slow average (ticks, 0: none) after `elapsed` s at a price; `tau` in s."""
    if slow == 0:
        return price
    weight = exp_neg((elapsed << 96) // tau)
    return slow * weight + price * (Q - weight) >> 96


@dataclass(frozen=True)
class Settlement:
    """The running half hour's sum (0: not whole), the last complete one, slow averages."""

    total: int = 0
    last: int = 0
    price: int = 0
    premium: int = 0  # 1e-12
    slow: int = 0  # ticks
    windows: Mapping[int, Window] = field(default_factory=dict)

    def leave(self, p: Passage, held: int, tau: int, now: int) -> Settlement:
        """After the price `held` was in force as `p` says; `tau` of the slow average in s."""
        passed = now // WINDOW - p.number
        after = replace(self, total=p.total)
        if passed == 0:
            return after
        sample = held
        if p.price or p.further:
            sample = held if p.further else p.price
            window = Window(p.price, held, p.further)
            after = replace(
                after,
                last=p.number + p.further,
                price=sample,
                windows={**self.windows, p.number: window},
            )
        slow = follow_floor(self.slow, sample, passed * WINDOW, tau)
        return replace(after, slow=slow_floor(slow))

    def broken(self) -> Settlement:
        """After seconds in which the feed was not OK: the running half hour is lost."""
        return replace(self, total=0)

    def stored_price(self, number: int) -> int:
        """Price of a half hour that was left behind; 0: none."""
        if number in self.windows:
            return self.windows[number].average
        for back in range(1, min(MAX_FURTHER, number) + 1):
            window = self.windows.get(number - back)
            if window is not None:
                return window.held if window.further >= back else 0
        return 0
