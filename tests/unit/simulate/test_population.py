"""The crowd of a stress run: the same for a seed, shaped as stated, nobody under the margin."""

from __future__ import annotations

from collections import Counter

import pytest

from plimsoll.deployment.house import House
from plimsoll.simulate.crowd import Crowd
from plimsoll.simulate.population import (
    FIRST_WAVE,
    LEVERAGE,
    SHARES,
    Kind,
    Person,
    gross_long,
    make_population,
)
from tests.unit.simulate.conftest import INTEREST, START, Venue


def test_make_population__same_seed__same_people() -> None:
    assert make_population(200, 5, INTEREST) == make_population(200, 5, INTEREST)
    assert make_population(200, 5, INTEREST) != make_population(200, 6, INTEREST)


@pytest.mark.parametrize("count", [20, 50, 500])
def test_make_population__any_count__that_many_and_every_kind(count: int) -> None:
    people = make_population(count, 1, INTEREST)
    assert len(people) == count == len({one.name for one in people})
    kinds = Counter(one.kind for one in people)
    assert set(kinds) == set(Kind)
    for kind, share in SHARES.items():
        assert abs(kinds[kind] - share * count) <= 2


def test_make_population__too_few__is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least ten accounts"):
        make_population(5, 1, INTEREST)


def test_make_population__first_wave__has_the_open_interest_aimed_at() -> None:
    for most in (5.0, 12.0):
        people = make_population(500, 1, INTEREST, most)
        first = [one for one in people if not one.arrives]
        total = sum(one.equity * gross_long(one, most) for one in first)
        assert abs(total / INTEREST - 1) < 0.01
        assert abs(len(first) / len(people) - FIRST_WAVE) < 0.12


def test_make_population__leverage__as_stated_with_a_tail_at_the_most() -> None:
    longs = [one for one in make_population(5_000, 1, INTEREST) if one.kind is Kind.LONG]
    for share, span in LEVERAGE:
        if span is None:
            found = sum(one.leverage is None for one in longs)
        else:
            found = sum(
                one.leverage is not None and span[0] <= one.leverage < span[1] for one in longs
            )
        assert abs(found / len(longs) - share) < 0.03


# -- at the venue


@pytest.fixture(scope="module")
def house(made: Venue) -> House:
    return made.house


@pytest.fixture(scope="module")
def crowd(made: Venue) -> Crowd:
    return made.crowd


def test_arrive__first_wave__everybody_opens_and_nobody_under_the_initial_margin(
    house: House, crowd: Crowd
) -> None:
    seen = []
    settle = house.settle

    def watched(fills: list[tuple[int, ...]]) -> object:
        done = settle(fills)
        seen.extend(house.engine.margin(account) for account in fills[0][1:3])
        return done

    house.settle = watched  # type: ignore[method-assign, assignment]
    try:
        came = crowd.arrive(START, (0, 0))
    finally:
        house.settle = settle  # type: ignore[method-assign]
    assert came
    assert crowd.turned_away == 0
    assert all(one.initial_equity >= one.initial_requirement for one in seen)
    assert {one.person.arrives for one in came} == {0.0}


def test_arrive__the_tail__is_within_a_tenth_of_all_it_may(house: House, crowd: Crowd) -> None:
    last = [one for one in crowd.members if one.at and one.person.leverage is None]
    assert last
    for one in last:
        margin = house.engine.margin(one.account)
        assert margin.initial_requirement > margin.initial_equity * 85 // 100


def test_arrive__asked_leverage__is_what_it_has(house: House, crowd: Crowd) -> None:
    modest = [one for one in crowd.members if one.at and (one.person.leverage or 99) < 5]
    assert modest
    for one in modest:
        notional = sum(
            abs(house.engine.position(one.account, market).lots) * house.engine.market(market).mark
            for market in (0, 1)
        )
        assert abs(notional / 10**15 / one.person.equity - (one.person.leverage or 0)) < 0.05


def test_arrive__before_its_time_or_without_a_price__waits(house: House, crowd: Crowd) -> None:
    left = len(crowd.waiting)
    assert left
    assert crowd.arrive(START, (0, 0)) == []
    assert crowd.arrive(START + 3_600, (0, 3)) == []
    assert len(crowd.waiting) == left


def test_person__carry_and_pairs__are_hedged() -> None:
    person = Person("x", Kind.CARRY, 100, 1.0, ((0, -1.0),), 1.0, 0.0)
    assert person.hedged
    assert not Person("x", Kind.LONG, 100, 0.0, ((0, 1.0),), 1.0, 0.0).hedged
