"""What is known of the waterfall as text for people: `ape run status`.

One section per step of the waterfall, in the order in which a loss goes down it, each with a line
that says what it shows. Built from the JSON record alone, so that both say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from plimsoll.console import duration
from plimsoll.status.records import record
from plimsoll.status.views import Snapshot

BANDS = {
    "insolvent": ("insolvent", "E < 0: the fund and what comes after it pay", "red"),
    "under_r": ("under R", "E < R: on sale by auction", "red"),
    "pre_band": (
        "close to R",
        "within the pre-liquidation band: slices, if asked for",
        "yellow",
    ),
    "under_initial": ("under R_init", "may only reduce", "yellow"),
    "above": ("healthy", "meets R_init", "green"),
}
EVENTS_SHOWN = 12
WIDE = 140  # columns from which accounts are written out

Record = Mapping[str, Any]


def show(snapshot: Snapshot, console: Any, worst: int = 10) -> None:
    """Prints everything to a rich console."""
    told = record(snapshot, worst)
    _show_head(told, console)
    _show_accounts(told, console)
    _show_auctions(told, console)
    _show_limiter(told, console)
    _show_intents(told, console)
    _show_fund(told, console)
    _show_deficits(told, console)
    _show_deleveraging(told, console)


def _show_head(told: Record, console: Any) -> None:
    when = datetime.fromtimestamp(told["timestamp"], UTC)
    console.print(
        f"Waterfall at block {told['block']} of {when:%Y-%m-%d %H:%M:%S} UTC, "
        f"chain {told['chain_id']}, engine {told['engine']}",
        highlight=False,
    )
    style = None if told["pause"]["level"] == 0 else "bold red"
    console.print(f"House {told['pause']['text']}.", style=style, highlight=False)
    broken = [one for one in told["identities"] if not one["holds"]]
    for one in broken:
        console.print(f"BROKEN: {one['text']}", style="bold red", highlight=False)
    if not broken:
        console.print("The books balance, and the vault holds what they count.", style="green")
    if not told["errands"]:
        console.print("Nothing waits for a keeper.", style="green")
        return
    console.print("Waiting for a keeper (anybody may call):", style="bold yellow")
    for one in told["errands"]:
        whom = _name(one["account"]) if one["account"] else ""
        line = f"  {one['call']}({whom}): {one['why']}"
        console.print(line, highlight=False, soft_wrap=True)


def _show_accounts(told: Record, console: Any) -> None:
    accounts, terms = told["accounts"], told["terms"]
    _title(
        console,
        "Accounts",
        "E is what an account is worth, R what its positions require. Under R it is sold by "
        f"auction; up to {_percent(terms['pre_band'])} above R it is close to it.",
    )
    table = _table("<band", "accounts", "in auction", "asked for slices", "E, USD", "R, USD", "<")
    for one in accounts["bands"]:
        name, text, colour = BANDS[one["band"]]
        table.add_row(
            _styled(name, colour if one["count"] else "dim"),
            str(one["count"]),
            _count(one["in_auction"]),
            _count(one["pre_liquidation"]),
            _usd(one["equity_usd"]),
            _usd(one["requirement_usd"]),
            text,
            style=None if one["count"] else "dim",
        )
    console.print(table)
    console.print(
        f"{accounts['known']} known from events, {accounts['idle']} of them with nothing at risk",
        highlight=False,
    )
    for one in accounts["unreadable"]:
        console.print(f"{_name(one['account'])}: {one['why']}", style="red", highlight=False)
    if not accounts["worst"]:
        return
    table = _table("<lowest health", "E / R", "E, USD", "R, USD", "E_init - R_init", "legs", "<")
    for one in accounts["worst"]:
        table.add_row(
            _styled(_short(one["name"], console), BANDS[one["band"]][2]),
            "" if one["health"] is None else f"{Decimal(one['health']):.3f}",
            _usd(one["equity_usd"]),
            _usd(one["requirement_usd"]),
            _usd(one["free_usd"]),
            str(one["perps"]),
            one["why"],
        )
    console.print(table)


def _show_auctions(told: Record, console: Any) -> None:
    terms = told["terms"]
    _title(
        console,
        "Auctions",
        "The whole account costs E - x R; x rises from "
        f"{_number(terms['x_start'])} through 1 after {duration(terms['one_s'])} to "
        f"{_number(terms['x_max'])} after {duration(terms['end_s'])} of its clock. "
        "What nobody takes is deleveraged.",
    )
    if not told["auctions"]:
        console.print("none", style="dim")
        return
    table = _table(
        "<account", "x", "E, USD", "R, USD", "on sale", "worth, USD", "cost, USD",
        "to x = 1", "to the end", "<",
    )  # fmt: skip
    for one in told["auctions"]:
        notes = [one["why"], "clock stands" if one["clock_stopped"] else ""]
        if one["throughput_wait_s"]:
            notes.append(f"all of it in {duration(one['throughput_wait_s'])}, by the sale limiter")
        table.add_row(
            _styled(_short(one["name"], console), "bold"),
            _number(one["x"]),
            _usd(one["equity_usd"]),
            _usd(one["requirement_usd"]),
            _percent(one["fraction"]),
            _usd(one["value_usd"]),
            _usd(one["cost_usd"]),
            duration(one["to_one_s"]),
            duration(one["to_end_s"]),
            "; ".join(text for text in notes if text),
        )
    console.print(table)


def _show_limiter(told: Record, console: Any) -> None:
    one = told["sale_limiter"]
    _title(
        console,
        "Sale limiter",
        "How much the auction may sell per time; what is used comes back evenly over "
        f"{duration(one['window_s'])}. A part of {_percent(one['reserve'])} is kept for the "
        "auction with the largest shortfall that claimed it.",
    )
    if not one["on"]:
        console.print("off: nothing is limited", style="dim")
        return
    if one["claim_usd"] is None:
        console.print("nobody claims the reserve: all of it is anybody's", style="dim")
    else:
        who = _name(one["claimant"]) if one["claimant"] else "an account that is not in auction"
        console.print(
            f"kept for {who}, short of {_usd(one['claim_usd'])} USD, for "
            f"{duration(one['claim_lapses_in_s'])} more",
            highlight=False,
        )
    if one["sum_usd"]:
        console.print(
            f"in all markets {_usd(one['sum_left_usd'])} USD left of {_usd(one['sum_usd'])}, "
            f"{_usd(one['sum_left_to_others_usd'])} to others than the claimant",
            highlight=False,
        )
    table = _table("<market", "limit", "left", "left to others", "counted at, USD", "mark, USD")
    for lane in one["markets"]:
        cells = ("limit", "left", "left_to_others", "counted_at_usd", "mark_usd")
        table.add_row(
            lane["market"],
            *(_number(lane[cell]) for cell in cells)
            if lane["limited"]
            else ("none", "", "", "", _number(lane["mark_usd"])),
        )
    console.print(table)


def _show_intents(told: Record, console: Any) -> None:
    priority = told["terms"]["priority_s"]
    alone = (
        f"they alone fill in an auction's first {duration(priority)}"
        if priority
        else ("they have no time of their own before others")
    )
    _title(
        console,
        "Intents",
        "Accounts that have promised to take slices once x has come to their premium, up to a "
        f"capacity in R; {alone}. Margin left: free margin less what the promise needs.",
    )
    if not told["intents"]:
        console.print("none", style="dim")
        return
    table = _table(
        "<account", "capacity, USD", "premium x", "largest R", "margin left", "expires in", "<scope"
    )
    for one in told["intents"]:
        markets = "all markets" if one["markets"] is None else ", ".join(one["markets"])
        short = Decimal(one["margin_left_usd"]) < 0
        table.add_row(
            _styled(_short(one["name"], console), "dim" if one["expired"] else "bold"),
            _usd(one["capacity_usd"]),
            _number(one["premium"]),
            _usd(one["largest_usd"]),
            _styled(_usd(one["margin_left_usd"]), "red" if short else ""),
            "expired" if one["expired"] else duration(one["expires_in_s"]),
            f"{markets or 'no market'}{', collateral' if one['collateral'] else ''}",
        )
    console.print(table)


def _show_fund(told: Record, console: Any) -> None:
    fund, caps = told["fund"], told["fund"]["caps"]
    _title(
        console,
        "Insurance fund",
        "Pays negative equity and nothing else: at most "
        f"{_percent(caps['per_event'])} of it at once, {_percent(caps['per_window'])} within "
        f"{duration(caps['window_s'])}, {_percent(caps['per_market'])} for one market.",
    )
    console.print(
        f"in the fund {_usd(fund['bucket_usd'])} USD, of which {_usd(fund['undripped_usd'])} drip "
        f"in; keepers' budget {_usd(fund['keeper_budget_usd'])} USD",
        highlight=False,
    )
    drawable = ", ".join(f"{one['market']} {_usd(one['usd'])}" for one in fund["drawable"])
    console.print(f"one draw may take now, USD: {drawable}", highlight=False)
    waiting = fund["redemptions"]
    if not waiting:
        console.print("no redemption waits", style="dim")
        return
    if fund["redemptions_held_up"]:
        console.print("redemptions are held up by a deficit; their clock stands", style="red")
    table = _table("<owner", "shares", "worth, USD", "<state", "in, or closes in")
    for one in waiting:
        table.add_row(
            _short(one["owner"], console),
            _usd(one["shares"]),
            _usd(one["worth_usd"]),
            one["state"].replace("_", " "),
            _redemption_time(one, told["timestamp"]),
        )
    console.print(table)


def _redemption_time(one: Record, now: int) -> str:
    if one["state"] == "lapsed":
        return ""
    return duration(max(0, (one["ready"] if one["state"] == "waiting" else one["closes"]) - now))


def _show_deficits(told: Record, console: Any) -> None:
    one = told["deficits"]
    _title(
        console,
        "Deficits",
        "Negative equity seen in auctions. Beyond half of the fund, withdrawals wait for their "
        "share of it; what nobody pays lowers everybody's cash, and income pays that back.",
    )
    excess = Decimal(one["excess_usd"])
    pending, beyond = _usd(one["pending_usd"]), _usd(one["excess_usd"])
    text = f"pending {pending} USD, beyond half of the fund {beyond}"
    console.print(text, style="red" if excess else None, highlight=False)
    if one["withdrawals_wait"]:
        console.print("withdrawals wait in escrow for their share", style="red")
    console.print(
        f"times socialised so far: {one['socialisations']}; still owed {_usd(one['owed_usd'])} USD "
        f"(no payer yet for {_usd(one['hole_usd'])}), set aside for it {_usd(one['pot_usd'])}; "
        f"advanced against escrow {_usd(one['advances_usd'])}",
        highlight=False,
    )


def _show_deleveraging(told: Record, console: Any) -> None:
    part, terms = told["deleveraging"], told["terms"]
    _title(
        console,
        "Deleveraging",
        "What nobody takes is closed at mark against the whole opposite side: each lot of it "
        f"shrinks alike, after a charge of at most {_percent(terms['charge_cap'])} of the mark per "
        f"{duration(terms['charge_window_s'])}.",
    )
    sides = [one for one in part["sides"] if one["deleveragings"] or one["window_ends"]]
    if sides:
        table = _table(
            "<side",
            "times",
            "a lot is now",
            "charged, USD per unit",
            "room left",
            "window ends in",
            "the fund's, units",
        )
        for one in sides:
            ends = one["window_ends"]
            table.add_row(
                f"{one['market']} {one['side']}s",
                str(one["deleveragings"]),
                f"{Decimal(one['multiplier']):.6f}"
                + (f" (era {one['era']})" if one["era"] else ""),
                _number(one["charged_usd_per_unit"]),
                _number(one["room_usd_per_unit"]),
                duration(ends - told["timestamp"]) if ends else "",
                f"{Decimal(one['residual_units']).normalize():f}",
            )
        console.print(table)
    else:
        console.print("no side was ever deleveraged", style="dim")
    blocks = f"blocks {part['first_block']} to {part['last_block']}"
    events = part["events"]
    if not events:
        console.print(f"no event of it in {blocks}", style="dim", highlight=False)
        return
    console.print(f"events in {blocks}, the newest first:", highlight=False)
    for one in list(reversed(events))[:EVENTS_SHOWN]:
        fields = ", ".join(
            _field(*pair) for pair in one.items() if pair[0] not in ("block", "event")
        )
        console.print(f"  {one['block']} {one['event']}: {fields}", highlight=False, soft_wrap=True)
    if len(events) > EVENTS_SHOWN:
        console.print(f"  and {len(events) - EVENTS_SHOWN} more", style="dim", highlight=False)


def _field(name: str, value: Any) -> str:
    if name == "account":
        return f"account {_name(value)}"
    if name.endswith("_usd"):
        return f"{name.removesuffix('_usd').replace('_', ' ')} {_usd(value)} USD"
    if name.endswith("_units"):
        return f"{name.removesuffix('_units')} {_number(value)}"
    return f"{name} {value}"


# -- cells


def _title(console: Any, name: str, text: str) -> None:
    console.print()
    console.print(name, style="bold underline")
    console.print(text, style="dim", highlight=False)


def _table(*columns: str) -> Any:
    """A table without lines; a column's name begins with "<" where it is to stand left."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for one in columns:
        left = one.startswith("<")
        table.add_column(
            one.removeprefix("<"), justify="left" if left else "right", overflow="fold"
        )
    return table


def _styled(text: str, style: str) -> Any:
    from rich.text import Text

    return Text(text, style=style)


def _name(account: str) -> str:
    from plimsoll.keepers.decisions import name_of

    return name_of(int(account, 16))


def _short(name: str, console: Any) -> str:
    """An address or account, its middle left out where the terminal is narrow."""
    owner, colon, index = name.partition(":")
    if console.width >= WIDE:
        return name
    return f"{owner[:8]}..{owner[-6:]}{colon}{index}"


def _usd(text: str) -> str:
    return f"{Decimal(text):,.2f}"


def _number(text: str) -> str:
    """At most four digits behind the point, none of them needless."""
    return f"{round(Decimal(text), 4).normalize():,f}"


def _percent(share: str) -> str:
    return f"{round(Decimal(share) * 100, 2).normalize():f} %"


def _count(number: int) -> str:
    return str(number) if number else ""
