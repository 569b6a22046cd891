# pragma version 0.4.3
"""
@title rounding
@license AGPL-3.0-only
@notice Signed division with a named rounding direction. Vyper's `//` truncates towards zero.
"""


@internal
@pure
def _div_floor(a: int256, b: int256) -> int256:
    """
    @notice a / b rounded to minus infinity.
    @param a Dividend.
    @param b Divisor, > 0 (every caller passes a positive scale, size or multiplier).
    @return The floor.
    """
    # Proof: b > 0, so a / b cannot overflow; truncation is the floor for a >= 0. For a < 0 the floor
    # is -((-a - 1) / b) - 1 = (a + 1) / b - 1 with truncation, and a + 1 <= 0 cannot overflow.
    if a >= 0:
        return unsafe_div(a, b)
    return unsafe_sub(unsafe_div(unsafe_add(a, 1), b), 1)


@internal
@pure
def _div_up(a: uint256, b: uint256) -> uint256:
    """
    @notice a / b rounded up.
    @param a Dividend.
    @param b Divisor, > 0.
    @return The ceiling.
    """
    # Proof: a == 0 gives 0; otherwise a - 1 >= 0 and the quotient plus one is at most a.
    if a == 0:
        return 0
    return unsafe_add(unsafe_div(unsafe_sub(a, 1), b), 1)
