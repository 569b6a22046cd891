# pragma version 0.4.3
"""
@title withdrawal_escrow
@license AGPL-3.0-only
@notice Losses known before they are recognised: the deficits noted of accounts in auction, and, while the
        fund may not cover them, withdrawals that wait in escrow and bear their share.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import socialised_loss
from contracts.interfaces import IMarginEngine
from contracts.modules import errors
from contracts.modules import rounding

uses: cash
uses: socialised_loss


@internal
def _note(account: uint256, deficit: uint256):
    """
    @notice Keeps the sum of negative equities last observed of accounts in auction.
    @param account The account.
    @param deficit Its negative equity now, quote units; 0 clears it.
    """
    old: uint256 = cash.deficit_of[account]
    if old == deficit:
        return
    cash.deficit_of[account] = deficit
    d: uint256 = cash.deficits
    total: uint256 = (d & cash.M96) + deficit - old
    errors._require(total <= cash.M96, errors.OUT_OF_RANGE)
    cash.deficits = ((d >> 96) << 96) | total
    log IMarginEngine.DeficitNoted(account=account, deficit=deficit, total=total)


@internal
@view
def _excess() -> uint256:
    """
    @notice Pending deficits beyond half of the fund, quote units. No more counts: its caps keep it from paying
            all it has at once, and what it may not pay others will.
    """
    pending: uint256 = cash.deficits & cash.M96
    if pending == 0:
        return 0
    return pending - min(pending, cash._fund() // 2)


@internal
def _escrow(
    account: uint256, head: int256, w: uint256, amount: uint256, excess: uint256
) -> (int256, uint256):
    """
    @notice A withdrawal while a known loss has no payer yet: shares worth the amount go to escrow, where they
            bear the loss, and the account gets an advance less its share of the excess.
    @param amount Token units asked.
    @param excess Deficits beyond half of the fund, quote units.
    @return The account's head; token units to pay now.
    """
    asked: uint256 = amount * cash.TOK
    errors._require(cash._value(head, w) >= convert(asked, int256), errors.INSUFFICIENT_CASH)
    supply: uint256 = w & cash.M96
    all: uint256 = cash._supplied(w)
    held_back: uint256 = rounding._div_up(asked * min(excess, all), all)
    # Both round down: the account is paid whole tokens, and keeps what a share less is worth.
    paid: uint256 = (asked - held_back) // cash.TOK
    shares: uint256 = asked * cash.RAY // supply
    mine: uint256 = cash._scaled(head, w)[1]
    errors._require(paid != 0 and shares != 0, errors.INSUFFICIENT_CASH)
    # Proof: what is asked is at most the account's cash, and that and the shares are below 2^96.
    cash.escrow[account] = (
        shares | ((paid * cash.TOK) << 96) | ((w >> 248) << 192) | (amount << 200)
    )
    d: uint256 = cash.deficits
    cash.deficits = (d & (cash.M96 | (cash.M64 << 192))) | (
        (((d >> 96) & cash.M96) + paid * cash.TOK) << 96
    )
    log IMarginEngine.Escrowed(account=account, shares=shares, advance=paid * cash.TOK)
    return accounts._with_shares(
        head, convert(mine - shares, int256), convert(w >> 248, int256)
    ), paid


@internal
def _release(account: uint256, head: int256, w: uint256) -> int256:
    """
    @notice Settles an escrow: its shares' value, at most what was asked, less the advance goes back to the account's
            cash; where the shares lost more than was held back, the shortfall is socialised. What they earned beyond
            what was asked, most of it on money already paid out, is income.
    @return The account's head.
    """
    e: uint256 = cash.escrow[account]
    errors._require(e != 0, errors.NO_ESCROW)
    errors._require(self._excess() == 0, errors.ESCROW_LOCKED)
    cash.escrow[account] = 0
    shares: uint256 = cash._across(e & cash.M96, (e >> 192) & 255, w >> 248)
    advance: uint256 = (e >> 96) & cash.M96
    scaled: uint256 = shares * (w & cash.M96)
    value: uint256 = scaled // cash.RAY
    t: uint256 = cash.totals
    cash.totals = t - shares  # the shares are in A, the low field
    cash._dust(scaled - value * cash.RAY)
    asked: uint256 = (e >> 200) * cash.TOK
    if value > asked:
        cash._to_fund(value - asked)
        value = asked
    d: uint256 = cash.deficits
    cash.deficits = (d & (cash.M96 | (cash.M64 << 192))) | (
        (((d >> 96) & cash.M96) - advance) << 96
    )
    paid: uint256 = value - min(value, advance)
    short: uint256 = advance - min(value, advance)
    h: int256 = cash._credit(head, w, convert(paid, int256))
    socialised_loss._socialise(w, short)
    log IMarginEngine.Released(account=account, paid=paid, shortfall=short)
    return h
