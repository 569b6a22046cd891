"""Fixed-point helpers of the generators: integers only, so every platform gives the same path.

The unit is WAD (1e18 = 1). `math.exp` and `random.gauss` may differ in the last bit between C
libraries; these do not.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from math import isqrt

WAD = 10**18
_LN2 = 693_147_180_559_945_309
_UNIFORM_BITS = 32
_NEGLIGIBLE = 10**10


def to_wad(value: Decimal) -> int:
    """A decimal as WAD, truncated towards zero."""
    return int(value.scaleb(18))


def mul(a: int, b: int) -> int:
    """a * b / 1e18, floored."""
    return a * b // WAD


def sqrt_wad(x: int) -> int:
    """Square root of a non-negative WAD, floored."""
    return isqrt(x * WAD)


def exp_wad(x: int) -> int:
    """e^x of a WAD. Relative error below 1e-16; x from -40 to 40, else `ValueError`.

    x = k ln 2 + r with |r| <= ln 2 / 2, Taylor series for r, then a shift by k.
    """
    if abs(x) > 40 * WAD:
        raise ValueError(f"expected an exponent within [-40, 40], got {x / WAD}; check the inputs")
    k = (2 * x + _LN2) // (2 * _LN2)
    r = x - k * _LN2
    term, total, n = WAD, WAD, 0
    while term:
        n += 1
        term = abs(term * r) // (WAD * n) * (1 if (term < 0) == (r < 0) else -1)
        total += term
    return total << k if k >= 0 else total >> -k


def ln_wad(x: int) -> int:
    """Natural logarithm of a positive WAD; absolute error below 1e-15.

    x = m 2^k with m within a factor of two of 1, Newton's steps for ln m, plus k ln 2.
    """
    if x <= 0:
        raise ValueError(f"expected a positive number, got {x}; a price must be above zero")
    k = x.bit_length() - WAD.bit_length()
    m = x >> k if k >= 0 else x << -k
    y = 0
    for _ in range(5):
        e = exp_wad(y)
        y += 2 * (m - e) * WAD // (m + e)
    return y + k * _LN2


def normal_wad(rng: random.Random) -> int:
    """A standard normal draw in WAD: the sum of twelve uniforms less six.

    Mean 0, variance 1, support (-6, 6), excess kurtosis -0.1; the fat tails of a market come from
    the jumps, not from here. Uses only `getrandbits`, whose stream is fixed by the seed.
    """
    total = sum(rng.getrandbits(_UNIFORM_BITS) for _ in range(12))
    return (total - 6 * ((1 << _UNIFORM_BITS) - 1)) * WAD >> _UNIFORM_BITS


def happens(rng: random.Random, probability: int) -> bool:
    """True with the given probability (WAD)."""
    return rng.getrandbits(64) * WAD >> 64 < probability


def cholesky_wad(matrix: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Lower-triangular root of a correlation matrix in WAD (n x n).

    Raises `ValueError` where the matrix is not square and symmetric with ones on the diagonal, or
    not positive semidefinite.
    """
    n = len(matrix)
    for i, line in enumerate(matrix):
        if len(line) != n or line[i] != WAD or any(line[j] != matrix[j][i] for j in range(i)):
            raise ValueError(
                "expected a symmetric square matrix with 1 on its diagonal; correct it"
            )
    root = [[0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            rest = matrix[i][j] - sum(mul(root[i][k], root[j][k]) for k in range(j))
            if i == j:
                if rest < -n * n:
                    raise ValueError(
                        "expected a positive semidefinite correlation matrix, got one whose "
                        f"minor {i + 1} is negative; lower the correlations"
                    )
                root[i][i] = sqrt_wad(max(rest, 0))
            elif root[j][j] > _NEGLIGIBLE:
                root[i][j] = rest * WAD // root[j][j]
            elif abs(rest) > 2 * _NEGLIGIBLE:
                raise ValueError(
                    f"expected a positive semidefinite correlation matrix, got one that treats "
                    f"twins {j + 1} and {i + 1} differently; make their correlations equal"
                )
    return tuple(tuple(line) for line in root)


def correlated(rng: random.Random, root: Sequence[Sequence[int]]) -> list[int]:
    """One vector of correlated standard normals (WAD), in the order of `root`'s rows."""
    draws = [normal_wad(rng) for _ in root]
    return [sum(mul(line[k], draws[k]) for k in range(i + 1)) for i, line in enumerate(root)]
