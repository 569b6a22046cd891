"""Human-scale margin parameters: Decimal in, the contract's integers out, and starting values.

Fractions are fractions of notional (0.01 is 1 %), sigmas are annualised (0.6 is 60 %), depth is in
units of the underlying. Conversions are exact: a value with more digits than the chain stores
raises ValueError instead of being rounded.

The starting values (one-hour horizon, 75/25 blend with a stressed sigma, tail multiple above the
Gaussian 99.9 %) are a place for the risk team to begin, chosen by judgement, not a calibration.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from plimsoll.model.standard_margin import MarketParameters

NANO = 10**9
LOTS = 10**6


@dataclass(frozen=True)
class RiskParameters:
    """One market's parameters in human units; see `MarketParameters` for their meaning."""

    tail: Decimal  # multiple of sigma that the base rate covers
    horizon: int  # seconds
    floor: Decimal  # fraction of notional
    cap: Decimal  # fraction of notional
    size: Decimal  # fraction of notional at a position of the depth
    concentration: Decimal  # fraction of notional at open interest of the depth
    depth: Decimal  # units of the underlying tradable within 2 %
    stressed: Decimal  # annualised sigma
    blend: Decimal  # weight of the stressed sigma, 0..1
    forecast: Decimal  # annualised sigma, 0 for none
    initial_multiple: Decimal  # IM / MM
    initial_floor: Decimal  # fraction of notional
    stale_slope: Decimal  # relative growth of margin per second of price age

    def to_chain(self) -> MarketParameters:
        """The integers of the contract's struct. Raises ValueError where one is not exact."""
        return MarketParameters(
            tail=_scaled("tail", self.tail, NANO),
            horizon=self.horizon,
            floor=_scaled("floor", self.floor, NANO),
            cap=_scaled("cap", self.cap, NANO),
            size=_scaled("size", self.size, NANO),
            concentration=_scaled("concentration", self.concentration, NANO),
            depth=_scaled("depth", self.depth, LOTS),
            stressed=_scaled("stressed", self.stressed, NANO),
            blend=_scaled("blend", self.blend, NANO),
            forecast=_scaled("forecast", self.forecast, NANO),
            initial_multiple=_scaled("initial_multiple", self.initial_multiple, NANO),
            initial_floor=_scaled("initial_floor", self.initial_floor, NANO),
            stale_slope=_scaled("stale_slope", self.stale_slope, NANO),
        )

    @classmethod
    def from_chain(cls, p: MarketParameters) -> RiskParameters:
        """Inverse of `to_chain`."""
        nano = {
            name: Decimal(getattr(p, name)) / NANO
            for name in cls.__dataclass_fields__
            if name not in ("horizon", "depth")
        }
        return cls(horizon=p.horizon, depth=Decimal(p.depth) / LOTS, **nano)


def _scaled(name: str, amount: Decimal, scale: int) -> int:
    scaled = amount * scale
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{name}: expected a multiple of 1/{scale}, got {amount}; round it first")
    return int(scaled)


def _market(depth: str, stressed: str, **changes: str) -> RiskParameters:
    values = {
        "tail": "4",
        "floor": "0.01",
        "cap": "0.3",
        "size": "0.05",
        "concentration": "0.01",
        "blend": "0.25",
        "forecast": "0",
        "initial_multiple": "2",
        "initial_floor": "0.03",
        "stale_slope": "0.00002",
        **changes,
    }
    return RiskParameters(
        horizon=3600,
        depth=Decimal(depth),
        stressed=Decimal(stressed),
        **{name: Decimal(text) for name, text in values.items()},
    )


# By underlying; see docs/margin.md. Depths assume 60 M, 40 M and 15 M USD within 2 % of the price.
STARTING: dict[str, RiskParameters] = {
    "BTC": _market("1000", "1.2"),
    "ETH": _market("16000", "1.5"),
    "SOL": _market("100000", "2.2", tail="4.5", floor="0.02", initial_floor="0.05", cap="0.4"),
}
