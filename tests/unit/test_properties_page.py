"""docs/properties.md names tests that exist, and no test file that cites a property is missing."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from plimsoll.compiler import PROJECT_ROOT

TESTS = PROJECT_ROOT / "tests"
PAGE = PROJECT_ROOT / "docs" / "properties.md"
NUMBERS = range(1, 36)
CITED = re.compile(r"\bP([1-9]|[12][0-9]|3[0-5])(?:\s*-\s*P([1-9]|[12][0-9]|3[0-5]))?\b")
NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")
ROW = re.compile(r"^\| P(\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
SHORT = re.compile(r"^- \*\*(\w+)\*\*: `([\w/]+\.py)::\w+`", re.MULTILINE)
# Helpers whose assertions run under these short names.
UNDER = {
    "invariant/driver.py": ("machine", "twin"),
    "invariant/twin.py": ("machine", "twin"),
    "unit/model/random_world.py": ("model",),
}
# Houses of other properties' names, or of helpers that many tests use.
EXEMPT = {"stage.py", "unit/test_properties_page.py", "bench/test_gas.py"}


@cache
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@cache
def rows() -> dict[int, tuple[str, str]]:
    """Number -> (statement, tests)."""
    return {int(number): (text, tests) for number, text, tests in ROW.findall(page())}


@cache
def short_names() -> dict[str, str]:
    """Short name -> file."""
    return dict(SHORT.findall(page()))


@cache
def functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef))


def cited(text: str) -> set[int]:
    """Numbers in a text; "P15-P17" counts all three."""
    found: set[int] = set()
    for first, last in CITED.findall(text):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def short_in(tests: str) -> set[str]:
    return {name for name in short_names() if re.search(rf"\b{name}\b", NAMED.sub("", tests))}


def problems() -> list[str]:
    """What the page names and is not there."""
    found = []
    for name, function in NAMED.findall(page()):
        path = TESTS / name
        if not path.is_file():
            found.append(f"{name}: no such file")
        elif function and function not in functions(path):
            found.append(f"{name}: no test {function}")
    return found


def test_page__rows__are_the_35_in_order() -> None:
    assert list(rows()) == list(NUMBERS)
    assert re.findall(r"^\| P\d+", page(), re.MULTILINE) == [f"| P{n}" for n in NUMBERS]


def test_page__tests_named__exist() -> None:
    assert problems() == []


@pytest.mark.parametrize("number", NUMBERS)
def test_row__has_tests_or_says_later(number: int) -> None:
    tests = rows()[number][1]
    assert NAMED.search(tests) or short_in(tests) or "later issue" in tests


def test_files__that_cite_a_property__are_in_its_row() -> None:
    missing = []
    for path in sorted(TESTS.rglob("*.py")):
        name = path.relative_to(TESTS).as_posix()
        if name in EXEMPT or "/evm_sources/" in name:
            continue
        names = UNDER.get(name) or tuple(s for s, file in short_names().items() if file == name)
        if not names and not path.name.startswith("test_"):
            continue
        for number in sorted(cited(path.read_text(encoding="utf-8"))):
            tests = rows()[number][1]
            here = set(names) <= short_in(tests) if names else f"`{name}::" in tests
            if not here:
                missing.append(f"P{number}: {', '.join(names) or name}")
    assert missing == []


def test_problems__a_test_renamed__found(monkeypatch: pytest.MonkeyPatch) -> None:
    other = page().replace("`security/test_roles.py::test_matrix", "`security/test_roles.py::gone")
    monkeypatch.setattr(f"{__name__}.page", lambda: other)
    assert [one.split(":")[0] for one in problems()] == ["security/test_roles.py"]
