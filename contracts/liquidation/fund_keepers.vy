# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title fund_keepers
@license AGPL-3.0-only
@notice The rule that fills the keepers' budget out of undripped income, and what it has moved
        today.
"""
from contracts.interfaces import IInsuranceFund
from contracts.liquidation import fund_bucket
from contracts.liquidation import fund_terms
from contracts.modules import errors
from contracts.modules import saturating

uses: fund_bucket
uses: fund_terms

SCALE: constant(uint256) = 10_000  # 1e-4
BUDGET_WINDOW: constant(uint256) = 86_400  # s

_budget_start: uint256  # unix s
_budget_used: uint256  # qu moved to keepers since


@external
def fund_budget(amount_qu: uint256) -> uint256:
    """
    @notice Fills the keepers' bucket out of undripped income, up to its target and to a share of
            the fund a day. Anyone: the rule decides, not the caller.
    @dev Reverts NothingToDo where the rule leaves nothing to move.
    @param amount_qu The most to move, qu.
    @return qu moved.
    """
    fund_bucket._sync()
    if block.timestamp >= self._budget_start + BUDGET_WINDOW:
        self._budget_start = block.timestamp
        self._budget_used = 0
    used: uint256 = self._budget_used
    standing: uint256 = staticcall fund_bucket.Engine(fund_bucket.engine).keeper_budget()
    bucket: uint256 = 0
    locked: uint256 = 0
    bucket, locked = fund_bucket._booked()
    # Down: no more than the share.
    allowed: uint256 = bucket * fund_terms.budget_share // SCALE
    moved: uint256 = min(
        min(amount_qu, locked),
        min(
            saturating._less(fund_terms.budget_target, standing),
            saturating._less(allowed, used),
        ),
    )
    errors._require(moved > 0, errors.NOTHING_TO_DO)
    self._budget_used = used + moved
    fund_bucket._pay_keepers(moved)
    log IInsuranceFund.KeeperBudgetFunded(caller=msg.sender, amount_qu=moved)
    return moved
