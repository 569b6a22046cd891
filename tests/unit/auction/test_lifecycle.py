"""Start, end, restart, the clock, deleveraging."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from plimsoll.model import auction as model
from plimsoll.model.auction import ONE, Standing
from plimsoll.model.liquidation_state import Run
from plimsoll.testing import reverts

from .conftest import CURVE, INSOLVENT, SOLVENT, USD, World, account_of

HEALTHY = replace(SOLVENT, equity=2_000 * USD)
# A feed that carries more than a tenth of R is stale.
STOPPED = replace(SOLVENT, stale_requirement=200 * USD + 1, stale_value=900 * USD)
# One that carries just a tenth.
PARTLY = replace(SOLVENT, stale_requirement=200 * USD, stale_value=900 * USD)


def test_start__under_requirement__freezes_and_says_so(world: World) -> None:
    world.stand(SOLVENT)
    receipt = world.auction.start(world.account, sender=world.starter)
    event = receipt.event("Started")
    assert (event.starter, event.number, event.version) == (world.starter, 1, 1)
    assert (event.equity, event.requirement) == (SOLVENT.equity, SOLVENT.requirement)
    assert world.engine.frozen(world.account)
    found = world.auction.auction(world.account)
    assert (found.running, found.stopped, found.elapsed) == (True, False, 0)
    assert (found.x, found.starter) == (CURVE.x_start, world.starter)
    assert world.engine.notes() == 0


def test_start__insolvent__notes_the_deficit(world: World) -> None:
    world.begin(INSOLVENT)
    assert world.engine.deficits(world.account) == 300 * USD


@pytest.mark.parametrize("equity", [2_000 * USD, 2_000 * USD + 1, 10**24])
def test_start__requirement_met__healthy(world: World, equity: int) -> None:
    world.stand(replace(SOLVENT, equity=equity))
    with reverts("Healthy"):
        world.auction.start(world.account)


def test_start__running__refused(world: World) -> None:
    world.begin()
    with reverts("AuctionRunning"):
        world.auction.start(world.account)


def test_start__stale_feed_carries_the_account__clock_stopped(world: World) -> None:
    world.stand(STOPPED)
    with reverts("ClockStopped"):
        world.auction.start(world.account)


def test_start__small_stale_part__shields_nobody(world: World) -> None:
    world.stand(replace(PARTLY, equity=2_199 * USD, stale_value=200 * USD))
    world.auction.start(world.account)
    assert world.auction.cost(world.account).equity == 1_999 * USD


@pytest.mark.parametrize("worth", [200 * USD + 1, 900 * USD])
def test_start__healthy_but_for_a_stale_tenth__clock_stopped(world: World, worth: int) -> None:
    """A small part of R can be most of E: who meets R at the last prices is not sold for it."""
    world.stand(replace(PARTLY, equity=2_000 * USD, stale_value=worth))
    with reverts("ClockStopped"):
        world.auction.start(world.account)


def test_calls__no_auction__refused(world: World) -> None:
    world.stand(SOLVENT)
    for call in (world.auction.end, world.auction.sync, world.auction.cost):
        with reverts("NoAuction"):
            call(world.account)
    with reverts("NoAuction"):
        world.auction.deleverage(world.account, 0)
    with reverts("NoAuction"):
        world.bid()


def test_end__still_under__refused(world: World) -> None:
    world.begin()
    world.stand(replace(SOLVENT, equity=2_000 * USD - 1))
    with reverts("NothingToDo"):
        world.auction.end(world.account)


def test_end__cured__unfreezes_and_pays_nobody(world: World) -> None:
    world.begin(after=100)
    world.stand(HEALTHY)
    receipt = world.auction.end(world.account, sender=world.stranger)
    assert receipt.event("Ended").elapsed == 100
    assert not world.engine.frozen(world.account)
    assert not world.auction.auction(world.account).running
    assert world.paid(world.starter) == world.paid(world.stranger) == 0


def test_end__clock_stopped__deposit_still_cures(world: World) -> None:
    world.begin()
    world.stand(replace(STOPPED, equity=2_000 * USD))
    world.auction.end(world.account)
    assert not world.engine.frozen(world.account)


def test_start__within_the_resume_time__x_goes_on(world: World) -> None:
    world.begin(after=400)
    world.set_curve(x_start=0)
    for _ in range(5):
        world.stand(HEALTHY)
        world.auction.end(world.account)
        world.evm.advance(CURVE.resume)
        world.stand(SOLVENT)
        world.auction.start(world.account)
        found = world.auction.auction(world.account)
        assert (found.elapsed, found.version) == (400, 1)
        assert found.x == model.x_at(CURVE, 400)
    assert found.number == 6


def test_start__after_the_resume_time__starts_anew(world: World) -> None:
    world.begin(after=400)
    world.stand(HEALTHY)
    world.auction.end(world.account)
    world.set_curve(x_start=0)
    world.evm.advance(CURVE.resume + 1)
    world.begin()
    found = world.auction.auction(world.account)
    assert (found.elapsed, found.version, found.x) == (0, 2, 0)


def test_start__sold_out_before__starts_anew(world: World) -> None:
    world.begin(after=1_200)
    world.bid()
    assert world.standing().requirement == 0
    world.begin()
    assert world.auction.auction(world.account).elapsed == 0


# -- the clock


def test_clock__nobody_syncs__one_step_at_most(world: World) -> None:
    world.begin()
    world.evm.advance(10_000)
    assert world.auction.cost(world.account).elapsed == CURVE.max_step
    assert world.auction.auction(world.account).elapsed == CURVE.max_step
    world.auction.sync(world.account)
    world.evm.advance(10)
    assert world.auction.cost(world.account).elapsed == CURVE.max_step + 10


def test_clock__stop_seen__hands_out_nothing_while_it_lasts(world: World) -> None:
    world.begin(after=100)
    world.stand(STOPPED)
    world.evm.advance(50)
    receipt = world.auction.sync(world.account)
    assert (receipt.event("ClockSet").elapsed, receipt.event("ClockSet").stopped) == (100, True)
    assert world.auction.cost(world.account).stopped
    for call in (world.bid, lambda: world.auction.deleverage(world.account, 0)):
        with reverts("ClockStopped"):
            call()
    world.evm.advance(5_000)
    world.stand(SOLVENT)
    assert world.auction.cost(world.account).elapsed == 100
    world.auction.sync(world.account)
    world.evm.advance(7)
    assert world.auction.cost(world.account).elapsed == 107


def test_clock__auctions_paused__no_time_runs(world: World) -> None:
    world.begin(after=100)
    world.engine.set_pause(2)
    world.run(10)
    world.engine.set_pause(3)
    for _ in range(5):
        world.evm.advance(CURVE.max_step)
        world.auction.sync(world.account)
    assert world.auction.cost(world.account).stopped
    assert world.auction.cost(world.account).fraction == 0
    world.engine.set_pause(0)
    assert world.auction.cost(world.account).elapsed == 110
    world.bid()


def test_clock__stop_nobody_saw__one_step_at_most(world: World) -> None:
    world.begin(after=100)
    world.stand(STOPPED)
    world.evm.advance(50_000)
    world.stand(SOLVENT)
    assert world.auction.cost(world.account).elapsed == 100 + CURVE.max_step


def test_clock__a_tenth_is_stale__runs_on_without_that_equity(world: World) -> None:
    world.begin()
    world.stand(replace(PARTLY, stale_requirement=150 * USD, stale_value=200 * USD))
    quote = world.auction.cost(world.account)
    assert (quote.stopped, quote.equity) == (False, 1_700 * USD)
    world.bid()
    left = world.standing()
    counted, goal = left.equity - left.stale_value, left.requirement * (model.NANO + CURVE.buffer)
    assert goal <= counted * model.NANO <= goal * 1_002 // 1_000


def test_clock__random_stops__equals_the_model(world: World) -> None:
    seed = 31
    print(f"seed {seed}")
    rng = random.Random(seed)
    world.begin()
    clock = Run(seen=world.evm.timestamp)
    for _ in range(400):
        world.evm.advance(rng.choice([1, 12, 299, 300, 301, 4_000]))
        standing = STOPPED if rng.random() < 0.3 else held_back(rng.choice((0, 0.3, 1, 1)))
        standing = replace(standing, equity=-USD)  # past t_end the clock runs for these alone
        world.stand(standing)
        clock = clock.advance(world.evm.timestamp, standing.stopped, standing.pace, CURVE.max_step)
        world.auction.sync(world.account)
        found = world.auction.auction(world.account)
        assert (found.elapsed, found.elapsed - found.held) == (clock.elapsed, clock.offered)
        assert found.seen == clock.seen
        assert found.stopped == clock.stopped


def test_clock__solvent_after_the_curve__stands_until_it_falls_short(world: World) -> None:
    """An account that nobody took and nobody closed for hours; then it falls short by a little."""
    world.begin(replace(SOLVENT, collateral=9_000 * USD), after=CURVE.t_end + 7_200)
    assert world.auction.auction(world.account).elapsed == CURVE.t_end
    world.stand(replace(INSOLVENT, collateral=9_000 * USD))
    world.run(60)
    assert world.auction.auction(world.account).elapsed == CURVE.t_end + 60
    world.auction.deleverage(world.account, world.bidder, sender=world.liquidator)
    assert world.engine.last_deleverage().collateral_price == 9_000


# -- x, while the sale limiter holds the sale back


def held_back(pace: float, room: int = 0) -> model.Standing:
    return replace(SOLVENT, room=room, pace=int(pace * ONE))


@pytest.mark.parametrize(("pace", "held"), [(1, 0), (0.75, 25), (0.5, 50), (0.004, 99), (0, 100)])
def test_clock__limits_in_use__x_moves_for_the_rest(world: World, pace: float, held: int) -> None:
    """To the nearest sixteenth; told in whole seconds."""
    world.begin(after=200)
    before = world.auction.cost(world.account).x
    world.stand(held_back(pace))
    world.evm.advance(100)
    quote = world.auction.cost(world.account)
    assert (quote.elapsed, quote.held) == (300, held)
    assert quote.x == model.x_at(CURVE, 300 - held) >= before
    event = world.auction.sync(world.account).event("ClockSet")
    assert (event.elapsed, event.held) == (300, held)
    found = world.auction.auction(world.account)
    assert (found.elapsed, found.held, found.x) == (300, held, quote.x)


def test_clock__stopped__nothing_is_held(world: World) -> None:
    world.begin(after=100)
    world.stand(replace(STOPPED, pace=0))
    world.run(60)
    assert world.auction.auction(world.account).held == 0


def test_clock__held_for_more_than_its_field__x_moves_again(world: World) -> None:
    world.set_curve(t_mid=10_000, t_one=20_000, t_end=30_000)
    world.begin(held_back(0), after=4_000)
    assert world.auction.auction(world.account).x == CURVE.x_start
    world.run(300)
    found = world.auction.auction(world.account)
    assert (found.elapsed, found.held) == (4_300, 4_095)
    assert found.x > CURVE.x_start


def test_clock__held__the_last_step_is_not_delayed(world: World) -> None:
    """What only deleveraging is left for is told by all of the clock."""
    world.begin(held_back(0), after=CURVE.t_one)
    assert world.auction.cost(world.account).x == CURVE.x_start
    with reverts("Throttled"):
        world.bid()
    world.auction.deleverage(world.account, 0)
    assert not world.auction.auction(world.account).running


def test_clock__ended_and_started_again__held_as_it_was_or_anew(world: World) -> None:
    world.begin(held_back(0), after=200)
    world.stand(replace(SOLVENT, equity=5_000 * USD))
    world.auction.end(world.account)
    world.begin_again()
    found = world.auction.auction(world.account)
    assert (found.elapsed, found.held) == (200, 200)
    world.stand(replace(SOLVENT, equity=5_000 * USD))
    world.auction.end(world.account)
    world.evm.advance(CURVE.resume + 1)
    world.begin_again()
    found = world.auction.auction(world.account)
    assert (found.elapsed, found.held) == (0, 0)


def test_bid__x_held__the_price_of_the_seconds_that_count(world: World) -> None:
    world.begin(after=200)
    world.stand(held_back(0, room=ONE // 100))
    world.evm.advance(100)
    event = world.bid().event("Bid")
    assert event.x == model.x_at(CURVE, 200)


@pytest.mark.parametrize("room", [ONE // 100, ONE])
def test_cost__x_held__the_offer_stands(world: World, room: int) -> None:
    """What is on sale and for how much, with part of it let be sold or all."""
    world.begin(after=200)
    world.stand(replace(SOLVENT, room=room))
    before = world.auction.cost(world.account)
    world.stand(held_back(0, room))
    world.evm.advance(100)
    after = world.auction.cost(world.account)
    assert after.held == 100
    assert after.fraction == before.fraction != 0
    assert (after.cost, after.fee) == (before.cost, before.fee)
    paid = world.bid().event("Bid")
    assert (paid.fraction, paid.x) == (after.fraction, after.x)


def test_sync__each_second__holds_what_one_sync_would(world: World) -> None:
    """Nobody moves or stops x by syncing often, but by half a sixteenth at a time."""
    world.begin()
    world.stand(held_back(0.25))
    for _ in range(40):
        world.evm.advance(1)
        world.auction.sync(world.account)
    assert world.auction.auction(world.account).held == 30
    world.stand(held_back(0.75))
    for _ in range(40):
        world.evm.advance(1)
        world.auction.sync(world.account)
    assert world.auction.auction(world.account).held == 40


def test_sync__equity_falls_under_zero__noted_and_cleared(world: World) -> None:
    world.begin()
    world.stand(INSOLVENT)
    world.auction.sync(world.account)
    assert world.engine.deficits(world.account) == 300 * USD
    world.stand(SOLVENT)
    world.auction.sync(world.account)
    assert world.engine.deficits(world.account) == 0


# -- deleveraging


@pytest.mark.parametrize(
    ("standing", "needed"),
    [
        (SOLVENT, CURVE.t_one),
        (replace(SOLVENT, collateral=SOLVENT.requirement // 100), CURVE.t_one),
        (replace(SOLVENT, collateral=SOLVENT.requirement // 100 + 1), CURVE.t_end),
        (INSOLVENT, CURVE.t_end),
    ],
    ids=["solvent", "solvent with dust", "solvent with collateral", "insolvent"],
)
def test_deleverage__before_the_curve_ran_out__refused(
    world: World, standing: Standing, needed: int
) -> None:
    world.begin(standing, after=needed - 1)
    buyer = world.bidder
    with reverts("AuctionNotOver"):
        world.auction.deleverage(world.account, buyer, sender=world.liquidator)
    world.run(1)
    world.auction.deleverage(world.account, buyer, sender=world.liquidator)
    assert not world.engine.frozen(world.account)
    assert not world.auction.auction(world.account).running


def test_deleverage__healthy__refused(world: World) -> None:
    world.begin(after=CURVE.t_end)
    world.stand(HEALTHY)
    with reverts("Healthy"):
        world.auction.deleverage(world.account, 0)


def test_deleverage__insolvent__fund_then_the_others(world: World) -> None:
    world.begin(INSOLVENT, after=CURVE.t_end)
    world.engine.set_money(2**100, 100 * USD, 2**100, 0)
    world.engine.set_exposures([7 << 128 | 1])
    receipt = world.auction.deleverage(world.account, 0, sender=world.stranger)
    event = receipt.event("Deleveraged")
    assert (event.deficit, event.from_fund, event.charged) == (300 * USD, 100 * USD, 200 * USD)
    terms = world.engine.last_deleverage()
    assert (terms.fund_limit, terms.charge_cap) == (100 * USD, CURVE.charge_cap)
    assert (terms.window, terms.social_share) == (CURVE.charge_window, CURVE.social_share)
    assert terms.collateral_price == 10_000
    assert world.engine.deficits(world.account) == 0
    assert list(world.engine.last_parts()) == [7 << 128 | 1]


def test_deleverage__solvent__fund_not_asked(world: World) -> None:
    world.begin(after=CURVE.t_one)
    world.auction.deleverage(world.account, 0)
    assert world.engine.drawn() == 0
    assert world.engine.last_deleverage().fund_limit == 0


def test_deleverage__collateral__asks_for_what_its_sale_may_lack(world: World) -> None:
    world.begin(replace(INSOLVENT, collateral=9_000 * USD), after=CURVE.t_end + 300)
    world.auction.deleverage(world.account, world.bidder, sender=world.liquidator)
    # Haircut at most all of `linear` (1,600), the rest sold at half.
    assert world.engine.drawn() == (300 + 9_000 - 7_400 // 2) * USD + model.TOK


@pytest.mark.parametrize(
    ("late", "price"), [(0, 10_000), (150, 7_500), (599, 17), (600, 0), (9_999, 0)]
)
def test_deleverage__time_after_the_curve__collateral_ever_cheaper(
    world: World, late: int, price: int
) -> None:
    world.begin(replace(INSOLVENT, collateral=10 * USD), after=CURVE.t_end + late)
    world.auction.deleverage(world.account, world.bidder, sender=world.liquidator)
    assert world.engine.last_deleverage().collateral_price == price
    assert model.collateral_price(CURVE, CURVE.t_end + late) == price


def test_deleverage__collateral_and_no_buyer__collateral_left(world: World) -> None:
    world.begin(replace(INSOLVENT, collateral=10 * USD), after=CURVE.t_end)
    with reverts("CollateralLeft"):
        world.auction.deleverage(world.account, 0)


def test_deleverage__buyer_of_another__not_owner(world: World) -> None:
    world.begin(INSOLVENT, after=CURVE.t_end)
    with reverts("NotOwner"):
        world.auction.deleverage(world.account, world.bidder, sender=world.stranger)
    with reverts("BadArgument"):
        world.auction.deleverage(world.account, world.account, sender=world.owner)


def test_start__nothing_but_debt__recognised_in_the_same_call(world: World) -> None:
    """P22: nobody has to come a second time for a debt without collateral."""
    world.stand(Standing(equity=-5 * USD, linear=0, superlinear=0, perps=0, smallest=0))
    receipt = world.auction.start(world.account, sender=world.starter)
    assert receipt.event("Deleveraged").deficit == 5 * USD
    assert receipt.event("Ended").elapsed == 0
    assert not world.auction.auction(world.account).running
    assert not world.engine.frozen(world.account)


def test_bid__that_leaves_nothing_but_debt__recognises_it_in_the_same_call(world: World) -> None:
    """P22: the fund could pay for a part only, and the lots of all legs went with it."""
    world.begin(INSOLVENT)
    world.engine.set_bare(True)
    receipt = world.bid(max_fraction=ONE // 2)
    assert receipt.event("Deleveraged").deficit > 0
    assert not world.auction.auction(world.account).running


def test_bid__nothing_may_be_sold_now__throttled(world: World) -> None:
    world.begin(replace(SOLVENT, room=0))
    with reverts("Throttled"):
        world.bid()
    quote = world.auction.cost(world.account)
    assert (quote.fraction, quote.cost, quote.room, quote.wait) == (0, 0, 0, 60)
    world.stand(replace(SOLVENT, room=ONE // 100))
    quote = world.auction.cost(world.account)
    assert (quote.fraction, quote.room, quote.wait) == (ONE // 100, ONE // 100, 60)
    assert world.bid().event("Bid").fraction == ONE // 100


def test_auction_id__any_change__another_id(world: World) -> None:
    world.begin()
    seen = {world.auction.auction_id(world.account)}
    assert world.auction.cost(world.account).id in seen
    world.engine.set_standing(world.account, SOLVENT.__dict__)
    seen.add(world.auction.auction_id(world.account))
    world.bid(max_fraction=ONE // 100)
    seen.add(world.auction.auction_id(world.account))
    seen.add(world.auction.auction_id(account_of(world.owner, 8)))
    assert len(seen) == 4


def test_fund__deficit_noted_lowered_or_gone__looks_in_the_same_call(world: World) -> None:
    world.engine.watch(world.account)
    world.begin(INSOLVENT, after=CURVE.t_one)
    looks = world.engine.observed()
    assert (world.engine.seen(), looks > 1) == (300 * USD, True)  # every sync notes it anew
    world.bid(max_fraction=ONE // 2)
    assert (world.engine.seen(), world.engine.observed()) == (150 * USD, looks + 1)
    world.bid()
    assert (world.engine.seen(), world.engine.observed()) == (0, looks + 2)


def test_fund__deficit_deleveraged__looks_after_it(world: World) -> None:
    world.engine.watch(world.account)
    world.begin(INSOLVENT, after=CURVE.t_end)
    assert world.engine.seen() == 300 * USD
    world.auction.deleverage(world.account, 0)
    assert world.engine.seen() == 0


def test_fund__deficit_cured__looks_at_the_end(world: World) -> None:
    world.engine.watch(world.account)
    world.begin(INSOLVENT)
    world.stand(replace(SOLVENT, equity=10_000 * USD))
    world.auction.end(world.account)
    assert (world.engine.seen(), world.engine.observed()) == (0, 2)


def test_fund__account_left_frozen_by_another_auction__looks_when_it_is_freed(
    world: World,
) -> None:
    world.stand(replace(SOLVENT, equity=10_000 * USD))
    world.engine.set_frozen(world.account, True)
    world.auction.end(world.account)
    assert world.engine.observed() == 1


def test_fund__solvent_all_the_way__has_nothing_to_look_at(world: World) -> None:
    world.begin()
    world.bid()
    assert world.engine.observed() == 0
