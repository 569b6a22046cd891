"""Settled cash as shares under two indices, interest, named buckets, escrow, socialised loss.

Identity after every call, in quote units scaled by RAY:

    V RAY = A Is - B Ib + RAY (sum U + fund + keeper + fees + pot - advances - hole) + dust

Every remainder of a division has an owner: `dust` (scaled by RAY), whose whole units are the
fund's. Units: shares under an index of scale RAY, money qu, vault tokens in token units (TOK qu
each), rates 1e-13 per second, times unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from plimsoll.model.rounding import ModelError, div_up, require

RAY = 2**72
TOK = 10**9
ERA_FLOOR = 2**60
LAST_ERA = 255
RATE_SCALE = 10**13
MAX_RATE = 2**24 - 1
MAX_SUPPLY = 10**15
DUST_LIMIT = 2**79
DRIP = 7 * 86_400  # s over which income refills a loss
CRUMB = 10**11  # qu a second on top: a pot runs dry
M80, M95, M96 = 2**80 - 1, 2**95 - 1, 2**96 - 1


@dataclass(frozen=True)
class Rates:
    """The interest line: per-second rates in 1e-13, kink and fund share in 1e-4, cap in tokens."""

    base: int = 0
    slope: int = 0
    slope_above: int = 0
    kink: int = 0
    fund_share: int = 0
    borrow_cap: int = 0


class Holding(NamedTuple):
    """An account's cash: shares (> 0 supply, < 0 debt) and the era of the supply shares."""

    shares: int = 0
    era: int = 0


class Escrow(NamedTuple):
    """A withdrawal held back: supply shares, advance (qu), era of the shares, asked (tokens)."""

    shares: int
    advance: int
    era: int
    asked: int


@dataclass
class Cash:
    """Indices, totals and buckets of the house."""

    time: int
    supply_index: int = RAY
    borrow_index: int = RAY
    rate: int = 0
    era: int = 0
    supply: int = 0  # shares A
    debt: int = 0  # shares B
    dust: int = 0  # qu scaled by RAY
    vault: int = 0  # V, token units
    fund: int = 0
    keeper: int = 0
    pending: int = 0
    advances: int = 0
    socialisations: int = 0
    hole: int = 0
    owed: int = 0  # socialised losses and hole that income has not refilled yet
    pot: int = 0  # income set aside for them, not paid in yet
    pot_time: int = 0
    recovering: bool = False
    rates: Rates = Rates()
    deficit_of: dict[int, int] = field(default_factory=dict)
    escrows: dict[int, Escrow] = field(default_factory=dict)
    era_end: dict[int, int] = field(default_factory=dict)

    def copy(self) -> Cash:
        """A copy that later changes do not reach."""
        other = Cash.__new__(Cash)
        other.__dict__.update(self.__dict__)
        other.deficit_of = dict(self.deficit_of)
        other.escrows = dict(self.escrows)
        return other

    # -- reading

    def across(self, shares: int, era: int) -> int:
        """Supply shares carried from the end of `era` to the present one, rounded down."""
        for e in range(era, self.era):
            shares = shares * self.era_end[e] // RAY
        return shares

    def value(self, holding: Holding) -> int:
        """Cash in qu: supply rounded down, debt rounded up."""
        if holding.shares > 0:
            return self.across(*holding) * self.supply_index // RAY
        return -div_up(-holding.shares * self.borrow_index, RAY)

    def supplied(self) -> int:
        """All positive cash, rounded down."""
        return self.supply * self.supply_index // RAY

    def borrowed(self) -> int:
        """All cash loans, rounded up."""
        return div_up(self.debt * self.borrow_index, RAY)

    def excess(self) -> int:
        """Pending deficits beyond half of the fund: its caps keep it from paying all at once."""
        return max(self.pending - self.fund // 2, 0)

    def require_cap(self) -> None:
        """Refuse cash loans above the borrow cap."""
        require(self.borrowed() <= self.rates.borrow_cap * TOK, "BorrowCap")

    # -- interest

    def accrue(self, now: int) -> None:
        """Bring both indices to now; the fund takes its share and all remainders."""
        self.keep(self.grow(now))

    def grow(self, now: int) -> int | None:
        """Both indices brought to now; returns what `keep` gives to dust, None without interest.

        Without debt nothing grows: neither index moves, whatever the stored rate.
        """
        elapsed, self.time = now - self.time, now
        if self.rate == 0 or elapsed == 0 or self.debt == 0:
            return None
        borrow = self.borrow_index
        step = min(borrow * self.rate * elapsed // RATE_SCALE, M95 - borrow)
        self.borrow_index += step
        interest = kept = self.debt * step
        if self.supply:
            share = 10**4 - self.rates.fund_share
            gain = interest * share // 10**4 // self.supply
            # A share supplied earns no more than one lent pays; the fund takes the rest.
            gain = min(gain, self.supply_index * step // borrow)
            self.supply_index += gain
            kept -= self.supply * gain
        return kept if interest else None

    def keep(self, kept: int | None) -> None:
        """Give what the supply index did not take of an accrual to dust."""
        if kept is not None:
            self.add_dust(kept)

    def income(self, amount: int) -> int:
        """Set income aside for what losses took; returns what is left."""
        if not self.recovering:
            return amount
        put = min(amount, self.owed)
        if not self.pot:
            self.pot_time = self.time
        self.owed -= put
        self.pot += put
        return amount - put

    def to_fund(self, amount: int) -> None:
        """Income of the fund; a loss that waits for income comes first."""
        self.set_fund(self.fund + self.income(amount))

    def fund_bears(self, earned: int) -> None:
        """What the fund earned, as income, or lost (qu)."""
        if earned >= 0:
            self.to_fund(earned)
            return
        require(-earned <= self.fund, "FundEmpty")
        self.set_fund(self.fund + earned)

    def drip(self, now: int) -> None:
        """Pay what is due of the pot into the supply index, after `accrue`."""
        if not self.recovering:
            return
        filled = min(self.hole, self.pot)
        self.hole -= filled
        self.pot -= filled
        paid = min(self.pot, (self.pot // DRIP + CRUMB) * (now - self.pot_time))
        self.pot -= paid
        # It makes a share whole, at most up to the borrow index; what is beyond is income anew.
        room = max(self.borrow_index - self.supply_index, 0)
        gain = min(paid * RAY // self.supply, room) if self.supply else 0
        self.supply_index += gain
        if gain == room:
            self.owed = min(self.owed, self.hole)  # whole again
        self.recovering = self.owed > 0 or self.pot > 0
        self.pot_time = now if self.recovering else 0
        self.add_dust(paid * RAY - self.supply * gain)

    def reprice(self) -> None:
        """The borrow rate for the time ahead: a kinked line on 1 - vault tokens / positive cash."""
        if self.debt == 0:
            self.rate = 0
            return
        p, supplied, free = self.rates, self.supplied(), self.vault * TOK
        used = 10**4
        if supplied:
            used = 10**4 - free * 10**4 // supplied if free < supplied else 0
        rate = p.base + min(used, p.kink) * p.slope // 10**4
        rate += max(used - p.kink, 0) * p.slope_above // 10**4
        self.rate = min(rate, MAX_RATE)

    # -- writing

    def add_dust(self, scaled: int) -> None:
        """Give a remainder to dust; a half-full field hands its whole units to the fund."""
        self.dust += scaled
        if self.dust >= DUST_LIMIT:
            whole, self.dust = divmod(self.dust, RAY)
            self.to_fund(whole)

    def set_fund(self, amount: int) -> None:
        """Store the fund's bucket."""
        require(0 <= amount <= M96, "OutOfRange")
        self.fund = amount

    def set_keeper(self, amount: int) -> None:
        """Store the keeper budget."""
        require(0 <= amount <= M96, "OutOfRange")
        self.keeper = amount

    def move_vault(self, tokens: int) -> None:
        """Count quote tokens in or out of the vault."""
        if self.vault + tokens < 0:
            raise ModelError("")  # an overflow check, no named reason
        require(self.vault + tokens <= MAX_SUPPLY, "SupplyCap")
        self.vault += tokens

    def credit(self, holding: Holding, amount: int) -> Holding:
        """Add a signed amount to an account's cash; its source is booked by the caller.

        What the floors of reading and writing leave goes to dust, never below 0.
        """
        if amount == 0:
            return holding
        if holding.shares > 0:
            shares = self.across(*holding)
            exact, value = shares * self.supply_index, shares * self.supply_index // RAY
            self.supply -= shares
        else:
            exact = holding.shares * self.borrow_index
            value = -div_up(-exact, RAY)
            self.debt += holding.shares
        value += amount
        if value >= 0:
            shares = value * RAY // self.supply_index
            self.supply += shares
            written = shares * self.supply_index
        else:
            shares = -div_up(-value * RAY, self.borrow_index)
            self.debt -= shares
            written = shares * self.borrow_index
        left = amount * RAY - (written - exact)
        assert left >= 0, left
        require(self.supply <= M96 and self.debt <= M80, "OutOfRange")
        self.add_dust(left)
        return Holding(shares, self.era)

    def socialise(self, amount: int) -> None:
        """Lower the supply index of positive cash by a loss; what no cash can carry is `hole`."""
        if amount == 0:
            return
        # The last era is followed by none: its index stays where that one would begin.
        least = self.supply_index >> 40 if self.era < LAST_ERA else ERA_FLOOR
        room = self.supply * (self.supply_index - least) // RAY
        carried = min(amount, room)
        self.hole += amount - carried
        self.recovering = True
        self.owed += min(amount, M96 - self.owed - self.pot)
        if carried == 0:
            return
        drop = div_up(carried * RAY, self.supply)
        self.supply_index -= drop
        left = self.supply * drop - carried * RAY
        if self.supply_index < ERA_FLOOR:
            self.era_end[self.era] = self.supply_index
            scaled = self.supply * self.supply_index
            self.supply = scaled // RAY
            left += scaled - self.supply * RAY
            self.supply_index = RAY
            self.era += 1
        self.add_dust(left)
        self.socialisations += 1

    def note(self, account: int, deficit: int) -> None:
        """Keep the sum of negative equities last observed of accounts in auction."""
        self.pending += deficit - self.deficit_of.get(account, 0)
        require(self.pending <= M96, "OutOfRange")
        self.deficit_of[account] = deficit

    def hold_back(self, account: int, holding: Holding, tokens: int) -> tuple[Holding, int]:
        """A withdrawal while a known loss has no payer: shares to escrow, an advance paid.

        Returns the account's cash and the token units to pay now.
        """
        asked = tokens * TOK
        require(self.value(holding) >= asked, "InsufficientCash")
        everything = self.supplied()
        held_back = div_up(asked * min(self.excess(), everything), everything)
        paid = (asked - held_back) // TOK
        shares = asked * RAY // self.supply_index
        require(paid != 0 and shares > 0, "InsufficientCash")
        self.escrows[account] = Escrow(shares, paid * TOK, self.era, tokens)
        self.advances += paid * TOK
        return Holding(self.across(*holding) - shares, self.era), paid

    def release(self, account: int, holding: Holding) -> Holding:
        """Settle an escrow: its value less the advance to cash, a shortfall socialised.

        What the shares earned beyond what was asked is income.
        """
        escrow = self.escrows.get(account)
        if escrow is None:
            raise ModelError("NoEscrow")
        require(self.excess() == 0, "EscrowLocked")
        del self.escrows[account]
        shares = self.across(escrow.shares, escrow.era)
        scaled = shares * self.supply_index
        value = scaled // RAY
        self.supply -= shares
        self.add_dust(scaled - value * RAY)
        asked = escrow.asked * TOK
        if value > asked:
            self.to_fund(value - asked)
            value = asked
        self.advances -= escrow.advance
        holding = self.credit(holding, max(value - escrow.advance, 0))
        self.socialise(max(escrow.advance - value, 0))
        return holding
