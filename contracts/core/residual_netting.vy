# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title residual_netting
@license AGPL-3.0-only
@notice What deleveraging left the insurance fund of each side, told, and netted where it has lots of both.
"""
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import engine_state
from contracts.core import health
from contracts.core import ledger
from contracts.core import residuals
from contracts.interfaces import IMarginEngine
from contracts.modules import errors

uses: cash
uses: cash_interest
uses: engine_state
uses: health
uses: ledger
uses: residuals


@external
def net_residual(market: uint256) -> uint256:
    """
    @notice Closes the fund's residual lots of both sides against each other: no price enters, open interest falls.
            Anyone may call.
    @param market Market id.
    @return Lots closed of either side. Errors: UnknownMarket; NothingToDo where one side has none; FundEmpty (it could
            not pay its loss).
    """
    errors._require(market < engine_state.market_count, errors.UNKNOWN_MARKET)
    hot: int256 = ledger.hot[market]
    cash_interest._accrue()
    longs: residuals.Side = residuals._side(market, True, hot)
    shorts: residuals.Side = residuals._side(market, False, hot)
    lots: uint256 = min(residuals._lots(longs), residuals._lots(shorts))
    errors._require(lots != 0, errors.NOTHING_TO_DO)
    n: int256 = convert(lots, int256)
    # The lots cancel at any one price; parts of a lot that their shares are beyond them stay, at the mark.
    basis: int256 = health._basis(market)
    earned: int256 = residuals._part(longs, lots, basis) + residuals._part(shorts, lots, basis)
    # U = G + (X_short - X_long) oi falls by what is earned, and open interest by n.
    ledger._book(market, n * (shorts.x - longs.x) - earned)
    ledger.hot[market] = ledger._with_oi(hot, ledger._oi(hot) - n)
    cash._fund_bears(earned)
    cash_interest._reprice()
    log IMarginEngine.ResidualNetted(market=market, lots=lots, earned=earned)
    return lots


@external
@view
@reentrant
def residual_of(market: uint256) -> IMarginEngine.Residual:
    """
    @notice Whole lots of each side that are counted as the fund's, and what selling them all would earn it. Readable
            mid-call: it writes nothing.
    @param market Market id.
    @return Units in IMarginEngine; at the mark, fees aside.
    """
    errors._require(market < engine_state.market_count, errors.UNKNOWN_MARKET)
    hot: int256 = ledger.hot[market]
    basis: int256 = health._basis(market)
    r: IMarginEngine.Residual = empty(IMarginEngine.Residual)
    r.longs, r.long_value = residuals._all(residuals._side(market, True, hot), basis)
    r.shorts, r.short_value = residuals._all(residuals._side(market, False, hot), basis)
    return r
