"""The liquidator: reads the house, decides about every account in trouble, acts, says why.

Level-triggered: a pass looks at the state as it is and at nothing it remembers but account ids, so
a restart, a missed block, a second keeper or a reorganisation changes nothing. A transaction that
is still in flight keeps its account out of the pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from plimsoll.deployment.abi import calldata
from plimsoll.keepers import rules
from plimsoll.keepers.facts import Native, read_backers, read_facts, read_house, read_marks
from plimsoll.keepers.index import Journal, read_events
from plimsoll.keepers.node import Node, Refusal
from plimsoll.keepers.rules import Decision, Facts, House, Move, Policy
from plimsoll.keepers.scan import Scanner
from plimsoll.keepers.wallet import Order, Outcome, Wallet

AUCTION = "LiquidationAuction"
DEADLINE = 300  # seconds a bid stays valid after its block
HALVINGS = 4  # of a bid that the bidder's own margin does not bear
# What a simulated call may be refused with when somebody else was quicker, or a price has moved.
RACES = {
    *"AuctionRunning NoAuction Healthy WrongAuction CostLimit NothingToDo".split(),
    *"NotOptedIn OutsideBand HourlyCap NoIntent BelowPremium PriorityWindow".split(),
}
SLICES = {"bid", "pre_liquidate"}
OWN_MARGIN = {"Underwater", "HealthFell"}


@dataclass
class Pass:
    """What one pass saw and did."""

    block: int
    accounts: int
    new_accounts: int
    scan_seconds: float
    decisions: list[Decision] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether something needs a person: a transaction refused by the node itself."""
        return any(one.status == "refused" for one in self.outcomes)

    def record(self) -> dict[str, Any]:
        """In JSON types."""
        return {
            "schema": 1,
            "block": self.block,
            "accounts": self.accounts,
            "new_accounts": self.new_accounts,
            "scan_seconds": round(self.scan_seconds, 3),
            "decisions": [one.record() for one in self.decisions],
            "transactions": [
                {
                    "account": hex(one.order.account),
                    "move": one.order.kind,
                    "status": one.status,
                    "hash": one.hash,
                    "gas_used": one.gas_used,
                    "text": one.text,
                }
                for one in self.outcomes
            ],
        }


class Liquidator:
    """One keeper. `wallet` None: only looks. `bidder`: the account that takes slices."""

    def __init__(
        self,
        node: Node,
        journal: Journal,
        native: Native,
        policy: Policy,
        wallet: Wallet | None = None,
        bidder: int | None = None,
        say: Callable[[str], None] = lambda text: None,
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.node = node
        self.journal = journal
        self.native = native
        self.policy = policy
        self.wallet = wallet
        self.bidder = bidder
        self.scanner = Scanner(node)
        self._say = say
        self._progress = progress

    def run_once(self) -> Pass:
        """One pass. Raises RpcUnavailable or RpcError where the node fails."""
        busy = self.wallet.settle_flights() if self.wallet is not None else set()
        block, timestamp = self.node.head()
        new = read_events(
            self.journal,
            self.node.rpc,
            self.node.addresses["MarginEngine"],
            self.node.addresses["CollateralVault"],
            block,
            self._progress,
            self.node.addresses[AUCTION],
        )
        ids = [one for one in self.journal.accounts() if one != self.bidder]
        start = time.perf_counter()
        seen = self.scanner.scan(ids, block)
        done = Pass(block, len(ids), new, time.perf_counter() - start)
        for one in seen:
            if one.unreadable:
                self._tell(done, _unreadable(one.account))
        wanted = [one.account for one in seen if one.wanted]
        # Those who have asked for slices above R; a bidder's account is needed to take them.
        open_to = self.journal.offers("consent") if self.bidder is not None else []
        wanted += [one for one in open_to if one not in wanted and one != self.bidder]
        self._act(done, wanted, busy, block, timestamp)
        return done

    # -- acting

    def _act(
        self, done: Pass, wanted: Sequence[int], busy: set[int], block: int, timestamp: int
    ) -> None:
        """First what frees or freezes accounts, all at once; then bids, each on what is left."""
        if not wanted:
            return
        house, facts = self._read(wanted, block, timestamp, done)
        orders: list[Order] = []
        bidding: list[int] = []
        for account, one in facts.items():
            if account in busy:
                self._tell(done, _in_flight(one))
                continue
            options = rules.moves(one, house, self.policy)
            if not options:
                self._tell(done, rules.idle(one, house))
            elif options[0].kind in {*SLICES, "fill_intent"} or options[0].with_buyer:
                bidding.append(account)
            else:
                order = self._consider(done, options, one, house)
                orders += [order] if order is not None else []
        self._send(done, orders)
        started = [one.order.account for one in done.outcomes if _worked(one, "start")]
        for account in bidding + started:
            self._bid(done, account)

    def _bid(self, done: Pass, account: int) -> None:
        """One account on sale, read anew: the bids before it used the bidder's margin."""
        block, timestamp = self.node.head()
        house, facts = self._read([account], block, timestamp, done)
        for one in facts.values():
            options = [
                move for move in rules.moves(one, house, self.policy) if move.kind != "start"
            ]
            if not options:
                self._tell(done, rules.idle(one, house))
                continue
            order = self._consider(done, options, one, house)
            self._send(done, [order] if order is not None else [])

    def _read(
        self, accounts: Sequence[int], block: int, timestamp: int, done: Pass
    ) -> tuple[House, dict[int, Facts]]:
        house = read_house(self.node, self.bidder, self.native, block, timestamp)
        backers = read_backers(self.node, self.journal.offers("intent"), block)
        house = replace(house, backers=backers)
        facts = {}
        for account, one in read_facts(
            self.node, accounts, read_marks(self.node, block), block
        ).items():
            if isinstance(one, str):
                self._tell(done, _unreadable(account, one))
            else:
                facts[account] = one
        return house, facts

    def _consider(
        self, done: Pass, options: Sequence[Move], facts: Facts, house: House
    ) -> Order | None:
        """The first option that the chain accepts and the rule wants, as an order."""
        for move in options:
            if move.kind in SLICES and move.fraction == 0:
                self._tell(done, rules.weigh(move, 0, facts, house, self.policy))
                continue
            decision, order = self._try(move, facts, house)
            self._tell(done, decision)
            if decision.go:
                return order
        return None

    def _try(self, move: Move, facts: Facts, house: House) -> tuple[Decision, Order | None]:
        """Simulates the move; a bid that the bidder's margin does not bear is halved."""
        if self.wallet is None:
            return rules.weigh(move, 0, facts, house, self.policy), None
        to = self.node.addresses[AUCTION]
        why = Refusal("", "")
        for _ in range(HALVINGS + 1):
            data = self._calldata(move, house)
            gas = self.wallet.estimate(to, data)
            if not isinstance(gas, Refusal):
                decision = rules.weigh(move, gas, facts, house, self.policy)
                return decision, Order(move.account, move.kind, to, data, gas)
            why = gas
            if why.name not in OWN_MARGIN or move.kind not in SLICES or move.fraction < 2:
                break
            move = move.shrunk(move.fraction // 2)
        reason = f"skipped: the chain would refuse it, {why.text}"
        if why.name in RACES:
            reason = f"skipped: no longer needed, {why.text}"
        return rules.refused(move, facts, reason), None

    def _calldata(self, move: Move, house: House) -> bytes:
        if move.kind == "bid":
            limit = rules.cost_limit(move, self.policy)
            deadline = house.timestamp + DEADLINE
            args: tuple[Any, ...] = (
                move.account, self.bidder, move.auction_id, move.most, limit, deadline,
            )  # fmt: skip
            return calldata(AUCTION, "bid", *args)
        if move.kind == "pre_liquidate":
            limit, deadline = rules.cost_limit(move, self.policy), house.timestamp + DEADLINE
            taken = (move.account, self.bidder, move.most, limit, deadline)
            return calldata(AUCTION, "pre_liquidate", *taken)
        if move.kind == "fill_intent":
            deadline = house.timestamp + DEADLINE
            return calldata(AUCTION, "fill_intent", move.account, move.backer, deadline)
        if move.kind == "deleverage":
            buyer = self.bidder if move.with_buyer else 0
            return calldata(AUCTION, "deleverage", move.account, buyer)
        return calldata(AUCTION, move.kind, move.account)

    def _send(self, done: Pass, orders: Sequence[Order]) -> None:
        if self.wallet is None or not orders:
            return
        for outcome in self.wallet.send(orders):
            done.outcomes.append(outcome)
            self._say(_told(outcome))

    def _tell(self, done: Pass, decision: Decision) -> None:
        done.decisions.append(decision)
        self._say(decision.line())


def _worked(outcome: Outcome, kind: str) -> bool:
    return outcome.order.kind == kind and outcome.status == "mined"


def _told(outcome: Outcome) -> str:
    text = f"account {rules.name_of(outcome.order.account)} {outcome.order.kind}: {outcome.status}"
    if outcome.hash:
        text += f" {outcome.hash}"
    if outcome.gas_used:
        text += f" in block {outcome.block}, {outcome.gas_used:,} gas"
    return f"{text}: {outcome.text}" if outcome.text else text


def _unreadable(account: int, text: str = "its margin cannot be read") -> Decision:
    return Decision(account, "wait", False, text, 0, 0)


def _in_flight(facts: Facts) -> Decision:
    reason = "a transaction for it is still in flight"
    return Decision(facts.account, "wait", False, reason, facts.equity, facts.requirement)
