"""The staged house, undone after every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plimsoll.deployment.house import Actor, House
from tests.stage import staged, undone


@pytest.fixture(scope="session")
def scenario_house() -> House:
    return staged()


@pytest.fixture
def house(scenario_house: House) -> Iterator[House]:
    with undone(scenario_house) as one:
        yield one


@pytest.fixture
def trader(house: House) -> Actor:
    return house.actors["trader"]


@pytest.fixture
def rival(house: House) -> Actor:
    return house.actors["rival"]


@pytest.fixture
def maker(house: House) -> Actor:
    return house.actors["maker"]


@pytest.fixture
def liquidator(house: House) -> Actor:
    return house.actors["liquidator"]
