# pragma version 0.4.3
"""
@title tolerant_call
@license AGPL-3.0-only
@notice The one way a price source is read: a static call with a gas limit whose every failure (no
        code, revert, too short or too long an answer, all its gas burned) is "no answer" and never
        the caller's failure. A caller who left too little gas for the read is refused, so nobody
        can make a sound source look broken.
"""

from contracts.modules import errors

NO_ANSWER: constant(uint256) = max_value(uint256)
LISTING_GAS: constant(uint256) = 120_000  # for one word of a token, a pool or its factory


@internal
@view
def _answer(target: address, payload: Bytes[132], size: uint256, gas_limit: uint256) -> Bytes[288]:
    """
    @notice What a static call returns; empty unless it succeeds with exactly `size` bytes. Reverts
            StarvedCall if a call without such an answer got less gas than it was meant to.
    @param target Whom to call; an address without code gives no answer.
    @param payload The call's data.
    @param size Bytes, 32 to 256: an answer of another length is none.
    @param gas_limit Gas the call is meant to get.
    """
    left: uint256 = msg.gas
    ok: bool = False
    answer: Bytes[288] = b""
    # One word more than any answer in use is taken over, so that a longer one shows by its length.
    ok, answer = raw_call(
        target,
        payload,
        max_outsize=288,
        gas=gas_limit,
        is_static_call=True,
        revert_on_failure=False,
    )
    if ok and len(answer) == size:
        return answer
    # A call gets at most 63/64 of what is left; 5,000 covers the cold address and the memory.
    # Proof: gas limits are constants below 2**20.
    needed: uint256 = unsafe_add(unsafe_add(gas_limit, unsafe_div(gas_limit, 63)), 5_000)
    errors._require(left >= needed, errors.STARVED_CALL)
    return b""


@internal
@view
def _word(target: address, payload: Bytes[132], gas_limit: uint256) -> uint256:
    """
    @notice The single word that a static call returns; NO_ANSWER where it does not (or says so).
            Reverts StarvedCall as _answer.
    @param target Whom to call.
    @param payload The call's data.
    @param gas_limit Gas the call is meant to get.
    """
    answer: Bytes[288] = self._answer(target, payload, 32, gas_limit)
    if len(answer) == 0:
        return NO_ANSWER
    return extract32(answer, 0, output_type=uint256)
