"""The origin chain: an Anvil whose state is built once, dumped, and reloaded from then on.

The dump lies in `.cache/origin/<key>/`; the key covers the npm packages' versions, Anvil's
version, the configuration and this package's own source, so a stale dump is never loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any

from eth_utils.crypto import keccak

from plimsoll.localnet.anvil import (
    DEV_MNEMONIC,
    Anvil,
    AnvilOptions,
    anvil_version,
    find_anvil,
)
from plimsoll.localnet.artifacts import NodeModules, node_modules
from plimsoll.localnet.builder import (
    Extra,
    Progress,
    Surroundings,
    build_surroundings,
    silent,
)
from plimsoll.localnet.errors import AnvilFailed, LocalnetError
from plimsoll.localnet.paths import cache_root
from plimsoll.localnet.pool import Pool
from plimsoll.localnet.rpc import Rpc
from plimsoll.localnet.tx import Account, Sender, dev_accounts

# 2015-07-31 00:00 UTC, older than any file of ether prices: a replay may start at its own time.
GENESIS_TIMESTAMP = 1_438_300_800
BLOCK_INTERVAL = 12  # seconds between blocks while building
SAFE_OWNERS = 3
KEPT_ENTRIES = 6  # of the cache, the latest; one is about 10 MB
_SCRATCH = "building-"
FORMAT = 1  # of the cache folder's files


@dataclass(frozen=True)
class OriginConfig:
    """What distinguishes one origin chain from another; units as in Surroundings.

    Accounts come from Anvil's public development mnemonic: the first deploys and keeps the
    undistributed dollars, the next three own the Safe, the rest are free; all are funded.
    """

    chain_id: int = 31_337
    timestamp: int = GENESIS_TIMESTAMP  # unix seconds of the genesis block
    accounts: int = 10
    balance_eth: int = 1_000_000
    price_usd: Decimal = Decimal(2_000)
    liquidity_usd: Decimal = Decimal(40_000_000)
    pool_fee: int = 3_000
    usd_each: Decimal = Decimal(100_000_000)
    extras: tuple[Extra, ...] = field(default=())

    def plan(self, accounts: tuple[Account, ...]) -> Surroundings:
        """What the builder is asked for."""
        return Surroundings(
            price_usd=self.price_usd,
            liquidity_usd=self.liquidity_usd,
            pool_fee=self.pool_fee,
            safe_owners=tuple(one.address for one in accounts[1 : 1 + SAFE_OWNERS]),
            fund=tuple(one.address for one in accounts),
            usd_each=self.usd_each,
            extras=self.extras,
        )


@dataclass
class Origin:
    """A running origin chain; a context manager that stops its Anvil.

    `block` and `timestamp` are those of the last built block; `from_cache` says whether the
    state was reloaded, `seconds` how long the start took.
    """

    url: str
    chain_id: int
    addresses: Mapping[str, str]
    accounts: tuple[Account, ...]
    block: int
    timestamp: int
    from_cache: bool
    seconds: float
    anvil: Anvil = field(repr=False, compare=False)

    @property
    def rpc(self) -> Rpc:
        """A client of the chain."""
        return self.anvil.rpc

    @property
    def deployer(self) -> Account:
        """Who deployed the parts and holds the undistributed dollars."""
        return self.accounts[0]

    @property
    def safe_owners(self) -> tuple[Account, ...]:
        """The Safe's three owners."""
        return self.accounts[1 : 1 + SAFE_OWNERS]

    @property
    def pool(self) -> Pool:
        """The WETH/dollar pool."""
        return Pool.of(self.rpc, self.addresses)

    def sender(self, account: Account | int) -> Sender:
        """A sender for an account, or for the account of that index."""
        chosen = self.accounts[account] if isinstance(account, int) else account
        return Sender(self.rpc, chosen)

    def close(self) -> None:
        """Stop the chain."""
        self.anvil.stop()

    def __enter__(self) -> Origin:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def start_origin(
    config: OriginConfig | None = None,
    *,
    progress: Progress = silent,
    cache: Path | None = None,
) -> Origin:
    """A running origin chain, reloaded when its state is cached, else built and cached.

    `cache` is the folder that holds `origin/` (default: the project's `.cache`). A damaged
    entry is rebuilt. Errors: AnvilNotFound, AnvilFailed, PartMissing (all exit code 3).
    """
    started = time.monotonic()
    wanted = config or OriginConfig()
    if wanted.accounts < 1 + SAFE_OWNERS:
        raise LocalnetError(f"expected at least {1 + SAFE_OWNERS} accounts, got {wanted.accounts}")
    binary, modules = find_anvil(), node_modules()
    folder = (cache or cache_root()) / "origin" / cache_key(wanted, modules, anvil_version(binary))
    reused = _is_entry(folder)
    if reused:
        try:
            return _load(wanted, binary, folder, started, from_cache=True)
        except (AnvilFailed, _Damaged) as error:
            progress(f"origin: cached state is unusable, building again ({error})")
            shutil.rmtree(folder, ignore_errors=True)
    _build(wanted, binary, modules, folder, progress)
    origin = _load(wanted, binary, folder, started, from_cache=False)
    progress(f"origin: built in {origin.seconds:.1f} s, {origin.block} blocks")
    return origin


def cache_key(config: OriginConfig, modules: NodeModules, anvil: str) -> str:
    """20 hex digits over everything the dumped state depends on."""
    fields: dict[str, Any] = asdict(config)
    fields["extras"] = [
        [one.name, hashlib.sha256(one.initcode).hexdigest()] for one in config.extras
    ]
    identity = {
        "format": FORMAT,
        "config": fields,
        "packages": modules.versions,
        "anvil": anvil,
        "source": _source_hash(),
    }
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _source_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.iterdir()):
        if path.suffix in (".py", ".sol", ".cjs"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


class _Damaged(Exception):
    """A cache entry does not hold what it says."""


def _is_entry(folder: Path) -> bool:
    return (folder / "state.json").is_file() and (folder / "origin.json").is_file()


def _options(config: OriginConfig, **more: Any) -> AnvilOptions:
    return AnvilOptions(
        chain_id=config.chain_id,
        accounts=config.accounts,
        balance_eth=config.balance_eth,
        mnemonic=DEV_MNEMONIC,
        timestamp_interval=BLOCK_INTERVAL,
        **more,
    )


def _build(
    config: OriginConfig, binary: Path, modules: NodeModules, folder: Path, progress: Progress
) -> None:
    """Build in a scratch folder beside the entry, then rename: an entry is whole or absent."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=folder.parent))
    try:
        options = _options(config, timestamp=config.timestamp, dump_state=scratch / "state.json")
        with Anvil(options, binary).start() as anvil:
            progress(f"origin: building on {anvil.url}")
            record = _build_on(anvil, config, modules, progress)
        if not (scratch / "state.json").is_file():
            raise AnvilFailed("expected Anvil to dump its state when stopped, got no file")
        (scratch / "origin.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        try:
            os.rename(scratch, folder)
        except OSError:
            if not _is_entry(folder):  # otherwise another process was first with the same entry
                raise
        _prune(folder.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _prune(entries: Path) -> None:
    """Delete all but the latest entries, and what killed builds left behind over an hour ago."""
    newest_first = sorted(entries.iterdir(), key=lambda one: one.stat().st_mtime, reverse=True)
    whole = [one for one in newest_first if _is_entry(one) and not _is_scratch(one)]
    hour_ago = time.time() - 3600
    left = [one for one in newest_first if _is_scratch(one) and one.stat().st_mtime < hour_ago]
    for old in [*whole[KEPT_ENTRIES:], *left]:
        shutil.rmtree(old, ignore_errors=True)


def _is_scratch(folder: Path) -> bool:
    return folder.name.startswith(_SCRATCH)


def _build_on(
    anvil: Anvil, config: OriginConfig, modules: NodeModules, progress: Progress
) -> dict[str, Any]:
    accounts = dev_accounts(config.accounts)
    sender = Sender(anvil.rpc, accounts[0])
    addresses = build_surroundings(sender, modules, config.plan(accounts), progress=progress)
    anvil.mine()
    return {
        "addresses": addresses,
        "block": anvil.rpc.block_number(),
        "timestamp": anvil.rpc.timestamp(),
        "code_hashes": _code_hashes(anvil.rpc, addresses),
        "keys": [[one.address, one.key] for one in accounts],
    }


def _code_hashes(rpc: Rpc, addresses: Mapping[str, str]) -> dict[str, str]:
    codes = rpc.batch([("eth_getCode", [one, "latest"]) for one in addresses.values()])
    return {name: keccak(hexstr=code).hex() for name, code in zip(addresses, codes, strict=True)}


def _load(
    config: OriginConfig, binary: Path, folder: Path, started: float, from_cache: bool
) -> Origin:
    try:
        record = json.loads((folder / "origin.json").read_text(encoding="utf-8"))
        addresses: dict[str, str] = record["addresses"]
        accounts = tuple(Account(address, key) for address, key in record["keys"])
        block, timestamp = int(record["block"]), int(record["timestamp"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _Damaged(f"{folder.name}/origin.json: {error}") from error
    # Without a timestamp a reloaded chain's next block would be at the wall clock's time.
    options = _options(config, load_state=folder / "state.json", timestamp=timestamp)
    anvil = Anvil(options, binary).start()
    try:
        if anvil.rpc.block_number() != block:
            raise _Damaged(f"expected block {block}, got {anvil.rpc.block_number()}")
        if _code_hashes(anvil.rpc, addresses) != record["code_hashes"]:
            raise _Damaged("the code at a recorded address differs")
    except BaseException:
        anvil.stop()
        raise
    return Origin(
        url=anvil.url,
        chain_id=config.chain_id,
        addresses=addresses,
        accounts=accounts,
        block=block,
        timestamp=timestamp,
        from_cache=from_cache,
        seconds=time.monotonic() - started,
        anvil=anvil,
    )
