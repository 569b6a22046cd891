# pragma version 0.4.3
"""
@title feed_word
@license AGPL-3.0-only
@notice The adapter's stored words, packed and unpacked. Pure: the storage is in feed_state.vy.

        hot word, one per feed: all that a reader needs. Fields that the quote word has too lie at
        the same place, so that serving it is masking out the others.
        bits    field     unit
        0-55    price     ticks: the index, fixed by the first poke of second `time`
        56-111  funding   ticks, int56: integral of price * premium dt / 8 h up to `time`
        112-127 ttl       s after `time` for which a quorum of the data stays within its age limit,
                          at most 65,535: a price that old is STALE however slow its sources are
        128-143 low       1e-5 of price, rounded up to 1e-4
        144-159 high      1e-5 of price, rounded up to 1e-4
        160-161 state     OK 0, DEGRADED 1, RECOVERING 2, HALTED 3 (STALE follows from ttl)
        162-193 time      s: when the price was fixed
        194-210 delay     s: age of the oldest datum in the price at `time`
        211-228 premium   1e-6 of price, int18: slow, clamped
        229     plain     1: a reader needs this word alone; 0: there is no price yet, or the
                          state is RECOVERING, or a word waits, or there is a sequencer to ask
        230     waiting   1: a later poke of the same second waits in the newer word
        231-255 sigma     1e-6, annualised volatility, an upper bound

        datum word, newest accepted of each source
        0-55    price     ticks
        56-87   time      s: the source's own time of observation
        88-167  round     the source's round id or report sequence
        168-185 premium   1e-6 of price, int18
        186-202 max_age   s; this and what follows only of signed reports, from their source word,
        203-206 threshold so that a report needs no other word
        207-238 set       the signer set's id
        239     signed    1: the source is signed reports
"""

from contracts.modules import quote_word

MASK_16: constant(uint256) = 2**16 - 1
MASK_17: constant(uint256) = 2**17 - 1
MASK_18: constant(uint256) = 2**18 - 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_56: constant(uint256) = 2**56 - 1
MASK_80: constant(uint256) = 2**80 - 1

STATE_MASK: constant(uint256) = 3 << 160
PLAIN_FLAG: constant(uint256) = 1 << 229
WAITING_FLAG: constant(uint256) = 1 << 230
RECOVERING: constant(uint256) = 2  # in the stored state: served as DEGRADED, without liquidations
PREMIUM_MASK: constant(uint256) = (2**18 - 1) << 211
# funding, time, premium, sigma: what a later poke of the same second leaves as it is
CARRIED_MASK: constant(uint256) = (
    ((2**56 - 1) << 56) | ((2**32 - 1) << 162) | ((2**18 - 1) << 211) | ((2**25 - 1) << 231)
)
# price, funding, low, high, state, sigma: what the quote word takes as it is
SERVED_MASK: constant(uint256) = (2**112 - 1) | ((2**34 - 1) << 128) | ((2**25 - 1) << 231)
SIGNED_FLAG: constant(uint256) = 1 << 239  # of a datum word
SIGNED_FIELDS: constant(uint256) = (2**54 - 1) << 186  # max_age, threshold, set, signed
MAX_TTL: constant(uint256) = 2**16 - 1  # s
FUNDING_LIMIT: constant(int256) = 2**51 - 1  # ticks; the index stays here once it arrives
FUNDING_SCALE: constant(int256) = 8 * 3600 * 1_000_000  # premium is per 8 h, in 1e-6
PREMIUM_SCALE: constant(int256) = 1_000_000


@internal
@pure
def _price(hot: uint256) -> uint256:
    """
    @notice Ticks.
    """
    return hot & MASK_56


@internal
@pure
def _funding(hot: uint256) -> int256:
    """
    @notice Ticks, signed, up to `_time`.
    """
    # Proof: the field's sign bit (111) goes to bit 255, the arithmetic shift extends it.
    return convert(convert(hot << 144, bytes32), int256) >> 200


@internal
@pure
def _time(hot: uint256) -> uint256:
    """
    @notice Second in which the price was fixed.
    """
    return (hot >> 162) & MASK_32


@internal
@pure
def _delay(hot: uint256) -> uint256:
    """
    @notice Age of the oldest datum when the price was fixed, s.
    """
    return (hot >> 194) & MASK_17


@internal
@pure
def _low(hot: uint256) -> uint256:
    """
    @notice 1e-5 of price.
    """
    return (hot >> 128) & MASK_16


@internal
@pure
def _high(hot: uint256) -> uint256:
    """
    @notice 1e-5 of price.
    """
    return (hot >> 144) & MASK_16


@internal
@pure
def _premium(hot: uint256) -> int256:
    """
    @notice 1e-6 of price, signed.
    """
    # Proof: the field's sign bit (228) goes to bit 255, the arithmetic shift extends it.
    return convert(convert(hot << 27, bytes32), int256) >> 238


@internal
@pure
def _sigma(hot: uint256) -> uint256:
    """
    @notice 1e-6, annualised, an upper bound.
    """
    return hot >> 231


@internal
@pure
def _halted(hot: uint256) -> uint256:
    """
    @notice The same word in state HALTED; whether it is plain stays.
    """
    return hot | STATE_MASK


@internal
@pure
def _pack_rest(funding: int256, time: uint256, premium: int256, sigma: uint256) -> uint256:
    """
    @notice The hot word's fields funding, time, premium and sigma at their places; the caller adds
            the others.
    @param funding Ticks, |funding| <= FUNDING_LIMIT.
    @param time Seconds, < 2**32.
    @param premium 1e-6, |premium| < 2**17.
    @param sigma 1e-6, < 2**25.
    """
    return (
        ((convert(convert(funding, bytes32), uint256) & MASK_56) << 56)
        | (time << 162)
        | ((convert(convert(premium, bytes32), uint256) & MASK_18) << 211)
        | (sigma << 231)
    )


@internal
@pure
def _sigma_up(variance: uint256) -> uint256:
    """
    @notice The volatility of a variance, above its exact root.
    @param variance 1e-12, annualised, <= 4e14 (the terms' largest sigma_cap, squared).
    @return 1e-6, annualised, <= 20_000_001 < 2**25.
    """
    # Proof: isqrt is at most 2e7.
    return unsafe_add(isqrt(variance), 1)


@internal
@pure
def _accrued(hot: uint256, now: uint256) -> int256:
    """
    @notice The funding index brought to `now`: no accrual past the ttl, each step rounded to zero,
            saturating at FUNDING_LIMIT.
    @param hot The word in force since its `_time`.
    @param now Seconds, >= `_time`.
    @return Ticks, signed.
    """
    # Proof: as in _funding and _premium, in place.
    funding: int256 = convert(convert(hot << 144, bytes32), int256) >> 200
    if hot & PREMIUM_MASK == 0:
        return funding
    premium: int256 = convert(convert(hot << 27, bytes32), int256) >> 238
    # Proof: time <= now because it was a past block's timestamp. price < 2**56, |premium| < 2**17,
    # elapsed <= ttl < 2**16, so the product is < 2**89 and the sum with |funding| < 2**51 fits.
    elapsed: uint256 = min(unsafe_sub(now, (hot >> 162) & MASK_32), (hot >> 112) & MASK_16)
    step: int256 = unsafe_mul(convert(unsafe_mul(hot & MASK_56, elapsed), int256), premium)
    funding = unsafe_add(funding, unsafe_div(step, FUNDING_SCALE))
    return max(min(funding, FUNDING_LIMIT), -FUNDING_LIMIT)


@internal
@pure
def _state_at(hot: uint256, now: uint256) -> uint256:
    """
    @notice The state as served at `now`: HALTED stays, else STALE past the ttl, else as stored,
            RECOVERING as DEGRADED.
    @param hot The word in force.
    @param now Seconds, >= `_time`.
    """
    state: uint256 = (hot >> 160) & 3
    # Proof: time <= now, see _accrued.
    elapsed: uint256 = unsafe_sub(now, (hot >> 162) & MASK_32)
    if elapsed > (hot >> 112) & MASK_16 and state != quote_word.HALTED:
        return quote_word.STALE
    if state == RECOVERING:
        return quote_word.DEGRADED
    return state


@internal
@pure
def _quote(hot: uint256, now: uint256) -> uint256:
    """
    @notice The quote word (modules/quote_word.vy) at `now`: what is stored at its place, the age,
            and, where there is a premium or the price is old, what follows from them.
    @param hot The word in force.
    @param now Seconds, >= `_time`.
    """
    # Proof: now >= time, see _accrued; elapsed < 2**32 and delay < 2**17.
    elapsed: uint256 = unsafe_sub(now, (hot >> 162) & MASK_32)
    word: uint256 = (hot & SERVED_MASK) | (
        min(unsafe_add(elapsed, (hot >> 194) & MASK_17), 65_535) << 112
    )
    if hot & PREMIUM_MASK != 0:
        word = self._with_premium(word, hot, elapsed)
    if elapsed > (hot >> 112) & MASK_16:
        if hot & STATE_MASK != STATE_MASK:  # HALTED, both bits, stays
            word = (word & ~STATE_MASK) | (quote_word.STALE << 160)
    elif (hot >> 160) & 3 == RECOVERING:
        word = (word & ~STATE_MASK) | (quote_word.DEGRADED << 160) | quote_word.RECOVERING_FLAG
    return word


@internal
@pure
def _with_premium(word: uint256, hot: uint256, elapsed: uint256) -> uint256:
    """
    @notice A quote word with mark and funding in the place of price and stored funding.
    @param word The quote word without them.
    @param hot The word in force, with a premium.
    @param elapsed Seconds since its time, < 2**32.
    """
    price: uint256 = hot & MASK_56
    # Proof: as in _funding and _premium. premium > -2**17 > -PREMIUM_SCALE, so the factor is
    # positive and < 2**21; price is < 2**55 (the terms' bound), so
    # mark <= price * 1.131072 < 2**56. For the funding's step and sum see _accrued.
    premium: int256 = convert(convert(hot << 27, bytes32), int256) >> 238
    factor: uint256 = convert(unsafe_add(PREMIUM_SCALE, premium), uint256)
    held: int256 = convert(unsafe_mul(price, min(elapsed, (hot >> 112) & MASK_16)), int256)
    funding: int256 = unsafe_add(
        convert(convert(hot << 144, bytes32), int256) >> 200,
        unsafe_div(unsafe_mul(held, premium), FUNDING_SCALE),
    )
    funding = max(min(funding, FUNDING_LIMIT), -FUNDING_LIMIT)
    return (
        ((word >> 112) << 112)
        | unsafe_div(unsafe_mul(price, factor), 1_000_000)
        | ((convert(convert(funding, bytes32), uint256) & MASK_56) << 56)
    )


@internal
@pure
def _signed_datum(signer_set: uint256, max_age: uint256, threshold: uint256) -> uint256:
    """
    @notice The datum word of a source of signed reports before its first.
    @param signer_set Id, < 2**32.
    @param max_age Seconds, < 2**17.
    @param threshold Signatures, < 16.
    """
    return (max_age << 186) | (threshold << 203) | (signer_set << 207) | SIGNED_FLAG


@internal
@pure
def _datum_time(datum: uint256) -> uint256:
    """
    @notice Time of observation, s.
    """
    return (datum >> 56) & MASK_32


@internal
@pure
def _datum_round(datum: uint256) -> uint256:
    """
    @notice Round id or sequence.
    """
    return (datum >> 88) & MASK_80
