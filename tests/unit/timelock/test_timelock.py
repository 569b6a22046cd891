"""The timelock: one-way states, expiry, roles. P33."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from plimsoll.compiler import compile_contract
from plimsoll.evm import DEFAULT_SENDER, Contract, Evm
from plimsoll.testing import reverts

MOCKS = Path(__file__).parents[2] / "contracts"
ZERO = "0x" + "00" * 20
NONE = bytes(32)
DAY = 86_400
DELAY, FLOOR, GRACE = 2 * DAY, DAY, 7 * DAY
UNSET, WAITING, READY, DONE, EXPIRED, CANCELLED = (1 << i for i in range(6))
ADMIN = NONE
PROPOSER, EXECUTOR, CANCELLER = (
    keccak(text=f"{name}_ROLE") for name in ("PROPOSER", "EXECUTOR", "CANCELLER")
)
NO_ROLE = ("Error", "access_control: account is missing role")


@dataclass
class World:
    """A timelock that owns nothing but a token's mint, which anyone has."""

    evm: Evm
    lock: Contract
    token: Contract
    proposer: str
    executor: str
    guardian: str
    stranger: str

    def call(self, salt: int = 1, amount: int = 5) -> tuple[Any, ...]:
        """An operation: mint to the stranger."""
        return (
            self.token.address,
            0,
            self.token.mint.pack(self.stranger, amount),
            NONE,
            salt.to_bytes(32, "big"),
        )

    def schedule(self, call: tuple[Any, ...], delay: int = DELAY) -> bytes:
        """Propose; returns the id."""
        self.lock.schedule(*call, delay, sender=self.proposer)
        return bytes(self.lock.hash_operation(*call))

    def execute(self, call: tuple[Any, ...]) -> Any:
        """Execute as the executor."""
        return self.lock.execute(*call, sender=self.executor)

    def own(self, name: str, *args: Any) -> tuple[Any, ...]:
        """An operation on the timelock itself."""
        return (self.lock.address, 0, self.lock.pack(name, *args), NONE, NONE)

    def state(self, operation: bytes) -> int:
        """The operation's state."""
        return int(self.lock.get_operation_state(operation))


def arguments(world: World, **changes: Any) -> list[Any]:
    given = {
        "delay": DELAY,
        "floor": FLOOR,
        "grace": GRACE,
        "proposers": [world.proposer],
        "executors": [world.executor],
        "cancellers": [world.guardian],
    }
    return list({**given, **changes}.values())


def build() -> World:
    evm = Evm()
    proposer, executor, guardian, stranger = (evm.account() for _ in range(4))
    token = evm.deploy(compile_contract("MintableToken", contracts=MOCKS), 6)
    world = World(evm, token, token, proposer, executor, guardian, stranger)
    world.lock = evm.deploy(compile_contract("Timelock"), *arguments(world))
    return world


@pytest.fixture(scope="session")
def shared_lock_world() -> World:
    return build()


@pytest.fixture
def world(shared_lock_world: World) -> Iterator[World]:
    handle = shared_lock_world.evm.snapshot()
    yield shared_lock_world
    shared_lock_world.evm.revert(handle)


# -- states


def test_execute__over_its_life__only_while_ready(world):
    call = world.call()
    operation = bytes(world.lock.hash_operation(*call))
    assert world.state(operation) == UNSET
    with reverts("NotPending"):
        world.execute(call)
    world.schedule(call)
    assert world.state(operation) == WAITING
    world.evm.advance(DELAY - 1)
    with reverts("NotPending"):
        world.execute(call)
    world.evm.advance(1)
    assert world.state(operation) == READY
    event = world.execute(call).event("CallExecuted")
    assert bytes(event.id) == operation
    assert world.token.balanceOf(world.stranger) == 5
    assert world.state(operation) == DONE
    with reverts("NotPending"):
        world.execute(call)
    with reverts("OperationKnown"):
        world.schedule(call)


def test_execute__last_second_of_grace__passes_and_the_next_does_not(world):
    call, other = world.call(1), world.call(2)
    world.schedule(call)
    operation = world.schedule(other)
    assert world.lock.expires_at(operation) == world.evm.timestamp + DELAY + GRACE
    world.evm.advance(DELAY + GRACE - 1)
    world.execute(call)
    world.evm.advance(1)
    assert world.state(operation) == EXPIRED
    with reverts("OperationExpired"):
        world.execute(other)
    with reverts("OperationExpired"):
        world.lock.cancel(operation, sender=world.guardian)
    with reverts("OperationKnown"):
        world.schedule(other)


@pytest.mark.parametrize("wait", [0, DELAY])
def test_cancel__waiting_or_ready__for_good(world, wait):
    call = world.call()
    operation = world.schedule(call)
    world.evm.advance(wait)
    world.lock.cancel(operation, sender=world.guardian)
    assert world.state(operation) == CANCELLED
    world.evm.advance(DELAY)
    with reverts("NotPending"):
        world.execute(call)
    with reverts("NotPending"):
        world.lock.cancel(operation, sender=world.guardian)
    with reverts("OperationKnown"):
        world.schedule(call)
    world.evm.advance(GRACE)
    assert world.state(operation) == CANCELLED
    world.schedule(world.call(salt=2))


def test_cancel__unknown_or_done__not_pending(world):
    with reverts("NotPending"):
        world.lock.cancel(b"\1" * 32, sender=world.proposer)
    operation = world.schedule(world.call())
    world.evm.advance(DELAY)
    world.execute(world.call())
    with reverts("NotPending"):
        world.lock.cancel(operation, sender=world.proposer)


def test_execute__predecessor__must_be_done_not_merely_known(world):
    first = world.call(1)
    before = world.schedule(first)
    second = (*world.call(2)[:3], before, NONE)
    world.schedule(second)
    world.evm.advance(DELAY)
    with reverts("NotPending"):
        world.execute(second)
    world.execute(first)
    world.execute(second)


def test_execute__predecessor_cancelled__never(world):
    before = world.schedule(world.call(1))
    second = (*world.call(2)[:3], before, NONE)
    world.schedule(second)
    world.lock.cancel(before, sender=world.guardian)
    world.evm.advance(DELAY)
    with reverts("NotPending"):
        world.execute(second)


def test_states__random_steps__move_one_way(world):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    allowed = {
        UNSET: {UNSET, WAITING},
        WAITING: {WAITING, READY, EXPIRED, CANCELLED},
        READY: {READY, DONE, EXPIRED, CANCELLED},
        DONE: {DONE}, EXPIRED: {EXPIRED}, CANCELLED: {CANCELLED},
    }  # fmt: skip
    calls = [world.call(salt) for salt in range(1, 9)]
    ids = [bytes(world.lock.hash_operation(*call)) for call in calls]
    states, seen = [UNSET] * 8, set()

    def look() -> None:
        now = [world.state(operation) for operation in ids]
        assert all(new in allowed[old] for old, new in zip(states, now, strict=True))
        states[:] = now
        seen.update(now)

    for _ in range(300):
        world.evm.advance(rng.choice([0, 1, DAY // 2, DAY, 3 * DAY]))
        look()
        place = rng.randrange(8)
        state, at = (
            world.state(ids[place]),
            rng.choice(["schedule", "execute", "execute", "cancel"]),
        )
        expected = {
            "schedule": None if state == UNSET else "OperationKnown",
            "execute": {READY: None, EXPIRED: "OperationExpired"}.get(state, "NotPending"),
            "cancel": {READY: None, WAITING: None, EXPIRED: "OperationExpired"}.get(
                state, "NotPending"
            ),
        }[at]
        run = {
            "schedule": lambda p=place: world.schedule(calls[p]),
            "execute": lambda p=place: world.execute(calls[p]),
            "cancel": lambda p=place: world.lock.cancel(ids[p], sender=world.guardian),
        }[at]
        if expected:
            with reverts(expected):
                run()
        else:
            run()
        look()
    print(f"states seen {sorted(seen)}")


# -- delays


def test_schedule__delay_bounds(world):
    with reverts("TooFast"):
        world.schedule(world.call(), DELAY - 1)
    with reverts("BadParameter"):
        world.schedule(world.call(), 60 * DAY + 1)
    with reverts("BadParameter"):
        world.schedule(world.call(), 2**256 - 1)
    world.schedule(world.call(), 60 * DAY)


def test_update_delay__through_an_operation_and_not_below_its_floor(world):
    for caller in (world.proposer, world.executor, world.stranger):
        with reverts("NotGovernance"):
            world.lock.update_delay(DAY, sender=caller)
    low, high = world.own("update_delay", FLOOR - 1), world.own("update_delay", 60 * DAY + 1)
    good = world.own("update_delay", FLOOR)
    for call in (low, high, good):
        world.schedule(call)
    world.evm.advance(DELAY)
    for call in (low, high):
        with reverts("BadParameter"):
            world.execute(call)
    event = world.execute(good).event("MinimumDelayChange")
    assert (event.old_duration, event.new_duration) == (DELAY, FLOOR)
    assert world.lock.get_minimum_delay() == FLOOR
    world.schedule(world.call(), FLOOR)


# -- roles


def test_roles__after_deployment__deployer_has_none(world):
    deployer = "0x" + DEFAULT_SENDER.hex()
    for role in (ADMIN, PROPOSER, EXECUTOR, CANCELLER):
        assert not world.lock.hasRole(role, deployer)
        assert not world.lock.hasRole(role, world.stranger)
    holders = {
        (ADMIN, world.lock.address),
        (PROPOSER, world.proposer),
        (CANCELLER, world.proposer),
        (EXECUTOR, world.executor),
        (CANCELLER, world.guardian),
    }
    everyone = (world.lock.address, world.proposer, world.executor, world.guardian, deployer, ZERO)
    for role in (ADMIN, PROPOSER, EXECUTOR, CANCELLER):
        for actor in everyone:
            assert world.lock.hasRole(role, actor) == ((role, actor) in holders)
        assert bytes(world.lock.getRoleAdmin(role)) == ADMIN


def test_calls__without_the_role__refused(world):
    call = world.call()
    operation = world.schedule(call)
    world.evm.advance(DELAY)
    for caller in (world.executor, world.guardian, world.stranger):
        with reverts(*NO_ROLE):
            world.lock.schedule(*world.call(2), DELAY, sender=caller)
        with reverts(*NO_ROLE):
            world.lock.schedule_batch(*batch(world), DELAY, sender=caller)
    for caller in (world.executor, world.stranger):
        with reverts(*NO_ROLE):
            world.lock.cancel(operation, sender=caller)
    for caller in (world.proposer, world.guardian, world.stranger):
        with reverts(*NO_ROLE):
            world.lock.execute(*call, sender=caller)
        with reverts(*NO_ROLE):
            world.lock.execute_batch(*batch(world), sender=caller)
    for caller in (world.proposer, world.executor, world.guardian, world.stranger):
        with reverts(*NO_ROLE):
            world.lock.grantRole(PROPOSER, world.stranger, sender=caller)
        with reverts(*NO_ROLE):
            world.lock.revokeRole(PROPOSER, world.proposer, sender=caller)


def test_grant_role__through_an_operation(world):
    call = world.own("grantRole", CANCELLER, world.stranger)
    world.schedule(call)
    world.evm.advance(DELAY)
    world.execute(call)
    assert world.lock.hasRole(CANCELLER, world.stranger)


def test_executor__zero_address__anybody_executes(world):
    lock = world.evm.deploy(compile_contract("Timelock"), *arguments(world, executors=[ZERO]))
    call = world.call()
    lock.schedule(*call, DELAY, sender=world.proposer)
    world.evm.advance(DELAY)
    lock.execute(*call, sender=world.stranger)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"delay": FLOOR - 1}, "BadParameter"),
        ({"delay": 60 * DAY + 1}, "BadParameter"),
        ({"floor": 0}, "BadParameter"),
        ({"grace": 3_599}, "BadParameter"),
        ({"grace": 30 * DAY + 1}, "BadParameter"),
        ({"proposers": []}, "BadArgument"),
        ({"executors": []}, "BadArgument"),
        ({"proposers": [ZERO]}, "NullAddress"),
        ({"cancellers": [ZERO]}, "NullAddress"),
        ({"proposers": ["0x" + DEFAULT_SENDER.hex()]}, "BadArgument"),
        ({"executors": ["0x" + DEFAULT_SENDER.hex()]}, "BadArgument"),
        ({"cancellers": ["0x" + DEFAULT_SENDER.hex()]}, "BadArgument"),
        ({"delay": FLOOR, "grace": 3_600, "cancellers": []}, None),
        ({"delay": 60 * DAY, "grace": 30 * DAY}, None),
    ],
)
def test_constructor__bounds(world, changes, error):
    artifact = compile_contract("Timelock")
    if error is None:
        world.evm.deploy(artifact, *arguments(world, **changes))
        return
    with reverts(error):
        world.evm.deploy(artifact, *arguments(world, **changes))


# -- batches and failing calls


def batch(world, count=2, size=None):
    payload = world.token.mint.pack(world.stranger, 1)
    if size:
        payload = payload + bytes(size - len(payload))
    return [world.token.address] * count, [0] * count, [payload] * count, NONE, NONE


def test_batch__executes_all(world):
    calls = batch(world, 3)
    receipt = world.lock.schedule_batch(*calls, DELAY, sender=world.proposer)
    operation = bytes(world.lock.hash_operation_batch(*calls))
    scheduled = [event for event in receipt.events if event.name == "CallScheduled"]
    assert [(bytes(event.id), event.index) for event in scheduled] == [
        (operation, index) for index in range(3)
    ]
    world.evm.advance(DELAY)
    world.lock.execute_batch(*calls, sender=world.executor)
    assert world.token.balanceOf(world.stranger) == 3
    with reverts("NotPending"):
        world.lock.execute_batch(*calls, sender=world.executor)


def test_batch__lengths__bad_argument(world):
    targets, amounts, payloads, *rest = batch(world)
    for args in (
        ([], [], []),
        (targets[:1], amounts, payloads),
        (targets, amounts[:1], payloads),
        (targets, amounts, payloads[:1]),
    ):
        with reverts("BadArgument"):
            world.lock.schedule_batch(*args, *rest, DELAY, sender=world.proposer)
        with reverts("BadArgument"):
            world.lock.execute_batch(*args, *rest, sender=world.executor)


def test_batch__at_and_past_its_bound(world):
    full = batch(world, 32, 1_024)
    world.lock.schedule_batch(*full, DELAY, sender=world.proposer)
    world.evm.advance(DELAY)
    world.lock.execute_batch(*full, sender=world.executor)
    assert world.token.balanceOf(world.stranger) == 32
    for past in (batch(world, 33), batch(world, 1, 1_025)):
        with reverts(""):
            world.lock.schedule_batch(*past, DELAY, sender=world.proposer)


def test_payload__at_and_past_its_bound(world):
    target, amount, payload, predecessor, salt = world.call()
    full = (target, amount, payload + bytes(1_024 - len(payload)), predecessor, salt)
    world.schedule(full)
    world.evm.advance(DELAY)
    world.execute(full)
    assert world.token.balanceOf(world.stranger) == 5
    with reverts(""):
        world.lock.schedule(
            target, amount, bytes(1_025), predecessor, salt, DELAY, sender=world.proposer
        )


def test_actors__at_and_past_their_bound(world):
    artifact = compile_contract("Timelock")
    many = [world.evm.account() for _ in range(17)]
    lock = world.evm.deploy(artifact, *arguments(world, proposers=many[:16]))
    assert all(lock.hasRole(PROPOSER, actor) for actor in many[:16])
    with reverts(""):
        world.evm.deploy(artifact, *arguments(world, proposers=many))


def test_execute__target_reverts__its_error_comes_through_and_it_stays_ready(world):
    inner = world.own("update_delay", 0)
    operation = world.schedule(inner)
    world.evm.advance(DELAY)
    with reverts("BadParameter"):
        world.execute(inner)
    assert world.state(operation) == READY


def test_execute__operation_that_executes_itself__locked_out(world):
    call = world.call()
    lock = world.evm.deploy(compile_contract("Timelock"), *arguments(world, executors=[ZERO]))
    nested = (lock.address, 0, lock.execute.pack(*call), NONE, NONE)
    for operation in (call, nested):
        lock.schedule(*operation, DELAY, sender=world.proposer)
    world.evm.advance(DELAY)
    with reverts("Error", "timelock_controller: underlying transaction reverted"):
        lock.execute(*nested, sender=world.executor)
    assert int(lock.get_operation_state(bytes(lock.hash_operation(*call)))) == READY
