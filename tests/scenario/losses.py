"""A long that nobody takes, to be deleveraged at others' cost, and how ways of acting before it
compare. Fees are off, so that what is compared is the loss and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from plimsoll.deployment.house import Actor, House
from plimsoll.units import Number
from tests.stage import BTC, ETH, MARKET_CONFIG, conserves, equity, move_price, run_auction

END = 1_260  # seconds to the end of the curve


def without_fees(house: House) -> None:
    """No fees in the two markets, and next to no least notional."""
    free = (*MARKET_CONFIG[:2], 1, 0, 0, *MARKET_CONFIG[5:])
    for market in (ETH, BTC):
        house.govern("MarginEngine", "set_market", market, free)


def doom(
    house: House, against: Any, *, size: Number = 900, deficit: int = 9_000, price: int = 1_750
) -> Actor:
    """A long of `size` ETH from 2,000, in auction at `price`, short of `deficit` USD there."""
    falls = int(float(str(size)) * (2_000 - price))
    made = house.actor(quote=falls - deficit)
    house.trade("ETH-PERP", made, against, size, 2_000)
    return made


def struck(house: House, doomed: Actor, price: int = 1_750) -> Any:
    """The price falls, the auction runs out; what is left is `recognise`."""
    move_price(house, price)
    house.auction.start(doomed.id)
    run_auction(house, doomed.id, END)
    return doomed


def recognise(house: House, account: int, buyer: int = 0) -> Any:
    """The engine's event of the deleveraging that recognises an account's loss."""
    events = house.auction.deleverage(account, buyer).events
    return next(one for one in events if one.name == "Deleveraged")


def worth(house: House, accounts: Any) -> int:
    """Equity of some accounts together, quote units."""
    return sum(equity(house, one) for one in accounts)


@contextmanager
def tried(house: House) -> Iterator[None]:
    """What happens inside is undone, conservation checked before."""
    before, actors = house.evm.snapshot(), dict(house.actors)
    yield
    conserves(house)
    house.evm.revert(before)
    house.actors = actors


def borne(
    house: House, doomed: Actor, accounts: Any, before: Callable[[], None] = lambda: None
) -> int:
    """What some accounts lose together where `before` is done right before a loss is recognised."""
    with tried(house):
        whole = worth(house, accounts)
        before()
        told = recognise(house, doomed.id)
        assert told.charged > 0
        return whole - worth(house, accounts)
    raise AssertionError("not reached")
