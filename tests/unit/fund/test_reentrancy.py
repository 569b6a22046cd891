"""A quote token that calls back while the fund takes or pays money: P34."""

from __future__ import annotations

from pathlib import Path

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.evm import Evm

MOCKS = Path(__file__).parents[2] / "contracts"
USD, DAY = 10**6, 86_400
ENTRIES = {
    "deposit": lambda f, a: f.deposit.pack(1, a),
    "mint": lambda f, a: f.mint.pack(10**6, a),
    "withdraw": lambda f, a: f.withdraw.pack(1, a, a),
    "redeem": lambda f, a: f.redeem.pack(10**12, a, a),
    "request_redeem": lambda f, a: f.request_redeem.pack(1),
    "cancel_request": lambda f, a: f.cancel_request.pack(),
    "sponsor": lambda f, a: f.sponsor.pack(1),
    "sync": lambda f, a: f.sync.pack(),
    "observe": lambda f, a: f.observe.pack(),
    "fund_budget": lambda f, a: f.fund_budget.pack(1),
    "draw": lambda f, a: f.draw.pack([1 << 128 | 1], 1),
    "set_caps": lambda f, a: f.set_caps.pack((1, 1, 1, 3_600)),
    "set_budget": lambda f, a: f.set_budget.pack(0, 0),
    "set_drip": lambda f, a: f.set_drip.pack(DAY),
    "set_cooldown": lambda f, a: f.set_cooldown.pack(DAY, DAY),
    "set_tolerance": lambda f, a: f.set_tolerance.pack(1),
    "set_auction": lambda f, a: f.set_auction.pack(a),
}
# Share transfers stay open: they touch neither money nor price.
SHARES = {"transfer", "transferFrom", "approve", "permit"}
OWNERSHIP = {"transfer_ownership", "accept_ownership"}


@pytest.fixture(scope="module")
def parts():
    evm = Evm()
    quote = evm.deploy(compile_contract("HostileToken", contracts=MOCKS), 6)
    engine = evm.deploy(compile_contract("MockVaultEngine", contracts=MOCKS))
    owner, staker = evm.account(), evm.account()
    vault = evm.deploy(compile_contract("CollateralVault"), engine.address, quote.address, owner)
    engine.set_vault(vault.address)
    # The token itself is owner and auction, so that only the lock can stop it.
    fund = evm.deploy(
        compile_contract("InsuranceFund"),
        engine.address,
        quote.address,
        quote.address,
        quote.address,
    )
    for holder in (staker, quote.address):
        quote.mint(holder, 10**12)
        quote.approve(vault.address, 10**12, sender=holder)
    fund.deposit(100 * USD, staker, sender=staker)
    fund.request_redeem(50 * 10**12, sender=staker)
    evm.advance(7 * DAY)
    return evm, quote, fund, staker


def test_entries__are_all_of_the_abi(parts):
    mutating = {
        entry["name"]
        for entry in parts[2].abi
        if entry["type"] == "function" and entry["stateMutability"] == "nonpayable"
    }
    assert mutating - SHARES - OWNERSHIP == set(ENTRIES)


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("outer", ["deposit", "redeem", "sponsor"])
def test_callback__into_every_entry__is_locked_out(parts, name, outer):
    evm, quote, fund, staker = parts
    handle = evm.snapshot()
    quote.set_callback(fund.address, ENTRIES[name](fund, quote.address))
    if outer == "deposit":
        fund.deposit(USD, staker, sender=staker)
    elif outer == "redeem":
        fund.redeem(10**12, staker, staker, sender=staker)
    else:
        fund.sponsor(USD, sender=staker)
    assert quote.callbacks() == 1
    assert (quote.callback_success(), quote.callback_answer()) == (False, b"")
    evm.revert(handle)


@pytest.mark.parametrize("outer", ["deposit", "redeem"])
def test_callback__views__are_locked_too(parts, outer):
    """Nobody reads a price in the middle of a deposit or redemption."""
    evm, quote, fund, staker = parts
    handle = evm.snapshot()
    quote.set_callback(fund.address, fund.convertToAssets.pack(10**12))
    if outer == "deposit":
        fund.deposit(USD, staker, sender=staker)
    else:
        fund.redeem(10**12, staker, staker, sender=staker)
    assert (quote.callback_success(), quote.callback_answer()) == (False, b"")
    evm.revert(handle)
