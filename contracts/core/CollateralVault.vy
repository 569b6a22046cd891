# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title CollateralVault
@license AGPL-3.0-only
@notice Holds every token of the protocol. Keeps the collateral each account owns; the quote token's
        owners are the margin engine's ledger, here it is one kept total. Claims are counted on kept
        amounts, never on a token's balanceOf, so a raw transfer changes nobody's equity; the
        balance is read only to see that a token moved exactly what was asked and that custody
        covers the claims. While it does not, that token stands still until somebody makes it whole.

        Who may do what: owners deposit and withdraw collateral (the engine authorises and checks
        health), strangers add to what an account already holds, the engine alone moves the quote
        token and shares of accounts, governance lists assets and sets bounded terms, nobody else
        and no role takes tokens out.

        Trust: the engine, entirely. Tokens only as far as checked: governance must not list a token
        whose balances move by themselves, and such a token is stopped when it shows.

        Tokens come and go in vault_custody, change owners in vault_accounts, count against their
        limit in vault_limiter; vault_terms has what governance sets of an asset.
@custom:kill Disable every asset: deposits stop, exits stay open. There is no other switch.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from contracts.core import vault_accounts
from contracts.core import vault_custody
from contracts.core import vault_limiter
from contracts.core import vault_state
from contracts.core import vault_terms
from contracts.core import vault_tokens
from contracts.interfaces import ICollateralVault
from contracts.modules import errors
from contracts.modules import governed

implements: ICollateralVault
# This order is the storage layout.
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: governed[ownable := ownable]
initializes: vault_state
initializes: vault_terms[
    governed := governed, vault_limiter := vault_limiter, vault_state := vault_state
]
initializes: vault_limiter[governed := governed, vault_state := vault_state]
initializes: vault_accounts[vault_state := vault_state, vault_terms := vault_terms]
initializes: vault_custody[
    vault_accounts := vault_accounts,
    vault_limiter := vault_limiter,
    vault_state := vault_state,
    vault_terms := vault_terms,
]

exports: (
    # Ownership cannot be renounced: terms must stay changeable as long as tokens lie here.
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    # tokens in and out: users, the engine
    vault_custody.deposit,
    vault_custody.withdraw,
    vault_custody.pull_quote,
    vault_custody.push_quote,
    # claims: the engine moves them, anyone reads
    vault_accounts.move_share,
    vault_accounts.move_between,
    vault_accounts.balance_of,
    vault_accounts.holdings,
    vault_accounts.assets_held,
    # assets and their terms: anyone reads and ends a ramp, governance sets
    vault_state.engine,
    vault_state.quote_token,
    vault_state.asset_at,
    vault_state.asset_count,
    vault_terms.terms,
    vault_terms.settle_ramp,
    vault_terms.list_asset,
    vault_terms.set_haircuts,
    vault_terms.set_cap,
    vault_terms.set_feed,
    vault_terms.set_enabled,
    # outflow limits: anyone reads, governance sets
    vault_limiter.limiter,
    vault_limiter.withdrawable_now,
    vault_limiter.set_limiter,
)

QUOTE_DECIMALS: constant(uint256) = 6


@deploy
def __init__(engine_: address, quote_token_: address, owner_: address):
    """
    @notice Limiters start without a limit; governance sets them.
    @param engine_ The margin engine; it need not be deployed yet.
    @param quote_token_ The quote token: has code and 6 decimals, else BadToken.
    @param owner_ Governance.
    """
    errors._require(engine_ != empty(address) and owner_ != empty(address), errors.NULL_ADDRESS)
    errors._require(
        vault_tokens._read_decimals(quote_token_) == QUOTE_DECIMALS, errors.BAD_TOKEN
    )
    ownable.__init__()
    ownable_2step.__init__()
    ownable._transfer_ownership(owner_)
    vault_state.__init__(engine_, quote_token_)
    vault_limiter._open(0)
