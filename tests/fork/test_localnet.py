"""The origin chain, its forks and the Safe, on real Anvil processes."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak

from plimsoll.localnet.anvil import Anvil, AnvilOptions
from plimsoll.localnet.artifacts import node_modules
from plimsoll.localnet.builder import PART_NAMES, Extra, Surroundings, build_surroundings
from plimsoll.localnet.errors import (
    AnvilFailed,
    LocalnetError,
    PartMissing,
    RpcUnavailable,
    TransactionReverted,
)
from plimsoll.localnet.fork import fork_chain
from plimsoll.localnet.origin import (
    BLOCK_INTERVAL,
    GENESIS_TIMESTAMP,
    Origin,
    OriginConfig,
    start_origin,
)
from plimsoll.localnet.pool import Pool, wrap_up_to
from plimsoll.localnet.rpc import Rpc
from plimsoll.localnet.safe import (
    DELEGATECALL,
    SafeTx,
    create_safe,
    multi_send,
    safe_nonce,
    safe_tx,
)
from plimsoll.localnet.tx import Account, Sender, dev_accounts, encode_call, read

RETURNS_42 = bytes.fromhex("69602a60005260206000f3600052600a6016f3")
CONFIG = OriginConfig(extras=(Extra("answer", RETURNS_42),))
ERC20_INSUFFICIENT_BALANCE = "0xe450d38c"  # ERC20InsufficientBalance(address,uint256,uint256)
GS020 = b"GS020".hex()  # Safe: signatures data too short
GS026 = b"GS026".hex()  # Safe: invalid owner or order


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def origin(cache: Path, lines: list[str]) -> Iterator[Origin]:
    with start_origin(CONFIG, cache=cache, progress=lines.append) as started:
        yield started


@pytest.fixture
def isolated(origin: Origin) -> Iterator[Origin]:
    snapshot = origin.anvil.snapshot()
    yield origin
    origin.anvil.revert(snapshot)


def _usd_of(origin: Origin, holder: str) -> int:
    (units,) = read(origin.rpc, origin.addresses["usd"], "balanceOf(address)", "(uint256)", holder)
    return int(units)


def _next_contract(rpc: Rpc, creator: Account) -> int:
    """Address (as a number) of the contract that `creator` would create next."""
    nonce = int(rpc.call("eth_getTransactionCount", creator.address, "latest"), 16)
    packed = rlp.encode([bytes.fromhex(creator.address[2:]), nonce])
    return int.from_bytes(keccak(packed)[12:], "big")


# -- Anvil -----------------------------------------------------------------------------------------


def test_anvil__two_at_once__own_ports_and_only_the_stopped_one_ends() -> None:
    with Anvil(AnvilOptions(chain_id=77)).start() as stays:
        leaves = Anvil(AnvilOptions(chain_id=78)).start()
        assert stays.port != leaves.port
        assert (stays.rpc.chain_id(), leaves.rpc.chain_id()) == (77, 78)
        left = Rpc(leaves.url)
        leaves.stop()
        with pytest.raises(RpcUnavailable, match="no answer"):
            left.call("eth_chainId")
        assert stays.rpc.block_number() == 0


def test_anvil__its_starter_killed__ends_too(tmp_path: Path) -> None:
    script = """
import time
from plimsoll.localnet.anvil import Anvil
print(Anvil().start().url, flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}  # what a killed process leaves behind
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as starter:
        assert starter.stdout is not None
        rpc = Rpc(starter.stdout.readline().decode().strip())
        assert rpc.block_number() == 0
        starter.kill()
    time.sleep(0.5)
    with pytest.raises(RpcUnavailable, match="no answer"):
        rpc.block_number()


def test_anvil__port_taken_by_a_stranger__fails_with_stderr() -> None:
    with Anvil().start() as stranger:
        with pytest.raises(AnvilFailed, match=r"ended with code .*Address already in use"):
            Anvil(AnvilOptions(port=stranger.port)).start()
        assert stranger.rpc.block_number() == 0


def test_anvil__bad_option__fails_with_its_stderr() -> None:
    with pytest.raises(AnvilFailed, match="unexpected argument '--no-such-flag'") as caught:
        Anvil(AnvilOptions(extra_args=("--no-such-flag",))).start()
    assert caught.value.exit_code == 3


def test_anvil__like_a_public_network__no_unlocked_keys_and_interval_blocks() -> None:
    options = AnvilOptions(chain_id=11_155_111, accounts=0, block_time=1)
    with Anvil(options).start() as testnet:
        assert testnet.rpc.call("eth_accounts") == []
        deployer = dev_accounts(1)[0]
        testnet.rpc.call("anvil_setBalance", deployer.address, hex(10**18))
        receipt = Sender(testnet.rpc, deployer).send(deployer.address, value=1)
        assert int(receipt["blockNumber"], 16) >= 1


def test_sender__no_block_comes__says_so() -> None:
    with Anvil(AnvilOptions(no_mining=True)).start() as stuck:
        sender = Sender(stuck.rpc, dev_accounts(1)[0], timeout=0.1)
        with pytest.raises(RpcUnavailable, match="is the chain producing blocks"):
            sender.send(sender.address, value=1)


def test_sender__reverted_in_its_block__raises_with_the_revert_data(isolated: Origin) -> None:
    poor = isolated.sender(5)
    data = encode_call("transfer(address,uint256)", "0x" + "ab" * 20, 10**30)
    with pytest.raises(TransactionReverted) as caught:
        poor.send(isolated.addresses["usd"], data, gas=100_000)
    assert caught.value.tx_hash is not None
    assert caught.value.data.startswith(ERC20_INSUFFICIENT_BALANCE)
    with pytest.raises(TransactionReverted) as estimated:
        poor.send(isolated.addresses["usd"], data)
    assert (estimated.value.tx_hash, estimated.value.data) == (None, caught.value.data)


# -- origin ----------------------------------------------------------------------------------------


def test_start_origin__empty_cache__builds_every_part_and_the_extras(
    origin: Origin, lines: list[str]
) -> None:
    assert not origin.from_cache
    assert set(origin.addresses) == {*PART_NAMES, "answer"}
    assert all(origin.rpc.code(address) for address in origin.addresses.values())
    assert int.from_bytes(origin.rpc.eth_call(origin.addresses["answer"], b""), "big") == 42
    assert any("compiling the dollar" in line for line in lines)


def test_start_origin__funded_accounts__hold_dollars_of_six_decimals(origin: Origin) -> None:
    assert read(origin.rpc, origin.addresses["usd"], "decimals()", "(uint8)") == (6,)
    for account in origin.accounts[1:]:
        assert _usd_of(origin, account.address) == 100_000_000 * 10**6
        assert origin.rpc.balance(account.address) == 1_000_000 * 10**18


def test_start_origin__again__reloads_in_under_3_s_with_the_same_chain(
    origin: Origin, cache: Path
) -> None:
    started = time.monotonic()
    with start_origin(CONFIG, cache=cache) as again:
        assert time.monotonic() - started < 3
        assert again.from_cache
        assert again.addresses == origin.addresses
        assert (again.block, again.timestamp) == (origin.block, origin.timestamp)
        head = again.rpc.call("eth_getBlockByNumber", hex(again.block), False)
        same = origin.rpc.call("eth_getBlockByNumber", hex(origin.block), False)
        assert head["stateRoot"] == same["stateRoot"]
        again.anvil.mine()
        assert again.rpc.timestamp() == again.timestamp + BLOCK_INTERVAL


def test_start_origin__clock__began_before_any_ether_price(origin: Origin) -> None:
    assert origin.rpc.timestamp(0) == GENESIS_TIMESTAMP
    assert origin.timestamp == GENESIS_TIMESTAMP + BLOCK_INTERVAL * origin.block


def test_start_origin__recorded_address_with_other_code__is_built_again(
    origin: Origin, cache: Path
) -> None:
    (folder,) = (cache / "origin").iterdir()
    record = json.loads((folder / "origin.json").read_text())
    record["addresses"]["quoter"] = origin.addresses["weth"]
    (folder / "origin.json").write_text(json.dumps(record))
    lines: list[str] = []
    with start_origin(CONFIG, cache=cache, progress=lines.append) as rebuilt:
        assert rebuilt.addresses == origin.addresses
    assert "the code at a recorded address differs" in lines[0]


@pytest.mark.parametrize("name", ["state.json", "origin.json"])
def test_start_origin__damaged_cache__is_built_again(
    origin: Origin, cache: Path, name: str
) -> None:
    (folder,) = (cache / "origin").iterdir()
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    lines: list[str] = []
    with start_origin(CONFIG, cache=cache, progress=lines.append) as rebuilt:
        assert not rebuilt.from_cache
        assert rebuilt.addresses == origin.addresses
    assert "cached state is unusable" in lines[0]


def test_start_origin__many_configurations__keeps_the_latest_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plimsoll.localnet.origin.KEPT_ENTRIES", 1)
    for chain_id in (901, 902):
        with start_origin(replace(CONFIG, chain_id=chain_id), cache=tmp_path) as started:
            assert (started.rpc.chain_id(), started.from_cache) == (chain_id, False)
    with start_origin(replace(CONFIG, chain_id=902), cache=tmp_path) as latest:
        assert latest.from_cache
    assert len(list((tmp_path / "origin").iterdir())) == 1


def test_start_origin__too_few_accounts__is_refused() -> None:
    with pytest.raises(LocalnetError, match="expected at least 4 accounts, got 3"):
        start_origin(OriginConfig(accounts=3))


# -- pool ------------------------------------------------------------------------------------------


def test_swap__dollars_in__raises_the_price_and_pays_the_formulas_ether(
    isolated: Origin,
) -> None:
    trader, pool = isolated.sender(5), isolated.pool
    before = pool.price(isolated.rpc)
    assert abs(before - 2_000) < Decimal("1e-9")
    got = pool.swap(trader, pool.usd, 1_000_000 * 10**6)
    # reserves 20M dollars and 10,000 ether, fee 0.3 %: x * dy / (y + dy)
    net = Decimal(1_000_000) * Decimal("0.997")
    expected = Decimal(10_000) * net / (20_000_000 + net)
    assert abs(Decimal(got) / 10**18 / expected - 1) < Decimal("1e-6")
    after = pool.price(isolated.rpc)
    assert abs(after / (before * ((20_000_000 + net) / 20_000_000) ** 2) - 1) < Decimal("1e-6")


@pytest.mark.parametrize("target", ["2000.5", "1000", "110.25", "4500"])
def test_move_price__target__is_reached(isolated: Origin, target: str) -> None:
    got = isolated.pool.move_price(isolated.sender(0), Decimal(target))
    assert abs(got / Decimal(target) - 1) < Decimal("1e-15")
    assert isolated.pool.price(isolated.rpc) == got


def test_move_price__sender_too_poor__names_what_it_lacked(isolated: Origin) -> None:
    pauper = isolated.sender(6)
    pauper.call(
        isolated.addresses["usd"],
        "transfer(address,uint256)",
        isolated.accounts[7].address,
        _usd_of(isolated, pauper.address) - 10**6,
    )
    with pytest.raises(LocalnetError, match=r"expected the pool at 3000 .* it had 1000000$"):
        isolated.pool.move_price(pauper, Decimal(3000))


def test_position_manager__token_uri__is_rendered_by_the_linked_descriptor(
    origin: Origin,
) -> None:
    manager = origin.addresses["position_manager"]
    (uri,) = read(origin.rpc, manager, "tokenURI(uint256)", "(string)", 1)
    assert uri.startswith("data:application/json;base64,")
    text = base64.b64decode(uri.split(",")[1]).decode()
    assert "USD" in text
    assert "ETH" in text


# -- Safe ------------------------------------------------------------------------------------------


def test_safe_tx__two_of_three_owners__executes(isolated: Origin) -> None:
    safe, (first, _, third) = isolated.addresses["safe"], isolated.safe_owners
    isolated.sender(0).send(safe, value=10**18)
    receiver = "0x" + "ab" * 20
    anyone = isolated.sender(9)
    safe_tx(anyone, safe, [third, first], receiver, value=10**17)
    assert isolated.rpc.balance(receiver) == 10**17
    assert safe_nonce(isolated.rpc, safe) == 1


def test_safe_tx__digest__equals_the_safes_own(origin: Origin) -> None:
    safe = origin.addresses["safe"]
    message = SafeTx(to=origin.addresses["usd"], data=b"\x01\x02\x03", value=4, nonce=5)
    (own,) = read(
        origin.rpc,
        safe,
        "getTransactionHash(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,"
        "uint256)",
        "(bytes32)",
        message.to,
        4,
        message.data,
        0,
        0,
        0,
        0,
        "0x" + "00" * 20,
        "0x" + "00" * 20,
        5,
    )
    assert message.digest(origin.chain_id, safe) == own


def test_safe_tx__one_owner__is_refused_with_gs020(isolated: Origin) -> None:
    owner = isolated.safe_owners[:1]
    with pytest.raises(TransactionReverted) as caught:
        safe_tx(isolated.sender(9), isolated.addresses["safe"], owner, "0x" + "ab" * 20)
    assert GS020 in caught.value.data


def test_safe_tx__owner_and_stranger__is_refused_with_gs026(isolated: Origin) -> None:
    signers: list[Account] = [isolated.safe_owners[0], isolated.accounts[8]]
    with pytest.raises(TransactionReverted) as caught:
        safe_tx(isolated.sender(9), isolated.addresses["safe"], signers, "0x" + "ab" * 20)
    assert GS026 in caught.value.data


def test_multi_send__two_calls__both_happen(isolated: Origin) -> None:
    safe, usd = isolated.addresses["safe"], isolated.addresses["usd"]
    isolated.sender(0).call(usd, "transfer(address,uint256)", safe, 100)
    calls = [
        (usd, 0, encode_call("transfer(address,uint256)", "0x" + "ab" * 20, 30)),
        (usd, 0, encode_call("transfer(address,uint256)", "0x" + "cd" * 20, 70)),
    ]
    target = isolated.addresses["multi_send_call_only"]
    owners = isolated.safe_owners[:2]
    safe_tx(isolated.sender(9), safe, owners, target, multi_send(calls), operation=DELEGATECALL)
    assert _usd_of(isolated, safe) == 0
    assert _usd_of(isolated, "0x" + "cd" * 20) == 70


def test_create_safe__other_salt__is_another_safe(isolated: Origin) -> None:
    owners = [one.address for one in isolated.safe_owners]
    made = create_safe(isolated.sender(0), isolated.addresses, owners, 2, salt=1)
    assert made != isolated.addresses["safe"]
    assert read(isolated.rpc, made, "getThreshold()", "(uint256)") == (2,)


# -- fork ------------------------------------------------------------------------------------------


def test_fork_chain__older_block_of_a_reloaded_origin__sees_the_old_state(
    origin: Origin, cache: Path
) -> None:
    with start_origin(CONFIG, cache=cache) as reloaded:
        pool, old = reloaded.pool, reloaded.block
        first = reloaded.addresses["usd"]
        pool.move_price(reloaded.sender(0), Decimal(1_500))
        with fork_chain(reloaded.url, old) as fork:
            assert fork.rpc.chain_id() == reloaded.chain_id
            assert fork.rpc.block_number() == old
            assert abs(pool.price(fork.rpc) - 2_000) < Decimal("1e-9")
        with fork_chain(reloaded.url, 1) as early:  # built, dumped and reloaded: WETH only
            assert early.rpc.code(reloaded.addresses["weth"]) != b""
            assert early.rpc.code(first) == b""
        with fork_chain(reloaded.url) as latest:
            assert abs(pool.price(latest.rpc) - 1_500) < Decimal("1e-9")


def test_fork_chain__trading_on_it__leaves_the_origin_alone(origin: Origin) -> None:
    options = AnvilOptions(timestamp_interval=12)
    with fork_chain(origin.url, origin.block, options) as fork:
        trader = Sender(fork.rpc, origin.accounts[5])
        wrap_up_to(trader, origin.addresses["weth"], 100 * 10**18)
        origin.pool.swap(trader, origin.addresses["weth"], 100 * 10**18)
        assert origin.pool.price(fork.rpc) < 1_990
        assert fork.rpc.timestamp() == origin.timestamp + 12 * (
            fork.rpc.block_number() - origin.block
        )
    assert abs(origin.pool.price(origin.rpc) - 2_000) < Decimal("1e-9")


def test_fork_chain__dead_rpc__raises_unavailable_with_exit_code_3() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(RpcUnavailable, match="no answer from") as caught:
            fork_chain(f"http://127.0.0.1:{held.getsockname()[1]}")
    assert caught.value.exit_code == 3


def test_fork_chain__block_above_the_head__raises_unavailable(origin: Origin) -> None:
    with pytest.raises(RpcUnavailable, match=r"expected block 10000 at .* whose head is \d+"):
        fork_chain(origin.url, 10_000)


# -- a network with parts of its own -------------------------------------------------------------


def test_build_surroundings__some_parts_listed__adds_only_the_rest(origin: Origin) -> None:
    listed = {name: origin.addresses[name] for name in ("weth", "usd", "uniswap_factory")}
    plan = replace(Surroundings(), pool_fee=500, fund=("0x" + "ab" * 20,))
    with fork_chain(origin.url, origin.block) as fork:
        builder = Sender(fork.rpc, origin.accounts[9])
        made = build_surroundings(builder, node_modules(), plan, listed)
        assert {name: made[name] for name in listed} == listed
        assert made["swap_router"] != origin.addresses["swap_router"]
        pool = Pool.of(fork.rpc, made)
        assert (pool.fee, made["pool"]) != (3_000, origin.addresses["pool"])
        assert abs(pool.price(fork.rpc) - 2_000) < Decimal("1e-9")
        assert read(fork.rpc, made["usd"], "balanceOf(address)", "(uint256)", "0x" + "ab" * 20) == (
            100_000_000 * 10**6,
        )


def test_build_surroundings__dollar_below_weth__same_prices_and_directions(
    origin: Origin,
) -> None:
    keep = set(PART_NAMES) - {"usd", "pool"}
    listed = {name: origin.addresses[name] for name in keep}
    with fork_chain(origin.url, origin.block) as fork:
        builder = next(
            one
            for one in origin.accounts
            if _next_contract(fork.rpc, one) < int(listed["weth"], 16)
        )
        plan = Surroundings(fund=(origin.accounts[5].address,))
        sender = Sender(fork.rpc, builder)
        made = build_surroundings(sender, node_modules(), plan, listed)
        pool = Pool.of(fork.rpc, made)
        assert not pool.weth_is_token0
        assert abs(pool.price(fork.rpc) - 2_000) < Decimal("1e-9")
        trader = Sender(fork.rpc, origin.accounts[5])
        for target in (Decimal(900), Decimal(3_100)):
            assert abs(pool.move_price(trader, target) / target - 1) < Decimal("1e-15")


def test_build_surroundings__listed_address_without_code__is_refused(origin: Origin) -> None:
    with pytest.raises(PartMissing, match="expected code at the listed weth"):
        build_surroundings(
            origin.sender(9), node_modules(), Surroundings(), {"weth": "0x" + "ab" * 20}
        )


def test_build_surroundings__misspelt_part__is_refused(origin: Origin) -> None:
    with pytest.raises(PartMissing, match=r"got \['wheth'\]"):
        build_surroundings(
            origin.sender(9),
            node_modules(),
            Surroundings(),
            {"wheth": origin.addresses["weth"]},
        )
