"""The chain's side of a campaign: the protocol as deployed, oracle words set by hand.

Everything is deployed by the ordinary plan; only the oracle adapter's code is replaced by a double
that serves the quote word it was told, because a campaign wants every word there can be: stale,
halted, recovering, with any band and funding. One deployment a process; `reset` puts it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from plimsoll.compiler import PROJECT_ROOT, Artifact, compile_contract, compile_path
from plimsoll.deployment.house import House, deploy_house
from plimsoll.evm import Contract, Evm
from plimsoll.evm.fast import BLOCK_SECONDS
from plimsoll.fuzz.words import CONTRACTS, Words
from plimsoll.model.auction import Curve
from plimsoll.model.cash import Rates
from plimsoll.model.engine_types import Config
from plimsoll.model.fund import Terms
from plimsoll.model.ports import AssetTerms
from plimsoll.model.sale_limiter import Lane, SaleLimiter
from plimsoll.model.standard_margin import MarketParameters, Quote

CONFIG = Path(__file__).parent / "house.yaml"
ORACLE_DOUBLE = PROJECT_ROOT / "tests" / "unit" / "risk" / "mocks" / "QuoteSource.vy"
PRICES = {"ETH": 2_000, "BTC": 40_000, "SOL": 100, "XRP": 1}
TRADERS = 8  # accounts with an owner each, but for the last, which is a second one of the first's
KEEPERS = 2
RICH = 10**15  # token units of everything for everybody, a billion USD
BUDGET = (10**21, 2_000)  # qu the keepers' budget is filled up to, 1e-4 of the fund a day
ZERO = b"\x00" * 32
EDGE = 4_096  # blocks that are stepped through; a longer time is set at once


@dataclass(frozen=True)
class Facts:
    """What the deployment set, for the model to begin with."""

    now: int
    curve: Curve
    rates: Rates
    core: int
    treasury: int
    fund_share: int  # 1e-4 of the fees
    configs: dict[int, int]  # market -> word
    parameters: dict[int, MarketParameters]
    hot: dict[int, int]  # market -> the risk model's word
    assets: dict[int, AssetTerms]
    terms: Terms
    flow: int  # the sale limiter's word
    lanes: dict[int, Lane]  # market -> its limit
    quotes: dict[int, Quote]  # by feed


def rates_of(word: int) -> Rates:
    """The interest line as the engine stores it."""
    return Rates(
        base=word & 2**24 - 1,
        slope=word >> 24 & 2**24 - 1,
        slope_above=word >> 48 & 2**24 - 1,
        kink=word >> 72 & 0xFFFF,
        fund_share=word >> 88 & 0xFFFF,
        borrow_cap=word >> 104,
    )


def limiter_of(facts: Facts) -> SaleLimiter:
    """The sale limiter as deployed."""
    word = facts.flow
    return SaleLimiter(
        share=word >> 244,
        window=word >> 220 & 0xFFFF,
        reserve=word >> 236 & 0xFF,
        sum=word >> 184 & 2**36 - 1,
        lanes=dict(facts.lanes),
    )


def config_of(word: int) -> Config:
    """A market's configuration as the engine stores it."""
    maker = word >> 120 & 0xFFFF
    return Config(
        cap_lots=word & 2**56 - 1,
        cap_usd=word >> 56 & 2**40 - 1,
        min_notional=word >> 96 & 2**24 - 1,
        maker_fee=maker - (maker >> 15 << 16),
        taker_fee=word >> 136 & 0xFFFF,
        band=word >> 152 & 0xFFFF,
        status=word >> 168 & 0xFF,
    )


@cache
def _double() -> Artifact:
    return compile_path(ORACLE_DOUBLE)


@cache
def _taker() -> Artifact:
    return compile_contract("SliceTaker", contracts=PROJECT_ROOT / "tests" / "contracts")


class Stand:
    """Contracts, people and the state that every waterfall starts from."""

    def __init__(self) -> None:
        self.evm = Evm(record=False)
        self.house: House = deploy_house(self.evm, CONFIG, prices=PRICES)
        house, evm = self.house, self.evm
        self.engine, self.vault, self.auction = house.engine, house.vault, house.auction
        self.fund, self.risk = house.fund, house.risk
        evm.set_code(house.oracle.address, evm.code(evm.deploy(_double()).address))
        self.oracle: Contract = evm.at(_double(), house.oracle.address)
        self.venue, self.owner = house.venue, house.timelock.address
        self.assets = [token for name, token in house.tokens.items() if name != "usd"]
        owners = [house.actor(f"trader{i}") for i in range(TRADERS - 1)]
        self.keepers = [house.actor(f"keeper{i}") for i in range(KEEPERS)]
        self.insurer = house.actor("insurer")
        self.taker: Contract = evm.deploy(_taker())
        self.taker.allow(house.quote.address, self.vault.address)
        # Senders by number: an owner for each account, the taker, then the keepers.
        self.senders: list[str] = [*owners, owners[0], self.taker.address, *self.keepers]
        self.ids = [int(who, 16) << 96 for who in owners]
        self.ids += [self.ids[0] | 1, int(self.taker.address, 16) << 96]
        for who in (*owners, self.taker.address, self.insurer):
            house.quote.mint(who, RICH)
            for token in self.assets:
                token.mint(who, 10**30)
        for feed, usd in enumerate(PRICES.values(), 1):
            self.oracle.set_word(feed, usd * 10**9)
        # Keepers' pay matters: their budget may be filled as far and as fast as the bounds allow.
        house.govern("InsuranceFund", "set_budget", *BUDGET)
        evm.advance(3_600)  # the caps on collateral open
        self._snapshot = evm.snapshot()
        self.facts = self._read()

    def _read(self) -> Facts:
        engine, split = self.engine, self.engine.fee_split()
        markets = range(engine.market_count())
        caps = self.fund.caps()
        collateral = self.house.config.collateral
        return Facts(
            now=self.evm.timestamp,
            curve=Curve(*self.auction.curve()),
            rates=rates_of(engine.rates()),
            core=engine.core(),
            treasury=split & 2**160 - 1,
            fund_share=split >> 160,
            configs={market: engine.config(market) for market in markets},
            parameters={m: MarketParameters(*self.risk.parameters(m)) for m in markets},
            hot={market: self.risk.market_words(market)[0] for market in markets},
            assets={
                number: AssetTerms(
                    self.house.feed_id(one.feed),
                    one.maintenance_haircut_bps,
                    one.initial_haircut_bps,
                    one.decimals,
                )
                for number, one in enumerate(collateral, 1)
            },
            terms=Terms(
                *(caps.per_event, caps.per_window, caps.per_market, caps.window),
                budget_target=BUDGET[0],
                budget_share=BUDGET[1],
            ),
            flow=engine.claims(),
            lanes={m: Lane(0, *(engine.flow_of(m)[i] for i in (0, 2))) for m in markets},
            quotes={
                feed: Quote.unpack(self.oracle.word(feed)) for feed in range(1, len(PRICES) + 1)
            },
        )

    def reset(self) -> None:
        """Back to the state that every waterfall starts from."""
        self.evm.revert(self._snapshot)

    def advance(self, seconds: int) -> None:
        """Time, in the machine's own blocks where these fit."""
        blocks, rest = divmod(seconds, BLOCK_SECONDS)
        if rest or blocks > EDGE:
            self.evm.advance(seconds)
            return
        for _ in range(blocks):
            self.evm.advance(BLOCK_SECONDS)

    @contextmanager
    def on_anvil(self) -> Iterator[None]:
        """The stand on Anvil instead, begun anew; many times slower."""
        from plimsoll.fuzz.anvil import anvil_with

        self.reset()
        backend: Any = self.evm.backend
        own = (backend, self._snapshot)
        with anvil_with(backend.world(self._snapshot[0][0])) as other:
            self.evm.backend = other
            self._snapshot = self.evm.snapshot()
            try:
                yield
            finally:
                self.evm.backend, self._snapshot = own

    def words(self, asked: Callable[[], Mapping[str, Iterable[bytes]]]) -> dict[str, Words]:
        """Every storage word that is not zero, of the contracts that are compared.

        `asked`: gives slots by contract, for a machine that cannot tell all there are.
        """
        backend: Any = self.evm.backend
        if backend.name == "anvil":
            return {
                name: {slot: word for slot, word in found.items() if word != ZERO}
                for name, slots in asked().items()
                for found in [backend.words(self.house.contracts[name].raw_address, slots)]
            }
        wanted = {self.house.contracts[name].raw_address: name for name in CONTRACTS}
        found: dict[str, Words] = {}
        for address, (_info, _status, storage) in backend._env.export_snapshot()[1]:
            name = wanted.get(address)
            if name is not None:
                found[name] = {slot: word for slot, word in storage if word != ZERO}
        return found
