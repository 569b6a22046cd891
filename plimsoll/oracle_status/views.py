"""What was read of the oracle at one block: its feeds, their sources, its sequencer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from plimsoll.keepers.node import Refusal
from plimsoll.oracle_words import (
    DatumWord,
    FeedWords,
    HotWord,
    QuoteWord,
    SequencerStatus,
    SequencerWord,
    SourceWord,
    TermsWord,
)


@dataclass(frozen=True)
class SourceView:
    """One source with its newest accepted datum."""

    index: int
    word: SourceWord
    datum: DatumWord | None
    extra: int = 0

    def counts(self, now: int) -> bool:
        """Whether its datum is within its age limit."""
        return self.datum is not None and now - self.datum.time <= self.word.max_age


@dataclass(frozen=True)
class FeedView:
    """One feed at one block. `quote`: as served; `newest`: of the newest poke; None: no price."""

    id: int
    name: str
    now: int
    words: FeedWords
    sources: tuple[SourceView, ...]
    quote: QuoteWord | None
    newest: QuoteWord | None

    @property
    def hot(self) -> HotWord | None:
        """The newest poke's word."""
        return self.words.newest

    @property
    def in_force(self) -> HotWord | None:
        """The word that prices this second."""
        return self.words.in_force(self.now)

    @property
    def terms(self) -> TermsWord:
        """The rules. Only of a listed feed."""
        assert self.words.terms is not None
        return self.words.terms

    @property
    def listed(self) -> bool:
        """Whether the adapter knows it."""
        return self.words.terms is not None

    def counted(self) -> list[DatumWord]:
        """Data within their age limits."""
        return [s.datum for s in self.sources if s.datum is not None and s.counts(self.now)]

    def spread(self) -> int:
        """Range of the data that count over their median, 1e-4, rounded up; 0 below two."""
        prices = sorted(datum.price for datum in self.counted())
        if len(prices) < 2:
            return 0
        half = len(prices) // 2
        median = prices[half] if len(prices) % 2 else (prices[half - 1] + prices[half]) // 2
        return -(-(prices[-1] - prices[0]) * 10_000 // median)


@dataclass(frozen=True)
class Tried:
    """What a poke came to in a rehearsal: the feed after it, or why it reverted."""

    after: FeedView | None
    why: Refusal | None = None


@dataclass(frozen=True)
class SequencerView:
    """A rollup's sequencer, as the adapter sees it."""

    word: SequencerWord
    status: SequencerStatus

    @property
    def up(self) -> bool:
        """Whether it runs: down is also what gives no sound answer."""
        return not self.status.down

    @property
    def recovering_until(self) -> int | None:
        """End of the grace time after a restart, None where it is not running."""
        return self.status.since + self.word.grace if self.status.in_grace else None


@dataclass(frozen=True)
class Snapshot:
    """Every feed at one block."""

    chain_id: int
    adapter: str
    block: int
    now: int
    guardian: str
    feeds: tuple[FeedView, ...]
    pokes: Mapping[int, Tried] = field(default_factory=dict)
    sequencer: SequencerView | None = None
    reasons: Mapping[tuple[int, int], str] = field(default_factory=dict)  # by feed and source


def same_source(source: SourceView, after: FeedView | None) -> SourceView | None:
    """The same source in the feed after a poke, None where that is unknown."""
    return after.sources[source.index] if after is not None else None
