# pragma version 0.4.3
"""
@title signer_sets
@license AGPL-3.0-only
@notice Sets of signers and the check that enough members of one signed a digest. A set never
        changes; rotating signers means naming another set where it is used.

        A signature is 85 bytes: signer 20 | r 32 | s 32 | v 1, signers strictly ascending, at most
        MAX_SIGNATURES. A signer is a key (low s, v 27 or 28) or a contract that answers ERC-1271
        for the 65 bytes.
"""

from contracts.modules import errors


event SignerSetAdded:
    signer_set: indexed(uint256)
    threshold: uint256
    signers: DynArray[address, 16]


MAX_SIGNERS: constant(uint256) = 16  # of a set
MAX_SIGNATURES: constant(uint256) = 8  # of a report
SIGNATURE: constant(uint256) = 85  # bytes of one signature
HALF_N: constant(uint256) = (
    57896044618658097711785492504343953926418782139537452191302581570759080747168
)
ERC1271_MAGIC: constant(bytes4) = 0x1626ba7e
CONTRACT_SIGNER_GAS: constant(uint256) = 200_000

set_count: uint256  # sets listed so far; ids are 1..set_count
thresholds: HashMap[uint256, uint256]  # set id -> signatures needed, 1 to MAX_SIGNATURES
members: HashMap[uint256, bool]  # set id << 160 | signer -> listed


@internal
def _add_set(signers: DynArray[address, 16], threshold: uint256) -> uint256:
    """
    @notice Lists a signer set. Reverts BadSigner unless the signers are strictly ascending and not
            empty, BadQuorum unless 1 <= threshold <= min(number of signers, MAX_SIGNATURES).
    @param signers The members.
    @param threshold Signatures a report needs.
    @return The set's id.
    """
    errors._require(
        threshold >= 1 and threshold <= min(len(signers), MAX_SIGNATURES), errors.BAD_QUORUM
    )
    # Proof: a counter of owner's calls does not reach 2**256.
    id: uint256 = unsafe_add(self.set_count, 1)
    self.set_count = id
    self.thresholds[id] = threshold
    last: uint160 = 0
    for signer: address in signers:
        errors._require(convert(signer, uint160) > last, errors.BAD_SIGNER)
        last = convert(signer, uint160)
        # Proof: ids count owner's calls, signers are below 2**160.
        self.members[(id << 160) | convert(signer, uint256)] = True
    log SignerSetAdded(signer_set=id, threshold=threshold, signers=signers)
    return id


@internal
@view
def _is_member(signer_set: uint256, signer: address) -> bool:
    """
    @notice Whether an address belongs to a set.
    @param signer_set The set's id, any number.
    @param signer The address.
    """
    return signer_set < 2**32 and self.members[(signer_set << 160) | convert(signer, uint256)]


@internal
@view
def _check_signatures(
    digest: bytes32, update: Bytes[705], head: uint256, signer_set: uint256, threshold: uint256
):
    """
    @notice Reverts unless enough members of the set signed; every signature given must be sound.
    @param digest What they signed.
    @param update What carries the signatures: whole ones from `head` to its end.
    @param head Where they begin, not past the end.
    @param signer_set The set's id.
    @param threshold Signatures needed.
    """
    # Proof: head <= len(update) <= 705, which holds no more than MAX_SIGNATURES.
    count: uint256 = unsafe_div(unsafe_sub(len(update), head), SIGNATURE)
    if count < threshold:
        errors._fail(errors.BAD_QUORUM)
    last: uint256 = 0
    for i: uint256 in range(count, bound=MAX_SIGNATURES):
        # Proof: i < 8 and head <= 705, so the offset is small; extract32 checks it.
        at: uint256 = unsafe_add(head, unsafe_mul(i, SIGNATURE))
        signer_word: uint256 = extract32(update, at, output_type=uint256) >> 96
        signer: address = convert(signer_word, address)
        if signer_word <= last or not self.members[(signer_set << 160) | signer_word]:
            errors._fail(errors.BAD_SIGNER)
        last = signer_word
        r: uint256 = extract32(update, unsafe_add(at, 20), output_type=uint256)
        s: uint256 = extract32(update, unsafe_add(at, 52), output_type=uint256)
        v: uint256 = extract32(update, unsafe_add(at, 53), output_type=uint256) & 255
        sound: bool = s <= HALF_N and ecrecover(digest, v, r, s) == signer
        if not sound and signer.is_contract:
            sound = self._contract_signed(signer, digest, slice(update, unsafe_add(at, 20), 65))
        if not sound:
            errors._fail(errors.BAD_SIGNATURE)


@internal
@view
def _contract_signed(signer: address, digest: bytes32, signature: Bytes[65]) -> bool:
    """
    @notice Whether a contract vouches for the signature (ERC-1271).
    @param signer The contract.
    @param digest What was signed.
    @param signature 65 bytes, whatever they mean to the contract.
    """
    ok: bool = False
    answer: Bytes[64] = b""
    ok, answer = raw_call(
        signer,
        abi_encode(digest, signature, method_id=ERC1271_MAGIC),
        max_outsize=64,
        gas=CONTRACT_SIGNER_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not ok or len(answer) != 32:
        return False
    return extract32(answer, 0) == convert(ERC1271_MAGIC, bytes32)
