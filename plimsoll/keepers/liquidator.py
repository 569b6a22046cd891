"""The liquidator: reads the house, decides about every account in trouble, acts, says why.

Level-triggered: a pass looks at the state as it is and at nothing it remembers but account ids and
its own transactions, so a restart, a missed block, a second keeper or a reorganisation changes
nothing. An account whose transaction is still in flight is left alone until it has landed; one that
is stuck is decided anew, and what is wanted then takes the nonce (plimsoll.keepers.outbox).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from plimsoll.deployment.abi import calldata, function_of
from plimsoll.keepers import rules
from plimsoll.keepers.decisions import Decision, Facts, House, Move, Policy
from plimsoll.keepers.facts import (
    Native,
    read_backers,
    read_facts,
    read_house,
    read_legs,
    read_marks,
)
from plimsoll.keepers.flow import Flow, Lane, claim_due, flow_of, read_flow, refreshes
from plimsoll.keepers.index import Journal, read_events
from plimsoll.keepers.node import Node, Refusal
from plimsoll.keepers.outbox import Job, Key, Landed, Outbox
from plimsoll.keepers.passes import Pass, in_flight, outdone, told, unreadable, worked
from plimsoll.keepers.scan import Scanner

AUCTION, FUND, ENGINE = "LiquidationAuction", "InsuranceFund", "MarginEngine"
DEADLINE = 300  # seconds a bid stays valid after its block
HALVINGS = 4  # of a bid that the bidder's own margin does not bear
# What a simulated call may be refused with when somebody else was quicker, or a price has moved.
RACES = {
    *"AuctionRunning NoAuction Healthy WrongAuction CostLimit NothingToDo".split(),
    *"NotOptedIn OutsideBand HourlyCap NoIntent BelowPremium PriorityWindow Throttled".split(),
}
OWN_BIDS = {"bid", "bid_leg", "pre_liquidate"}
OWN_MARGIN = {"Underwater", "HealthFell"}


class Liquidator:
    """One keeper. `outbox` None: only looks. `bidder`: the account that takes slices."""

    def __init__(
        self,
        node: Node,
        journal: Journal,
        native: Native,
        policy: Policy,
        outbox: Outbox | None = None,
        bidder: int | None = None,
        say: Callable[[str], None] = lambda text: None,
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.node = node
        self.journal = journal
        self.native = native
        self.policy = policy
        self.outbox = outbox
        self.bidder = bidder
        self.scanner = Scanner(node)
        self._say = say
        self._progress = progress
        self._adopted = outbox is None
        self._fresh: set[Key] = set()  # what this pass has sent for

    def run_once(self) -> Pass:
        """One pass. Raises RpcUnavailable or RpcError where the node fails: run it again later."""
        landed = self._settled()
        self._fresh = set()
        block, timestamp = self.node.head()
        for name in self.node.follow_engine(block):
            self._progress(f"the engine has another {name}: {self.node.addresses[name]}")
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
        self._took_place(done, landed)
        for one in seen:
            if one.unreadable:
                self._tell(done, unreadable(one.account))
        wanted = [one.account for one in seen if one.wanted]
        # Those who have asked for slices above R; a bidder's account is needed to take them.
        open_to = self.journal.offers("consent") if self.bidder is not None else []
        wanted += [one for one in open_to if one not in wanted and one != self.bidder]
        self._act(done, wanted, block, timestamp)
        self._keep_house(done)
        self._clear(done)
        return done

    def _settled(self) -> list[Landed]:
        """What has become of earlier transactions, an earlier process's among them."""
        if self.outbox is None:
            return []
        if not self._adopted:
            self.outbox.adopt(self._identify)
            self._adopted = True
        return self.outbox.settle()

    def _identify(self, to: str, data: bytes) -> Job | None:
        """The job of a transaction of ours that was not written down."""
        if to.lower() == self.node.addresses[FUND].lower() and data == calldata(FUND, "sync"):
            return Job((0,), "fund_sync", to, data, 0)
        if to.lower() == self.node.addresses[ENGINE].lower():
            found = function_of(ENGINE, data[:4]) == "refresh_flow" and len(data) == 36
            return self._refresh_job(int.from_bytes(data[4:], "big")) if found else None
        move = function_of(AUCTION, data[:4])
        if to.lower() != self.node.addresses[AUCTION].lower() or move is None or len(data) < 36:
            return None
        return Job((int.from_bytes(data[4:36], "big"),), move, to, data, 0)

    # -- acting

    def _act(self, done: Pass, wanted: Sequence[int], block: int, timestamp: int) -> None:
        """First what frees or freezes accounts, all at once; then bids, each on what is left."""
        if not wanted:
            return
        house, facts = self._read(wanted, block, timestamp, done)
        flow = self._flow(facts, block, timestamp)
        if self._refresh(done, [one for one in self._outdated(flow) if one.frees], house):
            block, timestamp = self.node.head()
            house, facts = self._read(wanted, block, timestamp, done)
        sellable = [one for one in facts.values() if not rules.exhausted(one)]
        claimant, claim = claim_due(flow, sellable) or (None, "")
        flying = self._flying()
        jobs: list[Job] = []
        bidding: list[int] = []
        for account, one in facts.items():
            if account in flying:
                self._tell(done, in_flight(one))
                continue
            options = rules.moves(one, house, self.policy)
            paid = bool(options) and (options[0].paid or options[0].with_buyer)
            if paid:
                bidding.append(account)
            if account == claimant:
                options = [Move("sync", account, claim)]
            if not options:
                self._tell(done, rules.idle(one, house))
            elif not paid or account == claimant:
                job = self._consider(done, options, one, house)
                jobs += [job] if job is not None else []
        self._send(done, jobs)
        started = [one.job.key[0] for one in done.outcomes if one.job and worked(one, "start")]
        waiting = self._flying() - flying  # a claimant's sync that is not mined yet
        for account in bidding + [one for one in started if one not in bidding]:
            if account not in waiting:
                self._bid(done, account)
        self._refresh(done, [one for one in self._outdated(flow) if not one.frees], house)

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
            job = self._consider(done, options, one, house)
            self._send(done, [job] if job is not None else [])

    def _keep_house(self, done: Pass) -> None:
        """What the house needs (see `rules.of_house`), read after all else is done."""
        if (0,) in self._airborne():
            return
        block, timestamp = self.node.head()
        house = read_house(self.node, None, self.native, block, timestamp)
        for move in rules.of_house(house):
            job = Job((0,), move.kind, self.node.addresses[FUND], calldata(FUND, "sync"), 0)
            self._send(done, self._priced(done, move, job, house))

    def _flow(self, facts: Mapping[int, Facts], block: int, timestamp: int) -> Flow:
        """The sale limiter, asked for while anything is or may be on sale; else as if off."""
        if any(
            one.running or one.equity < one.requirement or one.pre_fraction
            for one in facts.values()
        ):
            return read_flow(self.node, block, timestamp)
        return flow_of(0, timestamp)

    def _outdated(self, flow: Flow) -> list[Lane]:
        flying = self._airborne()
        due = refreshes(flow, self.policy.flow_bps)
        return [one for one in due if (0, one.market + 1) not in flying]

    def _refresh(self, done: Pass, lanes: Sequence[Lane], house: House) -> bool:
        """Brings markets' limits and prices up to date; whether any of that has been mined."""
        jobs = []
        for lane in lanes:
            move = Move("refresh_flow", 0, lane.why, market=lane.market)
            jobs += self._priced(done, move, self._refresh_job(lane.market), house)
        before = len(done.outcomes)
        self._send(done, jobs)
        return any(worked(one, "refresh_flow") for one in done.outcomes[before:])

    def _refresh_job(self, market: int) -> Job:
        data = calldata(ENGINE, "refresh_flow", market)
        return Job((0, market + 1), "refresh_flow", self.node.addresses[ENGINE], data, 0)

    def _priced(self, done: Pass, move: Move, job: Job, house: House) -> list[Job]:
        """A job of the house with its gas, where it is worth that and the chain takes it."""
        gas = self.outbox.estimate(job.to, job.data) if self.outbox is not None else 0
        if isinstance(gas, Refusal):
            return []
        decision = rules.weigh_house(move, gas, house, self.policy)
        self._tell(done, decision)
        return [replace(job, gas=gas)] if decision.go else []

    def _airborne(self) -> set[Key]:
        """What has a transaction in flight that is neither stuck nor forgotten."""
        if self.outbox is None or not self.outbox.flights:
            return set()
        return self.outbox.busy() - self.outbox.overdue()

    def _flying(self) -> set[int]:
        """Their accounts."""
        return {key[0] for key in self._airborne()}

    def _read(
        self, accounts: Sequence[int], block: int, timestamp: int, done: Pass
    ) -> tuple[House, dict[int, Facts]]:
        sender = self.outbox.signer.address if self.outbox is not None else ""
        house = read_house(self.node, self.bidder, self.native, block, timestamp, sender)
        backers = read_backers(self.node, self.journal.offers("intent"), block)
        house = replace(house, backers=backers)
        facts, marks = {}, read_marks(self.node, block)
        for account, one in read_facts(self.node, accounts, marks, block).items():
            if isinstance(one, str):
                self._tell(done, unreadable(account, one))
                continue
            facts[account] = one
            if self.bidder is not None and self.policy.legs:
                facts[account] = read_legs(self.node, one, self.bidder, marks, block)
        return house, facts

    def _consider(
        self, done: Pass, options: Sequence[Move], facts: Facts, house: House
    ) -> Job | None:
        """Of the moves that pay the best that the chain accepts and the rule wants, else the first
        of the others, as a job.
        """
        decision, job = self._best(done, [one for one in options if one.paid], facts, house)
        if decision is not None:
            self._tell(done, decision)
            return job
        for move in options:
            if not move.paid:
                decision, job = self._try(move, facts, house)
                self._tell(done, decision)
                if decision.go:
                    return job
        return None

    def _best(
        self, done: Pass, options: Sequence[Move], facts: Facts, house: House
    ) -> tuple[Decision | None, Job | None]:
        """By profit after gas; those that even without it cannot pay more are not asked about."""

        def before_gas(move: Move) -> int:
            return rules.gain(move, facts, house, self.policy)

        best: tuple[Decision | None, Job | None] = None, None
        for move in sorted(options, key=before_gas, reverse=True):
            first = best[0]
            if first is not None and before_gas(move) <= first.profit:
                break
            if move.size == 0:
                self._tell(done, rules.weigh(move, 0, facts, house, self.policy))
                continue
            decision, job = self._try(move, facts, house)
            if not decision.go:
                self._tell(done, decision)
            elif first is None or decision.profit > first.profit:
                if first is not None:
                    self._tell(done, outdone(first))
                best = decision, job
            else:
                self._tell(done, outdone(decision))
        return best

    def _try(self, move: Move, facts: Facts, house: House) -> tuple[Decision, Job | None]:
        """Simulates the move; a bid that the bidder's margin does not bear is halved."""
        if self.outbox is None:
            return rules.weigh(move, 0, facts, house, self.policy), None
        to = self.node.addresses[AUCTION]
        why = Refusal("", "")
        for _ in range(HALVINGS + 1):
            data = self._calldata(move, house)
            gas = self.outbox.estimate(to, data)
            if not isinstance(gas, Refusal):
                decision = rules.weigh(move, gas, facts, house, self.policy)
                return decision, Job((move.account,), move.kind, to, data, gas)
            why = gas
            if why.name not in OWN_MARGIN or move.kind not in OWN_BIDS or move.size < 2:
                break
            move = move.shrunk(move.size // 2)
        reason = f"skipped: the chain would refuse it, {why.text}"
        if why.name in RACES:
            reason = f"skipped: no longer needed, {why.text}"
        return rules.refused(move, facts, reason), None

    def _calldata(self, move: Move, house: House) -> bytes:
        deadline = house.timestamp + DEADLINE
        limit = rules.cost_limit(move, self.policy)
        args: tuple[Any, ...] = (move.account,)
        if move.kind == "bid":
            args += (self.bidder, move.auction_id, move.most, limit, deadline)
        elif move.kind == "bid_leg":
            args += (self.bidder, move.auction_id, move.market, move.lots, limit, deadline)
        elif move.kind == "pre_liquidate":
            args += (self.bidder, move.most, limit, deadline)
        elif move.kind == "fill_intent":
            args += (move.backer, deadline)
        elif move.kind == "deleverage":
            args += (self.bidder if move.with_buyer else 0,)
        return calldata(AUCTION, move.kind, *args)

    # -- sending

    def _send(self, done: Pass, jobs: Sequence[Job]) -> None:
        """Sends all, then waits for them; what is stuck half way gets higher fees, once."""
        if self.outbox is None or not jobs:
            return
        keys = {job.key for job in jobs}
        others = self._fresh - keys
        self._fresh |= keys
        for _ in range(2):
            left = [job for job in jobs if job.key in keys]
            answers = self.outbox.submit(left, others)
            landed = self.outbox.wait(self.outbox.patience, keys=keys)
            refused = [one for one in answers if one.status in ("refused", "lost")]
            self._took_place(done, refused + landed)
            over = {one.job.key for one in refused + landed if one.job is not None}
            keys = (keys - over) & self.outbox.busy()
            if not keys:
                break
        sent = {job.key for job in jobs} & self.outbox.busy()
        waiting = [job for job in jobs if job.key in sent]
        text = "not mined yet; still in flight"
        self._took_place(done, [self._pending(job, text) for job in waiting])

    def _pending(self, job: Job, text: str) -> Landed:
        assert self.outbox is not None
        flight = next((one for one in self.outbox.flights if one.job == job), None)
        if flight is None or not flight.hashes:
            return Landed("pending", job, text=text)
        return Landed("pending", job, flight.nonce, next(reversed(flight.hashes)), text=text)

    def _clear(self, done: Pass) -> None:
        """Frees the nonces of stuck transactions that nothing is wanted in place of."""
        if self.outbox is not None and self.outbox.flights:
            told = self.outbox.submit([], self._fresh)
            self._took_place(done, [one for one in told if one.status == "abandoned"])

    def _took_place(self, done: Pass, outcomes: Sequence[Landed]) -> None:
        for one in outcomes:
            done.outcomes.append(one)
            self._say(told(one))

    def _tell(self, done: Pass, decision: Decision) -> None:
        done.decisions.append(decision)
        self._say(decision.line())
