"""P35: every bounded array or bytes parameter at its bound and one past it, with a real payload.

The parameters are enumerated from the ABIs (constructors and views included); one that is not in
`PROBES` fails. One past the bound the decoder refuses the calldata, without a reason, before
anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak

from plimsoll import orders
from plimsoll.compiler import compile_contract
from plimsoll.deployment.abi import artifact
from plimsoll.deployment.house import TEST_CONTRACTS, account_id
from plimsoll.risk_parameters import STARTING
from plimsoll.signed_reports import PriceReport, encode_update, sign
from plimsoll.testing import reverts
from tests.security.arena import (
    DEPLOYABLES,
    NONE,
    SURFACE_TERMS,
    Arena,
    address_of,
    key_of,
    signed_order,
    surface_report,
)
from tests.stage import (
    ETH,
    FOREVER,
    MARKET_CONFIG,
    ONE,
    TOKEN,
    conserves,
    list_markets,
    move_price,
    run_auction,
)

DAY = 86_400
NOTHING = "0x" + "00" * 20
Probe = Callable[[Arena, int], None]


def dynamic(inputs: Sequence[Mapping[str, Any]], path: str = "") -> Iterator[str]:
    """Paths of the array and bytes parameters, those inside structs included."""
    for entry in inputs:
        name = f"{path}.{entry['name']}" if path else str(entry["name"])
        if entry["type"].endswith("[]") or entry["type"] in ("bytes", "string"):
            yield name
        yield from dynamic(entry.get("components", ()), name)


def parameters() -> set[tuple[str, str, str]]:
    return {
        (contract, str(entry.get("name", "__init__")), path)
        for contract in DEPLOYABLES
        for entry in artifact(contract).abi
        if entry["type"] in ("function", "constructor")
        for path in dynamic(entry["inputs"])
    }


# -- factory and timelock


def factory(arena: Arena, size: int) -> None:
    """Creation code of that size which returns one byte of code."""
    code = bytes.fromhex("60015ff3").ljust(size, b"\0")
    house = arena.house
    house.contracts["Deployer"].deploy(keccak(b"bound"), code, sender=house.actors["deployer"])


def operation(arena: Arena, size: int) -> tuple[Any, ...]:
    """A mint whose calldata was padded to a size."""
    payload = arena.house.quote.mint.pack(arena.house.actors["keeper"], 1).ljust(size, b"\0")
    return arena.house.quote.address, 0, payload, NONE, NONE


def schedule(arena: Arena, size: int) -> None:
    house = arena.house
    house.timelock.schedule(*operation(arena, size), 2 * DAY, sender=house.actors["council"])


def execute(arena: Arena, size: int) -> None:
    house = arena.house
    if size <= 1_024:
        schedule(arena, size)
        house.advance(2 * DAY, refresh=True)
    house.timelock.execute(*operation(arena, size))
    assert house.quote.balanceOf(house.actors["keeper"]) == 1


def hash_operation(arena: Arena, size: int) -> None:
    args = operation(arena, size)
    types = ["address", "uint256", "bytes", "bytes32", "bytes32"]
    assert arena.house.timelock.hash_operation(*args) == keccak(abi_encode(types, args))


def batch(arena: Arena, which: str, size: int) -> tuple[Any, ...]:
    """Real mints; one of the three lists may be longer than the others."""
    target, amount, payload, _, _ = operation(arena, 1_024)
    lists = {"targets": [target] * 32, "amounts": [amount] * 32, "payloads": [payload] * 32}
    lists[which] = lists[which][:1] * size
    return (*lists.values(), NONE, NONE)


def batches(name: str, which: str) -> Probe:
    def probe(arena: Arena, size: int) -> None:
        house = arena.house
        args = batch(arena, which, size)
        council = house.actors["council"]
        if name == "schedule_batch":
            house.timelock.schedule_batch(*args, 2 * DAY, sender=council)
        elif name == "hash_operation_batch":
            assert len(house.timelock.hash_operation_batch(*args)) == 32
        else:
            house.timelock.schedule_batch(*batch(arena, which, 32), 2 * DAY, sender=council)
            house.advance(2 * DAY, refresh=True)
            house.timelock.execute_batch(*args)
            assert house.quote.balanceOf(house.actors["keeper"]) == 32

    return probe


def payload_in_batch(name: str) -> Probe:
    """The bytes inside the list, at their own bound."""

    def probe(arena: Arena, size: int) -> None:
        house = arena.house
        target, amount, payload, _, _ = operation(arena, size)
        args = ([target] * 2, [amount] * 2, [payload] * 2, NONE, NONE)
        if name == "schedule_batch":
            house.timelock.schedule_batch(*args, 2 * DAY, sender=house.actors["council"])
        elif name == "hash_operation_batch":
            house.timelock.hash_operation_batch(*args)
        else:
            if size <= 1_024:
                house.timelock.schedule_batch(*args, 2 * DAY, sender=house.actors["council"])
                house.advance(2 * DAY, refresh=True)
            house.timelock.execute_batch(*args)

    return probe


def actors(which: str) -> Probe:
    def probe(arena: Arena, size: int) -> None:
        house = arena.house
        lists = {
            name: [house.actors["council"]] for name in ("proposers", "executors", "cancellers")
        }
        lists[which] = [house.evm.account() for _ in range(size)]
        lock = house.evm.deploy(compile_contract("Timelock"), DAY, 1, DAY, *lists.values())
        role = getattr(lock, f"{which[:-1].upper()}_ROLE")()
        assert all(lock.hasRole(role, one) for one in lists[which])

    return probe


# -- oracle and risk model


def source(kind: int, target: str, signer_set: int = 0) -> tuple[Any, ...]:
    """A `SourceTerms` without inverse, via, extra or factory."""
    return (kind, target, signer_set, DAY, 0, False, 0, 0, NOTHING)


def sources(arena: Arena, count: int) -> list[tuple[Any, ...]]:
    made = [
        arena.house.evm.deploy(
            compile_contract("ChainlinkAggregator", contracts=TEST_CONTRACTS),
            8,
            "ETH / USD",
            1_820 * 10**8,
        )
        for _ in range(count)
    ]
    return [source(1, one.address) for one in made]


def list_feed(arena: Arena, count: int) -> None:
    house = arena.house
    terms = arena.calls(house.actors["trader"])["OracleAdapter", "set_terms"][1]
    house.govern("OracleAdapter", "list_feed", 9, terms, sources(arena, count), 10**11)
    house.oracle.poke(9, b"")
    assert house.oracle.read(9).price == 1_820 * 10**9


def set_sources(arena: Arena, count: int) -> None:
    house = arena.house
    terms = arena.calls(house.actors["trader"])["OracleAdapter", "set_terms"][1]
    house.govern("OracleAdapter", "set_sources", 1, terms, sources(arena, count))
    house.oracle.poke(1, b"")


def signers(count: int) -> list[str]:
    return sorted((address_of(f"signer {i}") for i in range(count)), key=lambda one: int(one, 16))


def add_signer_set(arena: Arena, count: int) -> None:
    arena.house.govern("OracleAdapter", "add_signer_set", signers(count), 8)
    assert arena.house.oracle.is_signer(1, signers(count)[-1])


def add_surface_signers(arena: Arena, count: int) -> None:
    arena.house.govern("ImpliedSurfaces", "add_signer_set", signers(count), 8)
    assert arena.house.surfaces.is_signer(2, signers(count)[-1])


def days(arena: Arena, count: int) -> list[int]:
    """Expiries a day apart."""
    first = arena.surface[3][0][0] + DAY
    return [first + number * DAY for number in range(count)]


def list_expiries(arena: Arena, count: int) -> None:
    house = arena.house
    house.govern("ImpliedSurfaces", "unlist_expiry", 1, arena.surface[3][0][0])
    house.govern("ImpliedSurfaces", "list_expiries", 1, days(arena, count))
    assert list(house.surfaces.expiries(1)) == days(arena, count)


def submit_slices(arena: Arena, count: int) -> None:
    list_expiries(arena, min(count, 12))
    house = arena.house
    house.surfaces.submit(*surface_report(house, days(arena, count), ["alice"], 1))
    assert house.surfaces.surface(1, days(arena, count)[-1]).state == 0


def submit_signatures(arena: Arena, size: int) -> None:
    """Eight of eight."""
    house = arena.house
    house.govern("ImpliedSurfaces", "add_signer_set", signers(8), 8)
    house.govern("ImpliedSurfaces", "set_terms", 1, (2, *SURFACE_TERMS[1:]))
    names = [f"signer {number}" for number in range(8)]
    *args, given = surface_report(house, [arena.surface[3][0][0]], names, 1)
    house.surfaces.submit(*args, given.ljust(size, b"\0"))


def words(arena: Arena, count: int) -> None:
    assert len(arena.house.oracle.words([1, 2] * (count // 2) + [1] * (count % 2))) == count


def poke(arena: Arena, size: int) -> None:
    """The decoder's bound lies above what a report may be: there TooMany tells."""
    if size > 2_048:
        arena.house.oracle.poke(1, bytes(size))
    with reverts("BadSource"):
        arena.house.oracle.poke(1, bytes(size))


def poke_part(arena: Arena, size: int) -> None:
    """The step of a poke with an update, called directly: no feed has a source there."""
    part = arena.house.contracts["OracleAdmin"]
    if size > 2_048:
        part.poke(1, bytes(size))
    with reverts("BadSource"):
        part.poke(1, bytes(size))


def test_poke__eight_signatures__are_the_longest_report(arena):
    """Velar: a bound too small for the signers that a quorum needs. 8 of 8, 705 bytes, is taken
    whole."""
    house = arena.house
    house.govern("OracleAdapter", "add_signer_set", signers(8), 8)
    terms = arena.calls(house.actors["trader"])["OracleAdapter", "set_terms"][1]
    chainlink = sources(arena, 1)
    feed = [*chainlink, source(2, NOTHING, 1)]
    house.govern("OracleAdapter", "list_feed", 9, terms, feed, 10**11)
    house.oracle.poke(9, b"")
    house.evm.advance(15)
    report = PriceReport(9, 1, 1_821 * 10**9, house.evm.timestamp, 1)
    keys = ["0x" + key_of(f"signer {i}").hex() for i in range(8)]
    update = encode_update(report, sign(report, keys, house.evm.chain_id, house.oracle.address))
    assert len(update) == 705
    with reverts("TooMany"):
        house.oracle.poke(9, update + b"\0")
    with reverts("BadQuorum"):
        house.oracle.poke(9, update[:-85])
    house.oracle.poke(9, update)
    assert house.oracle.source_words(9, 1)[1] % 2**56 == 1_821 * 10**9


def legs(arena: Arena, count: int) -> None:
    leg = (10**15 << 128) | (10**6 << 64) | ETH
    a = arena.house.risk.assess([leg] * count, [])
    assert a.linear > 0


def holdings(arena: Arena, count: int) -> None:
    (word,) = arena.house.vault.holdings(arena.house.actors["trader"].id)
    a = arena.house.risk.assess([], [word] * count)
    assert a.collateral > 0


# -- engine and orders


def fills(arena: Arena, count: int) -> None:
    house = arena.house
    one = (ETH, house.actors["rival"].id, house.actors["maker"].id, 10**4, 1_820 * 10**9, 0)
    house.settle([one] * count)
    assert house.engine.position(house.actors["rival"].id, ETH).lots == count * 10**4


def wires(arena: Arena, count: int) -> list[orders.SignedOrder]:
    """Alice's and bob's orders in turn, each with its own nonce."""
    return [signed_order(arena.house, ("alice", "bob")[i % 2], nonce=10 + i) for i in range(count)]


def send(
    arena: Arena,
    count: int = 2,
    matches: int = 1,
    proofs: Sequence[orders.Proof] = (),
    updates: Sequence[orders.Update] = (),
    also: Sequence[orders.SignedOrder] = (),
    extended: bool = False,
) -> None:
    house = arena.house
    pairs = [
        orders.Match(2 * (i % (count // 2)), 2 * (i % (count // 2)) + 1, 6_000)
        for i in range(matches)
    ]
    all_orders = [*wires(arena, count), *also]
    if extended and not (proofs or updates):
        updates = [orders.Update(1, b"")]
    data = orders.fill_calldata(all_orders, pairs, proofs, updates, check=False)
    before = house.engine.market(ETH).open_interest
    house.evm.transact(house.orders.address, data, house.matcher).raise_for_failure()
    assert house.engine.market(ETH).open_interest == before + matches * 6_000


def signer_of(arena: Arena, count: int) -> list[Any]:
    """Contracts that approve whatever they are shown."""
    quote = arena.house.quote
    made = []
    for _ in range(count):
        one = arena.house.evm.deploy(
            compile_contract("MockSigner", contracts=TEST_CONTRACTS), NOTHING
        )
        one.call_back(quote.address, quote.decimals.pack())
        made.append(one)
    return made


def proven(arena: Arena, count: int, size: int) -> None:
    """Orders approved by contracts, each shown a signature of that size."""
    made = signer_of(arena, count)
    also = [
        orders.attach_proof(
            orders.Order(
                account=account_id(one.address),
                market=ETH,
                buy=True,
                size=Decimal(1),
                limit_price=Decimal(1_820),
                expiry=FOREVER,
                nonce=1,
            ),
            i,
        )
        for i, one in enumerate(made)
    ]
    proofs = [orders.Proof(one.address, b"\x01" * size) for one in made]
    send(arena, proofs=proofs, also=also)


def draw(arena: Arena, size: int) -> None:
    """As many exposures as an account may have, and one more."""
    house = arena.house
    parts = [market << 128 | 1 for market in range(size)]
    house.fund.draw(parts, size, sender=house.auction.address)


PROBES: dict[tuple[str, str, str], tuple[int, Probe]] = {
    ("Deployer", "deploy", "initcode"): (49_152, factory),
    ("Timelock", "schedule", "payload"): (1_024, schedule),
    ("Timelock", "execute", "payload"): (1_024, execute),
    ("Timelock", "hash_operation", "payload"): (1_024, hash_operation),
    **{
        ("Timelock", name, which): (32, batches(name, which))
        for name in ("schedule_batch", "execute_batch", "hash_operation_batch")
        for which in ("targets", "amounts", "payloads")
    },
    **{
        ("Timelock", "__init__", f"{which}_"): (16, actors(which))
        for which in ("proposers", "executors", "cancellers")
    },
    ("OracleAdapter", "poke", "update"): (2_048, poke),
    ("OracleAdapter", "words", "feeds"): (88, words),
    ("OracleAdmin", "poke", "update"): (2_048, poke_part),
    ("OracleAdmin", "list_feed", "sources"): (5, list_feed),
    ("OracleAdmin", "set_sources", "sources"): (5, set_sources),
    ("OracleAdmin", "add_signer_set", "signers"): (16, add_signer_set),
    ("ImpliedSurfaces", "add_signer_set", "signers"): (16, add_surface_signers),
    ("ImpliedSurfaces", "list_expiries", "expiries"): (12, list_expiries),
    ("ImpliedSurfaces", "submit", "slices"): (12, submit_slices),
    ("ImpliedSurfaces", "submit", "signatures"): (680, submit_signatures),
    ("StandardMargin", "assess", "legs"): (72, legs),
    ("StandardMargin", "assess", "holdings"): (16, holdings),
    ("MarginEngine", "settle", "fills"): (32, fills),
    ("InsuranceFund", "draw", "parts"): (73, draw),
    ("SignedOrders", "fill", "orders"): (
        32,
        lambda a, n: send(a, n - n % 2, also=wires(a, n)[n - n % 2 :]),
    ),
    ("SignedOrders", "fill", "matches"): (16, lambda a, n: send(a, 4, n)),
    ("SignedOrders", "fill_with", "orders"): (
        32,
        lambda a, n: send(a, n - n % 2, also=wires(a, n)[n - n % 2 :], extended=True),
    ),
    ("SignedOrders", "fill_with", "matches"): (16, lambda a, n: send(a, 4, n, extended=True)),
    ("SignedOrders", "fill_with", "proofs"): (4, lambda a, n: proven(a, n, 65)),
    ("SignedOrders", "fill_with", "proofs.signature"): (1_024, lambda a, n: proven(a, 1, n)),
    ("SignedOrders", "fill_with", "updates"): (
        4,
        lambda a, n: send(a, updates=[orders.Update(1, b"")] * n),
    ),
    ("SignedOrders", "fill_with", "updates.payload"): (
        2_048,
        lambda a, n: send(a, updates=[orders.Update(1, bytes(n))]),
    ),
}  # fmt: skip
# The elements of a list of bytes have a bound of their own.
NESTED = {name: (1_024, payload_in_batch(name)) for name in
          ("schedule_batch", "execute_batch", "hash_operation_batch")}  # fmt: skip


def test_probes__are_all_parameters_of_the_abis():
    assert set(PROBES) == parameters()


@pytest.mark.parametrize("where", sorted(PROBES), ids=".".join)
def test_parameter__at_its_bound__is_taken(arena, where):
    bound, probe = PROBES[where]
    probe(arena, bound)


@pytest.mark.parametrize("where", sorted(PROBES), ids=".".join)
def test_parameter__past_its_bound__is_refused(arena, where):
    bound, probe = PROBES[where]
    with reverts(""):
        probe(arena, bound + 1)


@pytest.mark.parametrize("name", NESTED)
def test_payload_in_a_batch__at_and_past_its_bound(arena, name):
    bound, probe = NESTED[name]
    with reverts(""):
        probe(arena, bound + 1)
    probe(arena, bound)


# -- bounds of what an account may hold


def crowded(house, name: str, markets: list[int], size: str, quote: int):
    """An account with a position in each of these markets (all on the ETH feed)."""
    one, other = house.actor(name, quote=quote), house.actor(f"{name}'s maker", quote=1_000_000)
    lots = int(Decimal(size) * 10**6)
    for market in markets:
        house.settle([(market, one.id, other.id, lots, 1_820 * 10**9, 0)])
    return one


@pytest.mark.parametrize("extra", [8, 9])
def test_liquidation__takes_a_bidder_to_72_legs_and_no_further(arena, extra):
    """64 by choice, 72 by liquidation; every call of the engine still works with 72."""
    house = arena.house
    markets = [ETH, *list_markets(house, 63 + extra)]
    bidder = crowded(house, "bidder", markets[:64], "0.1", 1_000_000)
    sick = crowded(house, "bust", markets[64:], "4", 4_700)
    move_price(house, 1_700)
    house.auction.start(sick.id)
    house.advance(60, refresh=True)
    bid = (sick.id, bidder.id, 0, ONE, 10**30, FOREVER)
    if extra == 9:
        with reverts("TooManyPositions"):
            house.auction.bid(*bid, sender=bidder)
        return
    house.auction.bid(*bid, sender=bidder)
    assert bin(house.engine.held(bidder.id)).count("1") == 72
    house.engine.withdraw(bidder.id, TOKEN, bidder, sender=bidder)
    house.engine.standing(bidder.id)
    house.engine.account_version(bidder.id)
    fill = (markets[70], house.actors["liquidator"].id, bidder.id, 10**5, 1_700 * 10**9, 0)
    house.settle([fill])
    conserves(house)


def test_deleveraging__of_72_legs__fits_a_block(arena):
    house = arena.house
    markets = [ETH, *list_markets(house, 71)]
    whale = crowded(house, "bidder", markets[:64], "4", 60_000)
    sick = crowded(house, "bust", markets[64:], "4", 4_700)
    move_price(house, 1_700)
    house.auction.start(sick.id)
    house.advance(60, refresh=True)
    house.auction.bid(sick.id, whale.id, 0, ONE, 10**30, FOREVER, sender=whale)
    held = bin(house.engine.held(whale.id)).count("1")
    assert held == 72
    move_price(house, 1_400)
    house.auction.start(whale.id)
    run_auction(house, whale.id, 1_260)
    receipt = house.auction.deleverage(whale.id, 0)
    assert receipt.gas_used < 30_000_000
    assert house.engine.held(whale.id) == 0
    conserves(house)


def listed_coins(house, count: int) -> list[Any]:
    """Collateral tokens on the ETH feed, their caps open."""
    made = []
    for _ in range(count):
        coin = house.evm.deploy(compile_contract("MintableToken", contracts=TEST_CONTRACTS), 18)
        house.govern("CollateralVault", "list_asset", coin.address, 1, 500, 1_000, 10**24, 3_600)
        made.append(coin)
    house.advance(3_600, refresh=True)
    return made


def pledge(house, who, coins: list[Any], units: int) -> None:
    for coin in coins:
        coin.mint(who, units)
        coin.approve(house.vault.address, units, sender=who)
        house.vault.deposit(who.id, coin.address, units, sender=who)


@pytest.mark.parametrize("extra", [8, 9])
def test_collateral__eight_by_choice_sixteen_by_liquidation(arena, extra):
    house = arena.house
    coins = listed_coins(house, 17)
    bidder = house.actor("bidder", quote=100_000)
    pledge(house, bidder, coins[:8], 10**18)
    with reverts("TooManyPositions"):
        pledge(house, bidder, coins[8:9], 10**18)
    sick = house.actor("bust", quote=100)
    pledge(house, sick, coins[8:16], 10**18)
    house.trade("ETH-PERP", sick, house.actors["maker"], 60, 1_820, 0)
    move_price(house, 1_640)
    if extra == 9:
        # A ninth asset comes to the bust account by a slice of another one.
        house.vault.move_share(sick.id, bidder.id, ONE // 2, sender=house.engine.address)
        other = house.actor("other")
        pledge(house, other, coins[16:], 10**18)
        with reverts("TooManyPositions"):
            house.vault.move_share(other.id, bidder.id, ONE, sender=house.engine.address)
        return
    house.auction.start(sick.id)
    house.advance(60, refresh=True)
    house.auction.bid(sick.id, bidder.id, 0, ONE, 10**30, FOREVER, sender=bidder)
    assert house.vault.assets_held(bidder.id) == 16
    assert len(house.vault.holdings(bidder.id)) == 16
    house.vault.withdraw(bidder.id, coins[3].address, 10**18, bidder, sender=bidder)
    assert house.vault.assets_held(bidder.id) == 15
    conserves(house)


def test_markets__256_and_no_more(arena):
    house = arena.house
    list_markets(house, 254)
    assert house.engine.market_count() == 256
    house.govern("StandardMargin", "list_market", 256, 1, STARTING["ETH"].to_chain().astuple())
    with reverts("TooMany"):
        house.govern("MarginEngine", "list_market", MARKET_CONFIG)
    assert house.engine.solvency().gap == 0
    rival, maker = house.actors["rival"], house.actors["maker"]
    house.settle([(255, rival.id, maker.id, 10**6, 1_820 * 10**9, 0)])
    assert house.engine.held(rival.id) == 1 << 255
    house.settle([(255, maker.id, rival.id, 10**6, 1_820 * 10**9, 0)])
    assert house.engine.held(rival.id) == 0
