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

MOCKS = Path(__file__).parents[2] / "contracts"
FEED = 7
USD = 10**9  # ticks
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
    min_price=USD // 10,
    max_price=10**6 * USD,
)


def mock(name: str) -> Artifact:
    """Compile one of the test contracts."""
    return compile_contract(name, contracts=MOCKS)


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

    @property
    def now(self) -> int:
        return self.evm.timestamp

    def aggregator(self, answer: int = 2_000 * 10**8, decimals: int = 8) -> Contract:
        """A Chainlink-shaped aggregator that has just answered."""
        return self.evm.deploy(mock("ChainlinkAggregator"), decimals, "ETH / USD", answer)

    def deploy_mock(self, name: str, *args: Any) -> Contract:
        """One of the test contracts."""
        return self.evm.deploy(mock(name), *args)

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
        **changes: Any,
    ) -> None:
        """List a feed of aggregators and, where a number is given, of that signer set."""
        zero = "0x" + "00" * 20
        structs = [
            (2, zero, source, age) if isinstance(source, int) else (1, source.address, 0, age)
            for source, age in zip(sources, ages or [max_age] * len(sources), strict=True)
        ]
        terms = astuple(replace(TERMS, **changes))
        self.oracle.list_feed(feed, terms, structs, variance, sender=self.governance)

    def list(
        self,
        sources: list[Contract | int],
        feed: int = FEED,
        max_age: int = 3_600,
        ages: list[int] | None = None,
        decimals: int = 8,
        **changes: Any,
    ) -> model.Feed:
        """List a feed with a model twin beside it."""
        ages = ages or [max_age] * len(sources)
        self.list_only(sources, feed, ages=ages, **changes)
        kinds = [
            model.Source(isinstance(source, int), age, decimals)
            for source, age in zip(sources, ages, strict=True)
        ]
        twin = model.Feed(replace(TERMS, **changes), kinds, model.Variance(WARM_VARIANCE * 10_000))
        self.feeds[feed] = twin
        self.targets[feed] = [None if isinstance(s, int) else s for s in sources]
        if sum(not source.signed for source in kinds) >= twin.terms.quorum:
            twin.poke(self.now, self.answers(feed))
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
        self.feeds[feed].poke(self.now, self.answers(feed), told)
        self.check(feed)
        return receipt

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
        assert self.oracle.word(feed) == hot.word(now)
        assert self.oracle.words([feed, feed]) == [hot.word(now)] * 2
        assert self.oracle.latest(feed) == newest.word(now)
        words = self.oracle.feed_words(feed)
        past, s = twin.variance, twin.settlement
        assert words[3] == (
            past.variance
            | past.price << 62
            | past.time << 118
            | s.total << 150
            | (s.premium % 2**38) << 217
        )
        assert words[4] == s.last | s.price << 22
        h = twin.halt
        assert words[5] == h.start | h.candidate << 32 | h.time << 88 | h.forced << 120
        for i, datum in enumerate(twin.data):
            expected = 0
            if datum is not None:
                expected = datum.price | datum.time << 56 | datum.round << 88
                expected |= (datum.premium % 2**18) << 168
            assert self.oracle.source_words(feed, i)[1] == expected

    def state(self, feed: int = FEED) -> int:
        """The feed's state as served."""
        return int(self.oracle.word(feed)) >> 160 & 3

    def price(self, feed: int = FEED) -> int:
        """The feed's index price as served, ticks."""
        return int(self.oracle.read(feed).price)


@pytest.fixture(scope="session")
def shared_world() -> World:
    evm = Evm(timestamp=START)
    governance, guardian, stranger = (evm.account() for _ in range(3))
    oracle = evm.deploy(compile_contract("OracleAdapter"), governance, guardian)
    return World(evm, oracle, governance, guardian, stranger)


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    handle = shared_world.evm.snapshot()
    shared_world.feeds, shared_world.targets = {}, {}
    yield shared_world
    shared_world.evm.revert(handle)
