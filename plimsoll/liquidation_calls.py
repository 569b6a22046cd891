"""The part of the typed handle that concerns liquidation; see `plimsoll.protocol`.

Reads come as dataclasses in `Decimal` USD, sizes in units of the underlying, shares and x as
fractions; transactions take the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from plimsoll.deployment.chain import Sent
from plimsoll.units import (
    Number,
    Rounding,
    from_lots,
    from_quote_units,
    from_token_units,
    from_units,
    lots,
    quote_units,
    to_units,
    token_units,
)

AUCTION, FUND, ENGINE = "LiquidationAuction", "InsuranceFund", "MarginEngine"
FOREVER = 2**63  # a deadline
EVERY_MARKET = 2**256 - 1


@dataclass(frozen=True)
class AuctionQuote:
    """What a bid for all that is on sale costs now; money in USD, shares as fractions."""

    id: int
    x: Decimal
    equity: Decimal
    requirement: Decimal
    fraction: Decimal
    cost: Decimal  # negative: the fund pays the bidder
    fee: Decimal
    elapsed: int
    held: int  # s of it for which the sale limiter held x
    stopped: bool
    over: bool
    priority: int  # s of auction clock until bids are open beside intents
    room: Decimal  # largest fraction the sale limiter lets be sold now
    wait: int  # s until the sale limiter lets all that is on sale go in one slice


@dataclass(frozen=True)
class LegQuote:
    """The most of a single leg that may be taken now, at mark; money in USD, size unsigned."""

    id: int
    x: Decimal
    size: Decimal  # 0 where none may
    cost: Decimal  # negative: the bidder is paid a premium
    fee: Decimal  # out of the account, on top
    removed: Decimal  # the requirement that the sale takes off the account
    priority: int  # s of auction clock until bids are open
    stopped: bool


@dataclass(frozen=True)
class PreQuote:
    """What a pre-liquidation would be now; money in USD, shares as fractions."""

    until: int  # unix s up to which the owner has agreed; 0 where not
    used: Decimal  # sold within the hour
    equity: Decimal
    requirement: Decimal
    fraction: Decimal  # 0 where none is open
    cost: Decimal
    fee: Decimal


@dataclass(frozen=True)
class AuctionRun:
    """An account's auction as stored, its clock brought to now. `seen`: unix s of the last sync."""

    running: bool
    stopped: bool
    number: int
    curve: int
    elapsed: int
    held: int  # s of it for which the sale limiter held x
    seen: int
    starter: str | None  # who is still owed the starter's pay
    x: Decimal


@dataclass(frozen=True)
class Intent:
    """A promise to take slices. `capacity`, `largest` in USD of R; `markets` None: every one."""

    capacity: Decimal
    largest: Decimal
    premium: Decimal
    expiry: int
    collateral: bool
    markets: tuple[str, ...] | None


@dataclass(frozen=True)
class Deficits:
    """Losses known and not paid yet, USD. `excess`: of what is pending, beyond half of the fund."""

    pending: Decimal
    excess: Decimal
    hole: Decimal
    owed: Decimal
    pot: Decimal
    advances: Decimal
    socialisations: int


class LiquidationCalls(ABC):
    """Auctions, intents, pre-liquidation, deficits, the fund's payouts."""

    @abstractmethod
    def read(self, contract: str, function: str, *args: Any) -> Any:
        """A view in chain integers."""

    @abstractmethod
    def send(self, contract: str, function: str, *args: Any) -> Sent:
        """A transaction with chain integers."""

    @abstractmethod
    def market_id(self, market: str | int) -> int:
        """A market's id by its name."""

    @abstractmethod
    def market_name(self, market: int) -> str:
        """A market's name."""

    # -- auctions

    def auction(self, account: int) -> AuctionRun:
        """The account's auction, whether it runs or not."""
        word = self.read(AUCTION, "auction", account)
        return AuctionRun(
            running=word.running,
            stopped=word.stopped,
            number=word.number,
            curve=word.version,
            elapsed=word.elapsed,
            held=word.held,
            seen=word.seen,
            starter=word.starter if int(word.starter, 16) else None,
            x=from_units(word.x, -9),
        )

    def auction_quote(self, account: int) -> AuctionQuote:
        """What the account's auction asks at this time; `ProtocolError` NoAuction without one."""
        word = self.read(AUCTION, "cost", account)
        return AuctionQuote(
            id=word.id,
            x=from_units(word.x, -9),
            **_offer(word),
            elapsed=word.elapsed,
            held=word.held,
            stopped=word.stopped,
            over=word.over,
            priority=word.priority,
            room=from_units(word.room, -18),
            wait=word.wait,
        )

    def leg_quote(self, account: int, market: str | int) -> LegQuote:
        """The most of a leg that may be taken of an account in auction, and its premium."""
        word = self.read(AUCTION, "leg_quote", account, self.market_id(market))
        return LegQuote(
            id=word.id,
            x=from_units(word.x, -9),
            size=from_lots(word.lots),
            cost=from_quote_units(word.cost),
            fee=from_quote_units(word.fee),
            removed=from_quote_units(word.removed),
            priority=word.priority,
            stopped=word.stopped,
        )

    def start_auction(self, account: int) -> Sent:
        """Starts the auction of an account with E < R."""
        return self.send(AUCTION, "start", account)

    def sync_auction(self, account: int) -> Sent:
        """Brings the auction's clock and its noted deficit to now."""
        return self.send(AUCTION, "sync", account)

    def bid(
        self,
        account: int,
        bidder: int,
        cost_limit_usd: Number,
        deadline: int,
        *,
        auction_id: int = 0,
        max_fraction: Number = 1,
    ) -> Sent:
        """Bids for a slice. Id 0: whatever the account has become, within the cost limit."""
        limit = quote_units(cost_limit_usd, Rounding.FLOOR)
        call = (account, bidder, auction_id, _fraction(max_fraction), limit, deadline)
        return self.send(AUCTION, "bid", *call)

    def bid_leg(
        self,
        account: int,
        bidder: int,
        market: str | int,
        size: Number,
        cost_limit_usd: Number,
        deadline: int,
        *,
        auction_id: int = 0,
    ) -> Sent:
        """Takes so much of one leg at mark; a cost limit below zero is the least to be paid."""
        limit = quote_units(cost_limit_usd, Rounding.FLOOR)
        number = self.market_id(market)
        call = (account, bidder, auction_id, number, lots(size), limit, deadline)
        return self.send(AUCTION, "bid_leg", *call)

    def end_auction(self, account: int) -> Sent:
        """Ends the auction of an account that meets R again."""
        return self.send(AUCTION, "end", account)

    def deleverage(self, account: int, buyer: int = 0) -> Sent:
        """Closes an account nobody took against the opposite side."""
        return self.send(AUCTION, "deleverage", account, buyer)

    # -- pre-liquidation

    def pre_quote(self, account: int) -> PreQuote:
        """What a pre-liquidation of all that is open would be now."""
        word = self.read(AUCTION, "pre_quote", account)
        return PreQuote(
            until=word.until,
            used=from_units(word.used, -18),
            **_offer(word),
        )

    def set_pre_liquidation(self, account: int, on: bool) -> Sent:
        """Opts an account of the sender in or out of small slices between R and the band."""
        return self.send(AUCTION, "set_pre_liquidation", account, on)

    def pre_liquidate(
        self,
        account: int,
        bidder: int,
        cost_limit_usd: Number,
        deadline: int,
        *,
        max_fraction: Number = 1,
    ) -> Sent:
        """Takes a slice of an account that has asked for it."""
        limit = quote_units(cost_limit_usd, Rounding.FLOOR)
        call = (account, bidder, _fraction(max_fraction), limit, deadline)
        return self.send(AUCTION, "pre_liquidate", *call)

    # -- intents

    def intent(self, account: int) -> Intent | None:
        """An account's intent as it stands, expired or not; None without one."""
        word = self.read(AUCTION, "intent", account)
        if word.capacity == 0:
            return None
        held = [number for number in range(256) if word.markets >> number & 1]
        every = word.markets == EVERY_MARKET
        return Intent(
            capacity=from_token_units(word.capacity),
            largest=from_token_units(word.largest),
            premium=from_units(word.premium, -9),
            expiry=word.expiry,
            collateral=word.collateral,
            markets=None if every else tuple(self.market_name(one) for one in held),
        )

    def commit_intent(
        self,
        account: int,
        capacity_usd: Number,
        premium: Number,
        expiry: int,
        *,
        largest_usd: Number | None = None,
        markets: Iterable[str | int] | None = None,
        collateral: bool = False,
    ) -> Sent:
        """Freezes an account of the sender and commits it to take slices, from x = premium on."""
        capacity = token_units(capacity_usd)
        largest = capacity if largest_usd is None else token_units(largest_usd)
        scope = EVERY_MARKET
        if markets is not None:
            scope = sum(1 << number for number in {self.market_id(one) for one in markets})
        terms = (capacity, largest, to_units(premium, -9), expiry, collateral, scope)
        return self.send(AUCTION, "commit_intent", account, terms)

    def revoke_intent(self, account: int) -> Sent:
        """Lets an intent of the sender expire in an hour."""
        return self.send(AUCTION, "revoke_intent", account)

    def release_intent(self, account: int) -> Sent:
        """Strikes out an expired intent and thaws its account."""
        return self.send(AUCTION, "release_intent", account)

    def fill_intent(self, account: int, intent: int, deadline: int = FOREVER) -> Sent:
        """Sells what is on sale of an account to the one that has promised to take it."""
        return self.send(AUCTION, "fill_intent", account, intent, deadline)

    # -- what stands behind

    def deficits(self) -> Deficits:
        """Losses known, and what is set aside for them."""
        word = self.read(ENGINE, "solvency")
        excess = max(0, word.pending - word.fund // 2)
        names = ("pending", "hole", "owed", "pot", "advances")
        return Deficits(
            **{name: from_quote_units(getattr(word, name)) for name in names},
            excess=from_quote_units(excess),
            socialisations=self.read(ENGINE, "deficits") >> 192,
        )

    def drawable(self, market: str | int) -> Decimal:
        """What the fund would pay now, USD, for a deficit of one market; id 256: of loans."""
        return from_quote_units(self.read(FUND, "drawable", self.market_id(market)))


def _fraction(share: Number) -> int:
    return to_units(share, -18, Rounding.FLOOR)


def _offer(word: Any) -> dict[str, Decimal]:
    """What the quotes of an auction and of a pre-liquidation share: an account, what is on sale."""
    usd = ("equity", "requirement", "cost", "fee")
    offer = {name: from_quote_units(getattr(word, name)) for name in usd}
    return offer | {"fraction": from_units(word.fraction, -18)}
