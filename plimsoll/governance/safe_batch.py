"""Files for the Safe's Transaction Builder, with its checksum.

The checksum only catches a file that was damaged on the way; what signers compare is the hash of
the Safe transaction that their wallet shows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from eth_utils.crypto import keccak

VERSION, BUILDER = "1.0", "1.16.5"


def _serialised(value: Any) -> str:
    """Objects as `{["sorted","keys"]value,value,}`, lists as `[value,value]`, the rest as JSON."""
    if isinstance(value, Mapping):
        keys = sorted(value)
        body = "".join(_serialised(value[key]) + "," for key in keys)
        return "{" + _text(keys) + body + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_serialised, value)) + "]"
    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def checksum(batch: Mapping[str, Any]) -> str:
    """keccak256 of the batch, its name taken as null and a checksum in it left out."""
    meta = {key: value for key, value in batch["meta"].items() if key != "checksum"}
    return "0x" + keccak(text=_serialised({**batch, "meta": {**meta, "name": None}})).hex()


def transaction(to: str, data: bytes, value: int = 0) -> dict[str, Any]:
    """One transaction by its calldata. Numbers are decimal text: the importer refuses others."""
    return {
        "to": to,
        "value": str(value),
        "data": "0x" + data.hex(),
        "contractMethod": None,
        "contractInputsValues": None,
    }


def batch(
    chain_id: int,
    name: str,
    description: str,
    transactions: Sequence[Mapping[str, Any]],
    safe: str,
    created_ms: int,
) -> dict[str, Any]:
    """A whole file. `created_ms`: milliseconds since 1970, the proposal's own date."""
    made: dict[str, Any] = {
        "version": VERSION,
        "chainId": str(chain_id),
        "createdAt": created_ms,
        "meta": {
            "name": name,
            "description": description,
            "txBuilderVersion": BUILDER,
            "createdFromSafeAddress": safe,
            "createdFromOwnerAddress": "",
        },
        "transactions": list(transactions),
    }
    made["meta"]["checksum"] = checksum(made)
    return made
