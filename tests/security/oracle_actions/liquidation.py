"""What a liquidation is made of: pre-liquidation, auctions, bids, intents, the last step."""

from __future__ import annotations

from typing import Any

from plimsoll.deployment.house import House
from tests.security.oracle_actions.by_name import Actions
from tests.security.oracle_stage import DAY, commit
from tests.stage import ETH, FOREVER, ONE, TOK

ACTIONS = Actions()
action = ACTIONS.add


@action
def start(house: House) -> Any:
    return house.auction.start(house.actors["sick"].id, sender=house.actors["keeper"])


@action
def start_healthy(house: House) -> Any:
    return house.auction.start(house.actors["long"].id, sender=house.actors["keeper"])


@action
def start_mostly_elsewhere(house: House) -> Any:
    return house.auction.start(house.actors["minor"].id, sender=house.actors["keeper"])


@action
def pre_liquidate(house: House) -> Any:
    """Of an account that has opted in, brought into the middle of its band first."""
    thin, bidder = house.actors["thin"], house.actors["liquidator"]
    margin = house.engine.margin(thin.id)
    units = (margin.requirement * 102 // 100 - margin.equity) // TOK
    house.tokens["usd"].mint(thin, units)
    house.engine.deposit(thin.id, units, sender=thin)
    return house.auction.pre_liquidate(thin.id, bidder.id, ONE, 10**30, FOREVER, sender=bidder)


@action
def opt_in(house: House) -> Any:
    who = house.actors["long"]
    return house.auction.set_pre_liquidation(who.id, True, sender=who)


@action
def opt_out(house: House) -> Any:
    who = house.actors["thin"]
    return house.auction.set_pre_liquidation(who.id, False, sender=who)


def _bid(house: House, fraction: int) -> Any:
    bidder = house.actors["liquidator"]
    account = house.actors["auctioned"].id
    return house.auction.bid(account, bidder.id, 0, fraction, 10**30, FOREVER, sender=bidder)


@action
def bid_whole(house: House) -> Any:
    return _bid(house, ONE)


@action
def bid_slice(house: House) -> Any:
    return _bid(house, ONE // 50)


def _bid_leg(house: House, account: int, lots: int) -> Any:
    bidder = house.actors["liquidator"]
    call = (account, bidder.id, 0, ETH, lots, 10**30, FOREVER)
    return house.auction.bid_leg(*call, sender=bidder)


@action
def bid_leg(house: House) -> Any:
    return _bid_leg(house, house.actors["auctioned"].id, 10**5)


@action
def bid_leg_of_a_small_part(house: House) -> Any:
    """The feed's leg is a small one of an account with most of its R elsewhere."""
    account = house.actors["minor"].id
    house.auction.start(account, sender=house.actors["keeper"])
    return _bid_leg(house, account, house.engine.position(account, ETH).lots)


@action
def commit_intent(house: House) -> Any:
    return commit(house, "holder", DAY)


@action
def revoke_intent(house: House) -> Any:
    who = house.actors["backer"]
    return house.auction.revoke_intent(who.id, sender=who)


@action
def release_intent(house: House) -> Any:
    return house.auction.release_intent(house.actors["lapsed"].id, sender=house.actors["stranger"])


@action
def fill_intent(house: House) -> Any:
    account, backer = house.actors["auctioned"].id, house.actors["backer"].id
    return house.auction.fill_intent(account, backer, FOREVER, sender=house.actors["keeper"])


@action
def sync(house: House) -> Any:
    return house.auction.sync(house.actors["auctioned"].id, sender=house.actors["stranger"])


@action
def end_cured(house: House) -> Any:
    return house.auction.end(house.actors["cured"].id, sender=house.actors["stranger"])


@action
def end_not_cured(house: House) -> Any:
    return house.auction.end(house.actors["auctioned"].id, sender=house.actors["stranger"])


@action
def deposit_then_end(house: House) -> Any:
    """A deposit cures at the last price, whatever the state."""
    house.deposit(house.actors["auctioned"], 50_000)
    return house.auction.end(house.actors["auctioned"].id, sender=house.actors["stranger"])


@action
def deleverage(house: House) -> Any:
    buyer = house.actors["liquidator"]
    return house.auction.deleverage(house.actors["broken"].id, buyer.id, sender=buyer)


@action
def refresh_flow(house: House) -> Any:
    return house.engine.refresh_flow(ETH, sender=house.actors["stranger"])
