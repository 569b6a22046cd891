"""One deployment from configuration to verified manifest: what `ape run deploy` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from plimsoll.deployment.chain import Chain
from plimsoll.deployment.config import Deployment
from plimsoll.deployment.execute import Done, execute, predict_factory
from plimsoll.deployment.manifest import (
    Manifest,
    ManifestError,
    manifest_path,
    new_manifest,
    with_step,
)
from plimsoll.deployment.plan import Plan, PlanError, build_plan
from plimsoll.deployment.verify import Finding, failures, verify


class PlanChanged(RuntimeError):
    """A deployment of this name has begun here with another plan."""


@dataclass(frozen=True)
class Session:
    """A plan ready to run, and the manifest it goes into."""

    plan: Plan
    manifest: Manifest
    path: Path
    resumed: bool

    def run(self, chain: Chain, progress: Callable[[int, Done], None] | None = None) -> Session:
        """Executes what is left; the manifest is on disk before the first and after every step."""
        manifest = self.manifest
        manifest.save(self.path)

        def record(number: int, done: Done) -> None:
            nonlocal manifest
            updated = with_step(manifest, done, chain)
            if updated is not manifest:
                updated.save(self.path)
            manifest = updated
            if progress is not None:
                progress(number, done)

        execute(self.plan, chain, record)
        return replace(self, manifest=manifest)

    def check(self, chain: Chain) -> list[Finding]:
        """Verifies the chain; a clean result marks the manifest complete."""
        findings = verify(self.plan, chain, self.manifest.block)
        complete = not failures(findings)
        if complete != self.manifest.complete and self.manifest.contracts:
            replace(self.manifest, complete=complete).save(self.path)
        return findings


def prepare(config: Deployment, chain: Chain, path: Path | None = None) -> Session:
    """The session of a new deployment, or of one that was cut off.

    Raises `PlanError` where the configuration is of another chain, `PlanChanged` where what was
    begun under this name is another plan (configuration, code or account changed since).
    """
    if config.chain_id != chain.chain_id:
        raise PlanError(
            f"chain_id: the configuration says {config.chain_id}, the network is {chain.chain_id}; "
            "connect to the other one or use its file"
        )
    path = path or manifest_path(config.name, config.chain_id)
    if not path.exists():
        plan = build_plan(config, chain.account, predict_factory(chain))
        return Session(plan, new_manifest(plan, chain), path, resumed=False)
    begun = Manifest.load(path)
    if (begun.name, begun.chain_id) != (config.name, config.chain_id):
        raise ManifestError(
            f"{path}: expected deployment {config.name} on chain {config.chain_id}, got "
            f"{begun.name} on {begun.chain_id}"
        )
    chain.drain()
    if not chain.code(begun.factory) and begun.factory != predict_factory(chain):
        # Nothing exists yet and the account's nonce has moved on: begin again.
        plan = build_plan(config, chain.account, predict_factory(chain))
        return Session(plan, new_manifest(plan, chain), path, resumed=False)
    plan = build_plan(config, chain.account, begun.factory)
    if plan.hash != begun.plan_hash:
        raise PlanChanged(
            f"{path}: a deployment named {config.name} was begun with plan {begun.plan_hash} by "
            f"{begun.account}, this is plan {plan.hash} by {plan.account}: configuration, sources "
            "or account have changed. Go back to them, or give the new deployment another name"
        )
    return Session(plan, begun, path, resumed=True)
