# pragma version 0.4.3
"""
@title realised_variance
@license AGPL-3.0-only
@notice Exponentially weighted variance of log returns under irregular spacing. One sample's
        annualised variance is clamped at sigma_cap**2, so its return counts as at most
        sigma_cap * sqrt(dt).

        history word
        bits    field     unit
        0-61    variance  1e-16, annualised, full precision
        62-117  price     ticks, of the last sample; 0 before the first
        118-129 lag       s, of the last sample before the price in force: less than spacing
        130-255 the running half hour's sum, slow premium and slow average: settlement_window.vy
"""

from contracts.modules import fixed_point

Q: constant(uint256) = 2**96
MASK_62: constant(uint256) = 2**62 - 1
MASK_56: constant(uint256) = 2**56 - 1
LAG_FIELD: constant(uint256) = (2**12 - 1) << 118
MASK_14: constant(uint256) = 2**14 - 1
MASK_12: constant(uint256) = 2**12 - 1
MASK_11: constant(uint256) = 2**11 - 1
YEAR_SCALE: constant(uint256) = 365 * 86_400 * 10**16  # s per year, in the variance's 1e-16


@internal
@pure
def _variance(history: uint256) -> uint256:
    """
    @notice 1e-12, annualised, rounded down.
    """
    return (history & MASK_62) // 10_000


@internal
@pure
def _pack(variance: uint256, price: uint256, lag: uint256, history: uint256) -> uint256:
    """
    @notice The history word of fields that fit, the others as in `history`.
    """
    return variance | (price << 62) | (lag << 118) | ((history >> 130) << 130)


@internal
@pure
def _sample(
    history: uint256, terms: uint256, price: uint256, last_time: uint256, now: uint256
) -> uint256:
    """
    @notice The history word after an accepted price: within `spacing` of the last sample only the
            lag has grown.
    @param history The word before; before the first sample only the variance is set.
    @param terms The feed's terms word; its fields spacing, variance_tau and sigma_cap are used.
    @param price Ticks, > 0.
    @param last_time Seconds: of the price before.
    @param now Seconds.
    """
    variance: uint256 = history & MASK_62
    last: uint256 = (history >> 62) & MASK_56
    if last == 0:
        return self._pack(variance, price, 0, history)
    # Proof: times are < 2**32 and the last one is not in the future; the lag is < 2**12.
    elapsed: uint256 = unsafe_add(unsafe_sub(now, last_time), (history >> 118) & MASK_12)
    if elapsed < (terms >> 133) & MASK_12:  # spacing, so the lag fits
        return (history & ~LAG_FIELD) | (elapsed << 118)
    # Proof: elapsed < 2**32, tau >= 60 s, so the argument is < 2**128; the weight is <= Q + 1 and
    # at most Q because elapsed >= 1 (spacing >= 1) makes it strictly smaller than Q.
    tau: uint256 = unsafe_mul((terms >> 119) & MASK_14, 60)
    weight: uint256 = fixed_point._exp_neg(unsafe_div(elapsed << 96, tau))
    sampled: uint256 = self._annualised_floor(
        fixed_point._ln_ratio_up(max(price, last), min(price, last)), elapsed
    )
    cap: uint256 = (terms >> 145) & MASK_11
    # Proof: cap < 2**11, so cap**2 * 1e12 < 2**62; variance < 2**62 by the same cap: a product with
    # a weight is < 2**158, and a weighted mean does not exceed its arguments, so the field fits.
    sampled = min(sampled, unsafe_mul(unsafe_mul(cap, cap), 10**12))
    other: uint256 = unsafe_sub(Q, weight)
    variance = unsafe_add(unsafe_mul(variance, weight), unsafe_mul(sampled, other)) >> 96
    return self._pack(variance, price, 0, history)


@internal
@pure
def _annualised_floor(log_return: int256, elapsed: uint256) -> uint256:
    """
    @notice log_return**2 * year / elapsed.
    @param log_return 2**96; |x| < 45 * 2**96.
    @param elapsed Seconds, >= 1.
    @return 1e-16.
    """
    # Proof: the square is < 2**204, shifted < 2**108; YEAR_SCALE < 2**78: the product is < 2**186.
    size: uint256 = convert(abs(log_return), uint256)
    square: uint256 = unsafe_mul(size, size) >> 96
    return unsafe_div(unsafe_mul(square, YEAR_SCALE), elapsed << 96)
