# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title vault_state
@license AGPL-3.0-only
@notice What every part of the vault refers to: the engine it trusts, the quote token, and the ids
        of the tokens listed.
"""
from contracts.modules import errors

MAX_ASSETS: constant(uint256) = 255  # 8-bit ids, 0 is the quote token

# The margin engine: authorises withdrawals, checks health, moves the quote token.
engine: public(immutable(address))
# The quote token, 6 decimals.
quote_token: public(immutable(address))

# token -> asset id; 0 for tokens not listed (and for the quote token)
_ids: HashMap[address, uint256]
# asset id -> token; [0] is the quote token
_tokens: address[256]
# number of listed collateral assets; ids 1..asset_count
_count: uint256


@deploy
def __init__(engine_: address, quote_token_: address):
    """
    @notice The caller has checked both.
    @param engine_ The margin engine.
    @param quote_token_ The quote token, 6 decimals.
    """
    engine = engine_
    quote_token = quote_token_
    self._tokens[0] = quote_token_


@external
@view
@reentrant
def asset_at(asset_id: uint256) -> address:
    """
    @notice The token of an asset id. Reentrant: plain configuration.
    @param asset_id 0 for the quote token, 1..asset_count for collateral, at most 255.
    @return The token, zero where none is listed.
    """
    return self._tokens[asset_id]


@external
@view
@reentrant
def asset_count() -> uint256:
    """
    @notice Number of listed collateral assets. Reentrant: plain configuration.
    @return 0..255; ids run from 1 to it.
    """
    return self._count


@internal
@view
def _id_of(asset: address) -> uint256:
    """
    @notice A collateral token's id; UnknownAsset where it is not listed.
    @param asset The token.
    @return 1..255.
    """
    asset_id: uint256 = self._ids[asset]
    errors._require(asset_id != 0, errors.UNKNOWN_ASSET)
    return asset_id


@internal
@view
def _slot_of(asset: address) -> uint256:
    """
    @notice A token's index in the flow words; UnknownAsset where it is not listed.
    @param asset The quote token or a collateral token.
    @return 0 for the quote token, else its id.
    """
    if asset == quote_token:
        return 0
    return self._id_of(asset)
