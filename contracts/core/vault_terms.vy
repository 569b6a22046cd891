# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title vault_terms
@license AGPL-3.0-only
@notice Which tokens are collateral and on what terms: feed, haircuts, supply cap, their ramps and
        the bounds governance keeps to. The words are laid out in asset_word.
"""
from contracts.core import vault_limiter
from contracts.core import vault_state
from contracts.core import vault_tokens
from contracts.interfaces import ICollateralVault
from contracts.interfaces import IRiskModel
from contracts.modules import asset_word
from contracts.modules import errors
from contracts.modules import flow_word
from contracts.modules import governed

uses: governed
uses: vault_limiter
uses: vault_state


interface Engine:
    def core() -> uint256: view  # bits 0-159: the risk model


MAX_DECIMALS: constant(uint256) = 18  # the finest token the margin module is made for
HAIRCUT_ONE: constant(uint256) = 10_000  # 1e-4; a haircut stays below it
MIN_CAP_RAMP: constant(uint256) = 3_600  # s; no listing opens its whole cap in one block
MIN_HAIRCUT_RAMP: constant(uint256) = 86_400  # s; grace for open positions, see set_haircuts
MAX_RAMP: constant(uint256) = 180 * 86_400  # s, below 2**24

# asset id -> terms, see asset_word; [0] unused
_terms: uint256[256]
# asset id -> haircut ramp, see asset_word; read only while the terms say RAMPING
_ramps: uint256[256]


@external
@view
@reentrant
def terms(asset: address) -> ICollateralVault.AssetTerms:
    """
    @notice An asset's terms as they stand now, ramps applied. Reentrant: plain configuration.
    @dev Reverts UnknownAsset, also for the quote token, which has none.
    @param asset A listed collateral token.
    @return The terms.
    """
    asset_id: uint256 = vault_state._id_of(asset)
    word: uint256 = self._terms_now(asset_id)
    maintenance: uint256 = 0
    initial: uint256 = 0
    maintenance, initial = asset_word._haircuts(word)
    return ICollateralVault.AssetTerms(
        asset_id=asset_id,
        feed=asset_word._feed(word),
        maintenance=maintenance,
        initial=initial,
        decimals=asset_word._decimals(word),
        cap=asset_word._cap(word),
        cap_now=asset_word._cap_at_floor(word, block.timestamp),
        enabled=word & asset_word.ENABLED != 0,
    )


@external
def settle_ramp(asset: address):
    """
    @notice Ends a haircut ramp that has run out, so that reads no longer pay for it. Anyone.
    @dev Reverts UnknownAsset, NothingToDo where no ramp has run out.
    @param asset A listed collateral token.
    """
    asset_id: uint256 = vault_state._id_of(asset)
    word: uint256 = self._terms_now(asset_id)
    errors._require(
        self._terms[asset_id] & asset_word.RAMPING != 0 and word & asset_word.RAMPING == 0,
        errors.NOTHING_TO_DO,
    )
    self._terms[asset_id] = word


@external
def list_asset(
    asset: address,
    feed: uint256,
    maintenance: uint256,
    initial: uint256,
    cap: uint256,
    ramp: uint256,
) -> uint256:
    """
    @notice Lists a collateral token for good; ids are never reused. Governance only. Its limiter
            starts without a limit.
    @dev Reverts NotGovernance, AlreadyListed, TooMany, BadToken (no code, no decimals or more than
         18), BadParameter (a feed id, cap or ramp out of its bounds), JointBound (haircuts).
    @param asset The token: plain ERC-20, no fee on transfer, no balances that move by themselves.
    @param feed Oracle feed id, 1..65535.
    @param maintenance Maintenance haircut, 1e-4.
    @param initial Initial haircut, 1e-4, maintenance <= initial < 10_000.
    @param cap Most token units the vault takes, below 2**95.
    @param ramp Seconds in which the cap opens from zero, one hour to 180 days.
    @return The asset id.
    """
    governed._check_governance()
    errors._require(
        asset != vault_state.quote_token and vault_state._ids[asset] == 0, errors.ALREADY_LISTED
    )
    asset_id: uint256 = vault_state._count + 1
    errors._require(asset_id <= vault_state.MAX_ASSETS, errors.TOO_MANY)
    decimals: uint256 = vault_tokens._read_decimals(asset)
    errors._require(decimals <= MAX_DECIMALS, errors.BAD_TOKEN)
    self._check_feed(feed)
    self._check_haircuts(maintenance, initial)
    self._check_cap(cap, ramp)

    vault_state._count = asset_id
    vault_state._ids[asset] = asset_id
    vault_state._tokens[asset_id] = asset
    self._terms[asset_id] = asset_word._with_cap(
        asset_word._pack(asset_id, feed, decimals, maintenance, initial), cap, ramp, block.timestamp
    )
    vault_limiter._open(asset_id)
    log ICollateralVault.AssetListed(
        asset=asset,
        asset_id=asset_id,
        feed=feed,
        maintenance=maintenance,
        initial=initial,
        cap=cap,
        ramp=ramp,
    )
    return asset_id


@external
def set_haircuts(asset: address, maintenance: uint256, initial: uint256, ramp: uint256):
    """
    @notice Changes haircuts: a higher initial one holds at once, a lower one and the maintenance
            haircut move along a line, so that nobody compliant is liquidated without grace.
            Governance only.
    @dev Reverts NotGovernance, UnknownAsset, JointBound, BadParameter (ramp).
    @param asset A listed collateral token.
    @param maintenance Maintenance haircut at the end, 1e-4.
    @param initial Initial haircut at the end, 1e-4, maintenance <= initial < 10_000.
    @param ramp Seconds, one to 180 days.
    """
    governed._check_governance()
    asset_id: uint256 = vault_state._id_of(asset)
    self._check_haircuts(maintenance, initial)
    errors._require(ramp >= MIN_HAIRCUT_RAMP and ramp <= MAX_RAMP, errors.BAD_PARAMETER)
    old_maintenance: uint256 = 0
    old_initial: uint256 = 0
    old_maintenance, old_initial = asset_word._haircuts(self._terms_now(asset_id))
    self._ramps[asset_id] = asset_word._ramp(
        old_maintenance, max(old_initial, initial), block.timestamp, ramp
    )
    self._terms[asset_id] = (
        asset_word._with_haircuts(self._terms[asset_id], maintenance, initial) | asset_word.RAMPING
    )
    log ICollateralVault.HaircutsChanged(
        asset=asset,
        old_maintenance=old_maintenance,
        new_maintenance=maintenance,
        old_initial=old_initial,
        new_initial=initial,
        ramp=ramp,
    )


@external
def set_cap(asset: address, cap: uint256, ramp: uint256):
    """
    @notice Changes a supply cap: a lower one holds at once (nobody is forced out), a higher one is
            reached from where it stands along the line that opens it from zero in `ramp`.
            Governance only.
    @dev Reverts NotGovernance, UnknownAsset, BadParameter.
    @param asset A listed collateral token.
    @param cap Token units, below 2**95; 0 stops deposits.
    @param ramp Seconds, one hour to 180 days.
    """
    governed._check_governance()
    asset_id: uint256 = vault_state._id_of(asset)
    self._check_cap(cap, ramp)
    word: uint256 = self._terms[asset_id]
    self._terms[asset_id] = asset_word._with_cap(word, cap, ramp, block.timestamp)
    log ICollateralVault.CapChanged(
        asset=asset, old_cap=asset_word._cap(word), new_cap=cap, ramp=ramp
    )


@external
def set_feed(asset: address, feed: uint256):
    """
    @notice Names another oracle feed for an asset. Governance only; it must price the same token.
    @dev Reverts NotGovernance, UnknownAsset, BadParameter, NoPrice (a feed that never had one: no
         assessment of a holder, so no liquidation either, could pass it; a new asset without a
         price is refused at its first deposit), UnknownFeed.
    @param asset A listed collateral token.
    @param feed Oracle feed id, 1..65535.
    """
    governed._check_governance()
    asset_id: uint256 = vault_state._id_of(asset)
    self._check_feed(feed)
    word: uint256 = self._terms[asset_id]
    changed: uint256 = asset_word._with_feed(word, feed)
    risk: address = convert(staticcall Engine(vault_state.engine).core() & (2**160 - 1), address)
    a: IRiskModel.Assessment = staticcall IRiskModel(risk).assess(
        [], [asset_word._holding(changed, 1)]
    )
    self._terms[asset_id] = changed
    log ICollateralVault.FeedChanged(asset=asset, old_feed=asset_word._feed(word), new_feed=feed)


@external
def set_enabled(asset: address, enabled: bool):
    """
    @notice Opens or stops deposits of an asset; withdrawals and its value stay. Governance only.
    @dev Reverts NotGovernance, UnknownAsset.
    @param asset A listed collateral token.
    @param enabled Whether deposits are taken.
    """
    governed._check_governance()
    asset_id: uint256 = vault_state._id_of(asset)
    word: uint256 = self._terms[asset_id]
    changed: uint256 = word & ~asset_word.ENABLED
    if enabled:
        changed |= asset_word.ENABLED
    self._terms[asset_id] = changed
    log ICollateralVault.EnabledChanged(
        asset=asset, old_enabled=word & asset_word.ENABLED != 0, new_enabled=enabled
    )


@internal
@view
def _terms_now(asset_id: uint256) -> uint256:
    """
    @notice An asset's terms with its haircut ramp applied.
    @param asset_id 1..255.
    @return The terms word.
    """
    word: uint256 = self._terms[asset_id]
    if word & asset_word.RAMPING == 0:
        return word
    return asset_word._ramped(word, self._ramps[asset_id], block.timestamp)


@internal
@pure
def _check_feed(feed: uint256):
    """
    @notice BadParameter unless the feed id is 1..65535.
    @param feed The feed id.
    """
    errors._require(feed != 0 and feed <= 65_535, errors.BAD_PARAMETER)


@internal
@pure
def _check_haircuts(maintenance: uint256, initial: uint256):
    """
    @notice JointBound unless maintenance <= initial < 1.
    @param maintenance 1e-4.
    @param initial 1e-4.
    """
    errors._require(maintenance <= initial and initial < HAIRCUT_ONE, errors.JOINT_BOUND)


@internal
@pure
def _check_cap(cap: uint256, ramp: uint256):
    """
    @notice BadParameter unless the cap fits and the ramp is within its bounds.
    @param cap Token units.
    @param ramp Seconds.
    """
    errors._require(
        cap <= flow_word.MAX_KEPT and ramp >= MIN_CAP_RAMP and ramp <= MAX_RAMP,
        errors.BAD_PARAMETER,
    )
