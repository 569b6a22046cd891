"""The real house, set back after each test: its oracle for the price keeper, all for the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plimsoll.deployment.house import House
from tests.stage import staged, undone
from tests.unit.keepers.fake_chain import FakeChain
from tests.unit.keepers.liquidation_scene import Scene as Liquidation
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


@pytest.fixture(scope="package")
def staged_house() -> House:
    return staged()


@pytest.fixture
def house(staged_house: House) -> Iterator[House]:
    """The staged house, undone after every test."""
    with undone(staged_house) as one:
        yield one


@pytest.fixture
def desk(house: House) -> Liquidation:
    """Its liquidator has half a million; the trader's 50 ETH are under R from 1,840 down."""
    house.insure(500_000)
    made = Liquidation(house, FakeChain(house.evm))
    made.fund(500_000)
    house.trade("ETH-PERP", house.actors["trader"], house.actors["maker"], 50, 2_000)
    made.know(house.actors["trader"].id, house.actors["maker"].id, made.me.id)
    return made
