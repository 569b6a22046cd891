"""The redemptions' clock: it stands while a deficit holds them up, for all alike."""

from __future__ import annotations

import random

import pytest

from plimsoll.testing import reverts

DAY, HOUR = 86_400, 3_600
USD, USD_QU = 10**6, 10**15


def short(world, qu, look=True):
    """The engine's open deficit; the fund is made to look unless told not to."""
    world.engine.set_pending_deficit(qu)
    if look:
        world.fund.observe(sender=world.attacker)


def window(world, owner):
    """Seconds from now to the opening and to the close of an owner's window."""
    _, ready, closes = world.fund.request_of(owner)
    return ready - world.evm.timestamp, closes - world.evm.timestamp


def test_clock__deficit_in_the_cooldown__ready_later_by_as_long(world):
    shares = world.deposit(100)
    world.request(shares, wait=False)
    world.evm.advance(3 * DAY)
    short(world, 10 * USD_QU)
    assert tuple(world.fund.clock()) == (0, world.evm.timestamp)
    for _ in range(5):
        assert window(world, world.staker) == (4 * DAY, 6 * DAY)  # however long it lasts
        world.evm.advance(DAY)
    short(world, 0)
    assert tuple(world.fund.clock()) == (5 * DAY, 0)
    world.evm.advance(4 * DAY - 1)
    with reverts("Cooldown"):
        world.redeem(shares)
    assert world.fund.maxRedeem(world.staker) == 0
    world.evm.advance(1)
    assert world.fund.maxRedeem(world.staker) == shares
    assert world.redeem(shares) == 100 * USD


def test_clock__deficit_in_the_window__no_second_of_it_is_lost(world):
    shares = world.deposit(100)
    world.request(shares)
    world.evm.advance(DAY)
    short(world, 10 * USD_QU)
    world.evm.advance(30 * DAY)
    with reverts("DeficitOpen"):
        world.redeem(shares)
    short(world, 0)
    assert window(world, world.staker) == (-DAY, DAY)
    world.evm.advance(DAY - 1)
    handle = world.evm.snapshot()
    assert world.redeem(shares) == 100 * USD
    world.evm.revert(handle)
    world.evm.advance(1)
    with reverts("Cooldown"):
        world.redeem(shares)


def test_clock__two_who_asked_in_order__leave_in_order_at_one_price(world):
    """A deficit opens within both windows; nobody asks again, and who asked in it comes after."""
    first, second, late = world.staker, world.other, world.attacker
    shares = {who: world.deposit(100, who) for who in (first, second, late)}
    world.request(shares[first], first, wait=False)
    world.evm.advance(DAY)
    world.request(shares[second], second, wait=False)
    world.evm.advance(6 * DAY + 12 * HOUR)  # the first's window is open, the second's is not
    short(world, 30 * USD_QU)
    world.evm.advance(DAY)
    world.request(shares[late], late, wait=False)
    world.evm.advance(4 * DAY)
    for who in (first, second, late):
        with reverts("DeficitOpen"):
            world.redeem(shares[who], who)
        assert world.fund.maxRedeem(who) == 0
    world.payout(1, 30 * USD_QU)
    short(world, 0)
    opens = [window(world, who)[0] for who in (first, second, late)]
    assert opens == [-12 * HOUR, 12 * HOUR, 7 * DAY]
    with reverts("Cooldown"):
        world.redeem(shares[second], second)
    price = world.price()
    got = world.redeem(shares[first], first)
    world.evm.advance(12 * HOUR)
    assert 0 <= world.price() - price < 0.001  # what rounding left
    assert abs(world.redeem(shares[second], second) - got) <= 1
    assert abs(got - 90 * USD) <= 1  # each bore a third of the payout
    with reverts("Cooldown"):
        world.redeem(shares[late], late)
    world.evm.advance(6 * DAY + 12 * HOUR)
    assert abs(world.redeem(shares[late], late) - got) <= 2


def test_clock__asked_while_it_stands__a_whole_cooldown_after(world):
    shares = world.deposit(100)
    short(world, 10 * USD_QU)
    world.evm.advance(20 * DAY)
    event = world.fund.request_redeem(shares, sender=world.staker).event("RedeemRequested")
    now = world.evm.timestamp
    assert (event.ready, event.closes) == (now + 7 * DAY, now + 9 * DAY)
    world.evm.advance(20 * DAY)
    assert window(world, world.staker) == (7 * DAY, 9 * DAY)
    short(world, 0)
    world.evm.advance(7 * DAY)
    world.redeem(shares)


def test_clock__deficit_nobody_saw__moves_nothing(world):
    """Opened and closed between two looks: requests are as if it had not been."""
    shares = world.deposit(100)
    world.request(shares, wait=False)
    world.evm.advance(2 * DAY)
    short(world, 10 * USD_QU, look=False)
    world.evm.advance(DAY)
    short(world, 0, look=False)
    world.fund.sync(sender=world.attacker)
    assert tuple(world.fund.clock()) == (0, 0)
    assert window(world, world.staker) == (4 * DAY, 6 * DAY)


@pytest.mark.parametrize("entry", ["sync", "observe", "deposit", "request_redeem",
                                   "cancel_request", "sponsor", "fund_budget"])  # fmt: skip
@pytest.mark.parametrize("opens", [True, False])
def test_clock__every_entry__looks_first(world, entry, opens):
    shares = world.deposit(100)
    world.request(shares // 2, wait=False)
    world.fund.sponsor(USD, sender=world.other)
    short(world, 0 if opens else 10 * USD_QU)
    world.evm.advance(HOUR)
    short(world, 10 * USD_QU if opens else 0, look=False)
    args = {
        "deposit": (USD, world.staker),
        "request_redeem": (shares // 4,),
        "sponsor": (USD,),
        "fund_budget": (USD_QU,),
    }.get(entry, ())
    receipt = world.fund.method(entry)(*args, sender=world.staker)
    event = receipt.event("RedemptionClockSet")
    assert (event.stands, event.stood) == (opens, 0 if opens else HOUR)
    since = world.evm.timestamp if opens else 0
    assert tuple(world.fund.clock()) == (event.stood, since)


def test_clock__redemption_after_it_closed_unseen__starts_it_again(world):
    """Nobody looked since: who has a window needs nobody else to look."""
    shares = world.deposit(100)
    world.request(shares)
    short(world, 10 * USD_QU)
    world.evm.advance(5 * DAY)
    short(world, 0, look=False)
    assert world.fund.maxRedeem(world.staker) == shares
    assert world.redeem(shares) == 100 * USD
    assert tuple(world.fund.clock()) == (5 * DAY, 0)


def test_clock__flicker__stands_for_the_open_seconds_and_no_more(world):
    """Looks at chosen moments, each with a deficit open that instant, freeze nobody."""
    shares = world.deposit(100)
    world.request(shares, wait=False)
    for _ in range(20):
        short(world, 10 * USD_QU)
        short(world, 0)  # closed in the same second
        world.evm.advance(HOUR)
    assert tuple(world.fund.clock()) == (0, 0)
    for _ in range(20):
        short(world, 10 * USD_QU)
        world.evm.advance(7)
        for _ in range(3):
            world.fund.sync(sender=world.attacker)  # again and again adds nothing
        short(world, 0)
        world.evm.advance(HOUR)
    assert tuple(world.fund.clock()) == (140, 0)
    assert window(world, world.staker)[0] == 7 * DAY + 140 - 40 * HOUR - 140


def test_clock__within_the_tolerance__runs(world):
    world.deposit(100)
    short(world, USD_QU // 2)
    assert tuple(world.fund.clock()) == (0, 0)
    short(world, USD_QU // 2 + 1)
    assert world.fund.clock().since == world.evm.timestamp


def test_set_tolerance__moved_over_the_deficit__clock_follows(world):
    world.deposit(100)
    short(world, USD_QU)
    world.evm.advance(HOUR)
    receipt = world.fund.set_tolerance(100, sender=world.governance)
    assert receipt.event("RedemptionClockSet").stood == HOUR
    assert tuple(world.fund.clock()) == (HOUR, 0)
    world.fund.set_tolerance(99, sender=world.governance)
    assert world.fund.clock().since == world.evm.timestamp


def test_clock__deficit_without_end__no_request_is_stuck(world):
    """Shares come back at any time; asked for again they wait as anybody's."""
    shares = world.deposit(100)
    world.request(shares)
    short(world, 10 * USD_QU)
    world.evm.advance(400 * DAY)
    world.fund.cancel_request(sender=world.staker)
    assert world.fund.balanceOf(world.staker) == shares
    world.fund.transfer(world.other, shares, sender=world.staker)
    world.request(shares, world.other, wait=False)
    short(world, 0)
    world.evm.advance(7 * DAY)
    assert world.redeem(shares, world.other) == 100 * USD


def test_request_of__nobodys__is_empty_whatever_the_clock_did(world):
    world.deposit(100)
    short(world, 10 * USD_QU)
    world.evm.advance(DAY)
    assert tuple(world.fund.request_of(world.other)) == (0, 0, 0)


def test_clock__random_looks__never_back_never_faster_than_time_order_kept(world):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    people = [world.evm.account() for _ in range(6)]
    for one in people:
        shares = world.deposit(10)
        world.fund.transfer(one, shares, sender=world.staker)
    world.deposit(100)
    waiting, asked, last, opened = list(people), [], 0, 0
    open_now = False
    for _ in range(150):
        before = world.evm.timestamp - world.fund.clock().stood
        seconds = rng.choice((0, 1, HOUR, DAY))
        world.evm.advance(seconds)
        opened += seconds if open_now else 0
        now = world.evm.timestamp
        clock = now - world.fund.clock().stood
        assert 0 <= clock - before <= seconds
        step = rng.random()
        if step < 0.4:
            open_now = not open_now
            short(world, 10 * USD_QU if open_now else 0)  # as the auction does: seen at once
        elif step < 0.6 and waiting:
            asked.append(waiting.pop())
            world.fund.request_redeem(10**12, sender=asked[-1])
        else:
            world.fund.sync(sender=world.attacker)
        assert world.fund.clock().stood == opened
        windows = [world.fund.request_of(one).ready for one in asked]
        assert windows == sorted(windows)
        last = max(last, clock)
    assert opened > 0


def test_roles__every_call_of_theirs__leaves_the_bucket_alone(world):
    """Nobody withdraws by role: governance, auction, engine and a stranger try everything."""
    shares = world.deposit(1_000)
    world.request(shares // 2)
    fund, staker = world.fund, world.staker
    for who in (world.governance, world.auction, world.engine.address, world.attacker):
        tries = {
            "withdraw": (USD, who, staker),
            "redeem": (10**12, who, staker),
            "transferFrom": (staker, who, 1),
            "draw": ([1 << 128 | 1], 10**18),
            "fund_budget": (10**18,),
            "cancel_request": (),
            "request_redeem": (1,),
            "set_caps": ((9_000, 9_000, 9_000, HOUR),),
            "set_budget": (10**21, 2_000),
            "set_drip": (HOUR,),
            "set_cooldown": (DAY, DAY),
            "set_tolerance": (200,),
            "set_auction": (who,),
            "sync": (),
            "observe": (),
            "transfer_ownership": (who,),
        }
        handle = world.evm.snapshot()
        held = world.quote.balanceOf(world.vault.address)
        for _ in range(2):  # once more with whatever the first round allowed
            for name, args in tries.items():
                before = world.engine.fund_balance()
                world.evm.transact(fund.raw_address, fund.method(name).pack(*args), who)
                assert world.engine.fund_balance() == before == 1_000 * USD_QU, (who, name)
        assert world.quote.balanceOf(world.vault.address) == held
        assert fund.totalSupply() == shares
        assert fund.request_of(staker).shares == shares // 2
        world.evm.revert(handle)
