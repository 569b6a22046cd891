"""The house that is measured: deployed through the real plan, one aggregator and feed per market.

Everything is a `House` of accounts with keys, calls by contract and function name, and signed
orders with nonces that count up, so that orders of one account share words of its ring as they
would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from math import isqrt
from typing import Any

from plimsoll import orders
from plimsoll.bench.chain import BenchChain
from plimsoll.compiler import PROJECT_ROOT, Artifact, compile_contract
from plimsoll.deployment.abi import calldata, decoder
from plimsoll.deployment.config import DEFAULTS, parse_config
from plimsoll.deployment.execute import NotReady, execute, predict_factory
from plimsoll.deployment.plan import build_plan
from plimsoll.evm.abi import make_encoder
from plimsoll.signed_reports import PriceReport, encode_update
from plimsoll.signed_reports import sign as sign_report
from plimsoll.signed_surfaces import SliceReport, SurfaceReport
from plimsoll.signed_surfaces import sign as sign_surface
from plimsoll.units import Number, lots, ticks, to_units, token_units

TEST_CONTRACTS = PROJECT_ROOT / "tests" / "contracts"
ACTORS = ("council", "guardian", "treasury", "matcher")  # names that the configuration refers to
MARKETS = 32
THREE, SIGNED = MARKETS + 1, MARKETS + 2  # feed ids: three aggregators; signed reports
PRICE = 2_000  # USD, of everything
AGGREGATOR_DECIMALS = 8
SOURCE_AGE = 86_400  # s
FIRST_NONCE = 3 * 1_000  # after a sweep of the ring, or on words never written
SIGNER_KEY = "0x" + "51" * 32


@dataclass
class Actor:
    """An owner with its key; `nonce` is the next order's."""

    name: str
    address: str
    key: bytes = field(repr=False)
    nonces: dict[int, int] = field(default_factory=dict, repr=False)

    def id(self, index: int = 0) -> int:
        """Account id."""
        return orders.account_id(self.address, index)

    def next_nonce(self, index: int) -> int:
        """Counts up from `FIRST_NONCE` for each account."""
        nonce = self.nonces.get(index, FIRST_NONCE)
        self.nonces[index] = nonce + 1
        return nonce


@cache
def _address(key: bytes) -> str:
    from eth_account import Account

    return str(Account.from_key(key).address)


@dataclass
class House:
    """Addresses of everything deployed, and the calls that a bench makes."""

    chain: BenchChain
    addresses: dict[str, str]
    tokens: dict[str, str]
    aggregators: dict[int, list[str]]  # by feed id
    names: dict[str, str]
    sequence: int = 0
    _actors: int = 0

    @property
    def domain(self) -> orders.Domain:
        """Where orders are valid."""
        return orders.Domain(self.chain.chain_id, self.addresses["SignedOrders"])

    # -- calls

    def do(self, sender: Actor | str, contract: str, function: str, *args: Any) -> int:
        """Gas used by one transaction alone in its block."""
        data = calldata(contract, function, *args)
        return self.gas(sender, contract, data, f"{contract}.{function}")

    def gas(self, sender: Actor | str, contract: str, data: bytes, note: str = "") -> int:
        """Gas used by prepared calldata."""
        who = sender.address if isinstance(sender, Actor) else sender
        receipt = self.chain.receipt(who, self.addresses[contract], data, note)
        return int(receipt["gasUsed"], 16)

    def read(self, contract: str, function: str, *args: Any) -> Any:
        """Result of a view."""
        reply = self.chain.call(self.addresses[contract], calldata(contract, function, *args))
        return decoder(contract, function)(reply)

    def token(self, sender: str, name: str, function: str, *args: Any) -> None:
        """A call to a token."""
        self.chain.receipt(
            sender, self.tokens[name], _test_calldata("MintableToken", function, *args)
        )

    # -- people and money

    def actor(self, name: str, quote: Number = 0) -> Actor:
        """A fresh owner whose tokens the vault may take; `quote` USD are deposited in account 0."""
        self._actors += 1
        key = self._actors.to_bytes(32, "big")
        made = Actor(name, _address(key), key)
        vault = self.addresses["CollateralVault"]
        for token in self.tokens:
            self.token(made.address, token, "approve", vault, 2**256 - 1)
            self.token(made.address, token, "mint", made.address, 10**30)
        if quote:
            self.deposit(made, quote)
        return made

    def deposit(self, actor: Actor, usd: Number, index: int = 0) -> int:
        """Gas of a cash deposit."""
        return self.do(actor, "MarginEngine", "deposit", actor.id(index), token_units(usd, None, 6))

    def deposit_many(self, actor: Actor, usd: Number, indices: Sequence[int]) -> None:
        """Cash for many accounts of one owner, a few blocks in all."""
        engine = self.addresses["MarginEngine"]
        units = token_units(usd, None, 6)
        for start in range(0, len(indices), 250):
            calls = [
                (
                    actor.address,
                    engine,
                    calldata("MarginEngine", "deposit", actor.id(index), units),
                )
                for index in indices[start : start + 250]
            ]
            self.chain.send_many(calls)

    def insure(self, usd: Number) -> None:
        """Somebody deposits into the insurance fund."""
        insurer = self.actor("insurer")
        units = token_units(usd, None, 6)
        self.do(insurer, "InsuranceFund", "deposit", units, insurer.address)

    def fill_ring(self, *actors: Actor) -> None:
        """Every word of the nonce ring as in an account that has placed 384 orders."""
        for actor in actors:
            self.do(actor, "SignedOrders", "cancel_up_to", actor.id(), FIRST_NONCE - 3)

    # -- prices

    def set_price(self, usd: Number, feeds: Sequence[int] | None = None) -> None:
        """Answers of these feeds (all of the markets unless told), poked, and a block more."""
        wanted = list(feeds or range(1, MARKETS + 1))
        self.answer(usd, wanted)
        oracle, sender = self.addresses["OracleAdapter"], self.chain.account
        pokes = [(sender, oracle, calldata("OracleAdapter", "poke", feed, b"")) for feed in wanted]
        self.chain.send_many(pokes)
        self.chain.advance(12)

    def answer(self, usd: Number, feeds: Sequence[int]) -> None:
        """New answers of all aggregators of these feeds, not poked."""
        answer = to_units(usd, -AGGREGATOR_DECIMALS)
        data = _test_calldata("ChainlinkAggregator", "set_answer", answer)
        sender = self.chain.account
        self.chain.send_many(
            [(sender, one, data) for feed in feeds for one in self.aggregators[feed]]
        )

    def report(self) -> bytes:
        """A poke's payload for the signed feed: the same price, observed now."""
        self.sequence += 1
        now = self.chain.block()[1]
        one = PriceReport(SIGNED, 0, ticks(PRICE), now, self.sequence)
        adapter = self.addresses["OracleAdapter"]
        return encode_update(one, sign_report(one, [SIGNER_KEY], self.chain.chain_id, adapter))

    def surface_report(self, expiries: Sequence[int]) -> tuple[Any, ...]:
        """Arguments of a surface report of feed 1: a smile about 60 % on each expiry, now."""
        self.sequence += 1
        now = self.chain.block()[1]
        slices = []
        for expiry in expiries:
            variance = 36 * 10**10 * (expiry - now) // 31_536_000
            b = isqrt(variance * 10**12) // 5
            numbers = (variance * 4 // 5, b, -3 * 10**11, 10**9, variance * 10**12 // (5 * b))
            slices.append(SliceReport(expiry, ticks(PRICE), *numbers))
        report = SurfaceReport(1, now, self.sequence, tuple(slices))
        contract = self.addresses["ImpliedSurfaces"]
        return report.arguments(sign_surface(report, [SIGNER_KEY], self.chain.chain_id, contract))

    # -- orders

    def order(
        self,
        actor: Actor,
        buy: bool,
        market: int,
        size: Number,
        price: Number = PRICE,
        index: int = 0,
        matcher: str = orders.NULL_ADDRESS,
    ) -> orders.SignedOrder:
        """A limit order good for an hour, for one matcher or for any with the role."""
        made = orders.Order(
            account=actor.id(index),
            market=market,
            buy=buy,
            size=Decimal(str(size)),
            limit_price=Decimal(str(price)),
            expiry=self.chain.block()[1] + 3_600,
            nonce=actor.next_nonce(index),
            matcher=matcher,
        )
        return orders.sign(made, self.domain, actor.key)

    def pair(
        self,
        taker: Actor,
        maker: Actor,
        market: int,
        size: Number,
        price: Number = PRICE,
        taker_buys: bool = True,
        matcher: str = orders.NULL_ADDRESS,
    ) -> bytes:
        """Calldata of one taker against one maker."""
        return orders.pair_calldata(
            self.order(maker, not taker_buys, market, size, price, matcher=matcher),
            self.order(taker, taker_buys, market, size, price, matcher=matcher),
            lots(size),
        )

    def trade(
        self,
        taker: Actor,
        maker: Actor,
        market: int,
        size: Number,
        price: Number = PRICE,
        taker_buys: bool = True,
    ) -> int:
        """Gas of one taker against one maker."""
        data = self.pair(taker, maker, market, size, price, taker_buys)
        return self.match(data)

    def match(self, data: bytes) -> int:
        """Gas of a call of the matcher."""
        return self.gas(self.names["matcher"], "SignedOrders", data, "fill")

    def open_markets(
        self, buyer: Actor, seller: Actor, markets: Sequence[int], size: Number
    ) -> None:
        """One pair in each of these markets, 16 to a call."""
        for start in range(0, len(markets), 16):
            signed, matches = [], []
            for market in markets[start : start + 16]:
                signed.append(self.order(seller, False, market, size))
                signed.append(self.order(buyer, True, market, size))
                matches.append(orders.Match(len(signed) - 2, len(signed) - 1, lots(size)))
            self.match(orders.fill_calldata(signed, matches))

    def sweep(
        self, taker: Actor, maker: Actor, indices: Sequence[int], market: int, size: Number
    ) -> bytes:
        """Calldata of one buy order that meets a sell order of each of these accounts."""
        total = Decimal(str(size)) * len(indices)
        signed = [self.order(taker, True, market, total)]
        matches = []
        for index in indices:
            signed.append(self.order(maker, False, market, size, index=index))
            matches.append(orders.Match(len(signed) - 1, 0, lots(size)))
        return orders.fill_calldata(signed, matches)

    # -- state

    def snapshot(self) -> str:
        """A snapshot id, good once."""
        return self.chain.anvil.snapshot()

    def revert(self, snapshot: str) -> None:
        """Back to a snapshot. Order nonces go on counting."""
        self.chain.anvil.revert(snapshot)

    def check(self) -> None:
        """The engine's own identity: nothing is missing, nothing is left over."""
        solvency = self.read("MarginEngine", "solvency")
        if solvency[-1] != 0:
            raise AssertionError(f"expected no gap in the books, got {solvency}")


@cache
def _test_contract(name: str) -> Artifact:
    return compile_contract(name, contracts=TEST_CONTRACTS)


def _test_calldata(contract: str, function: str, *args: Any) -> bytes:
    return bytes(_test_encoder(contract, function)(*args))


@cache
def _test_encoder(contract: str, function: str) -> Any:
    built = _test_contract(contract)
    entry = next(one for one in built.abi if one.get("name") == function)
    selector = next(
        text for name, text in built.method_identifiers.items() if name.startswith(f"{function}(")
    )
    return make_encoder(entry["inputs"], int(selector, 16).to_bytes(4, "big"))


def _create(chain: BenchChain, name: str, *args: Any) -> str:
    built = _test_contract(name)
    inputs: Any = next((e["inputs"] for e in built.abi if e["type"] == "constructor"), [])
    return chain.deploy(make_encoder(inputs, built.initcode)(*args))


def _configuration(aggregators: dict[int, list[str]], chain_id: int) -> dict[str, Any]:
    """The test house's configuration with `MARKETS` markets, each of its own feed."""
    import yaml

    raw: dict[str, Any] = yaml.safe_load((DEFAULTS / "house.yaml").read_text())
    feed, market = raw["oracle"]["feeds"][0], raw["markets"][0]
    feeds = []
    for number, listed in aggregators.items():
        sources = [
            {"kind": "chainlink", "aggregator": one, "max_age_seconds": SOURCE_AGE}
            for one in listed
        ]
        quorum = 2 if len(listed) > 1 else 1
        feeds.append(
            {**feed, "name": f"F{number}", "id": number, "quorum": quorum, "sources": sources}
        )
    signed = {"kind": "signed", "signer_set": "bench", "max_age_seconds": SOURCE_AGE}
    feeds.append({**feed, "name": f"F{SIGNED}", "id": SIGNED, "quorum": 1, "sources": [signed]})
    raw["oracle"] = {
        "signer_sets": {"bench": {"signers": [report_signer()], "threshold": 1}},
        "feeds": feeds,
    }
    raw["markets"] = [
        {**market, "name": f"M{number}-PERP", "feed": f"F{number + 1}"} for number in range(MARKETS)
    ]
    raw["collateral"][0]["feed"] = "F1"
    raw["chain_id"] = chain_id
    return raw


def report_signer() -> str:
    """Who signs all reports."""
    return _address(bytes.fromhex(SIGNER_KEY[2:]))


def deploy(chain: BenchChain) -> House:
    """Tokens, aggregators and the protocol, prices set and served."""
    decimals = {"usd": 6, "weth": 18}
    tokens = {name: _create(chain, "MintableToken", count) for name, count in decimals.items()}
    answer = to_units(PRICE, -AGGREGATOR_DECIMALS)
    aggregators = {
        feed: [
            _create(chain, "ChainlinkAggregator", AGGREGATOR_DECIMALS, f"F{feed}", answer)
            for _ in range(3 if feed == THREE else 1)
        ]
        for feed in range(1, THREE + 1)
    }
    names = {name: _address((2**128 + i).to_bytes(32, "big")) for i, name in enumerate(ACTORS)}
    config = parse_config(_configuration(aggregators, chain.chain_id), {**names, **tokens})
    plan = build_plan(config, chain.account, predict_factory(chain))
    house = House(chain, dict(plan.addresses), tokens, aggregators, names)
    try:
        execute(plan, chain)
    except NotReady:  # the signed feed's first price can only come from its signers
        house.do(chain.account, "OracleAdapter", "poke", SIGNED, house.report())
        execute(plan, chain)
    chain.advance(3_600)  # the collateral's cap is open, and slow open interest starts from rest
    house.set_price(PRICE, range(1, THREE + 1))
    return house
