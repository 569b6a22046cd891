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

# What the engine tells beside IMarginEngine: a word with the freeze in bit 226.
interface Heads:
    def head(account: uint256) -> int256: view


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


@internal
@view
def _frozen(account: uint256) -> bool:
    """
    @notice Whether the engine has an account frozen. One that is not is in no auction, whatever this contract
            noted before another auction took its place and ended it.
    """
    return (staticcall Heads(ENGINE.address).head(account) >> 226) & 1 != 0
