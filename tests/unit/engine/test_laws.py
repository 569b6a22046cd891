"""Laws that hold for any numbers: P2, P5, P7, P8, P10, P12 under seeded random calls."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from plimsoll.evm import Reverted
from tests.stage import (
    BTC,
    ETH,
    TOK,
    TOKEN,
    USD,
    cash,
    conserves,
    equity,
    move_price,
)

SEEDS = (1, 2, 3)
EXPECTED = {
    "HealthFell",
    "DustPosition",
    "Underwater",
    "NothingToRealise",
    "OpenInterestCap",
    "InsufficientCollateral",
}


@pytest.fixture(params=SEEDS)
def rng(request) -> Iterator[random.Random]:
    print(f"seed {request.param}")
    return random.Random(request.param)


def free_of_fees(house):
    for market in (ETH, BTC):
        terms = house.engine.config(market)
        cap_lots, cap_usd = terms % 2**56, (terms >> 56) % 2**40
        house.govern("MarginEngine", "set_market", market, (cap_lots, cap_usd, 10, 0, 0, 500, 0))


def odd_fill(rng, buyer, seller, market=ETH, mark=2_000 * 10**9):
    """Any lots and any tick inside the band."""
    price = mark + rng.randint(-mark // 25, mark // 25)
    return (market, buyer.id, seller.id, rng.randint(6_000, 3_000_000), price, rng.randint(0, 1))


def test_round_trip__any_numbers__never_enriches(house, trader, maker, rng):
    """P5, Velar's class: opened and closed at one price, both sides end with what they had, less
    fees."""
    for free in (False, True):
        if free:
            free_of_fees(house)
        for _ in range(25):
            before = {one.id: equity(house, one.id) for one in (trader, maker)}
            fees = house.engine.market(ETH).fees
            one = odd_fill(rng, trader, maker)
            house.settle([one])
            house.settle([(ETH, one[2], one[1], *one[3:])])
            paid = house.engine.market(ETH).fees - fees
            after = {one.id: equity(house, one.id) for one in (trader, maker)}
            gains = [after[key] - before[key] for key in before]
            assert all(gain <= 0 for gain in gains)
            assert -4 <= sum(gains) + paid <= 0, f"{gains} against fees of {paid}"
    conserves(house)


def test_round_trip__through_the_vault__never_enriches(house, rng):
    rival = house.actors["rival"]
    weth = house.tokens["weth"].address
    for _ in range(20):
        amount = rng.randint(1, 10**19)
        house.mint(rival, 1)
        house.tokens["weth"].mint(rival, amount)
        before = house.quote.balanceOf(rival), equity(house, rival.id)
        house.engine.deposit(rival.id, TOKEN, sender=rival)
        house.vault.deposit(rival.id, weth, amount, sender=rival)
        house.vault.withdraw(rival.id, weth, amount, rival, sender=rival)
        house.engine.withdraw(rival.id, TOKEN, rival, sender=rival)
        assert (house.quote.balanceOf(rival), equity(house, rival.id)) == before
    conserves(house)


def test_deposit_and_withdraw__under_interest__never_enrich(house, rng):
    """Share rounding: no sequence of tiny moves makes a unit out of nothing."""
    borrower, rival = house.actors["trader"], house.actors["rival"]
    house.deposit_collateral(borrower, 100)
    house.engine.withdraw(borrower.id, 60_000 * TOKEN, borrower, sender=borrower)
    house.advance(100 * 86_400, refresh=True)
    house.mint(rival, 100)
    tokens = house.quote.balanceOf(rival)
    for who, asked in ((rival, 10_000), (borrower, 1_000)):
        house.mint(who, 1)
        for _ in range(30):
            before = cash(house, who.id)
            amount = rng.randint(1, asked)
            house.engine.deposit(who.id, amount, sender=who)
            house.engine.withdraw(who.id, amount, who, sender=who)
            assert cash(house, who.id) <= before
    assert house.quote.balanceOf(rival) == tokens + TOKEN
    conserves(house)


def test_settle__in_parts__never_beats_the_whole(house, trader, maker, rng):
    """P7: N fills of one order cost at least what one fill costs."""
    for _ in range(12):
        (market, buyer, seller, lots, price, flags) = odd_fill(rng, trader, maker)
        parts = rng.randint(2, 6)
        ends = []
        for pieces in (1, parts):
            before = house.evm.snapshot()
            sizes = [lots // pieces] * (pieces - 1)
            sizes.append(lots - sum(sizes))
            if min(sizes) < 5_300:
                sizes = [lots]
            house.settle([(market, buyer, seller, size, price, flags) for size in sizes])
            ends.append([equity(house, trader.id), equity(house, maker.id)])
            conserves(house)
            house.evm.revert(before)
        assert all(split <= whole for whole, split in zip(*ends, strict=True))


def test_close__in_parts__never_beats_the_whole(house, trader, maker, rng):
    house.settle([(ETH, trader.id, maker.id, 4_000_003, 1_999_999_999_937, 1)])
    move_price(house, 2_013)
    for _ in range(8):
        lots = rng.randint(2_000_000, 3_900_000)
        cut = rng.randint(6_000, lots - 6_000)
        ends = []
        for sizes in ([lots], [cut, lots - cut]):
            before = house.evm.snapshot()
            house.settle([(ETH, maker.id, trader.id, n, 2_011 * 10**9 + 7, 0) for n in sizes])
            ends.append([equity(house, trader.id), equity(house, maker.id)])
            house.evm.revert(before)
        # The floor of a part stays in what is left: sums agree to a unit a part, never in its
        # favour.
        assert all(split <= whole + 1 for whole, split in zip(*ends, strict=True))


def test_withdraw__in_parts__takes_no_more_than_the_whole(house, trader, maker, rng):
    house.settle([(ETH, trader.id, maker.id, 20_000_000, 2_000 * 10**9, 1)])
    margin = house.engine.margin(trader.id)
    free = (margin.initial_equity - margin.initial_requirement) // TOK
    left = free
    while left:
        part = min(left, rng.randint(1, free // 3))
        house.engine.withdraw(trader.id, part, trader, sender=trader)
        left -= part
    with pytest.raises(Reverted):
        house.engine.withdraw(trader.id, TOKEN, trader, sender=trader)


def act(house, rng, people):
    """One random call by people about themselves; None or the error it met."""
    who, other = rng.sample(people, 2)
    engine, weth = house.engine, house.tokens["weth"]
    market = rng.choice((ETH, BTC))
    mark = engine.market(market).mark
    big = rng.randint(1, 30 * 10**6) if market == ETH else rng.randint(1, 10**6)
    price = mark + rng.randint(-mark // 50, mark // 50)
    calls = {
        "settle": lambda: house.settle([(market, who.id, other.id, big, price, rng.randint(0, 1))]),
        "withdraw": lambda: engine.withdraw(who.id, rng.randint(1, 4_000 * TOKEN), who, sender=who),
        "transfer": lambda: engine.transfer(
            who.id, who.account(1), rng.randint(1, 3_000 * USD), sender=who
        ),
        "pledge": lambda: house.deposit_collateral(who, 1),
        "unpledge": lambda: house.vault.withdraw(
            who.id, weth.address, rng.randint(1, 10**18), who, sender=who
        ),
        "realise": lambda: engine.realise(who.id, market, sender=who),
    }
    name = rng.choice([*calls, "settle", "settle"])
    return name, {who.id, other.id, who.account(1)}, calls[name]


def test_calls__at_a_standing_price__leave_the_strong_strong_and_others_alone(house, rng):
    """P8, P10, P12 and the identity, over random calls at one price."""
    people = [house.actors[name] for name in ("trader", "rival", "maker", "liquidator")]
    ids = [who.id for who in people] + [who.account(1) for who in people]
    done = 0
    for step in range(120):
        if step % 15 == 14:
            move_price(house, rng.randint(1_900, 2_100))
            move_price(house, rng.randint(38_000, 42_000), "BTC")
        before = {one: house.engine.margin(one) for one in ids}
        name, touched, call = act(house, rng, people)
        try:
            call()
        except Reverted as exc:
            if exc.name not in EXPECTED:
                raise
            continue
        done += 1
        for one in ids:
            was, now = before[one], house.engine.margin(one)
            assert now.initial_equity <= now.equity  # P10
            assert now.initial_requirement >= now.requirement
            if was.equity >= was.requirement:
                assert now.equity >= now.requirement, f"{name} broke {one:x}"
            if one not in touched:
                assert now.equity == was.equity, f"{name} touched {one:x}"
        conserves(house)
    assert done > 40
