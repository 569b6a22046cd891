"""The liquidation auction in integers: curve, clock, sizing, slice terms and keepers' pay.

Bit for bit what `contracts/liquidation/` computes; properties P15-P25 of docs/properties.md.
Money is in quote units (qu, 1e-15 USD), `tok` is a quote token unit (1e9 qu), fractions are
1e-18, x and shares 1e-9 ("nano") of R, times seconds. The EVM's signed division truncates;
wherever the contracts divide, both operands are non-negative (or the sign is handled as here), so
`//` is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import isqrt

ONE = 10**18
NANO = 10**9
TOK = 10**9
DUST_EQUITY = 10**12
MAX_ELAPSED = 2**18 - 1

MAX_SLOPE = 20_000_000
MAX_TIME = 86_400
MAX_X = 2 * NANO
MAX_OPENING = 900_000_000
MAX_FEE = 100_000_000
MIN_BUFFER = 10_000_000
MAX_BUFFER = NANO
MIN_LOTS = 1_000
MIN_STEP = 12
MIN_TIME = 60
MAX_RESUME = 604_800
MAX_INCENTIVE = 5_000_000
MAX_CHARGE = 100_000_000
MAX_SOCIAL = 9_000
MAX_PRE_CAP = 5_000
MIN_INTENT_MARGIN = NANO
MAX_INTENT_MARGIN = 4 * NANO

TURNS = 8
SLACK = 256
PAD = 20_000
TOLERANCE = 950_000


class BadCurve(ValueError):
    """A curve outside its bounds; the contract's error of the same name."""


class BadFraction(ValueError):
    """A slice that would leave a new leg under the minimum; the contract's error."""


@dataclass(frozen=True)
class Curve:
    """Parameters of auctions; field by field the contract's `Curve` (units there)."""

    x_start: int
    x_mid: int
    x_max: int
    t_mid: int
    t_one: int
    t_end: int
    resume: int
    max_step: int
    fade: int
    min_lots: int
    buffer: int
    fee: int
    keeper_share: int
    start_flat: int
    start_share: int
    exec_flat: int
    exec_share: int
    min_requirement: int
    charge_cap: int
    charge_window: int
    social_share: int
    pre_band: int = 0
    pre_premium: int = 0
    pre_fee: int = 0
    pre_cap: int = 0
    priority: int = 0
    intent_margin: int = 3 * NANO


@dataclass(frozen=True)
class Standing:
    """What the engine says of an account; its `Standing` (qu, lots)."""

    equity: int
    linear: int
    superlinear: int
    stale_requirement: int = 0
    stale_value: int = 0
    collateral: int = 0
    perps: int = 1
    smallest: int = 10**9
    state: int = 0
    room: int = ONE
    pace: int = ONE

    @property
    def requirement(self) -> int:
        """R, qu."""
        return self.linear + self.superlinear

    @property
    def stopped(self) -> bool:
        """Whether stale or halted feeds carry more than a tenth of R: the clock stops.

        Of an account that meets R at the last prices, what would be taken off E counts.
        """
        carried = self.stale_requirement
        if self.equity >= self.requirement:
            carried = max(carried, self.stale_value)
        return carried * 10 > self.requirement

    @property
    def stale(self) -> int:
        """What the auction takes off E, qu."""
        return 0 if self.stopped else self.stale_value

    @property
    def counted(self) -> int:
        """E as the auction counts it, qu."""
        return self.equity - self.stale


@dataclass(frozen=True)
class Slice:
    """Terms of one slice: fraction 1e-18, money qu."""

    fraction: int
    capped: bool
    discount: int
    fee: int
    bonus: int
    insolvent: bool
    free: bool


def _up(a: int, b: int) -> int:
    return -(-a // b)


# -- the curve


def x_at(curve: Curve, elapsed: int) -> int:
    """x(t) in nano of R, rounded down."""
    knots = (
        (0, curve.x_start),
        (curve.t_mid, curve.x_mid),
        (curve.t_one, NANO),
        (curve.t_end, curve.x_max),
    )
    for (t0, x0), (t1, x1) in pairwise(knots):
        if elapsed < t1:
            return x0 + (x1 - x0) * (elapsed - t0) // (t1 - t0)
    return curve.x_max


def collateral_price(curve: Curve, elapsed: int) -> int:
    """Share of its haircut value paid for collateral in a deleveraging, 1e-4, rounded up."""
    left = curve.fade - max(0, elapsed - curve.t_end)
    return _up(10_000 * max(0, left), curve.fade)


def check(curve: Curve) -> None:
    """Raise `BadCurve` where the contract would refuse to store the curve."""
    pieces = [(curve.x_start, curve.x_mid, curve.t_mid)]
    pieces.append((curve.x_mid, NANO, curve.t_one - curve.t_mid))
    if curve.x_max != NANO:
        pieces.append((NANO, curve.x_max, curve.t_end - curve.t_one))
    rules = (
        min(vars(curve).values()) >= 0,
        curve.x_mid < NANO <= curve.x_max <= MAX_X,
        0 < curve.t_mid < curve.t_one < curve.t_end <= MAX_TIME,
        all(t <= b - a <= MAX_SLOPE * t for a, b, t in pieces),
        MIN_STEP <= curve.max_step <= curve.t_one // 4,
        MIN_TIME <= curve.resume <= MAX_RESUME,
        MIN_TIME <= curve.fade <= MAX_TIME,
        MIN_LOTS <= curve.min_lots < 2**24,
        MIN_BUFFER <= curve.buffer <= MAX_BUFFER,
        curve.fee <= MAX_FEE,
        curve.x_start + curve.fee <= MAX_OPENING,
        curve.keeper_share <= 10_000,
        _pay_in_bounds(curve),
        0 < curve.charge_cap <= MAX_CHARGE,
        MIN_TIME <= curve.charge_window <= MAX_RESUME,
        curve.social_share <= MAX_SOCIAL,
        curve.pre_band <= curve.buffer,
        curve.pre_premium <= curve.x_start,
        curve.pre_fee <= curve.fee,
        curve.pre_cap <= MAX_PRE_CAP,
        curve.pre_cap > 0 or curve.pre_band == 0,
        curve.priority < 2**8,
        curve.priority <= curve.t_mid,
        MIN_INTENT_MARGIN <= curve.intent_margin <= MAX_INTENT_MARGIN,
    )
    if not all(rules):
        broken = [number for number, kept in enumerate(rules) if not kept]
        raise BadCurve(f"expected a curve within its bounds, got {curve}; broken rules {broken}")


def _pay_in_bounds(curve: Curve) -> bool:
    if max(curve.start_flat, curve.exec_flat) >= 2**40 or curve.min_requirement >= 2**40:
        return False
    if max(curve.start_share, curve.exec_share) >= 2**24:
        return False
    flat, share = curve.start_flat + curve.exec_flat, curve.start_share + curve.exec_share
    if flat + share == 0:
        return True
    pay = flat * NANO + share * curve.min_requirement
    penalty = curve.fee * curve.keeper_share * curve.min_requirement // 10_000
    return pay < penalty and pay <= MAX_INCENTIVE * curve.min_requirement


# -- sizing


def target(y: int, linear: int, superlinear: int, scale: int) -> int:
    """(1 + b) R of the fraction y left (1e-18), rounded up, slack included; scale = 1 + b, nano."""
    power = _up(y * (isqrt(y * ONE) + 1), ONE)
    return _up((_up(linear * y, ONE) + _up(superlinear * power, ONE)) * scale, NANO) + SLACK


def size(equity: int, linear: int, superlinear: int, price: int, buffer: int) -> int:
    """The smallest slice (1e-18) that leaves E >= (1 + buffer) R; price > 0, and E > 0 under that.

    The whole account where eight turns do not find one within tolerance; see sizing.vy.
    """
    return size_in_turns(equity, linear, superlinear, price, buffer)[0]


def size_in_turns(
    equity: int, linear: int, superlinear: int, price: int, buffer: int
) -> tuple[int, int]:
    """As `size`, with the number of turns that moved the chord."""
    scale = NANO + buffer + PAD

    def excess(f: int) -> tuple[int, int]:
        goal = target(ONE - f, linear, superlinear, scale)
        return (equity * (ONE - f) + price * f) // ONE - goal, goal

    full = _up((linear + superlinear) * scale, NANO) + SLACK
    span = full - equity + price
    low, high, below, moved = 0, min(ONE, _up((full - equity) * ONE, span)), equity - full, 0
    for _ in range(TURNS):
        above, goal = excess(high)
        if above < 0:
            if high == ONE:
                return ONE, moved
            high = min(ONE, high + 2 * -above * ONE // span + 2)
            continue
        if above * NANO <= goal * TOLERANCE:
            return high, moved
        moved += 1
        high -= above * (high - low) // (above - below)
        root = isqrt((ONE - low) * ONE) + 1
        slope = price - equity
        slope += _up((linear + _up(3 * superlinear * root, 2 * ONE)) * scale, NANO)
        if slope > 0:
            low = min(high, low + -below * ONE // slope)
            below, _ = excess(low)
            if below >= 0:
                return low, moved
    return ONE, moved


def leaves_dust(standing: Standing, fraction: int, least: int) -> bool:
    """Whether the smallest leg would keep under `least` lots (sold lots are rounded up)."""
    return standing.perps > 0 and standing.smallest * (ONE - fraction) // ONE < least


# -- a slice


def cost_of_all(standing: Standing, x: int) -> int:
    """The bidder's price for the whole account at x (nano), qu; negative where the fund pays."""
    requirement = standing.requirement
    if standing.equity < 0:
        return standing.equity - max(x - NANO, 0) * requirement // NANO
    return max(0, standing.counted - requirement * min(x, NANO) // NANO)


def slice_terms(standing: Standing, curve: Curve, elapsed: int, max_fraction: int = ONE) -> Slice:
    """The slice a bid gets (E < R as counted). Raises `BadFraction` as the contract does."""
    requirement, x = standing.requirement, x_at(curve, elapsed)
    insolvent = standing.equity < 0
    capped_x = min(x, NANO)
    price = standing.counted - requirement * capped_x // NANO
    free = price <= 0 and not insolvent
    fraction, fee = ONE, 0
    if not (free or insolvent):
        fee = requirement * curve.fee // NANO
        fraction = _sized(standing, price - fee, curve)
        fee = min(fee, price)
    capped = max_fraction < fraction
    if capped:
        fraction = max_fraction
        least = curve.min_lots
        if standing.smallest >= 2 * least and leaves_dust(standing, fraction, least):
            raise BadFraction(
                f"expected a fraction that keeps {curve.min_lots} lots of each leg or the whole "
                f"account, got {fraction}; take less, or all that is on sale"
            )
    return Slice(
        fraction=fraction,
        capped=capped,
        discount=requirement * capped_x * fraction // (NANO * ONE)
        + standing.stale * fraction // ONE,
        fee=fee * fraction // ONE,
        bonus=max(x - NANO, 0) * requirement * fraction // (NANO * ONE) if insolvent else 0,
        insolvent=insolvent,
        free=free,
    )


def _sized(standing: Standing, price: int, curve: Curve) -> int:
    if price < TOK or standing.counted < DUST_EQUITY:
        return ONE
    fraction = size(standing.counted, standing.linear, standing.superlinear, price, curve.buffer)
    return ONE if leaves_dust(standing, fraction, curve.min_lots) else fraction


def expected_cost(equity: int, offer: Slice) -> int:
    """What the bidder of a slice should pay, qu; negative where the fund pays."""
    if offer.insolvent:
        return -(_up(-equity * offer.fraction, ONE) + offer.bonus)
    if offer.free:
        return 0
    return max(0, equity * offer.fraction // ONE - offer.discount) + 3


def draw_request(standing: Standing, offer: Slice) -> tuple[int, int]:
    """What an insolvent slice asks of the fund, and the slack it adds for rounding to lots; qu."""
    need = _up(-standing.equity * offer.fraction, ONE) + offer.bonus
    return need, 1_000 + (_lot_slack(standing, need) if offer.capped else 0)


def _lot_slack(standing: Standing, need: int) -> int:
    """What a part of an insolvent account may need beyond its share, as lots round up; qu."""
    if standing.smallest == 0:
        return 0
    return min(20 * standing.requirement // standing.smallest, need)


def funded(standing: Standing, offer: Slice, granted: int) -> Slice | None:
    """The slice the fund's grant allows; None where the contract fails with FundEmpty."""
    need, slack = draw_request(standing, offer)
    if granted >= need + slack:
        return offer
    if not offer.capped:
        slack += _lot_slack(standing, need)  # no whole account any more
    if granted <= slack:
        return None
    fraction = offer.fraction * (granted - slack) // need
    if fraction == 0:
        return None
    bonus = offer.bonus * fraction // offer.fraction
    return replace(offer, fraction=fraction, bonus=bonus, capped=True)


def keepers_pay(
    curve: Curve, sold: int, ceiling: int | None, budget: int, starter_owed: bool
) -> tuple[int, int]:
    """Executor's and starter's pay in qu for a slice of R `sold`.

    `ceiling` is the keepers' part of the fee paid, None where the bidder paid none.
    """
    if sold < curve.min_requirement * TOK:
        return 0, 0
    left = budget if ceiling is None else min(ceiling, budget)
    executed = min(curve.exec_flat * TOK + sold * curve.exec_share // NANO, left)
    started = 0
    if starter_owed:
        started = curve.start_flat * TOK + sold * curve.start_share // NANO
    return executed, min(started, left - executed)
