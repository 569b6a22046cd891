# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title auction_ports
@license AGPL-3.0-only
@notice The two contracts the auction trusts, fixed for good.
"""
from contracts.interfaces import IInsuranceFund
from contracts.interfaces import IMarginEngine
from contracts.modules import errors

ENGINE: public(immutable(IMarginEngine))
FUND: public(immutable(IInsuranceFund))


@deploy
def __init__(engine: address, fund: address):
    """
    @notice Fixes both.
    @param engine The margin engine.
    @param fund The insurance fund.
    """
    errors._require(engine != empty(address) and fund != empty(address), errors.NULL_ADDRESS)
    ENGINE = IMarginEngine(engine)
    FUND = IInsuranceFund(fund)
