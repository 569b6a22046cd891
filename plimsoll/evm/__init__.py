"""The protocol's contracts on an in-process EVM, for unit tests, models and campaigns.

The same bytecode as on Anvil: prague target, legacy code generator. Three machines stand behind one
interface; `docs/evm.md` has the measurements behind the choice:

- `verbs` (default, MIT): by far the fastest, needs no server. Its Python interface drops log
  topics and most revert data and cannot set the time; `plimsoll.evm.fast` recovers all three.
- `py-evm` (MIT): slow and complete; also what `verbs` is checked against when logs are read.
- `pyrevm`: fast and complete, but states no licence, so it is never installed by this project.

Gas here is for comparing runs on one machine. Receipts' gas is measured on Anvil only.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plimsoll.compiler import MAX_RUNTIME_BYTES, Artifact
from plimsoll.evm.abi import ArgumentError, EventDecoder, checksum, make_encoder, to_address
from plimsoll.evm.backend import CHAIN_ID, Account, Backend, RawLog, Result, World
from plimsoll.evm.contract import Contract, Method
from plimsoll.evm.errors import (
    BackendsDisagree,
    Reverted,
    StateLost,
    Unsupported,
    set_error_table,
)

__all__ = [
    "ArgumentError",
    "BackendsDisagree",
    "Contract",
    "Event",
    "Evm",
    "Method",
    "RawLog",
    "Receipt",
    "Reverted",
    "StateLost",
    "Unsupported",
    "set_error_table",
]

GENESIS_TIME = 1_700_000_000  # unix seconds
GENESIS_NUMBER = 1
RICH = 10**24  # wei given to the default sender and to accounts made by `account`
DEFAULT_SENDER = bytes.fromhex("00000000000000000000000000000000000d09e5")
MAX_INITCODE_BYTES = 49_152  # EIP-3860


@dataclass(frozen=True)
class Event:
    """A decoded log. Fields are in `args` and readable as attributes; `name` is "" if unknown."""

    address: str
    name: str
    args: dict[str, Any]
    raw: RawLog

    def __getattr__(self, key: str) -> Any:
        try:
            return self.__dict__["args"][key]
        except KeyError:
            raise AttributeError(f"event {self.__dict__.get('name')} has no field {key}") from None


@dataclass
class Receipt:
    """Outcome of a transaction. `value` is the decoded return value where a method was called."""

    success: bool
    output: bytes
    gas_used: int
    halt: str | None
    value: Any = None
    _result: Result = field(default_factory=lambda: Result(True), repr=False)
    _evm: Evm | None = field(default=None, repr=False)

    @property
    def logs(self) -> list[RawLog]:
        """Logs with topics, in order."""
        if not isinstance(self._result.logs, list):
            self._result.logs = self._result.logs()
        return self._result.logs

    @property
    def events(self) -> list[Event]:
        """Logs decoded by the ABIs of all contracts the `Evm` knows."""
        assert self._evm is not None
        return [self._evm.decode_log(log) for log in self.logs]

    def event(self, name: str) -> Event:
        """The only event called `name`; LookupError where there is none or more than one."""
        found = [event for event in self.events if event.name == name]
        if len(found) != 1:
            got = [event.name for event in self.events]
            raise LookupError(f"expected one event {name}, got {len(found)} among {got}")
        return found[0]

    def raise_for_failure(self) -> None:
        """Raise `Reverted` where the transaction failed."""
        if not self.success:
            raise Reverted(self.output, self.halt)


def _make_backend(name: str, world: World, record: bool) -> Backend:
    if name == "verbs":
        from plimsoll.evm.fast import VerbsBackend

        return VerbsBackend(world, record)
    if name == "py-evm":
        from plimsoll.evm.reference import PyEvmBackend

        return PyEvmBackend(world)
    if name == "pyrevm":
        from plimsoll.evm.revm import PyRevmBackend

        return PyRevmBackend(world)
    raise ValueError(f"expected backend 'verbs', 'py-evm' or 'pyrevm', got {name!r}")


class Evm:
    """One chain: accounts, a block number and a clock that only the caller moves.

    `record=False` (verbs only) skips keeping the state before each transaction, which is several
    times faster and gives up the logs. For campaigns. `size_limit=False` (not on py-evm) deploys
    contracts that are too big for a chain: only while one is being written.
    """

    chain_id = CHAIN_ID

    def __init__(
        self,
        backend: str = "verbs",
        *,
        timestamp: int = GENESIS_TIME,
        number: int = GENESIS_NUMBER,
        record: bool = True,
        size_limit: bool = True,
    ) -> None:
        self.timestamp = timestamp
        self.number = number
        self._size_limit = size_limit
        self._events: dict[tuple[bytes, int], EventDecoder] = {}
        self._labels = itertools.count(1)
        world = World(number, timestamp, {DEFAULT_SENDER: Account(RICH)})
        self.backend = _make_backend(backend, world, record)

    # -- accounts

    def account(self, balance: int = RICH) -> str:
        """A fresh address without a key, holding `balance` wei."""
        address = (0xACC0 << 144 | next(self._labels)).to_bytes(20, "big")
        self.backend.set_balance(address, balance)
        return str(checksum(address))

    def balance(self, address: Any) -> int:
        """Balance in wei."""
        return self.backend.account(to_address(address)).balance

    def code(self, address: Any) -> bytes:
        """Runtime code as deployed."""
        return self.backend.account(to_address(address)).code

    def storage(self, address: Any, slot: int) -> int:
        """One storage word, unsigned."""
        return self.backend.storage(to_address(address), slot)

    def set_balance(self, address: Any, wei: int) -> None:
        """Overwrite a balance."""
        self.backend.set_balance(to_address(address), wei)

    def set_code(self, address: Any, code: bytes) -> None:
        """Overwrite runtime code (not on pyrevm)."""
        self.backend.set_code(to_address(address), code)

    def set_storage(self, address: Any, slot: int, word: int) -> None:
        """Overwrite one storage word, unsigned."""
        self.backend.set_storage(to_address(address), slot, word)

    # -- time

    def set_timestamp(self, timestamp: int, blocks: int = 1) -> None:
        """Move the clock to `timestamp` (unix seconds, not backwards), `blocks` blocks on."""
        if timestamp < self.timestamp or blocks < 0:
            raise ValueError(
                f"expected a time at or after {self.timestamp} and blocks >= 0, "
                f"got {timestamp} and {blocks}; go back with revert(snapshot)"
            )
        self.timestamp = timestamp
        self.number += blocks
        self.backend.set_block(self.number, timestamp)

    def advance(self, seconds: int, blocks: int = 1) -> None:
        """Move the clock on. One block of 15 seconds is the cheapest step on verbs."""
        self.set_timestamp(self.timestamp + seconds, blocks)

    # -- state

    def snapshot(self) -> Any:
        """A handle for `revert`, usable any number of times."""
        return (self.backend.snapshot(), self.number, self.timestamp)

    def revert(self, snapshot: Any) -> None:
        """Put accounts, block number and clock back to the snapshot."""
        handle, self.number, self.timestamp = snapshot
        self.backend.revert(handle)

    # -- running

    def deploy(
        self, artifact: Artifact, *args: Any, sender: Any = None, value: int = 0
    ) -> Contract:
        """Deploy with constructor arguments. Raises `Reverted`, or ValueError over a size limit."""
        if self._size_limit:
            _check_size(artifact)
        constructor = [entry for entry in artifact.abi if entry["type"] == "constructor"]
        inputs = constructor[0]["inputs"] if constructor else []
        initcode = make_encoder(inputs, artifact.initcode)(*args)
        result = self.backend.create(self._sender(sender), initcode, value)
        if not result.success or result.created is None:
            raise Reverted(result.output, result.halt)
        contract = self.at(artifact, result.created)
        contract.deployment = self._receipt(result)
        return contract

    def at(self, artifact: Artifact | Sequence[Mapping[str, Any]], address: Any) -> Contract:
        """Handle of a contract that already exists."""
        abi = artifact.abi if isinstance(artifact, Artifact) else artifact
        for entry in abi:
            if entry["type"] == "event":
                decoder = EventDecoder(entry)
                self._events[decoder.topic, decoder.indexed] = decoder
        return Contract(self, to_address(address), abi)

    def transact(self, to: Any, data: bytes = b"", sender: Any = None, value: int = 0) -> Receipt:
        """One transaction. A failure is reported in the receipt, not raised."""
        return self._receipt(
            self.backend.transact(self._sender(sender), to_address(to), data, value)
        )

    def call(self, to: Any, data: bytes = b"", sender: Any = None, value: int = 0) -> Result:
        """Run without keeping changes; raises `Reverted` where it fails."""
        result = self.backend.call(self._sender(sender), to_address(to), data, value)
        if not result.success:
            raise Reverted(result.output, result.halt)
        return result

    def view(self, to: Any, data: bytes, sender: Any = None) -> bytes:
        """Return data of a call without value."""
        return self.call(to, data, sender).output

    def decode_log(self, log: RawLog) -> Event:
        """Name and fields of a raw log; an unknown one keeps an empty name."""
        found = None
        if log.topics:
            found = self._events.get((log.topics[0], len(log.topics) - 1))
        if found is None:
            return Event(checksum(log.address), "", {}, log)
        return Event(checksum(log.address), found.name, found.decode(log.topics, log.data), log)

    def _sender(self, sender: Any) -> bytes:
        return DEFAULT_SENDER if sender is None else to_address(sender)

    def _receipt(self, result: Result) -> Receipt:
        return Receipt(
            result.success,
            result.output,
            result.gas_used,
            result.halt,
            _result=result,
            _evm=self,
        )


def _check_size(artifact: Artifact) -> None:
    # The fast machine has no limits of its own.
    if artifact.runtime_size > MAX_RUNTIME_BYTES:
        raise ValueError(
            f"{artifact.name}: expected at most {MAX_RUNTIME_BYTES} bytes on chain (EIP-170), "
            f"got {artifact.runtime_size}; split the contract"
        )
    if len(artifact.initcode) > MAX_INITCODE_BYTES:
        raise ValueError(
            f"{artifact.name}: expected at most {MAX_INITCODE_BYTES} bytes of creation code "
            f"(EIP-3860), got {len(artifact.initcode)}; split the contract"
        )
