"""`settle`: what a fill books, every refusal by its name, and the one health rule."""

from __future__ import annotations

import pytest

from plimsoll.testing import reverts
from tests.stage import (
    BTC,
    BUYER_REDUCES,
    ETH,
    MARKET_CONFIG,
    SELLER_REDUCES,
    TAKER_BUYS,
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
)

CLOSED = 3


def configured(house, **changes):
    """Sets ETH-PERP: order and units of MarketConfig."""
    names = "cap_lots cap_usd min_notional maker_fee taker_fee band status".split()
    config = dict(zip(names, MARKET_CONFIG, strict=True)) | changes
    house.govern("MarginEngine", "set_market", ETH, tuple(config.values()))


# -- what is booked


def test_settle__one_fill__books_both_sides(house, trader, maker):
    receipt = house.settle([fill(house, trader, maker, 2, 2_000, flags=TAKER_BUYS)])
    assert (lots_of(house, trader.id), lots_of(house, maker.id)) == (2_000_000, -2_000_000)
    assert equity(house, trader.id) == 9_998 * USD  # 4,000 USD at 5 bp
    assert equity(house, maker.id) == 1_000_000 * USD
    market = house.engine.market(ETH)
    assert (market.open_interest, market.fees) == (2_000_000, 2 * USD)
    event = receipt.event("Filled")
    assert (event.lots, event.price, event.buyer_fee) == (2_000_000, 2_000 * 10**9, 2 * USD)
    conserves(house)


def test_settle__flags__say_who_takes(house, trader, maker):
    event = house.settle([fill(house, trader, maker, 2)]).event("Filled")
    assert (event.buyer_fee, event.seller_fee) == (0, 2 * USD)


@pytest.mark.parametrize(
    ("lots", "price"), [(5_001, 1_999_999_999_999), (5_003, 2_000_000_000_001)]
)
def test_settle__fees__round_against_the_payer(house, trader, maker, lots, price):
    configured(house, maker_fee=1, taker_fee=3)
    event = house.settle([(ETH, trader.id, maker.id, lots, price, TAKER_BUYS)]).event("Filled")
    assert event.buyer_fee == -(-lots * price * 3 // 10**6)
    assert event.seller_fee == -(-lots * price // 10**6)
    conserves(house)


def test_settle__rebate__is_rounded_down_and_paid_by_the_taker(house, trader, maker):
    configured(house, maker_fee=-3, taker_fee=3)
    lots, price = 5_001, 1_999_999_999_999
    event = house.settle([(ETH, trader.id, maker.id, lots, price, TAKER_BUYS)]).event("Filled")
    assert event.seller_fee == -(lots * price * 3 // 10**6)
    assert event.buyer_fee + event.seller_fee in (0, 1)
    conserves(house)


def test_settle__closing__turns_profit_into_fresh_cash(house, trader, maker):
    house.settle([fill(house, trader, maker, 2, 2_000, flags=TAKER_BUYS)])
    house.settle([fill(house, maker, trader, 2, 2_050, flags=TAKER_BUYS)])
    assert lots_of(house, trader.id) == 0
    assert house.engine.cash_of(trader.id) == (10_098 * USD, 98 * USD)
    assert house.engine.held(trader.id) == 0
    assert house.engine.market(ETH).open_interest == 0
    conserves(house)


def test_settle__flip__closes_and_opens(house, trader, maker):
    house.settle([fill(house, trader, maker, 2)])
    house.settle([fill(house, maker, trader, 5)])
    assert lots_of(house, trader.id) == -3_000_000
    assert house.engine.market(ETH).open_interest == 3_000_000
    conserves(house)


def test_settle__batch_over_markets__is_all_or_none(house, trader, maker):
    good = [fill(house, trader, maker, 1), fill(house, trader, maker, "0.05", 40_000, market=BTC)]
    house.settle(good)
    assert house.engine.held(trader.id) == 0b11
    before = house.engine.words(trader.id, ETH)
    with reverts("SelfTrade"):
        house.settle([fill(house, trader, maker, 1), fill(house, trader, trader, 1)])
    assert house.engine.words(trader.id, ETH) == before


def test_settle__batch__is_checked_fill_by_fill(house, trader, maker):
    """A batch may not pass through a state that one call could not."""
    with reverts("HealthFell"):
        house.settle([fill(house, trader, maker, 100), fill(house, maker, trader, 100)])


def test_settle__no_fills__does_nothing(house):
    before = house.engine.totals(), house.engine.indices(), house.engine.buckets()
    house.settle([])
    assert (house.engine.totals(), house.engine.indices(), house.engine.buckets()) == before


# -- refusals


@pytest.mark.parametrize("who", ["stranger", "trader", "guardian", "treasury", "matcher"])
def test_settle__by_no_venue__is_refused(house, trader, maker, who):
    with reverts("NotVenue"):
        house.engine.settle([fill(house, trader, maker)], sender=house.actors[who])


def test_settle__venue_switched_off__is_refused(house, trader, maker):
    house.govern("MarginEngine", "set_venue", house.orders.address, False)
    house.govern("MarginEngine", "set_venue", house.venue, False)
    for venue in (house.orders.address, house.venue):
        with reverts("NotVenue"):
            house.engine.settle([fill(house, trader, maker)], sender=venue)
    house.govern("MarginEngine", "set_venue", house.orders.address, True)
    house.engine.settle([fill(house, trader, maker)], sender=house.orders.address)


@pytest.mark.parametrize("market", [2, 255, 256, 257, 2**16, 2**256 - 1])
def test_settle__market_that_is_not_listed__is_unknown(house, trader, maker, market):
    with reverts("UnknownMarket"):
        house.settle([fill(house, trader, maker, market=market)])


def test_settle__market_the_risk_model_knows_alone__is_unknown(house, trader, maker):
    (market,) = list_markets(house, 1)
    house.govern("StandardMargin", "list_market", market + 1, 1, house.risk.parameters(ETH))
    with reverts("UnknownMarket"):
        house.settle([fill(house, trader, maker, market=market + 1)])


def test_settle__an_account_with_itself__is_refused(house, trader):
    with reverts("SelfTrade"):
        house.settle([fill(house, trader, trader)])


def test_settle__no_lots__is_refused(house, trader, maker):
    with reverts("ZeroAmount"):
        house.settle([(ETH, trader.id, maker.id, 0, 2_000 * 10**9, 0)])


@pytest.mark.parametrize(("lots", "price"), [(2**55, 2_000 * 10**9), (10**6, 2**55)])
def test_settle__numbers_that_do_not_fit__are_refused(house, trader, maker, lots, price):
    with reverts("OutOfRange"):
        house.settle([(ETH, trader.id, maker.id, lots, price, 0)])


@pytest.mark.parametrize(
    ("ticks", "fine"),
    [
        (2_100 * 10**9, True),
        (2_100 * 10**9 + 1, False),
        (1_900 * 10**9, True),
        (1_900 * 10**9 - 1, False),
    ],
)
def test_settle__price_at_the_band__to_the_tick(house, trader, maker, ticks, fine):
    one = (ETH, trader.id, maker.id, 10**6, ticks, 0)
    if fine:
        house.settle([one])
        return
    with reverts("PriceBand"):
        house.settle([one])


def test_settle__price_zero__is_outside_any_band(house, trader, maker):
    with reverts("PriceBand"):
        house.settle([(ETH, trader.id, maker.id, 10**6, 0, 0)])


@pytest.mark.parametrize("trader_buys", [True, False])
def test_settle__frozen_account__on_either_side(house, trader, maker, trader_buys):
    ruin(house, 50, 1_860)
    house.auction.start(trader.id, sender=maker)
    pair = (trader, maker) if trader_buys else (maker, trader)
    with reverts("Frozen"):
        house.settle([fill(house, *pair, 1, 1_860)])


def test_settle__open_interest_cap__in_lots(house, trader, maker):
    configured(house, cap_lots=3 * 10**6)
    house.settle([fill(house, trader, maker, 3)])
    with reverts("OpenInterestCap"):
        house.settle([(ETH, trader.id, maker.id, 5_000, 2_000 * 10**9, 0)])
    house.settle([fill(house, maker, trader, 1)])
    house.settle([fill(house, trader, maker, 1)])


def test_settle__open_interest_cap__in_usd(house, trader, maker):
    configured(house, cap_usd=6_000)
    house.settle([fill(house, trader, maker, 3)])
    with reverts("OpenInterestCap"):
        house.settle([(ETH, trader.id, maker.id, 5_000, 2_000 * 10**9, 0)])


def test_settle__over_the_cap_by_price__may_still_change_hands(house, trader, maker):
    configured(house, cap_usd=6_000)
    house.settle([fill(house, trader, maker, 3)])
    move_price(house, 2_100)
    house.settle([fill(house, house.actors["rival"], trader, 1, 2_100)])


@pytest.mark.parametrize("whose", ["buyer", "seller"])
def test_settle__dust__of_either_side(house, trader, maker, whose):
    rival = house.actors["rival"]
    house.settle([fill(house, trader, maker, 1), fill(house, rival, maker, 1)])
    last = 2_000 * 10**9
    with reverts("DustPosition"):  # 9.99 USD would be left
        house.settle(
            [(ETH, maker.id, trader.id, 10**6 - 4_999, last, 0)]
            if whose == "seller"
            else [(ETH, house.actors["liquidator"].id, maker.id, 4_999, last, 0)]
        )
    house.settle([(ETH, maker.id, trader.id, 10**6 - 5_000, last, 0)])
    house.settle([(ETH, maker.id, trader.id, 5_000, last, 0)])


def test_settle__flip_into_dust__is_refused(house, trader, maker):
    house.settle([fill(house, trader, maker, 1)])
    with reverts("DustPosition"):
        house.settle([(ETH, maker.id, trader.id, 10**6 + 1, 2_000 * 10**9, 0)])


def test_settle__no_new_risk__only_hands_positions_on(house, trader, maker):
    house.settle([fill(house, trader, maker, 2)])
    house.engine.set_status(ETH, 1, sender=house.guardian)
    with reverts("MarketPaused"):
        house.settle([fill(house, trader, maker, 1)])
    house.settle([fill(house, house.actors["rival"], trader, 1)])
    house.settle([fill(house, maker, trader, 1)])


def test_settle__reduce_only__only_where_both_reduce(house, trader, maker):
    house.settle([fill(house, trader, maker, 2)])
    house.engine.set_status(ETH, 2, sender=house.guardian)
    with reverts("MarketPaused"):
        house.settle([fill(house, trader, maker, 1)])
    with reverts("MarketReduceOnly"):
        house.settle([fill(house, house.actors["rival"], trader, 1)])
    with reverts("MarketReduceOnly"):
        house.settle([fill(house, maker, house.actors["rival"], 1)])
    house.settle([fill(house, maker, trader, 2)])


def test_settle__wound_down__is_closed(house, trader, maker):
    house.settle([fill(house, trader, maker, 2)])
    house.engine.set_status(ETH, 2, sender=house.guardian)
    house.advance(3_600, refresh=True)
    house.govern("MarginEngine", "wind_down", ETH)
    with reverts("MarketClosed"):
        house.settle([fill(house, maker, trader, 2)])


@pytest.mark.parametrize("flag", [BUYER_REDUCES, SELLER_REDUCES])
def test_settle__reduce_only_order__may_neither_open_nor_flip(house, trader, maker, flag):
    buys = flag == BUYER_REDUCES
    mine = (trader, maker) if buys else (maker, trader)
    with reverts("OrderReduceOnly"):
        house.settle([fill(house, *mine, 1, flags=flag)])
    house.settle([fill(house, *reversed(mine), 1)])
    with reverts("OrderReduceOnly"):
        house.settle([fill(house, *mine, 2, flags=flag)])
    house.settle([fill(house, *mine, 1, flags=flag)])
    assert lots_of(house, trader.id) == 0


def test_settle__65th_market__is_one_too_many(house, maker):
    markets = [ETH, BTC, *list_markets(house, 63)]
    whale = house.actor("whale", quote=1_000_000)
    prices = {BTC: 40_000}
    for market in markets[:64]:
        price = prices.get(market, 2_000)
        size = "0.05" if market == BTC else 1
        house.settle([fill(house, whale, maker, size, price, market=market)])
    assert bin(house.engine.held(whale.id)).count("1") == 64
    with reverts("TooManyPositions"):
        house.settle([fill(house, whale, maker, 1, market=markets[64])])
    house.settle([fill(house, maker, whale, 1, market=markets[5])])
    house.settle([fill(house, whale, maker, 1, market=markets[64])])
    conserves(house)


def test_settle__isolated_account__holds_one_market(house, trader, maker):
    house.engine.set_mode(trader.id, 1, sender=trader)
    house.settle([fill(house, trader, maker, 1)])
    house.settle([fill(house, trader, maker, 1)])
    with reverts("WrongMode"):
        house.settle([fill(house, trader, maker, "0.05", 40_000, market=BTC)])
    house.settle([fill(house, maker, trader, 2)])
    house.settle([fill(house, trader, maker, "0.05", 40_000, market=BTC)])


# -- the health rule


def test_settle__opening_beyond_the_initial_requirement__is_refused(house, trader, maker):
    with reverts("HealthFell"):
        house.settle([fill(house, trader, maker, 70)])
    house.settle([fill(house, trader, maker, 50)])


def test_settle__the_counterparty__is_checked_as_well(house, trader, maker):
    with reverts("HealthFell"):
        house.settle([fill(house, maker, trader, 70)])


def test_settle__an_empty_account__opens_nothing(house, maker, stranger):
    """E = R = 0 must not count as health that did not fall."""
    for pair in ((stranger, maker), (maker, stranger)):
        with reverts("HealthFell"):
            house.settle([fill(house, *pair, 1)])


def test_settle__under_the_initial_requirement__reduces_but_does_not_add(house, trader, maker):
    house.settle([fill(house, trader, maker, 50)])
    move_price(house, 1_930)
    margin = house.engine.margin(trader.id)
    assert margin.initial_equity < margin.initial_requirement
    with reverts("HealthFell"):
        house.settle([fill(house, trader, maker, "0.01", 1_930)])
    house.settle([fill(house, maker, trader, 10, 1_930)])
    assert lots_of(house, trader.id) == 40 * 10**6


def test_settle__reducing_at_a_bad_price__may_not_cost_health(house, trader, maker):
    """A reduction under the initial requirement cannot hand money to the counterparty."""
    house.settle([fill(house, trader, maker, 50)])
    move_price(house, 1_860)
    with reverts("HealthFell"):
        house.settle([fill(house, maker, trader, 1, 1_768)])


def test_settle__insolvent__may_not_deepen_its_loss(house, trader, maker):
    ruin(house)
    with reverts("HealthFell"):
        house.settle([fill(house, maker, trader, 10, 1_699)])
    with reverts("HealthFell"):  # the taker's fee
        house.settle([fill(house, maker, trader, 10, 1_700)])
    house.settle([fill(house, maker, trader, 10, 1_702)])
    conserves(house)


def test_settle__stale_price__takes_no_new_risk(house, trader, maker):
    house.settle([fill(house, trader, maker, 2)])
    house.advance(86_401)
    with reverts("StalePrice"):
        house.settle([fill(house, trader, maker, 1)])
    house.settle([fill(house, maker, trader, 1, flags=TAKER_BUYS)])


def test_settle__the_fresh_haircut__binds_new_risk(house, trader, maker):
    """Open profit carries only half its weight into a new position."""
    house.settle([fill(house, trader, maker, 40)])
    move_price(house, 2_250)
    free = equity(house, trader.id)
    assert free > 19_900 * USD
    with reverts("HealthFell"):
        house.settle([fill(house, trader, maker, 40, 2_250)])
    rich = house.actor("rich", quote=20_000)
    house.settle([fill(house, rich, maker, 80, 2_250)])


# -- P8


def test_settle__healthy_counterparty__stays_healthy(house, trader, maker):
    """P8, P12: nobody uninvolved changes, nobody involved ends under the initial requirement."""
    rival = house.actors["rival"]
    house.settle([fill(house, rival, maker, 20)])
    words = house.engine.words(rival.id, ETH)[0], house.engine.head(rival.id)
    house.settle([fill(house, trader, maker, 30)])
    assert (house.engine.words(rival.id, ETH)[0], house.engine.head(rival.id)) == words
    for who in (trader, maker):
        margin = house.engine.margin(who.id)
        assert margin.initial_equity >= margin.initial_requirement


def test_margin_after__a_fill__is_what_the_fill_leaves(house, trader, maker):
    configured(house, taker_fee=0)
    house.settle([fill(house, trader, maker, 10)])
    for lots in (5, -5, -10, -20):
        said = house.engine.margin_after(trader.id, (ETH, lots * 10**6, 2_010 * 10**9))
        before = house.evm.snapshot()
        pair = (trader, maker) if lots > 0 else (maker, trader)
        house.settle([fill(house, *pair, abs(lots), 2_010)])
        got = house.engine.margin(trader.id)
        house.evm.revert(before)
        # Concentration is read off the live open interest, which the preview leaves alone.
        assert said.equity == got.equity
        assert abs(said.initial_equity - got.initial_equity) <= 1
        assert said.requirement <= got.requirement * 1.001 + 1


def test_cash_of__after_a_fill_that_only_opens__is_untouched(house, trader, maker):
    house.settle([fill(house, trader, maker, 10, flags=TAKER_BUYS)])
    assert cash(house, trader.id) == 10_000 * USD
    assert cash(house, maker.id) == 1_000_000 * USD
    assert house.engine.buckets() % 2**64 == 2_020_000 * TOKEN
