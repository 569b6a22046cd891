"""The WETH/dollar pool of Uniswap v3: price, swaps, moving the price to a target.

Prices are dollars per ether as Decimal; amounts are integers in token units (WETH 1e18, dollar
by its decimals). sqrtPriceX96 is the pool's own: sqrt(token1 units / token0 units) * 2^96.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from math import isqrt

from plimsoll.localnet.errors import LocalnetError
from plimsoll.localnet.rpc import Rpc
from plimsoll.localnet.tx import Sender, read

Q96 = 2**96
MAX_UINT = 2**256 - 1
FEE_UNIT = 1_000_000  # a pool's fee is in hundredths of a basis point
WETH_UNIT = 10**18
FAR_DEADLINE = 2**64  # unix seconds: deadlines are not this tool's business


@dataclass(frozen=True)
class Pool:
    """One WETH/dollar pool; `fee` in 1e-6, `usd_unit` is 10^decimals of the dollar."""

    address: str
    weth: str
    usd: str
    router: str
    fee: int
    usd_unit: int = 10**6

    @classmethod
    def of(cls, rpc: Rpc, addresses: Mapping[str, str]) -> Pool:
        """The pool among an address mapping with keys pool, weth, usd, swap_router."""
        (fee,) = read(rpc, addresses["pool"], "fee()", "(uint24)")
        (decimals,) = read(rpc, addresses["usd"], "decimals()", "(uint8)")
        return cls(
            addresses["pool"],
            addresses["weth"],
            addresses["usd"],
            addresses["swap_router"],
            fee,
            10**decimals,
        )

    @property
    def weth_is_token0(self) -> bool:
        """Whether WETH has the lower address."""
        return int(self.weth, 16) < int(self.usd, 16)

    def price(self, rpc: Rpc, block: int | str = "latest") -> Decimal:
        """Dollars per ether, mid, after the last swap of `block`."""
        return sqrt_to_price(self.sqrt_price(rpc, block), self.usd_unit, self.weth_is_token0)

    def sqrt_price(self, rpc: Rpc, block: int | str = "latest") -> int:
        """sqrtPriceX96 of slot0."""
        (root, _) = read(rpc, self.address, "slot0()", "(uint160,int24)", block=block)
        return int(root)

    def swap(
        self, sender: Sender, token_in: str, amount: int, sqrt_limit: int = 0, min_out: int = 0
    ) -> int:
        """Exact-input swap of the sender's tokens; returns the amount received.

        With `sqrt_limit` the swap stops at that price and takes only what it used.
        """
        token_out = self.usd if int(token_in, 16) == int(self.weth, 16) else self.weth
        self._approve(sender, token_in, amount)
        before = _balance(sender.rpc, token_out, sender.address)
        sender.call(
            self.router,
            "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))",
            (
                token_in,
                token_out,
                self.fee,
                sender.address,
                FAR_DEADLINE,
                amount,
                min_out,
                sqrt_limit,
            ),
        )
        return _balance(sender.rpc, token_out, sender.address) - before

    def move_price(self, sender: Sender, target: Decimal) -> Decimal:
        """Swap until the pool's price is `target` (dollars per ether); returns the new price.

        Ether is wrapped as needed. Errors: LocalnetError when the sender's tokens run out
        before the target.
        """
        goal = price_to_sqrt(target, self.usd_unit, self.weth_is_token0)
        here = self.sqrt_price(sender.rpc)
        if goal == here:
            return self.price(sender.rpc)
        token0_in = goal < here  # selling token0 lowers token1 per token0
        sells_weth = token0_in == self.weth_is_token0
        token_in = self.weth if sells_weth else self.usd
        amount = self._amount_to(sender.rpc, here, goal)
        if sells_weth:
            wrap_up_to(sender, self.weth, amount)
        held = _balance(sender.rpc, token_in, sender.address)
        self.swap(sender, token_in, min(amount, held), goal)
        if self.sqrt_price(sender.rpc) != goal:
            raise LocalnetError(
                f"expected the pool at {target} dollars per ether, got {self.price(sender.rpc)}: "
                f"{sender.address} needs {amount} units of {token_in}, it had {held}"
            )
        return self.price(sender.rpc)

    def _amount_to(self, rpc: Rpc, here: int, goal: int) -> int:
        """Input that reaches `goal` if the liquidity in range stays as it is, plus 1 %."""
        (liquidity,) = read(rpc, self.address, "liquidity()", "(uint128)")
        if goal < here:
            net = liquidity * Q96 * (here - goal) // (here * goal)
        else:
            net = liquidity * (goal - here) // Q96
        return int(net * FEE_UNIT // (FEE_UNIT - self.fee)) * 101 // 100 + 2

    def _approve(self, sender: Sender, token: str, amount: int) -> None:
        (allowed,) = read(
            sender.rpc,
            token,
            "allowance(address,address)",
            "(uint256)",
            sender.address,
            self.router,
        )
        if allowed < amount:
            sender.call(token, "approve(address,uint256)", self.router, MAX_UINT)


def wrap_up_to(sender: Sender, weth: str, amount: int) -> None:
    """Wrap as much ether as the sender's WETH balance lacks to reach `amount` (wei)."""
    short = amount - _balance(sender.rpc, weth, sender.address)
    if short > 0:
        sender.call(weth, "deposit()", value=short)


def price_to_sqrt(price: Decimal, usd_unit: int, weth_is_token0: bool) -> int:
    """sqrtPriceX96 of a price in dollars per ether, rounded down."""
    if price <= 0:
        raise LocalnetError(f"expected a price above 0 dollars per ether, got {price}")
    top, bottom = price.as_integer_ratio()
    usd, weth = top * usd_unit, bottom * WETH_UNIT
    if weth_is_token0:
        return isqrt((usd << 192) // weth)
    return isqrt((weth << 192) // usd)


def sqrt_to_price(root: int, usd_unit: int, weth_is_token0: bool) -> Decimal:
    """Dollars per ether of a sqrtPriceX96, to 28 digits."""
    with localcontext() as context:
        context.prec = 60
        raw = Decimal(root * root) / Decimal(Q96 * Q96)
        scale = Decimal(WETH_UNIT) / Decimal(usd_unit)
        price = raw * scale if weth_is_token0 else scale / raw
        context.prec = 28
        return +price


def _balance(rpc: Rpc, token: str, holder: str) -> int:
    (amount,) = read(rpc, token, "balanceOf(address)", "(uint256)", holder)
    return int(amount)


def pool_address_from(rpc: Rpc, factory: str, weth: str, usd: str, fee: int) -> str | None:
    """The factory's pool for the pair, or None when it has none."""
    (found,) = read(rpc, factory, "getPool(address,address,uint24)", "(address)", weth, usd, fee)
    return None if int(found, 16) == 0 else str(found)
