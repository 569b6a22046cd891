"""What `ape run status` prints for people."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from plimsoll.console import duration
from plimsoll.deployment.house import House
from plimsoll.status import Snapshot, show
from tests.stage import TOKEN, move_price, ruin, run_auction
from tests.unit.keepers.fake_chain import FakeChain
from tests.unit.status.conftest import ANY, DAY, from_events, history_of, read


def printed(snapshot: Snapshot, width: int = 160) -> str:
    out = io.StringIO()
    show(snapshot, Console(file=out, width=width, force_terminal=False))
    return out.getvalue()


def test_show__a_quiet_house__all_sections_and_nothing_to_do(house: House) -> None:
    text = printed(read(house))
    heads = "Accounts, Auctions, Sale limiter, Intents, Insurance fund, Deficits, Deleveraging"
    heads = heads.split(", ")
    lines = text.splitlines()
    assert [line for line in lines if line in heads] == heads
    assert "The books balance" in text
    assert "Nothing waits for a keeper." in text
    assert "no side was ever deleveraged" in text
    assert "nobody claims the reserve" in text
    assert "in all markets 50,000,000.00 USD left of 50,000,000.00" in text


def test_show__a_claim_and_a_sale__who_it_is_kept_for_and_what_is_left(house: House) -> None:
    trader, taker = house.actors["trader"], house.actors["liquidator"]
    house.trade("ETH-PERP", trader, house.actors["maker"], 50, 2_000)
    move_price(house, 1_820)
    house.auction.start(trader.id)
    house.auction.bid(trader.id, taker.id, 0, 10**17, 2**200, 2**40, sender=taker)
    text = printed(read(house))
    assert f"kept for 0x{trader.id >> 96:040x}:0, short of" in text
    assert "1,999.3073" in text  # what ETH still counts at
    house.govern("MarginEngine", "set_flow", (1, 0, 64, 0))
    assert "off: nothing is limited" in printed(read(house))


def test_show__every_step_at_once__each_told(house: House) -> None:
    insurer, backer = house.insure(1_000), house.actors["liquidator"]
    house.fund.request_redeem(10**12, sender=insurer)
    terms = (50_000 * TOKEN, 10**12, 100_000_000, house.evm.timestamp + DAY, True, ANY)
    house.auction.commit_intent(backer.id, terms, sender=backer)
    house.trade("ETH-PERP", house.actors["rival"], house.actors["maker"], 50, 2_000)
    trader = house.actors["trader"]
    ruin(house)
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_200)
    chain = FakeChain(house.evm)
    chain.note(house.auction.deleverage(trader.id, 0))
    house.auction.start(house.actors["rival"].id)
    more = {"intents": (backer.id,), "redeemers": (str(insurer),)}
    history = history_of(house, events=from_events(house, chain).events, **more)
    text = printed(read(house, history))
    assert "x rises from 0.05 through 1 after 0:10:00 to 1.5 after 0:20:00" in text
    assert "all markets, collateral" in text
    assert "held up" in text or "waiting" in text
    assert "withdrawals wait in escrow" in text
    assert "ETH-PERP shorts" in text
    assert "Deleveraged: account 0x" in text
    assert "on sale, and the fund pays the bidder" in text
    for width in (80, 120):
        assert "Deleveraging" in printed(read(house, history), width)


@pytest.mark.parametrize(
    ("seconds", "text"), [(599, "599 s"), (3_661, "1:01:01"), (90_000, "1.0 days")]
)
def test_duration__as_people_read_it(seconds: int, text: str) -> None:
    assert duration(seconds) == text
