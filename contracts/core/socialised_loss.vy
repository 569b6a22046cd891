# pragma version 0.4.3
"""
@title socialised_loss
@license AGPL-3.0-only
@notice A loss that positive cash bears through the supply index, and what income pays back of it.
"""
from contracts.core import cash
from contracts.interfaces import IMarginEngine
from contracts.modules import rounding

uses: cash

ERA_FLOOR: constant(uint256) = 2**60  # below this supply index a new era starts at RAY
DRIP: constant(uint256) = 7 * 86400  # seconds over which income refills a loss
CRUMB: constant(uint256) = 10**11  # quote units a second on top, 8.64 USD a day: a pot runs dry


@internal
def _drip(w: uint256) -> uint256:
    """
    @notice Fills the hole from the pot and pays a part of the rest into the supply index, a seventh or so a day.
            Called before any deposit, a loan between two accounts of one owner and what a bid's callback brings
            included, so that nobody buys in front of it.
    @param w The indices word, brought to now and stored.
    @return The new indices word.
    """
    if w & cash.RECOVERING == 0:
        return w
    r: uint256 = cash.recovery
    owed: uint256 = r & cash.M96
    pot: uint256 = (r >> 96) & cash.M96
    hole: uint256 = cash.hole
    if hole != 0:
        paid_up: uint256 = min(hole, pot)
        # Both are claims, of opposite sign, on the same tokens.
        hole = unsafe_sub(hole, paid_up)
        pot = unsafe_sub(pot, paid_up)
        cash.hole = hole
    # Proof for the unsafe steps: shares, indices and both fields are below 2^96, a time below 2^32.
    paid: uint256 = min(
        pot,
        unsafe_mul(unsafe_add(unsafe_div(pot, DRIP), CRUMB), unsafe_sub(block.timestamp, r >> 192)),
    )
    pot = unsafe_sub(pot, paid)
    a: uint256 = cash.totals & cash.M96
    # It makes a share whole, at most up to the borrow index, so that no crumb runs the index up; what is beyond
    # it is income anew.
    room: uint256 = unsafe_sub(max(w & cash.M96, (w >> 96) & cash.M95), w & cash.M96)
    gain: uint256 = 0
    if a != 0:
        gain = min(unsafe_div(unsafe_mul(paid, cash.RAY), a), room)
    if gain == room:
        owed = min(owed, hole)  # whole again
    r = owed | (pot << 96)
    new: uint256 = unsafe_add(w, gain)  # at most the borrow index: its field does not carry
    if r != 0:
        r |= block.timestamp << 192
    else:
        new ^= cash.RECOVERING
    cash.recovery = r
    cash.indices = new
    # Proof: a * gain is at most paid * RAY.
    cash._dust(unsafe_sub(unsafe_mul(paid, cash.RAY), unsafe_mul(a, gain)))
    log IMarginEngine.Recovered(index=new & cash.M96, owed=owed, pot=pot)
    return new


@internal
@view
def _social_room(w: uint256) -> uint256:
    """
    @notice The most the supply index can carry in one step: all but 2^-40 of it. The last era is followed by none:
            in it the index stays where that one would begin, and what is beyond is the hole's.
    """
    supply: uint256 = w & cash.M96
    least: uint256 = supply >> 40
    if w >> 248 == 255:
        least = ERA_FLOOR
    # Proof: the index is at least ERA_FLOOR before and after every loss; fields of 96 bits.
    return unsafe_mul(cash.totals & cash.M96, unsafe_sub(supply, least)) // cash.RAY


@internal
def _socialise(w: uint256, amount: uint256) -> uint256:
    """
    @notice Lowers the supply index of positive cash by a loss. A new era starts at RAY before the index
            runs out of precision.
    @param w The indices word, brought to now and stored.
    @param amount Quote units.
    @return The new indices word.
    """
    if amount == 0:
        return w
    r: uint256 = cash.recovery
    # Proof: both fields together stay within 96 bits.
    left: uint256 = unsafe_sub(unsafe_sub(cash.M96, r & cash.M96), (r >> 96) & cash.M96)
    cash.recovery = unsafe_add(r, min(amount, left))
    carried: uint256 = min(amount, self._social_room(w))
    new: uint256 = w | cash.RECOVERING
    if carried < amount:
        cash.hole += amount - carried
        if carried == 0:
            cash.indices = new
            return new
    t: uint256 = cash.totals
    a: uint256 = t & cash.M96
    # Proof for the unsafe steps: what is carried leaves the index at 2^20 or more, so the drop is below it; a and the
    # index are below 2^96, their product, the loss scaled by RAY among it, below 2^192.
    drop: uint256 = rounding._div_up(unsafe_mul(carried, cash.RAY), a)
    supply: uint256 = unsafe_sub(w & cash.M96, drop)
    new = ((new >> 96) << 96) | supply
    # The drop was rounded up: the excess is the fund's.
    left = unsafe_sub(unsafe_mul(a, drop), unsafe_mul(carried, cash.RAY))
    if supply < ERA_FLOOR:
        era: uint256 = new >> 248  # not the last: see `_social_room`
        cash.era_end[era] = supply
        fresh: uint256 = unsafe_mul(a, supply) // cash.RAY  # rounded down, the rest to dust
        left = unsafe_add(left, unsafe_mul(a, supply) & (cash.RAY - 1))
        cash.totals = (t & (cash.M96 ^ max_value(uint256))) | fresh
        new = ((new >> 96) << 96) | cash.RAY
        new = unsafe_add(new, 1 << 248)
    cash.indices = new
    cash._dust(left)
    n: uint256 = (cash.deficits >> 192) + 1
    cash.deficits = (cash.deficits & (2**192 - 1)) | (n << 192)
    log IMarginEngine.Socialised(number=n, amount=carried, index=new & cash.M96)
    return new
