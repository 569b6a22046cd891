# pragma version 0.4.3
"""
@title slices
@license AGPL-3.0-only
@notice What is on sale and at which price: E and R as the auction counts them, the slice a bid gets and its
        terms. Pure; money quote units, fractions 1e-18, x and shares nano of R.
"""
from contracts.interfaces import IMarginEngine
from contracts.liquidation import curve as curves
from contracts.liquidation import sizing
from contracts.modules import errors

# The auction's view of a Standing.
struct Position:
    equity: int256  # qu, E; less small stale parts where the clock runs
    requirement: uint256  # qu, R
    stale: uint256  # qu taken off E
    stopped: bool


# One slice before it is sold.
struct Slice:
    x: uint256  # nano
    fraction: uint256  # 1e18
    capped: bool  # the bidder wants less than is on sale
    discount: uint256  # qu
    fee: uint256  # qu
    bonus: uint256  # qu
    insolvent: bool
    free: bool


ONE: constant(uint256) = 10**18
NANO: constant(uint256) = 10**9
TOK: constant(uint256) = 10**9  # qu of a quote token unit
# Equity under a thousandth of a dollar is below what rounding leaves room to size on.
DUST_EQUITY: constant(uint256) = 10**12


@internal
@pure
def _position(standing: IMarginEngine.Standing) -> Position:
    """
    @notice E and R as the auction counts them. The clock stops where stale, halted or recovering feeds
            carry more than a tenth of R, recovering collateral with its whole value; up to there stale
            and halted feeds' collateral counts nothing and their legs lose their R, while recovering
            ones have a price and are taken at it.
            An account that meets R at the last prices is not sold for want of a price: there what would
            be taken off E may itself not be more than a tenth of R. Collateral with a small haircut is
            a small part of R and yet worth many times that.
    """
    requirement: uint256 = standing.linear + standing.superlinear
    carried: uint256 = standing.stale_requirement
    if standing.equity >= convert(requirement, int256):
        carried = max(carried, standing.stale_value)
    if carried * 10 > requirement:
        return Position(equity=standing.equity, requirement=requirement, stale=0, stopped=True)
    return Position(
        equity=standing.equity - convert(standing.stale_value, int256),
        requirement=requirement,
        stale=standing.stale_value,
        stopped=False,
    )


@internal
@pure
def _liquidatable(position: Position) -> bool:
    """
    @notice E < R.
    """
    return position.equity < convert(position.requirement, int256)


@internal
@pure
def _slice(
    standing: IMarginEngine.Standing,
    position: Position,
    words: uint256[2],
    elapsed: uint256,
    max_fraction: uint256,
) -> Slice:
    """
    @notice The slice a bid gets now, and its terms.
    @param standing As the engine says.
    @param position E and R as counted; E < R.
    @param words The curve.
    @param elapsed Seconds on the clock.
    @param max_fraction The bidder's bound, 1e-18.
    """
    requirement: uint256 = position.requirement
    at: uint256 = curves._x(words[0], elapsed)
    x: uint256 = at
    insolvent: bool = standing.equity < 0
    bonus: uint256 = 0
    if x > NANO:
        bonus = (x - NANO) * requirement
        x = NANO  # a solvent account is never sold for less than nothing
    price: int256 = position.equity - convert(requirement * x // NANO, int256)
    free: bool = price <= 0 and not insolvent
    fraction: uint256 = ONE
    fee: uint256 = 0
    if not (free or insolvent):
        fee = requirement * curves._field(words[1], 32, 32) // NANO
        fraction = self._sized(standing, position.equity, price - convert(fee, int256), words)
        fee = min(fee, convert(price, uint256))
    capped: bool = max_fraction < fraction
    if capped:
        fraction = max_fraction
        least: uint256 = curves._field(words[0], 232, 24)
        # From twice the bound on half of it may always be sold, below that any part: nobody keeps bidders of
        # parts away by a leg of a few dollars.
        errors._require(
            standing.smallest < 2 * least or not self._leaves_dust(standing, fraction, least),
            errors.BAD_FRACTION,
        )
    return Slice(
        x=at,
        fraction=fraction,
        capped=capped,
        discount=requirement * x * fraction // (NANO * ONE) + position.stale * fraction // ONE,
        fee=fee * fraction // ONE,
        bonus=bonus * fraction // (NANO * ONE) if insolvent else 0,
        insolvent=insolvent,
        free=free,
    )


@internal
@pure
def _sized(
    standing: IMarginEngine.Standing, equity: int256, price: int256, words: uint256[2]
) -> uint256:
    """
    @notice The slice that brings a solvent account to its target, or the whole of it where selling does
            not help (a price under one token unit), equity is dust or a leg would be left under min_lots.
    @param price Cost less fee of the whole account, qu.
    """
    if price < convert(TOK, int256) or equity < convert(DUST_EQUITY, int256):
        return ONE
    fraction: uint256 = sizing._fraction(
        equity,
        standing.linear,
        standing.superlinear,
        price,
        curves._field(words[1], 0, 32),
    )
    if self._leaves_dust(standing, fraction, curves._field(words[0], 232, 24)):
        return ONE
    return fraction


@internal
@pure
def _leaves_dust(standing: IMarginEngine.Standing, fraction: uint256, least: uint256) -> bool:
    """
    @notice Whether the smallest leg would keep under `least` lots; sold lots are rounded up.
    """
    if standing.perps == 0:
        return False
    return standing.smallest * (ONE - fraction) // ONE < least


@internal
@pure
def _worst_deficit(standing: IMarginEngine.Standing, word: uint256, elapsed: uint256) -> uint256:
    """
    @notice The most an insolvent account can be short of once it is closed: -E and what its collateral sells
            under its mark. The collateral's haircut is part of `linear`, hence at most that. qu, rounded up.
    """
    worth: uint256 = standing.collateral - min(standing.linear, standing.collateral)
    sale: uint256 = worth * curves._collateral_price(word, elapsed) // 10_000
    return convert(-standing.equity, uint256) + standing.collateral - sale + TOK


@internal
@pure
def _deficit_of(equity: int256, fraction: uint256) -> uint256:
    """
    @notice A slice's share of -E, qu, rounded up. E < 0.
    """
    return (convert(-equity, uint256) * fraction + ONE - 1) // ONE


@internal
@pure
def _expected(equity: int256, offer: Slice) -> int256:
    """
    @notice What the bidder of a slice should pay, qu; negative where the fund pays.
    """
    if offer.insolvent:
        return -convert(self._deficit_of(equity, offer.fraction) + offer.bonus, int256)
    if offer.free:
        return 0
    moved: uint256 = convert(equity, uint256) * offer.fraction // ONE
    if moved <= offer.discount:
        return 3
    return convert(moved - offer.discount + 3, int256)
