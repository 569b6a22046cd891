"""Nothing stays open for ever: whatever state an account, an intent or a loss is left in, a
stranger's calls end it. And nothing an owner does puts the end off."""

from __future__ import annotations

import pytest

from plimsoll.evm import Reverted
from plimsoll.testing import reverts
from tests.stage import (
    ETH,
    FOREVER,
    ONE,
    TOKEN,
    USD,
    conserves,
    equity,
    lots_of,
    move_price,
    run_auction,
)

DAY = 86_400
STALE = 2


def frozen(house, account):
    return bool(house.engine.head(account) >> 226 & 1)


def weak(house, price, *, coins=0):
    """The trader long fifty, in auction at a price."""
    trader, maker = house.actors["trader"], house.actors["maker"]
    if coins:
        house.deposit_collateral(trader, coins)
    house.trade("ETH-PERP", trader, maker, 50, 2_000)
    move_price(house, price)
    house.auction.start(trader.id, sender=house.actors["keeper"])
    return trader


def quiet(house, feed, others):
    """A feed goes stale while others go on."""
    while house.oracle.read(house.feed_id(feed)).state < STALE:
        house.advance(3_600)
        for name, usd in others.items():
            house.set_price(name, usd)


# -- the end


@pytest.mark.parametrize("price", [1_830, 1_790, 1_600])
def test_auction_nobody_continued_for_a_month__a_stranger_ends_it(house, price):
    """Solvent at the edge, insolvent, far gone: the clock has moved a step, the rest is syncs."""
    trader, stranger = weak(house, price), house.actors["stranger"]
    house.advance(30 * DAY, refresh=True)
    assert house.auction.cost(trader.id).elapsed <= house.auction.curve().max_step
    for _ in range(21):
        house.advance(60, refresh=True)
        house.auction.sync(trader.id, sender=stranger)
    house.auction.deleverage(trader.id, 0, sender=stranger)
    assert not frozen(house, trader.id)
    assert lots_of(house, trader.id) == 0 <= equity(house, trader.id)
    assert house.engine.pending_deficit() == house.engine.hole() == 0
    conserves(house)


def test_auction_nobody_ended__account_healthy_for_a_month__a_stranger_ends_it(house):
    trader = weak(house, 1_830)
    move_price(house, 2_100)
    house.advance(30 * DAY, refresh=True)
    house.auction.end(trader.id, sender=house.actors["stranger"])
    assert not frozen(house, trader.id)
    house.engine.withdraw(trader.id, TOKEN, trader, sender=trader)


def test_debt_with_collateral_nobody_wants__ends_at_a_price_of_nothing(house):
    """After t_end and fade the collateral costs nothing: an account without a token takes it."""
    house.insure(20_000)
    owner, stranger = house.actor("owner"), house.actor("penniless")
    house.deposit_collateral(owner, 20)
    house.engine.withdraw(owner.id, 35_000 * TOKEN, owner, sender=owner)
    move_price(house, 1_700)
    assert equity(house, owner.id) < 0
    house.auction.start(owner.id, sender=stranger)
    with reverts("AuctionNotOver"):
        house.auction.deleverage(owner.id, stranger.id, sender=stranger)
    run_auction(house, owner.id, 1_260 + 3_600)
    house.auction.deleverage(owner.id, stranger.id, sender=stranger)
    assert house.engine.cash_of(stranger.id)[0] == 0 < equity(house, stranger.id)
    assert not frozen(house, owner.id)
    assert house.engine.head(owner.id) == 0
    assert house.engine.pending_deficit() == house.engine.hole() == 0
    conserves(house)


def test_covered_loan_nobody_takes_for_hours__falls_short__its_collateral_has_a_price(house):
    """On sale for nothing and not wanted, a loan waits past the end of its curve while it is worth
    something. When it is a little short its collateral is sold at its price, not given away at
    the fund's expense."""
    house.insure(20_000)
    owner, liquidator = house.actor("owner"), house.actors["liquidator"]
    house.deposit_collateral(owner, 20)
    house.engine.withdraw(owner.id, 35_000 * TOKEN, owner, sender=owner)
    move_price(house, 1_760)
    assert 0 < equity(house, owner.id) < house.engine.margin(owner.id).requirement
    house.auction.start(owner.id, sender=house.actors["stranger"])
    run_auction(house, owner.id, 4 * 3_600)
    move_price(house, 1_749)
    short = -equity(house, owner.id)
    assert 0 < short < 30 * USD
    run_auction(house, owner.id, 60)
    fund = house.engine.fund_balance()
    house.auction.deleverage(owner.id, liquidator.id, sender=liquidator)
    # At its worth less the haircut of 5 % and a minute of the fade's hour.
    worth = 20 * 1_749 * USD
    assert fund - house.engine.fund_balance() <= short + worth * 7 // 100
    conserves(house)


def test_clock_stopped_by_a_dead_feed__money_ends_the_auction_all_the_same(house):
    """A feed that never comes back stops the clock, and the owner's way out stays open."""
    trader = weak(house, 1_830)
    quiet(house, "ETH", {"BTC": 40_000})
    house.auction.sync(trader.id)
    with reverts("ClockStopped"):
        house.auction.deleverage(trader.id, 0)
    house.deposit(trader, 20_000)
    house.auction.end(trader.id, sender=house.actors["stranger"])
    assert not frozen(house, trader.id)


def test_intent__longest_there_is__a_stranger_frees_its_account_after_it(house, liquidator):
    until = house.evm.timestamp + 30 * DAY
    with reverts("OutOfRange"):
        house.auction.commit_intent(
            liquidator.id, (10**9, 10**12, 0, until + 60, True, ETH + 1), sender=liquidator
        )
    terms = (10**9, 10**12, 0, until, True, ETH + 1)
    house.auction.commit_intent(liquidator.id, terms, sender=liquidator)
    house.advance(30 * DAY + 60, refresh=True)
    house.auction.release_intent(liquidator.id, sender=house.actors["stranger"])
    assert not frozen(house, liquidator.id)


def test_escrow__its_loss_recognised__anyone_releases(house):
    saver = house.actor("saver", quote=50_000)
    trader = weak(house, 1_600)
    house.engine.withdraw(saver.id, 50_000 * TOKEN, saver, sender=saver)
    run_auction(house, trader.id, 1_260)
    house.auction.deleverage(trader.id, 0)
    house.engine.release(saver.id, sender=house.actors["stranger"])
    assert house.engine.escrow(saver.id) == 0
    conserves(house)


def test_dust_account__beneath_any_pay__does_not_stay_open(house, maker):
    """R of cents, deficit of cents: nobody is paid for it, anyone can end it, and until then it
    holds up nobody's redemption, being under the fund's tolerance."""
    insurer = house.insure(100_000)
    dust = house.actor(quote=2)
    house.trade("ETH-PERP", dust, maker, "0.01", 2_000)
    house.fund.request_redeem(house.fund.balanceOf(insurer), sender=insurer)
    house.advance(7 * DAY + 60, refresh=True)
    move_price(house, 1_700)
    house.auction.start(dust.id)
    assert 0 < house.engine.pending_deficit() < 2 * USD
    shares = house.fund.maxRedeem(insurer)
    house.fund.redeem(shares // 2, insurer, insurer, sender=insurer)
    house.auction.bid(dust.id, maker.id, 0, ONE, 0, FOREVER, sender=maker)
    assert house.engine.pending_deficit() == 0
    assert house.engine.head(dust.id) == 0
    conserves(house)


# -- what the victim does about it


def test_victim__own_calls_every_minute__do_not_put_the_clock_back(house, liquidator):
    """Deposits of a unit, own starts and syncs, opting in, bids for slivers by a sibling: after ten
    minutes x stands where it stands without any of it, and whoever bids by limits gets its
    slice."""
    before, actors, clocks = house.evm.snapshot(), dict(house.actors), []
    for meddling in (False, True):
        trader = weak(house, 1_830)
        house.mint(trader, 50_000)
        house.engine.deposit(trader.id + 1, 40_000 * TOKEN, sender=trader)
        for _ in range(10):
            house.advance(59, refresh=True)
            if meddling:
                meddle(house, trader)
            house.evm.advance(1)
            house.auction.sync(trader.id, sender=house.actors["keeper"])
        clocks.append(house.auction.cost(trader.id).elapsed)
        house.auction.bid(trader.id, liquidator.id, 0, ONE, 10**30, FOREVER, sender=liquidator)
        assert lots_of(house, liquidator.id) > 0
        house.evm.revert(before)
        house.actors, before = dict(actors), house.evm.snapshot()
    assert clocks[1] >= clocks[0] >= 590


def meddle(house, trader):
    """What the owner of an account in auction may call, and what is refused him."""
    auction = house.auction
    house.engine.deposit(trader.id, 1, sender=trader)
    auction.sync(trader.id, sender=trader)
    auction.set_pre_liquidation(trader.id, True, sender=trader)
    auction.bid(trader.id, trader.id + 1, 0, 10**6, 10**30, FOREVER, sender=trader)
    until = house.evm.timestamp + DAY
    for call in (
        lambda: auction.start(trader.id, sender=trader),
        lambda: auction.end(trader.id, sender=trader),
        lambda: auction.commit_intent(trader.id, (1, 1, 0, until, True, 1), sender=trader),
        lambda: auction.pre_liquidate(trader.id, trader.id + 1, 1, 0, FOREVER, sender=trader),
        lambda: auction.deleverage(trader.id, trader.id + 1, sender=trader),
    ):
        with pytest.raises(Reverted):
            call()


def test_flicker_around_the_line__resets_nothing_and_pays_nobody(house):
    """Ten times under R and back within the hour: the clock goes on where it stood, and who starts
    and ends again and again is paid for none of it."""
    house.fund.sponsor(house.mint(house.actor("sponsor"), 10_000), sender=house.actors["sponsor"])
    house.fund.fund_budget(10**30)
    keeper, trader = house.actors["keeper"], weak(house, 1_830)
    seen = 0
    for _ in range(10):
        run_auction(house, trader.id, 45)
        clock = house.auction.auction(trader.id).elapsed
        assert clock >= seen + 45
        seen = clock
        move_price(house, 1_900)
        house.auction.end(trader.id, sender=keeper)
        move_price(house, 1_830)
        house.auction.start(trader.id, sender=keeper)
    assert house.auction.auction(trader.id).elapsed >= 450
    assert equity(house, keeper.id) == 0


@pytest.mark.parametrize("ten", ["leg", "coins"])
def test_ten_dollars_of_a_dead_market__shield_nobody(house, maker, liquidator, ten):
    """A leg or coins whose feed has died, a small part of R: started, its clock runs, it is sold;
    ten dollars more of it, added afterwards, end nothing."""
    feed, other = ("BTC", "ETH") if ten == "leg" else ("ETH", "BTC")
    owner = house.actor("owner", quote=10_000)
    if ten == "leg":
        house.trade("BTC-PERP", owner, maker, "0.00025", 40_000)
        house.trade("ETH-PERP", owner, maker, 50, 2_000)
    else:
        house.deposit_collateral(owner, "0.005")
        house.trade("BTC-PERP", owner, maker, "2.4", 40_000)
    quiet(house, feed, {other: 2_000 if other == "ETH" else 40_000})
    move_price(house, 1_825 if other == "ETH" else 36_550, other)
    house.auction.start(owner.id)
    if ten == "coins":
        house.deposit_collateral(owner, "0.005")
        with reverts("NothingToDo"):
            house.auction.end(owner.id)
    house.evm.advance(30)
    assert house.auction.cost(owner.id).elapsed >= 30
    house.auction.bid(owner.id, liquidator.id, 0, ONE // 20, 10**30, FOREVER, sender=liquidator)
    conserves(house)


# -- the fund


@pytest.mark.parametrize("seconds", [0, 300, 590])
def test_sibling_takes_its_owners_insolvent_account__gets_what_any_taker_gets(house, seconds):
    """P19, P23. Long and short of one owner, the long under water: taken by the sibling, the owner
    has no unit more than had a stranger taken it. Up to x = 1 the fund pays the hole and no
    more."""
    house.insure(50_000)
    outcomes = []
    owner = house.actor("pair", quote=10_000)
    house.deposit(owner, 40_000, 1)
    other = house.actor("other taker", quote=40_000)
    house.trade("ETH-PERP", owner.id, owner.account(1), 50, 2_000)
    move_price(house, 1_760)
    house.auction.start(owner.id, sender=house.actors["keeper"])
    run_auction(house, owner.id, seconds)
    before = house.evm.snapshot()
    for taker, account in ((owner, owner.account(1)), (other, other.id)):
        fund = house.engine.fund_balance()
        house.auction.bid(owner.id, account, 0, ONE, 10**30, FOREVER, sender=taker)
        mine = sum(equity(house, owner.account(i)) for i in range(3))
        outcomes.append((mine, fund - house.engine.fund_balance()))
        conserves(house)
        house.evm.revert(before)
        before = house.evm.snapshot()
    (own, paid), (strange, paid_other) = outcomes
    assert abs(own - strange) <= 10
    assert paid == paid_other
    assert abs(paid - 2_000 * USD) <= 20 * USD
