# pragma version 0.4.3
"""
@title scale
@license AGPL-3.0-only
@notice From a source's mantissa and exponent to ticks (1e-9 USD): inverted where the source quotes
        the other way round, times another feed's price where it does not quote in USD. Exact
        integer arithmetic, one division, rounded down.
"""

TICKS_PER_USD: constant(uint256) = 10**9
MAX_TICKS: constant(uint256) = 2**56 - 1
MAX_MANTISSA: constant(uint256) = 2**146 - 1  # a larger one has no result, see below
MIN_EXPONENT: constant(int256) = -27
MAX_EXPONENT: constant(int256) = 12


@internal
@pure
def _ticks_floor(mantissa: uint256, exponent: int256, inverse: bool, via_price: uint256) -> uint256:
    """
    @notice mantissa * 10**exponent, or one over it, times via_price (or 1 USD), rounded down.
    @param mantissa Any; 0 means the source has no sound answer.
    @param exponent Power of ten; outside -27 to 12 the result is 0.
    @param inverse Whether the source quotes units per price instead of price per unit.
    @param via_price Ticks, < 2**56: price of what the source quotes in; 0 if it quotes in USD.
    @return Ticks; 0 if there is no answer, or none that is at least 1 and less than 2**56.
    """
    # Proof that a mantissa of 2**146 or more has no result, f being the factor, 1 <= f < 2**56:
    # mantissa * f / 10**27 >= 2**146 / 2**90 = 2**56; f * 10**27 / mantissa < 2**146 / 2**146.
    if mantissa == 0 or mantissa > MAX_MANTISSA:
        return 0
    if exponent < MIN_EXPONENT or exponent > MAX_EXPONENT:
        return 0
    factor: uint256 = via_price
    if factor == 0:
        factor = TICKS_PER_USD
    # Proof: 10**27 < 2**90, 10**12 < 2**40. Not inverse: above < 2**146 * 2**56 * 2**40 = 2**242,
    # below <= 10**27. Inverse: above < 2**56 * 2**90, below < 2**146 * 2**40, and > 0.
    power: uint256 = pow_mod256(10, convert(abs(exponent), uint256))
    above: uint256 = factor
    below: uint256 = mantissa
    if not inverse:
        above = unsafe_mul(factor, mantissa)
        below = 1
    if (exponent < 0) == inverse:
        above = unsafe_mul(above, power)
    else:
        below = unsafe_mul(below, power)
    ticks: uint256 = unsafe_div(above, below)
    if ticks > MAX_TICKS:
        return 0
    return ticks
