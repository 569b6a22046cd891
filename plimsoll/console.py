"""What the commands share: exit codes, and lines on stderr."""

from __future__ import annotations

import sys

OK, FAILED, USAGE, UNAVAILABLE, REFUSED, INTERRUPTED = 0, 1, 2, 3, 4, 130


def note(text: str) -> None:
    """A line for people; stdout is the command's result alone."""
    print(text, file=sys.stderr, flush=True)


def fail(code: int, error: Exception) -> int:
    """Say what failed, line by line; returns the exit code `code`."""
    for line in str(error).splitlines() or [type(error).__name__]:
        note(f"error: {line}")
    return code


def duration(seconds: int) -> str:
    """Seconds as people read them."""
    if seconds < 600:
        return f"{seconds} s"
    if seconds < 86_400:
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{seconds / 86_400:.1f} days"
