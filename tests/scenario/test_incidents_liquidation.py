"""Regressions by name of what broke others (docs/testing.md): auctions, bids and the steps of
the waterfall after them.
"""

from __future__ import annotations

import pytest

from plimsoll.testing import reverts
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
    list_markets,
    lots_of,
    move_price,
    ruin,
    run_auction,
)

SECOND_PRICE = 2_500


def bid(house, account, who, fraction=ONE, limit=10**30, auction_id=0):
    return house.auction.bid(
        account, who.id, auction_id, fraction, limit, FOREVER, sender=who
    ).value


def holders_of_all(house):
    return [who.id for who in house.actors.values()]


def weak(house, size=50, price=1_860):
    """The trader under its requirement, its auction started by the keeper."""
    ruin(house, size, price)
    house.auction.start(house.actors["trader"].id, sender=house.actors["keeper"])
    return house.actors["trader"]


def test_euler_2023__self_liquidation__loses(house, liquidator):
    """P19: at a constant price an owner who starts and takes his own auction ends with less."""
    trader = weak(house)
    other = house.actor("other", quote=100_000)
    house.insure(50_000)
    together = equity(house, trader.id) + equity(house, other.id)
    run_auction(house, trader.id, 300)
    bid(house, trader.id, other)
    # The keeper is the owner too, say: even with his pay the three lose.
    keeper = house.actors["keeper"].id
    assert equity(house, trader.id) + equity(house, other.id) + cash(house, keeper) < together
    conserves(house)


def test_euler_2023__giving_away_collateral__is_checked(house, trader, maker):
    """No call lowers an account's own collateral without the health check: see P9."""
    house.deposit_collateral(trader, 1)
    house.settle([fill(house, trader, maker, 50)])
    move_price(house, 1_870)
    weth = house.tokens["weth"].address
    for call in (
        lambda: house.vault.withdraw(trader.id, weth, 10**18, trader, sender=trader),
        lambda: house.engine.transfer(trader.id, trader.account(1), USD, sender=trader),
        lambda: house.engine.withdraw(trader.id, TOKEN, trader, sender=trader),
    ):
        with reverts("Underwater"):
            call()


@pytest.mark.parametrize("seconds", [0, 120, 600, 1_200])
def test_black_thursday_2020__no_rival_bidders__nothing_is_free(house, liquidator, seconds):
    """Nobody else bids and the price is the curve's: at most x R below what the account is
    worth."""
    trader = weak(house)
    run_auction(house, trader.id, seconds)
    standing = house.engine.standing(trader.id)
    requirement = standing.linear + standing.superlinear
    assert standing.equity > 0
    quote = house.auction.cost(trader.id)
    assert quote.cost >= (standing.equity - requirement) * quote.fraction // ONE - 10
    if quote.cost > 0:
        with reverts("CostLimit"):
            bid(house, trader.id, liquidator, limit=0)
    before = equity(house, trader.id) + equity(house, liquidator.id)
    bid(house, trader.id, liquidator)
    fees = before - equity(house, trader.id) - equity(house, liquidator.id)
    assert 0 <= fees < requirement
    conserves(house)


def test_hubble_dust_auction__slivers__neither_stall_nor_cheapen_it(house, liquidator):
    """A sliver sold does not restart, end or cheapen the auction; it ends on value, not on an empty
    balance."""
    trader = weak(house)
    run_auction(house, trader.id, 60)
    before = house.auction.cost(trader.id)
    for fraction in (1, 10**10, 10**14):
        bid(house, trader.id, liquidator, fraction=fraction)
    after = house.auction.cost(trader.id)
    assert after.x == before.x
    assert house.auction.auction(trader.id).running
    bid(house, trader.id, liquidator)
    assert not house.auction.auction(trader.id).running
    assert lots_of(house, trader.id) > 0
    assert equity(house, trader.id) > 0
    conserves(house)


def test_hubble_dust_auction__a_rest_too_small_to_sell__cannot_be_left(house, liquidator):
    trader = weak(house, price=1_790)
    lots = lots_of(house, trader.id)
    with reverts("BadFraction"):
        bid(house, trader.id, liquidator, fraction=ONE - ONE * 500 // lots)


def test_symm_2023__victims_deposit__does_not_block_the_bid(house, liquidator):
    trader = weak(house)
    seen = house.auction.cost(trader.id).id
    house.mint(trader, 1)
    house.engine.deposit(trader.id, 1, sender=trader)
    with reverts("WrongAuction"):
        bid(house, trader.id, liquidator, auction_id=seen)
    bid(house, trader.id, liquidator)


def test_symm_2023__victim__can_do_nothing_but_cure(house, maker):
    trader = weak(house)
    house.engine.set_operator(house.actors["operator"], FOREVER, 3, 2**90, sender=trader)
    for call in (
        lambda: house.settle([fill(house, maker, trader, 1, 1_860)]),
        lambda: house.engine.transfer(trader.id, trader.account(1), 1, sender=trader),
        lambda: house.engine.set_mode(trader.id, 1, sender=trader),
        lambda: house.engine.realise(trader.id, ETH, sender=trader),
        lambda: house.engine.withdraw(trader.id, 1, trader, sender=trader),
    ):
        with reverts("Frozen"):
            call()
    house.deposit(trader, 50_000)
    house.auction.end(trader.id)


def test_dydx_v4_2025__last_position_out__closes_the_whole_market(house, rival):
    """All open interest of a market is one pair; the insolvent side goes, and the fund's payment is
    in the same call."""
    house.insure(100_000)
    trader = house.actors["trader"]
    house.settle([fill(house, trader, rival, 50)])
    move_price(house, 1_700)
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_260)
    deficit = -equity(house, trader.id)
    fund = house.engine.fund_balance()
    house.auction.deleverage(trader.id, 0)
    assert fund - house.engine.fund_balance() == deficit
    assert house.engine.market(ETH).open_interest == 0
    assert lots_of(house, rival.id) == 0
    assert house.engine.pending_deficit() == 0
    conserves(house)
    house.settle([fill(house, house.actors["liquidator"], rival, 1, 1_700)])


def test_perp_v1_2022__fund_at_zero__has_a_next_step(house, maker, rival):
    """No fund at all: the loss goes to the opposite side and to cash, once, and the house goes
    on."""
    house.settle([fill(house, rival, maker, 5)])
    deficit = -ruin(house)
    trader = house.actors["trader"]
    assert house.engine.fund_balance() == 0
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_260)
    with reverts("AuctionOver"):
        bid(house, trader.id, house.actors["liquidator"])
    owed = sum(equity(house, one) for one in holders_of_all(house))
    event = [
        one for one in house.auction.deleverage(trader.id, 0).events if one.name == "Deleveraged"
    ]
    assert event[0].deficit == deficit
    assert event[0].charged + event[0].socialised == deficit
    left = sum(equity(house, one) for one in holders_of_all(house))
    assert abs(owed - left) <= 200  # the loss was in the sum already; rounding goes to the fund
    assert house.engine.pending_deficit() == 0
    assert equity(house, trader.id) == 0
    house.engine.withdraw(rival.id, TOKEN, rival, sender=rival)
    conserves(house)


def test_hyperliquid_adl_2025__haircuts__are_the_deficit_and_equal_per_lot(house, maker, rival):
    """P24: charged + socialised + fund = deficit; every lot of the side pays the same, whoever
    holds it."""
    second = house.actor("second", quote=100_000)
    house.settle([fill(house, house.actors["trader"], maker, 30)])
    house.settle([fill(house, house.actors["trader"], rival, 5)])
    house.settle([fill(house, house.actors["trader"], second, 15)])
    move_price(house, 1_700)
    trader = house.actors["trader"]
    deficit = -equity(house, trader.id)
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_260)
    shorts = [(maker.id, 30), (rival.id, 5), (second.id, 15)]
    before = {one: equity(house, one) for one, _ in shorts}
    share = {one: cash(house, one) for one, _ in shorts}
    events = house.auction.deleverage(trader.id, 0).events
    told = next(one for one in events if one.name == "Deleveraged")
    assert told.from_fund + told.charged + told.socialised == deficit
    charges = [one for one in events if one.name == "Charged"]
    per_lot = sum(one.per_lot for one in charges)
    supplied = house.engine.solvency().supplied + told.socialised
    for one, size in shorts:
        lost = before[one] - equity(house, one)
        social = share[one] * told.socialised // supplied
        assert abs(lost - per_lot * size * 10**6 - social) < USD // 100
    assert all(lots_of(house, one) == 0 for one, _ in shorts)  # closed size = bankrupt size
    conserves(house)


def test_jelly_2025__short_nobody_takes__costs_the_fund_at_most_its_cap(house, maker):
    """A short squeezed through its margin in a thin market: no bidder, the price stays the
    oracle's, the fund pays within its cap per event, the longs are closed at mark."""
    (market,) = list_markets(house, 1)
    house.insure(20_000)
    short, longs = house.actor("jelly", quote=10_000), house.actor("longs", quote=100_000)
    house.settle([fill(house, longs, short, 50, market=market)])
    move_price(house, SECOND_PRICE)
    fund = house.engine.fund_balance()
    house.auction.start(short.id)
    run_auction(house, short.id, 1_260)
    event = next(
        one for one in house.auction.deleverage(short.id, 0).events if one.name == "Deleveraged"
    )
    assert event.deficit > fund // 2
    assert event.from_fund <= fund // 2  # caps.per_event
    assert house.engine.fund_balance() >= fund - fund // 2
    assert lots_of(house, longs.id, market) == 0
    assert equity(house, maker.id) <= 1_000_000 * USD
    conserves(house)


def test_jelly_2025__settlement_price__comes_from_no_caller(house):
    """No function of the protocol that a role may call takes a price to settle at."""
    names = {
        str(argument["name"])
        for contract in ("MarginEngine", "StandardMargin", "OracleAdapter", "LiquidationAuction")
        for entry in house.contracts[contract].abi
        if entry["type"] == "function" and entry["stateMutability"] != "view"
        for argument in entry["inputs"]
    }
    assert not [name for name in names if "price" in name and name != "price"]
    takes_price = {
        (contract, entry["name"])
        for contract in ("MarginEngine", "StandardMargin", "OracleAdapter", "LiquidationAuction")
        for entry in house.contracts[contract].abi
        if entry["type"] == "function" and entry["stateMutability"] != "view"
        for argument in entry["inputs"]
        if argument["name"] == "price"
    }
    assert takes_price == {
        ("MarginEngine", "use_operator")
    }  # a budget's price, checked by the band
