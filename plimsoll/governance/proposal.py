"""From a document and the chain to a timelock operation: same inputs, same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.deployment.abi import abi_of, calldata
from plimsoll.deployment.config import Deployment
from plimsoll.deployment.manifest import plain
from plimsoll.deployment.plan import operation_id
from plimsoll.evm.abi import ArgumentError, type_name
from plimsoll.governance import safe_batch
from plimsoll.governance.catalog import Group, Values, catalog, find
from plimsoll.governance.document import Change, Document, DocumentError
from plimsoll.keepers.node import Node

MAX_CALLS, MAX_PAYLOAD = 32, 1_024  # the timelock's bounds


class Drifted(RuntimeError):
    """The chain's values are not the ones the proposal expects."""


@dataclass(frozen=True)
class Item:
    """One changed value, in the chain's units and as people write it."""

    path: str
    old: Any
    new: Any
    old_text: str
    new_text: str
    rationale: str

    @property
    def percent(self) -> str:
        """The relative change, or "" where there is none to speak of."""
        try:
            old, new = Decimal(self.old_text), Decimal(self.new_text)
        except ArithmeticError:
            return ""
        return f"{(new - old) * 100 / old:+.2f} %" if old else ""


@dataclass(frozen=True)
class Call:
    """One call of the batch and the group that it sets (None: a raw call, with its `read`)."""

    contract: str
    function: str
    to: str
    data: bytes
    args: tuple[Any, ...]
    group: Group | None
    after: Mapping[str, Any]  # declared chain fields after execution
    read: tuple[str, tuple[Any, ...], str | None] | None = None

    def text(self) -> str:
        """The call as decoded from its calldata."""
        return f"{self.contract}.{self.function}({', '.join(_shown(arg) for arg in self.args)})"

    def values(self, node: Node, block: int | None = None) -> Values:
        """The declared fields as the chain has them."""
        if self.group is not None:
            state = self.group.read(node, block)
            return {key: state[key] for key in self.after}
        assert self.read is not None
        function, args, name = self.read
        value = node.view(self.contract, function, *args, block=block)
        return {"value": getattr(value, name) if name else value}


@dataclass(frozen=True)
class Proposal:
    """Everything to sign, and what it does. `delay` seconds."""

    document: Document
    chain_id: int
    timelock: str
    proposer: str
    delay: int
    items: tuple[Item, ...]
    calls: tuple[Call, ...]
    salt: bytes = field(init=False)
    operation: bytes = field(init=False)
    schedule: bytes = field(init=False)
    execute: bytes = field(init=False)

    def __post_init__(self) -> None:
        targets = [call.to for call in self.calls]
        payloads = [call.data for call in self.calls]
        before = bytes.fromhex(self.document.predecessor[2:])
        source = {
            "chain": self.chain_id,
            "timelock": self.timelock,
            "document": json.loads(self.document.model_dump_json()),
            "targets": targets,
            "payloads": [data.hex() for data in payloads],
        }
        salt = keccak(text="plimsoll proposal " + _canonical(source))
        batch = (targets, [0] * len(targets), payloads, before, salt)
        set_ = object.__setattr__
        set_(self, "salt", salt)
        set_(self, "operation", operation_id(*batch))
        set_(self, "schedule", calldata("Timelock", "schedule_batch", *batch, self.delay))
        set_(self, "execute", calldata("Timelock", "execute_batch", *batch))

    @property
    def unchanged(self) -> bool:
        """Whether nothing at all would change."""
        return all(item.old == item.new for item in self.items)

    def safe_file(self, step: str) -> dict[str, Any]:
        """The Transaction Builder file of `schedule` or `execute`."""
        data = {"schedule": self.schedule, "execute": self.execute}[step]
        return safe_batch.batch(
            self.chain_id,
            f"{self.document.title} ({step})",
            f"Timelock operation 0x{self.operation.hex()}, proposal of {self.document.date}",
            [safe_batch.transaction(self.timelock, data)],
            self.proposer,
            self.document.created_ms(),
        )

    def record(self) -> dict[str, Any]:
        """The whole proposal in JSON types; without its digest."""
        return {
            "schema": 1,
            "title": self.document.title,
            "date": str(self.document.date),
            "description": self.document.description,
            "chain_id": self.chain_id,
            "timelock": self.timelock,
            "proposer": self.proposer,
            "delay_seconds": self.delay,
            "predecessor": self.document.predecessor,
            "salt": "0x" + self.salt.hex(),
            "operation": "0x" + self.operation.hex(),
            "changes": [
                {
                    "path": item.path,
                    "old": item.old_text,
                    "new": item.new_text,
                    "change": item.percent,
                    "rationale": item.rationale,
                }
                for item in self.items
            ],
            "calls": [
                {
                    "to": call.to,
                    "contract": call.contract,
                    "function": call.function,
                    "arguments": plain(list(call.args)),
                    "data": "0x" + call.data.hex(),
                }
                for call in self.calls
            ],
            "schedule": {"to": self.timelock, "data": "0x" + self.schedule.hex()},
            "execute": {"to": self.timelock, "data": "0x" + self.execute.hex()},
            "safe_schedule": self.safe_file("schedule"),
            "safe_execute": self.safe_file("execute"),
        }

    def digest(self) -> str:
        """keccak256 of the record in canonical JSON: what two people compare."""
        return "0x" + keccak(text=_canonical(self.record())).hex()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list | tuple):
        return "(" + ", ".join(_shown(one) for one in value) + ")"
    return str(value)


def build(document: Document, node: Node, settings: Deployment, proposer: str) -> Proposal:
    """The proposal as of the newest block.

    Raises `DocumentError` (a bad path or value), `Drifted` (another old value on chain).
    """
    block, _ = node.head()
    items: list[Item] = []
    calls: list[Call] = []
    problems: list[str] = []
    groups = catalog(settings)
    wanted: dict[int, tuple[Group, list[tuple[int, Change, str]]]] = {}
    for number, change in enumerate(document.changes):
        if change.parameter is None:
            continue
        try:
            group, name = find(groups, change.parameter)
        except LookupError as exc:
            problems.append(f"changes.{number}.parameter: {exc.args[0]}")
            continue
        wanted.setdefault(id(group), (group, []))[1].append((number, change, name))
    for group, changes in wanted.values():
        built = _parameter_call(group, changes, node, block, problems)
        if built is not None:
            items += built[0]
            calls.append(built[1])
    for number, change in enumerate(document.changes):
        if change.call is not None:
            raw = _raw_call(number, change, node, block, problems)
            if raw is not None:
                items.append(raw[0])
                calls.append(raw[1])
    if problems:
        raise DocumentError("\n".join(problems))
    _check_size(calls)
    _check_old(items, calls, node, block)
    delay = node.view("Timelock", "get_minimum_delay", block=block)
    chain_id, timelock = node.rpc.chain_id(), node.addresses["Timelock"]
    return Proposal(document, chain_id, timelock, proposer, delay, tuple(items), tuple(calls))


def _parameter_call(
    group: Group,
    changes: Sequence[tuple[int, Change, str]],
    node: Node,
    block: int,
    problems: list[str],
) -> tuple[list[Item], Call] | None:
    """One setter with all changes of its group; None where one of them is wrong."""
    state = group.read(node, block)
    after, before = dict(state), len(problems)
    items: list[Item] = []
    options: dict[str, int] = {}
    for number, change, name in changes:
        key, unit = group.fields[name]
        if key in {group.fields[seen][0] for _, _, seen in changes[: len(items)]}:
            problems.append(f"changes.{number}.parameter: {change.parameter} is changed twice")
        parsed = {}
        for side in ("old", "new"):
            try:
                parsed[side] = unit.parse(getattr(change, side))
            except (ValueError, ArithmeticError) as exc:
                problems.append(f"changes.{number}.{side}: {exc}")
        if len(parsed) < 2:
            continue
        texts = (unit.show(parsed["old"]), unit.show(parsed["new"]))
        items.append(
            Item(str(change.parameter), parsed["old"], parsed["new"], *texts, change.rationale)
        )
        after[key] = parsed["new"]
        _take_options(group, number, change, options, problems)
    if len(problems) > before:
        return None
    args = group.arguments(after, options)
    declared = {group.fields[name][0]: after[group.fields[name][0]] for _, _, name in changes}
    try:
        data = calldata(group.contract, group.function, *args)
    except (ArgumentError, ValueError) as exc:
        problems.append(f"changes.{changes[0][0]}.new: {exc}")
        return None
    to = node.addresses[group.contract]
    decoded = _decoded(group.contract, group.function, data)
    return items, Call(group.contract, group.function, to, data, decoded, group, declared)


def _take_options(
    group: Group, number: int, change: Change, options: dict[str, int], problems: list[str]
) -> None:
    given = {"ramp_seconds": change.ramp_seconds}
    for name, value in given.items():
        if name not in group.options and value is not None:
            problems.append(f"changes.{number}.{name}: {change.parameter} takes none")
        elif name in group.options and value is None:
            problems.append(f"changes.{number}.{name}: expected seconds, got none")
        elif name in group.options and options.setdefault(name, value or 0) != value:
            problems.append(
                f"changes.{number}.{name}: expected {options[name]} as in the change before, "
                f"which the same call makes; got {value}"
            )


def _raw_call(
    number: int, change: Change, node: Node, block: int, problems: list[str]
) -> tuple[Item, Call] | None:
    assert change.call is not None
    assert change.read is not None
    contract = change.call.contract
    if contract not in node.addresses:
        known = ", ".join(sorted(node.addresses))
        problems.append(
            f"changes.{number}.call.contract: expected one of {known}, got {contract!r}"
        )
        return None
    try:
        data = calldata(contract, change.call.function, *change.call.args)
        calldata(contract, change.read.function, *change.read.args)
    except (LookupError, ValueError) as exc:
        problems.append(f"changes.{number}.call: {exc}")
        return None
    decoded = _decoded(contract, change.call.function, data)
    path = f"{contract}.{change.call.function}"
    old, new = _as_read(change.old), _as_read(change.new)
    item = Item(path, old, new, str(old), str(new), change.rationale)
    read = (change.read.function, tuple(change.read.args), change.read.field)
    to = node.addresses[contract]
    after = {"value": new}
    return item, Call(contract, change.call.function, to, data, decoded, None, after, read)


def _as_read(value: Any) -> Any:
    """A value as a view gives it: addresses checksummed."""
    if isinstance(value, str) and is_address(value):
        return str(to_checksum_address(value))
    return value


def _decoded(contract: str, function: str, data: bytes) -> tuple[Any, ...]:
    """The arguments as anybody reads them back from the calldata."""
    entry = next(
        one for one in abi_of(contract) if one["type"] == "function" and one["name"] == function
    )
    return tuple(abi_decode([type_name(part) for part in entry["inputs"]], data[4:]))


def _check_size(calls: Sequence[Call]) -> None:
    if len(calls) > MAX_CALLS:
        raise DocumentError(
            f"changes: expected at most {MAX_CALLS} calls, got {len(calls)}; split the proposal"
        )
    for call in calls:
        if len(call.data) > MAX_PAYLOAD:
            raise DocumentError(
                f"changes: {call.function} takes {len(call.data)} bytes, the timelock {MAX_PAYLOAD}"
            )


def _check_old(items: Sequence[Item], calls: Sequence[Call], node: Node, block: int) -> None:
    """Compare and set: what the proposal takes for the old values must be the chain's."""
    found = current(items, calls, node, block)
    lines = [
        f"{item.path}: expected {item.old_text} on chain, got {text}; look again before proposing"
        for item, (value, text) in zip(items, found, strict=True)
        if value != item.old
    ]
    if lines:
        raise Drifted("\n".join(lines))


def current(
    items: Sequence[Item], calls: Sequence[Call], node: Node, block: int | None = None
) -> list[tuple[Any, str]]:
    """Each item's value on chain now, and as people write it."""
    rows: dict[str, tuple[Any, str]] = {}
    for call in calls:
        values = call.values(node, block)
        if call.group is None:
            rows[f"{call.contract}.{call.function}"] = (values["value"], str(values["value"]))
            continue
        for name, (key, unit) in call.group.fields.items():
            if key in values:
                rows[f"{call.group.name}.{name}"] = (values[key], unit.show(values[key]))
    return [rows[item.path] for item in items]
