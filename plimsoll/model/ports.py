"""The engine model's neighbours: standard margin and collateral vault as `House` wants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from plimsoll.model import vault
from plimsoll.model.accounts import owner_of
from plimsoll.model.rounding import ModelError, require
from plimsoll.model.standard_margin import (
    Assessment,
    Holding,
    Leg,
    MarketParameters,
    Refused,
    StandardMargin,
)


class StandardRisk:
    """`StandardMargin` behind the engine's names; a refusal becomes a `ModelError`."""

    def __init__(
        self, word_of: Callable[[int], int], settlement_of: Callable[[int], int] = lambda feed: 0
    ) -> None:
        self.margin = StandardMargin(word_of, settlement_of)

    def list_market(self, market: int, feed: int, p: MarketParameters, now: int) -> None:
        """First parameters of a market."""
        self.margin.list_market(market, feed, p, now)

    def quote(self, market: int, root: int, now: int) -> int:
        try:
            return self.margin.quote(market, root, now)
        except Refused as refused:
            raise ModelError(str(refused)) from None

    def peek(self, market: int) -> int:
        try:
            return self.margin.peek(market)
        except Refused as refused:
            raise ModelError(str(refused)) from None

    def depth(self, market: int) -> int:
        return self.margin.parameters[market].depth

    def assess(self, legs: Sequence[Leg], holdings: Sequence[Holding], now: int) -> Assessment:
        return self.margin.assess(legs, holdings, now)

    def close(self, market: int) -> None:
        try:
            self.margin.close(market)
        except Refused as refused:
            raise ModelError(str(refused)) from None

    def save(self) -> Any:
        return dict(self.margin.hot), dict(self.margin.closed_words)

    def restore(self, saved: Any) -> None:
        self.margin.hot, self.margin.closed_words = saved


@dataclass(frozen=True)
class AssetTerms:
    """Margin terms of a collateral asset: feed id, haircuts in 1e-4, token decimals."""

    feed: int
    maintenance: int
    initial: int
    decimals: int
    enabled: bool = True


@dataclass
class VaultCustody:
    """Collateral as the vault keeps it. Caps and limiters are the vault model's own business."""

    terms: dict[int, AssetTerms] = field(default_factory=dict)
    ledger: vault.Ledger = field(default_factory=vault.Ledger)

    def holdings(self, account: int) -> list[Holding]:
        return [
            Holding(
                self.ledger.balance(account, asset),
                self.terms[asset].feed,
                self.terms[asset].maintenance,
                self.terms[asset].initial,
                self.terms[asset].decimals,
                asset,
            )
            for asset in self.ledger.assets.get(account, [])
        ]

    def count(self, account: int) -> int:
        return len(self.ledger.assets.get(account, []))

    def kept(self, asset: int) -> int:
        """All balances of an asset, token units."""
        return sum(n for (_, a), n in self.ledger.balances.items() if a == asset)

    def deposit(self, account: int, asset: int, amount: int, caller: int) -> None:
        require(amount > 0, "ZeroAmount")
        require(asset in self.terms, "UnknownAsset")
        require(self.terms[asset].enabled, "AssetPaused")
        holds = self.ledger.balance(account, asset) != 0
        require(holds or caller == owner_of(account), "StrangerAsset")
        self._run(lambda: self.ledger.credit(account, asset, amount, vault.OPENING_BOUND))

    def withdraw(self, account: int, asset: int, amount: int) -> None:
        require(amount > 0, "ZeroAmount")
        require(asset in self.terms, "UnknownAsset")
        self._run(lambda: self.ledger.debit(account, asset, amount))

    def move_share(self, sender: int, receiver: int, fraction: int) -> None:
        self._run(lambda: self.ledger.move_share(sender, receiver, fraction))

    @staticmethod
    def _run(change: Callable[[], None]) -> None:
        try:
            change()
        except vault.Refused as refused:
            raise ModelError(refused.name) from None

    def save(self) -> Any:
        lists = {account: list(ids) for account, ids in self.ledger.assets.items()}
        return lists, dict(self.ledger.balances)

    def restore(self, saved: Any) -> None:
        self.ledger.assets, self.ledger.balances = saved
