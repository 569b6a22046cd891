"""The compile cache: correct size, never stale, quick, safe between processes."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from plimsoll import compiler
from plimsoll.compiler import (
    Artifact,
    CompileError,
    CompilerSettings,
    ContractNotFound,
    compile_contract,
)
from plimsoll.evm import Evm

MODULE = "# pragma version 0.4.3\n@internal\n@pure\ndef _factor() -> uint256:\n    return {}\n"
USER = """# pragma version 0.4.3
from contracts.modules import factor
LIMIT: immutable(uint256)
OWNER: immutable(address)
total: uint256
@deploy
def __init__():
    LIMIT = 1
    OWNER = msg.sender
@external
@view
def scaled(x: uint256) -> uint256:
    assert x < LIMIT and msg.sender == OWNER
    return x * factor._factor()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project root with `contracts/modules/factor.vy` and `contracts/core/UserOf.vy`."""
    for folder in ("modules", "core"):
        (tmp_path / "contracts" / folder).mkdir(parents=True)
    (tmp_path / "contracts/modules/factor.vy").write_text(MODULE.format(2))
    (tmp_path / "contracts/core/UserOf.vy").write_text(USER)
    return tmp_path


def build(root: Path, settings: CompilerSettings | None = None) -> Artifact:
    return compile_contract("UserOf", settings, root=root)


def forbid_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the compiler ran")

    monkeypatch.setattr(compiler, "_build", fail)


def test_compile__immutables__counted_in_runtime_size(project: Path) -> None:
    artifact = build(project)
    with_immutables = artifact.runtime_size
    assert list(artifact.method_identifiers) == ["scaled(uint256)"]
    assert "total" in artifact.storage_layout["storage_layout"]
    deployed = Evm().deploy(artifact)
    assert len(deployed.evm.code(deployed)) == with_immutables


def test_compile__second_call__fast_and_without_the_compiler(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(project)
    forbid_compiling(monkeypatch)
    started = time.perf_counter()
    assert build(project) == first
    assert time.perf_counter() - started < 0.05


def test_compile__imported_module_edited__recompiled(project: Path) -> None:
    before = build(project)
    (project / "contracts/modules/factor.vy").write_text(MODULE.format(3))
    assert build(project).initcode != before.initcode


def test_compile__unrelated_file_added__cache_kept(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(project)
    forbid_compiling(monkeypatch)
    (project / "contracts/core/Other.vy").write_text("# pragma version 0.4.3\n")
    build(project)


def test_compile__new_file_shadows_an_import__recompiled(project: Path) -> None:
    # The search tries the project root first, misses, and finds the installed package.
    user = project / "contracts/core/UserOf.vy"
    user.write_text(USER.replace("from contracts.modules import", "from snekmate.utils import"))
    user.write_text(user.read_text().replace("factor._factor()", "math._ceil_div(x, 2)"))
    user.write_text(user.read_text().replace("import factor", "import math"))
    before = build(project)
    shadow = project / "snekmate/utils/math.vy"
    shadow.parent.mkdir(parents=True)
    shadow.write_text(
        "# pragma version 0.4.3\n@internal\n@pure\n"
        "def _ceil_div(x: uint256, y: uint256) -> uint256:\n    return x // y\n"
    )
    assert build(project).initcode != before.initcode


def test_compile__other_settings__separate_entries(project: Path) -> None:
    gas = build(project)
    other = build(project, CompilerSettings(experimental_codegen=True))
    assert gas.initcode != other.initcode
    assert build(project) == gas


def test_compile__entry_cut_short__rebuilt(project: Path) -> None:
    first = build(project)
    (entry,) = (project / ".cache/compile").glob("UserOf-*.json")
    entry.write_text(entry.read_text()[:100])
    assert build(project) == first


def test_compile__unknown_name__not_found(project: Path) -> None:
    with pytest.raises(ContractNotFound, match=r"expected one file Missing\.vy .* got none"):
        compile_contract("Missing", root=project)


def test_compile__broken_source__diagnosis_with_line(project: Path) -> None:
    (project / "contracts/core/UserOf.vy").write_text(USER.replace("x * ", "y * "))
    with pytest.raises(CompileError, match=r"UserOf .* does not compile[\s\S]*'y'"):
        build(project)


def test_compile__parallel_processes__one_good_entry(project: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        job = partial(compile_contract, root=project)
        artifacts = list(pool.map(job, ["UserOf"] * 6))
    assert all(artifact == artifacts[0] for artifact in artifacts)
    files = sorted(path.name for path in (project / ".cache/compile").iterdir())
    assert len(files) == 1
    assert files[0].startswith("UserOf-")
