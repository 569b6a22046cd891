"""Integer division with its direction named. Python's `//` rounds to minus infinity already."""

from __future__ import annotations


class ModelError(Exception):
    """A call that the protocol refuses; `name` is the error's name in plimsoll/errors.yaml."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def require(condition: bool, name: str) -> None:
    """Raise ModelError(name) unless the condition holds."""
    if not condition:
        raise ModelError(name)


def div_floor(a: int, b: int) -> int:
    """a / b to minus infinity, b > 0."""
    return a // b


def div_up(a: int, b: int) -> int:
    """a / b to plus infinity, b > 0."""
    return -(-a // b)


def div_trunc(a: int, b: int) -> int:
    """a / b to zero, b > 0."""
    return a // b if a >= 0 else -(-a // b)
