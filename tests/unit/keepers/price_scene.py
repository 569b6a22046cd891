"""What the tests of the price keeper share: a world behind a fake node, and an input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from plimsoll.deployment.rpc import LocalSigner
from plimsoll.keepers.outbox import Outbox
from plimsoll.keepers.price_input import Observation
from plimsoll.keepers.price_rules import Triggers
from plimsoll.keepers.prices import PriceKeeper
from plimsoll.keepers.pyth_updates import Updates
from plimsoll.keepers.report_signers import KeySigner, Panel
from plimsoll.oracle_words import DatumWord
from tests.unit.keepers.fake_chain import FakeChain
from tests.unit.oracle.conftest import KEYS, USD, World

FEED = 7
SENDER, OTHER = "0x" + "51" * 32, "0x" + "52" * 32
IDS = {"ETH": FEED}


@dataclass
class Told:
    """An input that says what the test says."""

    seen: dict[int, Observation] = field(default_factory=dict)
    ended: bool = False

    def read(self, now: int) -> Mapping[int, Observation]:
        return self.seen


@dataclass
class Scene:
    """A world behind a fake node, and a clock that only the test moves."""

    world: World
    chain: FakeChain
    told: Told
    clock: float = 0.0

    def outbox(self, key: str = SENDER) -> Outbox:
        node = self.chain.node(self.world.oracle.address)
        return Outbox(node, LocalSigner(key), patience=40, clock=lambda: self.clock)

    def keeper(
        self, key: str = SENDER, keys: int = 1, told: Told | None = None, **changes: Any
    ) -> PriceKeeper:
        """A keeper that has just been started."""
        node = self.chain.node(self.world.oracle.address)
        signers = sorted((KeySigner(one) for one in KEYS[:keys]), key=lambda s: int(s.address, 16))
        keeper = PriceKeeper(
            node,
            {FEED: "ETH"},
            Triggers(**{"jitter": 0, **changes}),
            {(FEED, 0): Panel(tuple(signers))},
            told or self.told,
            self.outbox(key),
        )
        keeper.adopt()
        return keeper

    def poker(
        self,
        names: dict[int, str] | None = None,
        updates: Updates | None = None,
        **changes: Any,
    ) -> PriceKeeper:
        """A keeper without signers."""
        node = self.chain.node(self.world.oracle.address)
        triggers = Triggers(**{"jitter": 0, **changes})
        return PriceKeeper(
            node, names or {FEED: "ETH"}, triggers, outbox=self.outbox(), updates=updates
        )

    def see(self, usd: str, time: float | None = None) -> None:
        """What the input says now."""
        price = int(Decimal(usd) * USD)
        self.told.seen[FEED] = Observation(price, self.world.now if time is None else time)

    def datum(self) -> DatumWord:
        """The chain's newest datum."""
        datum = DatumWord.of(self.world.oracle.source_words(FEED, 0)[1])
        assert datum is not None
        return datum

    def state(self) -> int:
        return self.world.state(FEED)


def moves(done: Any) -> list[tuple[str, str]]:
    """What a pass did: action and fate, in order."""
    return [(one["action"], one["status"]) for one in done.record()["transactions"]]
