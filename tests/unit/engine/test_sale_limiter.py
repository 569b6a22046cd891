"""How much the auction may sell per time, beside the model's limiter; who has the first claim."""

from __future__ import annotations

import random

import pytest

from plimsoll.model.sale_limiter import SaleLimiter, wide
from plimsoll.testing import reverts
from tests.stage import BTC, ETH, ONE, USD, conserves, lots_of, move_price, run_auction

HOUR = 3_600
LOT = 10**6  # lots of one underlying unit
FOREVER = 2**40 - 1


def limited(house, *, percent=1, window=600, reserve=128, total=0):
    """Set the flow and bring both markets in line with it."""
    house.govern("MarginEngine", "set_flow", (percent, window, reserve, total))
    for market in (ETH, BTC):
        house.engine.refresh_flow(market)


def sink(house, name, size, *, market="ETH-PERP", price=2_000, quote=None):
    """A new account that goes long with a tenth of its notional."""
    account = house.actor(name, quote=quote or int(size * price) // 9)
    house.trade(market, account, house.actors["maker"], size, price)
    return account


def fall(house, price=1_840):
    move_price(house, price)


def bid(house, account, fraction=ONE):
    buyer = house.actors["liquidator"]
    return house.auction.bid(account.id, buyer.id, 0, fraction, 2**200, FOREVER, sender=buyer)


def sold(receipt):
    return receipt.event("Bid").fraction


@pytest.fixture
def rich(house):
    house.insure(500_000)
    house.mint(house.actors["maker"], 20_000_000)
    house.mint(house.actors["liquidator"], 20_000_000)
    for name in ("maker", "liquidator"):
        who = house.actors[name]
        house.engine.deposit(who.id, 20_000_000 * 10**6, sender=who)
    return house


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


def test_bid__more_than_the_limit__shrinks_to_it_and_the_rest_waits(rich):
    """160 ETH a window; the account holds 400."""
    limited(rich, reserve=0)
    whale = sink(rich, "whale", 400)
    fall(rich, 1_750)
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
    fall(rich, 1_700)
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
    fall(rich, 1_700)
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
    fall(rich, 1_750)
    for account in accounts:
        rich.auction.start(account.id)
        assert rich.auction.auction(account.id).running


def test_decoys__of_small_shortfall__cannot_delay_a_whale(rich):
    """Whoever sells decoys of his own first leaves the whale its reserve, untouched."""
    limited(rich, reserve=128)
    decoys = [sink(rich, f"decoy{i}", 30) for i in range(8)]
    whale = sink(rich, "whale", 400)
    fall(rich, 1_750)
    for decoy in decoys:
        rich.auction.start(decoy.id)
    rich.auction.start(whale.id)
    for account in (*decoys, whale):
        run_auction(rich, account.id, 0)
    rich.advance(60, refresh=True)
    for account in (*decoys, whale):
        rich.auction.sync(account.id)
    limit = rich.engine.flow_of(ETH).limit
    before, refused = lots_of(rich, whale.id), 0
    for decoy in decoys:
        if rich.engine.standing(decoy.id).room:
            bid(rich, decoy)
        else:
            refused += 1
            with reverts("Throttled"):
                bid(rich, decoy)
    assert refused > 0, "the decoys did not use up their part: no test"
    bid(rich, whale)
    taken = before - lots_of(rich, whale.id)
    assert taken >= limit // 2 - (len(decoys) + 1) * (1 + limit // 9_600)
    conserves(rich)


def test_claim__largest_shortfall_that_claimed__has_it_until_it_lapses_or_ends(rich):
    limited(rich, percent=100, reserve=192)
    small, large = sink(rich, "small", 20), sink(rich, "large", 60)
    fall(rich, 1_780)
    receipt = rich.auction.start(small.id)
    assert receipt.event("Claimed").account == small.id
    receipt = rich.auction.start(large.id)
    assert receipt.event("Claimed").account == large.id
    assert "Claimed" not in [event.name for event in rich.auction.sync(small.id).events]
    rich.advance(601, refresh=True)
    assert rich.auction.sync(small.id).event("Claimed").account == small.id
    assert rich.auction.sync(large.id).event("Claimed").account == large.id
    run_auction(rich, large.id, 60)
    bid(rich, large)
    assert rich.engine.claims() % 2**64 == 0
    assert not rich.auction.auction(large.id).running


def test_claim__of_a_healthy_account__none(rich):
    limited(rich)
    trader = rich.actors["trader"]
    rich.auction.set_pre_liquidation(trader.id, True, sender=trader)
    assert rich.engine.claims() % 2**64 == 0


def test_sum__over_markets__bounds_all_of_them_together(rich):
    limited(rich, percent=4_000, reserve=0, total=100_000)
    both = rich.actor("both", quote=60_000)
    rich.trade("ETH-PERP", both, rich.actors["maker"], 100, 2_000)
    rich.trade("BTC-PERP", both, rich.actors["maker"], 5, 40_000)
    fall(rich, 1_500)
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
    fall(rich, 1_500)
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
    fall(rich, 1_700)
    receipt = rich.auction.start(whale.id)
    assert "Claimed" not in [event.name for event in receipt.events]
    run_auction(rich, whale.id, 60)
    assert rich.engine.standing(whale.id).room == ONE
    assert sold(bid(rich, whale)) > ONE // 2
    assert rich.engine.flow_of(ETH).limit == 0


def test_limiter__random_sales__equals_the_model(rich, request):
    seed = 20_261_121
    print(f"seed {seed}")
    rng = random.Random(seed)
    engine, now = rich.engine, lambda: rich.evm.timestamp
    accounts = [sink(rich, f"long{i}", rng.randrange(20, 200)) for i in range(5)]
    for account in accounts[::2]:
        rich.trade("BTC-PERP", account, rich.actors["maker"], 1, 40_000)
    terms = (2, 900, 100, 300_000)
    model = SaleLimiter()
    limited(rich, percent=2, window=900, reserve=100, total=300_000)
    model.set(*terms)
    for market in (ETH, BTC):
        model.refresh(market, rich.risk.depth(market), rich.engine.market(market).mark)
    fall(rich, 1_700)
    for account in accounts:
        rich.auction.start(account.id)
        standing = engine.standing(account.id)
        model.claim(account.id, standing.equity, standing.linear + standing.superlinear, now())
    throttled = 0
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
    assert throttled > 3
    conserves(rich)
