# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title account_exposures
@license AGPL-3.0-only
@notice What an account's equity may be lost on, by market: what the insurance fund divides a negative
        equity by. Keeps nothing.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import health
from contracts.core import ledger
from contracts.core import sale
from contracts.interfaces import IRiskModel
from contracts.modules import quote_word

uses: accounts
uses: cash
uses: cash_interest
uses: health
uses: ledger
uses: sale

LOANS: constant(uint256) = 256  # one past the last market: what is owed in cash


@external
@view
@reentrant
def exposures(account: uint256) -> DynArray[uint256, 73]:
    """
    @notice Each leg's notional at mark and its unrealised loss, in one sum, as a touch now leaves it; and what
            is owed in cash beyond the collateral at mark. Where equity is negative they sum up to that at
            least: a market answers for no more than the account has open there and is losing there. A loss
            that was realised is owed in cash.
    @dev Readable mid-call: it writes nothing, and the auction reads it between its own steps.
    @param account Account id.
    @return A word each, markets rising: market << 128 | quote units; market 256 for what is owed.
    """
    parts: DynArray[uint256, 73] = []
    bits: uint256 = accounts.held[account]
    for _: uint256 in range(72):
        if bits == 0:
            break
        m: uint256 = health._lowest(bits)
        bits &= unsafe_sub(bits, 1)  # bits != 0
        parts.append((m << 128) | self._leg_weight(account, m))
    w: uint256 = 0
    interest: uint256 = 0
    kept: uint256 = 0
    w, interest, kept = cash_interest._grown()
    head: int256 = accounts.head[account]
    balance: int256 = cash._value(head, w)
    if balance < 0:
        value: uint256 = 0
        worth: uint256 = 0
        value, worth = sale._collateral_value(account, head)
        owed: uint256 = convert(-balance, uint256)
        if owed > value:
            parts.append((LOANS << 128) | (owed - value))
    return parts


@internal
@view
def _leg_weight(account: uint256, market: uint256) -> uint256:
    """
    @notice A leg's notional at mark plus its unrealised loss, quote units.
    """
    hot: int256 = ledger.hot[market]
    q: uint256 = staticcall IRiskModel(health._risk()).peek(market)
    mark: uint256 = quote_word._mark(q)
    basis: int256 = convert(mark, int256) - quote_word._funding(q)
    lots: int256 = 0
    g: int256 = 0
    spill: int256 = 0
    lots, g, spill = ledger._load(account, market, hot, basis)
    x: int256 = ledger._x_long(hot)
    if lots < 0:
        x = ledger._x_short(hot)
    # Proof: lots < 2^56, mark < 2^64, basis and x < 2^57, |g| < 2^126, and g or spill is 0: the sum is
    # below 2^128.
    value: int256 = unsafe_add(unsafe_add(unsafe_mul(lots, unsafe_sub(basis, x)), g), spill)
    return unsafe_add(
        unsafe_mul(convert(abs(lots), uint256), mark),
        convert(max(unsafe_sub(0, value), 0), uint256),
    )
