"""How much the auction may sell per time: bit for bit `contracts/core/sale_limiter.vy`.

In each market a share of its depth per window, in all together a sum in USD; what is used comes
back evenly over the window, and is kept as the moment by which it will be. A part of each limit is
kept for the claimant, the account in auction
with the largest shortfall R - E. Fractions are 1e18, money in qu.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from eth_utils.crypto import keccak

from plimsoll.model.rounding import div_up, require

TICK = 16  # moments a second
ONE = 10**18
USD = 10**15
LAPSE = 600  # s
MAX_RESERVE = 192
MIN_WINDOW = 60


def float_down(x: int) -> int:
    """The largest float at or below `x`: 10 bits of mantissa, 6 of exponent above them."""
    exponent = max(0, x.bit_length() - 10)
    return x >> exponent | exponent << 10


def wide(x: int) -> int:
    """`x` as a float keeps it."""
    packed = float_down(x)
    return (packed % 2**10) << (packed >> 10)


def tag_of(account: int) -> int:
    """64 bits that tell an account from others."""
    return int.from_bytes(keccak(account.to_bytes(32, "big")), "big") % 2**64


@dataclass(frozen=True)
class Lane:
    """One market: limit (lots) and price (ticks) as floats keep them, and when all is back."""

    back: int = 0  # 1/16 s modulo 2^32
    limit: int = 0
    price: int = 0

    def word(self) -> int:
        """64 bits as stored."""
        return self.back | float_down(self.limit) << 32 | float_down(self.price) << 48


@dataclass
class SaleLimiter:
    """State and rules; `now` (unix s) is passed by whoever keeps the clock."""

    share: int = 0  # 1e-2 of depth
    window: int = 0  # s; 0: off
    reserve: int = 0  # 1/256
    sum: int = 0  # whole USD, 0: none
    back: int = 0  # when all of the sum is back, 1/16 s modulo 2^32
    tag: int = 0
    shortfall: int = 0  # whole USD
    claimed: int = 0
    lanes: dict[int, Lane] = field(default_factory=dict)

    def copy(self) -> Self:
        """An independent copy."""
        return replace(self, lanes=dict(self.lanes))

    def set(self, share: int, window: int, reserve: int, total: int) -> None:
        """What governance sets; BadParameter outside its bounds."""
        windowed = window == 0 or MIN_WINDOW <= window < 2**16
        bounded = 0 < share < 4096 and reserve <= MAX_RESERVE and total < 2**36
        require(windowed and bounded, "BadParameter")
        self.share, self.window, self.reserve, self.sum = share, window, reserve, total

    def refresh(self, market: int, depth: int, mark: int) -> None:
        """A market's limit by its depth (lots), its price by the mark (ticks)."""
        require(self.share != 0, "BadParameter")
        back = self.lanes.get(market, Lane()).back
        self.lanes[market] = Lane(back, wide(depth * self.share // 100), wide(mark))

    @property
    def span(self) -> int:
        """The window in 1/16 s."""
        return self.window * TICK

    def used(self, back: int, now: int) -> int:
        """What is still used of a limit, 1/16 s of a window."""
        ahead = (back - now * TICK) % 2**32
        return ahead if ahead <= self.span else 0

    def limit(self, account: int, now: int) -> int:
        """How far an account may use up each limit, 1/16 s of a window."""
        if self.claimed + LAPSE < now or self.tag == tag_of(account):
            return self.span
        return self.span * (256 - self.reserve) >> 8

    def room(self, account: int, legs: Mapping[int, int], now: int) -> int:
        """Largest fraction of an account with these lots by market that may be sold, 1e18."""
        return self.room_and_pace(account, legs, now)[0]

    def room_and_pace(self, account: int, legs: Mapping[int, int], now: int) -> tuple[int, int]:
        """That fraction, and how much of the time the account's price may move, 1e18.

        The pace is the square of the part of its tightest limit that is free, or of the fraction
        where it is more.
        """
        if self.window == 0:
            return ONE, ONE
        limit, room, worth = self.limit(account, now), ONE, 0
        least = limit
        for market, lots in legs.items():
            lane = self.lanes.get(market, Lane())
            if lane.limit == 0:
                continue
            free = max(0, limit - self.used(lane.back, now))
            least = min(least, free)
            allowed = lane.limit * free // self.span
            worth += lots * lane.price
            if allowed < lots:
                room = min(room, allowed * ONE // lots)
        if self.sum:
            free = max(0, limit - self.used(self.back, now))
            allowed = self.sum * USD * free // self.span
            if allowed < worth:
                room, least = min(room, allowed * ONE // worth), min(least, free)
        part = max(room, least * ONE // limit)
        return room, ONE if room == ONE else part * part // ONE

    def lots(self, account: int, market: int, lots: int, now: int) -> int:
        """How many of so many lots of one leg may be sold now, rounded down."""
        return lots * self.room(account, {market: lots}, now) // ONE

    def wait(self, account: int, legs: Mapping[int, int], fraction: int, now: int) -> int:
        """Seconds until a fraction of an account may be sold in one slice, rounded up."""
        if self.window == 0:
            return 0
        limit, longest, worth = self.limit(account, now), 0, 0
        for market, lots in legs.items():
            lane, size = self.lanes.get(market, Lane()), lots * fraction // ONE
            if lane.limit == 0:
                continue
            need = div_up(size * self.span, lane.limit)
            longest = max(longest, _until(need, self.used(lane.back, now), limit))
            worth += size * lane.price
        if self.sum:
            need = div_up(worth * self.span, self.sum * USD)
            longest = max(longest, _until(need, self.used(self.back, now), limit))
        return longest

    def consume(self, market: int, lots: int, now: int) -> int:
        """Count lots sold; returns their worth for the sum, qu."""
        lane = self.lanes.get(market, Lane())
        if self.window == 0 or lane.limit == 0:
            return 0
        more = self.used(lane.back, now) + div_up(lots * self.span, lane.limit)
        self.lanes[market] = replace(lane, back=(now * TICK + min(self.span, more)) % 2**32)
        return lots * lane.price

    def consume_sum(self, worth: int, now: int) -> None:
        """Count a sale's worth (qu) against the sum."""
        if self.window == 0 or self.sum == 0 or worth == 0:
            return
        more = self.used(self.back, now) + div_up(worth * self.span, self.sum * USD)
        self.back = (now * TICK + min(self.span, more)) % 2**32

    def claim(self, account: int, equity: int, requirement: int, now: int) -> None:
        """Claim the reserve: by a larger shortfall (qu), or one that lapsed, or its own."""
        short = requirement - equity
        if short < USD or self.window == 0:
            return
        usd = min(short // USD, 2**40 - 1)
        own = self.tag == tag_of(account)
        if own or usd > self.shortfall or self.claimed + LAPSE < now:
            self.tag, self.shortfall, self.claimed = tag_of(account), usd, now

    def waive(self, account: int) -> None:
        """The account's auction is over."""
        if self.tag == tag_of(account):
            self.tag = self.shortfall = self.claimed = 0

    def claims_word(self) -> int:
        """The word `claims` as stored."""
        return (
            self.tag
            | self.shortfall << 64
            | self.claimed << 104
            | self.back << 136
            | self.sum << 184
            | self.window << 220
            | self.reserve << 236
            | self.share << 244
        )

    def lanes_word(self, number: int) -> int:
        """Four markets' word as stored."""
        lanes = (self.lanes.get(4 * number + i, Lane()) for i in range(4))
        return sum(lane.word() << 64 * i for i, lane in enumerate(lanes))


def _until(need: int, used: int, limit: int) -> int:
    """Seconds until a part of a limit is free, rounded up; all of it where more is needed."""
    taken = used + min(need, limit)
    return 0 if taken <= limit else div_up(taken - limit, TICK)
