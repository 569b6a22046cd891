"""Legs that are not sold, each by its own error: of bad calls, dead feeds, hedges.

P15, P16, P19 of docs/properties.md.
"""

from __future__ import annotations

from typing import Any

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.deployment.house import House
from plimsoll.evm import Reverted
from plimsoll.model.auction import NANO
from plimsoll.testing import reverts
from tests.house import TESTS, deploy_auction
from tests.stage import (
    BTC,
    ETH,
    FOREVER,
    TOK,
    TOKEN,
    conserves,
    fill,
    list_markets,
    lots_of,
    move_price,
    run_auction,
    undone,
)

from .legs_stage import ANY, LOT, most, requirement, short_of_margin, sink, take


def test_bid_leg__bad_input__each_its_own_error(house, trader, rival, stranger) -> None:
    with reverts("NoAuction"):
        take(house, ETH, LOT)
    account = short_of_margin(house)
    before = house.engine.margin(account)
    leg = lots_of(house, account)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("Expired", {"deadline": house.evm.timestamp - 1}),
        ("BadArgument", {"bidder": account, "sender": trader}),
        ("NotOwner", {"sender": stranger}),
        ("NotOwner", {"bidder": rival.id}),
        ("WrongAuction", {"auction_id": 5}),
        ("BadFraction", {"lots": 0}),
        ("BadFraction", {"lots": leg + 1}),
        ("BadFraction", {"lots": ANY}),
        ("BadFraction", {"lots": leg}),  # beyond the target
        ("BadFraction", {"market": 2}),
        ("BadFraction", {"market": 256}),
        ("BadFraction", {"market": ANY}),
        ("Underwater", {"bidder": stranger.id, "sender": stranger}),
        ("CostLimit", {"cost_limit": -(10**30)}),
    ]
    for error, changed in cases:
        with reverts(error):
            take(house, **({"market": ETH, "lots": LOT} | changed))
        assert house.engine.margin(account) == before
    take(house, ETH, LOT)


def test_bid_leg__remainder_of_crumbs__whole_or_not_at_all(house) -> None:
    """Half of the account may be sold before what stays is under min_lots."""
    account = short_of_margin(house, 70, eths=40, btc="0.05")
    least = 2 * house.auction.curve().min_lots
    leg = lots_of(house, account, BTC)
    assert most(house, BTC) == leg
    for lots in (leg - 1, leg - least + 1):
        with reverts("BadFraction"):
            take(house, BTC, lots)
    with undone(house):
        take(house, BTC, leg - least)
    take(house, BTC, leg)


def passes(house: House, market: int, lots: int) -> bool:
    try:
        with undone(house):
            take(house, market, lots)
    except Reverted:
        return False
    return True


def test_bid_leg__crumbs_left_to_have_all_sold__refused(house, trader) -> None:
    """A leg under min_lots has the whole account sold: nobody makes one to that end."""
    account = short_of_margin(house, 20, eths=40, btc="0.05")
    leg = lots_of(house, account, BTC)
    sized = house.auction.cost(account).fraction
    assert sized < 10**18
    low, high = 0, leg - 1
    while high - low > 1:  # the most but for the whole
        middle = (low + high) // 2
        low, high = (middle, high) if passes(house, BTC, middle) else (low, middle)
    assert leg - low > 5_000
    take(house, BTC, low)
    assert house.auction.cost(account).fraction < sized


def test_bid_leg__healthy_again__refused(house) -> None:
    """P15."""
    account = short_of_margin(house)
    move_price(house, 2_000)
    with reverts("Healthy"):
        take(house, ETH, LOT)
    assert house.engine.margin(account).equity > requirement(house, account)


@pytest.mark.parametrize(("percent", "seconds"), [(-20, 0), (6, 0), (95, 600), (95, 1_300)])
def test_bid_leg__price_of_the_whole_not_positive__slices_only(house, percent, seconds) -> None:
    """P16, P19: where E <= (x + fee) R a premium on one leg would be taken from the others."""
    account = short_of_margin(house, percent)
    run_auction(house, account, seconds)
    with reverts("LegRefused"):
        take(house, ETH, LOT)
    assert most(house) == 0


def test_bid_leg__edge_of_the_premium__to_the_token_unit(house, stranger) -> None:
    account = short_of_margin(house, 50)
    run_auction(house, account, 300)
    s, curve = house.engine.standing(account), house.auction.curve()
    need = s.linear + s.superlinear
    rate = house.auction.cost(account).x + curve.fee
    gap = -(-(need * rate // NANO + TOK - s.equity) // TOK)
    assert gap > 0  # short of it by so many token units
    house.mint(stranger, gap // TOKEN + 2)
    with undone(house):
        house.engine.deposit(account, gap - 1, sender=stranger)
        with reverts("LegRefused"):
            take(house, BTC, lots_of(house, account, BTC))
    with undone(house):
        house.engine.deposit(account, gap + 1, sender=stranger)
        with reverts("BadFraction"):
            take(house, ETH, LOT)  # next to no price left: a slice would be nearly all
        take(house, BTC, lots_of(house, account, BTC))


def test_bid_leg__priority_window__intents_first(house, liquidator) -> None:
    curve = house.auction.curve()._asdict() | {"priority": 60}
    house.govern("LiquidationAuction", "set_curve", tuple(curve.values()))
    account = short_of_margin(house)
    quote = house.auction.leg_quote(account, ETH)
    assert quote.priority == 60
    with reverts("PriorityWindow"):
        take(house, ETH, LOT)
    run_auction(house, account, 60)
    take(house, ETH, LOT)


def test_bid_leg__frozen_bidder__refused(house, liquidator) -> None:
    """One committed to an intent keeps its margin for that."""
    terms = (5_000 * TOKEN, 10**12, 0, house.evm.timestamp + 86_400, True, ANY)
    house.auction.commit_intent(liquidator.id, terms, sender=liquidator)
    account = short_of_margin(house)
    with reverts("Frozen"):
        take(house, ETH, LOT)
    assert lots_of(house, account) == 25 * LOT


def test_bid_leg__account_committed_to_an_intent__is_in_no_auction(house, liquidator) -> None:
    terms = (5_000 * TOKEN, 10**12, 0, house.evm.timestamp + 86_400, True, ANY)
    house.auction.commit_intent(liquidator.id, terms, sender=liquidator)
    with reverts("NoAuction"):
        take(house, ETH, LOT, account=liquidator.id, bidder=liquidator.id + 1)


def test_bid_leg__isolated_bidder_with_another_market__wrong_mode(house, maker, liquidator) -> None:
    account = short_of_margin(house)
    house.engine.set_mode(liquidator.id, 1, sender=liquidator)
    house.trade("BTC-PERP", liquidator, maker, "0.1", 40_000)
    with reverts("WrongMode"):
        take(house, ETH, LOT)
    take(house, BTC, LOT // 10)
    assert lots_of(house, account, ETH) == 25 * LOT


def test_bid_leg__auctions_stopped__refused(house) -> None:
    account = short_of_margin(house)
    house.govern("MarginEngine", "set_pause", 3)
    assert house.auction.leg_quote(account, ETH).stopped
    with reverts("MarketPaused"):
        take(house, ETH, LOT)


def test_bid_leg__auction_replaced__the_old_one_sells_nothing(house, liquidator) -> None:
    account = short_of_margin(house)
    other = deploy_auction(
        house.evm,
        house.engine.address,
        house.fund.address,
        house.timelock.address,
        house.auction.curve(),
    )
    house.govern("MarginEngine", "set_module", 1, other.address)
    with reverts("NotAuction"):
        take(house, ETH, LOT)
    call = (account, liquidator.id, 0, ETH, LOT, 0, FOREVER)
    with reverts("NoAuction"):
        other.bid_leg(*call, sender=liquidator)
    other.start(account)
    other.bid_leg(*call, sender=liquidator)
    conserves(house)


def test_sell_leg__but_by_the_auction__refused(house, trader, liquidator) -> None:
    """The engine's own door, and what it checks though the auction would have."""
    account = short_of_margin(house)
    need = requirement(house, account)
    terms = (ETH, LOT, need, 0, 0, 0, (0, 0, 0, 0), 0, 0, 0)
    with reverts("NotAuction"):
        house.engine.sell_leg(account, liquidator.id, terms, sender=liquidator)
    auction = house.auction.address
    for error, seller, bidder, changed in (
        ("NotFrozen", liquidator.id, account, terms),
        ("Frozen", account, account, terms),
        ("LegRefused", account, liquidator.id, (ETH, LOT, need // 2, *terms[3:])),
    ):
        with reverts(error):
            house.engine.sell_leg(seller, bidder, changed, sender=auction)
    assert house.engine.sell_leg(account, liquidator.id, terms, sender=auction).value
    conserves(house)


# -- feeds


def test_bid_leg__its_feed_stale_the_rest_live__stale_price(house, trader, maker) -> None:
    """A small dead leg stays; the live ones are sold."""
    house.trade("BTC-PERP", trader, maker, "0.01", 40_000)
    account = short_of_margin(house, btc="0")
    house.oracle.halt(house.feed_id("BTC"), 3_600, sender=house.guardian)
    assert not house.auction.cost(account).stopped
    assert most(house, BTC) == 0
    with reverts("StalePrice"):
        take(house, BTC, 10_000)
    take(house, ETH, most(house) // 2)
    conserves(house)


def test_bid_leg__that_would_stop_the_clock__refused(house, trader, maker) -> None:
    """P15 turned round: a dead tenth is not made a shield of the live rest by taking some of it."""
    house.trade("BTC-PERP", trader, maker, "0.146", 40_000)
    account = short_of_margin(house, btc="0")
    house.oracle.halt(house.feed_id("BTC"), 3_600, sender=house.guardian)
    s = house.engine.standing(account)
    need = s.linear + s.superlinear
    assert need * 9 // 100 < s.stale_requirement < need // 10
    lots = most(house)
    assert 0 < lots < 25 * LOT
    with reverts("LegRefused"):
        take(house, ETH, lots + 1)
    take(house, ETH, lots)
    assert not house.auction.cost(account).stopped
    with reverts("LegRefused"):
        take(house, ETH, LOT)
    conserves(house)


def test_bid_leg__wound_down_market__refused(house, trader, maker) -> None:
    """It carries no R any more: it goes with a slice."""
    [market] = list_markets(house, 1)
    house.settle([fill(house, trader, maker, 1, 2_000, market=market)])
    house.govern("MarginEngine", "set_status", market, 2)
    house.govern("MarginEngine", "wind_down", market)
    account = short_of_margin(house)
    assert most(house, market) == 0
    with reverts("LegRefused"):
        take(house, market, LOT)
    take(house, ETH, LOT)
    assert lots_of(house, account, market) == LOT
    conserves(house)


# -- a risk model that nets


def netted(house: House) -> Any:
    built = compile_contract("NettingRisk", contracts=TESTS / "contracts")
    risk = house.evm.deploy(built, house.risk.address)
    house.govern("MarginEngine", "set_core", risk.address, 5_000, 3_600)
    return risk


def test_bid_leg__hedge_under_a_netting_model__refused(house, trader, maker) -> None:
    """P16: the hedge's leg would raise R; the hedged one's lots, up to the net, lower it."""
    netted(house)
    house.trade("ETH-PERP", trader, maker, 20, 2_000)
    house.trade("BTC-PERP", maker, trader, 2, 40_000)
    house.trade("ETH-PERP", trader, maker, 35, 2_000)
    account = trader.id
    sink(house, account)
    house.auction.start(account)
    assert most(house, BTC) == 0
    for lots in (2_000, 10**5, 2 * LOT):
        with reverts("LegRefused"):
            take(house, BTC, lots)
    before = house.engine.margin(account)
    take(house, ETH, most(house))
    after = house.engine.margin(account)
    assert after.equity * before.requirement > before.equity * after.requirement
    conserves(house)
