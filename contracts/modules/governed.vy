# pragma version 0.4.3
"""
@title governed
@license AGPL-3.0-only
@notice The check that opens every setting of a contract that governance owns.
"""
from contracts.modules import errors
from snekmate.auth import ownable

uses: ownable


@internal
@view
def _check_governance():
    """
    @notice NotGovernance unless the owner calls.
    """
    errors._require(msg.sender == ownable.owner, errors.NOT_GOVERNANCE)
