"""What a stress run counted: happenings, money, times. Money in quote units where exact."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


class Breach(AssertionError):
    """A property of the protocol does not hold; the text says which and where."""


@dataclass
class Loss:
    """Negative equity that was recognised: in a slice the fund paid for, or by deleveraging."""

    time: int
    account: int
    kind: str  # "slice" or "deleveraged"
    deficit: int  # qu
    bonus: int  # qu that the fund paid beyond it; slices only
    from_fund: int
    charged: int
    socialised: int


@dataclass
class Run:
    """One account's auction: when its E first was under R, when it started and ended."""

    account: int
    below: int
    started: int
    ended: int = 0


@dataclass
class Tally:
    """Everything counted in one run."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    losses: list[Loss] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    sold: float = 0.0  # USD of notional
    deleveraged: float = 0.0  # USD of notional closed against the other side
    gains: float = 0.0  # USD, discounts
    hedging: float = 0.0
    gas: float = 0.0
    longest_held: int = 0  # s for which the sale limiter held the x of one auction

    def total(self, field_name: str) -> int:
        """A sum over losses, qu."""
        return sum(int(getattr(one, field_name)) for one in self.losses)

    @property
    def beyond_fund(self) -> int:
        """What others than the fund bore, qu."""
        return self.total("charged") + self.total("socialised")
