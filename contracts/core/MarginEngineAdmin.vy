# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title MarginEngineAdmin
@license AGPL-3.0-only
@notice Third bytecode of the margin engine: the fund's doors (engine_fund), settings
        (engine_settings) and views (engine_views). Runs by delegate call on MarginEngine's storage;
        called directly it sees only its own empty one.
@custom:kill `set_pause(4)` by guardian or owner stops all but exits; a market ends by `wind_down`.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import engine_fund
from contracts.core import engine_settings
from contracts.core import engine_state
from contracts.core import engine_views
from contracts.core import health
from contracts.core import ledger
from contracts.core import residuals
from contracts.core import sale_limiter
from contracts.core import socialised_loss
from contracts.core import withdrawal_escrow
from contracts.modules import errors
from snekmate.auth import ownable
from snekmate.auth import ownable_2step

# One storage layout for all five bytecodes of the engine: this order is the layout.
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: accounts
initializes: cash
initializes: ledger
initializes: health[accounts := accounts, cash := cash, ledger := ledger]
initializes: engine_state
initializes: sale_limiter
initializes: residuals[ledger := ledger]
# These keep nothing.
# fmt: off: the formatter cannot read its own long lists back
initializes: cash_interest[cash := cash]
initializes: socialised_loss[cash := cash]
initializes: withdrawal_escrow[cash := cash, socialised_loss := socialised_loss]
initializes: engine_fund[
    accounts := accounts,
    cash := cash,
    cash_interest := cash_interest,
    engine_state := engine_state,
    health := health,
    ledger := ledger,
    socialised_loss := socialised_loss,
    withdrawal_escrow := withdrawal_escrow
]
initializes: engine_settings[
    ownable := ownable,
    cash := cash,
    cash_interest := cash_interest,
    engine_state := engine_state,
    health := health
]
initializes: engine_views[
    accounts := accounts,
    cash := cash,
    cash_interest := cash_interest,
    engine_state := engine_state,
    health := health,
    ledger := ledger
]
# fmt: on
exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    # words, as stored: layouts in the modules
    accounts.head,
    accounts.held,
    engine_views.account_version,
    accounts.operators,
    cash.indices,
    cash.totals,
    cash.buckets,
    cash.deficits,
    cash.hole,
    cash.deficit_of,
    cash.escrow,
    cash.era_end,
    cash.rates,
    cash.recovery,
    health.core,
    engine_state.auction,
    engine_state.fund,
    engine_state.guardian,
    engine_state.fee_split,
    engine_state.venues,
    engine_state.house_venue,
    engine_state.config,
    engine_state.market_count,
    # escrow, the fund's bucket, fees
    engine_fund.release,
    engine_fund.recover,
    engine_fund.fund_deposit,
    engine_fund.fund_withdraw,
    engine_fund.budget_move,
    engine_fund.collect_fees,
    # settings: markets
    engine_settings.list_market,
    engine_settings.set_market,
    engine_settings.set_status,
    engine_settings.wind_down,
    # settings: the house
    engine_settings.set_pause,
    engine_settings.set_core,
    engine_settings.set_module,
    engine_settings.set_venue,
    engine_settings.set_fee_split,
    engine_settings.set_rates,
    # views of an account and of a market
    engine_views.margin,
    engine_views.margin_after,
    engine_views.position,
    engine_views.pending_event,
    engine_views.market,
    engine_views.words,
    # views of the house
    engine_views.solvency,
    engine_views.cash_of,
    engine_views.fund_balance,
    engine_views.keeper_budget,
    engine_views.pending_deficit,
    engine_views.vault,
)


NEXT: immutable(address)  # MarginEngineDeleveraging


@deploy
def __init__(vault: address, deleveraging: address):
    """
    @notice Fixes what the code needs; the storage here is never used.
    @param vault The collateral vault, the same as MarginEngine's.
    @param deleveraging The fourth bytecode.
    """
    errors._require(deleveraging != empty(address), errors.NULL_ADDRESS)
    NEXT = deleveraging
    ownable.__init__()
    ownable_2step.__init__()
    cash.__init__()
    health.__init__(vault)


@external
@reentrant
@raw_return
def __default__() -> Bytes[2400]:
    """
    @notice Every other function lives in the next bytecode and runs there on this contract's storage. The lock is
            taken by the function itself, in the transient slot all five share; this door only forwards.
    """
    return raw_call(NEXT, msg.data, max_outsize=2400, is_delegate_call=True)
