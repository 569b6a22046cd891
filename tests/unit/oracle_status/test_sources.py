"""What status says of sources of every kind, and why one does not count."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from eth_utils.crypto import keccak

from plimsoll.evm import Contract
from plimsoll.model.price_sources import curve_extra, uniswap_extra, vault_extra
from plimsoll.oracle_status import record
from tests.unit.oracle.conftest import World
from tests.unit.oracle_status.conftest import read, told

LEG = 5


def test_status__inverse_and_through_another_feed__value_age_and_the_leg_that_fails(
    world: World,
) -> None:
    leg = world.aggregator()
    world.list_only([leg], LEG, max_age=600, quorum=1)
    rate, inverse = world.aggregator(105 * 10**6), world.aggregator(47_619)
    world.evm.advance(10)
    world.list_only(
        [rate, inverse],
        quorum=1,
        max_age=600,
        ages=[600, 90_000],
        twists={0: {"via": LEG}, 1: {"inverse": True}},
    )
    feed = told(world)
    one, two = feed["sources"]
    assert (one["via"], one["inverse"], one["value_usd"], one["age_s"]) == (LEG, False, "2100", 10)
    assert (two["via"], two["inverse"]) == (None, True)
    assert two["value_usd"] == "2100.002100002"
    world.evm.advance(700)
    rate.set_answer(106 * 10**6)
    feed = told(world)
    one, two = feed["sources"]
    assert (one["counts"], two["counts"]) == (False, True)
    assert one["why"] == f"110 s over its limit, feed {LEG}, which it goes through, is STALE"
    leg.set_answer(2_000 * 10**8)
    world.oracle.poke(LEG, b"", sender=world.stranger)
    feed = told(world)
    assert feed["sources"][0]["why"] == "a poke would take a newer one"
    assert feed["sources"][0]["live"]["value_usd"] == "2120"


@dataclass
class Hostile:
    """A feed of a Pyth, a Uniswap, a Curve and an ERC-4626 source, all one contract that obeys."""

    world: World
    contract: Contract

    def says(self, method: str, words: list[int], mode: int = 0) -> None:
        """The answer from now on; mode 1 reverts, 2 is empty."""
        words = [word % 2**256 for word in words]
        self.contract.set_answer(keccak(text=method)[:4], mode, words)

    def pyth(self, usd: int = 2_000, confidence: int = 1, age: int = 0) -> None:
        """What the Pyth contract holds."""
        words = [usd * 10**8, confidence * 10**8, -8, self.world.now - age]
        self.says("getPriceUnsafe(bytes32)", words)

    def pool(self, tick: int = 76_012, liquidity: int = 3 * 10**18) -> None:
        """What the pool says of the window."""
        passed = -(-(1_800 << 128) // liquidity)
        self.says("observe(uint32[])", [64, 160, 2, 0, tick * 1_800, 2, 0, passed])


PYTH, POOL, CURVE, VAULT = range(4)


@pytest.fixture
def hostile(world: World) -> Hostile:
    made = Hostile(world, world.deploy_mock("HostileSource"))
    address = int(made.contract.address, 16)
    made.pyth()
    made.pool()
    made.says("price_oracle(uint256)", [2_001 * 10**18])
    made.says("convertToAssets(uint256)", [2_002 * 10**18])
    for method in ("token0()", "token1()", "asset()", "getPool(address,address,uint24)"):
        made.says(method, [address])
    made.says("fee()", [3_000])
    made.says("decimals()", [18])
    made.says("slot0()", [2**96, 0, 0, 151, 151, 0, 1])
    pool = {"extra": uniswap_extra(1_800, 10**18, 18, 18), "factory": made.contract.address}
    world.list_only(
        [made.contract] * 4,
        quorum=2,
        max_age=600,
        twists={
            PYTH: {"kind": 3, "max_conf": 50, "extra": 0xE7},
            POOL: {"kind": 4, **pool},
            CURVE: {"kind": 5, "extra": curve_extra(1)},
            VAULT: {"kind": 6, "extra": vault_extra(18, 18)},
        },
    )
    return made


def test_status__four_kinds_on_chain__value_age_and_their_terms(hostile: Hostile) -> None:
    hostile.world.evm.advance(100)
    hostile.pyth(2_003, age=40)
    feed = told(hostile.world)
    assert feed["state"] == "OK"
    kinds = [one["kind"] for one in feed["sources"]]
    assert kinds == ["pyth", "uniswap_v3", "curve", "erc4626"]
    assert [round(float(one["value_usd"])) for one in feed["sources"]] == [
        2_000, 2_000, 2_001, 2_002,
    ]  # fmt: skip
    assert [one["age_s"] for one in feed["sources"]] == [100] * 4
    assert [one["live"]["age_s"] for one in feed["sources"]] == [40, 0, 0, 0]
    assert [one["terms"] for one in feed["sources"]] == [
        {"price_id": f"0x{0xE7:064x}", "max_confidence": "0.005"},
        {"window_s": 1_800, "min_liquidity": str(10**18), "decimals": [18, 18]},
        {"coin_index": 1},
        {"decimals": [18, 18]},
    ]


def test_status__none_of_them_answers_soundly__each_says_why(hostile: Hostile) -> None:
    hostile.world.evm.advance(700)
    hostile.pyth(confidence=30)
    hostile.says("observe(uint32[])", [], mode=1)
    hostile.says("price_oracle(uint256)", [0])
    hostile.says("convertToAssets(uint256)", [], mode=2)
    snapshot, chain = read(hostile.world)
    assert chain.requests == 4
    (feed,) = record(snapshot)["feeds"]
    assert feed["state"] == "STALE"
    assert feed["why"] == "0 of 2 sources needed are within their age limit"
    assert [one["why"] for one in feed["sources"]] == [
        "100 s over its limit, its confidence interval is 1.5 % of the price, limit 0.5 %",
        "100 s over its limit, it reverts: its history may be shorter than the window",
        "100 s over its limit, its answer is 0 or too large",
        "100 s over its limit, expected an answer of 32 bytes, got 0",
    ]
    assert feed["poke"] == {"ok": True, "why": "", "state": "STALE"}


def test_status__other_ways_not_to_count__each_says_why(hostile: Hostile) -> None:
    hostile.world.evm.advance(2_000)
    hostile.pyth(age=650)
    hostile.pool(liquidity=10**17)
    hostile.says("price_oracle(uint256)", [2_000_000 * 10**18])
    hostile.says("convertToAssets(uint256)", [2_002 * 10**18], mode=6)
    assert [one["why"].split(", ", 1)[1] for one in told(hostile.world)["sources"]] == [
        "its newest answer is 50 s over the limit",
        f"its liquidity over the window is {10**17 - 1}, expected {10**18}",
        "its price of 2000000 USD is outside the feed's bounds",
        "expected an answer of 32 bytes, got 64",
    ]
    hostile.pyth(usd=0)
    hostile.pool(tick=900_000)
    assert [one["why"].split(", ", 1)[1] for one in told(hostile.world)["sources"]][:2] == [
        "its price, exponent or time is not sound",
        "its price is out of range",
    ]


@pytest.mark.parametrize(
    ("words", "decimals", "reason"),
    [
        ([2, -1, 1, 0, 2], 8, "its answer is no positive number"),
        ([2, 2_000 * 10**8, 1, 1, 2], 8, "its answer has no sound time or round"),
        ([2**80, 2_000 * 10**8, 1, 0, 2], 8, "its answer has no sound time or round"),
        ([2, 2_000 * 10**8, 1, 0, 2], 9, "its decimals are no longer the 8 it was listed with"),
        ([1, 2_000 * 10**8, 1, -700, 1], 8, "no newer answer"),
    ],
)
def test_status__aggregator_that_misbehaves__says_why(
    world: World, words: list[int], decimals: int, reason: str
) -> None:
    """The fourth word is seconds from now."""
    sound = [1, 2_000 * 10**8, world.now, world.now, 1]
    one = world.deploy_mock("HostileAggregator", 8, sound)
    world.list_only([one], quorum=1, max_age=600)
    world.evm.advance(700)
    one.set_words([*(word % 2**256 for word in words[:3]), world.now + words[3], words[4]])
    one.set_decimals(0, decimals)
    assert told(world)["sources"][0]["why"] == f"100 s over its limit, {reason}"
