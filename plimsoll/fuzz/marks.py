"""Which steps of the waterfall a call came to, by what it changed in the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from plimsoll.fuzz.twin import Twin
from plimsoll.model.engine_types import DeleverageResult
from plimsoll.model.ledger import Side

SALES = {
    "bid": "sold",
    "fill": "sold to an intent",
    "flash": "sold with a callback",
    "leg": "leg sold",
}
RESIDUAL = {"residual": "residual sold", "net": "residual netted"}


def _used(twin: Twin) -> tuple[int, ...]:
    """What of the flow is used."""
    limiter = twin.house.limiter
    return limiter.back, *(lane.back for lane in limiter.lanes.values())


class Marks:
    """Taken before a call; `met` says afterwards what the call came to."""

    def __init__(self, twin: Twin, call: Sequence[Any]) -> None:
        self.twin, self.name, cash = twin, call[0], twin.house.cash
        self.hole, self.era, self.escrows = cash.hole, cash.era, len(cash.escrows)
        self.owed, self.pot = cash.owed, cash.pot
        self.coins, self.used = 0, _used(twin)
        self.sides: list[tuple[int, int, int]] = []
        self.counted = self._counted()
        if self.name == "deleverage":
            self.coins = twin.house.account(twin.stand.ids[call[1]]).collateral
            self.account = twin.stand.ids[call[1]]
            self.sides = [(side.epoch, side.era, side.x) for side in self._sides()]

    def _sides(self) -> Iterator[Side]:
        for book in self.twin.house.markets.values():
            yield from book.sides.values()

    def _counted(self) -> int:
        return sum(side.counted.shares for side in self._sides())

    def met(self, value: Any) -> Iterator[str]:
        """Steps that the call came to; `value` is what the model returned."""
        cash = self.twin.house.cash
        if self.name in SALES:
            yield SALES[self.name]
            if _used(self.twin) != self.used:
                yield "counted against the flow"
            if value < 0 and self.name != "leg":
                yield "insurance"
        elif self.name in RESIDUAL:
            yield RESIDUAL[self.name]
        elif self.name == "pre":
            yield "pre-liquidated"
        elif isinstance(value, DeleverageResult):
            yield from self._closed(value)
        if self._counted() > self.counted:
            yield "residual counted"
        if cash.hole > self.hole:
            yield "hole"
        if cash.era > self.era:
            yield "era of cash ended"
        if len(cash.escrows) != self.escrows:
            yield "escrowed" if len(cash.escrows) > self.escrows else "released"
        if cash.owed < self.owed or cash.pot < self.pot:
            yield "recovered"

    def _closed(self, result: DeleverageResult) -> Iterator[str]:
        if result.from_fund:
            yield "insurance"
        for step in ("charged", "socialised"):
            if getattr(result, step):
                yield step
        if self.coins and not self.twin.house.account(self.account).collateral:
            yield "collateral sold"
        sides = list(zip(self._sides(), self.sides, strict=True))
        if any(side.epoch > epoch for side, (epoch, _, _) in sides):
            yield "deleveraged"
        if any(side.era > era for side, (_, era, _) in sides):
            yield "era of a side ended"
        # What the cap allowed is counted in the window, the rest is not.
        if any(abs(side.x - x) > side.charged for side, (_, _, x) in sides):
            yield "charged beyond the cap"
