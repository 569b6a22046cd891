"""A house under random use, no chain involved: the ledger's laboratory run on the model."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from math import isqrt
from typing import Any

from plimsoll.model import auction, leg_sale
from plimsoll.model.cash import TOK, Cash, Rates
from plimsoll.model.engine import House
from plimsoll.model.engine_types import Config, DeleverageTerms, Fill, Standing
from plimsoll.model.identities import check_house
from plimsoll.model.ledger import P_ONE
from plimsoll.model.ports import AssetTerms, VaultCustody
from plimsoll.model.rounding import ModelError, div_up
from plimsoll.model.standard_margin import Assessment, Holding, Leg, Quote
from tests.auction_terms import check_no_worse, check_sized, curve_of, slice_of

ACCOUNTS = 12
STARTS = (60_000 * 10**9, 3_000 * 10**9)  # ticks
DEPTHS = (10**11, 10**10)  # lots
COIN = 2_000 * 10**9  # ticks, price of the one collateral asset
TIMES_ALLOWED = 8
OPS = {
    "trade": 40,
    "fund_rate": 6,
    "price": 14,
    "deposit": 4,
    "withdraw": 6,
    "release": 2,
    "recover": 2,
    "realise": 4,
    "time": 3,
    "collateral": 4,
    "transfer": 2,
    "fees": 1,
    "drain": 1,
    "liquidate": 13,
}
TERMS = DeleverageTerms(0, 12_500_000, 3_600, 3_000, 8_500)
CURVE = curve_of(TERMS)


class PlainRisk:
    """MM 5 % of notional plus a size term, IM twice that; prices and funding set by hand."""

    def __init__(self) -> None:
        self.quotes = {m: Quote(mark) for m, mark in enumerate(STARTS)}

    def quote(self, market: int, root: int, now: int) -> int:
        return self.quotes[market].pack()

    def peek(self, market: int) -> int:
        return self.quotes[market].pack()

    def assess(self, legs: Sequence[Leg], holdings: Sequence[Holding], now: int) -> Assessment:
        unrealised = linear = superlinear = 0
        for leg in legs:
            quote, n = self.quotes[leg.market], abs(leg.lots) * self.quotes[leg.market].mark
            unrealised += leg.lots * (quote.mark - quote.funding) + leg.g
            linear += div_up(n * 50, 1000)
            depths = abs(leg.lots) * auction.ONE // DEPTHS[leg.market]
            superlinear += div_up(n * isqrt(depths) * 50, 10**12)
        worth = sum(h.amount * COIN for h in holdings)
        linear += div_up(worth * 150, 1000)
        return Assessment(
            unrealised=unrealised,
            collateral=worth,
            linear=linear,
            superlinear=superlinear,
            initial_value=unrealised + worth,
            initial=2 * (linear + superlinear),
        )

    def save(self) -> Any:
        return dict(self.quotes)

    def restore(self, saved: Any) -> None:
        self.quotes = saved

    def basis(self, market: int) -> int:
        return self.quotes[market].mark - self.quotes[market].funding


def account_of(number: int) -> int:
    """Accounts 0, 1 belong to one owner, the others to an owner each."""
    return (max(number, 1) << 96) | (number == 0)


class RandomWorld:
    """One run: `step` picks an operation; refused ones change nothing; identities after each."""

    def __init__(self, seed: int, p_bits: int = 127) -> None:
        self.random = random.Random(seed)
        self.risk = PlainRisk()
        p_one = min(1 << p_bits, P_ONE)
        p_min = 2**64 if p_bits == 127 else 1 << (p_bits // 2)
        self.house = House(self.risk, VaultCustody({1: AssetTerms(9, 1500, 3000, 6)}))
        self.house.p_one, self.house.p_min = p_one, p_min
        self.house.now = 1_000_000
        self.house.treasury = 999
        self.house.cash = Cash(self.house.now)
        self.house.cash.rates = Rates(50_000, 400_000, 4_000_000, 8_000, 1_000, 10**15 - 1)
        for market in range(2):
            config = Config(2**50, 2**39, 0, 100, 500, 2_000)
            self.house.list_market(market, config)
        self.events: Counter[str] = Counter()
        self.ids = [account_of(i) for i in range(ACCOUNTS)]
        self.house.fund_deposit(10**10)
        for account in self.ids:
            self.house.deposit(account, self.random.randrange(10**9, 10**11))

    # -- looking

    def equity(self, account: int) -> int:
        return self.house.accrued().standing(account).equity

    def below(self) -> list[int]:
        house = self.house.accrued()
        standings = {a: house.standing(a) for a in self.ids}
        return [a for a, s in standings.items() if s.equity < s.requirement]

    def richest(self, but: int) -> int:
        house = self.house.accrued()
        standings = {a: house.standing(a) for a in self.ids if a != but}
        return max(standings, key=lambda a: standings[a].equity - 2 * standings[a].requirement)

    # -- acting

    def step(self) -> None:
        name = self.random.choices(list(OPS), list(OPS.values()))[0]
        try:
            getattr(self, name)()
            self.events[name] += 1
        except ModelError as refused:
            self.events[f"refused {refused.name}"] += 1
        check_house(self.house, self.risk.basis)

    def pair(self, market: int) -> tuple[int, int]:
        few = self.ids[:3] if market else self.ids  # few holders: whole sides get closed
        a, b = self.random.sample(few, 2)
        return a, b

    def trade(self) -> None:
        rnd, market = self.random, self.random.randrange(2)
        buyer, seller = self.pair(market)
        mark = self.risk.quotes[market].mark
        room = max(1, min(self.equity(buyer), self.equity(seller)) * rnd.randrange(30, 105))
        lots = rnd.choice((1, 7, rnd.randrange(1, 10**4), max(1, room // (10 * mark))))
        position = self.house.position(buyer, market)
        touched = self.house.markets[market].touch(position, self.risk.basis(market))
        if touched.lots and rnd.random() < 0.3:
            lots = abs(touched.lots) * rnd.choice((1, 1, 2))
            if touched.lots > 0:
                buyer, seller = seller, buyer
        price = mark * rnd.randrange(980, 1021) // 1000
        self.house.settle([Fill(market, buyer, seller, lots, price, rnd.randrange(2))])

    def fund_rate(self) -> None:
        market = self.random.randrange(2)
        q = self.risk.quotes[market]
        moved = q.funding + self.random.randrange(-q.mark // 2000, q.mark // 2000)
        self.risk.quotes[market] = Quote(q.mark, moved)

    def price(self) -> None:
        rnd, market = self.random, self.random.randrange(2)
        q = self.risk.quotes[market]
        low, high = (980, 1021) if rnd.random() < 0.8 else (800, 1251)
        mark = max(10**9, q.mark * rnd.randrange(low, high) // 1000)
        start = STARTS[market]
        if not start // TIMES_ALLOWED < mark < start * TIMES_ALLOWED:
            mark = start
        self.risk.quotes[market] = Quote(mark, q.funding)

    def deposit(self) -> None:
        account = self.random.choice(self.ids)
        poor = self.equity(account) < 5 * 10**18
        amount = self.random.randrange(10**9, 3 * 10**10) if poor else 1
        self.house.deposit(account, amount)

    def withdraw(self) -> None:
        account = self.random.choice(self.ids)
        cash = self.house.cash.value(self.house.account(account).cash)
        amount = self.random.randrange(1, max(2, cash // (3 * TOK) + 1))
        paid = self.house.withdraw(account, amount, account >> 96)
        self.events["escrowed"] += paid < amount

    def release(self) -> None:
        waiting = list(self.house.cash.escrows) or self.ids
        self.house.release(self.random.choice(waiting))

    def recover(self) -> None:
        before = self.house.cash.pot
        self.house.recover()
        self.events["paid back"] += self.house.cash.pot < before

    def realise(self) -> None:
        account = self.random.choice(self.ids)
        self.house.realise(
            account, self.random.randrange(2), self.random.choice((0, account >> 96))
        )

    def time(self) -> None:
        self.house.now += self.random.choice((1, 12, 3_600, 86_400))

    def collateral(self) -> None:
        account, amount = self.random.choice(self.ids), self.random.randrange(1, 10**6)
        if self.random.random() < 0.6:
            self.house.deposit_collateral(account, 1, amount, account >> 96)
        else:
            self.house.withdraw_collateral(account, 1, amount, account >> 96)

    def transfer(self) -> None:
        a, b = self.ids[:2] if self.random.random() < 0.5 else self.ids[1::-1]
        self.house.transfer(a, b, self.random.randrange(1, 10**18), 1)

    def fees(self) -> None:
        self.house.collect_fees(self.random.randrange(2))

    def drain(self) -> None:
        """Half the fund leaves, so that charges and socialised losses happen."""
        cash = self.house.cash
        self.house.fund_withdraw(min(cash.fund // (2 * TOK), cash.vault))

    # -- liquidation

    def liquidate(self) -> None:
        """Thaw who is healthy again; then freeze, sell a slice of, or deleverage one who is not."""
        self.thaw_healthy()
        below = self.below()
        if not below:
            return
        account = self.random.choice(below)
        if not self.house.account(account).frozen:
            self.house.freeze(account)
        before = self.house.accrued().standing(account)
        self.house.note_deficit(account, max(0, -before.equity))
        if self.random.random() < 0.3:
            return  # left in auction: a known loss without a payer holds withdrawals back
        if self.random.random() < 0.2:
            self.leg(account, before)
        elif self.random.random() < 0.6:
            self.slice(account, before)
        else:
            self.deleverage(account, before)
        self.thaw_healthy()

    def thaw_healthy(self) -> None:
        below = self.below()
        for account in self.ids:
            if self.house.account(account).frozen and account not in below:
                self.house.thaw(account)

    def slice(self, account: int, before: Standing) -> None:
        bidder = self.richest(account)
        elapsed = self.random.randrange(0, 3_600)
        standing = auction.Standing(**before._asdict())
        offer = auction.slice_terms(standing, CURVE, elapsed)
        fund = self.house.cash.fund
        result = self.house.sell_slice(account, bidder, slice_of(offer, CURVE, fund))
        after = self.house.standing(account)
        self.events["sliced"] += 1
        self.events["paid by the fund"] += result.from_fund > 0
        if before.equity >= 0:
            assert result.from_fund == 0, "P19: the fund paid for a solvent account"
            check_no_worse(before, after, lost=4 if offer.free else 0)
        if offer.fraction < auction.ONE and not offer.insolvent:
            self.events["sized"] += 1
            check_sized(after, CURVE, dust=10**6)

    def leg(self, account: int, before: Standing) -> None:
        house, elapsed = self.house, self.random.randrange(0, 1_200)
        market = self.random.choice(sorted(house.account(account).markets) or [0])
        standing = auction.Standing(**before._asdict())
        quote = leg_sale.quote(
            standing, CURVE, elapsed, lambda sold: house.leg_after(account, market, sold)
        )
        if quote.lots == 0:
            return
        terms = leg_sale.terms(standing, CURVE, elapsed, market, quote.lots)
        result = house.sell_leg(account, self.richest(account), terms)
        self.events["leg sold"] += 1
        assert (-quote.cost, quote.fee) == (result.paid, result.fee), f"{quote}, {result}"
        assert leg_sale.fault(standing, result, CURVE, elapsed) == "", f"P16: {result} of {before}"
        check_no_worse(before, house.standing(account), lost=0)

    def deleverage(self, account: int, before: Standing) -> None:
        house, oi = self.house, [self.house.markets[m].oi for m in range(2)]
        held = [
            house.markets[m].touch(house.position(account, m), self.risk.basis(m)).lots
            for m in range(2)
        ]
        fund, buyer = house.cash.fund, self.richest(account)
        equities = {a: self.equity(a) for a in self.ids}
        result = house.deleverage(account, buyer, TERMS._replace(fund_limit=fund))
        self.events["deleveraged"] += 1
        self.events["charged"] += result.charged > 0
        self.events["socialised"] += result.socialised > 0
        parts = result.from_fund + result.charged + result.socialised
        assert parts == result.deficit, f"P24: {result}"
        assert fund - result.from_fund <= house.cash.fund, "P23: the fund paid more"
        for market in range(2):
            closed = oi[market] - house.markets[market].oi
            assert closed == abs(held[market]), f"P24: closed {closed} of {held[market]}"
        if result.charged == result.socialised == 0:
            for other in self.ids:
                lost = equities[other] - self.equity(other)
                assert other in (account, buyer) or -1 <= lost <= 3, f"P24: {other:#x} lost {lost}"
        after = house.standing(account)
        assert after.equity >= 0 or after.collateral, f"P22: a debt stayed, {before} -> {after}"
