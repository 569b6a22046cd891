# pragma version 0.4.3
"""
@title curve
@license AGPL-3.0-only
@notice The auction's parameters in three words, their bounds, and x(t): how much of R a bidder gains on
        the whole account after t seconds of auction clock. Rises from x_start through 1 to x_max.
"""
from contracts.interfaces import ILiquidationAuction
from contracts.modules import errors

# Word 0, the curve:
#   0-31 x_start | 32-63 x_mid | 64-95 x_max, uint32, nano of R
#   96-119 t_mid | 120-143 t_one | 144-167 t_end, uint24, seconds of auction clock
#   168-191 resume, uint24, seconds | 192-207 max_step, uint16, seconds | 208-231 fade, uint24, seconds
#   232-255 min_lots, uint24, lots
# Word 1, the terms:
#   0-31 buffer | 32-63 fee, uint32, nano of R | 64-79 keeper_share, uint16, 1e-4
#   80-119 start_flat | 120-159 exec_flat, uint40, quote token units
#   160-183 start_share | 184-207 exec_share, uint24, nano of R
#   208-247 min_requirement, uint40, quote token units | 248-255 priority, uint8, seconds
# Word 2, the last resort, and what comes before the auction:
#   0-31 charge_cap, uint32, nano of the mark | 32-63 charge_window, uint32, seconds
#   64-79 social_share, uint16, 1e-4
#   80-111 pre_band | 112-143 pre_premium | 144-175 pre_fee, uint32, nano of R
#   176-191 pre_cap, uint16, 1e-4 of an account | 192-223 intent_margin, uint32, nano of R

NANO: constant(uint256) = 10**9
M24: constant(uint256) = 2**24 - 1
M32: constant(uint256) = 2**32 - 1
TOK: constant(uint256) = 10**9  # qu of a quote token unit

# 2 % of R a second: nobody's connection decides who gets the account, and x needs 50 s to reach 1.
MAX_SLOPE: constant(uint256) = 20_000_000
# A day: an account nobody wants is not left waiting longer for its deleveraging.
MAX_TIME: constant(uint256) = 86_400
MAX_X: constant(uint256) = 2 * 10**9  # the fund never pays a bonus over R
# The first bids must leave the owner something even where E is just under R.
MAX_OPENING: constant(uint256) = 900_000_000
MAX_FEE: constant(uint256) = 100_000_000  # 10 % of the sold R
MIN_BUFFER: constant(uint256) = 10_000_000  # 1 %: below it a tick would restart the auction
MAX_BUFFER: constant(uint256) = 1_000_000_000
# Under a thousand lots the rounding of one lot alone is over 0.1 % of a leg and sizing misses its mark.
MIN_LOTS: constant(uint256) = 1_000
MIN_STEP: constant(uint256) = 12  # seconds, one block where blocks are slow
MIN_TIME: constant(uint256) = 60
MAX_RESUME: constant(uint256) = 604_800
# All pay of one slice is at most half a per cent of the R sold: with R under a fifth of the notional that
# is 0.1 % of the notional, what a pair that farms it pays in taker fees of 0.05 % a side to open.
MAX_INCENTIVE: constant(uint256) = 5_000_000
MAX_CHARGE: constant(uint256) = 100_000_000  # 10 % of the mark per window
MAX_SOCIAL: constant(uint256) = 9_000  # the supply index never reaches zero
# Free initial margin per R: at least R itself, for R_init of what is taken; at most what fits its field.
MIN_INTENT_MARGIN: constant(uint256) = 10**9
MAX_INTENT_MARGIN: constant(uint256) = 4 * 10**9
MAX_PRE_CAP: constant(uint256) = 5_000  # an hour leaves the owner at least half of what it had


@internal
@pure
def _field(word: uint256, low: uint256, bits: uint256) -> uint256:
    """
    @notice `bits` bits of a word from bit `low` up.
    """
    span: uint256 = 1 << bits
    # Proof: bits <= 48 in every use, so span > 0.
    return (word >> low) & unsafe_sub(span, 1)


@internal
@pure
def _x(word: uint256, elapsed: uint256) -> uint256:
    """
    @notice x(t), rounded down (a bidder's gain).
    @param word Word 0 of a stored curve.
    @param elapsed Seconds of auction clock; beyond t_end x stays at x_max.
    @return Nano of R.
    """
    # Proof for the unsafe sums below: a stored curve has x0 <= x1 < 2^32 and t0 <= elapsed < t1 < 2^24, so
    # every product is under 2^56 and no difference is negative, or zero where it divides.
    t0: uint256 = 0
    # `_field` in place: this is asked of every call.
    t1: uint256 = (word >> 96) & M24
    x0: uint256 = word & M32
    x1: uint256 = (word >> 32) & M32
    if elapsed >= t1:
        t0 = t1
        x0 = x1
        t1 = (word >> 120) & M24
        x1 = NANO
        if elapsed >= t1:
            t0 = t1
            x0 = x1
            t1 = (word >> 144) & M24
            x1 = (word >> 64) & M32
            if elapsed >= t1:
                return x1
    return unsafe_add(
        x0,
        unsafe_div(unsafe_mul(unsafe_sub(x1, x0), unsafe_sub(elapsed, t0)), unsafe_sub(t1, t0)),
    )


@internal
@pure
def _collateral_price(word: uint256, elapsed: uint256) -> uint256:
    """
    @notice Share of its haircut value a buyer pays for collateral in a deleveraging: all of it up to
            t_end, then linearly to nothing over `fade` seconds, so that the last step always completes.
    @param word Word 0 of a stored curve.
    @param elapsed Seconds of auction clock.
    @return 1e-4, rounded up.
    """
    t_end: uint256 = self._field(word, 144, 24)
    fade: uint256 = self._field(word, 208, 24)
    if elapsed <= t_end:
        return 10_000
    over: uint256 = unsafe_sub(elapsed, t_end)  # Proof: elapsed > t_end.
    if over >= fade:
        return 0
    # Proof: 0 < over < fade < 2^24; the numerator is positive.
    return unsafe_add(
        unsafe_div(unsafe_sub(unsafe_mul(10_000, unsafe_sub(fade, over)), 1), fade), 1
    )


@internal
@pure
def _check_piece(x0: uint256, x1: uint256, t0: uint256, t1: uint256):
    """
    @notice One linear piece: time runs, x rises by at least a nano and at most MAX_SLOPE a second.
    """
    errors._require(t1 > t0 and x1 >= x0, errors.BAD_CURVE)
    errors._require(x1 - x0 >= t1 - t0 and x1 - x0 <= MAX_SLOPE * (t1 - t0), errors.BAD_CURVE)


@internal
@pure
def _check(c: ILiquidationAuction.Curve):
    """
    @notice Refuses (BadCurve) whatever would brick auctions, give accounts away or pay farmers.
    @param c The candidate.
    """
    # The curve: starts under 1, passes 1, ends; strictly rising with a bounded slope. Only the last
    # piece may be flat, where no bonus is wanted.
    errors._require(
        c.x_mid < NANO and c.x_max >= NANO and c.x_max <= MAX_X and c.t_end <= MAX_TIME,
        errors.BAD_CURVE,
    )
    self._check_piece(c.x_start, c.x_mid, 0, c.t_mid)
    self._check_piece(c.x_mid, NANO, c.t_mid, c.t_one)
    if c.x_max > NANO:
        self._check_piece(NANO, c.x_max, c.t_one, c.t_end)
    errors._require(c.t_end > c.t_one, errors.BAD_CURVE)
    # The clock: an interval nobody synced adds at most a quarter of the way to x = 1.
    errors._require(c.max_step >= MIN_STEP and c.max_step <= c.t_one // 4, errors.BAD_CURVE)
    errors._require(
        c.resume >= MIN_TIME
        and c.resume <= MAX_RESUME
        and c.fade >= MIN_TIME
        and c.fade <= MAX_TIME,
        errors.BAD_CURVE,
    )
    # The slice.
    errors._require(
        c.min_lots >= MIN_LOTS
        and c.min_lots < 2**24
        and c.buffer >= MIN_BUFFER
        and c.buffer <= MAX_BUFFER,
        errors.BAD_CURVE,
    )
    errors._require(
        c.fee <= MAX_FEE and c.x_start + c.fee <= MAX_OPENING and c.keeper_share <= 10_000,
        errors.BAD_CURVE,
    )
    self._check_pay(c)
    # Before the auction: back to no more than its target, and no worse for the owner than its first bid.
    errors._require(
        c.pre_band <= c.buffer
        and c.pre_premium <= c.x_start
        and c.pre_fee <= c.fee
        and c.pre_cap <= MAX_PRE_CAP
        and (c.pre_cap > 0 or c.pre_band == 0),
        errors.BAD_CURVE,
    )
    # Intents: their window is short, and x has not come far in it.
    errors._require(
        c.priority < 2**8
        and c.priority <= c.t_mid
        and c.intent_margin >= MIN_INTENT_MARGIN
        and c.intent_margin <= MAX_INTENT_MARGIN,
        errors.BAD_CURVE,
    )
    # The last resort.
    errors._require(
        c.charge_cap > 0
        and c.charge_cap <= MAX_CHARGE
        and c.charge_window >= MIN_TIME
        and c.charge_window <= MAX_RESUME
        and c.social_share <= MAX_SOCIAL,
        errors.BAD_CURVE,
    )


@internal
@pure
def _check_pay(c: ILiquidationAuction.Curve):
    """
    @notice All pay of a slice of the smallest paid size is under the keepers' part of its penalty and
            under MAX_INCENTIVE. Larger slices earn less per R, since only the flat part is fixed.
    """
    errors._require(
        c.start_flat < 2**40
        and c.exec_flat < 2**40
        and c.start_share < 2**24
        and c.exec_share < 2**24
        and c.min_requirement < 2**40,
        errors.BAD_CURVE,
    )
    pay: uint256 = (
        (c.start_flat + c.exec_flat) * NANO + (c.start_share + c.exec_share) * c.min_requirement
    )
    if c.start_flat + c.exec_flat + c.start_share + c.exec_share != 0:
        errors._require(
            pay < c.fee * c.keeper_share * c.min_requirement // 10_000, errors.BAD_CURVE
        )
        errors._require(pay <= MAX_INCENTIVE * c.min_requirement, errors.BAD_CURVE)


@internal
@pure
def _pack(c: ILiquidationAuction.Curve) -> uint256[3]:
    """
    @notice The three words of a checked curve; `_check` bounds every field below its width.
    """
    return [
        c.x_start
        | (c.x_mid << 32)
        | (c.x_max << 64)
        | (c.t_mid << 96)
        | (c.t_one << 120)
        | (c.t_end << 144)
        | (c.resume << 168)
        | (c.max_step << 192)
        | (c.fade << 208)
        | (c.min_lots << 232),
        c.buffer
        | (c.fee << 32)
        | (c.keeper_share << 64)
        | (c.start_flat << 80)
        | (c.exec_flat << 120)
        | (c.start_share << 160)
        | (c.exec_share << 184)
        | (c.min_requirement << 208)
        | (c.priority << 248),
        c.charge_cap
        | (c.charge_window << 32)
        | (c.social_share << 64)
        | (c.pre_band << 80)
        | (c.pre_premium << 112)
        | (c.pre_fee << 144)
        | (c.pre_cap << 176)
        | (c.intent_margin << 192),
    ]


@internal
@pure
def _unpack(w: uint256[3]) -> ILiquidationAuction.Curve:
    """
    @notice Inverse of `_pack`.
    """
    return ILiquidationAuction.Curve(
        x_start=self._field(w[0], 0, 32),
        x_mid=self._field(w[0], 32, 32),
        x_max=self._field(w[0], 64, 32),
        t_mid=self._field(w[0], 96, 24),
        t_one=self._field(w[0], 120, 24),
        t_end=self._field(w[0], 144, 24),
        resume=self._field(w[0], 168, 24),
        max_step=self._field(w[0], 192, 16),
        fade=self._field(w[0], 208, 24),
        min_lots=self._field(w[0], 232, 24),
        buffer=self._field(w[1], 0, 32),
        fee=self._field(w[1], 32, 32),
        keeper_share=self._field(w[1], 64, 16),
        start_flat=self._field(w[1], 80, 40),
        start_share=self._field(w[1], 160, 24),
        exec_flat=self._field(w[1], 120, 40),
        exec_share=self._field(w[1], 184, 24),
        min_requirement=self._field(w[1], 208, 40),
        charge_cap=self._field(w[2], 0, 32),
        charge_window=self._field(w[2], 32, 32),
        social_share=self._field(w[2], 64, 16),
        pre_band=self._field(w[2], 80, 32),
        pre_premium=self._field(w[2], 112, 32),
        pre_fee=self._field(w[2], 144, 32),
        pre_cap=self._field(w[2], 176, 16),
        priority=self._field(w[1], 248, 8),
        intent_margin=self._field(w[2], 192, 32),
    )
