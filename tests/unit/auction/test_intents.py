"""Intents: commit, revoke, fill, release; the priority window; beside the model. P15, P16, P20."""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from typing import Any

import pytest

from plimsoll.evm import Reverted
from plimsoll.model import auction as model
from plimsoll.model import intents as book
from plimsoll.model.auction import NANO, ONE, TOK, Standing
from plimsoll.model.intents import Intent
from plimsoll.testing import reverts

from .conftest import CURVE, FOREVER, INSOLVENT, SOLVENT, USD, World, account_of
from .test_pre_liquidation import TERMS, THIN, take

DOLLAR = 10**6  # tok
RICH = Standing(equity=10**6 * USD, linear=0, superlinear=0, perps=0, smallest=0)
PRIORITY = 60


def intent_of(world: World, **changed: Any) -> Intent:
    """2,000 USD of R from x = 5 % on, any market, accounts up to 5,000 USD of R, for a day."""
    expiry = world.evm.timestamp + 86_400
    return replace(Intent(2_000 * DOLLAR, 5_000 * DOLLAR, 50_000_000, expiry), **changed)


def commit(world: World, account: int, **changed: Any) -> Intent:
    wanted = intent_of(world, **changed)
    owner = f"0x{account >> 96:040x}"
    world.auction.commit_intent(account, asdict(wanted), sender=owner)
    return wanted


def fill(world: World, account: int | None = None, deadline: int = FOREVER) -> Any:
    backer = world.backer if account is None else account
    return world.auction.fill_intent(world.account, backer, deadline, sender=world.stranger)


@pytest.fixture
def house(world: World) -> World:
    """A priority window, and a rich account of the liquidator's to commit with."""
    world.set_curve(priority=PRIORITY)
    world.backer = account_of(world.liquidator, 9)
    world.stand(RICH, world.backer)
    world.engine.set_held(world.account, 0b101)
    return world


# -- committing


def test_commit__bad_input__each_its_own_error(house: World) -> None:
    backer, now = house.backer, house.evm.timestamp
    cases: list[tuple[str, dict[str, Any]]] = [
        ("OutOfRange", {"capacity": 0}),
        ("OutOfRange", {"capacity": 2**64}),
        ("OutOfRange", {"largest": 0}),
        ("OutOfRange", {"largest": 2**64}),
        ("OutOfRange", {"premium": CURVE.x_max + 1}),
        ("OutOfRange", {"markets": 0}),
        ("OutOfRange", {"expiry": now + 31 * 86_400}),
        ("Expired", {"expiry": now - 1}),
        ("IntentMargin", {"capacity": 10**6 * DOLLAR // 3 + 1}),
    ]
    for error, changed in cases:
        with reverts(error):
            commit(house, backer, **changed)
        with pytest.raises(book.Refused, match=error):
            book.check(intent_of(house, **changed), 10**6 * USD, CURVE, now)
        assert not house.engine.frozen(backer)
    commit(house, backer, capacity=10**6 * DOLLAR // 3)
    with reverts("Frozen"):
        commit(house, backer)


def test_commit__operator_or_stranger__not_owner(house: World) -> None:
    house.engine.set_operator(house.backer, house.stranger, True)
    with reverts("NotOwner"):
        house.auction.commit_intent(house.backer, asdict(intent_of(house)), sender=house.stranger)
    commit(house, house.backer)
    with reverts("NotOwner"):
        house.auction.revoke_intent(house.backer, sender=house.stranger)


def test_commit__stale_feeds_or_in_auction__refused(house: World) -> None:
    house.stand(replace(RICH, state=1), house.backer)
    with reverts("StalePrice"):
        commit(house, house.backer)
    house.begin()
    with reverts("AuctionRunning"):
        commit(house, house.account)


def test_commit__account_is_frozen__and_stays_so(house: World) -> None:
    """The lock: no `end`, no pre-liquidation, no bid opens it."""
    made = commit(house, house.backer)
    assert house.engine.frozen(house.backer)
    assert tuple(house.auction.intent(house.backer)) == tuple(asdict(made).values())
    with reverts("NoAuction"):
        house.auction.end(house.backer)
    with reverts("IntentOpen"):
        house.auction.release_intent(house.backer, sender=house.liquidator)
    house.begin(after=PRIORITY)
    with reverts("Frozen"):
        house.bid(bidder=house.backer)
    house.set_curve(**TERMS)
    house.auction.set_pre_liquidation(house.backer, True, sender=house.liquidator)
    house.stand(THIN, house.backer)
    assert house.auction.pre_quote(house.backer).fraction == 0
    with reverts("Frozen"):
        take(house, account=house.backer, bidder=house.bidder)
    assert house.engine.frozen(house.backer)


# -- its ends


def test_revoke__takes_effect_in_an_hour__then_anyone_releases(house: World) -> None:
    made = commit(house, house.backer)
    house.auction.revoke_intent(house.backer, sender=house.liquidator)
    end = made.revoked(house.evm.timestamp).expiry
    house.evm.advance(600)
    house.auction.revoke_intent(house.backer, sender=house.liquidator)
    assert house.auction.intent(house.backer).expiry == end
    house.begin()
    fill(house)
    house.evm.advance(end + 1 - house.evm.timestamp)
    house.begin_again()
    with reverts("NoIntent"):
        fill(house)
    house.auction.release_intent(house.backer, sender=house.stranger)
    assert not house.engine.frozen(house.backer)
    for call in (house.auction.release_intent, house.auction.revoke_intent):
        with reverts("NoIntent"):
            call(house.backer, sender=house.liquidator)


def test_expired__auctions_stopped__released_all_the_same(house: World) -> None:
    made = commit(house, house.backer)
    house.engine.set_pause(4)
    house.evm.advance(made.expiry + 1 - house.evm.timestamp)
    house.auction.release_intent(house.backer)
    assert not house.engine.frozen(house.backer)


def test_intent_account_under_r__auctioned__and_its_intent_void(house: World) -> None:
    commit(house, house.backer)
    house.engine.set_frozen(house.backer, False)  # the mock refuses a second freeze
    house.stand(SOLVENT, house.backer)
    house.auction.start(house.backer)
    assert house.auction.intent(house.backer).expiry == 0
    house.begin()
    with reverts("NoIntent"):
        fill(house)
    with reverts("NoIntent"):
        house.auction.release_intent(house.backer)


# -- filling


def test_fill__in_the_window__before_anyone_may_bid(house: World) -> None:
    commit(house, house.backer, premium=0)
    house.begin()
    quote = house.auction.cost(house.account)
    assert quote.priority == PRIORITY
    with reverts("PriorityWindow"):
        house.bid()
    receipt = fill(house)
    assert abs(receipt.value - quote.cost) <= 3
    assert house.engine.bidder() == house.backer
    assert house.engine.last_terms().locked


def test_bid__window_over__open_though_intents_fail(house: World) -> None:
    """A failing intent blocks nobody: neither another intent in the window nor bids after it."""
    other = account_of(house.stranger, 1)
    house.stand(RICH, other)
    commit(house, house.backer)
    commit(house, other)
    house.begin()
    house.engine.set_refused(house.backer, True)  # its margin no longer bears it
    with reverts("Underwater"):
        fill(house)
    fill(house, other)
    house.begin_again()
    house.run(PRIORITY - 1)
    with reverts("PriorityWindow"):
        house.bid()
    house.run(1)
    with reverts("Underwater"):
        fill(house)
    house.bid()


def test_window__restarted_auction__does_not_begin_anew(house: World) -> None:
    house.begin(after=PRIORITY)
    house.stand(replace(SOLVENT, equity=9_000 * USD))
    house.auction.end(house.account)
    house.begin_again()
    house.bid()


def test_fill__price_time_order__the_cheaper_one_is_open_first(house: World) -> None:
    """Each premium opens exactly when the clock comes to it, whoever committed first."""
    premiums = (200_000_000, 60_000_000, 100_000_000)
    accounts = []
    for number, premium in enumerate(premiums):
        account = account_of(house.liquidator, 20 + number)
        house.stand(RICH, account)
        commit(house, account, premium=premium, capacity=10 * DOLLAR)
        accounts.append(account)
    house.begin()
    opened = {}
    for second in range(300):
        for account, premium in zip(accounts, premiums, strict=True):
            before = house.evm.snapshot()
            try:
                fill(house, account)
                opened.setdefault(premium, second)
                assert house.auction.cost(house.account).x >= premium
            except Reverted as refused:
                assert refused.name == "BelowPremium"  # noqa: PT017
                assert house.auction.cost(house.account).x < premium
            house.evm.revert(before)
        if len(opened) == len(premiums):
            break
        house.run(3)
    assert sorted(opened, key=lambda p: opened[p]) == sorted(premiums)


@pytest.mark.parametrize(
    "changed",
    [{"largest": 1_999 * DOLLAR}, {"markets": 0b100}, {"markets": 2, "collateral": True}],
)
def test_fill__out_of_scope__refused(house: World, changed: dict[str, Any]) -> None:
    commit(house, house.backer, **changed)
    house.begin()
    with reverts("IntentScope"):
        fill(house)


def test_fill__collateral__only_where_the_intent_takes_it(house: World) -> None:
    commit(house, house.backer)
    other = account_of(house.stranger, 1)
    house.stand(RICH, other)
    commit(house, other, collateral=True)
    most = SOLVENT.requirement // 100
    house.begin(replace(SOLVENT, collateral=most + 1))
    with reverts("IntentScope"):
        fill(house)
    before = house.evm.snapshot()
    fill(house, other)
    house.evm.revert(before)
    house.stand(replace(SOLVENT, collateral=most))
    fill(house)  # dust added in time keeps no intent out


def test_fill__capacity_used_up__thawed_at_once(house: World) -> None:
    """Two fills of 100 USD capacity: what is sold never exceeds it, the last thaws."""
    commit(house, house.backer, capacity=100 * DOLLAR)
    house.begin()
    before = house.standing().requirement
    receipt = fill(house)
    filled = [e for e in receipt.events if e.name == "IntentFilled"]
    assert filled[0].args["sold"] <= 100 * USD
    assert filled[0].args["left"] == 0
    assert before - house.standing().requirement >= 99 * USD
    assert not house.engine.frozen(house.backer)
    assert house.auction.intent(house.backer).capacity == 0
    with reverts("NoIntent"):
        fill(house)


def test_fill__bad_input__each_its_own_error(house: World) -> None:
    commit(house, house.backer)
    with reverts("NoAuction"):
        fill(house)
    house.begin()
    with reverts("Expired"):
        fill(house, deadline=house.evm.timestamp - 1)
    with reverts("NoIntent"):
        fill(house, house.bidder)
    with reverts("NoIntent"):
        fill(house, house.account)
    house.stand(replace(SOLVENT, equity=3_000 * USD))
    with reverts("Healthy"):
        fill(house)
    house.stand(replace(SOLVENT, stale_requirement=500 * USD))
    with reverts("ClockStopped"):
        fill(house)


def test_fill__executor__paid_as_for_a_bid(house: World) -> None:
    """P20: out of the keepers' part of the fee."""
    commit(house, house.backer)
    house.begin()
    receipt = fill(house)
    terms = house.engine.last_terms()
    sold = SOLVENT.requirement * terms.fraction // ONE
    wanted = CURVE.exec_flat * TOK + sold * CURVE.exec_share // NANO
    assert house.paid(house.stranger) == wanted
    assert house.paid(house.starter) + wanted <= terms.fee * CURVE.keeper_share // 10_000
    assert [e.name for e in receipt.events].count("KeeperPaid") == 2


@pytest.mark.parametrize("seed", [3, 4])
def test_fill__random_auctions__equal_the_model(house: World, seed: int) -> None:
    """P15, P16: the same slices as a bid of that size, only of accounts with E < R."""
    rnd, met = random.Random(seed), 0
    print(f"seed {seed}")
    curve = replace(CURVE, priority=PRIORITY)
    start = house.evm.snapshot()
    for _ in range(250):
        house.evm.revert(start)
        start = house.evm.snapshot()
        requirement = int(10 ** rnd.uniform(16, 19.5))
        part = rnd.random()
        standing = Standing(
            equity=int(requirement * rnd.choice((rnd.uniform(-1, 1), rnd.uniform(0.8, 1.05)))),
            linear=requirement - int(requirement * part),
            superlinear=int(requirement * part),
            collateral=rnd.choice((0, 0, 5)),
            smallest=rnd.choice((999, 3_000, 10**9)),
        )
        begun = replace(standing, equity=min(standing.equity, requirement - 1))
        made = commit(
            house,
            house.backer,
            capacity=rnd.choice((requirement // TOK * 2, requirement // TOK // 3 + 1)),
            largest=rnd.choice((requirement // TOK + 1, requirement // TOK // 2 + 1)),
            premium=rnd.choice((0, 300_000_000)),
            collateral=rnd.random() < 0.7,
            markets=rnd.choice((2**256 - 1, 0b111, 0b1)),
        )
        house.begin(begun)
        elapsed = rnd.choice((0, 30, 240, 1_200, 1_500, 1_799, 1_810))
        house.run(elapsed)
        house.stand(standing)
        try:
            wanted = book.fill(made, standing, 0b101, curve, elapsed, house.evm.timestamp)
        except (book.Refused, model.BadFraction) as refused:
            name = "BadFraction" if isinstance(refused, model.BadFraction) else str(refused)
            with reverts(name):
                fill(house)
            continue
        receipt = fill(house)
        terms, after = house.engine.last_terms(), house.standing()
        assert (terms.fraction, terms.discount, terms.fee, terms.bonus) == (
            wanted.fraction,
            wanted.discount,
            wanted.fee,
            wanted.bonus,
        )
        assert terms.locked
        rest = book.left(made, standing, wanted)
        found = house.auction.intent(house.backer)
        assert found.capacity == (rest.capacity if rest else 0)
        assert house.engine.frozen(house.backer) == (rest is not None)
        if standing.equity >= 0:
            assert after.equity * requirement >= (standing.equity - 5) * after.requirement
            least = standing.equity - requirement * made.premium // NANO
            assert receipt.value <= max(0, least * wanted.fraction // ONE) + 5
        met += 1
    assert met > 40


def test_fill__insolvent_account__fund_pays_as_for_a_bid(house: World) -> None:
    commit(house, house.backer, capacity=10_000 * DOLLAR, largest=10_000 * DOLLAR)
    house.begin(INSOLVENT)
    assert fill(house).value == INSOLVENT.equity
    assert house.standing().requirement == 0


@pytest.mark.parametrize(("equity", "premium", "elapsed"), [(10, 50, 60), (300, 900, 1_100)])
def test_fill__equity_under_premium_r__taken_for_nothing(
    house: World, equity: int, premium: int, elapsed: int
) -> None:
    """Never more than E - premium R, and nothing where that is negative: no intent is paid then."""
    commit(house, house.backer, premium=premium * 10**6)
    house.begin(replace(SOLVENT, equity=equity * USD), elapsed)
    assert equity * USD < SOLVENT.requirement * premium // 1_000
    assert fill(house).value == 0


@pytest.mark.parametrize(("premium", "elapsed"), [(50, 60), (1_200, 1_500)])
def test_fill__insolvent__the_fund_pays_what_any_bid_gets(
    house: World, premium: int, elapsed: int
) -> None:
    """Whatever its premium: -E and the bonus of the clock, max(x - 1, 0) R."""
    commit(house, house.backer, premium=premium * 10**6, capacity=10**4 * DOLLAR, largest=10**10)
    house.begin(INSOLVENT, elapsed)
    x = house.auction.cost(house.account).x
    bonus = max(x - NANO, 0) * INSOLVENT.requirement // NANO
    assert fill(house).value == INSOLVENT.equity - bonus


def test_fill_intent__x_held_by_the_sale_limiter__premium_of_the_x_that_stands(
    house: World,
) -> None:
    commit(house, house.backer, premium=model.x_at(CURVE, 250))
    house.begin(after=200)
    house.stand(replace(SOLVENT, pace=0))
    house.evm.advance(100)
    with reverts("BelowPremium"):
        fill(house)
    house.stand(SOLVENT)
    fill(house)
