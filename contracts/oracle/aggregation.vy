# pragma version 0.4.3
"""
@title aggregation
@license AGPL-3.0-only
@notice From every source's newest datum to one price: median of the data within their age limit
        (mean of the middle two for even counts, rounded down), their range, the oldest time, and
        the second in which the quorum will be over age. A datum counts until its own expiry,
        whatever its source does meanwhile, so no poke can worsen the state early.
"""

from contracts.oracle import feed_state
from contracts.oracle import feed_terms
from contracts.oracle import feed_word
from contracts.oracle import price_sources

uses: feed_state
uses: price_sources


struct Aggregate:
    valid: uint256  # number of data within their age limit
    median: uint256  # ticks
    low: uint256  # ticks, smallest valid
    high: uint256  # ticks, largest valid
    oldest: uint256  # s, smallest time of observation
    stale_at: uint256  # s, last second in which the quorum is still within its limits
    # of the report in force before this poke, 0 if none: 0-17 premium, 1e-6, int18 | its age, s
    premium: uint256
    data: DynArray[uint256, 5]  # datum words after this poke


NO_REPORT: constant(uint256) = 255
MASK_56: constant(uint256) = 2**56 - 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_17: constant(uint256) = 2**17 - 1
MASK_24: constant(uint256) = 2**24 - 1


@internal
def _gather(
    feed: uint256, terms: uint256, reporter: uint256, report: uint256, now: uint256
) -> Aggregate:
    """
    @notice Reads the on-chain sources, keeps what is newer, aggregates. Below the quorum the fields
            median, low, high and stale_at mean nothing.
    @param feed The feed's id.
    @param terms Its terms word.
    @param reporter Index of the source that `report` is for; NO_REPORT for none.
    @param report A verified datum word.
    @param now Seconds.
    """
    result: Aggregate = empty(Aggregate)
    result.oldest = now
    prices: uint256[5] = empty(uint256[5])  # ascending
    expiries: uint256[5] = empty(uint256[5])  # descending
    count: uint256 = 0
    signed_seen: bool = False
    first: uint256 = unsafe_mul(feed, 8)  # feed < 2**16
    # Fields are taken from their words in place: feed_terms.vy and feed_word.vy have the layouts.
    for i: uint256 in range((terms >> 3) & 7, bound=5):
        # Proof: first < 2**19 and i < 5.
        slot: uint256 = unsafe_add(first, i)
        kept: uint256 = feed_state.data[slot]
        datum: uint256 = kept
        max_age: uint256 = (kept >> 186) & MASK_17
        if kept & feed_word.SIGNED_FLAG == 0:
            source: uint256 = feed_state.sources[slot]
            max_age = (source >> 176) & MASK_24
            datum = price_sources._read(slot, source, kept, terms, now)
        else:
            # Proof: datum times are at most the timestamp of the block that took them.
            age: uint256 = unsafe_sub(now, (kept >> 56) & MASK_32)
            if not signed_seen and kept & MASK_56 != 0 and age <= max_age:
                signed_seen = True
                result.premium = ((kept >> 168) & feed_word.MASK_18) | (age << 18)
            if i == reporter:
                datum = report
        if datum != kept:
            feed_state.data[slot] = datum
        result.data.append(datum)
        time: uint256 = (datum >> 56) & MASK_32
        price: uint256 = datum & MASK_56
        if price == 0 or unsafe_sub(now, time) > max_age:
            continue
        # Insert, keeping both arrays sorted: what is displaced moves one place on.
        expiry: uint256 = unsafe_add(time, max_age)  # < 2**33
        for j: uint256 in range(count, bound=4):
            other: uint256 = prices[j]
            if price < other:
                prices[j] = price
                price = other
            other = expiries[j]
            if expiry > other:
                expiries[j] = expiry
                expiry = other
        prices[count] = price
        expiries[count] = expiry
        count = unsafe_add(count, 1)  # at most 5
        result.oldest = min(result.oldest, time)
    result.valid = count
    if count != 0:
        # Proof: 1 <= count <= 5, so all indices are in 0..4; prices are < 2**56.
        half: uint256 = count >> 1
        result.median = prices[half]
        if count & 1 == 0:
            result.median = unsafe_add(prices[unsafe_sub(half, 1)], prices[half]) >> 1
        result.low = prices[0]
        result.high = prices[unsafe_sub(count, 1)]
        # Proof: 1 <= quorum <= 5.
        result.stale_at = expiries[unsafe_sub(terms & 7, 1)]
    return result


@internal
@pure
def _band_up(low: uint256, median: uint256, high: uint256, half_band: uint256) -> uint256:
    """
    @notice The offsets that cover all valid data, at least half_band, each rounded up.
    @param low Ticks, smallest datum; the spread is at most 4000e-4 of the median.
    @param median Ticks.
    @param high Ticks, largest datum.
    @param half_band 1e-4.
    @return low | high << 16, 1e-5 of the median, each a multiple of ten.
    """
    if low == high:
        return unsafe_mul(half_band, 10 | (10 << 16))  # half_band <= 500
    # Proof: low <= median <= high < 2**56, median > 0 because every datum is (min_price >= 1).
    pad: uint256 = unsafe_sub(median, 1)
    down: uint256 = unsafe_add(unsafe_mul(unsafe_sub(median, low), 10_000), pad)
    up: uint256 = unsafe_add(unsafe_mul(unsafe_sub(high, median), 10_000), pad)
    # The quotients are at most 4000, so times ten they fit 16 bits.
    return unsafe_mul(
        max(half_band, unsafe_div(down, median)) | (max(half_band, unsafe_div(up, median)) << 16),
        10,
    )
