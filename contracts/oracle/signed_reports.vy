# pragma version 0.4.3
"""
@title signed_reports
@license AGPL-3.0-only
@notice EIP-712 price reports signed by at least `threshold` members of a signer set
        (signer_sets.vy).

        update: byte 0 source index | 1-8 price (ticks) | 9-12 time (s) | 13-20 sequence
              | 21-24 premium (1e-6 of price, two's complement), then the signatures.
        digest: EIP-712 over PriceReport(feed, source, price, time, sequence, premium) in the domain
                of this contract and chain.
"""

from snekmate.utils import eip712_domain_separator as eip712
from contracts.modules import errors
from contracts.oracle import feed_terms
from contracts.oracle import feed_word
from contracts.oracle import signer_sets

uses: eip712
uses: signer_sets

HEAD: constant(uint256) = 25  # bytes before the first signature
MIN_UPDATE: constant(uint256) = 110  # HEAD + signer_sets.SIGNATURE
MAX_UPDATE: constant(uint256) = 705  # HEAD + signer_sets.MAX_SIGNATURES * signer_sets.SIGNATURE
REPORT_TYPE: constant(bytes32) = keccak256(
    "PriceReport(uint256 feed,uint256 source,uint256 price,uint256 time,uint256 sequence,int256 premium)"
)


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
    if unsafe_sub(len(update), HEAD) % signer_sets.SIGNATURE != 0:
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
    # EIP-712's hash of domain and struct, in place.
    digest: bytes32 = keccak256(
        concat(
            b"\x19\x01",
            eip712._domain_separator_v4(),
            keccak256(abi_encode(REPORT_TYPE, feed, head >> 248, price, time, sequence, premium)),
        )
    )
    signer_sets._check_signatures(
        digest, update, HEAD, (kept >> 207) & (2**32 - 1), (kept >> 203) & 15
    )
    datum: uint256 = price | (time << 56) | (sequence << 88) | (kept & feed_word.SIGNED_FIELDS)
    if premium != 0:
        limit: int256 = convert(feed_terms._premium_clamp(terms), int256)
        premium = max(min(premium, limit), -limit)
        datum |= (convert(convert(premium, bytes32), uint256) & feed_word.MASK_18) << 168
    return datum
