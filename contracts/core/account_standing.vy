# pragma version 0.4.3
"""
@title account_standing
@license AGPL-3.0-only
@notice An account's equity and the two parts of its requirement, as the auction prices and sizes by.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import health
from contracts.core import ledger
from contracts.interfaces import IMarginEngine
from contracts.interfaces import IRiskModel

uses: accounts
uses: cash
uses: health
uses: ledger


@internal
@view
def _standing(account: uint256, head: int256, w: uint256) -> IMarginEngine.Standing:
    """
    @notice An account's equity and the two parts of its requirement.
    @param account Account id.
    @param head Its head.
    @param w Indices word, brought to now.
    """
    a: IRiskModel.Assessment = health._assess(account, head, health.NO_MARKET, 0, 0)
    smallest: uint256 = self._smallest(account)
    perps: uint256 = 0
    if smallest != 0:  # no market counts whose last lots deleveraging took
        perps = accounts._perps(head)
    return IMarginEngine.Standing(
        equity=cash._value(head, w) + a.unrealised + convert(a.collateral, int256),
        linear=a.linear,
        superlinear=a.superlinear,
        stale_requirement=a.stale_requirement,
        stale_value=a.stale_value,
        collateral=a.collateral,
        perps=perps,
        smallest=smallest,
        state=a.state,
    )


@internal
@view
def _smallest(account: uint256) -> uint256:
    """
    @notice Lots of an account's smallest leg as a touch now leaves it, 0 without legs.
    """
    least: uint256 = 0
    bits: uint256 = accounts.held[account]
    for _: uint256 in range(72):
        if bits == 0:
            break
        m: uint256 = health._lowest(bits)
        bits &= unsafe_sub(bits, 1)  # bits != 0
        lots: int256 = 0
        g: int256 = 0
        spill: int256 = 0
        lots, g, spill = ledger._load(account, m, ledger.hot[m], 0)  # no price enters the lots
        size: uint256 = convert(abs(lots), uint256)
        if size != 0 and (least == 0 or size < least):
            least = size
    return least
