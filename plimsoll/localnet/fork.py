"""A second Anvil that forks the origin chain or a real network."""

from __future__ import annotations

from dataclasses import replace

from plimsoll.localnet.anvil import Anvil, AnvilOptions
from plimsoll.localnet.errors import RpcError, RpcUnavailable
from plimsoll.localnet.rpc import Rpc, is_loopback, redact
from plimsoll.localnet.tx import dev_accounts

PROBE_TIMEOUT = 10.0  # seconds to wait for the forked node's first answer


def fork_chain(url: str, block: int | None = None, options: AnvilOptions | None = None) -> Anvil:
    """A started Anvil that forks the node at `url` at `block` (default: its latest).

    The chain id is the forked one unless `options.chain_id` says otherwise. Time goes on from
    the forked block at the pace of the wall clock, or by `options.timestamp_interval`. The
    forked node must stay up: state is fetched from it when first touched.

    Anvil's disk cache is keyed by chain id and block only, so for a loopback node, where one
    chain id can mean many chains, it stays off; so does the throttle meant for hosted nodes.

    Errors: RpcUnavailable when nobody answers at `url` or its head is below `block`;
    AnvilFailed with Anvil's stderr, for example when the node keeps no state that old.
    """
    head = _probe(url, block)
    local = is_loopback(url)
    base = options or AnvilOptions()
    extra = ("--no-rate-limit",) if local and "--no-rate-limit" not in base.extra_args else ()
    wanted = replace(
        base,
        fork_url=url,
        fork_block=block if block is not None else head,
        fork_cache=not local,
        extra_args=base.extra_args + extra,
    )
    anvil = Anvil(wanted).start()
    try:
        if not local:
            _clear_delegations(anvil.rpc, wanted.accounts)
    except BaseException:
        anvil.stop()
        raise
    return anvil


def _probe(url: str, block: int | None) -> int:
    """The head of the node at `url`."""
    rpc = Rpc(url, timeout=PROBE_TIMEOUT)
    try:
        head = rpc.block_number()
    except RpcError as error:
        raise RpcUnavailable(f"{redact(url)} refuses eth_blockNumber: {error}") from error
    finally:
        rpc.close()
    if block is not None and block > head:
        raise RpcUnavailable(
            f"expected block {block} at {redact(url)}, got a chain whose head is {head}"
        )
    return head


def _clear_delegations(rpc: Rpc, count: int) -> None:
    """Remove code from the development accounts.

    Their keys are public, and on real networks people have delegated them (EIP-7702) to
    contracts that sweep whatever arrives.
    """
    addresses = [one.address for one in dev_accounts(count)]
    codes = rpc.batch([("eth_getCode", [one, "latest"]) for one in addresses])
    dirty = [one for one, code in zip(addresses, codes, strict=True) if code != "0x"]
    if dirty:
        rpc.batch([("anvil_setCode", [one, "0x"]) for one in dirty])
