# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title vault_accounts
@license AGPL-3.0-only
@notice What each account owns of each collateral asset, and the short list of assets it holds. Here
        amounts change owners; no token moves and no total changes.

        The views are @reentrant: engine, risk model and auction read them in the middle of calls
        that began in the vault; each entry has its ledger written before it calls out.
"""
from contracts.core import vault_state
from contracts.core import vault_terms
from contracts.interfaces import ICollateralVault
from contracts.modules import asset_word
from contracts.modules import errors
from contracts.modules import rounding

uses: vault_state
uses: vault_terms

OPENING_BOUND: constant(uint256) = 8  # assets an account may hold by its owner's choice
HOLDING_BOUND: constant(uint256) = 16  # and by taking over others' in a liquidation
ONE: constant(uint256) = 10**18  # scale of fractions
_ID: constant(uint256) = 255  # mask of one id in an account's list

# account -> [0] its list of assets (bits 0-7 count, then 8 bits an id), [id] its balance in token
# units
_ledger: HashMap[uint256, uint256[256]]


@external
@view
@reentrant
def balance_of(account: uint256, asset: address) -> uint256:
    """
    @notice What an account holds of a collateral asset. Reentrant: read during health checks.
    @param account The account.
    @param asset A token; 0 for one that is not listed.
    @return Token units.
    """
    asset_id: uint256 = vault_state._ids[asset]
    if asset_id == 0:
        return 0
    return self._ledger[account][asset_id]


@external
@view
@reentrant
def holdings(account: uint256) -> DynArray[uint256, HOLDING_BOUND]:
    """
    @notice What an account holds, one word an asset with what the margin needs to know of it.
            Reentrant: the engine's health check reads it inside deposit and withdraw.
    @param account The account.
    @return Words: bits 0-127 amount (token units) | 128-143 feed id | 144-159 maintenance haircut
            (1e-4) | 160-175 initial haircut (1e-4) | 176-183 decimals | 184-191 asset id.
    """
    words: DynArray[uint256, HOLDING_BOUND] = []
    assets: uint256 = self._ledger[account][0]
    for i: uint256 in range(assets & 255, bound=HOLDING_BOUND):
        asset_id: uint256 = (assets >> (8 * i + 8)) & 255
        words.append(
            asset_word._holding(vault_terms._terms_now(asset_id), self._ledger[account][asset_id])
        )
    return words


@external
@view
@reentrant
def assets_held(account: uint256) -> uint256:
    """
    @notice How many collateral assets an account holds. Reentrant: as holdings.
    @param account The account.
    @return 0..16.
    """
    return self._ledger[account][0] & 255


@external
def move_share(sender: uint256, receiver: uint256, fraction: uint256) -> (uint256, uint256):
    """
    @notice Moves the same share of every asset from one account to another, rounded up per asset;
            what moves and what stays add up to the unit. Engine only (liquidation).
    @dev Reverts NotEngine, BadArgument (an account and itself), BadFraction, TooManyPositions (the
         receiver would hold more than 16 assets).
    @param sender The account that loses.
    @param receiver The account that gains.
    @param fraction 1e18, above 0, at most 1e18.
    @return Assets the sender holds now, assets the receiver holds now.
    """
    errors._require(msg.sender == vault_state.engine, errors.NOT_ENGINE)
    errors._require(sender != receiver, errors.BAD_ARGUMENT)
    errors._require(fraction > 0 and fraction <= ONE, errors.BAD_FRACTION)
    assets: uint256 = self._ledger[sender][0]
    for i: uint256 in range(assets & 255, bound=HOLDING_BOUND):
        asset_id: uint256 = (assets >> (8 * i + 8)) & 255
        # At most the balance, as fraction <= 1e18.
        amount: uint256 = rounding._div_up(self._ledger[sender][asset_id] * fraction, ONE)
        self._debit(sender, asset_id, amount)
        self._credit(receiver, asset_id, amount, HOLDING_BOUND)
        log ICollateralVault.CollateralMoved(
            sender=sender, receiver=receiver, asset_id=asset_id, amount=amount
        )
    return self._ledger[sender][0] & 255, self._ledger[receiver][0] & 255


@external
def move_between(
    sender: uint256, receiver: uint256, asset: address, amount: uint256
) -> (uint256, uint256):
    """
    @notice Moves an amount of one asset between accounts. Engine only, which has authorised it and
            checks the sender's health.
    @dev Reverts NotEngine, BadArgument (an account and itself), ZeroAmount, UnknownAsset,
         InsufficientCollateral, TooManyPositions (the receiver would hold more than 8 assets).
    @param sender The account that loses.
    @param receiver The account that gains.
    @param asset A listed collateral token, enabled or not.
    @param amount Token units.
    @return Assets the sender holds now, assets the receiver holds now.
    """
    errors._require(msg.sender == vault_state.engine, errors.NOT_ENGINE)
    errors._require(sender != receiver, errors.BAD_ARGUMENT)
    errors._require(amount > 0, errors.ZERO_AMOUNT)
    asset_id: uint256 = vault_state._id_of(asset)
    left: uint256 = self._debit(sender, asset_id, amount)
    self._credit(receiver, asset_id, amount, OPENING_BOUND)
    log ICollateralVault.CollateralMoved(
        sender=sender, receiver=receiver, asset_id=asset_id, amount=amount
    )
    return left, self._ledger[receiver][0] & 255


@internal
def _credit(account: uint256, asset_id: uint256, amount: uint256, bound: uint256):
    """
    @notice Raises a balance; lists the asset on the account where it is new. Nothing for 0.
    @param account The account.
    @param asset_id 1..255.
    @param amount Token units.
    @param bound Most assets the account may hold then, at most 31.
    """
    if amount == 0:
        return
    held: uint256 = self._ledger[account][asset_id]
    if held == 0:
        assets: uint256 = self._ledger[account][0]
        count: uint256 = assets & 255
        errors._require(count < bound, errors.TOO_MANY_POSITIONS)
        # count < bound <= 31: the id lands in bits 8-255, the count stays in its byte.
        self._ledger[account][0] = unsafe_add(assets, 1) | (asset_id << (8 * count + 8))
    # Balances of one asset sum to its kept total, below 2**95.
    self._ledger[account][asset_id] = unsafe_add(held, amount)


@internal
def _debit(account: uint256, asset_id: uint256, amount: uint256) -> uint256:
    """
    @notice Lowers a balance; strikes the asset off the account's list where nothing is left.
    @param account The account.
    @param asset_id 1..255.
    @param amount Token units.
    @return Assets the account holds now.
    """
    held: uint256 = self._ledger[account][asset_id]
    errors._require(amount <= held, errors.INSUFFICIENT_COLLATERAL)
    # amount <= held
    self._ledger[account][asset_id] = unsafe_sub(held, amount)
    assets: uint256 = self._ledger[account][0]
    if held == amount and amount != 0:
        assets = self._strike(assets, asset_id)
        self._ledger[account][0] = assets
    return assets & 255


@internal
@pure
def _strike(assets: uint256, asset_id: uint256) -> uint256:
    """
    @notice An account's list without one asset; the last takes its place.
    @param assets The list, which holds the asset.
    @param asset_id 1..255.
    @return The new list.
    """
    last: uint256 = 8 * (assets & 255)  # bit of the last id
    moved: uint256 = (assets >> last) & 255
    kept: uint256 = (assets & ~(_ID << last)) - 1
    if moved == asset_id:
        return kept
    for i: uint256 in range(HOLDING_BOUND):
        place: uint256 = 8 * i + 8
        if (kept >> place) & 255 == asset_id:
            return (kept & ~(_ID << place)) | (moved << place)
    return kept
