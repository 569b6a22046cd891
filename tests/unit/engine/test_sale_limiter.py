"""How much the auction may sell per time, beside the model's limiter."""

from __future__ import annotations

import random

import pytest

from plimsoll.deployment.abi import artifact
from plimsoll.model.sale_limiter import SaleLimiter, wide
from plimsoll.testing import reverts
from tests.limiter import LOT, bid, enrich, limited, sink
from tests.stage import BTC, ETH, ONE, USD, conserves, lots_of, move_price, run_auction

HOUR = 3_600


def sold(receipt):
    return receipt.event("Bid").fraction


@pytest.fixture
def rich(house):
    return enrich(house)


def test_set_flow__by_anybody_else__refused(house, stranger):
    with reverts("Error", "ownable: caller is not the owner"):
        house.engine.set_flow((100, 600, 128, 0), sender=stranger)


@pytest.mark.parametrize(
    "terms",
    [
        (0, 600, 128, 0),
        (4_096, 600, 128, 0),
        (100, 59, 128, 0),
        (100, 65_536, 128, 0),
        (100, 600, 193, 0),
        (100, 600, 128, 2**36),
    ],
)
def test_set_flow__outside_its_bounds__refused(house, terms):
    before = house.engine.claims()
    with reverts("BadParameter"):
        house.engine.set_flow(terms, sender=house.timelock.address)
    assert house.engine.claims() == before


def test_refresh_flow__by_anybody__follows_depth_and_mark(house, stranger):
    limited(house, percent=50)
    depth = house.risk.depth(ETH)
    flow = house.engine.flow_of(ETH)
    assert (flow.limit, flow.used) == (wide(depth // 2), 0)
    assert flow.price == wide(2_000 * 10**9)
    move_price(house, 1_900)
    house.engine.refresh_flow(ETH, sender=stranger)
    assert house.engine.flow_of(ETH).price == wide(1_900 * 10**9)
    with reverts("UnknownMarket"):
        house.engine.refresh_flow(99, sender=stranger)
    house.evm.advance(200 * HOUR)
    with reverts("StalePrice"):
        house.engine.refresh_flow(ETH, sender=stranger)


def test_refresh_flow__before_anything_is_set__refused(house):
    layout = artifact("MarginEngine").storage_layout["storage_layout"]
    house.evm.set_storage(house.engine.address, layout["sale_limiter"]["claims"]["slot"], 0)
    assert house.engine.claims() == 0
    with reverts("BadParameter"):
        house.engine.refresh_flow(ETH)


def test_set_flow__while_a_claim_stands_and_part_is_used__both_stay(rich):
    """What is used stays so as a share of limit and sum, but for a window shorter than it."""
    limited(rich, percent=2, reserve=0, total=3_000_000)
    whale = sink(rich, "whale", 400)
    move_price(rich, 1_700)
    rich.auction.start(whale.id)
    run_auction(rich, whale.id, 60)
    bid(rich, whale, ONE // 4)
    tag, before = rich.engine.claims() % 2**136, rich.engine.flow_of(ETH)
    assert 0 < before.used < before.limit
    limited(rich, percent=4, reserve=0, total=6_000_000)
    after = rich.engine.flow_of(ETH)
    assert rich.engine.claims() % 2**136 == tag
    assert after.limit == wide(2 * rich.risk.depth(ETH) * 2 // 100)
    share = after.used * before.limit - before.used * after.limit
    assert abs(share) <= max(after.limit, before.limit)  # each is rounded up to a lot
    rich.govern("MarginEngine", "set_flow", (4, 60, 0, 6_000_000))
    assert rich.engine.flow_of(ETH).used == 0


def test_bid__more_than_the_limit__shrinks_to_it_and_the_rest_waits(rich):
    """160 ETH a window; the account holds 400."""
    limited(rich, reserve=0)
    whale = sink(rich, "whale", 400)
    move_price(rich, 1_750)
    rich.auction.start(whale.id)
    run_auction(rich, whale.id, 60)
    limit = rich.engine.flow_of(ETH).limit
    quote = rich.auction.cost(whale.id)
    assert quote.room == limit * ONE // (400 * LOT) == quote.fraction
    before = lots_of(rich, whale.id)
    receipt = bid(rich, whale)
    assert sold(receipt) == quote.fraction
    moved = before - lots_of(rich, whale.id)
    assert moved <= limit
    assert limit - moved <= 1 + limit // 9_600
    assert rich.auction.auction(whale.id).running
    with reverts("Throttled"):
        bid(rich, whale)
    conserves(rich)


def test_wait__of_the_quote__is_when_all_may_go(rich):
    limited(rich, percent=2, reserve=0)  # 320 ETH
    whale = sink(rich, "whale", 400)
    move_price(rich, 1_700)
    rich.auction.start(whale.id)
    run_auction(rich, whale.id, 60)
    bid(rich, whale, ONE // 2)
    quote = rich.auction.cost(whale.id)
    left = lots_of(rich, whale.id)
    wanted = rich.engine.flow_wait(whale.id, ONE)
    assert 0 < wanted <= 600
    assert quote.room < ONE
    rich.advance(wanted - 1, refresh=True)
    early = rich.engine.standing(whale.id).room
    rich.advance(1, refresh=True)
    assert early < ONE
    assert rich.engine.standing(whale.id).room == ONE
    assert rich.engine.flow_wait(whale.id, ONE) == 0
    assert lots_of(rich, whale.id) == left


def test_limit__sold_again_and_again__at_most_two_windows_worth_in_one(rich):
    limited(rich, percent=1, window=600, reserve=0)
    whale = sink(rich, "whale", 800)
    move_price(rich, 1_700)
    rich.auction.start(whale.id)
    run_auction(rich, whale.id, 60)
    limit, first = rich.engine.flow_of(ETH).limit, lots_of(rich, whale.id)
    bid(rich, whale)
    for _ in range(60):
        rich.advance(10, refresh=True)
        rich.auction.sync(whale.id)
        bid(rich, whale)
    assert 1.9 * limit < first - lots_of(rich, whale.id) <= 2 * limit + 60
    conserves(rich)


def test_start__however_little_may_be_sold__is_never_limited(rich):
    limited(rich, percent=1, window=65_535)
    accounts = [sink(rich, f"long{i}", 40) for i in range(6)]
    move_price(rich, 1_750)
    for account in accounts:
        rich.auction.start(account.id)
        assert rich.auction.auction(account.id).running


def test_sum__over_markets__bounds_all_of_them_together(rich):
    limited(rich, percent=4_000, reserve=0, total=100_000)
    both = rich.actor("both", quote=60_000)
    rich.trade("ETH-PERP", both, rich.actors["maker"], 100, 2_000)
    rich.trade("BTC-PERP", both, rich.actors["maker"], 5, 40_000)
    move_price(rich, 1_500)
    rich.auction.start(both.id)
    run_auction(rich, both.id, 60)
    room = rich.engine.standing(both.id).room
    worth = 100 * LOT * wide(2_000 * 10**9) + 5 * LOT * wide(40_000 * 10**9)
    assert room == 100_000 * USD * ONE // worth
    bid(rich, both)
    assert rich.engine.standing(both.id).room <= ONE // 1_000


def test_sum__used_up__a_loan_without_legs_is_sold_all_the_same(rich):
    limited(rich, percent=4_000, reserve=0, total=100_000)
    both = rich.actor("both", quote=60_000)
    rich.trade("ETH-PERP", both, rich.actors["maker"], 100, 2_000)
    rich.trade("BTC-PERP", both, rich.actors["maker"], 5, 40_000)
    loan = rich.actor("loan")
    rich.deposit_collateral(loan, 10)
    rich.engine.withdraw(loan.id, 14_500 * 10**6, loan, sender=loan)
    move_price(rich, 1_500)
    rich.auction.start(both.id)
    rich.auction.start(loan.id)
    run_auction(rich, both.id, 60)
    bid(rich, both)
    assert rich.engine.standing(both.id).room <= ONE // 1_000
    assert rich.engine.standing(loan.id).room == ONE
    assert sold(bid(rich, loan)) > 0
    conserves(rich)


def test_off__nothing_is_limited_nor_claimed(rich):
    rich.govern("MarginEngine", "set_flow", (1, 0, 128, 0))
    whale = sink(rich, "whale", 400)
    move_price(rich, 1_700)
    receipt = rich.auction.start(whale.id)
    assert "Claimed" not in [event.name for event in receipt.events]
    run_auction(rich, whale.id, 60)
    assert rich.engine.standing(whale.id).room == ONE
    assert sold(bid(rich, whale)) > ONE // 2
    assert rich.engine.flow_of(ETH).limit == 0


@pytest.mark.parametrize(
    "terms",
    [
        (2, 900, 100, 300_000),  # the sum binds
        (1, 900, 100, 0),  # the markets do
        (1, 120, 192, 260_000),  # now one, now the other; over before the next sale
    ],
)
def test_limiter__random_sales__equals_the_model(rich, terms):
    seed = 20_261_121
    print(f"seed {seed}")
    rng = random.Random(seed)
    engine, now = rich.engine, lambda: rich.evm.timestamp
    accounts = [sink(rich, f"long{i}", rng.randrange(20, 200)) for i in range(5)]
    for account in accounts[::2]:
        rich.trade("BTC-PERP", account, rich.actors["maker"], 1, 40_000)
    model = SaleLimiter()
    percent, window, reserve, total = terms
    limited(rich, percent=percent, window=window, reserve=reserve, total=total)
    model.set(*terms)
    for market in (ETH, BTC):
        model.refresh(market, rich.risk.depth(market), rich.engine.market(market).mark)
    move_price(rich, 1_700)
    for account in accounts:
        rich.auction.start(account.id)
        standing = engine.standing(account.id)
        model.claim(account.id, standing.equity, standing.linear + standing.superlinear, now())
    throttled = partly = 0
    for _ in range(60):
        rich.advance(rng.choice((1, 20, 300)), refresh=True)
        account = rng.choice(accounts)
        if not rich.auction.auction(account.id).running:
            continue
        rich.auction.sync(account.id)
        standing = engine.standing(account.id)
        model.claim(account.id, standing.equity, standing.linear + standing.superlinear, now())
        legs = {m: abs(lots_of(rich, account.id, m)) for m in (ETH, BTC)}
        legs = {m: lots for m, lots in legs.items() if lots}
        assert standing.room == model.room(account.id, legs, now())
        partly += 0 < standing.room < ONE
        fraction = rng.choice((ONE, ONE // 3, ONE // 50))
        assert engine.flow_wait(account.id, fraction) == model.wait(
            account.id, legs, fraction, now()
        )
        if rich.auction.cost(account.id).fraction == 0:
            throttled += 1
            continue
        bid(rich, account, fraction)
        worth = 0
        for market, lots in legs.items():
            gone = lots - abs(lots_of(rich, account.id, market))
            worth += model.consume(market, gone, now())
        model.consume_sum(worth, now())
        if not rich.auction.auction(account.id).running:
            model.waive(account.id)
        assert engine.claims() == model.claims_word()
        for market in (ETH, BTC):
            flow, lane = engine.flow_of(market), model.lanes[market]
            used = model.used(lane.back, now())
            assert flow.used == -(-lane.limit * used // model.span)
    assert throttled > 3 or terms[1] < 300, "no test of what is used up"
    assert partly > 3, "no test of what is left"
    conserves(rich)
