"""Parts that others wrote and only tests need: npm packages in `.cache/parts`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from plimsoll.compiler import Artifact
from plimsoll.localnet.artifacts import node_modules
from plimsoll.localnet.errors import PartMissing
from plimsoll.localnet.paths import project_root

MOCKS = Path(__file__).parent / "contracts"
PARTS = project_root() / ".cache" / "parts" / "node_modules"
COMPILE = project_root() / "plimsoll" / "localnet" / "compile_sol.cjs"


def missing(reason: str) -> NoReturn:
    """Skip, but never in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def part(path: str) -> Path:
    """A file of the npm packages that only tests need."""
    if not (PARTS / path).is_file():
        missing(f"expected {path} in {PARTS}, got no such file; run `make env-dev`")
    return PARTS / path


def pyth_mock(folder: Path) -> Artifact:
    """Pyth's mock compiled from its npm package; `folder` is a scratch folder."""
    package = part("@pythnetwork/pyth-sdk-solidity/MockPyth.sol").parent
    try:
        modules = node_modules()
    except PartMissing as error:
        missing(str(error))
    (folder / "solc").symlink_to(modules.root.resolve() / "solc")  # the compiler beside the sources
    (folder / "@pythnetwork").symlink_to(package.parent)
    node = shutil.which("node")
    assert node is not None
    command = [node, str(COMPILE), str(folder), str(MOCKS / "PythMock.sol"), "PythMock"]
    code = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    abi = json.loads((package / "abis" / "MockPyth.json").read_text())
    return Artifact("PythMock", abi, bytes.fromhex(code), 20_000, {}, {})
