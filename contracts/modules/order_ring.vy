# pragma version 0.4.3
"""
@title order_ring
@license AGPL-3.0-only
@notice Which orders of an account are alive and how far each is filled, in 128 words per account
        that are reused: three orders to a word, so that cancelling everything is one bounded sweep.
@dev Nonce n belongs to trio n // 3, lane n % 3; a trio's word is number `trio % 128`. A word:
     lane 0 filled (lots, u64) | lane 1 | lane 2 | trio (u64, highest). A trio newer than the one
     stored replaces it and kills its three orders: the newest 384 nonces can be alive at once.
"""

from contracts.modules import errors

LANES: constant(uint256) = 3
WORDS: constant(uint256) = 128
_LANE: constant(uint256) = 2**64 - 1  # mask of a lane; a lane that holds it is cancelled
_TRIO: constant(uint256) = 192
_ALL_LANES: constant(uint256) = 2**192 - 1
# A word's trio may not jump further, so that one careless or hostile call by an operator cannot use
# up an account's nonces. Nonces from a clock in microseconds still fit from the first order on.
MAX_LEAP: constant(uint256) = 2**50

words: HashMap[uint256, uint256[WORDS]]  # account -> ring


@internal
def _take(account: uint256, nonce: uint256, lots: uint256, size: uint256):
    """
    @notice Adds a fill to an order.
    @dev BadNonce: superseded, cancelled, or too far ahead. OrderFilled: less is left than `lots`.
    @param account Account id.
    @param nonce The order's nonce, < 2**64.
    @param lots Lots of this fill, < 2**64.
    @param size Lots of the whole order, < 2**64.
    """
    trio: uint256 = nonce // LANES
    word: uint256 = self._live(self.words[account][trio % WORDS], trio)
    # Proof: nonce % 3 <= 2, so the offset is 0, 64 or 128.
    offset: uint256 = unsafe_mul(nonce % LANES, 64)
    before: uint256 = (word >> offset) & _LANE
    # Proof: both are below 2**64.
    if unsafe_add(before, lots) > size:
        errors._require(before != _LANE, errors.BAD_NONCE)
        errors._fail(errors.ORDER_FILLED)
    # Proof: the lane's new value is at most `size` < 2**64, so nothing carries into the next lane.
    self.words[account][trio % WORDS] = unsafe_add(word, lots << offset)


@internal
def _cancel(account: uint256, nonce: uint256):
    """
    @notice Kills one order. BadNonce where it is dead already or too far ahead.
    @param account Account id.
    @param nonce The order's nonce, < 2**64.
    """
    trio: uint256 = nonce // LANES
    word: uint256 = self._live(self.words[account][trio % WORDS], trio)
    mask: uint256 = _LANE << ((nonce % LANES) * 64)
    errors._require(word & mask != mask, errors.BAD_NONCE)
    self.words[account][trio % WORDS] = word | mask


@internal
def _cancel_below(account: uint256, nonce: uint256):
    """
    @notice Kills every order with a smaller nonce, in at most 128 words. BadNonce: too far ahead.
    @param account Account id.
    @param nonce The first nonce left alive, < 2**64.
    """
    last: uint256 = nonce // LANES  # the trio that is cut in two
    for back: uint256 in range(WORDS):
        if back > last:
            break
        # Proof: back <= last.
        trio: uint256 = unsafe_sub(last, back)
        dead: uint256 = _ALL_LANES
        if back == 0:
            dead = (1 << ((nonce % LANES) * 64)) - 1
        old: uint256 = self.words[account][trio % WORDS]
        # A newer trio is not touched: its word says already that all older ones are dead.
        if old >> _TRIO <= trio:
            new: uint256 = self._live(old, trio) | dead
            if new != old:
                self.words[account][trio % WORDS] = new


@internal
@view
def _read(account: uint256, nonce: uint256) -> (uint256, bool):
    """
    @notice How far an order is filled.
    @param account Account id.
    @param nonce The order's nonce.
    @return Lots filled (0 where dead), and whether it is dead: superseded or cancelled.
    """
    trio: uint256 = nonce // LANES
    word: uint256 = self.words[account][trio % WORDS]
    stored: uint256 = word >> _TRIO
    if stored > trio:
        return 0, True
    if stored < trio:
        return 0, False
    lots: uint256 = (word >> ((nonce % LANES) * 64)) & _LANE
    if lots == _LANE:
        return 0, True
    return lots, False


@internal
@pure
def _live(word: uint256, trio: uint256) -> uint256:
    """
    @notice The word a trio works on: the stored one, or an empty one where the trio is newer.
    @dev BadNonce where the stored trio is newer, or `trio` is too far ahead of it.
    @param word The stored word.
    @param trio The trio wanted.
    @return The word, its trio set.
    """
    stored: uint256 = word >> _TRIO
    if stored == trio:
        return word
    # Proof: the difference is looked at only where stored <= trio.
    if stored > trio or unsafe_sub(trio, stored) > MAX_LEAP:
        errors._fail(errors.BAD_NONCE)
    # Proof of fit: every caller's nonce is below 2**64, so the trio is below 2**63.
    return trio << _TRIO
