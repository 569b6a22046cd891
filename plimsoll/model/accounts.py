"""State of the margin engine's model: accounts, positions, fresh profit, one health rule.

`House` (engine.py) adds the calls. Pure integers: lots, ticks, quote units (qu).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isqrt
from typing import Any, Self

from plimsoll.model.cash import Cash
from plimsoll.model.engine_types import (
    EXITS_ONLY,
    Account,
    Config,
    Custody,
    Margin,
    NoCollateral,
    Risk,
    Standing,
)
from plimsoll.model.ledger import P_MIN, P_ONE, Market, Position
from plimsoll.model.rounding import ModelError, div_up, require
from plimsoll.model.sale_limiter import SaleLimiter
from plimsoll.model.standard_margin import Assessment, Leg, Quote

DEGRADED = 1
MAX_LEGS = 72
FRESH_LIMIT = 2**80 - 1
LOANS = 256  # the market that debt counts as where a deficit is divided
EMPTY = Account()
NOTHING = Position()


def owner_of(account: int) -> int:
    """The address in an account id."""
    return account >> 96


def root_of(oi: int) -> int:
    """What concentration add-ons are computed from."""
    return isqrt(oi << 24)


@dataclass
class Accounts:
    """The engine's state. `risk` and `custody` are part of it, saved and restored with it."""

    risk: Risk
    custody: Custody = field(default_factory=NoCollateral)
    now: int = 0
    fresh_haircut: int = 5_000  # 1e-4
    fresh_period: int = 86_400  # s
    pause: int = 0
    treasury: int = 0  # owner address of the treasury account
    fund_fee_share: int = 0  # 1e-4
    p_one: int = P_ONE
    p_min: int = P_MIN
    cash: Cash = field(default_factory=lambda: Cash(0))
    accounts: dict[int, Account] = field(default_factory=dict)
    positions: dict[tuple[int, int], Position] = field(default_factory=dict)
    markets: dict[int, Market] = field(default_factory=dict)
    configs: dict[int, Config] = field(default_factory=dict)
    limiter: SaleLimiter = field(default_factory=SaleLimiter)

    # -- state

    def save(self) -> Any:
        """A copy for `restore`."""
        return (
            self.cash.copy(),
            dict(self.accounts),
            dict(self.positions),
            {k: m.copy() for k, m in self.markets.items()},
            dict(self.configs),
            (self.pause, self.now),
            self.risk.save(),
            self.custody.save(),
            self.limiter.copy(),
        )

    def restore(self, saved: Any) -> None:
        """Go back to a saved state; a save serves one restore."""
        self.cash, self.accounts, self.positions, self.markets, self.configs = saved[:5]
        self.pause, self.now = saved[5]
        self.risk.restore(saved[6])
        self.custody.restore(saved[7])
        self.limiter = saved[8]

    def account(self, account: int) -> Account:
        """An account's head; an unwritten one is empty."""
        return self.accounts.get(account, EMPTY)

    def list_market(self, market: int, config: Config) -> None:
        """Open a market that the risk model knows."""
        self.markets[market] = Market(self.p_one, self.p_min)
        self.configs[market] = config

    def book(self, market: int) -> Market:
        """A market's ledger; `UnknownMarket` where none is listed."""
        found = self.markets.get(market)
        if found is None:
            raise ModelError("UnknownMarket")
        return found

    def peek(self, market: int) -> tuple[int, Quote]:
        """Basis (ticks) and quote as stored."""
        quote = Quote.unpack(self.risk.peek(market))
        return quote.mark - quote.funding, quote

    def quote(self, market: int) -> tuple[int, Quote]:
        """Basis (ticks) and quote, brought to now by the risk model."""
        word = self.risk.quote(market, root_of(self.book(market).oi), self.now)
        quote = Quote.unpack(word)
        return quote.mark - quote.funding, quote

    # -- fresh profit

    def fresh(self, a: Account) -> int:
        """Fresh profit left now: linear decay, rounded up."""
        age = self.now - a.fresh_time
        if a.fresh == 0 or age >= self.fresh_period:
            return 0
        return div_up(a.fresh * (self.fresh_period - age), self.fresh_period)

    def with_fresh(self, a: Account, delta: int) -> Account:
        """The head with fresh profit moved by `delta` (qu), never below zero.

        Losses leave the decay's clock alone; a profit sets it back to the mean of the ages.
        """
        left = self.fresh(a)
        if delta == 0 or (left == 0 and delta < 0):
            return a
        amount, age = max(left + delta, 0), 0
        if left and amount:
            age = self.now - a.fresh_time
            if delta > 0:
                age = age * left // amount
            amount = div_up(amount * self.fresh_period, self.fresh_period - age)
        return a._replace(fresh=min(amount, FRESH_LIMIT), fresh_time=self.now - age)

    def credit(self, a: Account, amount: int) -> Account:
        """The head with `amount` (qu, signed) added to its cash."""
        return a._replace(cash=self.cash.credit(a.cash, amount))

    # -- positions

    def hold(self, a: Account, market: int, held: bool) -> Account:
        """The head with a market among those held, or not."""
        if held == (market in a.markets):
            return a
        if not held:
            return a._replace(markets=a.markets - {market})
        require(len(a.markets) < MAX_LEGS, "TooManyPositions")
        return a._replace(markets=a.markets | {market})

    def store(self, account: int, market: int, lots: int, g: int) -> None:
        """Write a position; no lots delete it."""
        position = self.book(market).put(lots, g)
        if lots:
            self.positions[account, market] = position
        else:
            self.positions.pop((account, market), None)

    def position(self, account: int, market: int) -> Position:
        """The stored position."""
        return self.positions.get((account, market), NOTHING)

    # -- health

    def assess(
        self, account: int, a: Account, swap: tuple[int, int, int] | None = None
    ) -> Assessment:
        """An account's margin.

        `swap` = (market, lots, g) stands in place of the stored position of that market.
        """
        legs, loose = [], 0
        markets = a.markets if swap is None else a.markets | {swap[0]}
        for market in sorted(markets):
            book = self.book(market)
            if swap is not None and market == swap[0]:
                lots, g = swap[1], swap[2]
            else:
                stored = self.position(account, market)
                if stored.epoch == book.side(stored.lots).epoch:
                    lots, g = stored.lots, stored.g
                else:
                    lots, g, spill, _ = book.touch(stored, self.peek(market)[0])
                    loose += spill
            if lots == 0:
                continue
            legs.append(Leg(market, root_of(book.oi), lots, g - lots * book.side(lots).x))
        holdings = self.custody.holdings(account) if a.collateral else []
        if not legs and not holdings:
            return Assessment(unrealised=loose, initial_value=loose)
        found = self.risk.assess(legs, holdings, self.now)
        if loose:
            found = Assessment(
                **{
                    **found.__dict__,
                    "unrealised": found.unrealised + loose,
                    "initial_value": found.initial_value + loose,
                }
            )
        return found

    def initial_equity(self, a: Account, balance: int, found: Assessment, leaving: bool) -> int:
        """E_init (qu): fresh profit cut by its haircut, or altogether where value is leaving."""
        fresh = self.fresh(a) + max(found.unrealised, 0)
        cut = fresh if leaving else div_up(fresh * self.fresh_haircut, 10_000)
        return balance + found.initial_value - cut

    def strong(self, a: Account, balance: int, found: Assessment) -> bool:
        """Whether initial margin is met, on prices good enough to say so."""
        if not a.markets and not a.collateral:
            return balance >= 0
        if found.state > DEGRADED:
            return False
        return self.initial_equity(a, balance, found, False) >= found.initial

    def require_initial(self, account: int, leaving: bool) -> None:
        """Fail where the stored account misses its initial margin."""
        a = self.account(account)
        balance = self.cash.value(a.cash)
        # Who has no position and owes nothing needs no price, whatever collateral is left.
        if not a.markets and balance >= (self.fresh(a) if leaving else 0):
            return
        # All stopped but exits: value leaves only where nothing depends on a price.
        require(not leaving or self.pause < EXITS_ONLY, "MarketPaused")
        found = self.assess(account, a)
        require(found.state <= DEGRADED, "StalePrice")
        require(self.initial_equity(a, balance, found, leaving) >= found.initial, "Underwater")

    def require_health(
        self, account: int, market: int, was: Position, before: int, old: Account
    ) -> None:
        """Fail where initial margin is missed and the fill made health (E against R) worse.

        `was`, `before`, `old`: the touched position, cash (qu) and head as they were.
        """
        a = self.account(account)
        found = self.assess(account, a)
        balance = self.cash.value(a.cash)
        if self.strong(a, balance, found):
            return
        prior = self.assess(
            account, old._replace(markets=a.markets - {market}), (market, was.lots, was.g)
        )
        e1, r1 = balance + found.unrealised + found.collateral, found.requirement
        e0, r0 = before + prior.unrealised + prior.collateral, prior.requirement
        require(r1 <= r0, "HealthFell")
        require(e1 * r0 >= e0 * r1 if e0 > 0 else e1 >= e0, "HealthFell")

    def standing(self, account: int) -> Standing:
        """Equity and requirement at the stored indices; `accrued().standing(...)` at `now`."""
        a = self.account(account)
        found, legs = self.assess(account, a), self.legs(account)
        return Standing(
            self.cash.value(a.cash) + found.unrealised + found.collateral,
            found.linear,
            found.superlinear,
            found.stale_requirement,
            found.stale_value,
            found.collateral,
            len(a.markets) if legs else 0,  # deleveraging may have taken the last lots
            min(legs.values(), default=0),
            found.state,
            *self.limiter.room_and_pace(account, legs, self.now),
        )

    def legs(self, account: int) -> dict[int, int]:
        """Lots (unsigned) by market as a touch now leaves them. No price enters."""
        markets = self.account(account).markets
        touched = {m: self.book(m).touch(self.position(account, m), 0).lots for m in markets}
        return {m: abs(lots) for m, lots in touched.items() if lots}

    def exposures(self, account: int) -> list[tuple[int, int]]:
        """What a deficit is divided by: markets rising, LOANS last, each with its weight in qu.

        At the stored indices; `accrued().exposures(...)` at `now`.
        """
        a, parts = self.account(account), []
        for market in sorted(a.markets):
            book, (basis, quote) = self.book(market), self.peek(market)
            lots, g, spill, _ = book.touch(self.position(account, market), basis)
            value = lots * (basis - book.side(lots).x) + g + spill
            parts.append((market, abs(lots) * quote.mark + max(-value, 0)))
        owed = -self.cash.value(a.cash)
        if owed > 0 and a.collateral:
            holdings = self.custody.holdings(account)
            owed -= self.risk.assess([], holdings, self.now).collateral
        return [*parts, (LOANS, owed)] if owed > 0 else parts

    def margin(self, account: int) -> Margin:
        """E, R, E_init and R_init as of the accrued indices."""
        a = self.account(account)
        found = self.assess(account, a)
        balance = self.cash.value(a.cash)
        return Margin(
            balance + found.unrealised + found.collateral,
            found.requirement,
            self.initial_equity(a, balance, found, False),
            found.initial,
        )

    def accrued(self) -> Self:
        """A house for reading, interest brought to now; it shares all but the cash."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.cash = self.cash.copy()
        twin.cash.accrue(self.now)
        return twin
