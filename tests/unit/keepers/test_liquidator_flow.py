"""What the liquidator does for the sale limiter: prices and limits renewed, the claim kept."""

from __future__ import annotations

import pytest

from plimsoll.keepers.decisions import Decision
from plimsoll.keepers.flow import claim_due, flow_of, read_flow
from plimsoll.keepers.node import Node
from plimsoll.keepers.passes import Pass
from plimsoll.model.sale_limiter import tag_of, wide
from tests.stage import BTC, ETH, ONE, move_price
from tests.unit.keepers.liquidation_scene import Scene, moves, why

GWEI = 10**9
FEED = 10**9  # ticks of a dollar


def limit_sales(
    desk: Scene, *, percent: int = 100, reserve: int = 128, total: int = 50_000_000
) -> None:
    """Sets the limiter, and brings both markets in line with it."""
    desk.house.govern("MarginEngine", "set_flow", (percent, 600, reserve, total))
    for market in (ETH, BTC):
        desk.house.engine.refresh_flow(market)


def price_of(desk: Scene, market: int = ETH) -> int:
    return int(desk.house.engine.flow_of(market).price)


def refreshed(done: Pass) -> list[int | None]:
    """The markets that a pass has decided to refresh."""
    return [one.market for one in done.decisions if one.kind == "refresh_flow" and one.go]


def start(desk: Scene, name: str = "trader") -> int:
    account = desk.house.actors[name].id
    desk.house.auction.start(account)
    return account


@pytest.fixture
def two(desk: Scene) -> tuple[int, int]:
    """A larger account than the trader's, and the trader's; both under R at 1,830."""
    whale = desk.house.actor("whale", quote=25_000)
    desk.house.trade("ETH-PERP", whale, desk.house.actors["maker"], 120, 2_000)
    desk.know(whale.id)
    desk.price(1_830)
    return whale.id, desk.house.actors["trader"].id


def holder(desk: Scene) -> int:
    """The tag of the claimant."""
    return int(desk.house.engine.claims()) % 2**64


# -- prices and limits


def test_refresh__mark_below_the_limiter_s_price__renewed_before_the_bid(desk: Scene) -> None:
    desk.price(1_830)
    done = desk.keeper(flow_bps=200).run_once()
    assert moves(done) == [("refresh_flow", "mined"), ("start", "mined"), ("bid", "mined")]
    assert refreshed(done) == [ETH]
    assert price_of(desk) == wide(1_830 * FEED)
    assert "counts at 1,999.31 USD, the mark is 1,830.00" in why(done, "refresh_flow")
    assert moves(desk.keeper(flow_bps=200).run_once()) == []


def test_refresh__mark_above_it__frees_nothing_and_follows_the_bid(desk: Scene) -> None:
    short = desk.house.actor("short", quote=10_000)
    desk.house.trade("ETH-PERP", desk.house.actors["maker"], short, 50, 2_000)
    desk.know(short.id)
    desk.price(2_170)
    done = desk.keeper(flow_bps=200).run_once()
    assert moves(done) == [("start", "mined"), ("bid", "mined"), ("refresh_flow", "mined")]
    assert price_of(desk) == wide(2_170 * FEED)


@pytest.mark.parametrize(("usd", "due"), [(39_300, False), (39_100, True), (40_900, True)])
def test_refresh__by_the_share_configured__and_not_before(desk: Scene, usd: int, due: bool) -> None:
    """Two per cent of what is stored, 39,996 or so."""
    desk.price(1_830)
    desk.house.engine.refresh_flow(ETH)
    move_price(desk.house, usd, "BTC")
    done = desk.keeper(bids=False, flow_bps=200).run_once()
    assert ("start", "mined") in moves(done)
    assert refreshed(done) == [BTC] * due


def test_refresh__nothing_on_sale__nothing_asked_and_nothing_sent(desk: Scene) -> None:
    move_price(desk.house, 30_000, "BTC")
    keeper = desk.keeper(flow_bps=200)
    before = desk.chain.requests
    assert moves(keeper.run_once()) == []
    quiet = desk.chain.requests - before
    off = desk.keeper(flow_bps=0)
    before = desk.chain.requests
    assert moves(off.run_once()) == []
    assert desk.chain.requests - before == quiet
    assert price_of(desk, BTC) == wide(40_000 * FEED)


def test_refresh__two_markets_at_once__one_transaction_each(desk: Scene) -> None:
    move_price(desk.house, 30_000, "BTC")
    desk.price(1_830)
    done = desk.keeper(flow_bps=200, bids=False).run_once()
    sent = [one.job.key for one in done.outcomes if one.job and one.job.label == "refresh_flow"]
    assert sent == [(0, 1), (0, 2)]
    assert [price_of(desk, one) for one in (ETH, BTC)] == [wide(1_830 * FEED), wide(30_000 * FEED)]


def test_refresh__no_sum_to_count_against__prices_left_and_a_changed_share_followed(
    desk: Scene,
) -> None:
    limit_sales(desk, total=0)
    desk.price(1_830)
    start(desk)
    keeper = desk.keeper(flow_bps=200, bids=False)
    assert moves(keeper.run_once()) == []
    limit = desk.house.engine.flow_of(ETH).limit
    desk.house.govern("MarginEngine", "set_flow", (50, 600, 128, 0))
    assert moves(keeper.run_once()) == [("refresh_flow", "mined")] * 2
    assert desk.house.engine.flow_of(ETH).limit == wide(limit // 2)
    assert moves(keeper.run_once()) == []


def test_refresh__limiter_off__nothing_sent(desk: Scene) -> None:
    desk.house.govern("MarginEngine", "set_flow", (100, 0, 128, 50_000_000))
    desk.price(1_830)
    start(desk)
    assert moves(desk.keeper(flow_bps=200, bids=False).run_once()) == []


def test_refresh__gas_spike__skipped_and_told(desk: Scene) -> None:
    desk.price(1_830)
    start(desk)
    desk.chain.gas_price = 5_000 * GWEI
    done = desk.keeper(flow_bps=200, bids=False).run_once()
    assert moves(done) == []
    assert "gas over the most spent unpaid" in why(done, "refresh_flow")


def test_refresh__in_flight__not_sent_a_second_time(desk: Scene) -> None:
    desk.price(1_830)
    start(desk)
    desk.chain.automine = False
    keeper = desk.keeper(flow_bps=200, bids=False)
    assert moves(keeper.run_once()) == [("refresh_flow", "pending")]
    again = desk.keeper(flow_bps=200, bids=False)  # another process, with the same journal
    assert moves(again.run_once()) == []
    assert len(desk.chain.sent) == 1
    desk.chain.mine()
    assert moves(again.run_once()) == [("refresh_flow", "mined")]


def test_refresh__journal_lost__found_in_the_node_s_pool(desk: Scene) -> None:
    desk.price(1_830)
    start(desk)
    desk.chain.automine = False
    desk.keeper(flow_bps=200, bids=False).run_once()
    fresh = Scene(desk.house, desk.chain)
    fresh.know(desk.house.actors["trader"].id)
    keeper = fresh.keeper(flow_bps=200, bids=False)
    assert moves(keeper.run_once()) == []
    assert [one.job.key for one in keeper.outbox.flights if one.job] == [(0, 1)]  # type: ignore[union-attr]


def test_decision__of_a_market__its_line_and_record_name_it(desk: Scene) -> None:
    desk.price(1_830)
    done = desk.keeper(flow_bps=200, bids=False).run_once()
    (one,) = [one for one in done.decisions if one.kind == "refresh_flow"]
    assert isinstance(one, Decision)
    assert one.line().startswith("house refresh_flow: yes (market 0 counts at")
    assert one.record()["market"] == ETH


# -- the claim


def test_claim__about_to_lapse__renewed_by_a_sync_for_the_largest_shortfall(
    desk: Scene, two: tuple[int, int]
) -> None:
    whale, small = two
    limit_sales(desk)
    for one in (small, whale):
        desk.house.auction.start(one)
    assert holder(desk) == tag_of(whale)
    # Somebody keeps the clocks, and nobody's claim: the small one's alone would be heard.
    for _ in range(7):
        desk.house.advance(60, refresh=True)
        desk.house.auction.sync(small)
    done = desk.keeper(bids=False).run_once()
    assert [one.account for one in done.decisions if one.kind == "sync" and one.go] == [whale]
    assert "lapses in" in why(done, "sync")
    assert int(desk.house.engine.claims()) >> 104 & 2**32 - 1 == desk.house.evm.timestamp


def test_claim__a_decoy_s_stands_and_the_whale_s_shortfall_has_grown__made(
    desk: Scene, two: tuple[int, int]
) -> None:
    whale, small = two
    limit_sales(desk)
    desk.house.auction.start(whale)
    desk.house.advance(601, refresh=True)
    desk.house.auction.start(small)  # the whale's claim has lapsed: the reserve is the decoy's
    assert holder(desk) == tag_of(small)
    done = desk.keeper(bids=False).run_once()
    assert ("sync", "mined") in moves(done)
    assert holder(desk) == tag_of(whale)
    assert moves(desk.keeper(bids=False).run_once()) == []


def test_claim__bids_are_made_in_every_pass__renewed_all_the_same(
    desk: Scene, two: tuple[int, int]
) -> None:
    """A bid renews nothing, and while one pays no other move was made."""
    whale, _ = two
    desk.house.auction.start(whale)
    limit_sales(desk, percent=1)  # slices of what comes back
    desk.house.advance(45, refresh=True)
    claimed = int(desk.house.engine.claims()) >> 104 & 2**32 - 1
    keeper = desk.keeper(max_fraction=ONE // 1_000)
    seen = []
    for _ in range(12):
        desk.house.advance(40, refresh=True)
        seen += moves(keeper.run_once())
    assert ("bid", "mined") in seen
    assert desk.running(whale)
    later = int(desk.house.engine.claims()) >> 104 & 2**32 - 1
    assert claimed + 400 <= later <= claimed + 500


def test_claim__the_claimant_s_shortfall_has_shrunk__lowered_so_that_a_larger_one_gets_it(
    desk: Scene, two: tuple[int, int]
) -> None:
    whale, small = two
    desk.house.auction.start(small)
    desk.house.auction.start(whale)
    limit_sales(desk)
    desk.house.deposit(desk.house.actors["whale"], 3_000)  # under R still, by a few dollars
    assert desk.house.engine.margin(whale).equity < desk.house.engine.margin(whale).requirement
    keeper = desk.keeper(bids=False)
    first = keeper.run_once()
    assert "has fallen" in why(first, "sync")
    second = keeper.run_once()
    assert [one.account for one in second.decisions if one.kind == "sync" and one.go] == [small]
    assert holder(desk) == tag_of(small)
    assert moves(keeper.run_once()) == []


def test_claim__no_reserve__no_sync(desk: Scene, two: tuple[int, int]) -> None:
    whale, _ = two
    limit_sales(desk, reserve=0)
    desk.house.auction.start(whale)
    desk.house.auction.start(two[1])
    node = Node(desk.chain, dict(desk.house.plan.addresses))  # type: ignore[arg-type]
    flow = read_flow(node, *node.head())
    assert (flow.reserve, claim_due(flow, [])) == (0, None)
    desk.house.advance(45, refresh=True)
    assert moves(desk.keeper(bids=False).run_once()) == []


def test_flow_of__the_stored_word__as_the_limiter_reads_it(
    desk: Scene, two: tuple[int, int]
) -> None:
    whale, _ = two
    limit_sales(desk, total=1_000_000)
    desk.house.auction.start(whale)
    desk.keeper().run_once()
    now = desk.house.evm.timestamp
    flow = flow_of(desk.house.engine.claims(), now)
    assert (flow.share, flow.window, flow.reserve, flow.sum) == (100, 600, 128, 1_000_000)
    assert flow.sum_used > 0
    later = flow_of(desk.house.engine.claims(), now + 600)
    assert later.sum_used == 0
