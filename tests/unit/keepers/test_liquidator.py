"""What the liquidator does on the real house: which move it chooses, and what stops it."""

from __future__ import annotations

from plimsoll.deployment.abi import calldata
from plimsoll.keepers.outbox import Landed
from tests.scenario.test_auction_ends import replaced
from tests.stage import TOKEN, USD, run_auction
from tests.unit.keepers.liquidation_scene import AUCTION, Scene, moves, why

GWEI = 10**9
DAY = 86_400
ANY = 2**256 - 1


def intent(desk: Scene, capacity: int = 50_000, premium: int = 50_000_000) -> int:
    """The liquidator's promise, known to the journal; its account."""
    backer = desk.house.actors["liquidator"]
    expiry = desk.house.evm.timestamp + 10 * DAY
    terms = (capacity * TOKEN, 10**15, premium, expiry, True, ANY)
    desk.house.auction.commit_intent(backer.id, terms, sender=backer)
    desk.know(intents=(backer.id,))
    return backer.id


def test_liquidator__account_under_r__started_sold_to_the_target_and_left_alone(
    desk: Scene,
) -> None:
    trader = desk.house.actors["trader"].id
    keeper = desk.keeper()
    assert moves(keeper.run_once()) == []
    desk.price(1_830)
    done = keeper.run_once()
    assert moves(done) == [("start", "mined"), ("bid", "mined")]
    margin = desk.house.engine.margin(trader)
    assert margin.equity >= margin.requirement
    assert not desk.running(trader)
    assert moves(keeper.run_once()) == []
    assert set(desk.mined().values()) == {1}


def test_liquidator__profit__is_what_its_account_gained(desk: Scene) -> None:
    desk.price(1_830)
    before = desk.house.engine.margin(desk.me.id).equity
    done = desk.keeper(hedge_bps=0).run_once()
    (bid,) = [one for one in done.decisions if one.kind == "bid" and one.go]
    after = desk.house.engine.margin(desk.me.id).equity
    # Gas is not paid out of the account; a slice is rounded up to whole lots.
    assert abs(after - before - (bid.profit + bid.gas)) < USD // 100


def test_liquidator__two_accounts_at_once__each_started_and_sold_once(desk: Scene) -> None:
    rival, trader = desk.house.actors["rival"], desk.house.actors["trader"]
    desk.house.trade("ETH-PERP", rival, desk.house.actors["maker"], 49, 2_000)
    desk.know(rival.id)
    desk.price(1_830)
    done = desk.keeper().run_once()
    assert sorted(moves(done)) == [("bid", "mined")] * 2 + [("start", "mined")] * 2
    wanted = {(one.id, kind): 1 for one in (trader, rival) for kind in ("start", "bid")}
    assert desk.mined() == wanted
    assert [one["nonce"] for one in desk.chain.sent] == ["0x0", "0x1", "0x2", "0x3"]


def test_liquidator__gas_spike__nothing_is_sent_and_it_says_why(desk: Scene) -> None:
    desk.price(1_830)
    desk.chain.gas_price = 5_000 * GWEI  # 200,000 gas: 2,000 USD
    keeper = desk.keeper()
    done = keeper.run_once()
    assert moves(done) == []
    assert "gas over the most spent unpaid" in why(done, "start")
    desk.house.auction.start(desk.house.actors["trader"].id)
    done = keeper.run_once()
    assert moves(done) == []
    assert "profit under the least asked for" in why(done, "bid")
    desk.chain.gas_price = GWEI
    assert moves(keeper.run_once()) == [("bid", "mined")]


def test_liquidator__gas_eats_the_discount__the_executor_s_pay_decides(desk: Scene) -> None:
    """Starter's and executor's pay are flat 0.5 USD and 0.05 % of the R sold each."""
    desk.price(1_830)
    trader = desk.house.actors["trader"].id
    desk.house.auction.start(trader)
    keeper = desk.keeper()
    (bid,) = [one for one in keeper.run_once().decisions if one.kind == "bid"]
    assert bid.pay > USD
    assert bid.profit == bid.value - bid.cost - bid.gas - bid.hedge + bid.pay


def test_liquidator__budget_empty_and_nothing_to_gain_but_pay__intent_left_alone(
    desk: Scene,
) -> None:
    """Where a slice is free there is no fee: the executor is paid out of the budget, or not."""
    trader = desk.house.actors["trader"].id
    backer = intent(desk)
    desk.price(1_805)
    desk.house.auction.start(trader)
    run_auction(desk.house, trader, 300)
    quote = desk.house.auction.cost(trader)
    assert quote.cost == 0
    assert desk.house.engine.keeper_budget() == 0
    done = desk.keeper(bids=False).run_once()
    assert moves(done) == []
    assert "profit under the least asked for, 0.00 USD" in why(done, "fill_intent")
    assert desk.house.auction.intent(backer).capacity == 50_000 * TOKEN


def test_liquidator__no_bidder_of_its_own__fills_the_intent_where_its_pay_covers_the_gas(
    desk: Scene,
) -> None:
    trader = desk.house.actors["trader"].id
    intent(desk)
    desk.price(1_830)
    done = desk.keeper(bids=False).run_once()
    assert moves(done) == [("start", "mined"), ("fill_intent", "mined")]
    assert not desk.running(trader)


def test_liquidator__bid_and_intent__the_one_that_pays_more(desk: Scene) -> None:
    trader = desk.house.actors["trader"].id
    intent(desk)
    desk.price(1_830)
    desk.house.auction.start(trader)
    dear = desk.keeper(hedge_bps=200).run_once()  # 2 % of the notional: no bid is worth it
    assert moves(dear) == [("fill_intent", "mined")]
    assert "bid" not in {one.kind for one in dear.decisions}  # it cannot pay more, gas or not


def test_liquidator__bid_pays_more_but_for_its_gas__intent_filled(desk: Scene) -> None:
    intent(desk)
    desk.price(1_830)
    desk.house.auction.start(desk.house.actors["trader"].id)
    keeper = desk.keeper(hedge_bps=0)
    keeper.outbox, outbox = None, keeper.outbox
    (bid,) = [one for one in keeper.run_once().decisions if one.kind == "bid"]
    selector = calldata(AUCTION, "bid", 1, 1, 1, 1, 1, 1)[:4]
    # All but a dollar of its profit; a unit of gas costs two millionths of a dollar.
    desk.chain.gas_of["0x" + selector.hex()] = (bid.profit - USD) * 500_000 // USD
    keeper.outbox = outbox
    done = keeper.run_once()
    assert moves(done) == [("fill_intent", "mined")]
    bids = [one for one in done.decisions if one.kind == "bid"]
    assert [one.reason for one in bids if one.gas] == ["skipped: another move pays more"]


def test_liquidator__bid_pays_more__intent_not_even_asked_about(desk: Scene) -> None:
    intent(desk)
    desk.price(1_830)
    desk.house.auction.start(desk.house.actors["trader"].id)
    done = desk.keeper(hedge_bps=0).run_once()
    assert moves(done) == [("bid", "mined")]
    assert "fill_intent" not in {one.kind for one in done.decisions}


def test_liquidator__an_intent_without_margin__does_not_block_the_next(desk: Scene) -> None:
    """The cheaper one's margin has gone with the price; the other is filled."""
    house = desk.house
    weak = house.actor("weak", quote=40_000)
    house.trade("ETH-PERP", weak, house.actors["maker"], 100, 2_000)
    expiry = house.evm.timestamp + DAY
    terms = (5_000 * TOKEN, 10**15, 0, expiry, True, ANY)
    house.auction.commit_intent(weak.id, terms, sender=weak)
    desk.know(intents=(weak.id,))
    intent(desk)
    desk.price(1_830)
    done = desk.keeper(bids=False).run_once()
    assert moves(done) == [("start", "mined"), ("fill_intent", "mined")]
    tried = [one for one in done.decisions if one.kind == "fill_intent"]
    assert [one.go for one in tried] in ([False, True], [True])


def test_liquidator__curve_run_out__deleveraged_once(desk: Scene) -> None:
    trader = desk.house.actors["trader"].id
    desk.price(1_700)
    desk.house.auction.start(trader)
    run_auction(desk.house, trader, 1_200)
    keeper = desk.keeper(bids=False)
    assert moves(keeper.run_once()) == [("deleverage", "mined")]
    assert desk.house.engine.standing(trader).perps == 0
    assert moves(keeper.run_once()) == []


def test_liquidator__a_deficit_that_has_grown__noted_by_a_sync(desk: Scene) -> None:
    trader = desk.house.actors["trader"].id
    desk.price(1_790)
    desk.house.auction.start(trader)
    keeper = desk.keeper(bids=False)
    assert moves(keeper.run_once()) == []
    desk.price(1_700)
    done = keeper.run_once()
    assert moves(done) == [("sync", "mined")]
    assert "deficit" in why(done, "sync")
    assert desk.house.engine.pending_deficit() == -desk.house.engine.margin(trader).equity
    assert moves(keeper.run_once()) == []


def test_liquidator__expired_intent__its_account_released(desk: Scene) -> None:
    backer = intent(desk)
    desk.house.advance(10 * DAY + 1, refresh=True)
    keeper = desk.keeper(bids=False)
    assert moves(keeper.run_once()) == [("release_intent", "mined")]
    assert desk.house.auction.intent(backer).capacity == 0
    assert moves(keeper.run_once()) == []


def test_liquidator__auction_replaced_while_it_runs__goes_on_with_the_new_one(desk: Scene) -> None:
    trader = desk.house.actors["trader"].id
    keeper = desk.keeper(bids=False)
    desk.price(1_830)
    assert moves(keeper.run_once()) == [("start", "mined")]
    auction = replaced(desk.house)
    bidding = desk.keeper()
    assert moves(bidding.run_once()) == [("start", "mined"), ("bid", "mined")]
    assert desk.chain.sent[-1]["to"] == auction.address.lower()
    assert not desk.house.engine.head(trader) >> 226 & 1
    assert moves(keeper.run_once()) == []  # the other process has noticed too
    assert keeper.node.addresses["LiquidationAuction"] == auction.address


def test_liquidator__left_frozen_by_a_replaced_auction_and_healthy__ended(desk: Scene) -> None:
    trader = desk.house.actors["trader"].id
    desk.price(1_830)
    desk.house.auction.start(trader)
    replaced(desk.house)
    desk.price(2_000)
    assert moves(desk.keeper().run_once()) == [("end", "mined")]
    assert not desk.house.engine.head(trader) >> 226 & 1


def test_liquidator__auction_ended_between_quote_and_block__reverts_and_is_no_failure(
    desk: Scene,
) -> None:
    trader = desk.house.actors["trader"].id
    desk.price(1_830)
    desk.house.auction.start(trader)

    def cured() -> None:
        desk.chain.before_mining = lambda: None
        desk.house.deposit(desk.house.actors["trader"], 20_000)
        desk.house.auction.end(trader)

    desk.chain.before_mining = cured
    keeper = desk.keeper()
    done = keeper.run_once()
    assert moves(done) == [("bid", "reverted")]
    (outcome,) = done.outcomes
    assert isinstance(outcome, Landed)
    assert outcome.error == "NoAuction"
    assert not done.failed
    assert moves(keeper.run_once()) == []


def test_liquidator__another_auction_between_quote_and_block__its_id_is_refused(
    desk: Scene,
) -> None:
    trader = desk.house.actors["trader"].id
    desk.price(1_830)
    desk.house.auction.start(trader)

    def changed() -> None:
        desk.chain.before_mining = lambda: None
        desk.house.deposit(desk.house.actors["trader"], 1)

    desk.chain.before_mining = changed
    keeper = desk.keeper()
    done = keeper.run_once()
    assert moves(done) == [("bid", "reverted")]
    assert done.outcomes[0].error == "WrongAuction"
    assert moves(keeper.run_once()) == [("bid", "mined")]


def test_liquidator__paused__stops_the_clock_and_nothing_else(desk: Scene) -> None:
    desk.price(1_830)
    desk.house.auction.start(desk.house.actors["trader"].id)
    desk.house.engine.set_pause(3, sender=desk.house.guardian)
    keeper = desk.keeper()
    assert moves(keeper.run_once()) == [("sync", "mined")]
    assert moves(keeper.run_once()) == []


def test_liquidator__income_frees_redemptions__their_clock_is_told(desk: Scene) -> None:
    """Half a per cent of the fund, 2,500 USD, holds nobody up; fees raise it past the deficit."""
    house, trader = desk.house, desk.house.actors["trader"].id
    taker, maker = house.actors["liquidator"], house.actors["maker"]
    house.trade("ETH-PERP", taker, maker, 500, 2_000, flags=1)
    desk.price("1749.98")  # type: ignore[arg-type]
    house.auction.start(trader)
    assert house.engine.pending_deficit() == 2_501 * USD
    keeper = desk.keeper(bids=False)
    assert moves(keeper.run_once()) == []  # the auction has had the fund look
    assert house.fund.clock().since
    house.engine.collect_fees(0)
    done = keeper.run_once()
    assert moves(done) == [("fund_sync", "mined")]
    assert "free again" in why(done, "fund_sync")
    assert "house fund_sync: yes" in next(
        one.line() for one in done.decisions if one.kind == "fund_sync"
    )
    assert house.fund.clock().since == 0
    assert moves(keeper.run_once()) == []
