"""pyrevm 0.3.7: complete and fast, but its distribution states no licence.

Never a requirement of this project: whoever has it installed may choose it. Warm slots stay warm
between transactions, so its gas is not comparable with the others, and a transaction does not move
the sender's nonce, so addresses of later creations differ.
"""

from __future__ import annotations

import importlib
from typing import Any

from eth_utils.crypto import keccak

from plimsoll.evm.backend import CHAIN_ID, Account, RawLog, Result, World
from plimsoll.evm.errors import Unsupported

_GAS = 2**50


def _hex(address: bytes) -> str:
    from plimsoll.evm.abi import checksum

    return str(checksum(address))


class PyRevmBackend:
    """One journal for the whole run; every transaction starts with empty transient storage."""

    name = "pyrevm"

    def __init__(self, world: World) -> None:
        try:
            pyrevm = importlib.import_module("pyrevm")
        except ImportError as exc:
            raise Unsupported("pyrevm is not installed; use Evm(backend='verbs')") from exc
        self._lib: Any = pyrevm
        self._evm: Any = pyrevm.EVM(gas_limit=2**60, spec_id="PRAGUE")
        self.set_block(world.number, world.timestamp)
        for address, account in world.accounts.items():
            self.set_balance(address, account.balance)

    def set_block(self, number: int, timestamp: int) -> None:
        self._block = (number, timestamp)
        self._evm.set_block_env(
            self._lib.BlockEnv(number=number, timestamp=timestamp, gas_limit=2**60, basefee=0)
        )

    def _result(self, output: bytes | None) -> Result:
        done = self._evm.result
        return Result(
            success=done.is_success,
            output=output or b"",
            gas_used=done.gas_used,
            halt=done.reason if done.is_halt else None,
            logs=[_log(log) for log in done.logs] if done.is_success else [],
        )

    def transact(self, sender: bytes, to: bytes, data: bytes, value: int) -> Result:
        self._evm.reset_transient_storage()
        try:
            output = self._evm.message_call(
                _hex(sender), _hex(to), calldata=data, value=value, gas=_GAS
            )
        except RuntimeError as exc:
            return self._failed(exc)
        return self._result(output)

    def _failed(self, exc: RuntimeError) -> Result:
        done = self._evm.result
        if done is not None and done.is_halt:
            return Result(False, gas_used=done.gas_used, halt=done.reason)
        text = str(exc)
        start = text.find("0x")
        data = bytes.fromhex(text[start + 2 :].split()[0].strip("\"'),}")) if start >= 0 else b""
        return Result(False, data)

    def call(self, sender: bytes, to: bytes, data: bytes, value: int) -> Result:
        checkpoint = self._evm.snapshot()
        try:
            return self.transact(sender, to, data, value)
        finally:
            self._evm.revert(checkpoint)

    def create(self, sender: bytes, initcode: bytes, value: int) -> Result:
        self._evm.reset_transient_storage()
        try:
            address = self._evm.deploy(_hex(sender), initcode, value=value, gas=_GAS)
        except RuntimeError as exc:
            return self._failed(exc)
        result = self._result(b"")
        result.created = bytes.fromhex(address[2:])
        return result

    def account(self, address: bytes) -> Account:
        info = self._evm.basic(_hex(address))
        code = bytes(self._evm.get_code(_hex(address)) or b"")
        if code and keccak(code[:-33]) == bytes(info.code_hash):
            code = code[:-33]  # the machine's own padding
        return Account(int(info.balance), int(info.nonce), code)

    def storage(self, address: bytes, slot: int) -> int:
        return int(self._evm.storage(_hex(address), slot))

    def set_balance(self, address: bytes, wei: int) -> None:
        self._evm.set_balance(_hex(address), wei)

    def set_code(self, address: bytes, code: bytes) -> None:
        raise Unsupported("pyrevm keeps its journal's code; use Evm(backend='verbs')")

    def set_storage(self, address: bytes, slot: int, word: int) -> None:
        self._evm.insert_account_storage(_hex(address), slot, word)

    def snapshot(self) -> Any:
        return [self._evm.snapshot(), self._block]

    def revert(self, handle: Any) -> None:
        self._evm.revert(handle[0])
        handle[0] = self._evm.snapshot()
        self.set_block(*handle[1])


def _log(log: Any) -> RawLog:
    topics = tuple(bytes.fromhex(topic.removeprefix("0x")) for topic in log.topics)
    data = log.data[1] if isinstance(log.data, tuple) else log.data
    return RawLog(bytes.fromhex(log.address[2:]), topics, bytes(data))


assert CHAIN_ID == 1  # the machine's own default
