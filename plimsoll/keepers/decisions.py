"""What the liquidator's rules look at and what they come to. Money in quote units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from plimsoll.units import from_quote_units

ONE = 10**18
NANO = 10**9
TOK = 10**9

# Moves that pay, so that the best of them is chosen; the others are made because they are needed.
PAID = ("bid", "bid_leg", "pre_liquidate", "fill_intent")


@dataclass(frozen=True)
class Policy:
    """What the operator wants. `fraction` 1e18 of an account, `hedge_bps` 1e-4 of notional.

    `impact_bps`: 1e-4 more for each million USD of one market that is to be hedged.
    """

    min_profit: int = 0
    max_unpaid: int = 50 * 10**15
    max_fraction: int = ONE
    hedge_bps: int = 5
    impact_bps: int = 0
    slippage_bps: int = 100  # of the cost, that a bid's limit allows over the quote
    legs: bool = True  # whether single legs are bid for beside slices
    flow_bps: int = 200  # of the mark, from which the sale limiter's price is renewed; 0: never


@dataclass(frozen=True)
class House:
    """What all accounts share at a block. `native`: ticks (1e-9 USD) per ether; `gas_price` wei."""

    block: int
    timestamp: int
    pause: int
    gas_price: int
    native: int
    room: int | None  # the bidder's E_init - R_init; None without a bidder
    budget: int  # what keepers can be paid out of
    backers: tuple[Backer, ...] = ()
    sender: int = 0  # this keeper's address
    held_up: bool = False  # whether a deficit holds the fund's redemptions up
    clock_stands: bool = False  # whether their clock, as last looked at, stands


@dataclass(frozen=True)
class Curve:
    """The parts of an auction's curve that decide; see ILiquidationAuction.Curve."""

    t_one: int
    t_end: int
    max_step: int
    start_flat: int
    start_share: int
    min_requirement: int
    exec_flat: int = 0
    exec_share: int = 0
    fee: int = 0
    keeper_share: int = 0


@dataclass(frozen=True)
class Backer:
    """A standing intent as ILiquidationAuction.Intent, with its account."""

    account: int
    capacity: int
    largest: int
    premium: int
    expiry: int
    collateral: bool
    markets: int


@dataclass(frozen=True)
class LegOffer:
    """A leg that may be taken by itself; see ILiquidationAuction.LegQuote. Of all `lots`:

    `need`: free margin that they take of the bidder's, where that is known.
    """

    market: int
    lots: int
    cost: int  # minus what the bidder is paid
    fee: int
    removed: int  # R that the sale removes
    notional: int
    need: int = 0


@dataclass(frozen=True)
class Facts:
    """One account as read at this block.

    equity, requirement: as the auction counts them. `negative`: E itself is below zero. fraction,
    cost, fee: what is on sale now (0 where nothing). `initial`: E_init - R_init of the account.
    """

    account: int
    equity: int
    requirement: int
    negative: bool
    stopped: bool
    running: bool
    clock_stopped: bool
    elapsed: int
    seen: int
    x: int
    fraction: int
    cost: int
    fee: int
    auction_id: int
    perps: int
    collateral: int
    notional: int
    initial: int
    curve: Curve
    markets: int = 0  # bitmap of those held
    priority: int = 0  # seconds of clock until bids are open
    held: int = 0  # seconds of clock for which the sale limiter held x
    pre_fraction: int = 0  # what may be pre-liquidated now
    pre_cost: int = 0
    frozen: bool = False
    starter: int = 0  # address that is owed the starter's pay
    deficit: int = 0  # -E where E is negative
    noted: int = 0  # what the engine has noted of it
    wait: int = 0  # seconds until the sale limiter lets all that is on sale go
    parts: tuple[int, ...] = ()  # notional of each leg and of the collateral, if known one by one
    legs: tuple[LegOffer, ...] = ()


@dataclass(frozen=True)
class Move:
    """One thing to do.

    kind: start, bid, bid_leg, pre_liquidate, fill_intent, end, sync, deleverage, release_intent;
    fund_sync, which is the fund's `sync`, and refresh_flow of `market`, the engine's.

    Of a bid: `fraction` 1e18, expected; `most`, what it may become where more is on sale by the
    time it is mined (asking for what is on sale now would leave a rest and the auction running).
    Of a leg: `lots` of `market`.
    """

    kind: str
    account: int  # 0 where the move is the house's
    reason: str
    fraction: int = 0
    most: int = 0
    lots: int = 0
    market: int = 0
    notional: int = 0  # of the leg's lots
    sold: int = 0  # R that goes with it
    value: int = 0
    cost: int = 0
    fee: int = 0
    x: int = 0
    auction_id: int = 0
    with_buyer: bool = False
    backer: int = 0  # account whose intent takes the slice

    @property
    def paid(self) -> bool:
        """Whether it pays whoever makes it."""
        return self.kind in PAID

    @property
    def size(self) -> int:
        """How much of it there is, in lots for a leg, else 1e18; 0 where nothing."""
        return self.lots if self.kind == "bid_leg" else self.fraction

    def shrunk(self, size: int) -> Move:
        """The same for less, in proportion."""
        names = ("value", "sold", "fee", "notional")
        parts = {name: getattr(self, name) * size // self.size for name in names}
        cost = -(-self.cost * size // self.size)
        if self.kind == "bid_leg":
            return replace(self, **parts, cost=cost, lots=size)
        return replace(self, **parts, cost=cost, fraction=size, most=size)


@dataclass(frozen=True)
class Decision:
    """A move weighed, or no move. `profit` of a paid one in quote units; others have only gas."""

    account: int
    kind: str
    go: bool
    reason: str
    equity: int
    requirement: int
    x: int = 0
    fraction: int = 0
    market: int | None = None
    lots: int = 0
    value: int = 0
    cost: int = 0
    gas: int = 0
    hedge: int = 0
    pay: int = 0
    profit: int = 0

    def line(self) -> str:
        """One line for people."""
        who = f"account {name_of(self.account)}" if self.account else "house"
        parts = [f"{who} {self.kind}: {'yes' if self.go else 'no'}", f"({self.reason})"]
        if self.account:
            parts.append(f"E {usd(self.equity)} R {usd(self.requirement)}")
        if self.kind in PAID:
            what = f"fraction {self.fraction / ONE:.4f}"
            if self.kind == "bid_leg":
                what = f"market {self.market} size {self.lots / 10**6:,.4f}"
            parts.append(
                f"x {self.x / NANO:.4f} {what}: value {usd(self.value)} - cost {usd(self.cost)} "
                f"- gas {usd(self.gas)} - hedge {usd(self.hedge)} + pay {usd(self.pay)} "
                f"= profit {usd(self.profit)} USD"
            )
        elif self.gas:
            parts.append(f"gas {usd(self.gas)} USD")
        return " ".join(parts)

    def record(self) -> dict[str, Any]:
        """The same in JSON types; money in USD as text."""
        money = ("equity", "requirement", "value", "cost", "gas", "hedge", "pay", "profit")
        return {
            "account": hex(self.account),
            "move": self.kind,
            "go": self.go,
            "reason": self.reason,
            "x": self.x / NANO,
            "fraction": self.fraction / ONE,
            "market": self.market,
            "lots": self.lots,
            **{f"{name}_usd": str(from_quote_units(getattr(self, name))) for name in money},
        }


def name_of(account: int) -> str:
    """An account id for people: owner and index."""
    return f"0x{account >> 96:040x}:{account & (2**96 - 1)}"


def usd(amount: int) -> str:
    """Quote units as dollars and cents."""
    return f"{amount / 10**15:,.2f}"
