"""One sale of an account in auction and what becomes of the auction afterwards.

Bit for bit what auction_sale.vy, auction_pay.vy and last_resort.vy of `contracts/liquidation/` do:
what the fund grants, what the keepers are due, whether the account is settled, noted or closed.
"""

from __future__ import annotations

from plimsoll.model import auction
from plimsoll.model.auction import NANO, ONE, TOK, Curve, Slice, Standing
from plimsoll.model.engine_types import (
    DeleverageResult,
    DeleverageTerms,
    KeeperPay,
    SliceResult,
    SliceTerms,
)
from plimsoll.model.fund_ports import FundPorts
from plimsoll.model.liquidation_state import NOBODY, Run
from plimsoll.model.rounding import ModelError, require


class AuctionSale(FundPorts):
    """The parts that the auction's calls are made of."""

    @staticmethod
    def _check_sale(standing: Standing, run: Run, curve: Curve) -> None:
        require(not standing.stopped, "ClockStopped")
        require(standing.counted < standing.requirement, "Healthy")
        require(standing.equity >= 0 or run.elapsed <= curve.t_end, "AuctionOver")

    def _sell(
        self,
        account: int,
        bidder: int,
        caller: int,
        run: Run,
        standing: Standing,
        offer: Slice,
        brought: int,
        locked: bool,
    ) -> tuple[Run, int, int]:
        """One sale and what becomes of the auction: the run, the bidder's net cost, R sold; qu."""
        curve, limit = self.curve_of(run), 0
        if offer.insolvent:
            limit = self._draw(account, sum(auction.draw_request(standing, offer)))
            granted = auction.funded(standing, offer, limit)
            if granted is None:
                raise ModelError("FundEmpty")
            offer = granted
        sold = standing.requirement * offer.fraction // ONE
        pay = self._due(run.starter, caller, curve, sold)
        done = offer.fraction == ONE or not offer.capped
        result = self._sell_slice(
            account, bidder, curve, offer, pay, limit, brought, locked, done, run.noted
        )
        run = run._replace(starter=run.starter if result.started == 0 else NOBODY)
        if offer.fraction == ONE:
            run = run.restarted()
        if done:
            run = self._finish(account, run, thawed=True)
        else:
            run = self._settle(account, run, curve.buffer, caller)
        return run, result.paid - result.from_fund, sold

    def _sell_slice(
        self,
        account: int,
        bidder: int,
        curve: Curve,
        offer: Slice,
        pay: KeeperPay,
        limit: int = 0,
        brought: int = 0,
        locked: bool = False,
        thaw: bool = False,
        noted: bool = False,
    ) -> SliceResult:
        terms = SliceTerms(
            offer.fraction,
            offer.discount,
            offer.fee,
            curve.keeper_share,
            offer.bonus,
            limit,
            offer.insolvent,
            offer.free,
            locked=locked,
            pay=pay,
            thaw=thaw,
            noted=noted,
        )
        return self.house.sell_slice(account, bidder, terms, brought)

    def _settle(self, account: int, run: Run, buffer: int, caller: int) -> Run:
        """End where the account is back at (1 + buffer) R or empty; else note its deficit."""
        standing = self.standing(account)
        if bare(standing):
            return self._recognise(account, run, standing, caller)
        if standing.counted * NANO >= standing.requirement * (NANO + buffer):
            if standing.perps == 0 and standing.collateral == 0:
                run = run.restarted()
            return self._finish(account, run)
        return run._replace(noted=self._note(account, run.noted, standing.equity))

    def _finish(self, account: int, run: Run, thawed: bool = False) -> Run:
        if not thawed:
            self.house.thaw(account)
        if run.noted:
            self._observe()
        return run._replace(running=False, stopped=False, seen=self.house.now, noted=False)

    def _note(self, account: int, noted: bool, equity: int) -> bool:
        deficit = max(-equity, 0)
        if noted or deficit:
            self.house.note_deficit(account, deficit)
            self._observe()
        return deficit > 0

    # -- last resort

    def _close(
        self, account: int, buyer: int, run: Run, standing: Standing, caller: int
    ) -> tuple[Run, DeleverageResult]:
        curve = self.curve_of(run)
        price, limit = auction.collateral_price(curve, run.elapsed), 0
        if standing.equity < 0:
            limit = self._draw(account, worst_deficit(standing, price))
        result = self.house.deleverage(
            account,
            buyer,
            DeleverageTerms(
                limit,
                curve.charge_cap,
                curve.charge_window,
                curve.social_share,
                price,
                self._due(run.starter, caller, curve, standing.requirement),
            ),
        )
        return run._replace(starter=run.starter if result.started == 0 else NOBODY), result

    def _recognise(self, account: int, run: Run, standing: Standing, caller: int) -> Run:
        """P22: a debt with nothing behind it is closed in the call that finds it."""
        run, _ = self._close(account, 0, run, standing, caller)
        return self._finish(account, run.restarted())

    # -- keepers

    @staticmethod
    def _due(starter: int, caller: int, curve: Curve, sold: int) -> KeeperPay:
        """What executor and starter of a sale of R `sold` are due, into their accounts 0."""
        if sold < curve.min_requirement * TOK:
            return KeeperPay()
        pay = AuctionSale._flat(starter, caller, curve)
        pay = pay._replace(executor_due=pay.executor_due + sold * curve.exec_share // NANO)
        if starter == NOBODY:
            return pay
        return pay._replace(starter_due=pay.starter_due + sold * curve.start_share // NANO)

    @staticmethod
    def _flat(starter: int, caller: int, curve: Curve) -> KeeperPay:
        """The part of it that does not grow with the R sold."""
        pay = KeeperPay(caller << 96, curve.exec_flat * TOK)
        if starter == NOBODY:
            return pay
        return pay._replace(starter=starter << 96, starter_due=curve.start_flat * TOK)


def bare(standing: Standing) -> bool:
    """Whether nothing is left but a debt."""
    return standing.perps == 0 and standing.collateral == 0 and standing.equity < 0


def exhausted(standing: Standing, curve: Curve, elapsed: int) -> bool:
    """Whether only deleveraging is left."""
    if standing.perps == 0 and (standing.collateral == 0 or standing.equity >= 0):
        return standing.collateral == 0
    if standing.equity >= 0 and standing.collateral * 100 <= standing.requirement:
        return elapsed >= curve.t_one
    return elapsed >= curve.t_end


def worst_deficit(standing: Standing, price: int) -> int:
    """The most an insolvent account can be short of once closed, qu; `price` of collateral 1e-4."""
    worth = standing.collateral - min(standing.linear, standing.collateral)
    return -standing.equity + standing.collateral - worth * price // 10_000 + TOK
