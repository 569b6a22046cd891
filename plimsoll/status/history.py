"""What only events tell: which accounts there are, and what the last steps did of late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from plimsoll.deployment.abi import event_decoder
from plimsoll.evm.abi import EventDecoder
from plimsoll.keepers.index import Journal, logs_in, read_events
from plimsoll.keepers.node import Node
from plimsoll.status.views import EventView

ENGINE = "MarginEngine"
# The last steps of the waterfall, in the order they are taken, and what income pays back.
STEPS = ("Deleveraged", "Charged", "Shrunk", "Socialised", "Recovered")


@dataclass(frozen=True)
class History:
    """Account ids; among them who offered; owners of fund shares asked back; recent steps."""

    accounts: tuple[int, ...] = ()
    consents: tuple[int, ...] = ()
    intents: tuple[int, ...] = ()
    redeemers: tuple[str, ...] = ()
    events: tuple[EventView, ...] = ()
    first_block: int = 0


def read_history(
    node: Node,
    journal: Journal,
    head: int,
    blocks: int,
    say: Callable[[str], None] = lambda text: None,
) -> History:
    """Everything up to `head`; events of the last `blocks` blocks. RpcError, RpcUnavailable."""
    places = node.addresses
    read_events(
        journal,
        node.rpc,
        places[ENGINE],
        places["CollateralVault"],
        head,
        say,
        places["LiquidationAuction"],
        places["InsuranceFund"],
    )
    first = max(journal.first_block, head - blocks + 1)
    return History(
        accounts=tuple(journal.accounts()),
        consents=tuple(journal.offers("consent")),
        intents=tuple(journal.offers("intent")),
        redeemers=tuple(f"0x{owner:040x}" for owner in journal.offers("redemption")),
        events=tuple(recent_steps(node, first, head)),
        first_block=first,
    )


def recent_steps(node: Node, first: int, head: int) -> list[EventView]:
    """Events of the last steps within these blocks, oldest first."""
    known: dict[bytes, EventDecoder] = {}
    for name in STEPS:
        one = event_decoder(ENGINE, name)
        known[one.topic] = one
    topics = ["0x" + topic.hex() for topic in known]
    return [
        _decoded(log, known)
        for _, _, logs in logs_in(node.rpc, [node.addresses[ENGINE]], topics, first, head)
        for log in logs
    ]


def _decoded(log: dict[str, Any], known: dict[bytes, EventDecoder]) -> EventView:
    topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
    one = known[topics[0]]
    fields = one.decode(topics, bytes.fromhex(log["data"][2:]))
    return EventView(int(log["blockNumber"], 16), one.name, fields)
