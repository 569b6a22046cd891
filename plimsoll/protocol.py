"""A typed handle on a deployment: reads in `Decimal`, previews, transactions, decoded errors.

    from plimsoll.protocol import Protocol
    house = Protocol.connect("deployments/11155111/sepolia.json", "https://...")
    house.margin(account_id(owner)).health
    house.margin_after(account_id(owner), "ETH-PERP", "1.5", "2000").free
    house = Protocol.connect(manifest, url, key="0x...")         # with a key it also sends
    house.deposit(account, "1000")

Works over web3 without ape, over ape's provider (a `Web3Chain` of `provider.web3`), and on the
in-process EVM (`Protocol.of_house(house)`). Money is USD, sizes are units of the underlying, prices
USD per unit; integers appear only in account, market and auction ids. A revert
raises `ProtocolError`, whose `info` is its line of the error table. Auctions, intents and what
stands behind them are in `plimsoll.liquidation_calls`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plimsoll.deployment.abi import calldata, decoder
from plimsoll.deployment.chain import CallReverted, Chain, EvmChain, Sent
from plimsoll.deployment.config import Collateral, Deployment
from plimsoll.errors import ErrorInfo, decode
from plimsoll.liquidation_calls import LiquidationCalls
from plimsoll.units import (
    Number,
    from_lots,
    from_quote_units,
    from_ticks,
    from_token_units,
    from_units,
    lots,
    quote_units,
    ticks,
    token_units,
)

if TYPE_CHECKING:
    from plimsoll.deployment.house import House
    from plimsoll.deployment.manifest import Manifest

FOREVER = 2**256 - 1


class ProtocolError(RuntimeError):
    """The chain refused. `info`: its line of the error table, None for a foreign reason."""

    def __init__(self, call: str, data: bytes, text: str) -> None:
        super().__init__(f"{call}: {text}")
        self.call = call
        self.data = data
        self.info: ErrorInfo | None = decode(data)

    @property
    def name(self) -> str:
        """The error's name, "" where it is not one of ours."""
        return self.info.name if self.info else ""


class FeedState(IntEnum):
    """What a price may be used for; see the oracle adapter."""

    OK = 0
    DEGRADED = 1
    STALE = 2
    HALTED = 3


class Mode(IntEnum):
    """Margin mode of an account."""

    CROSS = 0
    ISOLATED = 1


@dataclass(frozen=True)
class Margin:
    """All in USD."""

    equity: Decimal
    requirement: Decimal
    initial_equity: Decimal
    initial_requirement: Decimal

    @property
    def health(self) -> Decimal:
        """E / R; infinity where nothing is required."""
        return self.equity / self.requirement if self.requirement else Decimal("Infinity")

    @property
    def free(self) -> Decimal:
        """E_init - R_init: what may still be put at risk; negative where nothing may."""
        return self.initial_equity - self.initial_requirement

    @property
    def liquidatable(self) -> bool:
        """E < R."""
        return self.equity < self.requirement


@dataclass(frozen=True)
class Position:
    """Signed size in units of the underlying; `quote` and `value` in USD."""

    market: str
    size: Decimal
    quote: Decimal  # minus what was paid, fees, funding and charges included
    value: Decimal  # unrealised P&L at mark


@dataclass(frozen=True)
class PendingEvent:
    """What deleveraging did to a position since its last touch; sizes in units, money in USD."""

    market: str
    stored: Decimal  # signed size at the last touch
    size: Decimal  # signed size that a touch now would leave
    shrinks: int  # times its side was shrunk since
    settled: Decimal  # worth of what was closed, each time at mark less index


@dataclass(frozen=True)
class MarketView:
    """Open interest of either side in units; mark and indices in USD per unit; the rest in USD."""

    id: int
    name: str
    open_interest: Decimal
    mark: Decimal
    funding: Decimal
    unrealised: Decimal
    fees: Decimal
    status: int
    state: FeedState


@dataclass(frozen=True)
class Residual:
    """What deleveraging left the fund of a market: whole lots of each side, in units.

    The values, in USD, are what selling them at the mark would earn the fund.
    """

    market: str
    longs: Decimal
    shorts: Decimal
    long_value: Decimal
    short_value: Decimal


@dataclass(frozen=True)
class Price:
    """An index price in USD with its band; `volatility` is annualised (0.7 is 70 %)."""

    price: Decimal
    low: Decimal
    high: Decimal
    timestamp: int
    state: FeedState
    volatility: Decimal


@dataclass(frozen=True)
class Solvency:
    """The house's balance sheet in USD. `gap` is 0, exactly, always."""

    vault: Decimal
    supplied: Decimal
    borrowed: Decimal
    unrealised: Decimal
    fund: Decimal
    keeper: Decimal
    fees: Decimal
    pending: Decimal
    gap: int


def account_id(owner: str, index: int = 0) -> int:
    """Id of an owner's account: owner << 96 | index."""
    if not 0 <= index < 2**96:
        raise ValueError(f"expected an index below 2**96, got {index}")
    return int(owner, 16) << 96 | index


def owner_of(account: int) -> str:
    """The owner of an account, checksummed."""
    from eth_utils.address import to_checksum_address

    return str(to_checksum_address(f"0x{account >> 96:040x}"))


class Protocol(LiquidationCalls):
    """One deployment on one chain."""

    def __init__(self, addresses: dict[str, str], config: Deployment, chain: Chain) -> None:
        self.addresses = addresses
        self.config = config
        self.chain = chain

    @classmethod
    def connect(cls, manifest: str | Path | Manifest, url: str, key: str | None = None) -> Protocol:
        """A handle over an HTTP node; with a private key it also sends."""
        from plimsoll.deployment.manifest import Manifest
        from plimsoll.deployment.rpc import LocalSigner, Watcher, Web3Chain, connect

        loaded = manifest if isinstance(manifest, Manifest) else Manifest.load(Path(manifest))
        signer = LocalSigner(key) if key else Watcher()
        chain = Web3Chain(connect(url), signer)
        if chain.chain_id != loaded.chain_id:
            raise ValueError(
                f"expected a node of chain {loaded.chain_id}, got one of {chain.chain_id}"
            )
        return cls(loaded.addresses(), loaded.settings(), chain)

    @classmethod
    def of_house(cls, house: House, sender: str | None = None) -> Protocol:
        """A handle on an in-process house, sending as `sender`."""
        chain = EvmChain(house.evm, sender or house.plan.account)
        return cls(dict(house.plan.addresses), house.config, chain)

    # -- raw access

    def read(self, contract: str, function: str, *args: Any) -> Any:
        """A view in chain integers; structs as named tuples. Raises `ProtocolError`."""
        data = calldata(contract, function, *args)
        try:
            reply = self.chain.call(self.addresses[contract], data)
        except CallReverted as exc:
            raise ProtocolError(f"{contract}.{function}", exc.data, exc.text) from exc
        return decoder(contract, function)(reply)

    def send(self, contract: str, function: str, *args: Any) -> Sent:
        """A transaction with chain integers, mined when this returns. Raises `ProtocolError`."""
        return self._transact(
            self.addresses[contract], calldata(contract, function, *args), f"{contract}.{function}"
        )

    def _transact(self, to: str, data: bytes, call: str) -> Sent:
        try:
            return self.chain.send(to, data, call)
        except CallReverted as exc:
            raise ProtocolError(call, exc.data, exc.text) from exc

    # -- names

    def market_id(self, market: str | int) -> int:
        """A market's id by its name in the configuration."""
        if isinstance(market, int):
            return market
        names = [one.name for one in self.config.markets]
        if market not in names:
            raise ValueError(f"expected one of the markets {names}, got {market!r}")
        return names.index(market)

    def market_name(self, market: int) -> str:
        """A market's name; its number where it was listed after the deployment."""
        known = self.config.markets
        return known[market].name if market < len(known) else str(market)

    def _feed_id(self, feed: str | int) -> int:
        return feed if isinstance(feed, int) else self.config.feed_id(feed)

    def _asset(self, asset: str) -> Collateral:
        for one in self.config.collateral:
            if asset in (one.name, one.token):
                return one
        names = [one.name for one in self.config.collateral]
        raise ValueError(f"expected one of the collateral assets {names}, got {asset!r}")

    # -- accounts

    def margin(self, account: int) -> Margin:
        """Equity and requirements now."""
        return _margin(self.read("MarginEngine", "margin", account))

    def margin_after(self, account: int, market: str | int, size: Number, price: Number) -> Margin:
        """The same after a hypothetical fill of signed size at a price, fees aside."""
        trial = (self.market_id(market), lots(size), ticks(price))
        return _margin(self.read("MarginEngine", "margin_after", account, trial))

    def position(self, account: int, market: str | int) -> Position:
        """A position as a touch now would leave it."""
        number = self.market_id(market)
        word = self.read("MarginEngine", "position", account, number)
        return Position(
            market=self.market_name(number),
            size=from_lots(word.lots),
            quote=from_quote_units(word.quote),
            value=from_quote_units(word.value),
        )

    def pending_event(self, account: int, market: str | int) -> PendingEvent:
        """What deleveraging did to a position since it was last touched."""
        number = self.market_id(market)
        event = self.read("MarginEngine", "pending_event", account, number)
        return PendingEvent(
            market=self.market_name(number),
            stored=from_lots(event.stored),
            size=from_lots(event.lots),
            shrinks=event.shrinks,
            settled=from_quote_units(event.settled),
        )

    def markets_held(self, account: int) -> list[int]:
        """Ids of the markets in which the account has a position."""
        bits = self.read("MarginEngine", "held", account)
        return [market for market in range(256) if bits >> market & 1]

    def positions(self, account: int) -> list[Position]:
        """All positions of an account."""
        return [self.position(account, market) for market in self.markets_held(account)]

    def cash(self, account: int) -> tuple[Decimal, Decimal]:
        """Cash (negative: a loan) and the fresh profit in it, USD."""
        value, fresh = self.read("MarginEngine", "cash_of", account)
        return from_quote_units(value), from_quote_units(fresh)

    def collateral(self, account: int) -> dict[str, Decimal]:
        """Tokens held by the asset's name in the configuration."""
        return {
            asset.name: from_token_units(
                self.read("CollateralVault", "balance_of", account, asset.token), asset.decimals
            )
            for asset in self.config.collateral
        }

    # -- markets and the house

    def market(self, market: str | int) -> MarketView:
        """A market's aggregates."""
        number = self.market_id(market)
        word = self.read("MarginEngine", "market", number)
        return MarketView(
            id=number,
            name=self.market_name(number),
            open_interest=from_lots(word.open_interest),
            mark=from_ticks(word.mark),
            funding=from_ticks(word.funding),
            unrealised=from_quote_units(word.unrealised),
            fees=from_quote_units(word.fees),
            status=word.status,
            state=FeedState(word.state),
        )

    def residual(self, market: str | int) -> Residual:
        """What deleveraging left the fund of a market."""
        number = self.market_id(market)
        word = self.read("MarginEngine", "residual_of", number)
        return Residual(
            market=self.market_name(number),
            longs=from_lots(word.longs),
            shorts=from_lots(word.shorts),
            long_value=from_quote_units(word.long_value),
            short_value=from_quote_units(word.short_value),
        )

    def price(self, feed: str | int) -> Price:
        """A feed's index price."""
        word = self.read("OracleAdapter", "read", self._feed_id(feed))
        return Price(
            price=from_ticks(word.price),
            low=from_ticks(word.low),
            high=from_ticks(word.high),
            timestamp=word.timestamp,
            state=FeedState(word.state),
            volatility=from_units(word.variance, -12).sqrt(),
        )

    def solvency(self) -> Solvency:
        """The balance sheet."""
        word = self.read("MarginEngine", "solvency")
        names = ("vault", "supplied", "borrowed", "unrealised", "fund", "keeper", "fees", "pending")
        parts = {name: from_quote_units(getattr(word, name)) for name in names}
        return Solvency(**parts, gap=word.gap)

    # -- transactions: amounts are exact; a value between two units is refused

    def approve(self, asset: str = "quote", amount: Number | None = None) -> Sent:
        """Lets the vault take tokens of the sender; without an amount any number of them."""
        if asset == "quote":
            token, decimals = self.config.quote_token, 6
        else:
            token, decimals = self._asset(asset).token, self._asset(asset).decimals
        units = FOREVER if amount is None else token_units(amount, None, decimals)
        data = bytes.fromhex("095ea7b3") + bytes(12)
        data += bytes.fromhex(self.addresses["CollateralVault"][2:]) + units.to_bytes(32, "big")
        return self._transact(token, data, f"approve {asset}")

    def deposit(self, account: int, usd: Number) -> Sent:
        """Quote tokens of the sender into an account's cash."""
        return self.send("MarginEngine", "deposit", account, token_units(usd))

    def withdraw(self, account: int, usd: Number, receiver: str) -> Sent:
        """Quote tokens out of an account of the sender."""
        return self.send("MarginEngine", "withdraw", account, token_units(usd), receiver)

    def deposit_collateral(self, account: int, asset: str, amount: Number) -> Sent:
        """Collateral tokens of the sender into an account."""
        held = self._asset(asset)
        units = token_units(amount, None, held.decimals)
        return self.send("CollateralVault", "deposit", account, held.token, units)

    def withdraw_collateral(self, account: int, asset: str, amount: Number, receiver: str) -> Sent:
        """Collateral tokens out of an account of the sender."""
        held = self._asset(asset)
        units = token_units(amount, None, held.decimals)
        return self.send("CollateralVault", "withdraw", account, held.token, units, receiver)

    def transfer(self, giver: int, taker: int, usd: Number) -> Sent:
        """Cash between two accounts of one owner."""
        return self.send("MarginEngine", "transfer", giver, taker, quote_units(usd))

    def set_operator(
        self,
        operator: str,
        expiry: int,
        *,
        trade: bool = False,
        move: bool = False,
        budget_usd: Number = 0,
    ) -> Sent:
        """Lets an operator act for the sender's accounts until `expiry` (unix s; 0 revokes)."""
        scope = int(trade) | int(move) << 1
        budget = quote_units(budget_usd)
        return self.send("MarginEngine", "set_operator", operator, expiry, scope, budget)

    def set_mode(self, account: int, mode: Mode) -> Sent:
        """Chooses the margin mode."""
        return self.send("MarginEngine", "set_mode", account, int(mode))

    def realise(self, account: int, market: str | int) -> Sent:
        """Moves a position's loss to cash."""
        return self.send("MarginEngine", "realise", account, self.market_id(market))

    def poke(self, feed: str | int, update: bytes = b"") -> Sent:
        """Brings a feed up to date, with a signed report or without."""
        return self.send("OracleAdapter", "poke", self._feed_id(feed), update)

    def fill(self, function: str, *args: Sequence[Any] | int) -> Sent:
        """One of SignedOrders' fills, arguments as `plimsoll.orders` builds them."""
        return self.send("SignedOrders", function, *args)


def _margin(word: Any) -> Margin:
    return Margin(
        equity=from_quote_units(word.equity),
        requirement=from_quote_units(word.requirement),
        initial_equity=from_quote_units(word.initial_equity),
        initial_requirement=from_quote_units(word.initial_requirement),
    )
