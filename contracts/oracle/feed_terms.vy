# pragma version 0.4.3
"""
@title feed_terms
@license AGPL-3.0-only
@notice A feed's rules and sources: checked once when they are set, then two kinds of packed words.

        terms word
        bits    field          unit
        0-2     quorum         sources that must be within their age limit
        3-5     count          sources listed
        6-17    half_band      1e-4: the band is at least this wide on each side
        18-29   band           1e-4: a spread (max - min over median) above it is DEGRADED
        30-41   halt_band      1e-4: a spread above it is HALTED
        42-55   jump_base      1e-4: a move this large is always allowed
        56-75   jump_rate      1e-8 per s of the old price's age, added to jump_base
        76-87   confirm        s of calm before a halt is released
        88-104  premium_clamp  1e-6 of price
        105-118 premium_tau    minutes: time constant of the slow premium
        119-132 variance_tau   minutes: time constant of the variance
        133-144 spacing        s: least time between two variance samples
        145-155 sigma_cap      1e-2, annualised: one sample counts as at most this volatility
        156-181 min_price      ticks, 20 significant bits, a valid datum is not below
        182-207 max_price      ticks, 20 significant bits, a valid datum is not above
        208-219 ema_band       1e-3: a price further from the slow average is HALTED
        220-233 ema_tau        minutes: time constant of the slow average
        234-245 grace          s after a gap or a halt for which no liquidation goes on
        246     sequenced      1: served under the rollup's sequencer (sequencer.vy)

        source word
        0-159   target         address, or the signer set's id
        160-167 kind           1 Chainlink-shaped aggregator, 2 signed reports, 3 Pyth,
                               4 Uniswap v3 pool, 5 Curve pool, 6 ERC-4626 vault
        168-175 decimals       of an aggregator's answers, pinned when listed
        176-199 max_age        s: a datum is valid while its age is at most this
        200-207 threshold      signatures a report needs; 0 for all others
        208-219 max_conf       1e-4 of the price: the widest confidence interval of a Pyth price
        220     inverse        1: the price is one over what the source says
        221-236 via            id of the feed whose price the source's is multiplied with; 0: none

        extra word of a source: what its kind needs beyond (see the module of the kind)
"""

from contracts.modules import errors


struct FeedTerms:
    quorum: uint256  # sources, 1 to 5
    half_band: uint256  # 1e-4, 1 to 500
    band: uint256  # 1e-4, half_band to halt_band
    halt_band: uint256  # 1e-4, at most 4000
    jump_base: uint256  # 1e-4, 1 to 9999
    jump_rate: uint256  # 1e-8 per s, 1 to 1_000_000
    confirm: uint256  # s, 1 to 3600
    premium_clamp: uint256  # 1e-6, at most 131_071
    premium_tau: uint256  # minutes, 1 to 14_400
    variance_tau: uint256  # minutes, 1 to 14_400
    spacing: uint256  # s, 1 to 3600
    sigma_cap: uint256  # 1e-2, 1 to 2000
    ema_band: uint256  # 1e-3, 1 to 4000
    ema_tau: uint256  # minutes, 1 to 14_400
    grace: uint256  # s, at most 3600
    sequenced: bool  # whether a rollup's sequencer is to be asked; one must be set before
    min_price: uint256  # ticks, above 0
    max_price: uint256  # ticks, above min_price, below 2**55


struct SourceTerms:
    kind: uint256  # see the source word
    target: address  # aggregator, Pyth, pool or vault; empty for signed reports
    signer_set: uint256  # id of the signer set; 0 but for signed reports
    max_age: uint256  # s, 1 to 131_071
    max_conf: uint256  # 1e-4, 1 to 4095 for Pyth, else 0
    inverse: bool  # never for signed reports
    via: uint256  # id of a feed that is listed, below this one's; 0 for none or signed reports
    extra: uint256  # the kind's further terms; 0 for aggregators and signed reports
    factory: address  # of a Uniswap pool, which must know it; else empty. Not stored


CHAINLINK: constant(uint256) = 1
SIGNED: constant(uint256) = 2
PYTH: constant(uint256) = 3
UNISWAP: constant(uint256) = 4
CURVE: constant(uint256) = 5
ERC4626: constant(uint256) = 6
INVERSE: constant(uint256) = 1 << 220
SEQUENCED: constant(uint256) = 1 << 246
DIRECT: constant(uint256) = (2**17 - 1) << 220  # inverse and via: the source's answer is the price
MAX_SOURCES: constant(uint256) = 5
MAX_AGE_LIMIT: constant(uint256) = 2**17 - 1  # s; what the hot word's delay and ttl hold
MAX_PRICE: constant(uint256) = 2**55 - 1  # ticks; leaves room for the premium in 56 bits
MAX_DECIMALS: constant(uint256) = 27
MASK_12: constant(uint256) = 2**12 - 1


@internal
@pure
def _in(x: uint256, low: uint256, high: uint256) -> bool:
    """
    @notice Whether low <= x <= high.
    """
    return x >= low and x <= high


@internal
@pure
def _pack_terms(t: FeedTerms, count: uint256) -> uint256:
    """
    @notice Checks the rules alone and together and packs them. Reverts BadQuorum when the quorum
            is not reachable, BadParameter when a value is out of its bounds above.
    @param t The rules.
    @param count Number of sources.
    """
    errors._require(self._in(t.quorum, 1, count) and count <= MAX_SOURCES, errors.BAD_QUORUM)
    errors._require(
        self._in(t.half_band, 1, 500)
        and self._in(t.halt_band, t.band, 4_000)
        and t.half_band <= t.band
        and self._in(t.jump_base, 1, 9_999)
        and self._in(t.jump_rate, 1, 1_000_000)
        and self._in(t.confirm, 1, 3_600)
        and t.premium_clamp <= 131_071
        and self._in(t.premium_tau, 1, 14_400)
        and self._in(t.variance_tau, 1, 14_400)
        and self._in(t.spacing, 1, 3_600)
        and self._in(t.sigma_cap, 1, 2_000)
        and self._in(t.ema_band, 1, 4_000)
        and self._in(t.ema_tau, 1, 14_400)
        and t.grace <= 3_600
        and self._in(t.max_price, 2, MAX_PRICE)
        and self._in(t.min_price, 1, t.max_price - 1),
        errors.BAD_PARAMETER,
    )
    return (
        t.quorum
        | (count << 3)
        | (t.half_band << 6)
        | (t.band << 18)
        | (t.halt_band << 30)
        | (t.jump_base << 42)
        | (t.jump_rate << 56)
        | (t.confirm << 76)
        | (t.premium_clamp << 88)
        | (t.premium_tau << 105)
        | (t.variance_tau << 119)
        | (t.spacing << 133)
        | (t.sigma_cap << 145)
        | (self._to_float_floor(t.min_price) << 156)
        | (self._to_float_floor(t.max_price) << 182)
        | (t.ema_band << 208)
        | (t.ema_tau << 220)
        | (t.grace << 234)
        | (convert(t.sequenced, uint256) << 246)
    )


@internal
@pure
def _count(terms: uint256) -> uint256:
    return (terms >> 3) & 7


@internal
@pure
def _confirm(terms: uint256) -> uint256:
    return (terms >> 76) & MASK_12


@internal
@pure
def _premium_clamp(terms: uint256) -> uint256:
    return (terms >> 88) & (2**17 - 1)


@internal
@pure
def _price_in_bounds(terms: uint256, price: uint256) -> bool:
    """
    @notice Whether a datum's price is inside the feed's absolute bounds.
    @param terms The terms word.
    @param price Ticks.
    """
    low: uint256 = ((terms >> 162) & (2**20 - 1)) << ((terms >> 156) & 63)
    return price >= low and price <= ((terms >> 188) & (2**20 - 1)) << ((terms >> 182) & 63)


@internal
@pure
def _to_float_floor(x: uint256) -> uint256:
    """
    @notice x rounded down to 20 significant bits, as places | mantissa << 6.
    @param x Below 2**55.
    """
    places: uint256 = 0
    for _: uint256 in range(35):
        if x >> places < 2**20:
            break
        places = unsafe_add(places, 1)  # at most 35
    return places | ((x >> places) << 6)


@internal
@pure
def _grace(terms: uint256) -> uint256:
    return (terms >> 234) & MASK_12


@internal
@pure
def _jump_allowed(terms: uint256, old_price: uint256, price: uint256, age: uint256) -> bool:
    """
    @notice Whether the move is within jump_base + jump_rate * age.
    @param terms The terms word.
    @param old_price Ticks, the reference.
    @param price Ticks.
    @param age Seconds since the reference was observed.
    """
    # Proof: prices are < 2**56, 1e8 < 2**27; the allowance is < 2**14 * 1e4 + 2**20 * 2**32 < 2**53
    # (age < 2**32), so both products are < 2**109.
    move: uint256 = unsafe_sub(max(price, old_price), min(price, old_price))
    base: uint256 = unsafe_mul((terms >> 42) & (2**14 - 1), 10_000)
    allowance: uint256 = unsafe_add(base, unsafe_mul((terms >> 56) & (2**20 - 1), age))
    return unsafe_mul(move, 100_000_000) <= unsafe_mul(old_price, allowance)


@internal
@pure
def _pack_source(
    source: SourceTerms, target: uint256, decimals: uint256, threshold: uint256
) -> uint256:
    """
    @notice The source word of checked fields.
    @param source The terms.
    @param target Address or signer set id.
    @param decimals 0 to 27.
    @param threshold Signatures, 0 to 8.
    """
    return (
        target
        | (source.kind << 160)
        | (decimals << 168)
        | (source.max_age << 176)
        | (threshold << 200)
        | (source.max_conf << 208)
        | (convert(source.inverse, uint256) << 220)
        | (source.via << 221)
    )


@internal
@pure
def _via(source: uint256) -> uint256:
    return (source >> 221) & (2**16 - 1)


@internal
@pure
def _kind(source: uint256) -> uint256:
    return (source >> 160) & 255


@internal
@pure
def _max_age(source: uint256) -> uint256:
    return (source >> 176) & (2**24 - 1)
