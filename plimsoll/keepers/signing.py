"""Who signs a keeper's transactions, and what they offer for gas."""

from __future__ import annotations

from typing import Any, Protocol

from plimsoll.localnet.rpc import Rpc

GWEI = 10**9
GAS_MARGIN_PERCENT = 30
BUMP_PERCENT = 25  # per replacement; nodes ask for a tenth at least


class Signer(Protocol):
    """An account that signs: see plimsoll.deployment.rpc."""

    @property
    def address(self) -> str:
        """Checksummed address."""

    def sign(self, transaction: dict[str, Any]) -> bytes:
        """The raw signed transaction."""


def network_fees(rpc: Rpc, ceiling: int) -> dict[str, int] | None:
    """Fee fields as the network asks now; None where that is above `ceiling` (wei per gas)."""
    head = rpc.call("eth_getBlockByNumber", "latest", False)
    if "baseFeePerGas" not in head:
        price = int(rpc.call("eth_gasPrice"), 16)
        return {"gasPrice": price} if price <= ceiling else None
    base = int(head["baseFeePerGas"], 16)
    tip = max(1, int(rpc.call("eth_maxPriorityFeePerGas"), 16))
    if base + tip > ceiling:
        return None
    return {"maxFeePerGas": min(2 * base + tip, ceiling), "maxPriorityFeePerGas": tip}
