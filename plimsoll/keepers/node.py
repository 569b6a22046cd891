"""Reads of a deployment through plain JSON-RPC: batched views, pinned to a block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plimsoll.deployment.abi import calldata, decoder
from plimsoll.errors import by_selector, describe
from plimsoll.localnet.errors import RpcError, RpcUnavailable
from plimsoll.localnet.rpc import Rpc


@dataclass(frozen=True)
class View:
    """One view: contract by name, function, arguments."""

    contract: str
    function: str
    args: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """What a call reverted with: the error's name, or "" where it is none of ours, and its text."""

    name: str
    text: str


class Reader(ABC):
    """A deployment as the keepers' rules read it."""

    @abstractmethod
    def head(self) -> tuple[int, int]:
        """Number and timestamp of the newest block."""

    @abstractmethod
    def gas_price(self) -> int:
        """What a unit of gas costs at the moment, wei."""

    @abstractmethod
    def try_views(self, views: Sequence[View], block: int | None = None) -> list[Any]:
        """Decoded values in order; a revert gives its `Refusal` in place of the value."""

    def views(self, views: Sequence[View], block: int | None = None) -> list[Any]:
        """Decoded values in order; a revert raises `RpcUnavailable` with the view's name."""
        values = self.try_views(views, block)
        for view, value in zip(views, values, strict=True):
            if isinstance(value, Refusal):
                raise RpcUnavailable(f"{view.contract}.{view.function}: {value.text}")
        return values

    def view(self, contract: str, function: str, *args: Any, block: int | None = None) -> Any:
        """One decoded value."""
        return self.views([View(contract, function, args)], block)[0]


class Node(Reader):
    """A deployment behind a node. `addresses`: contract address by name."""

    def __init__(self, rpc: Rpc, addresses: Mapping[str, str]) -> None:
        self.rpc = rpc
        self.addresses = dict(addresses)

    def head(self) -> tuple[int, int]:
        block = self.rpc.call("eth_getBlockByNumber", "latest", False)
        if not isinstance(block, dict):
            raise RpcUnavailable("the node knows no latest block")
        return int(block["number"], 16), int(block["timestamp"], 16)

    def gas_price(self) -> int:
        return int(self.rpc.call("eth_gasPrice"), 16)

    def follow_engine(self, block: int | None = None) -> list[str]:
        """Takes the engine's word for who its auction, its fund and its risk model are; returns
        those replaced.
        """
        names = ("LiquidationAuction", "InsuranceFund", "StandardMargin")
        views = [View("MarginEngine", one) for one in ("auction", "fund", "core")]
        auction, fund, core = self.views(views, block)
        found = dict(zip(names, (auction, fund, f"0x{core % 2**160:040x}"), strict=True))
        replaced = [
            name
            for name, address in found.items()
            if int(address, 16) and address.lower() != self.addresses[name].lower()
        ]
        self.addresses.update({name: found[name] for name in replaced})
        return replaced

    def try_views(self, views: Sequence[View], block: int | None = None) -> list[Any]:
        tag = "latest" if block is None else hex(block)
        calls = [
            (
                "eth_call",
                [
                    {
                        "to": self.addresses[view.contract],
                        "data": "0x" + calldata(view.contract, view.function, *view.args).hex(),
                    },
                    tag,
                ],
            )
            for view in views
        ]
        values: list[Any] = []
        for view, reply in zip(views, self.rpc.batch(calls, keep_errors=True), strict=True):
            if isinstance(reply, RpcError):
                values.append(refusal(reply))
                continue
            raw = bytes.fromhex(reply[2:])
            if not raw:
                raise RpcUnavailable(
                    f"expected {view.contract} at {self.addresses[view.contract]}, got no answer; "
                    "is the node on the manifest's chain?"
                )
            values.append(decoder(view.contract, view.function)(raw))
        return values


def refusal(error: RpcError) -> Refusal:
    """The reason in a failed call; an error that is no revert is raised again."""
    data = bytes.fromhex(error.data[2:]) if error.data and error.data.startswith("0x") else b""
    if not data and "revert" not in error.message.lower():
        raise error
    known = by_selector().get(data[:4])
    return Refusal(known.name if known else "", describe(data) if data else error.message)
