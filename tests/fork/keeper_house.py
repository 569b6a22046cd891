"""A deployment on Anvil for keepers and proposals: real plan, real manifest, signed transactions.

Only what stands for the rest of the world is short-cut: fills are settled by a venue without
signatures, and strangers' transactions come from unlocked addresses.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account as EthAccount

from plimsoll.compiler import PROJECT_ROOT, compile_contract
from plimsoll.deployment.abi import calldata, decoder
from plimsoll.deployment.config import load_config
from plimsoll.deployment.manifest import Manifest
from plimsoll.deployment.rpc import IdleChain, LocalSigner, Patience, connect
from plimsoll.deployment.session import prepare
from plimsoll.deployment.verify import failures
from plimsoll.evm.abi import make_encoder
from plimsoll.localnet.anvil import Anvil
from plimsoll.localnet.rpc import Rpc
from plimsoll.localnet.tx import Account, Sender, encode_call
from plimsoll.units import Number, lots, ticks, to_units

CONTRACTS = PROJECT_ROOT / "tests" / "contracts"
DEPLOYER_KEY = "0x" + "d3" * 32
VENUE = "0x" + "7e" * 20
MAX = 2**256 - 1


def key_of(number: int) -> str:
    """A private key for a test."""
    return "0x" + number.to_bytes(32, "big").hex()


def address_of(number: int) -> str:
    """The address of `key_of(number)`."""
    return str(EthAccount.from_key(key_of(number)).address)


def creation(name: str, *args: Any) -> bytes:
    """Creation code of one of the test contracts with its constructor arguments."""
    built = compile_contract(name, contracts=CONTRACTS)
    inputs = next(e["inputs"] for e in built.abi if e["type"] == "constructor")
    return make_encoder(inputs, built.initcode)(*args)


@dataclass
class KeeperHouse:
    """A running deployment; actors are numbers, see `address_of`."""

    anvil: Anvil
    manifest_path: Path
    names: dict[str, str]
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def rpc(self) -> Rpc:
        """A client of the chain."""
        return self.anvil.rpc

    # -- calls

    def send(self, sender: str, to: str, data: bytes) -> dict[str, Any]:
        """A transaction from an unlocked address; fails the test where it reverts."""
        request = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(12_000_000)}
        receipt = self.rpc.wait_receipt(self.rpc.call("eth_sendTransaction", request))
        assert int(receipt["status"], 16) == 1, receipt
        return receipt

    def do(self, sender: str, contract: str, function: str, *args: Any) -> dict[str, Any]:
        """A call to one of ours."""
        return self.send(sender, self.addresses[contract], calldata(contract, function, *args))

    def read(self, contract: str, function: str, *args: Any) -> Any:
        """A view of one of ours."""
        reply = self.rpc.eth_call(self.addresses[contract], calldata(contract, function, *args))
        return decoder(contract, function)(reply)

    def govern(self, contract: str, function: str, *args: Any) -> None:
        """A call from the timelock's address, without its delay."""
        self.do(self.addresses["Timelock"], contract, function, *args)

    # -- people

    def account(self, number: int, index: int = 0) -> int:
        """Account id."""
        return int(address_of(number), 16) << 96 | index

    def fund(self, number: int, usd: int, index: int = 0) -> int:
        """Ether, dollars, and a deposit; returns the account id."""
        who, units = address_of(number), usd * 10**6
        self.rpc.call("anvil_setBalance", who, hex(10**21))
        self.send(who, self.names["usd"], encode_call("mint(address,uint256)", who, units))
        approve = encode_call("approve(address,uint256)", self.addresses["CollateralVault"], MAX)
        self.send(who, self.names["usd"], approve)
        account = self.account(number, index)
        self.do(who, "MarginEngine", "deposit", account, units)
        return account

    def insure(self, number: int, usd: int) -> None:
        """Somebody deposits into the insurance fund."""
        who, units = address_of(number), usd * 10**6
        self.fund(number, 1)
        self.send(who, self.names["usd"], encode_call("mint(address,uint256)", who, units))
        self.do(who, "InsuranceFund", "deposit", units, who)

    # -- prices, trades, time

    def price(self, feed: str, usd: Number) -> None:
        """Publishes a price, pokes, and lets a second pass so that it serves."""
        data = encode_call("set_answer(int256)", to_units(usd, -8))
        self.send(VENUE, self.names[f"{feed.lower()}_usd"], data)
        self.do(VENUE, "OracleAdapter", "poke", {"ETH": 1, "BTC": 2}[feed], b"")
        self.advance(1)

    def advance(self, seconds: int) -> None:
        """A block so much later."""
        self.rpc.call("evm_increaseTime", seconds)
        self.rpc.call("evm_mine")

    def trade(self, fills: Sequence[tuple[int, int, int, Number, Number]]) -> None:
        """Fills (market, buyer id, seller id, size in underlying, price in USD)."""
        structs = [(m, b, s, lots(size), ticks(price), 0) for m, b, s, size, price in fills]
        self.do(VENUE, "MarginEngine", "settle", structs)

    # -- commands

    def command(
        self, *words: str, key: str | None = None, timeout: int = 240
    ) -> subprocess.CompletedProcess[str]:
        """`ape run ...` in a process of its own."""
        script = "import sys; from ape._cli import cli; sys.exit(cli())"
        environment = {**os.environ, "NO_COLOR": "1"}
        if key is not None:
            environment["PLIMSOLL_KEEPER_KEY"] = key
        return subprocess.run(
            [sys.executable, "-c", script, "run", *words],
            cwd=PROJECT_ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )


def build_house(
    anvil: Anvil,
    folder: Path,
    council: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> KeeperHouse:
    """Deploys on an Anvil that unlocks every address; `council` proposes (a Safe, say)."""
    rpc = anvil.rpc
    for address in (EthAccount.from_key(DEPLOYER_KEY).address, VENUE):
        rpc.call("anvil_setBalance", address, hex(10**24))
    sender = Sender(rpc, Account(EthAccount.from_key(DEPLOYER_KEY).address, DEPLOYER_KEY))
    names = {
        "usd": sender.deploy(creation("MintableToken", 6)),
        "weth": sender.deploy(creation("MintableToken", 18)),
        "eth_usd": sender.deploy(creation("ChainlinkAggregator", 8, "ETH / USD", 2_000 * 10**8)),
        "btc_usd": sender.deploy(creation("ChainlinkAggregator", 8, "BTC / USD", 40_000 * 10**8)),
    }
    for number, name in enumerate(("council", "guardian", "treasury", "matcher"), 901):
        names[name] = address_of(number)
    names["council"] = council or names["council"]
    changes = {"chain_id": rpc.chain_id(), **(overrides or {})}
    config = load_config("house", names, changes)
    chain = IdleChain(
        connect(anvil.url), LocalSigner(DEPLOYER_KEY), patience=Patience(mined=20, poll=0.02)
    )
    path = folder / "manifest.json"
    session = prepare(config, chain, path).run(chain)
    assert failures(session.check(chain)) == []
    house = KeeperHouse(anvil, path, names, Manifest.load(path).addresses())
    # A venue without signatures: the engine asks for code when it is registered, not later.
    rpc.call("anvil_setCode", VENUE, "0x00")
    rpc.call("anvil_setBalance", house.addresses["Timelock"], hex(10**21))
    house.govern("MarginEngine", "set_venue", VENUE, True)
    rpc.call("anvil_setCode", VENUE, "0x")
    return house
