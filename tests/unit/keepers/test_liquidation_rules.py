"""The liquidator's rules, by hand-computed numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plimsoll.keepers import rules
from plimsoll.keepers.decisions import ONE, Backer, Curve, Facts, House, LegOffer, Move, Policy
from plimsoll.keepers.program import ANSWER_BYTES, MARGIN_BITS, build, parse

USD = 10**15
GWEI = 10**9
CURVE = Curve(600, 1_200, 60, 500_000, 500_000, 1_000 * 10**6)
HOUSE = House(
    block=1,
    timestamp=1_000,
    pause=0,
    gas_price=10 * GWEI,
    native=2_000 * 10**9,
    room=10_000 * USD,
    budget=100 * USD,
)
# E 95, R 120, x 0.3: the whole account costs 95 - 36 = 59; a half of it is on sale.
FACTS = Facts(
    account=7 << 96,
    equity=95 * USD,
    requirement=120 * USD,
    negative=False,
    stopped=False,
    running=True,
    clock_stopped=False,
    elapsed=120,
    seen=990,
    x=300_000_000,
    fraction=ONE // 2,
    cost=295 * USD // 10,
    fee=0,
    auction_id=9,
    perps=1,
    collateral=0,
    notional=4_000 * USD,
    initial=-150 * USD,
    curve=CURVE,
)
POLICY = Policy(min_profit=10 * USD)


def test_gas_cost__200k_gas_at_10_gwei_and_2000_usd__four_dollars() -> None:
    assert rules.gas_cost(200_000, HOUSE) == 4 * USD


def test_weigh__bid__value_minus_cost_minus_gas_minus_hedge() -> None:
    (bid,) = rules.moves(FACTS, HOUSE, POLICY)
    decision = rules.weigh(bid, 200_000, FACTS, HOUSE, POLICY)
    # value 47.50 - cost 29.50 - gas 4.00 - hedge 5 bps of 2,000 = 1.00
    assert (decision.value, decision.cost) == (47_500 * USD // 1_000, 29_500 * USD // 1_000)
    assert (decision.gas, decision.hedge) == (4 * USD, USD)
    assert decision.profit == 13 * USD
    assert decision.go


@pytest.mark.parametrize(("least", "go"), [(13, True), (14, False)])
def test_weigh__bid__profit_at_the_least_goes_and_under_it_not(least: int, go: bool) -> None:
    policy = Policy(min_profit=least * USD)
    (bid,) = rules.moves(FACTS, HOUSE, policy)
    decision = rules.weigh(bid, 200_000, FACTS, HOUSE, policy)
    assert decision.go is go
    assert ("skipped" in decision.reason) is not go


def test_weigh__insolvent_account__the_fund_pays_and_profit_is_the_bonus() -> None:
    facts = replace(
        FACTS, equity=-50 * USD, negative=True, fraction=ONE, cost=-56 * USD, x=1_050_000_000
    )
    (bid,) = rules.moves(facts, HOUSE, POLICY)
    decision = rules.weigh(bid, 0, facts, HOUSE, POLICY)
    assert decision.profit == 4 * USD  # 6 of bonus, 2 of hedging 4,000


def test_moves__bidder_bears_a_quarter__fraction_capped_with_room_to_spare() -> None:
    # a whole account costs 59 and lowers free margin by 150 more: 209 per account
    house = replace(HOUSE, room=5_225 * USD // 100)
    (bid,) = rules.moves(FACTS, house, POLICY)
    assert bid.fraction == ONE // 4 * 95 // 100
    assert bid.value == FACTS.equity * bid.fraction // ONE
    assert "own margin" in bid.reason


def test_moves__all_on_sale_wanted__may_become_more_by_the_time_it_is_mined() -> None:
    (bid,) = rules.moves(FACTS, HOUSE, POLICY)
    assert (bid.fraction, bid.most) == (ONE // 2, ONE)
    (bid,) = rules.moves(FACTS, replace(HOUSE, room=220 * USD), Policy(max_fraction=ONE * 9 // 10))
    assert (bid.fraction, bid.most) == (ONE // 2, ONE * 9 // 10)


def test_moves__bidder_without_room__skipped_and_says_so() -> None:
    house = replace(HOUSE, room=-1 * USD)
    (bid,) = rules.moves(FACTS, house, POLICY)
    decision = rules.weigh(bid, 0, FACTS, house, POLICY)
    assert (decision.fraction, decision.go) == (0, False)
    assert "own margin bears nothing" in decision.reason


def test_moves__max_fraction__caps() -> None:
    (bid,) = rules.moves(FACTS, HOUSE, Policy(max_fraction=ONE // 10))
    assert bid.fraction == bid.most == ONE // 10
    assert bid.cost == 59 * USD // 10


def test_moves__healthy_and_not_running__nothing() -> None:
    facts = replace(FACTS, running=False, equity=FACTS.requirement)
    assert rules.moves(facts, HOUSE, POLICY) == []


def test_moves__cured__end_even_while_auctions_are_stopped() -> None:
    facts = replace(FACTS, equity=FACTS.requirement)
    assert [move.kind for move in rules.moves(facts, replace(HOUSE, pause=3), POLICY)] == ["end"]


def test_moves__auctions_stopped__nothing_else() -> None:
    assert rules.moves(replace(FACTS, running=False), replace(HOUSE, pause=3), POLICY) == []


def test_moves__stale_feeds__no_start_and_the_clock_is_stopped_once() -> None:
    stale = replace(FACTS, stopped=True)
    assert [one.kind for one in rules.moves(stale, HOUSE, POLICY)] == ["sync"]
    assert rules.moves(replace(stale, clock_stopped=True), HOUSE, POLICY) == []
    assert rules.moves(replace(stale, running=False), HOUSE, POLICY) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"elapsed": 599}, False),
        ({"elapsed": 600}, True),
        ({"elapsed": 600, "collateral": FACTS.requirement // 100}, True),
        ({"elapsed": 600, "collateral": FACTS.requirement // 100 + 1}, False),
        ({"elapsed": 600, "negative": True}, False),
        ({"elapsed": 1_200, "negative": True}, True),
        ({"elapsed": 0, "perps": 0}, True),
        ({"elapsed": 1_200, "perps": 0, "collateral": 1}, False),
        ({"elapsed": 1_200, "perps": 0, "collateral": 1, "negative": True}, True),
    ],
)
def test_exhausted__as_the_auction_rules(change: dict[str, int], expected: bool) -> None:
    assert rules.exhausted(replace(FACTS, **change)) is expected  # type: ignore[arg-type]


def test_moves__clock_about_to_lose_time__sync_after_the_bid() -> None:
    facts = replace(FACTS, seen=HOUSE.timestamp - 48)
    assert [one.kind for one in rules.moves(facts, HOUSE, POLICY)] == ["bid", "sync"]


def test_weigh__start_of_dust__skipped() -> None:
    facts = replace(FACTS, running=False, equity=0, requirement=USD)
    (start,) = rules.moves(facts, HOUSE, POLICY)
    decision = rules.weigh(start, 200_000, facts, HOUSE, POLICY)
    assert not decision.go
    assert "can repay 1.00 USD at most" in decision.reason


def test_weigh__end_dearer_than_allowed__skipped() -> None:
    facts = replace(FACTS, equity=FACTS.requirement)
    (end,) = rules.moves(facts, HOUSE, POLICY)
    assert rules.weigh(end, 100_000, facts, HOUSE, Policy(max_unpaid=2 * USD)).go
    assert not rules.weigh(end, 100_001, facts, HOUSE, Policy(max_unpaid=2 * USD)).go


def test_parse__flags_and_signs() -> None:
    loss = (2**MARGIN_BITS - 5 | 1 << MARGIN_BITS).to_bytes(ANSWER_BYTES, "big")
    idle = (2 << MARGIN_BITS).to_bytes(ANSWER_BYTES, "big")
    first, second = parse([10, 11, 12], b"\x00" + loss + idle)
    assert (first.account, first.margin, first.frozen, first.wanted) == (10, -5, True, True)
    assert (second.account, second.idle, second.wanted) == (11, True, False)


@pytest.mark.parametrize("answer", [b"", b"\x00", b"\x01" + bytes(16), bytes(18)])
def test_parse__not_an_answer__refused(answer: bytes) -> None:
    with pytest.raises(ValueError, match="expected a zero byte"):
        parse([1], answer)


def test_build__same_inputs__same_bytes() -> None:
    args = ("0x" + "11" * 20, b"abcd", b"efgh")
    assert build(*args) == build(*args)
    assert bytes.fromhex("11" * 20) in build(*args)


# -- before the auction, and intents

THIN = replace(
    FACTS, running=False, equity=122 * USD, pre_fraction=ONE // 5, pre_cost=23 * USD, fraction=0
)
PAYING = replace(
    CURVE, start_flat=500_000, start_share=500_000,
    exec_flat=500_000, exec_share=500_000, fee=20_000_000, keeper_share=5_000,
    min_requirement=50 * 10**6,
)  # fmt: skip
BACKER = Backer(9 << 96, 30 * 10**6, 200 * 10**6, 300_000_000, 2_000, False, 1)


def test_moves__thin_account_that_asked__pre_liquidated_like_a_bid() -> None:
    (move,) = rules.moves(THIN, HOUSE, POLICY)
    assert (move.kind, move.fraction, move.cost) == ("pre_liquidate", ONE // 5, 23 * USD)
    decision = rules.weigh(move, 0, THIN, HOUSE, Policy())
    # value 24.40 - cost 23 - hedge 5 bps of 800 = 0.40
    assert decision.profit == 1_000 * USD // 1_000
    assert decision.go
    assert rules.moves(THIN, replace(HOUSE, room=None), POLICY) == []
    assert rules.moves(replace(THIN, pre_fraction=0), HOUSE, POLICY) == []


def test_moves__priority_window__only_intents() -> None:
    facts = replace(FACTS, priority=5, curve=PAYING, markets=1)
    assert rules.moves(facts, HOUSE, POLICY) == []
    moves = rules.moves(facts, replace(HOUSE, backers=(BACKER,)), POLICY)
    assert [(one.kind, one.backer) for one in moves] == [("fill_intent", BACKER.account)]


def test_moves__several_intents__the_cheapest_first_after_the_bid() -> None:
    other = replace(BACKER, account=8 << 96, premium=100_000_000)
    house = replace(HOUSE, backers=(BACKER, other))
    kinds = [(one.kind, one.backer) for one in rules.moves(FACTS, house, POLICY)]
    assert kinds == [("bid", 0), ("fill_intent", 8 << 96), ("fill_intent", 9 << 96)]


@pytest.mark.parametrize(
    "change",
    [
        {"premium": 300_000_001},
        {"expiry": 999},
        {"largest": 119 * 10**6},
        {"markets": 2},
        {"account": FACTS.account},
    ],
)
def test_moves__intent_that_does_not_fit__left_alone(change: dict[str, int]) -> None:
    facts = replace(FACTS, priority=5, markets=1)
    house = replace(HOUSE, backers=(replace(BACKER, **change),))  # type: ignore[arg-type]
    assert rules.moves(facts, house, POLICY) == []


def test_weigh__intent__pay_of_what_its_capacity_takes_against_gas() -> None:
    # capacity 60 of R 120: all that is on sale; flat 0.5 + 0.05 % of 60 = 0.53, fee part 0.60
    facts = replace(FACTS, priority=5, curve=PAYING, markets=1)
    house = replace(HOUSE, backers=(replace(BACKER, capacity=60 * 10**6),))
    (move,) = rules.moves(facts, house, POLICY)
    assert move.fraction == ONE // 2
    assert rules.keeper_pay(move, facts, house) == 530 * USD // 1_000
    assert rules.weigh(move, 26_000, facts, house, POLICY).go  # 0.52 of gas
    assert not rules.weigh(move, 27_000, facts, house, POLICY).go


# -- pay, impact, deficits


def fill(sold: int = 60, fee: bool = False) -> Move:
    """A slice of so many USD of R; with `fee` 2 % of it are paid, a half to keepers."""
    part = sold * USD * 2 // 100 if fee else 0
    return Move("bid", FACTS.account, "", fraction=ONE, sold=sold * USD, fee=part)


@pytest.mark.parametrize(
    ("move", "facts", "house", "pay"),
    [
        (fill(60), {}, {}, 530),  # flat 0.5 and 0.05 %
        (fill(49), {}, {}, 0),  # under the least requirement
        (fill(60), {"starter": 5}, {"sender": 5}, 1_060),  # the starter's part too
        (fill(60), {"starter": 5}, {"sender": 6}, 530),
        (fill(60), {"starter": 0}, {"sender": 0}, 530),
        (fill(60), {}, {"budget": USD // 10}, 100),
        (fill(60), {}, {"budget": 0}, 0),
        (fill(60, fee=True), {}, {"budget": 0}, 530),  # its own fee fills the budget: 0.60
        (fill(50, fee=True), {}, {"budget": 0}, 500),
    ],
)
def test_keeper_pay__by_hand__thousandths_of_a_dollar(
    move: Move, facts: dict[str, int], house: dict[str, int], pay: int
) -> None:
    one = replace(FACTS, curve=PAYING, **facts)  # type: ignore[arg-type]
    assert rules.keeper_pay(move, one, replace(HOUSE, **house)) == pay * USD // 1_000  # type: ignore[arg-type]


def test_weigh__deleverage__its_gas_less_its_pay() -> None:
    facts = replace(FACTS, curve=replace(PAYING, exec_flat=3 * 10**6), elapsed=600)
    move = Move("deleverage", facts.account, "", sold=facts.requirement)
    policy = Policy(max_unpaid=USD)
    # pay 3 + 0.05 % of 120 = 3.06; 203,000 gas are 4.06 USD
    assert rules.weigh(move, 203_000, facts, HOUSE, policy).go
    assert not rules.weigh(move, 203_001, facts, HOUSE, policy).go
    assert not rules.weigh(move, 203_000, facts, replace(HOUSE, budget=0), policy).go


def test_hedge_cost__impact__each_market_by_itself() -> None:
    facts = replace(FACTS, notional=3_000_000 * USD, parts=(2_000_000 * USD, 1_000_000 * USD))
    policy = Policy(hedge_bps=5, impact_bps=10)
    whole = Move("bid", 1, "", fraction=ONE)
    # 2 million at 5 + 20 bps, one at 5 + 10
    assert rules.hedge_cost(whole, facts, policy) == (5_000 + 1_500) * USD
    half = Move("bid", 1, "", fraction=ONE // 2)
    assert rules.hedge_cost(half, facts, policy) == (1_500 + 500) * USD
    leg = Move("bid_leg", 1, "", lots=7, notional=1_000_000 * USD)
    assert rules.hedge_cost(leg, facts, policy) == 1_500 * USD


@pytest.mark.parametrize(
    ("deficit", "noted", "moved"),
    [
        (0, 0, False),
        (10, 0, True),
        (9, 0, False),  # under ten dollars
        (0, 500, True),
        (1_000, 901, False),  # under a tenth
        (1_000, 900, True),
        (900, 1_000, True),
    ],
)
def test_deficit_moved__a_tenth_and_ten_dollars(deficit: int, noted: int, moved: bool) -> None:
    facts = replace(FACTS, deficit=deficit * USD, noted=noted * USD)
    assert rules.deficit_moved(facts) is moved
    assert ("sync" in [one.kind for one in rules.moves(facts, HOUSE, POLICY)]) is moved


def test_moves__frozen__released_once_its_intent_has_expired_else_ended() -> None:
    frozen = replace(FACTS, running=False, frozen=True, equity=FACTS.requirement)
    own = replace(BACKER, account=FACTS.account, expiry=HOUSE.timestamp)
    waiting = replace(HOUSE, backers=(own,))
    assert rules.moves(frozen, waiting, POLICY) == []
    late = replace(waiting, timestamp=HOUSE.timestamp + 1)
    assert [one.kind for one in rules.moves(frozen, late, POLICY)] == ["release_intent"]
    assert [one.kind for one in rules.moves(frozen, HOUSE, POLICY)] == ["end"]


# -- single legs

OFFER = LegOffer(
    market=0,
    lots=1_000,
    cost=-20 * USD,
    fee=USD,
    removed=60 * USD,
    notional=2_000 * USD,
    need=40 * USD,
)


def test_moves__legs__beside_the_slice_and_not_within_the_priority_window() -> None:
    facts = replace(FACTS, legs=(OFFER,))
    assert [one.kind for one in rules.moves(facts, HOUSE, POLICY)] == ["bid", "bid_leg"]
    assert rules.moves(replace(facts, priority=1), HOUSE, POLICY) == []
    assert rules.moves(facts, replace(HOUSE, room=None), POLICY) == []


def test_weigh__leg__premium_less_gas_and_hedging() -> None:
    facts = replace(FACTS, legs=(OFFER,))
    leg = rules.moves(facts, HOUSE, POLICY)[1]
    decision = rules.weigh(leg, 200_000, facts, HOUSE, POLICY)
    # 20 - 4 of gas - 5 bps of 2,000
    assert decision.profit == 15 * USD
    assert decision.go
    assert (decision.market, decision.lots) == (0, 1_000)
    assert "market 0 size 0.0010" in decision.line()


def test_moves__leg__as_much_as_the_bidder_s_margin_bears() -> None:
    facts = replace(FACTS, legs=(OFFER,))
    leg = rules.moves(facts, replace(HOUSE, room=20 * USD), POLICY)[1]
    # half of it would take all there is; 95 % of that
    assert (leg.lots, leg.cost) == (475, -95 * USD // 10)
    assert "own margin" in leg.reason
    none = rules.moves(facts, replace(HOUSE, room=-1), POLICY)[1]
    assert not rules.weigh(none, 0, facts, HOUSE, POLICY).go
    hedging = replace(facts, legs=(replace(OFFER, need=-USD),))
    assert rules.moves(hedging, replace(HOUSE, room=-1), POLICY)[1].lots == 1_000
