# pragma version 0.4.3
"""
@title residuals
@license AGPL-3.0-only
@notice What the insurance fund owns of each side since deleveraging: a position that follows a shrink keeps whole
        lots and sells the fraction left over to the fund at mark. That fraction is counted here, in the call that
        writes the position, so that it can be sold again; venues and views never pay for it.

        Counted is a floor of what the fund owns, never more: fractions of eras that have ended, and what the
        multipliers' own rounding leaves, stay its own by difference, in open interest and book alone.
@dev    A share is 2^-24 lots as they were when the side's era began. Like those of a holder they become P / 2^95
        of that, and what closed has earned them (K since) / 2^95: both are linear, so all fractions ever
        bought add up in one word whatever shrinks lay between them.
"""
from contracts.core import ledger
from contracts.modules import errors
from contracts.modules import rounding

uses: ledger

# side's key (ledger) -> cost int152 << 104 (2^-24 quote units: the sum of shares * (K + P * gap) / 2^95 as they were
# bought, gap = mark - index) | shares uint88 << 16 | era modulo 2^16; of an era that has ended it means nothing
words: HashMap[uint256, int256]

M16: constant(int256) = 2**16 - 1
M24: constant(int256) = 2**24 - 1
M88: constant(int256) = 2**88 - 1


@internal
def _touch(
    account: uint256, market: uint256, hot: int256, basis: int256
) -> (int256, int256, int256):
    """
    @notice `ledger._load` for who stores the position in this call: where it crosses an epoch its fraction of a lot is
            the fund's from now on.
    @param account Account id.
    @param market Market id.
    @param hot The market's hot word.
    @param basis Mark minus funding index, ticks.
    @return As `ledger._load`.
    """
    p: int256 = ledger.positions[account][market]
    if ledger._current(p, hot):
        return p >> 192, (p << 64) >> 128, 0
    lots: int256 = 0
    g: int256 = 0
    over: uint256 = 0
    lots, g, over = ledger._follow(p, market, hot, basis)
    if over != 0:
        self._count(market, p > 0, hot, basis, over)
    if lots == 0:
        return 0, 0, g
    return lots, g, 0


@internal
def _count(market: uint256, long_side: bool, hot: int256, basis: int256, over: uint256):
    """
    @notice Adds the fraction of a lot that a position left over when it was carried to its side's epoch.
    @param market Market id.
    @param long_side Which side.
    @param hot The market's hot word.
    @param basis Mark minus funding index, ticks.
    @param over 2^-24 lots, below one lot.
    """
    s: Side = self._side(market, long_side, hot)
    # Proof for the unsafe steps: over < 2^24 and 2^55 <= P <= 2^95, so shares are below 2^64; basis, X < 2^57 and
    # |K + P * gap| < 2^154, so a cost is below 2^123; sums keep what the widths of `_pack` allow.
    shares: uint256 = unsafe_div(over << 95, s.p)
    total: uint256 = unsafe_add(self._shares(s.word), shares)
    if total >= 2**88:
        return  # 2^24 positions at the worst fraction: what comes then is the fund's by difference
    price: int256 = unsafe_add(s.k, unsafe_mul(convert(s.p, int256), unsafe_sub(basis, s.x)))
    # Up for longs and down for shorts, which is against the fund on both sides.
    earned: int256 = unsafe_mul(unsafe_mul(-s.sign, price), convert(shares, int256)) >> 95
    self.words[s.key] = self._pack(
        unsafe_sub(s.word >> 104, unsafe_mul(s.sign, earned)), total, s.word & M16
    )


struct Side:
    key: uint256  # as the ledger's
    word: int256  # nothing but the era's number where what was counted is of an era that has ended
    p: uint256  # multiplier now
    k: int256  # K now
    x: int256  # charge index, ticks
    sign: int256  # 1 for longs, -1 for shorts


@internal
@view
def _side(market: uint256, long_side: bool, hot: int256) -> Side:
    """
    @notice What is counted of a side, and where the side is now.
    """
    s: Side = empty(Side)
    s.key = market * 2
    epoch: int256 = hot >> 24
    if long_side:
        s.sign = 1
        s.x = hot >> 200
    else:
        s.sign = -1
        s.x = (hot << 56) >> 200
        s.key += 1
        epoch = hot
    end: int256 = ledger.record[(s.key << 24) | convert(epoch & M24, uint256)]
    s.p = ledger._p(end)
    s.k = end >> 102
    s.word = self.words[s.key]
    era: int256 = convert(ledger.side[s.key] & 65535, int256)
    if s.word & M16 != era:
        s.word = era
    return s


@internal
@pure
def _shares(word: int256) -> uint256:
    """
    @notice Shares of a word.
    """
    return convert((word >> 16) & M88, uint256)


@internal
@pure
def _pack(cost: int256, shares: uint256, era: int256) -> int256:
    """
    @notice The word of these fields. Shares below 2^88 of prices below 2^59 each: a cost fits 152 bits.
    """
    return (cost << 104) | (convert(shares, int256) << 16) | era


@internal
@pure
def _lots(s: Side) -> uint256:
    """
    @notice Whole lots counted of a side, rounded down.
    """
    # Proof: shares < 2^88 and P <= 2^95.
    return unsafe_mul(self._shares(s.word), s.p) >> 119


@internal
@pure
def _parted(s: Side, lots: uint256, basis: int256) -> (int256, int256):
    """
    @notice Whole lots leave what is counted of a side at a price.
    @param s The side.
    @param lots Lots, not 0, at most `_lots`.
    @param basis The price minus funding index, ticks.
    @return The word after; what the fund earns by it, quote units, rounded down.
    """
    has: uint256 = self._shares(s.word)
    # Shares are taken rounded up: lots <= shares * P / 2^119, so there are as many. What they are of a lot beyond `lots`
    # stays the fund's by difference, valued at this price.
    # Proof: lots < 2^56 and P >= 2^55; n <= has < 2^88, |cost| < 2^147, |K + P * gap| < 2^154.
    out: uint256 = rounding._div_up(lots << 119, s.p)
    n: int256 = unsafe_mul(s.sign, convert(out, int256))
    left: int256 = rounding._div_floor(
        unsafe_mul(unsafe_sub(0, s.word >> 104), n), convert(has, int256)
    )
    price: int256 = unsafe_add(s.k, unsafe_mul(convert(s.p, int256), unsafe_sub(basis, s.x)))
    earned: int256 = unsafe_add(unsafe_mul(n, price) >> 95, left)
    after: int256 = self._pack(
        unsafe_add(s.word >> 104, unsafe_mul(s.sign, left)), unsafe_sub(has, out), s.word & M16
    )
    return after, earned >> 24


@internal
@view
def _all(s: Side, basis: int256) -> (uint256, int256):
    """
    @notice Whole lots counted of a side, and what they would earn at a basis, quote units rounded down.
    """
    lots: uint256 = self._lots(s)
    if lots == 0:
        return 0, 0
    return lots, self._parted(s, lots, basis)[1]


@internal
def _part(s: Side, lots: uint256, basis: int256) -> int256:
    """
    @notice Takes lots out of the residual of a side.
    @param s The side.
    @param lots Lots; NoResidual where there are fewer.
    @param basis The price minus funding index, ticks.
    @return What the fund earns, quote units, rounded down.
    """
    errors._require(lots <= self._lots(s), errors.NO_RESIDUAL)
    word: int256 = 0
    earned: int256 = 0
    word, earned = self._parted(s, lots, basis)
    self.words[s.key] = word
    return earned
