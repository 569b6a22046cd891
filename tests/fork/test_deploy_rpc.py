"""The web3 chain on an Anvil that mines only when told: replacement, waiting, reverts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from plimsoll.deployment.chain import CallReverted, ChainError, Sent
from plimsoll.deployment.rpc import Fees, LocalSigner, Patience, Watcher, Web3Chain, connect
from plimsoll.localnet.anvil import Anvil, AnvilOptions

KEY = "0x" + "e1" * 32
# Creation code of contracts: one that returns 42, one whose creation reverts with NotOwner().
RETURNS_42 = bytes.fromhex("69602a60005260206000f3600052600a6016f3")
NOT_OWNER = bytes.fromhex("6330cd747160e01b60005260046000fd")
SOMEBODY = "0x" + "11" * 20


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    with Anvil(AnvilOptions(accounts=0, no_mining=True, base_fee=10**9)) as started:
        started.rpc.call("anvil_setBalance", LocalSigner(KEY).address, hex(10**20))
        yield started


def chain_on(anvil: Anvil, fees: Fees | None = None, **patience: Any) -> Web3Chain:
    settings = {"mined": 1.0, "poll": 0.05, **patience}
    return Web3Chain(
        connect(anvil.url), LocalSigner(KEY), fees or Fees(tip_gwei=1), Patience(**settings)
    )


def pending_fee(anvil: Anvil) -> int:
    """maxFeePerGas of the account's only pending transaction; 0 where there is none."""
    pool = anvil.rpc.call("txpool_content")["pending"]
    found = [tx for txs in pool.values() for tx in txs.values()]
    assert len(found) <= 1
    return int(found[0]["maxFeePerGas"], 16) if found else 0


def test_send__not_mined_in_time__replaced_with_higher_fee_and_mined_once(anvil: Anvil) -> None:
    chain = chain_on(anvil)
    nonce = chain.nonce()
    results: list[Sent] = []
    sending = threading.Thread(target=lambda: results.append(chain.send(SOMEBODY, b"", "note")))
    sending.start()
    seen: list[int] = []
    deadline = time.monotonic() + 20
    while len(seen) < 2 and time.monotonic() < deadline:
        fee = pending_fee(anvil)
        if fee and fee not in seen:
            seen.append(fee)
        time.sleep(0.02)
    anvil.rpc.call("evm_mine")
    sending.join(20)
    assert len(seen) == 2
    assert seen[1] * 10 >= seen[0] * 11
    assert results[0].gas_used == 21_000
    assert chain.nonce() == nonce + 1


def test_drain__earlier_transaction_pending__waited_for(anvil: Anvil) -> None:
    chain = chain_on(anvil, tries=1)
    with pytest.raises(ChainError, match="run again to go on"):
        chain.send(SOMEBODY, b"", "first")  # killed here, as it were
    with pytest.raises(ChainError, match="no pending transaction"):
        chain.drain()
    anvil.rpc.call("evm_mine")
    chain.drain()


def test_send__reverting_call__named_without_sending(anvil: Anvil) -> None:
    chain = chain_on(anvil)
    nonce = chain.nonce()
    with pytest.raises(CallReverted) as caught:
        chain.send(None, NOT_OWNER, "create something")
    assert caught.value.data == NOT_OWNER[1:5]
    assert "create something: NotOwner: " in str(caught.value)
    assert chain.nonce() == nonce
    assert pending_fee(anvil) == 0


def test_create_reason__failing_and_working_code__its_data(anvil: Anvil) -> None:
    chain = chain_on(anvil)
    assert chain.create_reason(NOT_OWNER, SOMEBODY) == NOT_OWNER[1:5]
    assert chain.create_reason(RETURNS_42, SOMEBODY) == b""


def test_send__gas_above_the_ceiling__refused(anvil: Anvil) -> None:
    chain = chain_on(anvil, Fees(ceiling_gwei=0.5, tip_gwei=1))
    with pytest.raises(ChainError, match="max-fee-gwei"):
        chain.send(SOMEBODY, b"", "note")


def test_send__watcher__refused(anvil: Anvil) -> None:
    chain = Web3Chain(connect(anvil.url), Watcher(SOMEBODY), Fees(tip_gwei=1))
    with pytest.raises(ChainError, match="only reads"):
        chain.send(SOMEBODY, b"", "note")


def test_wait_until__far_away__gives_control_back(anvil: Anvil) -> None:
    chain = chain_on(anvil, delay=10)
    with pytest.raises(ChainError, match="run the deployment again then"):
        chain.wait_until(chain.block()[1] + 86_400, "execute the hand-over")


def test_connect__nobody_there__says_so_without_the_url() -> None:
    with pytest.raises(ChainError) as caught:
        connect("http://127.0.0.1:9/secret", timeout=2)
    assert "secret" not in str(caught.value)
