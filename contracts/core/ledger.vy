# pragma version 0.4.3
"""
@title ledger
@license AGPL-3.0-only
@notice Perpetual positions and their O(1) aggregates, in integers that round nowhere but at a slice, an
        overlap and a touch after deleveraging, each time against the holder and by less than one unit.

        A position keeps its lots and g = quote + lots * (index of its side when written). Its P&L at mark M is
        lots * (M - F) + g, with F the side's index now, F = C + X: C the funding index (kept by the oracle,
        shared by both sides) and X what deleveraging charged that side per lot. g does not move with funding,
        charges or time, so no snapshot is stored. With G the sum of g and L = S = oi, the sum of all
        unrealised P&L is U = G + (X_short - X_long) * oi. Stored is G plus the market's fees not yet
        collected: a fee moves from one to the other, so an ordinary trade leaves that sum alone.

        Deleveraging shrinks a whole side by a multiplier; positions follow on their next touch.
"""
from contracts.modules import errors
from contracts.modules import rounding

# (account, market) -> lots int64 << 192 | g int128 << 64 (quote units) | side epoch uint24
positions: HashMap[uint256, int256[256]]

# market -> X_long int56 << 200 | X_short int56 << 144 (ticks) | oi uint56 << 88 (lots)
#           | root uint40 << 48 (isqrt(oi << 24)) | epoch of longs uint24 << 24 | epoch of shorts uint24
hot: int256[256]

# market -> G + fees held, quote units
book: int256[256]

# A side's key is market * 2, plus 1 for shorts. Since its last era began, a lot has become P / 2^95 lots, and what
# closed was worth K = sum of (P before - P after) * (mark - index), per 2^95.
# key << 24 | epoch -> K int154 << 102 | P uint96 << 6 | era modulo 64, as that epoch began (unset: P 2^95, rest 0);
# the record of the side's epoch now is the side's multiplier now
record: HashMap[uint256, int256]
# key -> era uint32 | charged in the window uint56 << 32 (ticks per lot) | window start uint32 << 88 (seconds)
side: HashMap[uint256, uint256]
# key << 32 | era -> P uint96 | first epoch of the next era uint24 << 96, at the era's end
era_end: HashMap[uint256, uint256]
# same key -> mark - index (ticks) and K then
era_gap: HashMap[uint256, int256]
era_k: HashMap[uint256, int256]

P_ONE: constant(uint256) = 2**95
P_MIN: constant(uint256) = (
    2**55
)  # below this an era ends, so that a multiplier keeps 55 bits or more
LAST_ERA: constant(uint256) = 65535

LOTS_LIMIT: constant(int256) = 2**56  # lots of a position and of a side stay below
G_LIMIT: constant(int256) = 2**126  # with charges folded in, g still fits an int128
X_LIMIT: constant(int256) = 2**55
M24: constant(int256) = 2**24 - 1
M40: constant(int256) = 2**40 - 1
M56: constant(int256) = 2**56 - 1
M128: constant(int256) = 2**128 - 1


@internal
@pure
def _x_long(hot: int256) -> int256:
    """
    @notice Charge index of the longs, ticks.
    """
    return hot >> 200


@internal
@pure
def _x_short(hot: int256) -> int256:
    """
    @notice Charge index of the shorts, ticks.
    """
    return (hot << 56) >> 200


@internal
@pure
def _oi(hot: int256) -> int256:
    """
    @notice Open interest of either side, lots.
    """
    return (hot >> 88) & M56


@internal
@pure
def _root(hot: int256) -> uint256:
    """
    @notice isqrt(oi << 24), what concentration add-ons are computed from.
    """
    return convert((hot >> 48) & M40, uint256)


@internal
@pure
def _with_oi(hot: int256, oi: int256) -> int256:
    """
    @notice Hot word with another open interest and its root.
    """
    if oi == (hot >> 88) & M56:
        return hot
    errors._require(oi >= 0 and oi < LOTS_LIMIT, errors.OUT_OF_RANGE)
    # Proof: oi < 2^56, so oi << 24 < 2^80 and the root < 2^40.
    root: int256 = convert(isqrt(convert(oi << 24, uint256)), int256)
    return (hot & (((M56 << 88) | (M40 << 48)) ^ -1)) | (oi << 88) | (root << 48)


@internal
@pure
def _charged(hot: int256, long_side: bool, per_lot: int256) -> int256:
    """
    @notice Hot word after a charge per lot on one side: longs' index rises, shorts' index falls.
    """
    xl: int256 = hot >> 200
    xs: int256 = (hot << 56) >> 200
    if long_side:
        xl += per_lot
    else:
        xs -= per_lot
    errors._require(xl < X_LIMIT and xs >= -X_LIMIT, errors.CHARGE_OVERFLOW)
    return (xl << 200) | ((xs & M56) << 144) | (hot & ((1 << 144) - 1))


@internal
@pure
def _charge_left(hot: int256, long_side: bool) -> uint256:
    """
    @notice What a lot of a side may still be charged before its index is at its width, ticks.
    """
    # Proof: -X_LIMIT <= X < X_LIMIT, see `_charged`.
    if long_side:
        return convert(unsafe_sub(X_LIMIT - 1, hot >> 200), uint256)
    return convert(unsafe_add(X_LIMIT, (hot << 56) >> 200), uint256)


@internal
@view
def _load(
    account: uint256, market: uint256, hot: int256, basis: int256
) -> (int256, int256, int256):
    """
    @notice A position as a touch now leaves it.
    @param account Account id.
    @param market Market id.
    @param hot The market's hot word.
    @param basis Mark minus funding index, ticks.
    @return Lots; g; and where no whole lot is left, the g that goes to cash (lots and g are 0 then).
    """
    p: int256 = self.positions[account][market]
    if self._current(p, hot):
        return p >> 192, (p << 64) >> 128, 0
    lots: int256 = 0
    g: int256 = 0
    over: uint256 = 0
    lots, g, over = self._follow(p, market, hot, basis)
    if lots == 0:
        return 0, 0, g
    return lots, g, 0


@internal
@pure
def _current(p: int256, hot: int256) -> bool:
    """
    @notice Whether a position was written under its side's epoch, or there is none.
    @param p The position's word.
    @param hot The market's hot word.
    """
    if p < 0:
        return (hot ^ p) & M24 == 0
    return p == 0 or ((hot >> 24) ^ p) & M24 == 0


@internal
@view
def _follow(p: int256, market: uint256, hot: int256, basis: int256) -> (int256, int256, uint256):
    """
    @notice Carries a position to its side's epoch.
    @param p The position's word, not current.
    @param market Market id.
    @param hot The market's hot word.
    @param basis Mark minus funding index, ticks.
    @return As `_replay`.
    """
    epoch: int256 = (hot >> 24) & M24
    gap: int256 = basis - (hot >> 200)
    key: uint256 = market * 2
    if p < 0:
        epoch = hot & M24
        gap = basis - ((hot << 56) >> 200)
        key += 1
    return self._replay(
        key,
        convert(p & M24, uint256),
        convert(epoch, uint256),
        p >> 192,
        (p << 64) >> 128,
        gap,
    )


@internal
@pure
def _p(record: int256) -> uint256:
    """
    @notice Multiplier of a record.
    """
    p: int256 = (record >> 6) & (2**96 - 1)
    if p == 0:
        return P_ONE
    return convert(p, uint256)


@internal
@view
def _era(key: uint256, epoch: uint256, record: int256, last: uint256) -> uint256:
    """
    @notice The era a record belongs to: the newest of its residue that began at or before its epoch.
    @param key Side key.
    @param epoch The record's epoch.
    @param record The record.
    @param last The side's era now.
    """
    era: uint256 = convert(record & 63, uint256)
    era += (last - era) // 64 * 64  # era <= last: residues of eras that have been
    for _: uint256 in range(1024):
        if era < 64 or (self.era_end[(key << 32) | (era - 1)] >> 96) & (2**24 - 1) <= epoch:
            break
        era -= 64
    return era


@internal
@view
def _replay(
    key: uint256, epoch: uint256, now: uint256, lots: int256, g: int256, gap: int256
) -> (int256, int256, uint256):
    """
    @notice Carries a position through the shrinks since `epoch`: closed lots at the prices they closed at, the
            fraction of a lot left over sold to the fund at mark. One floor per era crossed. An ended era divides by
            more than 2^40 where it began at one, and lots are below 2^56: after three ended eras none are left.
    @param key Side key.
    @param epoch Side epoch at which the position was written.
    @param now The side's epoch now.
    @param lots Signed lots.
    @param g Quote units.
    @param gap Mark minus index of the side, now.
    @return Lots and g now; the fraction of a lot left over in the era that runs, 2^-24, rounded down.
    """
    sign: int256 = 1
    if lots < 0:
        sign = -1
    a: uint256 = convert(lots * sign, uint256)
    start: int256 = self.record[(key << 24) | epoch]
    from_p: uint256 = self._p(start)
    from_k: int256 = start >> 102
    last: uint256 = self.side[key] & (2**32 - 1)
    first: uint256 = self._era(key, epoch, start, last)
    out: int256 = g
    over: uint256 = 0
    for era: uint256 in range(first, min(last, first + 3) + 1, bound=4):
        to_p: uint256 = 0
        to_k: int256 = 0
        at: int256 = gap
        if era < last:
            to_p = self.era_end[(key << 32) | era] & (2**96 - 1)
            to_k = self.era_k[(key << 32) | era]
            at = self.era_gap[(key << 32) | era]
        else:
            end: int256 = self.record[(key << 24) | now]
            to_p = self._p(end)
            to_k = end >> 102
        # Bounds: a < 2^56, P <= 2^95, |K| < 2^95 * 2^58, so every product stays below 2^210.
        product: uint256 = a * to_p
        rest: int256 = convert(product % from_p, int256)
        if era == last:
            over = unsafe_div(convert(rest, uint256) << 24, from_p)  # rest < P <= 2^95
        earned: int256 = convert(a, int256) * (to_k - from_k) + rest * at
        out += rounding._div_floor(sign * earned, convert(from_p, int256))
        a = product // from_p
        from_p = P_ONE
        from_k = 0
        if a == 0:
            break
    return sign * convert(a, int256), out, over


@internal
def _store(account: uint256, market: uint256, lots: int256, g: int256, hot: int256):
    """
    @notice Writes a touched position under its side's epoch; a position without lots is cleared.
    """
    if lots == 0:
        self.positions[account][market] = 0
        return
    epoch: int256 = (hot >> 24) & M24
    if lots < 0:
        epoch = hot & M24
    errors._require(
        lots < LOTS_LIMIT and lots > -LOTS_LIMIT and g < G_LIMIT and g >= -G_LIMIT,
        errors.OUT_OF_RANGE,
    )
    self.positions[account][market] = (lots << 192) | ((g & M128) << 64) | epoch


@internal
@pure
def _join(
    lots: int256, g: int256, add: int256, g_in: int256, hot: int256
) -> (int256, int256, int256, int256, int256):
    """
    @notice Adds signed lots that carry g_in to a touched position. Opposite lots close against each other at
            no price: both parts of g and the charge difference of the sides go to cash.
    @return Lots and g left; cash earned; the change of G (without g_in counted elsewhere); lots that closed.
    """
    # Proof for the unsafe steps: lots < 2^56, |X| < 2^55, |g| < 2^126 and the parts are within their wholes.
    if (lots ^ add) >= 0 or lots == 0:
        return unsafe_add(lots, add), unsafe_add(g, g_in), 0, g_in, 0
    a: int256 = abs(lots)
    b: int256 = abs(add)
    o: int256 = min(a, b)
    # Where a side closes whole its part is exact; the other rounds down and the rest stays in what stays.
    out: int256 = rounding._div_floor(unsafe_mul(g, o), a)
    into: int256 = rounding._div_floor(unsafe_mul(g_in, o), b)
    parts: int256 = unsafe_add(out, into)
    cash: int256 = unsafe_add(unsafe_mul(o, unsafe_sub((hot << 56) >> 200, hot >> 200)), parts)
    left: int256 = unsafe_sub(g_in, into)
    if a > o:
        left = unsafe_sub(g, out)
    return unsafe_add(lots, add), left, cash, unsafe_sub(g_in, parts), o


@internal
@pure
def _part(lots: int256, g: int256, n: int256) -> (int256, int256):
    """
    @notice What n lots (unsigned) of a position carry away: signed lots and their share of g, rounded down.
    """
    # Proof: |g| < 2^126 and n <= |lots| < 2^56.
    carried: int256 = rounding._div_floor(unsafe_mul(g, n), abs(lots))
    if lots > 0:
        return n, carried
    return unsafe_sub(0, n), carried


@internal
def _shrink(
    market: uint256, long_side: bool, q: int256, of: int256, hot: int256, basis: int256
) -> (int256, int256):
    """
    @notice Closes q of a side's lots at mark, pro rata over all holders, in O(1).
    @param market Market id.
    @param long_side The side that shrinks.
    @param q Lots to close, 0 < q <= of.
    @param of Lots of the side before.
    @param hot Hot word, charges of this event applied; its open interest is the caller's to lower.
    @param basis Mark minus funding index, ticks.
    @return Hot word with the side's next epoch; the change of G.
    """
    key: uint256 = market * 2
    sign: int256 = 1
    gap: int256 = basis - (hot >> 200)
    epoch: uint256 = convert((hot >> 24) & M24, uint256)
    if not long_side:
        key += 1
        sign = -1
        gap = basis - ((hot << 56) >> 200)
        epoch = convert(hot & M24, uint256)
    errors._require(epoch < 2**24 - 1, errors.OUT_OF_RANGE)
    old: int256 = self.record[(key << 24) | epoch]
    p: uint256 = self._p(old)
    era: int256 = old & 63
    # Proof for the unsafe steps: 0 < q <= of < 2^56, P <= 2^95, |gap| < 2^58, |K| < 2^153.
    p_new: uint256 = unsafe_div(
        unsafe_mul(p, convert(unsafe_sub(of, q), uint256)), convert(of, uint256)
    )
    k: int256 = unsafe_add(old >> 102, unsafe_mul(convert(unsafe_sub(p, p_new), int256), gap))
    epoch = unsafe_add(epoch, 1)
    if p_new < P_MIN:
        w: uint256 = self.side[key]
        full: uint256 = w & (2**32 - 1)
        errors._require(full < LAST_ERA, errors.OUT_OF_RANGE)
        self.era_end[(key << 32) | full] = p_new | (epoch << 96)
        self.era_k[(key << 32) | full] = k
        self.era_gap[(key << 32) | full] = gap
        self.side[key] = w + 1
        era = (era + 1) & 63
        p_new = P_ONE
        k = 0
    self.record[(key << 24) | epoch] = (k << 102) | (convert(p_new, int256) << 6) | era
    if long_side:
        return hot + (1 << 24), sign * q * gap
    return hot + 1, sign * q * gap


@internal
@view
def _charge_room(key: uint256, cap: uint256, window: uint256) -> uint256:
    """
    @notice What a side may still be charged per lot in the running window.
    @param key Side key.
    @param cap Ticks per lot.
    @param window Seconds.
    """
    w: uint256 = self.side[key]
    spent: uint256 = 0
    if block.timestamp < ((w >> 88) & (2**32 - 1)) + window:
        spent = (w >> 32) & (2**56 - 1)
    if spent >= cap:
        return 0
    return cap - spent


@internal
def _charge_note(key: uint256, per_lot: uint256, window: uint256):
    """
    @notice Counts a capped charge against its window; a window starts with its first charge.
    """
    w: uint256 = self.side[key]
    start: uint256 = (w >> 88) & (2**32 - 1)
    spent: uint256 = (w >> 32) & (2**56 - 1)
    if block.timestamp >= start + window:
        start = block.timestamp
        spent = 0
    spent = min(spent + per_lot, 2**56 - 1)
    self.side[key] = (w & (2**32 - 1)) | (spent << 32) | (start << 88)


@internal
def _book(market: uint256, change: int256):
    """
    @notice Moves the sum of G and the fees held.
    @param market Market id.
    @param change Quote units: the change of G, plus the fee taken where one was.
    """
    if change == 0:
        return
    b: int256 = self.book[market] + change
    errors._require(b < G_LIMIT and b >= -G_LIMIT, errors.OUT_OF_RANGE)
    self.book[market] = b


@internal
@view
def _unrealised(market: uint256) -> int256:
    """
    @notice The sum of unrealised P&L over all holders and the fund's residual lots, plus the fees held. No price
            enters: L = S.
    @return Quote units.
    """
    hot: int256 = self.hot[market]
    return self.book[market] + (((hot << 56) >> 200) - (hot >> 200)) * ((hot >> 88) & M56)
