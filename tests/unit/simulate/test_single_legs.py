"""Single legs in a stress run: what is reckoned in doubles is what the contracts would sell."""

from __future__ import annotations

import pytest

from plimsoll.simulate.single_legs import best_leg
from tests.unit.simulate.conftest import Venue
from tests.unit.simulate.test_keepers import fall

USD = 10**15


def started(venue: Venue) -> list[int]:
    """Accounts in auction, x a little above its start."""
    fall(venue)
    venue.book.read_roots()
    venue.book.look()
    found = []
    for account in venue.book.near():
        told = venue.house.engine.standing(account)
        if told.equity < told.linear + told.superlinear:
            venue.house.auction.start(account)
            found.append(account)
    venue.house.evm.advance(30)
    venue.price("ETH", 1_800)
    venue.book.everyone()
    venue.book.read_roots()
    venue.book.look()
    return found


def test_best_leg__no_cost_of_hedging__its_size_and_premium_are_the_quote_s(venue: Venue) -> None:
    impact, curve = venue.keepers().impact, venue.house.auction.curve()
    impact.share = 10**12  # a market that nothing moves
    checked = 0
    for account in started(venue):
        for market in (0, 1):
            quote = venue.views.cost(account)
            found = best_leg(venue.book, impact, account, quote, curve, {market})
            told = venue.views.leg_quote(account, market)
            if found is None or not told.lots:
                continue
            held = abs(venue.views.position(account, market).lots)
            lots = found.share * held
            # Reckoned as if R fell in proportion: a little too much, which the quote then cuts.
            assert told.lots * 0.99 <= lots <= told.lots * 1.06
            part = told.lots / lots
            assert found.premium * part == pytest.approx(-told.cost / USD, rel=0.02)
            checked += 1
    assert checked >= 3


def test_best_leg__the_market_s_cost_counts__less_is_taken_and_never_at_a_loss(
    venue: Venue,
) -> None:
    impact, curve = venue.keepers().impact, venue.house.auction.curve()
    (account, *_) = started(venue)
    quote = venue.views.cost(account)
    markets = {0, 1}
    thick = best_leg(venue.book, impact, account, quote, curve, markets)
    impact.share /= 50
    thin = best_leg(venue.book, impact, account, quote, curve, markets)
    assert thick is not None
    assert thin is not None
    assert thin.share < thick.share
    assert thin.profit < thick.profit
    assert best_leg(venue.book, impact, account, quote, curve, set()) is None


def test_best_leg__equity_under_its_price__none_is_on_sale(venue: Venue) -> None:
    impact, curve = venue.keepers().impact, venue.house.auction.curve()
    (account, *_) = started(venue)
    quote = venue.views.cost(account)
    dear = quote._replace(x=10**12)
    assert best_leg(venue.book, impact, account, dear, curve, {0, 1}) is None
