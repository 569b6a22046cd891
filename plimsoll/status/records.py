"""What is known of the waterfall as JSON: `ape run status --json`.

Every key is there in every state, None where there is nothing to say. Money is decimal text in USD,
shares and fractions decimal text (1 is the whole), times unix seconds, accounts hex ids.
"""

from __future__ import annotations

from typing import Any

from plimsoll.keepers import rules
from plimsoll.keepers.decisions import ONE, name_of
from plimsoll.keepers.facts import markets_of
from plimsoll.keepers.flow import Lane
from plimsoll.model.sale_limiter import LAPSE, USD, tag_of
from plimsoll.status.verdicts import (
    PAUSES,
    auction_stage,
    errands,
    identities,
    standing_why,
)
from plimsoll.status.views import (
    LOANS,
    AccountView,
    AuctionView,
    Band,
    EventView,
    FundView,
    IntentView,
    RedemptionView,
    SideView,
    Snapshot,
)
from plimsoll.units import from_lots, from_quote_units, from_ticks, from_token_units, from_units

SCHEMA = 1
STATUSES = {0: "open", 1: "no_new_risk", 2: "reduce_only", 3: "wound_down"}
STATES = {0: "OK", 1: "DEGRADED", 2: "STALE", 3: "HALTED"}
# Fields of events by their unit; the others are plain.
_MONEY = {"deficit", "from_fund", "charged", "socialised", "amount", "owed", "pot"}
_SIZES, _PRICES, _ACCOUNTS = {"lots", "of"}, {"per_lot", "price"}, {"account"}


def record(snapshot: Snapshot, worst: int = 10) -> dict[str, Any]:
    """Everything in JSON types; the `worst` accounts one by one, all in their bands' sums."""
    names = {market.market: market.name for market in snapshot.markets}
    return {
        "schema": SCHEMA,
        "chain_id": snapshot.chain_id,
        "engine": snapshot.engine,
        "block": snapshot.block,
        "timestamp": snapshot.now,
        "pause": {"level": snapshot.pause, "text": PAUSES.get(snapshot.pause, "paused")},
        "identities": [
            {"name": one.name, "holds": one.holds, "text": one.text} for one in identities(snapshot)
        ],
        "errands": [
            {
                "account": hex(one.account) if one.account else None,
                "call": one.call,
                "why": one.why,
            }
            for one in errands(snapshot)
        ],
        "terms": _terms_record(snapshot.curve),
        "accounts": {
            "known": snapshot.known,
            "idle": snapshot.idle,
            "unreadable": [
                {"account": hex(one), "why": why}
                for one, why in sorted(snapshot.unreadable.items())
            ],
            "bands": [_band_record(band, snapshot) for band in Band],
            "worst": [_account_record(one, snapshot) for one in worst_of(snapshot, worst)],
        },
        "auctions": [_auction_record(one, snapshot, names) for one in snapshot.auctions],
        "sale_limiter": _limiter_record(snapshot, names),
        "intents": [_intent_record(one, snapshot, names) for one in snapshot.intents],
        "fund": _fund_record(snapshot.fund, snapshot, names),
        "deficits": _deficits_record(snapshot),
        "deleveraging": {
            "first_block": snapshot.first_block,
            "last_block": snapshot.block,
            "sides": [_side_record(one, names) for one in snapshot.sides],
            "events": [_event_record(one, names) for one in snapshot.events],
        },
        "markets": [
            {
                "id": one.market,
                "name": one.name,
                "mark_usd": f"{from_ticks(one.mark):f}",
                "open_interest": f"{from_lots(one.open_interest):f}",
                "unrealised_usd": _usd(one.unrealised),
                "status": STATUSES.get(one.status, str(one.status)),
                "feed": STATES.get(one.state, str(one.state)),
            }
            for one in snapshot.markets
        ],
    }


def worst_of(snapshot: Snapshot, count: int) -> list[AccountView]:
    """So many accounts that require anything or owe, by E / R, the lowest first."""
    order = list(Band)
    return sorted(
        (one for one in snapshot.accounts if one.requirement or one.value < 0),
        key=lambda one: (order.index(one.band), one.health, one.account),
    )[:count]


def _terms_record(curve: Any) -> dict[str, Any]:
    return {
        "x_start": _nano(curve.x_start),
        "x_max": _nano(curve.x_max),
        "one_s": curve.t_one,
        "end_s": curve.t_end,
        "max_step_s": curve.max_step,
        "priority_s": curve.priority,
        "buffer": _nano(curve.buffer),
        "pre_band": _nano(curve.pre_band),
        "intent_margin": _nano(curve.intent_margin),
        "charge_cap": _nano(curve.charge_cap),
        "charge_window_s": curve.charge_window,
    }


def _band_record(band: Band, snapshot: Snapshot) -> dict[str, Any]:
    held = [one for one in snapshot.accounts if one.band == band]
    running = {one.facts.account for one in snapshot.auctions}
    asked = {one.account for one in snapshot.consents if one.until >= snapshot.now}
    return {
        "band": band.value,
        "count": len(held),
        "in_auction": sum(one.account in running for one in held),
        "pre_liquidation": sum(one.account in asked for one in held),
        "equity_usd": _usd(sum(one.value for one in held)),
        "requirement_usd": _usd(sum(one.requirement for one in held)),
    }


def _account_record(one: AccountView, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "account": hex(one.account),
        "name": name_of(one.account),
        "band": one.band.value,
        "health": f"{one.equity / one.requirement:.6f}" if one.requirement else None,
        "equity_usd": _usd(one.equity),
        "requirement_usd": _usd(one.requirement),
        "free_usd": _usd(one.free),
        "collateral_usd": _usd(one.collateral),
        "perps": one.perps,
        "frozen": one.frozen,
        "why": standing_why(one, snapshot),
    }


def _auction_record(
    auction: AuctionView, snapshot: Snapshot, names: dict[int, str]
) -> dict[str, Any]:
    facts = auction.facts
    stage, why = auction_stage(auction, snapshot)
    stands = facts.stopped or snapshot.pause >= rules.AUCTIONS_STOPPED
    return {
        "account": hex(facts.account),
        "name": name_of(facts.account),
        "number": auction.number,
        "id": hex(facts.auction_id),
        "curve_version": auction.version,
        "starter": auction.starter if int(auction.starter, 16) else None,
        "stage": stage,
        "why": why,
        "x": _nano(facts.x),
        "equity_usd": _usd(facts.equity),
        "requirement_usd": _usd(facts.requirement),
        "fraction": f"{from_units(facts.fraction, -18):f}",
        "value_usd": _usd(facts.equity * facts.fraction // ONE),
        "cost_usd": _usd(facts.cost),
        "fee_usd": _usd(facts.fee),
        "deficit_usd": _usd(auction.deficit),
        "markets": [names.get(one, str(one)) for one in markets_of(facts.markets)],
        "collateral_usd": _usd(facts.collateral),
        "elapsed_s": facts.elapsed,
        "held_s": facts.held,
        "to_one_s": max(0, facts.curve.t_one - facts.elapsed + facts.held),
        "to_end_s": max(0, facts.curve.t_end - facts.elapsed),
        "clock_stopped": bool(facts.clock_stopped or stands),
        "synced_ago_s": max(0, snapshot.now - facts.seen),
        "priority_s": facts.priority,
        "throughput_wait_s": facts.wait,
    }


def _limiter_record(snapshot: Snapshot, names: dict[int, str]) -> dict[str, Any]:
    flow = snapshot.flow
    running = (one.facts.account for one in snapshot.auctions)
    holder = next((one for one in running if tag_of(one) == flow.tag), None)
    left = flow.sum * USD - flow.sum_used
    stands = flow.claim_stands
    return {
        "on": flow.on,
        "window_s": flow.window,
        "reserve": f"{from_units(flow.reserve, 0) / 256:f}",
        "claimant": hex(holder) if holder is not None and stands else None,
        "claim_usd": str(flow.shortfall) if stands else None,
        "claim_lapses_in_s": flow.claimed + LAPSE - flow.now if stands else None,
        "sum_usd": str(flow.sum) if flow.sum else None,
        "sum_left_usd": _usd(left) if flow.sum else None,
        "sum_left_to_others_usd": _usd(_to_others(left, flow.sum * USD, snapshot))
        if flow.sum
        else None,
        "markets": [_lane_record(one, snapshot, names) for one in flow.lanes if flow.on],
    }


def _lane_record(lane: Lane, snapshot: Snapshot, names: dict[int, str]) -> dict[str, Any]:
    left = lane.limit - lane.used
    return {
        "market": names.get(lane.market, str(lane.market)),
        "limited": lane.limit != 0,
        "limit": f"{from_lots(lane.limit):f}",
        "left": f"{from_lots(left):f}",
        "left_to_others": f"{from_lots(_to_others(left, lane.limit, snapshot)):f}",
        "counted_at_usd": f"{from_ticks(lane.price):f}",
        "mark_usd": f"{from_ticks(lane.mark):f}",
    }


def _to_others(left: int, limit: int, snapshot: Snapshot) -> int:
    """What is left of a limit to accounts that are not the claimant."""
    flow = snapshot.flow
    kept = -(-limit * flow.reserve // 256) if flow.claim_stands else 0
    return max(0, left - kept)


def _intent_record(one: IntentView, snapshot: Snapshot, names: dict[int, str]) -> dict[str, Any]:
    every = one.markets == 2**256 - 1
    return {
        "account": hex(one.account),
        "name": name_of(one.account),
        "capacity_usd": f"{from_token_units(one.capacity):f}",
        "largest_usd": f"{from_token_units(one.largest):f}",
        "premium": _nano(one.premium),
        "expiry": one.expiry,
        "expires_in_s": max(0, one.expiry - snapshot.now),
        "expired": one.expiry < snapshot.now,
        "markets": None if every else [names.get(m, str(m)) for m in markets_of(one.markets)],
        "collateral": one.collateral,
        "free_usd": _usd(one.free),
        "margin_needed_usd": _usd(one.need),
        "margin_left_usd": _usd(one.free - one.need),
    }


def redemption_state(one: RedemptionView, held_up: bool, now: int) -> str:
    """waiting, open, held_up (a deficit is open) or lapsed."""
    if now >= one.closes:
        return "lapsed"
    if now < one.ready:
        return "waiting"
    return "held_up" if held_up else "open"


def _fund_record(fund: FundView, snapshot: Snapshot, names: dict[int, str]) -> dict[str, Any]:
    waits = fund.held_up or fund.stands_since != 0
    return {
        "bucket_usd": _usd(fund.bucket),
        "undripped_usd": _usd(fund.undripped),
        "assets_usd": f"{from_token_units(fund.assets):f}",
        "shares": f"{from_units(fund.supply, -12):f}",
        "keeper_budget_usd": _usd(fund.keeper_budget),
        "caps": {
            "per_event": _share(fund.caps.per_event),
            "per_window": _share(fund.caps.per_window),
            "per_market": _share(fund.caps.per_market),
            "window_s": fund.caps.window,
        },
        "drawable": [
            {
                "id": one,
                "market": "loans" if one == LOANS else names.get(one, str(one)),
                "usd": _usd(amount),
            }
            for one, amount in fund.drawable.items()
        ],
        "redemptions_held_up": waits,
        "redemption_clock": {"stands_since": fund.stands_since or None, "stood_s": fund.stood},
        "redemptions": [
            {
                "owner": one.owner,
                "state": redemption_state(one, waits, snapshot.now),
                "shares": f"{from_units(one.shares, -12):f}",
                "worth_usd": f"{from_token_units(one.assets):f}",
                "ready": one.ready,
                "closes": one.closes,
            }
            for one in sorted(fund.redemptions, key=lambda one: (one.ready, one.owner))
        ],
    }


def _deficits_record(snapshot: Snapshot) -> dict[str, Any]:
    one, fund = snapshot.deficits, snapshot.fund.bucket
    return {
        "pending_usd": _usd(one.pending),
        "excess_usd": _usd(max(0, one.pending - fund // 2)),
        "hole_usd": _usd(one.hole),
        "owed_usd": _usd(one.owed),
        "pot_usd": _usd(one.pot),
        "advances_usd": _usd(one.advances),
        "withdrawals_wait": one.pending > fund,
        "socialisations": one.socialisations,
    }


def _side_record(side: SideView, names: dict[int, str]) -> dict[str, Any]:
    return {
        "market": names.get(side.market, str(side.market)),
        "side": "long" if side.long else "short",
        "deleveragings": side.epoch,
        "era": side.era,
        "multiplier": f"{side.multiplier / 2**95:.12f}",
        "charged_usd_per_unit": f"{from_ticks(side.charged):f}",
        "room_usd_per_unit": f"{from_ticks(side.room):f}",
        "cap_usd_per_unit": f"{from_ticks(side.cap):f}",
        "window_ends": side.window_ends or None,
        "residual_units": f"{from_lots(side.residual):f}",
        "residual_usd": _usd(side.worth),
    }


def _event_record(event: EventView, names: dict[int, str]) -> dict[str, Any]:
    shown: dict[str, Any] = {"block": event.block, "event": event.name}
    for name, value in event.fields.items():
        if name in _MONEY:
            shown[f"{name}_usd"] = _usd(value)
        elif name in _SIZES:
            shown[f"{name}_units"] = f"{from_lots(value):f}"
        elif name in _PRICES:
            shown[f"{name}_usd"] = f"{from_ticks(value):f}"
        elif name in _ACCOUNTS:
            shown[name] = hex(value)
        elif name == "market":
            shown[name] = names.get(value, str(value))
        elif name == "long_side":
            shown["side"] = "long" if value else "short"
        elif name == "number":
            shown[name] = value
    return shown


def _usd(amount: int) -> str:
    return f"{from_quote_units(amount):f}"


def _nano(amount: int) -> str:
    return f"{from_units(amount, -9):f}"


def _share(amount: int) -> str:
    return f"{from_units(amount, -4):f}"
