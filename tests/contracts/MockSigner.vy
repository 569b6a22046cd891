# pragma version 0.4.3
"""
@title MockSigner
@license AGPL-3.0-only
@notice A contract that signs (ERC-1271): by one key, or by calling back first, or by calling
        anywhere.
"""

MAGIC: constant(bytes32) = 0x1626ba7e00000000000000000000000000000000000000000000000000000000

key: public(address)
target: public(address)  # where set, approval depends on a call to it succeeding
payload: public(Bytes[4096])


@deploy
def __init__(key: address):
    """
    @param key Whose 65-byte signature is approved.
    """
    self.key = key


@external
def call_back(target: address, payload: Bytes[4096]):
    """
    @notice From now on approves exactly where `target` accepts `payload`.
    """
    self.target = target
    self.payload = payload


@external
def forward(target: address, payload: Bytes[4096]):
    """
    @notice Calls as this contract.
    """
    raw_call(target, payload)


@external
@view
def isValidSignature(digest: bytes32, signature: Bytes[1024]) -> bytes32:
    """
    @notice ERC-1271.
    """
    if self.target != empty(address):
        done: bool = raw_call(
            self.target, self.payload, is_static_call=True, revert_on_failure=False
        )
        if done:
            return MAGIC
        return empty(bytes32)
    if len(signature) != 65:
        return empty(bytes32)
    r: uint256 = convert(slice(signature, 0, 32), uint256)
    s: uint256 = convert(slice(signature, 32, 32), uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    if ecrecover(digest, v, r, s) == self.key:
        return MAGIC
    return empty(bytes32)
