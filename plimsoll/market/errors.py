"""What can be wrong with a user's price file, one class each.

Every error says where (path, data row counted from 1, line of the file counted from 1), what was
expected, what was found and what to do. A command line that meets one exits with `exit_code`.
"""

from __future__ import annotations

from pathlib import Path


class MarketDataError(Exception):
    """Base of all of them. `row` and `line` are `None` where the whole file is meant."""

    exit_code = 3

    def __init__(
        self,
        path: Path,
        *,
        expected: str,
        got: str,
        action: str,
        row: int | None = None,
        line: int | None = None,
    ) -> None:
        self.path = path
        self.row = row
        self.line = line
        self.expected = expected
        self.got = got
        self.action = action
        super().__init__(f"{self.where}: expected {expected}, got {got}; {action}")

    @property
    def where(self) -> str:
        """Path, and the row and the line where there is one."""
        if self.row is not None:
            return f"{self.path}: data row {self.row} (line {self.line})"
        return f"{self.path}: line {self.line}" if self.line is not None else str(self.path)


class FileMissingError(MarketDataError):
    """No file of that name."""


class UnsupportedFileError(MarketDataError):
    """The name ends neither in .csv nor in .csv.gz, or names a folder."""


class UnreadableFileError(MarketDataError):
    """The bytes cannot be read: broken gzip, no permission, not UTF-8."""


class EmptyFileError(MarketDataError):
    """No header, or a header with nothing under it."""


class MissingColumnError(MarketDataError):
    """One of ts, open, high, low, close is not in the header."""


class DuplicateColumnError(MarketDataError):
    """A needed column stands in the header twice."""


class MalformedRowError(MarketDataError):
    """More or fewer fields than the header has, or text that is no CSV."""


class BadTimestampError(MarketDataError):
    """`ts` is not a whole number of Unix seconds."""


class NotANumberError(MarketDataError):
    """A price or volume that is text, empty or NaN."""


class InfiniteNumberError(MarketDataError):
    """A price or volume that is infinite."""


class NonPositivePriceError(MarketDataError):
    """A price that is zero, negative, or rounds to zero ticks."""


class PriceTooLargeError(MarketDataError):
    """A price above the largest that the tick representation accepts."""


class BadVolumeError(MarketDataError):
    """A negative volume, or one beyond 1e30."""


class HighBelowLowError(MarketDataError):
    """high < low."""


class PriceOutsideRangeError(MarketDataError):
    """open or close outside [low, high]."""


class UnsortedError(MarketDataError):
    """A bar that opens before the one above it."""


class DuplicateTimestampError(MarketDataError):
    """Two neighbouring bars with one opening time."""


class TooFewBarsError(MarketDataError):
    """Fewer bars than needed to know their spacing."""


class GapError(MarketDataError):
    """A step between bars that is not the modal one, while gaps are not allowed."""
