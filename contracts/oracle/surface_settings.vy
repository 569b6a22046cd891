# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title surface_settings
@license AGPL-3.0-only
@notice What the owner sets of surfaces (terms, expiries, signer sets, the guardian), and the
        guardian's halt.
"""

from snekmate.auth import ownable
from contracts.interfaces import IOracleAdapter
from contracts.modules import errors
from contracts.oracle import expiry_list
from contracts.oracle import oracle_roles
from contracts.oracle import signer_sets
from contracts.oracle import surface_state
from contracts.oracle import surface_terms

uses: oracle_roles
uses: ownable
uses: signer_sets
uses: surface_state


event TermsChanged:
    feed: indexed(uint256)
    old_terms: uint256  # terms word; 0: the feed had no surface
    new_terms: uint256


event ExpiryListed:
    feed: indexed(uint256)
    expiry: uint256  # s


event ExpiryRemoved:
    feed: indexed(uint256)
    expiry: uint256  # s
    passed: bool  # it had passed; else governance took it off


event HaltChanged:
    feed: indexed(uint256)
    old_end: uint256  # s; 0: never halted
    new_end: uint256


event GuardianChanged:
    old_guardian: indexed(address)
    new_guardian: indexed(address)


MAX_HALT: constant(uint256) = 3 * 86_400  # s, as the oracle's
MAX_TENOR: constant(uint256) = 750 * 86_400  # s: expiries this far ahead can be listed


# -- guardian -------------------------------------------------------------------------------------


@external
def halt(feed: uint256, duration: uint256):
    """
    @notice Halt a feed's surface at once; guardian or owner. Its slices read HALTED and no report
            is taken until the end. A later call can only extend it; nobody can shorten it. Reverts
            NotGuardian, BadArgument for a duration of 0 or over three days, UnknownFeed.
    @param feed The feed's id.
    @param duration Seconds from now.
    """
    errors._require(
        msg.sender == oracle_roles.guardian or msg.sender == ownable.owner, errors.NOT_GUARDIAN
    )
    errors._require(duration >= 1 and duration <= MAX_HALT, errors.BAD_ARGUMENT)
    rules: uint256 = surface_state._terms(feed)
    old: uint256 = surface_terms._halted_until(rules)
    # Proof: duration is bounded above and timestamps are < 2**32.
    end: uint256 = max(old, unsafe_add(block.timestamp, duration))
    surface_state.terms[feed] = (rules ^ (old << surface_terms.HALT_SHIFT)) | (
        end << surface_terms.HALT_SHIFT
    )
    log HaltChanged(feed=feed, old_end=old, new_end=end)


# -- governance -----------------------------------------------------------------------------------


@external
def set_terms(feed: uint256, terms: surface_terms.SurfaceTerms):
    """
    @notice Give a feed a surface, or change its rules; owner only. They apply to the next report,
            the age limit at once; slices and a running halt stay. Reverts NotGovernance,
            BadArgument (id), BadParameter, and as the oracle's `read` (UnknownFeed, NoPrice).
    @param feed The oracle's feed, 1 to 65535.
    @param terms The rules (surface_terms.vy).
    """
    oracle_roles._check_owner()
    errors._require(feed >= 1 and feed <= surface_state.MAX_FEED, errors.BAD_ARGUMENT)
    old: uint256 = surface_state.terms[feed]
    packed: uint256 = surface_terms._pack(terms, signer_sets.thresholds[terms.signer_set])
    reading: IOracleAdapter.Reading = staticcall surface_state.ORACLE.read(feed)
    packed |= surface_terms._halted_until(old) << surface_terms.HALT_SHIFT
    surface_state.terms[feed] = packed
    log TermsChanged(feed=feed, old_terms=old, new_terms=packed)


@external
def list_expiries(feed: uint256, expiries: DynArray[uint256, 12]):
    """
    @notice List expiries; owner only. Those that have passed free their places first. Reverts
            NotGovernance, UnknownFeed, BadArgument (not on a half hour, or over 750 days ahead),
            Expired, AlreadyListed, TooMany (over twelve to come).
    @param feed The feed's id.
    @param expiries Seconds, in any order.
    """
    oracle_roles._check_owner()
    surface_state._terms(feed)
    now: uint256 = block.timestamp
    list: uint256 = self._without_passed(feed, surface_state.lists[feed])
    for expiry: uint256 in expiries:
        errors._require(
            expiry % expiry_list.GRID == 0 and expiry <= now + MAX_TENOR, errors.BAD_ARGUMENT
        )
        errors._require(expiry > now, errors.EXPIRED)
        list = expiry_list._insert(list, expiry)
        log ExpiryListed(feed=feed, expiry=expiry)
    surface_state.lists[feed] = list


@external
def unlist_expiry(feed: uint256, expiry: uint256):
    """
    @notice Take an expiry and its slice off; owner only. Listed again it starts without a slice,
            but reports that were taken before stay refused. Reverts NotGovernance, UnknownFeed,
            UnknownExpiry.
    @param feed The feed's id.
    @param expiry Seconds.
    """
    oracle_roles._check_owner()
    surface_state._terms(feed)
    list: uint256 = surface_state.lists[feed]
    position: uint256 = expiry_list._find(list, expiry)
    errors._require(position != expiry_list.NOWHERE, errors.UNKNOWN_EXPIRY)
    surface_state.lists[feed] = expiry_list._remove(list, position)
    surface_state.curves[(feed << 32) | expiry] = 0
    log ExpiryRemoved(feed=feed, expiry=expiry, passed=expiry <= block.timestamp)


@external
def add_signer_set(signers: DynArray[address, 16], threshold: uint256) -> uint256:
    """
    @notice List a signer set; owner only. Sets never change: rotate by naming another in the terms.
            Reverts NotGovernance, BadSigner, BadQuorum.
    @param signers Strictly ascending, not empty.
    @param threshold Signatures a report needs, 1 to 8.
    @return The set's id.
    """
    oracle_roles._check_owner()
    return signer_sets._add_set(signers, threshold)


@external
def set_guardian(guardian: address):
    """
    @notice Name another guardian; owner only. Reverts NotGovernance, NullAddress.
    @param guardian The new guardian.
    """
    oracle_roles._check_owner()
    errors._require(guardian != empty(address), errors.NULL_ADDRESS)
    log GuardianChanged(old_guardian=oracle_roles.guardian, new_guardian=guardian)
    oracle_roles.guardian = guardian


@internal
def _without_passed(feed: uint256, list: uint256) -> uint256:
    """
    @notice The list without the expiries that have passed; their slices are cleared.
    @param feed The feed's id.
    @param list Its expiries.
    """
    left: uint256 = list
    for _: uint256 in range(expiry_list.CAPACITY):
        expiry: uint256 = expiry_list._at(left, 0)
        if expiry == 0 or expiry > block.timestamp:
            break
        left = expiry_list._remove(left, 0)
        key: uint256 = (feed << 32) | expiry
        surface_state.curves[key] = 0
        surface_state.heads[key] = 0  # no report for a past expiry is taken, so none can come back
        log ExpiryRemoved(feed=feed, expiry=expiry, passed=True)
    return left
