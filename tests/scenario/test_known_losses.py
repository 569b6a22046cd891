"""Who sees a loss coming and tries to leave it to others: by withdrawing, by a sibling account,
by paper profit, by somebody else's key. What each bears is compared with standing still."""

from __future__ import annotations

import pytest

from plimsoll.evm import Reverted
from tests.stage import (
    BTC,
    ETH,
    FOREVER,
    ONE,
    TOK,
    TOKEN,
    USD,
    cash,
    conserves,
    equity,
    lots_of,
    move_price,
    ruin,
    run_auction,
)

END = 1_260  # seconds to the end of the curve


def doomed(house, against, size=900, price=1_500, quote=200_000):
    """A long far through its margin, in auction; nobody will bid."""
    whale = house.actor("doomed", quote=quote)
    house.trade("ETH-PERP", whale, against, size, 2_000)
    move_price(house, price)
    house.auction.start(whale.id)
    return whale


def recognised(house, whale):
    """The auction runs out and the loss is recognised; the engine's event."""
    run_auction(house, whale.id, END)
    events = house.auction.deleverage(whale.id, 0).events
    return next(one for one in events if one.name == "Deleveraged")


def held(house, who, accounts=2):
    """All an owner has: equity of its accounts and what it took out, quote units."""
    inside = sum(equity(house, who.account(i)) for i in range(accounts))
    return inside + house.quote.balanceOf(who) * TOK


def compared(house, *ways):
    """What each way of acting leaves its owner with, from the same state."""
    left = []
    for way in ways:
        before, actors = house.evm.snapshot(), dict(house.actors)
        left.append(way())
        conserves(house)
        house.evm.revert(before)
        house.actors = actors
    return left


# -- leaving


def test_withdrawal__loss_within_the_fund_but_beyond_its_caps__bears_what_a_stayer_bears(house):
    """P25. A deficit of 5,000, a fund of 6,000 that may pay half of itself: 2,000 will be charged
    and socialised. Who leaves the second before bears the same, to the token unit."""
    saver = house.actor("saver", quote=200_000)
    house.insure(6_000)
    ruin(house)
    doomed_one = house.actors["trader"]
    house.auction.start(doomed_one.id)
    assert house.engine.pending_deficit() < house.engine.fund_balance()

    def stays():
        assert recognised(house, doomed_one).socialised > 0
        return held(house, saver)

    def leaves():
        house.engine.withdraw(saver.id, 200_000 * TOKEN, saver, sender=saver)
        recognised(house, doomed_one)
        house.engine.release(saver.id)
        return held(house, saver)

    stayed, left = compared(house, stays, leaves)
    assert stayed < 200_000 * USD - 100 * USD
    assert abs(stayed - left) <= 2 * TOK


@pytest.mark.parametrize("accounts", [2, 5])
def test_withdrawal__from_many_accounts_of_ones_own__bears_the_same(house, maker, accounts):
    """P25. The same money in one account or in five: escrow keeps back the same share of each."""
    saver = house.actor("saver", quote=100_000)
    whale = doomed(house, maker)

    def leaves(count):
        for i in range(1, count):
            share = 100_000 * USD // count
            house.engine.transfer(saver.id, saver.account(i), share, sender=saver)
        for i in range(count):
            asked = cash(house, saver.account(i)) // TOK
            house.engine.withdraw(saver.account(i), asked, saver, sender=saver)
        recognised(house, whale)
        for i in range(count):
            house.engine.release(saver.account(i))
        return held(house, saver, count)

    one, many = compared(house, lambda: leaves(1), lambda: leaves(accounts))
    assert many <= one + accounts * TOK
    assert one < 95_000 * USD


def test_release__before_the_loss_has_a_payer__is_refused(house, maker):
    saver = house.actor("saver", quote=100_000)
    doomed(house, maker)
    house.engine.withdraw(saver.id, 50_000 * TOKEN, saver, sender=saver)
    for call in (
        lambda: house.engine.release(saver.id),
        lambda: house.engine.withdraw(saver.id, TOKEN, saver, sender=saver),
    ):
        with pytest.raises(Reverted) as refused:
            call()
        assert refused.value.name == "EscrowLocked"


# -- hiding in a sibling


def test_roll_to_a_sibling_of_thin_margin__before_an_uncapped_charge__costs_more(house, maker):
    """A winner moves its lots to a sibling that cannot bear the charge, and keeps the profit as
    cash. Cash is what the socialised part falls on: it ends with less than had it stood still."""
    winner = house.actor("winner", quote=300_000)
    whale = doomed(house, winner, price=1_300)

    def stands():
        recognised(house, whale)
        return held(house, winner)

    def rolls():
        house.engine.transfer(winner.id, winner.account(1), 140_000 * USD, sender=winner)
        house.trade("ETH-PERP", winner.id, winner.account(1), 900, 1_300)
        assert lots_of(house, winner.id) == 0
        recognised(house, whale)
        return held(house, winner)

    stood, rolled = compared(house, stands, rolls)
    assert rolled < stood - 50_000 * USD


def test_cash_into_a_siblings_paper_profit__before_a_socialisation__saves_little(house, maker):
    """The one way found to bear less of a socialised loss, and how much it saves. Cash lost on
    paper to a sibling, at the band's edge and realised at once, is profit that socialisation does
    not reach. Margin and band let a saver hide a seventh of its money; fees eat a tenth of that
    gain, and what is hidden comes back only over the hour that fresh profit takes."""
    saver = house.actor("saver", quote=100_000)
    whale = doomed(house, maker)

    def stands():
        recognised(house, whale)
        return held(house, saver)

    def hides():
        one, other = saver.id, saver.account(1)
        house.engine.transfer(one, other, 60_000 * USD, sender=saver)
        for _ in range(3):
            house.trade("BTC-PERP", other, one, "2.2", 38_001)
        house.engine.realise(one, BTC, sender=saver)
        recognised(house, whale)
        return held(house, saver)

    stood, hidden = compared(house, stands, hides)
    loss = 100_000 * USD - stood
    assert loss > 10_000 * USD
    assert hidden - stood < loss * 15 // 100


# -- somebody else's key, somebody else's limit


@pytest.mark.parametrize("seconds", [0, 300, 900])
def test_operator_without_a_budget__bids_for_its_owner__loses_nothing_at_mark(
    house, trader, maker, seconds
):
    """A bid spends no loss budget because it loses nothing against the mark: what is sold costs at
    most what it is worth there, and the bidder must meet R_init after it."""
    owner, operator = house.actor("owner", quote=100_000), house.actors["operator"]
    house.engine.set_operator(operator, FOREVER, 1, 0, sender=owner)
    house.trade("ETH-PERP", trader, maker, 50, 2_000)
    move_price(house, 1_832)
    house.auction.start(trader.id)
    run_auction(house, trader.id, seconds)
    before, mark = equity(house, owner.id), house.engine.market(ETH).mark
    for share in (1, ONE // 1_000, ONE // 7, ONE):
        house.auction.bid(trader.id, owner.id, 0, share, 10**30, FOREVER, sender=operator)
        if not house.auction.auction(trader.id).running:
            break
    assert house.engine.market(ETH).mark == mark
    assert equity(house, owner.id) >= before - 100  # quote units, three a bid
    margin = house.engine.margin(owner.id)
    assert margin.initial_equity >= margin.initial_requirement
    conserves(house)


def test_borrow_cap__loss_to_a_sibling_at_the_bands_edge__lends_less_than_it_shows(house, trader):
    """The cap is on what is borrowed to be taken out. A loss to a sibling is a loan too and no fill
    asks for the cap, lest nobody could close; what the sibling gets is fresh profit, and the loan
    stays within the initial haircut of what backs it, as any other."""
    house.govern("MarginEngine", "set_rates", rates(house, cap=1))
    owner = house.actor("owner", quote=20_000)
    rich, other = owner.account(1), owner.id
    house.deposit_collateral(owner, 20, index=1)
    for call in (
        lambda: house.engine.withdraw(rich, 2 * TOKEN, owner, sender=owner),
        lambda: house.engine.transfer(rich, other, 2 * USD, sender=owner),
    ):
        with pytest.raises(Reverted) as refused:
            call()
        assert refused.value.name == "BorrowCap"
    before = equity(house, rich) + equity(house, other)
    house.trade("ETH-PERP", rich, other, 10, 2_099)
    house.trade("ETH-PERP", other, rich, 10, 2_000)
    debt = -cash(house, rich)
    assert 980 * USD < debt < 1_020 * USD
    paid = before - equity(house, rich) - equity(house, other)
    assert paid >= debt * 19 // 1_000  # fees: two per cent of the loan
    with pytest.raises(Reverted):
        house.engine.withdraw(other, 20_500 * TOKEN, owner, sender=owner)
    margin = house.engine.margin(rich)
    assert margin.initial_equity >= margin.initial_requirement
    conserves(house)


def rates(house, cap):
    """The house's interest with another cap on loans, token units."""
    word = house.engine.rates()
    part = [(0, 24), (24, 24), (48, 24), (72, 16), (88, 16)]
    return (*((word >> low) % 2**bits for low, bits in part), cap * TOKEN)
