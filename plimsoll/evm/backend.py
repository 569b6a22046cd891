"""The small interface every machine behind `Evm` implements, and its plain types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

CHAIN_ID = 1  # the one chain id all three machines can have


class RawLog(NamedTuple):
    """One log: emitting address (20 bytes), topics (32 bytes each), data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass
class Result:
    """Outcome of one call or transaction.

    `logs` is a list or, where the machine cannot report them, a function that finds them later.
    `gas_used` is in gas and includes the 21,000 and calldata; it is not a receipt's figure
    (see docs/evm.md). For a creation `created` is the new address.
    """

    success: bool
    output: bytes = b""
    gas_used: int = 0
    halt: str | None = None
    created: bytes | None = None
    logs: list[RawLog] | Callable[[], list[RawLog]] = field(default_factory=list)


@dataclass
class Account:
    """One account: balance in wei, nonce, code, storage slot -> word (both unsigned)."""

    balance: int = 0
    nonce: int = 0
    code: bytes = b""
    storage: dict[int, int] = field(default_factory=dict)


@dataclass
class World:
    """A whole state: block number, block timestamp in unix seconds, accounts by address."""

    number: int
    timestamp: int
    accounts: dict[bytes, Account] = field(default_factory=dict)


class Backend(Protocol):
    """A machine. Every `transact` and `create` is one transaction with gas price zero."""

    name: str

    def call(self, sender: bytes, to: bytes, data: bytes, value: int) -> Result:
        """Run without keeping any change."""

    def transact(self, sender: bytes, to: bytes, data: bytes, value: int) -> Result:
        """Run and keep the changes; a failure keeps only the sender's nonce."""

    def create(self, sender: bytes, initcode: bytes, value: int) -> Result:
        """Deploy `initcode` (constructor arguments appended)."""

    def set_block(self, number: int, timestamp: int) -> None:
        """Block number and unix timestamp seen by what runs next."""

    def account(self, address: bytes) -> Account:
        """Balance, nonce and code; the storage may be left empty."""

    def storage(self, address: bytes, slot: int) -> int:
        """One storage word."""

    def set_balance(self, address: bytes, wei: int) -> None:
        """Overwrite a balance."""

    def set_code(self, address: bytes, code: bytes) -> None:
        """Overwrite runtime code."""

    def set_storage(self, address: bytes, slot: int, word: int) -> None:
        """Overwrite one storage word."""

    def snapshot(self) -> Any:
        """A handle for `revert`."""

    def revert(self, handle: Any) -> None:
        """Go back; the handle stays usable."""


def create_address(sender: bytes, nonce: int) -> bytes:
    """Address a creation by `sender` at `nonce` gets (RLP of the pair, keccak, last 20 bytes)."""
    from eth_utils.crypto import keccak

    if nonce == 0:
        tail = b"\x80"
    elif nonce < 0x80:
        tail = bytes([nonce])
    else:
        raw = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
        tail = bytes([0x80 + len(raw)]) + raw
    body = b"\x94" + sender + tail
    return keccak(bytes([0xC0 + len(body)]) + body)[12:]
