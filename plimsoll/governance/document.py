"""The YAML of a proposal."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Scalar = bool | int | Decimal | str


class DocumentError(ValueError):
    """The file is not a proposal; each line starts with a key's path."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Call(_Model):
    """A call that is no parameter of the catalogue."""

    contract: str
    function: str
    args: list[Any] = []


class Read(_Model):
    """The view that shows the call's outcome; `field` of a struct it returns."""

    function: str
    args: list[Any] = []
    field: str | None = None


class Change(_Model):
    """One change: a `parameter` by its path, or a `call` with the `read` that shows it."""

    parameter: str | None = None
    call: Call | None = None
    read: Read | None = None
    old: Scalar
    new: Scalar
    rationale: Annotated[str, Field(min_length=1)]
    ramp_seconds: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Change:
        if (self.parameter is None) == (self.call is None):
            raise ValueError("expected either `parameter` or `call`")
        if (self.call is None) != (self.read is None):
            raise ValueError("expected `read` with `call`: the view that shows old and new")
        return self


class Document(_Model):
    """A proposal. The date goes into the files, so that the same inputs give the same bytes."""

    title: Annotated[str, Field(min_length=1, max_length=120)]
    date: dt.date
    description: str = ""
    predecessor: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{64}$")] = "0x" + "00" * 32
    changes: Annotated[list[Change], Field(min_length=1, max_length=64)]

    def created_ms(self) -> int:
        """Midnight UTC of the date, milliseconds since 1970."""
        day = dt.datetime.combine(self.date, dt.time(), tzinfo=dt.UTC)
        return int(day.timestamp()) * 1000


def load_document(path: Path) -> Document:
    """A proposal from its file; `DocumentError` names the bad key's path."""
    import yaml

    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as exc:
        raise DocumentError(f"{path}: cannot be read ({exc.strerror})") from exc
    except yaml.YAMLError as exc:
        raise DocumentError(f"{path}: not YAML: {exc}") from exc
    if not isinstance(raw, dict):
        raise DocumentError(f"{path}: expected a table at the top, got {type(raw).__name__}")
    try:
        return Document.model_validate(raw)
    except ValidationError as exc:
        lines = {}
        for error in exc.errors():
            path_text = ".".join(str(part) for part in error["loc"] if _is_key(part))
            lines[path_text] = error["msg"].removeprefix("Value error, ")
        raise DocumentError("\n".join(f"{key}: {text}" for key, text in lines.items())) from exc


def _is_key(part: Any) -> bool:
    """Leaves out the names of union members that pydantic puts into a path."""
    return part not in ("bool", "int", "decimal", "str")
