"""What is known of the feeds as a table for people: `ape run oracle status`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from plimsoll.console import duration
from plimsoll.oracle_status.records import record
from plimsoll.oracle_status.views import Snapshot

_COLOURS = {"OK": "green", "DEGRADED": "yellow", "RECOVERING": "yellow"}


def show(snapshot: Snapshot, console: Any) -> None:
    """Prints a table to a rich console."""
    from rich.table import Table
    from rich.text import Text

    told = record(snapshot)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("feed", "state", "price", "band", "age", "stale in", "volatility", "why"):
        right = title in ("price", "age", "stale in", "volatility")
        table.add_column(title, justify="right" if right else "left", overflow="fold")
    for feed in told["feeds"]:
        table.add_row(
            Text(f"{feed['name']} ({feed['id']})", style="bold"),
            Text(feed["state"], style=_COLOURS.get(feed["state"], "red")),
            _shown(feed["price_usd"]),
            f"{_shown(feed['low_usd'])} - {_shown(feed['high_usd'])}" if feed["low_usd"] else "",
            _seconds(feed["age_s"]),
            _seconds(feed["stale_in_s"]),
            f"{100 * Decimal(feed['volatility']):.1f} %",
            Text(feed["why"] + _until(feed, snapshot.now)),
        )
        for source in feed["sources"]:
            age = f"{_seconds(source['age_s'])} of {_seconds(source['max_age_s'])}"
            table.add_row(
                Text(f"  {source['index']} {source['kind']}"),
                Text("counts" if source["counts"] else "out"),
                _shown(source["value_usd"]),
                Text(source["target"] or f"signer set {source['signer_set']}"),
                age if source["age_s"] is not None else "",
                "",
                "",
                Text(source["why"]),
                style="dim" if source["counts"] else None,
            )
    console.print(table)
    line = f"block {snapshot.block}, time {snapshot.now}, adapter {snapshot.adapter}"
    if snapshot.sequencer is not None:
        line += f", sequencer {'up' if snapshot.sequencer.up else 'DOWN'}"
    console.print(line, highlight=False)


def _until(feed: Mapping[str, Any], now: int) -> str:
    if feed["halt"] is not None:
        return f"; may end in {_seconds(max(0, feed['halt']['may_end_at'] - now))}"
    if feed["recovering_until"] is not None and feed["recovering_until"] > now:
        return f"; ends in {_seconds(feed['recovering_until'] - now)}"
    return ""


def _shown(usd: str | None) -> str:
    """With the separators people read, at least two and as many digits as there are."""
    if usd is None:
        return ""
    number = Decimal(usd)
    exponent = number.as_tuple().exponent
    places = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"{number:,.{places}f}"


def _seconds(seconds: int | None) -> str:
    return "" if seconds is None else duration(seconds)
