"""Matching: who may, at what price, what is refused, and that a batch is one thing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from plimsoll import orders, units
from plimsoll.testing import reverts

LOT = 1_000_000  # lots in one unit of the underlying


def test_fill_pair__taker_buys__settles_at_makers_price(world):
    maker = world.signed("maker", False, limit_price=Decimal("2999.5"), post_only=True)
    taker = world.signed("taker", True, reduce_only=True)
    receipt = world.pair(maker, taker, LOT)
    (fill,) = world.fills()
    assert fill.market == 7
    assert fill.buyer == world.account("taker")
    assert fill.seller == world.account("maker")
    assert fill.lots == LOT
    assert fill.price == units.ticks("2999.5")
    assert fill.flags == 0b011  # the taker buys; the buyer reduces only
    assert receipt.event("Matched").nonces == 1 << 128 | 1
    assert world.filled(maker) == world.filled(taker) == LOT


def test_fill_pair__taker_sells__settles_at_makers_price(world):
    maker = world.signed("maker", True, limit_price=Decimal("3000.5"), nonce=8)
    taker = world.signed("taker", False, reduce_only=True, nonce=9)
    receipt = world.pair(maker, taker, LOT)
    (fill,) = world.fills()
    assert (fill.buyer, fill.seller) == (maker.account, taker.account)
    assert fill.price == units.ticks("3000.5")
    assert fill.flags == 0b100  # the taker sells; the seller reduces only
    assert receipt.event("Matched").nonces == 8 << 128 | 9


def test_fill__independent_pairs__all_settle_in_order(world):
    wires = [world.signed(f"trader {i}", i % 2 == 0) for i in range(6)]
    world.fill(wires, [(0, 1, 5), (3, 2, 6), (4, 5, 7)])
    assert [(f.buyer, f.seller, f.lots, f.flags) for f in world.fills()] == [
        (wires[0].account, wires[1].account, 5, 0),
        (wires[2].account, wires[3].account, 6, 1),
        (wires[4].account, wires[5].account, 7, 0),
    ]


def test_fill__one_taker_many_makers__each_at_its_own_price(world):
    taker = world.signed("taker", True)
    prices = [Decimal(2990), Decimal(2995), Decimal(3000)]
    makers = [
        world.signed(f"maker {i}", False, limit_price=price) for i, price in enumerate(prices)
    ]
    world.fill([taker, *makers], [(1, 0, 100), (2, 0, 200), (3, 0, 300)])
    assert [f.price for f in world.fills()] == [units.ticks(price) for price in prices]
    assert world.filled(taker) == 600


def test_fill__same_pair_twice_in_one_call__adds_up(world):
    wires = [world.signed("maker", False), world.signed("taker", True)]
    world.fill(wires, [(0, 1, LOT), (0, 1, LOT // 2)])
    assert world.filled(wires[0]) == LOT * 3 // 2
    with reverts("OrderFilled"):
        world.fill(wires, [(0, 1, 1)])


def test_fill__no_matches__settles_nothing(world):
    world.fill([world.signed("maker", False)], [])
    assert world.fills() == []


# -- what is refused


def test_fill_pair__expiry__last_second_counts(world):
    maker = world.signed("maker", False, expiry=world.evm.timestamp + 10)
    taker = world.signed("taker", True)
    world.evm.advance(10)
    world.pair(maker, taker, 1)
    world.evm.advance(1)
    with reverts("Expired"):
        world.pair(maker, taker, 1)
    with reverts("Expired"):
        world.pair(taker, maker, 1)


@pytest.mark.parametrize(("buy", "worse"), [(True, "2999.999999999"), (False, "3000.000000001")])
def test_fill_pair__limit_one_tick_short__order_price(world, buy, worse):
    maker = world.signed("maker", not buy)
    with reverts("OrderPrice"):
        world.pair(maker, world.signed("taker", buy, limit_price=Decimal(worse)))
    world.pair(maker, world.signed("taker", buy))


def test_fill_pair__same_side_or_other_market__order_mismatch(world):
    maker = world.signed("maker", False)
    with reverts("OrderMismatch"):
        world.pair(maker, world.signed("taker", False))
    with reverts("OrderMismatch"):
        world.pair(maker, world.signed("taker", True, market=6))
    with reverts("OrderMismatch"):
        world.pair(maker, world.signed("taker", False, market=6))


def test_fill_pair__same_account__self_trade(world):
    sell, buy = (world.signed("trader", side, nonce=2 + side) for side in (False, True))
    with reverts("SelfTrade"):
        world.pair(sell, buy)
    other = world.signed("trader", True, account=world.account("trader", 1))
    world.pair(sell, other)  # two accounts of one owner may trade


def test_fill_pair__post_only_taker__order_post_only(world):
    maker, taker = world.signed("maker", False), world.signed("taker", True, post_only=True)
    with reverts("OrderPostOnly"):
        world.pair(maker, taker)
    world.pair(taker, maker)


def test_fill_pair__lots__zero_and_too_many_refused(world):
    maker, taker = world.signed("maker", False), world.signed("taker", True)
    with reverts("ZeroAmount"):
        world.pair(maker, taker, 0)
    with reverts("OrderFilled"):
        world.pair(maker, taker, LOT * 3 // 2 + 1)
    huge = orders.pair_calldata(maker, taker, 1)[:-32] + (2**256 - 1).to_bytes(32, "big")
    with reverts("OrderFilled"):
        world.send(huge)
    with reverts("OrderFilled"):  # 2**64 + 1 must not pass for 1
        world.send(huge[:-32] + (2**64 + 1).to_bytes(32, "big"))
    world.pair(maker, taker, LOT)
    with reverts("OrderFilled"):  # must not wrap around to less than was filled
        world.send(huge[:-32] + (2**256 - LOT // 2).to_bytes(32, "big"))
    world.pair(maker, taker, LOT // 2)


def test_fill__match_names_no_order__bad_argument(world):
    wires = [world.signed("maker", False), world.signed("taker", True)]
    for match in ((2, 1, 1), (0, 2, 1), (255, 0, 1)):
        with reverts("BadArgument"):
            world.fill(wires, [match])


def test_fill_pair__unknown_bits__bad_argument(world):
    maker, taker = world.signed("maker", False), world.signed("taker", True)
    for bit in range(246, 256):
        with reverts("BadArgument"):
            world.pair(maker._replace(terms=maker.terms | 1 << bit), taker)


def test_fill_pair__every_signed_bit_flipped__bad_signature(world):
    maker = world.signed("maker", False, limit_price=Decimal(1), nonce=5)
    taker = world.signed("taker", True)
    skipped = 0
    for bit in range(246):
        wire = maker._replace(terms=maker.terms ^ 1 << bit)
        if (wire.terms >> 136) & (1 << 40) - 1 < world.evm.timestamp:
            skipped += 1
            continue  # expired before its signature is looked at
        with reverts("BadSignature"):
            world.pair(wire, taker)
    assert skipped < 40
    for bit in range(0, 256, 5):
        with reverts("BadSignature"):
            world.pair(maker._replace(account=maker.account ^ 1 << bit), taker)
    world.pair(maker, taker)


# -- who may match


def test_fill__stranger__only_where_every_order_lets_anybody(world):
    stranger = world.evm.account()
    for maker_open, taker_open in ((False, False), (True, False), (False, True), (True, True)):
        nonce = 10 + 2 * maker_open + taker_open
        maker = world.signed("maker", False, any_matcher=maker_open, nonce=nonce)
        taker = world.signed("taker", True, any_matcher=taker_open, nonce=nonce)
        if maker_open and taker_open:
            world.pair(maker, taker, 1, sender=stranger)
            world.fill([maker, taker], [(0, 1, 1)], sender=stranger)
            continue
        with reverts("NotMatcher"):
            world.pair(maker, taker, 1, sender=stranger)
        with reverts("NotMatcher"):
            world.fill([maker, taker], [(0, 1, 1)], sender=stranger)
        with reverts("NotMatcher"):
            world.fill([maker, taker], [(0, 1, 1)], sender=stranger, updates=[(1, b"")])


def test_fill__named_matcher__it_alone(world):
    named = world.evm.account()
    maker = world.signed("maker", False, matcher=named)
    taker = world.signed("taker", True, any_matcher=True)
    with reverts("BadSignature"):  # not even a registered matcher
        world.pair(maker, taker, 1)
    world.pair(maker, taker, 1, sender=named)


def test_set_matcher__role_given_and_taken__governance_only(world):
    matcher, pair = world.evm.account(), (world.signed("maker", False), world.signed("taker", True))
    for sender in (world.matcher, matcher, world.address("maker")):
        with reverts("NotGovernance"):
            world.venue.set_matcher(matcher, True, sender=sender)
    with reverts("NullAddress"):
        world.venue.set_matcher("0x" + "00" * 20, True, sender=world.governance)
    event = world.venue.set_matcher(matcher, True, sender=world.governance).event("MatcherSet")
    assert (event.matcher, event.old, event.new) == (matcher, False, True)
    world.pair(*pair, 1, sender=matcher)
    event = world.venue.set_matcher(matcher, False, sender=world.governance).event("MatcherSet")
    assert (event.old, event.new) == (True, False)
    with reverts("NotMatcher"):
        world.pair(*pair, 1, sender=matcher)


def test_ownership__two_steps__deployer_has_nothing(world):
    heir = world.evm.account()
    assert world.venue.owner() == world.governance
    with reverts("Error", "ownable: caller is not the owner"):
        world.venue.transfer_ownership(heir)  # the deployer
    world.venue.transfer_ownership(heir, sender=world.governance)
    assert world.venue.owner() == world.governance
    world.venue.accept_ownership(sender=heir)
    assert world.venue.owner() == heir


def test_deploy__zero_neighbour__null_address(world):
    from plimsoll.compiler import compile_contract

    good = [world.engine.address, world.engine.address, world.governance]
    for position in range(3):
        arguments = list(good)
        arguments[position] = orders.NULL_ADDRESS
        with reverts("NullAddress"):
            world.evm.deploy(compile_contract("SignedOrders"), *arguments)


# -- atomicity


def _with_one_bad(world, kind):
    """Sixteen pairs, the last one bad, and the error it must cause."""
    wires, matches = [], []
    for i in range(16):
        fields = {}
        if i == 15:
            fields = {
                "Expired": {"expiry": world.evm.timestamp - 1},
                "OrderPrice": {"limit_price": Decimal(3001)},
                "OrderMismatch": {"market": 8},
                "Underwater": {},
            }.get(kind, {})
        market = {"market": 9} if i == 15 and kind == "Underwater" else {}
        wires.append(world.signed(f"seller {i}", False, **{**fields, **market}))
        wires.append(world.signed(f"buyer {i}", True, **market))
        matches.append((2 * i, 2 * i + 1, 10 + i))
    if kind == "BadSignature":
        wires[-1] = wires[-1]._replace(r=wires[-1].r ^ 1)
    if kind == "OrderFilled":
        matches[-1] = (30, 31, 2 * LOT)
    return wires, matches


@pytest.mark.parametrize(
    "kind", ["Expired", "OrderPrice", "OrderMismatch", "BadSignature", "OrderFilled", "Underwater"]
)
def test_fill__one_bad_pair_of_sixteen__nothing_happens(world, kind):
    world.engine.refuse(9)
    wires, matches = _with_one_bad(world, kind)
    with reverts(kind):
        world.fill(wires, matches)
    assert world.fills() == []
    assert [world.filled(wire) for wire in wires] == [0] * 32
    world.fill(wires[:-2], matches[:-1])
    assert len(world.fills()) == 15


# -- bounds (P35)


def test_fill__orders_at_and_past_bound__refused_past(world):
    wires = [world.signed(f"trader {i}", i % 2 == 0) for i in range(33)]
    matches = [(2 * i, 2 * i + 1, 1 + i) for i in range(16)]
    world.fill(wires[:32], matches)
    assert [f.lots for f in world.fills()] == list(range(1, 17))
    with reverts(""):  # the decoder's bound
        world.fill(wires, matches[:1], check=False)


def test_fill__matches_at_and_past_bound__refused_past(world):
    wires = [world.signed("maker", False), world.signed("taker", True)]
    world.fill(wires, [(0, 1, 1)] * 16)
    assert world.filled(wires[0]) == 16
    with reverts(""):  # the decoder's bound
        world.fill(wires, [(0, 1, 1)] * 17, check=False)
    assert world.filled(wires[0]) == 16


def test_fill_with__updates_at_and_past_bounds__applied_first(world):
    wires = [world.signed("maker", False), world.signed("taker", True)]
    full = [(i, bytes([i + 1]) * 2048) for i in range(4)]
    world.fill(wires, [(0, 1, 1)], updates=full)
    assert world.engine.counts() == (1, 0, 4)
    assert [world.engine.pokes(i).feed for i in range(4)] == [0, 1, 2, 3]
    assert [world.engine.pokes(i).size for i in range(4)] == [2048] * 4
    with reverts(""):
        world.fill(wires, [(0, 1, 1)], updates=[*full, (4, b"")], check=False)
    with reverts(""):
        world.fill(wires, [(0, 1, 1)], updates=[(0, bytes(2049))], check=False)


def test_fill_with__refused_update__fill_goes_on(world):
    wires = [world.signed("maker", False), world.signed("taker", True)]
    world.fill(wires, [(0, 1, 1)], updates=[(3, b"bad"), (4, b"good")])
    assert world.engine.counts() == (1, 0, 1)
    assert world.engine.pokes(0).feed == 4


# -- operators


def test_fill_pair__operator_signs__charged_with_signed_lots(world):
    operator = world.address("operator")
    maker = replace(world.order("maker", False), limit_price=Decimal(2999))
    taker = world.order("taker", True)
    wires = [world.sign(maker, by="operator"), world.sign(taker, by="operator")]
    with reverts("BadSignature"):
        world.pair(*wires, 5)
    world.engine.set_operator(maker.account, operator, True)
    with reverts("BadSignature"):
        world.pair(*wires, 5)
    world.engine.set_operator(taker.account, operator, True)
    world.pair(*wires, 5)
    world.fill(wires, [(0, 1, 6)])
    assert world.engine.counts() == (2, 4, 0)
    got = [world.engine.charges(i) for i in range(4)]
    assert [(c.account, c.signer, c.market, c.lots) for c in got] == [
        (maker.account, operator, 7, -5),
        (taker.account, operator, 7, 5),
        (maker.account, operator, 7, -6),
        (taker.account, operator, 7, 6),
    ]
    assert {c.price for c in got} == {maker.ticks}


def test_fill_pair__owners_sign__engine_asked_nothing_more(world):
    world.pair(world.signed("maker", False), world.signed("taker", True), 5)
    assert world.engine.counts() == (1, 0, 0)
