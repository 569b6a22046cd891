"""Solvency, proved anew at every block from what the chain stores.

A `Sample` is one block seen whole. `Checker.look` takes it and holds it against the identities; the
second opinion for positions is `plimsoll.model.identities`, fed with the engine's raw words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from eth_utils.crypto import keccak

from plimsoll.demo.cast import Cast
from plimsoll.demo.prices import FEEDS
from plimsoll.demo.stage import Stage
from plimsoll.demo.world import Refused, View
from plimsoll.deployment.abi import artifact
from plimsoll.model.identities import check_market, exact
from plimsoll.model.ledger import P_ONE, Market, Position, Record, Side
from plimsoll.model.oracle import RECOVERING_FLAG
from plimsoll.units import QUOTE_PER_TOKEN

MARKETS = (0, 1)
DUST = 10**15  # quote units (a dollar): the fund's share of interest that is due and not yet booked
MASK_24, MASK_32, MASK_56, MASK_80 = 2**24 - 1, 2**32 - 1, 2**56 - 1, 2**80 - 1
MASK_96, MASK_104, MASK_128 = 2**96 - 1, 2**104 - 1, 2**128 - 1

# What is checked at each block: short name -> the sentence for the report.
IDENTITIES = {
    "balance sheet": "Vault tokens = all claims, to the last unit scaled by 2^72 (gap = 0)",
    "dollars held": "Dollars in the vault's pocket cover what the engine says it holds",
    "ether held": "Wrapped ether in the vault's pocket covers the sum of all account balances",
    "positions": "Sum of every holder's P&L = the O(1) aggregate, per market, but for the floors",
    "open interest": "Longs = shorts = open interest, the fund's residual counted",
    "cash": "Every account's cash shares, those in escrow too, add up to the totals exactly",
    "deficits": "Noted deficits of frozen accounts add up to pending_deficit",
    "known losses": "After a keeper's pass on live feeds all under water are in auction, and noted",
    "margins": "E_init <= E and R_init >= R for every account",
    "no hole": "No loss is left that found no payer",
    "claims": "Every claim, added up one by one: never more than the tokens held",
}


class Breach(AssertionError):
    """An identity does not hold."""


@dataclass
class Sample:
    """One block. Money in quote units, prices in ticks; keyed by account id or market."""

    time: int
    block: int
    prices: dict[str, Any]  # feed -> Reading
    books: dict[int, Any]  # market -> Market view
    sheet: Any  # Solvency
    margins: dict[int, Any]  # account -> Margin
    cash: dict[int, int]
    quote_part: dict[int, int]  # account -> cash + P&L, collateral left out
    lots: dict[tuple[int, int], int]
    weth: dict[int, int]
    in_auction: frozenset[int]
    committed: frozenset[int] = frozenset()  # frozen for an intent of their own
    shrinks: dict[int, int] = field(default_factory=dict)  # market -> deleveragings so far
    shares: dict[int, int] = field(default_factory=dict)  # account -> signed cash shares
    cash_part: dict[int, int] = field(default_factory=dict)  # account -> cash and escrow, qu
    left: dict[int, int] = field(default_factory=dict)  # market -> residual lots, the larger side
    leftover: int = 0  # quote units: P&L of the fund's residual lots, and floors of positions
    pockets: dict[str, int] = field(default_factory=dict)  # dollars outside, quote units, by name
    remainder: int = 0  # quote units: tokens held less every claim
    recovering: frozenset[str] = frozenset()  # feeds back from a gap or halt, in their grace time


@dataclass
class Tally:
    """How often each identity was checked; breaches in words."""

    held: Counter[str] = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)
    blocks: int = 0
    worst_floor: Fraction = Fraction(0)  # quote units, aggregate less brute force


class Checker:
    """Reads and checks blocks of one stage and cast."""

    def __init__(self, stage: Stage, cast: Cast) -> None:
        self.stage, self.world = stage, stage.world
        self.accounts = [actor.account for actor in cast]
        self.backers = [actor.account for actor in cast.role("backer")]
        self.names = {actor.account: actor.name for actor in cast}
        self._outside = cast.role("desk", "keeper")  # what they have is in no account
        self.tally = Tally()
        layout = artifact("MarginEngine").storage_layout["storage_layout"]["ledger"]
        self._place = int(layout["record"]["slot"])
        self._records: dict[tuple[int, int], Record] = {}

    # -- taking a sample

    def look(self) -> Sample:
        """The newest block, checked. A breach is kept in the tally and raised."""
        sample, words = self._take()
        self.tally.blocks += 1
        for name, check in self._checks(sample, words):
            self._run(sample, name, check)
        return sample

    def settled(self, sample: Sample) -> None:
        """What holds once keepers have had their turn: every loss is known."""
        self._run(sample, "known losses", lambda: self._known(sample))

    def _run(self, sample: Sample, name: str, check: Callable[[], None]) -> None:
        try:
            check()
        except AssertionError as broken:
            text = f"block {sample.block}, {name}: {broken}"
            self.tally.breaches.append(text)
            raise Breach(text) from broken
        self.tally.held[name] += 1

    def _take(self) -> tuple[Sample, dict[tuple[int, int], tuple[int, ...]]]:
        everyone = self.accounts
        weth = self.world.addresses["weth"]
        views = [View("MarginEngine", "solvency")]
        views += [View("OracleAdapter", "read", (self.stage.feed_id(feed),)) for feed in FEEDS]
        views += [View("OracleAdapter", "word", (self.stage.feed_id(feed),)) for feed in FEEDS]
        views += [View("MarginEngine", "market", (market,)) for market in MARKETS]
        views += [View("LiquidationAuction", "intent", (one,)) for one in self.backers]
        for account in everyone:
            views += [
                View("MarginEngine", "margin", (account,)),
                View("MarginEngine", "cash_of", (account,)),
                View("MarginEngine", "head", (account,)),
                View("CollateralVault", "balance_of", (account, weth)),
                *(View("MarginEngine", "words", (account, market)) for market in MARKETS),
            ]
        values = self.world.read(views)
        for view, value in zip(views, values, strict=True):
            if isinstance(value, Refused):
                raise Breach(f"block {self.world.number}: {view.function} reverts: {value.text}")
        sheet, rest = values[0], values[1:]
        prices = dict(zip(FEEDS, rest, strict=False))
        words_of = dict(zip(FEEDS, rest[len(FEEDS) :], strict=False))
        books = dict(zip(MARKETS, rest[2 * len(FEEDS) :], strict=False))
        start = 1 + 2 * len(FEEDS) + len(MARKETS)
        intents = values[start : start + len(self.backers)]
        committed = {a for a, one in zip(self.backers, intents, strict=True) if one.capacity}
        start, per = start + len(self.backers), 4 + len(MARKETS)
        sample = Sample(
            self.world.now,
            self.world.number,
            prices,
            books,
            sheet,
            {},
            {},
            {},
            {},
            {},
            frozenset(),
            frozenset(committed),
        )
        words: dict[tuple[int, int], tuple[int, ...]] = {}
        frozen = set()
        for number, account in enumerate(everyone):
            row = values[start + number * per : start + (number + 1) * per]
            sample.margins[account] = row[0]
            sample.cash[account] = row[1][0]
            sample.weth[account] = row[3]
            if row[2] >> 226 & 1:
                frozen.add(account)
            shares = row[2] & MASK_104
            sample.shares[account] = shares - (shares >> 103 << 104)
            for market in MARKETS:
                words[account, market] = tuple(row[4 + market])
        sample.in_auction = frozenset(frozen - committed)
        sample.pockets = {
            one.name: self.world.balance_of("usd", one.address) * QUOTE_PER_TOKEN
            for one in self._outside
        }
        sample.recovering = frozenset(feed for feed in FEEDS if words_of[feed] & RECOVERING_FLAG)
        return sample, words

    # -- checking

    def _checks(
        self, sample: Sample, words: dict[tuple[int, int], tuple[int, ...]]
    ) -> Sequence[tuple[str, Callable[[], None]]]:
        return [
            ("balance sheet", lambda: self._sheet(sample)),
            ("dollars held", lambda: self._dollars(sample)),
            ("ether held", lambda: self._ether(sample)),
            ("positions", lambda: self._positions(sample, words)),
            ("open interest", lambda: self._open_interest(sample)),
            ("cash", lambda: self._cash(sample)),
            ("deficits", lambda: self._deficits(sample)),
            ("margins", lambda: self._margins(sample)),
            ("no hole", lambda: _same("loss without a payer", 0, sample.sheet.hole)),
            ("claims", lambda: self._claims(sample)),
        ]

    def _sheet(self, s: Sample) -> None:
        _same("gap", 0, s.sheet.gap)

    def _dollars(self, s: Sample) -> None:
        held = self.world.balance_of("usd", self.world.addresses["CollateralVault"])
        _at_least("dollars", s.sheet.vault, held * QUOTE_PER_TOKEN)

    def _ether(self, s: Sample) -> None:
        held = self.world.balance_of("weth", self.world.addresses["CollateralVault"])
        _at_least("wrapped ether", sum(s.weth.values()), held)

    def _cash(self, s: Sample) -> None:
        """Shares are what is stored: their sums are exact."""
        views = [View("MarginEngine", "totals"), View("MarginEngine", "indices")]
        views += [View("MarginEngine", "escrow", (account,)) for account in self.accounts]
        totals, indices, *escrows = self.world.read(views)
        for account, word in zip(self.accounts, escrows, strict=True):
            value = (word & MASK_96) * (indices & MASK_96) >> 72
            value -= word >> 96 & MASK_96
            s.quote_part[account] += value
            s.cash_part[account] = s.cash[account] + value
        supply, debt = totals & MASK_96, totals >> 96 & MASK_80
        own = sum(max(shares, 0) for shares in s.shares.values())
        own += sum(word & MASK_96 for word in escrows)
        _same("debt shares", debt, -sum(min(shares, 0) for shares in s.shares.values()))
        if indices >> 248 == 0:
            _same("supply shares", supply, own)
        else:  # an era ended: older shares count less, by their index at its end
            assert own >= supply, f"supply shares: {supply}, accounts hold {own}"

    def _claims(self, s: Sample) -> None:
        """The whole house by brute force. What is left is interest not booked yet and rounding."""
        claims = sum(s.quote_part.values()) + s.sheet.fund + s.sheet.keeper + s.sheet.fees
        claims += s.sheet.pot
        owned = sum(s.quote_part.values()) - sum(s.cash_part.values())
        s.leftover = sum(book.unrealised for book in s.books.values()) - owned
        room = sum(s.left[market] * book.mark for market, book in s.books.items())
        room += len(s.quote_part) * len(s.books)  # and a floor for each position
        assert abs(s.leftover) <= room, f"P&L of the fund's residual lots is {s.leftover}"
        s.remainder = s.sheet.vault + s.sheet.hole - claims - s.leftover
        assert 0 <= s.remainder < DUST, f"claims of {claims}, tokens {s.sheet.vault} quote units"

    def _deficits(self, s: Sample) -> None:
        notes = self.world.read(
            [View("MarginEngine", "deficit_of", (a,)) for a in sorted(s.in_auction)]
        )
        _same("pending_deficit", sum(notes), s.sheet.pending)

    def _known(self, s: Sample) -> None:
        for account, margin in s.margins.items():
            if margin.equity < 0 and account not in s.in_auction:
                raise AssertionError(f"{self.names[account]} owes {-margin.equity} quote units")
        below = sum(max(-margin.equity, 0) for margin in s.margins.values())
        room = len(s.in_auction)  # a unit each for rounding
        assert below <= s.sheet.pending + room, f"{below} under water, {s.sheet.pending} noted"

    def _margins(self, s: Sample) -> None:
        for account, m in s.margins.items():
            good = m.initial_equity <= m.equity and m.initial_requirement >= m.requirement
            assert good, f"{self.names[account]}: {m}"

    def _open_interest(self, s: Sample) -> None:
        for market in MARKETS:
            own = {1: 0, -1: 0}
            for account in self.accounts:
                lots = s.lots[account, market]
                own[1 if lots > 0 else -1] += abs(lots)
            total = s.books[market].open_interest
            left = {sign: total - own[sign] for sign in own}
            s.left[market] = max(left.values())
            # Lots are floored per account at its next touch: the fraction is the fund's.
            room = len(self.accounts) * (1 + s.shrinks[market])
            assert min(left.values()) >= 0, f"market {market}: {left}"
            assert max(left.values()) <= room, f"market {market}: {left}"

    def _positions(self, s: Sample, words: dict[tuple[int, int], tuple[int, ...]]) -> None:
        for account in self.accounts:
            s.quote_part[account] = s.cash[account]
        for market in MARKETS:
            view = s.books[market]
            basis = view.mark - view.funding
            rows = [words[account, market] for account in self.accounts]
            book = self._book(market, rows[0], view.fees)
            positions = [_position(row[0]) for row in rows]
            _same(f"aggregate of market {market}", book.unrealised(), view.unrealised)
            check_market(book, positions, basis)
            for account, position in zip(self.accounts, positions, strict=True):
                touched = book.touch(position, basis)
                value = book.value(touched.lots, touched.g, basis) + touched.spill
                s.quote_part[account] += value
                s.lots[account, market] = touched.lots
            s.shrinks[market] = book.sides[1].epoch + book.sides[-1].epoch
            self._note_floor(book, positions, basis)

    def _note_floor(self, book: Market, positions: list[Position], basis: int) -> None:
        for position in positions:
            if position.lots and position.epoch != book.side(position.lots).epoch:
                side = book.side(position.lots)
                lots, g = exact(book, position, basis)
                touched = book.touch(position, basis)
                lazy = book.value(touched.lots, touched.g, basis) + touched.spill
                floor = side.sign * lots * (basis - side.x) + g - lazy
                self.tally.worst_floor = max(self.tally.worst_floor, floor)

    def _book(self, market: int, row: tuple[int, ...], fees: int) -> Market:
        """The model's market out of the engine's words."""
        _, hot, held, long_side, long_record, short_side, short_record = row
        book = Market(g=held - fees, fees=fees)
        oi = hot >> 88 & MASK_56
        short_x = hot >> 144 & MASK_56
        short_x -= (short_x >> 55) << 56
        for sign, word, record, x, epoch in (
            (1, long_side, long_record, hot >> 200, hot >> 24 & MASK_24),
            (-1, short_side, short_record, short_x, hot & MASK_24),
        ):
            now = _record(record)
            side = Side(sign, now.p, oi=oi, x=x, k=now.k, epoch=epoch, era=word & MASK_32)
            key = 2 * market + (sign < 0)
            side.records = {e: self._record_of(key, e) for e in range(epoch)}
            side.records[epoch] = now
            book.sides[sign] = side
        return book

    def _record_of(self, key: int, epoch: int) -> Record:
        """The multiplier and K with which an epoch began; written once, so kept."""
        found = self._records.get((key, epoch))
        if found is None:
            engine = self.world.addresses["MarginEngine"]
            word = self.world.storage(engine, _slot(self._place, key << 24 | epoch))
            found = _record(word - ((word >> 255) << 256))
            self._records[key, epoch] = found
        return found


def _record(word: int) -> Record:
    """K int154 << 102 | P uint96 << 6 | era modulo 64, unset before the first shrink."""
    return Record(word >> 6 & MASK_96 or P_ONE, word >> 102, word & 63)


def _position(word: int) -> Position:
    g = word >> 64 & MASK_128
    return Position(word >> 192, g - ((g >> 127) << 128), word & MASK_24)


def _slot(base: int, key: int) -> int:
    """Storage slot of a mapping's entry."""
    return int.from_bytes(keccak(base.to_bytes(32, "big") + key.to_bytes(32, "big")), "big")


def _same(what: str, expected: int, got: int) -> None:
    assert expected == got, f"{what}: expected {expected}, got {got}"


def _at_least(what: str, least: int, got: int) -> None:
    assert got >= least, f"{what}: expected at least {least}, got {got}"
