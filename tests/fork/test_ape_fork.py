"""The protocol beside parts that nobody here wrote: ape on a fork of the origin chain.

Real WETH is the collateral, and a real swap in the real Uniswap v3 pool is what moves the price.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from ape import Contract
from ethpm_types import ContractType

from plimsoll.localnet.anvil import Anvil
from plimsoll.localnet.fork import fork_chain
from plimsoll.localnet.origin import Origin, start_origin
from plimsoll.localnet.pool import Pool
from plimsoll.localnet.tx import Sender
from tests.fork.ape_house import ApeHouse, build_house, helper

ETHER = 10**18
CENT = Decimal("0.01")
WHALE = 9  # account of the mnemonic that moves the pool


@dataclass
class Fork:
    """A house on a fork, and the pool beside it."""

    house: ApeHouse
    anvil: Anvil
    origin: Origin
    pool: Pool

    def move_pool(self, usd: int) -> Decimal:
        """The whale swaps until the pool is there; the pool's price is then published."""
        sender = Sender(self.anvil.rpc, self.origin.accounts[WHALE])
        return self.pool.move_price(sender, Decimal(usd))

    def publish(self) -> Decimal:
        """Publishes the pool's price, as a reporter with eight decimals would."""
        price = self.pool.price(self.anvil.rpc).quantize(Decimal("1e-8"))
        self.house.price("ETH", price)
        return price


def token(address: str) -> Any:
    """Ape's handle on a token from elsewhere, WETH's two own functions included."""
    wrap = {"type": "function", "stateMutability": "payable", "inputs": [], "outputs": []}
    abi = [*helper("MintableToken").contract_type.model_dump(mode="json")["abi"]]
    abi = [one for one in abi if one["type"] == "function" and one["name"] != "mint"]
    kind = {"contractName": "Token", "abi": [*abi, {**wrap, "name": "deposit"}]}
    return Contract(address, contract_type=ContractType.model_validate(kind))


@pytest.fixture(scope="module")
def fork(
    builds: dict[str, Any], networks: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fork]:
    assert builds
    with start_origin() as origin, fork_chain(origin.url, origin.block) as anvil:
        settings = {"host": anvil.url, "manage_process": False}
        choice = "ethereum:local:foundry"
        with networks.parse_network_choice(choice, provider_settings=settings) as provider:
            assert provider.get_block("latest").number == origin.block
            tokens = {name: token(origin.addresses[name]) for name in ("usd", "weth")}
            house = build_house(tmp_path_factory.mktemp("fork"), tokens)
            yield Fork(house, anvil, origin, origin.pool)


def test_fork__whale_sells_into_the_real_pool__weth_account_is_liquidated(fork: Fork) -> None:
    house, vault = fork.house, fork.house.vault
    usd, weth = house.tokens["usd"], house.tokens["weth"]
    trader, liquidator = house.account("trader"), house.account("liquidator")
    for name in ("maker", "liquidator"):
        house.deposit(name, 200_000)

    # Real ether, wrapped by the real WETH, kept by the vault.
    person = house.person("trader")
    weth.deposit(value=10 * ETHER, sender=person)
    weth.approve(vault, 10 * ETHER, sender=person)
    vault.deposit(trader, weth, 10 * ETHER, sender=person)
    assert weth.balanceOf(vault) == 10 * ETHER
    assert house.protocol.collateral(trader) == {"WETH": Decimal(10)}
    assert house.protocol.margin(trader).equity == Decimal(20_000)

    house.trade("trader", "maker", 20, 2_000)
    healthy = house.protocol.margin(trader)
    assert healthy.free > 0
    assert healthy.equity == Decimal(20_000) - 20  # 5 bps of 40,000

    # The market moves elsewhere: nothing happens here until somebody reports it.
    moved = fork.move_pool(1_350)
    assert abs(moved - 1_350) < CENT
    assert house.protocol.margin(trader).equity == healthy.equity
    published = fork.publish()
    fallen = house.protocol.margin(trader)
    # 10 WETH at the new price, 20 ETH of loss, the fee.
    assert fallen.equity == 10 * published + 20 * (published - 2_000) - 20
    assert fallen.liquidatable

    house.auction.start(trader, sender=house.person("stranger"))
    house.wait(trader, 180)
    quote = house.protocol.auction_quote(trader)
    deadline = 2**60
    house.auction.bid(
        trader, liquidator, quote.id, ETHER, 2**200, deadline, sender=house.person("liquidator")
    )
    sold = house.protocol.collateral(liquidator)["WETH"]
    assert sold > 0
    assert sold + house.protocol.collateral(trader)["WETH"] == Decimal(10)
    assert house.protocol.margin(trader).health > 1
    house.check()

    # The liquidator leaves with real WETH and sells it where the price came from.
    taker = house.person("liquidator")
    amount = int(sold * ETHER) // 2
    before = weth.balanceOf(taker)
    vault.withdraw(liquidator, weth, amount, taker, sender=taker)
    assert weth.balanceOf(taker) == before + amount
    assert weth.balanceOf(vault) == 10 * ETHER - amount
    dollars = usd.balanceOf(taker)
    seller = Sender(fork.anvil.rpc, fork.origin.accounts[7])
    assert seller.address == taker.address
    got = fork.pool.swap(seller, weth.address, amount)
    assert usd.balanceOf(taker) == dollars + got
    worth = Decimal(amount) / ETHER * published
    assert worth * Decimal("0.99") < Decimal(got) / 10**6 < worth  # the pool's fee and some impact
    house.check()


def test_fork__ran_beside__origin_untouched(fork: Fork) -> None:
    assert fork.origin.rpc.block_number() == fork.origin.block
    assert abs(fork.origin.pool.price(fork.origin.rpc) - 2_000) < CENT
