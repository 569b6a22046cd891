"""The house on chain and its model side by side: every call on both, every word compared.

A call is a plain list, its name first and integers after it, so that a waterfall can be written to
a file, cut and run again (calls.py has them all). `Twin.apply` runs one on both sides; they must
refuse with the same error or return the same, and afterwards every storage word of engine, risk
model, auction, fund and vault's ledger must be the model's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from plimsoll.evm.errors import Reverted
from plimsoll.fuzz.calls import CALLS, Call
from plimsoll.fuzz.stand import Stand, config_of, limiter_of
from plimsoll.fuzz.words import TIME_OF_INDICES, Expected, Words
from plimsoll.model.cash import Cash
from plimsoll.model.engine import House
from plimsoll.model.fund import Fund
from plimsoll.model.identities import check_house
from plimsoll.model.liquidation import Liquidations
from plimsoll.model.ports import StandardRisk, VaultCustody
from plimsoll.model.rounding import ModelError
from plimsoll.model.standard_margin import Quote

QUIET = ("wait", "quote")  # no call of the protocol's


class Mismatch(AssertionError):
    """Model and chain differ."""


class Twin:
    """One stand and the model of it. `reset` begins anew; `apply` makes a call on both."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        facts = stand.facts
        self.expected = Expected(
            int(stand.fund.address, 16),
            int(stand.auction.address, 16),
            facts.core,
            facts.configs,
        )
        self.fixed: dict[str, Words] = {}
        self.reset()
        self.expected.words(self.model)
        for name, words in stand.words(dict).items():
            modelled = self.expected.slots[name].known
            self.fixed[name] = {slot: word for slot, word in words.items() if slot not in modelled}
        self.compare()

    def reset(self) -> None:
        """A fresh house on both sides."""
        self.stand.reset()
        facts = self.stand.facts
        self.quotes, self.settlement = dict(facts.quotes), 0
        self.risk = StandardRisk(
            lambda feed: self.quotes[feed].pack(), lambda feed: self.settlement
        )
        house = House(
            self.risk,
            VaultCustody(facts.assets),
            now=facts.now,
            fresh_haircut=facts.core >> 168 & 0xFFFF,
            fresh_period=facts.core >> 184 & 0xFFFFFFFF,
            treasury=facts.treasury,
            fund_fee_share=facts.fund_share,
        )
        house.cash = Cash(facts.now, rates=facts.rates)
        house.limiter = limiter_of(facts)
        for market, word in facts.configs.items():
            self.risk.margin.hot[market] = facts.hot[market]
            self.risk.margin.parameters[market] = facts.parameters[market]
            house.list_market(market, config_of(word))
        fund = Fund(replace(facts.terms))
        self.model = Liquidations(house, fund, [facts.curve])
        self.ids: dict[Any, int] = {}  # what the model hashes -> the id on chain
        self.seen: dict[int, tuple[Any, int]] = {}  # account -> an id it had, on both sides

    @property
    def house(self) -> House:
        """The engine's model."""
        return self.model.house

    def apply(self, call: Call) -> tuple[str, Any]:
        """One call on both; the error's name, "" where there was none, and what it returned."""
        name, *args = call
        model, chain = CALLS[name](self, *args)
        error, value, got, result = "", None, "", None
        try:
            value = model()
        except ModelError as refused:
            error = refused.name or "Panic"
        try:
            result = chain()
        except Reverted as refused:
            got = refused.name or "Panic"
        if got != error:
            raise Mismatch(f"model: {error or value!r}, chain: {got or result!r}")
        if not error and None not in (value, result) and result != value:
            raise Mismatch(f"returned: model {value}, chain {result}")
        # A refused call leaves the chain as it was; that the model is too shows after the next.
        if not error and name not in QUIET:
            self.compare()
        return error, value

    def auction_id(self, account: int) -> tuple[Any, int]:
        """An account's auction id on both sides; equal ids must stand for equal accounts."""
        mine, theirs = self.model.id_of(account), self.stand.auction.auction_id(account)
        known = self.ids.setdefault(mine, theirs)
        if known != theirs or sum(other == theirs for other in self.ids.values()) != 1:
            raise Mismatch(f"auction id of {account:#x}: {theirs:#x} for {mine}, was {known:#x}")
        return mine, theirs

    # -- comparison

    def compare(self) -> None:
        """Every word of both sides."""
        want = self.expected.words(self.model)
        have = self.stand.words(self._asked)
        for name, words in want.items():
            got = have.get(name, {})
            if name == "CollateralVault":  # terms and limiters are its own business
                known = self.expected.slots[name].known
                got = {slot: word for slot, word in got.items() if slot in known}
            elif self.fixed:
                words = {**self.fixed.get(name, {}), **words}
            if name == "MarginEngine" and self.house.cash.rate == 0:
                got = self._without_time(got)
            if got != words:
                raise Mismatch(self._difference(name, got, words))

    def _asked(self) -> dict[str, set[bytes]]:
        """Every slot that has a name here."""
        slots = self.expected.slots
        return {name: slots[name].known | self.fixed.get(name, {}).keys() for name in slots}

    def _without_time(self, words: Words) -> Words:
        """Where no rate runs, the time of the indices means nothing."""
        slot = self.expected.slots["MarginEngine"]("cash", "indices")
        word = int.from_bytes(words[slot], "little") & ~TIME_OF_INDICES
        return {**words, slot: word.to_bytes(32, "little")}

    def _difference(self, name: str, got: Words, want: Words) -> str:
        lines = []
        for slot in sorted(got.keys() | want.keys()):
            a, b = want.get(slot, b""), got.get(slot, b"")
            if a != b:
                where = self.expected.slots[name].name_of(slot)
                lines.append(f"{name} {where}: model 0x{a[::-1].hex()}, chain 0x{b[::-1].hex()}")
        return "\n".join(lines[:8])

    def check(self) -> None:
        """Identities, custody and the O(1) aggregates; slow, for the end of a waterfall."""
        vault, custody = self.stand.vault.address, self.house.custody
        owed = [self.house.cash.vault]
        owed += [custody.kept(asset) for asset in self.stand.facts.assets]  # type: ignore[attr-defined]
        tokens = [self.stand.house.quote, *self.stand.assets]
        held = [token.balanceOf(vault) for token in tokens]
        if held != owed:
            raise Mismatch(f"tokens of the vault: model {owed}, held {held}")
        gap = self.stand.engine.solvency().gap
        if gap:
            raise Mismatch(f"the chain's books are {gap} off")
        try:
            check_house(self.house, self.basis)
        except AssertionError as wrong:
            raise Mismatch(f"identity: {wrong}") from None

    def basis(self, market: int) -> int:
        """Mark minus funding index, ticks."""
        quote = Quote.unpack(self.risk.peek(market))
        return quote.mark - quote.funding
