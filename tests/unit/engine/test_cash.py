"""Cash: deposits, withdrawals with escrow and release, transfers, interest, buckets."""

from __future__ import annotations

import pytest

from plimsoll.testing import reverts
from tests.stage import (
    TOK,
    TOKEN,
    USD,
    cash,
    conserves,
    equity,
    fresh,
    lots_of,
    move_price,
    ruin,
)

ZERO = "0x" + "00" * 20
DAY = 86_400


def borrow(house, who, amount, weth=100):
    """The person pledges ETH and withdraws its cash and `amount` USD more; returns its debt."""
    house.deposit_collateral(who, weth)
    tokens = cash(house, who.id) // TOK + amount * TOKEN
    house.engine.withdraw(who.id, tokens, who, sender=who)
    return -cash(house, who.id)


def lend_all(house):
    """Everybody leaves and one borrower takes what is left; returns the borrower."""
    for name in ("maker", "liquidator", "rival"):
        who = house.actors[name]
        house.engine.withdraw(who.id, cash(house, who.id) // TOK, who, sender=who)
    borrower = house.actor("borrower")
    house.deposit_collateral(borrower, 100)
    house.engine.withdraw(borrower.id, 10_000 * TOKEN, borrower, sender=borrower)
    return borrower


# -- deposit


def test_deposit__by_owner__credits_exactly_and_takes_the_tokens(house, trader):
    before = cash(house, trader.id)
    house.mint(trader, 5)
    receipt = house.engine.deposit(trader.id, 5 * TOKEN, sender=trader)
    assert cash(house, trader.id) == before + 5 * USD
    assert house.quote.balanceOf(trader) == 0
    event = receipt.event("Deposited")
    assert (event.account, event.payer, event.amount) == (trader.id, trader.address, 5 * TOKEN)
    conserves(house)


def test_deposit__by_stranger__credits_the_account_named(house, trader, stranger):
    before = cash(house, trader.id)
    house.mint(stranger, 5)
    house.engine.deposit(trader.id, 5 * TOKEN, sender=stranger)
    assert (cash(house, trader.id), cash(house, stranger.id)) == (before + 5 * USD, 0)


def test_deposit__nothing__is_refused(house, trader):
    with reverts("ZeroAmount"):
        house.engine.deposit(trader.id, 0, sender=trader)


def test_deposit__more_than_the_payer_has__moves_nothing(house, trader):
    with reverts(""):
        house.engine.deposit(trader.id, 1, sender=trader)
    conserves(house)


def test_deposit__beyond_the_supply_the_engine_counts__is_refused(house, trader):
    house.mint(trader, 10**9)
    with reverts("SupplyCap"):
        house.engine.deposit(trader.id, 10**15, sender=trader)


def test_deposit__into_a_debt__repays_it(house, trader):
    owed = borrow(house, trader, 1_000)
    assert owed == 1_000 * USD
    house.deposit(trader, 400)
    assert cash(house, trader.id) == -600 * USD
    conserves(house)


def test_deposit__into_a_frozen_account__is_taken(house, trader, maker):
    """P21: a deposit cures."""
    ruin(house, 50, 1_860)
    house.auction.start(trader.id, sender=maker)
    house.deposit(trader, 50_000)
    house.auction.end(trader.id, sender=maker)
    assert not (house.engine.head(trader.id) >> 226) & 1


# -- withdraw


def test_withdraw__all_without_positions__pays_out_to_the_last_unit(house, trader, stranger):
    house.engine.withdraw(trader.id, 10_000 * TOKEN, stranger, sender=trader)
    assert house.quote.balanceOf(stranger) == 10_000 * TOKEN
    assert cash(house, trader.id) == 0
    conserves(house)


def test_withdraw__one_unit_too_much__is_refused(house, trader):
    with reverts("Underwater"):
        house.engine.withdraw(trader.id, 10_000 * TOKEN + 1, trader, sender=trader)


@pytest.mark.parametrize("who", ["stranger", "maker", "guardian", "treasury", "operator"])
def test_withdraw__by_anyone_else__is_refused(house, trader, who):
    house.engine.set_operator(house.actors["operator"], 2**39, 3, 2**90, sender=trader)
    with reverts("NotOwner"):
        house.engine.withdraw(trader.id, TOKEN, trader, sender=house.actors[who])


def test_withdraw__bad_arguments__are_named(house, trader):
    with reverts("ZeroAmount"):
        house.engine.withdraw(trader.id, 0, trader, sender=trader)
    with reverts("NullAddress"):
        house.engine.withdraw(trader.id, 1, ZERO, sender=trader)


def test_withdraw__frozen__is_refused(house, trader, maker):
    ruin(house, 50, 1_860)
    house.auction.start(trader.id, sender=maker)
    with reverts("Frozen"):
        house.engine.withdraw(trader.id, 1, trader, sender=trader)


def test_withdraw__down_to_the_initial_requirement__to_the_unit(house, trader, maker):
    """At price = entry there is no profit: what may leave is exactly E_init - R_init."""
    house.trade("ETH-PERP", trader, maker, 10, 2_000)
    margin = house.engine.margin(trader.id)
    free = (margin.initial_equity - margin.initial_requirement) // TOK
    with reverts("Underwater"):
        house.engine.withdraw(trader.id, free + 1, trader, sender=trader)
    house.engine.withdraw(trader.id, free, trader, sender=trader)
    conserves(house)


def test_withdraw__against_open_profit__counts_none_of_it(house, trader, maker):
    house.trade("ETH-PERP", trader, maker, 10, 2_000)
    move_price(house, 2_400)
    margin = house.engine.margin(trader.id)
    free = cash(house, trader.id) - 4_000 * USD  # R_init is of this order
    assert margin.equity > 13_900 * USD
    with reverts("Underwater"):
        house.engine.withdraw(trader.id, 9_500 * TOKEN, trader, sender=trader)
    house.engine.withdraw(trader.id, free // TOK, trader, sender=trader)


def test_withdraw__fresh_profit__leaves_only_as_it_decays(house, trader, maker):
    house.trade("ETH-PERP", trader, maker, 10, 2_000)
    move_price(house, 2_400)
    house.trade("ETH-PERP", maker, trader, 10, 2_400)
    assert fresh(house, trader.id) == 3_988 * USD  # 4,000 less the taker fee of 12
    with reverts("Underwater"):
        house.engine.withdraw(trader.id, 10_000 * TOKEN + 1, trader, sender=trader)
    house.advance(1_800, refresh=True)
    assert fresh(house, trader.id) == 1_994 * USD
    house.engine.withdraw(trader.id, (10_000 + 1_994) * TOKEN, trader, sender=trader)
    with reverts("Underwater"):
        house.engine.withdraw(trader.id, 1, trader, sender=trader)
    house.advance(1_800, refresh=True)
    house.engine.withdraw(trader.id, 1_994 * TOKEN, trader, sender=trader)


def test_withdraw__without_positions__needs_no_oracle(house, trader):
    """P11."""
    broken = house.evm.account()
    house.evm.set_code(broken, bytes.fromhex("5f5ffd"))  # a risk model that only reverts
    house.govern("MarginEngine", "set_core", broken, 0, 3_600)
    house.advance(30 * DAY)
    house.engine.withdraw(trader.id, 10_000 * TOKEN, trader, sender=trader)
    conserves(house)


def test_withdraw__collateral_but_no_debt__needs_no_oracle(house, trader):
    """P11: collateral whose feed is dead is its owner's to take, and so is the cash beside it."""
    house.deposit_collateral(trader, 2)
    weth = house.tokens["weth"].address
    house.advance(30 * DAY)
    with reverts("StalePrice"):  # a loan does need a price
        house.engine.withdraw(trader.id, 10_001 * TOKEN, trader, sender=trader)
    house.engine.withdraw(trader.id, 10_000 * TOKEN, trader, sender=trader)
    house.vault.withdraw(trader.id, weth, 2 * 10**18, trader, sender=trader)
    assert house.tokens["weth"].balanceOf(trader) == 2 * 10**18
    conserves(house)


def test_deposit__to_nobodys_account__is_refused(house, trader):
    with reverts("NullAddress"):
        house.engine.deposit(7, TOKEN, sender=trader)


def test_withdraw__stale_price_with_a_position__is_refused(house, trader, maker):
    house.trade("ETH-PERP", trader, maker, 1, 2_000)
    house.advance(DAY + 1)
    with reverts("StalePrice"):
        house.engine.withdraw(trader.id, 1, trader, sender=trader)


def test_withdraw__beyond_the_cap_on_loans__is_refused(house, trader):
    house.govern("MarginEngine", "set_rates", (0, 0, 0, 8_000, 0, 999 * TOKEN))
    with reverts("BorrowCap"):
        borrow(house, trader, 1_000)
    assert borrow(house, trader, 999) == 999 * USD


def test_withdraw__with_the_vault_empty__says_so(house, trader):
    """All tokens are lent out: claims stay, tokens do not."""
    borrower = lend_all(house)
    assert house.engine.buckets() % 2**64 == 0
    with reverts("VaultShort"):
        house.engine.withdraw(trader.id, 1, trader, sender=trader)
    house.deposit(borrower, 100)
    house.engine.withdraw(trader.id, 100 * TOKEN, trader, sender=trader)
    conserves(house)


# -- escrow and release: P25, nobody exits ahead of a known loss


def known_loss(house):
    """The trader is insolvent and its auction runs; the deficit, quote units."""
    deficit = -ruin(house)
    house.auction.start(house.actors["trader"].id, sender=house.actors["keeper"])
    assert house.engine.pending_deficit() == deficit > 0
    return deficit


def test_withdraw__while_a_deficit_has_no_payer__is_an_advance_less_its_share(house):
    deficit = known_loss(house)
    rival = house.actors["rival"]
    supplied = house.engine.solvency().supplied
    asked = 10_000 * USD
    held_back = -(-asked * deficit // supplied)
    receipt = house.engine.withdraw(rival.id, asked // TOK, rival, sender=rival)
    paid = (asked - held_back) // TOK
    assert house.quote.balanceOf(rival) == paid < 10_000 * TOKEN
    assert receipt.event("Escrowed").advance == paid * TOK
    assert cash(house, rival.id) == 0
    conserves(house)


def test_withdraw__second_while_in_escrow__is_locked(house):
    known_loss(house)
    rival = house.actors["rival"]
    house.engine.withdraw(rival.id, TOKEN, rival, sender=rival)
    with reverts("EscrowLocked"):
        house.engine.withdraw(rival.id, TOKEN, rival, sender=rival)


def test_withdraw__in_escrow__borrows_nothing(house):
    known_loss(house)
    rival = house.actors["rival"]
    house.deposit_collateral(rival, 100)
    with reverts("InsufficientCash"):
        house.engine.withdraw(rival.id, 10_000 * TOKEN + 1, rival, sender=rival)


def test_withdraw__deficit_the_fund_covers__is_paid_whole(house):
    house.insure(100_000)
    known_loss(house)
    rival = house.actors["rival"]
    house.engine.withdraw(rival.id, 10_000 * TOKEN, rival, sender=rival)
    assert house.quote.balanceOf(rival) == 10_000 * TOKEN


def test_release__without_escrow__is_refused(house, trader):
    with reverts("NoEscrow"):
        house.engine.release(trader.id)


def test_release__while_the_deficit_stands__is_locked(house):
    known_loss(house)
    rival = house.actors["rival"]
    house.engine.withdraw(rival.id, TOKEN, rival, sender=rival)
    with reverts("EscrowLocked"):
        house.engine.release(rival.id)


def test_release__after_the_loss_was_cured__pays_the_rest(house):
    known_loss(house)
    rival = house.actors["rival"]
    house.engine.withdraw(rival.id, 10_000 * TOKEN, rival, sender=rival)
    got = house.quote.balanceOf(rival)
    house.deposit(house.actors["trader"], 100_000)
    house.auction.end(house.actors["trader"].id)
    house.engine.release(rival.id, sender=house.actors["stranger"])
    assert house.engine.pending_deficit() == 0
    assert abs(cash(house, rival.id) + got * TOK - 10_000 * USD) <= 2
    assert house.engine.escrow(rival.id) == 0
    conserves(house)


# -- transfer


def test_transfer__between_own_accounts__moves_exactly(house, trader):
    house.engine.transfer(trader.id, trader.account(1), 3 * USD + 7, sender=trader)
    assert cash(house, trader.account(1)) == 3 * USD + 7
    assert cash(house, trader.id) == 9_997 * USD - 7
    conserves(house)


def test_transfer__refusals__are_named(house, trader, maker, stranger):
    engine = house.engine
    with reverts("NotOwner"):
        engine.transfer(trader.id, trader.account(1), 1, sender=stranger)
    with reverts("NotOwner"):
        engine.transfer(trader.id, maker.id, 1, sender=trader)
    with reverts("ZeroAmount"):
        engine.transfer(trader.id, trader.account(1), 0, sender=trader)
    with reverts("SelfTrade"):
        engine.transfer(trader.id, trader.id, 1, sender=trader)
    with reverts("Underwater"):
        engine.transfer(trader.id, trader.account(1), 10_000 * USD + 1, sender=trader)


def test_transfer__operator__needs_the_move_scope_and_time(house, trader):
    engine, operator = house.engine, house.actors["operator"]
    now = house.evm.timestamp
    engine.set_operator(operator, now + 100, 1, 0, sender=trader)
    with reverts("NotOwner"):
        engine.transfer(trader.id, trader.account(1), USD, sender=operator)
    engine.set_operator(operator, now + 100, 2, 0, sender=trader)
    engine.transfer(trader.id, trader.account(1), USD, sender=operator)
    house.advance(100)
    engine.transfer(trader.id, trader.account(1), USD, sender=operator)
    house.advance(1)
    with reverts("NotOwner"):
        engine.transfer(trader.id, trader.account(1), USD, sender=operator)


def test_transfer__frozen_sender__is_refused_and_receiver_cured(house, trader, maker):
    house.deposit(trader, 50_000, 1)
    ruin(house, 50, 1_860)
    house.auction.start(trader.id, sender=maker)
    with reverts("Frozen"):
        house.engine.transfer(trader.id, trader.account(1), 1, sender=trader)
    house.engine.transfer(trader.account(1), trader.id, 40_000 * USD, sender=trader)
    house.auction.end(trader.id)


def test_transfer__of_fresh_profit__is_refused(house, trader, maker):
    """Otherwise profit would age in one account and leave by another."""
    house.trade("ETH-PERP", trader, maker, 10, 2_000)
    move_price(house, 2_400)
    house.trade("ETH-PERP", maker, trader, 10, 2_400)
    with reverts("Underwater"):
        house.engine.transfer(trader.id, trader.account(1), 10_000 * USD + 1, sender=trader)


# -- interest


def test_interest__between_borrower_and_lenders__conserves(house, trader):
    debt = borrow(house, trader, 50_000, weth=200)
    claims = {name: cash(house, house.actors[name].id) for name in ("maker", "rival")}
    pot = house.engine.fund_balance()
    house.advance(180 * DAY, refresh=True)
    house.mint(trader, 1)
    house.engine.deposit(trader.id, 1, sender=trader)
    grown = -cash(house, trader.id) - debt
    assert grown > 100 * USD
    assert all(cash(house, house.actors[name].id) > claim for name, claim in claims.items())
    earned = house.engine.fund_balance() - pot
    assert abs(earned - grown // 10) < USD  # a tenth to the fund
    conserves(house)


def test_interest__with_the_vault_empty__runs_at_the_top_of_the_line(house, trader):
    borrower = lend_all(house)
    rates = house.engine.rates()
    base, slope, above = ((rates >> shift) % 2**24 for shift in (0, 24, 48))
    top = base + slope * 8_000 // 10_000 + above * 2_000 // 10_000
    assert (house.engine.indices() >> 224) % 2**24 == top
    house.advance(30 * DAY, refresh=True)
    conserves(house)
    debt, claim = -cash(house, borrower.id), cash(house, trader.id)
    assert debt > 10_000 * USD
    assert claim <= debt


def test_interest__nobody_borrows__is_none(house, trader):
    house.advance(300 * DAY, refresh=True)
    assert cash(house, trader.id) == 10_000 * USD


# -- donations: P6


@pytest.mark.parametrize("target", ["vault", "engine", "fund", "auction"])
def test_donation__of_tokens__changes_nobody(house, trader, target):
    house.insure(1_000)
    shares = house.fund.convertToAssets(10**12)
    words = [house.engine.totals(), house.engine.indices(), house.engine.buckets()]
    house.mint(house.contracts[NAMES[target]].address, 1_000_000)
    house.mint(house.contracts[NAMES[target]].address, 1_000, "weth")
    assert [house.engine.totals(), house.engine.indices(), house.engine.buckets()] == words
    assert equity(house, trader.id) == 10_000 * USD
    assert house.fund.convertToAssets(10**12) == shares
    conserves(house)


NAMES = {
    "vault": "CollateralVault",
    "engine": "MarginEngine",
    "fund": "InsuranceFund",
    "auction": "LiquidationAuction",
}


# -- keepers and deficits: the auction's doors


def test_deleverage__keepers_due_more_than_the_budget__executor_first(house, stranger):
    """P20: the budget bounds all pay; nobody owes what it leaves of the starter's part."""
    house.insure(10_000)
    house.mint(house.actors["maker"], 1_000)
    house.fund.sponsor(1_000 * TOKEN, sender=house.actors["maker"])
    house.fund.fund_budget(2**200)
    budget = house.engine.keeper_budget()
    assert budget > 0
    auction, starter = house.auction.address, stranger.id + 1
    house.engine.freeze(starter, sender=auction)
    pay = (stranger.id, budget - 1, starter, 5)
    terms = (0, 10**9, 3_600, 5_000, 10_000, pay)
    result = house.engine.deleverage.call(starter, 0, terms, sender=auction)
    assert (result.executed, result.started) == (budget - 1, 1)
    house.engine.deleverage(starter, 0, terms, sender=auction)
    assert (cash(house, stranger.id), cash(house, starter)) == (budget - 1, 1)
    assert house.engine.keeper_budget() == 0
    conserves(house)


def test_note_deficit__replaced_and_cleared__keeps_the_sum(house, trader, maker):
    auction = house.auction.address
    house.engine.note_deficit(trader.id, 5, sender=auction)
    house.engine.note_deficit(maker.id, 7, sender=auction)
    house.engine.note_deficit(trader.id, 3, sender=auction)
    assert house.engine.pending_deficit() == 10
    house.engine.note_deficit(trader.id, 0, sender=auction)
    assert (house.engine.pending_deficit(), house.engine.deficit_of(maker.id)) == (7, 7)


# -- the fund's doors


def test_fund_doors__by_the_fund__move_bucket_and_tokens(house, maker, stranger):
    fund, engine = house.fund.address, house.engine
    house.mint(maker, 100)
    engine.fund_deposit(maker, 100 * TOKEN, sender=fund)
    assert engine.fund_balance() == 100 * USD
    engine.budget_move(40 * USD, sender=fund)
    assert (engine.fund_balance(), engine.keeper_budget()) == (60 * USD, 40 * USD)
    with reverts("FundEmpty"):
        engine.budget_move(60 * USD + 1, sender=fund)
    with reverts("FundEmpty"):
        engine.fund_withdraw(stranger, 60 * TOKEN + 1, sender=fund)
    engine.fund_withdraw(stranger, 60 * TOKEN, sender=fund)
    assert house.quote.balanceOf(stranger) == 60 * TOKEN
    conserves(house)


def test_fund_withdraw__while_the_tokens_are_lent__says_so(house):
    house.insure(10_000)
    for name in ("maker", "liquidator", "rival", "trader"):
        who = house.actors[name]
        house.engine.withdraw(who.id, cash(house, who.id) // TOK, who, sender=who)
    borrower = house.actor("borrower")
    house.deposit_collateral(borrower, 100)
    house.engine.withdraw(borrower.id, 5_000 * TOKEN, borrower, sender=borrower)
    with reverts("VaultShort"):
        house.engine.fund_withdraw(borrower, 5_000 * TOKEN + 1, sender=house.fund.address)


def test_position__none__has_no_lots(house, trader):
    assert lots_of(house, trader.id) == 0
