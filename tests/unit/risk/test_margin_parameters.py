"""Parameters: bounds, encoding, ramps, listing, roles, and the values shipped to start with."""

from __future__ import annotations

import itertools
import random
from dataclasses import fields, replace
from decimal import Decimal

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.model import standard_margin as sm
from plimsoll.risk_parameters import STARTING, RiskParameters
from plimsoll.testing import reverts

LOT = 10**6
BTC = 60_000 * 10**9
SEED = 4711
NAMES = [f.name for f in fields(sm.MarketParameters)]


def set_market(desk, p, market=0):
    return desk.margin.set_parameters(market, p.astuple(), sender=desk.governance)


# --- bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_set_parameters__outside_a_hard_bound__bad_parameter(traded, bitcoin, name):
    low, high = sm.BOUNDS[name]
    for amount in [high + 1, *([low - 1] if low else [])]:
        p = replace(bitcoin, **{name: amount})
        with reverts("BadParameter"):
            set_market(traded, p)
        with pytest.raises(sm.Refused, match="BadParameter"):
            sm.encode(p)


# Values that let the named one go to its bound without meeting a joint bound.
COMPANIONS = {
    ("tail", 1): {"horizon": 60},
    ("horizon", 1): {"tail": sm.NANO, "stressed": sm.NANO},
    ("floor", 1): {"cap": 3 * sm.NANO // 2, "initial_floor": 3 * sm.NANO // 2},
    ("cap", 0): {"floor": sm.NANO // 1000},
    ("initial_floor", 0): {"floor": sm.NANO // 1000},
    ("forecast", 1): {"horizon": 60},
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("end", [0, 1])
def test_set_parameters__at_a_hard_bound__accepted(traded, bitcoin, name, end):
    p = replace(bitcoin, **{name: sm.BOUNDS[name][end]}, **COMPANIONS.get((name, end), {}))
    traded.set_parameters(0, p)
    assert traded.margin.parameters(0) == p.astuple()


@pytest.mark.parametrize(
    "changes",
    [
        {"floor": 31 * sm.NANO // 100},  # above the cap
        {"cap": 9 * sm.NANO // 1000},  # below the floor
        {"initial_floor": 9 * sm.NANO // 1000},  # IM could fall below MM
        {"tail": 20 * sm.NANO, "horizon": 7 * 86_400},  # k sqrt(h) does not fit
        {"forecast": 16 * sm.NANO},  # forecast rate above 65 %
        {"stressed": 16 * sm.NANO, "blend": sm.NANO},  # stressed rate above 65 %
    ],
)
def test_set_parameters__contradicting_values__joint_bound(traded, bitcoin, changes):
    p = replace(bitcoin, **changes)
    with reverts("JointBound"):
        set_market(traded, p)
    with pytest.raises(sm.Refused, match="JointBound"):
        sm.encode(p)


def test_set_parameters__random_values__model_and_contract_refuse_alike(traded, draw):
    rng = random.Random(SEED)
    print("seed", SEED)
    accepted = 0
    for _ in range(200):
        p = draw.parameters(rng)
        if rng.randrange(3) == 0:
            name = rng.choice(NAMES)
            p = replace(p, **{name: getattr(p, name) * rng.choice([0, 3, 30, 1000])})
        try:
            sm.encode(p)
        except sm.Refused as refusal:
            with reverts(str(refusal)):
                set_market(traded, p)
            continue
        traded.set_parameters(0, p)
        traded.evm.advance(rng.choice([1, 4000, 40_000]), 0)
        accepted += 1
    assert 20 < accepted < 200


# --- encoding -------------------------------------------------------------------------------------


def test_pack_float__any_value__rounds_up_by_less_than_one_part_in_8192():
    rng = random.Random(SEED + 1)
    for _ in range(2000):
        x = rng.randrange(2 ** rng.randrange(1, 77))
        back = sm.unpack_float(sm.pack_float_up(x))
        assert x <= back
        assert (back - x) * 8192 <= x
        assert sm.unpack_float(sm.pack_float_up(back)) == back


def test_encode__hot_word__never_softer_than_asked(draw):
    rng = random.Random(SEED + 2)
    for _ in range(300):
        p = draw.valid(rng)
        word = sm.encode(p)
        assert word >> 252 == 0
        assert word & sm.STATE_MASK == 0
        assert sm.value(word, "cap") * 10**5 >= p.cap
        assert sm.value(word, "floor") * 10**4 >= p.floor
        assert sm.value(word, "multiple") * 10**6 >= p.initial_multiple >= sm.NANO
        exact = Decimal(p.tail) * (Decimal(p.horizon) / Decimal(sm.YEAR)).sqrt() / 10**4
        assert exact <= sm.value(word, "a") <= exact + 2


# --- listing and roles ----------------------------------------------------------------------------


def test_list_market__valid__event_and_words(desk, bitcoin):
    desk.set_quote(9, sm.Quote(BTC))
    event = desk.list_market(3, 9, bitcoin).event("MarketListed")
    assert (event.market, event.feed, tuple(event.parameters)) == (3, 9, bitcoin.astuple())
    desk.check_words(3)


@pytest.mark.parametrize(
    ("market", "feed", "error"),
    [
        (0, 1, "AlreadyListed"),
        (65_536, 1, "BadParameter"),
        (1, 0, "BadParameter"),
        (1, 65_536, "BadParameter"),
        (1, 2, "NoPrice"),
    ],
)
def test_list_market__wrong_ids__refused_by_reason(traded, bitcoin, market, feed, error):
    with reverts(error):
        traded.margin.list_market(market, feed, bitcoin.astuple(), sender=traded.governance)
    with pytest.raises(sm.Refused, match=error):
        traded.model.list_market(market, feed, bitcoin, traded.now)


def test_setters__stranger__not_governance(traded, bitcoin):
    for sender in (traded.stranger, traded.engine):
        with reverts("NotGovernance"):
            traded.margin.list_market(1, 1, bitcoin.astuple(), sender=sender)
        with reverts("NotGovernance"):
            traded.margin.set_parameters(0, bitcoin.astuple(), sender=sender)


def test_quote_and_close__not_the_engine__refused(traded):
    for sender in (traded.stranger, traded.governance):
        with reverts("NotEngine"):
            traded.margin.quote(0, 0, sender=sender)
        with reverts("NotEngine"):
            traded.margin.close(0, sender=sender)


@pytest.mark.parametrize("market", [7, 65_536, 2**256 - 1])
def test_calls__market_not_listed__unknown_market(traded, bitcoin, market):
    with reverts("UnknownMarket"):
        traded.margin.quote(market, 0, sender=traded.engine)
    with reverts("UnknownMarket"):
        traded.margin.peek(market)
    with reverts("UnknownMarket"):
        traded.margin.close(market, sender=traded.engine)
    with reverts("UnknownMarket"):
        set_market(traded, bitcoin, market)


def test_close__twice_or_without_price__refused(traded, bitcoin):
    with reverts("NoPrice"):
        traded.margin.close(0, sender=traded.engine)
    traded.set_settlement(1, BTC)
    traded.close(0)
    with reverts("MarketClosed"):
        traded.margin.close(0, sender=traded.engine)
    with reverts("MarketClosed"):
        set_market(traded, bitcoin)


def test_init__null_address__refused(desk):
    good = [desk.oracle.address, desk.engine, desk.governance]
    for i in range(3):
        bad = [*good[:i], "0x" + "00" * 20, *good[i + 1 :]]
        with reverts("NullAddress"):
            desk.evm.deploy(compile_contract("StandardMargin"), *bad)


def test_ownership__two_steps(desk):
    heir = desk.evm.account()
    assert desk.margin.owner() == desk.governance
    desk.margin.transfer_ownership(heir, sender=desk.governance)
    assert desk.margin.owner() == desk.governance
    desk.margin.accept_ownership(sender=heir)
    assert desk.margin.owner() == heir


def test_deployed_size__fits():
    assert compile_contract("StandardMargin").runtime_size <= 23_000


# --- ramps ----------------------------------------------------------------------------------------


def position(desk):
    return desk.assess([sm.Leg(0, 2**27, 10 * LOT, 0)])


def test_set_parameters__tightening__old_maintenance_through_grace_then_a_line(traded, bitcoin):
    desk = traded
    before = position(desk)
    p = replace(bitcoin, tail=2 * bitcoin.tail)
    receipt = desk.set_parameters(0, p)
    changed, ramp = receipt.event("ParametersSet"), receipt.event("RampSet")
    assert tuple(changed.old) == bitcoin.astuple()
    assert tuple(changed.new) == p.astuple()
    assert ramp.start == desk.now + sm.GRACE
    assert position(desk).requirement == before.requirement
    assert position(desk).initial > before.initial  # new risk at once
    at_once = position(desk).initial
    desk.evm.set_timestamp(ramp.start)
    # The slow open-interest root has moved on by an hour; apart from it nothing has.
    assert position(desk).superlinear == before.superlinear
    rates = []
    while desk.now < ramp.end:
        word = desk.margin.market_words(0)[1]
        rates.append(sm.value(word, "a"))
        desk.evm.advance(900)
    steps = [b - a for a, b in itertools.pairwise(rates)]
    hourly = sm.value(sm.encode(bitcoin), "a") * 2 // 10  # 20 % an hour of the start
    assert 0 < max(steps) <= hourly // 4 + 1
    assert min(steps) > 0
    end = position(desk)
    assert end.initial <= at_once
    desk.quote(0, 2**27)
    assert desk.model.hot[0] & sm.RAMP_FLAG == 0  # the next touch drops the flag


def test_set_parameters__loosening__both_margins_fall_slowly(traded, bitcoin):
    desk = traded
    desk.quote(0, 2**27)
    before = position(desk)
    desk.set_parameters(
        0, replace(bitcoin, tail=bitcoin.tail // 2, initial_multiple=3 * sm.NANO // 2)
    )
    assert position(desk) == before
    last = before
    for _ in range(20):
        desk.evm.advance(6 * 3600)
        now = position(desk)
        assert now.superlinear <= last.superlinear
        assert now.initial <= last.initial
        assert now.initial * 100 >= before.initial * 80 or desk.now > sm.GRACE + 86_400
        last = now
    assert last.initial < before.initial


def test_set_parameters__retargeted_midway__starts_from_the_values_in_force(traded, bitcoin):
    desk = traded
    desk.set_parameters(0, replace(bitcoin, tail=2 * bitcoin.tail))
    desk.evm.advance(sm.GRACE + 7200)
    midway = desk.margin.market_words(0)[1]
    asked = position(desk)
    desk.set_parameters(0, bitcoin)
    assert desk.margin.market_words(0)[1] >> 96 == midway >> 96
    assert position(desk).requirement == asked.requirement


def test_set_parameters__same_values__no_ramp(traded, bitcoin):
    ramp = traded.set_parameters(0, bitcoin).event("RampSet")
    assert ramp.start == ramp.end
    assert traded.model.hot[0] & sm.RAMP_FLAG == 0


def test_set_parameters__random_changes__no_margin_jumps(desk, draw):
    """At the change MM stays; over an hour after the grace it rises by at most about 20 %."""
    rng = random.Random(SEED + 3)
    print("seed", SEED + 3)
    for _ in range(400):
        old, new = draw.valid(rng), draw.valid(rng)
        a, b = sm.encode(old), sm.encode(new)
        ramp = a | 0 | sm.ramp_seconds(a, b) << 32
        assert 0 <= sm.ramp_seconds(a, b) <= sm.MAX_RAMP
        leg = sm.Leg(0, rng.randrange(2**35), rng.randrange(1, 2**40), 0)
        quote = sm.Quote(BTC, age=rng.randrange(4000), sigma=rng.randrange(2**22))
        state = 1 | rng.randrange(2**35) << 16  # a slow root as of time 0

        def margins(word, state=state, leg=leg, quote=quote):
            m = sm.leg_margin(word | state, 0, leg, quote, 0)
            return m.linear + m.superlinear, m.initial

        start = margins(a)
        if not sm.ramp_seconds(a, b):
            continue
        assert margins(sm.in_force(b, ramp, 0))[0] == start[0]
        hour = sm.in_force(b, ramp, 3600)
        capped = sm.ramp_seconds(a, b) == sm.MAX_RAMP
        # a step of 1e-5 or 1e-4 in an encoding, or an eighth of the goal, is what small values add
        from_little = any(8 * sm.value(a, n) < sm.value(b, n) for n in sm.RATES)
        if not capped and not from_little:
            assert margins(hour)[0] * 100 <= start[0] * 121
        strict = sm.stricter(hour, b)
        assert margins(strict)[1] >= max(margins(hour)[1], margins(b)[1])


# --- slow open interest ---------------------------------------------------------------------------


def test_quote__growth__held_to_the_daily_cap_whatever_the_jump(traded, bitcoin):
    desk, top = traded, 2**40 - 1
    desk.quote(0, 0)
    desk.evm.advance(86_400)
    desk.quote(0, top)
    coefficient = sm.value(desk.model.hot[0], "concentration")
    slow = desk.margin.slow_root_of(0, top)
    rate = slow * coefficient  # RATE x 2^-32
    assert rate <= (sm.RISE_PER_DAY << 32) + coefficient
    assert rate >= (sm.RISE_PER_DAY << 32)


def test_quote__decline__is_the_share_dt_over_dt_plus_tau(traded):
    desk = traded
    desk.model.hot[0] = desk.model.hot[0] | 2**30 << 16
    word = desk.model.hot[0]
    assert sm.slow_root(word, 0, ((word >> 56) & (2**32 - 1)) + 86_400) == 2**29


def test_quote__same_second__accrues_nothing(traded):
    desk = traded
    desk.quote(0, 2**30)
    before = desk.margin.market_words(0)[0]
    desk.quote(0, 2**33)
    assert desk.margin.market_words(0)[0] == before


def test_quote__root_past_forty_bits__refused(traded):
    with reverts("OutOfRange"):
        traded.margin.quote(0, 2**40, sender=traded.engine)


def test_accrued__random__between_and_monotone_and_splitting_gains_little():
    rng = random.Random(SEED + 4)
    print("seed", SEED + 4)
    for _ in range(3000):
        slow, live = rng.randrange(2**40), rng.randrange(2**40)
        coefficient = rng.choice([0, 1, rng.randrange(2**48)])
        dt = rng.choice([0, 1, rng.randrange(10**6)])
        after = sm.accrued_up(slow, live, dt, coefficient)
        assert min(slow, live) <= after <= max(slow, live)
        assert dt or after == slow
        assert sm.accrued_up(slow, min(2**40 - 1, live + 1), dt, coefficient) >= after
        assert sm.accrued_up(min(2**40 - 1, slow + 1), live, dt, coefficient) >= after
        later = sm.accrued_up(slow, live, dt + 60, coefficient)
        assert abs(later - live) <= abs(after - live)
        halves = slow
        for part in (dt // 2, dt - dt // 2):
            halves = sm.accrued_up(halves, live, part, coefficient)
        if live > slow and coefficient:  # the cap adds up exactly, but for one unit a call
            cap = (sm.RISE_PER_DAY << 32) * dt // (86_400 * coefficient)
            assert halves - slow <= cap + 2


# --- human units and starting values --------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(STARTING))
def test_starting_values__round_trip_and_encode(name):
    p = STARTING[name].to_chain()
    sm.encode(p)
    assert RiskParameters.from_chain(p) == STARTING[name]


def test_to_chain__more_digits_than_stored__refused():
    with pytest.raises(ValueError, match="floor"):
        replace(STARTING["BTC"], floor=Decimal("0.0123456789")).to_chain()


# name, price in USD, median annualised sigma
MEDIANS = [("BTC", 60_000, "0.5"), ("ETH", 2500, "0.65"), ("SOL", 150, "0.85")]


@pytest.mark.parametrize(("name", "price", "sigma"), MEDIANS)
def test_starting_values__median_volatility__margins_of_a_small_position(desk, name, price, sigma):
    p = STARTING[name].to_chain()
    mark = price * 10**9
    desk.set_quote(1, sm.Quote(mark, sigma=int(Decimal(sigma) * 10**6)))
    desk.list_market(0, 1, p)
    root = int(Decimal((p.depth // 4) << 24).sqrt())  # open interest at a quarter of the depth
    desk.quote(0, root)
    for _ in range(10):
        desk.evm.advance(86_400)
        desk.quote(0, root)
    lots = 10_000 * LOT // price  # 10,000 USD
    a = desk.assess([sm.Leg(0, root, lots, 0)])
    notional = lots * mark
    limit = 5 if name != "SOL" else 8
    assert 2 * notional < 100 * a.requirement < limit * notional
    assert 100 * a.initial < 2 * limit * notional
