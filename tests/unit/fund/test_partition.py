"""Draws over several markets: shares, each market's own cap, rounding, what an attacker gets."""

from __future__ import annotations

import random

import pytest

from plimsoll.evm import Reverted
from plimsoll.model.accounts import LOANS
from plimsoll.model.fund import Fund, Terms, exposure_words
from plimsoll.testing import reverts

DAY = 86_400
USD, USD_QU = 10**6, 10**15
LARGEST = 2**256 - 1
HEAVIEST = 2**128 - 1


def draw(world, parts, qu):
    """What a draw came to: the grant, and (market, asked, granted) of its events."""
    receipt = world.fund.draw(exposure_words(parts), qu, sender=world.auction)
    events = [(one.market, one.asked_qu, one.granted_qu) for one in receipt.events]
    assert {one.name for one in receipt.events} <= {"Draw"}
    assert receipt.value == sum(granted for *_, granted in events)
    return receipt.value, events


def test_draw__two_markets__shares_by_weight(world):
    world.deposit(100)
    granted, events = draw(world, [(1, 30), (7, 10)], 20 * USD_QU)
    assert events == [(1, 15 * USD_QU, 15 * USD_QU), (7, 5 * USD_QU, 5 * USD_QU)]
    assert granted == 20 * USD_QU
    assert world.fund.drawable(1) == 45 * USD_QU  # 60 a market and window
    assert world.fund.drawable(7) == 50 * USD_QU  # the event's cap


def test_draw__shares_that_do_not_divide__cut_at_the_sums(world):
    world.deposit(100)
    _, events = draw(world, [(0, 1), (1, 1), (2, 1)], 100)
    assert [granted for *_, granted in events] == [33, 33, 34]
    _, events = draw(world, [(0, 2), (1, 1), (2, 0)], 101)
    assert events == [(0, 67, 67), (1, 34, 34)]
    _, events = draw(world, [(0, 1), (255, 10**9), (LOANS, 1)], 100)
    assert events == [(255, 99, 99), (LOANS, 1, 1)]


def test_draw__market_used_up__the_others_pay_their_shares_only(world):
    world.fund.set_caps((5_000, 8_000, 1_000, DAY), sender=world.governance)
    world.deposit(100)
    assert world.payout(1, 50 * USD_QU) == 10 * USD_QU
    granted, events = draw(world, [(1, 1), (2, 1)], 10 * USD_QU)
    assert events == [(1, 5 * USD_QU, 0), (2, 5 * USD_QU, 5 * USD_QU)]
    assert granted == 5 * USD_QU
    assert world.fund.drawable(2) == 5 * USD_QU


def test_draw__event_cap__cuts_all_shares_alike(world):
    world.fund.set_caps((1_000, 8_000, 2_000, DAY), sender=world.governance)
    world.deposit(100)
    granted, events = draw(world, [(1, 1), (2, 2), (LOANS, 1)], 40 * USD_QU)
    assert granted == 10 * USD_QU
    assert events == [
        (1, 10 * USD_QU, 5 * USD_QU // 2),
        (2, 20 * USD_QU, 5 * USD_QU),
        (LOANS, 10 * USD_QU, 5 * USD_QU // 2),
    ]


def test_draw__event_cap_after_market_caps__what_fits_is_paid(world):
    """A market's full share is paid though another's cap refuses: the event's cap has room."""
    world.fund.set_caps((2_000, 8_000, 2_000, DAY), sender=world.governance)
    world.deposit(100)
    world.payout(1, 20 * USD_QU)  # 80 left: an event's cap is 16
    granted, events = draw(world, [(1, 1), (2, 1)], 30 * USD_QU)
    assert (granted, events[0][2], events[1][2]) == (15 * USD_QU, 0, 15 * USD_QU)


def test_draw__window_used_up__nothing_for_any_market(world):
    world.deposit(100)
    for market in (1, 2):
        world.payout(market, 40 * USD_QU)
    world.payout(3, 40 * USD_QU)
    assert draw(world, [(4, 1), (5, 1)], 100) == (0, [(4, 50, 0), (5, 50, 0)])


@pytest.mark.parametrize("parts", [[], [(3, 0)], [(0, 0), (LOANS, 0)]])
def test_draw__nothing_weighs__counted_as_loans(world, parts):
    world.deposit(100)
    assert draw(world, parts, 10) == (10, [(LOANS, 10, 10)])
    assert world.payout(LOANS, 60 * USD_QU) == 50 * USD_QU
    assert draw(world, parts, 10**18) == (10 * USD_QU - 10, [(LOANS, 10**18, 10 * USD_QU - 10)])


@pytest.mark.parametrize("markets", [(1, 1), (2, 1), (0, 5, 5), (LOANS, 0), (0, 2, 1)])
def test_draw__markets_twice_or_out_of_order__refused(world, markets):
    world.deposit(100)
    with reverts("BadArgument"):
        draw(world, [(market, 1) for market in markets], 10)


def test_draw__all_the_legs_an_account_may_hold__and_no_more(world):
    world.deposit(1_000)
    parts = [(market, 1 + market) for market in range(72)]
    granted, events = draw(world, [*parts, (LOANS, 72)], 10**17)
    assert (granted, len(events)) == (10**17, 73)
    total = sum(range(1, 74)) - 1  # 72 legs weigh 1..72, the loan 72
    for (market, asked, _), weight in zip(events, [*range(1, 73), 72], strict=True):
        assert abs(asked - 10**17 * weight / total) < 2, market
    with pytest.raises(Reverted):
        draw(world, [(market, 1) for market in range(74)], 1)


def test_draw__heaviest_weights_and_largest_amount__no_overflow(world):
    world.deposit(1_000)
    parts = [(market, HEAVIEST) for market in (*range(72), LOANS)]
    granted, events = draw(world, parts, LARGEST)
    assert granted == 500 * USD_QU  # the event's cap
    assert sum(asked for _, asked, _ in events) == 2**96 - 1
    assert max(got for *_, got in events) - min(got for *_, got in events) <= 1


def test_draw__window_base_as_wide_as_its_field__no_overflow(world):
    world.engine.add_income(2**96 - 1)
    world.fund.set_caps((9_000, 9_000, 1, DAY), sender=world.governance)
    parts = [(market, HEAVIEST) for market in (*range(72), LOANS)]
    cap = (2**96 - 1) // 10_000
    granted, _ = draw(world, parts, LARGEST)
    assert granted == 73 * cap
    assert draw(world, parts, LARGEST)[0] == 0


def test_draw__share_of_nothing__writes_and_logs_nothing(world):
    world.deposit(100)
    assert draw(world, [(1, 1), (2, 10**18)], 100) == (100, [(2, 100, 100)])
    assert draw(world, [(1, 1)], 0) == (0, [])


def test_draw__deficits_of_a_junk_market__take_its_cap_and_no_more(world):
    """Dust legs elsewhere shift the blame by their weight: a thousandth of it, together."""
    world.fund.set_caps((5_000, 8_000, 1_500, DAY), sender=world.governance)
    world.deposit(1_000)
    junk, dust = 200, [(market, 1) for market in range(71)]
    taken = 0
    for _ in range(50):
        granted, _ = draw(world, [*dust, (junk, 71_000)], 100 * USD_QU)
        world.engine.pay_out(granted)
        taken += granted
    cap = 150 * USD_QU
    assert cap <= taken <= cap + 50 * 100 * USD_QU // 1_001
    assert world.fund.drawable(junk) == 0
    for market in (0, 70, LOANS):
        assert world.fund.drawable(market) >= cap - 5 * USD_QU
    assert world.payout(5, 150 * USD_QU) >= cap - 5 * USD_QU  # an honest market's deficit is paid


def test_draw__random_exposures_and_caps__as_the_model(world):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    narrowed = refused = 0
    for _ in range(6):
        handle = world.evm.snapshot()
        window, event, market = sorted(rng.choice((1, 300, 3_000, 9_000)) for _ in range(3))[::-1]
        caps = (event, window, market, rng.choice((3_600, DAY)))
        world.fund.set_caps(caps, sender=world.governance)
        world.engine.add_income(rng.choice((1, 10_007, 10**18 + 3, 2**96 - 1)))
        model = Fund(Terms(*caps), bucket_qu=world.engine.fund_balance())
        for _ in range(40):
            world.evm.advance(rng.choice((0, 1, 3_599, 3_600)))
            markets = sorted(rng.sample(range(257), rng.choice((0, 1, 3, 73))))
            weights = (0, 1, 3, 10**15, rng.getrandbits(100), HEAVIEST)
            parts = [(one, rng.choice(weights)) for one in markets]
            qu = rng.choice((0, 1, rng.randrange(model.bucket_qu + 2), LARGEST))
            grants = model.draw(parts, qu, world.evm.timestamp)
            granted, events = draw(world, parts, qu)
            assert events == [(one.market, one.asked, one.granted) for one in grants]
            moved = rng.choice((granted, granted // 2))  # the engine may need less
            world.engine.pay_out(moved)
            model.bucket_qu -= moved
            narrowed += 0 < granted < min(qu, 2**96 - 1)
            refused += granted == 0 < qu
        world.evm.revert(handle)
    assert narrowed > 20
    assert refused > 5
