"""A chain that splits: orders signed before for the old id do not fill under a new one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import boa
import pytest

from plimsoll import orders
from plimsoll.errors import decode

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def contracts():
    with boa.swap_env(boa.Env()):
        engine = boa.load(str(ROOT / "tests/contracts/MockSettleEngine.vy"))
        args = (engine.address, engine.address, boa.env.eoa)
        yield boa.load(str(ROOT / "contracts/venues/SignedOrders.vy"), *args)


def test_fill_pair__chain_id_changes__old_signatures_refused_new_ones_fill(contracts):
    from eth_account import Account

    people = [Account.create(f"trader {i}") for i in range(2)]
    old = boa.env.evm.patch.chain_id
    new = old + 1

    def wires(chain_id):
        domain = orders.Domain(chain_id, contracts.address)
        return [
            orders.sign_with_account(
                orders.Order(
                    account=orders.account_id(person.address),
                    market=3,
                    buy=bool(i),
                    size=Decimal(1),
                    limit_price=Decimal(100),
                    expiry=boa.env.timestamp + 60,
                    nonce=4,
                    any_matcher=True,
                ),
                domain,
                person,
            )
            for i, person in enumerate(people)
        ]

    contracts.fill_pair(*map(tuple, wires(old)), 5)
    with pytest.raises(boa.BoaError) as refused:
        contracts.fill_pair(*map(tuple, wires(new)), 5)
    assert decode(_output(refused.value)).name == "BadSignature"
    boa.env.evm.patch.chain_id = new
    try:
        with pytest.raises(boa.BoaError) as refused:
            contracts.fill_pair(*map(tuple, wires(old)), 5)
        assert decode(_output(refused.value)).name == "BadSignature"
        contracts.fill_pair(*map(tuple, wires(new)), 5)
    finally:
        boa.env.evm.patch.chain_id = old
    assert contracts.filled(orders.account_id(people[0].address), 4) == (10, False)


def _output(error):
    return error.call_trace.output if hasattr(error, "call_trace") else b""
