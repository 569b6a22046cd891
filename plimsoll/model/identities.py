"""Identities that hold after every step of a `House`, and the brute force they are checked against.

Each `check_*` raises AssertionError with what it expected and got. `basis_of(market)` is mark minus
funding index in ticks; the identities hold at any basis, so a caller may pass a mark it made up.
Letters P.. are the properties of docs/properties.md.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from plimsoll.model.cash import RAY, TOK
from plimsoll.model.engine import House
from plimsoll.model.ledger import PARTS, Market, Position
from plimsoll.model.residuals import P_BITS, held


def conservation_gap(house: House) -> int:
    """Assets minus claims, qu scaled by RAY; 0 always (P2)."""
    cash = house.cash
    held = sum(m.unrealised() + m.fees for m in house.markets.values())
    claims = held + cash.fund + cash.keeper + cash.pot - cash.advances - cash.hole
    shares = cash.supply * cash.supply_index - cash.debt * cash.borrow_index
    return cash.vault * TOK * RAY - (shares + RAY * claims + cash.dust)


def check_conservation(house: House) -> None:
    """P2: vault tokens equal all claims, to the last unit scaled by RAY."""
    gap = conservation_gap(house)
    assert gap == 0, f"conservation: expected a gap of 0, got {gap} ({gap / RAY:.3f} qu)"


def check_buckets(house: House) -> None:
    """Nothing is negative; the sums of notes and advances are kept."""
    cash = house.cash
    for name in ("vault", "fund", "keeper", "dust", "pending", "advances", "hole", "owed", "pot"):
        amount = getattr(cash, name)
        assert amount >= 0, f"bucket {name}: expected >= 0, got {amount}"
    assert cash.pending == sum(cash.deficit_of.values()), "pending deficit is not the sum of notes"
    assert cash.advances == sum(e.advance for e in cash.escrows.values()), "advances"


def check_shares(house: House) -> None:
    """Supply and debt shares add up, but for less than a share a holder and an ended era."""
    cash, supply, debt, holders = house.cash, 0, 0, 0
    for account in house.accounts.values():
        shares = account.cash.shares
        if shares > 0:
            supply += cash.across(*account.cash)
        else:
            debt -= shares
        holders += shares > 0
    supply += sum(cash.across(e.shares, e.era) for e in cash.escrows.values())
    holders += len(cash.escrows)
    assert debt == cash.debt, f"debt shares: expected {debt}, got {cash.debt}"
    slack = holders * cash.era if cash.era else 0
    left = cash.supply - supply
    # What rounding across eras leaves stays with A: at most a share per holder ever and era.
    assert left >= 0, f"supply shares: holders own {supply}, A is only {cash.supply}"
    assert left == 0 or cash.era, f"supply shares: expected {supply}, got {cash.supply}"
    assert left <= max(slack, 1000 * cash.era), f"supply shares: {left} unowned"


def check_bitmaps(house: House) -> None:
    """An account lists exactly the markets it has a stored position in."""
    held: dict[int, set[int]] = {}
    for account, market in house.positions:
        held.setdefault(account, set()).add(market)
    for account, head in house.accounts.items():
        assert head.markets == held.get(account, set()), f"markets of {account:#x}"
        assert head.collateral == house.custody.count(account), f"collateral of {account:#x}"


def exact(book: Market, position: Position, basis: int) -> tuple[Fraction, Fraction]:
    """Rational lots (unsigned) and g of a position, without the floors of a touch in its last era.

    Eras that ended are floored as a touch floors them: what is left there is the fund's for good.
    """
    side = book.side(position.lots)
    lots, g = Fraction(abs(position.lots)), Fraction(position.g)
    if position.epoch == side.epoch:
        return lots, g
    p0, k0, era = side.records[position.epoch]
    while era < side.era:
        end = side.ended[era]
        n, rest = divmod(int(lots) * end.p, p0)
        g += side.sign * (int(lots) * (end.k - k0) + rest * end.gap) // p0
        lots, era, p0, k0 = Fraction(n), era + 1, book.p_one, 0
    g += Fraction(side.sign * lots * (side.k - k0), p0)
    return lots * side.p / p0, g


def check_market(book: Market, positions: list[Position], basis: int) -> None:
    """P3 and P4 for one market: sizes sum to zero, the aggregate equals the brute force.

    The fund's residual is what holders do not own, by difference; it is never negative, nor less
    than what is counted of it.
    """
    longs, shorts = book.sides[1], book.sides[-1]
    assert longs.oi == shorts.oi >= 0, f"sides: {longs.oi} long, {shorts.oi} short"
    own = {1: Fraction(0), -1: Fraction(0)}
    g_sum, total = Fraction(0), 0
    for position in positions:
        side = book.side(position.lots)
        lots, g = exact(book, position, basis)
        touched = book.touch(position, basis)
        lazy = book.value(touched.lots, touched.g, basis) + touched.spill
        eager = side.sign * lots * (basis - side.x) + g
        assert 0 <= eager - lazy < 1, f"touch of {position}: {float(eager - lazy)} to the fund"
        own[side.sign] += lots
        g_sum += g
        total += lazy
    residual = {s: book.sides[s].oi - own[s] for s in (1, -1)}
    assert min(residual.values()) >= 0, f"residual lots: {residual}"
    for sign, side in book.sides.items():
        counted = Fraction(held(side).shares * side.p, 1 << P_BITS + PARTS)
        assert counted <= residual[sign], f"counted {float(counted)} of {float(residual[sign])}"
    brute = (
        total
        + residual[1] * (basis - longs.x)
        - residual[-1] * (basis - shorts.x)
        + (book.g - g_sum)
    )
    gap = book.unrealised() - brute
    assert 0 <= gap <= len(positions), f"aggregate: {float(gap)} off the brute force"


def check_positions(house: House, basis_of: Callable[[int], int]) -> None:
    """P3 and P4 for every market."""
    by_market: dict[int, list[Position]] = {m: [] for m in house.markets}
    for (_, market), position in house.positions.items():
        by_market[market].append(position)
    for market, book in house.markets.items():
        check_market(book, by_market[market], basis_of(market))


def check_house(house: House, basis_of: Callable[[int], int]) -> None:
    """Every identity."""
    check_conservation(house)
    check_buckets(house)
    check_shares(house)
    check_bitmaps(house)
    check_positions(house, basis_of)
