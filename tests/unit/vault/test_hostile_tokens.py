"""Tokens that misbehave: P1, P34."""

from __future__ import annotations

import pytest

from plimsoll.testing import reverts

ONE = 10**18


@pytest.fixture
def hostile(world):
    return world.listed("HostileToken")


def test_deposit__no_return_token__works_both_ways(world):
    token = world.listed("NoReturnToken", 6)
    world.deposit(token, 50)
    world.withdraw(token, 20)
    assert world.kept(token) == token.balanceOf(world.vault.address) == 30


def test_deposit__false_returning__bad_token(world, hostile):
    hostile.set_answer(False, False)
    with reverts("BadToken"):
        world.deposit(hostile, 1)


def test_deposit__moves_nothing_but_says_true__bad_token(world, hostile):
    hostile.set_answer(True, True)
    with reverts("BadToken"):
        world.deposit(hostile, 1)


def test_withdraw__false_returning_or_inert__bad_token(world, hostile):
    world.deposit(hostile, 10)
    for answer, inert in ((False, False), (True, True)):
        hostile.set_answer(answer, inert)
        with reverts("BadToken"):
            world.withdraw(hostile, 1)


def test_deposit__fee_on_transfer__bad_token(world, hostile):
    hostile.set_fee(1, 0)
    with reverts("BadToken"):
        world.deposit(hostile, ONE)


def test_deposit__fee_on_transfer_beside_donated_tokens__bad_token(world, hostile):
    hostile.mint(world.vault.address, ONE)  # custody above claims does not excuse the fee
    hostile.set_fee(1, 0)
    with reverts("BadToken"):
        world.deposit(hostile, ONE)


def test_withdraw__fee_beside_donated_tokens__bad_token(world, hostile):
    world.deposit(hostile, 2 * ONE)
    hostile.mint(world.vault.address, ONE)
    hostile.set_fee(0, 1)
    with reverts("BadToken"):
        world.withdraw(hostile, ONE)


def test_withdraw__fee_taken_from_the_vault__bad_token(world, hostile):
    world.deposit(hostile, 2 * ONE)
    hostile.set_fee(0, 1)
    with reverts("BadToken"):
        world.withdraw(hostile, ONE)


def test_rebase_down__token_stands_still_until_made_whole(world, hostile):
    world.deposit(hostile, 10_000)
    hostile.rebase(9_999)
    with reverts("BadToken"):
        world.deposit(hostile, 9_999)
    with reverts("BadToken"):
        world.withdraw(hostile, 9_999)
    hostile.rebase(10_000)
    world.withdraw(hostile, 10_000)


def test_rebase_down__donation_makes_it_whole(world, hostile):
    world.deposit(hostile, 10_000)
    hostile.rebase(5_000)
    hostile.mint(world.vault.address, 10_000)
    world.withdraw(hostile, 10_000)
    assert world.kept(hostile) == 0


def test_rebase_up__changes_no_balance(world, hostile):
    world.deposit(hostile, 10_000)
    hostile.rebase(20_000)
    assert world.vault.balance_of(world.account(world.trader), hostile.address) == 10_000
    with reverts("InsufficientCollateral"):
        world.withdraw(hostile, 10_001)


def test_paused_or_blocking_token__strands_only_itself(world, hostile):
    world.deposit(hostile, 10)
    world.deposit(world.token, 10)
    hostile.set_paused(True)
    with reverts(""):
        world.withdraw(hostile, 1)
    hostile.set_paused(False)
    hostile.set_blocked(world.trader, True)
    with reverts(""):
        world.withdraw(hostile, 1)
    world.withdraw(world.token, 10)
    account = world.account(world.trader)
    # another receiver still gets it
    world.vault.withdraw(account, hostile.address, 10, world.maker, sender=world.trader)


def entries(world, hostile):
    """Calldata of every state-changing entry that an outsider could aim a callback at."""
    account = world.account(world.trader)
    vault, engine, token = world.vault, world.engine, hostile.address
    return {
        "deposit": (vault, vault.deposit.pack(account, token, 1)),
        "withdraw": (vault, vault.withdraw.pack(account, token, 1, world.trader)),
        "settle_ramp": (vault, vault.settle_ramp.pack(token)),
        "pull_quote": (engine, engine.pull.pack(world.trader, 1)),
        "push_quote": (engine, engine.push.pack(world.trader, 1, False)),
        "move_share": (engine, engine.move_share.pack(account, world.account(world.maker), ONE)),
        "move_between": (
            engine,
            engine.move_between.pack(account, world.account(world.maker), token, 1),
        ),
        "list_asset": (vault, vault.list_asset.pack(token, 1, 0, 0, 1, 3_600)),
        "set_haircuts": (vault, vault.set_haircuts.pack(token, 0, 0, 86_400)),
        "set_cap": (vault, vault.set_cap.pack(token, 1, 3_600)),
        "set_feed": (vault, vault.set_feed.pack(token, 1)),
        "set_enabled": (vault, vault.set_enabled.pack(token, False)),
        "set_limiter": (vault, vault.set_limiter.pack(token, 500, 3_600, 0)),
    }


NAMES = [
    "deposit", "withdraw", "settle_ramp", "pull_quote", "push_quote", "move_share",
    "move_between", "list_asset", "set_haircuts", "set_cap", "set_feed", "set_enabled",
    "set_limiter",
]  # fmt: skip


def test_entries__are_all_of_the_abi(world, hostile):
    mutating = {
        entry["name"]
        for entry in world.vault.abi
        if entry["type"] == "function" and entry["stateMutability"] == "nonpayable"
    }
    owner_functions = {"transfer_ownership", "accept_ownership"}  # touch ownership alone
    assert mutating - owner_functions == set(NAMES) == set(entries(world, hostile))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("outer", ["deposit", "withdraw"])
def test_callback__into_every_entry__is_locked_out(world, hostile, name, outer):
    world.deposit(hostile, 10)
    world.engine.pull(world.trader, 10)
    target, data = entries(world, hostile)[name]
    hostile.set_callback(target.address, data)
    getattr(world, outer)(hostile, 1)
    assert hostile.callbacks() == 1
    # The lock fails before arguments or rights are looked at, without data.
    assert not hostile.callback_success()
    assert hostile.callback_answer() == b""


def test_callback__reads__see_custody_above_claims(world, hostile):
    account = world.account(world.trader)
    world.deposit(hostile, 10)
    hostile.set_callback(world.vault.address, world.vault.balance_of.pack(account, hostile.address))
    world.deposit(hostile, 5)  # mid-deposit the credit is not there yet
    assert int.from_bytes(hostile.callback_answer(), "big") == 10
    world.withdraw(hostile, 5)  # mid-withdrawal the debit is
    assert int.from_bytes(hostile.callback_answer(), "big") == 10


def test_quote_callback__into_the_vault__is_locked_out(world):
    quote, engine, vault = world.with_quote("HostileToken")
    quote.mint(world.trader, 100)
    quote.approve(vault.address, 100, sender=world.trader)
    quote.set_callback(engine.address, engine.push.pack(world.maker, 1, False))
    engine.pull(world.trader, 50)
    assert (quote.callback_success(), quote.callback_answer()) == (False, b"")
    engine.push(world.trader, 10, True)
    assert (quote.callback_success(), quote.callback_answer()) == (False, b"")
    assert vault.limiter(quote.address)[0] == quote.balanceOf(vault.address) == 40
