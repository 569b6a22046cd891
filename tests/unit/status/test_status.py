"""What `ape run status` says of a waterfall: its steps in JSON, and what waits for a keeper."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from plimsoll.deployment.house import House
from plimsoll.status import History, NoDeployment, errands, identities, read_status, record
from plimsoll.status.reading import band_of
from plimsoll.status.views import Band
from tests.stage import TOKEN, give_residual, move_price, ruin, run_auction
from tests.unit.keepers.fake_chain import FakeChain
from tests.unit.status.conftest import (
    ANY,
    DAY,
    from_events,
    history_of,
    node_of,
    owners,
    read,
    told,
)

# R of five ETH at 1,800 is 350.04 USD, R_init 709.08, and the pre-liquidation band ends at 367.54.
LADDER = (-100, 100, 360, 500, 900)


@pytest.mark.parametrize(
    ("value", "equity", "free", "band"),
    [
        (-1, -1, 0, Band.INSOLVENT),
        (0, 0, 0, Band.UNDER_R),
        (99, 99, 0, Band.UNDER_R),
        (120, 99, 0, Band.UNDER_R),  # the auction leaves stale parts out
        (100, 100, -1, Band.PRE_BAND),
        (104, 104, -1, Band.PRE_BAND),
        (105, 105, -1, Band.UNDER_INITIAL),
        (105, 105, 0, Band.ABOVE),
    ],
)
def test_band_of__requirement_100_band_5_percent(
    value: int, equity: int, free: int, band: Band
) -> None:
    assert band_of(value, equity, 100, free, 50_000_000) == band


def test_status__a_ladder_of_accounts__each_in_its_band(house: House) -> None:
    people = owners(house, LADDER)
    accounts = told(house)["accounts"]
    bands = {one["band"]: one for one in accounts["bands"]}
    assert list(bands) == [band.value for band in Band]
    counts = {band: one["count"] for band, one in bands.items()}
    # Above R_init beside owner4: the maker.
    assert counts == {
        "insolvent": 1, "under_r": 1, "pre_band": 1, "under_initial": 1, "above": 2
    }  # fmt: skip
    assert bands["insolvent"]["equity_usd"] == "-100"
    assert Decimal(bands["under_r"]["requirement_usd"]) // 1 == 350
    assert accounts["known"] == len(house.actors)
    assert accounts["idle"] == accounts["known"] - 6
    worst = [int(one["account"], 16) for one in accounts["worst"]]
    assert worst[:5] == [one.id for one in people]
    assert [one["why"] for one in accounts["worst"][:4]] == [
        "may be started by anybody",
        "may be started by anybody",
        "its owner has not asked for pre-liquidation",
        "may only reduce",
    ]


def test_status__worst_limited__the_sums_still_count_all(house: House) -> None:
    owners(house, LADDER)
    accounts = told(house, worst=2)["accounts"]
    assert [one["band"] for one in accounts["worst"]] == ["insolvent", "under_r"]
    assert sum(one["count"] for one in accounts["bands"]) == 6


def test_errands__under_r_and_not_in_auction__start(house: House) -> None:
    people = owners(house, LADDER)
    found = errands(read(house))
    assert [(one.account, one.call) for one in found] == [(one.id, "start") for one in people[:2]]
    for one in people[:2]:
        house.auction.start(one.id)
    house.engine.refresh_flow(0)
    assert errands(read(house)) == []


def test_status__auction__the_quote_the_clock_and_what_is_next(house: House) -> None:
    trader = house.actors["trader"]
    ruin(house, size=50, price=1_830)
    house.auction.start(trader.id, sender=house.actors["keeper"])
    run_auction(house, trader.id, 120)
    quote = house.auction.cost(trader.id)
    (one,) = told(house)["auctions"]
    assert (one["x"], one["elapsed_s"], one["to_one_s"], one["to_end_s"]) == (
        "0.3",
        120,
        480,
        1_080,
    )
    assert Decimal(one["cost_usd"]) * 10**15 == quote.cost
    assert Decimal(one["fraction"]) * 10**18 == quote.fraction
    assert int(one["id"], 16) == quote.id
    assert one["markets"] == ["ETH-PERP"]
    assert one["starter"].lower() == house.actors["keeper"].lower()
    assert (one["stage"], one["clock_stopped"], one["number"]) == ("on_sale", False, 1)
    assert told(house)["accounts"]["worst"][0]["why"] == "in auction"


def test_errands__an_auction_s_stages__sync_end_deleverage(house: House) -> None:
    trader = house.actors["trader"]
    ruin(house, size=50, price=1_830)
    house.auction.start(trader.id)
    house.engine.refresh_flow(0)
    house.advance(48, refresh=True)
    assert [one.call for one in errands(read(house))] == ["sync"]
    run_auction(house, trader.id, 600)
    (one,) = told(house)["auctions"]
    assert one["stage"] == "exhausted"
    assert [one.call for one in errands(read(house))] == ["deleverage"]
    move_price(house, 2_000)
    (one,) = told(house)["auctions"]
    assert one["stage"] == "cured"
    assert [one.call for one in errands(read(house))] == ["end"]


def test_status__stale_feeds__neither_start_nor_sale_and_the_clock_is_to_be_stopped(
    house: House,
) -> None:
    trader, rival = house.actors["trader"], house.actors["rival"]
    house.trade("ETH-PERP", rival, house.actors["maker"], 50, 2_000)
    ruin(house, size=50, price=1_830)
    house.auction.start(trader.id)
    house.advance(2 * DAY)
    accounts = {one["account"]: one for one in told(house)["accounts"]["worst"]}
    assert "cannot be started" in accounts[hex(rival.id)]["why"]
    (one,) = told(house)["auctions"]
    assert (one["stage"], one["clock_stopped"]) == ("stopped", True)
    assert [one.call for one in errands(read(house))] == ["sync"]
    house.auction.sync(trader.id)
    assert errands(read(house)) == []


def test_status__small_stale_leg__counted_as_the_auction_does(house: House) -> None:
    (owner,) = owners(house, [500])
    house.deposit(owner, 500)
    house.trade("BTC-PERP", owner, house.actors["maker"], "0.001", 40_000)
    house.advance(DAY + 1)
    move_price(house, 1_800)  # and no price for BTC
    standing = house.engine.standing(owner.id)
    assert standing.stale_value > 0
    found = {one.account: one for one in read(house).accounts}[owner.id]
    assert not found.stopped
    assert found.value == standing.equity
    assert found.equity == standing.equity - standing.stale_value


def test_status__paused__said_so_and_nobody_is_asked_to_start(house: House) -> None:
    owners(house, LADDER)
    house.engine.set_pause(3, sender=house.guardian)
    everything = told(house)
    assert everything["pause"] == {"level": 3, "text": "paused: reduce only, no auctions"}
    assert everything["errands"] == []
    assert everything["accounts"]["worst"][0]["why"] == "cannot be started: auctions are paused"


def test_status__intent__scope_and_margin_left_until_it_expires(house: House) -> None:
    backer = house.actors["liquidator"]
    terms = (50_000 * TOKEN, 10**12, 100_000_000, house.evm.timestamp + DAY, False, 0b10)
    house.auction.commit_intent(backer.id, terms, sender=backer)
    (one,) = told(house, intents=(backer.id,))["intents"]
    assert (one["capacity_usd"], one["premium"], one["markets"]) == ("50000", "0.1", ["BTC-PERP"])
    assert (one["expires_in_s"], one["expired"], one["collateral"]) == (DAY, False, False)
    # Three times the capacity is asked for, of a million.
    assert (one["margin_needed_usd"], one["margin_left_usd"]) == ("150000", "850000")
    house.advance(DAY + 1, refresh=True)
    snapshot = read(house, history_of(house, intents=(backer.id,)))
    assert [(one.account, one.call) for one in errands(snapshot)] == [(backer.id, "release_intent")]
    house.auction.release_intent(backer.id)
    assert told(house, intents=(backer.id,))["intents"] == []


def test_status__consent__counted_and_the_account_may_be_pre_liquidated(house: House) -> None:
    people = owners(house, LADDER)
    thin = people[2]
    house.auction.set_pre_liquidation(thin.id, True, sender=thin)
    accounts = told(house, consents=(thin.id,))["accounts"]
    band = next(one for one in accounts["bands"] if one["band"] == "pre_band")
    assert band["pre_liquidation"] == 1
    assert accounts["worst"][2]["why"] == "may be pre-liquidated"


def test_status__fund__bucket_caps_and_redemptions_by_their_time(house: House) -> None:
    insurer = house.insure(100_000)
    house.fund.request_redeem(4_000 * 10**12, sender=insurer)
    owner = (str(insurer),)
    fund = told(house, redeemers=owner)["fund"]
    assert (fund["bucket_usd"], fund["shares"], fund["undripped_usd"]) == ("100000", "100000", "0")
    assert fund["caps"] == {
        "per_event": "0.5", "per_window": "0.8", "per_market": "0.6", "window_s": DAY
    }  # fmt: skip
    assert {one["market"]: one["usd"] for one in fund["drawable"]} == {
        "ETH-PERP": "50000", "BTC-PERP": "50000", "loans": "50000"
    }  # fmt: skip
    (one,) = fund["redemptions"]
    assert (one["owner"], one["shares"], one["worth_usd"]) == (str(insurer), "4000", "4000")
    assert one["state"] == "waiting"
    house.advance(7 * DAY, refresh=True)
    assert told(house, redeemers=owner)["fund"]["redemptions"][0]["state"] == "open"
    house.advance(2 * DAY, refresh=True)
    assert told(house, redeemers=owner)["fund"]["redemptions"][0]["state"] == "lapsed"
    house.fund.cancel_request(sender=insurer)
    assert told(house, redeemers=owner)["fund"]["redemptions"] == []


def test_status__deficit_beyond_the_fund__excess_and_withdrawals_wait(house: House) -> None:
    insurer = house.insure(1_000)
    house.fund.request_redeem(10**12, sender=insurer)
    house.advance(7 * DAY, refresh=True)
    trader = house.actors["trader"]
    deficit = -ruin(house)
    house.auction.start(trader.id)
    everything = told(house, redeemers=(str(insurer),))
    found = everything["deficits"]
    assert Decimal(found["pending_usd"]) * 10**15 == deficit
    assert Decimal(found["excess_usd"]) == Decimal(found["pending_usd"]) - 500
    assert found["withdrawals_wait"]
    assert Decimal(everything["auctions"][0]["deficit_usd"]) * 10**15 == deficit
    assert everything["fund"]["redemptions_held_up"]
    clock = everything["fund"]["redemption_clock"]
    assert clock == {"stands_since": house.evm.timestamp, "stood_s": 0}
    house.advance(100)
    later = told(house, redeemers=(str(insurer),))["fund"]
    assert later["redemption_clock"]["stood_s"] == 100
    assert later["redemptions"][0]["state"] == "held_up"


def test_errands__income_frees_redemptions__their_clock_waits_for_a_sync(house: House) -> None:
    house.insure(500_000)
    house.trade("ETH-PERP", house.actors["liquidator"], house.actors["maker"], 500, 2_000, flags=1)
    house.trade("ETH-PERP", house.actors["trader"], house.actors["maker"], 50, 2_000)
    move_price(house, "1749.98")
    house.auction.start(house.actors["trader"].id)
    house.engine.refresh_flow(0)
    assert errands(read(house)) == []
    house.engine.collect_fees(0)
    assert [(one.account, one.call) for one in errands(read(house))] == [(0, "InsuranceFund.sync")]
    house.fund.sync()
    assert errands(read(house)) == []


def test_status__sale_limiter__what_is_left_of_each_limit_and_for_whom(house: House) -> None:
    trader, taker = house.actors["trader"], house.actors["liquidator"]
    found = told(house)["sale_limiter"]
    assert (found["on"], found["window_s"], found["reserve"]) == (True, 600, "0.5")
    assert (found["claimant"], found["claim_usd"], found["claim_lapses_in_s"]) == (None, None, None)
    assert (found["sum_usd"], found["sum_left_usd"]) == ("50000000", "50000000")
    assert [one["market"] for one in found["markets"]] == ["ETH-PERP", "BTC-PERP"]
    assert all(one["left"] == one["left_to_others"] == one["limit"] for one in found["markets"])

    house.trade("ETH-PERP", trader, house.actors["maker"], 50, 2_000)
    house.govern("MarginEngine", "set_flow", (1, 600, 64, 1_000_000))
    for market in (0, 1):
        house.engine.refresh_flow(market)
    move_price(house, 1_820)
    house.auction.start(trader.id)
    house.auction.bid(trader.id, taker.id, 0, 10**17, 2**200, 2**40, sender=taker)
    found = told(house)["sale_limiter"]
    assert found["claimant"] == hex(trader.id)
    margin = house.engine.margin(trader.id)
    assert int(found["claim_usd"]) > (margin.requirement - margin.equity) // 10**15
    assert found["claim_lapses_in_s"] == 600
    (eth, _) = found["markets"]
    flow = house.engine.flow_of(0)
    assert Decimal(eth["limit"]) * 10**6 == flow.limit
    assert Decimal(eth["left"]) * 10**6 == flow.limit - flow.used
    assert Decimal(eth["limit"]) - Decimal(eth["left"]) >= 5
    assert Decimal(eth["left"]) - Decimal(eth["left_to_others"]) == Decimal(eth["limit"]) / 4
    assert Decimal(eth["counted_at_usd"]) * 10**9 == flow.price
    assert eth["mark_usd"] == "1820"
    used = Decimal(found["sum_usd"]) - Decimal(found["sum_left_usd"])
    assert used == pytest.approx(5 * Decimal(eth["counted_at_usd"]), rel=Decimal("0.001"))
    (late,) = [one for one in errands(read(house)) if one.call.endswith("refresh_flow")]
    assert late.why.startswith("market 0 counts at")
    house.advance(420, refresh=True)
    assert [one.call for one in errands(read(house)) if one.account] == ["sync"]

    house.govern("MarginEngine", "set_flow", (1, 0, 64, 0))
    assert told(house)["sale_limiter"]["on"] is False
    assert told(house)["sale_limiter"]["markets"] == []


def test_status__deleveraged__each_step_s_money_and_the_side_s_multiplier(house: House) -> None:
    trader = house.actors["trader"]
    deficit = -ruin(house)
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_200)
    deficit = -house.engine.margin(trader.id).equity
    chain = FakeChain(house.evm)
    chain.note(house.auction.deleverage(trader.id, 0))
    everything = told(house, events=from_events(house, chain).events)
    part = everything["deleveraging"]
    by_name = {one["event"]: one for one in part["events"]}
    assert by_name["Shrunk"]["side"] == "short"
    assert by_name["Shrunk"]["lots_units"] == "50"
    last = by_name["Deleveraged"]
    assert last["account"] == hex(trader.id)
    assert Decimal(last["deficit_usd"]) * 10**15 == deficit
    paid = sum(Decimal(last[f"{name}_usd"]) for name in ("from_fund", "charged", "socialised"))
    assert paid == Decimal(last["deficit_usd"])
    shorts = next(
        one for one in part["sides"] if (one["market"], one["side"]) == ("ETH-PERP", "short")
    )
    # The trader was the only long: nothing of the other side is left; 1 % of 1,700 is the cap.
    assert (shorts["deleveragings"], shorts["cap_usd_per_unit"]) == (1, "17")
    charged = Decimal(by_name["Charged"]["per_lot_usd"])
    assert Decimal(shorts["charged_usd_per_unit"]) == min(charged, Decimal(17))
    assert Decimal(shorts["room_usd_per_unit"]) == 17 - min(charged, Decimal(17))
    assert shorts["window_ends"] == house.evm.timestamp + 3_600
    assert everything["deficits"]["socialisations"] == 1
    assert Decimal(everything["deficits"]["owed_usd"]) == Decimal(last["socialised_usd"])
    house.advance(3_600, refresh=True)
    after = told(house)["deleveraging"]["sides"]
    shorts = next(one for one in after if (one["market"], one["side"]) == ("ETH-PERP", "short"))
    assert (shorts["charged_usd_per_unit"], shorts["window_ends"]) == ("0", None)


def test_status__half_a_side_closed__a_lot_of_it_is_half_a_lot(house: House) -> None:
    rival, maker = house.actors["rival"], house.actors["maker"]
    house.trade("ETH-PERP", rival, maker, 50, 2_000)
    house.deposit(rival, 100_000)
    trader = house.actors["trader"]
    ruin(house)
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_200)
    house.auction.deleverage(trader.id, 0)
    sides = told(house)["deleveraging"]["sides"]
    found = {(one["market"], one["side"]): one["multiplier"] for one in sides}
    assert found["ETH-PERP", "short"] == "0.500000000000"
    assert found["ETH-PERP", "long"] == "1.000000000000"


def test_status__fractions_of_a_lot_left_over__the_fund_s_by_side(house: House) -> None:
    house.insure(1_000)
    give_residual(house, "0.000003")
    move_price(house, 1_990)
    sides = told(house)["deleveraging"]["sides"]
    found = {(one["market"], one["side"]): one for one in sides}
    assert found["ETH-PERP", "short"]["residual_units"] == "0.000003"
    assert found["BTC-PERP", "short"]["residual_units"] == "0"
    for side, gain in (("long", -10), ("short", 10)):
        worth = Decimal(found["ETH-PERP", side]["residual_usd"])
        assert abs(worth - gain * Decimal("0.000003")) < Decimal("1e-9")


def test_identities__a_house_as_it_is__hold_and_a_gap_or_a_short_vault_does_not(
    house: House,
) -> None:
    owners(house, [500])
    snapshot = read(house)
    assert all(one.holds for one in identities(snapshot))
    for change in ({"gap": 1}, {"custody": snapshot.deficits.vault - 1}):
        off = replace(snapshot, deficits=replace(snapshot.deficits, **change))
        assert sum(not one.holds for one in identities(off)) == 1
    wrong = replace(snapshot.accounts[0], initial_equity=snapshot.accounts[0].value + 1)
    off = replace(snapshot, accounts=(wrong, *snapshot.accounts[1:]))
    assert [one.name for one in identities(off) if not one.holds] == ["margins"]


def test_read_history__from_events__ids_offers_and_redemptions(house: House) -> None:
    chain = FakeChain(house.evm)
    insurer = house.actor("insurer")
    late = house.actor("late")
    chain.note(house.deposit(late, 500))
    units = house.mint(insurer, 100)
    chain.note(house.fund.deposit(units, insurer, sender=insurer))
    chain.note(house.fund.request_redeem(10**12, sender=insurer))
    chain.note(house.auction.set_pre_liquidation(late.id, True, sender=late))
    backer = house.actors["liquidator"]
    terms = (50_000 * TOKEN, 10**12, 0, house.evm.timestamp + DAY, True, ANY)
    chain.note(house.auction.commit_intent(backer.id, terms, sender=backer))
    history = from_events(house, chain)
    assert set(history.accounts) == {late.id, backer.id}
    assert history.consents == (late.id,)
    assert history.intents == (backer.id,)
    assert [int(one, 16) for one in history.redeemers] == [int(insurer, 16)]


def test_status__many_accounts__requests_do_not_grow_with_them(house: House) -> None:
    people = owners(house, [500] * 61)
    few, many = FakeChain(house.evm), FakeChain(house.evm)
    one = history_of(house, accounts=(people[0].id,))
    assert len(read(house, one, few).accounts) == 1
    assert len(read(house, chain=many).accounts) == 62
    assert many.requests == few.requests == 8


def test_status__record__plain_json_with_the_same_keys_in_every_state(house: House) -> None:
    empty = json.loads(json.dumps(record(read(house, History()))))
    owners(house, LADDER)
    full = json.loads(json.dumps(told(house)))
    assert empty["schema"] == 1
    assert empty.keys() == full.keys()
    for part in ("accounts", "fund", "deficits", "deleveraging", "terms", "sale_limiter"):
        assert empty[part].keys() == full[part].keys()


def test_status__nothing_at_the_engine_s_address__refused(house: House) -> None:
    node = node_of(house)
    node.addresses["MarginEngine"] = "0x" + "99" * 20
    with pytest.raises(NoDeployment, match="no code there"):
        read_status(node, History(), [], *node.head())
