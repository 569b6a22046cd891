"""Deploys the house's surroundings, each part only where no address is listed for it.

On an empty chain everything is ours; on a fork of a real network the listed parts are used and
the rest is added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from eth_utils.address import to_checksum_address

from plimsoll.localnet.artifacts import NodeModules
from plimsoll.localnet.errors import LocalnetError, PartMissing, RpcError
from plimsoll.localnet.pool import (
    FAR_DEADLINE,
    MAX_UINT,
    WETH_UNIT,
    pool_address_from,
    price_to_sqrt,
    wrap_up_to,
)
from plimsoll.localnet.rpc import Rpc
from plimsoll.localnet.safe import create_safe
from plimsoll.localnet.tx import (
    Sender,
    deal_erc20,
    encode_args,
    read,
)

Progress = Callable[[str], None]

TICK_SPACING = {100: 1, 500: 10, 3000: 60, 10000: 200}
MAX_TICK = 887_272
DOLLAR_SUPPLY = 10**12 * 10**6  # dollar units: a trillion dollars, all the deployer's at first
PART_NAMES = (
    "weth",
    "usd",
    "uniswap_factory",
    "nft_descriptor",
    "position_descriptor",
    "position_manager",
    "swap_router",
    "quoter",
    "pool",
    "safe_singleton",
    "safe_proxy_factory",
    "safe_fallback_handler",
    "multi_send_call_only",
    "safe",
)


@dataclass(frozen=True)
class Extra:
    """One more contract to deploy after the rest: constructor arguments belong to `initcode`."""

    name: str
    initcode: bytes


@dataclass(frozen=True)
class Surroundings:
    """What to build. Units: dollars and dollars per ether as Decimal, `pool_fee` in 1e-6.

    The pool starts at `price_usd` with `liquidity_usd` (both sides together) over its full range,
    so that swaps can take the price anywhere. `observations` is how many price observations
    it keeps, for time-weighted reads. Each account in `fund` starts with `usd_each`.
    """

    price_usd: Decimal = Decimal(2_000)
    liquidity_usd: Decimal = Decimal(40_000_000)
    pool_fee: int = 3_000
    observations: int = 64
    safe_owners: tuple[str, ...] = ()
    safe_threshold: int = 2
    fund: tuple[str, ...] = ()
    usd_each: Decimal = Decimal(100_000_000)
    extras: tuple[Extra, ...] = field(default=())


def silent(_: str) -> None:
    """A progress callback that says nothing."""


def build_surroundings(
    sender: Sender,
    modules: NodeModules,
    plan: Surroundings,
    listed: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> dict[str, str]:
    """Addresses by name (PART_NAMES plus the extras), checksummed.

    A part in `listed` is used as it is, after checking that code is there (else PartMissing);
    the others are deployed by `sender`, who also pays the pool's liquidity: ether from its
    balance, dollars from the supply it received or, for a listed dollar, by `anvil_dealERC20`.
    """
    return _Builder(sender, modules, plan, progress, _check_listed(sender.rpc, listed or {})).run()


def _check_listed(rpc: Rpc, listed: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(set(listed) - set(PART_NAMES))
    if unknown:
        raise PartMissing(f"expected part names among {', '.join(PART_NAMES)}, got {unknown}")
    codes = rpc.batch([("eth_getCode", [address, "latest"]) for address in listed.values()])
    for (name, address), code in zip(listed.items(), codes, strict=True):
        if code == "0x":
            raise PartMissing(
                f"expected code at the listed {name} {address}, got none on chain "
                f"{rpc.chain_id()}; correct the address or leave the part out"
            )
    return {name: to_checksum_address(address) for name, address in listed.items()}


@dataclass
class _Builder:
    sender: Sender
    modules: NodeModules
    plan: Surroundings
    progress: Progress
    made: dict[str, str]

    def run(self) -> dict[str, str]:
        own_dollar = "usd" not in self.made
        self._tokens()
        self._uniswap()
        self._safe()
        if not own_dollar:
            self._deal(self.sender.address, self._usd_units(self.plan.liquidity_usd))
        self._pool()
        self._fund(own_dollar)
        for extra in self.plan.extras:
            if extra.name in self.made:
                raise LocalnetError(f"expected a free name for an extra part, got {extra.name!r}")
            self._deploy(extra.name, extra.initcode)
        return self.made

    def _deploy(self, name: str, initcode: bytes) -> str:
        if name not in self.made:
            self.made[name] = self.sender.deploy(initcode, what=f"deployment of {name}")
            self.progress(f"origin: {name} at {self.made[name]}")
        return self.made[name]

    def _part(self, name: str, types: str = "()", *values: object) -> str:
        if name in self.made:
            return self.made[name]
        arguments = encode_args(types, *values) if values else b""
        return self._deploy(name, self.modules.creation_code(name) + arguments)

    def _tokens(self) -> None:
        self._part("weth")
        if "usd" not in self.made:
            self.progress("origin: compiling the dollar")
            holder = encode_args("(address,uint256)", self.sender.address, DOLLAR_SUPPLY)
            self._deploy("usd", self.modules.dollar_code() + holder)

    def _uniswap(self) -> None:
        weth = self.made["weth"]
        factory = self._part("uniswap_factory")
        if "position_manager" not in self.made:
            descriptor = self._descriptor(weth)
            self._part("position_manager", "(address,address,address)", factory, weth, descriptor)
        self._part("swap_router", "(address,address)", factory, weth)
        self._part("quoter", "(address,address)", factory, weth)

    def _descriptor(self, weth: str) -> str:
        if "position_descriptor" in self.made:
            return self.made["position_descriptor"]
        library = self._part("nft_descriptor")
        code = self.modules.creation_code("position_descriptor", {"NFTDescriptor": library})
        symbol = b"ETH".ljust(32, b"\0")
        return self._deploy(
            "position_descriptor", code + encode_args("(address,bytes32)", weth, symbol)
        )

    def _safe(self) -> None:
        for name in (
            "safe_singleton",
            "safe_proxy_factory",
            "safe_fallback_handler",
            "multi_send_call_only",
        ):
            self._part(name)
        if "safe" not in self.made and self.plan.safe_owners:
            self.made["safe"] = create_safe(
                self.sender, self.made, self.plan.safe_owners, self.plan.safe_threshold
            )
            self.progress(f"origin: safe at {self.made['safe']}")

    def _pool(self) -> None:
        if "pool" in self.made:
            return
        plan, weth, usd = self.plan, self.made["weth"], self.made["usd"]
        known = pool_address_from(
            self.sender.rpc, self.made["uniswap_factory"], weth, usd, plan.pool_fee
        )
        if known is not None:
            self.made["pool"] = to_checksum_address(known)
            return
        self.made["pool"] = self._create_pool(weth, usd)
        self.progress(f"origin: pool at {self.made['pool']}, {plan.price_usd} dollars per ether")

    def _create_pool(self, weth: str, usd: str) -> str:
        plan, sender = self.plan, self.sender
        token0, token1 = sorted((weth, usd), key=lambda one: int(one, 16))
        weth_is_token0 = token0 == weth
        unit = self._usd_unit()
        sender.call(
            self.made["position_manager"],
            "createAndInitializePoolIfNecessary(address,address,uint24,uint160)",
            token0,
            token1,
            plan.pool_fee,
            price_to_sqrt(plan.price_usd, unit, weth_is_token0),
        )
        pool = pool_address_from(sender.rpc, self.made["uniswap_factory"], weth, usd, plan.pool_fee)
        if pool is None:
            raise LocalnetError("expected a pool after its creation, got none")
        pool = to_checksum_address(pool)
        sender.call(pool, "increaseObservationCardinalityNext(uint16)", plan.observations)
        self._mint_liquidity(token0, token1, weth_is_token0, unit)
        return pool

    def _mint_liquidity(self, token0: str, token1: str, weth_is_token0: bool, unit: int) -> None:
        plan, sender = self.plan, self.sender
        half = plan.liquidity_usd / 2
        usd_amount = int(half * unit)
        weth_amount = int(half / plan.price_usd * WETH_UNIT)
        wrap_up_to(sender, self.made["weth"], weth_amount)
        manager = self.made["position_manager"]
        for token in (token0, token1):
            sender.call(token, "approve(address,uint256)", manager, MAX_UINT)
        amounts = (weth_amount, usd_amount) if weth_is_token0 else (usd_amount, weth_amount)
        spacing = TICK_SPACING[plan.pool_fee]
        tick = MAX_TICK // spacing * spacing
        position = (
            token0,
            token1,
            plan.pool_fee,
            -tick,
            tick,
            *amounts,
            0,
            0,
            sender.address,
            FAR_DEADLINE,
        )
        sender.call(
            manager,
            "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,"
            "address,uint256))",
            position,
        )

    def _fund(self, own_dollar: bool) -> None:
        amount = self._usd_units(self.plan.usd_each)
        for holder in self.plan.fund:
            if not own_dollar:
                self._deal(holder, amount)
            elif holder != self.sender.address:
                self.sender.call(self.made["usd"], "transfer(address,uint256)", holder, amount)

    def _deal(self, holder: str, amount: int) -> None:
        usd = self.made["usd"]
        (held,) = read(self.sender.rpc, usd, "balanceOf(address)", "(uint256)", holder)
        if held >= amount:
            return
        try:
            deal_erc20(self.sender.rpc, usd, holder, amount)
        except RpcError as error:
            raise PartMissing(
                f"{holder} needs {amount} units of the listed dollar {usd} and this node cannot "
                f"give them ({error}); fund it, or leave `usd` out of the listed parts"
            ) from error

    def _usd_unit(self) -> int:
        (decimals,) = read(self.sender.rpc, self.made["usd"], "decimals()", "(uint8)")
        return int(10**decimals)

    def _usd_units(self, dollars: Decimal) -> int:
        return int(dollars * self._usd_unit())
