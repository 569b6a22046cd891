"""October 2025 as a metric: what deleveraging closes and takes beyond the bankrupt's own, and what
it leaves of hedges; holders who are themselves in trouble; several events between two touches; the
cap of a charge against the health of books at their limit."""

from __future__ import annotations

import random

import pytest

from plimsoll.testing import reverts
from tests.scenario.losses import doom, recognise, struck, tried, without_fees, worth
from tests.stage import (
    BTC,
    ETH,
    FOREVER,
    ONE,
    USD,
    conserves,
    equity,
    fill,
    lots_of,
    move_price,
    run_auction,
)

LOT = 10**6  # of one ETH


def books(house, rnd, count=10):
    """Holders at random: long, short, in both markets; a third hedge: short perps against coins."""
    made = []
    for _ in range(count):
        one = house.actor(quote=150_000)
        if rnd.random() < 0.34:
            coins = rnd.randrange(5, 60)
            house.deposit_collateral(one, coins)
            house.trade("ETH-PERP", house.actors["maker"], one, coins, 2_000)
        else:
            for market, most, price in (("ETH-PERP", 200, 2_000), ("BTC-PERP", 8, 40_000)):
                pair = [one, house.actors["maker"]]
                rnd.shuffle(pair)
                house.trade(market, *pair, f"{rnd.uniform(0.1, most):.6f}", price)
        made.append(one)
    return made


def test_october_2025__closed_and_taken_beyond_the_bankrupt__nothing(house, maker):
    """Closed size beyond the bankrupt's: under a lot for each holder. Loss taken from others beyond
    the deficit: under a unit for each. What is left of hedges is told by the printed line."""
    seed = random.Random().randrange(10**6)
    print(f"seed {seed}")
    rnd = random.Random(seed)
    without_fees(house)
    holders = books(house, rnd)
    people = [*house.actors.values(), *holders]
    hedged = [one for one in holders if house.vault.assets_held(one.id)]
    doomed = doom(house, maker, size=700, deficit=90_000, price=1_500)
    house.insure(50_000)
    struck(house, doomed, 1_500)
    fund, sizes = house.engine.fund_balance(), {one: lots_of(house, one.id) for one in people}
    before, bankrupt = worth(house, [one.id for one in people]), lots_of(house, doomed.id)
    event = recognise(house, doomed.id)
    after = worth(house, [one.id for one in people])
    closed = sum(abs(sizes[one]) - abs(lots_of(house, one.id)) for one in people if sizes[one] < 0)
    assert 0 <= closed - bankrupt <= len(people), f"seed {seed}"
    assert all(sizes[one] == lots_of(house, one.id) for one in people if sizes[one] > 0)
    taken = before - after + fund - house.engine.fund_balance()
    assert event.from_fund + event.charged + event.socialised == event.deficit
    assert abs(taken - event.deficit) <= 2 * len(people), f"seed {seed}"
    share = bankrupt / sum(-size for size in sizes.values() if size < 0)
    errors = []
    for one in hedged:
        coins = house.vault.balance_of(one.id, house.tokens["weth"].address) // 10**12
        errors.append((coins + lots_of(house, one.id)) / coins)
    assert all(abs(error - share) < 1e-4 for error in errors), f"seed {seed}"
    print(
        f"beyond: lots {closed - bankrupt}, units {taken - event.deficit}; hedges lost {share:.2%}"
    )
    conserves(house)


# -- holders in trouble themselves


def bystander(house, maker, *, quote=100_000, size=20):
    made = house.actor(quote=quote)
    house.trade("ETH-PERP", maker, made, size, 2_000)
    return made


@pytest.fixture
def crowd(house, maker, liquidator):
    """Shorts of twenty ETH each: at ease, committed, opted in; and an account to compare with."""
    without_fees(house)
    house.trade("ETH-PERP", liquidator, maker, 1_800 - 900 - 60, 2_000)
    plain, committed, opted = (bystander(house, maker) for _ in range(3))
    return plain, committed, opted


def test_holders_committed_and_opted_in__lose_what_the_plain_one_loses(house, maker, crowd):
    _, committed, opted = crowd
    doomed = doom(house, maker)
    house.auction.set_pre_liquidation(opted.id, True, sender=opted)
    struck(house, doomed)
    until = house.evm.timestamp + 86_400
    terms = (10**9, 10**12, 0, until, True, 2**256 - 1)
    house.auction.commit_intent(committed.id, terms, sender=committed)
    before = [equity(house, one.id) for one in crowd]
    recognise(house, doomed.id)
    lost = [old - equity(house, one.id) for old, one in zip(before, crowd, strict=True)]
    assert lost[0] == lost[1] == lost[2] > 0
    assert len({lots_of(house, one.id) for one in crowd}) == 1
    assert house.auction.intent(committed.id).capacity == 10**9
    assert house.engine.head(committed.id) >> 226 & 1
    house.advance(86_401, refresh=True)
    house.auction.release_intent(committed.id)
    house.trade("ETH-PERP", committed, maker, 1, 1_750)
    conserves(house)


def test_holder_in_auction_itself__loses_the_same_and_its_bidders_see_another_id(
    house, maker, rival, liquidator
):
    """A short under R by its other leg, frozen: its lots shrink as everybody's, whoever named its
    id before is refused, whoever bids on gets what is left at a price that fits."""
    without_fees(house)
    weak, plain = house.actor(quote=6_000), house.actor(quote=100_000)
    for one in (weak, plain):
        house.trade("ETH-PERP", maker, one, 20, 2_000)
    house.trade("BTC-PERP", weak, maker, "0.5", 40_000)
    house.trade("ETH-PERP", liquidator, maker, 860, 2_000)
    doomed = doom(house, maker)
    struck(house, doomed)
    move_price(house, 19_000, "BTC")
    house.auction.start(weak.id)
    assert equity(house, weak.id) > 0
    seen = house.auction.auction_id(weak.id)
    before = equity(house, weak.id), equity(house, plain.id)
    recognise(house, doomed.id)
    lost = before[0] - equity(house, weak.id), before[1] - equity(house, plain.id)
    assert abs(lost[0] - lost[1]) <= 10**9  # what is under a tick a lot is socialised
    assert lots_of(house, weak.id) == lots_of(house, plain.id)
    bid = (weak.id, rival.id)
    with reverts("WrongAuction"):
        house.auction.bid(*bid, seen, ONE, 10**30, FOREVER, sender=rival)
    house.auction.bid(*bid, 0, ONE, 10**30, FOREVER, sender=rival)
    conserves(house)


def test_holder_sunk_by_an_uncapped_charge__is_liquidated_and_its_loss_goes_on(
    house, maker, liquidator
):
    """The last step may sink a holder: it is auctioned like any other, what it owes finds payers in
    its turn, and after that nobody owes anything."""
    without_fees(house)
    thin = house.actor(quote=3_000)
    doomed = doom(house, maker, deficit=400_000, size=1_800, price=1_500)
    move_price(house, 1_500)
    house.trade("ETH-PERP", maker, thin, 15, 1_500)
    struck(house, doomed, 1_500)
    event = recognise(house, doomed.id)
    assert event.socialised > 0
    if equity(house, thin.id) < 0:
        house.auction.start(thin.id)
        run_auction(house, thin.id, 1_260)
        recognise(house, thin.id)
    assert equity(house, thin.id) >= 0
    assert house.engine.pending_deficit() == house.engine.hole() == 0
    conserves(house)


# -- several events between two touches


def test_touching_after_each_event_or_never__ends_alike(house, maker, rival, liquidator):
    """Two shorts alike: one trades a crumb after every event, one lies still through all of them,
    at several prices. Lots and equity differ by what one lot an event may be worth."""
    without_fees(house)
    still, busy = house.actor(quote=200_000), house.actor(quote=200_000)
    for one in (still, busy):
        house.trade("ETH-PERP", maker, one, "37.654321", 2_000)
    house.trade("ETH-PERP", liquidator, maker, 600, 2_000)
    plan = ((300, 1_750, 5_000), (200, 1_700, 9_000), (250, 1_600, 700))
    for events, (size, price, deficit) in enumerate(plan, 1):
        move_price(house, 2_000)
        doomed = doom(house, maker, size=size, deficit=deficit, price=price)
        struck(house, doomed, price)
        recognise(house, doomed.id)
        house.settle([fill(house, busy, rival, "0.01", price)])
        house.settle([fill(house, rival, busy, "0.01", price)])
        gap = equity(house, still.id) - equity(house, busy.id)
        assert abs(gap) <= events * 2_000 * 10**9
        assert abs(lots_of(house, still.id) - lots_of(house, busy.id)) <= events
    house.trade("ETH-PERP", still, rival, "0.01", 1_600)
    conserves(house)


def test_two_events_in_one_second__second_takes_from_what_the_first_left(house, maker, liquidator):
    """Two bankrupts of one side in one second: each closes its own size, the shares add up."""
    without_fees(house)
    holder = house.actor(quote=200_000)
    house.trade("ETH-PERP", maker, holder, 100, 2_000)
    house.trade("ETH-PERP", liquidator, maker, 700, 2_000)
    first, second = doom(house, maker, size=500), doom(house, maker, size=400, deficit=4_000)
    move_price(house, 1_750)
    for one in (first, second):
        house.auction.start(one.id)
    for _ in range(21):
        house.advance(60, refresh=True)
        for one in (first, second):
            house.auction.sync(one.id)
    whole = house.engine.market(ETH).open_interest
    held = -lots_of(house, holder.id)
    for one in (first, second):
        recognise(house, one.id)
    assert whole - house.engine.market(ETH).open_interest == 900 * LOT
    kept = held * (whole - 900 * LOT) // whole
    assert abs(-lots_of(house, holder.id) - kept) <= 2
    conserves(house)


# -- the cap of a charge


@pytest.mark.parametrize("windows", [1, 3])
def test_capped_charge__books_at_their_initial_margin__stay_above_r(house, maker, windows):
    """A charge alone sinks nobody who was at R_init: shorts at the most leverage there is, of four
    sizes and with a second leg, charged the cap; then hour after hour again."""
    without_fees(house)
    curve = house.auction.curve()
    rich = house.actor(quote=8_000_000)
    house.deposit(maker, 8_000_000)
    house.trade("ETH-PERP", rich, maker, 2_500, 2_000)
    dooms = [doom(house, maker, size=600, deficit=85_000, price=1_500) for _ in range(windows)]
    move_price(house, 1_500)
    for one in dooms:
        house.auction.start(one.id)
    for _ in range(21):
        house.advance(60, refresh=True)
        for one in dooms:
            house.auction.sync(one.id)
    limits = []
    for quote, second in ((2_000, 0), (20_000, 0), (50_000, 0), (30_000, "0.2")):
        one = house.actor(quote=quote)
        if second:
            house.trade("BTC-PERP", one, maker, second, 40_000)
        limits.append(at_the_limit(house, maker, one))
    healths = []
    for one in dooms:
        charged = house.auction.deleverage(one.id, 0).events
        per_lot = [event.per_lot for event in charged if event.name == "Charged"]
        assert per_lot == [1_500 * curve.charge_cap]
        for account in limits:
            margin = house.engine.margin(account)
            healths.append(margin.equity / max(1, margin.requirement))
            assert margin.equity >= margin.requirement, f"sunk: {margin}"
        house.advance(curve.charge_window, refresh=True)
    print(f"health after capped charges: {min(healths):.2f} at least")


def at_the_limit(house, maker, one):
    """Sells ETH until R_init is met by next to nothing."""
    low, high = 1, 4_000
    while high - low > 1:
        middle = (low + high) // 2
        with tried(house):
            try:
                house.settle([fill(house, maker, one, str(middle / 10), 1_500)])
                low = middle
            except Exception:
                high = middle
    house.settle([fill(house, maker, one, str(low / 10), 1_500)])
    margin = house.engine.margin(one.id)
    assert margin.initial_equity < margin.initial_requirement * 12 // 10
    return one.id


def test_share_of_the_side__one_market_untouched_by_anothers_loss(house, maker, liquidator):
    """A loss in ETH charges shorts of ETH; those of BTC lose what is socialised, no more."""
    without_fees(house)
    apart = house.actor(quote=50_000)
    house.trade("BTC-PERP", maker, apart, 1, 40_000)
    doomed = doom(house, maker)
    struck(house, doomed)
    before, size = equity(house, apart.id), lots_of(house, apart.id, BTC)
    event = recognise(house, doomed.id)
    assert event.charged == event.deficit
    assert (equity(house, apart.id), lots_of(house, apart.id, BTC)) == (before, size)
    assert equity(house, liquidator.id) == 1_000_000 * USD
