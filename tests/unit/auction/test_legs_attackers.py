"""Single legs in the hands of those who would gain by them: owners, splitters, keepers.

P7, P19, P20 of docs/properties.md.
"""

from __future__ import annotations

from plimsoll.testing import reverts
from tests.stage import (
    BTC,
    ETH,
    TOKEN,
    USD,
    cash,
    conserves,
    equity,
    fresh,
    move_price,
    undone,
)

from .legs_stage import most, short_of_margin, sink, take


def test_own_legs__bought_by_oneself__lose_the_fee(house, trader, maker) -> None:
    """P19, Euler: the winning leg at mark into another own account, the losing ones left."""
    house.mint(trader, 60_000)
    house.engine.deposit(trader.id + 1, 60_000 * TOKEN, sender=trader)
    house.trade("BTC-PERP", maker, trader, "1.25", 40_000)
    house.trade("ETH-PERP", trader, maker, 30, 2_000)
    move_price(house, 39_000, "BTC")
    sink(house, trader.id)
    house.auction.start(trader.id, sender=trader)
    whole = equity(house, trader.id) + equity(house, trader.id + 1)
    fund, budget = house.engine.fund_balance(), house.engine.keeper_budget()
    quote = house.auction.leg_quote(trader.id, BTC)
    assert quote.lots > 0
    take(house, BTC, quote.lots, bidder=trader.id + 1, sender=trader)
    now = equity(house, trader.id) + equity(house, trader.id + 1)
    lost = whole - now
    gained = house.engine.fund_balance() - fund + house.engine.keeper_budget() - budget
    assert lost >= quote.fee // 2 > 0  # keepers' half of it may come back to who executes himself
    assert 0 <= lost - gained <= 5  # nobody else lost anything
    conserves(house)


def test_own_profit__paid_as_premium__stays_fresh(house, trader, maker) -> None:
    """Paper profit does not leave by way of the premium of an own leg."""
    house.mint(trader, 60_000)
    house.engine.deposit(trader.id + 1, 60_000 * TOKEN, sender=trader)
    house.trade("BTC-PERP", maker, trader, "1.25", 40_000)
    house.trade("ETH-PERP", trader, maker, 30, 2_000)
    move_price(house, 38_000, "BTC")
    sink(house, trader.id)
    house.auction.start(trader.id, sender=trader)
    before = fresh(house, trader.id) + fresh(house, trader.id + 1)
    paid = -take(house, BTC, most(house, BTC), bidder=trader.id + 1, sender=trader).value
    assert paid > USD
    assert fresh(house, trader.id + 1) == paid
    assert fresh(house, trader.id) + fresh(house, trader.id + 1) > before
    with reverts("Underwater"):
        house.engine.withdraw(trader.id + 1, 60_000 * TOKEN, trader, sender=trader)


def test_legs__in_parts__take_no_more_than_the_whole(house, liquidator) -> None:
    """P7: what the R removed is worth does not depend on how it was cut; rounding is theirs."""
    short_of_margin(house)
    lots = most(house)
    with undone(house):
        one = -take(house, ETH, lots).value
    parts = 0
    for part in (1, 2, 1_000, lots // 3, lots // 7):
        parts -= take(house, ETH, part).value
        lots -= part
    parts -= take(house, ETH, lots).value
    assert one - 10 <= parts <= one


# -- keepers' pay


def test_tiny_legs__pay_no_keeper(house, liquidator, keeper) -> None:
    """P20: under min_requirement of R removed neither executor nor starter is paid."""
    account = short_of_margin(house)
    budget = house.engine.keeper_budget()
    for _ in range(5):
        receipt = take(house, ETH, 10**5)
        assert not [e for e in receipt.events if e.name == "KeeperPaid"]
    assert house.engine.keeper_budget() >= budget
    assert house.auction.auction(account).starter.lower() == keeper.address.lower()


def test_pay__of_a_large_leg__within_the_keepers_part_of_its_fee(
    house, keeper, trader, maker
) -> None:
    """P20: starter and executor once each, out of what the sale brought the budget."""
    house.mint(trader, 90_000)
    house.deposit(trader, 90_000)
    account = short_of_margin(house, eths=200, btc="10")
    quote = house.auction.leg_quote(account, ETH)
    assert quote.removed > 1_000 * USD
    budget = house.engine.keeper_budget()
    receipt = take(house, ETH, quote.lots)
    paid = [e.args for e in receipt.events if e.name == "KeeperPaid"]
    assert len(paid) == 2
    total = sum(one["amount"] for one in paid)
    assert 0 < total <= quote.fee // 2
    assert house.engine.keeper_budget() == budget + quote.fee // 2 - total
    assert cash(house, keeper.id) >= paid[1]["amount"] - 1
    assert int(house.auction.auction(account).starter, 16) == 0
    conserves(house)


def test_pay__executor_is_the_account_sold__counted_apart(house, trader, maker) -> None:
    """Its pay comes after the sale is judged: it cannot bend its own target."""
    house.mint(trader, 290_000)
    house.engine.deposit(trader.id + 1, 200_000 * TOKEN, sender=trader)
    house.deposit(trader, 90_000)
    account = short_of_margin(house, eths=200, btc="10")
    quote = house.auction.leg_quote(account, ETH)
    before = equity(house, account)
    receipt = take(house, ETH, quote.lots, bidder=account + 1, sender=trader)
    own = sum(
        e.args["amount"]
        for e in receipt.events
        if e.name == "KeeperPaid" and int(e.args["keeper"], 16) << 96 == account
    )
    assert own > 0
    assert 0 <= before + quote.cost - quote.fee + own - equity(house, account) <= 5
    conserves(house)
