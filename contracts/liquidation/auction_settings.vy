# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title auction_settings
@license AGPL-3.0-only
@notice The curves governance has set. An auction keeps the version it started under.
"""
from contracts.interfaces import ILiquidationAuction
from contracts.liquidation import curve as curves
from contracts.modules import errors
from contracts.modules import governed

uses: governed

MAX_VERSION: constant(uint256) = 2**16 - 1

# Curve versions from 1 on, never changed once stored (layout in curve.vy).
stored: HashMap[uint256, uint256[3]]

# The version new auctions run under. Reentrant: never in the middle of a change, and a constant of the call.
version: public(reentrant(uint256))


@external
@view
def curve() -> ILiquidationAuction.Curve:
    """
    @notice The curve new auctions run under.
    """
    return curves._unpack(self.stored[self.version])


@external
@view
def curve_of(number: uint256) -> ILiquidationAuction.Curve:
    """
    @notice A curve by its version; all zero where there is none.
    @param number Version, from 1.
    """
    return curves._unpack(self.stored[number])


@external
def set_curve(curve: ILiquidationAuction.Curve):
    """
    @notice Sets the curve of auctions started from now on; running and resumed ones keep theirs.
    @param curve See the interface for units; bounds in curve.vy.
    @dev Governance only. Errors: NotGovernance; BadCurve; TooMany after 65,535 versions.
    """
    governed._check_governance()
    self._store(curve)


@internal
def _store(curve: ILiquidationAuction.Curve):
    """
    @notice Checks a curve and makes it the next version.
    """
    curves._check(curve)
    old: uint256 = self.version
    errors._require(old < MAX_VERSION, errors.TOO_MANY)
    self.stored[old + 1] = curves._pack(curve)
    self.version = old + 1
    log ILiquidationAuction.CurveSet(
        version=old + 1, old=curves._unpack(self.stored[old]), new=curve
    )


@internal
@view
def _terms(version: uint256) -> uint256[2]:
    """
    @notice The two words of a curve version that a slice needs.
    """
    return [self.stored[version][0], self.stored[version][1]]
