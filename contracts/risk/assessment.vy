# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title assessment
@license AGPL-3.0-only
@notice Margin of isolated and cross accounts. Per position, with notional N = |size| x mark:
            base          r = clamp(k sqrt(h) sigma, floor, cap)
            size          c_s sqrt(|size| / D), so that margin grows as N^1.5
            concentration c_o sqrt(OI / D) on the side's open interest
            MM = N (r + size + concentration on the slow open interest) x age multiplier
            IM = max(multiple x N (r + size + concentration on max(live, slow)), N x floor) x age
        sigma = max(realised, blend of realised and stressed, forecast). Collateral adds its
        haircuts. Every requirement rounds up, every value down.
@dev Trusts the oracle for its words and the caller for its legs and holdings. The rate follows
     realised volatility at once in both directions; it has no ramp of its own yet. Writes nothing.
"""
from contracts.interfaces import IRiskModel
from contracts.modules import errors
from contracts.modules import quote_word
from contracts.modules import rounding
from contracts.risk import market_quotes
from contracts.risk import risk_parameters
from contracts.risk import slow_root

uses: market_quotes
uses: risk_parameters

MAX_LEGS: constant(uint256) = 72
MAX_HOLDINGS: constant(uint256) = 16
MAX_FEEDS: constant(uint256) = market_quotes.MAX_FEEDS

MASK_14: constant(uint256) = 2**14 - 1
MASK_16: constant(uint256) = 2**16 - 1
MASK_40: constant(uint256) = 2**40 - 1
MASK_56: constant(uint256) = 2**56 - 1
MASK_64: constant(uint256) = 2**64 - 1
MASK_128: constant(uint256) = 2**128 - 1

AGE_ONE: constant(uint256) = 10**6
MM_SCALE: constant(uint256) = 10**17 * 2**32  # rate in 1e-11 x 2^-32, age multiplier in 1e-6
IM_SCALE: constant(uint256) = 10**20 * 2**32  # the same x multiple in 1e-3
INITIAL_FLOOR_UNIT: constant(uint256) = 10**10 * 2**32  # 1e-4 of notional in rate x multiple
STATE_MASK: constant(uint256) = 3 << 160
BAND_SCALE: constant(uint256) = 10**5
HAIRCUT_SCALE: constant(uint256) = 10**4
TICKS_TO_QU: constant(uint256) = 10**6  # 1e-9 USD -> 1e-15 USD
FRESH_STATES: constant(uint256) = 2  # OK and DEGRADED lie below


@external
@view
@reentrant  # the engine's health check runs while vault, venue and auction are in their own flows
def assess(
    legs: DynArray[int256, MAX_LEGS], holdings: DynArray[uint256, MAX_HOLDINGS]
) -> IRiskModel.Assessment:
    """
    @notice Margin of one account. UnknownMarket where a leg's market is not listed; reverts where
            the oracle does not know a feed.
    @param legs Positions (see IRiskModel.assess), one per market.
    @param holdings Collateral words (see IRiskModel.assess); amount in token units.
    @return Amounts in quote units, requirements rounded up, values down.
    """
    # Sums before arrays, so that a small account does not pay for the memory of a large one.
    result: IRiskModel.Assessment = empty(IRiskModel.Assessment)
    unrealised: int256 = 0
    linear: uint256 = 0  # qu x MM_SCALE, as the next two
    superlinear: uint256 = 0
    stale: uint256 = 0
    initial: uint256 = 0  # qu x IM_SCALE
    edge: uint256 = 0  # qu x BAND_SCALE
    state: uint256 = 0
    next: uint256 = 0
    collateral: uint256 = 0  # qu
    haircut: uint256 = 0  # qu x HAIRCUT_SCALE, as the next two
    initial_haircut: uint256 = 0
    stale_haircut: uint256 = 0
    stale_value: uint256 = 0  # qu
    recovering: uint256 = 0  # qu x MM_SCALE
    recovering_value: uint256 = 0  # qu
    # The markets' hot words (a feed id in the low 16 bits), then the holdings' feeds. Closed
    # markets' are among them; what the oracle says of those is ignored.
    feeds: DynArray[uint256, MAX_FEEDS] = []
    for leg: int256 in legs:
        hot: uint256 = risk_parameters.hot[convert(convert(leg, bytes32), uint256) & MASK_16]
        if hot == 0:
            errors._fail(errors.UNKNOWN_MARKET)
        feeds.append(hot)
    for holding: uint256 in holdings:
        feeds.append((holding >> 128) & MASK_16)
    words: DynArray[uint256, MAX_FEEDS] = []
    if len(feeds) > 0:
        # No code there means no returned words, which reverts too: the size check is spare.
        words = staticcall market_quotes.IOracle(market_quotes.oracle).words(
            feeds, skip_contract_check=True
        )
    # Written out rather than split into functions: sharing the formula with `assess_one` costs 300
    # gas a leg. A test compares the two.
    # Bounds for every unsafe operation: |size| <= 2^63, mark < 2^56, so N < 2^119 qu. Rates in
    # 1e-11 of notional x 2^32: base < 2^41 * 2^32, add-ons < 2^48 (coefficient) * 2^45 (root); age
    # < 2^21; multiple < 2^12. A leg's IM numerator < 2^119 * 2^95 * 2^21 * 2^12 = 2^247, and 72 of
    # them < 2^254. |mark - C| < 2^57, so |P&L| < 2^121 + 2^127 (g) a leg.
    for leg: int256 in legs:
        terms: uint256 = convert(convert(leg, bytes32), uint256)
        hot: uint256 = feeds[next]
        quoted: uint256 = words[next]
        next = unsafe_add(next, 1)
        coefficient: uint256 = ((hot >> 194) & MASK_14) << ((hot >> 208) & 63)
        crowd: uint256 = (terms >> 16) & MASK_40  # live root of open interest
        slow: uint256 = (hot >> 16) & MASK_40
        if slow != crowd:
            # slow_root._accrued_up in place; its proofs hold here. The sum of the daily limit's
            # numerator and divisor is below 2^95, rise x divisor below 2^134.
            elapsed: uint256 = unsafe_sub(block.timestamp, (hot >> 56) & risk_parameters.TIME_MASK)
            slowness: uint256 = unsafe_add(elapsed, slow_root.TAU)
            if crowd < slow:
                slow = unsafe_sub(
                    slow, unsafe_div(unsafe_mul(unsafe_sub(slow, crowd), elapsed), slowness)
                )
                crowd = slow  # initial margin takes the larger
            else:
                rise: uint256 = unsafe_div(
                    unsafe_add(
                        unsafe_mul(unsafe_sub(crowd, slow), elapsed), unsafe_sub(slowness, 1)
                    ),
                    slowness,
                )
                # The day's limit, rounded up, is (limit - 1) / slowness. A coefficient of 0 sets
                # none: 0 >= limit only with no time passed; then rise is 0, as is n / 0.
                slowness = unsafe_mul(86_400, coefficient)
                limit: uint256 = unsafe_add(
                    unsafe_mul(slow_root.RISE_PER_DAY << 32, elapsed), slowness
                )
                if unsafe_mul(rise, slowness) >= limit:
                    rise = unsafe_div(unsafe_sub(limit, 1), slowness)
                slow = unsafe_add(slow, rise)
        values: uint256 = hot
        if hot & risk_parameters.FLAGS_MASK != 0:
            if hot & risk_parameters.CLOSED_FLAG != 0:
                unrealised = unsafe_add(unrealised, market_quotes._closed_value(leg))
                continue
            values = risk_parameters._in_force(hot, risk_parameters.ramps[terms & MASK_16])
            coefficient = ((values >> 194) & MASK_14) << ((values >> 208) & 63)
        # The mark is below 2^56 and C's sign bit is shifted to the top: both are right as int256.
        unrealised = unsafe_add(
            unrealised,
            unsafe_add(
                unsafe_mul(
                    (leg << 128) >> 192,
                    unsafe_sub(
                        convert(convert(quoted & MASK_56, bytes32), int256),
                        (convert(convert(quoted, bytes32), int256) << 144) >> 200,
                    ),
                ),
                leg >> 128,
            ),
        )
        size: uint256 = (terms >> 64) & MASK_64
        band: uint256 = quoted >> 128
        if size >= 2**63:
            size = unsafe_sub(2**64, size)
            band = quoted >> 144
        notional: uint256 = unsafe_mul(size, quoted & MASK_56)
        edge = unsafe_add(edge, unsafe_mul(notional, band & MASK_16))

        sigma: uint256 = quoted >> 231  # 1e-6, an upper bound
        # An upper bound of sqrt(size << 24), by less than 1e-10 of it or 2: `rest` is < 256, the
        # guess on a line through it within 1.51 times of the root either way; a Newton step, halved
        # down, never falls below the root's floor. Divisors: the guess is >= 16 * 351, and a step
        # from x >= 1 on size >= 1 stays >= 1 (a size of 0 has no notional). Sums are < 2^60.
        rest: uint256 = size
        half: uint256 = 0
        if rest >= 2**32:
            rest = rest >> 32
            half = 16
        if rest >= 2**16:
            rest = rest >> 16
            half = unsafe_add(half, 8)
        if rest >= 2**8:
            rest = rest >> 8
            half = unsafe_add(half, 4)
        root: uint256 = unsafe_mul(unsafe_add(rest, 16), 351) << half
        rest = size << 24
        root = unsafe_add(root, unsafe_div(rest, root)) >> 1
        root = unsafe_add(root, unsafe_div(rest, root)) >> 1
        root = unsafe_add(root, unsafe_div(rest, root)) >> 1
        root = unsafe_add(unsafe_add(root, unsafe_div(rest, root)) >> 1, 1)
        base: uint256 = (
            min(
                max(
                    max(
                        unsafe_mul((values >> 96) & MASK_16, sigma),
                        unsafe_add(
                            unsafe_mul((values >> 112) & MASK_16, sigma),
                            unsafe_mul((values >> 128) & MASK_16, 10**6),
                        ),
                    ),
                    unsafe_mul((values >> 144) & MASK_16, 10**6),
                ),
                unsafe_mul((values >> 160) & MASK_14, 10**7),
            )
            << 32
        )
        growth: uint256 = unsafe_mul(((values >> 174) & MASK_14) << ((values >> 188) & 63), root)
        scaled: uint256 = unsafe_mul(
            notional,
            unsafe_add(AGE_ONE, min(AGE_ONE, unsafe_mul(values >> 240, (quoted >> 112) & MASK_16))),
        )
        flat: uint256 = unsafe_mul(scaled, unsafe_add(base, unsafe_mul(coefficient, slow)))
        grown: uint256 = unsafe_mul(scaled, growth)
        linear = unsafe_add(linear, flat)
        superlinear = unsafe_add(superlinear, grown)
        if quoted & STATE_MASK != 0:
            state = max(state, (quoted >> 160) & 3)
            if (quoted >> 160) & 3 >= FRESH_STATES:
                stale = unsafe_add(stale, unsafe_add(flat, grown))
            elif quoted & quote_word.RECOVERING_FLAG != 0:
                recovering = unsafe_add(recovering, unsafe_add(flat, grown))
        if values != hot:  # initial margin takes a ramp's stricter values
            initial = unsafe_add(
                initial,
                self._ramped_initial(
                    risk_parameters._stricter(values, hot), quoted, notional, sigma, root, crowd
                ),
            )
            continue
        initial = unsafe_add(
            initial,
            unsafe_mul(
                scaled,
                max(
                    unsafe_mul(
                        (values >> 214) & 4095,
                        unsafe_add(unsafe_add(base, growth), unsafe_mul(coefficient, crowd)),
                    ),
                    unsafe_mul((values >> 226) & MASK_14, INITIAL_FLOOR_UNIT),
                ),
            ),
        )

    for holding: uint256 in holdings:
        quoted: uint256 = words[next]
        next = unsafe_add(next, 1)
        # amount < 2^128, mark < 2^56, 1e6 < 2^20: the product < 2^204. The power is
        # checked and at least 1.
        unit: uint256 = 10**((holding >> 176) & 255)
        value: uint256 = unsafe_div(
            unsafe_mul(unsafe_mul(holding & MASK_128, quoted & MASK_56), TICKS_TO_QU), unit
        )
        cut: uint256 = (holding >> 144) & MASK_16
        lost: uint256 = unsafe_mul(value, cut)
        collateral = unsafe_add(collateral, value)
        haircut = unsafe_add(haircut, lost)
        initial_haircut = unsafe_add(
            initial_haircut, unsafe_mul(value, max(cut, (holding >> 160) & MASK_16))
        )
        edge = unsafe_add(edge, unsafe_mul(value, (quoted >> 128) & MASK_16))
        feed_state: uint256 = (quoted >> 160) & 3
        state = max(state, feed_state)
        if feed_state >= FRESH_STATES:
            stale_haircut = unsafe_add(stale_haircut, lost)
            stale_value = unsafe_add(stale_value, value)
        elif quoted & quote_word.RECOVERING_FLAG != 0:
            recovering_value = unsafe_add(recovering_value, value)
    result.unrealised = unrealised
    result.collateral = collateral
    # Quotients of sums below 2^254 by more than 2^13, so each sum of two fits.
    result.linear = rounding._div_up(linear, MM_SCALE)
    result.superlinear = rounding._div_up(superlinear, MM_SCALE)
    result.initial = rounding._div_up(initial, IM_SCALE)
    result.initial_value = unsafe_sub(
        unsafe_add(unrealised, convert(collateral, int256)),
        convert(rounding._div_up(edge, BAND_SCALE), int256),
    )
    result.state = state
    if state != 0:
        # A recovering holding counts whole: its new price, not its haircut, is what could sell the
        # account. A stale one's value is taken off E instead.
        result.stale_requirement = unsafe_add(
            unsafe_add(rounding._div_up(unsafe_add(stale, recovering), MM_SCALE), recovering_value),
            rounding._div_up(stale_haircut, HAIRCUT_SCALE),
        )
        result.stale_value = unsafe_add(rounding._div_up(stale, MM_SCALE), stale_value)
    if collateral != 0:
        result.linear = unsafe_add(result.linear, rounding._div_up(haircut, HAIRCUT_SCALE))
        result.initial = unsafe_add(
            result.initial, rounding._div_up(initial_haircut, HAIRCUT_SCALE)
        )
    result.initial = max(result.initial, unsafe_add(result.linear, result.superlinear))
    return result


@external
@view
@reentrant  # as assess
def assess_one(leg: int256, word: uint256) -> IRiskModel.Assessment:
    """
    @notice `assess` of one leg without holdings, at a given quote word: the ordinary trader's
            trade, for a quarter less gas. UnknownMarket where the market is not listed.
    @param leg The position (see IRiskModel.assess).
    @param word Its market's quote word, trusted as given (a wrong one only misleads its own
           caller); ignored where the market is closed.
    @return Amounts in quote units, requirements rounded up, values down.
    """
    # Line by line the loop of `assess`, whose bounds and proofs hold here.
    result: IRiskModel.Assessment = empty(IRiskModel.Assessment)
    terms: uint256 = convert(convert(leg, bytes32), uint256)
    hot: uint256 = risk_parameters.hot[terms & MASK_16]
    if hot == 0:
        errors._fail(errors.UNKNOWN_MARKET)
    coefficient: uint256 = ((hot >> 194) & MASK_14) << ((hot >> 208) & 63)
    crowd: uint256 = (terms >> 16) & MASK_40  # live root of open interest
    slow: uint256 = (hot >> 16) & MASK_40
    if slow != crowd:
        # slow_root._accrued_up in place; its proofs hold here. The sum of the daily limit's
        # numerator and divisor is below 2^95, rise x divisor below 2^134.
        elapsed: uint256 = unsafe_sub(block.timestamp, (hot >> 56) & risk_parameters.TIME_MASK)
        slowness: uint256 = unsafe_add(elapsed, slow_root.TAU)
        if crowd < slow:
            slow = unsafe_sub(
                slow, unsafe_div(unsafe_mul(unsafe_sub(slow, crowd), elapsed), slowness)
            )
            crowd = slow  # initial margin takes the larger
        else:
            rise: uint256 = unsafe_div(
                unsafe_add(unsafe_mul(unsafe_sub(crowd, slow), elapsed), unsafe_sub(slowness, 1)),
                slowness,
            )
            # The day's limit, rounded up, is (limit - 1) / slowness. A coefficient of 0 sets
            # none: 0 >= limit only with no time passed; then rise is 0, as is n / 0.
            slowness = unsafe_mul(86_400, coefficient)
            limit: uint256 = unsafe_add(unsafe_mul(slow_root.RISE_PER_DAY << 32, elapsed), slowness)
            if unsafe_mul(rise, slowness) >= limit:
                rise = unsafe_div(unsafe_sub(limit, 1), slowness)
            slow = unsafe_add(slow, rise)
    values: uint256 = hot
    if hot & risk_parameters.FLAGS_MASK != 0:
        if hot & risk_parameters.CLOSED_FLAG != 0:
            result.unrealised = market_quotes._closed_value(leg)
            result.initial_value = result.unrealised
            return result
        values = risk_parameters._in_force(hot, risk_parameters.ramps[terms & MASK_16])
        coefficient = ((values >> 194) & MASK_14) << ((values >> 208) & 63)
    # The mark is below 2^56 and C's sign bit is shifted to the top: both are right as int256.
    unrealised: int256 = unsafe_add(
        unsafe_mul(
            (leg << 128) >> 192,
            unsafe_sub(
                convert(convert(word & MASK_56, bytes32), int256),
                (convert(convert(word, bytes32), int256) << 144) >> 200,
            ),
        ),
        leg >> 128,
    )
    size: uint256 = (terms >> 64) & MASK_64
    band: uint256 = word >> 128
    if size >= 2**63:
        size = unsafe_sub(2**64, size)
        band = word >> 144
    notional: uint256 = unsafe_mul(size, word & MASK_56)
    edge: uint256 = unsafe_mul(notional, band & MASK_16)

    sigma: uint256 = word >> 231  # 1e-6, an upper bound
    # An upper bound of sqrt(size << 24), by less than 1e-10 of it or 2: `rest` is < 256, the
    # guess on a line through it within 1.51 times of the root either way; a Newton step, halved
    # down, never falls below the root's floor. Divisors: the guess is >= 16 * 351, and a step
    # from x >= 1 on size >= 1 stays >= 1 (a size of 0 has no notional). Sums are < 2^60.
    rest: uint256 = size
    half: uint256 = 0
    if rest >= 2**32:
        rest = rest >> 32
        half = 16
    if rest >= 2**16:
        rest = rest >> 16
        half = unsafe_add(half, 8)
    if rest >= 2**8:
        rest = rest >> 8
        half = unsafe_add(half, 4)
    root: uint256 = unsafe_mul(unsafe_add(rest, 16), 351) << half
    rest = size << 24
    root = unsafe_add(root, unsafe_div(rest, root)) >> 1
    root = unsafe_add(root, unsafe_div(rest, root)) >> 1
    root = unsafe_add(root, unsafe_div(rest, root)) >> 1
    root = unsafe_add(unsafe_add(root, unsafe_div(rest, root)) >> 1, 1)
    base: uint256 = (
        min(
            max(
                max(
                    unsafe_mul((values >> 96) & MASK_16, sigma),
                    unsafe_add(
                        unsafe_mul((values >> 112) & MASK_16, sigma),
                        unsafe_mul((values >> 128) & MASK_16, 10**6),
                    ),
                ),
                unsafe_mul((values >> 144) & MASK_16, 10**6),
            ),
            unsafe_mul((values >> 160) & MASK_14, 10**7),
        )
        << 32
    )
    growth: uint256 = unsafe_mul(((values >> 174) & MASK_14) << ((values >> 188) & 63), root)
    scaled: uint256 = unsafe_mul(
        notional,
        unsafe_add(AGE_ONE, min(AGE_ONE, unsafe_mul(values >> 240, (word >> 112) & MASK_16))),
    )
    flat: uint256 = unsafe_mul(scaled, unsafe_add(base, unsafe_mul(coefficient, slow)))
    grown: uint256 = unsafe_mul(scaled, growth)
    initial: uint256 = 0
    if values != hot:  # initial margin takes a ramp's stricter values
        initial = self._ramped_initial(
            risk_parameters._stricter(values, hot), word, notional, sigma, root, crowd
        )
    else:
        initial = unsafe_mul(
            scaled,
            max(
                unsafe_mul(
                    (values >> 214) & 4095,
                    unsafe_add(unsafe_add(base, growth), unsafe_mul(coefficient, crowd)),
                ),
                unsafe_mul((values >> 226) & MASK_14, INITIAL_FLOOR_UNIT),
            ),
        )
    result.unrealised = unrealised
    result.linear = rounding._div_up(flat, MM_SCALE)
    result.superlinear = rounding._div_up(grown, MM_SCALE)
    result.initial_value = unsafe_sub(
        unrealised, convert(rounding._div_up(edge, BAND_SCALE), int256)
    )
    result.initial = max(
        rounding._div_up(initial, IM_SCALE), unsafe_add(result.linear, result.superlinear)
    )
    if word & STATE_MASK != 0:
        result.state = (word >> 160) & 3
        if result.state >= FRESH_STATES or word & quote_word.RECOVERING_FLAG != 0:
            result.stale_requirement = rounding._div_up(unsafe_add(flat, grown), MM_SCALE)
            if result.state >= FRESH_STATES:
                result.stale_value = result.stale_requirement
    return result


@internal
@pure
def _ramped_initial(
    values: uint256, word: uint256, notional: uint256, sigma: uint256, root: uint256, crowd: uint256
) -> uint256:
    """
    @notice IM numerator of a leg while a ramp runs; the formula of `assess` on other values.
    @param values Hot word with the stricter values.
    @param word Quote word.
    @param notional qu
    @param sigma 1e-6
    @param root Root of the size.
    @param crowd Root of open interest, the larger of live and slow.
    @return qu x IM_SCALE
    """
    base: uint256 = risk_parameters._value(values, risk_parameters.A) * sigma
    blended: uint256 = (
        risk_parameters._value(values, risk_parameters.B) * sigma
        + risk_parameters._value(values, risk_parameters.S) * 10**6
    )
    base = max(max(base, blended), risk_parameters._value(values, risk_parameters.FLOOR) * 10**6)
    base = min(base, risk_parameters._value(values, risk_parameters.CAP) * 10**7)
    rate: uint256 = (
        base * 2**32
        + risk_parameters._value(values, risk_parameters.SIZE) * root
        + risk_parameters._value(values, risk_parameters.CONCENTRATION) * crowd
    )
    age: uint256 = risk_parameters._value(values, risk_parameters.SLOPE) * quote_word._age(word)
    lowest: uint256 = (
        risk_parameters._value(values, risk_parameters.INITIAL_FLOOR) * INITIAL_FLOOR_UNIT
    )
    return (
        notional
        * (AGE_ONE + min(AGE_ONE, age))
        * max(risk_parameters._value(values, risk_parameters.MULTIPLE) * rate, lowest)
    )
