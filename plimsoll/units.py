"""Lots, ticks, quote and token units <-> `Decimal`: the one border of people and integers.

| unit | one of it | function |
|---|---|---|
| lot | 1e-6 of the underlying | `lots`, `from_lots` |
| tick | 1e-9 USD per underlying | `ticks`, `from_ticks` |
| quote unit | 1e-15 USD = lot x tick | `quote_units`, `from_quote_units` |
| quote token unit | 1e-6 USD = 1e9 quote units | `token_units`, `from_token_units` |

Conversions into integers are exact: a value between two units is refused with `InexactError` unless
the caller names the direction to round in. The decimal context in force never matters.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

LOT_EXPONENT = -6
TICK_EXPONENT = -9
QUOTE_EXPONENT = LOT_EXPONENT + TICK_EXPONENT
TOKEN_EXPONENT = -6
QUOTE_PER_TOKEN = 10 ** (TOKEN_EXPONENT - QUOTE_EXPONENT)  # quote units in one quote token unit

Number = Decimal | int | str


class Rounding(Enum):
    """Where a value between two units goes. Each has one meaning for negative values too."""

    FLOOR = "towards minus infinity"
    CEILING = "towards plus infinity"
    DOWN = "towards zero"
    UP = "away from zero"


class UnitError(ValueError):
    """Not a finite number in decimal notation, or a float."""


class InexactError(UnitError):
    """The value lies between two units and no rounding direction was named."""


def _decimal(value: Number) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise UnitError(f"expected a Decimal, int or str, got {value!r}; write floats as str")
    try:
        number = Decimal(value)
    except ArithmeticError as exc:
        raise UnitError(f"expected a number, got {value!r}") from exc
    if not number.is_finite():
        raise UnitError(f"expected a finite number, got {value!r}")
    return number


def _divide(numerator: int, denominator: int, rounding: Rounding) -> int:
    """Quotient rounded as told; denominator > 0 and not a divisor."""
    floor = numerator // denominator
    up = rounding is Rounding.CEILING or (
        rounding is Rounding.DOWN if numerator < 0 else rounding is Rounding.UP
    )
    return floor + 1 if up else floor


def _power(exponent: int) -> int:
    """10**exponent for exponent >= 0."""
    return int(10**exponent)


def to_units(value: Number, exponent: int, rounding: Rounding | None = None) -> int:
    """`value` in units of 10**exponent. Raises `InexactError`, or `UnitError` for a non-number."""
    sign, digits, power = _decimal(value).as_tuple()
    assert isinstance(power, int)  # finite
    number = int("".join(map(str, digits)) or "0") * (-1 if sign else 1)
    shift = power - exponent
    if shift >= 0 or number == 0:
        return number * _power(shift) if number else 0
    denominator = _power(-shift)
    if number % denominator == 0:
        return number // denominator
    if rounding is None:
        raise InexactError(
            f"expected a multiple of 1e{exponent}, got {value}; name a rounding direction"
        )
    return _divide(number, denominator, rounding)


def from_units(amount: int, exponent: int) -> Decimal:
    """`amount` units of 10**exponent, exact, in plain notation without trailing zeros."""
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise UnitError(f"expected an int, got {amount!r}")
    while amount and exponent < 0 and amount % 10 == 0:
        amount, exponent = amount // 10, exponent + 1
    if amount == 0 or exponent > 0:
        amount, exponent = amount * 10 ** max(exponent, 0), 0
    digits = tuple(map(int, str(abs(amount))))
    return Decimal((int(amount < 0), digits, exponent))


def lots(size: Number, rounding: Rounding | None = None) -> int:
    """Size in underlying units -> lots."""
    return to_units(size, LOT_EXPONENT, rounding)


def from_lots(amount: int) -> Decimal:
    """Lots -> size in underlying units."""
    return from_units(amount, LOT_EXPONENT)


def ticks(price: Number, rounding: Rounding | None = None) -> int:
    """Price in USD per underlying unit -> ticks."""
    return to_units(price, TICK_EXPONENT, rounding)


def from_ticks(amount: int) -> Decimal:
    """Ticks -> price in USD per underlying unit."""
    return from_units(amount, TICK_EXPONENT)


def quote_units(usd: Number, rounding: Rounding | None = None) -> int:
    """USD -> quote units."""
    return to_units(usd, QUOTE_EXPONENT, rounding)


def from_quote_units(amount: int) -> Decimal:
    """Quote units -> USD."""
    return from_units(amount, QUOTE_EXPONENT)


def token_units(
    amount: Number, rounding: Rounding | None = None, decimals: int = -TOKEN_EXPONENT
) -> int:
    """Tokens -> token units; `decimals` defaults to the quote token's."""
    return to_units(amount, -decimals, rounding)


def from_token_units(amount: int, decimals: int = -TOKEN_EXPONENT) -> Decimal:
    """Token units -> tokens; `decimals` defaults to the quote token's."""
    return from_units(amount, -decimals)
