"""assess: against the model on random accounts, and its properties (P10, P14, P35)."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from decimal import Decimal, localcontext

import pytest

from plimsoll.model import standard_margin as sm
from plimsoll.testing import reverts

LOT = 10**6  # lots in one unit of the underlying
BTC = 60_000 * 10**9  # ticks
SEED = 20260


def at_mark(lots: int, mark: int = BTC, funding: int = 0) -> int:
    """g of a position opened at mark."""
    return -lots * (mark - funding)


def test_assess__random_accounts__equal_the_model_and_keep_p10(desk, draw):
    rng = random.Random(SEED)
    print("seed", SEED)
    for market in range(12):
        desk.set_quote(market + 1, draw.quote(rng))
        desk.list_market(market, market + 1, draw.valid(rng))
    for step in range(600):
        for feed in rng.sample(range(1, 13), 3):
            desk.set_quote(feed, draw.quote(rng))
        market = rng.randrange(12)
        if not desk.model.hot[market] & sm.CLOSED_FLAG:
            action = rng.randrange(8)
            if action < 4:
                desk.quote(market, rng.randrange(2**40))
            elif action < 6:
                desk.set_parameters(market, draw.valid(rng))
            elif step % 40 == 39:
                desk.set_settlement(market + 1, rng.randrange(1, 2**56))
                desk.close(market)
        desk.evm.advance(rng.choice([0, 1, 15, 3600, 86_400]), 0)
        legs = [draw.leg(rng, m) for m in rng.sample(range(12), rng.randrange(9))]
        holdings = [draw.holding(rng, rng.randrange(1, 13)) for _ in range(rng.randrange(4))]
        a = desk.assess(legs, holdings)
        check_one_alone(desk, rng.choice(legs) if legs else draw.leg(rng, 0), draw.quote(rng))
        assert a.initial >= a.requirement
        assert a.initial_value <= a.unrealised + a.collateral
        assert a.stale_requirement <= a.requirement + a.collateral + 1  # holdings may count whole
    assert any(hot & sm.RAMP_FLAG for hot in desk.model.hot.values())
    assert any(hot & sm.CLOSED_FLAG for hot in desk.model.hot.values())


def check_one_alone(desk, leg, other):
    """assess_one is assess of one leg: at the oracle's word, and at another that follows it."""
    feed = desk.model.hot[leg.market] & 65_535
    held = desk.quotes[feed]
    assert desk.assess_one(leg, held) == desk.assess([leg])
    alone = desk.assess_one(leg, other.pack())
    desk.set_quote(feed, other)
    assert desk.assess([leg]) == alone
    desk.set_quote(feed, sm.Quote.unpack(held))


def test_assess__nothing_held__all_zero(desk):
    assert desk.assess([], []) == sm.Assessment()


def test_assess__profit_and_loss__is_lots_times_move_less_funding(traded):
    desk = traded
    desk.set_quote(1, sm.Quote(BTC + 7, funding=3))
    lots = 5 * LOT
    assert desk.assess([sm.Leg(0, 0, lots, at_mark(lots))]).unrealised == 4 * lots
    assert desk.assess([sm.Leg(0, 0, -lots, at_mark(-lots))]).unrealised == -4 * lots


def test_assess__formula__agrees_with_decimals_within_the_encodings_steps(traded, bitcoin):
    """Encodings round up: rates in steps of 1e-5, coefficients to 2^-13 of themselves."""
    with localcontext() as context:
        context.prec = 80
        compare_with_decimals(traded, bitcoin)


def compare_with_decimals(desk, p):
    nano = Decimal(10**9)
    root_h = (Decimal(p.horizon) / Decimal(365 * 86_400)).sqrt()
    rng = random.Random(SEED + 1)
    for _ in range(60):
        sigma = Decimal(rng.randrange(1, 6000)) / 1000
        rounded = int(sigma * 10**6)
        age = rng.choice([0, 60, 3600])
        lots = rng.randrange(1, 10**10)
        root = rng.randrange(1, 2**30)
        desk.set_quote(1, sm.Quote(BTC, age=age, sigma=rounded))
        slow = sm.slow_root(desk.model.hot[0], root, desk.now)
        a = desk.assess([sm.Leg(0, root, lots, 0)])
        notional = Decimal(lots * BTC)
        b = p.blend / nano
        sigma = max(sigma, (1 - b) * sigma + b * p.stressed / nano, p.forecast / nano)
        base = min(max(p.tail / nano * root_h * sigma, p.floor / nano), p.cap / nano)
        size = p.size / nano * (Decimal(lots) / p.depth).sqrt()

        def crowd(r: int, c: int = p.concentration) -> Decimal:
            return c / nano * Decimal(r) / 4096 / Decimal(p.depth).sqrt()

        mult = 1 + min(Decimal(1), p.stale_slope / nano * age)
        linear = notional * mult * (base + crowd(slow))
        super_ = notional * mult * size
        initial = (
            notional
            * mult
            * max(
                p.initial_multiple / nano * (base + size + crowd(max(root, slow))),
                p.initial_floor / nano,
            )
        )
        # A, B and S in steps of 1e-5: an error of 1e-5 x sigma + 1e-5 of notional
        error = notional * mult * (Decimal("1e-5") * (2 * sigma + 2) + crowd(slow) / 8192)
        assert linear <= a.linear <= linear + error
        assert super_ <= a.superlinear <= super_ * (1 + Decimal(2) ** -12) + notional * size / 4096
        assert initial <= a.initial <= initial + 3 * error + initial / 4096


# --- P14: monotone --------------------------------------------------------------------------------


def margins(desk, leg):
    a = desk.assess([leg])
    return a.requirement, a.initial


def assert_never_falls(rows):
    for before, after in itertools.pairwise(rows):
        assert all(x <= y for x, y in zip(before, after, strict=True))


def assert_moves(rows):
    assert all(x < y for x, y in zip(rows[0], rows[-1], strict=True))


@pytest.mark.parametrize("side", [1, -1])
def test_assess__larger_size__never_less_margin(traded, side):
    sizes = [1, 2, 3, 1000, 10**6, 10**6 + 1, 10**9, 10**12, 2**62]
    rows = [margins(traded, sm.Leg(0, 2**27, side * s, 0)) for s in sizes]
    assert_never_falls(rows)
    assert_moves(rows)


def test_assess__higher_volatility__never_less_margin(traded):
    rows = []
    for sigma in [0, 1, 30_000, 300_000, 500_000, 500_001, 10**6, 10**7, 2**25 - 1]:
        traded.set_quote(1, sm.Quote(BTC, sigma=sigma))
        rows.append(margins(traded, sm.Leg(0, 2**27, LOT, 0)))
    assert_never_falls(rows)
    assert_moves(rows)


def test_assess__more_open_interest__never_less_margin(traded):
    rows = [margins(traded, sm.Leg(0, r, LOT, 0)) for r in [0, 1, 2**20, 2**27, 2**33, 2**40 - 1]]
    assert_never_falls(rows)
    assert_moves(rows)


def test_assess__older_price__never_less_margin(traded):
    rows = []
    for age in [0, 1, 59, 60, 3600, 50_000, 65_535]:
        traded.set_quote(1, sm.Quote(BTC, sigma=500_000, age=age))
        rows.append(margins(traded, sm.Leg(0, 2**27, LOT, 0)))
    assert_never_falls(rows)
    assert rows[-1][0] == 2 * rows[0][0] or abs(rows[-1][0] - 2 * rows[0][0]) <= 2
    assert_moves(rows)


def test_assess__thinner_depth__never_less_margin(desk, bitcoin):
    rows = []
    for market, depth in enumerate([2**50, 10**12, 10**9, 10**8, 2**20]):
        desk.set_quote(1, sm.Quote(BTC, sigma=500_000))
        desk.list_market(market, 1, replace(bitcoin, depth=depth))
        desk.quote(market, 0)
    desk.evm.advance(86_400)
    rows = [margins(desk, sm.Leg(m, 2**27, 10 * LOT, 0)) for m in range(5)]
    assert_never_falls(rows)
    assert_moves(rows)


def test_assess__random_moves_of_one_input__never_less_margin(desk, draw):
    rng = random.Random(SEED + 2)
    print("seed", SEED + 2)
    model = desk.model
    for round_ in range(150):
        p, quote = draw.valid(rng), draw.quote(rng)
        quote = replace(quote, mark=quote.mark % 2**50 + 1)
        model.hot[0] = 1 | rng.randrange(2**40) << 16 | sm.encode(p)
        leg = draw.leg(rng, 0)
        more_leg = replace(leg, root=rng.randrange(leg.root, 2**40))
        bigger = abs(leg.lots) + rng.randrange(2**40)
        if bigger < 2**63:
            more_leg = rng.choice([more_leg, replace(leg, lots=bigger)])
        more_quote = replace(
            quote,
            sigma=rng.choice([quote.sigma, min(2**25 - 1, 2 * quote.sigma + 1)]),
            age=rng.choice([quote.age, min(65_535, quote.age + 100)]),
        )
        at = rng.randrange(2**20)
        low = sm.leg_margin(model.hot[0], 0, leg, quote, at)
        high = sm.leg_margin(model.hot[0], 0, more_leg, more_quote, at)
        assert low.linear <= high.linear, round_
        assert low.superlinear <= high.superlinear, round_
        assert low.initial <= high.initial, round_


def test_assess__two_halves__need_no_more_than_the_whole(traded):
    rng = random.Random(SEED + 3)
    print("seed", SEED + 3)
    for _ in range(40):
        a, b = rng.randrange(1, 10**11), rng.randrange(1, 10**11)
        first, second, whole = (traded.assess([sm.Leg(0, 2**30, n, 0)]) for n in (a, b, a + b))
        assert first.superlinear + second.superlinear <= whole.superlinear + 1  # one ceiling more
        assert first.requirement + second.requirement <= whole.requirement + 4
        assert first.initial + second.initial <= whole.initial + 2


def test_assess__position_split_over_accounts__same_concentration_part(traded, bitcoin):
    """The crowd add-on looks at the side's open interest, so ten accounts pay what one pays."""
    lots, root = 10 * LOT, 2**30
    whole = traded.assess([sm.Leg(0, root, lots, 0)])
    parts = [traded.assess([sm.Leg(0, root, lots // 10, 0)]) for _ in range(10)]
    assert whole.linear <= sum(part.linear for part in parts) <= whole.linear + 10


def test_assess__live_open_interest_jumps__only_initial_margin_moves(traded):
    lots = 10 * LOT
    traded.quote(0, 2**20)
    before = traded.assess([sm.Leg(0, 2**20, lots, 0)])
    after = traded.assess([sm.Leg(0, 2**33, lots, 0)])  # same second: a stranger's trade
    assert after.requirement == before.requirement
    assert after.initial > before.initial


def test_assess__one_lot_at_one_tick__roundings_keep_initial_above_maintenance(desk, bitcoin):
    """Both parts of MM round up to a unit each; IM, one sum, must not stop at one."""
    desk.set_quote(1, sm.Quote(1))
    desk.list_market(0, 1, replace(bitcoin, initial_multiple=sm.NANO))
    a = desk.assess([sm.Leg(0, 0, 1, 0)])
    assert (a.linear, a.superlinear, a.initial) == (1, 1, 2)


# --- band, states, collateral ---------------------------------------------------------------------


def test_assess__band__values_longs_low_and_shorts_high(traded):
    lots = LOT
    traded.set_quote(1, sm.Quote(BTC, low=20, high=30))
    assert traded.assess([sm.Leg(0, 0, lots, at_mark(lots))]).initial_value == -lots * BTC // 5000
    short = traded.assess([sm.Leg(0, 0, -lots, at_mark(-lots))])
    assert short.initial_value == -lots * BTC * 3 // 10_000
    eth = sm.Holding(10**18, 1, 500, 1000, 18)
    assert traded.assess([], [eth]).initial_value == BTC * 10**6 - BTC * 10**6 // 5000


def test_assess__collateral__counts_at_mark_with_haircuts_in_both_requirements(traded):
    eth = sm.Holding(2 * 10**18, 1, 500, 1000, 18)
    a = traded.assess([], [eth])
    worth = 2 * BTC * 10**6
    assert (a.collateral, a.linear, a.superlinear, a.initial) == (
        worth,
        worth // 20,
        0,
        worth // 10,
    )


def test_assess__initial_haircut_below_maintenance__maintenance_counts(traded):
    a = traded.assess([], [sm.Holding(10**18, 1, 1000, 500, 18)])
    assert a.initial == a.linear == BTC * 10**6 // 10


@pytest.mark.parametrize(
    ("state", "recovering"), [(0, False), (1, False), (1, True), (2, False), (2, True), (3, False)]
)
def test_assess__feed_states__stale_parts_are_named(traded, bitcoin, state, recovering):
    desk = traded
    desk.set_quote(2, sm.Quote(3000 * 10**9, sigma=10**6))
    desk.list_market(1, 2, bitcoin)
    desk.set_quote(1, sm.Quote(BTC, sigma=500_000, state=state, recovering=recovering))
    stale_leg, fresh_leg = sm.Leg(0, 0, LOT, 0), sm.Leg(1, 0, LOT, 0)
    stale_eth, fresh_eth = sm.Holding(10**18, 1, 500, 900, 18), sm.Holding(10**18, 2, 500, 900, 18)
    a = desk.assess([stale_leg, fresh_leg], [stale_eth, fresh_eth])
    assert a.state == state
    if state < 2 and not recovering:
        assert (a.stale_requirement, a.stale_value) == (0, 0)
        return
    mine = desk.assess([stale_leg], [stale_eth])
    legs_only = desk.assess([stale_leg])
    if state < 2:  # recovering: it holds liquidations up, the holding whole, and has a price
        assert a.stale_value == 0
        assert abs(a.stale_requirement - mine.collateral - legs_only.requirement) <= 1
        return
    assert mine.requirement - 1 <= a.stale_requirement <= mine.requirement + 1
    assert abs(a.stale_value - mine.collateral - legs_only.requirement) <= 1


def test_assess__closed_market__counts_its_settlement_and_needs_no_margin(traded):
    desk, lots = traded, 3 * LOT
    desk.set_quote(1, sm.Quote(BTC, funding=-11, state=3, age=9000, sigma=10**6))
    desk.set_settlement(1, BTC + 100)
    event = desk.close(0).event("MarketClosed")
    assert (event.market, event.mark, event.funding) == (0, BTC + 100, -11)
    desk.set_quote(1, sm.Quote(1, funding=999, state=3))  # what the feed says later is ignored
    a = desk.assess([sm.Leg(0, 2**30, lots, at_mark(lots))])
    assert a == sm.Assessment(unrealised=111 * lots, initial_value=111 * lots)
    assert sm.Quote.unpack(desk.quote(0, 5)) == sm.Quote(BTC + 100, -11)


def test_assess__closed_beside_open__each_leg_meets_its_own_word(traded, bitcoin):
    desk = traded
    for market in (1, 2):
        desk.set_quote(market + 1, sm.Quote((market + 1) * 10**9, sigma=10**6))
        desk.list_market(market, market + 1, bitcoin)
    desk.set_settlement(2, 5 * 10**9)
    desk.close(1)
    legs = [sm.Leg(m, 0, LOT, 0) for m in (0, 1, 2)]
    a = desk.assess(legs, [sm.Holding(10**6, 3, 0, 0, 6)])
    assert a.unrealised == LOT * (60_000 + 5 + 3) * 10**9


def test_assess__unlisted_market__refused(traded):
    leg = sm.Leg(7, 0, 1, 0).pack()
    with reverts("UnknownMarket"):
        traded.margin.assess([leg], [])
    with reverts("UnknownMarket"):
        traded.margin.assess_one(leg, sm.Quote(99).pack())


def test_assess_one__word_given__used_in_place_of_the_oracles(traded):
    desk, leg = traded, sm.Leg(0, 0, LOT, 0)
    assert desk.assess([leg]).unrealised == LOT * BTC
    assert desk.assess_one(leg, sm.Quote(99).pack()).unrealised == LOT * 99


def test_assess_one__closed_market__the_word_is_ignored(traded):
    desk, leg = traded, sm.Leg(0, 2**30, LOT, 5)
    desk.set_settlement(1, 7)
    desk.close(0)
    value = 7 * LOT + 5
    a = desk.assess_one(leg, sm.Quote(99, state=3, sigma=10**6).pack())
    assert a == sm.Assessment(unrealised=value, initial_value=value)


# --- P35: array bounds, with real payloads --------------------------------------------------------


@pytest.fixture
def wide(desk, bitcoin):
    for market in range(73):
        desk.set_quote(market + 1, sm.Quote((market + 1) * 10**9, sigma=10**6, low=7, high=9))
        desk.list_market(market, market + 1, bitcoin)
    return desk


def legs_up_to(count):
    return [sm.Leg(m, 2**25, (-1) ** m * (m + 1) * LOT, m) for m in range(count)]


def holdings_up_to(count):
    return [sm.Holding((i + 1) * 10**18, i + 1, 500, 900, 18, i) for i in range(count)]


def test_assess__72_legs_and_16_holdings__pass_together(wide):
    a = wide.assess(legs_up_to(72), holdings_up_to(16))
    assert a.requirement > 0
    assert a.collateral == sum((i + 1) ** 2 for i in range(16)) * 10**15


def test_assess__73_legs__refused(wide):
    with reverts(""):
        wide.margin.assess([leg.pack() for leg in legs_up_to(73)], [])


def test_assess__17_holdings__refused(wide):
    with reverts(""):
        wide.margin.assess([], [h.pack() for h in holdings_up_to(17)])
