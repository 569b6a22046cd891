"""P34, statically: which functions lie behind the lock, read from the sources.

The lock is a pragma of each file: a module without it brings functions without a lock into every
contract that exports them.
"""

from __future__ import annotations

import re

import pytest

from plimsoll.compiler import PROJECT_ROOT

CONTRACTS = PROJECT_ROOT / "contracts"
FUNCTION = re.compile(r"(?:^@\w+.*\n)*^@external\n(?:^@\w+.*\n)*^def (\w+)", re.MULTILINE)
# Writers outside the lock, and why.
UNLOCKED = {
    "core/MarginEngine.vy: __default__",  # what it forwards to takes the lock they share
    "core/MarginEngineLiquidation.vy: __default__",  # likewise
    "core/MarginEngineAdmin.vy: __default__",  # likewise
    "core/MarginEngineDeleveraging.vy: __default__",  # likewise
    "liquidation/LiquidationAuction.vy: __default__",  # likewise
    "oracle/OracleAdapter.vy: __default__",  # likewise
    "oracle/OracleAdmin.vy: poke",  # runs within OracleAdapter.poke, which holds the lock
    "examples/FlashBidder.vy: on_slice",  # the engine calls it during its `take`
    "governance/Timelock.vy: update_delay",  # called by the timelock itself, in an operation
}
EXTERNAL = [
    (path.relative_to(CONTRACTS).as_posix(), found)
    for path in sorted(CONTRACTS.rglob("*.vy"))
    for found in FUNCTION.finditer(path.read_text())
]


@pytest.mark.parametrize("source", sorted({source for source, _ in EXTERNAL}))
def test_source__with_external_functions__has_the_lock(source: str) -> None:
    lines = (CONTRACTS / source).read_text().splitlines()
    assert "# pragma nonreentrancy on" in lines, (
        f"{source}: expected `# pragma nonreentrancy on`, since it has external functions"
    )


def test_functions__that_write__are_behind_the_lock_but_for_these() -> None:
    unlocked = {
        f"{source}: {found.group(1)}"
        for source, found in EXTERNAL
        for marks in [{line.split("  #")[0] for line in found.group(0).splitlines()}]
        if "@reentrant" in marks and not {"@view", "@pure"} & marks
    }
    assert unlocked == UNLOCKED


def test_sources__of_vault_and_fund__are_seen() -> None:
    """The pattern finds functions in modules, and their decorators in any order."""
    found = {f"{source}: {match.group(1)}" for source, match in EXTERNAL}
    assert {"core/vault_custody.vy: deposit", "liquidation/fund_payouts.vy: draw"} <= found
