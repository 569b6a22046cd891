"""Gas against bars and against what is on file. Refresh the file with `ape run bench --write`."""

from __future__ import annotations

import re

import pytest

from plimsoll.bench.report import PAGE, baseline, page
from plimsoll.bench.run import measure
from plimsoll.bench.table import BARS, EXTRA, Operation

GROWTH_PERCENT = 3
BUILT = [row for row in BARS if row.built]


@pytest.fixture(scope="module")
def bench():
    return measure()


@pytest.mark.parametrize("row", BUILT, ids=lambda row: row.name)
def test_gas__operation__within_its_bar(bench, row: Operation) -> None:
    gas = bench[0][row.name]
    assert gas <= row.bar, f"{row.name}: expected {row.bar:,} at most, got {gas:,}"


@pytest.mark.parametrize("row", [*BUILT, *EXTRA], ids=lambda row: row.name)
def test_gas__operation__has_not_grown(bench, row: Operation) -> None:
    gas, before = bench[0][row.name], baseline()[row.name]
    assert gas * 100 <= before * (100 + GROWTH_PERCENT), (
        f"{row.name}: expected {GROWTH_PERCENT} % over {before:,} at most, got {gas:,}; find the "
        "reason, and if it is worth it run `ape run bench --write` and say so in the commit"
    )


def test_gas__baseline__lists_exactly_what_is_measured(bench) -> None:
    assert set(baseline()) == set(bench[0]) == {row.name for row in (*BUILT, *EXTRA)}


def test_gas__deleveraging__constant_in_the_number_of_holders(bench) -> None:
    gas = [bench[0][f"deleverage_1_holders_{holders}"] for holders in (10, 100, 1_000)]
    assert max(gas) - min(gas) < 500, gas


def test_gas__perps_held__linear(bench) -> None:
    gas = bench[0]
    early = (gas["perp_held_8"] - gas["perp_held_2"]) / 6
    late = (gas["perp_held_32"] - gas["perp_held_8"]) / 24
    assert late < early * 1.1, (early, late)


def test_gas__page__names_every_operation(bench) -> None:
    text = page(*bench)
    assert all(f"`{row.name}`" in text for row in (*BARS, *EXTRA))
    assert without_figures(text) == without_figures(PAGE.read_text())


def without_figures(text: str) -> str:
    """Masks what is measured: a zero byte more in a signature is worth a dozen gas."""
    return re.sub(r"\*\*[\d,]+\*\*|(?<=\| )[\d,]+(?= \|$)", "N", text, flags=re.MULTILINE)
