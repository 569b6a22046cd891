"""Keepers of a stress run: away they do nothing, back they start, buy what pays and hand it on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from plimsoll.simulate.keeper_watch import MIN_PROFIT
from plimsoll.simulate.tally import Breach
from tests.unit.simulate.conftest import Venue


def fall(venue: Venue) -> int:
    """ETH falls by a tenth in two steps that halt nothing; the time."""
    venue.price("ETH", 1_900)
    return venue.price("ETH", 1_800)


def test_look__everybody__as_the_contracts_say(venue: Venue) -> None:
    fall(venue)
    venue.book.read_roots()
    venue.book.look()
    checked = 0
    for account, row in venue.book.row.items():
        told = venue.house.engine.standing(account)
        need = (told.linear + told.superlinear) / 10**15
        assert venue.book.equity[row] == pytest.approx(told.equity / 10**15, rel=1e-9, abs=1e-6)
        assert venue.book.requirement[row] == pytest.approx(need, rel=1e-7, abs=1e-6)
        checked += need > 0
    assert checked > 20


def test_near__a_fall__exactly_who_is_under_the_requirement_and_hardly_more(venue: Venue) -> None:
    assert venue.book.near() == []
    fall(venue)
    under = set()
    for account in venue.book.accounts:
        told = venue.house.engine.standing(account)
        if told.equity < told.linear + told.superlinear:
            under.add(account)
    near = set(venue.book.near())
    assert under
    assert under <= near
    assert len(near - under) <= 3


def test_turn__away__nothing_is_started_bought_or_closed(venue: Venue) -> None:
    now = fall(venue)
    keepers = venue.keepers((now, now + 60))
    for time in range(now, now + 60, 15):
        keepers.turn(time)
        venue.house.evm.advance(15)
        venue.book.look()
    assert not keepers.live
    assert not keepers.tally.counts
    assert set(keepers.below.values()) == {now}


def test_turn__back_at_the_outages_end__starts_at_once(venue: Venue) -> None:
    now = fall(venue)
    keepers = venue.keepers((now - 60, now))
    keepers.turn(now)
    assert keepers.tally.counts["auctions"] > 0
    assert keepers.tally.counts["auctions"] == len(keepers.live) + len(keepers.tally.runs)


@pytest.mark.parametrize("legs", [False, True])
def test_turn__minutes_of_it__sells_for_a_profit_and_hands_on(venue: Venue, legs: bool) -> None:
    keepers = venue.keepers()
    keepers.legs = legs
    now, what = fall(venue), "legs" if legs else "bids"
    while now < venue.house.evm.timestamp + 1 and keepers.tally.counts[what] < 3:
        keepers.turn(now)
        now = venue.price("ETH", 1_800)
        assert now < venue.house.evm.timestamp + 900
        if len(keepers.tally.runs) > 20:
            break
    tally = keepers.tally
    assert tally.counts[what] >= 3
    assert legs or not tally.counts["legs"]
    assert tally.counts["handed on"] > 0
    bought = tally.counts["bids"] + tally.counts["legs"]
    assert tally.gains - tally.hedging >= bought * MIN_PROFIT
    assert venue.house.engine.solvency().gap == 0


def test_check_under__an_account_that_meets_its_requirement__is_a_breach(venue: Venue) -> None:
    healthy = venue.crowd.members[0].account
    with pytest.raises(Breach, match=r"bid of .* with E"):
        venue.keepers().check_under(healthy, "bid")


def test_judged__a_stopped_feed__its_leg_s_requirement_is_off_equity(venue: Venue) -> None:
    keepers, book = venue.keepers(), venue.book
    account = next(a for a in book.accounts if all(book.lots[book.row[a]]))
    row = book.row[account]
    before = keepers._judged(account)
    assert before == (book.equity[row], book.requirement[row])
    parts = [book.leg_requirement(m, float(book.lots[row, m])) for m in (0, 1)]
    assert sum(parts) == pytest.approx(book.requirement[row])
    book.states = [0, 3]
    assert keepers._judged(account)[0] == pytest.approx(before[0] - parts[1])
    book.states = [0, 4]  # recovering: it has a price
    assert keepers._judged(account) == before


def test_exhausted__a_loan_without_legs__only_where_it_is_insolvent(venue: Venue) -> None:
    keepers, book = venue.keepers(), venue.book
    account = venue.bidders[0].account
    curve = venue.house.auction.curve()
    over = SimpleNamespace(equity=-1, elapsed=curve.t_end)
    covered = SimpleNamespace(equity=1, elapsed=curve.t_end)
    row = book.row[account]
    assert not book.lots[row].any()
    assert keepers._exhausted(covered, account)  # nothing at all is left
    book.ether[row] = 1.0
    assert keepers._exhausted(over, account)
    assert not keepers._exhausted(SimpleNamespace(equity=-1, elapsed=curve.t_one), account)
    assert not keepers._exhausted(covered, account)


def test_note_limiter__quotes_with_less_room__counted_and_the_longest_kept(venue: Venue) -> None:
    keepers = venue.keepers()
    for room, held in ((10**18, 0), (10**17, 40), (10**18, 30)):
        keepers._note_limiter(SimpleNamespace(room=room, held=held))
    assert keepers.tally.counts["quotes"] == 3
    assert keepers.tally.counts["quotes limited"] == 1
    assert keepers.tally.longest_held == 40
