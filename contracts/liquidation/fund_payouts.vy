# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title fund_payouts
@license AGPL-3.0-only
@notice What the auction may draw: a share of the fund at once, a share in a window, and in a window
        a share for each market, so that no market drains what stands behind the others. Windows
        follow one another from the first draw after the last has ended; shares are of the bucket
        at a window's first draw.
"""
from contracts.interfaces import IInsuranceFund
from contracts.liquidation import fund_bucket
from contracts.liquidation import fund_terms
from contracts.modules import errors
from contracts.modules import saturating

uses: fund_bucket
uses: fund_terms

SCALE: constant(uint256) = 10_000  # 1e-4
MAX_PARTS: constant(uint256) = 73  # the 72 legs an account may hold, and its loan
LOANS: constant(uint256) = 256  # one past the last market: what is owed beyond collateral
M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
M96: constant(uint256) = 2**96 - 1
M128: constant(uint256) = 2**128 - 1
M160: constant(uint256) = 2**160 - 1

# Draw windows begun so far uint32 | start of the last uint32 << 32 (unix s) | the bucket at its
# first draw uint96 << 64 (qu) | granted in it uint96 << 160 (qu; never over its base)
_window: uint256
# market -> window id uint32 << 128 | granted in that window uint128 (qu)
_market_used: HashMap[uint256, uint256]


@external
def draw(parts: DynArray[uint256, MAX_PARTS], amount_qu: uint256) -> uint256:
    """
    @notice Grants the auction what the fund may pay for a negative equity and counts it against the
            caps. What is asked is cut among an account's exposures by their weight, and each market
            grants its share as far as its own cap of the window reaches: what one market's cap
            refuses no other market pays. Where event or window cap allow less than the shares sum
            up to, all are cut down alike. Moves no money: the engine does, within the grant, in the
            same transaction. What the bucket gained or lost is left to the next `sync`: a payout
            eats undripped income, seen or not.
    @dev Reverts NotAuction, BadArgument (markets not in rising order). Grants 0 where a cap is used
         up. One event Draw for each market with a share: a market's payouts are found by its topic,
         and its refusals are seen too; over the markets of a call they add up to the grant.
    @param parts The exposures, a word each in rising order of markets: market << 128 | weight (qu),
           as MarginEngine's `exposures` gives them. Without any weight LOANS has it all.
    @param amount_qu qu asked; what is beyond 2^96, more than any bucket holds, is not.
    @return qu granted, at most what was asked.
    """
    terms: uint256 = fund_terms._payout_terms
    errors._require(convert(msg.sender, uint256) == terms & M160, errors.NOT_AUCTION)
    bucket: uint256 = staticcall fund_bucket.Engine(fund_bucket.engine).fund_balance()
    word: uint256 = self._window
    if self._window_over(word, terms):
        errors._require(
            word & M32 < M32 and block.timestamp <= M32 and bucket <= M96, errors.OUT_OF_RANGE
        )
        word = self._begun(word & M32, bucket)
    asked: uint256 = min(amount_qu, M96)
    shares: DynArray[uint256, MAX_PARTS] = []
    cuts: DynArray[uint256, MAX_PARTS] = []
    fit: uint256 = 0
    shares, cuts, fit = self._split(parts, asked, terms, word)
    granted: uint256 = min(fit, self._limit_floor(terms, bucket, word))
    # Proof: what the window grants never exceeds per_window of its base, which is below 2^96,
    # unless caps were lowered: then it grants nothing. The field is the highest and does not carry.
    self._window = unsafe_add(word, granted << 160)
    summed: uint256 = 0
    given: uint256 = 0
    for i: uint256 in range(len(shares), bound=MAX_PARTS):
        if shares[i] & M128 == 0:
            continue
        market: uint256 = shares[i] >> 128
        grant: uint256 = cuts[i] & M128
        if granted < fit:
            # Proof: sums of cuts are at most what was asked, below 2^96; fit > granted >= 0. The
            # parts of a sum that is cut down add up to it, and none is above its cut.
            summed = unsafe_add(summed, grant)
            upto: uint256 = unsafe_div(unsafe_mul(granted, summed), fit)
            grant = unsafe_sub(upto, given)
            given = upto
        if grant != 0:
            # Proof: what a market has used is at most what the window has.
            self._market_used[market] = ((word & M32) << 128) | unsafe_add(cuts[i] >> 128, grant)
        log IInsuranceFund.Draw(
            market=market, asked_qu=shares[i] & M128, granted_qu=grant, fund_qu=bucket
        )
    return granted


@external
@view
def drawable(market: uint256) -> uint256:
    """
    @notice The most that one draw would grant now to an account exposed to one market alone.
    @param market The market whose cap would count it; LOANS (256) for loans.
    @return qu.
    """
    terms: uint256 = fund_terms._payout_terms
    bucket: uint256 = staticcall fund_bucket.Engine(fund_bucket.engine).fund_balance()
    word: uint256 = self._window
    used: uint256 = 0
    if self._window_over(word, terms):
        word = self._begun(0, bucket)
    else:
        used = self._used_by(market, word & M32)
    return min(
        self._limit_floor(terms, bucket, word),
        saturating._less(self._market_cap_floor(terms, word), used),
    )


@internal
@view
def _window_over(word: uint256, terms: uint256) -> bool:
    """
    @notice Whether the next draw begins a new window.
    @param word See `_window`.
    @param terms See `fund_terms._payout_terms`.
    @return True before the first draw and after a window's end.
    """
    # Proof: both below 2^48.
    return word == 0 or block.timestamp >= unsafe_add((word >> 32) & M32, terms >> 208)


@internal
@view
def _begun(windows: uint256, bucket: uint256) -> uint256:
    """
    @notice The word of a window that begins now, nothing granted.
    @param windows Begun before, below 2^32 - 1.
    @param bucket qu, below 2^96.
    @return See `_window`.
    """
    # Proof: bounds above; block.timestamp is below 2^32 until 2106, and `draw` refuses it after.
    return unsafe_add(windows, 1) | (block.timestamp << 32) | (bucket << 64)


@internal
@view
def _split(
    parts: DynArray[uint256, MAX_PARTS], asked: uint256, terms: uint256, word: uint256
) -> (DynArray[uint256, MAX_PARTS], DynArray[uint256, MAX_PARTS], uint256):
    """
    @notice Cuts what is asked among markets, at the sums of their weights, each cut rounded down:
            the shares add up to what is asked, and none is a unit from its exact part.
    @param parts See `draw`.
    @param asked qu, below 2^96.
    @param terms See `fund_terms._payout_terms`.
    @param word The window; see `_window`.
    @return Shares, market << 128 | qu; what their markets grant of them, used before << 128 | qu;
            the sum of that.
    """
    total: uint256 = 0
    for part: uint256 in parts:
        total += part & M128
    exposed: DynArray[uint256, MAX_PARTS] = parts
    if total == 0:
        exposed = [(LOANS << 128) | 1]
        total = 1
    cap: uint256 = self._market_cap_floor(terms, word)
    shares: DynArray[uint256, MAX_PARTS] = []
    cuts: DynArray[uint256, MAX_PARTS] = []
    weight: uint256 = 0
    given: uint256 = 0
    fit: uint256 = 0
    next: uint256 = 0  # the least market that may come
    for part: uint256 in exposed:
        market: uint256 = part >> 128
        errors._require(market >= next, errors.BAD_ARGUMENT)
        # Proof for the unsafe steps: a market is below 2^128; 73 weights sum up below 2^135 and
        # times what is asked to below 2^231; shares sum up to what is asked.
        next = unsafe_add(market, 1)
        weight = unsafe_add(weight, part & M128)
        upto: uint256 = unsafe_div(unsafe_mul(asked, weight), total)
        share: uint256 = unsafe_sub(upto, given)
        given = upto
        used: uint256 = 0
        cut: uint256 = 0
        if share != 0:
            used = self._used_by(market, word & M32)
            cut = min(share, saturating._less(cap, used))
        fit = unsafe_add(fit, cut)
        shares.append((market << 128) | share)
        cuts.append((used << 128) | cut)
    return shares, cuts, fit


@internal
@pure
def _limit_floor(terms: uint256, bucket: uint256, word: uint256) -> uint256:
    """
    @notice The most that one draw may grant in a window, over all markets.
    @param terms See `fund_terms._payout_terms`.
    @param bucket The bucket now, qu; below 2^96 as in the engine.
    @param word The window; see `_window`.
    @return qu, rounded down; below the bucket: no cap reaches the whole.
    """
    base: uint256 = (word >> 64) & M96
    # Proof for the unsafe steps: products of 96 and 16 bits; SCALE != 0. The bucket's is checked.
    return min(
        bucket * ((terms >> 160) & M16) // SCALE,
        saturating._less(unsafe_div(unsafe_mul(base, (terms >> 176) & M16), SCALE), word >> 160),
    )


@internal
@pure
def _market_cap_floor(terms: uint256, word: uint256) -> uint256:
    """
    @notice The most that a window grants one market.
    @param terms See `fund_terms._payout_terms`.
    @param word The window; see `_window`.
    @return qu, rounded down.
    """
    # Proof: a product of 96 and 16 bits; SCALE != 0.
    return unsafe_div(unsafe_mul((word >> 64) & M96, (terms >> 192) & M16), SCALE)


@internal
@view
def _used_by(market: uint256, window_id: uint256) -> uint256:
    """
    @notice What a market was granted in a window.
    @param market The market.
    @param window_id The running window.
    @return qu; 0 where its record is of an older window.
    """
    word: uint256 = self._market_used[market]
    if word >> 128 != window_id:
        return 0
    return word & M128
