# pragma version 0.4.3
"""
@title feed_update
@license AGPL-3.0-only
@notice What a poke does to a feed once every source's newest datum is gathered: run the breaker,
        then accept the price, halt, or leave it as it stands. What the breaker decided is decided
        anew by each further poke of its second, from what that second found: whoever pokes between
        two sources' updates halts nothing that both together would not.
"""

from contracts.modules import fixed_point
from contracts.modules import quote_word
from contracts.oracle import aggregation
from contracts.oracle import breaker
from contracts.oracle import feed_books
from contracts.oracle import feed_state
from contracts.oracle import feed_terms
from contracts.oracle import feed_word
from contracts.oracle import realised_variance
from contracts.oracle import settlement_window

uses: feed_state
uses: feed_books


event Poked:
    feed: indexed(uint256)
    word: uint256  # hot word of the newest price; 0 before the first
    data: DynArray[uint256, 5]  # datum words, one per source


event SoleSourcePoked:  # in its place for a feed of one source: less gas
    feed: indexed(uint256)
    word: uint256
    datum: uint256


ONE: constant(uint256) = 2**96
PREMIUM_UNIT: constant(int256) = 1_000_000  # slow premium's 1e-12 in the hot word's 1e-6


@internal
def _update(feed: uint256, terms: uint256, a: aggregation.Aggregate):
    """
    @notice Accepts the price of what was gathered, halts, or leaves the price as it stands.
    @param feed The feed's id.
    @param terms Its terms word.
    @param a What every source's newest datum comes to.
    """
    now: uint256 = block.timestamp
    base: uint256 = feed_state._newest(feed)
    # Fields of terms in place: quorum 0-2, count 3-5, half_band 6-17, band 18-29, halt_band 30-41.
    if a.valid >= terms & 7:
        # Proof: low <= high < 2**56 and the bands are < 2**12.
        spread: uint256 = unsafe_mul(unsafe_sub(a.high, a.low), 10_000)
        wide: bool = spread > unsafe_mul(a.median, (terms >> 30) & (2**12 - 1))
        history: uint256 = feed_state.history[feed]
        # feed_word._state_at in place; before the first price: STALE
        old_state: uint256 = (base >> 160) & 3
        if unsafe_sub(now, (base >> 162) & (2**32 - 1)) > (base >> 112) & feed_word.MAX_TTL:
            old_state = max(old_state, quote_word.STALE)
        elif old_state == feed_word.RECOVERING:
            old_state = quote_word.DEGRADED
        was: uint256 = old_state
        redone: bool = False
        if old_state == quote_word.HALTED:
            if breaker._begun_at(feed_state.halts[feed], now):
                base = feed_state.before[feed]
                was = feed_word._state_at(base, now)
                redone = True
        cause: uint256 = self._breach(feed, terms, base, history, a.median, wide, now)
        new_state: uint256 = quote_word.HALTED
        word: uint256 = 0
        if cause == feed_books.CAUSE_NONE:
            new_state = quote_word.OK
            if a.valid < (terms >> 3) & 7:
                new_state = quote_word.DEGRADED
                cause = feed_books.CAUSE_MISSING
            elif spread > unsafe_mul(a.median, (terms >> 18) & (2**12 - 1)):
                new_state = quote_word.DEGRADED
                cause = feed_books.CAUSE_SPREAD
            stored: uint256 = new_state
            if was >= quote_word.STALE or (base >> 160) & 3 == feed_word.RECOVERING:
                if base != 0 and self._recovering(feed, terms, was, now):
                    new_state = quote_word.DEGRADED
                    stored = feed_word.RECOVERING
                    cause = feed_books.CAUSE_RECOVERING
            band: uint256 = aggregation._band_up(
                a.low, a.median, a.high, (terms >> 6) & (2**12 - 1)
            )
            # Proof: oldest <= now and now <= stale_at: the data counted are within their limits;
            # both differences are < 2**17, the longest age limit.
            ttl: uint256 = min(unsafe_sub(a.stale_at, now), feed_word.MAX_TTL)
            shape: uint256 = (
                a.median
                | (ttl << 112)
                | (band << 128)
                | (stored << 160)
                | (unsafe_sub(now, a.oldest) << 194)
            )
            if stored != feed_word.RECOVERING and terms & feed_terms.SEQUENCED == 0:
                shape |= feed_word.PLAIN_FLAG
            word = self._accept(feed, terms, base, history, shape, a.premium, redone, now)
        elif redone:
            word = feed_state._newest(feed)  # it is halted
        elif base != 0:
            word = feed_books._halt(feed, terms, now)
        if new_state != old_state and word != 0:
            log feed_books.StateChanged(
                feed=feed, old_state=old_state, new_state=new_state, cause=cause
            )
        base = word
    if len(a.data) == 1:
        log SoleSourcePoked(feed=feed, word=base, datum=a.data[0])
    else:
        log Poked(feed=feed, word=base, data=a.data)


@internal
def _recovering(feed: uint256, terms: uint256, old_state: uint256, now: uint256) -> bool:
    """
    @notice Whether the feed is still within its grace time after a gap or a halt; the first price
            after one begins it.
    @param feed The feed's id.
    @param terms Its terms word.
    @param old_state State at `now` of the price before.
    @param now Seconds.
    """
    grace: uint256 = feed_terms._grace(terms)
    record: uint256 = feed_state.halts[feed]
    if old_state >= quote_word.STALE:
        feed_state.halts[feed] = breaker._with_resumed(record, now)
        return grace != 0
    # Proof: the time of resumption is an earlier block's timestamp or this one's.
    return unsafe_sub(now, breaker._resumed(record)) < grace


@internal
def _breach(
    feed: uint256,
    terms: uint256,
    base: uint256,
    history: uint256,
    median: uint256,
    wide: bool,
    now: uint256,
) -> uint256:
    """
    @notice Runs the breaker. 0: the price may be accepted.
    @param feed The feed's id.
    @param terms Its terms word.
    @param base The newest hot word; 0 before the first price.
    @param history Its history word.
    @param median Ticks.
    @param wide Whether the spread exceeds halt_band.
    @param now Seconds.
    @return The cause of the halt that holds or begins.
    """
    cause: uint256 = feed_books.CAUSE_NONE
    if base & feed_word.STATE_MASK == feed_word.STATE_MASK:  # HALTED: both bits
        # Every poke of a second goes on from the record that the second found.
        record: uint256 = feed_state.halts[feed]
        if breaker._time(record) == now:
            record = feed_state.before[feed]
        else:
            feed_state.before[feed] = record
        record = breaker._next(record, terms, median, wide, now)
        feed_state.halts[feed] = record
        if breaker._released(record, terms, now):
            return feed_books.CAUSE_NONE
        return breaker._cause(record)
    if wide:
        cause = feed_books.CAUSE_HALTING_SPREAD
    elif base != 0:
        # The allowance widens with the age of the old price's oldest datum, so poking often does
        # not narrow it. Proof: time <= now, and delay is < 2**17.
        elapsed: uint256 = unsafe_sub(now, (base >> 162) & (2**32 - 1))
        age: uint256 = unsafe_add(elapsed, (base >> 194) & (2**17 - 1))
        # feed_terms._jump_allowed in place: its proof holds here; and the slow average alike.
        price: uint256 = base & feed_word.MASK_56
        distance: uint256 = unsafe_sub(max(median, price), min(median, price))
        allowance: uint256 = unsafe_add(
            unsafe_mul((terms >> 42) & (2**14 - 1), 10_000),
            unsafe_mul((terms >> 56) & (2**20 - 1), age),
        )
        if unsafe_mul(distance, 100_000_000) > unsafe_mul(price, allowance):
            cause = feed_books.CAUSE_JUMP
        else:
            price = settlement_window._slow(history)
            distance = unsafe_sub(max(median, price), min(median, price))
            if unsafe_mul(distance, 1_000) > unsafe_mul(price, (terms >> 208) & (2**12 - 1)):
                if price != 0:
                    cause = feed_books.CAUSE_AVERAGE
    if cause != feed_books.CAUSE_NONE:
        feed_state.before[feed] = base
        feed_state.halts[feed] = breaker.BY_RULE | breaker._begun(
            feed_state.halts[feed], median, now, 0, cause
        )
    return cause


@internal
def _accept(
    feed: uint256,
    terms: uint256,
    base: uint256,
    old_history: uint256,
    shape: uint256,
    target: uint256,
    redone: bool,
    now: uint256,
) -> uint256:
    """
    @notice Stores an accepted price: in the hot word if it is the second's first, with funding,
            settlement sum, slow averages and volatility brought up to date; else in the newer word.
    @param feed The feed's id.
    @param terms Its terms word.
    @param base The newest hot word; 0 before the first price.
    @param old_history Its history word.
    @param shape Fields price, delay, ttl, low, high, state and plain at their places in the word.
    @param target Premium and age of the report that was in force until now (aggregation.vy).
    @param redone Whether a halt of this very second is taken back; it has closed the books of `base`.
    @param now Seconds.
    @return The word stored.
    """
    price: uint256 = shape & feed_word.MASK_56
    if base != 0 and (base >> 162) & (2**32 - 1) == now:  # its time
        # Within one second funding, time, premium and sigma stay.
        word: uint256 = shape | (base & feed_word.CARRIED_MASK)
        feed_state.newer[feed] = word
        hot: uint256 = feed_state.hot[feed] & ~feed_word.PLAIN_FLAG
        if redone:
            hot = (hot & ~feed_word.STATE_MASK) | (base & feed_word.STATE_MASK)
        feed_state.hot[feed] = hot | feed_word.WAITING_FLAG
        return word
    funding: int256 = 0
    premium: int256 = 0
    history: uint256 = old_history
    if base != 0:
        if base & feed_word.PREMIUM_MASK == 0:
            funding = feed_word._funding(base)
        else:
            funding = feed_word._accrued(base, now)
        if not redone:
            history = feed_books._close(feed, terms, history, base, now)
        if target & feed_word.MASK_18 != 0 or history & settlement_window.PREMIUM_FIELD != 0:
            history, premium = self._follow_premium(terms, history, base, target, now)
    if base == 0 or base & feed_word.STATE_MASK == feed_word.STATE_MASK:
        # The first price, or one that a halt has confirmed: the slow average starts from it.
        history = settlement_window._with_slow_floor(history, price)
    sampled: uint256 = realised_variance._sample(history, terms, price, feed_word._time(base), now)
    sigma: uint256 = feed_word._sigma(base)
    if sampled & realised_variance.LAG_FIELD == 0:  # a sample was taken
        sigma = feed_word._sigma_up(realised_variance._variance(sampled))
    if sampled != old_history:
        feed_state.history[feed] = sampled
    word: uint256 = shape | feed_word._pack_rest(funding, now, premium, sigma)
    feed_state.hot[feed] = word
    return word


@internal
@pure
def _follow_premium(
    terms: uint256, history: uint256, base: uint256, target: uint256, now: uint256
) -> (uint256, int256):
    """
    @notice Moves the slow premium towards the premium of the report that was in force meanwhile, so
            that a new report counts only as time passes: not one observed after the base was fixed,
            which no price has followed yet. Without a report it decays to 0.
    @param terms The feed's terms word.
    @param history Its history word.
    @param base The hot word in force until now.
    @param target The report's premium and age (aggregation.vy); 0 for none.
    @param now Seconds, > the base's time.
    @return The new history word · the premium, 1e-6, clamped.
    """
    slow: int256 = settlement_window._premium(history)
    limit: int256 = convert(feed_terms._premium_clamp(terms), int256)
    word: uint256 = history
    elapsed: uint256 = unsafe_sub(now, (base >> 162) & (2**32 - 1))
    aim: int256 = 0
    if target >> 18 >= elapsed:
        # Proof: the field's sign bit (17) goes to bit 255, the arithmetic shift extends it. Its size
        # is < 2**17 and PREMIUM_UNIT < 2**20, |slow| < 2**37; the weight's complement is in
        # [0, ONE] because elapsed >= 1, so the mean stays between its two arguments.
        aim = convert(convert(target << 238, bytes32), int256) >> 238
        aim = unsafe_mul(max(min(aim, limit), -limit), PREMIUM_UNIT)
    if slow != aim:
        tau: uint256 = unsafe_mul((terms >> 105) & (2**14 - 1), 60)
        weight: uint256 = fixed_point._exp_neg(unsafe_div(elapsed << 96, tau))
        gap: int256 = unsafe_mul(unsafe_sub(aim, slow), convert(unsafe_sub(ONE, weight), int256))
        slow = unsafe_add(slow, gap >> 96)
        word = settlement_window._with_premium(history, slow)
    return word, max(min(unsafe_div(slow, PREMIUM_UNIT), limit), -limit)
