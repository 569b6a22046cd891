"""The rules of the price keeper: whether the chain should know more. Nothing here acts.

Each takes the chain's data (and what a rehearsal on the node would do) and gives a `Decision`.

Sequences are the observation's time in milliseconds, so that of two pushers the later observation
wins, whoever is mined first, and nobody has to know what the other one sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from eth_utils.crypto import keccak

from plimsoll.errors import by_selector
from plimsoll.keepers.node import Refusal
from plimsoll.keepers.outbox import Key
from plimsoll.keepers.price_input import Observation
from plimsoll.oracle_status import FeedView, SourceView, Tried
from plimsoll.oracle_words import MAX_SEQUENCE
from plimsoll.signed_reports import PriceReport
from plimsoll.units import from_ticks

POKE = -1  # in the place of a source: no report
RACES = {"OldReport"}  # somebody else's report is newer
BPS = 10_000


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


def judge_trial(verdict: Decision, feed: FeedView, tried: Tried) -> Decision:
    """A push that is to be sent, after its rehearsal: too late, refused, or what it changes."""
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
