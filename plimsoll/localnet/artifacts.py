"""Creation code of the parts nobody here wrote, read out of their npm packages."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from plimsoll.localnet.errors import PartMissing
from plimsoll.localnet.paths import node_modules_candidates

# Exact versions; one that ends in a dot allows any release of that line.
PACKAGES = {
    "canonical-weth": "1.4.0",
    "@uniswap/v3-core": "1.0.1",
    "@uniswap/v3-periphery": "1.4.4",
    "@safe-global/safe-contracts": "1.4.1",
    "@openzeppelin/contracts": "5.",
    "solc": "0.8.",
}

_UNI = "@uniswap/v3-periphery/artifacts/contracts"
_SAFE = "@safe-global/safe-contracts/build/artifacts/contracts"
FILES = {
    "weth": "canonical-weth/build/contracts/WETH9.json",
    "uniswap_factory": (
        "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json"
    ),
    "nft_descriptor": f"{_UNI}/libraries/NFTDescriptor.sol/NFTDescriptor.json",
    "position_descriptor": (
        f"{_UNI}/NonfungibleTokenPositionDescriptor.sol/NonfungibleTokenPositionDescriptor.json"
    ),
    "position_manager": f"{_UNI}/NonfungiblePositionManager.sol/NonfungiblePositionManager.json",
    "swap_router": f"{_UNI}/SwapRouter.sol/SwapRouter.json",
    "quoter": f"{_UNI}/lens/QuoterV2.sol/QuoterV2.json",
    "safe_singleton": f"{_SAFE}/Safe.sol/Safe.json",
    "safe_proxy_factory": f"{_SAFE}/proxies/SafeProxyFactory.sol/SafeProxyFactory.json",
    "safe_fallback_handler": (
        f"{_SAFE}/handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json"
    ),
    "multi_send_call_only": f"{_SAFE}/libraries/MultiSendCallOnly.sol/MultiSendCallOnly.json",
}
DOLLAR_SOURCE = Path(__file__).with_name("OriginDollar.sol")
_COMPILE = Path(__file__).with_name("compile_sol.cjs")
_INSTALL = "run `make env-demo`, or set PLIMSOLL_NODE_MODULES to a folder that has it"


@dataclass(frozen=True)
class NodeModules:
    """A node_modules folder whose packages have the pinned versions."""

    root: Path
    versions: dict[str, str]

    def creation_code(self, part: str, libraries: dict[str, str] | None = None) -> bytes:
        """Creation code of a part in FILES, linked with `libraries` (name -> address)."""
        path = self.root / FILES[part]
        try:
            artifact = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PartMissing(f"expected an artifact at {path}: {error}; {_INSTALL}") from error
        code = str(artifact["bytecode"]).removeprefix("0x")
        for contracts in artifact.get("linkReferences", {}).values():
            for name, places in contracts.items():
                code = _link(code, places, (libraries or {}).get(name), part, name)
        return bytes.fromhex(code)

    def dollar_code(self) -> bytes:
        """Creation code of the 6-decimal dollar, without constructor arguments (about 1 s)."""
        node = shutil.which("node")
        if node is None:
            raise PartMissing("expected `node` on PATH to compile the dollar, got none")
        command: list[str | Path] = [
            node,
            _COMPILE,
            self.root.resolve(),
            DOLLAR_SOURCE,
            "OriginDollar",
        ]
        reply = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if reply.returncode != 0:
            raise PartMissing(f"solc cannot compile {DOLLAR_SOURCE.name}: {reply.stderr[-2000:]}")
        return bytes.fromhex(reply.stdout.strip())


def _link(
    code: str, places: list[dict[str, int]], address: str | None, part: str, name: str
) -> str:
    if address is None:
        raise PartMissing(f"{part} needs the library {name} linked, got no address for it")
    digits = address.removeprefix("0x").lower()
    for place in places:
        start = 2 * place["start"]
        code = code[:start] + digits + code[start + 2 * place["length"] :]
    return code


def _version(root: Path, package: str) -> str | None:
    try:
        text = (root / package / "package.json").read_text(encoding="utf-8")
        return str(json.loads(text)["version"])
    except (OSError, ValueError, KeyError):
        return None


def _fits(version: str, wanted: str) -> bool:
    return version.startswith(wanted) if wanted.endswith(".") else version == wanted


def node_modules() -> NodeModules:
    """The first candidate folder, with every package at its pinned version, or PartMissing."""
    candidates = node_modules_candidates()
    root = next((one for one in candidates if one.is_dir()), None)
    if root is None:
        raise PartMissing(
            f"expected npm packages in {candidates[0]}, got no such folder; {_INSTALL}"
        )
    versions: dict[str, str] = {}
    for package, wanted in PACKAGES.items():
        version = _version(root, package)
        if version is None or not _fits(version, wanted):
            label = wanted + "x" if wanted.endswith(".") else wanted
            raise PartMissing(
                f"expected {package} {label} in {root}, got {version or 'nothing'}; {_INSTALL}"
            )
        versions[package] = version
    return NodeModules(root, versions)
