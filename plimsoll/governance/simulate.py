"""A proposal rehearsed on a fork: what it does to accounts, and that schedule and execute work."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from eth_utils.crypto import keccak

from plimsoll.deployment.abi import artifact
from plimsoll.deployment.config import Deployment
from plimsoll.governance.catalog import catalog
from plimsoll.governance.proposal import Call, Proposal
from plimsoll.keepers.facts import markets_of, read_marks
from plimsoll.keepers.index import Journal, read_events
from plimsoll.keepers.node import Node, Refusal, View, refusal
from plimsoll.keepers.scan import Scanner
from plimsoll.localnet.anvil import AnvilOptions
from plimsoll.localnet.errors import RpcError
from plimsoll.localnet.fork import fork_chain
from plimsoll.units import from_quote_units

GAS = 16_000_000
STRANGER = "0x" + "5e" * 20
RAMP_FLAG = {"StandardMargin": 1 << 88, "CollateralVault": 1 << 217}  # of a word that is on a ramp


@dataclass(frozen=True)
class Trouble:
    """Accounts with E < R: how many, and their notional at mark (USD, as text)."""

    accounts: tuple[str, ...]
    notional_usd: str

    @property
    def count(self) -> int:
        """How many."""
        return len(self.accounts)


@dataclass
class Rehearsal:
    """What the fork showed. `problems`: reasons not to sign; empty is good."""

    block: int
    accounts: int
    before: Trouble
    after: Trouble
    gas_schedule: int = 0
    gas_execute: int = 0
    state: list[dict[str, str]] = field(default_factory=list)  # every parameter that moved
    problems: list[str] = field(default_factory=list)

    @property
    def newly(self) -> list[str]:
        """Accounts that only the change makes liquidatable."""
        return sorted(set(self.after.accounts) - set(self.before.accounts))

    def record(self) -> dict[str, Any]:
        """In JSON types."""
        return {"schema": 1, **asdict(self), "newly_liquidatable": self.newly}


def rehearse(
    proposal: Proposal, url: str, addresses: dict[str, str], settings: Deployment, first_block: int
) -> Rehearsal:
    """Runs it on a fork of the node at `url`. Raises RpcError, RpcUnavailable, AnvilFailed."""
    anvil = fork_chain(url, options=AnvilOptions(auto_impersonate=True, gas_limit=60_000_000))
    try:
        node = Node(anvil.rpc, addresses)
        block, _ = node.head()
        journal = Journal(None, addresses["MarginEngine"], first_block)
        vault = addresses["CollateralVault"]
        read_events(journal, anvil.rpc, addresses["MarginEngine"], vault, block)
        ids = journal.accounts()
        before = _trouble(node, ids)
        done = Rehearsal(block, len(ids), before, before)
        snapshot = anvil.snapshot()
        if any(call.group is not None and call.group.moves_margin for call in proposal.calls):
            _at_target(proposal, node, settings, done)
            done.after = _trouble(node, ids)
            anvil.revert(snapshot)
        _full_path(proposal, node, settings, done)
        return done
    finally:
        anvil.stop()


def _trouble(node: Node, ids: list[int]) -> Trouble:
    """Accounts under their requirement at the newest block."""
    block, _ = node.head()
    seen = Scanner(node).scan(ids, block)
    wanted = [one.account for one in seen if one.margin < 0]
    marks = read_marks(node, block)
    held = node.views([View("MarginEngine", "held", (one,)) for one in wanted], block)
    legs = [(one, m) for one, bits in zip(wanted, held, strict=True) for m in markets_of(bits)]
    positions = node.views([View("MarginEngine", "position", leg) for leg in legs], block)
    total = sum(
        abs(position.lots) * marks.get(market, 0)
        for (_, market), position in zip(legs, positions, strict=True)
    )
    return Trouble(tuple(hex(one) for one in wanted), str(from_quote_units(total)))


def _at_target(proposal: Proposal, node: Node, settings: Deployment, done: Rehearsal) -> None:
    """The calls made now, and their ramps taken as over: where accounts will end up.

    Waiting out a ramp would let every feed go stale, so the fork's storage is told that none runs.
    """
    node.rpc.call("anvil_setBalance", proposal.timelock, hex(10**20))
    for call in proposal.calls:
        why = _send(node, proposal.timelock, call.to, call.data)[1]
        if why:
            done.problems.append(f"{call.text()} fails: {why}")
            continue
        if call.group is not None and call.group.moves_margin:
            _end_ramp(node, call)


def _end_ramp(node: Node, call: Call) -> None:
    layout = artifact(call.contract).storage_layout["storage_layout"]
    if call.contract == "StandardMargin":
        place = int(layout["risk_parameters"]["hot"]["slot"]) + int(call.args[0])
    else:
        terms = node.view("CollateralVault", "terms", call.args[0])
        place = _terms_slot(layout, int(terms.asset_id))
    at = f"0x{place:064x}"
    word = int(node.rpc.call("eth_getStorageAt", call.to, at, "latest"), 16)
    word &= ~RAMP_FLAG[call.contract]
    node.rpc.call("anvil_setStorageAt", call.to, at, f"0x{word:064x}")
    node.rpc.call("evm_mine")


def _terms_slot(layout: dict[str, Any], asset_id: int) -> int:
    entry = layout["vault_terms"]["_terms"]
    slot = int(entry["slot"])
    if str(entry["type"]).startswith("HashMap"):
        packed = slot.to_bytes(32, "big") + asset_id.to_bytes(32, "big")
        return int.from_bytes(keccak(packed), "big")
    return slot + asset_id


def _full_path(proposal: Proposal, node: Node, settings: Deployment, done: Rehearsal) -> None:
    """Schedule as the proposer, wait, execute as anybody (or an executor), read everything back."""
    groups = catalog(settings)
    block, _ = node.head()
    before = _parameters(groups, node, block)
    for who in (proposal.proposer, STRANGER):
        node.rpc.call("anvil_setBalance", who, hex(10**20))
    gas, why = _send(node, proposal.proposer, proposal.timelock, proposal.schedule)
    done.gas_schedule = gas
    if why:
        done.problems.append(f"schedule by {proposal.proposer} fails: {why}")
        return
    node.rpc.call("evm_increaseTime", proposal.delay)
    node.rpc.call("evm_mine")
    executors = settings.timelock.executors
    executor = executors[0] if executors else STRANGER
    node.rpc.call("anvil_setBalance", executor, hex(10**20))
    gas, why = _send(node, executor, proposal.timelock, proposal.execute)
    done.gas_execute = gas
    if why:
        done.problems.append(f"execute fails: {why}")
        return
    after = _parameters(groups, node, None)
    declared = {item.path: item for item in proposal.items}
    for path, (old, new) in _moved(before, after).items():
        done.state.append({"path": path, "old": old, "new": new})
        if path not in declared:
            done.problems.append(f"{path} moves from {old} to {new} and is not declared")
    for call in proposal.calls:
        got = call.values(node)
        for key, wanted in call.after.items():
            if got[key] != wanted:
                done.problems.append(f"{call.text()}: {key} is {got[key]} afterwards, not {wanted}")


def _parameters(groups: list[Any], node: Node, block: int | None) -> dict[str, str]:
    """Every parameter of the catalogue, by path. Haircuts on a ramp read as they are now."""
    found = {}
    for group in groups:
        state = group.read(node, block)
        for name, (key, unit) in group.fields.items():
            found[f"{group.name}.{name}"] = unit.show(state[key])
    return found


def _moved(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {path: (old, after[path]) for path, old in before.items() if after[path] != old}


def _send(node: Node, sender: str, to: str, data: bytes) -> tuple[int, str]:
    """Gas used, and why it failed ("" where it did not)."""
    request = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(GAS)}
    try:
        node.rpc.call("eth_call", request, "latest")
    except RpcError as exc:
        why = refusal(exc)
        return 0, why.text if isinstance(why, Refusal) else str(why)
    receipt = node.rpc.wait_receipt(node.rpc.call("eth_sendTransaction", request))
    failed = int(receipt["status"], 16) != 1
    return int(receipt["gasUsed"], 16), "reverted" if failed else ""
