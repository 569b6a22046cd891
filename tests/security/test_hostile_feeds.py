"""Feeds that misbehave, on every action of the state matrix (P26, P27).

One of three sources hostile: every action meets what it meets when all is well, until that source's
datum is over age, and then what it meets in DEGRADED. All three: the same until the data are over
age, and then what it meets in STALE: exits work, and nothing fails for another reason than there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.deployment.house import TEST_CONTRACTS, House
from plimsoll.evm import Contract, Reverted
from tests.security import test_state_matrix as matrix
from tests.security.oracle_stage import (
    FEED,
    MAX_AGE,
    PRICE,
    STATES,
    build,
    seconds_later,
)
from tests.security.test_state_matrix import DEAD, outcomes, row
from tests.stage import undone

OK, DEGRADED, STALE = range(3)  # OK and DEGRADED are columns of the matrix too
REVERT, EMPTY, BYTES_31, HUGE, BURN, LONG, PANIC = range(1, 8)
ANSWER = PRICE * 10**8
INT_MAX = 2**255 - 1
NEXT_ROUND = 10**6


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> House:
    house = build(tmp_path_factory.mktemp("hostile") / "three_sources.yaml")
    STATES["ok"](house)
    return house


@pytest.fixture
def house(scene: House) -> Iterator[House]:
    with undone(scene) as one:
        yield one


def replaced(house: House, index: int) -> Contract:
    """The aggregator at this index, with other code behind the same address; sound until told."""
    old = house.feeds["ETH"][index]
    number, price, started, time, _ = old.latestRoundData()
    mock = compile_contract("HostileAggregator", contracts=TEST_CONTRACTS)
    fresh = house.evm.deploy(mock, 8, [0] * 5)
    house.evm.set_code(old.address, house.evm.code(fresh.address))
    made = house.evm.at(mock, old.address)
    made.set_mode(0)
    made.set_decimals(0, 8)
    made.set_words([number, price, started, time, number])
    return made


def says(made: Contract, *, price: int = ANSWER, ahead: int = 0, now: int = 0) -> None:
    """A round that is new but for what is wrong with it."""
    made.set_words([NEXT_ROUND, price % 2**256, now + ahead, now + ahead, NEXT_ROUND])


def datum_time(house: House, index: int) -> int:
    """Of a source's newest accepted datum, s."""
    return int(house.oracle.source_words(FEED, index)[1] >> 56 & 2**32 - 1)


Kind = Callable[[House, Contract], None]
KINDS: dict[str, Kind] = {
    "revert": lambda house, made: made.set_mode(REVERT),
    "empty": lambda house, made: made.set_mode(EMPTY),
    "31_bytes": lambda house, made: made.set_mode(BYTES_31),
    "huge_returndata": lambda house, made: made.set_mode(HUGE),
    "one_word_more": lambda house, made: made.set_mode(LONG),
    "gas_burner": lambda house, made: made.set_mode(BURN),
    "panic": lambda house, made: made.set_mode(PANIC),
    "zero": lambda house, made: says(made, price=0, now=house.evm.timestamp),
    "negative": lambda house, made: says(made, price=-ANSWER, now=house.evm.timestamp),
    "int_max": lambda house, made: says(made, price=INT_MAX, now=house.evm.timestamp),
    "int_min": lambda house, made: says(made, price=-INT_MAX - 1, now=house.evm.timestamp),
    "wick": lambda house, made: says(made, price=10_000, now=house.evm.timestamp),
    "thousandfold": lambda house, made: says(made, price=ANSWER * 1_000, now=house.evm.timestamp),
    "future": lambda house, made: says(made, ahead=1, now=house.evm.timestamp),
    "no_time": lambda house, made: says(made, now=0),
    "time_back": lambda house, made: says(
        made, now=min(datum_time(house, index) for index in range(3)) - 1
    ),
    "round_back": lambda house, made: made.set_words(
        [0, ANSWER, house.evm.timestamp, house.evm.timestamp, 0]
    ),
    "decimals_changed": lambda house, made: (
        says(made, price=ANSWER * 10**10, now=house.evm.timestamp), made.set_decimals(0, 18),
    )[0],
    "decimals_changed_same_answer": lambda house, made: (
        says(made, now=house.evm.timestamp), made.set_decimals(0, 6),
    )[0],
    "decimals_silent": lambda house, made: (
        says(made, now=house.evm.timestamp), made.set_decimals(BURN, 8),
    )[0],
    "code_gone": lambda house, made: house.evm.set_code(made.address, b""),
    "repointed_to_lower_rounds": lambda house, made: made.set_words(
        [1, ANSWER * 2, house.evm.timestamp, house.evm.timestamp, 1]
    ),
    "repointed_to_other_decimals": lambda house, made: (
        made.set_words([2**80 - 1, ANSWER // 100, house.evm.timestamp, house.evm.timestamp, 1]),
        made.set_decimals(0, 6),
    )[0],
}  # fmt: skip


def misbehave(house: House, kind: str, made: list[Contract]) -> None:
    """Once more, now: what is wrong is wrong at this very second."""
    for one in made:
        if house.evm.code(one.address):
            KINDS[kind](house, one)


def honest(house: House, seconds: int) -> None:
    """The first two sources answer."""
    seconds_later(house, seconds)
    for aggregator in house.feeds["ETH"][:2]:
        aggregator.set_answer(ANSWER)


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_three__any_misbehaviour__changes_nothing_until_its_expiry(
    house: House, kind: str
) -> None:
    bad = [replaced(house, 2)]
    kept = house.oracle.source_words(FEED, 2)[1]
    # Each time at its datum's last second and one past it.
    limit = datum_time(house, 2) + MAX_AGE
    for until, state in ((limit - MAX_AGE // 2, OK), (limit, OK), (limit + 1, DEGRADED)):
        honest(house, until - house.evm.timestamp)
        misbehave(house, kind, bad)
        house.poke("ETH")
        assert house.oracle.source_words(FEED, 2)[1] == kept
        word, reading = house.oracle.word(FEED), house.oracle.read(FEED)
        assert (word >> 160 & 3, reading.price) == (state, PRICE * 10**9)
        assert outcomes(house) == row(state)
    assert word >> 162 & 1 == 0


@pytest.mark.parametrize("kind", KINDS)
def test_all_three__any_misbehaviour__stale_at_its_time_and_exits_work(
    house: House, kind: str
) -> None:
    bad = [replaced(house, index) for index in range(3)]
    data = [house.oracle.source_words(FEED, index)[1] for index in range(3)]
    limit = min(datum_time(house, index) for index in range(3)) + MAX_AGE
    for until, state, column in ((limit, OK, matrix.OK), (limit + 1, STALE, DEAD)):
        seconds_later(house, until - house.evm.timestamp)
        misbehave(house, kind, bad)
        house.poke("ETH")
        assert [house.oracle.source_words(FEED, index)[1] for index in range(3)] == data
        assert house.oracle.word(FEED) >> 160 & 3 == state
        assert house.oracle.read(FEED).price == PRICE * 10**9
        assert outcomes(house) == row(column)


@pytest.mark.parametrize("price", [PRICE * 0.9, PRICE * 1.1, 11, 999_999])
def test_one_of_three__sound_form_and_wrong_price__halts_and_sells_nobody(
    house: House, price: float
) -> None:
    """What no check can tell from a price is a disagreement: the last price stands, HALTED."""
    before = house.oracle.read(FEED).price
    honest(house, 60)
    house.feeds["ETH"][2].set_answer(int(price * 10**8))
    house.poke("ETH")
    assert house.oracle.word(FEED) >> 160 & 3 == 3
    assert house.oracle.read(FEED).price == before
    assert outcomes(house) == row(DEAD)


@pytest.mark.parametrize("kind", [BURN, REVERT])
def test_poke__starved_caller__refused_or_the_same(house: House, kind: int) -> None:
    """However little gas a poke gets, it ends as with plenty, or not at all."""
    seconds_later(house, 60)
    replaced(house, 2).set_mode(kind)
    for aggregator in house.feeds["ETH"][:2]:
        aggregator.set_answer(ANSWER + 10**8)
    caller = house.evm.deploy(compile_contract("GasCaller", contracts=TEST_CONTRACTS))
    payload = house.oracle.pack("poke", FEED, b"")
    with undone(house):
        caller.forward(house.oracle.address, payload, 10**6)
        expected = [house.oracle.feed_words(FEED), house.oracle.source_words(FEED, 0)]
    seen = set()
    for gas in range(20_000, 420_000, 5_000):
        with undone(house):
            try:
                caller.forward(house.oracle.address, payload, gas)
            except Reverted as refused:
                seen.add(refused.name)
            else:
                seen.add("done")
                words = [house.oracle.feed_words(FEED), house.oracle.source_words(FEED, 0)]
                assert words == expected, f"other words with {gas} gas"
    assert {"done", ""} <= seen <= {"done", "", "StarvedCall"}


def test_start__starved_caller__cannot_make_a_sequencer_look_down(house: House) -> None:
    """Its feed is read in the middle of a call; a starved read must not become another state."""
    STATES["sequencer_up"](house)
    word = house.oracle.sequencer_words()[0]
    mock = compile_contract("HostileAggregator", contracts=TEST_CONTRACTS)
    house.evm.at(mock, f"0x{word % 2**160:040x}").set_mode(8)  # sound after some 80,000 gas
    caller = house.evm.deploy(compile_contract("GasCaller", contracts=TEST_CONTRACTS))
    payload = house.auction.pack("start", house.actors["sick"].id)
    seen = set()
    for gas in range(100_000, 700_000, 5_000):
        with undone(house):
            try:
                caller.forward(house.auction.address, payload, gas)
            except Reverted as refused:
                seen.add(refused.name)
            else:
                seen.add("done")
    assert {"done", "StarvedCall"} <= seen <= {"done", "", "StarvedCall"}


def test_kinds__of_the_list__are_all_here() -> None:
    wanted = (
        "revert empty 31_bytes huge_returndata gas_burner zero negative int_max future time_back "
        "round_back decimals_changed code_gone repointed_to_other_decimals "
        "repointed_to_lower_rounds"
    )
    assert set(wanted.split()) <= set(KINDS)
