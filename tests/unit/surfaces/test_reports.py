"""Who may sign what, once, for which feed, expiry, chain and contract; and when."""

from dataclasses import replace

import pytest

from plimsoll.signed_reports import Signature
from plimsoll.signed_surfaces import SliceReport, sign
from plimsoll.testing import reverts
from tests.unit.surfaces.conftest import (
    DAY,
    EXPIRIES,
    FEED,
    KEYS,
    OTHER_FEED,
    START,
    TERMS,
    flat,
)

DAY_1, DAY_7, DAY_30, DAY_90 = EXPIRIES
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture
def opened(world):
    world.open(signer_set=2)
    return world


def signatures(world, report, keys=KEYS[:2], chain_id=None, at=None):
    chain_id = chain_id or world.evm.chain_id
    return sign(report, keys, chain_id, at or world.surfaces.address)


def send(world, report, given):
    return world.surfaces.submit(*report.arguments(given), sender=world.stranger)


@pytest.mark.parametrize("keys", [KEYS[:2], KEYS[1:3], KEYS[:3]])
def test_submit__enough_signers__taken(opened, keys):
    report = opened.report(flat(DAY_7, 0.6))
    receipt = send(opened, report, signatures(opened, report, keys))
    assert receipt.success
    found = opened.surfaces.surface(FEED, DAY_7)
    assert (found.time, found.sequence, found.state) == (opened.now, report.sequence, 0)


def test_submit__signatures__each_refused_by_name(opened):
    report = opened.report(flat(DAY_7, 0.6))
    first, second = signatures(opened, report)
    s = CURVE_ORDER - int.from_bytes(first.data[32:64], "big")
    twin = first.data[:32] + s.to_bytes(32, "big") + bytes([55 - first.data[64]])
    stranger = signatures(opened, report, [*KEYS[:2], KEYS[5]])
    nobody = Signature("0x" + "00" * 20, bytes(65))
    for given, name in (
        ([], "BadQuorum"),
        ([first], "BadQuorum"),
        ([first, first], "BadSigner"),
        ([second, first], "BadSigner"),
        (stranger, "BadSigner"),
        ([nobody, first, second], "BadSigner"),
        ([replace(first, data=twin), second], "BadSignature"),
        ([replace(first, data=first.data[:64] + b"\0"), second], "BadSignature"),
    ):
        with reverts(name):
            send(opened, report, given)
    send(opened, report, [first, second])


@pytest.mark.parametrize("field", ["feed", "time", "sequence"])
def test_submit__other_head_signed__bad_signature(opened, field):
    report = opened.report(flat(DAY_7, 0.6))
    other = replace(report, **{field: getattr(report, field) - 1})
    with reverts("BadSignature"):
        send(opened, report, signatures(opened, other))


@pytest.mark.parametrize("field", ["expiry", "forward", "a", "b", "rho", "m", "sigma"])
def test_submit__other_slice_signed__bad_signature(opened, field):
    one = flat(DAY_7, 0.6)
    report = opened.report(one)
    other = replace(report, slices=(replace(one, **{field: getattr(one, field) + 1}),))
    with reverts("BadSignature"):
        send(opened, report, signatures(opened, other))


def test_submit__part_of_a_report__bad_signature(opened):
    """What was signed together cannot be taken apart, added to or reordered."""
    slices = tuple(flat(expiry, 0.6) for expiry in EXPIRIES)
    report = opened.report(*slices[:3])
    given = signatures(opened, report)
    for wrong in (slices[:2], slices[1:3], slices, (slices[1], slices[0], slices[2])):
        with reverts("BadSignature"):
            send(opened, replace(report, slices=wrong), given)


def test_submit__other_feed__bad_signature(opened):
    opened.open(feed=OTHER_FEED, signer_set=2)
    report = opened.report(flat(DAY_7, 0.6))
    given = signatures(opened, report)
    send(opened, report, given)
    with reverts("BadSignature"):
        send(opened, replace(report, feed=OTHER_FEED), given)


def test_submit__other_expiry__bad_signature(opened):
    report = opened.report(flat(DAY_7, 0.6))
    given = signatures(opened, report)
    moved = replace(report.slices[0], expiry=DAY_30)
    with reverts("BadSignature"):
        send(opened, replace(report, slices=(moved,)), given)


def test_submit__other_chain_or_contract__bad_signature(opened):
    report = opened.report(flat(DAY_7, 0.6))
    for given in (
        signatures(opened, report, chain_id=opened.evm.chain_id + 1),
        signatures(opened, report, at="0x" + "11" * 20),
        signatures(opened, report, at=opened.index.address),
    ):
        with reverts("BadSignature"):
            send(opened, report, given)


def test_submit__replay__old_report(world):
    world.open()
    report = world.submit(flat(DAY_7, 0.6))
    assert world.attempt(report) == "OldReport"
    world.evm.advance(10)
    world.submit(flat(DAY_7, 0.7))
    assert world.attempt(report) == "OldReport"


@pytest.mark.parametrize(
    ("sequence", "ahead", "name"),
    [(5, 1, "OldReport"), (4, 1, "OldReport"), (6, -1, "OldReport"), (6, 0, None), (9, 1, None)],
)
def test_submit__order__sequence_rises_and_time_never_falls(world, sequence, ahead, name):
    world.open()
    one = flat(DAY_7, 0.6)
    first = world.report(one, sequence=5)
    assert world.attempt(first) is None
    world.evm.advance(10)
    later = world.report(one, sequence=sequence, time=first.time + ahead)
    assert world.attempt(later) == name


def test_submit__one_old_slice_among_new__nothing_kept(world):
    world.open()
    world.submit(flat(DAY_30, 0.6))
    report = world.report(flat(DAY_7, 0.6), flat(DAY_30, 0.6), sequence=world.sequence)
    assert world.attempt(replace(report, sequence=report.sequence - 1)) == "OldReport"
    assert world.surfaces.surface(FEED, DAY_7).state == 4


@pytest.mark.parametrize(
    ("age", "name"), [(-1, "FutureReport"), (0, None), (3_600, None), (3_601, "OldReport")]
)
def test_submit__time__within_its_age_limit(world, age, name):
    world.open()
    world.evm.advance(4_000)
    assert world.attempt(world.report(flat(DAY_7, 0.6), time=world.now - age)) == name


@pytest.mark.parametrize(
    ("sequence", "name"), [(0, "OldReport"), (2**64 - 1, None), (2**64, "OutOfRange")]
)
def test_submit__sequence__at_its_ends(world, sequence, name):
    world.open()
    assert world.attempt(world.report(flat(DAY_7, 0.6), sequence=sequence)) == name


def test_submit__misshapen__bad_argument(world):
    world.open()
    world.refused("BadArgument")
    one, two = flat(DAY_7, 0.6), flat(DAY_30, 0.6)
    world.refused("BadArgument", two, one)
    world.refused("BadArgument", one, one)
    report = world.report(one)
    args = world.arguments(report)
    for cut in (1, 84, 86):
        with reverts("BadArgument"):
            world.surfaces.submit(*args[:4], (args[4] * 2)[:cut])


def test_submit__expiry__listed_and_ahead(world):
    world.open()
    for wrong in (DAY_7 + 1, DAY_7 + 1_800, DAY_7 - 1_800, 2**32, 2**256 - 1):
        world.refused("UnknownExpiry", replace(flat(DAY_7, 0.6), expiry=wrong))
    world.evm.advance(DAY_1 - world.now)
    world.refused("Expired", flat(DAY_1, 0.6))
    assert world.surfaces.surface(FEED, DAY_1).state == 4


def test_submit__unknown_feed__refused(world):
    world.open()
    with reverts("UnknownFeed"):
        world.send(world.report(flat(DAY_7, 0.6), feed=9))


def test_submit__arrays__at_and_past_their_bounds(world):
    expiries = [START + days * DAY for days in range(1, 13)]
    world.open(expiries=expiries)
    slices = [flat(expiry, 0.6) for expiry in expiries]
    world.submit(*slices)
    more = world.report(*slices, flat(START + 13 * DAY, 0.6))
    with reverts(""):
        world.send(more)


def test_submit__signatures__at_and_past_their_bound(world):
    addresses = sorted(
        (one.signer for one in sign(world.report(), KEYS[:9], 1, "0x" + "11" * 20)),
        key=lambda one: int(one, 16),
    )
    receipt = world.surfaces.add_signer_set(addresses, 8, sender=world.governance)
    world.open(signer_set=int(receipt.value))
    report = world.report(flat(DAY_7, 0.6))
    with reverts(""):
        world.send(report, KEYS[:9])
    world.send(report, KEYS[:8])


def test_submit__rotated_out_signer__bad_signer(world):
    world.open()
    receipt = world.surfaces.add_signer_set(
        [sign(world.report(), KEYS[5:6], 1, "0x" + "11" * 20)[0].signer],
        1,
        sender=world.governance,
    )
    terms = tuple(replace(TERMS, signer_set=int(receipt.value)).__dict__.values())
    world.surfaces.set_terms(FEED, terms, sender=world.governance)
    report = world.report(flat(DAY_7, 0.6))
    with reverts("BadSigner"):
        world.send(report)
    world.send(report, KEYS[5:6])


def test_submit__contract_signer__erc1271(world):
    from eth_account import Account

    from plimsoll.compiler import compile_contract
    from plimsoll.deployment.house import TEST_CONTRACTS

    mock = compile_contract("MockSigner", contracts=TEST_CONTRACTS)
    wallet = world.evm.deploy(mock, Account.from_key(KEYS[0]).address)
    receipt = world.surfaces.add_signer_set([wallet.address], 1, sender=world.governance)
    world.open(signer_set=int(receipt.value))
    report = world.report(flat(DAY_7, 0.6))
    (good,), (bad,) = (signatures(world, report, [key]) for key in KEYS[:2])
    with reverts("BadSignature"):
        send(world, report, [replace(bad, signer=wallet.address)])
    args = world.arguments(world.report(flat(DAY_30, 0.6)))
    wallet.call_back(world.surfaces.address, world.surfaces.submit.pack(*args))
    with reverts("BadSignature"):  # the nested submit meets a static call and the lock
        send(world, report, [replace(good, signer=wallet.address)])
    plain = world.evm.deploy(mock, Account.from_key(KEYS[0]).address)
    receipt = world.surfaces.add_signer_set([plain.address], 1, sender=world.governance)
    world.open(feed=OTHER_FEED, signer_set=int(receipt.value))
    report = world.report(flat(DAY_7, 0.6), feed=OTHER_FEED)
    (good,) = signatures(world, report, KEYS[:1])
    send(world, report, [replace(good, signer=plain.address)])
    assert world.surfaces.surface(OTHER_FEED, DAY_7).state == 0


def test_state__age__ok_then_stale_then_gone(world):
    world.open()
    world.submit(flat(DAY_1, 0.6))
    for ahead, state in ((3_600, 0), (1, 2), (DAY - 3_602, 2), (1, 4)):
        world.evm.advance(ahead)
        assert world.surfaces.surface(FEED, DAY_1).state == state
        world.check()


def test_surface__never_there__absent_and_no_surface(world):
    world.open()
    for feed, expiry in ((FEED, DAY_7), (9, DAY_7), (2**256 - 1, DAY_7), (FEED, 2**255), (0, 0)):
        found = world.surfaces.surface(feed, expiry)
        assert tuple(found) == (0, 0, 0, 0, 0, 0, 0, 0, 4)
        with reverts("NoSurface"):
            world.surfaces.total_variance(feed, expiry, 0)
        with reverts("NoSurface"):
            world.surfaces.implied_at_the_money(feed, expiry)
    assert list(world.surfaces.expiries(2**256 - 1)) == []


def test_key__feeds_and_expiries__never_share_words(world):
    """A feed past 16 bits cannot be opened, so feed and expiry fill their own halves of a key."""
    world.open()
    world.submit(SliceReport(DAY_7, *list(flat(DAY_7, 0.6).__dict__.values())[1:]))
    mixed = (FEED << 32 | DAY_7) - (OTHER_FEED << 32)
    with reverts("BadArgument"):
        world.surfaces.slice_words(OTHER_FEED, mixed % 2**256)
    assert world.surfaces.surface(OTHER_FEED, mixed % 2**256).state == 4
