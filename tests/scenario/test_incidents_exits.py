"""Regressions by name of what broke others (docs/testing.md): liquidated while the way out was
shut, health moved by calls that move nothing, margin made small by many wallets.
"""

from __future__ import annotations

import pytest

from plimsoll.testing import reverts
from tests.stage import (
    ETH,
    FOREVER,
    ONE,
    TOKEN,
    conserves,
    equity,
    fill,
    lots_of,
    move_price,
    undone,
)

ALWAYS_REVERTS = bytes.fromhex("5f5ffd")


def test_gmx_m11__token_stopped__who_can_be_liquidated_can_close(house, trader, maker, liquidator):
    """No transfer goes through: a position is reduced and closed all the same, before an auction
    would start; and an auction that runs is bid in without any token."""
    house.settle([fill(house, trader, maker, 50)])
    move_price(house, 1_860)
    code = house.evm.code(house.quote.address)
    house.evm.set_code(house.quote.address, ALWAYS_REVERTS)
    with reverts(""):
        house.engine.deposit(trader.id, TOKEN, sender=trader)
    for size in (10, 50):
        with undone(house):
            house.settle([fill(house, maker, trader, size, 1_860)])
            margin = house.engine.margin(trader.id)
            assert (margin.equity >= margin.requirement) == (size == 50)
            assert lots_of(house, trader.id) == (50 - size) * 10**6
    house.auction.start(trader.id)
    house.auction.bid(trader.id, liquidator.id, 0, ONE, 10**30, FOREVER, sender=liquidator)
    assert lots_of(house, trader.id) < 50 * 10**6
    house.evm.set_code(house.quote.address, code)
    conserves(house)


@pytest.mark.parametrize("price", [2_000, 1_870, 2_130])
def test_elfi_h25__calls_that_move_nothing__change_neither_equity_nor_requirement(
    house, trader, maker, price
):
    """Another mode, an operator, opting in and out, a limit refreshed, a price repeated: E and R
    are what they were, to the unit."""
    house.settle([fill(house, trader, maker, 10)])
    move_price(house, price)
    before = house.engine.margin(trader.id)
    until = house.evm.timestamp + 3_600
    for call in (
        lambda: house.engine.set_mode(trader.id, 1, sender=trader),
        lambda: house.engine.set_mode(trader.id, 0, sender=trader),
        lambda: house.engine.set_operator(house.actors["operator"], until, 3, ONE, sender=trader),
        lambda: house.auction.set_pre_liquidation(trader.id, True, sender=trader),
        lambda: house.auction.set_pre_liquidation(trader.id, False, sender=trader),
        lambda: house.engine.refresh_flow(ETH),
        lambda: house.oracle.poke(1, b""),
    ):
        call()
        after = house.engine.margin(trader.id)
        assert (after.equity, after.requirement) == (before.equity, before.requirement)


def test_popcat_2025__nineteen_wallets__pay_for_the_crowd_they_are(house, maker):
    """One position in nineteen wallets: each of them needs for its size in a crowd what it would
    not need alone, and together at least two thirds of what one wallet needs. Only the add-on for
    a wallet's own size falls with splitting, that for the side's open interest does not."""
    house.deposit(maker, 10_000_000)
    needs = {}
    for wallets, size in ((1, 3_040), (19, 160), (1, 160)):
        with undone(house):
            made = [house.actor(f"wallet{i}", quote=9_000 * size // 10) for i in range(wallets)]
            for one in made:
                house.trade("ETH-PERP", one, maker, size, 2_000)
            needs[wallets, size] = sum(
                house.engine.margin(one.id).initial_requirement for one in made
            )
            assert equity(house, made[0].id) > 0
    print({key: need // 10**15 for key, need in needs.items()})
    assert needs[19, 160] > 19 * needs[1, 160] * 107 // 100
    assert needs[19, 160] > needs[1, 3_040] * 2 // 3
