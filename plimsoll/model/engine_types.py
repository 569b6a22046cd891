"""Types of the engine model: its neighbours' protocols, records, terms and results.

Field order is that of the structs in IMarginEngine; units are given there and beside each class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from plimsoll.model.cash import Holding
from plimsoll.model.ledger import Joined, Position
from plimsoll.model.rounding import ModelError
from plimsoll.model.standard_margin import Assessment, Leg
from plimsoll.model.standard_margin import Holding as Asset

OPEN, NO_NEW_RISK, REDUCE_ONLY, CLOSED, EXITS_ONLY = 0, 1, 2, 3, 4
CROSS, ISOLATED = 0, 1


class Risk(Protocol):
    """A risk model: `ports.StandardRisk` or a simpler one in tests. Times in seconds."""

    def quote(self, market: int, root: int, now: int) -> int: ...

    def peek(self, market: int) -> int: ...

    def depth(self, market: int) -> int: ...

    def assess(self, legs: Sequence[Leg], holdings: Sequence[Asset], now: int) -> Assessment: ...

    def close(self, market: int) -> None: ...

    def save(self) -> Any: ...

    def restore(self, saved: Any) -> None: ...


class Custody(Protocol):
    """Collateral balances: what `plimsoll.model.vault` keeps, with each asset's margin terms."""

    def holdings(self, account: int) -> list[Asset]: ...

    def count(self, account: int) -> int: ...

    def deposit(self, account: int, asset: int, amount: int, caller: int) -> None: ...

    def withdraw(self, account: int, asset: int, amount: int) -> None: ...

    def move_share(self, sender: int, receiver: int, fraction: int) -> None: ...

    def save(self) -> Any: ...

    def restore(self, saved: Any) -> None: ...


class NoCollateral:
    """A custody where nobody holds anything."""

    def holdings(self, account: int) -> list[Asset]:
        return []

    def count(self, account: int) -> int:
        return 0

    def deposit(self, account: int, asset: int, amount: int, caller: int) -> None:
        raise ModelError("UnknownAsset")

    def withdraw(self, account: int, asset: int, amount: int) -> None:
        raise ModelError("UnknownAsset")

    def move_share(self, sender: int, receiver: int, fraction: int) -> None:
        """Nothing to move."""

    def save(self) -> Any:
        return None

    def restore(self, saved: Any) -> None:
        """Nothing to restore."""


@dataclass(frozen=True)
class Config:
    """Caps (lots, USD), least notional (USD), fees (1e-6, < 0 a rebate), band (1e-4), status."""

    cap_lots: int
    cap_usd: int
    min_notional: int
    maker_fee: int
    taker_fee: int
    band: int
    status: int = OPEN


class Account(NamedTuple):
    """Head of an account: cash, fresh profit (qu) as of its time, mode, what it holds."""

    cash: Holding = Holding()
    fresh: int = 0
    fresh_time: int = 0
    mode: int = CROSS
    frozen: bool = False
    markets: frozenset[int] = frozenset()
    collateral: int = 0


class Fill(NamedTuple):
    """One fill: units and flags as in IMarginEngine."""

    market: int
    buyer: int
    seller: int
    lots: int
    price: int
    flags: int = 0


class Standing(NamedTuple):
    """An account's equity and the two parts of its requirement; fields as in IMarginEngine."""

    equity: int
    linear: int
    superlinear: int
    stale_requirement: int
    stale_value: int
    collateral: int
    perps: int
    smallest: int
    state: int
    room: int = 10**18  # largest fraction the sale limiter lets be sold
    pace: int = 10**18  # how much of the time the price may move

    @property
    def requirement(self) -> int:
        """R, qu."""
        return self.linear + self.superlinear


class Margin(NamedTuple):
    """E, R, E_init, R_init, qu."""

    equity: int
    requirement: int
    initial_equity: int
    initial_requirement: int


class KeeperPay(NamedTuple):
    """Who is paid for a sale, into which accounts, out of the keeper budget; qu."""

    executor: int = 0
    executor_due: int = 0
    starter: int = 0
    starter_due: int = 0


class SliceTerms(NamedTuple):
    """Terms of a slice; fields as in IMarginEngine."""

    fraction: int
    discount: int = 0
    fee: int = 0
    keeper_share: int = 0
    bonus: int = 0
    fund_limit: int = 0
    insolvent: bool = False
    free: bool = False
    callback: str = "0x" + "00" * 20  # what it brings is a deposit like any other
    locked: bool = False
    pay: KeeperPay = KeeperPay()
    thaw: bool = False
    noted: bool = False


class SliceResult(NamedTuple):
    """Value moved at mark, paid by the bidder, fee of that, from the fund, to keepers; qu."""

    moved: int
    paid: int
    fee: int
    from_fund: int
    executed: int = 0
    started: int = 0


class LegTerms(NamedTuple):
    """Terms of a single leg's sale; fields as in IMarginEngine."""

    market: int
    lots: int
    requirement: int
    premium: int = 0  # 1e-9 of the R removed
    fee: int = 0  # 1e-9 of the R removed
    keeper_share: int = 0
    pay: KeeperPay = KeeperPay()
    executor_share: int = 0  # 1e-9 of the R removed
    starter_share: int = 0
    least: int = 0  # qu of R removed


class LegResult(NamedTuple):
    """What a single leg's sale leaves of the account; fields as in IMarginEngine."""

    left: int = 0
    paid: int = 0
    fee: int = 0
    equity: int = 0
    requirement: int = 0
    stale_requirement: int = 0
    stale_value: int = 0
    executed: int = 0
    started: int = 0
    room: int = 0  # lots the sale limiter lets be sold now; of a preview only


class DeleverageTerms(NamedTuple):
    """Terms of a deleveraging; fields as in IMarginEngine."""

    fund_limit: int
    charge_cap: int  # 1e-9 of mark
    window: int
    social_share: int
    collateral_price: int
    pay: KeeperPay = KeeperPay()


class DeleverageResult(NamedTuple):
    """Deficit and who bore it, qu: the three parts add up to it; then what keepers got."""

    deficit: int
    from_fund: int
    charged: int
    socialised: int
    executed: int = 0
    started: int = 0


class Closed(NamedTuple):
    """A leg closed by deleveraging: signed lots, basis and mark in ticks."""

    market: int
    lots: int
    basis: int
    mark: int


class Booked(NamedTuple):
    """One side of a fill, booked in its position and not yet in its account."""

    was: Position
    spill: int
    joined: Joined
    had: bool
    reduced: bool
