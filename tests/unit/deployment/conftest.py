"""One house, deployed once; tests that change it take `house`, which is put back afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plimsoll.deployment.house import House, deploy_house
from tests.stage import undone


@pytest.fixture(scope="session")
def built_house() -> House:
    return deploy_house()


@pytest.fixture
def house(built_house: House) -> Iterator[House]:
    with undone(built_house) as one:
        yield one
