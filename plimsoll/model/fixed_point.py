"""exp(-x) and ln(a / b) in 2**96 fixed point, bit for bit contracts/modules/fixed_point.vy.

Absolute errors are under 1e-18. Python's `>>` and Vyper's on int256 both round to minus infinity;
Vyper's `//` rounds to zero, which `div_trunc` copies.
"""

from __future__ import annotations

Q = 2**96
LN_2 = 54916777467707473351141471128
INVERSE_LN_2 = 114302077158074026402637675937
EXP_END = 68 * 2**96

# (-1)**n / n!, n = 14 down to 0, times 2**96
EXP_SERIES = (
    908806096376712848,
    -12723285349273979877,
    165402709540561738402,
    -1984832514486740860829,
    21833157659354149469120,
    -218331576593541494691204,
    1964984189341873452220832,
    -15719873514734987617766657,
    110039114603144913324366598,
    -660234687618869479946199586,
    3301173438094347399730997931,
    -13204693752377389598923991723,
    39614081257132168796771975168,
    -Q,
    Q,
)
# 2 / (2 n + 1), n = 10 down to 0, times 2**96
ATANH_SERIES = (
    7545539287072794056527995270,
    8339806580448877641425678983,
    9320960295795804422769876510,
    10563755001901911679139193378,
    12188948079117590399006761590,
    14405120457138970471553445516,
    17606258336503186131898655630,
    22636617861218382169583985810,
    31691265005705735037417580134,
    52818775009509558395695966891,
    158456325028528675187087900672,
)


def div_trunc(a: int, b: int) -> int:
    """a / b rounded to zero, b > 0."""
    return a // b if a >= 0 else -(-a // b)


def _horner(series: tuple[int, ...], x: int) -> int:
    value = series[0]
    for coefficient in series[1:]:
        value = (value * x >> 96) + coefficient
    return value


def exp_neg(x: int) -> int:
    """exp(-x) for x >= 0; argument and result in 2**96."""
    if x >= EXP_END:
        return 0
    k = (x * INVERSE_LN_2 + 2**191) >> 192
    return _horner(EXP_SERIES, x - k * LN_2) >> k


def ln_ratio(a: int, b: int) -> int:
    """ln(a / b) for a and b in [1, 2**64); result in 2**96."""
    if a < b:
        return -ln_ratio(b, a)
    k, d = 0, b
    while a * 5 > d * 7:
        d, k = d * 2, k + 1
    t = div_trunc((a - d) * Q, a + d)
    return (_horner(ATANH_SERIES, t * t >> 96) * t >> 96) + k * LN_2
