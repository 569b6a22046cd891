"""The real house's oracle, set back after each test, for the tests of the price keeper."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.keepers.fake_chain import FakeChain
from tests.unit.keepers.oracle_house import oracle_world
from tests.unit.keepers.price_scene import FEED, Scene, Told
from tests.unit.oracle.conftest import KEYS, World


@pytest.fixture(scope="package")
def shared() -> World:
    return oracle_world()


@pytest.fixture
def scene(shared: World) -> Iterator[Scene]:
    handle = shared.evm.snapshot()
    yield Scene(shared, FakeChain(shared.evm), Told())
    shared.evm.revert(handle)


@pytest.fixture
def signed(scene: Scene) -> Scene:
    """A feed of one source of reports, one signer."""
    number = scene.world.signer_set(KEYS[:3], 1)
    scene.world.list_only([number], FEED, quorum=1)
    return scene
