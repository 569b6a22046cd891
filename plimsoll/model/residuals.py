"""What the fund owns of each side since deleveraging, counted.

A position that follows a shrink keeps whole lots; its fraction of a lot goes to the fund at mark.
Counted in shares (2^-24 lots as they were when the side's era began) the fund's part is linear in
the multiplier P and in K as a holder's is: of S shares bought at a cost C there are S P / 2^95
lots-parts now, and selling them all at a gap earns sign * (S (K + P gap) / 2^95 - C). Costs round
against the fund, so that it never counts more than it owns.

Units: lots, ticks, quote units (qu); shares 2^-24 lots, costs 2^-24 qu.
"""

from __future__ import annotations

from typing import NamedTuple

from plimsoll.model.ledger import PARTS, Counted, Market, Position, Side, Touched
from plimsoll.model.rounding import div_floor, div_up, require

P_BITS = 95
SHARES_LIMIT = 2**88


class Residual(NamedTuple):
    """Whole lots counted of each side and what selling them at mark would earn, qu."""

    longs: int
    shorts: int
    long_value: int
    short_value: int


def touch(book: Market, position: Position, basis: int) -> Touched:
    """`book.touch` for who stores the position: its fraction of a lot is counted."""
    touched = book.touch(position, basis)
    if touched.over:
        _count(book.side(position.lots), touched.over, basis)
    return touched


def held(side: Side) -> Counted:
    """What is counted of a side; nothing of an era that has ended."""
    return side.counted if side.counted.era == side.era else Counted(era=side.era)


def _count(side: Side, over: int, basis: int) -> None:
    """Add a fraction of a lot (2^-24) bought at mark."""
    old = held(side)
    shares = (over << P_BITS) // side.p
    if old.shares + shares >= SHARES_LIMIT:
        return
    price = side.k + side.p * (basis - side.x)
    cost = side.sign * -div_floor(-side.sign * price * shares, 1 << P_BITS)
    side.counted = Counted(old.shares + shares, old.cost + cost, side.era)


def lots_of(side: Side) -> int:
    """Whole lots counted of a side."""
    return held(side).shares * side.p >> P_BITS + PARTS


def parted(side: Side, lots: int, basis: int) -> tuple[Counted, int]:
    """Whole lots leave at a price; what is counted after, and what the fund earns, qu."""
    old = held(side)
    out = div_up(lots << P_BITS + PARTS, side.p)
    cost = div_floor(-side.sign * old.cost * out, old.shares)
    price = side.k + side.p * (basis - side.x)
    earned = (side.sign * out * price >> P_BITS) + cost
    return Counted(old.shares - out, old.cost + side.sign * cost, side.era), earned >> PARTS


def part(side: Side, lots: int, basis: int) -> int:
    """Take lots out of what is counted; what the fund earns, qu."""
    require(lots <= lots_of(side), "NoResidual")
    side.counted, earned = parted(side, lots, basis)
    return earned


def residual_of(book: Market, basis: int) -> Residual:
    """Both sides' whole lots and what they would earn at mark."""
    lots = {s: lots_of(book.sides[s]) for s in (1, -1)}
    worth = {s: parted(book.sides[s], n, basis)[1] if n else 0 for s, n in lots.items()}
    return Residual(lots[1], lots[-1], worth[1], worth[-1])
