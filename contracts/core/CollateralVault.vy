# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title CollateralVault
@license AGPL-3.0-only
@notice Holds every token of the protocol. Keeps the collateral each account owns; the quote token's
        owners are the margin engine's ledger, here it is one kept total. Claims are counted on kept
        amounts, never on a token's balanceOf, so a raw transfer changes nobody's equity; the
        balance is read only to see that a token moved exactly what was asked and that custody
        covers the claims. While it does not, that token stands still until somebody makes it whole.

        Who may do what: owners deposit and withdraw collateral (the engine authorises and checks
        health), strangers add to what an account already holds, the engine alone moves the quote
        token and shares of accounts, governance lists assets and sets bounded terms, nobody else
        and no role takes tokens out.

        Trust: the engine, entirely. Tokens only as far as checked: governance must not list a token
        whose balances move by themselves, and such a token is stopped when it shows.
@custom:kill Disable every asset: deposits stop, exits stay open. There is no other switch.
"""

from ethereum.ercs import IERC20
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from contracts.interfaces import ICollateralVault
from contracts.modules import asset_word
from contracts.modules import errors
from contracts.modules import flow_word

implements: ICollateralVault
initializes: ownable
initializes: ownable_2step[ownable := ownable]

# Ownership cannot be renounced: terms must stay changeable as long as tokens lie here.
exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)


interface Engine:
    def collateral_changed(
        account: uint256, caller: address, count: uint256, lowered: bool
    ): nonpayable


QUOTE_DECIMALS: constant(uint256) = 6
MAX_DECIMALS: constant(uint256) = 18  # the finest token the margin module is made for
MAX_ASSETS: constant(uint256) = 255  # 8-bit ids, 0 is the quote token
OPENING_BOUND: constant(uint256) = 8  # assets an account may hold by its owner's choice
HOLDING_BOUND: constant(uint256) = 16  # and by taking over others' in a liquidation
ONE: constant(uint256) = 10**18  # scale of fractions
HAIRCUT_ONE: constant(uint256) = 10_000  # 1e-4; a haircut stays below it
_ID: constant(uint256) = 255  # mask of one id in an account's list
MIN_CAP_RAMP: constant(uint256) = 3_600  # s; no listing opens its whole cap in one block
MIN_HAIRCUT_RAMP: constant(uint256) = 86_400  # s; grace for open positions, see set_haircuts
MAX_RAMP: constant(uint256) = 180 * 86_400  # s, below 2**24
MIN_SHARE: constant(uint256) = 500  # 1e-4; a tighter limiter would be a freeze
MIN_WINDOW: constant(uint256) = 3_600  # s
MAX_WINDOW: constant(uint256) = 3 * 86_400  # s, below 2**18; a longer wait would be a freeze

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
# asset id -> terms, see asset_word; [0] unused
_terms: uint256[256]
# asset id -> haircut ramp, see asset_word; read only while the terms say RAMPING
_ramps: uint256[256]
# asset id -> kept total and limiter, see flow_word
_flows: uint256[256]
# asset id -> net outflow always let pass, token units; read only where the limiter's share is used up
_minima: uint256[256]
# account -> [0] its list of assets (bits 0-7 count, then 8 bits an id), [id] its balance, token units
_ledger: HashMap[uint256, uint256[256]]


@deploy
def __init__(engine_: address, quote_token_: address, owner_: address):
    """
    @notice Limiters start without a limit; governance sets them.
    @param engine_ The margin engine; it need not be deployed yet.
    @param quote_token_ The quote token: has code and 6 decimals, else BadToken.
    @param owner_ Governance.
    """
    errors._require(engine_ != empty(address) and owner_ != empty(address), errors.NULL_ADDRESS)
    errors._require(self._read_decimals(quote_token_) == QUOTE_DECIMALS, errors.BAD_TOKEN)
    ownable.__init__()
    ownable_2step.__init__()
    ownable._transfer_ownership(owner_)
    engine = engine_
    quote_token = quote_token_
    self._tokens[0] = quote_token_
    self._flows[0] = flow_word._with_limit(0, flow_word.SHARE_ONE, MIN_WINDOW)


# -- users --


@external
def deposit(account: uint256, asset: address, amount: uint256):
    """
    @notice Adds collateral to an account; the caller pays and has approved this contract. Anyone
            may call; who does not own the account only for an asset it holds already.
    @dev Reverts ZeroAmount, UnknownAsset, AssetPaused, StrangerAsset, TooManyPositions (more than 8
         assets), SupplyCap, BadToken, and what the token or the engine reverts with.
    @param account The account credited.
    @param asset A listed collateral token.
    @param amount Token units.
    """
    errors._require(amount > 0, errors.ZERO_AMOUNT)
    asset_id: uint256 = self._id_of(asset)
    terms: uint256 = self._terms[asset_id]
    errors._require(terms & asset_word.ENABLED != 0, errors.ASSET_PAUSED)
    held: uint256 = self._ledger[account][asset_id]
    errors._require(
        held != 0 or msg.sender == convert(account >> 96, address), errors.STRANGER_ASSET
    )
    word: uint256 = self._flows[asset_id]
    kept: uint256 = flow_word._kept(word) + amount
    errors._require(kept <= asset_word._cap_at_floor(terms, block.timestamp), errors.SUPPLY_CAP)

    # Tokens first: whatever a token calls back into finds custody above the claims.
    self._take(asset, msg.sender, amount, kept)
    self._flows[asset_id] = self._after_inflow(word, amount)
    self._credit(account, asset_id, amount, OPENING_BOUND)
    log ICollateralVault.Deposit(account=account, asset=asset, payer=msg.sender, amount=amount)
    extcall Engine(engine).collateral_changed(
        account, msg.sender, self._ledger[account][0] & 255, False
    )


@external
def withdraw(account: uint256, asset: address, amount: uint256, receiver: address):
    """
    @notice Takes collateral out of an account. The engine lets only the owner pass and only if the
            account meets its initial requirement afterwards.
    @dev Reverts ZeroAmount, NullAddress, UnknownAsset, InsufficientCollateral, OutflowLimit,
         BadToken, and what the engine or the token reverts with.
    @param account The account.
    @param asset A listed collateral token, enabled or not.
    @param amount Token units.
    @param receiver Who gets the tokens.
    """
    errors._require(amount > 0, errors.ZERO_AMOUNT)
    errors._require(receiver != empty(address), errors.NULL_ADDRESS)
    asset_id: uint256 = self._id_of(asset)
    count: uint256 = self._debit(account, asset_id, amount)
    word: uint256 = self._after_outflow(asset_id, amount, True)
    self._flows[asset_id] = word
    log ICollateralVault.Withdrawal(account=account, asset=asset, receiver=receiver, amount=amount)
    extcall Engine(engine).collateral_changed(account, msg.sender, count, True)
    self._give(asset, receiver, amount, flow_word._kept(word))


# -- engine --


@external
def pull_quote(payer: address, amount: uint256):
    """
    @notice Takes quote tokens in. Engine only, which has authorised the payer; nothing for 0.
    @dev Reverts NotEngine, OutOfRange, BadToken, and what the token reverts with.
    @param payer Who pays and has approved this contract.
    @param amount Token units.
    """
    errors._require(msg.sender == engine, errors.NOT_ENGINE)
    if amount == 0:
        return
    word: uint256 = self._after_inflow(self._flows[0], amount)
    self._take(quote_token, payer, amount, flow_word._kept(word))
    self._flows[0] = word


@external
def push_quote(receiver: address, amount: uint256, limited: bool):
    """
    @notice Pays quote tokens out. Engine only, which has lowered the claim; nothing for 0.
    @dev Reverts NotEngine, NullAddress, VaultShort, OutflowLimit, BadToken, and what the token
         reverts with.
    @param receiver Who gets the tokens.
    @param amount Token units.
    @param limited False for liquidation and insurance legs: the limiter neither stops nor counts them.
    """
    errors._require(msg.sender == engine, errors.NOT_ENGINE)
    if amount == 0:
        return
    errors._require(receiver != empty(address), errors.NULL_ADDRESS)
    word: uint256 = self._after_outflow(0, amount, limited)
    self._flows[0] = word
    self._give(quote_token, receiver, amount, flow_word._kept(word))


@external
def move_share(sender: uint256, receiver: uint256, fraction: uint256) -> (uint256, uint256):
    """
    @notice Moves the same share of every asset from one account to another, rounded up per asset;
            what moves and what stays add up to the unit. Engine only (liquidation).
    @dev Reverts NotEngine, BadArgument (an account and itself), BadFraction, TooManyPositions (the
         receiver would hold more than 16 assets).
    @param sender The account that loses.
    @param receiver The account that gains.
    @param fraction 1e18, above 0, at most 1e18.
    @return Assets the sender holds now, assets the receiver holds now.
    """
    errors._require(msg.sender == engine, errors.NOT_ENGINE)
    errors._require(sender != receiver, errors.BAD_ARGUMENT)
    errors._require(fraction > 0 and fraction <= ONE, errors.BAD_FRACTION)
    assets: uint256 = self._ledger[sender][0]
    for i: uint256 in range(assets & 255, bound=HOLDING_BOUND):
        asset_id: uint256 = (assets >> (8 * i + 8)) & 255
        # Up: (balance * fraction + 1e18 - 1) / 1e18 <= balance, as fraction <= 1e18.
        amount: uint256 = (self._ledger[sender][asset_id] * fraction + ONE - 1) // ONE
        self._debit(sender, asset_id, amount)
        self._credit(receiver, asset_id, amount, HOLDING_BOUND)
        log ICollateralVault.CollateralMoved(
            sender=sender, receiver=receiver, asset_id=asset_id, amount=amount
        )
    return self._ledger[sender][0] & 255, self._ledger[receiver][0] & 255


@external
def move_between(
    sender: uint256, receiver: uint256, asset: address, amount: uint256
) -> (uint256, uint256):
    """
    @notice Moves an amount of one asset between accounts. Engine only, which has authorised it and
            checks the sender's health.
    @dev Reverts NotEngine, BadArgument (an account and itself), ZeroAmount, UnknownAsset,
         InsufficientCollateral, TooManyPositions (the receiver would hold more than 8 assets).
    @param sender The account that loses.
    @param receiver The account that gains.
    @param asset A listed collateral token, enabled or not.
    @param amount Token units.
    @return Assets the sender holds now, assets the receiver holds now.
    """
    errors._require(msg.sender == engine, errors.NOT_ENGINE)
    errors._require(sender != receiver, errors.BAD_ARGUMENT)
    errors._require(amount > 0, errors.ZERO_AMOUNT)
    asset_id: uint256 = self._id_of(asset)
    left: uint256 = self._debit(sender, asset_id, amount)
    self._credit(receiver, asset_id, amount, OPENING_BOUND)
    log ICollateralVault.CollateralMoved(
        sender=sender, receiver=receiver, asset_id=asset_id, amount=amount
    )
    return left, self._ledger[receiver][0] & 255


# -- views: @reentrant, since engine, risk model and auction read them in the middle of calls that
#    began here; each entry above has its ledger written before it calls out --


@external
@view
@reentrant
def balance_of(account: uint256, asset: address) -> uint256:
    """
    @notice What an account holds of a collateral asset. Reentrant: read during health checks.
    @param account The account.
    @param asset A token; 0 for one that is not listed.
    @return Token units.
    """
    asset_id: uint256 = self._ids[asset]
    if asset_id == 0:
        return 0
    return self._ledger[account][asset_id]


@external
@view
@reentrant
def holdings(account: uint256) -> DynArray[uint256, HOLDING_BOUND]:
    """
    @notice What an account holds, one word an asset with what the margin needs to know of it.
            Reentrant: the engine's health check reads it inside deposit and withdraw.
    @param account The account.
    @return Words: bits 0-127 amount (token units) | 128-143 feed id | 144-159 maintenance haircut
            (1e-4) | 160-175 initial haircut (1e-4) | 176-183 decimals | 184-191 asset id.
    """
    words: DynArray[uint256, HOLDING_BOUND] = []
    assets: uint256 = self._ledger[account][0]
    for i: uint256 in range(assets & 255, bound=HOLDING_BOUND):
        asset_id: uint256 = (assets >> (8 * i + 8)) & 255
        words.append(
            asset_word._holding(self._terms_now(asset_id), self._ledger[account][asset_id])
        )
    return words


@external
@view
@reentrant
def assets_held(account: uint256) -> uint256:
    """
    @notice How many collateral assets an account holds. Reentrant: as holdings.
    @param account The account.
    @return 0..16.
    """
    return self._ledger[account][0] & 255


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
    asset_id: uint256 = self._id_of(asset)
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
@view
@reentrant
def limiter(asset: address) -> ICollateralVault.Limiter:
    """
    @notice A token's kept total and limiter now. Reentrant: the engine may read custody mid-call.
    @dev Reverts UnknownAsset.
    @param asset The quote token or a listed collateral token.
    @return The limiter.
    """
    slot: uint256 = self._slot_of(asset)
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
    slot: uint256 = self._slot_of(asset)
    word: uint256 = self._flows[slot]
    kept: uint256 = flow_word._kept(word)
    share: uint256 = flow_word._share(word)
    if share >= flow_word.SHARE_ONE:
        return kept
    net: int256 = flow_word._net_at(word, block.timestamp)
    # kept + net is the same before and after an outflow, and not below 0.
    limit: uint256 = share * convert(convert(kept, int256) + net, uint256) // flow_word.SHARE_ONE
    room: int256 = convert(max(limit, self._minima[slot]), int256) - net
    return min(convert(max(room, 0), uint256), kept)


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


# -- anyone --


@external
def settle_ramp(asset: address):
    """
    @notice Ends a haircut ramp that has run out, so that reads no longer pay for it. Anyone.
    @dev Reverts UnknownAsset, NothingToDo where no ramp has run out.
    @param asset A listed collateral token.
    """
    asset_id: uint256 = self._id_of(asset)
    word: uint256 = self._terms_now(asset_id)
    errors._require(
        self._terms[asset_id] & asset_word.RAMPING != 0 and word & asset_word.RAMPING == 0,
        errors.NOTHING_TO_DO,
    )
    self._terms[asset_id] = word


# -- governance --


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
    self._check_governance()
    errors._require(asset != quote_token and self._ids[asset] == 0, errors.ALREADY_LISTED)
    asset_id: uint256 = self._count + 1
    errors._require(asset_id <= MAX_ASSETS, errors.TOO_MANY)
    decimals: uint256 = self._read_decimals(asset)
    errors._require(decimals <= MAX_DECIMALS, errors.BAD_TOKEN)
    self._check_feed(feed)
    self._check_haircuts(maintenance, initial)
    self._check_cap(cap, ramp)

    self._count = asset_id
    self._ids[asset] = asset_id
    self._tokens[asset_id] = asset
    self._terms[asset_id] = asset_word._with_cap(
        asset_word._pack(asset_id, feed, decimals, maintenance, initial), cap, ramp, block.timestamp
    )
    self._flows[asset_id] = flow_word._with_limit(0, flow_word.SHARE_ONE, MIN_WINDOW)
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
    self._check_governance()
    asset_id: uint256 = self._id_of(asset)
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
    self._check_governance()
    asset_id: uint256 = self._id_of(asset)
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
    @dev Reverts NotGovernance, UnknownAsset, BadParameter.
    @param asset A listed collateral token.
    @param feed Oracle feed id, 1..65535.
    """
    self._check_governance()
    asset_id: uint256 = self._id_of(asset)
    self._check_feed(feed)
    word: uint256 = self._terms[asset_id]
    self._terms[asset_id] = asset_word._with_feed(word, feed)
    log ICollateralVault.FeedChanged(asset=asset, old_feed=asset_word._feed(word), new_feed=feed)


@external
def set_enabled(asset: address, enabled: bool):
    """
    @notice Opens or stops deposits of an asset; withdrawals and its value stay. Governance only.
    @dev Reverts NotGovernance, UnknownAsset.
    @param asset A listed collateral token.
    @param enabled Whether deposits are taken.
    """
    self._check_governance()
    asset_id: uint256 = self._id_of(asset)
    word: uint256 = self._terms[asset_id]
    kept: uint256 = word & ~asset_word.ENABLED
    if enabled:
        kept |= asset_word.ENABLED
    self._terms[asset_id] = kept
    log ICollateralVault.EnabledChanged(
        asset=asset, old_enabled=word & asset_word.ENABLED != 0, new_enabled=enabled
    )


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
    self._check_governance()
    slot: uint256 = self._slot_of(asset)
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


# -- ledger --


@internal
def _credit(account: uint256, asset_id: uint256, amount: uint256, bound: uint256):
    """
    @notice Raises a balance; lists the asset on the account where it is new. Nothing for 0.
    @param account The account.
    @param asset_id 1..255.
    @param amount Token units.
    @param bound Most assets the account may hold then, at most 31.
    """
    if amount == 0:
        return
    held: uint256 = self._ledger[account][asset_id]
    if held == 0:
        assets: uint256 = self._ledger[account][0]
        count: uint256 = assets & 255
        errors._require(count < bound, errors.TOO_MANY_POSITIONS)
        # count < bound <= 31: the id lands in bits 8-255, the count stays in its byte.
        self._ledger[account][0] = unsafe_add(assets, 1) | (asset_id << (8 * count + 8))
    # Balances of one asset sum to its kept total, below 2**95.
    self._ledger[account][asset_id] = unsafe_add(held, amount)


@internal
def _debit(account: uint256, asset_id: uint256, amount: uint256) -> uint256:
    """
    @notice Lowers a balance; strikes the asset off the account's list where nothing is left.
    @param account The account.
    @param asset_id 1..255.
    @param amount Token units.
    @return Assets the account holds now.
    """
    held: uint256 = self._ledger[account][asset_id]
    errors._require(amount <= held, errors.INSUFFICIENT_COLLATERAL)
    # amount <= held
    self._ledger[account][asset_id] = unsafe_sub(held, amount)
    assets: uint256 = self._ledger[account][0]
    if held == amount and amount != 0:
        assets = self._strike(assets, asset_id)
        self._ledger[account][0] = assets
    return assets & 255


@internal
@pure
def _strike(assets: uint256, asset_id: uint256) -> uint256:
    """
    @notice An account's list without one asset; the last takes its place.
    @param assets The list, which holds the asset.
    @param asset_id 1..255.
    @return The new list.
    """
    last: uint256 = 8 * (assets & 255)  # bit of the last id
    moved: uint256 = (assets >> last) & 255
    kept: uint256 = (assets & ~(_ID << last)) - 1
    if moved == asset_id:
        return kept
    for i: uint256 in range(HOLDING_BOUND):
        place: uint256 = 8 * i + 8
        if (kept >> place) & 255 == asset_id:
            return (kept & ~(_ID << place)) | (moved << place)
    return kept


# -- flows and tokens --


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
    # amount < 2**96 and a balance that near 2**256 is no token's: a wrapped sum only fails the check.
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


# -- terms and checks --


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


@internal
@view
def _check_governance():
    """
    @notice NotGovernance unless the owner calls.
    """
    errors._require(msg.sender == ownable.owner, errors.NOT_GOVERNANCE)


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
