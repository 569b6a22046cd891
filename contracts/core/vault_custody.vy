# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title vault_custody
@license AGPL-3.0-only
@notice The four doors through which tokens come and go: collateral by its owner, the quote token by
        the engine. Each moves the token, the total the vault answers for and the claim by the same
        amount. Trusts the engine to authorise and to check health.
"""
from contracts.core import vault_accounts
from contracts.core import vault_limiter
from contracts.core import vault_state
from contracts.core import vault_terms
from contracts.core import vault_tokens
from contracts.interfaces import ICollateralVault
from contracts.modules import asset_word
from contracts.modules import errors
from contracts.modules import flow_word

uses: vault_accounts
uses: vault_limiter
uses: vault_state
uses: vault_terms


interface Engine:
    def collateral_changed(
        account: uint256, caller: address, count: uint256, lowered: bool
    ): nonpayable


@external
def deposit(account: uint256, asset: address, amount: uint256):
    """
    @notice Adds collateral to an account; the caller pays and has approved this contract. Anyone
            may call; who does not own the account only for an asset it holds already.
    @dev Reverts ZeroAmount, UnknownAsset, AssetPaused, StrangerAsset, TooManyPositions (more than 8
         assets), SupplyCap, BadToken, and what the token or the engine reverts with.
    @param account The account credited.
    @param asset A listed collateral token.
    @param amount Token units.
    """
    errors._require(amount > 0, errors.ZERO_AMOUNT)
    asset_id: uint256 = vault_state._id_of(asset)
    terms: uint256 = vault_terms._terms[asset_id]
    errors._require(terms & asset_word.ENABLED != 0, errors.ASSET_PAUSED)
    held: uint256 = vault_accounts._ledger[account][asset_id]
    errors._require(
        held != 0 or msg.sender == convert(account >> 96, address), errors.STRANGER_ASSET
    )
    word: uint256 = vault_limiter._flows[asset_id]
    kept: uint256 = flow_word._kept(word) + amount
    errors._require(kept <= asset_word._cap_at_floor(terms, block.timestamp), errors.SUPPLY_CAP)

    # Tokens first: whatever a token calls back into finds custody above the claims. What was read
    # before stays true: every function that writes terms, flows or ledger is behind this lock.
    vault_tokens._take(asset, msg.sender, amount, kept)
    vault_limiter._flows[asset_id] = vault_limiter._after_inflow(word, amount)
    vault_accounts._credit(account, asset_id, amount, vault_accounts.OPENING_BOUND)
    log ICollateralVault.Deposit(account=account, asset=asset, payer=msg.sender, amount=amount)
    extcall Engine(vault_state.engine).collateral_changed(
        account, msg.sender, vault_accounts._ledger[account][0] & 255, False
    )


@external
def withdraw(account: uint256, asset: address, amount: uint256, receiver: address):
    """
    @notice Takes collateral out of an account. The engine lets only the owner pass and only if the
            account meets its initial requirement afterwards.
    @dev Reverts ZeroAmount, NullAddress, UnknownAsset, InsufficientCollateral, OutflowLimit,
         BadToken, and what the engine or the token reverts with.
    @param account The account.
    @param asset A listed collateral token, enabled or not.
    @param amount Token units.
    @param receiver Who gets the tokens.
    """
    errors._require(amount > 0, errors.ZERO_AMOUNT)
    errors._require(receiver != empty(address), errors.NULL_ADDRESS)
    asset_id: uint256 = vault_state._id_of(asset)
    count: uint256 = vault_accounts._debit(account, asset_id, amount)
    word: uint256 = vault_limiter._after_outflow(asset_id, amount, True)
    vault_limiter._flows[asset_id] = word
    log ICollateralVault.Withdrawal(account=account, asset=asset, receiver=receiver, amount=amount)
    extcall Engine(vault_state.engine).collateral_changed(account, msg.sender, count, True)
    vault_tokens._give(asset, receiver, amount, flow_word._kept(word))


@external
def pull_quote(payer: address, amount: uint256):
    """
    @notice Takes quote tokens in. Engine only, which has authorised the payer; nothing for 0.
    @dev Reverts NotEngine, OutOfRange, BadToken, and what the token reverts with.
    @param payer Who pays and has approved this contract.
    @param amount Token units.
    """
    errors._require(msg.sender == vault_state.engine, errors.NOT_ENGINE)
    if amount == 0:
        return
    word: uint256 = vault_limiter._after_inflow(vault_limiter._flows[0], amount)
    # Tokens first, as in deposit.
    vault_tokens._take(vault_state.quote_token, payer, amount, flow_word._kept(word))
    vault_limiter._flows[0] = word


@external
def push_quote(receiver: address, amount: uint256, limited: bool):
    """
    @notice Pays quote tokens out. Engine only, which has lowered the claim; nothing for 0.
    @dev Reverts NotEngine, NullAddress, VaultShort, OutflowLimit, BadToken, and what the token
         reverts with.
    @param receiver Who gets the tokens.
    @param amount Token units.
    @param limited False for liquidation and insurance legs: the limiter neither stops nor counts
           them.
    """
    errors._require(msg.sender == vault_state.engine, errors.NOT_ENGINE)
    if amount == 0:
        return
    errors._require(receiver != empty(address), errors.NULL_ADDRESS)
    word: uint256 = vault_limiter._after_outflow(0, amount, limited)
    vault_limiter._flows[0] = word
    vault_tokens._give(vault_state.quote_token, receiver, amount, flow_word._kept(word))
