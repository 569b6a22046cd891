"""Where a contract's variables lie: slots by the compiler's own layout."""

from __future__ import annotations

from eth_utils.crypto import keccak


def slot_of(base: int, kind: str, *keys: int) -> int:
    """Storage slot of an entry in nested mappings and arrays of words; `kind` is the Vyper type."""
    slot = base
    for key in keys:
        if kind.startswith("HashMap["):
            raw = slot.to_bytes(32, "big") + key.to_bytes(32, "big")
            slot = int.from_bytes(keccak(raw), "big")
            kind = kind.split(", ", 1)[1].removesuffix("]")
        else:
            slot += key
    return slot
