"""The id of the row that a line is about, whatever else is the matter with the line."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import defstruct
from msgspec.json import Decoder

from labelsnap.records.lines import wire
from labelsnap.records.lines.text import json_values, readable, whole
from labelsnap.records.parsing import scalars

_HEAD: Final = Decoder(wire.Head)
_KEYS: Final[dict[str, Decoder[Any]]] = {
    name: Decoder(defstruct("Line", [("data_row", defstruct("Row", [(name, str | None, None)]) | None, None)]))
    for name in ("global_key", "external_id")
}
_BOTH: Final[Decoder[Any]] = Decoder(wire.Keyed)
_IN_DAMAGE: Final = re.compile(
    r'"data_row"\s*:\s*\{[^{}]{0,4096}?"id"\s*:\s*(?P<id>"(?:[^"\\]|\\.){0,512}"|-?\d{1,64}(?=[\s,}]))', re.DOTALL
)
"""The id of a data row of which no block was left, or begun, before it."""


class Identity(NamedTuple):
    """What was taken of a line: its ``row_id`` (None: it has none), and its ``fingerprint`` (None: not taken)."""

    row_id: str | None
    fingerprint: str | None = None


def row_id(line: bytes) -> str | None:
    """Return ``data_row.id`` of a line, as ``parse`` reads it; None where it has none.

    Of a line that is no JSON it is the id that can be told: one cut short still has its beginning.
    """
    try:
        head = _HEAD.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _told(readable(line))
    return (head.data_row and head.data_row.id) or None


def row_key(line: bytes, name: str) -> str | None:
    """Return another key of a line's data row, ``global_key`` or ``external_id``, as ``parse`` reads it; None: none."""
    try:
        return getattr(_KEYS[name].decode(line).data_row, name, None) or None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = readable(line)
    try:
        return _identity(json_values(text), text, name)
    except (ValueError, RecursionError):
        return None


def row_keys(line: bytes) -> tuple[str | None, str | None]:
    """Return global key and external id of a line's data row, as ``parse`` reads them; None: none."""
    try:
        row = _BOTH.decode(line).data_row
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return row_key(line, "global_key"), row_key(line, "external_id")
    return (row.global_key or None, row.external_id or None) if row else (None, None)


def _told(text: str) -> str | None:
    try:
        return _identity(json_values(text), text)
    except (ValueError, RecursionError):
        pass
    found = _IN_DAMAGE.search(text)
    try:
        return _identity({"data_row": {"id": json_values(found["id"])}}, text) if found else None
    except ValueError:
        return None


def _identity(line: Any, text: str, name: str = "id") -> str | None:
    row = line.get("data_row") if isinstance(line, dict) else None
    try:
        return scalars.text(whole(row.get(name), text)[0]) or None if isinstance(row, dict) else None
    except scalars.UnreadableError:
        return None
