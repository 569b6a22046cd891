"""What `ape run keeper prices` does between its options and its exit code."""

from __future__ import annotations

import fcntl
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plimsoll.console import FAILED, INTERRUPTED, OK, REFUSED, UNAVAILABLE, USAGE, fail, note
from plimsoll.keepers.access import Usage, check_chain, network, sender
from plimsoll.keepers.command import JOURNALS, RETRIES
from plimsoll.keepers.index import JournalBusy
from plimsoll.localnet.errors import RpcError, RpcUnavailable

if TYPE_CHECKING:
    from plimsoll.keepers.node import Node
    from plimsoll.keepers.outbox import Key
    from plimsoll.keepers.price_input import Input
    from plimsoll.keepers.prices import Pass, PriceKeeper
    from plimsoll.keepers.pyth_updates import Updates
    from plimsoll.keepers.report_signers import Panel, ReportSigner

FIRST_PRICES = 10.0  # seconds that --once waits for the lines of every feed


class NoPrices(RuntimeError):
    """The price input has ended."""


@dataclass(frozen=True)
class Options:
    """The command's options, see scripts/keeper.py."""

    manifest: Path
    rpc: str | None = None
    network: str | None = None
    account: str | None = None
    signers: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    prices: str | None = None
    from_feed: tuple[str, ...] = ()
    pyth_updates: str | None = None
    deviation_bps: Decimal = Decimal(25)
    heartbeat: int = 1_800
    jitter: int = 5
    pokes: bool = True
    once: bool = False
    interval: float = 6.0
    max_fee_gwei: float = 500.0
    timeout: float = 90.0
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False


def run(options: Options) -> int:
    """The whole command; every expected failure becomes a line on stderr and an exit code."""
    from plimsoll.deployment.manifest import ManifestError
    from plimsoll.keepers.price_input import InputError
    from plimsoll.oracle_status import NoAdapter

    try:
        return _run(options)
    except (ManifestError, Usage, InputError, NoAdapter) as exc:
        return fail(USAGE, exc)
    except (RpcUnavailable, RpcError, NoPrices) as exc:
        return fail(UNAVAILABLE, exc)
    except JournalBusy as exc:
        return fail(REFUSED, exc)
    except KeyboardInterrupt:
        note("stopped")
        return INTERRUPTED


def _run(options: Options) -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    with _keeper(options) as keeper:
        left = keeper.adopt()
        if left:
            note(f"{left} transaction(s) of an earlier run are still pending")
        return _once(keeper, options) if options.once else _loop(keeper, options)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _once(keeper: PriceKeeper, options: Options) -> int:
    """One pass, and a second where a transaction is stuck for half the time it has."""
    done = keeper.run_once()
    keeper.wait(done, options.timeout / 2)
    if keeper.outbox is not None and keeper.outbox.flights:
        again = keeper.run_once()
        keeper.wait(again, options.timeout / 2)
        again.landed[:0] = done.landed
        done = again
    _report(done, options)
    if done.failed:
        return FAILED
    return UNAVAILABLE if done.unfed else OK


def _loop(keeper: PriceKeeper, options: Options) -> int:
    """Passes until stopped; a node that fails RETRIES passes in a row ends it with 3."""
    keeper.hurry = False
    failures = 0
    while True:
        started = time.monotonic()
        try:
            done = keeper.run_once()
            keeper.wait(done, max(0.0, options.interval - (time.monotonic() - started)))
            _report(done, options)
            failures = 0
        except (RpcUnavailable, RpcError) as exc:
            failures += 1
            note(f"pass failed ({failures} of {RETRIES}): {exc}")
            if failures >= RETRIES:
                return UNAVAILABLE
        if any(one is not None and one.ended for one in (keeper.prices, keeper.updates)):
            raise NoPrices("the price input has ended; start its command again")
        time.sleep(max(0.0, options.interval - (time.monotonic() - started)))


def _report(done: Pass, options: Options) -> None:
    if options.as_json:
        print(json.dumps(done.record()), flush=True)
    elif options.once or done.landed:
        mined = sum(one.status == "mined" for one in done.landed)
        print(
            f"block {done.block}: {done.feeds} feeds, "
            f"{sum(one.go for one in done.decisions)} to bring up to date, {mined} transactions "
            "mined",
            flush=True,
        )


@contextmanager
def _keeper(options: Options) -> Iterator[PriceKeeper]:
    """Everything wired together; connections and the lock closed at the end."""
    from plimsoll.deployment.manifest import Manifest
    from plimsoll.keepers.node import Node
    from plimsoll.keepers.outbox import Outbox
    from plimsoll.keepers.price_rules import Triggers
    from plimsoll.keepers.prices import PriceKeeper
    from plimsoll.keepers.report_signers import load_signers
    from plimsoll.localnet.rpc import Rpc
    from plimsoll.oracle_command import feed_names

    _check(options)
    manifest = Manifest.load(options.manifest)
    names = feed_names(manifest, options.feeds)
    triggers = Triggers(
        options.deviation_bps, options.heartbeat, options.jitter, _lead(options.interval)
    )
    with network(options.rpc, options.network) as url:
        rpc = Rpc(url)
        try:
            check_chain(rpc.chain_id(), manifest.chain_id)
            node = Node(rpc, manifest.addresses())
            signers = load_signers(options.signers)
            panels = _panels(node, names, signers, triggers)
            wanted = {feed for feed, _ in panels}
            prices = _input(options, node, names, wanted)
            updates = _updates(options, names)
            outbox = None
            account = None if options.dry_run else sender(options.account, options.network)
            if account is not None:
                half = options.timeout / 2
                outbox = Outbox(node, account, options.max_fee_gwei, half * 0.9)
            _check_purpose(options, panels, prices)
            with _lock(manifest.chain_id, account.address if account is not None else None):
                yield PriceKeeper(
                    node,
                    names,
                    triggers,
                    panels,
                    prices,
                    outbox,
                    options.pokes,
                    updates,
                    say=_speaker(options),
                    progress=(lambda text: None) if options.quiet else note,
                )
        finally:
            rpc.close()


def _lead(interval: float) -> int:
    """Seconds before expiry at which something is renewed in any case: some passes and blocks."""
    return max(60, int(5 * interval))


def _speaker(options: Options) -> Callable[[str], None]:
    if options.as_json or options.quiet:
        return lambda text: None
    return lambda text: print(text, flush=True)


def _check(options: Options) -> None:
    if options.prices is not None and options.from_feed:
        raise Usage("expected one input, got both --prices and --from-feed")
    if options.prices == options.pyth_updates == "-":
        raise Usage("expected one input on stdin, got both --prices - and --pyth-updates -")
    if options.deviation_bps < 0 or options.heartbeat < 1 or options.jitter < 0:
        raise Usage("--deviation-bps, --heartbeat, --jitter: expected no negative number")
    if options.jitter >= options.heartbeat:
        raise Usage(f"--jitter: expected less than the heartbeat, got {options.jitter} s")


def _check_purpose(options: Options, panels: dict[Key, Panel], prices: Input | None) -> None:
    if prices is not None and not panels and not options.dry_run:
        raise Usage(
            "prices are given but nobody to sign them: pass --signer ALIAS of a member of the "
            "feeds' signer sets, or keys in PLIMSOLL_REPORT_KEYS"
        )
    if panels and prices is None:
        raise Usage("signers are given but no prices: pass --prices FILE, --prices -, --from-feed")
    if prices is None and options.pyth_updates is None and not options.pokes:
        raise Usage("nothing to do: no prices, no updates, and --no-pokes")


def _panels(
    node: Node, names: dict[int, str], signers: Sequence[ReportSigner], triggers: Any
) -> dict[Key, Panel]:
    """Who signs for which source of signed reports. `Usage` where they are members, but too few."""
    from plimsoll.keepers.node import View
    from plimsoll.keepers.price_rules import warnings
    from plimsoll.keepers.report_signers import choose
    from plimsoll.oracle_status import ADAPTER, read_oracle

    if not signers:
        return {}
    feeds = read_oracle(node, names, pokes=False).feeds
    lines = [(feed, source) for feed in feeds for source in feed.sources if source.word.signed]
    member = node.views(
        [
            View(ADAPTER, "is_signer", (source.word.target, signer.address))
            for _, source in lines
            for signer in signers
        ]
    )
    found: dict[Key, Panel] = {}
    for number, (feed, source) in enumerate(lines):
        mine = member[number * len(signers) : (number + 1) * len(signers)]
        panel = choose(signers, mine, source.word.threshold)
        if panel is not None:
            found[feed.id, source.index] = panel
        elif any(mine):
            raise Usage(
                f"{feed.name} source {source.index}: signer set {source.word.target} needs "
                f"{source.word.threshold} signatures, of the {len(signers)} signers given "
                f"{sum(mine)} are members"
            )
    if not found:
        addresses = ", ".join(one.address for one in signers)
        raise Usage(f"none of the signers ({addresses}) is a member of a signer set of these feeds")
    for feed in feeds:
        if any(key[0] == feed.id for key in found):
            for text in warnings(feed, triggers):
                note(f"warning: {text}")
    return found


def _input(options: Options, node: Node, names: dict[int, str], wanted: set[int]) -> Input | None:
    from plimsoll.keepers.price_input import ChainInput, FileInput, LineInput

    ids = {name: feed for feed, name in names.items()}
    if options.from_feed:
        return ChainInput(node, dict(_origin(text, ids) for text in options.from_feed), note)
    if options.prices is None:
        return None
    if options.prices != "-":
        return FileInput(Path(options.prices), ids, note)
    lines = LineInput(sys.stdin, ids, note)
    if options.once:
        lines.wait(wanted, FIRST_PRICES)
    return lines


def _updates(options: Options, names: dict[int, str]) -> Updates | None:
    from plimsoll.keepers.pyth_updates import UpdateFile, UpdateLines

    ids = {name: feed for feed, name in names.items()}
    if options.pyth_updates is None:
        return None
    if options.pyth_updates != "-":
        return UpdateFile(Path(options.pyth_updates), ids, note)
    lines = UpdateLines(sys.stdin, ids, note)
    if options.once:
        lines.wait(FIRST_PRICES)
    return lines


def _origin(text: str, ids: dict[str, int]) -> tuple[int, str | int]:
    """`FEED=ADDRESS` or `FEED=OTHER FEED`."""
    name, equals, origin = text.partition("=")
    known = ", ".join(sorted(ids))
    if not equals or name not in ids:
        raise Usage(f"--from-feed: expected FEED=ADDRESS or FEED=FEED of {known}, got {text!r}")
    if origin in ids:
        return ids[name], ids[origin]
    if origin.isdecimal():
        return ids[name], int(origin)
    try:
        if len(origin) != 42 or not origin.startswith("0x"):
            raise ValueError
        int(origin, 16)
    except ValueError as exc:
        raise Usage(f"--from-feed: expected an address or a feed, got {origin!r}") from exc
    return ids[name], origin


@contextmanager
def _lock(chain_id: int, address: str | None) -> Iterator[None]:
    """One process per sender on a machine: two would fight over its nonces."""
    if address is None:
        yield
        return
    JOURNALS.mkdir(parents=True, exist_ok=True)
    path = JOURNALS / f"prices-{chain_id}-{address}.lock"
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise JournalBusy(
                f"{path}: another price keeper sends from {address}; stop it or use another account"
            ) from exc
        yield
