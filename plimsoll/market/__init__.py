"""Price paths: a user's own OHLC files, seeded generators, named crashes, replay inside a bar."""

from plimsoll.market.bars import (
    TICKS_PER_UNIT,
    Bar,
    Gap,
    Series,
    bar_width,
    price_to_ticks,
    ticks_to_price,
)
from plimsoll.market.crashes import MARCH_2020, march_2020
from plimsoll.market.errors import MarketDataError
from plimsoll.market.generator import (
    Anchor,
    Grid,
    JumpDiffusion,
    Template,
    anchored_paths,
    jump_diffusion,
)
from plimsoll.market.intrabar import Order, PricePoint, replay
from plimsoll.market.loader import load_ohlc
from plimsoll.market.stats import Statistics, statistics

__all__ = [
    "MARCH_2020",
    "TICKS_PER_UNIT",
    "Anchor",
    "Bar",
    "Gap",
    "Grid",
    "JumpDiffusion",
    "MarketDataError",
    "Order",
    "PricePoint",
    "Series",
    "Statistics",
    "Template",
    "anchored_paths",
    "bar_width",
    "jump_diffusion",
    "load_ohlc",
    "march_2020",
    "price_to_ticks",
    "replay",
    "statistics",
    "ticks_to_price",
]
