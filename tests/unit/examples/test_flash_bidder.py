"""The example bidder: takes a slice with nothing, sells its ether, pays, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.deployment.house import Actor, House, account_id
from plimsoll.testing import reverts
from tests.stage import FOREVER, ONE, TOKEN, USD, conserves, move_price, staged, undone

ETHER = 10**18
CHEAP = 1_249 * TOKEN  # what the desk pays for an ether: a dollar under the mark


@dataclass
class Loan:
    """A borrower against ten ether, under R at 1,250 USD; a bidder without money, and a desk."""

    house: House
    borrower: Actor
    owner: Actor
    desk: Actor
    bidder: Any

    @property
    def mine(self) -> int:
        """The bidder's account."""
        return account_id(self.bidder.address)

    def take(self, account: int | None = None, **changes: Any) -> Any:
        """The bid, by its owner unless told."""
        terms = {"fraction": ONE, "limit": 2**200, "price": CHEAP, "desk": self.desk, **changes}
        return self.bidder.take(
            self.borrower.id if account is None else account,
            0,
            terms["fraction"],
            terms["limit"],
            FOREVER,
            terms["desk"].address,
            terms["price"],
            sender=changes.get("sender", self.owner),
        )

    def dollars(self, who: Any) -> int:
        return int(self.house.quote.balanceOf(getattr(who, "address", who)))

    def ether(self, who: Any) -> int:
        return int(self.house.tokens["weth"].balanceOf(getattr(who, "address", who)))


@pytest.fixture(scope="module")
def shared() -> House:
    return staged()


@pytest.fixture
def loan(shared: House) -> Iterator[Loan]:
    with undone(shared) as house:
        borrower, owner, desk = (house.actor(name) for name in ("borrower", "owner", "desk"))
        house.deposit_collateral(borrower, 10)
        house.engine.withdraw(borrower.id, 12_000 * TOKEN, borrower.address, sender=borrower)
        usd, weth = house.tokens["usd"].address, house.tokens["weth"].address
        parts = (house.engine.address, house.auction.address, house.vault.address, usd, weth)
        bidder = house.evm.deploy(compile_contract("FlashBidder"), owner.address, *parts)
        house.mint(desk, 50_000)
        house.quote.approve(bidder.address, 2**256 - 1, sender=desk)
        house.insure(100_000)
        move_price(house, 1_250)
        yield Loan(house, borrower, owner, desk, bidder)


def test_take__nothing_of_its_own__pays_with_the_ether_sold_and_keeps_the_rest(loan: Loan) -> None:
    house = loan.house
    house.auction.start(loan.borrower.id)
    before = loan.dollars(loan.desk), house.quote.balanceOf(house.vault.address)
    receipt = loan.take()
    told = receipt.event("Flashed")
    kept = receipt.value
    assert kept == told.kept == loan.dollars(loan.owner) > 0
    assert loan.ether(loan.desk) == told.sold > 0
    # The desk has paid the agreed price; what of it the owner has not got, the vault has.
    assert before[0] - loan.dollars(loan.desk) == told.sold * CHEAP // ETHER == kept + told.brought
    assert house.quote.balanceOf(house.vault.address) - before[1] == told.brought
    # Nothing is left behind, anywhere.
    assert loan.dollars(loan.bidder) == loan.ether(loan.bidder) == 0
    assert house.vault.balance_of(loan.mine, house.tokens["weth"].address) == 0
    assert 0 <= house.engine.cash_of(loan.mine)[0] < USD // TOKEN
    margin = house.engine.margin(loan.borrower.id)
    assert margin.equity >= margin.requirement
    conserves(house)


def test_take__desk_pays_too_little__all_of_it_fails(loan: Loan) -> None:
    loan.house.auction.start(loan.borrower.id)
    before = loan.dollars(loan.desk)
    receipt = loan.house.evm.transact(
        loan.bidder.address,
        loan.bidder.pack(
            "take", loan.borrower.id, 0, ONE, 2**200, FOREVER, loan.desk.address, 500 * TOKEN
        ),
        loan.owner.address,
    )
    assert not receipt.success
    assert loan.dollars(loan.desk) == before
    assert loan.house.auction.auction(loan.borrower.id).running
    assert loan.house.engine.cash_of(loan.mine)[0] == 0


def test_take__by_anybody_but_its_owner__refused(loan: Loan) -> None:
    loan.house.auction.start(loan.borrower.id)
    with reverts("NotOwner"):
        loan.take(sender=loan.desk)


def test_take__a_slice_with_perpetuals__refused(loan: Loan) -> None:
    house, trader = loan.house, loan.house.actors["trader"]
    move_price(house, 2_000)
    house.trade("ETH-PERP", trader, house.actors["maker"], 50, 2_000)
    move_price(house, 1_830)
    house.auction.start(trader.id)
    with reverts("BadArgument"):
        loan.take(trader.id)


@pytest.mark.parametrize("name", ["engine", "desk"])
def test_on_slice__but_for_the_engine_in_a_bid_of_its_own__refused(loan: Loan, name: str) -> None:
    """The engine's address calls nobody but who is bidding; a stranger's bid is not ours."""
    caller = loan.house.engine.address if name == "engine" else loan.desk.address
    with reverts("NotEngine"):
        loan.bidder.on_slice(loan.borrower.id, loan.mine, ONE, 0, 0, 0, sender=caller)
