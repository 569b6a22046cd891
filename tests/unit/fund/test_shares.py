"""ERC-4626: shares, rounding, drip, cooldown, attacks on the first deposit."""

from __future__ import annotations

import random

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.testing import reverts

ZERO = "0x" + "00" * 20
DAY = 86_400
TOKEN, USD, USD_QU = 10**9, 10**6, 10**15
SHARE = 10**12


def test_deposit__first__one_share_a_dollar(world):
    shares = world.deposit(100)
    assert shares == world.fund.balanceOf(world.staker) == world.fund.totalSupply() == 100 * SHARE
    assert world.fund.totalAssets() == 100 * USD
    assert world.engine.fund_balance() == 100 * USD_QU
    assert world.quote.balanceOf(world.vault.address) == 100 * USD


def test_metadata__as_erc4626_wants_it(world):
    assert world.fund.asset().lower() == world.quote.address.lower()
    assert world.fund.decimals() == 12
    assert world.fund.name() == "Plimsoll Insurance Fund"
    assert world.fund.symbol() == "plINS"


def test_deposit__bad_arguments__named(world):
    with reverts("ZeroAmount"):
        world.deposit(0)
    with reverts("NullAddress"):
        world.fund.deposit(1, ZERO, sender=world.staker)
    with reverts("ZeroAmount"):
        world.fund.mint(0, world.staker, sender=world.staker)
    with reverts("OutOfRange"):
        world.fund.deposit(10**18 + 1, world.staker, sender=world.staker)
    world.fund.deposit(10**18, world.staker, sender=world.staker)
    assert world.fund.maxDeposit(world.staker) == world.fund.maxMint(world.staker) == 0


def test_income__not_in_the_price_until_dripped(world):
    world.deposit(100)
    world.income(70 * USD)
    assert world.fund.totalAssets() == 100 * USD  # unseen
    world.fund.sync(sender=world.attacker)
    assert world.fund.totalAssets() == 100 * USD  # seen
    assert world.fund.undripped() == 70 * USD_QU
    world.evm.advance(7 * DAY // 2)
    assert world.fund.totalAssets() == 135 * USD
    world.evm.advance(7 * DAY // 2)
    assert world.fund.totalAssets() == 170 * USD
    assert world.fund.undripped() == 0


def test_income__bought_in_front_of__gains_nothing(world):
    world.deposit(100)
    shares = world.deposit(1_000, world.attacker)
    world.income(70 * USD)
    world.fund.sync()
    assert world.fund.convertToAssets(shares) == 1_000 * USD


def test_income__dust_after_it__does_not_hold_the_drip_up(world):
    world.deposit(100)
    world.income(70 * USD)
    world.fund.sync()
    for _ in range(14):
        world.evm.advance(DAY // 2)
        world.income(1)
        world.fund.sync()
    # Each unit pulls what is left of the drip towards a week, by its weight: 0.002 USD of 70.
    assert 170 * USD - 2_000 <= world.fund.totalAssets() <= 170 * USD + 14


def test_sync__often__drips_as_fast(world):
    world.deposit(100)
    world.income(70 * USD)
    world.fund.sync()
    for _ in range(50):
        world.evm.advance(3_600)
        world.fund.sync()
    elapsed = 50 * 3_600
    exact = 70 * USD_QU - 70 * USD_QU * elapsed // (7 * DAY)
    assert 0 <= world.fund.undripped() - exact <= 51


def test_donation__raw_transfer__changes_no_price(world):
    world.deposit(100)
    before = (world.price(), world.fund.totalAssets(), world.fund.previewDeposit(USD))
    for target in (world.fund.address, world.vault.address, world.engine.address):
        world.quote.transfer(target, 10**15, sender=world.attacker)
    world.fund.sync()
    assert (world.price(), world.fund.totalAssets(), world.fund.previewDeposit(USD)) == before


def test_first_depositor__inflates_the_price__loses_what_it_cost(world):
    """One unit in, a fortune as income, a victim deposits: the attacker cannot take it."""
    world.fund.deposit(1, world.attacker, sender=world.attacker)
    world.fund.sponsor(10_000 * USD, sender=world.attacker)
    world.evm.advance(8 * DAY)
    victim = world.deposit(10_000)
    assert world.fund.convertToAssets(victim) >= 10_000 * USD - 20_000
    owned = world.fund.convertToAssets(world.fund.balanceOf(world.attacker))
    assert owned <= 5_001 * USD  # half of the 10,000 given away is lost to the virtual shares


def test_first_depositor__price_so_high_that_nothing_is_minted__refused(world):
    world.fund.deposit(1, world.attacker, sender=world.attacker)
    world.fund.sponsor(10**13, sender=world.attacker)
    world.evm.advance(8 * DAY)
    with reverts("NoShares"):
        world.fund.deposit(1, world.staker, sender=world.staker)


def test_previews__uneven_price__round_against_the_caller(world):
    shares = world.deposit(3)
    world.income(1)
    world.fund.sync()
    world.evm.advance(8 * DAY)
    fund, supply, total = world.fund, shares + 10**6, 3 * USD + 1
    assert supply % (total + 1) != 0
    for assets in (1, 7, USD - 1):
        exact = assets * supply
        assert fund.previewDeposit(assets) == exact // (total + 1)
        assert fund.previewWithdraw(assets) == exact // (total + 1) + 1
    for amount in (10**6 + 1, 10**12 + 7):
        exact = amount * (total + 1)
        assert fund.previewRedeem(amount) == exact // supply
        assert fund.previewMint(amount) == exact // supply + 1
    world.request(shares)
    world.evm.advance(DAY)
    burnt = fund.previewWithdraw(7)
    assert fund.withdraw(7, world.staker, world.staker, sender=world.staker).value == burnt


def test_redeem__before_request_or_cooldown__cooldown(world):
    shares = world.deposit(100)
    with reverts("Cooldown"):
        world.redeem(shares)
    world.request(shares, wait=False)
    assert world.fund.maxRedeem(world.staker) == world.fund.maxWithdraw(world.staker) == 0
    world.evm.advance(7 * DAY - 1)
    with reverts("Cooldown"):
        world.redeem(shares)
    world.evm.advance(1)
    assert world.fund.maxRedeem(world.staker) == shares
    assert world.fund.maxWithdraw(world.staker) == 100 * USD
    assert world.redeem(shares) == 100 * USD
    assert world.fund.totalSupply() == world.engine.fund_balance() == 0


def test_redeem__after_the_window__cooldown_until_asked_again(world):
    shares = world.deposit(100)
    world.request(shares)
    world.evm.advance(2 * DAY - 1)
    assert world.fund.maxRedeem(world.staker) == shares
    world.evm.advance(1)
    assert world.fund.maxRedeem(world.staker) == 0
    with reverts("Cooldown"):
        world.redeem(shares)
    world.fund.cancel_request(sender=world.staker)
    assert world.fund.balanceOf(world.staker) == shares
    world.request(shares)
    world.redeem(shares)


def test_request__again__everything_waits_anew(world):
    shares = world.deposit(100)
    world.request(shares // 2)
    world.fund.request_redeem(shares // 2, sender=world.staker)
    with reverts("Cooldown"):
        world.redeem(shares // 2)
    assert tuple(world.fund.request_of(world.staker)) == (
        shares, world.evm.timestamp + 7 * DAY, world.evm.timestamp + 9 * DAY,
    )  # fmt: skip


def test_request__bad_arguments__named(world):
    shares = world.deposit(100)
    with reverts("ZeroAmount"):
        world.request(0)
    with reverts("NoShares"):
        world.request(shares + 1)
    with reverts("NoShares"):
        world.fund.cancel_request(sender=world.staker)
    world.request(shares)
    with reverts("NoShares"):
        world.redeem(shares + 1)
    with reverts("NoShares"):
        world.fund.withdraw(100 * USD + 1, world.staker, world.staker, sender=world.staker)
    with reverts("ZeroAmount"):
        world.redeem(1)  # worth less than a token unit
    with reverts("NullAddress"):
        world.fund.redeem(shares, ZERO, world.staker, sender=world.staker)


def test_redeem__escrowed_shares__bear_losses_and_cannot_move(world):
    shares = world.deposit(100)
    world.request(shares)
    with reverts("Error", "erc20: transfer amount exceeds balance"):
        world.fund.transfer(world.other, 1, sender=world.staker)
    world.payout(1, 50 * USD_QU)
    assert world.redeem(shares) == 50 * USD


def test_redeem__deficit_open__waits(world):
    shares = world.deposit(100)
    world.request(shares)
    world.engine.set_pending_deficit(USD_QU // 2 + 1)  # 0.5 % of 100 USD, and a unit
    assert world.fund.maxRedeem(world.staker) == world.fund.maxWithdraw(world.staker) == 0
    with reverts("DeficitOpen"):
        world.redeem(shares)
    with reverts("DeficitOpen"):
        world.fund.withdraw(1, world.staker, world.staker, sender=world.staker)
    world.engine.set_pending_deficit(0)
    world.redeem(shares)


def test_redeem__dust_of_a_deficit_open__goes_on_less_the_deficit(world):
    """Nobody's insolvent pennies hold the others' money up, and nobody leaves them behind."""
    shares = world.deposit(100)
    world.deposit(100, world.other)
    world.request(shares)
    world.engine.set_pending_deficit(USD_QU)
    half = 99_500_000 - 1
    assert abs(world.fund.maxWithdraw(world.staker) - half) <= 1
    assert world.fund.previewRedeem(shares) == world.fund.maxWithdraw(world.staker)
    assert world.fund.maxRedeem(world.staker) == shares
    got = world.redeem(shares)
    assert abs(got - half) <= 1
    assert world.fund.totalAssets() == 200 * USD - got  # what it would pay is still there


def test_redeem__tolerance_zero__waits_for_any_deficit(world):
    shares = world.deposit(100)
    world.request(shares)
    world.fund.set_tolerance(0, sender=world.governance)
    world.engine.set_pending_deficit(1)
    with reverts("DeficitOpen"):
        world.redeem(shares)


def test_redeem__someone_else__needs_an_allowance(world):
    shares = world.deposit(100)
    world.request(shares)
    with reverts("Error", "erc20: insufficient allowance"):
        world.fund.redeem(shares, world.attacker, world.staker, sender=world.attacker)
    world.fund.approve(world.other, shares, sender=world.staker)
    world.fund.redeem(shares // 2, world.other, world.staker, sender=world.other)
    assert world.fund.allowance(world.staker, world.other) == shares // 2


def test_redeem__vault_short__keeps_the_shares(world):
    shares = world.deposit(100)
    world.request(shares)
    world.engine.push(world.other, 1, False)  # lent out
    with reverts("VaultShort"):
        world.redeem(shares)
    assert world.fund.request_of(world.staker)[0] == shares


@pytest.mark.parametrize("way", ["deposit-redeem", "mint-withdraw", "deposit-withdraw"])
def test_round_trip__random_states__never_enriches(world, way):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    fund, who = world.fund, world.attacker
    for _ in range(25):
        handle = world.evm.snapshot()
        if rng.random() < 0.8:
            world.fund.deposit(rng.choice([1, 7, 10**6, 10**12]), world.other, sender=world.other)
        world.income(rng.choice([1, 3 * USD, 12_345_678_901]))
        fund.sync()
        world.evm.advance(8 * DAY)
        if rng.random() < 0.5:
            world.payout(1, rng.choice([1, 10**9 + 1, world.engine.fund_balance()]))
        amount = rng.choice([1, 999, 10**6, 10**11 + 1])
        before = world.quote.balanceOf(who)
        if fund.previewDeposit(amount) == 0:
            world.evm.revert(handle)
            continue
        if way == "mint-withdraw":
            want = max(fund.previewDeposit(amount), 1)
            assert fund.previewMint(want) == fund.mint(want, who, sender=who).value
        else:
            assert fund.previewDeposit(amount) == fund.deposit(amount, who, sender=who).value
        shares = fund.balanceOf(who)
        world.request(shares, who)
        if way == "deposit-redeem":
            assets = fund.previewRedeem(shares)
            if assets:
                assert fund.redeem(shares, who, who, sender=who).value == assets
        else:
            assets = fund.maxWithdraw(who)
            if assets:
                burnt = fund.previewWithdraw(assets)
                assert fund.withdraw(assets, who, who, sender=who).value == burnt
        assert world.quote.balanceOf(who) <= before
        world.evm.revert(handle)


def test_constructor__bad_arguments__named(world):
    artifact = compile_contract("InsuranceFund")
    good = (world.engine.address, world.quote.address, world.auction, world.governance)
    with reverts("NullAddress"):
        world.evm.deploy(artifact, ZERO, *good[1:])
    with reverts("NullAddress"):
        world.evm.deploy(artifact, *good[:3], ZERO)
    with reverts("BadToken"):
        world.evm.deploy(artifact, good[0], world.staker, *good[2:])
