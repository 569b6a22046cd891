"""Listing, ramps, bounds and ownership of the vault."""

from __future__ import annotations

import random

import pytest

from plimsoll.model.vault import Cap, ramped_up
from plimsoll.testing import reverts

HOUR, DAY = 3_600, 86_400
UNPRICED = 404  # MockVaultEngine
ZERO = "0x" + "00" * 20
TERMS = (7, 1_000, 2_000, 10**24, HOUR)  # feed, maintenance, initial, cap, ramp


def terms(world, token=None):
    names = ("id", "feed", "maintenance", "initial", "decimals", "cap", "cap_now", "enabled")
    got = world.vault.terms((token or world.token).address)
    return dict(zip(names, got, strict=True))


def test_list_asset__stored_and_told(world):
    token = world.new_token(decimals=8)
    receipt = world.vault.list_asset(token.address, *TERMS, sender=world.governance)
    assert receipt.value == world.vault.asset_count() == 2
    assert world.vault.asset_at(2).lower() == token.address.lower()
    assert world.vault.asset_at(0).lower() == world.quote.address.lower()
    event = receipt.event("AssetListed")
    assert (event.feed, event.maintenance, event.initial, event.cap, event.ramp) == TERMS
    assert terms(world, token) == {
        "id": 2, "feed": 7, "maintenance": 1_000, "initial": 2_000,
        "decimals": 8, "cap": 10**24, "cap_now": 0, "enabled": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("place", "value", "error"),
    [
        (0, 0, "BadParameter"),
        (0, 65_536, "BadParameter"),
        (1, 2_001, "JointBound"),
        (2, 10_000, "JointBound"),
        (2, 999, "JointBound"),
        (3, 2**95, "BadParameter"),
        (4, HOUR - 1, "BadParameter"),
        (4, 180 * DAY + 1, "BadParameter"),
    ],
)
def test_list_asset__past_a_bound__named(world, place, value, error):
    args = list(TERMS)
    args[place] = value
    token = world.new_token()
    with reverts(error):
        world.vault.list_asset(token.address, *args, sender=world.governance)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 1),
        (0, 65_535),
        (1, 2_000),
        (2, 9_999),
        (2, 1_000),
        (3, 2**95 - 1),
        (3, 0),
        (4, 180 * DAY),
    ],
)
def test_list_asset__at_a_bound__accepted(world, place, value):
    args = list(TERMS)
    args[place] = value
    world.vault.list_asset(world.new_token().address, *args, sender=world.governance)


def test_list_asset__twice_or_the_quote_token__already_listed(world):
    for token in (world.token, world.quote):
        with reverts("AlreadyListed"):
            world.vault.list_asset(token.address, *TERMS, sender=world.governance)


def test_list_asset__no_code_or_decimals__bad_token(world):
    fine = world.new_token(decimals=19).address
    for bad in (world.trader, ZERO, world.engine.address, fine):
        with reverts("BadToken"):
            world.vault.list_asset(bad, *TERMS, sender=world.governance)


def test_list_asset__256th__too_many(world):
    source = world.new_token().address
    code = world.evm.code(source)
    for place in range(2, 257):
        clone = f"0x{0xBEEF << 32 | place:040x}"
        world.evm.set_code(clone, code)
        if place < 256:
            world.vault.list_asset(clone, *TERMS, sender=world.governance)
    with reverts("TooMany"):
        world.vault.list_asset(clone, *TERMS, sender=world.governance)


def test_setters__not_governance__refused(world):
    token = world.token.address
    calls = (
        ("list_asset", token, *TERMS),
        ("set_haircuts", token, 0, 0, DAY),
        ("set_cap", token, 1, HOUR),
        ("set_feed", token, 1),
        ("set_enabled", token, False),
        ("set_limiter", token, 500, HOUR, 0),
    )
    for name, *args in calls:
        for caller in (world.trader, world.engine.address):
            with reverts("NotGovernance"):
                world.vault.method(name)(*args, sender=caller)


def test_setters__unlisted__unknown_asset(world):
    token = world.new_token().address
    calls = (
        ("set_haircuts", token, 0, 0, DAY),
        ("set_cap", token, 1, HOUR),
        ("set_feed", token, 1),
        ("set_enabled", token, False),
        ("set_limiter", token, 500, HOUR, 0),
        ("settle_ramp", token),
    )
    for name, *args in calls:
        with reverts("UnknownAsset"):
            world.vault.method(name)(*args, sender=world.governance)
    for name in ("terms", "limiter", "withdrawable_now"):
        with reverts("UnknownAsset"):
            world.vault.method(name)(token)
    assert world.vault.balance_of(world.account(world.trader), token) == 0


@pytest.mark.parametrize(
    ("share", "window", "minimum", "error"),
    [
        (499, HOUR, 0, "BadParameter"),
        (10_001, HOUR, 0, "BadParameter"),
        (500, HOUR - 1, 0, "BadParameter"),
        (500, 3 * DAY + 1, 0, "BadParameter"),
        (500, HOUR, 2**95, "BadParameter"),
        (500, HOUR, 2**95 - 1, None),
        (10_000, 3 * DAY, 0, None),
    ],
)
def test_set_limiter__bounds(world, share, window, minimum, error):
    def call():
        return world.vault.set_limiter(
            world.quote.address, share, window, minimum, sender=world.governance
        )

    if error:
        with reverts(error):
            call()
        return
    event = call().event("LimiterChanged")
    assert (event.old_share, event.old_window, event.old_minimum) == (10_000, HOUR, 0)
    assert (event.new_share, event.new_window, event.new_minimum) == (share, window, minimum)
    assert tuple(world.vault.limiter(world.quote.address))[2:] == (share, window, minimum)


# -- caps


def test_deposit__cap_ramps_from_zero(world):
    token = world.new_token()
    world.list(token, cap=7_200, ramp=2 * HOUR, wait=False)
    with reverts("SupplyCap"):
        world.deposit(token, 1)
    world.evm.advance(HOUR)
    with reverts("SupplyCap"):
        world.deposit(token, 3_601)
    world.deposit(token, 3_600)
    world.evm.advance(2 * HOUR)
    world.deposit(token, 3_600)
    with reverts("SupplyCap"):
        world.deposit(token, 1)


def test_set_cap__lower__at_once_and_forces_nobody_out(world):
    world.deposit(world.token, 100)
    event = world.vault.set_cap(world.token.address, 50, HOUR, sender=world.governance)
    assert event.event("CapChanged").old_cap == 10**24
    assert terms(world)["cap_now"] == 50
    with reverts("SupplyCap"):
        world.deposit(world.token, 1)
    world.withdraw(world.token, 100)


@pytest.mark.parametrize(("cap", "ramp"), [(2**95, HOUR), (1, HOUR - 1), (1, 180 * DAY + 1)])
def test_set_cap__past_a_bound__bad_parameter(world, cap, ramp):
    with reverts("BadParameter"):
        world.vault.set_cap(world.token.address, cap, ramp, sender=world.governance)


def test_set_cap__random_changes__never_jump_up_and_follow_the_model(world):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    token = world.new_token()
    start = world.evm.timestamp
    world.list(token, cap=10**6, ramp=DAY, wait=False)
    model = Cap(10**6, start, DAY)
    for _ in range(60):
        world.evm.advance(rng.randrange(2 * DAY))
        before = model.at(world.evm.timestamp)
        assert terms(world, token)["cap_now"] == before
        cap, ramp = rng.choice([0, 1, 999, 10**6, 10**24]), rng.choice([HOUR, DAY, 180 * DAY])
        world.vault.set_cap(token.address, cap, ramp, sender=world.governance)
        model = model.changed(cap, ramp, world.evm.timestamp)
        now = terms(world, token)
        assert (now["cap"], now["cap_now"]) == (cap, model.at(world.evm.timestamp))
        assert now["cap_now"] <= min(before, cap)
        assert (now["feed"], now["maintenance"], now["enabled"]) == (7, 1_000, True)


# -- haircuts


def set_haircuts(world, maintenance, initial, ramp=DAY):
    return world.vault.set_haircuts(
        world.token.address, maintenance, initial, ramp, sender=world.governance
    )


def test_set_haircuts__tighter__initial_at_once_maintenance_ramps(world):
    event = set_haircuts(world, 3_000, 4_000).event("HaircutsChanged")
    assert (event.old_maintenance, event.new_maintenance) == (1_000, 3_000)
    assert (event.old_initial, event.new_initial) == (2_000, 4_000)
    assert (terms(world)["maintenance"], terms(world)["initial"]) == (1_000, 4_000)
    world.evm.advance(DAY // 2)
    assert (terms(world)["maintenance"], terms(world)["initial"]) == (2_000, 4_000)
    world.evm.advance(DAY // 2)
    assert (terms(world)["maintenance"], terms(world)["initial"]) == (3_000, 4_000)


def test_set_haircuts__looser__both_ramp(world):
    set_haircuts(world, 0, 0)
    assert (terms(world)["maintenance"], terms(world)["initial"]) == (1_000, 2_000)
    world.evm.advance(DAY - 1)
    assert (terms(world)["maintenance"], terms(world)["initial"]) == (1, 1)  # rounded up
    world.evm.advance(1)
    assert (terms(world)["maintenance"], terms(world)["initial"]) == (0, 0)


def test_holdings__while_haircuts_ramp__applied(world):
    world.deposit(world.token, 10)
    set_haircuts(world, 3_000, 4_000)
    world.evm.advance(DAY // 2)
    (word,) = world.vault.holdings(world.account(world.trader))
    assert ((word >> 144) & 0xFFFF, (word >> 160) & 0xFFFF) == (2_000, 4_000)


@pytest.mark.parametrize(
    ("maintenance", "initial", "ramp", "error"),
    [
        (1, 0, DAY, "JointBound"),
        (0, 10_000, DAY, "JointBound"),
        (0, 0, DAY - 1, "BadParameter"),
        (0, 0, 180 * DAY + 1, "BadParameter"),
    ],
)
def test_set_haircuts__past_a_bound__named(world, maintenance, initial, ramp, error):
    with reverts(error):
        set_haircuts(world, maintenance, initial, ramp)


def test_settle_ramp__only_when_run_out(world):
    with reverts("NothingToDo"):
        world.vault.settle_ramp(world.token.address)
    set_haircuts(world, 3_000, 4_000)
    with reverts("NothingToDo"):
        world.vault.settle_ramp(world.token.address)
    world.evm.advance(DAY)
    before = terms(world)
    world.vault.settle_ramp(world.token.address, sender=world.stranger)
    assert terms(world) == before
    with reverts("NothingToDo"):
        world.vault.settle_ramp(world.token.address)


def test_set_haircuts__random_changes__initial_never_below_maintenance(world):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    start, begun, length = (1_000, 2_000), world.evm.timestamp, DAY
    target = start
    for _ in range(60):
        world.evm.advance(rng.choice([0, 1, HOUR, DAY, 3 * DAY]))
        elapsed = world.evm.timestamp - begun
        now = tuple(ramped_up(a, b, elapsed, length) for a, b in zip(start, target, strict=True))
        got = terms(world)
        assert (got["maintenance"], got["initial"]) == now
        assert now[0] <= now[1]
        if rng.random() < 0.5:
            maintenance = rng.randrange(10_000)
            target = (maintenance, rng.randrange(maintenance, 10_000))
            start, begun = (now[0], max(now[1], target[1])), world.evm.timestamp
            length = rng.choice([DAY, 7 * DAY])
            set_haircuts(world, *target, length)
        # other setters leave the ramp alone
        world.vault.set_feed(world.token.address, rng.randrange(1, 9), sender=world.governance)
        world.vault.set_cap(world.token.address, 10**24, HOUR, sender=world.governance)


# -- flags, feed, ownership


def test_set_enabled__off__stops_deposits_only(world):
    world.deposit(world.token, 10)
    event = world.vault.set_enabled(world.token.address, False, sender=world.governance)
    assert (event.event("EnabledChanged").old_enabled, terms(world)["enabled"]) == (True, False)
    with reverts("AssetPaused"):
        world.deposit(world.token, 1)
    world.withdraw(world.token, 5)
    world.vault.set_enabled(world.token.address, True, sender=world.governance)
    world.deposit(world.token, 1)


def test_set_feed__told_and_bounded(world):
    event = world.vault.set_feed(world.token.address, 9, sender=world.governance)
    assert (event.event("FeedChanged").old_feed, terms(world)["feed"]) == (7, 9)
    for feed in (0, 65_536):
        with reverts("BadParameter"):
            world.vault.set_feed(world.token.address, feed, sender=world.governance)


def test_set_feed__one_that_never_had_a_price__refused(world):
    """No assessment of a holder could pass it: neither a withdrawal nor a liquidation."""
    before = terms(world)
    with reverts("NoPrice"):
        world.vault.set_feed(world.token.address, UNPRICED, sender=world.governance)
    assert terms(world) == before


def test_ownership__two_steps_and_no_renouncing(world):
    vault = world.vault
    vault.transfer_ownership(world.maker, sender=world.governance)
    assert vault.owner().lower() == world.governance.lower()
    with reverts("Error", "ownable_2step: caller is not the new owner"):
        vault.accept_ownership(sender=world.trader)
    vault.accept_ownership(sender=world.maker)
    with reverts("NotGovernance"):
        vault.set_feed(world.token.address, 9, sender=world.governance)
    vault.set_feed(world.token.address, 9, sender=world.maker)
    assert not any(entry.get("name") == "renounce_ownership" for entry in vault.abi)
