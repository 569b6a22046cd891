# pragma version 0.4.3
"""
@title svi_slice
@license AGPL-3.0-only
@notice A raw SVI slice of total variance in one word, and what is asked of it.

        w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)),  k = ln(strike / forward)

        curve word (all but the time in 1e-12)
        bits    field   range
        0-47    a       signed, |a| < 2**47 (140)
        48-89   b       < 2**42 (4.39)
        90-131  rho     signed, |rho| < 1
        132-175 m       signed, |m| < 2**43 (8.79)
        176-218 sigma   0 < sigma < 2**43 (8.79)
        219-250 time    s, of the report; 0 only where there is no slice

        Integers only, so that plimsoll.model.surfaces gives the same bits. The square root is taken
        with 24 digits, so w is within 1e-12 and a few 1e-24 below its exact value.
"""

from contracts.modules import errors

ONE: constant(int256) = 10**12
ROOT_ONE: constant(int256) = 10**24  # one in roots, slopes and curvatures
MAX_LOG_MONEYNESS: constant(int256) = 8 * 10**12  # 1e-12: strikes from 1/2981 to 2981 forwards

# Strikes at which slices are compared and checked: a slice at a price of 22 % to 448 % of the
# forward. Between and beyond them nothing is promised.
STRIKE_COUNT: constant(uint256) = 9
AT_THE_MONEY: constant(uint256) = 4  # place of k = 0
STRIKES: constant(int256[9]) = [
    -1_500_000_000_000, -750_000_000_000, -350_000_000_000, -150_000_000_000,
    0,
    150_000_000_000,
    350_000_000_000,
    750_000_000_000,
    1_500_000_000_000,
]


struct Curve:
    a: int256  # 1e-12, |a| < 2**47
    b: int256  # 1e-12, 0 <= b < 2**42
    rho: int256  # 1e-12, |rho| < 1e12
    m: int256  # 1e-12, |m| < 2**43
    sigma: int256  # 1e-12, 0 < sigma < 2**43


@internal
@pure
def _pack(a: int256, b: uint256, rho: int256, m: int256, sigma: uint256, time: uint256) -> uint256:
    """
    @notice Checks the parameters and packs them. Reverts OutOfRange where one does not fit its
            field, BadSlice unless |rho| < 1 and sigma > 0.
    @param a 1e-12, any value.
    @param b 1e-12, any value.
    @param rho 1e-12, any value.
    @param m 1e-12, any value.
    @param sigma 1e-12, any value.
    @param time Seconds, below 2**32, above 0.
    """
    errors._require(
        a < 2**47
        and a > -(2**47)
        and b < 2**42
        and m < 2**43
        and m > -(2**43)
        and sigma < 2**43,
        errors.OUT_OF_RANGE,
    )
    errors._require(rho < ONE and rho > -ONE and sigma != 0, errors.BAD_SLICE)
    return (
        (convert(convert(a, bytes32), uint256) & (2**48 - 1))
        | (b << 48)
        | ((convert(convert(rho, bytes32), uint256) & (2**42 - 1)) << 90)
        | ((convert(convert(m, bytes32), uint256) & (2**44 - 1)) << 132)
        | (sigma << 176)
        | (time << 219)
    )


@internal
@pure
def _curve(word: uint256) -> Curve:
    """
    @notice The parameters in a curve word.
    """
    # Proof: each signed field's sign bit goes to bit 255, the arithmetic shift extends it.
    return Curve(
        a=convert(convert(word << 208, bytes32), int256) >> 208,
        b=convert((word >> 48) & (2**42 - 1), int256),
        rho=convert(convert(word << 124, bytes32), int256) >> 214,
        m=convert(convert(word << 80, bytes32), int256) >> 212,
        sigma=convert((word >> 176) & (2**43 - 1), int256),
    )


@internal
@pure
def _time(word: uint256) -> uint256:
    """
    @notice Time of the report, s; 0 where there is no slice.
    """
    return (word >> 219) & (2**32 - 1)


@internal
@pure
def _root_floor(square: int256) -> int256:
    """
    @notice Square root of (k - m)^2 + sigma^2.
    @param square 1e-24, in [1, 2**90).
    @return 1e-24, in [1e12, 2**85), rounded down.
    """
    # Proof: square * 1e24 < 2**170.
    return convert(isqrt(convert(unsafe_mul(square, ROOT_ONE), uint256)), int256)


@internal
@pure
def _total_variance_floor(c: Curve, k: int256) -> int256:
    """
    @notice w(k); not negative where the slice's lowest total variance is not, but for -1.
    @param c The parameters.
    @param k 1e-12, |k| <= MAX_LOG_MONEYNESS.
    @return 1e-12, |w| < 2**90, rounded down.
    """
    # Proof: |y| < 2**43 + 2**43 = 2**44; the square is < 2**88 + 2**86; |rho y| < 2**84 and the
    # root is < 2**85, so b times their sum is < 2**128. The root is at least |y| * 1e12 > |rho y|,
    # so the sum is positive and the division rounds down.
    y: int256 = unsafe_sub(k, c.m)
    square: int256 = unsafe_add(unsafe_mul(y, y), unsafe_mul(c.sigma, c.sigma))
    rise: int256 = unsafe_add(unsafe_mul(c.rho, y), self._root_floor(square))
    return unsafe_add(c.a, unsafe_div(unsafe_mul(c.b, rise), ROOT_ONE))


@internal
@pure
def _lowest_floor(c: Curve) -> int256:
    """
    @notice The slice's lowest total variance, a + b sigma sqrt(1 - rho^2).
    @return 1e-12, < 2**50 in size, rounded down.
    """
    # Proof: |rho| < 1e12, so the root is in [1e6, 1e12]; b * sigma < 2**85, times 2**40 < 2**125.
    slack: int256 = unsafe_sub(ROOT_ONE, unsafe_mul(c.rho, c.rho))
    root: int256 = convert(isqrt(convert(slack, uint256)), int256)
    rise: int256 = unsafe_mul(unsafe_mul(c.b, c.sigma), root)
    return unsafe_add(c.a, unsafe_div(rise, ROOT_ONE))


@internal
@pure
def _grid(word: uint256) -> int256[9]:
    """
    @notice w at STRIKES.
    @param word The curve word.
    @return 1e-12, rounded down.
    """
    c: Curve = self._curve(word)
    grid: int256[9] = empty(int256[9])
    place: uint256 = 0
    for k: int256 in STRIKES:
        grid[place] = self._total_variance_floor(c, k)
        place = unsafe_add(place, 1)  # at most 9
    return grid


@internal
@pure
def _checked_grid(c: Curve) -> int256[9]:
    """
    @notice w at STRIKES. Reverts VarianceBounds where one is not above 0, ButterflyArbitrage where
            the density of the price at the expiry is negative at one.
    @param c The parameters.
    @return 1e-12, rounded down.
    """
    grid: int256[9] = empty(int256[9])
    place: uint256 = 0
    for k: int256 in STRIKES:
        # Proof: as in _total_variance_floor.
        y: int256 = unsafe_sub(k, c.m)
        spread: int256 = unsafe_mul(c.sigma, c.sigma)
        square: int256 = unsafe_add(unsafe_mul(y, y), spread)
        root: int256 = self._root_floor(square)
        rise: int256 = unsafe_add(unsafe_mul(c.rho, y), root)
        w: int256 = unsafe_add(c.a, unsafe_div(unsafe_mul(c.b, rise), ROOT_ONE))
        errors._require(w >= 1, errors.VARIANCE_BOUNDS)
        # w' = b (rho + y / root) and w'' = b sigma^2 / root^3, both 1e-24, rounded to zero.
        # Proof: |y| * 1e36 < 2**164; |y / root| <= 1, so |w'| < 2**43 * 2**81 / 1e12 < 2**85;
        # b sigma^2 * 1e36 < 2**248; square * root is < 2**175 and at least sigma^3 * 1e12, so
        # w'' <= b / sigma < 2**122.
        lean: int256 = unsafe_add(unsafe_mul(c.rho, ONE), unsafe_div(unsafe_mul(y, 10**36), root))
        slope: int256 = unsafe_div(unsafe_mul(c.b, lean), ONE)
        curvature: int256 = unsafe_div(
            unsafe_mul(unsafe_mul(c.b, spread), 10**36), unsafe_mul(square, root)
        )
        self._check_density(k, w, slope, curvature)
        grid[place] = w
        place = unsafe_add(place, 1)  # at most 9
    return grid


@internal
@pure
def _check_density(k: int256, w: int256, slope: int256, curvature: int256):
    """
    @notice Reverts ButterflyArbitrage unless
            (1 - k w' / 2 w)^2 - w'^2 / 4 (1 / w + 1 / 4) + w'' / 2 >= 0.
    @param k 1e-12, one of STRIKES.
    @param w 1e-12, in [1, 2**90).
    @param slope w', 1e-24, < 2**85 in size.
    @param curvature w'', 1e-24, in [0, 2**122).
    """
    # Proof: |k| < 2**41, so |k w'| < 2**126 and the square is < 2**253; w'^2 * 1e12 < 2**210;
    # w'' * 5e23 < 2**201. Sums of these fit.
    side: int256 = unsafe_sub(ROOT_ONE, unsafe_div(unsafe_mul(k, slope), unsafe_mul(w, 2)))
    squared: int256 = unsafe_mul(slope, slope)
    minus: int256 = unsafe_add(
        unsafe_div(unsafe_mul(squared, ONE), unsafe_mul(w, 4)), unsafe_div(squared, 16)
    )
    plus: int256 = unsafe_add(unsafe_mul(side, side), unsafe_mul(curvature, 5 * 10**23))
    errors._require(plus >= minus, errors.BUTTERFLY_ARBITRAGE)


@internal
@pure
def _check_calendar(near: int256[9], far: int256[9]):
    """
    @notice Reverts CalendarArbitrage where total variance falls from the nearer to the farther
            expiry at one of STRIKES.
    @param near w at STRIKES of the nearer expiry.
    @param far w at STRIKES of the farther one.
    """
    for place: uint256 in range(STRIKE_COUNT):
        errors._require(near[place] <= far[place], errors.CALENDAR_ARBITRAGE)
