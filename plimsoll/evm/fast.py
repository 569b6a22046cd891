"""verbs 0.4.1: tens of thousands of transactions a second, and what it takes to make it complete.

Its machine (revm 8) runs prague-target bytecode including transient storage, MCOPY and PUSH0. Its
Python interface loses five things, each recovered here:

- revert data is turned into text, and lost where that fails. A failing transaction is run again on
  a copy of the state whose sender holds a forwarder that returns what the target reverted with;
  origin and caller stay the same, and whoever calls the sender meets its own code. Where the
  forwarded call behaves otherwise (the target looks at the sender's code), the reference machine
  decides.
- log topics are dropped. The reference machine repeats the transaction when logs are asked for,
  and its output and log bodies must equal those of the fast run.
- a failing constructor, and a transaction without funds, panic and lose the state. Constructors
  run on a copy first, funds are checked first. (A halt panics too, but keeps the state; the
  machine writes a note to stderr.)
- a state that is exported and imported comes back with padded code (+33 bytes, so `extcodesize`
  of every contract changes and empty accounts get one byte). Code is restored by its hash.
- block time can be set only by importing an edited state, except for the built-in 15 second step.

There is no gas limit: a loop without end never returns. Value cannot be sent with a creation.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from functools import cache, partial
from typing import Any

from eth_utils.crypto import keccak

from plimsoll.evm.backend import Account, RawLog, Result, World, create_address
from plimsoll.evm.errors import BackendsDisagree, StateLost, Unsupported

EMPTY_HASH = keccak(b"")
BLOCK_SECONDS = 15
_NUMBER, _TIMESTAMP = 0, 2  # places in the exported block tuple
_STORAGE_CLEARED = 2  # account state: what is not listed is zero

# Where the sender's own code waits while the forwarder stands in its place.
_HOME = keccak(text="plimsoll.evm.fast: the sender's own code")[12:]
# First entry, calldata: 12 zero bytes, target (20), call data. Returns the call's success byte and
# its output. Any later entry in the transaction, and any in another contract's place (a delegate
# call to the sender's code), is one into the sender: its own code answers.
_FORWARDER = bytes.fromhex(
    f"73{_HOME.hex()}5c"  # tload(home)
    "3230141517605757"  # if that or origin != address: goto 0x57
    f"600173{_HOME.hex()}5d"  # tstore(home, 1)
    "6020360360205f37"  # calldatacopy(0, 32, calldatasize - 32)
    "5f5f602036035f345f355af1"  # call(gas, calldataload(0), callvalue, 0, calldatasize - 32, 0, 0)
    "5f53"  # mstore8(0, success)
    "3d5f60013e"  # returndatacopy(1, 0, returndatasize)
    "3d6001015ff3"  # return(0, 1 + returndatasize)
    "5b365f5f37"  # 0x57: calldatacopy(0, 0, calldatasize)
    f"5f5f365f73{_HOME.hex()}5af4"  # delegatecall(gas, home, 0, calldatasize, 0, 0)
    "3d5f5f3e"  # returndatacopy(0, 0, returndatasize)
    "6081573d5ffd"  # if not success: revert(0, returndatasize)
    "5b3d5ff3"  # 0x81: return(0, returndatasize)
)


@cache
def _machine() -> Any:
    """The extension module alone: the package itself also imports pandas and solcx."""
    found = importlib.util.find_spec("verbs")
    if found is None or not found.submodule_search_locations:
        raise Unsupported("the verbs package is not installed; use Evm(backend='py-evm')")
    spec = importlib.machinery.PathFinder.find_spec("envs", list(found.submodule_search_locations))
    if spec is None or spec.loader is None:
        raise Unsupported("verbs has no machine for this platform; use Evm(backend='py-evm')")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault("envs", module)
    spec.loader.exec_module(module)
    return module


@cache
def _true_code(digest: bytes, raw: bytes) -> bytes:
    """Code as deployed, from an exported form that may carry 33 bytes of padding."""
    if digest == EMPTY_HASH or not any(digest):
        return b""
    for candidate in (raw, raw[:-33]):
        if keccak(candidate) == digest:
            return candidate
    raise StateLost(f"exported code does not match its hash {digest.hex()}")


def _little(word: int) -> bytes:
    return word.to_bytes(32, "little")


class VerbsBackend:
    """The fast machine. `record` keeps the state before each transaction, for its logs."""

    name = "verbs"

    def __init__(self, world: World, record: bool = True) -> None:
        machine = _machine()
        self._make = machine.EmptyEnvRandom
        self._revert_error: type[Exception] = machine.RevertError
        self.record = record
        self._env = self._make(0)
        self._block = (world.number, world.timestamp)
        self._stale_block = True
        self._flush_block()
        for address, account in world.accounts.items():
            self._edit(address, account)

    # -- state as the machine exports it: (block, accounts, codes, hashes, logs)

    def _export(self) -> Any:
        block, accounts, _codes, hashes, logs = self._env.export_snapshot()
        fixed = []
        codes: dict[bytes, bytes] = {}
        for address, ((balance, nonce, digest, raw), status, storage) in accounts:
            code = _true_code(digest, raw)
            codes[digest] = code
            fixed.append((address, ((balance, nonce, digest, code), status, storage)))
        return (block, fixed, list(codes.items()), hashes, logs)

    def _import(self, state: Any) -> None:
        self._env = self._make(0, snapshot=state)

    def _flush_block(self) -> None:
        if not self._stale_block:
            return
        number, timestamp = self._block
        state = self._export()
        block = list(state[0])
        block[_NUMBER], block[_TIMESTAMP] = _little(number), _little(timestamp)
        self._import((tuple(block), *state[1:]))
        self._stale_block = False

    def set_block(self, number: int, timestamp: int) -> None:
        step = (number - self._block[0], timestamp - self._block[1])
        self._block = (number, timestamp)
        if step == (1, BLOCK_SECONDS) and not self._stale_block:
            self._env.process_block()
        elif step != (0, 0):
            self._stale_block = True

    def world(self, state: Any) -> World:
        """An exported state in plain form."""
        accounts = {}
        for address, ((balance, nonce, _digest, code), _status, storage) in state[1]:
            words = {int.from_bytes(k, "little"): int.from_bytes(v, "little") for k, v in storage}
            accounts[address] = Account(int.from_bytes(balance, "little"), nonce, code, words)
        block = [int.from_bytes(state[0][i], "little") for i in (_NUMBER, _TIMESTAMP)]
        return World(block[0], block[1], accounts)

    def _edit(self, address: bytes, account: Account) -> None:
        state = self._export()
        self._import(_with_account(state, address, account))

    # -- running

    def call(self, sender: bytes, to: bytes, data: bytes, value: int) -> Result:
        return self._run(sender, to, data, value, keep=False)

    def transact(self, sender: bytes, to: bytes, data: bytes, value: int) -> Result:
        return self._run(sender, to, data, value, keep=True)

    def _run(self, sender: bytes, to: bytes, data: bytes, value: int, keep: bool) -> Result:
        self._flush_block()
        if value:
            self._check_funds(sender, value)
        before = self._export() if self.record and keep else None
        run = self._env.execute if keep else self._env.call
        try:
            output, logs, gas = run(sender, to, data, value)
        except self._revert_error as exc:
            if exc.args == ("",):
                return Result(False)
            return self._why(sender, to, data, value, before or self._export())
        except BaseException as exc:
            return self._halted(exc)
        result = Result(True, output or b"", gas)
        if logs:
            result.logs = partial(self._full_logs, before, (sender, to, data, value), output, logs)
        return result

    def _check_funds(self, sender: bytes, value: int) -> None:
        # The machine would panic and lose its state.
        balance = self.account(sender).balance
        if balance < value:
            raise ValueError(
                f"sender 0x{sender.hex()} holds {balance} wei, the transaction sends {value}; "
                "use Evm.set_balance first"
            )

    @staticmethod
    def _halted(exc: BaseException) -> Result:
        """A halt arrives as a panic after the state is settled; any other panic lost the state."""
        if type(exc).__name__ != "PanicException":
            raise exc
        reason = str(exc)
        if not reason.startswith("Failed due to halt: "):
            raise StateLost(
                f"the machine refused the transaction and dropped its state ({reason}); "
                "go back to a snapshot"
            ) from None
        return Result(False, halt=reason.removeprefix("Failed due to halt: "))

    def _nonce_spent(self, state: Any, sender: bytes) -> Any:
        """The state after a failure: only the sender's nonce moved, as on a chain."""
        held = self.world_account(state, sender)
        return _with_account(state, sender, Account(held.balance, held.nonce + 1, held.code))

    def _why(self, sender: bytes, to: bytes, data: bytes, value: int, before: Any) -> Result:
        """Revert data of a transaction that failed on `before`."""
        held = self.world_account(before, sender)
        probe = _with_account(before, sender, Account(held.balance, held.nonce, _FORWARDER))
        if held.code:
            probe = _with_account(probe, _HOME, Account(0, 1, held.code))
        machine = self._make(0, snapshot=probe)
        packed = to.rjust(32, b"\x00") + data
        output, _logs, _gas = machine.call(sender, sender, packed, value)
        if output and output[0] == 0:
            return Result(False, output[1:])
        result: Result = self._reference(before).call(sender, to, data, value)
        return result

    def _full_logs(
        self, before: Any, sent: tuple[bytes, bytes, bytes, int], output: bytes, bodies: Any
    ) -> list[RawLog]:
        if before is None:
            raise Unsupported(
                "logs need the state before the call: use a transaction with Evm(record=True), "
                "or Evm(backend='py-evm')"
            )
        again = self._reference(before).call(*sent)
        logs = again.logs
        assert isinstance(logs, list)
        same = [(log.address, log.data) for log in logs] == [(a, bytes(d)) for a, d in bodies]
        if not (again.success and again.output == (output or b"") and same):
            raise BackendsDisagree(f"py-evm gave {again}, verbs output {output!r}, logs {bodies}")
        return logs

    def _reference(self, state: Any) -> Any:
        from plimsoll.evm.reference import Replay

        return Replay(self.world(state))

    def create(self, sender: bytes, initcode: bytes, value: int) -> Result:
        """Two steps: the constructor runs as a call on a copy, so that a failure is an ordinary
        revert and not a lost state; a success is then deployed for real.
        """
        self._flush_block()
        if value:
            return self._create_payable(sender, initcode, value)
        before = self._export()
        target = create_address(sender, self.world_account(before, sender).nonce)
        tried = VerbsBackend.__new__(VerbsBackend)
        tried.__dict__.update(self.__dict__, record=True)
        tried._import(_with_account(before, target, Account(0, 1, initcode)))
        result = tried.transact(sender, target, b"", 0)
        if result.success:
            try:
                created = self._env.deploy_contract(sender, "contract", initcode)
            except BaseException as exc:
                # A constructor that looks at its own code size may differ from its trial.
                if type(exc).__name__ != "PanicException":
                    raise
                result = self._reference(before).create(sender, initcode, 0)
                if result.success:
                    raise BackendsDisagree(f"verbs refused a creation: {exc}") from None
        if not result.success:
            self._import(self._nonce_spent(before, sender))
            return result
        return Result(True, b"", result.gas_used, created=bytes(created), logs=result.logs)

    def _create_payable(self, sender: bytes, initcode: bytes, value: int) -> Result:
        raise Unsupported(
            "verbs cannot send value with a creation; use Evm(backend='py-evm'), or deploy first "
            "and pay with a transaction"
        )

    # -- state access

    def world_account(self, state: Any, address: bytes) -> Account:
        """One account of an exported state, storage left out."""
        for found, ((balance, nonce, _digest, code), _status, _storage) in state[1]:
            if found == address:
                return Account(int.from_bytes(balance, "little"), nonce, code)
        return Account()

    def account(self, address: bytes) -> Account:
        return self.world_account(self._export(), address)

    def storage(self, address: bytes, slot: int) -> int:
        held = self.world(self._export()).accounts.get(address, Account())
        return held.storage.get(slot, 0)

    def _update(self, address: bytes, **changes: Any) -> None:
        held = self.world(self._export()).accounts.get(address, Account())
        held.storage.update(changes.pop("words", {}))
        for key, item in changes.items():
            setattr(held, key, item)
        self._edit(address, held)

    def set_balance(self, address: bytes, wei: int) -> None:
        self._update(address, balance=wei)

    def set_code(self, address: bytes, code: bytes) -> None:
        self._update(address, code=code)

    def set_storage(self, address: bytes, slot: int, word: int) -> None:
        self._update(address, words={slot: word})

    def snapshot(self) -> Any:
        self._flush_block()
        return (self._export(), self._block)

    def revert(self, handle: Any) -> None:
        state, self._block = handle
        self._stale_block = False
        self._import(state)


def _with_account(state: Any, address: bytes, account: Account) -> Any:
    """The exported state with one account replaced. An empty storage keeps the old one."""
    block, accounts, codes, hashes, logs = state
    digest = keccak(account.code) if account.code else EMPTY_HASH
    storage = [(_little(k), _little(v)) for k, v in account.storage.items()]
    kept = []
    for entry in accounts:
        if entry[0] != address:
            kept.append(entry)
        elif not storage:
            storage = entry[1][2]
    info = (_little(account.balance), account.nonce, digest, account.code)
    added = (address, (info, _STORAGE_CLEARED, storage))
    return (block, [*kept, added], [*codes, (digest, account.code)], hashes, logs)
