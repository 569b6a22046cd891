"""The border between people's decimals and the contracts' integers."""

from __future__ import annotations

import random
from decimal import Context, Decimal, localcontext
from fractions import Fraction

import pytest

from plimsoll import units
from plimsoll.units import InexactError, Rounding, UnitError


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        (units.lots, "1", 10**6),
        (units.lots, Decimal("-0.000001"), -1),
        (units.ticks, "3512.25", 3_512_250_000_000),
        (units.ticks, 5, 5 * 10**9),
        (units.quote_units, "0.000000000000001", 1),
        (units.quote_units, "1e3", 10**18),
        (units.token_units, "12.5", 12_500_000),
        (units.lots, "0.0000000", 0),
        (units.lots, "-0", 0),
        (units.lots, "1E+30", 10**36),
    ],
)
def test_to_integer__exact_value__converted(function, value, expected):
    assert function(value) == expected


def test_units__lot_times_tick__is_the_quote_unit():
    assert units.lots(1) * units.ticks(1) == units.quote_units(1)
    assert units.quote_units(1) == units.token_units(1) * units.QUOTE_PER_TOKEN


@pytest.mark.parametrize("value", ["0.0000001", "1.0000005", "-3.00000001", "1e-40"])
def test_to_integer__between_two_units__refused(value):
    with pytest.raises(InexactError, match="name a rounding direction"):
        units.lots(value)


@pytest.mark.parametrize(
    ("rounding", "positive", "negative"),
    [
        (Rounding.FLOOR, 1, -2),
        (Rounding.CEILING, 2, -1),
        (Rounding.DOWN, 1, -1),
        (Rounding.UP, 2, -2),
    ],
)
@pytest.mark.parametrize("tail", ["01", "5", "99"])
def test_to_integer__named_direction__rounds_there(rounding, positive, negative, tail):
    assert units.lots(f"0.000001{tail}", rounding) == positive
    assert units.lots(f"-0.000001{tail}", rounding) == negative
    assert units.lots("0.000007", rounding) == 7


@pytest.mark.parametrize("value", [1.5, True, None, "", "abc", "NaN", "Infinity", Decimal("-Inf")])
def test_to_integer__not_a_number__refused(value):
    with pytest.raises(UnitError):
        units.lots(value)


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_from_integer__not_an_int__refused(value):
    with pytest.raises(UnitError, match="expected an int"):
        units.from_lots(value)


@pytest.mark.parametrize(
    ("function", "amount", "text"),
    [
        (units.from_lots, 1_500_000, "1.5"),
        (units.from_ticks, 3_000 * 10**9, "3000"),
        (units.from_quote_units, -1, "-1E-15"),
        (units.from_lots, 0, "0"),
        (units.from_lots, 10**40, "1" + "0" * 34),
    ],
)
def test_from_integer__amount__plain_and_short(function, amount, text):
    assert str(function(amount)) == text


def test_round_trip__random_amounts__exact_in_any_decimal_context():
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    pairs = [
        (units.lots, units.from_lots, -6),
        (units.ticks, units.from_ticks, -9),
        (units.quote_units, units.from_quote_units, -15),
        (units.token_units, units.from_token_units, -6),
    ]
    with localcontext(Context(prec=3)):  # nothing may depend on it
        for _ in range(500):
            amount = rng.randrange(-(2 ** rng.randrange(1, 200)), 2 ** rng.randrange(1, 200))
            for to_integer, to_decimal, exponent in pairs:
                value = to_decimal(amount)
                assert Fraction(value) == amount * Fraction(10) ** exponent, seed
                assert to_integer(value) == amount, seed


def test_rounding__random_values__equals_fractions():
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(500):
        value = Decimal(rng.randrange(-(10**12), 10**12)).scaleb(-rng.randrange(12))
        exact = Fraction(value) * 10**6
        floor = exact.numerator // exact.denominator
        ceiling = -(-exact.numerator // exact.denominator)
        assert units.lots(value, Rounding.FLOOR) == floor, seed
        assert units.lots(value, Rounding.CEILING) == ceiling, seed
        assert units.lots(value, Rounding.DOWN) == int(exact), seed
        assert units.lots(value, Rounding.UP) == (ceiling if exact > 0 else floor), seed
