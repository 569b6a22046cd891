"""What `ape run oracle status` says of feeds in every state, as JSON and as a table."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from plimsoll.oracle_status import NoAdapter, read_oracle, record, show
from plimsoll.signed_reports import PriceReport
from tests.unit.keepers.fake_chain import FakeChain
from tests.unit.oracle.conftest import FEED, KEYS, USD, World
from tests.unit.oracle_status.conftest import NAMES, read


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
