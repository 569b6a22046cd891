# pragma version 0.4.3
"""
@title signatures
@license AGPL-3.0-only
@notice EIP-712 digests and the two ways to sign one: a compact EIP-2098 signature by a key, or an
        ERC-1271 approval by a contract. The domain's cache is rebuilt when chain id or address
        differ.
"""

from snekmate.utils import eip712_domain_separator as eip712

uses: eip712


# Half of the order of secp256k1: a larger s is the mirror image of a signature that exists already.
_HALF_ORDER: constant(uint256) = (
    57896044618658097711785492504343953926418782139537452191302581570759080747168
)
_S_MASK: constant(uint256) = 2**255 - 1

# What a contract that approves returns (ERC-1271), alone in the first four bytes of one word.
_APPROVES: constant(bytes32) = (0x1626ba7e00000000000000000000000000000000000000000000000000000000)
# A wallet of several keys or a passkey verifier stays below this; a hostile one costs no more.
_APPROVAL_GAS: constant(uint256) = 400_000


@internal
@view
def _domain() -> bytes32:
    """
    @notice The domain separator of this contract on the chain that runs it now.
    @return The 32-byte separator.
    """
    return eip712._domain_separator_v4()


@internal
@pure
def _digest(domain: bytes32, struct_hash: bytes32) -> bytes32:
    """
    @notice What is signed (EIP-712).
    @param domain The separator of `_domain`.
    @param struct_hash Hash of the typed struct.
    @return The 32-byte digest.
    """
    return keccak256(concat(0x1901, domain, struct_hash))


@internal
@view
def _recover(digest: bytes32, r: uint256, vs: uint256) -> address:
    """
    @notice The key behind a compact signature (EIP-2098).
    @param digest What was signed.
    @param r First half of the signature.
    @param vs Parity of the curve point in bit 255, s below it.
    @return The signer's address; zero where s is in the upper half or nothing recovers, which
            callers must treat as nobody.
    """
    s: uint256 = vs & _S_MASK
    if s > _HALF_ORDER:
        return empty(address)
    # Proof: vs >> 255 is 0 or 1, so the sum is 27 or 28.
    return ecrecover(digest, unsafe_add(vs >> 255, 27), r, s)


@internal
@view
def _approves(signer: address, digest: bytes32, signature: Bytes[1024]) -> bool:
    """
    @notice Whether a contract approves a digest (ERC-1271).
    @dev A static call, so `signer` can change nothing anywhere; at most 400,000 gas, and one word
         of what it returns is copied. Where the caller leaves less gas the answer can only turn to
         no.
    @param signer The contract asked. Not trusted. An address without code approves nothing.
    @param digest What was signed.
    @param signature Passed on as is.
    @return True only for the exact magic word.
    """
    if not signer.is_contract:
        return False
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        signer,
        abi_encode(digest, signature, method_id=method_id("isValidSignature(bytes32,bytes)")),
        max_outsize=32,
        gas=_APPROVAL_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    return success and len(answer) == 32 and convert(answer, bytes32) == _APPROVES


@internal
@view
def _approves_compact(signer: address, digest: bytes32, r: uint256, vs: uint256) -> bool:
    """
    @notice `_approves` for a compact signature, handed over in the 65-byte form that wallets
            expect.
    @param signer The contract asked.
    @param digest What was signed.
    @param r First half of the signature.
    @param vs Parity in bit 255, s below it.
    @return True only for the exact magic word.
    """
    v: bytes1 = 0x1b
    if vs >> 255 == 1:
        v = 0x1c
    return self._approves(
        signer, digest, concat(convert(r, bytes32), convert(vs & _S_MASK, bytes32), v)
    )
