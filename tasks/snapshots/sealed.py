"""Small records that carry their own digest: commit records, tags, garbage epochs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tasks.decoders import decoder_of
from tasks.snapshots.manifest import NOT_SUCH_JSON, RESTORE, Stored, damaged, decode, digest, encode

SEAL: Final = "digest"


def seal(record: msgspec.Struct) -> bytes:
    """Return canonical JSON with the field ``digest``: the sha256 of the canonical JSON without that field."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    return _canonical(fields | {SEAL: digest(encode(record))})


def unseal(body: bytes, kind: type[Stored], *, name: str, remedy: str = RESTORE) -> Stored:
    """Read a sealed record of the format version this code knows; fields it does not know count in the digest.

    Raises StorageRefusedError, naming the record, when the bytes are not those that were written.
    """
    record = decode(body, kind, name=name, remedy=remedy)
    if fields_of(body) is None:
        raise damaged(name, "fields whose digest is not the one that it gives", remedy=remedy)
    return record


def fields_of(body: bytes) -> dict[str, Any] | None:
    """Return the fields of a record as it was written, of whatever format version; None: the bytes are none."""
    try:
        fields = decoder_of(dict[str, Any]).decode(body)
        sealed = fields.pop(SEAL, None) == digest(_canonical(fields))
    except NOT_SUCH_JSON:  # or nested so deep that they were read and cannot be written
        return None
    return fields if sealed else None


def timestamp() -> str:
    """Return the writer's own time, RFC 3339 in UTC: for people to read, never to decide by."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _canonical(fields: dict[str, Any]) -> bytes:
    return msgspec.json.encode(fields, order="sorted")
