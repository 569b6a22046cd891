"""The report as JSON, for programs: every number exact, as text where it has a point.

`schema` names the shape; a reader should refuse a name it does not know. Blocks carry `type`, and
a waterfall also its steps' `before`, `after`, `change` and `drift`, and `conserved`.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from plimsoll.report.model import Report, Waterfall, total

SCHEMA = "plimsoll.report/1"


def to_json(report: Report) -> str:
    """The report as indented JSON text, ending in a newline. The same report, the same bytes."""
    return json.dumps({"schema": SCHEMA, **_plain(report)}, indent=1, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    """Anything of the model as what JSON knows."""
    if isinstance(value, Waterfall):
        return _waterfall(value)
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        kind = type(value).__name__
        return {"type": kind, **named} if kind in _BLOCKS else named
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


_BLOCKS = {"Paragraph", "Notice", "Table", "Figure", "LossFigure", "StateFigure"}


def _waterfall(waterfall: Waterfall) -> dict[str, Any]:
    steps = []
    for index, step in enumerate(waterfall.steps):
        before = waterfall.before(index)
        change = [total((a, -b)) for a, b in zip(step.after, before, strict=True)]
        steps.append(
            {
                "name": step.name,
                "note": step.note,
                "block": step.block,
                "transaction": step.transaction,
                "before": _plain(before),
                "after": _plain(step.after),
                "change": _plain(change),
                "drift": _plain(waterfall.drift(index)),
            }
        )
    return {
        "type": "Waterfall",
        "title": waterfall.title,
        "unit": waterfall.unit,
        "purses": list(waterfall.purses),
        "start": _plain(waterfall.start),
        "steps": steps,
        "conserved": waterfall.conserved,
        "caption": waterfall.caption,
    }
