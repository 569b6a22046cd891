"""What every feed says, is made of, and why it is in its state; and what a poke would do now.

Three requests whatever the number of feeds: the head, one batch of views pinned to it, one batch of
rehearsed pokes (plimsoll.keepers.rehearsal), which tell what each source answers at this moment
without knowing anything about its kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from plimsoll.deployment.abi import calldata, decoder
from plimsoll.errors import by_selector, describe
from plimsoll.keepers.node import Node, Refusal, View
from plimsoll.keepers.rehearsal import Rehearsal, Step, rehearse
from plimsoll.localnet.errors import RpcUnavailable
from plimsoll.oracle_words import (
    CAUSE_TEXT,
    HALF_HOUR,
    MAX_SOURCES,
    Cause,
    DatumWord,
    FeedWords,
    HotWord,
    QuoteWord,
    SequencerWord,
    SourceWord,
    State,
    TermsWord,
)
from plimsoll.units import from_ticks, from_units

ADAPTER = "OracleAdapter"
SCHEMA = 1


@dataclass(frozen=True)
class SourceView:
    """One source with its newest accepted datum."""

    index: int
    word: SourceWord
    datum: DatumWord | None

    def counts(self, now: int) -> bool:
        """Whether its datum is within its age limit."""
        return self.datum is not None and now - self.datum.time <= self.word.max_age


@dataclass(frozen=True)
class FeedView:
    """One feed at one block. `quote`: as served; `newest`: of the newest poke; None: no price."""

    id: int
    name: str
    now: int
    words: FeedWords
    sources: tuple[SourceView, ...]
    quote: QuoteWord | None
    newest: QuoteWord | None

    @property
    def hot(self) -> HotWord | None:
        """The newest poke's word."""
        return self.words.newest

    @property
    def terms(self) -> TermsWord:
        """The rules. Only of a listed feed."""
        assert self.words.terms is not None
        return self.words.terms

    @property
    def listed(self) -> bool:
        """Whether the adapter knows it."""
        return self.words.terms is not None

    def counted(self) -> list[DatumWord]:
        """Data within their age limits."""
        return [s.datum for s in self.sources if s.datum is not None and s.counts(self.now)]

    def spread(self) -> int:
        """Range of the data that count over their median, 1e-4, rounded up; 0 below two."""
        prices = sorted(datum.price for datum in self.counted())
        if len(prices) < 2:
            return 0
        half = len(prices) // 2
        median = prices[half] if len(prices) % 2 else (prices[half - 1] + prices[half]) // 2
        return -(-(prices[-1] - prices[0]) * 10_000 // median)


@dataclass(frozen=True)
class Tried:
    """What a poke came to in a rehearsal: the feed after it, or why it reverted."""

    after: FeedView | None
    why: Refusal | None = None


@dataclass(frozen=True)
class SequencerView:
    """A rollup's sequencer. `since`: of the last change, s; 0 where it gave no sound answer."""

    word: SequencerWord
    up: bool
    since: int

    def recovering_until(self, now: int) -> int | None:
        """End of the grace time after a restart, None where it is not running."""
        end = self.since + self.word.grace
        return end if self.up and now < end else None


@dataclass(frozen=True)
class Snapshot:
    """Every feed at one block."""

    chain_id: int
    adapter: str
    block: int
    now: int
    guardian: str
    feeds: tuple[FeedView, ...]
    pokes: Mapping[int, Tried] = field(default_factory=dict)
    sequencer: SequencerView | None = None


class NoAdapter(ValueError):
    """The deployment or the chain has no oracle adapter where one was named."""


# -- reading --------------------------------------------------------------------------------------


def read_oracle(node: Node, names: Mapping[int, str], pokes: bool = True) -> Snapshot:
    """The feeds with these ids. Raises `NoAdapter`, RpcUnavailable or RpcError."""
    adapter = node.addresses.get(ADAPTER)
    if adapter is None:
        raise NoAdapter("the manifest has no OracleAdapter: is the deployment complete?")
    chain, head, code = node.rpc.batch(
        [
            ("eth_chainId", []),
            ("eth_getBlockByNumber", ["latest", False]),
            ("eth_getCode", [adapter, "latest"]),
        ]
    )
    if not isinstance(head, dict):
        raise RpcUnavailable("the node knows no latest block")
    if code in ("0x", None):
        raise NoAdapter(
            f"expected the oracle adapter at {adapter}, got no code there; does the manifest "
            "belong to this chain?"
        )
    block, now = int(head["number"], 16), int(head["timestamp"], 16)
    ids = list(names)
    views = [View(ADAPTER, "guardian")]
    with_sequencer = _has_view("sequencer")
    if with_sequencer:
        views.append(View(ADAPTER, "sequencer"))
    for feed in ids:
        views += _feed_views(feed)
    values = node.try_views(views, block)
    first = 2 if with_sequencer else 1
    size = len(_feed_views(0))
    feeds = tuple(
        _feed_view(feed, names[feed], now, values[first + i * size : first + (i + 1) * size])
        for i, feed in enumerate(ids)
    )
    listed = [feed for feed in feeds if feed.listed and pokes]
    outcomes = try_pokes(node, [(feed, b"") for feed in listed], block)
    tried = {feed.id: one for feed, one in zip(listed, outcomes, strict=True)}
    sequencer = None
    if with_sequencer and not isinstance(values[1], Refusal):
        sequencer = _read_sequencer(node, values[1], block, now)
    return Snapshot(
        chain_id=int(chain, 16),
        adapter=adapter,
        block=block,
        now=now,
        guardian="" if isinstance(values[0], Refusal) else str(values[0]),
        feeds=feeds,
        pokes=tried,
        sequencer=sequencer,
    )


def try_pokes(
    node: Node, pokes: Sequence[tuple[FeedView, bytes]], block: int | None = None
) -> list[Tried]:
    """What `poke(feed, update)` would do to each feed, each by itself, all in one request."""
    adapter = node.addresses[ADAPTER]
    plays = []
    for feed, update in pokes:
        views = [(view.function, view.args) for view in _feed_views(feed.id)]
        steps = [Step(adapter, calldata(ADAPTER, "poke", feed.id, update))]
        plays.append(steps + [Step(adapter, calldata(ADAPTER, name, *a)) for name, a in views])
    results = rehearse(node.rpc, plays, block)
    return [_tried(feed, result) for (feed, _), result in zip(pokes, results, strict=True)]


def _tried(feed: FeedView, result: Rehearsal | None) -> Tried:
    if result is None:
        return Tried(None, Refusal("", "the node runs no rehearsal"))
    poke, *rest = result.replies
    if not poke.ok:
        known = by_selector().get(poke.data[:4])
        return Tried(None, Refusal(known.name if known else "", describe(poke.data)))
    values: list[Any] = []
    for view, reply in zip(_feed_views(feed.id), rest, strict=True):
        if reply.ok:
            values.append(decoder(ADAPTER, view.function)(reply.data))
        else:
            values.append(Refusal("", describe(reply.data)))
    return Tried(_feed_view(feed.id, feed.name, result.timestamp, values))


def _feed_views(feed: int) -> list[View]:
    return [
        View(ADAPTER, "feed_words", (feed,)),
        View(ADAPTER, "word", (feed,)),
        View(ADAPTER, "latest", (feed,)),
        *(View(ADAPTER, "source_words", (feed, index)) for index in range(MAX_SOURCES)),
    ]


def _feed_view(feed: int, name: str, now: int, values: Sequence[Any]) -> FeedView:
    if isinstance(values[0], Refusal):
        raise RpcUnavailable(f"{ADAPTER}.feed_words({feed}): {values[0].text}")
    words = FeedWords.of(values[0])
    count = words.terms.count if words.terms is not None else 0
    sources = tuple(
        SourceView(index, SourceWord.of(pair[0]), DatumWord.of(pair[1]))
        for index, pair in enumerate(values[3 : 3 + count])
    )
    quotes = [None if isinstance(one, Refusal) else QuoteWord.of(one) for one in values[1:3]]
    return FeedView(feed, name, now, words, sources, quotes[0], quotes[1])


def _has_view(name: str) -> bool:
    try:
        decoder(ADAPTER, name)
    except LookupError:
        return False
    return True


def _read_sequencer(node: Node, stored: Any, block: int, now: int) -> SequencerView | None:
    word = SequencerWord.of(stored) if isinstance(stored, int) else None
    if word is None:
        return None
    (reply,) = node.rpc.batch(
        [("eth_call", [{"to": word.feed, "data": "0xfeaf968c"}, hex(block)])], keep_errors=True
    )
    raw = bytes.fromhex(reply[2:]) if isinstance(reply, str) else b""
    answer, since = (int.from_bytes(raw[i : i + 32], "big") for i in (32, 64))
    if len(raw) != 160 or answer != 0 or not 0 < since <= now:
        return SequencerView(word, False, since if len(raw) == 160 else 0)
    return SequencerView(word, True, since)


# -- judging --------------------------------------------------------------------------------------


def cause_of(feed: FeedView, sequencer: SequencerView | None = None) -> Cause:
    """Why the feed is as it is served. A halt's cause is stored; the rest follows from the data."""
    quote = feed.quote
    if quote is None:
        return Cause.MISSING_SOURCE
    if sequencer is not None and (not sequencer.up or sequencer.recovering_until(feed.now)):
        return Cause.SEQUENCER
    if quote.state == State.HALTED:
        halt = feed.words.halt
        if halt.cause != Cause.NONE:
            return halt.cause
        return Cause.GUARDIAN if halt.forced > feed.now else Cause.NONE
    if quote.state == State.STALE:
        return Cause.MISSING_SOURCE
    if quote.recovering:
        return Cause.RECOVERING
    if quote.state == State.DEGRADED:
        missing = len(feed.counted()) < feed.terms.count and feed.spread() <= feed.terms.band
        return Cause.MISSING_SOURCE if missing else Cause.SPREAD
    return Cause.NONE


def why(feed: FeedView, cause: Cause) -> str:
    """One sentence for people."""
    if not feed.listed:
        return "the adapter knows no feed of this id"
    counted, terms = len(feed.counted()), feed.terms
    if feed.quote is None:
        return f"no price yet: {counted} of {terms.quorum} sources needed have answered"
    if feed.quote.state == State.STALE and cause != Cause.SEQUENCER:
        if counted < terms.quorum:
            return f"{counted} of {terms.quorum} sources needed are within their age limit"
        return "the price is over its age limit; a poke would bring a fresh one"
    if cause == Cause.MISSING_SOURCE:
        return f"{counted} of {terms.count} sources are within their age limit"
    if cause in (Cause.SPREAD, Cause.HALTING_SPREAD):
        limit = terms.band if cause == Cause.SPREAD else terms.halt_band
        return f"{CAUSE_TEXT[cause]}: now {_percent(feed.spread())}, limit {_percent(limit)}"
    if feed.quote.state == State.HALTED and cause == Cause.NONE:
        return "halted by the breaker"
    return CAUSE_TEXT[cause]


def source_why(source: SourceView, after: SourceView | None, now: int) -> str:
    """Why a source does not count, or what a poke would change; "" where all is well."""
    fresher = after is not None and after.datum is not None and after.datum != source.datum
    if fresher and after is not None and after.counts(now):
        return "a poke would take a newer one"
    if source.datum is None:
        return "no report yet" if source.word.signed else "no sound answer yet"
    over = now - source.datum.time - source.word.max_age
    if over > 0:
        kind = "no newer report" if source.word.signed else "no newer sound answer"
        return f"{over} s over its limit, {kind}"
    return ""


def _percent(tenthousandths: int) -> str:
    return f"{from_units(tenthousandths, -2)} %"


# -- as JSON --------------------------------------------------------------------------------------


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
            "since": sequencer.since,
            "grace_s": sequencer.word.grace,
            "recovering_until": sequencer.recovering_until(snapshot.now),
        },
        "feeds": [
            feed_record(feed, snapshot.pokes.get(feed.id), sequencer) for feed in snapshot.feeds
        ],
    }


def feed_record(
    feed: FeedView, tried: Tried | None, sequencer: SequencerView | None = None
) -> dict[str, Any]:
    """One feed; keys are there whatever its state, None where there is nothing to say."""
    cause = cause_of(feed, sequencer) if feed.listed else Cause.NONE
    hot = feed.words.in_force(feed.now)
    quote = feed.quote
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
        "why": why(feed, cause),
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
        "slow_average_usd": _usd(settled.slow or None),
        "settlement": {
            "end": (settled.number + 1) * HALF_HOUR,
            "price_usd": _usd(settled.price),
        }
        if settled.price
        else None,
        "quorum": feed.words.terms.quorum if feed.words.terms is not None else None,
        "counted": len(feed.counted()),
        "sources": [
            source_record(source, _same(source, after), feed.now) for source in feed.sources
        ],
        "halt": _halt_record(feed),
        "recovering_until": _recovering_until(feed, sequencer),
        "poke": _poke_record(feed, tried),
    }


def source_record(source: SourceView, after: SourceView | None, now: int) -> dict[str, Any]:
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
        "value_usd": _usd(datum.price if datum is not None else None),
        "time": datum.time if datum is not None else None,
        "age_s": now - datum.time if datum is not None else None,
        "max_age_s": word.max_age,
        "round": str(datum.round) if datum is not None else None,
        "counts": source.counts(now),
        "why": source_why(source, after, now),
        "live": {
            "value_usd": _usd(after.datum.price),
            "time": after.datum.time,
            "age_s": now - after.datum.time,
        }
        if after is not None and after.datum is not None
        else None,
    }


def _same(source: SourceView, after: FeedView | None) -> SourceView | None:
    return after.sources[source.index] if after is not None else None


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


def _recovering_until(feed: FeedView, sequencer: SequencerView | None) -> int | None:
    ends = [sequencer.recovering_until(feed.now) or 0] if sequencer is not None else []
    if feed.hot is not None and feed.hot.recovering:
        ends.append(feed.words.halt.resumed + feed.terms.grace)
    return max(ends, default=0) or None


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


# -- as a table -----------------------------------------------------------------------------------

_COLOURS = {"OK": "green", "DEGRADED": "yellow", "RECOVERING": "yellow"}


def show(snapshot: Snapshot, console: Any) -> None:
    """Prints a table to a rich console."""
    from rich.table import Table
    from rich.text import Text

    told = record(snapshot)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("feed", "state", "price", "band", "age", "stale in", "volatility", "why"):
        right = title in ("price", "age", "stale in", "volatility")
        table.add_column(title, justify="right" if right else "left", overflow="fold")
    for feed in told["feeds"]:
        table.add_row(
            Text(f"{feed['name']} ({feed['id']})", style="bold"),
            Text(feed["state"], style=_COLOURS.get(feed["state"], "red")),
            _shown(feed["price_usd"]),
            f"{_shown(feed['low_usd'])} - {_shown(feed['high_usd'])}" if feed["low_usd"] else "",
            _seconds(feed["age_s"]),
            _seconds(feed["stale_in_s"]),
            f"{100 * Decimal(feed['volatility']):.1f} %",
            Text(feed["why"] + _until(feed, snapshot.now)),
        )
        for source in feed["sources"]:
            age = f"{_seconds(source['age_s'])} of {_seconds(source['max_age_s'])}"
            table.add_row(
                Text(f"  {source['index']} {source['kind']}"),
                Text("counts" if source["counts"] else "out"),
                _shown(source["value_usd"]),
                Text(source["target"] or f"signer set {source['signer_set']}"),
                age if source["age_s"] is not None else "",
                "",
                "",
                Text(source["why"]),
                style="dim" if source["counts"] else None,
            )
    console.print(table)
    line = f"block {snapshot.block}, time {snapshot.now}, adapter {snapshot.adapter}"
    if snapshot.sequencer is not None:
        line += f", sequencer {'up' if snapshot.sequencer.up else 'DOWN'}"
    console.print(line, highlight=False)


def _until(feed: Mapping[str, Any], now: int) -> str:
    if feed["halt"] is not None:
        return f"; may end in {_seconds(max(0, feed['halt']['may_end_at'] - now))}"
    if feed["recovering_until"] is not None:
        return f"; ends in {_seconds(max(0, feed['recovering_until'] - now))}"
    return ""


def _shown(usd: str | None) -> str:
    """With the separators people read, at least two and as many digits as there are."""
    if usd is None:
        return ""
    number = Decimal(usd)
    exponent = number.as_tuple().exponent
    places = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"{number:,.{places}f}"


def _seconds(seconds: int | None) -> str:
    if seconds is None:
        return ""
    if seconds < 600:
        return f"{seconds} s"
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
