# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title fund_terms
@license AGPL-3.0-only
@notice What governance sets of the insurance fund, and within which bounds: who draws and up to
        which caps, what keepers get, how income drips and how long a redemption waits. The parts
        that act on these terms read them here; set_drip and set_tolerance are in fund_bucket: the one
        books the drip first, the other lets the clock of redemptions look.
"""
from contracts.interfaces import IInsuranceFund
from contracts.modules import errors
from contracts.modules import governed

uses: governed

MAX_CAP: constant(uint256) = 9_000  # 1e-4; no window may empty the fund
MIN_WINDOW: constant(uint256) = 3_600  # s
MAX_WINDOW: constant(uint256) = 30 * 86_400  # s
MAX_BUDGET_SHARE: constant(uint256) = 2_000  # 1e-4 of the bucket a day
MAX_BUDGET_TARGET: constant(uint256) = 10**6 * 10**15  # qu, a million USD for keepers at once
MIN_DRIP: constant(uint256) = 3_600  # s; shorter could be bought in front of
MAX_DRIP: constant(uint256) = 30 * 86_400  # s
MIN_COOLDOWN: constant(uint256) = 86_400  # s; longer than an auction runs
MAX_COOLDOWN: constant(uint256) = 30 * 86_400  # s
MIN_EXIT: constant(uint256) = 86_400  # s; a window shorter than a day is a trap
MAX_EXIT: constant(uint256) = 14 * 86_400  # s; one too long is an exit at will
MAX_TOLERANCE: constant(uint256) = 200  # 1e-4 of the bucket; a deficit beyond that is no dust
M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
M160: constant(uint256) = 2**160 - 1

# What a draw reads: auction address | caps of an event uint16 << 160, of a window uint16 << 176 and
# of a market uint16 << 192 (1e-4, at most 9,000) | the caps' window uint32 << 208 (s, to 30 days)
_payout_terms: uint256
# qu; the keepers' bucket is filled up to it
budget_target: public(uint256)
# 1e-4 of the bucket that may go to keepers in a day
budget_share: public(uint256)
# seconds over which new income drips in
drip_period: public(uint256)
# seconds of the redemptions' clock from a request to its window
cooldown: public(uint256)
# seconds of that clock that the window stays open
exit_window: public(uint256)
# 1e-4 of the bucket; redemptions wait, and their clock stands, while a larger deficit is open
deficit_tolerance: public(uint256)


@deploy
def __init__(auction_: address):
    """
    @notice The terms InsuranceFund names at its own deployment.
    @param auction_ Who may draw; the zero address: nobody.
    """
    self._payout_terms = self._packed_terms(
        auction_,
        IInsuranceFund.Caps(per_event=5_000, per_window=8_000, per_market=6_000, window=86_400),
    )
    self.budget_target = 10_000 * 10**15
    self.budget_share = 500
    self.drip_period = 7 * 86_400
    self.cooldown = 7 * 86_400
    self.exit_window = 2 * 86_400
    self.deficit_tolerance = 50


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


@external
def set_caps(caps: IInsuranceFund.Caps):
    """
    @notice Changes the payout caps; what the running window has granted stays counted. Governance
            only.
    @dev Reverts NotGovernance, BadParameter (a share not in 1..9_000, a window not of 1 hour to 30
         days), JointBound (event or market above the window's).
    @param caps The caps, 1e-4, and their window, seconds.
    """
    governed._check_governance()
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
def set_auction(auction: address):
    """
    @notice Names who may draw. Governance only, behind the timelock's delay.
    @dev Reverts NotGovernance.
    @param auction The auction; the zero address: nobody.
    """
    governed._check_governance()
    terms: uint256 = self._payout_terms
    log IInsuranceFund.AuctionChanged(old=convert(terms & M160, address), new=auction)
    self._payout_terms = ((terms >> 160) << 160) | convert(auction, uint256)


@external
def set_budget(target_qu: uint256, share: uint256):
    """
    @notice Changes the rule that fills the keepers' bucket. Governance only.
    @dev Reverts NotGovernance, BadParameter.
    @param target_qu qu it is filled up to, at most a million USD; 0 stops it.
    @param share 1e-4 of the fund a day, at most 2_000.
    """
    governed._check_governance()
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
def set_cooldown(cooldown: uint256, window: uint256):
    """
    @notice Changes the cooldown and window of later requests. Governance only.
    @dev Reverts NotGovernance, BadParameter.
    @param cooldown Seconds, one to 30 days.
    @param window Seconds, one to 14 days.
    """
    governed._check_governance()
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


@internal
def _set_tolerance(share: uint256):
    """
    @notice Changes the open deficit up to which redemptions go on. The caller has checked governance
            and has the clock of redemptions look afterwards.
    @param share 1e-4 of the bucket, at most 200, else BadParameter.
    """
    errors._require(share <= MAX_TOLERANCE, errors.BAD_PARAMETER)
    log IInsuranceFund.ToleranceChanged(old_share=self.deficit_tolerance, new_share=share)
    self.deficit_tolerance = share


@internal
def _set_drip(period: uint256):
    """
    @notice Changes how long later income drips. The caller has checked governance and has booked
            what came before.
    @param period Seconds, one hour to 30 days, else BadParameter.
    """
    errors._require(period >= MIN_DRIP and period <= MAX_DRIP, errors.BAD_PARAMETER)
    log IInsuranceFund.DripChanged(old_period=self.drip_period, new_period=period)
    self.drip_period = period


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
