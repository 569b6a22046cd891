"""Runs a plan: skips what the chain shows as done, so it may be cut off anywhere and run again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from plimsoll.deployment.chain import CallReverted, Chain, ChainError
from plimsoll.deployment.create3 import create_address, proxy_address, salt_of
from plimsoll.deployment.plan import Plan, Step
from plimsoll.errors import by_selector, describe

LAG_TRIES = 10


class StepFailed(RuntimeError):
    """A step was refused on chain; what was done before it stays and a later run goes on there."""


class NotReady(RuntimeError):
    """A step waits for somebody else (a first price, a delay); run again when it has come."""


@dataclass(frozen=True)
class Done:
    """Outcome of one step. `gas_used` and `hash` are 0 and "" where it was done before."""

    step: Step
    skipped: bool
    hash: str = ""
    gas_used: int = 0


Progress = Callable[[int, Done], None]


def predict_factory(chain: Chain) -> str:
    """Where the account's next creation lands."""
    return create_address(chain.account, chain.nonce())


def execute(plan: Plan, chain: Chain, progress: Progress | None = None) -> list[Done]:
    """All steps in order; a list of what each did.

    Raises `StepFailed`, `NotReady`, or `ChainError` when the chain does not answer; after any of
    them, and after a kill, run it again with the same plan.
    """
    _check_chain(plan, chain)
    chain.drain()
    sealed = _code(plan, chain, "Timelock") and plan.sealed.holds(chain)
    outcomes = []
    for number, step in enumerate(plan.steps):
        done = Done(step, True) if sealed or step.is_done(chain) else _run(plan, step, chain)
        outcomes.append(done)
        if progress is not None:
            progress(number, done)
    return outcomes


def _check_chain(plan: Plan, chain: Chain) -> None:
    if (chain.chain_id, chain.account) != (plan.chain_id, plan.account):
        raise StepFailed(
            f"expected chain {plan.chain_id} and account {plan.account}, got {chain.chain_id} and "
            f"{chain.account}; connect to the plan's network with the plan's account"
        )


def _code(plan: Plan, chain: Chain, name: str) -> bool:
    return chain.code(plan.addresses[name]) != b""


def _run(plan: Plan, step: Step, chain: Chain) -> Done:
    if step.kind == "await":
        raise NotReady(
            f"{step.text}: not yet; its quorum needs signed reports, so push them with "
            "OracleAdapter.poke and run the deployment again"
        )
    if step.kind == "factory" and predict_factory(chain) != step.address:
        raise StepFailed(
            f"expected the factory at {step.address}, but the account's next creation lands at "
            f"{predict_factory(chain)}: it sent something else meanwhile; plan anew"
        )
    if step.ready is not None:
        chain.wait_until(int(step.ready.read(chain)), step.text)
    try:
        sent = chain.send(step.to, step.data, step.text)
    except CallReverted as exc:
        raise StepFailed(f"{step.text}: {_reason(plan, step, chain, exc)}") from exc
    if not _shown(step, chain):
        raise StepFailed(
            f"{step.text}: mined in {sent.hash or 'this block'}, but the chain does not show it; "
            "somebody else may have changed it meanwhile, or the node lags: run again"
        )
    return Done(step, False, sent.hash, sent.gas_used)


def _shown(step: Step, chain: Chain) -> bool:
    """Whether the chain shows the outcome; a node that lags behind its siblings is asked again."""
    for _ in range(LAG_TRIES):
        if step.is_done(chain):
            return True
        chain.pause()
    return False


def _reason(plan: Plan, step: Step, chain: Chain, exc: CallReverted) -> str:
    """What it reverted with; for a creation the constructor's own reason, found by trying it."""
    known = by_selector().get(exc.data[:4])
    if step.kind != "create" or known is None or known.name != "CreationFailed":
        return exc.text
    sender = proxy_address(plan.factory, salt_of(plan.name, step.contract))
    try:
        data = chain.create_reason(step.initcode, sender)
    except ChainError:
        return exc.text
    return f"the constructor of {step.contract} failed: {describe(data)}"
