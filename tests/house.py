"""The engine with its real vault and standard margin on an in-process EVM, for twin runs.

Oracle words are set by hand, and venue, auction, insurance fund and governance are plain addresses,
so that a test can bring the engine into every state its neighbours could. For the whole protocol as
it is deployed see `plimsoll.deployment.house`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plimsoll.compiler import compile_contract, compile_path
from plimsoll.deployment.abi import PARTS
from plimsoll.evm import Evm
from plimsoll.evm.backend import create_address
from plimsoll.evm.storage import slot_of
from plimsoll.model.standard_margin import MarketParameters, Quote

TESTS = Path(__file__).parent
COIN_CAP = 10**24
CAP_RAMP = 3_600


def deploy_auction(evm: Evm, engine: str, fund: str, governance: str, curve: Any) -> Any:
    """The liquidation auction in its two bytecodes; `curve` as its struct."""
    built = [compile_contract(name) for name in PARTS["LiquidationAuction"]]
    offers = evm.deploy(built[1], engine, fund)
    found = evm.deploy(built[0], engine, fund, offers.address, governance, curve)
    return evm.at(merged_abi([part.abi for part in built]), found.address)


class BareHouse:
    """Deployed contracts and the addresses that play their neighbours."""

    def __init__(self, evm: Evm | None = None) -> None:
        self.evm = evm = evm or Evm(record=False)
        self.owner, self.guardian = evm.account(), evm.account()
        self.venue, self.auction, self.fund = evm.account(), evm.account(), evm.account()
        deployer = evm.account()
        token = compile_path(TESTS / "contracts" / "MintableToken.vy")
        self.quote = evm.deploy(token, 6, sender=deployer)
        self.coin = evm.deploy(token, 18, sender=deployer)
        source = TESTS / "unit" / "risk" / "mocks" / "QuoteSource.vy"
        self.oracle = evm.deploy(compile_path(source), sender=deployer)
        parts = [compile_contract(name) for name in PARTS["MarginEngine"]]
        # Nonces 0-2 are spent: the vault is 3, then legs, deleveraging, admin, liquidation, engine.
        address = create_address(bytes.fromhex(deployer[2:]), 8)
        self.vault = evm.deploy(
            compile_contract("CollateralVault"),
            address,
            self.quote.address,
            self.owner,
            sender=deployer,
        )
        legs = evm.deploy(parts[4], self.vault.address, sender=deployer)
        last = evm.deploy(parts[3], self.vault.address, legs.address, sender=deployer)
        admin = evm.deploy(parts[2], self.vault.address, last.address, sender=deployer)
        second = evm.deploy(parts[1], self.vault.address, admin.address, sender=deployer)
        first = evm.deploy(
            parts[0],
            self.vault.address,
            second.address,
            self.venue,
            self.owner,
            self.guardian,
            sender=deployer,
        )
        assert first.raw_address == address, "the engine is not where the vault expects it"
        self.risk = evm.deploy(
            compile_contract("StandardMargin"),
            self.oracle.address,
            first.address,
            self.owner,
            sender=deployer,
        )
        self.engine: Any = evm.at(merged_abi([part.abi for part in parts]), address)
        self.layout = parts[0].storage_layout["storage_layout"]
        self.risk_layout = compile_contract("StandardMargin").storage_layout["storage_layout"]

    def configure(self, haircut: int, period: int, rates: tuple[int, ...]) -> None:
        """Wire the modules and set core, interest and fee split."""
        engine, owner, evm = self.engine, self.owner, self.evm
        engine.set_core(self.risk.address, haircut, period, sender=owner)
        for kind, module in ((1, self.auction), (2, self.fund)):
            evm.set_code(module, b"\x00")  # modules must have code when they are set
            engine.set_module(kind, module, sender=owner)
            evm.set_code(module, b"")
        engine.set_rates(rates, sender=owner)

    def list_coin(self, feed: int, maintenance: int, initial: int) -> None:
        """List the 18-decimal token as collateral; its cap opens with time."""
        self.vault.list_asset(
            self.coin.address, feed, maintenance, initial, COIN_CAP, CAP_RAMP, sender=self.owner
        )
        self.evm.advance(CAP_RAMP)

    def list_market(
        self, market: int, feed: int, p: MarketParameters, config: tuple[int, ...]
    ) -> None:
        """List a market with the risk model and the engine."""
        self.risk.list_market(market, feed, p.astuple(), sender=self.owner)
        self.engine.list_market(config, sender=self.owner)

    def set_quote(self, feed: int, quote: Quote) -> None:
        """What the oracle says of a feed from now on."""
        self.oracle.set_word(feed, quote.pack())

    def person(self, quote: int = 10**15, coin: int = 10**22) -> str:
        """An address with both tokens, approved for the vault."""
        who = self.evm.account()
        for token, amount in ((self.quote, quote), (self.coin, coin)):
            token.mint(who, amount)
            token.approve(self.vault.address, 2**256 - 1, sender=who)
        return who

    # -- raw storage

    def storage(self) -> tuple[dict[int, int], dict[int, int]]:
        """All words of the engine and of the risk model."""
        backend: Any = self.evm.backend
        found: dict[bytes, dict[int, int]] = {}
        wanted = (self.engine.raw_address, self.risk.raw_address)
        for address, (_, _, storage) in backend._env.export_snapshot()[1]:
            if address in wanted:
                found[address] = {
                    int.from_bytes(k, "little"): int.from_bytes(v, "little") for k, v in storage
                }
        return found[wanted[0]], found[wanted[1]]

    def slot(self, module: str, name: str, *keys: int) -> int:
        """Slot of an engine variable."""
        entry = self.layout[module][name]
        return slot_of(entry["slot"], entry["type"], *keys)


def merged_abi(parts: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """One ABI for several bytecodes behind one address."""
    seen, merged = set(), []
    for entry in (entry for part in parts for entry in part):
        if entry["type"] not in ("function", "event"):
            continue
        key = (entry["type"], entry["name"], str([i["type"] for i in entry["inputs"]]))
        if key not in seen:
            seen.add(key)
            merged.append(entry)
    return merged
