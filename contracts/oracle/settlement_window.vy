# pragma version 0.4.3
"""
@title settlement_window
@license AGPL-3.0-only
@notice Time-weighted price of half hours aligned to the clock, from constant state per poke: the
        running half hour's sum and the average of the last one in which the feed was OK throughout.
        The slow premium's full-precision average shares the word.

        settlement word
        bits    field     unit
        0-21    window    number of the running half hour: time // 1800
        22-88   sum       ticks * s, of its OK seconds
        89-99   seconds   s, its OK seconds
        100-121 last      number of the last complete half hour
        122-177 price     ticks, its average, rounded down; 0: none yet
        178-217 premium   1e-12 of price, int40: slow average
"""

WINDOW: constant(uint256) = 1_800  # s
MASK_22: constant(uint256) = 2**22 - 1
MASK_56: constant(uint256) = 2**56 - 1
MASK_67: constant(uint256) = 2**67 - 1
MASK_11: constant(uint256) = 2**11 - 1
LAST_MASK: constant(uint256) = (2**78 - 1) << 100  # fields last and price
PREMIUM_SHIFT: constant(uint256) = 178
MASK_40: constant(uint256) = 2**40 - 1


@internal
@pure
def _last_price(word: uint256) -> uint256:
    """
    @notice Ticks; 0 when no half hour was complete yet.
    """
    return (word >> 122) & MASK_56


@internal
@pure
def _premium(word: uint256) -> int256:
    """
    @notice 1e-12 of price, signed.
    """
    # Proof: the field's sign bit (217) goes to bit 255, the arithmetic shift extends it.
    return convert(convert(word << 38, bytes32), int256) >> 216


@internal
@pure
def _with_premium(word: uint256, premium: int256) -> uint256:
    """
    @notice The word with another slow premium.
    @param word The settlement word.
    @param premium 1e-12, |premium| < 2**39.
    """
    bits: uint256 = convert(convert(premium, bytes32), uint256) & MASK_40
    return (word & (2**PREMIUM_SHIFT - 1)) | (bits << PREMIUM_SHIFT)


@internal
@pure
def _held(word: uint256, price: uint256, start: uint256, end: uint256) -> uint256:
    """
    @notice The word after the feed was OK at one price over [start, end).
    @param word The settlement word.
    @param price Ticks.
    @param start Seconds, >= the end of every earlier interval.
    @param end Seconds, >= start.
    """
    # Proof: all times are < 2**32 and start <= end. A window's seconds add up to at most 1800, so
    # sums are < 2**56 * 2**11 and fit 67 bits; numbers are < 2**32 / 1800 < 2**22.
    window: uint256 = unsafe_div(start, WINDOW)
    last_window: uint256 = unsafe_div(end, WINDOW)
    total: uint256 = 0
    seconds: uint256 = 0
    if word & MASK_22 == window:
        total = (word >> 22) & MASK_67
        seconds = (word >> 89) & MASK_11
    closed: uint256 = word & LAST_MASK
    from_second: uint256 = start
    if window != last_window:
        rest: uint256 = unsafe_sub(unsafe_mul(unsafe_add(window, 1), WINDOW), start)
        if unsafe_add(seconds, rest) == WINDOW:
            average: uint256 = unsafe_div(unsafe_add(total, unsafe_mul(price, rest)), WINDOW)
            closed = (window << 100) | (average << 122)
        if unsafe_sub(last_window, window) > 1:
            closed = (unsafe_sub(last_window, 1) << 100) | (price << 122)
        from_second = unsafe_mul(last_window, WINDOW)
        total = 0
        seconds = 0
    held: uint256 = unsafe_sub(end, from_second)
    total = unsafe_add(total, unsafe_mul(price, held))
    seconds = unsafe_add(seconds, held)
    return (
        last_window
        | (total << 22)
        | (seconds << 89)
        | closed
        | (word & (MASK_40 << PREMIUM_SHIFT))
    )
