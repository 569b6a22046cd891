"""Feeds read from a node, with what a poke would do to them now.

Three requests whatever the number of feeds: the head, one batch of views pinned to it, one batch of
rehearsed pokes (plimsoll.keepers.rehearsal), which tell what each source answers at this moment
without knowing anything about its kind. A fourth asks the on-chain sources that would not count
even then, to tell why (plimsoll.oracle_probe).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plimsoll.deployment.abi import calldata, decoder
from plimsoll.errors import by_selector, describe
from plimsoll.keepers.node import Node, Refusal, View
from plimsoll.keepers.rehearsal import Rehearsal, Step, rehearse
from plimsoll.localnet.errors import RpcError, RpcUnavailable
from plimsoll.oracle_probe import Subject, questions, reason
from plimsoll.oracle_status.views import (
    FeedView,
    SequencerView,
    Snapshot,
    SourceView,
    Tried,
    same_source,
)
from plimsoll.oracle_words import (
    MAX_SOURCES,
    DatumWord,
    FeedWords,
    Kind,
    QuoteWord,
    SequencerStatus,
    SequencerWord,
    SourceWord,
)

ADAPTER = "OracleAdapter"


class NoAdapter(ValueError):
    """The deployment or the chain has no oracle adapter where one was named."""


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
            after = same_source(source, tried.after if tried is not None else None)
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
