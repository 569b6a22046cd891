# pragma version 0.4.3
"""
@title fixed_point
@license AGPL-3.0-only
@notice exp(-x) and ln(a / b) in 2**96 fixed point, for decay weights and log returns. Absolute
        errors under 1e-18, far below what a weight or a return needs. Integer arithmetic only, so
        plimsoll.model.fixed_point gives the same bits.
"""

Q: constant(int256) = 2**96  # one
LN_2: constant(int256) = 54916777467707473351141471128  # ln(2) * 2**96, nearest
INVERSE_LN_2: constant(uint256) = 114302077158074026402637675937  # 2**96 / ln(2), nearest
EXP_END: constant(uint256) = 68 * 2**96  # exp(-68) is under half a unit of 2**-96


@internal
@pure
def _exp_neg(x: uint256) -> uint256:
    """
    @notice exp(-x).
    @param x 2**96, >= 0.
    @return 2**96, in [0, 2**96 + 1].
    """
    if x >= EXP_END:
        return 0
    # Proof: x < 68 * 2**96 < 2**103 and INVERSE_LN_2 < 2**97, so the product is < 2**200.
    k: uint256 = unsafe_add(unsafe_mul(x, INVERSE_LN_2), 2**191) >> 192
    # Proof: k is x / ln 2 rounded, so |r| <= ln(2)/2 + 2**-89 in 2**96 units: |r| < 2**95.
    r: int256 = unsafe_sub(convert(x, int256), unsafe_mul(convert(k, int256), LN_2))
    # Taylor series of exp(-r) to degree 14, Horner; the remainder is under 0.35**15 / 15! = 2e-19.
    # Proof: every partial sum is < 2**97 in size and |r| < 2**95, so products are < 2**192.
    p: int256 = unsafe_add(unsafe_mul(908806096376712848, r) >> 96, -12723285349273979877)
    p = unsafe_add(unsafe_mul(p, r) >> 96, 165402709540561738402)
    p = unsafe_add(unsafe_mul(p, r) >> 96, -1984832514486740860829)
    p = unsafe_add(unsafe_mul(p, r) >> 96, 21833157659354149469120)
    p = unsafe_add(unsafe_mul(p, r) >> 96, -218331576593541494691204)
    p = unsafe_add(unsafe_mul(p, r) >> 96, 1964984189341873452220832)
    p = unsafe_add(unsafe_mul(p, r) >> 96, -15719873514734987617766657)
    p = unsafe_add(unsafe_mul(p, r) >> 96, 110039114603144913324366598)
    p = unsafe_add(unsafe_mul(p, r) >> 96, -660234687618869479946199586)
    p = unsafe_add(unsafe_mul(p, r) >> 96, 3301173438094347399730997931)
    p = unsafe_add(unsafe_mul(p, r) >> 96, -13204693752377389598923991723)
    p = unsafe_add(unsafe_mul(p, r) >> 96, 39614081257132168796771975168)
    p = unsafe_add(unsafe_mul(p, r) >> 96, -Q)
    p = unsafe_add(unsafe_mul(p, r) >> 96, Q)
    return convert(p, uint256) >> k


@internal
@pure
def _ln_ratio(a: uint256, b: uint256) -> int256:
    """
    @notice ln(a / b).
    @param a In [1, 2**64).
    @param b In [1, 2**64).
    @return 2**96, signed; exactly minus _ln_ratio(b, a).
    """
    if a < b:
        # Proof: the swapped pair gives a result in
        # [0, 45 * 2**96), whose negative fits.
        return unsafe_sub(0, self._ln_ratio_up(b, a))
    return self._ln_ratio_up(a, b)


@internal
@pure
def _ln_ratio_up(a: uint256, b: uint256) -> int256:
    """
    @notice ln(a / b) for a >= b.
    @param a In [1, 2**64).
    @param b In [1, a].
    @return 2**96, >= 0.
    """
    k: int256 = 0
    d: uint256 = b
    # Double the divisor until the ratio is at most 1.4; the last doubling leaves it above 0.7.
    for _: uint256 in range(64):
        # Proof: d < 2**65 and a < 2**64 throughout.
        if unsafe_mul(a, 5) <= unsafe_mul(d, 7):
            break
        d = d << 1
        k = unsafe_add(k, 1)
    # ln(q) = 2 atanh(t), t = (q - 1) / (q + 1), |t| < 0.177: series to t**21, remainder < 1e-18.
    # Proof: |a - d| < 2**65, so the numerator is < 2**161; a + d > 0; |t| < 2**94, z < 2**92, every
    # partial sum is < 2**98 and positive terms only, products < 2**192.
    t: int256 = unsafe_div(
        unsafe_mul(unsafe_sub(convert(a, int256), convert(d, int256)), Q),
        unsafe_add(convert(a, int256), convert(d, int256)),
    )
    z: int256 = unsafe_mul(t, t) >> 96
    p: int256 = unsafe_add(
        unsafe_mul(7545539287072794056527995270, z) >> 96, 8339806580448877641425678983
    )
    p = unsafe_add(unsafe_mul(p, z) >> 96, 9320960295795804422769876510)
    p = unsafe_add(unsafe_mul(p, z) >> 96, 10563755001901911679139193378)
    p = unsafe_add(unsafe_mul(p, z) >> 96, 12188948079117590399006761590)
    p = unsafe_add(unsafe_mul(p, z) >> 96, 14405120457138970471553445516)
    p = unsafe_add(unsafe_mul(p, z) >> 96, 17606258336503186131898655630)
    p = unsafe_add(unsafe_mul(p, z) >> 96, 22636617861218382169583985810)
    p = unsafe_add(unsafe_mul(p, z) >> 96, 31691265005705735037417580134)
    p = unsafe_add(unsafe_mul(p, z) >> 96, 52818775009509558395695966891)
    p = unsafe_add(unsafe_mul(p, z) >> 96, 158456325028528675187087900672)
    # Proof: |p * t| < 2**193; k <= 64, so k * LN_2 < 2**103.
    return unsafe_add(unsafe_mul(p, t) >> 96, unsafe_mul(k, LN_2))
