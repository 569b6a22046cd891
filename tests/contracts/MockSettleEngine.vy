# pragma version 0.4.3
"""
@title MockSettleEngine
@license AGPL-3.0-only
@notice Stands for the margin engine in tests of venues: records fills, lets operators trade on
        request, refuses one market. Market 65535 is not recorded, so that gas measured is the
        venue's. Also takes oracle updates: records them, refuses the payload b"bad".
"""

from contracts.interfaces import IMarginEngine
from contracts.modules import errors

QUIET: constant(uint256) = 65535

struct Charge:
    account: uint256
    signer: address
    market: uint256
    lots: int256
    price: uint256


struct Poke:
    feed: uint256
    payload: bytes32
    size: uint256


struct Residue:
    account: uint256
    market: uint256
    lots: int256
    limit: uint256


residues: public(DynArray[Residue, 16])
fills: public(DynArray[IMarginEngine.Fill, 1024])
charges: public(DynArray[Charge, 1024])
pokes: public(DynArray[Poke, 64])
operators: public(HashMap[uint256, HashMap[address, bool]])
refused: public(uint256)


@external
def set_operator(account: uint256, operator: address, allowed: bool):
    """
    @notice Lets `operator` trade for `account`.
    """
    self.operators[account][operator] = allowed


@external
def refuse(market: uint256):
    """
    @notice `settle` fails with Underwater() where a fill is of this market.
    """
    self.refused = market


@external
@view
def counts() -> (uint256, uint256, uint256):
    """
    @notice Fills, operator charges and oracle updates recorded.
    """
    return len(self.fills), len(self.charges), len(self.pokes)


@external
@view
def may_trade(account: uint256, signer: address) -> bool:
    """
    @notice Owner, or an operator set here.
    """
    return convert(account >> 96, address) == signer or self.operators[account][signer]


@external
def use_operator(account: uint256, signer: address, market: uint256, lots: int256, price: uint256):
    """
    @notice Records an operator's fill.
    """
    self.charges.append(
        Charge(account=account, signer=signer, market=market, lots=lots, price=price)
    )


@external
def settle(fills: DynArray[IMarginEngine.Fill, 32]):
    """
    @notice Records fills.
    """
    for one: IMarginEngine.Fill in fills:
        if one.market == QUIET:
            return
        if one.market == self.refused and self.refused != 0:
            errors._fail(errors.UNDERWATER)
        self.fills.append(one)


@external
def fill_residual(account: uint256, market: uint256, lots: int256, limit: uint256) -> uint256:
    """
    @notice Records a sale of the fund's residual, at one tick better than the limit where it buys.
    """
    if market == self.refused and self.refused != 0:
        errors._fail(errors.NO_RESIDUAL)
    self.residues.append(Residue(account=account, market=market, lots=lots, limit=limit))
    return limit - 1


@external
@payable
def poke(feed: uint256, update: Bytes[2048]):
    """
    @notice Records an oracle update.
    """
    assert update != b"bad"
    self.pokes.append(Poke(feed=feed, payload=keccak256(update), size=len(update)))
