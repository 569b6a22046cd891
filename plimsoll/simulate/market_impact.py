"""What hedging costs while a market is thin, and how fast it comes back.

A book that trades `depth` USD within `WITHIN` of the price, evenly: selling q more after q0 that
is still felt moves the price by WITHIN x q0 / depth and costs WITHIN x (q0 q + q^2 / 2) / depth.
What is felt fades with the time constant `FADE`. All keepers hedge in the same book.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

WITHIN = 0.02
FADE = 300.0  # s


@dataclass
class Impact:
    """Felt flow by market, USD, sales positive. `share`: what is left of normal depth."""

    depth_units: tuple[float, ...]
    share: float
    felt: list[float] = field(default_factory=lambda: [0.0, 0.0])
    _time: int = 0

    def now(self, time: int) -> None:
        """Lets the felt flow fade up to `time`."""
        keep = math.exp(-(time - self._time) / FADE) if self._time else 0.0
        self.felt = [one * keep for one in self.felt]
        self._time = time

    def slope(self, market: int, price: float) -> float:
        """Price move per USD of flow."""
        return WITHIN / (self.share * self.depth_units[market] * price)

    def cost(self, flows: list[float], prices: list[float]) -> float:
        """USD that these signed flows (sales positive) would cost; never a gain."""
        total = 0.0
        for market, flow in enumerate(flows):
            one = self.felt[market] * flow + flow * flow / 2
            total += max(0.0, self.slope(market, prices[market]) * one)
        return total

    def best(self, gain: float, flows: list[float], prices: list[float]) -> float:
        """The share f of an offer worth `gain` x f that leaves the most after hedging f x flows."""
        linear = quadratic = 0.0
        for market, flow in enumerate(flows):
            slope = self.slope(market, prices[market])
            linear += slope * self.felt[market] * flow
            quadratic += slope * flow * flow
        if quadratic <= 0:
            return 1.0
        return min(1.0, max(0.0, (gain - max(0.0, linear)) / quadratic))

    def add(self, flows: list[float]) -> None:
        """These flows were traded."""
        self.felt = [one + flow for one, flow in zip(self.felt, flows, strict=True)]
