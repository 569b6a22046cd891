"""What `ape run keeper liquidate` does between its options and its exit code."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from plimsoll.console import FAILED, INTERRUPTED, OK, REFUSED, UNAVAILABLE, USAGE, fail, note
from plimsoll.keepers.access import Usage, check_chain, network, sender
from plimsoll.keepers.index import Journal, JournalBusy
from plimsoll.keepers.liquidator import Liquidator
from plimsoll.keepers.passes import Pass
from plimsoll.localnet.errors import RpcError, RpcUnavailable

NATIVE_FEED = "ETH"
RETRIES = 5  # passes in a row that may fail before the loop gives up
JOURNALS = Path(".cache/keeper")


@dataclass(frozen=True)
class Options:
    """The command's options, see scripts/keeper.py."""

    manifest: Path
    rpc: str | None = None
    network: str | None = None
    account: str | None = None
    bidder: str | None = None
    once: bool = False
    interval: float = 12.0
    min_profit: Decimal = Decimal(1)
    max_unpaid: Decimal = Decimal(50)
    max_fraction: Decimal = Decimal(1)
    hedge_bps: int = 5
    impact_bps: int = 5
    legs: bool = True
    flow_bps: int = 200
    native_usd: Decimal | None = None
    max_fee_gwei: float = 500.0
    timeout: float = 90.0
    journal: Path | None = None
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False


def run(options: Options) -> int:
    """The whole command; every expected failure becomes a line on stderr and an exit code."""
    from plimsoll.deployment.manifest import ManifestError

    try:
        return _run(options)
    except (ManifestError, Usage) as exc:
        return fail(USAGE, exc)
    except (RpcUnavailable, RpcError) as exc:
        return fail(UNAVAILABLE, exc)
    except JournalBusy as exc:
        return fail(REFUSED, exc)
    except KeyboardInterrupt:
        note("stopped")
        return INTERRUPTED


def _run(options: Options) -> int:
    with _liquidator(options) as keeper:
        if options.once:
            done = keeper.run_once()
            _report(done, options)
            return FAILED if done.failed else OK
        return _loop(keeper, options)


def _loop(keeper: Liquidator, options: Options) -> int:
    """Passes until stopped; a node that fails RETRIES passes in a row ends it with 3."""
    signal.signal(signal.SIGTERM, _interrupt)
    failures = 0
    while True:
        started = time.monotonic()
        try:
            _report(keeper.run_once(), options)
            failures = 0
        except (RpcUnavailable, RpcError) as exc:
            failures += 1
            note(f"pass failed ({failures} of {RETRIES}): {exc}")
            if failures >= RETRIES:
                return UNAVAILABLE
        time.sleep(max(0.0, options.interval - (time.monotonic() - started)))


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _report(done: Pass, options: Options) -> None:
    if options.as_json:
        print(json.dumps(done.record()), flush=True)
        return
    mined = sum(one.status == "mined" for one in done.outcomes)
    print(
        f"block {done.block}: {done.accounts} accounts scanned in {done.scan_seconds:.2f} s, "
        f"{len(done.decisions)} decisions, {mined} transactions mined of {len(done.outcomes)}",
        flush=True,
    )


@contextmanager
def _liquidator(options: Options) -> Iterator[Liquidator]:
    """Everything wired together; files and connections closed at the end."""
    from plimsoll.deployment.manifest import Manifest
    from plimsoll.keepers.decisions import ONE, Policy
    from plimsoll.keepers.facts import Native
    from plimsoll.keepers.node import Node
    from plimsoll.keepers.outbox import Outbox
    from plimsoll.localnet.rpc import Rpc
    from plimsoll.units import quote_units, ticks, to_units

    manifest = Manifest.load(options.manifest)
    policy = Policy(
        min_profit=quote_units(options.min_profit),
        max_unpaid=quote_units(options.max_unpaid),
        max_fraction=to_units(options.max_fraction, -18),
        hedge_bps=options.hedge_bps,
        impact_bps=options.impact_bps,
        legs=options.legs,
        flow_bps=options.flow_bps,
    )
    if not 0 <= policy.flow_bps < 10_000:
        raise Usage(f"--flow-bps: expected 0 to 9,999, got {options.flow_bps}")
    if not 0 < policy.max_fraction <= ONE:
        raise Usage(f"--max-fraction: expected above 0 and at most 1, got {options.max_fraction}")
    with network(options.rpc, options.network) as url:
        rpc = Rpc(url)
        check_chain(rpc.chain_id(), manifest.chain_id)
        signer = None if options.dry_run else sender(options.account, options.network)
        address = signer.address if signer is not None else ""
        bidder = _bidder(options.bidder, address)
        native = Native(ticks=ticks(options.native_usd)) if options.native_usd else None
        if native is None:
            feeds = {feed.name: feed.id for feed in manifest.settings().oracle.feeds}
            if NATIVE_FEED not in feeds:
                raise Usage(f"no feed {NATIVE_FEED} prices gas here; pass --native-usd")
            native = Native(feed=feeds[NATIVE_FEED])
        engine = manifest.addresses()["MarginEngine"]
        journal = Journal(
            _journal_path(options, manifest.chain_id, engine, address), engine, manifest.block
        )
        say = note if not options.quiet else (lambda text: None)
        node = Node(rpc, manifest.addresses())
        outbox = None
        if signer is not None:
            # Half the time to be mined, and half again with higher fees.
            half = options.timeout / 2
            outbox = Outbox(node, signer, options.max_fee_gwei, half, log=journal)
            _check_bidder(node, bidder, address)
        try:
            yield Liquidator(
                node,
                journal,
                native,
                policy,
                outbox,
                bidder,
                say=(lambda text: print(text, flush=True))
                if not (options.as_json or options.quiet)
                else (lambda text: None),
                progress=say,
            )
        finally:
            journal.close()
            rpc.close()


def _journal_path(options: Options, chain_id: int, engine: str, address: str) -> Path | None:
    """Per deployment and sender, so that keepers with different keys may share a machine."""
    if options.dry_run and options.journal is None:
        return None
    return options.journal or JOURNALS / f"{chain_id}-{engine}-{address}.sqlite"


def _bidder(text: str | None, address: str) -> int | None:
    """The account that takes slices: `OWNER:INDEX`, an id in hex, or the sender's account 0."""
    if text is None:
        return int(address, 16) << 96 if address else None
    owner, colon, index = text.partition(":")
    try:
        number = int(owner, 16)
        if colon or len(owner) <= 42:
            number = number << 96 | int(index or "0")
    except ValueError as exc:
        raise Usage(
            f"--bidder: expected OWNER:INDEX or an account id in hex, got {text!r}"
        ) from exc
    return number


def _check_bidder(node: Any, bidder: int | None, address: str) -> None:
    if bidder is None or bidder >> 96 == int(address, 16):
        return
    if not node.view("MarginEngine", "may_trade", bidder, address):
        raise Usage(
            f"--bidder: {address} may not trade for this account; its owner makes it an operator "
            "with set_operator, or use your own account"
        )
