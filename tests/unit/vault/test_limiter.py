"""The outflow limiter against its rule and its model."""

from __future__ import annotations

import random

import pytest

from plimsoll.model.vault import Flow, Refused
from plimsoll.testing import reverts

HOUR, DAY = 3_600, 86_400
UNIT = 10**6


def limit(world, share=2_500, window=DAY, minimum=0, token=None):
    token = token or world.quote
    world.vault.set_limiter(token.address, share, window, minimum, sender=world.governance)


@pytest.fixture
def filled(world):
    """A million in the vault, all of it older than any window; a quarter a day may leave."""
    world.engine.pull(world.trader, 1_000_000 * UNIT)
    limit(world)
    world.evm.advance(4 * DAY)
    return world


def test_push__within_the_share__passes_and_one_more_does_not(filled):
    assert filled.vault.withdrawable_now(filled.quote.address) == 250_000 * UNIT
    with reverts("OutflowLimit"):
        filled.engine.push(filled.maker, 250_000 * UNIT + 1, True)
    filled.engine.push(filled.maker, 250_000 * UNIT, True)
    assert filled.vault.withdrawable_now(filled.quote.address) == 0
    with reverts("OutflowLimit"):
        filled.engine.push(filled.maker, 1, True)


def test_push__exempt_leg__neither_stopped_nor_counted(filled):
    filled.engine.push(filled.maker, 900_000 * UNIT, False)
    assert filled.vault.limiter(filled.quote.address)[1] == 0
    filled.engine.push(filled.maker, 25_000 * UNIT, True)


def test_limiter__time_alone__releases_linearly(filled):
    filled.engine.push(filled.maker, 250_000 * UNIT, True)
    filled.evm.advance(DAY // 2)
    assert filled.vault.limiter(filled.quote.address)[1] == 125_000 * UNIT
    filled.evm.advance(DAY // 2 - 1)
    assert filled.vault.limiter(filled.quote.address)[1] > 0
    filled.evm.advance(1)
    assert filled.vault.limiter(filled.quote.address)[1] == 0


def test_limiter__touched_often__releases_as_fast(filled):
    filled.engine.push(filled.maker, 250_000 * UNIT, True)
    for _ in range(24):
        filled.evm.advance(HOUR - 1)
        filled.engine.push(filled.maker, 1, True)
        filled.evm.advance(1)
        filled.engine.pull(filled.trader, 1)
    assert filled.vault.limiter(filled.quote.address)[1] <= 50  # rounding keeps a unit a touch


def test_limiter__deposit_and_withdrawal_at_once__uses_up_nobodys_allowance(filled):
    before = filled.vault.withdrawable_now(filled.quote.address)
    filled.engine.pull(filled.maker, 10_000_000 * UNIT)
    filled.engine.push(filled.maker, 10_000_000 * UNIT, True)
    assert filled.vault.withdrawable_now(filled.quote.address) == before


def test_limiter__deposits_offset_outflow(filled):
    filled.engine.push(filled.maker, 250_000 * UNIT, True)
    filled.engine.pull(filled.trader, 100_000 * UNIT)
    assert filled.vault.withdrawable_now(filled.quote.address) == 100_000 * UNIT


def test_limiter__small_vault__minimum_always_passes(world):
    world.engine.pull(world.trader, 100)
    limit(world, minimum=60)
    world.evm.advance(4 * DAY)
    assert world.vault.withdrawable_now(world.quote.address) == 60
    world.engine.push(world.trader, 60, True)
    with reverts("OutflowLimit"):
        world.engine.push(world.trader, 1, True)


def test_limiter__full_share__no_limit(world):
    world.engine.pull(world.trader, 100)
    world.evm.advance(DAY)
    world.engine.push(world.trader, 100, True)
    assert world.kept(world.quote) == 0


def test_withdraw__collateral__has_its_own_limiter(filled):
    filled.deposit(filled.token, 1_000)
    limit(filled, token=filled.token)
    filled.evm.advance(4 * DAY)
    with reverts("OutflowLimit"):
        filled.withdraw(filled.token, 251)
    filled.withdraw(filled.token, 250)
    assert filled.vault.withdrawable_now(filled.quote.address) == 250_000 * UNIT


def test_move_share__is_no_outflow(filled):
    filled.deposit(filled.token, 1_000)
    limit(filled, share=500, token=filled.token)
    sender, receiver = filled.account(filled.trader), filled.account(filled.maker)
    before = filled.vault.limiter(filled.token.address)
    filled.engine.move_share(sender, receiver, 10**18)
    assert filled.vault.limiter(filled.token.address) == before


def test_set_limiter__while_used_up__keeps_what_is_counted(filled):
    filled.engine.push(filled.maker, 250_000 * UNIT, True)
    limit(filled, window=2 * DAY)
    assert filled.vault.limiter(filled.quote.address)[1] == 250_000 * UNIT
    limit(filled, share=10_000)
    filled.engine.push(filled.maker, 750_000 * UNIT, True)


def test_pull__beyond_the_field__out_of_range(world):
    world.quote.mint(world.maker, 2**96)
    with reverts("OutOfRange"):
        world.engine.pull(world.maker, 2**95)
    with reverts("OutOfRange"):
        world.engine.pull(world.maker, 2**256 - 1)
    world.engine.pull(world.maker, 2**95 - 1)
    with reverts("OutOfRange"):
        world.engine.pull(world.maker, 1)


@pytest.mark.parametrize("steps", [400])
def test_limiter__random_flows__as_the_model(world, steps):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    flow = Flow(time=world.evm.timestamp)
    refused = 0
    for _ in range(steps):
        world.evm.advance(rng.choice([0, 1, 60, HOUR, 7 * HOUR, DAY]), 1)
        now = world.evm.timestamp
        size = rng.choice([1, flow.kept // 10 + 1, flow.kept // 3, rng.randrange(10**12) + 1])
        kind = rng.choice(["pull", "push", "push", "push", "exempt", "limit"])
        name = None
        try:
            if kind == "pull":
                after = flow.inflow(size, now)
            elif kind == "limit":
                share, window = rng.choice([500, 2_500, 9_999, 10_000]), rng.choice([HOUR, 3 * DAY])
                minimum = rng.choice([0, 1, 10**9])
                after = flow.with_limit(share, window, minimum, now)
            else:
                after = flow.outflow(size, now, kind == "push")
            flow = after
        except Refused as error:
            name, refused = error.name, refused + 1
        call = {
            "pull": lambda n=size: world.engine.pull(world.trader, n),
            "push": lambda n=size: world.engine.push(world.trader, n, True),
            "exempt": lambda n=size: world.engine.push(world.trader, n, False),
            "limit": lambda f=flow: limit(world, f.share, f.window, f.minimum),
        }[kind]
        if name:
            with reverts(name):
                call()
        else:
            call()
        want = (flow.kept, flow.net_at(now), flow.share, flow.window, flow.minimum)
        assert tuple(world.vault.limiter(world.quote.address)) == want
        assert world.vault.withdrawable_now(world.quote.address) == flow.withdrawable(now)
        assert world.quote.balanceOf(world.vault.address) == flow.kept
    assert 0 < refused < steps


def test_limiter__random_bank_run__leaves_within_any_window_at_most_twice_the_share(world):
    """What the rule promises: a burst of one share and, while it is released, one more."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    share, window, start = 2_500, DAY, 10**12
    flow = Flow(share=share, window=window, kept=start)
    left: list[tuple[int, int]] = []
    now = 0
    for _ in range(2_000):
        now += rng.choice([0, 1, 600, HOUR, 5 * HOUR])
        room = flow.withdrawable(now)
        amount = rng.choice([room, room // 2, 1])
        if amount and amount <= room:
            kept = flow.kept
            flow = flow.outflow(amount, now)
            left.append((now, amount))
            recent = sum(n for t, n in left if t > now - window)
            before = kept + recent  # at most what lay here at the window's start
            assert recent * 10_000 <= 2 * share * before + 10_000 * len(left)
        left = [(t, n) for t, n in left if t > now - window]
