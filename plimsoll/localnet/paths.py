"""Where the project, its node_modules and its caches are."""

from __future__ import annotations

import os
from pathlib import Path

NODE_MODULES_VARIABLE = "PLIMSOLL_NODE_MODULES"
CACHE_VARIABLE = "PLIMSOLL_CACHE"


def project_root() -> Path:
    """The checkout this package runs from, else the working folder."""
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "ape-config.yaml").exists() else Path.cwd()


def node_modules_candidates() -> list[Path]:
    """Folders to look for npm packages in: PLIMSOLL_NODE_MODULES alone when set."""
    named = os.environ.get(NODE_MODULES_VARIABLE)
    if named:
        return [Path(named)]
    return [project_root() / "node_modules"]


def cache_root() -> Path:
    """The ignored cache folder: PLIMSOLL_CACHE, else `.cache` of the project."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else project_root() / ".cache"
