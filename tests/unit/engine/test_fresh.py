"""Fresh profit: it decays by its own clock, whoever touches the account and however often."""

from __future__ import annotations

import random

import pytest

from plimsoll.model.engine_types import DeleverageTerms, Fill, SliceTerms
from plimsoll.model.standard_margin import Quote
from tests.invariant.twin import PERIOD, SIGMA, Twin

USD = 10**15
DOLLAR = 10**6  # token units
ETH = 10**6  # lots
PROFIT = 1_002 * USD  # 10 ETH times 100 USD and the maker's rebate
TERMS = DeleverageTerms(0, 5_000_000, 3_600, 3_000, 9_500)


@pytest.fixture
def twin():
    return Twin(5)


def price(twin, usd):
    for feed in (1, 100):
        twin.set_quote(feed, Quote(usd * 10**9, sigma=SIGMA))


def in_debt(twin):
    """Owes 5,000 USD against the coin, holds 10 ETH, and has fresh profit."""
    borrower, maker, stranger = twin.ids[:3]
    twin.deposit(maker, 1_000_000 * DOLLAR)
    twin.coin_in(borrower, 100 * 10**18)
    assert twin.withdraw(borrower, 6_000 * DOLLAR)[0] == ""
    assert twin.settle([Fill(0, borrower, maker, 10 * ETH, 2_000 * 10**9, 0)])[0] == ""
    price(twin, 2_100)
    assert twin.realise(borrower, 0, twin.person(stranger))[0] == ""
    assert left(twin, borrower) == PROFIT
    return borrower, twin.person(stranger)


def left(twin, account):
    return twin.chain.engine.cash_of(account)[1]


def test_realise__losses_by_strangers_again_and_again__the_decay_goes_on(twin):
    borrower, stranger = in_debt(twin)
    mark = 2_100 * 10**9
    for step in range(1, 10):
        twin.advance(PERIOD // 10)
        mark -= 10**5  # a tenth of a thousandth of a dollar
        twin.set_quote(1, Quote(mark, sigma=SIGMA))
        assert twin.realise(borrower, 0, stranger)[0] == ""
        assert abs(left(twin, borrower) - PROFIT * (10 - step) // 10) < USD // 50
    twin.advance(PERIOD // 10 + 1)
    assert left(twin, borrower) < USD // 50


def test_realise__small_profits_by_strangers__are_refused(twin):
    """Each would set the decay's clock back, by a second at least."""
    borrower, stranger = in_debt(twin)
    twin.advance(PERIOD // 2)
    for rise, refused in ((10**5, "NothingToRealise"), (49 * 10**8, "NothingToRealise")):
        twin.set_quote(1, Quote(2_100 * 10**9 + rise, sigma=SIGMA))  # 49 USD of 5,000 owed
        assert twin.realise(borrower, 0, stranger)[0] == refused
    assert twin.realise(borrower, 0, twin.person(borrower))[0] == ""  # the owner may
    twin.set_quote(1, Quote(2_110 * 10**9, sigma=SIGMA))
    before = left(twin, borrower)
    assert twin.realise(borrower, 0, stranger)[0] == ""  # 51 USD: a hundredth of the debt
    assert abs(left(twin, borrower) - before - 51 * USD) <= 2


def test_realise__profits_in_parts__decay_no_sooner_than_each_alone(twin):
    """The mean of the ages: never less is left than the profits apart would have left."""
    rng = random.Random(5)
    borrower, _ = in_debt(twin)
    parts, mark = [(PROFIT, twin.model.now)], 2_100 * 10**9
    for _ in range(30):
        twin.advance(rng.randrange(PERIOD // 20))
        rise = rng.randrange(1, 10**8)
        mark += rise
        twin.set_quote(1, Quote(mark, sigma=SIGMA))
        assert twin.realise(borrower, 0, twin.person(borrower))[0] == ""
        parts.append((rise * 10 * ETH, twin.model.now))
        apart = sum(p * max(PERIOD - (twin.model.now - t), 0) // PERIOD for p, t in parts)
        assert left(twin, borrower) >= apart


def test_sell_slice__profit_of_a_leg_shrunk_to_nothing__stays_fresh(twin):
    """What deleveraging closed for the seller is as fresh as what it had closed itself."""
    long, seller, other, bidder = twin.ids[:4]
    for account, amount in ((long, 8_000), (seller, 50_000), (other, 500_000), (bidder, 500_000)):
        twin.deposit(account, amount * DOLLAR)
    assert twin.settle([Fill(0, long, seller, 10 * ETH, 2_000 * 10**9, 0)])[0] == ""
    price(twin, 1_500)
    twin.auction("freeze", long)
    assert twin.auction("deleverage", long, 0, TERMS)[0] == ""
    assert twin.model.markets[0].oi == 0
    twin.auction("freeze", seller)
    terms = SliceTerms(10**18 // 2, free=True)
    assert twin.auction("sell_slice", seller, bidder, terms)[0] == ""
    profit = left(twin, seller) + left(twin, bidder)
    assert 4_900 * USD < profit <= 5_000 * USD
    assert abs(left(twin, seller) - left(twin, bidder)) <= 1
