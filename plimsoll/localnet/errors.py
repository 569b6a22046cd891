"""Errors of the local chain tools, each with the exit code that the command line gives it.

Exit codes: 1 a check failed, 3 data or RPC unavailable (the full list is in docs/operations.md).
"""

from __future__ import annotations


class LocalnetError(Exception):
    """Base of everything raised by `plimsoll.localnet`."""

    exit_code = 1


class RpcUnavailable(LocalnetError):
    """Nobody answers JSON-RPC at the address: refused, timed out, or not a JSON-RPC server."""

    exit_code = 3


class AnvilNotFound(LocalnetError):
    """No Anvil binary on PATH or under node_modules."""

    exit_code = 3


class AnvilFailed(LocalnetError):
    """Anvil was started and ended, or did not become ready; the message holds its stderr."""

    exit_code = 3


class PartMissing(LocalnetError):
    """An npm package, an artifact in it, or a listed on-chain part is absent or not as pinned."""

    exit_code = 3


class RpcError(LocalnetError):
    """The server answered with a JSON-RPC error object.

    `code` and `message` are the server's; `data` is the revert data as a hex string, or None.
    """

    def __init__(self, method: str, code: int, message: str, data: str | None = None) -> None:
        super().__init__(f"{method}: {message} (code {code}{f', data {data}' if data else ''})")
        self.method = method
        self.code = code
        self.message = message
        self.data = data


class TransactionReverted(LocalnetError):
    """A transaction reverted (found by the gas estimate, or by status 0 in its receipt).

    `data` is the revert data as a hex string ("0x" when there is none or it is unknown).
    """

    def __init__(self, what: str, data: str = "0x", tx_hash: str | None = None) -> None:
        where = f" in {tx_hash}" if tx_hash else ""
        super().__init__(f"{what} reverted{where}; revert data {data}")
        self.data = data
        self.tx_hash = tx_hash
