# pragma version 0.4.3
"""
@title signed_reports
@license AGPL-3.0-only
@notice EIP-712 price reports signed by at least `threshold` members of a signer set. A set never
        changes; rotating signers means listing the source with another set.

        update: byte 0 source index | 1-8 price (ticks) | 9-12 time (s) | 13-20 sequence
              | 21-24 premium (1e-6 of price, two's complement), then per signature 85 bytes:
              signer 20 | r 32 | s 32 | v 1, signers strictly ascending, at most MAX_SIGNATURES.
        digest: EIP-712 over PriceReport(feed, source, price, time, sequence, premium) in the domain
                of this contract and chain.
        A signer is a key (low s, v 27 or 28) or a contract that answers ERC-1271 for the 65 bytes.
"""

from snekmate.utils import eip712_domain_separator as eip712
from contracts.modules import errors
from contracts.oracle import feed_terms
from contracts.oracle import feed_word

uses: eip712


event SignerSetAdded:
    signer_set: indexed(uint256)
    threshold: uint256
    signers: DynArray[address, 16]


MAX_SIGNERS: constant(uint256) = 16  # of a set
MAX_SIGNATURES: constant(uint256) = 8  # of a report
HEAD: constant(uint256) = 25  # bytes before the first signature
SIGNATURE: constant(uint256) = 85  # bytes of one signature
MIN_UPDATE: constant(uint256) = 110  # HEAD + SIGNATURE
MAX_UPDATE: constant(uint256) = 705  # HEAD + MAX_SIGNATURES * SIGNATURE
HALF_N: constant(uint256) = (
    57896044618658097711785492504343953926418782139537452191302581570759080747168
)
REPORT_TYPE: constant(bytes32) = keccak256(
    "PriceReport(uint256 feed,uint256 source,uint256 price,uint256 time,uint256 sequence,int256 premium)"
)
ERC1271_MAGIC: constant(bytes4) = 0x1626ba7e
CONTRACT_SIGNER_GAS: constant(uint256) = 200_000

set_count: uint256  # sets listed so far; ids are 1..set_count
thresholds: HashMap[uint256, uint256]  # set id -> signatures needed, 1 to MAX_SIGNATURES
members: HashMap[uint256, HashMap[address, bool]]  # set id -> signer -> listed


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
        self.members[id][signer] = True
    log SignerSetAdded(signer_set=id, threshold=threshold, signers=signers)
    return id


@internal
@view
def _accept(
    feed: uint256, kept: uint256, terms: uint256, update: Bytes[705], now: uint256
) -> uint256:
    """
    @notice The datum word of a report. Reverts BadArgument if the update is misshapen, OldReport if
            it is not newer than the kept datum or past its age limit, FutureReport, OutOfRange if
            its price is outside the feed's bounds, BadQuorum with too few signatures, BadSigner or
            BadSignature for a wrong one.
    @param feed The feed's id.
    @param kept The datum word accepted last, with the source's own terms.
    @param terms The feed's terms word.
    @param update The bytes laid out above, at least MIN_UPDATE of them.
    @param now Seconds.
    """
    # Proof: the update has at least MIN_UPDATE > HEAD bytes.
    if unsafe_sub(len(update), HEAD) % SIGNATURE != 0:
        errors._fail(errors.BAD_ARGUMENT)
    head: uint256 = extract32(update, 0, output_type=uint256)
    price: uint256 = (head >> 184) & (2**64 - 1)
    time: uint256 = (head >> 152) & (2**32 - 1)
    sequence: uint256 = (head >> 88) & (2**64 - 1)
    # Proof: the field's sign bit (87) goes to bit 255, the arithmetic shift extends it.
    premium: int256 = convert(convert(head << 168, bytes32), int256) >> 224
    if time > now:
        errors._fail(errors.FUTURE_REPORT)
    # Fields of the kept datum in place: time 56-87, round 88-167, max_age 186-202. Proof: time is
    # < 2**32 and max_age < 2**17.
    if (
        sequence <= (kept >> 88) & (2**80 - 1)
        or time < (kept >> 56) & (2**32 - 1)
        or unsafe_add(time, (kept >> 186) & (2**17 - 1)) < now
    ):
        errors._fail(errors.OLD_REPORT)
    if not feed_terms._price_in_bounds(terms, price):
        errors._fail(errors.OUT_OF_RANGE)
    digest: bytes32 = eip712._hash_typed_data_v4(
        keccak256(abi_encode(REPORT_TYPE, feed, head >> 248, price, time, sequence, premium))
    )
    self._check_signatures(digest, update, (kept >> 207) & (2**32 - 1), (kept >> 203) & 15)
    limit: int256 = convert(feed_terms._premium_clamp(terms), int256)
    datum: uint256 = feed_word._datum(price, time, sequence, max(min(premium, limit), -limit))
    return datum | (kept & feed_word.SIGNED_FIELDS)


@internal
@view
def _check_signatures(
    digest: bytes32, update: Bytes[705], signer_set: uint256, threshold: uint256
):
    """
    @notice Reverts unless enough members of the set signed; every signature given must be sound.
    @param digest What they signed.
    @param update The update with the signatures.
    @param signer_set The set's id.
    @param threshold Signatures needed.
    """
    # Proof: the update has HEAD bytes and then whole signatures, at most MAX_SIGNATURES because it
    # is a Bytes[705].
    count: uint256 = unsafe_div(unsafe_sub(len(update), HEAD), SIGNATURE)
    if count < threshold:
        errors._fail(errors.BAD_QUORUM)
    last: uint256 = 0
    for i: uint256 in range(count, bound=MAX_SIGNATURES):
        # Proof: i < 8, so the offset is under 800 and extract32 checks it against the length.
        at: uint256 = unsafe_add(HEAD, unsafe_mul(i, SIGNATURE))
        signer_word: uint256 = extract32(update, at, output_type=uint256) >> 96
        signer: address = convert(signer_word, address)
        if signer_word <= last or not self.members[signer_set][signer]:
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
