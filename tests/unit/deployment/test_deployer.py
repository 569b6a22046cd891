"""The factory: addresses, who may use it, and what it does not do."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from plimsoll.compiler import compile_contract
from plimsoll.deployment.create3 import create3_address, create_address, proxy_address
from plimsoll.evm import Contract, Evm
from plimsoll.testing import reverts

RETURNS_42 = bytes.fromhex("69602a60005260206000f3600052600a6016f3")
FAILS = bytes.fromhex("60006000fd")
SALT = keccak(text="a contract")


@pytest.fixture
def evm() -> Evm:
    return Evm()


@pytest.fixture
def creator(evm: Evm) -> str:
    return evm.account()


@pytest.fixture
def factory(evm: Evm, creator: str) -> Contract:
    return evm.deploy(compile_contract("Deployer"), sender=creator)


def test_create_address__several_nonces__as_the_chain_gives(evm: Evm, creator: str) -> None:
    built = compile_contract("Deployer")
    for nonce in range(3):
        assert evm.deploy(built, sender=creator).address == create_address(creator, nonce)
    # RLP of larger nonces; from the yellow paper's rule, computed with another library.
    import rlp  # type: ignore[import-untyped]

    for nonce in (0, 1, 127, 128, 255, 256, 65_536):
        packed = rlp.encode([bytes.fromhex(creator[2:]), nonce])
        assert create_address(creator, nonce)[2:].lower() == keccak(packed)[12:].hex()


def test_deploy__creator__lands_where_predicted(evm: Evm, factory: Contract, creator: str) -> None:
    wanted = create3_address(factory.address, SALT)
    assert factory.address_of(SALT) == wanted
    receipt = factory.deploy(SALT, RETURNS_42, sender=creator)
    assert receipt.value == wanted
    event = receipt.event("Deployed")
    assert (event.salt, event.deployed, event.code_hash) == (SALT, wanted, keccak(evm.code(wanted)))


def test_deploy__code_there_already__does_nothing(
    evm: Evm, factory: Contract, creator: str
) -> None:
    first = factory.deploy(SALT, RETURNS_42, sender=creator)
    code = evm.code(first.value)
    second = factory.deploy(SALT, RETURNS_42 + b"\x00", sender=creator)
    assert (second.value, second.events, evm.code(first.value)) == (first.value, [], code)


def test_deploy__stranger__refused(evm: Evm, factory: Contract) -> None:
    with reverts("NotCreator"):
        factory.deploy(SALT, RETURNS_42, sender=evm.account())


@pytest.mark.parametrize("initcode", [FAILS, b""], ids=["reverting", "empty"])
def test_deploy__constructor_fails__refused_and_salt_still_free(
    factory: Contract, creator: str, initcode: bytes
) -> None:
    with reverts("CreationFailed"):
        factory.deploy(SALT, initcode, sender=creator)
    assert factory.deploy(SALT, RETURNS_42, sender=creator).value == factory.address_of(SALT)


def test_deploy__initcode_past_the_bound__refused(factory: Contract, creator: str) -> None:
    at_bound = RETURNS_42.ljust(49_152, b"\x00")
    factory.deploy(SALT, at_bound, sender=creator)
    data = factory.deploy.pack(keccak(b"2"), at_bound + b"\x00")
    assert not factory.evm.transact(factory, data, creator).success


def test_proxy__stranger_calls_it__cannot_reach_the_address(
    evm: Evm, factory: Contract, creator: str
) -> None:
    target = factory.deploy(SALT, RETURNS_42, sender=creator).value
    proxy = proxy_address(factory.address, SALT)
    assert evm.code(proxy)
    before = evm.code(target)
    assert evm.transact(proxy, RETURNS_42, evm.account()).success
    assert evm.code(target) == before
    assert evm.code(create_address(proxy, 2))  # another contract, elsewhere
