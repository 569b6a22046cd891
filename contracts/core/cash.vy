# pragma version 0.4.3
"""
@title cash
@license AGPL-3.0-only
@notice Settled quote-token balances as shares under two indices, interest between them, the named
        buckets that share the vault with them, and the socialised loss. Every remainder of a
        division has an owner: it goes to `dust`, whose whole units go to the insurance fund.

        Identity after every call, in quote units scaled by RAY:
          V RAY = A Is - B Ib + RAY (sum of U + fund + keeper + fees + pot - advances - hole) + dust
"""
from contracts.core import accounts
from contracts.interfaces import IMarginEngine
from contracts.modules import errors
from contracts.modules import rounding

RAY: constant(uint256) = 2**72  # index scale
TOK: constant(uint256) = 10**9  # quote units per quote token unit
ERA_FLOOR: constant(uint256) = 2**60  # below this supply index a new era starts at RAY
RATE_SCALE: constant(uint256) = 10**13  # unit of the borrow rate: 1e-13 per second
MAX_RATE: constant(uint256) = 2**24 - 1  # 1.7e-6 per second, 52 times a year
MAX_SUPPLY: constant(uint256) = 10**15  # quote token units the vault may hold: 1e9 USD
DRIP: constant(uint256) = 7 * 86400  # seconds over which income refills a loss
CRUMB: constant(uint256) = 10**11  # quote units a second on top, 8.64 USD a day: a pot runs dry

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
@view
def _grown() -> (uint256, uint256, uint256):
    """
    @notice The indices brought to now.
    @return The indices word with both indices and the time updated; debt interest accrued in this step
            (quote units scaled by RAY); how much of it the supply index did not take (same scale).
    """
    w: uint256 = self.indices
    rate: uint256 = (w >> 224) & (2**24 - 1)
    elapsed: uint256 = unsafe_sub(block.timestamp, (w >> 192) & M32)
    if rate == 0 or elapsed == 0:
        return w, 0, 0
    t: uint256 = self.totals
    if (t >> 96) & M80 == 0:  # every change of cash ends in `_reprice`: no debt, no rate
        return w, 0, 0
    supply: uint256 = w & M96
    borrow: uint256 = (w >> 96) & M95
    # Proof for the unsafe steps: indices and shares < 2^96, the rate < 2^24, times < 2^32; so the step is below 2^151
    # and, cut to its width, below 2^95, and interest below 2^175.
    # Rounded down: less interest, nobody's loss. The index stops at its width, 2^23-fold growth.
    step: uint256 = min(
        unsafe_div(unsafe_mul(unsafe_mul(borrow, rate), elapsed), RATE_SCALE),
        unsafe_sub(M95, borrow),
    )
    interest: uint256 = unsafe_mul((t >> 96) & M80, step)
    kept: uint256 = interest
    a: uint256 = t & M96
    if a != 0:
        share: uint256 = (self.rates >> 88) & 65535
        # Rounded down twice; what that leaves of the interest is `kept`. Where more is lent than supplied (money
        # of the fund, paper profit) a share supplied earns no more than one lent pays: the supply index, at most
        # the borrow index in each era, stays so and within its width, and nobody's crumb can run it up.
        gain: uint256 = min(
            unsafe_div(unsafe_div(unsafe_mul(interest, unsafe_sub(10**4, share)), 10**4), a),
            unsafe_div(unsafe_mul(supply, step), borrow),
        )
        supply = unsafe_add(supply, gain)
        kept = unsafe_sub(interest, unsafe_mul(a, gain))
    head: uint256 = (
        supply
        | (unsafe_add(borrow, step) << 96)
        | (w & RECOVERING)
        | ((block.timestamp & M32) << 192)
        | ((w >> 224) << 224)
    )
    return head, interest, kept


@internal
def _accrue() -> uint256:
    """
    @notice Accrues interest up to now and stores it.
    @return The indices word.
    """
    w: uint256 = 0
    interest: uint256 = 0
    kept: uint256 = 0
    w, interest, kept = self._grown()
    if interest != 0:
        self._keep(w, kept)
    return w


@internal
def _keep(w: uint256, kept: uint256):
    """
    @notice Stores an accrual. Cash may have been credited under its indices since `_grown` computed it: `_credit`
            writes totals, `_grown` read them before, and the growth is that of the shares of that time.
    @param w The indices word from `_grown`; nothing else wrote it since.
    @param kept What of the interest the supply index did not take, from `_grown`.
    """
    self.indices = w
    self._dust(kept)
    log IMarginEngine.InterestAccrued(
        supply_index=w & M96, borrow_index=(w >> 96) & M95, rate=(w >> 224) & (2**24 - 1)
    )


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
def _drip(w: uint256) -> uint256:
    """
    @notice Fills the hole from the pot and pays a part of the rest into the supply index, a seventh or so a day.
            Called before any deposit, so that nobody buys in front of it.
    @param w The indices word, brought to now and stored.
    @return The new indices word.
    """
    if w & RECOVERING == 0:
        return w
    r: uint256 = self.recovery
    owed: uint256 = r & M96
    pot: uint256 = (r >> 96) & M96
    hole: uint256 = self.hole
    if hole != 0:
        paid_up: uint256 = min(hole, pot)
        # Both are claims, of opposite sign, on the same tokens.
        hole = unsafe_sub(hole, paid_up)
        pot = unsafe_sub(pot, paid_up)
        self.hole = hole
    # Proof for the unsafe steps: shares, indices and both fields are below 2^96, a time below 2^32.
    paid: uint256 = min(
        pot,
        unsafe_mul(unsafe_add(unsafe_div(pot, DRIP), CRUMB), unsafe_sub(block.timestamp, r >> 192)),
    )
    pot = unsafe_sub(pot, paid)
    a: uint256 = self.totals & M96
    # It makes a share whole, at most up to the borrow index, so that no crumb runs the index up; what is beyond
    # it is income anew.
    room: uint256 = unsafe_sub(max(w & M96, (w >> 96) & M95), w & M96)
    gain: uint256 = 0
    if a != 0:
        gain = min(unsafe_div(unsafe_mul(paid, RAY), a), room)
    if gain == room:
        owed = min(owed, hole)  # whole again
    r = owed | (pot << 96)
    new: uint256 = unsafe_add(w, gain)  # at most the borrow index: its field does not carry
    if r != 0:
        r |= block.timestamp << 192
    else:
        new ^= RECOVERING
    self.recovery = r
    self.indices = new
    # Proof: a * gain is at most paid * RAY.
    self._dust(unsafe_sub(unsafe_mul(paid, RAY), unsafe_mul(a, gain)))
    log IMarginEngine.Recovered(index=new & M96, owed=owed, pot=pot)
    return new


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
def _reprice():
    """
    @notice Sets the borrow rate for the time ahead from the utilisation: a kinked line on
            1 - vault tokens / positive cash, clamped. No borrowers, no rate.
    """
    w: uint256 = self.indices
    t: uint256 = self.totals
    rate: uint256 = 0
    if (t >> 96) & M80 != 0:
        p: uint256 = self.rates
        supplied: uint256 = unsafe_div(unsafe_mul(t & M96, w & M96), RAY)
        # Proof for the unsafe steps here: tokens < 2^64, shares and indices < 2^96, rates < 2^24, shares of one <= 10^4.
        free: uint256 = unsafe_mul(self.buckets & M64, TOK)
        # Utilisation is rounded up, the rate on it down: less than 1e-13 a second either way.
        used: uint256 = 10**4
        if supplied != 0:
            used = 0
            if free < supplied:
                used = unsafe_sub(10**4, unsafe_div(unsafe_mul(free, 10**4), supplied))
        kink: uint256 = (p >> 72) & 65535
        rate = unsafe_add(
            p & (2**24 - 1),
            unsafe_div(unsafe_mul(min(used, kink), (p >> 24) & (2**24 - 1)), 10**4),
        )
        if used > kink:
            rate = unsafe_add(
                rate,
                unsafe_div(unsafe_mul(unsafe_sub(used, kink), (p >> 48) & (2**24 - 1)), 10**4),
            )
        rate = min(rate, MAX_RATE)
    # The stored time moves with the stored indices: interest up to now was accrued by the caller.
    new: uint256 = (
        (w & (2**192 - 1))
        | ((block.timestamp & M32) << 192)
        | (rate << 224)
        | ((w >> 248) << 248)
    )
    if rate != (w >> 224) & (2**24 - 1):
        self.indices = new


@internal
@view
def _debt(w: uint256) -> uint256:
    """
    @notice All cash loans, quote units, rounded up.
    """
    # Proof: fields of 80 and 95 bits.
    return rounding._div_up(unsafe_mul((self.totals >> 96) & M80, (w >> 96) & M95), RAY)


@internal
@view
def _supplied(w: uint256) -> uint256:
    """
    @notice All positive cash, quote units, rounded down.
    """
    return unsafe_mul(self.totals & M96, w & M96) // RAY  # two fields of 96 bits


@internal
@view
def _social_room(w: uint256) -> uint256:
    """
    @notice The most the supply index can carry in one step: all but 2^-40 of it. The last era is followed by none:
            in it the index stays where that one would begin, and what is beyond is the hole's.
    """
    supply: uint256 = w & M96
    least: uint256 = supply >> 40
    if w >> 248 == 255:
        least = ERA_FLOOR
    # Proof: the index is at least ERA_FLOOR before and after every loss; fields of 96 bits.
    return unsafe_mul(self.totals & M96, unsafe_sub(supply, least)) // RAY


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
    r: uint256 = self.recovery
    # Proof: both fields together stay within 96 bits.
    left: uint256 = unsafe_sub(unsafe_sub(M96, r & M96), (r >> 96) & M96)
    self.recovery = unsafe_add(r, min(amount, left))
    carried: uint256 = min(amount, self._social_room(w))
    new: uint256 = w | RECOVERING
    if carried < amount:
        self.hole += amount - carried
        if carried == 0:
            self.indices = new
            return new
    t: uint256 = self.totals
    a: uint256 = t & M96
    # Proof for the unsafe steps: what is carried leaves the index at 2^20 or more, so the drop is below it; a and the
    # index are below 2^96, their product, the loss scaled by RAY among it, below 2^192.
    drop: uint256 = rounding._div_up(unsafe_mul(carried, RAY), a)
    supply: uint256 = unsafe_sub(w & M96, drop)
    new = ((new >> 96) << 96) | supply
    # The drop was rounded up: the excess is the fund's.
    left = unsafe_sub(unsafe_mul(a, drop), unsafe_mul(carried, RAY))
    if supply < ERA_FLOOR:
        era: uint256 = new >> 248  # not the last: see `_social_room`
        self.era_end[era] = supply
        fresh: uint256 = unsafe_mul(a, supply) // RAY  # rounded down, the rest to dust
        left = unsafe_add(left, unsafe_mul(a, supply) & (RAY - 1))
        self.totals = (t & (M96 ^ max_value(uint256))) | fresh
        new = ((new >> 96) << 96) | RAY
        new = unsafe_add(new, 1 << 248)
    self.indices = new
    self._dust(left)
    n: uint256 = (self.deficits >> 192) + 1
    self.deficits = (self.deficits & (2**192 - 1)) | (n << 192)
    log IMarginEngine.Socialised(number=n, amount=carried, index=new & M96)
    return new


@internal
def _note(account: uint256, deficit: uint256):
    """
    @notice Keeps the sum of negative equities last observed of accounts in auction.
    @param account The account.
    @param deficit Its negative equity now, quote units; 0 clears it.
    """
    old: uint256 = self.deficit_of[account]
    if old == deficit:
        return
    self.deficit_of[account] = deficit
    d: uint256 = self.deficits
    total: uint256 = (d & M96) + deficit - old
    errors._require(total <= M96, errors.OUT_OF_RANGE)
    self.deficits = ((d >> 96) << 96) | total
    log IMarginEngine.DeficitNoted(account=account, deficit=deficit, total=total)


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


@internal
@view
def _excess() -> uint256:
    """
    @notice Pending deficits the fund does not cover, quote units.
    """
    pending: uint256 = self.deficits & M96
    if pending == 0:
        return 0
    return pending - min(pending, self._fund())


@internal
@view
def _require_cap(w: uint256):
    """
    @notice Reverts where the cash loans exceed the borrow cap.
    """
    errors._require(self._debt(w) <= ((self.rates >> 104) & M64) * TOK, errors.BORROW_CAP)


@internal
def _escrow(
    account: uint256, head: int256, w: uint256, amount: uint256, excess: uint256
) -> (int256, uint256):
    """
    @notice A withdrawal while a known loss has no payer yet: shares worth the amount go to escrow, where they
            bear the loss, and the account gets an advance less its share of the excess.
    @param amount Token units asked.
    @param excess Deficits beyond the fund, quote units.
    @return The account's head; token units to pay now.
    """
    asked: uint256 = amount * TOK
    errors._require(self._value(head, w) >= convert(asked, int256), errors.INSUFFICIENT_CASH)
    supply: uint256 = w & M96
    all: uint256 = self._supplied(w)
    held_back: uint256 = rounding._div_up(asked * min(excess, all), all)
    # Both round down: the account is paid whole tokens, and keeps what a share less is worth.
    paid: uint256 = (asked - held_back) // TOK
    shares: uint256 = asked * RAY // supply
    mine: uint256 = self._scaled(head, w)[1]
    errors._require(paid != 0 and shares != 0, errors.INSUFFICIENT_CASH)
    # Proof: what is asked is at most the account's cash, and that and the shares are below 2^96.
    self.escrow[account] = shares | ((paid * TOK) << 96) | ((w >> 248) << 192) | (amount << 200)
    d: uint256 = self.deficits
    self.deficits = (d & (M96 | (M64 << 192))) | ((((d >> 96) & M96) + paid * TOK) << 96)
    log IMarginEngine.Escrowed(account=account, shares=shares, advance=paid * TOK)
    return accounts._with_shares(
        head, convert(mine - shares, int256), convert(w >> 248, int256)
    ), paid


@internal
def _release(account: uint256, head: int256, w: uint256) -> int256:
    """
    @notice Settles an escrow: its shares' value, at most what was asked, less the advance goes back to the account's
            cash; where the shares lost more than was held back, the shortfall is socialised. What they earned beyond
            what was asked, most of it on money already paid out, is income.
    @return The account's head.
    """
    e: uint256 = self.escrow[account]
    errors._require(e != 0, errors.NO_ESCROW)
    errors._require(self._excess() == 0, errors.ESCROW_LOCKED)
    self.escrow[account] = 0
    shares: uint256 = self._across(e & M96, (e >> 192) & 255, w >> 248)
    advance: uint256 = (e >> 96) & M96
    scaled: uint256 = shares * (w & M96)
    value: uint256 = scaled // RAY
    t: uint256 = self.totals
    self.totals = t - shares  # the shares are in A, the low field
    self._dust(scaled - value * RAY)
    asked: uint256 = (e >> 200) * TOK
    if value > asked:
        self._to_fund(value - asked)
        value = asked
    d: uint256 = self.deficits
    self.deficits = (d & (M96 | (M64 << 192))) | ((((d >> 96) & M96) - advance) << 96)
    paid: uint256 = value - min(value, advance)
    short: uint256 = advance - min(value, advance)
    h: int256 = self._credit(head, w, convert(paid, int256))
    self._socialise(w, short)
    log IMarginEngine.Released(account=account, paid=paid, shortfall=short)
    return h
