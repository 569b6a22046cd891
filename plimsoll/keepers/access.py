"""How a command gets at its chain: the node it reads from, the account it sends from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from plimsoll.localnet.errors import RpcUnavailable

if TYPE_CHECKING:
    from plimsoll.deployment.manifest import Manifest
    from plimsoll.keepers.node import Node

KEY_VARIABLE = "PLIMSOLL_KEEPER_KEY"
URL_VARIABLE = "PLIMSOLL_RPC_URL"


class Usage(ValueError):
    """The options do not make sense."""


@contextmanager
def network(rpc: str | None, choice: str | None) -> Iterator[str]:
    """The node's URL: given, or that of the network ape connects to."""
    url = rpc or os.environ.get(URL_VARIABLE)
    if url and choice is None:
        yield url
        return
    if choice is None:
        raise Usage(f"no node: pass --rpc URL, set {URL_VARIABLE}, or name a --network of ape")
    from ape import networks
    from ape.exceptions import ApeException

    try:
        context = networks.parse_network_choice(choice)
        provider = context.__enter__()
    except (ApeException, OSError, ValueError) as exc:
        shown = choice.partition("://")[0]
        raise RpcUnavailable(f"no connection to {shown}: {type(exc).__name__}") from exc
    try:
        yield str(getattr(provider, "http_uri", None) or getattr(provider, "uri", ""))
    finally:
        context.__exit__(None, None, None)


def sender(alias: str | None, choice: str | None) -> Any:
    """The account that sends: ape's, or the private key in the environment."""
    from plimsoll.deployment.rpc import ApeSigner, LocalSigner

    if alias is None:
        key = os.environ.get(KEY_VARIABLE)
        if not key:
            raise Usage(
                f"no account: pass --account ALIAS, a private key in {KEY_VARIABLE}, or --dry-run"
            )
        try:
            return LocalSigner(key)
        except ValueError as exc:
            raise Usage(f"{KEY_VARIABLE}: expected a private key of 32 bytes in hex") from exc
    if choice is None:
        raise Usage("--account signs through ape: name its --network instead of --rpc")
    return ApeSigner(ape_account(alias, "--account"))


def ape_account(alias: str, option: str) -> Any:
    """An account of ape that signs without asking; `Usage` names the option it came by."""
    import click
    from ape import accounts
    from ape.exceptions import ApeException
    from ape.logging import logger

    logger.set_level("ERROR")  # its warnings, one per signature, would go among the results
    if alias not in accounts.aliases:
        known = ", ".join(sorted(accounts.aliases)) or "none"
        raise Usage(f"{option}: expected one of ape's aliases ({known}), got {alias!r}")
    account: Any = accounts.load(alias)
    try:
        account.set_autosign(True)
    except (ApeException, click.Abort) as exc:
        raise Usage(
            f"{option}: {alias!r} stays locked; give its passphrase in "
            f"APE_ACCOUNTS_{alias}_PASSPHRASE"
        ) from exc
    return account


def check_chain(found: int, expected: int) -> None:
    """Raises `Usage` where the node is of another chain than the manifest."""
    if found != expected:
        raise Usage(
            f"expected chain {expected} as in the manifest, got {found}; connect to the other "
            "network or name another manifest"
        )


@contextmanager
def reader(manifest: Manifest, rpc: str | None, choice: str | None) -> Iterator[Node]:
    """A node to read a deployment from, closed at the end; `Usage` where it is of another chain."""
    from plimsoll.keepers.node import Node
    from plimsoll.localnet.rpc import Rpc

    with network(rpc, choice) as url:
        client = Rpc(url)
        try:
            check_chain(client.chain_id(), manifest.chain_id)
            yield Node(client, manifest.addresses())
        finally:
            client.close()
