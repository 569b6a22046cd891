"""A venue over a recording engine, and people who sign."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll import orders
from plimsoll.compiler import compile_contract
from plimsoll.evm import Evm

MOCKS = Path(__file__).parents[2] / "contracts"


def address_of(key: bytes) -> str:
    from coincurve import PrivateKey

    point = PrivateKey(key).public_key.format(compressed=False)[1:]
    return to_checksum_address(keccak(point)[12:])


def key_of(name: str) -> bytes:
    return keccak(text=f"key of {name}")


@dataclass
class Venue:
    """The contracts and shorthands; times and nonces start where a test can count on them."""

    evm: Evm
    engine: Any
    venue: Any
    governance: str
    matcher: str
    domain: orders.Domain
    keys: dict[str, bytes] = field(default_factory=dict)

    def address(self, name: str) -> str:
        return address_of(self.keys.setdefault(name, key_of(name)))

    def account(self, name: str, index: int = 0) -> int:
        return orders.account_id(self.address(name), index)

    def order(self, name: str, buy: bool, **fields: Any) -> orders.Order:
        base = orders.Order(
            account=self.account(name),
            market=7,
            buy=buy,
            size=Decimal("1.5"),
            limit_price=Decimal(3000),
            expiry=self.evm.timestamp + 60,
            nonce=1,
        )
        return replace(base, **fields)

    def sign(self, order: orders.Order, by: str | None = None) -> orders.SignedOrder:
        names = [name for name in self.keys if self.address(name) == order.owner]
        return orders.sign(order, self.domain, self.keys[by or names[0]])

    def signed(self, name: str, buy: bool, **fields: Any) -> orders.SignedOrder:
        return self.sign(self.order(name, buy, **fields))

    def send(self, data: bytes, sender: str | None = None) -> Any:
        receipt = self.evm.transact(self.venue.address, data, sender or self.matcher)
        receipt.raise_for_failure()
        return receipt

    def fill(
        self,
        wires: list[orders.SignedOrder],
        matches: list[tuple[int, int, int]],
        sender: str | None = None,
        **rest: Any,
    ) -> Any:
        pairs = [orders.Match(*match) for match in matches]
        return self.send(orders.fill_calldata(wires, pairs, **rest), sender)

    def pair(
        self,
        maker: orders.SignedOrder,
        taker: orders.SignedOrder,
        lots: int = 1_000_000,
        sender: str | None = None,
    ) -> Any:
        return self.send(orders.pair_calldata(maker, taker, lots), sender)

    def fills(self) -> list[Any]:
        return [self.engine.fills(i) for i in range(self.engine.counts()[0])]

    def filled(self, order: orders.Order | orders.SignedOrder, nonce: int = 1) -> int:
        lots, dead = self.venue.filled(order.account, getattr(order, "nonce", nonce))
        assert not dead
        return int(lots)


@pytest.fixture(scope="session")
def _built() -> Venue:
    evm = Evm()
    governance, matcher = evm.account(), evm.account()
    engine = evm.deploy(compile_contract("MockSettleEngine", contracts=MOCKS))
    venue = evm.deploy(compile_contract("SignedOrders"), engine.address, engine.address, governance)
    venue.set_matcher(matcher, True, sender=governance)
    domain = orders.Domain(evm.chain_id, venue.address)
    return Venue(evm, engine, venue, governance, matcher, domain)


@pytest.fixture
def world(_built: Venue) -> Iterator[Venue]:
    before = _built.evm.snapshot()
    yield _built
    _built.evm.revert(before)
