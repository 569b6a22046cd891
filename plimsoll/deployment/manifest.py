"""What was deployed where: one JSON file per deployment, always whole on disk.

It is written before the first transaction (so that a killed run knows its factory), after every
creation, and at the end with `complete`. It holds nothing secret and belongs in version control.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from plimsoll.compiler import PROJECT_ROOT
from plimsoll.deployment.chain import Chain
from plimsoll.deployment.config import Deployment
from plimsoll.deployment.execute import Done
from plimsoll.deployment.plan import Plan

SCHEMA = 1
FOLDER = PROJECT_ROOT / "deployments"


class ManifestError(ValueError):
    """The file is not a manifest, or of another deployment."""


@dataclass(frozen=True)
class Entry:
    """One contract. `arguments` by constructor parameter; bytes as hex; `block` 0 if unknown."""

    address: str
    arguments: dict[str, Any]
    code_hash: str = ""
    transaction: str = ""
    gas_used: int = 0


@dataclass(frozen=True)
class Manifest:
    """A deployment. `block` is the newest block when it began: no log of it is older."""

    name: str
    chain_id: int
    account: str
    factory: str
    plan_hash: str
    block: int
    git_commit: str
    config: dict[str, Any]
    contracts: dict[str, Entry] = field(default_factory=dict)
    complete: bool = False
    schema: int = SCHEMA

    def addresses(self) -> dict[str, str]:
        """Address by contract name."""
        return {name: entry.address for name, entry in self.contracts.items()}

    def settings(self) -> Deployment:
        """The configuration it was deployed with."""
        return Deployment.model_validate(self.config)

    def save(self, path: Path) -> None:
        """Writes the file in one step: a reader sees the old or the new one, never half."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=2) + "\n"
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Reads a file; `ManifestError` where it is none."""
        try:
            raw = json.loads(path.read_text())
            if raw.get("schema") != SCHEMA:
                raise ManifestError(
                    f"{path}: expected schema {SCHEMA}, got {raw.get('schema')!r}; "
                    "use the version of this project that wrote it"
                )
            raw["contracts"] = {name: Entry(**entry) for name, entry in raw["contracts"].items()}
            return cls(**raw)
        except ManifestError:
            raise
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
            raise ManifestError(f"{path}: expected a deployment manifest: {exc}") from exc


def manifest_path(name: str, chain_id: int, folder: Path | None = None) -> Path:
    """Where a deployment's manifest lies by default: deployments/<chain id>/<name>.json."""
    return (folder or FOLDER) / str(chain_id) / f"{name}.json"


def new_manifest(plan: Plan, chain: Chain) -> Manifest:
    """The manifest of a plan that has not begun."""
    return Manifest(
        name=plan.name,
        chain_id=plan.chain_id,
        account=plan.account,
        factory=plan.factory,
        plan_hash=plan.hash,
        block=chain.block()[0],
        git_commit=git_commit(),
        config=plan.config.model_dump(mode="json"),
    )


def with_step(manifest: Manifest, done: Done, chain: Chain) -> Manifest:
    """The manifest after a step; only creations change it."""
    step = done.step
    if step.address is None:
        return manifest
    known = manifest.contracts.get(step.contract)
    if known is not None and known.code_hash and done.skipped:
        return manifest
    entry = Entry(
        address=step.address,
        arguments={name: plain(value) for name, value in step.args},
        code_hash="0x" + keccak(chain.code(step.address)).hex(),
        transaction=done.hash,
        gas_used=done.gas_used,
    )
    return replace(manifest, contracts={**manifest.contracts, step.contract: entry})


def plain(value: Any) -> Any:
    """The value in JSON types; bytes as hex."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def git_commit() -> str:
    """The commit checked out, "+changes" if files differ; "" outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        changed = _git(
            "status", "--porcelain", "--untracked-files=no", "--", "contracts", "plimsoll"
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return commit + ("+changes" if changed else "")


def _git(*args: str) -> str:
    reply = subprocess.run(
        ["git", *args], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=20, check=True
    )
    return reply.stdout.strip()
