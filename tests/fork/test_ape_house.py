"""The protocol through ape on its Anvil: handles, accounts, events, reverts, one whole crash."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from plimsoll.deployment.abi import PARTS, artifact
from plimsoll.units import from_quote_units
from tests.fork.ape_house import ApeHouse, initcode, reverts, stale_builds

CENT = Decimal("0.01")
USD = 10**15  # quote units


def logs(receipt: Any, event: Any) -> list[Any]:
    """The events of one kind in a receipt, decoded by ape."""
    return list(receipt.decode_logs(event))


@pytest.fixture
def crashed(house: ApeHouse) -> ApeHouse:
    """A trader long 10 ETH on 2,000 USD, its maker, a liquidator; ETH falls to 1,820."""
    for name, usd in (("trader", 2_000), ("maker", 100_000), ("liquidator", 100_000)):
        house.deposit(name, usd)
    house.trade("trader", "maker", 10, 2_000)
    house.price("ETH", 1_820)
    return house


# -- builds and handles


def test_builds__loaded_by_ape__are_what_the_deployment_uses(builds: dict[str, Any]) -> None:
    assert {part for parts in PARTS.values() for part in parts} <= set(builds)
    for name, container in builds.items():
        assert initcode(container.contract_type) == artifact(name).initcode, name


def test_stale_builds__one_byte_off__named(builds: dict[str, Any]) -> None:
    name = "LiquidationAuction"
    other = builds[name].contract_type.model_copy(deep=True)
    other.deployment_bytecode.bytecode = other.deployment_bytecode.bytecode[:-2] + "ff"

    class Old:
        contract_type = other

    assert stale_builds(builds) == []
    assert stale_builds({**builds, name: Old}) == [name]


def test_engine__plain_and_merged_handles__answer_alike(
    house: ApeHouse, builds: dict[str, Any]
) -> None:
    plain = builds["MarginEngine"].at(house.addresses["MarginEngine"])
    account = house.account("trader")
    assert plain.margin(account) == house.engine.margin(account)
    # The merged one knows what the engine forwards to its other two bytecodes, too.
    assert house.engine.set_venue.abis
    assert house.engine.owner() == house.addresses["Timelock"]


def test_ownership__after_ape_deployed__is_the_timelocks(house: ApeHouse) -> None:
    further = {part for parts in PARTS.values() for part in parts[1:]}
    for name, contract in house.contracts.items():
        if hasattr(contract, "owner") and name not in further:
            assert contract.owner() == house.addresses["Timelock"], name


# -- reads


def test_margin__through_ape__equals_the_client(crashed: ApeHouse) -> None:
    for name in ("trader", "maker", "liquidator"):
        account = crashed.account(name)
        through_ape = crashed.engine.margin(account)
        client = crashed.protocol.margin(account)
        for field in ("equity", "requirement", "initial_equity", "initial_requirement"):
            assert from_quote_units(getattr(through_ape, field)) == getattr(client, field), field
    trader = crashed.protocol.margin(crashed.account("trader"))
    # 2,000 deposited, 10 fee (5 bps of 20,000, kept in the position), 1,800 lost at mark.
    assert trader.equity == Decimal(190)
    assert trader.liquidatable
    position = crashed.protocol.position(crashed.account("trader"), "ETH-PERP")
    assert (position.size, position.value) == (10, Decimal(-1_810))


# -- events


def test_deposit__through_ape__event_and_balances(house: ApeHouse) -> None:
    receipt = house.deposit("trader", 1_000)
    [event] = logs(receipt, house.engine.Deposited)
    assert event.account == house.account("trader")
    assert event.payer == house.person("trader").address
    assert event.amount == 1_000 * 10**6
    assert house.protocol.cash(house.account("trader")) == (Decimal(1_000), Decimal(0))
    house.check()


def test_fill_pair__orders_signed_by_ape_accounts__filled(house: ApeHouse) -> None:
    house.deposit("trader", 2_000)
    house.deposit("maker", 100_000)
    receipt = house.trade("trader", "maker", "1.5", 2_000)
    [fill] = logs(receipt, house.engine.Filled)
    assert (fill.buyer, fill.seller) == (house.account("trader"), house.account("maker"))
    assert (fill.lots, fill.price) == (1_500_000, 2_000 * 10**9)
    assert (fill.buyer_fee, fill.seller_fee) == (3 * USD // 2, 0)  # 5 bps of 3,000 USD
    assert house.protocol.market("ETH-PERP").open_interest == Decimal("1.5")
    house.check()


# -- reverts


def test_withdraw__more_than_the_vault_holds__named(house: ApeHouse) -> None:
    house.deposit("trader", 100)
    trader = house.person("trader")
    with reverts("VaultShort"):
        house.engine.withdraw(house.account("trader"), 101 * 10**6, trader, sender=trader)


def test_start__healthy__named_in_a_call_too(house: ApeHouse) -> None:
    house.deposit("trader", 100)
    with reverts("Healthy"):
        house.auction.start.call(house.account("trader"))


def test_reverts__another_reason__not_accepted(house: ApeHouse) -> None:
    with (
        pytest.raises(AssertionError, match="expected a revert with Healthy, got NoAuction"),
        reverts("Healthy"),
    ):
        house.auction.sync.call(house.account("trader"))


# -- isolation


def test_isolate__a_trade_undone__chain_as_before(house: ApeHouse, chain: Any) -> None:
    before = house.engine.solvency(), chain.blocks.height, chain.pending_timestamp
    with chain.isolate():
        house.deposit("trader", 1_000)
        assert house.engine.solvency().vault == before[0].vault + 1_000 * USD
    assert house.engine.solvency() == before[0]
    assert chain.blocks.height == before[1]


# -- a crash


def test_auction__bid_until_cured__ends(crashed: ApeHouse) -> None:
    trader, liquidator = crashed.account("trader"), crashed.account("liquidator")
    started = crashed.auction.start(trader, sender=crashed.person("stranger"))
    [event] = logs(started, crashed.auction.Started)
    before = crashed.protocol.margin(trader)
    assert from_quote_units(event.equity) == before.equity == Decimal(190)
    assert from_quote_units(event.requirement) == before.requirement

    crashed.wait(trader, 60)
    quote = crashed.protocol.auction_quote(trader)
    assert 0 < quote.fraction <= 1
    receipt = crashed.auction.bid(
        trader, liquidator, quote.id, 10**18, 2**200, 2**60, sender=crashed.person("liquidator")
    )
    [bid] = logs(receipt, crashed.auction.Bid)
    [slice_] = logs(receipt, crashed.engine.Sliced)
    # The curve goes on while the transaction is on its way: about 1.3 USD a second here.
    cheaper = quote.cost - from_quote_units(bid.cost)
    assert -CENT < cheaper < 20
    assert slice_.bidder == liquidator
    # Sized to the target in one bid, so the auction ended with it.
    assert [one.account for one in logs(receipt, crashed.auction.Ended)] == [trader]
    after = crashed.protocol.margin(trader)
    assert after.health > 1
    assert after.health > before.health
    sizes = [
        crashed.protocol.position(crashed.account(name), "ETH-PERP").size
        for name in ("trader", "liquidator", "maker")
    ]
    assert sum(sizes) == 0
    assert sizes[1] > 0
    crashed.check()


def test_end__after_a_deposit_cured__account_thawed(crashed: ApeHouse) -> None:
    trader = crashed.account("trader")
    crashed.auction.start(trader, sender=crashed.person("stranger"))
    crashed.deposit("trader", 2_000)
    receipt = crashed.auction.end(trader, sender=crashed.person("stranger"))
    assert [one.account for one in logs(receipt, crashed.auction.Ended)] == [trader]
    assert [one.frozen for one in logs(receipt, crashed.engine.FrozenSet)] == [False]
    assert not crashed.auction.auction(trader).running
    # It may trade again.
    crashed.trade("trader", "maker", "0.1", 1_820)
    crashed.check()


def test_deleverage__nobody_bid_for_a_bankrupt__closed_against_the_other_side(
    crashed: ApeHouse,
) -> None:
    crashed.price("ETH", 1_700)  # 10 * 300 lost on 1,990: equity -1,010
    trader, maker = crashed.account("trader"), crashed.account("maker")
    crashed.auction.start(trader, sender=crashed.person("stranger"))
    crashed.wait(trader, 1_200)
    before = crashed.protocol.margin(maker).equity
    receipt = crashed.auction.deleverage(trader, 0, sender=crashed.person("stranger"))
    [event] = logs(receipt, crashed.engine.Deleveraged)
    assert from_quote_units(event.deficit) == Decimal(1_010)
    assert event.from_fund == 0
    assert event.charged + event.socialised == event.deficit
    assert 0 < from_quote_units(event.charged) <= Decimal(17_000) / 100  # 1 % of the mark per lot
    for name in ("trader", "maker"):
        position = crashed.protocol.position(crashed.account(name), "ETH-PERP")
        assert position.size == 0, name
    # The maker bears the charge and its share of what was socialised, and nothing else.
    lost = before - crashed.protocol.margin(maker).equity
    assert from_quote_units(event.charged) <= lost <= Decimal(1_010)
    crashed.check()
