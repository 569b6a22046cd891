# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title fund_payouts
@license AGPL-3.0-only
@notice What the auction may draw: a share of the fund at once, a share in a window, a share of that
        for one market. Windows follow one another from the first draw after the last has ended;
        shares are of the bucket at a window's first draw.
"""
from contracts.interfaces import IInsuranceFund
from contracts.liquidation import fund_bucket
from contracts.liquidation import fund_terms
from contracts.modules import errors
from contracts.modules import saturating

uses: fund_bucket
uses: fund_terms

SCALE: constant(uint256) = 10_000  # 1e-4
M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
M96: constant(uint256) = 2**96 - 1
M160: constant(uint256) = 2**160 - 1

# Draw windows begun so far uint32 | start of the last uint32 << 32 (unix s) | the bucket at its
# first draw uint96 << 64 (qu) | granted in it uint96 << 160 (qu; never over its base)
_window: uint256
# market -> window id uint32 << 128 | granted in that window uint128 (qu)
_market_used: HashMap[uint256, uint256]


@external
def draw(market: uint256, amount_qu: uint256) -> uint256:
    """
    @notice Grants the auction what the fund may pay for a negative equity and counts it against the
            caps. Moves no money: the engine does, within the grant, in the same transaction. What
            the bucket gained or lost is left to the next `sync`: a payout eats undripped income,
            seen or not.
    @dev Reverts NotAuction. Grants 0 where a cap is used up.
    @param market The market whose cap counts it.
    @param amount_qu qu asked.
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
    used: uint256 = self._used_by(market, word & M32)
    granted: uint256 = min(amount_qu, self._grantable_floor(terms, bucket, word, used))
    # Proof: what the window grants never exceeds per_window of its base, which is below 2^96,
    # unless caps were lowered: then it grants nothing. The field is the highest and does not carry.
    self._window = unsafe_add(word, granted << 160)
    # Proof: used <= the window's.
    self._market_used[market] = ((word & M32) << 128) | unsafe_add(used, granted)
    log IInsuranceFund.Draw(market=market, asked_qu=amount_qu, granted_qu=granted, fund_qu=bucket)
    return granted


@external
@view
def drawable(market: uint256) -> uint256:
    """
    @notice The most that one draw would grant now.
    @param market The market whose cap would count it.
    @return qu.
    """
    terms: uint256 = fund_terms._payout_terms
    bucket: uint256 = staticcall fund_bucket.Engine(fund_bucket.engine).fund_balance()
    word: uint256 = self._window
    if self._window_over(word, terms):
        return self._grantable_floor(terms, bucket, self._begun(0, bucket), 0)
    return self._grantable_floor(terms, bucket, word, self._used_by(market, word & M32))


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
@pure
def _grantable_floor(terms: uint256, bucket: uint256, word: uint256, used: uint256) -> uint256:
    """
    @notice The most that one draw may grant in a window.
    @param terms See `fund_terms._payout_terms`.
    @param bucket The bucket now, qu; below 2^96 as in the engine.
    @param word The window; see `_window`.
    @param used What the market was granted in it, qu.
    @return qu, rounded down; below the bucket: no cap reaches the whole.
    """
    base: uint256 = (word >> 64) & M96
    # Proof for the unsafe steps: products of 96 and 16 bits; SCALE != 0. The bucket's is checked.
    return min(
        bucket * ((terms >> 160) & M16) // SCALE,
        min(
            saturating._less(
                unsafe_div(unsafe_mul(base, (terms >> 176) & M16), SCALE), word >> 160
            ),
            saturating._less(unsafe_div(unsafe_mul(base, (terms >> 192) & M16), SCALE), used),
        ),
    )


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
    return word & (2**128 - 1)
