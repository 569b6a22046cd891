"""What is known of the feeds as JSON: `ape run oracle status --json`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from plimsoll.oracle_status.causes import cause_of, recovering_until, source_why, why
from plimsoll.oracle_status.views import (
    FeedView,
    SequencerView,
    Snapshot,
    SourceView,
    Tried,
    same_source,
)
from plimsoll.oracle_words import HALF_HOUR, Cause, ExtraWord, Kind, QuoteWord
from plimsoll.units import from_ticks, from_units

SCHEMA = 1


def record(snapshot: Snapshot) -> dict[str, Any]:
    """In JSON types; prices as decimal strings in USD, times in unix seconds, ages in seconds."""
    sequencer = snapshot.sequencer
    return {
        "schema": SCHEMA,
        "chain_id": snapshot.chain_id,
        "adapter": snapshot.adapter,
        "guardian": snapshot.guardian,
        "block": snapshot.block,
        "timestamp": snapshot.now,
        "sequencer": None
        if sequencer is None
        else {
            "feed": sequencer.word.feed,
            "up": sequencer.up,
            "since": sequencer.status.since or None,
            "grace_s": sequencer.word.grace,
            "recovering_until": sequencer.recovering_until,
        },
        "feeds": [
            feed_record(feed, snapshot.pokes.get(feed.id), sequencer, snapshot.reasons)
            for feed in snapshot.feeds
        ],
    }


def feed_record(
    feed: FeedView,
    tried: Tried | None,
    sequencer: SequencerView | None = None,
    reasons: Mapping[tuple[int, int], str] | None = None,
) -> dict[str, Any]:
    """One feed; keys are there whatever its state, None where there is nothing to say."""
    cause = cause_of(feed) if feed.listed else Cause.NONE
    hot, quote, told = feed.in_force, feed.quote, reasons or {}
    if hot is None:
        low = high = None
    else:
        low, high = hot.band()
    settled = feed.words.settlement
    after = tried.after if tried is not None else None
    return {
        "id": feed.id,
        "name": feed.name,
        "listed": feed.listed,
        "state": _label(quote) if feed.listed else "UNLISTED",
        "recovering": quote.recovering if quote is not None else False,
        "cause": cause.name.lower(),
        "why": why(feed, cause, sequencer),
        "price_usd": _usd(hot.price if hot is not None else None),
        "low_usd": _usd(low),
        "high_usd": _usd(high),
        "mark_usd": _usd(quote.price if quote is not None else None),
        "priced_at": hot.time if hot is not None else None,
        "age_s": feed.now - hot.observed if hot is not None else None,
        "stale_in_s": max(0, hot.stale_after + 1 - feed.now) if hot is not None else None,
        "variance": f"{from_units(feed.words.history.variance // 10_000, -12):f}",
        "volatility": _volatility(feed.words.history.variance // 10_000),
        "premium": f"{from_units(hot.premium, -6):f}" if hot is not None else None,
        "slow_average_usd": _usd(feed.words.history.slow or None),
        "settlement": {
            "end": (settled.number + 1) * HALF_HOUR,
            "price_usd": _usd(settled.price),
        }
        if settled.price
        else None,
        "quorum": feed.words.terms.quorum if feed.words.terms is not None else None,
        "counted": len(feed.counted()),
        "sources": [
            source_record(
                source, same_source(source, after), feed.now, told.get((feed.id, source.index), "")
            )
            for source in feed.sources
        ],
        "halt": _halt_record(feed),
        "recovering_until": recovering_until(feed, sequencer),
        "poke": _poke_record(feed, tried),
    }


def source_record(
    source: SourceView, after: SourceView | None, now: int, told: str = ""
) -> dict[str, Any]:
    """One source; `live`: what it would count with after a poke now, None where unknown."""
    word, datum = source.word, source.datum
    return {
        "index": source.index,
        "kind": word.kind_name,
        "target": word.address or None,
        "signer_set": word.target if word.signed else None,
        "threshold": word.threshold if word.signed else None,
        "inverse": word.inverse,
        "via": word.via or None,
        "terms": _extra_record(source),
        "value_usd": _usd(datum.price if datum is not None else None),
        "time": datum.time if datum is not None else None,
        "age_s": now - datum.time if datum is not None else None,
        "max_age_s": word.max_age,
        "round": str(datum.round) if datum is not None else None,
        "counts": source.counts(now),
        "why": source_why(source, after, now, told),
        "live": {
            "value_usd": _usd(after.datum.price),
            "time": after.datum.time,
            "age_s": now - after.datum.time,
        }
        if after is not None and after.datum is not None
        else None,
    }


def _halt_record(feed: FeedView) -> dict[str, Any] | None:
    if feed.hot is None or not feed.hot.halted:
        return None
    halt = feed.words.halt
    return {
        "cause": halt.cause.name.lower(),
        "calm_since": halt.start,
        "candidate_usd": _usd(halt.candidate),
        "candidate_at": halt.time,
        "guardian_until": halt.forced or None,
        "may_end_at": halt.ends(feed.terms),
    }


def _extra_record(source: SourceView) -> dict[str, Any]:
    """What the source's kind has further terms of; empty for aggregators and signed reports."""
    word, extra = source.word, ExtraWord.of(source.word.kind, source.extra)
    if word.kind == Kind.PYTH:
        return {
            "price_id": f"0x{extra.price_id:064x}",
            "max_confidence": f"{from_units(word.max_conf, -4):f}",
        }
    if word.kind == Kind.UNISWAP_V3:
        return {
            "window_s": extra.window,
            "min_liquidity": str(extra.min_liquidity),
            "decimals": list(extra.decimals),
        }
    if word.kind == Kind.CURVE:
        return {"coin_index": extra.index}
    if word.kind == Kind.ERC4626:
        return {"decimals": list(extra.decimals)}
    return {}


def _poke_record(feed: FeedView, tried: Tried | None) -> dict[str, Any] | None:
    if tried is None:
        return None
    if tried.after is None:
        return {"ok": False, "why": tried.why.text if tried.why else "", "state": None}
    return {"ok": True, "why": "", "state": _label(tried.after.newest)}


def _label(quote: QuoteWord | None) -> str:
    return "NO PRICE" if quote is None else quote.label


def _usd(amount: int | None) -> str | None:
    return None if amount is None else f"{from_ticks(amount):f}"


def _volatility(variance: int) -> str:
    return str((Decimal(variance) / 10**12).sqrt().quantize(Decimal("0.000001")))
