"""What every sale to an account shares: lots received, and the check of who receives them."""

from __future__ import annotations

from plimsoll.model import residuals
from plimsoll.model.accounts import DEGRADED, Accounts
from plimsoll.model.engine_types import Account
from plimsoll.model.rounding import require


def receive(
    house: Accounts, bidder: int, b: Account, market: int, sold: int, g_in: int, basis: int
) -> tuple[Account, int]:
    """A bidder's head with signed lots of g `g_in`, opposite ones closed; the change of G with it.

    The lots are added to the side's open interest: a seller's that they were is the caller's to
    take off it.
    """
    book = house.book(market)
    theirs = residuals.touch(book, house.position(bidder, market), basis)
    joined = book.join(theirs.lots, theirs.g, sold, g_in)
    book.apply_join(sold, joined.closed)
    b = house.hold(b, market, joined.lots != 0)
    earned = joined.cash + theirs.spill
    if earned:
        b = house.credit(house.with_fresh(b, earned), earned)
    house.store(bidder, market, joined.lots, joined.g)
    return b, joined.dg - theirs.spill


def require_bidder(house: Accounts, bidder: int) -> None:
    """The initial requirement after a liquidation fill; small stale parts at their worst."""
    b = house.account(bidder)
    found = house.assess(bidder, b)
    balance = house.cash.value(b.cash)
    if found.state <= DEGRADED:
        require(house.strong(b, balance, found), "Underwater")
        return
    require(found.stale_requirement * 10 <= found.requirement, "StalePrice")
    e = house.initial_equity(b, balance, found, False) - found.stale_value
    require(e >= found.initial, "Underwater")
