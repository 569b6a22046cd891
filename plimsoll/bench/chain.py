"""Anvil as the deployment plan sees a chain, with unlocked senders and many calls to a block.

Senders are impersonated and gas is free, so nothing but the call itself is in a transaction. Blocks
come 12 s apart. What is measured is always sent alone in its block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plimsoll.deployment.chain import CallReverted, Sent
from plimsoll.localnet.anvil import Anvil, AnvilOptions
from plimsoll.localnet.errors import RpcError, RpcUnavailable

BLOCK_SECONDS = 12
TX_GAS = 16_000_000
BLOCK_GAS = 4_000_000_000
# The first block's time is fixed, so that timestamps, signatures and with them gas repeat exactly.
OPTIONS = AnvilOptions(
    timestamp=1_800_000_000,
    timestamp_interval=BLOCK_SECONDS,
    base_fee=0,
    gas_limit=BLOCK_GAS,
    auto_impersonate=True,
)
Call = tuple[str, str, bytes]  # sender, contract, calldata


class BenchChain:
    """`plimsoll.deployment.chain.Chain` over a running Anvil, for one deploying account."""

    def __init__(self, anvil: Anvil) -> None:
        self.anvil = anvil
        self.rpc = anvil.rpc
        self._account = str(self.rpc.call("eth_accounts")[0])
        self._chain_id = self.rpc.chain_id()

    # -- what a deployment needs

    @property
    def chain_id(self) -> int:
        return self._chain_id

    @property
    def account(self) -> str:
        from eth_utils.address import to_checksum_address

        return str(to_checksum_address(self._account))

    def nonce(self) -> int:
        return int(self.rpc.call("eth_getTransactionCount", self._account, "latest"), 16)

    def code(self, address: str) -> bytes:
        return self.rpc.code(address)

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        request = {"to": to, "data": "0x" + data.hex(), "from": sender or self._account}
        try:
            return bytes.fromhex(self.rpc.call("eth_call", request, "latest")[2:])
        except RpcError as error:
            raise CallReverted(_revert_data(error)) from error

    def create_reason(self, initcode: bytes, sender: str) -> bytes:
        try:
            self.rpc.call("eth_call", {"from": sender, "data": "0x" + initcode.hex()}, "latest")
        except RpcError as error:
            return _revert_data(error)
        return b""

    def send(self, to: str | None, data: bytes, note: str) -> Sent:
        receipt = self.receipt(self._account, to, data, note)
        return Sent(
            str(receipt["transactionHash"]),
            int(receipt["blockNumber"], 16),
            int(receipt["gasUsed"], 16),
        )

    def block(self) -> tuple[int, int]:
        return self.rpc.block_number(), self.rpc.timestamp()

    def drain(self) -> None:
        """Nothing is ever pending."""

    def pause(self) -> None:
        """Nothing comes of waiting."""

    def logs(self, address: str, topics: list[bytes], first_block: int) -> list[Any] | None:
        return None  # nobody asks in a bench

    def wait_until(self, timestamp: int, note: str) -> None:
        missing = timestamp - self.block()[1]
        if missing > 0:
            self.advance(missing)

    # -- what a bench needs

    def receipt(self, sender: str, to: str | None, data: bytes, note: str = "") -> dict[str, Any]:
        """The receipt of a transaction alone in its block; `CallReverted` where it fails."""
        request = _transaction(sender, to, data)
        sent = self.rpc.call("eth_sendTransaction", request)
        return self._checked(request, self.rpc.wait_receipt(sent), note)

    def deploy(self, initcode: bytes) -> str:
        """Address of a new contract."""
        from eth_utils.address import to_checksum_address

        made = self.receipt(self._account, None, initcode)["contractAddress"]
        return str(to_checksum_address(made))

    def send_many(self, calls: Sequence[Call]) -> None:
        """Mines many calls in one block; all must succeed."""
        requests = [_transaction(*call) for call in calls]
        self._number(requests)
        self.rpc.call("evm_setAutomine", False)
        try:
            sent = self.rpc.batch([("eth_sendTransaction", [request]) for request in requests])
            self.rpc.call("evm_mine")
        finally:
            self.rpc.call("evm_setAutomine", True)
        receipts = self.rpc.batch([("eth_getTransactionReceipt", [one]) for one in sent])
        for request, receipt in zip(requests, receipts, strict=True):
            self._checked(request, receipt, "one of many")

    def _number(self, requests: list[dict[str, Any]]) -> None:
        """Gives each its nonce: the node answers the calls of a batch in any order."""
        following: dict[str, int] = {}
        for request in requests:
            sender = request["from"]
            if sender not in following:
                count = self.rpc.call("eth_getTransactionCount", sender, "latest")
                following[sender] = int(count, 16)
            request["nonce"] = hex(following[sender])
            following[sender] += 1

    def advance(self, seconds: int) -> None:
        """Moves the clock and mines a block there."""
        self.anvil.mine(1, self.block()[1] + max(seconds, 1))

    def steps(self, sender: str, to: str, data: bytes) -> dict[str, Any]:
        """Every step of a call as it would run in the next block, changing nothing."""
        number, timestamp = self.block()
        wanted = {
            "disableStorage": True,
            "enableMemory": False,
            "disableStack": False,
            "blockOverrides": {"number": hex(number + 1), "time": hex(timestamp + BLOCK_SECONDS)},
        }
        reply: dict[str, Any] = self.rpc.call(
            "debug_traceCall", _transaction(sender, to, data), "latest", wanted
        )
        return reply

    def _checked(
        self, request: dict[str, Any], receipt: dict[str, Any] | None, note: str
    ) -> dict[str, Any]:
        if receipt is None:
            raise RpcUnavailable(f"{note}: expected a receipt, got none in time; is it overloaded?")
        if int(receipt["status"], 16) == 1:
            return receipt
        before = hex(int(receipt["blockNumber"], 16) - 1)
        try:
            self.rpc.call("eth_call", request, before)
        except RpcError as error:
            raise CallReverted(_revert_data(error), note) from error
        raise CallReverted(b"", note)


def _transaction(sender: str, to: str | None, data: bytes) -> dict[str, Any]:
    fields = {"from": sender, "data": "0x" + data.hex(), "gas": hex(TX_GAS), "gasPrice": "0x0"}
    return fields if to is None else {**fields, "to": to}


def _revert_data(error: RpcError) -> bytes:
    return bytes.fromhex((error.data or "0x")[2:])
