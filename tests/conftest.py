"""Options of the whole test suite."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("plimsoll")
    group.addoption("--machine-steps", help="steps of each invariant run (default: fits CI)")
    group.addoption("--machine-seed", help="seed of the seeded invariant runs")
