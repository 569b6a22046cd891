"""Listing, terms, signers, the guardian: who may, and within which bounds."""

from dataclasses import astuple, replace

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.evm import Evm
from plimsoll.testing import reverts
from tests.unit.surfaces.conftest import DAY, EXPIRIES, FEED, INDEX, START, TERMS, flat

DAY_1, DAY_7, DAY_30, DAY_90 = EXPIRIES
THREE_DAYS = 3 * DAY


@pytest.mark.parametrize("role", ["guardian", "stranger"])
def test_governance__others__not_governance(world, role):
    world.open()
    sender = getattr(world, role)
    for function, args in (
        ("set_terms", (FEED, astuple(TERMS))),
        ("list_expiries", (FEED, [START + 2 * DAY])),
        ("unlist_expiry", (FEED, DAY_7)),
        ("add_signer_set", ([sender], 1)),
        ("set_guardian", (sender,)),
    ):
        with reverts("NotGovernance"):
            world.surfaces.method(function).transact(*args, sender=sender)
    with reverts("Error"):
        world.surfaces.transfer_ownership(sender, sender=sender)


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("signer_set", 1, 2),
        ("max_age", 1, 86_400),
        ("forward_band", 1, 5_000),
        ("forward_rate", 0, 20_000),
        ("min_volatility", 0, TERMS.max_volatility),
        ("max_volatility", TERMS.min_volatility, 100_000),
        ("max_slope", 1, 20_000),
    ],
)
def test_set_terms__each_bound__at_it_and_past_it(world, field, low, high):
    world.set_index(INDEX)
    for value in (low, high):
        terms = replace(TERMS, **{field: value})
        terms.check()
        world.surfaces.set_terms(FEED, astuple(terms), sender=world.governance)
    for value in (low - 1, high + 1, 2**256 - 1):
        if value >= 0:
            with reverts("BadParameter"):
                terms = astuple(replace(TERMS, **{field: value}))
                world.surfaces.set_terms(FEED, terms, sender=world.governance)


def test_set_terms__feed__known_to_the_oracle(world):
    for feed in (0, 65_536, 2**256 - 1):
        with reverts("BadArgument"):
            world.surfaces.set_terms(feed, astuple(TERMS), sender=world.governance)
    with reverts("NoPrice"):
        world.surfaces.set_terms(FEED, astuple(TERMS), sender=world.governance)
    for feed in (1, 65_535):
        world.open(feed=feed)
        world.submit(flat(DAY_7, 0.6), feed=feed)


def test_list_expiries__twelve__and_one_more(world):
    many = [START + days * DAY for days in (5, 3, 1, 12, 10, 8, 7, 2, 4, 6, 9, 11)]
    world.open(expiries=many)
    assert list(world.surfaces.expiries(FEED)) == sorted(many)
    with reverts("TooMany"):
        world.surfaces.list_expiries(FEED, [START + 13 * DAY], sender=world.governance)
    with reverts(""):
        more = [START + days * DAY for days in range(20, 33)]
        world.surfaces.list_expiries(FEED, more, sender=world.governance)
    world.submit(*(flat(expiry, 0.6) for expiry in sorted(many)))
    world.evm.advance(2 * DAY)
    world.check()
    fresh = [START + 13 * DAY, START + 14 * DAY]
    world.surfaces.list_expiries(FEED, fresh, sender=world.governance)
    world.twins[FEED].list_expiries(fresh, world.now)
    world.check()
    for passed in sorted(many)[:2]:
        assert list(world.surfaces.slice_words(FEED, passed)) == [0, 0]
    world.submit(flat(fresh[0], 0.6, world.now), flat(fresh[1], 0.6, world.now))


@pytest.mark.parametrize(
    ("expiry", "name"),
    [
        (DAY_7, "AlreadyListed"),
        (DAY_7 + 1, "BadArgument"),
        (DAY_7 + 900, "BadArgument"),
        (START, "Expired"),
        (START - 1_800, "Expired"),
        (0, "Expired"),
        (START + 750 * DAY, None),
        (START + 750 * DAY + 1_800, "BadArgument"),
        (2**256 - 2**256 % 1_800, "BadArgument"),
    ],
)
def test_list_expiries__one__on_the_grid_ahead_and_new(world, expiry, name):
    world.open()
    if name is None:
        world.surfaces.list_expiries(FEED, [expiry], sender=world.governance)
        assert expiry in world.surfaces.expiries(FEED)
        return
    with reverts(name):
        world.surfaces.list_expiries(FEED, [START + 2 * DAY, expiry], sender=world.governance)
    assert list(world.surfaces.expiries(FEED)) == list(EXPIRIES)


def test_list_expiries__twice_in_one_call__already_listed(world):
    world.open()
    with reverts("AlreadyListed"):
        world.surfaces.list_expiries(FEED, [DAY_90 + DAY] * 2, sender=world.governance)


def test_list_expiries__feed_without_terms__unknown_feed(world):
    for call, args in (("list_expiries", ([DAY_7],)), ("unlist_expiry", (DAY_7,))):
        with reverts("UnknownFeed"):
            world.surfaces.method(call).transact(9, *args, sender=world.governance)


def test_unlist_expiry__and_back__old_reports_stay_refused(world):
    twin = world.open()
    report = world.submit(*(flat(expiry, 0.6) for expiry in EXPIRIES))
    world.surfaces.unlist_expiry(FEED, DAY_7, sender=world.governance)
    twin.unlist_expiry(DAY_7)
    world.check()
    world.refused("UnknownExpiry", flat(DAY_7, 0.6))
    with reverts("UnknownExpiry"):
        world.surfaces.unlist_expiry(FEED, DAY_7, sender=world.governance)
    world.surfaces.list_expiries(FEED, [DAY_7], sender=world.governance)
    twin.list_expiries([DAY_7], world.now)
    assert world.surfaces.surface(FEED, DAY_7).state == 4
    alone = replace(report, slices=(flat(DAY_7, 0.6),))
    assert world.attempt(alone) == "OldReport"
    world.submit(flat(DAY_7, 0.6))


@pytest.mark.parametrize("role", ["guardian", "governance"])
def test_halt__guardian_or_owner__halted_until_its_end(world, role):
    twin = world.open()
    world.submit(flat(DAY_7, 0.6))
    world.surfaces.halt(FEED, 600, sender=getattr(world, role))
    twin.halt(600, world.now)
    world.check()
    assert world.surfaces.surface(FEED, DAY_7).state == 3
    world.refused("SurfaceHalted", flat(DAY_7, 0.6))
    world.surfaces.halt(FEED, 10, sender=world.guardian)  # shortens nothing
    twin.halt(10, world.now)
    world.evm.advance(599)
    world.check()
    world.refused("SurfaceHalted", flat(DAY_7, 0.6))
    world.surfaces.set_terms(FEED, astuple(TERMS), sender=world.governance)  # nor does this
    assert world.surfaces.surface(FEED, DAY_7).state == 3
    world.evm.advance(1)
    world.check()
    assert world.surfaces.surface(FEED, DAY_7).state == 0
    world.submit(flat(DAY_7, 0.7))


def test_halt__others_and_bounds__refused(world):
    world.open()
    with reverts("NotGuardian"):
        world.surfaces.halt(FEED, 600, sender=world.stranger)
    for duration in (0, THREE_DAYS + 1, 2**256 - 1):
        with reverts("BadArgument"):
            world.surfaces.halt(FEED, duration, sender=world.guardian)
    with reverts("UnknownFeed"):
        world.surfaces.halt(9, 600, sender=world.guardian)
    world.surfaces.halt(FEED, THREE_DAYS, sender=world.guardian)


def test_set_guardian__another__may_halt_at_once(world):
    world.open()
    with reverts("NullAddress"):
        world.surfaces.set_guardian("0x" + "00" * 20, sender=world.governance)
    world.surfaces.set_guardian(world.stranger, sender=world.governance)
    with reverts("NotGuardian"):
        world.surfaces.halt(FEED, 600, sender=world.guardian)
    world.surfaces.halt(FEED, 600, sender=world.stranger)


def test_ownership__two_steps(world):
    heir = world.evm.account()
    world.surfaces.transfer_ownership(heir, sender=world.governance)
    assert world.surfaces.owner() == world.governance
    world.surfaces.accept_ownership(sender=heir)
    assert world.surfaces.owner() == heir
    with reverts("NotGovernance"):
        world.surfaces.set_guardian(heir, sender=world.governance)


@pytest.mark.parametrize("empty", range(3))
def test_deploy__null_address__refused(empty):
    evm = Evm(timestamp=START)
    given = [evm.account() for _ in range(3)]
    given[empty] = "0x" + "00" * 20
    with reverts("NullAddress"):
        evm.deploy(compile_contract("ImpliedSurfaces"), *given)


def test_signers__of_a_set__read_back(world):
    assert [world.surfaces.threshold(number) for number in range(4)] == [0, 1, 2, 0]
    with reverts("BadQuorum"):
        world.surfaces.add_signer_set([world.stranger], 2, sender=world.governance)
    with reverts("BadSigner"):
        world.surfaces.add_signer_set([world.stranger] * 2, 1, sender=world.governance)
    assert not world.surfaces.is_signer(1, world.stranger)
