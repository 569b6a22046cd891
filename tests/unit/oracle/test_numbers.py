"""Funding integral, realised variance, settlement window, decimals: against exact arithmetic."""

import random
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest

from plimsoll.model import fixed_point
from plimsoll.model import oracle as model
from plimsoll.signed_reports import PriceReport
from plimsoll.testing import reverts

FEED, USD = 7, 10**9
OK, DEGRADED, STALE, HALTED = range(4)
KEY = f"0x{1_001:064x}"
YEAR = 365 * 86_400
HOT_PRECISION = Decimal(2) ** -31  # 32 significant bits, rounded down


def funding(word):
    value = word >> 56 & 2**56 - 1
    return value - 2**56 if value >> 55 else value


@pytest.fixture
def signed(world):
    """A feed of one signed source with a fast premium."""
    world.list([world.signer_set([KEY], 1)], quorum=1, max_age=600, premium_tau=5)
    return PriceReport(FEED, 0, 2_000 * USD, world.now, 1)


@pytest.mark.parametrize("seed", range(3))
def test_funding__random_reports__exact_rational_integral(world, signed, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    exact = Fraction(0)
    for sequence in range(1, 61):
        price = int(2_000 * USD * rng.uniform(0.97, 1.03))
        premium = rng.randint(-60_000, 60_000)
        world.poke(report=PriceReport(FEED, 0, price, world.now, sequence, premium), keys=[KEY])
        hot = world.feeds[FEED].hot
        waited = rng.choice([1, 30, 300, 599, 600, 601, 900])
        exact += Fraction(hot.price * hot.premium * min(waited, 600), 8 * 3_600 * 10**6)
        world.evm.advance(waited)
        assert abs(funding(world.oracle.word(FEED)) - exact) <= sequence
    assert exact != 0


def test_funding__stale__stops(world, signed):
    world.poke(report=replace(signed, premium=50_000), keys=[KEY])
    world.evm.advance(300)
    world.poke(report=replace(signed, time=world.now, sequence=2, premium=50_000), keys=[KEY])
    world.evm.advance(600)
    at_limit = funding(world.oracle.word(FEED))
    world.evm.advance(5_000)
    assert funding(world.oracle.word(FEED)) == at_limit > 0


def test_premium__new_report__counts_only_as_time_passes(world, signed):
    world.poke(report=replace(signed, premium=50_000), keys=[KEY])
    assert world.oracle.word(FEED) & (2**56 - 1) == 2_000 * USD
    world.evm.advance(300)  # one time constant
    world.poke(report=replace(signed, time=world.now, sequence=2, premium=-50_000), keys=[KEY])
    with localcontext(prec=50):
        slow = int(50_000 * (1 - Decimal(-1).exp()))
    assert world.oracle.word(FEED) & (2**56 - 1) == 2_000 * USD * (10**6 + slow) // 10**6
    assert world.price() == 2_000 * USD


def test_premium__no_reports__zero_and_decays_to_zero(world):
    aggregator = world.aggregator()
    world.list([aggregator, world.signer_set([KEY], 1)], quorum=1, premium_tau=5)
    world.evm.advance(60)
    world.poke()
    assert world.oracle.word(FEED) & (2**56 - 1) == world.price()
    report = PriceReport(FEED, 1, 2_000 * USD, world.now, 1, 40_000)
    world.poke(report=report, keys=[KEY])
    world.evm.advance(3_000)
    aggregator.set_answer(2_000 * 10**8)
    world.poke()
    assert world.oracle.word(FEED) & (2**56 - 1) > world.price()
    for _ in range(3):
        world.evm.advance(3_000)
        aggregator.set_answer(2_000 * 10**8)
        world.poke()
    assert world.oracle.word(FEED) & (2**56 - 1) == world.price()


@pytest.mark.parametrize("seed", range(3))
def test_variance__random_path__within_1e_9_of_the_formula(world, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    aggregator = world.aggregator()
    world.list([aggregator], quorum=1, jump_base=9_999)
    with localcontext(prec=60):
        expected, last, last_time = Decimal("0.25"), Decimal(2_000), world.now
        for _ in range(60):
            world.evm.advance(rng.choice([13, 59, 60, 61, 600, 3_600, 20_000]))
            # from a calm market to moves that the clamp (500 %) cuts
            answer = int(2_000 * 10**8 * (1 + rng.gauss(0, rng.choice([1e-5, 1e-3, 0.03]))))
            aggregator.set_answer(answer)
            world.poke()
            elapsed = world.now - last_time
            if elapsed >= 60:
                price = Decimal(answer) / 10**8
                weight = (Decimal(-elapsed) / (1_440 * 60)).exp()
                sample = min((price / last).ln() ** 2 * YEAR / elapsed, Decimal(25))
                expected = expected * weight + sample * (1 - weight)
                last, last_time = price, world.now
            full = Decimal(world.oracle.feed_words(FEED)[3] & 2**62 - 1) / 10**16
            assert abs(full - expected) <= expected * Decimal("1e-9")
            served = Decimal(world.oracle.read(FEED).variance) / 10**12
            assert full * (1 - HOT_PRECISION) - Decimal("1e-12") <= served <= full


def test_variance__one_worst_print__moved_at_most_the_clamp(world):
    aggregator = world.aggregator()
    world.list([aggregator], quorum=1, jump_base=9_999, ema_band=4_000, max_price=10**6 * USD)
    before = Decimal(world.oracle.read(FEED).variance) / 10**12
    world.evm.advance(60)
    aggregator.set_answer(3_900 * 10**8)
    world.poke()
    after = Decimal(world.oracle.read(FEED).variance) / 10**12
    assert world.state() == OK
    assert 0 <= after - before <= 25 * Decimal(60) / (1_440 * 60)


def test_variance__within_spacing__not_sampled(world):
    aggregator = world.aggregator()
    world.list([aggregator], quorum=1)
    before = world.oracle.feed_words(FEED)[3] % 2**118
    for _ in range(4):
        world.evm.advance(14)
        aggregator.set_answer(2_100 * 10**8)
        world.poke()
    assert world.oracle.feed_words(FEED)[3] % 2**118 == before
    world.evm.advance(4)
    world.poke()
    assert world.oracle.feed_words(FEED)[3] % 2**118 != before


def test_word__volatility__just_above_the_root_of_the_variance(world):
    aggregator = world.aggregator()
    world.list([aggregator], quorum=1)
    for step in range(5):
        sigma, variance = world.oracle.word(FEED) >> 231, world.oracle.read(FEED).variance
        assert (sigma - 1) ** 2 <= variance < sigma**2
        world.evm.advance(60)
        aggregator.set_answer((2_000 + 7 * step) * 10**8)
        world.poke()


def test_word__slow_sources_and_no_poke_for_18_hours__stale(world):
    world.list([world.aggregator()], quorum=1, max_age=100_000)
    world.evm.advance(65_535)
    assert world.state() == OK
    world.evm.advance(1)
    assert world.state() == STALE
    world.poke()
    assert world.state() == OK


def test_settlement_price__window_begun_late_or_halted__not_used(world):
    aggregator = world.aggregator()
    world.list([aggregator], quorum=1)  # 40 s into a half hour
    start = (world.now // 1_800 + 1) * 1_800
    for offset, price in {0: 2_000, 300: 2_010, 1_000: 1_990, 1_799: 3_000}.items():
        world.evm.set_timestamp(start + offset)
        with reverts("NoPrice"):
            world.oracle.settlement_price(FEED)
        aggregator.set_answer(price * 10**8)
        world.poke()
    assert world.state() == HALTED  # 3,000 is a jump: the last second was not OK
    world.evm.set_timestamp(start + 1_800)
    with reverts("NoPrice"):
        world.oracle.settlement_price(FEED)


def test_settlement_price__whole_window_ok__average_then_kept_through_a_gap(world):
    aggregator = world.aggregator()
    world.list([aggregator], quorum=1)
    start = (world.now // 1_800 + 1) * 1_800
    for offset, price in {0: 2_000, 300: 2_010, 1_000: 1_990, 1_799: 2_050}.items():
        world.evm.set_timestamp(start + offset)
        aggregator.set_answer(price * 10**8)
        world.poke()
    world.evm.set_timestamp(start + 1_800)
    expected = (2_000 * 300 + 2_010 * 700 + 1_990 * 799 + 2_050) * USD // 1_800
    assert world.oracle.settlement_price(FEED) == expected
    world.evm.set_timestamp(start + 1_799 + 1_801)
    assert world.oracle.settlement_price(FEED) == 2_050 * USD  # held through the next one
    world.evm.set_timestamp(start + 50_000)
    assert world.state() == STALE
    assert world.oracle.settlement_price(FEED) == 2_050 * USD
    aggregator.set_answer(2_100 * 10**8)
    world.poke()
    assert world.oracle.settlement_price(FEED) == 2_050 * USD


@pytest.mark.parametrize("decimals", [0, 6, 8, 9, 18, 27])
@pytest.mark.parametrize("price", ["1", "1999", "2000.123456789012345678901234567", "0.7"])
def test_poke__decimals__exact_floor_in_ticks(world, decimals, price):
    answer = int(Decimal(price).scaleb(decimals)) if decimals < 28 else 0
    aggregator = world.aggregator(max(answer, 1), decimals)
    world.list([aggregator], quorum=1)
    expected = Fraction(max(answer, 1), 10**decimals) * 10**9
    assert world.price() == int(expected)


def test_poke__27_decimals_below_a_tick__not_a_price(world):
    aggregator = world.aggregator(10**17, 27)
    with reverts("BadSource"):
        world.list_only([aggregator], quorum=1, min_price=1)


@pytest.mark.parametrize("seed", range(2))
def test_exp_and_ln__random__within_1e_18(seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    with localcontext(prec=60):
        for _ in range(1_000):
            x = rng.randrange(2 ** rng.randint(1, 103))
            exact = (Decimal(-x) / 2**96).exp()
            assert abs(Decimal(fixed_point.exp_neg(x)) / 2**96 - exact) < Decimal("1e-18")
            a, b = (rng.randrange(1, 2 ** rng.randint(1, 64)) for _ in range(2))
            exact = (Decimal(a) / b).ln()
            assert abs(Decimal(fixed_point.ln_ratio(a, b)) / 2**96 - exact) < Decimal("2e-18")
            near = a + rng.randint(-1, 1) or 1
            exact = (Decimal(near) / a).ln()
            got = Decimal(fixed_point.ln_ratio(near, a)) / 2**96
            assert abs(got - exact) < abs(exact) * Decimal("1e-9") + Decimal("1e-26")


def test_fixed_point__contract__equals_model(world):
    rng = random.Random(5)
    probe = world.deploy_mock("FixedPointProbe")
    for _ in range(300):
        x = rng.randrange(2 ** rng.randint(1, 104))
        assert probe.exp_neg(x) == fixed_point.exp_neg(x)
        a, b = (rng.randrange(1, 2 ** rng.randint(1, 64)) for _ in range(2))
        assert probe.ln_ratio(a, b) == fixed_point.ln_ratio(a, b)
    for x in (0, 1, 68 * 2**96 - 1, 68 * 2**96, 2**256 - 1):
        assert probe.exp_neg(x) == fixed_point.exp_neg(x)


def test_float_floor__any__20_bits_and_never_up():
    for bits in range(64):
        for value in (2**bits, 2**bits - 1, 2**bits + 1, 2**bits * 3 // 2 + 12_345):
            stored = model.float_floor(value)
            assert 0 <= value - stored <= value * 2**-19
