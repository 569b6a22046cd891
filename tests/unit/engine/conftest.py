"""The staged house, undone after every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plimsoll.deployment.house import House
from tests.stage import person, staged, undone


@pytest.fixture(scope="session")
def engine_house() -> House:
    return staged()


@pytest.fixture
def house(engine_house: House) -> Iterator[House]:
    with undone(engine_house) as one:
        yield one


trader = person("trader")
maker = person("maker")
stranger = person("stranger")
