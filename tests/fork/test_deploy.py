"""`ape run deploy` rehearsed on an Anvil that behaves like a testnet.

Chain id 11155111, blocks 12 s apart, no unlocked key, the process killed in the middle. Blocks come
faster than every 12 s of the wall clock, so that the test takes a minute and not eight.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account as EthAccount

from plimsoll.compiler import PROJECT_ROOT, compile_contract
from plimsoll.deployment.config import load_config
from plimsoll.deployment.manifest import Manifest
from plimsoll.deployment.rpc import LocalSigner, Patience, Web3Chain, connect
from plimsoll.deployment.session import prepare
from plimsoll.deployment.verify import failures
from plimsoll.evm.abi import make_encoder
from plimsoll.localnet.anvil import Anvil, AnvilOptions
from plimsoll.localnet.tx import Account, Sender

SEPOLIA = 11_155_111
BLOCK_SECONDS = 12
WALL_SECONDS = 0.25
DEPLOYER_KEY = "0x" + "d1" * 32
HELPER_KEY = "0x" + "d2" * 32
CONTRACTS = PROJECT_ROOT / "tests" / "contracts"
KILL_AFTER = 6  # steps


@dataclass
class Testnet:  # a chain, not a test
    __test__ = False

    """A running testnet, the values for `$names`, and the deployer's chain."""

    anvil: Anvil
    names: dict[str, str]
    account: str

    def chain(self) -> Web3Chain:
        """A chain that signs with the deployer's key."""
        patience = Patience(mined=20, poll=0.1)
        return Web3Chain(connect(self.anvil.url), LocalSigner(DEPLOYER_KEY), patience=patience)

    def command(self, manifest: Path, *more: str) -> list[str]:
        """`ape run deploy` against this network."""
        line = [str(Path(sys.executable).with_name("ape")), "run", "deploy", "local"]
        line += ["--network", f"ethereum:sepolia:{self.anvil.url}", "--manifest", str(manifest)]
        for name, address in self.names.items():
            line += ["--set", f"${name}={address}"]
        line += ["--set", f"chain_id={SEPOLIA}", "--set", "timelock.delay_floor_seconds=24"]
        return [*line, *more]


def environment() -> dict[str, str]:
    return {**os.environ, "PLIMSOLL_DEPLOYER_KEY": DEPLOYER_KEY, "NO_COLOR": "1"}


def creation(name: str, *args: Any) -> bytes:
    built = compile_contract(name, contracts=CONTRACTS)
    inputs = next(e["inputs"] for e in built.abi if e["type"] == "constructor")
    return make_encoder(inputs, built.initcode)(*args)


@pytest.fixture(scope="module")
def testnet() -> Iterator[Testnet]:
    options = AnvilOptions(
        chain_id=SEPOLIA,
        accounts=0,
        block_time=WALL_SECONDS,
        timestamp_interval=BLOCK_SECONDS,
        base_fee=10**9,
    )
    with Anvil(options) as anvil:
        assert anvil.rpc.call("eth_accounts") == []
        helper, deployer = (EthAccount.from_key(key) for key in (HELPER_KEY, DEPLOYER_KEY))
        for address in (helper.address, deployer.address):
            anvil.rpc.call("anvil_setBalance", address, hex(10**20))
        sender = Sender(anvil.rpc, Account(helper.address, HELPER_KEY))
        names = {
            "usd": sender.deploy(creation("MintableToken", 6)),
            "weth": sender.deploy(creation("MintableToken", 18)),
            "eth_usd": sender.deploy(creation("ChainlinkAggregator", 8, "ETH / USD", 2000 * 10**8)),
            "btc_usd": sender.deploy(
                creation("ChainlinkAggregator", 8, "BTC / USD", 40_000 * 10**8)
            ),
        }
        for number, name in enumerate(("council", "guardian", "treasury", "matcher"), 1):
            names[name] = EthAccount.from_key(number.to_bytes(32, "big")).address
        yield Testnet(anvil, names, deployer.address)


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=PROJECT_ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def run_until_killed(command: list[str]) -> int:
    """Starts the command and kills it (SIGKILL) after some steps; returns how many it reported."""
    process = subprocess.Popen(
        command,
        cwd=PROJECT_ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    seen, lines = 0, []
    for line in process.stderr:
        lines.append(line)
        seen += line.startswith("[")
        if seen == KILL_AFTER:
            # The next transaction is being signed or has just been sent.
            time.sleep(0.3)
            process.send_signal(signal.SIGKILL)
            break
    process.wait(timeout=30)
    process.stderr.close()
    assert seen == KILL_AFTER, "".join(lines)
    return seen


@pytest.mark.slow
def test_deploy__killed_halfway_on_a_testnet__resumes_and_verifies(
    testnet: Testnet, tmp_path: Path
) -> None:
    path = tmp_path / "manifest.json"
    rpc = testnet.anvil.rpc

    plan = run(testnet.command(path, "--dry-run", "--json"))
    assert plan.returncode == 0, plan.stderr
    planned = json.loads(plan.stdout)
    assert not any(step["done"] for step in planned["steps"])
    assert not path.exists()

    run_until_killed(testnet.command(path, "--yes"))
    begun = Manifest.load(path)
    assert not begun.complete
    assert begun.plan_hash == planned["plan_hash"]
    sent_before = int(rpc.call("eth_getTransactionCount", testnet.account, "latest"), 16)
    assert KILL_AFTER <= sent_before <= KILL_AFTER + 2

    resumed = run(testnet.command(path, "--yes", "--json"))
    assert resumed.returncode == 0, resumed.stderr
    result = json.loads(resumed.stdout)
    assert result["verified"]
    assert result["failures"] == []
    assert result["plan_hash"] == planned["plan_hash"]
    assert result["addresses"] == planned["addresses"]

    # No step ran twice: as many transactions as steps that send one (feeds had prices at once).
    skipped = {"await"}
    sending = [step for step in planned["steps"] if step["kind"] not in skipped]
    defaults = 4  # fund terms that the constructor sets to the same values already
    mined = int(rpc.call("eth_getTransactionCount", testnet.account, "latest"), 16)
    assert mined == len(sending) - defaults

    again = run(testnet.command(path, "--yes"))
    assert again.returncode == 0, again.stderr
    assert "holds nothing; the timelock owns every contract" in again.stdout
    assert int(rpc.call("eth_getTransactionCount", testnet.account, "pending"), 16) == mined
    complete = Manifest.load(path)
    assert complete.complete
    assert all(entry.code_hash for entry in complete.contracts.values())

    check_roles_by_hand(testnet, path)

    changed = run(testnet.command(path, "--yes", "--set", "fund.drip_seconds=86400"))
    assert changed.returncode == 4
    assert "another name" in changed.stderr


def check_roles_by_hand(testnet: Testnet, path: Path) -> None:
    """Logs included, which the in-process chain lacks: role holders, no waiting operation."""
    chain = testnet.chain()
    config = load_config(
        "local", testnet.names, {"chain_id": SEPOLIA, "timelock.delay_floor_seconds": 24}
    )
    findings = prepare(config, chain, path).check(chain)
    assert failures(findings) == []
    seen = {finding.what for finding in findings}
    assert "Timelock: role holders are exactly those configured" in seen
    assert "Timelock: no other operation waits" in seen


def test_deploy__real_network_id__refused_without_the_flag(
    testnet: Testnet, tmp_path: Path
) -> None:
    command = testnet.command(tmp_path / "m.json", "--yes", "--set", "chain_id=1")
    refused = run(command)
    assert refused.returncode == 4
    assert "--i-know-this-is-mainnet" in refused.stderr


def test_deploy__dead_node__exits_3(testnet: Testnet, tmp_path: Path) -> None:
    command = testnet.command(tmp_path / "m.json", "--yes")
    command[command.index("--network") + 1] = "ethereum:sepolia:http://127.0.0.1:9"
    dead = run(command)
    assert dead.returncode == 3, dead.stderr
    assert "127.0.0.1:9" not in dead.stderr


def test_deploy__bad_key__exits_2_with_its_path(testnet: Testnet, tmp_path: Path) -> None:
    bad = run(testnet.command(tmp_path / "m.json", "--yes", "--set", "fund.drip_seconds=soon"))
    assert bad.returncode == 2
    assert "fund.drip_seconds: " in bad.stderr


def test_deploy__nobody_to_ask__exits_4(testnet: Testnet, tmp_path: Path) -> None:
    silent = run(testnet.command(tmp_path / "m.json"))
    assert silent.returncode == 4
    assert "--yes" in silent.stderr
    assert not (tmp_path / "m.json").exists()
