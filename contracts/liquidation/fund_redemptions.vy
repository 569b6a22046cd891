# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title fund_redemptions
@license AGPL-3.0-only
@notice ERC-4626 from the deposit on: shares wait in escrow, where they go on bearing losses, and
        are redeemed within a window after it; never while a deficit waits for the fund that is
        more than dust, and what is dust counts as paid already. Cooldown and window are counted on
        a clock that stands meanwhile (fund_clock): a deficit costs nobody their window, brings
        nobody nearer to theirs, and leaves the order of the requests as it was.
"""
from ethereum.ercs import IERC4626
from snekmate.tokens import erc20
from contracts.interfaces import IInsuranceFund
from contracts.liquidation import fund_bucket
from contracts.liquidation import fund_clock
from contracts.liquidation import fund_shares
from contracts.liquidation import fund_terms
from contracts.modules import errors
from contracts.modules import rounding
from contracts.modules import saturating

uses: erc20
uses: fund_bucket
uses: fund_clock
uses: fund_shares
uses: fund_terms

SHARES: constant(uint256) = 2**160 - 1  # mask of a request's shares

# owner -> bits 0-159 shares in escrow (1e-12) | 160-199 window opens (s of fund_clock) | 200-239 closes
_requests: HashMap[address, uint256]


@external
def request_redeem(shares: uint256):
    """
    @notice Puts shares of the caller in escrow, where they go on bearing losses, and starts the
            cooldown; shares requested before join it and wait anew. Redeem within the window after
            it, or ask again. Cooldown and window stand still while a deficit holds redemptions up.
    @dev Reverts ZeroAmount, NoShares.
    @param shares 1e-12 shares.
    """
    errors._require(shares > 0, errors.ZERO_AMOUNT)
    errors._require(shares <= erc20.balanceOf[msg.sender], errors.NO_SHARES)
    fund_bucket._observe()
    stood: uint256 = fund_clock._stood()
    ready: uint256 = block.timestamp - stood + fund_terms.cooldown
    closes: uint256 = ready + fund_terms.exit_window
    total: uint256 = (self._requests[msg.sender] & SHARES) + shares
    errors._require(total <= SHARES, errors.OUT_OF_RANGE)
    self._requests[msg.sender] = total | (ready << 160) | (closes << 200)
    erc20._transfer(msg.sender, self, shares)
    log IInsuranceFund.RedeemRequested(
        owner=msg.sender, shares=total, ready=ready + stood, closes=closes + stood
    )


@external
def cancel_request():
    """
    @notice Takes all shares of the caller out of escrow. At any time.
    @dev Reverts NoShares where there are none.
    """
    fund_bucket._observe()
    shares: uint256 = self._requests[msg.sender] & SHARES
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
    @return Shares in escrow (1e-12), unix times its window opens and has closed, as they are if the
            clock runs on from now: later while it stands. Both 0 without a request.
    """
    word: uint256 = self._requests[owner]
    if word == 0:
        return empty(IInsuranceFund.Request)
    stood: uint256 = fund_clock._stood()
    return IInsuranceFund.Request(
        shares=word & SHARES,
        ready=((word >> 160) & (2**40 - 1)) + stood,
        closes=(word >> 200) + stood,
    )


@external
@view
def maxWithdraw(owner: address) -> uint256:
    """
    @notice The most an owner may withdraw now; 0 outside the window or while a deficit
            beyond dust is open.
    @param owner The owner.
    @return Token units, rounded down. The vault may hold less while its tokens are lent.
    """
    return fund_shares._assets_floor(
        self._redeemable(owner), self._less_deficit(fund_bucket._assets_now_floor())
    )


@external
@view
def previewWithdraw(assets: uint256) -> uint256:
    """
    @notice Shares a withdrawal would burn now, its window aside.
    @param assets Token units.
    @return 1e-12 shares, rounded up.
    """
    return fund_shares._shares_up(assets, self._less_deficit(fund_bucket._assets_now_floor()))


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
    total: uint256 = self._less_deficit(fund_bucket._sync())
    shares: uint256 = fund_shares._shares_up(assets, total)
    self._leave(assets, shares, receiver, owner)
    return shares


@external
@view
def maxRedeem(owner: address) -> uint256:
    """
    @notice The most an owner may redeem now; 0 outside the window or while a deficit
            beyond dust is open.
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
    return fund_shares._assets_floor(shares, self._less_deficit(fund_bucket._assets_now_floor()))


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
    assets: uint256 = fund_shares._assets_floor(shares, self._less_deficit(fund_bucket._sync()))
    self._leave(assets, shares, receiver, owner)
    return assets


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
    errors._require(not fund_clock._stands(), errors.DEFICIT_OPEN)  # as the sync just found
    word: uint256 = self._requests[owner]
    errors._require(self._window_open(word), errors.COOLDOWN)
    errors._require(shares <= word & SHARES, errors.NO_SHARES)
    if msg.sender != owner:
        erc20._spend_allowance(owner, msg.sender, shares)
    # shares <= the low field: it does not borrow from the others.
    self._requests[owner] = unsafe_sub(word, shares)
    erc20._burn(self, shares)
    fund_bucket._pay(receiver, assets)
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
    if not self._window_open(word) or fund_bucket._held_up():
        return 0
    return word & SHARES


@internal
@view
def _window_open(request: uint256) -> bool:
    """
    @notice Whether a request's window is open.
    @param request The request's word.
    @return True from its ready time until before its closing time.
    """
    now: uint256 = fund_clock._now()
    return now >= (request >> 160) & (2**40 - 1) and now < request >> 200


@internal
@view
def _less_deficit(total: uint256) -> uint256:
    """
    @notice The assets that redeemed shares are worth a part of: an open deficit counts as paid by
            the fund, all of it, so that nobody leaves it to those who stay.
    @param total Assets, token units.
    @return Token units, rounded down.
    """
    pending: uint256 = staticcall fund_bucket.Engine(fund_bucket.engine).pending_deficit()
    return saturating._less(total, rounding._div_up(pending, fund_bucket.TOKEN))
