"""Single legs of accounts in auction, over the whole protocol: what sells, what is refused.

P15, P16, P18, P19, P20 of docs/properties.md. Random books beside the model: test_legs_model.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.deployment.house import Actor, House
from plimsoll.evm import Reverted
from plimsoll.model import leg_sale
from plimsoll.model.auction import NANO, Curve, Standing
from plimsoll.model.engine_types import LegResult
from plimsoll.protocol import Protocol
from plimsoll.testing import reverts
from tests.house import TESTS, deploy_auction
from tests.stage import (
    BTC,
    ETH,
    FOREVER,
    TOK,
    TOKEN,
    USD,
    cash,
    conserves,
    equity,
    fill,
    fresh,
    list_markets,
    lots_of,
    move_price,
    person,
    run_auction,
    staged,
    undone,
)

ANY = 2**256 - 1
LOT = 10**6  # lots of one unit of the underlying


@pytest.fixture(scope="module")
def _house() -> House:
    return staged()


@pytest.fixture
def house(_house: House) -> Iterator[House]:
    with undone(_house) as one:
        yield one


trader, maker, liquidator = person("trader"), person("maker"), person("liquidator")
keeper, stranger, rival = person("keeper"), person("stranger"), person("rival")


def sink(house: House, account: int, percent: int = 90, *, up: bool = False) -> None:
    """Moves ETH until E is just under so many per cent of R."""
    near, far = 2_000, 4_000 if up else 500
    while abs(near - far) > 1:
        middle = (near + far) // 2
        with undone(house):
            move_price(house, middle)
            margin = house.engine.margin(account)
        if margin.equity * 100 < margin.requirement * percent:
            far = middle
        else:
            near = middle
    move_price(house, far)


def short_of_margin(house: House, percent: int = 90, *, eths: int = 25, btc: str = "1.25") -> int:
    """The trader long of both markets, ETH falls, its auction starts; its account."""
    who, other = house.actors["trader"], house.actors["maker"]
    house.trade("ETH-PERP", who, other, eths, 2_000)
    if btc != "0":
        house.trade("BTC-PERP", who, other, btc, 40_000)
    sink(house, who.id, percent)
    house.auction.start(who.id, sender=house.actors["keeper"])
    return int(who.id)


def take(house: House, market: int, lots: int, **changed: Any) -> Any:
    asked: dict[str, Any] = {
        "account": house.actors["trader"].id,
        "bidder": house.actors["liquidator"].id,
        "auction_id": 0,
        "market": market,
        "lots": lots,
        "cost_limit": 0,
        "deadline": FOREVER,
        "sender": house.actors["liquidator"],
    }
    asked.update(changed)
    sender = asked.pop("sender")
    return house.auction.bid_leg(*asked.values(), sender=sender)


def requirement(house: House, account: int) -> int:
    return int(house.engine.margin(account).requirement)


def most(house: House, market: int = ETH) -> int:
    return int(house.auction.leg_quote(house.actors["trader"].id, market).lots)


# -- the sale


def test_bid_leg__as_quoted__lands_on_the_target_and_ends(house, trader, liquidator) -> None:
    """P16, P18: lots at mark, x of the R removed to the bidder, the fee on top, nothing else."""
    account = short_of_margin(house)
    quote = house.auction.leg_quote(account, ETH)
    before, held = house.engine.margin(account), lots_of(house, account)
    mine, fund = equity(house, liquidator.id), house.engine.fund_balance()
    budget = house.engine.keeper_budget()
    receipt = take(house, ETH, quote.lots, cost_limit=quote.cost, auction_id=quote.id)
    after = house.engine.margin(account)
    assert receipt.value == quote.cost
    assert lots_of(house, account) == held - quote.lots
    assert lots_of(house, liquidator.id) == quote.lots
    assert quote.removed == before.requirement - after.requirement
    assert -quote.cost == quote.removed * quote.x // NANO
    assert quote.fee == quote.removed * house.auction.curve().fee // NANO
    assert 0 <= before.equity - after.equity + quote.cost - quote.fee <= 3
    assert 0 <= -quote.cost - (equity(house, liquidator.id) - mine) <= 3
    taken = house.engine.fund_balance() - fund + house.engine.keeper_budget() - budget
    paid = sum(e.args["amount"] for e in receipt.events if e.name == "KeeperPaid")
    assert taken + paid == quote.fee
    goal = after.requirement * 11 // 10
    assert goal * 999 // 1_000 < after.equity <= goal * 1_002 // 1_000
    assert house.auction.auction(account).running == (after.equity < goal)
    [event] = [e for e in receipt.events if e.name == "LegBid"]
    assert (event.args["cost"], event.args["fee"], event.args["lots"]) == (
        quote.cost,
        quote.fee,
        quote.lots,
    )
    [sold] = [e for e in receipt.events if e.name == "LegSold"]
    assert (sold.args["lots"], sold.args["price"]) == (quote.lots, house.engine.market(ETH).mark)
    conserves(house)


def test_bid_leg__one_lot_more__beyond_the_target(house) -> None:
    """P16: nobody sells more of an account than it takes."""
    account = short_of_margin(house)
    for market in (ETH, BTC):
        lots = most(house, market)
        before = house.engine.margin(account)
        with reverts("BadFraction"):
            take(house, market, lots + 1)
        assert house.engine.margin(account) == before
        with undone(house):
            take(house, market, lots)


def test_bid_leg__small_leg_whole__the_rest_goes_on(house, trader, maker) -> None:
    house.trade("BTC-PERP", trader, maker, "0.05", 40_000)
    account = short_of_margin(house, btc="0")
    lots = abs(lots_of(house, account, BTC))
    assert most(house, BTC) == lots
    take(house, BTC, lots)
    assert lots_of(house, account, BTC) == 0
    assert house.engine.held(account) == 1
    assert house.auction.auction(account).running
    take(house, ETH, most(house))
    conserves(house)


def test_bid_leg__opposite_lots_of_the_bidder__close(house, maker, liquidator) -> None:
    """P3: open interest falls by what closed, and the bidder's profit is that of the mark."""
    house.trade("ETH-PERP", maker, liquidator, 10, 2_000)
    account = short_of_margin(house)
    open_interest = house.engine.market(ETH).open_interest
    lots = min(most(house), 10 * LOT)
    mine = equity(house, liquidator.id)
    paid = -take(house, ETH, lots).value
    assert house.engine.market(ETH).open_interest == open_interest - lots
    assert lots_of(house, liquidator.id) == lots - 10 * LOT
    assert 0 <= paid - (equity(house, liquidator.id) - mine) <= 3
    assert lots_of(house, account) + lots_of(house, maker.id) + lots_of(house, liquidator.id) == 0
    conserves(house)


def test_bid_leg__short_leg__taken_as_well(house, trader, maker, liquidator) -> None:
    house.trade("ETH-PERP", maker, trader, 25, 2_000)
    house.trade("BTC-PERP", maker, trader, "1.25", 40_000)
    sink(house, trader.id, up=True)
    house.auction.start(trader.id)
    take(house, ETH, most(house))
    assert lots_of(house, liquidator.id) < 0
    conserves(house)


def test_bid_leg__loss_beyond_cash__is_a_loan_no_cap_forbids(house, trader, maker) -> None:
    """Collateral stays behind it; the cap is for loans taken out."""
    house.deposit_collateral(trader, 8)
    house.engine.withdraw(trader.id, 9_500 * TOKEN, trader, sender=trader)
    house.trade("ETH-PERP", trader, maker, 60, 2_000)
    house.govern("MarginEngine", "set_rates", (0, 0, 0, 8_000, 100, 0))
    sink(house, trader.id)
    house.auction.start(trader.id)
    take(house, ETH, most(house))
    assert cash(house, trader.id) < 0 < equity(house, trader.id)
    conserves(house)


def test_bid_leg__last_leg_beside_collateral__leaves_the_collateral(house, trader, maker) -> None:
    house.deposit_collateral(trader, 4)
    house.engine.withdraw(trader.id, 13_000 * TOKEN, trader, sender=trader)
    house.trade("BTC-PERP", trader, maker, "0.02", 40_000)
    sink(house, trader.id)
    house.auction.start(trader.id)
    lots = lots_of(house, trader.id, BTC)
    assert most(house, BTC) == lots
    take(house, BTC, lots)
    assert house.engine.held(trader.id) == 0
    assert house.engine.standing(trader.id).collateral > 0 > cash(house, trader.id)
    conserves(house)


def test_bid_leg__after_it__slices_go_on_and_a_restart_resumes(house, trader, liquidator) -> None:
    account = short_of_margin(house)
    run_auction(house, account, 120)
    take(house, ETH, most(house) // 2)
    quote = house.auction.cost(account)
    assert quote.x >= 300_000_000
    assert quote.fraction > 0
    take(house, ETH, most(house))
    if house.auction.auction(account).running:
        house.auction.bid(account, liquidator.id, 0, 10**18, 10**30, FOREVER, sender=liquidator)
    assert not house.auction.auction(account).running
    move_price(house, 1_600)
    house.auction.start(account)
    assert house.auction.cost(account).x >= 300_000_000
    conserves(house)


def test_bid_leg__deficit_noted_before__is_cleared(house, trader) -> None:
    """P23: what was short has recovered; the note goes with the next sale."""
    account = short_of_margin(house, -20)
    assert equity(house, account) < 0 < house.engine.pending_deficit()
    with reverts("LegRefused"):
        take(house, ETH, LOT)
    sink(house, account, 80)
    assert house.engine.pending_deficit() > 0
    take(house, ETH, LOT)
    assert house.engine.pending_deficit() == 0


# -- the quote


CURVES = (0, 100, 300)


@pytest.mark.parametrize("seconds", CURVES)
def test_leg_quote__eight_legs__equal_to_the_model_to_the_unit(house, seconds) -> None:
    """And what it says is what a bid gets; the twin runs compare the engine's part."""
    account = of_eight(house)
    run_auction(house, account, seconds)
    standing = Standing(**house.engine.standing(account)._asdict())
    curve = Curve(**house.auction.curve()._asdict())

    def after(market: int, lots: int) -> LegResult:
        return LegResult(*house.engine.leg_after(account, market, lots))

    for market in range(8):
        wanted = leg_sale.quote(standing, curve, seconds, lambda n, m=market: after(m, n))
        quote = house.auction.leg_quote(account, market)
        assert (quote.x, quote.lots, quote.cost, quote.fee, quote.removed) == (
            wanted.x,
            wanted.lots,
            wanted.cost,
            wanted.fee,
            wanted.removed,
        )
        if not quote.lots:
            continue
        with undone(house):
            assert take(house, market, quote.lots).value == quote.cost
            conserves(house)
        if quote.lots < abs(lots_of(house, account, market)):
            with reverts("BadFraction"):
                take(house, market, quote.lots + 1)


def of_eight(house: House) -> int:
    """The trader's auction with eight legs, of several sizes, on one feed."""
    who, other = house.actors["trader"], house.actors["maker"]
    markets = [ETH, *list_markets(house, 6)]
    house.settle(
        [fill(house, who, other, n, 2_000, market=m) for m, n in zip(markets, SIZES, strict=True)]
    )
    house.trade("BTC-PERP", other, who, "0.1", 40_000)
    sink(house, who.id)
    house.auction.start(who.id, sender=house.actors["keeper"])
    return int(who.id)


SIZES = (20, 10, 6, 2, 1, "0.5", "0.01")


def test_leg_quote__nothing_to_sell__says_so(house, trader) -> None:
    with reverts("NoAuction"):
        house.auction.leg_quote(trader.id, ETH)
    account = short_of_margin(house)
    for market in (2, 255, 256, ANY):
        assert house.auction.leg_quote(account, market).lots == 0
    move_price(house, 2_000)
    assert most(house) == 0  # healthy again
    sink(house, account, -10)
    assert most(house) == 0  # E < 0
    sink(house, account)
    assert most(house) > 0
    house.oracle.halt(house.feed_id("ETH"), 600, sender=house.guardian)
    quote = house.auction.leg_quote(account, ETH)
    assert quote.stopped
    assert quote.lots == 0


# -- refused, each by its own error


def test_bid_leg__bad_input__each_its_own_error(house, trader, rival, stranger) -> None:
    with reverts("NoAuction"):
        take(house, ETH, LOT)
    account = short_of_margin(house)
    before = house.engine.margin(account)
    leg = lots_of(house, account)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("Expired", {"deadline": house.evm.timestamp - 1}),
        ("BadArgument", {"bidder": account, "sender": trader}),
        ("NotOwner", {"sender": stranger}),
        ("NotOwner", {"bidder": rival.id}),
        ("WrongAuction", {"auction_id": 5}),
        ("BadFraction", {"lots": 0}),
        ("BadFraction", {"lots": leg + 1}),
        ("BadFraction", {"lots": ANY}),
        ("BadFraction", {"lots": leg}),  # beyond the target
        ("BadFraction", {"market": 2}),
        ("BadFraction", {"market": 256}),
        ("BadFraction", {"market": ANY}),
        ("Underwater", {"bidder": stranger.id, "sender": stranger}),
        ("CostLimit", {"cost_limit": -(10**30)}),
    ]
    for error, changed in cases:
        with reverts(error):
            take(house, **({"market": ETH, "lots": LOT} | changed))
        assert house.engine.margin(account) == before
    take(house, ETH, LOT)


def test_bid_leg__cost_limit__to_the_unit(house) -> None:
    account = short_of_margin(house)
    cost = house.auction.leg_quote(account, ETH).cost
    with reverts("CostLimit"):
        take(house, ETH, most(house), cost_limit=cost - 1)
    take(house, ETH, most(house), cost_limit=cost)


def test_bid_leg__remainder_of_crumbs__whole_or_not_at_all(house) -> None:
    """Half of the account may be sold before what stays is under min_lots."""
    account = short_of_margin(house, 70, eths=40, btc="0.05")
    least = 2 * house.auction.curve().min_lots
    leg = lots_of(house, account, BTC)
    assert most(house, BTC) == leg
    for lots in (leg - 1, leg - least + 1):
        with reverts("BadFraction"):
            take(house, BTC, lots)
    with undone(house):
        take(house, BTC, leg - least)
    take(house, BTC, leg)


def passes(house: House, market: int, lots: int) -> bool:
    try:
        with undone(house):
            take(house, market, lots)
    except Reverted:
        return False
    return True


def test_bid_leg__crumbs_left_to_have_all_sold__refused(house, trader) -> None:
    """A leg under min_lots has the whole account sold: nobody makes one to that end."""
    account = short_of_margin(house, 20, eths=40, btc="0.05")
    leg = lots_of(house, account, BTC)
    sized = house.auction.cost(account).fraction
    assert sized < 10**18
    low, high = 0, leg - 1
    while high - low > 1:  # the most but for the whole
        middle = (low + high) // 2
        low, high = (middle, high) if passes(house, BTC, middle) else (low, middle)
    assert leg - low > 5_000
    take(house, BTC, low)
    assert house.auction.cost(account).fraction < sized


def test_bid_leg__healthy_again__refused(house) -> None:
    """P15."""
    account = short_of_margin(house)
    move_price(house, 2_000)
    with reverts("Healthy"):
        take(house, ETH, LOT)
    assert house.engine.margin(account).equity > requirement(house, account)


@pytest.mark.parametrize(("percent", "seconds"), [(-20, 0), (6, 0), (95, 600), (95, 1_300)])
def test_bid_leg__price_of_the_whole_not_positive__slices_only(house, percent, seconds) -> None:
    """P16, P19: where E <= (x + fee) R a premium on one leg would be taken from the others."""
    account = short_of_margin(house, percent)
    run_auction(house, account, seconds)
    with reverts("LegRefused"):
        take(house, ETH, LOT)
    assert most(house) == 0


def test_bid_leg__edge_of_the_premium__to_the_token_unit(house, stranger) -> None:
    account = short_of_margin(house, 50)
    run_auction(house, account, 300)
    s, curve = house.engine.standing(account), house.auction.curve()
    need = s.linear + s.superlinear
    rate = house.auction.cost(account).x + curve.fee
    gap = -(-(need * rate // NANO + TOK - s.equity) // TOK)
    assert gap > 0  # short of it by so many token units
    house.mint(stranger, gap // TOKEN + 2)
    with undone(house):
        house.engine.deposit(account, gap - 1, sender=stranger)
        with reverts("LegRefused"):
            take(house, BTC, lots_of(house, account, BTC))
    with undone(house):
        house.engine.deposit(account, gap + 1, sender=stranger)
        with reverts("BadFraction"):
            take(house, ETH, LOT)  # next to no price left: a slice would be nearly all
        take(house, BTC, lots_of(house, account, BTC))


def test_bid_leg__priority_window__intents_first(house, liquidator) -> None:
    curve = house.auction.curve()._asdict() | {"priority": 60}
    house.govern("LiquidationAuction", "set_curve", tuple(curve.values()))
    account = short_of_margin(house)
    quote = house.auction.leg_quote(account, ETH)
    assert quote.priority == 60
    with reverts("PriorityWindow"):
        take(house, ETH, LOT)
    run_auction(house, account, 60)
    take(house, ETH, LOT)


def test_bid_leg__frozen_bidder__refused(house, liquidator) -> None:
    """One committed to an intent keeps its margin for that."""
    terms = (5_000 * TOKEN, 10**12, 0, house.evm.timestamp + 86_400, True, ANY)
    house.auction.commit_intent(liquidator.id, terms, sender=liquidator)
    account = short_of_margin(house)
    with reverts("Frozen"):
        take(house, ETH, LOT)
    assert lots_of(house, account) == 25 * LOT


def test_bid_leg__account_committed_to_an_intent__is_in_no_auction(house, liquidator) -> None:
    terms = (5_000 * TOKEN, 10**12, 0, house.evm.timestamp + 86_400, True, ANY)
    house.auction.commit_intent(liquidator.id, terms, sender=liquidator)
    with reverts("NoAuction"):
        take(house, ETH, LOT, account=liquidator.id, bidder=liquidator.id + 1)


def test_bid_leg__isolated_bidder_with_another_market__wrong_mode(house, maker, liquidator) -> None:
    account = short_of_margin(house)
    house.engine.set_mode(liquidator.id, 1, sender=liquidator)
    house.trade("BTC-PERP", liquidator, maker, "0.1", 40_000)
    with reverts("WrongMode"):
        take(house, ETH, LOT)
    take(house, BTC, LOT // 10)
    assert lots_of(house, account, ETH) == 25 * LOT


def test_bid_leg__auctions_stopped__refused(house) -> None:
    account = short_of_margin(house)
    house.govern("MarginEngine", "set_pause", 3)
    assert house.auction.leg_quote(account, ETH).stopped
    with reverts("MarketPaused"):
        take(house, ETH, LOT)


def test_bid_leg__auction_replaced__the_old_one_sells_nothing(house, liquidator) -> None:
    account = short_of_margin(house)
    other = deploy_auction(
        house.evm,
        house.engine.address,
        house.fund.address,
        house.timelock.address,
        house.auction.curve(),
    )
    house.govern("MarginEngine", "set_module", 1, other.address)
    with reverts("NotAuction"):
        take(house, ETH, LOT)
    call = (account, liquidator.id, 0, ETH, LOT, 0, FOREVER)
    with reverts("NoAuction"):
        other.bid_leg(*call, sender=liquidator)
    other.start(account)
    other.bid_leg(*call, sender=liquidator)
    conserves(house)


def test_sell_leg__but_by_the_auction__refused(house, trader, liquidator) -> None:
    """The engine's own door, and what it checks though the auction would have."""
    account = short_of_margin(house)
    need = requirement(house, account)
    terms = (ETH, LOT, need, 0, 0, 0, (0, 0, 0, 0), 0, 0, 0)
    with reverts("NotAuction"):
        house.engine.sell_leg(account, liquidator.id, terms, sender=liquidator)
    auction = house.auction.address
    for error, seller, bidder, changed in (
        ("NotFrozen", liquidator.id, account, terms),
        ("Frozen", account, account, terms),
        ("LegRefused", account, liquidator.id, (ETH, LOT, need // 2, *terms[3:])),
    ):
        with reverts(error):
            house.engine.sell_leg(seller, bidder, changed, sender=auction)
    assert house.engine.sell_leg(account, liquidator.id, terms, sender=auction).value
    conserves(house)


# -- feeds


def test_bid_leg__its_feed_stale_the_rest_live__stale_price(house, trader, maker) -> None:
    """A small dead leg stays; the live ones are sold."""
    house.trade("BTC-PERP", trader, maker, "0.01", 40_000)
    account = short_of_margin(house, btc="0")
    house.oracle.halt(house.feed_id("BTC"), 3_600, sender=house.guardian)
    assert not house.auction.cost(account).stopped
    assert most(house, BTC) == 0
    with reverts("StalePrice"):
        take(house, BTC, 10_000)
    take(house, ETH, most(house) // 2)
    conserves(house)


def test_bid_leg__that_would_stop_the_clock__refused(house, trader, maker) -> None:
    """P15 turned round: a dead tenth is not made a shield of the live rest by taking some of it."""
    house.trade("BTC-PERP", trader, maker, "0.146", 40_000)
    account = short_of_margin(house, btc="0")
    house.oracle.halt(house.feed_id("BTC"), 3_600, sender=house.guardian)
    s = house.engine.standing(account)
    need = s.linear + s.superlinear
    assert need * 9 // 100 < s.stale_requirement < need // 10
    lots = most(house)
    assert 0 < lots < 25 * LOT
    with reverts("LegRefused"):
        take(house, ETH, lots + 1)
    take(house, ETH, lots)
    assert not house.auction.cost(account).stopped
    with reverts("LegRefused"):
        take(house, ETH, LOT)
    conserves(house)


def test_bid_leg__wound_down_market__refused(house, trader, maker) -> None:
    """It carries no R any more: it goes with a slice."""
    [market] = list_markets(house, 1)
    house.settle([fill(house, trader, maker, 1, 2_000, market=market)])
    house.govern("MarginEngine", "set_status", market, 2)
    house.govern("MarginEngine", "wind_down", market)
    account = short_of_margin(house)
    assert most(house, market) == 0
    with reverts("LegRefused"):
        take(house, market, LOT)
    take(house, ETH, LOT)
    assert lots_of(house, account, market) == LOT
    conserves(house)


# -- a risk model that nets


def netted(house: House) -> Any:
    built = compile_contract("NettingRisk", contracts=TESTS / "contracts")
    risk = house.evm.deploy(built, house.risk.address)
    house.govern("MarginEngine", "set_core", risk.address, 5_000, 3_600)
    return risk


def test_bid_leg__hedge_under_a_netting_model__refused(house, trader, maker) -> None:
    """P16: the hedge's leg would raise R; the hedged one's lots, up to the net, lower it."""
    netted(house)
    house.trade("ETH-PERP", trader, maker, 20, 2_000)
    house.trade("BTC-PERP", maker, trader, 2, 40_000)
    house.trade("ETH-PERP", trader, maker, 35, 2_000)
    account = trader.id
    sink(house, account)
    house.auction.start(account)
    assert most(house, BTC) == 0
    for lots in (2_000, 10**5, 2 * LOT):
        with reverts("LegRefused"):
            take(house, BTC, lots)
    before = house.engine.margin(account)
    take(house, ETH, most(house))
    after = house.engine.margin(account)
    assert after.equity * before.requirement > before.equity * after.requirement
    conserves(house)


# -- attackers


def test_own_legs__bought_by_oneself__lose_the_fee(house, trader, maker) -> None:
    """P19, Euler: the winning leg at mark into another own account, the losing ones left."""
    house.mint(trader, 60_000)
    house.engine.deposit(trader.id + 1, 60_000 * TOKEN, sender=trader)
    house.trade("BTC-PERP", maker, trader, "1.25", 40_000)
    house.trade("ETH-PERP", trader, maker, 30, 2_000)
    move_price(house, 39_000, "BTC")
    sink(house, trader.id)
    house.auction.start(trader.id, sender=trader)
    whole = equity(house, trader.id) + equity(house, trader.id + 1)
    fund, budget = house.engine.fund_balance(), house.engine.keeper_budget()
    quote = house.auction.leg_quote(trader.id, BTC)
    assert quote.lots > 0
    take(house, BTC, quote.lots, bidder=trader.id + 1, sender=trader)
    now = equity(house, trader.id) + equity(house, trader.id + 1)
    lost = whole - now
    gained = house.engine.fund_balance() - fund + house.engine.keeper_budget() - budget
    assert lost >= quote.fee // 2 > 0  # keepers' half of it may come back to who executes himself
    assert 0 <= lost - gained <= 5  # nobody else lost anything
    conserves(house)


def test_own_profit__paid_as_premium__stays_fresh(house, trader, maker) -> None:
    """Paper profit does not leave by way of the premium of an own leg."""
    house.mint(trader, 60_000)
    house.engine.deposit(trader.id + 1, 60_000 * TOKEN, sender=trader)
    house.trade("BTC-PERP", maker, trader, "1.25", 40_000)
    house.trade("ETH-PERP", trader, maker, 30, 2_000)
    move_price(house, 38_000, "BTC")
    sink(house, trader.id)
    house.auction.start(trader.id, sender=trader)
    before = fresh(house, trader.id) + fresh(house, trader.id + 1)
    paid = -take(house, BTC, most(house, BTC), bidder=trader.id + 1, sender=trader).value
    assert paid > USD
    assert fresh(house, trader.id + 1) == paid
    assert fresh(house, trader.id) + fresh(house, trader.id + 1) > before
    with reverts("Underwater"):
        house.engine.withdraw(trader.id + 1, 60_000 * TOKEN, trader, sender=trader)


def test_legs__in_parts__take_no_more_than_the_whole(house, liquidator) -> None:
    """P7: what the R removed is worth does not depend on how it was cut; rounding is theirs."""
    short_of_margin(house)
    lots = most(house)
    with undone(house):
        one = -take(house, ETH, lots).value
    parts = 0
    for part in (1, 2, 1_000, lots // 3, lots // 7):
        parts -= take(house, ETH, part).value
        lots -= part
    parts -= take(house, ETH, lots).value
    assert one - 10 <= parts <= one


def test_tiny_legs__pay_no_keeper(house, liquidator, keeper) -> None:
    """P20: under min_requirement of R removed neither executor nor starter is paid."""
    account = short_of_margin(house)
    budget = house.engine.keeper_budget()
    for _ in range(5):
        receipt = take(house, ETH, 10**5)
        assert not [e for e in receipt.events if e.name == "KeeperPaid"]
    assert house.engine.keeper_budget() >= budget
    assert house.auction.auction(account).starter.lower() == keeper.address.lower()


def test_pay__of_a_large_leg__within_the_keepers_part_of_its_fee(
    house, keeper, trader, maker
) -> None:
    """P20: starter and executor once each, out of what the sale brought the budget."""
    house.mint(trader, 90_000)
    house.deposit(trader, 90_000)
    account = short_of_margin(house, eths=200, btc="10")
    quote = house.auction.leg_quote(account, ETH)
    assert quote.removed > 1_000 * USD
    budget = house.engine.keeper_budget()
    receipt = take(house, ETH, quote.lots)
    paid = [e.args for e in receipt.events if e.name == "KeeperPaid"]
    assert len(paid) == 2
    total = sum(one["amount"] for one in paid)
    assert 0 < total <= quote.fee // 2
    assert house.engine.keeper_budget() == budget + quote.fee // 2 - total
    assert cash(house, keeper.id) >= paid[1]["amount"] - 1
    assert int(house.auction.auction(account).starter, 16) == 0
    conserves(house)


def test_pay__executor_is_the_account_sold__counted_apart(house, trader, maker) -> None:
    """Its pay comes after the sale is judged: it cannot bend its own target."""
    house.mint(trader, 290_000)
    house.engine.deposit(trader.id + 1, 200_000 * TOKEN, sender=trader)
    house.deposit(trader, 90_000)
    account = short_of_margin(house, eths=200, btc="10")
    quote = house.auction.leg_quote(account, ETH)
    before = equity(house, account)
    receipt = take(house, ETH, quote.lots, bidder=account + 1, sender=trader)
    own = sum(
        e.args["amount"]
        for e in receipt.events
        if e.name == "KeeperPaid" and int(e.args["keeper"], 16) << 96 == account
    )
    assert own > 0
    assert 0 <= before + quote.cost - quote.fee + own - equity(house, account) <= 5
    conserves(house)


# -- the handle


def test_protocol__legs__in_human_units(house, liquidator) -> None:
    account = short_of_margin(house)
    handle = Protocol.of_house(house, liquidator.address)
    quote = handle.leg_quote(account, "ETH-PERP")
    word = house.auction.leg_quote(account, ETH)
    assert quote.size * LOT == word.lots
    assert quote.cost < 0 < quote.fee
    handle.bid_leg(
        account, liquidator.id, "ETH-PERP", quote.size, quote.cost, FOREVER, auction_id=quote.id
    )
    assert lots_of(house, liquidator.id) == word.lots
    assert isinstance(liquidator, Actor)
