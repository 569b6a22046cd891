"""A stand's machine replaced by Anvil: the same calls over raw RPC, to replay and to compare with.

The state that every waterfall starts from is copied, not deployed again, so that addresses and
words are the same. Every transaction is alone in its block; blocks of one second share their time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from plimsoll.evm.backend import Account, Result, World
from plimsoll.evm.errors import Unsupported
from plimsoll.localnet.anvil import Anvil, AnvilOptions
from plimsoll.localnet.errors import RpcError
from plimsoll.localnet.rpc import Rpc

GAS = 16_000_000


class AnvilBackend:
    """`plimsoll.evm.backend.Backend` over one Anvil; states cannot be edited, only copied in."""

    name = "anvil"

    def __init__(self, rpc: Rpc, world: World) -> None:
        self._rpc = rpc
        self._block = (world.number, world.timestamp)
        self._stale = True
        calls: list[tuple[str, list[object]]] = []
        for address, account in world.accounts.items():
            at = "0x" + address.hex()
            calls.append(("anvil_setBalance", [at, hex(account.balance)]))
            if account.code:
                calls.append(("anvil_setCode", [at, "0x" + account.code.hex()]))
            calls += [
                ("anvil_setStorageAt", [at, hex(slot), f"0x{word:064x}"])
                for slot, word in account.storage.items()
            ]
        rpc.batch(calls)

    def set_block(self, number: int, timestamp: int) -> None:
        self._stale |= timestamp != self._block[1]
        self._block = (number, timestamp)

    def _flush(self) -> None:
        """An empty block at the time that is now; those after it stay there."""
        if self._stale:
            self._rpc.call("evm_setNextBlockTimestamp", self._block[1])
            self._rpc.call("evm_mine")
            self._stale = False

    def call(self, sender: bytes, to: bytes, data: bytes, value: int) -> Result:
        self._flush()
        try:
            output = self._rpc.call("eth_call", _request(sender, to, data, value), "latest")
        except RpcError as error:
            return Result(False, bytes.fromhex((error.data or "0x").removeprefix("0x")))
        return Result(True, bytes.fromhex(output[2:]))

    def transact(self, sender: bytes, to: bytes, data: bytes, value: int) -> Result:
        told = self.call(sender, to, data, value)
        if told.success:  # what it returns is in no receipt; a refused one changes nothing
            sent = self._rpc.call("eth_sendTransaction", _request(sender, to, data, value))
            receipt = self._rpc.wait_receipt(sent)
            told.success = int(receipt["status"], 16) == 1
            told.gas_used = int(receipt["gasUsed"], 16)
        return told

    def create(self, sender: bytes, initcode: bytes, value: int) -> Result:
        raise Unsupported("nothing is deployed here: the state is copied from another machine")

    def words(self, address: bytes, slots: Iterable[bytes]) -> dict[bytes, bytes]:
        """Storage words at these slots, as the machine keeps them: little-endian."""
        asked = list(slots)
        calls: list[tuple[str, list[object]]] = [
            ("eth_getStorageAt", ["0x" + address.hex(), "0x" + slot[::-1].hex(), "latest"])
            for slot in asked
        ]
        found = self._rpc.batch(calls)
        return {s: bytes.fromhex(w[2:])[::-1] for s, w in zip(asked, found, strict=True)}

    def account(self, address: bytes) -> Account:
        at = "0x" + address.hex()
        return Account(self._rpc.balance(at), 0, self._rpc.code(at))

    def storage(self, address: bytes, slot: int) -> int:
        found = self._rpc.call("eth_getStorageAt", "0x" + address.hex(), hex(slot), "latest")
        return int(found, 16)

    def set_balance(self, address: bytes, wei: int) -> None:
        raise Unsupported("states are edited on the machine that this one was copied from")

    def set_code(self, address: bytes, code: bytes) -> None:
        raise Unsupported("states are edited on the machine that this one was copied from")

    def set_storage(self, address: bytes, slot: int, word: int) -> None:
        raise Unsupported("states are edited on the machine that this one was copied from")

    def snapshot(self) -> Any:
        return [self._rpc.call("evm_snapshot"), self._block]

    def revert(self, handle: Any) -> None:
        self._rpc.call("evm_revert", handle[0])
        handle[0] = self._rpc.call("evm_snapshot")
        self._block = handle[1]
        self._stale = True


def _request(sender: bytes, to: bytes, data: bytes, value: int) -> dict[str, str]:
    return {
        "from": "0x" + sender.hex(),
        "to": "0x" + to.hex(),
        "data": "0x" + data.hex(),
        "value": hex(value),
        "gas": hex(GAS),
        "gasPrice": "0x0",
    }


@contextmanager
def anvil_with(world: World) -> Iterator[AnvilBackend]:
    """A running Anvil with this state."""
    options = AnvilOptions(
        chain_id=1,
        timestamp=world.timestamp,
        timestamp_interval=0,
        base_fee=0,
        gas_limit=4_000_000_000,
        auto_impersonate=True,
    )
    with Anvil(options) as anvil:
        yield AnvilBackend(anvil.rpc, world)
