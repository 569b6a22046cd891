"""Sizes of the deployable contracts, and the bound that CI keeps."""

from __future__ import annotations

from plimsoll.compiler import PROJECT_ROOT, compile_contract

MAX_BYTES = 23_000  # EIP-170 allows 24,576


def deployables() -> list[str]:
    """Names of all contracts that are deployed: the CamelCase files under contracts/, but for those
    under contracts/examples, which are others' to deploy.
    """
    found = (PROJECT_ROOT / "contracts").rglob("*.vy")
    ours = (path.stem for path in found if path.parent.name != "examples")
    return sorted(name for name in ours if name[0].isupper())


def contract_sizes() -> dict[str, int]:
    """Bytes on chain by contract, immutables counted, the largest first."""
    sizes = {name: compile_contract(name).runtime_size for name in deployables()}
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))
