"""The contracts of a deployment: their ABIs, calldata and results, without a client library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from eth_utils.crypto import keccak

from plimsoll.compiler import Artifact, compile_contract
from plimsoll.evm.abi import make_decoder, make_encoder, signature

FACTORY = "Deployer"
ENGINE_PARTS = ("MarginEngine", "MarginEngineLiquidation", "MarginEngineAdmin")

Abi = Sequence[Mapping[str, Any]]


@cache
def artifact(name: str) -> Artifact:
    """The build of one contract, kept for the process; `forget_builds` after editing sources."""
    return compile_contract(name)


def forget_builds() -> None:
    """Compile anew what has changed on disk since it was first asked for in this process."""
    artifact.cache_clear()
    engine_abi.cache_clear()
    encoder.cache_clear()
    decoder.cache_clear()


@cache
def engine_abi() -> tuple[dict[str, Any], ...]:
    """The margin engine as clients see it: what its three bytecodes answer at one address.

    MarginEngine answers what it has, forwards the rest to MarginEngineLiquidation and that to
    MarginEngineAdmin, so the first of the three that has a function wins. The constructor is
    MarginEngine's; the forwarding door itself is left out.
    """
    merged: dict[str, dict[str, Any]] = {}
    for part in ENGINE_PARTS:
        for entry in artifact(part).abi:
            if entry["type"] in ("function", "event"):
                merged.setdefault(f"{entry['type']} {signature(entry)}", entry)
            elif entry["type"] == "constructor" and part == ENGINE_PARTS[0]:
                merged["constructor"] = entry
    return tuple(merged.values())


def abi_of(name: str) -> Abi:
    """The ABI to talk to the contract called `name` with."""
    return engine_abi() if name == "MarginEngine" else artifact(name).abi


def _function(name: str, function: str) -> Mapping[str, Any]:
    for entry in abi_of(name):
        if entry["type"] == "function" and entry["name"] == function:
            return entry
    raise LookupError(f"{name} has no function {function}")


@cache
def encoder(name: str, function: str) -> Any:
    """Packs the arguments of a function behind its selector."""
    entry = _function(name, function)
    return make_encoder(entry["inputs"], keccak(text=signature(entry))[:4])


@cache
def decoder(name: str, function: str) -> Any:
    """Unpacks what a function returns."""
    return make_decoder(_function(name, function)["outputs"])


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
