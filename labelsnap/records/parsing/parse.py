"""One export line → a ``Row``, or a ``Problem`` that says by name why not.

A line is read strictly first. One that is refused is read again from its plain JSON values, mended (``mending.py``).
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from labelsnap.decoders import converted
from labelsnap.records.lines import wire
from labelsnap.records.lines.asked import asked, read_strictly, without_others
from labelsnap.records.lines.fingerprint import fingerprint
from labelsnap.records.lines.text import REPLACEMENT, json_values, readable, whole
from labelsnap.records.model import (
    Attachment,
    DataRow,
    Embedding,
    JsonScalar,
    MediaAttributes,
    MetadataField,
    Problem,
    Row,
    Source,
    Unreadable,
)
from labelsnap.records.parsing.identity import Identity, row_id
from labelsnap.records.parsing.labels import entry_of
from labelsnap.records.parsing.media import medium_of_kind, medium_of_mime_type, other_medium, refuse_other_lines
from labelsnap.records.parsing.mending import mend
from labelsnap.records.parsing.refusal import RefusedError, canonical_json, missing, step
from labelsnap.records.parsing.scalars import UnreadableError, pixels, rotation

if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGEST_INTEGER = 2**63 - 1
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\[\.\.\.\]")


def parse(
    line: bytes, source: Source, *, number: int, keep_embeddings: bool = False, taken: Identity | None = None
) -> Row | Problem:
    """Return the row that a line of the RESULT stream holds, or the problem that it is.

    Of its projects and model runs ``source`` alone is looked at. ``number`` is the line's place in the stream, from 1;
    what was ``taken`` of it before is not taken again. Nothing is raised whatever the bytes are. A problem's codes and
    paths are described in ../README.md; its reason never repeats the line.
    """
    digest = (taken and taken.fingerprint) or fingerprint(line)
    try:
        return _row(read_strictly(line, source, keep_embeddings=keep_embeddings), source, digest)
    except (RefusedError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return _mended(line, source, wire.LineWithEmbeddings if keep_embeddings else wire.Line, digest)
    except RefusedError as refused:
        path = f"$.{refused.path}" if refused.path else "$"
        code, reason = refused.code, refused.reason
    except RecursionError:
        path, code, reason = "$", "too_deep", "Expected values nested as in an export, found far more."
    return Problem(number, taken.row_id if taken else row_id(line), path, code, reason)


def _mended(line: bytes, source: Source, kind: type[wire.Line], digest: str) -> Row:
    text = readable(line)
    try:
        found = json_values(text)
    except ValueError as error:
        raise RefusedError("not_json", f"Expected one JSON object, found otherwise: {error}.") from None
    if not isinstance(found, dict):
        raise RefusedError("not_an_object", "Expected a JSON object, found another JSON value.")
    plain, replaced = whole(without_others(found, source), text)
    values, unreadable = mend(plain, kind)
    try:
        decoded = converted(values, kind)
    except msgspec.ValidationError as error:
        refuse_other_lines(plain)
        raise _wrong_type(str(error), plain) from None
    data_row = decoded.data_row
    if data_row is None or not data_row.id:
        refuse_other_lines(plain)
    elif replaced and REPLACEMENT in data_row.id:
        raise RefusedError("unreadable_id", "Expected the row's id as text, found half of it.", "data_row.id")
    return _row(decoded, source, digest, unreadable, replaced)


def _row(
    decoded: wire.Line,
    source: Source,
    digest: str,
    unreadable: tuple[Unreadable, ...] = (),
    replaced: int = 0,
) -> Row:
    found = decoded.data_row
    if found is None or not found.id:
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
        tuple([_metadata(field) for field in decoded.metadata_fields or ()]),
        tuple([_attachment(found) for found in decoded.attachments or ()]),
        tuple([vector for embedding in embeddings or () for vector in _vectors(embedding)]),
    )
    return Row(data_row, entry_of(asked(decoded, source), source.id), digest, unreadable, replaced)


def _row_data(found: wire.DataRow) -> str:
    try:
        return found.row_data or missing("row_data")
    except RefusedError as refused:
        raise refused.below("data_row") from None


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
    for found in _STEP.finditer(path):
        if found[1]:
            yield found[1]
            value = value.get(found[1]) if isinstance(value, dict) else None
        elif found[2]:
            yield found[0]
            value = value[int(found[2])] if isinstance(value, list) else None
        else:
            keys = list(value) if isinstance(value, dict) else []
            yield step(keys[0]) if len(keys) == 1 else found[0]
            value = value[keys[0]] if len(keys) == 1 else None


def _media(found: wire.MediaAttributes) -> MediaAttributes:
    other = medium_of_mime_type(found.mime_type)
    if other or (other := medium_of_kind(found.asset_type)):
        raise other_medium(other, "media_attributes")
    try:
        return MediaAttributes(
            None if found.height is None else pixels(found.height),
            None if found.width is None else pixels(found.width),
            found.mime_type,
            None if found.exif_rotation is None else rotation(found.exif_rotation),
            found.asset_type,
        )
    except UnreadableError as error:
        raise RefusedError(
            error.code, "Expected sizes in pixels and a rotation from 1 to 8.", "media_attributes"
        ) from None


def _metadata(field: wire.MetadataField) -> MetadataField:
    value, is_json = field.value, False
    if isinstance(value, list | dict) or (isinstance(value, int) and abs(value) > _LARGEST_INTEGER):
        value, is_json = canonical_json(value), True
    scalar: JsonScalar = value
    return MetadataField(field.schema_id, field.schema_name, field.schema_kind, scalar, is_json)


def _attachment(found: wire.Attachment) -> Attachment:
    value = found.value
    return Attachment(
        found.id, found.type, found.name, value if value is None or isinstance(value, str) else canonical_json(value)
    )


def _vectors(found: wire.Embedding) -> list[Embedding]:
    make = partial(Embedding, found.id, found.name, found.dimensions, found.is_custom)
    return [make(tuple(vector.value)) for vector in found.values or () if vector.value is not None]
