"""The venue of a stress run: the shipped local configuration with the terms under test.

Three aggregators tell each feed's price (`plimsoll.market.feed_replay.HONEST`), quorum two. What
differs from `local.yaml` is in `TERMS` and nowhere else. Depth is what trades within 2 % of the
price in normal times.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plimsoll.deployment.house import House, deploy_house
from plimsoll.evm import Evm
from plimsoll.market.feed_replay import HONEST, TICKS_PER_ANSWER, MarketPath
from plimsoll.model.oracle import Answer
from plimsoll.simulate.windows import FEEDS, STEP, Window
from plimsoll.units import from_ticks

ETH, BTC = range(len(FEEDS))  # market ids
LEAD = 2 * 3_600  # s between deployment and the window: the collateral's cap opens
MEDIAN_VOLATILITY = {"ETH": 0.65, "BTC": 0.50}  # a year, of the 24-hour average, 2018 to 2024
TERMS: dict[str, dict[str, Any]] = {
    "risk": {
        "horizon_seconds": 1_800,
        "blend_percent": 0,
        "floor_percent": "2.5",
        "concentration_percent": 1,
        "size_percent": 5,
        "cap_percent": 40,
        "initial_multiple": 2,
        "initial_floor_percent": 3,
    },
    "ETH": {"tail_multiple": "7.5"},
    "BTC": {"tail_multiple": "9.8"},
    "feed": {
        "quorum": 2,
        "min_price_usd": 1,
        "max_price_usd": 1_000_000,
        "volatility_cap_percent": 1_600,
    },
    "market": {"open_interest_cap_usd": 2_000_000_000},
    "collateral": {"cap_tokens": 10_000_000},
    "auction": {"priority_seconds": 15},
}


def terms_of(depth_units: Mapping[str, int], volatility: Mapping[str, float]) -> dict[str, Any]:
    """The whole configuration as a YAML file would have it."""
    import yaml

    from plimsoll.deployment.config import DEFAULTS

    raw: dict[str, Any] = yaml.safe_load((DEFAULTS / "local.yaml").read_text())
    raw["name"] = "stress"
    for feed in raw["oracle"]["feeds"]:
        name = feed["name"]
        feed |= TERMS["feed"] | {"initial_volatility_percent": round(100 * volatility[name])}
        feed["sources"] = [
            {
                "kind": "chainlink",
                "aggregator": f"${name.lower()}_{number}",
                "max_age_seconds": rule.max_age,
            }
            for number, rule in enumerate(HONEST)
        ]
    for market in raw["markets"]:
        depth = depth_units[market["feed"]]
        market |= TERMS["market"] | {"open_interest_cap_units": 100 * depth}
        market["risk"] = {
            **market["risk"],
            **TERMS["risk"],
            **TERMS[market["feed"]],
            "depth_units": depth,
        }
    for asset in raw["collateral"]:
        asset |= TERMS["collateral"]
    raw["auction"] |= TERMS["auction"]
    return raw


def open_house(
    prices: Mapping[str, int],
    depth_units: Mapping[str, int],
    volatility: Mapping[str, float],
    timestamp: int,
) -> House:
    """Everything deployed on a fresh machine at a time, prices in ticks."""
    import yaml

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stress.yaml"
        path.write_text(yaml.safe_dump(terms_of(depth_units, volatility), sort_keys=False))
        first = {
            feed: from_ticks(price // TICKS_PER_ANSWER * TICKS_PER_ANSWER)
            for feed, price in prices.items()
        }
        return deploy_house(
            Evm(record=False, timestamp=timestamp), path, prices={**first, "USD": 1}
        )


class Prices:
    """Tells the oracle the market's path: each source by its rule, then a poke of each feed."""

    def __init__(self, house: House, window: Window) -> None:
        self.house, self.paths = house, window.paths
        self._last: dict[str, list[Answer | None]] = {}
        for feed in FEEDS:
            answer = self.paths[feed].at(house.evm.timestamp) // TICKS_PER_ANSWER
            told: list[Answer | None] = []
            for one in house.feeds[feed]:
                one.set_answer(answer)
                told.append(Answer(one.latestRoundData()[0], answer, house.evm.timestamp))
            self._last[feed] = told

    def tell(self, time: int) -> None:
        """What the sources say at `time`, the machine's; feeds that heard something are poked."""
        for feed in FEEDS:
            told = [
                self._source(feed, number, self.paths[feed], time) for number in range(len(HONEST))
            ]
            if any(told):
                self.house.oracle.poke(self.house.feed_id(feed), b"")

    def _source(self, feed: str, number: int, path: MarketPath, time: int) -> bool:
        last = self._last[feed][number]
        one = HONEST[number].tells(path, time, last)
        if one is None or one == last:
            return False
        self.house.feeds[feed][number].set_round(one.round, one.answer, one.time)
        self._last[feed][number] = one
        return True


def block(house: House, time: int) -> None:
    """Moves the clock to `time`, in blocks of `STEP` seconds where that fits."""
    while house.evm.timestamp + STEP <= time:
        house.evm.advance(STEP)
    if house.evm.timestamp < time:
        house.evm.set_timestamp(time)
