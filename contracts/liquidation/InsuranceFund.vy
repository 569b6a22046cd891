# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title InsuranceFund
@license AGPL-3.0-only
@notice ERC-4626 shares over the margin engine's fund bucket. The money lies in the vault, the claim
        in the engine, here are the shares, the drip of income, the redemption queue's clock and the
        caps of what the auction may draw.

        bucket  the engine's fund_balance(), quote units (qu, 1e-15 USD; 1e9 to a token unit)
        locked  income seen but not dripped yet, qu; dripping linearly
        assets  (bucket - locked) rounded down to token units

        What raises the bucket beyond deposits is income and drips in over a period, so nobody can
        buy in front of it; what lowers it beyond redemptions and the keepers' budget is a payout
        and eats undripped income first. The keepers' budget comes out of undripped income only. So
        the share price falls by payouts and by nothing else. Nobody takes money out by role.

        Shares have 12 decimals: a million virtual shares stand against one virtual token unit, so
        that raising the price of a share before the first deposit costs a million times what it
        could take from it; and a raw transfer of tokens to any contract raises no bucket.

        Trust: the engine's bucket and its moves. Governance sets bounded terms and the auction.
@custom:kill Let the auction be the zero address: payouts stop, redemptions go on.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC4626
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.tokens import erc20
from contracts.interfaces import IInsuranceFund
from contracts.modules import errors

implements: IERC20
implements: IERC4626
implements: IInsuranceFund
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: erc20[ownable := ownable]

# Ownership cannot be renounced; shares are minted and burnt by deposits and redemptions alone.
exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    erc20.name,
    erc20.symbol,
    erc20.decimals,
    erc20.totalSupply,
    erc20.balanceOf,
    erc20.allowance,
    erc20.transfer,
    erc20.transferFrom,
    erc20.approve,
    erc20.permit,
    erc20.nonces,
    erc20.DOMAIN_SEPARATOR,
    erc20.eip712Domain,
)


interface Engine:
    def fund_deposit(payer: address, amount: uint256): nonpayable
    def fund_withdraw(receiver: address, amount: uint256): nonpayable
    def budget_move(amount: uint256): nonpayable
    def fund_balance() -> uint256: view
    def keeper_budget() -> uint256: view
    def pending_deficit() -> uint256: view


TOKEN: constant(uint256) = 10**9  # qu of one token unit
VIRTUAL_SHARES: constant(uint256) = 10**6  # 1e-12 of a share, against one virtual token unit
SHARE_DECIMALS: constant(uint8) = 12
MAX_ASSETS: constant(uint256) = (
    10**18
)  # token units, a trillion USD; far inside the engine's field
SCALE: constant(uint256) = 10_000  # 1e-4
MAX_CAP: constant(uint256) = 9_000  # 1e-4; no window may empty the fund
MIN_WINDOW: constant(uint256) = 3_600  # s
MAX_WINDOW: constant(uint256) = 30 * 86_400  # s
MAX_BUDGET_SHARE: constant(uint256) = 2_000  # 1e-4 of the bucket a day
MAX_BUDGET_TARGET: constant(uint256) = 10**6 * 10**15  # qu, a million USD for keepers at once
BUDGET_WINDOW: constant(uint256) = 86_400  # s
MIN_DRIP: constant(uint256) = 3_600  # s; shorter could be bought in front of
MAX_DRIP: constant(uint256) = 30 * 86_400  # s
MIN_COOLDOWN: constant(uint256) = 86_400  # s; longer than an auction runs
MAX_COOLDOWN: constant(uint256) = 30 * 86_400  # s
MIN_EXIT: constant(uint256) = 86_400  # s; a window shorter than a day is a trap
MAX_EXIT: constant(uint256) = 14 * 86_400  # s; one too long is an exit at will
M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
M96: constant(uint256) = 2**96 - 1  # qu; the width of the engine's bucket as well
M160: constant(uint256) = 2**160 - 1

# The margin engine.
engine: public(immutable(address))
# The quote token, 6 decimals.
asset: public(immutable(address))

# What a draw reads: auction address | caps of an event uint16 << 160, of a window uint16 << 176 and
# of a market uint16 << 192 (1e-4, at most 9,000) | the caps' window uint32 << 208 (s, to 30 days)
_payout_terms: uint256
# qu; the keepers' bucket is filled up to it
budget_target: public(uint256)
# 1e-4 of the bucket that may go to keepers in a day
budget_share: public(uint256)
# seconds over which new income drips in
drip_period: public(uint256)
# seconds from a request to its window
cooldown: public(uint256)
# seconds that the window stays open
exit_window: public(uint256)

# The engine's bucket as last seen uint96 (qu) | undripped at the start uint96 << 96 (qu)
# | drip's start uint32 << 192 (unix s) | its end uint32 << 224 (unix s). Nothing undripped: both
# times are 0; else start < end.
_drip: uint256
# owner -> bits 0-159 shares in escrow (1e-12) | 160-199 window opens (unix s) | 200-239 closes
_requests: HashMap[address, uint256]
# Draw windows begun so far uint32 | start of the last uint32 << 32 (unix s) | the bucket at its first
# draw uint96 << 64 (qu) | granted in it uint96 << 160 (qu; never over its base)
_window: uint256
# market -> window id uint32 << 128 | granted in that window uint128 (qu)
_market_used: HashMap[uint256, uint256]
_budget_start: uint256  # unix s
_budget_used: uint256  # qu moved to keepers since


@deploy
def __init__(engine_: address, quote_token_: address, auction_: address, owner_: address):
    """
    @notice Terms start at: half the fund an event, 80 % a day, 60 % a market and day; a week's
            cooldown, two days' window; income drips over a week; keepers' budget up to 10,000 USD,
            5 % of the fund a day.
    @param engine_ The margin engine; it need not be deployed yet.
    @param quote_token_ The quote token, as in the vault: has code, else BadToken.
    @param auction_ Who may draw.
    @param owner_ Governance.
    """
    errors._require(engine_ != empty(address) and owner_ != empty(address), errors.NULL_ADDRESS)
    errors._require(quote_token_.is_contract, errors.BAD_TOKEN)
    ownable.__init__()
    ownable_2step.__init__()
    erc20.__init__(
        "Plimsoll Insurance Fund", "plINS", SHARE_DECIMALS, "Plimsoll Insurance Fund", "1"
    )
    ownable._transfer_ownership(owner_)
    engine = engine_
    asset = quote_token_
    self._payout_terms = self._packed_terms(
        auction_,
        IInsuranceFund.Caps(per_event=5_000, per_window=8_000, per_market=6_000, window=86_400),
    )
    self.budget_target = 10_000 * 10**15
    self.budget_share = 500
    self.drip_period = 7 * 86_400
    self.cooldown = 7 * 86_400
    self.exit_window = 2 * 86_400


# -- ERC-4626: deposits --


@external
@view
def totalAssets() -> uint256:
    """
    @notice Token units that back the shares: the bucket less undripped income.
    @return Token units, rounded down.
    """
    return self._assets_now()


@external
@view
def convertToShares(assets: uint256) -> uint256:
    """
    @notice Shares that assets are worth.
    @param assets Token units.
    @return 1e-12 shares, rounded down.
    """
    return self._shares_floor(assets, self._assets_now())


@external
@view
def convertToAssets(shares: uint256) -> uint256:
    """
    @notice Assets that shares are worth.
    @param shares 1e-12 shares.
    @return Token units, rounded down.
    """
    return self._assets_floor(shares, self._assets_now())


@external
@view
def maxDeposit(receiver: address) -> uint256:
    """
    @notice The most that may be deposited.
    @param receiver Anyone.
    @return Token units.
    """
    return self._room(self._assets_now())


@external
@view
def previewDeposit(assets: uint256) -> uint256:
    """
    @notice Shares a deposit would mint now.
    @param assets Token units.
    @return 1e-12 shares, rounded down.
    """
    return self._shares_floor(assets, self._assets_now())


@external
def deposit(assets: uint256, receiver: address) -> uint256:
    """
    @notice Puts assets into the fund. The caller pays and has approved the vault. Anyone.
    @dev Reverts ZeroAmount, NullAddress, OutOfRange (over maxDeposit), NoShares (too little for one
         share unit), and what engine, vault or token revert with.
    @param assets Token units.
    @param receiver Who gets the shares.
    @return 1e-12 shares, rounded down.
    """
    total: uint256 = self._sync()
    shares: uint256 = self._shares_floor(assets, total)
    self._enter(assets, shares, total, receiver)
    return shares


@external
@view
def maxMint(receiver: address) -> uint256:
    """
    @notice The most shares that may be minted.
    @param receiver Anyone.
    @return 1e-12 shares.
    """
    total: uint256 = self._assets_now()
    return self._shares_floor(self._room(total), total)


@external
@view
def previewMint(shares: uint256) -> uint256:
    """
    @notice Assets that minting would cost now.
    @param shares 1e-12 shares.
    @return Token units, rounded up.
    """
    return self._assets_up(shares, self._assets_now())


@external
def mint(shares: uint256, receiver: address) -> uint256:
    """
    @notice Mints shares against what they cost. The caller pays and has approved the vault. Anyone.
    @dev Reverts as deposit.
    @param shares 1e-12 shares.
    @param receiver Who gets the shares.
    @return Token units paid, rounded up.
    """
    total: uint256 = self._sync()
    assets: uint256 = self._assets_up(shares, total)
    self._enter(assets, shares, total, receiver)
    return assets


# -- ERC-4626: redemptions --


@external
def request_redeem(shares: uint256):
    """
    @notice Puts shares of the caller in escrow, where they go on bearing losses, and starts the
            cooldown; shares requested before join it and wait anew. Redeem within the window after
            it, or ask again.
    @dev Reverts ZeroAmount, NoShares.
    @param shares 1e-12 shares.
    """
    errors._require(shares > 0, errors.ZERO_AMOUNT)
    errors._require(shares <= erc20.balanceOf[msg.sender], errors.NO_SHARES)
    ready: uint256 = block.timestamp + self.cooldown
    closes: uint256 = ready + self.exit_window
    total: uint256 = (self._requests[msg.sender] & (2**160 - 1)) + shares
    errors._require(total < 2**160, errors.OUT_OF_RANGE)
    self._requests[msg.sender] = total | (ready << 160) | (closes << 200)
    erc20._transfer(msg.sender, self, shares)
    log IInsuranceFund.RedeemRequested(owner=msg.sender, shares=total, ready=ready, closes=closes)


@external
def cancel_request():
    """
    @notice Takes all shares of the caller out of escrow. At any time.
    @dev Reverts NoShares where there are none.
    """
    shares: uint256 = self._requests[msg.sender] & (2**160 - 1)
    errors._require(shares > 0, errors.NO_SHARES)
    self._requests[msg.sender] = 0
    erc20._transfer(self, msg.sender, shares)
    log IInsuranceFund.RequestCancelled(owner=msg.sender, shares=shares)


@external
@view
def request_of(owner: address) -> IInsuranceFund.Request:
    """
    @notice An owner's redemption request.
    @param owner The owner.
    @return Shares in escrow (1e-12), unix times its window opens and has closed.
    """
    word: uint256 = self._requests[owner]
    return IInsuranceFund.Request(
        shares=word & (2**160 - 1), ready=(word >> 160) & (2**40 - 1), closes=word >> 200
    )


@external
@view
def maxWithdraw(owner: address) -> uint256:
    """
    @notice The most an owner may withdraw now; 0 outside the window or while a deficit is open.
    @param owner The owner.
    @return Token units, rounded down. The vault may hold less while its tokens are lent.
    """
    return self._assets_floor(self._redeemable(owner), self._assets_now())


@external
@view
def previewWithdraw(assets: uint256) -> uint256:
    """
    @notice Shares a withdrawal would burn now, its window aside.
    @param assets Token units.
    @return 1e-12 shares, rounded up.
    """
    return self._shares_up(assets, self._assets_now())


@external
def withdraw(assets: uint256, receiver: address, owner: address) -> uint256:
    """
    @notice Pays assets against requested shares. The owner, or who has an allowance of theirs.
    @dev Reverts ZeroAmount, NullAddress, DeficitOpen, Cooldown, NoShares, and what engine, vault or
         token revert with; "erc20: insufficient allowance".
    @param assets Token units.
    @param receiver Who gets the tokens.
    @param owner Whose requested shares.
    @return 1e-12 shares burnt, rounded up.
    """
    total: uint256 = self._sync()
    shares: uint256 = self._shares_up(assets, total)
    self._leave(assets, shares, receiver, owner)
    return shares


@external
@view
def maxRedeem(owner: address) -> uint256:
    """
    @notice The most an owner may redeem now; 0 outside the window or while a deficit is open.
    @param owner The owner.
    @return 1e-12 shares.
    """
    return self._redeemable(owner)


@external
@view
def previewRedeem(shares: uint256) -> uint256:
    """
    @notice Assets a redemption would pay now, its window aside.
    @param shares 1e-12 shares.
    @return Token units, rounded down.
    """
    return self._assets_floor(shares, self._assets_now())


@external
def redeem(shares: uint256, receiver: address, owner: address) -> uint256:
    """
    @notice Burns requested shares for what they are worth. The owner, or who has an allowance.
    @dev Reverts as withdraw.
    @param shares 1e-12 shares.
    @param receiver Who gets the tokens.
    @param owner Whose requested shares.
    @return Token units paid, rounded down.
    """
    assets: uint256 = self._assets_floor(shares, self._sync())
    self._leave(assets, shares, receiver, owner)
    return assets


# -- income and keepers --


@external
def sponsor(assets: uint256):
    """
    @notice Gives assets to the fund as income: it drips in, or pays keepers. The caller pays and has
            approved the vault. Anyone.
    @dev Reverts ZeroAmount, OutOfRange (over maxDeposit), and what engine, vault or token revert with.
    @param assets Token units.
    """
    errors._require(assets > 0, errors.ZERO_AMOUNT)
    errors._require(assets <= self._room(self._sync()), errors.OUT_OF_RANGE)
    extcall Engine(engine).fund_deposit(msg.sender, assets)
    log IInsuranceFund.Sponsored(payer=msg.sender, assets=assets)
    self._sync()


@external
def sync():
    """
    @notice Books what the bucket gained or lost since it was last seen; income starts to drip. Anyone;
            every call here that moves shares, assets or the budget does it first.
    """
    self._sync()


@external
@view
def undripped() -> uint256:
    """
    @notice Income not dripped yet, what is unseen so far included.
    @return qu, rounded up.
    """
    bucket: uint256 = 0
    locked: uint256 = 0
    end: uint256 = 0
    bucket, locked, end = self._seen_now()
    return locked


@external
def fund_budget(amount_qu: uint256) -> uint256:
    """
    @notice Fills the keepers' bucket out of undripped income, up to its target and to a share of the
            fund a day. Anyone: the rule decides, not the caller.
    @dev Reverts NothingToDo where the rule leaves nothing to move.
    @param amount_qu The most to move, qu.
    @return qu moved.
    """
    self._sync()
    if block.timestamp >= self._budget_start + BUDGET_WINDOW:
        self._budget_start = block.timestamp
        self._budget_used = 0
    used: uint256 = self._budget_used
    standing: uint256 = staticcall Engine(engine).keeper_budget()
    word: uint256 = self._drip
    moved: uint256 = min(
        min(amount_qu, (word >> 96) & M96),
        min(
            self._less(self.budget_target, standing),
            self._less((word & M96) * self.budget_share // SCALE, used),
        ),
    )
    errors._require(moved > 0, errors.NOTHING_TO_DO)
    self._budget_used = used + moved
    # Proof: moved <= locked <= bucket < 2^96: neither field borrows.
    self._drip = unsafe_sub(word, moved | (moved << 96))
    extcall Engine(engine).budget_move(moved)
    log IInsuranceFund.KeeperBudgetFunded(caller=msg.sender, amount_qu=moved)
    return moved


# -- payouts --


@external
def draw(market: uint256, amount_qu: uint256) -> uint256:
    """
    @notice Grants the auction what the fund may pay for a negative equity and counts it against the
            caps. Moves no money: the engine does, within the grant, in the same transaction. What
            the bucket gained or lost is left to the next `sync`: a payout eats undripped income,
            seen or not.
    @dev Reverts NotAuction. Grants 0 where a cap is used up.
    @param market The market whose cap counts it.
    @param amount_qu qu asked.
    @return qu granted, at most what was asked.
    """
    terms: uint256 = self._payout_terms
    errors._require(convert(msg.sender, uint256) == terms & M160, errors.NOT_AUCTION)
    bucket: uint256 = staticcall Engine(engine).fund_balance()
    word: uint256 = self._window
    if self._window_over(word, terms):
        errors._require(
            word & M32 < M32 and block.timestamp <= M32 and bucket <= M96, errors.OUT_OF_RANGE
        )
        word = self._begun(word & M32, bucket)
    used: uint256 = self._used_by(market, word & M32)
    granted: uint256 = min(amount_qu, self._grantable(terms, bucket, word, used))
    # Proof: what the window grants never exceeds per_window of its base, which is below 2^96, unless
    # caps were lowered: then it grants nothing. The field is the highest and does not carry.
    self._window = unsafe_add(word, granted << 160)
    # Proof: used <= the window's.
    self._market_used[market] = ((word & M32) << 128) | unsafe_add(used, granted)
    log IInsuranceFund.Draw(market=market, asked_qu=amount_qu, granted_qu=granted, fund_qu=bucket)
    return granted


@external
@view
def drawable(market: uint256) -> uint256:
    """
    @notice The most that one draw would grant now.
    @param market The market whose cap would count it.
    @return qu.
    """
    terms: uint256 = self._payout_terms
    bucket: uint256 = staticcall Engine(engine).fund_balance()
    word: uint256 = self._window
    if self._window_over(word, terms):
        return self._grantable(terms, bucket, self._begun(0, bucket), 0)
    return self._grantable(terms, bucket, word, self._used_by(market, word & M32))


@external
@view
def caps() -> IInsuranceFund.Caps:
    """
    @notice The payout caps.
    @return Caps, 1e-4, and their window, seconds.
    """
    return self._caps_of(self._payout_terms)


@external
@view
def auction() -> address:
    """
    @notice Who may draw.
    @return The auction; the zero address: nobody.
    """
    return convert(self._payout_terms & M160, address)


# -- governance --


@external
def set_caps(caps: IInsuranceFund.Caps):
    """
    @notice Changes the payout caps; what the running window has granted stays counted. Governance only.
    @dev Reverts NotGovernance, BadParameter (a share not in 1..9_000, a window not of 1 hour to 30
         days), JointBound (event or market above the window's).
    @param caps The caps, 1e-4, and their window, seconds.
    """
    self._check_governance()
    errors._require(
        caps.per_event > 0
        and caps.per_market > 0
        and caps.per_window <= MAX_CAP
        and caps.window >= MIN_WINDOW
        and caps.window <= MAX_WINDOW,
        errors.BAD_PARAMETER,
    )
    errors._require(
        caps.per_event <= caps.per_window and caps.per_market <= caps.per_window,
        errors.JOINT_BOUND,
    )
    terms: uint256 = self._payout_terms
    log IInsuranceFund.CapsChanged(old=self._caps_of(terms), new=caps)
    self._payout_terms = self._packed_terms(convert(terms & M160, address), caps)


@external
def set_budget(target_qu: uint256, share: uint256):
    """
    @notice Changes the rule that fills the keepers' bucket. Governance only.
    @dev Reverts NotGovernance, BadParameter.
    @param target_qu qu it is filled up to, at most a million USD; 0 stops it.
    @param share 1e-4 of the fund a day, at most 2_000.
    """
    self._check_governance()
    errors._require(
        target_qu <= MAX_BUDGET_TARGET and share <= MAX_BUDGET_SHARE, errors.BAD_PARAMETER
    )
    log IInsuranceFund.BudgetChanged(
        old_target_qu=self.budget_target,
        new_target_qu=target_qu,
        old_share=self.budget_share,
        new_share=share,
    )
    self.budget_target = target_qu
    self.budget_share = share


@external
def set_drip(period: uint256):
    """
    @notice Changes how long new income drips; what drips already keeps its end. Governance only.
    @dev Reverts NotGovernance, BadParameter.
    @param period Seconds, one hour to 30 days.
    """
    self._check_governance()
    errors._require(period >= MIN_DRIP and period <= MAX_DRIP, errors.BAD_PARAMETER)
    self._sync()  # income that came before drips by the old period
    log IInsuranceFund.DripChanged(old_period=self.drip_period, new_period=period)
    self.drip_period = period


@external
def set_cooldown(cooldown: uint256, window: uint256):
    """
    @notice Changes the cooldown and window of later requests. Governance only.
    @dev Reverts NotGovernance, BadParameter.
    @param cooldown Seconds, one to 30 days.
    @param window Seconds, one to 14 days.
    """
    self._check_governance()
    errors._require(
        cooldown >= MIN_COOLDOWN
        and cooldown <= MAX_COOLDOWN
        and window >= MIN_EXIT
        and window <= MAX_EXIT,
        errors.BAD_PARAMETER,
    )
    log IInsuranceFund.CooldownChanged(
        old_cooldown=self.cooldown,
        new_cooldown=cooldown,
        old_window=self.exit_window,
        new_window=window,
    )
    self.cooldown = cooldown
    self.exit_window = window


@external
def set_auction(auction: address):
    """
    @notice Names who may draw. Governance only, behind the timelock's delay.
    @dev Reverts NotGovernance.
    @param auction The auction; the zero address: nobody.
    """
    self._check_governance()
    terms: uint256 = self._payout_terms
    log IInsuranceFund.AuctionChanged(old=convert(terms & M160, address), new=auction)
    self._payout_terms = ((terms >> 160) << 160) | convert(auction, uint256)


# -- shares --


@internal
def _enter(assets: uint256, shares: uint256, total: uint256, receiver: address):
    """
    @notice Takes assets in and mints shares.
    @param assets Token units.
    @param shares 1e-12 shares.
    @param total Assets before, token units.
    @param receiver Who gets the shares.
    """
    errors._require(assets > 0, errors.ZERO_AMOUNT)
    errors._require(shares > 0, errors.NO_SHARES)
    errors._require(receiver != empty(address), errors.NULL_ADDRESS)
    errors._require(assets <= self._room(total), errors.OUT_OF_RANGE)
    word: uint256 = self._drip
    added: uint256 = assets * TOKEN
    errors._require(added <= M96 - (word & M96), errors.OUT_OF_RANGE)
    self._drip = unsafe_add(word, added)  # the low field does not carry, as just checked
    extcall Engine(engine).fund_deposit(msg.sender, assets)
    erc20._mint(receiver, shares)
    log IERC4626.Deposit(sender=msg.sender, owner=receiver, assets=assets, shares=shares)


@internal
def _leave(assets: uint256, shares: uint256, receiver: address, owner: address):
    """
    @notice Burns requested shares and pays assets.
    @param assets Token units.
    @param shares 1e-12 shares.
    @param receiver Who gets the tokens.
    @param owner Whose shares.
    """
    errors._require(assets > 0, errors.ZERO_AMOUNT)
    errors._require(receiver != empty(address), errors.NULL_ADDRESS)
    errors._require(staticcall Engine(engine).pending_deficit() == 0, errors.DEFICIT_OPEN)
    word: uint256 = self._requests[owner]
    errors._require(self._window_open(word), errors.COOLDOWN)
    errors._require(shares <= word & (2**160 - 1), errors.NO_SHARES)
    if msg.sender != owner:
        erc20._spend_allowance(owner, msg.sender, shares)
    # shares <= the low field: it does not borrow from the others.
    self._requests[owner] = unsafe_sub(word, shares)
    erc20._burn(self, shares)
    word = self._drip
    paid: uint256 = assets * TOKEN
    errors._require(paid <= word & M96, errors.OUT_OF_RANGE)
    self._drip = unsafe_sub(word, paid)  # the low field does not borrow, as just checked
    extcall Engine(engine).fund_withdraw(receiver, assets)
    log IERC4626.Withdraw(
        sender=msg.sender, receiver=receiver, owner=owner, assets=assets, shares=shares
    )


@internal
@view
def _redeemable(owner: address) -> uint256:
    """
    @notice Shares an owner may redeem now.
    @param owner The owner.
    @return 1e-12 shares.
    """
    word: uint256 = self._requests[owner]
    if not self._window_open(word) or staticcall Engine(engine).pending_deficit() != 0:
        return 0
    return word & (2**160 - 1)


@internal
@view
def _window_open(request: uint256) -> bool:
    """
    @notice Whether a request's window is open.
    @param request The request's word.
    @return True from its ready time until before its closing time.
    """
    return block.timestamp >= (request >> 160) & (2**40 - 1) and block.timestamp < request >> 200


@internal
@view
def _shares_floor(assets: uint256, total: uint256) -> uint256:
    """
    @notice assets -> shares, rounded down.
    @param assets Token units.
    @param total Assets of the fund, token units.
    @return 1e-12 shares.
    """
    return assets * (erc20.totalSupply + VIRTUAL_SHARES) // (total + 1)


@internal
@view
def _shares_up(assets: uint256, total: uint256) -> uint256:
    """
    @notice assets -> shares, rounded up.
    @param assets Token units.
    @param total Assets of the fund, token units.
    @return 1e-12 shares.
    """
    return (assets * (erc20.totalSupply + VIRTUAL_SHARES) + total) // (total + 1)


@internal
@view
def _assets_floor(shares: uint256, total: uint256) -> uint256:
    """
    @notice shares -> assets, rounded down.
    @param shares 1e-12 shares.
    @param total Assets of the fund, token units.
    @return Token units.
    """
    return shares * (total + 1) // (erc20.totalSupply + VIRTUAL_SHARES)


@internal
@view
def _assets_up(shares: uint256, total: uint256) -> uint256:
    """
    @notice shares -> assets, rounded up.
    @param shares 1e-12 shares.
    @param total Assets of the fund, token units.
    @return Token units.
    """
    supply: uint256 = erc20.totalSupply + VIRTUAL_SHARES
    return (shares * (total + 1) + supply - 1) // supply


@internal
@pure
def _room(total: uint256) -> uint256:
    """
    @notice What may still be put in.
    @param total Assets of the fund, token units.
    @return Token units.
    """
    return self._less(MAX_ASSETS, total)


@internal
@pure
def _less(a: uint256, b: uint256) -> uint256:
    """
    @notice a - b, not below zero.
    @param a Any.
    @param b Any, same unit.
    @return The difference or 0.
    """
    return unsafe_sub(max(a, b), b)  # the larger less b


# -- bucket and drip --


@internal
@view
def _assets_now() -> uint256:
    """
    @notice Assets as a sync would leave them.
    @return Token units, rounded down.
    """
    bucket: uint256 = 0
    locked: uint256 = 0
    end: uint256 = 0
    bucket, locked, end = self._seen_now()
    return (bucket - locked) // TOKEN


@internal
@view
def _seen_now() -> (uint256, uint256, uint256):
    """
    @notice Bucket, undripped income and the drip's end as they stand now. Income unseen so far joins
            what drips, and the end becomes the mean of both ends weighed by amount; a loss eats
            undripped income first.
    @return bucket (qu), locked (qu, rounded up, <= bucket), end (unix s).
    """
    bucket: uint256 = staticcall Engine(engine).fund_balance()
    word: uint256 = self._drip
    known: uint256 = word & M96
    end: uint256 = word >> 224
    locked: uint256 = 0
    left: uint256 = self._less(end, block.timestamp)
    if left != 0:
        # end > now >= start, and left <= end - start
        length: uint256 = end - ((word >> 192) & M32)
        locked = (((word >> 96) & M96) * left + length - 1) // length
    if bucket > known:
        income: uint256 = bucket - known
        weighed: uint256 = locked * left + income * self.drip_period
        locked += income
        end = block.timestamp + (weighed + locked - 1) // locked
    elif bucket < known:
        locked = self._less(locked, known - bucket)
    return bucket, locked, end


@internal
def _sync() -> uint256:
    """
    @notice Books the bucket's changes.
    @return Assets, token units, rounded down.
    """
    bucket: uint256 = 0
    locked: uint256 = 0
    end: uint256 = 0
    bucket, locked, end = self._seen_now()
    word: uint256 = self._drip
    known: uint256 = word & M96
    if bucket > known:
        log IInsuranceFund.IncomeSeen(income_qu=bucket - known, locked_qu=locked, drip_end=end)
    elif bucket < known:
        log IInsuranceFund.LossSeen(loss_qu=known - bucket, locked_qu=locked)
    after: uint256 = self._packed_drip(bucket, locked, end)
    if after != word:
        self._drip = after
    return (bucket - locked) // TOKEN


@internal
@view
def _packed_drip(bucket: uint256, locked: uint256, end: uint256) -> uint256:
    """
    @notice The drip's word as of now. OutOfRange where a field is too narrow.
    @param bucket qu.
    @param locked Undripped, qu; <= bucket.
    @param end Unix s; after now unless nothing is undripped.
    @return See `_drip`.
    """
    errors._require(bucket <= M96 and end <= M32, errors.OUT_OF_RANGE)
    if locked == 0:
        return bucket
    return bucket | (locked << 96) | (block.timestamp << 192) | (end << 224)


# -- caps --


@internal
@pure
def _packed_terms(auction: address, caps: IInsuranceFund.Caps) -> uint256:
    """
    @notice The word that a draw reads. OutOfRange where a field is too narrow.
    @param auction Who may draw.
    @param caps Caps, 1e-4, and their window, seconds.
    @return See `_payout_terms`.
    """
    errors._require(
        max(max(caps.per_event, caps.per_market), caps.per_window) <= M16 and caps.window <= M32,
        errors.OUT_OF_RANGE,
    )
    return (
        convert(auction, uint256)
        | (caps.per_event << 160)
        | (caps.per_window << 176)
        | (caps.per_market << 192)
        | (caps.window << 208)
    )


@internal
@pure
def _caps_of(terms: uint256) -> IInsuranceFund.Caps:
    """
    @notice The caps in the word that a draw reads.
    @param terms See `_payout_terms`.
    @return Caps, 1e-4, and their window, seconds.
    """
    return IInsuranceFund.Caps(
        per_event=(terms >> 160) & M16,
        per_window=(terms >> 176) & M16,
        per_market=(terms >> 192) & M16,
        window=terms >> 208,
    )


@internal
@view
def _window_over(word: uint256, terms: uint256) -> bool:
    """
    @notice Whether the next draw begins a new window.
    @param word See `_window`.
    @param terms See `_payout_terms`.
    @return True before the first draw and after a window's end.
    """
    # Proof: both below 2^48.
    return word == 0 or block.timestamp >= unsafe_add((word >> 32) & M32, terms >> 208)


@internal
@view
def _begun(windows: uint256, bucket: uint256) -> uint256:
    """
    @notice The word of a window that begins now, nothing granted.
    @param windows Begun before, below 2^32 - 1.
    @param bucket qu, below 2^96.
    @return See `_window`.
    """
    # Proof: bounds above; block.timestamp is below 2^32 until 2106, and `draw` refuses it after.
    return unsafe_add(windows, 1) | (block.timestamp << 32) | (bucket << 64)


@internal
@pure
def _grantable(terms: uint256, bucket: uint256, word: uint256, used: uint256) -> uint256:
    """
    @notice The most that one draw may grant in a window.
    @param terms See `_payout_terms`.
    @param bucket The bucket now, qu; below 2^96 as in the engine.
    @param word The window; see `_window`.
    @param used What the market was granted in it, qu.
    @return qu, below the bucket: no cap reaches the whole.
    """
    base: uint256 = (word >> 64) & M96
    # Proof for the unsafe steps: products of 96 and 16 bits; SCALE != 0. The bucket's is checked.
    return min(
        bucket * ((terms >> 160) & M16) // SCALE,
        min(
            self._less(unsafe_div(unsafe_mul(base, (terms >> 176) & M16), SCALE), word >> 160),
            self._less(unsafe_div(unsafe_mul(base, (terms >> 192) & M16), SCALE), used),
        ),
    )


@internal
@view
def _used_by(market: uint256, window_id: uint256) -> uint256:
    """
    @notice What a market was granted in a window.
    @param market The market.
    @param window_id The running window.
    @return qu; 0 where its record is of an older window.
    """
    word: uint256 = self._market_used[market]
    if word >> 128 != window_id:
        return 0
    return word & (2**128 - 1)


@internal
@view
def _check_governance():
    """
    @notice NotGovernance unless the owner calls.
    """
    errors._require(msg.sender == ownable.owner, errors.NOT_GOVERNANCE)
