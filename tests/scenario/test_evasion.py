"""Deleveraging and charges cannot be dodged by moving lots about: what lots bear is borne by
whoever holds them, in however many accounts, to the unit. Every way is taken in the second before
the loss is recognised, when everybody knows of it. Rounding: a unit for every account that is
touched."""

from __future__ import annotations

import random

import pytest

from tests.scenario.losses import borne, doom, recognise, struck, tried, without_fees, worth
from tests.stage import ETH, USD, conserves, equity, fill, lots_of

HOLDING = 40  # ETH the holder is short


@pytest.fixture
def scene(house, maker, rival, liquidator):
    """A holder short 40 ETH among 1,800, half of them the doomed's; rival flat. The loss is about
    to be recognised."""
    without_fees(house)
    holder = house.actor("holder", quote=100_000)
    doomed = doom(house, maker)
    house.trade("ETH-PERP", maker, holder, HOLDING, 2_000)
    house.trade("ETH-PERP", liquidator, maker, 900, 2_000)
    house.deposit(rival, 200_000)
    house.engine.transfer(holder.id, holder.account(1), 40_000 * USD, sender=holder)
    struck(house, doomed)
    return holder, doomed


def everything(*actors):
    return [one for who in actors for one in (who.id, who.account(1))]


def test_charge__what_holding_still_costs__is_the_lots_share(house, scene, maker):
    holder, doomed = scene
    lost = borne(house, doomed, everything(holder))
    with tried(house):
        event = recognise(house, doomed.id)
        assert (event.charged, event.socialised) == (event.deficit, 0)
    assert abs(lost - event.charged * HOLDING // 1_800) <= 1


def test_rolling_to_a_sibling__bears_the_same_to_the_unit(house, scene):
    holder, doomed = scene
    still = borne(house, doomed, everything(holder))
    for size in (HOLDING, HOLDING // 2, "39.9"):
        rolled = borne(
            house,
            doomed,
            everything(holder),
            lambda size=size: house.trade("ETH-PERP", holder.id, holder.account(1), size, 1_750),
        )
        assert abs(rolled - still) <= 2


def test_closing_in_the_same_block__who_takes_the_lots_bears_what_they_bear(house, scene, rival):
    """The holder bears nothing, who took its lots all of it; together the same to the unit."""
    holder, doomed = scene
    both = everything(holder, rival)
    still = borne(house, doomed, both)

    def closes():
        house.trade("ETH-PERP", holder, rival, HOLDING, 1_750)

    assert abs(borne(house, doomed, both, closes) - still) <= 2
    assert abs(borne(house, doomed, everything(rival), closes) - still) <= 2


def test_closing_before_and_opening_after__in_one_block__only_moved_it(house, scene, rival):
    """Out before the loss, in again after it, against one partner: the pair bears the same."""
    holder, doomed = scene
    both = everything(holder, rival)
    still = borne(house, doomed, both)
    with tried(house):
        before = worth(house, both)
        house.trade("ETH-PERP", holder, rival, HOLDING, 1_750)
        recognise(house, doomed.id)
        left = -lots_of(house, rival.id)
        house.settle([(ETH, rival.id, holder.id, left, 1_750 * 10**9, 0)])
        assert abs(before - worth(house, both) - still) <= 4


def test_flipping_side__bears_the_same_with_whom_it_flipped_to(house, scene, rival):
    holder, doomed = scene
    both = everything(holder, rival)
    still = borne(house, doomed, both)

    def flips():
        house.trade("ETH-PERP", holder, rival, 2 * HOLDING, 1_750)

    # Long now, the holder is not charged; the rival is, for the lots it took and those it added.
    # Open interest grew by these; what is less than a tick a lot is socialised: under a millionth.
    flipped = borne(house, doomed, everything(holder), flips)
    taken = borne(house, doomed, everything(rival), flips)
    due = 2 * still * 1_800 // (1_800 + HOLDING)
    assert flipped < still // 10**6
    assert abs(taken - due) < still // 10**6


@pytest.mark.parametrize("amount", ["0.000001", 1, 10_000])
def test_depositing_before_and_after__changes_nothing(house, scene, amount):
    holder, doomed = scene
    still = borne(house, doomed, everything(holder))
    units = house.mint(holder, amount)
    house.mint(holder, amount)

    def deposits():
        house.engine.deposit(holder.id, units, sender=holder)

    with tried(house):
        before = worth(house, everything(holder))
        deposits()
        recognise(house, doomed.id)
        deposits()
        lost = before + 2 * units * 10**9 - worth(house, everything(holder))
    assert abs(lost - still) <= 4


def test_touching_before_and_after__dust_trades__change_nothing(house, scene, rival):
    """Trades of a few dollars around the loss, at mark: each touch rounds by a unit at most."""
    holder, doomed = scene
    both = everything(holder, rival)
    still = borne(house, doomed, both)

    def dust():
        house.settle([fill(house, holder, rival, "0.01", 1_750)])
        house.settle([fill(house, rival, holder, "0.01", 1_750)])

    with tried(house):
        before = worth(house, both)
        dust()
        recognise(house, doomed.id)
        dust()
        assert abs(before - worth(house, both) - still) <= 12


def test_charge__split_over_accounts_at_random__bears_the_same(house, maker):
    """Metamorphic: forty ETH in one account or in up to six, split at random, the lots uneven: what
    the owner bears and what lots it keeps differ by a unit and a lot for each account."""
    seed = random.Random().randrange(10**6)
    print(f"seed {seed}")
    rnd = random.Random(seed)
    without_fees(house)
    doomed = doom(house, maker)
    outcomes = []
    for number in range(12):
        with tried(house):
            count = 1 if number == 0 else rnd.randrange(2, 7)
            holder = house.actor(quote=400_000)
            accounts = [holder.account(i) for i in range(count)]
            for account in accounts[1:]:
                house.engine.transfer(holder.id, account, 60_000 * USD, sender=holder)
            cuts = sorted(rnd.sample(range(1, 40 * 10**6), count - 1))
            sizes = [b - a for a, b in zip([0, *cuts], [*cuts, 40 * 10**6], strict=True)]
            for account, size in zip(accounts, sizes, strict=True):
                house.govern("MarginEngine", "set_market", ETH, (2**40, 2**36, 1, 0, 0, 500, 0))
                if size * 2_000 * 10**9 < USD:  # under the least notional
                    continue
                house.settle([(ETH, maker.id, account, size, 2_000 * 10**9, 0)])
            struck(house, doomed)
            before = worth(house, accounts)
            recognise(house, doomed.id)
            outcomes.append(
                (
                    count,
                    before - worth(house, accounts),
                    sum(lots_of(house, one) for one in accounts),
                )
            )
    (_, lost, lots), *others = outcomes
    for count, other_lost, other_lots in others:
        assert abs(other_lost - lost) <= count + 1, f"seed {seed}: {outcomes}"
        assert abs(other_lots - lots) <= count, f"seed {seed}: {outcomes}"


def test_charge__from_a_holder_frozen_for_its_intent__bears_the_same(house, scene, liquidator):
    """Freezing oneself is no shelter either."""
    holder, doomed = scene
    still = borne(house, doomed, everything(holder))

    def promises():
        until = house.evm.timestamp + 86_400
        house.auction.commit_intent(
            holder.id, (10**6, 10**12, 0, until, True, 2**256 - 1), sender=holder
        )

    assert borne(house, doomed, everything(holder), promises) == still
    conserves(house)
    assert equity(house, liquidator.id) > 0
