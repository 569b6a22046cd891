"""P9: every function that lowers an account's collateral or raises what it owes ends in the health
check.

The functions are enumerated from the ABIs. Each one either is listed as lowering, and is then
refused to an account that cannot afford it, or is not, and is then run and seen to lower nobody.
"""

from __future__ import annotations

import pytest

from plimsoll.testing import reverts
from tests.security.arena import ONE, account_id, entries
from tests.security.test_roles import NOBODY, TABLE, address_of_role
from tests.stage import ETH, FOREVER, TOKEN, USD, fill, move_price, run_auction

# What may lower an account's equity or raise its requirement, and who is checked for it.
LOWERING = {
    ("MarginEngine", "withdraw"): "the account",
    ("MarginEngine", "transfer"): "the sender",
    ("MarginEngine", "set_mode"): "the account",
    ("MarginEngine", "settle"): "buyer and seller of every fill",
    ("MarginEngine", "collateral_changed"): "the account, where collateral was lowered",
    ("MarginEngine", "sell_slice"): "the bidder; what is sold is under R already",
    ("MarginEngine", "sell_leg"): "the bidder; what is sold is under R already",
    ("MarginEngine", "fill_residual"): "the account that takes",
    ("MarginEngine", "deleverage"): "the buyer; what is closed is under R already",
    ("CollateralVault", "withdraw"): "by collateral_changed",
    ("LiquidationAuction", "bid"): "by sell_slice",
    ("LiquidationAuction", "bid_with_callback"): "by sell_slice, after the callback",
    ("LiquidationAuction", "bid_leg"): "by sell_leg",
    ("LiquidationAuction", "deleverage"): "by deleverage",
    ("LiquidationAuction", "fill_intent"): "the intent's account by sell_slice",
    ("LiquidationAuction", "pre_liquidate"): "the bidder by sell_slice; what is sold asked for it",
    ("SignedOrders", "fill_pair"): "by settle",
    ("SignedOrders", "fill"): "by settle",
    ("SignedOrders", "fill_with"): "by settle",
    ("SignedOrders", "fill_residual"): "by the engine's of that name",
    # Only the engine may call these, and it does so inside sell_slice, deleverage, or never.
    ("CollateralVault", "move_share"): "by sell_slice and deleverage",
    ("CollateralVault", "move_between"): "no caller in this version",
}
# Governance and price: these move margins by design, within bounds and ramps (P8's exceptions).
BY_RULE = {
    ("OracleAdapter", "poke"),
    ("OracleAdapter", "halt"),
    ("OracleAdapter", "set_terms"),
    ("OracleAdapter", "set_sources"),
    ("OracleAdapter", "set_sequencer"),
    ("StandardMargin", "set_parameters"),
    ("StandardMargin", "close"),
    ("StandardMargin", "quote"),
    ("CollateralVault", "set_haircuts"),
    ("CollateralVault", "set_feed"),
    ("CollateralVault", "settle_ramp"),
    ("MarginEngine", "set_core"),
    ("MarginEngine", "wind_down"),
    ("MarginEngine", "realise"),  # moves a loss to cash: equity stays, tested below
}


def test_lists__name_entries_that_exist():
    assert set(LOWERING) <= set(entries())
    assert set(entries()) >= BY_RULE
    assert not BY_RULE & set(LOWERING)


def everybody(house):
    """Accounts that hold anything in the arena."""
    names = "trader maker rival liquidator sick weak cured escrowed broken treasury keeper".split()
    return [account_id(house.actors[name]) for name in names]


@pytest.mark.parametrize(
    ("contract", "function"),
    [one for one in entries() if one not in LOWERING and one not in BY_RULE],
)
def test_entry__not_listed__lowers_nobody(arena, contract, function):
    allowed, _, then = TABLE[contract, function]
    if allowed == NOBODY:
        return
    house = arena.house
    caller = "trader" if "trader" in allowed else min(allowed)
    before = {one: house.engine.margin(one) for one in everybody(house)}
    house.mint(house.actors["trader"], 100)
    args = arena.calls(house.actors["trader"])[contract, function]
    call = house.contracts[contract].method(function)
    sender = address_of_role(house, caller)
    if then is None:
        call.transact(*args, sender=sender)
    else:
        with reverts(*then) if isinstance(then, tuple) else reverts(then):
            call.transact(*args, sender=sender)
    for account, was in before.items():
        now = house.engine.margin(account)
        assert now.equity >= was.equity, f"{contract}.{function} lowered {account:x}"
        spare = now.equity - now.requirement  # collateral brings its haircut along
        assert spare >= was.equity - was.requirement, f"{contract}.{function}: {account:x}"


def test_realise__keeps_equity_and_requirement(arena):
    house, trader = arena.house, arena.house.actors["trader"]
    before = house.engine.margin(trader.id)
    house.engine.realise(trader.id, ETH, sender=trader)
    now = house.engine.margin(trader.id)
    assert (now.equity, now.requirement) == (before.equity, before.requirement)


@pytest.fixture
def thin(arena):
    """An account over R and under R_init, with cash, a position and collateral."""
    house = arena.house
    one = house.actor("thin", quote=4_500)
    house.deposit_collateral(one, 1)
    house.trade("ETH-PERP", one, house.actors["maker"], 50, 1_820, 0)
    move_price(house, 1_755)
    margin = house.engine.margin(one.id)
    assert margin.equity > margin.requirement
    assert margin.initial_equity < margin.initial_requirement
    return one


def test_lowering__by_an_account_that_cannot__is_refused(arena, thin):
    house, engine = arena.house, arena.house.engine
    weth = house.tokens["weth"].address
    maker = house.actors["maker"]
    with reverts("Underwater"):
        engine.withdraw(thin.id, 1, thin, sender=thin)
    with reverts("Underwater"):
        engine.transfer(thin.id, thin.account(1), 1, sender=thin)
    with reverts("Underwater"):
        engine.set_mode(thin.id, 1, sender=thin)
    with reverts("Underwater"):
        house.vault.withdraw(thin.id, weth, 1, thin, sender=thin)
    with reverts("Underwater"):
        engine.fill_residual(thin.id, ETH, -(10**5), 0, sender=house.venue)
    for pair in ((thin, maker), (maker, thin)):  # more of it; or the other way round, through zero
        with reverts("HealthFell"):
            house.settle([fill(house, *pair, 1 if pair[0] is thin else 110, 1_755)])


def test_bid__by_an_account_that_cannot__is_refused(arena, thin):
    house = arena.house
    move_price(house, 1_765)
    sick = house.actors["sick"].id
    with reverts("Underwater"):
        house.auction.bid(sick, thin.id, 0, ONE, 10**30, FOREVER, sender=thin)
    house.auction.bid(
        sick, house.actors["liquidator"].id, 0, ONE, 10**30, FOREVER,
        sender=house.actors["liquidator"],
    )  # fmt: skip


def test_deleverage__by_a_buyer_that_cannot__is_refused(arena, thin):
    """The buyer of collateral pays out of its own health."""
    house, maker = arena.house, arena.house.actors["maker"]
    loan = house.actor("loan", quote=1)
    house.deposit_collateral(loan, 20)
    house.trade("ETH-PERP", loan, maker, 100, 1_755, 1)
    move_price(house, 1_400)
    house.auction.start(loan.id)
    run_auction(house, loan.id, 1_260)
    buyer = house.actor("buyer", quote=1)
    with reverts("Underwater"):
        house.auction.deleverage(loan.id, buyer.id, sender=buyer)
    liquidator = house.actors["liquidator"]
    house.auction.deleverage(loan.id, liquidator.id, sender=liquidator)
    assert house.engine.solvency().gap == 0


def test_orders__of_an_account_that_cannot__are_refused(arena):
    """The venue adds no way round: its fills end in the engine's check."""
    house = arena.house
    alice = arena.signed[0].account
    house.trade("ETH-PERP", alice, house.actors["maker"], 100, 1_820, 0)
    move_price(house, 1_770)
    args = arena.calls(house.actors["trader"])
    for function in ("fill_pair", "fill", "fill_with"):
        with reverts("HealthFell"):
            house.orders.method(function)(*args["SignedOrders", function], sender=house.matcher)


def test_interest__is_the_only_liability_that_grows_without_a_call(arena):
    """A loan grows by time; whoever is liquidatable by it can be started at once."""
    house = arena.house
    loan = house.actor("loan")
    house.deposit_collateral(loan, 50)
    house.engine.withdraw(loan.id, 60_000 * TOKEN, loan, sender=loan)
    before = house.engine.margin(loan.id).equity
    for _ in range(40):
        house.advance(30 * 86_400, refresh=True)
    after = house.engine.margin(loan.id)
    assert before - after.equity > 100 * USD
    assert -house.engine.cash_of(loan.id)[0] > 60_000 * USD
