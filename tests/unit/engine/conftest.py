"""The staged house, undone after every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plimsoll.deployment.house import Actor, House
from tests.stage import staged, undone


@pytest.fixture(scope="session")
def engine_house() -> House:
    return staged()


@pytest.fixture
def house(engine_house: House) -> Iterator[House]:
    with undone(engine_house) as one:
        yield one


@pytest.fixture
def trader(house: House) -> Actor:
    return house.actors["trader"]


@pytest.fixture
def maker(house: House) -> Actor:
    return house.actors["maker"]


@pytest.fixture
def stranger(house: House) -> Actor:
    return house.actors["stranger"]
