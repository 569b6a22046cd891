"""Partial fills, nonces and cancellation against a model of the ring."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from plimsoll import orders
from plimsoll.evm import Reverted
from plimsoll.testing import reverts

LEAP = 2**50  # trios a word may jump at once
TOP = 2**64 - 1
DEAD = -1


@dataclass
class Ring:
    """One account's orders, remembered without packing: word -> (trio, filled or DEAD by lane)."""

    words: dict[int, tuple[int, list[int]]] = field(default_factory=dict)

    def _open(self, nonce: int) -> list[int]:
        trio = nonce // 3
        stored, lanes = self.words.get(trio % 128, (0, [0, 0, 0]))
        if stored > trio or trio - stored > LEAP:
            raise KeyError("BadNonce")
        return list(lanes) if stored == trio else [0, 0, 0]

    def take(self, nonce: int, lots: int, size: int) -> None:
        lanes = self._open(nonce)
        lane = nonce % 3
        if lanes[lane] == DEAD:
            raise KeyError("BadNonce")
        if lanes[lane] + lots > size:
            raise KeyError("OrderFilled")
        lanes[lane] += lots
        self.words[nonce // 3 % 128] = (nonce // 3, lanes)

    def cancel(self, nonce: int) -> None:
        lanes = self._open(nonce)
        if lanes[nonce % 3] == DEAD:
            raise KeyError("BadNonce")
        lanes[nonce % 3] = DEAD
        self.words[nonce // 3 % 128] = (nonce // 3, lanes)

    def cancel_below(self, nonce: int) -> None:
        after = Ring(dict(self.words))
        for trio in range(max(nonce // 3 - 127, 0), nonce // 3 + 1):
            if self.words.get(trio % 128, (0, []))[0] > trio:
                continue
            lanes = self._open(3 * trio)
            for lane in range(3):
                if 3 * trio + lane < nonce:
                    lanes[lane] = DEAD
            after.words[trio % 128] = (trio, lanes)
        self.words = after.words

    def read(self, nonce: int) -> tuple[int, bool]:
        stored, lanes = self.words.get(nonce // 3 % 128, (0, [0, 0, 0]))
        if stored != nonce // 3:
            return 0, stored > nonce // 3
        filled = lanes[nonce % 3]
        return (0, True) if filled == DEAD else (filled, False)


def test_fill_pair__partial_fills__up_to_size_and_no_further(world):
    maker = world.signed("maker", False, size=Decimal("0.00001"), nonce=5)
    for nonce, lots in enumerate((3, 3, 4)):
        world.pair(maker, world.signed("taker", True, nonce=nonce), lots)
    assert world.venue.filled(maker.account, 5) == (10, False)
    with reverts("OrderFilled"):
        world.pair(maker, world.signed("taker", True), 1)


def test_fill_pair__trio__three_orders_share_a_word_without_touching(world):
    for nonce, lots in ((3, 1), (4, 2), (5, 3), (3, 4)):
        world.pair(
            world.signed("maker", False, nonce=nonce), world.signed("taker", True, nonce=9), lots
        )
    read = [world.venue.filled(world.account("maker"), nonce)[0] for nonce in range(2, 7)]
    assert read == [0, 5, 2, 3, 0]


def test_fill_pair__newer_trio_in_same_word__older_dead(world):
    old = world.signed("maker", False, nonce=7)
    new = world.signed("maker", False, nonce=6 + 384)
    other = world.signed("maker", False, nonce=5)
    taker = world.signed("taker", True)
    world.pair(old, taker, 1)
    world.pair(new, taker, 1)
    with reverts("BadNonce"):
        world.pair(old, taker, 1)
    world.pair(other, taker, 1)
    assert world.venue.filled(old.account, 7) == (0, True)


def test_fill_pair__lane_at_largest_size__does_not_spill(world):
    size = Decimal(2**63 - 1).scaleb(-6)
    maker = world.signed("maker", False, size=size, nonce=3)
    world.pair(maker, world.signed("taker", True, size=size), 2**63 - 1)
    assert world.venue.filled(maker.account, 3) == (2**63 - 1, False)
    assert world.venue.filled(maker.account, 4) == (0, False)
    with reverts("OrderFilled"):
        world.pair(maker, world.signed("taker", True, size=size, nonce=2), 1)


def test_fill_pair__nonce_too_far_ahead__bad_nonce(world):
    far = 3 * LEAP
    taker = world.signed("taker", True)
    for nonce in (3 * (LEAP + 1), TOP):
        with reverts("BadNonce"):
            world.pair(world.signed("maker", False, nonce=nonce), taker, 1)
        with reverts("BadNonce"):
            world.venue.cancel(world.account("maker"), nonce, sender=world.address("maker"))
    world.pair(world.signed("maker", False, nonce=far), taker, 1)
    world.pair(world.signed("maker", False, nonce=orders.clock_nonce()), taker, 1)


def test_cancel__by_owner_and_operator__order_dead(world):
    maker, account = world.address("maker"), world.account("maker")
    stranger, operator = world.evm.account(), world.evm.account()
    wire, taker = world.signed("maker", False, nonce=4), world.signed("taker", True)
    for call in (world.venue.cancel, world.venue.cancel_up_to):
        with reverts("NotOwner"):
            call(account, 4, sender=stranger)
    event = world.venue.cancel(account, 4, sender=maker).event("Cancelled")
    assert (event.account, event.nonce) == (account, 4)
    with reverts("BadNonce"):
        world.pair(wire, taker, 1)
    with reverts("BadNonce"):
        world.venue.cancel(account, 4, sender=maker)
    world.engine.set_operator(account, operator, True)
    world.venue.cancel(account, 5, sender=operator)
    event = world.venue.cancel_up_to(account, 9, sender=operator).event("CancelledUpTo")
    assert (event.account, event.nonce) == (account, 9)
    for nonce in (3, 5, 8):
        with reverts("BadNonce"):
            world.pair(world.signed("maker", False, nonce=nonce), taker, 1)
    world.pair(world.signed("maker", False, nonce=9), taker, 1)


@pytest.mark.parametrize("function", ["cancel", "cancel_up_to"])
def test_cancel__nonce_beyond_64_bits__bad_nonce(world, function):
    with reverts("BadNonce"):
        getattr(world.venue, function)(
            world.account("maker"), TOP + 1, sender=world.address("maker")
        )


@pytest.mark.parametrize("first", [0, 1, 2, 3, 383, 384, 385, 1000, 1001, 10**12])
def test_cancel_up_to__boundary__exactly_all_below(world, first):
    account = world.account("maker")
    world.venue.cancel_up_to(account, first, sender=world.address("maker"))
    for nonce in range(max(first - 800, 0), first + 400):
        assert world.venue.filled(account, nonce) == (0, nonce < first), nonce


def test_cancel_up_to__over_a_used_ring__keeps_newer_fills(world):
    account, owner = world.account("maker"), world.address("maker")
    taker = world.signed("taker", True)
    for nonce in (10, 390, 500):
        world.pair(world.signed("maker", False, nonce=nonce), taker, 7)
    world.venue.cancel_up_to(account, 400, sender=owner)
    read = {nonce: world.venue.filled(account, nonce) for nonce in (10, 390, 399, 400, 500)}
    assert read == {10: (0, True), 390: (0, True), 399: (0, True), 400: (0, False), 500: (7, False)}
    world.venue.cancel_up_to(account, 200, sender=owner)  # nothing older is left to kill
    assert world.venue.filled(account, 500) == (7, False)


def test_ring__random_steps__equals_model(world):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    account, owner = world.account("maker"), world.address("maker")
    ring, at, taken = Ring(), 0, 0
    for step in range(500):
        at += rng.choice((0, 0, 1, 3, 40, 400))
        nonce = max(at + rng.randrange(-500, 20), 0)
        kind = rng.choices(("fill", "cancel", "sweep"), (8, 2, 1))[0]
        lots, size = rng.randrange(1, 8), 12
        before = Ring(dict(ring.words))
        want = None
        try:
            if kind == "fill":
                ring.take(nonce, lots, size)
            elif kind == "cancel":
                ring.cancel(nonce)
            else:
                ring.cancel_below(nonce)
        except KeyError as exc:
            want = exc.args[0]
            ring = before
        got = None
        try:
            if kind == "fill":
                maker = world.signed("maker", False, size=Decimal(size).scaleb(-6), nonce=nonce)
                world.pair(maker, world.signed("taker", True, nonce=step), lots)
                taken += 1
            elif kind == "cancel":
                world.venue.cancel(account, nonce, sender=owner)
            else:
                world.venue.cancel_up_to(account, nonce, sender=owner)
        except Reverted as exc:
            got = exc.name
        assert got == want, (seed, step, kind, nonce)
        for probe in (nonce, nonce + 1, max(nonce - 384, 0), nonce + 384):
            assert world.venue.filled(account, probe) == ring.read(probe), (seed, step, probe)
    assert taken > 50, seed
