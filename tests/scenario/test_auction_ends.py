"""Auctions whose surroundings change under them: the auction contract, the fund running dry."""

from __future__ import annotations

from plimsoll.testing import reverts
from tests.house import deploy_auction
from tests.stage import FOREVER, ONE, TOKEN, USD, conserves, equity, move_price, ruin, run_auction


def replaced(house):
    """Governance puts another auction in the place of the present one."""
    other = deploy_auction(
        house.evm,
        house.engine.address,
        house.fund.address,
        house.timelock.address,
        house.auction.curve(),
    )
    house.govern("MarginEngine", "set_module", 1, other.address)
    house.govern("InsuranceFund", "set_auction", other.address)
    return other


def frozen_at(house, trader, maker, price):
    """The trader under its requirement, in auction at the given price."""
    house.trade("ETH-PERP", trader, maker, 50, 2_000)
    move_price(house, price)
    house.auction.start(trader.id, sender=house.actors["keeper"])


def test_replaced_auction__account_healthy_again__anyone_ends_it(house, trader, maker):
    frozen_at(house, trader, maker, 1_840)
    move_price(house, 2_000)
    auction = replaced(house)
    with reverts("Frozen"):
        house.engine.withdraw(trader.id, 1, trader, sender=trader)
    auction.end(trader.id, sender=house.actors["stranger"])
    house.engine.withdraw(trader.id, 1, trader, sender=trader)
    with reverts("NoAuction"):
        auction.end(trader.id, sender=house.actors["stranger"])


def test_replaced_auction__account_still_short__started_not_ended(house, trader, maker):
    frozen_at(house, trader, maker, 1_840)
    auction = replaced(house)
    with reverts("NothingToDo"):
        auction.end(trader.id, sender=house.actors["stranger"])
    auction.start(trader.id, sender=house.actors["stranger"])
    assert auction.auction(trader.id).running


def test_bid__fund_covers_a_part_of_a_whole_account__sells_that_part(house, trader, liquidator):
    """A part of an account rounds to lots, a whole does not: a shrunk slice leaves it room."""
    house.insure(1_000)
    assert ruin(house) == -5_000 * USD
    house.auction.start(trader.id, sender=liquidator)
    got = house.auction.bid(
        trader.id, liquidator.id, 0, ONE, 10**30, FOREVER, sender=liquidator
    ).value
    assert -500 * USD <= got < -499 * USD  # half the fund an event
    assert -4_501 * USD < equity(house, trader.id) < -4_500 * USD
    conserves(house)


def test_deleverage__solvent_loan_without_positions__nothing_to_close_nothing_paid(
    house,
):
    """P20. A loan that is still covered has no legs to close and no loss to recognise: calls
    made again and again are not paid again and again. It stays on sale for nothing."""
    house.fund.sponsor(house.mint(house.actor("sponsor"), 10_000), sender=house.actors["sponsor"])
    house.insure(1_000_000)
    house.fund.fund_budget(10**30, sender=house.actors["keeper"])
    owner, keeper = house.actor("owner"), house.actors["keeper"]
    house.deposit_collateral(owner, 100, "weth")
    house.engine.withdraw(owner.id, 178_000 * TOKEN, owner, sender=owner)
    move_price(house, 1_850)
    house.auction.start(owner.id, sender=keeper)
    run_auction(house, owner.id, 1_260)
    budget = house.engine.keeper_budget()
    assert budget > 0
    assert equity(house, owner.id) > 0
    for _ in range(3):
        with reverts("AuctionNotOver"):
            house.auction.deleverage(owner.id, 0, sender=keeper)
    assert house.engine.keeper_budget() == budget
    liquidator = house.actors["liquidator"]
    house.auction.bid(owner.id, liquidator.id, 0, ONE, 0, FOREVER, sender=liquidator)
    assert house.engine.head(owner.id) == 0


def returned(house, old):
    """Governance puts the replaced auction back."""
    house.govern("MarginEngine", "set_module", 1, old.address)
    house.govern("InsuranceFund", "set_auction", old.address)


def test_auction_set_back__ended_meanwhile__account_can_be_started_again(
    house, trader, maker, liquidator
):
    """What the first auction still takes for running is over: the account was thawed by the other.
    It must not stay out of every liquidation's reach."""
    frozen_at(house, trader, maker, 1_840)
    old, other = house.auction, replaced(house)
    move_price(house, 2_000)
    other.end(trader.id)
    returned(house, old)
    assert not old.auction(trader.id).running
    move_price(house, 1_835)
    old.start(trader.id)
    old.bid(trader.id, liquidator.id, 0, ONE, 10**30, FOREVER, sender=liquidator)
    assert not house.engine.head(trader.id) >> 226 & 1
    conserves(house)


def test_auction_set_back__ended_meanwhile__end_strikes_it_out(house, trader, maker, liquidator):
    """Opting in, committing and the deficit it noted: nothing hangs on the lost auction."""
    frozen_at(house, trader, maker, 1_780)
    assert house.engine.pending_deficit() == 1_000 * USD
    old, other = house.auction, replaced(house)
    move_price(house, 2_000)
    other.end(trader.id)
    returned(house, old)
    old.set_pre_liquidation(trader.id, True, sender=trader)
    with reverts("AuctionRunning"):
        old.pre_liquidate(trader.id, liquidator.id, ONE, 0, FOREVER, sender=liquidator)
    old.end(trader.id, sender=house.actors["stranger"])
    with reverts("NoAuction"):
        old.end(trader.id)
    with reverts("OutsideBand"):
        old.pre_liquidate(trader.id, liquidator.id, ONE, 0, FOREVER, sender=liquidator)
    assert house.engine.pending_deficit() == 0


def test_auction_set_back__still_frozen__goes_on(house, trader, maker, liquidator):
    """Neither bid for nor ended by the other: it is the first one's auction again."""
    frozen_at(house, trader, maker, 1_840)
    old = house.auction
    replaced(house).start(trader.id)
    returned(house, old)
    assert old.auction(trader.id).running
    with reverts("AuctionRunning"):
        old.start(trader.id)
    old.bid(trader.id, liquidator.id, 0, ONE, 10**30, FOREVER, sender=liquidator)
    conserves(house)


def test_auction_set_back__intent_thawed_meanwhile__released_and_renewed(house, liquidator):
    until = house.evm.timestamp + 86_400
    terms = (1_000 * TOKEN, 10**12, 0, until, True, 2**256 - 1)
    house.auction.commit_intent(liquidator.id, terms, sender=liquidator)
    old = house.auction
    replaced(house).end(liquidator.id)
    returned(house, old)
    house.advance(86_401, refresh=True)
    old.release_intent(liquidator.id)
    renewed = (*terms[:3], house.evm.timestamp + 86_400, *terms[4:])
    old.commit_intent(liquidator.id, renewed, sender=liquidator)
    assert house.engine.head(liquidator.id) >> 226 & 1


def test_replaced_auction__deficit_noted_by_the_old__next_sync_corrects_it(house, trader, maker):
    """A deficit that is none any more must not hold withdrawals back while the new one runs."""
    frozen_at(house, trader, maker, 1_780)
    auction = replaced(house)
    move_price(house, 1_830)
    auction.start(trader.id)
    assert equity(house, trader.id) > 0
    auction.sync(trader.id)
    assert house.engine.pending_deficit() == 0
