# pragma version 0.4.3
"""
@title uniswap_source
@license AGPL-3.0-only
@notice Time-weighted price of a Uniswap v3 pool: token0 in token1, whole tokens, the geometric mean
        over a window that ends now. No answer while the pool's history is too short or its
        harmonic-mean liquidity over the window too low.

        extra word
        bits    field          unit
        0-31    window         s, at least 300
        32-159  min_liquidity  the pool's own unit, above 0
        160-167 decimals0      of token0
        168-175 decimals1      of token1

        Trust: that moving the mean over the window costs more than it earns, for the liquidity
        asked for. The pool's code is its factory's and cannot change.
"""

from contracts.modules import errors
from contracts.modules import fixed_point
from contracts.modules import rounding
from contracts.oracle import tolerant_call

OBSERVE_GAS: constant(uint256) = 300_000  # 17 steps of the search through 65,535 cold observations
MIN_WINDOW: constant(uint256) = 300  # s
BLOCK_SECONDS: constant(uint256) = 12  # a pool keeps at most one observation per block
MAX_TICK: constant(int256) = 887_272
MAX_DECIMALS: constant(uint256) = 27
MAX_DECIMALS_GAP: constant(uint256) = 18
EXPONENT: constant(int256) = -27
LN_TICK: constant(int256) = 7922420137021269396801471  # ln(1.0001) * 2**96, nearest
HALVINGS: constant(int256) = 130  # 2**130 is above 1.0001**MAX_TICK < 2**129
MASK_32: constant(uint256) = 2**32 - 1
MASK_128: constant(uint256) = 2**128 - 1


@internal
@view
def _observe(source: uint256, extra: uint256, now: uint256) -> (uint256, int256, uint256, uint256):
    """
    @notice The mean over the window that ends now. Reverts StarvedCall when too little gas is left.
    @param source The source word.
    @param extra The extra word.
    @param now Seconds.
    @return mantissa (0: no sound answer), exponent, now as time and as round.
    """
    window: uint256 = extra & MASK_32
    answer: Bytes[288] = tolerant_call._answer(
        convert(source & convert(max_value(uint160), uint256), address),
        # an array of two: its offset, its length, how long ago in s
        abi_encode(
            convert(32, uint256),
            convert(2, uint256),
            window,
            convert(0, uint256),
            method_id=method_id("observe(uint32[])"),
        ),
        256,
        OBSERVE_GAS,
    )
    price: uint256 = 0
    if len(answer) != 0:
        price = self._mean_floor(answer, extra)
    return price, EXPONENT, now, now


@internal
@pure
def _mean_floor(answer: Bytes[288], extra: uint256) -> uint256:
    """
    @notice The price of what `observe` answered; 0 if the liquidity is too low or the ratio out of
            range.
    @param answer 256 bytes.
    @param extra The extra word.
    @return 1e-27 token1 per token0, whole tokens.
    """
    window: uint256 = extra & MASK_32
    # The answer: two offsets, 2, tick cumulatives then and now, 2, seconds per liquidity then, now.
    # The last two are modulo 2**160 and in 2**-128; a pool without liquidity counts it as one.
    passed: uint256 = unsafe_sub(
        extract32(answer, 224, output_type=uint256), extract32(answer, 192, output_type=uint256)
    ) & convert(max_value(uint160), uint256)
    # Harmonic mean, rounded down; unsafe_div gives 0 for a divisor of 0. Proof: window < 2**32.
    if unsafe_div(window << 128, passed) < (extra >> 32) & MASK_128:
        return 0
    # Proof: cumulatives are int56; whatever else wraps is a tick within bounds or refused.
    moved: int256 = unsafe_sub(
        extract32(answer, 128, output_type=int256), extract32(answer, 96, output_type=int256)
    )
    tick: int256 = rounding._div_floor(moved, convert(window, int256))
    if tick > MAX_TICK or tick < -MAX_TICK:
        return 0
    return self._price_floor(tick, (extra >> 160) & 255, (extra >> 168) & 255)


@internal
@pure
def _price_floor(tick: int256, decimals0: uint256, decimals1: uint256) -> uint256:
    """
    @notice 1.0001**tick * 10**(decimals0 - decimals1). The error is below 1e-17 of it plus one
            unit, so below 1e-12 of it for prices from 1e-15 up.
    @param tick In [-MAX_TICK, MAX_TICK].
    @param decimals0 Of token0, at most 18 away from decimals1.
    @param decimals1 Of token1.
    @return 1e-27 token1 per token0, whole tokens; 0 if the pool's ratio is 2**96 or more.
    """
    # As 2**(130 - k) * exp(-r) with 0 <= r < ln(2).
    # Proof: |tick * LN_TICK| < 89 * 2**96 < 130 * LN_2 = 90.1 * 2**96, so `z` is positive and
    # k <= 258. The error of r is at most |tick| / 2 + k / 2 < 444_000 units of 2**-96.
    z: uint256 = convert(
        unsafe_sub(unsafe_mul(HALVINGS, fixed_point.LN_2), unsafe_mul(tick, LN_TICK)), uint256
    )
    k: uint256 = unsafe_div(z, convert(fixed_point.LN_2, uint256))
    if k < 34:
        return 0
    root: uint256 = fixed_point._exp_neg(
        unsafe_sub(z, unsafe_mul(k, convert(fixed_point.LN_2, uint256)))
    )
    # Proof: the exponent of ten is in 9..45, 10**45 < 2**150 and the exponential is <= 2**96 + 1.
    power: uint256 = pow_mod256(10, unsafe_sub(unsafe_add(27, decimals0), decimals1))
    return unsafe_mul(root, power) >> unsafe_sub(k, 34)


@internal
@view
def _check(source: uint256, extra: uint256, factory: address) -> uint256:
    """
    @notice The error for which the source cannot be listed, 0 where it can: the pool is its
            factory's, its tokens have the decimals claimed, the window is at least 300 s, the pool
            keeps enough observations to span it with one every 12 s (a block of Ethereum;
            governance sees to more on a faster chain), liquidity is asked for, and there is a sound
            answer now.
    @param source The source word.
    @param extra The extra word.
    @param factory The Uniswap v3 factory that governance trusts.
    """
    pool: address = convert(source & convert(max_value(uint160), uint256), address)
    window: uint256 = extra & MASK_32
    decimals: uint256[2] = [(extra >> 160) & 255, (extra >> 168) & 255]
    if window < MIN_WINDOW:
        return errors.BAD_WINDOW
    if (extra >> 32) & MASK_128 == 0 or extra >> 176 != 0:
        return errors.BAD_SOURCE
    high: uint256 = max(decimals[0], decimals[1])
    # Proof: high is the larger.
    gap: uint256 = unsafe_sub(high, min(decimals[0], decimals[1]))
    if high > MAX_DECIMALS or gap > MAX_DECIMALS_GAP:
        return errors.BAD_DECIMALS
    reason: uint256 = self._wrong(pool, factory, decimals)
    if reason != 0:
        return reason
    # Seven words; the fourth is the number of observations kept.
    slot0: Bytes[288] = tolerant_call._answer(
        pool, method_id("slot0()"), 224, tolerant_call.LISTING_GAS
    )
    if len(slot0) == 0:
        return errors.NO_SOUND_ANSWER
    kept: uint256 = extract32(slot0, 96, output_type=uint256)
    # The oldest of them is `kept` - 1 blocks old. Proof: window < 2**32.
    if kept < unsafe_div(unsafe_add(window, 2 * BLOCK_SECONDS - 1), BLOCK_SECONDS):
        return errors.BAD_WINDOW
    if self._observe(source, extra, block.timestamp)[0] == 0:
        return errors.NO_SOUND_ANSWER
    return 0


@internal
@view
def _wrong(pool: address, factory: address, decimals: uint256[2]) -> uint256:
    """
    @notice ForeignPool unless the factory names this pool for the pool's own tokens and fee,
            BadDecimals unless the tokens have these; 0 where nothing is wrong.
    @param pool The pool.
    @param factory The factory.
    @param decimals Claimed, of token0 and token1.
    """
    tokens: uint256[2] = [
        tolerant_call._word(pool, method_id("token0()"), tolerant_call.LISTING_GAS),
        tolerant_call._word(pool, method_id("token1()"), tolerant_call.LISTING_GAS),
    ]
    fee: uint256 = tolerant_call._word(pool, method_id("fee()"), tolerant_call.LISTING_GAS)
    named: uint256 = tolerant_call._word(
        factory,
        concat(
            method_id("getPool(address,address,uint24)"),
            convert(tokens[0], bytes32),
            convert(tokens[1], bytes32),
            convert(fee, bytes32),
        ),
        tolerant_call.LISTING_GAS,
    )
    if named != convert(convert(pool, uint160), uint256):
        return errors.FOREIGN_POOL
    for i: uint256 in range(2):
        # Proof of the conversion: the factory knows the token, so it is an address; masked anyway.
        token: address = convert(tokens[i] & convert(max_value(uint160), uint256), address)
        said: uint256 = tolerant_call._word(
            token, method_id("decimals()"), tolerant_call.LISTING_GAS
        )
        if said != decimals[i]:
            return errors.BAD_DECIMALS
    return 0
