# pragma version 0.4.3
"""
@title saturating
@license AGPL-3.0-only
@notice Unsigned subtraction that stops at zero.
"""


@internal
@pure
def _less(a: uint256, b: uint256) -> uint256:
    """
    @notice a - b, not below zero.
    @param a Any.
    @param b Any, same unit.
    @return The difference or 0.
    """
    return unsafe_sub(max(a, b), b)  # the larger less b
