# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title MarginEngineDeleveraging
@license AGPL-3.0-only
@notice Fourth bytecode of the margin engine: the last step, deleveraging, what it leaves the fund, by what the
        fund divides a negative equity, and how long the sale limiter makes it wait. Runs by delegate call on MarginEngine's storage; called directly it sees only its own
        empty one, where nobody is the auction.
@custom:kill `set_pause(4)` by guardian or owner stops all but exits; a market ends by `wind_down`.
"""
from contracts.core import account_exposures
from contracts.core import accounts
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import deleveraging
from contracts.core import engine_state
from contracts.core import flow_views
from contracts.core import health
from contracts.core import keeper_pay
from contracts.core import ledger
from contracts.core import residual_netting
from contracts.core import residuals
from contracts.core import sale
from contracts.core import sale_limiter
from contracts.core import socialised_loss
from contracts.core import withdrawal_escrow
from contracts.interfaces import IMarginEngine
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
initializes: keeper_pay[accounts := accounts, cash := cash]
initializes: sale[
    accounts := accounts,
    cash := cash,
    engine_state := engine_state,
    health := health,
    ledger := ledger,
    residuals := residuals
]
initializes: socialised_loss[cash := cash]
initializes: withdrawal_escrow[cash := cash, socialised_loss := socialised_loss]
initializes: deleveraging[
    accounts := accounts,
    cash := cash,
    cash_interest := cash_interest,
    engine_state := engine_state,
    health := health,
    keeper_pay := keeper_pay,
    ledger := ledger,
    residuals := residuals,
    sale := sale,
    socialised_loss := socialised_loss,
    withdrawal_escrow := withdrawal_escrow
]
initializes: account_exposures[
    accounts := accounts,
    cash := cash,
    cash_interest := cash_interest,
    health := health,
    ledger := ledger,
    sale := sale
]
initializes: residual_netting[
    cash := cash,
    cash_interest := cash_interest,
    engine_state := engine_state,
    health := health,
    ledger := ledger,
    residuals := residuals
]
initializes: flow_views[accounts := accounts, ledger := ledger, sale_limiter := sale_limiter]
# fmt: on
exports: (
    account_exposures.exposures,
    flow_views.flow_wait,
    residual_netting.net_residual,
    residual_netting.residual_of,
)


NEXT: immutable(address)  # MarginEngineLegs


@deploy
def __init__(vault: address, legs: address):
    """
    @notice Fixes what the code needs; the storage here is never used.
    @param vault The collateral vault, the same as MarginEngine's.
    @param legs The fifth bytecode.
    """
    errors._require(legs != empty(address), errors.NULL_ADDRESS)
    NEXT = legs
    ownable.__init__()
    ownable_2step.__init__()
    cash.__init__()
    health.__init__(vault)


@external
def deleverage(
    account: uint256, buyer: uint256, terms: IMarginEngine.DeleverageTerms
) -> IMarginEngine.DeleverageResult:
    """
    @notice Closes a frozen account against the opposite sides and recognises its loss. Only the auction may call.
    @param account Account id, frozen.
    @param buyer Account id that buys its collateral, 0 for none.
    @param terms Units in IMarginEngine.
    """
    sale._only_auction()
    return deleveraging._deleverage(account, buyer, terms)


@external
@reentrant
@raw_return
def __default__() -> Bytes[1024]:
    """
    @notice Every other function lives in the next bytecode and runs there on this contract's storage. The lock is
            taken by the function itself, in the transient slot all five share; this door only forwards.
    """
    return raw_call(NEXT, msg.data, max_outsize=1024, is_delegate_call=True)
