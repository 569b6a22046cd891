# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title OracleAdapter
@license AGPL-3.0-only
@notice Prices with a state. Per feed up to five sources (Chainlink-shaped aggregators, signed
        reports); every source's newest datum is kept, a poke re-reads the on-chain ones and
        aggregates all: median with quorum, band, oldest time. One storage word per feed serves a
        reader. The first accepted poke of a second fixes that second's price; later ones wait
        beside and serve from the next second on. Words are documented in feed_word.vy,
        feed_terms.vy, realised_variance.vy, settlement_window.vy and breaker.vy.

        Trust: a quorum of sources for the price; the owner (a timelock) for listing and terms; the
        guardian may halt a feed for a limited time and nothing else; pokers are trusted with
        nothing. Values sent with a poke are refused: no source of this version takes a fee.
@custom:kill The guardian halts single feeds; there is no other stop.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import eip712_domain_separator as eip712
from contracts.interfaces import IOracleAdapter
from contracts.modules import errors
from contracts.modules import fixed_point
from contracts.modules import quote_word
from contracts.oracle import aggregation
from contracts.oracle import breaker
from contracts.oracle import chainlink_source
from contracts.oracle import feed_state
from contracts.oracle import feed_terms
from contracts.oracle import feed_word
from contracts.oracle import realised_variance
from contracts.oracle import settlement_window
from contracts.oracle import signed_reports
from contracts.oracle import signer_sets

implements: IOracleAdapter

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: eip712
initializes: feed_state
initializes: signer_sets
initializes: signed_reports[eip712 := eip712, signer_sets := signer_sets]
initializes: aggregation[feed_state := feed_state]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    eip712.eip712Domain,
)


event FeedListed:
    feed: indexed(uint256)
    terms: uint256  # terms word
    variance: uint256  # 1e-12, annualised: the warm start


event TermsChanged:
    feed: indexed(uint256)
    old_terms: uint256  # terms word
    new_terms: uint256


event SourceChanged:
    feed: indexed(uint256)
    source: indexed(uint256)
    old_source: uint256  # source word; 0: none
    new_source: uint256


event GuardianChanged:
    old_guardian: indexed(address)
    new_guardian: indexed(address)


event Poked:
    feed: indexed(uint256)
    word: uint256  # hot word of the newest price
    data: uint256[5]  # datum words, one per source


event StateChanged:
    feed: indexed(uint256)
    old_state: uint256  # OK 0, DEGRADED 1, STALE 2, HALTED 3
    new_state: uint256
    cause: uint256  # 0 none, 1 missing source, 2 spread, 3 halting spread, 4 jump, 5 guardian


MAX_HALT: constant(uint256) = 3 * 86_400  # s: time for the timelock's council to act, not for ever
MAX_FEED: constant(uint256) = 65_535
MAX_VARIANCE: constant(uint256) = 400 * 10**12  # 1e-12: volatility of 2000 %
ONE: constant(uint256) = 2**96
PREMIUM_UNIT: constant(int256) = 1_000_000  # slow premium's 1e-12 in the hot word's 1e-6

CAUSE_NONE: constant(uint256) = 0
CAUSE_MISSING: constant(uint256) = 1
CAUSE_SPREAD: constant(uint256) = 2
CAUSE_BREAKER_SPREAD: constant(uint256) = 3
CAUSE_BREAKER_JUMP: constant(uint256) = 4
CAUSE_GUARDIAN: constant(uint256) = 5

guardian: public(reentrant(address))  # may halt; reads nothing that a call could leave half done


@deploy
def __init__(owner_: address, guardian_: address):
    """
    @notice Deploys without feeds.
    @param owner_ Governance: lists feeds, sets terms, sources, signers and the guardian.
    @param guardian_ May halt feeds.
    """
    errors._require(owner_ != empty(address) and guardian_ != empty(address), errors.NULL_ADDRESS)
    ownable.__init__()
    ownable_2step.__init__()
    ownable_2step._transfer_ownership(owner_)
    eip712.__init__("Plimsoll Oracle", "1")
    self.guardian = guardian_


# -- prices ---------------------------------------------------------------------------------------


@external
@payable
def poke(feed: uint256, update: Bytes[4096]):
    """
    @notice Bring a feed up to date. Anyone may call. Re-reads the on-chain sources and, with an
            update, takes one signed report; then aggregates every source's newest datum. Below the
            quorum the data are kept and the price stands, until it is STALE by its own age limits.
            Reverts UnknownFeed; StarvedCall when too little gas is left for a source; BadSource
            when the update names no report source; BadArgument for value sent or a misshapen
            update; OldReport, FutureReport, OutOfRange, BadQuorum, BadSigner, BadSignature or
            TooMany for a report that cannot be taken (then nothing of this call stays).
    @param feed The feed's id.
    @param update Empty, or one report as laid out in signed_reports.vy.
    """
    if msg.value != 0:
        errors._fail(errors.BAD_ARGUMENT)
    terms: uint256 = 0
    if feed <= MAX_FEED:
        terms = feed_state.terms[feed]
    if terms == 0:
        errors._fail(errors.UNKNOWN_FEED)
    reporter: uint256 = aggregation.NO_REPORT
    report: uint256 = 0
    if len(update) != 0:
        errors._require(len(update) >= signed_reports.MIN_UPDATE, errors.BAD_ARGUMENT)
        reporter = extract32(update, 0, output_type=uint256) >> 248
        errors._require(reporter < feed_terms._count(terms), errors.BAD_SOURCE)
        # Proof: feed < 2**16, reporter < 8.
        slot: uint256 = unsafe_add(unsafe_mul(feed, 8), reporter)
        source: uint256 = feed_state.sources[slot]
        errors._require(feed_terms._kind(source) == feed_terms.SIGNED, errors.BAD_SOURCE)
        errors._require(len(update) <= signed_reports.MAX_UPDATE, errors.TOO_MANY)
        report = signed_reports._accept(
            feed, source, feed_state.data[slot], terms, convert(update, Bytes[705]), block.timestamp
        )
    self._update(feed, terms, reporter, report)


@external
@view
@reentrant  # one storage read per feed of a word that is written once at the end of a poke
def words(feeds: DynArray[uint256, 88]) -> DynArray[uint256, 88]:
    """
    @notice The quote words of several feeds, brought to now. Reverts NoPrice or UnknownFeed.
    @param feeds Ids in the low 16 bits of each, in any order, repeats allowed; the other bits are
           the caller's own and ignored.
    @return Quote words (modules/quote_word.vy), same order.
    """
    result: DynArray[uint256, 88] = []
    for feed: uint256 in feeds:
        hot: uint256 = feed_state.hot[feed & MAX_FEED]
        if hot & feed_word.SOLE_FLAG == 0:  # rare: no price, or two pokes in one second
            hot = self._priced(feed & MAX_FEED)
        # feed_word._quote in place, a call the less per feed; its proof holds here.
        elapsed: uint256 = unsafe_sub(block.timestamp, (hot >> 162) & feed_word.MASK_32)
        quoted: uint256 = (hot & feed_word.SERVED_MASK) | (
            min(unsafe_add(elapsed, (hot >> 194) & feed_word.MASK_17), 65_535) << 112
        )
        if hot & feed_word.PREMIUM_MASK != 0:
            quoted = feed_word._with_premium(quoted, hot, elapsed)
        if elapsed > (hot >> 112) & feed_word.MASK_16:
            if hot & feed_word.STATE_MASK != feed_word.STATE_MASK:  # HALTED, both bits, stays
                quoted = (quoted & ~feed_word.STATE_MASK) | (quote_word.STALE << 160)
        result.append(quoted)
    return result


@external
@view
@reentrant  # as words
def word(feed: uint256) -> uint256:
    """
    @notice The quote word of one feed, brought to now. Reverts NoPrice or UnknownFeed.
    @param feed The feed's id.
    """
    return feed_word._quote(self._priced(feed), block.timestamp)


@external
@view
@reentrant  # as words
def latest(feed: uint256) -> uint256:
    """
    @notice Like `word`, but with the newest price even if it came later in this very second. Only
            for curing or ending a liquidation: a caller may have chosen it. Reverts NoPrice or
            UnknownFeed.
    @param feed The feed's id.
    """
    self._priced(feed)
    return feed_word._quote(feed_state._newest(feed), block.timestamp)


@external
@view
@reentrant  # as words
def read(feed: uint256) -> IOracleAdapter.Reading:
    """
    @notice The index price with its band, state and variance. Reverts NoPrice or UnknownFeed.
    @param feed The feed's id.
    @return Reading: price, low (rounded down), high (rounded up) in ticks; timestamp s; state 0-3;
            variance 1e-12 annualised.
    """
    hot: uint256 = self._priced(feed)
    price: uint256 = feed_word._price(hot)
    # Proof: offsets are < 2**16 < 100_000 and price < 2**56; delay <= time because it was measured
    # from a datum's time >= 0.
    down: uint256 = unsafe_mul(price, unsafe_sub(100_000, feed_word._low(hot)))
    up: uint256 = unsafe_mul(price, unsafe_add(100_000, feed_word._high(hot)))
    return IOracleAdapter.Reading(
        price=price,
        low=unsafe_div(down, 100_000),
        high=unsafe_div(unsafe_add(up, 99_999), 100_000),
        timestamp=unsafe_sub(feed_word._time(hot), feed_word._delay(hot)),
        state=feed_word._state_at(hot, block.timestamp),
        variance=realised_variance._variance(feed_state.history[feed]),
    )


@external
@view
@reentrant  # reads words that are written once at the end of a poke
def settlement_price(feed: uint256) -> uint256:
    """
    @notice Time-weighted index price of the last complete half hour, aligned to the clock, in which
            the feed was OK throughout. Reverts NoPrice if there was none, or UnknownFeed.
    @param feed The feed's id.
    @return Ticks, rounded down.
    """
    hot: uint256 = self._priced(feed)
    history: uint256 = 0
    settled: uint256 = 0
    history, settled = self._held_until(feed_state.history[feed], hot, block.timestamp)
    if settled == 0:
        settled = feed_state.settlement[feed]
    price: uint256 = settlement_window._last_price(settled)
    errors._require(price != 0, errors.NO_PRICE)
    return price


# -- views for monitors ---------------------------------------------------------------------------


@external
@view
@reentrant  # raw words, for monitors and tests
def feed_words(feed: uint256) -> uint256[6]:
    """
    @notice The stored words of a feed: hot, newer, terms, history, settlement, halt.
    @param feed The feed's id, at most 65535.
    """
    return [
        feed_state.hot[feed],
        feed_state.newer[feed],
        feed_state.terms[feed],
        feed_state.history[feed],
        feed_state.settlement[feed],
        feed_state.halts[feed],
    ]


@external
@view
@reentrant  # raw words, for monitors and tests
def source_words(feed: uint256, source: uint256) -> uint256[2]:
    """
    @notice The stored words of a source: source, datum.
    @param feed The feed's id, at most 65535.
    @param source Its index, at most 7.
    """
    errors._require(feed <= MAX_FEED and source < 8, errors.BAD_ARGUMENT)
    return [feed_state.sources[feed * 8 + source], feed_state.data[feed * 8 + source]]


@external
@view
@reentrant  # sets never change
def is_signer(signer_set: uint256, signer: address) -> bool:
    """
    @notice Whether an address belongs to a signer set.
    @param signer_set The set's id.
    @param signer The address.
    """
    return signer_sets.members[signer_set][signer]


@external
@view
@reentrant  # sets never change
def threshold(signer_set: uint256) -> uint256:
    """
    @notice Signatures a report of this set needs; 0 if there is no such set.
    @param signer_set The set's id.
    """
    return signer_sets.thresholds[signer_set]


# -- guardian -------------------------------------------------------------------------------------


@external
def halt(feed: uint256, duration: uint256):
    """
    @notice Halt a feed at once; guardian or owner. It stays halted at least `duration` and is then
            released by the breaker's rule at a poke. A later call can only extend it. Reverts
            NotGuardian, BadArgument for a duration of 0 or over three days, NoPrice, UnknownFeed.
    @param feed The feed's id.
    @param duration Seconds from now.
    """
    errors._require(msg.sender == self.guardian or msg.sender == ownable.owner, errors.NOT_GUARDIAN)
    errors._require(duration >= 1 and duration <= MAX_HALT, errors.BAD_ARGUMENT)
    now: uint256 = block.timestamp
    hot: uint256 = self._priced(feed)
    record: uint256 = feed_state.halts[feed]
    # Proof: duration is bounded above and timestamps are < 2**32.
    forced: uint256 = max(breaker._forced(record), unsafe_add(now, duration))
    feed_state.halts[feed] = breaker._pack(now, feed_word._price(hot), now, forced)
    self._halt(feed, now)
    log StateChanged(
        feed=feed,
        old_state=feed_word._state_at(hot, now),
        new_state=quote_word.HALTED,
        cause=CAUSE_GUARDIAN,
    )


# -- governance -----------------------------------------------------------------------------------


@external
def list_feed(
    feed: uint256,
    terms: feed_terms.FeedTerms,
    sources: DynArray[feed_terms.SourceTerms, 5],
    variance: uint256,
):
    """
    @notice List a feed; owner only. Every aggregator must answer soundly now; when they meet the
            quorum the feed is priced at once, else by the first reports. Reverts NotGovernance,
            BadArgument (id), AlreadyListed, BadQuorum, BadParameter, BadSource.
    @param feed 1 to 65535, never listed before.
    @param terms The rules (feed_terms.vy).
    @param sources One to five.
    @param variance 1e-12 annualised, above 0: the variance's warm start.
    """
    self._check_owner()
    errors._require(feed >= 1 and feed <= MAX_FEED, errors.BAD_ARGUMENT)
    errors._require(feed_state.terms[feed] == 0, errors.ALREADY_LISTED)
    errors._require(variance >= 1 and variance <= MAX_VARIANCE, errors.BAD_PARAMETER)
    packed: uint256 = feed_terms._pack_terms(terms, len(sources))
    feed_state.terms[feed] = packed
    # Proof: variance <= 4e14, so times 1e4 it is < 2**62.
    feed_state.history[feed] = unsafe_mul(variance, 10_000)
    log FeedListed(feed=feed, terms=packed, variance=variance)
    on_chain: uint256 = self._set_sources(feed, packed, sources)
    if on_chain >= terms.quorum:
        self._update(feed, packed, aggregation.NO_REPORT, 0)
        errors._require(feed_state.hot[feed] != 0, errors.BAD_SOURCE)


@external
def set_terms(feed: uint256, terms: feed_terms.FeedTerms):
    """
    @notice Change a feed's rules; owner only. They apply from the next poke. Reverts NotGovernance,
            UnknownFeed, BadQuorum, BadParameter.
    @param feed The feed's id.
    @param terms The rules (feed_terms.vy).
    """
    self._check_owner()
    old: uint256 = self._terms(feed)
    packed: uint256 = feed_terms._pack_terms(terms, feed_terms._count(old))
    feed_state.terms[feed] = packed
    log TermsChanged(feed=feed, old_terms=old, new_terms=packed)


@external
def set_sources(
    feed: uint256, terms: feed_terms.FeedTerms, sources: DynArray[feed_terms.SourceTerms, 5]
):
    """
    @notice Change a feed's sources and rules together; owner only. A source that stays as it was at
            its index keeps its datum, any other starts anew and must answer soundly now. They apply
            from the next poke. Reverts as list_feed, or UnknownFeed.
    @param feed The feed's id.
    @param terms The rules (feed_terms.vy).
    @param sources One to five.
    """
    self._check_owner()
    old: uint256 = self._terms(feed)
    packed: uint256 = feed_terms._pack_terms(terms, len(sources))
    feed_state.terms[feed] = packed
    log TermsChanged(feed=feed, old_terms=old, new_terms=packed)
    self._set_sources(feed, packed, sources)


@external
def add_signer_set(signers: DynArray[address, 16], threshold: uint256) -> uint256:
    """
    @notice List a signer set for report sources; owner only. Sets never change: rotate by listing
            the source with another set. Reverts NotGovernance, BadSigner, BadQuorum.
    @param signers Strictly ascending, not empty.
    @param threshold Signatures a report needs, 1 to 8.
    @return The set's id.
    """
    self._check_owner()
    return signer_sets._add_set(signers, threshold)


@external
def set_guardian(guardian: address):
    """
    @notice Name another guardian; owner only. Reverts NotGovernance, NullAddress.
    @param guardian The new guardian.
    """
    self._check_owner()
    errors._require(guardian != empty(address), errors.NULL_ADDRESS)
    log GuardianChanged(old_guardian=self.guardian, new_guardian=guardian)
    self.guardian = guardian


# -- internal: governance -------------------------------------------------------------------------


@internal
@view
def _check_owner():
    """
    @notice Reverts NotGovernance unless the owner calls.
    """
    errors._require(msg.sender == ownable.owner, errors.NOT_GOVERNANCE)


@internal
@view
def _terms(feed: uint256) -> uint256:
    """
    @notice The terms word. Reverts UnknownFeed.
    """
    errors._require(feed <= MAX_FEED, errors.UNKNOWN_FEED)
    terms: uint256 = feed_state.terms[feed]
    errors._require(terms != 0, errors.UNKNOWN_FEED)
    return terms


@internal
def _set_sources(
    feed: uint256, terms: uint256, sources: DynArray[feed_terms.SourceTerms, 5]
) -> uint256:
    """
    @notice Checks and stores the sources; slots past the last are cleared. Reverts BadSource when
            one is listed twice, has no code, wrong decimals or no sound answer, names no signer
            set, or its age limit is out of bounds.
    @return Number of aggregators.
    """
    on_chain: uint256 = 0
    for i: uint256 in range(feed_terms.MAX_SOURCES):
        # Proof: feed < 2**16, i < 5.
        slot: uint256 = unsafe_add(unsafe_mul(feed, 8), i)
        old: uint256 = feed_state.sources[slot]
        packed: uint256 = 0
        if i < len(sources):
            packed = self._checked_source(sources[i])
            for j: uint256 in range(i, bound=5):
                # Proof: slot - i is the feed's first slot. The low 168 bits are kind and target.
                other: uint256 = feed_state.sources[unsafe_add(unsafe_sub(slot, i), j)]
                errors._require((other ^ packed) << 88 != 0, errors.BAD_SOURCE)
            if feed_terms._kind(packed) == feed_terms.CHAINLINK:
                on_chain = unsafe_add(on_chain, 1)  # at most 5
        if packed == old:
            continue
        datum: uint256 = 0
        if feed_terms._kind(packed) == feed_terms.CHAINLINK:
            datum = chainlink_source._read(packed, 0, terms, block.timestamp)
            # Proof: a datum's time is at most the block's timestamp.
            age: uint256 = unsafe_sub(block.timestamp, feed_word._datum_time(datum))
            errors._require(datum != 0 and age <= feed_terms._max_age(packed), errors.BAD_SOURCE)
        feed_state.sources[slot] = packed
        feed_state.data[slot] = datum
        log SourceChanged(feed=feed, source=i, old_source=old, new_source=packed)
    return on_chain


@internal
@view
def _checked_source(source: feed_terms.SourceTerms) -> uint256:
    """
    @notice The source word. Reverts BadSource.
    """
    sound: bool = source.max_age >= 1 and source.max_age <= feed_terms.MAX_AGE_LIMIT
    target: uint256 = 0
    decimals: uint256 = 0
    threshold: uint256 = 0
    if source.kind == feed_terms.CHAINLINK:
        target = convert(source.target, uint256)
        decimals = chainlink_source._decimals(source.target)
        sound = sound and source.target.is_contract and source.signer_set == 0
        sound = sound and decimals <= feed_terms.MAX_DECIMALS
    else:
        target = source.signer_set
        sound = sound and source.kind == feed_terms.SIGNED and source.target == empty(address)
        threshold = signer_sets.thresholds[source.signer_set]
        sound = sound and threshold != 0
    errors._require(sound, errors.BAD_SOURCE)
    return feed_terms._pack_source(source.kind, target, decimals, source.max_age, threshold)


# -- internal: a poke -----------------------------------------------------------------------------


@internal
@view
def _priced(feed: uint256) -> uint256:
    """
    @notice The hot word in force. Reverts NoPrice, or UnknownFeed when not listed.
    """
    hot: uint256 = 0
    if feed <= MAX_FEED:
        hot = feed_state.hot[feed]
        if hot & feed_word.SOLE_FLAG == 0:
            hot = feed_state._in_force(feed, block.timestamp)
    if hot == 0:
        self._terms(feed)
        errors._fail(errors.NO_PRICE)
    return hot


@internal
def _update(feed: uint256, terms: uint256, reporter: uint256, report: uint256):
    """
    @notice Gathers, then accepts the price, halts, or leaves the price as it stands.
    @param feed The feed's id.
    @param terms Its terms word.
    @param reporter Source index of the report; aggregation.NO_REPORT for none.
    @param report Its verified datum word.
    """
    now: uint256 = block.timestamp
    a: aggregation.Aggregate = aggregation._gather(feed, terms, reporter, report, now)
    base: uint256 = feed_state._newest(feed)
    # Fields of terms in place: quorum 0-2, count 3-5, half_band 6-17, band 18-29, halt_band 30-41.
    if a.valid >= terms & 7:
        # Proof: low <= high < 2**56 and the bands are < 2**12.
        spread: uint256 = unsafe_mul(unsafe_sub(a.high, a.low), 10_000)
        wide: bool = spread > unsafe_mul(a.median, (terms >> 30) & (2**12 - 1))
        cause: uint256 = self._breach(feed, terms, base, a.median, wide, now)
        old_state: uint256 = feed_word._state_at(base, now)
        new_state: uint256 = quote_word.HALTED
        word: uint256 = 0
        if cause == CAUSE_NONE:
            new_state = quote_word.OK
            if a.valid < (terms >> 3) & 7:
                new_state = quote_word.DEGRADED
                cause = CAUSE_MISSING
            elif spread > unsafe_mul(a.median, (terms >> 18) & (2**12 - 1)):
                new_state = quote_word.DEGRADED
                cause = CAUSE_SPREAD
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
                | (new_state << 160)
                | (unsafe_sub(now, a.oldest) << 194)
            )
            word = self._accept(feed, terms, base, shape, a.premium, now)
        elif base != 0:
            word = self._halt(feed, now)
        if new_state != old_state and word != 0:
            log StateChanged(feed=feed, old_state=old_state, new_state=new_state, cause=cause)
        base = word
    log Poked(feed=feed, word=base, data=a.data)


@internal
def _breach(
    feed: uint256, terms: uint256, base: uint256, median: uint256, wide: bool, now: uint256
) -> uint256:
    """
    @notice Runs the breaker. 0: the price may be accepted.
    @param feed The feed's id.
    @param terms Its terms word.
    @param base The newest hot word; 0 before the first price.
    @param median Ticks.
    @param wide Whether the spread exceeds halt_band.
    @param now Seconds.
    @return The cause of the halt that holds or begins.
    """
    if base & feed_word.STATE_MASK == feed_word.STATE_MASK:  # HALTED: both bits
        record: uint256 = breaker._next(feed_state.halts[feed], terms, median, wide, now)
        feed_state.halts[feed] = record
        if breaker._released(record, terms, now):
            return CAUSE_NONE
        return CAUSE_BREAKER_SPREAD
    if wide:
        feed_state.halts[feed] = breaker._pack(now, median, now, 0)
        return CAUSE_BREAKER_SPREAD
    if base == 0:
        return CAUSE_NONE
    # The allowance widens with the age of the old price's oldest datum, so poking often does not
    # narrow it. Proof: time <= now, and delay is < 2**17.
    elapsed: uint256 = unsafe_sub(now, (base >> 162) & (2**32 - 1))
    age: uint256 = unsafe_add(elapsed, (base >> 194) & (2**17 - 1))
    if feed_terms._jump_allowed(terms, base & feed_word.MASK_56, median, age):
        return CAUSE_NONE
    feed_state.halts[feed] = breaker._pack(now, median, now, 0)
    return CAUSE_BREAKER_JUMP


@internal
def _halt(feed: uint256, now: uint256) -> uint256:
    """
    @notice Sets the newest word HALTED: price, funding and times stay as they were, so it ages on.
            The price that this very second fixed stays too, and is HALTED at once.
    @return The newest word as stored.
    """
    hot: uint256 = feed_state.hot[feed]
    word: uint256 = feed_word._halted(feed_state._newest(feed))
    if hot & feed_word.SOLE_FLAG == 0 and feed_word._time(hot) == now:
        feed_state.newer[feed] = word
        feed_state.hot[feed] = feed_word._halted(hot)
        return word
    word |= feed_word.SOLE_FLAG
    history: uint256 = 0
    settled: uint256 = 0
    history, settled = self._held_until(feed_state.history[feed], feed_state._newest(feed), now)
    feed_state.history[feed] = history
    if settled != 0:
        feed_state.settlement[feed] = settled
    feed_state.hot[feed] = word
    return word


@internal
def _accept(
    feed: uint256, terms: uint256, base: uint256, shape: uint256, target: int256, now: uint256
) -> uint256:
    """
    @notice Stores an accepted price: in the hot word if it is the second's first, with funding,
            settlement sum, slow premium and volatility brought up to date; else in the newer word.
    @param feed The feed's id.
    @param terms Its terms word.
    @param base The newest hot word; 0 before the first price.
    @param shape Fields price, delay, ttl, low, high and state at their places in the hot word.
    @param target 1e-6: premium of the report that was in force until now.
    @param now Seconds.
    @return The word stored.
    """
    if base != 0 and (base >> 162) & (2**32 - 1) == now:  # its time
        # Within one second funding, time, premium and sigma stay.
        word: uint256 = shape | (base & feed_word.CARRIED_MASK)
        feed_state.newer[feed] = word
        feed_state.hot[feed] &= ~feed_word.SOLE_FLAG
        return word
    funding: int256 = 0
    premium: int256 = 0
    old_history: uint256 = feed_state.history[feed]
    history: uint256 = old_history
    if base != 0:
        funding = feed_word._accrued(base, now)
        history, premium = self._close_interval(feed, terms, history, base, target, now)
    sampled: uint256 = realised_variance._sample(history, terms, shape & feed_word.MASK_56, now)
    sigma: uint256 = feed_word._sigma(base)
    if sampled != history or base == 0:
        sigma = feed_word._sigma_up(realised_variance._variance(sampled))
    if sampled != old_history:
        feed_state.history[feed] = sampled
    word: uint256 = shape | feed_word._pack_rest(funding, now, premium, sigma)
    feed_state.hot[feed] = word
    return word


@internal
def _close_interval(
    feed: uint256, terms: uint256, history: uint256, base: uint256, target: int256, now: uint256
) -> (uint256, int256):
    """
    @notice Ends the interval in which `base` was in force: adds it to the settlement sum and moves
            the slow premium towards the premium of the report that was in force meanwhile, so that
            a new report counts only as time passes. Without reports it decays to 0.
    @param feed The feed's id.
    @param terms Its terms word.
    @param history Its history word.
    @param base The hot word in force until now.
    @param target 1e-6.
    @param now Seconds, > the base's time.
    @return The new history word · the premium, 1e-6, clamped.
    """
    word: uint256 = 0
    settled: uint256 = 0
    word, settled = self._held_until(history, base, now)
    if settled != 0:
        feed_state.settlement[feed] = settled
    slow: int256 = settlement_window._premium(word)
    limit: int256 = convert(feed_terms._premium_clamp(terms), int256)
    # Proof: |target| < 2**17 and PREMIUM_UNIT < 2**20, |slow| < 2**37; the weight's complement is
    # in [0, ONE] because elapsed >= 1, so the mean stays between its two arguments.
    aim: int256 = unsafe_mul(max(min(target, limit), -limit), PREMIUM_UNIT)
    if slow != aim:
        elapsed: uint256 = unsafe_sub(now, (base >> 162) & (2**32 - 1))
        tau: uint256 = unsafe_mul((terms >> 105) & (2**14 - 1), 60)
        weight: uint256 = fixed_point._exp_neg(unsafe_div(elapsed << 96, tau))
        gap: int256 = unsafe_mul(unsafe_sub(aim, slow), convert(unsafe_sub(ONE, weight), int256))
        slow = unsafe_add(slow, gap >> 96)
        word = settlement_window._with_premium(word, slow)
    return word, max(min(unsafe_div(slow, PREMIUM_UNIT), limit), -limit)


@internal
@pure
def _held_until(history: uint256, base: uint256, now: uint256) -> (uint256, uint256):
    """
    @notice The words after `base` was in force until now: counts only while it was OK.
    @param history The history word.
    @param base The hot word in force.
    @param now Seconds.
    @return History word · settlement word, 0 where no half hour was completed.
    """
    if base & feed_word.STATE_MASK != 0:  # not OK
        return settlement_window._broken(history), 0
    start: uint256 = (base >> 162) & (2**32 - 1)
    # Proof: both < 2**33. The price was OK for ttl seconds from start.
    end: uint256 = min(now, unsafe_add(start, (base >> 112) & feed_word.MAX_TTL))
    word: uint256 = 0
    settled: uint256 = 0
    word, settled = settlement_window._held(history, base & feed_word.MASK_56, start, end)
    if end < now:
        word = settlement_window._broken(word)
    return word, settled
