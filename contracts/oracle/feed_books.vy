# pragma version 0.4.3
"""
@title feed_books
@license AGPL-3.0-only
@notice What is closed when a price ceases to be in force, whatever comes after it: the half hours
        and the slow average of the interval that ends. And the halt, after which nothing comes.
"""

from contracts.oracle import feed_state
from contracts.oracle import feed_terms
from contracts.oracle import feed_word
from contracts.oracle import sequencer
from contracts.oracle import settlement_window

uses: feed_state
uses: sequencer
uses: settlement_window


event StateChanged:
    feed: indexed(uint256)
    old_state: uint256  # OK 0, DEGRADED 1, STALE 2, HALTED 3
    new_state: uint256
    cause: uint256  # one of the causes below


CAUSE_NONE: constant(uint256) = 0
CAUSE_MISSING: constant(uint256) = 1  # a source has no datum within its age limit
CAUSE_SPREAD: constant(uint256) = 2  # the sources lie further apart than `band`
CAUSE_HALTING_SPREAD: constant(uint256) = 3  # further than `halt_band`
CAUSE_JUMP: constant(uint256) = 4  # the price moved further than the allowance for its age
CAUSE_GUARDIAN: constant(uint256) = 5
CAUSE_AVERAGE: constant(uint256) = 6  # the price is further than `ema_band` from the slow average
CAUSE_RECOVERING: constant(uint256) = 7  # back from a gap or a halt for less than `grace`


@internal
def _halt(feed: uint256, terms: uint256, now: uint256) -> uint256:
    """
    @notice Sets the newest word HALTED: price, funding and times stay as they were, so it ages on.
            The price that this very second fixed stays too, and is HALTED at once.
    @return The newest word as stored.
    """
    hot: uint256 = feed_state.hot[feed]
    newest: uint256 = feed_state._newest(feed)
    word: uint256 = feed_word._halted(newest)
    if hot & feed_word.WAITING_FLAG != 0 and feed_word._time(hot) == now:
        feed_state.newer[feed] = word
        feed_state.hot[feed] = feed_word._halted(hot)
        return word
    history: uint256 = feed_state.history[feed]
    closed: uint256 = self._close(feed, terms, history, newest, now)
    if closed != history:
        feed_state.history[feed] = closed
    feed_state.hot[feed] = word
    return word


@internal
def _close(
    feed: uint256, terms: uint256, history: uint256, base: uint256, now: uint256
) -> uint256:
    """
    @notice Ends the interval in which `base` was in force: its half hours and the slow average.
    @param feed The feed's id.
    @param terms Its terms word.
    @param history Its history word.
    @param base The hot word in force until now.
    @param now Seconds.
    @return The history word after.
    """
    if base & feed_word.STATE_MASK == feed_word.STATE_MASK:  # HALTED: both bits
        return settlement_window._broken(history)
    # What happens at nearly every poke, in place: OK all along, within one half hour. The same as
    # what follows, for a tenth of its gas. Proof: start <= now, see feed_word._accrued; for the sum
    # see settlement_window._held.
    start: uint256 = (base >> 162) & (2**32 - 1)
    elapsed: uint256 = unsafe_sub(now, start)
    half_hour: uint256 = unsafe_div(start, settlement_window.WINDOW)
    if (
        base & (feed_word.STATE_MASK | feed_word.PLAIN_FLAG) == feed_word.PLAIN_FLAG
        and elapsed <= (base >> 112) & feed_word.MAX_TTL
        and unsafe_div(now, settlement_window.WINDOW) == half_hour
    ):
        begun: bool = history & settlement_window.SUM_FIELD != 0
        if begun or unsafe_mul(half_hour, settlement_window.WINDOW) == start:
            held: uint256 = unsafe_mul(base & feed_word.MASK_56, elapsed)
            return unsafe_add(history, held << settlement_window.SUM_SHIFT)
        return history
    p: settlement_window.Passage = self._passage(terms, history, base, now)
    tau: uint256 = unsafe_mul((terms >> 220) & (2**14 - 1), 60)
    return settlement_window._leave(feed, p, base & feed_word.MASK_56, tau, now)


@internal
@view
def _passage(
    terms: uint256, history: uint256, base: uint256, now: uint256
) -> settlement_window.Passage:
    """
    @notice What comes of `base` having been in force until now: only while it was OK, and, where
            there is a sequencer that has restarted since, not at all, because nobody could poke.
    @param terms The feed's terms word.
    @param history The history word.
    @param base The hot word in force, not HALTED.
    @param now Seconds.
    """
    start: uint256 = (base >> 162) & (2**32 - 1)
    # Proof: both < 2**33. The price was OK for ttl seconds from start.
    end: uint256 = min(now, unsafe_add(start, (base >> 112) & feed_word.MAX_TTL))
    ok: bool = base & feed_word.STATE_MASK == 0
    if base & feed_word.PLAIN_FLAG == 0 and ok and terms & feed_terms.SEQUENCED != 0:
        status: uint256 = sequencer._status(now)
        ok = status & sequencer.DOWN_FLAG == 0 and status & (2**32 - 1) <= start
    if not ok:
        return settlement_window.Passage(
            history=settlement_window._broken(history),
            price=0,
            number=unsafe_div(start, settlement_window.WINDOW),
            further=0,
        )
    return settlement_window._held(history, base & feed_word.MASK_56, start, end, now)
