"""What the terms ask for at median volatility, from the contracts: MM and IM of a small position.

A house of its own at the same depth and open interest; its feeds go up and down once a day by the
daily move of the median volatility until the slow open interest has caught up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from plimsoll.deployment.house import House
from plimsoll.market.feed_replay import TICKS_PER_ANSWER
from plimsoll.simulate.book import MARKETS
from plimsoll.simulate.venue import LEAD, MEDIAN_VOLATILITY, block, open_house
from plimsoll.simulate.windows import DAY, FEEDS

DAYS = 14
SMALL = 10_000  # USD of notional
START = 1_700_006_400


@dataclass(frozen=True)
class Effective:
    """Fractions of notional, at a volatility a year."""

    feed: str
    sigma: float
    maintenance: float
    initial: float


def effective_margins(
    prices: Mapping[str, int], depth_units: Mapping[str, int], open_interest: float
) -> list[Effective]:
    """By feed; `prices` ticks, `open_interest` USD of both markets together."""
    house = open_house(prices, depth_units, MEDIAN_VOLATILITY, START - LEAD)
    first, second, small = (
        house.actor(name, quote=quote)
        for name, quote in (
            ("long", round(open_interest * 2)),
            ("short", round(open_interest * 2)),
            ("small", SMALL),
        )
    )
    block(house, START)
    house.refresh()
    for market in MARKETS:
        price = house.engine.market(market).mark
        size = int(open_interest / len(FEEDS) * 10**15 / price)
        house.settle([(market, first.id, second.id, size, price, 0)])
    for day in range(1, DAYS + 1):
        _day(house, START + day * DAY, prices, up=day % 2 == 1)
    return [_of(house, feed, market, small.id) for market, feed in zip(MARKETS, FEEDS, strict=True)]


def _day(house: House, time: int, prices: Mapping[str, int], *, up: bool) -> None:
    house.evm.set_timestamp(time)
    for feed in FEEDS:
        move = math.exp(MEDIAN_VOLATILITY[feed] * math.sqrt(1 / 365)) if up else 1.0
        for aggregator in house.feeds[feed]:
            aggregator.set_answer(int(prices[feed] / TICKS_PER_ANSWER * move))
        house.poke(feed)
    house.evm.set_timestamp(time + 120)  # a halt, were there one, is over
    house.refresh()


def _of(house: House, feed: str, market: int, account: int) -> Effective:
    price = house.engine.market(market).mark
    size = SMALL * 10**15 // price
    after = house.engine.margin_after(account, (market, size, price))
    notional = size * price
    sigma = house.oracle.word(house.feed_id(feed)) >> 231
    return Effective(
        feed, sigma / 10**6, after.requirement / notional, after.initial_requirement / notional
    )
