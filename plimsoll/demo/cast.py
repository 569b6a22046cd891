"""Who takes part: a seeded cast of makers, traders, bidders, savers and insurers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from plimsoll.demo.stage import Key
from plimsoll.orders import account_id

ETH, BTC = 0, 1  # market ids
# How many of each ordinary kind; the named ones below come on top.
LONG_ETH, LONG_BTC, SHORTS, BORROWERS, DIP_BUYERS = 7, 6, 4, 3, 4
# These opt in to pre-liquidation: (market, leverage).
CAREFUL = ((ETH, "5"), (BTC, "6"), (ETH, "6.5"))
# Borrows nearly all it may: a bidder without money sells its ether on. (ether, of its value)
FULL_LOAN = (120, "0.82")
# Arranged: no bidder touches these, so that they end in deleveraging. (name, equity in USD)
SHUNNED = (("shunned small", 8_000), ("shunned medium", 20_000), ("shunned whale", 160_000))


@dataclass(frozen=True)
class Trade:
    """A position somebody wants: side, times own equity. `wave` 0: at first, 1: before the fall."""

    market: int
    buy: bool
    leverage: Decimal
    wave: int = 0


@dataclass
class Actor:
    """Somebody with one account. Money in whole USD and ether.

    `wants`: the auction's x at which bidders take this account (their hedging costs differ);
    None: they never do. `by_leg`: they take its legs one by one. `in_flash`: a bidder without money
    takes it, with a callback. `nonce` counts its orders.
    """

    key: Key
    role: str
    usd: int = 0
    weth: int = 0
    loan: int = 0
    trades: tuple[Trade, ...] = ()
    wants: Decimal | None = Decimal("0.1")
    by_leg: bool = False
    in_flash: bool = False
    nonce: int = 0
    account: int = field(init=False)

    def __post_init__(self) -> None:
        self.account = account_id(self.key.address)

    @property
    def name(self) -> str:
        """For tables."""
        return self.key.name

    @property
    def address(self) -> str:
        """Who owns the account."""
        return self.key.address


@dataclass
class Cast:
    """Everybody, in a fixed order."""

    actors: list[Actor]

    def __iter__(self) -> Iterator[Actor]:
        return iter(self.actors)

    def role(self, *names: str) -> list[Actor]:
        """All of some roles."""
        return [one for one in self.actors if one.role in names]

    def one(self, name: str) -> Actor:
        """The actor called `name`."""
        return next(one for one in self.actors if one.name == name)

    def by_account(self) -> dict[int, Actor]:
        """Actors by account id."""
        return {one.account: one for one in self.actors}


def make_cast(seed: int, ether_usd: Decimal, flash_bidder: str) -> Cast:
    """The same people, equities and leverages for the same seed; loans by the price of ether.

    `flash_bidder`: the contract that bids with nothing; it has an account as everybody has.
    """
    dice = random.Random(f"cast {seed}")

    def level(low: str, high: str) -> Decimal:
        width = int((Decimal(high) - Decimal(low)) * 100)
        return Decimal(low) + Decimal(dice.randint(0, width)) / 100

    def patience() -> Decimal:
        return Decimal(dice.choice(("0.08", "0.12", "0.55")))

    made: list[Actor] = []

    def add(name: str, role: str, **more: object) -> None:
        made.append(Actor(Key.of(name), role, **more))  # type: ignore[arg-type]

    for number in range(1, 4):
        add(f"maker {number}", "maker", usd=2_000_000)
    for number in range(1, 3):
        add(f"bidder {number}", "bidder", usd=1_500_000)
    add("keeper", "keeper")
    add("saver", "saver", usd=500_000)
    add("insurer", "insurer")
    add("treasury", "treasury")
    for number in range(1, LONG_ETH + 1):
        trade = Trade(ETH, True, level("1.5", "6.5"))
        usd = dice.randint(8, 40) * 1_000
        add(f"ETH long {number}", "trader", usd=usd, trades=(trade,), wants=patience())
    for number in range(1, LONG_BTC + 1):
        trade = Trade(BTC, True, level("1.5", "6.5"))
        usd = dice.randint(8, 40) * 1_000
        add(f"BTC long {number}", "trader", usd=usd, trades=(trade,), wants=patience())
    for number in range(1, SHORTS + 1):
        trade = Trade(number % 2, False, level("0.6", "1.4"))
        add(f"short {number}", "trader", usd=dice.randint(20, 60) * 1_000, trades=(trade,))
    for number in range(1, BORROWERS + 1):
        weth = dice.randint(80, 260)
        loan = int(weth * ether_usd * level("0.5", "0.75"))
        add(f"borrower {number}", "borrower", weth=weth, loan=loan, wants=patience())
    hedge = Trade(ETH, False, Decimal(1))
    add("hedged", "hedged", weth=400, trades=(hedge,))
    pair = (Trade(BTC, True, Decimal("1.5")), Trade(ETH, False, Decimal("1.5")))
    add("spread", "trader", usd=30_000, trades=pair)
    add("depositor", "curer", usd=20_000, trades=(Trade(ETH, True, Decimal("4.5")),))
    for number in range(1, DIP_BUYERS + 1):
        trade = Trade(number % 2, True, Decimal(9), wave=1)
        usd = dice.randint(5, 9) * 1_000
        add(f"dip buyer {number}", "dip buyer", usd=usd, trades=(trade,), wants=patience())
    for name, usd in SHUNNED:
        trade = Trade(ETH, True, Decimal(9), wave=1)
        add(name, "shunned", usd=usd, trades=(trade,), wants=None)
    for number, (market, leverage) in enumerate(CAREFUL, 1):
        trade = Trade(market, True, Decimal(leverage))
        add(f"careful {number}", "careful", usd=12_000, trades=(trade,))
    add("backer", "backer", usd=150_000)
    both = tuple(Trade(market, True, Decimal("3")) for market in (ETH, BTC))
    add("basket", "trader", usd=30_000, trades=both, by_leg=True)
    both = tuple(Trade(market, True, Decimal("3.8"), wave=1) for market in (ETH, BTC))
    add("dip basket", "dip buyer", usd=6_000, trades=both)
    weth, share = FULL_LOAN
    loan = int(weth * ether_usd * Decimal(share))
    add("borrower in full", "borrower", weth=weth, loan=loan, wants=Decimal("0.08"), in_flash=True)
    add("desk", "desk")
    made.append(Actor(Key("flash bidder", b"", flash_bidder), "flash bidder"))
    return Cast(made)
