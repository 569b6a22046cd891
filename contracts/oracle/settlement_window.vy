# pragma version 0.4.3
"""
@title settlement_window
@license AGPL-3.0-only
@notice Time-weighted price of half hours aligned to the clock, from constant state per poke: the
        sum of the running half hour, and the average of the last one in which the feed was OK
        throughout. A half hour with a gap is lost, so a sum is kept only while it is whole: it
        covers every second from the half hour's start to the time of the price in force. The slow
        premium's full-precision average has the last bits of the same word.

        history word (the lower bits: realised_variance.vy), written by every accepted poke
        150-216 sum       ticks * s, of the running half hour; 0: not whole (or nothing yet)
        217-254 premium   1e-12 of price, int38: slow average
        settlement word, written when a half hour is complete
        0-21    number    of the last complete half hour: time // 1800
        22-77   price     ticks, its average, rounded down
"""

WINDOW: constant(uint256) = 1_800  # s
MASK_67: constant(uint256) = 2**67 - 1
MASK_38: constant(uint256) = 2**38 - 1
SUM_SHIFT: constant(uint256) = 150
SUM_FIELD: constant(uint256) = (2**67 - 1) << 150
PREMIUM_SHIFT: constant(uint256) = 217


@internal
@pure
def _last_price(settled: uint256) -> uint256:
    """
    @notice Ticks; 0 when no half hour was complete yet.
    @param settled The settlement word.
    """
    return settled >> 22


@internal
@pure
def _premium(history: uint256) -> int256:
    """
    @notice 1e-12 of price, signed.
    """
    # Proof: the field's sign bit (254) goes to bit 255, the arithmetic shift extends it.
    return convert(convert(history << 1, bytes32), int256) >> 218


@internal
@pure
def _with_premium(history: uint256, premium: int256) -> uint256:
    """
    @notice The word with another slow premium.
    @param history The history word.
    @param premium 1e-12, |premium| < 2**37.
    """
    bits: uint256 = convert(convert(premium, bytes32), uint256) & MASK_38
    return (history & (2**PREMIUM_SHIFT - 1)) | (bits << PREMIUM_SHIFT)


@internal
@pure
def _broken(history: uint256) -> uint256:
    """
    @notice The word after seconds in which the feed was not OK.
    """
    return history & ~SUM_FIELD


@internal
@pure
def _held(history: uint256, price: uint256, start: uint256, end: uint256) -> (uint256, uint256):
    """
    @notice The words after the feed was OK at one price over [start, end).
    @param history The history word; its sum covers the time up to `start` or is 0.
    @param price Ticks, > 0.
    @param start Seconds.
    @param end Seconds, >= start.
    @return History word · settlement word, 0 where no half hour was completed.
    """
    # Proof: all times are < 2**32 and start <= end. A half hour's seconds add up to at most 1800,
    # so sums are < 2**56 * 2**11 and fit 67 bits; numbers are < 2**32 / 1800 < 2**22.
    total: uint256 = (history >> SUM_SHIFT) & MASK_67
    number: uint256 = unsafe_div(start, WINDOW)
    last: uint256 = unsafe_div(end, WINDOW)
    offset: uint256 = unsafe_sub(start, unsafe_mul(number, WINDOW))
    # Prices are above 0, so a sum of 0 is whole only at a half hour's very start.
    whole: bool = offset == 0 or total != 0
    settled: uint256 = 0
    if number == last:
        if whole:
            total = unsafe_add(total, unsafe_mul(price, unsafe_sub(end, start)))
    else:
        if unsafe_sub(last, number) > 1:
            settled = unsafe_sub(last, 1) | (price << 22)
        elif whole:
            total = unsafe_add(total, unsafe_mul(price, unsafe_sub(WINDOW, offset)))
            settled = number | (unsafe_div(total, WINDOW) << 22)
        total = unsafe_mul(price, unsafe_sub(end, unsafe_mul(last, WINDOW)))
    return (history & ~SUM_FIELD) | (total << SUM_SHIFT), settled
