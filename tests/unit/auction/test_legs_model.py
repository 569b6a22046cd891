"""Single legs on the engine beside its model: random books, every stored word compared.

P2, P3, P16, P18, P20 of docs/properties.md. The auction's part of a sale is the model's here; the
contract's is in test_legs_quote.py.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from plimsoll.model import leg_sale
from plimsoll.model.auction import Standing, x_at
from plimsoll.model.engine_types import DeleverageTerms, Fill, KeeperPay, LegResult, LegTerms
from plimsoll.model.standard_margin import Quote
from tests.auction_terms import check_no_worse, curve_of
from tests.invariant.twin import COIN_FEED, START, Twin

DOLLAR = 10**6  # token units
TERMS = DeleverageTerms(0, 5_000_000, 3_600, 3_000, 9_500)
# Together over the keepers' part of the fee: that is what they get then.
CURVE = replace(curve_of(TERMS), exec_share=3_000_000, start_share=3_000_000)
LOTS = {0: 3 * 10**6, 1: 2 * 10**5}  # market -> lots of a usual position
MONEY = (6_000, 10**6, 300_000, 5_000, 10**5)
ROUNDS = 150


class Books:
    """An account in trouble with random legs, and people around it, on a twin."""

    def __init__(self) -> None:
        self.twin = Twin(5)
        self.account, self.maker, self.bidder, self.victim, self.other = self.twin.ids[:5]
        self.twin.fund_in(10**11)
        self.twin.simple("budget_move", 10**18, role="fund")
        for account, usd in zip(self.twin.ids, MONEY, strict=False):
            self.twin.deposit(account, usd * DOLLAR)
        self.kept = self.keep()

    def keep(self) -> tuple[Any, Any, dict[int, Quote]]:
        return self.twin.chain.evm.snapshot(), self.twin.model.save(), dict(self.twin.quotes)

    def back(self, kept: tuple[Any, Any, dict[int, Quote]]) -> None:
        """To what was kept; a keep serves one return."""
        chain, model, quotes = kept
        self.twin.chain.evm.revert(chain)
        self.twin.model.restore(model)
        self.twin.quotes.clear()
        self.twin.quotes.update(quotes)

    def again(self) -> None:
        self.back(self.kept)
        self.kept = self.keep()

    # -- looking

    def standing(self) -> Standing:
        return Standing(**self.twin.model.accrued().standing(self.account)._asdict())

    def lots(self, market: int, *accounts: int) -> int:
        return sum(self.twin.model.position(one, market).lots for one in accounts)

    def after(self, market: int, sold: int) -> LegResult:
        return self.twin.model.leg_after(self.account, market, sold)

    # -- building

    def position(self, rnd: random.Random, who: int, market: int) -> None:
        mark = self.twin.quotes[market + 1].mark
        lots = 1 + int(LOTS[market] * rnd.random() ** 2 * 10)
        pair = (who, self.maker) if rnd.random() < 0.5 else (self.maker, who)
        for _ in range(4):
            if self.twin.settle([Fill(market, *pair, lots, mark, 1)])[0] == "":
                return
            lots = lots // 2 + 1

    def bankrupt(self, rnd: random.Random) -> None:
        """Somebody is deleveraged: a side shrinks, an epoch passes."""
        market = rnd.randrange(2)
        self.position(rnd, self.victim, market)
        lots = self.lots(market, self.victim)
        if lots == 0:
            return
        quote = self.twin.quotes[market + 1]
        moved = quote.mark // 2 if lots > 0 else quote.mark * 5 // 2
        self.twin.set_quote(market + 1, replace(quote, mark=moved))
        self.twin.auction("freeze", self.victim)
        self.twin.auction("deleverage", self.victim, 0, TERMS)
        self.twin.auction("thaw", self.victim)
        self.twin.set_quote(market + 1, quote)

    def build(self, rnd: random.Random) -> bool:
        """Random books, then prices at which the account is short; False where they are not."""
        twin = self.twin
        if rnd.random() < 0.5:
            twin.coin_in(self.account, rnd.randrange(10**15, 3 * 10**18))
        for market in (0, 1):
            if rnd.random() < 0.85:
                self.position(rnd, self.account, market)
            for who in (self.bidder, self.other):
                if rnd.random() < 0.5:
                    self.position(rnd, who, market)
        if rnd.random() < 0.5:
            self.bankrupt(rnd)
        for _ in range(3):
            amount = rnd.randrange(1, 8_000) * DOLLAR
            if twin.withdraw(self.account, amount)[0] == "":
                break
        twin.advance(rnd.choice((15, 3_600, 86_400)))
        return self.sink(rnd.uniform(0.1, 1.05), rnd.choice((1, 2)))

    def sink(self, health: float, feed: int) -> bool:
        """One price moves until E is about `health` of R."""
        start, worst = START[feed], 0
        for factor in (0.3, 3.0):
            self.quote(feed, int(start * factor))
            s = self.standing()
            if s.equity < health * s.requirement:
                worst = int(start * factor)
        low, high = start, worst
        for _ in range(50):
            middle = (low + high) // 2
            self.quote(feed, middle)
            s = self.standing()
            low, high = (low, middle) if s.equity < health * s.requirement else (middle, high)
        self.quote(feed, high or start)
        self.twin.set_quote(feed, self.twin.quotes[feed])
        s = self.standing()
        return 0 < s.equity < s.requirement

    def quote(self, feed: int, mark: int) -> None:
        self.twin.quotes[feed] = replace(self.twin.quotes[feed], mark=mark)

    # -- selling

    def terms(self, elapsed: int, market: int, lots: int) -> LegTerms:
        found = leg_sale.terms(self.standing(), CURVE, elapsed, market, lots)
        pay = KeeperPay(self.other, 10**14, self.maker, 2 * 10**14)
        return found._replace(
            pay=pay, executor_share=CURVE.exec_share, starter_share=CURVE.start_share, least=10**16
        )

    def sell(self, elapsed: int, market: int, lots: int) -> tuple[str, Any]:
        terms = self.terms(elapsed, market, lots)
        return self.twin.auction("sell_leg", self.account, self.bidder, terms)


@pytest.fixture(scope="module")
def _books() -> Books:
    return Books()


@pytest.fixture
def books(_books: Books) -> Iterator[Books]:
    yield _books
    _books.again()


@pytest.mark.parametrize("seed", [1, 2])
def test_sell_leg__random_books__equal_the_model_and_hold_the_properties(
    books: Books, seed: int
) -> None:
    rnd, met = random.Random(seed), Counter[str]()
    print(f"seed {seed}, {ROUNDS} rounds")
    for _ in range(ROUNDS):
        books.again()
        if not books.build(rnd):
            continue
        books.twin.auction("freeze", books.account)
        elapsed = rnd.choice((0, 0, 300, 900, 1_700))
        market = rnd.choice(sorted(books.twin.model.account(books.account).markets) or [0])
        quote = leg_sale.quote(
            books.standing(), CURVE, elapsed, lambda n, m=market: books.after(m, n)
        )
        whole = books.after(market, 0).left
        met["on sale" if quote.lots else "not on sale"] += 1
        compare_views(books, rnd, market, whole)
        if quote.lots == 0:
            met[odd_sale(books, rnd, elapsed, market, whole)] += 1
            continue
        if quote.lots < whole:
            one_more_fails(books, elapsed, market, quote.lots)
        met["whole" if quote.lots == whole else "part"] += 1
        sale(books, rnd, elapsed, market, quote, met)
    print(dict(met))
    for event in ("whole", "part", "closing the bidder's", "a loan", "starter cut", "cured"):
        assert met[event] > 2, f"the run never met: {event}"
    assert met["epoch passed"] > 0


def compare_views(books: Books, rnd: random.Random, market: int, whole: int) -> None:
    """`leg_after` of chain and model, at the edges and between."""
    for sold in {0, 1, whole, whole + 1, rnd.randrange(whole + 1)}:
        got = books.twin.chain.engine.leg_after(books.account, market, sold)
        assert tuple(got) == tuple(books.after(market, sold)), f"{sold} of {whole}"


def odd_sale(books: Books, rnd: random.Random, elapsed: int, market: int, whole: int) -> str:
    """Whatever lots: the twin compares the refusal or the sale."""
    lots = rnd.choice((0, whole, whole + 1, rnd.randrange(whole + 1)))
    return f"odd {books.sell(elapsed, market, lots)[0]}"


def one_more_fails(books: Books, elapsed: int, market: int, lots: int) -> None:
    before, kept = books.standing(), books.keep()
    refused, result = books.sell(elapsed, market, lots + 1)
    assert refused or leg_sale.fault(before, result, CURVE, elapsed), f"{lots + 1} lots passed"
    books.back(kept)


def sale(
    books: Books,
    rnd: random.Random,
    elapsed: int,
    market: int,
    quote: leg_sale.LegQuote,
    met: Counter[str],
) -> None:
    twin, account, bidder = books.twin, books.account, books.bidder
    before, held = books.standing(), books.lots(market, bidder)
    stored, book = twin.model.position(account, market), twin.model.markets[market]
    lots, _, _, _ = book.touch(stored, twin.basis(market))
    owned = twin.model.accrued().standing(bidder).equity
    refused, result = books.sell(elapsed, market, quote.lots)
    assert refused == "", refused
    assert leg_sale.fault(before, result, CURVE, elapsed) == ""
    # P19: what the bidder gains is the premium quoted, but for floors.
    assert -quote.cost == result.paid
    assert quote.fee == result.fee
    gained = twin.model.accrued().standing(bidder).equity - owned
    assert -3 <= gained - result.paid <= 0, f"gained {gained}, paid {result.paid}"
    after = twin.model.accrued().standing(account)
    assert quote.removed == before.requirement - after.requirement > 0
    assert -3 <= after.equity - (before.equity - result.paid - result.fee) <= 0
    assert result.paid <= quote.removed * x_at(CURVE, elapsed) // 10**9
    check_no_worse(before, after, lost=0)
    assert result.executed + result.started <= result.fee * CURVE.keeper_share // 10_000, "P20"
    # P18: what went is what came, on both sides' books.
    left = twin.model.position(account, market).lots
    assert abs(lots) - abs(left) == quote.lots
    met["closing the bidder's"] += held * lots < 0
    met["a loan"] += twin.model.cash.value(twin.model.account(account).cash) < 0
    met["epoch passed"] += stored.epoch != book.side(lots).epoch
    met["cured"] += leg_sale.cured(result, CURVE)
    met["starter cut"] += 0 < result.started < quote.removed * CURVE.start_share // 10**9
    met["fresh"] += twin.model.account(account).fresh > 0


assert COIN_FEED in START
