"""Sizes and storage layouts. Refresh golden layouts with `ape run bench --write`."""

from __future__ import annotations

import pytest

from plimsoll.bench.layout import GOLDEN, golden, storage_layout
from plimsoll.bench.sizes import MAX_BYTES, contract_sizes, deployables
from plimsoll.deployment.abi import PARTS


@pytest.mark.parametrize("name", deployables())
def test_size__deployable__within_bound(name: str) -> None:
    size = contract_sizes()[name]
    assert size <= MAX_BYTES, f"{name}: expected {MAX_BYTES:,} bytes at most, got {size:,}"


@pytest.mark.parametrize("name", deployables())
def test_layout__deployable__as_on_file(name: str) -> None:
    assert storage_layout(name) == golden(name), (
        f"the storage layout of {name} changed: if that is meant, run `ape run bench --write`"
    )


def test_layout__golden_files__of_deployables_only() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == deployables()


@pytest.mark.parametrize(
    ("name", "part"), [(name, part) for name, parts in PARTS.items() for part in parts[1:]]
)
def test_layout__further_bytecode__shares_the_firsts(name: str, part: str) -> None:
    assert storage_layout(part) == storage_layout(name)
