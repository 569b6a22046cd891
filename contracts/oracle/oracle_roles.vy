# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title oracle_roles
@license AGPL-3.0-only
@notice Who may do what beyond poking the adapter and submitting surfaces: the owner (a timelock)
        all that is in OracleAdmin and surface_settings, the guardian only halt.
"""

from snekmate.auth import ownable
from contracts.modules import errors

uses: ownable

guardian: public(reentrant(address))  # may halt; reads nothing that a call could leave half done


@internal
@view
def _check_owner():
    """
    @notice Reverts NotGovernance unless the owner calls.
    """
    errors._require(msg.sender == ownable.owner, errors.NOT_GOVERNANCE)


@internal
@view
def _check_guardian():
    """
    @notice Reverts NotGuardian unless the guardian or the owner calls.
    """
    errors._require(msg.sender == self.guardian or msg.sender == ownable.owner, errors.NOT_GUARDIAN)
