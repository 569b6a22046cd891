# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title MarginEngineAdmin
@license AGPL-3.0-only
@notice Third bytecode of the margin engine: settings, the fund's doors, rarer account calls and views. Runs by
        delegate call on MarginEngine's storage; called directly it sees only its own empty one.
@custom:kill `set_pause(4)` by guardian or owner stops all but exits; a market ends by `wind_down`.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import engine_state
from contracts.core import health
from contracts.core import ledger
from contracts.core import waterfall
from contracts.interfaces import ICollateralVault
from contracts.interfaces import IMarginEngine
from contracts.interfaces import IRiskModel
from contracts.modules import errors
from contracts.modules import quote_word
from contracts.modules import rounding
from snekmate.auth import ownable
from snekmate.auth import ownable_2step

# One storage layout for all three bytecodes of the engine: this order is the layout.
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: accounts
initializes: cash
initializes: ledger
initializes: health[accounts := accounts, cash := cash, ledger := ledger]
initializes: engine_state
initializes: waterfall[accounts := accounts, cash := cash, health := health, ledger := ledger]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)


@deploy
def __init__(vault: address):
    """
    @notice Fixes what the code needs; the storage here is never used.
    @param vault The collateral vault, the same as MarginEngine's.
    """
    ownable.__init__()
    ownable_2step.__init__()
    cash.__init__()
    health.__init__(vault)


# ---------------------------------------------------------------- accounts


@external
def set_operator(operator: address, expiry: uint256, scope: uint256, budget: uint256):
    """
    @notice Lets an operator act for all accounts of the caller. It can never withdraw.
    @param operator The delegate.
    @param expiry Unix seconds after which it may nothing; 0 revokes.
    @param scope Bits: 1 sign fills, 2 move cash between the caller's accounts.
    @param budget Loss it may cause against the mark, quote units, over its life.
    """
    errors._require(expiry < 2**40 and scope < 4 and budget < 2**96, errors.BAD_ARGUMENT)
    errors._require(operator != empty(address), errors.NULL_ADDRESS)
    accounts.operators[msg.sender][operator] = expiry | (scope << 40) | (budget << 48)
    log IMarginEngine.OperatorSet(
        owner=msg.sender, operator=operator, expiry=expiry, scope=scope, budget=budget
    )


@external
def set_mode(account: uint256, mode: uint256):
    """
    @notice Chooses the margin mode; ends in the health check. Isolated accounts hold one market at most.
    @param account Account id; only its owner may call.
    @param mode 0 cross, 1 isolated. 2, portfolio, waits for its risk model.
    """
    errors._require(msg.sender == accounts._owner(account), errors.NOT_OWNER)
    errors._require(mode < 2, errors.WRONG_MODE)
    w: uint256 = cash._accrue()
    h: int256 = accounts.head[account]
    errors._require(h & accounts.FROZEN_BIT == 0, errors.FROZEN)
    errors._require(mode == 0 or accounts._perps(h) <= 1, errors.WRONG_MODE)
    h = (h & ((3 << 224) ^ -1)) | (convert(mode, int256) << 224)
    accounts.head[account] = h
    health._require_initial(account, h, w, False)
    log IMarginEngine.ModeSet(account=account, mode=mode)


@external
def realise(account: uint256, market: uint256):
    """
    @notice Moves a position's loss to cash at mark; while cash is negative its profit too. The owner or a trade
            operator may at any time, anyone else only where it makes or deepens negative cash, or pays it back.
    @param account Account id, not frozen.
    @param market Market id.
    """
    w: uint256 = cash._accrue()
    h: int256 = accounts.head[account]
    errors._require(h & accounts.FROZEN_BIT == 0, errors.FROZEN)
    hot: int256 = ledger.hot[market]
    q: uint256 = staticcall IRiskModel(health._risk()).peek(market)
    errors._require(quote_word._state(q) <= health.DEGRADED, errors.STALE_PRICE)
    basis: int256 = convert(quote_word._mark(q), int256) - quote_word._funding(q)
    errors._require(ledger.positions[account][market] != 0, errors.NOTHING_TO_REALISE)
    lots: int256 = 0
    g: int256 = 0
    spill: int256 = 0
    lots, g, spill = ledger._load(account, market, hot, basis)
    v: int256 = 0
    if lots > 0:
        v = lots * (basis - ledger._x_long(hot)) + g
    elif lots < 0:
        v = lots * (basis - ledger._x_short(hot)) + g
    balance: int256 = cash._value(h, w)
    mine: bool = accounts._may(account, msg.sender, accounts.SCOPE_TRADE)
    settled: bool = engine_state.config[market] >> 168 & 255 == engine_state.CLOSED
    errors._require(
        settled or balance < 0 or (v < 0 and (mine or balance + v < 0)), errors.NOTHING_TO_REALISE
    )
    if settled:
        # Final: the fund's residual takes the lots over at the fixed mark, where they are worth nothing more.
        h = accounts._set_held(account, h, market, True, False)
        ledger._store(account, market, 0, 0, hot)
    else:
        h = accounts._set_held(account, h, market, True, lots != 0)
        ledger._store(account, market, lots, g - v, hot)
    ledger._book(market, -v - spill, 0)
    h = accounts._with_fresh(h, v + spill, health._period())
    accounts.head[account] = cash._credit(h, w, v + spill)
    cash._reprice()
    log IMarginEngine.Realised(account=account, market=market, value=v + spill)


@external
def release(account: uint256):
    """
    @notice Settles an account's escrow once the fund covers all pending deficits. Anyone may call.
    @param account Account id.
    """
    w: uint256 = cash._accrue()
    accounts.head[account] = cash._release(account, accounts.head[account], w)
    cash._reprice()


# ---------------------------------------------------------------- fund and fees


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
    cash._to_fund(amount * cash.TOK)


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
    @notice Splits a market's fees between the fund and the treasury's account. Anyone may call.
    @param market Market id.
    """
    fees: int256 = (ledger.book[market] >> 48) & (2**80 - 1)
    errors._require(fees != 0, errors.NOTHING_TO_DO)
    w: uint256 = cash._accrue()
    split: uint256 = engine_state.fee_split
    treasury: int256 = fees * (10000 - convert((split >> 160) & 65535, int256)) // 10000
    ledger._book(market, 0, -fees)
    cash._to_fund(convert(fees - treasury, uint256))
    account: uint256 = (split & (2**160 - 1)) << 96
    accounts.head[account] = cash._credit(accounts.head[account], w, treasury)
    log IMarginEngine.FeesCollected(market=market, fees=convert(fees, uint256), treasury=convert(treasury, uint256))
