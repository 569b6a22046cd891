# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title vault_limiter
@license AGPL-3.0-only
@notice Per token: the total the vault answers for, and how much of it may leave in a window. The
        rule is in flow_word; here are its words, what a flow makes of them, and governance's
        bounds.
"""
from contracts.core import vault_state
from contracts.interfaces import ICollateralVault
from contracts.modules import errors
from contracts.modules import flow_word
from contracts.modules import governed

uses: governed
uses: vault_state

MIN_SHARE: constant(uint256) = 500  # 1e-4; a tighter limiter would be a freeze
MIN_WINDOW: constant(uint256) = 3_600  # s
MAX_WINDOW: constant(uint256) = 3 * 86_400  # s, below 2**18; a longer wait would be a freeze

# asset id -> kept total and limiter, see flow_word
_flows: uint256[256]
# asset id -> net outflow always let pass, token units; read only where the share is used up
_minima: uint256[256]


@external
@view
@reentrant
def limiter(asset: address) -> ICollateralVault.Limiter:
    """
    @notice A token's kept total and limiter now. Reentrant: the engine may read custody mid-call.
    @dev Reverts UnknownAsset.
    @param asset The quote token or a listed collateral token.
    @return The limiter.
    """
    slot: uint256 = vault_state._slot_of(asset)
    word: uint256 = self._flows[slot]
    return ICollateralVault.Limiter(
        kept=flow_word._kept(word),
        net_outflow=flow_word._net_at(word, block.timestamp),
        share=flow_word._share(word),
        window=flow_word._window(word),
        minimum=self._minima[slot],
    )


@external
@view
@reentrant
def withdrawable_now(asset: address) -> uint256:
    """
    @notice The most that limited outflows may take of a token at this moment. Reentrant: a preview.
    @dev Reverts UnknownAsset.
    @param asset The quote token or a listed collateral token.
    @return Token units, rounded down.
    """
    slot: uint256 = vault_state._slot_of(asset)
    word: uint256 = self._flows[slot]
    kept: uint256 = flow_word._kept(word)
    share: uint256 = flow_word._share(word)
    if share >= flow_word.SHARE_ONE:
        return kept
    net: int256 = flow_word._net_at(word, block.timestamp)
    # kept + net is the same before and after an outflow, and not below 0.
    # Down: within the floor of the limit is within the limit, net being whole.
    limit: uint256 = share * convert(convert(kept, int256) + net, uint256) // flow_word.SHARE_ONE
    room: int256 = convert(max(limit, self._minima[slot]), int256) - net
    return min(convert(max(room, 0), uint256), kept)


@external
def set_limiter(asset: address, share: uint256, window: uint256, minimum: uint256):
    """
    @notice Changes a token's outflow limiter; what is counted so far is released to this moment by
            the old terms and stays counted. Governance only.
    @dev Reverts NotGovernance, UnknownAsset, BadParameter.
    @param asset The quote token or a listed collateral token.
    @param share Net outflow let pass, 1e-4 of the balance at the window's start, 500..10_000
           (10_000: no limit).
    @param window Seconds, one hour to three days.
    @param minimum Net outflow always let pass, token units, below 2**95.
    """
    governed._check_governance()
    slot: uint256 = vault_state._slot_of(asset)
    errors._require(
        share >= MIN_SHARE
        and share <= flow_word.SHARE_ONE
        and window >= MIN_WINDOW
        and window <= MAX_WINDOW
        and minimum <= flow_word.MAX_KEPT,
        errors.BAD_PARAMETER,
    )
    word: uint256 = self._flows[slot]
    log ICollateralVault.LimiterChanged(
        asset=asset,
        old_share=flow_word._share(word),
        new_share=share,
        old_window=flow_word._window(word),
        new_window=window,
        old_minimum=self._minima[slot],
        new_minimum=minimum,
    )
    net: int256 = flow_word._net_at(word, block.timestamp)
    word = flow_word._with_flow(word, flow_word._kept(word), net, block.timestamp)
    self._flows[slot] = flow_word._with_limit(word, share, window)
    self._minima[slot] = minimum


@internal
def _open(slot: uint256):
    """
    @notice Starts a token's word: nothing kept, no limit.
    @param slot Asset id, 0 for the quote token.
    """
    self._flows[slot] = flow_word._with_limit(0, flow_word.SHARE_ONE, MIN_WINDOW)


@internal
@view
def _after_inflow(word: uint256, amount: uint256) -> uint256:
    """
    @notice The flow word after tokens came in.
    @param word The flow word before.
    @param amount Token units.
    @return The flow word after.
    """
    errors._require(amount <= flow_word.MAX_KEPT, errors.OUT_OF_RANGE)
    kept: uint256 = unsafe_add(flow_word._kept(word), amount)  # two values below 2**96
    errors._require(kept <= flow_word.MAX_KEPT, errors.OUT_OF_RANGE)
    net: int256 = flow_word._net_at(word, block.timestamp)
    # |net| < 2**96 and amount < 2**95; the credit is bounded by what lies here.
    net = max(unsafe_sub(net, convert(amount, int256)), -convert(kept, int256))
    return flow_word._with_flow(word, kept, net, block.timestamp)


@internal
@view
def _after_outflow(slot: uint256, amount: uint256, limited: bool) -> uint256:
    """
    @notice The flow word after tokens went out.
    @param slot Asset id, 0 for the quote token.
    @param amount Token units.
    @param limited Whether the limiter counts and may stop it.
    @return The flow word after.
    """
    word: uint256 = self._flows[slot]
    kept: uint256 = flow_word._kept(word)
    errors._require(amount <= kept, errors.VAULT_SHORT)
    kept = unsafe_sub(kept, amount)  # amount <= kept
    net: int256 = flow_word._net_at(word, block.timestamp)
    if limited:
        net += convert(amount, int256)
        if not flow_word._within(kept, net, flow_word._share(word)):
            errors._require(net <= convert(self._minima[slot], int256), errors.OUTFLOW_LIMIT)
        # Without a limit nothing reads a larger count; the field holds at most MAX_KEPT.
        net = min(net, convert(flow_word.MAX_KEPT, int256))
    net = max(net, -convert(kept, int256))
    return flow_word._with_flow(word, kept, net, block.timestamp)
