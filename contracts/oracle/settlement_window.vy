# pragma version 0.4.3
"""
@title settlement_window
@license AGPL-3.0-only
@notice Time-weighted price of half hours aligned to the clock, kept for ever, from constant work
        per poke: the sum of the running half hour, and, when a poke leaves a half hour behind, one
        word for it. A half hour with a second in which the feed was not OK has no price, so a sum
        is kept only while it is whole: it covers every second from the half hour's start to the
        time of the price in force. With them goes the slow average, which follows the half hours'
        prices, so that no single print moves it. The slow premium's full-precision average has the
        last bits of the history word.

        history word (the lower bits: realised_variance.vy), written by every accepted poke
        130-196 sum       ticks * s, of the running half hour; 0: not whole (or nothing yet)
        197-234 premium   1e-12 of price, int38: slow average
        235-255 slow      ticks, 15 significant bits (shift 6 | mantissa 15): slow average, 0 before
                          the first price; a band of percents around it needs no more
        settlement word, one per feed, written when a complete half hour is left behind
        0-21    number    of the last complete half hour: time // 1800
        22-77   price     ticks, its average, rounded down
        window word, one per feed and half hour in which a price was replaced by one of a later one
        0-55    price     ticks, its average, rounded down; 0: it was not OK throughout
        56-111  held      ticks: the price at its end
        112-123 further   half hours after it that were wholly at the price held
"""

from contracts.modules import fixed_point
from contracts.oracle import feed_state

uses: feed_state

WINDOW: constant(uint256) = 1_800  # s
MAX_FURTHER: constant(uint256) = 36  # 65,535 s, the longest ttl, in half hours
MASK_12: constant(uint256) = 2**12 - 1
MASK_56: constant(uint256) = 2**56 - 1
MASK_67: constant(uint256) = 2**67 - 1
MASK_38: constant(uint256) = 2**38 - 1
SUM_SHIFT: constant(uint256) = 130
SUM_FIELD: constant(uint256) = (2**67 - 1) << 130
PREMIUM_SHIFT: constant(uint256) = 197
PREMIUM_FIELD: constant(uint256) = (2**38 - 1) << 197
SLOW_SHIFT: constant(uint256) = 235
ONE: constant(uint256) = 2**96


struct Passage:
    history: uint256  # the history word after it
    price: uint256  # ticks, average of the half hour it began in; 0: not whole or not at its end
    number: uint256  # that half hour
    further: uint256  # whole half hours after it


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
def _slow(history: uint256) -> uint256:
    """
    @notice The slow average, ticks; 0: none yet.
    @param history The history word.
    """
    return ((history >> 241) & (2**15 - 1)) << ((history >> SLOW_SHIFT) & 63)


@internal
@pure
def _with_slow_floor(history: uint256, slow: uint256) -> uint256:
    """
    @notice The history word with another slow average, rounded down to 15 significant bits.
    @param history The history word.
    @param slow Ticks, < 2**56.
    """
    places: uint256 = 0
    for _: uint256 in range(41):
        if slow >> places < 2**15:
            break
        places = unsafe_add(places, 1)  # at most 41
    kept: uint256 = history & (2**SLOW_SHIFT - 1)
    return kept | (places << SLOW_SHIFT) | ((slow >> places) << 241)


@internal
@pure
def _premium(history: uint256) -> int256:
    """
    @notice 1e-12 of price, signed.
    """
    # Proof: the field's sign bit (234) goes to bit 255, the arithmetic shift extends it.
    return convert(convert(history << 21, bytes32), int256) >> 218


@internal
@pure
def _with_premium(history: uint256, premium: int256) -> uint256:
    """
    @notice The word with another slow premium.
    @param history The history word.
    @param premium 1e-12, |premium| < 2**37.
    """
    bits: uint256 = convert(convert(premium, bytes32), uint256) & MASK_38
    return (history & ~PREMIUM_FIELD) | (bits << PREMIUM_SHIFT)


@internal
@pure
def _broken(history: uint256) -> uint256:
    """
    @notice The word after seconds in which the feed was not OK.
    """
    return history & ~SUM_FIELD


@internal
@pure
def _held(history: uint256, price: uint256, start: uint256, end: uint256, now: uint256) -> Passage:
    """
    @notice What comes of the feed having been OK at one price over [start, end) and not OK over
            [end, now).
    @param history The history word; its sum covers the time up to `start` or is 0.
    @param price Ticks, > 0.
    @param start Seconds.
    @param end Seconds, >= start.
    @param now Seconds, >= end.
    """
    # Proof: all times are < 2**32 and start <= end. A half hour's seconds add up to at most 1800,
    # so sums are < 2**56 * 2**11 and fit 67 bits; numbers are < 2**32 / 1800 < 2**22.
    total: uint256 = (history >> SUM_SHIFT) & MASK_67
    number: uint256 = unsafe_div(start, WINDOW)
    last: uint256 = unsafe_div(end, WINDOW)
    offset: uint256 = unsafe_sub(start, unsafe_mul(number, WINDOW))
    # Prices are above 0, so a sum of 0 is whole only at a half hour's very start.
    whole: bool = offset == 0 or total != 0
    result: Passage = Passage(history=0, price=0, number=number, further=0)
    if number == last:
        if whole:
            total = unsafe_add(total, unsafe_mul(price, unsafe_sub(end, start)))
    else:
        if whole:
            total = unsafe_add(total, unsafe_mul(price, unsafe_sub(WINDOW, offset)))
            result.price = unsafe_div(total, WINDOW)
        result.further = unsafe_sub(unsafe_sub(last, number), 1)
        total = unsafe_mul(price, unsafe_sub(end, unsafe_mul(last, WINDOW)))
    if end != now:
        total = 0
    result.history = (history & ~SUM_FIELD) | (total << SUM_SHIFT)
    return result


@internal
@pure
def _follow_floor(slow: uint256, price: uint256, elapsed: uint256, tau: uint256) -> uint256:
    """
    @notice The slow average after `elapsed` seconds at a price: always between the two.
    @param slow Ticks; 0 for none yet: then the price.
    @param price Ticks.
    @param elapsed Seconds, >= 1.
    @param tau Seconds, >= 60.
    @return Ticks, rounded down.
    """
    if slow == 0:
        return price
    # Proof: elapsed < 2**32, so the argument is < 2**128; elapsed >= 1 makes the weight at most
    # ONE; the prices are < 2**56.
    weight: uint256 = fixed_point._exp_neg(unsafe_div(elapsed << 96, tau))
    return unsafe_add(unsafe_mul(slow, weight), unsafe_mul(price, unsafe_sub(ONE, weight))) >> 96


@internal
def _leave(feed: uint256, p: Passage, held: uint256, tau: uint256, now: uint256) -> uint256:
    """
    @notice Stores the window and settlement words when half hours were left behind, and moves the
            slow average.
    @param feed The feed's id.
    @param p What came of the interval that ends now; its number is the half hour it began in.
    @param held Ticks, the price of that interval.
    @param tau Seconds: of the slow average.
    @param now Seconds.
    @return The history word after.
    """
    # Proof: p.number is of an earlier second's half hour; further <= 36; see _held.
    passed: uint256 = unsafe_sub(unsafe_div(now, WINDOW), p.number)
    if passed == 0:
        return p.history
    sample: uint256 = held
    if p.price != 0 or p.further != 0:
        feed_state.windows[(feed << 32) | p.number] = p.price | (held << 56) | (p.further << 112)
        if p.further == 0:
            sample = p.price
        feed_state.settlement[feed] = unsafe_add(p.number, p.further) | (sample << 22)
    slow: uint256 = self._follow_floor(
        self._slow(p.history), sample, unsafe_mul(passed, WINDOW), tau
    )
    return self._with_slow_floor(p.history, slow)


@internal
@view
def _stored_price(feed: uint256, number: uint256) -> uint256:
    """
    @notice The price of a half hour before the one the price in force was fixed in. 0: none.
    @param feed The feed's id.
    @param number The half hour.
    @return Ticks, rounded down.
    """
    word: uint256 = feed_state.windows[(feed << 32) | number]
    if word != 0:
        return word & MASK_56
    # No price ended in it: it has one only if one was held through it.
    for back: uint256 in range(1, MAX_FURTHER + 1):
        if back > number:
            break
        word = feed_state.windows[(feed << 32) | unsafe_sub(number, back)]
        if word != 0:
            if (word >> 112) & MASK_12 >= back:
                return (word >> 56) & MASK_56
            break
    return 0
