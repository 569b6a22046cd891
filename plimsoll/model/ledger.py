"""Perpetual positions and their O(1) aggregates, in exact integers.

A position is `(lots, g, epoch)`: signed lots, g = quote + lots * index of its side when written
(qu), and its side's epoch. With `basis` = mark - funding index C, and X the side's charge index,
its P&L at mark is lots * (basis - X) + g. A side is 1 for longs, -1 for shorts.

Deleveraging closes q of a side's T lots pro rata in O(1): the multiplier P falls to
P (T - q) // T, K grows by (P - P') (basis - X), and each holder follows on its next touch. Below
`p_min` an era ends and P starts again at `p_one`. Lots are floored per holder; the fraction of a
lot is the fund's.

Both sides' open interest is kept apart here although they are always equal: the equality is a
property to assert (P3), not an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from plimsoll.model.rounding import div_floor, require

P_ONE = 2**95
P_MIN = 2**55
LOTS_LIMIT = 2**56
G_LIMIT = 2**126  # with charges folded in, g still fits an int128
X_LIMIT = 2**55
FEES_LIMIT = 2**79
PARTS = 24  # bits of a lot's fraction that are counted


class Position(NamedTuple):
    """Signed lots, g (qu), epoch of the side when last written."""

    lots: int = 0
    g: int = 0
    epoch: int = 0


class Record(NamedTuple):
    """A side's multiplier, K and era when an epoch began."""

    p: int
    k: int
    era: int


class Ended(NamedTuple):
    """A finished era: final multiplier, K, and the basis less charge of its last shrink."""

    p: int
    k: int
    gap: int


class Touched(NamedTuple):
    """A position brought to now: lots and g, or, where no whole lot is left, what goes to cash.

    `over` is the fraction of a lot that is the fund's then, 2^-24, of the running era alone.
    """

    lots: int
    g: int
    spill: int
    over: int = 0


class Counted(NamedTuple):
    """What is counted as the fund's of a side (residuals.py): shares, their cost, their era."""

    shares: int = 0
    cost: int = 0
    era: int = 0


NOTHING_COUNTED = Counted()


class Joined(NamedTuple):
    """A position after lots were added; `dg` is the change of G."""

    lots: int
    g: int
    cash: int
    dg: int
    closed: int


@dataclass
class Side:
    """One side of a market. `records` and `ended` only ever grow."""

    sign: int
    p: int
    oi: int = 0  # lots, the fund's residual included
    x: int = 0  # ticks charged per lot, sign of the index (longs' rises, shorts' falls)
    k: int = 0
    epoch: int = 0
    era: int = 0
    charged: int = 0  # ticks per lot charged in the window
    window_start: int = 0  # s
    records: dict[int, Record] = field(default_factory=dict)
    ended: dict[int, Ended] = field(default_factory=dict)
    counted: Counted = NOTHING_COUNTED


@dataclass
class Market:
    """Both sides, G (qu) and the fees held (qu)."""

    p_one: int = P_ONE
    p_min: int = P_MIN
    g: int = 0
    fees: int = 0
    sides: dict[int, Side] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.sides:
            self.sides = {
                s: Side(s, self.p_one, records={0: Record(self.p_one, 0, 0)}) for s in (1, -1)
            }

    def copy(self) -> Market:
        """A copy that later changes do not reach (append-only histories are shared)."""
        other = Market.__new__(Market)
        other.__dict__.update(self.__dict__)
        other.sides = {}
        for sign, side in self.sides.items():
            twin = Side.__new__(Side)
            twin.__dict__.update(side.__dict__)
            other.sides[sign] = twin
        return other

    # -- reading

    @property
    def oi(self) -> int:
        """Open interest of either side, lots."""
        return self.sides[1].oi

    def side(self, lots: int) -> Side:
        """The side that signed lots are on."""
        return self.sides[1 if lots > 0 else -1]

    def unrealised(self) -> int:
        """Sum of unrealised P&L over all holders and the residual, qu: mark-free because L = S."""
        longs, shorts = self.sides[1], self.sides[-1]
        return self.g - longs.x * longs.oi + shorts.x * shorts.oi

    def value(self, lots: int, g: int, basis: int) -> int:
        """P&L at mark of a touched position, qu."""
        return lots * (basis - self.side(lots).x) + g if lots else g

    def touch(self, position: Position, basis: int) -> Touched:
        """A position as a touch now leaves it; nothing is written."""
        lots, g, epoch = position
        if lots == 0:
            return Touched(0, 0, 0)
        side = self.side(lots)
        if epoch == side.epoch:
            return Touched(lots, g, 0)
        a, g, over = self._replay(side, abs(lots), g, epoch, basis)
        return Touched(side.sign * a, g, 0, over) if a else Touched(0, 0, g, over)

    def _replay(self, side: Side, a: int, g: int, epoch: int, basis: int) -> tuple[int, int, int]:
        """Carry a (unsigned lots) and g through the shrinks since `epoch`, one floor per era."""
        p0, k0, era = side.records[epoch]
        over = 0
        while a:
            p1, k1, gap = side.ended[era] if era < side.era else (side.p, side.k, basis - side.x)
            a_new, rest = divmod(a * p1, p0)
            if era == side.era:
                over = (rest << PARTS) // p0
            g += div_floor(side.sign * (a * (k1 - k0) + rest * gap), p0)
            a, era, p0, k0 = a_new, era + 1, self.p_one, 0
            if era > side.era:
                break
        return a, g, over

    # -- changing

    def put(self, lots: int, g: int) -> Position:
        """The stored form of a touched position (all zero without lots)."""
        if lots == 0:
            return Position()
        require(abs(lots) < LOTS_LIMIT and -G_LIMIT <= g < G_LIMIT, "OutOfRange")
        return Position(lots, g, self.side(lots).epoch)

    def join(self, lots: int, g: int, add: int, g_in: int) -> Joined:
        """Add signed lots carrying g_in to a touched position; opposite lots close without a price.

        The sides' open interest is moved by `apply_join`, once the caller has booked the rest.
        """
        if lots * add >= 0:
            return Joined(lots + add, g + g_in, 0, g_in, 0)
        mine, theirs = abs(lots), abs(add)
        o = min(mine, theirs)
        out, into = div_floor(g * o, mine), div_floor(g_in * o, theirs)
        cash = o * (self.sides[-1].x - self.sides[1].x) + out + into
        left = (g - out) + (g_in - into)
        return Joined(lots + add, left, cash, g_in - out - into, o)

    def apply_join(self, add: int, closed: int) -> None:
        """Open interest after `add` signed lots joined and `closed` of them closed."""
        self.sides[1 if add > 0 else -1].oi += abs(add)
        self.sides[1].oi -= closed
        self.sides[-1].oi -= closed

    def check_oi(self) -> None:
        """Refuse an open interest that does not fit."""
        require(0 <= self.oi < LOTS_LIMIT, "OutOfRange")

    @staticmethod
    def part(lots: int, g: int, n: int) -> tuple[int, int]:
        """What n lots (unsigned) carry away: signed lots and their share of g, rounded down."""
        return (n if lots > 0 else -n), div_floor(g * n, abs(lots))

    def charge_left(self, sign: int) -> int:
        """What a lot of a side may still be charged before its index is at its width, ticks."""
        x = self.sides[sign].x
        return X_LIMIT - 1 - x if sign > 0 else X_LIMIT + x

    def charge(self, sign: int, per_lot: int) -> None:
        """Charge every lot of a side `per_lot` ticks through its index."""
        side = self.sides[sign]
        side.x += sign * per_lot
        require(-X_LIMIT <= side.x < X_LIMIT, "ChargeOverflow")

    def shrink(self, sign: int, q: int, basis: int) -> None:
        """Close q of a side's lots at mark, pro rata over its holders; 0 < q <= oi."""
        side = self.sides[sign]
        total = side.oi
        assert 0 < q <= total, (q, total)
        gap = basis - side.x
        p = side.p * (total - q) // total
        side.k += (side.p - p) * gap
        side.p = p
        self.g += sign * q * gap
        side.oi -= q
        if p < self.p_min:
            side.ended[side.era] = Ended(p, side.k, gap)
            side.era += 1
            side.p, side.k = self.p_one, 0
        side.epoch += 1
        side.records[side.epoch] = Record(side.p, side.k, side.era)

    def charge_room(self, sign: int, cap: int, window: int, now: int) -> int:
        """What a side may still be charged per lot in the running window."""
        side = self.sides[sign]
        spent = side.charged if now < side.window_start + window else 0
        return max(cap - spent, 0)

    def charge_note(self, sign: int, per_lot: int, window: int, now: int) -> None:
        """Count a capped charge; a window starts with its first charge."""
        side = self.sides[sign]
        if now >= side.window_start + window:
            side.window_start, side.charged = now, 0
        side.charged = min(side.charged + per_lot, 2**56 - 1)

    def book(self, dg: int, fee: int = 0) -> None:
        """Move G and the fees."""
        self.g += dg
        self.fees += fee
        fits = -G_LIMIT <= self.g + self.fees < G_LIMIT and 0 <= self.fees < FEES_LIMIT
        require(fits, "OutOfRange")
