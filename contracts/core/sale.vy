# pragma version 0.4.3
"""
@title sale
@license AGPL-3.0-only
@notice What every sale of a frozen account's parts shares: a market's mark, collateral's worth, the check
        of who takes it.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import engine_state
from contracts.core import health
from contracts.core import ledger
from contracts.core import residuals
from contracts.interfaces import ICollateralVault
from contracts.interfaces import IMarginEngine
from contracts.interfaces import IRiskModel
from contracts.modules import errors
from contracts.modules import quote_word

uses: accounts
uses: cash
uses: engine_state
uses: health
uses: ledger
uses: residuals


@internal
@view
def _only_auction():
    """
    @notice Reverts unless the auction calls and auctions are not stopped.
    """
    errors._require(msg.sender == engine_state.auction, errors.NOT_AUCTION)
    errors._require(
        (health.core >> 160) & 255 < engine_state.AUCTIONS_STOPPED, errors.MARKET_PAUSED
    )


@internal
def _quote(market: uint256, hot: int256) -> (int256, uint256):
    """
    @notice Basis and mark of a market; accrues its slow open interest.
    @return Mark minus funding index (ticks); mark (ticks).
    """
    q: uint256 = extcall IRiskModel(health._risk()).quote(market, ledger._root(hot))
    mark: uint256 = quote_word._mark(q)
    return convert(mark, int256) - quote_word._funding(q), mark


@internal
def _receive(
    bidder: uint256,
    head: int256,
    market: uint256,
    sold: int256,
    g_in: int256,
    hot: int256,
    basis: int256,
    w: uint256,
) -> (int256, int256):
    """
    @notice Gives a bidder lots of a market; opposite ones it has close.
    @param bidder Account id.
    @param head Its head.
    @param market Market id.
    @param sold Signed lots, not 0.
    @param g_in Their g.
    @param hot The market's hot word; stored again where lots close.
    @param basis Mark minus funding index, ticks.
    @param w Indices word, brought to now.
    @return Its head; the change of G beside what `g_in` was elsewhere.
    """
    lots: int256 = 0
    g: int256 = 0
    spill: int256 = 0
    earned: int256 = 0
    change: int256 = 0
    closed: int256 = 0
    had: bool = ledger.positions[bidder][market] != 0
    lots, g, spill = residuals._touch(bidder, market, hot, basis)
    lots, g, earned, change, closed = ledger._join(lots, g, sold, g_in, hot)
    h: int256 = head
    if had != (lots != 0):
        h = accounts._set_held(bidder, head, market, had, lots != 0)
    earned += spill
    if earned != 0:
        h = cash._credit(accounts._with_fresh(h, earned, health._period()), w, earned)
    ledger._store(bidder, market, lots, g, hot)
    if closed != 0:
        ledger.hot[market] = ledger._with_oi(hot, ledger._oi(hot) - closed)
    return h, change - spill


@internal
@view
def _collateral_value(account: uint256, head: int256) -> (uint256, uint256):
    """
    @notice An account's collateral at mark and at its maintenance haircut, quote units.
    """
    if accounts._collateral(head) == 0:
        return 0, 0
    a: IRiskModel.Assessment = staticcall IRiskModel(health._risk()).assess(
        [], staticcall ICollateralVault(health.VAULT).holdings(account)
    )
    return a.collateral, a.collateral - min(a.linear, a.collateral)


@internal
@view
def _require_bidder(bidder: uint256, head: int256, w: uint256):
    """
    @notice The initial requirement after a liquidation fill. Stale feeds that carry at most a tenth of R are
            taken at their worst instead of shielding the account that was sold.
    """
    a: IRiskModel.Assessment = health._assess(bidder, head, health.NO_MARKET, 0, 0)
    balance: int256 = cash._value(head, w)
    if a.state <= health.DEGRADED:
        errors._require(health._strong(head, balance, a), errors.UNDERWATER)
        return
    errors._require(a.stale_requirement * 10 <= a.linear + a.superlinear, errors.STALE_PRICE)
    e: int256 = health._initial(head, balance, a, False) - convert(a.stale_value, int256)
    errors._require(e >= convert(a.initial, int256), errors.UNDERWATER)
