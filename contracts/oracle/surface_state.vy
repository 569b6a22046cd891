# pragma version 0.4.3
"""
@title surface_state
@license AGPL-3.0-only
@notice What is stored of surfaces, the oracle they are measured against, and what of a slice is in
        force.
"""

from contracts.interfaces import IOracleAdapter
from contracts.modules import errors
from contracts.oracle import surface_terms
from contracts.oracle import svi_slice

MAX_FEED: constant(uint256) = 65_535
MAX_TIME: constant(uint256) = 2**32 - 1  # s

ORACLE: immutable(IOracleAdapter)

terms: HashMap[uint256, uint256]  # feed -> terms word (surface_terms.vy); 0: no surface
lists: HashMap[uint256, uint256]  # feed -> expiries (expiry_list.vy)
# feed << 32 | expiry -> curve word (svi_slice.vy); 0: no slice
curves: HashMap[uint256, uint256]
# feed << 32 | expiry -> head word: forward 56 (ticks) | sequence 64 | time 32 (s); what was taken
# last, kept when governance takes an expiry off so that no report comes back
heads: HashMap[uint256, uint256]


@deploy
def __init__(oracle_: address):
    """
    @notice The caller has checked it.
    @param oracle_ The oracle adapter, whose index prices bound the forwards.
    """
    ORACLE = IOracleAdapter(oracle_)


@internal
@view
def _terms(feed: uint256) -> uint256:
    """
    @notice The terms word. Reverts UnknownFeed.
    """
    found: uint256 = self.terms[feed]
    errors._require(found != 0, errors.UNKNOWN_FEED)
    return found


@internal
@pure
def _sequence(head: uint256) -> uint256:
    """
    @notice Sequence in a head word.
    """
    return (head >> 56) & (2**64 - 1)


@internal
@view
def _stored(feed: uint256, expiry: uint256) -> uint256:
    """
    @notice The curve word of an expiry that has not passed; 0 where there is none.
    """
    if feed > MAX_FEED or expiry > MAX_TIME or expiry <= block.timestamp:
        return 0
    return self.curves[(feed << 32) | expiry]


@internal
@view
def _fresh(feed: uint256, rules: uint256, expiry: uint256) -> uint256:
    """
    @notice The curve word of a slice that is neither expired nor past its age limit, else 0.
    @param feed The feed's id.
    @param rules Its terms word.
    @param expiry Seconds, a listed one.
    """
    if expiry <= block.timestamp:
        return 0
    word: uint256 = self.curves[(feed << 32) | expiry]
    # Proof: a time is < 2**32, a max_age < 2**24. Without a slice the time is 0, long past.
    if unsafe_add(svi_slice._time(word), surface_terms._max_age(rules)) < block.timestamp:
        return 0
    return word
