"""Actions by name: what each file of this folder lists its own in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plimsoll.deployment.house import House

Action = Callable[[House], Any]


class Actions(dict[str, Action]):
    """Calls on the stage's house."""

    def add(self, function: Action) -> Action:
        """An action of the matrix, by its name."""
        self[function.__name__] = function
        return function
