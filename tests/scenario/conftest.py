"""The staged house, undone after every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plimsoll.deployment.house import House
from tests.stage import person, staged, undone


@pytest.fixture(scope="session")
def scenario_house() -> House:
    return staged()


@pytest.fixture
def house(scenario_house: House) -> Iterator[House]:
    with undone(scenario_house) as one:
        yield one


trader = person("trader")
rival = person("rival")
maker = person("maker")
liquidator = person("liquidator")
