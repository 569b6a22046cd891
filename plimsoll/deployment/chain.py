"""What deploying needs of a chain, and the in-process chain. The web3 one is in `rpc.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from plimsoll.evm import Evm, Reverted
from plimsoll.evm.abi import checksum, to_address


class ChainError(RuntimeError):
    """The chain cannot be reached, or did not answer in time: what was sent may still land."""


class CallReverted(RuntimeError):
    """A call or transaction failed on chain. `data`: its revert data; `text`: what that means."""

    def __init__(self, data: bytes, note: str = "") -> None:
        from plimsoll.errors import describe

        self.data = data
        self.text = describe(data)
        super().__init__(f"{note}: {self.text}" if note else self.text)


@dataclass(frozen=True)
class Sent:
    """A transaction that has been mined and has succeeded."""

    hash: str
    block: int
    gas_used: int


class Chain(Protocol):
    """A chain seen by one account that signs. Addresses are checksummed text."""

    @property
    def chain_id(self) -> int:
        """The chain's id."""

    @property
    def account(self) -> str:
        """The account that sends."""

    def nonce(self) -> int:
        """Transactions of the account that are mined."""

    def code(self, address: str) -> bytes:
        """Runtime code, empty where there is none."""

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        """Return data of a call that changes nothing; raises `CallReverted` or `ChainError`."""

    def create_reason(self, initcode: bytes, sender: str) -> bytes:
        """Revert data of a creation that fails, tried without keeping it; empty if it works."""

    def send(self, to: str | None, data: bytes, note: str) -> Sent:
        """Sends, waits until mined; `to` None creates. Raises `CallReverted`, `ChainError`."""

    def block(self) -> tuple[int, int]:
        """Number and timestamp (unix seconds) of the newest block."""

    def drain(self) -> None:
        """Waits until no transaction of the account is pending (an earlier run's, say)."""

    def pause(self) -> None:
        """A moment, before asking a node again."""

    def logs(self, address: str, topics: list[bytes], first_block: int) -> list[Any] | None:
        """Logs with one of these first topics, as mappings; None where logs cannot be asked for."""

    def wait_until(self, timestamp: int, note: str) -> None:
        """Returns once a block at or after `timestamp` exists; `ChainError` if that is long."""


class EvmChain:
    """An `Evm` as a chain; waiting moves its clock."""

    def __init__(self, evm: Evm, account: str) -> None:
        self.evm = evm
        self._account = account

    @property
    def chain_id(self) -> int:
        return self.evm.chain_id

    @property
    def account(self) -> str:
        return self._account

    def nonce(self) -> int:
        return self.evm.backend.account(to_address(self._account)).nonce

    def code(self, address: str) -> bytes:
        return self.evm.code(address)

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        try:
            return self.evm.view(to, data, sender or self._account)
        except Reverted as exc:
            raise CallReverted(exc.data) from exc

    def create_reason(self, initcode: bytes, sender: str) -> bytes:
        before = self.evm.snapshot()
        try:
            return self.evm.backend.create(to_address(sender), initcode, 0).output
        finally:
            self.evm.revert(before)

    def send(self, to: str | None, data: bytes, note: str) -> Sent:
        backend, sender = self.evm.backend, to_address(self._account)
        result = (
            backend.create(sender, data, 0)
            if to is None
            else backend.transact(sender, to_address(to), data, 0)
        )
        if not result.success:
            raise CallReverted(result.output, note)
        return Sent("", self.evm.number, result.gas_used)

    def block(self) -> tuple[int, int]:
        return self.evm.number, self.evm.timestamp

    def drain(self) -> None:
        """Nothing is ever pending."""

    def pause(self) -> None:
        """Nothing comes of waiting."""

    def logs(self, address: str, topics: list[bytes], first_block: int) -> list[Any] | None:
        return None  # the fast machine keeps none

    def wait_until(self, timestamp: int, note: str) -> None:
        if self.evm.timestamp < timestamp:
            self.evm.set_timestamp(timestamp)


def checksummed(address: str) -> str:
    """The address in checksummed form."""
    return str(checksum(to_address(address)))
