"""Keepers at work: the library's own rules (`plimsoll.keepers.rules`), acted out block by block.

What the demonstration adds is a crowd: two bidders, of whom the one with more room bids, and for
each account the x at which anybody takes it, because hedging costs differ (see `Actor.wants`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from plimsoll.demo.cast import Actor, Cast
from plimsoll.demo.checks import Sample
from plimsoll.demo.stage import Stage
from plimsoll.demo.trading import Wish, trade_all
from plimsoll.demo.world import FLASH_BIDDER, Call, Outcome, Refused, World, act
from plimsoll.demo.world import View as WorldView
from plimsoll.keepers import rules
from plimsoll.keepers.decisions import NANO, Decision, Facts, House, Move, Policy
from plimsoll.keepers.facts import Native, read_backers, read_facts, read_house, read_legs
from plimsoll.keepers.node import Reader, Refusal, View

FOREVER = 2**63
INSOLVENT_AT = Decimal("1.05")  # x at which a bidder takes an insolvent account: above 1 it is paid
POLICY = Policy(min_profit=5 * 10**15, hedge_bps=0)  # no bidder gets up for less than five dollars
DESK_SPREAD = 10  # 1e-4 under the mark that a desk buys ether at
TICKS_PER_TOKEN = 1_000  # 1e-9 USD in 1e-6
SMALLEST_HAND_ON = 20 * 10**15  # quote units of notional that a bidder bothers to sell on

Mined = Callable[[list[Outcome]], Sample]


class WorldReader(Reader):
    """A world in place of the keepers' node: reads at the newest block, gas for nothing."""

    def __init__(self, world: World) -> None:
        self.world = world

    def head(self) -> tuple[int, int]:
        return self.world.number, self.world.now

    def gas_price(self) -> int:
        return 0

    def try_views(self, views: Sequence[View], block: int | None = None) -> list[Any]:
        wanted = [WorldView(one.contract, one.function, one.args) for one in views]
        return [
            Refusal("", value.text) if isinstance(value, Refused) else value
            for value in self.world.read(wanted)
        ]


@dataclass
class Keeper:
    """Acts for the cast's keeper and bidders. `mined` is told of every block it makes."""

    stage: Stage
    cast: Cast
    mined: Mined
    decisions: list[tuple[int, Decision]] = field(default_factory=list)  # with its unix second
    waits: list[tuple[int, int, int]] = field(default_factory=list)  # second, account, seconds

    def __post_init__(self) -> None:
        self.world = self.stage.world
        self.reader = WorldReader(self.world)
        self.me = self.cast.one("keeper").address
        self.bidders = self.cast.role("bidder")
        self.actors = self.cast.by_account()
        self.spared = {actor.account for actor in self.bidders + self.cast.role("maker")}
        self.careful = {actor.account for actor in self.cast.role("careful")}

    def turn(self, sample: Sample) -> Sample:
        """One pass: what frees or freezes accounts at once, then slices one by one, then clocks."""
        wanted = [
            account
            for account, margin in sample.margins.items()
            if account not in self.spared
            and (account in sample.in_auction or margin.equity < self._line(account, margin))
        ]
        if not wanted:
            return sample
        house, facts = self._read(sample, wanted, self.bidders[0])
        calls, thin = [], []
        for one in facts.values():
            options = rules.moves(one, house, POLICY)
            if options and options[0].kind in ("start", "end"):
                calls += self._weighed(options[0], one, house, self._plain(options[0]))
            if options and options[0].kind == "pre_liquidate":
                thin.append(one.account)
        if calls:
            sample = self.mined(self.world.block(calls))
        for account in thin:
            sample = self._sell(sample, account)
        for account in sorted(sample.in_auction, key=lambda a: self._order(sample, a)):
            sample = self._sell(sample, account)
        return self._sync(sample)

    def _line(self, account: int, margin: Any) -> int:
        """The equity from which on there is nothing to do, with some room where it opted in."""
        return int(margin.requirement * 12 // 10 if account in self.careful else margin.requirement)

    def _order(self, sample: Sample, account: int) -> tuple[int, int]:
        """Small ones first, so that the fund's window is walked through from its start."""
        return sample.margins[account].requirement, account

    def _read(
        self, sample: Sample, accounts: Sequence[int], bidder: Actor
    ) -> tuple[House, dict[int, Facts]]:
        block, now = self.reader.head()
        house = read_house(self.reader, bidder.account, Native(ticks=0), block, now)
        marks: Mapping[int, int] = {market: book.mark for market, book in sample.books.items()}
        house = replace(house, backers=read_backers(self.reader, sorted(sample.committed), block))
        found = read_facts(self.reader, accounts, marks, block)
        known = {a: one for a, one in found.items() if not isinstance(one, str)}
        for account, one in known.items():
            if self.actors[account].by_leg:
                known[account] = read_legs(self.reader, one, bidder.account, marks, block)
        return house, known

    # -- slices and deleveraging

    def _sell(self, sample: Sample, account: int) -> Sample:
        bidder = max(self.bidders, key=lambda b: sample.margins[b.account].initial_equity)
        house, facts = self._read(sample, [account], bidder)
        for one in facts.values():
            if one.wait:
                self.waits.append((self.world.now, account, one.wait))
            for move in rules.moves(one, house, POLICY):
                call = self._call(move, one, bidder)
                if call is None or not self._weighed(move, one, house, call):
                    continue
                sample = self.mined(self.world.block([call]))
                return self._hand_on(sample, self.actors.get(move.backer, bidder))
        return sample

    def _call(self, move: Move, facts: Facts, bidder: Actor) -> Call | None:
        """The transaction of a sale that somebody wants, or of a deleveraging."""
        auction, label = "LiquidationAuction", f"liquidation: {move.kind}"
        limit = rules.cost_limit(move, POLICY)
        if move.kind == "pre_liquidate" and move.most:
            return act(
                self.world, bidder.address, auction, "pre_liquidate", move.account, bidder.account,
                move.most, limit, FOREVER, label=label,
            )  # fmt: skip
        if move.kind == "fill_intent":
            args = (move.account, move.backer, FOREVER)
            return act(self.world, self.me, auction, "fill_intent", *args, label=label)
        if move.kind == "bid_leg" and self._wanted(facts) and move.lots:
            return act(
                self.world, bidder.address, auction, "bid_leg", move.account, bidder.account,
                move.auction_id, move.market, move.lots, limit, FOREVER, label=label,
            )  # fmt: skip
        if move.kind == "bid" and self.actors[facts.account].in_flash:
            return self._flash(move, limit) if self._wanted(facts) and move.fraction else None
        by_leg = self.actors[facts.account].by_leg and facts.legs
        if move.kind == "bid" and self._wanted(facts) and move.fraction and not by_leg:
            where = " on ether loans" if facts.collateral and not facts.perps else ""
            return act(
                self.world, bidder.address, auction, "bid", move.account, bidder.account,
                move.auction_id, move.fraction, limit, FOREVER, label=label + where,
            )  # fmt: skip
        if move.kind == "deleverage":
            sender, buyer = (bidder.address, bidder.account) if move.with_buyer else (self.me, 0)
            return act(self.world, sender, auction, "deleverage", move.account, buyer, label=label)
        return None

    def _flash(self, move: Move, limit: int) -> Call:
        """A bid by a contract that owns nothing: a desk buys the ether in it."""
        (mark,) = self.reader.views([View("OracleAdapter", "read", (self.stage.feed_id("ETH"),))])
        price = mark.price * (10_000 - DESK_SPREAD) // (10_000 * TICKS_PER_TOKEN)
        desk = self.cast.one("desk").address
        return act(
            self.world, self.me, FLASH_BIDDER, "take", move.account, move.auction_id, move.fraction,
            limit, FOREVER, desk, price, label="liquidation: bid with callback",
        )  # fmt: skip

    def _wanted(self, facts: Facts) -> bool:
        """Whether x has come to where somebody's hedging costs are covered."""
        wants = self.actors[facts.account].wants
        if wants is None:
            return False
        return Decimal(facts.x) / NANO >= (max(wants, INSOLVENT_AT) if facts.negative else wants)

    def _weighed(self, move: Move, facts: Facts, house: House, call: Call) -> list[Call]:
        """The call, where the chain accepts it and the rule wants it; the decision is kept."""
        if isinstance(self.world.trial(call), Refused):
            return []
        decision = rules.weigh(move, 0, facts, house, POLICY)
        if decision.go:
            self.decisions.append((self.world.now, decision))
        return [call] if decision.go else []

    def _hand_on(self, sample: Sample, bidder: Actor) -> Sample:
        """Who took it sells it to a maker at mark: it does not want the position."""
        wishes: list[Wish] = []
        if bidder.account in sample.committed:
            return sample  # frozen until its intent is used up
        for market, book in sample.books.items():
            lots = sample.lots[bidder.account, market]
            if abs(lots) * book.mark > SMALLEST_HAND_ON:
                wishes.append(Wish(bidder, market, lots < 0, abs(lots), book.mark))
        if not wishes:
            return sample
        return self.mined(trade_all(self.stage, self.cast, wishes, may_fail=True))

    # -- clocks

    def _sync(self, sample: Sample) -> Sample:
        """Clocks of auctions still running, and the notes of their deficits, brought to now."""
        calls = [
            self._plain(Move("sync", account, "clock and deficit"))
            for account in sorted(sample.in_auction)
        ]
        return self.mined(self.world.block(calls)) if calls else sample

    def _plain(self, move: Move) -> Call:
        return act(
            self.world, self.me, "LiquidationAuction", move.kind, move.account,
            label=f"liquidation: {move.kind}",
        )  # fmt: skip
