"""Gas of the adapter's calls: whole transactions, in the in-process EVM (Prague rules)."""

import pytest

from plimsoll.signed_reports import PriceReport

KEYS = [f"0x{n:064x}" for n in range(1_001, 1_010)]
USD = 10**9
COLD_LOAD = 2_100


def test_word__address_warm__one_cold_load(world):
    for feed in (1, 2):
        world.list_only([world.aggregator()], feed=feed, quorum=1)
    world.evm.advance(15)
    gas = world.deploy_mock("ReadProbe").cost(world.oracle.address, 1, 2)
    print(f"read {gas}")
    assert COLD_LOAD < gas <= 4_500
    assert gas < 2 * COLD_LOAD


@pytest.fixture
def gas_of(world):
    """Gas of the third report alike, a variance sample included, by number of signers."""

    def measure(signers):
        feed = 10 + signers
        world.list_only([world.signer_set(KEYS, signers)], feed=feed, quorum=1)
        for step in range(3):
            world.evm.advance(60)
            price = (2_000 + step) * USD
            report = PriceReport(feed, 0, price, world.now, world.now * 1_000)
            receipt = world.oracle.poke(feed, world.signed(report, KEYS[:signers]))
        return receipt.gas_used

    return measure


def test_poke__signed_report__within_60k_and_9k_a_further_signer(gas_of):
    one, two, eight = gas_of(1), gas_of(2), gas_of(8)
    print(f"report {one}, further signer {(eight - one) // 7}")
    assert one <= 60_000
    assert two - one <= 9_000
    assert (eight - one) // 7 <= 9_000


def test_poke__three_aggregators__within_95k(world):
    trio = [world.aggregator() for _ in range(3)]
    world.list_only(trio)
    for step in range(3):
        world.evm.advance(60)
        for aggregator in trio:
            aggregator.set_answer((2_000 + step) * 10**8)
        gas = world.oracle.poke(7, b"").gas_used
    print(f"poke {gas}")
    assert gas <= 95_000
