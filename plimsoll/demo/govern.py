"""The lesson drawn by governance: the Safe proposes, the timelock waits, anybody executes."""

from __future__ import annotations

from typing import Any

from plimsoll.demo.stage import Stage
from plimsoll.demo.world import AnvilWorld, DemoError, View, act, must
from plimsoll.deployment.abi import calldata
from plimsoll.localnet.safe import safe_tx
from plimsoll.localnet.tx import Sender

RATE_CAP = 300_000_000  # 30 % of notional in 1e-9: where the starting values have it
SALT = bytes(31) + b"\x01"
NONE = bytes(32)


def propose(stage: Stage) -> dict[str, Any]:
    """Two of the Safe's three owners propose a higher cap of the margin rate; returns the terms.

    Only on a fork: raises `DemoError` elsewhere. The timelock's delay then has to pass.
    """
    world = stage.world
    if not isinstance(world, AnvilWorld):
        raise DemoError("expected a fork with a Safe, got the in-process machine")
    (old,) = world.read([View("StandardMargin", "parameters", (0,))])
    new = {**old._asdict(), "cap": RATE_CAP}
    payload = calldata("StandardMargin", "set_parameters", 0, new)
    target, delay = world.addresses["StandardMargin"], stage.config.timelock.delay_seconds
    args = (target, 0, payload, NONE, SALT)
    data = calldata("Timelock", "schedule", *args, delay)
    with world.automatic():
        sender = Sender(world.rpc, stage.owners[0])
        safe_tx(sender, stage.council, stage.owners[:2], world.addresses["Timelock"], data)
    return {"args": args, "old": old.cap, "new": RATE_CAP, "delay": delay, "proposed": world.now}


def execute(stage: Stage, sender: str, terms: dict[str, Any]) -> int:
    """Anybody executes what was proposed; returns the cap that is now the target."""
    world = stage.world
    call = act(world, sender, "Timelock", "execute", *terms["args"], label="timelock execute")
    must(world.block([call]))
    (now,) = world.read([View("StandardMargin", "parameters", (0,))])
    if now.cap != terms["new"]:
        raise DemoError(f"expected a rate cap of {terms['new']}, got {now.cap}")
    return int(now.cap)
