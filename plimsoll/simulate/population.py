"""Who holds what in a stress run: a seeded crowd whose shape is in the tables below.

Everything is drawn from `random.Random(seed)`; the same arguments give the same people. Money in
whole USD, leverage = gross notional over equity, None: the most that the initial requirement lets
it open. Nobody is drawn under it: who asks for more than the venue gives gets the most.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

from plimsoll.simulate.venue import BTC, ETH


class Kind(Enum):
    """What somebody is there for."""

    LONG = "long"
    SHORT = "short"
    BOTH = "long both markets"
    PAIR = "long one, short the other"
    CARRY = "ether collateral, short ETH"
    MAKER = "market maker"


# Share of all accounts. What is left over by rounding are longs.
SHARES = {Kind.SHORT: 0.08, Kind.BOTH: 0.06, Kind.PAIR: 0.04, Kind.CARRY: 0.08, Kind.MAKER: 0.02}
# Of those who take a direction: share of them, least and most leverage; None: all it may.
LEVERAGE: tuple[tuple[float, tuple[float, float] | None], ...] = (
    (0.25, None),
    (0.35, (5.0, 10.0)),
    (0.25, (3.0, 5.0)),
    (0.15, (1.5, 3.0)),
)
PAIR_LEVERAGE = (4.0, 8.0)
CARRY_LEVERAGE = (0.9, 1.0)  # of the ether they hold: the short hedges it
ETHER_HOLDERS = 0.2  # share of longs whose equity is half ether: it falls with their position
FIRST_WAVE = 0.55  # share that is there from the beginning; the others come until the low
ETH_SHARE = 0.55  # of single-market longs and shorts
SPREAD = 1.0  # sigma of log equity
MAKER_EQUITY = 0.5  # of the open interest aimed at, all makers together


@dataclass(frozen=True)
class Person:
    """One account. `legs`: market and signed share of its gross notional."""

    name: str
    kind: Kind
    equity: int  # USD, ether included
    ether: float  # share of the equity held as ether
    legs: tuple[tuple[int, float], ...]
    leverage: float | None
    arrives: float  # 0: first wave; else share of the time from the beginning to the low

    @property
    def hedged(self) -> bool:
        """Whether its legs or its collateral are meant to offset each other."""
        return self.kind in (Kind.PAIR, Kind.CARRY)


def make_population(count: int, seed: int, open_interest: int, most: float = 10.0) -> list[Person]:
    """`count` accounts. `most`: the leverage that the venue allows now, which only scaling needs:
    the longs of the first wave add up to about `open_interest` USD of notional."""
    dice = random.Random(f"population {seed}")
    numbers = {kind: max(1, round(share * count)) for kind, share in SHARES.items()}
    numbers[Kind.MAKER] = max(2, numbers[Kind.MAKER])
    numbers[Kind.LONG] = count - sum(numbers.values())
    if numbers[Kind.LONG] < 1:
        raise ValueError(f"expected at least ten accounts, got {count}; take more")
    drafts = [
        _draft(dice, kind, number)
        for kind in Kind
        if kind is not Kind.MAKER
        for number in range(numbers[kind])
    ]
    longs = sum(one.equity * gross_long(one, most) for one in drafts if not one.arrives)
    scale = open_interest / longs
    people = [
        Person(
            one.name,
            one.kind,
            max(200, round(one.equity * scale)),
            one.ether,
            one.legs,
            one.leverage,
            one.arrives,
        )
        for one in drafts
    ]
    each = round(open_interest * MAKER_EQUITY / numbers[Kind.MAKER])
    return people + [
        Person(f"maker {number}", Kind.MAKER, each, 0.0, (), 0.0, 0.0)
        for number in range(numbers[Kind.MAKER])
    ]


def gross_long(one: Person, most: float) -> float:
    """Long notional over equity where the venue allows `most`."""
    leverage = most if one.leverage is None else min(most, one.leverage)
    return leverage * sum(share for _, share in one.legs if share > 0)


def _draft(dice: random.Random, kind: Kind, number: int) -> Person:
    """Somebody with an equity that is still to be scaled."""
    equity = round(10_000 * dice.lognormvariate(0, SPREAD)) + 100
    arrives = 0.0 if dice.random() < FIRST_WAVE else dice.random()
    name = f"{kind.name.lower()} {number}"
    if kind is Kind.CARRY:
        short = ((ETH, -1.0),)
        return Person(name, kind, equity, 1.0, short, dice.uniform(*CARRY_LEVERAGE), 0.0)
    if kind is Kind.PAIR:
        side = 0.5 if dice.random() < 0.5 else -0.5
        pair = ((ETH, side), (BTC, -side))
        return Person(name, kind, equity, 0.0, pair, dice.uniform(*PAIR_LEVERAGE), arrives)
    leverage = _leverage(dice)
    legs: tuple[tuple[int, float], ...]
    if kind is Kind.BOTH:
        share = dice.uniform(0.3, 0.7)
        legs = ((ETH, share), (BTC, 1 - share))
    else:
        market = ETH if dice.random() < ETH_SHARE else BTC
        legs = ((market, 1.0 if kind is Kind.LONG else -1.0),)
    ether = 0.5 if kind is not Kind.SHORT and dice.random() < ETHER_HOLDERS else 0.0
    return Person(name, kind, equity, ether, legs, leverage, arrives)


def _leverage(dice: random.Random) -> float | None:
    place = dice.random()
    for share, span in LEVERAGE:
        if place < share:
            return None if span is None else dice.uniform(*span)
        place -= share
    return None
