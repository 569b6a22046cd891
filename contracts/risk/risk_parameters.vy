# pragma version 0.4.3
"""
@title risk_parameters
@license AGPL-3.0-only
@notice Stored values of the standard margin: human-scale parameters per market, the packed hot word
        derived from them, and the ramp that leads open positions from old values to new ones.

        A change of parameters sets the target at once. The values in force for maintenance
        margin stay as they were for GRACE seconds and then move in a straight line, each on its
        own, to the target; a new change starts from the values in force. Initial margin uses the
        stricter of the two, value by value, so new risk meets a tightening at once and a loosening
        late.
@dev Every rounding in an encoding goes up: a stored value is never softer than the one asked for.
"""
from contracts.modules import errors
from contracts.modules import rounding


# "nano" is 1e-9. Sigmas are annualised (365 days).
struct MarketParameters:
    tail: uint256  # nano, multiple of sigma covered by the base rate (k)
    horizon: uint256  # seconds, liquidation horizon (h)
    floor: uint256  # nano of notional, lowest base rate
    cap: uint256  # nano of notional, highest base rate
    size: uint256  # nano of notional at |size| = depth (c_s)
    concentration: uint256  # nano of notional at open interest = depth (c_o)
    depth: uint256  # lots that trade within 2 % of the price (D)
    stressed: uint256  # nano, stressed sigma
    blend: uint256  # nano, weight of the stressed sigma where realised is below it
    forecast: uint256  # nano, sigma set by the steward (0: none)
    initial_multiple: uint256  # nano, IM / (rates of MM with live open interest)
    initial_floor: uint256  # nano of notional, lowest IM
    stale_slope: uint256  # nano per second of price age, relative growth of MM and IM


event RampSet:
    market: indexed(uint256)
    start: uint256  # s, end of the grace period; the values move from here
    end: uint256  # s; equal to start where nothing moves


# Hot word, one per market:
#   0-15    feed id (0: market not listed)
#   16-55   slow root of open interest, isqrt(lots << 24), as of its time
#   56-87   time of the slow root, s
#   88      a ramp is running (see `ramps`)
#   89      the market is closed (see `closed_words` of the margin contract)
#   96-111  slope A of the base rate in sigma, k sqrt(h), 1e-5
#   112-127 slope B under blending, A (1 - blend), 1e-5
#   128-143 level S under blending, A x blend x stressed sigma, 1e-5 of notional
#   144-159 floor, the larger of the floor and A x forecast sigma, 1e-5
#   160-173 cap, 1e-4
#   174-193 size coefficient, float
#   194-213 concentration coefficient, float
#   214-225 initial multiple, 1e-3      226-239 initial floor, 1e-4
#   240-251 stale slope, 1e-6 per s     252-255 zero
# so that r = min(max(A sigma, B sigma + S, floor), cap). Where sigma is above the stressed level,
# B sigma + S is the smaller: this is max(realised, blend, forecast) without branches.
# A float is a 14-bit mantissa and a 6-bit exponent (mantissa << exponent), in 2^-32 of RATE per
# root unit, where RATE is 1e-11 of notional and a root unit is 2^-12 sqrt(lot).
hot: uint256[65536]

# Values a ramp starts from: bits 96-251 as in the hot word | 0-31 start, s | 32-55 duration, s.
ramps: uint256[65536]

# What governance last set, at full width.
stored: HashMap[uint256, MarketParameters]

NANO: constant(uint256) = 10**9
YEAR: constant(uint256) = 365 * 86_400  # s

FEED_MASK: constant(uint256) = 2**16 - 1
ROOT_MASK: constant(uint256) = 2**40 - 1
TIME_MASK: constant(uint256) = 2**32 - 1
STATE_MASK: constant(uint256) = 2**96 - 1  # feed, slow root, its time, flags
FLAGS_MASK: constant(uint256) = 3 << 88
RAMP_FLAG: constant(uint256) = 1 << 88
CLOSED_FLAG: constant(uint256) = 1 << 89
DURATION_MASK: constant(uint256) = 2**24 - 1

# Where each value lies in the hot word: position and width of value i in byte i of these words (a
# constant list would be copied to memory at each use). The floats are numbers 5 and 6.
FIELDS: constant(uint256) = 10
SHIFTS: constant(uint256) = (
    96
    | 112 << 8
    | 128 << 16
    | 144 << 24
    | 160 << 32
    | 174 << 40
    | 194 << 48
    | 214 << 56
    | 226 << 64
    | 240 << 72
)
WIDTHS: constant(uint256) = (
    16
    | 16 << 8
    | 16 << 16
    | 16 << 24
    | 14 << 32
    | 20 << 40
    | 20 << 48
    | 12 << 56
    | 14 << 64
    | 12 << 72
)
A: constant(uint256) = 0
B: constant(uint256) = 1
S: constant(uint256) = 2
FLOOR: constant(uint256) = 3
CAP: constant(uint256) = 4
SIZE: constant(uint256) = 5
CONCENTRATION: constant(uint256) = 6
MULTIPLE: constant(uint256) = 7
INITIAL_FLOOR: constant(uint256) = 8
SLOPE: constant(uint256) = 9
MASK_14: constant(uint256) = 2**14 - 1
MASK_16: constant(uint256) = 2**16 - 1

# Ramps. Speeds are relative to the value a ramp starts from.
GRACE: constant(uint256) = 3600  # s between a change and the first move
RAISE_PER_HOUR: constant(uint256) = 200_000_000  # nano
LOWER_PER_DAY: constant(uint256) = 200_000_000  # nano
MAX_RAMP: constant(uint256) = 30 * 86_400  # s
# A value that rises from nothing counts from an eighth of its goal.
MIN_BASE: constant(uint256) = 8


@internal
@pure
def _pack_float_up(x: uint256) -> uint256:
    """
    @notice Smallest float at or above `x`.
    @param x In 2^-32 RATE per root unit; < 2^77.
    @return Mantissa | exponent << 14.
    """
    mantissa: uint256 = x
    exponent: uint256 = 0
    for i: uint256 in range(63):
        if mantissa <= MASK_14:
            break
        # Halving upwards step by step is halving upwards once.
        mantissa = (mantissa + 1) >> 1
        exponent += 1
    errors._require(mantissa <= MASK_14, errors.JOINT_BOUND)
    return mantissa | exponent << 14


@internal
@pure
def _unpack_float(f: uint256) -> uint256:
    """
    @notice Value of a float.
    @param f Mantissa | exponent << 14; 20 bits.
    @return In 2^-32 RATE per root unit, < 2^77; in a stored word < 2^48, by `_check`.
    """
    return (f & MASK_14) << (f >> 14)


@internal
@pure
def _field_mask(field: uint256) -> uint256:
    """
    @notice The bits of one packed value, in place.
    @param field Number of the value, 0..9.
    """
    # Proof: field <= 9; positions and widths are below 256; a width is at least 1.
    at: uint256 = unsafe_mul(field, 8)
    return ((1 << ((WIDTHS >> at) & 255)) - 1) << ((SHIFTS >> at) & 255)


@internal
@pure
def _value(word: uint256, field: uint256) -> uint256:
    """
    @notice One of the packed values, floats unpacked.
    @param word A hot or ramp word.
    @param field Number of the value, 0..9.
    @return The value in its own unit.
    """
    # Proof: field <= 9.
    raw: uint256 = (word & self._field_mask(field)) >> ((SHIFTS >> unsafe_mul(field, 8)) & 255)
    if field == SIZE or field == CONCENTRATION:
        return self._unpack_float(raw)
    return raw


@internal
@pure
def _packed_up(amount: uint256, field: uint256) -> uint256:
    """
    @notice A value put into its place, floats rounded up; JointBound where it does not fit.
    @param amount The value in its own unit.
    @param field Number of the value, 0..9.
    @return The shifted bits.
    """
    raw: uint256 = amount
    if field == SIZE or field == CONCENTRATION:
        raw = self._pack_float_up(amount)
    at: uint256 = unsafe_mul(field, 8)  # field <= 9
    errors._require(raw >> ((WIDTHS >> at) & 255) == 0, errors.JOINT_BOUND)
    return raw << ((SHIFTS >> at) & 255)


@internal
@pure
def _within(amount: uint256, low: uint256, high: uint256):
    """
    @notice Refuses a parameter outside its hard bounds with BadParameter.
    """
    errors._require(amount >= low and amount <= high, errors.BAD_PARAMETER)


@internal
@pure
def _check(p: MarketParameters):
    """
    @notice Hard bounds of each parameter, then the joint ones.
    @dev BadParameter: one value out of bounds. JointBound: values that contradict each other.
    """
    self._within(p.tail, NANO // 2, 20 * NANO)
    self._within(p.horizon, 60, 7 * 86_400)
    self._within(p.floor, NANO // 1000, 6 * NANO // 10)
    self._within(p.cap, NANO // 1000, 3 * NANO // 2)
    self._within(p.size, 0, 2 * NANO)
    self._within(p.concentration, 0, 2 * NANO)
    self._within(p.depth, 2**20, 2**63 - 1)  # the lower bound keeps the coefficients below 2^48
    self._within(p.stressed, NANO // 100, 16 * NANO)
    self._within(p.blend, 0, NANO)
    self._within(p.forecast, 0, 16 * NANO)
    self._within(p.initial_multiple, NANO, 4 * NANO)
    self._within(p.initial_floor, NANO // 1000, 3 * NANO // 2)
    self._within(p.stale_slope, 0, 4_000_000)
    errors._require(p.cap >= p.floor, errors.JOINT_BOUND)
    errors._require(p.initial_floor >= p.floor, errors.JOINT_BOUND)


@internal
@pure
def _root_coefficient_up(rate: uint256, depth: uint256) -> uint256:
    """
    @notice rate / sqrt(depth) per root unit, rounded up.
    @param rate nano of notional at lots = depth, <= 2e9.
    @param depth lots, 2^20..2^63.
    @return 2^-32 RATE per root unit.
    """
    # rate * 100 (RATE) / (isqrt(depth << 64) / 2^32) / 2^12 * 2^32
    return rounding._div_up((rate * 100) << 52, isqrt(depth << 64))


@internal
@pure
def _encode(p: MarketParameters) -> uint256:
    """
    @notice The packed values of a set of parameters.
    @param p Checked parameters. JointBound where a derived value leaves its room, which says that
             k sqrt(h), alone or times a sigma, is above 65 %.
    @return Bits 96-251 of a hot word.
    """
    # nano, above sqrt(h / year)
    root: uint256 = isqrt(rounding._div_up(p.horizon * 10**18, YEAR)) + 1
    slope: uint256 = p.tail * root  # 1e-18
    lowest: uint256 = max(p.floor * 10**18, slope * p.forecast)  # 1e-27
    return (
        self._packed_up(rounding._div_up(slope, 10**13), A)
        | self._packed_up(rounding._div_up(slope * (NANO - p.blend), 10**22), B)
        | self._packed_up(rounding._div_up(slope * p.blend * p.stressed, 10**31), S)
        | self._packed_up(rounding._div_up(lowest, 10**22), FLOOR)
        | self._packed_up(rounding._div_up(p.cap, 10**5), CAP)
        | self._packed_up(self._root_coefficient_up(p.size, p.depth), SIZE)
        | self._packed_up(self._root_coefficient_up(p.concentration, p.depth), CONCENTRATION)
        | self._packed_up(rounding._div_up(p.initial_multiple, 10**6), MULTIPLE)
        | self._packed_up(rounding._div_up(p.initial_floor, 10**5), INITIAL_FLOOR)
        | self._packed_up(rounding._div_up(p.stale_slope, 10**3), SLOPE)
    )


@internal
@pure
def _between_up(old: uint256, new: uint256, elapsed: uint256, duration: uint256) -> uint256:
    """
    @notice The point on the straight line from `old` to `new`, rounded up.
    @param elapsed s since the start, < duration.
    @param duration s, > 0.
    """
    if new >= old:
        return old + rounding._div_up((new - old) * elapsed, duration)
    return new + rounding._div_up((old - new) * (duration - elapsed), duration)


@internal
@view
def _ramp_over(ramp: uint256) -> bool:
    """
    @notice Whether a ramp has reached its target.
    @param ramp Ramp word.
    """
    return block.timestamp >= (ramp & TIME_MASK) + ((ramp >> 32) & DURATION_MASK)


@internal
@view
def _in_force(target: uint256, ramp: uint256) -> uint256:
    """
    @notice Values in force for maintenance margin now.
    @param target Hot word with the target values.
    @param ramp Ramp word.
    @return Hot word with the same state bits and the values in force.
    """
    if self._ramp_over(ramp):
        return target
    start: uint256 = ramp & TIME_MASK
    duration: uint256 = (ramp >> 32) & DURATION_MASK
    elapsed: uint256 = 0
    if block.timestamp > start:
        elapsed = block.timestamp - start
    word: uint256 = target
    moving: uint256 = (target ^ ramp) & ~STATE_MASK  # bits that differ
    for i: uint256 in range(FIELDS):
        field: uint256 = self._field_mask(i)
        if moving & field == 0:
            continue
        value: uint256 = self._between_up(
            self._value(ramp, i), self._value(target, i), elapsed, duration
        )
        word = word & ~field | self._packed_up(value, i)
    return word


@internal
@pure
def _stricter(a: uint256, b: uint256) -> uint256:
    """
    @notice The larger of each pair of values; state bits of `a`.
    """
    word: uint256 = a
    differing: uint256 = (a ^ b) & ~STATE_MASK
    for i: uint256 in range(FIELDS):
        field: uint256 = self._field_mask(i)
        # Floats do not order like their bits, so values are compared.
        if differing & field != 0 and self._value(a, i) < self._value(b, i):
            word = word & ~field | b & field
    return word


@internal
@pure
def _rise(old: uint256, new: uint256) -> uint256:
    """
    @notice Relative rise of a value, in nano, counted from no less than an eighth of its goal.
    """
    if new <= old:
        return 0
    return rounding._div_up((new - old) * NANO, max(old, rounding._div_up(new, MIN_BASE)))


@internal
@pure
def _fall(old: uint256, new: uint256) -> uint256:
    """
    @notice Relative fall of a value, in nano.
    """
    if new >= old:
        return 0
    return rounding._div_up((old - new) * NANO, old)


@internal
@pure
def _ramp_seconds(old: uint256, new: uint256) -> uint256:
    """
    @notice Length of a ramp: no margin rises by more than RAISE_PER_HOUR or falls by more than
            LOWER_PER_DAY of what it was at the start, MAX_RAMP aside.
    @dev A margin is (max, min and sums of the other values) x age multiplier x, for initial
         margin, multiple. Max, min and sum rise relatively no faster than their fastest part; a
         product of factors on straight lines rises by a(1+c) + c(1+a) at most and falls by the
         sum of their falls.
    """
    rise: uint256 = 0
    fall: uint256 = 0
    for i: uint256 in range(7):
        rise = max(rise, self._rise(self._value(old, i), self._value(new, i)))
        fall = max(fall, self._fall(self._value(old, i), self._value(new, i)))
    # The age multiplier lies between 1 and 2, and moves by the slope's change x 65,535 s at most.
    old_slope: uint256 = self._value(old, SLOPE)
    new_slope: uint256 = self._value(new, SLOPE)
    if new_slope > old_slope:
        age: uint256 = min(NANO, (new_slope - old_slope) * 65_535_000)
        rise = (rise * (NANO + age) + age * (NANO + rise)) // NANO
    else:
        fall += min(NANO // 2, (old_slope - new_slope) * 65_535_000)
    # Initial margin takes the stricter side at once, so only falls count.
    fall += self._fall(self._value(old, MULTIPLE), self._value(new, MULTIPLE))
    fall = max(fall, self._fall(self._value(old, INITIAL_FLOOR), self._value(new, INITIAL_FLOOR)))
    return min(
        max(
            rounding._div_up(rise * 3600, RAISE_PER_HOUR),
            rounding._div_up(fall * 86_400, LOWER_PER_DAY),
        ),
        MAX_RAMP,
    )


@internal
@view
def _maintenance_word(market: uint256, word: uint256) -> uint256:
    """
    @notice Hot word with the values in force; reads the ramp word only where one is running.
    """
    if word & RAMP_FLAG == 0:
        return word
    return self._in_force(word, self.ramps[market])


@internal
def _list(market: uint256, feed: uint256, p: MarketParameters):
    """
    @notice First parameters of a market; no ramp, because nothing is open.
    """
    self._within(market, 0, 65_535)
    self._within(feed, 1, FEED_MASK)
    errors._require(self.hot[market] == 0, errors.ALREADY_LISTED)
    self._check(p)
    self.hot[market] = feed | block.timestamp << 56 | self._encode(p)
    self.stored[market] = p


@internal
def _retarget(market: uint256, p: MarketParameters):
    """
    @notice New target values; the ramp starts from the values in force.
    """
    self._within(market, 0, 65_535)
    word: uint256 = self.hot[market]
    errors._require(word != 0, errors.UNKNOWN_MARKET)
    errors._require(word & CLOSED_FLAG == 0, errors.MARKET_CLOSED)
    self._check(p)
    old: uint256 = self._maintenance_word(market, word)
    new: uint256 = self._encode(p)
    duration: uint256 = self._ramp_seconds(old, new)
    start: uint256 = block.timestamp + GRACE
    word = word & STATE_MASK & ~RAMP_FLAG | new
    if duration > 0:
        word |= RAMP_FLAG
        self.ramps[market] = old & ~STATE_MASK | start | duration << 32
    self.hot[market] = word
    self.stored[market] = p
    log RampSet(market=market, start=start, end=start + duration)
