"""Control is given away twice in a poke, to the Pyth contract and with the refund: nothing can be
done with it but read."""

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

FEED, USD, FEE = 7, 10**9, 1_000


def call(signature, types, *values):
    return keccak(text=signature)[:4] + encode(types, values)


POKE = call("poke(uint256,bytes)", ["uint256", "bytes"], FEED, b"")
UPDATE = b"\x00" + bytes(40)
CALLS = {
    "poke": POKE,
    "update": call("poke(uint256,bytes)", ["uint256", "bytes"], FEED, UPDATE),
    "halt": call("halt(uint256,uint256)", ["uint256", "uint256"], FEED, 60),
}


@pytest.fixture
def pyth(world):
    """A Pyth contract that calls back; it is the guardian, so that only the lock stops it."""
    contract = world.deploy_mock("CallingPyth", FEE)
    source = world.source(contract, kind=3, max_conf=100, extra=1)
    world.oracle.list_feed(FEED, world.terms(quorum=1), [source], 10**12, sender=world.governance)
    world.oracle.poke(FEED, b"")
    world.oracle.set_guardian(contract.address, sender=world.governance)
    world.evm.advance(5)
    return contract


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("value", [FEE, FEE + 7])
def test_poke__pyth_and_refund_call_back__locked_out(world, pyth, name, value):
    world.evm.set_balance(pyth.address, 10**6)
    words = world.oracle.feed_words(FEED)
    pyth.prepare(world.oracle.address, CALLS[name])
    data = call("poke(uint256,bytes)", ["uint256", "bytes"], FEED, UPDATE)
    before = world.evm.balance(pyth.address)
    pyth.poke(world.oracle.address, data, value)
    assert pyth.accepted() == 0
    assert pyth.refused() == (2 if value > FEE else 1)
    assert world.oracle.guardian() == pyth.address
    assert world.evm.balance(pyth.address) == before
    assert world.evm.balance(world.oracle.address) == 0
    assert world.oracle.feed_words(FEED)[0] != words[0]
    assert world.state() == 0
