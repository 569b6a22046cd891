# pragma version 0.4.3
"""
@title breaker
@license AGPL-3.0-only
@notice The record of a halt and of a recovery. A halt begins when the sources' spread exceeds
        halt_band, when the price moves further than the allowance for its age, when it is further
        than ema_band from the slow average, or by the guardian. While it lasts the last good price
        stands. It ends by rule: after `confirm` seconds in which every poke found the quorum inside
        halt_band and inside the allowance of the poke before, and not before the guardian's end.
        Nobody can end it sooner. Pokes of one second decide anew, each from what that second
        found: the last one's data count and not the order in which they came (feed_update.vy).
        The slow average then starts anew from the confirmed price. After a halt, and after a time
        in which the feed was STALE, it is RECOVERING for `grace` seconds.

        halt word
        bits    field      unit
        0-31    start      s: since when it has been calm; restarts at each breach
        32-87   candidate  ticks: the last poke's aggregate
        88-119  time       s: of that poke
        120-151 forced     s: the guardian's end; 0 if none
        152-155 cause      of the halt, or of the last one: as in the adapter's events
        156-187 resumed    s: the first price after the last halt or gap
        188     by_rule    1: the last poke, of `time`, began the halt
        before word, kept while a feed is halted, of use in the second `time` only
        by_rule: the newest hot word before the halt; otherwise the halt word before that second
"""

from contracts.oracle import feed_terms

BY_RULE: constant(uint256) = 1 << 188
MASK_32: constant(uint256) = 2**32 - 1
MASK_56: constant(uint256) = 2**56 - 1


@internal
@pure
def _begun(
    word: uint256, candidate: uint256, now: uint256, forced: uint256, cause: uint256
) -> uint256:
    """
    @notice The halt word of a halt that begins now.
    @param word The word before; its time of resumption is kept.
    @param candidate Ticks.
    @param now Seconds.
    @param forced The guardian's end, s; 0 if none.
    @param cause As in the adapter's events.
    """
    kept: uint256 = word & (MASK_32 << 156)
    return kept | now | (candidate << 32) | (now << 88) | (forced << 120) | (cause << 152)


@internal
@pure
def _forced(word: uint256) -> uint256:
    """
    @notice The guardian's end, s.
    """
    return (word >> 120) & MASK_32


@internal
@pure
def _time(word: uint256) -> uint256:
    """
    @notice Of the last poke that met the quorum, s.
    """
    return (word >> 88) & MASK_32


@internal
@pure
def _begun_at(word: uint256, now: uint256) -> bool:
    """
    @notice Whether the breaker began the halt in this very second.
    """
    return word & BY_RULE != 0 and (word >> 88) & MASK_32 == now


@internal
@pure
def _cause(word: uint256) -> uint256:
    """
    @notice Why it was halted.
    """
    return (word >> 152) & 15


@internal
@pure
def _resumed(word: uint256) -> uint256:
    """
    @notice The first price after the last halt or gap, s; 0 if there was none.
    """
    return (word >> 156) & MASK_32


@internal
@pure
def _with_resumed(word: uint256, now: uint256) -> uint256:
    """
    @notice The word with another time of resumption.
    """
    return (word & ~(MASK_32 << 156)) | (now << 156)


@internal
@pure
def _next(word: uint256, terms: uint256, median: uint256, wide: bool, now: uint256) -> uint256:
    """
    @notice The halt word after a poke that met the quorum.
    @param word The word before.
    @param terms The feed's terms word.
    @param median Ticks.
    @param wide Whether the spread exceeds halt_band.
    @param now Seconds.
    """
    start: uint256 = word & MASK_32
    # Proof: the record's time was an earlier block's timestamp or this one's.
    age: uint256 = unsafe_sub(now, (word >> 88) & MASK_32)
    if wide or not feed_terms._jump_allowed(terms, (word >> 32) & MASK_56, median, age):
        start = now
    return ((word & (BY_RULE - 1)) >> 120 << 120) | start | (median << 32) | (now << 88)


@internal
@pure
def _released(word: uint256, terms: uint256, now: uint256) -> bool:
    """
    @notice Whether the halt is over.
    @param word The word after the poke.
    @param terms The feed's terms word.
    @param now Seconds.
    """
    # Proof: start <= now, as in _next.
    calm: uint256 = unsafe_sub(now, word & MASK_32)
    return calm >= feed_terms._confirm(terms) and now >= self._forced(word)
