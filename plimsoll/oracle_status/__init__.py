"""What every feed says, is made of, and why it is in its state; and what a poke would do now."""

from plimsoll.oracle_status.reading import ADAPTER, NoAdapter, read_oracle, try_pokes
from plimsoll.oracle_status.records import record
from plimsoll.oracle_status.table import show
from plimsoll.oracle_status.views import FeedView, Snapshot, SourceView, Tried

__all__ = [
    "ADAPTER",
    "FeedView",
    "NoAdapter",
    "Snapshot",
    "SourceView",
    "Tried",
    "read_oracle",
    "record",
    "show",
    "try_pokes",
]
