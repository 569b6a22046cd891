# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title surface_views
@license AGPL-3.0-only
@notice What anybody reads of surfaces: slices with their state, variances from them, listed
        expiries, stored words, signer sets.
"""

from contracts.interfaces import IImpliedSurfaces
from contracts.modules import errors
from contracts.modules import quote_word
from contracts.oracle import expiry_list
from contracts.oracle import signer_sets
from contracts.oracle import surface_state
from contracts.oracle import surface_terms
from contracts.oracle import svi_slice

uses: signer_sets
uses: surface_state

OK: constant(uint256) = 0
ABSENT: constant(uint256) = 4  # beside the states in quote_word.vy


@external
@view
@reentrant  # words that are written after every call out of this contract
def surface(feed: uint256, expiry: uint256) -> IImpliedSurfaces.Slice:
    """
    @notice The slice in force with its state. Never reverts for a feed or expiry that is not there:
            its state is ABSENT.
    @param feed The feed's id.
    @param expiry Seconds.
    @return Slice: forward ticks; a, b, rho, m, sigma 1e-12; time s and sequence of the report;
            state OK 0, STALE 2, HALTED 3, ABSENT 4.
    """
    found: IImpliedSurfaces.Slice = empty(IImpliedSurfaces.Slice)
    found.state = ABSENT
    if feed > surface_state.MAX_FEED or expiry > surface_state.MAX_TIME:
        return found
    head: uint256 = surface_state.heads[(feed << 32) | expiry]
    found.sequence = surface_state._sequence(head)
    word: uint256 = surface_state._stored(feed, expiry)
    if word == 0:
        return found
    curve: svi_slice.Curve = svi_slice._curve(word)
    found.forward = head & (2**56 - 1)
    found.a = curve.a
    found.b = convert(curve.b, uint256)
    found.rho = curve.rho
    found.m = curve.m
    found.sigma = convert(curve.sigma, uint256)
    found.time = svi_slice._time(word)
    rules: uint256 = surface_state.terms[feed]
    if surface_terms._halted_until(rules) > block.timestamp:
        found.state = quote_word.HALTED
    elif surface_state._fresh(feed, rules, expiry) == 0:
        found.state = quote_word.STALE
    else:
        found.state = OK
    return found


@external
@view
@reentrant  # as surface
def total_variance(feed: uint256, expiry: uint256, log_moneyness: int256) -> uint256:
    """
    @notice Total variance from the report's time to the expiry, whatever the state (ask `surface`).
            Reverts NoSurface, OutOfRange.
    @param feed The feed's id.
    @param expiry Seconds.
    @param log_moneyness ln(strike / forward), 1e-12, at most 8 in size.
    @return 1e-12, rounded down.
    """
    limit: int256 = svi_slice.MAX_LOG_MONEYNESS
    errors._require(log_moneyness <= limit and log_moneyness >= -limit, errors.OUT_OF_RANGE)
    curve: svi_slice.Curve = svi_slice._curve(self._existing(feed, expiry))
    return convert(max(svi_slice._total_variance_floor(curve, log_moneyness), 0), uint256)


@external
@view
@reentrant  # as surface
def implied_at_the_money(feed: uint256, expiry: uint256) -> uint256:
    """
    @notice Implied volatility at the forward, over the time that was left at the report, whatever
            the state (ask `surface`). Reverts NoSurface.
    @param feed The feed's id.
    @param expiry Seconds.
    @return 1e-6, annualised, rounded up (above the exact root).
    """
    word: uint256 = self._existing(feed, expiry)
    w: int256 = svi_slice._total_variance_floor(svi_slice._curve(word), 0)
    # At most 2 were lost to rounding. w > 0 was checked when it was written; expiry > time.
    annual: uint256 = (convert(w, uint256) + 2) * surface_terms.YEAR
    return isqrt(annual // (expiry - svi_slice._time(word)) + 1) + 1


@external
@view
@reentrant  # as surface
def expiries(feed: uint256) -> DynArray[uint256, 12]:
    """
    @notice The feed's listed expiries that have not passed, ascending.
    @param feed The feed's id.
    @return Seconds.
    """
    result: DynArray[uint256, 12] = []
    list: uint256 = surface_state.lists[feed]
    for i: uint256 in range(expiry_list.CAPACITY):
        expiry: uint256 = expiry_list._at(list, i)
        if expiry > block.timestamp:
            result.append(expiry)
    return result


@external
@view
@reentrant  # raw words, for monitors and tests
def feed_words(feed: uint256) -> uint256[2]:
    """
    @notice The stored words of a feed: terms, expiries.
    @param feed The feed's id.
    """
    return [surface_state.terms[feed], surface_state.lists[feed]]


@external
@view
@reentrant  # raw words, for monitors and tests
def slice_words(feed: uint256, expiry: uint256) -> uint256[2]:
    """
    @notice The stored words of a slice: curve, head.
    @param feed The feed's id, at most 65535.
    @param expiry Seconds, below 2**32.
    """
    errors._require(
        feed <= surface_state.MAX_FEED and expiry <= surface_state.MAX_TIME, errors.BAD_ARGUMENT
    )
    key: uint256 = (feed << 32) | expiry
    return [surface_state.curves[key], surface_state.heads[key]]


@external
@view
@reentrant  # sets never change
def is_signer(signer_set: uint256, signer: address) -> bool:
    """
    @notice Whether an address belongs to a signer set.
    @param signer_set The set's id.
    @param signer The address.
    """
    return signer_sets._is_member(signer_set, signer)


@external
@view
@reentrant  # sets never change
def threshold(signer_set: uint256) -> uint256:
    """
    @notice Signatures a report needs under this set; 0 if there is no such set.
    @param signer_set The set's id.
    """
    return signer_sets.thresholds[signer_set]


@internal
@view
def _existing(feed: uint256, expiry: uint256) -> uint256:
    """
    @notice As _stored. Reverts NoSurface where there is none.
    """
    word: uint256 = surface_state._stored(feed, expiry)
    errors._require(word != 0, errors.NO_SURFACE)
    return word
