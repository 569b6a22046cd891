"""A small venue with a crowd in it, put back after every test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from plimsoll.deployment.house import House
from plimsoll.simulate.book import Book
from plimsoll.simulate.crowd import Crowd
from plimsoll.simulate.desks import Desk
from plimsoll.simulate.keepers import Keepers
from plimsoll.simulate.market_impact import Impact
from plimsoll.simulate.population import Kind, make_population
from plimsoll.simulate.reads import Views
from plimsoll.simulate.tally import Tally
from plimsoll.simulate.venue import LEAD, block, open_house

START = 1_700_006_400
DEPTH = {"ETH": 6_250, "BTC": 312}
INTEREST = 25_000_000


@dataclass
class Venue:
    """The house, who is in it, and what looks at it."""

    house: House
    views: Views
    crowd: Crowd
    book: Book
    makers: list[Desk]
    bidders: list[Desk]

    def keepers(self, away: tuple[int, int] | None = None) -> Keepers:
        """Keepers in a thin market."""
        depth = (float(DEPTH["ETH"]), float(DEPTH["BTC"]))
        impact = Impact(depth, 0.2)
        return Keepers(self.house, self.book, self.bidders, [], self.makers, impact, Tally(), away)

    def price(self, feed: str, usd: int) -> int:
        """A price told by all sources in the next block; the time."""
        self.house.evm.advance(15)
        for one in self.house.feeds[feed]:
            one.set_answer(usd * 10**8)
        self.house.poke(feed)
        self.book.look()
        return self.house.evm.timestamp


@pytest.fixture(scope="module")
def made() -> Venue:
    prices = {"ETH": 2_000 * 10**9, "BTC": 40_000 * 10**9}
    house = open_house(prices, DEPTH, {"ETH": 0.65, "BTC": 0.5}, START - LEAD)
    block(house, START)
    house.refresh()
    views = Views(house.engine, house.vault, house.auction)
    makers = [Desk(house, views, house.actor(f"maker {n}", quote=5_000_000)) for n in (0, 1)]
    bidders = [Desk(house, views, house.actor(f"bidder {n}", quote=1_000_000)) for n in (0, 1)]
    people = [one for one in make_population(50, 3, INTEREST) if one.kind is not Kind.MAKER]
    crowd = Crowd(house, views, people, makers)
    crowd.expect(START, START + 3_600)
    accounts = [one.account for one in crowd.members]
    book = Book(house, accounts + [one.account for one in (*makers, *bidders)])
    return Venue(house, views, crowd, book, makers, bidders)


@pytest.fixture(scope="module")
def opened(made: Venue) -> Venue:
    made.crowd.arrive(START, (0, 0))
    made.house.insure(250_000)
    made.book.everyone()
    made.book.look()
    return made


@pytest.fixture
def venue(opened: Venue) -> Iterator[Venue]:
    before, actors = opened.house.evm.snapshot(), dict(opened.house.actors)
    try:
        yield opened
    finally:
        opened.house.evm.revert(before)
        opened.house.actors = actors
        opened.book.everyone()
        opened.book.read_roots()
        opened.book.look()
