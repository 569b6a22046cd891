# pragma version 0.4.3
"""
@title surface_terms
@license AGPL-3.0-only
@notice A feed's rules for surfaces, checked once when they are set, then one packed word.

        bits    field           unit
        0-31    signer_set      id
        32-39   threshold       signatures, of the set
        40-63   max_age         s: a slice is OK while its age is at most this
        64-79   forward_band    1e-4 of the index price
        80-95   forward_rate    1e-4 of the index price per year until the expiry, added to the band
        96-115  min_volatility  1e-4, annualised: floor of the slice's lowest total variance
        116-135 max_volatility  1e-4, annualised: ceiling at the forward
        136-151 max_slope       1e-4: bound on both wings, b (1 + |rho|); above 2 a slice is not
                                free of arbitrage (Lee)
        152-183 halted_until    s: HALTED before it; kept when terms change
"""

from contracts.modules import errors


struct SurfaceTerms:
    signer_set: uint256  # id of a listed set
    max_age: uint256  # s, 1 to 86_400
    forward_band: uint256  # 1e-4, 1 to 5000
    forward_rate: uint256  # 1e-4 per year, at most 20_000
    min_volatility: uint256  # 1e-4, at most max_volatility
    max_volatility: uint256  # 1e-4, 1 to 100_000
    max_slope: uint256  # 1e-4, 1 to 20_000


YEAR: constant(uint256) = 31_536_000  # s
HALT_SHIFT: constant(uint256) = 152
MASK_16: constant(uint256) = 2**16 - 1
MASK_20: constant(uint256) = 2**20 - 1
MASK_32: constant(uint256) = 2**32 - 1


@internal
@pure
def _pack(t: SurfaceTerms, threshold: uint256) -> uint256:
    """
    @notice Checks and packs; never 0. Reverts BadParameter when a value is out of its bounds.
    @param t The rules.
    @param threshold The signer set's, 0 where there is no such set.
    """
    errors._require(
        threshold != 0
        and t.signer_set <= MASK_32
        and t.max_age >= 1
        and t.max_age <= 86_400
        and t.forward_band >= 1
        and t.forward_band <= 5_000
        and t.forward_rate <= 20_000
        and t.min_volatility <= t.max_volatility
        and t.max_volatility >= 1
        and t.max_volatility <= 100_000
        and t.max_slope >= 1
        and t.max_slope <= 20_000,
        errors.BAD_PARAMETER,
    )
    return (
        t.signer_set
        | (threshold << 32)
        | (t.max_age << 40)
        | (t.forward_band << 64)
        | (t.forward_rate << 80)
        | (t.min_volatility << 96)
        | (t.max_volatility << 116)
        | (t.max_slope << 136)
    )


@internal
@pure
def _signer_set(terms: uint256) -> uint256:
    """
    @notice The signer set's id.
    """
    return terms & MASK_32


@internal
@pure
def _threshold(terms: uint256) -> uint256:
    """
    @notice Signatures a report needs.
    """
    return (terms >> 32) & 255


@internal
@pure
def _max_age(terms: uint256) -> uint256:
    return (terms >> 40) & (2**24 - 1)


@internal
@pure
def _halted_until(terms: uint256) -> uint256:
    return (terms >> HALT_SHIFT) & MASK_32


@internal
@pure
def _forward_in_band(terms: uint256, index: uint256, forward: uint256, tenor: uint256) -> bool:
    """
    @notice Whether the forward is within band + rate * years of the index price.
    @param terms The terms word.
    @param index Ticks, < 2**56.
    @param forward Ticks, < 2**56.
    @param tenor Seconds until the expiry, < 2**32.
    """
    # Proof: fields are < 2**16, YEAR < 2**25, tenor < 2**32: the allowance is < 2**49, both
    # products are < 2**106.
    band: uint256 = unsafe_mul((terms >> 64) & MASK_16, YEAR)
    allowance: uint256 = unsafe_add(band, unsafe_mul((terms >> 80) & MASK_16, tenor))
    move: uint256 = unsafe_sub(max(index, forward), min(index, forward))
    return unsafe_mul(move, 10_000 * YEAR) <= unsafe_mul(index, allowance)


@internal
@pure
def _variance_in_bounds(
    terms: uint256, lowest: int256, at_the_money: int256, tenor: uint256
) -> bool:
    """
    @notice Whether a slice's lowest total variance reaches the floor and the one at the forward is
            not above the ceiling.
    @param terms The terms word.
    @param lowest 1e-12, |lowest| < 2**50.
    @param at_the_money 1e-12, |at_the_money| < 2**90.
    @param tenor Seconds until the expiry, < 2**32.
    """
    # Proof: a volatility is < 2**20 in 1e-4, its square times 1e4 is < 2**54 in 1e-12, times tenor
    # < 2**86; total variances times YEAR are < 2**115 in size.
    least: uint256 = (terms >> 96) & MASK_20
    most: uint256 = (terms >> 116) & MASK_20
    least = unsafe_mul(unsafe_mul(unsafe_mul(least, least), 10_000), tenor)
    most = unsafe_mul(unsafe_mul(unsafe_mul(most, most), 10_000), tenor)
    year: int256 = convert(YEAR, int256)
    return (
        unsafe_mul(lowest, year) >= convert(least, int256)
        and unsafe_mul(at_the_money, year) <= convert(most, int256)
    )


@internal
@pure
def _slope_in_bounds(terms: uint256, b: uint256, rho: int256) -> bool:
    """
    @notice Whether the steeper wing is within the bound.
    @param terms The terms word.
    @param b 1e-12, < 2**42.
    @param rho 1e-12, |rho| < 1e12.
    """
    # Proof: b * (1 + |rho|) < 2**83 in 1e-24, the bound times 1e20 < 2**83.
    steep: uint256 = unsafe_mul(b, unsafe_add(10**12, convert(abs(rho), uint256)))
    return steep <= unsafe_mul((terms >> 136) & MASK_16, 10**20)
