"""Times as exports spell them, compared as instants: ``10:00:00Z`` is before ``10:00:00.500Z``, whatever text says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from labelsnap.decoders import converted
from labelsnap.records.lines.asked import without_others
from labelsnap.records.lines.text import json_values, readable, whole
from labelsnap.records.model import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

By: TypeAlias = Literal["last_activity_at", "label_created_at"]
"""What Labelbox filters rows by."""

BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)
"""Stands for a time that is not told."""


class _Details(Struct):
    last_activity_at: Any = None


class _DataRow(Struct):
    details: _Details | None = None


class _LabelDetails(Struct):
    created_at: Any = None


class _Label(Struct):
    label_details: _LabelDetails | None = None


class _Project(Struct):
    labels: list[_Label] | None = None


class _RowTimes(Struct):
    data_row: _DataRow | None = None


class _LabelTimes(Struct):
    projects: dict[str, _Project] | None = None


Times = TypeVar("Times", _RowTimes, _LabelTimes)

_ROW: Final = msgspec.json.Decoder(_RowTimes)
_LABELS: Final = msgspec.json.Decoder(_LabelTimes)


def instant(text: object) -> datetime | None:
    """Return the time that a text in ISO 8601 tells, in UTC where it names no offset; None where it tells none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def times_of(line: bytes, by: By, project: str) -> tuple[datetime, ...]:
    """Return the times of an export's line that Labelbox filters by, as far as the line tells them.

    Labels are those of the project that is asked for. A line that is refused by the strict decoder is read as ``parse``
    reads it: mended, and without other projects.
    """
    try:
        told = _last_activity(line, project) if by == "last_activity_at" else _created(line, project)
        return tuple(found for text in told if (found := instant(text)))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ()


def _last_activity(line: bytes, project: str) -> Iterator[object]:
    row = _decoded(line, _ROW, project).data_row
    if row and row.details:
        yield row.details.last_activity_at


def _created(line: bytes, project: str) -> Iterator[object]:
    held = (_decoded(line, _LABELS, project).projects or {}).get(project)
    for label in (held and held.labels) or ():
        if label.label_details:
            yield label.label_details.created_at


def _decoded(line: bytes, decoder: msgspec.json.Decoder[Times], project: str) -> Times:
    try:
        return decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = readable(line)
        values, _ = whole(without_others(json_values(text), Source("project", project)), text)
        return converted(values, decoder.type)
