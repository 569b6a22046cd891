"""Ticks of a mantissa and exponent: exact against rational arithmetic, in contract and model."""

import random
from fractions import Fraction
from pathlib import Path

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.evm import Evm
from plimsoll.model.price_sources import ticks_floor

MOCKS = Path(__file__).parents[2] / "contracts"
USD = 10**9  # ticks
VIAS = [0, 1, USD, 999_871_234, 2_345 * USD + 678_901_234, 2**55 - 1]
PYTH_MANTISSAS = [1, 7, 99_999_999, 123_456_789_012, 2**63 - 1]
PRICES = ["1", "1999", "2000.123456789012345678901234567", "0.7", "0.000000000312", "68123.45"]


@pytest.fixture(scope="module")
def probe():
    return Evm(record=False).deploy(compile_contract("SourceProbe", contracts=MOCKS))


def rational(mantissa, exponent, inverse, via):
    """The definition: floor of the price in ticks, 0 where 56 bits cannot hold it."""
    price = Fraction(mantissa) * Fraction(10) ** exponent
    if price == 0:
        return 0
    if inverse:
        price = 1 / price
    ticks = price * (via or USD)
    floor = ticks.numerator // ticks.denominator
    return floor if floor < 2**56 else 0


def check(probe, *case):
    expected = rational(*case)
    assert ticks_floor(*case) == expected
    assert probe.ticks_floor(*case) == expected
    return expected


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("exponent", range(-20, 13))
def test_ticks_floor__pyth_exponents__exact(probe, exponent, inverse):
    for mantissa in PYTH_MANTISSAS:
        for via in VIAS:
            check(probe, mantissa, exponent, inverse, via)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("decimals", [0, 6, 8, 18, 27])
def test_ticks_floor__feed_decimals__exact(probe, decimals, inverse):
    priced = 0
    for price in PRICES:
        mantissa = int(Fraction(price) * 10**decimals)
        for via in VIAS:
            priced += check(probe, mantissa, -decimals, inverse, via) != 0
    assert priced > 10


@pytest.mark.parametrize("seed", range(3))
def test_ticks_floor__random__exact(probe, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(700):
        mantissa = rng.randrange(2 ** rng.randint(1, 256))
        via = rng.choice([0, rng.randrange(1, 2 ** rng.randint(1, 56))])
        check(probe, mantissa, rng.randint(-27, 12), rng.random() < 0.5, via)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("exponent", [-27, -9, 0, 12])
def test_ticks_floor__edges_of_the_range__exact(probe, exponent, inverse):
    """On both sides of the mantissas that give one tick, 2**56 ticks, and of the 146 bit bound."""
    for via in VIAS:
        edges = [2**146, 2**256 - 1]
        for ticks in (1, 2**56):
            edge = Fraction(ticks, via or USD)
            edge = (1 / edge if inverse else edge) / Fraction(10) ** exponent
            edges.append(edge.numerator // edge.denominator)
        for edge in edges:
            for mantissa in (edge - 1, edge, edge + 1):
                if 0 <= mantissa < 2**256:
                    check(probe, mantissa, exponent, inverse, via)


@pytest.mark.parametrize("exponent", [-(2**255), -28, 13, 2**255 - 1])
def test_ticks_floor__exponent_out_of_range__none(probe, exponent):
    for mantissa, via in ((10**9, 0), (1, 1), (10**27, 0), (1, 2**55)):
        for inverse in (False, True):
            assert probe.ticks_floor(mantissa, exponent, inverse, via) == 0
            assert ticks_floor(mantissa, exponent, inverse, via) == 0
