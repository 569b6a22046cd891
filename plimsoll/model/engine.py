"""The executable specification of the margin engine: its calls, all or nothing each.

`House` has the engine's calls under the same names and refuses with the same error names
(`ModelError.name`). Pure integers, no I/O: the clock is `House.now`, prices come from the risk
model it is given, collateral from a `Custody`. State and rounding equal the contracts' bit for bit.
Callers are checked where the rule depends on who owns an account; contract roles (venue, auction,
fund) are not. State and health are in accounts.py, slices and deleveraging in waterfall.py.

Units: lots, ticks, quote units (qu); token amounts in token units (1e9 qu for the quote token).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from plimsoll.model import residual_sale, residuals, single_leg, waterfall
from plimsoll.model.accounts import DEGRADED, Accounts, owner_of
from plimsoll.model.cash import TOK
from plimsoll.model.engine_types import (
    CLOSED,
    CROSS,
    EXITS_ONLY,
    ISOLATED,
    OPEN,
    REDUCE_ONLY,
    Account,
    Booked,
    Config,
    DeleverageResult,
    DeleverageTerms,
    Fill,
    LegResult,
    LegTerms,
    SliceResult,
    SliceTerms,
    Standing,
)
from plimsoll.model.ledger import Position
from plimsoll.model.rounding import ModelError, div_trunc, div_up, require
from plimsoll.model.standard_margin import Quote

USD = 10**15
NO_MARKET = 256
MAX_PERPS = 64
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


class House(Accounts):
    """The engine: its state (`Accounts`) and its calls."""

    # -- cash

    @transaction
    def deposit(self, account: int, amount: int) -> None:
        """Quote tokens in, by anyone, for any account."""
        require(amount != 0, "ZeroAmount")
        require(owner_of(account) != 0, "NullAddress")
        self.cash.accrue(self.now)
        self.cash.drip(self.now)
        self.cash.move_vault(amount)
        self.accounts[account] = self.credit(self.account(account), amount * TOK)
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
            a = self.credit(a, -amount * TOK)
            if a.cash.shares < 0:
                cash.require_cap()
        else:
            held, paid = cash.hold_back(account, a.cash, amount)
            a = a._replace(cash=held)
        require(paid <= cash.vault, "VaultShort")
        cash.move_vault(-paid)
        self.accounts[account] = a
        cash.reprice()
        self.require_initial(account, leaving=True)
        return paid

    @transaction
    def transfer(self, sender: int, receiver: int, amount: int, caller: int) -> None:
        """Cash (qu) between two accounts of one owner, under the rule of a withdrawal."""
        require(caller == owner_of(sender), "NotOwner")
        require(owner_of(sender) == owner_of(receiver), "NotOwner")
        require(amount != 0, "ZeroAmount")
        require(sender != receiver, "SelfTrade")
        self.cash.accrue(self.now)
        self.cash.drip(self.now)
        a = self.account(sender)
        require(not a.frozen, "Frozen")
        a = self.credit(a, -amount)
        if a.cash.shares < 0:
            self.cash.require_cap()
        self.accounts[sender] = a
        self.accounts[receiver] = self.credit(self.account(receiver), amount)
        self.cash.reprice()
        self.require_initial(sender, leaving=True)

    @transaction
    def release(self, account: int) -> None:
        """Settle an escrow once half of the fund covers all pending deficits."""
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
        self.require_initial(account, leaving=True)

    # -- fills

    @transaction
    def settle(self, fills: Sequence[Fill]) -> None:
        """Fills at agreed prices; each leaves both its accounts healthy. All or none."""
        stored = self.cash.copy()
        kept = self.cash.grow(self.now)
        last, moved = NO_MARKET, False
        for fill in fills:
            if fill.market != last:
                last = fill.market
                basis, quote = self.quote(last)
            moved |= self._fill(fill, basis, quote)
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

    def _fill(self, fill: Fill, basis: int, quote: Quote) -> bool:
        """One fill; returns whether it moved cash."""
        mark = quote.mark
        config, book = self.configs[fill.market], self.book(fill.market)
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
        require(quote.state <= DEGRADED or (b.reduced and s.reduced), "StalePrice")
        self._finish_side(fill.buyer, fill.market, buyer, b)
        self._finish_side(fill.seller, fill.market, seller, s)
        return b.joined.cash + b.spill != 0 or s.joined.cash + s.spill != 0

    def _book_side(self, account: int, market: int, add: int, g_in: int, basis: int) -> Booked:
        book, had = self.book(market), (account, market) in self.positions
        lots, g, spill, _ = residuals.touch(book, self.position(account, market), basis)
        joined = book.join(lots, g, add, g_in)
        self.store(account, market, joined.lots, joined.g)
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
        a = self.hold(old, market, side.joined.lots != 0)
        if side.joined.lots and not side.had:
            require(len(a.markets) <= MAX_PERPS, "TooManyPositions")
            require(len(a.markets) == 1 or a.mode != ISOLATED, "WrongMode")
        earned = side.joined.cash + side.spill
        if earned:
            a = self.credit(self.with_fresh(a, earned), earned)
        self.accounts[account] = a
        self.require_health(account, market, side.was, before, old)

    @transaction
    def realise(self, account: int, market: int, caller: int) -> int:
        """A loss to cash at mark, profit too while cash is negative; returns the qu moved."""
        self.cash.accrue(self.now)
        a = self.account(account)
        require(not a.frozen, "Frozen")
        basis, quote = self.peek(market)
        require(quote.state <= DEGRADED, "StalePrice")
        require((account, market) in self.positions, "NothingToRealise")
        book = self.book(market)
        lots, g, spill, _ = residuals.touch(book, self.position(account, market), basis)
        v = book.value(lots, g, basis) + spill  # either is 0
        balance = self.cash.value(a.cash)
        final = self.configs[market].status == CLOSED
        mine = caller == owner_of(account)
        useful = balance < 0 and (mine or v * 100 >= -balance)
        useful = useful or (v < 0 and (mine or balance + v < 0))
        require(final or useful, "NothingToRealise")
        # In a closed market the residual takes the lots over at the fixed mark.
        kept = 0 if final else lots
        a = self.hold(a, market, kept != 0)
        self.store(account, market, kept, g - v)
        book.book(-v)
        self.accounts[account] = self.credit(self.with_fresh(a, v), v)
        self.cash.reprice()
        return v

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
        self.require_initial(account, leaving=False)

    # -- fund and fees

    @transaction
    def recover(self) -> None:
        """Pay what is due of the pot of recoveries into the supply index."""
        self.cash.accrue(self.now)
        self.cash.drip(self.now)
        self.cash.reprice()

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
        book = self.book(market)
        fees = book.fees
        require(fees != 0, "NothingToDo")
        self.cash.accrue(self.now)
        book.book(0, -fees)
        left = self.cash.income(fees)
        treasury = left * (10_000 - self.fund_fee_share) // 10_000
        self.cash.to_fund(left - treasury)
        account = self.treasury << 96
        self.accounts[account] = self.credit(self.account(account), treasury)
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
        found = self.standing(account)
        self.limiter.claim(account, found.equity, found.requirement, self.now)
        return found

    @transaction
    def thaw(self, account: int) -> None:
        """End a freeze; clears the noted deficit."""
        a = self.account(account)
        require(a.frozen, "NotFrozen")
        self.accounts[account] = a._replace(frozen=False)
        self.cash.note(account, 0)
        self.limiter.waive(account)

    @transaction
    def claim_flow(self, account: int, equity: int, requirement: int) -> None:
        """Renew an account's claim to the sale limiter's reserve, or make it."""
        self.limiter.claim(account, equity, requirement, self.now)

    @transaction
    def set_flow(self, share: int, window: int, reserve: int, total: int) -> None:
        """Set what may be sold per time."""
        self.limiter.set(share, window, reserve, total)

    @transaction
    def refresh_flow(self, market: int) -> None:
        """A market's limit by its depth, its price by the mark."""
        require(market in self.markets, "UnknownMarket")
        require(self.limiter.share != 0, "BadParameter")
        quote = self.peek(market)[1]
        require(quote.state <= DEGRADED, "StalePrice")
        self.limiter.refresh(market, self.risk.depth(market), quote.mark)

    @transaction
    def note_deficit(self, account: int, deficit: int) -> None:
        """Keep an auctioned account's negative equity as last observed."""
        self.cash.note(account, deficit)

    @transaction
    def sell_slice(self, account: int, bidder: int, t: SliceTerms, brought: int = 0) -> SliceResult:
        """Sell a pro-rata slice of a frozen account; the bidder must meet R_init afterwards.

        `brought`: token units that the bidder's callback pays in before that check.
        """
        return waterfall.sell_slice(self, account, bidder, t, brought)

    @transaction
    def sell_leg(self, account: int, bidder: int, t: LegTerms) -> LegResult:
        """Sell lots of one leg of a frozen account at mark; the bidder must meet R_init."""
        return single_leg.sell_leg(self, account, bidder, t)

    def leg_after(self, account: int, market: int, lots: int) -> LegResult:
        """What a sale of so many lots of a leg would leave now, before premium and fee."""
        return single_leg.leg_after(self.accrued(), account, market, lots)

    @transaction
    def fill_residual(self, account: int, market: int, lots: int, limit: int) -> int:
        """Sell signed lots of the fund's residual to an account; the price (ticks)."""
        return residual_sale.fill_residual(self, account, market, lots, limit)

    @transaction
    def net_residual(self, market: int) -> int:
        """Close the fund's residual of both sides against each other; lots closed of either."""
        return residual_sale.net_residual(self, market)

    @transaction
    def deleverage(self, account: int, buyer: int, t: DeleverageTerms) -> DeleverageResult:
        """Close a frozen account against the opposite sides and find who bears its loss."""
        return waterfall.deleverage(self, account, buyer, t)
