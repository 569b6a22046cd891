"""Regressions by name of what broke others (docs/testing.md): size beyond any bidder, funds
drained, markets that stood still, and what was taken from those who owed nothing."""

from __future__ import annotations

import pytest

from plimsoll.evm import Reverted
from plimsoll.testing import reverts
from tests.scenario.losses import recognise
from tests.stage import (
    BTC,
    ETH,
    FOREVER,
    ONE,
    TOKEN,
    USD,
    conserves,
    equity,
    fill,
    list_markets,
    lots_of,
    move_price,
    run_auction,
)

STALE = 2


def weak(house, price=1_830, size=50):
    """The trader long, in auction at a price."""
    trader, maker = house.actors["trader"], house.actors["maker"]
    house.trade("ETH-PERP", trader, maker, size, 2_000)
    move_price(house, price)
    house.auction.start(trader.id, sender=house.actors["keeper"])
    return trader


def is_healthy(house, account):
    margin = house.engine.margin(account)
    return margin.equity >= margin.requirement


# -- size


def test_aave_crv_2022__short_larger_than_any_bidder__sold_in_parts_without_bad_debt(house, maker):
    """A short whose R_init nobody can carry: bidders take what they can, each starts ahead, the
    rest goes on, and the account ends above its requirement."""
    whale = house.actor("short", quote=1_000_000)
    house.deposit(maker, 3_000_000)
    house.trade("ETH-PERP", maker, whale, 2_500, 2_000)
    price = 2_150
    while is_healthy(house, whale.id):
        price += 10
        move_price(house, price)
    house.auction.start(whale.id)
    bidders = [house.actor(f"bidder{i}", quote=60_000) for i in range(8)]
    with reverts("Underwater"):
        house.auction.bid(whale.id, bidders[0].id, 0, ONE, 10**30, FOREVER, sender=bidders[0])
    for one in bidders:
        if is_healthy(house, whale.id):
            break
        before = equity(house, one.id)
        house.auction.bid(whale.id, one.id, 0, ONE // 20, 10**30, FOREVER, sender=one)
        assert equity(house, one.id) > before
    assert is_healthy(house, whale.id)
    assert house.engine.pending_deficit() == 0
    conserves(house)


def test_synthetix__whole_margin__is_not_taken(house, liquidator):
    """Liquidated at first sight: the owner loses x and the fee on the R sold, no more."""
    trader = weak(house)
    standing, quote = house.engine.standing(trader.id), house.auction.cost(trader.id)
    requirement = standing.linear + standing.superlinear
    house.auction.bid(trader.id, liquidator.id, 0, ONE, 10**30, FOREVER, sender=liquidator)
    lost = standing.equity - equity(house, trader.id)
    sold = standing.equity * quote.fraction // ONE
    penalty = (quote.x + 20_000_000) * requirement // 10**9 * quote.fraction // ONE
    assert 0 < lost - (sold - quote.cost) <= penalty + USD
    assert quote.fraction < ONE
    assert lots_of(house, trader.id) > 0


def test_perp_v3__dust_position__is_sold_to_whoever_comes(house, maker, rival):
    """A position at the least notional, under R by cents: sold to anybody at the clock's price."""
    small = house.actor("small", quote=1)
    house.trade("ETH-PERP", small, maker, "0.0055", 2_000)
    move_price(house, 1_870)
    house.auction.start(small.id)
    house.auction.bid(small.id, rival.id, 0, ONE, 10**30, FOREVER, sender=rival)
    assert is_healthy(house, small.id)
    assert not house.auction.auction(small.id).running
    conserves(house)


def test_zaros__open_interest__is_the_lots_held_after_every_liquidation(house, maker, rival):
    """A fill, a slice, a deleveraging: open interest is the sum of the longs and that of the
    shorts."""
    house.trade("ETH-PERP", rival, maker, 7, 2_000)
    trader = weak(house)
    people = [one.id for one in house.actors.values()]

    def agrees():
        sizes = [lots_of(house, one) for one in people]
        whole = house.engine.market(ETH).open_interest
        assert sum(size for size in sizes if size > 0) == whole
        assert 0 <= whole + sum(size for size in sizes if size < 0) <= len(people)

    liquidator = house.actors["liquidator"]
    house.auction.bid(trader.id, liquidator.id, 0, ONE // 10, 10**30, FOREVER, sender=liquidator)
    agrees()
    move_price(house, 1_600)
    run_auction(house, trader.id, 1_260)
    house.auction.deleverage(trader.id, 0)
    agrees()
    conserves(house)


def test_gmx_h5__deleveraging__closes_at_the_mark_of_that_second(house):
    """Nobody names a price or a bound: holders are closed at mark, whatever was paid for entry."""
    trader = weak(house, 1_600)
    run_auction(house, trader.id, 1_260)
    events = house.auction.deleverage(trader.id, 0).events
    shrunk = [one for one in events if one.name == "Shrunk"]
    assert [one.price for one in shrunk] == [house.engine.market(ETH).mark]


# -- the fund


def test_dydx_yfi_2023__insolvencies_all_day__fund_pays_its_window_and_no_more(house, maker):
    """One after the other in a day, of one market: together the fund pays that market's cap, a
    fifth of it stays whatever comes."""
    house.insure(100_000)
    fund = house.engine.fund_balance()
    for _ in range(6):
        move_price(house, 2_000)
        one = house.actor(quote=50_000)
        house.trade("ETH-PERP", one, maker, 250, 2_000)
        move_price(house, 1_680)
        house.auction.start(one.id)
        run_auction(house, one.id, 1_260)
        recognise(house, one.id)
    caps = house.fund.caps()
    paid = fund - house.engine.fund_balance()
    assert fund * 5 // 10 < paid <= fund * caps.per_market // 10_000 + USD
    conserves(house)


def test_perp_v1_cream_2022__one_market_dry__another_is_still_insured(house, maker):
    """CREAM's market had emptied the fund of all. Here ETH has had its share of the window; a loss
    in BTC is paid out of what is left for it."""
    house.insure(100_000)
    for market, size, low in (("ETH-PERP", 300, 1_600), ("BTC-PERP", 6, 34_000)):
        name = market[:3]
        one = house.actor(quote=60_000 if name == "ETH" else 30_000)
        other = house.actor(quote=60_000 if name == "ETH" else 30_000)
        for account in (one, other):
            house.trade(market, account, maker, size, 2_000 if name == "ETH" else 40_000)
        move_price(house, low, name)
        for account in (one, other):
            house.auction.start(account.id)
            run_auction(house, account.id, 1_260)
            event = recognise(house, account.id)
        if name == "ETH":
            assert event.from_fund < event.deficit, "the window's share was not used up: no test"
        else:
            assert event.from_fund > 0
    conserves(house)


# -- standstill


def test_dydx_v4_2025__resumed_on_stale_prices__nothing_is_liquidated_before_a_fresh_one(
    house, maker, trader, liquidator
):
    """Hours without a price, the last one low: no start, no slice, no step of the clock until a
    source has answered anew. The fresh price decides."""
    house.trade("ETH-PERP", trader, maker, 50, 2_000)
    move_price(house, 1_840)
    house.auction.start(trader.id)
    house.advance(86_401)
    for call in (
        lambda: house.auction.bid(
            trader.id, liquidator.id, 0, ONE, 10**30, FOREVER, sender=liquidator
        ),
        lambda: house.auction.deleverage(trader.id, 0),
    ):
        with reverts("ClockStopped"):
            call()
    house.auction.sync(trader.id)
    before = house.auction.auction(trader.id).elapsed
    house.advance(3_600)
    assert house.auction.auction(trader.id).elapsed == before
    house.set_price("ETH", 2_010)
    house.evm.advance(15)
    with reverts("Healthy"):
        house.auction.bid(trader.id, liquidator.id, 0, ONE, 10**30, FOREVER, sender=liquidator)
    house.auction.end(trader.id)


def test_compound_ceth_2022__one_feed_dead__other_accounts_are_traded_and_liquidated(
    house, maker, rival, liquidator
):
    """The feed of ETH answers no more: who holds BTC trades and is liquidated as before, and who
    holds neither leaves."""
    trader = house.actors["trader"]
    house.trade("BTC-PERP", trader, maker, "2.4", 40_000)
    while house.oracle.read(house.feed_id("ETH")).state < STALE:
        house.advance(3_600)
        house.set_price("BTC", 40_000)
    house.trade("BTC-PERP", liquidator, maker, 1, 40_000)
    move_price(house, 36_550, "BTC")
    house.auction.start(trader.id)
    house.auction.bid(trader.id, liquidator.id, 0, ONE, 10**30, FOREVER, sender=liquidator)
    house.engine.withdraw(rival.id, 10_000 * TOKEN, rival, sender=rival)
    conserves(house)


def test_venus_2022__collateral_at_a_stuck_price__nothing_is_borrowed_against_it(house):
    """LUNA at its last price, worth a tenth: deposited, yes; lent against, no; and no position is
    opened upon it."""
    owner = house.actor("owner")
    while house.oracle.read(house.feed_id("ETH")).state < STALE:
        house.advance(3_600)
        house.set_price("BTC", 40_000)
    house.deposit_collateral(owner, 100)
    with reverts("StalePrice"):
        house.engine.withdraw(owner.id, TOKEN, owner, sender=owner)
    with pytest.raises(Reverted):
        house.trade("BTC-PERP", owner, house.actors["maker"], "0.1", 40_000)


@pytest.mark.parametrize("level", [3, 4])
def test_moonwell_2026__wrong_price_served__guardian_stops_liquidations_in_one_call(
    house, liquidator, level
):
    """A leg of a feed lost, accounts liquidated at a price nobody believes: the guardian's one call
    stops starts, slices and deleveraging; deposits cure on; nothing is lost by waiting."""
    trader = weak(house)
    house.engine.set_pause(level, sender=house.guardian)
    elapsed = house.auction.cost(trader.id).elapsed
    for call in (
        lambda: house.auction.bid(
            trader.id, liquidator.id, 0, ONE, 10**30, FOREVER, sender=liquidator
        ),
        lambda: house.auction.start(liquidator.id),
    ):
        with reverts("MarketPaused"):
            call()
    house.auction.sync(trader.id)
    house.advance(3_600, refresh=True)
    assert house.auction.cost(trader.id).elapsed == elapsed
    house.deposit(trader, 50_000)
    house.auction.end(trader.id)
    assert equity(house, trader.id) > 50_000 * USD


def test_symm_m24__unpaused__the_clock_stands_where_it_stood(house, liquidator):
    """Nobody waits for the pause to end with a price that fell meanwhile: x is what it was, whether
    anyone saw the pause begin or not."""
    trader = weak(house)
    run_auction(house, trader.id, 60)
    before = house.auction.cost(trader.id)
    house.engine.set_pause(3, sender=house.guardian)
    house.auction.sync(trader.id)
    house.advance(7_200, refresh=True)
    house.auction.sync(trader.id)
    house.govern("MarginEngine", "set_pause", 0)
    after = house.auction.cost(trader.id)
    assert after.x == before.x
    assert after.elapsed - before.elapsed <= house.auction.curve().max_step


# -- who owed nothing


def test_hyperliquid_jelly_2025__backstop__holds_no_position(house, maker):
    """The vault that took JELLY over carried it. Here the fund pays and takes nothing over: after
    the last step no lot of the bankrupt is anybody's but the sides' rounding."""
    (market,) = list_markets(house, 1)
    house.insure(20_000)
    short, longs = house.actor("jelly", quote=10_000), house.actor("longs", quote=100_000)
    house.settle([fill(house, longs, short, 50, market=market)])
    move_price(house, 2_500)
    house.auction.start(short.id)
    run_auction(house, short.id, 1_260)
    house.auction.deleverage(short.id, 0)
    assert house.engine.market(market).open_interest == 0
    assert [lots_of(house, one, market) for one in (short.id, longs.id)] == [0, 0]
    assert lots_of(house, maker.id, market) == lots_of(house, maker.id, BTC) == 0
    conserves(house)


def test_euler_2023__own_account_at_the_deepest_discount__the_owner_together_loses(house):
    """Waiting for x = 1 and taking one's own account for nothing: what the sibling gains the
    account lost, fees and pay come on top; nobody else pays a unit."""
    house.insure(50_000)
    trader = weak(house)
    house.deposit(trader, 60_000, 1)
    run_auction(house, trader.id, 600)
    fund = house.engine.fund_balance()
    together = equity(house, trader.id) + equity(house, trader.account(1))
    house.auction.bid(trader.id, trader.account(1), 0, ONE, 10**30, FOREVER, sender=trader)
    assert equity(house, trader.id) + equity(house, trader.account(1)) <= together
    assert house.engine.fund_balance() >= fund
    conserves(house)
