"""Why a feed is in its state and a source does not count, and until when a feed recovers."""

from __future__ import annotations

from plimsoll.oracle_status.views import FeedView, SequencerView, SourceView
from plimsoll.oracle_words import CAUSE_TEXT, Cause, State
from plimsoll.units import from_units


def cause_of(feed: FeedView) -> Cause:
    """Why the feed is as it is served. A halt's cause is stored; the rest follows from the data."""
    quote, hot = feed.quote, feed.in_force
    if quote is None or hot is None:
        return Cause.MISSING_SOURCE
    own = hot.state_at(feed.now)
    if own == State.HALTED:
        return feed.words.halt.cause
    if quote.state > own:  # HALTED while it is down, STALE from before its restart, or its grace
        return Cause.SEQUENCER
    if own == State.STALE:
        return Cause.MISSING_SOURCE
    if quote.recovering:
        return Cause.RECOVERING if hot.recovering else Cause.SEQUENCER
    if quote.state == State.DEGRADED:
        counted = sum(source.counts(hot.time) for source in feed.sources)  # when it was poked
        return Cause.MISSING_SOURCE if counted < feed.terms.count else Cause.SPREAD
    return Cause.NONE


def why(feed: FeedView, cause: Cause, sequencer: SequencerView | None = None) -> str:
    """One sentence for people."""
    if not feed.listed:
        return "the adapter knows no feed of this id"
    counted, terms = len(feed.counted()), feed.terms
    if feed.quote is None:
        return f"no price yet: {counted} of {terms.quorum} sources needed have answered"
    if cause == Cause.SEQUENCER:
        if feed.quote.state == State.HALTED:
            return "the sequencer is down, or its feed gives no sound answer"
        if feed.quote.state == State.STALE:
            return "the price is from before the sequencer's restart; a poke brings a fresh one"
        return "the sequencer has just restarted; its grace time runs"
    if feed.quote.state == State.STALE:
        if counted < terms.quorum:
            return f"{counted} of {terms.quorum} sources needed are within their age limit"
        return "the price is over its age limit; a poke would bring a fresh one"
    if cause == Cause.MISSING_SOURCE:
        return f"{counted} of {terms.count} sources are within their age limit"
    if cause in (Cause.SPREAD, Cause.HALTING_SPREAD):
        limit = terms.band if cause == Cause.SPREAD else terms.halt_band
        return f"{CAUSE_TEXT[cause]}: now {_percent(feed.spread())}, limit {_percent(limit)}"
    if cause == Cause.RECOVERING and feed.now >= (recovering_until(feed, sequencer) or 0):
        return "back from a gap or a halt; its grace time is over, a poke ends it"
    return CAUSE_TEXT[cause]


def recovering_until(feed: FeedView, sequencer: SequencerView | None) -> int | None:
    """First second in which it is not recovering, if it is and is poked then; None if it is not.

    After a gap or a halt a poke ends it, which may be overdue; a sequencer's grace time ends by
    itself.
    """
    quote, hot = feed.quote, feed.in_force
    if quote is None or hot is None or not quote.recovering:
        return None
    ends = [feed.words.halt.resumed + feed.terms.grace] if hot.recovering else []
    if sequencer is not None and feed.terms.sequenced:
        ends.append(sequencer.recovering_until or 0)
    return max(ends, default=0) or None


def source_why(source: SourceView, after: SourceView | None, now: int, told: str = "") -> str:
    """Why a source does not count, or what a poke would change; "" where all is well. `told`: why
    it gives nothing newer, where that is known.
    """
    fresher = after is not None and after.datum is not None and after.datum != source.datum
    if fresher and after is not None and after.counts(now):
        return "a poke would take a newer one"
    if source.datum is None:
        return "no report yet" if source.word.signed else told or "no sound answer yet"
    over = now - source.datum.time - source.word.max_age
    if over > 0:
        kind = "no newer report" if source.word.signed else told or "no newer sound answer"
        return f"{over} s over its limit, {kind}"
    return ""


def _percent(tenthousandths: int) -> str:
    return f"{from_units(tenthousandths, -2)} %"
