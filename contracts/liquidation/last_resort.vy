# pragma version 0.4.3
"""
@title last_resort
@license AGPL-3.0-only
@notice What becomes of an account that nobody buys: the engine closes it against the opposite sides and finds
        who bears its loss, the fund within its caps first.
"""
from contracts.interfaces import IMarginEngine
from contracts.liquidation import auction_pay
from contracts.liquidation import auction_ports
from contracts.liquidation import auction_settings
from contracts.liquidation import curve as curves
from contracts.liquidation import runs
from contracts.liquidation import slices

uses: auction_ports
uses: auction_settings


@internal
@pure
def _bare(standing: IMarginEngine.Standing) -> bool:
    """
    @notice Whether nothing is left but a debt: no leg, no collateral, E < 0. It is recognised in the call that
            finds it.
    """
    return standing.perps == 0 and standing.collateral == 0 and standing.equity < 0


@internal
def _drawn(account: uint256, amount: uint256) -> uint256:
    """
    @notice Asks the fund to pay for an account's negative equity, in the markets it is exposed to.
    @param amount qu.
    @return qu granted.
    """
    return extcall auction_ports.FUND.draw(
        staticcall auction_ports.ENGINE.exposures(account), amount
    )


@internal
def _close(
    account: uint256, buyer: uint256, running: runs.Run, standing: IMarginEngine.Standing
) -> (runs.Run, uint256):
    """
    @notice Deleverages an account in auction and pays starter and executor.
    @param buyer Account that takes its collateral, 0 for none.
    @param running Its run, the clock at now.
    @param standing As of now.
    @return The run, what was noted still to be observed as gone; the deficit, qu.
    """
    run: runs.Run = running
    curve: uint256[3] = auction_settings.stored[run.version]
    limit: uint256 = 0
    if standing.equity < 0:
        limit = self._drawn(account, slices._worst_deficit(standing, curve[0], run.elapsed))
    result: IMarginEngine.DeleverageResult = extcall auction_ports.ENGINE.deleverage(
        account,
        buyer,
        IMarginEngine.DeleverageTerms(
            fund_limit=limit,
            charge_cap=curves._field(curve[2], 0, 32),
            window=curves._field(curve[2], 32, 32),
            social_share=curves._field(curve[2], 64, 16),
            collateral_price=curves._collateral_price(curve[0], run.elapsed),
            pay=auction_pay._due(
                run.starter, curve[1], standing.linear + standing.superlinear
            ),
        ),
    )
    run.starter = auction_pay._paid(account, run.starter, result.executed, result.started)
    return run, result.deficit
