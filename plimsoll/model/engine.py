"""The executable specification of the margin engine: accounts, cash, positions, one health rule.

`House` has the engine's calls under the same names and refuses with the same error names
(`ModelError.name`). Pure integers, no I/O: the clock is `House.now`, prices come from the risk
model it is given, collateral from a `Custody`. State and rounding equal the contracts' bit for bit.
Callers are checked where the rule depends on who owns an account; contract roles (venue, auction,
fund) are not.

Units: lots, ticks, quote units (qu); token amounts in token units (1e9 qu for the quote token).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from math import isqrt
from typing import Any, Concatenate, ParamSpec, TypeVar

from plimsoll.model.cash import TOK, Cash
from plimsoll.model.engine_types import (
    CLOSED,
    CROSS,
    EXITS_ONLY,
    ISOLATED,
    OPEN,
    REDUCE_ONLY,
    Account,
    Booked,
    Closed,
    Config,
    Custody,
    DeleverageResult,
    DeleverageTerms,
    Fill,
    Margin,
    NoCollateral,
    Risk,
    SliceResult,
    SliceTerms,
    Standing,
)
from plimsoll.model.ledger import P_MIN, P_ONE, Market, Position
from plimsoll.model.rounding import ModelError, div_floor, div_trunc, div_up, require
from plimsoll.model.standard_margin import Assessment, Leg, Quote

ONE = 10**18
USD = 10**15
NO_MARKET = 256
DEGRADED = 1
MAX_PERPS, MAX_LEGS = 64, 72
MAX_CHARGE = 2**50
SLACK = 3
FRESH_LIMIT = 2**80 - 1
TAKER_IS_BUYER, BUYER_REDUCES, SELLER_REDUCES = 1, 2, 4


P = ParamSpec("P")
R = TypeVar("R")


def transaction(
    call: Callable[Concatenate[House, P], R],
) -> Callable[Concatenate[House, P], R]:
    """All or nothing: a refused call leaves the house as it was."""

    @wraps(call)
    def run(house: House, /, *args: P.args, **kwargs: P.kwargs) -> R:
        saved = house.save()
        try:
            return call(house, *args, **kwargs)
        except ModelError:
            house.restore(saved)
            raise

    return run


def owner_of(account: int) -> int:
    """The address in an account id."""
    return account >> 96


def root_of(oi: int) -> int:
    """What concentration add-ons are computed from."""
    return isqrt(oi << 24)


@dataclass
class House:
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
        )

    def restore(self, saved: Any) -> None:
        """Go back to a saved state; a save serves one restore."""
        self.cash, self.accounts, self.positions, self.markets, self.configs = saved[:5]
        self.pause, self.now = saved[5]
        self.risk.restore(saved[6])
        self.custody.restore(saved[7])

    def account(self, account: int) -> Account:
        """An account's head; an unwritten one is empty."""
        return self.accounts.get(account, EMPTY)

    def list_market(self, market: int, config: Config) -> None:
        """Open a market that the risk model knows."""
        self.markets[market] = Market(self.p_one, self.p_min)
        self.configs[market] = config

    def _market(self, market: int) -> Market:
        found = self.markets.get(market)
        if found is None:
            raise ModelError("UnknownMarket")
        return found

    def _peek(self, market: int) -> tuple[int, Quote]:
        quote = Quote.unpack(self.risk.peek(market))
        return quote.mark - quote.funding, quote

    def _quote(self, market: int) -> tuple[int, Quote]:
        word = self.risk.quote(market, root_of(self._market(market).oi), self.now)
        quote = Quote.unpack(word)
        return quote.mark - quote.funding, quote

    # -- fresh profit

    def fresh(self, a: Account) -> int:
        """Fresh profit left now: linear decay, rounded up."""
        age = self.now - a.fresh_time
        if a.fresh == 0 or age >= self.fresh_period:
            return 0
        return div_up(a.fresh * (self.fresh_period - age), self.fresh_period)

    def _with_fresh(self, a: Account, delta: int) -> Account:
        left = self.fresh(a)
        if delta == 0 or (left == 0 and delta < 0):
            return a
        return a._replace(fresh=min(max(left + delta, 0), FRESH_LIMIT), fresh_time=self.now)

    def _credit(self, a: Account, amount: int) -> Account:
        return a._replace(cash=self.cash.credit(a.cash, amount))

    # -- positions

    def _hold(self, a: Account, market: int, held: bool) -> Account:
        if held == (market in a.markets):
            return a
        if not held:
            return a._replace(markets=a.markets - {market})
        require(len(a.markets) < MAX_LEGS, "TooManyPositions")
        return a._replace(markets=a.markets | {market})

    def _store(self, account: int, market: int, lots: int, g: int) -> None:
        position = self._market(market).put(lots, g)
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
            book = self._market(market)
            if swap is not None and market == swap[0]:
                lots, g = swap[1], swap[2]
            else:
                stored = self.position(account, market)
                if stored.epoch == book.side(stored.lots).epoch:
                    lots, g = stored.lots, stored.g
                else:
                    lots, g, spill = book.touch(stored, self._peek(market)[0])
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

    def _initial(self, a: Account, balance: int, found: Assessment, leaving: bool) -> int:
        fresh = self.fresh(a) + max(found.unrealised, 0)
        cut = fresh if leaving else div_up(fresh * self.fresh_haircut, 10_000)
        return balance + found.initial_value - cut

    def _strong(self, a: Account, balance: int, found: Assessment) -> bool:
        if not a.markets and not a.collateral:
            return balance >= 0
        if found.state > DEGRADED:
            return False
        return self._initial(a, balance, found, False) >= found.initial

    def _require_initial(self, account: int, leaving: bool) -> None:
        a = self.account(account)
        balance = self.cash.value(a.cash)
        # Who has no position and owes nothing needs no price, whatever collateral is left.
        if not a.markets and balance >= (self.fresh(a) if leaving else 0):
            return
        # All stopped but exits: value leaves only where nothing depends on a price.
        require(not leaving or self.pause < EXITS_ONLY, "MarketPaused")
        found = self.assess(account, a)
        require(found.state <= DEGRADED, "StalePrice")
        require(self._initial(a, balance, found, leaving) >= found.initial, "Underwater")

    def _require_health(
        self, account: int, market: int, was: Position, before: int, old: Account
    ) -> None:
        a = self.account(account)
        found = self.assess(account, a)
        balance = self.cash.value(a.cash)
        if self._strong(a, balance, found):
            return
        prior = self.assess(
            account, old._replace(markets=a.markets - {market}), (market, was.lots, was.g)
        )
        e1, r1 = balance + found.unrealised + found.collateral, found.requirement
        e0, r0 = before + prior.unrealised + prior.collateral, prior.requirement
        require(r1 <= r0, "HealthFell")
        require(e1 * r0 >= e0 * r1 if e0 > 0 else e1 >= e0, "HealthFell")

    def standing(self, account: int) -> Standing:
        """Equity and requirement at the stored indices; `accrued().standing(...)` for now."""
        a = self.account(account)
        found = self.assess(account, a)
        return Standing(
            self.cash.value(a.cash) + found.unrealised + found.collateral,
            found.linear,
            found.superlinear,
            found.stale_requirement,
            found.stale_value,
            found.collateral,
            len(a.markets),
            self._smallest(account, a),
            found.state,
        )

    def _smallest(self, account: int, a: Account) -> int:
        """Lots of the smallest leg as a touch now leaves it, 0 without legs. No price enters."""
        touched = (self._market(m).touch(self.position(account, m), 0).lots for m in a.markets)
        return min((abs(lots) for lots in touched if lots), default=0)

    def margin(self, account: int) -> Margin:
        """E, R, E_init and R_init as of the accrued indices."""
        a = self.account(account)
        found = self.assess(account, a)
        balance = self.cash.value(a.cash)
        return Margin(
            balance + found.unrealised + found.collateral,
            found.requirement,
            self._initial(a, balance, found, False),
            found.initial,
        )

    def accrued(self) -> House:
        """A house for reading, interest brought to now; it shares all but the cash."""
        twin = House.__new__(House)
        twin.__dict__.update(self.__dict__)
        twin.cash = self.cash.copy()
        twin.cash.accrue(self.now)
        return twin

    # -- cash

    @transaction
    def deposit(self, account: int, amount: int) -> None:
        """Quote tokens in, by anyone, for any account."""
        require(amount != 0, "ZeroAmount")
        require(owner_of(account) != 0, "NullAddress")
        self.cash.accrue(self.now)
        self.cash.move_vault(amount)
        self.accounts[account] = self._credit(self.account(account), amount * TOK)
        self.cash.reprice()

    @transaction
    def withdraw(self, account: int, amount: int, caller: int) -> int:
        """Quote tokens out; returns the units paid (less than asked while a loss is pending)."""
        require(caller == owner_of(account), "NotOwner")
        require(amount != 0, "ZeroAmount")
        cash, a = self.cash, self.account(account)
        cash.accrue(self.now)
        require(not a.frozen, "Frozen")
        require(account not in cash.escrows, "EscrowLocked")
        paid = amount
        if cash.excess() == 0:
            a = self._credit(a, -amount * TOK)
            if a.cash.shares < 0:
                cash.require_cap()
        else:
            held, paid = cash.hold_back(account, a.cash, amount)
            a = a._replace(cash=held)
        require(paid <= cash.vault, "VaultShort")
        cash.move_vault(-paid)
        self.accounts[account] = a
        cash.reprice()
        self._require_initial(account, leaving=True)
        return paid

    @transaction
    def transfer(self, sender: int, receiver: int, amount: int, caller: int) -> None:
        """Cash (qu) between two accounts of one owner, under the rule of a withdrawal."""
        require(caller == owner_of(sender), "NotOwner")
        require(owner_of(sender) == owner_of(receiver), "NotOwner")
        require(amount != 0, "ZeroAmount")
        require(sender != receiver, "SelfTrade")
        self.cash.accrue(self.now)
        a = self.account(sender)
        require(not a.frozen, "Frozen")
        a = self._credit(a, -amount)
        if a.cash.shares < 0:
            self.cash.require_cap()
        self.accounts[sender] = a
        self.accounts[receiver] = self._credit(self.account(receiver), amount)
        self.cash.reprice()
        self._require_initial(sender, leaving=True)

    @transaction
    def release(self, account: int) -> None:
        """Settle an escrow once the fund covers all pending deficits."""
        self.cash.accrue(self.now)
        a = self.account(account)
        self.accounts[account] = a._replace(cash=self.cash.release(account, a.cash))
        self.cash.reprice()

    # -- collateral

    @transaction
    def deposit_collateral(self, account: int, asset: int, amount: int, caller: int) -> None:
        """Collateral in."""
        self.custody.deposit(account, asset, amount, caller)
        self.accounts[account] = self.account(account)._replace(
            collateral=self.custody.count(account)
        )

    @transaction
    def withdraw_collateral(self, account: int, asset: int, amount: int, caller: int) -> None:
        """Collateral out, by the owner of an account that stays healthy."""
        self.custody.withdraw(account, asset, amount)
        a = self.account(account)._replace(collateral=self.custody.count(account))
        self.accounts[account] = a
        require(caller == owner_of(account), "NotOwner")
        require(not a.frozen, "Frozen")
        self.cash.accrue(self.now)
        self._require_initial(account, leaving=True)

    # -- fills

    @transaction
    def settle(self, fills: Sequence[Fill]) -> None:
        """Fills at agreed prices; each leaves both its accounts healthy. All or none."""
        stored = self.cash.copy()
        kept = self.cash.grow(self.now)
        last, basis, mark, moved = NO_MARKET, 0, 0, False
        for fill in fills:
            if fill.market != last:
                last = fill.market
                basis, quote = self._quote(last)
                mark = quote.mark
            moved |= self._fill(fill, basis, mark)
        if moved:  # cash moved, so the utilisation did
            self.cash.keep(kept)
            self.cash.reprice()
        else:  # interest was only read; the next accrual covers the longer step
            self.cash = stored

    def _fees(self, fill: Fill, config: Config) -> tuple[int, int]:
        """(buyer's, seller's) fee: charged up, a rebate to zero."""
        paid = fill.lots * fill.price
        taker = div_up(paid * config.taker_fee, 10**6)
        maker = paid * config.maker_fee
        maker = div_up(maker, 10**6) if maker > 0 else div_trunc(maker, 10**6)
        return (taker, maker) if fill.flags & TAKER_IS_BUYER else (maker, taker)

    def _fill(self, fill: Fill, basis: int, mark: int) -> bool:
        """One fill; returns whether it moved cash."""
        config, book = self.configs[fill.market], self._market(fill.market)
        buyer, seller = self.account(fill.buyer), self.account(fill.seller)
        require(fill.buyer != fill.seller, "SelfTrade")
        require(fill.lots != 0, "ZeroAmount")
        require(fill.lots < 2**55 and fill.price < 2**55, "OutOfRange")
        require(abs(fill.price - mark) * 10_000 <= config.band * mark, "PriceBand")
        require(not (buyer.frozen or seller.frozen), "Frozen")
        buyer_fee, seller_fee = self._fees(fill, config)
        oi, funding = book.oi, mark - basis
        # g = lots * (F - price) - fee with F = C + X of the side joined.
        b = self._book_side(
            fill.buyer,
            fill.market,
            fill.lots,
            fill.lots * (funding + book.sides[1].x - fill.price) - buyer_fee,
            basis,
        )
        s = self._book_side(
            fill.seller,
            fill.market,
            -fill.lots,
            -fill.lots * (funding + book.sides[-1].x - fill.price) - seller_fee,
            basis,
        )
        book.book(b.joined.dg - b.spill + s.joined.dg - s.spill, buyer_fee + seller_fee)
        book.apply_join(fill.lots, b.joined.closed)
        book.apply_join(-fill.lots, s.joined.closed)
        book.check_oi()
        self._check_limits(fill, config, mark, oi, book.oi, b, s)
        self._finish_side(fill.buyer, fill.market, buyer, b)
        self._finish_side(fill.seller, fill.market, seller, s)
        return b.joined.cash + b.spill != 0 or s.joined.cash + s.spill != 0

    def _book_side(self, account: int, market: int, add: int, g_in: int, basis: int) -> Booked:
        book, had = self._market(market), (account, market) in self.positions
        lots, g, spill = book.touch(self.position(account, market), basis)
        joined = book.join(lots, g, add, g_in)
        self._store(account, market, joined.lots, joined.g)
        return Booked(Position(lots, g), spill, joined, had, joined.closed == abs(add))

    def _check_limits(
        self, fill: Fill, config: Config, mark: int, oi: int, after: int, b: Booked, s: Booked
    ) -> None:
        level = max(config.status, self.pause)
        if after > oi:
            require(level == OPEN, "MarketPaused")
            within = after <= config.cap_lots and after * mark <= config.cap_usd * USD
            require(within, "OpenInterestCap")
        if level != OPEN:
            require(config.status != CLOSED, "MarketClosed")
            require(self.pause < EXITS_ONLY, "MarketPaused")
            require(level < REDUCE_ONLY or (b.reduced and s.reduced), "MarketReduceOnly")
        require(b.reduced or not fill.flags & BUYER_REDUCES, "OrderReduceOnly")
        require(s.reduced or not fill.flags & SELLER_REDUCES, "OrderReduceOnly")
        for side in (b, s):
            lots = abs(side.joined.lots)
            require(lots == 0 or lots * mark >= config.min_notional * USD, "DustPosition")

    def _finish_side(self, account: int, market: int, old: Account, side: Booked) -> None:
        before = self.cash.value(old.cash) + side.spill
        a = self._hold(old, market, side.joined.lots != 0)
        if side.joined.lots and not side.had:
            require(len(a.markets) <= MAX_PERPS, "TooManyPositions")
            require(len(a.markets) == 1 or a.mode != ISOLATED, "WrongMode")
        earned = side.joined.cash + side.spill
        if earned:
            a = self._credit(self._with_fresh(a, earned), earned)
        self.accounts[account] = a
        self._require_health(account, market, side.was, before, old)

    @transaction
    def realise(self, account: int, market: int, caller: int) -> int:
        """A loss to cash at mark, profit too while cash is negative; returns the qu moved."""
        self.cash.accrue(self.now)
        a = self.account(account)
        require(not a.frozen, "Frozen")
        basis, quote = self._peek(market)
        require(quote.state <= DEGRADED, "StalePrice")
        require((account, market) in self.positions, "NothingToRealise")
        book = self._market(market)
        lots, g, spill = book.touch(self.position(account, market), basis)
        v = book.value(lots, g, basis)
        balance = self.cash.value(a.cash)
        final = self.configs[market].status == CLOSED
        mine = caller == owner_of(account)
        useful = balance < 0 or (v < 0 and (mine or balance + v < 0))
        require(final or useful, "NothingToRealise")
        # In a closed market the residual takes the lots over at the fixed mark.
        kept = 0 if final else lots
        a = self._hold(a, market, kept != 0)
        self._store(account, market, kept, g - v)
        book.book(-v - spill)
        self.accounts[account] = self._credit(self._with_fresh(a, v + spill), v + spill)
        self.cash.reprice()
        return v + spill

    @transaction
    def set_mode(self, account: int, mode: int, caller: int) -> None:
        """Cross (0) or isolated (1)."""
        require(caller == owner_of(account), "NotOwner")
        require(mode < 2, "WrongMode")
        self.cash.accrue(self.now)
        a = self.account(account)
        require(not a.frozen, "Frozen")
        require(mode == CROSS or len(a.markets) <= 1, "WrongMode")
        self.accounts[account] = a._replace(mode=mode)
        self._require_initial(account, leaving=False)

    # -- fund and fees

    @transaction
    def fund_deposit(self, amount: int) -> None:
        """Token units into the fund's bucket."""
        self.cash.move_vault(amount)
        self.cash.set_fund(self.cash.fund + amount * TOK)

    @transaction
    def fund_withdraw(self, amount: int) -> None:
        """Token units out of the fund's bucket."""
        require(amount * TOK <= self.cash.fund, "FundEmpty")
        require(amount <= self.cash.vault, "VaultShort")
        self.cash.set_fund(self.cash.fund - amount * TOK)
        self.cash.move_vault(-amount)

    @transaction
    def budget_move(self, amount: int) -> None:
        """Part of the fund (qu) to the keeper budget."""
        require(amount <= self.cash.fund, "FundEmpty")
        self.cash.set_fund(self.cash.fund - amount)
        self.cash.set_keeper(self.cash.keeper + amount)

    @transaction
    def collect_fees(self, market: int) -> None:
        """Split a market's fees between the fund and the treasury's account."""
        book = self._market(market)
        fees = book.fees
        require(fees != 0, "NothingToDo")
        self.cash.accrue(self.now)
        treasury = fees * (10_000 - self.fund_fee_share) // 10_000
        book.book(0, -fees)
        self.cash.set_fund(self.cash.fund + fees - treasury)
        account = self.treasury << 96
        self.accounts[account] = self._credit(self.account(account), treasury)
        self.cash.reprice()

    @transaction
    def set_status(self, market: int, status: int) -> None:
        """Make a market stricter, as the guardian may."""
        config = self.configs[market]
        require(config.status != CLOSED, "MarketClosed")
        require(config.status < status < CLOSED, "BadParameter")
        self.configs[market] = Config(**{**config.__dict__, "status": status})

    @transaction
    def set_pause(self, level: int) -> None:
        """Level of the whole house, as the owner may set it."""
        require(level <= EXITS_ONLY, "BadParameter")
        self.pause = level

    @transaction
    def wind_down(self, market: int) -> None:
        """End a reduce-only market at its settlement price."""
        config = self.configs[market]
        require(config.status != CLOSED, "MarketClosed")
        require(config.status == REDUCE_ONLY, "MarketOpen")
        self.risk.close(market)
        self.configs[market] = Config(**{**config.__dict__, "status": CLOSED})

    # -- liquidation

    @transaction
    def freeze(self, account: int) -> Standing:
        """Freeze for an auction, again too; returns the standing with interest accrued."""
        require(self.pause < CLOSED, "MarketPaused")
        self.cash.accrue(self.now)
        a = self.account(account)
        self.accounts[account] = a._replace(frozen=True)
        return self.standing(account)

    @transaction
    def thaw(self, account: int) -> None:
        """End a freeze; clears the noted deficit."""
        a = self.account(account)
        require(a.frozen, "NotFrozen")
        self.accounts[account] = a._replace(frozen=False)
        self.cash.note(account, 0)

    @transaction
    def note_deficit(self, account: int, deficit: int) -> None:
        """Keep an auctioned account's negative equity as last observed."""
        self.cash.note(account, deficit)

    @transaction
    def pay_keeper(self, account: int, amount: int) -> None:
        """Pay out of the keeper budget."""
        require(amount <= self.cash.keeper, "FundEmpty")
        self.cash.set_keeper(self.cash.keeper - amount)
        self.cash.accrue(self.now)
        self.accounts[account] = self._credit(self.account(account), amount)
        self.cash.reprice()

    def _collateral_value(self, account: int, a: Account) -> tuple[int, int]:
        """Collateral at mark and at its maintenance haircut."""
        if not a.collateral:
            return 0, 0
        found = self.risk.assess([], self.custody.holdings(account), self.now)
        return found.collateral, found.collateral - min(found.linear, found.collateral)

    @transaction
    def sell_slice(self, account: int, bidder: int, t: SliceTerms) -> SliceResult:
        """Sell a pro-rata slice of a frozen account; the bidder must meet R_init afterwards."""
        require(self.pause < CLOSED, "MarketPaused")
        cash = self.cash
        cash.accrue(self.now)
        a, b = self.account(account), self.account(bidder)
        require(a.frozen, "NotFrozen")
        require(not b.frozen, "Frozen")
        require(account != bidder, "SelfTrade")
        require(0 < t.fraction <= ONE, "BadFraction")
        moved = 0
        for market in sorted(a.markets):
            a, b, value = self._slice_leg(account, bidder, market, t.fraction, a, b)
            moved += value
        c = div_floor(cash.value(a.cash) * t.fraction, ONE)
        a, b = self._credit(a, -c), self._credit(b, c)
        moved += c
        fresh = self.fresh(a) * t.fraction // ONE  # it stays fresh with whoever takes it
        a, b = self._with_fresh(a, -fresh), self._with_fresh(b, fresh)
        if a.collateral:
            before, _ = self._collateral_value(account, a)
            self.custody.move_share(account, bidder, t.fraction)
            a = a._replace(collateral=self.custody.count(account))
            b = b._replace(collateral=self.custody.count(bidder))
            after, _ = self._collateral_value(account, a)
            moved += before - after
        a, b, result = self._pay_slice(a, b, t, moved)
        self.accounts[account], self.accounts[bidder] = a, b
        cash.reprice()
        require(b.mode != ISOLATED or len(b.markets) < 2, "WrongMode")
        self._require_bidder(bidder)
        return result

    def _slice_leg(
        self, account: int, bidder: int, market: int, fraction: int, a: Account, b: Account
    ) -> tuple[Account, Account, int]:
        """Move one leg's slice: lots rounded up, g in proportion. Returns the value moved."""
        book = self._market(market)
        basis, _ = self._quote(market)
        lots, g, spill = book.touch(self.position(account, market), basis)
        sold = gm = 0
        if lots:
            sold, gm = book.part(lots, g, div_up(abs(lots) * fraction, ONE))
        a = self._credit(self._hold(a, market, lots != sold), spill)
        self._store(account, market, lots - sold, g - gm)
        dg = -gm - spill
        if sold:
            theirs = book.touch(self.position(bidder, market), basis)
            joined = book.join(theirs.lots, theirs.g, sold, gm)
            book.sides[1 if sold > 0 else -1].oi -= abs(sold)
            book.apply_join(sold, joined.closed)
            b = self._hold(b, market, joined.lots != 0)
            dg += joined.dg - theirs.spill
            earned = joined.cash + theirs.spill
            if earned:
                b = self._credit(self._with_fresh(b, earned), earned)
            # Written before the open interest is stored: the epoch is the side's in either order.
            self._store(bidder, market, joined.lots, joined.g)
        book.book(dg)
        return a, b, sold * (basis - book.side(sold).x) + gm

    def _pay_slice(
        self, a: Account, b: Account, t: SliceTerms, moved: int
    ) -> tuple[Account, Account, SliceResult]:
        cash, paid, fee, from_fund = self.cash, 0, 0, 0
        if t.insolvent:
            from_fund = max(-moved, 0) + t.bonus
            require(from_fund <= min(t.fund_limit, cash.fund), "FundEmpty")
            cash.set_fund(cash.fund - from_fund)
            b = self._credit(b, from_fund)
        elif not t.free:
            paid = max(moved - t.discount, 0) + SLACK
            fee = min(t.fee, paid)
            b = self._credit(b, -paid)
            a = self._credit(a, paid - fee)
            kept = fee * t.keeper_share // 10_000
            cash.set_keeper(cash.keeper + kept)
            cash.set_fund(cash.fund + fee - kept)
        return a, b, SliceResult(moved, paid, fee, from_fund)

    def _require_bidder(self, bidder: int) -> None:
        b = self.account(bidder)
        found = self.assess(bidder, b)
        balance = self.cash.value(b.cash)
        if found.state <= DEGRADED:
            require(self._strong(b, balance, found), "Underwater")
            return
        require(found.stale_requirement * 10 <= found.requirement, "StalePrice")
        e = self._initial(b, balance, found, False) - found.stale_value
        require(e >= found.initial, "Underwater")

    @transaction
    def deleverage(self, account: int, buyer: int, t: DeleverageTerms) -> DeleverageResult:
        """Close a frozen account against the opposite sides and find who bears its loss.

        In order: legs into cash at mark; collateral sold by itself where E < 0; the fund; a capped
        charge per lot of the opposite sides before they shrink; socialised cash up to a share; the
        rest charged without the cap; what even that leaves socialised after all.
        """
        require(self.pause < CLOSED, "MarketPaused")
        cash = self.cash
        cash.accrue(self.now)
        a = self.account(account)
        require(a.frozen, "NotFrozen")
        a, legs = self._close_legs(account, a)
        if a.collateral:
            value, worth = self._collateral_value(account, a)
            if cash.value(a.cash) + value < 0:
                a = self._sell_collateral(account, buyer, a, worth * t.collateral_price // 10_000)
        balance, deficit, from_fund = cash.value(a.cash), 0, 0
        if balance < 0 and not a.collateral:
            deficit = -balance
            from_fund = min(deficit, t.fund_limit, cash.fund)
            cash.set_fund(cash.fund - from_fund)
        rest = deficit - from_fund
        room = cash.supplied() * t.social_share // 10_000
        charged = self._settle_legs(legs, rest, room, t)
        a = self._credit(a, deficit)
        socialised = rest - charged
        self.accounts[account] = a
        cash.socialise(socialised)
        cash.note(account, 0)
        cash.reprice()
        return DeleverageResult(deficit, from_fund, charged, socialised)

    def _close_legs(self, account: int, a: Account) -> tuple[Account, list[Closed]]:
        """Close every leg at mark into cash; only the account's own side shrinks here."""
        legs = []
        for market in sorted(a.markets):
            book = self._market(market)
            basis, quote = self._quote(market)
            lots, g, spill = book.touch(self.position(account, market), basis)
            value = book.value(lots, g, basis) + spill
            a = self._with_fresh(self._hold(a, market, False), value)
            a = self._credit(a, value)
            self._store(account, market, 0, 0)
            if self.configs[market].status == CLOSED:
                book.book(-value)  # the residual takes the lots over: nobody to charge or shrink
                continue
            book.book(-g - spill)
            if lots:
                book.side(lots).oi -= abs(lots)
                legs.append(Closed(market, lots, basis, quote.mark))
        return a, legs

    def _settle_legs(self, legs: list[Closed], rest: int, room: int, t: DeleverageTerms) -> int:
        """Charge the opposite sides, then shrink them; returns what was charged."""
        charged, charges = 0, []
        for leg in legs:
            book, sign = self._market(leg.market), -1 if leg.lots > 0 else 1
            per_lot, total = 0, book.sides[sign].oi
            if rest > charged:
                cap = leg.mark * t.charge_cap // 10**9
                allowed = book.charge_room(sign, cap, t.window, self.now)
                per_lot = min(allowed, (rest - charged) // total)
                if per_lot:
                    book.charge_note(sign, per_lot, t.window, self.now)
                    charged += per_lot * total
            charges.append(per_lot)
        for i, leg in enumerate(legs):
            book, sign = self._market(leg.market), -1 if leg.lots > 0 else 1
            total = book.sides[sign].oi
            if rest > charged + room:
                more = min((rest - charged - room) // (len(legs) - i) // total, MAX_CHARGE)
                charged += more * total
                charges[i] += more
            book.charge(sign, charges[i])
            book.shrink(sign, abs(leg.lots), leg.basis)
            book.book(0)
        return charged

    def _sell_collateral(self, account: int, buyer: int, a: Account, worth: int) -> Account:
        """Sell all collateral to a buyer for `worth`."""
        require(buyer not in (0, account), "CollateralLeft")
        b = self.account(buyer)
        require(not b.frozen, "Frozen")
        self.custody.move_share(account, buyer, ONE)
        b = self._credit(b._replace(collateral=self.custody.count(buyer)), -worth)
        self.accounts[buyer] = b
        a = self._credit(a._replace(collateral=self.custody.count(account)), worth)
        self._require_bidder(buyer)
        return a


EMPTY = Account()
NOTHING = Position()
