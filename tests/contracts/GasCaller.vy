# pragma version 0.4.3
"""
@title GasCaller
@license AGPL-3.0-only
@notice Calls with a gas limit of the caller's choice, and measures what a call costs.
"""


@external
@payable
def forward(target: address, payload: Bytes[8192], gas_limit: uint256):
    """
    @notice Calls with at most `gas_limit`; passes a failure on.
    """
    raw_call(target, payload, value=msg.value, gas=gas_limit)


@external
def measure(target: address, payload: Bytes[8192]) -> uint256:
    """
    @notice Gas of the call, the target's address being warm already.
    """
    size: uint256 = target.codesize
    before: uint256 = msg.gas
    answer: Bytes[3200] = raw_call(target, payload, max_outsize=3200)
    return before - msg.gas
