"""The error table: in step with its module and page, decodable, no line that nobody uses."""

from __future__ import annotations

import re

import pytest
from eth_utils.crypto import keccak

from plimsoll import errors
from plimsoll.compiler import PROJECT_ROOT

NAMES = [one.name for one in errors.table()]


def _sources() -> str:
    files = (PROJECT_ROOT / "contracts").rglob("*.vy")
    return "\n".join(path.read_text() for path in files if path != errors.MODULE)


def test_table__module_and_page__are_written_from_it() -> None:
    assert errors.MODULE.read_text() == errors.vyper_module()
    assert errors.PAGE.read_text() == errors.page()


@pytest.mark.parametrize("one", errors.table(), ids=NAMES)
def test_decode__each_selector__gives_its_name(one: errors.ErrorInfo) -> None:
    assert one.selector == keccak(text=f"{one.name}()")[:4]
    assert errors.decode(one.selector + b"rest") is one
    assert errors.describe(one.selector).startswith(f"{one.name}: ")


def test_table__every_line__is_a_reason_some_contract_gives() -> None:
    used = set(re.findall(r"errors\.([A-Z][A-Z_]*)\b", _sources()))
    known = {one.constant for one in errors.table()}
    assert known - used == set(), "strike these from errors.yaml"
    assert used - known == set(), "add these to errors.yaml"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "reverted without a reason"),
        (bytes(3), "unknown revert data 0x000000"),
        (bytes.fromhex("deadbeef"), "unknown revert data 0xdeadbeef"),
        (
            bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (2).to_bytes(32, "big") + b"no",
            "Error: no",
        ),
    ],
)
def test_describe__data_of_others__is_said_plainly(data: bytes, text: str) -> None:
    assert errors.decode(data) is None
    assert errors.describe(data).startswith(text)
