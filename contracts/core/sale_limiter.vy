# pragma version 0.4.3
"""
@title sale_limiter
@license AGPL-3.0-only
@notice How much the auction may sell per time: in each market a share of its depth per window, in all markets
        together a sum in USD. What is used up comes back evenly over the window, so that the most is sold
        in bursts of one window's worth. Starts are not limited, nor is deleveraging, which sells to nobody.

        A part of each limit is kept for one account in auction, the claimant: the one with the largest
        shortfall R - E among those that claimed, at their start or by a sync. Whoever wants to hold a large
        account's sale up with accounts of his own needs shortfalls as large.
@dev    What is used of a limit is kept as the moment by which it will have come back, in 1/16 s modulo 2^32: no
        time of the last sale has to be stored, nothing decays. Such a moment further ahead than a window is one
        long past. Of a market without a limit nothing is counted. Prices are those of a market's last refresh: they turn
        lots into USD for the sum alone.
"""
from contracts.interfaces import IMarginEngine
from contracts.modules import rounding

# 0-63 tag of the claimant (hash of its id) | 64-103 its shortfall, uint40, whole USD | 104-135 time of the claim,
# uint32 | 136-167 when all of the sum is back, uint32, 1/16 s | 184-219 the sum, uint36, whole USD
# | 220-235 window, uint16, seconds | 236-243 reserve, uint8, 1/256 | 244-255 share, uint12, 1e-2 of depth
claims: public(uint256)
# Four markets a word, market m at 64 (m mod 4): when all of its limit is back, uint32, 1/16 s | limit float16, lots
# | price float16, ticks. A float is a 10-bit mantissa and a 6-bit exponent.
lanes: uint256[64]

ONE: constant(uint256) = 10**18
USD: constant(uint256) = 10**15  # quote units
LAPSE: constant(uint256) = 600  # seconds a claim stands without being renewed
TICK: constant(uint256) = 16  # moments a second
M10: constant(uint256) = 2**10 - 1
M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
M36: constant(uint256) = 2**36 - 1
M40: constant(uint256) = 2**40 - 1
M64: constant(uint256) = 2**64 - 1


@internal
@pure
def _on(claims: uint256) -> bool:
    """
    @notice Whether anything is limited at all.
    """
    return (claims >> 220) & M16 != 0


@internal
@pure
def _span(claims: uint256) -> uint256:
    """
    @notice The window in 1/16 s, below 2^20.
    """
    return (claims >> 216) & (M16 << 4)


@internal
@pure
def _wide(float: uint256) -> uint256:
    """
    @notice The value of a float of 16 bits; below 2^73.
    """
    return (float & M10) << (float >> 10)


@internal
@pure
def _tag(account: uint256) -> uint256:
    """
    @notice 64 bits that tell an account from others. Whoever finds a second account with the same, in 2^64
            attempts, shares its reserve.
    """
    return convert(keccak256(convert(account, bytes32)), uint256) & M64


@internal
@view
def _used(back: uint256, span: uint256) -> uint256:
    """
    @notice What is still used of a limit, 1/16 s of a window.
    @param back When all of it is back, as stored in the low 32 bits.
    @param span The window in the same unit.
    """
    # Proof: modulo 2^32 by intent; times are below 2^33.
    ahead: uint256 = unsafe_sub(back, unsafe_mul(block.timestamp, TICK)) & M32
    if ahead > span:
        return 0
    return ahead


@internal
@view
def _limit(account: uint256, claims: uint256) -> uint256:
    """
    @notice How far an account may use up each limit.
    @param claims The stored word.
    @return 1/16 s of a window: all of it for the claimant, and for everybody where none stands.
    """
    span: uint256 = self._span(claims)
    # Proof for the unsafe steps: times below 2^33; a reserve is at most 192, the span below 2^20.
    if unsafe_add((claims >> 104) & M32, LAPSE) < block.timestamp or claims & M64 == self._tag(
        account
    ):
        return span
    return unsafe_mul(span, unsafe_sub(256, (claims >> 236) & 255)) >> 8


@internal
@view
def _free(back: uint256, span: uint256, limit: uint256) -> uint256:
    """
    @notice What an account may still use up of a limit, 1/16 s of a window.
    @param back When all of it is back, in the low 32 bits.
    @param span The window in the same unit.
    @param limit From `_limit`.
    """
    # As `_used`. Proof for the unsafe steps: modulo 2^32 by intent; times are below 2^33; used < limit.
    used: uint256 = unsafe_sub(back, unsafe_mul(block.timestamp, TICK)) & M32
    if used > span:
        return limit
    if used >= limit:
        return 0
    return unsafe_sub(limit, used)


@internal
@pure
def _room(lane: uint256, lots: uint256, span: uint256, free: uint256) -> uint256:
    """
    @notice The largest fraction of a leg that its market's limit now allows.
    @param lane The market's 64 bits; it has a limit.
    @param lots Lots of the leg, 0 < lots < 2^56.
    @param span The window.
    @param free From `_free`.
    @return 1e18, rounded down.
    """
    # `_wide` in place, a call the less per leg. Proof for the unsafe steps: a limit is below 2^73, shares of the span
    # below 2^20, the fraction below 2^60.
    allowed: uint256 = unsafe_mul(((lane >> 32) & M10) << ((lane >> 42) & 63), free)
    if allowed >= unsafe_mul(lots, span):
        return ONE
    return unsafe_div(unsafe_mul(unsafe_div(allowed, span), ONE), lots)


@internal
@pure
def _room_of_sum(worth: uint256, claims: uint256, span: uint256, free: uint256) -> uint256:
    """
    @notice The largest fraction of an account that the sum now allows.
    @param worth Its legs, quote units.
    @param claims The stored word.
    @param span The window.
    @param free Of the sum, from `_free`.
    @return 1e18, rounded down.
    """
    sum: uint256 = ((claims >> 184) & M36) * USD
    if sum == 0 or worth == 0:  # nothing of it counts: a loan on collateral waits for nobody's legs
        return ONE
    # Proof for the unsafe steps: the sum is below 2^86, shares of the span below 2^20, the fraction below 2^60.
    allowed: uint256 = unsafe_div(unsafe_mul(sum, free), span)
    if allowed >= worth:
        return ONE
    return unsafe_div(unsafe_mul(allowed, ONE), worth)


@internal
def _consume(market: uint256, lots: uint256, span: uint256) -> uint256:
    """
    @notice Counts lots sold against their market's limit, rounded up.
    @param market Below 256.
    @param lots Lots, below 2^56.
    @param span The window, not 0: the limiter is on.
    @return Their worth for the sum, quote units.
    """
    word: uint256 = self.lanes[market >> 2]
    i: uint256 = (market & 3) << 6
    lane: uint256 = (word >> i) & M64
    limit: uint256 = ((lane >> 32) & M10) << ((lane >> 42) & 63)
    if limit == 0:
        return 0
    # As in `_room`. Proof for the unsafe steps: lots below 2^56, the span below 2^20, a price below 2^73; times below
    # 2^33; a field is replaced by what fits it.
    now: uint256 = unsafe_mul(block.timestamp, TICK)
    used: uint256 = unsafe_sub(lane, now) & M32
    if used > span:
        used = 0
    used = unsafe_add(
        used, unsafe_div(unsafe_add(unsafe_mul(lots, span), unsafe_sub(limit, 1)), limit)
    )
    back: uint256 = unsafe_add(now, min(span, used)) & M32
    self.lanes[market >> 2] = word ^ ((back ^ (lane & M32)) << i)
    return unsafe_mul(lots, self._wide(lane >> 48))


@internal
@view
def _consumed(worth: uint256, claims: uint256) -> uint256:
    """
    @notice The claims word with a sale counted against the sum, rounded up.
    @param worth Quote units.
    @param claims The stored word.
    """
    sum: uint256 = ((claims >> 184) & M36) * USD
    if sum == 0 or worth == 0:
        return claims
    span: uint256 = self._span(claims)
    # Proof for the unsafe steps: worth is below 2^136, the span below 2^20, times below 2^33.
    more: uint256 = unsafe_add(
        self._used(claims >> 136, span), rounding._div_up(unsafe_mul(worth, span), sum)
    )
    back: uint256 = unsafe_add(unsafe_mul(block.timestamp, TICK), min(span, more)) & M32
    return (claims & ~(M32 << 136)) | (back << 136)


@internal
def _claim(account: uint256, equity: int256, requirement: uint256):
    """
    @notice Lets an account in auction claim the reserve: it gets it where its shortfall is larger than the
            claimant's, or that one's claim has lapsed or is its own.
    @param equity E, quote units.
    @param requirement R, quote units.
    """
    short: int256 = convert(requirement, int256) - equity
    if short < convert(USD, int256):
        return
    claims: uint256 = self.claims
    if not self._on(claims):
        return
    usd: uint256 = min(convert(short, uint256) // USD, M40)
    tag: uint256 = self._tag(account)
    if (
        claims & M64 == tag
        or usd > (claims >> 64) & M40
        or ((claims >> 104) & M32) + LAPSE < block.timestamp
    ):
        self.claims = (
            ((claims >> 136) << 136) | tag | (usd << 64) | ((block.timestamp & M32) << 104)
        )
        log IMarginEngine.Claimed(account=account, shortfall=usd * USD)


@internal
@pure
def _waived(account: uint256, claims: uint256) -> uint256:
    """
    @notice The claims word without an account's claim, where it is the claimant: its auction is over.
    """
    if claims & M64 == 0 or claims & M64 != self._tag(account):
        return claims
    return (claims >> 136) << 136
