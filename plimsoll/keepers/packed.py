"""Many views within few `eth_call`s: the same answers as view by view, in a fraction of the calls.

Public nodes count calls. A program that nobody deploys (see `rehearsal`) makes as many of them as
its answer has room for. What that leaves unanswered is asked for plainly: a node that runs no
programs, an account whose views cost too much gas beside others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plimsoll.deployment.abi import calldata, decoder, outputs
from plimsoll.errors import by_selector, describe
from plimsoll.keepers.node import Node, Refusal, View
from plimsoll.keepers.rehearsal import Step, rehearse

ANSWER_BYTES = 22_000  # per program: it comes back as code, of which nodes take 24,576 bytes
HEAD_BYTES = 64  # per reply, beside what it returns


def packed_views(node: Node, views: Sequence[View], block: int) -> list[Any]:
    """Decoded values in order; a revert gives its `Refusal` in place of the value."""
    parts: list[list[int]] = []
    room = 0
    for number, view in enumerate(views):
        size = returned_bytes(view.contract, view.function)
        if size is None:
            continue
        if not parts or room < size + HEAD_BYTES:
            parts.append([])
            room = ANSWER_BYTES
        parts[-1].append(number)
        room -= size + HEAD_BYTES
    plays = [[_step(node, views[number]) for number in part] for part in parts]
    found: dict[int, Any] = {}
    for part, played in zip(parts, rehearse(node.rpc, plays, block), strict=True):
        for number, reply in zip(part, played.replies if played else (), strict=False):
            view = views[number]
            if reply.ok and reply.data:
                found[number] = decoder(view.contract, view.function)(reply.data)
            elif reply.data:  # without a word of its own it may have run out of gas
                known = by_selector().get(reply.data[:4])
                found[number] = Refusal(known.name if known else "", describe(reply.data))
    left = [number for number in range(len(views)) if number not in found]
    plain = node.try_views([views[number] for number in left], block) if left else []
    found.update(zip(left, plain, strict=True))
    return [found[number] for number in range(len(views))]


def returned_bytes(contract: str, function: str) -> int | None:
    """How much a view returns, None where that depends."""
    sizes = [_size(part) for part in outputs(contract, function)]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _size(part: Mapping[str, Any]) -> int | None:
    kind = str(part["type"])
    if (kind.startswith("tuple") and kind != "tuple") or kind.endswith("]"):
        return None
    if kind == "tuple":
        sizes = [_size(one) for one in part["components"]]
        return None if None in sizes else sum(size for size in sizes if size is not None)
    return None if kind in ("bytes", "string") else 32


def _step(node: Node, view: View) -> Step:
    data = calldata(view.contract, view.function, *view.args)
    return Step(node.addresses[view.contract], data)
