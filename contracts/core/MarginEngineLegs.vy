# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title MarginEngineLegs
@license AGPL-3.0-only
@notice Fifth bytecode of the margin engine: single legs of accounts in auction, the sale of the fund's residual,
        and what is set of the sale limiter, and read. Runs by delegate call on MarginEngine's storage; called directly it sees only its own empty
        one, where nobody is the auction.
@custom:kill `set_pause(4)` by guardian or owner stops all but exits; a market ends by `wind_down`.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import engine_state
from contracts.core import flow_settings
from contracts.core import flow_views
from contracts.core import health
from contracts.core import keeper_pay
from contracts.core import ledger
from contracts.core import residual_sale
from contracts.core import residuals
from contracts.core import sale
from contracts.core import sale_limiter
from contracts.core import single_leg
from contracts.interfaces import IMarginEngine
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
initializes: single_leg[
    accounts := accounts,
    cash := cash,
    cash_interest := cash_interest,
    health := health,
    keeper_pay := keeper_pay,
    ledger := ledger,
    residuals := residuals,
    sale := sale,
    sale_limiter := sale_limiter
]
initializes: flow_settings[
    ownable := ownable,
    engine_state := engine_state,
    health := health,
    sale_limiter := sale_limiter
]
initializes: residual_sale[
    accounts := accounts,
    cash := cash,
    cash_interest := cash_interest,
    engine_state := engine_state,
    health := health,
    ledger := ledger,
    residuals := residuals,
    sale := sale
]
initializes: flow_views[accounts := accounts, ledger := ledger, sale_limiter := sale_limiter]
# fmt: on
exports: (
    flow_settings.set_flow,
    flow_settings.refresh_flow,
    flow_views.flow_of,
    sale_limiter.claims,
    residual_sale.fill_residual,
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


@external
def sell_leg(
    account: uint256, bidder: uint256, terms: IMarginEngine.LegTerms
) -> IMarginEngine.LegResult:
    """
    @notice Sells lots of one leg of a frozen account at mark. Only the auction may call; the bidder must meet its
            initial requirement afterwards.
    @param account Account id, frozen.
    @param bidder Account id, not frozen.
    @param terms Units in IMarginEngine.
    @return What the sale leaves of the account. Errors: NotAuction, MarketPaused, NotFrozen, Frozen, SelfTrade;
            BadFraction (more than the leg has, or none); StalePrice (its feed); LegRefused where R does not fall;
            TooManyPositions, WrongMode, Underwater, StalePrice of the bidder.
    """
    sale._only_auction()
    return single_leg._sell_leg(account, bidder, terms)


@external
@view
@reentrant
def leg_after(account: uint256, market: uint256, lots: uint256) -> IMarginEngine.LegResult:
    """
    @notice What `sell_leg` of so many lots would leave now, before premium and fee. Readable mid-call, as `standing`.
    @param account Account id.
    @param market Market id.
    @param lots Lots to sell; 0 tells how many there are.
    @return Units in IMarginEngine; all zero where the leg has not so many or its feed is not live.
    """
    return single_leg._leg_after(account, market, lots)
