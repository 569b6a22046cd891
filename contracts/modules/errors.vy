# pragma version 0.4.3
"""
@title errors
@license AGPL-3.0-only
@notice Revert reasons as bare four-byte selectors, written from plimsoll/errors.yaml by
        `python -m plimsoll.errors`: edit that table, not this file.
"""

# who
NOT_OWNER: constant(uint256) = 818771057  # NotOwner()
NOT_GOVERNANCE: constant(uint256) = 3043988268  # NotGovernance()
NOT_VENUE: constant(uint256) = 657098143  # NotVenue()
NOT_ENGINE: constant(uint256) = 668604816  # NotEngine()
NOT_VAULT: constant(uint256) = 1658783045  # NotVault()
NOT_AUCTION: constant(uint256) = 1069541741  # NotAuction()
NOT_FUND: constant(uint256) = 2636587948  # NotFund()
NOT_GUARDIAN: constant(uint256) = 4016901890  # NotGuardian()
NOT_MATCHER: constant(uint256) = 3726135728  # NotMatcher()

# input
ZERO_AMOUNT: constant(uint256) = 522854405  # ZeroAmount()
NULL_ADDRESS: constant(uint256) = 3919403717  # NullAddress()
BAD_ARGUMENT: constant(uint256) = 4178862270  # BadArgument()
TOO_MANY: constant(uint256) = 3596273182  # TooMany()
OUT_OF_RANGE: constant(uint256) = 2108926887  # OutOfRange()
EXPIRED: constant(uint256) = 540902104  # Expired()
SELF_TRADE: constant(uint256) = 3599375973  # SelfTrade()
UNKNOWN_MARKET: constant(uint256) = 3635188517  # UnknownMarket()
UNKNOWN_ASSET: constant(uint256) = 3380450767  # UnknownAsset()
UNKNOWN_FEED: constant(uint256) = 3938117383  # UnknownFeed()
ALREADY_LISTED: constant(uint256) = 2748678892  # AlreadyListed()
BAD_TOKEN: constant(uint256) = 1946278193  # BadToken()

# accounts
FROZEN: constant(uint256) = 2831856593  # Frozen()
NOT_FROZEN: constant(uint256) = 2181614565  # NotFrozen()
TOO_MANY_POSITIONS: constant(uint256) = 2217845082  # TooManyPositions()
WRONG_MODE: constant(uint256) = 710413677  # WrongMode()
UNDERWATER: constant(uint256) = 2346162984  # Underwater()
HEALTH_FELL: constant(uint256) = 2892360658  # HealthFell()
NOTHING_TO_DO: constant(uint256) = 1548920936  # NothingToDo()
INSUFFICIENT_CASH: constant(uint256) = 4130371179  # InsufficientCash()
VAULT_SHORT: constant(uint256) = 2806155285  # VaultShort()
STRANGER_ASSET: constant(uint256) = 2154226997  # StrangerAsset()
LOSS_BUDGET: constant(uint256) = 3321871822  # LossBudget()
NO_ESCROW: constant(uint256) = 1989979121  # NoEscrow()
ESCROW_LOCKED: constant(uint256) = 1106942974  # EscrowLocked()
BORROW_CAP: constant(uint256) = 2795358276  # BorrowCap()
SUPPLY_CAP: constant(uint256) = 1574452290  # SupplyCap()
ASSET_PAUSED: constant(uint256) = 2185064960  # AssetPaused()
INSUFFICIENT_COLLATERAL: constant(uint256) = 975427621  # InsufficientCollateral()
OUTFLOW_LIMIT: constant(uint256) = 482408548  # OutflowLimit()

# markets
MARKET_PAUSED: constant(uint256) = 1418210584  # MarketPaused()
MARKET_REDUCE_ONLY: constant(uint256) = 2032298622  # MarketReduceOnly()
MARKET_CLOSED: constant(uint256) = 190802928  # MarketClosed()
MARKET_OPEN: constant(uint256) = 2387181451  # MarketOpen()
OPEN_INTEREST_CAP: constant(uint256) = 3198571360  # OpenInterestCap()
DUST_POSITION: constant(uint256) = 987118525  # DustPosition()
PRICE_BAND: constant(uint256) = 4270177105  # PriceBand()
NOTHING_TO_REALISE: constant(uint256) = 1075878354  # NothingToRealise()
CHARGE_OVERFLOW: constant(uint256) = 2583676260  # ChargeOverflow()

# oracle
STALE_PRICE: constant(uint256) = 430699534  # StalePrice()
NO_PRICE: constant(uint256) = 3242823773  # NoPrice()
BAD_QUORUM: constant(uint256) = 1170276225  # BadQuorum()
BAD_SIGNER: constant(uint256) = 1630736019  # BadSigner()
BAD_SIGNATURE: constant(uint256) = 1557516851  # BadSignature()
OLD_REPORT: constant(uint256) = 813100589  # OldReport()
FUTURE_REPORT: constant(uint256) = 3322359785  # FutureReport()
BAD_SOURCE: constant(uint256) = 2076037577  # BadSource()
STARVED_CALL: constant(uint256) = 3989270827  # StarvedCall()
BAD_DECIMALS: constant(uint256) = 2329463584  # BadDecimals()
FOREIGN_POOL: constant(uint256) = 3856484218  # ForeignPool()
BAD_WINDOW: constant(uint256) = 1410938730  # BadWindow()
NO_SOUND_ANSWER: constant(uint256) = 1416889990  # NoSoundAnswer()
SOURCE_TWICE: constant(uint256) = 2153618180  # SourceTwice()
SOURCES_APART: constant(uint256) = 4229176556  # SourcesApart()
FEE_SHORT: constant(uint256) = 2282779456  # FeeShort()
UNKNOWN_EXPIRY: constant(uint256) = 2568702586  # UnknownExpiry()
BAD_SLICE: constant(uint256) = 4044783600  # BadSlice()
WING_SLOPE: constant(uint256) = 918945076  # WingSlope()
VARIANCE_BOUNDS: constant(uint256) = 1964357848  # VarianceBounds()
BUTTERFLY_ARBITRAGE: constant(uint256) = 3142319066  # ButterflyArbitrage()
CALENDAR_ARBITRAGE: constant(uint256) = 714581111  # CalendarArbitrage()
FORWARD_BAND: constant(uint256) = 3917443385  # ForwardBand()
SURFACE_HALTED: constant(uint256) = 2131128065  # SurfaceHalted()
NO_SURFACE: constant(uint256) = 3989372238  # NoSurface()

# risk
BAD_PARAMETER: constant(uint256) = 2395246102  # BadParameter()
JOINT_BOUND: constant(uint256) = 2597773228  # JointBound()

# liquidation
HEALTHY: constant(uint256) = 3659378188  # Healthy()
NO_AUCTION: constant(uint256) = 1909460450  # NoAuction()
AUCTION_RUNNING: constant(uint256) = 3961901097  # AuctionRunning()
WRONG_AUCTION: constant(uint256) = 3391159831  # WrongAuction()
COST_LIMIT: constant(uint256) = 2636603556  # CostLimit()
BAD_FRACTION: constant(uint256) = 1510288178  # BadFraction()
LEG_REFUSED: constant(uint256) = 1719256736  # LegRefused()
CLOCK_STOPPED: constant(uint256) = 3315283837  # ClockStopped()
AUCTION_NOT_OVER: constant(uint256) = 186480686  # AuctionNotOver()
AUCTION_OVER: constant(uint256) = 2975905034  # AuctionOver()
COLLATERAL_LEFT: constant(uint256) = 2387400493  # CollateralLeft()
NOT_OPTED_IN: constant(uint256) = 1767978610  # NotOptedIn()
OUTSIDE_BAND: constant(uint256) = 2368645697  # OutsideBand()
HOURLY_CAP: constant(uint256) = 803838690  # HourlyCap()
NO_INTENT: constant(uint256) = 2829868664  # NoIntent()
INTENT_OPEN: constant(uint256) = 1993881431  # IntentOpen()
INTENT_MARGIN: constant(uint256) = 695945744  # IntentMargin()
INTENT_SCOPE: constant(uint256) = 780201771  # IntentScope()
BELOW_PREMIUM: constant(uint256) = 4292297183  # BelowPremium()
PRIORITY_WINDOW: constant(uint256) = 1045480437  # PriorityWindow()
THROTTLED: constant(uint256) = 3982480882  # Throttled()
BAD_CURVE: constant(uint256) = 2672659157  # BadCurve()

# fund
COOLDOWN: constant(uint256) = 2960666103  # Cooldown()
DEFICIT_OPEN: constant(uint256) = 1253486173  # DeficitOpen()
NO_SHARES: constant(uint256) = 3004631163  # NoShares()
NO_RESIDUAL: constant(uint256) = 3200541026  # NoResidual()
FUND_EMPTY: constant(uint256) = 801179776  # FundEmpty()

# orders
BAD_NONCE: constant(uint256) = 1272280300  # BadNonce()
ORDER_FILLED: constant(uint256) = 2843265033  # OrderFilled()
ORDER_PRICE: constant(uint256) = 1047434918  # OrderPrice()
ORDER_REDUCE_ONLY: constant(uint256) = 1483270545  # OrderReduceOnly()
ORDER_POST_ONLY: constant(uint256) = 3720304000  # OrderPostOnly()
ORDER_MISMATCH: constant(uint256) = 96192440  # OrderMismatch()

# governance
NOT_PENDING: constant(uint256) = 2110148698  # NotPending()
TOO_FAST: constant(uint256) = 1944509695  # TooFast()
OPERATION_KNOWN: constant(uint256) = 1410183598  # OperationKnown()
OPERATION_EXPIRED: constant(uint256) = 1961719818  # OperationExpired()

# deployment
NOT_CREATOR: constant(uint256) = 2473098251  # NotCreator()
CREATION_FAILED: constant(uint256) = 3615937427  # CreationFailed()


@internal
@pure
def _require(ok: bool, selector: uint256):
    """
    @notice Reverts with the four bytes of `selector` unless `ok`.
    @param ok The condition.
    @param selector One of the constants above.
    """
    if not ok:
        raw_revert(slice(convert(selector << 224, bytes32), 0, 4))


@internal
@pure
def _fail(selector: uint256):
    """
    @notice Always reverts with the four bytes of `selector`.
    @param selector One of the constants above.
    """
    raw_revert(slice(convert(selector << 224, bytes32), 0, 4))
