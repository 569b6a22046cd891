"""Single legs of accounts in auction, over the whole protocol: what a sale does to both sides.

P3, P23 of docs/properties.md. Random books beside the model: test_legs_model.py.
"""

from __future__ import annotations

from plimsoll.deployment.house import Actor
from plimsoll.protocol import Protocol
from plimsoll.testing import reverts
from tests.stage import (
    BTC,
    ETH,
    FOREVER,
    TOKEN,
    cash,
    conserves,
    equity,
    lots_of,
    move_price,
    run_auction,
)

from .legs_stage import LOT, most, short_of_margin, sink, take


def test_bid_leg__small_leg_whole__the_rest_goes_on(house, trader, maker) -> None:
    house.trade("BTC-PERP", trader, maker, "0.05", 40_000)
    account = short_of_margin(house, btc="0")
    lots = abs(lots_of(house, account, BTC))
    assert most(house, BTC) == lots
    take(house, BTC, lots)
    assert lots_of(house, account, BTC) == 0
    assert house.engine.held(account) == 1
    assert house.auction.auction(account).running
    take(house, ETH, most(house))
    conserves(house)


def test_bid_leg__opposite_lots_of_the_bidder__close(house, maker, liquidator) -> None:
    """P3: open interest falls by what closed, and the bidder's profit is that of the mark."""
    house.trade("ETH-PERP", maker, liquidator, 10, 2_000)
    account = short_of_margin(house)
    open_interest = house.engine.market(ETH).open_interest
    lots = min(most(house), 10 * LOT)
    mine = equity(house, liquidator.id)
    paid = -take(house, ETH, lots).value
    assert house.engine.market(ETH).open_interest == open_interest - lots
    assert lots_of(house, liquidator.id) == lots - 10 * LOT
    assert 0 <= paid - (equity(house, liquidator.id) - mine) <= 3
    assert lots_of(house, account) + lots_of(house, maker.id) + lots_of(house, liquidator.id) == 0
    conserves(house)


def test_bid_leg__short_leg__taken_as_well(house, trader, maker, liquidator) -> None:
    house.trade("ETH-PERP", maker, trader, 25, 2_000)
    house.trade("BTC-PERP", maker, trader, "1.25", 40_000)
    sink(house, trader.id, up=True)
    house.auction.start(trader.id)
    take(house, ETH, most(house))
    assert lots_of(house, liquidator.id) < 0
    conserves(house)


def test_bid_leg__loss_beyond_cash__is_a_loan_no_cap_forbids(house, trader, maker) -> None:
    """Collateral stays behind it; the cap is for loans taken out."""
    house.deposit_collateral(trader, 8)
    house.engine.withdraw(trader.id, 9_500 * TOKEN, trader, sender=trader)
    house.trade("ETH-PERP", trader, maker, 60, 2_000)
    house.govern("MarginEngine", "set_rates", (0, 0, 0, 8_000, 100, 0))
    sink(house, trader.id)
    house.auction.start(trader.id)
    take(house, ETH, most(house))
    assert cash(house, trader.id) < 0 < equity(house, trader.id)
    conserves(house)


def test_bid_leg__last_leg_beside_collateral__leaves_the_collateral(house, trader, maker) -> None:
    house.deposit_collateral(trader, 4)
    house.engine.withdraw(trader.id, 13_000 * TOKEN, trader, sender=trader)
    house.trade("BTC-PERP", trader, maker, "0.02", 40_000)
    sink(house, trader.id)
    house.auction.start(trader.id)
    lots = lots_of(house, trader.id, BTC)
    assert most(house, BTC) == lots
    take(house, BTC, lots)
    assert house.engine.held(trader.id) == 0
    assert house.engine.standing(trader.id).collateral > 0 > cash(house, trader.id)
    conserves(house)


def test_bid_leg__after_it__slices_go_on_and_a_restart_resumes(house, trader, liquidator) -> None:
    account = short_of_margin(house)
    run_auction(house, account, 120)
    take(house, ETH, most(house) // 2)
    quote = house.auction.cost(account)
    assert quote.x >= 300_000_000
    assert quote.fraction > 0
    take(house, ETH, most(house))
    if house.auction.auction(account).running:
        house.auction.bid(account, liquidator.id, 0, 10**18, 10**30, FOREVER, sender=liquidator)
    assert not house.auction.auction(account).running
    move_price(house, 1_600)
    house.auction.start(account)
    assert house.auction.cost(account).x >= 300_000_000
    conserves(house)


def test_bid_leg__deficit_noted_before__is_cleared(house, trader) -> None:
    """P23: what was short has recovered; the note goes with the next sale."""
    account = short_of_margin(house, -20)
    assert equity(house, account) < 0 < house.engine.pending_deficit()
    with reverts("LegRefused"):
        take(house, ETH, LOT)
    sink(house, account, 80)
    assert house.engine.pending_deficit() > 0
    take(house, ETH, LOT)
    assert house.engine.pending_deficit() == 0


# -- the handle


def test_protocol__legs__in_human_units(house, liquidator) -> None:
    account = short_of_margin(house)
    handle = Protocol.of_house(house, liquidator.address)
    quote = handle.leg_quote(account, "ETH-PERP")
    word = house.auction.leg_quote(account, ETH)
    assert quote.size * LOT == word.lots
    assert quote.cost < 0 < quote.fee
    handle.bid_leg(
        account, liquidator.id, "ETH-PERP", quote.size, quote.cost, FOREVER, auction_id=quote.id
    )
    assert lots_of(house, liquidator.id) == word.lots
    assert isinstance(liquidator, Actor)
