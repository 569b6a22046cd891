"""What a liquidator does about one account, as pure functions of numbers. Money in quote units.

    profit of a bid = value of the slice at mark - cost - gas - hedging cost

and it is sent where that reaches the least profit asked for. Moves that earn nothing by themselves
(start, end, sync, deleverage) are sent where their gas is at most `max_unpaid`, and start only
where the account could repay it. The keeper pay that the house adds is left out: it is a bonus.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from plimsoll.units import from_quote_units

ONE = 10**18
NANO = 10**9
TOK = 10**9
AUCTIONS_STOPPED = 3  # the engine's pause level
MARGIN_SHARE = 95  # per cent of its free margin that the bidder commits: prices move meanwhile


@dataclass(frozen=True)
class Policy:
    """What the operator wants. `fraction` 1e18 of an account, `hedge_bps` 1e-4 of notional."""

    min_profit: int = 0
    max_unpaid: int = 50 * 10**15
    max_fraction: int = ONE
    hedge_bps: int = 5
    slippage_bps: int = 100  # of the cost, that a bid's limit allows over the quote


@dataclass(frozen=True)
class House:
    """What all accounts share at a block. `native`: ticks (1e-9 USD) per ether; `gas_price` wei."""

    block: int
    timestamp: int
    pause: int
    gas_price: int
    native: int
    room: int | None  # the bidder's E_init - R_init; None without a bidder
    budget: int  # what keepers can be paid out of
    backers: tuple[Backer, ...] = ()


@dataclass(frozen=True)
class Curve:
    """The parts of an auction's curve that decide; see ILiquidationAuction.Curve."""

    t_one: int
    t_end: int
    max_step: int
    start_flat: int
    start_share: int
    min_requirement: int
    exec_flat: int = 0
    exec_share: int = 0
    fee: int = 0
    keeper_share: int = 0


@dataclass(frozen=True)
class Backer:
    """A standing intent as ILiquidationAuction.Intent, with its account."""

    account: int
    capacity: int
    largest: int
    premium: int
    expiry: int
    collateral: bool
    markets: int


@dataclass(frozen=True)
class Facts:
    """One account as read at this block.

    equity, requirement: as the auction counts them. `negative`: E itself is below zero. fraction,
    cost, fee: what is on sale now (0 where nothing). `initial`: E_init - R_init of the account.
    """

    account: int
    equity: int
    requirement: int
    negative: bool
    stopped: bool
    running: bool
    clock_stopped: bool
    elapsed: int
    seen: int
    x: int
    fraction: int
    cost: int
    fee: int
    auction_id: int
    perps: int
    collateral: int
    notional: int
    initial: int
    curve: Curve
    markets: int = 0  # bitmap of those held
    priority: int = 0  # seconds of clock until bids are open
    pre_fraction: int = 0  # what may be pre-liquidated now
    pre_cost: int = 0


@dataclass(frozen=True)
class Move:
    """One thing to do. kind: start, bid, pre_liquidate, fill_intent, end, sync, deleverage.

    Of a bid: `fraction` 1e18, expected; `most`, what it may become where more is on sale by the
    time it is mined (asking for what is on sale now would leave a rest and the auction running).
    """

    kind: str
    account: int
    reason: str
    fraction: int = 0
    most: int = 0
    value: int = 0
    cost: int = 0
    hedge: int = 0
    x: int = 0
    auction_id: int = 0
    with_buyer: bool = False
    backer: int = 0  # account whose intent takes the slice

    def shrunk(self, fraction: int) -> Move:
        """The same bid for less, in proportion."""
        numbers = {
            name: getattr(self, name) * fraction // self.fraction for name in ("value", "hedge")
        }
        cost = -(-self.cost * fraction // self.fraction)
        return Move(
            **{**asdict(self), **numbers, "cost": cost, "fraction": fraction, "most": fraction}
        )


@dataclass(frozen=True)
class Decision:
    """A move weighed, or no move. `profit` of a bid in quote units; others have only gas."""

    account: int
    kind: str
    go: bool
    reason: str
    equity: int
    requirement: int
    x: int = 0
    fraction: int = 0
    value: int = 0
    cost: int = 0
    gas: int = 0
    hedge: int = 0
    profit: int = 0

    def line(self) -> str:
        """One line for people."""
        parts = [
            f"account {name_of(self.account)} {self.kind}: {'yes' if self.go else 'no'}",
            f"({self.reason})",
            f"E {usd(self.equity)} R {usd(self.requirement)}",
        ]
        if self.kind in ("bid", "pre_liquidate", "fill_intent"):
            parts.append(
                f"x {self.x / NANO:.4f} fraction {self.fraction / ONE:.4f}: "
                f"value {usd(self.value)} - cost {usd(self.cost)} - gas {usd(self.gas)} "
                f"- hedge {usd(self.hedge)} = profit {usd(self.profit)} USD"
            )
        elif self.gas:
            parts.append(f"gas {usd(self.gas)} USD")
        return " ".join(parts)

    def record(self) -> dict[str, Any]:
        """The same in JSON types; money in USD as text."""
        money = ("equity", "requirement", "value", "cost", "gas", "hedge", "profit")
        return {
            "account": hex(self.account),
            "move": self.kind,
            "go": self.go,
            "reason": self.reason,
            "x": self.x / NANO,
            "fraction": self.fraction / ONE,
            **{f"{name}_usd": str(from_quote_units(getattr(self, name))) for name in money},
        }


def name_of(account: int) -> str:
    """An account id for people: owner and index."""
    return f"0x{account >> 96:040x}:{account & (2**96 - 1)}"


def usd(amount: int) -> str:
    """Quote units as dollars and cents."""
    return f"{amount / 10**15:,.2f}"


def gas_cost(gas: int, house: House) -> int:
    """Quote units for gas at the current price, rounded up."""
    return -(-gas * house.gas_price * house.native // 10**12)  # wei 1e-18, tick 1e-9, qu 1e-15


def moves(facts: Facts, house: House, policy: Policy) -> list[Move]:
    """What could be done, the best first; empty where the account is to be left alone."""
    if facts.running and facts.equity >= facts.requirement:
        return [Move("end", facts.account, "cured: E is back at R")]
    if house.pause >= AUCTIONS_STOPPED:
        return []
    if facts.stopped:
        wrong_clock = facts.running and not facts.clock_stopped
        return [Move("sync", facts.account, "stale feeds: stop the clock")] if wrong_clock else []
    if not facts.running:
        if facts.equity >= facts.requirement:
            if house.room is None or facts.pre_fraction == 0:
                return []
            return [_sized(facts, facts.pre_fraction, facts.pre_cost, house.room, policy)]
        return [Move("start", facts.account, "E is below R")]
    found = []
    if house.room is not None and facts.fraction > 0 and facts.priority == 0:
        found.append(_sized(facts, facts.fraction, facts.cost, house.room, policy))
    found += _fills(facts, house)
    if exhausted(facts):
        sells = facts.collateral > 0
        if not sells or house.room is not None:
            text = "nobody took it before the curve ran out"
            found.append(Move("deleverage", facts.account, text, with_buyer=sells))
    elif sync_due(facts, house.timestamp):
        found.append(Move("sync", facts.account, "the clock counts only what is synced"))
    return found


def exhausted(facts: Facts) -> bool:
    """Whether only deleveraging is left, by the auction's own rule."""
    if facts.perps == 0 and (facts.collateral == 0 or not facts.negative):
        return facts.collateral == 0  # a covered loan has nothing to close
    solvent_perps = not facts.negative and facts.collateral * 100 <= facts.requirement
    return facts.elapsed >= (facts.curve.t_one if solvent_perps else facts.curve.t_end)


def sync_due(facts: Facts, now: int) -> bool:
    """Whether the clock would lose time: an interval without a sync counts `max_step` at most."""
    if facts.clock_stopped:
        return True
    waited = now - facts.seen
    return waited * 10 >= facts.curve.max_step * 8 and facts.elapsed < facts.curve.t_end


def _fills(facts: Facts, house: House) -> list[Move]:
    """Intents that the clock has come to and that take this account, the cheapest first.

    The executor gains its pay alone: of the R sold, at most the keepers' part of the fee, what
    there is.
    """
    if facts.fraction == 0:
        return []
    curve, found = facts.curve, []
    for one in sorted(house.backers, key=lambda one: (one.premium, one.account)):
        fits = facts.requirement <= one.largest * TOK and not facts.markets & ~one.markets
        if (
            one.premium > facts.x
            or one.expiry < house.timestamp
            or not fits
            or one.account == facts.account
            or (facts.collateral * 100 > facts.requirement and not one.collateral)
        ):
            continue
        fraction = min(facts.fraction, one.capacity * TOK * ONE // facts.requirement)
        sold, pay = facts.requirement * fraction // ONE, 0
        if sold >= curve.min_requirement * TOK:
            pay = curve.exec_flat * TOK + sold * curve.exec_share // NANO
        budget = house.budget
        if facts.cost > 0:
            kept = sold * curve.fee // NANO * curve.keeper_share // 10_000
            pay, budget = min(pay, kept), budget + kept  # the fee comes in before the pay goes out
        found.append(
            Move(
                "fill_intent",
                facts.account,
                f"intent of {name_of(one.account)}",
                fraction=fraction,
                value=min(pay, budget),
                x=facts.x,
                backer=one.account,
            )
        )
    return found


def _sized(facts: Facts, on_sale: int, cost: int, room: int, policy: Policy) -> Move:
    """The largest slice that is on sale, wanted and affordable: a bid, or a pre-liquidation."""
    fraction, most = min(on_sale, policy.max_fraction), policy.max_fraction
    reason = "all that is on sale" if fraction == on_sale else "the most wanted"
    # One whole account costs `whole` and takes -initial of the bidder's free margin, at most.
    whole = cost * ONE // on_sale
    need = whole - facts.initial
    if need > 0:
        affordable = room * ONE * MARGIN_SHARE // (need * 100)
        most = max(0, min(most, affordable))
        if affordable < fraction:
            fraction, reason = max(0, affordable), "what the bidder's own margin bears"
    full = Move(
        "bid" if facts.running else "pre_liquidate",
        facts.account,
        reason,
        fraction=on_sale,
        most=most,
        value=facts.equity * on_sale // ONE,
        cost=cost,
        hedge=-(-facts.notional * on_sale * policy.hedge_bps // (ONE * 10_000)),
        x=facts.x,
        auction_id=facts.auction_id,
    )
    return full.shrunk(fraction) if fraction != on_sale else full


def cost_limit(move: Move, policy: Policy) -> int:
    """The most a bid may be charged: the quote, some slippage, and rounding to whole lots."""
    return move.cost + abs(move.cost) * policy.slippage_bps // 10_000 + 10**12


def weigh(move: Move, gas: int, facts: Facts, house: House, policy: Policy) -> Decision:
    """Whether the move is worth its gas (units of gas)."""
    spent = gas_cost(gas, house)
    common: dict[str, Any] = {
        "account": move.account,
        "kind": move.kind,
        "equity": facts.equity,
        "requirement": facts.requirement,
        "gas": spent,
    }
    if move.kind in ("bid", "pre_liquidate", "fill_intent"):
        profit = move.value - move.cost - spent - move.hedge
        # Who fills an intent risks its gas alone.
        least = 0 if move.kind == "fill_intent" else policy.min_profit
        go = move.fraction > 0 and profit >= least
        reason = move.reason
        if move.fraction == 0:
            reason = "skipped: the bidder's own margin bears nothing"
        elif not go:
            reason = f"skipped: profit under the least asked for, {usd(least)} USD"
        return Decision(
            **common,
            go=go,
            reason=reason,
            x=move.x,
            fraction=move.fraction,
            value=move.value,
            cost=move.cost,
            hedge=move.hedge,
            profit=profit,
        )
    if spent > policy.max_unpaid:
        text = f"skipped: gas over the most spent unpaid, {usd(policy.max_unpaid)} USD"
        return Decision(**common, go=False, reason=text)
    if move.kind == "start" and spent > (most := _repayment(facts, house)):
        text = f"skipped: the account can repay {usd(most)} USD at most"
        return Decision(**common, go=False, reason=text)
    return Decision(**common, go=True, reason=move.reason)


def _repayment(facts: Facts, house: House) -> int:
    """The most that whoever starts can get back: R as a bidder at x = 1, and starter's pay."""
    curve, pay = facts.curve, 0
    if facts.requirement >= curve.min_requirement * TOK:
        pay = curve.start_flat * TOK + facts.requirement * curve.start_share // NANO
    return facts.requirement + min(pay, house.budget)


def idle(facts: Facts, house: House) -> Decision:
    """The decision to do nothing, with why."""
    if house.pause >= AUCTIONS_STOPPED:
        reason = f"auctions are stopped (pause level {house.pause})"
    elif facts.stopped:
        reason = "stale or halted feeds carry over a tenth of R: the clock stands"
    elif facts.equity >= facts.requirement:
        reason = "healthy"
    elif house.room is None:
        reason = "in auction; no bidder's account is set"
    else:
        reason = "in auction; nothing to do yet"
    return Decision(
        facts.account, "wait", False, reason, facts.equity, facts.requirement, x=facts.x
    )


def refused(move: Move, facts: Facts, reason: str) -> Decision:
    """A move that the chain would revert, or that must wait."""
    return Decision(
        move.account,
        move.kind,
        False,
        reason,
        facts.equity,
        facts.requirement,
        x=move.x,
        fraction=move.fraction,
        value=move.value,
        cost=move.cost,
        hedge=move.hedge,
    )
