"""One sender's transactions: at most one per job, replaced when stuck, found again after a restart.

What is in flight is written down before it leaves, where there is a log to write it to, and read
back from there and from the node: its pending transactions of this sender. While one is there that
neither shows, nothing goes out beside it, and once it is stuck it is replaced. A job that is in
flight, or may be under a nonce that something else has taken since, is never sent a second time
beside it: whatever takes its place has its nonce, so at most one of the two is ever mined.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from plimsoll.keepers.node import Node, Refusal, refusal
from plimsoll.keepers.signing import (
    BUMP_PERCENT,
    GAS_MARGIN_PERCENT,
    GWEI,
    Signer,
    network_fees,
)
from plimsoll.localnet.errors import RpcError

CANCEL_GAS = 30_000
RECEIPT_SECONDS = 10.0  # by which a node's receipts may be behind its count of transactions
MAX_BUMPS = 24  # a quarter each: 200-fold
UNDERPRICED = ("underpriced", "fee too low", "too low to replace", "gas price too low")
KNOWN = ("already known", "already imported", "known transaction", "alreadyknown")
PASSED = ("nonce too low", "nonce is too low", "old nonce", "invalid nonce")

Key = tuple[int, ...]  # feed and source, or an account


@dataclass(frozen=True)
class Job:
    """A transaction wanted. `key`: what it is for; `gas`: an estimate, unpadded; `value`: wei."""

    key: Key
    label: str
    to: str
    data: bytes
    gas: int
    value: int = 0


@dataclass(frozen=True)
class Logged:
    """A transaction as written down. `job` None: a cancellation."""

    nonce: int
    hash: str
    job: Job | None
    fees: dict[str, int]


class Log(Protocol):
    """Where transactions are written down; see plimsoll.keepers.index."""

    def flights(self) -> list[Logged]:
        """All that have not landed, by nonce, each nonce's in the order sent."""

    def took_off(self, one: Logged) -> None:
        """Remembers a transaction that is about to be sent."""

    def refused(self, digest: str) -> None:
        """Forgets a transaction that the node has not taken."""

    def landed(self, nonce: int) -> None:
        """Forgets all of a nonce that is used."""


@dataclass
class Flight:
    """A nonce in use. `job` None: unknown, or a cancellation; times by the outbox's clock."""

    nonce: int
    job: Job | None
    hashes: dict[str, Job | None]  # in the order sent, each with what it was for
    fees: dict[str, int] | None
    sent: float
    cancelled: bool = False
    tries: int = 1
    passed: float | None = None  # since when its nonce is used, though no receipt is there


@dataclass(frozen=True)
class Landed:
    """What became of a transaction. status: sent, replaced, abandoned, mined, reverted, lost,
    refused, pending. `error`: the contract's error by name.
    """

    status: str
    job: Job | None
    nonce: int = -1
    hash: str = ""
    gas_used: int = 0
    block: int = 0
    text: str = ""
    error: str = ""


@dataclass
class Outbox:
    """See the module. `patience`: seconds after which a transaction counts as stuck."""

    node: Node
    signer: Signer
    ceiling_gwei: float = 500.0
    patience: float = 45.0
    clock: Callable[[], float] = time.monotonic
    log: Log | None = None
    flights: list[Flight] = field(default_factory=list)
    _ghosts: dict[int, dict[str, Job | None]] = field(default_factory=dict)
    _chain_id: int = 0

    # -- what the node knows ----------------------------------------------------------------------

    def adopt(self, identify: Callable[[str, bytes], Job | None]) -> int:
        """Finds what an earlier process left pending; returns how many transactions that is.

        `identify` tells the job of a transaction by its target and data, None where it is foreign.
        What the log has and the chain has mined meanwhile is told by the next `settle`.
        """
        mined, pending = self._count("latest"), self._count("pending")
        self._read_log()
        known = {flight.nonce for flight in self.flights}
        missing = {nonce for nonce in range(mined, pending) if nonce not in known}
        shown = {int(one["nonce"], 16): one for one in self._pool()} if missing else {}
        for nonce in sorted(missing):
            one = shown.get(nonce)
            if one is None:
                self.flights.append(Flight(nonce, None, {}, None, self.clock()))
                continue
            data = bytes.fromhex((one.get("input") or one.get("data") or "0x")[2:])
            job = identify(one.get("to") or "", data)
            if job is not None:
                job = replace(job, value=int(one.get("value") or "0x0", 16))
            fees = {
                name: int(one[name], 16)
                for name in ("maxFeePerGas", "maxPriorityFeePerGas")
                if one.get(name)
            } or ({"gasPrice": int(one["gasPrice"], 16)} if one.get("gasPrice") else None)
            self.flights.append(Flight(nonce, job, {one["hash"]: job}, fees, self.clock()))
        self.flights.sort(key=lambda flight: flight.nonce)
        return sum(flight.nonce >= mined for flight in self.flights)

    def _read_log(self) -> None:
        by_nonce = {flight.nonce: flight for flight in self.flights}
        for one in self.log.flights() if self.log is not None else ():
            flight = by_nonce.get(one.nonce)
            if flight is None:
                flight = Flight(one.nonce, one.job, {}, None, self.clock())
                by_nonce[one.nonce] = flight
                self.flights.append(flight)
            flight.job, flight.fees, flight.cancelled = one.job, one.fees, one.job is None
            flight.hashes[one.hash] = one.job

    def _pool(self) -> list[dict[str, Any]]:
        """The sender's pending transactions, by whichever way this node shows them."""
        me = self.signer.address
        for method, params in (
            ("txpool_contentFrom", [me]),
            ("txpool_content", []),
            ("eth_getBlockByNumber", ["pending", True]),
        ):
            try:
                reply = self.node.rpc.call(method, *params)
            except RpcError:
                continue
            found = [one for one in _transactions(reply) if _same(one.get("from"), me)]
            if found:
                return found
        return []

    def _count(self, tag: str) -> int:
        return int(self.node.rpc.call("eth_getTransactionCount", self.signer.address, tag), 16)

    def settle(self) -> list[Landed]:
        """Takes out what has been mined, or can no longer be."""
        if not self.flights:
            return []
        mined = self._count("latest")
        landed: list[Landed] = []
        self._ghosts = {nonce: one for nonce, one in self._ghosts.items() if nonce >= mined}
        for flight in [one for one in self.flights if one.nonce < mined]:
            outcome = self._outcome(flight)
            if outcome.status == "lost" and flight.hashes:
                if flight.passed is None:
                    flight.passed = self.clock()
                if self.clock() - flight.passed < RECEIPT_SECONDS:
                    continue  # a moment later the receipt may be there
            self.flights.remove(flight)
            if self.log is not None:
                self.log.landed(flight.nonce)
            landed.append(outcome)
        return [one for one in landed if one.job is not None]

    def _outcome(self, flight: Flight) -> Landed:
        for digest in reversed(flight.hashes):
            receipt = self.node.rpc.call("eth_getTransactionReceipt", digest)
            if receipt is None or receipt.get("blockNumber") is None:
                continue
            job = flight.hashes[digest]
            block, gas = int(receipt["blockNumber"], 16), int(receipt["gasUsed"], 16)
            if int(receipt["status"], 16) == 1:
                return Landed("mined", job, flight.nonce, digest, gas, block)
            error, text = self._why(job, block)
            return Landed("reverted", job, flight.nonce, digest, gas, block, text, error)
        return Landed("lost", flight.job, flight.nonce, text="another transaction had its nonce")

    def _why(self, job: Job | None, block: int) -> tuple[str, str]:
        if job is None:
            return "", ""
        try:
            self.node.rpc.call("eth_call", request_of(job, self.signer.address), hex(block))
        except RpcError as exc:
            try:
                why = refusal(exc)
            except RpcError:
                return "", exc.message
            return why.name, why.text
        return "", "reverted, and would not now"

    # -- sending ----------------------------------------------------------------------------------

    def busy(self) -> set[Key]:
        """Keys of the jobs in flight, or that may still be mined in place of what took over."""
        return {
            job.key
            for flight in self.flights
            for job in (flight.job, *flight.hashes.values())
            if job is not None
        }

    def overdue(self) -> set[Key]:
        """Keys of the jobs in flight that are stuck, or that the node has forgotten."""
        dropped = self._dropped()
        return {
            flight.job.key
            for flight in self.flights
            if flight.job is not None and (flight.nonce in dropped or self._stuck(flight))
        }

    def _stuck(self, flight: Flight) -> bool:
        return self.clock() - flight.sent >= self.patience

    def estimate(self, to: str, data: bytes) -> int | Refusal:
        """Gas that a call takes now, or why it would revert."""
        request = {"from": self.signer.address, "to": to, "data": "0x" + data.hex()}
        try:
            return int(self.node.rpc.call("eth_estimateGas", request), 16)
        except RpcError as exc:
            return refusal(exc)

    def submit(self, wanted: Sequence[Job], keep: Collection[Key] = ()) -> list[Landed]:
        """Sends what is not in flight, and puts something better in the place of what is stuck.

        A stuck transaction is replaced, under its nonce and with higher fees, by what is wanted now
        for the same key; where nothing is, by another job, or by an empty transaction that frees
        the nonce. One that the node has forgotten is sent again likewise. What is in flight for a
        key of `keep` is not touched.
        """
        fees = network_fees(self.node.rpc, self.ceiling)
        if fees is None:
            text = f"the network asks for more than {self.ceiling_gwei:g} gwei per gas"
            return [Landed("refused", job, text=text) for job in wanted]
        busy = self.busy()
        flying = {job.key: job for job in wanted if job.key in busy}
        left = {job.key: job for job in wanted if job.key not in busy}
        told: list[Landed] = []
        dropped = self._dropped()
        for flight in [one for one in self.flights if one.passed is None]:
            if flight.job is not None and flight.job.key in keep:
                continue
            now = flying.get(flight.job.key) if flight.job is not None else None
            if flight.nonce in dropped:
                told += self._again(flight, now or _first(left), fees)
            elif self._stuck(flight):
                told += self._replace(flight, now or _first(left), fees)
        if any(not flight.hashes for flight in self.flights):
            return told  # it may be one of these: nothing goes out beside it
        nonce = self._next_nonce() if left else 0
        for job in left.values():
            if job.key in self.busy():
                continue  # it may still be mined under a nonce that was taken over
            flight = Flight(nonce, job, self._ghosts.pop(nonce, {}), None, self.clock())
            self.flights.append(flight)  # before it leaves: a dead line may have swallowed it
            answer = self._launch(flight, job, fees)
            told.append(answer)
            if answer.status != "sent":
                self.flights.remove(flight)
                break  # those after it would wait for this nonce; the next pass looks again
            nonce += 1
        return told

    @property
    def ceiling(self) -> int:
        """Wei per gas, at most."""
        return int(self.ceiling_gwei * GWEI)

    def _next_nonce(self) -> int:
        taken = [flight.nonce + 1 for flight in self.flights]
        return max([self._count("latest"), *taken])

    def _dropped(self) -> set[int]:
        """Nonces whose transactions the node no longer knows."""
        known = [one for one in self.flights if one.hashes]
        calls = [("eth_getTransactionByHash", [next(reversed(one.hashes))]) for one in known]
        replies = self.node.rpc.batch(calls) if calls else []
        return {one.nonce for one, seen in zip(known, replies, strict=True) if seen is None}

    def _again(self, flight: Flight, job: Job | None, fees: dict[str, int]) -> list[Landed]:
        if job is None and flight is self.flights[-1]:
            self.flights.remove(flight)  # nobody waits for this nonce; other nodes may know it yet
            self._ghosts[flight.nonce] = flight.hashes
            return []
        return self._put(flight, job, fees, "replaced")

    def _replace(self, flight: Flight, job: Job | None, fees: dict[str, int]) -> list[Landed]:
        if job is None and flight.cancelled and flight.tries > MAX_BUMPS:
            return []
        offer = dict(fees)
        for name, value in (flight.fees or {}).items():
            if name in offer:
                offer[name] = max(offer[name], _bumped(value))
        if max(offer.values()) > self.ceiling:
            capped = {name: min(self.ceiling, value) for name, value in offer.items()}
            if flight.fees and any(capped[n] < _least_bump(v) for n, v in flight.fees.items()):
                text = f"stuck at the most that may be paid, {self.ceiling_gwei:g} gwei"
                return [Landed("pending", flight.job, flight.nonce, text=text)]
            offer = capped
        return self._put(flight, job, offer, "replaced" if job is not None else "abandoned")

    def _put(
        self, flight: Flight, job: Job | None, fees: dict[str, int], status: str
    ) -> list[Landed]:
        before = flight.job
        answer = self._launch(flight, job, fees)
        if answer.status != "sent":
            return [answer]
        flight.job, flight.cancelled = job, job is None
        flight.sent, flight.tries = self.clock(), flight.tries + 1
        return [Landed(status, job or before, flight.nonce, answer.hash)]

    def _launch(self, flight: Flight, job: Job | None, fees: dict[str, int]) -> Landed:
        """Signs and sends under the flight's nonce; offers more while the node asks for it."""
        from eth_utils.crypto import keccak

        offer = dict(fees)
        for _ in range(MAX_BUMPS):
            raw = self.signer.sign(self._fields(flight.nonce, job, offer))
            digest = "0x" + keccak(raw).hex()
            new = digest not in flight.hashes
            self._note(flight, job, digest, offer)
            try:
                self.node.rpc.call("eth_sendRawTransaction", "0x" + raw.hex())
            except RpcError as exc:
                text = exc.message.lower()
                if any(one in text for one in KNOWN):
                    return Landed("sent", job, flight.nonce, digest)
                if new:
                    self._unnote(flight, digest)
                if any(one in text for one in UNDERPRICED):
                    more = {name: min(self.ceiling, _bumped(fee)) for name, fee in offer.items()}
                    if more != offer:
                        offer = more
                        continue
                elif any(one in text for one in PASSED):
                    return Landed("lost", job, flight.nonce, text="its nonce was used meanwhile")
                return Landed("refused", job, flight.nonce, text=exc.message)
            return Landed("sent", job, flight.nonce, digest)
        return Landed("refused", job, flight.nonce, text="the node wants ever higher fees")

    def _note(self, flight: Flight, job: Job | None, digest: str, fees: dict[str, int]) -> None:
        """Writes a transaction down before it leaves: a crash leaves a note too many at worst."""
        flight.hashes.pop(digest, None)
        flight.hashes[digest] = job
        flight.fees = fees
        if self.log is not None:
            self.log.took_off(Logged(flight.nonce, digest, job, fees))

    def _unnote(self, flight: Flight, digest: str) -> None:
        del flight.hashes[digest]
        if self.log is not None:
            self.log.refused(digest)

    def _fields(self, nonce: int, job: Job | None, fees: dict[str, int]) -> dict[str, Any]:
        self._chain_id = self._chain_id or self.node.rpc.chain_id()
        gas = CANCEL_GAS if job is None else job.gas * (100 + GAS_MARGIN_PERCENT) // 100
        fields: dict[str, Any] = {
            "chainId": self._chain_id,
            "nonce": nonce,
            "to": self.signer.address if job is None else job.to,
            "value": 0 if job is None else job.value,
            "data": "0x" + ("" if job is None else job.data.hex()),
            "gas": gas,
            **fees,
        }
        if "maxFeePerGas" in fees:
            fields["type"] = 2
        return fields

    def wait(
        self, seconds: float, poll: float = 0.2, keys: Collection[Key] | None = None
    ) -> list[Landed]:
        """What lands within the time; returns once nothing, or none of `keys`, is in flight."""
        deadline = time.monotonic() + seconds
        landed = self.settle()
        while self.flights and time.monotonic() < deadline:
            if keys is not None and not self.busy() & set(keys):
                break
            time.sleep(poll)
            landed += self.settle()
        return landed


def request_of(job: Job, sender: str) -> dict[str, Any]:
    """The job as a node's call object."""
    request = {"from": sender, "to": job.to, "data": "0x" + job.data.hex()}
    return request if job.value == 0 else {**request, "value": hex(job.value)}


def _bumped(fee: int) -> int:
    return fee * (100 + BUMP_PERCENT) // 100 + 1


def _least_bump(fee: int) -> int:
    return -(-fee * 110 // 100)


def _first(left: dict[Key, Job]) -> Job | None:
    return left.pop(next(iter(left))) if left else None


def _same(one: Any, other: str) -> bool:
    return isinstance(one, str) and one.lower() == other.lower()


def _transactions(reply: Any) -> Iterable[dict[str, Any]]:
    """Every transaction object anywhere in a node's answer about its pool."""
    if isinstance(reply, dict):
        if "nonce" in reply and "from" in reply and "hash" in reply:
            yield reply
            return
        reply = list(reply.values())
    if isinstance(reply, list):
        for one in reply:
            yield from _transactions(one)
