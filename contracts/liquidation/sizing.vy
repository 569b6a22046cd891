# pragma version 0.4.3
"""
@title sizing
@license AGPL-3.0-only
@notice The smallest slice that brings an account to (1 + b) R, where R has a part linear in size and one
        that grows as size^1.5. With y = 1 - f, a whole-account price p > 0 (cost less fee) and E < (1 + b) R,

            h(f) = y E + f p - (1 + b) (linear y + superlinear y^1.5) >= 0

        h is concave: a Newton step ends below its root from either side and the chord of two points
        around the root ends above it. Fractions are 1e-18, money quote units.
@dev    Proof for the unsafe steps throughout: the engine's |E| and both parts of R are below 2^127 (72 legs of less
        than 2^119 each, collateral within the vault's caps), p is at most E, the scale below 2^32, fractions at
        most 2^60; so no product reaches 2^222 and no sum of them 2^224. Divisors are constants, or positive where
        it says so.
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
    return unsafe_div(unsafe_add(a, unsafe_sub(b, 1)), b)


@internal
@pure
def _root_up(y: int256) -> int256:
    """
    @notice sqrt(y ONE) rounded down, plus 1: a root of a fraction, 1e-18.
    @param y 1e-18, 0 .. ONE.
    """
    a: uint256 = unsafe_mul(convert(y, uint256), 10**18)
    if a == 0:
        return 1
    # The first guess, on a line through the leading bits, is within 1.51 times of the root either way; five halving
    # steps leave 1e-21 of it, less than one of at most 2^60, so the last is the floor of the root or one above.
    rest: uint256 = a
    half: uint256 = 0
    if rest >= 2**64:
        rest >>= 64
        half = 32
    if rest >= 2**32:
        rest >>= 32
        half = unsafe_add(half, 16)
    if rest >= 2**16:
        rest >>= 16
        half = unsafe_add(half, 8)
    if rest >= 2**8:
        rest >>= 8
        half = unsafe_add(half, 4)
    # (rest + 16) 351 / 2^12 is that line; its shift is never below that of the leading bits.
    root: uint256 = (unsafe_mul(unsafe_add(rest, 16), 351) << half) >> 12
    root = unsafe_add(root, unsafe_div(a, root)) >> 1
    root = unsafe_add(root, unsafe_div(a, root)) >> 1
    root = unsafe_add(root, unsafe_div(a, root)) >> 1
    root = unsafe_add(root, unsafe_div(a, root)) >> 1
    root = unsafe_add(root, unsafe_div(a, root)) >> 1
    if unsafe_mul(root, root) > a:
        root = unsafe_sub(root, 1)
    return convert(unsafe_add(root, 1), int256)


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
    # `_up` in place, four calls the less a turn.
    power: int256 = unsafe_div(
        unsafe_add(unsafe_mul(y, self._root_up(y)), ONE - 1), ONE
    )  # y^1.5, 1e-18, up
    whole: int256 = unsafe_add(
        unsafe_div(unsafe_add(unsafe_mul(linear, y), ONE - 1), ONE),
        unsafe_div(unsafe_add(unsafe_mul(superlinear, power), ONE - 1), ONE),
    )
    return unsafe_add(
        unsafe_div(unsafe_add(unsafe_mul(whole, scale), NANO - 1), NANO), SLACK
    )


@internal
@pure
def _excess(y: int256, equity: int256, price: int256) -> int256:
    """
    @notice y E + (1 - y) p, rounded down. Both are positive where the solver is used.
    """
    return unsafe_div(
        unsafe_add(unsafe_mul(equity, y), unsafe_mul(price, unsafe_sub(ONE, y))), ONE
    )


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
    scale: int256 = unsafe_add(convert(buffer, int256), NANO + PAD)
    lin: int256 = convert(linear, int256)
    sup: int256 = convert(superlinear, int256)
    full: int256 = unsafe_add(
        self._up(unsafe_mul(unsafe_add(lin, sup), scale), NANO), SLACK
    )
    # Closed form for R linear in f: R falls faster than that, so it ends above the root. The span is positive.
    span: int256 = unsafe_add(unsafe_sub(full, equity), price)
    low: int256 = 0
    high: int256 = min(ONE, self._up(unsafe_mul(unsafe_sub(full, equity), ONE), span))
    below: int256 = unsafe_sub(equity, full)  # h(low), always negative
    for _: uint256 in range(TURNS):
        left: int256 = unsafe_sub(ONE, high)
        goal: int256 = self._target(left, lin, sup, scale)
        above: int256 = unsafe_sub(self._excess(left, equity, price), goal)  # h(high)
        if above < 0:
            # Only rounding gets here: h rises by at least span per unit of f on the way to 1.
            if high == ONE:
                return convert(ONE, uint256)
            more: int256 = unsafe_div(unsafe_mul(unsafe_mul(-2, above), ONE), span)
            high = min(ONE, unsafe_add(high, unsafe_add(more, 2)))
            continue
        if unsafe_mul(above, NANO) <= unsafe_mul(goal, TOLERANCE):
            return convert(high, uint256)
        # The divisor is positive: above >= 0 > below.
        high = unsafe_sub(
            high,
            unsafe_div(unsafe_mul(above, unsafe_sub(high, low)), unsafe_sub(above, below)),
        )
        y: int256 = unsafe_sub(ONE, low)
        grown: int256 = self._up(unsafe_mul(unsafe_mul(3, sup), self._root_up(y)), 2 * ONE)
        slope: int256 = unsafe_add(
            unsafe_sub(price, equity), self._up(unsafe_mul(unsafe_add(lin, grown), scale), NANO)
        )
        if slope > 0:
            low = min(high, unsafe_sub(low, unsafe_div(unsafe_mul(below, ONE), slope)))
            y = unsafe_sub(ONE, low)
            below = unsafe_sub(
                self._excess(y, equity, price), self._target(y, lin, sup, scale)
            )
            if below >= 0:
                return convert(low, uint256)
    return convert(ONE, uint256)
