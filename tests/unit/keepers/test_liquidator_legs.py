"""Single legs among the liquidator's moves, on the real house."""

from __future__ import annotations

import pytest

from tests.stage import BTC, ETH, USD, lots_of
from tests.unit.keepers.liquidation_scene import Scene, moves, why


@pytest.fixture
def books(desk: Scene) -> Scene:
    """The trader holds a BTC leg beside its ETH, and its auction runs."""
    house, trader = desk.house, desk.house.actors["trader"]
    house.deposit(trader, 5_000)
    house.trade("BTC-PERP", trader, house.actors["maker"], "1.25", 40_000)
    desk.price(1_760)
    house.auction.start(trader.id)
    house.advance(60, refresh=True)
    house.auction.sync(trader.id)
    return desk


def test_legs__one_that_pays_more_than_the_slice__taken_and_its_profit_told(books: Scene) -> None:
    house, me, trader = books.house, books.me.id, books.house.actors["trader"].id
    before = house.engine.margin(me).equity
    done = books.keeper(legs=True, hedge_bps=0).run_once()
    assert moves(done) == [("bid_leg", "mined")]
    (leg,) = [one for one in done.decisions if one.kind == "bid_leg" and one.go]
    assert lots_of(house, me, leg.market or 0) == leg.lots
    # Taken at mark: what it gains is the premium and the pay.
    assert abs(house.engine.margin(me).equity - before - (leg.profit + leg.gas)) < USD // 1_000
    margin = house.engine.margin(trader)
    assert margin.equity >= margin.requirement
    assert moves(books.keeper(legs=True).run_once()) == []


def test_legs__dear_to_hedge__the_slice_instead(books: Scene) -> None:
    """Each million of one market costs so much more that two small parts beat one large one."""
    done = books.keeper(legs=True, hedge_bps=0, impact_bps=80).run_once()
    assert moves(done) == [("bid", "mined")]


@pytest.mark.parametrize("share", [2, 20])
def test_legs__bidder_short_of_margin__as_many_lots_as_it_bears(books: Scene, share: int) -> None:
    house, me = books.house, books.me
    margin = house.engine.margin(me.id)
    free = margin.initial_equity - margin.initial_requirement
    # What is left covers a part of the leg's own initial margin.
    house.engine.withdraw(me.id, (free - 150 * share * USD) // 10**9, me, sender=me)
    done = books.keeper(legs=True, hedge_bps=0).run_once()
    assert len(moves(done)) == 1
    kind, status = moves(done)[0]
    assert (kind, status) in {("bid_leg", "mined"), ("bid", "mined")}
    (taken,) = [one for one in done.decisions if one.go]
    assert taken.reason == "what the bidder's own margin bears"
    after = house.engine.margin(me.id)
    assert after.initial_equity >= after.initial_requirement > 0


def test_legs__bidder_holds_the_opposite__they_close_and_take_no_margin(books: Scene) -> None:
    """A short of its own: the leg nets it, where a slice would bring the other leg too."""
    house, me = books.house, books.me
    house.trade("ETH-PERP", house.actors["maker"], me, 60, 1_760)
    margin = house.engine.margin(me.id)
    free = margin.initial_equity - margin.initial_requirement
    house.engine.withdraw(me.id, (free - USD) // 10**9, me, sender=me)
    before = lots_of(house, me.id)
    done = books.keeper(legs=True, hedge_bps=0).run_once()
    assert moves(done) == [("bid_leg", "mined")]
    (leg,) = [one for one in done.decisions if one.go]
    assert leg.market == ETH
    assert lots_of(house, me.id) == before + leg.lots
    assert lots_of(house, me.id, BTC) == 0


def test_legs__no_bidder_or_insolvent__not_even_quoted(books: Scene) -> None:
    done = books.keeper(legs=True, bids=False).run_once()
    assert "bid_leg" not in {one.kind for one in done.decisions}
    books.price(1_500)  # E < 0: slices only
    done = books.keeper(legs=True).run_once()
    assert "bid_leg" not in {one.kind for one in done.decisions}
    assert moves(done) == [("sync", "mined")]  # its deficit; under x = 1 no bid pays


def test_legs__sold_between_quote_and_block__refused_by_the_auction_s_id(books: Scene) -> None:
    def changed() -> None:
        books.chain.before_mining = lambda: None
        books.house.deposit(books.house.actors["trader"], 1)

    books.chain.before_mining = changed
    keeper = books.keeper(legs=True, hedge_bps=0)
    done = keeper.run_once()
    assert moves(done) == [("bid_leg", "reverted")]
    assert done.outcomes[0].error == "WrongAuction"
    assert moves(keeper.run_once()) == [("bid_leg", "mined")]


def test_legs__gas_spike__none_of_them(books: Scene) -> None:
    books.chain.gas_price = 5_000 * 10**9
    done = books.keeper(legs=True).run_once()
    assert moves(done) == []
    assert "profit under the least" in why(done, "bid_leg")
