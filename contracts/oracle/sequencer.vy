# pragma version 0.4.3
"""
@title sequencer
@license AGPL-3.0-only
@notice On a rollup, whether its sequencer runs: an optional Chainlink-shaped feed whose answer is 0
        while it does and 1 while it does not, and whose `startedAt` is the time of the last change.
        Down, or no sound answer: every feed is HALTED. Up again: a price that was fixed before is
        STALE, and until the grace time is over every feed is recovering, so no liquidation meets
        people who could not act. Asked when a price is read, because nobody could poke before.

        word
        0-159   feed    the sequencer's feed; 0: none on this chain
        160-175 grace   s
        status
        0-31    since   s: time of the restart
        32      grace   1: the restart was less than the grace time ago
        33      down    1
"""

from contracts.modules import quote_word
from contracts.oracle import feed_word
from contracts.oracle import tolerant_call

MAX_GRACE: constant(uint256) = 2**16 - 1  # s
GRACE_FLAG: constant(uint256) = 1 << 32
DOWN_FLAG: constant(uint256) = 1 << 33
ANSWER_GAS: constant(uint256) = 120_000

word: uint256


@internal
@view
def _status(now: uint256) -> uint256:
    """
    @notice The status word; 0 where no sequencer is set. Reverts StarvedCall.
    @param now Seconds.
    """
    stored: uint256 = self.word
    if stored == 0:
        return 0
    target: address = convert(stored & convert(max_value(uint160), uint256), address)
    answer: Bytes[288] = tolerant_call._answer(
        target, method_id("latestRoundData()"), 160, ANSWER_GAS
    )
    if len(answer) == 0 or extract32(answer, 32, output_type=uint256) != 0:
        return DOWN_FLAG
    since: uint256 = extract32(answer, 64, output_type=uint256)
    if since == 0 or since > now:
        return DOWN_FLAG
    # Proof: since <= now < 2**32.
    if unsafe_sub(now, since) < stored >> 160:
        return since | GRACE_FLAG
    return since


@internal
@pure
def _applied(quoted: uint256, time: uint256, status: uint256) -> uint256:
    """
    @notice A quote word as it is to be served under this status: never better than it was.
    @param quoted The quote word.
    @param time Second in which its price was fixed.
    @param status The status word.
    """
    if status == 0:
        return quoted
    if status & DOWN_FLAG != 0:
        return quoted | feed_word.STATE_MASK
    state: uint256 = (quoted >> 160) & 3
    result: uint256 = quoted
    if time < status & (2**32 - 1):
        state = max(state, quote_word.STALE)
    elif status & GRACE_FLAG != 0:
        state = max(state, quote_word.DEGRADED)
        result |= quote_word.RECOVERING_FLAG
    return (result & ~feed_word.STATE_MASK) | (state << 160)
