"""What the price sources' contracts compute, in exact integers: contracts/oracle/scale.vy and the
modules pyth_source, uniswap_source, curve_source and erc4626_source beside it, bit for bit.

A source's answer becomes an `Observation`, mantissa * 10**exponent, or None where it is not sound;
`ticks_floor` makes ticks (1e-9 USD) of it. Times are unix seconds. The `*_extra` functions pack the
second word a source is listed with.
"""

from __future__ import annotations

from typing import NamedTuple

from plimsoll.model.fixed_point import LN_2, exp_neg
from plimsoll.model.rounding import div_floor

CHAINLINK, SIGNED, PYTH, UNISWAP_V3, CURVE, ERC4626 = range(1, 7)

TICKS_PER_USD = 10**9
MAX_TICKS = 2**56 - 1
MAX_MANTISSA = 2**146 - 1
MIN_EXPONENT, MAX_EXPONENT = -27, 12
PYTH_MIN_EXPO, PYTH_MAX_EXPO = -20, 12

MIN_WINDOW = 300  # s
BLOCK_SECONDS = 12
MAX_TICK = 887_272
MAX_DECIMALS, MAX_DECIMALS_GAP = 27, 18
UNISWAP_EXPONENT = -27
CURVE_EXPONENT = -18
LN_TICK = 7922420137021269396801471  # ln(1.0001) * 2**96, nearest
HALVINGS = 130


class Observation(NamedTuple):
    """A sound answer: mantissa * 10**exponent, fixed at `time`; `round` never goes back."""

    mantissa: int
    exponent: int
    time: int
    round: int


def ticks_floor(mantissa: int, exponent: int, inverse: bool, via_price: int = 0) -> int:
    """mantissa * 10**exponent, or one over it, times via_price (ticks; 0: 1 USD), rounded down.

    0 if there is no price of at least one tick and less than 2**56.
    """
    if not 0 < mantissa <= MAX_MANTISSA or not MIN_EXPONENT <= exponent <= MAX_EXPONENT:
        return 0
    power = 10 ** abs(exponent)
    above, below = via_price or TICKS_PER_USD, mantissa
    if not inverse:
        above, below = above * mantissa, 1
    if (exponent < 0) == inverse:
        above *= power
    else:
        below *= power
    ticks = above // below
    return ticks if ticks <= MAX_TICKS else 0


def observe_pyth(
    price: int, confidence: int, expo: int, time: int, max_confidence: int, now: int
) -> Observation | None:
    """A Pyth price, its confidence in the same unit and max_confidence in 1e-4 of the price."""
    sound = (
        0 < price < 2**63
        and confidence * 10_000 <= price * max_confidence
        and PYTH_MIN_EXPO <= expo <= PYTH_MAX_EXPO
        and 0 < time <= now
    )
    return Observation(price, expo, time, time) if sound else None


def mean_tick(moved: int, window: int) -> int:
    """The mean tick over `window` s in which the cumulative moved so far, to minus infinity."""
    return div_floor(moved, window)


def mean_liquidity(passed: int, window: int) -> int:
    """Harmonic mean over `window` s in which seconds per liquidity (2**-128) grew by `passed`.

    Rounded down; 0 where the cumulative did not grow. `passed` is taken modulo 2**160.
    """
    passed %= 2**160
    return (window << 128) // passed if passed else 0


def tick_price(tick: int, decimals0: int, decimals1: int) -> int:
    """1.0001**tick * 10**(decimals0 - decimals1) in 1e-27; 0 for pool ratios of 2**96 and more.

    Below the exact value by at most 1e-17 of it and one unit, above it by at most 1e-17 of it.
    """
    z = HALVINGS * LN_2 - tick * LN_TICK
    k, rest = divmod(z, LN_2)
    if k < 34:
        return 0
    return int(exp_neg(rest) * 10 ** (27 + decimals0 - decimals1) >> (k - 34))


def observe_uniswap(moved: int, passed: int, extra: int, now: int) -> Observation | None:
    """A pool whose two cumulatives moved so over the window of the extra word."""
    window, least = extra & 2**32 - 1, extra >> 32 & 2**128 - 1
    tick = mean_tick(moved, window)
    if mean_liquidity(passed, window) < least or abs(tick) > MAX_TICK:
        return None
    price = tick_price(tick, extra >> 160 & 255, extra >> 168 & 255)
    return Observation(price, UNISWAP_EXPONENT, now, now) if price else None


def observe_curve(price: int, now: int) -> Observation | None:
    """A pool's `price_oracle`, 1e18."""
    return Observation(price, CURVE_EXPONENT, now, now) if 0 < price < 2**256 - 1 else None


def observe_vault(assets: int, asset_decimals: int, now: int) -> Observation | None:
    """What one whole share converts to, in the asset's smallest unit."""
    return Observation(assets, -asset_decimals, now, now) if 0 < assets < 2**256 - 1 else None


def uniswap_extra(window: int, min_liquidity: int, decimals0: int, decimals1: int) -> int:
    """Extra word of a pool: window in s, least harmonic-mean liquidity, the tokens' decimals."""
    return window | min_liquidity << 32 | decimals0 << 160 | decimals1 << 168


def curve_extra(index: int | None) -> int:
    """Extra word of a Curve pool: None where its `price_oracle` takes no argument."""
    return 0 if index is None else index | 1 << 8


def vault_extra(share_decimals: int, asset_decimals: int) -> int:
    """Extra word of an ERC-4626 vault."""
    return share_decimals | asset_decimals << 8
