"""The sale limiter as keepers see it: whose price or limit is out of date, whose claim is due.

What the limiter counts is in contracts/core/sale_limiter.vy. A market's limit follows its depth and
its price the mark only when somebody calls `refresh_flow`; the claim on the reserve lapses unless
the auction of the claimant is synced. Both matter only while something is on sale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from plimsoll.keepers.decisions import Facts
from plimsoll.keepers.node import Node, Refusal, View
from plimsoll.keepers.packed import packed_views
from plimsoll.model.sale_limiter import LAPSE, TICK, USD, tag_of, wide
from plimsoll.units import from_lots, from_ticks

ENGINE, RISK = "MarginEngine", "StandardMargin"
DEGRADED = 1  # the worst feed state that `refresh_flow` takes
RENEW = 400  # seconds after which a claim is renewed; it stands for LAPSE
OUTBID = 105  # per cent of the claimant's shortfall from which another auction's claim is made
FALLEN = 90  # per cent of its claim under which the claimant's shortfall makes room for another
BPS = 10_000


@dataclass(frozen=True)
class Lane:
    """One market's limit as stored, lots and ticks, beside what a refresh would store.

    `fresh`: False where its feed is stale or halted, so that none is possible.
    """

    market: int
    limit: int
    used: int
    price: int
    depth_limit: int
    mark: int
    fresh: bool = True

    def off(self, bps: int) -> bool:
        """Whether its price is so far from the mark."""
        return abs(wide(self.mark) - self.price) * BPS >= bps * self.price

    @property
    def frees(self) -> bool:
        """Whether a refresh lets more go: the price counts less, or the limit is larger."""
        return wide(self.mark) < self.price or self.depth_limit > self.limit

    @property
    def why(self) -> str:
        """What a refresh changes."""
        if self.limit != self.depth_limit:
            return (
                f"market {self.market} may sell {from_lots(self.limit):,f} in a window, by its "
                f"depth {from_lots(self.depth_limit):,f}"
            )
        return (
            f"market {self.market} counts at {from_ticks(self.price):,.2f} USD, the mark is "
            f"{from_ticks(self.mark):,.2f}"
        )


@dataclass(frozen=True)
class Flow:
    """The limiter at a block. `sum`, `shortfall`: whole USD; `reserve` 1/256; `window` s.

    `sum_used`: quote units; `tag`, `claimed`: whose claim it is, and since when.
    """

    share: int
    window: int
    reserve: int
    sum: int
    sum_used: int
    tag: int
    shortfall: int
    claimed: int
    now: int
    lanes: tuple[Lane, ...] = ()

    @property
    def on(self) -> bool:
        """Whether anything is limited."""
        return self.window != 0

    @property
    def claim_stands(self) -> bool:
        """Whether a part is kept for somebody now."""
        return self.on and self.tag != 0 and self.claimed + LAPSE >= self.now

    def open_to(self, account: int) -> int:
        """How much of each limit an account may use up, 1/256."""
        kept = self.claim_stands and self.tag != tag_of(account)
        return 256 - self.reserve if kept else 256


def flow_of(claims: int, now: int, lanes: Iterable[Lane] = ()) -> Flow:
    """The stored word `claims`; its bits are told in contracts/core/sale_limiter.vy."""
    span = (claims >> 220 & 2**16 - 1) * TICK
    total = claims >> 184 & 2**36 - 1
    ahead = ((claims >> 136) - now * TICK) % 2**32
    used = ahead if ahead <= span else 0
    return Flow(
        share=claims >> 244,
        window=span // TICK,
        reserve=claims >> 236 & 255,
        sum=total,
        sum_used=-(-total * USD * used // span) if span else 0,
        tag=claims % 2**64,
        shortfall=claims >> 64 & 2**40 - 1,
        claimed=claims >> 104 & 2**32 - 1,
        now=now,
        lanes=tuple(lanes),
    )


def read_flow(node: Node, block: int, now: int) -> Flow:
    """In three requests, one program among them; where nothing is limited in one."""
    first = [View(ENGINE, "claims"), View(ENGINE, "market_count")]
    claims, count = node.views(first, block)
    flow = flow_of(claims, now)
    if not flow.on:
        return flow
    views = lane_views(count)
    return flow_of(claims, now, lanes_of(flow.share, packed_views(node, views, block)))


def lane_views(count: int) -> list[View]:
    """What `lanes_of` wants to know of so many markets."""
    return [
        view
        for market in range(count)
        for view in (
            View(ENGINE, "flow_of", (market,)),
            View(RISK, "depth", (market,)),
            View(ENGINE, "market", (market,)),
        )
    ]


def lanes_of(share: int, values: Sequence[Any]) -> list[Lane]:
    """From the values of `lane_views`; a market of which one cannot be read is left out."""
    found = []
    for market in range(len(values) // 3):
        flow, depth, price = values[3 * market : 3 * market + 3]
        if any(isinstance(one, Refusal) for one in (flow, depth, price)):
            continue
        limit = wide(depth * share // 100)
        fresh = price.state <= DEGRADED
        found.append(Lane(market, flow.limit, flow.used, flow.price, limit, price.mark, fresh))
    return found


def refreshes(flow: Flow, bps: int) -> list[Lane]:
    """The markets that a refresh brings up to date.

    Those whose limit is not its depth's, or, while there is a sum for it to count against, whose
    price is `bps` from the mark. Both are compared as stored, so that a refresh settles it.
    """
    if not flow.on or not bps:
        return []
    return [
        lane
        for lane in flow.lanes
        if lane.fresh
        and lane.mark
        and (lane.limit != lane.depth_limit or (flow.sum and lane.off(bps)))
    ]


def claim_due(flow: Flow, accounts: Iterable[Facts]) -> tuple[int, str] | None:
    """The auction to sync so that the reserve is kept for the largest shortfall, and why."""
    if not flow.on or not flow.reserve:
        return None
    short = {
        one.account: (one.requirement - one.equity) // USD
        for one in accounts
        if one.running and not one.stopped and one.perps and one.requirement - one.equity >= USD
    }
    if not short:
        return None
    first = max(short, key=lambda account: (short[account], account))
    holder = next((one for one in short if tag_of(one) == flow.tag), None)
    if not flow.claim_stands:
        return first, "nobody's claim to the limiter's reserve stands"
    if holder == first:
        age = flow.now - flow.claimed
        text = f"its claim to the limiter's reserve lapses in {max(0, LAPSE - age)} s"
        return (first, text) if age >= RENEW else None
    if short[first] * 100 > flow.shortfall * OUTBID:
        return first, "its shortfall is larger than the one that the limiter's reserve is kept for"
    fallen = holder is not None and short[holder] * 100 < flow.shortfall * FALLEN
    if holder is not None and fallen and short[holder] < short[first]:
        return holder, "the shortfall that the limiter's reserve is kept for has fallen"
    return None
