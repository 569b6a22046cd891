"""Pyth updates that ride in a poke: the fee exactly, the rest back, nothing half applied."""

import pytest

from plimsoll.testing import reverts

FEED, USD, FEE = 7, 10**9, 77
PRICE = 2_000 * 10**8
ETH_ID, BTC_ID = (1).to_bytes(32, "big"), (2).to_bytes(32, "big")
OK, DEGRADED, STALE = range(3)
PURSE = 10**18


@pytest.fixture
def pyth(world, pyth_artifact):
    return world.evm.deploy(pyth_artifact, 60, FEE)


def encoded(world, pyth, price=PRICE, time=None, id=ETH_ID, expo=-8, confidence=10**8):
    time = world.now if time is None else time
    terms = id, price, confidence, expo, price, confidence, time, time - 1
    return pyth.createPriceFeedUpdateData(*terms)


def publish(world, pyth, **terms):
    pyth.updatePriceFeeds([encoded(world, pyth, **terms)], value=FEE)


def list_it(world, pyth, *others, id=ETH_ID, **changes):
    """A feed with Pyth first and then aggregators."""
    publish(world, pyth, id=id)
    source = world.source(pyth, kind=3, max_conf=50, extra=int.from_bytes(id, "big"), **changes)
    sources = [source, *(world.source(one) for one in others)]
    world.oracle.list_feed(FEED, world.terms(quorum=1), sources, 10**11, sender=world.governance)
    world.oracle.poke(FEED, b"")


def test_poke__update_with_more_than_the_fee__price_taken_and_the_rest_back(world, pyth):
    list_it(world, pyth)
    world.evm.advance(15)
    before = world.evm.balance(world.stranger)
    update = b"\x00" + encoded(world, pyth, price=PRICE + 10**8)
    world.oracle.poke(FEED, update, sender=world.stranger, value=1_000)
    assert before - world.evm.balance(world.stranger) == FEE
    assert world.evm.balance(world.oracle.address) == 0
    assert (world.price(), world.state()) == (2_001 * USD, OK)


@pytest.mark.parametrize("value", [0, FEE - 1])
def test_poke__fee_short__refused_and_nothing_kept(world, pyth, value):
    list_it(world, pyth)
    world.evm.advance(15)
    update = b"\x00" + encoded(world, pyth, price=PRICE + 10**8)
    with reverts("FeeShort"):
        world.oracle.poke(FEED, update, sender=world.stranger, value=value)
    assert world.price() == 2_000 * USD


def test_poke__fee_exact__nothing_back(world, pyth):
    list_it(world, pyth)
    world.evm.advance(15)
    world.oracle.poke(FEED, b"\x00" + encoded(world, pyth), value=FEE)


def test_poke__update_for_a_source_that_takes_none__refused(world, pyth):
    list_it(world, pyth, world.aggregator())
    for index in (1, 2, 255):
        with reverts("BadSource"):
            world.oracle.poke(FEED, bytes([index]) + encoded(world, pyth), value=FEE)


def test_poke__older_update__changes_nothing(world, pyth):
    list_it(world, pyth)
    world.evm.advance(60)
    world.oracle.poke(FEED, b"\x00" + encoded(world, pyth, price=PRICE + 10**8), value=FEE)
    world.evm.advance(15)
    late = encoded(world, pyth, price=PRICE - 10**9, time=world.now - 60)
    world.oracle.poke(FEED, b"\x00" + late, value=FEE)
    assert world.price() == 2_001 * USD


def test_poke__update_of_another_price__changes_nothing(world, pyth):
    list_it(world, pyth)
    publish(world, pyth, id=BTC_ID, price=10**12)
    world.evm.advance(15)
    other = encoded(world, pyth, price=9 * 10**11, id=BTC_ID)
    world.oracle.poke(FEED, b"\x00" + other, value=FEE)
    assert world.price() == 2_000 * USD


def test_poke__update_misshapen__refused_by_pyth_and_nothing_kept(world, pyth):
    list_it(world, pyth)
    kept = world.oracle.source_words(FEED, 0)
    for junk in (bytes(31), bytes(200)):
        with pytest.raises(Exception, match=r"."):
            world.oracle.poke(FEED, b"\x00" + junk, value=FEE)
    assert world.oracle.source_words(FEED, 0) == kept


def test_poke__value_without_an_update__refused(world, pyth):
    list_it(world, pyth)
    with reverts("BadArgument"):
        world.oracle.poke(FEED, b"", value=1)


def test_poke__pyth_moved_by_somebody_else__read_at_the_next_poke(world, pyth):
    list_it(world, pyth)
    world.evm.advance(15)
    publish(world, pyth, price=PRICE + 3 * 10**8)
    world.oracle.poke(FEED, b"")
    assert world.price() == 2_003 * USD


@pytest.mark.parametrize(("confidence", "taken"), [(PRICE // 200, True), (PRICE // 200 + 1, False)])
def test_poke__confidence_at_its_bound_and_past(world, pyth, confidence, taken):
    list_it(world, pyth)
    world.evm.advance(15)
    update = encoded(world, pyth, price=PRICE, confidence=confidence)
    world.oracle.poke(FEED, b"\x00" + update, value=FEE)
    time = world.oracle.source_words(FEED, 0)[1] >> 56 & 2**32 - 1
    assert (time == world.now) == taken


def test_poke__largest_update__in_and_one_byte_more__not(world, pyth):
    list_it(world, pyth)
    blob = b"\x00" + encoded(world, pyth)
    world.evm.advance(15)
    with pytest.raises(Exception, match=r"."):
        world.oracle.poke(FEED, blob + bytes(2_049 - len(blob)), value=FEE)
    world.oracle.poke(FEED, blob + bytes(2_048 - len(blob)), value=FEE)


def test_list_feed__pyth_claims_that_cannot_work__refused(world, pyth):
    publish(world, pyth)
    terms = world.terms(quorum=1)
    for name, changes in (
        ("BadSource", {"extra": 0}),
        ("NoSoundAnswer", {"extra": 9}),  # never published
        ("BadSource", {"max_conf": 0}),
        ("BadSource", {"max_conf": 4_096}),
        ("BadSource", {"factory": pyth.address}),
    ):
        source = world.source(pyth, **({"kind": 3, "max_conf": 50, "extra": 1} | changes))
        with reverts(name):
            world.oracle.list_feed(FEED, terms, [source], 10**11, sender=world.governance)
    one, two = (world.source(pyth, kind=3, max_conf=50 + n, extra=1) for n in range(2))
    with reverts("SourceTwice"):  # one price twice is no quorum
        world.oracle.list_feed(FEED, terms, [one, two], 10**11, sender=world.governance)
    publish(world, pyth, id=BTC_ID)
    other = world.source(pyth, kind=3, max_conf=50, extra=2)
    world.oracle.list_feed(FEED, terms, [one, other], 10**11, sender=world.governance)
