"""The house helper and the typed handle on it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from plimsoll.deployment.house import House
from plimsoll.protocol import FeedState, Protocol, ProtocolError, account_id, owner_of


def test_trade__two_actors__positions_and_margin(house: House) -> None:
    trader, maker = house.actor("trader", quote=10_000), house.actor("maker", quote=10_000)
    house.trade("ETH-PERP", trader, maker, "1.5", 2_000)
    protocol = Protocol.of_house(house, trader)
    held = protocol.positions(trader.id)
    assert [(p.market, p.size) for p in held] == [("ETH-PERP", Decimal("1.5"))]
    assert protocol.position(maker.id, "ETH-PERP").size == Decimal("-1.5")
    fee = Decimal(2_000) * Decimal("1.5") * Decimal("0.0005")  # the seller takes
    assert protocol.margin(trader.id).equity == 10_000
    assert protocol.margin(maker.id).equity == 10_000 - fee
    assert protocol.market("ETH-PERP").open_interest == Decimal("1.5")
    house.advance(15)
    house.set_price("ETH", 2_100)
    assert protocol.margin(trader.id).equity == 10_150
    assert protocol.price("ETH").price == 2_100
    assert protocol.solvency().gap == 0


def test_margin_after__then_the_fill__same_equity(house: House) -> None:
    trader, maker = house.actor("trader", quote=10_000), house.actor("maker", quote=10_000)
    protocol = Protocol.of_house(house, trader)
    preview = protocol.margin_after(trader.id, "ETH-PERP", 2, 2_010)
    house.trade("ETH-PERP", trader, maker, 2, 2_010)
    margin = protocol.margin(trader.id)
    assert preview.equity == margin.equity == 10_000 - 20
    assert not margin.liquidatable
    assert margin.health > 1
    assert margin.free > 0


def test_transactions__deposit_and_withdraw__in_human_units(house: House) -> None:
    trader = house.actor("trader")
    protocol = Protocol.of_house(house, trader)
    house.mint(trader, "100.5")
    protocol.approve("quote", "100.5")
    protocol.deposit(trader.id, "100.5")
    protocol.withdraw(trader.id, "0.5", trader)
    assert protocol.cash(trader.id) == (100, 0)
    house.advance(3_600)  # the cap opens from zero
    house.mint(trader, 2, "weth")
    protocol.approve("WETH")
    protocol.deposit_collateral(trader.id, "WETH", 2)
    protocol.withdraw_collateral(trader.id, "WETH", "0.5", trader)
    assert protocol.collateral(trader.id) == {"WETH": Decimal("1.5")}


def test_transactions__refused__named_error(house: House) -> None:
    trader = house.actor("trader", quote=10)
    stranger = Protocol.of_house(house, house.actor("stranger"))
    with pytest.raises(ProtocolError) as caught:
        stranger.withdraw(trader.id, 1, trader)
    assert caught.value.name == "NotOwner"
    with pytest.raises(ProtocolError) as caught:
        stranger.auction_quote(trader.id)
    assert caught.value.name == "NoAuction"


def test_price__feed__state_and_volatility(house: House) -> None:
    price = Protocol.of_house(house).price("BTC")
    assert (price.price, price.state) == (40_000, FeedState.OK)
    assert price.low < price.price < price.high
    assert abs(price.volatility - Decimal("0.5")) < Decimal("0.001")


def test_account_id__owner_and_index__round_trip(house: House) -> None:
    trader = house.actor("trader")
    assert owner_of(account_id(trader, 7)) == trader
    with pytest.raises(ValueError, match="index"):
        account_id(trader, 2**96)


def test_insure__deposit__in_the_fund(house: House) -> None:
    house.insure(5_000)
    assert Protocol.of_house(house).solvency().fund == 5_000
