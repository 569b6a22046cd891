# pragma version 0.4.3
"""
@title expiry_list
@license AGPL-3.0-only
@notice Up to twelve expiries in one word: fields of 21 bits from the lowest up, ascending, in half
        hours since 1970; an empty field ends the list. Half hours are what the oracle settles by.
"""

from contracts.modules import errors

CAPACITY: constant(uint256) = 12
GRID: constant(uint256) = 1_800  # s
WIDTH: constant(uint256) = 21  # bits; lasts until 2089
FIELD: constant(uint256) = 2**21 - 1
NOWHERE: constant(uint256) = 255  # position of an expiry that is not in the list


@internal
@pure
def _at(list: uint256, position: uint256) -> uint256:
    """
    @notice The expiry at a position, s; 0 past the end.
    @param list The word.
    @param position At most 12.
    """
    # Proof: position <= 12, a field is < 2**21; the four bits above the last field are zero.
    return unsafe_mul((list >> unsafe_mul(position, WIDTH)) & FIELD, GRID)


@internal
@pure
def _find(list: uint256, expiry: uint256) -> uint256:
    """
    @notice Position of an expiry; NOWHERE where it is not in the list.
    @param list The word.
    @param expiry Seconds, any value.
    """
    for i: uint256 in range(CAPACITY):
        found: uint256 = self._at(list, i)
        if found == 0 or found > expiry:
            break
        if found == expiry:
            return i
    return NOWHERE


@internal
@pure
def _insert(list: uint256, expiry: uint256) -> uint256:
    """
    @notice The list with one more expiry. Reverts TooMany when it is full, AlreadyListed.
    @param list The word.
    @param expiry Seconds, a multiple of GRID below 2**21 * GRID, above 0.
    """
    errors._require(self._at(list, CAPACITY - 1) == 0, errors.TOO_MANY)
    position: uint256 = 0
    for i: uint256 in range(CAPACITY):
        found: uint256 = self._at(list, i)
        if found == 0 or found >= expiry:
            errors._require(found != expiry, errors.ALREADY_LISTED)
            break
        position = unsafe_add(position, 1)  # at most 11: the last field is empty
    bits: uint256 = unsafe_mul(position, WIDTH)
    below: uint256 = list ^ ((list >> bits) << bits)
    # Proof: the last field was empty, so nothing is shifted out.
    return below | ((expiry // GRID) << bits) | ((list >> bits) << unsafe_add(bits, WIDTH))


@internal
@pure
def _remove(list: uint256, position: uint256) -> uint256:
    """
    @notice The list without the expiry at a position.
    @param list The word.
    @param position At most 11.
    """
    bits: uint256 = unsafe_mul(position, WIDTH)
    below: uint256 = list ^ ((list >> bits) << bits)
    return below | ((list >> unsafe_add(bits, WIDTH)) << bits)
