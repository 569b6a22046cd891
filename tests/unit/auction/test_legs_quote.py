"""What a leg's quote says is the model's number, and what a bid for it gets, to the unit.

P16, P18 of docs/properties.md.
"""

from __future__ import annotations

import pytest

from plimsoll.model import leg_sale
from plimsoll.model.auction import NANO, Curve, Standing
from plimsoll.model.engine_types import LegResult
from plimsoll.testing import reverts
from tests.stage import (
    BTC,
    ETH,
    conserves,
    equity,
    lots_of,
    move_price,
    run_auction,
    undone,
)

from .legs_stage import ANY, most, of_eight, short_of_margin, sink, take


def test_bid_leg__as_quoted__lands_on_the_target_and_ends(house, trader, liquidator) -> None:
    """P16, P18: lots at mark, x of the R removed to the bidder, the fee on top, nothing else."""
    account = short_of_margin(house)
    quote = house.auction.leg_quote(account, ETH)
    before, held = house.engine.margin(account), lots_of(house, account)
    mine, fund = equity(house, liquidator.id), house.engine.fund_balance()
    budget = house.engine.keeper_budget()
    receipt = take(house, ETH, quote.lots, cost_limit=quote.cost, auction_id=quote.id)
    after = house.engine.margin(account)
    assert receipt.value == quote.cost
    assert lots_of(house, account) == held - quote.lots
    assert lots_of(house, liquidator.id) == quote.lots
    assert quote.removed == before.requirement - after.requirement
    assert -quote.cost == quote.removed * quote.x // NANO
    assert quote.fee == quote.removed * house.auction.curve().fee // NANO
    assert 0 <= before.equity - after.equity + quote.cost - quote.fee <= 3
    assert 0 <= -quote.cost - (equity(house, liquidator.id) - mine) <= 3
    taken = house.engine.fund_balance() - fund + house.engine.keeper_budget() - budget
    paid = sum(e.args["amount"] for e in receipt.events if e.name == "KeeperPaid")
    assert taken + paid == quote.fee
    goal = after.requirement * 11 // 10
    assert goal * 999 // 1_000 < after.equity <= goal * 1_002 // 1_000
    assert house.auction.auction(account).running == (after.equity < goal)
    [event] = [e for e in receipt.events if e.name == "LegBid"]
    assert (event.args["cost"], event.args["fee"], event.args["lots"]) == (
        quote.cost,
        quote.fee,
        quote.lots,
    )
    [sold] = [e for e in receipt.events if e.name == "LegSold"]
    assert (sold.args["lots"], sold.args["price"]) == (quote.lots, house.engine.market(ETH).mark)
    conserves(house)


def test_bid_leg__one_lot_more__beyond_the_target(house) -> None:
    """P16: nobody sells more of an account than it takes."""
    account = short_of_margin(house)
    for market in (ETH, BTC):
        lots = most(house, market)
        before = house.engine.margin(account)
        with reverts("BadFraction"):
            take(house, market, lots + 1)
        assert house.engine.margin(account) == before
        with undone(house):
            take(house, market, lots)


def test_bid_leg__cost_limit__to_the_unit(house) -> None:
    account = short_of_margin(house)
    cost = house.auction.leg_quote(account, ETH).cost
    with reverts("CostLimit"):
        take(house, ETH, most(house), cost_limit=cost - 1)
    take(house, ETH, most(house), cost_limit=cost)


CURVES = (0, 100, 300)


@pytest.mark.parametrize("seconds", CURVES)
def test_leg_quote__eight_legs__equal_to_the_model_to_the_unit(house, seconds) -> None:
    """And what it says is what a bid gets; the twin runs compare the engine's part."""
    account = of_eight(house)
    run_auction(house, account, seconds)
    standing = Standing(**house.engine.standing(account)._asdict())
    curve = Curve(**house.auction.curve()._asdict())

    def after(market: int, lots: int) -> LegResult:
        return LegResult(*house.engine.leg_after(account, market, lots))

    for market in range(8):
        wanted = leg_sale.quote(standing, curve, seconds, lambda n, m=market: after(m, n))
        quote = house.auction.leg_quote(account, market)
        assert (quote.x, quote.lots, quote.cost, quote.fee, quote.removed) == (
            wanted.x,
            wanted.lots,
            wanted.cost,
            wanted.fee,
            wanted.removed,
        )
        if not quote.lots:
            continue
        with undone(house):
            assert take(house, market, quote.lots).value == quote.cost
            conserves(house)
        if quote.lots < abs(lots_of(house, account, market)):
            with reverts("BadFraction"):
                take(house, market, quote.lots + 1)


def test_leg_quote__nothing_to_sell__says_so(house, trader) -> None:
    with reverts("NoAuction"):
        house.auction.leg_quote(trader.id, ETH)
    account = short_of_margin(house)
    for market in (2, 255, 256, ANY):
        assert house.auction.leg_quote(account, market).lots == 0
    move_price(house, 2_000)
    assert most(house) == 0  # healthy again
    sink(house, account, -10)
    assert most(house) == 0  # E < 0
    sink(house, account)
    assert most(house) > 0
    house.oracle.halt(house.feed_id("ETH"), 600, sender=house.guardian)
    quote = house.auction.leg_quote(account, ETH)
    assert quote.stopped
    assert quote.lots == 0
