"""Bids: terms, regions, protections, what the fund pays and what keepers get."""

from __future__ import annotations

import random
from dataclasses import asdict, replace

import pytest

from plimsoll.model import auction as model
from plimsoll.model.auction import NANO, ONE, TOK
from plimsoll.testing import reverts

from .conftest import CURVE, INSOLVENT, SOLVENT, USD, World, account_of

FREE = replace(SOLVENT, equity=100 * USD)  # E = x R at t = 0


def test_bid__solvent__pays_the_model_price_and_ends(world: World) -> None:
    world.begin(after=200)
    offer = model.slice_terms(SOLVENT, CURVE, 200)
    quote = world.auction.cost(world.account)
    receipt = world.bid()
    assert 0 < offer.fraction < ONE // 4
    assert receipt.value == quote.cost == model.expected_cost(SOLVENT.equity, offer)
    terms = world.engine.last_terms()
    assert (terms.fraction, terms.discount, terms.fee) == (
        offer.fraction,
        offer.discount,
        offer.fee,
    )
    assert (terms.keeper_share, terms.bonus, terms.fund_limit) == (CURVE.keeper_share, 0, 0)
    assert (terms.insolvent, terms.free) == (False, False)
    assert world.engine.bidder() == world.bidder
    event = receipt.event("Bid")
    assert (event.fraction, event.cost, event.fee) == (offer.fraction, receipt.value, offer.fee)
    assert (event.x, event.from_fund) == (model.x_at(CURVE, 200), 0)
    assert not world.engine.frozen(world.account)
    assert world.engine.drawn() == 0


def test_bid__small_slice__auction_goes_on_and_health_rises(world: World) -> None:
    world.begin()
    world.bid(max_fraction=ONE // 100)
    left = world.standing()
    assert left.equity * SOLVENT.requirement > SOLVENT.equity * left.requirement
    assert world.auction.auction(world.account).running
    assert world.engine.frozen(world.account)


def test_bid__random_solvent_slices__never_lower_health(world: World) -> None:
    seed = 55
    print(f"seed {seed}")
    rng = random.Random(seed)
    for number in range(300):
        before = replace(SOLVENT, equity=rng.randrange(0, 2_000) * USD)
        account = account_of(world.owner, 100 + number)
        world.stand(before, account)
        world.auction.start(account, sender=world.starter)
        world.evm.advance(15 * rng.randrange(20))
        fraction = rng.choice([1, ONE // 7, ONE // 2, rng.randrange(1, ONE * 9 // 10)])
        receipt = world.bid(account=account, max_fraction=fraction)
        after = world.standing(account)
        slack = 0 if receipt.value > 0 else 4  # free: a few units of rounding
        old, new = before.requirement, after.requirement
        assert (after.equity + slack) * old >= before.equity * new
    assert world.engine.drawn() == 0


def test_bid__equity_within_x_of_zero__free_and_whole(world: World) -> None:
    world.begin(FREE)
    assert world.auction.cost(world.account).cost == 0
    receipt = world.bid()
    assert (receipt.value, world.engine.last_terms().free) == (0, True)
    assert world.engine.last_terms().fraction == ONE
    assert world.engine.drawn() == 0
    assert not world.engine.frozen(world.account)


def test_bid__one_unit_over_x__pays(world: World) -> None:
    world.begin(replace(FREE, equity=100 * USD + 1))
    receipt = world.bid()
    terms = world.engine.last_terms()
    assert (terms.free, terms.fee, terms.fraction) == (False, 1, ONE)
    assert receipt.value == 1 + 3


def test_bid__price_under_the_fee__whole_account_or_less(world: World) -> None:
    world.begin(replace(SOLVENT, equity=150 * USD))  # price 50, fee 60
    assert world.auction.cost(world.account).fraction == ONE
    world.bid(max_fraction=ONE // 2)
    assert world.engine.last_terms().fee == 25 * USD


@pytest.mark.parametrize("elapsed", [0, 600, 1_200, 1_500, 1_800])
def test_bid__insolvent__fund_pays_deficit_and_bonus(world: World, elapsed: int) -> None:
    world.begin(INSOLVENT, after=elapsed)
    parts = [3 << 128 | 700 * USD, 256 << 128 | 40 * USD]
    world.engine.set_exposures(parts)
    bonus = max(0, model.x_at(CURVE, elapsed) - NANO) * INSOLVENT.requirement // NANO
    receipt = world.bid()
    assert receipt.value == -(300 * USD + bonus)
    assert receipt.event("Bid").from_fund == 300 * USD + bonus
    assert not world.engine.frozen(world.account)
    assert world.engine.deficits(world.account) == 0
    assert list(world.engine.last_parts()) == parts


def test_bid__insolvent_slices__together_like_one(world: World) -> None:
    world.begin(INSOLVENT, after=1_800)
    paid = -world.bid(max_fraction=ONE // 3).value
    assert world.engine.deficits(world.account) == -world.standing().equity > 0
    paid -= world.bid().value
    whole = 300 * USD + INSOLVENT.requirement // 2
    # Splitting earns no more; superlinear R makes it a little less.
    assert whole * 9 // 10 < paid <= whole


def test_bid__insolvent_and_curve_run_out__auction_over(world: World) -> None:
    world.begin(INSOLVENT, after=CURVE.t_end + 1)
    assert world.auction.cost(world.account).over
    with reverts("AuctionOver"):
        world.bid()


def test_bid__solvent_and_curve_run_out__still_on_sale_for_nothing(world: World) -> None:
    world.begin(after=CURVE.t_end + 1)
    assert world.bid().value == 0


def test_bid__fund_grants_part__slice_shrinks_to_it(world: World) -> None:
    world.begin(INSOLVENT, after=1_800)
    world.engine.set_money(0, 100 * USD, 2**100, 0)
    offer = model.slice_terms(INSOLVENT, CURVE, 1_800)
    wanted = model.funded(INSOLVENT, offer, 100 * USD)
    assert wanted is not None
    receipt = world.bid()
    assert world.engine.last_terms().fraction == wanted.fraction < ONE
    assert world.engine.last_terms().bonus == wanted.bonus
    assert 99 * USD < -receipt.value <= 100 * USD
    assert world.auction.auction(world.account).running


@pytest.mark.parametrize("fund", [0, 1_000])
def test_bid__fund_grants_nothing__fund_empty(world: World, fund: int) -> None:
    world.begin(INSOLVENT)
    world.engine.set_money(0, fund, 2**100, 0)
    with reverts("FundEmpty"):
        world.bid()


def test_bid__lots_round_against_the_fund__slack_covers_it(world: World) -> None:
    world.begin(replace(INSOLVENT, smallest=10**6))
    world.engine.set_money(0, 2**100, 2**100, 20 * INSOLVENT.requirement // 10**6)
    world.bid(max_fraction=ONE // 2)


def test_bid__tiny_slices__use_up_at_most_twice_their_share_of_the_caps(world: World) -> None:
    world.begin(INSOLVENT)
    need = -(-300 * USD // 10**9)
    world.bid(max_fraction=10**9)
    assert world.engine.drawn() <= 2 * need + 1_000


# -- protections


def test_bid__deadline__inclusive(world: World) -> None:
    world.begin()
    now = world.evm.timestamp
    with reverts("Expired"):
        world.bid(deadline=now - 1)
    world.bid(deadline=now)


@pytest.mark.parametrize("fraction", [0, ONE + 1, 2**256 - 1])
def test_bid__fraction_out_of_range__bad_fraction(world: World, fraction: int) -> None:
    world.begin()
    with reverts("BadFraction"):
        world.bid(max_fraction=fraction)


def test_bid__cost_limit__to_the_unit(world: World) -> None:
    world.begin()
    cost = world.auction.cost(world.account).cost
    with reverts("CostLimit"):
        world.bid(cost_limit=cost - 1)
    world.bid(cost_limit=cost)


def test_bid__cost_limit_negative__at_least_that_much_received(world: World) -> None:
    world.begin(INSOLVENT)
    with reverts("CostLimit"):
        world.bid(cost_limit=-300 * USD - 1)
    world.bid(cost_limit=-300 * USD)


def test_bid__account_changed_since_seen__wrong_auction(world: World) -> None:
    world.begin()
    seen = world.auction.auction_id(world.account)
    world.engine.set_standing(world.account, asdict(SOLVENT))
    with reverts("WrongAuction"):
        world.bid(auction_id=seen)
    world.bid(auction_id=world.auction.auction_id(world.account))


def test_bid__prices_moved_only__same_id(world: World) -> None:
    world.begin()
    seen = world.auction.auction_id(world.account)
    world.stand(replace(SOLVENT, equity=1_700 * USD))
    world.bid(auction_id=seen)


def test_bid__bidder_of_another__not_owner(world: World) -> None:
    world.begin()
    with reverts("NotOwner"):
        world.bid(sender=world.stranger)
    world.engine.set_operator(world.bidder, world.stranger, True)
    world.bid(sender=world.stranger)


def test_bid__account_bids_for_itself__refused(world: World) -> None:
    world.begin()
    with reverts("BadArgument"):
        world.bid(bidder=world.account, sender=world.owner)


@pytest.mark.parametrize("equity", [2_000 * USD, 2_300 * USD])
def test_bid__healthy_again__refused(world: World, equity: int) -> None:
    world.begin()
    world.stand(replace(SOLVENT, equity=equity))
    assert world.auction.cost(world.account).fraction == 0
    with reverts("Healthy"):
        world.bid()


def test_bid__rest_would_be_dust__whole_account(world: World) -> None:
    world.begin(replace(INSOLVENT, smallest=2_200))
    with reverts("BadFraction"):
        world.bid(max_fraction=ONE * 6 // 10)
    world.bid(max_fraction=ONE // 2)  # leaves 1,100 lots
    world.stand(replace(SOLVENT, smallest=1_100))
    assert world.auction.cost(world.account).fraction == ONE
    world.bid()
    assert world.engine.last_terms().fraction == ONE


@pytest.mark.parametrize("smallest", [1_000, 1_500, 1_999])
@pytest.mark.parametrize("share", [ONE // 1_000, ONE // 2, ONE * 999 // 1_000])
def test_bid__a_leg_near_dust__forces_no_bid_for_the_whole(
    world: World, smallest: int, share: int
) -> None:
    """Else a leg of forty dollars keeps everybody away who cannot carry all of a whale."""
    world.begin(replace(INSOLVENT, smallest=smallest))
    world.bid(max_fraction=share)
    assert world.engine.last_terms().fraction == share


def test_bid__leg_is_dust_already__slices_still_sold(world: World) -> None:
    world.begin(replace(SOLVENT, smallest=3))
    world.bid(max_fraction=ONE // 2)
    assert world.engine.last_terms().fraction == ONE // 2


# -- pay


def test_pay__first_slice__starter_and_executor_by_the_model(world: World) -> None:
    world.begin()
    offer = model.slice_terms(SOLVENT, CURVE, 0)
    sold = SOLVENT.requirement * offer.fraction // ONE
    kept = offer.fee * CURVE.keeper_share // 10_000
    world.bid()
    executed, started = model.keepers_pay(CURVE, sold, kept, 2**100, True)
    assert executed == CURVE.exec_flat * TOK + sold // 1_000 > 0
    assert (world.paid(world.liquidator), world.paid(world.starter)) == (executed, started)
    assert executed + started < kept


def test_pay__later_slices__starter_paid_once(world: World) -> None:
    world.begin(replace(SOLVENT, equity=1_500 * USD))
    world.bid(max_fraction=ONE * 11 // 100)
    first = world.paid(world.starter)
    assert first > 0
    assert world.auction.auction(world.account).starter == "0x" + "00" * 20
    world.bid()
    assert world.paid(world.starter) == first


def test_pay__slices_under_the_minimum__nothing(world: World) -> None:
    world.begin(replace(SOLVENT, equity=1_000 * USD))
    for _ in range(5):
        world.bid(max_fraction=ONE // 11)  # under 200 of R each, less with each
    assert world.paid(world.liquidator) == world.paid(world.starter) == 0


def test_pay__started_and_cured_forever__nothing(world: World) -> None:
    for _ in range(20):
        world.begin()
        world.stand(replace(SOLVENT, equity=2_000 * USD))
        world.auction.end(world.account, sender=world.starter)
    assert world.paid(world.starter) == 0


def test_pay__self_dealing_with_a_fee__pays_more_than_it_earns(world: World) -> None:
    seed = 9
    print(f"seed {seed}")
    rng = random.Random(seed)
    world.engine.set_money(0, 0, 0, 0)
    paying = earned = 0
    for number in range(200):
        account = account_of(world.owner, 100 + number)
        world.stand(replace(SOLVENT, equity=rng.randrange(101, 2_000) * USD), account)
        world.auction.start(account, sender=world.starter)
        receipt = world.bid(account=account, max_fraction=rng.randrange(1, ONE * 9 // 10))
        before, earned = earned, world.paid(world.liquidator) + world.paid(world.starter)
        fee = world.engine.last_terms().fee
        assert receipt.value > 0
        assert earned - before <= fee * CURVE.keeper_share // 10_000
        paying += earned > before
    assert paying > 50


def test_pay__no_fee_in_sight__bounded_share_of_the_budget(world: World) -> None:
    # Insolvent and free slices are paid from the ring-fenced budget: however it is sliced, at most
    # MAX_INCENTIVE of the R sold, and never more than the budget.
    world.begin(INSOLVENT, after=1_200)
    world.engine.set_money(1 * USD, 2**100, 2**100, 0)
    sold = 0
    for _ in range(12):
        before = world.standing().requirement
        world.bid(max_fraction=ONE // 4)
        sold += before // 4
    earned = world.paid(world.liquidator) + world.paid(world.starter)
    assert 0 < earned <= min(1 * USD, sold * model.MAX_INCENTIVE // NANO)


def test_pay__budget_empty__sale_goes_on_and_starter_waits(world: World) -> None:
    world.begin(INSOLVENT)
    world.engine.set_money(0, 2**100, 2**100, 0)
    world.bid(max_fraction=ONE // 2)
    assert world.paid(world.starter) == 0
    world.engine.set_money(2**100, 2**100, 2**100, 0)
    world.bid()
    assert world.paid(world.starter) > 0


@pytest.mark.parametrize("short", [1, 10**6])
@pytest.mark.parametrize("of_executor", [True, False])
def test_pay__budget_short__executor_first_starter_the_rest(
    world: World, short: int, of_executor: bool
) -> None:
    executed, started = model.keepers_pay(CURVE, INSOLVENT.requirement, None, 2**100, True)
    budget = executed - short if of_executor else executed + started - short
    world.begin(INSOLVENT)
    world.engine.set_money(budget, 2**100, 2**100, 0)
    world.bid()
    wanted = model.keepers_pay(CURVE, INSOLVENT.requirement, None, budget, True)
    assert (world.paid(world.liquidator), world.paid(world.starter)) == wanted
    assert world.engine.budget() == 0
    # Who got part of its pay is paid; who got nothing waits.
    owed = world.auction.auction(world.account).starter
    assert owed == (world.starter if of_executor else "0x" + "00" * 20)


def test_pay__starter_executes_budget_short__waits_unless_paid_over_its_executors_part(
    world: World,
) -> None:
    executed, _ = model.keepers_pay(CURVE, INSOLVENT.requirement, None, 2**100, True)
    bidder = account_of(world.starter, 1)
    for budget, owed in ((executed, world.starter), (executed + 1, "0x" + "00" * 20)):
        before = world.evm.snapshot()
        world.begin(INSOLVENT)
        world.engine.set_money(budget, 2**100, 2**100, 0)
        receipt = world.bid(bidder=bidder, sender=world.starter)
        assert receipt.event("KeeperPaid").amount == world.paid(world.starter) == budget
        assert world.auction.auction(world.account).starter == owed
        world.evm.revert(before)


def test_pay__starter_executes__one_payment(world: World) -> None:
    world.begin(INSOLVENT)
    bidder = account_of(world.starter, 1)
    receipt = world.bid(bidder=bidder, sender=world.starter)
    sold = INSOLVENT.requirement
    wanted = sum(model.keepers_pay(CURVE, sold, None, 2**100, True))
    assert receipt.event("KeeperPaid").amount == world.paid(world.starter) == wanted


def test_pay__deleverage__executor_and_starter_from_the_budget(world: World) -> None:
    world.begin(INSOLVENT, after=CURVE.t_end)
    world.auction.deleverage(world.account, 0, sender=world.stranger)
    executed, started = model.keepers_pay(CURVE, INSOLVENT.requirement, None, 2**100, True)
    assert (world.paid(world.stranger), world.paid(world.starter)) == (executed, started)
