# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title OracleAdapter
@license AGPL-3.0-only
@notice Prices with a state. Per feed up to five sources of any mix (price_sources.vy, and signed
        reports); every source's newest datum is kept, a poke re-reads the on-chain ones and
        aggregates all: median with quorum, band, oldest time. One storage word per feed serves a
        reader. The first accepted poke of a second fixes that second's price; later ones wait
        beside and serve from the next second on. Words are documented in feed_word.vy,
        feed_terms.vy, realised_variance.vy, settlement_window.vy, breaker.vy and sequencer.vy.

        One contract in two bytecodes: what is not here (listing, the guardian's halt, views for
        monitors) is forwarded by delegate call to OracleAdmin, on one storage layout.

        Trust: a quorum of sources for the price; the owner (a timelock) for listing and terms; the
        guardian may halt a feed for a limited time and nothing else; pokers are trusted with
        nothing. Value sent with a poke pays a Pyth update's fee; the rest goes back.
@custom:kill The guardian halts single feeds; there is no other stop.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import eip712_domain_separator as eip712
from contracts.interfaces import IOracleAdapter
from contracts.modules import errors
from contracts.modules import quote_word
from contracts.oracle import aggregation
from contracts.oracle import feed_books
from contracts.oracle import feed_state
from contracts.oracle import feed_terms
from contracts.oracle import feed_update
from contracts.oracle import feed_word
from contracts.oracle import oracle_roles
from contracts.oracle import price_sources
from contracts.oracle import realised_variance
from contracts.oracle import sequencer
from contracts.oracle import settlement_window
from contracts.oracle import signed_reports
from contracts.oracle import signer_sets

# One storage layout for both bytecodes: this order is the layout.
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: eip712
initializes: oracle_roles[ownable := ownable]
initializes: feed_state
initializes: signer_sets
initializes: signed_reports[eip712 := eip712, signer_sets := signer_sets]
initializes: sequencer
initializes: settlement_window[feed_state := feed_state]
initializes: price_sources[feed_state := feed_state]
initializes: feed_books[
    feed_state := feed_state, sequencer := sequencer, settlement_window := settlement_window
]
initializes: aggregation[feed_state := feed_state, price_sources := price_sources]
initializes: feed_update[feed_state := feed_state, feed_books := feed_books]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    eip712.eip712Domain,
)

MAX_FEED: constant(uint256) = 65_535

NEXT: immutable(address)  # OracleAdmin


@deploy
def __init__(owner_: address, guardian_: address, admin: address):
    """
    @notice Deploys without feeds.
    @param owner_ Governance: lists feeds, sets terms, sources, signers and the guardian.
    @param guardian_ May halt feeds.
    @param admin The second bytecode.
    """
    errors._require(owner_ != empty(address) and guardian_ != empty(address), errors.NULL_ADDRESS)
    errors._require(admin != empty(address), errors.NULL_ADDRESS)
    ownable.__init__()
    ownable_2step.__init__()
    ownable_2step._transfer_ownership(owner_)
    eip712.__init__("Plimsoll Oracle", "1")
    oracle_roles.guardian = guardian_
    NEXT = admin


# -- prices ---------------------------------------------------------------------------------------


@external
@payable
def poke(feed: uint256, update: Bytes[2048]):
    """
    @notice Bring a feed up to date. Anyone may call. Re-reads the on-chain sources and, with an
            update, first takes one signed report or hands one update to a Pyth contract; then
            aggregates every source's newest datum. Below the quorum the data are kept and the price
            stands, until it is STALE by its own age limits. Reverts UnknownFeed; StarvedCall when
            too little gas is left for a source; BadSource when the update names a source that takes
            none; BadArgument for a misshapen update or value sent without need; FeeShort when the
            value does not pay the update's fee; OldReport, FutureReport, OutOfRange, BadQuorum,
            BadSigner, BadSignature or TooMany for a report that cannot be taken, or the Pyth
            contract's own reason (then nothing of this call stays).
    @param feed The feed's id.
    @param update Empty, or one report as laid out in signed_reports.vy, or the index of a Pyth
           source in one byte and then the update blob.
    """
    terms: uint256 = 0
    if feed <= MAX_FEED:
        terms = feed_state.terms[feed]
    if terms == 0:
        errors._fail(errors.UNKNOWN_FEED)
    reporter: uint256 = aggregation.NO_REPORT
    report: uint256 = 0
    unspent: uint256 = msg.value
    if len(update) != 0:
        if len(update) < 32:
            errors._fail(errors.BAD_ARGUMENT)
        reporter = extract32(update, 0, output_type=uint256) >> 248
        if reporter >= (terms >> 3) & 7:
            errors._fail(errors.BAD_SOURCE)
        # Proof: feed < 2**16, reporter < 8.
        slot: uint256 = unsafe_add(unsafe_mul(feed, 8), reporter)
        kept: uint256 = feed_state.data[slot]
        if kept & feed_word.SIGNED_FLAG == 0:
            reporter = aggregation.NO_REPORT
            unspent = self._submit(unspent)
        else:
            if unspent != 0 or len(update) < signed_reports.MIN_UPDATE:
                errors._fail(errors.BAD_ARGUMENT)
            if len(update) > signed_reports.MAX_UPDATE:
                errors._fail(errors.TOO_MANY)
            report = signed_reports._accept(
                feed, kept, terms, convert(update, Bytes[705]), block.timestamp
            )
    elif unspent != 0:
        errors._fail(errors.BAD_ARGUMENT)
    feed_update._update(
        feed, terms, aggregation._gather(feed, terms, reporter, report, block.timestamp)
    )
    if unspent != 0:
        raw_call(msg.sender, b"", value=unspent)  # last, and the lock is on


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
        # feed_word._quote in place, a call the less per feed; its proof holds here.
        elapsed: uint256 = unsafe_sub(block.timestamp, (hot >> 162) & feed_word.MASK_32)
        quoted: uint256 = (hot & feed_word.SERVED_MASK) | (
            min(unsafe_add(elapsed, (hot >> 194) & feed_word.MASK_17), 65_535) << 112
        )
        if elapsed > (hot >> 112) & feed_word.MASK_16:
            if hot & feed_word.STATE_MASK != feed_word.STATE_MASK:  # HALTED, both bits, stays
                quoted = (quoted & ~feed_word.STATE_MASK) | (quote_word.STALE << 160)
        if hot & (feed_word.PREMIUM_MASK | feed_word.PLAIN_FLAG) != feed_word.PLAIN_FLAG:
            if hot & feed_word.PLAIN_FLAG != 0:
                quoted = feed_word._with_premium(quoted, hot, elapsed)
            else:  # rare: no price, a word waits, recovering, a rollup
                quoted = self._served(feed & MAX_FEED)
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
    hot: uint256 = 0
    if feed <= MAX_FEED:
        hot = feed_state.hot[feed]
    if hot & feed_word.PLAIN_FLAG == 0:
        return self._served(feed)
    return feed_word._quote(hot, block.timestamp)


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
    return self._as_served(feed, feed_state._newest(feed))


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
        state=quote_word._state(self._as_served(feed, hot)),
        variance=realised_variance._variance(feed_state.history[feed]),
    )


@external
@reentrant
@raw_return
def __default__() -> Bytes[1024]:
    """
    @notice Every other function lives in the second bytecode and runs there on this contract's
            storage. The lock is taken by the function itself, in the transient slot both share; this
            door only forwards.
    """
    return raw_call(NEXT, msg.data, max_outsize=1024, is_delegate_call=True)


# -- internal -------------------------------------------------------------------------------------


@internal
@payable
def _submit(sent: uint256) -> uint256:
    """
    @notice Has the second bytecode hand this call's update to the Pyth contract.
    @param sent Wei sent with the call.
    @return Wei left of it.
    """
    # The same call, word for word, run on this contract's storage; the lock is held.
    left: Bytes[32] = raw_call(NEXT, msg.data, max_outsize=32, is_delegate_call=True)
    return min(extract32(left, 0, output_type=uint256), sent)


@internal
@view
def _priced(feed: uint256) -> uint256:
    """
    @notice The hot word in force. Reverts NoPrice, or UnknownFeed when not listed.
    """
    hot: uint256 = 0
    if feed <= MAX_FEED:
        hot = feed_state._in_force(feed, block.timestamp)
    if hot == 0:
        errors._require(feed <= MAX_FEED and feed_state.terms[feed] != 0, errors.UNKNOWN_FEED)
        errors._fail(errors.NO_PRICE)
    return hot


@internal
@view
def _served(feed: uint256) -> uint256:
    """
    @notice The quote word in force, whatever there is to be asked. Reverts NoPrice or UnknownFeed.
    @param feed The feed's id.
    """
    return self._as_served(feed, self._priced(feed))


@internal
@view
def _as_served(feed: uint256, hot: uint256) -> uint256:
    """
    @notice The quote word of a hot word, for a feed under a sequencer as its status lets it be.
    @param feed The feed's id.
    @param hot The hot word.
    """
    quoted: uint256 = feed_word._quote(hot, block.timestamp)
    if hot & feed_word.PLAIN_FLAG != 0 or feed_state.terms[feed] & feed_terms.SEQUENCED == 0:
        return quoted
    status: uint256 = sequencer._status(block.timestamp)
    return sequencer._applied(quoted, feed_word._time(hot), status)
