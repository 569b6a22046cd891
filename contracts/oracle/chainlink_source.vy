# pragma version 0.4.3
"""
@title chainlink_source
@license AGPL-3.0-only
@notice Tolerant read of a Chainlink-shaped aggregator. Whatever it does (no code, revert, short or
        long answer, burning its gas, zero, negative, future, going back in round or time, other
        decimals than were listed), the result is the datum kept before; it never bricks the feed.
        A caller who leaves too little gas for the read is refused, so nobody can make a sound
        source look broken.
"""

from contracts.modules import errors

ROUND_GAS: constant(uint256) = 120_000  # proxies in use need under 40,000
DECIMALS_GAS: constant(uint256) = 40_000
MASK_56: constant(uint256) = 2**56 - 1
UNKNOWN_DECIMALS: constant(uint256) = 255


@internal
@view
def _decimals(target: address) -> uint256:
    """
    @notice What the aggregator says its decimals are; UNKNOWN_DECIMALS if it gives no sound answer.
    @param target The aggregator.
    """
    left: uint256 = msg.gas
    ok: bool = False
    answer: Bytes[64] = b""
    ok, answer = raw_call(
        target,
        method_id("decimals()"),
        max_outsize=64,
        gas=DECIMALS_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not ok or len(answer) != 32:
        self._check_not_starved(left, DECIMALS_GAS)
        return UNKNOWN_DECIMALS
    return min(extract32(answer, 0, output_type=uint256), UNKNOWN_DECIMALS)


@internal
@view
def _read(source: uint256, kept: uint256, terms: uint256, now: uint256) -> uint256:
    """
    @notice The aggregator's newest datum, or `kept` when it has nothing newer that is sound.
    @param source The source word.
    @param kept The datum word accepted last; 0 if none.
    @param terms The feed's terms word.
    @param now Seconds.
    """
    target: address = convert(source & convert(max_value(uint160), uint256), address)
    decimals: uint256 = (source >> 168) & 255
    left: uint256 = msg.gas
    ok: bool = False
    answer: Bytes[192] = b""
    ok, answer = raw_call(
        target,
        method_id("latestRoundData()"),
        max_outsize=192,
        gas=ROUND_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not ok or len(answer) != 160:
        self._check_not_starved(left, ROUND_GAS)
        return kept
    round: uint256 = extract32(answer, 0, output_type=uint256)
    time: uint256 = extract32(answer, 96, output_type=uint256)
    if round >> 80 != 0 or time == 0 or time > now:
        return kept
    # Layout of the kept datum: feed_word.vy.
    kept_round: uint256 = (kept >> 88) & (2**80 - 1)
    kept_time: uint256 = (kept >> 56) & (2**32 - 1)
    if round < kept_round or time < kept_time:
        return kept
    # A datum of the same time and round is the one kept, whatever it says now.
    if round == kept_round and time == kept_time:
        return kept
    # In ticks, rounded down. Negative answers have the top bit set and are refused with the large.
    price: uint256 = extract32(answer, 32, output_type=uint256)
    if price >= 2**128:
        return kept
    # Proof: price < 2**128 and 10**9 < 2**30; the exponents are in 0..9 and 1..18.
    if decimals <= 9:
        price = unsafe_mul(price, 10**unsafe_sub(9, decimals))
    else:
        price = unsafe_div(price, 10**unsafe_sub(decimals, 9))
    # feed_terms._price_in_bounds, in place
    if price < ((terms >> 161) & (2**32 - 1)) << ((terms >> 156) & 31):
        return kept
    if price > (terms >> 198) << ((terms >> 193) & 31):
        return kept
    if self._decimals(target) != decimals:
        return kept
    return price | (time << 56) | (round << 88)


@internal
@view
def _check_not_starved(left: uint256, needed: uint256):
    """
    @notice Reverts StarvedCall if the call that failed got less gas than it was meant to.
    @param left Gas before the call.
    @param needed Gas the call was meant to get.
    """
    # A call gets at most 63/64 of what is left; 5,000 covers the cold address and the memory.
    errors._require(left >= needed + needed // 63 + 5_000, errors.STARVED_CALL)
