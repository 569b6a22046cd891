# pragma version 0.4.3
"""
@title quote_word
@license AGPL-3.0-only
@notice One feed's price, funding index, age, band, state and volatility in one word, as the oracle
        adapter returns it, brought to `block.timestamp`. Stateless; readers import it and take
        only the fields they need.

        bits    field     unit
        0-55    mark      ticks (1e-9 USD per underlying): index plus the clamped slow premium
        56-111  funding   ticks, int56 in two's complement: integral of price * premium dt / 8 h
        112-127 age       s, of the oldest datum in the price, saturating at 65,535
        128-143 low       1e-5 of mark, rounded up: the band's lower edge is mark * (1 - low)
        144-159 high      1e-5 of mark, rounded up: the band's upper edge is mark * (1 + high)
        160-161 state     OK, DEGRADED, STALE or HALTED
        162     recovering 1: the price is back from a gap or a halt for less than its grace time;
                          no liquidation starts or goes on with it
        163-230 zero
        231-255 sigma     1e-6, annualised: realised volatility, an upper bound, saturating
"""

OK: constant(uint256) = 0  # quorum met, sources agree
DEGRADED: constant(uint256) = 1  # quorum met, a source missing or the spread wide
STALE: constant(uint256) = 2  # too few sources within their age limit
HALTED: constant(uint256) = 3  # the breaker or the guardian stopped it

RECOVERING_FLAG: constant(uint256) = 1 << 162

MASK_56: constant(uint256) = 2**56 - 1
MASK_25: constant(uint256) = 2**25 - 1
MASK_16: constant(uint256) = 2**16 - 1
BAND_SCALE: constant(uint256) = 100_000  # 1 / unit of low and high


@internal
@pure
def _mark(word: uint256) -> uint256:
    """
    @notice The price positions are valued at.
    @return Ticks.
    """
    return word & MASK_56


@internal
@pure
def _funding(word: uint256) -> int256:
    """
    @notice The funding index up to now.
    @return Ticks, signed.
    """
    # Proof: the left shift puts the field's sign bit (111) at bit 255; the arithmetic right shift
    # by 200 extends it, so the result lies in [-2**55, 2**55).
    # (convert through bytes32 reinterprets the bits; a direct one reverts on the sign bit.)
    return convert(convert(word << 144, bytes32), int256) >> 200


@internal
@pure
def _age(word: uint256) -> uint256:
    """
    @notice Age of the oldest datum in the price.
    @return Seconds, saturating at 65,535.
    """
    return (word >> 112) & MASK_16


@internal
@pure
def _low(word: uint256) -> uint256:
    """
    @notice Distance from mark down to the band's lower edge.
    @return 1e-5 of mark.
    """
    return (word >> 128) & MASK_16


@internal
@pure
def _high(word: uint256) -> uint256:
    """
    @notice Distance from mark up to the band's upper edge.
    @return 1e-5 of mark.
    """
    return (word >> 144) & MASK_16


@internal
@pure
def _state(word: uint256) -> uint256:
    """
    @notice The feed's state.
    @return OK 0, DEGRADED 1, STALE 2, HALTED 3.
    """
    return (word >> 160) & 3


@internal
@pure
def _sigma(word: uint256) -> uint256:
    """
    @notice Realised volatility, an upper bound.
    @return 1e-6, annualised.
    """
    return word >> 231


@internal
@pure
def _low_edge_floor(word: uint256) -> uint256:
    """
    @notice The band's lower edge, rounded down.
    @return Ticks.
    """
    low: uint256 = min(self._low(word), BAND_SCALE)
    # Proof: low <= BAND_SCALE after min; mark < 2**56 and the factor < 2**17, so < 2**73.
    return unsafe_div(unsafe_mul(word & MASK_56, unsafe_sub(BAND_SCALE, low)), BAND_SCALE)


@internal
@pure
def _high_edge_ceil(word: uint256) -> uint256:
    """
    @notice The band's upper edge, rounded up.
    @return Ticks.
    """
    # Proof: mark < 2**56, the factor < 2**18, so the product plus BAND_SCALE - 1 is < 2**75.
    product: uint256 = unsafe_mul(word & MASK_56, unsafe_add(BAND_SCALE, self._high(word)))
    return unsafe_div(unsafe_add(product, BAND_SCALE - 1), BAND_SCALE)


@internal
@pure
def _pack(
    mark: uint256,
    funding: int256,
    age: uint256,
    low: uint256,
    high: uint256,
    state: uint256,
    sigma: uint256,
) -> uint256:
    """
    @notice The word of these fields. `age` and `sigma` saturate; the others must fit, which the
            oracle's bounds give (mark < 2**56, |funding| < 2**55, low and high < 2**16, state < 4).
    @param mark Ticks.
    @param funding Ticks, signed.
    @param age Seconds.
    @param low 1e-5 of mark.
    @param high 1e-5 of mark.
    @param state 0-3.
    @param sigma 1e-6, annualised.
    """
    return (
        mark
        | ((convert(convert(funding, bytes32), uint256) & MASK_56) << 56)
        | (min(age, MASK_16) << 112)
        | (low << 128)
        | (high << 144)
        | (state << 160)
        | (min(sigma, MASK_25) << 231)
    )
