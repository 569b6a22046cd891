"""Verification: green on a fresh house, and each kind of wrongness turns it red by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plimsoll.deployment.chain import EvmChain
from plimsoll.deployment.house import House
from plimsoll.deployment.plan import CONTRACTS, OWNED, role
from plimsoll.deployment.verify import Finding, failures, verify


def wrong(house: House) -> list[Finding]:
    return failures(verify(house.plan, EvmChain(house.evm, house.plan.account)))


def test_verify__fresh_house__green(house: House) -> None:
    assert wrong(house) == []


@pytest.mark.parametrize("name", OWNED)
def test_owner__every_owned_contract__is_the_timelock(house: House, name: str) -> None:
    contract = house.contracts[name]
    assert contract.owner() == house.timelock.address
    assert int(contract.pending_owner(), 16) == 0


def test_timelock__deployer__has_no_role(house: House) -> None:
    deployer = house.plan.account
    roles = [bytes(32), *map(role, ("PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE"))]
    assert not any(house.timelock.hasRole(one, deployer) for one in roles)
    assert house.timelock.hasRole(role("PROPOSER_ROLE"), house.actors["council"])
    assert house.timelock.get_minimum_delay() == house.config.timelock.delay_seconds


@pytest.mark.parametrize("name", CONTRACTS)
def test_verify__one_byte_of_code_changed__red(house: House, name: str) -> None:
    address = house.plan.addresses[name]
    code = bytearray(house.evm.code(address))
    code[100] ^= 1
    house.evm.set_code(address, bytes(code))
    assert [f"{name} at {address}: code"] == [finding.what for finding in wrong(house)]


def test_verify__immutable_changed__red_by_its_name(house: House) -> None:
    address = house.plan.addresses["StandardMargin"]
    code = bytearray(house.evm.code(address))
    code[-1] ^= 1  # the last immutable: the engine
    house.evm.set_code(address, bytes(code))
    assert [finding.what for finding in wrong(house)] == ["StandardMargin.engine (immutable)"]


CASES: dict[str, tuple[Callable[[House], object], str]] = {
    "an owner waits": (
        lambda h: h.govern("CollateralVault", "transfer_ownership", h.evm.account()),
        "CollateralVault.pending_owner",
    ),
    "deployer proposes": (
        lambda h: h.govern("Timelock", "grantRole", role("PROPOSER_ROLE"), h.plan.account),
        "the deployer holds nothing",
    ),
    "deployer matches": (
        lambda h: h.govern("SignedOrders", "set_matcher", h.plan.account, True),
        "the deployer holds nothing",
    ),
    "proposer lost": (
        lambda h: h.govern("Timelock", "revokeRole", role("PROPOSER_ROLE"), h.actors["council"]),
        "has PROPOSER_ROLE",
    ),
    "guardian changed": (
        lambda h: h.govern("MarginEngine", "set_module", 3, h.evm.account()),
        "MarginEngine.guardian",
    ),
    "treasury changed": (
        lambda h: h.govern("MarginEngine", "set_fee_split", h.evm.account(), 5_000),
        "MarginEngine: treasury",
    ),
    "a feed's rules changed": (
        lambda h: h.govern(
            "OracleAdapter", "set_terms", 1, h.config.oracle.feeds[0].terms() | {"confirm": 61}
        ),
        "list feed ETH as 1: feed_words",
    ),
    "a feed's source changed": (
        lambda h: h.govern(
            "OracleAdapter",
            "set_sources",
            1,
            h.config.oracle.feeds[0].terms(),
            [h.config.oracle.source_terms(h.config.oracle.feeds[0].sources[0]) | {"max_age": 9}],
        ),
        "list feed ETH as 1: source_words",
    ),
    "delay lowered": (
        lambda h: h.govern("Timelock", "update_delay", 1),
        "Timelock.get_minimum_delay",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_verify__something_changed__red_by_its_name(house: House, case: str) -> None:
    change, what = CASES[case]
    change(house)
    found = [finding.what for finding in wrong(house)]
    assert any(what in one for one in found), found
