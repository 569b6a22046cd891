"""Series, generators, the shipped crash, replay inside a bar, and statistics."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.market import fixed
from plimsoll.market.bars import Bar, Series, bar_width, ticks_to_price
from plimsoll.market.crashes import MARCH_2020, MARCH_2020_START, march_2020
from plimsoll.market.generator import (
    Anchor,
    Grid,
    JumpDiffusion,
    Template,
    anchored_paths,
    equicorrelation,
    jump_diffusion,
)
from plimsoll.market.intrabar import Order, bar_points, knots, replay
from plimsoll.market.stats import (
    drawdown,
    realised_volatility,
    return_correlation,
    statistics,
    worst_window,
)

ROOT = Path(__file__).resolve().parents[3]
SEEDS = [*range(8), 20200312]


def make(*rows: tuple[int, int, int, int], spacing: int = 60) -> Series:
    """A series of (open, high, low, close) in ticks."""
    bars = [Bar(k * spacing, o, h, low, c) for k, (o, h, low, c) in enumerate(rows)]
    return Series("X", spacing, tuple(bars))


def digest(paths: dict[str, Series]) -> str:
    """A hash over every bar of every path."""
    text = repr([(name, series.spacing, series.bars) for name, series in paths.items()])
    return hashlib.sha256(text.encode()).hexdigest()


# Series


@pytest.mark.parametrize("quad", [(10, 12, 0, 11), (10, 9, 8, 8), (10, 12, 11, 12), (9, 8, 10, 9)])
def test_bar__impossible_prices__refused(quad: tuple[int, int, int, int]) -> None:
    opened, high, low, closed = quad
    with pytest.raises(ValueError, match="expected 0 < low <= open, close <= high"):
        Bar(0, opened, high, low, closed)


def test_series__unordered_bars__refused() -> None:
    bar = Bar(60, 1, 1, 1, 1)
    with pytest.raises(ValueError, match="expected strictly increasing times, got 60 after 60"):
        Series("X", 60, (bar, bar))


def test_resampled__four_bars_into_two__extremes_and_ends_kept() -> None:
    fine = make((10, 12, 9, 11), (11, 15, 11, 12), (12, 12, 5, 6), (6, 7, 6, 7))
    coarse = fine.resampled(120)
    assert coarse.bars == (Bar(0, 10, 15, 9, 12), Bar(120, 12, 12, 5, 7))
    with pytest.raises(ValueError, match="expected a multiple of 60 s, got 90 s"):
        fine.resampled(90)


def test_window_and_shift__bounds_half_open__bars_moved() -> None:
    series = make((1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 3, 3))
    cut = series.window(60, 120)
    assert [bar.open for bar in cut] == [2]
    assert cut.shifted_to(1_000).start == 1_000
    with pytest.raises(ValueError, match="the series covers"):
        series.window(500, 600)


def test_bar_width__texts__seconds_or_refused() -> None:
    assert [bar_width(t) for t in ("30s", "5m", "1h", "1d")] == [30, 300, 3_600, 86_400]
    with pytest.raises(ValueError, match="got '0m'"):
        bar_width("0m")


# Fixed point


@given(st.integers(-30 * fixed.WAD, 30 * fixed.WAD))
def test_exp_wad__against_decimal__within_bound(x: int) -> None:
    exact = (Decimal(x).scaleb(-18)).exp().scaleb(18)
    assert abs(fixed.exp_wad(x) - exact) <= exact * Decimal("1e-16") + 2


@given(st.integers(1, 10**30))
def test_ln_wad__against_decimal__within_bound(x: int) -> None:
    exact = (Decimal(x).scaleb(-18)).ln().scaleb(18)
    assert abs(fixed.ln_wad(x) - exact) <= 1_000


def test_cholesky_wad__not_a_correlation__refused() -> None:
    one, half = fixed.WAD, fixed.WAD // 2
    with pytest.raises(ValueError, match="symmetric square matrix"):
        fixed.cholesky_wad([[one, half], [0, one]])
    with pytest.raises(ValueError, match="positive semidefinite"):
        fixed.cholesky_wad([[one, -one, -one], [-one, one, -one], [-one, -one, one]])
    with pytest.raises(ValueError, match="positive semidefinite"):
        fixed.cholesky_wad([[one, one, half], [one, one, 0], [half, 0, one]])
    assert fixed.cholesky_wad([[one, one], [one, one]]) == ((one, 0), (one, 0))


# Jump diffusion


def test_jump_diffusion__fixed_seed__known_bars() -> None:
    assets = [
        JumpDiffusion("ETH", Decimal(200), Decimal("0.8"), jump_deviation=Decimal("0.1")),
        JumpDiffusion("BTC", Decimal(8000), Decimal("0.6"), jump_mean=Decimal("-0.05")),
    ]
    paths = jump_diffusion(
        assets,
        Grid(0, 3_600, 200),
        seed=7,
        correlation=equicorrelation(2, Decimal("0.8")),
        jumps_per_year=Decimal(100),
    )
    # Held here so that no platform or Python version may change a path unnoticed.
    assert digest(paths) == "30553f3983d119a70b984c4372b873df29359df33ab875e2c9ad28e5f0ea8297"


def test_jump_diffusion__no_jumps__volatility_growth_and_correlation_as_asked() -> None:
    assets = [JumpDiffusion(s, Decimal(100), Decimal("0.8")) for s in ("A", "B")]
    paths = jump_diffusion(
        assets, Grid(0, 3_600, 6_000, 2), seed=3, correlation=equicorrelation(2, Decimal("0.6"))
    )
    assert realised_volatility(paths["A"]) == pytest.approx(Decimal("0.8"), rel=Decimal("0.03"))
    assert return_correlation(paths["A"], paths["B"]) == pytest.approx(Decimal("0.6"), abs=0.03)


def test_jump_diffusion__many_short_paths__expected_growth_compensates_jumps() -> None:
    asset = JumpDiffusion(
        "A", Decimal(100), Decimal("0.5"), Decimal("0.3"), Decimal("-0.1"), Decimal("0.1")
    )
    grid = Grid(0, 86_400 * 73, 5, 4)  # one year in twenty steps
    ends = [
        float(
            ticks_to_price(
                jump_diffusion([asset], grid, seed=s, jumps_per_year=Decimal(4))["A"].bars[-1].close
            )
        )
        for s in range(1_500)
    ]
    mean = math.fsum(ends) / len(ends)
    error = math.sqrt(math.fsum((x - mean) ** 2 for x in ends)) / len(ends)
    assert abs(mean - 100 * math.exp(0.3)) < 4 * error + 0.5


@pytest.mark.parametrize(
    ("asset", "says"),
    [
        (JumpDiffusion("A", Decimal(0), Decimal(1)), "start_price > 0"),
        (JumpDiffusion("A", Decimal(1), Decimal(-1)), "volatility and jump_deviation >= 0"),
    ],
)
def test_jump_diffusion__bad_asset__refused(asset: JumpDiffusion, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        jump_diffusion([asset], Grid(0, 60, 2), seed=0)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**64),
    volatility=st.decimals(0, 5, places=3),
    spacing=st.integers(1, 100_000),
)
def test_jump_diffusion__any_seed__contiguous_valid_bars(
    seed: int, volatility: Decimal, spacing: int
) -> None:
    asset = JumpDiffusion("A", Decimal("0.01"), volatility, jump_deviation=Decimal("0.5"))
    series = jump_diffusion(
        [asset], Grid(5, spacing, 20), seed=seed, jumps_per_year=Decimal(1_000)
    )["A"]
    assert series.gaps == ()
    assert all(a.close == b.open for a, b in zip(series, series.bars[1:], strict=False))


# Anchored paths and the shipped crash


def test_march_2020__default__known_bars() -> None:
    assert (
        digest(march_2020()) == "3d749c7d21409da1631f8ad06e696b8936b67d5acfc6bdaa1acf784bee4aa302"
    )


@pytest.mark.parametrize(
    ("seed", "spacing"), [(s, w) for w in (300, 900) for s in SEEDS] + [(0, 60), (1, 60)]
)
def test_march_2020__any_seed__published_statistics(seed: int, spacing: int) -> None:
    paths = march_2020(seed=seed, spacing=spacing)
    starts = {"ETH": (194, 86), "BTC": (7930, 3780)}
    for symbol, series in paths.items():
        found = statistics(series)
        first, low = starts[symbol]
        assert ticks_to_price(series.bars[0].open) == first
        assert ticks_to_price(series.lowest.low) == low
        trough_hours = (series.lowest.ts - MARCH_2020_START) / 3_600
        assert 24 <= trough_hours <= 26.5
        assert found.worst_hour is not None
        deepest = Decimal("-0.29") if spacing <= 300 else Decimal("-0.31")
        assert deepest <= found.worst_hour.change <= Decimal("-0.23")
        assert Decimal("-0.60") <= found.drawdown.change <= Decimal("-0.52")
        assert found.drawdown.to_ts == series.lowest.ts
        assert Decimal("0.40") <= found.rebound <= Decimal("0.80")
        assert Decimal("3.5") <= found.realised_volatility <= Decimal("6.5")
        assert series.end - series.start == 48 * 3_600
        assert series.gaps == ()
    assert Decimal("0.85") <= return_correlation(paths["ETH"], paths["BTC"]) <= Decimal("0.97")


def test_march_2020__two_seeds__same_anchors_other_bars() -> None:
    one, other = march_2020(seed=1)["ETH"], march_2020(seed=2)["ETH"]
    differing = sum(a != b for a, b in zip(one, other, strict=True))
    assert differing > 500
    for anchor in MARCH_2020["ETH"].anchors[:-1]:
        at = MARCH_2020_START + anchor.seconds
        for series in (one, other):
            assert ticks_to_price(series.window(at, at + 1).bars[0].open) == anchor.price


def test_anchored_paths__scaled_third_asset__same_shape() -> None:
    third = MARCH_2020["ETH"].scaled("ALT", Decimal(10), Decimal("1.2"))
    paths = march_2020(templates=[*MARCH_2020.values(), third])
    low = float(ticks_to_price(paths["ALT"].lowest.low))
    assert low == pytest.approx(10 * (86 / 194) ** 1.2, rel=1e-9)
    # A longer list leaves the earlier assets' anchors, not their noise, as they were.
    assert ticks_to_price(paths["ETH"].lowest.low) == 86


def test_anchored_paths__noise_far_larger_than_the_shape__reflected_at_the_lowest_anchor() -> None:
    anchors = (Anchor(0, Decimal(100)), Anchor(86_400, Decimal(90)), Anchor(172_800, Decimal(95)))
    series = anchored_paths(
        [Template("A", anchors, Decimal(8))], start=0, spacing=300, seed=5, substeps=1
    )["A"]
    assert ticks_to_price(series.lowest.low) == 90
    # Reflected, not cut off: the path touches the floor at its anchor and hardly anywhere else.
    assert sum(ticks_to_price(bar.close) == 90 for bar in series) == 1
    assert sum(bar.close < 91 * 10**9 for bar in series) > 1


def test_anchored_paths__templates_that_do_not_fit__refused() -> None:
    short = Template("A", (Anchor(0, Decimal(1)), Anchor(600, Decimal(2))), Decimal(1))
    longer = Template("B", (Anchor(0, Decimal(1)), Anchor(900, Decimal(2))), Decimal(1))
    with pytest.raises(ValueError, match="templates of one duration"):
        anchored_paths([short, longer], start=0, spacing=300, seed=0)
    with pytest.raises(ValueError, match="divides every anchor"):
        anchored_paths([short], start=0, spacing=450, seed=0)
    with pytest.raises(ValueError, match="different symbols"):
        anchored_paths([short, short], start=0, spacing=300, seed=0)
    with pytest.raises(ValueError, match="anchors from second 0"):
        Template("A", (Anchor(1, Decimal(1)), Anchor(2, Decimal(1))), Decimal(1))


# Replay inside a bar


def test_knots__direction__low_first_in_a_rising_bar() -> None:
    rising, falling, flat = Bar(0, 10, 14, 8, 12), Bar(0, 12, 14, 8, 10), Bar(0, 10, 14, 8, 10)
    assert knots(rising) == (10, 8, 14, 12)
    assert knots(falling) == (12, 14, 8, 10)
    assert knots(flat) == (10, 8, 14, 10)
    assert knots(falling, Order.LOW_FIRST) == (12, 8, 14, 10)
    assert knots(rising, Order.HIGH_FIRST) == (10, 14, 8, 12)


def test_bar_points__seven_points__straight_lines_at_even_times() -> None:
    points = bar_points(Bar(100, 10, 14, 7, 12), spacing=70, points=7)
    assert [(p.ts, p.price) for p in points] == [
        (100, 10), (110, 9), (120, 7), (130, 10), (140, 14), (150, 13), (160, 12),
    ]  # fmt: skip


def test_bar_points__too_few_or_too_many__refused() -> None:
    for points in (3, 61):
        with pytest.raises(ValueError, match=f"expected 4 to 60 points .* got {points}"):
            bar_points(Bar(0, 1, 1, 1, 1), 60, points)


@given(
    quad=st.lists(st.integers(1, 10**15), min_size=4, max_size=4),
    spacing=st.integers(4, 5_000),
    share=st.floats(0, 1),
    order=st.sampled_from(Order),
)
def test_bar_points__any_bar__visits_extremes_inside_the_bar(
    quad: list[int], spacing: int, share: float, order: Order
) -> None:
    low, opened, closed, high = sorted(quad)
    bar = Bar(50, closed, high, low, opened)
    count = 4 + int(share * (spacing - 4))
    points = bar_points(bar, spacing, count, order)
    prices = [p.price for p in points]
    assert len(points) == count
    assert (prices[0], prices[-1], min(prices), max(prices)) == (bar.open, bar.close, low, high)
    times = [p.ts for p in points]
    assert times == sorted(set(times))
    assert times[0] == 50
    assert times[-1] < 50 + spacing


def test_replay__crash__lowest_point_is_the_lowest_low() -> None:
    series = march_2020()["ETH"]
    assert min(point.price for point in replay(series)) == series.lowest.low
    assert sum(1 for _ in replay(series, 10)) == 10 * len(series)


# Statistics


def test_worst_window__hand_made__fall_from_open_within_the_window() -> None:
    series = make((100, 120, 100, 110), (110, 110, 80, 90), (90, 90, 60, 70), (70, 99, 50, 99))
    two = worst_window(series, 120)
    assert (two.change, two.from_ts, two.to_ts) == (Decimal("-0.454545"), 60, 120)
    assert worst_window(series, 60).change == Decimal("-0.333333")
    with pytest.raises(ValueError, match="at least one bar"):
        worst_window(series, 30)


@settings(deadline=None)
@given(
    prices=st.lists(st.integers(1, 1_000), min_size=2, max_size=40),
    bars_in_window=st.integers(1, 10),
)
def test_worst_window__any_series__equals_brute_force(
    prices: list[int], bars_in_window: int
) -> None:
    rows = [(a, max(a, b), min(a, b), b) for a, b in pairwise(prices)]
    series = make(*rows)
    brute = min(
        Decimal(min(bar.low for bar in series.bars[i : i + bars_in_window])) / series.bars[i].open
        for i in range(len(series))
    )
    expected = (brute - 1).quantize(Decimal("0.000001"))
    assert worst_window(series, 60 * bars_in_window).change == expected


def test_drawdown__high_of_the_same_bar__does_not_count() -> None:
    assert drawdown(make((100, 200, 50, 100))).change == Decimal("-0.5")
    assert drawdown(make((100, 200, 100, 150), (150, 150, 50, 60))).change == Decimal("-0.75")
    assert drawdown(make((100, 120, 100, 120))).change == 0


def test_realised_volatility__alternating_and_gapped__by_hand() -> None:
    series = make((100, 110, 100, 100), (100, 110, 100, 110), (110, 110, 100, 100))
    expected = math.log(1.1) * math.sqrt(365 * 24 * 60)
    assert float(realised_volatility(series)) == pytest.approx(expected, abs=1e-6)
    gapped = Series("X", 60, (series.bars[0], Bar(600, 1, 1, 1, 1)))
    assert realised_volatility(gapped) == 0


def test_market_package__imported__needs_no_numerical_library() -> None:
    code = (
        "import sys, plimsoll.market; "
        "print(sorted({'numpy', 'pandas', 'plotly'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
