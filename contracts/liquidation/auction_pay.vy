# pragma version 0.4.3
"""
@title auction_pay
@license AGPL-3.0-only
@notice What starter and executor get for a slice, and getting it to them.
"""
from contracts.interfaces import ILiquidationAuction
from contracts.liquidation import auction_ports
from contracts.liquidation import curve as curves

uses: auction_ports

NANO: constant(uint256) = 10**9
TOK: constant(uint256) = 10**9


@internal
def _pay(
    account: uint256, starter: address, terms: uint256, sold: uint256, ceiling: uint256
) -> address:
    """
    @notice Pays executor (the caller) and starter for a slice, out of the keeper budget.
    @param starter Who started and is not paid yet; zero where none.
    @param terms Word 1 of the curve.
    @param sold R sold, qu; under min_requirement nobody is paid.
    @param ceiling The most both get, qu.
    @return The starter still to be paid. Zero also where the engine refused to credit it.
    """
    if sold < curves._field(terms, 208, 40) * TOK:
        return starter
    executed: uint256 = (
        curves._field(terms, 120, 40) * TOK + sold * curves._field(terms, 184, 24) // NANO
    )
    started: uint256 = 0
    if starter != empty(address):
        started = (
            curves._field(terms, 80, 40) * TOK + sold * curves._field(terms, 160, 24) // NANO
        )
    if executed + started == 0:
        return starter
    executed = min(executed, ceiling)
    started = min(started, ceiling - executed)
    if starter == msg.sender:
        paid: uint256 = self._pay_one(account, msg.sender, executed + started)
        started = paid - min(paid, executed)  # the executor's part goes first
    elif self._pay_one(account, msg.sender, executed) == executed:
        started = self._pay_one(account, starter, started)
    else:
        started = 0  # the budget was short of the executor's pay
    return starter if started == 0 else empty(address)


@internal
def _pay_one(account: uint256, keeper: address, amount: uint256) -> uint256:
    """
    @notice Pays a keeper into its account 0, what is left of the budget where that is less. A payment the
            engine refuses (it may not be able to credit that account) is dropped: a starter must not be
            able to block the sale.
    @return What it was paid, or would have been if its account took it; qu.
    """
    if amount == 0 or self._paid(account, keeper, amount):
        return amount
    left: uint256 = min(
        amount, staticcall auction_ports.ENGINE.keeper_budget()
    )  # asked only where it may matter
    if left == amount or left == 0:
        return left
    self._paid(account, keeper, left)
    return left


@internal
def _paid(account: uint256, keeper: address, amount: uint256) -> bool:
    """
    @notice Asks the engine to pay a keeper; whether it did.
    """
    paid: bool = raw_call(
        auction_ports.ENGINE.address,
        abi_encode(
            convert(keeper, uint256) << 96,
            amount,
            method_id=method_id("pay_keeper(uint256,uint256)"),
        ),
        revert_on_failure=False,
    )
    if paid:
        log ILiquidationAuction.KeeperPaid(account=account, keeper=keeper, amount=amount)
    return paid
