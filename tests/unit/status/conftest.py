"""The staged house for every test of the status, and what it says of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from plimsoll.deployment.house import Actor, House
from plimsoll.keepers.index import Journal
from plimsoll.keepers.node import Node
from plimsoll.status import History, Snapshot, read_history, read_status, record
from tests.stage import move_price, staged, undone
from tests.unit.keepers.fake_chain import FakeChain

ANY = 2**256 - 1
DAY = 86_400


@pytest.fixture(scope="module")
def shared() -> House:
    return staged()


@pytest.fixture
def house(shared: House) -> Iterator[House]:
    with undone(shared) as one:
        yield one


def node_of(house: House, chain: FakeChain | None = None) -> Node:
    return Node(chain or FakeChain(house.evm), dict(house.plan.addresses))  # type: ignore[arg-type]


def history_of(house: House, **more: Any) -> History:
    """Every actor's account 0, beside what a test names."""
    accounts = tuple(sorted(actor.id for actor in house.actors.values()))
    return History(**{"accounts": accounts, "first_block": 1, **more})


def read(house: House, history: History | None = None, chain: FakeChain | None = None) -> Snapshot:
    node = node_of(house, chain)
    block, now = node.head()
    names = [market.name for market in house.config.markets]
    return read_status(node, history or history_of(house), names, block, now)


def told(house: House, worst: int = 10, **more: Any) -> dict[str, Any]:
    """What status says, with these words of history."""
    return record(read(house, history_of(house, **more)), worst)


def from_events(house: House, chain: FakeChain, blocks: int = 100) -> History:
    """The history that the logs noted on a fake chain tell."""
    return read_history(node_of(house, chain), Journal(None, "", 0), chain.block, blocks)


def owners(house: House, equities: Sequence[int], size: int = 5) -> list[Actor]:
    """Longs of so many ETH at 2,000, worth so many USD each when ETH is at 1,800."""
    made = []
    for number, equity in enumerate(equities):
        owner = house.actor(f"owner{number}", quote=equity + size * 200)
        house.trade("ETH-PERP", owner, house.actors["maker"], size, 2_000)
        made.append(owner)
    move_price(house, 1_800)
    return made
