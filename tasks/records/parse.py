"""One export line → a ``Row``, or a ``Problem`` that says by name why not."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.json import Decoder

from tasks.records import wire
from tasks.records.fingerprint import fingerprint
from tasks.records.labels import entries
from tasks.records.media import medium_of_kind, medium_of_mime_type, other_medium, refuse_other_lines
from tasks.records.model import (
    Attachment,
    DataRow,
    Embedding,
    JsonScalar,
    MediaAttributes,
    MetadataField,
    Problem,
    Row,
)
from tasks.records.refusal import RefusedError, canonical_json, each, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE = Decoder(wire.Line)
_LINE_WITH_EMBEDDINGS = Decoder(wire.LineWithEmbeddings)
_HEAD = Decoder(wire.Head)
_PLAIN = Decoder(float_hook=str)

_LARGEST_INTEGER = 2**63 - 1
_LARGEST_ROTATION = 8
_PLAIN_STEP = re.compile(r"[\w-]{1,64}", re.ASCII)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\[\.\.\.\]")


def parse(line: bytes, *, number: int, keep_embeddings: bool = False) -> Row | Problem:
    """Return the row that a line of the RESULT stream holds, or the problem that it is.

    ``number`` is the line's place in the stream, from 1. Nothing is raised whatever the bytes are. A problem's codes
    and paths are described in README.md; its reason never repeats the line.
    """
    try:
        return _row(line, keep_embeddings=keep_embeddings)
    except RefusedError as refused:
        path = f"$.{refused.path}" if refused.path else "$"
        return Problem(number, row_id(line), path, refused.code, refused.reason)
    except RecursionError:
        return Problem(number, row_id(line), "$", "too_deep", "Expected values nested as in an export, found far more.")


def row_id(line: bytes) -> str | None:
    """Return ``data_row.id`` of a line, looking at nothing else; None where the line has none or is no JSON."""
    try:
        head = _HEAD.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return (head.data_row and head.data_row.id) or None


def _row(line: bytes, *, keep_embeddings: bool) -> Row:
    decoded = _decoded(line, keep_embeddings=keep_embeddings)
    found = decoded.data_row
    if found is None or not found.id:
        refuse_other_lines(_json(line))
        raise RefusedError("missing_data_row_id", "Expected the row's id, found none.", "data_row.id")
    media = _media(decoded.media_attributes or wire.MediaAttributes())
    embeddings = decoded.embeddings if isinstance(decoded, wire.LineWithEmbeddings) else None
    data_row = DataRow(
        found.id,
        found.global_key,
        found.external_id,
        _row_data(found),
        found.details,
        media,
        each(decoded.metadata_fields, _metadata, None, "metadata_fields"),
        tuple([_attachment(found) for found in decoded.attachments or ()]),
        tuple([vector for embedding in embeddings or () for vector in _vectors(embedding)]),
    )
    return Row(data_row, entries(decoded), fingerprint(line))


def _row_data(found: wire.DataRow) -> str:
    try:
        return found.row_data or missing("row_data")
    except RefusedError as refused:
        raise refused.below("data_row") from None


def _decoded(line: bytes, *, keep_embeddings: bool) -> wire.Line:
    try:
        return (_LINE_WITH_EMBEDDINGS if keep_embeddings else _LINE).decode(line)
    except msgspec.ValidationError as error:
        plain = _json(line)
        refuse_other_lines(plain)
        raise _wrong_type(str(error), plain) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_json(error) from None


def _json(line: bytes) -> Any:
    try:
        return _without_numbers(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_json(error) from None


def _without_numbers(line: bytes) -> Any:
    """Decode a line; where one of its numbers is beyond a float's range, decode it with text in place of numbers."""
    try:
        return msgspec.json.decode(line)
    except msgspec.ValidationError:
        return _PLAIN.decode(line)


def _not_json(error: msgspec.DecodeError | UnicodeDecodeError) -> RefusedError:
    found = "bytes that are not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error).rstrip(".")
    return RefusedError("not_json", f"Expected one JSON object in UTF-8, found otherwise: {found}.")


def _wrong_type(message: str, line: Any) -> RefusedError:
    """Return what msgspec found (types only, never values) as a refusal, with the keys that its path leaves out."""
    reason, _, path = message.partition(" - at `$")
    where = ".".join(_steps(path.rstrip("`"), line)).replace(".[", "[")
    if "color_rgb" in path:
        return RefusedError("bad_color", "Expected three integers from 0 to 255.", where)
    is_geometry = re.search(r"\.(bounding_box|polygon|line|point)\b", path)
    return RefusedError("bad_geometry" if is_geometry else "wrong_type", f"{reason}.", where)


def _steps(path: str, value: Any) -> Iterator[str]:
    """Walk a path of msgspec's, in which ``[...]`` stands for any key, and name the keys that can be told."""
    for step in _STEP.finditer(path):
        if step[1]:
            yield step[1]
            value = value.get(step[1]) if isinstance(value, dict) else None
        elif step[2]:
            yield step[0]
            value = value[int(step[2])] if isinstance(value, list) else None
        else:
            keys = list(value) if isinstance(value, dict) else []
            yield keys[0] if len(keys) == 1 and _PLAIN_STEP.fullmatch(keys[0]) else step[0]
            value = value[keys[0]] if len(keys) == 1 else None


def _media(found: wire.MediaAttributes) -> MediaAttributes:
    other = medium_of_mime_type(found.mime_type)
    if other or (other := medium_of_kind(found.asset_type)):
        raise other_medium(other, "media_attributes")
    try:
        return MediaAttributes(
            _whole(found.height, "height"),
            _whole(found.width, "width"),
            found.mime_type,
            _rotation(found.exif_rotation),
            found.asset_type,
        )
    except RefusedError as refused:
        raise refused.below("media_attributes") from None


def _whole(number: float | None, name: str) -> int | None:
    if number is None or number == int(number):
        return None if number is None else int(number)
    raise RefusedError("wrong_type", "Expected a whole number of pixels, found a fraction.", name)


def _rotation(found: int | str | None) -> int | None:
    if found is None or found == "":
        return None
    rotation = int(found) if str(found).isascii() and str(found).isdigit() and len(str(found)) == 1 else 0
    if 1 <= rotation <= _LARGEST_ROTATION:
        return rotation
    raise RefusedError("bad_exif_rotation", f"Expected 1 to {_LARGEST_ROTATION}, found another value.", "exif_rotation")


def _metadata(field: wire.MetadataField, _: None) -> MetadataField:
    value, is_json = field.value, False
    if isinstance(value, list | dict) or (isinstance(value, int) and abs(value) > _LARGEST_INTEGER):
        value, is_json = canonical_json(value), True
    scalar: JsonScalar = value
    return MetadataField(
        field.schema_id, field.schema_name or missing("schema_name"), field.schema_kind, scalar, is_json
    )


def _attachment(found: wire.Attachment) -> Attachment:
    value = found.value
    return Attachment(
        found.id, found.type, found.name, value if value is None or isinstance(value, str) else canonical_json(value)
    )


def _vectors(found: wire.Embedding) -> list[Embedding]:
    make = partial(Embedding, found.id, found.name, found.dimensions, found.is_custom)
    return [make(tuple(vector.value)) for vector in found.values or () if vector.value is not None]
