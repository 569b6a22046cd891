"""py-evm: complete, slow (hundreds of transactions a second), the reference for the fast machine.

Follows the specification's rules of the prague fork: log topics, revert data, halts, receipt gas.
"""

from __future__ import annotations

import logging
from typing import Any

from plimsoll.evm.backend import CHAIN_ID, Account, RawLog, Result, World

GAS_PER_TRANSACTION = 2**40
BLOCK_GAS = 2**50


def _chain() -> Any:
    from eth.chains.mainnet import MainnetChain
    from eth.db.atomic import AtomicDB
    from eth.tools.builder.chain.builders import build, latest_mainnet_at

    logging.getLogger("eth").setLevel(logging.WARNING)
    chain = build(MainnetChain, latest_mainnet_at(1))
    return chain.from_genesis(AtomicDB(), {"difficulty": 0, "gas_limit": BLOCK_GAS})


class PyEvmBackend:
    """One py-evm state; blocks are never sealed, only number and time move."""

    name = "py-evm"

    def __init__(self, world: World) -> None:
        self._start(world.number, world.timestamp)
        for address, account in world.accounts.items():
            self._put(address, account)
        self._state.persist()

    def _start(self, number: int, timestamp: int) -> None:
        from eth.vm.spoof import SpoofTransaction

        self._vm = _chain().get_vm()
        self._state = self._vm.state
        self._spoof = SpoofTransaction
        context = self._state.execution_context
        context._chain_id = CHAIN_ID
        context._gas_limit = BLOCK_GAS
        context._base_fee_per_gas = 0
        self.set_block(number, timestamp)

    def _put(self, address: bytes, account: Account) -> None:
        self._state.set_balance(address, account.balance)
        self._state.set_nonce(address, account.nonce)
        if account.code:
            self._state.set_code(address, account.code)
        for slot, word in account.storage.items():
            self._state.set_storage(address, slot, word)

    def set_block(self, number: int, timestamp: int) -> None:
        context = self._state.execution_context
        context._block_number = number
        context._timestamp = timestamp
        self._block = (number, timestamp)

    def _run(self, sender: bytes, to: bytes, data: bytes, value: int) -> Result:
        unsigned = self._vm.create_unsigned_transaction(
            nonce=self._state.get_nonce(sender),
            gas_price=0,
            gas=GAS_PER_TRANSACTION,
            to=to,
            value=value,
            data=data,
        )
        done = self._state.costless_execute_transaction(self._spoof(unsigned, from_=sender))
        return _to_result(done)

    def transact(self, sender: bytes, to: bytes, data: bytes, value: int) -> Result:
        result = self._run(sender, to, data, value)
        self._state.lock_changes()
        return result

    def create(self, sender: bytes, initcode: bytes, value: int) -> Result:
        return self.transact(sender, b"", initcode, value)

    def call(self, sender: bytes, to: bytes, data: bytes, value: int) -> Result:
        checkpoint = self._state.snapshot()
        try:
            return self._run(sender, to, data, value)
        finally:
            self._state.revert(checkpoint)
            self._state._account_db._reset_access_counters()

    def account(self, address: bytes) -> Account:
        state = self._state
        return Account(
            state.get_balance(address), state.get_nonce(address), state.get_code(address)
        )

    def storage(self, address: bytes, slot: int) -> int:
        return int(self._state.get_storage(address, slot))

    def set_balance(self, address: bytes, wei: int) -> None:
        self._state.set_balance(address, wei)

    def set_code(self, address: bytes, code: bytes) -> None:
        self._state.set_code(address, code)

    def set_storage(self, address: bytes, slot: int, word: int) -> None:
        self._state.set_storage(address, slot, word)
        self._state.lock_changes()

    def snapshot(self) -> Any:
        self._state.persist()
        return (self._state.state_root, self._block)

    def revert(self, handle: Any) -> None:
        root, block = handle
        accounts = self._state._account_db
        self._state._account_db = type(accounts)(accounts._raw_store_db, root)
        self.set_block(*block)


class Replay(PyEvmBackend):
    """One-off runs on a given world, read lazily: the cost does not grow with its storage.

    For `call` and a single `create` only: nothing is written to a trie.
    """

    def __init__(self, world: World) -> None:
        self._start(world.number, world.timestamp)
        self._state._account_db = _lazy_accounts(world)


def _lazy_accounts(world: World) -> Any:
    """An account database over a `World`."""
    import rlp  # type: ignore[import-untyped]
    from eth.constants import BLANK_ROOT_HASH
    from eth.db.account import AccountDB
    from eth.db.atomic import AtomicDB
    from eth.db.cache import CacheDB
    from eth.db.journal import JournalDB
    from eth.rlp.accounts import Account as RlpAccount
    from eth_utils.crypto import keccak

    class Words:
        """Storage words by big-endian slot, in the encoding the storage layers above expect."""

        def __init__(self, words: dict[int, int]) -> None:
            self._words = words

        def __getitem__(self, key: bytes) -> bytes:
            word = self._words.get(int.from_bytes(key, "big"), 0)
            if not word:
                raise KeyError(key)
            return bytes(rlp.encode(word))

        def __contains__(self, key: bytes) -> bool:
            return bool(self._words.get(int.from_bytes(key, "big"), 0))

    class LazyAccountDB(AccountDB):
        """Falls back to the world where the journal knows nothing."""

        def _get_encoded_account(self, address: Any, from_journal: bool = True) -> bytes:
            known: bytes = super()._get_encoded_account(address, from_journal)
            held = world.accounts.get(address)
            if known or held is None:
                return known
            digest = keccak(held.code)
            return bytes(rlp.encode(RlpAccount(held.nonce, held.balance, BLANK_ROOT_HASH, digest)))

        def _get_address_store(self, address: Any) -> Any:
            fresh = address not in self._account_stores
            store: Any = super()._get_address_store(address)
            if fresh and address in world.accounts:
                store._storage_cache = CacheDB(words(world.accounts[address].storage))
                store._locked_changes = JournalDB(store._storage_cache)
                store._journal_storage = JournalDB(store._locked_changes)
            return store

    words: Any = Words
    raw = AtomicDB()
    for code in {account.code for account in world.accounts.values() if account.code}:
        raw[keccak(code)] = code
    return LazyAccountDB(raw, BLANK_ROOT_HASH)


def _to_result(done: Any) -> Result:
    error = done.error if done.is_error else None
    reverted = error is not None and type(error).__name__ == "Revert"
    logs = [
        RawLog(address, tuple(topic.to_bytes(32, "big") for topic in topics), bytes(data))
        for address, topics, data in done.get_log_entries()
    ]
    created = done.msg.storage_address if done.msg.is_create else None
    return Result(
        success=error is None,
        output=bytes(done.output) if error is None or reverted else b"",
        gas_used=_gas_used(done),
        halt=None if error is None or reverted else f"{type(error).__name__}: {error}".strip(": "),
        created=created,
        logs=logs,
    )


def _gas_used(done: Any) -> int:
    """Gas without the calldata floor of EIP-7623 (the fast machines do not know it)."""
    used = GAS_PER_TRANSACTION - int(done.get_gas_remaining())
    return used - min(int(done.get_gas_refund()), used // 5)
