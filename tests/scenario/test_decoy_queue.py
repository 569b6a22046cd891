"""Accounts of one's own, made to be liquidated and sold to oneself, in the queue ahead of a whale.

A window lets 160 ETH be sold, half of it kept for the claimant. The attacker has twelve accounts
of 40 ETH long against its own short, is first in every second and takes its own over as fast as
it may; a rival, or the attacker itself, takes of the whale, 250 ETH long, what may be sold of it.
"""

from __future__ import annotations

from typing import Any

import pytest

from plimsoll.testing import reverts
from tests.limiter import LOT, bid, enrich, limited, sink
from tests.stage import ETH, ONE, TOKEN, USD, conserves, equity, lots_of, move_price, undone

WINDOW, STEP = 600, 30  # s
DECOYS, DECOY, WHALE = 12, 40, 250  # ETH
STRUCK = 1_790  # USD
ALONE = 270  # s that the whale takes without anybody before it


class Queue:
    """The attacker, its decoys and the whale, all under their requirement."""

    def __init__(self, house: Any, decoys: int, reserve: int, struck: int = STRUCK) -> None:
        limited(house, window=WINDOW, reserve=reserve)
        self.house, self.limit = house, house.engine.flow_of(ETH).limit
        self.attacker = house.actor("attacker", quote=1_000_000)
        self.decoys = [self.attacker.account(1 + i) for i in range(decoys)]
        self.started_with = self.worth()
        for one in self.decoys:
            margin = DECOY * 2_000 // 9 * USD
            house.engine.transfer(self.attacker.id, one, margin, sender=self.attacker)
            house.trade("ETH-PERP", one, self.attacker, DECOY, 2_000)
        self.whale = sink(house, "whale", WHALE)
        move_price(house, struck)

    def worth(self) -> int:
        """All the attacker has, quote units."""
        return sum(equity(self.house, one) for one in (self.attacker.id, *self.decoys))

    def start(self, accounts: list[int]) -> None:
        """No start is ever refused, however little may be sold."""
        for one in accounts:
            self.house.auction.start(one)
            assert self.house.auction.auction(one).running

    def sell_decoys(self) -> int:
        """The attacker takes what it may of its own; returns the lots."""
        before = self.held_by_decoys()
        for one in self.decoys:
            running = self.house.auction.auction(one).running
            if running and self.house.auction.cost(one).fraction:
                call = (one, self.attacker.id, 0, ONE, 2**200, self.house.evm.timestamp)
                self.house.auction.bid(*call, sender=self.attacker)
        return before - self.held_by_decoys()

    def held_by_decoys(self) -> int:
        return sum(lots_of(self.house, one) for one in self.decoys)

    def clear(self, buyer: Any = None) -> list[int]:
        """Step by step decoys first; returns the whale's lots after every step."""
        left = [lots_of(self.house, self.whale.id)]
        while self.on_sale():
            self.sell_decoys()
            if self.house.auction.cost(self.whale.id).fraction:
                bid(self.house, self.whale, buyer=buyer)
            left.append(lots_of(self.house, self.whale.id))
            self.house.advance(STEP, refresh=True)
            if self.on_sale():
                self.house.auction.sync(self.whale.id)
            assert len(left) < 4 * WINDOW // STEP, "the whale is never sold"
        conserves(self.house)
        return left

    def on_sale(self) -> bool:
        """Whether the whale still is: in auction and under R."""
        margin = self.house.engine.margin(self.whale.id)
        running = self.house.auction.auction(self.whale.id).running
        return running and margin.equity < margin.requirement


@pytest.fixture
def rich(house):
    return enrich(house)


def seconds(left: list[int]) -> int:
    """From the first step to the one that sold the last lot."""
    return (len(left) - 2) * STEP


def test_whale__nobody_before_it__is_sold_within_a_window(rich):
    queue = Queue(rich, 0, 128)
    queue.start([queue.whale.id])
    assert seconds(queue.clear()) == ALONE


@pytest.mark.parametrize(
    ("first", "bound"),
    [(False, ALONE + WINDOW // 2 + STEP), (True, ALONE + WINDOW + STEP)],
    ids=["started in one second", "decoys sold before the whale is started"],
)
def test_decoys__before_a_whale__delay_it_by_a_window_at_most_and_cost_their_owner(
    rich, first, bound
):
    """All started in one second, the half that is not the whale's is gone: half a window. Sold
    before it is started, a window is gone; from then on whatever comes back is the whale's until
    it is sold, in every window at least its half."""
    queue = Queue(rich, DECOYS, 128)
    if first:
        queue.start(queue.decoys)
        assert queue.sell_decoys() >= queue.limit * 99 // 100
        queue.start([queue.whale.id])
        with reverts("Throttled"):
            bid(rich, queue.whale)
        assert 0 < rich.auction.cost(queue.whale.id).wait <= WINDOW
    else:
        queue.start([queue.whale.id, *queue.decoys])
    held = queue.held_by_decoys()
    left = queue.clear()
    assert ALONE < seconds(left) <= bound
    per_window = WINDOW // STEP
    for i in range(len(left) - per_window):
        sold = left[i] - left[i + per_window]
        assert sold >= queue.limit // 2, (i, sold)
    assert queue.held_by_decoys() >= held - queue.limit // 2, "decoys got more than others' half"
    # What it sold to itself cost it the fees of opening, 480 USD, and of liquidation.
    assert queue.started_with - queue.worth() > (680 if first else 580) * USD
    rich.engine.withdraw(queue.attacker.id, TOKEN, queue.attacker, sender=queue.attacker)


@pytest.mark.parametrize("struck", [1_790, 1_810, 1_830])
@pytest.mark.parametrize("first", [False, True], ids=["in one second", "decoys first"])
def test_decoys__of_one_who_takes_the_whale_as_well__earn_less_than_none(rich, struck, first):
    """While the queue holds the whale back its price stands: waiting in it makes nobody's bargain.
    The clock that says when only deleveraging is left goes on."""
    earned, lost = {}, {}
    for decoys in (0, DECOYS):
        with undone(rich):
            queue = Queue(rich, decoys, 128, struck)
            before = equity(rich, queue.whale.id)
            if first:
                queue.start(queue.decoys)
                queue.sell_decoys()
                queue.start([queue.whale.id])
            else:
                queue.start([queue.whale.id, *queue.decoys])
            left = queue.clear(buyer=queue.attacker)
            earned[decoys] = queue.worth() - queue.started_with
            lost[decoys] = before - equity(rich, queue.whale.id)
            run = rich.auction.auction(queue.whale.id)
            assert run.elapsed >= seconds(left)
    assert earned[DECOYS] < earned[0] - 400 * USD
    assert lost[DECOYS] < lost[0] * 21 // 20


def test_queue__everything_sold_as_fast_as_it_may_be__at_the_price_it_was_first_taken_at(rich):
    """No attacker: the whale is larger than a window. What comes back of the limit is taken as it
    comes, so x moves for a twentieth of the time."""
    queue = Queue(rich, 0, 128)
    queue.start([queue.whale.id])
    first = rich.auction.cost(queue.whale.id).x
    left = queue.clear()
    run = rich.auction.auction(queue.whale.id)
    assert run.held >= seconds(left) * 3 // 4
    rich.evm.advance(0)
    assert rich.auction.auction(queue.whale.id).x < 3 * first


def test_decoys__without_a_reserve__hold_the_whale_up_as_long_as_they_last(rich):
    """What the reserve is for: without one the whale waits until nearly all 480 ETH of them
    are sold."""
    queue = Queue(rich, DECOYS, 0)
    queue.start(queue.decoys)
    queue.sell_decoys()
    queue.start([queue.whale.id])
    left = queue.clear()
    assert seconds(left) > ALONE + 2 * WINDOW
    assert left[WINDOW // STEP] == left[0]
    assert queue.held_by_decoys() < DECOYS * DECOY * LOT // 10
