"""Regressions by name of what broke others (docs/testing.md): what a price or a parameter lets
anybody do, or does to them.
"""

from __future__ import annotations

import pytest

from plimsoll.evm import Reverted
from plimsoll.risk_parameters import STARTING
from plimsoll.testing import reverts
from tests.scenario.attempts import settles
from tests.stage import ETH, fill, move_price

# -- prices


def test_kiloex_2025__strangers__reach_no_setter(house):
    """Every entry of the oracle and of the risk model, by a stranger: no price moves. See P30."""
    stranger = house.actors["stranger"]
    price = house.oracle.read(1).price
    house.oracle.poke(1, b"", sender=stranger)
    for call in (
        lambda: house.oracle.halt(1, 60, sender=stranger),
        lambda: house.oracle.set_guardian(stranger, sender=stranger),
        lambda: house.oracle.add_signer_set([stranger.address], 1, sender=stranger),
        lambda: house.risk.close(ETH, sender=stranger),
    ):
        with pytest.raises(Reverted):
            call()
    assert house.oracle.read(1).price == price


def test_kiloex_2025__two_prices_in_one_second__serve_one(house, trader, maker):
    """P28: who can publish cannot open at one price and close at another in one transaction."""
    house.evm.advance(15)
    house.set_price("ETH", 2_000)
    house.settle([fill(house, trader, maker, 10)])
    house.set_price("ETH", 2_400)
    assert house.engine.market(ETH).mark == 2_000 * 10**9
    with reverts("PriceBand"):
        house.settle([fill(house, maker, trader, 10, 2_400)])
    house.evm.advance(1)
    assert house.engine.market(ETH).mark == 2_400 * 10**9


def test_levana_2023__price_held_back__is_not_a_choice(house, trader, maker):
    """A stale price takes no new risk; a poke and a trade in one second use that second's first
    price."""
    house.advance(86_401)
    with reverts("StalePrice"):
        house.settle([fill(house, trader, maker, 1)])
    house.refresh()
    house.settle([fill(house, trader, maker, 1)])


@pytest.mark.parametrize("answer", [0, 2_000_000, 1])
def test_paradex_2026_synthetix_2019__absurd_answers__liquidate_nobody(
    house, trader, maker, answer
):
    """Zero, a thousandfold, a thousandth: outside the feed's range, so the price stands."""
    house.settle([fill(house, trader, maker, 40), fill(house, house.actors["rival"], maker, 1)])
    mark = house.engine.market(ETH).mark
    house.evm.advance(15)
    house.set_price("ETH", answer)
    house.evm.advance(15)
    assert house.engine.market(ETH).mark == mark
    for who in (trader, maker):
        with reverts("Healthy"):
            house.auction.start(who.id)


# -- parameters


def test_pac_2024__stricter_parameters__liquidate_nobody_at_once(house, trader, maker):
    """Margin doubled over an account that twice as much would sink: it has an hour before anything
    moves, then the way is slow, and in the end the new margin holds."""
    house.settle([fill(house, trader, maker, 50)])
    move_price(house, 1_890)
    p = STARTING["ETH"].to_chain()
    names, tighter = list(p.__dataclass_fields__), list(p.astuple())
    tighter[names.index("tail")] *= 2
    tighter[names.index("floor")] *= 3
    margin = house.engine.margin(trader.id)
    assert margin.requirement < margin.equity < 2 * margin.requirement * 95 // 100
    house.govern("StandardMargin", "set_parameters", ETH, tuple(tighter))
    for _ in range(6):
        with reverts("Healthy"):
            house.auction.start(trader.id)
        house.advance(590, refresh=True)
    house.advance(8 * 3_600, refresh=True)
    doubled = house.engine.margin(trader.id).requirement
    assert doubled > margin.requirement


def test_drift_v2_2026__new_collateral__opens_from_nothing(house, trader):
    """A listing gives no credit in its own block: its cap ramps from zero."""
    from plimsoll.compiler import compile_contract
    from plimsoll.deployment.house import TEST_CONTRACTS

    fake = house.evm.deploy(compile_contract("MintableToken", contracts=TEST_CONTRACTS), 18)
    house.govern("CollateralVault", "list_asset", fake.address, 1, 0, 0, 10**24, 3_600)
    fake.mint(trader, 10**24)
    fake.approve(house.vault.address, 10**24, sender=trader)
    with reverts("SupplyCap"):
        house.vault.deposit(trader.id, fake.address, 1, sender=trader)
    house.evm.advance(36)
    with reverts("SupplyCap"):
        house.vault.deposit(trader.id, fake.address, 10**22 + 1, sender=trader)
    house.vault.deposit(trader.id, fake.address, 10**22, sender=trader)


def test_gmx_avax_2022__open_interest__is_capped_against_depth(house, maker):
    """A zero-impact fill cannot exceed the market's cap, however rich the account."""
    whale = house.actor("whale", quote=50_000_000)
    other = house.actor("other whale", quote=50_000_000)
    with reverts("OpenInterestCap"):
        house.settle([fill(house, whale, other, 20_001)])
    house.settle([fill(house, whale, other, 20_000)])
    with reverts("OpenInterestCap"):
        house.settle([fill(house, maker, other, 1)])


def test_elfi__opening_already_liquidatable__is_refused(house, trader, maker):
    """The largest position that is let open is above its maintenance requirement by the initial
    margin."""
    low, high = 1, 200
    while high - low > 1:
        middle = (low + high) // 2
        before = house.evm.snapshot()
        if settles(house, fill(house, trader, maker, middle)):
            low = middle
            margin = house.engine.margin(trader.id)
            assert margin.equity > margin.requirement
            assert margin.initial_equity >= margin.initial_requirement
        else:
            high = middle
        house.evm.revert(before)
    assert 40 <= low < 100
