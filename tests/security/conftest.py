"""A house in which every entry has something to do, undone after every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security.arena import Arena, build
from tests.stage import staged, undone


@pytest.fixture(scope="session")
def full_arena() -> Arena:
    house = staged()
    for name in ("mover", "outsider"):
        house.actor(name)
    return build(house, house.actors["trader"])


@pytest.fixture
def arena(full_arena: Arena) -> Iterator[Arena]:
    with undone(full_arena.house):
        yield full_arena
