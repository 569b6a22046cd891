"""A small JSON-RPC client: one kept-alive connection, batches, typed errors.

Much quicker than web3 for a loopback node (no middleware, no result formatting), and cheap to
import. Quantities stay as the server's hex strings except in the few typed helpers.
"""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from plimsoll.localnet.errors import RpcError, RpcUnavailable

Json = Any
Call = tuple[str, Sequence[object]]

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
BATCH_LIMIT = 200  # calls per HTTP request; Anvil refuses bodies over 2 MB
BATCH_BYTES = 1_500_000
_HEADERS = {"Content-Type": "application/json", "User-Agent": "plimsoll"}


def is_loopback(url: str) -> bool:
    """Whether `url` names this machine."""
    return urlsplit(url).hostname in LOOPBACK_HOSTS


def redact(url: str) -> str:
    """`url` without user, path and query, where hosted nodes keep their access keys."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    tail = "/..." if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{parts.hostname}{port}{tail}"


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises on "host:notaport"
    except ValueError as error:
        raise RpcUnavailable(f"expected an http(s) RPC address, got {url!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RpcUnavailable(
            f"expected an http:// or https:// RPC address, got {url!r}; give one like "
            "http://127.0.0.1:8545"
        )
    return parts


class Rpc:
    """JSON-RPC over HTTP to one address; safe to share between threads (calls take turns).

    Loopback addresses use one kept-alive connection; others go through `urllib`, which honours
    the environment's proxies. `timeout` is in seconds, per HTTP request.
    """

    def __init__(self, url: str, timeout: float = 30.0) -> None:
        self._parts = _checked(url)
        self.url = url
        self.timeout = timeout
        self._loopback = is_loopback(url)
        self._path = (self._parts.path or "/") + (
            f"?{self._parts.query}" if self._parts.query else ""
        )
        self._connection: http.client.HTTPConnection | None = None
        self._ids = itertools.count(1)
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"Rpc({redact(self.url)})"

    def close(self) -> None:
        """Drop the connection; the next call opens another."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # -- calls -------------------------------------------------------------------------------

    def call(self, method: str, *params: object) -> Json:
        """The `result` of one call. Raises RpcError (the server said no) or RpcUnavailable."""
        reply = self._post(self._request(method, params))
        if not isinstance(reply, dict):
            raise self._not_rpc(reply)
        return self._result(method, reply)

    def batch(self, calls: Sequence[Call], *, keep_errors: bool = False) -> list[Json]:
        """The results of many calls, in order, in as few HTTP requests as the limits allow.

        The first failed call raises its RpcError; with `keep_errors` the RpcError takes the
        place of that call's result instead.
        """
        results: list[Json] = []
        for chunk in self._chunks(calls):
            results.extend(self._batch_once(chunk, keep_errors))
        return results

    def _chunks(self, calls: Sequence[Call]) -> list[list[Call]]:
        chunks: list[list[Call]] = []
        size = BATCH_BYTES + 1
        for method, params in calls:
            length = 80 + len(method) + sum(len(p) if isinstance(p, str) else 200 for p in params)
            if size + length > BATCH_BYTES or len(chunks[-1]) >= BATCH_LIMIT:
                chunks.append([])
                size = 0
            chunks[-1].append((method, params))
            size += length
        return chunks

    def _batch_once(self, calls: Sequence[Call], keep_errors: bool) -> list[Json]:
        requests = [self._request(method, params) for method, params in calls]
        replies = self._post(requests)
        if not isinstance(replies, list):
            raise self._not_rpc(replies)
        by_id = {reply.get("id"): reply for reply in replies if isinstance(reply, dict)}
        results: list[Json] = []
        for request in requests:
            reply = by_id.get(request["id"])
            if reply is None:
                raise RpcUnavailable(f"{self!r}: the batch reply lacks call {request['method']}")
            try:
                results.append(self._result(str(request["method"]), reply))
            except RpcError as error:
                if not keep_errors:
                    raise
                results.append(error)
        return results

    def _request(self, method: str, params: Sequence[object]) -> dict[str, object]:
        return {
            "jsonrpc": "2.0",
            "id": next(self._ids),
            "method": method,
            "params": list(params),
        }

    def _result(self, method: str, reply: dict[str, Json]) -> Json:
        error = reply.get("error")
        if error is None:
            if "result" not in reply:
                raise self._not_rpc(reply)
            return reply["result"]
        if not isinstance(error, dict):
            raise RpcError(method, 0, str(error))
        data = error.get("data")
        raise RpcError(
            method,
            int(error.get("code", 0)),
            str(error.get("message", "")),
            data if isinstance(data, str) else None,
        )

    # -- transport ---------------------------------------------------------------------------

    def _post(self, payload: object) -> Json:
        body = json.dumps(payload).encode()
        with self._lock:
            try:
                raw = self._post_kept(body) if self._loopback else self._post_once(body)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                raise RpcUnavailable(
                    f"no answer from {redact(self.url)}: {error or type(error).__name__}; "
                    "start the node or correct the address"
                ) from error
        try:
            return json.loads(raw)
        except ValueError as error:
            raise self._not_rpc(raw[:120]) from error

    def _post_kept(self, body: bytes) -> bytes:
        reused = self._connection is not None
        try:
            return self._exchange(body)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self.close()
            if not reused:
                raise
            return self._exchange(body)  # the server had closed an idle connection

    def _exchange(self, body: bytes) -> bytes:
        if self._connection is None:
            kind = (
                http.client.HTTPSConnection
                if self._parts.scheme == "https"
                else http.client.HTTPConnection
            )
            self._connection = kind(
                self._parts.hostname or "", self._parts.port, timeout=self.timeout
            )
        self._connection.request("POST", self._path, body=body, headers=_HEADERS)
        return self._connection.getresponse().read()

    def _post_once(self, body: bytes) -> bytes:
        request = urllib.request.Request(self.url, data=body, headers=_HEADERS, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                raw: bytes = response.read()
                return raw
        except urllib.error.HTTPError as error:
            raw = error.read()
            if raw.lstrip()[:1] in (b"{", b"["):
                return raw  # a JSON-RPC error sent with a 4xx or 5xx status
            raise

    def _not_rpc(self, got: object) -> RpcUnavailable:
        return RpcUnavailable(
            f"expected a JSON-RPC reply from {redact(self.url)}, got {str(got)[:120]!r}"
        )

    # -- typed helpers -----------------------------------------------------------------------

    def chain_id(self) -> int:
        """The chain id the server reports."""
        return int(self.call("eth_chainId"), 16)

    def block_number(self) -> int:
        """The number of the latest block."""
        return int(self.call("eth_blockNumber"), 16)

    def timestamp(self, block: int | str = "latest") -> int:
        """The timestamp of a block, unix seconds."""
        tag = hex(block) if isinstance(block, int) else block
        reply = self.call("eth_getBlockByNumber", tag, False)
        if reply is None:
            raise RpcError("eth_getBlockByNumber", 0, f"the chain has no block {block}")
        return int(reply["timestamp"], 16)

    def code(self, address: str, block: int | str = "latest") -> bytes:
        """The runtime code at an address (empty when there is none)."""
        tag = hex(block) if isinstance(block, int) else block
        return bytes.fromhex(self.call("eth_getCode", address, tag)[2:])

    def balance(self, address: str) -> int:
        """The native balance, wei."""
        return int(self.call("eth_getBalance", address, "latest"), 16)

    def eth_call(self, to: str, data: bytes, block: int | str = "latest") -> bytes:
        """The return data of a read-only call; RpcError carries the revert data."""
        tag = hex(block) if isinstance(block, int) else block
        reply = self.call("eth_call", {"to": to, "data": "0x" + data.hex()}, tag)
        return bytes.fromhex(reply[2:])

    def wait_receipt(self, tx_hash: str, timeout: float = 60.0) -> dict[str, Json]:
        """The receipt, polled for: an automining node answers the send before it exists."""
        pause, deadline = 0.001, time.monotonic() + timeout
        while True:
            receipt: dict[str, Json] | None = self.call("eth_getTransactionReceipt", tx_hash)
            if receipt is not None:
                return receipt
            if time.monotonic() > deadline:
                raise RpcUnavailable(
                    f"expected a receipt of {tx_hash} within {timeout:g} s, got none; "
                    "is the chain producing blocks?"
                )
            time.sleep(pause)
            pause = min(pause * 2, 0.25)
