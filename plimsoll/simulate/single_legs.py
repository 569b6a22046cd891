"""Single legs in a stress run: which leg of an account in auction pays a keeper, and for how much.

A leg is taken at mark for x of the R that its sale removes, so its keeper hedges one market, brings
no ether to the market and need not deal in what else the account holds. R grows faster than size:
the first lots off a large leg remove more of it than the same part of the whole account would.
What pays is found on the book's doubles; the contracts are asked (`leg_quote`, some milliseconds)
only for a leg about to be taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plimsoll.simulate.book import MARKETS, Book
from plimsoll.simulate.market_impact import Impact

NANO = 10**9
TRIES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.06, 0.03)  # parts of what is on sale


@dataclass(frozen=True)
class Leg:
    """A part of one leg: signed notional in USD, what it brings before and after its hedge."""

    market: int
    share: float  # of the leg
    notional: float
    premium: float
    profit: float  # without gas


def best_leg(
    book: Book, impact: Impact, account: int, quote: Any, curve: Any, markets: set[int]
) -> Leg | None:
    """The leg of these markets that leaves the most; `quote` is the auction's, in quote units."""
    row = book.row[account]
    equity, need = float(book.equity[row]), float(book.requirement[row])
    x, fee, goal = quote.x / NANO, curve.fee / NANO, 1 + curve.buffer / NANO
    if equity <= (x + fee) * need or goal <= x + fee:
        return None
    prices = [float(one) for one in book.mark]
    most = (goal * need - equity) / (goal - x - fee)  # R that a sale may remove
    found: list[Leg] = []
    for market in MARKETS:
        lots = float(book.lots[row, market])
        if not lots or market not in markets:
            continue
        found += _parts(book, impact, market, lots, most, x, prices)
    return max(found, key=lambda one: one.profit, default=None)


def _parts(
    book: Book,
    impact: Impact,
    market: int,
    lots: float,
    most: float,
    x: float,
    prices: list[float],
) -> list[Leg]:
    whole = book.leg_requirement(market, lots)
    top = min(1.0, most / whole)  # of the leg, at least: R falls faster than size
    parts = []
    for part in TRIES:
        share = top * part
        flow = share * lots * prices[market]
        removed = whole - book.leg_requirement(market, lots * (1 - share))
        flows = [flow if one == market else 0.0 for one in MARKETS]
        premium = x * removed
        parts.append(Leg(market, share, flow, premium, premium - impact.cost(flows, prices)))
    return parts
