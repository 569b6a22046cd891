# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title FlashBidder
@license AGPL-3.0-only
@notice An example of a bidder that owns nothing: it takes a slice of an account in auction, sells the collateral in
        it to a desk that has agreed to a price, pays the auction out of that, and leaves what is over to its owner,
        all in one transaction. If any of it fails, none of it has happened.

        1. `take` bids with `bid_with_callback` for this contract's own account, which is empty.
        2. The engine calls `on_slice` when the slice is the account's and its price is booked. The desk's dollars
           are pulled; as many as the account's cash is short of go to the engine.
        3. Back in `take` the account is solvent, the engine is unlocked: the collateral is withdrawn to the desk, and
           the rest of its dollars go to the owner.

        What it does not do: perpetuals. A slice with legs would leave its position here, which needs margin and a
        hedge; such a slice is refused. Nor does it look for a price: in place of the desk stands whatever market the
        bidder knows, asked in step 2.
@dev    Trusts engine, auction and vault as given at its creation, and the desk for the tokens it has approved and
        no more. It keeps no tokens between transactions. No part of the protocol knows this contract.
"""
from contracts.interfaces import ISliceTaker
from contracts.modules import errors
from ethereum.ercs import IERC20

implements: ISliceTaker


interface Auction:
    def bid_with_callback(
        account: uint256,
        bidder: uint256,
        auction_id: uint256,
        max_fraction: uint256,
        cost_limit: int256,
        deadline: uint256,
    ) -> int256: nonpayable


interface Engine:
    def cash_of(account: uint256) -> (int256, uint256): view
    def held(account: uint256) -> uint256: view


interface Vault:
    def balance_of(account: uint256, asset: address) -> uint256: view
    def withdraw(account: uint256, asset: address, amount: uint256, receiver: address): nonpayable


event Flashed:
    account: indexed(uint256)
    sold: uint256  # units of the collateral that the desk has got
    brought: uint256  # dollars' token units that the engine has got
    kept: uint256  # those that the owner has got


TOK: constant(uint256) = 10**9  # quote units of one token unit

OWNER: public(immutable(address))
ENGINE: public(immutable(address))
AUCTION: public(immutable(address))
VAULT: public(immutable(address))
USD: public(immutable(address))
COLLATERAL: public(immutable(address))
MINE: public(immutable(uint256))  # id of this contract's account 0

desk: transient(address)  # who buys, while a bid is under way
price: transient(uint256)  # token units of USD that it pays for 1e18 of the collateral
brought: transient(uint256)


@deploy
def __init__(
    owner: address,
    engine: address,
    auction: address,
    vault: address,
    usd: address,
    collateral: address,
):
    """
    @notice Sets who may bid, for what it works, and lets the vault pull dollars from here.
    @param owner Who may call `take`, and gets what is over.
    @param engine MarginEngine.
    @param auction LiquidationAuction.
    @param vault CollateralVault.
    @param usd Its quote token.
    @param collateral The token that is sold to desks.
    """
    OWNER = owner
    ENGINE = engine
    AUCTION = auction
    VAULT = vault
    USD = usd
    COLLATERAL = collateral
    MINE = convert(convert(self, uint160), uint256) << 96
    assert extcall IERC20(usd).approve(vault, max_value(uint256), default_return_value=True)


@external
def take(
    account: uint256,
    auction_id: uint256,
    max_fraction: uint256,
    cost_limit: int256,
    deadline: uint256,
    desk: address,
    price: uint256,
) -> uint256:
    """
    @notice Takes a slice, sells its collateral, pays. Owner only.
    @param account The account in auction.
    @param auction_id The id that was quoted; cost_limit and deadline too are the auction's.
    @param max_fraction 1e-18 of the account, at most.
    @param cost_limit qu, what the slice may cost.
    @param deadline Unix seconds, inclusive.
    @param desk Who buys the collateral; it has approved this contract for dollars.
    @param price Token units of USD for 1e18 units of the collateral.
    @return Token units of USD that the owner has got.
    @dev Errors: NotOwner; BadArgument where the slice has perpetuals; those of `bid_with_callback`, of the tokens and
         of the withdrawal.
    """
    errors._require(msg.sender == OWNER, errors.NOT_OWNER)
    self.desk = desk
    self.price = price
    extcall Auction(AUCTION).bid_with_callback(
        account, MINE, auction_id, max_fraction, cost_limit, deadline
    )
    self.desk = empty(address)
    sold: uint256 = staticcall Vault(VAULT).balance_of(MINE, COLLATERAL)
    extcall Vault(VAULT).withdraw(MINE, COLLATERAL, sold, desk)
    kept: uint256 = staticcall IERC20(USD).balanceOf(self)
    assert extcall IERC20(USD).transfer(OWNER, kept, default_return_value=True)
    log Flashed(account=account, sold=sold, brought=self.brought, kept=kept)
    return kept


@external
@reentrant  # the engine calls it in the middle of `take`, which holds the lock
def on_slice(
    account: uint256,
    bidder: uint256,
    fraction: uint256,
    moved: int256,
    paid: uint256,
    from_fund: uint256,
) -> uint256:
    """
    @notice The engine's call in the middle of the bid: gets the desk's dollars, says how many to take. Only the
            engine, only during a bid of the owner's (NotEngine): `take` alone sets the desk.
    @dev The engine is locked; its views, and the vault's, tell what the account holds now.
    @param account Account the slice is from.
    @param bidder Account that has it: this contract's.
    @param fraction 1e-18 of the account. This and what follows is in the bidder's cash already.
    @param moved qu, value moved at mark.
    @param paid qu.
    @param from_fund qu.
    @return Token units of USD that the account's cash is short of, rounded up.
    """
    errors._require(msg.sender == ENGINE and self.desk != empty(address), errors.NOT_ENGINE)
    errors._require(staticcall Engine(ENGINE).held(bidder) == 0, errors.BAD_ARGUMENT)
    got: uint256 = staticcall Vault(VAULT).balance_of(bidder, COLLATERAL)
    due: uint256 = got * self.price // 10**18
    assert extcall IERC20(USD).transferFrom(self.desk, self, due, default_return_value=True)
    cash: int256 = 0
    fresh: uint256 = 0
    cash, fresh = staticcall Engine(ENGINE).cash_of(bidder)
    short: uint256 = 0
    if cash < 0:
        short = (convert(-cash, uint256) + TOK - 1) // TOK
    self.brought = short
    return short
