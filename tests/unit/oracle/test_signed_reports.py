"""Signed reports: who may sign what, once, for which feed, source, chain and contract."""

from dataclasses import replace

import pytest

from plimsoll.model import oracle as model
from plimsoll.signed_reports import PriceReport, Signature, encode_update, sign
from plimsoll.testing import reverts

FEED, USD = 7, 10**9
KEYS = [f"0x{n:064x}" for n in range(1_001, 1_010)]
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture
def report(world):
    """A sound report of a feed with one signed source, two of three signers."""
    world.list([world.signer_set(KEYS[:3], 2)], quorum=1, max_age=600)
    return PriceReport(FEED, 0, 2_000 * USD, world.now, 5, 1_000)


def signatures(world, report, keys, chain_id=None, adapter=None):
    return sign(report, keys, chain_id or world.evm.chain_id, adapter or world.oracle.address)


def send(world, report, given):
    return world.oracle.poke(FEED, encode_update(report, given), sender=world.stranger)


@pytest.mark.parametrize("keys", [KEYS[:2], KEYS[1:3], KEYS[:3]])
def test_poke__enough_signers__price_taken(world, report, keys):
    world.poke(report=report, keys=keys)
    reading = world.oracle.read(FEED)
    assert (reading.price, reading.timestamp, reading.state) == (2_000 * USD, world.now, 0)


def test_poke__threshold_minus_one__bad_quorum(world, report):
    with reverts("BadQuorum"):
        send(world, report, signatures(world, report, KEYS[:1]))


def test_poke__duplicate_signer__bad_signer(world, report):
    (one,) = signatures(world, report, KEYS[:1])
    with reverts("BadSigner"):
        send(world, report, [one, one])


def test_poke__unsorted__bad_signer(world, report):
    with reverts("BadSigner"):
        send(world, report, signatures(world, report, KEYS[:2])[::-1])


def test_poke__stranger_among_signers__bad_signer(world, report):
    with reverts("BadSigner"):
        send(world, report, signatures(world, report, [*KEYS[:2], KEYS[5]]))


def test_poke__zero_signer__bad_signer(world, report):
    given = signatures(world, report, KEYS[:2])
    nobody = Signature("0x" + "00" * 20, bytes(65))
    with reverts("BadSigner"):
        send(world, report, [nobody, *given])


def test_poke__high_s_twin__bad_signature(world, report):
    first, second = signatures(world, report, KEYS[:2])
    s = CURVE_ORDER - int.from_bytes(first.data[32:64], "big")
    twin = first.data[:32] + s.to_bytes(32, "big") + bytes([55 - first.data[64]])
    with reverts("BadSignature"):
        send(world, report, [replace(first, data=twin), second])


@pytest.mark.parametrize("v", [0, 1, 26, 29, 255])
def test_poke__wrong_v__bad_signature(world, report, v):
    first, second = signatures(world, report, KEYS[:2])
    with reverts("BadSignature"):
        send(world, report, [replace(first, data=first.data[:64] + bytes([v])), second])


@pytest.mark.parametrize("field", ["price", "time", "sequence", "premium", "feed", "source"])
def test_poke__other_field_signed__bad_signature(world, report, field):
    step = -1 if field == "time" else 1
    other = replace(report, **{field: getattr(report, field) + step})
    with reverts("BadSignature"):
        send(world, report, signatures(world, other, KEYS[:2]))


def test_poke__other_chain__bad_signature(world, report):
    given = signatures(world, report, KEYS[:2], chain_id=world.evm.chain_id + 1)
    with reverts("BadSignature"):
        send(world, report, given)


def test_poke__other_adapter__bad_signature(world, report):
    given = signatures(world, report, KEYS[:2], adapter="0x" + "11" * 20)
    with reverts("BadSignature"):
        send(world, report, given)


def test_poke__replay__old_report(world, report):
    world.poke(report=report, keys=KEYS[:2])
    with reverts("OldReport"):
        send(world, report, signatures(world, report, KEYS[:2]))


@pytest.mark.parametrize(
    ("sequence", "ahead", "name"),
    [(5, 1, "OldReport"), (4, 1, "OldReport"), (6, -1, "OldReport"), (6, 0, ""), (6, 1, "")],
)
def test_poke__order__sequence_rises_and_time_never_falls(world, report, sequence, ahead, name):
    world.poke(report=report, keys=KEYS[:2])
    world.evm.advance(10)
    later = replace(report, sequence=sequence, time=report.time + ahead)
    if not name:
        world.poke(report=later, keys=KEYS[:2])
        return
    with reverts(name):
        send(world, later, signatures(world, later, KEYS[:2]))


@pytest.mark.parametrize(("age", "name"), [(-1, "FutureReport"), (601, "OldReport")])
def test_poke__outside_its_time__refused(world, report, age, name):
    late = replace(report, time=world.now - age)
    with reverts(name):
        send(world, late, signatures(world, late, KEYS[:2]))


@pytest.mark.parametrize("age", [0, 600])
def test_poke__edge_of_its_time__taken(world, report, age):
    world.poke(report=replace(report, time=world.now - age), keys=KEYS[:2])
    assert world.state() == 0
    world.evm.advance(601 - age)
    assert world.state() == 2


@pytest.mark.parametrize("price", [0, USD // 10 - 1, 10**6 * USD + 1_000_000, 2**64 - 1])
def test_poke__price_out_of_bounds__refused(world, report, price):
    wild = replace(report, price=price)
    with reverts("OutOfRange"):
        send(world, wild, signatures(world, wild, KEYS[:2]))


@pytest.mark.parametrize("cut", [1, 25, 84, 109, 111, 86, 169])
def test_poke__misshapen__bad_argument(world, report, cut):
    update = encode_update(report, signatures(world, report, KEYS[:2]))
    with reverts("BadArgument"):
        world.oracle.poke(FEED, (update + update)[:cut], sender=world.stranger)


def test_poke__source_that_is_not_signed__bad_source(world):
    world.list([world.aggregator(), world.signer_set(KEYS[:1], 1)], quorum=1)
    wrong = PriceReport(FEED, 0, 2_000 * USD, world.now, 1)
    for index in (0, 2, 255):
        update = world.signed(replace(wrong, source=index))
        with reverts("BadSource"):
            world.oracle.poke(FEED, update)


def test_poke__nine_signatures__too_many(world):
    world.list([world.signer_set(KEYS[:9], 1)], quorum=1)
    report = PriceReport(FEED, 0, 2_000 * USD, world.now, 1)
    with reverts("TooMany"):
        send(world, report, signatures(world, report, KEYS[:9]))
    world.poke(report=report, keys=KEYS[:8])


def test_poke__update_past_its_bound__refused(world, report):
    with reverts(""):
        world.oracle.poke(FEED, bytes(4_097))


def test_poke__rotated_out_signer__refused(world, report):
    world.poke(report=report, keys=KEYS[:2])
    twin = world.feeds[FEED]
    fresh = world.signer_set(KEYS[2:4], 2)
    terms = tuple(twin.terms.__dict__.values())
    source = world.source(fresh, 600)
    world.oracle.set_sources(FEED, terms, [source], sender=world.governance)
    twin.data[0] = None
    later = replace(report, sequence=6)
    with reverts("BadSigner"):
        send(world, later, signatures(world, later, KEYS[:2]))
    world.poke(report=later, keys=KEYS[2:4])


def test_set_sources__reports_listed_anew__older_ones_stay_out(world, report):
    """Between two listings nobody may choose among the reports of the last minutes."""
    world.evm.advance(100)
    world.poke(report=replace(report, time=world.now, sequence=6), keys=KEYS[:2])
    taken = world.now
    twin = world.feeds[FEED]
    source = world.source(world.signer_set(KEYS[:2], 2), 700)
    terms = tuple(twin.terms.__dict__.values())
    world.oracle.set_sources(FEED, terms, [source], sender=world.governance)
    twin.data[0] = model.Datum(0, taken, 0)
    world.check()
    world.evm.advance(5)
    for early in (100, 1):
        older = replace(report, time=taken - early, sequence=5)
        with reverts("OldReport"):
            send(world, older, signatures(world, older, KEYS[:2]))
    world.poke(report=replace(report, time=taken, sequence=1), keys=KEYS[:2])  # a new count


def test_poke__contract_signer__erc1271(world):
    from eth_account import Account

    wallet = world.deploy_mock("MockSigner", Account.from_key(KEYS[0]).address)
    receipt = world.oracle.add_signer_set([wallet.address], 1, sender=world.governance)
    world.list([int(receipt.value)], quorum=1)
    report = PriceReport(FEED, 0, 2_000 * USD, world.now, 1)
    (good,), (bad,) = (signatures(world, report, [key]) for key in KEYS[:2])
    with reverts("BadSignature"):
        send(world, report, [replace(bad, signer=wallet.address)])
    send(world, report, [replace(good, signer=wallet.address)])
    assert world.price() == 2_000 * USD


def test_poke__contract_signer_calls_back__locked_out(world):
    """The signer's approval depends on a nested poke: a static call into a locked contract."""
    from eth_account import Account

    wallet = world.deploy_mock("MockSigner", Account.from_key(KEYS[0]).address)
    receipt = world.oracle.add_signer_set([wallet.address], 1, sender=world.governance)
    world.list([int(receipt.value)], quorum=1)
    wallet.call_back(world.oracle.address, world.oracle.pack("poke", FEED, b""))
    report = PriceReport(FEED, 0, 2_000 * USD, world.now, 1)
    (good,) = signatures(world, report, KEYS[:1])
    with reverts("BadSignature"):
        send(world, report, [replace(good, signer=wallet.address)])


@pytest.mark.parametrize(
    ("order", "threshold", "name"),
    [
        ([], 0, "BadQuorum"),
        ([], 1, "BadQuorum"),
        ([0, 1], 0, "BadQuorum"),
        ([0, 1], 3, "BadQuorum"),
        ([1, 0], 1, "BadSigner"),
        ([0, 0], 1, "BadSigner"),
    ],
)
def test_add_signer_set__unsound__refused(world, order, threshold, name):
    addresses = ["0x" + f"{n + 1:040x}" for n in order]
    with reverts(name):
        world.oracle.add_signer_set(addresses, threshold, sender=world.governance)


def test_add_signer_set__zero_address__refused(world):
    with reverts("BadSigner"):
        world.oracle.add_signer_set(["0x" + "00" * 20], 1, sender=world.governance)
