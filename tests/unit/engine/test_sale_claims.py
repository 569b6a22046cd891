"""Who has the first claim on what the auction may sell: the largest shortfall that claimed."""

from __future__ import annotations

import pytest

from plimsoll.testing import reverts
from tests.limiter import LOT, bid, enrich, limited, sink
from tests.stage import ETH, ONE, USD, conserves, lots_of, move_price, run_auction


@pytest.fixture
def rich(house):
    return enrich(house)


def test_decoys__of_small_shortfall__cannot_delay_a_whale(rich):
    """Whoever sells decoys of his own first leaves the whale its reserve, untouched."""
    limited(rich, reserve=128)
    decoys = [sink(rich, f"decoy{i}", 30) for i in range(8)]
    whale = sink(rich, "whale", 400)
    move_price(rich, 1_750)
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
    move_price(rich, 1_780)
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


def test_room__others_part_used_up_before_they_claim__nothing_for_them(rich):
    """The first in auction is the only claimant and may sell all; when a larger one claims, what
    was sold is past the part of everybody else: they wait until it is less than that part again,
    the larger one only until anything is back."""
    limited(rich, reserve=128)
    first, second, whale = sink(rich, "a", 250), sink(rich, "b", 250), sink(rich, "whale", 700)
    move_price(rich, 1_700)
    rich.auction.start(first.id)
    run_auction(rich, first.id, 60)
    bid(rich, first)
    rich.auction.start(second.id)
    rich.auction.start(whale.id)
    flow = rich.engine.flow_of(ETH)
    assert flow.used > flow.limit * 9 // 10
    assert rich.engine.standing(second.id).room == 0
    with reverts("Throttled"):
        bid(rich, second)
    rich.advance(240, refresh=True)
    assert rich.engine.standing(second.id).room == 0
    part = flow.limit * ONE // (700 * LOT)
    assert abs(rich.engine.standing(whale.id).room - part * 240 // 600) < part // 20
    rich.advance(120, refresh=True)
    part = flow.limit * ONE // (250 * LOT)
    assert abs(rich.engine.standing(second.id).room - part * 60 // 600) < part // 20


def test_claim__at_its_last_second_and_one_past_it__stands_and_does_not(rich):
    limited(rich, reserve=128)
    small, large = sink(rich, "small", 200), sink(rich, "large", 400)
    move_price(rich, 1_780)
    for account in (small, large):
        rich.auction.start(account.id)
    limit = rich.engine.flow_of(ETH).limit
    rich.advance(600, refresh=True)
    assert rich.engine.standing(small.id).room == limit // 2 * ONE // (200 * LOT)
    assert "Claimed" not in [event.name for event in rich.auction.sync(small.id).events]
    rich.advance(1, refresh=True)
    assert rich.engine.standing(small.id).room == limit * ONE // (200 * LOT)
    assert rich.auction.sync(small.id).event("Claimed").account == small.id


def test_claim__its_own_renewed__stands_ten_minutes_from_then(rich):
    limited(rich, reserve=128)
    small, large = sink(rich, "small", 200), sink(rich, "large", 400)
    move_price(rich, 1_780)
    for account in (small, large):
        rich.auction.start(account.id)
    for _ in range(4):
        rich.advance(300, refresh=True)
        assert rich.auction.sync(large.id).event("Claimed").account == large.id
        assert "Claimed" not in [event.name for event in rich.auction.sync(small.id).events]
    rich.deposit(large, 30_000)
    less = rich.auction.sync(large.id).event("Claimed")
    assert less.account == large.id, "its own is renewed with a smaller shortfall too"
    assert rich.auction.sync(small.id).event("Claimed").account == small.id


def test_claim__by_an_equal_shortfall__leaves_it_with_the_first(rich):
    limited(rich)
    first, second = sink(rich, "first", 60), sink(rich, "second", 60)
    move_price(rich, 1_780)
    assert rich.auction.start(first.id).event("Claimed").account == first.id
    assert "Claimed" not in [event.name for event in rich.auction.start(second.id).events]


def test_claim__of_another_that_ends__stays_and_its_own_does_not(rich):
    limited(rich)
    small, large = sink(rich, "small", 20), sink(rich, "large", 60)
    move_price(rich, 1_780)
    rich.auction.start(small.id)
    rich.auction.start(large.id)
    tag = rich.engine.claims() % 2**64
    for one, left in ((small, tag), (large, 0)):
        rich.deposit(one, 50_000)
        rich.auction.end(one.id)
        assert rich.engine.claims() % 2**64 == left


@pytest.mark.parametrize(("short", "claims"), [(USD // 2, False), (USD, True)])
def test_claim__of_less_than_a_dollar__none(rich, short, claims):
    """Nothing of that size takes the reserve, not even where nobody's claim stands."""
    limited(rich)
    account = sink(rich, "account", 60)
    move_price(rich, 1_780)
    rich.auction.start(account.id)
    rich.advance(601, refresh=True)
    standing = rich.engine.standing(account.id)
    missing = standing.linear + standing.superlinear - standing.equity - short
    rich.deposit(account, f"{missing // 10**9 / 10**6:.6f}")
    found = [event.name for event in rich.auction.sync(account.id).events]
    assert ("Claimed" in found) == claims
    assert rich.auction.auction(account.id).running


def test_claim__of_a_healthy_account__none(rich):
    limited(rich)
    trader = rich.actors["trader"]
    rich.auction.set_pre_liquidation(trader.id, True, sender=trader)
    assert rich.engine.claims() % 2**64 == 0
