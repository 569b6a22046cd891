"""Signs and sends, several transactions at a time, each remembered before it leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from plimsoll.keepers.index import Flight, Journal
from plimsoll.keepers.node import Node, Refusal, refusal
from plimsoll.localnet.errors import RpcError
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


@dataclass(frozen=True)
class Order:
    """A transaction wanted: what for, to where, with how much gas (an estimate, unpadded)."""

    account: int
    kind: str
    to: str
    data: bytes
    gas: int


@dataclass(frozen=True)
class Outcome:
    """What became of an order. status: mined, reverted, pending, refused."""

    order: Order
    status: str
    hash: str = ""
    gas_used: int = 0
    block: int = 0
    text: str = ""


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


class Wallet:
    """One sender. `ceiling_gwei`: never offer more per gas."""

    def __init__(
        self,
        node: Node,
        signer: Signer,
        journal: Journal,
        ceiling_gwei: float = 500.0,
        patience: float = 90.0,
        poll: float = 0.25,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.node = node
        self.signer = signer
        self.journal = journal
        self.ceiling = int(ceiling_gwei * GWEI)
        self.patience = patience
        self.poll = poll
        self.clock = clock
        self._chain_id = node.rpc.chain_id()

    # -- what is in flight

    def settle_flights(self) -> set[int]:
        """Forgets what has been mined or replaced; returns the accounts still in flight."""
        flights = self.journal.flights()
        if not flights:
            return set()
        rpc = self.node.rpc
        mined = int(rpc.call("eth_getTransactionCount", self.signer.address, "latest"), 16)
        known = rpc.batch([("eth_getTransactionByHash", [one.hash]) for one in flights])
        busy = set()
        for flight, seen in zip(flights, known, strict=True):
            if flight.nonce < mined or seen is None:
                self.journal.landed(flight.nonce)  # mined, replaced, or never arrived
            else:
                busy.add(flight.account)
        return busy

    # -- trying

    def estimate(self, to: str, data: bytes) -> int | Refusal:
        """Gas that the call takes now, or why it would revert."""
        request = {"from": self.signer.address, "to": to, "data": "0x" + data.hex()}
        try:
            return int(self.node.rpc.call("eth_estimateGas", request), 16)
        except RpcError as exc:
            return refusal(exc)

    # -- sending

    def send(self, orders: Iterable[Order]) -> list[Outcome]:
        """Sends all, then waits for each; what is not mined in time stays in flight."""
        wanted = list(orders)
        if not wanted:
            return []
        rpc = self.node.rpc
        nonce = int(rpc.call("eth_getTransactionCount", self.signer.address, "pending"), 16)
        fees = network_fees(self.node.rpc, self.ceiling)
        if fees is None:
            text = f"the network asks for more than {self.ceiling / GWEI:g} gwei per gas"
            return [Outcome(order, "refused", text=text) for order in wanted]
        sent: list[tuple[Order, int, list[str]]] = []
        outcomes: list[Outcome] = []
        for order in wanted:
            try:
                sent.append((order, nonce, [self._launch(order, nonce, fees)]))
            except RpcError as exc:
                self.journal.landed(nonce)
                outcomes.append(Outcome(order, "refused", text=exc.message))
                break  # the ones after it would wait for this nonce
            nonce += 1
        outcomes += [self._await(order, number, hashes, fees) for order, number, hashes in sent]
        done = {id(one.order) for one in outcomes}
        left = [order for order in wanted if id(order) not in done]
        return outcomes + [Outcome(order, "refused", text="not sent") for order in left]

    def _launch(self, order: Order, nonce: int, fees: dict[str, int]) -> str:
        from eth_utils.crypto import keccak

        fields: dict[str, Any] = {
            "chainId": self._chain_id,
            "nonce": nonce,
            "to": order.to,
            "value": 0,
            "data": "0x" + order.data.hex(),
            "gas": order.gas * (100 + GAS_MARGIN_PERCENT) // 100,
            **fees,
        }
        if "maxFeePerGas" in fees:
            fields["type"] = 2
        raw = self.signer.sign(fields)
        digest = "0x" + keccak(raw).hex()
        # First the journal, then the network: a crash between the two leaves a note too many.
        self.journal.took_off(Flight(order.account, order.kind, nonce, digest, self.clock()))
        self.node.rpc.call("eth_sendRawTransaction", "0x" + raw.hex())
        return digest

    def _await(self, order: Order, nonce: int, hashes: list[str], fees: dict[str, int]) -> Outcome:
        """Waits; once half the patience is over, offers more for the same nonce."""
        start, offered, bumped = time.monotonic(), fees, False
        while True:
            for digest in hashes:
                receipt = self.node.rpc.call("eth_getTransactionReceipt", digest)
                if receipt is not None and receipt.get("blockNumber") is not None:
                    self.journal.landed(nonce)
                    return self._outcome(order, digest, receipt)
            waited = time.monotonic() - start
            if waited > self.patience:
                return Outcome(order, "pending", hashes[-1], text="not mined yet; still in flight")
            if waited > self.patience / 2 and not bumped:
                bumped = True
                offered = {
                    name: min(self.ceiling, fee * (100 + BUMP_PERCENT) // 100)
                    for name, fee in offered.items()
                }
                try:
                    hashes.append(self._launch(order, nonce, offered))
                except RpcError:  # mined meanwhile, or the node keeps the first: that one counts
                    first = Flight(order.account, order.kind, nonce, hashes[0], self.clock())
                    self.journal.took_off(first)
                    continue
            time.sleep(self.poll)

    def _outcome(self, order: Order, digest: str, receipt: dict[str, Any]) -> Outcome:
        block = int(receipt["blockNumber"], 16)
        found = Outcome(order, "mined", digest, int(receipt["gasUsed"], 16), block)
        if int(receipt["status"], 16) == 1:
            return found
        request = {
            "from": self.signer.address,
            "to": order.to,
            "data": "0x" + order.data.hex(),
        }
        text = "reverted"
        try:
            self.node.rpc.call("eth_call", request, hex(block))
        except RpcError as exc:
            try:
                text = refusal(exc).text
            except RpcError:
                text = exc.message
        return replace(found, status="reverted", text=text)
