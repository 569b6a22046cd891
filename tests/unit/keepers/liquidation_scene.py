"""What the tests of the liquidator share: the staged house behind a fake node, and its keeper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from plimsoll.deployment.abi import function_of
from plimsoll.deployment.house import Actor, House
from plimsoll.deployment.rpc import LocalSigner
from plimsoll.keepers.decisions import Policy
from plimsoll.keepers.facts import Native
from plimsoll.keepers.index import Journal
from plimsoll.keepers.liquidator import Liquidator
from plimsoll.keepers.node import Node
from plimsoll.keepers.outbox import Outbox
from plimsoll.keepers.passes import Pass
from tests.stage import move_price
from tests.unit.keepers.fake_chain import FakeChain

KEY = "0x" + "61" * 32
ETHER = Native(ticks=2_000 * 10**9)
AUCTION = "LiquidationAuction"


@dataclass
class Scene:
    """A house behind a fake node, and a clock that only the test moves."""

    house: House
    chain: FakeChain
    journal: Journal = field(default_factory=lambda: Journal(None, "", 0))
    clock: float = 0.0

    @property
    def me(self) -> Actor:
        """The keeper's own address."""
        return Actor(LocalSigner(KEY).address, "keeper")

    def fund(self, usd: int) -> None:
        """Dollars in the keeper's account 0."""
        for token in self.house.tokens.values():
            token.approve(self.house.vault.address, 2**256 - 1, sender=self.me)
        self.house.deposit(self.me, usd)

    def know(
        self, *accounts: int, consents: Sequence[int] = (), intents: Sequence[int] = ()
    ) -> None:
        """What the journal would have from events."""
        offers = {(one, "consent") for one in consents} | {(one, "intent") for one in intents}
        self.journal.add({*accounts, *consents, *intents}, 1, frozenset(offers))

    def keeper(
        self, journal: Journal | None = None, bids: bool = True, **policy: Any
    ) -> Liquidator:
        """A keeper's process, fresh, for slices alone, and the limiter's prices left as they are;
        it waits a moment for what is not mined.
        """
        node = Node(self.chain, dict(self.house.plan.addresses))  # type: ignore[arg-type]
        book = journal or self.journal
        outbox = Outbox(node, LocalSigner(KEY), patience=0.01, clock=lambda: self.clock, log=book)
        return Liquidator(
            node,
            book,
            ETHER,
            Policy(**{"legs": False, "flow_bps": 0, **policy}),
            outbox,
            self.me.id if bids else None,
        )

    def mined(self) -> Counter[tuple[int, str]]:
        """How often each move on each account was mined and worked."""
        return Counter(
            (int(one["input"][10:74], 16), _move(one))
            for one in {one["hash"]: one for one in self.chain.sent}.values()
            if self.chain.receipts.get(one["hash"], {}).get("status") == "0x1"
        )

    def nonces(self, account: int) -> list[int]:
        """Nonces that transactions for an account were sent under, in order, each once."""
        found = [
            int(one["nonce"], 16)
            for one in self.chain.sent
            if one["input"] != "0x" and int(one["input"][10:74], 16) == account
        ]
        return list(dict.fromkeys(found))

    def running(self, account: int) -> bool:
        return bool(self.house.auction.auction(account).running)

    def price(self, usd: int) -> None:
        move_price(self.house, usd)


def _move(transaction: dict[str, Any]) -> str:
    data = bytes.fromhex(transaction["input"][2:])
    return function_of(AUCTION, data[:4]) or ""


def moves(done: Pass) -> list[tuple[str, str]]:
    """What became of a pass's transactions, in order."""
    return [(one.job.label if one.job else "", one.status) for one in done.outcomes]


def why(done: Pass, kind: str) -> str:
    """Why the last decision of this kind came out as it did."""
    return [one.reason for one in done.decisions if one.kind == kind][-1]
