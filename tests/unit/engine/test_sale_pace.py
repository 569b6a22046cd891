"""How much of the time an account's price may move while others' sales use the limits up."""

from __future__ import annotations

import pytest

from tests.limiter import LOT, bid, enrich, limited, sink
from tests.stage import BTC, ETH, ONE, lots_of, move_price

WINDOW = 600  # s


@pytest.fixture
def rich(house):
    return enrich(house)


def pace(house, account):
    return house.engine.standing(account.id).pace


def struck(house, **sizes):
    """Accounts of these sizes under R, their auctions started."""
    found = [sink(house, name, size) for name, size in sizes.items()]
    move_price(house, 1_800)
    for one in found:
        house.auction.start(one.id)
    return found


def test_pace__limiter_off__all_of_the_time(rich):
    rich.govern("MarginEngine", "set_flow", (1, 0, 128, 0))
    (whale,) = struck(rich, whale=250)
    assert pace(rich, whale) == ONE


def test_pace__nothing_used__all_of_the_time_however_large(rich):
    limited(rich)
    (whale,) = struck(rich, whale=250)
    assert rich.engine.standing(whale.id).room < ONE
    assert pace(rich, whale) == ONE


@pytest.mark.parametrize(("waited", "part"), [(0, 0), (150, 25), (300, 50), (540, 90), (600, 100)])
def test_pace__a_window_used__square_of_what_has_come_back(rich, waited, part):
    limited(rich)
    (whale,) = struck(rich, whale=600)  # more than a window's 160 is left of it
    bid(rich, whale)  # all that may be sold
    rich.advance(waited, refresh=True)
    assert abs(pace(rich, whale) - ONE * part**2 // 10_000) <= ONE // 1_000


def test_pace__account_that_may_go_whole__all_of_the_time(rich):
    """Others' sales hold back who cannot be sold, nobody else."""
    limited(rich, reserve=0)
    whale, small = struck(rich, whale=300, small=5)
    limit = rich.engine.flow_of(ETH).limit
    bid(rich, whale, limit * 9 // 10 * ONE // lots_of(rich, whale.id))
    assert rich.engine.standing(small.id).room == ONE
    assert pace(rich, small) == ONE
    assert pace(rich, whale) < ONE // 50
    assert lots_of(rich, small.id) == 5 * LOT


def test_pace__not_the_claimant__by_the_part_that_is_its_own(rich):
    """A half is the whale's: a window's quarter sold is half of the others' part."""
    limited(rich)
    whale, other = struck(rich, whale=300, other=100)
    limit = rich.engine.flow_of(ETH).limit
    bid(rich, whale, limit // 4 * ONE // lots_of(rich, whale.id))
    assert abs(pace(rich, whale) - ONE * 9 // 16) <= ONE // 100
    standing = rich.engine.standing(other.id)
    part = max(ONE // 2, standing.room)
    assert abs(standing.pace - part**2 // ONE) <= ONE // 100


def test_pace__only_the_sum_binds__by_the_sum(rich):
    limited(rich, percent=4_095, total=100_000)
    (whale,) = struck(rich, whale=250)
    bid(rich, whale)
    assert pace(rich, whale) <= ONE // 1_000
    rich.advance(WINDOW // 2, refresh=True)
    assert abs(pace(rich, whale) - ONE // 4) <= ONE // 100


def test_pace__sum_used_but_large_enough_for_the_account__by_its_market_alone(rich):
    """Others' sales in BTC took four tenths of the sum; what is left is more than the whale."""
    limited(rich, reserve=0, total=1_000_000)
    other, maker = rich.actor("other", quote=46_000), rich.actors["maker"]
    rich.trade("BTC-PERP", other, maker, 10, 40_000)
    whale = sink(rich, "whale", 250)
    move_price(rich, 36_400, "BTC")
    move_price(rich, 1_800)
    for one in (whale, other):
        rich.auction.start(one.id)
    sold = rich.engine.flow_of(BTC).limit
    bid(rich, other)
    assert 0 < rich.engine.flow_of(BTC).used <= sold
    assert rich.engine.flow_of(ETH).used == 0
    assert rich.engine.standing(whale.id).room < ONE
    assert pace(rich, whale) == ONE
