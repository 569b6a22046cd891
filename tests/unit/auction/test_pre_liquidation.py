"""Pre-liquidation: who may, when, how much, for how much; beside the model. P15, P16, P19, P20."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from plimsoll.model import auction as model
from plimsoll.model import pre_liquidation as pre
from plimsoll.model.auction import NANO, ONE, Standing
from plimsoll.testing import reverts

from .conftest import CURVE, FOREVER, SOLVENT, USD, World, account_of

TERMS = {
    "pre_band": 50_000_000,
    "pre_premium": 25_000_000,
    "pre_fee": 10_000_000,
    "pre_cap": 2_000,
}
PRE = replace(CURVE, **TERMS)
THIN = replace(SOLVENT, equity=2_040 * USD)  # E = 1.02 R


def take(world: World, **changed: Any) -> Any:
    asked: dict[str, Any] = {
        "account": world.account,
        "bidder": world.bidder,
        "max_fraction": ONE,
        "cost_limit": 2**200,
        "deadline": FOREVER,
        "sender": world.liquidator,
    }
    asked.update(changed)
    sender = asked.pop("sender")
    return world.auction.pre_liquidate(*asked.values(), sender=sender)


@pytest.fixture
def thin(world: World) -> World:
    """An account at 1.02 R whose owner has opted in; feeds are fine."""
    world.set_curve(**TERMS)
    world.stand(THIN)
    world.auction.set_pre_liquidation(world.account, True, sender=world.owner)
    return world


# -- consent


def test_pre_liquidate__never_asked_for__not_opted_in(world: World) -> None:
    world.set_curve(**TERMS)
    world.stand(THIN)
    with reverts("NotOptedIn"):
        take(world)


def test_set_pre_liquidation__operator__not_owner(thin: World) -> None:
    thin.engine.set_operator(thin.account, thin.stranger, True)
    for on in (True, False):
        with reverts("NotOwner"):
            thin.auction.set_pre_liquidation(thin.account, on, sender=thin.stranger)


def test_opting_out__healthy__at_once(thin: World) -> None:
    thin.stand(replace(THIN, equity=2_300 * USD))
    thin.auction.set_pre_liquidation(thin.account, False, sender=thin.owner)
    assert thin.auction.pre_quote(thin.account).until == 0
    thin.stand(THIN)
    with reverts("NotOptedIn"):
        take(thin)


@pytest.mark.parametrize("late", [replace(THIN), replace(THIN, equity=9_000 * USD, state=2)])
def test_opting_out__thin_or_stale__after_an_hour(thin: World, late: Standing) -> None:
    thin.stand(late)
    thin.auction.set_pre_liquidation(thin.account, False, sender=thin.owner)
    end = thin.evm.timestamp + pre.DELAY
    thin.evm.advance(pre.DELAY // 2)
    # Asking again does not put it off.
    thin.auction.set_pre_liquidation(thin.account, False, sender=thin.owner)
    assert thin.auction.pre_quote(thin.account).until == end
    thin.stand(THIN)
    thin.evm.advance(end - thin.evm.timestamp)
    take(thin)
    thin.evm.advance(1)
    thin.stand(THIN)
    with reverts("NotOptedIn"):
        take(thin)


# -- when


@pytest.mark.parametrize(
    ("equity", "sold"),
    [(2_000 * USD - 1, False), (2_000 * USD, True), (2_100 * USD - 1, True), (2_100 * USD, False)],
)
def test_pre_liquidate__at_the_edges_of_the_band__within_only(
    thin: World, equity: int, sold: bool
) -> None:
    """P15: at E >= (1 + band) R nothing is sold; under R it is the auction's."""
    thin.stand(replace(THIN, equity=equity))
    assert (thin.auction.pre_quote(thin.account).fraction > 0) == sold
    if sold:
        take(thin)
        return
    with reverts("OutsideBand"):
        take(thin)


def test_pre_liquidate__band_of_zero__switched_off(thin: World) -> None:
    thin.set_curve()
    thin.stand(replace(THIN, equity=2_000 * USD))
    with reverts("OutsideBand"):
        take(thin)


@pytest.mark.parametrize("state", [1, 2, 3])
def test_pre_liquidate__feeds_not_ok__stale_price(thin: World, state: int) -> None:
    thin.stand(replace(THIN, state=state))
    assert thin.auction.pre_quote(thin.account).fraction == 0
    with reverts("StalePrice"):
        take(thin)


def test_pre_liquidate__account_in_auction__refused(thin: World) -> None:
    thin.begin()
    thin.stand(THIN)
    assert thin.auction.pre_quote(thin.account).fraction == 0
    with reverts("AuctionRunning"):
        take(thin)


def test_pre_liquidate__bad_input__each_its_own_error(thin: World) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("Expired", {"deadline": thin.evm.timestamp - 1}),
        ("BadFraction", {"max_fraction": 0}),
        ("BadFraction", {"max_fraction": ONE + 1}),
        ("BadArgument", {"bidder": thin.account, "sender": thin.owner}),
        ("NotOwner", {"sender": thin.stranger}),
        ("CostLimit", {"cost_limit": 1}),
    ]
    for error, changed in cases:
        with reverts(error):
            take(thin, **changed)
        assert thin.standing() == THIN
        assert not thin.engine.frozen(thin.account)


# -- how much


def test_pre_liquidate__thin_account__lands_on_the_band(thin: World) -> None:
    quote = thin.auction.pre_quote(thin.account)
    receipt = take(thin)
    assert receipt.value == quote.cost
    assert receipt.events[-1].name in ("KeeperPaid", "PreLiquidated")
    after, goal = thin.standing(), NANO + PRE.pre_band
    assert (
        after.requirement * goal <= after.equity * NANO <= after.requirement * goal * 1_002 // 1_000
    )
    assert not thin.engine.frozen(thin.account)
    with reverts("OutsideBand"):
        take(thin)


def test_cap__any_hour__never_exceeded(thin: World) -> None:
    """P15: whenever slices come, those of any 3,600 seconds together stay within the cap."""
    rnd = random.Random(7)
    low = replace(THIN, equity=2_001 * USD)
    sold: list[tuple[int, int]] = []
    refused = 0
    for _ in range(150):
        thin.evm.advance(rnd.choice((1, 60, 300, 599, 601, 1_800)))
        thin.stand(low)
        wanted = rnd.choice((ONE, ONE // 20, ONE // 7))
        if thin.auction.pre_quote(thin.account).fraction == 0:
            with reverts("HourlyCap"):
                take(thin, max_fraction=wanted)
            refused += 1
            continue
        take(thin, max_fraction=wanted)
        sold.append((thin.evm.timestamp, thin.engine.last_terms().fraction))
        hour = sum(part for when, part in sold if when >= sold[-1][0] - 3_600)
        assert hour <= PRE.pre_cap * ONE // 10_000
    assert len(sold) > 20
    assert refused > 5


def test_pre_liquidate__leg_would_become_dust__bad_fraction(thin: World) -> None:
    thin.stand(replace(THIN, smallest=1_010))
    with reverts("BadFraction"):
        take(thin)
    thin.stand(replace(THIN, smallest=999))  # dust already
    take(thin)


# -- for how much


def test_curve__worse_than_the_auction__cannot_be_set(world: World) -> None:
    for changed in (
        {"pre_band": CURVE.buffer + 1},
        {"pre_premium": CURVE.x_start + 1},
        {"pre_fee": CURVE.fee + 1},
        {"pre_cap": 5_001},
        {"pre_cap": 0},
    ):
        with reverts("BadCurve"):
            world.set_curve(**(TERMS | changed))
        with pytest.raises(model.BadCurve):
            model.check(replace(PRE, **changed))


@pytest.mark.parametrize("seed", [1, 2])
def test_pre_liquidate__random_accounts__equal_the_model_and_never_worse_than_the_auction(
    thin: World, seed: int
) -> None:
    """P16: health rises. P20: keepers get a part of the fee. The owner loses no more per R sold,
    and no more of the account, than to the auction's first bid at the line."""
    rnd = random.Random(seed)
    print(f"seed {seed}")
    met = 0
    consent = pre.Consent(pre.ALWAYS)
    for _ in range(250):
        top = 1 + PRE.pre_band / NANO
        requirement = int(10 ** rnd.uniform(13, 21))
        part = rnd.choice((0, rnd.random(), 1))
        standing = Standing(
            equity=int(requirement * rnd.uniform(0.99, top + 0.01)),
            linear=requirement - int(requirement * part),
            superlinear=int(requirement * part),
            smallest=rnd.choice((999, 1_200, 10**6, 10**9)),
            state=rnd.choice((0,) * 9 + (2,)),
        )
        thin.evm.advance(rnd.choice((15, 400, 3_000, 9_000)))
        most = rnd.choice((ONE, ONE // 3, ONE // 50))
        thin.stand(standing)
        now, before = thin.evm.timestamp, thin.engine.budget()
        try:
            wanted = pre.slice_of(consent, standing, PRE, now, most)
        except pre.Refused as refused:
            with reverts(str(refused)):
                take(thin, max_fraction=most)
            continue
        paid_before = thin.paid(thin.liquidator)
        receipt = take(thin, max_fraction=most)
        terms, after = thin.engine.last_terms(), thin.standing()
        assert (terms.fraction, terms.discount, terms.fee) == (
            wanted.fraction,
            wanted.discount,
            wanted.fee,
        )
        assert (terms.bonus, terms.fund_limit, terms.insolvent, terms.free) == (0, 0, False, False)
        assert receipt.value == model.expected_cost(standing.equity, wanted)
        consent = consent.sold(wanted.fraction, now)
        assert thin.auction.pre_quote(thin.account).used == sum(consent.lanes) * pre.SHARE
        assert after.equity * standing.requirement >= standing.equity * after.requirement
        # Its own pay left the budget: what came in by the fee covers it.
        pay = thin.paid(thin.liquidator) - paid_before
        assert pay <= wanted.fee * PRE.keeper_share // 10_000
        assert thin.engine.budget() >= before
        first = model.slice_terms(replace(standing, equity=standing.requirement - 1), PRE, 0)
        lost, auctioned = wanted.discount + wanted.fee, first.discount + first.fee
        assert lost * first.fraction <= (auctioned + 2) * wanted.fraction
        assert wanted.fraction <= first.fraction
        met += 1
    assert met > 50


def test_pre_liquidate__by_the_owner_to_itself__loses_the_fee(thin: World) -> None:
    """P19: what one account loses the other gains, less the fee; pay is a part of it."""
    mine = account_of(thin.owner, 8)
    before, budget = thin.standing().equity, thin.engine.budget()
    receipt = take(thin, bidder=mine, sender=thin.owner)
    terms = thin.engine.last_terms()
    gained = before * terms.fraction // ONE - receipt.value
    lost = before - thin.standing().equity
    moved = before * terms.fraction // ONE
    assert lost - moved + receipt.value >= terms.fee > 0
    assert gained <= terms.discount
    assert thin.paid(thin.owner) < terms.fee
    assert thin.engine.budget() >= budget
