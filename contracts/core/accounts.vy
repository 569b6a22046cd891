# pragma version 0.4.3
"""
@title accounts
@license AGPL-3.0-only
@notice The packed head of an account and the list of markets it holds. Accounts are implicit: an id is
        `owner address << 96 | index`, and an unwritten head is an empty cross-margin account.
"""
from contracts.modules import errors

# Head, one word (int256 so that `>>` sign-extends):
#   0-103   cash shares, int104: > 0 supply shares (scale RAY under the supply index), < 0 debt shares
#   104-183 fresh profit, uint80, quote units, as of its time
#   184-215 time of the fresh profit, uint32, seconds
#   216-223 era of the supply shares, uint8
#   224-225 margin mode, 0 cross, 1 isolated, 2 portfolio
#   226     frozen by an auction
#   227-233 number of perp markets held, uint7
#   234-238 number of collateral assets held, uint5
head: public(HashMap[uint256, int256])

# Bitmap of perp markets held: bit m is set where the position in market m has lots.
held: public(HashMap[uint256, uint256])

# (owner, operator) -> expiry uint40 seconds | scope uint8 << 40 | loss budget uint96 (quote units) << 48
operators: public(HashMap[address, HashMap[address, uint256]])

CROSS: constant(int256) = 0
ISOLATED: constant(int256) = 1
PORTFOLIO: constant(int256) = 2

SCOPE_TRADE: constant(uint256) = 1  # fills signed by the operator
SCOPE_MOVE: constant(uint256) = 2  # cash between the owner's own accounts

MAX_PERPS: constant(uint256) = 64  # positions an account may open
MAX_LEGS: constant(uint256) = 72  # positions an account may hold after liquidation fills

FROZEN_BIT: constant(int256) = 1 << 226
ONE_PERP: constant(int256) = 1 << 227
ONE_COLLATERAL: constant(int256) = 1 << 234
SHARES_MASK: constant(int256) = (1 << 104) - 1
FRESH_MASK: constant(int256) = ((1 << 112) - 1) << 104  # fresh profit and its time
FRESH_AMOUNT: constant(int256) = ((1 << 80) - 1) << 104
ANYTHING_HELD: constant(int256) = ((1 << 12) - 1) << 227  # perps and collateral
ERA_MASK: constant(int256) = 255 << 216


@internal
@pure
def _owner(account: uint256) -> address:
    """
    @notice Owner of an account id.
    """
    return convert(account >> 96, address)


@internal
@pure
def _shares(head: int256) -> int256:
    """
    @notice Signed cash shares of a head.
    """
    return (head << 152) >> 152


@internal
@pure
def _with_shares(head: int256, shares: int256, era: int256) -> int256:
    """
    @notice Head with other shares and era.
    """
    # Proof: the masks cut both fields to their width; |shares| < 2^103 is checked by the cash module.
    return (head & ((SHARES_MASK | ERA_MASK) ^ -1)) | (shares & SHARES_MASK) | (era << 216)


@internal
@pure
def _perps(head: int256) -> uint256:
    """
    @notice Number of perp markets held.
    """
    return convert((head >> 227) & 127, uint256)


@internal
@pure
def _collateral(head: int256) -> uint256:
    """
    @notice Number of collateral assets held.
    """
    return convert((head >> 234) & 31, uint256)


@internal
@pure
def _with_collateral(head: int256, count: uint256) -> int256:
    """
    @notice Head with another number of collateral assets.
    """
    return (head & ((31 << 234) ^ -1)) | (convert(count & 31, int256) << 234)


@internal
@pure
def _mode(head: int256) -> int256:
    """
    @notice Margin mode.
    """
    return (head >> 224) & 3


@internal
@view
def _fresh(head: int256, period: uint256) -> int256:
    """
    @notice Fresh profit left now: it decays linearly to nothing over `period`.
    @param head The account's head.
    @param period Seconds, > 0.
    @return Quote units, rounded up (against the account).
    """
    amount: int256 = (head >> 104) & ((1 << 80) - 1)
    if amount == 0:
        return 0
    age: uint256 = block.timestamp - convert((head >> 184) & (2**32 - 1), uint256)
    if age >= period:
        return 0
    left: uint256 = convert(amount, uint256) * (period - age)
    # Proof: left < 2^80 * 2^32 and period > age >= 0.
    return convert(unsafe_div(unsafe_add(left, unsafe_sub(period, 1)), period), int256)


@internal
@view
def _with_fresh(head: int256, delta: int256, period: uint256) -> int256:
    """
    @notice Head after a realised profit (delta > 0, becomes fresh) or loss (delta < 0, uses fresh up). Losses leave
            the decay's clock alone; a profit sets it back to the mean of the ages, weighed by amount, so that small
            profits, which others may realise, do not make what is there start anew.
    @param head The account's head.
    @param delta Realised P&L, quote units.
    @param period Decay period, seconds.
    """
    if delta == 0:  # nothing added: the decay's clock goes on
        return head
    left: int256 = self._fresh(head, period)
    if left == 0 and delta < 0:
        return head
    amount: int256 = max(left + delta, 0)
    since: int256 = convert(block.timestamp & (2**32 - 1), int256)
    if left != 0 and amount != 0:
        # Proof for the unsafe steps: something is left, so its age is below the period, which is below 2^32; what is
        # left is below 2^80, a profit below 2^127.
        age: int256 = unsafe_sub(since, (head >> 184) & (2**32 - 1))
        if delta > 0:
            age = unsafe_div(unsafe_mul(age, left), amount)  # rounded down, against the account
        span: int256 = convert(period, int256)
        rest: int256 = unsafe_sub(span, age)
        # Kept is what it would have been at the clock's start, rounded up.
        amount = unsafe_div(unsafe_add(unsafe_mul(amount, span), unsafe_sub(rest, 1)), rest)
        since = unsafe_sub(since, age)
    amount = min(amount, (1 << 80) - 1)
    return (head & (FRESH_MASK ^ -1)) | (amount << 104) | (since << 184)


@internal
@view
def _may(account: uint256, caller: address, scope: uint256) -> bool:
    """
    @notice True where `caller` owns the account or is an unexpired operator with that scope.
    """
    owner: address = self._owner(account)
    if caller == owner:
        return True
    word: uint256 = self.operators[owner][caller]
    return block.timestamp <= (word & (2**40 - 1)) and ((word >> 40) & scope) != 0


@internal
def _set_held(account: uint256, head: int256, market: uint256, was: bool, held_now: bool) -> int256:
    """
    @notice Keeps the bitmap and the count when a position opens or closes.
    @return The new head.
    """
    if was == held_now:
        return head
    self.held[account] ^= 1 << market
    if held_now:
        errors._require(self._perps(head) < MAX_LEGS, errors.TOO_MANY_POSITIONS)
        return head + ONE_PERP
    return head - ONE_PERP
