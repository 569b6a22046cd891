"""Single legs in auction: which sales pass, and the largest that does; integers, money in qu.

Bit for bit what `contracts/liquidation/leg_sale.vy` computes; properties P15, P16, P18-P20 of
docs/properties.md. A sale is described by what it leaves, a `LegResult` of the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from plimsoll.model.auction import NANO, TOK, Curve, Standing, x_at
from plimsoll.model.engine_types import LegResult, LegTerms

SLACK = 1_000
HALVES = 2


@dataclass(frozen=True)
class LegQuote:
    """The most lots on sale and their terms; the contract's fields but those of the clock."""

    x: int
    lots: int = 0
    cost: int = 0
    fee: int = 0
    removed: int = 0


def _after(result: LegResult) -> Standing:
    """What a sale leaves, as far as the auction looks at it."""
    return Standing(
        result.equity, result.requirement, 0, result.stale_requirement, result.stale_value
    )


def on_sale(standing: Standing, rate: int) -> bool:
    """Whether E - (x + fee) R is a token unit or more; `rate`: x + fee, nano."""
    return standing.counted * NANO - standing.requirement * rate >= TOK * NANO


def refused(standing: Standing, curve: Curve, elapsed: int) -> str:
    """The error of any single leg's sale before the engine is asked; "" where there is none."""
    if standing.stopped:
        return "ClockStopped"
    if standing.counted >= standing.requirement:
        return "Healthy"
    return "" if on_sale(standing, x_at(curve, elapsed) + curve.fee) else "LegRefused"


def terms(standing: Standing, curve: Curve, elapsed: int, market: int, lots: int) -> LegTerms:
    """What the auction tells the engine to sell."""
    x = x_at(curve, elapsed)
    return LegTerms(market, lots, standing.requirement, x, curve.fee, curve.keeper_share)


def fault(standing: Standing, result: LegResult, curve: Curve, elapsed: int) -> str:
    """The error of a sale that leaves `result`; "" where there is none."""
    after = _after(result)
    rise = after.counted * standing.requirement - standing.counted * after.requirement
    if after.stopped or rise <= 0:
        return "LegRefused"
    goal, equity = after.requirement * (NANO + curve.buffer), after.counted * NANO
    if equity * 1_000 > goal * 1_002:
        return "BadFraction"
    return "BadFraction" if result.left and _crumbs(after, result.left, curve, elapsed) else ""


def _crumbs(after: Standing, lots: int, curve: Curve, elapsed: int) -> bool:
    """Whether the slice still to be sold would leave less of a leg than a slice may."""
    equity = after.counted * NANO
    short = max(0, after.requirement * (NANO + curve.buffer) - equity)
    price = equity - after.requirement * (x_at(curve, elapsed) + curve.fee)
    return lots < HALVES * curve.min_lots or lots * price < curve.min_lots * (short + price)


def cured(result: LegResult, curve: Curve) -> bool:
    """Whether a sale brings the account to its target: the auction ends."""
    after = _after(result)
    return after.counted * NANO >= after.requirement * (NANO + curve.buffer)


def quote(
    standing: Standing, curve: Curve, elapsed: int, after: Callable[[int], LegResult]
) -> LegQuote:
    """The most lots that pass. `after`: lots sold -> what that leaves before premium and fee."""
    x = x_at(curve, elapsed)
    if refused(standing, curve, elapsed):
        return LegQuote(x)

    def passes(lots: int) -> bool:
        found = after(lots)
        if found.requirement >= standing.requirement:
            return False
        taken = (standing.requirement - found.requirement) * (x + curve.fee) // NANO
        bounds = (found.equity - taken + 1, found.equity - taken + 1 - SLACK)
        left = (found._replace(equity=e) for e in bounds)
        return not any(fault(standing, one, curve, elapsed) for one in left)

    now = after(0)
    lots = _most(now.left, now.room, HALVES * curve.min_lots, passes)
    if lots == 0:
        return LegQuote(x)
    removed = standing.requirement - after(lots).requirement
    return LegQuote(x, lots, -(removed * x // NANO), removed * curve.fee // NANO, removed)


def _most(whole: int, room: int, least: int, passes: Callable[[int], bool]) -> int:
    if whole == 0:
        return 0
    if whole <= room and passes(whole):
        return whole
    if whole <= least:
        return 0
    low, high = 0, min(whole - least, room)
    if passes(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low
