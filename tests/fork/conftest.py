"""Fixtures of the tests that go through ape (test_ape_*.py); the others here need none of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.fork.ape_house import ApeHouse

APE_TESTS = "test_ape_"


@pytest.fixture(scope="session", autouse=True)
def builds(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Ape's builds of today's sources: its cache does not notice an edited module.

    Empty in a session without a test that goes through ape.
    """
    if not any(item.path.name.startswith(APE_TESTS) for item in request.session.items):
        return {}
    from tests.fork.ape_house import fresh_builds

    return fresh_builds()


@pytest.fixture(scope="session")
def deployed(builds: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> ApeHouse:
    """The protocol on ape's own Anvil, once."""
    from tests.fork.ape_house import build_house

    return build_house(tmp_path_factory.mktemp("house"))


@pytest.fixture
def house(deployed: ApeHouse, chain: Any) -> Iterator[ApeHouse]:
    """The deployed protocol, untouched: what a test does to the chain is undone after it."""
    with chain.isolate():
        assert chain.blocks.height == deployed.height
        yield deployed
