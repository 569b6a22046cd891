"""The crash that ships with the library: the shape of 12 and 13 March 2020, made from code.

What is public knowledge about those two days, and all that is used here, is a handful of rounded
numbers read off the hourly spot charts of the largest exchanges (ETH/USDT and BTC/USDT, UTC):
ETH opened 12 March near 194 dollars and BTC near 7,930; both had slipped by a tenth when, after
10:00, they lost about a quarter in under an hour (ETH to about 125, BTC to about 5,600), the
worst hour of the episode; an afternoon's rebound of an eighth followed; from 23:00 a second leg
ended at 02:15 on the 13th at ETH 86 and BTC 3,780, some 26 hours and 55 % below the start; one
hour later prices stood 40 to 50 % above that low, fell back by a sixth, and closed the second
day near ETH 133 and BTC 5,580. Five-minute returns of the two moved together with a correlation
of about 0.9, at a realised volatility of roughly 500 % a year.

No exchange's bars are contained in or derived into this file: between the anchor points below the
path is seeded noise, so it may be redistributed freely, and another seed is another crash with
the same published statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from plimsoll.market.bars import Series
from plimsoll.market.generator import Anchor, Template, anchored_paths, equicorrelation

MARCH_2020_START = 1_583_971_200
"""2020-03-12 00:00 UTC."""
MARCH_2020_CORRELATION = Decimal("0.9")
MARCH_2020_SEED = 20200312

_NOISE = Decimal("4.0")
_MINUTES = (
    *(0, 120, 360, 480, 600, 645, 720, 1020, 1200, 1320, 1410),
    *(1470, 1560, 1575, 1635, 1710, 1980, 2220, 2370, 2610, 2880),
)
_ETH = (
    *(194, 184, 181, 170, 168, 126, 137, 141, 138, 129, 107),
    *(108, 97, 86, 128, 109, 130, 134, 120, 128, 133),
)
_BTC = (
    *(7930, 7650, 7620, 7380, 7350, 5600, 6070, 6110, 6040, 5810, 4700),
    *(4800, 4150, 3780, 5350, 4800, 5500, 5650, 5100, 5350, 5580),
)


def _template(symbol: str, prices: Sequence[int]) -> Template:
    anchors = zip(_MINUTES, prices, strict=True)
    return Template(symbol, tuple(Anchor(m * 60, Decimal(p)) for m, p in anchors), _NOISE)


MARCH_2020: dict[str, Template] = {"ETH": _template("ETH", _ETH), "BTC": _template("BTC", _BTC)}
"""Templates by symbol; `Template.scaled` makes further assets from them."""


def march_2020(
    *,
    seed: int = MARCH_2020_SEED,
    start: int = MARCH_2020_START,
    spacing: int = 300,
    templates: Sequence[Template] = tuple(MARCH_2020.values()),
    correlation: Decimal = MARCH_2020_CORRELATION,
) -> dict[str, Series]:
    """The 48-hour crash as one series per template, ETH and BTC by default.

    `start` is the first opening (Unix s), `spacing` the bar width (s, a divisor of 900 such as
    60, 300 or 900), `correlation` that of the noise between any two assets.
    """
    return anchored_paths(
        templates,
        start=start,
        spacing=spacing,
        seed=seed,
        correlation=equicorrelation(len(templates), correlation),
    )
