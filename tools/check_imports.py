"""Imports every package that ``requirements/{demo,dev}.in`` names directly.

Resolvers accept sets that fail at import, so a lock file alone proves nothing. Prints one line per
failure (package, module, error) and exits 1 if there is any.
"""

import importlib
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
STUBS_PREFIX = "types-"  # distributions of type stubs hold nothing to import


def normalised(name: str) -> str:
    """A distribution's name in the form that compares equal to its other spellings."""
    return re.sub(r"[-_.]+", "-", name).lower()


def direct_dependencies() -> list[str]:
    """Names at the start of each requirement line, options and comments left out."""
    names = []
    for file in ("demo.in", "dev.in"):
        for line in (REQUIREMENTS / file).read_text().splitlines():
            match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line)
            if match and not match[0].startswith(STUBS_PREFIX):
                names.append(normalised(match[0]))
    return names


def modules_by_distribution() -> dict[str, list[str]]:
    """Public top-level modules that each installed distribution brings."""
    modules: dict[str, list[str]] = {}
    for module, distributions in packages_distributions().items():
        if module.isidentifier() and not module.startswith("_"):
            for name in distributions:
                modules.setdefault(normalised(name), []).append(module)
    return modules


def main() -> int:
    """Tries them all; 0 when each imports."""
    modules = modules_by_distribution()
    names = direct_dependencies()
    failures = 0
    for name in names:
        for module in modules.get(name, [name]):
            try:
                importlib.import_module(module)
            except Exception as error:  # any failure at import is the finding
                failures += 1
                print(f"{name}: import {module}: {type(error).__name__}: {error}", file=sys.stderr)
    print(f"{len(names)} direct dependencies, {failures} failed imports")
    return int(failures > 0)


if __name__ == "__main__":
    raise SystemExit(main())
