"""What deleveraging leaves the insurance fund of each side: counted, sold back, netted."""

from __future__ import annotations

from fractions import Fraction

import pytest

from plimsoll.deployment.abi import artifact
from plimsoll.evm.storage import slot_of
from plimsoll.protocol import Protocol
from plimsoll.testing import reverts
from tests.stage import (
    BTC,
    ETH,
    FOREVER,
    ONE,
    USD,
    account_id,
    conserves,
    equity,
    fill,
    give_residual,
    list_markets,
    lots_of,
    move_price,
    ruin,
    run_auction,
    undone,
)

GRAIN = 10**6  # quote units, 1e-9 USD: a share of 2^-24 lots is worth less
SIZES = ("1.000001", "2.000003", "0.700007", "3.100009", "1.900013")  # units of the holders


def fall_of(house, name, size, price, short=False):
    """Somebody goes long (short) with a tenth of the notional, the price goes through it."""
    house.mint(house.actors["maker"], 1_000_000)
    loser = house.actor(name, quote=int(size * price / 10))
    pair = (house.actors["maker"], loser) if short else (loser, house.actors["maker"])
    house.trade("ETH-PERP", *pair, str(size), price)
    broken = int(price * (1.15 if short else 0.85))
    move_price(house, broken)
    house.auction.start(loser.id)
    run_auction(house, loser.id, 1_260)
    house.auction.deleverage(loser.id, 0)
    return broken


def holders(house):
    """Five short people, the maker opposite."""
    found = []
    for number, size in enumerate(SIZES):
        one = house.actor(f"holder{number}", quote=100_000)
        house.trade("ETH-PERP", house.actors["maker"], one, size, 2_000)
        found.append(one)
    return found


def touch(house, people, price):
    """Each trades with the maker, who holds the same side or the other: all follow the shrink."""
    for one in people:
        house.trade("ETH-PERP", one, house.actors["maker"], "0.01", price)


def counted(house, market=ETH):
    return house.engine.residual_of(market)


@pytest.fixture
def shrunk(house):
    """Five shorts of odd sizes follow a shrink; the mark, at which they were touched."""
    house.insure(50_000)
    people = holders(house)
    price = fall_of(house, "loser", 6.5, 2_000)
    touch(house, people, price)
    return people, price


def test_residual_of__nothing_deleveraged__nothing(house, trader, maker):
    house.trade("ETH-PERP", trader, maker, 3, 2_000)
    assert counted(house) == (0, 0, 0, 0)
    with reverts("UnknownMarket"):
        house.engine.residual_of(99)


def test_residual_of__shorts_followed_a_shrink__sum_of_their_fractions(house):
    """Exact in whole lots: each fraction is cut at 2^-24."""
    house.insure(50_000)
    people = holders(house)
    stored = [lots_of(house, one.id) for one in people]
    maker_had = lots_of(house, house.actors["maker"].id)
    price = fall_of(house, "loser", 6.5, 2_000)
    closed = 6_500_000
    shorts = -sum(stored) + max(0, -(maker_had - closed))
    assert counted(house).shorts == 0  # nobody was touched yet
    touch(house, people[:-1], price)  # of all together there would be a whole number
    left = [Fraction(-lots) * (shorts - closed) / shorts for lots in stored[:-1]]
    exact = sum(lots - int(lots) for lots in left)
    assert exact - int(exact) > Fraction(len(left), 2**24)
    assert counted(house).shorts == int(exact) > 0
    assert counted(house).longs == 0
    conserves(house)


def test_residual_of__touched_again__counted_once(house, shrunk):
    people, price = shrunk
    before = counted(house)
    touch(house, people, price)
    assert counted(house) == before


def test_residual_of__at_the_price_it_was_bought__worth_nothing_but_rounding(house, shrunk):
    """Bought at mark: at that mark it earns nothing, and never more than nothing."""
    there = counted(house)
    assert there.shorts > 0
    assert abs(there.short_value) <= GRAIN


def test_residual_of__price_moved__worth_the_move(house, shrunk):
    _, price = shrunk
    there = counted(house)
    move_price(house, price - 100)  # the fund is short
    gain = there.shorts * 100 * 10**9
    assert abs(gain - (counted(house).short_value - there.short_value)) <= GRAIN
    told = Protocol.of_house(house).residual("ETH-PERP")
    assert told.shorts * 10**6 == there.shorts
    assert told.long_value == 0


def test_fill_residual__taker_of_the_other_side__open_interest_falls_fund_earns(house, shrunk):
    """The trader is long, the fund's lots are short ones: they close against each other."""
    _, price = shrunk
    trader = house.actors["trader"]
    house.trade("ETH-PERP", trader, house.actors["maker"], 1, price)
    there, fund = counted(house), house.engine.fund_balance()
    oi, lots, worth = (
        house.engine.market(ETH).open_interest,
        lots_of(house, trader.id),
        equity(house, trader.id),
    )
    low = house.oracle.read(house.feed_id("ETH")).low
    sent = house.engine.fill_residual.transact(trader.id, ETH, -there.shorts, 0, sender=house.venue)
    assert sent.value == low
    assert counted(house).shorts == 0
    assert lots_of(house, trader.id) == lots - there.shorts
    assert house.engine.market(ETH).open_interest == oi - there.shorts
    mark = house.engine.market(ETH).mark
    fee = fee_of(house, there.shorts * low)
    earned = house.engine.fund_balance() - fund
    spread = there.shorts * (mark - low)
    assert abs(fee + spread - earned) <= GRAIN
    assert 0 <= worth - equity(house, trader.id) - fee - spread <= 2
    conserves(house)


def test_fill_residual__taker_that_nobody_touched__its_own_fraction_goes_at_mark(house):
    """It follows the shrink in the same call: the edge is for the lots it buys alone."""
    house.insure(50_000)
    people = holders(house)
    price = fall_of(house, "loser", 6.5, 2_000)
    touch(house, people[:-1], price)
    taker, there = people[-1], counted(house)
    low, mark = house.oracle.read(house.feed_id("ETH")).low, house.engine.market(ETH).mark
    worth = equity(house, taker.id)
    house.engine.fill_residual(taker.id, ETH, -there.shorts, 0, sender=house.venue)
    cost = there.shorts * (mark - low) + fee_of(house, there.shorts * low)
    assert 0 <= worth - equity(house, taker.id) - cost <= 2
    conserves(house)


def fee_of(house, paid):
    """The taker's fee on so many quote units, rounded up."""
    return -(-paid * int(house.market("ETH-PERP").taker_fee_bps * 100) // 10**6)


def words_of(house, who):
    """What a fill may move."""
    engine = house.engine
    return (
        *(engine.words(who.id, ETH), engine.cash_of(who.id), engine.buckets()),
        *(counted(house), engine.solvency()),
    )


def test_fill_residual__a_part__the_rest_stays_with_its_cost(house, shrunk):
    _, price = shrunk
    trader, there = house.actors["trader"], counted(house)
    move_price(house, price - 200)
    worth, fund = counted(house).short_value, house.engine.fund_balance()
    earned = 0
    house.trade("ETH-PERP", house.actors["maker"], trader, 1, price - 200)
    for _ in range(there.shorts):
        house.engine.fill_residual(trader.id, ETH, -1, 0, sender=house.venue)
        earned = house.engine.fund_balance() - fund
    assert counted(house) == (0, 0, 0, 0)
    mark, low = house.engine.market(ETH).mark, house.oracle.read(house.feed_id("ETH")).low
    fees = there.shorts * fee_of(house, low)
    assert abs(earned - fees - there.shorts * (mark - low) - worth) <= GRAIN
    conserves(house)


@pytest.mark.parametrize(
    ("lots", "limit", "error"),
    [
        (lambda n: 0, 0, "ZeroAmount"),
        (lambda n: -n - 1, 0, "NoResidual"),
        (lambda n: 1, 2**55, "NoResidual"),
        (lambda n: -n, 2**55, "OrderPrice"),
        (lambda n: n, 1, "OrderPrice"),
    ],
)
def test_fill_residual__bad_terms__own_error_nothing_moved(house, shrunk, lots, limit, error):
    there, trader = counted(house), house.actors["trader"]
    before = words_of(house, trader)
    with reverts(error):
        house.engine.fill_residual(trader.id, ETH, lots(there.shorts), limit, sender=house.venue)
    assert words_of(house, trader) == before


def test_fill_residual__state_forbids__own_error(house, shrunk):
    _, price = shrunk
    engine, trader, venue = house.engine, house.actors["trader"], house.venue
    args = (trader.id, ETH, -counted(house).shorts, 0)
    with reverts("NotVenue"):
        engine.fill_residual(*args, sender=trader)
    with reverts("UnknownMarket"):
        engine.fill_residual(trader.id, 99, -1, 0, sender=venue)
    with reverts("NoResidual"):
        engine.fill_residual(trader.id, BTC, -1, 0, sender=venue)
    with reverts("DustPosition"):  # two lots of ETH are no position
        engine.fill_residual(*args, sender=venue)
    engine.set_pause(1, sender=house.guardian)
    with reverts("MarketPaused"):
        engine.fill_residual(*args, sender=venue)
    house.govern("MarginEngine", "set_pause", 0)
    house.advance(3_600 * 24)
    with reverts("StalePrice"):
        engine.fill_residual(*args, sender=venue)
    house.refresh()
    poor = house.actor("poor", quote=400)
    house.trade("ETH-PERP", poor, house.actors["maker"], 2, price)
    move_price(house, price - 120)
    with reverts("Underwater"):  # it would reduce, but what is sold here is no way out
        engine.fill_residual(poor.id, *args[1:], sender=venue)
    move_price(house, price - 170)
    house.auction.start(poor.id)
    with reverts("Frozen"):
        engine.fill_residual(poor.id, *args[1:], sender=venue)


def test_fill_residual__loss_beyond_the_fund__waits(house, shrunk):
    """The price has run against the fund's lots and the fund is empty: they stay its own."""
    _, price = shrunk
    there = counted(house)
    move_price(house, price * 105 // 100)
    assert counted(house).short_value < -GRAIN
    trader = house.actors["maker"]
    empty_fund(house)
    with reverts("FundEmpty"):
        house.engine.fill_residual(trader.id, ETH, -there.shorts, 0, sender=house.venue)
    house.insure(1_000)
    before = house.engine.fund_balance()
    house.engine.fill_residual(trader.id, ETH, -there.shorts, 0, sender=house.venue)
    assert house.engine.fund_balance() < before
    conserves(house)


def empty_fund(house):
    """All of the fund goes to the keeper budget, as the fund itself would move it."""
    house.engine.budget_move(house.engine.fund_balance(), sender=house.fund.address)


@pytest.fixture
def both_sides(house, shrunk):
    """Later the longs shrink too, and five longs follow."""
    _, price = shrunk
    longs = []
    for number, size in enumerate(SIZES):
        one = house.actor(f"long{number}", quote=100_000)
        house.trade("ETH-PERP", one, house.actors["maker"], size, price)
        longs.append(one)
    broken = fall_of(house, "shorty", 5.3, price, short=True)
    touch(house, longs, broken)
    return broken


def test_net_residual__both_sides__closed_without_a_price(house, both_sides):
    there, fund = counted(house), house.engine.fund_balance()
    assert min(there.longs, there.shorts) > 0
    n = min(there.longs, there.shorts)
    oi = house.engine.market(ETH).open_interest
    move_price(house, both_sides + 321)  # no price enters
    worth = counted(house)
    sent = house.engine.net_residual.transact(ETH, sender=house.actors["stranger"])
    assert sent.value == n
    after = counted(house)
    assert (after.longs, after.shorts) == (there.longs - n, there.shorts - n)
    assert house.engine.market(ETH).open_interest == oi - n
    earned = house.engine.fund_balance() - fund
    left = after.long_value + after.short_value
    assert abs(worth.long_value + worth.short_value - left - earned) <= GRAIN
    conserves(house)


def test_net_residual__a_side_was_charged__the_books_add_up_to_the_unit(house):
    """Lots of charged sides that close against each other earn the difference of the charges."""
    house.insure(100)
    holders(house)
    fall_of(house, "loser", 6.5, 2_000)
    market = house.engine.market(ETH)
    assert market.charge_short != market.charge_long
    give_residual(house, "0.00002")
    there = counted(house)
    closed = house.engine.net_residual.transact(ETH, sender=house.actors["stranger"]).value
    assert closed == min(there.longs, there.shorts) > 0
    conserves(house)


def test_net_residual__one_side_only__nothing_to_do(house, shrunk):
    with reverts("NothingToDo"):
        house.engine.net_residual(ETH)
    with reverts("UnknownMarket"):
        house.engine.net_residual(99)


def test_residual__everybody_followed__all_of_it_but_a_lot_a_side_is_counted(house, both_sides):
    people = [*(one for one in house.actors.values()), house.fund.address]
    lots = [lots_of(house, account_id(one)) for one in people]
    oi, there = house.engine.market(ETH).open_interest, counted(house)
    longs, shorts = sum(n for n in lots if n > 0), -sum(n for n in lots if n < 0)
    assert 0 <= oi - longs - there.longs <= 1
    assert 0 <= oi - shorts - there.shorts <= 1
    house.engine.net_residual(ETH)
    after = counted(house)
    assert 0 <= house.engine.market(ETH).open_interest - longs - after.longs <= 1


def test_fund_bears__slots_of_both_sides__apart(house, both_sides):
    """The sides' words are two; each side's sale leaves the other alone."""
    there, trader = counted(house), house.actors["maker"]
    house.engine.fill_residual(trader.id, ETH, there.longs, 2**55, sender=house.venue)
    after = counted(house)
    assert after.longs == 0
    assert (after.shorts, after.short_value) == (there.shorts, there.short_value)
    conserves(house)


# -- every way that writes a position counts


def bid_all(house, who):
    buyer = house.actors["liquidator"]
    house.auction.start(who.id)
    house.auction.bid(who.id, buyer.id, 0, ONE // 3, 2**200, FOREVER, sender=buyer)


def bid_leg(house, who):
    buyer = house.actors["liquidator"]
    house.auction.start(who.id)
    house.auction.bid_leg(who.id, buyer.id, 0, ETH, 100_000, 2**200, FOREVER, sender=buyer)


def bid_by(house, who):
    """It takes of another, who follows too."""
    other = house.actors["second"]
    house.deposit(who, 10_000)
    house.auction.start(other.id)
    house.auction.bid(other.id, who.id, 0, ONE // 3, 2**200, FOREVER, sender=who)


def close(house, who):
    house.auction.start(who.id)
    run_auction(house, who.id, 1_260)
    house.auction.deleverage(who.id, 0)


WAYS = {
    "a fill": (lambda house, who: touch(house, [who], 2_390), 1),
    "realised": (lambda house, who: house.engine.realise(who.id, ETH, sender=who), 1),
    "a slice of it sold": (bid_all, 1),
    "a leg of it sold": (bid_leg, 1),
    "as the bidder for another": (bid_by, 2),
    "deleveraged itself": (close, 1),
}


@pytest.mark.parametrize("way", WAYS)
def test_touch__whatever_writes_the_position__counts_its_fraction_once(house, way):
    house.insure(50_000)
    weak = [house.actor(name, quote=200) for name in ("first", "second")]
    for one, size in zip(weak, ("1.000001", "1.100003"), strict=True):
        house.trade("ETH-PERP", house.actors["maker"], one, size, 2_000)
    fall_of(house, "loser", 0.7, 2_000)
    left = [lots_of(house, one.id) for one in weak]
    move_price(house, 2_390)
    place = side_word(house, 2 * ETH + 1)
    assert house.evm.storage(*place) == 0
    write, count = WAYS[way]
    p = Fraction(sum((1_000_001, 1_100_003)) - 700_000, sum((1_000_001, 1_100_003)))
    exact = sum(size * p + lots for size, lots in zip((1_000_001, 1_100_003), left, strict=True))
    first = 1_000_001 * p + left[0]
    owed = (exact if count == 2 else first) / p * 2**24
    write(house, weak[0])
    shares = house.evm.storage(*place) >> 16 & (2**88 - 1)
    assert 0 <= owed - shares <= 2 * 2**24 * Fraction(1, 2**22)
    conserves(house)


# -- to the unit: a residual whose cost is known, bought at 2,000


@pytest.fixture
def given(house, trader, maker):
    """Two units of each side are the fund's; long and short of one unit are there to close."""
    house.insure(50_000)
    house.trade("ETH-PERP", trader, maker, 1, 2_000)
    give_residual(house, 2)
    return house


def side_word(house, key):
    """Where what is counted of a side is stored."""
    entry = artifact("MarginEngine").storage_layout["storage_layout"]["residuals"]["words"]
    return house.engine.address, slot_of(entry["slot"], entry["type"], key)


@pytest.mark.parametrize("long_side", [True, False])
def test_fill_residual__edge_of_the_band__good_for_the_fund_to_the_unit(given, long_side):
    """An odd number of lots; the fee rounds up; limit at the price itself, and a tick beyond it."""
    house, buyer = given, given.actors["liquidator"]
    was = house.engine.market(ETH).mark
    move_price(house, 2_100)
    read = house.oracle.read(house.feed_id("ETH"))
    lots, price = (777_777, read.high) if long_side else (-777_777, read.low)
    assert read.low < house.engine.market(ETH).mark < read.high
    fund, wrong = house.engine.fund_balance(), price - 1 if long_side else price + 1
    with reverts("OrderPrice"):
        house.engine.fill_residual(buyer.id, ETH, lots, wrong, sender=house.venue)
    sent = house.engine.fill_residual.transact(buyer.id, ETH, lots, price, sender=house.venue)
    assert sent.value == price
    gain = lots * (price - was) + fee_of(house, abs(lots) * price)
    assert house.engine.fund_balance() - fund == sent.event("ResidualSold").earned == gain
    worth = lots * (house.engine.market(ETH).mark - price) - fee_of(house, abs(lots) * price)
    assert lots_of(house, buyer.id) == lots
    assert house.engine.position(buyer.id, ETH).value == worth


@pytest.mark.parametrize("market", [2, 255, 256, 2**256 - 1])
def test_residual__market_that_is_not_listed__unknown(given, market):
    engine = given.engine
    with reverts("UnknownMarket"):
        engine.fill_residual(given.actors["maker"].id, market, 1, 2**55, sender=given.venue)
    for call in (engine.net_residual, engine.residual_of):
        with reverts("UnknownMarket"):
            call(market)


def test_fill_residual__venue_of_the_house_switched_off__refused(given):
    terms = (given.actors["liquidator"].id, ETH, 1_000_000, 2**55)
    given.govern("MarginEngine", "set_venue", given.orders.address, False)
    with reverts("NotVenue"):
        given.engine.fill_residual(*terms, sender=given.orders.address)
    given.govern("MarginEngine", "set_venue", given.orders.address, True)
    given.engine.fill_residual(*terms, sender=given.orders.address)


@pytest.mark.parametrize("status", [1, 2])
def test_fill_residual__market_that_takes_no_new_risk__paused(given, status):
    given.govern("MarginEngine", "set_status", ETH, status)
    with reverts("MarketPaused"):
        given.engine.fill_residual(
            given.actors["liquidator"].id, ETH, 1_000_000, 2**55, sender=given.venue
        )


@pytest.mark.parametrize(("who", "lots", "limit"), [("trader", -1, 0), ("maker", 1, 2**55)])
def test_fill_residual__closes_all_its_taker_has__no_dust(given, who, lots, limit):
    one = given.actors[who]
    with reverts("DustPosition"):
        given.engine.fill_residual(one.id, ETH, lots * 999_999, limit, sender=given.venue)
    given.engine.fill_residual(one.id, ETH, lots * 1_000_000, limit, sender=given.venue)
    assert lots_of(given, one.id) == given.engine.held(one.id) == 0
    assert given.engine.market(ETH).open_interest == 0


def test_fill_residual__isolated_account__holds_one_market(given):
    maker, who = given.actors["maker"], given.actor("narrow", quote=100_000)
    given.engine.set_mode(who.id, 1, sender=who)
    given.trade("BTC-PERP", who, maker, "0.05", 40_000)
    with reverts("WrongMode"):
        given.engine.fill_residual(who.id, ETH, 1_000_000, 2**55, sender=given.venue)
    given.trade("BTC-PERP", maker, who, "0.05", 40_000)
    given.engine.fill_residual(who.id, ETH, 1_000_000, 2**55, sender=given.venue)


def test_fill_residual__65th_market__is_one_too_many(given):
    maker, whale = (given.actor(name, quote=1_000_000) for name in ("other", "whale"))
    given.trade("BTC-PERP", whale, maker, "0.05", 40_000)
    for market in list_markets(given, 63):
        given.settle([fill(given, whale, maker, 1, market=market)])
    with reverts("TooManyPositions"):
        given.engine.fill_residual(whale.id, ETH, 1_000_000, 2**55, sender=given.venue)


def test_fill_residual__loss_of_the_whole_fund__is_paid_and_a_unit_more_is_not(given):
    """Longs bought at 2,000 and sold lower lose: as much as the fund has, to the unit."""
    buyer, was = given.actors["liquidator"], given.engine.market(ETH).mark
    move_price(given, 1_900)
    price = given.oracle.read(given.feed_id("ETH")).high
    loss = 1_000_000 * (was - price) - fee_of(given, 1_000_000 * price)
    terms = (buyer.id, ETH, 1_000_000, price)
    with undone(given):
        spare = given.engine.fund_balance() - loss + 1
        given.engine.budget_move(spare, sender=given.fund.address)
        with reverts("FundEmpty"):
            given.engine.fill_residual(*terms, sender=given.venue)
    given.engine.budget_move(given.engine.fund_balance() - loss, sender=given.fund.address)
    given.engine.fill_residual(*terms, sender=given.venue)
    assert given.engine.fund_balance() == 0


def test_fill_residual__profit_while_a_loss_waits__is_income_that_fills_it(house):
    """What the fund earns by its residual goes the way of all its income."""
    ruin(house, 50, 1_600)
    trader = house.actors["trader"]
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_260)
    assert house.auction.deleverage(trader.id, 0).event("Deleveraged").socialised > 0
    give_residual(house, 2)
    move_price(house, 1_650)
    fund, sheet = house.engine.fund_balance(), house.engine.solvency()
    sent = house.engine.fill_residual.transact(
        house.actors["liquidator"].id, ETH, 1_000_000, 2**55, sender=house.venue
    )
    earned = sent.event("ResidualSold").earned
    assert earned > 49 * USD
    assert house.engine.solvency().pot - sheet.pot == earned
    assert house.engine.fund_balance() == fund


def test_residual_of__word_of_an_era_that_has_ended__means_nothing(house, shrunk):
    """Its lots are not counted, and what comes next begins a word of the era that runs."""
    people, price = shrunk
    place = side_word(house, 2 * ETH + 1)
    word = house.evm.storage(*place)
    assert counted(house).shorts > 0
    house.evm.set_storage(*place, word + 1)
    assert counted(house).shorts == 0
    touch(house, people[:1], fall_of(house, "another", 1.1, price))
    anew = house.evm.storage(*place)
    assert anew % 2**16 == 0 < anew >> 16 & (2**88 - 1)
    assert counted(house).shorts == 0  # one fraction


def test_touch__as_much_counted_as_fits__the_rest_is_the_fund_s_by_difference(house):
    """Sixteen million fractions later the next is not counted; the word stands."""
    house.insure(50_000)
    people = holders(house)
    price = fall_of(house, "loser", 6.5, 2_000)
    place, full = side_word(house, 2 * ETH + 1), (2**88 - 1) << 16
    house.evm.set_storage(*place, full)
    touch(house, people[:1], price)
    assert house.evm.storage(*place) == full
    conserves(house)


def test_count__nothing_left_by_an_era_that_ended__no_fraction_of_the_one_that_runs(house):
    """A hundred ether that an ended era divided below a lot: what was over is not counted now."""
    trader = house.actors["liquidator"]
    house.deposit(trader, 1_000_000)
    house.trade("ETH-PERP", house.actors["maker"], trader, 100, 2_000)
    layout = artifact("MarginEngine").storage_layout["storage_layout"]["ledger"]
    shorts, address = 1, house.engine.address  # the side's key

    def put(name, key, word):
        slot = slot_of(layout[name]["slot"], layout[name]["type"], key)
        house.evm.set_storage(address, slot, word)

    put("side", shorts, 1)  # era 1, which began with epoch 1
    put("era_end", shorts << 32, 2**54 | 1 << 96)
    put("record", shorts << 24 | 1, 2**95 << 6 | 1)
    slot = slot_of(layout["hot"]["slot"], layout["hot"]["type"], ETH)
    house.evm.set_storage(address, slot, house.evm.storage(address, slot) + 1)
    assert lots_of(house, trader.id) == 0
    house.trade("ETH-PERP", house.actors["maker"], trader, 10, 2_000)
    residuals = artifact("MarginEngine").storage_layout["storage_layout"]["residuals"]["words"]
    slot = slot_of(residuals["slot"], residuals["type"], shorts)
    assert house.evm.storage(address, slot) == 0
