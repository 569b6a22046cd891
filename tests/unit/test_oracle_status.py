"""The oracle's words unpacked, and what `ape run oracle status` says of feeds in every state."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from plimsoll.compiler import compile_contract
from plimsoll.evm import Evm
from plimsoll.oracle_status import (
    FeedView,
    NoAdapter,
    SequencerView,
    Snapshot,
    cause_of,
    feed_record,
    read_oracle,
    record,
    show,
)
from plimsoll.oracle_words import (
    Cause,
    DatumWord,
    FeedWords,
    HaltWord,
    HistoryWord,
    HotWord,
    QuoteWord,
    SequencerWord,
    SettlementWord,
    SourceWord,
    TermsWord,
)
from plimsoll.signed_reports import PriceReport
from tests.unit.keepers.fake_chain import FakeChain
from tests.unit.oracle.conftest import FEED, KEYS, START, USD, World

NAMES = {FEED: "ETH"}
NOW = 1_700_000_000


@pytest.fixture(scope="module")
def shared() -> World:
    evm = Evm(timestamp=START)
    governance, guardian, stranger = (evm.account() for _ in range(3))
    oracle = evm.deploy(compile_contract("OracleAdapter"), governance, guardian)
    return World(evm, oracle, governance, guardian, stranger)


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    handle = shared.evm.snapshot()
    yield shared
    shared.evm.revert(handle)


def read(world: World, **changes: bool) -> tuple[Snapshot, FakeChain]:
    chain = FakeChain(world.evm, **changes)
    return read_oracle(chain.node(world.oracle.address), NAMES), chain


# -- words ----------------------------------------------------------------------------------------


def test_hot_word__every_field_at_its_place() -> None:
    word = (
        5
        | (2**56 - 3) << 56
        | 600 << 112
        | 50 << 128
        | 70 << 144
        | 2 << 160
        | NOW << 162
        | 30 << 194
        | (2**18 - 4) << 211
        | 1 << 230
        | 700_000 << 231
    )
    hot = HotWord.of(word)
    assert hot == HotWord(5, -3, 600, 50, 70, 2, NOW, 30, -4, False, True, 700_000)
    assert hot is not None
    assert hot.recovering
    assert (hot.stale_after, hot.observed) == (NOW + 600, NOW - 30)
    assert replace(hot, price=100_001).band() == (99_950, 100_072)  # down, up
    assert HotWord.of(0) is None


def test_quote_word__recovering_bit__told_by_its_label() -> None:
    quote = QuoteWord.of(9 | 12 << 112 | 1 << 160 | 1 << 162 | 3 << 231)
    assert (quote.price, quote.age, quote.sigma, quote.recovering) == (9, 12, 3, True)
    assert quote.label == "RECOVERING"
    assert QuoteWord.of(1 << 160).label == "DEGRADED"
    assert QuoteWord.of(2 << 160 | 1 << 162).label == "STALE"


def test_terms_word__bounds_as_shift_and_mantissa_and_the_new_fields() -> None:
    low, high = 3 | 5 << 6, 35 | (2**20 - 1) << 6
    word = 2 | 3 << 3 | 10 << 6 | 100 << 18 | 500 << 30 | 1_000 << 42 | 50 << 56 | 60 << 76
    word |= low << 156 | high << 182 | 250 << 208 | 1_440 << 220 | 600 << 234
    terms = TermsWord.of(word)
    assert terms is not None
    assert (terms.quorum, terms.count, terms.half_band) == (2, 3, 10)
    assert (terms.band, terms.halt_band, terms.jump_base) == (100, 500, 1_000)
    assert (terms.jump_rate, terms.confirm) == (50, 60)
    assert (terms.min_price, terms.max_price) == (40, (2**20 - 1) << 35)
    assert (terms.ema_band, terms.ema_tau, terms.grace) == (250, 1_440, 600)
    assert TermsWord.of(0) is None


def test_source_word__pyth_inverse_via_another_feed() -> None:
    word = 0xAB | 3 << 160 | 8 << 168 | 90 << 176 | 2 << 200 | 150 << 208 | 1 << 220 | 9 << 221
    source = SourceWord.of(word)
    assert source == SourceWord(0xAB, 3, 8, 90, 2, 150, True, 9)
    assert source.kind_name == "pyth"
    assert source.address == "0x" + "00" * 19 + "AB"
    assert replace(source, kind=2).address == ""
    assert replace(source, kind=77).kind_name == "kind 77"


def test_other_words__fields_at_their_places() -> None:
    halt = HaltWord.of(NOW | 7 << 32 | (NOW + 1) << 88 | (NOW + 9) << 120 | 6 << 152 | NOW << 156)
    assert halt == HaltWord(NOW, 7, NOW + 1, NOW + 9, Cause.SLOW_AVERAGE, NOW)
    assert HaltWord.of(15 << 152).cause == Cause.NONE
    history = HistoryWord.of(4 | 5 << 62 | NOW << 118 | 6 << 150 | (2**38 - 7) << 217)
    assert history == HistoryWord(4, 5, NOW, 6, -7)
    assert SettlementWord.of(944_444 | 8 << 22 | 9 << 78) == SettlementWord(944_444, 8, 9)
    datum = DatumWord.of(3 | NOW << 56 | 2**79 << 88 | (2**18 - 1) << 168)
    assert datum == DatumWord(3, NOW, 2**79, -1)
    assert SequencerWord.of(0) is None
    assert SequencerWord.of(1 | 3_600 << 160) == SequencerWord("0x" + "00" * 19 + "01", 3_600)


def test_feed_words__a_newer_word_waits__newest_and_in_force_differ_within_its_second() -> None:
    hot, newer = 5 | NOW << 162 | 1 << 230, 6 | NOW << 162
    words = FeedWords.of([hot, newer, 0, 0, 0, 0])
    prices = [
        one.price if one is not None else None
        for one in (words.newest, words.in_force(NOW), words.in_force(NOW + 1))
    ]
    assert prices == [6, 5, 6]


# -- status ---------------------------------------------------------------------------------------


def test_status__two_aggregators_and_a_report__values_ages_and_what_a_poke_would_take(
    world: World,
) -> None:
    signers = world.signer_set(KEYS[:1], 1)
    first, second = world.aggregator(), world.aggregator(2_002 * 10**8)
    world.list_only([first, second, signers], quorum=2)
    world.evm.advance(100)
    first.set_answer(2_004 * 10**8)
    snapshot, chain = read(world)
    assert chain.requests == 3
    told = json.loads(json.dumps(record(snapshot)))
    (feed,) = told["feeds"]
    assert told["timestamp"] == world.now
    assert told["guardian"] == world.guardian
    assert feed["state"] == "DEGRADED"
    assert feed["cause"] == "missing_source"
    assert feed["why"] == "2 of 3 sources are within their age limit"
    assert (feed["price_usd"], feed["age_s"], feed["stale_in_s"]) == ("2001", 100, 3_501)
    assert (feed["variance"], feed["volatility"]) == ("0.25", "0.500000")
    assert [one["kind"] for one in feed["sources"]] == ["chainlink", "chainlink", "signed"]
    one, two, three = feed["sources"]
    assert (one["value_usd"], one["age_s"], one["counts"]) == ("2000", 100, True)
    assert one["why"] == "a poke would take a newer one"
    assert one["live"] == {"value_usd": "2004", "time": world.now, "age_s": 0}
    assert (two["target"], two["why"]) == (second.address, "")
    assert (three["signer_set"], three["threshold"], three["counts"]) == (signers, 1, False)
    assert three["why"] == "no report yet"
    assert feed["poke"] == {"ok": True, "why": "", "state": "DEGRADED"}


def test_status__all_well__ok_and_no_reason(world: World) -> None:
    world.list_only([world.aggregator(), world.aggregator()])
    (feed,) = record(read(world)[0])["feeds"]
    assert (feed["state"], feed["cause"], feed["why"]) == ("OK", "none", "")
    assert feed["halt"] is None
    assert feed["recovering_until"] is None


def test_status__sources_apart__degraded_by_the_spread(world: World) -> None:
    world.list_only([world.aggregator(), world.aggregator(2_040 * 10**8)])
    (feed,) = record(read(world)[0])["feeds"]
    assert (feed["state"], feed["cause"]) == ("DEGRADED", "spread")
    assert feed["why"] == "the sources are apart: now 1.99 %, limit 1 %"


def test_status__nothing_for_an_hour__stale_with_each_source_over_its_limit(world: World) -> None:
    world.list_only([world.aggregator(), world.aggregator()])
    world.evm.advance(3_700)
    (feed,) = record(read(world)[0])["feeds"]
    assert (feed["state"], feed["stale_in_s"]) == ("STALE", 0)
    assert feed["why"] == "0 of 2 sources needed are within their age limit"
    assert {one["why"] for one in feed["sources"]} == {
        "100 s over its limit, no newer sound answer"
    }


def test_status__guardian_halt__its_record_and_when_it_may_end(world: World) -> None:
    world.list_only([world.aggregator(), world.aggregator()])
    world.oracle.halt(FEED, 600, sender=world.guardian)
    (feed,) = record(read(world)[0])["feeds"]
    assert (feed["state"], feed["cause"]) == ("HALTED", "guardian")
    assert feed["halt"]["guardian_until"] == feed["halt"]["may_end_at"] == world.now + 600


def test_status__no_report_yet_and_unlisted__said_so(world: World) -> None:
    world.list_only([world.signer_set(KEYS[:1], 1)], quorum=1)
    chain = FakeChain(world.evm)
    snapshot = read_oracle(chain.node(world.oracle.address), {FEED: "ETH", 99: "NONE"})
    first, second = record(snapshot)["feeds"]
    assert (first["state"], first["price_usd"]) == ("NO PRICE", None)
    assert first["why"] == "no price yet: 0 of 1 sources needed have answered"
    assert (second["state"], second["listed"], second["sources"]) == ("UNLISTED", False, [])
    assert set(first) == set(second)


def test_status__node_without_programs__the_rest_is_told(world: World) -> None:
    world.list_only([world.aggregator(), world.aggregator()])
    (feed,) = record(read(world, runs_programs=False)[0])["feeds"]
    assert feed["state"] == "OK"
    assert feed["poke"]["ok"] is False
    assert feed["sources"][0]["live"] is None


def test_status__no_code_at_the_address__no_adapter(world: World) -> None:
    with pytest.raises(NoAdapter, match="no code there"):
        read_oracle(FakeChain(world.evm).node(world.stranger), NAMES)


def test_show__table__feeds_sources_and_reasons(world: World) -> None:
    signers = world.signer_set(KEYS[:1], 1)
    world.list_only([world.aggregator(), world.aggregator(), signers])
    world.evm.advance(1)
    report = PriceReport(FEED, 2, 2_003 * USD, world.now, world.now * 1_000)
    world.oracle.poke(FEED, world.signed(report), sender=world.stranger)
    out = io.StringIO()
    show(read(world)[0], Console(file=out, width=160))
    text = out.getvalue()
    assert "ETH (7)" in text
    assert f"signer set {signers}" in text
    assert "2,003.00" in text
    assert f"adapter {world.oracle.address}" in text


def feed_view(hot: int, quote: int, halt: int = 0, grace: int = 600) -> FeedView:
    """A feed of made-up words: states that need another adapter, or a rollup."""
    terms = 1 | 1 << 3 | 60 << 76 | grace << 234
    words = FeedWords.of([hot, 0, terms, 0, 0, halt])
    return FeedView(1, "ETH", NOW, words, (), QuoteWord.of(quote), QuoteWord.of(quote))


def test_status__recovering__until_the_grace_time_is_over() -> None:
    feed = feed_view(5 | 2 << 160 | NOW << 162, 5 | 1 << 160 | 1 << 162, (NOW - 100) << 156)
    told = feed_record(feed, None)
    assert (told["state"], told["recovering"], told["cause"]) == ("RECOVERING", True, "recovering")
    assert told["recovering_until"] == NOW + 500
    assert told["poke"] is None


def test_status__halt_with_its_cause__named() -> None:
    halt = (NOW - 10) | 6 << 32 | NOW << 88 | 4 << 152
    told = feed_record(feed_view(5 | 3 << 160 | NOW << 162, 5 | 3 << 160, halt), None)
    assert (told["cause"], told["why"]) == ("jump", "the price moved faster than allowed")
    assert told["halt"]["may_end_at"] == NOW + 50
    assert told["halt"]["candidate_usd"] == "0.000000006"


@pytest.mark.parametrize(
    ("up", "since", "cause"),
    [
        (False, NOW - 50, Cause.SEQUENCER),
        (True, NOW - 50, Cause.SEQUENCER),
        (True, NOW - 600, Cause.NONE),
    ],
)
def test_cause_of__sequencer_down_or_just_back__it_is_the_cause(
    up: bool, since: int, cause: Cause
) -> None:
    sequencer = SequencerView(SequencerWord("0x" + "11" * 20, 600), up, since)
    assert cause_of(feed_view(5 | NOW << 162, 5), sequencer) == cause
