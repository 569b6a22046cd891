"""The real house's oracle as a `World`: governance is its timelock, the guardian its guardian."""

from __future__ import annotations

from plimsoll.deployment.house import deploy_house
from plimsoll.evm import Evm
from tests.unit.oracle.conftest import START, World


def oracle_world() -> World:
    """A house on a chain of its own. Its feeds are 1 and 2; tests list others."""
    house = deploy_house(Evm(timestamp=START))
    return World(
        house.evm,
        house.oracle,
        house.timelock.address,
        str(house.guardian),
        house.evm.account(),
    )
