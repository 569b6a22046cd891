"""An adapter with aggregators, signers and, beside it, the model stepped with the same input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from plimsoll.compiler import Artifact, compile_contract
from plimsoll.evm import Contract, Evm
from plimsoll.model import oracle as model
from plimsoll.signed_reports import PriceReport, encode_update, sign
from tests.house import merged_abi
from tests.parts import pyth_mock

MOCKS = Path(__file__).parents[2] / "contracts"
FEED = 7
USD = 10**9  # ticks
NOBODY = "0x" + "00" * 20
START = 1_700_001_040  # 40 s into a half hour
WARM_VARIANCE = 25 * 10**10  # 1e-12: volatility 50 %
KEYS = [f"0x{n:064x}" for n in range(1_001, 1_010)]
TERMS = model.Terms(
    quorum=2,
    half_band=10,
    band=100,
    halt_band=500,
    jump_base=1_000,
    jump_rate=20_000,
    confirm=60,
    premium_clamp=50_000,
    premium_tau=480,
    variance_tau=1_440,
    spacing=60,
    sigma_cap=500,
    ema_band=300,
    ema_tau=720,
    grace=0,
    sequenced=False,
    min_price=USD // 10,
    max_price=10**6 * USD,
)


def mock(name: str) -> Artifact:
    """Compile one of the test contracts."""
    return compile_contract(name, contracts=MOCKS)


def source_terms(source: Contract | int, age: int = 3_600, **changes: Any) -> tuple[Any, ...]:
    """The `SourceTerms` of an aggregator, or of a signer set where a number is given."""
    signed = isinstance(source, int)
    fields: dict[str, Any] = {
        "kind": 2 if signed else 1,
        "target": NOBODY if isinstance(source, int) else source.address,
        "signer_set": source if signed else 0,
        "max_age": age,
        "max_conf": 0,
        "inverse": False,
        "via": 0,
        "extra": 0,
        "factory": NOBODY,
    }
    return tuple((fields | changes).values())


def decimals_of(source: Contract | int) -> int:
    """An aggregator's decimals; 0 of a signer set."""
    return 0 if isinstance(source, int) else int(source.decimals())


def packed_slow(value: int) -> int:
    """A slow average as stored: shift and 15-bit mantissa."""
    shift = max(0, value.bit_length() - 15)
    return shift | value >> shift << 6


def signers_of(keys: list[str]) -> list[str]:
    """Addresses of these keys, ascending."""
    return sorted((Account.from_key(key).address for key in keys), key=lambda a: int(a, 16))


@dataclass
class World:
    """An adapter and its actors. `feeds` holds the model's twin of each listed feed."""

    evm: Evm
    oracle: Contract
    governance: str
    guardian: str
    stranger: str
    feeds: dict[int, model.Feed] = field(default_factory=dict)
    targets: dict[int, list[Contract | None]] = field(default_factory=dict)
    sequencer: model.Sequencer | None = None

    @property
    def now(self) -> int:
        return self.evm.timestamp

    def aggregator(self, answer: int = 2_000 * 10**8, decimals: int = 8) -> Contract:
        """A Chainlink-shaped aggregator that has just answered."""
        return self.evm.deploy(mock("ChainlinkAggregator"), decimals, "ETH / USD", answer)

    def deploy_mock(self, name: str, *args: Any) -> Contract:
        """One of the test contracts."""
        return self.evm.deploy(mock(name), *args)

    def source(self, source: Contract | int, age: int = 3_600, **changes: Any) -> tuple[Any, ...]:
        """The `SourceTerms` of an aggregator or signer set."""
        return source_terms(source, age, **changes)

    def terms(self, **changes: Any) -> tuple[int, ...]:
        """The `FeedTerms` the tests use unless told."""
        return astuple(replace(TERMS, **changes))

    def signer_set(self, keys: list[str], threshold: int) -> int:
        """A listed signer set."""
        receipt = self.oracle.add_signer_set(signers_of(keys), threshold, sender=self.governance)
        return int(receipt.value)

    def list_only(
        self,
        sources: list[Contract | int],
        feed: int = FEED,
        max_age: int = 3_600,
        ages: list[int] | None = None,
        variance: int = WARM_VARIANCE,
        twists: dict[int, dict[str, Any]] | None = None,
        **changes: Any,
    ) -> None:
        """List a feed of aggregators and, where a number is given, of that signer set.

        `twists` are further terms of single sources, by index: `inverse`, `via`.
        """
        ages = ages or [max_age] * len(sources)
        structs = [
            source_terms(source, age, **(twists or {}).get(i, {}))
            for i, (source, age) in enumerate(zip(sources, ages, strict=True))
        ]
        terms = self.terms(**changes)
        self.oracle.list_feed(feed, terms, structs, variance, sender=self.governance)
        if sum(not isinstance(source, int) for source in sources) >= terms[0]:
            self.oracle.poke(feed, b"", sender=self.stranger)

    def list(
        self,
        sources: list[Contract | int],
        feed: int = FEED,
        max_age: int = 3_600,
        ages: list[int] | None = None,
        twists: dict[int, dict[str, Any]] | None = None,
        **changes: Any,
    ) -> model.Feed:
        """List a feed with a model twin beside it."""
        ages = ages or [max_age] * len(sources)
        self.list_only(sources, feed, ages=ages, twists=twists, **changes)
        kinds = [
            model.Source(
                isinstance(source, int), age, decimals_of(source), **(twists or {}).get(i, {})
            )
            for i, (source, age) in enumerate(zip(sources, ages, strict=True))
        ]
        twin = model.Feed(
            replace(TERMS, **changes),
            kinds,
            model.Variance(WARM_VARIANCE * 10_000),
            sequencer=self.sequencer,
        )
        self.feeds[feed] = twin
        self.targets[feed] = [None if isinstance(s, int) else s for s in sources]
        twin.gather(self.now, self.answers(feed), legs=self.legs())
        if sum(not source.signed for source in kinds) >= twin.terms.quorum:
            twin.poke(self.now, self.answers(feed), legs=self.legs())
        self.check(feed)
        return twin

    def answers(self, feed: int) -> list[model.Answer | None]:
        """What the feed's aggregators say now."""
        found: list[model.Answer | None] = []
        for target in self.targets[feed]:
            if target is None:
                found.append(None)
            else:
                number, answer, _, time, _ = target.latestRoundData()
                found.append(model.Answer(number, answer, time))
        return found

    def poke(
        self, feed: int = FEED, report: PriceReport | None = None, keys: Any = KEYS[:1]
    ) -> Any:
        """Poke the contract and the model with the same input and compare everything."""
        update = b"" if report is None else self.signed(report, keys)
        receipt = self.oracle.poke(feed, update, sender=self.stranger)
        told = None
        if report is not None:
            told = model.Report(
                report.source, report.price, report.time, report.sequence, report.premium
            )
        self.feeds[feed].poke(self.now, self.answers(feed), told, self.legs())
        self.check(feed)
        return receipt

    def legs(self) -> dict[int, model.Leg | None]:
        """What sources that go via a feed take of it now."""
        return {feed: twin.leg(self.now) for feed, twin in self.feeds.items()}

    def run_sequencer(self, grace: int = 120) -> Contract:
        """Name a sequencer feed, up since an hour ago."""
        feed = self.deploy_mock("HostileAggregator", 0, [1, 0, self.now - 3_600, self.now, 1])
        self.oracle.set_sequencer(feed.address, grace, sender=self.governance)
        self.sequencer = model.Sequencer(0, self.now - 3_600, grace)
        return feed

    def tell_sequencer(self, feed: Contract, answer: int, started: int) -> None:
        """What the sequencer feed says from now on, to the contract and to the models."""
        assert self.sequencer is not None
        feed.set_words([1, answer, started, self.now, 1])
        self.sequencer = replace(self.sequencer, answer=answer, started=started)
        for twin in self.feeds.values():
            twin.sequencer = self.sequencer

    def signed(self, report: PriceReport, keys: Any = KEYS[:1]) -> bytes:
        """The update of a report signed by these keys."""
        signatures = sign(report, keys, self.evm.chain_id, self.oracle.address)
        return encode_update(report, signatures)

    def check(self, feed: int = FEED) -> None:
        """The stored words and the served quotes equal the model's."""
        twin, now = self.feeds[feed], self.now
        hot, newest = twin.in_force(now), twin.newest()
        if hot is None or newest is None:
            return
        assert self.oracle.word(feed) == twin.served(hot, now)
        assert self.oracle.words([feed, feed]) == [twin.served(hot, now)] * 2
        assert self.oracle.latest(feed) == twin.served(newest, now)
        words = self.oracle.feed_words(feed)
        past, s = twin.variance, twin.settlement
        assert words[3] == (
            past.variance
            | past.price << 62
            | (twin.newest().time - past.time) << 118
            | s.total << 130
            | (s.premium % 2**38) << 197
            | packed_slow(s.slow) << 235
        )
        assert words[4] == s.last | s.price << 22
        assert words[5] == twin.halt.word()
        for number, window in s.windows.items():
            assert self.oracle.window_word(feed, number) == window.word()
        for i, datum in enumerate(twin.data):
            expected = 0
            if datum is not None:
                expected = datum.price | datum.time << 56 | datum.round << 88
                expected |= (datum.premium % 2**18) << 168
            assert self.oracle.source_words(feed, i)[1] & 2**186 - 1 == expected

    def state(self, feed: int = FEED) -> int:
        """The feed's state as served."""
        return int(self.oracle.word(feed)) >> 160 & 3

    def price(self, feed: int = FEED) -> int:
        """The feed's index price as served, ticks."""
        return int(self.oracle.read(feed).price)


@pytest.fixture(scope="session")
def pyth_artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Pyth's own mock."""
    return pyth_mock(tmp_path_factory.mktemp("modules"))


@pytest.fixture(scope="session")
def shared_world() -> World:
    evm = Evm(timestamp=START)
    governance, guardian, stranger = (evm.account() for _ in range(3))
    parts = [compile_contract(name) for name in ("OracleAdapter", "OracleAdmin")]
    admin = evm.deploy(parts[1])
    adapter = evm.deploy(parts[0], governance, guardian, admin.address)
    oracle = evm.at(merged_abi([part.abi for part in parts]), adapter.raw_address)
    return World(evm, oracle, governance, guardian, stranger)


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    handle = shared_world.evm.snapshot()
    shared_world.feeds, shared_world.targets, shared_world.sequencer = {}, {}, None
    yield shared_world
    shared_world.evm.revert(handle)
