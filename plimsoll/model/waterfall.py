"""What an auction does to a frozen account: a slice sold to a bidder, or deleveraging.

Functions on the engine's state for `House` to wrap into all-or-nothing calls; money in qu.
"""

from __future__ import annotations

from plimsoll.model import residuals
from plimsoll.model.accounts import Accounts
from plimsoll.model.cash import TOK
from plimsoll.model.engine_types import (
    CLOSED,
    ISOLATED,
    Account,
    Closed,
    DeleverageResult,
    DeleverageTerms,
    KeeperPay,
    SliceResult,
    SliceTerms,
)
from plimsoll.model.rounding import div_floor, div_up, require
from plimsoll.model.sale import receive, require_bidder

ONE = 10**18
MAX_CHARGE = 2**50
SLACK = 3


def _collateral_value(house: Accounts, account: int, a: Account) -> tuple[int, int]:
    """Collateral at mark and at its maintenance haircut."""
    if not a.collateral:
        return 0, 0
    found = house.risk.assess([], house.custody.holdings(account), house.now)
    return found.collateral, found.collateral - min(found.linear, found.collateral)


def sell_slice(
    house: Accounts, account: int, bidder: int, t: SliceTerms, brought: int = 0
) -> SliceResult:
    """Sell a pro-rata slice of a frozen account; the bidder must meet R_init afterwards.

    `brought`: token units that the bidder's callback pays in before that check.
    """
    require(house.pause < CLOSED, "MarketPaused")
    cash = house.cash
    cash.accrue(house.now)
    a, b = house.account(account), house.account(bidder)
    require(a.frozen, "NotFrozen")
    require(b.frozen == t.locked, "Frozen")
    require(account != bidder, "SelfTrade")
    require(0 < t.fraction <= ONE, "BadFraction")
    moved = worth = 0
    for market in sorted(a.markets):
        a, b, value, each = _slice_leg(house, account, bidder, market, t.fraction, a, b)
        moved += value
        worth += each
    c = div_floor(cash.value(a.cash) * t.fraction, ONE)
    a, b = house.credit(a, -c), house.credit(b, c)
    moved += c
    fresh = house.fresh(a) * t.fraction // ONE  # it stays fresh with whoever takes it
    a, b = house.with_fresh(a, -fresh), house.with_fresh(b, fresh)
    if a.collateral:
        before, _ = _collateral_value(house, account, a)
        house.custody.move_share(account, bidder, t.fraction)
        a = a._replace(collateral=house.custody.count(account))
        b = b._replace(collateral=house.custody.count(bidder))
        after, _ = _collateral_value(house, account, a)
        moved += before - after
    a, b, result = _pay_slice(house, a, b, t, moved)
    if brought:
        cash.move_vault(brought)
        b = house.credit(b, brought * TOK)
    house.accounts[account], house.accounts[bidder] = a, b
    require(b.mode != ISOLATED or len(b.markets) < 2, "WrongMode")
    require_bidder(house, bidder)
    kept = result.fee * t.keeper_share // 10_000
    executed, started = pay_keepers(house, t.pay, None if t.insolvent or t.free else kept)
    house.limiter.consume_sum(worth, house.now)
    if t.thaw:
        house.limiter.waive(account)
        house.accounts[account] = house.account(account)._replace(frozen=False)
        if t.noted:
            cash.note(account, 0)
    cash.reprice()
    return result._replace(executed=executed, started=started)


def pay_keepers(house: Accounts, pay: KeeperPay, ceiling: int | None) -> tuple[int, int]:
    """Pay the executor, then the starter out of what `ceiling` and the budget leave; qu each."""
    most = house.cash.keeper if ceiling is None else min(ceiling, house.cash.keeper)
    executed = min(pay.executor_due, most)
    started = min(pay.starter_due, most - executed)
    if executed + started == 0:
        return 0, 0
    house.cash.set_keeper(house.cash.keeper - executed - started)
    if pay.starter == pay.executor:
        parts = [(pay.executor, executed + started)]
    else:
        parts = [(pay.executor, executed), (pay.starter, started)]
    for account, amount in parts:
        house.accounts[account] = house.credit(house.account(account), amount)
    return executed, started


def _slice_leg(
    house: Accounts, account: int, bidder: int, market: int, fraction: int, a: Account, b: Account
) -> tuple[Account, Account, int, int]:
    """Move one leg's slice: lots rounded up, g in proportion.

    Returns the value moved and the lots' worth for the sale limiter's sum.
    """
    book = house.book(market)
    basis, _ = house.quote(market)
    lots, g, spill, _ = residuals.touch(book, house.position(account, market), basis)
    sold = gm = worth = 0
    if lots:
        sold, gm = book.part(lots, g, div_up(abs(lots) * fraction, ONE))
        worth = house.limiter.consume(market, abs(sold), house.now)
    a = house.with_fresh(house.hold(a, market, lots != sold), spill)
    a = house.credit(a, spill)
    house.store(account, market, lots - sold, g - gm)
    dg = -gm - spill
    if sold:
        b, change = receive(house, bidder, b, market, sold, gm, basis)
        book.side(sold).oi -= abs(sold)
        dg += change
    book.book(dg)
    return a, b, sold * (basis - book.side(sold).x) + gm, worth


def _pay_slice(
    house: Accounts, a: Account, b: Account, t: SliceTerms, moved: int
) -> tuple[Account, Account, SliceResult]:
    cash, paid, fee, from_fund = house.cash, 0, 0, 0
    if t.insolvent:
        from_fund = max(-moved, 0) + t.bonus
        require(from_fund <= min(t.fund_limit, cash.fund), "FundEmpty")
        cash.set_fund(cash.fund - from_fund)
        b = house.credit(b, from_fund)
        paid = max(moved, 0)  # lots round up
    else:
        paid = max(moved - t.discount, 0) + (0 if t.free else SLACK)
    if paid:
        fee = min(t.fee, paid)
        b = house.credit(b, -paid)
        a = house.credit(a, paid - fee)
        kept = fee * t.keeper_share // 10_000
        cash.set_keeper(cash.keeper + kept)
        cash.to_fund(fee - kept)
    return a, b, SliceResult(moved, paid, fee, from_fund)


def deleverage(house: Accounts, account: int, buyer: int, t: DeleverageTerms) -> DeleverageResult:
    """Close a frozen account against the opposite sides and find who bears its loss.

    In order: legs into cash at mark; collateral sold by itself where E < 0; the fund; a capped
    charge per lot of the opposite sides before they shrink; socialised cash up to a share; the
    rest charged without the cap; what even that leaves socialised after all.
    """
    require(house.pause < CLOSED, "MarketPaused")
    cash = house.cash
    cash.accrue(house.now)
    a = house.account(account)
    require(a.frozen, "NotFrozen")
    a, legs = _close_legs(house, account, a)
    if a.collateral:
        value, worth = _collateral_value(house, account, a)
        if cash.value(a.cash) + value < 0:
            a = _sell_collateral(house, account, buyer, a, worth * t.collateral_price // 10_000)
    balance, deficit, from_fund = cash.value(a.cash), 0, 0
    if balance < 0 and not a.collateral:
        deficit = -balance
        from_fund = min(deficit, t.fund_limit, cash.fund)
        cash.set_fund(cash.fund - from_fund)
    rest = deficit - from_fund
    room = cash.supplied() * t.social_share // 10_000
    charged = _settle_legs(house, legs, rest, room, t)
    a = house.credit(a, deficit)
    socialised = rest - charged
    house.accounts[account] = a
    cash.socialise(socialised)
    cash.note(account, 0)
    executed, started = pay_keepers(house, t.pay, None)
    cash.reprice()
    return DeleverageResult(deficit, from_fund, charged, socialised, executed, started)


def _close_legs(house: Accounts, account: int, a: Account) -> tuple[Account, list[Closed]]:
    """Close every leg at mark into cash; only the account's own side shrinks here."""
    legs = []
    for market in sorted(a.markets):
        book = house.book(market)
        basis, quote = house.quote(market)
        lots, g, spill, _ = residuals.touch(book, house.position(account, market), basis)
        value = book.value(lots, g, basis) + spill
        a = house.with_fresh(house.hold(a, market, False), value)
        a = house.credit(a, value)
        house.store(account, market, 0, 0)
        if house.configs[market].status == CLOSED:
            book.book(-value)  # the residual takes the lots over: nobody to charge or shrink
            continue
        book.book(-g - spill)
        if lots:
            book.side(lots).oi -= abs(lots)
            legs.append(Closed(market, lots, basis, quote.mark))
    return a, legs


def _settle_legs(
    house: Accounts, legs: list[Closed], rest: int, room: int, t: DeleverageTerms
) -> int:
    """Charge the opposite sides, then shrink them; returns what was charged."""
    charged, charges = 0, []
    for leg in legs:
        book, sign = house.book(leg.market), -1 if leg.lots > 0 else 1
        per_lot, total = 0, book.sides[sign].oi
        if rest > charged:
            cap = leg.mark * t.charge_cap // 10**9
            allowed = book.charge_room(sign, cap, t.window, house.now)
            per_lot = min(allowed, book.charge_left(sign), (rest - charged) // total)
            if per_lot:
                book.charge_note(sign, per_lot, t.window, house.now)
                charged += per_lot * total
        charges.append(per_lot)
    for i, leg in enumerate(legs):
        book, sign = house.book(leg.market), -1 if leg.lots > 0 else 1
        total = book.sides[sign].oi
        if rest > charged + room:
            more = (rest - charged - room) // (len(legs) - i) // total
            more = min(more, MAX_CHARGE, book.charge_left(sign) - charges[i])
            charged += more * total
            charges[i] += more
        book.charge(sign, charges[i])
        book.shrink(sign, abs(leg.lots), leg.basis)
        book.book(0)
    return charged


def _sell_collateral(house: Accounts, account: int, buyer: int, a: Account, worth: int) -> Account:
    """Sell all collateral to a buyer for `worth`."""
    require(buyer not in (0, account), "CollateralLeft")
    b = house.account(buyer)
    require(not b.frozen, "Frozen")
    house.custody.move_share(account, buyer, ONE)
    b = house.credit(b._replace(collateral=house.custody.count(buyer)), -worth)
    house.accounts[buyer] = b
    a = house.credit(a._replace(collateral=house.custody.count(account)), worth)
    require_bidder(house, buyer)
    return a
