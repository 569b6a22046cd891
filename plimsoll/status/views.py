"""What was read of a deployment's liquidation waterfall at one block, in chain integers.

Money is quote units (qu, 1e-15 USD), tok are token units (1e-6 USD), prices ticks (1e-9 USD per
unit), sizes lots (1e-6 of the underlying), times unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from plimsoll.keepers.decisions import Facts
from plimsoll.keepers.flow import Flow

LOANS = 256  # the id under which the fund counts payouts for accounts without positions


class Band(StrEnum):
    """How far an account is down the waterfall, the worst first."""

    INSOLVENT = "insolvent"
    UNDER_R = "under_r"
    PRE_BAND = "pre_band"
    UNDER_INITIAL = "under_initial"
    ABOVE = "above"


@dataclass(frozen=True)
class AccountView:
    """An account with something at risk. `equity`: as the auction counts it, `value`: at mark."""

    account: int
    value: int
    equity: int
    requirement: int
    initial_equity: int
    initial_requirement: int
    perps: int
    collateral: int
    stopped: bool  # stale or halted feeds carry over a tenth of R
    frozen: bool
    band: Band

    @property
    def free(self) -> int:
        """E_init - R_init, qu."""
        return self.initial_equity - self.initial_requirement

    @property
    def health(self) -> float:
        """E / R, for ordering; infinity where nothing is required and nothing owed."""
        if self.requirement:
            return self.equity / self.requirement
        return float("-inf") if self.equity < 0 else float("inf")


@dataclass(frozen=True)
class AuctionView:
    """A live auction. `facts`: as the keepers' rules see it."""

    facts: Facts
    number: int
    version: int
    starter: str
    deficit: int  # noted with the engine, qu
    over: bool


@dataclass(frozen=True)
class IntentView:
    """A standing intent, its account's free margin, and what its capacity asks of that."""

    account: int
    capacity: int  # tok of R
    largest: int  # tok of R
    premium: int  # nano
    expiry: int
    collateral: bool
    markets: int
    free: int  # E_init - R_init, qu
    need: int  # intent margin of the capacity left, qu


@dataclass(frozen=True)
class ConsentView:
    """An account that asked for pre-liquidation; `fraction` 1e18, what may be sold now."""

    account: int
    until: int
    used: int  # 1e18, sold within the hour
    fraction: int
    cost: int


@dataclass(frozen=True)
class RedemptionView:
    """Fund shares in escrow. `assets`: what they are worth now, tok."""

    owner: str
    shares: int  # 1e-12
    assets: int
    ready: int
    closes: int


@dataclass(frozen=True)
class FundView:
    """The insurance fund."""

    bucket: int
    assets: int  # tok, of the shares: the bucket without what drips in
    supply: int  # 1e-12 shares
    undripped: int
    keeper_budget: int
    caps: Any  # IInsuranceFund.Caps
    held_up: bool  # whether a deficit holds redemptions up now
    stands_since: int  # since when their clock stands, as last looked at; 0: it runs
    stood: int  # seconds it has stood so far
    drawable: Mapping[int, int]  # market id, or LOANS -> qu
    redemptions: tuple[RedemptionView, ...]


@dataclass(frozen=True)
class DeficitView:
    """Losses known, and who bears them. See MarginEngine.Solvency."""

    pending: int
    hole: int
    owed: int
    pot: int
    advances: int
    socialisations: int
    gap: int
    vault: int  # qu the engine counts in the vault
    custody: int  # qu of quote tokens in the vault's pocket


@dataclass(frozen=True)
class MarketView:
    """A market's aggregates; `state` of its feed."""

    market: int
    name: str
    mark: int
    open_interest: int
    unrealised: int
    status: int
    state: int


@dataclass(frozen=True)
class SideView:
    """One side of a market under deleveraging."""

    market: int
    long: bool
    epoch: int  # deleveragings of this side so far
    era: int
    multiplier: int  # 2^-95: what a lot held since the era began is now
    charged: int  # ticks per lot in the running window
    window_ends: int  # 0 where none runs
    cap: int  # ticks per lot and window, by the curve and mark of now
    residual: int = 0  # lots of it that are the fund's since, as counted
    worth: int = 0  # what selling them at the mark would earn it

    @property
    def room(self) -> int:
        """Ticks per lot that may still be charged."""
        return max(0, self.cap - self.charged)


@dataclass(frozen=True)
class EventView:
    """An event of the waterfall's last steps, its fields by name."""

    block: int
    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """All of it, at one block."""

    chain_id: int
    engine: str
    block: int
    now: int
    pause: int
    curve: Any  # ILiquidationAuction.Curve, the newest
    known: int  # accounts seen in events
    idle: int  # of them without position, loan or freeze
    unreadable: Mapping[int, str]
    accounts: tuple[AccountView, ...]
    auctions: tuple[AuctionView, ...]
    intents: tuple[IntentView, ...]
    consents: tuple[ConsentView, ...]
    fund: FundView
    deficits: DeficitView
    markets: tuple[MarketView, ...]
    sides: tuple[SideView, ...]
    flow: Flow  # the sale limiter, with a lane for each market
    events: tuple[EventView, ...]
    first_block: int  # of the events
