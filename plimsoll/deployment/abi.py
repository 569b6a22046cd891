"""The contracts of a deployment: their ABIs, calldata and results, without a client library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from eth_utils.crypto import keccak

from plimsoll.compiler import Artifact, compile_contract
from plimsoll.evm.abi import EventDecoder, make_decoder, make_encoder, signature

FACTORY = "Deployer"
# One contract in several bytecodes: each answers what it has and forwards the rest to the next by
# delegate call, all on the first one's storage.
PARTS = {
    "OracleAdapter": ("OracleAdapter", "OracleAdmin"),
    "MarginEngine": (
        "MarginEngine",
        "MarginEngineLiquidation",
        "MarginEngineAdmin",
        "MarginEngineDeleveraging",
        "MarginEngineLegs",
    ),
    "LiquidationAuction": ("LiquidationAuction", "LiquidationAuctionOffers"),
}

Abi = Sequence[Mapping[str, Any]]


@cache
def artifact(name: str) -> Artifact:
    """The build of one contract, kept for the process; `forget_builds` after editing sources."""
    return compile_contract(name)


def forget_builds() -> None:
    """Compile anew what has changed on disk since it was first asked for in this process."""
    artifact.cache_clear()
    merged_abi.cache_clear()
    encoder.cache_clear()
    decoder.cache_clear()
    event_decoder.cache_clear()
    _selectors.cache_clear()


@cache
def merged_abi(name: str) -> tuple[dict[str, Any], ...]:
    """A contract in parts as clients see it: what all its bytecodes answer at one address.

    The first part that has a function wins. The constructor is the first part's; the forwarding
    doors themselves are left out.
    """
    merged: dict[str, dict[str, Any]] = {}
    for part in PARTS[name]:
        for entry in artifact(part).abi:
            if entry["type"] in ("function", "event"):
                merged.setdefault(f"{entry['type']} {signature(entry)}", entry)
            elif entry["type"] == "constructor" and part == name:
                merged["constructor"] = entry
    return tuple(merged.values())


def abi_of(name: str) -> Abi:
    """The ABI to talk to the contract called `name` with."""
    return merged_abi(name) if name in PARTS else artifact(name).abi


def _function(name: str, function: str) -> Mapping[str, Any]:
    for entry in abi_of(name):
        if entry["type"] == "function" and entry["name"] == function:
            return entry
    raise LookupError(f"{name} has no function {function}")


def has_function(name: str, function: str) -> bool:
    """Whether the contract called `name` has such a function."""
    return any(entry["type"] == "function" and entry["name"] == function for entry in abi_of(name))


@cache
def _selectors(name: str) -> dict[bytes, str]:
    return {
        keccak(text=signature(entry))[:4]: str(entry["name"])
        for entry in abi_of(name)
        if entry["type"] == "function"
    }


def function_of(name: str, selector: bytes) -> str | None:
    """The function of the contract called `name` that has this selector."""
    return _selectors(name).get(selector)


@cache
def encoder(name: str, function: str) -> Any:
    """Packs the arguments of a function behind its selector."""
    entry = _function(name, function)
    return make_encoder(entry["inputs"], keccak(text=signature(entry))[:4])


@cache
def decoder(name: str, function: str) -> Any:
    """Unpacks what a function returns."""
    return make_decoder(_function(name, function)["outputs"])


def outputs(name: str, function: str) -> Abi:
    """What a function returns, as its ABI says."""
    return list(_function(name, function)["outputs"])


@cache
def event_decoder(name: str, event: str) -> EventDecoder:
    """Decodes the logs of one event of the contract called `name`."""
    for entry in abi_of(name):
        if entry["type"] == "event" and entry["name"] == event:
            return EventDecoder(entry)
    raise LookupError(f"{name} has no event {event}")


def calldata(name: str, function: str, *args: Any) -> bytes:
    """Calldata of one call to the contract called `name`."""
    return bytes(encoder(name, function)(*args))


def creation_code(name: str, *args: Any) -> bytes:
    """Creation code with its ABI-encoded constructor arguments."""
    return make_encoder(_constructor_inputs(name), artifact(name).initcode)(*args)


def constructor_names(name: str) -> list[str]:
    """The constructor's parameter names, in order."""
    return [str(entry["name"]).rstrip("_") for entry in _constructor_inputs(name)]


def _constructor_inputs(name: str) -> Abi:
    found = [entry["inputs"] for entry in artifact(name).abi if entry["type"] == "constructor"]
    return list(found[0]) if found else []
