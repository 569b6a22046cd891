"""Orders for the `SignedOrders` venue: typed data, digest, signature, wire form, calldata.

`Order` is in human units (`Decimal`); everything behind it is the integers that
contracts/interfaces/ISignedOrders.vyi describes. The wire form is four words per order: the
account, the packed terms, and a compact signature (EIP-2098); what is signed is the readable
struct (EIP-712).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, NamedTuple

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll import units

NULL_ADDRESS = "0x" + "00" * 20
DOMAIN_NAME = "Plimsoll SignedOrders"
DOMAIN_VERSION = "1"
MAX_ORDERS = 32
MAX_MATCHES = 16
MAX_PROOFS = 4
MAX_UPDATES = 4
LANES = 3  # orders that share a word of the nonce ring
RING = 384  # the newest nonces of an account that can be alive at once

_FIELDS = (
    ("owner", "address"),
    ("index", "uint96"),
    ("market", "uint16"),
    ("buy", "bool"),
    ("lots", "uint64"),
    ("limitPrice", "uint56"),
    ("expiry", "uint40"),
    ("nonce", "uint64"),
    ("reduceOnly", "bool"),
    ("postOnly", "bool"),
    ("matcher", "address"),
    ("anyMatcher", "bool"),
)
_DOMAIN_FIELDS = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
# Terms on the wire: (name, shift, bits).
_TERMS = (
    ("market", 0, 16),
    ("lots", 16, 64),
    ("price", 80, 56),
    ("expiry", 136, 40),
    ("nonce", 176, 64),
    ("buy", 240, 1),
    ("reduce_only", 241, 1),
    ("post_only", 242, 1),
    ("any_matcher", 243, 1),
    ("named", 244, 1),
    ("proof", 245, 1),
)
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class OrderError(ValueError):
    """An order that cannot be signed or encoded."""


def account_id(owner: str, index: int = 0) -> int:
    """The id of an owner's account number `index` (below 2**96)."""
    _fits("index", index, 96)
    return int(owner, 16) << 96 | index


def owner_of(account: int) -> str:
    """The owner's checksummed address, read off an account id."""
    return to_checksum_address(f"0x{account >> 96:040x}")


def clock_nonce() -> int:
    """A nonce from the clock in microseconds, above every earlier one of this clock."""
    return time.time_ns() // 1000


def _fits(name: str, value: int, bits: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << bits:
        raise OrderError(f"{name}: expected an integer in [0, 2**{bits}), got {value!r}")
    return value


@lru_cache(maxsize=64)
def _type_hash(name: str, fields: tuple[tuple[str, str], ...]) -> bytes:
    return keccak(text=f"{name}({','.join(f'{kind} {field}' for field, kind in fields)})")


@dataclass(frozen=True)
class Domain:
    """Where an order is valid: chain id and address of the `SignedOrders` contract."""

    chain_id: int
    contract: str

    @property
    def separator(self) -> bytes:
        """EIP-712 domain separator."""
        return _separator(self.chain_id, self.contract)

    def to_dict(self) -> dict[str, Any]:
        """The `domain` of the typed data."""
        return {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": self.chain_id,
            "verifyingContract": self.contract,
        }


@lru_cache(maxsize=64)
def _separator(chain_id: int, contract: str) -> bytes:
    return keccak(
        _type_hash("EIP712Domain", _DOMAIN_FIELDS)
        + keccak(text=DOMAIN_NAME)
        + keccak(text=DOMAIN_VERSION)
        + chain_id.to_bytes(32, "big")
        + int(contract, 16).to_bytes(32, "big")
    )


@dataclass(frozen=True)
class Order:
    """One order, in human units.

    `size` in underlying units (a multiple of 1e-6), `limit_price` in USD (a multiple of 1e-9),
    `expiry` in unix seconds (the last second in which it may fill). `matcher`: the one address
    that may fill it; `any_matcher`: anybody may; neither: registered matchers. Raises `OrderError`
    for a field that does not fit, `InexactError` for a size or price between two units.
    """

    account: int
    market: int
    buy: bool
    size: Decimal
    limit_price: Decimal
    expiry: int
    nonce: int
    reduce_only: bool = False
    post_only: bool = False
    matcher: str = NULL_ADDRESS
    any_matcher: bool = False

    def __post_init__(self) -> None:
        _fits("account", self.account, 256)
        _fits("market", self.market, 16)
        _fits("expiry", self.expiry, 40)
        _fits("nonce", self.nonce, 64)
        _fits("size in lots", self.lots, 63)
        _fits("limit price in ticks", self.ticks, 56)
        if self.lots == 0:
            raise OrderError("size: expected more than zero, got 0")
        if self.named and self.any_matcher:
            raise OrderError("matcher: expected a matcher or any_matcher, got both; drop one")

    @property
    def lots(self) -> int:
        """Size in lots."""
        return units.lots(self.size)

    @property
    def ticks(self) -> int:
        """Limit price in ticks."""
        return units.ticks(self.limit_price)

    @property
    def named(self) -> bool:
        """Whether one matcher is named."""
        return int(self.matcher, 16) != 0

    @property
    def owner(self) -> str:
        """Owner of the account."""
        return owner_of(self.account)

    def message(self) -> dict[str, Any]:
        """The struct that is signed, field by field."""
        return {
            "owner": self.owner,
            "index": self.account & (1 << 96) - 1,
            "market": self.market,
            "buy": self.buy,
            "lots": self.lots,
            "limitPrice": self.ticks,
            "expiry": self.expiry,
            "nonce": self.nonce,
            "reduceOnly": self.reduce_only,
            "postOnly": self.post_only,
            "matcher": self.matcher,
            "anyMatcher": self.any_matcher,
        }

    def typed_data(self, domain: Domain) -> dict[str, Any]:
        """EIP-712 typed data for `eth_signTypedData_v4`."""
        return {
            "types": {
                "EIP712Domain": [{"name": name, "type": kind} for name, kind in _DOMAIN_FIELDS],
                "Order": [{"name": name, "type": kind} for name, kind in _FIELDS],
            },
            "primaryType": "Order",
            "domain": domain.to_dict(),
            "message": self.message(),
        }

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that are signed."""
        words = [
            int(value, 16) if isinstance(value, str) else int(value)
            for value in self.message().values()
        ]
        body = b"".join(word.to_bytes(32, "big") for word in words)
        return keccak(b"\x19\x01" + domain.separator + keccak(_type_hash("Order", _FIELDS) + body))

    def terms(self, proof: bool = False) -> int:
        """The packed terms; `proof` where a contract approves in place of a signature."""
        values = {
            "market": self.market,
            "lots": self.lots,
            "price": self.ticks,
            "expiry": self.expiry,
            "nonce": self.nonce,
            "buy": self.buy,
            "reduce_only": self.reduce_only,
            "post_only": self.post_only,
            "any_matcher": self.any_matcher,
            "named": self.named,
            "proof": proof,
        }
        return sum(int(values[name]) << shift for name, shift, _ in _TERMS)


class SignedOrder(NamedTuple):
    """An order on the wire: four words."""

    account: int
    terms: int
    r: int
    vs: int


class Match(NamedTuple):
    """Which two orders of a call meet, by position, and for how many lots."""

    maker: int
    taker: int
    lots: int

    def pack(self) -> int:
        """The word on the wire."""
        _fits("maker", self.maker, 8)
        _fits("taker", self.taker, 8)
        return self.maker | self.taker << 8 | _fits("lots", self.lots, 64) << 16


class Proof(NamedTuple):
    """An ERC-1271 approval: the contract asked, and what it is shown (at most 1,024 bytes)."""

    signer: str
    signature: bytes


class Update(NamedTuple):
    """An oracle update to apply first: feed id and payload (at most 2,048 bytes)."""

    feed: int
    payload: bytes


def decode(wire: SignedOrder | Sequence[int], matcher: str = NULL_ADDRESS) -> tuple[Order, bool]:
    """The order behind its wire form, and whether a contract approves it.

    `matcher` is who sends it: the wire only says that a matcher is named, not which.
    Raises `OrderError` for bits that mean nothing.
    """
    account, terms = wire[0], wire[1]
    found = {name: terms >> shift & (1 << bits) - 1 for name, shift, bits in _TERMS}
    if terms >> _TERMS[-1][1] + 1:
        raise OrderError(f"terms: expected zeros above bit 245, got {terms:#x}")
    order = Order(
        account=account,
        market=found["market"],
        buy=bool(found["buy"]),
        size=units.from_lots(found["lots"]),
        limit_price=units.from_ticks(found["price"]),
        expiry=found["expiry"],
        nonce=found["nonce"],
        reduce_only=bool(found["reduce_only"]),
        post_only=bool(found["post_only"]),
        matcher=matcher if found["named"] else NULL_ADDRESS,
        any_matcher=bool(found["any_matcher"]),
    )
    return order, bool(found["proof"])


def compact(r: int, s: int, parity: int) -> tuple[int, int]:
    """EIP-2098 words (r, vs); `parity` is 0 or 1. Raises `OrderError` for a high s."""
    if parity not in (0, 1) or not 0 < s <= _HALF_ORDER:
        raise OrderError(f"expected parity 0 or 1 and a low s, got {parity} and {s:#x}")
    return r, parity << 255 | s


def attach(order: Order, signature: bytes) -> SignedOrder:
    """Wire form with a wallet's signature: 65 bytes (r, s, v in 0, 1, 27, 28) or 64 (EIP-2098)."""
    if len(signature) not in (64, 65):
        raise OrderError(f"expected a signature of 64 or 65 bytes, got {len(signature)}")
    r = int.from_bytes(signature[:32], "big")
    tail = int.from_bytes(signature[32:64], "big")
    if len(signature) == 65:
        v = signature[64]
        r, tail = compact(r, tail, v - 27 if v >= 27 else v)
    return SignedOrder(order.account, order.terms(), r, tail)


def attach_proof(order: Order, position: int) -> SignedOrder:
    """Wire form of an order that the proof at `position` approves."""
    return SignedOrder(order.account, order.terms(proof=True), position, 0)


@cache
def _key(private_key: bytes) -> Any:
    from coincurve import PrivateKey

    return PrivateKey(private_key)


def sign(order: Order, domain: Domain, private_key: bytes) -> SignedOrder:
    """Sign with a raw 32-byte key (fast; for tests, bots and campaigns)."""
    raw = _key(private_key).sign_recoverable(order.digest(domain), hasher=None)
    return attach(order, raw)


def sign_with_account(order: Order, domain: Domain, account: Any) -> SignedOrder:
    """Sign with an `eth_account` account, through the typed data as a wallet does."""
    signed = account.sign_typed_data(full_message=order.typed_data(domain))
    return attach(order, bytes(signed.signature))


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _order_array(orders: Sequence[SignedOrder]) -> bytes:
    return _word(len(orders)) + b"".join(_word(word) for order in orders for word in order)


def _match_array(matches: Sequence[Match]) -> bytes:
    return _word(len(matches)) + b"".join(_word(match.pack()) for match in matches)


def _blob(value: bytes) -> bytes:
    return _word(len(value)) + value + bytes(-len(value) % 32)


def _pair_array(pairs: Iterable[tuple[int, bytes]]) -> bytes:
    """An ABI array of (one word, bytes)."""
    bodies = [_word(word) + _word(64) + _blob(blob) for word, blob in pairs]
    heads, at = [], 32 * len(bodies)
    for body in bodies:
        heads.append(_word(at))
        at += len(body)
    return _word(len(bodies)) + b"".join(heads) + b"".join(bodies)


@cache
def _selector(text: str) -> bytes:
    return keccak(text=text)[:4]


_FILL_PAIR = (
    "fill_pair((uint256,uint256,uint256,uint256),(uint256,uint256,uint256,uint256),uint256)"
)
_FILL = "fill((uint256,uint256,uint256,uint256)[],uint256[])"
_FILL_WITH = (
    "fill_with((uint256,uint256,uint256,uint256)[],uint256[],(address,bytes)[],(uint256,bytes)[])"
)


_FILL_RESIDUAL = "fill_residual((uint256,uint256,uint256,uint256),uint256)"


def _bounded(name: str, items: Sequence[Any], bound: int) -> None:
    if len(items) > bound:
        raise OrderError(f"{name}: expected at most {bound}, got {len(items)}; split the call")


def pair_calldata(maker: SignedOrder, taker: SignedOrder, lots: int) -> bytes:
    """Calldata of `fill_pair`: one maker, one taker, `lots` lots."""
    words = (*maker, *taker, _fits("lots", lots, 64))
    return _selector(_FILL_PAIR) + b"".join(map(_word, words))


def residual_calldata(order: SignedOrder, lots: int) -> bytes:
    """Calldata of `fill_residual`: an order takes `lots` lots of the fund's residual."""
    words = (*order, _fits("lots", lots, 64))
    return _selector(_FILL_RESIDUAL) + b"".join(map(_word, words))


def fill_calldata(
    orders: Sequence[SignedOrder],
    matches: Sequence[Match],
    proofs: Sequence[Proof] = (),
    updates: Sequence[Update] = (),
    check: bool = True,
) -> bytes:
    """Calldata of `fill`, or of `fill_with` where there are proofs or updates.

    Raises `OrderError` where an array is longer than the contract's bound, unless `check` is off.
    """
    if check:
        _bounded("orders", orders, MAX_ORDERS)
        _bounded("matches", matches, MAX_MATCHES)
        _bounded("proofs", proofs, MAX_PROOFS)
        _bounded("updates", updates, MAX_UPDATES)
    parts = [_order_array(orders), _match_array(matches)]
    name = _FILL
    if proofs or updates:
        name = _FILL_WITH
        parts.append(_pair_array((int(proof.signer, 16), proof.signature) for proof in proofs))
        parts.append(_pair_array(updates))
    at = 32 * len(parts)
    head = b""
    for part in parts:
        head += _word(at)
        at += len(part)
    return _selector(name) + head + b"".join(parts)


def order_from_mapping(fields: Mapping[str, Any]) -> Order:
    """An order from typed data's `message` (integers or decimal strings), e.g. out of JSON."""

    def number(name: str) -> int:
        return int(fields[name])

    return Order(
        account=account_id(str(fields["owner"]), number("index")),
        market=number("market"),
        buy=bool(fields["buy"]),
        size=units.from_lots(number("lots")),
        limit_price=units.from_ticks(number("limitPrice")),
        expiry=number("expiry"),
        nonce=number("nonce"),
        reduce_only=bool(fields["reduceOnly"]),
        post_only=bool(fields["postOnly"]),
        matcher=str(fields["matcher"]),
        any_matcher=bool(fields["anyMatcher"]),
    )
