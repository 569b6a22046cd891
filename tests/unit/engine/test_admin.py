"""Fees, pause levels, listing, wind-down and lazy settlement, and what governance may set."""

from __future__ import annotations

from itertools import pairwise

import pytest

from plimsoll.testing import reverts
from tests.stage import (
    ETH,
    MARKET_CONFIG,
    TOKEN,
    USD,
    account_id,
    cash,
    conserves,
    equity,
    fill,
    fresh,
    move_price,
    usd,
)

ZERO = "0x" + "00" * 20
FIELDS = "cap_lots cap_usd min_notional maker_fee taker_fee band status".split()


def config(**changes):
    return tuple((dict(zip(FIELDS, MARKET_CONFIG, strict=True)) | changes).values())


# -- fees


def test_collect_fees__splits_between_fund_and_treasury_to_the_unit(house, trader, maker, stranger):
    treasury = house.treasury.id
    house.govern("MarginEngine", "set_fee_split", house.treasury, 3_333)
    house.settle([(ETH, trader.id, maker.id, 5_001, 1_999_999_999_999, 1)])
    fees = house.engine.market(ETH).fees
    fund = house.engine.fund_balance()
    event = house.engine.collect_fees(ETH, sender=stranger).event("FeesCollected")
    assert (event.fees, event.treasury) == (fees, fees * 6_667 // 10_000)
    assert cash(house, treasury) == fees * 6_667 // 10_000
    assert house.engine.fund_balance() == fund + fees - cash(house, treasury)
    assert house.engine.market(ETH).fees == 0
    conserves(house)


def test_collect_fees__nothing_there__says_so(house):
    with reverts("NothingToDo"):
        house.engine.collect_fees(ETH)
    with reverts("NothingToDo"):
        house.engine.collect_fees(200)


# -- pause levels: P32

# What each level lets pass, of the house; a market's levels 1 and 2 say the same of its fills.
CALLS = (
    "deposit withdraw withdraw_held transfer transfer_held realise vault_deposit vault_withdraw "
    "open hand_on reduce start bid sync end"
).split()
STOPPED = {
    0: {},
    1: {"open": "MarketPaused"},
    2: {"open": "MarketPaused", "hand_on": "MarketReduceOnly"},
    3: {
        "open": "MarketPaused",
        "hand_on": "MarketReduceOnly",
        "start": "MarketPaused",
        "bid": "MarketPaused",
    },
    4: {
        "open": "MarketPaused",
        "hand_on": "MarketPaused",
        "reduce": "MarketPaused",
        "start": "MarketPaused",
        "bid": "MarketPaused",
        "withdraw_held": "MarketPaused",
        "transfer_held": "MarketPaused",
    },
}


def prepare(house):
    """Rival and maker hold ETH; the trader is in auction, the weak account about to be."""
    people = house.actors
    weak = house.actor("weak", quote=10_000)
    for who in (people["rival"], weak, people["trader"]):
        size = 2 if who is people["rival"] else 50
        house.settle([fill(house, who, people["maker"], size)])
    move_price(house, 1_860)
    house.auction.start(people["trader"].id, sender=people["keeper"])
    idle = house.actor("idle", quote=1_000)
    house.deposit_collateral(idle, 1)
    return weak, idle


def attempt(house, weak, idle, name):
    """One call that level 0 lets pass."""
    engine, people = house.engine, house.actors
    rival, maker, trader = people["rival"], people["maker"], people["trader"]
    liquidator = people["liquidator"]
    weth = house.tokens["weth"].address
    one = 1_860
    if name == "open":
        house.settle([fill(house, liquidator, maker, 1, one)])
    elif name == "hand_on":
        house.settle([fill(house, liquidator, rival, 1, one)])
    elif name == "reduce":
        house.settle([fill(house, maker, rival, 1, one)])
    elif name == "deposit":
        house.deposit(trader, 1)
    elif name == "withdraw":
        engine.withdraw(people["liquidator"].id, TOKEN, liquidator, sender=liquidator)
    elif name == "withdraw_held":
        engine.withdraw(maker.id, TOKEN, maker, sender=maker)
    elif name == "transfer":
        engine.transfer(liquidator.id, liquidator.account(1), USD, sender=liquidator)
    elif name == "transfer_held":
        engine.transfer(maker.id, maker.account(1), USD, sender=maker)
    elif name == "realise":
        engine.realise(rival.id, ETH, sender=rival)
    elif name == "vault_deposit":
        house.deposit_collateral(idle, 1)
    elif name == "vault_withdraw":
        house.vault.withdraw(idle.id, weth, 10**18, idle, sender=idle)
    elif name == "start":
        house.auction.start(weak.id)
    elif name == "bid":
        house.advance(30, refresh=True)
        house.auction.bid(trader.id, liquidator.id, 0, 10**18, 10**30, 2**40, sender=liquidator)
    elif name == "sync":
        house.auction.sync(trader.id)
    elif name == "end":
        house.deposit(trader, 100_000)
        house.auction.end(trader.id)
    else:
        raise AssertionError(name)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("level", STOPPED)
def test_pause__level_and_call__are_the_table(house, level, call):
    weak, idle = prepare(house)
    house.govern("MarginEngine", "set_pause", level)
    error = STOPPED[level].get(call)
    if error is None:
        attempt(house, weak, idle, call)
        conserves(house)
        return
    with reverts(error):
        attempt(house, weak, idle, call)


def test_pause__each_level__is_stricter_than_the_one_before():
    for low, high in pairwise(range(5)):
        assert set(STOPPED[low]) <= set(STOPPED[high])


def test_pause__exits_only__lets_unpledged_collateral_leave(house):
    """Level 4: value leaves where nothing depends on a price; pledged collateral waits."""
    idle, borrower = house.actor("idle", quote=10), house.actor("borrower")
    for who in (idle, borrower):
        house.deposit_collateral(who, 2)
    weth = house.tokens["weth"].address
    house.engine.withdraw(borrower.id, 100 * TOKEN, borrower, sender=borrower)
    house.govern("MarginEngine", "set_pause", 4)
    house.vault.withdraw(idle.id, weth, 2 * 10**18, idle, sender=idle)
    with reverts("MarketPaused"):
        house.vault.withdraw(borrower.id, weth, 1, borrower, sender=borrower)


def test_set_pause__guardian__only_raises(house):
    engine, guardian = house.engine, house.guardian
    engine.set_pause(2, sender=guardian)
    for level in (0, 1, 2):
        with reverts("NotGovernance"):
            engine.set_pause(level, sender=guardian)
    engine.set_pause(4, sender=guardian)
    house.govern("MarginEngine", "set_pause", 0)
    with reverts("BadParameter"):
        house.govern("MarginEngine", "set_pause", 5)


def test_set_status__guardian__only_raises_and_never_closes(house):
    engine, guardian = house.engine, house.guardian
    engine.set_status(ETH, 2, sender=guardian)
    for status in (0, 1, 2, 3):
        with reverts("BadParameter"):
            engine.set_status(ETH, status, sender=guardian)
    with reverts("UnknownMarket"):
        engine.set_status(2, 1, sender=guardian)


# -- listing and settings


def test_list_market__the_risk_model_must_know_it(house):
    with reverts("UnknownMarket"):
        house.govern("MarginEngine", "list_market", MARKET_CONFIG)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"cap_lots": 0}, "BadParameter"),
        ({"cap_lots": 2**55}, "BadParameter"),
        ({"cap_usd": 0}, "BadParameter"),
        ({"cap_usd": 2**40}, "BadParameter"),
        ({"min_notional": 0}, "BadParameter"),
        ({"min_notional": 2**24}, "BadParameter"),
        ({"taker_fee": 10_001}, "BadParameter"),
        ({"band": 0}, "BadParameter"),
        ({"band": 2_001}, "BadParameter"),
        ({"status": 3}, "BadParameter"),
        ({"maker_fee": -501}, "JointBound"),
        ({"maker_fee": 10_001}, "JointBound"),
    ],
)
def test_set_market__out_of_bounds__is_refused(house, changes, error):
    with reverts(error):
        house.govern("MarginEngine", "set_market", ETH, config(**changes))


def test_set_market__keeps_the_fees_held(house, trader, maker):
    house.settle([fill(house, trader, maker, 1, flags=1)])
    fees = house.engine.market(ETH).fees
    event = house.govern("MarginEngine", "set_market", ETH, config(band=700)).event("MarketSet")
    assert house.engine.market(ETH).fees == fees == USD
    assert event.old != event.new
    conserves(house)


@pytest.mark.parametrize(
    ("function", "args", "error"),
    [
        ("set_core", (ZERO, 0, 60), "BadArgument"),
        ("set_module", (1, ZERO), "BadArgument"),
        ("set_module", (3, ZERO), "BadArgument"),
        ("set_venue", (ZERO, True), "BadArgument"),
        ("set_fee_split", (ZERO, 0), "NullAddress"),
        ("set_rates", ((2**24, 0, 0, 0, 0, 0),), "BadParameter"),
        ("set_rates", ((0, 2**24, 0, 0, 0, 0),), "BadParameter"),
        ("set_rates", ((0, 0, 2**24, 0, 0, 0),), "BadParameter"),
        ("set_rates", ((0, 0, 0, 10_001, 0, 0),), "BadParameter"),
        ("set_rates", ((0, 0, 0, 0, 5_001, 0),), "BadParameter"),
        ("set_rates", ((0, 0, 0, 0, 0, 10**15 + 1),), "BadParameter"),
        ("set_market", (2, MARKET_CONFIG), "UnknownMarket"),
        ("wind_down", (ETH,), "MarketOpen"),
        ("wind_down", (2,), "UnknownMarket"),
    ],
)
def test_governance__wrong_argument__is_refused_by_name(house, function, args, error):
    with reverts(error):
        house.govern("MarginEngine", function, *args)


def test_governance__bounds_of_core_and_split(house):
    risk = house.risk.address
    for haircut, period in ((10_001, 60), (0, 59), (0, 30 * 86_400 + 1)):
        with reverts("BadParameter"):
            house.govern("MarginEngine", "set_core", risk, haircut, period)
    with reverts("BadParameter"):
        house.govern("MarginEngine", "set_fee_split", house.treasury, 10_001)
    with reverts("BadArgument"):
        house.govern("MarginEngine", "set_module", 4, risk)
    with reverts("BadArgument"):
        house.govern("MarginEngine", "set_module", 0, risk)


def test_set_core__keeps_pause_level_and_venue_switch(house):
    house.govern("MarginEngine", "set_pause", 2)
    house.govern("MarginEngine", "set_venue", house.orders.address, False)
    house.govern("MarginEngine", "set_core", house.risk.address, 100, 60)
    core = house.engine.core()
    assert ((core >> 160) & 255, (core >> 216) & 1) == (2, 1)


def test_set_rates__interest_so_far__accrues_at_the_old_line(house, trader):
    house.deposit_collateral(trader, 100)
    house.engine.withdraw(trader.id, 60_000 * TOKEN, trader, sender=trader)
    house.advance(90 * 86_400, refresh=True)
    owed = cash(house, trader.id)
    house.govern("MarginEngine", "set_rates", (0, 0, 0, 8_000, 0, 10**12))
    assert cash(house, trader.id) == owed
    house.advance(90 * 86_400, refresh=True)
    assert cash(house, trader.id) == owed
    conserves(house)


# -- wind-down


def wound_down(house, price=2_100):
    """Rival and trader are long, the maker short; the market ends after half an hour at a price."""
    people = house.actors
    house.settle([fill(house, people["trader"], people["maker"], 3)])
    house.settle([fill(house, people["rival"], people["maker"], 2)])
    move_price(house, price)
    house.engine.set_status(ETH, 2, sender=house.guardian)
    for _ in range(4):
        house.advance(1_800, refresh=True)
    house.govern("MarginEngine", "wind_down", ETH)
    return people["trader"], people["rival"], people["maker"]


def test_wind_down__anyone_settles_anyone__at_the_settlement_price(house, stranger):
    trader, rival, maker = wound_down(house)
    assert house.engine.market(ETH).mark == 2_100 * 10**9
    expected = {who.id: equity(house, who.id) for who in (trader, rival, maker)}
    move_price(house, 1_500)  # the market price means nothing any more
    for who in (maker, trader, rival):
        house.engine.realise(who.id, ETH, sender=stranger)
        conserves(house)
        assert cash(house, who.id) == expected[who.id] == equity(house, who.id)
        assert house.engine.held(who.id) == 0
    assert house.engine.market(ETH).unrealised == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_wind_down__order_of_settlement__changes_nobodys_pay(house, order):
    people = wound_down(house)
    for i in order:
        house.engine.realise(people[i].id, ETH)
    paid = [usd(cash(house, one.id)) for one in people]
    assert paid == [10_300, 10_200, 1_000_000 - 500 - 5]


def test_wind_down__settled_profit__is_fresh(house):
    trader, *_ = wound_down(house)
    house.engine.realise(trader.id, ETH)
    assert fresh(house, trader.id) == 300 * USD


def test_wind_down__settled_twice__has_nothing(house):
    trader, *_ = wound_down(house)
    house.engine.realise(trader.id, ETH)
    with reverts("NothingToRealise"):
        house.engine.realise(trader.id, ETH)


def test_wind_down__is_for_good(house):
    wound_down(house)
    for call in (("set_market", ETH, MARKET_CONFIG), ("set_status", ETH, 2), ("wind_down", ETH)):
        with reverts("MarketClosed"):
            house.govern("MarginEngine", *call)


def test_wind_down__position_left_there__needs_no_margin(house):
    trader, *_ = wound_down(house)
    assert house.engine.margin(trader.id).requirement == 0


def test_fees__of_the_treasury__are_in_account_zero(house):
    assert house.engine.fee_split() % 2**160 == house.treasury.id >> 96
    assert account_id(house.treasury) == house.treasury.id
