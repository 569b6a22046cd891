"""Operators and their loss budget, margin modes, realising."""

from __future__ import annotations

import pytest

from plimsoll.testing import reverts
from tests.stage import (
    BTC,
    ETH,
    FOREVER,
    USD,
    cash,
    conserves,
    equity,
    fill,
    fresh,
    lots_of,
    move_price,
)

ZERO = "0x" + "00" * 20


# -- operators


def test_set_operator__packs_and_tells(house, trader):
    operator = house.actors["operator"]
    receipt = house.engine.set_operator(operator, 77, 3, 5, sender=trader)
    assert house.engine.operators(trader, operator) == 77 | (3 << 40) | (5 << 48)
    event = receipt.event("OperatorSet")
    assert (event.owner, event.expiry, event.scope, event.budget) == (trader.address, 77, 3, 5)


@pytest.mark.parametrize("args", [(2**40, 0, 0), (0, 4, 0), (0, 0, 2**96)])
def test_set_operator__fields_that_do_not_fit__are_refused(house, trader, args):
    with reverts("BadArgument"):
        house.engine.set_operator(house.actors["operator"], *args, sender=trader)


def test_set_operator__nobody__is_refused(house, trader):
    with reverts("NullAddress"):
        house.engine.set_operator(ZERO, 0, 0, 0, sender=trader)


def test_may_trade__by_scope_and_time__to_the_second(house, trader):
    engine, operator = house.engine, house.actors["operator"]
    assert engine.may_trade(trader.id, trader)
    assert not engine.may_trade(trader.id, operator)
    engine.set_operator(operator, house.evm.timestamp + 10, 2, 0, sender=trader)
    assert not engine.may_trade(trader.id, operator)
    engine.set_operator(operator, house.evm.timestamp + 10, 1, 0, sender=trader)
    house.advance(10)
    assert engine.may_trade(trader.account(7), operator)
    house.advance(1)
    assert not engine.may_trade(trader.id, operator)
    engine.set_operator(operator, FOREVER, 1, 0, sender=trader)
    engine.set_operator(operator, 0, 1, 0, sender=trader)
    assert not engine.may_trade(trader.id, operator)


@pytest.mark.parametrize(
    ("lots", "price", "loss"),
    [
        (10**6, 2_010, 10 * USD + 1_005 * USD // 1_000),  # buys 10 above the mark, fee 5 bp
        (-(10**6), 1_990, 10 * USD + 995 * USD // 1_000),
        (10**6, 1_990, 995 * USD // 1_000),  # a gain pays no budget back
    ],
)
def test_use_operator__loss_against_the_mark__comes_off_the_budget(
    house, trader, lots, price, loss
):
    engine, operator = house.engine, house.actors["operator"]
    call = (trader.id, operator, ETH, lots, price * 10**9)
    engine.set_operator(operator, FOREVER, 1, loss - 1, sender=trader)
    with reverts("LossBudget"):
        engine.use_operator(*call, sender=house.venue)
    engine.set_operator(operator, FOREVER, 1, loss + 5, sender=trader)
    engine.use_operator(*call, sender=house.venue)
    assert engine.operators(trader, operator) >> 48 == 5
    assert engine.operators(trader, operator) % 2**48 == FOREVER | (1 << 40)


def test_use_operator__splitting__saves_no_budget(house, trader):
    """P7."""
    engine, operator = house.engine, house.actors["operator"]
    left = []
    for parts in (1, 3):
        engine.set_operator(operator, FOREVER, 1, 10**18, sender=trader)
        for _ in range(parts):
            engine.use_operator(
                trader.id, operator, ETH, 30_003 // parts, 2_010 * 10**9 + 1, sender=house.venue
            )
        left.append(engine.operators(trader, operator) >> 48)
    assert left[1] <= left[0]


def test_use_operator__who_is_none__is_refused(house, trader, stranger):
    with reverts("NotOwner"):
        house.engine.use_operator(trader.id, stranger, ETH, 1, 1, sender=house.venue)


def test_use_operator__owner__pays_nothing(house, trader):
    house.engine.use_operator(trader.id, trader, ETH, 10**6, 2_010 * 10**9, sender=house.venue)


def test_use_operator__numbers_that_do_not_fit__are_refused(house, trader):
    operator = house.actors["operator"]
    house.engine.set_operator(operator, FOREVER, 1, 2**95, sender=trader)
    for market, lots, price in ((256, 1, 1), (0, 2**55, 1), (0, -(2**55), 1), (0, 1, 2**55)):
        with reverts("OutOfRange"):
            house.engine.use_operator(trader.id, operator, market, lots, price, sender=house.venue)


# -- modes


def test_set_mode__by_stranger__is_refused(house, trader, stranger):
    with reverts("NotOwner"):
        house.engine.set_mode(trader.id, 1, sender=stranger)


@pytest.mark.parametrize("mode", [2, 3, 4, 2**255])
def test_set_mode__that_does_not_exist_yet__is_refused(house, trader, mode):
    with reverts("WrongMode"):
        house.engine.set_mode(trader.id, mode, sender=trader)


def test_set_mode__isolated_with_two_markets__is_refused(house, trader, maker):
    house.settle(
        [fill(house, trader, maker, 1), fill(house, trader, maker, "0.05", 40_000, market=BTC)]
    )
    with reverts("WrongMode"):
        house.engine.set_mode(trader.id, 1, sender=trader)


def test_set_mode__under_the_initial_requirement__is_refused(house, trader, maker):
    """Elfi H-25: a change of mode is no way round the check."""
    house.settle([fill(house, trader, maker, 50)])
    move_price(house, 1_930)
    with reverts("Underwater"):
        house.engine.set_mode(trader.id, 1, sender=trader)


def test_set_mode__frozen__is_refused(house, trader, maker):
    house.settle([fill(house, trader, maker, 50)])
    move_price(house, 1_860)
    house.auction.start(trader.id, sender=maker)
    with reverts("Frozen"):
        house.engine.set_mode(trader.id, 1, sender=trader)


def test_set_mode__there_and_back__moves_no_equity(house, trader, maker):
    house.settle([fill(house, trader, maker, 10)])
    before = house.engine.margin(trader.id)
    event = house.engine.set_mode(trader.id, 1, sender=trader).event("ModeSet")
    assert event.mode == 1
    house.engine.set_mode(trader.id, 0, sender=trader)
    assert house.engine.margin(trader.id) == before


# -- realise


def losing(house, loss=100):
    trader, maker = house.actors["trader"], house.actors["maker"]
    house.settle([fill(house, trader, maker, 10)])
    move_price(house, 2_000 - loss // 10)
    return trader


def test_realise__loss_by_the_owner__moves_it_to_cash(house):
    trader = losing(house)
    before = equity(house, trader.id)
    event = house.engine.realise(trader.id, ETH, sender=trader).event("Realised")
    assert event.value == -100 * USD
    assert cash(house, trader.id) == 9_900 * USD
    assert (equity(house, trader.id), lots_of(house, trader.id)) == (before, 10**7)
    conserves(house)


def test_realise__loss_by_a_trade_operator__is_allowed(house):
    trader, operator = losing(house), house.actors["operator"]
    house.engine.set_operator(operator, FOREVER, 2, 0, sender=trader)
    with reverts("NothingToRealise"):
        house.engine.realise(trader.id, ETH, sender=operator)
    house.engine.set_operator(operator, FOREVER, 1, 0, sender=trader)
    house.engine.realise(trader.id, ETH, sender=operator)


def test_realise__loss_the_cash_covers__is_not_a_strangers(house, stranger):
    trader = losing(house)
    with reverts("NothingToRealise"):
        house.engine.realise(trader.id, ETH, sender=stranger)


def test_realise__profit__waits_for_a_fill(house):
    losing(house)
    maker = house.actors["maker"]
    with reverts("NothingToRealise"):
        house.engine.realise(maker.id, ETH, sender=maker)


def test_realise__loss_beyond_the_cash__is_anyones(house, maker, stranger):
    """It makes a loan that pays interest: anyone may see to it."""
    borrower = house.actor("borrower")
    house.deposit_collateral(borrower, 100)
    house.settle([fill(house, borrower, maker, 10)])
    move_price(house, 1_990)
    before = equity(house, borrower.id)
    house.engine.realise(borrower.id, ETH, sender=stranger)
    assert cash(house, borrower.id) == -100 * USD
    assert abs(equity(house, borrower.id) - before) <= 1
    conserves(house)


def test_realise__profit_against_a_debt__is_anyones_and_fresh(house, maker, stranger):
    borrower = house.actor("borrower")
    house.deposit_collateral(borrower, 100)
    house.engine.withdraw(borrower.id, 1_000 * 10**6, borrower, sender=borrower)
    house.settle([fill(house, borrower, maker, 10)])
    move_price(house, 2_020)
    house.engine.realise(borrower.id, ETH, sender=stranger)
    assert fresh(house, borrower.id) == 200 * USD
    assert -800 * USD - USD // 1_000 < cash(house, borrower.id) < -800 * USD  # 15 s of interest
    conserves(house)


def test_realise__without_a_position__has_nothing(house, trader):
    with reverts("NothingToRealise"):
        house.engine.realise(trader.id, ETH, sender=trader)


def test_realise__unknown_market__is_named(house, trader):
    with reverts("UnknownMarket"):
        house.engine.realise(trader.id, 7, sender=trader)


def test_realise__stale_price__is_refused(house):
    trader = losing(house)
    house.advance(86_401)
    with reverts("StalePrice"):
        house.engine.realise(trader.id, ETH, sender=trader)


def test_realise__frozen__is_refused(house, trader, maker):
    house.settle([fill(house, trader, maker, 50)])
    move_price(house, 1_860)
    house.auction.start(trader.id, sender=maker)
    with reverts("Frozen"):
        house.engine.realise(trader.id, ETH, sender=trader)


def test_realise__twice__changes_nothing_more(house):
    trader = losing(house)
    house.engine.realise(trader.id, ETH, sender=trader)
    with reverts("NothingToRealise"):
        house.engine.realise(trader.id, ETH, sender=trader)


def test_bid__isolated_account_with_another_market__is_refused(house, trader, maker):
    """Isolated accounts hold one market at most, by whatever door a position comes."""
    bidder = house.actor("isolated", quote=100_000)
    house.engine.set_mode(bidder.id, 1, sender=bidder)
    house.settle([fill(house, bidder, maker, "0.05", 40_000, market=BTC)])
    house.settle([fill(house, trader, maker, 50)])
    move_price(house, 1_860)
    house.auction.start(trader.id)
    with reverts("WrongMode"):
        house.auction.bid(trader.id, bidder.id, 0, 10**18, 10**30, FOREVER, sender=bidder)
