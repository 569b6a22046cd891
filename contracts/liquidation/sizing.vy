# pragma version 0.4.3
"""
@title sizing
@license AGPL-3.0-only
@notice The smallest slice that brings an account to (1 + b) R, where R has a part linear in size and one
        that grows as size^1.5. With y = 1 - f, a whole-account price p > 0 (cost less fee) and E < (1 + b) R,

            h(f) = y E + f p - (1 + b) (linear y + superlinear y^1.5) >= 0

        h is concave: a Newton step ends below its root from either side and the chord of two points
        around the root ends above it. Fractions are 1e-18, money quote units.
"""

ONE: constant(int256) = 10**18
NANO: constant(int256) = 10**9
TURNS: constant(uint256) = 8

# What the engine's roundings may cost the seller: a few units per leg and asset, 88 of them at most.
SLACK: constant(int256) = 256
# Added to b: the risk model rounds its square roots up by at most 8e-6 on a leg of 1,000 lots.
PAD: constant(int256) = 20_000
# Accept h within 0.095 % of the target: with one lot in 1,000 of rounding a slice stays within 0.2 %.
TOLERANCE: constant(int256) = 950_000


@internal
@pure
def _up(a: int256, b: int256) -> int256:
    """
    @notice a / b rounded up, for a >= 0 and b > 0.
    """
    return (a + b - 1) // b


@internal
@pure
def _target(y: int256, linear: int256, superlinear: int256, scale: int256) -> int256:
    """
    @notice (1 + b) R of what is left, rounded up, slack included.
    @param y Fraction left, 0 .. ONE.
    @param linear, superlinear The two parts of R, qu.
    @param scale (1 + b), nano.
    @return qu
    """
    root: int256 = convert(isqrt(convert(y * ONE, uint256)), int256) + 1  # 1e-18, up
    power: int256 = self._up(y * root, ONE)  # y^1.5, 1e-18, up
    return (
        self._up((self._up(linear * y, ONE) + self._up(superlinear * power, ONE)) * scale, NANO)
        + SLACK
    )


@internal
@pure
def _excess(y: int256, equity: int256, price: int256) -> int256:
    """
    @notice y E + (1 - y) p, rounded down. Both are positive where the solver is used.
    """
    return (equity * y + price * (ONE - y)) // ONE


@internal
@pure
def _fraction(
    equity: int256, linear: uint256, superlinear: uint256, price: int256, buffer: uint256
) -> uint256:
    """
    @notice The smallest f found with h(f) >= 0: never below the root and h at most TOLERANCE of the target,
            or the whole account where eight turns do not get there: seen only with R nearly all superlinear
            or next to no price, where less than a tenth of the account would have been left.
    @param equity E, qu, 0 < E < (1 + b) R.
    @param linear Part of R linear in size, qu.
    @param superlinear Part of R that grows as size^1.5, qu.
    @param price What the bidder pays for the whole account less the fee, qu, > 0.
    @param buffer b, nano.
    @return f, 1e-18, 1 .. 1e18; 1e18 means the whole account.
    """
    scale: int256 = NANO + convert(buffer, int256) + PAD
    lin: int256 = convert(linear, int256)
    sup: int256 = convert(superlinear, int256)
    full: int256 = self._up((lin + sup) * scale, NANO) + SLACK
    # Closed form for R linear in f: R falls faster than that, so it ends above the root.
    span: int256 = full - equity + price
    low: int256 = 0
    high: int256 = min(ONE, self._up((full - equity) * ONE, span))
    below: int256 = equity - full  # h(low), always negative
    for _: uint256 in range(TURNS):
        goal: int256 = self._target(ONE - high, lin, sup, scale)
        above: int256 = self._excess(ONE - high, equity, price) - goal  # h(high)
        if above < 0:
            # Only rounding gets here: h rises by at least span per unit of f on the way to 1.
            if high == ONE:
                return convert(ONE, uint256)
            high = min(ONE, high - 2 * above * ONE // span + 2)
            continue
        if above * NANO <= goal * TOLERANCE:
            return convert(high, uint256)
        high -= above * (high - low) // (above - below)
        y: int256 = ONE - low
        root: int256 = convert(isqrt(convert(y * ONE, uint256)), int256) + 1
        slope: int256 = (
            price - equity + self._up((lin + self._up(3 * sup * root, 2 * ONE)) * scale, NANO)
        )
        if slope > 0:
            low = min(high, low - below * ONE // slope)
            below = (
                self._excess(ONE - low, equity, price) - self._target(ONE - low, lin, sup, scale)
            )
            if below >= 0:
                return convert(low, uint256)
    return convert(ONE, uint256)
