"""The oracle's words unpacked, and what `ape run oracle status` says of feeds in every state."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_utils.crypto import keccak
from rich.console import Console

from plimsoll.evm import Contract
from plimsoll.model.price_sources import curve_extra, uniswap_extra, vault_extra
from plimsoll.oracle_status import (
    NoAdapter,
    Snapshot,
    read_oracle,
    record,
    show,
)
from plimsoll.oracle_words import (
    Cause,
    DatumWord,
    ExtraWord,
    FeedWords,
    HaltWord,
    HistoryWord,
    HotWord,
    QuoteWord,
    SequencerStatus,
    SequencerWord,
    SettlementWord,
    SourceWord,
    TermsWord,
)
from plimsoll.signed_reports import PriceReport
from tests.unit.keepers.fake_chain import FakeChain
from tests.unit.keepers.oracle_house import oracle_world
from tests.unit.oracle.conftest import FEED, KEYS, USD, World

NAMES = {FEED: "ETH"}
NOW = 1_700_000_000


@pytest.fixture(scope="module")
def shared() -> World:
    return oracle_world()


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    handle = shared.evm.snapshot()
    yield shared
    shared.evm.revert(handle)


def read(
    world: World, names: dict[int, str] | None = None, **changes: bool
) -> tuple[Snapshot, FakeChain]:
    chain = FakeChain(world.evm, **changes)
    return read_oracle(chain.node(world.oracle.address), names or NAMES, reasons=True), chain


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
    word |= low << 156 | high << 182 | 250 << 208 | 1_440 << 220 | 600 << 234 | 1 << 246
    terms = TermsWord.of(word)
    assert terms is not None
    assert (terms.quorum, terms.count, terms.half_band) == (2, 3, 10)
    assert (terms.band, terms.halt_band, terms.jump_base) == (100, 500, 1_000)
    assert (terms.jump_rate, terms.confirm) == (50, 60)
    assert (terms.min_price, terms.max_price) == (40, (2**20 - 1) << 35)
    assert (terms.ema_band, terms.ema_tau, terms.grace) == (250, 1_440, 600)
    assert terms.sequenced
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
    slow = 3 | 2**14 << 6
    history = HistoryWord.of(4 | 5 << 62 | 59 << 118 | 6 << 130 | (2**38 - 7) << 197 | slow << 235)
    assert history == HistoryWord(4, 5, 59, 6, -7, 2**17)
    assert SettlementWord.of(944_444 | 8 << 22) == SettlementWord(944_444, 8)
    bare = 3_600 << 186 | 5 << 203 | 9 << 207 | 1 << 239
    datum = DatumWord.of(3 | NOW << 56 | 2**79 << 88 | (2**18 - 1) << 168 | bare)
    assert datum == DatumWord(3, NOW, 2**79, -1, 3_600, 5, 9, True)
    assert DatumWord.of(bare) is None  # a signed source before its first report
    assert SequencerWord.of(0) is None
    assert SequencerWord.of(1 | 3_600 << 160) == SequencerWord("0x" + "00" * 19 + "01", 3_600)
    assert SequencerStatus.of(NOW | 1 << 32) == SequencerStatus(NOW, True, False)
    assert SequencerStatus.of(1 << 33) == SequencerStatus(0, False, True)


def test_extra_word__of_each_kind() -> None:
    assert ExtraWord.of(3, 2**255 + 1) == ExtraWord(price_id=2**255 + 1)
    pool = uniswap_extra(1_800, 10**18, 18, 6)
    assert ExtraWord.of(4, pool) == ExtraWord(window=1_800, min_liquidity=10**18, decimals=(18, 6))
    assert ExtraWord.of(5, curve_extra(None)) == ExtraWord()
    assert ExtraWord.of(5, curve_extra(0)) == ExtraWord(index=0)
    assert ExtraWord.of(6, vault_extra(18, 6)) == ExtraWord(decimals=(18, 6))
    assert ExtraWord.of(1, 0) == ExtraWord.of(2, 0) == ExtraWord()


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
    assert {one["why"] for one in feed["sources"]} == {"100 s over its limit, no newer answer"}


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


def trio(world: World, **changes: Any) -> list[Contract]:
    """A feed of three aggregators whose data count for ten minutes; a minute of grace."""
    made = [world.aggregator() for _ in range(3)]
    world.list_only(made, max_age=600, **{"grace": 60, **changes})  # type: ignore[arg-type]
    return made


def refresh(world: World, seconds: int, aggregators: list[Contract], usd: int = 2_000) -> None:
    """So much later all of them answer this, and somebody pokes."""
    world.evm.advance(seconds)
    for one in aggregators:
        one.set_answer(usd * 10**8)
    world.oracle.poke(FEED, b"", sender=world.stranger)


def told(world: World, feed: int = FEED) -> dict[str, Any]:
    """What status says of the feed."""
    one: dict[str, Any] = record(read(world, {feed: "ETH"})[0])["feeds"][0]
    return one


# -- recovery -------------------------------------------------------------------------------------


def test_status__stale_then_recovering_then_ok__ends_in_the_second_it_says(world: World) -> None:
    aggregators = trio(world)
    world.evm.advance(601)
    for one in aggregators:
        one.set_answer(2_000 * 10**8)
    feed = told(world)
    assert (feed["state"], feed["recovering_until"]) == ("STALE", None)
    assert feed["poke"]["state"] == "RECOVERING"
    refresh(world, 0, aggregators)
    begun = world.now
    feed = told(world)
    assert (feed["state"], feed["cause"]) == ("RECOVERING", "recovering")
    assert (feed["recovering"], feed["recovering_until"]) == (True, begun + 60)
    assert feed["why"] == "back from a gap or a halt, in its grace time"
    world.evm.advance(30)
    refresh(world, 29, aggregators)
    feed = told(world)  # the last second: a poke has not helped, and would not
    assert (feed["recovering_until"], feed["poke"]["state"]) == (world.now + 1, "RECOVERING")
    world.evm.advance(1)
    feed = told(world)
    assert feed["why"] == "back from a gap or a halt; its grace time is over, a poke ends it"
    assert (feed["state"], feed["poke"]["state"]) == ("RECOVERING", "OK")
    world.oracle.poke(FEED, b"", sender=world.stranger)
    feed = told(world)
    assert (feed["state"], feed["cause"], feed["recovering_until"]) == ("OK", "none", None)


@pytest.mark.parametrize(
    ("cause", "answers", "changes", "reason"),
    [
        (
            "halting_spread",
            (1_900, 2_000, 2_100),
            {},
            "the sources are too far apart: now 10 %, limit 5 %",
        ),
        ("jump", (2_300,) * 3, {}, "the price moved faster than allowed"),
        (
            "slow_average",
            (2_300,) * 3,
            {"jump_base": 9_999, "ema_band": 100},
            "the price is too far from its slow average",
        ),
    ],
)
def test_status__halted_by_the_breaker__its_cause_and_its_end_to_the_second(
    world: World, cause: str, answers: tuple[int, ...], changes: dict[str, int], reason: str
) -> None:
    aggregators = trio(world, **changes)
    world.evm.advance(30)
    for one, usd in zip(aggregators, answers, strict=True):
        one.set_answer(usd * 10**8)
    assert told(world)["poke"]["state"] == "HALTED"
    world.oracle.poke(FEED, b"", sender=world.stranger)
    begun = world.now
    feed = told(world)
    assert (feed["state"], feed["cause"], feed["why"]) == ("HALTED", cause, reason)
    assert (feed["halt"]["cause"], feed["halt"]["may_end_at"]) == (cause, begun + 60)
    assert feed["halt"]["candidate_usd"] == str(answers[1])
    for one in aggregators:
        one.set_answer(answers[1] * 10**8)
    world.evm.advance(59)
    assert told(world)["poke"]["state"] == "HALTED"
    world.evm.advance(1)
    assert told(world)["poke"]["state"] == "RECOVERING"
    world.oracle.poke(FEED, b"", sender=world.stranger)
    feed = told(world)
    assert (feed["state"], feed["halt"]) == ("RECOVERING", None)
    assert feed["recovering_until"] == world.now + 60
    assert feed["slow_average_usd"] is not None


# -- the sequencer --------------------------------------------------------------------------------


def test_status__sequencer_down_and_back__halted_stale_recovering_ok(world: World) -> None:
    sequencer = world.run_sequencer(120)
    aggregators = trio(world, sequenced=True)
    world.list_only([world.aggregator()], 9, quorum=1)  # not under it
    assert told(world)["state"] == "OK"
    world.tell_sequencer(sequencer, 1, world.now)
    snapshot, _ = read(world, {FEED: "ETH", 9: "BTC"})
    all_told = record(snapshot)
    assert all_told["sequencer"] == {
        "feed": sequencer.address,
        "up": False,
        "since": None,
        "grace_s": 120,
        "recovering_until": None,
    }
    feed, other = all_told["feeds"]
    assert (feed["state"], feed["cause"], feed["halt"]) == ("HALTED", "sequencer", None)
    assert feed["why"] == "the sequencer is down, or its feed gives no sound answer"
    assert (other["state"], other["cause"]) == ("OK", "none")
    out = io.StringIO()
    show(snapshot, Console(file=out, width=160))
    assert "sequencer DOWN" in out.getvalue()
    world.evm.advance(300)
    restart = world.now
    world.tell_sequencer(sequencer, 0, restart)
    feed = told(world)
    assert (feed["state"], feed["cause"]) == ("STALE", "sequencer")
    assert feed["why"].startswith("the price is from before the sequencer's restart")
    assert feed["poke"]["state"] == "RECOVERING"
    refresh(world, 15, aggregators)
    feed = told(world)
    assert (feed["state"], feed["cause"]) == ("RECOVERING", "sequencer")
    assert feed["recovering_until"] == restart + 120
    world.evm.advance(restart + 119 - world.now)
    assert told(world)["state"] == "RECOVERING"
    world.evm.advance(1)  # ends by itself
    feed = told(world)
    assert (feed["state"], feed["cause"], feed["recovering_until"]) == ("OK", "none", None)


def test_status__guardian_halt_under_a_dead_sequencer__the_halt_is_the_cause(world: World) -> None:
    sequencer = world.run_sequencer(120)
    trio(world, sequenced=True)
    world.oracle.halt(FEED, 600, sender=world.guardian)
    world.tell_sequencer(sequencer, 1, world.now)
    assert told(world)["cause"] == "guardian"


def test_status__terms_just_put_under_the_sequencer__served_so_from_the_next_poke(
    world: World,
) -> None:
    aggregators = trio(world)
    sequencer = world.run_sequencer(120)
    terms = world.terms(grace=60, sequenced=True)
    world.oracle.set_terms(FEED, terms, sender=world.governance)
    world.tell_sequencer(sequencer, 1, world.now)
    assert (told(world)["state"], told(world)["cause"]) == ("OK", "none")
    world.evm.advance(601)
    assert (told(world)["state"], told(world)["cause"]) == ("STALE", "missing_source")
    refresh(world, 0, aggregators)
    assert (told(world)["state"], told(world)["cause"]) == ("HALTED", "sequencer")
    world.evm.advance(601)
    assert (told(world)["state"], told(world)["cause"]) == ("HALTED", "sequencer")


def test_status__both_grace_times_run__the_later_end_is_told(world: World) -> None:
    sequencer = world.run_sequencer(600)
    aggregators = trio(world, sequenced=True, grace=60)
    world.evm.advance(700)
    restart = world.now
    world.tell_sequencer(sequencer, 0, restart)
    refresh(world, 100, aggregators)
    feed = told(world)
    assert (feed["state"], feed["recovering_until"]) == ("RECOVERING", restart + 600)
    world.evm.advance(59)
    refresh(world, 1, aggregators)
    feed = told(world)  # its own is over
    assert (feed["cause"], feed["recovering_until"]) == ("sequencer", restart + 600)
    assert feed["why"] == "the sequencer has just restarted; its grace time runs"


# -- sources of every kind ------------------------------------------------------------------------

LEG = 5


def test_status__inverse_and_through_another_feed__value_age_and_the_leg_that_fails(
    world: World,
) -> None:
    leg = world.aggregator()
    world.list_only([leg], LEG, max_age=600, quorum=1)
    rate, inverse = world.aggregator(105 * 10**6), world.aggregator(47_619)
    world.evm.advance(10)
    world.list_only(
        [rate, inverse],
        quorum=1,
        max_age=600,
        ages=[600, 90_000],
        twists={0: {"via": LEG}, 1: {"inverse": True}},
    )
    feed = told(world)
    one, two = feed["sources"]
    assert (one["via"], one["inverse"], one["value_usd"], one["age_s"]) == (LEG, False, "2100", 10)
    assert (two["via"], two["inverse"]) == (None, True)
    assert two["value_usd"] == "2100.002100002"
    world.evm.advance(700)
    rate.set_answer(106 * 10**6)
    feed = told(world)
    one, two = feed["sources"]
    assert (one["counts"], two["counts"]) == (False, True)
    assert one["why"] == f"110 s over its limit, feed {LEG}, which it goes through, is STALE"
    leg.set_answer(2_000 * 10**8)
    world.oracle.poke(LEG, b"", sender=world.stranger)
    feed = told(world)
    assert feed["sources"][0]["why"] == "a poke would take a newer one"
    assert feed["sources"][0]["live"]["value_usd"] == "2120"


@dataclass
class Hostile:
    """A feed of a Pyth, a Uniswap, a Curve and an ERC-4626 source, all one contract that obeys."""

    world: World
    contract: Contract

    def says(self, method: str, words: list[int], mode: int = 0) -> None:
        """The answer from now on; mode 1 reverts, 2 is empty."""
        words = [word % 2**256 for word in words]
        self.contract.set_answer(keccak(text=method)[:4], mode, words)

    def pyth(self, usd: int = 2_000, confidence: int = 1, age: int = 0) -> None:
        """What the Pyth contract holds."""
        words = [usd * 10**8, confidence * 10**8, -8, self.world.now - age]
        self.says("getPriceUnsafe(bytes32)", words)

    def pool(self, tick: int = 76_012, liquidity: int = 3 * 10**18) -> None:
        """What the pool says of the window."""
        passed = -(-(1_800 << 128) // liquidity)
        self.says("observe(uint32[])", [64, 160, 2, 0, tick * 1_800, 2, 0, passed])


PYTH, POOL, CURVE, VAULT = range(4)


@pytest.fixture
def hostile(world: World) -> Hostile:
    made = Hostile(world, world.deploy_mock("HostileSource"))
    address = int(made.contract.address, 16)
    made.pyth()
    made.pool()
    made.says("price_oracle(uint256)", [2_001 * 10**18])
    made.says("convertToAssets(uint256)", [2_002 * 10**18])
    for method in ("token0()", "token1()", "asset()", "getPool(address,address,uint24)"):
        made.says(method, [address])
    made.says("fee()", [3_000])
    made.says("decimals()", [18])
    made.says("slot0()", [2**96, 0, 0, 151, 151, 0, 1])
    pool = {"extra": uniswap_extra(1_800, 10**18, 18, 18), "factory": made.contract.address}
    world.list_only(
        [made.contract] * 4,
        quorum=2,
        max_age=600,
        twists={
            PYTH: {"kind": 3, "max_conf": 50, "extra": 0xE7},
            POOL: {"kind": 4, **pool},
            CURVE: {"kind": 5, "extra": curve_extra(1)},
            VAULT: {"kind": 6, "extra": vault_extra(18, 18)},
        },
    )
    return made


def test_status__four_kinds_on_chain__value_age_and_their_terms(hostile: Hostile) -> None:
    hostile.world.evm.advance(100)
    hostile.pyth(2_003, age=40)
    feed = told(hostile.world)
    assert feed["state"] == "OK"
    kinds = [one["kind"] for one in feed["sources"]]
    assert kinds == ["pyth", "uniswap_v3", "curve", "erc4626"]
    assert [round(float(one["value_usd"])) for one in feed["sources"]] == [
        2_000, 2_000, 2_001, 2_002,
    ]  # fmt: skip
    assert [one["age_s"] for one in feed["sources"]] == [100] * 4
    assert [one["live"]["age_s"] for one in feed["sources"]] == [40, 0, 0, 0]
    assert [one["terms"] for one in feed["sources"]] == [
        {"price_id": f"0x{0xE7:064x}", "max_confidence": "0.005"},
        {"window_s": 1_800, "min_liquidity": str(10**18), "decimals": [18, 18]},
        {"coin_index": 1},
        {"decimals": [18, 18]},
    ]


def test_status__none_of_them_answers_soundly__each_says_why(hostile: Hostile) -> None:
    hostile.world.evm.advance(700)
    hostile.pyth(confidence=30)
    hostile.says("observe(uint32[])", [], mode=1)
    hostile.says("price_oracle(uint256)", [0])
    hostile.says("convertToAssets(uint256)", [], mode=2)
    snapshot, chain = read(hostile.world)
    assert chain.requests == 4
    (feed,) = record(snapshot)["feeds"]
    assert feed["state"] == "STALE"
    assert feed["why"] == "0 of 2 sources needed are within their age limit"
    assert [one["why"] for one in feed["sources"]] == [
        "100 s over its limit, its confidence interval is 1.5 % of the price, limit 0.5 %",
        "100 s over its limit, it reverts: its history may be shorter than the window",
        "100 s over its limit, its answer is 0 or too large",
        "100 s over its limit, expected an answer of 32 bytes, got 0",
    ]
    assert feed["poke"] == {"ok": True, "why": "", "state": "STALE"}


def test_status__other_ways_not_to_count__each_says_why(hostile: Hostile) -> None:
    hostile.world.evm.advance(2_000)
    hostile.pyth(age=650)
    hostile.pool(liquidity=10**17)
    hostile.says("price_oracle(uint256)", [2_000_000 * 10**18])
    hostile.says("convertToAssets(uint256)", [2_002 * 10**18], mode=6)
    assert [one["why"].split(", ", 1)[1] for one in told(hostile.world)["sources"]] == [
        "its newest answer is 50 s over the limit",
        f"its liquidity over the window is {10**17 - 1}, expected {10**18}",
        "its price of 2000000 USD is outside the feed's bounds",
        "expected an answer of 32 bytes, got 64",
    ]
    hostile.pyth(usd=0)
    hostile.pool(tick=900_000)
    assert [one["why"].split(", ", 1)[1] for one in told(hostile.world)["sources"]][:2] == [
        "its price, exponent or time is not sound",
        "its price is out of range",
    ]


@pytest.mark.parametrize(
    ("words", "decimals", "reason"),
    [
        ([2, -1, 1, 0, 2], 8, "its answer is no positive number"),
        ([2, 2_000 * 10**8, 1, 1, 2], 8, "its answer has no sound time or round"),
        ([2**80, 2_000 * 10**8, 1, 0, 2], 8, "its answer has no sound time or round"),
        ([2, 2_000 * 10**8, 1, 0, 2], 9, "its decimals are no longer the 8 it was listed with"),
        ([1, 2_000 * 10**8, 1, -700, 1], 8, "no newer answer"),
    ],
)
def test_status__aggregator_that_misbehaves__says_why(
    world: World, words: list[int], decimals: int, reason: str
) -> None:
    """The fourth word is seconds from now."""
    sound = [1, 2_000 * 10**8, world.now, world.now, 1]
    one = world.deploy_mock("HostileAggregator", 8, sound)
    world.list_only([one], quorum=1, max_age=600)
    world.evm.advance(700)
    one.set_words([*(word % 2**256 for word in words[:3]), world.now + words[3], words[4]])
    one.set_decimals(0, decimals)
    assert told(world)["sources"][0]["why"] == f"100 s over its limit, {reason}"
