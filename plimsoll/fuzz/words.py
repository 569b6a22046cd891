"""The storage words of engine, risk model, auction, fund and vault as the model says they must be.

Every word of these contracts is accounted for: it is here, or it may not change. Words are kept in
the machine's own form (slot and value as 32 bytes, little-endian), zero words left out, so that two
states are compared as two dictionaries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from plimsoll.deployment.abi import artifact
from plimsoll.evm.storage import slot_of
from plimsoll.model.accounts import root_of
from plimsoll.model.auction import Curve
from plimsoll.model.cash import Cash
from plimsoll.model.engine import House
from plimsoll.model.engine_types import Account
from plimsoll.model.fund import Fund
from plimsoll.model.intents import Intent
from plimsoll.model.ledger import P_ONE, Market, Position, Side
from plimsoll.model.liquidation import Liquidations
from plimsoll.model.liquidation_state import Run
from plimsoll.model.pre_liquidation import Consent

Words = dict[bytes, bytes]
CONTRACTS = (
    "MarginEngine",
    "StandardMargin",
    "LiquidationAuction",
    "InsuranceFund",
    "CollateralVault",
)
M256 = 2**256 - 1
TIME_OF_INDICES = 0xFFFFFFFF << 192
CONFIG_BITS, LISTED = 2**168 - 1, 1 << 176  # of a market's configuration: all but status and fees
STANDS = 1 << 201  # of an intent's first word


class Slots:
    """Slots of one contract's variables, each found once."""

    def __init__(self, contract: str) -> None:
        self._layout = artifact(contract).storage_layout["storage_layout"]
        self._known: dict[tuple[Any, ...], bytes] = {}
        self.known: set[bytes] = set()  # every slot asked for so far

    def __call__(self, module: str, name: str, *keys: int) -> bytes:
        """The slot of a variable or of an entry of it."""
        known = self._known.get((module, name, *keys))
        if known is None:
            entry = self._layout[module][name]
            known = slot_of(entry["slot"], entry["type"], *keys).to_bytes(32, "little")
            self._known[module, name, *keys] = known
            self.known.add(known)
        return known

    def name_of(self, slot: bytes) -> str:
        """The variable at a slot, for messages."""
        for (module, name, *keys), known in self._known.items():
            if known == slot:
                return f"{module}.{name}{[hex(key) for key in keys] or ''}"
        return "slot 0x" + slot[::-1].hex()


def head_word(a: Account) -> int:
    """An account's head."""
    return (
        a.cash.shares % 2**104
        | a.fresh << 104
        | a.fresh_time << 184
        | a.cash.era << 216
        | a.mode << 224
        | a.frozen << 226
        | len(a.markets) << 227
        | a.collateral << 234
    )


def hot_word(book: Market) -> int:
    """A market's hot word."""
    longs, shorts = book.sides[1], book.sides[-1]
    return (
        longs.x << 200
        | (shorts.x % 2**56) << 144
        | book.oi << 88
        | root_of(book.oi) << 48
        | longs.epoch << 24
        | shorts.epoch
    )


def indices_word(cash: Cash, time: int) -> int:
    """The indices; `time` in its place."""
    return (
        cash.supply_index
        | cash.borrow_index << 96
        | cash.recovering << 191
        | time << 192
        | cash.rate << 224
        | cash.era << 248
    )


def curve_words(c: Curve) -> tuple[int, int, int]:
    """A stored curve, as curve.vy packs it."""
    return (
        c.x_start
        | c.x_mid << 32
        | c.x_max << 64
        | c.t_mid << 96
        | c.t_one << 120
        | c.t_end << 144
        | c.resume << 168
        | c.max_step << 192
        | c.fade << 208
        | c.min_lots << 232,
        c.buffer
        | c.fee << 32
        | c.keeper_share << 64
        | c.start_flat << 80
        | c.exec_flat << 120
        | c.start_share << 160
        | c.exec_share << 184
        | c.min_requirement << 208
        | c.priority << 248,
        c.charge_cap
        | c.charge_window << 32
        | c.social_share << 64
        | c.pre_band << 80
        | c.pre_premium << 112
        | c.pre_fee << 144
        | c.pre_cap << 176
        | c.intent_margin << 192,
    )


Entry = tuple[tuple[Any, ...], int]


class Expected:
    """The model's words, contract by contract.

    What the model replaces instead of changing (heads, positions, runs, intents, curves) is packed
    once for each value it takes.
    """

    def __init__(self, fund: int, drawer: int, core: int, configs: dict[int, int]) -> None:
        """Addresses of fund and auction; `core` and `configs`: words as deployed."""
        self.slots = {name: Slots(name) for name in CONTRACTS}
        self.fund, self.drawer, self.core = fund, drawer, core
        self.config_words = {
            market: word & CONFIG_BITS | LISTED for market, word in configs.items()
        }
        self._kept: dict[tuple[Any, ...], tuple[Any, Words]] = {}

    def words(self, model: Liquidations) -> dict[str, Words]:
        """All of them; the time of the indices is 0 where no rate runs and it means nothing."""
        return {
            "MarginEngine": self._engine(model),
            "StandardMargin": self._packed("StandardMargin", _risk(model)),
            "LiquidationAuction": self._auction(model),
            "InsuranceFund": self._packed("InsuranceFund", self._fund(model.fund)),
            "CollateralVault": self._packed("CollateralVault", _vault(model)),
        }

    def _packed(self, contract: str, entries: Iterator[Entry]) -> Words:
        """Entries as words; zero is no word, but its slot is known from then on."""
        slots, words = self.slots[contract], {}
        for key, word in entries:
            slot = slots(*key)
            if word:
                words[slot] = (word & M256).to_bytes(32, "little")
        return words

    def _once(
        self,
        contract: str,
        key: tuple[Any, ...],
        thing: Any,
        entries: Callable[..., Iterator[Entry]],
    ) -> Words:
        """The words of a thing that is never changed in place."""
        known = self._kept.get(key)
        if known is None or known[0] is not thing:
            known = (thing, self._packed(contract, entries(*key[1:], thing)))
            self._kept[key] = known
        return known[1]

    def _engine(self, model: Liquidations) -> Words:
        house, name = model.house, "MarginEngine"
        words = self._packed(name, self._totals(house))
        for account, a in house.accounts.items():
            words.update(self._once(name, ("head", account), a, _head))
        for (account, market), p in house.positions.items():
            words.update(self._once(name, ("position", account, market), p, _position))
        for market, book in house.markets.items():
            status = house.configs[market].status
            words.update(self._packed(name, self._market(market, book, status)))
        return words

    def _totals(self, house: House) -> Iterator[Entry]:
        cash = house.cash
        yield ("cash", "indices"), indices_word(cash, cash.time if cash.rate else 0)
        yield ("cash", "totals"), cash.supply | cash.debt << 96 | cash.dust << 176
        yield ("cash", "buckets"), cash.vault | cash.fund << 64 | cash.keeper << 160
        deficits = cash.pending | cash.advances << 96 | cash.socialisations << 192
        yield ("cash", "deficits"), deficits
        yield ("cash", "hole"), cash.hole
        yield ("cash", "recovery"), cash.owed | cash.pot << 96 | cash.pot_time << 192
        yield ("health", "core"), self.core | house.pause << 160
        yield ("sale_limiter", "claims"), house.limiter.claims_word()
        for number in sorted({market // 4 for market in house.limiter.lanes}):
            yield ("sale_limiter", "lanes", number), house.limiter.lanes_word(number)
        for era in range(cash.era):
            yield ("cash", "era_end", era), cash.era_end[era]
        for account, deficit in cash.deficit_of.items():
            yield ("cash", "deficit_of", account), deficit
        for account, e in cash.escrows.items():
            word = e.shares | e.advance << 96 | e.era << 192 | e.asked << 200
            yield ("cash", "escrow", account), word

    def _market(self, market: int, book: Market, status: int) -> Iterator[Entry]:
        yield ("ledger", "hot", market), hot_word(book)
        yield ("ledger", "book", market), book.g + book.fees
        word = self.config_words[market] | status << 168 | book.fees << 177
        yield ("engine_state", "config", market), word
        for key, side in ((2 * market, book.sides[1]), (2 * market + 1, book.sides[-1])):
            if side.charged or side.epoch or side.window_start or side.counted.shares:
                yield from side_entries(key, side)

    def _auction(self, model: Liquidations) -> Words:
        name = "LiquidationAuction"
        words = self._packed(name, iter([(("auction_settings", "version"), len(model.curves))]))
        for number, curve in enumerate(model.curves, 1):
            words.update(self._once(name, ("curve", number), curve, _curve))
        for account, run in model.runs.items():
            words.update(self._once(name, ("run", account), run, _run))
        for account, consent in model.consents.items():
            words.update(self._once(name, ("consent", account), consent, _consent))
        for account, intent in model.intents.items():
            words.update(self._once(name, ("intent", account), intent, _intent))
        return words

    def _fund(self, fund: Fund) -> Iterator[Entry]:
        drip = fund.known_qu | fund.locked_qu << 96
        yield ("fund_bucket", "_drip"), drip | fund.drip_start << 192 | fund.drip_end << 224
        if fund.windows:
            word = fund.windows | fund.window_start << 32 | fund.window_base << 64
            yield ("fund_payouts", "_window"), word | fund.window_used << 160
        for market, (window, used) in fund.market_words.items():
            yield ("fund_payouts", "_market_used", market), window << 128 | used
        yield ("fund_clock", "_clock"), fund.stood | fund.since << 64
        yield ("fund_keepers", "_budget_start"), fund.budget_start
        yield ("fund_keepers", "_budget_used"), fund.budget_used
        yield ("erc20", "totalSupply"), fund.supply
        for owner, shares in fund.shares.items():
            yield ("erc20", "balanceOf", int(owner, 16)), shares
        waiting = 0
        for owner, request in fund.requests.items():
            waiting += request.shares
            word = request.shares | request.ready << 160 | request.closes << 200
            yield ("fund_redemptions", "_requests", int(owner, 16)), word
        yield ("erc20", "balanceOf", self.fund), waiting
        terms = fund.terms
        caps = terms.per_event << 160 | terms.per_window << 176 | terms.per_market << 192
        yield ("fund_terms", "_payout_terms"), self.drawer | caps | terms.window << 208


def _risk(model: Liquidations) -> Iterator[Entry]:
    margin = model.house.risk.margin  # type: ignore[attr-defined]
    for market, word in margin.hot.items():
        yield ("risk_parameters", "hot", market), word
    for market, word in margin.closed_words.items():
        yield ("market_quotes", "closed_words", market), word


def _vault(model: Liquidations) -> Iterator[Entry]:
    ledger = model.house.custody.ledger  # type: ignore[attr-defined]
    for account, ids in ledger.assets.items():
        word = len(ids) | sum(asset << (8 * at + 8) for at, asset in enumerate(ids))
        yield ("vault_accounts", "_ledger", account, 0), word
    for (account, asset), amount in ledger.balances.items():
        yield ("vault_accounts", "_ledger", account, asset), amount


def _head(account: int, a: Account) -> Iterator[Entry]:
    yield ("accounts", "head", account), head_word(a)
    yield ("accounts", "held", account), sum(1 << market for market in a.markets)


def _position(account: int, market: int, p: Position) -> Iterator[Entry]:
    word = p.lots << 192 | (p.g % 2**128) << 64 | p.epoch
    yield ("ledger", "positions", account, market), word


def _curve(number: int, curve: Curve) -> Iterator[Entry]:
    for at, word in enumerate(curve_words(curve)):
        yield ("auction_settings", "stored", number, at), word


def _run(account: int, run: Run) -> Iterator[Entry]:
    word = run.elapsed | run.seen << 18 | run.version << 50 | run.number << 66
    word |= (
        run.held << 77 | run.running << 93 | run.stopped << 94 | run.noted << 95 | run.starter << 96
    )
    yield ("runs", "words", account), word


def _consent(account: int, consent: Consent) -> Iterator[Entry]:
    lanes = sum(lane << (24 * at) for at, lane in enumerate(consent.lanes))
    word = consent.step | lanes << 32 | consent.until << 200
    yield ("pre_liquidation", "consents", account), word


def _intent(account: int, intent: Intent) -> Iterator[Entry]:
    word = intent.capacity | intent.largest << 64 | intent.premium << 128
    word |= intent.expiry << 160 | intent.collateral << 200 | STANDS
    yield ("intent_book", "terms", account), word
    yield ("intent_book", "markets", account), intent.markets


def side_entries(key: int, side: Side) -> Iterator[Entry]:
    """A side's words; of its multipliers nothing is stored before the first shrink."""
    yield ("ledger", "side", key), side.era | side.charged << 32 | side.window_start << 88
    counted = side.counted
    yield ("residuals", "words", key), counted.cost << 104 | counted.shares << 16 | counted.era
    for epoch in range(1, side.epoch + 1):
        record = side.records[epoch]
        word = (record.k << 102) + (record.p << 6) + record.era % 64
        yield ("ledger", "record", key << 24 | epoch), word
    for era in range(side.era):
        ended, at = side.ended[era], key << 32 | era
        first = min(e for e in range(1, side.epoch + 1) if side.records[e].era == era + 1)
        yield ("ledger", "era_end", at), ended.p | first << 96
        yield ("ledger", "era_gap", at), ended.gap
        yield ("ledger", "era_k", at), ended.k


assert P_ONE < 2**96
