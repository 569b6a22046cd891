"""The liquidation waterfall at one block: who stands where, what is on sale, who pays."""

from plimsoll.status.history import History, read_history
from plimsoll.status.reading import NoDeployment, read_status
from plimsoll.status.records import record
from plimsoll.status.table import show
from plimsoll.status.verdicts import errands, identities
from plimsoll.status.views import Snapshot

__all__ = [
    "History",
    "NoDeployment",
    "Snapshot",
    "errands",
    "identities",
    "read_history",
    "read_status",
    "record",
    "show",
]
