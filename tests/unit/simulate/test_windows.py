"""Which hours are replayed, and what a path out of several files looks like."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from plimsoll.market.feed_replay import MarketPath
from plimsoll.market.intrabar import PricePoint
from plimsoll.simulate.windows import DAY, STEP, WindowError, load_window, seen_volatility


def write(path: Path, start: int, spacing: int, closes: list[float]) -> None:
    rows, last = ["ts,open,high,low,close"], closes[0]
    for number, close in enumerate(closes):
        high, low = max(last, close) * 1.001, min(last, close) * 0.999
        rows.append(f"{start + number * spacing},{last:.2f},{high:.4f},{low:.4f},{close:.2f}")
        last = close
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows))


def test_load_window__no_folder__says_what_to_do_and_exits_3() -> None:
    with pytest.raises(WindowError, match="--data") as caught:
        load_window("2020-03", None)
    assert caught.value.exit_code == 3


def test_load_window__no_file__exits_3(tmp_path: Path) -> None:
    with pytest.raises(WindowError, match="expected a file") as caught:
        load_window("2024-08", tmp_path)
    assert caught.value.exit_code == 3


def test_load_window__unknown__exits_2() -> None:
    with pytest.raises(WindowError, match="2020-03") as caught:
        load_window("1929-10", None)
    assert caught.value.exit_code == 2


def test_load_window__synthetic__from_a_day_before_the_low() -> None:
    window = load_window("synthetic", None)
    assert set(window.paths) == {"ETH", "BTC"}
    assert min(window.lows.values()) - window.start <= DAY
    assert window.start <= window.fall <= window.end
    short = window.cut(3_600, 1_800)
    assert short.end - short.start == 5_400


def test_seen_volatility__steady_moves__is_theirs() -> None:
    price, points = 10**12, []
    for minute in range(2 * 1_440 + 1):
        points.append(PricePoint(minute * 60, price))
        price = price * 1_001 // 1_000 if minute % 2 else price * 1_000 // 1_001
    expected = 0.001 * (365 * 1_440) ** 0.5
    found = seen_volatility(MarketPath(points), 2 * DAY)
    assert found == pytest.approx(expected, rel=0.01)


def test_points__step__is_that_of_the_blocks() -> None:
    window = load_window("synthetic", None)
    times = window.paths["ETH"].times
    assert {b - a for a, b in pairwise(times)} == {STEP}
