"""What a slice must satisfy: alone, against the index, against its neighbours in time."""

from dataclasses import replace

import pytest

from plimsoll.model.surfaces import STRIKES, total_variance
from plimsoll.signed_surfaces import SliceReport
from plimsoll.testing import reverts
from tests.unit.surfaces.conftest import DAY, EXPIRIES, FEED, INDEX, START, USD, flat

ONE = 10**12
DAY_1, DAY_7, DAY_30, DAY_90 = EXPIRIES
YEAR = START + 365 * DAY


@pytest.fixture
def opened(world):
    world.open()
    return world


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("forward", 0, "OutOfRange"),
        ("forward", 2**56, "OutOfRange"),
        ("forward", 2**256 - 1, "OutOfRange"),
        ("a", 2**47, "OutOfRange"),
        ("a", -(2**47), "OutOfRange"),
        ("a", -(2**255), "OutOfRange"),
        ("b", 2**42, "OutOfRange"),
        ("b", 2**256 - 1, "OutOfRange"),
        ("m", 2**43, "OutOfRange"),
        ("m", -(2**43), "OutOfRange"),
        ("sigma", 2**43, "OutOfRange"),
        ("rho", ONE, "BadSlice"),
        ("rho", -ONE, "BadSlice"),
        ("rho", 2**255 - 1, "BadSlice"),
        ("rho", -(2**255), "BadSlice"),
        ("sigma", 0, "BadSlice"),
        ("b", 2 * ONE, "WingSlope"),
        ("a", -(2**47) + 1, "VarianceBounds"),
        ("a", 2**47 - 1, "VarianceBounds"),
    ],
)
def test_submit__field_out_of_bounds__refused(opened, field, value, name):
    opened.refused(name, replace(flat(DAY_7, 0.6), **{field: value}))


@pytest.mark.parametrize("bound", [5_000, 20_000])
@pytest.mark.parametrize("rho", [0, ONE // 4, -ONE // 4, ONE - 1, 1 - ONE])
def test_submit__wing_slope__at_its_bound_and_past_it(world, rho, bound):
    """Lee's bound of 2 on b (1 + |rho|), and a tighter one of the terms."""
    world.open(max_slope=bound, max_volatility=100_000, min_volatility=0)
    b = bound * 10**20 // (ONE + abs(rho))
    steep = SliceReport(DAY_90, INDEX, 0, b, rho, 0, ONE)
    world.refused("WingSlope", replace(steep, b=b + 1))
    assert world.attempt(world.report(steep)) != "WingSlope"


def test_submit__lowest_variance__at_its_floor_and_under_it(world):
    """The lowest point lies between strikes: its volatility may not be under the floor."""
    world.open(min_volatility=4_000)
    one = SliceReport(DAY_30, INDEX, 0, 5 * 10**10, 0, 5 * 10**10, 10**10)
    least = -(-(4_000**2) * 10_000 * (DAY_30 - START) // 31_536_000)
    edge = replace(one, a=least - one.b * one.sigma // ONE)
    world.refused("VarianceBounds", replace(edge, a=edge.a - 1))
    world.submit(edge)


def test_submit__at_the_money__at_its_ceiling_and_over_it(world):
    world.open(max_volatility=9_000)
    most = 9_000**2 * 10_000 * (DAY_30 - START) // 31_536_000
    edge = SliceReport(DAY_30, INDEX, most, 0, 0, 0, ONE)
    world.refused("VarianceBounds", replace(edge, a=most + 1))
    world.submit(edge)


def test_submit__no_floor__negative_variance_still_refused(world):
    world.open(min_volatility=0)
    edge = SliceReport(DAY_30, INDEX, -(10**6), 10**9, 0, 10**11, 10**9)
    world.refused("VarianceBounds", replace(edge, a=edge.a - 1))
    world.submit(edge)
    assert world.surfaces.total_variance(FEED, DAY_30, edge.m) == 0


def test_submit__no_floor__zero_variance_at_a_strike_refused(world):
    world.open(min_volatility=0)
    nothing = SliceReport(DAY_30, INDEX, 0, 0, 0, 0, ONE)
    world.refused("VarianceBounds", nothing)
    world.submit(replace(nothing, a=1))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("expiry", [DAY_1, DAY_90])
def test_submit__forward__at_its_band_and_outside(opened, sign, expiry):
    """2 % and 30 % a year."""
    tenor = expiry - START
    move = INDEX * (200 * 31_536_000 + 3_000 * tenor) // (10_000 * 31_536_000)
    one = flat(expiry, 0.6)
    opened.refused("ForwardBand", replace(one, forward=INDEX + sign * (move + 1)))
    opened.submit(replace(one, forward=INDEX + sign * move))


@pytest.mark.parametrize(
    ("state", "name"), [(0, None), (1, None), (2, "StalePrice"), (3, "StalePrice")]
)
def test_submit__index_state__live_only(opened, state, name):
    opened.set_index(INDEX, state)
    assert opened.attempt(opened.report(flat(DAY_7, 0.6))) == name


def test_submit__no_index_price__oracles_own_reason(opened):
    opened.index.set_price(FEED, 0, 0)
    with reverts("NoPrice"):
        opened.send(opened.report(flat(DAY_7, 0.6)))


def test_submit__vogt_smile__butterfly_arbitrage(world):
    """Gatheral and Jacquier's example: positive variance, gentle wings, a negative density."""
    world.open(expiries=[YEAR - YEAR % 1_800], min_volatility=0)
    vogt = SliceReport.of(
        YEAR - YEAR % 1_800, 2_000, "-0.0410", "0.1331", "0.3060", "0.3586", "0.4153"
    )
    assert all(total_variance(vogt, k) > 10**10 for k in STRIKES)
    world.refused("ButterflyArbitrage", vogt)
    # Lifted clear of zero the same shape is sound.
    world.submit(replace(vogt, a=0))


def test_submit__flat_below_nearer__calendar_arbitrage(opened):
    """60 % for a week, 20 % for a month: total variance falls."""
    opened.submit(flat(DAY_7, 0.6))
    opened.refused("CalendarArbitrage", flat(DAY_30, 0.2))
    opened.submit(flat(DAY_30, 0.6))
    opened.refused("CalendarArbitrage", flat(DAY_7, 1.5))


@pytest.mark.parametrize("k", [k for k in STRIKES if k])
def test_submit__only_one_strike_crosses__calendar_arbitrage(opened, k):
    """Equal but for a twist that is negative at one side's strikes."""
    near = flat(DAY_7, 0.6)
    far = replace(near, expiry=DAY_30)
    opened.submit(near)
    opened.submit(far)  # equal total variance is no arbitrage
    side = 1 if k > 0 else -1
    twisted = replace(far, rho=far.rho - side * 10**9)
    assert total_variance(twisted, k) < total_variance(near, k)
    assert total_variance(twisted, -k) > total_variance(near, -k)
    opened.refused("CalendarArbitrage", twisted)
    opened.refused("CalendarArbitrage", replace(near, rho=near.rho + side * 10**9))


def test_submit__one_unit_below__calendar_arbitrage(opened):
    near = flat(DAY_7, 0.6)
    opened.submit(near)
    opened.refused("CalendarArbitrage", replace(near, expiry=DAY_30, a=near.a - 1))
    opened.submit(replace(near, expiry=DAY_30))


def test_submit__neighbour_not_adjacent__nearest_fresh_counts(opened):
    """A stale slice between two is passed over, and so is one that was taken off."""
    opened.submit(flat(DAY_7, 0.2))
    opened.evm.advance(3_000)
    opened.submit(flat(DAY_1, 0.3, opened.now), flat(DAY_30, 0.6, opened.now))
    opened.evm.advance(601)  # the week's is stale
    opened.refused("CalendarArbitrage", flat(DAY_1, 4, opened.now))
    opened.submit(flat(DAY_1, 1, opened.now))  # above the stale week, under the month
    opened.refused("CalendarArbitrage", flat(DAY_7, 0.2, opened.now))


def test_submit__rising_volatility__one_report_takes_all(opened):
    """A shock that neither neighbour can follow alone, in both directions."""
    calm = [flat(expiry, 0.3) for expiry in EXPIRIES]
    opened.submit(*calm)
    shock = [flat(expiry, 3) for expiry in EXPIRIES]
    opened.refused("CalendarArbitrage", *shock[:2])
    opened.submit(*shock)
    opened.submit(*calm)


def test_submit__arbitrage_inside_a_report__nothing_kept(opened):
    sound = [flat(expiry, 0.5) for expiry in EXPIRIES]
    opened.submit(*sound)
    bad = [*(flat(expiry, 0.6) for expiry in EXPIRIES[:3]), flat(DAY_90, 0.2)]
    opened.refused("CalendarArbitrage", *bad)
    assert opened.surfaces.surface(FEED, DAY_1).a == sound[0].a


def test_total_variance__log_moneyness__at_its_bound_and_past_it(opened):
    opened.submit(flat(DAY_7, 0.6))
    for k in (8 * ONE, -8 * ONE):
        assert opened.surfaces.total_variance(FEED, DAY_7, k) > 0
    for k in (8 * ONE + 1, -8 * ONE - 1, 2**255 - 1, -(2**255)):
        with reverts("OutOfRange"):
            opened.surfaces.total_variance(FEED, DAY_7, k)


def test_of__human_numbers__in_units():
    one = SliceReport.of(DAY_7, "2000.5", "0.01", "0.1", "-0.25", "0", "0.2")
    assert one == SliceReport(DAY_7, 2_000_500_000_000, 10**10, 10**11, -25 * 10**10, 0, 2 * 10**11)
    assert one.forward == 2_000 * USD + USD // 2
