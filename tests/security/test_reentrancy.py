"""P34: hostile tokens, ERC-1271 signers and price feeds re-enter every state-changing entry of
every contract.

The quote and the collateral token call back while the vault moves them, in both directions, as the
most powerful caller there could be: the token owns accounts, governs every contract, is guardian,
venue, matcher and council. A callback must fail, or else leave exactly what the two calls leave one
after the other: a call into a contract that is not in the middle of anything is no re-entry. What
may pass is listed.
"""

from __future__ import annotations

from typing import Any

import pytest

from plimsoll import orders
from plimsoll.compiler import compile_contract
from plimsoll.deployment import house as house_module
from plimsoll.deployment.house import TEST_CONTRACTS, House, account_id
from plimsoll.deployment.plan import OWNED, role
from plimsoll.testing import reverts
from tests.security.arena import Arena, build, entries
from tests.stage import ETH, FOREVER, TOKEN, cash, conserves, fill, staged, undone

NOTHING = "0x" + "00" * 20
# Where the callback comes from: the outer call, by whom it is made is the token itself in each
# case.
OUTER = {
    "engine.deposit": ("usd", "MarginEngine", "deposit"),
    "engine.withdraw": ("usd", "MarginEngine", "withdraw"),
    "vault.deposit": ("weth", "CollateralVault", "deposit"),
    "vault.withdraw": ("weth", "CollateralVault", "withdraw"),
    "fund.deposit": ("usd", "InsuranceFund", "deposit"),
    "fund.redeem": ("usd", "InsuranceFund", "redeem"),
}
# Contracts whose lock is taken while a token of that outer call moves.
LOCKED = {
    "engine.deposit": {"MarginEngine", "CollateralVault"},
    "engine.withdraw": {"MarginEngine", "CollateralVault"},
    "vault.deposit": {"CollateralVault"},
    "vault.withdraw": {"CollateralVault"},
    "fund.deposit": {"InsuranceFund", "MarginEngine", "CollateralVault"},
    "fund.redeem": {"InsuranceFund", "MarginEngine", "CollateralVault"},
}
# Functions that come ready-made out of a module carry no lock: they touch ownership and shares,
# never money, and leave in mid-call what they leave in turn.
UNLOCKED = set("transfer_ownership accept_ownership transfer transferFrom approve permit".split())
# Writes nothing where there is nothing to renounce, so a static call of it succeeds.
WRITELESS = {("Timelock", "renounceRole")}


@pytest.fixture(scope="session")
def hostile() -> dict[str, Arena]:
    """One arena for each token that plays all parts."""
    made = {}
    original = house_module._test_contract
    house_module._test_contract = lambda name: compile_contract(
        "HostileToken" if name == "MintableToken" else name, contracts=TEST_CONTRACTS
    )
    try:
        for token in ("usd", "weth"):
            house = staged()
            for name in ("mover", "outsider"):
                house.actor(name)
            villain = house.tokens[token].address
            house.evm.set_balance(villain, 10**20)
            made[token] = build(house, villain)
            crown(house, villain)
    finally:
        house_module._test_contract = original
    return made


def crown(house: House, villain: str) -> None:
    """Every role there is goes to one address."""
    lock = house.timelock
    for name in ("PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE"):
        lock.grantRole(role(name), villain, sender=lock.address)
    lock.grantRole(bytes(32), villain, sender=lock.address)
    house.govern("MarginEngine", "set_venue", villain, True)
    house.govern("MarginEngine", "set_module", 3, villain)
    house.govern("OracleAdapter", "set_guardian", villain)
    house.govern("ImpliedSurfaces", "set_guardian", villain)
    house.govern("SignedOrders", "set_matcher", villain, True)
    for name in OWNED:
        house.govern(name, "transfer_ownership", villain)
        house.contracts[name].accept_ownership(sender=villain)


def state(house: House, *besides: str) -> dict[str, Any]:
    """Every storage word of our contracts and who holds which tokens."""
    ours = {contract.raw_address: name for name, contract in house.contracts.items()}
    found: dict[str, Any] = {}
    for address, (_, _, storage) in house.evm.backend._export()[1]:
        name = ours.get(bytes(address))
        if name and name not in besides:
            # A word that went back to zero may or may not be listed.
            found[name] = {key: value for key, value in storage if any(value)}
    holders = [contract.address for contract in house.contracts.values()]
    holders += [actor.address for actor in house.actors.values()]
    for token in ("usd", "weth"):
        found[token] = [house.tokens[token].balanceOf(who) for who in holders]
    return found


def quiet(house: House) -> None:
    for token in ("usd", "weth"):
        house.tokens[token].set_callback(NOTHING, b"")


def run(house: House, calls: list[tuple[Any, bytes, str]]) -> dict[str, Any] | None:
    """The state after these calls, undone again; None where one of them failed."""
    before = house.evm.snapshot()
    try:
        for target, data, sender in calls:
            if not house.evm.transact(target.address, data, sender).success:
                return None
        return state(house)
    finally:
        house.evm.revert(before)


def reentered(arena: Arena, outer: str, contract: str, function: str) -> str:
    """What became of one callback: locked, failed, or as if called before or after."""
    house = arena.house
    token, outer_contract, outer_function = OUTER[outer]
    villain = house.tokens[token]
    args = arena.calls(villain.address)
    first = house.contracts[outer_contract]
    outer_data = first.pack(outer_function, *args[outer_contract, outer_function])
    second = house.contracts[contract]
    inner_data = second.pack(function, *args[contract, function])
    one = (first, outer_data, villain.address)
    two = (second, inner_data, villain.address)

    before = house.evm.snapshot()
    villain.set_callback(second.address, inner_data)
    receipt = house.evm.transact(*[first.address, outer_data, villain.address])
    calls, passed = villain.callbacks(), villain.callback_success()
    answer = bytes(villain.callback_answer())
    quiet(house)
    after = state(house)
    house.evm.revert(before)
    if not receipt.success:
        return "the whole call failed"
    assert calls == 1, f"{outer} moved its token {calls} times"
    if not passed:
        assert after == run(house, [one]), "a failed callback left something behind"
        return "locked" if not answer else "failed"
    in_turn = [run(house, [one, two]), run(house, [two, one])]
    assert after in in_turn, (
        f"{contract}.{function} inside {outer} is not what two calls in turn do"
    )
    return "in turn"


@pytest.mark.parametrize(("contract", "function"), entries())
def test_token__into_every_entry__is_locked_out_or_of_no_effect(hostile, contract, function):
    for outer, (token, *_) in OUTER.items():
        met = reentered(hostile[token], outer, contract, function)
        if contract in LOCKED[outer] and function not in UNLOCKED:
            assert met == "locked", f"{outer}: {met}"
        assert met in ("locked", "failed", "in turn"), f"{outer}: {met}"


@pytest.mark.parametrize("outer", OUTER)
def test_outer_calls__without_callback__work_for_the_villain(hostile, outer):
    """Otherwise the matrix above would show nothing."""
    token, contract, function = OUTER[outer]
    arena = hostile[token]
    villain = arena.house.tokens[token].address
    args = arena.calls(villain)[contract, function]
    with undone(arena.house) as house:
        house.contracts[contract].method(function)(*args, sender=villain)
        conserves(house)


def test_inner_calls__on_their_own__mostly_work_for_the_villain(hostile):
    """The villain's callbacks would succeed outside: they fail inside for no other reason."""
    arena = hostile["usd"]
    house, villain = arena.house, arena.house.tokens["usd"].address
    fine = set()
    for (contract, function), args in arena.calls(villain).items():
        target = house.contracts[contract]
        if run(house, [(target, target.pack(function, *args), villain)]) is not None:
            fine.add((contract, function))
    own = {
        (contract, function)
        for contract, function in entries()
        if contract in ("MarginEngine", "CollateralVault", "InsuranceFund")
    }
    assert len(fine & own) >= 38, sorted(own - fine)


@pytest.mark.parametrize("outer", ["engine.deposit", "engine.withdraw"])
def test_views__of_the_engine__are_open_and_consistent_mid_call(hostile, outer):
    """Views are reentrant on purpose: what they say in mid-call is what holds before or after."""
    token, contract, function = OUTER[outer]
    arena = hostile[token]
    villain = arena.house.tokens[token]
    args = arena.calls(villain.address)[contract, function]
    with undone(arena.house) as house:
        mine = account_id(villain.address)
        before = cash(house, mine)
        villain.set_callback(house.engine.address, house.engine.cash_of.pack(mine))
        house.contracts[contract].method(function)(*args, sender=villain.address)
        assert villain.callback_success()
        seen = int.from_bytes(bytes(villain.callback_answer())[:32], "big")
        assert seen in (before, cash(house, mine))


def test_views__of_the_fund__are_locked_mid_call(hostile):
    """GMX 2025: nobody reads a share price in the middle of a deposit or redemption."""
    arena = hostile["usd"]
    villain = arena.house.tokens["usd"]
    for outer in ("fund.deposit", "fund.redeem"):
        _, contract, function = OUTER[outer]
        args = arena.calls(villain.address)[contract, function]
        for view in ("totalAssets", "convertToAssets", "previewRedeem", "maxWithdraw"):
            with undone(arena.house) as house:
                wanted = {"maxWithdraw": (villain.address,), "totalAssets": ()}.get(view, (10**12,))
                villain.set_callback(house.fund.address, house.fund.pack(view, *wanted))
                house.contracts[contract].method(function)(*args, sender=villain.address)
                assert (villain.callback_success(), bytes(villain.callback_answer())) == (
                    False,
                    b"",
                )


# -- ERC-1271 signers: they are asked by static call, so they can write nothing anywhere


@pytest.mark.parametrize(("contract", "function"), entries())
def test_signer__into_every_entry__writes_nothing(arena, contract, function):
    house = arena.house
    with undone(house):
        signer = house.evm.deploy(compile_contract("MockSigner", contracts=TEST_CONTRACTS), NOTHING)
        house.govern("SignedOrders", "set_matcher", signer.address, True)
        args = arena.calls(signer.address)[contract, function]
        inner = house.contracts[contract]
        signer.call_back(inner.address, inner.pack(function, *args))
        order = orders.Order(
            account=account_id(signer.address),
            market=ETH,
            buy=True,
            size="1",
            limit_price=1_820,
            expiry=FOREVER,
            nonce=9,
        )
        wire = orders.attach_proof(order, 0)
        data = orders.fill_calldata(
            [wire, arena.signed[1]],
            [orders.Match(0, 1, 10**5)],
            [orders.Proof(signer.address, b"\x01")],
        )
        before = state(house)
        # Its call failed, so it did not approve; where it could approve, the empty account is
        # refused.
        with reverts("HealthFell" if (contract, function) in WRITELESS else "BadSignature"):
            house.evm.transact(house.orders.address, data, house.matcher).raise_for_failure()
        assert state(house) == before


# -- price feeds: an aggregator is read by static call


@pytest.mark.parametrize(("contract", "function"), entries())
def test_feed__into_every_entry__writes_nothing(arena, contract, function):
    house = arena.house
    with undone(house):
        feed = house.feeds["ETH"][0].address
        villain = house.evm.deploy(
            compile_contract("MockSigner", contracts=TEST_CONTRACTS), NOTHING
        )
        args = arena.calls(feed)[contract, function]
        inner = house.contracts[contract]
        code = _calling_code(inner.raw_address, bytes(inner.pack(function, *args)))
        assert villain.address != feed
        before = state(house, "OracleAdapter")
        house.evm.set_code(feed, code)
        house.evm.advance(15)
        house.oracle.poke(1, b"")
        assert state(house, "OracleAdapter") == before
        assert house.oracle.read(1).price == 1_820 * 10**9


def _calling_code(target: bytes, data: bytes) -> bytes:
    """EVM code that calls `target` with `data` and returns the call's success as five words."""
    head = bytes.fromhex("61") + len(data).to_bytes(2, "big")  # PUSH2 size
    body = (
        head
        + bytes.fromhex("61")
        + b"OF"  # patched below
        + bytes.fromhex("5f39")  # CODECOPY(0, offset, size)
        + bytes.fromhex("5f5f")  # no output
        + head
        + bytes.fromhex("5f5f73")  # input from 0, value 0
        + target
        + bytes.fromhex("5af1")  # CALL
        + bytes.fromhex("5f5260a05ff3")  # MSTORE(0, success); RETURN(0, 160)
    )
    return body.replace(b"OF", len(body).to_bytes(2, "big")) + data


def test_fill__in_the_middle_of_a_collateral_deposit__counts_no_collateral_yet(hostile):
    """The engine is free while the vault takes a token: a fill then may not lean on what is on its
    way."""
    arena = hostile["weth"]
    villain = arena.house.tokens["weth"]
    with undone(arena.house) as house:
        mine = account_id(villain.address) + 7
        weth = villain.address
        house.vault.deposit(mine, weth, 10**15, sender=villain.address)
        one = fill(house, mine, house.actors["maker"], 1, 1_820)
        villain.set_callback(house.engine.address, house.engine.settle.pack([one]))
        house.vault.deposit(mine, weth, 5 * 10**18, sender=villain.address)
        assert not villain.callback_success()
        quiet(house)
        house.engine.settle([one], sender=villain.address)
        conserves(house)
        assert house.engine.withdraw.pack(mine, TOKEN, weth)
