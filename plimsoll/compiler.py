"""Compile a deployable contract by name, with an on-disk cache that is never stale.

A deployable is a CamelCase `.vy` file anywhere under the contracts folder; `compile_contract`
finds it by that name. The project root is the import search path, so
`from contracts.modules import x` resolves, and snekmate comes from the installed packages.

A cache entry lists every file the build read (its import closure) with its SHA-256, and every path
the import search tried and did not find. It is used only while the former are unchanged, the latter
still absent (a new file may shadow an import), and compiler, settings and snekmate version are the
same. A hit does not import the compiler. Entries are written to a temporary file and renamed, so
processes running in parallel never see half of one.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PROJECT_ROOT = Path(__file__).resolve().parent.parent
CACHE_FORMAT = 1
MAX_RUNTIME_BYTES = 24_576  # EIP-170


class ContractNotFound(LookupError):
    """No file, or more than one, carries the requested contract name."""


class CompileError(RuntimeError):
    """The compiler refused a source; the message carries its diagnosis."""


@dataclass(frozen=True)
class CompilerSettings:
    """What is built. The defaults are the deployed build.

    `experimental_codegen` selects the alternative code generator, used only for differential runs.
    """

    evm_version: str = "prague"
    optimize: str = "gas"
    experimental_codegen: bool = False


@dataclass(frozen=True)
class Artifact:
    """One compiled contract.

    `initcode` is the creation code without constructor arguments. `runtime_size` is the size on
    chain in bytes: the printed runtime code plus 32 bytes for every word of immutables.
    `method_identifiers` maps "name(types)" to a "0x"-prefixed selector. `storage_layout` is the
    compiler's own `layout` output.
    """

    name: str
    abi: list[dict[str, Any]]
    initcode: bytes
    runtime_size: int
    method_identifiers: dict[str, str]
    storage_layout: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The artifact as plain JSON types (initcode as hex)."""
        return {**vars(self), "initcode": self.initcode.hex()}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Artifact:
        """Inverse of `to_json`."""
        return cls(**{**raw, "initcode": bytes.fromhex(raw["initcode"])})


def find_contract(name: str, contracts: Path | None = None) -> Path:
    """Path of `<name>.vy` under `contracts` (default: the project's contracts folder)."""
    folder = contracts or PROJECT_ROOT / "contracts"
    found = sorted(folder.rglob(f"{name}.vy"))
    if len(found) == 1:
        return found[0]
    got = ", ".join(str(path) for path in found) or "none"
    raise ContractNotFound(
        f"expected one file {name}.vy under {folder}, got {got}; "
        "check the spelling, or pass the folder to look in"
    )


def compile_contract(
    name: str,
    settings: CompilerSettings | None = None,
    *,
    contracts: Path | None = None,
    root: Path | None = None,
    cache_dir: Path | None = None,
) -> Artifact:
    """Compile the deployable called `name`, or return its cached build.

    `contracts` is the folder searched for the name, `root` the import search path (default: the
    project root), `cache_dir` the cache folder (default `<root>/.cache/compile`).
    Raises `ContractNotFound`, or `CompileError` with the compiler's message.
    """
    settings = settings or CompilerSettings()
    root = (root or PROJECT_ROOT).resolve()
    contracts = (contracts or root / "contracts").resolve()
    source = find_contract(name, contracts)
    entry = _entry_path(cache_dir or root / ".cache" / "compile", source, root, settings)
    cached = _load_entry(entry)
    if cached is not None:
        return cached
    artifact, files = _build(name, source, root, settings)
    _store_entry(entry, artifact, files)
    return artifact


def compile_path(source: Path, settings: CompilerSettings | None = None) -> Artifact:
    """Compile one file outside the contracts folder (test fixtures), cached like any other."""
    return compile_contract(
        source.stem,
        settings,
        contracts=source.parent,
        root=source.parent,
        cache_dir=PROJECT_ROOT / ".cache" / "compile",
    )


@cache
def _versions() -> str:
    return f"vyper {metadata.version('vyper')} snekmate {metadata.version('snekmate')}"


def _entry_path(folder: Path, source: Path, root: Path, settings: CompilerSettings) -> Path:
    key = f"{CACHE_FORMAT}|{_versions()}|{root}|{source}|{sorted(asdict(settings).items())}"
    return folder / f"{source.stem}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"


def _digest(path: Path) -> str | None:
    """SHA-256 of a file, or None where there is no such file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _load_entry(entry: Path) -> Artifact | None:
    try:
        raw = json.loads(entry.read_text())
    except (OSError, ValueError):
        return None
    if any(_digest(Path(path)) != digest for path, digest in raw["files"].items()):
        return None
    return Artifact.from_json(raw["artifact"])


def _store_entry(entry: Path, artifact: Artifact, files: dict[str, str | None]) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"files": files, "artifact": artifact.to_json()})
    handle, temporary = tempfile.mkstemp(dir=entry.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
        os.replace(temporary, entry)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _build(
    name: str, source: Path, root: Path, settings: CompilerSettings
) -> tuple[Artifact, dict[str, str | None]]:
    """Run the compiler; returns the artifact and the digest of each path tried (None: absent)."""
    import site
    import warnings

    from vyper.compiler import CompilerData, outputs_from_compiler_data
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.settings import OptimizationLevel, Settings
    from vyper.exceptions import VyperException

    files: dict[str, str | None] = {}

    class RecordingBundle(FilesystemInputBundle):  # type: ignore[misc]
        """Notes each path the import search touches, with its digest taken before the read."""

        def _normalize_path(self, path: Path) -> Any:
            files[str(path)] = _digest(path)
            return super()._normalize_path(path)

    # The last search path wins; packages come first, so the project's own files shadow them.
    paths = [Path(entry) for entry in site.getsitepackages()] + [root]
    bundle = RecordingBundle(paths)
    built = Settings(
        optimize=OptimizationLevel.from_string(settings.optimize),
        experimental_codegen=settings.experimental_codegen,
        evm_version=settings.evm_version,
    )
    formats = ["abi", "bytecode", "bytecode_runtime", "method_identifiers", "layout"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            file_input = bundle.load_file(source)
            data = CompilerData(file_input, input_bundle=bundle, settings=built)
            out = outputs_from_compiler_data(data, formats)
        except VyperException as exc:
            raise CompileError(f"{name} ({source}) does not compile: {exc}") from exc
    return _to_artifact(name, out), files


def _to_artifact(name: str, out: dict[str, Any]) -> Artifact:
    code_layout = out["layout"].get("code_layout", {})
    runtime = (len(out["bytecode_runtime"]) - 2) // 2
    return Artifact(
        name=name,
        abi=out["abi"],
        initcode=bytes.fromhex(out["bytecode"][2:]),
        runtime_size=runtime + _immutable_bytes(code_layout),
        method_identifiers=out["method_identifiers"],
        storage_layout=json.loads(json.dumps(out["layout"])),  # plain dicts
    )


def _immutable_bytes(layout: dict[str, Any]) -> int:
    """Bytes of immutables appended to the runtime code (modules nest in the layout)."""
    if "length" in layout and "offset" in layout and isinstance(layout["length"], int):
        return int(layout["length"])
    return sum(_immutable_bytes(item) for item in layout.values() if isinstance(item, dict))
