"""ImpliedSurfaces over a settable index, and the model stepped with the same input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from plimsoll.compiler import compile_contract
from plimsoll.evm import Contract, Evm
from plimsoll.model.rounding import ModelError, require
from plimsoll.model.surfaces import Surface, SurfaceTerms
from plimsoll.signed_surfaces import SliceReport, SurfaceReport, sign
from plimsoll.testing import reverts

MOCKS = Path(__file__).parent / "mocks"
FEED, OTHER_FEED = 7, 8
USD = 10**9  # ticks
INDEX = 2_000 * USD
START = 1_700_001_000  # a half hour begins
DAY = 86_400
EXPIRIES = tuple(START + days * DAY for days in (1, 7, 30, 90))
KEYS = [f"0x{n:064x}" for n in range(1_001, 1_010)]
TERMS = SurfaceTerms(
    signer_set=1,
    max_age=3_600,
    forward_band=200,
    forward_rate=3_000,
    min_volatility=100,
    max_volatility=50_000,
    max_slope=20_000,
)


def signers_of(keys: Sequence[str]) -> list[str]:
    """Addresses of these keys, ascending."""
    return sorted((Account.from_key(key).address for key in keys), key=lambda a: int(a, 16))


def flat(expiry: int, volatility: str | float, at: int = START, **changes: int) -> SliceReport:
    """A smile about a volatility: b and sigma grow with its deviation over the time left."""
    variance = float(volatility) ** 2 * (expiry - at) / 31_536_000
    deviation = variance**0.5
    b, sigma, rho = 0.2 * deviation, 0.8 * deviation, -0.3
    a = variance - b * (sigma**2) ** 0.5
    numbers = (round(x * 10**12) for x in (a, b, rho, 0.0, sigma))
    return replace(SliceReport(expiry, INDEX, *numbers), **changes)


@dataclass
class World:
    """The contract and its actors; `twins` holds the model of each feed."""

    evm: Evm
    surfaces: Contract
    index: Contract
    governance: str
    guardian: str
    stranger: str
    twins: dict[int, Surface] = field(default_factory=dict)
    sequence: int = 0
    prices: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def now(self) -> int:
        return self.evm.timestamp

    def set_index(self, price: int, state: int = 0, feed: int = FEED) -> None:
        self.index.set_price(feed, price, state)
        self.prices[feed] = (price, state)

    def open(self, feed: int = FEED, expiries: Sequence[int] = EXPIRIES, **changes: int) -> Surface:
        """Give a feed a surface with these expiries."""
        terms = replace(TERMS, **changes)
        self.set_index(INDEX, feed=feed)
        self.surfaces.set_terms(feed, astuple(terms), sender=self.governance)
        twin = self.twins[feed] = Surface(feed, terms)
        self.surfaces.list_expiries(feed, list(expiries), sender=self.governance)
        twin.list_expiries(expiries, self.now)
        return twin

    def report(self, *slices: SliceReport, feed: int = FEED, **changes: Any) -> SurfaceReport:
        """A report of now, its sequence above all before."""
        self.sequence += 1
        return replace(SurfaceReport(feed, self.now, self.sequence, slices), **changes)

    def arguments(self, report: SurfaceReport, keys: Sequence[str] = KEYS[:1]) -> tuple[Any, ...]:
        """Arguments of `submit`, signed by these keys."""
        given = sign(report, keys, self.evm.chain_id, self.surfaces.address)
        return report.arguments(given)

    def send(self, report: SurfaceReport, keys: Sequence[str] = KEYS[:1]) -> Any:
        """Submit without the model."""
        return self.surfaces.submit(*self.arguments(report, keys), sender=self.stranger)

    def submit(self, *slices: SliceReport, feed: int = FEED) -> SurfaceReport:
        """Take a report in contract and model, and compare."""
        report = self.report(*slices, feed=feed)
        assert self.attempt(report) is None
        return report

    def attempt(self, report: SurfaceReport) -> str | None:
        """The same for a report that may be refused; returns the refusal, which both give."""
        before = self.words(report.feed)
        refusal = None
        try:
            self.twins[report.feed].submit(report, lambda: self._read(report.feed), self.now)
        except ModelError as refused:
            refusal = refused.name
        if refusal is None:
            self.send(report)
        else:
            with reverts(refusal):
                self.send(report)
            assert self.words(report.feed) == before
        self.check(report.feed)
        return refusal

    def refused(self, name: str, *slices: SliceReport, **changes: Any) -> None:
        """A report that both refuse under this name."""
        assert self.attempt(self.report(*slices, **changes)) == name

    def _read(self, feed: int) -> int:
        price, state = self.prices[feed]
        require(state < 2, "StalePrice")
        return price

    def words(self, feed: int) -> list[Any]:
        """Everything stored about a feed."""
        listed = self.twins[feed].listed
        return [self.surfaces.slice_words(feed, one) for one in listed]

    def check(self, feed: int = FEED) -> None:
        """Every view equals the model's."""
        twin, now = self.twins[feed], self.now
        assert list(self.surfaces.expiries(feed)) == twin.expiries(now)
        for expiry in {*twin.listed, *twin.kept}:
            expected = twin.surface(expiry, now)
            assert tuple(self.surfaces.surface(feed, expiry)) == expected
            if expected[-1] == 4:
                for read in (
                    lambda at=expiry: self.surfaces.total_variance(feed, at, 0),
                    lambda at=expiry: self.surfaces.implied_at_the_money(feed, at),
                ):
                    with reverts("NoSurface"):
                        read()
                continue
            implied = self.surfaces.implied_at_the_money(feed, expiry)
            assert implied == twin.implied_at_the_money(expiry, now)
            for k in (-8 * 10**12, -123_456_789_012, 0, 777, 8 * 10**12):
                found = self.surfaces.total_variance(feed, expiry, k)
                assert found == twin.total_variance(expiry, k, now)


@pytest.fixture(scope="session")
def shared_world() -> World:
    evm = Evm(timestamp=START)
    governance, guardian, stranger = (evm.account() for _ in range(3))
    index = evm.deploy(compile_contract("IndexSource", contracts=MOCKS))
    surfaces = evm.deploy(compile_contract("ImpliedSurfaces"), index.address, governance, guardian)
    surfaces.add_signer_set(signers_of(KEYS[:3]), 1, sender=governance)
    surfaces.add_signer_set(signers_of(KEYS[:3]), 2, sender=governance)
    return World(evm, surfaces, index, governance, guardian, stranger)


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    handle = shared_world.evm.snapshot()
    shared_world.twins, shared_world.prices, shared_world.sequence = {}, {}, 0
    yield shared_world
    shared_world.evm.revert(handle)
