"""Measure the machines behind `plimsoll.evm` beside titanoboa and Anvil, in one run.

    python tools/bench_evm.py [--anvil PATH] [--seconds 1.0] [--json]

Each cell is steps per second; the second table is the ratio to Anvil over raw JSON-RPC. A machine
that is not installed is left out. Machines share whatever else runs here: trust the ratios.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from plimsoll.compiler import compile_path  # noqa: E402
from plimsoll.evm import Contract, Evm, Unsupported  # noqa: E402

SOURCE = ROOT / "tests" / "unit" / "evm_sources" / "EvmProbe.vy"
SPIN_ROUNDS = 5_000  # 0.36 million gas
SLOTS = 1_000  # storage words written before the measurement, as a small market would have
Jobs = dict[str, Callable[[int], Any]]


def rate(job: Callable[[int], Any], seconds: float) -> float:
    """Calls of `job(i)` per second, after one warm-up call."""
    job(0)
    done = 0
    started = time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        done += 1
        job(done)
    return done / spent


def evm_jobs(backend: str, record: bool) -> Jobs:
    """Jobs on one of our own machines."""
    evm = Evm(backend, record=record)
    probe = evm.deploy(compile_path(SOURCE), 7)
    spin, failing = probe.pack("spin", SPIN_ROUNDS), probe.pack("fail_with", 1)
    slots = SLOTS if backend != "py-evm" else 100
    for key in range(slots):
        evm.transact(probe, probe.pack("put", key, 1))

    def timed(i: int) -> None:
        evm.advance(12)
        evm.transact(probe, probe.pack("put", 1, i + 1))

    def eventful(i: int) -> None:
        _ = evm.transact(probe, probe.pack("put", 1, i + 1)).events

    jobs: Jobs = {
        "write": lambda i: evm.transact(probe, probe.pack("put", 1, i + 1)),
        "write, abi": lambda i: evm.transact(probe, encode_put(probe, 1, i + 1)),
        "12 s + write": timed,
        "failing write": lambda i: evm.transact(probe, failing),
        "heavy view": lambda i: evm.call(probe, spin),
        "small view": lambda i: evm.call(probe, probe.pack("values", 1)),
    }
    if record:
        jobs["write + events"] = eventful
    return jobs


def encode_put(probe: Contract, key: int, amount: int) -> bytes:
    """The same calldata by way of eth-abi."""
    from eth_abi.abi import encode

    return probe.put.selectors["put(uint256,int256)"] + encode(["uint256", "int256"], [key, amount])


def boa_jobs() -> Jobs:
    """Jobs on titanoboa's contract interface."""
    import boa

    probe = boa.load(str(SOURCE), 7)

    def failing(_: int) -> None:
        with boa.reverts():
            probe.fail_with(1)

    def timed(i: int) -> None:
        boa.env.time_travel(seconds=12)
        probe.put(1, i + 1)

    return {
        "write": lambda i: probe.put(1, i + 1),
        "12 s + write": timed,
        "failing write": failing,
        "heavy view": lambda i: probe.spin(SPIN_ROUNDS),
        "small view": lambda i: probe.values(1),
        "write + events": lambda i: (probe.put(1, i + 1), probe.get_logs()),
    }


@contextmanager
def anvil(binary: str) -> Iterator[Callable[[str, list[Any]], Any]]:
    """A fresh Anvil on a free local port; yields `rpc(method, params)` over one connection."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [binary, "--port", str(port), "--hardfork", "prague", "--silent"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    link = HTTPConnection("127.0.0.1", port, timeout=20)

    def rpc(method: str, params: list[Any]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        link.request("POST", "/", body, {"Content-Type": "application/json"})
        return json.loads(link.getresponse().read()).get("result")

    try:
        for _ in range(100):
            try:
                rpc("eth_chainId", [])
                break
            except OSError:
                link.close()
                time.sleep(0.05)
        yield rpc
    finally:
        process.terminate()
        process.wait(10)


def anvil_jobs(rpc: Callable[[str, list[Any]], Any]) -> Jobs:
    """Jobs over raw JSON-RPC, auto-mined, receipt read for writes."""
    artifact = compile_path(SOURCE)
    sender = rpc("eth_accounts", [])[0]
    initcode = "0x" + (artifact.initcode + (7).to_bytes(32, "big")).hex()

    def send(data: str, to: str | None = None) -> Any:
        tx = {"from": sender, "data": data, "gas": hex(3_000_000), **({"to": to} if to else {})}
        digest = rpc("eth_sendTransaction", [tx])
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:  # the receipt may lag behind the auto-mined send
            if (receipt := rpc("eth_getTransactionReceipt", [digest])) is not None:
                return receipt
            time.sleep(0.0005)
        raise TimeoutError(f"no receipt for {digest}")

    to = send(initcode)["contractAddress"]
    shape = Evm().at(artifact, to)

    def write(i: int) -> Any:
        return send("0x" + shape.pack("put", 1, i + 1).hex(), to)

    def timed(i: int) -> None:
        rpc("evm_increaseTime", [12])
        write(i)

    def view(*call: Any) -> Any:
        return rpc("eth_call", [{"to": to, "data": "0x" + shape.pack(*call).hex()}, "latest"])

    return {
        "write": write,
        "12 s + write": timed,
        "failing write": lambda i: send("0x" + shape.pack("fail_with", 1).hex(), to),
        "heavy view": lambda i: view("spin", SPIN_ROUNDS),
        "small view": lambda i: view("values", 1),
        "write + events": write,
    }


def measure(anvil_binary: str | None, seconds: float) -> dict[str, dict[str, float]]:
    """Machine -> job -> steps per second."""
    found: dict[str, dict[str, float]] = {}
    for title, backend, record in (
        ("verbs", "verbs", True),
        ("verbs, record off", "verbs", False),
        ("pyrevm", "pyrevm", True),
        ("py-evm", "py-evm", True),
    ):
        try:
            jobs = evm_jobs(backend, record)
        except Unsupported:
            continue
        found[title] = {name: rate(job, seconds) for name, job in jobs.items()}
    try:
        found["titanoboa"] = {name: rate(job, seconds) for name, job in boa_jobs().items()}
    except ImportError:
        print("titanoboa is not installed, left out", file=sys.stderr)
    if anvil_binary is None:
        print("no anvil found, left out; pass --anvil PATH", file=sys.stderr)
        return found
    with anvil(anvil_binary) as rpc:
        found["Anvil, raw RPC"] = {n: rate(j, seconds) for n, j in anvil_jobs(rpc).items()}
    return found


def table(found: dict[str, dict[str, float]], base: str | None) -> str:
    """A Markdown table of rates, or of ratios to the machine `base`."""
    jobs = list(found[base] if base else next(iter(found.values())))
    corner = f"ratio to {base}" if base else "steps per second"
    lines = [f"| {corner} | " + " | ".join(jobs) + " |", "|---" * (len(jobs) + 1) + "|"]
    for title, rates in found.items():
        cells = [_cell(rates.get(job), found[base].get(job) if base else None) for job in jobs]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: float | None, base: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if base is None else f"{value / base:.3g}x"


def main() -> int:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    local = ROOT / "node_modules" / ".bin" / "anvil"
    default = str(local) if local.exists() else shutil.which("anvil")
    parser.add_argument("--anvil", default=default, help="anvil binary")
    parser.add_argument("--seconds", type=float, default=1.0, help="time per cell")
    parser.add_argument("--json", action="store_true", help="rates as JSON")
    args = parser.parse_args()
    found = measure(args.anvil, args.seconds)
    if args.json:
        print(json.dumps({"version": 1, "steps_per_second": found}, indent=2))
        return 0
    print(table(found, None))
    base = "Anvil, raw RPC"
    if base in found:
        print(f"\n{table(found, base)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
