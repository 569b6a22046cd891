# pragma version 0.4.3
"""
@title vault_tokens
@license AGPL-3.0-only
@notice How the vault moves a token: exactly the amount asked must arrive or leave, and custody must
        cover the claims afterwards. Keeps nothing. Trusts no token: one that returns nothing is
        fine, one that returns false, takes a fee or lies about its balance is BadToken.
"""
from ethereum.ercs import IERC20
from contracts.modules import errors


@internal
def _take(token: address, payer: address, amount: uint256, kept: uint256):
    """
    @notice Pulls tokens and sees that exactly the amount came and that custody covers the claims.
    @param token The token; one that returns nothing is fine, one that returns false is not.
    @param payer Who pays.
    @param amount Token units.
    @param kept Claims afterwards, token units.
    """
    before: uint256 = staticcall IERC20(token).balanceOf(self)
    moved: bool = extcall IERC20(token).transferFrom(payer, self, amount, default_return_value=True)
    held: uint256 = staticcall IERC20(token).balanceOf(self)
    # amount < 2**96 and a balance that near 2**256 is no token's: a wrapped sum only fails here.
    errors._require(moved and held == unsafe_add(before, amount) and held >= kept, errors.BAD_TOKEN)


@internal
def _give(token: address, receiver: address, amount: uint256, kept: uint256):
    """
    @notice Pushes tokens and sees that exactly the amount left and that custody covers the claims.
    @param token The token; one that returns nothing is fine, one that returns false is not.
    @param receiver Who gets them.
    @param amount Token units.
    @param kept Claims afterwards, token units.
    """
    before: uint256 = staticcall IERC20(token).balanceOf(self)
    moved: bool = extcall IERC20(token).transfer(receiver, amount, default_return_value=True)
    held: uint256 = staticcall IERC20(token).balanceOf(self)
    # As in _take: a wrapped sum only fails the check.
    errors._require(moved and before == unsafe_add(held, amount) and held >= kept, errors.BAD_TOKEN)


@internal
@view
def _read_decimals(token: address) -> uint256:
    """
    @notice A token's decimals; BadToken where it has no code or does not tell.
    @param token The token.
    @return Its decimals.
    """
    errors._require(token.is_contract, errors.BAD_TOKEN)
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        token,
        method_id("decimals()"),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    errors._require(success and len(answer) == 32, errors.BAD_TOKEN)
    return convert(answer, uint256)
