"""The insurance fund on the engine's bucket: what its owners and the auction ask of the fund.

Changes with the doors between contracts/liquidation/InsuranceFund.vy and the engine; the fund's
own rules are in fund.py. Assets token units, money in quote units (qu).
"""

from __future__ import annotations

from plimsoll.model.fund import Fund
from plimsoll.model.liquidation_state import LiquidationState, transaction


class FundPorts(LiquidationState):
    """The fund's calls, each booked with the engine, and the auction's draws on it."""

    @transaction
    def insure(self, owner: str, assets: int) -> int:
        """A deposit into the fund; returns the shares."""
        shares = self._of_fund().deposit(owner, assets, self.house.now)
        self.house.fund_deposit(assets)
        return shares

    @transaction
    def sponsor(self, assets: int) -> None:
        """Income given to the fund."""
        self._of_fund().sponsor(assets, self.house.now)
        self.house.fund_deposit(assets)

    @transaction
    def fund_budget(self, amount: int) -> int:
        """Undripped income to the keepers' budget; returns the qu moved."""
        moved = self._of_fund().fund_budget(amount, self.house.now)
        self.house.budget_move(moved)
        return moved

    @transaction
    def request_redeem(self, owner: str, shares: int) -> None:
        """Ask for a redemption."""
        self._of_fund().request(owner, shares, self.house.now)

    @transaction
    def redeem(self, owner: str, shares: int) -> int:
        """Redeem shares; returns the token units paid."""
        assets = self._of_fund().redeem(owner, shares, self.house.now)
        self.house.fund_withdraw(assets)
        return assets

    @transaction
    def fund_sync(self) -> None:
        """Book the bucket's changes."""
        self._of_fund().sync(self.house.now)

    def drawable(self, market: int) -> int:
        """The most that one draw for one market would grant, qu."""
        return self._of_fund().drawable(market, self.house.now)

    def _of_fund(self) -> Fund:
        """The fund, told what lies in the engine's buckets."""
        fund, cash = self.fund, self.house.cash
        fund.bucket_qu, fund.keeper_qu, fund.deficit_qu = cash.fund, cash.keeper, cash.pending
        return fund

    def _draw(self, account: int, amount: int) -> int:
        parts = self.house.accrued().exposures(account)
        return sum(one.granted for one in self._of_fund().draw(parts, amount, self.house.now))

    def _observe(self) -> None:
        """The fund sees whether deficits hold redemptions up."""
        self._of_fund().observe(self.house.now)
