# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title OracleAdmin
@license AGPL-3.0-only
@notice Second bytecode of the oracle adapter: listing, terms, signers, the guardian's halt, and the
        stored words for monitors. Runs by delegate call on OracleAdapter's storage; called directly
        it sees only its own empty one, where nobody is the owner.
@custom:kill The guardian halts single feeds; there is no other stop.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from contracts.modules import errors
from contracts.modules import quote_word
from contracts.oracle import breaker
from contracts.oracle import feed_books
from contracts.oracle import feed_state
from contracts.oracle import feed_terms
from contracts.oracle import feed_word
from contracts.oracle import oracle_roles
from contracts.oracle import price_sources
from contracts.oracle import pyth_source
from contracts.oracle import sequencer
from contracts.oracle import settlement_window
from contracts.oracle import signer_sets
from contracts.oracle import source_listing

# One storage layout for both bytecodes: this order is the layout.
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: oracle_roles[ownable := ownable]
initializes: feed_state
initializes: signer_sets
initializes: sequencer
initializes: settlement_window[feed_state := feed_state]
initializes: price_sources[feed_state := feed_state]
initializes: feed_books[
    feed_state := feed_state, sequencer := sequencer, settlement_window := settlement_window
]
initializes: source_listing[
    feed_state := feed_state, price_sources := price_sources, signer_sets := signer_sets
]

exports: oracle_roles.guardian


event FeedListed:
    feed: indexed(uint256)
    terms: uint256  # terms word
    variance: uint256  # 1e-12, annualised: the warm start


event TermsChanged:
    feed: indexed(uint256)
    old_terms: uint256  # terms word
    new_terms: uint256


event GuardianChanged:
    old_guardian: indexed(address)
    new_guardian: indexed(address)


event SequencerChanged:
    old_word: uint256  # sequencer word; 0: none
    new_word: uint256


MAX_HALT: constant(uint256) = 3 * 86_400  # s: time for the timelock's council to act, not for ever
MAX_FEED: constant(uint256) = 65_535
MAX_VARIANCE: constant(uint256) = 400 * 10**12  # 1e-12: volatility of 2000 %


@deploy
def __init__():
    """
    @notice Nothing is set: the storage here is never used.
    """
    ownable.__init__()
    ownable_2step.__init__()
    ownable._transfer_ownership(empty(address))


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
    oracle_roles._check_guardian()
    errors._require(duration >= 1 and duration <= MAX_HALT, errors.BAD_ARGUMENT)
    now: uint256 = block.timestamp
    terms: uint256 = self._terms(feed)
    hot: uint256 = self._in_force(feed)
    record: uint256 = feed_state.halts[feed]
    # Proof: duration is bounded above and timestamps are < 2**32.
    forced: uint256 = max(breaker._forced(record), unsafe_add(now, duration))
    record = breaker._begun(record, feed_word._price(hot), now, forced, feed_books.CAUSE_GUARDIAN)
    feed_state.halts[feed] = record
    feed_state.before[feed] = record  # no poke of this second may take it back
    feed_books._halt(feed, terms, now)
    log feed_books.StateChanged(
        feed=feed,
        old_state=feed_word._state_at(hot, now),
        new_state=quote_word.HALTED,
        cause=feed_books.CAUSE_GUARDIAN,
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
    @notice List a feed; owner only. Every on-chain source must answer soundly now and they must lie
            within halt_band; the first poke that meets the quorum prices the feed. Reverts
            NotGovernance, BadArgument (id), AlreadyListed, BadQuorum, BadParameter, SourcesApart;
            for a source BadSource, BadDecimals, ForeignPool, BadWindow, NoSoundAnswer, SourceTwice.
    @param feed 1 to 65535, never listed before.
    @param terms The rules (feed_terms.vy).
    @param sources One to five.
    @param variance 1e-12 annualised, above 0: the variance's warm start.
    """
    oracle_roles._check_owner()
    errors._require(feed >= 1 and feed <= MAX_FEED, errors.BAD_ARGUMENT)
    errors._require(feed_state.terms[feed] == 0, errors.ALREADY_LISTED)
    errors._require(variance >= 1 and variance <= MAX_VARIANCE, errors.BAD_PARAMETER)
    packed: uint256 = self._packed(terms, len(sources))
    feed_state.terms[feed] = packed
    # Proof: variance <= 4e14, so times 1e4 it is < 2**62.
    feed_state.history[feed] = unsafe_mul(variance, 10_000)
    log FeedListed(feed=feed, terms=packed, variance=variance)
    source_listing._set(feed, packed, sources)
    errors._require(source_listing._agree(feed, packed), errors.SOURCES_APART)


@external
def set_terms(feed: uint256, terms: feed_terms.FeedTerms):
    """
    @notice Change a feed's rules; owner only. They apply from the next poke. Reverts NotGovernance,
            UnknownFeed, BadQuorum, BadParameter.
    @param feed The feed's id.
    @param terms The rules (feed_terms.vy).
    """
    oracle_roles._check_owner()
    old: uint256 = self._terms(feed)
    packed: uint256 = self._packed(terms, feed_terms._count(old))
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
    oracle_roles._check_owner()
    old: uint256 = self._terms(feed)
    packed: uint256 = self._packed(terms, len(sources))
    feed_state.terms[feed] = packed
    log TermsChanged(feed=feed, old_terms=old, new_terms=packed)
    source_listing._set(feed, packed, sources)


@external
def add_signer_set(signers: DynArray[address, 16], threshold: uint256) -> uint256:
    """
    @notice List a signer set for report sources; owner only. Sets never change: rotate by listing
            the source with another set. Reverts NotGovernance, BadSigner, BadQuorum.
    @param signers Strictly ascending, not empty.
    @param threshold Signatures a report needs, 1 to 8.
    @return The set's id.
    """
    oracle_roles._check_owner()
    return signer_sets._add_set(signers, threshold)


@external
def set_guardian(guardian: address):
    """
    @notice Name another guardian; owner only. Reverts NotGovernance, NullAddress.
    @param guardian The new guardian.
    """
    oracle_roles._check_owner()
    errors._require(guardian != empty(address), errors.NULL_ADDRESS)
    log GuardianChanged(old_guardian=oracle_roles.guardian, new_guardian=guardian)
    oracle_roles.guardian = guardian


@external
def set_sequencer(feed: address, grace: uint256):
    """
    @notice Name the rollup's sequencer feed, or none; owner only. Feeds whose terms say `sequenced`
            are served under it, from their next poke on. Reverts NotGovernance, BadParameter for a
            grace time of 0 or over 65,535 s or one without a feed, BadSource unless the feed says
            now that the sequencer runs.
    @param feed The sequencer's feed; empty for none.
    @param grace Seconds after a restart in which no liquidation goes on.
    """
    oracle_roles._check_owner()
    old: uint256 = sequencer.word
    word: uint256 = 0
    if feed == empty(address):
        errors._require(grace == 0, errors.BAD_PARAMETER)
    else:
        errors._require(grace >= 1 and grace <= sequencer.MAX_GRACE, errors.BAD_PARAMETER)
        word = convert(feed, uint256) | (grace << 160)
    sequencer.word = word
    status: uint256 = sequencer._status(block.timestamp)
    errors._require(status & sequencer.DOWN_FLAG == 0, errors.BAD_SOURCE)
    log SequencerChanged(old_word=old, new_word=word)


# -- settlement ----------------------------------------------------------------------------------


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
    hot: uint256 = self._in_force(feed)
    price: uint256 = settlement_window._last_price(feed_state.settlement[feed])
    if self._is_open(feed, hot):
        p: settlement_window.Passage = feed_books._passage(
            feed_state.terms[feed], feed_state.history[feed], hot, block.timestamp
        )
        if p.further != 0:
            price = feed_word._price(hot)
        elif p.price != 0:
            price = p.price
    errors._require(price != 0, errors.NO_PRICE)
    return price


@external
@view
@reentrant  # as settlement_price
def settlement_price_at(feed: uint256, end: uint256) -> uint256:
    """
    @notice Time-weighted index price of the half hour that ended at `end`, the same whenever and by
            whomever it is read. Reverts NoPrice if that half hour is not over or the feed was not
            OK throughout it, BadArgument unless `end` is the end of a half hour, or UnknownFeed.
            Under a rollup's sequencer NoPrice also until the first price fixed after `end`: only
            that one shows whether the sequencer ran.
    @param feed The feed's id.
    @param end Seconds, a multiple of 1800.
    @return Ticks, rounded down.
    """
    window: uint256 = settlement_window.WINDOW
    errors._require(end % window == 0 and end != 0, errors.BAD_ARGUMENT)
    errors._require(end <= block.timestamp, errors.NO_PRICE)
    hot: uint256 = self._in_force(feed)
    number: uint256 = unsafe_sub(unsafe_div(end, window), 1)  # end >= window
    price: uint256 = 0
    if number < unsafe_div(feed_word._time(hot), window) or not self._is_open(feed, hot):
        price = settlement_window._stored_price(feed, number)
    else:
        p: settlement_window.Passage = feed_books._passage(
            feed_state.terms[feed], feed_state.history[feed], hot, block.timestamp
        )
        if number == p.number:
            price = p.price
        elif number <= unsafe_add(p.number, p.further):
            price = feed_word._price(hot)
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
def source_words(feed: uint256, source: uint256) -> uint256[3]:
    """
    @notice The stored words of a source: source, datum, extra.
    @param feed The feed's id, at most 65535.
    @param source Its index, at most 7.
    """
    errors._require(feed <= MAX_FEED and source < 8, errors.BAD_ARGUMENT)
    # Proof: feed < 2**16.
    slot: uint256 = unsafe_add(unsafe_mul(feed, 8), source)
    return [feed_state.sources[slot], feed_state.data[slot], feed_state.extras[slot]]


@external
@view
@reentrant  # a raw word, for monitors and tests
def window_word(feed: uint256, number: uint256) -> uint256:
    """
    @notice The stored word of a half hour (settlement_window.vy); 0 where no price was replaced.
    @param feed The feed's id, at most 65535.
    @param number The half hour: seconds // 1800.
    """
    errors._require(feed <= MAX_FEED and number < 2**32, errors.BAD_ARGUMENT)
    return feed_state.windows[(feed << 32) | number]


@external
@view
@reentrant  # a raw word, and what the sequencer's feed says
def sequencer_words() -> uint256[2]:
    """
    @notice The sequencer word and its status word now (sequencer.vy); zeros where there is none.
    """
    return [sequencer.word, sequencer._status(block.timestamp)]


@external
@view
@reentrant  # sets never change
def is_signer(signer_set: uint256, signer: address) -> bool:
    """
    @notice Whether an address belongs to a signer set.
    @param signer_set The set's id.
    @param signer The address.
    """
    return signer_sets._is_member(signer_set, signer)


@external
@view
@reentrant  # sets never change
def threshold(signer_set: uint256) -> uint256:
    """
    @notice Signatures a report of this set needs; 0 if there is no such set.
    @param signer_set The set's id.
    """
    return signer_sets.thresholds[signer_set]


# -- of a poke ------------------------------------------------------------------------------------


@external
@payable
@reentrant  # runs within OracleAdapter.poke, which holds the lock they share
def poke(feed: uint256, update: Bytes[2048]) -> uint256:
    """
    @notice The first part of a poke that brings an update for a Pyth source: hands it over and pays
            the fee. Reached only from OracleAdapter.poke, by delegate call and with its arguments;
            called directly it finds no source. Reverts BadSource, FeeShort or as the Pyth contract.
    @param feed The feed's id.
    @param update The source's index in one byte, then the update blob.
    @return Wei left of the value sent.
    """
    errors._require(feed <= MAX_FEED and len(update) >= 32, errors.BAD_ARGUMENT)
    index: uint256 = extract32(update, 0, output_type=uint256) >> 248
    # Proof: feed < 2**16 and index < 2**8, so the slot is in the array's 2**19 words or in none.
    slot: uint256 = unsafe_add(unsafe_mul(feed, 8), index)
    source: uint256 = feed_state.sources[slot]
    errors._require(feed_terms._kind(source) == feed_terms.PYTH, errors.BAD_SOURCE)
    # Proof: the update is not empty; the fee is at most the value.
    blob: Bytes[2048] = slice(update, 1, unsafe_sub(len(update), 1))
    return unsafe_sub(msg.value, pyth_source._submit(source, blob, msg.value))


# -- internal -------------------------------------------------------------------------------------


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
@view
def _packed(terms: feed_terms.FeedTerms, count: uint256) -> uint256:
    """
    @notice The terms word. Reverts BadQuorum, or BadParameter also for a feed under a sequencer
            where none is set.
    """
    errors._require(not terms.sequenced or sequencer.word != 0, errors.BAD_PARAMETER)
    return feed_terms._pack_terms(terms, count)


@internal
@view
def _is_open(feed: uint256, hot: uint256) -> bool:
    """
    @notice Whether half hours since the price in force was fixed are not stored yet and yet certain:
            not of a HALTED price, whose books the halt has closed, nor under a sequencer, of which
            a restart tells nothing about the half hours before it.
    @param feed The feed's id.
    @param hot The hot word in force.
    """
    if hot & feed_word.STATE_MASK == feed_word.STATE_MASK:
        return False
    return hot & feed_word.PLAIN_FLAG != 0 or feed_state.terms[feed] & feed_terms.SEQUENCED == 0


@internal
@view
def _in_force(feed: uint256) -> uint256:
    """
    @notice The hot word in force. Reverts NoPrice, or UnknownFeed when not listed.
    """
    self._terms(feed)
    hot: uint256 = feed_state._in_force(feed, block.timestamp)
    errors._require(hot != 0, errors.NO_PRICE)
    return hot
