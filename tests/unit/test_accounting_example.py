"""The worked example of docs/accounting.md, to the last unit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from plimsoll.deployment.house import Actor, House, deploy_house
from plimsoll.evm import Evm

ETH = 0
USD = 10**15


@pytest.fixture
def house() -> House:
    return deploy_house(Evm())


def _raise_price(house: House, start: Decimal, goal: Decimal) -> None:
    """Walks the price up in steps that the breaker accepts."""
    price = start
    while price < goal:
        price = min(round(price * Decimal("1.04"), 2), goal)
        house.advance(60)
        house.set_price("ETH", price)
        house.advance(12)


def _deleverage(house: House, account: int, keeper: Actor) -> None:
    """Starts the auction, lets its curve run out with nobody bidding, deleverages."""
    house.auction.start(account, sender=keeper)
    while not house.auction.cost(account).over:
        house.advance(30, refresh=True)
        house.auction.sync(account, sender=keeper)
    house.auction.deleverage(account, 0, sender=keeper)


def test_accounting__worked_example__matches_the_page(house: House) -> None:
    ann, bob, cat = (house.actor(name, quote=1000) for name in ("ann", "bob", "cat"))
    house.advance(12, refresh=True)
    house.trade(ETH, ann, bob, 1, 2001, 1)
    assert house.engine.position(ann.id, ETH).value == -2_000_500_000_000_000
    assert house.engine.position(bob.id, ETH).value == USD
    assert house.engine.market(ETH).unrealised == -1_000_500_000_000_000
    assert house.engine.market(ETH).fees == 1_000_500_000_000_000

    house.advance(60)
    house.set_price("ETH", 2100)
    house.advance(12)
    house.trade(ETH, cat, ann, "0.4", 2100, 1)
    cash, fresh = house.engine.cash_of(ann.id)
    assert cash == 1000 * USD + 39_199_800_000_000_000
    assert fresh == 39_199_800_000_000_000
    assert house.engine.position(ann.id, ETH).quote == -1_201_200_300_000_000_000

    house.fund.sponsor(house.mint(cat, 20), sender=cat)
    _raise_price(house, Decimal(2100), Decimal(3070))
    assert house.engine.margin(bob.id).equity == -69 * USD
    _deleverage(house, bob.id, cat)

    assert house.engine.fund_balance() == 10 * USD
    assert house.engine.market(ETH).charge_long == 30_700_000_000
    assert house.engine.cash_of(bob.id)[0] == 0
    assert house.engine.cash_of(ann.id)[0] == 1_024_777_792_730_285_673
    assert house.engine.cash_of(cat.id)[0] == 986_122_007_269_714_326
    assert house.engine.position(ann.id, ETH).value == 622_379_700_000_000_000
    assert house.engine.position(cat.id, ETH).value == 375_300_000_000_000_000
    assert house.engine.solvency().gap == 0
    assert house.quote.balanceOf(house.vault.address) == 3020 * 10**6
