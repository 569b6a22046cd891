"""Orders filled out of what deleveraging left the fund: who may, and what the venue refuses."""

from __future__ import annotations

from decimal import Decimal

import pytest

from plimsoll import orders, units
from plimsoll.testing import reverts

LOT = 1_000_000


def fill(world, wire, lots=3, sender=None):
    return world.send(orders.residual_calldata(wire, lots), sender)


@pytest.mark.parametrize(("buy", "signed"), [(True, 3), (False, -3)])
def test_fill_residual__order__the_engine_sells_at_its_limit_or_better(world, buy, signed):
    wire = world.signed("trader", buy, limit_price=Decimal("2999.5"), nonce=5)
    receipt = fill(world, wire)
    got = world.engine.residues(0)
    assert tuple(got) == (wire.account, 7, signed, units.ticks("2999.5"))
    assert world.filled(wire, 5) == 3
    event = receipt.event("ResidualMatched")
    assert (event.account, event.nonce) == (wire.account, 5)
    assert world.engine.counts()[1] == 0


def test_fill_residual__operator_signed__charged_at_the_engine_s_price(world):
    order = world.order("trader", True)
    operator = world.address("operator")
    world.engine.set_operator(order.account, operator, True)
    fill(world, world.sign(order, by="operator"))
    charge = world.engine.charges(0)
    assert (charge.account, charge.signer) == (order.account, operator)
    assert (charge.lots, charge.price) == (3, units.ticks(3_000) - 1)


@pytest.mark.parametrize(
    ("lots", "fields", "error"),
    [
        (0, {}, "ZeroAmount"),
        (2**64 - 1, {}, "OrderFilled"),
        (1_500_001, {}, "OrderFilled"),
        (3, {"post_only": True}, "OrderPostOnly"),
        (3, {"reduce_only": True}, "OrderReduceOnly"),
        (3, {"expiry": 1}, "Expired"),
    ],
)
def test_fill_residual__order_does_not_allow__own_error(world, lots, fields, error):
    wire = world.signed("trader", True, **fields)
    with reverts(error):
        fill(world, wire, lots)
    assert world.engine.counts()[0] == 0
    assert world.filled(wire) == 0


def test_fill_residual__more_lots_than_a_word__own_error(world):
    wire = world.signed("trader", True)
    words = (*wire, 2**64)
    data = orders.residual_calldata(wire, 0)[:4] + b"".join(n.to_bytes(32, "big") for n in words)
    with reverts("OrderFilled"):
        world.send(data)


def test_fill_residual__stranger__only_where_the_order_lets_anybody(world):
    stranger = world.evm.account()
    with reverts("NotMatcher"):
        fill(world, world.signed("trader", True), sender=stranger)
    fill(world, world.signed("trader", True, any_matcher=True), sender=stranger)


def test_fill_residual__forged_or_cancelled__refused(world):
    wire = world.signed("trader", True)
    with reverts("BadSignature"):
        fill(world, wire._replace(r=wire.r ^ 1))
    world.venue.cancel(wire.account, 1, sender=world.address("trader"))
    with reverts("BadNonce"):
        fill(world, wire)


def test_fill_residual__engine_refuses__order_untouched(world):
    world.engine.refuse(7)
    wire = world.signed("trader", True)
    with reverts("NoResidual"):
        fill(world, wire)
    assert world.filled(wire) == 0


def test_fill_residual__lots_that_would_wrap_what_is_filled__own_error(world):
    """Added to what is filled 2^256 - 2 would take two lots off it."""
    wire = world.signed("trader", True)
    fill(world, wire)
    words = (*wire, 2**256 - 2)
    data = orders.residual_calldata(wire, 0)[:4] + b"".join(n.to_bytes(32, "big") for n in words)
    with reverts("OrderFilled"):
        world.send(data)
    assert world.filled(wire) == 3
