"""Funding integral, realised variance, settlement window, decimals: against exact arithmetic."""

import math
import random
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest

from plimsoll.model import fixed_point
from plimsoll.model import oracle as model
from plimsoll.signed_reports import PriceReport
from plimsoll.testing import reverts
from tests.unit.oracle.conftest import TERMS

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


CAP, TAU = Decimal(25), Decimal(1_440 * 60)  # of the tests' terms: 500 %, a day


def formula(variance, price, last, elapsed):
    """The next variance by the formula: EWMA of squared log returns, each clamped."""
    weight = (-elapsed / TAU).exp()
    sample = min((price / last).ln() ** 2 * YEAR / elapsed, CAP)
    return variance * weight + sample * (1 - weight)


def test_variance__10_000_random_paths__within_1e_9_of_the_formula():
    """Down to the field's own unit, 1e-16, which is what is left of a volatility under 0.1 %."""
    rng = random.Random(1_711)
    worst = Decimal(0)
    with localcontext(prec=40):
        for path in range(10_000):
            start = rng.randrange(10**3, 2**54)
            past = model.Variance(rng.randrange(10**10, 25 * 10**16), start, 0)
            exact, scale = Decimal(past.variance) / 10**16, rng.choice([1e-6, 1e-4, 1e-2, 0.5])
            for _ in range(4):
                elapsed = rng.choice([60, 61, 90, 600, 3_600, 86_400, rng.randrange(60, 10**6)])
                price = int(past.price * rng.lognormvariate(0, scale)) or 1
                price = min(price, 2**55 - 1)
                now = past.time + elapsed
                exact = formula(exact, Decimal(price), Decimal(past.price), Decimal(elapsed))
                past = past.sample(TERMS, price, now)
                off = abs(Decimal(past.variance) / 10**16 - exact)
                if exact >= Decimal("1e-6"):
                    worst = max(worst, off / exact)
                    assert off <= exact * Decimal("1e-9"), f"path {path}: {past} is not {exact}"
                assert off <= max(exact * Decimal("1e-9"), Decimal("4e-16")), f"path {path}"
    print(f"worst relative error {worst:.2e}")


@pytest.mark.parametrize("seed", range(4))
def test_variance__random_paths__contract_equals_model_to_the_bit(world, seed):
    """The same moves, on the contract; `poke` compares the whole history word."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    for path in range(5):
        aggregator = world.aggregator()
        world.list(
            [aggregator], feed=path + 1, quorum=1, jump_base=9_999, ema_band=4_000, spacing=60
        )
        price = 2_000.0
        for _ in range(12):
            world.evm.advance(rng.choice([1, 59, 60, 61, 600, 3_600, 86_400]))
            price = min(max(price * rng.lognormvariate(0, rng.choice([1e-5, 1e-3, 0.1])), 1), 9e5)
            aggregator.set_answer(int(price * 10**8))
            world.poke(path + 1)


@pytest.mark.parametrize("answer", [3_999, 2_001, 1_999, 1_000, 10, 1])
@pytest.mark.parametrize("elapsed", [60, 3_600])
def test_variance__one_worst_print__moved_at_most_the_clamp(world, answer, elapsed):
    """Up or down, whatever one block prints moves sigma**2 by the clamp's weight at most; a print
    beyond the clamp moves it by exactly that."""
    aggregator = world.aggregator()
    world.list([aggregator], quorum=1, jump_base=9_999, ema_band=4_000)
    before = Decimal(world.oracle.read(FEED).variance) / 10**12
    world.evm.advance(elapsed)
    aggregator.set_answer(answer * 10**8)
    world.poke()
    after = Decimal(world.oracle.read(FEED).variance) / 10**12
    assert world.state() == OK
    with localcontext(prec=40):
        weight = 1 - (-elapsed / TAU).exp()
        highest = before + (CAP - before) * weight
        assert before * (1 - weight) - Decimal("1e-12") <= after <= highest + Decimal("1e-12")
        assert after - before <= CAP * elapsed / TAU
        if (Decimal(answer) / 2_000).ln() ** 2 * YEAR > CAP * elapsed:
            assert abs(after - highest) < Decimal("2e-12")
    sigma = world.oracle.word(FEED) >> 231
    assert sigma**2 <= (highest + Decimal("1e-5")) * 10**12


def test_variance__there_and_back_in_one_block__counts_once(world):
    """Prints after the second's first are no samples, and within `spacing` nothing is."""
    aggregator = world.aggregator()
    world.list([aggregator], quorum=1, jump_base=9_999, ema_band=4_000)
    world.evm.advance(60)
    aggregator.set_answer(3_900 * 10**8)
    world.poke()
    once = world.oracle.feed_words(FEED)[3] % 2**62
    for number, answer in enumerate((2_000, 3_900, 2_000)):
        aggregator.set_round(100 + number, answer * 10**8, world.now)
        world.poke()
        assert world.oracle.feed_words(FEED)[3] % 2**62 == once
    for _ in range(3):  # 59 s more: the lag is kept, no sample
        world.evm.advance(19)
        aggregator.set_answer(1_950 * 10**8)
        world.poke()
        assert world.oracle.feed_words(FEED)[3] % 2**62 == once


@pytest.mark.parametrize("seed", range(3))
def test_variance__worst_prints_in_sequence__each_within_the_clamp_and_never_above_it(seed):
    """An attacker who prints any extremes, as often as the spacing lets him."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    past, top = model.Variance(25 * 10**14, 2_000 * USD, 0), 25 * 10**16
    for step in range(2_000):
        elapsed = rng.choice([60, 60, 61, 600, 86_400])
        price = rng.choice([1, 2**55 - 1, past.price, past.price * 2 % 2**55 or 1, 2_000 * USD])
        now = past.time + elapsed
        after = past.sample(TERMS, price, now)
        assert 0 <= after.variance <= top
        grown = after.variance - past.variance
        assert grown <= (top - past.variance) * elapsed // (1_440 * 60) + 1, f"step {step}"
        past = after
    assert past.variance > 20 * 25 * 10**14  # only by keeping at it


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
    with reverts("NoSoundAnswer"):
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


@pytest.mark.parametrize("waited", [0, 600])
def test_poke__report_after_a_gap__its_premium_counts_from_the_next_price_on(world, waited):
    """Also where the report came while the quorum was not met, so that no price was fixed."""
    quoted = world.aggregator()
    world.list([quoted, world.signer_set([KEY], 1)], quorum=2, max_age=900)
    world.poke(report=PriceReport(FEED, 1, 2_000 * USD, world.now, 1), keys=[KEY])
    world.evm.advance(7_200)
    world.poke(report=PriceReport(FEED, 1, 2_000 * USD, world.now, 2, 50_000), keys=[KEY])
    assert world.state() == 2  # STALE: the quorum is not met
    world.evm.advance(waited)
    quoted.set_answer(2_000 * 10**8)
    for expected in (0, 50_000 * (1 - math.exp(-60 / (480 * 60)))):
        world.poke()
        assert world.oracle.feed_words(FEED)[0] >> 211 & 2**18 - 1 == int(expected)
        world.evm.advance(60)
