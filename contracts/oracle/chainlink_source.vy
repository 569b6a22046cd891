# pragma version 0.4.3
"""
@title chainlink_source
@license AGPL-3.0-only
@notice Tolerant read of a Chainlink-shaped aggregator: without code, reverting, short, long or
        burning its gas it just has no answer. Zero, negative, future answers, ones that go back in
        round or time, and other decimals than were listed are refused in price_sources.vy.
"""

from contracts.oracle import tolerant_call

ROUND_GAS: constant(uint256) = 120_000  # proxies in use need under 40,000
DECIMALS_GAS: constant(uint256) = 40_000
UNKNOWN_DECIMALS: constant(uint256) = 255


@internal
@view
def _decimals(target: address) -> uint256:
    """
    @notice What the aggregator says its decimals are; UNKNOWN_DECIMALS if it gives no sound answer.
    @param target The aggregator.
    """
    return min(
        tolerant_call._word(target, method_id("decimals()"), DECIMALS_GAS), UNKNOWN_DECIMALS
    )


@internal
@view
def _observe(source: uint256) -> (uint256, uint256, uint256):
    """
    @notice The aggregator's newest answer, as it says. Reverts StarvedCall.
    @param source The source word.
    @return Answer, 0 for none; a negative one as its two's complement · updatedAt, s · round id.
    """
    answer: Bytes[288] = tolerant_call._answer(
        self._target(source), method_id("latestRoundData()"), 160, ROUND_GAS
    )
    if len(answer) == 0:
        return 0, 0, 0
    return (
        extract32(answer, 32, output_type=uint256),
        extract32(answer, 96, output_type=uint256),
        extract32(answer, 0, output_type=uint256),
    )


@internal
@pure
def _ticks_floor(answer: uint256, decimals: uint256) -> uint256:
    """
    @notice An answer in ticks, rounded down; a negative one or one over 2**128 as 0.
    @param answer The answer's word.
    @param decimals 0 to 27.
    """
    if answer >= 2**128:
        return 0
    # Proof: answer < 2**128 and 10**9 < 2**30; the exponents are in 0..9 and 1..18.
    if decimals <= 9:
        return unsafe_mul(answer, 10**unsafe_sub(9, decimals))
    return unsafe_div(answer, 10**unsafe_sub(decimals, 9))


@internal
@pure
def _target(source: uint256) -> address:
    """
    @notice The source's address.
    """
    return convert(source & convert(max_value(uint160), uint256), address)
