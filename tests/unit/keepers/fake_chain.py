"""A node in this process: the in-process EVM behind the few JSON-RPC methods that keepers use.

Transactions are real signed ones, in a pool with a node's rules: one per nonce, replaced only at a
tenth more, forgotten when told to. `mine` runs them in order of nonce.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from plimsoll.evm import Evm, Receipt
from plimsoll.keepers.node import Node
from plimsoll.localnet.errors import RpcError, RpcUnavailable

GWEI = 10**9
MAX_CODE = 24_576
_PROGRAM = b"\x70" * 20


@dataclass
class FakeChain:
    """See the module; takes the place of `plimsoll.localnet.rpc.Rpc`."""

    evm: Evm
    automine: bool = True
    shows_pool: bool = True  # False: a node that tells nothing about pending transactions
    runs_programs: bool = True
    block: int = 1
    requests: int = 0  # HTTP requests so far
    asked: list[str] = field(default_factory=list)  # their methods, or "batch"
    dead_at: int | None = None  # the request that gets no answer, counted from 1
    hears_the_dead: bool = False  # whether that request is acted on nevertheless
    gas_price: int = GWEI
    gas_of: dict[str, int] = field(default_factory=dict)  # estimates by selector, where not 200,000
    before_mining: Callable[[], object] = lambda: None  # what happens between a send and its block
    pool: dict[int, dict[str, Any]] = field(default_factory=dict)
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)
    nonces: dict[str, int] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)  # every accepted one, in order
    logs: list[dict[str, Any]] = field(default_factory=list)  # those that tests have noted

    # -- Rpc

    def call(self, method: str, *params: Any) -> Any:
        """One request."""
        if not self._alive(method):
            if self.hears_the_dead and method == "eth_sendRawTransaction":
                self._answer(method, params)
            raise RpcUnavailable("no answer")
        return self._answer(method, params)

    def batch(self, calls: Sequence[tuple[str, Any]], *, keep_errors: bool = False) -> list[Any]:
        """One request with many calls."""
        if calls and not self._alive("batch"):
            raise RpcUnavailable("no answer")
        results: list[Any] = []
        for method, params in calls:
            try:
                results.append(self._answer(method, params))
            except RpcError as exc:
                if not keep_errors:
                    raise
                results.append(exc)
        return results

    def _alive(self, method: str) -> bool:
        self.requests += 1
        self.asked.append(method)
        return self.requests != self.dead_at

    def chain_id(self) -> int:
        """The chain's id."""
        return self.evm.chain_id

    def _answer(self, method: str, params: Sequence[Any]) -> Any:
        handler = getattr(self, method, None)
        if handler is None:
            raise RpcError(method, -32601, "the method does not exist")
        return handler(*params)

    # -- methods, by their JSON-RPC names

    def eth_chainId(self) -> str:
        return hex(self.evm.chain_id)

    def eth_getBlockByNumber(self, tag: str, full: bool) -> dict[str, Any]:
        head = {"number": hex(self.block), "timestamp": hex(self.evm.timestamp)}
        shown = list(self.pool.values()) if tag == "pending" and self.shows_pool else []
        return {**head, "baseFeePerGas": hex(self.gas_price), "transactions": shown}

    def eth_gasPrice(self) -> str:
        return hex(self.gas_price)

    def eth_maxPriorityFeePerGas(self) -> str:
        return hex(GWEI)

    def eth_getCode(self, address: str, tag: str) -> str:
        return "0x" + self.evm.backend.account(_raw(address)).code.hex()

    def eth_call(self, request: dict[str, Any], tag: str = "latest") -> str:
        data = bytes.fromhex(request.get("data", "0x")[2:])
        sender = _raw(request.get("from", "0x" + "00" * 20))
        value = int(request.get("value", "0x0"), 16)
        handle = self.evm.backend.snapshot()
        try:
            if "to" in request:
                result = self.evm.backend.call(sender, _raw(request["to"]), data, value)
                output = result.output
            elif not self.runs_programs:
                raise RpcError("eth_call", -32000, "contract creation is not allowed in calls")
            else:
                # The fast machine takes no value with a creation: run where it would have been.
                self.evm.backend.set_code(_PROGRAM, data)
                result = self.evm.backend.call(sender, _PROGRAM, b"", value)
                output = result.output
                if len(output) > MAX_CODE:
                    raise RpcError("eth_call", -32000, "max code size exceeded")
        finally:
            self.evm.backend.revert(handle)
        if not result.success:
            raise RpcError("eth_call", 3, "execution reverted", "0x" + result.output.hex())
        return "0x" + output.hex()

    def eth_getLogs(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
        wanted = [one.lower() for one in query["address"]]
        return [
            one
            for one in self.logs
            if first <= int(one["blockNumber"], 16) <= last
            and one["address"] in wanted
            and one["topics"][0] in query["topics"][0]
        ]

    def eth_estimateGas(self, request: dict[str, Any], tag: str = "latest") -> str:
        self.eth_call(request)
        return hex(self.gas_of.get(request["data"][:10], 200_000))

    def eth_getTransactionCount(self, address: str, tag: str) -> str:
        mined = self.nonces.get(address.lower(), 0)
        while tag == "pending" and mined in self.pool:
            mined += 1
        return hex(mined)

    def eth_getTransactionByHash(self, digest: str) -> dict[str, Any] | None:
        if digest in self.receipts:
            return self.receipts[digest]
        return next((one for one in self.pool.values() if one["hash"] == digest), None)

    def eth_getTransactionReceipt(self, digest: str) -> dict[str, Any] | None:
        return self.receipts.get(digest)

    def eth_sendRawTransaction(self, raw: str) -> str:
        blob = bytes.fromhex(raw[2:])
        fields = TypedTransaction.from_bytes(HexBytes(blob)).as_dict()
        sender = Account.recover_transaction(blob)
        nonce, digest = int(fields["nonce"]), "0x" + keccak(blob).hex()
        offer = int(fields["maxFeePerGas"])
        if nonce < self.nonces.get(sender.lower(), 0):
            raise RpcError("eth_sendRawTransaction", -32000, "nonce too low")
        before = self.pool.get(nonce)
        if before is not None and before["hash"] == digest:
            raise RpcError("eth_sendRawTransaction", -32000, "already known")
        if before is not None and offer < int(before["maxFeePerGas"], 16) * 110 // 100:
            raise RpcError("eth_sendRawTransaction", -32000, "replacement transaction underpriced")
        self.pool[nonce] = {
            "hash": digest,
            "nonce": hex(nonce),
            "from": sender,
            "to": "0x" + bytes(fields["to"]).hex(),
            "input": "0x" + bytes(fields["data"]).hex(),
            "value": hex(int(fields["value"])),
            "maxFeePerGas": hex(offer),
            "maxPriorityFeePerGas": hex(int(fields["maxPriorityFeePerGas"])),
        }
        self.sent.append(self.pool[nonce])
        if self.automine:
            self.before_mining()
            self.mine()
        return digest

    # -- what the tests do

    def mine(self, seconds: int = 0) -> None:
        """A block, so much later, with all transactions that can go in."""
        self.block += 1
        self.evm.advance(seconds)
        for nonce in sorted(self.pool):
            one = self.pool[nonce]
            sender = one["from"].lower()
            if nonce != self.nonces.get(sender, 0):
                continue
            del self.pool[nonce]
            self.nonces[sender] = nonce + 1
            data = bytes.fromhex(one["input"][2:])
            value = int(one["value"], 16)
            result = self.evm.backend.transact(_raw(sender), _raw(one["to"]), data, value)
            self.receipts[one["hash"]] = {
                "blockNumber": hex(self.block),
                "status": hex(int(result.success)),
                "gasUsed": hex(result.gas_used),
            }

    def note(self, receipt: Receipt) -> None:
        """The logs of a transaction that went round this node, as of its newest block."""
        self.logs += [
            {
                "address": "0x" + log.address.hex(),
                "topics": ["0x" + topic.hex() for topic in log.topics],
                "data": "0x" + log.data.hex(),
                "blockNumber": hex(self.block),
            }
            for log in receipt.logs
        ]

    def drop(self) -> None:
        """The node forgets its pool."""
        self.pool.clear()

    def node(self, adapter: str) -> Node:
        """A node handle on an adapter."""
        return Node(self, {"OracleAdapter": adapter})  # type: ignore[arg-type]


def _raw(address: str) -> bytes:
    return bytes.fromhex(address[2:])
