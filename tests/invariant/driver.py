"""Actors on a `Twin`, by role, and the properties asserted after everything they do.

Every method is one step with plain integer arguments, so that the hypothesis machine and the seeded
runner drive the same code. Letters P.. are the properties of docs/properties.md.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from plimsoll.model import auction, leg_sale
from plimsoll.model.cash import TOK, Cash
from plimsoll.model.engine_types import CLOSED, DeleverageTerms, Fill, KeeperPay, Standing
from plimsoll.model.ledger import Market, Position
from plimsoll.model.residuals import residual_of
from plimsoll.model.standard_margin import Quote
from tests.auction_terms import check_no_worse, check_sized, curve_of, slice_of
from tests.invariant.twin import CONFIG, START, Twin

# A charge cap of 0.5 % of mark, an hour; a third socialised; collateral at 95 %.
TERMS = DeleverageTerms(0, 5_000_000, 3_600, 3_000, 9_500)
CURVE = curve_of(TERMS)
DAY = 86_400
STALE = 2


class Driver:
    """Traders, maker, liquidator, keeper, fund depositor, stranger and the weather."""

    def __init__(self) -> None:
        self.twin = Twin()
        self.ids = self.twin.ids
        self.maker, self.liquidator = self.ids[1], self.ids[2]
        self.events: Counter[str] = Counter()
        self.twin.fund_in(2 * 10**11)
        for i, account in enumerate(self.ids):
            rich = account in (self.maker, self.liquidator)
            self.twin.deposit(account, 3 * 10**12 if rich else (2 + i) * 10**10)

    # -- looking

    def standings(self) -> dict[int, Standing]:
        """Everybody's standing with interest brought to now."""
        house = self.twin.model.accrued()
        return {account: house.standing(account) for account in self.ids}

    def below(self) -> list[int]:
        return [a for a, s in self.standings().items() if s.equity < s.requirement]

    def account(self, number: int) -> int:
        return self.ids[number % len(self.ids)]

    def mark(self, market: int) -> int:
        return self.twin.quotes[market + 1].mark

    # -- properties

    def run(self, name: str, call: Any, *involved: int, spared: bool = False) -> tuple[str, Any]:
        """One call under P8 and P12; `spared` where the design excepts everybody else."""
        before = self.standings()
        pays = self.twin.model.cash.pot > 0  # deposits pay the pot in: accrual, it only raises
        refused, value = call()
        self.events[f"{name} {refused}" if refused else name] += 1
        after = self.standings()
        if refused:
            assert before == after, f"{name}: a refused call changed an account"
            return refused, value
        for account in self.ids:
            # What others' sales leave of the flow is nobody's own.
            b, a = (found[account]._replace(room=0, pace=0) for found in (before, after))
            if account not in involved and not spared:
                same = b == a._replace(equity=min(a.equity, b.equity)) if pays else b == a
                assert same, f"P12: {name} changed {account:#x}: {b} -> {a}"
            if b.equity >= b.requirement and not spared:
                assert a.equity >= a.requirement, f"P8: {name} sank {account:#x}: {b} -> {a}"
        self.check_everywhere()
        return refused, value

    def check_everywhere(self) -> None:
        """P2 on the chain's own books and P10."""
        gap = self.twin.chain.engine.solvency().gap
        assert gap == 0, f"P2: the chain's books are {gap} off"
        house = self.twin.model.accrued()
        for account in self.ids:
            m = house.margin(account)
            assert m.initial_equity <= m.equity, f"P10: {account:#x} {m}"
            assert m.initial_requirement >= m.requirement, f"P10: {account:#x} {m}"

    # -- owners

    def deposit(self, who: int, amount: int) -> None:
        account = self.account(who)
        self.run("deposit", lambda: self.twin.deposit(account, amount), account)

    def withdraw(self, who: int, share: int) -> None:
        """P11: who holds nothing needs no price; P25: nobody leaves ahead of a known loss."""
        account, model = self.account(who), self.twin.model
        cash = model.accrued().cash
        amount = max(1, cash.value(model.account(account).cash) * share // (100 * TOK))
        excess, supplied, vault = cash.excess(), cash.supplied(), cash.vault
        bare = not model.account(account).markets and not model.account(account).collateral
        if bare:  # whoever holds nothing leaves without any price
            for feed, quote in self.twin.quotes.items():
                self.twin.set_quote(feed, replace(quote, state=3))
        refused, _ = self.run("withdraw", lambda: self.twin.withdraw(account, amount), account)
        assert not (bare and refused == "StalePrice"), "P11: an exit needed a price"
        if bare:
            quiet(self)
        if not refused and excess:
            paid = vault - model.cash.vault
            fair = amount * TOK * (supplied - min(excess, supplied)) // supplied
            assert paid * TOK <= fair, f"P25: {paid} of {amount} left ahead of a loss of {excess}"
            self.events["escrowed"] += 1

    def transfer(self, amount: int, back: bool) -> None:
        pair = (self.ids[0], self.ids[-1])
        sender, receiver = reversed(pair) if back else pair
        self.run("transfer", lambda: self.twin.transfer(sender, receiver, amount), *pair)

    def coin_in(self, who: int, amount: int) -> None:
        account = self.account(who)
        self.run("coin in", lambda: self.twin.coin_in(account, amount), account)

    def coin_out(self, who: int, share: int) -> None:
        account = self.account(who)
        held = self.twin.model.custody.ledger.balance(account, 1)  # type: ignore[attr-defined]
        amount = held * share // 100
        self.run("coin out", lambda: self.twin.coin_out(account, amount), account)

    def release(self, who: int) -> None:
        waiting = list(self.twin.model.cash.escrows) or self.ids
        account = waiting[who % len(waiting)]
        self.run("release", lambda: self.twin.simple("release", account), account, spared=True)

    def recover(self) -> None:
        self.events["in the pot"] += self.twin.model.cash.pot > 0
        self.run("recover", lambda: self.twin.simple("recover"), spared=True)

    def realise(self, who: int, market: int, caller: int) -> None:
        account = self.account(who)
        person = self.twin.person(self.account(caller))
        self.run("realise", lambda: self.twin.realise(account, market, person), account)

    def residual(self, who: int, market: int, share: int) -> None:
        """Somebody takes of the fund's residual, at the worst price it would."""
        account, book = self.account(who), self.twin.model.markets[market]
        there = residual_of(book, self.twin.basis(market))
        lots = (there.longs or -there.shorts or 1) * share // 100
        limit = 2**55 if lots > 0 else 0
        fund = self.twin.model.cash.fund
        self.run("residual", lambda: self.twin.residual(account, market, lots, limit), account)
        self.events["residual lots"] += abs(lots) if self.twin.model.cash.fund != fund else 0

    def net(self, market: int) -> None:
        self.run("net", lambda: self.twin.simple("net_residual", market))

    # -- traders and maker

    def trade(self, who: int, market: int, leverage: int, buy: bool, skew: int, flags: int) -> None:
        """A trader against the maker; leverage in tenths of its equity, price skewed in 1e-4."""
        account = self.account(who)
        other = self.maker if account != self.maker else self.liquidator
        equity = max(self.standings()[account].equity, 10**16)
        mark = self.mark(market)
        lots = max(1, equity * leverage // (10 * mark))
        price = mark * (10_000 + skew) // 10_000
        buyer, seller = (account, other) if buy else (other, account)
        fill = Fill(market, buyer, seller, lots, price, flags)
        self.run("trade", lambda: self.twin.settle([fill]), buyer, seller)

    def close(self, who: int, market: int, times: int, against: int) -> None:
        """Close a position (times 1), flip it (2) or nearly close it (0) against somebody."""
        account, other = self.account(who), self.account(against)
        model = self.twin.model
        position = model.position(account, market)
        lots = model.markets[market].touch(position, self.twin.basis(market)).lots
        if lots == 0 or account == other:
            return
        size = max(1, abs(lots) * times) if times else max(1, abs(lots) - 10**6)
        buyer, seller = (other, account) if lots > 0 else (account, other)
        fill = Fill(market, buyer, seller, size, self.mark(market), 0)
        self.run("close", lambda: self.twin.settle([fill]), buyer, seller)

    def batch(self, first: int, second: int, market: int, lots: int) -> None:
        """Two fills in one call; with equal accounts a round trip, which never enriches (P5)."""
        a, b = self.account(first), self.account(second)
        mark, before = self.mark(market), self.standings()
        fills = [Fill(market, a, b, lots, mark, 1), Fill(market, b, a, lots, mark, 0)]
        refused, _ = self.run("round trip", lambda: self.twin.settle(fills), a, b)
        if not refused:
            after = self.standings()
            gained = sum(after[x].equity - before[x].equity for x in (a, b))
            assert gained <= 0, f"P5: a round trip earned {gained}"

    def split(self, who: int, market: int, lots: int) -> None:
        """P7, on the model: one fill against the same in two parts."""
        account, house, mark = self.account(who), self.twin.model, self.mark(market)
        if account == self.maker:
            return
        results = []
        for sizes in ([2 * lots], [lots, lots]):
            saved = house.save()
            try:
                house.settle([Fill(market, account, self.maker, n, mark, 1) for n in sizes])
                results.append(house.standing(account).equity)
            except Exception as refused:
                results.append(refused)
            house.restore(saved)
        whole, parts = results
        if isinstance(whole, int) and isinstance(parts, int):
            assert parts <= whole + 1, f"P7: split {parts}, whole {whole}"
            self.events["split"] += 1

    # -- strangers, fund, fees

    def donate(self, amount: int) -> None:
        """P6: a raw transfer to the vault changes nobody."""
        chain = self.twin.chain
        before = self.standings()
        giver = self.twin.people[0]
        chain.quote.transfer(chain.vault.address, amount, sender=giver)
        self.twin.donated += amount
        self.twin.compare()
        assert before == self.standings(), "P6: a donation changed equity"
        self.events["donate"] += 1

    def fund_in(self, amount: int) -> None:
        self.run("fund in", lambda: self.twin.fund_in(amount))

    def fund_out(self, share: int) -> None:
        amount = self.twin.model.cash.fund * share // (100 * TOK)
        self.run("fund out", lambda: self.twin.fund_out(amount))

    def budget(self, share: int) -> None:
        amount = self.twin.model.cash.fund * share // 100
        self.run("budget", lambda: self.twin.simple("budget_move", amount, role="fund"))

    def fees(self, market: int) -> None:
        self.run("fees", lambda: self.twin.simple("collect_fees", market))

    def pay(self, seed: int, sold: int) -> KeeperPay:
        """What two accounts, or one twice, other than the one sold are due for a sale."""
        others = [account for account in self.ids if account != sold]
        first, second = others[seed % len(others)], others[seed // 3 % len(others)]
        return KeeperPay(first, seed * 10**12, second, seed % 5 * 10**14)

    # -- weather

    def price(self, feed: int, change: int) -> None:
        """Move a price by `change` in 1e-4; the collateral coin follows feed 1."""
        for target in (1, 100) if feed == 1 else (feed,):
            quote = self.twin.quotes[target]
            mark = quote.mark * (10_000 + change) // 10_000
            if not START[target] // 8 < mark < START[target] * 8:
                mark = START[target]
            self.twin.set_quote(target, replace(quote, mark=mark))
        self.events["price"] += 1

    def funding(self, feed: int, change: int) -> None:
        quote = self.twin.quotes[feed]
        moved = quote.funding + quote.mark * change // 10**6
        self.twin.set_quote(feed, replace(quote, funding=moved))
        self.events["funding"] += 1

    def feed(self, feed: int, state: int, low: int, high: int, age: int) -> None:
        """State, band and age of a feed; mostly OK."""
        quote = self.twin.quotes[feed]
        self.twin.set_quote(feed, replace(quote, state=state, low=low, high=high, age=age))
        self.events[f"state {state}"] += 1

    def pause(self, level: int) -> None:
        """The owner sets the level of the house."""
        self.run("pause", lambda: self.twin.simple("set_pause", level, role="owner"))

    def flow(self, share: int, window: int, reserve: int, total: int) -> None:
        """What may be sold per time, from now on."""
        chain, model = self.twin.chain, self.twin.model
        terms = (share, window, reserve, total)
        self.run(
            "flow",
            lambda: self.twin.do(
                lambda: model.set_flow(*terms),
                lambda: chain.engine.set_flow(terms, sender=chain.owner),
            ),
        )
        for market in model.markets:
            self.run("refresh", lambda m=market: self.twin.simple("refresh_flow", m))

    def wind_down(self, market: int) -> None:
        """End a market: reduce-only, then closed at its settlement price."""
        self.twin.chain.oracle.set_settlement(market + 1, self.mark(market))
        for call, args in (("set_status", (market, 2)), ("wind_down", (market,))):
            # Open positions are valued at the settlement price from here on: a price move (P8).
            self.run(
                call, lambda c=call, a=args: self.twin.simple(c, *a, role="owner"), spared=True
            )

    def time(self, seconds: int) -> None:
        self.twin.advance(seconds)
        self.events["time"] += 1

    # -- liquidation

    def thaw_healthy(self) -> None:
        standings = self.standings()
        for account, s in standings.items():
            if self.twin.model.account(account).frozen and s.equity >= s.requirement:
                self.run("thaw", lambda a=account: self.twin.auction("thaw", a), account)

    def target(self, pick: int) -> int | None:
        """A frozen account with E < R and its deficit noted, or None where nobody is below."""
        self.thaw_healthy()
        below = self.below()
        if not below:
            return None
        account = below[pick % len(below)]
        if not self.twin.model.account(account).frozen:
            self.run("freeze", lambda: self.twin.auction("freeze", account), account)
        short = max(0, -self.standings()[account].equity)
        self.run("note", lambda: self.twin.auction("note_deficit", account, short), account)
        return account

    def cure(self, pick: int) -> None:
        """P21: a deposit of the shortfall makes a frozen account healthy."""
        account = self.target(pick)
        if account is None:
            return
        s = self.standings()[account]
        amount = (s.requirement - s.equity) // TOK + 1
        refused, _ = self.run("cure", lambda: self.twin.deposit(account, amount), account)
        s = self.standings()[account]
        cured = not refused and s.equity >= s.requirement
        assert cured, f"P21: not cured ({refused}): {s}"

    def sell(self, pick: int, bidder: int, elapsed: int, share: int) -> None:
        """P16, P18, P19, P23 on a slice sold at some point of the curve."""
        account = self.target(pick)
        if account is None:
            return
        before, taker = self.standings()[account], self.account(bidder)
        model = self.twin.model
        most = min(auction.ONE * share // 100, before.room)
        if most == 0:
            self.events["throttled"] += 1
            return
        try:
            offer = auction.slice_terms(auction.Standing(**before._asdict()), CURVE, elapsed, most)
        except auction.BadFraction:
            return
        pay = self.pay(elapsed, account)
        terms = slice_of(offer, CURVE, model.cash.fund)._replace(pay=pay, noted=True)
        terms = terms._replace(thaw=offer.fraction == auction.ONE or not offer.capped)
        budget = model.cash.keeper
        refused, result = self.run(
            "slice",
            lambda: self.twin.auction("sell_slice", account, taker, terms),
            account,
            taker,
            pay.executor,
            pay.starter,
        )
        if refused:
            return
        kept = result.fee * terms.keeper_share // 10_000
        most = budget + kept if offer.free or offer.insolvent else kept
        assert result.executed + result.started <= most, f"P20: {result} of {most}"
        after = self.standings()[account]
        if before.equity >= 0:
            assert result.from_fund == 0, "P19: the fund paid for a solvent account"
            # A free slice moves rounded values without a payment: some units.
            check_no_worse(before, after, lost=40 if offer.free else 0)
        else:
            due = -(before.equity * offer.fraction // auction.ONE) + offer.bonus
            lots = 20 * before.requirement // max(before.smallest, 1) if offer.capped else 0
            assert result.from_fund <= due + lots + 1_000, f"P19: {result} for {before}"
            self.events["slice for the fund"] += result.from_fund > 0
        if offer.fraction < auction.ONE and not offer.insolvent and not offer.capped:
            self.events["sized"] += 1
            check_sized(after, CURVE, dust=10**15)

    def leg(self, pick: int, market: int, bidder: int, elapsed: int, share: int) -> None:
        """P16, P18-P20 on lots of a single leg; a share over 100 asks for more than there are."""
        account = self.target(pick)
        if account is None:
            return
        model, before, taker = self.twin.model, self.standings()[account], self.account(bidder)
        held = sorted(model.account(account).markets) or [market]
        market = held[market % len(held)]
        standing = auction.Standing(**before._asdict())
        quote = leg_sale.quote(
            standing, CURVE, elapsed, lambda sold: model.leg_after(account, market, sold)
        )
        lots = quote.lots * min(share, 100) // 100
        if share > 100:
            lots = model.leg_after(account, market, 0).left * share // 100
        pay = self.pay(elapsed, account)
        terms = leg_sale.terms(standing, CURVE, elapsed, market, lots)._replace(
            pay=pay, executor_share=1_000_000, starter_share=2_000_000, least=share * 10**12
        )
        owned = sum(self.lots(market, account, taker))
        refused, result = self.run(
            "leg",
            lambda: self.twin.auction("sell_leg", account, taker, terms),
            account,
            taker,
            pay.executor,
            pay.starter,
        )
        if refused:
            return
        assert owned == sum(self.lots(market, account, taker)), "P18: lots came or went"
        kept = result.fee * terms.keeper_share // 10_000
        assert result.executed + result.started <= kept, f"P20: {result} of {kept}"
        after = self.standings()[account]
        removed = before.requirement - after.requirement
        assert result.paid <= removed * terms.premium // auction.NANO, f"P19: {result}"
        self.events["leg sold whole"] += result.left == 0
        if lots == quote.lots:
            fault = leg_sale.fault(standing, result, CURVE, elapsed)
            assert not fault, f"P16: {fault}: {quote} of {before} left {result}"
            check_no_worse(before, after, lost=0)
            self.events["leg as quoted"] += 1

    def lots(self, market: int, *accounts: int) -> list[int]:
        """Signed lots of accounts as a touch now leaves them."""
        model = self.twin.model
        found = (model.position(account, market) for account in accounts)
        return [model.markets[market].touch(p, self.twin.basis(market)).lots for p in found]

    def deleverage(self, pick: int, buyer: int, fund_share: int) -> None:
        """P22, P23, P24."""
        account = self.target(pick)
        if account is None:
            return
        model, taker = self.twin.model, self.account(buyer)
        limit = model.cash.fund * fund_share // 100
        pay = self.pay(buyer * 1_000 + pick, account) if pick % 2 else KeeperPay()
        terms = TERMS._replace(fund_limit=limit, pay=pay)
        oi = {m: book.oi for m, book in model.markets.items()}
        own = {
            m: book.touch(model.position(account, m), self.twin.basis(m)).lots
            for m, book in model.markets.items()
        }
        marks = {m: book.copy() for m, book in model.markets.items()}
        equities, cash, mine = self.standings(), model.accrued().cash, dict(model.positions)
        refused, result = self.run(
            "deleverage",
            lambda: self.twin.auction("deleverage", account, taker, terms),
            spared=True,
        )
        if refused:
            return
        paid = result.from_fund + result.charged + result.socialised
        assert paid == result.deficit, f"P24: {result}"
        assert min(result) >= 0, f"P24: more was charged than there was to pay: {result}"
        assert result.from_fund <= limit, f"P23: {result} over {limit}"
        for m, book in model.markets.items():
            # In a wound-down market the residual takes the lots over.
            closed = 0 if model.configs[m].status == CLOSED else abs(own[m])
            assert oi[m] - book.oi == closed, f"P24: market {m} closed another size"
        for other in self.ids:
            if other not in (account, taker, pay.executor, pay.starter):
                self.check_share(other, equities[other].equity, cash, marks, mine)
        after = self.standings()[account]
        assert after.equity >= 0 or after.collateral, f"P22: a debt stayed: {after}"
        assert not model.account(account).markets, "P24: a leg stayed"
        for part in ("charged", "socialised"):
            self.events[part] += getattr(result, part) > 0

    def check_share(
        self,
        account: int,
        before: int,
        cash: Cash,
        books: dict[int, Market],
        positions: dict[tuple[int, int], Position],
    ) -> None:
        """P24: a holder loses the charge on its lots and its share of socialised cash, no more.

        Closing at mark costs less than a unit a market; a fraction of a lot may bear a charge.
        """
        model, holding = self.twin.model, self.twin.model.account(account).cash
        due, slack = cash.value(holding) - model.accrued().cash.value(holding), 2
        for market, book in books.items():
            position = positions.get((account, market))
            if position is None:
                continue
            lots = book.touch(position, self.twin.basis(market)).lots
            sign = 1 if position.lots > 0 else -1
            charge = sign * (model.markets[market].sides[sign].x - book.sides[sign].x)
            due += charge * abs(lots)
            slack += charge + 1
        lost = before - self.standings()[account].equity
        assert abs(lost - due) <= slack, f"P24: {account:#x} lost {lost}, due {due} +- {slack}"


def quiet(driver: Driver) -> None:
    """All feeds OK again."""
    for feed, quote in driver.twin.quotes.items():
        driver.twin.set_quote(feed, Quote(quote.mark, quote.funding, sigma=quote.sigma))


assert CONFIG.band == 1_000
