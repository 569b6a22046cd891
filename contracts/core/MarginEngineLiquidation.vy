# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title MarginEngineLiquidation
@license AGPL-3.0-only
@notice Second bytecode of the margin engine: what the liquidation auction calls for whole accounts
        but for the last step. Runs by delegate call on
        MarginEngine's storage; called directly it sees only its own empty one, where nobody is the auction.
@custom:kill `set_pause(4)` by guardian or owner stops all but exits; a market ends by `wind_down`.
"""
from contracts.core import account_standing
from contracts.core import accounts
from contracts.core import cash
from contracts.core import cash_interest
from contracts.core import engine_state
from contracts.core import health
from contracts.core import keeper_pay
from contracts.core import ledger
from contracts.core import realisation
from contracts.core import residuals
from contracts.core import sale
from contracts.core import sale_limiter
from contracts.core import slice_sale
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
initializes: account_standing[
    accounts := accounts,
    cash := cash,
    health := health,
    ledger := ledger,
    sale_limiter := sale_limiter
]
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
initializes: slice_sale[
    accounts := accounts,
    cash := cash,
    cash_interest := cash_interest,
    health := health,
    keeper_pay := keeper_pay,
    ledger := ledger,
    residuals := residuals,
    sale := sale,
    sale_limiter := sale_limiter,
    withdrawal_escrow := withdrawal_escrow
]
initializes: realisation[
    accounts := accounts,
    cash := cash,
    cash_interest := cash_interest,
    engine_state := engine_state,
    health := health,
    ledger := ledger,
    residuals := residuals
]
# fmt: on
exports: realisation.realise

NEXT: immutable(address)  # MarginEngineAdmin


@deploy
def __init__(vault: address, admin: address):
    """
    @notice Fixes what the code needs; the storage here is never used.
    @param vault The collateral vault, the same as MarginEngine's.
    @param admin The third bytecode.
    """
    errors._require(admin != empty(address), errors.NULL_ADDRESS)
    ownable.__init__()
    ownable_2step.__init__()
    cash.__init__()
    health.__init__(vault)
    NEXT = admin


# ---------------------------------------------------------------- liquidation


@external
def freeze(account: uint256) -> IMarginEngine.Standing:
    """
    @notice Freezes an account for its auction; one frozen already by an auction since replaced is taken over.
            Only the auction may call, and it keeps which accounts it runs.
    @param account Account id.
    @return Its standing, interest accrued.
    """
    sale._only_auction()
    w: uint256 = cash_interest._accrue()
    h: int256 = accounts.head[account]
    accounts.head[account] = h | accounts.FROZEN_BIT
    log IMarginEngine.FrozenSet(account=account, frozen=True)
    found: IMarginEngine.Standing = account_standing._standing(account, h, w)
    sale_limiter._claim(account, found.equity, found.linear + found.superlinear)
    return found


@external
def claim_flow(account: uint256, equity: int256, requirement: uint256):
    """
    @notice Renews an account's claim to the reserve of the sale limiter, or makes it. Only the auction may call.
    @param account Account id, in auction.
    @param equity E as the auction counts it, quote units.
    @param requirement R, quote units.
    """
    errors._require(msg.sender == engine_state.auction, errors.NOT_AUCTION)
    sale_limiter._claim(account, equity, requirement)


@external
def thaw(account: uint256):
    """
    @notice Ends an account's freeze and clears its noted deficit. Only the auction may call.
    @param account Account id.
    """
    errors._require(msg.sender == engine_state.auction, errors.NOT_AUCTION)
    h: int256 = accounts.head[account]
    errors._require(h & accounts.FROZEN_BIT != 0, errors.NOT_FROZEN)
    accounts.head[account] = h ^ accounts.FROZEN_BIT
    withdrawal_escrow._note(account, 0)
    sale_limiter.claims = sale_limiter._waived(account, sale_limiter.claims)
    log IMarginEngine.FrozenSet(account=account, frozen=False)


@external
def sell_slice(
    account: uint256, bidder: uint256, terms: IMarginEngine.SliceTerms
) -> IMarginEngine.SliceResult:
    """
    @notice Sells a pro-rata slice of a frozen account. Only the auction may call; the bidder must meet its
            initial requirement afterwards.
    @param account Account id, frozen.
    @param bidder Account id.
    @param terms Units in IMarginEngine.
    """
    sale._only_auction()
    return slice_sale._slice(account, bidder, terms)


@external
@view
@reentrant
def standing(account: uint256) -> IMarginEngine.Standing:
    """
    @notice An account's equity and the two parts of its requirement, as a freeze now would see them. Readable
            mid-call: the auction reads it between its own steps; it writes nothing.
    @param account Account id.
    @return Units in IMarginEngine.
    """
    w: uint256 = 0
    interest: uint256 = 0
    kept: uint256 = 0
    w, interest, kept = cash_interest._grown()
    return account_standing._standing(account, accounts.head[account], w)


@external
@reentrant
@raw_return
def __default__() -> Bytes[2400]:
    """
    @notice Every other function lives in the next bytecode and runs there on this contract's storage. The lock is
            taken by the function itself, in the transient slot all five share; this door only forwards.
    """
    return raw_call(NEXT, msg.data, max_outsize=2400, is_delegate_call=True)
