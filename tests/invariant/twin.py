"""The engine on chain and its model side by side: every call on both, every word compared.

`Twin.do(...)` runs a call on the model and on the chain. Both must refuse with the same error or
both succeed; afterwards every storage word of the engine that the model knows must be equal, and
the identities must hold. Prices are set on both at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plimsoll.evm.errors import Reverted
from plimsoll.fuzz.words import head_word, hot_word, side_entries
from plimsoll.model.cash import RAY, Cash, Rates
from plimsoll.model.engine import House
from plimsoll.model.engine_types import Config, Fill
from plimsoll.model.identities import check_house
from plimsoll.model.ledger import P_ONE
from plimsoll.model.ports import AssetTerms, StandardRisk, VaultCustody
from plimsoll.model.rounding import ModelError
from plimsoll.model.standard_margin import Quote
from plimsoll.risk_parameters import STARTING
from tests.house import BareHouse

COIN, COIN_FEED = 1, 100  # asset id of the 18-decimal token in the vault, its feed
HAIRCUT, PERIOD = 5_000, 3_600
RATES = (0, 300_000, 3_000_000, 8_000, 1_000, 10**13)
START = {1: 2_000 * 10**9, 2: 40_000 * 10**9, COIN_FEED: 2_000 * 10**9}  # feed -> ticks
SIGMA = 800_000  # 0.8, in 1e-6
CONFIG = Config(10**13, 10**9, 10, -100, 500, 1_000)
M256 = 2**256 - 1


class Twin:
    """Two markets (0: ETH on feed 1, 1: BTC on feed 2), one collateral asset, people."""

    def __init__(self, people: int = 8) -> None:
        self.chain = BareHouse()
        self.quotes = {feed: Quote(p, sigma=SIGMA) for feed, p in START.items()}
        risk = StandardRisk(
            lambda feed: self.quotes[feed].pack(), lambda feed: self.quotes[feed].mark
        )
        custody = VaultCustody({COIN: AssetTerms(COIN_FEED, 1_000, 2_000, 18)})
        self.model = House(risk, custody, fresh_haircut=HAIRCUT, fresh_period=PERIOD)
        self.risk = risk
        self._start()
        self.people = [self.chain.person() for _ in range(people)]
        self.donated = 0  # token units sent to the vault without a claim
        # Person 0 has two accounts, for transfers; the others one each.
        self.ids = [int(who, 16) << 96 for who in self.people]
        self.ids.append(self.ids[0] | 1)

    def _start(self) -> None:
        chain, model = self.chain, self.model
        for feed, quote in self.quotes.items():
            chain.set_quote(feed, quote)
        model.cash = Cash(chain.evm.timestamp)
        chain.configure(HAIRCUT, PERIOD, RATES)
        model.cash.rates = Rates(*RATES)
        chain.list_coin(COIN_FEED, 1_000, 2_000)
        model.now = chain.evm.timestamp
        for market, name in ((0, "ETH"), (1, "BTC")):
            p = STARTING[name].to_chain()
            chain.list_market(market, market + 1, p, tuple(CONFIG.__dict__.values()))
            self.risk.list_market(market, market + 1, p, model.now)
            model.list_market(market, CONFIG)
        chain.engine.set_fee_split(chain.guardian, 4_000, sender=chain.owner)
        model.treasury, model.fund_fee_share = int(chain.guardian, 16), 4_000

    # -- the world

    def person(self, account: int) -> str:
        """Address of an account's owner."""
        return self.people[self.ids.index(account) % len(self.people)]

    def set_quote(self, feed: int, quote: Quote) -> None:
        """A new oracle word on both."""
        self.quotes[feed] = quote
        self.chain.set_quote(feed, quote)

    def advance(self, seconds: int) -> None:
        """Time on both."""
        self.chain.evm.advance(seconds)
        self.model.now += seconds
        assert self.model.now == self.chain.evm.timestamp

    def basis(self, market: int) -> int:
        """Mark minus funding index, ticks."""
        quote = Quote.unpack(self.risk.peek(market))
        return quote.mark - quote.funding

    # -- calls on both

    def do(self, model: Callable[[], Any], chain: Callable[[], Any]) -> tuple[str, Any]:
        """Run both; returns ("", value of the model) or (error name, None)."""
        name, value = "", None
        try:
            value = model()
        except ModelError as refused:
            name = refused.name or "Panic"
        got, result = "", None
        try:
            result = chain().value
        except Reverted as refused:
            got = refused.name or "Panic"
        assert got == name, f"model: {name or value!r}, chain: {got or result!r}"
        if not name and value is not None and result is not None:
            flat = tuple(value) if isinstance(value, tuple) else value
            assert flat == result, f"model returned {flat}, chain {result}"
        self.compare()
        return name, value

    def deposit(self, account: int, amount: int) -> tuple[str, Any]:
        who = self.person(account)
        engine = self.chain.engine
        return self.do(
            lambda: self.model.deposit(account, amount),
            lambda: engine.deposit(account, amount, sender=who),
        )

    def withdraw(self, account: int, amount: int, who: str | None = None) -> tuple[str, Any]:
        sender, engine = who or self.person(account), self.chain.engine
        return self.do(
            lambda: self.model.withdraw(account, amount, int(sender, 16)) and None,
            lambda: engine.withdraw(account, amount, sender, sender=sender),
        )

    def transfer(self, sender: int, receiver: int, amount: int) -> tuple[str, Any]:
        who, engine = self.person(sender), self.chain.engine
        return self.do(
            lambda: self.model.transfer(sender, receiver, amount, int(who, 16)),
            lambda: engine.transfer(sender, receiver, amount, sender=who),
        )

    def coin_in(self, account: int, amount: int) -> tuple[str, Any]:
        who, chain = self.person(account), self.chain
        return self.do(
            lambda: self.model.deposit_collateral(account, COIN, amount, int(who, 16)),
            lambda: chain.vault.deposit(account, chain.coin.address, amount, sender=who),
        )

    def coin_out(self, account: int, amount: int) -> tuple[str, Any]:
        who, chain = self.person(account), self.chain
        return self.do(
            lambda: self.model.withdraw_collateral(account, COIN, amount, int(who, 16)),
            lambda: chain.vault.withdraw(account, chain.coin.address, amount, who, sender=who),
        )

    def settle(self, fills: Sequence[Fill]) -> tuple[str, Any]:
        chain = self.chain
        return self.do(
            lambda: self.model.settle(fills),
            lambda: chain.engine.settle([tuple(f) for f in fills], sender=chain.venue),
        )

    def realise(self, account: int, market: int, who: str) -> tuple[str, Any]:
        return self.do(
            lambda: self.model.realise(account, market, int(who, 16)) and None,
            lambda: self.chain.engine.realise(account, market, sender=who),
        )

    def residual(self, account: int, market: int, lots: int, limit: int) -> tuple[str, Any]:
        args, chain = (account, market, lots, limit), self.chain
        return self.do(
            lambda: self.model.fill_residual(*args),
            lambda: chain.engine.fill_residual(*args, sender=chain.venue),
        )

    def simple(self, name: str, *args: Any, role: str = "guardian") -> tuple[str, Any]:
        """A call whose arguments are the same on both and whose caller has the role."""
        sender = getattr(self.chain, role)
        return self.do(
            lambda: getattr(self.model, name)(*args),
            lambda: self.chain.engine.method(name)(*args, sender=sender),
        )

    def auction(self, name: str, *args: Any) -> tuple[str, Any]:
        """A call of the auction's; named tuples become structs."""
        sender = self.chain.auction
        packed = [tuple(a) if isinstance(a, tuple) else a for a in args]
        return self.do(
            lambda: getattr(self.model, name)(*args),
            lambda: self.chain.engine.method(name)(*packed, sender=sender),
        )

    def fund_in(self, amount: int) -> tuple[str, Any]:
        chain, payer = self.chain, self.people[0]
        return self.do(
            lambda: self.model.fund_deposit(amount),
            lambda: chain.engine.fund_deposit(payer, amount, sender=chain.fund),
        )

    def fund_out(self, amount: int) -> tuple[str, Any]:
        chain, receiver = self.chain, self.people[0]
        return self.do(
            lambda: self.model.fund_withdraw(amount),
            lambda: chain.engine.fund_withdraw(receiver, amount, sender=chain.fund),
        )

    # -- comparison

    def compare(self) -> None:
        """Every stored word, then the identities."""
        engine, risk = self.chain.storage()
        wrong = []
        for (module, name, *keys), word in self.expected().items():
            got = engine.get(self.chain.slot(module, name, *keys), 0)
            if got != word & M256:
                wrong.append(f"{module}.{name}{keys}: model {word & M256:#x}, chain {got:#x}")
        base = self.chain.risk_layout["risk_parameters"]["hot"]["slot"]
        for market, word in self.risk.margin.hot.items():
            if risk.get(base + market, 0) != word:
                wrong.append(
                    f"slow root of {market}: model {word:#x}, chain {risk.get(base + market)}"
                )
        assert not wrong, "\n".join(wrong)
        self.compare_indices(engine)
        self.compare_custody()
        check_house(self.model, self.basis)

    def compare_indices(self, engine: dict[int, int]) -> None:
        """The indices word; its time means nothing while no rate runs."""
        cash, got = self.model.cash, engine[self.chain.slot("cash", "indices")]
        word = cash.supply_index | cash.borrow_index << 96 | cash.rate << 224 | cash.era << 248
        word |= cash.recovering << 191
        time = 0xFFFFFFFF << 192
        assert got & ~time == word, f"indices: model {word:#x}, chain {got & ~time:#x}"
        if cash.rate:
            assert (got & time) >> 192 == cash.time, "time of the indices"

    def compare_custody(self) -> None:
        """P1: what the vault holds covers the claims on it, token by token, and balances agree."""
        chain, model = self.chain, self.model
        held = chain.quote.balanceOf(chain.vault.address)
        owed = model.cash.vault + self.donated
        assert held == owed, f"quote tokens: model {owed}, held {held}"
        coins = sum(model.custody.ledger.balances.values())
        assert chain.coin.balanceOf(chain.vault.address) == coins, "coins held"
        for account in self.ids:
            got = chain.vault.balance_of(account, chain.coin.address)
            assert got == model.custody.ledger.balance(account, COIN), f"coins of {account:#x}"

    def expected(self) -> dict[tuple[Any, ...], int]:
        """(module, variable, *keys) -> word, as the engine must store it."""
        model, cash = self.model, self.model.cash
        words: dict[tuple[Any, ...], int] = {
            ("cash", "totals"): cash.supply | cash.debt << 96 | cash.dust << 176,
            ("cash", "buckets"): cash.vault | cash.fund << 64 | cash.keeper << 160,
            ("cash", "deficits"): cash.pending | cash.advances << 96 | cash.socialisations << 192,
            ("cash", "hole"): cash.hole,
            ("cash", "recovery"): cash.owed | cash.pot << 96 | cash.pot_time << 192,
            ("sale_limiter", "claims"): model.limiter.claims_word(),
            ("sale_limiter", "lanes", 0): model.limiter.lanes_word(0),
        }
        for account in [*self.ids, model.treasury << 96]:
            a, escrow = model.account(account), cash.escrows.get(account)
            words["accounts", "head", account] = head_word(a)
            words["accounts", "held", account] = sum(1 << m for m in a.markets)
            words["cash", "deficit_of", account] = cash.deficit_of.get(account, 0)
            words["cash", "escrow", account] = (
                escrow.shares | escrow.advance << 96 | escrow.era << 192 | escrow.asked << 200
                if escrow
                else 0
            )
            for market in model.markets:
                p = model.position(account, market)
                word = p.lots << 192 | (p.g % 2**128) << 64 | p.epoch
                words["ledger", "positions", account, market] = word
        for era, index in cash.era_end.items():
            words["cash", "era_end", era] = index
        for market, book in model.markets.items():
            words["ledger", "hot", market] = hot_word(book)
            words["ledger", "book", market] = book.g + book.fees
            for key, side in ((2 * market, book.sides[1]), (2 * market + 1, book.sides[-1])):
                if side.epoch:
                    words.update((at, word % 2**256) for at, word in side_entries(key, side))
        return words


assert P_ONE < RAY * 2**64  # both fit the fields they are packed into
