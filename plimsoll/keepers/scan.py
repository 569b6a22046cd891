"""All accounts' health in a few requests. See `program` for what runs on the node."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from eth_utils.crypto import keccak

from plimsoll.keepers.node import Node, Refusal, View
from plimsoll.keepers.program import MAX_ACCOUNTS, Seen, build, parse
from plimsoll.localnet.errors import RpcError

CALL_GAS = 16_000_000  # per eth_call: under every node's cap and EIP-7825's
CALLS_PER_REQUEST = 8
FIRST_CHUNK = 400


@dataclass
class Scanner:
    """Scans accounts of one deployment; remembers how many fit one call."""

    node: Node
    chunk: int = FIRST_CHUNK
    programs: bool = True  # False once the node has refused one: plain views from then on

    def scan(self, accounts: Sequence[int], block: int) -> list[Seen]:
        """Every account at one block, in order."""
        if self.programs:
            try:
                return self._by_program(accounts, block)
            except (RpcError, ValueError):
                self.programs = False
        return self._by_views(accounts, block)

    def _by_program(self, accounts: Sequence[int], block: int) -> list[Seen]:
        code = build(
            self.node.addresses["MarginEngine"],
            keccak(text="head(uint256)")[:4],
            keccak(text="standing(uint256)")[:4],
        ).hex()
        found: dict[int, Seen] = {}
        left = deque(accounts)
        while left:
            parts: list[list[int]] = []
            while left and len(parts) < CALLS_PER_REQUEST:
                parts.append([left.popleft() for _ in range(min(self.chunk, len(left)))])
            calls = [
                (
                    "eth_call",
                    [
                        {
                            "data": "0x" + code + "".join(f"{one:064x}" for one in part),
                            "gas": hex(CALL_GAS),
                        },
                        hex(block),
                    ],
                )
                for part in parts
            ]
            done = 0
            for part, reply in zip(parts, self.node.rpc.batch(calls), strict=True):
                seen = parse(part, bytes.fromhex(reply[2:]))
                found.update((one.account, one) for one in seen)
                left.extend(part[len(seen) :])
                done = max(done, len(seen))
            # What one call managed, with room to grow where it managed all it was given.
            full = done == max(map(len, parts))
            self.chunk = max(1, min(MAX_ACCOUNTS, done * 3 // 2 if full and left else done))
        return [found[account] for account in accounts]

    def _by_views(self, accounts: Sequence[int], block: int) -> list[Seen]:
        """The same by one view per account and request: slower, for nodes that run no programs."""
        heads = self.node.try_views(
            [View("MarginEngine", "head", (one,)) for one in accounts], block
        )
        busy = []
        seen: dict[int, Seen] = {}
        for account, head in zip(accounts, heads, strict=True):
            if isinstance(head, Refusal):
                seen[account] = Seen(account, 0, False, False, True)
            elif head >> 226 & 255 or head >> 103 & 1:
                busy.append((account, bool(head >> 226 & 1)))
            else:
                seen[account] = Seen(account, 0, False, True, False)
        standings = self.node.try_views(
            [View("MarginEngine", "standing", (account,)) for account, _ in busy], block
        )
        for (account, frozen), one in zip(busy, standings, strict=True):
            if isinstance(one, Refusal):
                seen[account] = Seen(account, 0, frozen, False, True)
                continue
            margin = one.equity - one.stale_value - one.linear - one.superlinear
            seen[account] = Seen(account, margin, frozen, False, False)
        return [seen[account] for account in accounts]
