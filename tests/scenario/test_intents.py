"""Intents and pre-liquidation over the whole protocol: what they lock, who they serve, how they
end."""

from __future__ import annotations

import pytest

from plimsoll.testing import reverts
from tests.scenario.test_auction_ends import replaced
from tests.stage import (
    ETH,
    FOREVER,
    ONE,
    TOKEN,
    USD,
    cash,
    conserves,
    equity,
    fill,
    lots_of,
    move_price,
    person,
    run_auction,
)

DAY = 86_400
ANY = 2**256 - 1


def promise(house, actor, capacity=5_000, premium=50_000_000, index=0, days=10):
    """An intent of the actor's account; USD of R."""
    account = actor.id + index
    terms = (capacity * TOKEN, 10**12, premium, house.evm.timestamp + days * DAY, True, ANY)
    house.auction.commit_intent(account, terms, sender=actor)
    return account


def windowed(house, seconds=60, **changed):
    """Governance opens a priority window."""
    curve = house.auction.curve()._asdict() | {"priority": seconds} | changed
    house.govern("LiquidationAuction", "set_curve", tuple(curve.values()))


def in_auction(house, trader, maker, keeper, price=1_830):
    house.trade("ETH-PERP", trader, maker, 50, 2_000)
    move_price(house, price)
    house.auction.start(trader.id, sender=keeper)


keeper, stranger = person("keeper"), person("stranger")


def test_committed_margin__cannot_leave_by_any_door(house, liquidator, maker, stranger):
    account = promise(house, liquidator)
    weth = house.tokens["weth"].address
    shut = [
        lambda: house.engine.withdraw(account, TOKEN, liquidator, sender=liquidator),
        lambda: house.engine.transfer(account, account + 1, USD, sender=liquidator),
        lambda: house.settle([fill(house, liquidator, maker, 1, 2_000)]),
        lambda: house.engine.realise(account, ETH, sender=liquidator),
    ]
    for door in shut:
        with reverts("Frozen"):
            door()
    with reverts("NoAuction"):
        house.auction.end(account, sender=liquidator)
    assert house.vault.balance_of(account, weth) == 0
    house.mint(stranger, 5)
    house.engine.deposit(account, 5 * TOKEN, sender=stranger)  # anyone may add
    conserves(house)


def test_fill__in_the_window__intent_takes_it_before_any_bid(
    house, trader, maker, liquidator, keeper, stranger
):
    windowed(house)
    account = promise(house, liquidator)
    in_auction(house, trader, maker, keeper)
    bid = (trader.id, maker.id, 0, ONE, 10**30, FOREVER)
    with reverts("PriorityWindow"):
        house.auction.bid(*bid, sender=maker)
    need = house.engine.margin(trader.id).requirement
    before = equity(house, account)
    house.auction.fill_intent(trader.id, account, FOREVER, sender=stranger)
    assert lots_of(house, account) > 0
    assert equity(house, account) > before
    margin = house.engine.margin(trader.id)
    goal = margin.requirement * 11 // 10
    assert goal <= margin.equity <= goal * 1_002 // 1_000
    left = house.auction.intent(account).capacity
    assert 5_000 * TOKEN - left == pytest.approx((need - margin.requirement) // 10**9, rel=0.05)
    with reverts("Frozen"):
        house.engine.withdraw(account, TOKEN, liquidator, sender=liquidator)
    conserves(house)


def test_own_intent__self_liquidation__loses(house, trader, maker, keeper):
    """P19: an owner first in line for its own account pays the fee and gets a part of it back."""
    windowed(house)
    house.mint(trader, 40_000)
    house.engine.deposit(trader.id + 1, 40_000 * TOKEN, sender=trader)
    mine = promise(house, trader, index=1)
    house.trade("ETH-PERP", trader, maker, 50, 2_000)
    move_price(house, 1_830)
    whole = equity(house, trader.id) + equity(house, mine)
    house.auction.start(trader.id, sender=trader)
    house.auction.fill_intent(trader.id, mine, FOREVER, sender=trader)
    assert equity(house, trader.id) + equity(house, mine) < whole - USD
    conserves(house)


def test_pre_liquidation__of_ones_own__loses(house, trader, maker):
    """P19, before the auction."""
    house.mint(trader, 40_000)
    house.engine.deposit(trader.id + 1, 40_000 * TOKEN, sender=trader)
    house.auction.set_pre_liquidation(trader.id, True, sender=trader)
    house.trade("ETH-PERP", trader, maker, 50, 2_000)
    move_price(house, 1_870)
    margin = house.engine.margin(trader.id)
    house.deposit(trader, max(0, margin.requirement * 102 // 100 - margin.equity) // USD + 1)
    whole = equity(house, trader.id) + equity(house, trader.id + 1)
    taken = (trader.id, trader.id + 1, ONE, 2**200, FOREVER)
    if house.auction.pre_quote(trader.id).fraction == 0:
        move_price(house, 1_835)
    house.auction.pre_liquidate(*taken, sender=trader)
    assert equity(house, trader.id) + equity(house, trader.id + 1) < whole
    conserves(house)


def test_poor_intent__fails_alone(house, trader, maker, rival, liquidator, keeper):
    """Its positions have eaten the margin it promised: others and bidders go on."""
    windowed(house)
    house.trade("ETH-PERP", rival, maker, 45, 2_000)
    poor = promise(house, rival, capacity=300)
    good = promise(house, liquidator)
    in_auction(house, trader, maker, keeper)
    with reverts("Underwater"):
        house.auction.fill_intent(trader.id, poor, FOREVER, sender=keeper)
    before = house.evm.snapshot()
    house.auction.fill_intent(trader.id, good, FOREVER, sender=keeper)
    house.evm.revert(before)
    run_auction(house, trader.id, 60)
    house.auction.bid(trader.id, maker.id, 0, ONE, 10**30, FOREVER, sender=maker)
    conserves(house)


def test_intent_account_falls_under_r__is_auctioned_itself(house, rival, maker, liquidator, keeper):
    house.trade("ETH-PERP", rival, maker, 30, 2_000)
    mine = promise(house, rival, capacity=500)
    move_price(house, 1_690)
    house.auction.start(mine, sender=keeper)
    assert house.auction.intent(mine).expiry == 0
    house.auction.bid(mine, liquidator.id, 0, ONE, 10**30, FOREVER, sender=liquidator)
    assert not house.engine.head(mine) >> 226 & 1
    conserves(house)


def test_replaced_auction__committed_accounts__anyone_frees_them(house, liquidator, stranger):
    account = promise(house, liquidator)
    old, new = house.auction, replaced(house)
    house.advance(11 * DAY, refresh=True)
    with reverts("NotAuction"):
        old.release_intent(account, sender=liquidator)
    new.end(account, sender=stranger)
    house.engine.withdraw(account, TOKEN, liquidator, sender=liquidator)
    conserves(house)


def test_pause__all_stopped__a_lapsed_intent_is_released(house, liquidator):
    account = promise(house, liquidator, days=1)
    with reverts("IntentOpen"):
        house.auction.release_intent(account, sender=liquidator)
    house.govern("MarginEngine", "set_pause", 4)
    house.evm.advance(DAY + 1)
    house.auction.release_intent(account, sender=house.actors["stranger"])
    house.engine.withdraw(account, TOKEN, liquidator, sender=liquidator)


def test_intent__insolvent_account__taken_at_the_funds_cost(
    house, trader, maker, liquidator, keeper
):
    """P23: as a bid would: the fund pays -E, the intent's account starts level."""
    windowed(house)
    house.insure(50_000)
    account = promise(house, liquidator, capacity=20_000)
    in_auction(house, trader, maker, keeper, price=1_780)
    short = -equity(house, trader.id)
    assert short > 0
    fund, mine = house.engine.fund_balance(), equity(house, account)
    house.auction.fill_intent(trader.id, account, FOREVER, sender=keeper)
    assert abs(fund - house.engine.fund_balance() - short) <= 100
    assert abs(equity(house, account) - mine) <= 100
    assert cash(house, trader.id) == 0
    conserves(house)
