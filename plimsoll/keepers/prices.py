"""The price keeper: pushes signed reports and pokes feeds when the chain should know more.

Level-triggered like the liquidator: a pass compares the chain's newest data with what the input
says and with what a poke would do (rehearsed on the node), and remembers nothing but what is in
flight.

Sequences are the observation's time in milliseconds, so that of two pushers the later observation
wins, whoever is mined first, and nobody has to know what the other one sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from eth_utils.crypto import keccak

from plimsoll.deployment.abi import calldata
from plimsoll.errors import by_selector
from plimsoll.keepers.node import Node, Refusal, refusal
from plimsoll.keepers.outbox import Job, Key, Landed, Outbox, request_of
from plimsoll.keepers.price_input import Input, Observation
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
from plimsoll.oracle_words import MAX_SEQUENCE, Kind
from plimsoll.signed_reports import PriceReport
from plimsoll.units import from_ticks

POKE = -1  # in the place of a source: no report
RACES = {"OldReport"}  # somebody else's report is newer
BPS = 10_000
MAX_UPDATE_FEE = 10**16  # wei, per update: what a Pyth contract may ask at most


@dataclass(frozen=True)
class Triggers:
    """When the chain should know more. `heartbeat`, `jitter`, `lead`: seconds.

    `lead`: this long before a datum or price is over its age limit it is renewed in any case.
    """

    deviation_bps: Decimal = Decimal(25)
    heartbeat: int = 1_800
    jitter: int = 5
    lead: int = 60

    def deviates(self, old: int, new: int) -> bool:
        """Whether the move reaches the threshold."""
        return Decimal(abs(new - old) * BPS) >= self.deviation_bps * old


@dataclass(frozen=True)
class Decision:
    """What to do about one source, or with POKE about the feed itself, and why."""

    feed: int
    name: str
    source: int
    go: bool
    reason: str
    price: int | None = None  # ticks: the input's, or what a poke would bring
    kept: int | None = None  # ticks: the chain's
    age: int | None = None  # s: of the chain's
    kind: str = ""  # the reason's: told once while it stays the same

    @property
    def action(self) -> str:
        """push (a report or a Pyth update) or poke."""
        return "poke" if self.source == POKE else "push"

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.feed, self.source

    def record(self) -> dict[str, Any]:
        """In JSON types."""
        moved = None
        if self.price is not None and self.kept:
            moved = float(round(Decimal((self.price - self.kept) * BPS) / self.kept, 2))
        return {
            "feed": self.feed,
            "name": self.name,
            "source": None if self.source == POKE else self.source,
            "action": self.action,
            "go": self.go,
            "reason": self.reason,
            "price_usd": None if self.price is None else f"{from_ticks(self.price):f}",
            "kept_usd": None if self.kept is None else f"{from_ticks(self.kept):f}",
            "deviation_bps": moved,
            "age_s": self.age,
        }

    def line(self) -> str:
        """One line for people."""
        what = self.name if self.source == POKE else f"{self.name} source {self.source}"
        text = f"{what} {self.action}: {'yes' if self.go else 'no'} ({self.reason})"
        if self.price is not None:
            text += f" price {from_ticks(self.price):f}"
        if self.kept is not None:
            text += f" chain {from_ticks(self.kept):f}"
        return text if self.age is None else f"{text} of {self.age} s ago"


# -- rules ----------------------------------------------------------------------------------------


def early(salt: bytes, jitter: int) -> int:
    """Seconds in 0..jitter, the same for the same salt: each pusher its own, renewed per datum."""
    return int.from_bytes(keccak(salt)[:8], "big") % (jitter + 1) if jitter > 0 else 0


def sequence_of(observed: float, now: int, source: SourceView) -> int | None:
    """The sequence of a report on this observation; None where the chain knows one as new.

    Milliseconds of its time, at most those of the newest block's second, since a report from the
    future is refused. Where the chain's sequence is no time (somebody counts otherwise): one more.
    """
    millis = int(observed * 1_000) if observed < now + 1 else now * 1_000 + 999
    kept = source.datum
    if kept is None or millis > kept.round:
        return millis
    if kept.round <= kept.time * 1_000 + 999 or kept.round >= MAX_SEQUENCE:
        return None
    return kept.round + 1


def judge_push(
    feed: FeedView,
    source: SourceView,
    seen: Observation | None,
    triggers: Triggers,
    salt: bytes = b"",
) -> tuple[Decision, PriceReport | None]:
    """Whether to report `seen`, and the report. Only by the chain's time and data."""
    kept, now, limit = source.datum, feed.now, source.word.max_age
    verdict = Decision(feed.id, feed.name, source.index, False, "", kind="")
    if kept is not None:
        verdict = replace(verdict, kept=kept.price, age=now - kept.time)
    if seen is None:
        return replace(verdict, reason="the input has no price", kind="none"), None
    verdict = replace(verdict, price=seen.price)
    moment = min(int(seen.time), now)
    if now - moment > limit:
        text = f"the input's price is {now - moment} s old, the source takes {limit} s"
        return replace(verdict, reason=text, kind="old"), None
    sequence = sequence_of(seen.time, now, source)
    if sequence is None or (kept is not None and moment < kept.time):
        return replace(verdict, reason="the chain has it, or a newer one", kind="known"), None
    if kept is not None and (moment, seen.price) == (kept.time, kept.price):
        return replace(verdict, reason="the chain has it, or a newer one", kind="known"), None
    reason, kind = _push_reason(feed, source, seen, moment, triggers, salt)
    report = PriceReport(feed.id, source.index, seen.price, moment, sequence, seen.premium)
    verdict = replace(verdict, go=kind != "calm", reason=reason, kind=kind)
    return verdict, report if verdict.go else None


def _push_reason(
    feed: FeedView,
    source: SourceView,
    seen: Observation,
    moment: int,
    triggers: Triggers,
    salt: bytes,
) -> tuple[str, str]:
    kept, now = source.datum, feed.now
    if kept is None:
        return "the source's first report", "first"
    if triggers.deviates(kept.price, seen.price):
        return f"deviation of {triggers.deviation_bps:f} bps or more", "deviation"
    age = now - kept.time
    if moment > kept.time:
        if age > source.word.max_age - triggers.lead:
            return "the chain's datum is about to expire, or has", "expiry"
        if age >= triggers.heartbeat - early(
            salt + kept.round.to_bytes(10, "big"), triggers.jitter
        ):
            return f"heartbeat of {triggers.heartbeat} s", "heartbeat"
    return "no deviation, and no heartbeat yet", "calm"


def judge_update(
    feed: FeedView, source: SourceView, tried: Tried, triggers: Triggers, salt: bytes = b""
) -> Decision:
    """Whether to send a Pyth update, by what it would do to the source's datum."""
    kept, now = source.datum, feed.now
    verdict = Decision(feed.id, feed.name, source.index, False, "")
    if kept is not None:
        verdict = replace(verdict, kept=kept.price, age=now - kept.time)
    if tried.after is None:
        text = tried.why.text if tried.why else "unknown"
        return replace(verdict, reason=f"the update would fail, {text}", kind="refused")
    after = tried.after.sources[source.index].datum
    if after is None:
        return replace(verdict, reason="the source gives nothing sound with it", kind="none")
    verdict = replace(verdict, price=after.price)
    if after == kept:
        return replace(verdict, reason="the chain has it, or a newer one", kind="known")
    before, later = feed.newest, tried.after.newest
    if before is not None and later is not None and before.label != later.label:
        reason, kind = f"{before.label} becomes {later.label}", "state"
    else:
        seen = Observation(after.price, after.time)
        reason, kind = _push_reason(feed, source, seen, after.time, triggers, salt)
    return replace(verdict, go=kind != "calm", reason=reason, kind=kind)


def judge_poke(feed: FeedView, tried: Tried, triggers: Triggers, salt: bytes = b"") -> Decision:
    """Whether a poke without a report helps, by what it would do."""
    hot, now = feed.hot, feed.now
    verdict = Decision(feed.id, feed.name, POKE, False, "")
    if hot is not None:
        verdict = replace(verdict, kept=hot.price, age=now - hot.observed)
    if tried.after is None:
        text = tried.why.text if tried.why else "unknown"
        return replace(verdict, reason=f"a poke would fail, {text}", kind="fails")
    after = tried.after.hot
    if after is None:
        return replace(verdict, reason="too few sources answer for a price", kind="none")
    verdict = replace(verdict, price=after.price)
    reason, kind = _poke_reason(feed, tried.after, triggers, salt)
    return replace(verdict, go=kind not in ("calm", "halted"), reason=reason, kind=kind)


def _poke_reason(
    feed: FeedView, after: FeedView, triggers: Triggers, salt: bytes
) -> tuple[str, str]:
    hot, then, now = feed.hot, after.hot, feed.now
    if hot is None or then is None:
        return "the feed's first price", "first"
    before, later = feed.newest, after.newest
    if before is not None and later is not None and before.label != later.label:
        return f"{before.label} becomes {later.label}", "state"
    if hot.state != then.state and not then.halted:
        return "the grace time or halt is over", "state"
    if then.halted:
        record, tried = feed.words.halt, after.words.halt
        counted_anew = tried.start != record.start
        if counted_anew and now - record.time >= feed.terms.confirm:
            return "halted; the wait for calm starts anew from here", "calming"
        wait = max(0, record.ends(feed.terms) - now)
        return f"halted; may end in {wait} s", "halted"
    if hot.price != then.price and triggers.deviates(hot.price, then.price):
        return f"deviation of {triggers.deviation_bps:f} bps or more", "deviation"
    if then.stale_after > hot.stale_after:
        if hot.stale_after - now < triggers.lead:
            return "the price is about to expire", "expiry"
        wait = triggers.heartbeat - early(salt + hot.time.to_bytes(5, "big"), triggers.jitter)
        if now - hot.time >= wait:
            return f"heartbeat of {triggers.heartbeat} s", "heartbeat"
    return "no deviation, and no heartbeat yet", "calm"


def warnings(feed: FeedView, triggers: Triggers) -> list[str]:
    """What about the heartbeat does not go with a feed's age limits."""
    found = []
    for source in feed.sources:
        limit = source.word.max_age
        if source.word.signed and triggers.heartbeat + triggers.lead >= limit:
            found.append(
                f"{feed.name} source {source.index}: expected a heartbeat well under its age limit "
                f"of {limit} s, got {triggers.heartbeat} s; reports go out {triggers.lead} s "
                "before they expire"
            )
    return found


# -- a pass ---------------------------------------------------------------------------------------


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
            verdict = self._rehearsed(verdict, feed, tried)
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

    def _rehearsed(self, verdict: Decision, feed: FeedView, tried: Tried) -> Decision:
        if tried.after is None:
            why = tried.why or Refusal("", "")
            if why.name in RACES:
                return replace(verdict, go=False, reason=f"too late, {why.text}", kind="known")
            if why.name in {info.name for info in by_selector().values()}:
                text = f"the chain refuses it, {why.text}"
                return replace(verdict, go=False, reason=text, kind="refused")
            return verdict  # the node does not rehearse: the estimate will tell
        before, later = feed.newest, tried.after.newest
        if before is not None and later is not None and before.label != later.label:
            text = f"{verdict.reason}; {before.label} becomes {later.label}"
            return replace(verdict, reason=text)
        return verdict

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
