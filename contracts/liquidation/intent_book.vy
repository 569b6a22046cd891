# pragma version 0.4.3
"""
@title intent_book
@license AGPL-3.0-only
@notice Standing intents, two words each, one per account.
"""
from contracts.interfaces import ILiquidationAuction
from contracts.liquidation import curve as curves

# Account -> 0-63 capacity left, uint64, tok of R | 64-127 largest, uint64, tok of R | 128-159 premium,
# uint32, nano | 160-199 expiry, uint40, unix seconds | 200 takes collateral | 201 set: never 0 while it stands
terms: HashMap[uint256, uint256]
# Account -> bitmap of markets
markets: HashMap[uint256, uint256]

STANDS: constant(uint256) = 1 << 201
LIMIT: constant(uint256) = 2**64  # tok; 18 trillion USD


@internal
@pure
def _pack(intent: ILiquidationAuction.Intent) -> uint256:
    """
    @notice The first word. Fields are checked to fit theirs.
    """
    return (
        intent.capacity
        | (intent.largest << 64)
        | (intent.premium << 128)
        | (intent.expiry << 160)
        | (convert(intent.collateral, uint256) << 200)
        | STANDS
    )


@internal
@view
def _load(account: uint256) -> ILiquidationAuction.Intent:
    """
    @notice An account's intent, all zero without one.
    """
    word: uint256 = self.terms[account]
    return ILiquidationAuction.Intent(
        capacity=word & (LIMIT - 1),
        largest=(word >> 64) & (LIMIT - 1),
        premium=curves._field(word, 128, 32),
        expiry=curves._field(word, 160, 40),
        collateral=(word >> 200) & 1 != 0,
        markets=self.markets[account],
    )


@internal
def _void(account: uint256):
    """
    @notice Strikes an account's intent out, where it has one. Its freeze is another matter.
    """
    word: uint256 = self.terms[account]
    if word == 0:
        return
    self.terms[account] = 0
    self.markets[account] = 0
    log ILiquidationAuction.IntentEnded(account=account, left=word & (LIMIT - 1))
