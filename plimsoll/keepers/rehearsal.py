"""Tries calls one after another within one `eth_call`, and tells what each returned.

Like `program`, it is creation code with its data appended, so nothing is deployed and no node
needs anything special. Unlike single views, a later call sees what an earlier one changed: poking a
feed and reading it then tells what a poke would do now, whatever kinds of sources the feed has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plimsoll.keepers.program import Token, assemble
from plimsoll.localnet.errors import RpcError
from plimsoll.localnet.rpc import Call, Rpc

GAS = 16_000_000  # per rehearsal: under every node's cap and EIP-7825's
MAX_INITCODE = 49_152  # EIP-3860
_FILL, _OUT = 0x00, 0x20  # memory: where the answer goes on | the answer, a zero byte first


@dataclass(frozen=True)
class Step:
    """One call: to whom, with what, with how many wei."""

    to: str
    data: bytes
    value: int = 0


@dataclass(frozen=True)
class Reply:
    """What a step came to. `data`: what it returned, or reverted with."""

    ok: bool
    data: bytes


@dataclass(frozen=True)
class Rehearsal:
    """All steps' replies, and the second and block that they ran in."""

    timestamp: int
    block: int
    replies: tuple[Reply, ...]


def build(steps: Sequence[Step]) -> bytes:
    """The program. ValueError where the steps' data do not fit into one."""
    blob = b"".join(step.data for step in steps)
    # Offsets into the data take two bytes whatever they are, so the length is known from a draft.
    program = _code(steps, len(_code(steps, 0))) + blob
    if len(program) > MAX_INITCODE:
        raise ValueError(f"expected a program of {MAX_INITCODE} bytes at most, got {len(program)}")
    return program


def _code(steps: Sequence[Step], end: int) -> bytes:
    start = _OUT + 1
    tokens: list[Token] = [
        "TIMESTAMP", start, "MSTORE", "NUMBER", start + 32, "MSTORE", start + 64, _FILL, "MSTORE",
    ]  # fmt: skip
    at = end
    for step in steps:
        size = len(step.data)
        tokens += [
            size, ("WIDE", at), _FILL, "MLOAD", "CODECOPY",
            0, 0, size, _FILL, "MLOAD", step.value, int(step.to, 16), "GAS", "CALL",
            _FILL, "MLOAD", "MSTORE",
            "RETURNDATASIZE", 32, _FILL, "MLOAD", "ADD", "MSTORE",
            "RETURNDATASIZE", 0, 64, _FILL, "MLOAD", "ADD", "RETURNDATACOPY",
            "RETURNDATASIZE", 64, _FILL, "MLOAD", "ADD", "ADD", _FILL, "MSTORE",
        ]  # fmt: skip
        at += size
    tokens += [_OUT, _FILL, "MLOAD", "SUB", _OUT, "RETURN"]
    return assemble(tokens)


def parse(answer: bytes, count: int) -> Rehearsal:
    """What the program returned. ValueError where that is no such answer."""
    words = [int.from_bytes(answer[i : i + 32], "big") for i in (1, 33)]
    if len(answer) < 65 or answer[0] != 0:
        raise ValueError(f"expected a zero byte and two words, got {answer[:40].hex()}")
    at, replies = 65, []
    for _ in range(count):
        ok, size = (int.from_bytes(answer[at + i : at + i + 32], "big") for i in (0, 32))
        data = answer[at + 64 : at + 64 + size]
        if len(answer) < at + 64 or len(data) != size:
            raise ValueError("expected more replies, got the answer's end")
        replies.append(Reply(ok == 1, data))
        at += 64 + size
    return Rehearsal(words[0], words[1], tuple(replies))


def rehearse(
    rpc: Rpc,
    plays: Sequence[Sequence[Step]],
    block: int | None = None,
    payer: str | None = None,
) -> list[Rehearsal | None]:
    """Each list of steps by itself, all in one request; None where the node refuses to run it.

    `payer`: has the wei that steps are sent with; without such it is nobody in particular.
    """
    tag = "latest" if block is None else hex(block)
    calls: list[Call] = []
    for steps in plays:
        request = {"data": "0x" + build(steps).hex(), "gas": hex(GAS)}
        value = sum(step.value for step in steps)
        if value and payer is not None:
            # Without a gas price the balance need not cover the rehearsal's gas.
            request |= {"from": payer, "value": hex(value)}
        calls.append(("eth_call", [request, tag]))
    found: list[Rehearsal | None] = []
    for steps, reply in zip(plays, rpc.batch(calls, keep_errors=True), strict=True):
        if isinstance(reply, RpcError):
            found.append(None)
            continue
        try:
            found.append(parse(bytes.fromhex(reply[2:]), len(steps)))
        except ValueError:
            found.append(None)
    return found
