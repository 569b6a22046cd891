"""Executable specification of the collateral vault: outflow limiter, ramps, ledger.

Amounts are integers in token units, times unix seconds, haircuts and shares 1e-4, fractions 1e18.
The limiter's rule is stated in contracts/modules/flow_word.vy, the terms in asset_word.vy.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

ONE = 10**18  # fraction
SHARE_ONE = 10_000  # 1e-4
MAX_KEPT = 2**95 - 1
OPENING_BOUND = 8
HOLDING_BOUND = 16


class Refused(Exception):
    """A call the contract reverts; `name` is the error's name in the project's table."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def ceil_div(a: int, b: int) -> int:
    """a / b rounded up, for b > 0."""
    return -(-a // b)


@dataclass(frozen=True)
class Flow:
    """One token's kept total and limiter. `net` is net outflow as of `time`."""

    kept: int = 0
    net: int = 0
    time: int = 0
    share: int = SHARE_ONE
    window: int = 3_600
    minimum: int = 0

    def net_at(self, now: int) -> int:
        """Net outflow still counted: an outflow rounded up, a credit rounded toward zero."""
        elapsed = now - self.time
        if self.net == 0 or elapsed == 0:
            return self.net
        if elapsed >= self.window:
            return 0
        if self.net < 0:
            return -(-self.net * (self.window - elapsed) // self.window)
        released = self.net * elapsed // self.window
        if self.share < SHARE_ONE:
            per_window = (SHARE_ONE - self.share) * self.window
            released = max(released, self.kept * self.share * elapsed // per_window)
        return max(self.net - released, 0)

    def inflow(self, amount: int, now: int) -> Flow:
        """After tokens came in; nothing for 0. Refused OutOfRange over the largest total."""
        if amount == 0:
            return self
        kept = self.kept + amount
        if kept > MAX_KEPT:
            raise Refused("OutOfRange")
        return replace(self, kept=kept, net=max(self.net_at(now) - amount, -kept), time=now)

    def outflow(self, amount: int, now: int, limited: bool = True) -> Flow:
        """After tokens went out; nothing for 0. Refused VaultShort or OutflowLimit."""
        if amount == 0:
            return self
        if amount > self.kept:
            raise Refused("VaultShort")
        kept, net = self.kept - amount, self.net_at(now)
        if limited:
            net += amount
            over = net > 0 and net * SHARE_ONE > self.share * (kept + net)
            if self.share < SHARE_ONE and over and net > self.minimum:
                raise Refused("OutflowLimit")
            net = min(net, MAX_KEPT)
        return replace(self, kept=kept, net=max(net, -kept), time=now)

    def with_limit(self, share: int, window: int, minimum: int, now: int) -> Flow:
        """After governance changed the limiter: released to now by the old terms."""
        net = self.net_at(now)
        return replace(self, net=net, time=now, share=share, window=window, minimum=minimum)

    def withdrawable(self, now: int) -> int:
        """The most limited outflows may take now."""
        if self.share >= SHARE_ONE:
            return self.kept
        net = self.net_at(now)
        limit = max(self.share * (self.kept + net) // SHARE_ONE, self.minimum)
        return min(max(limit - net, 0), self.kept)


@dataclass(frozen=True)
class Cap:
    """A supply cap on its ramp: 0 at `start`, `cap` after `length` seconds."""

    cap: int
    start: int
    length: int

    def at(self, now: int) -> int:
        """The cap now, rounded down."""
        elapsed = now - self.start
        return self.cap if elapsed >= self.length else self.cap * elapsed // self.length

    def changed(self, cap: int, length: int, now: int) -> Cap:
        """Another cap: lower at once, higher along the line from zero, from what stands."""
        standing = self.at(now)
        elapsed = length * standing // cap if cap > standing else length
        return Cap(cap, now - elapsed, length)


def ramped_up(start: int, target: int, elapsed: int, length: int) -> int:
    """A haircut on its ramp, rounded up; the target once the ramp is over."""
    if elapsed >= length:
        return target
    return ceil_div(start * (length - elapsed) + target * elapsed, length)


def share_up(balance: int, fraction: int) -> int:
    """The part of a balance that a slice of `fraction` moves, rounded up."""
    return ceil_div(balance * fraction, ONE)


@dataclass
class Ledger:
    """Per-account balances; the list's order is the contract's (the last fills a gap)."""

    assets: dict[int, list[int]] = field(default_factory=dict)
    balances: dict[tuple[int, int], int] = field(default_factory=dict)

    def balance(self, account: int, asset: int) -> int:
        """Token units."""
        return self.balances.get((account, asset), 0)

    def held(self, account: int) -> list[int]:
        """Asset ids, in order."""
        return self.assets.setdefault(account, [])

    def credit(self, account: int, asset: int, amount: int, bound: int) -> None:
        """Raise a balance. Refused TooManyPositions."""
        if amount == 0:
            return
        if self.balance(account, asset) == 0:
            if len(self.held(account)) >= bound:
                raise Refused("TooManyPositions")
            self.held(account).append(asset)
        self.balances[account, asset] = self.balance(account, asset) + amount

    def debit(self, account: int, asset: int, amount: int) -> None:
        """Lower a balance. Refused InsufficientCollateral."""
        held = self.balance(account, asset)
        if amount > held:
            raise Refused("InsufficientCollateral")
        self.balances[account, asset] = held - amount
        if amount == held and amount:
            ids = self.held(account)
            place, last = ids.index(asset), ids.pop()
            if last != asset:
                ids[place] = last

    def move_share(self, sender: int, receiver: int, fraction: int) -> None:
        """Move the same share of every asset. Refused TooManyPositions (nothing moved then)."""
        moves = [(a, share_up(self.balance(sender, a), fraction)) for a in self.held(sender)]
        new = [asset for asset, _ in moves if self.balance(receiver, asset) == 0]
        if len(self.held(receiver)) + len(new) > HOLDING_BOUND:
            raise Refused("TooManyPositions")
        for asset, amount in moves:
            self.debit(sender, asset, amount)
            self.credit(receiver, asset, amount, HOLDING_BOUND)
