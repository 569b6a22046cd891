"""Seeded synthetic price paths: Merton's jump diffusion, and noise around given anchor points.

Both are integer-exact: the same arguments give the same bars to the last tick on every platform
(see `fixed`). A path moves in `substeps` steps per bar; open, high, low and close are read off
those steps, and a bar opens where the one before it closed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from plimsoll.market.bars import Bar, Series, price_to_ticks
from plimsoll.market.fixed import (
    WAD,
    cholesky_wad,
    correlated,
    exp_wad,
    happens,
    ln_wad,
    mul,
    sqrt_wad,
    to_wad,
)

SECONDS_PER_YEAR = 365 * 86_400
DEFAULT_SUBSTEPS = 6
_LOG_LIMIT = 30 * WAD
Correlation = Sequence[Sequence[Decimal]]


@dataclass(frozen=True, slots=True)
class JumpDiffusion:
    """One asset's law. Rates are per year of 365 days, as fractions (0.8 = 80 %).

    `growth` is the expected growth of the price, jumps included (their mean is compensated);
    `volatility` is of the diffusion alone; a jump multiplies the price by e^J, J normal with
    `jump_mean` and `jump_deviation`. Arrivals are shared by all assets of one call.
    """

    symbol: str
    start_price: Decimal
    volatility: Decimal
    growth: Decimal = Decimal(0)
    jump_mean: Decimal = Decimal(0)
    jump_deviation: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Grid:
    """When a path is observed: first opening (Unix s), bar width (s), bars, steps in a bar."""

    start: int
    spacing: int
    bars: int
    substeps: int = DEFAULT_SUBSTEPS

    def __post_init__(self) -> None:
        if min(self.spacing, self.bars, self.substeps) <= 0 or self.start < 0:
            raise ValueError(
                f"expected positive spacing, bars and substeps and start >= 0, got {self}; "
                "correct the grid"
            )

    @property
    def steps(self) -> int:
        """Steps of the whole path."""
        return self.bars * self.substeps

    @property
    def step_variance(self) -> int:
        """Length of one step in years (WAD)."""
        return self.spacing * WAD // (self.substeps * SECONDS_PER_YEAR)


def identity(n: int) -> tuple[tuple[Decimal, ...], ...]:
    """The correlation matrix of n independent assets."""
    return tuple(tuple(Decimal(int(i == j)) for j in range(n)) for i in range(n))


def equicorrelation(n: int, rho: Decimal) -> tuple[tuple[Decimal, ...], ...]:
    """The n x n matrix with `rho` between any two assets."""
    return tuple(tuple(Decimal(1) if i == j else rho for j in range(n)) for i in range(n))


def jump_diffusion(
    assets: Sequence[JumpDiffusion],
    grid: Grid,
    *,
    seed: int,
    correlation: Correlation | None = None,
    jumps_per_year: Decimal = Decimal(0),
) -> dict[str, Series]:
    """One path per asset, keyed by symbol. Correlation applies to diffusion and jump sizes alike.

    Raises `ValueError` for a negative rate, repeated symbols or a matrix that is no correlation.
    """
    _check_assets(assets, jumps_per_year)
    root = _root(correlation, len(assets))
    rng = random.Random(seed)
    arrival = mul(to_wad(jumps_per_year), grid.step_variance)
    drifts = [_step_drift(asset, grid, arrival) for asset in assets]
    spreads = [_step_spread(asset.volatility, grid) for asset in assets]
    logs = [[0] for _ in assets]
    for _ in range(grid.steps):
        shocks = correlated(rng, root)
        jumps = _jumps(rng, assets, root) if happens(rng, arrival) else [0] * len(assets)
        for i, path in enumerate(logs):
            step = drifts[i] + mul(spreads[i], shocks[i]) + jumps[i]
            path.append(_clamp(path[-1] + step))
    return {
        asset.symbol: _series(asset.symbol, asset.start_price, path, grid)
        for asset, path in zip(assets, logs, strict=True)
    }


@dataclass(frozen=True, slots=True)
class Anchor:
    """The path passes exactly through `price` (quote currency), `seconds` after its start."""

    seconds: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Template:
    """Anchor points of one asset, and the noise between them.

    The log price runs straight from anchor to anchor; a Brownian bridge of `volatility` (per
    year, fraction) is laid over it, zero at every anchor, and reflected at the lowest anchor, so
    the lowest price of the path is the lowest anchor, reached when the template says.
    """

    symbol: str
    anchors: tuple[Anchor, ...]
    volatility: Decimal

    def __post_init__(self) -> None:
        times = [anchor.seconds for anchor in self.anchors]
        if len(times) < 2 or times[0] != 0 or sorted(set(times)) != times:
            raise ValueError("expected anchors from second 0 on, strictly increasing; reorder them")
        if self.volatility < 0 or any(anchor.price <= 0 for anchor in self.anchors):
            raise ValueError("expected positive prices and volatility >= 0; correct the template")

    @property
    def duration(self) -> int:
        """Seconds from the first to the last anchor."""
        return self.anchors[-1].seconds

    def scaled(self, symbol: str, start_price: Decimal, beta: Decimal = Decimal(1)) -> Template:
        """The same shape from another price, every log return and the noise times `beta`."""
        first = to_wad(self.anchors[0].price)
        start = to_wad(start_price)

        def moved(price: Decimal) -> Decimal:
            log_return = mul(ln_wad(to_wad(price) * WAD // first), to_wad(beta))
            return Decimal(mul(start, exp_wad(log_return))).scaleb(-18)

        anchors = tuple(Anchor(a.seconds, moved(a.price)) for a in self.anchors)
        return Template(symbol, anchors, self.volatility * abs(beta))


def anchored_paths(
    templates: Sequence[Template],
    *,
    start: int,
    spacing: int,
    seed: int,
    correlation: Correlation | None = None,
    substeps: int = DEFAULT_SUBSTEPS,
) -> dict[str, Series]:
    """One path per template, keyed by symbol, with correlated noise.

    All templates last equally long, a whole number of bars, and every anchor lies on the border
    of two bars; `ValueError` otherwise.
    """
    duration = _check_templates(templates, spacing)
    grid = Grid(start, spacing, duration // spacing, substeps)
    root = _root(correlation, len(templates))
    rng = random.Random(seed)
    shocks = [correlated(rng, root) for _ in range(grid.steps)]
    return {
        template.symbol: _anchored(template, grid, [vector[i] for vector in shocks])
        for i, template in enumerate(templates)
    }


def _anchored(template: Template, grid: Grid, shocks: Sequence[int]) -> Series:
    """The template's path over its own column of shocks (WAD)."""
    base = to_wad(template.anchors[0].price)
    levels = [ln_wad(to_wad(a.price) * WAD // base) for a in template.anchors]
    floor = min(levels)
    spread = _step_spread(template.volatility, grid)
    path = [0]
    for leg in range(1, len(levels)):
        first, last = (
            template.anchors[k].seconds * grid.substeps // grid.spacing for k in (leg - 1, leg)
        )
        bridge = _bridge([mul(spread, z) for z in shocks[first:last]])
        rise = levels[leg] - levels[leg - 1]
        for k, noise in enumerate(bridge, start=1):
            x = levels[leg - 1] + rise * k // len(bridge) + noise
            path.append(_clamp(floor + abs(x - floor)))
    exact = {
        anchor.seconds * grid.substeps // grid.spacing: price_to_ticks(anchor.price)
        for anchor in template.anchors
    }
    return _series(template.symbol, template.anchors[0].price, path, grid, exact)


def _bridge(steps: Sequence[int]) -> list[int]:
    """Running sums of `steps`, tilted so that the last one is zero."""
    walk, at = [], 0
    for step in steps:
        at += step
        walk.append(at)
    return [w - at * (k + 1) // len(walk) for k, w in enumerate(walk)]


def _series(
    symbol: str,
    start_price: Decimal,
    logs: Sequence[int],
    grid: Grid,
    exact: Mapping[int, int] | None = None,
) -> Series:
    """Bars over log prices relative to the start (WAD); `exact` overrides single steps, in ticks,
    and its smallest price bounds the path from below."""
    first = price_to_ticks(start_price)
    least = min(exact.values()) if exact else 1
    prices = [max(mul(first, exp_wad(x)), least) for x in logs]
    for index, ticks in (exact or {}).items():
        prices[index] = ticks
    bars = []
    for k in range(grid.bars):
        inside = prices[k * grid.substeps : (k + 1) * grid.substeps + 1]
        bars.append(
            Bar(
                ts=grid.start + k * grid.spacing,
                open=inside[0],
                high=max(inside),
                low=min(inside),
                close=inside[-1],
            )
        )
    return Series(symbol, grid.spacing, tuple(bars))


def _step_spread(volatility: Decimal, grid: Grid) -> int:
    """Standard deviation of one step's log return (WAD)."""
    return mul(to_wad(volatility), sqrt_wad(grid.step_variance))


def _step_drift(asset: JumpDiffusion, grid: Grid, arrival: int) -> int:
    """Log drift of one step (WAD): growth, less half the variance, less the mean of the jumps."""
    sigma, spread = to_wad(asset.volatility), to_wad(asset.jump_deviation)
    mean_jump = exp_wad(to_wad(asset.jump_mean) + mul(spread, spread) // 2) - WAD
    rate = to_wad(asset.growth) - mul(sigma, sigma) // 2
    return mul(rate, grid.step_variance) - mul(arrival, mean_jump)


def _jumps(
    rng: random.Random, assets: Sequence[JumpDiffusion], root: Sequence[Sequence[int]]
) -> list[int]:
    """The log jump of every asset (WAD) at one arrival."""
    return [
        to_wad(asset.jump_mean) + mul(to_wad(asset.jump_deviation), z)
        for asset, z in zip(assets, correlated(rng, root), strict=True)
    ]


def _clamp(x: int) -> int:
    return max(-_LOG_LIMIT, min(_LOG_LIMIT, x))


def _root(correlation: Correlation | None, n: int) -> tuple[tuple[int, ...], ...]:
    matrix = identity(n) if correlation is None else correlation
    if len(matrix) != n:
        raise ValueError(f"expected a {n} x {n} correlation matrix, got {len(matrix)} rows; fit it")
    return cholesky_wad([[to_wad(Decimal(value)) for value in line] for line in matrix])


def _check_assets(assets: Sequence[JumpDiffusion], jumps_per_year: Decimal) -> None:
    _check_symbols([asset.symbol for asset in assets])
    for asset in assets:
        if asset.start_price <= 0 or min(asset.volatility, asset.jump_deviation) < 0:
            raise ValueError(
                f"expected start_price > 0, volatility and jump_deviation >= 0, got {asset}; "
                "correct the asset"
            )
    if jumps_per_year < 0:
        raise ValueError(f"expected jumps_per_year >= 0, got {jumps_per_year}; correct it")


def _check_symbols(symbols: Sequence[str]) -> None:
    if not symbols or len(set(symbols)) != len(symbols):
        raise ValueError(f"expected one or more different symbols, got {list(symbols)}; rename")


def _check_templates(templates: Sequence[Template], spacing: int) -> int:
    """Their common duration in seconds."""
    _check_symbols([template.symbol for template in templates])
    durations = {template.duration for template in templates}
    if len(durations) != 1:
        raise ValueError(f"expected templates of one duration, got {sorted(durations)} s; align")
    if spacing <= 0 or any(a.seconds % spacing for t in templates for a in t.anchors):
        raise ValueError(
            f"expected a bar width that divides every anchor's time, got {spacing} s; "
            "choose a finer width"
        )
    return durations.pop()
