"""Listing refuses what cannot work, setters say old and new, roles hold."""

import re

import pytest

from plimsoll.compiler import PROJECT_ROOT, compile_contract
from plimsoll.testing import reverts

FEED, USD = 7, 10**9
OK, DEGRADED, STALE, HALTED = range(4)
KEY = f"0x{1_001:064x}"
ZERO = "0x" + "00" * 20


def terms_of(world, feed=FEED, **changes):
    return tuple({**world.feeds[feed].terms.__dict__, **changes}.values())


def test_list_feed__sound__priced_at_once(world):
    world.list([world.aggregator() for _ in range(3)])
    assert (world.state(), world.price()) == (OK, 2_000 * USD)


def test_list_feed__reports_only__no_price_until_the_first(world):
    world.list([world.signer_set([KEY], 1)], quorum=1)
    for view in (world.oracle.word, world.oracle.latest, world.oracle.read):
        with reverts("NoPrice"):
            view(FEED)
    world.oracle.poke(FEED, b"")
    with reverts("NoPrice"):
        world.oracle.settlement_price(FEED)
    with reverts("NoPrice"):
        world.oracle.halt(FEED, 60, sender=world.guardian)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("BadQuorum", {"quorum": 0}),
        ("BadQuorum", {"quorum": 3}),
        ("BadParameter", {"half_band": 0}),
        ("BadParameter", {"half_band": 501}),
        ("BadParameter", {"half_band": 101}),
        ("BadParameter", {"band": 501}),
        ("BadParameter", {"halt_band": 4_001}),
        ("BadParameter", {"jump_base": 0}),
        ("BadParameter", {"jump_base": 10_000}),
        ("BadParameter", {"jump_rate": 0}),
        ("BadParameter", {"jump_rate": 1_000_001}),
        ("BadParameter", {"confirm": 0}),
        ("BadParameter", {"confirm": 3_601}),
        ("BadParameter", {"premium_clamp": 131_072}),
        ("BadParameter", {"premium_tau": 0}),
        ("BadParameter", {"premium_tau": 14_401}),
        ("BadParameter", {"variance_tau": 0}),
        ("BadParameter", {"variance_tau": 14_401}),
        ("BadParameter", {"spacing": 0}),
        ("BadParameter", {"spacing": 3_601}),
        ("BadParameter", {"sigma_cap": 0}),
        ("BadParameter", {"sigma_cap": 2_001}),
        ("BadParameter", {"min_price": 0}),
        ("BadParameter", {"max_price": 0}),
        ("BadParameter", {"min_price": 10**15}),
        ("BadParameter", {"max_price": 2**55}),
        ("BadParameter", {"variance": 0}),
        ("BadParameter", {"variance": 400 * 10**12 + 1}),
    ],
)
def test_list_feed__parameter_out_of_bounds__refused(world, name, changes):
    pair = [world.aggregator(), world.aggregator()]
    with reverts(name):
        world.list_only(pair, **changes)


def test_list_feed__quorum_not_answering_in_bounds__refused(world):
    good, wild = world.aggregator(), world.aggregator(10**15)
    with reverts("NoSoundAnswer"):
        world.list_only([good, wild])
    far = world.aggregator(3_000 * 10**8)
    with reverts("SourcesApart"):
        world.list_only([good, far])
    world.evm.advance(3_601)
    with reverts("NoSoundAnswer"):
        world.list_only([good, world.aggregator()])


def test_list_feed__wrong_source__refused(world):
    other_reasons = {
        ("target", world.oracle.address): "BadDecimals",
        ("via", FEED - 1): "NoSoundAnswer",
    }
    good = world.aggregator()
    number = world.signer_set([KEY], 1)
    terms = world.terms(quorum=1)
    for changes in (
        {"target": world.stranger},
        {"target": ZERO},
        {"target": world.oracle.address},  # has no decimals
        {"signer_set": number},
        {"max_age": 0},
        {"max_age": 131_072},
        {"max_conf": 1},
        {"extra": 1},
        {"factory": good.address},
        {"via": FEED},
        {"via": FEED + 1},
        {"via": FEED - 1},  # not listed
        {"kind": 0},
        {"kind": 7},
        {"kind": 2, "target": ZERO, "signer_set": number + 1},
        {"kind": 2, "target": ZERO, "signer_set": 0},
        {"kind": 2, "signer_set": number},
        {"kind": 2, "target": ZERO, "signer_set": number, "inverse": True},
        {"kind": 2, "target": ZERO, "signer_set": number, "via": 1},
    ):
        bad = world.source(good, **changes)
        with reverts(other_reasons.get(next(iter(changes.items())), "BadSource")):
            world.oracle.list_feed(FEED, terms, [bad], 10**10, sender=world.governance)
    with reverts("SourceTwice"):  # the same feed twice is not a quorum
        world.list_only([good, good])
    with reverts("BadQuorum"):
        world.list_only([], quorum=1)


def test_list_feed__six_sources__refused(world):
    with reverts(""):
        world.list_only([world.aggregator() for _ in range(6)])
    world.list([world.aggregator() for _ in range(5)])


def test_list_feed__id__in_range_and_never_reused(world):
    pair = [world.aggregator(), world.aggregator()]
    for feed in (0, 65_536, 2**200):
        with reverts("BadArgument"):
            world.list_only(pair, feed=feed)
    for feed in (1, 65_535):
        world.list(pair, feed=feed)
        with reverts("AlreadyListed"):
            world.list_only(pair, feed=feed)


def test_set_terms__owner__old_and_new_in_the_event(world):
    world.list([world.aggregator(), world.aggregator()])
    old = world.oracle.feed_words(FEED)[2]
    receipt = world.oracle.set_terms(FEED, terms_of(world, confirm=120), sender=world.governance)
    event = receipt.event("TermsChanged")
    assert (event.old_terms, event.new_terms) == (old, world.oracle.feed_words(FEED)[2])
    assert event.new_terms >> 76 & 2**12 - 1 == 120
    with reverts("BadQuorum"):
        world.oracle.set_terms(FEED, terms_of(world, quorum=3), sender=world.governance)


def test_set_sources__one_replaced__others_keep_their_data(world):
    pair = [world.aggregator(), world.aggregator()]
    world.list(pair)
    world.evm.advance(30)
    fresh = world.aggregator(2_004 * 10**8)
    sources = [world.source(target) for target in (pair[0], fresh)]
    kept = world.oracle.source_words(FEED, 0)
    receipt = world.oracle.set_sources(FEED, terms_of(world), sources, sender=world.governance)
    change = receipt.event("SourceChanged")
    assert change.source == 1
    assert change.new_source == world.oracle.source_words(FEED, 1)[0] != change.old_source
    assert world.oracle.source_words(FEED, 0) == kept
    world.evm.advance(1)
    world.oracle.poke(FEED, b"")
    assert world.price() == 2_002 * USD


def test_set_sources__fewer__slots_cleared(world):
    trio = [world.aggregator() for _ in range(3)]
    world.list(trio)
    world.oracle.set_sources(
        FEED,
        terms_of(world),
        [world.source(target) for target in trio[:2]],
        sender=world.governance,
    )
    assert world.oracle.source_words(FEED, 2) == [0, 0, 0]
    world.evm.advance(1)
    world.oracle.poke(FEED, b"")
    assert world.state() == OK


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("set_guardian", ("0x" + "11" * 20,)),
        ("add_signer_set", (["0x" + "11" * 20], 1)),
        ("set_terms", (FEED, None)),
        ("set_sources", (FEED, None, [])),
        ("list_feed", (FEED + 1, None, [], 1)),
    ],
)
def test_setter__not_the_owner__refused(world, name, args):
    world.list([world.aggregator(), world.aggregator()])
    args = tuple(terms_of(world) if arg is None else arg for arg in args)
    for actor in (world.stranger, world.guardian):
        with reverts("NotGovernance"):
            world.oracle.method(name)(*args, sender=actor)


def test_set_guardian__owner__old_and_new(world):
    receipt = world.oracle.set_guardian(world.stranger, sender=world.governance)
    event = receipt.event("GuardianChanged")
    assert (event.old_guardian, event.new_guardian) == (world.guardian, world.stranger)
    assert world.oracle.guardian() == world.stranger
    with reverts("NullAddress"):
        world.oracle.set_guardian(ZERO, sender=world.governance)


def test_ownership__two_steps(world):
    world.oracle.transfer_ownership(world.stranger, sender=world.governance)
    assert world.oracle.owner() == world.governance
    world.oracle.accept_ownership(sender=world.stranger)
    assert world.oracle.owner() == world.stranger


def test_deploy__null_address__refused(world):
    artifact = compile_contract("OracleAdapter")
    sound = [world.governance, world.guardian, world.oracle.address]
    for place in range(3):
        with reverts("NullAddress"):
            world.evm.deploy(artifact, *sound[:place], ZERO, *sound[place + 1 :])


def test_size__on_chain__within_the_bar():
    for part in ("OracleAdapter", "OracleAdmin"):
        assert compile_contract(part).runtime_size <= 23_000


def test_adapter__both_bytecodes_together__answer_the_whole_interface(world):
    """What `implements` would check, were it one bytecode."""
    text = (PROJECT_ROOT / "contracts/interfaces/IOracleAdapter.vyi").read_text()
    wanted = set(re.findall(r"^def (\w+)\(", text, re.MULTILINE))
    have = {entry["name"] for entry in world.oracle.abi if entry["type"] == "function"}
    assert wanted
    assert wanted <= have
