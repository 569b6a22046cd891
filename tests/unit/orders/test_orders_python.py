"""The Python side of orders: what is signed, how it travels, what it refuses."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal

import pytest
from eth_abi.abi import encode as abi_encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from plimsoll import orders, units
from plimsoll.orders import Domain, Match, Order, OrderError, Proof, SignedOrder, Update

DOMAIN = Domain(11155111, "0x" + "Ab" * 20)
KEY = Account.create("a test's key")
ORDER = Order(
    account=orders.account_id(KEY.address, 3),
    market=2,
    buy=True,
    size=Decimal("1.25"),
    limit_price=Decimal("3000.000000001"),
    expiry=1_800_000_000,
    nonce=77,
)


def random_order(rng):
    named = rng.random() < 0.5
    matcher = "0x" + rng.randbytes(20).hex() if named else orders.NULL_ADDRESS
    return Order(
        account=rng.randrange(2**256),
        market=rng.randrange(2**16),
        buy=rng.random() < 0.5,
        size=units.from_lots(rng.randrange(1, 2 ** rng.randrange(1, 64))),
        limit_price=units.from_ticks(rng.randrange(2 ** rng.randrange(1, 57))),
        expiry=rng.randrange(2**40),
        nonce=rng.randrange(2**64),
        reduce_only=rng.random() < 0.5,
        post_only=rng.random() < 0.5,
        matcher=matcher,
        any_matcher=not named and rng.random() < 0.5,
    )


def wallet_digest(order, domain):
    message = encode_typed_data(full_message=order.typed_data(domain))
    return keccak(b"\x19" + message.version + message.header + message.body)


def test_digest__random_orders__equal_a_wallets():
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(50):
        order = random_order(rng)
        domain = Domain(rng.randrange(1, 2**32), "0x" + rng.randbytes(20).hex())
        assert order.digest(domain) == wallet_digest(order, domain), seed


def test_digest__each_field__changes_it():
    changes = {
        "account": ORDER.account + 1,
        "market": 3,
        "buy": False,
        "size": Decimal("1.250001"),
        "limit_price": Decimal(3000),
        "expiry": ORDER.expiry + 1,
        "nonce": 78,
        "reduce_only": True,
        "post_only": True,
        "matcher": "0x" + "01" * 20,
        "any_matcher": True,
    }
    digests = {replace(ORDER, **{name: value}).digest(DOMAIN) for name, value in changes.items()}
    digests |= {ORDER.digest(DOMAIN), ORDER.digest(Domain(1, DOMAIN.contract))}
    assert len(digests) == len(changes) + 2


def test_sign__raw_key_and_wallet__same_wire():
    raw = orders.sign(ORDER, DOMAIN, bytes(KEY.key))
    assert raw == orders.sign_with_account(ORDER, DOMAIN, KEY)
    low = raw.vs & (1 << 255) - 1
    body = raw.r.to_bytes(32, "big") + low.to_bytes(32, "big")
    for v in (raw.vs >> 255, 27 + (raw.vs >> 255)):
        assert orders.attach(ORDER, body + bytes([v])) == raw
    compact = raw.r.to_bytes(32, "big") + raw.vs.to_bytes(32, "big")
    assert orders.attach(ORDER, compact) == raw


def test_attach__bad_signature__refused():
    with pytest.raises(OrderError, match="64 or 65 bytes"):
        orders.attach(ORDER, bytes(66))
    with pytest.raises(OrderError, match="low s"):
        orders.attach(ORDER, bytes(31) + b"\x01" + b"\xff" * 32 + b"\x1b")
    with pytest.raises(OrderError, match="parity"):
        orders.attach(ORDER, bytes(31) + b"\x01" + bytes(31) + b"\x01" + b"\x1d")


def test_decode__random_orders__round_trip():
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(300):
        order, proof = random_order(rng), rng.random() < 0.5
        wire = SignedOrder(order.account, order.terms(proof), 0, 0)
        assert orders.decode(wire, order.matcher) == (order, proof), seed


def test_decode__unknown_bits__refused():
    with pytest.raises(OrderError, match="above bit 245"):
        orders.decode((ORDER.account, ORDER.terms() | 1 << 246))


def test_order_from_mapping__typed_datas_message__same_order():
    message = {
        name: str(value) if type(value) is int else value for name, value in ORDER.message().items()
    }
    assert orders.order_from_mapping(message) == ORDER


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account", 2**256),
        ("account", -1),
        ("market", 2**16),
        ("expiry", 2**40),
        ("nonce", 2**64),
        ("nonce", True),
        ("size", Decimal(0)),
        ("size", Decimal(-1)),
        ("size", Decimal(2**63).scaleb(-6)),
        ("limit_price", Decimal(2**56).scaleb(-9)),
        ("limit_price", Decimal(-1)),
    ],
)
def test_order__field_that_does_not_fit__refused(field, value):
    with pytest.raises(OrderError, match="expected"):
        replace(ORDER, **{field: value})


def test_order__between_two_units__refused():
    for field in ("size", "limit_price"):
        with pytest.raises(units.InexactError):
            replace(ORDER, **{field: Decimal("0.0000000001")})


def test_order__named_and_open__refused():
    with pytest.raises(OrderError, match="drop one"):
        replace(ORDER, matcher=DOMAIN.contract, any_matcher=True)


def test_fill_calldata__with_and_without_extras__as_the_abi_says():
    wires = [orders.sign(replace(ORDER, nonce=n), DOMAIN, bytes(KEY.key)) for n in range(3)]
    matches = [Match(0, 1, 5), Match(2, 1, 2**64 - 1)]
    packed = [match.pack() for match in matches]
    assert packed[1] == 2 | 1 << 8 | (2**64 - 1) << 16
    types = ["(uint256,uint256,uint256,uint256)[]", "uint256[]"]
    data = orders.fill_calldata(wires, matches)
    assert data[4:] == abi_encode(types, [wires, packed])
    assert data[:4] == keccak(text=f"fill({','.join(types)})")[:4]
    types += ["(address,bytes)[]", "(uint256,bytes)[]"]
    proofs = [Proof(KEY.address, b"x" * 65), Proof(KEY.address, b"")]
    updates = [Update(3, b"y" * 32), Update(4, b""), Update(5, b"z" * 33)]
    data = orders.fill_calldata(wires, matches, proofs, updates)
    assert data[4:] == abi_encode(types, [wires, packed, proofs, updates])
    assert data[:4] == keccak(text=f"fill_with({','.join(types)})")[:4]
    data = orders.pair_calldata(wires[0], wires[1], 9)
    types = [types[0][:-2], types[0][:-2], "uint256"]
    assert data[4:] == abi_encode(types, [wires[0], wires[1], 9])
    assert data[:4] == keccak(text=f"fill_pair({','.join(types)})")[:4]


def test_fill_calldata__past_a_bound__refused():
    wire = orders.sign(ORDER, DOMAIN, bytes(KEY.key))
    for arguments in (
        ([wire] * 33, []),
        ([wire], [Match(0, 0, 1)] * 17),
        ([wire], [], [Proof(KEY.address, b"")] * 5),
        ([wire], [], [], [Update(1, b"")] * 5),
    ):
        with pytest.raises(OrderError, match="split the call"):
            orders.fill_calldata(*arguments)


def test_match__out_of_range__refused():
    for match in (Match(256, 0, 1), Match(0, -1, 1), Match(0, 1, 2**64)):
        with pytest.raises(OrderError):
            match.pack()


def test_account_id__owner_and_index__read_back():
    account = orders.account_id(KEY.address, 2**96 - 1)
    assert orders.owner_of(account) == KEY.address
    with pytest.raises(OrderError):
        orders.account_id(KEY.address, 2**96)
