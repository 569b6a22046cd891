# pragma version 0.4.3
"""
@title NoReturnToken
@license AGPL-3.0-only
@notice A token whose transfers return nothing, as the oldest dollar tokens do. For tests.
"""

decimals: public(immutable(uint8))
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
    """
    self.totalSupply += amount
    self.balanceOf[owner] += amount


@external
def approve(spender: address, amount: uint256):
    """
    @notice Sets an allowance.
    """
    self.allowance[msg.sender][spender] = amount


@external
def transfer(receiver: address, amount: uint256):
    """
    @notice Moves the caller's tokens.
    """
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[receiver] += amount


@external
def transferFrom(sender: address, receiver: address, amount: uint256):
    """
    @notice Moves tokens within the caller's allowance.
    """
    self.allowance[sender][msg.sender] -= amount
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount
