"""Deposits, withdrawals and the per-account ledger."""

from __future__ import annotations

import random

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.evm import Contract
from plimsoll.model.vault import HOLDING_BOUND, OPENING_BOUND, Ledger, Refused
from plimsoll.testing import reverts

ONE = 10**18
ZERO = "0x" + "00" * 20


def test_deposit__owner__credits_and_tells_the_engine(world):
    receipt = world.deposit(world.token, 5 * ONE)
    account = world.account(world.trader)
    assert world.vault.balance_of(account, world.token.address) == 5 * ONE
    assert world.token.balanceOf(world.vault.address) == world.kept(world.token) == 5 * ONE
    assert world.engine.last_account() == account
    assert world.engine.last_caller().lower() == world.trader.lower()
    assert (world.engine.last_count(), world.engine.last_lowered()) == (1, False)
    assert receipt.event("Deposit").amount == 5 * ONE


def test_holdings__one_asset__word_has_the_documented_fields(world):
    world.deposit(world.token, 5 * ONE)
    (word,) = world.vault.holdings(world.account(world.trader))
    assert word & (2**128 - 1) == 5 * ONE
    assert (word >> 128) & 0xFFFF == 7
    assert (word >> 144) & 0xFFFF == 1_000
    assert (word >> 160) & 0xFFFF == 2_000
    assert (word >> 176) & 0xFF == 18
    assert word >> 184 == 1


def test_deposit__zero__zero_amount(world):
    with reverts("ZeroAmount"):
        world.deposit(world.token, 0)


def test_deposit__unlisted_or_quote_token__unknown_asset(world):
    with reverts("UnknownAsset"):
        world.deposit(world.new_token(), 1)
    with reverts("UnknownAsset"):
        world.deposit(world.quote, 1)


def test_deposit__stranger__only_what_the_account_holds(world):
    account = world.account(world.trader)
    with reverts("StrangerAsset"):
        world.vault.deposit(account, world.token.address, 1, sender=world.stranger)
    world.deposit(world.token, 1)
    world.vault.deposit(account, world.token.address, 9, sender=world.stranger)
    assert world.vault.balance_of(account, world.token.address) == 10
    world.withdraw(world.token, 10)
    with reverts("StrangerAsset"):
        world.vault.deposit(account, world.token.address, 1, sender=world.stranger)


def test_deposit__ninth_asset__too_many_positions(world):
    tokens = [world.token] + [world.listed() for _ in range(OPENING_BOUND)]
    for token in tokens[:OPENING_BOUND]:
        world.deposit(token, 1)
    with reverts("TooManyPositions"):
        world.deposit(tokens[OPENING_BOUND], 1)
    world.deposit(tokens[0], 1)  # one that is held already is fine
    assert world.vault.assets_held(world.account(world.trader)) == OPENING_BOUND


def test_withdraw__owner__pays_out_and_strikes_the_asset_off(world):
    world.deposit(world.token, 5)
    before = world.token.balanceOf(world.maker)
    receipt = world.vault.withdraw(
        world.account(world.trader), world.token.address, 5, world.maker, sender=world.trader
    )
    assert world.token.balanceOf(world.maker) == before + 5
    assert world.vault.holdings(world.account(world.trader)) == []
    assert (world.engine.last_count(), world.engine.last_lowered()) == (0, True)
    assert receipt.event("Withdrawal").amount == 5


def test_withdraw__stranger__engine_refuses(world):
    world.deposit(world.token, 5)
    with reverts("NotOwner"):
        world.vault.withdraw(
            world.account(world.trader),
            world.token.address,
            5,
            world.stranger,
            sender=world.stranger,
        )


def test_withdraw__more_than_held__insufficient_collateral(world):
    world.deposit(world.token, 5)
    world.deposit(world.token, 100, world.maker)
    with reverts("InsufficientCollateral"):
        world.withdraw(world.token, 6)


def test_withdraw__bad_arguments__named(world):
    world.deposit(world.token, 5)
    account = world.account(world.trader)
    with reverts("ZeroAmount"):
        world.withdraw(world.token, 0)
    with reverts("NullAddress"):
        world.vault.withdraw(account, world.token.address, 1, ZERO, sender=world.trader)
    with reverts("UnknownAsset"):
        world.withdraw(world.new_token(), 1)
    with reverts("BadToken"):  # to the vault itself: nothing left
        world.vault.withdraw(
            account, world.token.address, 1, world.vault.address, sender=world.trader
        )


def test_withdraw__unhealthy__engine_sees_the_lowered_balance_and_stops_it(world):
    world.deposit(world.token, 5)
    world.engine.set_refuse(True)
    with reverts(""):
        world.withdraw(world.token, 1)
    world.engine.set_refuse(False)
    world.withdraw(world.token, 1)
    assert world.engine.seen(0) & (2**128 - 1) == 4


def test_engine_calls__anyone_else__not_engine(world):
    account, other = world.account(world.trader), world.account(world.maker)
    calls = (
        ("pull_quote", world.trader, 1),
        ("push_quote", world.trader, 1, True),
        ("move_share", account, other, ONE),
        ("move_between", account, other, world.token.address, 1),
    )
    for name, *args in calls:
        for caller in (world.trader, world.governance):
            with reverts("NotEngine"):
                world.vault.method(name)(*args, sender=caller)


def test_quote__pull_and_push__kept_follows(world):
    world.engine.pull(world.trader, 10**9)
    assert world.kept(world.quote) == 10**9
    world.engine.push(world.maker, 4 * 10**8, True)
    assert world.kept(world.quote) == 6 * 10**8
    with reverts("VaultShort"):
        world.engine.push(world.maker, 6 * 10**8 + 1, False)
    with reverts("NullAddress"):
        world.engine.push(ZERO, 1, False)
    world.engine.push(ZERO, 0, False)  # nothing to pay is fine
    world.engine.pull(ZERO, 0)


def test_quote__donation__raises_no_claim(world):
    world.engine.pull(world.trader, 10)
    world.quote.transfer(world.vault.address, 10**9, sender=world.maker)
    assert world.kept(world.quote) == 10
    with reverts("VaultShort"):
        world.engine.push(world.maker, 11, False)


def test_collateral__donation__raises_no_balance(world):
    world.deposit(world.token, 10)
    world.token.transfer(world.vault.address, 10**9, sender=world.maker)
    assert world.kept(world.token) == 10
    assert world.vault.balance_of(world.account(world.trader), world.token.address) == 10


@pytest.mark.parametrize("fraction", [0, ONE + 1])
def test_move_share__fraction_out_of_range__bad_fraction(world, fraction):
    with reverts("BadFraction"):
        world.engine.move_share(world.account(world.trader), world.account(world.maker), fraction)


def test_move_share__to_itself__bad_argument(world):
    account = world.account(world.trader)
    with reverts("BadArgument"):
        world.engine.move_share(account, account, ONE)
    with reverts("BadArgument"):
        world.engine.move_between(account, account, world.token.address, 1)


def test_move_share__odd_balance__rounds_up_and_conserves(world):
    world.deposit(world.token, 10)
    sender, receiver = world.account(world.trader), world.account(world.maker)
    assert world.engine.move_share(sender, receiver, ONE // 3).value == (1, 1)
    assert world.vault.balance_of(receiver, world.token.address) == 4
    assert world.vault.balance_of(sender, world.token.address) == 6
    assert world.engine.move_share(sender, receiver, ONE).value == (0, 1)
    assert world.vault.balance_of(receiver, world.token.address) == 10


def fill_accounts(world, tokens: list[Contract]) -> None:
    """Trader holds the first 8 tokens, maker the next ones, 8 by deposit and 8 by takeover."""
    for token in tokens[:8]:
        world.deposit(token, 3)
    for token in tokens[8:16]:
        world.deposit(token, 3, world.maker)
    world.engine.move_share(world.account(world.trader), world.account(world.maker), ONE)


def test_move_share__sixteen_assets__is_the_bound(world):
    tokens = [world.token] + [world.listed() for _ in range(HOLDING_BOUND)]
    fill_accounts(world, tokens)
    maker = world.account(world.maker)
    assert world.vault.assets_held(maker) == len(world.vault.holdings(maker)) == 16
    world.deposit(tokens[16], 3)
    with reverts("TooManyPositions"):
        world.engine.move_share(world.account(world.trader), maker, 1)
    # and the holder of sixteen can be sold whole
    assert world.engine.move_share(maker, world.account(world.stranger), ONE).value == (0, 16)


def test_move_between__own_accounts__moves_within_the_opening_bound(world):
    world.deposit(world.token, 10)
    sender, receiver = world.account(world.trader), world.account(world.trader, 5)
    assert world.engine.move_between(sender, receiver, world.token.address, 10).value == (0, 1)
    with reverts("InsufficientCollateral"):
        world.engine.move_between(sender, receiver, world.token.address, 1)
    with reverts("ZeroAmount"):
        world.engine.move_between(receiver, sender, world.token.address, 0)
    for token in [world.listed() for _ in range(8)]:
        world.deposit(token, 1)
    with reverts("TooManyPositions"):
        world.engine.move_between(receiver, sender, world.token.address, 1)


def test_constructor__wrong_tokens__bad_token(world):
    artifact = compile_contract("CollateralVault")
    for bad in (world.trader, world.new_token(decimals=18).address, world.engine.address):
        with reverts("BadToken"):
            world.evm.deploy(artifact, world.engine.address, bad, world.governance)
    with reverts("NullAddress"):
        world.evm.deploy(artifact, ZERO, world.quote.address, world.governance)


def test_ledger__random_steps__as_the_model(world):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    tokens = [world.token] + [world.listed() for _ in range(9)]
    owners = [world.trader, world.maker, world.stranger]
    model = Ledger()
    for _ in range(250):
        owner, other = rng.sample(owners, 2)
        account, receiver = world.account(owner), world.account(other)
        asset = rng.randrange(len(tokens))
        amount = rng.choice([1, 2, 7, 10**18])
        kind = rng.choice(["deposit", "deposit", "withdraw", "share", "between"])
        fraction = rng.choice([1, ONE // 3, ONE // 2, ONE])
        name = None
        try:
            if kind == "deposit":
                model.credit(account, asset + 1, amount, OPENING_BOUND)
            elif kind == "withdraw":
                model.debit(account, asset + 1, amount)
            elif kind == "share":
                model.move_share(account, receiver, fraction)
            else:
                if model.balance(account, asset + 1) < amount:
                    raise Refused("InsufficientCollateral")
                model.credit(receiver, asset + 1, amount, OPENING_BOUND)
                model.debit(account, asset + 1, amount)
        except Refused as refused:
            name = refused.name
        call = {
            "deposit": lambda o=owner, a=asset, n=amount: world.deposit(tokens[a], n, o),
            "withdraw": lambda o=owner, a=asset, n=amount: world.withdraw(tokens[a], n, o),
            "share": lambda s=account, r=receiver, f=fraction: world.engine.move_share(s, r, f),
            "between": lambda s=account, r=receiver, a=asset, n=amount: world.engine.move_between(
                s, r, tokens[a].address, n
            ),
        }[kind]
        if name:
            with reverts(name):
                call()
        else:
            call()
        for actor in owners:
            words = world.vault.holdings(world.account(actor))
            got = [(word >> 184, word & (2**128 - 1)) for word in words]
            ids = model.held(world.account(actor))
            assert got == [(i, model.balance(world.account(actor), i)) for i in ids]
    for place, token in enumerate(tokens):
        total = sum(model.balance(world.account(actor), place + 1) for actor in owners)
        assert total == world.kept(token) == token.balanceOf(world.vault.address)
