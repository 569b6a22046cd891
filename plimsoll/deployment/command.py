"""What `ape run deploy` does between its options and its exit code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from plimsoll.console import FAILED, INTERRUPTED, OK, REFUSED, UNAVAILABLE, USAGE, fail, note
from plimsoll.deployment.chain import CallReverted, ChainError
from plimsoll.deployment.config import ConfigError, Deployment, load_config
from plimsoll.deployment.execute import Done, NotReady, StepFailed
from plimsoll.deployment.manifest import ManifestError
from plimsoll.deployment.plan import Plan, PlanError
from plimsoll.deployment.rpc import (
    ApeSigner,
    Fees,
    LocalSigner,
    Patience,
    Signer,
    Web3Chain,
    short,
)
from plimsoll.deployment.session import PlanChanged, Session, prepare
from plimsoll.deployment.verify import Finding, failures

KEY_VARIABLE = "PLIMSOLL_DEPLOYER_KEY"
# Networks whose money is not money. Whatever is not listed here counts as a real one.
TESTNETS = {
    1337: "local",
    31337: "local",
    11155111: "Sepolia",
    17000: "Holesky",
    560048: "Hoodi",
    11155420: "OP Sepolia",
    84532: "Base Sepolia",
    421614: "Arbitrum Sepolia",
    534351: "Scroll Sepolia",
    59141: "Linea Sepolia",
    80002: "Polygon Amoy",
    43113: "Avalanche Fuji",
    10200: "Gnosis Chiado",
    97: "BNB testnet",
}


class Refused(RuntimeError):
    """A safety guard says no."""


class Usage(ValueError):
    """The options do not make sense."""


@dataclass(frozen=True)
class Options:
    """The command's options, see scripts/deploy.py."""

    config: str
    network: str | None = None
    account: str | None = None
    manifest: Path | None = None
    overrides: tuple[str, ...] = ()
    dry_run: bool = False
    verify_only: bool = False
    yes: bool = False
    mainnet: bool = False
    max_fee_gwei: float = 500.0
    tip_gwei: float | None = None
    timeout: float = 120.0
    confirmations: int = 1
    as_json: bool = False
    quiet: bool = False


def run(options: Options) -> int:
    """The whole command; every expected failure becomes a line on stderr and an exit code."""
    try:
        return _run(options)
    except (ConfigError, PlanError, ManifestError, Usage) as exc:
        return fail(USAGE, exc)
    except (ChainError, NotReady) as exc:
        return fail(UNAVAILABLE, exc)
    except (Refused, PlanChanged) as exc:
        return fail(REFUSED, exc)
    except (StepFailed, CallReverted) as exc:
        return fail(FAILED, exc)
    except KeyboardInterrupt:
        note("interrupted; run the same command again to go on")
        return INTERRUPTED


def _run(options: Options) -> int:
    config = _config(options)
    _guard(config.chain_id, options.mainnet)
    result = sys.stdout
    with redirect_stdout(sys.stderr), _chain(options) as chain:  # ape logs to stdout
        _guard(chain.chain_id, options.mainnet)
        session = prepare(config, chain, options.manifest)
        if options.verify_only:
            return _finish(options, session, session.check(chain), result)
        if options.dry_run:
            _print_plan(session, chain, options, result)
            return OK
        if not options.quiet:
            _print_plan(session, chain, replace(options, as_json=False), sys.stderr)
        _confirm(options, session)
        with _progress(options, len(session.plan.steps)) as report:
            session = session.run(chain, report)
        return _finish(options, session, session.check(chain), result)


def _config(options: Options) -> Deployment:
    """The configuration with `--set` applied; values are read as YAML."""
    import yaml

    addresses, overrides = {}, {}
    for text in options.overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise Usage(f"--set {text}: expected KEY=VALUE")
        if key.startswith("$"):
            addresses[key[1:]] = value
        else:
            overrides[key] = value if value.startswith(("0x", "$")) else yaml.safe_load(value)
    return load_config(options.config, addresses, overrides)


def _guard(chain_id: int, allowed: bool) -> None:
    if chain_id not in TESTNETS and not allowed:
        raise Refused(
            f"chain {chain_id} is not a network known as a testnet, so it counts as a real one; "
            "pass --i-know-this-is-mainnet if that is meant"
        )


@contextmanager
def _chain(options: Options) -> Iterator[Web3Chain]:
    """The network through ape, with the account that signs."""
    from ape import networks
    from ape.exceptions import ApeException

    try:
        context = networks.parse_network_choice(options.network or networks.default_ecosystem.name)
        provider = context.__enter__()
    except (ApeException, OSError, ValueError) as exc:
        raise ChainError(f"no connection to {_shown(options.network)}: {short(exc)}") from exc
    try:
        yield Web3Chain(
            provider.web3,
            _signer(options),
            Fees(options.max_fee_gwei, options.tip_gwei),
            Patience(mined=options.timeout, confirmations=options.confirmations),
            say=(lambda text: None) if options.quiet else note,
        )
    finally:
        context.__exit__(None, None, None)


def _shown(network: str | None) -> str:
    """The network without a URL's secrets."""
    head, found, _ = (network or "the default network").partition("://")
    return f"{head}://..." if found else head


def _signer(options: Options) -> Signer:
    if options.account is None:
        key = os.environ.get(KEY_VARIABLE)
        if not key:
            raise Usage(f"no account: pass --account ALIAS, or a private key in {KEY_VARIABLE}")
        try:
            return LocalSigner(key)
        except ValueError as exc:
            raise Usage(f"{KEY_VARIABLE}: expected a private key of 32 bytes in hex") from exc
    from ape import accounts

    if options.account.startswith("TEST::"):
        return ApeSigner(accounts.test_accounts[int(options.account[6:])])
    if options.account not in accounts.aliases:
        known = ", ".join(sorted(accounts.aliases)) or "none"
        raise Usage(f"--account: expected one of ape's aliases ({known}), got {options.account!r}")
    account: Any = accounts.load(options.account)
    if options.yes:
        account.set_autosign(True)
    return ApeSigner(account)


def _confirm(options: Options, session: Session) -> None:
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise Refused("not sent: nobody to ask; pass --yes to deploy without a question")
    print(
        f"Send this from {session.plan.account} on chain {session.plan.chain_id}? [y/N] ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("not sent")


# -- output


def plan_json(plan: Plan, waiting: Mapping[int, bool]) -> dict[str, Any]:
    """The plan in JSON types; `waiting` says by number whether a step is still to be done."""
    from plimsoll.deployment.manifest import plain

    return {
        "schema": 1,
        "name": plan.name,
        "chain_id": plan.chain_id,
        "account": plan.account,
        "plan_hash": plan.hash,
        "addresses": dict(plan.addresses),
        "steps": [
            {
                "number": number,
                "kind": step.kind,
                "text": step.text,
                "to": step.to,
                "address": step.address,
                "arguments": {name: plain(value) for name, value in step.args},
                "done": not waiting.get(number, True),
            }
            for number, step in enumerate(plan.steps, 1)
        ],
    }


def _print_plan(session: Session, chain: Web3Chain, options: Options, stream: Any) -> None:
    plan = session.plan
    sealed = chain.code(plan.addresses["Timelock"]) != b"" and plan.sealed.holds(chain)
    waiting = {
        number: not (sealed or step.is_done(chain)) for number, step in enumerate(plan.steps, 1)
    }
    if options.as_json:
        json.dump(plan_json(plan, waiting), stream, indent=2)
        stream.write("\n")
        return
    network = TESTNETS.get(plan.chain_id, "a real network")
    lines = [
        f"Deployment {plan.name} on chain {plan.chain_id} ({network})",
        f"  account   {plan.account}",
        f"  plan      {plan.hash}",
        f"  manifest  {session.path}{' (resumed)' if session.resumed else ''}",
        "",
    ]
    for number, step in enumerate(plan.steps, 1):
        mark = " " if waiting[number] else "x"
        where = f" at {step.address}" if step.address else ""
        lines.append(f"  [{mark}] {number:>2} {step.text}{where}")
        if waiting[number]:
            lines += [f"         {name}: {_value(value)}" for name, value in step.args]
    delay = plan.config.timelock.delay_floor_seconds
    lines += [
        "",
        f"  {sum(waiting.values())} of {len(plan.steps)} steps to do, {delay} s for the hand-over;",
        f"  then {plan.addresses['Timelock']} (timelock) owns everything, the account nothing",
    ]
    print("\n".join(lines), file=stream, flush=True)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


@contextmanager
def _progress(options: Options, total: int) -> Iterator[Any]:
    """A reporter of finished steps: a bar on a terminal, a line each otherwise."""
    if options.quiet:
        yield lambda number, done: None
        return
    if not sys.stderr.isatty():
        yield lambda number, done: note(_line(number, done, total)) if not done.skipped else None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("deploying", total=total)

        def report(number: int, done: Done) -> None:
            if not done.skipped:
                bar.console.print(_line(number, done, total), highlight=False)
            bar.update(task, advance=1, description=done.step.text)

        yield report


def _line(number: int, done: Done, total: int) -> str:
    return f"[{number + 1}/{total}] {done.step.text}: {done.hash} ({done.gas_used:,} gas)"


def _finish(options: Options, session: Session, findings: list[Finding], stream: TextIO) -> int:
    wrong = failures(findings)
    plan = session.plan
    if options.as_json:
        result = {
            "schema": 1,
            "plan_hash": plan.hash,
            "manifest": str(session.path),
            "addresses": dict(plan.addresses),
            "contracts": {
                name: asdict(entry) for name, entry in session.manifest.contracts.items()
            },
            "verified": not wrong,
            "checks": len(findings),
            "failures": [asdict(finding) for finding in wrong],
        }
        print(json.dumps(result, indent=2), file=stream)
        return FAILED if wrong else OK
    for name, address in plan.addresses.items():
        entry = session.manifest.contracts.get(name)
        gas = f"  {entry.gas_used:>10,} gas  code {entry.code_hash[:18]}..." if entry else ""
        print(f"{name:<24} {address}{gas}", file=stream)
    print(f"plan {plan.hash}, manifest {session.path}", file=stream)
    for finding in wrong:
        print(finding, file=stream)
    left = [finding for finding in findings if finding.what.startswith("the deployer")]
    if left and left[0].ok:
        print(
            f"the account {plan.account} holds nothing; the timelock owns every contract",
            file=stream,
        )
    print(f"verification: {len(findings) - len(wrong)} of {len(findings)} checks ok", file=stream)
    return FAILED if wrong else OK
