"""Self-contained HTML reports with plots, and the same data as JSON.

Describe what happened with the classes of `plimsoll.report.model`, then `write` it.
"""

from plimsoll.report.html import render, write
from plimsoll.report.model import Report, ReportError
from plimsoll.report.serial import to_json

__all__ = ["Report", "ReportError", "render", "to_json", "write"]
