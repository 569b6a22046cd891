# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title fund_shares
@license AGPL-3.0-only
@notice ERC-4626 up to the deposit: what shares are worth and how they are bought. A million virtual
        shares stand against one virtual token unit, so that raising the price of a share before the
        first deposit costs a million times what it could take from it. Every conversion rounds for
        the shares that stay. Keeps nothing of its own.
"""
from ethereum.ercs import IERC4626
from snekmate.tokens import erc20
from contracts.liquidation import fund_bucket
from contracts.modules import errors
from contracts.modules import rounding

uses: erc20
uses: fund_bucket

VIRTUAL_SHARES: constant(uint256) = 10**6  # 1e-12 of a share, against one virtual token unit


@external
@view
def totalAssets() -> uint256:
    """
    @notice Token units that back the shares: the bucket less undripped income.
    @return Token units, rounded down.
    """
    return fund_bucket._assets_now_floor()


@external
@view
def convertToShares(assets: uint256) -> uint256:
    """
    @notice Shares that assets are worth.
    @param assets Token units.
    @return 1e-12 shares, rounded down.
    """
    return self._shares_floor(assets, fund_bucket._assets_now_floor())


@external
@view
def convertToAssets(shares: uint256) -> uint256:
    """
    @notice Assets that shares are worth.
    @param shares 1e-12 shares.
    @return Token units, rounded down.
    """
    return self._assets_floor(shares, fund_bucket._assets_now_floor())


@external
@view
def maxDeposit(receiver: address) -> uint256:
    """
    @notice The most that may be deposited.
    @param receiver Anyone.
    @return Token units.
    """
    return fund_bucket._room(fund_bucket._assets_now_floor())


@external
@view
def previewDeposit(assets: uint256) -> uint256:
    """
    @notice Shares a deposit would mint now.
    @param assets Token units.
    @return 1e-12 shares, rounded down.
    """
    return self._shares_floor(assets, fund_bucket._assets_now_floor())


@external
def deposit(assets: uint256, receiver: address) -> uint256:
    """
    @notice Puts assets into the fund. The caller pays and has approved the vault. Anyone.
    @dev Reverts ZeroAmount, NullAddress, OutOfRange (over maxDeposit), NoShares (too little for one
         share unit), and what engine, vault or token revert with.
    @param assets Token units.
    @param receiver Who gets the shares.
    @return 1e-12 shares, rounded down.
    """
    total: uint256 = fund_bucket._sync()
    shares: uint256 = self._shares_floor(assets, total)
    self._enter(assets, shares, total, receiver)
    return shares


@external
@view
def maxMint(receiver: address) -> uint256:
    """
    @notice The most shares that may be minted.
    @param receiver Anyone.
    @return 1e-12 shares.
    """
    total: uint256 = fund_bucket._assets_now_floor()
    return self._shares_floor(fund_bucket._room(total), total)


@external
@view
def previewMint(shares: uint256) -> uint256:
    """
    @notice Assets that minting would cost now.
    @param shares 1e-12 shares.
    @return Token units, rounded up.
    """
    return self._assets_up(shares, fund_bucket._assets_now_floor())


@external
def mint(shares: uint256, receiver: address) -> uint256:
    """
    @notice Mints shares against what they cost. The caller pays and has approved the vault. Anyone.
    @dev Reverts as deposit.
    @param shares 1e-12 shares.
    @param receiver Who gets the shares.
    @return Token units paid, rounded up.
    """
    total: uint256 = fund_bucket._sync()
    assets: uint256 = self._assets_up(shares, total)
    self._enter(assets, shares, total, receiver)
    return assets


@internal
def _enter(assets: uint256, shares: uint256, total: uint256, receiver: address):
    """
    @notice Takes assets in and mints shares.
    @param assets Token units.
    @param shares 1e-12 shares.
    @param total Assets before, token units.
    @param receiver Who gets the shares.
    """
    errors._require(assets > 0, errors.ZERO_AMOUNT)
    errors._require(shares > 0, errors.NO_SHARES)
    errors._require(receiver != empty(address), errors.NULL_ADDRESS)
    errors._require(assets <= fund_bucket._room(total), errors.OUT_OF_RANGE)
    # Paid first: shares move without a lock, and none may be about before they are paid for.
    fund_bucket._put(msg.sender, assets)
    erc20._mint(receiver, shares)
    log IERC4626.Deposit(sender=msg.sender, owner=receiver, assets=assets, shares=shares)


@internal
@view
def _shares_floor(assets: uint256, total: uint256) -> uint256:
    """
    @notice assets -> shares, rounded down.
    @param assets Token units.
    @param total Assets of the fund, token units.
    @return 1e-12 shares.
    """
    return assets * (erc20.totalSupply + VIRTUAL_SHARES) // (total + 1)


@internal
@view
def _shares_up(assets: uint256, total: uint256) -> uint256:
    """
    @notice assets -> shares, rounded up.
    @param assets Token units.
    @param total Assets of the fund, token units.
    @return 1e-12 shares.
    """
    return rounding._div_up(assets * (erc20.totalSupply + VIRTUAL_SHARES), total + 1)


@internal
@view
def _assets_floor(shares: uint256, total: uint256) -> uint256:
    """
    @notice shares -> assets, rounded down.
    @param shares 1e-12 shares.
    @param total Assets of the fund, token units.
    @return Token units.
    """
    return shares * (total + 1) // (erc20.totalSupply + VIRTUAL_SHARES)


@internal
@view
def _assets_up(shares: uint256, total: uint256) -> uint256:
    """
    @notice shares -> assets, rounded up.
    @param shares 1e-12 shares.
    @param total Assets of the fund, token units.
    @return Token units.
    """
    return rounding._div_up(shares * (total + 1), erc20.totalSupply + VIRTUAL_SHARES)
