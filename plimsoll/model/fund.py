"""Executable specification of the insurance fund: shares, drip, redemption clock, payout caps.

`assets` are token units, `shares` 1e-12 of a share, `_qu` quote units (1e9 to a token unit), times
unix seconds, caps 1e-4. What lies in the engine's bucket is passed in or changed by the caller
(`bucket_qu`), as the contract reads it from the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

from plimsoll.model.accounts import LOANS
from plimsoll.model.vault import Refused, ceil_div

TOKEN = 10**9  # qu of one token unit
VIRTUAL_SHARES = 10**6
MAX_ASSETS = 10**18  # token units
SCALE = 10_000
BUDGET_WINDOW = 86_400
MAX_ASKED = 2**96 - 1  # qu; no bucket is larger


@dataclass
class Request:
    """A redemption request: shares in escrow, and when its window opens and has closed.

    Both in seconds of the redemptions' clock, which stands while a deficit holds them up.
    """

    shares: int = 0
    ready: int = 0
    closes: int = 0


@dataclass(frozen=True)
class Grant:
    """A market's part of a draw: its share of what was asked and what it grants, qu."""

    market: int
    asked: int
    granted: int


@dataclass
class Terms:
    """What governance sets, at the contract's starting values."""

    per_event: int = 5_000
    per_window: int = 8_000
    per_market: int = 6_000
    window: int = 86_400
    budget_target: int = 10_000 * 10**15
    budget_share: int = 500
    drip_period: int = 7 * 86_400
    cooldown: int = 7 * 86_400
    exit_window: int = 2 * 86_400
    deficit_tolerance: int = 50


@dataclass
class Fund:
    """The fund and the engine's fund and keeper buckets."""

    terms: Terms = field(default_factory=Terms)
    bucket_qu: int = 0  # the engine's, now
    keeper_qu: int = 0
    deficit_qu: int = 0
    known_qu: int = 0  # the bucket as last seen
    locked_qu: int = 0
    drip_start: int = 0
    drip_end: int = 0
    supply: int = 0
    shares: dict[str, int] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    window_start: int = -1
    window_base: int = 0
    window_used: int = 0
    windows: int = 0  # begun so far
    market_used: dict[int, int] = field(default_factory=dict)  # in the running window
    market_words: dict[int, tuple[int, int]] = field(default_factory=dict)  # window, used in it
    budget_start: int = 0
    budget_used: int = 0
    stood: int = 0  # seconds the redemptions' clock stood before
    since: int = 0  # since when it stands, 0 while it runs

    def copy(self) -> Fund:
        """A copy that later changes do not reach."""
        other = replace(
            self,
            shares=dict(self.shares),
            market_used=dict(self.market_used),
            market_words=dict(self.market_words),
        )
        other.requests = {owner: replace(one) for owner, one in self.requests.items()}
        return other

    # -- drip

    def seen(self, now: int) -> tuple[int, int]:
        """Undripped income (qu) and the drip's end, what is unseen so far included."""
        left = max(self.drip_end - now, 0)
        locked, end = 0, self.drip_end
        if left:
            locked = ceil_div(self.locked_qu * left, self.drip_end - self.drip_start)
        if self.bucket_qu > self.known_qu:
            income = self.bucket_qu - self.known_qu
            weighed = locked * left + income * self.terms.drip_period
            locked += income
            end = now + ceil_div(weighed, locked)
        else:
            locked = max(locked - (self.known_qu - self.bucket_qu), 0)
        return locked, end

    def total_assets(self, now: int) -> int:
        """Token units behind the shares, rounded down."""
        return (self.bucket_qu - self.seen(now)[0]) // TOKEN

    def sync(self, now: int) -> int:
        """Book the bucket's changes; returns the assets."""
        self.observe(now)
        self.locked_qu, end = self.seen(now)
        self.known_qu = self.bucket_qu
        # Where nothing is undripped no time is kept.
        self.drip_start, self.drip_end = (now, max(end, now)) if self.locked_qu else (0, 0)
        return (self.known_qu - self.locked_qu) // TOKEN

    # -- shares

    def shares_floor(self, assets: int, total: int) -> int:
        """Assets -> shares, down."""
        return assets * (self.supply + VIRTUAL_SHARES) // (total + 1)

    def shares_up(self, assets: int, total: int) -> int:
        """Assets -> shares, up."""
        return ceil_div(assets * (self.supply + VIRTUAL_SHARES), total + 1)

    def assets_floor(self, shares: int, total: int) -> int:
        """Shares -> assets, down."""
        return shares * (total + 1) // (self.supply + VIRTUAL_SHARES)

    def assets_up(self, shares: int, total: int) -> int:
        """Shares -> assets, up."""
        return ceil_div(shares * (total + 1), self.supply + VIRTUAL_SHARES)

    def deposit(self, owner: str, assets: int, now: int) -> int:
        """Returns the shares. Refused ZeroAmount, NoShares, OutOfRange."""
        total = self.sync(now)
        shares = self.shares_floor(assets, total)
        self._enter(owner, assets, shares, total)
        return shares

    def mint(self, owner: str, shares: int, now: int) -> int:
        """Returns the assets paid. Refused as deposit."""
        total = self.sync(now)
        assets = self.assets_up(shares, total)
        self._enter(owner, assets, shares, total)
        return assets

    def _enter(self, owner: str, assets: int, shares: int, total: int) -> None:
        if assets == 0:
            raise Refused("ZeroAmount")
        if shares == 0:
            raise Refused("NoShares")
        if assets > max(MAX_ASSETS - total, 0):
            raise Refused("OutOfRange")
        self._move(assets * TOKEN)
        self.supply += shares
        self.shares[owner] = self.shares.get(owner, 0) + shares

    def _move(self, qu: int) -> None:
        self.known_qu += qu
        self.bucket_qu += qu

    # -- the redemptions' clock

    def observe(self, now: int) -> None:
        """Stop or start the clock by whether a deficit holds redemptions up."""
        held_up = self.deficit_open()
        if held_up == (self.since != 0):
            return
        self.stood, self.since = self.stood_by(now), now if held_up else 0

    def stood_by(self, now: int) -> int:
        """Seconds the clock has stood until now."""
        return self.stood + (now - self.since if self.since else 0)

    # -- redemptions

    def request(self, owner: str, shares: int, now: int) -> None:
        """Refused ZeroAmount, NoShares."""
        if shares == 0:
            raise Refused("ZeroAmount")
        if shares > self.shares.get(owner, 0):
            raise Refused("NoShares")
        self.observe(now)
        held = self.requests.get(owner, Request()).shares
        ready = now - self.stood_by(now) + self.terms.cooldown
        self.requests[owner] = Request(held + shares, ready, ready + self.terms.exit_window)
        self.shares[owner] -= shares

    def request_of(self, owner: str, now: int) -> Request:
        """A request in real time: as it is if the clock runs on from now."""
        found, stood = self.requests.get(owner, Request()), self.stood_by(now)
        if found == Request():
            return found
        return Request(found.shares, found.ready + stood, found.closes + stood)

    def cancel(self, owner: str, now: int) -> None:
        """Refused NoShares."""
        self.observe(now)
        held = self.requests.get(owner, Request()).shares
        if held == 0:
            raise Refused("NoShares")
        self.requests[owner] = Request()
        self.shares[owner] = self.shares.get(owner, 0) + held

    def deficit_open(self) -> bool:
        """Whether an open deficit exceeds the tolerated share of the bucket."""
        return self.deficit_qu > self.bucket_qu * self.terms.deficit_tolerance // SCALE

    def less_deficit(self, total: int) -> int:
        """Assets that redeemed shares are worth a part of: an open deficit counts as paid."""
        return max(total - ceil_div(self.deficit_qu, TOKEN), 0)

    def max_redeem(self, owner: str, now: int) -> int:
        """Shares redeemable now."""
        request = self.requests.get(owner, Request())
        if self.deficit_open() or not request.ready <= now - self.stood_by(now) < request.closes:
            return 0
        return request.shares

    def redeem(self, owner: str, shares: int, now: int) -> int:
        """Returns the assets. Refused ZeroAmount, DeficitOpen, Cooldown, NoShares."""
        assets = self.assets_floor(shares, self.less_deficit(self.sync(now)))
        self._leave(owner, assets, shares, now)
        return assets

    def withdraw(self, owner: str, assets: int, now: int) -> int:
        """Returns the shares burnt. Refused as redeem."""
        shares = self.shares_up(assets, self.less_deficit(self.sync(now)))
        self._leave(owner, assets, shares, now)
        return shares

    def _leave(self, owner: str, assets: int, shares: int, now: int) -> None:
        request = self.requests.get(owner, Request())
        if assets == 0:
            raise Refused("ZeroAmount")
        if self.deficit_open():
            raise Refused("DeficitOpen")
        if not request.ready <= now - self.stood_by(now) < request.closes:
            raise Refused("Cooldown")
        if shares > request.shares:
            raise Refused("NoShares")
        request.shares -= shares
        self.supply -= shares
        self._move(-assets * TOKEN)

    # -- income, keepers, payouts

    def sponsor(self, assets: int, now: int) -> None:
        """Income given. Refused ZeroAmount, OutOfRange."""
        if assets == 0:
            raise Refused("ZeroAmount")
        if assets > max(MAX_ASSETS - self.sync(now), 0):
            raise Refused("OutOfRange")
        self.bucket_qu += assets * TOKEN
        self.sync(now)

    def fund_budget(self, amount_qu: int, now: int) -> int:
        """Returns qu moved to keepers. Refused NothingToDo."""
        self.sync(now)
        used = self.budget_used if now < self.budget_start + BUDGET_WINDOW else 0
        moved = min(
            amount_qu,
            self.locked_qu,
            max(self.terms.budget_target - self.keeper_qu, 0),
            max(self.known_qu * self.terms.budget_share // SCALE - used, 0),
        )
        if moved == 0:
            raise Refused("NothingToDo")
        if now >= self.budget_start + BUDGET_WINDOW:
            self.budget_start = now
        self.budget_used = used + moved
        self.locked_qu -= moved
        self._move(-moved)
        self.keeper_qu += moved
        return moved

    def draw(self, parts: Sequence[tuple[int, int]], amount_qu: int, now: int) -> list[Grant]:
        """What each market with a share of the amount grants.

        `parts`: (market, weight in qu), markets rising, LOANS last. The caller moves the money out
        of `bucket_qu`. Books no income. Refused BadArgument.
        """
        if not any(weight for _, weight in parts):
            parts = [(LOANS, 1)]
        if any(first[0] >= second[0] for first, second in pairwise(parts)):
            raise Refused("BadArgument")
        if self._window_over(now):
            self.window_start, self.window_base, self.window_used = now, self.bucket_qu, 0
            self.market_used = {}
            self.windows += 1
        shares = _cut(min(amount_qu, MAX_ASKED), [weight for _, weight in parts])
        grants = [
            Grant(market, share, min(share, self._market_room(market)))
            for (market, _), share in zip(parts, shares, strict=True)
            if share
        ]
        limit = self._limit()
        if sum(grant.granted for grant in grants) > limit:
            cuts = _cut(limit, [grant.granted for grant in grants])
            grants = [replace(g, granted=cut) for g, cut in zip(grants, cuts, strict=True)]
        for grant in grants:
            self.window_used += grant.granted
            used = self.market_used.get(grant.market, 0)
            self.market_used[grant.market] = used + grant.granted
            if grant.granted:
                self.market_words[grant.market] = (self.windows, used + grant.granted)
        return grants

    def drawable(self, market: int, now: int) -> int:
        """The most that a draw under one market alone would grant, qu."""
        fund = self
        if self._window_over(now):
            fund = Fund(self.terms, bucket_qu=self.bucket_qu, window_base=self.bucket_qu)
        return min(fund._limit(), fund._market_room(market))

    def _window_over(self, now: int) -> bool:
        return self.window_start < 0 or now >= self.window_start + self.terms.window

    def _limit(self) -> int:
        return min(
            self.bucket_qu * self.terms.per_event // SCALE,
            max(self.window_base * self.terms.per_window // SCALE - self.window_used, 0),
        )

    def _market_room(self, market: int) -> int:
        cap = self.window_base * self.terms.per_market // SCALE
        return max(cap - self.market_used.get(market, 0), 0)


def exposure_words(parts: Sequence[tuple[int, int]]) -> list[int]:
    """(market, weight in qu) pairs as the engine's `exposures` packs them."""
    return [market << 128 | weight for market, weight in parts]


def _cut(amount: int, weights: Sequence[int]) -> list[int]:
    """The amount cut at the sums of the weights, each cut rounded down; the parts add up to it."""
    total = sum(weights)
    cuts = [amount * upto // total for upto in accumulate(weights)]
    return [upto - before for before, upto in pairwise([0, *cuts])]
