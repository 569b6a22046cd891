"""Every way a price file can be wrong, from real files, and the round trip of right ones."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plimsoll.market import errors as e
from plimsoll.market.bars import Bar, price_to_ticks, ticks_to_price
from plimsoll.market.loader import load_ohlc

HEAD = "ts,open,high,low,close,volume\n"
ONE = "60,10,12,9,11,5\n"
TWO = "120,11,13,10,12,6\n"
THREE = "180,12,14,11,13,7\n"


def write(folder: Path, text: str, name: str = "eth.csv") -> Path:
    path = folder / name
    if name.endswith(".gz"):
        with gzip.open(path, "wt", encoding="utf-8", newline="") as stream:
            stream.write(text)
    else:
        path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("name", ["eth.csv", "eth.csv.gz", "ETH.CSV"])
def test_load_ohlc__good_file__exact_bars(tmp_path: Path, name: str) -> None:
    series = load_ohlc(write(tmp_path, HEAD + ONE + TWO, name))
    assert series.symbol == name.split(".")[0]
    assert series.spacing == 60
    assert series.bars[0] == Bar(60, 10 * 10**9, 12 * 10**9, 9 * 10**9, 11 * 10**9, Decimal(5))
    assert series.gaps == ()
    assert (series.start, series.end) == (60, 180)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEAD + ONE + TWO,
        HEAD.upper() + ONE + TWO,
        (HEAD + ONE + TWO).replace("\n", "\r\n"),
        "\n" + HEAD + ONE + "\n \n" + TWO,
        HEAD.replace(",", " , ") + ONE + TWO.replace("120", "120.0"),
        "note,volume,close,low,high,open,ts\nx,5,11,9,12,10,60\ny,6,12,10,13,11,120\n",
    ],
    ids=["byte order mark", "upper case", "crlf", "blank lines", "spaces, 120.0", "other order"],
)
def test_load_ohlc__harmless_variant__same_bars(tmp_path: Path, text: str) -> None:
    plain = load_ohlc(write(tmp_path, HEAD + ONE + TWO))
    assert load_ohlc(write(tmp_path, text)) == plain


def test_load_ohlc__no_volume_column__volume_none(tmp_path: Path) -> None:
    series = load_ohlc(write(tmp_path, "ts,open,high,low,close\n60,1,1,1,1\n120,1,1,1,1\n"))
    assert [bar.volume for bar in series] == [None, None]


def test_load_ohlc__finer_than_a_tick__nearest_even_tick(tmp_path: Path) -> None:
    row = "60,0.0000000015,2,0.0000000005001,1\n"
    series = load_ohlc(write(tmp_path, HEAD.replace(",volume", "") + row + "120,1,1,1,1\n"))
    assert (series.bars[0].open, series.bars[0].low) == (2, 1)


BAD_ROWS = [
    ("NaN price", "120,11,NaN,10,12,6", e.NotANumberError, "high as a number like 194.61"),
    ("empty price", "120,,13,10,12,6", e.NotANumberError, "got an empty field"),
    ("text price", "120,11,13,10,twelve,6", e.NotANumberError, "'twelve'"),
    ("underscore", "120,1_1,13,10,12,6", e.NotANumberError, "'1_1'"),
    ("foreign digits", "120,١١,13,10,12,6", e.NotANumberError, "open as a number"),
    ("infinite", "120,11,inf,10,12,6", e.InfiniteNumberError, "high as a finite number"),
    ("minus infinity", "120,11,13,-Infinity,12,6", e.InfiniteNumberError, "'-Infinity'"),
    ("zero", "120,11,13,0,12,6", e.NonPositivePriceError, "low > 0"),
    ("negative", "120,-11,13,10,12,6", e.NonPositivePriceError, "open > 0, got -11"),
    ("below a tick", "120,11,13,1e-10,12,6", e.NonPositivePriceError, "at least one tick"),
    ("huge", "120,11,1e13,10,12,6", e.PriceTooLargeError, "high <= 1e12"),
    ("huge exponent", "120,11,1e9999,10,12,6", e.PriceTooLargeError, "high <= 1e12"),
    ("high < low", "120,11,10,13,12,6", e.HighBelowLowError, "high 10 and low 13"),
    ("open above", "120,14,13,10,12,6", e.PriceOutsideRangeError, "open within [10, 13], got 14"),
    ("close below", "120,11,13,10,9,6", e.PriceOutsideRangeError, "close within [10, 13], got 9"),
    ("NaN volume", "120,11,13,10,12,nan", e.NotANumberError, "volume as a number"),
    ("negative volume", "120,11,13,10,12,-6", e.BadVolumeError, "got -6"),
    ("huge volume", "120,11,13,10,12,1e40", e.BadVolumeError, "got 1e40"),
    ("date", "2020-03-12,11,13,10,12,6", e.BadTimestampError, "1583971200"),
    ("half a second", "120.5,11,13,10,12,6", e.BadTimestampError, "'120.5'"),
    ("negative time", "-120,11,13,10,12,6", e.BadTimestampError, "'-120'"),
    ("milliseconds", "1583971200000,11,13,10,12,6", e.BadTimestampError, "divide by 1,000"),
    ("field missing", "120,11,13,10,12", e.MalformedRowError, "expected 6 fields, got 5"),
    ("field too many", "120,11,13,10,12,6,7", e.MalformedRowError, "expected 6 fields, got 7"),
    ("open quote", '120,11,13,10,12,"6', e.MalformedRowError, "correct the quoting"),
    ("duplicate", "60,11,13,10,12,6", e.DuplicateTimestampError, "after 60, got 60 again"),
    ("unsorted", "59,11,13,10,12,6", e.UnsortedError, "sort the file by ts"),
]


@pytest.mark.parametrize(("row", "kind", "says"), [c[1:] for c in BAD_ROWS], ids=lambda v: str(v))
@pytest.mark.parametrize("name", ["eth.csv", "eth.csv.gz"])
def test_load_ohlc__bad_row__named_error_with_row(
    tmp_path: Path, row: str, kind: type[e.MarketDataError], says: str, name: str
) -> None:
    path = write(tmp_path, HEAD + ONE + "\n" + row + "\n", name)
    with pytest.raises(e.MarketDataError) as caught:
        load_ohlc(path, allow_gaps=True)
    error = caught.value
    assert type(error) is kind
    assert error.row == 2
    assert error.path == path
    # An open quote swallows the rest of the file, so its line is the last one.
    assert error.line in (4, 5)
    assert str(error).startswith(f"{path}: data row 2 (line {error.line}): expected ")
    assert ", got " in str(error)
    assert "; " in str(error)
    assert says in str(error)
    assert error.exit_code == 3


BAD_FILES = [
    ("empty", "eth.csv", b"", e.EmptyFileError, "an empty file"),
    ("blank", "eth.csv", b"\n\n", e.EmptyFileError, "an empty file"),
    ("header only", "eth.csv", HEAD.encode(), e.EmptyFileError, "nothing else"),
    ("one bar", "eth.csv", (HEAD + ONE).encode(), e.TooFewBarsError, "at least two bars, got one"),
    ("no close", "eth.csv", b"ts,open,high,low\n", e.MissingColumnError, "without 'close'"),
    ("no header", "eth.csv", (ONE + TWO).encode(), e.MissingColumnError, "without 'ts'"),
    ("semicolons", "eth.csv", HEAD.replace(",", ";").encode(), e.MissingColumnError, "'ts'"),
    ("twice", "eth.csv", b"ts,open,high,low,close,Low\n", e.DuplicateColumnError, "column 'low'"),
    ("no gzip", "eth.csv.gz", (HEAD + ONE).encode(), e.UnreadableFileError, "gzip"),
    ("half gzip", "eth.csv.gz", gzip.compress(b"x" * 999)[:-9], e.UnreadableFileError, "gzip"),
    ("gzip as csv", "eth.csv", gzip.compress(b"x"), e.UnreadableFileError, "UTF-8"),
    ("other name", "eth.parquet", b"", e.UnsupportedFileError, ".csv.gz"),
]


@pytest.mark.parametrize(
    ("name", "data", "kind", "says"), [c[1:] for c in BAD_FILES], ids=[c[0] for c in BAD_FILES]
)
def test_load_ohlc__bad_file__named_error(
    tmp_path: Path, name: str, data: bytes, kind: type[e.MarketDataError], says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(e.MarketDataError) as caught:
        load_ohlc(path)
    assert type(caught.value) is kind
    assert caught.value.row is None
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_load_ohlc__corrupt_gzip_body__unreadable(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + ONE + TWO, "eth.csv.gz")
    packed = bytearray(path.read_bytes())
    packed[-6] ^= 0xFF  # inside the checksum
    path.write_bytes(packed)
    with pytest.raises(e.UnreadableFileError, match="CRC"):
        load_ohlc(path)


def test_load_ohlc__no_such_file_or_a_folder__named_error(tmp_path: Path) -> None:
    with pytest.raises(e.FileMissingError, match="check the path"):
        load_ohlc(tmp_path / "absent.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(e.UnsupportedFileError, match="got a folder"):
        load_ohlc(tmp_path / "folder.csv")


def test_load_ohlc__gap__error_names_place_and_count(tmp_path: Path) -> None:
    rows = [f"{ts},10,12,9,11,5\n" for ts in (0, 60, 120, 300, 360, 390, 450)]
    path = write(tmp_path, HEAD + "".join(rows))
    with pytest.raises(e.GapError) as caught:
        load_ohlc(path)
    assert caught.value.row == 4
    assert caught.value.line == 5
    assert "expected 60 s between bars" in str(caught.value)
    assert "got 180 s (2 gap(s): 1970-01-01T00:02:00Z -> 1970-01-01T00:05:00Z" in str(caught.value)

    gaps = load_ohlc(path, allow_gaps=True).gaps
    assert [(g.after_ts, g.seconds, g.missing) for g in gaps] == [(120, 180, 2), (360, 30, 0)]


def test_load_ohlc__two_spacings_equally_common__smaller_is_the_spacing(tmp_path: Path) -> None:
    rows = "".join(f"{ts},10,12,9,11,5\n" for ts in (0, 60, 240))
    assert load_ohlc(write(tmp_path, HEAD + rows), allow_gaps=True).spacing == 60


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    quads=st.lists(
        st.lists(st.integers(1, 10**21), min_size=4, max_size=4), min_size=2, max_size=20
    ),
    spacing=st.integers(1, 10**6),
    packed=st.booleans(),
)
def test_load_ohlc__any_valid_bars__written_and_read_back(
    tmp_path: Path, quads: list[list[int]], spacing: int, packed: bool
) -> None:
    bars = []
    for k, quad in enumerate(quads):
        low, opened, closed, high = (*sorted(quad)[:1], *quad_middle(quad), max(quad))
        bars.append(Bar(k * spacing, opened, high, low, closed, Decimal(k)))
    lines = [
        ",".join(
            [str(b.ts)]
            + [f"{ticks_to_price(p):f}" for p in (b.open, b.high, b.low, b.close)]
            + [str(b.volume)]
        )
        for b in bars
    ]
    name = "p.csv.gz" if packed else "p.csv"
    series = load_ohlc(write(tmp_path, HEAD + "\n".join(lines) + "\n", name))
    assert series.bars == tuple(bars)
    assert series.spacing == spacing


def quad_middle(quad: list[int]) -> tuple[int, int]:
    """The two inner values, in the order in which they were drawn."""
    inner = sorted(range(4), key=lambda i: quad[i])[1:3]
    first, second = sorted(inner)
    return quad[first], quad[second]


@given(st.integers(-(10**21), 10**21))
def test_price_to_ticks__any_tick__inverse_of_ticks_to_price(ticks: int) -> None:
    assert price_to_ticks(ticks_to_price(ticks)) == ticks


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=300))
def test_load_ohlc__arbitrary_text__series_or_market_data_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "any.csv"
    path.write_bytes((HEAD + ONE + text).encode("utf-8", "surrogatepass"))
    with pytest.raises(e.MarketDataError) as caught:
        load_ohlc(path)
    assert "; " in str(caught.value)
