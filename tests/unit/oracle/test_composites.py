"""Sources that go through another feed of the adapter: new when either leg is, old as the older."""

import pytest

LEG, FEED, USD = 3, 7, 10**9
RATE = 11 * 10**7  # 1.1


@pytest.fixture
def trio(world):
    """Three aggregators of the leg, and a feed of one aggregator that goes through it."""
    aggregators = [world.aggregator() for _ in range(3)]
    world.list(aggregators, feed=LEG)
    world.rate = world.aggregator(RATE)
    world.list([world.rate], quorum=1, twists={0: {"via": LEG}})
    return aggregators


def prices(world):
    return world.price(LEG) // USD, world.price(FEED) // USD


def test_poke__one_source_of_the_leg_lags__composite_follows_the_leg(world, trio):
    listed = world.now
    for price in (1_990, 1_960, 1_940, 1_920):
        world.evm.advance(60)
        for aggregator in trio[:2]:
            aggregator.set_answer(price * 10**8)
        world.poke(LEG)
        world.poke(FEED)
        assert prices(world) == (price, price * 11 // 10)
        assert world.oracle.read(FEED).timestamp == listed  # as old as its oldest part


def test_poke__leg_poked_again_within_its_second__composite_takes_that_from_the_next_on(
    world, trio
):
    world.evm.advance(60)
    world.poke(LEG)
    world.poke(FEED)
    for aggregator in trio[:2]:
        aggregator.set_answer(1_920 * 10**8)
    world.poke(LEG)
    world.poke(FEED)
    assert prices(world) == (2_000, 2_200)
    world.evm.advance(1)
    world.poke(FEED)
    assert prices(world) == (1_920, 2_112)


def test_poke__own_answer_goes_back_while_the_leg_goes_on__kept(world, trio):
    old = world.now
    world.evm.advance(60)
    world.rate.set_answer(RATE + 10**6)
    world.poke(LEG)
    world.poke(FEED)
    at = world.price(FEED)
    world.evm.advance(60)
    for aggregator in trio:
        aggregator.set_answer(1_990 * 10**8)
    world.rate.set_round(9, RATE, old)
    world.poke(LEG)
    world.poke(FEED)
    assert world.price(FEED) == at
