# pragma version 0.4.3
"""
@title keeper_pay
@license AGPL-3.0-only
@notice Pay of whoever started an auction and whoever executes a sale, out of the keeper budget.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.interfaces import IMarginEngine

uses: accounts
uses: cash


@internal
def _pay(pay: IMarginEngine.KeeperPay, ceiling: uint256, w: uint256) -> (uint256, uint256):
    """
    @notice Pays the executor and then, out of what ceiling and budget leave, the starter.
    @dev The heads of both are read and written here: the caller has stored every head it keeps in memory.
    @param pay Accounts and amounts.
    @param ceiling The most both get, quote units.
    @param w The indices word, brought to now; the caller reprices afterwards.
    @return What the executor got; what the starter got, quote units.
    """
    budget: uint256 = cash._keeper()
    most: uint256 = min(ceiling, budget)
    executed: uint256 = min(pay.executor_due, most)
    # Proof: executed <= most.
    started: uint256 = min(pay.starter_due, unsafe_sub(most, executed))
    total: uint256 = unsafe_add(executed, started)  # at most the budget
    if total == 0:
        return 0, 0
    cash._set_keeper(unsafe_sub(budget, total))
    first: uint256 = executed
    if pay.starter == pay.executor:
        first = total
    accounts.head[pay.executor] = cash._credit(
        accounts.head[pay.executor], w, convert(first, int256)
    )
    if first != total:
        accounts.head[pay.starter] = cash._credit(
            accounts.head[pay.starter], w, convert(started, int256)
        )
    return executed, started
