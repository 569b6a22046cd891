"""Reads what the rules need, in two batches per pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from plimsoll.deployment.abi import has_function
from plimsoll.keepers.decisions import Backer, Curve, Facts, House, LegOffer
from plimsoll.keepers.node import Reader, Refusal, View


@dataclass(frozen=True)
class Native:
    """Price of the gas token: a feed id, or fixed ticks (1e-9 USD per token)."""

    feed: int | None = None
    ticks: int = 0


def read_house(
    node: Reader,
    bidder: int | None,
    native: Native,
    block: int,
    timestamp: int,
    sender: str = "",
) -> House:
    """What all accounts share. The feed is read at the latest price even where it is stale."""
    wanted = [
        View("MarginEngine", "core"),
        View("MarginEngine", "keeper_budget"),
        View("MarginEngine", "pending_deficit"),
        View("MarginEngine", "fund_balance"),
        View("InsuranceFund", "deficit_tolerance"),
        View("InsuranceFund", "clock"),
    ]
    if native.feed is not None:
        wanted.append(View("OracleAdapter", "read", (native.feed,)))
    if bidder is not None:
        wanted.append(View("MarginEngine", "margin", (bidder,)))
    values = node.views(wanted, block)
    ticks, room = native.ticks, None
    if native.feed is not None:
        ticks = values[6].price
    if bidder is not None:
        margin = values[-1]
        room = margin.initial_equity - margin.initial_requirement
    return House(
        block=block,
        timestamp=timestamp,
        pause=values[0] >> 160 & 255,
        gas_price=node.gas_price(),
        native=ticks,
        room=room,
        budget=values[1],
        sender=int(sender, 16) if sender else 0,
        held_up=held_up(*values[2:5]),
        clock_stands=values[5].since != 0,
    )


def held_up(pending: int, bucket: int, tolerance: int) -> bool:
    """Whether a deficit holds redemptions up; `tolerance` 1e-4 of the bucket."""
    return pending > bucket * tolerance // 10_000


def read_backers(node: Reader, accounts: Sequence[int], block: int) -> tuple[Backer, ...]:
    """The intents that stand among these accounts'."""
    views = [View("LiquidationAuction", "intent", (account,)) for account in accounts]
    found = []
    for account, one in zip(accounts, node.try_views(views, block) if views else (), strict=True):
        if not isinstance(one, Refusal) and one.capacity:
            fields = (one.capacity, one.largest, one.premium, one.expiry, one.collateral)
            found.append(Backer(account, *fields, one.markets))
    return tuple(found)


def read_facts(
    node: Reader, accounts: Sequence[int], marks: Mapping[int, int], block: int
) -> dict[int, Facts | str]:
    """Facts of each account at one block; where a view reverts, why, as text.

    `marks`: ticks by market id, see `read_marks`.
    """
    if not accounts:
        return {}
    kinds = 9
    rows = node.try_views(
        [
            view
            for account in accounts
            for view in (
                View("MarginEngine", "standing", (account,)),
                View("MarginEngine", "margin", (account,)),
                View("MarginEngine", "held", (account,)),
                View("LiquidationAuction", "auction", (account,)),
                View("LiquidationAuction", "cost", (account,)),
                View("LiquidationAuction", "curve", ()),
                View("LiquidationAuction", "pre_quote", (account,)),
                View("MarginEngine", "head", (account,)),
                View("MarginEngine", "deficit_of", (account,)),
            )
        ],
        block,
    )
    found: dict[int, Facts | str] = {}
    legs: list[tuple[int, int]] = []
    table = {account: rows[i * kinds : (i + 1) * kinds] for i, account in enumerate(accounts)}
    for account, row in table.items():
        broken = next((one for one in row[:4] if isinstance(one, Refusal)), None)
        if broken is not None:
            found[account] = broken.text
        else:
            legs += [(account, market) for market in markets_of(row[2])]
    versions = {row[3].version for row in table.values() if not isinstance(row[3], Refusal)} - {0}
    more = [View("LiquidationAuction", "curve_of", (one,)) for one in sorted(versions)]
    values = node.try_views([View("MarginEngine", "position", leg) for leg in legs] + more, block)
    curves = dict(zip(sorted(versions), values[len(legs) :], strict=True))
    parts: dict[int, list[int]] = {account: [] for account in accounts}
    for (account, market), position in zip(legs, values, strict=False):
        if not isinstance(position, Refusal):
            parts[account].append(abs(position.lots) * marks.get(market, 0))
    for account, row in table.items():
        if account not in found:
            found[account] = _facts(account, row, parts[account], curves)
    return found


def read_legs(
    node: Reader, facts: Facts, bidder: int, marks: Mapping[int, int], block: int
) -> Facts:
    """The same with what its legs fetch one by one, and what they take of the bidder's margin.

    Nothing is asked where no leg can be on sale: outside auctions, within their priority window,
    where E < 0.
    """
    on_sale = facts.running and not facts.stopped and not facts.negative and not facts.priority
    if not on_sale or facts.equity >= facts.requirement:
        return facts
    if not has_function("LiquidationAuction", "leg_quote"):
        return facts
    markets = markets_of(facts.markets)
    views = [View("LiquidationAuction", "leg_quote", (facts.account, one)) for one in markets]
    views += [View("MarginEngine", "position", (facts.account, one)) for one in markets]
    values = node.try_views([*views, View("MarginEngine", "margin", (bidder,))], block)
    before = values.pop()
    offers = [
        (market, quote, -quote.lots if position.lots < 0 else quote.lots)
        for market, quote, position in zip(
            markets, values[: len(markets)], values[len(markets) :], strict=True
        )
        if not (isinstance(quote, Refusal) or isinstance(position, Refusal)) and quote.lots
    ]
    trials = [
        View("MarginEngine", "margin_after", (bidder, (market, lots, marks.get(market, 0))))
        for market, _, lots in offers
    ]
    after = node.try_views(trials, block) if trials else []
    return replace(
        facts,
        legs=tuple(
            LegOffer(
                market=market,
                lots=quote.lots,
                cost=quote.cost,
                fee=quote.fee,
                removed=quote.removed,
                notional=quote.lots * marks.get(market, 0),
                need=_free(before) - _free(one),
            )
            for (market, quote, _), one in zip(offers, after, strict=True)
        ),
    )


def _free(margin: Any) -> int:
    """E_init - R_init; nothing where that cannot be read."""
    if isinstance(margin, Refusal):
        return 0
    return int(margin.initial_equity - margin.initial_requirement)


def read_marks(node: Reader, block: int) -> dict[int, int]:
    """The mark of every market, ticks; markets without a price are left out."""
    count = node.view("MarginEngine", "market_count", block=block)
    markets = node.try_views(
        [View("MarginEngine", "market", (number,)) for number in range(count)], block
    )
    return {
        number: market.mark
        for number, market in enumerate(markets)
        if not isinstance(market, Refusal)
    }


def markets_of(bitmap: int) -> list[int]:
    """Market ids of a bitmap, ascending."""
    return [number for number in range(bitmap.bit_length()) if bitmap >> number & 1]


def _facts(
    account: int, row: Sequence[Any], parts: Sequence[int], curves: Mapping[int, Any]
) -> Facts:
    standing, margin, held, auction, quote, newest, pre, head, noted = row
    requirement = standing.linear + standing.superlinear
    stopped = standing.stale_requirement * 10 > requirement
    curve = curves.get(auction.version) if auction.running else newest
    on_sale = None if isinstance(quote, Refusal) else quote
    thin = None if isinstance(pre, Refusal) else pre
    return Facts(
        account=account,
        equity=standing.equity - (0 if stopped else standing.stale_value),
        requirement=requirement,
        negative=standing.equity < 0,
        stopped=stopped,
        running=auction.running,
        clock_stopped=auction.stopped,
        elapsed=auction.elapsed,
        held=auction.held,
        seen=auction.seen,
        x=auction.x,
        fraction=on_sale.fraction if on_sale else 0,
        cost=on_sale.cost if on_sale else 0,
        fee=on_sale.fee if on_sale else 0,
        auction_id=on_sale.id if on_sale else 0,
        perps=standing.perps,
        collateral=standing.collateral,
        notional=sum(parts) + standing.collateral,
        initial=margin.initial_equity - margin.initial_requirement,
        curve=_curve(curve),
        markets=held,
        priority=on_sale.priority if on_sale else 0,
        pre_fraction=thin.fraction if thin else 0,
        pre_cost=thin.cost if thin else 0,
        frozen=bool(head >> 226 & 1),
        starter=int(auction.starter, 16),
        deficit=max(0, -standing.equity),
        noted=noted,
        wait=getattr(on_sale, "wait", 0),
        parts=(*parts, standing.collateral),
    )


def _curve(curve: Any) -> Curve:
    names = (
        "t_one", "t_end", "max_step", "start_flat", "start_share", "min_requirement",
        "exec_flat", "exec_share", "fee", "keeper_share",
    )  # fmt: skip
    return Curve(**{name: int(getattr(curve, name)) for name in names})
