"""What every feed says, is made of, and why it is in its state; and what a poke would do now.

Three requests whatever the number of feeds: the head, one batch of views pinned to it, one batch of
rehearsed pokes (plimsoll.keepers.rehearsal), which tell what each source answers at this moment
without knowing anything about its kind. A fourth asks the on-chain sources that would not count
even then, to tell why (plimsoll.oracle_probe).
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
from plimsoll.localnet.errors import RpcError, RpcUnavailable
from plimsoll.oracle_probe import Subject, questions, reason
from plimsoll.oracle_words import (
    CAUSE_TEXT,
    HALF_HOUR,
    MAX_SOURCES,
    Cause,
    DatumWord,
    ExtraWord,
    FeedWords,
    HotWord,
    Kind,
    QuoteWord,
    SequencerStatus,
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
    extra: int = 0

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
    def in_force(self) -> HotWord | None:
        """The word that prices this second."""
        return self.words.in_force(self.now)

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
    """A rollup's sequencer, as the adapter sees it."""

    word: SequencerWord
    status: SequencerStatus

    @property
    def up(self) -> bool:
        """Whether it runs: down is also what gives no sound answer."""
        return not self.status.down

    @property
    def recovering_until(self) -> int | None:
        """End of the grace time after a restart, None where it is not running."""
        return self.status.since + self.word.grace if self.status.in_grace else None


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
    reasons: Mapping[tuple[int, int], str] = field(default_factory=dict)  # by feed and source


class NoAdapter(ValueError):
    """The deployment or the chain has no oracle adapter where one was named."""


# -- reading --------------------------------------------------------------------------------------


def read_oracle(
    node: Node, names: Mapping[int, str], pokes: bool = True, reasons: bool = False
) -> Snapshot:
    """The feeds with these ids, with what a poke would do now (`pokes`), and with why a source
    would not count after it (`reasons`). Raises `NoAdapter`, RpcUnavailable or RpcError.
    """
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
    views = [View(ADAPTER, "guardian"), View(ADAPTER, "sequencer_words")]
    for feed in ids:
        views += _feed_views(feed)
    guardian, sequencer, *values = node.try_views(views, block)
    size = len(_feed_views(0))
    feeds = tuple(
        _feed_view(feed, names[feed], now, values[i * size : (i + 1) * size])
        for i, feed in enumerate(ids)
    )
    listed = [feed for feed in feeds if feed.listed and pokes]
    outcomes = try_pokes(node, [(feed, b"") for feed in listed], block)
    tried = {feed.id: one for feed, one in zip(listed, outcomes, strict=True)}
    return Snapshot(
        chain_id=int(chain, 16),
        adapter=adapter,
        block=block,
        now=now,
        guardian="" if isinstance(guardian, Refusal) else str(guardian),
        feeds=feeds,
        pokes=tried,
        sequencer=_sequencer_view(sequencer),
        reasons=_ask(node, feeds, tried, block, now) if reasons else {},
    )


def try_pokes(
    node: Node,
    pokes: Sequence[tuple[FeedView, bytes]],
    block: int | None = None,
    fees: Sequence[int] | None = None,
    payer: str | None = None,
) -> list[Tried]:
    """What `poke(feed, update)` would do to each feed, each by itself, all in one request.

    `fees`: wei that `payer` sends with each.
    """
    adapter = node.addresses[ADAPTER]
    plays = []
    for (feed, update), fee in zip(pokes, fees or [0] * len(pokes), strict=True):
        views = [(view.function, view.args) for view in _feed_views(feed.id)]
        steps = [Step(adapter, calldata(ADAPTER, "poke", feed.id, update), fee)]
        plays.append(steps + [Step(adapter, calldata(ADAPTER, name, *a)) for name, a in views])
    results = rehearse(node.rpc, plays, block, payer)
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
        SourceView(index, SourceWord.of(source), DatumWord.of(datum), extra)
        for index, (source, datum, extra) in enumerate(values[3 : 3 + count])
    )
    quotes = [None if isinstance(one, Refusal) else QuoteWord.of(one) for one in values[1:3]]
    return FeedView(feed, name, now, words, sources, quotes[0], quotes[1])


def _sequencer_view(words: Any) -> SequencerView | None:
    if isinstance(words, Refusal):
        raise RpcUnavailable(f"{ADAPTER}.sequencer_words: {words.text}")
    word = SequencerWord.of(words[0])
    return None if word is None else SequencerView(word, SequencerStatus.of(words[1]))


def _ask(
    node: Node, feeds: Sequence[FeedView], pokes: Mapping[int, Tried], block: int, now: int
) -> dict[tuple[int, int], str]:
    """Why on-chain sources do not count, and would not after a poke: all in one request."""
    wanted: list[tuple[FeedView, SourceView]] = []
    for feed in feeds:
        tried = pokes.get(feed.id)
        for source in feed.sources:
            after = _same(source, tried.after if tried is not None else None)
            counts = source.counts(now) or (after is not None and after.counts(now))
            if not counts and source.word.kind in set(Kind) and not source.word.signed:
                wanted.append((feed, source))
    if not wanted:
        return {}
    legs = sorted({source.word.via for _, source in wanted if source.word.via})
    calls: list[tuple[str, list[Any]]] = [
        (
            "eth_call",
            [
                {
                    "to": node.addresses[ADAPTER],
                    "data": "0x" + calldata(ADAPTER, "feed_words", leg).hex(),
                },
                hex(block),
            ],
        )
        for leg in legs
    ]
    asked = [questions(source.word, source.extra) for _, source in wanted]
    calls += [("eth_call", [request, hex(block)]) for requests in asked for request in requests]
    replies = [
        None if isinstance(reply, RpcError) else bytes.fromhex(reply[2:])
        for reply in node.rpc.batch(calls, keep_errors=True)
    ]
    read = decoder(ADAPTER, "feed_words")
    words = {
        leg: FeedWords.of(read(reply)) if reply else None
        for leg, reply in zip(legs, replies, strict=False)
    }
    found, at = {}, len(legs)
    for (feed, source), requests in zip(wanted, asked, strict=True):
        subject = Subject(
            feed.terms, source.word, source.extra, source.datum, words.get(source.word.via)
        )
        found[feed.id, source.index] = reason(subject, replies[at : at + len(requests)], now)
        at += len(requests)
    return found


# -- judging --------------------------------------------------------------------------------------


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
                source, _same(source, after), feed.now, told.get((feed.id, source.index), "")
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
    if feed["recovering_until"] is not None and feed["recovering_until"] > now:
        return f"; ends in {_seconds(feed['recovering_until'] - now)}"
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
