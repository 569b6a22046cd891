# pragma version 0.4.3
"""
@title FixedPointProbe
@license AGPL-3.0-only
@notice Makes the fixed-point kernels callable.
"""

from contracts.modules import fixed_point


@external
@pure
def exp_neg(x: uint256) -> uint256:
    return fixed_point._exp_neg(x)


@external
@pure
def ln_ratio(a: uint256, b: uint256) -> int256:
    return fixed_point._ln_ratio(a, b)
