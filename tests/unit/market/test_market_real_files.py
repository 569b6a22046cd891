"""The loader on real exchange files, and the shipped crash beside the real one.

The files are not part of the repository; each test skips where they are absent.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from plimsoll.market import errors as e
from plimsoll.market.bars import Series, ticks_to_price
from plimsoll.market.crashes import MARCH_2020_START, march_2020
from plimsoll.market.loader import load_ohlc
from plimsoll.market.stats import statistics, worst_window

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "market"
WHY = "the market data folder ../shared/data/market is absent"
FILES = {
    "crash/2020-03_btcusdt_spot_30m": (1_800, 2),
    "crash/2020-03_btcusdt_spot_5m_to_12Mar2110": (300, 2),
    "crash/2020-03_ethusdt_spot_5m": (300, 2),
    "crash/2021-05_btcusdt_spot_1m": (60, 0),
    "crash/2021-05_btcusdt_spot_5m": (300, 0),
    "crash/2021-05_ethusdt_spot_1m": (60, 0),
    "crash/2021-05_ethusdt_spot_5m": (300, 0),
    "crash/2024-08_btcusdt_spot_1m": (60, 0),
    "crash/2024-08_ethusdt_spot_1m": (60, 0),
    "hourly/btcusdt_perp_1h": (3_600, 0),
    "hourly/btcusdt_perp_mark_1h": (3_600, 0),
    "hourly/btcusdt_spot_1h": (3_600, 27),
    "hourly/dogeusdt_spot_1h": (3_600, 18),
    "hourly/ethusdt_perp_1h": (3_600, 0),
    "hourly/ethusdt_perp_mark_1h": (3_600, 0),
    "hourly/ethusdt_spot_1h": (3_600, 27),
    "hourly/linkusdt_spot_1h": (3_600, 20),
    "hourly/solusdt_spot_1h": (3_600, 10),
    "hourly/xrpusdt_spot_1h": (3_600, 25),
    "vol/btc_dvol_1d": (86_400, 0),
    "vol/eth_dvol_1d": (86_400, 0),
}
NOT_OHLC = ["hourly/btcusdt_perp_funding_8h", "hourly/ethusdt_perp_funding_8h", "vol/steth_eth_1d"]


def real(name: str) -> Path:
    path = DATA / f"{name}.csv.gz"
    if not path.exists():
        pytest.skip(WHY)
    return path


@pytest.mark.parametrize("name", FILES)
def test_load_ohlc__real_file__loads_with_known_spacing_and_gaps(name: str) -> None:
    spacing, gaps = FILES[name]
    series = load_ohlc(real(name), allow_gaps=True)
    assert series.spacing == spacing
    assert len(series.gaps) == gaps


@pytest.mark.parametrize("name", ["crash/2020-03_ethusdt_spot_5m", "hourly/dogeusdt_spot_1h"])
def test_load_ohlc__real_file_with_halts__gap_error_by_default(name: str) -> None:
    with pytest.raises(e.GapError, match="allow gaps"):
        load_ohlc(real(name))


@pytest.mark.parametrize("name", NOT_OHLC)
def test_load_ohlc__real_file_of_another_kind__missing_column(name: str) -> None:
    with pytest.raises(e.MissingColumnError, match="without 'open'"):
        load_ohlc(real(name))


def test_real_files__folder_present__every_file_is_listed_here() -> None:
    if not DATA.exists():
        pytest.skip(WHY)
    found = {str(p.relative_to(DATA)).removesuffix(".csv.gz") for p in DATA.glob("*/*.csv.gz")}
    assert found == {*FILES, *NOT_OHLC}


def test_load_ohlc__one_print_wick__kept_as_it_is() -> None:
    series = load_ohlc(real("hourly/linkusdt_spot_1h"), allow_gaps=True)
    assert ticks_to_price(series.lowest.low) == Decimal("0.0001")


def two_days(name: str) -> Series:
    series = load_ohlc(real(name), allow_gaps=True)
    return series.window(MARCH_2020_START, MARCH_2020_START + 48 * 3_600)


@pytest.mark.parametrize(
    ("symbol", "name"),
    [("ETH", "crash/2020-03_ethusdt_spot_5m"), ("BTC", "crash/2020-03_btcusdt_spot_30m")],
)
def test_march_2020__beside_the_real_days__statistics_agree(symbol: str, name: str) -> None:
    truth = two_days(name)
    made = march_2020()[symbol].resampled(truth.spacing)
    real_figures, made_figures = statistics(truth), statistics(made)
    # The shape is told by rounded anchors, so the tolerance is a few points, not a fit.
    assert abs(real_figures.drawdown.change - made_figures.drawdown.change) < Decimal("0.03")
    worst, shipped = worst_window(truth, 3_600), worst_window(made, 3_600)
    assert abs(worst.change - shipped.change) < Decimal("0.04")
    assert abs(worst.from_ts - shipped.from_ts) <= 3_600
    assert abs(truth.lowest.ts - made.lowest.ts) <= 3_600
    ratio = made_figures.realised_volatility / real_figures.realised_volatility
    assert Decimal("0.7") < ratio < Decimal("1.3")
    assert abs(made.bars[0].open / truth.bars[0].open - 1) < 0.01
    assert abs(made.bars[-1].close / truth.bars[-1].close - 1) < 0.02


@pytest.mark.parametrize("name", ["crash/2020-03_ethusdt_spot_5m", "crash/2021-05_ethusdt_spot_5m"])
def test_march_2020__bars__not_those_of_any_real_file(name: str) -> None:
    closes = {(bar.ts, bar.open, bar.high, bar.low, bar.close) for bar in load_ohlc(
        real(name), allow_gaps=True
    )}  # fmt: skip
    made = {(bar.ts, bar.open, bar.high, bar.low, bar.close) for bar in march_2020()["ETH"]}
    assert not closes & made
