# pragma version 0.4.3
"""
@title breaker
@license AGPL-3.0-only
@notice The record of a halt. A halt begins when the sources' spread exceeds halt_band, when the
        price moves further than the allowance for its age, or by the guardian. While it lasts the
        last good price stands. It ends by rule: after `confirm` seconds in which every poke found
        the quorum inside halt_band and inside the allowance of the poke before, and not before the
        guardian's end. Nobody can end it sooner.

        halt word
        bits    field      unit
        0-31    start      s: since when it has been calm; restarts at each breach
        32-87   candidate  ticks: the last poke's aggregate
        88-119  time       s: of that poke
        120-151 forced     s: the guardian's end; 0 if none
"""

from contracts.oracle import feed_terms

MASK_32: constant(uint256) = 2**32 - 1
MASK_56: constant(uint256) = 2**56 - 1


@internal
@pure
def _pack(start: uint256, candidate: uint256, time: uint256, forced: uint256) -> uint256:
    """
    @notice The halt word of fields that fit.
    """
    return start | (candidate << 32) | (time << 88) | (forced << 120)


@internal
@pure
def _forced(word: uint256) -> uint256:
    """
    @notice The guardian's end, s.
    """
    return word >> 120


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
    return self._pack(start, median, now, word >> 120)


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
    return calm >= feed_terms._confirm(terms) and now >= (word >> 120)
