# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title ImpliedSurfaces
@license AGPL-3.0-only
@notice Forward and implied volatility per feed and expiry: raw SVI slices (svi_slice.vy), written
        only by reports that enough members of a signer set signed, and checked before they are
        stored: each slice alone (bounds, wings, lowest total variance, density at fixed strikes,
        forward against the oracle's index price) and against its neighbours in time (total
        variance does not fall with the expiry, at the same strikes).

        Reports are taken in surface_reports, read in surface_views; surface_settings has what owner
        and guardian set, surface_state what is stored.

        Trust: a quorum of signers for the numbers within those checks; the oracle for the index;
        the owner (a timelock) for signer sets, terms and expiries; the guardian may halt a feed's
        surface for a limited time and nothing else; who submits is trusted with nothing.
@custom:kill The guardian halts single feeds; there is no other stop.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import eip712_domain_separator as eip712
from contracts.interfaces import IImpliedSurfaces
from contracts.modules import errors
from contracts.oracle import oracle_roles
from contracts.oracle import signer_sets
from contracts.oracle import surface_reports
from contracts.oracle import surface_settings
from contracts.oracle import surface_state
from contracts.oracle import surface_views

implements: IImpliedSurfaces

# This order is the storage layout.
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: eip712
initializes: signer_sets
initializes: oracle_roles[ownable := ownable]
initializes: surface_state
# These keep nothing.
initializes: surface_reports[
    eip712 := eip712, signer_sets := signer_sets, surface_state := surface_state
]
initializes: surface_views[signer_sets := signer_sets, surface_state := surface_state]
# fmt: off: the formatter cannot read its own long lists back
initializes: surface_settings[
    oracle_roles := oracle_roles,
    ownable := ownable,
    signer_sets := signer_sets,
    surface_state := surface_state
]
# fmt: on
exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    eip712.eip712Domain,
    # reports: anyone submits what signers signed
    surface_reports.submit,
    # reads
    surface_views.surface,
    surface_views.total_variance,
    surface_views.implied_at_the_money,
    surface_views.expiries,
    surface_views.feed_words,
    surface_views.slice_words,
    surface_views.is_signer,
    surface_views.threshold,
    oracle_roles.guardian,
    # guardian or owner
    surface_settings.halt,
    # owner
    surface_settings.set_terms,
    surface_settings.list_expiries,
    surface_settings.unlist_expiry,
    surface_settings.add_signer_set,
    surface_settings.set_guardian,
)


@deploy
def __init__(oracle_: address, owner_: address, guardian_: address):
    """
    @notice Deploys without surfaces. Reverts NullAddress.
    @param oracle_ The oracle adapter, whose index prices bound the forwards.
    @param owner_ Governance: signer sets, terms, expiries and the guardian.
    @param guardian_ May halt.
    """
    errors._require(
        oracle_ != empty(address) and owner_ != empty(address) and guardian_ != empty(address),
        errors.NULL_ADDRESS,
    )
    ownable.__init__()
    ownable_2step.__init__()
    ownable_2step._transfer_ownership(owner_)
    eip712.__init__("Plimsoll Surfaces", "1")
    surface_state.__init__(oracle_)
    oracle_roles.guardian = guardian_
