# pragma version 0.4.3
"""
@title MintableToken
@license AGPL-3.0-only
@notice A plain ERC-20 of any decimals that anyone may mint. For tests.
"""

from ethereum.ercs import IERC20

implements: IERC20

decimals: public(immutable(uint8))
name: public(constant(String[8])) = "Mintable"
symbol: public(constant(String[4])) = "MINT"
totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])


@deploy
def __init__(decimals_: uint8):
    """
    @param decimals_ Decimals of the token.
    """
    decimals = decimals_


@external
def mint(owner: address, amount: uint256):
    """
    @notice Creates tokens. Anyone.
    @param owner Who gets them.
    @param amount Token units.
    """
    self.totalSupply += amount
    self.balanceOf[owner] += amount
    log IERC20.Transfer(sender=empty(address), receiver=owner, value=amount)


@external
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Sets an allowance.
    @param spender Who may spend.
    @param amount Token units.
    @return True.
    """
    self.allowance[msg.sender][spender] = amount
    log IERC20.Approval(owner=msg.sender, spender=spender, value=amount)
    return True


@external
def transfer(receiver: address, amount: uint256) -> bool:
    """
    @notice Moves the caller's tokens.
    @param receiver Who gets them.
    @param amount Token units.
    @return True.
    """
    self._move(msg.sender, receiver, amount)
    return True


@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    """
    @notice Moves tokens within the caller's allowance; the largest value is never used up.
    @param sender Whose tokens.
    @param receiver Who gets them.
    @param amount Token units.
    @return True.
    """
    allowed: uint256 = self.allowance[sender][msg.sender]
    if allowed != max_value(uint256):
        self.allowance[sender][msg.sender] = allowed - amount
    self._move(sender, receiver, amount)
    return True


@internal
def _move(sender: address, receiver: address, amount: uint256):
    assert receiver != empty(address)  # dev: to the zero address
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount
    log IERC20.Transfer(sender=sender, receiver=receiver, value=amount)
