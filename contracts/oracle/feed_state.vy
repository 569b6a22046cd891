# pragma version 0.4.3
"""
@title feed_state
@license AGPL-3.0-only
@notice The adapter's storage. Arrays rather than maps where a word is on the hot path: an index
        costs less than a hash. Layouts are documented where the words are packed.
"""

hot: uint256[65536]  # feed_word.vy, hot word; 0 before the first price
newer: HashMap[uint256, uint256]  # feed_word.vy, hot word of a later poke of the same second
terms: uint256[65536]  # feed_terms.vy, terms word; 0: not listed
history: uint256[65536]  # realised_variance.vy and settlement_window.vy
settlement: uint256[65536]  # settlement_window.vy, settlement word
windows: HashMap[uint256, uint256]  # feed << 32 | half hour: settlement_window.vy, window word
halts: HashMap[uint256, uint256]  # breaker.vy
before: HashMap[uint256, uint256]  # breaker.vy, of a halted feed: what was before this second
sources: uint256[524288]  # feed * 8 + index: feed_terms.vy, source word
extras: HashMap[uint256, uint256]  # feed * 8 + index: the source's extra word, see its module
data: uint256[524288]  # feed * 8 + index: feed_word.vy, datum word; 0: none yet


@internal
@view
def _in_force(feed: uint256, now: uint256) -> uint256:
    """
    @notice The hot word that prices this second: the block-first one, or, from the second after,
            the last of that second. 0 before the first price.
    @param feed The feed's id, < 65536.
    @param now block.timestamp.
    """
    word: uint256 = self.hot[feed]
    # bit 230: a newer word waits; bits 162-193: the second that fixed the price
    if (word >> 230) & 1 != 0 and (word >> 162) & (2**32 - 1) != now:
        return self.newer[feed]
    return word


@internal
@view
def _newest(feed: uint256) -> uint256:
    """
    @notice The hot word of the newest poke. 0 before the first price.
    @param feed The feed's id, < 65536.
    """
    word: uint256 = self.hot[feed]
    if (word >> 230) & 1 != 0:
        return self.newer[feed]
    return word
