"""Many views in one `eth_call`: the same answers as view by view, whatever the node can do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from plimsoll.deployment.abi import event_decoder
from plimsoll.deployment.house import House
from plimsoll.keepers import index, packed
from plimsoll.keepers.node import Node, Refusal, View
from plimsoll.keepers.packed import packed_views, returned_bytes
from plimsoll.keepers.rehearsal import Rehearsal, Reply, rehearse
from tests.unit.keepers.fake_chain import FakeChain


def views_of(house: House) -> list[View]:
    accounts = [actor.id for actor in house.actors.values()]
    views = [
        View("MarginEngine", name, (one,)) for one in accounts for name in ("margin", "standing")
    ]
    return [*views, View("LiquidationAuction", "curve"), View("MarginEngine", "solvency")]


@pytest.mark.parametrize("runs_programs", [True, False])
def test_packed_views__as_plain_views__whether_or_not_the_node_runs_programs(
    house: House, runs_programs: bool
) -> None:
    chain = FakeChain(house.evm, runs_programs=runs_programs)
    node = Node(chain, dict(house.plan.addresses))  # type: ignore[arg-type]
    views = views_of(house) * 8
    plain = node.try_views(views)
    chain.requests = 0
    assert packed_views(node, views, chain.block) == plain
    assert chain.requests == (1 if runs_programs else 2)


def test_packed_views__a_revert__its_refusal_and_the_others_unharmed(house: House) -> None:
    node = Node(FakeChain(house.evm), dict(house.plan.addresses))  # type: ignore[arg-type]
    account = house.actors["trader"].id
    views = [
        View("MarginEngine", "margin", (account,)),
        View("LiquidationAuction", "cost", (account,)),
        View("MarginEngine", "market", (200,)),
        View("MarginEngine", "margin", (account,)),
    ]
    first, cost, market, last = packed_views(node, views, 1)
    assert first == last
    assert isinstance(cost, Refusal)
    assert isinstance(market, Refusal)
    assert (cost.name, market.name) == ("NoAuction", "UnknownMarket")


def test_packed_views__none__no_request(house: House) -> None:
    chain = FakeChain(house.evm)
    node = Node(chain, dict(house.plan.addresses))  # type: ignore[arg-type]
    assert packed_views(node, [], 1) == []
    assert chain.requests == 0


def test_packed_views__a_call_that_failed_without_a_word__asked_again_plainly(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So fails what ran out of gas beside others."""
    node = Node(FakeChain(house.evm), dict(house.plan.addresses))  # type: ignore[arg-type]
    views = views_of(house)[:4]

    def starved(*args: Any) -> list[Rehearsal | None]:
        (play,) = rehearse(*args)
        assert play is not None
        return [replace(play, replies=(*play.replies[:2], Reply(False, b""), play.replies[3]))]

    monkeypatch.setattr(packed, "rehearse", starved)
    assert packed_views(node, views, 1) == node.try_views(views)


@pytest.mark.parametrize(
    ("contract", "function", "size"),
    [
        ("MarginEngine", "head", 32),
        ("MarginEngine", "margin", 128),
        ("MarginEngine", "words", 7 * 32),
        ("CollateralVault", "holdings", None),
    ],
)
def test_returned_bytes__by_the_abi(contract: str, function: str, size: int | None) -> None:
    assert returned_bytes(contract, function) == size


@pytest.mark.parametrize(
    ("contract", "events"),
    [
        ("MarginEngine", index.ENGINE_EVENTS),
        ("CollateralVault", index.VAULT_EVENTS),
        ("LiquidationAuction", index.AUCTION_EVENTS),
        ("InsuranceFund", index.FUND_EVENTS),
    ],
)
def test_index__its_events__are_the_contracts(contract: str, events: dict[str, object]) -> None:
    from eth_utils.crypto import keccak

    for text in events:
        assert event_decoder(contract, text.partition("(")[0]).topic == keccak(text=text), text
