# pragma version 0.4.3
"""
@title slow_root
@license AGPL-3.0-only
@notice The slow average of open interest behind the maintenance concentration add-on, kept as a
        root (isqrt(lots << 24)). Over dt seconds it moves the share dt / (dt + TAU) of its way to
        the live root; upwards no faster than a set rise of the add-on per day. So nobody's trade
        moves it in the same second, and a crowd cannot move it by more than the daily cap.
@dev Monotone in the live root, in the old value and in time; never past the live root; rounded up
     both ways (by at most one unit a call). More calls move it faster, but never faster than the
     exponential with the same TAU, one unit a call aside.
"""
TAU: constant(uint256) = 86_400  # s
RISE_PER_DAY: constant(uint256) = 500_000_000  # 1e-11 of notional: 0.5 %


@internal
@pure
def _accrued_up(slow: uint256, live: uint256, elapsed: uint256, coefficient: uint256) -> uint256:
    """
    @notice The slow root after `elapsed` seconds at an unchanged live root.
    @param slow Root at the start, < 2^40.
    @param live Live root, < 2^40.
    @param elapsed s, < 2^32.
    @param coefficient Add-on per root unit, 2^-32 of 1e-11 of notional, < 2^77; 0: no cap.
    @return The root, between `slow` and `live`.
    """
    # Proofs: roots < 2^40 and elapsed < 2^32, so products < 2^72 and sums with TAU are small;
    # 5e8 * 2^32 * 2^32 < 2^93; 86400 * 2^77 < 2^94. Divisors are at least TAU > 0. A share of a
    # distance, rounded either way, is no longer than the distance, so nothing passes `live`.
    slowness: uint256 = unsafe_add(elapsed, TAU)
    if live <= slow:
        return unsafe_sub(slow, unsafe_div(unsafe_mul(unsafe_sub(slow, live), elapsed), slowness))
    rise: uint256 = unsafe_div(
        unsafe_add(unsafe_mul(unsafe_sub(live, slow), elapsed), unsafe_sub(slowness, 1)), slowness
    )
    if coefficient != 0:
        divisor: uint256 = unsafe_mul(86_400, coefficient)
        rise = min(
            rise,
            unsafe_div(
                unsafe_add(unsafe_mul(RISE_PER_DAY << 32, elapsed), unsafe_sub(divisor, 1)), divisor
            ),
        )
    return unsafe_add(slow, rise)
