# pragma version 0.4.3
"""
@title cash_interest
@license AGPL-3.0-only
@notice Interest: both indices brought to now at the rate in force, the rate for the time ahead from the
        utilisation, and the cap on cash loans.
"""
from contracts.core import cash
from contracts.interfaces import IMarginEngine
from contracts.modules import errors
from contracts.modules import rounding

uses: cash

RATE_SCALE: constant(uint256) = 10**13  # unit of the borrow rate: 1e-13 per second
MAX_RATE: constant(uint256) = 2**24 - 1  # 1.7e-6 per second, 52 times a year


@internal
@view
def _grown() -> (uint256, uint256, uint256):
    """
    @notice The indices brought to now.
    @return The indices word with both indices and the time updated; debt interest accrued in this step
            (quote units scaled by RAY); how much of it the supply index did not take (same scale).
    """
    w: uint256 = cash.indices
    rate: uint256 = (w >> 224) & (2**24 - 1)
    elapsed: uint256 = unsafe_sub(block.timestamp, (w >> 192) & cash.M32)
    if rate == 0 or elapsed == 0:
        return w, 0, 0
    t: uint256 = cash.totals
    if (t >> 96) & cash.M80 == 0:  # every change of cash ends in `_reprice`: no debt, no rate
        return w, 0, 0
    supply: uint256 = w & cash.M96
    borrow: uint256 = (w >> 96) & cash.M95
    # Proof for the unsafe steps: indices and shares < 2^96, the rate < 2^24, times < 2^32; so the step is below 2^151
    # and, cut to its width, below 2^95, and interest below 2^175.
    # Rounded down: less interest, nobody's loss. The index stops at its width, 2^23-fold growth.
    step: uint256 = min(
        unsafe_div(unsafe_mul(unsafe_mul(borrow, rate), elapsed), RATE_SCALE),
        unsafe_sub(cash.M95, borrow),
    )
    interest: uint256 = unsafe_mul((t >> 96) & cash.M80, step)
    kept: uint256 = interest
    a: uint256 = t & cash.M96
    if a != 0:
        share: uint256 = (cash.rates >> 88) & 65535
        # Rounded down twice; what that leaves of the interest is `kept`. Where more is lent than supplied (money
        # of the fund, paper profit) a share supplied earns no more than one lent pays: the supply index, at most
        # the borrow index in each era, stays so and within its width, and nobody's crumb can run it up.
        gain: uint256 = min(
            unsafe_div(unsafe_div(unsafe_mul(interest, unsafe_sub(10**4, share)), 10**4), a),
            unsafe_div(unsafe_mul(supply, step), borrow),
        )
        supply = unsafe_add(supply, gain)
        kept = unsafe_sub(interest, unsafe_mul(a, gain))
    head: uint256 = (
        supply
        | (unsafe_add(borrow, step) << 96)
        | (w & cash.RECOVERING)
        | ((block.timestamp & cash.M32) << 192)
        | ((w >> 224) << 224)
    )
    return head, interest, kept


@internal
def _accrue() -> uint256:
    """
    @notice Accrues interest up to now and stores it.
    @return The indices word.
    """
    w: uint256 = 0
    interest: uint256 = 0
    kept: uint256 = 0
    w, interest, kept = self._grown()
    if interest != 0:
        self._keep(w, kept)
    return w


@internal
def _keep(w: uint256, kept: uint256):
    """
    @notice Stores an accrual. Cash may have been credited under its indices since `_grown` computed it: `cash._credit`
            writes totals, `_grown` read them before, and the growth is that of the shares of that time.
    @param w The indices word from `_grown`; nothing else wrote it since.
    @param kept What of the interest the supply index did not take, from `_grown`.
    """
    cash.indices = w
    cash._dust(kept)
    log IMarginEngine.InterestAccrued(
        supply_index=w & cash.M96,
        borrow_index=(w >> 96) & cash.M95,
        rate=(w >> 224) & (2**24 - 1),
    )


@internal
def _reprice():
    """
    @notice Sets the borrow rate for the time ahead from the utilisation: a kinked line on
            1 - vault tokens / positive cash, clamped. No borrowers, no rate.
    """
    w: uint256 = cash.indices
    t: uint256 = cash.totals
    rate: uint256 = 0
    if (t >> 96) & cash.M80 != 0:
        p: uint256 = cash.rates
        supplied: uint256 = unsafe_div(unsafe_mul(t & cash.M96, w & cash.M96), cash.RAY)
        # Proof for the unsafe steps here: tokens < 2^64, shares and indices < 2^96, rates < 2^24, shares of one <= 10^4.
        free: uint256 = unsafe_mul(cash.buckets & cash.M64, cash.TOK)
        # Utilisation is rounded up, the rate on it down: less than 1e-13 a second either way.
        used: uint256 = 10**4
        if supplied != 0:
            used = 0
            if free < supplied:
                used = unsafe_sub(10**4, unsafe_div(unsafe_mul(free, 10**4), supplied))
        kink: uint256 = (p >> 72) & 65535
        rate = unsafe_add(
            p & (2**24 - 1),
            unsafe_div(unsafe_mul(min(used, kink), (p >> 24) & (2**24 - 1)), 10**4),
        )
        if used > kink:
            rate = unsafe_add(
                rate,
                unsafe_div(unsafe_mul(unsafe_sub(used, kink), (p >> 48) & (2**24 - 1)), 10**4),
            )
        rate = min(rate, MAX_RATE)
    # The stored time moves with the stored indices: interest up to now was accrued by the caller.
    new: uint256 = (
        (w & (2**192 - 1))
        | ((block.timestamp & cash.M32) << 192)
        | (rate << 224)
        | ((w >> 248) << 248)
    )
    if rate != (w >> 224) & (2**24 - 1):
        cash.indices = new


@internal
@view
def _debt(w: uint256) -> uint256:
    """
    @notice All cash loans, quote units, rounded up.
    """
    # Proof: fields of 80 and 95 bits.
    return rounding._div_up(
        unsafe_mul((cash.totals >> 96) & cash.M80, (w >> 96) & cash.M95), cash.RAY
    )


@internal
@view
def _require_cap(w: uint256):
    """
    @notice Reverts where the cash loans exceed the borrow cap.
    """
    errors._require(self._debt(w) <= ((cash.rates >> 104) & cash.M64) * cash.TOK, errors.BORROW_CAP)
