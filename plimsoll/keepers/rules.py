"""What a liquidator does about one account, as pure functions of numbers. Money in quote units.

    profit = value of what is taken at mark - cost - gas - hedging cost + keeper's pay

Of the moves that pay (bids for slices and legs, pre-liquidations, others' intents) the one with the
largest profit is made, where that reaches the least asked for. Moves that are needed and earn
nothing by themselves (start, end, sync, deleverage, release_intent) are made where their gas less
the keeper's pay is at most `max_unpaid`, and start only where the account could repay it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from plimsoll.keepers.decisions import (
    NANO,
    ONE,
    TOK,
    Decision,
    Facts,
    House,
    LegOffer,
    Move,
    Policy,
    name_of,
    usd,
)

AUCTIONS_STOPPED = 3  # the engine's pause level
MARGIN_SHARE = 95  # per cent of its free margin that the bidder commits: prices move meanwhile
MILLION = 10**21  # quote units of a million USD
DEFICIT_STEP = 10**16  # quote units: a noted deficit is brought up to date from this change on,
DEFICIT_SHARE = 10  # and from this part of it on


# -- what could be done


def moves(facts: Facts, house: House, policy: Policy) -> list[Move]:
    """What could be done; of those that pay the best counts, then the others in this order."""
    if facts.running and facts.equity >= facts.requirement:
        return [Move("end", facts.account, "cured: E is back at R")]
    if house.pause >= AUCTIONS_STOPPED or facts.stopped:
        return _while_stopped(facts, house)
    if not facts.running:
        return _before_auction(facts, house, policy)
    found = []
    if house.room is not None and facts.priority == 0:
        if facts.fraction > 0:
            found.append(_sized(facts, facts.fraction, facts.cost, house.room, policy))
        found += [_leg(facts, one, house.room) for one in facts.legs if one.lots > 0]
    found += _fills(facts, house)
    if exhausted(facts):
        sells = facts.collateral > 0 and facts.negative
        if not sells or house.room is not None:
            text = "nobody took it before the curve ran out"
            move = Move("deleverage", facts.account, text, sold=facts.requirement)
            found.append(replace(move, with_buyer=sells))
    elif sync_due(facts, house.timestamp):
        found.append(Move("sync", facts.account, "the clock counts only what is synced"))
    elif deficit_moved(facts):
        found.append(Move("sync", facts.account, "its deficit is not the one noted"))
    return found


def _while_stopped(facts: Facts, house: House) -> list[Move]:
    """Feeds are stale or auctions paused: the clock is stopped, once, and deficits are noted."""
    if not facts.running:
        return _release(facts, house)
    if not facts.clock_stopped:
        paused = house.pause >= AUCTIONS_STOPPED
        text = f"{'auctions are paused' if paused else 'stale feeds'}: stop the clock"
        return [Move("sync", facts.account, text)]
    if deficit_moved(facts):
        return [Move("sync", facts.account, "its deficit is not the one noted")]
    return []


def _before_auction(facts: Facts, house: House, policy: Policy) -> list[Move]:
    if facts.equity < facts.requirement:
        return [Move("start", facts.account, "E is below R")]
    if house.room is not None and facts.pre_fraction:
        return [_sized(facts, facts.pre_fraction, facts.pre_cost, house.room, policy)]
    return _release(facts, house)


def _release(facts: Facts, house: House) -> list[Move]:
    """An account frozen for nothing: its intent has expired, or a replaced auction has left it."""
    own = next((one for one in house.backers if one.account == facts.account), None)
    if own is not None:
        expired = own.expiry < house.timestamp
        move = Move("release_intent", facts.account, "its intent has expired")
        return [move] if expired else []
    if facts.frozen and facts.equity >= facts.requirement:
        return [Move("end", facts.account, "left frozen by an auction since replaced")]
    return []


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


def deficit_moved(facts: Facts) -> bool:
    """Whether the deficit noted, which withdrawals and redemptions go by, is out of date."""
    change = abs(facts.deficit - facts.noted)
    return change >= DEFICIT_STEP and change * DEFICIT_SHARE >= max(facts.deficit, facts.noted)


def _fills(facts: Facts, house: House) -> list[Move]:
    """Intents that the clock has come to and that take this account, the cheapest first."""
    if facts.fraction == 0:
        return []
    found = []
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
        sold = facts.requirement * fraction // ONE
        found.append(
            Move(
                "fill_intent",
                facts.account,
                f"intent of {name_of(one.account)}",
                fraction=fraction,
                sold=sold,
                fee=sold * facts.curve.fee // NANO if facts.cost > 0 else 0,
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
    sold = facts.requirement * on_sale // ONE
    full = Move(
        "bid" if facts.running else "pre_liquidate",
        facts.account,
        reason,
        fraction=on_sale,
        most=most,
        sold=sold,
        value=facts.equity * on_sale // ONE,
        cost=cost,
        fee=sold * facts.curve.fee // NANO if cost > 0 else 0,
        x=facts.x,
        auction_id=facts.auction_id,
    )
    return full.shrunk(fraction) if fraction != on_sale else full


def _leg(facts: Facts, one: LegOffer, room: int) -> Move:
    """As much of a leg as the bidder's margin bears: it is taken at mark and brings its premium."""
    full = Move(
        "bid_leg",
        facts.account,
        "the most of this leg",
        lots=one.lots,
        market=one.market,
        notional=one.notional,
        sold=one.removed,
        cost=one.cost,
        fee=one.fee,
        x=facts.x,
        auction_id=facts.auction_id,
    )
    if one.need <= 0:
        return full
    affordable = max(0, room * one.lots * MARGIN_SHARE // (one.need * 100))
    if affordable >= one.lots:
        return full
    return replace(full.shrunk(affordable), reason="what the bidder's own margin bears")


def cost_limit(move: Move, policy: Policy) -> int:
    """The most a bid may be charged: the quote, some slippage, and rounding to whole lots."""
    return move.cost + abs(move.cost) * policy.slippage_bps // 10_000 + 10**12


def of_house(house: House) -> list[Move]:
    """What the house as a whole needs: the redemptions' clock to see what income has changed."""
    if house.held_up == house.clock_stands:
        return []
    text = "a deficit holds redemptions up" if house.held_up else "redemptions are free again"
    return [Move("fund_sync", 0, f"{text}: their clock has to see it")]


# -- what it is worth


def gas_cost(gas: int, house: House) -> int:
    """Quote units for gas at the current price, rounded up."""
    return -(-gas * house.gas_price * house.native // 10**12)  # wei 1e-18, tick 1e-9, qu 1e-15


def hedge_cost(move: Move, facts: Facts, policy: Policy) -> int:
    """Quote units to hedge what the move takes; each market's own impact counts."""
    if move.kind == "fill_intent":
        return 0  # it is the backer who takes the slice
    parts = facts.parts or (facts.notional,)
    taken = [move.notional]
    if move.kind != "bid_leg":
        taken = [part * move.fraction // ONE for part in parts]
    rates = (policy.hedge_bps * MILLION + policy.impact_bps * part for part in taken)
    return sum(
        -(-part * rate // (10_000 * MILLION)) for part, rate in zip(taken, rates, strict=True)
    )


def keeper_pay(move: Move, facts: Facts, house: House) -> int:
    """What the house pays whoever makes this move; the starter's part where that is this keeper."""
    curve = facts.curve
    if move.sold < curve.min_requirement * TOK:
        return 0
    due = curve.exec_flat * TOK + move.sold * curve.exec_share // NANO
    if facts.starter and facts.starter == house.sender and move.kind != "pre_liquidate":
        due += curve.start_flat * TOK + move.sold * curve.start_share // NANO
    if move.fee:
        return min(due, move.fee * curve.keeper_share // 10_000)  # it comes in before it goes out
    return min(due, house.budget)


def gain(move: Move, facts: Facts, house: House, policy: Policy) -> int:
    """What a move comes to before its gas."""
    pay = keeper_pay(move, facts, house)
    return move.value - move.cost - hedge_cost(move, facts, policy) + pay


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
    if move.paid:
        return _weigh_paid(move, common, facts, house, policy)
    pay = keeper_pay(move, facts, house) if move.kind == "deleverage" else 0
    common["pay"] = pay
    if spent - pay > policy.max_unpaid:
        text = f"skipped: gas over the most spent unpaid, {usd(policy.max_unpaid)} USD"
        return Decision(**common, go=False, reason=text)
    if move.kind == "start" and spent > (most := _repayment(facts, house)):
        text = f"skipped: the account can repay {usd(most)} USD at most"
        return Decision(**common, go=False, reason=text)
    return Decision(**common, go=True, reason=move.reason)


def _weigh_paid(
    move: Move, common: dict[str, Any], facts: Facts, house: House, policy: Policy
) -> Decision:
    profit = gain(move, facts, house, policy) - common["gas"]
    # Who fills an intent risks its gas alone.
    least = 0 if move.kind == "fill_intent" else policy.min_profit
    go = move.size > 0 and profit >= least
    reason = move.reason
    if move.size == 0:
        reason = "skipped: the bidder's own margin bears nothing"
    elif not go:
        reason = f"skipped: profit under the least asked for, {usd(least)} USD"
    return Decision(
        **common,
        **_terms(move),
        go=go,
        reason=reason,
        hedge=hedge_cost(move, facts, policy),
        pay=keeper_pay(move, facts, house),
        profit=profit,
    )


def _terms(move: Move) -> dict[str, Any]:
    return {
        "x": move.x,
        "fraction": move.fraction,
        "market": move.market if move.kind == "bid_leg" else None,
        "lots": move.lots,
        "value": move.value,
        "cost": move.cost,
    }


def _repayment(facts: Facts, house: House) -> int:
    """The most that whoever starts can get back: R as a bidder at x = 1, and starter's pay."""
    curve, pay = facts.curve, 0
    if facts.requirement >= curve.min_requirement * TOK:
        pay = curve.start_flat * TOK + facts.requirement * curve.start_share // NANO
    return facts.requirement + min(pay, house.budget)


# -- what is told


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
    elif facts.wait and facts.fraction == 0:
        reason = f"in auction; the sale limiter lets all of it go in {facts.wait} s"
    else:
        reason = "in auction; nothing to do yet"
    return Decision(
        facts.account, "wait", False, reason, facts.equity, facts.requirement, x=facts.x
    )


def weigh_house(move: Move, gas: int, house: House, policy: Policy) -> Decision:
    """Whether a move of the house is worth its gas (units of gas)."""
    spent, least = gas_cost(gas, house), policy.max_unpaid
    reason = move.reason
    if spent > least:
        reason = f"skipped: gas over the most spent unpaid, {usd(least)} USD"
    market = move.market if move.kind == "refresh_flow" else None
    return Decision(0, move.kind, spent <= least, reason, 0, 0, market=market, gas=spent)


def refused(move: Move, facts: Facts, reason: str) -> Decision:
    """A move that the chain would revert, or that must wait."""
    return Decision(
        account=move.account,
        kind=move.kind,
        go=False,
        reason=reason,
        equity=facts.equity,
        requirement=facts.requirement,
        **_terms(move),
    )
