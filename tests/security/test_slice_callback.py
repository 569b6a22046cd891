"""P34 for `bid_with_callback`: what a bidder's contract may do between its slice and its check.

The contract is given every role there is. In the middle of its bid it calls every state-changing
entry of every contract: each must fail, or leave exactly what the two calls leave one after the
other; those that may pass are listed, with the reason in the entry's NatSpec.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.deployment.abi import PARTS, artifact
from plimsoll.deployment.house import TEST_CONTRACTS, House, account_id
from plimsoll.deployment.plan import OWNED
from plimsoll.testing import reverts
from tests.security.arena import DEPLOYABLES, Arena, build, entries
from tests.security.test_reentrancy import crown, run, state
from tests.stage import FOREVER, ONE, TOKEN, USD, conserves, equity, staged, undone

NOTHING = "0x" + "00" * 20
LOCKED = {"MarginEngine", "LiquidationAuction"}
MODULES = {"transfer_ownership", "accept_ownership"}


def several(contract: str, functions: str) -> set[tuple[str, str]]:
    return {(contract, name) for name in functions.split()}


# What passes, with the effect it has by itself.
OPEN = {
    # Prices and surfaces: liquidations never wait for one, and it is the truth for the check.
    ("OracleAdapter", "poke"),
    ("ImpliedSurfaces", "submit"),
    # No money moves: a ramp that has run out, shares between holders, the fund's queue and drip.
    ("CollateralVault", "settle_ramp"),
    *several("InsuranceFund", "transfer approve permit request_redeem cancel_request sync observe"),
    # Consent withdrawn.
    *several("SignedOrders", "cancel cancel_up_to"),
    # On storage that nobody uses.
    ("LiquidationAuctionOffers", "set_pre_liquidation"),
    ("MarginEngineAdmin", "recover"),
    # Governance, guardian and council: their settings and queues, none of them an account's.
    *several(
        "Timelock",
        "grantRole revokeRole renounceRole schedule schedule_batch cancel execute execute_batch",
    ),
    *several(
        "OracleAdapter",
        "halt list_feed set_terms set_sources add_signer_set set_guardian set_sequencer",
    ),
    *several(
        "ImpliedSurfaces",
        "halt set_terms list_expiries unlist_expiry add_signer_set set_guardian",
    ),
    *several("StandardMargin", "list_market set_parameters"),
    *several("CollateralVault", "list_asset set_haircuts set_cap set_feed set_enabled set_limiter"),
    *several(
        "InsuranceFund", "set_caps set_auction set_budget set_cooldown set_drip set_tolerance"
    ),
    ("SignedOrders", "set_matcher"),
    *((name, "transfer_ownership") for name in OWNED),
}


def villain_of(arena: Arena) -> Any:
    return arena.villain  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def ring() -> Arena:
    """An arena in which the bidder's contract plays all parts."""
    house = staged()
    for name in ("mover", "outsider"):
        house.actor(name)
    villain = house.evm.deploy(compile_contract("SliceTaker", contracts=TEST_CONTRACTS))
    house.evm.set_balance(villain.address, 10**20)
    arena = build(house, villain.address)
    crown(house, villain.address)
    arena.villain = villain  # type: ignore[attr-defined]
    return arena


@pytest.fixture
def house(ring: Arena) -> Iterator[House]:
    with undone(ring.house) as one:
        yield one


def met(ring: Arena, contract: str, function: str) -> str:
    """What became of one call from within: locked, failed, or as if made before or after."""
    house, villain = ring.house, villain_of(ring)
    mine, sick = account_id(villain.address), house.actors["sick"].id
    outer = villain.pack("take", house.auction.address, sick, mine, ONE // 10)
    inner_at = house.contracts[contract]
    inner = inner_at.pack(function, *ring.calls(villain.address)[contract, function])
    anyone = house.actors["stranger"].address
    one, two = (villain, outer, anyone), (inner_at, inner, villain.address)
    before = house.evm.snapshot()
    villain.tell(inner_at.address, inner)
    receipt = house.evm.transact(villain.address, outer, anyone)
    calls, passed, answer = villain.calls(), villain.success(), bytes(villain.answer())
    after = state(house)
    house.evm.revert(before)
    if not receipt.success:
        return "the whole call failed"
    assert calls == 1
    if not passed:
        assert after == run(house, [one]), "a failed call left something behind"
        return "failed" if answer else "locked"
    assert after in (run(house, [one, two]), run(house, [two, one])), (
        f"{contract}.{function} inside a bid is not what two calls in turn do"
    )
    return "in turn"


@pytest.mark.parametrize(("contract", "function"), entries())
def test_callback__into_every_entry__is_locked_out_or_of_no_effect(
    ring: Arena, contract: str, function: str
) -> None:
    found = met(ring, contract, function)
    if (contract, function) in OPEN:
        assert found == "in turn", found
    elif contract in LOCKED and function not in MODULES:
        assert found == "locked", found
    else:
        assert found in ("locked", "failed"), found


def test_callback__none__the_bid_works(ring: Arena, house: House) -> None:
    """Otherwise the matrix would show nothing; in between views are true."""
    villain = villain_of(ring)
    mine, sick = account_id(villain.address), house.actors["sick"].id
    villain.tell(house.engine.address, house.engine.solvency.pack())
    villain.take(house.auction.address, sick, mine, ONE // 10)
    assert villain.success()
    words = [int.from_bytes(bytes(villain.answer())[i : i + 32], "big") for i in range(0, 352, 32)]
    assert words[-1] == 0, "the balance sheet has a gap in mid-call"
    assert villain.caller() == house.engine.address
    account, bidder, fraction, moved, paid, from_fund = (villain.seen(i) for i in range(6))
    assert (account, bidder, from_fund) == (sick, mine, 0)
    assert fraction == ONE // 10
    assert 0 < paid <= moved
    conserves(house)


def test_flash__empty_account__pays_with_what_the_callback_brings(
    ring: Arena, house: House
) -> None:
    villain = villain_of(ring)
    mine, sick = account_id(villain.address) + 55, house.actors["sick"].id
    house.mint(villain.address, 10_000)
    villain.allow(house.tokens["usd"].address, house.vault.address)
    with reverts("Underwater"):
        villain.take(house.auction.address, sick, mine, ONE // 10)
    held = house.quote.balanceOf(villain.address)
    villain.bring(2_000 * TOKEN, False)
    cost = villain.take(house.auction.address, sick, mine, ONE // 10).value
    assert house.quote.balanceOf(villain.address) == held - 2_000 * TOKEN
    assert equity(house, mine) >= 2_000 * USD
    assert 0 < cost < 2_000 * USD
    conserves(house)


def test_callback__fails_or_brings_what_it_has_not__the_bid_fails(
    ring: Arena, house: House
) -> None:
    villain = villain_of(ring)
    mine, sick = account_id(villain.address), house.actors["sick"].id
    villain.bring(0, True)
    before = state(house)
    with reverts(""):
        villain.take(house.auction.address, sick, mine, ONE // 10)
    villain.bring(10**9 * TOKEN, False)
    receipt = house.evm.transact(
        villain.address,
        villain.pack("take", house.auction.address, sick, mine, ONE // 10),
        house.actors["stranger"].address,
    )
    assert not receipt.success
    assert state(house) == before


def test_bid_with_callback__sender_without_code__fails(house: House) -> None:
    liquidator = house.actors["liquidator"]
    bid = (house.actors["sick"].id, liquidator.id, 0, ONE // 10, 2**200, FOREVER)
    with reverts(""):
        house.auction.bid_with_callback(*bid, sender=liquidator)


def test_on_slice__selector__is_none_of_ours() -> None:
    """The engine calls an address of the bidder's choice: with a selector nobody of us answers."""
    built = compile_contract("SliceTaker", contracts=TEST_CONTRACTS)
    (selector,) = [v for k, v in built.method_identifiers.items() if k.startswith("on_slice(")]
    for name in {*DEPLOYABLES, *(part for parts in PARTS.values() for part in parts)}:
        assert selector not in artifact(name).method_identifiers.values(), name
