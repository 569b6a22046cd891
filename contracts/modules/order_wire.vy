# pragma version 0.4.3
"""
@title order_wire
@license AGPL-3.0-only
@notice The wire form of a signed order: where each field lies, what its signer signs, and at what terms two orders
        meet. Pure; units as in ISignedOrders.
"""
from contracts.interfaces import IMarginEngine
from contracts.modules import errors
from contracts.modules import signatures

ORDER_TYPE: constant(bytes32) = keccak256(
    "Order(address owner,uint96 index,uint16 market,bool buy,uint64 lots,uint56 limitPrice,uint40 expiry,uint64 nonce,bool reduceOnly,bool postOnly,address matcher,bool anyMatcher)"
)

# Fields of `terms`: shift of each and masks by width.
LOTS: constant(uint256) = 16
PRICE: constant(uint256) = 80
EXPIRY: constant(uint256) = 136
NONCE: constant(uint256) = 176
BUY: constant(uint256) = 240
REDUCE_ONLY: constant(uint256) = 241
POST_ONLY: constant(uint256) = 242
ANY_MATCHER: constant(uint256) = 243
NAMED_MATCHER: constant(uint256) = 244
PROOF: constant(uint256) = 245
UNUSED: constant(uint256) = 246
U16: constant(uint256) = 2**16 - 1
U40: constant(uint256) = 2**40 - 1
U56: constant(uint256) = 2**56 - 1
U64: constant(uint256) = 2**64 - 1
U96: constant(uint256) = 2**96 - 1
# Where two orders of one market and opposite sides differ, and only there.
CROSSING: constant(uint256) = U16 | (1 << BUY)
NO_ROLE: constant(uint256) = (1 << ANY_MATCHER) | (1 << NAMED_MATCHER)


@internal
@pure
def _digest_for(domain: bytes32, account: uint256, terms: uint256, matcher: address) -> bytes32:
    """
    @notice Unpacks an order into the struct that wallets show, and hashes it (EIP-712).
    @param domain The domain separator.
    @param account Account id.
    @param terms Wire form.
    @param matcher The matcher, if one is named.
    @return The 32-byte digest.
    """
    # Proof: the factor is 0 or 1.
    named: uint256 = unsafe_mul(convert(matcher, uint256), (terms >> NAMED_MATCHER) & 1)
    return signatures._digest(
        domain,
        keccak256(
            abi_encode(
                ORDER_TYPE,
                account >> 96,
                account & U96,
                terms & U16,
                (terms >> BUY) & 1,
                (terms >> LOTS) & U64,
                (terms >> PRICE) & U56,
                (terms >> EXPIRY) & U40,
                (terms >> NONCE) & U64,
                (terms >> REDUCE_ONLY) & 1,
                (terms >> POST_ONLY) & 1,
                named,
                (terms >> ANY_MATCHER) & 1,
            )
        ),
    )


@internal
@pure
def _terms(
    maker: uint256, maker_terms: uint256, taker: uint256, taker_terms: uint256, lots: uint256
) -> IMarginEngine.Fill:
    """
    @notice Who buys, at what price, under which flags. OrderPrice: the limits do not meet.
    @param maker Account whose limit is the price.
    @param maker_terms Its order.
    @param taker Account whose limit the price must meet, on the other side.
    @param taker_terms Its order.
    @param lots Lots of the fill.
    @return What the engine settles.
    """
    price: uint256 = (maker_terms >> PRICE) & U56
    limit: uint256 = (taker_terms >> PRICE) & U56
    maker_reduces: uint256 = (maker_terms >> REDUCE_ONLY) & 1
    taker_reduces: uint256 = (taker_terms >> REDUCE_ONLY) & 1
    # Flags: bit 0 the taker buys; bits 1 and 2 buyer and seller reduce only.
    if (taker_terms >> BUY) & 1 == 1:
        if price > limit:
            errors._fail(errors.ORDER_PRICE)
        return IMarginEngine.Fill(
            market=maker_terms & U16,
            buyer=taker,
            seller=maker,
            lots=lots,
            price=price,
            flags=1 | taker_reduces << 1 | maker_reduces << 2,
        )
    if price < limit:
        errors._fail(errors.ORDER_PRICE)
    return IMarginEngine.Fill(
        market=maker_terms & U16,
        buyer=maker,
        seller=taker,
        lots=lots,
        price=price,
        flags=maker_reduces << 1 | taker_reduces << 2,
    )
