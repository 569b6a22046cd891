"""Lots of one leg of a frozen account sold at mark: the engine's part, money in qu.

Functions on the engine's state for `House` to wrap into all-or-nothing calls; bit for bit what
`contracts/core/single_leg.vy` computes.
"""

from __future__ import annotations

from plimsoll.model import residuals
from plimsoll.model.accounts import DEGRADED, Accounts
from plimsoll.model.engine_types import CLOSED, ISOLATED, Account, LegResult, LegTerms
from plimsoll.model.rounding import require
from plimsoll.model.sale import receive, require_bidder
from plimsoll.model.standard_margin import Assessment, Quote
from plimsoll.model.waterfall import pay_keepers

NANO = 10**9


def _live(quote: Quote) -> bool:
    """Whether a single leg may be priced by a quote: OK or DEGRADED, not just back from a gap."""
    return quote.state <= DEGRADED and not quote.recovering


def _result(
    house: Accounts, a: Account, left: int, paid: int, fee: int, found: Assessment
) -> LegResult:
    return LegResult(
        abs(left),
        paid,
        fee,
        house.cash.value(a.cash) + found.unrealised + found.collateral,
        found.requirement,
        found.stale_requirement,
        found.stale_value,
    )


def sell_leg(house: Accounts, account: int, bidder: int, t: LegTerms) -> LegResult:
    """Sell lots of a leg at mark for a premium on the R removed; the bidder must meet R_init."""
    require(house.pause < CLOSED, "MarketPaused")
    cash = house.cash
    cash.accrue(house.now)
    a = house.account(account)
    require(a.frozen, "NotFrozen")
    require(not house.account(bidder).frozen, "Frozen")
    require(account != bidder, "SelfTrade")
    require(t.market in a.markets, "BadFraction")
    book = house.book(t.market)
    basis, quote = house.quote(t.market)
    require(_live(quote), "StalePrice")
    lots, g, _, _ = residuals.touch(book, house.position(account, t.market), basis)
    require(0 < t.lots <= abs(lots), "BadFraction")
    limiter = house.limiter
    require(t.lots <= limiter.lots(account, t.market, t.lots, house.now), "Throttled")
    limiter.consume_sum(limiter.consume(t.market, t.lots, house.now), house.now)
    sold, gm = book.part(lots, g, t.lots)
    value = book.value(sold, gm, basis)
    a = house.with_fresh(house.hold(a, t.market, lots != sold), value)
    a = house.credit(a, value)
    house.store(account, t.market, lots - sold, g - gm)
    b, dg = receive(house, bidder, house.account(bidder), t.market, sold, gm - value, basis)
    book.side(sold).oi -= abs(sold)
    book.book(dg - gm)
    house.accounts[account] = a
    found = house.assess(account, a)
    require(found.requirement < t.requirement, "LegRefused")
    removed = t.requirement - found.requirement
    paid, fee = removed * t.premium // NANO, removed * t.fee // NANO
    fresh = min(house.fresh(a), paid)  # what leaves first is fresh
    a, b = house.with_fresh(a, -fresh), house.with_fresh(b, fresh)
    a, b = house.credit(a, -paid - fee), house.credit(b, paid)
    kept = fee * t.keeper_share // 10_000
    cash.set_keeper(cash.keeper + kept)
    cash.to_fund(fee - kept)
    house.accounts[account], house.accounts[bidder] = a, b
    require(b.mode != ISOLATED or len(b.markets) < 2, "WrongMode")
    require_bidder(house, bidder)
    result = _result(house, a, lots - sold, paid, fee, found)
    if removed >= t.least:
        pay = t.pay._replace(
            executor_due=t.pay.executor_due + removed * t.executor_share // NANO,
            starter_due=t.pay.starter_due + removed * t.starter_share // NANO,
        )
        executed, started = pay_keepers(house, pay, kept)
        result = result._replace(executed=executed, started=started)
    cash.reprice()
    return result


def leg_after(house: Accounts, account: int, market: int, sold: int) -> LegResult:
    """What a sale of so many lots would leave before premium and fee; all zero where none may be.

    Cash at the stored indices: ask it of `accrued()`, whose interest is brought to the present.
    """
    a = house.account(account)
    if market not in a.markets:
        return LegResult()
    book = house.book(market)
    basis, quote = house.peek(market)
    lots, g, _, _ = book.touch(house.position(account, market), basis)
    if sold > abs(lots) or lots == 0 or not _live(quote):
        return LegResult()
    part, gm = book.part(lots, g, sold)
    found = house.assess(account, a, (market, lots - part, g - gm))
    result = _result(house, a, lots - part, 0, 0, found)
    room = house.limiter.lots(account, market, abs(lots), house.now)
    return result._replace(equity=result.equity + book.value(part, gm, basis), room=room)
