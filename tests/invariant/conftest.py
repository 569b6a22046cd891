"""Sizes of the invariant runs: small by default, as long as wanted by one option."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def machine_steps(request: pytest.FixtureRequest) -> int:
    """Steps a run takes; 0 for the size that fits CI."""
    asked = request.config.getoption("--machine-steps", default=None)
    return int(asked or os.environ.get("MACHINE_STEPS", "0"))


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    """Seed of the random runs."""
    asked = request.config.getoption("--machine-seed", default=None)
    return int(asked or os.environ.get("MACHINE_SEED", "20200312"))
