# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title realisation
@license AGPL-3.0-only
@notice Open profit and loss moved to cash at mark, and positions of a market that was wound down settled: by the owner,
        and by anybody where it makes interest run on a debt that is real.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import engine_state
from contracts.core import health
from contracts.core import ledger
from contracts.core import residuals
from contracts.interfaces import IMarginEngine
from contracts.interfaces import IRiskModel
from contracts.modules import errors
from contracts.modules import quote_word

uses: accounts
uses: cash
uses: cash_interest
uses: engine_state
uses: health
uses: ledger
uses: residuals


@external
def realise(account: uint256, market: uint256):
    """
    @notice Moves a position's loss to cash at mark; while cash is negative its profit too. The owner or a trade
            operator may at any time, anyone else only where it makes or deepens negative cash, or pays back a
            hundredth of it or more (less would but keep the profit fresh).
    @param account Account id, not frozen.
    @param market Market id.
    """
    w: uint256 = cash_interest._accrue()
    h: int256 = accounts.head[account]
    errors._require(h & accounts.FROZEN_BIT == 0, errors.FROZEN)
    hot: int256 = ledger.hot[market]
    q: uint256 = staticcall IRiskModel(health._risk()).peek(market)
    errors._require(quote_word._state(q) <= health.DEGRADED, errors.STALE_PRICE)
    basis: int256 = convert(quote_word._mark(q), int256) - quote_word._funding(q)
    errors._require(ledger.positions[account][market] != 0, errors.NOTHING_TO_REALISE)
    lots: int256 = 0
    g: int256 = 0
    v: int256 = 0  # where no whole lot is left all of it is in cash already
    lots, g, v = residuals._touch(account, market, hot, basis)
    if lots > 0:
        v = lots * (basis - ledger._x_long(hot)) + g
    elif lots < 0:
        v = lots * (basis - ledger._x_short(hot)) + g
    balance: int256 = cash._value(h, w)
    mine: bool = accounts._may(account, msg.sender, accounts.SCOPE_TRADE)
    settled: bool = (engine_state.config[market] >> 168) & 255 == engine_state.CLOSED
    errors._require(
        settled
        or (balance < 0 and (mine or v * 100 >= -balance))
        or (v < 0 and (mine or balance + v < 0)),
        errors.NOTHING_TO_REALISE,
    )
    if settled:
        # Final: the fund's residual takes the lots over at the fixed mark, where they are worth nothing more.
        h = accounts._set_held(account, h, market, True, False)
        ledger._store(account, market, 0, 0, hot)
    else:
        h = accounts._set_held(account, h, market, True, lots != 0)
        ledger._store(account, market, lots, g - v, hot)
    ledger._book(market, -v)
    h = accounts._with_fresh(h, v, health._period())
    accounts.head[account] = cash._credit(h, w, v)
    cash_interest._reprice()
    log IMarginEngine.Realised(account=account, market=market, value=v)
