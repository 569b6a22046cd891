# pragma version 0.4.3
"""
@title cash
@license AGPL-3.0-only
@notice Settled quote-token balances as shares under two indices, and the named buckets that share
        the vault with them. Every remainder of a division has an owner: it goes to `dust`, whose
        whole units go to the insurance fund. What moves the indices is in cash_interest and
        socialised_loss, what waits for a loss in withdrawal_escrow.

        Identity after every call, in quote units scaled by RAY:
          V RAY = A Is - B Ib + RAY (sum of U + fund + keeper + fees + pot - advances - hole) + dust
"""
from contracts.core import accounts
from contracts.modules import errors
from contracts.modules import rounding

RAY: constant(uint256) = 2**72  # index scale
TOK: constant(uint256) = 10**9  # quote units per quote token unit
MAX_SUPPLY: constant(uint256) = 10**15  # quote token units the vault may hold: 1e9 USD

# supply index uint96 | borrow index uint95 << 96 | a loss waits for income << 191 | time uint32 << 192
# | rate uint24 << 224 | era uint8 << 248
indices: public(uint256)
# supply shares A uint96 | debt shares B uint80 << 96 | dust uint80 << 176 (quote units scaled by RAY)
totals: public(uint256)
# vault tokens V uint64 (token units) | insurance fund uint96 << 64 | keeper budget uint96 << 160 (quote units)
buckets: public(uint256)
# pending deficit uint96 | advances uint96 << 96 (quote units) | socialisations uint64 << 192
deficits: public(uint256)
# loss that found no payer yet, quote units: the pot fills it first
hole: public(uint256)
# per account: negative equity last observed in its auction, quote units
deficit_of: public(HashMap[uint256, uint256])
# per account: supply shares uint96 | advance uint96 << 96 (quote units) | era uint8 << 192
# | asked uint56 << 200 (token units)
escrow: public(HashMap[uint256, uint256])
# era -> supply index at its end
era_end: public(HashMap[uint256, uint256])
# base uint24 | slope below the kink uint24 << 24 | slope above uint24 << 48 (1e-13 per second at 100 %)
# | kink uint16 << 72 (1e-4) | fund share uint16 << 88 (1e-4) | borrow cap uint64 << 104 (token units)
rates: public(uint256)
# What income owes for socialised losses and the hole uint96 | the pot, set aside for it and not paid in yet
# uint96 << 96 (quote units) | time of the pot uint32 << 192
recovery: public(uint256)

RECOVERING: constant(uint256) = 1 << 191  # in the indices word: `recovery` is not 0
M32: constant(uint256) = 2**32 - 1
M64: constant(uint256) = 2**64 - 1
M80: constant(uint256) = 2**80 - 1
M95: constant(uint256) = 2**95 - 1
M96: constant(uint256) = 2**96 - 1


@deploy
def __init__():
    """
    @notice Both indices start at RAY.
    """
    self.indices = RAY | (RAY << 96) | (block.timestamp << 192)


@internal
def _income(amount: uint256) -> uint256:
    """
    @notice Sets income aside for what losses took, before anybody takes it.
    @param amount Quote units; the source is booked by the caller.
    @return What is left.
    """
    if self.indices & RECOVERING == 0:
        return amount
    r: uint256 = self.recovery
    put: uint256 = min(amount, r & M96)
    if (r >> 96) & M96 == 0:
        r = (r & M96) | (block.timestamp << 192)
    # Proof: `_socialise` keeps the sum of both fields within 96 bits, so neither borrows nor carries.
    self.recovery = unsafe_add(unsafe_sub(r, put), put << 96)
    return unsafe_sub(amount, put)


@internal
def _dust(scaled: uint256):
    """
    @notice Gives a remainder to dust; whole units go to the fund.
    @param scaled Quote units scaled by RAY.
    """
    t: uint256 = self.totals
    self.totals = self._swept(t & (2**176 - 1), (t >> 176) + scaled)


@internal
def _to_fund(amount: uint256):
    """
    @notice Books income of the insurance fund; a loss that waits for income comes first.
    @param amount Quote units; the source is booked by the caller.
    """
    self._set_fund(self._fund() + self._income(amount))


@internal
def _fund_bears(earned: int256):
    """
    @notice Books what the insurance fund earned, as income, or lost. FundEmpty where it cannot pay that.
    @param earned Quote units; the other side of it is booked by the caller.
    """
    if earned >= 0:
        self._to_fund(convert(earned, uint256))
        return
    loss: uint256 = convert(-earned, uint256)
    errors._require(loss <= self._fund(), errors.FUND_EMPTY)
    self._set_fund(self._fund() - loss)


@internal
@view
def _fund() -> uint256:
    """
    @notice The insurance fund's bucket, quote units.
    """
    return (self.buckets >> 64) & M96


@internal
def _set_fund(amount: uint256):
    """
    @notice Stores the fund's bucket.
    """
    errors._require(amount <= M96, errors.OUT_OF_RANGE)
    b: uint256 = self.buckets
    self.buckets = (b & (M64 | (M96 << 160))) | (amount << 64)


@internal
@view
def _keeper() -> uint256:
    """
    @notice The keeper budget, quote units.
    """
    return self.buckets >> 160


@internal
def _set_keeper(amount: uint256):
    """
    @notice Stores the keeper budget.
    """
    errors._require(amount <= M96, errors.OUT_OF_RANGE)
    self.buckets = (self.buckets & (2**160 - 1)) | (amount << 160)


@internal
@view
def _across(shares: uint256, era: uint256, to: uint256) -> uint256:
    """
    @notice Shares carried from the end of `era` to the era `to`, rounded down.
    """
    s: uint256 = shares
    for e: uint256 in range(era, to, bound=255):
        # Proof: s < 2^104 and an era ends below 2^60.
        s = unsafe_mul(s, self.era_end[e]) >> 72
    return s


@internal
@view
def _scaled(head: int256, w: uint256) -> (int256, uint256):
    """
    @notice Exact cash of an account.
    @param head Its head.
    @param w The indices word, brought to now.
    @return Quote units scaled by RAY, so `>> 72` is the floor (a debt rounds up); its shares in the current era.
    """
    s: int256 = accounts._shares(head)
    if s > 0:
        n: uint256 = convert(s, uint256)
        era: uint256 = convert((head >> 216) & 255, uint256)
        if era != w >> 248:
            n = self._across(n, era, w >> 248)
        # Proof: shares < 2^103 and indices < 2^96.
        return convert(unsafe_mul(n, w & M96), int256), n
    return unsafe_mul(s, convert((w >> 96) & M95, int256)), convert(unsafe_sub(0, s), uint256)


@internal
@view
def _value(head: int256, w: uint256) -> int256:
    """
    @notice Cash of an account.
    @param head Its head.
    @param w The indices word, brought to now.
    @return Quote units; supply rounded down, debt rounded up.
    """
    return self._scaled(head, w)[0] >> 72


@internal
def _credit(head: int256, w: uint256, amount: int256) -> int256:
    """
    @notice Adds a signed amount to an account's cash; the source of it is booked by the caller.
    @param head The account's head.
    @param w The indices word, brought to now; the caller stores it before it ends.
    @param amount Quote units.
    @return The new head. What the share rounding leaves goes to dust.
    """
    if amount == 0:
        return head
    t: uint256 = self.totals
    a: uint256 = t & M96
    b: uint256 = (t >> 96) & M80
    left: int256 = 0  # quote units scaled by RAY, first the old shares' exact value
    n: uint256 = 0
    left, n = self._scaled(head, w)
    # A share belongs to one total only, and totals are the sums of shares: no underflow.
    if left > 0:
        a = unsafe_sub(a, n)
    else:
        b = unsafe_sub(b, n)
    value: int256 = (left >> 72) + amount
    errors._require(value < 2**100 and value > -(2**100), errors.OUT_OF_RANGE)
    s: int256 = 0
    # Proof for the unsafe steps: |value| < 2^100, indices in [2^32, 2^96), shares < 2^100 * 2^72 / 2^60.
    left = unsafe_add(left, unsafe_mul(amount, 2**72))
    if value >= 0:
        index: uint256 = w & M96
        n = unsafe_div(convert(value, uint256) << 72, index)
        a = unsafe_add(a, n)
        s = convert(n, int256)
        left = unsafe_sub(left, unsafe_mul(s, convert(index, int256)))
    else:
        index: uint256 = (w >> 96) & M95
        n = rounding._div_up(convert(unsafe_sub(0, value), uint256) << 72, index)
        b = unsafe_add(b, n)
        s = unsafe_sub(0, convert(n, int256))
        left = unsafe_sub(left, unsafe_mul(s, convert(index, int256)))
    errors._require(a <= M96 and b <= M80, errors.OUT_OF_RANGE)
    # The old shares were read rounded down and the new ones are written so: what is left is >= 0.
    self.totals = self._swept(a | (b << 96), (t >> 176) + convert(left, uint256))
    return accounts._with_shares(head, s, convert(w >> 248, int256))


@internal
def _swept(low: uint256, dust: uint256) -> uint256:
    """
    @notice The totals word with a dust; where that fills half its field all whole units go to the fund.
    @param low Both share totals, in place.
    @param dust Quote units scaled by RAY.
    """
    d: uint256 = dust
    if d >= 2**79:
        self._to_fund(d >> 72)
        d &= 2**72 - 1
    return low | (d << 176)


@internal
@view
def _supplied(w: uint256) -> uint256:
    """
    @notice All positive cash, quote units, rounded down.
    """
    return unsafe_mul(self.totals & M96, w & M96) // RAY  # two fields of 96 bits


@internal
def _move_vault(tokens: int256):
    """
    @notice Keeps the count of quote tokens the vault holds for the engine.
    @param tokens Change, token units.
    """
    b: uint256 = self.buckets
    v: uint256 = convert(convert(b & M64, int256) + tokens, uint256)
    errors._require(v <= MAX_SUPPLY, errors.SUPPLY_CAP)
    self.buckets = ((b >> 64) << 64) | v
