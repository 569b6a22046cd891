# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title engine_fund
@license AGPL-3.0-only
@notice The insurance fund's doors to its bucket, the trading fees it shares with the treasury, and
        the escrow that waits for it to cover the pending deficits. Trusts the fund for its own
        three calls and nobody for the rest.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import engine_state
from contracts.core import health
from contracts.core import ledger
from contracts.core import socialised_loss
from contracts.core import withdrawal_escrow
from contracts.interfaces import ICollateralVault
from contracts.interfaces import IMarginEngine
from contracts.modules import errors

uses: accounts
uses: cash
uses: cash_interest
uses: engine_state
uses: health
uses: ledger
uses: socialised_loss
uses: withdrawal_escrow


@external
def release(account: uint256):
    """
    @notice Settles an account's escrow once half of the fund covers all pending deficits. Anyone may call.
    @param account Account id.
    """
    w: uint256 = cash_interest._accrue()
    accounts.head[account] = withdrawal_escrow._release(account, accounts.head[account], w)
    cash_interest._reprice()


@external
def recover():
    """
    @notice Pays what is due of the pot of recoveries into the supply index, as every deposit does. Anyone may call.
    """
    socialised_loss._drip(cash_interest._accrue())
    cash_interest._reprice()


@external
def fund_deposit(payer: address, amount: uint256):
    """
    @notice Adds tokens to the fund's bucket. Only the insurance fund may call.
    @param payer Who pays; approved the vault.
    @param amount Token units.
    """
    errors._require(msg.sender == engine_state.fund, errors.NOT_FUND)
    extcall ICollateralVault(health.VAULT).pull_quote(payer, amount)
    cash._move_vault(convert(amount, int256))
    cash._set_fund(cash._fund() + amount * cash.TOK)  # a depositor's, no income


@external
def fund_withdraw(receiver: address, amount: uint256):
    """
    @notice Pays a redemption out of the fund's bucket. Only the insurance fund may call.
    @param receiver Who receives.
    @param amount Token units.
    """
    errors._require(msg.sender == engine_state.fund, errors.NOT_FUND)
    has: uint256 = cash._fund()
    errors._require(amount * cash.TOK <= has, errors.FUND_EMPTY)
    errors._require(amount <= cash.buckets & (2**64 - 1), errors.VAULT_SHORT)
    cash._set_fund(has - amount * cash.TOK)
    cash._move_vault(-convert(amount, int256))
    extcall ICollateralVault(health.VAULT).push_quote(receiver, amount, True)


@external
def budget_move(amount: uint256):
    """
    @notice Moves part of the fund to the keeper budget. Only the insurance fund may call.
    @param amount Quote units.
    """
    errors._require(msg.sender == engine_state.fund, errors.NOT_FUND)
    has: uint256 = cash._fund()
    errors._require(amount <= has, errors.FUND_EMPTY)
    cash._set_fund(has - amount)
    cash._set_keeper(cash._keeper() + amount)


@external
def collect_fees(market: uint256):
    """
    @notice Splits a market's fees between the fund and the treasury's account, once no loss waits for income.
            Anyone may call.
    @param market Market id.
    """
    c: uint256 = engine_state.config[market]
    fees: uint256 = c >> 177
    errors._require(fees != 0, errors.NOTHING_TO_DO)
    w: uint256 = cash_interest._accrue()
    split: uint256 = engine_state.fee_split
    left: uint256 = cash._income(fees)
    treasury: uint256 = left * (10000 - ((split >> 160) & 65535)) // 10000
    engine_state.config[market] = c & (engine_state.FEES_ONE - 1)
    ledger._book(market, -convert(fees, int256))
    cash._to_fund(left - treasury)
    account: uint256 = (split & (2**160 - 1)) << 96
    accounts.head[account] = cash._credit(accounts.head[account], w, convert(treasury, int256))
    cash_interest._reprice()
    log IMarginEngine.FeesCollected(market=market, fees=fees, treasury=treasury)
