"""Anvil processes: found, started on a free port, waited for, and stopped by pid.

The port is chosen by the kernel (`--port 0`) and read from the process's own "Listening on"
line, so the server talked to cannot be somebody else's: nothing is guessed, nothing collides.
"""

from __future__ import annotations

import atexit
import re
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType

from plimsoll.localnet.errors import AnvilFailed, AnvilNotFound, RpcUnavailable
from plimsoll.localnet.paths import node_modules_candidates
from plimsoll.localnet.rpc import Rpc, redact

DEV_MNEMONIC = "test test test test test test test test test test test junk"
STOP_TIMEOUT = 20.0  # seconds; a dump of the state is written in this time
STDERR_TAIL = 2_000  # characters of stderr quoted in an error
_LISTENING = re.compile(r"Listening on (\S+):(\d+)\s")


@dataclass(frozen=True)
class AnvilOptions:
    """Settings of one Anvil process; None leaves Anvil's own default.

    Units: `balance_eth` whole ether, `timestamp` unix seconds, `block_time` and
    `timestamp_interval` seconds, `base_fee` wei, `gas_limit` gas.
    """

    chain_id: int | None = None
    accounts: int = 10  # 0: no unlocked keys, like a public network
    balance_eth: int = 1_000_000  # set on forks too, over what the forked state says
    mnemonic: str = DEV_MNEMONIC
    hardfork: str = "prague"  # Vyper 0.4.3's target; Anvil's default is newer
    timestamp: int | None = None  # of the genesis block
    block_time: float | None = None  # mine every so often instead of per transaction
    no_mining: bool = False  # mine only on evm_mine
    timestamp_interval: int | None = None  # each block's time is its parent's plus this
    base_fee: int | None = None
    gas_limit: int | None = None  # of a block
    code_size_limit: bool = True  # EIP-170; False lifts it
    fork_url: str | None = None
    fork_block: int | None = None
    fork_cache: bool = False  # Anvil's disk cache of forked storage, keyed by chain and block only
    load_state: Path | None = None
    dump_state: Path | None = None  # written when the process is stopped
    preserve_historical_states: bool = True  # without it a loaded chain cannot serve older blocks
    steps_tracing: bool = False
    auto_impersonate: bool = False
    port: int = 0  # 0: a free one
    log_requests: bool = False
    extra_args: tuple[str, ...] = field(default=())

    def arguments(self) -> list[str]:
        """The command line, without the binary."""
        pairs: list[tuple[str, object | None]] = [
            ("--host", "127.0.0.1"),
            ("--port", self.port),
            ("--accounts", self.accounts),
            ("--balance", self.balance_eth),
            ("--mnemonic", self.mnemonic),
            ("--hardfork", self.hardfork),
            ("--chain-id", self.chain_id),
            ("--timestamp", self.timestamp),
            ("--block-time", self.block_time),
            ("--block-base-fee-per-gas", self.base_fee),
            ("--gas-limit", self.gas_limit),
            ("--fork-url", self.fork_url),
            ("--fork-block-number", self.fork_block),
            ("--load-state", self.load_state),
            ("--dump-state", self.dump_state),
        ]
        flags = [
            ("--no-mining", self.no_mining),
            ("--disable-code-size-limit", not self.code_size_limit),
            ("--no-storage-caching", self.fork_url is not None and not self.fork_cache),
            ("--preserve-historical-states", self._touches_state()),
            ("--steps-tracing", self.steps_tracing),
            ("--auto-impersonate", self.auto_impersonate),
        ]
        line = [text for name, value in pairs if value is not None for text in (name, str(value))]
        line += [name for name, wanted in flags if wanted]
        return [*line, *self.extra_args]

    def _touches_state(self) -> bool:
        stateful = self.load_state is not None or self.dump_state is not None
        return stateful and self.preserve_historical_states


def find_anvil() -> Path:
    """The Anvil binary: PATH first, then node_modules of the project (or PLIMSOLL_NODE_MODULES).

    npm's `anvil` is a Node wrapper that starts the real one as its child; the native binary
    beside it is returned instead, so that the pid we hold is Anvil's own.
    """
    tried: list[str] = ["PATH"]
    found = shutil.which("anvil")
    if found is not None:
        return _native(Path(found))
    for modules in node_modules_candidates():
        wrapper = modules / ".bin" / "anvil"
        tried.append(str(wrapper))
        if wrapper.exists():
            return _native(wrapper)
    raise AnvilNotFound(
        f"expected an anvil binary, got none in {', '.join(tried)}; run `make env-demo` or "
        "`npm install @foundry-rs/anvil@1.7.1`, or put anvil on PATH"
    )


def _native(binary: Path) -> Path:
    real = binary.resolve()
    if real.name != "bin.mjs":
        return binary
    names = sorted(real.parent.parent.glob("anvil-*/bin/anvil*"))
    if names:
        return names[0]
    raise AnvilNotFound(
        f"expected the platform's binary package beside {real.parent}, got none; npm skipped it as "
        "optional: run the npm install again on this machine"
    )


def anvil_version(binary: Path) -> str:
    """First line of `anvil --version`, for example "anvil Version: 1.7.1"."""
    reply = subprocess.run(
        [binary, "--version"], capture_output=True, text=True, timeout=30, check=False
    )
    if reply.returncode != 0 or not reply.stdout:
        raise AnvilFailed(f"{binary} --version failed: {reply.stderr[-STDERR_TAIL:]}")
    return reply.stdout.splitlines()[0].strip()


def _end_with_parent() -> list[str]:
    """Command prefix by which Linux ends the process when this one dies, even by SIGKILL.

    Linux watches the starting thread, so it is only used from the main one. `setpriv`
    (util-linux) becomes the process it starts, so the pid stays Anvil's.
    """
    if threading.current_thread() is not threading.main_thread():
        return []
    return list(_setpriv())


@cache
def _setpriv() -> tuple[str, ...]:
    found = shutil.which("setpriv")
    if found is None:
        return ()
    prefix = (found, "--pdeathsig", "SIGTERM")
    tried = subprocess.run([*prefix, "true"], capture_output=True, timeout=30, check=False)
    return prefix if tried.returncode == 0 else ()


class Anvil:
    """One running Anvil; a context manager that stops it.

    `url`, `port` and `pid` are valid after `start`; `rpc` is a ready client. Stopping sends
    SIGTERM to that pid alone, waits (the state dump is written then), and kills it if need be.
    """

    def __init__(self, options: AnvilOptions | None = None, binary: Path | None = None) -> None:
        self.options = options or AnvilOptions()
        self.binary = binary
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._rpc: Rpc | None = None

    def __enter__(self) -> Anvil:
        return self if self._process is not None else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Address of the server, "http://127.0.0.1:<port>"."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id while running."""
        return self._process.pid if self._process is not None else None

    @property
    def rpc(self) -> Rpc:
        """A client of this server; AnvilFailed when it is not running."""
        if self._rpc is None:
            raise AnvilFailed("expected a started Anvil, got one that is not running; call start()")
        return self._rpc

    def start(self, timeout: float | None = None) -> Anvil:
        """Start and wait until it answers; `timeout` in seconds (default 30, forks 120)."""
        if self._process is not None:
            raise AnvilFailed(f"this Anvil already runs as pid {self.pid}")
        limit = timeout or (30.0 if self.options.fork_url is None else 120.0)
        self._launch()
        try:
            self.port = self._wait_listening(time.monotonic() + limit, limit)
            self._rpc = Rpc(self.url, timeout=120.0)
            self._check_own()
            self._configure()
        except BaseException:
            self.stop()
            raise
        return self

    def _launch(self) -> None:
        binary = self.binary or find_anvil()
        self._folder = tempfile.TemporaryDirectory(prefix="plimsoll-anvil-")
        home = Path(self._folder.name)
        command = [str(binary), *self.options.arguments(), "--cache-path", str(home / "states")]
        with open(home / "stdout", "wb") as out, open(home / "stderr", "wb") as err:
            try:
                self._process = subprocess.Popen(
                    _end_with_parent() + command, stdin=subprocess.DEVNULL, stdout=out, stderr=err
                )
            except OSError as error:
                self._clean()
                raise AnvilFailed(f"cannot run {binary}: {error}") from error
        atexit.register(self.stop)

    def _wait_listening(self, deadline: float, limit: float) -> int:
        pause = 0.005
        while True:
            match = _LISTENING.search(self._text("stdout"))
            if match is not None:
                return int(match.group(2))
            self._check_alive()
            if time.monotonic() > deadline:
                raise AnvilFailed(
                    f"expected Anvil to listen within {limit:g} s, got nothing; "
                    f"stderr: {self.stderr() or '(empty)'}"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def _check_own(self) -> None:
        """The server at the port must be an Anvil with our chain id, and our process alive."""
        try:
            info = self.rpc.call("anvil_nodeInfo")
        except RpcUnavailable:
            self._check_alive()
            raise
        self._check_alive()
        got = int(info["environment"]["chainId"])
        if self.options.chain_id is not None and got != self.options.chain_id:
            raise AnvilFailed(
                f"expected chain id {self.options.chain_id} at {self.url}, got {got}; "
                "another server answers there"
            )

    def _configure(self) -> None:
        if not self.options.log_requests:
            self.rpc.call("anvil_setLoggingEnabled", False)  # else stdout grows with every call
        if self.options.timestamp_interval is not None:
            self.rpc.call("anvil_setBlockTimestampInterval", self.options.timestamp_interval)

    def _check_alive(self) -> None:
        if self._process is None:
            return
        code = self._process.poll()
        if code is not None:
            raise AnvilFailed(
                f"Anvil ended with code {code} while starting: {self.stderr() or '(no stderr)'}"
            )

    def _text(self, name: str) -> str:
        if self._folder is None:
            return ""
        return (Path(self._folder.name) / name).read_text(encoding="utf-8", errors="replace")

    def stderr(self) -> str:
        """The end of what the process wrote to stderr, without the forked node's access key."""
        text = self._text("stderr").strip()[-STDERR_TAIL:]
        url = self.options.fork_url
        return text if url is None else text.replace(url, redact(url))

    def stop(self) -> None:
        """Stop this process (no other), writing the state dump if one was asked for."""
        process, self._process = self._process, None
        if self._rpc is not None:
            self._rpc.close()
            self._rpc = None
        if process is not None:
            atexit.unregister(self.stop)
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._clean()

    def _clean(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    # -- the clock and the chain ---------------------------------------------------------------

    def mine(self, blocks: int = 1, timestamp: int | None = None) -> None:
        """Mine `blocks` empty blocks, the first at `timestamp` (unix seconds) when given."""
        if timestamp is not None:
            self.rpc.call("evm_setNextBlockTimestamp", timestamp)
        for _ in range(blocks):
            self.rpc.call("evm_mine")

    def snapshot(self) -> str:
        """A snapshot id for `revert`."""
        return str(self.rpc.call("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """Return to a snapshot (which is spent by it)."""
        if not self.rpc.call("evm_revert", snapshot):
            raise AnvilFailed(f"expected a live snapshot, got {snapshot}")
