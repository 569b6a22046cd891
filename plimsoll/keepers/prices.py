"""The price keeper: pushes signed reports and pokes feeds when the chain should know more.

Level-triggered like the liquidator: a pass compares the chain's newest data with what the input
says and with what a poke would do (rehearsed on the node), and remembers nothing but what is in
flight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from plimsoll.deployment.abi import calldata
from plimsoll.keepers.node import Node, Refusal, refusal
from plimsoll.keepers.outbox import Job, Key, Landed, Outbox, request_of
from plimsoll.keepers.price_input import Input
from plimsoll.keepers.price_rules import (
    POKE,
    RACES,
    Decision,
    Triggers,
    early,
    judge_poke,
    judge_push,
    judge_trial,
    judge_update,
)
from plimsoll.keepers.pyth_updates import Updates
from plimsoll.keepers.report_signers import Panel
from plimsoll.localnet.errors import RpcError
from plimsoll.localnet.tx import encode_call
from plimsoll.oracle_status import (
    ADAPTER,
    FeedView,
    Snapshot,
    SourceView,
    Tried,
    read_oracle,
    try_pokes,
)
from plimsoll.oracle_words import Kind

MAX_UPDATE_FEE = 10**16  # wei, per update: what a Pyth contract may ask at most


@dataclass
class Pass:
    """What one pass saw and did."""

    block: int
    now: int
    feeds: int
    decisions: list[Decision] = field(default_factory=list)
    landed: list[Landed] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether something needs a person: refused by the node, or reverted though not a race."""
        return any(
            one.status == "refused" or (one.status == "reverted" and one.error not in RACES)
            for one in self.landed
        ) or any(one.kind == "refused" for one in self.decisions)

    @property
    def unfed(self) -> bool:
        """Whether the input has nothing sound for some source that it is there for."""
        return any(one.action == "push" and one.kind in ("none", "old") for one in self.decisions)

    def record(self) -> dict[str, Any]:
        """In JSON types."""
        return {
            "schema": 1,
            "block": self.block,
            "timestamp": self.now,
            "feeds": self.feeds,
            "decisions": [one.record() for one in self.decisions],
            "transactions": [told(one) for one in self.landed],
        }


def told(one: Landed) -> dict[str, Any]:
    """A transaction's fate in JSON types."""
    feed, source = one.job.key if one.job is not None else (None, POKE)
    return {
        "feed": feed,
        "source": None if source == POKE else source,
        "action": "poke" if source == POKE else "push",
        "value_wei": one.job.value if one.job is not None else 0,
        "status": one.status,
        "late": one.error in RACES,
        "nonce": None if one.nonce < 0 else one.nonce,
        "hash": one.hash,
        "gas_used": one.gas_used,
        "block": one.block,
        "text": one.text,
    }


def line(one: Landed) -> str:
    """A transaction's fate for people."""
    text = f"{one.job.label if one.job else 'transaction'}: {one.status}"
    if one.error in RACES:
        text += " (somebody else's report is newer)"
    if one.hash:
        text += f" {one.hash}"
    if one.gas_used:
        text += f" in block {one.block}, {one.gas_used:,} gas"
    return f"{text}: {one.text}" if one.text else text


class PriceKeeper:
    """One keeper. `panels`: who signs for which source; `outbox` None: only looks."""

    def __init__(
        self,
        node: Node,
        names: Mapping[int, str],
        triggers: Triggers,
        panels: Mapping[Key, Panel] | None = None,
        prices: Input | None = None,
        outbox: Outbox | None = None,
        pokes: bool = True,
        updates: Updates | None = None,
        say: Callable[[str], None] = lambda text: None,
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.node = node
        self.names = dict(names)
        self.triggers = triggers
        self.panels = dict(panels or {})
        self.prices = prices
        self.outbox = outbox
        self.pokes = pokes
        self.updates = updates
        self.hurry = True  # False: deviations wait their jitter, so that pushers do not collide
        self._say = say
        self._progress = progress
        self._salt = bytes.fromhex(outbox.signer.address[2:]) if outbox is not None else b""
        self._kinds: dict[Key, str] = {}
        self._held: dict[Key, tuple[int, int]] = {}  # the chain's round, and until when to hold

    def adopt(self) -> int:
        """Finds what an earlier process of this sender left in flight."""
        return self.outbox.adopt(self._identify) if self.outbox is not None else 0

    def _identify(self, to: str, data: bytes) -> Job | None:
        from eth_abi.abi import decode
        from eth_abi.exceptions import DecodingError

        if to.lower() != self.node.addresses[ADAPTER].lower():
            return None
        if data[:4] != calldata(ADAPTER, "poke", 0, b"")[:4]:
            return None
        try:
            feed, update = decode(["uint256", "bytes"], data[4:])
        except DecodingError:
            return None
        key = (feed, update[0] if update else POKE)
        return Job(key, self._label(key), to, data, 0)

    def _label(self, key: Key) -> str:
        name = self.names.get(key[0], str(key[0]))
        return f"{name} poke" if key[1] == POKE else f"{name} source {key[1]} push"

    def run_once(self) -> Pass:
        """One pass. Raises RpcUnavailable or RpcError where the node fails."""
        landed = self.settle()
        snapshot = read_oracle(self.node, self.names, pokes=self.pokes)
        done = Pass(snapshot.block, snapshot.now, len(snapshot.feeds))
        done.landed += landed
        jobs: list[Job] = self._pushes(done, snapshot)
        jobs += self._updates(done, snapshot)
        jobs += self._pokes(done, snapshot, {job.key for job in jobs})
        self._send(done, self._estimated(done, jobs))
        return done

    def settle(self) -> list[Landed]:
        """What has landed since; told."""
        landed = self.outbox.settle() if self.outbox is not None else []
        for one in landed:
            self._say(line(one))
        return landed

    def wait(self, done: Pass, seconds: float) -> None:
        """Until nothing is in flight, or the time is over."""
        if self.outbox is None:
            return
        for one in self.outbox.wait(seconds):
            done.landed.append(one)
            self._say(line(one))

    # -- reports

    def _pushes(self, done: Pass, snapshot: Snapshot) -> list[Job]:
        if not self.panels or self.prices is None:
            return []
        seen = self.prices.read(snapshot.now)
        wanted: list[tuple[Decision, FeedView, bytes]] = []
        for feed in snapshot.feeds:
            for source in feed.sources:
                panel = self.panels.get((feed.id, source.index))
                if panel is None:
                    continue
                verdict, report = judge_push(
                    feed, source, seen.get(feed.id), self.triggers, self._salt
                )
                verdict = self._held_back(verdict, source, snapshot.now)
                if report is None or not verdict.go:
                    self._tell(done, verdict)
                    continue
                update = panel.update(report, snapshot.chain_id, snapshot.adapter)
                wanted.append((verdict, feed, update))
        trials = try_pokes(
            self.node, [(feed, update) for _, feed, update in wanted], snapshot.block
        )
        jobs = []
        for (verdict, feed, update), tried in zip(wanted, trials, strict=True):
            verdict = judge_trial(verdict, feed, tried)
            self._tell(done, verdict)
            if verdict.go:
                jobs.append(self._job(verdict.key, calldata(ADAPTER, "poke", feed.id, update)))
        return jobs

    def _held_back(self, verdict: Decision, source: SourceView, now: int) -> Decision:
        """A deviation waits a little, each pusher another time, so that the first one's counts."""
        if verdict.kind != "deviation" or self.hurry or self.triggers.jitter <= 0:
            self._held.pop(verdict.key, None)
            return verdict
        kept = source.datum.round if source.datum is not None else 0
        known = self._held.get(verdict.key)
        if known is None or known[0] != kept:
            salt = self._salt + kept.to_bytes(10, "big")
            known = self._held[verdict.key] = (kept, now + early(salt, self.triggers.jitter))
        if now >= known[1]:
            return verdict
        text = f"{verdict.reason}, in {known[1] - now} s"
        return replace(verdict, go=False, reason=text, kind="held")

    # -- Pyth updates

    def _updates(self, done: Pass, snapshot: Snapshot) -> list[Job]:
        blobs = self.updates.read() if self.updates is not None else {}
        lines = [
            (feed, source, bytes([source.index]) + blobs[feed.id])
            for feed in snapshot.feeds
            for source in feed.sources
            if feed.id in blobs and source.word.kind == Kind.PYTH
        ]
        if not lines:
            return []
        fees = self._fees(lines, snapshot.block)
        payer = self.outbox.signer.address if self.outbox is not None else None
        priced = [(one, fee) for one, fee in zip(lines, fees, strict=True) if isinstance(fee, int)]
        trials = iter(
            try_pokes(
                self.node,
                [(feed, update) for (feed, _, update), _ in priced],
                snapshot.block,
                [fee for _, fee in priced],
                payer,
            )
        )
        jobs = []
        for (feed, source, update), fee in zip(lines, fees, strict=True):
            tried = next(trials) if isinstance(fee, int) else Tried(None, fee)
            verdict = judge_update(feed, source, tried, self.triggers, self._salt)
            verdict = self._held_back(verdict, source, snapshot.now)
            self._tell(done, verdict)
            if verdict.go and isinstance(fee, int):
                data = calldata(ADAPTER, "poke", feed.id, update)
                jobs.append(replace(self._job(verdict.key, data), value=fee))
        return jobs

    def _fees(
        self, lines: Sequence[tuple[FeedView, SourceView, bytes]], block: int
    ) -> list[int | Refusal]:
        """What each source's Pyth contract asks for its update, wei; or why it cannot be paid."""
        calls = []
        for _, source, update in lines:
            data = encode_call("getUpdateFee(bytes[])", [update[1:]])
            request = {"to": source.word.address, "data": "0x" + data.hex()}
            calls.append(("eth_call", [request, hex(block)]))
        found: list[int | Refusal] = []
        for reply in self.node.rpc.batch(calls, keep_errors=True):
            fee = -1 if isinstance(reply, RpcError) or len(reply) != 66 else int(reply, 16)
            if fee < 0:
                found.append(Refusal("", "the Pyth contract tells no fee for it"))
            elif fee > MAX_UPDATE_FEE:
                found.append(Refusal("", f"its fee is {fee} wei, at most {MAX_UPDATE_FEE} is paid"))
            else:
                found.append(fee)
        return found

    # -- pokes

    def _pokes(self, done: Pass, snapshot: Snapshot, pushed: set[Key]) -> list[Job]:
        jobs = []
        fed = {feed for feed, _ in pushed}
        for feed in snapshot.feeds:
            tried = snapshot.pokes.get(feed.id)
            if tried is None or feed.id in fed:  # a push is a poke too
                continue
            verdict = judge_poke(feed, tried, self.triggers, self._salt)
            self._tell(done, verdict)
            if verdict.go:
                jobs.append(self._job(verdict.key, calldata(ADAPTER, "poke", feed.id, b"")))
        return jobs

    # -- sending

    def _job(self, key: Key, data: bytes) -> Job:
        return Job(key, self._label(key), self.node.addresses[ADAPTER], data, 0)

    def _estimated(self, done: Pass, jobs: Sequence[Job]) -> list[Job]:
        if self.outbox is None or not jobs:
            return []
        requests = [request_of(job, self.outbox.signer.address) for job in jobs]
        # On the newest block, not on the pending one: what is in flight would be in the way.
        replies = self.node.rpc.batch(
            [("eth_estimateGas", [request, "latest"]) for request in requests], keep_errors=True
        )
        found = []
        for job, reply in zip(jobs, replies, strict=True):
            if not isinstance(reply, RpcError):
                found.append(replace(job, gas=int(reply, 16)))
                continue
            try:
                why = refusal(reply)
            except RpcError:
                why = Refusal("", reply.message)
            status = "late" if why.name in RACES else "refused"
            self._landed(done, Landed(status, job, text=why.text, error=why.name))
        return found

    def _send(self, done: Pass, jobs: Sequence[Job]) -> None:
        if self.outbox is None or not (jobs or self.outbox.flights):
            return
        for one in self.outbox.submit(jobs):
            self._landed(done, one)

    def _landed(self, done: Pass, one: Landed) -> None:
        done.landed.append(one)
        self._say(line(one))

    def _tell(self, done: Pass, verdict: Decision) -> None:
        """Into the pass always; to people when it is to be done, or says something new."""
        done.decisions.append(verdict)
        if verdict.go:
            self._say(verdict.line())
        elif self._kinds.get(verdict.key) != verdict.kind:
            self._progress(verdict.line())
        self._kinds[verdict.key] = verdict.kind
