"""What an account's owner, its operator or a stranger does with it: trades, money in and out, what
is realised; and what is done with feed and market themselves.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from plimsoll import orders
from plimsoll.deployment.house import House, account_id
from plimsoll.risk_parameters import STARTING
from tests.security.arena import address_of, key_of
from tests.security.oracle_actions.by_name import Actions
from tests.security.oracle_stage import FEED, PRICE, TINY
from tests.stage import ETH, ONE, TOKEN

ACTIONS = Actions()
action = ACTIONS.add


def trade(house: House, buyer: str, seller: str, size: Any, market: Any = "ETH-PERP") -> Any:
    people = house.actors
    return house.trade(market, people[buyer], people[seller], size, PRICE)


@action
def open_new(house: House) -> Any:
    return trade(house, "bare", "maker", 1)


@action
def open_short(house: House) -> Any:
    return trade(house, "trader", "bare", 1)


@action
def increase(house: House) -> Any:
    return trade(house, "long", "maker", 1)


@action
def reduce(house: House) -> Any:
    return trade(house, "maker", "long", 4)


@action
def close(house: House) -> Any:
    return trade(house, "maker", "long", 12)


@action
def flip(house: House) -> Any:
    return trade(house, "maker", "long", 13)


@action
def reduce_while_sick(house: House) -> Any:
    return trade(house, "maker", "sick", 4)


@action
def open_elsewhere_with_a_leg_here(house: House) -> Any:
    people = house.actors
    return house.trade("BTC-PERP", people["long"], people["maker"], "0.01", 36_900)


@action
def open_elsewhere(house: House) -> Any:
    people = house.actors
    return house.trade("BTC-PERP", people["bare"], people["rival"], "0.01", 36_900)


@action
def trade_by_operator(house: House) -> Any:
    return _by_operator(house, buy=True)


@action
def reduce_by_operator(house: House) -> Any:
    return _by_operator(house, buy=False)


def _by_operator(house: House, *, buy: bool) -> Any:
    """The operator of `long` against alice, who is short: a key with money."""
    account = account_id(address_of("alice"))
    maker = _signed(house, account, "alice", not buy, PRICE)
    taker = _signed(house, house.actors["long"].id, "operator", buy, PRICE)
    return house.orders.fill_pair(maker, taker, 10**6, sender=house.matcher)


def _signed(house: House, account: int, key: str, buy: bool, price: int) -> Any:
    """An order for one unit, in wire form."""
    domain = orders.Domain(house.evm.chain_id, house.orders.address)
    order = orders.Order(
        account=account, market=ETH, buy=buy, size=Decimal(1), limit_price=Decimal(price),
        expiry=house.evm.timestamp + 60, nonce=1,
    )  # fmt: skip
    return tuple(orders.sign(order, domain, key_of(key)))


@action
def take_residual(house: House) -> Any:
    """The operator's order takes a lot of what deleveraging left the fund, at any price."""
    order = _signed(house, house.actors["long"].id, "operator", True, 2 * PRICE)
    return house.orders.fill_residual(order, 10, sender=house.matcher)


@action
def deposit_cash(house: House) -> Any:
    return house.deposit(house.actors["long"], 1)


@action
def deposit_cash_frozen(house: House) -> Any:
    return house.deposit(house.actors["auctioned"], 1)


@action
def deposit_collateral(house: House) -> Any:
    return house.deposit_collateral(house.actors["long"], 1)


@action
def deposit_first_collateral(house: House) -> Any:
    return house.deposit_collateral(house.actors["bare"], 1)


@action
def repay(house: House) -> Any:
    return house.deposit(house.actors["debtor"], 1_000)


def _withdraw(house: House, name: str, usd: int) -> Any:
    who = house.actors[name]
    return house.engine.withdraw(who.id, usd * TOKEN, who, sender=who)


@action
def withdraw_with_position(house: House) -> Any:
    return _withdraw(house, "long", 100)


@action
def withdraw_without_position(house: House) -> Any:
    return _withdraw(house, "bare", 10_000)


@action
def withdraw_cash_beside_collateral(house: House) -> Any:
    return _withdraw(house, "holder", 5_000)


@action
def borrow(house: House) -> Any:
    return _withdraw(house, "holder", 6_000)


def _take(house: House, name: str, amount: int) -> Any:
    who, weth = house.actors[name], house.tokens["weth"].address
    return house.vault.withdraw(who.id, weth, amount, who, sender=who)


@action
def withdraw_collateral_without_debt(house: House) -> Any:
    return _take(house, "holder", 5 * ONE)


@action
def withdraw_collateral_with_debt(house: House) -> Any:
    return _take(house, "debtor", ONE)


@action
def withdraw_collateral_with_position(house: House) -> Any:
    return _take(house, "long", TINY)


@action
def move_cash_with_position(house: House) -> Any:
    who = house.actors["long"]
    return house.engine.transfer(who.id, who.account(1), 10**15, sender=who)


@action
def move_cash_without_position(house: House) -> Any:
    who = house.actors["bare"]
    return house.engine.transfer(who.id, who.account(1), 10**15, sender=who)


@action
def set_mode_without_position(house: House) -> Any:
    who = house.actors["bare"]
    return house.engine.set_mode(who.id, 1, sender=who)


@action
def set_mode_with_position(house: House) -> Any:
    who = house.actors["long"]
    return house.engine.set_mode(who.id, 0, sender=who)


@action
def realise_by_owner(house: House) -> Any:
    who = house.actors["long"]
    return house.engine.realise(who.id, ETH, sender=who)


@action
def realise_by_stranger(house: House) -> Any:
    """The loss of `deep` is more than its cash."""
    return house.engine.realise(house.actors["deep"].id, ETH, sender=house.actors["stranger"])


@action
def realise_by_stranger_without_cause(house: House) -> Any:
    """That of `sick` is not."""
    return house.engine.realise(house.actors["sick"].id, ETH, sender=house.actors["stranger"])


@action
def realise_wound_down(house: House) -> Any:
    return house.engine.realise(house.actors["long"].id, 2, sender=house.actors["stranger"])


@action
def poke(house: House) -> Any:
    return house.oracle.poke(FEED, b"", sender=house.actors["stranger"])


@action
def wind_down(house: House) -> Any:
    house.govern("MarginEngine", "set_status", ETH, 2)
    return house.govern("MarginEngine", "wind_down", ETH)


@action
def list_market(house: House) -> Any:
    parameters = STARTING["ETH"].to_chain().astuple()
    return house.govern("StandardMargin", "list_market", 9, FEED, parameters)
