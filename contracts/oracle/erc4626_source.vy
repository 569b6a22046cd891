# pragma version 0.4.3
"""
@title erc4626_source
@license AGPL-3.0-only
@notice What one whole share of an ERC-4626 vault converts to, in whole units of its asset: the rate
        leg of a composite whose other leg, the asset's price, is the source's `via`.

        extra word
        bits  field           unit
        0-7   share_decimals  of the vault
        8-15  asset_decimals  of its asset

        Trust: the vault's code, and that its rate cannot be moved by donations for more than that
        costs; the feed's jump rule and its other sources bound the rest.
"""

from contracts.modules import errors
from contracts.oracle import tolerant_call

READ_GAS: constant(uint256) = 400_000  # vaults that sum over many markets
MAX_DECIMALS: constant(uint256) = 27


@internal
@view
def _observe(source: uint256, extra: uint256, now: uint256) -> (uint256, int256, uint256, uint256):
    """
    @notice The rate now. Reverts StarvedCall when too little gas is left.
    @param source The source word.
    @param extra The extra word.
    @param now Seconds.
    @return mantissa (0: no sound answer), exponent, now as time and as round.
    """
    # Proof: share_decimals <= 27 by _check.
    share: uint256 = pow_mod256(10, extra & 255)
    assets: uint256 = tolerant_call._word(
        convert(source & convert(max_value(uint160), uint256), address),
        concat(method_id("convertToAssets(uint256)"), convert(share, bytes32)),
        READ_GAS,
    )
    if assets == tolerant_call.NO_ANSWER:
        assets = 0
    # Proof: asset_decimals <= 27 by _check.
    return assets, unsafe_sub(0, convert(extra >> 8, int256)), now, now


@internal
@view
def _check(source: uint256, extra: uint256, factory: address) -> uint256:
    """
    @notice The error for which the source cannot be listed, 0 where it can: vault and asset have
            the decimals claimed, at most 27, and there is a sound answer now.
    @param source The source word.
    @param extra The extra word.
    @param factory Not used.
    """
    vault: address = convert(source & convert(max_value(uint160), uint256), address)
    if extra & 255 > MAX_DECIMALS or extra >> 8 > MAX_DECIMALS:
        return errors.BAD_DECIMALS
    asset: uint256 = tolerant_call._word(vault, method_id("asset()"), tolerant_call.LISTING_GAS)
    if asset >> 160 != 0:
        return errors.NO_SOUND_ANSWER
    if self._decimals(vault) != extra & 255:
        return errors.BAD_DECIMALS
    if self._decimals(convert(asset, address)) != extra >> 8:
        return errors.BAD_DECIMALS
    if self._observe(source, extra, block.timestamp)[0] == 0:
        return errors.NO_SOUND_ANSWER
    return 0


@internal
@view
def _decimals(token: address) -> uint256:
    """
    @notice What a token says its decimals are; NO_ANSWER if it does not.
    @param token The token.
    """
    return tolerant_call._word(token, method_id("decimals()"), tolerant_call.LISTING_GAS)
