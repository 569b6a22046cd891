"""What a keeper remembers: account ids seen in events, and its transactions in flight.

Neither is trusted for a decision. Ids only say where to look; health is read from the chain each
time. So a block that a reorganisation drops leaves at worst an id without an account behind it, and
the last blocks are read again to see what came in its place.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from eth_utils.crypto import keccak

from plimsoll.keepers.outbox import Job, Logged
from plimsoll.localnet.errors import RpcError
from plimsoll.localnet.rpc import Rpc

OVERLAP = 32  # blocks read again each time
CHUNK = 10_000  # blocks per request, halved where the node refuses
MIN_CHUNK = 16
# Topic positions that hold account ids. Fills, slices, transfers make holders, deposits borrowers.
ENGINE_EVENTS = {
    "Deposited(uint256,address,uint256)": (1,),
    "Filled(uint256,uint256,uint256,uint256,uint256,int256,int256)": (2, 3),
    "CashMoved(uint256,uint256,uint256)": (1, 2),
    "Sliced(uint256,uint256,uint256,int256,uint256,uint256)": (1, 2),
    "LegSold(uint256,uint256,uint256,int256,uint256,int256,uint256)": (1, 2),
    "FrozenSet(uint256,bool)": (1,),
}
VAULT_EVENTS = {
    "Deposit(uint256,address,address,uint256)": (1,),
    "CollateralMoved(uint256,uint256,uint256,uint256)": (1, 2),
}
# Owners' offers: consent to pre-liquidation, intents. Kept by kind beside the ids.
AUCTION_EVENTS = {
    "PreLiquidationSet(uint256,uint256)": "consent",
    "IntentSet(uint256,(uint256,uint256,uint256,uint256,bool,uint256))": "intent",
}
# Owners of fund shares who have asked to redeem: addresses, no accounts.
FUND_EVENTS = {"RedeemRequested(address,uint256,uint256,uint256)": "redemption"}
_OFFERS = {"0x" + keccak(text=text).hex(): kind for text, kind in AUCTION_EVENTS.items()}
_OWNERS = {"0x" + keccak(text=text).hex(): kind for text, kind in FUND_EVENTS.items()}
_PLACES = {
    "0x" + keccak(text=text).hex(): places
    for text, places in (ENGINE_EVENTS | VAULT_EVENTS).items()
} | dict.fromkeys(_OFFERS, (1,))


class JournalBusy(RuntimeError):
    """Another keeper works with this journal."""


class Journal:
    """One file per deployment and sender, locked while open: one process at a time uses it."""

    def __init__(self, path: Path | None, engine: str, first_block: int) -> None:
        self._lock: IO[str] | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = open(f"{path}.lock", "w")  # noqa: SIM115  # held until close
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                self._lock.close()
                raise JournalBusy(
                    f"{path}: another keeper uses this journal; stop it or give this one --journal"
                ) from exc
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._db.executescript(
            "create table if not exists accounts (id text primary key) without rowid;"
            "create table if not exists offers"
            " (id text, kind text, primary key (id, kind)) without rowid;"
            "create table if not exists meta (key text primary key, value text) without rowid;"
            "drop table if exists flights;"  # of versions that kept one transaction per nonce
            "create table if not exists sent (place integer primary key, nonce integer, hash text,"
            " job text, fees text);"
        )
        self.first_block = first_block
        if self._get("engine") != engine:
            self._db.executescript(
                "delete from accounts; delete from offers; delete from sent; delete from meta"
            )
            self._set("engine", engine)

    def close(self) -> None:
        """Lets another process use the file."""
        self._db.close()
        if self._lock is not None:
            self._lock.close()

    def _get(self, key: str) -> str | None:
        row = self._db.execute("select value from meta where key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def _set(self, key: str, value: str) -> None:
        self._db.execute("insert or replace into meta values (?, ?)", (key, value))

    # -- accounts

    @property
    def cursor(self) -> int:
        """The first block whose events have not been read."""
        return int(self._get("cursor") or self.first_block)

    def accounts(self) -> list[int]:
        """All ids seen, ascending."""
        rows = self._db.execute("select id from accounts order by id").fetchall()
        return [int(row[0], 16) for row in rows]

    def offers(self, kind: str) -> list[int]:
        """Ids seen with a "consent", an "intent" or a "redemption", which may have ended since.

        A redemption's is the address that owns the shares.
        """
        rows = self._db.execute("select id from offers where kind = ? order by id", (kind,))
        return [int(row[0], 16) for row in rows]

    def add(
        self, accounts: set[int], cursor: int, offers: frozenset[tuple[int, str]] = frozenset()
    ) -> None:
        """Keeps ids, offers and how far events have been read, in one step."""
        self._db.execute("begin")
        self._db.executemany(
            "insert or ignore into accounts values (?)", [(f"{one:064x}",) for one in accounts]
        )
        self._db.executemany(
            "insert or ignore into offers values (?, ?)",
            [(f"{one:064x}", kind) for one, kind in offers],
        )
        self._set("cursor", str(cursor))
        self._db.execute("commit")

    # -- transactions, as plimsoll.keepers.outbox.Log

    def flights(self) -> list[Logged]:
        """Transactions that have not landed, by nonce, each nonce's in the order sent."""
        rows = self._db.execute("select nonce, hash, job, fees from sent order by nonce, place")
        return [Logged(row[0], row[1], _job(row[2]), json.loads(row[3])) for row in rows.fetchall()]

    def took_off(self, one: Logged) -> None:
        """Remembers a transaction that is about to be sent."""
        self._db.execute("delete from sent where hash = ?", (one.hash,))
        self._db.execute(
            "insert into sent (nonce, hash, job, fees) values (?,?,?,?)",
            (one.nonce, one.hash, _job_text(one.job), json.dumps(one.fees)),
        )

    def refused(self, digest: str) -> None:
        """Forgets a transaction that the node has not taken."""
        self._db.execute("delete from sent where hash = ?", (digest,))

    def landed(self, nonce: int) -> None:
        """Forgets all of a nonce that is used."""
        self._db.execute("delete from sent where nonce = ?", (nonce,))


def _job_text(job: Job | None) -> str:
    if job is None:
        return ""
    key = [hex(one) for one in job.key]
    return json.dumps([key, job.label, job.to, job.data.hex(), job.gas, job.value])


def _job(text: str) -> Job | None:
    if not text:
        return None
    key, label, to, data, gas, value = json.loads(text)
    return Job(tuple(int(one, 16) for one in key), label, to, bytes.fromhex(data), gas, value)


def read_events(
    journal: Journal,
    rpc: Rpc,
    engine: str,
    vault: str,
    head: int,
    say: Callable[[str], None] = lambda text: None,
    auction: str | None = None,
    fund: str | None = None,
) -> int:
    """Reads events up to `head` into the journal; returns how many ids are new.

    `auction`, `fund`: where given, offers and redemptions too. Raises RpcError where the node
    refuses even a short range, RpcUnavailable where it is dead.
    """
    start = journal.cursor
    if start > head + 1:
        start = journal.first_block  # another chain under the same name, or a long rollback
    start = max(journal.first_block, start - OVERLAP)
    before = len(journal.accounts())
    addresses = [engine, vault, *(one for one in (auction, fund) if one)]
    kinds = _OFFERS | _OWNERS
    for first, last, logs in logs_in(rpc, addresses, [*_PLACES, *_OWNERS], start, head):
        found: set[int] = set()
        offers = frozenset(
            (int(log["topics"][1], 16), kinds[log["topics"][0]])
            for log in logs
            if log["topics"][0] in kinds
        )
        for log in logs:
            topics = log["topics"]
            found.update(int(topics[place], 16) for place in _PLACES.get(topics[0], ()))
        journal.add(found, last + 1, offers)
        if last - first + 1 >= CHUNK and last < head:
            say(f"events read up to block {last} of {head}")
    return len(journal.accounts()) - before


def logs_in(
    rpc: Rpc, addresses: list[str], topics: list[str], start: int, head: int
) -> Iterator[tuple[int, int, list[dict[str, Any]]]]:
    """Logs with one of these first topics, range by range; a refused one is asked for in halves."""
    size, at = CHUNK, start
    while at <= head:
        last = min(head, at + size - 1)
        query = {
            "address": addresses,
            "fromBlock": hex(at),
            "toBlock": hex(last),
            "topics": [topics],
        }
        try:
            logs = rpc.call("eth_getLogs", query)
        except RpcError:
            if size <= MIN_CHUNK:
                raise
            size //= 2
            continue
        yield at, last, logs
        at, size = last + 1, min(CHUNK, size * 2)
