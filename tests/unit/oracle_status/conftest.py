"""A real house's oracle for every test of the status, and what it says of one feed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from plimsoll.evm import Contract
from plimsoll.oracle_status import Snapshot, read_oracle, record
from tests.unit.keepers.fake_chain import FakeChain
from tests.unit.keepers.oracle_house import oracle_world
from tests.unit.oracle.conftest import FEED, World

NAMES = {FEED: "ETH"}


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
