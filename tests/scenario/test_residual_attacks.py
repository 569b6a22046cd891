"""What can be made of the fractions that deleveraging leaves to the insurance fund, by those who
choose how many there are, when they are sold to it, and when it gives them up."""

from __future__ import annotations

from decimal import Decimal

import pytest

from plimsoll.deployment.abi import artifact
from plimsoll.evm.storage import slot_of
from plimsoll.testing import reverts
from tests.stage import ETH, USD, conserves, equity, give_residual, move_price, run_auction

LOT = Decimal("0.000001")  # ETH
ACCOUNTS, EVENTS, MOVE = 16, 3, 100  # of the attacker; shrinks; USD a lot falls after each touch


def shrink(house, number, price):
    """Somebody long is deleveraged against all who are short; the mark it closes at."""
    loser = house.actor(f"loser{number}", quote=int(price * 6 / 100))
    house.trade("ETH-PERP", loser, house.actors["maker"], "0.61", price)
    broken = price * 88 // 100
    move_price(house, broken)
    house.auction.start(loser.id)
    run_auction(house, loser.id, 1_260)
    house.auction.deleverage(loser.id, 0)
    return broken


def fractions_farmed(house):
    """An attacker with many accounts, each of a size that leaves the largest fraction it can get:
    it knows every move of the mark ahead and touches all of them just before a bad one. Returns
    what the touches earned at the mark, what the moves then took from the fund, and the fees."""
    house.insure(1_000)
    maker, attacker = house.actors["maker"], house.actor("attacker", quote=100_000)
    mine = [attacker.account(i) for i in range(1, ACCOUNTS + 1)]
    for i, one in enumerate(mine):
        house.engine.transfer(attacker.id, one, 1_000 * USD, sender=attacker)
        house.trade("ETH-PERP", maker, one, Decimal("0.2") + i * LOT, 2_000)
    price, touched, taken, fees = 2_000, 0, 0, 0
    for event in range(EVENTS):
        price = shrink(house, event, price)
        before = sum(equity(house, one) for one in mine)
        fund = fund_worth(house)
        held = house.engine.market(ETH).fees
        for one in mine:
            # The smallest touch there is: it adds ten dollars, at the mark.
            house.trade("ETH-PERP", maker, one, "0.01", price)
        paid = house.engine.market(ETH).fees - held
        touched += sum(equity(house, one) for one in mine) - before + paid
        fees += paid
        # A touch is at the mark: but for the part of a lot that is not told.
        assert fund_worth(house) - fund >= -(2_000 * 10**9)
        fund = fund_worth(house)
        price -= MOVE  # what the fund is short of now gains; the attacker bets on the reverse
        move_price(house, price)
        taken += fund_worth(house) - fund
    conserves(house)
    return touched, taken, fees


def fund_worth(house):
    """Bucket and residual of both sides, quote units."""
    there = house.engine.residual_of(ETH)
    return house.engine.fund_balance() + there.long_value + there.short_value


def test_fractions__of_many_accounts_sold_before_each_move__never_pay_a_touch(house):
    """Sixteen accounts, three events, every move known: at the mark the touches earn nothing, and
    all that a move shifts between attacker and fund is below a lot for each touch before it, a
    hundredth of the fees."""
    touched, taken, fees = fractions_farmed(house)
    assert touched <= 0
    assert abs(taken) <= EVENTS * (EVENTS + 1) // 2 * ACCOUNTS * MOVE * 10**9
    assert taken != 0
    assert abs(taken) < fees // 50
    print(f"touches {touched / USD:.9f}, moves {taken / USD:.6f}, fees {fees / USD:.4f} USD")


def apart(house, long_price, short_price):
    """The fund has two units of each side, bought at two prices of one's own choice."""
    words = {}
    for key, price in ((2 * ETH, long_price), (2 * ETH + 1, short_price)):
        move_price(house, price)
        give_residual(house, 2)
        words[key] = house.evm.storage(*residual_word(key, house))
    for key, word in words.items():
        house.evm.set_storage(*residual_word(key, house), word)


@pytest.mark.parametrize("mark", [1_700, 2_100, 2_600])
def test_netting__at_a_mark_of_ones_choice__earns_the_same_at_every_mark(house, mark):
    """Bought at 2,000 and owed at 2,200, closed against itself: 200 a unit, whenever it is done."""
    house.trade("ETH-PERP", house.actors["liquidator"], house.actors["maker"], 3, 2_000)
    apart(house, 2_000, 2_200)
    move_price(house, mark)
    fund = house.engine.fund_balance()
    assert house.engine.net_residual.transact(ETH).value == 2 * 10**6
    assert house.engine.fund_balance() - fund == 2 * 200 * USD
    assert house.engine.residual_of(ETH) == (0, 0, 0, 0)


@pytest.mark.parametrize("mark", [1_700, 2_100, 2_600])
def test_netting__loss_beyond_the_fund__takes_nothing_at_any_mark(house, mark):
    """Longs bought above what the shorts are owed at: 400 USD are lost. A fund of 399 keeps them,
    and what it has stays for the deficits of accounts."""
    house.trade("ETH-PERP", house.actors["liquidator"], house.actors["maker"], 3, 2_000)
    house.insure(500)
    house.engine.budget_move(house.engine.fund_balance() - 399 * USD, sender=house.fund.address)
    apart(house, 2_200, 2_000)
    move_price(house, mark)
    with reverts("FundEmpty"):
        house.engine.net_residual(ETH)
    assert house.engine.fund_balance() == 399 * USD
    house.insure(2)
    house.engine.net_residual(ETH)
    assert house.engine.fund_balance() == 1 * USD


def residual_word(key, house):
    """Where what is counted of a side is stored."""
    entry = artifact("MarginEngine").storage_layout["storage_layout"]["residuals"]["words"]
    return house.engine.address, slot_of(entry["slot"], entry["type"], key)
