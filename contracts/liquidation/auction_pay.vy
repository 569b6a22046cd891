# pragma version 0.4.3
"""
@title auction_pay
@license AGPL-3.0-only
@notice What starter and executor are due for a sale, and who is still owed afterwards. The engine pays, in the
        call that sells.
"""
from contracts.interfaces import ILiquidationAuction
from contracts.interfaces import IMarginEngine
from contracts.liquidation import curve as curves

NANO: constant(uint256) = 10**9
TOK: constant(uint256) = 10**9


@internal
@view
def _due(starter: address, terms: uint256, sold: uint256) -> IMarginEngine.KeeperPay:
    """
    @notice What the executor (the caller) and the starter are due, into their accounts 0.
    @param starter Who started and is not paid yet; zero where none.
    @param terms Word 1 of the curve.
    @param sold R sold, qu; under min_requirement nobody is due anything.
    """
    if sold < self._least(terms):
        return empty(IMarginEngine.KeeperPay)
    pay: IMarginEngine.KeeperPay = self._flat(starter, terms)
    executor_share: uint256 = 0
    starter_share: uint256 = 0
    executor_share, starter_share = self._shares(starter, terms)
    pay.executor_due += sold * executor_share // NANO
    pay.starter_due += sold * starter_share // NANO
    return pay


@internal
@pure
def _least(terms: uint256) -> uint256:
    """
    @notice R sold under which nobody is due anything, qu.
    """
    return curves._field(terms, 208, 40) * TOK


@internal
@view
def _flat(starter: address, terms: uint256) -> IMarginEngine.KeeperPay:
    """
    @notice The part of what both are due that does not grow with the R sold.
    """
    pay: IMarginEngine.KeeperPay = empty(IMarginEngine.KeeperPay)
    pay.executor = convert(msg.sender, uint256) << 96
    pay.executor_due = curves._field(terms, 120, 40) * TOK
    if starter != empty(address):
        pay.starter = convert(starter, uint256) << 96
        pay.starter_due = curves._field(terms, 80, 40) * TOK
    return pay


@internal
@pure
def _shares(starter: address, terms: uint256) -> (uint256, uint256):
    """
    @notice The part that does: the executor's and the starter's share of it, nano.
    """
    return (
        curves._field(terms, 184, 24),
        curves._field(terms, 160, 24) if starter != empty(address) else 0,
    )


@internal
def _paid(account: uint256, starter: address, executed: uint256, started: uint256) -> address:
    """
    @notice Tells what the engine paid.
    @param account The account sold.
    @param starter Who started and was not paid before; zero where none.
    @param executed What the executor got, qu.
    @param started What the starter got, qu.
    @return The starter still to be paid: who got a part of it has had it.
    """
    if starter == msg.sender:
        if executed + started != 0:
            log ILiquidationAuction.KeeperPaid(
                account=account, keeper=starter, amount=executed + started
            )
    else:
        if executed != 0:
            log ILiquidationAuction.KeeperPaid(account=account, keeper=msg.sender, amount=executed)
        if started != 0:
            log ILiquidationAuction.KeeperPaid(account=account, keeper=starter, amount=started)
    return starter if started == 0 else empty(address)
