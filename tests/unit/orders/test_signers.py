"""Signatures: malleability, replay, and contracts that sign well, badly or with malice (P34)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from coincurve import PublicKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll import orders
from plimsoll.compiler import compile_contract
from plimsoll.testing import reverts

MOCKS = Path(__file__).parents[2] / "contracts"
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
MAGIC = "1626ba7e" + "00" * 28
CAP = 400_000  # gas a signer may use


@pytest.fixture
def pair(world):
    return world.signed("maker", False), world.signed("taker", True)


@pytest.fixture
def wallet(world):
    """A contract account's owner, approving what the key of "holder" signs."""
    artifact = compile_contract("MockSigner", contracts=MOCKS)
    return world.evm.deploy(artifact, world.address("holder"))


def order_of(world, owner, buy=False, **fields):
    return replace(world.order("taker", buy), account=orders.account_id(owner, 0), **fields)


def long_form(order, world, name):
    """The 65-byte signature of a key over an order."""
    wire = world.sign(order, by=name)
    low = wire.vs & (1 << 255) - 1
    return wire.r.to_bytes(32, "big") + low.to_bytes(32, "big") + bytes([27 + (wire.vs >> 255)])


# -- keys


def test_order_digest__matches_python__with_and_without_matcher(world):
    named = world.evm.account()
    for order in (
        world.order("maker", False),
        world.order("taker", True, reduce_only=True, post_only=True, matcher=named),
        world.order("taker", True, any_matcher=True, account=world.account("taker", 2**96 - 1)),
    ):
        got = world.venue.order_digest(order.account, order.terms(), named)
        assert got == order.digest(world.domain)
    assert world.venue.eip712Domain()[1:5] == (
        orders.DOMAIN_NAME,
        orders.DOMAIN_VERSION,
        world.evm.chain_id,
        world.venue.address,
    )


def test_fill_pair__high_s__refused(world, pair):
    maker, taker = pair
    low = maker.vs & (1 << 255) - 1
    mirrored = (ORDER - low) | ((maker.vs >> 255) ^ 1) << 255
    # The mirror image of a low s needs bit 255 of s itself or is above half the order.
    with reverts("BadSignature"):
        world.pair(maker._replace(vs=mirrored), taker)
    with reverts("BadSignature"):
        world.pair(maker._replace(vs=ORDER - low), taker)
    world.pair(maker, taker)


@pytest.mark.parametrize(("s", "fine"), [(ORDER // 2, True), (ORDER // 2 + 1, False)])
def test_fill_pair__s_at_and_past_half_the_order__refused_past(world, pair, s, fine):
    # A signature made up first: whoever it recovers to is made an operator.
    order = world.order("maker", False)
    r = pair[1].r  # an x coordinate on the curve
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes(1)
    point = PublicKey.from_signature_and_message(raw, order.digest(world.domain), hasher=None)
    operator = to_checksum_address(keccak(point.format(compressed=False)[1:])[12:])
    world.engine.set_operator(order.account, operator, True)
    wire = orders.SignedOrder(order.account, order.terms(), r, s)
    if fine:
        world.pair(wire, pair[1])
        assert world.engine.charges(0).signer == operator
        return
    with reverts("BadSignature"):
        world.pair(wire, pair[1])


@pytest.mark.parametrize(
    ("r", "vs"), [(0, 0), (0, 1), (1, 0), (ORDER, 1), (2**256 - 1, 2**256 - 1), (5, 7)]
)
def test_fill_pair__account_of_nobody__nothing_recovers_to_zero(world, pair, r, vs):
    nobody = order_of(world, orders.NULL_ADDRESS)
    wire = orders.SignedOrder(nobody.account, nobody.terms(), r, vs)
    with reverts("BadSignature"):
        world.pair(wire, pair[1])
    with reverts("BadSignature"):
        world.pair(pair[1], wire)


def test_fill_pair__other_domain__bad_signature(world, pair):
    order = world.order("maker", False)
    key = world.keys["maker"]
    chain, contract = world.domain.chain_id, world.domain.contract
    for domain in (orders.Domain(chain + 1, contract), orders.Domain(chain, world.governance)):
        with reverts("BadSignature"):
            world.pair(orders.sign(order, domain, key), pair[1])


def test_fill_pair__same_orders_on_second_contract__bad_signature(world, pair):
    engine = world.engine.address
    second = world.evm.deploy(compile_contract("SignedOrders"), engine, engine, world.governance)
    second.set_matcher(world.matcher, True, sender=world.governance)
    data = orders.pair_calldata(*pair, 5)
    world.send(data)
    receipt = world.evm.transact(second.address, data, world.matcher)
    with reverts("BadSignature"):
        receipt.raise_for_failure()


def test_fill_pair__signed_by_another_owner__bad_signature(world, pair):
    wire = world.sign(world.order("maker", False), by="taker")
    with reverts("BadSignature"):
        world.pair(wire, pair[1])


def test_fill_pair__owner_with_code_signs_by_key__no_call_to_it(world, pair):
    # An externally owned account that delegates to code still signs with its key.
    world.evm.set_code(world.address("maker"), bytes.fromhex("fe"))
    world.pair(*pair)


# -- contracts


def test_fill_pair__contract_owner_compact_signature__approved_by_it(world, wallet, pair):
    order = order_of(world, wallet.address)
    world.pair(world.sign(order, by="holder"), pair[1], 5)
    assert world.filled(order) == 5
    with reverts("BadSignature"):
        world.pair(world.sign(order, by="maker"), pair[1], 5)


def test_fill_with__contract_owner__proof_approves(world, wallet, pair):
    order = order_of(world, wallet.address)
    proof = orders.Proof(wallet.address, long_form(order, world, "holder"))
    wires = [orders.attach_proof(order, 0), pair[1]]
    world.fill(wires, [(0, 1, 5)], proofs=[proof])
    assert world.filled(order) == 5
    bad = orders.Proof(wallet.address, long_form(order, world, "maker"))
    with reverts("BadSignature"):
        world.fill(wires, [(0, 1, 5)], proofs=[bad])


def test_fill_with__contract_operator__needs_scope(world, wallet, pair):
    order = world.order("maker", False)
    proof = orders.Proof(wallet.address, long_form(order, world, "holder"))
    wires = [orders.attach_proof(order, 0), pair[1]]
    with reverts("BadSignature"):
        world.fill(wires, [(0, 1, 5)], proofs=[proof])
    world.engine.set_operator(order.account, wallet.address, True)
    world.fill(wires, [(0, 1, 5)], proofs=[proof])
    assert world.engine.charges(0).signer == wallet.address


def test_fill_with__proof_missing_or_keyless__bad_signature(world, wallet, pair):
    order = order_of(world, wallet.address)
    signature = long_form(order, world, "holder")
    proof = orders.Proof(wallet.address, signature)
    for position in (1, 2**255):
        with reverts("BadSignature"):
            world.fill([orders.attach_proof(order, position), pair[1]], [(0, 1, 5)], proofs=[proof])
    with reverts("BadSignature"):  # the entries without proofs do not know the bit
        world.pair(orders.attach_proof(order, 0), pair[1])
    with reverts("BadSignature"):
        world.fill([orders.attach_proof(order, 0), pair[1]], [(0, 1, 5)])
    for no_code in (world.address("maker"), orders.NULL_ADDRESS, "0x" + "00" * 19 + "04"):
        mine = order_of(world, no_code)
        with reverts("BadSignature"):
            world.fill(
                [orders.attach_proof(mine, 0), pair[1]],
                [(0, 1, 5)],
                proofs=[orders.Proof(no_code, signature)],
            )


def test_fill_with__proofs_at_and_past_bounds__refused_past(world, pair):
    """P35: four proofs of 1,024 bytes each."""
    yes = "0x" + "51" * 20
    code = f"7f{MAGIC}5f5260205ff3"
    world.evm.set_code(yes, bytes.fromhex(code))
    mine = [order_of(world, yes, nonce=i) for i in range(5)]
    wires = [orders.attach_proof(order, i) for i, order in enumerate(mine)]
    full = [orders.Proof(yes, bytes([i + 1]) * 1024) for i in range(5)]
    matches = [(i, 4, 1 + i) for i in range(4)]
    world.fill([*wires[:4], pair[1]], matches, proofs=full[:4])
    assert world.filled(pair[1]) == 10
    with reverts(""):
        world.fill([*wires[:4], pair[1]], matches, proofs=full, check=False)
    over = [*full[:3], orders.Proof(yes, bytes(1025))]
    with reverts(""):
        world.fill([*wires[:4], pair[1]], matches, proofs=over, check=False)


def signer_code(kind):
    """Runtime code of a contract that answers every call in one way."""
    store = f"7f{MAGIC}5f52"
    return bytes.fromhex(
        {
            "magic": store + "60205ff3",
            "other word": f"7f{'ff' * 32}5f5260205ff3",
            "zero": "60205ff3"[0:0] + "5f5f5260205ff3",
            "four bytes": store + "60045ff3",
            "thirty-one bytes": store + "601f5ff3",
            "nothing": "00",
            "dirty tail": f"7f{MAGIC[:-2]}015f5260205ff3",
            "right-aligned": f"7f{'00' * 28}1626ba7e5f5260205ff3",
            "reverts with magic": store + "60205ffd",
            "revert bomb": store + "620186a05ffd",
            "burns gas": "5b5f56",
            "invalid": "fe",
            "writes": store + "600160015560205ff3",
        }[kind]
    )


@pytest.mark.parametrize(
    "kind",
    [
        "other word",
        "zero",
        "four bytes",
        "thirty-one bytes",
        "nothing",
        "dirty tail",
        "right-aligned",
        "reverts with magic",
        "revert bomb",
        "burns gas",
        "invalid",
        "writes",
    ],
)
def test_fill_with__bad_contract_signer__refused_at_bounded_cost(world, pair, kind):
    signer = "0x" + "52" * 20
    world.evm.set_code(signer, signer_code(kind))
    order = order_of(world, signer)
    wires = [orders.attach_proof(order, 0), pair[1]]
    matches = [orders.Match(0, 1, 5)]
    data = orders.fill_calldata(wires, matches, [orders.Proof(signer, b"any")])
    receipt = world.evm.transact(world.venue.address, data, world.matcher)
    with reverts("BadSignature"):
        receipt.raise_for_failure()
    assert receipt.gas_used < 60_000 + CAP
    assert world.engine.counts()[0] == 0


def test_fill_with__returndata_bomb_with_magic__one_word_read(world, pair):
    signer = "0x" + "53" * 20
    # The magic word and then as many zeros as the gas allows.
    world.evm.set_code(signer, bytes.fromhex(f"7f{MAGIC}5f526201d4c05ff3"))
    order = order_of(world, signer)
    wires = [orders.attach_proof(order, 0), pair[1]]
    receipt = world.fill(wires, [(0, 1, 5)], proofs=[orders.Proof(signer, b"")])
    assert receipt.gas_used < 100_000 + CAP
    assert world.filled(order) == 5


def entries(world, wire):
    """Calldata of every entry that changes state."""
    return {
        "fill_pair": orders.pair_calldata(wire, wire, 1),
        "fill": orders.fill_calldata([], []),
        "fill_with": orders.fill_calldata([], [], updates=[orders.Update(1, b"")]),
        "fill_residual": orders.residual_calldata(wire, 1),
        "cancel": world.venue.cancel.pack(wire.account, 1),
        "cancel_up_to": world.venue.cancel_up_to.pack(wire.account, 1),
        "set_matcher": world.venue.set_matcher.pack(world.governance, True),
        "transfer_ownership": world.venue.transfer_ownership.pack(world.governance),
        "accept_ownership": world.venue.accept_ownership.pack(),
    }


def test_entries__all_state_changing_functions__listed(world):
    artifact = compile_contract("SignedOrders")
    writing = {
        entry["name"]
        for entry in artifact.abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
    wire = world.signed("maker", False)
    assert writing == set(entries(world, wire))


@pytest.mark.parametrize(
    "name",
    [
        "fill_pair",
        "fill",
        "fill_with",
        "cancel",
        "cancel_up_to",
        "set_matcher",
        "transfer_ownership",
        "accept_ownership",
    ],
)
def test_fill_with__signer_calls_back__cannot_enter(world, wallet, pair, name):
    """P34: the signer approves exactly where its call into the venue succeeds."""
    order = order_of(world, wallet.address)
    data = entries(world, pair[0])[name]
    # The same call is fine from outside where it needs no rights: only re-entry is refused.
    if name == "cancel":
        data = world.venue.cancel.pack(order.account, 3)
        wallet.forward.call(world.venue.address, data)
    if name in ("fill", "fill_with"):
        wallet.forward.call(world.venue.address, data)
    wallet.call_back(world.venue.address, data)
    wires = [orders.attach_proof(order, 0), pair[1]]
    with reverts("BadSignature"):
        world.fill(wires, [(0, 1, 5)], proofs=[orders.Proof(wallet.address, b"")])
    with reverts("BadSignature"):
        world.pair(world.sign(order, by="holder"), pair[1], 5)


def test_fill_with__signer_reads_views__allowed(world, wallet, pair):
    order = order_of(world, wallet.address)
    wallet.call_back(world.venue.address, world.venue.filled.pack(order.account, order.nonce))
    wires = [orders.attach_proof(order, 0), pair[1]]
    world.fill(wires, [(0, 1, 5)], proofs=[orders.Proof(wallet.address, b"")])
    assert world.filled(order) == 5


def test_cancel__contract_owner__through_its_own_call(world, wallet):
    order = order_of(world, wallet.address)
    wallet.forward(world.venue.address, world.venue.cancel.pack(order.account, order.nonce))
    assert world.venue.filled(order.account, order.nonce) == (0, True)
